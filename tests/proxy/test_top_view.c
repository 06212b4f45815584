#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/top_view.h"

TestSuite(top_view);

/* A table from names and rows, both separated by blanks; all columns are numbers but the first. */
static struct text_table *table_of(const char *names_, const char *cells_)
{
    char names[256], cells[1024], *rest = names;
    size_t count = 1, column = 0;
    snprintf(names, sizeof names, "%s", names_);
    snprintf(cells, sizeof cells, "%s", cells_);
    for (const char *at = names; *at != '\0'; at++) count += *at == ' ';
    struct text_table *table = text_table_new(count);
    for (char *name; (name = strsep(&rest, " ")) != NULL; column++) text_table_name(table, column, name, column > 0);
    rest = *cells_ != '\0' ? cells : NULL;
    for (char *cell; (cell = strsep(&rest, " ")) != NULL;) text_table_add(table, cell);
    return table;
}

static char *drawn(const struct top_screen *screen, const struct top_snapshot *now, const struct top_snapshot *before)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    top_view_print(screen, now, before, 2, out);
    fclose(out);
    return text;
}

static void expect_in(const char *text, const char *part)
{
    cr_assert_not_null(strstr(text, part), "no \"%s\" in:\n%s", part, text);
}

static struct top_snapshot full(void)
{
    return (struct top_snapshot){
        .config = table_of("key value", "listen_port 6432 budget 20"),
        .pools =
            table_of("database user cl_active cl_waiting sv_active sv_idle sv_login maxwait", "shop web 30 4 8 2 0 1 shop job 5 0 1 0 1 0"),
        .classes = table_of("class leased waiting wait_p99_us", "web 8 4 2500"),
        .leases =
            table_of("state held_us pid",
                     "running 12000 4711 idle 99000000 4712 running 7500000000 4713 idle 8000 4714 idle 1500000 4715 idle 600000000 4716"),
        .waiting = table_of("client waited", ""),
        .stats = table_of("database total_xact_count total_query_count total_received total_sent", "shop 1000 3000 500000 900000")};
}

Test(top_view, everything_there_is)
{
    struct top_snapshot now = full(), before = full();
    text_table_free(&now.stats);
    now.stats = table_of("database total_xact_count total_query_count total_received total_sent", "shop 1200 3600 510000 940000");
    struct top_screen screen = {.peer = "127.0.0.1:6432", .time = "12:00:00", .columns = 160};
    top_snapshot_sort(&now);
    char *text = drawn(&screen, &now, &before);
    expect_in(text, "  held  state     pid\n"
                    " 2.1 h  running  4713\n"
                    "10 min  idle     4716\n"
                    "  99 s  idle     4712\n"
                    " 1.5 s  idle     4715\n"
                    " 12 ms  running  4711\n"
                    "8.0 ms  idle     4714\n");
    expect_in(text, "class  leased  waiting  wait p99\nweb         8        4    2.5 ms\n");
    expect_in(text, "pgturnstile at 127.0.0.1:6432, 12:00:00: 39 clients, 4 of them waiting\n");
    expect_in(text, "] 12 of 20: 9 active, 1 login, 2 idle\n");
    expect_in(text, "traffic 100 transactions/s, 300 queries/s, 5.0 kB/s in, 20.0 kB/s out\n");
    expect_in(text, "Pools (2)\n");
    expect_in(text, "Classes (1)\n");
    expect_in(text, "Waiting, the longest first: none\n");
    free(text);
    top_snapshot_free(&now);
    top_snapshot_free(&before);
}

Test(top_view, what_is_not_shown_is_said_to_be_missing)
{
    struct top_snapshot nothing = {.config = NULL};
    struct top_screen screen = {.peer = "here", .time = "now", .columns = 160};
    char *text = drawn(&screen, &nothing, NULL);
    static const char *const names[] = {"CLASSES", "POOLS", "WAITING", "LEASES", "STATS"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char expected[80];
        snprintf(expected, sizeof expected, "this pgturnstile does not show %s\n", names[i]);
        expect_in(text, expected);
    }
    free(text);
}

/* Every size of a terminal: no line is too long, and there are not too many. */
Test(top_view, fits_every_terminal)
{
    struct top_snapshot now = full();
    for (size_t i = 0; i < 100; i++)
        for (size_t j = 0; j < text_table_columns(now.leases); j++) text_table_add(now.leases, "1234567890");
    for (size_t columns = 1; columns < 200; columns += 7) {
        for (size_t lines = 1; lines < 60; lines++) {
            struct top_screen screen = {.peer = "127.0.0.1:6432", .time = "12:00:00", .columns = columns, .lines = lines};
            char *text = drawn(&screen, &now, NULL);
            size_t count = 0;
            for (const char *at = text; *at != '\0'; at += strcspn(at, "\n") + 1, count++)
                cr_assert_leq(strcspn(at, "\n"), columns, "%zu x %zu:\n%s", columns, lines, text);
            cr_assert_leq(count, lines, "%zu x %zu:\n%s", columns, lines, text);
            free(text);
        }
    }
    top_snapshot_free(&now);
}
