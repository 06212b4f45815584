/*
 * The arbiter over the budget. Not for: sockets, deadlines of waiters, which server of a pool is handed out, what a class may have (turnstile_classes.c), queues
 * (turnstile_queue.c).
 *
 * Who is next is decided in one place, choose(). Everything else counts.
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
    struct turnstile_classes classes;
    struct turnstile_queue queue;
    struct turnstile_pool *pools;
    struct turnstile_pool *line;           /* pools with waiters */
    struct turnstile_pool *idle_pools;     /* pools with idle servers */
    struct turnstile_pool *promised_pools; /* pools with promises */
    uint32_t budget, logins_max;
    uint32_t slots, opening, idle, closing, promised; /* sums over the pools; slots: of all states */
    uint32_t waiting;
    bool has_odd_pool; /* some pool may be above its limit or below its minimum */
    bool is_drained;   /* nothing has happened since there were no more orders */
};

struct turnstile *turnstile_new(uint32_t budget, uint32_t logins_max)
{
    assert(budget > 0 && logins_max > 0);
    struct turnstile *turnstile = memory_zalloc(sizeof *turnstile);
    turnstile->budget = budget;
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

static bool is_over_budget(const struct turnstile *turnstile)
{
    return turnstile->slots - turnstile->closing > turnstile->budget;
}

static bool is_over_limit(const struct turnstile_pool *pool)
{
    if (pool->limit > 0 && live(pool) > pool->limit + pool->reserve) return true;
    for (int i = 0; i < TURNSTILE_GROUPS; i++) {
        const struct turnstile_group *group = pool->groups[i];
        if (group && group->limit > 0 && group->slots - group->closing > group->limit) return true;
    }
    return false;
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

/*
 * How many of the pool's waiters their classes and keys could have served now, as of the last ranking of the classes; nothing above `enough` matters. Of those
 * classes only that have a place up to this one.
 */
static uint32_t demand(const struct turnstile_pool *pool, uint32_t place, uint32_t enough)
{
    uint32_t sum = 0;
    if (pool->waiting == 0) return 0;
    for (const struct turnstile_desk *desk = pool->desks; desk && sum < enough; desk = desk->next_of_pool)
        if (desk->servable > 0 && desk->class->place <= place) sum += least(desk->servable, desk->class->room);
    return sum;
}

/* Since when somebody waits who could be served. */
static int64_t waits_since(const struct turnstile_pool *pool, int64_t now_us)
{
    int64_t since_us = now_us;
    struct turnstile_desk *desk;
    DL_FOREACH2(pool->desks, desk, next_of_pool) {
        if (desk->servable == 0 || desk->class->room == 0) continue;
        const struct turnstile_waiter *waiter = turnstile_queue_first(desk);
        if (waiter->since_us < since_us) since_us = waiter->since_us;
    }
    return since_us;
}

static uint32_t limit_of(const struct turnstile *turnstile, const struct turnstile_pool *pool, int64_t now_us)
{
    if (pool->limit == 0) return turnstile->budget;
    if (pool->reserve == 0 || pool->reserve_after_us <= 0) return pool->limit;
    return pool->limit + (now_us - waits_since(pool, now_us) >= pool->reserve_after_us ? pool->reserve : 0);
}

/* How many of `missing` servers may be in the making at once, by the pool's own limits. */
static uint32_t openings_allowed(const struct turnstile *turnstile, const struct turnstile_pool *pool, uint32_t missing, int64_t now_us)
{
    if (pool->is_held || missing == 0) return 0;
    uint32_t others = pool->idle + pool->leased + pool->closing, limit = limit_of(turnstile, pool, now_us);
    uint32_t openings = least(missing, limit > others ? limit - others : 0);
    return is_unproven(pool) ? least(openings, 1) : openings;
}

/* How many servers should be opening or promised for the waiters of this pool; it does not matter how many more than there are now. */
static uint32_t openings_wanted(const struct turnstile *turnstile, const struct turnstile_pool *pool, uint32_t place, int64_t now_us)
{
    uint32_t wanted = demand(pool, place, held(pool) + 1);
    return openings_allowed(turnstile, pool, wanted > pool->idle ? wanted - pool->idle : 0, now_us);
}

/* ---- bookkeeping ---- */

static void set_promised(struct turnstile *turnstile, struct turnstile_pool *pool, uint32_t promised)
{
    if (pool->promised == 0 && promised > 0) DL_APPEND2(turnstile->promised_pools, pool, previous_promised, next_promised);
    if (pool->promised > 0 && promised == 0) DL_DELETE2(turnstile->promised_pools, pool, previous_promised, next_promised);
    turnstile->promised = turnstile->promised - pool->promised + promised;
    for (int i = 0; i < TURNSTILE_GROUPS; i++)
        if (pool->groups[i]) pool->groups[i]->promised = pool->groups[i]->promised - pool->promised + promised;
    pool->promised = promised;
}

/* Take back what the pool's waiters cannot use any more. */
static void trim_promises(struct turnstile *turnstile, int64_t now_us)
{
    struct turnstile_pool *pool, *next;
    DL_FOREACH_SAFE2(turnstile->promised_pools, pool, next, next_promised) {
        uint32_t wanted = pool->retry_at_us > now_us ? 0 : openings_wanted(turnstile, pool, UINT32_MAX, now_us);
        uint32_t due = wanted > pool->opening ? wanted - pool->opening : 0;
        if (pool->promised > due) set_promised(turnstile, pool, due);
    }
}

/* Every event of a pool ends here. */
static void settle(struct turnstile *turnstile, const struct turnstile_pool *pool)
{
    turnstile->is_drained = false;
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
    for (int i = 0; i < TURNSTILE_GROUPS; i++)
        if (pool->groups[i]) pool->groups[i]->closing++;
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
    take_idle(turnstile, pool);
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
    turnstile->budget = turnstile->classes.budget = budget;
    turnstile->logins_max = logins_max;
    turnstile->has_odd_pool = true;
    turnstile->is_drained = false;
    /* Some promises may not be kept now. Without any, turnstile_next makes those that can. */
    while (turnstile->promised_pools) set_promised(turnstile, turnstile->promised_pools, 0);
}

void turnstile_add_pool(struct turnstile *turnstile, struct turnstile_pool *pool)
{
    assert(live(pool) + pool->closing == 0 && pool->waiting == 0);
    DL_APPEND2(turnstile->pools, pool, previous, next);
    turnstile->has_odd_pool = true;
}

void turnstile_remove_pool(struct turnstile *turnstile, struct turnstile_pool *pool)
{
    assert(live(pool) + pool->closing == 0 && pool->waiting == 0);
    set_promised(turnstile, pool, 0);
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
    if (is_over_budget(turnstile) || is_over_limit(pool)) return false;
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

uint32_t turnstile_position(const struct turnstile_waiter *waiter)
{
    assert(waiter->pool != NULL);
    uint32_t position = 1;
    for (const struct turnstile_waiter *other = waiter->pool->first; other != waiter; other = other->next_of_pool)
        if (other->lane->key->class == waiter->lane->key->class) position++;
    return position;
}

void turnstile_release(struct turnstile *turnstile, struct turnstile_pool *pool, struct turnstile_lease *lease, int64_t now_us)
{
    end_lease(turnstile, pool, lease, now_us);
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

void turnstile_close_leased(struct turnstile *turnstile, struct turnstile_pool *pool, struct turnstile_lease *lease, int64_t now_us)
{
    end_lease(turnstile, pool, lease, now_us);
    add_closing(turnstile, pool);
    settle(turnstile, pool);
}

void turnstile_closed(struct turnstile *turnstile, struct turnstile_pool *pool)
{
    assert(pool->closing > 0);
    pool->closing--;
    turnstile->closing--;
    turnstile->slots--;
    for (int i = 0; i < TURNSTILE_GROUPS; i++) {
        if (!pool->groups[i]) continue;
        pool->groups[i]->closing--;
        pool->groups[i]->slots--;
    }
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
    if (pool->promised > 0) set_promised(turnstile, pool, pool->promised - 1);
    pool->opening++;
    turnstile->opening++;
    turnstile->slots++;
    for (int i = 0; i < TURNSTILE_GROUPS; i++)
        if (pool->groups[i]) pool->groups[i]->slots++;
    settle(turnstile, pool);
}

static void evict(struct turnstile *turnstile, struct turnstile_pool *pool, struct turnstile_order *order_out)
{
    *order_out = (struct turnstile_order){.kind = TURNSTILE_EVICT, .pool = pool};
    turnstile_close_idle(turnstile, pool);
}

static bool has_room(uint32_t slots, uint32_t limit, uint32_t promised, bool has_promise)
{
    return slots < limit && (has_promise || limit - slots > promised);
}

static bool has_slot_for(const struct turnstile *turnstile, const struct turnstile_pool *pool)
{
    bool has_promise = pool->promised > 0;
    if (!has_room(turnstile->slots, turnstile->budget, turnstile->promised, has_promise)) return false;
    for (int i = 0; i < TURNSTILE_GROUPS; i++) {
        const struct turnstile_group *group = pool->groups[i];
        if (group && group->limit > 0 && !has_room(group->slots, group->limit, group->promised, has_promise)) return false;
    }
    return true;
}

static bool is_full(const struct turnstile_group *group)
{
    return group && group->limit > 0 && group->slots - group->closing + group->promised >= group->limit;
}

enum { IN_ALL_GROUPS = -1 };

/* A slot that `other` gives up counts in those of the pool's groups that are full; or in this one, which is. */
static bool makes_room(const struct turnstile_pool *other, const struct turnstile_pool *pool, int in_group)
{
    for (int i = 0; i < TURNSTILE_GROUPS; i++)
        if ((in_group == IN_ALL_GROUPS || in_group == i) && is_full(pool->groups[i]) && pool->groups[i] != other->groups[i]) return false;
    return true;
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
    DL_FOREACH2(turnstile->idle_pools, pool, next_idle) {
        struct turnstile_desk *desk = pool->waiting > 0 && !pool->is_held ? find_ready_desk(pool) : NULL;
        pool->ready = desk;
        if (!desk) continue;
        if (!turnstile_queue_place(desk)) assert(desk->is_in_line);
        if (!found || desk->class->place < found->class->place || (desk->class == found->class && turnstile_queue_is_before(desk, found)))
            found = desk;
    }
    return found;
}

static uint32_t weight_of(const struct turnstile_class *class)
{
    return class ? class->rules.weight : 1;
}

/* With this slot more, `pool` would hold no more than `other` without it, each by the weight of its class. */
static bool deserves_slot_of(const struct turnstile_pool *pool, const struct turnstile_class *class, const struct turnstile_pool *other,
                             const struct turnstile_class *other_class)
{
    if (held(pool) == 0) return true;
    return held(other) > 0 && (uint64_t)(held(pool) + 1) * weight_of(other_class) <= (uint64_t)(held(other) - 1) * weight_of(class);
}

static bool needs_reserve_of(const struct turnstile_class *class, const struct turnstile_class *other)
{
    return class != other && turnstile_classes_is_below_reserve(class) && !(other && turnstile_classes_is_below_reserve(other));
}

/* `other` has an idle server that its own waiters leave over. */
static bool may_take_surplus(const struct turnstile_desk *desk, const struct turnstile_pool *other, int64_t now_us)
{
    const struct turnstile_class *last = other->last_class ? other->last_class : desk->class;
    return now_us - other->idle_since_us >= TURNSTILE_SETTLE_US || deserves_slot_of(desk->pool, desk->class, other, last) ||
           needs_reserve_of(desk->class, last);
}

/* `other` has an idle server that is wanted by somebody behind this desk's first. */
static bool may_take_contested(const struct turnstile_desk *desk, const struct turnstile_pool *other)
{
    const struct turnstile_pool *pool = desk->pool;
    const struct turnstile_desk *rival = other->ready;
    if (!rival) return false;
    const struct turnstile_class *class = desk->class, *behind = rival->class;
    if (class == behind || held(pool) == 0) return deserves_slot_of(pool, class, other, behind);
    if (needs_reserve_of(class, behind)) return true;
    uint64_t leases = (uint64_t) class->leased + pool->opening + pool->promised + 1;
    if (leases * behind->rules.weight <= (uint64_t)behind->leased * class->rules.weight) return true;
    return (behind->virtual_us - class->virtual_us) * class->rules.weight >= TURNSTILE_MOVE_LAG_US;
}

/*
 * Which pool gives an idle server up for the first waiter of this desk, in whose favour everybody in front has been served as far as possible?
 * First one that its own waiters leave over, the longest idle; else one of the pool that holds most. NULL: none.
 */
static struct turnstile_pool *find_victim(const struct turnstile *turnstile, const struct turnstile_desk *desk, int in_group,
                                          int64_t now_us)
{
    struct turnstile_pool *surplus = NULL, *contested = NULL, *other;
    DL_FOREACH2(turnstile->idle_pools, other, next_idle) {
        if (other == desk->pool || !makes_room(other, desk->pool, in_group)) continue;
        if (other->idle > demand(other, UINT32_MAX, other->idle)) {
            if (!may_take_surplus(desk, other, now_us)) continue;
            if (surplus == NULL || other->idle_since_us < surplus->idle_since_us) surplus = other;
        } else if (may_take_contested(desk, other)) {
            if (contested == NULL || held(other) > held(contested)) contested = other;
        }
    }
    return surplus ? surplus : contested;
}

/*
 * Both groups of the pool are full, and nobody in both has a server to give up. If in each there is one, the first of the two goes; then it
 * is the other's turn.
 */
static struct turnstile_pool *find_first_of_two_victims(const struct turnstile *turnstile, const struct turnstile_desk *desk,
                                                        int64_t now_us)
{
    struct turnstile_pool *first = NULL;
    for (int i = 0; i < TURNSTILE_GROUPS; i++) {
        if (!is_full(desk->pool->groups[i])) return NULL;
        struct turnstile_pool *victim = find_victim(turnstile, desk, i, now_us);
        if (!victim) return NULL;
        if (!first) first = victim;
    }
    return first;
}

/* A waiter without an idle server: open one, or make room for one. False: nothing can be done for it now. */
static bool help(struct turnstile *turnstile, const struct turnstile_desk *desk, int64_t now_us, struct turnstile_order *order_out)
{
    struct turnstile_pool *pool = desk->pool;
    if (pool->retry_at_us > now_us) return false;
    uint32_t wanted = openings_wanted(turnstile, pool, desk->class->place, now_us);
    if (wanted <= pool->opening) return false;
    if (has_slot_for(turnstile, pool)) {
        open_server(turnstile, pool, order_out);
        return true;
    }
    if (wanted <= pool->opening + pool->promised || turnstile->opening + turnstile->promised >= turnstile->logins_max) return false;
    struct turnstile_pool *victim = find_victim(turnstile, desk, IN_ALL_GROUPS, now_us);
    if (victim) {
        evict(turnstile, victim, order_out);
        set_promised(turnstile, pool, pool->promised + 1);
        return true;
    }
    victim = find_first_of_two_victims(turnstile, desk, now_us);
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
    if (turnstile->opening < turnstile->logins_max && help_those_in_front(turnstile, ready, now_us, order_out)) return true;
    if (!ready) return false;
    grant(turnstile, ready, now_us, order_out);
    return true;
}

static struct turnstile_pool *find_longest_idle(const struct turnstile *turnstile)
{
    struct turnstile_pool *found = NULL, *pool;
    bool found_is_wanted = true;
    DL_FOREACH2(turnstile->idle_pools, pool, next_idle) {
        bool is_wanted = demand(pool, UINT32_MAX, pool->idle) >= pool->idle;
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
        if (openings_allowed(turnstile, pool, pool->minimum - pool->idle - pool->leased, now_us) <= pool->opening) continue;
        open_server(turnstile, pool, order_out);
        return true;
    }
    turnstile->has_odd_pool = has_odd_pool;
    return false;
}

bool turnstile_next(struct turnstile *turnstile, int64_t now_us, struct turnstile_order *order_out)
{
    bool can_open = turnstile->opening < turnstile->logins_max && turnstile->slots < turnstile->budget;
    bool has_choice = turnstile->waiting > 0 && (turnstile->idle > 0 || can_open);
    if (has_choice || turnstile->promised > 0) turnstile_classes_rank(&turnstile->classes, now_us);
    if (turnstile->promised > 0) trim_promises(turnstile, now_us);
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
        if (pool->reserve > 0 && pool->reserve_after_us > 0 && live(pool) + pool->closing >= pool->limit)
            note_time(waits_since(pool, now_us) + pool->reserve_after_us, now_us, &next_us);
        if (openings_wanted(turnstile, pool, UINT32_MAX, now_us) <= pool->opening + pool->promised) continue;
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

/* ---- to look at ---- */

uint32_t turnstile_slots(const struct turnstile *turnstile)
{
    return turnstile->slots;
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

const struct turnstile_key *turnstile_key_of(const struct turnstile_waiter *waiter)
{
    return waiter->lane->key;
}
