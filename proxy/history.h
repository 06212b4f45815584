#ifndef PROXY_HISTORY_H
#define PROXY_HISTORY_H

#include <stdint.h>

/* The last five minutes, a sample for each second: what charts are drawn from. */
enum { HISTORY_SAMPLES = 300 };

struct history_sample {
    uint32_t leases; /* that began in this second */
    uint32_t waiting, in_use;
    uint32_t longest_wait_ms; /* of those who wait */
};

/* How things are now; `leases` is a total since the start. */
struct history_reading {
    uint64_t leases;
    uint32_t waiting, in_use;
    uint32_t longest_wait_ms;
};

struct history { /* zero is empty */
    struct history_sample samples[HISTORY_SAMPLES];
    uint32_t next, count;
    uint64_t leases; /* the total at the last reading */
    int64_t last_us; /* of the last sample; 0: there was no reading yet */
};

/*
 * To be called about once a second. The first call only begins. Later ones add a sample for each second that has passed since the last: none when called too
 * early, several equal ones, with the leases spread over them, when called late: so the place of a sample is its time.
 */
void history_read(struct history *history, const struct history_reading *reading, int64_t now_us);
/* 0 is the oldest of `count`. */
const struct history_sample *history_at(const struct history *history, uint32_t i);

#endif
