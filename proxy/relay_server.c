/*
 * The relay: server messages to clients. The other direction is relay.c.
 *
 * Invariants: each message is given to the exchange before any byte of it is sent; what belongs to a message of ours never reaches a client; a small message that
 * says something to us is looked at only when it is whole.
 */
#include "proxy/relay.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "protocol/frame.h"
#include "proxy/client_clocks.h"
#include "proxy/inquiry.h"
#include "proxy/local_transaction.h"
#include "proxy/lock_errors.h"
#include "proxy/log.h"
#include "proxy/lookup.h"
#include "proxy/observe.h"
#include "proxy/prepare.h"
#include "proxy/restore.h"
#include "proxy/rewrite.h"

enum { PARTS_MAX = 16, REPLACED_ERROR_MAX = 8192 };

static const char nothing_asked_for[] = "the server sent a message that nothing had asked for";

/* The pieces of the scratch buffer that go to the client, in as few writes as possible. */
struct pieces {
    struct client *client; /* NULL: nobody */
    struct iovec *last;    /* piece, when there is one */
    const uint8_t *end;    /* of that; NULL: there is none */
    int count;
    bool is_taken; /* the client's socket took everything so far */
    struct iovec parts[PARTS_MAX];
};

static void pieces_init(struct pieces *pieces, struct client *client)
{
    pieces->client = client;
    pieces->end = NULL;
    pieces->count = 0;
    pieces->is_taken = true;
}

static void flush(struct pieces *pieces)
{
    if (pieces->count == 0) return;
    struct client *client = pieces->client;
    size_t size = 0;
    for (int i = 0; i < pieces->count; i++) size += pieces->parts[i].iov_len;
    client->host->commons->stats.sent_bytes += size;
    client->traffic->sent += size;
    if (!stream_write_parts(&client->stream, pieces->parts, pieces->count)) pieces->is_taken = false;
    pieces->end = NULL;
    pieces->count = 0;
}

static void begin_piece(struct pieces *pieces, const uint8_t *data, size_t size)
{
    if (!pieces->client || size == 0) return;
    if (pieces->count == PARTS_MAX) flush(pieces);
    pieces->last = &pieces->parts[pieces->count++];
    *pieces->last = (struct iovec){.iov_base = (void *)(uintptr_t)data, .iov_len = size};
    pieces->end = data + size;
}

static inline void add_piece(struct pieces *pieces, const uint8_t *data, size_t size)
{
    if (pieces->end != data) {
        begin_piece(pieces, data, size);
        return;
    }
    pieces->last->iov_len += size;
    pieces->end += size;
}

/* Messages that say something to us, too. They are looked at as a whole, unless they are larger than any sensible one. */
static bool is_for_us_too(const struct server *server, uint8_t type)
{
    return server->inquiry || server->lookup || deallocations_are_running(&server->deallocations) || server->has_restores ||
           type == BACKEND_READY_FOR_QUERY || type == BACKEND_PARAMETER_STATUS || type == BACKEND_ERROR;
}

/* What our ROLLBACK undoes was the client's; what our settings and our reset make is known. */
static bool is_rolling_back(const struct server *server)
{
    return server->is_rolling_back || (server->state == SERVER_CLEANING && !server->has_sent_reset && !server->is_taking_settings);
}

static void look_at_parameter(struct server *server, const uint8_t *body, size_t size, bool is_ours)
{
    const char *name, *value;
    if (backend_parse_parameter_status(body, size, &name, &value) != CODEC_OK) return;
    enum parameter parameter = parameter_find(name);
    if (parameter != PARAMETER_COUNT) parameters_set(&server->parameters, parameter, value);
    if (server->state == SERVER_IDLE) {
        if (parameter != PARAMETER_COUNT && !session_state_get(server->settings, name))
            pool_default_changed(server->pool, parameter, value);
    } else if (!is_ours || is_rolling_back(server)) {
        lease_parameter_changed(server, name, value);
    }
}

static bool is_fatal(const struct backend_error *error)
{
    return error->severity && (strcmp(error->severity, "FATAL") == 0 || strcmp(error->severity, "PANIC") == 0);
}

/* Whatever the server was at: its client hears why it ends. */
static bool are_last_words(const uint8_t *body, size_t size)
{
    struct backend_error error;
    return backend_parse_error(body, size, &error) == CODEC_OK && is_fatal(&error);
}

static void log_server_error(const struct server *server, const struct backend_error *error)
{
    struct log_line line;
    server_log_begin(server, &line, LOG_LEVEL_WARNING, "server_error");
    if (server->client) log_number(&line, "client", (int64_t)server->client->id);
    log_text(&line, "severity", error->severity);
    log_text(&line, "sqlstate", error->sqlstate);
    if (is_fatal(error)) log_text(&line, "message", error->message); /* of others the message may hold values */
    log_end(&line);
}

/* The server may be closed, and its client gone, afterwards. */
static void look_at_error(struct server *server, const uint8_t *body, size_t size, bool is_ours)
{
    struct backend_error error;
    if (backend_parse_error(body, size, &error) != CODEC_OK) return;
    struct commons *commons = server->host->commons;
    if (!is_ours && server->client)
        error_counts_add(&commons->errors, error.sqlstate, client_class(server->client), ERROR_OF_SERVER, commons->now_us);
    if (is_fatal(&error)) {
        server->has_said_goodbye = true;
        log_server_error(server, &error);
    }
    if (error.sqlstate && strcmp(error.sqlstate, SQLSTATE_FEATURE_NOT_SUPPORTED) == 0) prepare_plan_is_stale(server);
    struct client *client = server->client;
    if (!is_ours && client) lock_errors_note(client, error.sqlstate);
    if (!is_ours) return;
    if (server->state == SERVER_CLEANING) {
        if (server->has_sent_reset || server->is_taking_settings) { /* the session is not what we take it for */
            log_server_error(server, &error);
            server->is_retired = true;
        }
        return;
    }
    log_server_error(server, &error);
    if (!client) return;
    if (client->state == CLIENT_WELCOMING) {
        admission_error(client, &error);
        return;
    }
    if (client->transaction == LOCAL_REFUSED) {
        client_goodbye(client, error.sqlstate ? error.sqlstate : SQLSTATE_INTERNAL_ERROR, error.message ? error.message : "unknown error",
                       "The transaction could not be begun.", NULL);
        return;
    }
    if (!server->is_taking_settings) return;
    /* The settings of its session could not be made again, and its statement may run without them. */
    client_goodbye(client, error.sqlstate ? error.sqlstate : SQLSTATE_INTERNAL_ERROR, error.message ? error.message : "unknown error",
                   "The settings of this session could not be carried over to another server connection.", NULL);
    pool_close_server(server, "the settings of its client could not be made");
}

static void distrust(struct server *server, const char *what)
{
    struct client *client = server->client;
    struct log_line line;
    server_log_begin(server, &line, LOG_LEVEL_ERROR, "server_protocol_violation");
    log_text(&line, "what", what);
    log_end(&line);
    pool_close_server(server, what);
    if (client)
        client_goodbye(client, SQLSTATE_PROTOCOL_VIOLATION, "the server connection is out of step and was closed", what,
                       "Please report this.");
}

/* What was left of a message that is longer than the last read. */
static size_t go_on_with_message(struct server *server, struct pieces *pieces, const uint8_t *data, size_t size)
{
    size_t taken = server->message_left < size ? server->message_left : size;
    server->message_left -= (uint32_t)taken;
    if (!server->message_is_swallowed) add_piece(pieces, data, taken);
    return taken;
}

/* Replies to what was answered here, now that all before them have come. */
static void add_local_replies(struct server *server, struct pieces *pieces)
{
    static const uint8_t parse_complete[] = {BACKEND_PARSE_COMPLETE, 0, 0, 0, 4}, close_complete[] = {BACKEND_CLOSE_COMPLETE, 0, 0, 0, 4};
    while (exchange_has_local_reply(&server->exchange))
        add_piece(pieces, exchange_local_reply(&server->exchange) == BACKEND_PARSE_COMPLETE ? parse_complete : close_complete,
                  sizeof parse_complete);
}

/* The answer to our inquiry about the session, or about a column. */
static void look_at_answer(struct server *server, uint8_t type, const uint8_t *body, size_t size)
{
    if (server->lookup)
        lookup_answer(server, type, body, size);
    else if (type == BACKEND_DATA_ROW)
        inquiry_row(server, body, size);
    else if (type == BACKEND_COMMAND_COMPLETE)
        inquiry_end(server);
    else if (type == BACKEND_ERROR)
        inquiry_fail(server);
}

/* Of a message that deallocates: before the exchange hears of it, for whom it may be the end of that message. */
static void look_at_tag(struct server *server, const uint8_t *body, size_t size)
{
    const char *tag;
    if (exchange_front_is_watched(&server->exchange) && backend_parse_command_complete(body, size, &tag) == CODEC_OK)
        prepare_look_at_tag(server, tag);
}

/* A clock of the client's has made this error. */
static size_t write_clock_error(struct client *client, const uint8_t *body, size_t size, uint8_t *buffer, size_t capacity)
{
    struct backend_error error;
    if (backend_parse_error(body, size, &error) != CODEC_OK) return 0;
    return relay_clocks_write_error(client, &error, buffer, capacity);
}

/* An error of ours in the place of the server's, or the server's with the client's own statement names in it. */
static bool add_other_error(struct server *server, struct pieces *pieces, const uint8_t *body, size_t size)
{
    struct client *client = server->client;
    if (!client) return false;
    uint8_t buffer[REPLACED_ERROR_MAX];
    size_t replaced = client->clocks.struck != CLOCK_NONE ? write_clock_error(client, body, size, buffer, sizeof buffer) : 0;
    if (replaced == 0)
        replaced = server->replaces_error ? rewrite_write_refusal(buffer, sizeof buffer)
                                          : rewrite_error(client, body, size, buffer, sizeof buffer);
    server->replaces_error = false;
    if (replaced == 0) return false;
    add_piece(pieces, buffer, replaced);
    flush(pieces); /* the buffer ends here */
    return true;
}

/* Of what comes beside the replies to messages of ours, the client hears some. */
static bool is_told(const struct server *server, uint8_t type)
{
    return type == BACKEND_NOTIFICATION || (type == BACKEND_PARAMETER_STATUS && server->tells_settings);
}

/* ReadyForQuery on its way to the client: a query is over, or a transaction. In a pipeline the next one begins here. */
static void count_query(struct server *server, char status)
{
    struct client *client = server->client;
    if (!client) return;
    int64_t now_us = server->host->commons->now_us;
    client->traffic->query_count++;
    uint64_t query_us = (uint64_t)(now_us - server->query_us);
    client->traffic->query_time += query_us;
    histogram_add(&server->lease.key->class->query_us, query_us, now_us);
    time_buckets_add(&server->pool->times.query, query_us);
    bool is_last = exchange_is_settled(&server->exchange);
    server->query_us = is_last ? 0 : now_us;
    if (status != 'I') return;
    client->traffic->xact_count++;
    client->traffic->xact_time += (uint64_t)(now_us - server->transaction_us);
    server->transaction_us = server->query_us;
}

/* A ReadyForQuery of the client's: as it is, or with the status that the client's transaction has here. */
static const uint8_t *ready_of_client(struct client *client, const uint8_t *message, char status)
{
    static const uint8_t failed[] = {BACKEND_READY_FOR_QUERY, 0, 0, 0, 5, 'E'};
    client_clocks_ready(client, status);
    if (client->transaction != LOCAL_REFUSED) return message;
    local_transaction_refused(client);
    return failed;
}

/* What comes later of a message belongs to whom its beginning did, and not to whoever leases the server meanwhile. */
static size_t take(struct server *server, const struct pieces *pieces, size_t total, size_t size, bool is_swallowed)
{
    if (total <= size) return total;
    server->message_left = (uint32_t)(total - size);
    server->message_is_swallowed = is_swallowed || !pieces->client;
    return size;
}

/* One that says nothing to us and is no reply to a message of ours, as most are: rows, and what stands around them. */
static size_t plain_message(struct server *server, struct pieces *pieces, const struct frame *frame, const uint8_t *data, size_t size)
{
    enum exchange_reply reply = exchange_received(&server->exchange, frame->type, 0);
    if (reply == EXCHANGE_UNEXPECTED) {
        distrust(server, nothing_asked_for);
        return 0;
    }
    size_t total = (size_t)FRAME_HEADER_SIZE + frame->body_size;
    size_t taken = take(server, pieces, total, size, reply == EXCHANGE_SWALLOW);
    if (reply == EXCHANGE_SWALLOW || !pieces->client) return taken;
    observe_received(pieces->client, frame->type, data + FRAME_HEADER_SIZE, taken == total ? frame->body_size : 0);
    add_piece(pieces, data, taken);
    return taken;
}

/* One that does, or is. */
static size_t other_message(struct server *server, struct pieces *pieces, const struct frame *frame, const uint8_t *data, size_t size)
{
    size_t total = (size_t)FRAME_HEADER_SIZE + frame->body_size;
    bool is_whole = total <= size;
    const uint8_t *body = data + FRAME_HEADER_SIZE;
    char status = 0;
    if (frame->type == BACKEND_READY_FOR_QUERY &&
        backend_parse_ready_for_query(body, is_whole ? frame->body_size : 0, &status) != CODEC_OK) {
        distrust(server, "a malformed ReadyForQuery came from the server");
        return 0;
    }
    if (frame->type == BACKEND_COMMAND_COMPLETE && is_whole && deallocations_are_running(&server->deallocations))
        look_at_tag(server, body, frame->body_size);
    bool is_ours = exchange_front_is_ours(&server->exchange);
    bool is_swallowed;
    switch (exchange_received(&server->exchange, frame->type, status)) {
    case EXCHANGE_FORWARD: is_swallowed = false; break;
    case EXCHANGE_SWALLOW: is_swallowed = true; break;
    case EXCHANGE_ASYNC: is_swallowed = is_ours && !is_told(server, frame->type); break;
    case EXCHANGE_UNEXPECTED:
    default: distrust(server, nothing_asked_for); return 0;
    }
    if (server->has_restores && !is_ours && restore_hides(server, frame->type, body, is_whole ? frame->body_size : 0)) is_swallowed = true;
    if (is_swallowed && is_whole && frame->type == BACKEND_ERROR && are_last_words(body, frame->body_size)) is_swallowed = false;
    if (is_ours && server->client && server->client->transaction == LOCAL_BEGINNING && !server->is_taking_settings)
        local_transaction_replied(server, frame->type);
    bool is_answer = (server->inquiry || server->lookup) && is_ours && is_swallowed;
    if (is_answer) look_at_answer(server, frame->type, body, is_whole ? frame->body_size : 0);
    if (is_whole && frame->type == BACKEND_PARAMETER_STATUS) look_at_parameter(server, body, frame->body_size, is_ours);
    if (is_whole && frame->type == BACKEND_ERROR) look_at_error(server, body, frame->body_size, is_swallowed && !is_answer);
    size_t taken = take(server, pieces, total, size, is_swallowed);
    if (frame->type == BACKEND_READY_FOR_QUERY) {
        if (is_swallowed)
            lease_settings_taken(server);
        else if (pieces->client)
            data = ready_of_client(pieces->client, data, status);
    }
    if (is_swallowed) return taken;
    if (frame->type == BACKEND_READY_FOR_QUERY) {
        server->query_shift = (struct query_shift){0};
        count_query(server, status);
    }
    if (pieces->client) observe_received(pieces->client, frame->type, body, is_whole ? frame->body_size : 0);
    if (!(is_whole && frame->type == BACKEND_ERROR && add_other_error(server, pieces, body, frame->body_size)))
        add_piece(pieces, data, taken);
    return taken;
}

/* One message at `data`, at least its header. Returns the bytes dealt with; 0: it must be whole first, or the server is used no more. */
static size_t message(struct server *server, struct pieces *pieces, const uint8_t *data, size_t size)
{
    struct frame frame;
    if (frame_parse_header(data, size, &frame) != CODEC_OK) {
        distrust(server, "a message of impossible length came from the server");
        return 0;
    }
    bool is_told_us = is_for_us_too(server, frame.type);
    if (!is_told_us && !exchange_front_is_ours(&server->exchange)) return plain_message(server, pieces, &frame, data, size);
    size_t total = (size_t)FRAME_HEADER_SIZE + frame.body_size;
    if (is_told_us && total > size && total <= COMMONS_WHOLE_MESSAGE_MAX) return 0;
    return other_message(server, pieces, &frame, data, size);
}

static bool leaves_a_transaction_open(const struct client *client)
{
    const struct exchange *exchange = &client->server->exchange;
    return client->pool->mode == POOL_MODE_STATEMENT && exchange_is_settled(exchange) && exchange->status != 'I';
}

/* It may have been stopped, and have kept what it had sent already. */
static void go_on_reading(struct client *client)
{
    if (client->state == CLIENT_READY && stream_has_unsent(&client->stream)) return;
    if (client->state == CLIENT_LEASING && (client->server->holds_client_back || local_transaction_holds(client))) return;
    if (client->state == CLIENT_LEASING && (stream_has_unsent(&client->server->stream) || exchange_is_full(&client->server->exchange)))
        return;
    if (client->state != CLIENT_READY && client->state != CLIENT_LEASING) return;
    if (client->state == CLIENT_LEASING && stream_is_reading(&client->stream)) return;
    relay_go_on(client);
}

/* The messages are dealt with: what follows for the lease. */
static void after_messages(struct server *server, bool was_holding_back)
{
    struct client *client = server->client;
    if (client && client->state == CLIENT_LEASING && was_holding_back && !server->holds_client_back) {
        relay_client_resume(client);
        if (client->server == server) lease_cancel_due(server);
    }
    client = server->client;
    if (server->state == SERVER_IDLE && server->has_said_goodbye) {
        pool_close_server(server, "the server ended the connection");
    } else if (server->state == SERVER_CLEANING) {
        lease_clean(server);
    } else if (client) {
        if (exchange_is_doubtful(&server->exchange)) server_query(server, "");
        if (leaves_a_transaction_open(client)) {
            client_goodbye(client, SQLSTATE_FEATURE_NOT_SUPPORTED, "transaction blocks not allowed in statement pooling mode", NULL,
                           "Use pool_mode = transaction for this database or user.");
        } else if (client->state == CLIENT_WELCOMING) {
            if (lease_may_end(client)) admission_settled(client);
        } else {
            relay_rest(client);
            client_clocks_look(client);
            go_on_reading(client);
        }
    }
}

void relay_server_readable(struct server *server)
{
    uint8_t *data;
    size_t size;
    if (!server_receive(server, &data, &size)) return;
    struct client *client = server->client;
    bool was_holding_back = server->holds_client_back;
    struct pieces pieces;
    pieces_init(&pieces, client && client->state == CLIENT_LEASING ? client : NULL);
    size_t position = server->message_left > 0 ? go_on_with_message(server, &pieces, data, size) : 0;
    while (size - position >= FRAME_HEADER_SIZE) {
        size_t used = message(server, &pieces, data + position, size - position);
        if (server->state >= SERVER_CLOSING) return;
        if (server->client != client) { /* it has left in there */
            client = NULL;
            pieces_init(&pieces, NULL);
        }
        if (used == 0) break;
        position += used;
        add_local_replies(server, &pieces);
    }
    flush(&pieces);
    if (!pieces.is_taken) stream_pause_reading(&server->stream);
    server_keep(server, data + position, size - position);
    after_messages(server, was_holding_back);
}

void relay_server_drained(struct server *server)
{
    struct client *client = server->client;
    if (!client || client->state != CLIENT_LEASING || exchange_is_full(&server->exchange)) return;
    if (server->holds_client_back || client->clocks.struck != CLOCK_NONE) { /* a cancel may have arrived */
        relay_rest(client);
        bool may_go_on = client->state == CLIENT_READY || (client->state == CLIENT_LEASING && !client->server->holds_client_back);
        if (!may_go_on) return;
    }
    relay_go_on(client);
    if (client->server != server) return;
    lease_cancel_due(server);
    /* The lease may have waited for this alone: the rest of a COPY that the server gave up long ago. */
    relay_rest(client);
}

void relay_server_lost(struct server *server, const char *why)
{
    struct client *client = server->client;
    bool is_in_message = server->message_left > 0 && !server->message_is_swallowed;
    bool has_said_goodbye = server->has_said_goodbye;
    if (client) {
        client->server = NULL;
        server->client = NULL;
    }
    pool_lose_server(server, why);
    if (!client) return;
    if (is_in_message || (has_said_goodbye && client->state == CLIENT_LEASING))
        client_finish(client, why);
    else
        client_goodbye(client, SQLSTATE_CONNECTION_FAILURE, "server closed the connection unexpectedly", why, NULL);
}
