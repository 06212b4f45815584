/* Which wait a statement belongs to, and what the wait costs. */
#include "proxy/trips.h"

#include <assert.h>

void trips_begin(struct trips *trips)
{
    trips->sent = trips->done = 0;
    trips->round = UINT32_MAX;
    trips->ready_us = 0;
}

void trips_send(struct trips *trips, uint64_t *next_number, int64_t now_us)
{
    if (trips->number != 0 && (trips->round == trips->sent || trips_is_outstanding(trips))) return;
    trips->number = ++*next_number;
    trips->round = trips->sent;
    trips->sent_us = now_us;
    trips->gap_us = trips->ready_us != 0 ? now_us - trips->ready_us : -1;
}

int64_t trips_cost_us(const struct trips *trips, int64_t now_us)
{
    return trips->gap_us < 0 ? -1 : trips->gap_us + now_us - trips->sent_us;
}

void trips_answered(struct trips *trips, int64_t now_us)
{
    assert(trips_is_outstanding(trips));
    trips->done++;
    trips->ready_us = now_us;
}
