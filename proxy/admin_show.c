/* SHOW: the cursor, and the rows that are about the process as a whole. */
#include "proxy/admin_show.h"

#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "proxy/clock.h"
#include "proxy/pins.h"

static show_rows *const row_functions[] = {
#define SHOW(id, name, rows, role, text) [id] = rows,
#define COLUMN(name, type, text)
#include "proxy/admin_shows.def"
#undef SHOW
#undef COLUMN
};

/* ---- the cursor ---- */

void admin_show_begin(struct show_cursor *cursor, const struct admin_view *view, enum show_id id, admin_formats formats)
{
    struct commons *commons = view->commons;
    *cursor = (struct show_cursor){.view = view, .id = id, .formats = formats};
    cursor->wall_offset_us = clock_wall_us() - clock_now_us();
    cursor->config = config_ref(commons->config);
    client_cursor_init(&cursor->clients, commons);
    view->pools->readers++;
    view->pools->databases.readers++;
    cursor->pool = view->pools->by_key;
    cursor->database = view->pools->databases.by_name;
}

void admin_show_since(struct show_cursor *cursor, uint64_t seconds)
{
    cursor->since_us = (int64_t)seconds * 1000000;
}

void admin_show_end(struct show_cursor *cursor)
{
    if (!cursor->view) return;
    client_cursor_fini(&cursor->clients);
    show_forget_reports(cursor);
    config_unref(&cursor->config);
    cursor->view->pools->readers--;
    cursor->view->pools->databases.readers--;
    cursor->view = NULL;
}

enum show_step admin_show_next(struct show_cursor *cursor, struct bytes_writer *writer)
{
    return row_functions[cursor->id](cursor, writer);
}

void show_begin_row(struct show_cursor *cursor, struct admin_row *row, struct bytes_writer *writer)
{
    admin_row_begin(row, writer, cursor->id, cursor->formats, cursor->wall_offset_us);
}

struct pool *show_next_pool(struct show_cursor *cursor)
{
    struct pool *pool = cursor->pool;
    if (pool) cursor->pool = pool->hh.next;
    return pool;
}

struct database *show_next_database(struct show_cursor *cursor)
{
    struct database *database = cursor->database;
    if (database) cursor->database = database->hh.next;
    return database;
}

/* The servers of a pool stand in the order of their ids. */
struct server *show_next_server(struct show_cursor *cursor)
{
    for (; cursor->pool; cursor->pool = cursor->pool->hh.next, cursor->server_id = 0) {
        struct server *server;
        DL_FOREACH(cursor->pool->servers, server) {
            if (server->id <= cursor->server_id) continue;
            cursor->server_id = server->id;
            return server;
        }
    }
    return NULL;
}

void show_seconds(struct admin_row *row, int64_t us)
{
    if (us < 0) us = 0;
    admin_row_number(row, us / 1000000);
    admin_row_number(row, us % 1000000);
}

/* ---- the process ---- */

enum show_step rows_of_nothing(struct show_cursor *cursor, struct bytes_writer *writer)
{
    (void)cursor, (void)writer;
    return SHOW_END;
}

enum show_step rows_of_version(struct show_cursor *cursor, struct bytes_writer *writer)
{
    struct admin_row row;
    if (cursor->step++ > 0) return SHOW_END;
    show_begin_row(cursor, &row, writer);
    admin_row_text(&row, "PgBouncer 1.25.2");
    admin_row_text(&row, "pgturnstile " PACKAGE_VERSION);
    admin_row_end(&row);
    return SHOW_ROW;
}

enum show_step rows_of_state(struct show_cursor *cursor, struct bytes_writer *writer)
{
    bool is_suspended = cursor->view->commons->is_suspended, is_paused = cursor->view->pools->is_paused;
    const struct {
        const char *key;
        bool value;
    } states[] = {{"active", !is_suspended && !is_paused}, {"paused", is_paused}, {"suspended", is_suspended}};
    struct admin_row row;
    if (cursor->step >= sizeof states / sizeof states[0]) return SHOW_END;
    show_begin_row(cursor, &row, writer);
    admin_row_text(&row, states[cursor->step].key);
    admin_row_text(&row, states[cursor->step].value ? "yes" : "no");
    admin_row_end(&row);
    cursor->step++;
    return SHOW_ROW;
}

enum show_step rows_of_config(struct show_cursor *cursor, struct bytes_writer *writer)
{
    size_t count;
    const struct setting *list = settings_list(&count);
    if (cursor->step >= count) return SHOW_END;
    const struct setting *setting = &list[cursor->step++];
    char value[ADMIN_CELL_SIZE_MAX + 1];
    settings_write(&cursor->config->settings, setting, value, sizeof value);
    struct admin_row row;
    show_begin_row(cursor, &row, writer);
    admin_row_text(&row, setting->name);
    admin_row_text(&row, value);
    admin_row_text(&row, setting->standard);
    admin_row_text(&row, setting->can_reload ? "yes" : "no");
    admin_row_end(&row);
    return SHOW_ROW;
}

/* Clients that have not logged in yet, counted over several calls. */
static bool count_logins(struct show_cursor *cursor)
{
    for (int i = 0; i < 64; i++) {
        const struct client *client = client_cursor_next(&cursor->clients);
        if (!client) return true;
        if (client->state < CLIENT_WELCOMING) cursor->found++;
    }
    return false;
}

static uint64_t count_servers(const struct pools *pools, bool are_idle)
{
    uint64_t count = 0;
    for (const struct pool *pool = pools->by_key; pool; pool = pool->hh.next)
        count += are_idle ? pool->slots.idle : pool->slots.leased + pool->slots.opening + pool->slots.closing;
    return count;
}

enum show_step rows_of_lists(struct show_cursor *cursor, struct bytes_writer *writer)
{
    const struct pools *pools = cursor->view->pools;
    const struct commons *commons = cursor->view->commons;
    if (!cursor->is_past_clients) {
        cursor->is_past_clients = count_logins(cursor);
        return SHOW_SKIPPED;
    }
    const struct {
        const char *name;
        uint64_t count;
    } lists[] = {{"databases", cursor->config->database_count},
                 {"users", userlist_count(cursor->config->userlist)},
                 {"peers", 0},
                 {"pools", HASH_COUNT(pools->by_key)},
                 {"peer_pools", 0},
                 {"free_clients", 0},
                 {"used_clients", (uint64_t)commons->client_count + commons->console_count},
                 {"login_clients", cursor->found},
                 {"free_servers", count_servers(pools, true)},
                 {"used_servers", count_servers(pools, false)},
                 {"dns_names", 0},
                 {"dns_zones", 0},
                 {"dns_queries", 0},
                 {"dns_pending", 0}};
    struct admin_row row;
    if (cursor->step >= sizeof lists / sizeof lists[0]) return SHOW_END;
    show_begin_row(cursor, &row, writer);
    admin_row_text(&row, lists[cursor->step].name);
    admin_row_number(&row, (int64_t)lists[cursor->step].count);
    admin_row_end(&row);
    cursor->step++;
    return SHOW_ROW;
}

enum show_step rows_of_mem(struct show_cursor *cursor, struct bytes_writer *writer)
{
    const struct pools *pools = cursor->view->pools;
    const struct commons *commons = cursor->view->commons;
    size_t statements = statements_count(commons->statements), statement_bytes = statements_bytes(commons->statements);
    const struct {
        const char *name;
        size_t size, used, total; /* total 0: size times used */
    } uses[] = {{"client", sizeof(struct client), (size_t)commons->client_count + commons->console_count, 0},
                {"server", sizeof(struct server), turnstile_slots(commons->turnstile), 0},
                {"pool", sizeof(struct pool), HASH_COUNT(pools->by_key), 0},
                {"database", sizeof(struct database), HASH_COUNT(pools->databases.by_name), 0},
                {"statement", statements > 0 ? statement_bytes / statements : 0, statements, statement_bytes},
                {"scratch", COMMONS_SCRATCH_SIZE, 1, 0}};
    struct admin_row row;
    if (cursor->step >= sizeof uses / sizeof uses[0]) return SHOW_END;
    size_t size = uses[cursor->step].size, used = uses[cursor->step].used, total = uses[cursor->step].total;
    show_begin_row(cursor, &row, writer);
    admin_row_text(&row, uses[cursor->step].name);
    admin_row_number(&row, (int64_t)size);
    admin_row_number(&row, (int64_t)used);
    admin_row_number(&row, 0);
    admin_row_number(&row, (int64_t)(total > 0 ? total : size * used));
    admin_row_end(&row);
    cursor->step++;
    return SHOW_ROW;
}

/* ---- pins and errors ---- */

static uint64_t total_of_pin(const struct stats *stats, unsigned pin)
{
    const uint64_t totals[] = {
#define X(name, counter, text) stats->counter,
#include "proxy/pins.def"
#undef X
    };
    return totals[pin];
}

static uint64_t count_pinned(const struct pools *pools, unsigned pin)
{
    uint64_t count = 0;
    for (const struct pool *pool = pools->by_key; pool; pool = pool->hh.next) {
        if (pool->pinned == 0) continue;
        const struct server *server;
        DL_FOREACH(pool->servers, server)
            if (server->client && server->client->pins >> pin & 1) count++;
    }
    return count;
}

enum show_step rows_of_pins(struct show_cursor *cursor, struct bytes_writer *writer)
{
    struct admin_row row;
    if (cursor->step >= PIN_COUNT) return SHOW_END;
    unsigned pin = (unsigned)cursor->step++;
    show_begin_row(cursor, &row, writer);
    admin_row_text(&row, pin_text(1u << pin));
    admin_row_number(&row, (int64_t)count_pinned(cursor->view->pools, pin));
    admin_row_number(&row, (int64_t)total_of_pin(&cursor->view->commons->stats, pin));
    admin_row_end(&row);
    return SHOW_ROW;
}

enum show_step rows_of_lock_errors(struct show_cursor *cursor, struct bytes_writer *writer)
{
    const struct lock_counts *locks = &cursor->view->commons->locks;
    struct admin_row row;
    if (cursor->step >= locks->size) return SHOW_END;
    const struct lock_count *count = &locks->counts[cursor->step++];
    show_begin_row(cursor, &row, writer);
    admin_row_text(&row, count->sqlstate);
    admin_row_text(&row, count->class);
    admin_row_text(&row, count->user);
    admin_row_text(&row, count->database);
    admin_row_text(&row, *count->shape ? count->shape : NULL);
    admin_row_number(&row, (int64_t)count->count);
    admin_row_time(&row, count->last_us);
    admin_row_number(&row, count->run_max_us);
    admin_row_end(&row);
    return SHOW_ROW;
}

enum show_step rows_of_errors(struct show_cursor *cursor, struct bytes_writer *writer)
{
    const struct error_counts *errors = &cursor->view->commons->errors;
    struct admin_row row;
    if (cursor->step >= errors->size) return SHOW_END;
    const struct error_count *count = &errors->counts[cursor->step++];
    show_begin_row(cursor, &row, writer);
    admin_row_text(&row, count->sqlstate);
    admin_row_text(&row, *count->class ? count->class : NULL);
    admin_row_number(&row, (int64_t)count->of_servers);
    admin_row_number(&row, (int64_t)count->of_ours);
    admin_row_time(&row, count->last_us);
    admin_row_end(&row);
    return SHOW_ROW;
}
