/*
 * The connections to PostgreSQL: how long they live, how many are kept, and every way libpq knows to get there.
 */
#include "tests/e2e/support/files.h"
#include "tests/e2e/support/proxy.h"
#include "tests/e2e/support/sql.h"
#include "tests/e2e/support/wait.h"
#include "tests/e2e/support/wire.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

const struct postgres_options e2e_postgres_options = {.use_tls = true};

TestSuite(servers, .timeout = 300);

static struct proxy *proxy_to(const char *databases_format, int port, const char *settings)
{
    char *databases = text_format(databases_format, port);
    struct proxy *proxy = proxy_start_with(&(struct proxy_options){.databases = databases, .settings = settings});
    proxy->options.databases = NULL;
    free(databases);
    return proxy;
}

/* ---- lifetimes ---- */

Test(servers, server_lifetime)
{
    struct proxy *proxy = proxy_start("budget = 1\nserver_lifetime = 0.5\n");
    struct wire *wire = wire_session(proxy->port);
    char *pid = strdup(wire_query(wire, "select pg_backend_pid()"));
    WAIT_FOR(strcmp(wire_query(wire, "select pg_backend_pid()"), pid) != 0, LONG_MS);
    /* An idle one as well, without anybody asking. */
    free(pid);
    pid = strdup(wire_query(wire, "select pg_backend_pid()"));
    WAIT_FOR(strcmp(backends_pids(), pid) != 0, LONG_MS);
    free(pid);
    wire_close(&wire);
    proxy_finish(&proxy);
}

Test(servers, server_lifetime_spares_transactions)
{
    struct proxy *proxy = proxy_start("budget = 1\nserver_lifetime = 0.2\n");
    struct wire *wire = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(wire, "begin"), "");
    char *pid = strdup(wire_query(wire, "select pg_backend_pid()"));
    cr_assert_str_eq(wire_query(wire, "select pg_sleep(0.6)"), "");
    cr_assert_str_eq(wire_query(wire, "select pg_backend_pid()"), pid);
    cr_assert_str_eq(wire_query(wire, "commit"), "");
    WAIT_FOR(strcmp(backends_pids(), pid) != 0, LONG_MS);
    cr_assert_str_eq(wire_query(wire, "select 'fine'"), "fine");
    free(pid);
    wire_close(&wire);
    proxy_finish(&proxy);
}

Test(servers, server_idle_timeout)
{
    struct proxy *proxy = proxy_start("budget = 3\nserver_idle_timeout = 0.3\n");
    struct wire *wires[] = {wire_session(proxy->port), wire_session(proxy->port), wire_session(proxy->port)};
    for (int i = 0; i < 3; i++) wire_send_query(wires[i], "select pg_sleep(0.1)");
    for (int i = 0; i < 3; i++) wire_expect(wires[i], "T D C:SELECT_1 Z:I");
    WAIT_FOR(backends_count() == 0, LONG_MS);
    cr_assert_str_eq(wire_query(wires[0], "select 'fine'"), "fine");
    for (int i = 0; i < 3; i++) wire_close(&wires[i]);
    proxy_finish(&proxy);
}

Test(servers, min_pool_size)
{
    struct proxy *proxy = proxy_start("budget = 4\nmin_pool_size = 2\nserver_idle_timeout = 0.3\n");
    struct wire *wire = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(wire, "select 1"), "1");
    WAIT_FOR(backends_count() == 2, LONG_MS);
    /* Whatever ends one, another takes its place. */
    backends_replace();
    WAIT_FOR(backends_count() == 2, LONG_MS);
    cr_assert_str_eq(wire_query(wire, "select 'fine'"), "fine");
    wire_close(&wire);
    proxy_finish(&proxy);
}

/* Servers kept for one pool are given up when another needs the place. */
Test(servers, min_pool_size_yields_to_need)
{
    struct proxy *proxy = proxy_start("budget = 2\nmin_pool_size = 2\n");
    struct wire *wire = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(wire, "select 1"), "1");
    WAIT_FOR(backends_count() == 2, LONG_MS);
    struct wire *other = wire_connect(proxy->port);
    wire_login(other, "app2", "other", NULL);
    cr_assert_str_eq(wire_query(other, "select 'served'"), "served");
    cr_assert_leq(backends_count(), 2);
    wire_close(&other);
    wire_close(&wire);
    proxy_finish(&proxy);
}

/* ---- TLS ---- */

static bool is_encrypted(struct wire *wire)
{
    return strcmp(wire_query(wire, "select ssl from pg_stat_ssl where pid = pg_backend_pid()"), "t") == 0;
}

/* Everything that a session does, over a server connection that libpq has encrypted. */
static void use_session(struct proxy *proxy)
{
    struct wire *wire = wire_session(proxy->port);
    cr_assert(is_encrypted(wire));
    wire_send_query(wire, "select repeat('x', 10000) from generate_series(1, 2000)");
    wire_expect(wire, "T D* C:SELECT_2000 Z:I");
    cr_assert_str_eq(wire_query(wire, "drop table if exists target; create table target (t text)"), "");
    wire_send_query(wire, "copy target from stdin");
    wire_expect(wire, "G");
    for (int block = 0; block < 40; block++) {
        for (int i = 0; i < 1000; i++) frontend_write_copy_data(&wire->out, "a line of data that is to be copied\n", 36);
        wire_flush(wire);
    }
    frontend_write_copy_done(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "C:COPY_40000 Z:I");
    for (int i = 0; i < 1000; i++) {
        frontend_write_parse(&wire->out, "", "select $1", NULL, 0);
        frontend_write_bind(&wire->out, "", "", (const char *const[]){"piped"}, 1);
        frontend_write_execute(&wire->out, "", 0);
        if (i % 10 == 9) frontend_write_sync(&wire->out);
    }
    wire_flush(wire);
    for (int i = 0; i < 1000; i++) wire_expect(wire, i % 10 == 9 ? "1 2 D:piped C:SELECT_1 Z:I" : "1 2 D:piped C:SELECT_1");
    wire_send_query(wire, "select pg_sleep(60), 'mine'");
    WAIT_FOR(backends_find("mine") != 0, LONG_MS);
    wire_cancel(proxy->port, wire->pid, wire->key, wire->key_size);
    wire_expect(wire, "T* E:57014 Z:I");
    char *pid = strdup(wire_query(wire, "begin; insert into target values ('rolled back'); select pg_backend_pid()"));
    wire_abort(&wire);
    wire = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(wire, "select count(*) from target"), "40000");
    cr_assert_str_eq(wire_query(wire, "select pg_backend_pid()"), pid);
    free(pid);
    wire_close(&wire);
}

Test(servers, tls_by_database_entry)
{
    struct proxy *proxy =
        proxy_to("* = host=127.0.0.1 port=%d sslmode=require", postgres_shared()->port, "budget = 1\nabandon_timeout = 60\n");
    use_session(proxy);
    proxy_finish(&proxy);
}

Test(servers, tls_by_setting)
{
    struct proxy *proxy =
        proxy_to("* = host=127.0.0.1 port=%d", postgres_shared()->port, "budget = 1\nabandon_timeout = 60\nserver_tls_sslmode = require\n");
    use_session(proxy);
    proxy_finish(&proxy);
}

Test(servers, tls_with_a_slow_reader)
{
    struct proxy *proxy = proxy_to("* = host=127.0.0.1 port=%d sslmode=require", postgres_shared()->port, "budget = 1\n");
    struct wire *wire = wire_session(proxy->port);
    long before_kib = proxy_rss_kib(proxy);
    proxy_reset_peak(proxy);
    wire_send_query(wire, "select repeat('x', 60000000)");
    WAIT_FOR(sql_int(sql_direct(), "select count(*) from pg_stat_activity where wait_event = 'ClientWrite'") > 0, LONG_MS);
    size_t size;
    wire_expect(wire, "T");
    cr_assert_eq(wire_skip(wire, &size), BACKEND_DATA_ROW);
    cr_assert_eq(size, 60000006);
    wire_expect(wire, "C:SELECT_1 Z:I");
    cr_assert_lt(proxy_peak_rss_kib(proxy) - before_kib, 24 * 1024);
    wire_close(&wire);
    proxy_finish(&proxy);
}

Test(servers, tls_disabled)
{
    struct proxy *proxy = proxy_to("* = host=127.0.0.1 port=%d sslmode=disable", postgres_shared()->port, "");
    struct wire *wire = wire_session(proxy->port);
    cr_assert_not(is_encrypted(wire));
    wire_close(&wire);
    proxy_finish(&proxy);
}

Test(servers, tls_that_the_server_does_not_offer)
{
    struct postgres *postgres = postgres_start(&(struct postgres_options){.max_connections = 10});
    struct proxy *proxy = proxy_to("* = host=127.0.0.1 port=%d sslmode=require", postgres->port, "server_login_retry = 0.2\n");
    /* It waits all the time, so that the pool keeps the words of the first failure. */
    struct wire *patient = wire_connect(proxy->port);
    frontend_write_startup(&patient->out, 3, 0, (const char *const[]){"user", "app", "database", "app", NULL});
    wire_flush(patient);
    WAIT_FOR(proxy_log_count(proxy, "server_login_failed") > 0, LONG_MS);
    proxy_reconfigure(proxy, "query_wait_timeout = 1\nserver_login_retry = 0.2\n");
    const char *message = sql_refused("%s", proxy_conninfo(proxy, ""));
    cr_assert_not_null(strstr(message, "SSL"), "%s", message);
    wire_close(&patient);
    proxy_finish(&proxy);
    postgres_remove(&postgres);
}

/* ---- hosts ---- */

static void expect_served(const char *databases_format, int port)
{
    struct proxy *proxy = proxy_to(databases_format, port, "query_wait_timeout = 10\n");
    struct wire *wire = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(wire, "select 'served'"), "served", "%s", databases_format);
    wire_close(&wire);
    proxy_finish(&proxy);
}

Test(servers, every_way_to_get_there)
{
    const struct postgres *postgres = postgres_shared();
    char *unix_socket = text_format("* = host=%s port=%%d", postgres->directory);
    char *mixed_list = text_format("* = host=/nonexistent,%s port=%%d", postgres->directory);
    expect_served(unix_socket, postgres->port);
    expect_served(mixed_list, postgres->port);
    expect_served("* = host=127.0.0.1 port=%d", postgres->port);
    expect_served("* = host=localhost port=%d", postgres->port);
    expect_served("* = hostaddr=127.0.0.1 port=%d", postgres->port);
    expect_served("* = host=127.0.0.1,127.0.0.1 port=1,%d", postgres->port);
    expect_served("* = host=127.0.0.1 port=%d target_session_attrs=read-write", postgres->port);
    expect_served("[database app]\nhost = 127.0.0.1\nport = %d", postgres->port);
    free(mixed_list);
    free(unix_socket);
}

/* ---- passwords ---- */

Test(servers, scram_password_of_the_database_entry)
{
    struct proxy *proxy = proxy_to("* = host=127.0.0.1 port=%d user=secret password='s3cret pass'", postgres_shared()->port, "");
    struct wire *wire = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(wire, "select current_user"), "secret");
    wire_close(&wire);
    proxy_finish(&proxy);
}

Test(servers, scram_password_of_the_auth_file)
{
    char *databases = text_format("* = host=127.0.0.1 port=%d", postgres_shared()->port);
    struct proxy *proxy = proxy_start_with(&(struct proxy_options){
        .databases = databases, .settings = "auth_type = scram-sha-256\n", .auth_file = "\"secret\" \"s3cret pass\"\n"});
    PGconn *connection = sql_connect("%s", proxy_conninfo(proxy, "user=secret password='s3cret pass'"));
    cr_assert_str_eq(sql_value(connection, "select current_user"), "secret");
    PQfinish(connection);
    proxy_finish(&proxy);
    free(databases);
}

Test(servers, a_wrong_password_is_told_in_postgresqls_words)
{
    struct proxy *proxy =
        proxy_to("* = host=127.0.0.1 port=%d user=secret password=wrong", postgres_shared()->port, "server_login_retry = 0.2\n");
    const char *message = sql_refused("%s", proxy_conninfo(proxy, ""));
    cr_assert_not_null(strstr(message, "password authentication failed for user \"secret\""), "%s", message);
    proxy_finish(&proxy);
}

Test(servers, connect_query)
{
    struct proxy *proxy = proxy_to("* = host=127.0.0.1 port=%d connect_query='set work_mem = ''17MB'''", postgres_shared()->port, "");
    struct wire *wire = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(wire, "show work_mem"), "17MB");
    wire_close(&wire);
    proxy_finish(&proxy);
}
