/*
 * Clocks of clients: what reaches a limit is ended, the client told in the words of the setting, the server rolled back and kept, and nobody else notices. Bounds in
 * time are generous: the machine may be busy.
 */
#include "tests/e2e/support/fake_server.h"
#include "tests/e2e/support/files.h"
#include "tests/e2e/support/http_get.h"
#include "tests/e2e/support/process.h"
#include "tests/e2e/support/proxy.h"
#include "tests/e2e/support/sql.h"
#include "tests/e2e/support/stage.h"
#include "tests/e2e/support/wait.h"
#include "tests/e2e/support/wire.h"

#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

const struct postgres_options e2e_postgres_options = {0};

TestSuite(clocks, .timeout = 300);

static struct proxy *proxy;
static char *pids;

/* The limit holds from the moment everything is in place. */
static struct wire *begin_with(const char *settings)
{
    char limited[100];
    snprintf(limited, sizeof limited, "budget = 1\n%s", settings);
    proxy = proxy_start("budget = 1\n");
    struct wire *wire = wire_session(proxy->port);
    wire->skips_parameters = true;
    cr_assert_str_eq(wire_query(wire, "drop table if exists target; create table target (n int)"), "");
    pids = strdup(backends_pids());
    proxy_reconfigure(proxy, limited);
    return wire;
}

/* The one server is free, rolled back and the same as before; the proxy ends. */
static void end_with(struct wire **wire)
{
    proxy_reconfigure(proxy, "budget = 1\n");
    struct wire *other = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(other, "select count(*) from target"), "0");
    wire_close(&other);
    cr_assert_str_eq(backends_pids(), pids);
    wire_close(wire);
    WAIT_FOR(backends_busy() == 0, LONG_MS);
    free(pids);
    proxy_finish(&proxy);
}

/* The next message is an error with these; how it was told. The hint says where the limit stands. */
static void expect_words_of(struct wire *wire, const char *severity, const char *sqlstate, const char *setting, const char *limit)
{
    struct backend_error error;
    struct wire_message message;
    do {
        message = wire_receive(wire);
    } while (message.type == BACKEND_ROW_DESCRIPTION || message.type == BACKEND_COPY_IN || message.type == BACKEND_PARAMETER_STATUS);
    cr_assert_eq(message.type, BACKEND_ERROR, "got %c", message.type);
    cr_assert_eq(backend_parse_error(message.body, message.size, &error), CODEC_OK);
    cr_assert_str_eq(error.severity, severity);
    cr_assert_str_eq(error.sqlstate, sqlstate, "%s: %s", error.sqlstate, error.message);
    cr_assert_not_null(strstr(error.message, setting), "%s", error.message);
    cr_assert_not_null(strstr(error.message, "pgturnstile"), "%s", error.message);
    cr_assert_not_null(error.hint);
    cr_assert_not_null(strstr(error.hint, limit), "%s", error.hint);
    cr_assert_not_null(strstr(error.detail, "ms"), "%s", error.detail);
}

static void expect_words(struct wire *wire, const char *severity, const char *sqlstate, const char *setting)
{
    expect_words_of(wire, severity, sqlstate, setting, setting);
}

/* ---- deadline ---- */

/* As a web server has it: the request gives up at 2 s, the statement would have run for two minutes; others go on meanwhile. */
Test(clocks, deadline_of_a_statement)
{
    struct wire *wire = begin_with("deadline = 2\n");
    int64_t begun_ms = now_ms();
    wire_send_query(wire, "select pg_sleep(120)");
    expect_words(wire, "ERROR", "57014", "deadline");
    wire_expect(wire, "Z:I");
    cr_assert_geq(now_ms() - begun_ms, 1990);
    WAIT_FOR(backends_busy() == 0, LONG_MS);
    cr_assert_lt(now_ms() - begun_ms, LONG_MS); /* and not the two minutes */
    stage_query(wire, "select 'goes on'", "T D:goes_on C:SELECT_1 Z:I");
    end_with(&wire);
}

Test(clocks, deadline_of_a_statement_in_the_extended_protocol)
{
    struct wire *wire = begin_with("deadline = 1\n");
    stage_parse(wire, "", "select pg_sleep(120)");
    stage_run(wire, "", NULL);
    frontend_write_sync(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "1 2");
    expect_words(wire, "ERROR", "57014", "deadline");
    wire_expect(wire, "Z:I");
    stage_query(wire, "select 'goes on'", "T D:goes_on C:SELECT_1 Z:I");
    end_with(&wire);
}

Test(clocks, others_never_notice_a_deadline)
{
    struct proxy *shared = proxy_start("budget = 2\n");
    struct wire *slow = wire_session(shared->port), *quick = wire_session(shared->port);
    cr_assert_str_eq(wire_query(slow, "begin; select 'held'"), "held");
    cr_assert_str_eq(wire_query(quick, "select 'quick'"), "quick"); /* each has its server */
    cr_assert_str_eq(wire_query(slow, "commit"), "");
    proxy_reconfigure(shared, "budget = 2\ndeadline = 1\n");
    wire_send_query(slow, "select pg_sleep(120)");
    struct wire_message message;
    while (!wire_try_receive(slow, 1, &message)) cr_assert_str_eq(wire_query(quick, "select 'quick'"), "quick");
    if (message.type == BACKEND_ROW_DESCRIPTION) message = wire_receive(slow);
    cr_assert_eq(message.type, BACKEND_ERROR, "got %c", message.type);
    wire_expect(slow, "Z:I");
    cr_assert_str_eq(wire_query(quick, "select 'quick'"), "quick");
    wire_close(&slow);
    wire_close(&quick);
    proxy_finish(&shared);
}

/* In a transaction: rolled back on the server at once, while the client is told that it has failed, up to its ROLLBACK. */
Test(clocks, deadline_of_a_transaction)
{
    struct wire *wire = begin_with("deadline = 1\n");
    static const char *const ends[] = {"commit", "rollback"};
    for (size_t i = 0; i < 2; i++) {
        stage_query(wire, "begin", "C:BEGIN Z:T");
        stage_query(wire, "insert into target values (1)", "C:INSERT_0_1 Z:T");
        wire_send_query(wire, "select pg_sleep(120)");
        expect_words(wire, "ERROR", "57014", "deadline");
        wire_expect(wire, "Z:E");
        WAIT_FOR(backends_busy() == 0, LONG_MS);
        stage_query(wire, "select 'no'", "E:25P02 Z:E");
        stage_query(wire, ends[i], "C:ROLLBACK Z:I");
        stage_query(wire, "select 'goes on'", "T D:goes_on C:SELECT_1 Z:I");
    }
    end_with(&wire);
}

/* The client is silent: it hears of it with its next statement, and COMMIT is no success. */
Test(clocks, deadline_of_a_silent_transaction)
{
    struct wire *wire = begin_with("deadline = 1\n");
    static const struct {
        const char *text;
        bool is_refused, is_over;
    } next[] = {{"select 'no'", true, false}, {"commit", true, true}, {"rollback", false, true}};
    for (size_t i = 0; i < sizeof next / sizeof *next; i++) {
        stage_query(wire, "begin", "C:BEGIN Z:T");
        stage_query(wire, "set application_name = 'rolled back'", "C:SET Z:T");
        stage_query(wire, "insert into target values (1)", "C:INSERT_0_1 Z:T");
        WAIT_FOR(backends_busy() == 0, LONG_MS);
        wire_send_query(wire, next[i].text);
        if (next[i].is_refused) {
            expect_words(wire, "ERROR", "57014", "deadline");
        } else {
            wire_expect(wire, "C:ROLLBACK");
        }
        wire_expect(wire, next[i].is_over ? "Z:I" : "Z:E");
        if (!next[i].is_over) stage_query(wire, "rollback", "C:ROLLBACK Z:I");
        stage_query(wire, "show application_name", "T D: C:SHOW Z:I");
    }
    /* In the extended protocol. */
    stage_query(wire, "begin", "C:BEGIN Z:T");
    stage_query(wire, "insert into target values (1)", "C:INSERT_0_1 Z:T");
    WAIT_FOR(backends_busy() == 0, LONG_MS);
    stage_parse(wire, "", "commit");
    stage_run(wire, "", NULL);
    stage_sync(wire, "E:57014 Z:I");
    end_with(&wire);
}

/* Whether the fake server has been told to roll back, and may. */
static atomic_bool is_asked_to_roll_back, may_roll_back;

static void roll_back_when_told(struct fake_connection *connection)
{
    struct bytes_writer *out = &connection->wire->out;
    char status = 'I';
    struct wire_message message;
    fake_welcome(connection);
    while ((message = fake_read(connection)).type != 0) {
        switch (message.type) {
        case FRONTEND_PARSE: backend_write_bare(out, BACKEND_PARSE_COMPLETE); break;
        case FRONTEND_BIND: backend_write_bare(out, BACKEND_BIND_COMPLETE); break;
        case FRONTEND_EXECUTE:
            backend_write_command_complete(out, "BEGIN");
            status = 'T';
            break;
        case FRONTEND_QUERY:
            if (strcmp((const char *)message.body, "ROLLBACK") == 0) {
                atomic_store(&is_asked_to_roll_back, true);
                while (!atomic_load(&may_roll_back)) nap();
                status = 'I';
            }
            backend_write_command_complete(out, status == 'I' ? "ROLLBACK" : "INSERT 0 1");
            backend_write_ready_for_query(out, status);
            wire_flush(connection->wire);
            break;
        default: break;
        }
    }
}

/* The COMMIT comes while the server is still rolling back: refused as a whole once that is done, and the server hears nothing of it. */
Test(clocks, deadline_and_a_commit_that_comes_during_the_rollback)
{
    struct fake_server *server = fake_server_start(roll_back_when_told, NULL);
    char *databases = text_format("app = host=127.0.0.1 port=%d", fake_server_port(server));
    struct proxy *one = proxy_start_with(&(struct proxy_options){.databases = databases, .settings = "budget = 1\ndeadline = 1\n"});
    struct wire *wire = wire_session(one->port), *other = wire_session(one->port);
    stage_query(wire, "begin", "C:BEGIN Z:T");
    stage_query(wire, "insert into target values (1)", "C:INSERT_0_1 Z:T");
    WAIT_FOR(atomic_load(&is_asked_to_roll_back), LONG_MS);
    stage_parse(wire, "", "commit");
    stage_run(wire, "", NULL);
    frontend_write_sync(&wire->out);
    wire_flush(wire);
    stage_query(other, "begin", "C:BEGIN Z:T"); /* by now the proxy has read what was sent before */
    atomic_store(&may_roll_back, true);
    wire_expect(wire, "E:57014 Z:I");
    stage_query(wire, "begin", "C:BEGIN Z:T");
    wire_close(&wire);
    wire_close(&other);
    proxy_finish(&one);
    fake_server_stop(&server);
    free(databases);
}

/* The wait counts. */
Test(clocks, deadline_in_the_queue)
{
    struct wire *wire = begin_with("deadline = 1\n"), *holder = wire_session(proxy->port);
    wire_send_query(holder, "select pg_sleep(0.5), pg_sleep(120)");
    WAIT_FOR(backends_busy() == 1, LONG_MS);
    wire_send_query(wire, "insert into target values (1)");
    wire_expect(holder, "T* E:57014 Z:I");
    struct wire_message message = wire_receive(wire);
    cr_assert(message.type == BACKEND_ERROR || message.type == BACKEND_COMMAND_COMPLETE);
    bool was_served = message.type == BACKEND_COMMAND_COMPLETE;
    wire_expect(wire, "Z:I");
    if (was_served) stage_query(wire, "delete from target", "C:DELETE_1 Z:I");
    wire_close(&holder);
    end_with(&wire);
}

Test(clocks, deadline_of_what_still_waits)
{
    struct proxy *one = proxy_start("budget = 1\n");
    struct wire *holder = wire_session(one->port), *wire = wire_session(one->port);
    cr_assert_str_eq(wire_query(holder, "begin; select 'held'"), "held");
    proxy_reload(one, "budget = 1\ndeadline = 1\n");
    WAIT_FOR(proxy_log_count(one, "config_reloaded") == 1, LONG_MS);
    /* The holder's transaction was begun before and is past it: it is rolled back, and the waiting one served or refused. */
    wire_send_query(wire, "select 'served'");
    bool was_served = wire_receive(wire).type == BACKEND_ROW_DESCRIPTION;
    wire_expect(wire, was_served ? "D:served C:SELECT_1 Z:I" : "Z:I");
    cr_expect_str_eq(wire_query(wire, "select 'served'"), "served");
    wire_send_query(holder, "select 'no'");
    wire_expect(holder, "E:57014 Z:E");
    wire_close(&holder);
    wire_close(&wire);
    proxy_finish(&one);
}

/* A BEGIN that no server has heard of starts it. */
Test(clocks, deadline_of_a_deferred_begin)
{
    struct wire *wire = begin_with("deadline = 0.2\n");
    stage_query(wire, "begin", "C:BEGIN Z:T");
    int64_t until_ms = now_ms() + 400;
    WAIT_FOR(now_ms() > until_ms, LONG_MS);
    wire_send_query(wire, "insert into target values (1)");
    expect_words(wire, "ERROR", "57014", "deadline");
    wire_expect(wire, "Z:E");
    stage_query(wire, "commit", "C:ROLLBACK Z:I");
    end_with(&wire);
}

/* ---- query_timeout ---- */

Test(clocks, query_timeout)
{
    struct wire *wire = begin_with("query_timeout = 1\n");
    wire_send_query(wire, "select pg_sleep(120)");
    expect_words(wire, "ERROR", "57014", "query_timeout");
    wire_expect(wire, "Z:I");
    /* Each statement has its own time. */
    stage_query(wire, "begin", "C:BEGIN Z:T");
    for (int i = 0; i < 3; i++) stage_query(wire, "select pg_sleep(0.4)", "T D: C:SELECT_1 Z:T");
    wire_send_query(wire, "insert into target select 1 from pg_sleep(120)");
    expect_words(wire, "ERROR", "57014", "query_timeout");
    wire_expect(wire, "Z:E");
    stage_query(wire, "rollback", "C:ROLLBACK Z:I");
    end_with(&wire);
}

/* A client that sends COPY data slowly, and one that does not read what it asked for. */
Test(clocks, query_timeout_of_copies)
{
    struct wire *wire = begin_with("query_timeout = 1\n");
    wire_send_query(wire, "copy target from stdin");
    wire_expect(wire, "G");
    frontend_write_copy_data(&wire->out, "1\n", 2);
    wire_flush(wire);
    expect_words(wire, "ERROR", "57014", "query_timeout");
    wire_expect(wire, "Z:I");
    frontend_write_copy_data(&wire->out, "1\n", 2);
    frontend_write_copy_done(&wire->out);
    wire_flush(wire);
    stage_query(wire, "select 'goes on'", "T D:goes_on C:SELECT_1 Z:I");
    struct wire *deaf = wire_session(proxy->port);
    wire_shrink_buffers(deaf, 4096);
    wire_send_query(deaf, "select repeat('x', 1000) from generate_series(1, 100000)");
    stage_query(wire, "select 'served'", "T D:served C:SELECT_1 Z:I");
    wire_close(&deaf);
    end_with(&wire);
}

/* ---- transactions ---- */

Test(clocks, transaction_timeout)
{
    struct wire *wire = begin_with("transaction_timeout = 1\n");
    struct wire *silent = wire_session(proxy->port), *busy = wire_session(proxy->port);
    stage_query(silent, "begin", "C:BEGIN Z:T");
    stage_query(silent, "insert into target values (1)", "C:INSERT_0_1 Z:T");
    expect_words(silent, "FATAL", "25P04", "transaction_timeout");
    wire_expect(silent, "-");
    stage_query(busy, "begin", "C:BEGIN Z:T");
    stage_query(busy, "insert into target values (1)", "C:INSERT_0_1 Z:T");
    wire_send_query(busy, "select pg_sleep(120)");
    expect_words(busy, "FATAL", "25P04", "transaction_timeout");
    wire_expect(busy, "-");
    wire_close(&silent);
    wire_close(&busy);
    end_with(&wire);
}

Test(clocks, idle_transaction_timeout)
{
    struct wire *wire = begin_with("idle_transaction_timeout = 1\n");
    struct wire *silent = wire_session(proxy->port), *begun = wire_session(proxy->port), *failed = wire_session(proxy->port);
    stage_query(silent, "begin", "C:BEGIN Z:T");
    stage_query(silent, "insert into target select 1 from pg_sleep(1.5)", "C:INSERT_0_1 Z:T");
    expect_words(silent, "FATAL", "25P03", "idle_transaction_timeout");
    wire_expect(silent, "-");
    stage_query(begun, "begin", "C:BEGIN Z:T");
    expect_words(begun, "FATAL", "25P03", "idle_transaction_timeout");
    wire_expect(begun, "-");
    stage_query(failed, "begin", "C:BEGIN Z:T");
    stage_query(failed, "select 1/0", "T* E:22012 Z:E");
    expect_words(failed, "FATAL", "25P03", "idle_transaction_timeout");
    wire_expect(failed, "-");
    stage_query(wire, "select 'outside of one'", "T D:outside_of_one C:SELECT_1 Z:I");
    wire_close(&silent);
    wire_close(&begun);
    wire_close(&failed);
    end_with(&wire);
}

Test(clocks, client_idle_timeout)
{
    struct wire *wire = begin_with("client_idle_timeout = 1\n");
    stage_query(wire, "select pg_sleep(1.5)", "T D: C:SELECT_1 Z:I");
    expect_words(wire, "FATAL", "57P05", "client_idle_timeout");
    wire_expect(wire, "-");
    end_with(&wire);
}

/* ---- in the queue ---- */

static int notices;
static char notice[600];

static void on_notice(void *context, const PGresult *result)
{
    (void)context;
    notices++;
    snprintf(notice, sizeof notice, "%s|%s|%s", PQresultErrorField(result, PG_DIAG_SEVERITY),
             PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY), PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL));
}

Test(clocks, who_waits_is_told)
{
    struct proxy *one = proxy_start("budget = 1\n");
    struct wire *holder = wire_session(one->port), *gone = wire_session(one->port);
    cr_assert_str_eq(wire_query(holder, "begin; select 'held'"), "held");
    PGconn *client = sql_connect("%s", proxy_conninfo(one, ""));
    PQsetNoticeReceiver(client, on_notice, NULL);
    proxy_reconfigure(one, "budget = 1\nquery_wait_notify = 0.2\n");
    wire_send_query(gone, "select 'never'");
    wire_settle(one->port);
    cr_assert(PQsendQuery(client, "select 'served'"));
    WAIT_FOR(PQconsumeInput(client) && (PQisBusy(client), notices > 0), LONG_MS);
    cr_assert_eq(strncmp(notice, "NOTICE|pgturnstile: waiting for a server connection for ", 56), 0, "%s", notice);
    cr_assert_not_null(strstr(notice, "Position 2 of 2 in the queue of database \"app\", user \"app\""), "%s", notice);
    wire_expect(gone, "N:00000");
    wire_close(&gone);
    cr_assert_str_eq(wire_query(holder, "commit"), "");
    PGresult *result = PQgetResult(client);
    cr_assert_eq(PQresultStatus(result), PGRES_TUPLES_OK);
    PQclear(result);
    cr_assert_null(PQgetResult(client));
    cr_assert_eq(notices, 1);
    /* Once a wait; then the wait ends. */
    cr_assert_str_eq(wire_query(holder, "begin; select 'held'"), "held");
    proxy_reconfigure(one, "budget = 1\nquery_wait_notify = 0.2\nquery_wait_timeout = 2\n");
    cr_assert_str_eq(sql_error(client, "select 'refused'"), "53300");
    cr_assert_eq(notices, 2);
    PQfinish(client);
    wire_close(&holder);
    proxy_finish(&one);
}

/* Of several places that could say it, the one that did: there it can be raised. */
Test(clocks, the_hint_says_where_the_limit_stands)
{
    static const char *const pairs[] = {"application_name", "batch", NULL};
    struct proxy *one = proxy_start_with(
        &(struct proxy_options){.settings = "budget = 1\nquery_timeout = 60\nquery_wait_timeout = 60\n",
                                .users = "app = query_timeout=0.3",
                                .classes = "[class batch]\nmatch = application_name=batch\nquery_timeout = 0\nwait_timeout = 0.3\n"});
    struct wire *plain = wire_session(one->port), *holder = wire_connect(one->port), *waiter = wire_connect(one->port);
    wire_login(holder, "app", "app", pairs);
    wire_login(waiter, "app", "app", pairs);
    wire_send_query(plain, "select pg_sleep(600)");
    expect_words_of(plain, "ERROR", "57014", "query_timeout", "Raise query_timeout of user \"app\" in pgturnstile, or ");
    wire_expect(plain, "Z:I");
    cr_assert_str_eq(wire_query(holder, "begin; select 'held'"), "held");
    wire_send_query(waiter, "select 'refused'");
    struct wire_message message = wire_receive(waiter);
    struct backend_error error;
    cr_assert_eq(message.type, BACKEND_ERROR);
    cr_assert_eq(backend_parse_error(message.body, message.size, &error), CODEC_OK);
    cr_assert_not_null(strstr(error.message, "(wait_timeout of class \"batch\")"), "%s", error.message);
    cr_assert_not_null(strstr(error.hint, "Raise wait_timeout of class \"batch\", budget "), "%s", error.hint);
    wire_expect(waiter, "Z:I");
    wire_close(&plain);
    wire_close(&holder);
    wire_close(&waiter);
    proxy_finish(&one);
}

/* ---- what is counted ---- */

/* How often, as SHOW LOCK_ERRORS tells it of this SQLSTATE and shape. */
static int lock_errors(PGconn *console, const char *sqlstate, const char *shape)
{
    enum { SQLSTATE, CLASS, USER, DATABASE, SHAPE, COUNT, LAST, RUN_MAX_US };
    int count = 0;
    PGresult *result = PQexec(console, "show lock_errors");
    cr_assert_eq(PQresultStatus(result), PGRES_TUPLES_OK, "%s", PQerrorMessage(console));
    cr_assert_str_eq(PQfname(result, SHAPE), "shape");
    cr_assert_str_eq(PQfname(result, RUN_MAX_US), "run_max_us");
    for (int i = 0; i < PQntuples(result); i++) {
        if (strcmp(PQgetvalue(result, i, SQLSTATE), sqlstate) != 0 || strcmp(PQgetvalue(result, i, SHAPE), shape) != 0) continue;
        cr_assert_eq(count, 0, "%s %s stands twice", sqlstate, shape);
        count = atoi(PQgetvalue(result, i, COUNT));
        cr_assert_str_eq(PQgetvalue(result, i, CLASS), "writers");
        cr_assert_str_eq(PQgetvalue(result, i, DATABASE), "app");
        cr_assert_str_eq(PQgetvalue(result, i, USER), "app");
        cr_assert_gt(strlen(PQgetvalue(result, i, LAST)), 0);
        cr_assert_geq(atoll(PQgetvalue(result, i, RUN_MAX_US)), 0);
    }
    PQclear(result);
    return count;
}

Test(clocks, lock_errors_are_counted_by_class_and_shape_and_logged)
{
    int port = process_free_port();
    char *settings = text_format("budget = 2\nadmin_users = boss\nhttp_listen = 127.0.0.1:%d\n", port), *metrics;
    struct proxy *two = proxy_start_with(&(struct proxy_options){.settings = settings, .classes = "[class writers]\nmatch = user=app\n"});
    free(settings);
    struct wire *a = wire_session(two->port), *b = wire_session(two->port);
    cr_assert_str_eq(wire_query(a, "drop table if exists locked; create table locked (n int, word text)"), "");
    cr_assert_str_eq(wire_query(a, "insert into locked values (1, 'secret'), (2, 'secret')"), "");
    cr_assert_str_eq(wire_query(a, "begin; update locked set n = n where n = 1"), "");
    cr_assert_str_eq(wire_query(b, "begin; update locked set n = n where n = 2"), "");
    cr_assert_str_eq(wire_query(b, "savepoint s"), "");
    cr_assert_str_eq(wire_query(b, "select * from locked where n = 1 for update nowait"), "!55P03");
    cr_assert_str_eq(wire_query(b, "rollback to s"), "");
    cr_assert_str_eq(wire_query(b, "set local lock_timeout = 20"), "");
    cr_assert_str_eq(wire_query(b, "delete from locked where word = 'secret' and n = 1"), "!55P03");
    cr_assert_str_eq(wire_query(b, "rollback to s"), "");
    wire_send_query(a, "update locked set word = 'secret' where n = 2");
    wire_send_query(b, "update locked set word = 'secret' where n = 1");
    WAIT_FOR(proxy_log_count(two, "deadlock client=") == 1, LONG_MS);
    wire_close(&a);
    wire_close(&b);
    PGconn *client = sql_connect("%s", proxy_conninfo(two, ""));
    char why[256];
    PGcancel *cancel = PQgetCancel(client);
    cr_assert(PQsendQuery(client, "select pg_sleep(600), 'secret'"));
    WAIT_FOR(backends_find("pg_sleep(600)") != 0, LONG_MS);
    cr_assert(PQcancel(cancel, why, sizeof why), "%s", why);
    PQfreeCancel(cancel);
    PGresult *result = PQgetResult(client);
    cr_assert_str_eq(PQresultErrorField(result, PG_DIAG_SQLSTATE), "57014");
    PQclear(result);
    PQfinish(client);

    cr_assert_eq(proxy_log_count(two, "lock_not_available client="), 2);
    cr_assert_eq(proxy_log_count(two, "class=writers sqlstate=40P01 ran_ms="), 1);
    cr_assert_eq(proxy_log_count(two, " shape=\"update locked set word = $1 where n = $2\""), 1);
    cr_assert_eq(proxy_log_count(two, " shape=\"select * from locked where n = $1 for update nowait\""), 1);
    cr_assert_eq(proxy_log_count(two, " shape=\"delete from locked where word = $1 and n = $2\""), 1);
    cr_assert_eq(proxy_log_count(two, " shape=\"select pg_sleep($1), $2\""), 1, );
    cr_assert_eq(proxy_log_count(two, "secret"), 0);

    PGconn *console = sql_connect("%s dbname=pgturnstile user=boss", proxy_conninfo(two, ""));
    cr_assert_eq(lock_errors(console, "40P01", "update locked set word = $1 where n = $2"), 1);
    cr_assert_eq(lock_errors(console, "55P03", "select * from locked where n = $1 for update nowait"), 1);
    cr_assert_eq(lock_errors(console, "55P03", "delete from locked where word = $1 and n = $2"), 1);
    cr_assert_eq(lock_errors(console, "57014", "select pg_sleep($1), $2"), 1);
    PQfinish(console);
    cr_assert_eq(http_get(port, "/metrics", "*/*", &metrics), 200);
    cr_expect_not_null(strstr(metrics, "\npgturnstile_lock_errors_total{sqlstate=\"40P01\",class=\"writers\"} 1\n"), "%s", metrics);
    cr_expect_not_null(strstr(metrics, "\npgturnstile_lock_errors_total{sqlstate=\"55P03\",class=\"writers\"} 2\n"), "%s", metrics);
    cr_expect_not_null(strstr(metrics, "\npgturnstile_lock_errors_total{sqlstate=\"57014\",class=\"writers\"} 1\n"), "%s", metrics);
    free(metrics);
    proxy_finish(&two);
}
