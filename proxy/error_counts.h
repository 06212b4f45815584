#ifndef PROXY_ERROR_COUNTS_H
#define PROXY_ERROR_COUNTS_H

#include <stdint.h>

/*
 * How often clients were told an error, by SQLSTATE and class. A server may make up any SQLSTATE it likes, so their number is bounded, and that of each class besides, so that
 * one class cannot use up what is there for all: from then on what is new counts as "other" of its class, or, when the table is full, as "other" of no class.
 */
enum { ERROR_COUNTS_MAX = 1024, ERROR_COUNTS_OF_CLASS_MAX = 128, ERROR_CLASS_SIZE = 64 };
enum error_source { ERROR_OF_SERVER, ERROR_OF_OURS };

struct error_count {
    char sqlstate[6];
    char class[ERROR_CLASS_SIZE]; /* a longer name is cut; "": of clients that were in none yet */
    uint64_t of_servers, of_ours;
    int64_t last_us;
};

struct error_counts { /* a zeroed struct is empty and has no memory */
    struct error_count *counts;
    uint32_t size, capacity;
};

/* `sqlstate` may be NULL, or longer than five bytes, which do not count; `class` NULL is "". */
void error_counts_add(struct error_counts *counts, const char *sqlstate, const char *class, enum error_source source, int64_t now_us);
/* `copy_out` is overwritten, and needs fini as well. */
void error_counts_copy(const struct error_counts *counts, struct error_counts *copy_out);
void error_counts_fini(struct error_counts *counts);

#endif
