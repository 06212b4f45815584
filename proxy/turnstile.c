/*
 * The arbiter over the budget. Not for: sockets, deadlines of waiters, which server of a pool is handed out, what a class may have (turnstile_classes.c), queues
 * (turnstile_queue.c), counting (turnstile_slots.c), which pool makes way for which (turnstile_need.c).
 *
 * Who is next is decided in one place, choose().
 *
 * Invariants, after each call:
 *   - the totals are the sums over the pools, and a group's over its pools; an order is counted before it is given;
 *   - live slots (all but the closing ones) and promised ones together fit the budget and each group's limit, unless those just shrank. So a promise
 *     is always kept: the closing slot that it waits for does come free;
 *   - before an order, no pool is promised more than its waiters can use, so a waiter that leaves blocks nobody.
 */
#include "proxy/turnstile.h"

#include <assert.h>
#include <stdlib.h>
#include <utlist.h>

#include "proxy/memory.h"

struct turnstile {
    struct turnstile_slots slots;
    struct turnstile_classes classes;
    struct turnstile_queue queue;
    struct turnstile_pool *pools;
    struct turnstile_pool *line; /* pools with waiters */
    uint32_t logins_max;
    uint32_t waiting;
    bool has_odd_pool; /* some pool may be above its limit or below its minimum */
    bool is_drained;   /* nothing has happened since there were no more orders */
};

struct turnstile *turnstile_new(uint32_t budget, uint32_t logins_max)
{
    assert(budget > 0 && logins_max > 0);
    struct turnstile *turnstile = memory_zalloc(sizeof *turnstile);
    turnstile->slots.budget = budget;
    turnstile->logins_max = logins_max;
    turnstile_classes_init(&turnstile->classes, budget);
    return turnstile;
}

void turnstile_free(struct turnstile **turnstile)
{
    if (!*turnstile) return;
    struct turnstile_pool *pool;
    DL_FOREACH2((*turnstile)->pools, pool, next) turnstile_queue_drop_pool(&pool->desks);
    turnstile_queue_fini(&(*turnstile)->queue);
    turnstile_classes_fini(&(*turnstile)->classes);
    free(*turnstile);
    *turnstile = NULL;
}

static bool is_below_minimum(const struct turnstile_pool *pool)
{
    return turnstile_slots_live(pool) < pool->minimum;
}

/* ---- bookkeeping ---- */

/* Take back what the pool's waiters cannot use any more. */
static void trim_promises(struct turnstile *turnstile, int64_t now_us)
{
    struct turnstile_pool *pool, *next;
    DL_FOREACH_SAFE2(turnstile->slots.promised_pools, pool, next, next_promised) {
        uint32_t wanted = pool->retry_at_us > now_us ? 0 : turnstile_need_openings(&turnstile->slots, pool, UINT32_MAX, now_us);
        uint32_t due = wanted > pool->opening ? wanted - pool->opening : 0;
        if (pool->promised > due) turnstile_slots_set_promised(&turnstile->slots, pool, due);
    }
}

/* Every event of a pool ends here. */
static void settle(struct turnstile *turnstile, const struct turnstile_pool *pool)
{
    turnstile->is_drained = false;
    if (is_below_minimum(pool) || turnstile_slots_over_limit(pool)) turnstile->has_odd_pool = true;
}

static void put_key(struct turnstile *turnstile, struct turnstile_key *key)
{
    struct turnstile_class *class = key->class;
    if (!turnstile_classes_put_key(key)) return;
    turnstile_queue_drop_class(class);
    struct turnstile_pool *pool;
    DL_FOREACH2(turnstile->pools, pool, next)
        if (pool->last_class == class) pool->last_class = NULL;
    turnstile_classes_drop(&turnstile->classes, class);
}

static struct turnstile_key *dequeue(struct turnstile *turnstile, struct turnstile_waiter *waiter)
{
    struct turnstile_pool *pool = waiter->pool;
    struct turnstile_key *key = turnstile_queue_leave(&turnstile->queue, waiter);
    DL_DELETE2(pool->first, waiter, previous_of_pool, next_of_pool);
    waiter->next_of_pool = waiter->previous_of_pool = NULL;
    waiter->pool = NULL;
    pool->waiting--;
    turnstile->waiting--;
    if (pool->waiting == 0) DL_DELETE2(turnstile->line, pool, previous_in_line, next_in_line);
    return key;
}

/* The classes have counted it. */
static void lease_idle(struct turnstile *turnstile, struct turnstile_pool *pool, struct turnstile_key *key)
{
    turnstile_slots_take_idle(&turnstile->slots, pool);
    pool->leased++;
    pool->last_class = key->class;
    if (key->class->rules.share_limit > 0) turnstile_queue_key_changed(key);
}

static void end_lease(struct turnstile *turnstile, struct turnstile_pool *pool, struct turnstile_lease *lease, int64_t now_us)
{
    assert(pool->leased > 0);
    pool->leased--;
    struct turnstile_key *key = turnstile_classes_end(&turnstile->classes, lease, now_us);
    if (key->class->rules.share_limit > 0) turnstile_queue_key_changed(key);
    put_key(turnstile, key);
}

/* ---- keys and classes ---- */

struct turnstile_key *turnstile_key_get(struct turnstile *turnstile, uint32_t class_index, const char *text, size_t size)
{
    return turnstile_classes_get_key(&turnstile->classes, class_index, text, size);
}

void turnstile_key_put(struct turnstile *turnstile, struct turnstile_key **key)
{
    if (*key) put_key(turnstile, *key);
    *key = NULL;
}

void turnstile_set_classes(struct turnstile *turnstile, const struct turnstile_class_rules *rules, uint32_t count, int64_t now_us)
{
    struct turnstile_classes *classes = &turnstile->classes;
    turnstile_classes_set(classes, rules, count, now_us);
    for (uint32_t i = classes->count; i-- > 0;) {
        struct turnstile_class *class = classes->all[i];
        turnstile_queue_key_changed(class->plain);
        struct turnstile_key *key, *next;
        HASH_ITER(hh, class->keys, key, next) {
            turnstile_queue_key_changed(key);
        }
        class->plain->references++;
        put_key(turnstile, class->plain); /* a class that nobody is left in goes now */
    }
    turnstile->is_drained = false;
}

/* ---- events ---- */

void turnstile_set_budget(struct turnstile *turnstile, uint32_t budget, uint32_t logins_max)
{
    assert(logins_max > 0);
    turnstile->slots.budget = turnstile->classes.budget = budget;
    turnstile->logins_max = logins_max;
    turnstile->has_odd_pool = true;
    turnstile->is_drained = false;
    /* Some promises may not be kept now. Without any, turnstile_next makes those that can. */
    while (turnstile->slots.promised_pools) turnstile_slots_set_promised(&turnstile->slots, turnstile->slots.promised_pools, 0);
}

void turnstile_add_pool(struct turnstile *turnstile, struct turnstile_pool *pool)
{
    assert(turnstile_slots_live(pool) + pool->closing == 0 && pool->waiting == 0);
    DL_APPEND2(turnstile->pools, pool, previous, next);
    turnstile->has_odd_pool = true;
}

void turnstile_remove_pool(struct turnstile *turnstile, struct turnstile_pool *pool)
{
    assert(turnstile_slots_live(pool) + pool->closing == 0 && pool->waiting == 0);
    turnstile_slots_set_promised(&turnstile->slots, pool, 0);
    turnstile_queue_drop_pool(&pool->desks);
    DL_DELETE2(turnstile->pools, pool, previous, next);
}

void turnstile_hold(struct turnstile *turnstile, struct turnstile_pool *pool, bool is_held)
{
    pool->is_held = is_held;
    settle(turnstile, pool);
}

/* Whether a lease of this class may be at the expense of another of its class, at another pool. */
static bool is_scarce(const struct turnstile *turnstile, const struct turnstile_class *class)
{
    return class->rules.limit > 0 || class->rules.share_limit > 0 || turnstile->classes.unused > 0;
}

bool turnstile_try(struct turnstile *turnstile, struct turnstile_pool *pool, struct turnstile_key *key, int64_t now_us,
                   struct turnstile_lease *lease)
{
    if (pool->idle == 0 || pool->is_held) return false;
    /* Whoever waits for an idle server of its pool once orders have run out may not have it, and then nor may one of its class and key. */
    if (turnstile->waiting > 0 && !turnstile->is_drained &&
        (pool->waiting > 0 || (key->class->waiting > 0 && is_scarce(turnstile, key->class))))
        return false;
    if (turnstile_slots_over_budget(&turnstile->slots) || turnstile_slots_over_limit(pool)) return false;
    if (!turnstile_classes_try(&turnstile->classes, key, lease, now_us)) return false;
    lease_idle(turnstile, pool, key);
    return true;
}

bool turnstile_wait(struct turnstile *turnstile, struct turnstile_pool *pool, struct turnstile_key *key, struct turnstile_waiter *waiter,
                    int64_t now_us)
{
    assert(waiter->pool == NULL);
    struct turnstile_class *class = key->class;
    if (class->rules.queue_limit > 0 && class->waiting >= class->rules.queue_limit) {
        class->refused_queue_full++;
        return false;
    }
    if (class->waiting == 0) turnstile_classes_start_waiting(&turnstile->classes, class, turnstile->waiting == 0, now_us);
    waiter->pool = pool;
    waiter->since_us = now_us;
    turnstile_queue_enter(&turnstile->queue, &pool->desks, key, waiter);
    DL_APPEND2(pool->first, waiter, previous_of_pool, next_of_pool);
    if (pool->waiting++ == 0) DL_APPEND2(turnstile->line, pool, previous_in_line, next_in_line);
    turnstile->waiting++;
    settle(turnstile, pool);
    return true;
}

void turnstile_leave(struct turnstile *turnstile, struct turnstile_waiter *waiter)
{
    struct turnstile_pool *pool = waiter->pool;
    if (pool == NULL) return;
    put_key(turnstile, dequeue(turnstile, waiter));
    settle(turnstile, pool);
}

static bool is_numbered(const struct turnstile_waiter *waiter, const struct turnstile_desk *desk)
{
    return waiter->lane->desk == desk && waiter->position > 0 && waiter->departures == desk->departures;
}

uint32_t turnstile_position(struct turnstile_waiter *waiter)
{
    assert(waiter->pool != NULL);
    const struct turnstile_desk *desk = waiter->lane->desk;
    struct turnstile_waiter *at = waiter;
    while (at != waiter->pool->first && !is_numbered(at, desk)) at = at->previous_of_pool;
    uint32_t position = is_numbered(at, desk) ? at->position - 1 : 0;
    for (;; at = at->next_of_pool) {
        if (at->lane->desk == desk) {
            at->position = ++position;
            at->departures = desk->departures;
        }
        if (at == waiter) return position;
    }
}

void turnstile_release(struct turnstile *turnstile, struct turnstile_pool *pool, struct turnstile_lease *lease, int64_t now_us)
{
    end_lease(turnstile, pool, lease, now_us);
    turnstile_slots_add_idle(&turnstile->slots, pool);
    settle(turnstile, pool);
}

void turnstile_opened(struct turnstile *turnstile, struct turnstile_pool *pool)
{
    turnstile_slots_take_opening(&turnstile->slots, pool);
    turnstile_slots_add_idle(&turnstile->slots, pool);
    pool->retry_at_us = 0;
    settle(turnstile, pool);
}

void turnstile_open_failed(struct turnstile *turnstile, struct turnstile_pool *pool, int64_t retry_at_us)
{
    turnstile_slots_take_opening(&turnstile->slots, pool);
    turnstile_slots_add_closing(&turnstile->slots, pool);
    pool->retry_at_us = retry_at_us;
    turnstile_slots_set_promised(&turnstile->slots, pool, 0); /* it could not use them before retry_at_us */
    settle(turnstile, pool);
}

void turnstile_close_idle(struct turnstile *turnstile, struct turnstile_pool *pool)
{
    turnstile_slots_take_idle(&turnstile->slots, pool);
    turnstile_slots_add_closing(&turnstile->slots, pool);
    settle(turnstile, pool);
}

void turnstile_close_leased(struct turnstile *turnstile, struct turnstile_pool *pool, struct turnstile_lease *lease, int64_t now_us)
{
    end_lease(turnstile, pool, lease, now_us);
    turnstile_slots_add_closing(&turnstile->slots, pool);
    settle(turnstile, pool);
}

void turnstile_closed(struct turnstile *turnstile, struct turnstile_pool *pool)
{
    turnstile_slots_closed(&turnstile->slots, pool);
    settle(turnstile, pool);
}

/* ---- orders ---- */

static void grant(struct turnstile *turnstile, struct turnstile_desk *desk, int64_t now_us, struct turnstile_order *order_out)
{
    struct turnstile_pool *pool = desk->pool;
    struct turnstile_waiter *waiter = turnstile_queue_first(desk);
    turnstile_queue_take_turn(waiter);
    struct turnstile_key *key = dequeue(turnstile, waiter);
    *order_out = (struct turnstile_order){TURNSTILE_GRANT, pool, waiter, key};
    key->class->waited++;
    turnstile_classes_take(&turnstile->classes, key, now_us > waiter->since_us ? now_us - waiter->since_us : 0, now_us);
    lease_idle(turnstile, pool, key);
    put_key(turnstile, key); /* the lease has one of its own */
    settle(turnstile, pool);
}

void turnstile_accept(struct turnstile *turnstile, const struct turnstile_order *order, struct turnstile_lease *lease, int64_t now_us)
{
    (void)turnstile;
    assert(order->kind == TURNSTILE_GRANT);
    turnstile_classes_link(lease, order->key, now_us);
}

static void open_server(struct turnstile *turnstile, struct turnstile_pool *pool, struct turnstile_order *order_out)
{
    *order_out = (struct turnstile_order){.kind = TURNSTILE_OPEN, .pool = pool};
    turnstile_slots_open(&turnstile->slots, pool);
    settle(turnstile, pool);
}

static void evict(struct turnstile *turnstile, struct turnstile_pool *pool, struct turnstile_order *order_out)
{
    *order_out = (struct turnstile_order){.kind = TURNSTILE_EVICT, .pool = pool};
    turnstile_close_idle(turnstile, pool);
}

/* The one at the front among those whom this pool's idle server could serve; NULL: none. */
static struct turnstile_desk *find_ready_desk(const struct turnstile_pool *pool)
{
    struct turnstile_desk *found = NULL, *desk;
    DL_FOREACH2(pool->desks, desk, next_of_pool) {
        if (desk->servable == 0 || desk->class->room == 0) continue;
        if (!found || desk->class->place < found->class->place) found = desk;
    }
    return found;
}

static struct turnstile_desk *find_ready(const struct turnstile *turnstile)
{
    struct turnstile_desk *found = NULL;
    struct turnstile_pool *pool;
    DL_FOREACH2(turnstile->slots.idle_pools, pool, next_idle) {
        struct turnstile_desk *desk = pool->waiting > 0 && !pool->is_held ? find_ready_desk(pool) : NULL;
        pool->ready = desk;
        if (!desk) continue;
        if (!turnstile_queue_place(desk)) assert(desk->is_in_line);
        if (!found || desk->class->place < found->class->place || (desk->class == found->class && turnstile_queue_is_before(desk, found)))
            found = desk;
    }
    return found;
}

/* A waiter without an idle server: open one, or make room for one. False: nothing can be done for it now. */
static bool help(struct turnstile *turnstile, const struct turnstile_desk *desk, int64_t now_us, struct turnstile_order *order_out)
{
    struct turnstile_pool *pool = desk->pool;
    if (pool->retry_at_us > now_us) return false;
    uint32_t wanted = turnstile_need_openings(&turnstile->slots, pool, desk->class->place, now_us);
    if (wanted <= pool->opening) return false;
    if (turnstile_slots_have_room(&turnstile->slots, pool)) {
        open_server(turnstile, pool, order_out);
        return true;
    }
    if (wanted <= pool->opening + pool->promised || turnstile->slots.opening + turnstile->slots.promised >= turnstile->logins_max)
        return false;
    struct turnstile_pool *victim = turnstile_need_victim(&turnstile->slots, desk, TURNSTILE_ALL_GROUPS, now_us);
    if (victim) {
        evict(turnstile, victim, order_out);
        turnstile_slots_set_promised(&turnstile->slots, pool, pool->promised + 1);
        return true;
    }
    victim = turnstile_need_first_of_two(&turnstile->slots, desk, now_us);
    if (victim) evict(turnstile, victim, order_out);
    return victim != NULL;
}

/* Those who come before `ready` (NULL: all) and cannot be served from an idle server of their own pool. */
static bool help_those_in_front(struct turnstile *turnstile, const struct turnstile_desk *ready, int64_t now_us,
                                struct turnstile_order *order_out)
{
    const struct turnstile_classes *classes = &turnstile->classes;
    for (uint32_t i = 0; i < classes->count && classes->order[i]->room > 0; i++) {
        const struct turnstile_class *class = classes->order[i];
        struct turnstile_desk *desk = turnstile_queue_first_desk(class), *next;
        for (; desk && desk != ready; desk = next) {
            next = turnstile_queue_next_desk(desk);
            if (!turnstile_queue_place(desk) && next && turnstile_queue_is_before(next, desk)) continue; /* it comes later */
            if (help(turnstile, desk, now_us, order_out)) return true;
        }
        if (ready && class == ready->class) return false;
    }
    return false;
}

/*
 * Who is next? The classes come in their order, and within a class the pools in the order of their first waiters. The first one for which something can
 * be done gets it: an idle server of its own, a slot that is free, or a slot that another pool's idle server is to make free. One behind has not
 * been reached yet when one in front takes its idle server: find_victim says when that is fair.
 */
static bool choose(struct turnstile *turnstile, int64_t now_us, struct turnstile_order *order_out)
{
    struct turnstile_desk *ready = find_ready(turnstile);
    if (turnstile->slots.opening < turnstile->logins_max && help_those_in_front(turnstile, ready, now_us, order_out)) return true;
    if (!ready) return false;
    grant(turnstile, ready, now_us, order_out);
    return true;
}

static struct turnstile_pool *find_longest_idle(const struct turnstile *turnstile)
{
    struct turnstile_pool *found = NULL, *pool;
    bool found_is_wanted = true;
    DL_FOREACH2(turnstile->slots.idle_pools, pool, next_idle) {
        bool is_wanted = turnstile_need_of(pool, UINT32_MAX, pool->idle) >= pool->idle;
        if (found && (is_wanted > found_is_wanted || (is_wanted == found_is_wanted && pool->idle_since_us >= found->idle_since_us)))
            continue;
        found = pool;
        found_is_wanted = is_wanted;
    }
    return found;
}

/* More exist than are allowed: an idle one goes, whoever waits for it. */
static bool shrink(struct turnstile *turnstile, struct turnstile_order *order_out)
{
    if (turnstile->slots.idle == 0) return false;
    if (turnstile_slots_over_budget(&turnstile->slots)) {
        evict(turnstile, find_longest_idle(turnstile), order_out);
        return true;
    }
    if (!turnstile->has_odd_pool) return false;
    struct turnstile_pool *pool;
    DL_FOREACH2(turnstile->slots.idle_pools, pool, next_idle) {
        if (turnstile_slots_over_limit(pool)) {
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
        if (turnstile_slots_over_limit(pool)) has_odd_pool = true;
        if (!is_below_minimum(pool)) continue;
        has_odd_pool = true;
        if (turnstile->slots.opening >= turnstile->logins_max || !turnstile_slots_have_room(&turnstile->slots, pool) ||
            pool->retry_at_us > now_us)
            continue;
        if (turnstile_need_allowed(&turnstile->slots, pool, pool->minimum - pool->idle - pool->leased, now_us) <= pool->opening) continue;
        open_server(turnstile, pool, order_out);
        return true;
    }
    turnstile->has_odd_pool = has_odd_pool;
    return false;
}

bool turnstile_next(struct turnstile *turnstile, int64_t now_us, struct turnstile_order *order_out)
{
    bool can_open = turnstile->slots.opening < turnstile->logins_max && turnstile->slots.all < turnstile->slots.budget;
    bool has_choice = turnstile->waiting > 0 && (turnstile->slots.idle > 0 || can_open);
    if (has_choice || turnstile->slots.promised > 0) turnstile_classes_rank(&turnstile->classes, now_us);
    if (turnstile->slots.promised > 0) trim_promises(turnstile, now_us);
    if (shrink(turnstile, order_out)) return true;
    if (has_choice && choose(turnstile, now_us, order_out)) return true;
    if (fill_minimum(turnstile, now_us, order_out)) return true;
    turnstile->is_drained = true;
    return false;
}

/* ---- time ---- */

static void note_time(int64_t time_us, int64_t now_us, int64_t *next_us)
{
    if (time_us > now_us && time_us < *next_us) *next_us = time_us;
}

int64_t turnstile_next_time(struct turnstile *turnstile, int64_t now_us)
{
    int64_t next_us = INT64_MAX;
    bool is_wanting = false;
    const struct turnstile_pool *pool;
    if (turnstile->waiting > 0) turnstile_classes_rank(&turnstile->classes, now_us);
    DL_FOREACH2(turnstile->line, pool, next_in_line) {
        if (pool->reserve > 0 && pool->reserve_after_us > 0 && turnstile_slots_live(pool) + pool->closing >= pool->limit)
            note_time(turnstile_need_since(pool, now_us) + pool->reserve_after_us, now_us, &next_us);
        if (turnstile_need_openings(&turnstile->slots, pool, UINT32_MAX, now_us) <= pool->opening + pool->promised) continue;
        note_time(pool->retry_at_us, now_us, &next_us);
        is_wanting = true;
    }
    if (is_wanting)
        DL_FOREACH2(turnstile->slots.idle_pools, pool, next_idle) note_time(pool->idle_since_us + TURNSTILE_SETTLE_US, now_us, &next_us);
    if (turnstile->has_odd_pool)
        DL_FOREACH2(turnstile->pools, pool, next)
            if (is_below_minimum(pool)) note_time(pool->retry_at_us, now_us, &next_us);
    return next_us;
}

/* ---- to look at ---- */

uint32_t turnstile_slots(const struct turnstile *turnstile)
{
    return turnstile->slots.all;
}

uint32_t turnstile_waiting(const struct turnstile *turnstile)
{
    return turnstile->waiting;
}

uint32_t turnstile_leased(const struct turnstile *turnstile)
{
    return turnstile->classes.leased;
}

uint32_t turnstile_class_count(const struct turnstile *turnstile)
{
    return turnstile->classes.count;
}

const struct turnstile_class *turnstile_class_at(const struct turnstile *turnstile, uint32_t index)
{
    assert(index < turnstile->classes.count);
    return turnstile->classes.all[index];
}

uint64_t turnstile_class_slot_us(const struct turnstile_class *class, int64_t now_us)
{
    return class->slot_us + (now_us > class->advanced_us ? (uint64_t)(now_us - class->advanced_us) * class->leased : 0);
}

int64_t turnstile_class_longest_wait_us(const struct turnstile_class *class, int64_t now_us)
{
    const struct turnstile_waiter *oldest = turnstile_queue_oldest(class);
    return oldest && now_us > oldest->since_us ? now_us - oldest->since_us : 0;
}
