/*
 * PostgreSQL that stops, restarts, kills a backend or refuses logins: clients hear its last words or a clear error, those that wait
 * survive up to their limit, and afterwards everything works again by itself.
 * Not for servers that break the protocol: test_bad_server.c.
 */
#include "tests/e2e/support/files.h"
#include "tests/e2e/support/proxy.h"
#include "tests/e2e/support/sql.h"
#include "tests/e2e/support/wait.h"
#include "tests/e2e/support/wire.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct postgres_options e2e_postgres_options = {.hba = "host all guarded all scram-sha-256\nlocal all guarded scram-sha-256\n"};

TestSuite(server_loss, .timeout = 300);

static void terminate(int pid)
{
    sql_run(sql_direct(), "select pg_terminate_backend(%d)", pid);
}

/* After the error that the caller has taken: at most more errors, then the end. */
static void expect_end(struct wire **wire)
{
    wire_expect(*wire, "E* -");
    wire_close(wire);
}

/* ---- one backend ---- */

Test(server_loss, killed_while_a_query_runs)
{
    struct proxy *proxy = proxy_start("budget = 2\n");
    struct wire *wire = wire_session(proxy->port), *other = wire_session(proxy->port);
    wire_send_query(wire, "select pg_sleep(60), 'mine'");
    wire_send_query(other, "select 'other' from pg_sleep(0.3)");
    WAIT_FOR(backends_find("mine") != 0, LONG_MS);
    terminate(backends_find("mine"));
    wire_expect(wire, "T* E:57P01_terminating_connection_due_to_administrator_command");
    expect_end(&wire);
    wire_expect(other, "T D:other C:SELECT_1 Z:I");
    cr_assert_str_eq(wire_query(other, "select 'again'"), "again");
    wire_close(&other);
    wire = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(wire, "select 'healed'"), "healed");
    wire_close(&wire);
    proxy_finish(&proxy);
}

Test(server_loss, killed_while_idle_in_a_transaction)
{
    struct proxy *proxy = proxy_start("budget = 2\n");
    struct wire *wire = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(wire, "begin"), "");
    int pid = atoi(wire_query(wire, "select pg_backend_pid()"));
    terminate(pid);
    wire_expect(wire, "E:57P01_terminating_connection_due_to_administrator_command");
    expect_end(&wire);
    wire = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(wire, "select 'healed'"), "healed");
    wire_close(&wire);
    proxy_finish(&proxy);
}

Test(server_loss, killed_in_session_mode)
{
    struct proxy *proxy = proxy_start("pool_mode = session\n");
    struct wire *wire = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(wire, "select 1"), "1");
    terminate((int)wire->pid);
    wire_expect(wire, "E:57P01");
    expect_end(&wire);
    proxy_finish(&proxy);
}

Test(server_loss, killed_in_copy)
{
    struct proxy *proxy = proxy_start("%s", "");
    struct wire *wire = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(wire, "drop table if exists target; create table target (n int)"), "");
    wire_send_query(wire, "copy target from stdin /* mine */");
    wire_expect(wire, "G");
    terminate(backends_find("mine"));
    wire_expect(wire, "E:57P01");
    expect_end(&wire);
    wire = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(wire, "select count(*) from target"), "0");
    wire_close(&wire);
    proxy_finish(&proxy);
}

/* A server that nobody leases: no client notices. */
Test(server_loss, killed_while_idle)
{
    struct proxy *proxy = proxy_start("budget = 3\n");
    struct wire *wire = wire_session(proxy->port);
    for (int round = 0; round < 10; round++) {
        cr_assert_str_eq(wire_query(wire, "select 'fine'"), "fine");
        backends_terminate();
        WAIT_FOR(backends_count() == 0, LONG_MS);
        wire_settle(proxy->port);
    }
    cr_assert_str_eq(wire_query(wire, "select 'fine'"), "fine");
    wire_close(&wire);
    proxy_finish(&proxy);
}

/* The killing goes on while clients work: each hears 57P01 or gets its answer, never another's. */
Test(server_loss, killed_all_the_time)
{
    enum { ROUNDS = 300 };
    struct proxy *proxy = proxy_start("budget = 3\n");
    struct wire *wire = wire_session(proxy->port);
    int lost = 0;
    for (int round = 0; round < ROUNDS; round++) {
        char text[60], expected[20];
        snprintf(expected, sizeof expected, "%d", round);
        snprintf(text, sizeof text, "select %d from pg_sleep(0.001)", round);
        if (round % 3 == 0) backends_terminate();
        const char *answer = wire_query(wire, text);
        if (strcmp(answer, expected) == 0) continue;
        cr_assert(strncmp(answer, "!57P01", 6) == 0 || strncmp(answer, "!08", 3) == 0, "answered \"%s\"", answer);
        lost++;
        wire_close(&wire);
        wire = wire_session(proxy->port);
    }
    cr_log_info("%d of %d lost", lost, ROUNDS);
    cr_assert_str_eq(wire_query(wire, "select 'healed'"), "healed");
    wire_close(&wire);
    cr_assert_leq(backends_count(), 3);
    proxy_finish(&proxy);
}

/* ---- all of PostgreSQL ---- */

static struct postgres *own_postgres(int max_connections)
{
    return postgres_start(&(struct postgres_options){.max_connections = max_connections});
}

static void restart_under_clients(enum postgres_stop how)
{
    struct postgres *postgres = own_postgres(0);
    struct proxy *proxy = proxy_start_with(
        &(struct proxy_options){.postgres = postgres, .settings = "budget = 2\nserver_login_retry = 1\nquery_wait_timeout = 30\n"});
    struct wire *running = wire_session(proxy->port), *idle = wire_session(proxy->port), *waiting = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(idle, "select 1"), "1");
    wire_send_query(running, "select pg_sleep(60)");
    wire_settle(proxy->port);
    postgres_stop(postgres, how);
    wire_expect(running, "T* N* E* -");
    wire_close(&running);
    /* Asked while nobody is there to answer. */
    wire_send_query(waiting, "select 'survived'");
    wire_settle(proxy->port);
    postgres_begin(postgres);
    wire_expect(waiting, "T D:survived C:SELECT_1 Z:I");
    cr_assert_str_eq(wire_query(idle, "select 'as well'"), "as well");
    running = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(running, "select 'healed'"), "healed");
    wire_close(&running);
    wire_close(&waiting);
    wire_close(&idle);
    proxy_finish(&proxy);
    postgres_remove(&postgres);
}

Test(server_loss, restart_fast)
{
    restart_under_clients(POSTGRES_STOP_FAST);
}

Test(server_loss, restart_immediate)
{
    restart_under_clients(POSTGRES_STOP_IMMEDIATE);
}

Test(server_loss, shutdown_words_reach_the_client)
{
    struct postgres *postgres = own_postgres(0);
    struct proxy *proxy = proxy_start_with(&(struct proxy_options){.postgres = postgres});
    struct wire *wire = wire_session(proxy->port);
    wire_send_query(wire, "begin; select pg_sleep(60)");
    wire_settle(proxy->port);
    struct wire *other = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(other, "select 1"), "1");
    wire_close(&other);
    postgres_stop(postgres, POSTGRES_STOP_FAST);
    wire_expect(wire, "C* T* E:57P01_terminating_connection_due_to_administrator_command");
    expect_end(&wire);
    proxy_finish(&proxy);
    postgres_remove(&postgres);
}

/* Whoever waits longer than allowed is told why, in the words of libpq or PostgreSQL. */
Test(server_loss, waiting_has_a_limit)
{
    struct postgres *postgres = own_postgres(0);
    struct proxy *proxy = proxy_start_with(&(struct proxy_options){.postgres = postgres, .settings = "server_login_retry = 0.2\n"});
    struct wire *wire = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(wire, "select 1"), "1");
    postgres_stop(postgres, POSTGRES_STOP_FAST);
    proxy_reconfigure(proxy, "server_login_retry = 0.2\nquery_wait_timeout = 1\n");
    cr_assert_eq(wire_query(wire, "select 'nobody there'")[0], '!');
    WAIT_FOR(proxy_log_count(proxy, "server_login_failed") > 0, LONG_MS);
    wire_close(&wire);
    /* A new client may be welcomed, since the welcome is known; its query is refused in the words of libpq. */
    PGconn *connection = PQconnectdb(proxy_conninfo(proxy, ""));
    if (PQstatus(connection) == CONNECTION_OK) sql_error(connection, "select 1");
    cr_assert_not_null(strstr(PQerrorMessage(connection), "failed: "), "%s", PQerrorMessage(connection));
    PQfinish(connection);
    proxy_reconfigure(proxy, "server_login_retry = 0.2\n");
    postgres_begin(postgres);
    wire = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(wire, "select 'healed'"), "healed");
    wire_close(&wire);
    proxy_finish(&proxy);
    postgres_remove(&postgres);
}

Test(server_loss, not_there_at_the_start)
{
    struct postgres *postgres = own_postgres(0);
    postgres_stop(postgres, POSTGRES_STOP_FAST);
    struct proxy *proxy =
        proxy_start_with(&(struct proxy_options){.postgres = postgres, .settings = "server_login_retry = 0.2\nquery_wait_timeout = 20\n"});
    struct wire *wire = wire_connect(proxy->port);
    frontend_write_startup(&wire->out, 3, 0, (const char *const[]){"user", "app", "database", "app", NULL});
    wire_flush(wire);
    wire_settle(proxy->port);
    postgres_begin(postgres);
    wire_expect(wire, "R S* K Z:I");
    cr_assert_str_eq(wire_query(wire, "select 'patient'"), "patient");
    wire_close(&wire);
    proxy_finish(&proxy);
    postgres_remove(&postgres);
}

/* The machine hangs: connections are taken by its kernel and nothing is ever said. */
Test(server_loss, frozen)
{
    struct postgres *postgres = own_postgres(0);
    struct proxy *proxy = proxy_start_with(&(struct proxy_options){
        .postgres = postgres, .settings = "budget = 2\nserver_connect_timeout = 2\nserver_login_retry = 0.2\nquery_wait_timeout = 40\n"});
    postgres_freeze(postgres);
    struct wire *wire = wire_connect(proxy->port);
    frontend_write_startup(&wire->out, 3, 0, (const char *const[]){"user", "app", "database", "app", NULL});
    wire_flush(wire);
    struct wire_message message;
    cr_assert_not(wire_try_receive(wire, 300, &message) && message.type == BACKEND_READY_FOR_QUERY);
    postgres_thaw(postgres);
    wire_close(&wire);
    wire = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(wire, "select 'thawed'"), "thawed");
    wire_close(&wire);
    proxy_finish(&proxy);
    postgres_remove(&postgres);
}

/* ---- refused logins ---- */

static void expect_words(const char *message, const char *words)
{
    cr_assert_not_null(strstr(message, words), "\"%s\" lacks \"%s\"", message, words);
}

Test(server_loss, refusals_in_postgresqls_own_words)
{
    struct proxy *proxy = proxy_start("server_login_retry = 0.2\n");
    expect_words(sql_refused("%s", proxy_conninfo(proxy, "user=nobody_here")), "role \"nobody_here\" does not exist");
    expect_words(sql_refused("%s", proxy_conninfo(proxy, "dbname=nowhere")), "database \"nowhere\" does not exist");
    expect_words(sql_refused("%s", proxy_conninfo(proxy, "user=nologin_role")), "role \"nologin_role\" is not permitted to log in");
    /* Nobody else is harmed. */
    struct wire *wire = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(wire, "select 'unharmed'"), "unharmed");
    wire_close(&wire);
    proxy_finish(&proxy);
}

/* It will not know the password a moment later either: nobody waits for that. */
Test(server_loss, a_password_that_is_not_known_is_told_at_once)
{
    struct proxy *proxy = proxy_start("query_wait_timeout = 600\n");
    sql_run(sql_direct(), "create role guarded login password 'known to others'");
    const char *message = sql_refused("%s", proxy_conninfo(proxy, "user=guarded"));
    expect_words(message, "PostgreSQL asks for the password of \"guarded\"");
    expect_words(message, "auth_file");
    sql_run(sql_direct(), "drop role guarded");
    proxy_finish(&proxy);
}

Test(server_loss, refusals_keep_their_sqlstate)
{
    struct proxy *proxy = proxy_start("server_login_retry = 0.2\n");
    static const struct {
        const char *user, *database, *pattern;
    } samples[] = {
        {"nobody_here", "app", "R* S* K* E:28000 E* -"},
        {"app", "nowhere", "R* S* K* E:3D000 E* -"},
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        struct wire *wire = wire_connect(proxy->port);
        const char *const pairs[] = {"user", samples[i].user, "database", samples[i].database, NULL};
        frontend_write_startup(&wire->out, 3, 0, pairs);
        wire_flush(wire);
        wire_expect(wire, samples[i].pattern);
        wire_close(&wire);
    }
    proxy_finish(&proxy);
}

static bool is_served(int port, const char *user)
{
    struct wire *wire = wire_try_connect(port);
    bool is_in = wire != NULL && wire_try_login(wire, user, "app") && strcmp(wire_query(wire, "select 'served'"), "served") == 0;
    wire_close(&wire);
    return is_in;
}

/* A refusal is believed for the short first pause, not for server_login_retry, also where a client keeps the pool in being. */
Test(server_loss, a_refusal_is_not_believed_for_long)
{
    struct proxy *proxy = proxy_start("server_login_retry = 60\n");
    struct wire *idle = wire_connect(proxy->port);
    sql_run(sql_direct(), "create role newcomer login");
    wire_login(idle, "newcomer", "app", NULL);
    cr_assert_str_eq(wire_query(idle, "select 1"), "1");
    sql_run(sql_direct(), "drop role newcomer");
    backends_terminate();
    WAIT_FOR(backends_count() == 0, LONG_MS);
    wire_settle(proxy->port);
    cr_assert_not(is_served(proxy->port, "newcomer"));
    sql_run(sql_direct(), "create role newcomer login");
    WAIT_FOR(is_served(proxy->port, "newcomer"), LONG_MS);
    cr_assert_str_eq(wire_query(idle, "select 'still here'"), "still here");
    wire_close(&idle);
    proxy_finish(&proxy);
    sql_run(sql_direct(), "drop role newcomer");
}

/* PostgreSQL has fewer connections left than the budget: what there is serves everybody. */
Test(server_loss, too_few_connections_left)
{
    enum { CLIENTS = 6, OTHERS = 2 };
    struct postgres *postgres = own_postgres(6);
    PGconn *others[OTHERS];
    struct wire *clients[CLIENTS];
    for (int i = 0; i < OTHERS; i++) others[i] = sql_connect("host=%s port=%d user=app2 dbname=app", postgres->directory, postgres->port);
    struct proxy *proxy = proxy_start_with(
        &(struct proxy_options){.postgres = postgres, .settings = "budget = 5\nserver_login_retry = 0.2\nquery_wait_timeout = 20\n"});
    for (int i = 0; i < CLIENTS; i++) clients[i] = wire_session(proxy->port);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < CLIENTS; i++) wire_send_query(clients[i], "select 'served' from pg_sleep(0.02)");
        for (int i = 0; i < CLIENTS; i++) wire_expect(clients[i], "T D:served C:SELECT_1 Z:I");
    }
    for (int i = 0; i < CLIENTS; i++) wire_close(&clients[i]);
    for (int i = 0; i < OTHERS; i++) PQfinish(others[i]);
    proxy_finish(&proxy);
    postgres_remove(&postgres);
}
