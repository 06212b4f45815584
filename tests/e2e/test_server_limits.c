/*
 * max_db_connections, max_user_connections, reserve_pool_size: how many servers a database, a user, and a pool in need may have, in PostgreSQL's
 * eyes. Not for the policy itself: tests/proxy/test_turnstile*.c.
 */
#include "tests/e2e/support/proxy.h"
#include "tests/e2e/support/sql.h"
#include "tests/e2e/support/wait.h"
#include "tests/e2e/support/wire.h"

#include <criterion/criterion.h>

const struct postgres_options e2e_postgres_options = {0};

TestSuite(server_limits, .timeout = 300);

enum { MOMENT_MS = 100 };

static struct wire *session(const struct proxy *proxy, const char *user, const char *database)
{
    struct wire *wire = wire_connect(proxy->port);
    wire_login(wire, user, database, NULL);
    return wire;
}

static void finish(struct proxy *proxy, struct wire *wires[], int count)
{
    for (int i = 0; i < count; i++) wire_close(&wires[i]);
    proxy_finish(&proxy);
}

static void hold(struct wire *wire)
{
    cr_assert_str_eq(wire_query(wire, "begin; select 'held'"), "held");
}

static void expect_waits(struct wire *wire, int port)
{
    struct wire_message message;
    wire_settle(port);
    cr_expect_not(wire_try_receive(wire, MOMENT_MS, &message), "answered by %c", message.type);
}

static void expect_served(struct wire *wire)
{
    wire->skips_parameters = true;
    wire_expect(wire, "T D:1 C:SELECT_1 Z:I");
}

static int servers_of(const char *column, const char *name)
{
    return sql_int(sql_direct(), "select count(*) from pg_stat_activity where %s = '%s' and usename <> 'postgres'", column, name);
}

Test(server_limits, of_a_database_over_its_users)
{
    struct proxy *proxy = proxy_start("budget = 5\nmax_db_connections = 2\n");
    struct wire *first = session(proxy, "app", "app"), *second = session(proxy, "app2", "app");
    struct wire *third = session(proxy, "app", "app"), *other = session(proxy, "app", "other");
    hold(first);
    hold(second);
    wire_send_query(third, "select 1");
    expect_waits(third, proxy->port);
    hold(other); /* another database has a limit of its own */
    cr_expect_eq(servers_of("datname", "app"), 2);
    /* app2's server makes room for one of app's. */
    wire_query(second, "commit");
    expect_served(third);
    cr_expect_eq(servers_of("datname", "app"), 2);
    wire_query(first, "commit");
    proxy_reload(proxy, "budget = 5\nmax_db_connections = 1\n");
    WAIT_FOR(servers_of("datname", "app") == 1, LONG_MS);
    finish(proxy, (struct wire *[]){first, second, third, other}, 4);
}

Test(server_limits, of_a_user_over_his_databases)
{
    struct proxy *proxy = proxy_start("budget = 5\nmax_user_connections = 2\n");
    struct wire *first = session(proxy, "app", "app"), *second = session(proxy, "app", "other");
    struct wire *third = session(proxy, "app", "app"), *other = session(proxy, "app2", "app");
    hold(first);
    hold(second);
    wire_send_query(third, "select 1");
    expect_waits(third, proxy->port);
    hold(other);
    cr_expect_eq(servers_of("usename", "app"), 2);
    wire_query(second, "commit");
    expect_served(third);
    cr_expect_eq(servers_of("usename", "app"), 2);
    finish(proxy, (struct wire *[]){first, second, third, other}, 4);
}

Test(server_limits, are_exceeded_by_a_reserve_once_somebody_has_waited)
{
    struct proxy *proxy = proxy_start("budget = 5\ndefault_pool_size = 1\nreserve_pool_size = 1\nreserve_pool_timeout = 60\n");
    struct wire *first = session(proxy, "app", "app"), *second = session(proxy, "app", "app"), *third = session(proxy, "app", "app");
    hold(first);
    proxy_reconfigure(proxy, "budget = 5\ndefault_pool_size = 1\nreserve_pool_size = 1\nreserve_pool_timeout = 0.5\n");
    int64_t asked_ms = now_ms();
    wire_send_query(second, "begin; select 1");
    wire_expect(second, "C:BEGIN T D:1 C:SELECT_1 Z:T");
    cr_expect_geq(now_ms() - asked_ms, 450);
    wire_send_query(third, "select 1");
    WAIT_FOR(now_ms() - asked_ms > 1500, LONG_MS);
    expect_waits(third, proxy->port);
    cr_expect_eq(servers_of("datname", "app"), 2);
    wire_query(first, "commit");
    expect_served(third);
    finish(proxy, (struct wire *[]){first, second, third}, 3);
}
