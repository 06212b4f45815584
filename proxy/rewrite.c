/*
 * Prepared statements of clients that share servers. Not for: when a lease begins or ends (relay.c), the tables themselves (statements.h).
 *
 * What a Parse or Close will have done is assumed when it is sent, because the next message may rely on it before any reply has come; server->preparations holds
 * what was assumed, in order, and rewrite_ended takes back what did not come true.
 *
 * Invariants: each Parse and Close told to the exchange has exactly one entry in server->preparations; no name that a client chose reaches a server
 * as the name of a statement that is known here.
 */
#include "proxy/rewrite.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/backend.h"
#include "protocol/frontend.h"
#include "proxy/inquiry.h"
#include "proxy/memory.h"
#include "proxy/pins.h"
#include "proxy/statement_effects.h"

/* ---- outgoing ---- */

void outgoing_init(struct outgoing *outgoing, struct client *client)
{
    outgoing->client = client;
    outgoing->server = client->server;
    outgoing->count = 0;
    outgoing->side_used = 0;
}

void outgoing_flush(struct outgoing *outgoing)
{
    if (outgoing->count > 0 && !server_send(outgoing->server, outgoing->parts, outgoing->count))
        stream_pause_reading(&outgoing->client->stream);
    outgoing->count = 0;
    outgoing->side_used = 0;
}

void outgoing_add(struct outgoing *outgoing, const uint8_t *data, size_t size)
{
    if (size == 0) return;
    struct iovec *last = outgoing->count > 0 ? &outgoing->parts[outgoing->count - 1] : NULL;
    if (last && (const uint8_t *)last->iov_base + last->iov_len == data) {
        last->iov_len += size;
        return;
    }
    if (outgoing->count == OUTGOING_PARTS_MAX) outgoing_flush(outgoing);
    outgoing->parts[outgoing->count++] = (struct iovec){.iov_base = (void *)(uintptr_t)data, .iov_len = size};
}

/* A writer for at most `size` bytes of our own; add_made puts in line what it wrote. */
static struct bytes_writer make(struct outgoing *outgoing, size_t size)
{
    assert(size <= OUTGOING_SIDE_SIZE);
    if (outgoing->side_used + size > OUTGOING_SIDE_SIZE) outgoing_flush(outgoing);
    struct bytes_writer writer;
    bytes_writer_init(&writer, outgoing->side + outgoing->side_used, OUTGOING_SIDE_SIZE - outgoing->side_used);
    return writer;
}

static void add_made(struct outgoing *outgoing, const struct bytes_writer *writer)
{
    assert(!writer->has_failed);
    /* The flush of a full list gives up all of the side buffer: what was made there just now must not be among it. */
    if (outgoing->count == OUTGOING_PARTS_MAX) {
        size_t used = outgoing->side_used;
        outgoing_flush(outgoing);
        outgoing->side_used = used;
    }
    outgoing->side_used += writer->size;
    outgoing_add(outgoing, writer->data, writer->size);
}

/* ---- messages of our own ---- */

/* All texts together; what comes beyond that stays with its client's server. */
enum { STATEMENTS_BYTES_MAX = 256 * 1024 * 1024 };

enum { SMALL_MESSAGE = 5 + STATEMENT_NAME_SIZE + 16 };

static void send_close(struct outgoing *outgoing, struct statement *statement)
{
    struct server *server = outgoing->server;
    if (!exchange_sent(&server->exchange, EXCHANGE_OURS, FRONTEND_CLOSE, 'S')) return;
    preparations_push(&server->preparations, PREPARATION_EVICTED, statement_ref(statement), NULL, NULL);
    struct bytes_writer writer = make(outgoing, SMALL_MESSAGE);
    frontend_write_close(&writer, 'S', statement->name);
    add_made(outgoing, &writer);
    prepared_set_remove(&server->prepared, statement);
}

/* A Parse under the name that servers know the statement by. */
static void send_parse(struct outgoing *outgoing, const struct statement *statement)
{
    struct bytes_writer writer = make(outgoing, SMALL_MESSAGE);
    size_t name_size = strlen(statement->name) + 1;
    bytes_write_u8(&writer, FRONTEND_PARSE);
    bytes_write_u32(&writer, (uint32_t)(4 + name_size + statement->tail_size));
    bytes_write_cstring(&writer, statement->name);
    add_made(outgoing, &writer);
    outgoing_add(outgoing, statement->tail, statement->tail_size);
}

static void make_room(struct outgoing *outgoing)
{
    struct prepared_set *set = &outgoing->server->prepared;
    int64_t most = outgoing->server->host->commons->config->settings.max_prepared_statements;
    while (set->count > 0 && set->count >= most) {
        struct statement *oldest = statement_ref(prepared_set_oldest(set));
        send_close(outgoing, oldest);
        prepared_set_remove(set, oldest); /* also where the server is skipping and no Close was sent */
        statement_unref(&oldest);
    }
}

/* The server is about to be given the statement: whatever may be there under its name goes first. */
static void prepare_place(struct outgoing *outgoing, struct statement *statement, enum prepared_state state)
{
    if (state == PREPARED_MAYBE) send_close(outgoing, statement);
    make_room(outgoing);
}

/* Put a Parse in front when the server lacks the statement. An error in it is the client's to see when `owner` is EXCHANGE_INJECTED. */
static bool ensure_prepared(struct outgoing *outgoing, struct statement *statement, enum exchange_owner owner)
{
    struct server *server = outgoing->server;
    enum prepared_state state = prepared_set_use(&server->prepared, statement);
    if (state == PREPARED_YES) return false;
    prepare_place(outgoing, statement, state);
    if (!exchange_sent(&server->exchange, owner, FRONTEND_PARSE, 0)) return true;
    preparations_push(&server->preparations, PREPARATION_INJECTED, statement_ref(statement), NULL, NULL);
    send_parse(outgoing, statement);
    prepared_set_add(&server->prepared, statement);
    server->host->commons->stats.statements_injected++;
    return true;
}

/* ---- the unnamed statement ---- */

static void forget_unnamed(struct server *server)
{
    statement_unref(&server->unnamed);
    server->has_large_unnamed = false;
}

static void set_unnamed(struct statement **place, struct statement *statement)
{
    if (*place == statement) return;
    statement_unref(place);
    *place = statement ? statement_ref(statement) : NULL;
}

/* Its Parse was sent. */
static void put_unnamed(struct server *server, struct statement *statement)
{
    set_unnamed(&server->unnamed, statement);
    server->has_large_unnamed = false;
    server->is_unnamed_confirmed = false;
    server->unnamed_segment = server->prepared.segment;
}

/* The server's unnamed statement may be another client's, or an older one of this client's. */
static void ensure_unnamed(struct outgoing *outgoing)
{
    struct client *client = outgoing->client;
    struct server *server = outgoing->server;
    bool is_sure = server->is_unnamed_confirmed || server->unnamed_segment == server->prepared.segment;
    if (server->has_large_unnamed || (client->unnamed && server->unnamed == client->unnamed && is_sure)) return;
    if (client->unnamed) {
        if (!exchange_sent(&server->exchange, EXCHANGE_INJECTED, FRONTEND_PARSE, 0)) return;
        preparations_push(&server->preparations, PREPARATION_INJECTED_UNNAMED, statement_ref(client->unnamed), NULL, NULL);
        send_parse(outgoing, client->unnamed);
        put_unnamed(server, client->unnamed);
        return;
    }
    /* It has none, and must hear that from the server instead of running another client's. */
    if (!exchange_sent(&server->exchange, EXCHANGE_OURS, FRONTEND_CLOSE, 'S')) return;
    preparations_push(&server->preparations, PREPARATION_PLAIN, NULL, NULL, NULL);
    struct bytes_writer writer = make(outgoing, SMALL_MESSAGE);
    frontend_write_close(&writer, 'S', "");
    add_made(outgoing, &writer);
    forget_unnamed(server);
}

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

/*
 * How a client's texts are to be read: by its own settings, not by what its server reports, which may still be what a former client set. Worked out once for
 * each map of settings, and kept with it as its note: the four lowest bits are flags, the others the context.
 */
enum { NOTE_HAS_ENCODING = 1, NOTE_IS_SCANNABLE = 2, NOTE_HAS_STRINGS = 4, NOTE_HAS_BACKSLASHES = 8, NOTE_FLAGS = 15 };

/* What PostgreSQL reads from the session while it parses; a statement that was parsed under other values is another statement. */
static uint64_t hash_parse_settings(const struct client *client)
{
    static const char *const names[] = {"array_nulls",
                                        "backslash_quote",
                                        "client_encoding",
                                        "datestyle",
                                        "default_text_search_config",
                                        "intervalstyle",
                                        "lc_monetary",
                                        "lc_numeric",
                                        "role",
                                        "search_path",
                                        "session_authorization",
                                        "standard_conforming_strings",
                                        "timezone",
                                        "timezone_abbreviations",
                                        "transform_null_equals",
                                        "xmloption"};
    uint64_t context = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = session_state_get(client->settings, names[i]);
        if (!value) continue;
        uint64_t hash = statements_hash(client->host->commons->statements, value, strlen(value));
        context = (context ^ hash) * UINT64_C(0x9e3779b97f4a7c15) + i + 1;
    }
    return context;
}

static uint64_t note_of(const struct client *client)
{
    uint64_t note;
    if (session_state_note(client->settings, &note)) return note;
    note = hash_parse_settings(client) & ~(uint64_t)NOTE_FLAGS;
    const char *encoding = session_state_get(client->settings, "client_encoding");
    const char *strings = session_state_get(client->settings, "standard_conforming_strings");
    if (encoding) note |= NOTE_HAS_ENCODING | (sql_lex_can_read(encoding) ? NOTE_IS_SCANNABLE : 0u);
    if (strings) note |= NOTE_HAS_STRINGS | (strcmp(strings, "off") == 0 ? NOTE_HAS_BACKSLASHES : 0u);
    session_state_set_note(client->settings, note);
    return note;
}

static bool is_scannable(const struct client *client)
{
    uint64_t note = note_of(client);
    return note & NOTE_HAS_ENCODING ? (note & NOTE_IS_SCANNABLE) != 0 : client->pool->is_scannable;
}

static enum sql_strings strings_of(const struct client *client)
{
    uint64_t note = note_of(client);
    bool has_backslashes = note & NOTE_HAS_STRINGS ? (note & NOTE_HAS_BACKSLASHES) != 0 : client->pool->has_backslashes;
    return has_backslashes ? SQL_STRINGS_BACKSLASH : SQL_STRINGS_STANDARD;
}

static uint64_t parse_context(const struct client *client)
{
    return (note_of(client) & ~(uint64_t)NOTE_FLAGS) ^ client->pool->parameters_hash;
}

/* The statement that the client calls by this name, in the terms of its settings now: a server must not get it from a session that reads it otherwise. */
static struct statement *find_statement(struct outgoing *outgoing, const char *name)
{
    struct client *client = outgoing->client;
    struct statement *statement = statement_names_find(&client->statements, name);
    uint64_t context = statement ? parse_context(client) : 0;
    if (!statement || statement->context == context) return statement;
    struct statement_terms terms = {.context = context, .is_named = true, .is_scannable = is_scannable(outgoing->client)};
    struct statement *renewed = statements_intern(client->host->commons->statements, statement->tail, statement->tail_size, &terms);
    statement_effects(renewed, terms.is_scannable, strings_of(outgoing->client));
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
    put_unnamed(server, statement);
    /* The unnamed statement's name takes one byte. As it came, unless names in it were replaced: one piece with what surrounds it. */
    bool is_as_it_came =
        frame->body_size == statement->tail_size + 1 && memcmp(message + FRAME_HEADER_SIZE + 1, statement->tail, statement->tail_size) == 0;
    if (is_as_it_came)
        outgoing_add(outgoing, message, (size_t)FRAME_HEADER_SIZE + frame->body_size);
    else
        send_parse(outgoing, statement);
}

/* It exists already: the server shall say so, which it does when it has it. */
static void pass_duplicate(struct outgoing *outgoing, struct statement *existing)
{
    struct server *server = outgoing->server;
    ensure_prepared(outgoing, existing, EXCHANGE_INJECTED);
    if (!exchange_sent(&server->exchange, EXCHANGE_CLIENT, FRONTEND_PARSE, 0)) return;
    preparations_push(&server->preparations, PREPARATION_PLAIN, NULL, NULL, NULL);
    send_parse(outgoing, existing);
}

/* The transaction is known to be a failed one. */
static bool has_failed(const struct server *server)
{
    return exchange_is_settled(&server->exchange) && server->exchange.status == 'E';
}

static void pass_parse_named(struct outgoing *outgoing, const char *name, struct statement *statement)
{
    struct client *client = outgoing->client;
    struct server *server = outgoing->server;
    enum preparation_kind kind = PREPARATION_NAMED;
    enum prepared_state state = prepared_set_use(&server->prepared, statement);
    if (state == PREPARED_YES && has_failed(server)) state = PREPARED_MAYBE; /* the server shall refuse it */
    if (state == PREPARED_YES) {
        if (!exchange_answer_here(&server->exchange, FRONTEND_PARSE)) return;
        kind = PREPARATION_ANSWERED;
    } else {
        prepare_place(outgoing, statement, state);
        if (!exchange_sent(&server->exchange, EXCHANGE_CLIENT, FRONTEND_PARSE, 0)) return;
        send_parse(outgoing, statement);
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
        set_unnamed(&client->unnamed, NULL);
        forget_unnamed(server);
        server->has_large_unnamed = true;
    }
    pass(outgoing, message, available, frame);
}

/* ---- what running a statement does to the session ---- */

/* DISCARD ALL and DEALLOCATE ALL: the client's names are gone, unless it is known that the server is going to refuse. */
static void forget_statements(struct client *client, uint32_t effects)
{
    const struct exchange *exchange = &client->server->exchange;
    if (exchange_is_settled(exchange) && (exchange->status == 'E' || (exchange->status == 'T' && (effects & EFFECT_DISCARD_ALL)))) return;
    statement_names_clear(&client->statements);
    prepared_set_doubt_all(&client->server->prepared);
}

/* CREATE makes temporary objects where search_path says so; while that is being set or asked for, it may. */
static bool may_have_temporary_path(const struct client *client, uint32_t effects)
{
    if (((client->touched | effects) & EFFECT_SET) || client->server->inquiry) return true;
    const char *path = session_state_get(client->settings, "search_path");
    return path && strstr(path, "pg_temp");
}

static void touch(struct client *client, uint32_t effects)
{
    if ((effects & EFFECT_CREATE) && may_have_temporary_path(client, effects)) effects |= EFFECT_TEMP;
    client->touched |= effects & EFFECTS_TO_ASK;
    if (client->pins) client->touched |= EFFECT_RAN;
    if (effects & (EFFECT_DISCARD_ALL | EFFECT_DEALLOCATE_ALL)) forget_statements(client, effects);
    if (effects & EFFECT_DEALLOCATE_ALL_LATER) client->awaits_deallocate = true;
}

/* A Parse that fails goes in front of what is refused; its error is replaced by ours, and the server skips to Sync by itself. */
static void send_refusal(struct outgoing *outgoing)
{
    struct server *server = outgoing->server;
    if (!exchange_sent(&server->exchange, EXCHANGE_INJECTED, FRONTEND_PARSE, 0)) return;
    preparations_push(&server->preparations, PREPARATION_REFUSAL, NULL, NULL, NULL);
    server->host->commons->stats.pins_refused++;
    struct bytes_writer writer = make(outgoing, SMALL_MESSAGE);
    frontend_write_parse(&writer, "", "*", NULL, 0);
    add_made(outgoing, &writer);
    forget_unnamed(server);
}

/* What the text may do besides, by functions of the database. */
static uint32_t effects_of_functions(const struct outgoing *outgoing, uint32_t effects, const char *text, size_t size)
{
    struct pool *pool = outgoing->client->pool;
    if (!is_scannable(outgoing->client)) return 0;
    enum sql_strings strings = strings_of(outgoing->client);
    if (effects & EFFECT_CREATE) function_names_add_created(&pool->functions, text, size, strings);
    bool are_called = !function_names_is_empty(&pool->functions) && function_names_are_called(&pool->functions, text, size, strings);
    return are_called ? EFFECT_OPAQUE_CODE : 0;
}

static void note_setting_names(const struct outgoing *outgoing, uint32_t effects, const char *text, size_t size)
{
    const struct client *client = outgoing->client;
    if (effects & EFFECTS_ON_SETTINGS) inquiry_note_names(client->pool, text, size, is_scannable(client), strings_of(client));
}

/* The parameters of a Bind, of which one may be the name of a setting. What cannot be read is no concern of ours. */
static void note_parameters(const struct outgoing *outgoing, const uint8_t *data, size_t size)
{
    struct bytes_reader reader;
    bytes_reader_init(&reader, data, size);
    bytes_read_block(&reader, (size_t)bytes_read_u16(&reader) * sizeof(uint16_t)); /* formats */
    for (unsigned left = bytes_read_u16(&reader); left > 0 && !reader.has_failed; left--) {
        uint32_t length = bytes_read_u32(&reader);
        const uint8_t *value = length == UINT32_MAX ? NULL : bytes_read_block(&reader, length);
        if (value) inquiry_note_name(outgoing->client->pool, (const char *)value, length);
    }
}

/* The client is about to run the statement; `rest` of the Bind is what follows the names. */
static void run(struct outgoing *outgoing, const struct statement *statement, const uint8_t *rest, size_t rest_size)
{
    const char *text = (const char *)statement->tail;
    note_setting_names(outgoing, statement->effects, text, strlen(text));
    if (statement->effects & EFFECTS_ON_SETTINGS) note_parameters(outgoing, rest, rest_size);
    if (inquiry_refuses_pin(outgoing->client, statement->effects)) send_refusal(outgoing);
    touch(outgoing->client, statement->effects | effects_of_functions(outgoing, statement->effects, text, strlen(text)));
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
    struct bytes_writer writer = make(outgoing, SMALL_MESSAGE);
    frontend_write_sync(&writer);
    add_made(outgoing, &writer);
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
    if (ensure_prepared(outgoing, statement, rename->owner) && rename->owner == EXCHANGE_OURS) send_sync(outgoing);
    if (effect & EFFECT_EXECUTE) touch(client, statement->effects);
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
    bool can_scan = is_scannable(outgoing->client);
    enum sql_strings strings = strings_of(outgoing->client);
    struct statement_terms terms = {.context = parse_context(client), .is_named = name_size > 1, .is_scannable = can_scan};
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
    set_unnamed(&client->unnamed, NULL);
    forget_unnamed(server);
    const char *text;
    if (available < (size_t)FRAME_HEADER_SIZE + frame->body_size ||
        frontend_parse_query(message + FRAME_HEADER_SIZE, frame->body_size, &text) != CODEC_OK) {
        touch(client, EFFECT_OPAQUE_CODE);
        pass(outgoing, message, available, frame);
        return;
    }
    enum sql_strings strings = strings_of(client);
    uint32_t effects = statement_effects_of_text(text, frame->body_size - 1, is_scannable(client), strings);
    if (inquiry_refuses_pin(client, effects)) {
        client->host->commons->stats.pins_refused++;
        send_query(outgoing, refusal_sql);
        return;
    }
    note_setting_names(outgoing, effects, text, frame->body_size - 1);
    touch(client, effects | effects_of_functions(outgoing, effects, text, frame->body_size - 1));
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
        ensure_unnamed(outgoing);
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
    ensure_prepared(outgoing, statement, EXCHANGE_INJECTED);
    exchange_sent(&outgoing->server->exchange, EXCHANGE_CLIENT, FRONTEND_BIND, 0);
    size_t new_name_size = strlen(statement->name) + 1;
    struct bytes_writer writer = make(outgoing, FRAME_HEADER_SIZE);
    bytes_write_u8(&writer, FRONTEND_BIND);
    bytes_write_u32(&writer, (uint32_t)(4 + frame->body_size - name_size + new_name_size));
    add_made(outgoing, &writer);
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
        if (*name == '\0') ensure_unnamed(outgoing);
        pass(outgoing, message, available, frame);
        return;
    }
    ensure_prepared(outgoing, statement, EXCHANGE_INJECTED);
    exchange_sent(&outgoing->server->exchange, EXCHANGE_CLIENT, FRONTEND_DESCRIBE, 'S');
    struct bytes_writer writer = make(outgoing, SMALL_MESSAGE);
    frontend_write_describe(&writer, 'S', statement->name);
    add_made(outgoing, &writer);
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
        set_unnamed(&client->unnamed, NULL);
        forget_unnamed(server);
    }
    pass(outgoing, message, available, frame);
}

void rewrite_message(struct outgoing *outgoing, const uint8_t *message, size_t available, const struct frame *frame)
{
    if (outgoing->client->pool->mode == POOL_MODE_SESSION) {
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
    struct statement_terms terms = {.context = parse_context(client), .is_named = true, .is_scannable = is_scannable(client)};
    struct statement *statement =
        statements_intern(client->host->commons->statements, body + name_size, frame->body_size - name_size, &terms);
    bool is_known = statement->is_proven && !may_rename(client, statement_effects(statement, terms.is_scannable, strings_of(client)));
    if (is_known) {
        statement_names_set(&client->statements, parsed.statement, statement);
        static const uint8_t parse_complete[] = {BACKEND_PARSE_COMPLETE, 0, 0, 0, 4};
        stream_write(&client->stream, parse_complete, sizeof parse_complete);
    }
    statement_unref(&statement);
    return is_known;
}

/* ---- what became of it ---- */

static void undo_name(struct client *client, struct preparation *preparation)
{
    if (!client) return;
    if (preparation->kind == PREPARATION_CLOSED || statement_names_find(&client->statements, preparation->name) == preparation->statement) {
        struct statement *undone = statement_names_set(&client->statements, preparation->name, preparation->former);
        statement_unref(&undone);
    }
}

static void undo(struct server *server, struct preparation *preparation, enum exchange_outcome outcome)
{
    struct client *client = server->client;
    preparations_undo_former(&server->preparations, preparation);
    switch (preparation->kind) {
    case PREPARATION_PLAIN: break;
    case PREPARATION_NAMED:
        undo_name(client, preparation);
        /* fall through */
    case PREPARATION_INJECTED:
        if (outcome == EXCHANGE_FAILED)
            prepared_set_remove(&server->prepared, preparation->statement);
        else
            prepared_set_doubt(&server->prepared, preparation->statement);
        break;
    case PREPARATION_ANSWERED:
    case PREPARATION_CLOSED: undo_name(client, preparation); break;
    case PREPARATION_UNNAMED:
        /* A Parse that fails has destroyed the former unnamed statement; one that was skipped has not. */
        if (client && client->unnamed == preparation->statement)
            set_unnamed(&client->unnamed, outcome == EXCHANGE_SKIPPED ? preparation->former : NULL);
        /* fall through */
    case PREPARATION_INJECTED_UNNAMED: forget_unnamed(server); break;
    case PREPARATION_EVICTED: prepared_set_doubt(&server->prepared, preparation->statement); break;
    case PREPARATION_REFUSAL: server->replaces_error = outcome == EXCHANGE_FAILED; break;
    }
}

static void confirm(struct server *server, struct statement *statement)
{
    prepared_set_confirm(&server->prepared, statement);
    statement->is_proven = true;
}

void rewrite_ended(void *context, enum exchange_outcome outcome)
{
    struct server *server = context;
    struct preparation preparation = preparations_pop(&server->preparations);
    if (outcome != EXCHANGE_DONE)
        undo(server, &preparation, outcome);
    else if (preparation.kind == PREPARATION_NAMED || preparation.kind == PREPARATION_INJECTED)
        confirm(server, preparation.statement);
    else if (preparation.kind == PREPARATION_UNNAMED || preparation.kind == PREPARATION_INJECTED_UNNAMED)
        server->is_unnamed_confirmed = server->unnamed == preparation.statement;
    preparation_fini(&preparation);
}

void rewrite_deallocated_all(struct server *server)
{
    statement_names_clear(&server->client->statements);
    prepared_set_doubt_all(&server->prepared);
}

void rewrite_plan_is_stale(struct server *server)
{
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

/* ---- ends ---- */

void rewrite_forget_client(struct client *client)
{
    statement_names_clear(&client->statements);
    statement_unref(&client->unnamed);
}

void rewrite_forget_server(struct server *server)
{
    prepared_set_clear(&server->prepared);
    preparations_fini(&server->preparations);
    statement_unref(&server->unnamed);
    inquiry_forget(server);
}
