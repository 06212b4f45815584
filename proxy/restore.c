/* What RESET would have gone back to. Not for resets inside functions: those are seen by the inquiry afterwards (inquiry.c, relay.c). */
#include "proxy/restore.h"

#include <string.h>

#include "protocol/backend.h"
#include "protocol/bytes.h"
#include "protocol/frontend.h"
#include "protocol/sql_effect.h"
#include "protocol/sql_reset.h"
#include "proxy/client_text.h"
#include "proxy/memory.h"
#include "proxy/prepare.h"
#include "proxy/text_buffer.h"

/* The first column of the rows that are hidden. */
#define MARK "pgturnstile_restored"

enum { SQL_MAX = OUTGOING_SIDE_SIZE - 256, PORTAL_SIZE = 64 };
static const char query_head[] = ";SELECT 0 AS " MARK ",";

struct restore {
    char portal[PORTAL_SIZE];
    char sql[SQL_MAX];
};

/* ---- what is to be restored ---- */

static struct session_state *without_identities(struct session_state *settings)
{
    settings = session_state_with(settings, "session_authorization", NULL);
    return session_state_with(settings, "role", NULL);
}

/* Of what the client came with, the settings that the statement resets. A reference. */
static struct session_state *what_is_reset(const struct client *client, const char *text, size_t size, uint32_t effects)
{
    struct session_state *none = session_state_empty(client->host->commons->states);
    char name[SQL_RESET_NAME_MAX + 1];
    if (!(effects & EFFECT_DISCARD_ALL)) {
        switch (sql_reset_of(text, size, client_text_strings(client), name)) {
        case SQL_RESET_NOTHING: return none;
        case SQL_RESET_ONE: return session_state_with(none, name, session_state_get(client->startup, name));
        case SQL_RESET_ALL: break;
        }
    }
    session_state_unref(&none);
    struct session_state *all = session_state_ref(client->startup);
    return effects & EFFECT_DISCARD_ALL ? all : without_identities(all);
}

/* "SELECT set_config(..)..", in `sql_out` of SQL_MAX. False: nothing is to be restored, or it is too long (and is restored between two transactions). */
static bool write_sql(const struct client *client, const char *text, size_t size, uint32_t effects, char *sql_out)
{
    struct session_state *none = session_state_empty(client->host->commons->states);
    struct session_state *settings = what_is_reset(client, text, size, effects);
    size_t written = session_state_difference(none, settings, sql_out, SQL_MAX);
    session_state_unref(&settings);
    session_state_unref(&none);
    return written > 0 && written < SQL_MAX;
}

static bool may_restore(const struct client *client, uint32_t effects)
{
    return (effects & RESTORE_EFFECTS) && client->startup && session_state_size(client->startup) > 0 && client_text_is_scannable(client);
}

/* ---- in a query string ---- */

char *restore_query(struct outgoing *outgoing, const char *text, size_t size, uint32_t effects)
{
    struct client *client = outgoing->client;
    if (!may_restore(client, effects)) return NULL;
    struct sql_effect_scan scan;
    struct sql_statement statement;
    struct text_buffer result = {0};
    size_t copied = 0;
    char sql[SQL_MAX];
    sql_effect_init(&scan, text, size, client_text_strings(client));
    while (sql_effect_next(&scan, &statement)) {
        if (!(statement.effects & (EFFECT_SET | EFFECT_ROLE))) continue;
        if (!write_sql(client, text + statement.start, statement.end - statement.start, 0, sql)) continue;
        text_buffer_add_bytes(&result, text + copied, statement.end - copied);
        text_buffer_add_bytes(&result, query_head, sizeof query_head - 1);
        text_buffer_add_bytes(&result, sql + strlen("SELECT "), strlen(sql) - strlen("SELECT "));
        copied = statement.end;
    }
    if (!result.text) return NULL;
    text_buffer_add_bytes(&result, text + copied, size - copied);
    outgoing->server->has_restores = true;
    return result.text;
}

static bool has_mark(const uint8_t *body, size_t size)
{
    struct bytes_reader reader;
    bytes_reader_init(&reader, body, size);
    bytes_read_u16(&reader); /* how many columns */
    const char *name = bytes_read_cstring(&reader);
    return !reader.has_failed && strcmp(name, MARK) == 0;
}

bool restore_hides(struct server *server, uint8_t type, const uint8_t *body, size_t size)
{
    if (type == BACKEND_ROW_DESCRIPTION) server->is_in_restore = has_mark(body, size);
    bool is_hidden =
        server->is_in_restore && (type == BACKEND_ROW_DESCRIPTION || type == BACKEND_DATA_ROW || type == BACKEND_COMMAND_COMPLETE);
    if (type == BACKEND_COMMAND_COMPLETE || type == BACKEND_ERROR) server->is_in_restore = false;
    return is_hidden;
}

/* ---- in the extended protocol ---- */

static bool send_parse(struct outgoing *outgoing, const char *text)
{
    struct server *server = outgoing->server;
    if (!exchange_sent(&server->exchange, EXCHANGE_INJECTED, FRONTEND_PARSE, 0)) return false;
    preparations_push(&server->preparations, PREPARATION_PLAIN, NULL, NULL, NULL);
    prepare_forget_unnamed(server);
    struct bytes_writer writer = outgoing_make(outgoing, PREPARE_SMALL_MESSAGE + strlen(text));
    frontend_write_parse(&writer, "", text, NULL, 0);
    outgoing_add_made(outgoing, &writer);
    return true;
}

static void send_execute(struct outgoing *outgoing, enum exchange_owner owner)
{
    struct exchange *exchange = &outgoing->server->exchange;
    exchange_sent(exchange, EXCHANGE_INJECTED, FRONTEND_BIND, 0);
    exchange_sent(exchange, owner, FRONTEND_EXECUTE, 0);
    struct bytes_writer writer = outgoing_make(outgoing, PREPARE_SMALL_MESSAGE);
    frontend_write_bind(&writer, "", "", NULL, 0);
    frontend_write_execute(&writer, "", 0);
    outgoing_add_made(outgoing, &writer);
}

static void send_restore(struct outgoing *outgoing, const char *sql)
{
    if (send_parse(outgoing, sql)) send_execute(outgoing, EXCHANGE_INJECTED);
}

bool restore_discard_all(struct outgoing *outgoing, const char *text, uint32_t effects)
{
    struct client *client = outgoing->client;
    struct server *server = outgoing->server;
    char sql[SQL_MAX];
    if (!(effects & EFFECT_DISCARD_ALL) || !may_restore(client, effects) || strlen(text) > SQL_MAX) return false;
    if (!write_sql(client, text, strlen(text), effects, sql) || !send_parse(outgoing, text)) return false;
    send_execute(outgoing, EXCHANGE_CLIENT);
    deallocations_end(&server->deallocations);
    deallocations_add(&server->deallocations, NULL);
    if (deallocations_run(&server->deallocations, NULL)) prepare_deallocation_sent(server);
    send_restore(outgoing, sql);
    exchange_sent(&server->exchange, EXCHANGE_CLIENT, FRONTEND_SYNC, 0);
    prepare_next_segment(server);
    struct bytes_writer writer = outgoing_make(outgoing, PREPARE_SMALL_MESSAGE);
    frontend_write_sync(&writer);
    outgoing_add_made(outgoing, &writer);
    return true;
}

void restore_bound(struct outgoing *outgoing, const struct statement *statement, const char *portal)
{
    struct client *client = outgoing->client;
    struct server *server = outgoing->server;
    const char *text = (const char *)statement->tail;
    if (!may_restore(client, statement->effects) || strlen(portal) >= PORTAL_SIZE) return;
    char sql[SQL_MAX];
    if (!write_sql(client, text, strlen(text), statement->effects, sql)) return;
    server->restore = memory_zalloc(sizeof *server->restore);
    memcpy(server->restore->portal, portal, strlen(portal) + 1);
    memcpy(server->restore->sql, sql, strlen(sql) + 1);
}

void restore_executed(struct outgoing *outgoing, const char *portal)
{
    struct server *server = outgoing->server;
    if (strcmp(server->restore->portal, portal) != 0) return;
    send_restore(outgoing, server->restore->sql);
    prepare_forget_restore(server);
}
