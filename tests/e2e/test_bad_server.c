/*
 * Servers that do what PostgreSQL never does, played by a script: garbage, silence, an early end, answers that nobody asked for, words at
 * odd moments. A client hears a clear error, the next one never what was meant for another.
 * Not for PostgreSQL that stops or is killed: test_server_loss.c.
 */
#include "tests/e2e/support/fake_server.h"
#include "tests/e2e/support/files.h"
#include "tests/e2e/support/proxy.h"
#include "tests/e2e/support/sql.h"
#include "tests/e2e/support/wait.h"
#include "tests/e2e/support/wire.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

const struct postgres_options e2e_postgres_options = {0};

TestSuite(bad_server, .timeout = 300);

static void expect_words(const char *message, const char *words)
{
    cr_assert_not_null(strstr(message, words), "\"%s\" lacks \"%s\"", message, words);
}

/* A proxy in front of a fake server. */
static struct proxy *proxy_of(const struct fake_server *server, const char *settings)
{
    char *databases = text_format("* = host=127.0.0.1 port=%d", fake_server_port(server));
    struct proxy *proxy =
        proxy_start_with(&(struct proxy_options){.postgres = postgres_shared(), .databases = databases, .settings = settings});
    proxy->options.databases = NULL;
    free(databases);
    return proxy;
}

/* The client's startup or first query fails within the time allowed, and the proxy lives on. */
static void expect_failure(struct proxy *proxy, const char *what)
{
    struct wire *wire = wire_connect(proxy->port);
    frontend_write_startup(&wire->out, 3, 0, (const char *const[]){"user", "app", "database", "app", NULL});
    frontend_write_query(&wire->out, "select 'anybody there?'");
    wire_flush(wire);
    struct wire_message message;
    do {
        message = wire_receive(wire);
    } while (message.type != 0 && message.type != BACKEND_ERROR && message.type != BACKEND_DATA_ROW);
    cr_assert_eq(message.type, BACKEND_ERROR, "%s: message %c instead of an error", what, message.type);
    wire_close(&wire);
    cr_assert(proxy_is_running(proxy), "%s", what);
}

static void script_refuse(struct fake_connection *connection)
{
    fake_fatal(connection, "53300", "sorry, too many clients already");
}

Test(bad_server, a_refusal_is_relayed_and_not_repeated_in_a_tight_loop)
{
    struct fake_server *server = fake_server_start(script_refuse, NULL);
    struct proxy *proxy = proxy_of(server, "server_login_retry = 0.5\n");
    /* It waits all the time, so that the pool keeps the words of the first refusal. */
    struct wire *patient = wire_connect(proxy->port);
    frontend_write_startup(&patient->out, 3, 0, (const char *const[]){"user", "app", "database", "app", NULL});
    wire_flush(patient);
    WAIT_FOR(proxy_log_count(proxy, "server_login_failed") > 0, LONG_MS);
    proxy_reconfigure(proxy, "query_wait_timeout = 1\nserver_login_retry = 0.5\n");
    for (int i = 0; i < 3; i++) expect_words(sql_refused("%s", proxy_conninfo(proxy, "")), "sorry, too many clients already");
    cr_assert_leq(fake_server_connections(server), 80, "%d logins", fake_server_connections(server));
    wire_close(&patient);
    proxy_finish(&proxy);
    fake_server_stop(&server);
}

/* The first logins fail; who waited is served by the first that does not. */
static void script_refuse_first(struct fake_connection *connection)
{
    if (connection->number < 3) {
        fake_fatal(connection, "57P03", "the database system is starting up");
        return;
    }
    fake_welcome(connection);
    fake_echo(connection);
}

Test(bad_server, waiting_clients_are_served_when_logins_work_again)
{
    struct fake_server *server = fake_server_start(script_refuse_first, NULL);
    struct proxy *proxy = proxy_of(server, "budget = 2\nquery_wait_timeout = 20\nserver_login_retry = 0.2\n");
    struct wire *wire = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(wire, "patience"), "patience");
    wire_close(&wire);
    proxy_finish(&proxy);
    fake_server_stop(&server);
}

static void script_slow_welcome(struct fake_connection *connection)
{
    atomic_bool *may_welcome = connection->argument;
    while (!*may_welcome) nap();
    fake_welcome(connection);
    fake_echo(connection);
}

struct lingering {
    atomic_bool may_close;
    atomic_int told_to_end;
};

/* The connect_query fails, and the connection is slow to end. */
static void script_linger(struct fake_connection *connection)
{
    struct lingering *lingering = connection->argument;
    struct backend_error error = {.severity = "ERROR", .sqlstate = "57014", .message = "canceling statement due to user request"};
    fake_welcome(connection);
    if (fake_read_query(connection) == NULL) return;
    backend_write_error(&connection->wire->out, &error);
    backend_write_ready_for_query(&connection->wire->out, 'I');
    wire_flush(connection->wire);
    fake_stay_silent(connection);
    ++lingering->told_to_end;
    while (!lingering->may_close) nap();
}

/* It counts until PostgreSQL has ended it, also after a login that came to nothing. */
Test(bad_server, a_failed_login_keeps_its_slot_until_the_connection_has_ended)
{
    enum { MANY_PAUSES_MS = 500 };
    static struct lingering lingering; /* a test that failed is left by a jump */
    struct fake_server *server = fake_server_start(script_linger, &lingering);
    char *databases = text_format("* = host=127.0.0.1 port=%d connect_query='select 1'", fake_server_port(server));
    struct proxy *proxy = proxy_start_with(
        &(struct proxy_options){.databases = databases, .settings = "budget = 1\nserver_login_retry = 0.05\nserver_close_timeout = 600\n"});
    struct wire *wire = wire_connect(proxy->port);
    frontend_write_startup(&wire->out, 3, 0, (const char *const[]){"user", "app", "database", "app", NULL});
    wire_flush(wire);
    WAIT_FOR(lingering.told_to_end == 1, LONG_MS);
    int64_t until_ms = now_ms() + MANY_PAUSES_MS;
    WAIT_FOR(now_ms() > until_ms, LONG_MS);
    cr_assert_eq(fake_server_connections(server), 1, "%d at once", fake_server_connections(server));
    lingering.may_close = true;
    WAIT_FOR(fake_server_connections(server) > 1, LONG_MS);
    wire_close(&wire);
    proxy_finish(&proxy);
    fake_server_stop(&server);
    free(databases);
}

/* While one login takes its time everything else goes on. */
Test(bad_server, a_slow_login_delays_nobody_else)
{
    enum { QUERIES = 200 };
    static atomic_bool may_welcome; /* a test that failed is left by a jump */
    struct fake_server *server = fake_server_start(script_slow_welcome, &may_welcome);
    const struct postgres *postgres = postgres_shared();
    char *databases =
        text_format("slow = host=127.0.0.1 port=%d\napp = host=%s port=%d", fake_server_port(server), postgres->directory, postgres->port);
    struct proxy *proxy = proxy_start_with(&(struct proxy_options){.databases = databases});
    struct wire *quick = wire_session(proxy->port), *slow = wire_connect(proxy->port);
    cr_assert_str_eq(wire_query(quick, "select 1"), "1");
    frontend_write_startup(&slow->out, 3, 0, (const char *const[]){"user", "app", "database", "slow", NULL});
    wire_flush(slow);
    wire_settle(proxy->port);
    WAIT_FOR(fake_server_connections(server) > 0, LONG_MS);
    for (int i = 0; i < QUERIES; i++) cr_assert_str_eq(wire_query(quick, "select 'quick'"), "quick");
    may_welcome = true;
    wire_expect(slow, "R S* K Z:I");
    cr_assert_str_eq(wire_query(slow, "slow"), "slow");
    wire_close(&slow);
    wire_close(&quick);
    proxy_finish(&proxy);
    fake_server_stop(&server);
    free(databases);
}

static void script_silent_login(struct fake_connection *connection)
{
    fake_stay_silent(connection);
}

static void script_garbage_login(struct fake_connection *connection)
{
    static const char garbage[] = "HTTP/1.1 400 Bad Request\r\n\r\nwhat was that?";
    wire_send(connection->wire, garbage, sizeof garbage);
    fake_stay_silent(connection);
}

static void script_close_in_login(struct fake_connection *connection)
{
    backend_write_authentication(&connection->wire->out, BACKEND_AUTH_OK, NULL, 0);
    wire_flush(connection->wire);
}

static void script_garbage_after_login(struct fake_connection *connection)
{
    fake_welcome(connection);
    fake_read_query(connection);
    wire_send(connection->wire, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12);
    fake_stay_silent(connection);
}

static void script_length_zero(struct fake_connection *connection)
{
    fake_welcome(connection);
    fake_read_query(connection);
    wire_send(connection->wire, "T\0\0\0\0", 5);
    fake_stay_silent(connection);
}

static void script_close_in_message(struct fake_connection *connection)
{
    fake_welcome(connection);
    fake_read_query(connection);
    wire_send(connection->wire, "E\0\0\0\77SERR", 9);
}

static void script_close_after_query(struct fake_connection *connection)
{
    fake_welcome(connection);
    fake_read_query(connection);
}

static void script_fatal_after_query(struct fake_connection *connection)
{
    fake_welcome(connection);
    fake_read_query(connection);
    fake_fatal(connection, "57P01", "terminating connection due to administrator command");
}

Test(bad_server, servers_that_misbehave_end_in_an_error)
{
    static const struct {
        const char *what;
        fake_script *script;
    } samples[] = {
        {"silent login", script_silent_login},
        {"garbage in the login", script_garbage_login},
        {"closed in the login", script_close_in_login},
        {"garbage after the login", script_garbage_after_login},
        {"message of length 0", script_length_zero},
        {"closed in a message", script_close_in_message},
        {"closed after the query", script_close_after_query},
        {"FATAL after the query", script_fatal_after_query},
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        struct fake_server *server = fake_server_start(samples[i].script, NULL);
        struct proxy *proxy = proxy_of(server, "query_wait_timeout = 1\nserver_login_retry = 0.2\nserver_connect_timeout = 0.5\n");
        expect_failure(proxy, samples[i].what);
        fake_server_stop(&server);
        proxy_finish(&proxy);
    }
}

/* A length that promises what never comes: the client waits as it would directly, and may leave; nobody else is harmed. */
static void script_long_promise(struct fake_connection *connection)
{
    if (connection->number > 0) {
        fake_welcome(connection);
        fake_echo(connection);
        return;
    }
    fake_welcome(connection);
    fake_read_query(connection);
    wire_send(connection->wire, "D\x7f\xff\xff\xff", 5);
    fake_stay_silent(connection);
}

Test(bad_server, a_message_that_never_ends)
{
    struct fake_server *server = fake_server_start(script_long_promise, NULL);
    struct proxy *proxy = proxy_of(server, "budget = 2\nabandon_timeout = 0.2\nserver_close_timeout = 0.5\n");
    struct wire *stuck = wire_session(proxy->port);
    wire_send_query(stuck, "promise");
    wire_settle(proxy->port);
    for (int i = 0; i < 5; i++) {
        struct wire *wire = wire_session(proxy->port);
        cr_assert_str_eq(wire_query(wire, "unharmed"), "unharmed");
        wire_close(&wire);
    }
    wire_abort(&stuck);
    for (int i = 0; i < 5; i++) {
        struct wire *wire = wire_session(proxy->port);
        cr_assert_str_eq(wire_query(wire, "unharmed"), "unharmed");
        wire_close(&wire);
    }
    WAIT_FOR(fake_server_cancels(server) >= 1, LONG_MS);
    proxy_finish(&proxy);
    fake_server_stop(&server);
}

/* Notices, parameters and notifications at moments when nobody asked; the value reaches the next client. */
static void script_talkative(struct fake_connection *connection)
{
    struct bytes_writer *out = &connection->wire->out;
    struct backend_error notice = {.severity = "NOTICE", .sqlstate = "00000", .message = "by the way"};
    fake_welcome(connection);
    backend_write_notice(out, &notice);
    backend_write_parameter_status(out, "in_hot_standby", "off");
    wire_flush(connection->wire);
    for (const char *text = fake_read_query(connection); text != NULL; text = fake_read_query(connection)) {
        backend_write_notice(out, &notice);
        backend_write_row_description(out, (const char *const[]){"answer"}, (const uint32_t[]){25}, 1);
        backend_write_notice(out, &notice);
        backend_write_parameter_status(out, "application_name", "talkative");
        backend_write_parameter_status(out, "application_name", "");
        backend_write_data_row(out, &text, 1);
        backend_write_notice(out, &notice);
        backend_write_command_complete(out, "SELECT 1");
        backend_write_notice(out, &notice);
        backend_write_ready_for_query(out, 'I');
        /* In the same segment as ReadyForQuery, and in one of its own: between two clients. */
        backend_write_notice(out, &notice);
        wire_flush(connection->wire);
        backend_write_parameter_status(out, "in_hot_standby", "on");
        backend_write_parameter_status(out, "in_hot_standby", "off");
        backend_write_notice(out, &notice);
        wire_flush(connection->wire);
    }
}

Test(bad_server, notices_and_parameters_at_odd_times)
{
    struct fake_server *server = fake_server_start(script_talkative, NULL);
    struct proxy *proxy = proxy_of(server, "budget = 1\n");
    struct wire *wires[] = {wire_session(proxy->port), wire_session(proxy->port)};
    for (int i = 0; i < 60; i++) {
        char text[20];
        snprintf(text, sizeof text, "number %d", i);
        cr_assert_str_eq(wire_query(wires[i / 3 % 2], text), text);
    }
    cr_assert_eq(fake_server_connections(server), 1);
    wire_close(&wires[0]);
    wire_close(&wires[1]);
    proxy_finish(&proxy);
    fake_server_stop(&server);
}

static void stage_answer(struct bytes_writer *out, const char *value)
{
    backend_write_row_description(out, (const char *const[]){"answer"}, (const uint32_t[]){25}, 1);
    backend_write_data_row(out, &value, 1);
    backend_write_command_complete(out, "SELECT 1");
    backend_write_ready_for_query(out, 'I');
}

/* An answer nobody asked for, behind one that was asked for: it must not be taken for the next client's. */
static void script_unasked_answer(struct fake_connection *connection)
{
    fake_welcome(connection);
    const char *text = fake_read_query(connection);
    if (text == NULL) return;
    stage_answer(&connection->wire->out, text);
    if (connection->number == 0) stage_answer(&connection->wire->out, "unasked");
    wire_flush(connection->wire);
    fake_echo(connection);
}

Test(bad_server, an_answer_that_nobody_asked_for)
{
    struct fake_server *server = fake_server_start(script_unasked_answer, NULL);
    struct proxy *proxy = proxy_of(server, "budget = 1\nserver_close_timeout = 0.5\n");
    struct wire *first = wire_session(proxy->port), *second = wire_session(proxy->port);
    wire_send_query(first, "first");
    struct wire_message message;
    do {
        message = wire_receive(first);
    } while (message.type != BACKEND_READY_FOR_QUERY && message.type != 0);
    wire_settle(proxy->port);
    cr_assert_str_eq(wire_query(second, "second"), "second");
    wire_close(&second);
    wire_close(&first);
    second = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(second, "third"), "third");
    wire_close(&second);
    proxy_finish(&proxy);
    fake_server_stop(&server);
}

struct half_a_notice {
    atomic_bool may_begin, has_begun;
};

/* A notice that begins while nobody leases the server, and ends while somebody does. The end looks like an answer. */
static void script_half_a_notice(struct fake_connection *connection)
{
    struct half_a_notice *half_a_notice = connection->argument;
    struct bytes_writer *out = &connection->wire->out;
    char end[200];
    struct bytes_writer answer;
    bytes_writer_init(&answer, (uint8_t *)end, sizeof end);
    stage_answer(&answer, "not yours");
    setsockopt(connection->wire->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)); /* what is sent is there at once */
    fake_welcome(connection);
    const char *text = fake_read_query(connection);
    if (text == NULL) return;
    fake_answer(connection, text);
    size_t mark = bytes_begin_message(out, BACKEND_NOTICE);
    bytes_write_block(out, "SNOTICE\0M", 9);
    for (int i = 0; i < 40; i++) bytes_write_block(out, "0123456789", 10);
    size_t half = out->size;
    bytes_write_block(out, end, answer.size);
    bytes_write_u8(out, 0);
    bytes_write_u8(out, 0);
    bytes_end_message(out, mark);
    uint8_t rest[sizeof end + 2];
    size_t rest_size = out->size - half;
    memcpy(rest, out->data + half, rest_size);
    while (!half_a_notice->may_begin) nap();
    wire_flush_part(connection->wire, half);
    half_a_notice->has_begun = true;
    text = fake_read_query(connection);
    if (text == NULL) return;
    bytes_write_block(out, rest, rest_size);
    stage_answer(out, text);
    wire_flush(connection->wire);
    fake_echo(connection);
}

Test(bad_server, the_rest_of_what_came_while_idle_reaches_no_client)
{
    static struct half_a_notice half_a_notice; /* a test that failed is left by a jump */
    struct fake_server *server = fake_server_start(script_half_a_notice, &half_a_notice);
    struct proxy *proxy = proxy_of(server, "budget = 1\n");
    struct wire *first = wire_session(proxy->port), *second = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(first, "first"), "first");
    half_a_notice.may_begin = true;
    WAIT_FOR(half_a_notice.has_begun, LONG_MS);
    wire_settle(proxy->port);
    wire_send_query(second, "second");
    wire_expect(second, "T D:second C:SELECT_1 Z:I");
    cr_assert_str_eq(wire_query(first, "third"), "third");
    wire_close(&second);
    wire_close(&first);
    proxy_finish(&proxy);
    fake_server_stop(&server);
}

/* FATAL while idle, then the end: as after pg_terminate_backend or idle_session_timeout. */
static void script_fatal_while_idle(struct fake_connection *connection)
{
    atomic_int *farewells = connection->argument;
    fake_welcome(connection);
    const char *text = fake_read_query(connection);
    if (text == NULL) return;
    fake_answer(connection, text);
    fake_fatal(connection, "57P05", "terminating connection due to idle-session timeout");
    ++*farewells;
}

Test(bad_server, a_farewell_while_idle_reaches_no_client)
{
    static atomic_int farewells; /* a test that failed is left by a jump */
    struct fake_server *server = fake_server_start(script_fatal_while_idle, &farewells);
    struct proxy *proxy = proxy_of(server, "budget = 1\n");
    struct wire *wire = wire_session(proxy->port);
    for (int i = 0; i < 10; i++) {
        char text[20];
        snprintf(text, sizeof text, "number %d", i);
        cr_assert_str_eq(wire_query(wire, text), text);
        WAIT_FOR(farewells > i, LONG_MS);
        wire_settle(proxy->port);
    }
    wire_close(&wire);
    proxy_finish(&proxy);
    fake_server_stop(&server);
}

/* Answers in the smallest pieces. */
static void script_byte_by_byte(struct fake_connection *connection)
{
    fake_welcome(connection);
    for (const char *text = fake_read_query(connection); text != NULL; text = fake_read_query(connection)) {
        stage_answer(&connection->wire->out, text);
        wire_flush_slowly(connection->wire);
    }
}

Test(bad_server, answers_a_byte_at_a_time)
{
    struct fake_server *server = fake_server_start(script_byte_by_byte, NULL);
    struct proxy *proxy = proxy_of(server, "budget = 1\n");
    struct wire *wires[] = {wire_session(proxy->port), wire_session(proxy->port)};
    for (int i = 0; i < 40; i++) {
        char text[20], pattern[60];
        snprintf(text, sizeof text, "number %d", i);
        snprintf(pattern, sizeof pattern, "T D:number_%d C:SELECT_1 Z:I", i);
        wire_send_query(wires[i % 2], text);
        wire_expect(wires[i % 2], pattern);
    }
    wire_close(&wires[0]);
    wire_close(&wires[1]);
    proxy_finish(&proxy);
    fake_server_stop(&server);
}
