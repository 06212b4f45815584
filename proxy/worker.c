/*
 * The worker: wires the floors together, and does once a turn of the loop what must not happen inside a callback: the turnstile's orders, freeing what was closed,
 * setting the timer. Signals: HUP reloads and opens the log again, TERM and INT end with the transactions (a second one at once), QUIT at once, USR1 pauses,
 * USR2 resumes.
 */
#include "proxy/worker.h"

#include <openssl/rand.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/admin.h"
#include "proxy/cancel.h"
#include "proxy/classify.h"
#include "proxy/client_auth.h"
#include "proxy/client_clocks.h"
#include "proxy/clock.h"
#include "proxy/http_pages.h"
#include "proxy/inquiry.h"
#include "proxy/log.h"
#include "proxy/lookup.h"
#include "proxy/memory.h"
#include "proxy/observe.h"
#include "proxy/prepare.h"
#include "proxy/relay.h"
#include "proxy/report_file.h"
#include "proxy/service_manager.h"
#include "proxy/takeover.h"

/* cancel.c sees to it that few of its threads are busy, unless a database hangs. */
enum { CANCEL_THREADS = 1024, PASSWORD_THREADS = 1, SERVERS_GOODBYE_US = 3000000, STATUS_PERIOD_US = 5000000 };

static const double OBSERVING_SECONDS = 0.1;

struct worker {
    struct commons commons;
    struct pools pools;
    struct client_host client_host;
    struct admin admin;
    struct admin_host admin_host;
    struct listeners *listeners, *admin_listeners;
    struct http_pages *pages; /* NULL: no HTTP */
    struct lookup lookup;
    struct report_file *report_file; /* NULL: none */
    ev_prepare before_waiting;
    ev_check after_waiting;
    ev_timer deadlines_timer, housekeeping_timer, shutdown_timer, observing_timer;
    ev_signal signals[6];
    struct takeover *takeover;
    struct takeover_gift gift; /* until worker_run */
    uint32_t budget_limit;     /* what a restart leaves us of the budget; UINT32_MAX: all */
    bool is_verbose;
    int64_t timer_due_us; /* what deadlines_timer is set for */
    int64_t stats_due_us, status_due_us;
    int64_t watchdog_us;    /* 0: nobody watches */
    int64_t suspend_due_us; /* when what could not be flushed is closed */
    bool is_ending_at_once;
    bool has_shutdown_request;
    enum shutdown_mode shutdown_request;
};

static struct worker *worker_of_host(const struct client_host *host)
{
    return (struct worker *)((uintptr_t)host - offsetof(struct worker, client_host));
}

/* ---- callbacks that need the pools ---- */

static void on_authenticated(struct client *client)
{
    struct worker *worker = worker_of_host(client->host);
    if (client->is_console)
        admin_begin(&worker->admin, client);
    else
        admission_begin(&worker->pools, client);
}

static void on_cancel_requested(struct commons *commons, uint32_t pid, const uint8_t *key, size_t key_size)
{
    struct worker *worker = (struct worker *)((uintptr_t)commons - offsetof(struct worker, commons));
    if (key_size == 4)
        takeover_pass_cancel(worker->takeover, pid, (uint32_t)key[0] << 24 | (uint32_t)key[1] << 16 | (uint32_t)key[2] << 8 | key[3]);
    relay_cancel_requested(commons, pid, key, key_size);
}

static void on_accepted(int fd, const struct listener_peer *peer, void *context)
{
    struct worker *worker = context;
    client_new(&worker->client_host, fd, peer);
}

static void on_admin_accepted(int fd, const struct listener_peer *peer, void *context)
{
    struct worker *worker = context;
    struct listener_peer known = *peer;
    known.is_admin = true;
    client_new(&worker->client_host, fd, &known);
}

static void forget_server(struct server *server)
{
    prepare_forget_server(server);
    lookup_forget(server);
}

static const struct pools_host pools_host = {.message_ended = prepare_ended,
                                             .forget_server = forget_server,
                                             .forget_setting_names = inquiry_forget_setting_names,
                                             .granted = relay_granted,
                                             .refused = relay_refused,
                                             .forget_welcomes = admission_forget_welcomes};

/* ---- time ---- */

/* Each kind of timeout: its list, and whose it is. */
static const struct {
    size_t list;
    void (*is_due)(struct deadline *deadline);
} timeouts[] = {{offsetof(struct commons, login_deadlines), client_login_timed_out},
                {offsetof(struct commons, wait_deadlines), admission_wait_timed_out},
                {offsetof(struct commons, cleaning_deadlines), lease_cleaning_timed_out},
                {offsetof(struct commons, cancel_deadlines), cancel_timed_out},
                {offsetof(struct commons, server_closing_deadlines), server_closing_timed_out},
                {offsetof(struct commons, client_closing_deadlines), client_closing_timed_out}};
enum { TIMEOUTS = sizeof timeouts / sizeof timeouts[0] };

static struct deadline_list *timeout_list(struct worker *worker, unsigned i)
{
    return (struct deadline_list *)((char *)&worker->commons + timeouts[i].list);
}

static void on_deadlines(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    struct worker *worker = timer->data;
    worker->timer_due_us = INT64_MAX;
    for (unsigned i = 0; i < TIMEOUTS; i++)
        for (struct deadline *due; (due = deadline_pop_due(timeout_list(worker, i), worker->commons.now_us));) timeouts[i].is_due(due);
    relay_clocks_run(&worker->commons);
}

static void set_timer(struct worker *worker)
{
    struct commons *commons = &worker->commons;
    int64_t due_us = turnstile_next_time(commons->turnstile, commons->now_us);
    for (unsigned i = 0; i < TIMEOUTS; i++) {
        const struct deadline *first = deadline_first(timeout_list(worker, i));
        if (first && first->due_us < due_us) due_us = first->due_us;
    }
    int64_t clock_us = deadline_heap_first(&commons->clocks);
    if (clock_us < due_us) due_us = clock_us;
    if (due_us == worker->timer_due_us) return;
    worker->timer_due_us = due_us;
    ev_timer_stop(commons->loop, &worker->deadlines_timer);
    if (due_us == INT64_MAX) return;
    double after = (double)(due_us - commons->now_us) / 1e6;
    ev_timer_set(&worker->deadlines_timer, after > 0 ? after : 0., 0.);
    ev_timer_start(commons->loop, &worker->deadlines_timer);
}

/* Runs while units of work are open, so that what ends by silence is told soon. */
static void on_observing(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    struct worker *worker = timer->data;
    observe_tick(&worker->commons);
    if (!worker->commons.has_open_units) ev_timer_stop(loop, timer);
}

static void shut_down_clients(struct worker *worker, bool at_once)
{
    for (struct client *client = worker->commons.clients, *next; client; client = next) {
        next = client->next;
        if (!client->is_console) relay_shut_down(client, at_once);
    }
}

static void end_with_transactions(struct worker *worker);

static void tell_service_manager(struct worker *worker)
{
    const struct commons *commons = &worker->commons;
    if (worker->watchdog_us > 0) service_manager_alive();
    if (commons->now_us < worker->status_due_us || takeover_is_over(worker->takeover)) return;
    worker->status_due_us = commons->now_us + STATUS_PERIOD_US;
    service_manager_notify("STATUS=%u clients, %u servers of a budget of %lld, %u waiting", commons->client_count,
                           turnstile_slots(commons->turnstile), (long long)commons->config->settings.budget,
                           turnstile_waiting(commons->turnstile));
}

/* The console looks on to the end. */
static bool has_clients(const struct commons *commons)
{
    const struct client *client = commons->clients;
    while (client && client->is_console) client = client->next;
    return client != NULL;
}

static void on_housekeeping(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    struct worker *worker = timer->data;
    struct commons *commons = &worker->commons;
    for (struct client *client = commons->clients, *next; client; client = next) {
        next = client->next;
        relay_check_paused(client);
    }
    if (takeover_is_over(worker->takeover) && !commons->is_shutting_down && !has_clients(commons)) end_with_transactions(worker);
    /* Those who were logging in or waiting when it began, and have come to rest. */
    if (commons->is_shutting_down) shut_down_clients(worker, worker->is_ending_at_once);
    pools_housekeeping(&worker->pools);
    scaling_read(commons->scaling, commons->turnstile);
    lookup_run(&worker->lookup, &worker->pools);
    if (!takeover_is_over(worker->takeover)) report_file_tick(worker->report_file);
    http_pages_tick(worker->pages);
    if (commons->is_suspended && commons->now_us >= worker->suspend_due_us) pools_close_unflushed(&worker->pools);
    const struct settings *settings = &commons->config->settings;
    log_follow();
    tell_service_manager(worker);
    if (commons->now_us < worker->stats_due_us) return;
    databases_end_period(&worker->pools.databases, commons->now_us - worker->stats_due_us + settings->stats_period_us);
    worker->stats_due_us = commons->now_us + settings->stats_period_us;
    if (settings->log_stats) stats_log(&commons->stats);
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

static void end_when_empty(struct worker *worker)
{
    struct commons *commons = &worker->commons;
    if ((!commons->is_shutting_down && !commons->is_closed_to_new) || has_clients(commons)) return;
    if (!commons->is_closing_servers) {
        commons->is_closing_servers = true;
        pools_close_servers(&worker->pools, "pgturnstile is shutting down");
        ev_timer_stop(commons->loop, &worker->shutdown_timer);
        ev_timer_set(&worker->shutdown_timer, SERVERS_GOODBYE_US / 1e6, 0.);
        ev_timer_start(commons->loop, &worker->shutdown_timer);
    }
    if (!pools_are_empty(&worker->pools)) return;
    listeners_close(&worker->admin_listeners);
    admin_close(&worker->admin);
    ev_break(commons->loop, EVBREAK_ALL);
}

static void carry_out_shutdown(struct worker *worker);

static void on_before_waiting(struct ev_loop *loop, ev_prepare *watcher, int events)
{
    (void)loop, (void)events;
    struct worker *worker = watcher->data;
    struct commons *commons = &worker->commons;
    admin_run(&worker->admin);
    if (worker->has_shutdown_request) carry_out_shutdown(worker);
    if (!commons->is_closing_servers && !commons->is_suspended) pools_run_orders(&worker->pools);
    if (commons->closed_clients || commons->closed_servers) reap(commons);
    end_when_empty(worker);
    if (commons->has_open_units && !ev_is_active(&worker->observing_timer)) ev_timer_again(commons->loop, &worker->observing_timer);
    set_timer(worker);
}

static void on_after_waiting(struct ev_loop *loop, ev_check *watcher, int events)
{
    (void)loop, (void)events;
    struct worker *worker = watcher->data;
    worker->commons.now_us = clock_now_us();
}

/* ---- signals ---- */

static void log_shutdown(const char *how)
{
    struct log_line line;
    log_begin(&line, LOG_LEVEL_INFO, "shutdown");
    log_text(&line, "how", how);
    log_end(&line);
}

static void tell_of_shutdown(struct worker *worker)
{
    if (!takeover_is_over(worker->takeover)) service_manager_stopping();
    takeover_stop(worker->takeover);
}

static void end_at_once(struct worker *worker)
{
    if (worker->is_ending_at_once) {
        ev_break(worker->commons.loop, EVBREAK_ALL);
        return;
    }
    worker->is_ending_at_once = true;
    log_shutdown("at once");
    tell_of_shutdown(worker);
    worker->commons.is_shutting_down = true;
    listeners_close(&worker->listeners);
    shut_down_clients(worker, true);
    ev_timer_stop(worker->commons.loop, &worker->shutdown_timer);
    ev_timer_set(&worker->shutdown_timer, SERVERS_GOODBYE_US / 1e6, 0.);
    ev_timer_start(worker->commons.loop, &worker->shutdown_timer);
}

static void end_with_transactions(struct worker *worker)
{
    if (worker->commons.is_shutting_down) {
        end_at_once(worker);
        return;
    }
    log_shutdown("with the transactions");
    tell_of_shutdown(worker);
    worker->commons.is_shutting_down = true;
    listeners_close(&worker->listeners);
    shut_down_clients(worker, false);
    int64_t timeout_us = worker->commons.config->settings.shutdown_timeout_us;
    if (timeout_us == 0) return;
    ev_timer_set(&worker->shutdown_timer, (double)timeout_us / 1e6, 0.);
    ev_timer_start(worker->commons.loop, &worker->shutdown_timer);
}

static void on_shutdown_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    struct worker *worker = timer->data;
    if (worker->commons.is_closing_servers || worker->is_ending_at_once)
        ev_break(loop, EVBREAK_ALL);
    else if (!worker->commons.is_shutting_down)
        end_with_transactions(worker); /* restart_timeout */
    else
        end_at_once(worker);
}

static void log_problems(const struct config_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        const struct config_problem *problem = &problems->items[i];
        struct log_line line;
        log_begin(&line, problem->is_warning ? LOG_LEVEL_WARNING : LOG_LEVEL_ERROR, "config_problem");
        log_text(&line, "file", problem->file);
        log_number(&line, "line", problem->line);
        log_text(&line, "problem", problem->text);
        log_end(&line);
    }
}

static void log_fixed(const char *name, void *context)
{
    (void)context;
    struct log_line line;
    log_begin(&line, LOG_LEVEL_WARNING, "config_needs_restart");
    log_text(&line, "setting", name);
    log_end(&line);
}

/* ---- restart ---- */

static void apply_budget(struct worker *worker)
{
    const struct settings *settings = &worker->commons.config->settings;
    uint32_t budget = (uint32_t)settings->budget;
    if (worker->budget_limit < budget) budget = worker->budget_limit;
    turnstile_set_budget(worker->commons.turnstile, budget, (uint32_t)settings->max_server_logins);
}

static void on_budget(void *context, uint32_t budget)
{
    struct worker *worker = context;
    if (worker->budget_limit == budget) return;
    worker->budget_limit = budget;
    apply_budget(worker);
}

static void on_measure(void *context, struct budget_side *side_out)
{
    const struct worker *worker = context;
    const struct commons *commons = &worker->commons;
    *side_out = (struct budget_side){
        .clients = commons->client_count, .held = turnstile_slots(commons->turnstile), .demand = pools_demand(&worker->pools)};
}

static bool on_offer(void *context, struct takeover_sockets *sockets_out)
{
    struct worker *worker = context;
    if (worker->commons.is_shutting_down || !worker->listeners) return false;
    size_t count = listeners_descriptors(worker->listeners, sockets_out->fds, TAKEOVER_SOCKETS_MAX);
    if (worker->admin_listeners)
        count += listeners_descriptors(worker->admin_listeners, sockets_out->fds + count, TAKEOVER_SOCKETS_MAX - count);
    sockets_out->count = count;
    return true;
}

static void on_handed_over(void *context, uint32_t to_pid)
{
    struct worker *worker = context;
    (void)to_pid;
    listeners_leave(&worker->listeners);
    listeners_leave(&worker->admin_listeners);
    http_pages_stop(&worker->pages); /* the younger is waiting for the address */
    int64_t timeout_us = worker->commons.config->settings.restart_timeout_us;
    if (timeout_us == 0 || worker->commons.is_shutting_down) return;
    ev_timer_stop(worker->commons.loop, &worker->shutdown_timer);
    ev_timer_set(&worker->shutdown_timer, (double)timeout_us / 1e6, 0.);
    ev_timer_start(worker->commons.loop, &worker->shutdown_timer);
}

static void on_passed_cancel(void *context, uint32_t pid, uint32_t secret)
{
    struct worker *worker = context;
    const uint8_t key[4] = {(uint8_t)(secret >> 24), (uint8_t)(secret >> 16), (uint8_t)(secret >> 8), (uint8_t)secret};
    relay_cancel_requested(&worker->commons, pid, key, sizeof key);
}

static void on_stop(void *context)
{
    struct worker *worker = context;
    if (!worker->commons.is_shutting_down) end_with_transactions(worker);
}

/* restart_socket, or the one beside the pidfile; NULL: none. The caller frees it. */
static char *restart_path(const struct settings *settings)
{
    if (*settings->restart_socket) return memory_strdup(settings->restart_socket);
    if (!*settings->pidfile) return NULL;
    size_t size = strlen(settings->pidfile) + sizeof ".restart";
    char *path = memory_alloc(size);
    snprintf(path, size, "%s.restart", settings->pidfile);
    return path;
}

/* ---- reload ---- */

/* The new snapshot is in force from now on. */
static void take_config(struct worker *worker, struct config *config)
{
    struct commons *commons = &worker->commons;
    config_unref(&commons->config);
    commons->config = config;
    log_set_level(config->settings.verbose > 0 || worker->is_verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
    pools_reload(&worker->pools);
    classify_configure(commons);
    observe_configure(commons);
    for (struct client *client = commons->clients; client; client = client->next) {
        if (!client->pool) continue;
        classify_client(client);
        client_clocks_arm(client);
    }
    if (!takeover_set_budget(worker->takeover, (uint32_t)config->settings.budget)) apply_budget(worker);
}

static void describe_problems(const struct config_problems *problems, char *why_out, size_t why_size)
{
    size_t size = 0;
    if (why_size > 0) *why_out = '\0';
    for (size_t i = 0; i < problems->count && size < why_size; i++) {
        const struct config_problem *problem = &problems->items[i];
        if (problem->is_warning) continue;
        const char *between = size > 0 ? "; " : "";
        if (problem->line > 0)
            size += (size_t)snprintf(why_out + size, why_size - size, "%s%s:%u: %s", between, problem->file, problem->line, problem->text);
        else
            size += (size_t)snprintf(why_out + size, why_size - size, "%s%s", between, problem->text);
    }
}

static bool reload(struct worker *worker, char *why_out, size_t why_size)
{
    struct commons *commons = &worker->commons;
    struct config_problems problems = {0};
    struct config *config = config_load(commons->config->path, &problems);
    log_problems(&problems);
    describe_problems(&problems, why_out, why_size);
    config_problems_fini(&problems);
    struct log_line line;
    log_begin(&line, config ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, config ? "config_reloaded" : "config_refused");
    if (!config) log_text(&line, "hint", "the configuration in force stays");
    log_end(&line);
    if (!config) return false;
    config_compare_fixed(commons->config, config, log_fixed, NULL);
    if (config->settings.scram_iterations == commons->config->settings.scram_iterations)
        userlist_inherit(config->userlist, commons->config->userlist);
    take_config(worker, config);
    return true;
}

/* ---- what the console asks for ---- */

static bool on_console_reload(void *context, char *why_out, size_t why_size)
{
    return reload(context, why_out, why_size);
}

static bool on_console_set(void *context, const struct setting *setting, const char *value, char *why_out, size_t why_size)
{
    struct worker *worker = context;
    struct config_problems problems;
    struct config *config = config_with(worker->commons.config, setting, value, &problems);
    describe_problems(&problems, why_out, why_size);
    config_problems_fini(&problems);
    if (config) take_config(worker, config);
    return config != NULL;
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
    struct commons *commons = &worker->commons;
    worker->suspend_due_us = commons->now_us + commons->config->settings.suspend_timeout_us;
    if (worker->listeners) listeners_pause(worker->listeners);
    pools_suspend(&worker->pools);
}

static void on_console_unsuspend(void *context)
{
    struct worker *worker = context;
    if (!worker->commons.is_suspended) return;
    if (worker->listeners) listeners_resume(worker->listeners);
    pools_unsuspend(&worker->pools);
}

static void end_with_clients(struct worker *worker)
{
    if (worker->commons.is_shutting_down || worker->commons.is_closed_to_new) return;
    log_shutdown("with the clients");
    worker->commons.is_closed_to_new = true;
    listeners_close(&worker->listeners);
}

static void carry_out_shutdown(struct worker *worker)
{
    worker->has_shutdown_request = false;
    on_console_unsuspend(worker);
    switch (worker->shutdown_request) {
    case SHUTDOWN_AT_ONCE: end_at_once(worker); return;
    case SHUTDOWN_WAIT_FOR_SERVERS:
        if (!worker->commons.is_shutting_down) end_with_transactions(worker);
        return;
    case SHUTDOWN_WAIT_FOR_CLIENTS: end_with_clients(worker); return;
    }
}

/* ---- signals ---- */

static void pause_or_resume(struct worker *worker, bool is_pause)
{
    struct log_line line;
    log_begin(&line, LOG_LEVEL_INFO, is_pause ? "paused" : "resumed");
    log_end(&line);
    if (is_pause) {
        pools_pause(&worker->pools, NULL);
    } else {
        on_console_unsuspend(worker);
        pools_resume(&worker->pools, NULL);
    }
}

static void on_signal(struct ev_loop *loop, ev_signal *watcher, int events)
{
    (void)loop, (void)events;
    struct worker *worker = watcher->data;
    switch (watcher->signum) {
    case SIGHUP:
        service_manager_reloading();
        log_reopen();
        reload(worker, NULL, 0);
        service_manager_ready();
        break;
    case SIGTERM:
    case SIGINT: end_with_transactions(worker); break;
    case SIGQUIT: end_at_once(worker); break;
    case SIGUSR1: pause_or_resume(worker, true); break;
    case SIGUSR2: pause_or_resume(worker, false); break;
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

/* ---- beginning and end ---- */

static void make_commons(struct worker *worker, struct config *config)
{
    struct commons *commons = &worker->commons;
    commons->loop = ev_default_loop(EVFLAG_NOENV);
    if (!commons->loop) abort(); /* no epoll, no descriptors: nothing could work */
    commons->config = config;
    commons->now_us = clock_now_us();
    commons->scratch = memory_alloc(COMMONS_SCRATCH_SIZE);
    commons->turnstile = turnstile_new((uint32_t)config->settings.budget, (uint32_t)config->settings.max_server_logins);
    commons->scaling = memory_zalloc(sizeof *commons->scaling);
    classify_configure(commons);
    observe_configure(commons);
    commons->cancel_keys = cancel_keys_new();
    commons->states = session_states_new();
    commons->statements = statements_new();
    commons->logins = offload_new(commons->loop, (unsigned)config->settings.max_server_logins);
    commons->cancels = offload_new(commons->loop, CANCEL_THREADS);
    commons->passwords = offload_new(commons->loop, PASSWORD_THREADS);
    RAND_bytes(commons->mock_key, sizeof commons->mock_key);
    for (unsigned i = 0; i < TIMEOUTS; i++) deadline_list_init(timeout_list(worker, i));
}

static void free_commons(struct commons *commons)
{
    offload_free(&commons->logins);
    offload_free(&commons->cancels);
    offload_free(&commons->passwords);
    observe_free(commons);
    lock_counts_fini(&commons->locks);
    free(commons->scaling);
    session_states_free(&commons->states);
    statements_free(&commons->statements);
    cancel_keys_free(&commons->cancel_keys);
    turnstile_free(&commons->turnstile);
    deadline_heap_fini(&commons->clocks);
    free(commons->scratch);
    config_unref(&commons->config);
    ev_loop_destroy(commons->loop);
}

static void make_timers(struct worker *worker)
{
    struct ev_loop *loop = worker->commons.loop;
    ev_timer_init(&worker->deadlines_timer, on_deadlines, 0., 0.);
    ev_timer_init(&worker->shutdown_timer, on_shutdown_timeout, 0., 0.);
    ev_timer_init(&worker->housekeeping_timer, on_housekeeping, 1., 1.);
    ev_timer_init(&worker->observing_timer, on_observing, 0., OBSERVING_SECONDS);
    worker->observing_timer.data = worker;
    ev_prepare_init(&worker->before_waiting, on_before_waiting);
    ev_check_init(&worker->after_waiting, on_after_waiting);
    ev_set_priority(&worker->after_waiting, EV_MAXPRI); /* the time is right before anybody asks for it */
    worker->deadlines_timer.data = worker->shutdown_timer.data = worker->housekeeping_timer.data = worker;
    worker->before_waiting.data = worker->after_waiting.data = worker;
    worker->timer_due_us = INT64_MAX;
    worker->stats_due_us = worker->commons.now_us + worker->commons.config->settings.stats_period_us;
    ev_timer_start(loop, &worker->housekeeping_timer);
    ev_prepare_start(loop, &worker->before_waiting);
    ev_check_start(loop, &worker->after_waiting);
}

/* 0, or -1 with `error`. */
static int start_http(struct worker *worker, bool takes_over, struct error *error)
{
    const struct settings *settings = &worker->commons.config->settings;
    struct http_pages_options options = {.http = {.listen = settings->http_listen,
                                                  .allows_remote = settings->http_allow_remote,
                                                  .unix_mode = (unsigned)settings->http_socket_mode},
                                         .waits_for_address = takes_over};
    if (!*settings->http_listen) return 0;
    worker->pages = http_pages_start(&worker->pools, &options, error);
    return worker->pages ? 0 : -1;
}

/* The sockets to listen on: the service manager's, the older process's, or new ones. 0, or -1 with `error`. */
static int begin_listening_to_admins(struct worker *worker, struct error *error)
{
    const struct settings *settings = &worker->commons.config->settings;
    if (!*settings->admin_socket) return 0;
    struct listener_options options = {.addresses = "",
                                       .port = (int)settings->listen_port,
                                       .backlog = (int)settings->listen_backlog,
                                       .unix_directory = settings->admin_socket,
                                       .unix_mode = (unsigned)settings->admin_socket_mode,
                                       .unix_group = settings->admin_socket_group,
                                       .unix_setting = "admin_socket",
                                       .inherited = worker->gift.sockets.fds,
                                       .inherited_count = worker->gift.sockets.count};
    worker->admin_listeners = listeners_open(worker->commons.loop, &options, on_admin_accepted, worker, error);
    return worker->admin_listeners ? 0 : -1;
}

static int begin_listening(struct worker *worker, const struct worker_options *how, const char *restart_socket, struct error *error)
{
    const struct settings *settings = &worker->commons.config->settings;
    bool is_activated = how->socket_count > 0;
    for (size_t i = 0; i < how->socket_count; i++) worker->gift.sockets.fds[worker->gift.sockets.count++] = how->sockets[i];
    if (how->takes_over && !restart_socket) {
        error_set(error, "",
                  "-R needs the setting restart_socket or pidfile, both in this configuration and in that of the running pgturnstile");
        return -1;
    }
    if (how->takes_over) {
        if (takeover_ask(restart_socket, &worker->gift, error)) return -1;
        is_activated = worker->gift.is_activated;
    }
    struct listener_options options = {.addresses = settings->listen_addr,
                                       .port = (int)settings->listen_port,
                                       .backlog = (int)settings->listen_backlog,
                                       .unix_directory = settings->unix_socket_dir,
                                       .unix_mode = (unsigned)settings->unix_socket_mode,
                                       .inherited = worker->gift.sockets.fds,
                                       .inherited_count = worker->gift.sockets.count,
                                       .is_activated = is_activated};
    /* First, so that a socket activated or inherited for the console is not taken for one of clients. */
    int failed = begin_listening_to_admins(worker, error);
    if (!failed) worker->listeners = listeners_open(worker->commons.loop, &options, on_accepted, worker, error);
    for (size_t i = 0; i < worker->gift.sockets.count; i++)
        if (worker->gift.sockets.fds[i] >= 0) close(worker->gift.sockets.fds[i]);
    if (!worker->listeners) return -1;
    if (start_http(worker, how->takes_over, error)) {
        listeners_close(&worker->listeners);
        return -1;
    }
    if (restart_socket && takeover_listen(worker->takeover, restart_socket, is_activated, error)) {
        if (how->takes_over)
            listeners_leave(&worker->listeners); /* they are the older's as well, which goes on with them */
        else
            listeners_close(&worker->listeners);
        return -1;
    }
    return 0;
}

struct worker *worker_new(struct config *config, const struct worker_options *how, struct error *error)
{
    struct worker *worker = memory_zalloc(sizeof *worker);
    make_commons(worker, config);
    worker->gift.channel = -1;
    worker->budget_limit = UINT32_MAX;
    worker->is_verbose = how->is_verbose;
    worker->watchdog_us = service_manager_watchdog_us();
    struct commons *commons = &worker->commons;
    worker->client_host = (struct client_host){.commons = commons,
                                               .login_input = client_auth_input,
                                               .forget_login = client_auth_free,
                                               .authenticated = on_authenticated,
                                               .cancel_requested = on_cancel_requested,
                                               .readable = relay_client_readable,
                                               .resume = relay_client_resume,
                                               .drained = relay_client_drained,
                                               .leaving = relay_client_leaving};
    pools_init(&worker->pools, commons, &pools_host);
    worker->admin_host = (struct admin_host){.context = worker,
                                             .reload = on_console_reload,
                                             .set = on_console_set,
                                             .shut_down = on_console_shutdown,
                                             .suspend = on_console_suspend,
                                             .unsuspend = on_console_unsuspend};
    admin_init(&worker->admin, &worker->pools, &worker->client_host, &worker->admin_host);
    worker->pools.server_host.readable = relay_server_readable;
    worker->pools.server_host.drained = relay_server_drained;
    worker->pools.server_host.lost = relay_server_lost;
    const struct takeover_host takeover_host = {.context = worker,
                                                .measure = on_measure,
                                                .set_budget = on_budget,
                                                .offer = on_offer,
                                                .handed_over = on_handed_over,
                                                .cancel = on_passed_cancel,
                                                .stop = on_stop};
    worker->takeover = takeover_new(commons->loop, &takeover_host);
    char *restart_socket = restart_path(&config->settings);
    watch_signals(worker);
    int failed = begin_listening(worker, how, restart_socket, error);
    free(restart_socket);
    if (failed) {
        http_pages_stop(&worker->pages);
        if (how->takes_over)
            listeners_leave(&worker->admin_listeners);
        else
            listeners_close(&worker->admin_listeners);
        if (worker->gift.channel >= 0) close(worker->gift.channel);
        takeover_free(&worker->takeover);
        free_commons(commons);
        free(worker);
        return NULL;
    }
    make_timers(worker);
    return worker;
}

void worker_run(struct worker *worker)
{
    const struct settings *settings = &worker->commons.config->settings;
    if (worker->gift.channel >= 0)
        takeover_begin(worker->takeover, &worker->gift, (uint32_t)settings->budget, settings->server_close_timeout_us);
    worker->report_file = report_file_open(&worker->commons);
    service_manager_ready();
    ev_run(worker->commons.loop, 0);
    report_file_close(&worker->report_file, !takeover_is_over(worker->takeover));
    takeover_free(&worker->takeover);
}

bool worker_free(struct worker **worker_pointer)
{
    struct worker *worker = *worker_pointer;
    struct commons *commons = &worker->commons;
    http_pages_stop(&worker->pages);
    reap(commons);
    if (commons->clients || commons->closed_clients || commons->closed_servers || !pools_are_empty(&worker->pools) ||
        offload_pending(commons->logins) || offload_pending(commons->cancels) || offload_pending(commons->passwords))
        return false;
    *worker_pointer = NULL;
    pools_free_all(&worker->pools);
    free_commons(commons);
    free(worker);
    return true;
}
