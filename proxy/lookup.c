/* Names of columns. The server is without a client meanwhile (lease_without_client), so that nobody's lease has to know of it. */
#include "proxy/lookup.h"

#include <stdio.h>
#include <string.h>

#include "protocol/backend.h"
#include "proxy/lease.h"
#include "proxy/tap.h"

static const int64_t pause_us = 2000000;

static bool is_same(const struct lookup_subject *a, const struct lookup_subject *b)
{
    return a->table_oid == b->table_oid && a->attnum == b->attnum && strcmp(a->database, b->database) == 0;
}

static bool is_fruitless(const struct lookup *lookup)
{
    for (uint32_t i = 0; i < lookup->fruitless_count && i < LOOKUP_FRUITLESS_MAX; i++)
        if (is_same(&lookup->fruitless[i], &lookup->subject)) return true;
    return false;
}

static struct findings *findings_of(const struct commons *commons)
{
    return detector_findings(taps_detector(commons->taps));
}

/* Any pool of the database will do: its user need not be the one who was seen. */
static struct server *idle_server(const struct pools *pools, const char *database)
{
    for (struct pool *pool = pools->by_key; pool; pool = pool->hh.next) {
        struct server *server = strcmp(pool->database, database) == 0 ? lease_without_client(pool) : NULL;
        if (server) return server;
    }
    return NULL;
}

/* Names are qualified: search_path is the last client's. */
static void ask(struct lookup *lookup, struct server *server)
{
    char sql[256];
    snprintf(sql, sizeof sql,
             "SELECT c.relname,a.attname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid=c.oid"
             " WHERE c.oid=%u AND a.attnum=%d",
             (unsigned)lookup->subject.table_oid, (int)lookup->subject.attnum);
    lookup->server = server;
    lookup->has_names = false;
    server->lookup = lookup;
    server_query(server, sql);
}

void lookup_run(struct lookup *lookup, struct pools *pools)
{
    struct commons *commons = pools->commons;
    const struct settings *settings = &commons->config->settings;
    if (!settings->analysis_lookup || lookup->server || commons->is_shutting_down || commons->is_suspended ||
        commons->now_us < lookup->due_us)
        return;
    const struct finding *finding = findings_next_unresolved(findings_of(commons), &lookup->rotation);
    if (!finding || strlen(finding->database) >= LOOKUP_NAME_MAX) return;
    lookup->subject = (struct lookup_subject){.table_oid = finding->parent.table_oid, .attnum = finding->parent.attnum};
    snprintf(lookup->subject.database, sizeof lookup->subject.database, "%s", finding->database);
    if (is_fruitless(lookup)) return;
    struct server *server = idle_server(pools, finding->database);
    if (!server) return;
    lookup->due_us = commons->now_us + pause_us;
    ask(lookup, server);
}

static bool read_name(struct bytes_reader *reader, char name_out[LOOKUP_NAME_MAX])
{
    uint32_t size = bytes_read_u32(reader);
    if (size >= LOOKUP_NAME_MAX) return false;
    const uint8_t *text = bytes_read_block(reader, size);
    if (!text) return false;
    memcpy(name_out, text, size);
    name_out[size] = '\0';
    return size > 0;
}

static void take_names(struct lookup *lookup, struct commons *commons, const uint8_t *body, size_t size)
{
    char table[LOOKUP_NAME_MAX], column[LOOKUP_NAME_MAX];
    struct bytes_reader reader;
    bytes_reader_init(&reader, body, size);
    if (bytes_read_u16(&reader) != 2 || !read_name(&reader, table) || !read_name(&reader, column)) return;
    const struct lookup_subject *subject = &lookup->subject;
    findings_resolve(findings_of(commons), subject->database, subject->table_oid, subject->attnum, table, column);
    lookup->has_names = true;
}

void lookup_answer(struct server *server, uint8_t type, const uint8_t *body, size_t size)
{
    struct lookup *lookup = server->lookup;
    if (type == BACKEND_DATA_ROW) take_names(lookup, server->host->commons, body, size);
    if (type == BACKEND_COMMAND_COMPLETE && !lookup->has_names)
        lookup->fruitless[lookup->fruitless_count++ % LOOKUP_FRUITLESS_MAX] = lookup->subject;
    if (type == BACKEND_COMMAND_COMPLETE || type == BACKEND_ERROR) lookup_forget(server);
}

void lookup_forget(struct server *server)
{
    if (!server->lookup) return;
    server->lookup->server = NULL;
    server->lookup = NULL;
}
