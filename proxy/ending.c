/*
 * The end of a worker. How far it has come stands in commons (is_closed_to_new, is_shutting_down, is_closing_servers), where the floors below look.
 */
#include "proxy/ending.h"

#include "proxy/log.h"
#include "proxy/relay.h"
#include "proxy/service_manager.h"

enum { SERVERS_GOODBYE_US = 3000000 };

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    struct ending *ending = timer->data;
    const struct commons *commons = ending->pools->commons;
    if (commons->is_closing_servers || ending->is_at_once)
        ev_break(loop, EVBREAK_ALL);
    else if (!commons->is_shutting_down)
        ending_with_transactions(ending); /* restart_timeout */
    else
        ending_at_once(ending);
}

void ending_init(struct ending *ending, struct pools *pools, struct entrance *entrance, struct takeover *takeover)
{
    ending->pools = pools;
    ending->entrance = entrance;
    ending->takeover = takeover;
    ev_timer_init(&ending->timer, on_timer, 0., 0.);
    ending->timer.data = ending;
}

void ending_schedule(struct ending *ending, int64_t after_us)
{
    struct ev_loop *loop = ending->pools->commons->loop;
    ev_timer_stop(loop, &ending->timer);
    ev_timer_set(&ending->timer, (double)after_us / 1e6, 0.);
    ev_timer_start(loop, &ending->timer);
}

static bool has_clients(const struct commons *commons)
{
    const struct client *client = commons->clients;
    while (client && client->is_console) client = client->next;
    return client != NULL;
}

static void shut_down_clients(const struct ending *ending)
{
    for (struct client *client = ending->pools->commons->clients, *next; client; client = next) {
        next = client->next;
        if (!client->is_console) relay_shut_down(client, ending->is_at_once);
    }
}

static void log_how(const char *how)
{
    struct log_line line;
    log_begin(&line, LOG_LEVEL_INFO, "shutdown");
    log_text(&line, "how", how);
    log_end(&line);
}

static void begin(struct ending *ending)
{
    if (!takeover_is_over(ending->takeover)) service_manager_stopping();
    takeover_stop(ending->takeover);
    ending->pools->commons->is_shutting_down = true;
    entrance_close_to_clients(ending->entrance);
    shut_down_clients(ending);
}

void ending_at_once(struct ending *ending)
{
    if (ending->is_at_once) {
        ev_break(ending->pools->commons->loop, EVBREAK_ALL);
        return;
    }
    ending->is_at_once = true;
    log_how("at once");
    begin(ending);
    ending_schedule(ending, SERVERS_GOODBYE_US);
}

void ending_with_transactions(struct ending *ending)
{
    const struct commons *commons = ending->pools->commons;
    if (commons->is_shutting_down) {
        ending_at_once(ending);
        return;
    }
    log_how("with the transactions");
    begin(ending);
    int64_t timeout_us = commons->config->settings.shutdown_timeout_us;
    if (timeout_us > 0) ending_schedule(ending, timeout_us);
}

void ending_with_clients(struct ending *ending)
{
    struct commons *commons = ending->pools->commons;
    if (commons->is_shutting_down || commons->is_closed_to_new) return;
    log_how("with the clients");
    commons->is_closed_to_new = true;
    entrance_close_to_clients(ending->entrance);
}

void ending_tick(struct ending *ending)
{
    const struct commons *commons = ending->pools->commons;
    if (takeover_is_over(ending->takeover) && !commons->is_shutting_down && !has_clients(commons)) ending_with_transactions(ending);
    /* Those who were logging in or waiting when it began, and have come to rest. */
    if (commons->is_shutting_down) shut_down_clients(ending);
}

bool ending_is_over(struct ending *ending)
{
    struct commons *commons = ending->pools->commons;
    if ((!commons->is_shutting_down && !commons->is_closed_to_new) || has_clients(commons)) return false;
    if (!commons->is_closing_servers) {
        commons->is_closing_servers = true;
        pools_close_servers(ending->pools, "pgturnstile is shutting down");
        ending_schedule(ending, SERVERS_GOODBYE_US);
    }
    return pools_are_empty(ending->pools);
}
