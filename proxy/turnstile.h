#ifndef PROXY_TURNSTILE_H
#define PROXY_TURNSTILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The arbiter over the budget: which waiting client gets a server next, when a server is opened, and which idle one makes room.
 * Pure accounting: it never sees a socket. The caller reports events and then carries out the orders of turnstile_next() until there are none.
 *
 * A slot is the right of one server connection to exist. It is taken when a login begins (order OPEN) and given back when PostgreSQL has really
 * closed the connection (turnstile_closed). The budget bounds the slots over all pools.
 *
 *        OPEN order            opened               acquire / GRANT order
 *   (none) -------> opening -----------> idle <----------------------------> leased
 *      ^               | failed           |  release                           |
 *      |               v                  | EVICT order, close_idle            | close_leased
 *      +----------- closing <-------------+------------------------------------+
 *         closed
 *
 * Waiters of one pool are served first come, first served; a newcomer never overtakes. Between pools the oldest waiter comes first.
 *
 * A freed server goes to its own pool's first waiter, unless the pool of an older waiter has no server at all, or so few that it would still
 * not hold more after taking this slot: then the slot moves (order EVICT, then OPEN), which lets pools that compete for the budget settle
 * on equal parts without closing a connection for every lease.
 *
 * A server that its own pool's waiters leave over moves to an older or younger waiter under the same condition at once; to a pool that would
 * hold more than this one, only when it has been idle for TURNSTILE_SETTLE_US. So a busy pool does not take, and give back, the servers of
 * one that is between two leases.
 *
 * A pool that is not known to work (no server of it is up, or its last login failed) gets one login at a time: logins that hang must not
 * use up everybody's.
 */
enum { TURNSTILE_SETTLE_US = 100000 };

struct turnstile_waiter { /* embedded in whoever waits */
    struct turnstile_waiter *next, *previous;
    struct turnstile_pool *pool; /* NULL: not waiting */
    int64_t since_us;
    uint64_t ticket; /* order of arrival over all pools */
};

struct turnstile_pool {                                     /* embedded in a pool; zero it, then turnstile_add_pool */
    struct turnstile_pool *next, *previous;                 /* all pools */
    struct turnstile_pool *next_in_line, *previous_in_line; /* those with waiters, the oldest waiter first */
    struct turnstile_pool *next_idle, *previous_idle;       /* those with idle servers */
    struct turnstile_waiter *first;
    uint32_t waiting;
    uint32_t opening, idle, leased, closing; /* slots by state */
    uint32_t promised;                       /* slots that an EVICT order is emptying for this pool's waiters */
    /* The caller's, to be changed at any time; what turnstile_set_budget or any event of this pool follows takes effect at once. */
    uint32_t limit;      /* pool_size: the most slots it may hold (closing ones count); 0 = the budget */
    uint32_t minimum;    /* min_pool_size: opened even when nobody waits, as long as the budget has room */
    int64_t retry_at_us; /* a login failed: no OPEN before this time. 0: none failed since the last that worked */
    /* When the pool's longest idle server became idle, as the caller last reported it: for EVICT the longest idle loses. */
    int64_t idle_since_us;
    void *owner;
};

struct turnstile;
struct turnstile *turnstile_new(uint32_t budget, uint32_t logins_max); /* both at least 1 */
void turnstile_free(struct turnstile **turnstile);
/*
 * To be called after a change of a pool's limit or minimum as well. When fewer servers are allowed than exist, idle ones are EVICTed, and leased
 * ones as soon as they are released.
 */
void turnstile_set_budget(struct turnstile *turnstile, uint32_t budget, uint32_t logins_max);
void turnstile_add_pool(struct turnstile *turnstile, struct turnstile_pool *pool);
void turnstile_remove_pool(struct turnstile *turnstile, struct turnstile_pool *pool); /* asserts that it holds no slot and no waiter */

/* The fast path: an idle server of this pool and nobody in front: it is leased now (idle -> leased). False: nothing changed; turnstile_wait. */
bool turnstile_try(struct turnstile *turnstile, struct turnstile_pool *pool);
void turnstile_wait(struct turnstile *turnstile, struct turnstile_pool *pool, struct turnstile_waiter *waiter, int64_t now_us);
void turnstile_leave(struct turnstile *turnstile, struct turnstile_waiter *waiter); /* harmless when not waiting */
/* 1 for the first in its pool's queue. O(n): for error messages. */
uint32_t turnstile_position(const struct turnstile_waiter *waiter);

void turnstile_release(struct turnstile *turnstile, struct turnstile_pool *pool); /* leased -> idle */
void turnstile_opened(struct turnstile *turnstile, struct turnstile_pool *pool);  /* opening -> idle */
/* opening -> closing: the login failed; retry_at_us is the caller's. */
void turnstile_open_failed(struct turnstile *turnstile, struct turnstile_pool *pool, int64_t retry_at_us);
void turnstile_close_idle(struct turnstile *turnstile, struct turnstile_pool *pool);   /* idle -> closing, on the caller's decision */
void turnstile_close_leased(struct turnstile *turnstile, struct turnstile_pool *pool); /* leased -> closing */
void turnstile_closed(struct turnstile *turnstile, struct turnstile_pool *pool);       /* closing -> no slot */

enum turnstile_order_kind {
    TURNSTILE_GRANT, /* `waiter` was taken off the queue; an idle server of `pool` is its (idle -> leased already counted) */
    TURNSTILE_OPEN,  /* start a login for `pool` (counted as opening already) */
    TURNSTILE_EVICT  /* close the longest idle server of `pool` (counted as closing already) */
};
struct turnstile_order {
    enum turnstile_order_kind kind;
    struct turnstile_pool *pool;
    struct turnstile_waiter *waiter; /* GRANT */
};
/*
 * The next thing to do; false when there is nothing. O(1) when nobody waits and no pool is below its minimum or above its limit.
 * OPEN only while opening < logins_max, the budget has a slot, the pool is under its limit and past retry_at_us, and the pool has
 * more waiters than logins under way (or is below its minimum, and no waiter can use the slot).
 */
bool turnstile_next(struct turnstile *turnstile, int64_t now_us, struct turnstile_order *order_out);
/*
 * When turnstile_next could have something to do by the passing of time alone (a retry_at_us, a server that has been idle for long enough):
 * later than now_us. INT64_MAX: never. To be asked, and a timer set for it, whenever turnstile_next has answered false.
 */
int64_t turnstile_next_time(const struct turnstile *turnstile, int64_t now_us);

uint32_t turnstile_slots(const struct turnstile *turnstile);   /* in use, closing ones included */
uint32_t turnstile_waiting(const struct turnstile *turnstile); /* over all pools */

#endif
