/*
 * max_db_client_connections and max_user_client_connections: how many clients may be logged in to one database, as one user.
 * Not for max_client_conn: test_auth.c.
 */
#include "tests/e2e/support/proxy.h"
#include "tests/e2e/support/wait.h"
#include "tests/e2e/support/wire.h"

#include <criterion/criterion.h>
#include <string.h>

const struct postgres_options e2e_postgres_options = {0};

TestSuite(client_limits, .timeout = 300);

static struct wire *begin_login(const struct proxy *proxy, const char *user, const char *database)
{
    struct wire *wire = wire_connect(proxy->port);
    frontend_write_startup(&wire->out, 3, 0, (const char *const[]){"user", user, "database", database, NULL});
    wire_flush(wire);
    return wire;
}

static struct wire *session(const struct proxy *proxy, const char *user, const char *database)
{
    struct wire *wire = begin_login(proxy, user, database);
    wire_expect(wire, "R S* K Z:I");
    return wire;
}

/* FATAL 53300 that names the setting, the database or user and the limit; then the end. The welcome may have begun. */
static void expect_refusal(struct wire *wire, const char *setting, const char *detail)
{
    struct backend_error error = {0};
    struct wire_message message = wire_receive(wire);
    while (message.type == BACKEND_AUTHENTICATION) message = wire_receive(wire);
    cr_assert_eq(message.type, BACKEND_ERROR, "message %c", message.type);
    cr_assert_eq(backend_parse_error(message.body, message.size, &error), CODEC_OK);
    cr_expect_str_eq(error.severity, "FATAL");
    cr_expect_str_eq(error.sqlstate, "53300");
    cr_expect_not_null(strstr(error.message, "client connections exceeded"), "%s", error.message);
    cr_expect_not_null(strstr(error.message, setting), "%s", error.message);
    cr_expect_str_eq(error.detail, detail);
    cr_expect_not_null(strstr(error.hint, setting), "%s", error.hint);
    wire_expect(wire, "-");
    wire_close(&wire);
}

static void expect_refused(const struct proxy *proxy, const char *user, const char *database, const char *setting, const char *detail)
{
    expect_refusal(begin_login(proxy, user, database), setting, detail);
}

static bool can_log_in(const struct proxy *proxy, const char *user, const char *database)
{
    struct wire *wire = wire_try_connect(proxy->port);
    bool is_in = wire != NULL && wire_try_login(wire, user, database);
    wire_close(&wire);
    wire_settle(proxy->port);
    return is_in;
}

Test(client_limits, of_a_database)
{
    const char *detail = "The limit of database \"app\" is 2.";
    struct proxy *proxy = proxy_start("max_db_client_connections = 2\n");
    for (int round = 0; round < 3; round++) {
        struct wire *first = session(proxy, "app", "app"), *second = session(proxy, "app2", "app");
        expect_refused(proxy, "app", "app", "max_db_client_connections", detail);
        expect_refused(proxy, "app2", "app", "max_db_client_connections", detail);
        /* Another database has a limit of its own. */
        struct wire *other = session(proxy, "app", "other"), *third = session(proxy, "app", "other");
        expect_refused(proxy, "app", "other", "max_db_client_connections", "The limit of database \"other\" is 2.");
        cr_assert_str_eq(wire_query(first, "select 1"), "1");
        wire_close(&other);
        wire_abort(&third);
        wire_settle(proxy->port);
        expect_refused(proxy, "app", "app", "max_db_client_connections", detail);
        if (round % 2 == 0)
            wire_close(&first);
        else
            wire_abort(&first);
        wire_settle(proxy->port);
        first = session(proxy, "app", "app");
        wire_close(&first);
        wire_close(&second);
        wire_settle(proxy->port);
    }
    proxy_finish(&proxy);
}

Test(client_limits, of_a_user_and_what_the_entries_say)
{
    struct proxy *proxy = proxy_start_with(&(struct proxy_options){
        .users = "app = max_user_client_connections=1", .settings = "max_user_client_connections = 2\nmax_db_client_connections = 3\n"});
    struct wire *app = session(proxy, "app", "app");
    expect_refused(proxy, "app", "app", "max_user_client_connections", "The limit of user \"app\" is 1.");
    expect_refused(proxy, "app", "other", "max_user_client_connections", "The limit of user \"app\" is 1.");
    struct wire *second = session(proxy, "app2", "app"), *third = session(proxy, "app2", "other");
    expect_refused(proxy, "app2", "app", "max_user_client_connections", "The limit of user \"app2\" is 2.");
    /* Those that were refused by their user do not count for their database: it still has room for one. */
    struct wire *fourth = session(proxy, "postgres", "app");
    expect_refused(proxy, "postgres", "app", "max_db_client_connections", "The limit of database \"app\" is 3.");
    wire_close(&app);
    wire_close(&second);
    wire_close(&third);
    wire_close(&fourth);
    proxy_finish(&proxy);
}

/* Who has not proved who it is takes nobody's place. */
Test(client_limits, a_login_that_is_not_finished_does_not_count)
{
    struct proxy *proxy = proxy_start_with(
        &(struct proxy_options){.auth_file = "\"app\" \"right\"\n",
                                .settings = "auth_type = password\nmax_user_client_connections = 1\nclient_login_timeout = 30\n"});
    struct wire *slow = begin_login(proxy, "app", "app");
    wire_expect(slow, "R");
    struct wire *wrong = begin_login(proxy, "app", "app");
    wire_expect(wrong, "R");
    frontend_write_password(&wrong->out, "wrong");
    wire_flush(wrong);
    wire_expect(wrong, "E:28P01 -");
    wire_close(&wrong);

    struct wire *first = begin_login(proxy, "app", "app");
    wire_expect(first, "R");
    frontend_write_password(&first->out, "right");
    wire_flush(first);
    wire_expect(first, "R S* K Z:I");

    frontend_write_password(&slow->out, "right");
    wire_flush(slow);
    expect_refusal(slow, "max_user_client_connections", "The limit of user \"app\" is 1.");
    cr_assert_str_eq(wire_query(first, "select 1"), "1");
    wire_close(&first);
    proxy_finish(&proxy);
}

Test(client_limits, a_reload_changes_them_at_once_and_throws_nobody_out)
{
    struct proxy *proxy = proxy_start("%s", "");
    struct wire *first = session(proxy, "app", "app"), *second = session(proxy, "app", "app");
    proxy_reload(proxy, "max_db_client_connections = 1\n");
    WAIT_FOR(!can_log_in(proxy, "app", "app"), LONG_MS);
    cr_assert_str_eq(wire_query(first, "select 1"), "1");
    cr_assert_str_eq(wire_query(second, "select 2"), "2");
    wire_close(&first);
    wire_settle(proxy->port);
    cr_assert_not(can_log_in(proxy, "app", "app"));
    proxy_reload(proxy, "max_db_client_connections = 2\n");
    WAIT_FOR(can_log_in(proxy, "app", "app"), LONG_MS);
    wire_close(&second);
    proxy_finish(&proxy);
}
