/*
 * Local transactions: their states, and the BEGIN that goes in front. Not for: which messages are answered here (local_messages.c), the grammar (sql_transaction.c), when a
 * lease begins (relay.c), which clock makes a transaction fail (relay_clocks.c).
 *
 * Invariant: a client is BEGUN only while it leases no server.
 */
#include "proxy/local_transaction.h"

#include <assert.h>
#include <string.h>

#include "protocol/backend.h"
#include "protocol/frame.h"
#include "protocol/frontend.h"
#include "proxy/client_clocks.h"
#include "proxy/client_text.h"
#include "proxy/prepare.h"
#include "proxy/statement_effects.h"

/* What ReadyForQuery says where no server does. */
static char status_of(const struct client *client)
{
    switch (client->transaction) {
    case LOCAL_NONE: return 'I';
    case LOCAL_BEGUN:
    case LOCAL_BEGINNING:
    case LOCAL_REFUSED: return 'T';
    case LOCAL_FAILED:
    case LOCAL_FAILED_UNTOLD: break;
    }
    return 'E';
}

void local_transaction_write_ready(const struct client *client, struct bytes_writer *writer)
{
    backend_write_ready_for_query(writer, status_of(client));
}

void local_transaction_reply(struct client *client, const struct bytes_writer *writer)
{
    assert(!writer->has_failed);
    client->host->commons->stats.sent_bytes += writer->size;
    client->traffic->sent += writer->size;
    stream_write(&client->stream, writer->data, writer->size);
}

void local_transaction_answer_ready(struct client *client)
{
    uint8_t buffer[16];
    struct bytes_writer writer;
    bytes_writer_init(&writer, buffer, sizeof buffer);
    local_transaction_write_ready(client, &writer);
    local_transaction_reply(client, &writer);
}

/* ---- the commands ---- */

bool local_transaction_can_run(const struct client *client, enum sql_transaction command)
{
    switch (command) {
    case SQL_TRANSACTION_BEGIN:
    case SQL_TRANSACTION_START: return client->transaction == LOCAL_NONE && client->state == CLIENT_READY;
    case SQL_TRANSACTION_COMMIT:
    case SQL_TRANSACTION_ROLLBACK: return client->transaction == LOCAL_BEGUN || client_has_failed(client);
    case SQL_TRANSACTION_NONE:
    case SQL_TRANSACTION_EMPTY: break;
    }
    return false;
}

const char *local_transaction_run(struct client *client, enum sql_transaction command, uint8_t modes)
{
    struct commons *commons = client->host->commons;
    client->traffic->query_count++;
    if (command == SQL_TRANSACTION_BEGIN || command == SQL_TRANSACTION_START) {
        client->transaction = LOCAL_BEGUN;
        client->transaction_modes = modes;
        commons->stats.begins_deferred++;
        client_clocks_begin(client);
        client_clocks_turn(client);
        return command == SQL_TRANSACTION_BEGIN ? "BEGIN" : "START TRANSACTION";
    }
    client->traffic->xact_count++;
    bool is_committed = command == SQL_TRANSACTION_COMMIT && !client_has_failed(client);
    client->transaction = LOCAL_NONE;
    client_clocks_end(client);
    return is_committed ? "COMMIT" : "ROLLBACK";
}

/* ---- what a failed transaction answers ---- */

void local_transaction_tell(struct client *client)
{
    if (client->transaction == LOCAL_FAILED_UNTOLD) {
        struct clocks_words words;
        client_clocks_tell(client, CLOCK_DEADLINE, &words);
        client->transaction = LOCAL_FAILED;
        client_error(client, words.sqlstate, words.message, words.detail, words.hint);
        return;
    }
    client_error(client, SQLSTATE_FAILED_TRANSACTION, "current transaction is aborted, commands ignored until end of transaction block",
                 NULL, NULL);
}

bool local_transaction_fails_to_commit(struct client *client, enum sql_transaction command)
{
    if (client->transaction != LOCAL_FAILED_UNTOLD || command != SQL_TRANSACTION_COMMIT) return false;
    local_transaction_tell(client);
    client->transaction = LOCAL_NONE;
    client_clocks_end(client);
    return true;
}

/* ---- with a server ---- */

/*
 * SQL that names a statement of the protocol's is sent behind a Sync (rewrite.c), which would end the skipping after a BEGIN that failed: that BEGIN is waited
 * for.
 */
static bool must_wait(const struct client *client, const uint8_t *data, size_t size)
{
    struct frame frame;
    const char *text;
    if (statement_names_count(&client->statements) == 0 || frame_parse_header(data, size, &frame) != CODEC_OK) return false;
    if (frame.type != FRONTEND_QUERY) return false;
    if (frame.body_size > size - FRAME_HEADER_SIZE || frontend_parse_query(data + FRAME_HEADER_SIZE, frame.body_size, &text) != CODEC_OK)
        return false;
    return statement_effects_of_text(text, frame.body_size - 1, client_text_is_scannable(client), client_text_strings(client)) &
           EFFECTS_ON_NAMES;
}

void local_transaction_begin(struct outgoing *outgoing, const uint8_t *data, size_t size)
{
    struct client *client = outgoing->client;
    struct server *server = outgoing->server;
    struct exchange *exchange = &server->exchange;
    char text[SQL_TRANSACTION_BEGIN_MAX];
    size_t text_size = sql_transaction_write_begin(client->transaction_modes, text);
    client->transaction = LOCAL_BEGINNING;
    client->behind_begin = 0;
    if (must_wait(client, data, size)) {
        outgoing_flush(outgoing);
        server_query(server, text);
        server->holds_client_back = true;
        return;
    }
    exchange_sent(exchange, EXCHANGE_INJECTED, FRONTEND_PARSE, 0);
    preparations_push(&server->preparations, PREPARATION_PLAIN, NULL, NULL, NULL);
    exchange_sent(exchange, EXCHANGE_INJECTED, FRONTEND_BIND, 0);
    exchange_sent(exchange, EXCHANGE_INJECTED, FRONTEND_EXECUTE, 0);
    struct bytes_writer writer = outgoing_make(outgoing, text_size + 64);
    frontend_write_parse(&writer, "", text, NULL, 0);
    frontend_write_bind(&writer, "", "", NULL, 0);
    frontend_write_execute(&writer, "", 0);
    outgoing_add_made(outgoing, &writer);
    prepare_forget_unnamed(server);
}

bool local_transaction_is_unsure(const struct client *client)
{
    if (client->transaction != LOCAL_BEGINNING && client->transaction != LOCAL_REFUSED) return false;
    uint8_t last = client->behind_begin;
    return last == FRONTEND_SYNC || last == FRONTEND_QUERY || last == FRONTEND_FUNCTION_CALL;
}

void local_transaction_replied(struct server *server, uint8_t type)
{
    struct client *client = server->client;
    if (type == BACKEND_COMMAND_COMPLETE) client->transaction = LOCAL_NONE;
    if (type != BACKEND_ERROR) return;
    client->transaction = LOCAL_REFUSED;
    bool is_simple = client->behind_begin == FRONTEND_QUERY || client->behind_begin == FRONTEND_FUNCTION_CALL;
    if (!is_simple || !exchange_is_skipping(&server->exchange)) return;
    /* The Query was skipped; its ReadyForQuery comes by a Sync. */
    uint8_t buffer[16];
    struct bytes_writer writer;
    bytes_writer_init(&writer, buffer, sizeof buffer);
    frontend_write_sync(&writer);
    exchange_sent(&server->exchange, EXCHANGE_CLIENT, FRONTEND_SYNC, 0);
    prepare_next_segment(server);
    stream_write(&server->stream, writer.data, writer.size);
}

void local_transaction_refused(struct client *client)
{
    client->transaction = LOCAL_FAILED;
}

void local_transaction_fail(struct client *client, bool is_told)
{
    client->transaction = is_told ? LOCAL_FAILED : LOCAL_FAILED_UNTOLD;
}
