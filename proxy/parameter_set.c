/*
 * A growing open-addressed table with room for one inside: most shapes run once in a unit. Entries are not moved singly: the table is made anew, larger.
 */
#include "proxy/parameter_set.h"

#include <string.h>

enum { FIRST_CAPACITY = 8 };

static size_t size_of(uint32_t capacity)
{
    return capacity * (sizeof(uint64_t) + sizeof(struct parameter_uses));
}

static struct parameter_uses *uses_at(const struct parameter_set *set, uint32_t at)
{
    return (struct parameter_uses *)(void *)(set->hashes + set->capacity) + at;
}

/* Where the hash is, or belongs. */
static uint32_t place_of(const struct parameter_set *set, uint64_t hash)
{
    uint32_t at = (uint32_t)(hash ^ hash >> 32) & (set->capacity - 1);
    while (set->hashes[at] != 0 && set->hashes[at] != hash) at = (at + 1) & (set->capacity - 1);
    return at;
}

static struct parameter_uses *put(struct parameter_set *set, uint64_t hash, const struct parameter_uses *uses)
{
    uint32_t at = place_of(set, hash);
    set->hashes[at] = hash;
    set->count++;
    *uses_at(set, at) = *uses;
    return uses_at(set, at);
}

static bool grow(struct parameter_set *set, struct block_pool *pool)
{
    struct parameter_set larger = {.first_hash = set->first_hash, .first = set->first};
    larger.capacity = set->capacity == 0 ? FIRST_CAPACITY : 2 * set->capacity;
    larger.hashes = block_pool_take(pool, size_of(larger.capacity));
    if (larger.hashes == NULL) return false;
    memset(larger.hashes, 0, larger.capacity * sizeof larger.hashes[0]);
    for (uint32_t at = 0; at < set->capacity; at++)
        if (set->hashes[at] != 0) (void)put(&larger, set->hashes[at], uses_at(set, at));
    if (set->capacity == 0) (void)put(&larger, set->first_hash, &set->first);
    parameter_set_clear(set, pool);
    *set = larger;
    return true;
}

struct parameter_uses *parameter_set_find(struct parameter_set *set, uint64_t hash, struct block_pool *pool)
{
    static const struct parameter_uses none;
    if (hash == 0) hash = 1;
    if (set->first_hash == 0) set->first_hash = hash;
    if (set->capacity == 0 && set->first_hash == hash) return &set->first;
    if (set->capacity > 0) {
        uint32_t at = place_of(set, hash);
        if (set->hashes[at] != 0) return uses_at(set, at);
    }
    bool has_room = set->count < PARAMETER_SET_MAX && (4 * (set->count + 1) <= 3 * set->capacity || grow(set, pool));
    return has_room ? put(set, hash, &none) : NULL;
}

void parameter_set_clear(struct parameter_set *set, struct block_pool *pool)
{
    block_pool_give(pool, set->hashes, size_of(set->capacity));
    *set = (struct parameter_set){0};
}
