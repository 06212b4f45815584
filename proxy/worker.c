/*
 * The worker: wires the floors together, and does once a turn of the loop what must not happen inside a callback: the turnstile's orders, freeing what was closed,
 * setting the timer. Signals: HUP reloads and opens the log again, TERM and INT end with the transactions (a second one at once), QUIT at once, USR1 pauses,
 * USR2 resumes.
 */
#include "proxy/worker.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "proxy/admin.h"
#include "proxy/admission.h"
#include "proxy/classify.h"
#include "proxy/client_auth.h"
#include "proxy/clock.h"
#include "proxy/inquiry.h"
#include "proxy/log.h"
#include "proxy/lookup.h"
#include "proxy/memory.h"
#include "proxy/observe.h"
#include "proxy/prepare.h"
#include "proxy/relay.h"
#include "proxy/reload.h"
#include "proxy/report_file.h"
#include "proxy/service_manager.h"
#include "proxy/suspension.h"
#include "proxy/welcome.h"

enum { STATUS_PERIOD_US = 5000000 };

static const double OBSERVING_SECONDS = 0.1;

struct worker {
    struct commons commons;
    struct pools pools;
    struct client_host client_host;
    struct admin admin;
    struct admin_host admin_host;
    struct entrance entrance;
    struct timeouts timeouts;
    struct suspension suspension;
    struct ending ending;
    struct restart restart;
    struct takeover_gift gift; /* until worker_run */
    struct reload reload;
    struct lookup lookup;
    ev_prepare before_waiting;
    ev_check after_waiting;
    ev_timer housekeeping_timer, observing_timer;
    ev_signal signals[6];
    int64_t stats_due_us, status_due_us;
    int64_t watchdog_us; /* 0: nobody watches */
    bool has_shutdown_request;
    enum shutdown_mode shutdown_request;
};

/* ---- what the floors below hand up ---- */

static void on_authenticated(struct client *client)
{
    struct worker *worker = (struct worker *)((char *)client->host - offsetof(struct worker, client_host));
    if (client->is_console)
        admin_begin(&worker->admin, client);
    else
        admission_begin(&worker->pools, client);
}

static void on_cancel_requested(struct commons *commons, uint32_t pid, uint32_t secret)
{
    struct worker *worker = (struct worker *)((char *)commons - offsetof(struct worker, commons));
    takeover_pass_cancel(worker->restart.takeover, pid, secret);
    relay_cancel_requested(commons, pid, secret);
}

static void forget_server(struct server *server)
{
    prepare_forget_server(server);
    lookup_forget(server);
}

static const struct pools_host pools_host = {.message_ended = prepare_ended,
                                             .forget_server = forget_server,
                                             .granted = relay_granted,
                                             .refused = relay_refused,
                                             .forget_welcomes = welcome_forget_all};

/* ---- what the console asks for ---- */

static bool on_console_reload(void *context, char *why_out, size_t why_size)
{
    const struct worker *worker = context;
    return reload_file(&worker->reload, why_out, why_size);
}

static bool on_console_set(void *context, const struct setting *setting, const char *value, char *why_out, size_t why_size)
{
    const struct worker *worker = context;
    return reload_setting(&worker->reload, setting, value, why_out, why_size);
}

static void on_console_shutdown(void *context, enum shutdown_mode mode)
{
    struct worker *worker = context;
    worker->has_shutdown_request = true;
    worker->shutdown_request = mode;
}

static void on_console_suspend(void *context)
{
    struct worker *worker = context;
    suspension_begin(&worker->suspension);
}

static void on_console_unsuspend(void *context)
{
    struct worker *worker = context;
    suspension_end(&worker->suspension);
}

static void carry_out_shutdown(struct worker *worker)
{
    worker->has_shutdown_request = false;
    suspension_end(&worker->suspension);
    switch (worker->shutdown_request) {
    case SHUTDOWN_AT_ONCE: ending_at_once(&worker->ending); return;
    case SHUTDOWN_WAIT_FOR_SERVERS:
        if (!worker->commons.is_shutting_down) ending_with_transactions(&worker->ending);
        return;
    case SHUTDOWN_WAIT_FOR_CLIENTS: ending_with_clients(&worker->ending); return;
    }
}

/* ---- signals ---- */

static void reload_on_signal(struct worker *worker)
{
    service_manager_reloading();
    log_reopen();
    reload_file(&worker->reload, NULL, 0);
    service_manager_ready();
}

static void log_event(const char *event)
{
    struct log_line line;
    log_begin(&line, LOG_LEVEL_INFO, event);
    log_end(&line);
}

static void pause_all(struct worker *worker)
{
    log_event("paused");
    pools_pause(&worker->pools, NULL);
}

static void resume_all(struct worker *worker)
{
    log_event("resumed");
    suspension_end(&worker->suspension);
    pools_resume(&worker->pools, NULL);
}

static void on_signal(struct ev_loop *loop, ev_signal *watcher, int events)
{
    (void)loop, (void)events;
    struct worker *worker = watcher->data;
    switch (watcher->signum) {
    case SIGHUP: reload_on_signal(worker); break;
    case SIGTERM:
    case SIGINT: ending_with_transactions(&worker->ending); break;
    case SIGQUIT: ending_at_once(&worker->ending); break;
    case SIGUSR1: pause_all(worker); break;
    case SIGUSR2: resume_all(worker); break;
    default: break;
    }
}

static void watch_signals(struct worker *worker)
{
    static const int numbers[] = {SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        ev_signal_init(&worker->signals[i], on_signal, numbers[i]);
        worker->signals[i].data = worker;
        ev_signal_start(worker->commons.loop, &worker->signals[i]);
    }
}

/* ---- about once a second ---- */

static void tell_service_manager(struct worker *worker)
{
    const struct commons *commons = &worker->commons;
    if (worker->watchdog_us > 0) service_manager_alive();
    if (commons->now_us < worker->status_due_us || takeover_is_over(worker->restart.takeover)) return;
    worker->status_due_us = commons->now_us + STATUS_PERIOD_US;
    service_manager_notify("STATUS=%u clients, %u servers of a budget of %lld, %u waiting", commons->client_count,
                           turnstile_slots(commons->turnstile), (long long)commons->config->settings.budget,
                           turnstile_waiting(commons->turnstile));
}

static void check_paused_clients(const struct commons *commons)
{
    for (struct client *client = commons->clients, *next; client; client = next) {
        next = client->next;
        relay_check_paused(client);
    }
}

static void end_stats_period(struct worker *worker)
{
    const struct commons *commons = &worker->commons;
    const struct settings *settings = &commons->config->settings;
    if (commons->now_us < worker->stats_due_us) return;
    databases_end_period(&worker->pools.databases, commons->now_us - worker->stats_due_us + settings->stats_period_us);
    worker->stats_due_us = commons->now_us + settings->stats_period_us;
    if (settings->log_stats) stats_log(&commons->stats);
}

static void on_housekeeping(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    struct worker *worker = timer->data;
    struct commons *commons = &worker->commons;
    check_paused_clients(commons);
    ending_tick(&worker->ending);
    pools_housekeeping(&worker->pools);
    scaling_read(commons->scaling, commons->turnstile);
    lookup_run(&worker->lookup, &worker->pools);
    if (!takeover_is_over(worker->restart.takeover)) report_file_tick(worker->restart.report_file);
    http_pages_tick(worker->entrance.pages);
    suspension_tick(&worker->suspension);
    log_follow();
    tell_service_manager(worker);
    end_stats_period(worker);
}

/* Runs while units of work are open, so that what ends by silence is told soon. */
static void on_observing(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    struct worker *worker = timer->data;
    observe_tick(&worker->commons);
    if (!worker->commons.has_open_units) ev_timer_stop(loop, timer);
}

/* ---- once a turn ---- */

static void reap(struct commons *commons)
{
    struct client *clients = commons->closed_clients;
    commons->closed_clients = NULL;
    while (clients) {
        struct client *client = clients;
        clients = client->next_closed;
        if (client_reap(&client)) continue;
        client->next_closed = commons->closed_clients;
        commons->closed_clients = client;
    }
    struct server *servers = commons->closed_servers;
    commons->closed_servers = NULL;
    while (servers) {
        struct server *server = servers;
        servers = server->next_closed;
        if (server_reap(&server)) continue;
        server->next_closed = commons->closed_servers;
        commons->closed_servers = server;
    }
}

static void leave(struct worker *worker)
{
    entrance_close(&worker->entrance);
    admin_close(&worker->admin);
    ev_break(worker->commons.loop, EVBREAK_ALL);
}

static void on_before_waiting(struct ev_loop *loop, ev_prepare *watcher, int events)
{
    (void)events;
    struct worker *worker = watcher->data;
    struct commons *commons = &worker->commons;
    admin_run(&worker->admin);
    if (worker->has_shutdown_request) carry_out_shutdown(worker);
    if (!commons->is_closing_servers && !commons->is_suspended) pools_run_orders(&worker->pools);
    if (commons->closed_clients || commons->closed_servers) reap(commons);
    if (ending_is_over(&worker->ending)) leave(worker);
    if (commons->has_open_units && !ev_is_active(&worker->observing_timer)) ev_timer_again(loop, &worker->observing_timer);
    timeouts_arm(&worker->timeouts);
}

static void on_after_waiting(struct ev_loop *loop, ev_check *watcher, int events)
{
    (void)loop, (void)events;
    struct worker *worker = watcher->data;
    worker->commons.now_us = clock_now_us();
}

/* ---- beginning and end ---- */

static void wire(struct worker *worker)
{
    worker->client_host = (struct client_host){.commons = &worker->commons,
                                               .login_input = client_auth_input,
                                               .forget_login = client_auth_free,
                                               .authenticated = on_authenticated,
                                               .cancel_requested = on_cancel_requested,
                                               .readable = relay_client_readable,
                                               .resume = relay_client_resume,
                                               .drained = relay_client_drained,
                                               .leaving = relay_client_leaving};
    worker->admin_host = (struct admin_host){.context = worker,
                                             .reload = on_console_reload,
                                             .set = on_console_set,
                                             .shut_down = on_console_shutdown,
                                             .suspend = on_console_suspend,
                                             .unsuspend = on_console_unsuspend};
    pools_init(&worker->pools, &worker->commons, &pools_host);
    worker->pools.server_host.readable = relay_server_readable;
    worker->pools.server_host.drained = relay_server_drained;
    worker->pools.server_host.lost = relay_server_lost;
    admin_init(&worker->admin, &worker->pools, &worker->client_host, &worker->admin_host);
    worker->entrance = (struct entrance){.pools = &worker->pools, .client_host = &worker->client_host};
    timeouts_init(&worker->timeouts, &worker->commons);
    worker->suspension = (struct suspension){.pools = &worker->pools, .entrance = &worker->entrance, .timeouts = &worker->timeouts};
    restart_init(&worker->restart, &worker->pools, &worker->entrance, &worker->ending);
    ending_init(&worker->ending, &worker->pools, &worker->entrance, worker->restart.takeover);
}

static void start_watchers(struct worker *worker)
{
    struct ev_loop *loop = worker->commons.loop;
    ev_timer_init(&worker->housekeeping_timer, on_housekeeping, 1., 1.);
    ev_timer_init(&worker->observing_timer, on_observing, 0., OBSERVING_SECONDS);
    ev_prepare_init(&worker->before_waiting, on_before_waiting);
    ev_check_init(&worker->after_waiting, on_after_waiting);
    ev_set_priority(&worker->after_waiting, EV_MAXPRI); /* the time is right before anybody asks for it */
    worker->housekeeping_timer.data = worker->observing_timer.data = worker;
    worker->before_waiting.data = worker->after_waiting.data = worker;
    worker->stats_due_us = worker->commons.now_us + worker->commons.config->settings.stats_period_us;
    ev_timer_start(loop, &worker->housekeeping_timer);
    ev_prepare_start(loop, &worker->before_waiting);
    ev_check_start(loop, &worker->after_waiting);
}

/* The sockets to listen on are the service manager's, the older process's, or new ones. 0, or -1 with `error`. */
static int begin_listening(struct worker *worker, const struct worker_options *how, struct error *error)
{
    struct takeover_gift *gift = &worker->gift;
    gift->is_activated = how->socket_count > 0;
    for (size_t i = 0; i < how->socket_count; i++) gift->sockets.fds[gift->sockets.count++] = how->sockets[i];
    if (how->takes_over && restart_ask(&worker->restart, gift, error)) return -1;
    if (entrance_open(&worker->entrance, gift, error)) return -1;
    return restart_listen(&worker->restart, gift->is_activated, error);
}

/* It does not come to worker_run. What the older process handed over is its own as well, and it goes on with it. */
static void withdraw(struct worker *worker)
{
    if (worker->gift.channel < 0) return;
    entrance_leave(&worker->entrance);
    close(worker->gift.channel);
}

static void free_parts(struct worker *worker)
{
    restart_fini(&worker->restart);
    observe_free(&worker->commons);
    commons_fini(&worker->commons);
    free(worker);
}

struct worker *worker_new(struct config *config, const struct worker_options *how, struct error *error)
{
    struct worker *worker = memory_zalloc(sizeof *worker);
    commons_init(&worker->commons, config);
    classify_configure(&worker->commons);
    observe_configure(&worker->commons);
    wire(worker);
    worker->reload = (struct reload){.pools = &worker->pools, .restart = &worker->restart, .is_verbose = how->is_verbose};
    worker->gift.channel = -1;
    worker->watchdog_us = service_manager_watchdog_us();
    watch_signals(worker);
    if (begin_listening(worker, how, error)) {
        withdraw(worker);
        entrance_close(&worker->entrance);
        free_parts(worker);
        return NULL;
    }
    start_watchers(worker);
    return worker;
}

void worker_run(struct worker *worker)
{
    http_pages_run(worker->entrance.pages);
    restart_begin(&worker->restart, &worker->gift);
    service_manager_ready();
    ev_run(worker->commons.loop, 0);
    restart_end(&worker->restart);
    restart_fini(&worker->restart);
}

bool worker_free(struct worker **worker_pointer)
{
    struct worker *worker = *worker_pointer;
    struct commons *commons = &worker->commons;
    withdraw(worker);
    entrance_close(&worker->entrance);
    reap(commons);
    if (commons->clients || commons->closed_clients || commons->closed_servers || !pools_are_empty(&worker->pools) ||
        commons_has_jobs(commons))
        return false;
    *worker_pointer = NULL;
    pools_free_all(&worker->pools);
    free_parts(worker);
    return true;
}
