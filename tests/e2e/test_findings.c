/*
 * Findings about duplicate queries, around what the detector itself does: the names of columns, which are asked for, and the file that keeps them over a restart.
 */
#include "tests/e2e/support/files.h"
#include "tests/e2e/support/http_get.h"
#include "tests/e2e/support/process.h"
#include "tests/e2e/support/proxy.h"
#include "tests/e2e/support/run_directory.h"
#include "tests/e2e/support/sql.h"
#include "tests/e2e/support/wait.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const struct postgres_options e2e_postgres_options = {0};

TestSuite(findings, .timeout = 300);

enum { PARENTS = 20 };

/* Past the proxy; the caller finishes it. */
static PGconn *superuser(void)
{
    char *text = postgres_direct(postgres_shared(), "app");
    PGconn *direct = sql_connect("%s", text);
    free(text);
    return direct;
}

static void make_tables(void)
{
    PGconn *direct = superuser();
    sql_run(direct, "set client_min_messages = warning");
    sql_run(direct, "drop table if exists child, parent");
    sql_run(direct, "create table child (id integer primary key)");
    sql_run(direct, "create table parent (id integer primary key, child_id integer not null)");
    sql_run(direct, "insert into child select n from generate_series(1000, 1000 + 99) as n");
    sql_run(direct, "insert into parent select n, 1000 + n * 31 %% 77 from generate_series(1, %d) as n", PARENTS);
    sql_run(direct, "grant select on child, parent to public");
    PQfinish(direct);
}

/* What an ORM does when nobody looks: a query for each row of another. */
static void walk_as(PGconn *client)
{
    PGresult *parents = PQexec(client, "select id, child_id as anything from parent order by id");
    cr_assert_eq(PQntuples(parents), PARENTS, "%s", PQerrorMessage(client));
    for (int i = 0; i < PARENTS; i++) sql_value(client, "select id from child where id = %s", PQgetvalue(parents, i, 1));
    PQclear(parents);
}

static PGconn *application(const struct proxy *proxy)
{
    return sql_connect("%s", proxy_conninfo(proxy, "application_name=shop"));
}

static void walk(const struct proxy *proxy)
{
    PGconn *client = application(proxy);
    walk_as(client);
    PQfinish(client);
}

static PGconn *console(const struct proxy *proxy)
{
    return sql_connect("%s dbname=pgturnstile user=boss", proxy_conninfo(proxy, ""));
}

/* A cell of the one finding; "" when there is none. The caller frees it. */
static char *told(PGconn *on_console, const char *column)
{
    PGresult *result = PQexec(on_console, "show duplicates");
    cr_assert_eq(PQresultStatus(result), PGRES_TUPLES_OK, "%s", PQerrorMessage(on_console));
    cr_assert_leq(PQntuples(result), 1);
    cr_assert_geq(PQfnumber(result, column), 0);
    char *text = strdup(PQntuples(result) == 1 ? PQgetvalue(result, 0, PQfnumber(result, column)) : "");
    PQclear(result);
    return text;
}

static bool is_told(PGconn *on_console, const char *column, const char *wanted)
{
    char *text = told(on_console, column);
    bool is_so = strcmp(text, wanted) == 0;
    free(text);
    return is_so;
}

static struct proxy *start(const char *settings)
{
    return proxy_start("admin_users = boss\nrow_sampling = 1\n%s", settings);
}

Test(findings, the_parents_column_is_asked_for_by_name)
{
    make_tables();
    struct proxy *proxy = start("");
    PGconn *boss = console(proxy);
    walk(proxy);
    WAIT_FOR(is_told(boss, "confidence", "proven"), LONG_MS);
    WAIT_FOR(is_told(boss, "parent_table", "parent"), LONG_MS);
    cr_expect(is_told(boss, "parent_column", "child_id"));
    cr_expect(is_told(boss, "verdict", "n_plus_one"));
    /* The server that was asked is one like any other. */
    WAIT_FOR(backends_busy() == 0, LONG_MS);
    walk(proxy);
    WAIT_FOR(is_told(boss, "units", "2"), LONG_MS);
    cr_expect_eq(backends_count(), 1);
    PQfinish(boss);
    proxy_finish(&proxy);
}

/* BEGIN goes to no server of its own: what follows it is in the transaction all the same. */
Test(findings, the_first_statement_of_a_transaction_counts)
{
    make_tables();
    struct proxy *proxy = start("");
    PGconn *boss = console(proxy);
    PGconn *client = application(proxy);
    sql_run(client, "begin");
    for (int i = 0; i < 3; i++) sql_run(client, "select id from child where id = 1000");
    sql_run(client, "commit");
    WAIT_FOR(is_told(boss, "confidence", "proven"), LONG_MS);
    cr_expect(is_told(boss, "verdict", "exact_duplicate"));
    cr_expect(is_told(boss, "n_max", "3"));
    PQfinish(client);
    PQfinish(boss);
    proxy_finish(&proxy);
}

/* The question waits for the lock on pg_class. */
static bool hangs(PGconn *direct)
{
    sql_value(direct, "select pg_stat_clear_snapshot()::text");
    return sql_int(direct, "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%%pg_attribute%%'") > 0;
}

/* Also one that hangs: a client that needs the only server has it soon. */
Test(findings, the_question_delays_nobody)
{
    make_tables();
    struct proxy *proxy = start("budget = 1\nanalysis_lookup = 0\n");
    PGconn *boss = console(proxy);
    PGconn *direct = superuser();
    walk(proxy);
    WAIT_FOR(is_told(boss, "confidence", "proven"), LONG_MS);
    sql_run(direct, "begin; lock table pg_catalog.pg_class in access exclusive mode");
    proxy_reload(proxy, "admin_users = boss\nrow_sampling = 1\nbudget = 1\n");
    PGconn *client = sql_connect("%s", proxy_conninfo(proxy, ""));
    cr_assert_eq(sql_int(client, "select 7"), 7);
    /* It asks when nobody else does, and more than once: each is given up soon. */
    for (int asked = 0; asked < 2; asked++) {
        WAIT_FOR(hangs(direct), LONG_MS);
        cr_assert_eq(sql_int(client, "select 7"), 7);
        WAIT_FOR(!hangs(direct), LONG_MS);
    }
    sql_run(direct, "commit");
    WAIT_FOR(is_told(boss, "parent_table", "parent"), LONG_MS);
    PQfinish(direct);
    PQfinish(client);
    PQfinish(boss);
    proxy_finish(&proxy);
}

Test(findings, nothing_is_asked_when_it_is_turned_off)
{
    make_tables();
    struct proxy *proxy = start("analysis_lookup = 0\n");
    PGconn *boss = console(proxy);
    walk(proxy);
    WAIT_FOR(is_told(boss, "confidence", "proven"), LONG_MS);
    int64_t leases_end_ms = now_ms() + 3500; /* longer than the time between two questions */
    WAIT_FOR(now_ms() >= leases_end_ms, LONG_MS);
    cr_expect(is_told(boss, "parent_table", ""));
    cr_expect(is_told(boss, "parent_column", "anything"));
    PQfinish(boss);
    proxy_finish(&proxy);
}

/* Statements and routes that are known, and left out from a reload on. */
Test(findings, what_is_ignored_is_not_told)
{
    make_tables();
    struct proxy *proxy = start("analysis_ignore = select id from child where id = *\n");
    PGconn *boss = console(proxy);
    walk(proxy);
    proxy_reload(proxy, "admin_users = boss\nrow_sampling = 1\nanalysis_ignore = route:shop\n");
    WAIT_FOR(proxy_log_count(proxy, "config_reloaded") == 1, LONG_MS);
    walk(proxy);
    proxy_reload(proxy, "admin_users = boss\nrow_sampling = 1\n");
    WAIT_FOR(proxy_log_count(proxy, "config_reloaded") == 2, LONG_MS);
    walk(proxy);
    WAIT_FOR(is_told(boss, "units", "1"), LONG_MS);
    cr_expect(is_told(boss, "n_max", "20"));
    cr_expect(is_told(boss, "units_of_route", "2"), "the first unit of the route had another statement");
    cr_expect_eq(proxy_log_count(proxy, "n=20 "), 1);
    PQfinish(boss);
    proxy_finish(&proxy);
}

Test(findings, a_restart_keeps_them)
{
    make_tables();
    char *path = run_directory_file("findings");
    char *setting = text_format("report_file = %s\n", path);
    struct proxy *proxy = start(setting);
    PGconn *boss = console(proxy);
    walk(proxy);
    WAIT_FOR(is_told(boss, "parent_table", "parent"), LONG_MS);
    char *id = told(boss, "id"), *first_seen = told(boss, "first_seen");
    PQfinish(boss);
    cr_assert_eq(proxy_stop(proxy, SIGTERM, LONG_MS), 0);
    proxy_finish(&proxy);
    struct stat status;
    cr_assert_eq(stat(path, &status), 0);
    cr_expect_eq(status.st_mode & 0777, 0600);

    proxy = start(setting);
    boss = console(proxy);
    cr_expect(is_told(boss, "id", id));
    cr_expect(is_told(boss, "first_seen", first_seen));
    cr_expect(is_told(boss, "units", "1"));
    cr_expect(is_told(boss, "parent_column", "child_id"));
    walk(proxy);
    WAIT_FOR(is_told(boss, "units", "2"), LONG_MS);
    PQfinish(boss);
    proxy_finish(&proxy);
    free(id);
    free(first_seen);
    free(setting);
    free(path);
}

/* However slowly: a transaction is one, and does not end by silence. */
static void walk_as_one_unit(PGconn *client)
{
    sql_run(client, "begin");
    walk_as(client);
    sql_run(client, "commit");
}

/* Without a file, too. What the older process sees of its last clients comes when they have left. */
Test(findings, an_online_restart_counts_each_unit_once)
{
    make_tables();
    char *pid_file = run_directory_short(), *path = run_directory_file("findings"), *settings;
    for (int has_file = 0; has_file < 2; has_file++) {
        settings = text_format("pidfile = %s.pid\n%s%s\n", pid_file, has_file ? "report_file = " : "", has_file ? path : "");
        struct proxy *proxy = start(settings);
        PGconn *stays = application(proxy), *goes = application(proxy);
        walk_as_one_unit(stays);
        walk_as_one_unit(goes);
        PQfinish(goes);
        PGconn *boss = console(proxy);
        WAIT_FOR(is_told(boss, "units", "2"), LONG_MS);
        char *id = told(boss, "id"), *first_seen = told(boss, "first_seen");
        PQfinish(boss);

        struct proxy *younger = proxy_take_over(proxy);
        boss = console(younger);
        WAIT_FOR(is_told(boss, "units", "2"), LONG_MS);
        cr_expect(is_told(boss, "id", id));
        cr_expect(is_told(boss, "first_seen", first_seen));
        goes = application(younger);
        walk_as_one_unit(goes);
        PQfinish(goes);
        WAIT_FOR(is_told(boss, "units", "3"), LONG_MS);
        walk_as_one_unit(stays);
        PQfinish(stays);
        WAIT_FOR(is_told(boss, "units", "4"), LONG_MS);
        cr_expect(is_told(boss, "confidence", "proven"));
        PQfinish(boss);
        int status;
        cr_assert(process_wait(proxy->pid, LONG_MS, &status));
        proxy->pid = 0;
        cr_assert_eq(proxy_stop(younger, SIGTERM, LONG_MS), 0);
        cr_expect_eq(proxy_log_count(younger, "findings_not_handed_over"), 0);
        proxy_finish(&proxy);
        proxy_finish(&younger);
        free(first_seen);
        free(id);
        if (!has_file) free(settings);
    }
    struct proxy *proxy = start(settings);
    PGconn *boss = console(proxy);
    cr_expect(is_told(boss, "units", "4"));
    PQfinish(boss);
    proxy_finish(&proxy);
    free(settings);
    free(path);
    free(pid_file);
}

Test(findings, a_file_that_is_another_ones_stays_as_it_is)
{
    char *path = run_directory_file("not-findings");
    file_write(path, "root:x:0:0:root:/root:/bin/bash\n");
    cr_assert_eq(chmod(path, 0666), 0);
    char *setting = text_format("report_file = %s\n", path);
    make_tables();
    struct proxy *proxy = start(setting);
    walk(proxy);
    cr_expect_eq(proxy_log_count(proxy, "report_file_failed"), 1);
    cr_assert_eq(proxy_stop(proxy, SIGTERM, LONG_MS), 0);
    proxy_finish(&proxy);
    cr_expect_eq(file_count(path, "root:x:0:0"), 1);
    free(setting);
    free(path);
}

/* ---- values ---- */

static const char secret[] = "Geheimnis";

/* One shape by literals, one by parameters in text, one in binary; each with something that nobody else may know. */
static void ask_for_secrets(const struct proxy *proxy)
{
    PGconn *client = sql_connect("%s", proxy_conninfo(proxy, "application_name=shop"));
    for (int i = 0; i < 6; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s-%d", secret, i);
        sql_run(client, "select id from child where id::text = '%s'", text);
        const char *values[] = {text};
        PQclear(PQexecParams(client, "select id from parent where id::text = $1", 1, (const Oid[]){25}, values, NULL, NULL, 0));
        const int sizes[] = {(int)strlen(text)}, formats[] = {1};
        PQclear(PQexecParams(client, "select child_id from parent where id::text = $1", 1, (const Oid[]){25}, values, sizes, formats, 0));
    }
    PQfinish(client);
}

/* What a command prints; the caller frees it. */
static char *output_of(const char *const *argv)
{
    char *path = run_directory_file("output");
    file_write(path, "");
    cr_assert_eq(process_run(argv, &(struct process_options){.output_path = path}), 0);
    char *text = file_read(path);
    free(path);
    return text;
}

/* How many of the outlets tell the secret. `text_out` is the JSON over HTTP; the caller frees it. */
static int outlets_that_tell(const struct proxy *proxy, int http_port, PGconn *boss, char **text_out)
{
    int count = 0;
    char *port = text_format("%d", proxy->port), *program = proxy_program(), *page = NULL, *metrics = NULL;
    const char *const as_table[] = {program, "report", "-H", "127.0.0.1", "-p", port, "-U", "boss", NULL};
    const char *const as_json[] = {program, "report", "--json", "-H", "127.0.0.1", "-p", port, "-U", "boss", NULL};
    char *table = output_of(as_table), *json = output_of(as_json);
    cr_assert_eq(http_get(http_port, "/report.json", "*/*", text_out), 200);
    cr_assert_eq(http_get(http_port, "/report", "*/*", &page), 200);
    cr_assert_eq(http_get(http_port, "/metrics", "*/*", &metrics), 200);
    count += strstr(*text_out, secret) != NULL;
    count += strstr(page, secret) != NULL;
    count += strstr(table, secret) != NULL;
    count += strstr(json, secret) != NULL;
    cr_expect_null(strstr(metrics, secret));
    PGresult *result = PQexec(boss, "show duplicates");
    int rows = PQntuples(result), column = PQfnumber(result, "sample_values"), told_in_show = 0;
    cr_assert_geq(column, 0);
    for (int row = 0; row < rows; row++) told_in_show += strstr(PQgetvalue(result, row, column), secret) != NULL;
    count += told_in_show > 0;
    PQclear(result);
    result = PQexec(boss, "show shapes");
    for (int row = 0; row < PQntuples(result); row++)
        for (int i = 0; i < PQnfields(result); i++) cr_expect_null(strstr(PQgetvalue(result, row, i), secret));
    PQclear(result);
    free(port);
    free(program);
    free(page);
    free(metrics);
    free(table);
    free(json);
    return count;
}

static int rows_of_report(PGconn *boss)
{
    PGresult *result = PQexec(boss, "show duplicates");
    int rows = PQntuples(result);
    PQclear(result);
    return rows;
}

Test(findings, values_are_kept_only_while_they_are_asked_for)
{
    make_tables();
    enum { OUTLETS = 5 };
    int http_port = process_free_port();
    char *path = run_directory_file("values"), *text = NULL;
    /* A unit ends with its connection, however slow the machine. */
    char *quiet = text_format(
        "admin_users = boss\nanalysis_lookup = 0\nunit_gap = 20\nunit_silence = 20\nhttp_listen = 127.0.0.1:%d\nreport_file = %s\n",
        http_port, path);
    char *asking = text_format("%ssample_values = 2\n", quiet);
    struct proxy *proxy = proxy_start("%s", quiet);
    PGconn *boss = console(proxy);
    ask_for_secrets(proxy);
    WAIT_FOR(rows_of_report(boss) == 3, LONG_MS);
    cr_expect_eq(outlets_that_tell(proxy, http_port, boss, &text), 0);
    free(text);
    /* Asked for: in the report, and nowhere else. */
    proxy_reload(proxy, asking);
    WAIT_FOR(proxy_log_count(proxy, "config_reloaded") == 1, LONG_MS);
    ask_for_secrets(proxy);
    PGresult *result = NULL;
    WAIT_FOR((PQclear(result), result = PQexec(boss, "show duplicates"), PQntuples(result) == 3) &&
                 strcmp(PQgetvalue(result, 0, PQfnumber(result, "units")), "2") == 0 &&
                 strcmp(PQgetvalue(result, 1, PQfnumber(result, "units")), "2") == 0 &&
                 strcmp(PQgetvalue(result, 2, PQfnumber(result, "units")), "2") == 0,
             LONG_MS);
    for (int row = 0; row < 3; row++)
        cr_expect_str_eq(PQgetvalue(result, row, PQfnumber(result, "sample_values")), "$1 = 'Geheimnis-0'\n$1 = 'Geheimnis-1'");
    PQclear(result);
    cr_expect_eq(outlets_that_tell(proxy, http_port, boss, &text), OUTLETS);
    free(text);
    /* Not any more: what was kept is gone at once. */
    proxy_reload(proxy, quiet);
    WAIT_FOR(proxy_log_count(proxy, "config_reloaded") == 2, LONG_MS);
    cr_expect_eq(outlets_that_tell(proxy, http_port, boss, &text), 0);
    free(text);
    /* At the end they are kept, so that the file is written while there are some. */
    proxy_reload(proxy, asking);
    WAIT_FOR(proxy_log_count(proxy, "config_reloaded") == 3, LONG_MS);
    ask_for_secrets(proxy);
    WAIT_FOR(outlets_that_tell(proxy, http_port, boss, &text) == OUTLETS || (free(text), false), LONG_MS);
    free(text);
    PQfinish(boss);
    cr_assert_eq(proxy_stop(proxy, SIGTERM, LONG_MS), 0);
    cr_expect_gt(file_count(path, "shop"), 0);
    cr_expect_eq(file_count(path, secret), 0);
    cr_expect_eq(proxy_log_count(proxy, secret), 0);
    cr_expect_gt(proxy_log_count(proxy, "duplicate_queries"), 0);
    proxy_finish(&proxy);
    free(quiet);
    free(asking);
    free(path);
}
