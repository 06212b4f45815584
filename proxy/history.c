/* A ring of samples. Invariant: last_us moves by whole seconds, so nothing is lost between two readings. */
#include "proxy/history.h"

#include <assert.h>

static const int64_t second_us = 1000000;

static void add(struct history *history, const struct history_sample *sample)
{
    history->samples[history->next] = *sample;
    history->next = (history->next + 1) % HISTORY_SAMPLES;
    if (history->count < HISTORY_SAMPLES) history->count++;
}

void history_read(struct history *history, const struct history_reading *reading, int64_t now_us)
{
    if (history->last_us == 0) {
        history->last_us = now_us;
        history->leases = reading->leases;
        return;
    }
    /* A timer that is meant for each second comes a little early or late. */
    int64_t seconds = (now_us - history->last_us + second_us / 2) / second_us;
    if (seconds <= 0) return;
    uint64_t leases = reading->leases - history->leases;
    struct history_sample sample = {.leases = (uint32_t)((leases + (uint64_t)seconds / 2) / (uint64_t)seconds),
                                    .waiting = reading->waiting,
                                    .in_use = reading->in_use,
                                    .longest_wait_ms = reading->longest_wait_ms};
    for (int64_t i = 0; i < seconds && i < HISTORY_SAMPLES; i++) add(history, &sample);
    history->last_us += seconds * second_us;
    history->leases = reading->leases;
}

const struct history_sample *history_at(const struct history *history, uint32_t i)
{
    assert(i < history->count);
    return &history->samples[(history->next + HISTORY_SAMPLES - history->count + i) % HISTORY_SAMPLES];
}
