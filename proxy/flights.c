/*
 * A ring that grows. The first one lies in the struct, so that a client that waits for a few answers takes one block.
 */
#include "proxy/flights.h"

static void give_ring(struct flights *flights, struct block_pool *pool)
{
    block_pool_give(pool, flights->ring, flights->capacity * sizeof *flights->ring);
}

static bool grow(struct flights *flights, struct block_pool *pool)
{
    uint32_t capacity = 2 * flights->capacity;
    if (capacity > FLIGHTS_MAX) return false;
    struct flight *ring = block_pool_take(pool, capacity * sizeof *ring);
    if (ring == NULL) return false;
    for (uint32_t i = flights->first; i != flights->next; i++) ring[i & (capacity - 1)] = *flights_at(flights, i);
    if (flights->ring != flights->few) give_ring(flights, pool);
    flights->ring = ring;
    flights->capacity = capacity;
    return true;
}

bool flights_make_room(struct flights **flights_pointer, struct flights_store *store)
{
    if (*flights_pointer != NULL) return grow(*flights_pointer, store->pool);
    struct flights *flights = store->free;
    if (flights != NULL)
        store->free = flights->next_free;
    else
        flights = block_pool_take(store->pool, sizeof *flights);
    *flights_pointer = flights;
    if (flights == NULL) return false;
    flights->ring = flights->few;
    flights->capacity = FLIGHTS_FIRST;
    flights->first = flights->open = flights->next = 0;
    flights->done_us = 0;
    flights->rows_serial = 0;
    flights->cursor.count = 0;
    return true;
}

void flights_give(struct flights **flights_pointer, struct flights_store *store)
{
    struct flights *flights = *flights_pointer;
    *flights_pointer = NULL;
    if (flights == NULL) return;
    if (flights->ring != flights->few) give_ring(flights, store->pool);
    flights->next_free = store->free;
    store->free = flights;
}
