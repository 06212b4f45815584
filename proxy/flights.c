/*
 * A ring that grows. Lost executions are all younger than those in the ring, so while there are lost ones nothing new comes in, and completions that come when
 * the ring has none open are theirs.
 */
#include "proxy/flights.h"

enum { FIRST_CAPACITY = 4 };

static struct flight *at(const struct flights *flights, uint32_t number)
{
    return &flights->ring[number & (flights->capacity - 1)];
}

static bool grow(struct flights *flights, struct block_pool *pool)
{
    struct flights larger = *flights;
    larger.capacity = flights->capacity == 0 ? FIRST_CAPACITY : 2 * flights->capacity;
    if (larger.capacity > FLIGHTS_MAX) return false;
    larger.ring = block_pool_take(pool, larger.capacity * sizeof *larger.ring);
    if (larger.ring == NULL) return false;
    for (uint32_t i = flights->first; i != flights->next; i++) *at(&larger, i) = *at(flights, i);
    block_pool_give(pool, flights->ring, flights->capacity * sizeof *flights->ring);
    *flights = larger;
    return true;
}

struct flight *flights_push(struct flights *flights, uint32_t round, struct block_pool *pool)
{
    if (flights->lost > 0 || (flights->next - flights->first == flights->capacity && !grow(flights, pool))) {
        flights->lost++;
        return NULL;
    }
    struct flight *flight = at(flights, flights->next++);
    *flight = (struct flight){.round = round};
    return flight;
}

struct flight *flights_open(struct flights *flights)
{
    return flights->open != flights->next ? at(flights, flights->open) : NULL;
}

void flights_complete(struct flights *flights)
{
    if (flights->open != flights->next) {
        flights->open++;
    } else if (flights->lost > 0) {
        flights->lost--;
    }
}

struct flight *flights_pop(struct flights *flights, uint32_t round)
{
    if (flights->first == flights->next || (int32_t)(at(flights, flights->first)->round - round) > 0) return NULL;
    if (flights->open == flights->first) flights->open++;
    return at(flights, flights->first++);
}

void flights_clear(struct flights *flights, struct block_pool *pool)
{
    block_pool_give(pool, flights->ring, flights->capacity * sizeof *flights->ring);
    *flights = (struct flights){0};
}
