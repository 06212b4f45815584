#ifndef PROXY_LOCK_COUNTS_H
#define PROXY_LOCK_COUNTS_H

#include <stdint.h>

#include "proxy/error_counts.h"

/*
 * How often which kind of contention befell whom, and in which statement. A client may send any statement it likes, so their number is bounded: what was not seen
 * for longest makes room.
 */
enum { LOCK_COUNTS_MAX = 256, LOCK_NAME_SIZE = 64, LOCK_SHAPE_SIZE = 404 };

struct lock_count {
    char sqlstate[6];
    char class[LOCK_NAME_SIZE], user[LOCK_NAME_SIZE], database[LOCK_NAME_SIZE]; /* longer names are cut */
    char shape[LOCK_SHAPE_SIZE];                                                /* "": not known */
    uint64_t count;
    int64_t last_us, run_max_us;
};

struct lock_counts { /* a zeroed struct is empty and has no memory */
    struct lock_count *counts;
    uint32_t size, capacity;
    struct error_counts totals; /* of all, by SQLSTATE and class: none of these is ever forgotten */
};

/* The text of a shape as it is counted and logged: one that is too long ends in " ...", behind a whole character. NULL is "". */
void lock_counts_cut(const char *shape, char text_out[LOCK_SHAPE_SIZE]);

struct lock_event {
    const char *sqlstate, *class, *user, *database;
    const char *shape; /* as from lock_counts_cut */
    int64_t run_us;    /* of the statement */
};
void lock_counts_add(struct lock_counts *counts, const struct lock_event *event, int64_t now_us);
void lock_counts_fini(struct lock_counts *counts);

#endif
