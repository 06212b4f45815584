#ifndef PROXY_FLIGHTS_H
#define PROXY_FLIGHTS_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/block_pool.h"

/*
 * The executions of one client that a server has not answered yet, oldest first. Those of one round (up to a Sync) stay until its ReadyForQuery, completed or not. A
 * zeroed struct is empty. Beyond FLIGHTS_MAX they are only counted: they come out without a unit.
 */
enum { FLIGHTS_MAX = 1024 };

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
    bool has_group;
    bool starts_trip;
    bool wants_rows;
};

struct flights {
    struct flight *ring;
    uint32_t capacity;          /* a power of two */
    uint32_t first, open, next; /* first <= open <= next: answered, not completed, free */
    uint32_t lost;              /* behind the last one */
};

/* Zeroed. NULL: there is no room, it is counted as lost. */
struct flight *flights_push(struct flights *flights, uint32_t round, struct block_pool *pool);
struct flight *flights_open(struct flights *flights); /* the oldest that is not completed; NULL: none, or a lost one */
void flights_complete(struct flights *flights);       /* that one, lost or not; nothing when there is none */
/* The oldest of this round or an earlier one, taken off: valid until the next push. NULL: no more. */
struct flight *flights_pop(struct flights *flights, uint32_t round);
void flights_clear(struct flights *flights, struct block_pool *pool);

#endif
