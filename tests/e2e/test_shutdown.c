/*
 * Signals: SIGTERM and SIGINT let transactions end, SIGQUIT does not wait, SIGHUP reads the configuration again and a bad one changes nothing.
 */
#include "tests/e2e/support/files.h"
#include "tests/e2e/support/process.h"
#include "tests/e2e/support/proxy.h"
#include "tests/e2e/support/sql.h"
#include "tests/e2e/support/wait.h"
#include "tests/e2e/support/wire.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

const struct postgres_options e2e_postgres_options = {0};

TestSuite(shutdown, .timeout = 300);

static void expect_ended(struct proxy *proxy)
{
    int status = 0;
    cr_assert(process_wait(proxy->pid, LONG_MS, &status), "still runs");
    proxy->pid = 0;
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "wait status 0x%x", status);
    WAIT_FOR(backends_count() == 0, LONG_MS);
}

static void expect_port_closed(const struct proxy *proxy)
{
    struct wire *wire = wire_try_connect(proxy->port);
    if (wire != NULL) cr_assert_not(wire_try_login(wire, "app", "app"), "a new client was let in");
    wire_close(&wire);
}

/* ---- SIGTERM ---- */

Test(shutdown, sigterm_without_clients)
{
    struct proxy *proxy = proxy_start("%s", "");
    kill(proxy->pid, SIGTERM);
    expect_ended(proxy);
    proxy_finish(&proxy);
}

Test(shutdown, sigterm_lets_transactions_end)
{
    struct proxy *proxy = proxy_start("budget = 3\n");
    struct wire *idle = wire_session(proxy->port), *busy = wire_session(proxy->port), *running = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(idle, "select 1"), "1");
    cr_assert_str_eq(wire_query(busy, "begin"), "");
    cr_assert_str_eq(wire_query(busy, "select 1"), "1");
    wire_send_query(running, "select 'ran' from pg_sleep(0.5) /* running */");
    WAIT_FOR(backends_find("running") != 0, LONG_MS);
    kill(proxy->pid, SIGTERM);
    wire_expect(idle, "E:57P01 -");
    expect_port_closed(proxy);
    cr_assert_str_eq(wire_query(busy, "select 'still here'"), "still here");
    wire_expect(running, "T D:ran C:SELECT_1 Z:I E:57P01 -");
    cr_assert(proxy_is_running(proxy));
    wire_send_query(busy, "commit");
    wire_expect(busy, "C:COMMIT Z:I E:57P01 -");
    expect_ended(proxy);
    wire_close(&running);
    wire_close(&busy);
    wire_close(&idle);
    proxy_finish(&proxy);
}

Test(shutdown, sigterm_has_a_deadline)
{
    struct proxy *proxy = proxy_start("shutdown_timeout = 0.5\n");
    struct wire *busy = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(busy, "begin"), "");
    cr_assert_str_eq(wire_query(busy, "select 1"), "1");
    int64_t begun_ms = now_ms();
    kill(proxy->pid, SIGTERM);
    wire_expect(busy, "E:57P01 -");
    cr_assert_geq(now_ms() - begun_ms, 450);
    expect_ended(proxy);
    wire_close(&busy);
    proxy_finish(&proxy);
}

Test(shutdown, sigterm_in_session_mode)
{
    struct proxy *proxy = proxy_start("pool_mode = session\n");
    struct wire *idle = wire_session(proxy->port), *busy = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(idle, "select 1"), "1");
    cr_assert_str_eq(wire_query(busy, "begin"), "");
    kill(proxy->pid, SIGTERM);
    wire_expect(idle, "E:57P01 -");
    wire_send_query(busy, "commit");
    wire_expect(busy, "C:COMMIT Z:I E:57P01 -");
    expect_ended(proxy);
    wire_close(&busy);
    wire_close(&idle);
    proxy_finish(&proxy);
}

/* Those that wait for a server are answered one way or the other, and the end comes. */
Test(shutdown, sigterm_with_a_queue)
{
    struct proxy *proxy = proxy_start("budget = 1\n");
    struct wire *holder = wire_session(proxy->port), *waiter = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(holder, "begin"), "");
    cr_assert_str_eq(wire_query(holder, "select 1"), "1");
    wire_send_query(waiter, "select 'waited'");
    wire_settle(proxy->port);
    kill(proxy->pid, SIGTERM);
    wire_send_query(holder, "commit");
    wire_expect(holder, "C:COMMIT Z:I E:57P01 -");
    wire_expect(waiter, "T* D* C* Z* E:57P01 -");
    expect_ended(proxy);
    wire_close(&waiter);
    wire_close(&holder);
    proxy_finish(&proxy);
}

/* Those that were about to come in: before the startup, and waiting for a server to be welcomed by. */
Test(shutdown, sigterm_with_logins_under_way)
{
    struct proxy *proxy = proxy_start("budget = 1\n");
    struct wire *holder = wire_session(proxy->port), *mute = wire_connect(proxy->port), *newcomer = wire_connect(proxy->port);
    cr_assert_str_eq(wire_query(holder, "begin; select 1"), "1");
    frontend_write_startup(&newcomer->out, 3, 0, (const char *const[]){"user", "app", "database", "app", "work_mem", "5MB", NULL});
    wire_flush(newcomer);
    wire_settle(proxy->port);
    kill(proxy->pid, SIGTERM);
    wire_expect(mute, "E:57P01 -");
    wire_send_query(holder, "commit");
    wire_expect(holder, "C:COMMIT Z:I E:57P01 -");
    wire_expect(newcomer, "R* S* K* Z* E:57P01 -");
    expect_ended(proxy);
    wire_close(&newcomer);
    wire_close(&mute);
    wire_close(&holder);
    proxy_finish(&proxy);
}

/* Who gives up waiting is at rest then, and ends, while another's transaction goes on. */
Test(shutdown, sigterm_with_a_wait_that_ends_in_vain)
{
    struct proxy *proxy = proxy_start("budget = 1\n");
    struct wire *holder = wire_session(proxy->port), *waiter = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(holder, "begin; select 1"), "1");
    proxy_reconfigure(proxy, "budget = 1\nquery_wait_timeout = 0.5\n");
    wire_send_query(waiter, "select 'waited'");
    wire_settle(proxy->port);
    kill(proxy->pid, SIGTERM);
    wire_expect(waiter, "E:53300 Z:I E:57P01 -");
    cr_assert_str_eq(wire_query(holder, "select 'still here'"), "still here");
    wire_send_query(holder, "commit");
    wire_expect(holder, "C:COMMIT Z:I E:57P01 -");
    expect_ended(proxy);
    wire_close(&waiter);
    wire_close(&holder);
    proxy_finish(&proxy);
}

/* ---- SIGQUIT, and SIGINT ---- */

Test(shutdown, sigquit_does_not_wait)
{
    struct proxy *proxy = proxy_start("%s", "");
    struct wire *idle = wire_session(proxy->port), *busy = wire_session(proxy->port), *running = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(busy, "begin"), "");
    cr_assert_str_eq(wire_query(busy, "select 1"), "1");
    wire_send_query(running, "select pg_sleep(600) /* running */");
    WAIT_FOR(backends_find("running") != 0, LONG_MS);
    kill(proxy->pid, SIGQUIT);
    wire_expect(idle, "E:57P01 -");
    wire_expect(busy, "E:57P01 -");
    wire_expect(running, "T* E* -");
    expect_ended(proxy);
    wire_close(&running);
    wire_close(&busy);
    wire_close(&idle);
    proxy_finish(&proxy);
}

Test(shutdown, sigint_hurries_a_sigterm)
{
    struct proxy *proxy = proxy_start("%s", "");
    struct wire *busy = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(busy, "begin"), "");
    cr_assert_str_eq(wire_query(busy, "select 1"), "1");
    kill(proxy->pid, SIGTERM);
    cr_assert_str_eq(wire_query(busy, "select 'still here'"), "still here");
    kill(proxy->pid, SIGINT);
    wire_expect(busy, "E:57P01 -");
    expect_ended(proxy);
    wire_close(&busy);
    proxy_finish(&proxy);
}

/* A client that reads nothing cannot hold up the end. */
Test(shutdown, sigquit_with_a_client_that_does_not_read)
{
    struct proxy *proxy = proxy_start("%s", "");
    struct wire *stuck = wire_session(proxy->port);
    wire_send_query(stuck, "select repeat('x', 1000) from generate_series(1, 100000)");
    WAIT_FOR(sql_int(sql_direct(), "select count(*) from pg_stat_activity where wait_event = 'ClientWrite'") > 0, LONG_MS);
    kill(proxy->pid, SIGQUIT);
    expect_ended(proxy);
    wire_close(&stuck);
    proxy_finish(&proxy);
}

Test(shutdown, nothing_stays_in_the_file_system)
{
    struct proxy *proxy = proxy_start("%s", "");
    char *path = text_format("%s/.s.PGSQL.%d", proxy->directory, proxy->port);
    cr_assert_eq(access(path, F_OK), 0);
    kill(proxy->pid, SIGTERM);
    expect_ended(proxy);
    cr_assert_neq(access(path, F_OK), 0, "the Unix socket is still there");
    free(path);
    proxy_finish(&proxy);
}

/* ---- SIGHUP ---- */

Test(shutdown, sighup_changes_timeouts)
{
    struct proxy *proxy = proxy_start("budget = 1\nquery_wait_timeout = 60\n");
    struct wire *holder = wire_session(proxy->port), *waiter = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(holder, "begin"), "");
    cr_assert_str_eq(wire_query(holder, "select 1"), "1");
    proxy_reload(proxy, "budget = 1\nquery_wait_timeout = 0.3\n");
    wire_settle(proxy->port);
    cr_assert_eq(wire_query(waiter, "select 'waited'")[0], '!');
    cr_assert_str_eq(wire_query(holder, "select 'unharmed'"), "unharmed");
    wire_close(&waiter);
    wire_close(&holder);
    proxy_finish(&proxy);
}

Test(shutdown, sighup_changes_the_budget)
{
    enum { CLIENTS = 3 };
    struct wire *wires[CLIENTS];
    struct proxy *proxy = proxy_start("budget = 1\n");
    for (int i = 0; i < CLIENTS; i++) wires[i] = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(wires[0], "begin"), "");
    cr_assert_str_eq(wire_query(wires[0], "select 1"), "1");
    wire_send_query(wires[1], "begin; select 'second'");
    wire_settle(proxy->port);
    proxy_reload(proxy, "budget = 3\n");
    wire_expect(wires[1], "C:BEGIN T D:second C:SELECT_1 Z:T");
    cr_assert_str_eq(wire_query(wires[2], "begin; select 'third'"), "third");
    cr_assert_eq(backends_count(), 3);
    proxy_reload(proxy, "budget = 1\n");
    for (int i = 0; i < CLIENTS; i++) cr_assert_str_eq(wire_query(wires[i], "commit"), "");
    WAIT_FOR(backends_count() <= 1, LONG_MS);
    for (int i = 0; i < CLIENTS; i++) cr_assert_str_eq(wire_query(wires[i], "select 'served'"), "served");
    for (int i = 0; i < CLIENTS; i++) wire_close(&wires[i]);
    proxy_finish(&proxy);
}

Test(shutdown, sighup_reads_the_users_again)
{
    struct proxy *proxy = proxy_start_with(&(struct proxy_options){.settings = "auth_type = password\n", .auth_file = "\"app\" \"old\"\n"});
    PGconn *connection = sql_connect("%s", proxy_conninfo(proxy, "password=old"));
    char *path = text_format("%s/userlist.txt", proxy->directory);
    file_write(path, "\"app\" \"new\"\n\"app2\" \"two\"\n");
    proxy_reload(proxy, "auth_type = password\n");
    wire_settle(proxy->port);
    PGconn *second = sql_connect("%s", proxy_conninfo(proxy, "password=new"));
    PGconn *third = sql_connect("%s", proxy_conninfo(proxy, "user=app2 password=two"));
    sql_refused("%s", proxy_conninfo(proxy, "password=old"));
    /* Who was in stays in. */
    cr_assert_str_eq(sql_value(connection, "select 'still in'"), "still in");
    PQfinish(third);
    PQfinish(second);
    PQfinish(connection);
    free(path);
    proxy_finish(&proxy);
}

Test(shutdown, sighup_changes_databases)
{
    const struct postgres *postgres = postgres_shared();
    struct proxy *proxy = proxy_start("%s", "");
    struct wire *wire = wire_connect(proxy->port);
    wire_login(wire, "app", "app", NULL);
    cr_assert_str_eq(wire_query(wire, "select current_database()"), "app");
    char *config = text_format("[databases]\napp = host=%s port=%d dbname=other\n[pgturnstile]\nlisten_addr = 127.0.0.1\n"
                               "listen_port = %d\nunix_socket_dir = %s\nauth_type = trust\nbudget = 5\n",
                               postgres->directory, postgres->port, proxy->port, proxy->directory);
    proxy_reload_raw(proxy, config);
    wire_settle(proxy->port);
    struct wire *next = wire_connect(proxy->port);
    wire_login(next, "app", "app", NULL);
    cr_assert_str_eq(wire_query(next, "select current_database()"), "other");
    wire_close(&next);
    wire_close(&wire);
    proxy_finish(&proxy);
    free(config);
}

/* Everything that is wrong is said, with its line; nothing changes. */
Test(shutdown, sighup_with_a_bad_file_changes_nothing)
{
    struct proxy *proxy = proxy_start("budget = 1\n");
    struct wire *wire = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(wire, "begin"), "");
    cr_assert_str_eq(wire_query(wire, "select 1"), "1");
    proxy_reload(proxy, "budget = 3\nquery_wait_timeout = 0.2\nnosuch_setting = 1\nserver_lifetime = soon\n");
    WAIT_FOR(proxy_log_count(proxy, "nosuch_setting") > 0 && proxy_log_count(proxy, "server_lifetime") > 0, LONG_MS);
    wire_settle(proxy->port);
    struct wire *waiter = wire_session(proxy->port);
    struct wire_message message;
    wire_send_query(waiter, "select 'waited'");
    cr_assert_not(wire_try_receive(waiter, 500, &message), "the bad file is in force");
    cr_assert_str_eq(wire_query(wire, "commit"), "");
    wire_expect(waiter, "T D:waited C:SELECT_1 Z:I");
    /* A missing file, an empty one, garbage. */
    unlink(proxy->config_path);
    kill(proxy->pid, SIGHUP);
    wire_settle(proxy->port);
    cr_assert_str_eq(wire_query(wire, "select 'fine'"), "fine");
    proxy_reload_raw(proxy, "\x01\x02[[[ = \xff\n====\n");
    wire_settle(proxy->port);
    cr_assert_str_eq(wire_query(wire, "select 'fine'"), "fine");
    /* And a good one works again. */
    proxy_reload(proxy, "budget = 2\n");
    wire_settle(proxy->port);
    cr_assert_str_eq(wire_query(wire, "begin; select 'fine'"), "fine");
    cr_assert_str_eq(wire_query(waiter, "select 'fine'"), "fine");
    wire_close(&waiter);
    wire_close(&wire);
    proxy_finish(&proxy);
}

Test(shutdown, sighup_under_load)
{
    struct proxy *proxy = proxy_start("budget = 2\n");
    struct wire *wires[] = {wire_session(proxy->port), wire_session(proxy->port), wire_session(proxy->port)};
    for (int i = 0; i < 200; i++) {
        char text[60], expected[20];
        if (i % 5 == 0) proxy_reload(proxy, i % 2 == 0 ? "budget = 2\n" : "budget = 1\n");
        snprintf(expected, sizeof expected, "%d", i);
        snprintf(text, sizeof text, "select %d", i);
        cr_assert_str_eq(wire_query(wires[i % 3], text), expected);
    }
    for (int i = 0; i < 3; i++) wire_close(&wires[i]);
    proxy_finish(&proxy);
}

/* ---- a bad configuration at the start ---- */

Test(shutdown, a_bad_configuration_is_refused_at_the_start)
{
    char *output;
    int status = proxy_run_refused("[databases]\n* = host=127.0.0.1\n[pgturnstile]\nlisten_port = 0\nbudget = many\nnosuch_setting = 1\n"
                                   "pool_mode = sometimes\n",
                                   &output);
    static const char *const words[] = {"listen_port", "budget", "nosuch_setting", "pool_mode", ":4:", ":5:", ":6:", ":7:"};
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1, "wait status 0x%x", status);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        cr_assert_not_null(strstr(output, words[i]), "\"%s\" is missing in:\n%s", words[i], output);
    free(output);
}
