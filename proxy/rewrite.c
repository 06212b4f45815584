/*
 * Messages of clients that share servers: prepared statements under other names, SQL that names them, and what may not be. Not for: when a lease begins or ends (relay.c), what
 * servers have (prepare.c).
 *
 * Invariant: no name that a client chose reaches a server as the name of a statement that is known here.
 */
#include "proxy/rewrite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/backend.h"
#include "protocol/frontend.h"
#include "proxy/client_text.h"
#include "proxy/pins.h"
#include "proxy/prepare.h"
#include "proxy/rename.h"
#include "proxy/restore.h"
#include "proxy/touch.h"

/* All texts together; what comes beyond that stays with its client's server. */
enum { STATEMENTS_BYTES_MAX = 256 * 1024 * 1024 };

/* ---- messages of the client ---- */

/* A Bind message. */
struct bind {
    const char *portal, *name; /* of the statement */
    size_t portal_size, name_size;
    const uint8_t *rest; /* what follows them, as far as it is there */
    size_t rest_size, body_size;
};

/* As it is. */
static void pass(struct outgoing *outgoing, const uint8_t *message, size_t available, const struct frame *frame)
{
    struct server *server = outgoing->server;
    char kind = frame->body_size > 0 ? (char)message[FRAME_HEADER_SIZE] : '\0';
    bool is_accepted = exchange_sent(&server->exchange, EXCHANGE_CLIENT, frame->type, kind);
    if (is_accepted && (frame->type == FRONTEND_PARSE || frame->type == FRONTEND_CLOSE))
        preparations_push(&server->preparations, PREPARATION_PLAIN, NULL, NULL, NULL);
    if (is_accepted && frame->type == FRONTEND_PARSE) outgoing->client->traffic->server_parse_count++;
    size_t total = (size_t)FRAME_HEADER_SIZE + frame->body_size;
    outgoing_add(outgoing, message, total < available ? total : available);
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
    if (!is_as_it_came) {
        prepare_send_parse(outgoing, statement);
        return;
    }
    client->traffic->server_parse_count++;
    outgoing_add(outgoing, message, (size_t)FRAME_HEADER_SIZE + frame->body_size);
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

/* SQL's PREPARE may have given the name to a statement. The server shall say so, which the same Parse under the client's own name, closed again, makes it do. */
static void probe_name(struct outgoing *outgoing, const char *name, const struct statement *statement)
{
    struct client *client = outgoing->client;
    struct server *server = outgoing->server;
    bool may_be_of_sql = (client->pins & (PIN_PREPARE | PIN_UNKNOWN)) || (client->touched & EFFECT_PREPARE) || server->inquiry;
    size_t size = strlen(name) + 1;
    if (!may_be_of_sql || size > SQL_IDENTIFIER_SIZE_MAX + 1) return;
    if (!exchange_sent(&server->exchange, EXCHANGE_INJECTED, FRONTEND_PARSE, 0)) return;
    preparations_push(&server->preparations, PREPARATION_PLAIN, NULL, NULL, NULL);
    struct bytes_writer writer = outgoing_make(outgoing, FRAME_HEADER_SIZE + SQL_IDENTIFIER_SIZE_MAX + 1);
    bytes_write_u8(&writer, FRONTEND_PARSE);
    bytes_write_u32(&writer, (uint32_t)(4 + size + statement->tail_size));
    bytes_write_cstring(&writer, name);
    outgoing_add_made(outgoing, &writer);
    outgoing_add(outgoing, statement->tail, statement->tail_size);
    exchange_sent(&server->exchange, EXCHANGE_OURS, FRONTEND_CLOSE, 'S');
    preparations_push(&server->preparations, PREPARATION_PLAIN, NULL, NULL, NULL);
    writer = outgoing_make(outgoing, 2 * SQL_IDENTIFIER_SIZE_MAX);
    frontend_write_close(&writer, 'S', name);
    outgoing_add_made(outgoing, &writer);
}

static void pass_parse_named(struct outgoing *outgoing, const char *name, struct statement *statement)
{
    struct client *client = outgoing->client;
    struct server *server = outgoing->server;
    enum preparation_kind kind = PREPARATION_NAMED;
    probe_name(outgoing, name, statement);
    enum prepared_state state = prepare_state(server, statement);
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
    uint32_t effects = touch_by_text_of(client, statement);
    if (effects & EFFECTS_ON_SETTINGS) touch_note_parameters(client, rest, rest_size);
    if (effects && inquiry_refuses_pin(client, effects)) send_refusal(outgoing);
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
    struct statement *statement = rename_parse(outgoing, &parsed, body, frame->body_size);
    struct statement *existing = *parsed.statement ? statement_names_find(&client->statements, parsed.statement) : NULL;
    if (existing)
        pass_duplicate(outgoing, existing);
    else if (*parsed.statement)
        pass_parse_named(outgoing, parsed.statement, statement);
    else
        pass_parse_unnamed(outgoing, message, frame, statement);
    statement_unref(&statement);
}

/* As UTF-8. In other encodings only where a name stands may be missed by some characters, and not what lies before or behind. */
static uint32_t characters(const char *text, size_t size)
{
    uint32_t count = 0;
    for (size_t i = 0; i < size; i++) count += ((uint8_t)text[i] & 0xc0) != 0x80;
    return count;
}

static struct query_shift shift_between(const char *text, const char *renamed)
{
    size_t size = strlen(text), new_size = strlen(renamed), both = size < new_size ? size : new_size, before = 0, behind = 0;
    while (before < both && text[before] == renamed[before]) before++;
    while (behind < both - before && text[size - 1 - behind] == renamed[new_size - 1 - behind]) behind++;
    uint32_t to = characters(renamed, new_size - behind);
    return (struct query_shift){
        .from = characters(renamed, before), .to = to, .by = (int32_t)characters(text, size - behind) - (int32_t)to};
}

static void query_message(struct outgoing *outgoing, const uint8_t *message, size_t available, const struct frame *frame)
{
    struct client *client = outgoing->client;
    struct server *server = outgoing->server;
    prepare_end_unnamed(client);
    const char *text;
    if (available < (size_t)FRAME_HEADER_SIZE + frame->body_size ||
        frontend_parse_query(message + FRAME_HEADER_SIZE, frame->body_size, &text) != CODEC_OK) {
        touch_by_effects(client, EFFECT_OPAQUE_CODE);
        pass(outgoing, message, available, frame);
        return;
    }
    uint32_t effects = statement_effects_of_text(text, frame->body_size - 1, client_text_is_scannable(client), client_text_strings(client));
    if (effects && inquiry_refuses_pin(client, effects)) {
        client->host->commons->stats.pins_refused++;
        send_query(outgoing, refusal_sql);
        return;
    }
    effects |= touch_effects_of_functions(client, effects, text, frame->body_size - 1);
    touch_by_effects(client, effects);
    if (effects == 0) {
        pass(outgoing, message, available, frame);
        return;
    }
    touch_note_names(client, effects, text, frame->body_size - 1);
    if (restore_discard_all(outgoing, text, effects)) return;
    char *renamed = rename_query(outgoing, text, frame->body_size - 1, effects);
    if (renamed && exchange_is_all_ours(&server->exchange)) server->query_shift = shift_between(text, renamed);
    char *restoring = restore_query(outgoing, renamed ? renamed : text, renamed ? strlen(renamed) : frame->body_size - 1, effects);
    if (renamed || restoring)
        send_query(outgoing, restoring ? restoring : renamed);
    else
        pass(outgoing, message, available, frame);
    if (deallocations_run(&server->deallocations, NULL)) prepare_deallocation_sent(server);
    free(renamed);
    free(restoring);
}

/* Bind of a statement that the server knows by another name. */
static void send_bind(struct outgoing *outgoing, const struct statement *statement, const struct bind *bind)
{
    exchange_sent(&outgoing->server->exchange, EXCHANGE_CLIENT, FRONTEND_BIND, 0);
    size_t new_name_size = strlen(statement->name) + 1;
    struct bytes_writer writer = outgoing_make(outgoing, FRAME_HEADER_SIZE);
    bytes_write_u8(&writer, FRONTEND_BIND);
    bytes_write_u32(&writer, (uint32_t)(4 + bind->body_size - bind->name_size + new_name_size));
    outgoing_add_made(outgoing, &writer);
    outgoing_add(outgoing, (const uint8_t *)bind->portal, bind->portal_size);
    outgoing_add(outgoing, (const uint8_t *)statement->name, new_name_size);
    outgoing_add(outgoing, bind->rest, bind->rest_size);
}

static void bind_message(struct outgoing *outgoing, const uint8_t *message, size_t available, const struct frame *frame)
{
    struct client *client = outgoing->client;
    const uint8_t *body = message + FRAME_HEADER_SIZE;
    size_t here = available - FRAME_HEADER_SIZE < frame->body_size ? available - FRAME_HEADER_SIZE : frame->body_size;
    struct bind bind = {.body_size = frame->body_size};
    if (frontend_parse_bind_names(body, here, &bind.portal, &bind.name) != CODEC_OK) {
        pass(outgoing, message, available, frame);
        return;
    }
    bind.portal_size = (size_t)(bind.name - bind.portal); /* it stands right before the name */
    bind.name_size = strlen(bind.name) + 1;
    bind.rest = body + bind.portal_size + bind.name_size;
    bind.rest_size = here - bind.portal_size - bind.name_size;
    if (outgoing->server->restore) prepare_forget_restore(outgoing->server);
    if (outgoing->server->deallocations.count > 0) deallocations_rebind(&outgoing->server->deallocations, bind.portal);
    struct statement *statement = *bind.name ? prepare_find(client, bind.name) : client->unnamed;
    if (statement) {
        run(outgoing, statement, bind.rest, bind.rest_size);
        if (statement->effects & RESTORE_EFFECTS) restore_bound(outgoing, statement, bind.portal);
        struct statement *instead = statement->effects & RENAME_EFFECTS ? rename_bound(outgoing, statement, bind.portal) : NULL;
        if (instead) {
            send_bind(outgoing, instead, &bind);
            statement_unref(&instead);
            return;
        }
    }
    if (*bind.name == '\0') {
        prepare_unnamed(outgoing);
        pass(outgoing, message, available, frame);
    } else if (statement) {
        prepare_statement(outgoing, statement, EXCHANGE_INJECTED);
        send_bind(outgoing, statement, &bind);
    } else {
        client->touched |= EFFECT_OPAQUE_CODE; /* made by SQL, or it does not exist */
        pass(outgoing, message, available, frame);
    }
}

static void execute_message(struct outgoing *outgoing, const uint8_t *message, size_t available, const struct frame *frame)
{
    struct server *server = outgoing->server;
    pass(outgoing, message, available, frame);
    if (server->deallocations.count == 0 && !server->restore) return;
    const char *portal = (const char *)message + FRAME_HEADER_SIZE;
    bool is_whole = available >= (size_t)FRAME_HEADER_SIZE + frame->body_size && memchr(portal, '\0', frame->body_size);
    if (is_whole && deallocations_run(&server->deallocations, portal)) prepare_deallocation_sent(server);
    if (is_whole && server->restore) restore_executed(outgoing, portal);
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
    struct statement *statement = *name ? prepare_find(outgoing->client, name) : NULL;
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

static void sync_message(struct outgoing *outgoing, const uint8_t *message, size_t available, const struct frame *frame)
{
    prepare_next_segment(outgoing->server);
    pass(outgoing, message, available, frame);
}

static void function_call_message(struct outgoing *outgoing, const uint8_t *message, size_t available, const struct frame *frame)
{
    outgoing->client->touched |= EFFECT_OPAQUE_CODE; /* set_config is a function like any other */
    /* Behind the function's oid it reads like a Bind behind its names. */
    if (available > FRAME_HEADER_SIZE + sizeof(uint32_t))
        touch_note_parameters(outgoing->client, message + FRAME_HEADER_SIZE + sizeof(uint32_t),
                              available - FRAME_HEADER_SIZE - sizeof(uint32_t));
    pass(outgoing, message, available, frame);
}

/* What happens to each type of message; the others pass. */
static void (*const handlers[UINT8_MAX + 1])(struct outgoing *, const uint8_t *, size_t, const struct frame *) = {
    [FRONTEND_PARSE] = parse_message,       [FRONTEND_BIND] = bind_message,
    [FRONTEND_DESCRIBE] = describe_message, [FRONTEND_CLOSE] = close_message,
    [FRONTEND_QUERY] = query_message,       [FRONTEND_EXECUTE] = execute_message,
    [FRONTEND_SYNC] = sync_message,         [FRONTEND_FUNCTION_CALL] = function_call_message,
};

void rewrite_message(struct outgoing *outgoing, const uint8_t *message, size_t available, const struct frame *frame)
{
    if (frame->type == FRONTEND_PARSE) outgoing->client->traffic->client_parse_count++;
    if (frame->type == FRONTEND_BIND) outgoing->client->traffic->bind_count++;
    /* While the server reads on to the next Sync without looking, so do we: nothing of this takes place. */
    bool is_ignored = exchange_is_skipping(&outgoing->server->exchange) && frame->type != FRONTEND_SYNC;
    bool passes = is_ignored || outgoing->client->pool->mode == POOL_MODE_SESSION || !handlers[frame->type];
    (passes ? pass : handlers[frame->type])(outgoing, message, available, frame);
}

bool rewrite_answer_parse(struct client *client, const uint8_t *message, const struct frame *frame)
{
    const uint8_t *body = message + FRAME_HEADER_SIZE;
    struct frontend_parse_message parsed;
    bool is_named = frame->body_size > 0 && *body != '\0';
    if (!is_named || client->pool->mode == POOL_MODE_SESSION || frontend_parse_parse(body, frame->body_size, &parsed) != CODEC_OK)
        return false;
    if (statement_names_find(&client->statements, parsed.statement)) return false;
    size_t name_size = strlen(parsed.statement) + 1;
    struct statement_terms terms = {
        .context = client_text_context(client), .is_named = true, .is_scannable = client_text_is_scannable(client)};
    struct statement *statement =
        statements_intern(client->host->commons->statements, body + name_size, frame->body_size - name_size, &terms);
    bool is_known =
        statement->is_proven && !rename_is_due(client, statement_effects(statement, terms.is_scannable, client_text_strings(client)));
    if (is_known) {
        client->traffic->client_parse_count++;
        statement_names_set(&client->statements, parsed.statement, statement);
        static const uint8_t parse_complete[] = {BACKEND_PARSE_COMPLETE, 0, 0, 0, 4};
        stream_write(&client->stream, parse_complete, sizeof parse_complete);
    }
    statement_unref(&statement);
    return is_known;
}

/* ---- errors about what we sent instead ---- */

static const char *find_our_name(const char *text, size_t size)
{
    for (const char *end = text + size; (text = memchr(text, 'p', (size_t)(end - text))); text++)
        if (statement_is_name(text)) return text; /* a NUL ends every field, so it never reads past the body */
    return NULL;
}

static void write_with_own_name(struct bytes_writer *writer, const struct client *client, const char *value)
{
    const char *found = find_our_name(value, strlen(value));
    if (found) {
        char server_name[STATEMENT_NAME_SIZE];
        memcpy(server_name, found, sizeof server_name - 1);
        server_name[sizeof server_name - 1] = '\0';
        const char *name = statement_names_of(&client->statements, server_name);
        if (!name) name = "?"; /* it has given it up meanwhile */
        bytes_write_block(writer, value, (size_t)(found - value));
        bytes_write_block(writer, name, strlen(name));
        value = found + STATEMENT_NAME_SIZE - 1;
    }
    bytes_write_cstring(writer, value);
}

/* A place in the Query, counted in characters from 1. Among several names that were replaced it is that of the first. */
static void write_own_position(struct bytes_writer *writer, const struct query_shift *shift, const char *value)
{
    char text[24];
    int64_t position = strtol(value, NULL, 10);
    if (position > shift->to)
        position += shift->by;
    else if (position > shift->from)
        position = (int64_t)shift->from + 1;
    snprintf(text, sizeof text, "%lld", (long long)position);
    bytes_write_cstring(writer, text);
}

size_t rewrite_error(const struct client *client, const uint8_t *body, size_t size, uint8_t *message_out, size_t capacity)
{
    const struct query_shift *shift = &client->server->query_shift;
    if (size == 0 || body[size - 1] != '\0' || (shift->to == 0 && !find_our_name((const char *)body, size))) return 0;
    struct bytes_reader reader;
    struct bytes_writer writer;
    bytes_reader_init(&reader, body, size);
    bytes_writer_init(&writer, message_out, capacity);
    size_t mark = bytes_begin_message(&writer, BACKEND_ERROR);
    for (uint8_t field; (field = bytes_read_u8(&reader)) != '\0';) {
        const char *value = bytes_read_cstring(&reader);
        if (!value) break;
        bytes_write_u8(&writer, field);
        if (field == 'P')
            write_own_position(&writer, shift, value);
        else
            write_with_own_name(&writer, client, value);
    }
    bytes_write_u8(&writer, '\0');
    bytes_end_message(&writer, mark);
    return writer.has_failed || !bytes_reader_is_done(&reader) ? 0 : writer.size;
}

void rewrite_forget_client(struct client *client)
{
    statement_names_clear(&client->statements);
    statement_unref(&client->unnamed);
}
