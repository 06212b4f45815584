#ifndef PROXY_TRIPS_H
#define PROXY_TRIPS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The waits of one client: what it sends while it has heard everything is a new one, what it sends before the answer came is part of the same. Rounds are what a Sync or
 * a Query ends and a ReadyForQuery answers. A struct is begun with trips_begin, and again whenever what was sent is not known. Times are arguments.
 */
struct trips {
    uint32_t sent, done; /* rounds: ended by the client, answered */
    uint32_t round;      /* in which the present wait began */
    uint64_t number;     /* of the present wait, 0: none yet */
    int64_t sent_us;     /* when it began */
    int64_t gap_us;      /* the pause before it; -1: not known */
    int64_t ready_us;    /* last answer; 0: none */
};

static inline bool trips_is_outstanding(const struct trips *trips)
{
    return trips->sent != trips->done;
}

/* Numbers of waits go on. */
void trips_begin(struct trips *trips);
/* The client sends something. `next_number` counts the waits of all clients. */
void trips_send(struct trips *trips, uint64_t *next_number, int64_t now_us);
/* What the present wait costs when its answer is complete now: the pause before it, and itself. -1: not known. */
int64_t trips_cost_us(const struct trips *trips, int64_t now_us);
/* A round is answered; one must be outstanding. */
void trips_answered(struct trips *trips, int64_t now_us);

#endif
