/*
 * The log: one line an event in key=value form, the client's number throughout, and never a password or a literal of a query.
 */
#include "tests/e2e/support/files.h"
#include "tests/e2e/support/proxy.h"
#include "tests/e2e/support/sql.h"
#include "tests/e2e/support/wait.h"
#include "tests/e2e/support/wire.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

const struct postgres_options e2e_postgres_options = {0};

TestSuite(log, .timeout = 300);

/* ---- the form of a line ---- */

static const char *skip_word(const char *at)
{
    while (isgraph((unsigned char)*at)) at++;
    return at;
}

/* Behind `key=value` or `key="quoted value"`; NULL: it is neither. */
static const char *skip_pair(const char *at)
{
    const char *key = at;
    while (islower((unsigned char)*at) || isdigit((unsigned char)*at) || *at == '_') at++;
    if (at == key || *at != '=') return NULL;
    at++;
    if (*at != '"') return skip_word(at);
    for (at++; *at != '"'; at++) {
        if (*at == '\\') at++;
        if (*at == '\0' || *at == '\n') return NULL;
    }
    return at + 1;
}

/* "2026-01-31T12:00:00.000Z info event key=value ..." */
static bool is_well_formed(const char *line)
{
    const char *at = skip_word(line);
    if (at - line < 20 || at[-1] != 'Z' || *at != ' ') return false;
    static const char *const levels[] = {"debug", "info", "warning", "error"};
    size_t size = (size_t)(skip_word(at + 1) - at - 1);
    bool is_level = false;
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        is_level |= size == strlen(levels[i]) && strncmp(at + 1, levels[i], size) == 0;
    at += 1 + size;
    if (!is_level || *at != ' ') return false;
    for (at = skip_word(at + 1); *at == ' ';) {
        at = skip_pair(at + 1);
        if (at == NULL) return false;
    }
    return *at == '\0';
}

/* Every line is well-formed, and what concerns a client says which. */
static void check_lines(const struct proxy *proxy)
{
    char *log = proxy_log(proxy);
    int count = 0;
    for (char *line = strtok(log, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        cr_assert(is_well_formed(line), "not a line of the log: %s", line);
        if (strstr(line, " client_") != NULL) cr_assert_not_null(strstr(line, " client="), "whose? %s", line);
        count++;
    }
    cr_assert_gt(count, 0);
    free(log);
}

static void expect_absent(const struct proxy *proxy, const char *secret)
{
    cr_assert_eq(proxy_log_count(proxy, secret), 0, "\"%s\" stands in the log", secret);
}

/* ---- what must not stand there ---- */

Test(log, no_query_literals)
{
    static const char *const samples[] = {
        "select 'very-private-4711'",
        "select 'very-private-4711'::int",
        "select very_private_4711",
        "begin; select 'very-private-4711' from nowhere",
        "rollback",
        "set application_name = 'very-private-4711'",
        "do $$ begin raise exception 'very-private-4711'; end $$",
        "do $$ begin raise notice 'very-private-4711'; end $$",
        "very-private-4711",
    };
    struct proxy *proxy = proxy_start("budget = 1\nverbose = 1\n");
    struct wire *wire = wire_session(proxy->port), *other = wire_session(proxy->port);
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) wire_query(wire, samples[i]);
    frontend_write_parse(&wire->out, "very-private-4711", "select $1::int /* very-private-4711 */", NULL, 0);
    frontend_write_bind(&wire->out, "", "very-private-4711", (const char *const[]){"very-private-4711"}, 1);
    frontend_write_execute(&wire->out, "", 0);
    frontend_write_sync(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "1 E:22P02 Z:I");
    /* Cancelled, waited too long, left behind, lost. */
    wire_close(&wire);
    wire = wire_session(proxy->port);
    wire_send_query(wire, "select pg_sleep(60), 'very-private-4711'");
    WAIT_FOR(backends_find("very-private") != 0, LONG_MS);
    proxy_reconfigure(proxy, "budget = 1\nverbose = 1\nquery_wait_timeout = 0.3\n");
    cr_assert_eq(wire_query(other, "select 'very-private-4711'")[0], '!');
    proxy_reconfigure(proxy, "budget = 1\nverbose = 1\n");
    wire_cancel(proxy->port, wire->pid, wire->key, wire->key_size);
    wire_expect(wire, "T* E:57014 Z:I");
    wire_send_query(wire, "select pg_sleep(60), 'very-private-4711'");
    WAIT_FOR(backends_find("very-private") != 0, LONG_MS);
    wire_abort(&wire);
    wire_close(&other);
    WAIT_FOR(backends_busy() == 0, LONG_MS);
    other = wire_session(proxy->port);
    wire_send_query(other, "select pg_sleep(60), 'very-private-4711'");
    WAIT_FOR(backends_find("very-private") != 0, LONG_MS);
    backends_terminate();
    wire_expect(other, "T* E:57P01 E* -");
    wire_close(&other);
    check_lines(proxy);
    expect_absent(proxy, "very-private");
    expect_absent(proxy, "very_private");
    proxy_finish(&proxy);
}

Test(log, no_passwords)
{
    static const char *const types[] = {"password", "md5", "scram-sha-256"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char *settings = text_format("auth_type = %s\nverbose = 1\n", types[i]);
        char *databases = text_format("* = host=127.0.0.1 port=%d\nwrong = host=127.0.0.1 port=%d dbname=app user=secret "
                                      "password=wr0ng-and-private",
                                      postgres_shared()->port, postgres_shared()->port);
        struct proxy *proxy = proxy_start_with(&(struct proxy_options){
            .databases = databases, .settings = settings, .auth_file = "\"secret\" \"s3cret pass\"\n\"app\" \"0ther-password\"\n"});
        PGconn *connection = sql_connect("%s", proxy_conninfo(proxy, "user=secret password='s3cret pass'"));
        cr_assert_str_eq(sql_value(connection, "select 1"), "1");
        PQfinish(connection);
        sql_refused("%s", proxy_conninfo(proxy, "user=secret password=gu3ssed-password"));
        sql_refused("%s", proxy_conninfo(proxy, "user=nobody password=gu3ssed-password"));
        sql_refused("%s", proxy_conninfo(proxy, "dbname=wrong password=0ther-password"));
        kill(proxy->pid, SIGHUP);
        wire_settle(proxy->port);
        check_lines(proxy);
        expect_absent(proxy, "s3cret");
        expect_absent(proxy, "gu3ssed");
        expect_absent(proxy, "0ther");
        expect_absent(proxy, "wr0ng");
        proxy_finish(&proxy);
        free(databases);
        free(settings);
    }
}

/* A bad line of a configuration is quoted by its key, not by its value. */
Test(log, no_passwords_of_bad_configurations)
{
    char *output;
    proxy_run_refused("[databases]\napp = host=127.0.0.1 nosuch=1 password=s3cret-password\nother = password='s3cret-password\n"
                      "[pgturnstile]\nlisten_port = 1\n",
                      &output);
    cr_assert_not_null(strstr(output, "nosuch"), "%s", output);
    cr_assert_null(strstr(output, "s3cret"), "%s", output);
    free(output);
}

/* ---- strangers ---- */

Test(log, names_cannot_forge_lines)
{
    static const char evil[] = "evil\n2026-01-01T00:00:00.000Z info forged client=1 \x1b[31m \" \\ \xff";
    struct proxy *proxy = proxy_start("%s", "");
    for (int i = 0; i < 3; i++) {
        const char *const pairs[] = {
            "user", i == 0 ? evil : "app", "database", i == 1 ? evil : "app", i == 2 ? evil : "application_name", "whatever", NULL};
        struct wire *wire = wire_connect(proxy->port);
        frontend_write_startup(&wire->out, 3, 0, pairs);
        wire_flush(wire);
        struct wire_message message;
        do {
            message = wire_receive(wire);
        } while (message.type != 0 && message.type != BACKEND_READY_FOR_QUERY);
        wire_close(&wire);
    }
    wire_settle(proxy->port);
    check_lines(proxy);
    cr_assert_eq(proxy_log_count(proxy, "\n2026-01-01T"), 0);
    cr_assert_eq(proxy_log_count(proxy, "\x1b"), 0);
    proxy_finish(&proxy);
}

/* ---- comings and goings ---- */

Test(log, logins_and_departures_carry_the_same_number)
{
    struct proxy *proxy = proxy_start("%s", "");
    struct wire *wire = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(wire, "select 1"), "1");
    wire_close(&wire);
    WAIT_FOR(proxy_log_count(proxy, "client_closed") > 0, LONG_MS);
    char *log = proxy_log(proxy);
    const char *login = strstr(log, "client_login"), *closed = strstr(log, "client_closed");
    cr_assert(login != NULL && closed != NULL, "%s", log);
    const char *first = strstr(login, "client="), *second = strstr(closed, "client=");
    cr_assert(first != NULL && second != NULL, "%s", log);
    cr_assert_eq(atoi(first + 7), atoi(second + 7), "%s", log);
    free(log);
    proxy_finish(&proxy);
}

Test(log, logins_and_departures_can_be_left_out)
{
    struct proxy *proxy = proxy_start("log_connections = 0\nlog_disconnections = 0\n");
    for (int i = 0; i < 5; i++) {
        struct wire *wire = wire_session(proxy->port);
        cr_assert_str_eq(wire_query(wire, "select 1"), "1");
        wire_close(&wire);
    }
    wire_settle(proxy->port);
    cr_assert_eq(proxy_log_count(proxy, "client_login"), 0);
    cr_assert_eq(proxy_log_count(proxy, "client_closed"), 0);
    check_lines(proxy);
    proxy_finish(&proxy);
}
