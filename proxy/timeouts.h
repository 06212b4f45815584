#ifndef PROXY_TIMEOUTS_H
#define PROXY_TIMEOUTS_H

#include "proxy/commons.h"

/*
 * The one timer of a worker. It serves the lists of deadlines, the clients' clocks, and what the turnstile has to do by the passing of time alone, so that no
 * query costs a timer of its own.
 */
struct timeouts {
    struct commons *commons;
    ev_timer timer;
    int64_t due_us; /* what the timer is set for; INT64_MAX: nothing */
};

/* Empties the lists of `commons`. */
void timeouts_init(struct timeouts *timeouts, struct commons *commons);
/* Set the timer for what is due first: once a turn of the loop, before it waits. */
void timeouts_arm(struct timeouts *timeouts);
/*
 * SUSPEND is over, after so long. While nothing is read, nobody can be blamed for being silent, and what has been answered cannot be known: so no timeout
 * strikes meanwhile, and that time counts for none afterwards.
 */
void timeouts_delay(struct timeouts *timeouts, int64_t by_us);

#endif
