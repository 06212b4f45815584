/*
 * Counting slots. No decision is made here.
 */
#include "proxy/turnstile_slots.h"

#include <assert.h>
#include <utlist.h>

void turnstile_slots_set_promised(struct turnstile_slots *slots, struct turnstile_pool *pool, uint32_t promised)
{
    if (pool->promised == 0 && promised > 0) DL_APPEND2(slots->promised_pools, pool, previous_promised, next_promised);
    if (pool->promised > 0 && promised == 0) DL_DELETE2(slots->promised_pools, pool, previous_promised, next_promised);
    slots->promised = slots->promised - pool->promised + promised;
    for (int i = 0; i < TURNSTILE_GROUPS; i++)
        if (pool->groups[i]) pool->groups[i]->promised = pool->groups[i]->promised - pool->promised + promised;
    pool->promised = promised;
}

void turnstile_slots_open(struct turnstile_slots *slots, struct turnstile_pool *pool)
{
    if (pool->promised > 0) turnstile_slots_set_promised(slots, pool, pool->promised - 1);
    pool->opening++;
    slots->opening++;
    slots->all++;
    for (int i = 0; i < TURNSTILE_GROUPS; i++)
        if (pool->groups[i]) pool->groups[i]->slots++;
}

void turnstile_slots_take_opening(struct turnstile_slots *slots, struct turnstile_pool *pool)
{
    assert(pool->opening > 0);
    pool->opening--;
    slots->opening--;
}

void turnstile_slots_add_closing(struct turnstile_slots *slots, struct turnstile_pool *pool)
{
    pool->closing++;
    slots->closing++;
    for (int i = 0; i < TURNSTILE_GROUPS; i++)
        if (pool->groups[i]) pool->groups[i]->closing++;
}

void turnstile_slots_closed(struct turnstile_slots *slots, struct turnstile_pool *pool)
{
    assert(pool->closing > 0);
    pool->closing--;
    slots->closing--;
    slots->all--;
    for (int i = 0; i < TURNSTILE_GROUPS; i++) {
        if (!pool->groups[i]) continue;
        pool->groups[i]->closing--;
        pool->groups[i]->slots--;
    }
}

static bool has_room(uint32_t slots, uint32_t limit, uint32_t promised, bool has_promise)
{
    return slots < limit && (has_promise || limit - slots > promised);
}

bool turnstile_slots_have_room(const struct turnstile_slots *slots, const struct turnstile_pool *pool)
{
    bool has_promise = pool->promised > 0;
    if (!has_room(slots->all, slots->budget, slots->promised, has_promise)) return false;
    for (int i = 0; i < TURNSTILE_GROUPS; i++) {
        const struct turnstile_group *group = pool->groups[i];
        if (group && group->limit > 0 && !has_room(group->slots, group->limit, group->promised, has_promise)) return false;
    }
    return true;
}

bool turnstile_slots_is_full(const struct turnstile_group *group)
{
    return group && group->limit > 0 && group->slots - group->closing + group->promised >= group->limit;
}

bool turnstile_slots_make_room(const struct turnstile_pool *other, const struct turnstile_pool *pool, int in_group)
{
    for (int i = 0; i < TURNSTILE_GROUPS; i++)
        if ((in_group == TURNSTILE_ALL_GROUPS || in_group == i) && turnstile_slots_is_full(pool->groups[i]) &&
            pool->groups[i] != other->groups[i])
            return false;
    return true;
}
