#ifndef PROXY_TURNSTILE_SLOTS_H
#define PROXY_TURNSTILE_SLOTS_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <utlist.h>

#include "proxy/turnstile_queue.h"

/*
 * The slots of the budget: how many there are in each state, of each pool, of each of its groups, and in all; and whether there is room for one more. Every function
 * counts one slot from one state to the next in all of these places.
 */

/* A limit over several pools (max_db_connections, max_user_connections). Zero it; the limit is the caller's, to be changed as those of a pool. */
struct turnstile_group {
    uint32_t limit; /* the most slots; 0: none */
    uint32_t slots, closing, promised;
};
enum { TURNSTILE_GROUPS = 2 };

struct turnstile_pool {                                     /* embedded in a pool; zero it, then turnstile_add_pool */
    struct turnstile_pool *next, *previous;                 /* all pools */
    struct turnstile_pool *next_in_line, *previous_in_line; /* those with waiters */
    struct turnstile_pool *next_idle, *previous_idle;       /* those with idle servers */
    struct turnstile_pool *next_promised, *previous_promised;
    struct turnstile_waiter *first;       /* in the order of arrival; not all come first to whom it looks so */
    struct turnstile_desk *desks, *ready; /* ready: whose first waiter is to have an idle server, while an order is chosen */
    struct turnstile_class *last_class;   /* that leased here; NULL: none yet */
    uint32_t waiting;
    uint32_t opening, idle, leased, closing; /* slots by state */
    uint32_t promised;                       /* slots that an EVICT order is emptying for this pool's waiters */
    bool is_held;                            /* turnstile_hold: no GRANT and no OPEN */
    /* The caller's, to be changed at any time; what turnstile_set_budget or any event of this pool follows takes effect at once. */
    uint32_t limit;           /* pool_size: the most slots it may hold (closing ones count); 0 = the budget */
    uint32_t minimum;         /* min_pool_size: opened even when nobody waits, as long as the budget has room */
    uint32_t reserve;         /* reserve_pool_size: more than `limit` ... */
    int64_t reserve_after_us; /* reserve_pool_timeout: ... while a waiter that could be served has waited for so long; 0: never */
    struct turnstile_group *groups[TURNSTILE_GROUPS]; /* its database's and its user's, or NULL; not to be changed while it holds slots */
    int64_t retry_at_us; /* a login failed: no OPEN before this time. 0: none failed since the last that worked */
    /* When the pool's longest idle server became idle, as the caller last reported it: for EVICT the longest idle loses. */
    int64_t idle_since_us;
    void *owner;
};

struct turnstile_slots { /* sums over the pools */
    uint32_t budget;
    uint32_t all, opening, idle, closing, promised; /* all: of all states */
    struct turnstile_pool *idle_pools;              /* with idle servers */
    struct turnstile_pool *promised_pools;          /* with promises */
};

/* All but the closing ones. */
static inline uint32_t turnstile_slots_live(const struct turnstile_pool *pool)
{
    return pool->opening + pool->idle + pool->leased;
}

/* What a pool has or will have without any further order. */
static inline uint32_t turnstile_slots_held(const struct turnstile_pool *pool)
{
    return turnstile_slots_live(pool) + pool->promised;
}

static inline bool turnstile_slots_over_budget(const struct turnstile_slots *slots)
{
    return slots->all - slots->closing > slots->budget;
}

/* The pool, or one of its groups, has more than it may. */
static inline bool turnstile_slots_over_limit(const struct turnstile_pool *pool)
{
    if (pool->limit > 0 && turnstile_slots_live(pool) > pool->limit + pool->reserve) return true;
    for (int i = 0; i < TURNSTILE_GROUPS; i++) {
        const struct turnstile_group *group = pool->groups[i];
        if (group && group->limit > 0 && group->slots - group->closing > group->limit) return true;
    }
    return false;
}

/* -> idle. It and the next are what every lease goes through. */
static inline void turnstile_slots_add_idle(struct turnstile_slots *slots, struct turnstile_pool *pool)
{
    if (pool->idle == 0) DL_APPEND2(slots->idle_pools, pool, previous_idle, next_idle);
    pool->idle++;
    slots->idle++;
}

/* idle -> */
static inline void turnstile_slots_take_idle(struct turnstile_slots *slots, struct turnstile_pool *pool)
{
    assert(pool->idle > 0);
    pool->idle--;
    slots->idle--;
    if (pool->idle == 0) DL_DELETE2(slots->idle_pools, pool, previous_idle, next_idle);
}

/* none -> opening; a promise is kept with it, where there is one */
void turnstile_slots_open(struct turnstile_slots *slots, struct turnstile_pool *pool);
void turnstile_slots_take_opening(struct turnstile_slots *slots, struct turnstile_pool *pool); /* opening -> */
void turnstile_slots_add_closing(struct turnstile_slots *slots, struct turnstile_pool *pool);  /* -> closing */
void turnstile_slots_closed(struct turnstile_slots *slots, struct turnstile_pool *pool);       /* closing -> none */
/* So many closing slots are for this pool's waiters. */
void turnstile_slots_set_promised(struct turnstile_slots *slots, struct turnstile_pool *pool, uint32_t promised);

/* Whether one more may be opened for the pool now, by the budget and its groups; what is promised to others is theirs. */
bool turnstile_slots_have_room(const struct turnstile_slots *slots, const struct turnstile_pool *pool);
/* The group has a limit, and has or is promised as many. */
bool turnstile_slots_is_full(const struct turnstile_group *group);
/* A slot that `other` gives up counts in those of the pool's groups that are full; or in this one, which is. */
enum { TURNSTILE_ALL_GROUPS = -1 };
bool turnstile_slots_make_room(const struct turnstile_pool *other, const struct turnstile_pool *pool, int in_group);

#endif
