#ifndef PROXY_SUSPENSION_H
#define PROXY_SUSPENSION_H

#include "proxy/entrance.h"
#include "proxy/timeouts.h"

/*
 * SUSPEND, for as long as it is on: nobody comes in, nothing is read, and no time passes for any timeout. What could not be sent by suspend_timeout is closed.
 * commons->is_suspended says whether it is.
 */
struct suspension {
    struct pools *pools;
    struct entrance *entrance;
    struct timeouts *timeouts;
    int64_t since_us, flush_due_us;
};

void suspension_begin(struct suspension *suspension);
void suspension_end(struct suspension *suspension); /* harmless when it is not on */
/* To be called about once a second. */
void suspension_tick(struct suspension *suspension);

#endif
