/*
 * One timer for all timeouts. It is touched only when what is due first has changed.
 */
#include "proxy/timeouts.h"

#include <stddef.h>

#include "proxy/admission.h"
#include "proxy/cancel.h"
#include "proxy/relay.h"

/* Each kind of timeout: its list, and whose it is. */
static const struct {
    size_t list;
    void (*is_due)(struct deadline *deadline);
} kinds[] = {{offsetof(struct commons, login_deadlines), admission_login_timed_out},
             {offsetof(struct commons, wait_deadlines), admission_wait_timed_out},
             {offsetof(struct commons, cleaning_deadlines), lease_cleaning_timed_out},
             {offsetof(struct commons, cancel_deadlines), cancel_timed_out},
             {offsetof(struct commons, server_closing_deadlines), server_closing_timed_out},
             {offsetof(struct commons, client_closing_deadlines), client_closing_timed_out}};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static struct deadline_list *list_of(struct commons *commons, unsigned kind)
{
    return (struct deadline_list *)((char *)commons + kinds[kind].list);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    struct timeouts *timeouts = timer->data;
    struct commons *commons = timeouts->commons;
    timeouts->due_us = INT64_MAX;
    if (commons->is_suspended) return;
    for (unsigned i = 0; i < KINDS; i++)
        for (struct deadline *due; (due = deadline_pop_due(list_of(commons, i), commons->now_us));) kinds[i].is_due(due);
    relay_clocks_run(commons);
}

void timeouts_init(struct timeouts *timeouts, struct commons *commons)
{
    timeouts->commons = commons;
    timeouts->due_us = INT64_MAX;
    ev_timer_init(&timeouts->timer, on_timer, 0., 0.);
    timeouts->timer.data = timeouts;
    for (unsigned i = 0; i < KINDS; i++) deadline_list_init(list_of(commons, i));
}

static int64_t first_due_us(struct commons *commons)
{
    int64_t due_us = turnstile_next_time(commons->turnstile, commons->now_us);
    for (unsigned i = 0; i < KINDS; i++) {
        const struct deadline *first = deadline_first(list_of(commons, i));
        if (first && first->due_us < due_us) due_us = first->due_us;
    }
    int64_t clock_us = deadline_heap_first(&commons->clocks);
    return clock_us < due_us ? clock_us : due_us;
}

void timeouts_arm(struct timeouts *timeouts)
{
    struct commons *commons = timeouts->commons;
    int64_t due_us = commons->is_suspended ? INT64_MAX : first_due_us(commons);
    if (due_us == timeouts->due_us) return;
    timeouts->due_us = due_us;
    ev_timer_stop(commons->loop, &timeouts->timer);
    if (due_us == INT64_MAX) return;
    double after = (double)(due_us - commons->now_us) / 1e6;
    ev_timer_set(&timeouts->timer, after > 0 ? after : 0., 0.);
    ev_timer_start(commons->loop, &timeouts->timer);
}

void timeouts_delay(struct timeouts *timeouts, int64_t by_us)
{
    struct commons *commons = timeouts->commons;
    for (unsigned i = 0; i < KINDS; i++) deadline_list_delay(list_of(commons, i), by_us);
    for (struct client *client = commons->clients; client; client = client->next) clocks_delay(&client->clocks, by_us, commons->now_us);
}
