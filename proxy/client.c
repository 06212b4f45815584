/*
 * Clients: socket, lifecycle, and words to them. Not for: what their messages mean (client_auth.c before login, relay.c afterwards).
 *
 * Invariants: host->leaving is called exactly once, before the socket is closed or half-closed; a CLOSED client has no watcher, no deadline and no
 * cancel key; nothing is freed inside a callback (the worker reaps).
 */
#include "proxy/client.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "protocol/backend.h"
#include "protocol/frame.h"
#include "proxy/log.h"
#include "proxy/memory.h"

enum { LAST_WORDS_US = 2000000, INPUT_FIRST = 256 };

#define M(state) (1u << (state))
static const unsigned allowed_moves[] = {
#define X(name, text, moves) [name] = moves,
#include "proxy/client_states.def"
#undef X
};

void client_move(struct client *client, enum client_state to)
{
    assert(allowed_moves[client->state] & M(to));
    client->state = to;
}

static void on_readable(struct stream *stream);
static void on_drained(struct stream *stream);
static const struct stream_events stream_events = {.readable = on_readable, .drained = on_drained};

static struct client *client_of_stream(struct stream *stream)
{
    return (struct client *)((char *)stream - offsetof(struct client, stream));
}

static void set_socket_options(int fd, const struct settings *settings)
{
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (!settings->tcp_keepalive) return;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    const struct {
        int option;
        int64_t value;
    } values[] = {{TCP_KEEPIDLE, settings->tcp_keepidle},
                  {TCP_KEEPINTVL, settings->tcp_keepintvl},
                  {TCP_KEEPCNT, settings->tcp_keepcnt},
                  {TCP_USER_TIMEOUT, settings->tcp_user_timeout}};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        int value = (int)values[i].value;
        if (value > 0) setsockopt(fd, IPPROTO_TCP, values[i].option, &value, sizeof value);
    }
}

static void remember_address(struct client *client, const struct listener_peer *peer)
{
    client->family = peer->is_unix ? AF_UNIX : (uint8_t)peer->address.ss_family;
    if (client->family == AF_INET) {
        const struct sockaddr_in *address = (const struct sockaddr_in *)&peer->address;
        memcpy(client->address, &address->sin_addr, 4);
        client->port = ntohs(address->sin_port);
    } else if (client->family == AF_INET6) {
        const struct sockaddr_in6 *address = (const struct sockaddr_in6 *)&peer->address;
        memcpy(client->address, &address->sin6_addr, 16);
        client->port = ntohs(address->sin6_port);
    }
}

struct client *client_new(const struct client_host *host, int fd, const struct listener_peer *peer)
{
    struct commons *commons = host->commons;
    commons->stats.clients_accepted++;
    if ((commons->is_shutting_down || commons->is_closed_to_new) && !peer->is_admin) {
        close(fd);
        return NULL;
    }
    struct client *client = memory_zalloc(sizeof *client);
    client->host = host;
    client->clocks.limits = &time_limits_none;
    client->id = ++commons->next_client_id;
    client->connected_us = commons->now_us;
    client->traffic = &commons->no_traffic;
    client->came_by_admin_socket = peer->is_admin;
    deadline_init(&client->deadline);
    remember_address(client, peer);
    if (!peer->is_unix) set_socket_options(fd, &commons->config->settings);
    stream_init(&client->stream, commons->loop, fd, NULL, &stream_events);
    DL_APPEND2(commons->clients, client, previous, next);
    int64_t timeout_us = commons->config->settings.client_login_timeout_us;
    if (timeout_us > 0) deadline_set(&commons->login_deadlines, &client->deadline, commons->now_us + timeout_us);
    return client;
}

bool client_reap(struct client **client_pointer)
{
    struct client *client = *client_pointer;
    assert(client->state == CLIENT_CLOSED);
    if (client->offloaded > 0) return false;
    client->host->forget_login(client);
    free(client->input);
    free(client);
    *client_pointer = NULL;
    return true;
}

void client_format_address(const struct client *client, char text_out[CLIENT_ADDRESS_SIZE])
{
    char address[INET6_ADDRSTRLEN];
    snprintf(text_out, CLIENT_ADDRESS_SIZE, "unix");
    if (client->family != AF_UNIX && inet_ntop(client->family, client->address, address, sizeof address))
        snprintf(text_out, CLIENT_ADDRESS_SIZE, client->family == AF_INET6 ? "[%s]:%u" : "%s:%u", address, client->port);
}

void client_cursor_init(struct client_cursor *cursor, struct commons *commons)
{
    *cursor = (struct client_cursor){.next = commons->clients, .commons = commons};
    DL_APPEND2(commons->cursors, cursor, previous_cursor, next_cursor);
}

struct client *client_cursor_next(struct client_cursor *cursor)
{
    struct client *client = cursor->next;
    if (client) cursor->next = client->next;
    return client;
}

void client_cursor_fini(struct client_cursor *cursor)
{
    if (!cursor->commons) return;
    DL_DELETE2(cursor->commons->cursors, cursor, previous_cursor, next_cursor);
    *cursor = (struct client_cursor){0};
}

void client_log_begin(const struct client *client, struct log_line *line, int level, const char *event)
{
    log_begin(line, (enum log_level)level, event);
    log_number(line, "client", (int64_t)client->id);
    log_text(line, "user", client->user);
    log_text(line, "database", client->database);
    char text[CLIENT_ADDRESS_SIZE];
    client_format_address(client, text);
    log_text(line, "from", text);
}

/* ---- receiving ---- */

static void reserve_input(struct client *client, size_t size)
{
    if (size <= client->input_capacity) return;
    size_t capacity = client->input_capacity ? client->input_capacity : INPUT_FIRST;
    while (capacity < size) capacity *= 2;
    client->input = memory_realloc(client->input, capacity);
    client->input_capacity = (uint32_t)capacity;
}

bool client_receive(struct client *client, uint8_t **data_out, size_t *size_out)
{
    /* A little that was kept is put in front of what comes; to much that was kept, what comes is added. */
    uint8_t *buffer = client->host->commons->scratch;
    size_t kept = client->input_size, room = COMMONS_SCRATCH_SIZE - kept;
    bool is_in_place = kept > COMMONS_WHOLE_MESSAGE_MAX;
    if (is_in_place) {
        room = COMMONS_SCRATCH_SIZE;
        reserve_input(client, kept + room);
        buffer = client->input;
    }
    ssize_t got = stream_read(&client->stream, buffer + kept, room);
    if (got == STREAM_BLOCKED) return false;
    if (got < 0) {
        client_close(client, errno ? strerror(errno) : "client closed the connection");
        return false;
    }
    if (kept > 0 && !is_in_place) memcpy(buffer, client->input, kept);
    client->host->commons->stats.received_bytes += (uint64_t)got;
    client->traffic->received += (uint64_t)got;
    *data_out = buffer;
    *size_out = kept + (size_t)got;
    return true;
}

void client_keep(struct client *client, const uint8_t *data, size_t size)
{
    if (size == 0) {
        free(client->input);
        client->input = NULL;
        client->input_size = client->input_capacity = 0;
        return;
    }
    bool is_inside = client->input && data >= client->input && data < client->input + client->input_capacity;
    if (!is_inside) reserve_input(client, size);
    memmove(client->input, data, size);
    client->input_size = (uint32_t)size;
}

/* While it is closing, what it says is read so that the kernel does not answer with a reset that would destroy our last words. */
static void read_away(struct client *client)
{
    ssize_t got = stream_read(&client->stream, client->host->commons->scratch, COMMONS_SCRATCH_SIZE);
    if (got == STREAM_ENDED) client_close(client, NULL);
}

static void auth_input(struct client *client, const uint8_t *data, size_t size)
{
    client->input_size = 0; /* it is in `data`: a welcome in there must not take it for what follows the login */
    size_t used = client->host->login_input(client, data, size);
    if (client->state >= CLIENT_CLOSING) return;
    client_keep(client, data + used, size - used);
    if (client->state > CLIENT_WELCOMING && used < size) client->host->resume(client);
}

void client_give_cancel_key(struct client *client, uint32_t pid, struct bytes_writer *writer)
{
    struct {
        uint32_t pid, secret;
    } random;
    do {
        RAND_bytes((unsigned char *)&random, sizeof random);
        random.pid &= INT32_MAX;
    } while (!cancel_keys_add(client->host->commons->cancel_keys, &client->cancel_key, pid ? pid : random.pid, random.secret));
    uint8_t key[sizeof random.secret];
    struct bytes_writer secret;
    bytes_writer_init(&secret, key, sizeof key);
    bytes_write_u32(&secret, random.secret);
    backend_write_key_data(writer, client->cancel_key.pid, key, sizeof key);
}

void client_resume_login(struct client *client)
{
    if (client->input_size > 0) auth_input(client, client->input, client->input_size);
}

static void on_readable(struct stream *stream)
{
    struct client *client = client_of_stream(stream);
    uint8_t *data;
    size_t size;
    switch (client->state) {
    case CLIENT_STARTING:
    case CLIENT_AUTHENTICATING:
        if (!client_receive(client, &data, &size)) return;
        auth_input(client, data, size);
        return;
    case CLIENT_WELCOMING:
    case CLIENT_READY:
    case CLIENT_WAITING:
    case CLIENT_LEASING: client->host->readable(client); return;
    case CLIENT_CLOSING: read_away(client); return;
    case CLIENT_CLOSED: return;
    }
}

static void on_drained(struct stream *stream)
{
    struct client *client = client_of_stream(stream);
    if (client->state == CLIENT_CLOSING)
        shutdown(stream->fd, SHUT_WR);
    else if (client->state >= CLIENT_WELCOMING && client->state <= CLIENT_LEASING)
        client->host->drained(client);
}

/* ---- words ---- */

static void log_error(const struct client *client, const struct backend_error *error)
{
    if (!client->host->commons->config->settings.log_pooler_errors) return;
    struct log_line line;
    client_log_begin(client, &line, LOG_LEVEL_WARNING, "client_error");
    log_text(&line, "severity", error->severity);
    log_text(&line, "sqlstate", error->sqlstate);
    log_text(&line, "message", error->message);
    log_text(&line, "detail", error->detail);
    log_end(&line);
}

/* The words may be PostgreSQL's, and hold a value of the client's: as long as they like. */
static size_t size_of_error(const struct backend_error *error)
{
    const char *const fields[] = {error->severity, error->severity, error->sqlstate, error->message, error->detail, error->hint};
    size_t size = FRAME_HEADER_SIZE + 1;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (fields[i]) size += 1 + strlen(fields[i]) + 1;
    return size;
}

static void send_error(struct client *client, const struct backend_error *error)
{
    size_t size = size_of_error(error);
    uint8_t *buffer = memory_alloc(size);
    struct bytes_writer writer;
    bytes_writer_init(&writer, buffer, size);
    backend_write_error(&writer, error);
    assert(!writer.has_failed);
    struct commons *commons = client->host->commons;
    commons->stats.sent_bytes += writer.size;
    client->traffic->sent += writer.size;
    error_counts_add(&commons->errors, error->sqlstate, client_class(client), ERROR_OF_OURS, commons->now_us);
    stream_write(&client->stream, buffer, writer.size);
    free(buffer);
    log_error(client, error);
}

void client_error(struct client *client, const char *sqlstate, const char *message, const char *detail, const char *hint)
{
    struct backend_error error = {.severity = "ERROR", .sqlstate = sqlstate, .message = message, .detail = detail, .hint = hint};
    send_error(client, &error);
}

void client_notice(struct client *client, const char *message, const char *detail)
{
    uint8_t buffer[1024];
    struct bytes_writer writer;
    bytes_writer_init(&writer, buffer, sizeof buffer);
    const struct backend_error notice = {.severity = "NOTICE", .sqlstate = SQLSTATE_SUCCESS, .message = message, .detail = detail};
    backend_write_notice(&writer, &notice);
    if (writer.has_failed) return;
    client->host->commons->stats.sent_bytes += writer.size;
    stream_write(&client->stream, buffer, writer.size);
}

static void leave(struct client *client)
{
    if (client->has_left) return;
    client->has_left = true;
    struct commons *commons = client->host->commons;
    enum client_state was = client->state;
    if (was <= CLIENT_WELCOMING) commons->stats.clients_refused++;
    if (client->is_counted && client->has_reserved_place)
        commons->console_count--;
    else if (client->is_counted)
        commons->client_count--;
    client->is_counted = false;
    deadline_clear(&client->deadline);
    cancel_keys_remove(commons->cancel_keys, &client->cancel_key);
    client->host->leaving(client, was);
}

static void log_close(const struct client *client, const char *reason)
{
    if (!reason || !client->user || !client->host->commons->config->settings.log_disconnections) return;
    struct log_line line;
    client_log_begin(client, &line, LOG_LEVEL_INFO, "client_closed");
    log_text(&line, "reason", reason);
    log_number(&line, "age_ms", (client->host->commons->now_us - client->connected_us) / 1000);
    log_end(&line);
}

void client_finish(struct client *client, const char *reason)
{
    if (client->state >= CLIENT_CLOSING) return;
    leave(client);
    log_close(client, reason);
    client_keep(client, NULL, 0);
    client_move(client, CLIENT_CLOSING);
    struct commons *commons = client->host->commons;
    deadline_set(&commons->client_closing_deadlines, &client->deadline, commons->now_us + LAST_WORDS_US);
    stream_unsuspend(&client->stream);
    stream_resume_reading(&client->stream);
    if (!stream_has_unsent(&client->stream)) shutdown(client->stream.fd, SHUT_WR);
}

void client_goodbye(struct client *client, const char *sqlstate, const char *message, const char *detail, const char *hint)
{
    if (client->state >= CLIENT_CLOSING) return;
    struct backend_error error = {.severity = "FATAL", .sqlstate = sqlstate, .message = message, .detail = detail, .hint = hint};
    send_error(client, &error);
    client_finish(client, message);
}

void client_close(struct client *client, const char *reason)
{
    if (client->state == CLIENT_CLOSED) return;
    leave(client);
    if (client->state != CLIENT_CLOSING) log_close(client, reason);
    deadline_clear(&client->deadline);
    client_move(client, CLIENT_CLOSED);
    stream_close(&client->stream, true);
    struct commons *commons = client->host->commons;
    struct client_cursor *cursor;
    DL_FOREACH2(commons->cursors, cursor, next_cursor)
        if (cursor->next == client) cursor->next = client->next;
    DL_DELETE2(commons->clients, client, previous, next);
    client->next_closed = commons->closed_clients;
    commons->closed_clients = client;
}

void client_login_timed_out(struct client *client)
{
    client_goodbye(client, SQLSTATE_QUERY_CANCELED, "canceling authentication due to timeout", NULL,
                   "The login took longer than client_login_timeout.");
}

void client_closing_timed_out(struct deadline *deadline)
{
    client_close(client_of_deadline(deadline), NULL);
}
