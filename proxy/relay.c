/*
 * The relay: client messages to servers. The other direction is relay_server.c.
 *
 * Invariants: whole messages go to a server, or the beginning of one too large to keep, of which the rest follows; a lease begins with a whole message at
 * the earliest; each message that goes to a server has been given to its exchange; bytes that are not passed on are kept by the client, in order.
 */
#include "proxy/relay.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "protocol/frame.h"
#include "protocol/frontend.h"
#include "proxy/cancel.h"
#include "proxy/classify.h"
#include "proxy/client_clocks.h"
#include "proxy/client_proof.h"
#include "proxy/hold.h"
#include "proxy/inquiry.h"
#include "proxy/local_messages.h"
#include "proxy/local_transaction.h"
#include "proxy/observe.h"
#include "proxy/pool_login.h"
#include "proxy/prepare.h"
#include "proxy/rewrite.h"

static const char shutdown_message[] = "terminating connection due to administrator command";

/* ---- with a lease: passing on ---- */

static bool is_between_transactions(const struct client *client)
{
    const struct server *server = client->server;
    return exchange_is_idle(&server->exchange) && !server->inquiry && server->message_left == 0 && client->message_left == 0;
}

/*
 * RESET took the server to its own standard, where a connection of the client's own would have gone back to what the client came with: that now, and the client hears
 * of it.
 */
static bool go_back_to_startup(struct client *client)
{
    char sql[SERVER_QUERY_MAX];
    if (lease_settings_sql(client, sql, sizeof sql) >= sizeof sql) return false; /* the next lease says so */
    client->server->tells_settings = true;
    server_query(client->server, sql);
    lease_settings_sent(client);
    return true;
}

/*
 * A cancel request that is on its way would hit what is sent next, be it the client's or ours: nothing is, before it has arrived. A server that comes free here waits for it
 * without the client (lease_clean).
 */
static bool waits_for_cancel(struct client *client)
{
    struct server *server = client->server;
    if (!exchange_is_settled(&server->exchange)) return false;
    server->holds_client_back =
        cancel_is_on_its_way(server) && (!lease_may_end(client) || inquiry_is_due(client) || server->settings != client->settings);
    return server->holds_client_back;
}

void relay_rest(struct client *client)
{
    if (client->clocks.struck != CLOCK_NONE && !relay_clocks_settled(client)) return;
    if (waits_for_cancel(client)) return;
    if (inquiry_is_due(client)) {
        inquiry_send(client);
        return;
    }
    bool is_elsewhere = client->server->settings != client->settings && is_between_transactions(client);
    if (is_elsewhere && go_back_to_startup(client)) return;
    bool is_ending = client->host->commons->is_shutting_down;
    if (!lease_may_end(client)) {
        /* Of a session too, only the transaction is waited for. */
        if (is_ending && is_between_transactions(client)) client_goodbye(client, SQLSTATE_ADMIN_SHUTDOWN, shutdown_message, NULL, NULL);
        return;
    }
    lease_end(client);
    client->clocks.unit_us = 0;
    if (is_ending) client_goodbye(client, SQLSTATE_ADMIN_SHUTDOWN, shutdown_message, NULL, NULL);
}

/* In front of the first bytes of a lease goes what gives the server the client's settings. False: that cannot be done. */
static bool add_settings(struct outgoing *outgoing, uint8_t *buffer, size_t size)
{
    struct client *client = outgoing->client;
    char sql[SERVER_QUERY_MAX];
    if (lease_settings_sql(client, sql, sizeof sql) >= sizeof sql) {
        client_goodbye(client, SQLSTATE_PROGRAM_LIMIT_EXCEEDED, "the settings of this session are too long to be moved to another server",
                       NULL, "Use pool_mode = session for this user.");
        return false;
    }
    struct bytes_writer writer;
    bytes_writer_init(&writer, buffer, size);
    frontend_write_query(&writer, sql);
    exchange_sent(&client->server->exchange, EXCHANGE_OURS, FRONTEND_QUERY, 0);
    prepare_forget_unnamed(client->server); /* a Query ends it */
    outgoing_add(outgoing, buffer, writer.size);
    lease_settings_sent(client);
    return true;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The rest of a message that streams. */
static size_t stream_on(struct client *client, size_t size)
{
    size_t taken = smaller(client->message_left, size);
    client->message_left -= (uint32_t)taken;
    return taken;
}

/* How much of a message must be there before it goes on its way: all of it, or of one that is too large to be kept, what the names in it can take. */
static size_t needed_at_once(const struct frame *frame)
{
    size_t total = (size_t)FRAME_HEADER_SIZE + frame->body_size;
    bool is_text = frame->type == FRONTEND_QUERY || frame->type == FRONTEND_PARSE;
    return total <= (is_text ? COMMONS_WHOLE_TEXT_MAX : COMMONS_WHOLE_MESSAGE_MAX) ? total : COMMONS_WHOLE_MESSAGE_MAX;
}

/* It takes no more for now: a small message of the client's may have a large one of ours put in front. */
static bool is_server_behind(const struct client *client)
{
    return stream_has_unsent(&client->server->stream) || exchange_is_full(&client->server->exchange);
}

enum walk { WALK_MORE, WALK_MESSAGE, WALK_HELD, WALK_TERMINATE, WALK_VIOLATION };

/* What stands at `data`, by its header: MORE bytes are needed, a MESSAGE begins, or the client's end. */
static inline enum walk look_at_header(const uint8_t *data, size_t size, struct frame *frame_out)
{
    enum codec_result header = frame_parse_header(data, size, frame_out);
    if (header == CODEC_MORE) return WALK_MORE;
    if (header == CODEC_BAD || !frontend_is_type(frame_out->type) || frame_out->type == FRONTEND_PASSWORD) return WALK_VIOLATION;
    return frame_out->type == FRONTEND_TERMINATE ? WALK_TERMINATE : WALK_MESSAGE;
}

/* True: the client has ended itself, by what it said. */
static bool ends_client(struct client *client, enum walk result)
{
    if (result == WALK_VIOLATION) client_goodbye(client, SQLSTATE_PROTOCOL_VIOLATION, "invalid frontend message", NULL, NULL);
    if (result == WALK_TERMINATE) {
        client->is_polite = true;
        client_close(client, "client terminated");
    }
    return result == WALK_VIOLATION || result == WALK_TERMINATE;
}

/* Put in line as many messages as may go to the server now; `*used_out` bytes. */
static enum walk walk(struct outgoing *outgoing, const uint8_t *data, size_t size, size_t *used_out)
{
    struct client *client = outgoing->client;
    size_t position = stream_on(client, size);
    outgoing_add(outgoing, data, position);
    enum walk result = WALK_MORE;
    while (client->message_left == 0 && !is_server_behind(client) && !local_transaction_holds(client)) {
        struct frame frame;
        const uint8_t *message = data + position;
        result = look_at_header(message, size - position, &frame);
        if (result != WALK_MESSAGE) break;
        size_t total = (size_t)FRAME_HEADER_SIZE + frame.body_size, available = smaller(total, size - position);
        if (available < needed_at_once(&frame)) break;
        if (hold_may_be_due(client->server) && hold_is_due(client, message, available, &frame)) {
            result = WALK_HELD;
            break;
        }
        rewrite_message(outgoing, message, available, &frame);
        observe_sent(client, frame.type, message + FRAME_HEADER_SIZE, available - FRAME_HEADER_SIZE, frame.body_size);
        client->behind_begin = frame.type;
        client->message_left = (uint32_t)(total - available);
        position += available;
    }
    *used_out = position;
    return result;
}

/* Replies to what was answered here, where nothing of the server's comes before them. False: the client takes no more of them. */
static bool send_local_replies(struct client *client)
{
    uint8_t buffer[FRAME_HEADER_SIZE];
    bool are_taken = true;
    while (exchange_has_local_reply(&client->server->exchange)) {
        struct bytes_writer writer;
        bytes_writer_init(&writer, buffer, sizeof buffer);
        backend_write_bare(&writer, exchange_local_reply(&client->server->exchange));
        if (!stream_write(&client->stream, buffer, writer.size)) are_taken = false;
    }
    return are_taken;
}

/* What is left waits for replies: the client is not read until some have come. The server shall not keep them to itself until the Sync that may be among what waits. */
static void hold_back(struct outgoing *outgoing)
{
    if (exchange_needs_sync(&outgoing->server->exchange)) {
        struct bytes_writer writer = outgoing_make(outgoing, FRAME_HEADER_SIZE);
        frontend_write_flush(&writer);
        outgoing_add_made(outgoing, &writer);
    }
    stream_pause_reading(&outgoing->client->stream);
}

static size_t pass_on(struct client *client, const uint8_t *data, size_t size)
{
    struct server *server = client->server;
    /* With the answer to an inquiry the lease ends: what comes now is for the next one, which may be of another class. */
    if (server->inquiry || server->holds_client_back) {
        stream_pause_reading(&client->stream);
        return 0;
    }
    struct outgoing outgoing;
    outgoing_init(&outgoing, client);
    uint8_t settings[SERVER_QUERY_MAX + 16];
    /* In the middle of anything they would be a part of it. */
    bool lacks_settings = server->settings != client->settings && exchange_is_idle(&server->exchange);
    bool acts_otherwise = lacks_settings && session_state_acts_otherwise(server->settings, client->settings);
    if (lacks_settings && !add_settings(&outgoing, settings, sizeof settings)) return size;
    if (acts_otherwise) server->holds_client_back = true;
    if (client->transaction == LOCAL_BEGUN && !server->holds_client_back) local_transaction_begin(&outgoing, data, size);
    if (server->holds_client_back) { /* should it be refused that user, its statement must not run as another */
        outgoing_flush(&outgoing);
        stream_pause_reading(&client->stream);
        return 0;
    }
    if (server->query_us == 0) server->query_us = server->host->commons->now_us;
    if (server->transaction_us == 0) server->transaction_us = server->query_us;
    size_t used;
    bool was_settled = server->exchange.count == 0 && !server->exchange.needs_sync;
    enum walk result = walk(&outgoing, data, size, &used);
    if (result == WALK_HELD) hold_back(&outgoing);
    server->is_inside_message = client->message_left > 0;
    outgoing_flush(&outgoing);
    if (was_settled) client_clocks_sent(client);
    bool is_held = used < size && local_transaction_holds(client);
    if (!send_local_replies(client) || is_server_behind(client) || is_held) stream_pause_reading(&client->stream);
    if (ends_client(client, result)) return used;
    /* What ended may be the rest of a COPY that the server gave up long ago: then no reply is going to tell. */
    relay_rest(client);
    return used;
}

/* ---- without a lease ---- */

/* PostgreSQL ignores these where no COPY is under way (and there is nothing to flush): they need no server. */
static bool is_ignored_at_rest(uint8_t type)
{
    return type == FRONTEND_COPY_DATA || type == FRONTEND_COPY_DONE || type == FRONTEND_COPY_FAIL || type == FRONTEND_FLUSH;
}

enum rest { REST_MORE, REST_GOES_ON, REST_WANTS_LEASE };

/* What needs no server: a Sync with nothing before it, and a Parse of what is known to be good. Drivers prepare first and ask later. */
static bool is_answered_at_rest(struct client *client, const uint8_t *message, const struct frame *frame)
{
    if (frame->type == FRONTEND_PARSE) {
        if (!rewrite_answer_parse(client, message, frame)) return false;
        observe_sent(client, frame->type, message + FRAME_HEADER_SIZE, frame->body_size, frame->body_size);
        return true;
    }
    if (frame->type != FRONTEND_SYNC) return false;
    local_transaction_answer_ready(client);
    client_clocks_turn(client);
    return true;
}

/* Look at the first message of a client without a lease. GOES_ON: `*used_out` bytes were dealt with, look again. */
static enum rest at_rest(struct client *client, const uint8_t *data, size_t size, size_t *used_out)
{
    *used_out = 0;
    if (client->message_left > 0) {
        assert(client->discards_message);
        *used_out = stream_on(client, size);
        return REST_GOES_ON;
    }
    struct frame frame;
    enum walk result = look_at_header(data, size, &frame);
    if (result == WALK_MORE || ends_client(client, result)) return REST_MORE;
    size_t total = (size_t)FRAME_HEADER_SIZE + frame.body_size;
    if (client->discards_to_sync || is_ignored_at_rest(frame.type)) {
        if (frame.type == FRONTEND_SYNC && client->discards_to_sync) {
            client->discards_to_sync = false;
            local_transaction_answer_ready(client);
        }
        *used_out = smaller(total, size);
        client->message_left = (uint32_t)(total - *used_out);
        client->discards_message = true;
        return REST_GOES_ON;
    }
    client->discards_message = false;
    if (local_messages_concern(client, data, size, &frame)) {
        enum local_answer answer = local_messages_answer(client, data, size, &frame, used_out);
        if (answer != LOCAL_DECLINES) return answer == LOCAL_ANSWERS ? REST_GOES_ON : REST_MORE;
    }
    if (size >= total && is_answered_at_rest(client, data, &frame)) {
        *used_out = total;
        return REST_GOES_ON;
    }
    return size >= needed_at_once(&frame) ? REST_WANTS_LEASE : REST_MORE;
}

/* True: it leases now. */
static bool take_lease(struct client *client, const uint8_t *data, size_t size)
{
    classify_lease(client, data, size);
    struct pool *pool = client->pool;
    client_clocks_begin(client);
    struct server *server = pool_take(pool, client);
    if (server) {
        lease_begin(client, server);
        return true;
    }
    if (pool_login_is_refused(pool))
        relay_refused(client);
    else
        relay_queue_wait(client);
    return false;
}

/* It leases no server, or none that knows of its transaction. */
static bool is_at_rest(const struct client *client)
{
    if (client->state != CLIENT_LEASING) return client->state == CLIENT_READY;
    return (client_has_failed(client) || client->discards_to_sync) && !client->server->holds_client_back;
}

/* It waits, says its state, but the queue was full. */
static bool is_turned_away(const struct client *client)
{
    return client->state == CLIENT_WAITING && !client->waiter.pool;
}

static void work_through(struct client *client, const uint8_t *data, size_t size)
{
    size_t position = 0;
    while (position < size && (client->state == CLIENT_READY || client->state == CLIENT_LEASING)) {
        size_t used = 0;
        if (!is_at_rest(client)) {
            used = pass_on(client, data + position, size - position);
            position += used;
            if (client->state == CLIENT_LEASING) break;
            continue;
        }
        if (stream_has_unsent(&client->stream)) break; /* it shall read its replies before it asks for more */
        enum rest rest = at_rest(client, data + position, size - position, &used);
        position += used;
        if (rest == REST_MORE || (rest == REST_WANTS_LEASE && !take_lease(client, data + position, size - position))) break;
    }
    if (client->state >= CLIENT_CLOSING) return;
    client_keep(client, data + position, size - position);
    bool must_drain = client->state != CLIENT_LEASING && stream_has_unsent(&client->stream);
    bool has_enough =
        (client->state == CLIENT_WAITING || client->state == CLIENT_WELCOMING) && client->input_size > COMMONS_SCRATCH_SIZE / 2;
    if (must_drain || has_enough) stream_pause_reading(&client->stream);
}

/* Work on bytes of a logged-in client: all that were kept and all that came. What cannot be worked on yet is kept. */
static void work_on(struct client *client, const uint8_t *data, size_t size)
{
    work_through(client, data, size);
    while (is_turned_away(client)) {
        relay_queue_turn_away(client);
        if (client->state == CLIENT_READY && client->input_size > 0) work_through(client, client->input, client->input_size);
    }
}

void relay_client_readable(struct client *client)
{
    uint8_t *data;
    size_t size;
    if (!client_receive(client, &data, &size)) return;
    client->request_us = client->host->commons->now_us;
    work_on(client, data, size);
}

void relay_client_resume(struct client *client)
{
    if (client->input_size > 0) work_on(client, client->input, client->input_size);
}

void relay_go_on(struct client *client)
{
    stream_resume_reading(&client->stream);
    relay_client_resume(client);
}

/* It has read its replies: its server may go on, and so may it. */
void relay_client_drained(struct client *client)
{
    if (client->server) stream_resume_reading(&client->server->stream);
    if (client->state == CLIENT_READY || (client->state == CLIENT_LEASING && !is_server_behind(client))) {
        relay_go_on(client);
    }
}

void relay_client_leaving(struct client *client, enum client_state was)
{
    (void)was;
    client_proof_leave(client);
    client_clocks_forget(client);
    lease_abandon(client, client->is_polite);
    admission_forget(client);
    rewrite_forget_client(client);
    observe_leave(client);
    pool_leave(client);
    classify_forget(client);
    setting_names_clear(&client->named);
    session_state_unref(&client->settings);
    session_state_unref(&client->startup);
    session_state_unref(&client->classified);
}

void relay_granted(struct client *client, struct server *server)
{
    if (client->state == CLIENT_WELCOMING) {
        admission_granted(client, server);
        return;
    }
    client->clocks.waited_us += client_clocks_run_us(client);
    lease_begin(client, server);
    relay_go_on(client);
}

void relay_refused(struct client *client)
{
    admission_refused(client);
}

void relay_cancel_requested(struct commons *commons, uint32_t pid, uint32_t secret)
{
    struct cancel_key *found = cancel_keys_find(commons->cancel_keys, pid, secret);
    struct client *client = found ? (struct client *)((char *)found - offsetof(struct client, cancel_key)) : NULL;
    if (client && client->server) {
        lease_cancel_for(client);
    } else if (client && client->state == CLIENT_WAITING) {
        relay_queue_refuse(client, SQLSTATE_QUERY_CANCELED, "canceling statement due to user request",
                           "It was waiting for a server connection.", NULL);
    } else if (client && client->host->canceled) {
        client->host->canceled(client);
    } else {
        commons->stats.cancels_ignored++;
    }
}

void relay_check_paused(struct client *client)
{
    if (client->state < CLIENT_CLOSING && !stream_is_reading(&client->stream) && stream_peer_is_gone(&client->stream))
        client_close(client, "client closed the connection");
}

void relay_shut_down(struct client *client, bool at_once)
{
    bool is_busy = client->state == CLIENT_WAITING || client->state == CLIENT_WELCOMING || client->state == CLIENT_LEASING ||
                   client->transaction != LOCAL_NONE;
    if (client->state == CLIENT_LEASING && is_between_transactions(client) && client->transaction == LOCAL_NONE) is_busy = false;
    if (is_busy && !at_once) return;
    /* In the middle of a row our words would be taken for a part of it. */
    if (client->server && client->server->message_left > 0)
        client_finish(client, shutdown_message);
    else
        client_goodbye(client, SQLSTATE_ADMIN_SHUTDOWN, shutdown_message, NULL, NULL);
}
