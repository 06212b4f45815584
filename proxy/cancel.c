/*
 * Cancel requests. Who may cancel what is decided above (relay.c); a server's struct outlives its requests (server_reap). PQcancel has no time limit: one that meets a
 * host that does not answer holds its thread until the kernel gives up. So a few may be under way at once, and one that is overdue no longer counts among them: a database
 * that hangs stops no cancels but its own. There are never more than servers.
 *
 * Invariant: `running` counts those with a thread that are not overdue; the waiting ones are those that no thread has.
 */
#include "proxy/cancel.h"

#include <libpq-fe.h>
#include <stdlib.h>

#include "proxy/log.h"
#include "proxy/memory.h"
#include "proxy/pool.h"

enum { RUNNING_MAX = 8, OVERDUE_US = 500000 };

struct cancel {
    struct offload_job job;
    struct deadline deadline; /* overdue, then given up */
    struct cancel *next;      /* waiting */
    struct server *server;
    PGcancel *how;    /* the server's, which lives at least as long */
    int64_t since_us; /* when it was asked for */
    bool has_failed, is_overdue;
    char error[256];
    void (*arrived)(struct server *server);
};

static void run(struct offload_job *job)
{
    struct cancel *cancel = (struct cancel *)job;
    cancel->has_failed = !PQcancel(cancel->how, cancel->error, sizeof cancel->error);
}

static void start_some(struct commons *commons)
{
    struct cancels *cancels = &commons->cancel_queue;
    while (cancels->first && cancels->running < RUNNING_MAX) {
        struct cancel *cancel = cancels->first;
        cancels->first = cancel->next;
        if (!cancels->first) cancels->last = NULL;
        cancels->running++;
        deadline_set(&commons->cancel_deadlines, &cancel->deadline, commons->now_us + OVERDUE_US);
        offload_submit(commons->cancels, &cancel->job);
    }
}

static void log_failure(const struct server *server, const char *error)
{
    struct log_line line;
    server_log_begin(server, &line, LOG_LEVEL_WARNING, "cancel_failed");
    log_text(&line, "error", error);
    log_end(&line);
}

static void done(struct offload_job *job)
{
    struct cancel *cancel = (struct cancel *)job;
    struct server *server = cancel->server;
    struct commons *commons = server->host->commons;
    server->cancels_in_flight--;
    server->is_cancel_given_up = false;
    deadline_clear(&cancel->deadline);
    if (!cancel->is_overdue) commons->cancel_queue.running--;
    if (cancel->has_failed) log_failure(server, cancel->error);
    void (*arrived)(struct server * server) = cancel->arrived;
    free(cancel);
    start_some(commons);
    arrived(server);
}

void cancel_timed_out(struct deadline *deadline)
{
    struct cancel *cancel = (struct cancel *)((char *)deadline - offsetof(struct cancel, deadline));
    struct server *server = cancel->server;
    struct commons *commons = server->host->commons;
    int64_t give_up_us = cancel->since_us + commons->config->settings.cancel_wait_timeout_us;
    if (!cancel->is_overdue) {
        cancel->is_overdue = true;
        commons->cancel_queue.running--;
        if (commons->config->settings.cancel_wait_timeout_us > 0) deadline_set(&commons->cancel_deadlines, &cancel->deadline, give_up_us);
        start_some(commons);
        return;
    }
    log_failure(server, "cancel_wait_timeout");
    server->is_cancel_given_up = true;
    /* Whoever leases it may still get its answer; a server without a client is of no use to anybody any more. */
    if (server->state == SERVER_CLEANING)
        pool_close_server(server, "cancel_wait_timeout");
    else
        cancel->arrived(server);
}

void cancel_send(struct server *server, void (*arrived)(struct server *server))
{
    struct commons *commons = server->host->commons;
    if (server->cancels_in_flight > 0 || !server->cancel || exchange_is_settled(&server->exchange)) {
        commons->stats.cancels_ignored++;
        return;
    }
    commons->stats.cancels++;
    struct cancel *cancel = memory_zalloc(sizeof *cancel);
    cancel->job.run = run;
    cancel->job.done = done;
    cancel->server = server;
    cancel->how = server->cancel;
    cancel->arrived = arrived;
    cancel->since_us = commons->now_us;
    deadline_init(&cancel->deadline);
    server->cancels_in_flight++;
    struct cancels *cancels = &commons->cancel_queue;
    if (cancels->last)
        cancels->last->next = cancel;
    else
        cancels->first = cancel;
    cancels->last = cancel;
    start_some(commons);
}
