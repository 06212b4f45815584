/* SHOW: pools, databases, users, and what passed for them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "proxy/admin_show.h"

static const char *mode_text(enum pool_mode mode)
{
    for (const struct setting_choice *choice = settings_pool_mode_choices; choice->word; choice++)
        if (choice->value == (int)mode) return choice->word;
    return NULL;
}

/* ---- pools ---- */

struct server_counts {
    uint32_t active, cleaning, canceled, cancels;
};

static void count_servers(const struct pool *pool, struct server_counts *counts)
{
    const struct server *server;
    DL_FOREACH(pool->servers, server) {
        if (server->state == SERVER_LEASED) counts->active++;
        if (server->state == SERVER_CLEANING) counts->cleaning++;
        if (server->cancels_in_flight > 0) counts->canceled++;
        counts->cancels += server->cancels_in_flight;
    }
}

enum show_step rows_of_pools(struct show_cursor *cursor, struct bytes_writer *writer)
{
    const struct pool *pool = show_next_pool(cursor);
    if (!pool) return SHOW_END;
    const struct turnstile_pool *slots = &pool->slots;
    struct server_counts counts = {0};
    count_servers(pool, &counts);
    struct admin_row row;
    show_begin_row(cursor, &row, writer);
    admin_row_text(&row, pool->database);
    admin_row_text(&row, pool->user);
    admin_row_number(&row, (int64_t)pool->client_count - slots->waiting);
    admin_row_number(&row, slots->waiting);
    admin_row_number(&row, counts.cancels);
    admin_row_number(&row, 0);
    admin_row_number(&row, counts.active);
    admin_row_number(&row, counts.cancels);
    admin_row_number(&row, counts.canceled);
    admin_row_number(&row, slots->idle);
    admin_row_number(&row, 0);
    admin_row_number(&row, counts.cleaning);
    admin_row_number(&row, slots->opening);
    show_seconds(&row, slots->first ? cursor->view->commons->now_us - slots->first->since_us : 0);
    admin_row_text(&row, mode_text(pool->mode));
    admin_row_null(&row);
    admin_row_number(&row, slots->closing);
    admin_row_number(&row, slots->limit);
    admin_row_number(&row, pool->pinned);
    admin_row_number(&row, slots->is_held);
    admin_row_end(&row);
    return SHOW_ROW;
}

/* ---- what passed ---- */

static void traffic_cells(struct admin_row *row, const struct traffic *traffic)
{
#define X(name, total, average, over, text) admin_row_number(row, (int64_t)traffic->name);
#include "proxy/traffic.def"
#undef X
}

enum which { TOTALS = 1, AVERAGES = 2 };

static enum show_step row_of_traffic(struct show_cursor *cursor, struct bytes_writer *writer, int which)
{
    const struct database *database = show_next_database(cursor);
    if (!database) return SHOW_END;
    struct admin_row row;
    show_begin_row(cursor, &row, writer);
    admin_row_text(&row, database->name);
    if (which & TOTALS) traffic_cells(&row, &database->traffic);
    if (which & AVERAGES) traffic_cells(&row, &database->averages);
    if (which == (TOTALS | AVERAGES)) admin_row_number(&row, (int64_t)database->traffic.query_count);
    admin_row_end(&row);
    return SHOW_ROW;
}

enum show_step rows_of_stats(struct show_cursor *cursor, struct bytes_writer *writer)
{
    return row_of_traffic(cursor, writer, TOTALS | AVERAGES);
}

enum show_step rows_of_stats_totals(struct show_cursor *cursor, struct bytes_writer *writer)
{
    return row_of_traffic(cursor, writer, TOTALS);
}

enum show_step rows_of_stats_averages(struct show_cursor *cursor, struct bytes_writer *writer)
{
    return row_of_traffic(cursor, writer, AVERAGES);
}

enum show_step rows_of_totals(struct show_cursor *cursor, struct bytes_writer *writer)
{
    struct traffic totals = {0}, averages = {0};
    for (const struct database *database = cursor->view->pools->databases.by_name; database; database = database->hh.next) {
        traffic_add(&totals, &database->traffic);
        traffic_add(&averages, &database->averages);
    }
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
#define X(name_, total, average, over, text) {"total_" #name_, totals.name_},
#include "proxy/traffic.def"
#undef X
#define X(name_, total, average, over, text) {#average, averages.name_},
#include "proxy/traffic.def"
#undef X
    };
    struct admin_row row;
    if (cursor->step >= sizeof numbers / sizeof numbers[0]) return SHOW_END;
    show_begin_row(cursor, &row, writer);
    admin_row_text(&row, numbers[cursor->step].name);
    admin_row_number(&row, (int64_t)numbers[cursor->step].value);
    admin_row_end(&row);
    cursor->step++;
    return SHOW_ROW;
}

/* ---- databases ---- */

static const char *option_of(const struct config_database *entry, const char *keyword)
{
    for (const char *const *option = entry->libpq_options; option && *option; option += 2)
        if (strcmp(option[0], keyword) == 0) return option[1];
    return NULL;
}

static int64_t port_of(const struct config_database *entry)
{
    const char *text = option_of(entry, "port");
    return text ? strtol(text, NULL, 10) : 5432;
}

static enum show_step row_of_database(struct show_cursor *cursor, struct bytes_writer *writer, const char *name,
                                      const struct config_database *entry, const struct database *database)
{
    const struct config *config = cursor->config;
    const char *host = option_of(entry, "host");
    int64_t lifetime_us = entry->server_lifetime_us >= 0 ? entry->server_lifetime_us : config->settings.server_lifetime_us;
    struct admin_row row;
    show_begin_row(cursor, &row, writer);
    admin_row_text(&row, name);
    admin_row_text(&row, host ? host : option_of(entry, "hostaddr"));
    admin_row_number(&row, port_of(entry));
    admin_row_text(&row, entry->dbname ? entry->dbname : name);
    admin_row_text(&row, entry->user);
    admin_row_number(&row, config_pool_size(config, entry, NULL));
    admin_row_number(&row, config_min_pool_size(config, entry));
    admin_row_number(&row, 0);
    admin_row_number(&row, lifetime_us / 1000000);
    admin_row_text(&row, mode_text(config_pool_mode(config, entry, NULL)));
    admin_row_null(&row);
    admin_row_number(&row, 0);
    admin_row_number(&row, database ? database->servers : 0);
    admin_row_number(&row, 0);
    admin_row_number(&row, database ? database->clients : 0);
    admin_row_number(&row, cursor->view->pools->is_paused || (database && database->is_paused));
    admin_row_number(&row, database && database->is_disabled);
    admin_row_number(&row, 0);
    admin_row_end(&row);
    return SHOW_ROW;
}

static enum show_step row_of_console(struct show_cursor *cursor, struct bytes_writer *writer)
{
    const struct settings *settings = &cursor->config->settings;
    struct admin_row row;
    show_begin_row(cursor, &row, writer);
    admin_row_text(&row, CONSOLE_DATABASE);
    admin_row_null(&row);
    admin_row_number(&row, settings->listen_port);
    admin_row_text(&row, CONSOLE_DATABASE);
    admin_row_text(&row, CONSOLE_DATABASE);
    for (int i = 0; i < 4; i++) admin_row_number(&row, 0);
    admin_row_text(&row, "statement");
    admin_row_null(&row);
    for (int i = 0; i < 3; i++) admin_row_number(&row, 0);
    admin_row_number(&row, cursor->view->commons->console_count);
    for (int i = 0; i < 3; i++) admin_row_number(&row, 0);
    admin_row_end(&row);
    return SHOW_ROW;
}

/* Those of the configuration, those that clients have come to by its "*" entry, and the console. */
enum show_step rows_of_databases(struct show_cursor *cursor, struct bytes_writer *writer)
{
    const struct config *config = cursor->config;
    const struct databases *databases = &cursor->view->pools->databases;
    while (cursor->step < config->database_count) {
        const struct config_database *entry = &config->databases[cursor->step++];
        if (strcmp(entry->name, "*") == 0) continue;
        return row_of_database(cursor, writer, entry->name, entry, databases_get(databases, entry->name));
    }
    const struct database *database = show_next_database(cursor);
    if (!database) return cursor->step++ == config->database_count ? row_of_console(cursor, writer) : SHOW_END;
    const struct config_database *entry = config_find_database(config, database->name);
    if (!entry || strcmp(entry->name, "*") != 0) return SHOW_SKIPPED;
    return row_of_database(cursor, writer, database->name, entry, database);
}

/* ---- users ---- */

static enum show_step row_of_user(struct show_cursor *cursor, struct bytes_writer *writer, const char *name)
{
    const struct config_user *entry = config_find_user(cursor->config, name);
    int64_t servers = 0, clients = 0;
    for (const struct pool *pool = cursor->view->pools->by_key; pool; pool = pool->hh.next) {
        if (strcmp(pool->user, name) != 0) continue;
        servers += pool->slots.idle + pool->slots.leased + pool->slots.opening + pool->slots.closing;
        clients += pool->client_count;
    }
    struct admin_row row;
    show_begin_row(cursor, &row, writer);
    admin_row_text(&row, name);
    if (entry && entry->pool_size >= 0)
        admin_row_number(&row, entry->pool_size);
    else
        admin_row_null(&row);
    admin_row_null(&row);
    admin_row_text(&row, entry && entry->pool_mode != POOL_MODE_UNSET ? mode_text((enum pool_mode)entry->pool_mode) : NULL);
    admin_row_number(&row, 0);
    admin_row_number(&row, servers);
    admin_row_number(&row, 0);
    admin_row_number(&row, clients);
    admin_row_end(&row);
    return SHOW_ROW;
}

enum show_step rows_of_users(struct show_cursor *cursor, struct bytes_writer *writer)
{
    const struct config *config = cursor->config;
    if (cursor->step < config->user_count) return row_of_user(cursor, writer, config->users[cursor->step++].name);
    const struct userlist_user *user = userlist_next(config->userlist, cursor->user);
    if (!user) return SHOW_END;
    cursor->user = user->name;
    return config_find_user(config, user->name) ? SHOW_SKIPPED : row_of_user(cursor, writer, user->name);
}
