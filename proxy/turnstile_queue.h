#ifndef PROXY_TURNSTILE_QUEUE_H
#define PROXY_TURNSTILE_QUEUE_H

#include "proxy/turnstile_classes.h"

/*
 * Who waits, and whose turn it is within a class. The waiters of one class, key and pool stand in one lane, first come, first served. A desk is one class at one
 * pool: its lanes in the order of their keys' turns. A class's line holds its desks in the order of the waiter who comes first at each.
 *
 * Keys take turns: one that begins to wait, or is served while others wait, comes behind all others of its class. A waiter whose key is full
 * (share_limit) is not servable: its lane and, when it has no other, its desk are not in their orders.
 *
 * Everything takes O(log n) in waiters, keys and pools, but for a key that waits at many pools: its lanes are walked when one more is needed, and when
 * share_limit decides.
 */
struct turnstile_pool;

struct turnstile_waiter { /* embedded in whoever waits; zero: does not wait */
    struct turnstile_waiter *next, *previous;
    struct turnstile_waiter *next_of_pool, *previous_of_pool; /* in the order of arrival */
    struct turnstile_pool *pool;                              /* NULL: not waiting */
    struct turnstile_lane *lane;
    int64_t since_us;
    uint64_t ticket;               /* order of arrival over everything */
    uint32_t position, departures; /* its place at its desk when so many had left that; 0: never counted */
};

struct turnstile_lane {
    struct turnstile_lane *next, *previous; /* all of its key that have waiters */
    struct turnstile_desk *desk;
    struct turnstile_key *key;
    struct turnstile_waiter *first;
    uint32_t waiting, servable;
    struct sorted_node node; /* in desk->lanes, while something is servable */
};

struct turnstile_desk {
    struct turnstile_desk *next_of_pool, *previous_of_pool;
    struct turnstile_desk *next_of_class, *previous_of_class;
    struct turnstile_desk **desks; /* its pool's list */
    struct turnstile_pool *pool;
    struct turnstile_class *class;
    struct sorted_set lanes;
    struct sorted_node node; /* in class->line, while something is servable */
    bool is_in_line;
    uint32_t waiting, servable;  /* servable: what the share limits of the keys leave of the waiters */
    uint32_t departures;         /* how often somebody stopped waiting here */
    struct turnstile_lane plain; /* that of the key "" */
};

struct turnstile_queue {
    struct turnstile_lane *spare_lanes;
    uint64_t last_ticket;
};

void turnstile_queue_fini(struct turnstile_queue *queue);

/* At the end of its lane. `desks` are those of the pool; one is made when the class has none there. The waiter takes a reference to its key. */
void turnstile_queue_enter(struct turnstile_queue *queue, struct turnstile_desk **desks, struct turnstile_key *key,
                           struct turnstile_waiter *waiter);
/* Returns its key, whose reference is the caller's now. */
struct turnstile_key *turnstile_queue_leave(struct turnstile_queue *queue, struct turnstile_waiter *waiter);
/* It is served, so its key goes behind the others: to be called while it still waits. */
void turnstile_queue_take_turn(const struct turnstile_waiter *waiter);
/* The leases of the key, or its share_limit, have changed. */
void turnstile_queue_key_changed(struct turnstile_key *key);

/* The waiter who comes first at this desk; NULL: nobody is servable. */
struct turnstile_waiter *turnstile_queue_first(struct turnstile_desk *desk);
/* Of the class, who has waited longest; NULL: nobody waits. O(n) in its keys. */
const struct turnstile_waiter *turnstile_queue_oldest(const struct turnstile_class *class);
/* Bring the desk's place in the line up to date: keys may have taken turns elsewhere. False: it was not where it should be. */
bool turnstile_queue_place(struct turnstile_desk *desk);
struct turnstile_desk *turnstile_queue_first_desk(const struct turnstile_class *class);
struct turnstile_desk *turnstile_queue_next_desk(const struct turnstile_desk *desk);
/* Of two desks of one class that are both placed: the first waiter of `a` comes before that of `b`. */
bool turnstile_queue_is_before(const struct turnstile_desk *a, const struct turnstile_desk *b);

/* All desks of a pool, or of a class, that nobody waits at. */
void turnstile_queue_drop_pool(struct turnstile_desk **desks);
void turnstile_queue_drop_class(struct turnstile_class *class);

#endif
