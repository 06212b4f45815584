/*
 * Messages of local transactions. Invariant: what is answered here has no effect on any server, but for names of statements.
 */
#include "proxy/local_messages.h"

#include <assert.h>
#include <string.h>

#include "protocol/backend.h"
#include "protocol/frontend.h"
#include "proxy/client_text.h"
#include "proxy/local_transaction.h"
#include "proxy/prepare.h"
#include "proxy/statement_effects.h"

/* Larger texts, and longer series of messages, are no mere BEGIN. */
enum { TEXT_MAX = 1024, UNIT_BYTES_MAX = 4096, UNIT_MESSAGES_MAX = 16, REPLY_MAX = 256 };

/* The rest of a message that is not all there goes nowhere. */
static enum local_answer use_up(struct client *client, size_t total, size_t size, size_t *used_out)
{
    *used_out = total < size ? total : size;
    client->message_left = (uint32_t)(total - *used_out);
    client->discards_message = client->message_left > 0;
    return LOCAL_ANSWERS;
}

/* ---- the simple protocol ---- */

static enum local_answer query(struct client *client, const uint8_t *message, size_t size, const struct frame *frame, size_t *used_out)
{
    size_t total = (size_t)FRAME_HEADER_SIZE + frame->body_size;
    enum sql_transaction command = SQL_TRANSACTION_NONE;
    uint8_t modes = 0;
    if (frame->type == FRONTEND_QUERY && total <= TEXT_MAX && client_text_is_scannable(client)) {
        const char *text;
        if (total > size) return LOCAL_WANTS_MORE;
        if (frontend_parse_query(message + FRAME_HEADER_SIZE, frame->body_size, &text) == CODEC_OK)
            command = sql_transaction_of(text, frame->body_size - 1, client_text_strings(client), &modes);
    }
    bool has_failed = client_has_failed(client);
    if (!has_failed && !local_transaction_can_run(client, command)) return LOCAL_DECLINES;
    prepare_set_unnamed(&client->unnamed, NULL); /* a Query ends it */
    uint8_t buffer[64];
    struct bytes_writer writer;
    bytes_writer_init(&writer, buffer, sizeof buffer);
    if (local_transaction_can_run(client, command)) {
        if (!local_transaction_fails_to_commit(client, command))
            backend_write_command_complete(&writer, local_transaction_run(client, command, modes));
    } else if (command == SQL_TRANSACTION_EMPTY) {
        backend_write_empty_query(&writer);
    } else {
        local_transaction_tell(client);
    }
    local_transaction_write_ready(client, &writer);
    local_transaction_reply(client, &writer);
    return use_up(client, total, size, used_out);
}

/* ---- the extended protocol ---- */

/* The messages up to a Sync, as far as they are about one command. Pointers are into the client's bytes. */
struct unit {
    struct client *client;
    const char *parsed; /* the name that its Parse gives; NULL: no Parse */
    enum sql_transaction parsed_command, bound_command, command;
    uint8_t parsed_modes, bound_modes;
    const char *portal; /* NULL: no Bind */
    bool is_run, is_closed;
    size_t size;
};

static enum sql_transaction command_of_tail(const struct client *client, const uint8_t *tail, size_t size, uint8_t *modes_out)
{
    if (size < 3 || size > TEXT_MAX || tail[size - 1] != 0 || tail[size - 2] != 0) return SQL_TRANSACTION_NONE; /* parameters */
    const char *text = (const char *)tail;
    return strlen(text) + 3 == size ? sql_transaction_of(text, size - 3, client_text_strings(client), modes_out) : SQL_TRANSACTION_NONE;
}

static bool take_parse(struct unit *unit, const uint8_t *body, size_t size)
{
    struct frontend_parse_message parsed;
    if (unit->parsed || unit->portal || frontend_parse_parse(body, size, &parsed) != CODEC_OK) return false;
    if (*parsed.statement && statement_names_find(&unit->client->statements, parsed.statement)) return false;
    size_t name_size = strlen(parsed.statement) + 1;
    unit->parsed = parsed.statement;
    unit->parsed_command = command_of_tail(unit->client, body + name_size, size - name_size, &unit->parsed_modes);
    return unit->parsed_command > SQL_TRANSACTION_EMPTY;
}

static enum sql_transaction command_of_name(const struct unit *unit, const char *name, uint8_t *modes_out)
{
    if (unit->parsed && strcmp(unit->parsed, name) == 0) {
        *modes_out = unit->parsed_modes;
        return unit->is_closed ? SQL_TRANSACTION_NONE : unit->parsed_command;
    }
    const struct client *client = unit->client;
    const struct statement *statement = *name ? statement_names_find(&client->statements, name) : client->unnamed;
    return statement ? command_of_tail(client, statement->tail, statement->tail_size, modes_out) : SQL_TRANSACTION_NONE;
}

/* No parameters, and any result formats: there is no result. */
static bool is_bare(const uint8_t *rest, size_t size)
{
    return size >= 6 && rest[0] == 0 && rest[1] == 0 && rest[2] == 0 && rest[3] == 0 &&
           size == 6 + 2 * ((size_t)rest[4] << 8 | (size_t)rest[5]);
}

static bool take_bind(struct unit *unit, const uint8_t *body, size_t size)
{
    const char *portal, *name;
    if (unit->portal || frontend_parse_bind_names(body, size, &portal, &name) != CODEC_OK) return false;
    size_t names_size = strlen(portal) + 1 + strlen(name) + 1;
    if (!is_bare(body + names_size, size - names_size)) return false;
    unit->portal = portal;
    unit->bound_command = command_of_name(unit, name, &unit->bound_modes);
    return unit->bound_command > SQL_TRANSACTION_EMPTY;
}

static bool is_portal(const struct unit *unit, const char *name)
{
    return unit->portal && strcmp(unit->portal, name) == 0;
}

static bool take_target(struct unit *unit, uint8_t type, const uint8_t *body, size_t size)
{
    char kind;
    const char *name;
    uint8_t modes;
    if (frontend_parse_target(body, size, &kind, &name) != CODEC_OK) return false;
    if (kind == 'P') return is_portal(unit, name);
    if (type == FRONTEND_DESCRIBE) return command_of_name(unit, name, &modes) > SQL_TRANSACTION_EMPTY;
    if (!unit->parsed || unit->is_closed || strcmp(unit->parsed, name) != 0) return false;
    unit->is_closed = true;
    return true;
}

static bool take_execute(struct unit *unit, const uint8_t *body, size_t size)
{
    const char *portal;
    uint32_t max_rows;
    if (unit->is_run || frontend_parse_execute(body, size, &portal, &max_rows) != CODEC_OK || !is_portal(unit, portal)) return false;
    unit->is_run = true;
    return local_transaction_can_run(unit->client, unit->bound_command);
}

static bool take_message(struct unit *unit, uint8_t type, const uint8_t *body, size_t size)
{
    switch (type) {
    case FRONTEND_PARSE: return take_parse(unit, body, size);
    case FRONTEND_BIND: return take_bind(unit, body, size);
    case FRONTEND_DESCRIBE:
    case FRONTEND_CLOSE: return take_target(unit, type, body, size);
    case FRONTEND_EXECUTE: return take_execute(unit, body, size);
    default: return false;
    }
}

/* ANSWERS: all of it can be answered here. */
static enum local_answer read_unit(struct unit *unit, const uint8_t *data, size_t size)
{
    size_t position = 0;
    for (int i = 0; i < UNIT_MESSAGES_MAX; i++) {
        struct frame frame;
        enum codec_result header = frame_parse_header(data + position, size - position, &frame);
        if (header != CODEC_OK) return header == CODEC_MORE ? LOCAL_WANTS_MORE : LOCAL_DECLINES;
        size_t total = (size_t)FRAME_HEADER_SIZE + frame.body_size;
        if (total > UNIT_BYTES_MAX - position) return LOCAL_DECLINES;
        if (total > size - position) return LOCAL_WANTS_MORE;
        if (frame.type == FRONTEND_SYNC) {
            unit->size = position + total;
            return unit->is_run || client_has_failed(unit->client) ? LOCAL_ANSWERS : LOCAL_DECLINES;
        }
        if (!take_message(unit, frame.type, data + position + FRAME_HEADER_SIZE, frame.body_size)) return LOCAL_DECLINES;
        position += total;
    }
    return LOCAL_DECLINES;
}

static void name_statement(struct client *client, const uint8_t *body, size_t size)
{
    const char *name = (const char *)body;
    size_t name_size = strlen(name) + 1;
    struct statement_terms terms = {.context = client_text_context(client), .is_named = *name != '\0', .is_scannable = true};
    struct statement *statement = statements_intern(client->host->commons->statements, body + name_size, size - name_size, &terms);
    statement_effects(statement, true, client_text_strings(client));
    if (*name) {
        struct statement *former = statement_names_set(&client->statements, name, statement);
        statement_unref(&former);
    } else {
        prepare_set_unnamed(&client->unnamed, statement);
    }
    statement_unref(&statement);
}

static void close_target(struct client *client, const uint8_t *body)
{
    const char *name = (const char *)body + 1;
    if (body[0] != 'S') return;
    if (*name) {
        struct statement *former = statement_names_set(&client->statements, name, NULL);
        statement_unref(&former);
    } else {
        prepare_set_unnamed(&client->unnamed, NULL);
    }
}

static void answer_message(struct unit *unit, uint8_t type, const uint8_t *body, size_t size, struct bytes_writer *writer)
{
    struct client *client = unit->client;
    switch (type) {
    case FRONTEND_PARSE:
        name_statement(client, body, size);
        backend_write_bare(writer, BACKEND_PARSE_COMPLETE);
        break;
    case FRONTEND_BIND: backend_write_bare(writer, BACKEND_BIND_COMPLETE); break;
    case FRONTEND_DESCRIBE:
        if (body[0] == 'S') {
            size_t mark = bytes_begin_message(writer, BACKEND_PARAMETER_DESCRIPTION);
            bytes_write_u16(writer, 0);
            bytes_end_message(writer, mark);
        }
        backend_write_bare(writer, BACKEND_NO_DATA);
        break;
    case FRONTEND_EXECUTE:
        backend_write_command_complete(writer, local_transaction_run(client, unit->bound_command, unit->bound_modes));
        break;
    case FRONTEND_CLOSE:
        close_target(client, body);
        backend_write_bare(writer, BACKEND_CLOSE_COMPLETE);
        break;
    default: local_transaction_write_ready(client, writer); break;
    }
}

static enum local_answer answer_unit(struct unit *unit, const uint8_t *data, size_t *used_out)
{
    uint8_t buffer[REPLY_MAX];
    struct bytes_writer writer;
    bytes_writer_init(&writer, buffer, sizeof buffer);
    for (size_t position = 0; position < unit->size;) {
        struct frame frame;
        enum codec_result header = frame_parse_header(data + position, unit->size - position, &frame);
        assert(header == CODEC_OK);
        answer_message(unit, frame.type, data + position + FRAME_HEADER_SIZE, frame.body_size, &writer);
        position += (size_t)FRAME_HEADER_SIZE + frame.body_size;
    }
    local_transaction_reply(unit->client, &writer);
    *used_out = unit->size;
    return LOCAL_ANSWERS;
}

/* It has failed: an error, and nothing more up to the next Sync. */
static enum local_answer refuse_unit(struct client *client, size_t *used_out)
{
    local_transaction_tell(client);
    client->discards_to_sync = true;
    *used_out = 0;
    return LOCAL_ANSWERS;
}

static enum local_answer extended(struct client *client, const uint8_t *data, size_t size, size_t *used_out)
{
    struct unit unit = {.client = client};
    enum local_answer answer = client_text_is_scannable(client) ? read_unit(&unit, data, size) : LOCAL_DECLINES;
    if (answer == LOCAL_DECLINES && client_has_failed(client)) return refuse_unit(client, used_out);
    if (answer != LOCAL_ANSWERS) return answer;
    if (unit.is_run && local_transaction_fails_to_commit(client, unit.bound_command)) {
        client->discards_to_sync = true;
        *used_out = 0;
        return LOCAL_ANSWERS;
    }
    return answer_unit(&unit, data, used_out);
}

/* ---- which of them ---- */

/* The end of a Bind without parameters: no formats, no parameters, no result format or one. */
static bool may_be_bare(const uint8_t *end)
{
    static const uint8_t zeros[6] = {0};
    return memcmp(end - 6, zeros, 6) == 0 || (memcmp(end - 8, zeros, 5) == 0 && end[-3] == 1);
}

bool local_messages_concern(const struct client *client, const uint8_t *data, size_t size, const struct frame *frame)
{
    if (client->transaction != LOCAL_NONE) return true;
    if (client->pool->mode != POOL_MODE_TRANSACTION || frame->body_size > TEXT_MAX || frame->body_size > size - FRAME_HEADER_SIZE)
        return false;
    const uint8_t *body = data + FRAME_HEADER_SIZE, *end = body + frame->body_size;
    if (frame->type == FRONTEND_QUERY) return sql_transaction_is_likely((const char *)body, frame->body_size);
    if (frame->type == FRONTEND_BIND) return frame->body_size >= 8 && may_be_bare(end);
    if (frame->type != FRONTEND_PARSE) return false;
    const uint8_t *name_end = memchr(body, '\0', frame->body_size);
    return name_end && sql_transaction_is_likely((const char *)name_end + 1, (size_t)(end - name_end - 1));
}

enum local_answer local_messages_answer(struct client *client, const uint8_t *data, size_t size, const struct frame *frame,
                                        size_t *used_out)
{
    if (client->pool->mode != POOL_MODE_TRANSACTION && !client_has_failed(client)) return LOCAL_DECLINES;
    switch (frame->type) {
    case FRONTEND_QUERY: return query(client, data, size, frame, used_out);
    case FRONTEND_FUNCTION_CALL: return client_has_failed(client) ? query(client, data, size, frame, used_out) : LOCAL_DECLINES;
    case FRONTEND_PARSE:
    case FRONTEND_BIND: return extended(client, data, size, used_out);
    case FRONTEND_DESCRIBE:
    case FRONTEND_EXECUTE:
    case FRONTEND_CLOSE: return client_has_failed(client) ? extended(client, data, size, used_out) : LOCAL_DECLINES;
    default: return LOCAL_DECLINES;
    }
}
