/*
 * Needs of pools, and who makes way for whom.
 */
#include "proxy/turnstile_need.h"

#include <utlist.h>

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* At most one login at a time as long as nothing says that logins of this pool work. */
static bool is_unproven(const struct turnstile_pool *pool)
{
    return pool->idle + pool->leased == 0 || pool->retry_at_us != 0;
}

uint32_t turnstile_need_of(const struct turnstile_pool *pool, uint32_t place, uint32_t enough)
{
    uint32_t sum = 0;
    if (pool->waiting == 0) return 0;
    for (const struct turnstile_desk *desk = pool->desks; desk && sum < enough; desk = desk->next_of_pool)
        if (desk->servable > 0 && desk->class->place <= place) sum += least(desk->servable, desk->class->room);
    return sum;
}

int64_t turnstile_need_since(const struct turnstile_pool *pool, int64_t now_us)
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

static uint32_t limit_of(const struct turnstile_slots *slots, const struct turnstile_pool *pool, int64_t now_us)
{
    if (pool->limit == 0) return slots->budget;
    if (pool->reserve == 0 || pool->reserve_after_us <= 0) return pool->limit;
    return pool->limit + (now_us - turnstile_need_since(pool, now_us) >= pool->reserve_after_us ? pool->reserve : 0);
}

uint32_t turnstile_need_allowed(const struct turnstile_slots *slots, const struct turnstile_pool *pool, uint32_t missing, int64_t now_us)
{
    if (pool->is_held || missing == 0) return 0;
    uint32_t others = pool->idle + pool->leased + pool->closing, limit = limit_of(slots, pool, now_us);
    uint32_t openings = least(missing, limit > others ? limit - others : 0);
    return is_unproven(pool) ? least(openings, 1) : openings;
}

uint32_t turnstile_need_openings(const struct turnstile_slots *slots, const struct turnstile_pool *pool, uint32_t place, int64_t now_us)
{
    uint32_t wanted = turnstile_need_of(pool, place, turnstile_slots_held(pool) + 1);
    return turnstile_need_allowed(slots, pool, wanted > pool->idle ? wanted - pool->idle : 0, now_us);
}

static uint32_t weight_of(const struct turnstile_class *class)
{
    return class ? class->rules.weight : 1;
}

/* With this slot more, `pool` would hold no more than `other` without it, each by the weight of its class. */
static bool deserves_slot_of(const struct turnstile_pool *pool, const struct turnstile_class *class, const struct turnstile_pool *other,
                             const struct turnstile_class *other_class)
{
    if (turnstile_slots_held(pool) == 0) return true;
    return turnstile_slots_held(other) > 0 && (uint64_t)(turnstile_slots_held(pool) + 1) * weight_of(other_class) <=
                                                  (uint64_t)(turnstile_slots_held(other) - 1) * weight_of(class);
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
    if (class == behind || turnstile_slots_held(pool) == 0) return deserves_slot_of(pool, class, other, behind);
    if (needs_reserve_of(class, behind)) return true;
    uint64_t leases = (uint64_t) class->leased + pool->opening + pool->promised + 1;
    if (leases * behind->rules.weight <= (uint64_t)behind->leased * class->rules.weight) return true;
    return (behind->virtual_us - class->virtual_us) * class->rules.weight >= TURNSTILE_MOVE_LAG_US;
}

struct turnstile_pool *turnstile_need_victim(const struct turnstile_slots *slots, const struct turnstile_desk *desk, int in_group,
                                             int64_t now_us)
{
    struct turnstile_pool *surplus = NULL, *contested = NULL, *other;
    DL_FOREACH2(slots->idle_pools, other, next_idle) {
        if (other == desk->pool || !turnstile_slots_make_room(other, desk->pool, in_group)) continue;
        if (other->idle > turnstile_need_of(other, UINT32_MAX, other->idle)) {
            if (!may_take_surplus(desk, other, now_us)) continue;
            if (surplus == NULL || other->idle_since_us < surplus->idle_since_us) surplus = other;
        } else if (may_take_contested(desk, other)) {
            if (contested == NULL || turnstile_slots_held(other) > turnstile_slots_held(contested)) contested = other;
        }
    }
    return surplus ? surplus : contested;
}

struct turnstile_pool *turnstile_need_first_of_two(const struct turnstile_slots *slots, const struct turnstile_desk *desk, int64_t now_us)
{
    struct turnstile_pool *first = NULL;
    for (int i = 0; i < TURNSTILE_GROUPS; i++) {
        if (!turnstile_slots_is_full(desk->pool->groups[i])) return NULL;
        struct turnstile_pool *victim = turnstile_need_victim(slots, desk, i, now_us);
        if (!victim) return NULL;
        if (!first) first = victim;
    }
    return first;
}
