/*
 * SUSPEND: what it does to the doors, the streams and the timeouts.
 */
#include "proxy/suspension.h"

#include "proxy/pools_control.h"

void suspension_begin(struct suspension *suspension)
{
    const struct commons *commons = suspension->pools->commons;
    suspension->since_us = commons->now_us;
    suspension->flush_due_us = commons->now_us + commons->config->settings.suspend_timeout_us;
    entrance_pause(suspension->entrance);
    pools_suspend(suspension->pools);
}

void suspension_end(struct suspension *suspension)
{
    const struct commons *commons = suspension->pools->commons;
    if (!commons->is_suspended) return;
    entrance_resume(suspension->entrance);
    timeouts_delay(suspension->timeouts, commons->now_us - suspension->since_us);
    pools_unsuspend(suspension->pools);
}

void suspension_tick(struct suspension *suspension)
{
    const struct commons *commons = suspension->pools->commons;
    if (commons->is_suspended && commons->now_us >= suspension->flush_due_us) pools_close_unflushed(suspension->pools);
}
