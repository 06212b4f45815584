/*
 * Servers: socket, lifecycle, messages of our own. Not for: logging in (server_login.c), whose they are (pool.c), what passes through (relay.c).
 *
 * Invariants: host->closed is called exactly once, when PostgreSQL has ended the connection (or has not within server_close_timeout); a CLOSED server has no watcher
 * and no deadline; PQfinish comes last, after the stream has let go of the socket.
 */
#include "proxy/server.h"

#include <assert.h>
#include <errno.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "protocol/frontend.h"
#include "proxy/log.h"
#include "proxy/memory.h"

static const char *const state_names[] = {
#define X(name, text, moves) [name] = text,
#include "proxy/server_states.def"
#undef X
};

#define M(state) (1u << (state))
static const unsigned allowed_moves[] = {
#define X(name, text, moves) [name] = moves,
#include "proxy/server_states.def"
#undef X
};

void server_move(struct server *server, enum server_state to)
{
    assert(allowed_moves[server->state] & M(to));
    server->state = to;
}

static void on_readable(struct stream *stream);
static void on_drained(struct stream *stream);
static const struct stream_events stream_events = {.readable = on_readable, .drained = on_drained};

static struct server *server_of_stream(struct stream *stream)
{
    return (struct server *)((char *)stream - offsetof(struct server, stream));
}

struct server *server_new(const struct server_host *host)
{
    struct server *server = memory_zalloc(sizeof *server);
    server->host = host;
    server->id = ++host->commons->next_server_id;
    server->stream.fd = -1;
    exchange_init(&server->exchange);
    deadline_init(&server->deadline);
    return server;
}

void server_take_over(struct server *server, struct server_login *login)
{
    struct commons *commons = server->host->commons;
    server->conn = login->conn;
    server->cancel = login->cancel;
    server->pid = login->pid;
    server->parameters = login->parameters;
    login->conn = NULL;
    login->cancel = NULL;
    login->parameters = (struct parameters){0};
    server->connected_us = server->idle_since_us = commons->now_us;
    server_move(server, SERVER_IDLE);
    stream_init(&server->stream, commons->loop, PQsocket(server->conn), PQsslStruct(server->conn, "OpenSSL"), &stream_events);
}

const char *server_tls(const struct server *server)
{
    const char *protocol = server->stream.ssl ? PQsslAttribute(server->conn, "protocol") : NULL;
    return protocol ? protocol : "";
}

bool server_reap(struct server **server_pointer)
{
    struct server *server = *server_pointer;
    assert(server->state == SERVER_CLOSED);
    if (server->cancels_in_flight > 0) return false;
    PQfreeCancel(server->cancel);
    exchange_fini(&server->exchange);
    parameters_fini(&server->parameters);
    free(server->input);
    free(server);
    *server_pointer = NULL;
    return true;
}

void server_log_begin(const struct server *server, struct log_line *line, int level, const char *event)
{
    log_begin(line, (enum log_level)level, event);
    log_number(line, "backend", (int64_t)server->pid);
}

/* ---- receiving ---- */

bool server_receive(struct server *server, uint8_t **data_out, size_t *size_out)
{
    uint8_t *scratch = server->host->commons->scratch;
    size_t kept = server->input_size;
    assert(kept < COMMONS_SCRATCH_SIZE);
    ssize_t got = stream_read(&server->stream, scratch + kept, COMMONS_SCRATCH_SIZE - kept);
    if (got == STREAM_BLOCKED) return false;
    if (got < 0) {
        server->host->lost(server, errno ? strerror(errno) : "server closed the connection unexpectedly");
        return false;
    }
    if (kept > 0) memcpy(scratch, server->input, kept);
    *data_out = scratch;
    *size_out = kept + (size_t)got;
    return true;
}

void server_keep(struct server *server, const uint8_t *data, size_t size)
{
    if (size == 0 && !server->input) return;
    free(server->input);
    server->input = NULL;
    server->input_size = (uint32_t)size;
    if (size == 0) return;
    server->input = memory_alloc(size);
    memcpy(server->input, data, size);
}

/* What it still says after having been told to end is of no interest; its end is. */
static void read_to_the_end(struct server *server)
{
    if (stream_read(&server->stream, server->host->commons->scratch, COMMONS_SCRATCH_SIZE) == STREAM_ENDED) server_gone(server, NULL);
}

static void on_readable(struct stream *stream)
{
    struct server *server = server_of_stream(stream);
    if (server->state == SERVER_CLOSING)
        read_to_the_end(server);
    else
        server->host->readable(server);
}

static void on_drained(struct stream *stream)
{
    struct server *server = server_of_stream(stream);
    if (server->state != SERVER_CLOSING) server->host->drained(server);
}

/* ---- sending ---- */

bool server_send(struct server *server, struct iovec *parts, int count)
{
    return stream_write_parts(&server->stream, parts, count);
}

static void send_ours(struct server *server, const struct bytes_writer *writer, uint8_t type)
{
    assert(!writer->has_failed);
    exchange_sent(&server->exchange, EXCHANGE_OURS, type, 0);
    stream_write(&server->stream, writer->data, writer->size);
}

void server_query(struct server *server, const char *sql)
{
    uint8_t buffer[SERVER_QUERY_MAX + 16];
    struct bytes_writer writer;
    bytes_writer_init(&writer, buffer, sizeof buffer);
    frontend_write_query(&writer, sql);
    statement_unref(&server->unnamed); /* a Query ends it */
    server->has_large_unnamed = false;
    send_ours(server, &writer, FRONTEND_QUERY);
}

void server_sync(struct server *server)
{
    uint8_t buffer[16];
    struct bytes_writer writer;
    bytes_writer_init(&writer, buffer, sizeof buffer);
    frontend_write_sync(&writer);
    send_ours(server, &writer, FRONTEND_SYNC);
}

void server_copy_fail(struct server *server, const char *reason)
{
    uint8_t buffer[256];
    struct bytes_writer writer;
    bytes_writer_init(&writer, buffer, sizeof buffer);
    frontend_write_copy_fail(&writer, reason);
    send_ours(server, &writer, FRONTEND_COPY_FAIL);
}

/* ---- the end ---- */

static void log_close(const struct server *server, const char *reason)
{
    if (!reason) return;
    struct log_line line;
    server_log_begin(server, &line, LOG_LEVEL_INFO, "server_closed");
    log_text(&line, "reason", reason);
    log_text(&line, "state", state_names[server->state]);
    log_number(&line, "age_ms", (server->host->commons->now_us - server->connected_us) / 1000);
    log_end(&line);
}

void server_close(struct server *server, const char *reason)
{
    if (server->state >= SERVER_CLOSING) return;
    struct commons *commons = server->host->commons;
    log_close(server, reason);
    /* Behind half a message 'X' would be taken for a part of it: then the end of file alone must do. */
    if (!server->is_inside_message && !stream_has_unsent(&server->stream)) {
        uint8_t buffer[16];
        struct bytes_writer writer;
        bytes_writer_init(&writer, buffer, sizeof buffer);
        frontend_write_terminate(&writer);
        stream_write(&server->stream, buffer, writer.size);
    }
    shutdown(server->stream.fd, SHUT_WR);
    server_keep(server, NULL, 0);
    server_move(server, SERVER_CLOSING);
    stream_unsuspend(&server->stream);
    stream_resume_reading(&server->stream);
    deadline_set(&commons->server_closing_deadlines, &server->deadline,
                 commons->now_us + commons->config->settings.server_close_timeout_us);
}

void server_gone(struct server *server, const char *reason)
{
    if (server->state == SERVER_CLOSED) return;
    struct commons *commons = server->host->commons;
    enum server_state was = server->state;
    if (was != SERVER_CLOSING) log_close(server, reason);
    deadline_clear(&server->deadline);
    server_move(server, SERVER_CLOSED);
    stream_close(&server->stream, false);
    PQfinish(server->conn);
    server->conn = NULL;
    server->host->closed(server, was);
    server->next_closed = commons->closed_servers;
    commons->closed_servers = server;
}

void server_closing_timed_out(struct deadline *deadline)
{
    struct server *server = server_of_deadline(deadline);
    struct log_line line;
    server_log_begin(server, &line, LOG_LEVEL_WARNING, "server_close_timeout");
    log_text(&line, "hint", "PostgreSQL did not end the connection in time; it may count one more than we do for a while");
    log_end(&line);
    server_gone(server, NULL);
}
