/*
 * A growing open-addressed table with room for one inside: most shapes run once in a unit. Entries are not moved singly: the table is made anew, larger.
 */
#include "proxy/parameter_set.h"

#include <string.h>

enum { FIRST_CAPACITY = 8 };

static struct parameter_uses *place_of(struct parameter_uses *table, uint32_t capacity, uint64_t hash)
{
    uint32_t at = (uint32_t)(hash ^ hash >> 32) & (capacity - 1);
    while (table[at].hash != 0 && table[at].hash != hash) at = (at + 1) & (capacity - 1);
    return &table[at];
}

static bool grow(struct parameter_set *set, struct block_pool *pool)
{
    uint32_t capacity = set->capacity == 0 ? FIRST_CAPACITY : 4 * set->capacity;
    if (capacity > 2 * PARAMETER_SET_MAX) return false;
    struct parameter_uses *table = block_pool_take(pool, capacity * sizeof *table);
    if (table == NULL) return false;
    memset(table, 0, capacity * sizeof *table);
    for (uint32_t i = 0; i < set->capacity; i++) {
        if (set->table[i].hash != 0) *place_of(table, capacity, set->table[i].hash) = set->table[i];
    }
    if (set->capacity == 0 && set->first.hash != 0) {
        *place_of(table, capacity, set->first.hash) = set->first;
        set->count = 1;
    }
    block_pool_give(pool, set->table, set->capacity * sizeof *table);
    set->table = table;
    set->capacity = capacity;
    return true;
}

struct parameter_uses *parameter_set_find(struct parameter_set *set, uint64_t hash, struct block_pool *pool)
{
    if (hash == 0) hash = 1;
    if (set->capacity == 0) {
        if (set->first.hash == 0) set->first = (struct parameter_uses){.hash = hash};
        if (set->first.hash == hash) return &set->first;
        if (!grow(set, pool)) return NULL;
    }
    struct parameter_uses *uses = place_of(set->table, set->capacity, hash);
    if (uses->hash != 0) return uses;
    if (set->count >= PARAMETER_SET_MAX) return NULL;
    if (4 * (set->count + 1) > 3 * set->capacity) {
        if (!grow(set, pool)) return NULL;
        uses = place_of(set->table, set->capacity, hash);
    }
    *uses = (struct parameter_uses){.hash = hash};
    set->count++;
    return uses;
}

void parameter_set_clear(struct parameter_set *set, struct block_pool *pool)
{
    block_pool_give(pool, set->table, set->capacity * sizeof set->table[0]);
    *set = (struct parameter_set){0};
}
