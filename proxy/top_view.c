/* The screen of `pgturnstile top`. It asks nobody and knows no terminal: tables in, text out. */
#include "proxy/top_view.h"

#include <stdlib.h>
#include <string.h>

enum { BAR_WIDTH_MAX = 60, BAR_WIDTH_MIN = 10, COLUMNS_MAX = 16 };

void top_snapshot_free(struct top_snapshot *snapshot)
{
    text_table_free(&snapshot->config);
    text_table_free(&snapshot->pools);
    text_table_free(&snapshot->classes);
    text_table_free(&snapshot->leases);
    text_table_free(&snapshot->waiting);
    text_table_free(&snapshot->stats);
}

void top_snapshot_sort(struct top_snapshot *snapshot)
{
    if (snapshot->waiting) text_table_sort_down(snapshot->waiting, "waited_us");
    if (snapshot->leases) text_table_sort_down(snapshot->leases, "held_us");
}

/* ---- numbers ---- */

static double budget_of(const struct text_table *config)
{
    size_t key = config ? text_table_find(config, "key") : SIZE_MAX;
    for (size_t row = 0; config && row < text_table_rows(config); row++)
        if (strcmp(text_table_cell(config, row, key), "budget") == 0) return text_table_number(config, row, "value");
    return 0;
}

static double sum_of(const struct text_table *table, const char *const *names)
{
    double sum = 0;
    for (; table && *names; names++) sum += text_table_sum(table, *names);
    return sum;
}

static double rate(const struct text_table *now, const struct text_table *before, const char *name, double seconds)
{
    double difference = text_table_sum(now, name) - text_table_sum(before, name);
    return seconds > 0 && difference > 0 ? difference / seconds : 0;
}

/* ---- lines ---- */

struct paper {
    FILE *out;
    const struct top_screen *screen;
    size_t left; /* lines */
};

/* One line, cut at the width of the screen. */
static void put_line(struct paper *paper, const char *text)
{
    if (paper->left == 0) return;
    paper->left--;
    fprintf(paper->out, "%.*s\n", (int)paper->screen->columns, text);
}

static void put_budget(struct paper *paper, const struct top_snapshot *now)
{
    static const char *const busy_names[] = {"sv_active", "sv_active_cancel", "sv_being_canceled", NULL};
    static const char *const idle_names[] = {"sv_idle", "sv_used", "sv_tested", NULL}, *const login_names[] = {"sv_login", NULL};
    char bar[BAR_WIDTH_MAX + 1], text[256];
    double busy = sum_of(now->pools, busy_names), idle = sum_of(now->pools, idle_names), login = sum_of(now->pools, login_names);
    double budget = budget_of(now->config), all = budget > 0 ? budget : busy + idle + login;
    size_t columns = paper->screen->columns,
           width = columns < BAR_WIDTH_MAX + 50 ? (columns > 60 ? columns - 50 : BAR_WIDTH_MIN) : BAR_WIDTH_MAX;
    for (size_t i = 0; i < width; i++) {
        double at = ((double)i + 0.5) / (double)width * all;
        bar[i] = all <= 0 ? '.' : at < busy ? '#' : at < busy + login ? '+' : at < busy + login + idle ? '-' : '.';
    }
    bar[width] = '\0';
    if (budget > 0)
        snprintf(text, sizeof text, "budget [%s] %.0f of %.0f: %.0f active, %.0f login, %.0f idle", bar, busy + login + idle, budget, busy,
                 login, idle);
    else
        snprintf(text, sizeof text, "servers [%s] %.0f: %.0f active, %.0f login, %.0f idle", bar, busy + login + idle, busy, login, idle);
    put_line(paper, text);
}

static void put_traffic(struct paper *paper, const struct top_snapshot *now, const struct top_snapshot *before, double seconds)
{
    char text[256];
    const struct text_table *stats = now->stats, *old = before ? before->stats : NULL;
    if (!stats) {
        put_line(paper, "traffic: this pgturnstile does not show STATS");
    } else if (old) {
        snprintf(text, sizeof text, "traffic %.0f transactions/s, %.0f queries/s, %.1f kB/s in, %.1f kB/s out",
                 rate(stats, old, "total_xact_count", seconds), rate(stats, old, "total_query_count", seconds),
                 rate(stats, old, "total_received", seconds) / 1000, rate(stats, old, "total_sent", seconds) / 1000);
        put_line(paper, text);
    } else {
        snprintf(text, sizeof text, "traffic %.0f transactions, %.0f queries since the start", text_table_sum(stats, "total_xact_count"),
                 text_table_sum(stats, "total_query_count"));
        put_line(paper, text);
    }
}

/* ---- tables ---- */

/* A column of a SHOW as it stands on the screen. A name that ends in _us is a time. */
struct column {
    const char *name, *title; /* ended by NULL */
    bool is_number;
};

static const struct column class_columns[] = {{"class", "class", false},
                                              {"leased", "leased", true},
                                              {"reserve", "reserve", true},
                                              {"limit", "limit", true},
                                              {"waiting", "waiting", true},
                                              {"longest_wait_us", "longest", true},
                                              {"wait_p50_us", "wait p50", true},
                                              {"wait_p99_us", "wait p99", true},
                                              {"lease_p99_us", "lease p99", true},
                                              {"query_p99_us", "query p99", true},
                                              {"refused", "refused", true},
                                              {"timed_out", "timed out", true},
                                              {NULL, NULL, false}};
static const struct column pool_columns[] = {
    {"database", "database", false},   {"user", "user", false},      {"cl_active", "cl_active", true}, {"cl_waiting", "cl_waiting", true},
    {"sv_active", "sv_active", true},  {"sv_idle", "sv_idle", true}, {"sv_login", "sv_login", true},   {"cl_pinned", "pinned", true},
    {"pool_mode", "pool_mode", false}, {NULL, NULL, false}};
static const struct column waiting_columns[] = {{"waited_us", "waited", true},
                                                {"position", "position", true},
                                                {"class", "class", false},
                                                {"user", "user", false},
                                                {"database", "database", false},
                                                {"client", "client", true},
                                                {"addr", "addr", false},
                                                {"application_name", "application_name", false},
                                                {NULL, NULL, false}};
static const struct column lease_columns[] = {{"held_us", "held", true},   {"state", "state", false},
                                              {"pinned", "pinned", false}, {"class", "class", false},
                                              {"user", "user", false},     {"database", "database", false},
                                              {"pid", "pid", true},        {"client", "client", true},
                                              {"addr", "addr", false},     {"application_name", "application_name", false},
                                              {NULL, NULL, false}};

static void write_time(double us, char *text, size_t size)
{
    if (us <= 0)
        snprintf(text, size, "0");
    else if (us < 10e3)
        snprintf(text, size, "%.1f ms", us / 1e3);
    else if (us < 1e6)
        snprintf(text, size, "%.0f ms", us / 1e3);
    else if (us < 120e6)
        snprintf(text, size, us < 10e6 ? "%.1f s" : "%.0f s", us / 1e6);
    else if (us < 7200e6)
        snprintf(text, size, "%.0f min", us / 60e6);
    else
        snprintf(text, size, "%.1f h", us / 3600e6);
}

static void add_cell(struct text_table *shown, const char *name, const char *cell)
{
    char text[32];
    size_t size = strlen(name);
    bool is_time = size > 3 && strcmp(name + size - 3, "_us") == 0 && *cell;
    if (is_time) write_time(strtod(cell, NULL), text, sizeof text);
    text_table_add(shown, is_time ? text : cell);
}

/* The first rows as they stand on the screen: those of the columns that the table has. */
static struct text_table *shown_of(const struct text_table *table, const struct column *columns, size_t rows)
{
    const struct column *present[COLUMNS_MAX];
    size_t count = 0;
    for (; columns->name; columns++)
        if (text_table_find(table, columns->name) != SIZE_MAX) present[count++] = columns;
    struct text_table *shown = text_table_new(count);
    for (size_t i = 0; i < count; i++) text_table_name(shown, i, present[i]->title, present[i]->is_number);
    for (size_t row = 0; row < rows; row++)
        for (size_t i = 0; i < count; i++)
            add_cell(shown, present[i]->name, text_table_cell(table, row, text_table_find(table, present[i]->name)));
    return shown;
}

/* A table under a title; at most `share` of the lines that are left. */
static void put_table(struct paper *paper, const char *title, const char *show, const struct text_table *table,
                      const struct column *columns, size_t share)
{
    char text[160];
    if (paper->left < 3) return;
    put_line(paper, "");
    if (!table || text_table_rows(table) == 0) {
        snprintf(text, sizeof text, table ? "%s: none" : "%s: this pgturnstile does not show %s", title, show);
        put_line(paper, text);
        return;
    }
    size_t rows = text_table_rows(table), shown = share > 3 ? share - 3 : 1;
    if (shown > paper->left - 2 && paper->left > 2) shown = paper->left - 2;
    if (shown > rows) shown = rows;
    snprintf(text, sizeof text, shown < rows ? "%s (%zu of %zu)" : "%s (%zu)", title, shown, rows);
    put_line(paper, text);
    struct text_table_view view = {.rows_max = shown, .width = paper->screen->columns, .is_emphasized = paper->screen->is_terminal};
    if (paper->left < shown + 1) return;
    struct text_table *on_screen = shown_of(table, columns, shown);
    text_table_print(on_screen, &view, paper->out);
    text_table_free(&on_screen);
    paper->left -= shown + 1;
}

void top_view_print(const struct top_screen *screen, const struct top_snapshot *now, const struct top_snapshot *before, double seconds,
                    FILE *out)
{
    static const char *const client_names[] = {"cl_active", "cl_waiting", NULL}, *const waiting_names[] = {"cl_waiting", NULL};
    struct paper paper = {.out = out, .screen = screen, .left = screen->lines > 0 ? screen->lines : SIZE_MAX};
    char text[400];
    snprintf(text, sizeof text, "pgturnstile at %s, %s: %.0f clients, %.0f of them waiting", screen->peer, screen->time,
             sum_of(now->pools, client_names), sum_of(now->pools, waiting_names));
    put_line(&paper, text);
    put_budget(&paper, now);
    put_traffic(&paper, now, before, seconds);
    put_table(&paper, "Classes", "CLASSES", now->classes, class_columns, paper.left / 3);
    put_table(&paper, "Pools", "POOLS", now->pools, pool_columns, paper.left / 3);
    put_table(&paper, "Waiting, the longest first", "WAITING", now->waiting, waiting_columns, paper.left / 2);
    put_table(&paper, "Leases, the longest first", "LEASES", now->leases, lease_columns, paper.left);
}
