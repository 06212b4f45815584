#ifndef PROXY_SNAPSHOT_H
#define PROXY_SNAPSHOT_H

#include "proxy/history.h"
#include "proxy/pool.h"
#include "proxy/tap.h"
#include "proxy/text_table.h"

/*
 * A copy of what there is to show, with no pointer into the worker: taken on the worker's thread, rendered on any other. Taking it is bounded by the
 * limits below; beyond them it costs a look at each pool and each key that waits.
 */
enum {
    SNAPSHOT_POOLS_MAX = 100,     /* the longest known ones, so that they stay the same; the rest are summed up */
    SNAPSHOT_DATABASES_MAX = 100, /* likewise */
    SNAPSHOT_FINDINGS_MAX = 10,
    SNAPSHOT_SEATS_MAX = 1000,
    SNAPSHOT_HOLDERS_MAX = 20,
    SNAPSHOT_APPLICATION_MAX = 128, /* bytes; longer names are cut */
    SNAPSHOT_SHAPE_MAX = 400        /* likewise */
};

enum seat_state {
#define X(name, text) name,
#include "proxy/seat_states.def"
#undef X
};
const char *seat_state_text(enum seat_state state);

struct snapshot_class {
    const char *name;
    uint32_t reserve, limit, weight; /* limit 0: none */
    uint32_t leased, waiting, clients;
    uint32_t workers, workers_useful; /* scaling.h; 0 for a class that is configured no more */
    int64_t longest_wait_us;          /* of those who wait */
    uint64_t granted, waited, refused_queue_full, timed_out, slot_us;
    struct histogram wait_us, lease_us, query_us;
};

struct snapshot_pool {
    const char *database, *user; /* NULL: the sum of the rest */
    uint32_t opening, idle, leased, closing;
    uint32_t waiting, pinned;
    uint32_t failing; /* 1: its last server login failed, and none has worked since. Of the rest: how many */
    struct pool_times times;
};

struct snapshot_seat {
    enum seat_state state;
    int class;        /* index, -1: nobody leases it */
    int64_t since_us; /* of the lease; 0: none */
    const char *database, *user;
};

struct snapshot_holder {
    enum seat_state state;
    int class;
    int64_t since_us;
    uint32_t pid;         /* of the backend */
    uint64_t client;      /* 0: it has left */
    const char *pin_text; /* "": not pinned */
    const char *database, *user, *application;
};

struct snapshot_database {
    const char *name; /* NULL: the sum of the rest */
    struct traffic traffic;
};

/* Of the search for duplicate queries: what lost most time since the start. */
struct snapshot_finding {
    const char *database, *user, *route, *shape;
    enum verdict verdict;
    enum confidence confidence;
    uint64_t units, n; /* units of work that it was found in; repeats, over all of them */
    int64_t lost_us;
};

struct snapshot {
    int64_t now_us;
    bool is_draining;
    const char *why_not_ready; /* a constant; NULL: ready */
    const char *state;         /* in a word, a constant: why_not_ready, paused ... */
    uint32_t budget, leased, waiting, clients;
    uint32_t older_clients, older_slots; /* of the process before this one, which drains */
    uint32_t opening, idle, closing;     /* servers, over all pools, as in snapshot_pool */
    struct stats stats;
    struct error_counts errors, lock_errors; /* lock_errors: those of lock_counts.h, over all statements */
    struct snapshot_class *classes;
    uint32_t class_count;
    struct snapshot_pool *pools; /* pool_count of them, and then the rest */
    uint32_t pool_count, pools_left_out;
    bool has_hope;                       /* some pool has a server, or has not failed to log in yet */
    struct snapshot_database *databases; /* database_count of them, and then the rest */
    uint32_t database_count, databases_left_out;
    bool is_analysing; /* queries: otherwise there are no findings, and analysis is zero */
    struct detector_counters analysis;
    struct snapshot_finding *findings; /* the one that lost most first */
    uint32_t finding_count;
    struct snapshot_seat *seats;
    uint32_t seat_count, seats_left_out;
    struct snapshot_holder *holders; /* the longest leases first */
    uint32_t holder_count;
    struct history history;
    struct text_table *report; /* report.h's; NULL: it was not wanted */
    struct text_store texts;
};

struct snapshot *snapshot_take(const struct pools *pools, const struct history *history);
void snapshot_free(struct snapshot **snapshot);

/* How things are now, for the history. */
struct history_reading snapshot_reading(const struct commons *commons);

#endif
