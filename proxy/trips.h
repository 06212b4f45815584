#ifndef PROXY_TRIPS_H
#define PROXY_TRIPS_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * The waits of one client: what it sends while it has heard everything is a new one, what it sends before the answer came is part of the same. Rounds are what a Sync or
 * a Query ends and a ReadyForQuery answers. A struct is begun with trips_begin, and again whenever what was sent is not known. Times are arguments. All of it lies on the
 * path of every statement, so it stands here.
 */
struct trips {
    uint32_t sent, done; /* rounds: ended by the client, answered */
    uint32_t round;      /* in which the present wait began */
    uint32_t number;     /* of the present wait, 0: none yet. After 2^32 of them, which no unit lives to see, they come again */
    int64_t since_us;    /* the last answer before it; 0: none */
    int64_t ready_us;    /* the last answer; 0: none */
};

/* Numbers of waits go on. */
static inline void trips_begin(struct trips *trips)
{
    trips->sent = trips->done = 0;
    trips->round = UINT32_MAX;
    trips->ready_us = 0;
}

static inline bool trips_is_outstanding(const struct trips *trips)
{
    return trips->sent != trips->done;
}

/* The client sends something. `numbers` counts the waits of all clients. True: a new wait begins. */
static inline bool trips_send(struct trips *trips, uint32_t *numbers)
{
    if (trips->number != 0 && (trips->round == trips->sent || trips_is_outstanding(trips))) return false;
    trips->number = ++*numbers;
    if (trips->number == 0) trips->number = ++*numbers;
    trips->round = trips->sent;
    trips->since_us = trips->ready_us;
    return true;
}

/* What the present wait has cost by now: the pause before it, and itself. -1: not known. */
static inline int64_t trips_cost_us(const struct trips *trips, int64_t now_us)
{
    return trips->since_us == 0 ? -1 : now_us - trips->since_us;
}

/* A round is answered; one must be outstanding. */
static inline void trips_answered(struct trips *trips, int64_t now_us)
{
    assert(trips_is_outstanding(trips));
    trips->done++;
    trips->ready_us = now_us;
}

#endif
