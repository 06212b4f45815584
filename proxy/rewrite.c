/*
 * Messages of clients that share servers: prepared statements under other names, SQL that names them, and what may not be. Not for: when a lease begins or ends (relay.c), what
 * servers have (prepare.c).
 *
 * Invariant: no name that a client chose reaches a server as the name of a statement that is known here.
 */
#include "proxy/rewrite.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/backend.h"
#include "protocol/frontend.h"
#include "proxy/client_text.h"
#include "proxy/memory.h"
#include "proxy/pins.h"
#include "proxy/prepare.h"
#include "proxy/touch.h"

/* All texts together; what comes beyond that stays with its client's server. */
enum { STATEMENTS_BYTES_MAX = 256 * 1024 * 1024 };

/* ---- messages of the client ---- */

/* As it is. */
static void pass(struct outgoing *outgoing, const uint8_t *message, size_t available, const struct frame *frame)
{
    struct server *server = outgoing->server;
    char kind = frame->body_size > 0 ? (char)message[FRAME_HEADER_SIZE] : '\0';
    bool is_accepted = exchange_sent(&server->exchange, EXCHANGE_CLIENT, frame->type, kind);
    if (is_accepted && (frame->type == FRONTEND_PARSE || frame->type == FRONTEND_CLOSE))
        preparations_push(&server->preparations, PREPARATION_PLAIN, NULL, NULL, NULL);
    size_t total = (size_t)FRAME_HEADER_SIZE + frame->body_size;
    outgoing_add(outgoing, message, total < available ? total : available);
}

/* The statement that the client calls by this name, in the terms of its settings now: a server must not get it from a session that reads it otherwise. */
static struct statement *find_statement(struct outgoing *outgoing, const char *name)
{
    struct client *client = outgoing->client;
    struct statement *statement = statement_names_find(&client->statements, name);
    uint64_t context = statement ? client_text_context(client) : 0;
    if (!statement || statement->context == context) return statement;
    struct statement_terms terms = {.context = context, .is_named = true, .is_scannable = client_text_is_scannable(outgoing->client)};
    struct statement *renewed = statements_intern(client->host->commons->statements, statement->tail, statement->tail_size, &terms);
    statement_effects(renewed, terms.is_scannable, client_text_strings(outgoing->client));
    struct statement *former = statement_names_set(&client->statements, name, renewed);
    statement_unref(&former);
    statement_unref(&renewed); /* the client's names hold it */
    return statement_names_find(&client->statements, name);
}

static void pass_parse_unnamed(struct outgoing *outgoing, const uint8_t *message, const struct frame *frame, struct statement *statement)
{
    struct client *client = outgoing->client;
    struct server *server = outgoing->server;
    if (!exchange_sent(&server->exchange, EXCHANGE_CLIENT, FRONTEND_PARSE, 0)) return;
    preparations_push(&server->preparations, PREPARATION_UNNAMED, statement_ref(statement), client->unnamed, NULL);
    client->unnamed = statement_ref(statement);
    prepare_put_unnamed(server, statement);
    /* The unnamed statement's name takes one byte. As it came, unless names in it were replaced: one piece with what surrounds it. */
    bool is_as_it_came =
        frame->body_size == statement->tail_size + 1 && memcmp(message + FRAME_HEADER_SIZE + 1, statement->tail, statement->tail_size) == 0;
    if (is_as_it_came)
        outgoing_add(outgoing, message, (size_t)FRAME_HEADER_SIZE + frame->body_size);
    else
        prepare_send_parse(outgoing, statement);
}

/* It exists already: the server shall say so, which it does when it has it. */
static void pass_duplicate(struct outgoing *outgoing, struct statement *existing)
{
    struct server *server = outgoing->server;
    prepare_statement(outgoing, existing, EXCHANGE_INJECTED);
    if (!exchange_sent(&server->exchange, EXCHANGE_CLIENT, FRONTEND_PARSE, 0)) return;
    preparations_push(&server->preparations, PREPARATION_PLAIN, NULL, NULL, NULL);
    prepare_send_parse(outgoing, existing);
}

static void pass_parse_named(struct outgoing *outgoing, const char *name, struct statement *statement)
{
    struct client *client = outgoing->client;
    struct server *server = outgoing->server;
    enum preparation_kind kind = PREPARATION_NAMED;
    enum prepared_state state = prepared_set_use(&server->prepared, statement);
    if (state == PREPARED_YES && exchange_may_have_failed(&server->exchange)) state = PREPARED_MAYBE; /* the server shall refuse it, then */
    if (state == PREPARED_YES) {
        if (!exchange_answer_here(&server->exchange, FRONTEND_PARSE)) return;
        kind = PREPARATION_ANSWERED;
    } else {
        prepare_place(outgoing, statement, state);
        if (!exchange_sent(&server->exchange, EXCHANGE_CLIENT, FRONTEND_PARSE, 0)) return;
        prepare_send_parse(outgoing, statement);
        prepared_set_add(&server->prepared, statement);
    }
    preparations_push(&server->preparations, kind, statement_ref(statement), statement_names_set(&client->statements, name, statement),
                      name);
}

/* Too large to be kept and prepared elsewhere: it stays under the client's own name, and the client with its server. */
static void pass_large_parse(struct outgoing *outgoing, const uint8_t *message, size_t available, const struct frame *frame)
{
    struct client *client = outgoing->client;
    struct server *server = outgoing->server;
    client->touched |= EFFECT_OPAQUE_CODE;
    if (message[FRAME_HEADER_SIZE] != '\0') {
        inquiry_set_pins(client, client->pins | PIN_LARGE_STATEMENT);
    } else {
        prepare_set_unnamed(&client->unnamed, NULL);
        prepare_forget_unnamed(server);
        server->has_large_unnamed = true;
    }
    pass(outgoing, message, available, frame);
}

/* ---- what running a statement does to the session ---- */

/* A Parse that fails goes in front of what is refused; its error is replaced by ours, and the server skips to Sync by itself. */
static void send_refusal(struct outgoing *outgoing)
{
    struct server *server = outgoing->server;
    if (!exchange_sent(&server->exchange, EXCHANGE_INJECTED, FRONTEND_PARSE, 0)) return;
    preparations_push(&server->preparations, PREPARATION_REFUSAL, NULL, NULL, NULL);
    server->host->commons->stats.pins_refused++;
    struct bytes_writer writer = outgoing_make(outgoing, PREPARE_SMALL_MESSAGE);
    frontend_write_parse(&writer, "", "*", NULL, 0);
    outgoing_add_made(outgoing, &writer);
    prepare_forget_unnamed(server);
}

/* The client is about to run the statement; `rest` of the Bind is what follows the names. */
static void run(struct outgoing *outgoing, const struct statement *statement, const uint8_t *rest, size_t rest_size)
{
    struct client *client = outgoing->client;
    const char *text = (const char *)statement->tail;
    uint32_t effects = statement->effects | touch_effects_of_functions(client, statement->effects, text, strlen(text));
    touch_note_names(client, effects, text, strlen(text));
    if (effects & EFFECTS_ON_SETTINGS) touch_note_parameters(client, rest, rest_size);
    if (inquiry_refuses_pin(client, effects)) send_refusal(outgoing);
    touch_by_effects(client, effects);
}

#define REFUSAL_MESSAGE "pgturnstile keeps no state of this kind for this session"
#define REFUSAL_HINT \
    "It would need a server connection of its own: raise max_pinned, set session_state = pin, or use pool_mode = session for this user."

size_t rewrite_write_refusal(uint8_t *message_out, size_t capacity)
{
    struct bytes_writer writer;
    bytes_writer_init(&writer, message_out, capacity);
    const struct backend_error error = {
        .severity = "ERROR", .sqlstate = SQLSTATE_FEATURE_NOT_SUPPORTED, .message = REFUSAL_MESSAGE, .hint = REFUSAL_HINT};
    backend_write_error(&writer, &error);
    return writer.has_failed ? 0 : writer.size;
}

/* In the simple protocol the server itself raises the error, so that it ends the transaction as any error would. */
static const char refusal_sql[] = "DO LANGUAGE plpgsql $pgturnstile$BEGIN RAISE EXCEPTION USING ERRCODE='0A000', MESSAGE='" REFUSAL_MESSAGE
                                  "', HINT='" REFUSAL_HINT "'; END$pgturnstile$";

static void send_query(struct outgoing *outgoing, const char *text)
{
    exchange_sent(&outgoing->server->exchange, EXCHANGE_CLIENT, FRONTEND_QUERY, 0);
    outgoing_flush(outgoing);
    size_t size = strlen(text) + 1;
    uint8_t header[FRAME_HEADER_SIZE];
    struct bytes_writer writer;
    bytes_writer_init(&writer, header, sizeof header);
    bytes_write_u8(&writer, FRONTEND_QUERY);
    bytes_write_u32(&writer, (uint32_t)(4 + size));
    outgoing_add(outgoing, header, sizeof header);
    outgoing_add(outgoing, (const uint8_t *)text, size);
    outgoing_flush(outgoing); /* header and text end with this function and its caller */
}

static void send_sync(struct outgoing *outgoing)
{
    exchange_sent(&outgoing->server->exchange, EXCHANGE_OURS, FRONTEND_SYNC, 0);
    struct bytes_writer writer = outgoing_make(outgoing, PREPARE_SMALL_MESSAGE);
    frontend_write_sync(&writer);
    outgoing_add_made(outgoing, &writer);
}

/*
 * SQL that names a statement of the protocol's: it must be there, under the name that the server knows. PREPARE of such a name fails then, as it should.
 * In the simple protocol a Sync keeps a Parse that fails from taking the Query with it.
 */
struct rename {
    struct outgoing *outgoing;
    enum exchange_owner owner; /* of a Parse put in front: EXCHANGE_OURS in the simple protocol */
};

static const char *rename_statement(void *context, const char *name, uint32_t effect)
{
    const struct rename *rename = context;
    struct outgoing *outgoing = rename->outgoing;
    struct client *client = outgoing->client;
    struct statement *statement = find_statement(outgoing, name);
    if (!statement) return NULL;
    if (prepare_statement(outgoing, statement, rename->owner) && rename->owner == EXCHANGE_OURS) send_sync(outgoing);
    if (effect & EFFECT_EXECUTE) touch_by_effects(client, statement->effects);
    if (effect & EFFECT_DEALLOCATE) {
        prepared_set_doubt(&outgoing->server->prepared, statement);
        struct statement *former = statement_names_set(&client->statements, name, NULL);
        statement_unref(&former);
    }
    return statement->name; /* the server's set, or the client's, holds it */
}

/* Whether SQL with these effects may name a statement of the protocol's. */
static bool may_rename(const struct client *client, uint32_t effects)
{
    return (effects & EFFECTS_ON_NAMES) && statement_names_count(&client->statements) > 0;
}

/* Interned, with the names in its text as the server knows them. The caller's reference. */
static struct statement *statement_of_message(struct outgoing *outgoing, const struct frontend_parse_message *parsed, const uint8_t *body,
                                              size_t size)
{
    struct client *client = outgoing->client;
    struct statements *table = client->host->commons->statements;
    size_t name_size = strlen(parsed->statement) + 1, text_size = strlen(parsed->text) + 1;
    bool can_scan = client_text_is_scannable(outgoing->client);
    enum sql_strings strings = client_text_strings(outgoing->client);
    struct statement_terms terms = {.context = client_text_context(client), .is_named = name_size > 1, .is_scannable = can_scan};
    struct statement *statement = statements_intern(table, body + name_size, size - name_size, &terms);
    uint32_t effects = statement_effects(statement, can_scan, strings);
    struct rename rename = {.outgoing = outgoing, .owner = EXCHANGE_INJECTED};
    char *text = may_rename(client, effects) ? statement_rename(parsed->text, text_size - 1, strings, rename_statement, &rename) : NULL;
    if (!text) return statement;
    size_t types_size = size - name_size - text_size, new_size = strlen(text) + 1;
    uint8_t *tail = memory_alloc(new_size + types_size);
    memcpy(tail, text, new_size);
    memcpy(tail + new_size, body + name_size + text_size, types_size);
    statement_unref(&statement);
    statement = statements_intern(table, tail, new_size + types_size, &terms);
    statement_effects(statement, can_scan, strings);
    free(tail);
    free(text);
    return statement;
}

static void parse_message(struct outgoing *outgoing, const uint8_t *message, size_t available, const struct frame *frame)
{
    struct client *client = outgoing->client;
    const uint8_t *body = message + FRAME_HEADER_SIZE;
    bool is_too_much = statements_bytes(client->host->commons->statements) > STATEMENTS_BYTES_MAX;
    if (available < (size_t)FRAME_HEADER_SIZE + frame->body_size || is_too_much) {
        pass_large_parse(outgoing, message, available, frame);
        return;
    }
    struct frontend_parse_message parsed;
    if (frontend_parse_parse(body, frame->body_size, &parsed) != CODEC_OK) {
        pass(outgoing, message, available, frame);
        return;
    }
    struct statement *statement = statement_of_message(outgoing, &parsed, body, frame->body_size);
    struct statement *existing = *parsed.statement ? statement_names_find(&client->statements, parsed.statement) : NULL;
    if (existing)
        pass_duplicate(outgoing, existing);
    else if (*parsed.statement)
        pass_parse_named(outgoing, parsed.statement, statement);
    else
        pass_parse_unnamed(outgoing, message, frame, statement);
    statement_unref(&statement);
}

static void query_message(struct outgoing *outgoing, const uint8_t *message, size_t available, const struct frame *frame)
{
    struct client *client = outgoing->client;
    struct server *server = outgoing->server;
    prepare_set_unnamed(&client->unnamed, NULL);
    prepare_forget_unnamed(server);
    const char *text;
    if (available < (size_t)FRAME_HEADER_SIZE + frame->body_size ||
        frontend_parse_query(message + FRAME_HEADER_SIZE, frame->body_size, &text) != CODEC_OK) {
        touch_by_effects(client, EFFECT_OPAQUE_CODE);
        pass(outgoing, message, available, frame);
        return;
    }
    enum sql_strings strings = client_text_strings(client);
    uint32_t effects = statement_effects_of_text(text, frame->body_size - 1, client_text_is_scannable(client), strings);
    if (inquiry_refuses_pin(client, effects)) {
        client->host->commons->stats.pins_refused++;
        send_query(outgoing, refusal_sql);
        return;
    }
    effects |= touch_effects_of_functions(client, effects, text, frame->body_size - 1);
    touch_note_names(client, effects, text, frame->body_size - 1);
    touch_by_effects(client, effects);
    struct rename rename = {.outgoing = outgoing, .owner = EXCHANGE_OURS};
    char *renamed = may_rename(client, effects) ? statement_rename(text, frame->body_size - 1, strings, rename_statement, &rename) : NULL;
    if (renamed)
        send_query(outgoing, renamed);
    else
        pass(outgoing, message, available, frame);
    free(renamed);
}

/* Bind: portal, statement, the rest. */
static void bind_message(struct outgoing *outgoing, const uint8_t *message, size_t available, const struct frame *frame)
{
    struct client *client = outgoing->client;
    const uint8_t *body = message + FRAME_HEADER_SIZE;
    size_t here = available - FRAME_HEADER_SIZE < frame->body_size ? available - FRAME_HEADER_SIZE : frame->body_size;
    const char *portal, *name;
    if (frontend_parse_bind_names(body, here, &portal, &name) != CODEC_OK) {
        pass(outgoing, message, available, frame);
        return;
    }
    size_t portal_size = strlen(portal) + 1, name_size = strlen(name) + 1;
    const uint8_t *rest = body + portal_size + name_size;
    size_t rest_size = here - portal_size - name_size;
    if (*name == '\0') {
        if (client->unnamed) run(outgoing, client->unnamed, rest, rest_size);
        prepare_unnamed(outgoing);
        pass(outgoing, message, available, frame);
        return;
    }
    struct statement *statement = find_statement(outgoing, name);
    if (!statement) {
        client->touched |= EFFECT_OPAQUE_CODE; /* made by SQL, or it does not exist */
        pass(outgoing, message, available, frame);
        return;
    }
    run(outgoing, statement, rest, rest_size);
    prepare_statement(outgoing, statement, EXCHANGE_INJECTED);
    exchange_sent(&outgoing->server->exchange, EXCHANGE_CLIENT, FRONTEND_BIND, 0);
    size_t new_name_size = strlen(statement->name) + 1;
    struct bytes_writer writer = outgoing_make(outgoing, FRAME_HEADER_SIZE);
    bytes_write_u8(&writer, FRONTEND_BIND);
    bytes_write_u32(&writer, (uint32_t)(4 + frame->body_size - name_size + new_name_size));
    outgoing_add_made(outgoing, &writer);
    outgoing_add(outgoing, body, portal_size);
    outgoing_add(outgoing, (const uint8_t *)statement->name, new_name_size);
    outgoing_add(outgoing, rest, rest_size);
}

static void describe_message(struct outgoing *outgoing, const uint8_t *message, size_t available, const struct frame *frame)
{
    char kind;
    const char *name;
    bool is_whole = available >= (size_t)FRAME_HEADER_SIZE + frame->body_size;
    if (!is_whole || frontend_parse_target(message + FRAME_HEADER_SIZE, frame->body_size, &kind, &name) != CODEC_OK || kind != 'S') {
        pass(outgoing, message, available, frame);
        return;
    }
    struct statement *statement = *name ? find_statement(outgoing, name) : NULL;
    if (!statement) {
        if (*name == '\0') prepare_unnamed(outgoing);
        pass(outgoing, message, available, frame);
        return;
    }
    prepare_statement(outgoing, statement, EXCHANGE_INJECTED);
    exchange_sent(&outgoing->server->exchange, EXCHANGE_CLIENT, FRONTEND_DESCRIBE, 'S');
    struct bytes_writer writer = outgoing_make(outgoing, PREPARE_SMALL_MESSAGE);
    frontend_write_describe(&writer, 'S', statement->name);
    outgoing_add_made(outgoing, &writer);
}

static void close_message(struct outgoing *outgoing, const uint8_t *message, size_t available, const struct frame *frame)
{
    struct client *client = outgoing->client;
    struct server *server = outgoing->server;
    char kind;
    const char *name;
    bool is_whole = available >= (size_t)FRAME_HEADER_SIZE + frame->body_size;
    bool is_statement =
        is_whole && frontend_parse_target(message + FRAME_HEADER_SIZE, frame->body_size, &kind, &name) == CODEC_OK && kind == 'S';
    struct statement *statement = is_statement && *name ? statement_names_find(&client->statements, name) : NULL;
    if (statement) {
        if (!exchange_answer_here(&server->exchange, FRONTEND_CLOSE)) return;
        preparations_push(&server->preparations, PREPARATION_CLOSED, NULL, statement_names_set(&client->statements, name, NULL), name);
        return;
    }
    if (is_statement && *name == '\0') {
        if (!exchange_sent(&server->exchange, EXCHANGE_CLIENT, FRONTEND_CLOSE, 'S')) return;
        preparations_push(&server->preparations, PREPARATION_UNNAMED_CLOSED, NULL, client->unnamed, NULL);
        client->unnamed = NULL;
        prepare_forget_unnamed(server);
        outgoing_add(outgoing, message, available);
        return;
    }
    pass(outgoing, message, available, frame);
}

void rewrite_message(struct outgoing *outgoing, const uint8_t *message, size_t available, const struct frame *frame)
{
    /* While the server reads on to the next Sync without looking, so do we: nothing of this takes place. */
    bool is_ignored = exchange_is_skipping(&outgoing->server->exchange) && frame->type != FRONTEND_SYNC;
    if (is_ignored || outgoing->client->pool->mode == POOL_MODE_SESSION) {
        pass(outgoing, message, available, frame);
        return;
    }
    switch (frame->type) {
    case FRONTEND_PARSE: parse_message(outgoing, message, available, frame); return;
    case FRONTEND_BIND: bind_message(outgoing, message, available, frame); return;
    case FRONTEND_DESCRIBE: describe_message(outgoing, message, available, frame); return;
    case FRONTEND_CLOSE: close_message(outgoing, message, available, frame); return;
    case FRONTEND_QUERY: query_message(outgoing, message, available, frame); return;
    case FRONTEND_SYNC:
        prepared_set_next_segment(&outgoing->server->prepared);
        pass(outgoing, message, available, frame);
        return;
    case FRONTEND_FUNCTION_CALL:
        outgoing->client->touched |= EFFECT_OPAQUE_CODE; /* set_config is a function like any other */
        pass(outgoing, message, available, frame);
        return;
    default: pass(outgoing, message, available, frame); return;
    }
}

bool rewrite_answer_parse(struct client *client, const uint8_t *message, const struct frame *frame)
{
    const uint8_t *body = message + FRAME_HEADER_SIZE;
    struct frontend_parse_message parsed;
    if (client->pool->mode == POOL_MODE_SESSION || frontend_parse_parse(body, frame->body_size, &parsed) != CODEC_OK) return false;
    if (*parsed.statement == '\0' || statement_names_find(&client->statements, parsed.statement)) return false;
    size_t name_size = strlen(parsed.statement) + 1;
    struct statement_terms terms = {
        .context = client_text_context(client), .is_named = true, .is_scannable = client_text_is_scannable(client)};
    struct statement *statement =
        statements_intern(client->host->commons->statements, body + name_size, frame->body_size - name_size, &terms);
    bool is_known =
        statement->is_proven && !may_rename(client, statement_effects(statement, terms.is_scannable, client_text_strings(client)));
    if (is_known) {
        statement_names_set(&client->statements, parsed.statement, statement);
        static const uint8_t parse_complete[] = {BACKEND_PARSE_COMPLETE, 0, 0, 0, 4};
        stream_write(&client->stream, parse_complete, sizeof parse_complete);
    }
    statement_unref(&statement);
    return is_known;
}

void rewrite_deallocated_all(struct server *server)
{
    statement_names_clear(&server->client->statements);
    prepared_set_doubt_all(&server->prepared);
}

/* ---- errors that name our names ---- */

static const char *find_our_name(const char *text, size_t size)
{
    for (const char *end = text + size; (text = memchr(text, 'p', (size_t)(end - text))); text++)
        if (statement_is_name(text)) return text; /* a NUL ends every field, so it never reads past the body */
    return NULL;
}

size_t rewrite_error(const struct client *client, const uint8_t *body, size_t size, uint8_t *message_out, size_t capacity)
{
    const char *text = (const char *)body;
    const char *found = size > 0 && body[size - 1] == '\0' ? find_our_name(text, size) : NULL;
    if (!found) return 0;
    char server_name[STATEMENT_NAME_SIZE];
    memcpy(server_name, found, sizeof server_name - 1);
    server_name[sizeof server_name - 1] = '\0';
    const char *name = statement_names_of(&client->statements, server_name);
    if (!name) return 0;
    size_t before = (size_t)(found - text), after = before + STATEMENT_NAME_SIZE - 1;
    struct bytes_writer writer;
    bytes_writer_init(&writer, message_out, capacity);
    size_t mark = bytes_begin_message(&writer, BACKEND_ERROR);
    bytes_write_block(&writer, body, before);
    bytes_write_block(&writer, name, strlen(name));
    bytes_write_block(&writer, body + after, size - after);
    bytes_end_message(&writer, mark);
    return writer.has_failed ? 0 : writer.size;
}

void rewrite_forget_client(struct client *client)
{
    statement_names_clear(&client->statements);
    statement_unref(&client->unnamed);
}
