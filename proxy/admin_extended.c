/*
 * The extended protocol of the console (PostgreSQL manual, "Extended Query"). Statements have no parameters. Portals last until Sync, as they do on a server outside of a transaction
 * block; both are bounded.
 */
#include "proxy/admin_session.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/backend.h"
#include "protocol/frontend.h"
#include "proxy/memory.h"

static void fail(struct console *console, const char *sqlstate, const char *message, const char *hint)
{
    console_error(console, sqlstate, message, hint);
    console->discards_to_sync = true;
}

/* ---- statements ---- */

static struct console_statement **find_statement(struct console *console, const char *name)
{
    struct console_statement **link = &console->statements;
    while (*link && strcmp((*link)->name, name) != 0) link = &(*link)->next;
    return link;
}

static void forget_statement(struct console_statement **link)
{
    struct console_statement *statement = *link;
    if (!statement) return;
    *link = statement->next;
    free(statement->name);
    free(statement);
}

void console_forget_statements(struct console *console)
{
    while (console->statements) forget_statement(&console->statements);
}

static unsigned count_statements(const struct console *console)
{
    unsigned count = 0;
    for (const struct console_statement *statement = console->statements; statement; statement = statement->next) count++;
    return count;
}

static void parse_message(struct console *console, const uint8_t *body, size_t size)
{
    struct frontend_parse_message parsed;
    struct admin_command command, rest;
    const char *why, *hint;
    size_t used, more;
    if (frontend_parse_parse(body, size, &parsed) != CODEC_OK) {
        fail(console, SQLSTATE_PROTOCOL_VIOLATION, "invalid Parse message", NULL);
        return;
    }
    size_t text_size = strlen(parsed.text);
    if (admin_parse(parsed.text, text_size, &command, &used, &why, &hint) != CODEC_OK) {
        fail(console, SQLSTATE_SYNTAX_ERROR, why, hint);
        return;
    }
    bool is_alone = admin_parse(parsed.text + used, text_size - used, &rest, &more, &why, &hint) == CODEC_OK && rest.verb == VERB_NOTHING &&
                    used + more == text_size;
    if (!is_alone) {
        fail(console, SQLSTATE_SYNTAX_ERROR, "cannot insert multiple commands into a prepared statement", NULL);
        return;
    }
    struct console_statement **existing = find_statement(console, parsed.statement);
    if (*existing && *parsed.statement) {
        fail(console, SQLSTATE_DUPLICATE_STATEMENT, "prepared statement already exists", NULL);
        return;
    }
    forget_statement(existing);
    if (count_statements(console) >= CONSOLE_STATEMENTS_MAX) {
        fail(console, SQLSTATE_PROGRAM_LIMIT_EXCEEDED, "too many prepared statements on the console", NULL);
        return;
    }
    struct console_statement *statement = memory_zalloc(sizeof *statement);
    statement->name = memory_strdup(parsed.statement);
    statement->command = command;
    statement->next = console->statements;
    console->statements = statement;
    backend_write_bare(console_room(console, 64), BACKEND_PARSE_COMPLETE);
}

/* ---- portals ---- */

static struct console_portal **find_portal(struct console *console, const char *name)
{
    struct console_portal **link = &console->portals;
    while (*link && strcmp((*link)->name, name) != 0) link = &(*link)->next;
    return link;
}

static void forget_portal(struct console_portal **link)
{
    struct console_portal *portal = *link;
    if (!portal) return;
    *link = portal->next;
    console_free_execution(&portal->execution);
    free(portal->name);
    free(portal);
}

void console_forget_portals(struct console *console)
{
    while (console->portals) forget_portal(&console->portals);
}

/* One code for all columns, or one each; none is text for all. */
static bool read_formats(struct bytes_reader *reader, admin_formats *formats_out)
{
    uint16_t count = bytes_read_u16(reader);
    *formats_out = 0;
    for (uint16_t i = 0; i < count && !reader->has_failed; i++) {
        uint16_t code = bytes_read_u16(reader);
        if (code > 1 || i >= SHOW_COLUMNS_MAX) return false;
        if (code == 1) *formats_out |= (admin_formats)1 << i;
    }
    if (count == 1 && *formats_out) *formats_out = ~(admin_formats)0;
    return !reader->has_failed;
}

static void bind_message(struct console *console, const uint8_t *body, size_t size)
{
    struct bytes_reader reader;
    admin_formats parameter_formats, formats;
    bytes_reader_init(&reader, body, size);
    const char *portal_name = bytes_read_cstring(&reader), *statement_name = bytes_read_cstring(&reader);
    bool is_ok = read_formats(&reader, &parameter_formats);
    uint16_t parameters = bytes_read_u16(&reader);
    if (reader.has_failed || !is_ok) {
        fail(console, SQLSTATE_PROTOCOL_VIOLATION, "invalid Bind message", NULL);
        return;
    }
    if (parameters > 0) {
        fail(console, SQLSTATE_PROTOCOL_VIOLATION, "statements of the console have no parameters", "Write the values into the command.");
        return;
    }
    if (!read_formats(&reader, &formats) || !bytes_reader_is_done(&reader)) {
        fail(console, SQLSTATE_PROTOCOL_VIOLATION, "invalid Bind message", NULL);
        return;
    }
    const struct console_statement *statement = *find_statement(console, statement_name);
    struct console_portal **existing = find_portal(console, portal_name);
    if (!statement) {
        fail(console, SQLSTATE_INVALID_STATEMENT_NAME, "prepared statement does not exist", NULL);
        return;
    }
    if (*existing && *portal_name) {
        fail(console, SQLSTATE_INVALID_CURSOR_NAME, "portal already exists", NULL);
        return;
    }
    forget_portal(existing);
    unsigned count = 0;
    for (const struct console_portal *portal = console->portals; portal; portal = portal->next) count++;
    if (count >= CONSOLE_PORTALS_MAX) {
        fail(console, SQLSTATE_PROGRAM_LIMIT_EXCEEDED, "too many portals on the console", NULL);
        return;
    }
    struct console_portal *portal = memory_zalloc(sizeof *portal);
    portal->name = memory_strdup(portal_name);
    portal->execution.command = statement->command;
    portal->execution.formats = formats;
    portal->next = console->portals;
    console->portals = portal;
    backend_write_bare(console_room(console, 64), BACKEND_BIND_COMPLETE);
}

static void describe_message(struct console *console, const uint8_t *body, size_t size)
{
    char kind;
    const char *name;
    if (frontend_parse_target(body, size, &kind, &name) != CODEC_OK) {
        fail(console, SQLSTATE_PROTOCOL_VIOLATION, "invalid Describe message", NULL);
        return;
    }
    if (kind == 'P') {
        const struct console_portal *portal = *find_portal(console, name);
        if (portal)
            console_describe_rows(console, &portal->execution);
        else
            fail(console, SQLSTATE_INVALID_CURSOR_NAME, "portal does not exist", NULL);
        return;
    }
    const struct console_statement *statement = *find_statement(console, name);
    if (!statement) {
        fail(console, SQLSTATE_INVALID_STATEMENT_NAME, "prepared statement does not exist", NULL);
        return;
    }
    struct bytes_writer *writer = console_room(console, 64);
    size_t mark = bytes_begin_message(writer, BACKEND_PARAMETER_DESCRIPTION);
    bytes_write_u16(writer, 0);
    bytes_end_message(writer, mark);
    struct execution execution = {.command = statement->command};
    console_describe_rows(console, &execution);
}

static void execute_message(struct console *console, const uint8_t *body, size_t size)
{
    const char *name;
    uint32_t rows;
    if (frontend_parse_execute(body, size, &name, &rows) != CODEC_OK) {
        fail(console, SQLSTATE_PROTOCOL_VIOLATION, "invalid Execute message", NULL);
        return;
    }
    struct console_portal *portal = *find_portal(console, name);
    if (!portal) {
        fail(console, SQLSTATE_INVALID_CURSOR_NAME, "portal does not exist", NULL);
        return;
    }
    if (portal->execution.command.verb == VERB_NOTHING) {
        backend_write_empty_query(console_room(console, 64));
        return;
    }
    console->rows_left = rows > INT32_MAX ? 0 : rows; /* a negative one is none, as on a server */
    console_run(console, &portal->execution);
}

void console_extended_suspend(struct console *console)
{
    backend_write_bare(console_room(console, 64), BACKEND_PORTAL_SUSPENDED);
    console->running = NULL;
}

static void close_message(struct console *console, const uint8_t *body, size_t size)
{
    char kind;
    const char *name;
    if (frontend_parse_target(body, size, &kind, &name) != CODEC_OK) {
        fail(console, SQLSTATE_PROTOCOL_VIOLATION, "invalid Close message", NULL);
        return;
    }
    if (kind == 'P')
        forget_portal(find_portal(console, name));
    else
        forget_statement(find_statement(console, name));
    backend_write_bare(console_room(console, 64), BACKEND_CLOSE_COMPLETE);
}

bool console_extended_message(struct console *console, const struct frame *frame, const uint8_t *body)
{
    switch (frame->type) {
    case FRONTEND_PARSE: parse_message(console, body, frame->body_size); return true;
    case FRONTEND_BIND: bind_message(console, body, frame->body_size); return true;
    case FRONTEND_DESCRIBE: describe_message(console, body, frame->body_size); return true;
    case FRONTEND_EXECUTE: execute_message(console, body, frame->body_size); return true;
    case FRONTEND_CLOSE: close_message(console, body, frame->body_size); return true;
    case FRONTEND_FLUSH: return true; /* what was written goes out at the end of the turn */
    default: return false;
    }
}
