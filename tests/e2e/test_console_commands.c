/*
 * The commands of the console: what each does, under load where clients must not notice, and who may give it.
 */
#include "tests/e2e/support/files.h"
#include "tests/e2e/support/process.h"
#include "tests/e2e/support/proxy.h"
#include "tests/e2e/support/sql.h"
#include "tests/e2e/support/wait.h"
#include "tests/e2e/support/wire.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

const struct postgres_options e2e_postgres_options = {0};

TestSuite(console_commands, .timeout = 300);

static const char roles[] = "admin_users = boss\nstats_users = looker\n";

static PGconn *console(const struct proxy *proxy, const char *user)
{
    return sql_connect("%s dbname=pgturnstile user=%s", proxy_conninfo(proxy, ""), user);
}

/* ---- load ---- */

enum { WORKERS = 6 };

/* Transactions in a loop, over connections that stay or come anew. */
struct load {
    char conninfo[512];
    pthread_t threads[WORKERS];
    atomic_bool is_over;
    atomic_int done, failed;
    bool reconnects;
    char failure[512];
};

static bool run_transaction(struct load *load, PGconn *connection)
{
    static const char *const steps[] = {"begin", "select 1", "select pg_sleep(0.002)", "commit"};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        PGresult *result = PQexec(connection, steps[i]);
        bool is_ok = PQresultStatus(result) == PGRES_TUPLES_OK || PQresultStatus(result) == PGRES_COMMAND_OK;
        if (!is_ok) snprintf(load->failure, sizeof load->failure, "%s: %.400s", steps[i], PQerrorMessage(connection));
        PQclear(result);
        if (!is_ok) return false;
    }
    return true;
}

static void *run_worker(void *argument)
{
    struct load *load = argument;
    PGconn *connection = PQconnectdb(load->conninfo);
    while (!load->is_over) {
        if (PQstatus(connection) == CONNECTION_OK && run_transaction(load, connection))
            load->done++;
        else
            load->failed++;
        if (!load->reconnects && PQstatus(connection) == CONNECTION_OK) continue;
        PQfinish(connection);
        connection = PQconnectdb(load->conninfo);
    }
    PQfinish(connection);
    return NULL;
}

static struct load *load_start(const struct proxy *proxy, bool reconnects)
{
    struct load *load = calloc(1, sizeof *load);
    snprintf(load->conninfo, sizeof load->conninfo, "%s", proxy_conninfo(proxy, ""));
    load->reconnects = reconnects;
    for (int i = 0; i < WORKERS; i++) cr_assert_eq(pthread_create(&load->threads[i], NULL, run_worker, load), 0);
    return load;
}

static void load_go_on(const struct load *load, int transactions)
{
    int until = load->done + transactions;
    WAIT_FOR(load->done >= until, LONG_MS);
}

static void load_end(struct load *load)
{
    load->is_over = true;
    for (int i = 0; i < WORKERS; i++) pthread_join(load->threads[i], NULL);
    cr_assert_eq(load->failed, 0, "%d of %d failed: %s", load->failed, load->done + load->failed, load->failure);
    free(load);
}

Test(console_commands, pause_and_resume_under_load)
{
    struct proxy *proxy = proxy_start("budget = 3\n%s", roles);
    PGconn *boss = console(proxy, "boss");
    struct load *load = load_start(proxy, false);
    load_go_on(load, 30);
    for (int i = 0; i < 10; i++) {
        bool by_name = i % 2, by_signal = i % 3 == 2;
        sql_run(boss, by_name ? "pause app" : "pause");
        cr_assert_eq(backends_count(), 0);
        int done = load->done;
        nap();
        cr_assert_eq(load->done, done, "a paused database worked");
        if (by_signal)
            kill(proxy->pid, SIGUSR2);
        else
            sql_run(boss, by_name ? "resume app" : "resume");
        load_go_on(load, 20);
    }
    load_end(load);
    PQfinish(boss);
    proxy_finish(&proxy);
}

Test(console_commands, reconnect_under_load)
{
    struct proxy *proxy = proxy_start("budget = 3\n%s", roles);
    PGconn *boss = console(proxy, "boss");
    struct load *load = load_start(proxy, false);
    load_go_on(load, 30);
    for (int i = 0; i < 10; i++) {
        char before[256];
        snprintf(before, sizeof before, ",%s,", backends_pids());
        sql_run(boss, i % 2 ? "reconnect app" : "reconnect");
        sql_run(boss, i % 2 ? "wait_close app" : "wait_close");
        char *now = strdup(backends_pids()), *rest = now;
        for (char *pid; (pid = strsep(&rest, ","));) {
            char wrapped[32];
            snprintf(wrapped, sizeof wrapped, ",%s,", pid);
            cr_assert(!strstr(before, wrapped) || !*pid, "%s was there before: %s", pid, before);
        }
        free(now);
        load_go_on(load, 20);
    }
    load_end(load);
    PQfinish(boss);
    proxy_finish(&proxy);
}

Test(console_commands, disable_and_enable_under_load)
{
    struct proxy *proxy = proxy_start("budget = 3\n%s", roles);
    PGconn *boss = console(proxy, "boss");
    struct load *load = load_start(proxy, false);
    load_go_on(load, 30);
    for (int i = 0; i < 5; i++) {
        sql_run(boss, "disable app");
        cr_assert(strstr(sql_refused("%s", proxy_conninfo(proxy, "")), "not currently accepting connections"));
        PGconn *other = sql_connect("%s dbname=other", proxy_conninfo(proxy, ""));
        PQfinish(other);
        load_go_on(load, 20);
        sql_run(boss, "enable app");
        PQfinish(sql_connect("%s", proxy_conninfo(proxy, "")));
    }
    load_end(load);
    PQfinish(boss);
    proxy_finish(&proxy);
}

/* Clients that come and go meet all of it. */
Test(console_commands, all_of_it_under_logins)
{
    struct proxy *proxy = proxy_start("budget = 3\n%s", roles);
    PGconn *boss = console(proxy, "boss");
    struct load *load = load_start(proxy, true);
    load_go_on(load, 30);
    static const char *const commands[] = {"pause",   "resume", "reconnect", "wait_close",     "pause app",     "resume app",
                                           "suspend", "resume", "reload",    "set budget = 2", "set budget = 3"};
    for (int i = 0; i < 44; i++) {
        sql_run(boss, "%s", commands[i % 11]);
        if (i % 4 == 3 && strstr(commands[i % 11], "pause") == NULL && strcmp(commands[i % 11], "suspend") != 0) load_go_on(load, 5);
    }
    sql_run(boss, "set budget = 3");
    load_go_on(load, 20);
    load_end(load);
    PQfinish(boss);
    proxy_finish(&proxy);
}

Test(console_commands, suspend_under_load)
{
    struct proxy *proxy = proxy_start("budget = 3\n%s", roles);
    PGconn *boss = console(proxy, "boss");
    struct load *load = load_start(proxy, false);
    load_go_on(load, 30);
    for (int i = 0; i < 5; i++) {
        sql_run(boss, "suspend");
        cr_assert_str_eq(sql_error(boss, "suspend"), "55000");
        cr_assert_str_eq(sql_error(boss, "pause"), "55000");
        int done = load->done;
        nap();
        cr_assert_leq(load->done - done, WORKERS); /* what had been sent to them already */
        sql_run(boss, "resume");
        load_go_on(load, 20);
    }
    load_end(load);
    PQfinish(boss);
    proxy_finish(&proxy);
}

Test(console_commands, no_timeout_strikes_a_suspended_client)
{
    struct proxy *proxy = proxy_start("budget = 3\n%s", roles);
    PGconn *boss = console(proxy, "boss"), *client = sql_connect("%s", proxy_conninfo(proxy, ""));
    cr_assert_eq(sql_int(client, "select 1"), 1);
    sql_run(boss, "set client_idle_timeout = 3");
    sql_run(boss, "suspend");
    int64_t suspended_ms = now_ms();
    WAIT_FOR(now_ms() > suspended_ms + 3500, LONG_MS);
    sql_run(boss, "resume");
    /* Nor does it afterwards: that time was not the client's. */
    cr_assert_eq(sql_int(client, "select 2"), 2);
    PQfinish(client);
    PQfinish(boss);
    proxy_finish(&proxy);
}

/* ---- one by one ---- */

Test(console_commands, pause_waits_for_the_transaction)
{
    struct proxy *proxy = proxy_start("budget = 2\n%s", roles);
    PGconn *boss = console(proxy, "boss"), *looker = console(proxy, "looker");
    struct wire *busy = wire_session(proxy->port), *next = wire_session(proxy->port), *other = wire_connect(proxy->port);
    wire_login(other, "app", "other", NULL);
    cr_assert_str_eq(wire_query(busy, "begin; select 1"), "1");
    cr_assert_eq(PQsendQuery(boss, "pause app"), 1);
    WAIT_FOR(strcmp(sql_value(looker, "show version"), "") != 0 && sql_int(looker, "show lists") >= 0, LONG_MS);
    wire_send_query(next, "select 'waited'");
    wire_settle(proxy->port);
    cr_assert_str_eq(wire_query(other, "select 'not paused'"), "not paused");
    cr_assert_eq(PQconsumeInput(boss), 1);
    cr_assert_eq(PQisBusy(boss), 1, "PAUSE did not wait");
    wire_send_query(busy, "commit");
    wire_expect(busy, "C:COMMIT Z:I");
    PGresult *result = PQgetResult(boss);
    cr_assert_str_eq(PQcmdStatus(result), "PAUSE");
    PQclear(result);
    cr_assert_null(PQgetResult(boss));
    cr_assert_eq(backends_count(), 1, "that of the other database");
    sql_run(boss, "resume app");
    wire_expect(next, "T D:waited C:SELECT_1 Z:I");
    cr_assert_str_eq(sql_error(boss, "resume app"), "55000");
    cr_assert_str_eq(sql_error(boss, "resume"), "55000");
    wire_close(&other);
    wire_close(&next);
    wire_close(&busy);
    PQfinish(looker);
    PQfinish(boss);
    proxy_finish(&proxy);
}

/* Ctrl-C in psql. */
Test(console_commands, canceling_pause_takes_it_back)
{
    struct proxy *proxy = proxy_start("%s", roles);
    PGconn *boss = console(proxy, "boss");
    struct wire *busy = wire_session(proxy->port), *next = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(busy, "begin; select 1"), "1");
    cr_assert_eq(PQsendQuery(boss, "pause; show version"), 1);
    wire_send_query(next, "select 'went on'");
    wire_settle(proxy->port);
    char why[256];
    PGcancel *cancel = PQgetCancel(boss);
    PGresult *result = NULL;
    cr_assert(PQcancel(cancel, why, sizeof why), "%s", why);
    PQfreeCancel(cancel);
    result = PQgetResult(boss);
    cr_assert_str_eq(PQresultErrorField(result, PG_DIAG_SQLSTATE), "57014");
    PQclear(result);
    cr_assert_null(PQgetResult(boss));
    wire_expect(next, "T D:went_on C:SELECT_1 Z:I");
    cr_assert_str_eq(sql_value(boss, "show version"), "PgBouncer 1.25.2");
    wire_close(&next);
    wire_close(&busy);
    PQfinish(boss);
    proxy_finish(&proxy);
}

Test(console_commands, kill_drops_clients_and_cancels)
{
    struct proxy *proxy = proxy_start("budget = 3\n%s", roles);
    PGconn *boss = console(proxy, "boss");
    struct wire *idle = wire_session(proxy->port), *running = wire_session(proxy->port), *other = wire_connect(proxy->port);
    wire_login(other, "app", "other", NULL);
    wire_send_query(running, "select pg_sleep(60) /* running */");
    WAIT_FOR(backends_find("running") != 0, LONG_MS);
    sql_run(boss, "kill app");
    wire_expect(idle, "E:57P01 -");
    wire_expect(running, "T* E:57P01 -");
    cr_assert_str_eq(wire_query(other, "select 'spared'"), "spared");
    WAIT_FOR(backends_count() == 1, LONG_MS);
    /* As after PAUSE: new queries wait. */
    struct wire *late = wire_session(proxy->port);
    wire_send_query(late, "select 'resumed'");
    wire_settle(proxy->port);
    sql_run(boss, "resume app");
    wire_expect(late, "T D:resumed C:SELECT_1 Z:I");
    cr_assert_str_eq(sql_error(boss, "kill_client 999999"), "42704");
    wire_close(&late);
    wire_close(&other);
    wire_close(&running);
    wire_close(&idle);
    PQfinish(boss);
    proxy_finish(&proxy);
}

static const char *config_value(PGconn *connection, const char *key)
{
    static char kept[4][128];
    static unsigned next;
    char *text = kept[next++ % 4];
    PGresult *result = PQexec(connection, "show config");
    *text = '\0';
    for (int i = 0; i < PQntuples(result); i++)
        if (strcmp(PQgetvalue(result, i, 0), key) == 0) snprintf(text, 128, "%s", PQgetvalue(result, i, 1));
    PQclear(result);
    return text;
}

Test(console_commands, set_and_reload)
{
    struct proxy *proxy = proxy_start("budget = 1\nquery_wait_timeout = 60\n%s", roles);
    PGconn *boss = console(proxy, "boss");
    struct wire *holder = wire_session(proxy->port), *second = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(holder, "begin; select 1"), "1");
    cr_assert_str_eq(config_value(boss, "query_wait_timeout"), "60");
    sql_run(boss, "set query_wait_timeout = 0.25");
    cr_assert_str_eq(config_value(boss, "query_wait_timeout"), "0.25");
    cr_assert_str_eq(wire_query(second, "select 1"), "!53300");
    sql_run(boss, "set budget = 2");
    sql_run(boss, "SET query_wait_timeout TO '20'");
    cr_assert_str_eq(config_value(boss, "query_wait_timeout"), "20");
    cr_assert_str_eq(wire_query(second, "select 1"), "1");
    const char *const wrong[][2] = {{"set budget = 0", "22023"},
                                    {"set budget = many", "22023"},
                                    {"set budgett = 1", "42704"},
                                    {"set listen_port = 5", "55P02"},
                                    {"set auth_file = x", "55P02"},
                                    {"set min_pool_size = 5", "22023"},
                                    {"set stats_period = 0", "22023"},
                                    {"set pool_mode = x", "22023"},
                                    {"set", "42601"},
                                    {"set budget", "42601"}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        cr_expect_str_eq(sql_error(boss, "%s", wrong[i][0]), wrong[i][1], "%s", wrong[i][0]);
    cr_assert_str_eq(config_value(boss, "budget"), "2");
    /* The file's word is the last. */
    sql_run(boss, "reload");
    cr_assert_str_eq(config_value(boss, "budget"), "1");
    file_write(proxy->config_path, "[pgturnstile]\nbudgett = 3\n");
    cr_assert_str_eq(sql_error(boss, "reload"), "22023");
    cr_assert(strstr(sql_message(), "did you mean budget"), "%s", sql_message());
    cr_assert_str_eq(config_value(boss, "budget"), "1");
    wire_close(&second);
    wire_close(&holder);
    PQfinish(boss);
    proxy_finish(&proxy);
}

static void expect_ended(struct proxy *proxy)
{
    int status = 0;
    cr_assert(process_wait(proxy->pid, 10000, &status), "still runs");
    proxy->pid = 0;
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "wait status 0x%x", status);
    WAIT_FOR(backends_count() == 0, LONG_MS);
}

Test(console_commands, shutdown_at_once)
{
    struct proxy *proxy = proxy_start("%s", roles);
    PGconn *boss = console(proxy, "boss");
    struct wire *busy = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(busy, "begin; select 1"), "1");
    sql_run(boss, "shutdown");
    wire_expect(busy, "E:57P01 -");
    expect_ended(proxy);
    wire_close(&busy);
    PQfinish(boss);
    proxy_finish(&proxy);
}

Test(console_commands, shutdown_waits_for_servers)
{
    struct proxy *proxy = proxy_start("%s", roles);
    PGconn *boss = console(proxy, "boss");
    struct wire *idle = wire_session(proxy->port), *busy = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(busy, "begin; select 1"), "1");
    sql_run(boss, "shutdown wait_for_servers");
    wire_expect(idle, "E:57P01 -");
    cr_assert_str_eq(wire_query(busy, "select 'still here'"), "still here");
    wire_send_query(busy, "commit");
    wire_expect(busy, "C:COMMIT Z:I E:57P01 -");
    expect_ended(proxy);
    wire_close(&busy);
    wire_close(&idle);
    PQfinish(boss);
    proxy_finish(&proxy);
}

Test(console_commands, shutdown_waits_for_clients)
{
    struct proxy *proxy = proxy_start("%s", roles);
    PGconn *boss = console(proxy, "boss");
    struct wire *idle = wire_session(proxy->port), *busy = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(busy, "begin; select 1"), "1");
    sql_run(boss, "shutdown wait_for_clients");
    struct wire *late = wire_try_connect(proxy->port);
    if (late != NULL) cr_assert_not(wire_try_login(late, "app", "app"), "a new client was let in");
    cr_assert_str_eq(wire_query(idle, "select 'still here'"), "still here");
    cr_assert_str_eq(wire_query(busy, "commit"), "");
    cr_assert_str_eq(wire_query(busy, "select 'and here'"), "and here");
    wire_close(&late);
    wire_close(&busy);
    cr_assert_str_eq(wire_query(idle, "select 'still here'"), "still here");
    wire_close(&idle);
    expect_ended(proxy);
    PQfinish(boss);
    proxy_finish(&proxy);
}

/* ---- who may ---- */

/* Every command of the console, and what each kind of user is told. SHUTDOWN comes last. */
Test(console_commands, every_command_by_every_kind_of_user)
{
    static const struct {
        const char *text, *of_admin, *of_stats; /* SQLSTATE; "": it works */
    } commands[] = {{"show fds", "", "42501"},
                    {"show pools", "", ""},
                    {"show stats", "", ""},
                    {"show clients", "", ""},
                    {"show servers", "", ""},
                    {"show sockets", "", ""},
                    {"show active_sockets", "", ""},
                    {"show databases", "", ""},
                    {"show lists", "", ""},
                    {"show config", "", ""},
                    {"show users", "", ""},
                    {"show mem", "", ""},
                    {"show version", "", ""},
                    {"show state", "", ""},
                    {"show leases", "", ""},
                    {"show waiting", "", ""},
                    {"show pins", "", ""},
                    {"show errors", "", ""},
                    {"show totals", "", ""},
                    {"select lists", "", ""},
                    {"show help", "", ""},
                    {"set client_encoding = 'UTF8'", "", ""},
                    {"pause", "", "42501"},
                    {"resume", "", "42501"},
                    {"pause app", "", "42501"},
                    {"resume app", "", "42501"},
                    {"suspend", "", "42501"},
                    {"resume", "", "42501"},
                    {"disable app", "", "42501"},
                    {"enable app", "", "42501"},
                    {"reconnect", "", "42501"},
                    {"reconnect app", "", "42501"},
                    {"wait_close", "", "42501"},
                    {"kill app", "", "42501"},
                    {"resume", "", "42501"},
                    {"kill", "", "42501"},
                    {"resume", "", "42501"},
                    {"kill_client 987654321", "42704", "42501"},
                    {"reload", "", "42501"},
                    {"set verbose = 1", "", "42501"},
                    {"disable", "42601", "42601"},
                    {"pause pgturnstile", "0A000", "42501"},
                    {"select pg_sleep(1)", "42601", "42601"},
                    {"shutdown wait_for_clients", "", "42501"},
                    {"shutdown", "", "42501"}};
    struct proxy *proxy = proxy_start("%s", roles);
    const char *const users[] = {"looker", "boss"};
    for (int admin = 0; admin < 2; admin++) {
        PGconn *connection = console(proxy, users[admin]);
        for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
            const char *wanted = admin ? commands[i].of_admin : commands[i].of_stats;
            for (int extended = 0; extended < (strncmp(commands[i].text, "show", 4) == 0 ? 2 : 1); extended++) {
                PGresult *result = extended ? PQexecParams(connection, commands[i].text, 0, NULL, NULL, NULL, NULL, 0)
                                            : PQexec(connection, commands[i].text);
                const char *code = PQresultErrorField(result, PG_DIAG_SQLSTATE);
                cr_expect_str_eq(code ? code : "", wanted, "%s: %s: %s", users[admin], commands[i].text, PQerrorMessage(connection));
                PQclear(result);
            }
        }
        PQfinish(connection);
    }
    cr_assert(strstr(proxy_log(proxy), "permission denied"));
    expect_ended(proxy);
    proxy_finish(&proxy);
}
