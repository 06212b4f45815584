/*
 * Inquiries. They ask for no more than what may have changed, since some catalogs are not cheap. Not for: which statements touch the session (pins.c and
 * sql_effect), and what follows for the lease (lease.c).
 */
#include "proxy/inquiry.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/backend.h"
#include "proxy/log.h"
#include "proxy/memory.h"
#include "proxy/pins.h"
#include "proxy/statement_effects.h"

struct inquiry {
    bool has_settings;  /* asked for, or only for pins */
    bool is_after_code; /* that may have set anything */
    bool is_incomplete;
    uint32_t asked, found; /* pins */
    struct session_state *settings;
};

#define AND_ALL " UNION ALL "

/* One row of kind, name, value each. Names are qualified: search_path is the client's. */
static const char settings_sql[] =
    "SELECT 's',name,setting FROM pg_catalog.pg_settings WHERE source='session'" AND_ALL
    "SELECT 's','role',pg_catalog.current_setting('role') WHERE pg_catalog.current_setting('role')<>'none'" AND_ALL
    "SELECT 's','session_authorization',session_user::pg_catalog.text";

/* Temporary objects are looked for only in sessions that have a temporary schema. */
#define IN_TEMPORARY(catalog, column) "EXISTS(SELECT FROM pg_catalog." catalog " WHERE " column "=pg_catalog.pg_my_temp_schema())"

static const struct {
    uint32_t pin;
    const char *condition;
} pins_sql[] = {
    {PIN_LISTEN, "EXISTS(SELECT FROM pg_catalog.pg_listening_channels())"},
    {PIN_TEMPORARY, "CASE WHEN pg_catalog.pg_my_temp_schema()<>0 THEN " IN_TEMPORARY("pg_class", "relnamespace") " OR " IN_TEMPORARY(
                        "pg_proc", "pronamespace") " OR " IN_TEMPORARY("pg_type", "typnamespace") " ELSE false END"},
    {PIN_CURSOR, "EXISTS(SELECT FROM pg_catalog.pg_cursors WHERE is_holdable)"},
    {PIN_ADVISORY_LOCK, "EXISTS(SELECT FROM pg_catalog.pg_locks WHERE locktype='advisory' AND pid=pg_catalog.pg_backend_pid())"},
    {PIN_PREPARE, "EXISTS(SELECT FROM pg_catalog.pg_prepared_statements WHERE from_sql)"},
};
enum { PINS_ASKED = sizeof pins_sql / sizeof pins_sql[0] };

/* ---- custom settings ---- */

static void pin_for_settings(struct client *client)
{
    inquiry_set_pins(client, client->pins | PIN_SETTING);
}

void inquiry_note_name(struct client *client, const char *name, size_t size)
{
    if (!sql_is_setting_name(name, size)) return;
    setting_names_add_over(&client->pool->seen_settings, name, size);
    if (!setting_names_add(&client->named, name, size)) pin_for_settings(client);
}

static void found_name(void *context, const char *name, size_t size)
{
    if (name)
        inquiry_note_name(context, name, size);
    else
        pin_for_settings(context);
}

void inquiry_note_names(struct client *client, const char *text, size_t size, bool can_scan, enum sql_strings strings)
{
    if (can_scan)
        sql_setting_names(text, size, strings, found_name, client);
    else
        sql_setting_names_anywhere(text, size, found_name, client);
}

/* ---- asking ---- */

enum { SQL_MAX = SERVER_QUERY_MAX };

/* What only the end of the client ends. */
enum { PINS_TO_THE_END = PIN_LOAD | PIN_LARGE_STATEMENT | PIN_SETTING };

static uint32_t pins_to_ask(const struct client *client)
{
    return (pins_made_by(client->touched) | client->pins) & ~(uint32_t)PINS_TO_THE_END;
}

bool inquiry_is_due(const struct client *client)
{
    const struct server *server = client->server;
    return client->touched && client->state == CLIENT_LEASING && !server->inquiry && client->message_left == 0 &&
           server->message_left == 0 && exchange_is_idle(&server->exchange);
}

bool inquiry_refuses_pin(const struct client *client, uint32_t effects)
{
    const struct settings *settings = &client->host->commons->config->settings;
    /* Code that may do anything is let through: most of it does nothing of the kind. */
    if (client->pins || !pins_made_by(effects & ~(uint32_t)EFFECT_OPAQUE_CODE)) return false;
    return settings->session_state == SESSION_STATE_REFUSE || (settings->max_pinned > 0 && client->pool->pinned >= settings->max_pinned);
}

static void append(char *sql, const char *text)
{
    size_t size = strlen(sql), more = strlen(text);
    assert(size + more < SQL_MAX);
    memcpy(sql + size, text, more + 1);
}

/* One that is not there is NULL, one that was reset is empty. The names hold no quotes. False: there is no room for it. */
static bool append_custom_setting(char *sql, const char *name)
{
    if (strlen(sql) + 4 * SQL_SETTING_NAME_MAX >= SQL_MAX) return false;
    append(sql, AND_ALL "SELECT 's','");
    append(sql, name);
    append(sql, "',NULLIF(pg_catalog.current_setting('");
    append(sql, name);
    append(sql, "',true),'')");
    return true;
}

/* Those that the server had, and those that the client's statements name. */
static bool append_named_settings(char *sql, const struct client *client)
{
    const struct session_state *had = client->server->settings;
    bool is_complete = true;
    for (size_t i = 0; i < session_state_size(had); i++) {
        const char *name, *value;
        session_state_pair(had, i, &name, &value);
        if (sql_is_setting_name(name, strlen(name))) is_complete &= append_custom_setting(sql, name);
    }
    for (unsigned i = 0; i < client->named.count; i++)
        if (!session_state_get(had, client->named.names[i])) is_complete &= append_custom_setting(sql, client->named.names[i]);
    return is_complete;
}

/* Others, which code that is not seen may have set: as many as there is room for. */
static void append_likely_settings(char *sql, const struct client *client, const struct setting_names *likely)
{
    for (unsigned i = 0; i < likely->count; i++) {
        const char *name = likely->names[i];
        if (session_state_get(client->server->settings, name) || setting_names_has(&client->named, name, strlen(name))) continue;
        if (!append_custom_setting(sql, name)) return;
    }
}

static void write_pins(char *sql, uint32_t asked)
{
    for (unsigned i = 0; i < PINS_ASKED; i++) {
        if (!(asked & pins_sql[i].pin)) continue;
        char digit[] = {(char)('0' + i), '\0'};
        if (*sql) append(sql, AND_ALL);
        append(sql, "SELECT 'p','");
        append(sql, digit);
        append(sql, "',NULL WHERE ");
        append(sql, pins_sql[i].condition);
    }
}

static void write_sql(char sql[SQL_MAX], struct client *client, const struct inquiry *inquiry)
{
    sql[0] = '\0';
    if (inquiry->has_settings) append(sql, settings_sql);
    write_pins(sql, inquiry->asked);
    if (inquiry->has_settings) {
        if (!append_named_settings(sql, client)) pin_for_settings(client);
        append_likely_settings(sql, client, &client->pool->known_settings);
        if (inquiry->is_after_code) append_likely_settings(sql, client, &client->pool->seen_settings);
    }
    if (!*sql) append(sql, "SELECT WHERE false");
}

void inquiry_send(struct client *client)
{
    struct server *server = client->server;
    assert(!server->inquiry);
    struct inquiry *inquiry = memory_zalloc(sizeof *inquiry);
    inquiry->has_settings = (client->touched & EFFECTS_ON_SETTINGS) != 0 || (client->pins & PIN_UNKNOWN);
    inquiry->is_after_code = (client->touched & EFFECT_OPAQUE_CODE) || (client->pins & PIN_UNKNOWN);
    inquiry->asked = pins_to_ask(client);
    inquiry->settings = session_state_empty(client->host->commons->states);
    if (client->touched & EFFECT_LOAD) inquiry_set_pins(client, client->pins | PIN_LOAD);
    client->touched = 0;
    server->inquiry = inquiry;
    char sql[SQL_MAX];
    write_sql(sql, client, inquiry);
    server_query(server, sql);
}

/* The text of one column; NULL: SQL NULL. */
static char *column_text(struct bytes_reader *reader)
{
    uint32_t size = bytes_read_u32(reader);
    if (size == UINT32_MAX) return NULL;
    const uint8_t *text = bytes_read_block(reader, size);
    if (!text) return NULL;
    char *copy = memory_alloc((size_t)size + 1);
    memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}

static void take_setting(struct server *server, const char *name, const char *value)
{
    struct inquiry *inquiry = server->inquiry;
    /* Who logged in is nothing that was set. */
    const struct pool *pool = server->pool;
    const char *login = pool->entry->user ? pool->entry->user : pool->user;
    if (strcmp(name, "session_authorization") == 0 && strcmp(value, login) == 0) return;
    if (sql_is_setting_name(name, strlen(name))) setting_names_add_over(&server->pool->known_settings, name, strlen(name));
    inquiry->settings = session_state_with(inquiry->settings, name, value);
}

void inquiry_row(struct server *server, const uint8_t *body, size_t size)
{
    struct bytes_reader reader;
    bytes_reader_init(&reader, body, size);
    uint16_t count = bytes_read_u16(&reader);
    char *kind = column_text(&reader), *name = column_text(&reader), *value = column_text(&reader);
    if (count != 3 || reader.has_failed || !kind || !name)
        server->inquiry->is_incomplete = true;
    else if (*kind == 's' && value)
        take_setting(server, name, value);
    else if (*kind == 'p' && *name >= '0' && *name < '0' + PINS_ASKED)
        server->inquiry->found |= pins_sql[*name - '0'].pin;
    free(kind);
    free(name);
    free(value);
}

static void log_pin(const struct client *client, const char *event, uint32_t pins)
{
    struct log_line line;
    client_log_begin(client, &line, LOG_LEVEL_DEBUG, event);
    log_text(&line, "reason", pin_text(pins));
    log_end(&line);
}

static void count_reasons(struct stats *stats, uint32_t pins)
{
#define X(name, counter, text) \
    if (pins & name) stats->counter++;
#include "proxy/pins.def"
#undef X
}

void inquiry_set_pins(struct client *client, uint32_t pins)
{
    if (pins == client->pins) return;
    count_reasons(&client->host->commons->stats, pins & ~client->pins);
    struct pool *pool = client->pool;
    if (!client->pins) {
        pool->pinned++;
        client->host->commons->stats.pins++;
        log_pin(client, "client_pinned", pins);
    } else if (!pins) {
        pool->pinned--;
        log_pin(client, "client_unpinned", client->pins);
    }
    client->pins = pins;
}

/* What is set now, and where RESET has ended something that the client came with, that again: it is what RESET goes back to on a connection of its own. */
static struct session_state *over_startup(const struct client *client, const struct session_state *found)
{
    struct session_state *settings = session_state_ref(client->startup);
    for (size_t i = 0; i < session_state_size(found); i++) {
        const char *name, *value;
        session_state_pair(found, i, &name, &value);
        settings = session_state_with(settings, name, value);
    }
    return settings;
}

void inquiry_end(struct server *server)
{
    struct inquiry *inquiry = server->inquiry;
    struct client *client = server->client;
    if (inquiry->is_incomplete) {
        inquiry_fail(server);
        return;
    }
    if (inquiry->has_settings) {
        session_state_unref(&server->settings);
        server->settings = session_state_ref(inquiry->settings);
        if (client) {
            session_state_unref(&client->settings);
            client->settings = over_startup(client, inquiry->settings);
            /* Statements that ran in the meantime are for the next one. */
            if (!(client->touched & EFFECTS_ON_SETTINGS)) setting_names_clear(&client->named);
        }
    }
    if (client) inquiry_set_pins(client, (client->pins & ~(inquiry->asked | PIN_UNKNOWN)) | inquiry->found);
    inquiry_forget(server);
}

void inquiry_fail(struct server *server)
{
    if (server->client) inquiry_set_pins(server->client, server->client->pins | PIN_UNKNOWN);
    inquiry_forget(server);
}

void inquiry_forget(struct server *server)
{
    if (!server->inquiry) return;
    session_state_unref(&server->inquiry->settings);
    free(server->inquiry);
    server->inquiry = NULL;
}
