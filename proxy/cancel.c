/* Cancel requests. Who may cancel what is decided above (relay.c); a server's struct outlives its requests (server_reap). */
#include "proxy/cancel.h"

#include <libpq-fe.h>
#include <stdlib.h>

#include "proxy/log.h"
#include "proxy/memory.h"

struct cancel {
    struct offload_job job;
    struct server *server;
    PGcancel *how; /* the server's, which lives at least as long */
    bool has_failed;
    char error[256];
    void (*arrived)(struct server *server);
};

static void run(struct offload_job *job)
{
    struct cancel *cancel = (struct cancel *)job;
    cancel->has_failed = !PQcancel(cancel->how, cancel->error, sizeof cancel->error);
}

static void done(struct offload_job *job)
{
    struct cancel *cancel = (struct cancel *)job;
    struct server *server = cancel->server;
    server->cancels_in_flight--;
    if (cancel->has_failed) {
        struct log_line line;
        server_log_begin(server, &line, LOG_LEVEL_WARNING, "cancel_failed");
        log_text(&line, "error", cancel->error);
        log_end(&line);
    }
    void (*arrived)(struct server * server) = cancel->arrived;
    free(cancel);
    arrived(server);
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
    server->cancels_in_flight++;
    offload_submit(commons->cancels, &cancel->job);
}
