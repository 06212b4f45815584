/*
 * The arbiter over the budget. Not for: sockets, deadlines of waiters, which server of a pool is handed out.
 *
 * Who is next is decided in one place, choose(). Everything else counts.
 *
 * Invariants, after each call:
 *   - the totals are the sums over the pools; an order is counted before it is given;
 *   - live slots (all but the closing ones) and promised ones together fit the budget, unless the budget just shrank. So a promise
 *     is always kept: the closing slot that it waits for does come free;
 *   - a pool is never promised more than its waiters need: promises are trimmed at each event, so a waiter that leaves blocks nobody;
 *   - `line` is in the order of the first waiters' tickets.
 */
#include "proxy/turnstile.h"

#include <assert.h>
#include <stdlib.h>
#include <utlist.h>

#include "proxy/memory.h"

struct turnstile {
    struct turnstile_pool *pools;
    struct turnstile_pool *line;       /* pools with waiters */
    struct turnstile_pool *idle_pools; /* pools with idle servers */
    uint32_t budget, logins_max;
    uint32_t slots, opening, idle, closing, promised; /* sums over the pools; slots: of all states */
    uint32_t waiting;
    uint64_t last_ticket;
    bool has_odd_pool; /* some pool may be above its limit or below its minimum */
};

struct turnstile *turnstile_new(uint32_t budget, uint32_t logins_max)
{
    assert(budget > 0 && logins_max > 0);
    struct turnstile *turnstile = memory_zalloc(sizeof *turnstile);
    turnstile->budget = budget;
    turnstile->logins_max = logins_max;
    return turnstile;
}

void turnstile_free(struct turnstile **turnstile)
{
    free(*turnstile);
    *turnstile = NULL;
}

/* ---- numbers ---- */

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t live(const struct turnstile_pool *pool)
{
    return pool->opening + pool->idle + pool->leased;
}

/* What a pool has or will have without any further order. */
static uint32_t held(const struct turnstile_pool *pool)
{
    return live(pool) + pool->promised;
}

static uint32_t limit_of(const struct turnstile *turnstile, const struct turnstile_pool *pool)
{
    return pool->limit > 0 ? pool->limit : turnstile->budget;
}

static bool is_over_budget(const struct turnstile *turnstile)
{
    return turnstile->slots - turnstile->closing > turnstile->budget;
}

static bool is_over_limit(const struct turnstile_pool *pool)
{
    return pool->limit > 0 && live(pool) > pool->limit;
}

static bool is_below_minimum(const struct turnstile_pool *pool)
{
    return live(pool) < pool->minimum;
}

/* At most one login at a time as long as nothing says that logins of this pool work. */
static bool is_unproven(const struct turnstile_pool *pool)
{
    return pool->idle + pool->leased == 0 || pool->retry_at_us != 0;
}

/* How many of `missing` servers may be in the making at once, by the pool's own limits. */
static uint32_t openings_allowed(const struct turnstile *turnstile, const struct turnstile_pool *pool, uint32_t missing)
{
    uint32_t others = pool->idle + pool->leased + pool->closing, limit = limit_of(turnstile, pool);
    uint32_t openings = least(missing, limit > others ? limit - others : 0);
    return is_unproven(pool) ? least(openings, 1) : openings;
}

/* How many servers should be opening or promised for the waiters of this pool. */
static uint32_t openings_wanted(const struct turnstile *turnstile, const struct turnstile_pool *pool)
{
    return openings_allowed(turnstile, pool, pool->waiting > pool->idle ? pool->waiting - pool->idle : 0);
}

/* ---- bookkeeping ---- */

static void set_promised(struct turnstile *turnstile, struct turnstile_pool *pool, uint32_t promised)
{
    turnstile->promised = turnstile->promised - pool->promised + promised;
    pool->promised = promised;
}

/* Every event of a pool ends here. */
static void settle(struct turnstile *turnstile, struct turnstile_pool *pool)
{
    if (pool->promised > 0) {
        uint32_t wanted = openings_wanted(turnstile, pool);
        uint32_t due = wanted > pool->opening ? wanted - pool->opening : 0;
        if (pool->promised > due) set_promised(turnstile, pool, due);
    }
    if (is_below_minimum(pool) || is_over_limit(pool)) turnstile->has_odd_pool = true;
}

static void add_idle(struct turnstile *turnstile, struct turnstile_pool *pool)
{
    if (pool->idle == 0) DL_APPEND2(turnstile->idle_pools, pool, previous_idle, next_idle);
    pool->idle++;
    turnstile->idle++;
}

static void take_idle(struct turnstile *turnstile, struct turnstile_pool *pool)
{
    assert(pool->idle > 0);
    pool->idle--;
    turnstile->idle--;
    if (pool->idle == 0) DL_DELETE2(turnstile->idle_pools, pool, previous_idle, next_idle);
}

static void take_opening(struct turnstile *turnstile, struct turnstile_pool *pool)
{
    assert(pool->opening > 0);
    pool->opening--;
    turnstile->opening--;
}

static void add_closing(struct turnstile *turnstile, struct turnstile_pool *pool)
{
    pool->closing++;
    turnstile->closing++;
}

static void enter_line(struct turnstile *turnstile, struct turnstile_pool *pool)
{
    struct turnstile_pool *before = turnstile->line ? turnstile->line->previous_in_line : NULL;
    while (before && before->first->ticket > pool->first->ticket) before = before == turnstile->line ? NULL : before->previous_in_line;
    if (before)
        DL_APPEND_ELEM2(turnstile->line, before, pool, previous_in_line, next_in_line);
    else
        DL_PREPEND2(turnstile->line, pool, previous_in_line, next_in_line);
}

static void dequeue(struct turnstile *turnstile, struct turnstile_waiter *waiter)
{
    struct turnstile_pool *pool = waiter->pool;
    bool was_first = waiter == pool->first;
    DL_DELETE2(pool->first, waiter, previous, next);
    waiter->next = waiter->previous = NULL;
    waiter->pool = NULL;
    pool->waiting--;
    turnstile->waiting--;
    if (!was_first) return;
    DL_DELETE2(turnstile->line, pool, previous_in_line, next_in_line);
    if (pool->first) enter_line(turnstile, pool);
}

/* ---- events ---- */

void turnstile_set_budget(struct turnstile *turnstile, uint32_t budget, uint32_t logins_max)
{
    assert(budget > 0 && logins_max > 0);
    turnstile->budget = budget;
    turnstile->logins_max = logins_max;
    turnstile->has_odd_pool = true;
    struct turnstile_pool *pool;
    DL_FOREACH2(turnstile->pools, pool, next) settle(turnstile, pool);
    if (turnstile->slots - turnstile->closing + turnstile->promised <= budget) return;
    /* Some promises cannot be kept. Without any, turnstile_next makes those that can. */
    DL_FOREACH2(turnstile->pools, pool, next) set_promised(turnstile, pool, 0);
}

void turnstile_add_pool(struct turnstile *turnstile, struct turnstile_pool *pool)
{
    assert(live(pool) + pool->closing == 0 && pool->waiting == 0);
    DL_APPEND2(turnstile->pools, pool, previous, next);
    turnstile->has_odd_pool = true;
}

void turnstile_remove_pool(struct turnstile *turnstile, struct turnstile_pool *pool)
{
    assert(live(pool) + pool->closing == 0 && pool->waiting == 0 && pool->promised == 0);
    DL_DELETE2(turnstile->pools, pool, previous, next);
}

bool turnstile_try(struct turnstile *turnstile, struct turnstile_pool *pool)
{
    if (pool->idle == 0 || pool->waiting > 0 || is_over_budget(turnstile) || is_over_limit(pool)) return false;
    take_idle(turnstile, pool);
    pool->leased++;
    return true;
}

void turnstile_wait(struct turnstile *turnstile, struct turnstile_pool *pool, struct turnstile_waiter *waiter, int64_t now_us)
{
    assert(waiter->pool == NULL);
    waiter->pool = pool;
    waiter->since_us = now_us;
    waiter->ticket = ++turnstile->last_ticket;
    DL_APPEND2(pool->first, waiter, previous, next);
    pool->waiting++;
    turnstile->waiting++;
    if (pool->waiting == 1) enter_line(turnstile, pool);
    settle(turnstile, pool);
}

void turnstile_leave(struct turnstile *turnstile, struct turnstile_waiter *waiter)
{
    struct turnstile_pool *pool = waiter->pool;
    if (pool == NULL) return;
    dequeue(turnstile, waiter);
    settle(turnstile, pool);
}

uint32_t turnstile_position(const struct turnstile_waiter *waiter)
{
    assert(waiter->pool != NULL);
    uint32_t position = 1;
    for (const struct turnstile_waiter *other = waiter->pool->first; other != waiter; other = other->next) position++;
    return position;
}

void turnstile_release(struct turnstile *turnstile, struct turnstile_pool *pool)
{
    assert(pool->leased > 0);
    pool->leased--;
    add_idle(turnstile, pool);
    settle(turnstile, pool);
}

void turnstile_opened(struct turnstile *turnstile, struct turnstile_pool *pool)
{
    take_opening(turnstile, pool);
    add_idle(turnstile, pool);
    pool->retry_at_us = 0;
    settle(turnstile, pool);
}

void turnstile_open_failed(struct turnstile *turnstile, struct turnstile_pool *pool, int64_t retry_at_us)
{
    take_opening(turnstile, pool);
    add_closing(turnstile, pool);
    pool->retry_at_us = retry_at_us;
    set_promised(turnstile, pool, 0); /* it could not use them before retry_at_us */
    settle(turnstile, pool);
}

void turnstile_close_idle(struct turnstile *turnstile, struct turnstile_pool *pool)
{
    take_idle(turnstile, pool);
    add_closing(turnstile, pool);
    settle(turnstile, pool);
}

void turnstile_close_leased(struct turnstile *turnstile, struct turnstile_pool *pool)
{
    assert(pool->leased > 0);
    pool->leased--;
    add_closing(turnstile, pool);
    settle(turnstile, pool);
}

void turnstile_closed(struct turnstile *turnstile, struct turnstile_pool *pool)
{
    assert(pool->closing > 0);
    pool->closing--;
    turnstile->closing--;
    turnstile->slots--;
    settle(turnstile, pool);
}

/* ---- orders ---- */

static void grant(struct turnstile *turnstile, struct turnstile_pool *pool, struct turnstile_order *order_out)
{
    *order_out = (struct turnstile_order){TURNSTILE_GRANT, pool, pool->first};
    dequeue(turnstile, pool->first);
    take_idle(turnstile, pool);
    pool->leased++;
    settle(turnstile, pool);
}

static void open_server(struct turnstile *turnstile, struct turnstile_pool *pool, struct turnstile_order *order_out)
{
    *order_out = (struct turnstile_order){TURNSTILE_OPEN, pool, NULL};
    if (pool->promised > 0) set_promised(turnstile, pool, pool->promised - 1);
    pool->opening++;
    turnstile->opening++;
    turnstile->slots++;
    settle(turnstile, pool);
}

static void evict(struct turnstile *turnstile, struct turnstile_pool *pool, struct turnstile_order *order_out)
{
    *order_out = (struct turnstile_order){TURNSTILE_EVICT, pool, NULL};
    turnstile_close_idle(turnstile, pool);
}

static bool has_slot_for(const struct turnstile *turnstile, const struct turnstile_pool *pool)
{
    if (turnstile->slots >= turnstile->budget) return false;
    return pool->promised > 0 || turnstile->budget - turnstile->slots > turnstile->promised;
}

/* With this slot more, `pool` would hold no more than `other` without it. */
static bool deserves_slot_of(const struct turnstile_pool *pool, const struct turnstile_pool *other)
{
    return held(pool) == 0 || held(pool) + 2 <= held(other);
}

/*
 * Which pool gives an idle server up for the first waiter of `pool`, in whose favour everybody in front has been served as far as possible?
 * First one that its own waiters leave over, the longest idle; else one of the pool that holds most. NULL: none.
 */
static struct turnstile_pool *find_victim(const struct turnstile *turnstile, const struct turnstile_pool *pool, int64_t now_us)
{
    struct turnstile_pool *surplus = NULL, *contested = NULL, *other;
    DL_FOREACH2(turnstile->idle_pools, other, next_idle) {
        if (other->idle > other->waiting) {
            bool is_settled = now_us - other->idle_since_us >= TURNSTILE_SETTLE_US;
            if (!is_settled && !deserves_slot_of(pool, other)) continue;
            if (surplus == NULL || other->idle_since_us < surplus->idle_since_us) surplus = other;
        } else if (deserves_slot_of(pool, other)) {
            if (contested == NULL || held(other) > held(contested)) contested = other;
        }
    }
    return surplus ? surplus : contested;
}

/*
 * Who is next? The pools come in the order of their first waiters, and the first one for which something can be done gets it: an idle server of
 * its own, a slot that is free, or a slot that another pool's idle server is to make free. A pool behind has not been reached yet when
 * one in front takes its idle server: find_victim says when that is fair.
 */
static bool choose(struct turnstile *turnstile, int64_t now_us, struct turnstile_order *order_out)
{
    bool can_open = turnstile->opening < turnstile->logins_max && turnstile->slots < turnstile->budget;
    if (turnstile->idle == 0 && !can_open) return false;
    struct turnstile_pool *pool;
    DL_FOREACH2(turnstile->line, pool, next_in_line) {
        if (pool->idle > 0) {
            grant(turnstile, pool, order_out);
            return true;
        }
        uint32_t wanted = openings_wanted(turnstile, pool);
        if (wanted <= pool->opening || pool->retry_at_us > now_us) continue;
        if (can_open && has_slot_for(turnstile, pool)) {
            open_server(turnstile, pool, order_out);
            return true;
        }
        if (wanted <= pool->opening + pool->promised || turnstile->opening + turnstile->promised >= turnstile->logins_max) continue;
        struct turnstile_pool *victim = find_victim(turnstile, pool, now_us);
        if (victim) {
            evict(turnstile, victim, order_out);
            set_promised(turnstile, pool, pool->promised + 1);
            return true;
        }
    }
    return false;
}

static struct turnstile_pool *find_longest_idle(const struct turnstile *turnstile)
{
    struct turnstile_pool *found = NULL, *pool;
    DL_FOREACH2(turnstile->idle_pools, pool, next_idle) {
        bool is_wanted = pool->waiting >= pool->idle, found_is_wanted = found && found->waiting >= found->idle;
        if (found == NULL || is_wanted < found_is_wanted || (is_wanted == found_is_wanted && pool->idle_since_us < found->idle_since_us))
            found = pool;
    }
    return found;
}

/* More exist than are allowed: an idle one goes, whoever waits for it. */
static bool shrink(struct turnstile *turnstile, struct turnstile_order *order_out)
{
    if (turnstile->idle == 0) return false;
    if (is_over_budget(turnstile)) {
        evict(turnstile, find_longest_idle(turnstile), order_out);
        return true;
    }
    if (!turnstile->has_odd_pool) return false;
    struct turnstile_pool *pool;
    DL_FOREACH2(turnstile->idle_pools, pool, next_idle) {
        if (is_over_limit(pool)) {
            evict(turnstile, pool, order_out);
            return true;
        }
    }
    return false;
}

/* No waiter can use what is free: pools below their minimum may. */
static bool fill_minimum(struct turnstile *turnstile, int64_t now_us, struct turnstile_order *order_out)
{
    if (!turnstile->has_odd_pool) return false;
    bool has_odd_pool = false;
    struct turnstile_pool *pool;
    DL_FOREACH2(turnstile->pools, pool, next) {
        if (is_over_limit(pool)) has_odd_pool = true;
        if (!is_below_minimum(pool)) continue;
        has_odd_pool = true;
        if (turnstile->opening >= turnstile->logins_max || !has_slot_for(turnstile, pool) || pool->retry_at_us > now_us) continue;
        if (openings_allowed(turnstile, pool, pool->minimum - pool->idle - pool->leased) <= pool->opening) continue;
        open_server(turnstile, pool, order_out);
        return true;
    }
    turnstile->has_odd_pool = has_odd_pool;
    return false;
}

bool turnstile_next(struct turnstile *turnstile, int64_t now_us, struct turnstile_order *order_out)
{
    if (shrink(turnstile, order_out)) return true;
    if (turnstile->waiting > 0 && choose(turnstile, now_us, order_out)) return true;
    return fill_minimum(turnstile, now_us, order_out);
}

static void note_time(int64_t time_us, int64_t now_us, int64_t *next_us)
{
    if (time_us > now_us && time_us < *next_us) *next_us = time_us;
}

int64_t turnstile_next_time(const struct turnstile *turnstile, int64_t now_us)
{
    int64_t next_us = INT64_MAX;
    bool is_wanting = false;
    const struct turnstile_pool *pool;
    DL_FOREACH2(turnstile->line, pool, next_in_line) {
        if (openings_wanted(turnstile, pool) <= pool->opening + pool->promised) continue;
        note_time(pool->retry_at_us, now_us, &next_us);
        is_wanting = true;
    }
    if (is_wanting)
        DL_FOREACH2(turnstile->idle_pools, pool, next_idle) note_time(pool->idle_since_us + TURNSTILE_SETTLE_US, now_us, &next_us);
    if (turnstile->has_odd_pool)
        DL_FOREACH2(turnstile->pools, pool, next)
            if (is_below_minimum(pool)) note_time(pool->retry_at_us, now_us, &next_us);
    return next_us;
}

uint32_t turnstile_slots(const struct turnstile *turnstile)
{
    return turnstile->slots;
}

uint32_t turnstile_waiting(const struct turnstile *turnstile)
{
    return turnstile->waiting;
}
