/*
 * What takeover.c asks of this process.
 */
#include "proxy/restart.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/memory.h"
#include "proxy/relay.h"
#include "proxy/report_file.h"
#include "proxy/report_handover.h"

static void apply_budget(const struct restart *restart)
{
    const struct commons *commons = restart->pools->commons;
    const struct settings *settings = &commons->config->settings;
    uint32_t budget = (uint32_t)settings->budget;
    if (restart->budget_limit < budget) budget = restart->budget_limit;
    turnstile_set_budget(commons->turnstile, budget, (uint32_t)settings->max_server_logins);
}

static void on_measure(void *context, struct budget_side *side_out)
{
    const struct restart *restart = context;
    const struct commons *commons = restart->pools->commons;
    *side_out = (struct budget_side){
        .clients = commons->client_count, .held = turnstile_slots(commons->turnstile), .demand = pools_demand(restart->pools)};
}

static void on_budget(void *context, uint32_t budget)
{
    struct restart *restart = context;
    if (restart->budget_limit == budget) return;
    restart->budget_limit = budget;
    apply_budget(restart);
}

static bool on_offer(void *context, struct takeover_sockets *sockets_out, uint32_t uses_out[TAKEOVER_USES])
{
    const struct restart *restart = context;
    return !restart->pools->commons->is_shutting_down && entrance_offer(restart->entrance, sockets_out, uses_out);
}

static void on_handed_over(void *context, uint32_t to_pid)
{
    struct restart *restart = context;
    const struct commons *commons = restart->pools->commons;
    (void)to_pid;
    entrance_leave(restart->entrance);
    int64_t timeout_us = commons->config->settings.restart_timeout_us;
    if (timeout_us > 0 && !commons->is_shutting_down) ending_schedule(restart->ending, timeout_us);
}

static int on_give_state(void *context)
{
    const struct restart *restart = context;
    return report_handover_give(restart->pools->commons, restart->has_ended);
}

static void on_take_state(void *context, int fd)
{
    const struct restart *restart = context;
    report_handover_take(restart->pools->commons, fd);
    report_file_begin(restart->report_file, true);
}

static void on_older_side(void *context, const struct budget_side *older)
{
    const struct restart *restart = context;
    restart->pools->commons->older = *older;
    if (older->clients == 0 && older->held == 0) report_file_begin(restart->report_file, false);
}

static void on_cancel(void *context, uint32_t pid, uint32_t secret)
{
    struct restart *restart = context;
    relay_cancel_requested(restart->pools->commons, pid, secret);
}

static void on_stop(void *context)
{
    struct restart *restart = context;
    if (!restart->pools->commons->is_shutting_down) ending_with_transactions(restart->ending);
}

/* restart_socket, or the one beside the pidfile; NULL: none. */
static char *path_of(const struct settings *settings)
{
    if (*settings->restart_socket) return memory_strdup(settings->restart_socket);
    if (!*settings->pidfile) return NULL;
    size_t size = strlen(settings->pidfile) + sizeof ".restart";
    char *path = memory_alloc(size);
    snprintf(path, size, "%s.restart", settings->pidfile);
    return path;
}

void restart_init(struct restart *restart, struct pools *pools, struct entrance *entrance, struct ending *ending)
{
    const struct takeover_host host = {.context = restart,
                                       .measure = on_measure,
                                       .set_budget = on_budget,
                                       .offer = on_offer,
                                       .handed_over = on_handed_over,
                                       .give_state = on_give_state,
                                       .take_state = on_take_state,
                                       .older_side = on_older_side,
                                       .cancel = on_cancel,
                                       .stop = on_stop};
    restart->pools = pools;
    restart->entrance = entrance;
    restart->ending = ending;
    restart->takeover = takeover_new(pools->commons->loop, &host);
    restart->path = path_of(&pools->commons->config->settings);
    restart->budget_limit = UINT32_MAX;
}

int restart_ask(const struct restart *restart, struct takeover_gift *gift, struct error *error)
{
    if (restart->path) return takeover_ask(restart->path, gift, error);
    error_set(error, "",
              "-R needs the setting restart_socket or pidfile, both in this configuration and in that of the running pgturnstile");
    return -1;
}

int restart_listen(struct restart *restart, bool is_activated, struct error *error)
{
    return restart->path ? takeover_listen(restart->takeover, restart->path, is_activated, error) : 0;
}

void restart_begin(struct restart *restart, struct takeover_gift *gift)
{
    struct commons *commons = restart->pools->commons;
    const struct settings *settings = &commons->config->settings;
    bool takes_over = gift->channel >= 0;
    restart->report_file = report_file_open(commons, takes_over);
    takeover_publish(restart->takeover);
    if (takes_over) takeover_begin(restart->takeover, gift, (uint32_t)settings->budget, settings->server_close_timeout_us);
}

void restart_end(struct restart *restart)
{
    enum report_file_end end = REPORT_FILE_SAVED;
    restart->has_ended = true;
    if (takeover_is_over(restart->takeover)) end = takeover_give_state(restart->takeover) ? REPORT_FILE_LEFT : REPORT_FILE_ADDED;
    report_file_close(&restart->report_file, end);
}

void restart_set_budget(struct restart *restart)
{
    uint32_t budget = (uint32_t)restart->pools->commons->config->settings.budget;
    if (!takeover_set_budget(restart->takeover, budget)) apply_budget(restart);
}

void restart_fini(struct restart *restart)
{
    takeover_free(&restart->takeover);
    free(restart->path);
    restart->path = NULL;
}
