/*
 * A ring that grows. The first one lies in the struct, so that a client that waits for a few answers takes one block.
 */
#include "proxy/flights.h"

static struct flight *at(const struct flights *flights, uint32_t number)
{
    return &flights->ring[number & (flights->capacity - 1)];
}

static void give_ring(const struct flights *flights, struct block_pool *pool)
{
    if (flights->ring != flights->few) block_pool_give(pool, flights->ring, flights->capacity * sizeof *flights->ring);
}

static bool grow(struct flights *flights, struct block_pool *pool)
{
    uint32_t capacity = 2 * flights->capacity;
    if (capacity > FLIGHTS_MAX) return false;
    struct flight *ring = block_pool_take(pool, capacity * sizeof *ring);
    if (ring == NULL) return false;
    for (uint32_t i = flights->first; i != flights->next; i++) ring[i & (capacity - 1)] = *at(flights, i);
    give_ring(flights, pool);
    flights->ring = ring;
    flights->capacity = capacity;
    return true;
}

/* NULL: there is no memory. */
static struct flights *begin(struct block_pool *pool)
{
    struct flights *flights = block_pool_take(pool, sizeof *flights);
    if (flights == NULL) return NULL;
    flights->ring = flights->few;
    flights->capacity = FLIGHTS_FIRST;
    flights->first = flights->open = flights->next = 0;
    flights->done_us = 0;
    flights->rows_serial = 0;
    flights->cursor.count = 0;
    return flights;
}

struct flight *flights_push(struct flights **flights_pointer, uint32_t round, struct block_pool *pool)
{
    if (*flights_pointer == NULL) *flights_pointer = begin(pool);
    struct flights *flights = *flights_pointer;
    if (flights == NULL || (flights->next - flights->first == flights->capacity && !grow(flights, pool))) return NULL;
    struct flight *flight = at(flights, flights->next++);
    *flight = (struct flight){.round = round};
    return flight;
}

struct flight *flights_pop(struct flights *flights, uint32_t round)
{
    if (flights_is_empty(flights) || (int32_t)(at(flights, flights->first)->round - round) > 0) return NULL;
    if (flights->open == flights->first) flights->open++;
    return at(flights, flights->first++);
}

void flights_free(struct flights **flights_pointer, struct block_pool *pool)
{
    struct flights *flights = *flights_pointer;
    *flights_pointer = NULL;
    if (flights == NULL) return;
    give_ring(flights, pool);
    block_pool_give(pool, flights, sizeof *flights);
}
