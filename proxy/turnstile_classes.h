#ifndef PROXY_TURNSTILE_CLASSES_H
#define PROXY_TURNSTILE_CLASSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

#include "proxy/histogram.h"
#include "proxy/sorted_set.h"

/*
 * The classes of the turnstile: how many leases each may hold, and which one comes next. Pools, servers and queues are not known here.
 *
 * Let `free` be the budget less all leases, and the unused reserve of a class its reserve less its leases, or 0. A class may take a lease
 *   - while it holds fewer than its limit, and its key fewer than share_limit, and
 *   - while something is free, and it is below its own reserve, or more is free than the unused reserves of the others that do not lend to it.
 * A class lends its unused reserve to a class whose leases are known to be short: at least TURNSTILE_SAMPLES_MIN of them ended recently (histogram.h), their
 * 99th percentile is under the *lender's* lend_max_us (it is the lender who has to wait that long for its own), and those that run and are
 * older than that are no more than it may hold without any loan. So long leases, rare as they are among many short ones, cannot fill what was lent.
 *
 * Order: a class below its reserve comes before all that are not. Otherwise the class with fewest leases per weight comes first, corrected by how far it is
 * behind or ahead of its share of slot-time (the integral of leases held, those that run included): by at most one lease at once, which makes the shares
 * exact over time where leases cannot be divided, and by a twentieth of a lease for each slot-second, which pays back what a class missed. Slot-time alone is no
 * good order: it would let a class that is a moment behind take every slot that comes free in that moment, and keep them for as long as its leases last.
 *
 * A class whose queue was empty starts level with the others, whatever it has missed; one that may not take a lease (by its limits, or others'
 * reserves) collects no claims meanwhile; and what is paid back is bounded (TURNSTILE_LAG_MAX_S of the whole budget).
 */
enum {
    TURNSTILE_SAMPLES_MIN = 100,
    TURNSTILE_LAG_MAX_S = 2,
    TURNSTILE_KEY_MAX = 127 /* a longer text is cut there */
};

struct turnstile_class_rules { /* all of it may be changed by turnstile_set_classes */
    const char *name;          /* what stays the same over a reload; copied */
    uint32_t reserve;
    uint32_t limit;       /* 0: none */
    uint32_t weight;      /* 0 counts as 1 */
    int64_t lend_max_us;  /* to whom it lends its unused reserve; 0: to nobody */
    uint32_t queue_limit; /* 0: none */
    uint32_t share_limit; /* the most leases of one key; 0: no limit */
};

struct turnstile_class;
struct turnstile_desk;
struct turnstile_lane;
struct turnstile_lease;

/* Who shares within a class: the value of what `share_by` names. "" is one key like another; a class without share_by has only that one. */
struct turnstile_key {
    struct turnstile_class *class;
    uint32_t references; /* of the callers, the waiters and the leases */
    uint32_t leased, waiting;
    uint64_t turn;                /* the lower, the earlier it is its turn in its class */
    struct turnstile_lane *lanes; /* turnstile_queue.c's: where it waits */
    UT_hash_handle hh;
    uint32_t size;
    char text[];
};

struct turnstile_class {
    struct turnstile_class_rules rules;
    bool is_retired; /* configured no more: it goes on for those it has */
    uint32_t leased, waiting;
    uint64_t granted, waited, refused_queue_full; /* leases begun; of these, after waiting; waiters turned away */
    uint64_t slot_us;                             /* slot-time received, up to advanced_us */
    /* The caller's, for those who look on: clients that are in it, limits of time that struck them, their queries. */
    uint32_t clients;
    uint64_t timed_out;
    struct histogram query_us;          /* of queries that PostgreSQL has answered */
    struct histogram wait_us, lease_us; /* of leases begun (0 when there was no wait); of leases ended */

    /* turnstile_classes.c's */
    char *name;
    int64_t advanced_us;
    double virtual_us;        /* slot-time per weight, up to ... */
    uint64_t virtual_slot_us; /* ... when slot_us was this */
    uint64_t p99_us, p99_of;
    struct turnstile_lease *leases; /* the oldest first */
    struct turnstile_key *keys;     /* all but `plain` */
    struct turnstile_key *plain;    /* "" */
    double rank;                    /* as of the last ranking, as are the next two */
    uint32_t place;
    uint32_t room;

    /* turnstile_queue.c's */
    struct turnstile_desk *desks;
    struct sorted_set line;
    uint32_t servable, waiting_keys;
    uint64_t turns;
};

/* One client's right to one server, kept by the caller where the server is. Zero: none. */
struct turnstile_lease {
    struct turnstile_lease *next, *previous;
    struct turnstile_key *key; /* NULL: no lease */
    int64_t since_us;
};

struct turnstile_classes {
    struct turnstile_class **all; /* the configured ones in their order, then the retired ones */
    struct turnstile_class **order;
    uint32_t count, configured;
    uint32_t budget;
    uint32_t leased; /* over all classes */
    uint32_t unused; /* unused reserves, over all classes */
    double virtual_us;
};

void turnstile_classes_init(struct turnstile_classes *classes, uint32_t budget); /* one class "default" without limits */
void turnstile_classes_fini(struct turnstile_classes *classes);
void turnstile_classes_set(struct turnstile_classes *classes, const struct turnstile_class_rules *rules, uint32_t count, int64_t now_us);

struct turnstile_key *turnstile_classes_get_key(struct turnstile_classes *classes, uint32_t index, const char *text, size_t size);
/* True: its class was retired, and this was the last that knew it: turnstile_classes_drop is due. */
bool turnstile_classes_put_key(struct turnstile_key *key);
void turnstile_classes_drop(struct turnstile_classes *classes, struct turnstile_class *class);

bool turnstile_classes_is_below_reserve(const struct turnstile_class *class);

/* The queue of the class was empty and is not any more. */
void turnstile_classes_start_waiting(struct turnstile_classes *classes, struct turnstile_class *class, bool is_first, int64_t now_us);
/* Sets room, rank and place of every class with waiters; `order` is in the order of places. */
void turnstile_classes_rank(struct turnstile_classes *classes, int64_t now_us);

/* Takes a lease if the class may have one, given that something is free. */
bool turnstile_classes_try(struct turnstile_classes *classes, struct turnstile_key *key, struct turnstile_lease *lease, int64_t now_us);
/* A lease is counted when it is granted, and linked when it is known where it is kept. The lease takes a reference to its key. */
void turnstile_classes_take(struct turnstile_classes *classes, struct turnstile_key *key, int64_t waited_us, int64_t now_us);
void turnstile_classes_link(struct turnstile_lease *lease, struct turnstile_key *key, int64_t now_us);
/* Returns the key, whose reference is the caller's now. */
struct turnstile_key *turnstile_classes_end(struct turnstile_classes *classes, struct turnstile_lease *lease, int64_t now_us);

#endif
