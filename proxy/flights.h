#ifndef PROXY_FLIGHTS_H
#define PROXY_FLIGHTS_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/block_pool.h"

/*
 * The executions of one client that a server has not answered yet, oldest first. Those of one round (up to a Sync) stay until its ReadyForQuery, completed or not.
 * A client has them only while there are some, or a cursor is open; else NULL: that is an empty list. At most FLIGHTS_MAX.
 */
enum { FLIGHTS_FIRST = 4, FLIGHTS_MAX = 1024 };

struct unit;
struct shape;

struct flight {
    struct unit *unit;   /* NULL: counted nowhere */
    uint64_t serial;     /* of the unit */
    uint64_t shape;      /* key */
    uint64_t rows_of;    /* key of the shape whose rows come: another one's for FETCH */
    struct shape *entry; /* of the shape, if it still has that key */
    int64_t sent_us;
    uint32_t round;
    uint32_t transaction;
    uint8_t place; /* of the group in the unit */
    bool starts_trip;
    bool wants_rows;
};

/* The statement that the client's FETCHes are for, as long as there is only one. */
struct open_cursor {
    uint32_t count;
    struct flight flight; /* of its DECLARE, whose unit may be over */
};

struct flights {
    struct flights *next_free; /* in the store */
    struct flight *ring;
    uint32_t capacity;          /* a power of two */
    uint32_t first, open, next; /* first <= open <= next: answered, not completed, free */
    int64_t done_us;            /* when the latest was completed; 0: none */
    uint64_t rows_serial;       /* of the set that the rows of the oldest open one go to; 0: none */
    struct open_cursor cursor;
    struct flight few[FLIGHTS_FIRST];
};

/* Lists that nobody needs at the moment, and where more come from. */
struct flights_store {
    struct block_pool *pool;
    struct flights *free;
};

/* Makes room for one more, and the list when there is none. False: there is no memory. */
bool flights_make_room(struct flights **flights, struct flights_store *store);
void flights_give(struct flights **flights, struct flights_store *store); /* NULL accepted */

static inline struct flight *flights_at(const struct flights *flights, uint32_t number)
{
    return &flights->ring[number & (flights->capacity - 1)];
}

static inline bool flights_is_empty(const struct flights *flights)
{
    return flights == NULL || flights->first == flights->next;
}

/* The oldest that is not completed; NULL: none. */
static inline struct flight *flights_open(const struct flights *flights)
{
    return flights != NULL && flights->open != flights->next ? flights_at(flights, flights->open) : NULL;
}

/* That one is. There must be one. */
static inline void flights_complete(struct flights *flights)
{
    flights->open++;
}

/* Zeroed, but for the round; the list is made when there is none. NULL: there is no room. */
static inline struct flight *flights_push(struct flights **flights, uint32_t round, struct flights_store *store)
{
    bool is_full = *flights == NULL || (*flights)->next - (*flights)->first == (*flights)->capacity;
    if (is_full && !flights_make_room(flights, store)) return NULL;
    struct flight *flight = flights_at(*flights, (*flights)->next++);
    *flight = (struct flight){.round = round};
    return flight;
}

/* The oldest of this round or an earlier one, taken off: valid until the next push. NULL: no more. */
static inline struct flight *flights_pop(struct flights *flights, uint32_t round)
{
    if (flights_is_empty(flights)) return NULL;
    struct flight *flight = flights_at(flights, flights->first);
    if ((int32_t)(flight->round - round) > 0) return NULL;
    if (flights->open == flights->first) flights->open++;
    flights->first++;
    return flight;
}

#endif
