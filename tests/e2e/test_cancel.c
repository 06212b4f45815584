/*
 * CancelRequests: they reach exactly the query they meant, queued clients included, and never the next client's; a flood of them
 * uses no client slot. The race test runs to 100,000 cancels, and without PGTURNSTILE_SOAK for six seconds at most.
 */
#include "tests/e2e/support/fake_server.h"
#include "tests/e2e/support/files.h"
#include "tests/e2e/support/proxy.h"
#include "tests/e2e/support/sql.h"
#include "tests/e2e/support/wait.h"
#include "tests/e2e/support/wire.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

const struct postgres_options e2e_postgres_options = {0};

TestSuite(cancel, .timeout = 300);

static void cancel(const struct proxy *proxy, const struct wire *wire)
{
    wire_cancel(proxy->port, wire->pid, wire->key, wire->key_size);
}

Test(cancel, a_running_query)
{
    struct proxy *proxy = proxy_start("budget = 2\n");
    struct wire *wire = wire_session(proxy->port), *other = wire_session(proxy->port);
    wire_send_query(other, "select pg_sleep(0.7), 'other'");
    wire_send_query(wire, "select pg_sleep(60), 'mine'");
    WAIT_FOR(backends_find("mine") != 0, LONG_MS);
    cancel(proxy, wire);
    wire_expect(wire, "T* E:57014 Z:I");
    wire_expect(other, "T D C:SELECT_1 Z:I");
    cr_assert_str_eq(wire_query(wire, "select 'after'"), "after");
    /* In a transaction it stays one, failed. */
    cr_assert_str_eq(wire_query(wire, "begin"), "");
    wire_send_query(wire, "select pg_sleep(60), 'mine'");
    WAIT_FOR(backends_find("mine") != 0, LONG_MS);
    cancel(proxy, wire);
    wire_expect(wire, "T* E:57014 Z:E");
    cr_assert_str_eq(wire_query(wire, "rollback"), "");
    /* In the extended protocol, with a pipeline behind. */
    frontend_write_parse(&wire->out, "", "select pg_sleep(60), 'mine'", NULL, 0);
    frontend_write_bind(&wire->out, "", "", NULL, 0);
    frontend_write_execute(&wire->out, "", 0);
    frontend_write_sync(&wire->out);
    frontend_write_query(&wire->out, "select 'behind'");
    wire_flush(wire);
    WAIT_FOR(backends_find("mine") != 0, LONG_MS);
    cancel(proxy, wire);
    wire_expect(wire, "1 2 E:57014 Z:I T D:behind C:SELECT_1 Z:I");
    wire_close(&other);
    wire_close(&wire);
    proxy_finish(&proxy);
}

Test(cancel, with_libpq)
{
    struct proxy *proxy = proxy_start("%s", "");
    PGconn *connection = sql_connect("%s", proxy_conninfo(proxy, ""));
    PGcancel *handle = PQgetCancel(connection);
    char text[256] = "";
    cr_assert_eq(PQsendQuery(connection, "select pg_sleep(60), 'mine'"), 1);
    WAIT_FOR(backends_find("mine") != 0, LONG_MS);
    cr_assert_eq(PQcancel(handle, text, sizeof text), 1, "%s", text);
    PGresult *result = PQgetResult(connection);
    cr_assert_str_eq(PQresultErrorField(result, PG_DIAG_SQLSTATE), "57014");
    PQclear(result);
    cr_assert_null(PQgetResult(connection));
    cr_assert_str_eq(sql_value(connection, "select 'after'"), "after");
    PQfreeCancel(handle);
    PQfinish(connection);
    proxy_finish(&proxy);
}

Test(cancel, through_the_unix_socket)
{
    struct proxy *proxy = proxy_start("%s", "");
    struct wire *wire = wire_session(proxy->port);
    wire_send_query(wire, "select pg_sleep(60), 'mine'");
    WAIT_FOR(backends_find("mine") != 0, LONG_MS);
    struct wire *messenger = wire_connect_unix(proxy->directory, proxy->port);
    frontend_write_cancel_request(&messenger->out, wire->pid, wire->key, wire->key_size);
    wire_flush_slowly(messenger);
    wire_expect(messenger, "-");
    wire_expect(wire, "T* E:57014 Z:I");
    wire_close(&messenger);
    wire_close(&wire);
    proxy_finish(&proxy);
}

Test(cancel, behind_an_ssl_request)
{
    struct proxy *proxy = proxy_start("%s", "");
    struct wire *wire = wire_session(proxy->port);
    wire_send_query(wire, "select pg_sleep(60), 'mine'");
    WAIT_FOR(backends_find("mine") != 0, LONG_MS);
    struct wire *messenger = wire_connect(proxy->port);
    frontend_write_ssl_request(&messenger->out);
    wire_flush(messenger);
    cr_assert_eq(wire_receive_byte(messenger), 'N');
    frontend_write_cancel_request(&messenger->out, wire->pid, wire->key, wire->key_size);
    wire_flush(messenger);
    wire_expect(messenger, "-");
    wire_expect(wire, "T* E:57014 Z:I");
    wire_close(&messenger);
    wire_close(&wire);
    proxy_finish(&proxy);
}

Test(cancel, a_queued_query)
{
    struct proxy *proxy = proxy_start("budget = 1\n");
    struct wire *holder = wire_session(proxy->port), *queued = wire_session(proxy->port), *next = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(holder, "begin"), "");
    cr_assert_str_eq(wire_query(holder, "select 1"), "1");
    wire_send_query(queued, "select 'never runs'");
    wire_send_query(next, "select 'next'");
    wire_settle(proxy->port);
    cancel(proxy, queued);
    wire_expect(queued, "E:57014 Z:I");
    cr_assert_str_eq(wire_query(holder, "select 'unharmed'"), "unharmed");
    cr_assert_str_eq(wire_query(holder, "commit"), "");
    wire_expect(next, "T D:next C:SELECT_1 Z:I");
    cr_assert_str_eq(wire_query(queued, "select 'after'"), "after");
    /* The extended protocol: everything up to Sync is skipped, what follows is not. */
    cr_assert_str_eq(wire_query(holder, "begin"), "");
    cr_assert_str_eq(wire_query(holder, "select 1"), "1");
    frontend_write_parse(&queued->out, "", "select 'never runs'", NULL, 0);
    frontend_write_bind(&queued->out, "", "", NULL, 0);
    frontend_write_execute(&queued->out, "", 0);
    frontend_write_sync(&queued->out);
    wire_flush(queued);
    wire_settle(proxy->port);
    cancel(proxy, queued);
    wire_expect(queued, "E:57014 Z:I");
    cr_assert_str_eq(wire_query(holder, "commit"), "");
    cr_assert_str_eq(wire_query(queued, "select 'after'"), "after");
    wire_close(&next);
    wire_close(&queued);
    wire_close(&holder);
    proxy_finish(&proxy);
}

Test(cancel, with_a_wrong_key)
{
    struct proxy *proxy = proxy_start("budget = 2\n");
    struct wire *wire = wire_session(proxy->port), *other = wire_session(proxy->port);
    for (int i = 0; i < 30; i++) {
        uint8_t key[4];
        memcpy(key, wire->key, 4);
        key[i % 4] ^= (uint8_t)(1 << (i % 8));
        wire_send_query(wire, "select 'mine' from pg_sleep(0.01)");
        wire_cancel(proxy->port, wire->pid, key, 4);
        wire_cancel(proxy->port, wire->pid + 1, wire->key, 4);
        wire_cancel(proxy->port, wire->pid, other->key, 4);
        wire_cancel(proxy->port, other->pid, wire->key, 4);
        wire_expect(wire, "T D:mine C:SELECT_1 Z:I");
    }
    wire_close(&other);
    wire_close(&wire);
    proxy_finish(&proxy);
}

Test(cancel, keys_differ)
{
    enum { CLIENTS = 20 };
    struct proxy *proxy = proxy_start("%s", "");
    struct wire *wires[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        wires[i] = wire_session(proxy->port);
        for (int k = 0; k < i; k++)
            cr_assert(wires[i]->pid != wires[k]->pid || memcmp(wires[i]->key, wires[k]->key, wires[i]->key_size) != 0);
    }
    for (int i = 0; i < CLIENTS; i++) wire_close(&wires[i]);
    proxy_finish(&proxy);
}

Test(cancel, after_the_end)
{
    struct proxy *proxy = proxy_start("budget = 1\n");
    struct wire *wire = wire_session(proxy->port), *other = wire_session(proxy->port);
    for (int i = 0; i < 50; i++) {
        cr_assert_str_eq(wire_query(wire, "select 'done'"), "done");
        cancel(proxy, wire);
        wire_send_query(other, "select 'next' from pg_sleep(0.005)");
        cancel(proxy, wire);
        wire_expect(other, "T D:next C:SELECT_1 Z:I");
    }
    /* Idle in a transaction. */
    cr_assert_str_eq(wire_query(wire, "begin"), "");
    cancel(proxy, wire);
    cr_assert_str_eq(wire_query(wire, "select 'still'"), "still");
    cr_assert_str_eq(wire_query(wire, "commit"), "");
    /* Of a client that has gone. */
    struct wire gone = *wire;
    wire_close(&wire);
    wire_send_query(other, "select 'alone' from pg_sleep(0.05)");
    cancel(proxy, &gone);
    wire_expect(other, "T D:alone C:SELECT_1 Z:I");
    wire_close(&other);
    proxy_finish(&proxy);
}

Test(cancel, in_session_mode)
{
    struct proxy *proxy = proxy_start("pool_mode = session\n");
    struct wire *wire = wire_session(proxy->port);
    wire_send_query(wire, "select pg_sleep(60), 'mine'");
    WAIT_FOR(backends_find("mine") != 0, LONG_MS);
    cancel(proxy, wire);
    wire_expect(wire, "T* E:57014 Z:I");
    cr_assert_str_eq(wire_query(wire, "select 'after'"), "after");
    wire_close(&wire);
    proxy_finish(&proxy);
}

/* ---- late ones ---- */

/* A request that PostgreSQL is slow to take, for a query that ends meanwhile: what its client says next is not hit. */
Test(cancel, the_next_statement_is_not_hit)
{
    struct postgres *postgres = postgres_start(&(struct postgres_options){0});
    char *databases = text_format("app = host=127.0.0.1 port=%d\n", postgres->port), *direct = postgres_direct(postgres, "app");
    struct proxy *proxy = proxy_start_with(&(struct proxy_options){.databases = databases, .settings = "cancel_wait_timeout = 60\n"});
    PGconn *owner = sql_connect("%s", direct);
    struct wire *wire = wire_session(proxy->port);
    sql_run(owner, "select pg_advisory_lock(1)");
    cr_assert_str_eq(wire_query(wire, "begin"), "");
    wire_send_query(wire, "select pg_advisory_xact_lock_shared(1), 'first'");
    WAIT_FOR(sql_int(owner, "select count(*) from pg_locks where locktype = 'advisory' and not granted") == 1, LONG_MS);
    postgres_freeze(postgres);
    cancel(proxy, wire);
    sql_run(owner, "select pg_advisory_unlock(1)");
    wire_expect(wire, "T D C:SELECT_1 Z:T");
    wire_send_query(wire, "select pg_sleep(0.5), 'next'");
    wire_settle(proxy->port);
    postgres_thaw(postgres);
    wire_expect(wire, "T D C:SELECT_1 Z:T");
    cr_assert_str_eq(wire_query(wire, "commit"), "");
    wire_close(&wire);
    PQfinish(owner);
    proxy_finish(&proxy);
    postgres_remove(&postgres);
    free(direct);
    free(databases);
}

/* What the scripts' tests agree on. A test that failed is left by a jump, so it is static. */
static struct {
    atomic_bool may_answer;
    atomic_int queries;
} stage;

/* "first" is answered when it may be, "second" when it has been cancelled, everything else at once. */
static void script_slow(struct fake_connection *connection)
{
    fake_welcome(connection);
    for (const char *text = fake_read_query(connection); text != NULL; text = fake_read_query(connection)) {
        stage.queries++;
        int64_t deadline_ms = now_ms() + LONG_MS;
        if (strcmp(text, "first") == 0)
            while (!stage.may_answer && now_ms() < deadline_ms) nap();
        if (strcmp(text, "second") == 0)
            while (fake_server_cancels(connection->server) < 2 && now_ms() < deadline_ms) nap();
        fake_answer(connection, text);
    }
}

/* A session whose "first" has ended while its cancel request is on its way. */
static struct wire *session_with_a_late_cancel(struct fake_server *server, const struct proxy *proxy)
{
    struct wire *wire = wire_session(proxy->port);
    fake_server_hold_cancels(server, true);
    wire_send_query(wire, "first");
    WAIT_FOR(stage.queries == 1, LONG_MS);
    cancel(proxy, wire);
    WAIT_FOR(fake_server_cancels(server) == 1, LONG_MS);
    stage.may_answer = true;
    wire_expect(wire, "T D:first C:SELECT_1 Z:I");
    return wire;
}

static struct proxy *proxy_of(struct fake_server *server, const char *settings)
{
    char *databases = text_format("* = host=127.0.0.1 port=%d", fake_server_port(server));
    struct proxy *proxy = proxy_start_with(&(struct proxy_options){.databases = databases, .settings = settings});
    free(databases);
    return proxy;
}

/* What waited for the first request is cancelled by one of its own. */
Test(cancel, a_statement_that_waits_for_an_earlier_request)
{
    struct fake_server *server = fake_server_start(script_slow, NULL);
    struct proxy *proxy = proxy_of(server, "pool_mode = session\ncancel_wait_timeout = 60\n");
    struct wire *wire = session_with_a_late_cancel(server, proxy);
    wire_send_query(wire, "second");
    wire_settle(proxy->port);
    cancel(proxy, wire);
    cr_assert_eq(stage.queries, 1);
    fake_server_hold_cancels(server, false);
    wire_expect(wire, "T D:second C:SELECT_1 Z:I");
    /* Not what comes behind it. */
    cr_assert_str_eq(wire_query(wire, "third"), "third");
    cr_assert_eq(fake_server_cancels(server), 2);
    wire_close(&wire);
    proxy_finish(&proxy);
    fake_server_stop(&server);
}

/* A request that never arrives is waited for as long as it may take. Its server serves nobody else. */
Test(cancel, that_hangs_is_given_up)
{
    struct fake_server *server = fake_server_start(script_slow, NULL);
    struct proxy *proxy = proxy_of(server, "pool_mode = session\nbudget = 1\ncancel_wait_timeout = 1\nserver_close_timeout = 1\n");
    struct wire *wire = session_with_a_late_cancel(server, proxy);
    cr_assert_str_eq(wire_query(wire, "third"), "third");
    cr_assert_eq(proxy_log_count(proxy, "error=cancel_wait_timeout"), 1);
    wire_close(&wire);
    wire = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(wire, "fourth"), "fourth");
    cr_assert_eq(fake_server_connections(server), 2);
    cr_assert_eq(proxy_log_count(proxy, "reason=cancel_wait_timeout"), 1);
    wire_close(&wire);
    proxy_finish(&proxy);
    fake_server_stop(&server);
}

/* A client that leaves before its request has arrived leaves a good server behind. */
Test(cancel, whose_client_leaves)
{
    struct fake_server *server = fake_server_start(script_slow, NULL);
    struct proxy *proxy = proxy_of(server, "pool_mode = session\nbudget = 1\ncancel_wait_timeout = 60\nabandon_timeout = 60\n");
    struct wire *wire = session_with_a_late_cancel(server, proxy);
    wire_send_query(wire, "second");
    wire_settle(proxy->port);
    cancel(proxy, wire);
    wire_abort(&wire);
    WAIT_FOR(proxy_log_count(proxy, "client_closed") == 1, LONG_MS);
    fake_server_hold_cancels(server, false);
    wire = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(wire, "third"), "third");
    cr_assert_eq(fake_server_connections(server), 1);
    cr_assert_eq(fake_server_cancels(server), 1);
    wire_close(&wire);
    proxy_finish(&proxy);
    fake_server_stop(&server);
}

/* ---- floods ---- */

/* All at once, with wrong keys and with right ones, at a proxy whose client slots are all taken. */
Test(cancel, a_flood)
{
    enum { FLOOD = 1000 };
    static struct wire *messengers[FLOOD];
    struct proxy *proxy = proxy_start("budget = 2\nmax_client_conn = 3\n");
    struct wire *sleeper = wire_session(proxy->port), *worker = wire_session(proxy->port), *third = wire_session(proxy->port);
    wire_send_query(sleeper, "select pg_sleep(60), 'sleeper'");
    WAIT_FOR(backends_find("sleeper") != 0, LONG_MS);
    /* Both servers exist before descriptors are counted. */
    cr_assert_str_eq(wire_query(worker, "select 'warm'"), "warm");
    int before = proxy_fd_count(proxy);
    for (int i = 0; i < FLOOD; i++) {
        messengers[i] = wire_try_connect(proxy->port);
        cr_assert_not_null(messengers[i]);
        frontend_write_cancel_request(&messengers[i]->out, sleeper->pid + 1 + (uint32_t)i, sleeper->key, 4);
        wire_flush(messengers[i]);
        if (i % 50 == 0) cr_assert_str_eq(wire_query(worker, "select 'unharmed'"), "unharmed");
    }
    cr_assert_str_eq(wire_query(worker, "select 'unharmed'"), "unharmed");
    for (int i = 0; i < FLOOD; i++) wire_close(&messengers[i]);
    WAIT_FOR(proxy_fd_count(proxy) <= before, LONG_MS);
    /* A thousand times the right key: one of them ends the query, none harms the next. */
    for (int i = 0; i < FLOOD; i++) {
        messengers[i] = wire_try_connect(proxy->port);
        cr_assert_not_null(messengers[i]);
        frontend_write_cancel_request(&messengers[i]->out, sleeper->pid, sleeper->key, 4);
        wire_flush(messengers[i]);
    }
    wire_expect(sleeper, "T* E:57014 Z:I");
    for (int i = 0; i < 200; i++) cr_assert_str_eq(wire_query(worker, "select 'unharmed' from pg_sleep(0.001)"), "unharmed");
    for (int i = 0; i < FLOOD; i++) wire_close(&messengers[i]);
    WAIT_FOR(proxy_fd_count(proxy) <= before, LONG_MS);
    cr_assert_str_eq(wire_query(third, "select 'third'"), "third");
    wire_close(&third);
    wire_close(&worker);
    wire_close(&sleeper);
    proxy_finish(&proxy);
}

/* Connections that might become cancels and say no more hold no client slot for ever. */
Test(cancel, half_a_request)
{
    struct proxy *proxy = proxy_start("%s", "");
    struct wire *wire = wire_session(proxy->port);
    proxy_reconfigure(proxy, "client_login_timeout = 0.3\n");
    struct wire *messenger = wire_connect(proxy->port);
    frontend_write_cancel_request(&messenger->out, wire->pid, wire->key, wire->key_size);
    wire_flush_part(messenger, 13);
    struct wire_message message = wire_receive(messenger);
    if (message.type != 0) wire_expect(messenger, "-");
    cr_assert_str_eq(wire_query(wire, "select 1"), "1");
    wire_close(&messenger);
    wire_close(&wire);
    proxy_finish(&proxy);
}

/* ---- the race ---- */

enum { RACERS = 4, BYSTANDERS = 3, RACE_MS = 6000, RACE_CANCELS = 100000, ENOUGH = 501, HANDLES = 16 };

struct racer {
    int port;
    unsigned seed;
    bool is_cancelling;
    int queries, cancels, hits;
    char why[1200]; /* what went wrong; "": nothing */
};

static atomic_bool is_race_over;
static atomic_int race_cancels;

static void send_cancel(struct racer *racer, const struct wire *wire, struct wire **handle)
{
    /* Not waited for: the request may be on its way when the next query starts. It is closed a few cancels later. */
    wire_close(handle);
    *handle = wire_try_connect(racer->port);
    if (*handle == NULL) return;
    frontend_write_cancel_request(&(*handle)->out, wire->pid, wire->key, wire->key_size);
    wire_flush(*handle);
    racer->cancels++;
    race_cancels++;
}

/* One query with a value of its own; false: the answer was not that, nor a cancellation it may have asked for. */
static bool race_once(struct racer *racer, struct wire *wire, struct wire **handle)
{
    char text[120], expected[40];
    int number = racer->queries++;
    snprintf(expected, sizeof expected, "%u.%d", wire->pid, number);
    snprintf(text, sizeof text, number % 4 == 0 ? "select '%s' from pg_sleep(0.0003)" : "select '%s'", expected);
    wire_send_query(wire, text);
    if (racer->is_cancelling) {
        int64_t until_us = now_us() + rand_r(&racer->seed) % 400;
        while (now_us() < until_us) {
        }
        send_cancel(racer, wire, handle);
    }
    struct wire_message message;
    bool has_value = false, is_cancelled = false;
    for (;;) {
        if (!wire_try_receive(wire, LONG_MS, &message) || message.type == 0) {
            snprintf(racer->why, sizeof racer->why, "no answer to query %d", number);
            return false;
        }
        if (message.type == BACKEND_READY_FOR_QUERY) break;
        if (message.type == BACKEND_DATA_ROW) {
            size_t size = strlen(expected);
            has_value = message.size == 6 + size && memcmp(message.body + 6, expected, size) == 0;
            if (!has_value) snprintf(racer->why, sizeof racer->why, "a foreign answer to query %d", number);
        }
        if (message.type == BACKEND_ERROR) {
            struct backend_error error = {0};
            if (backend_parse_error(message.body, message.size, &error) != CODEC_OK) error.sqlstate = "";
            is_cancelled = strcmp(error.sqlstate, "57014") == 0;
            if (!is_cancelled || !racer->is_cancelling)
                snprintf(racer->why, sizeof racer->why, "query %d: %s %s", number, error.sqlstate, error.message);
        }
    }
    if (!has_value && !is_cancelled && racer->why[0] == '\0')
        snprintf(racer->why, sizeof racer->why, "query %d: ReadyForQuery without an answer", number);
    racer->hits += is_cancelled;
    return racer->why[0] == '\0';
}

static void *race(void *argument)
{
    struct racer *racer = argument;
    struct wire *handles[HANDLES] = {0};
    struct wire *wire = wire_try_connect(racer->port);
    if (wire == NULL || !wire_try_login(wire, "app", "app")) snprintf(racer->why, sizeof racer->why, "no login");
    for (int i = 0; racer->why[0] == '\0' && !is_race_over; i++) race_once(racer, wire, &handles[i % HANDLES]);
    for (int i = 0; i < HANDLES; i++) wire_close(&handles[i]);
    wire_close(&wire);
    return NULL;
}

Test(cancel, races_with_the_end_of_queries, .timeout = 600)
{
    struct proxy *proxy = proxy_start("budget = 3\n");
    struct racer racers[RACERS + BYSTANDERS] = {0};
    pthread_t threads[RACERS + BYSTANDERS];
    bool is_soak = getenv("PGTURNSTILE_SOAK") != NULL;
    int64_t begun_ms = now_ms();
    for (int i = 0; i < RACERS + BYSTANDERS; i++) {
        racers[i] = (struct racer){.port = proxy->port, .seed = (unsigned)begun_ms + (unsigned)i, .is_cancelling = i < RACERS};
        cr_assert_eq(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    bool is_failed = false;
    while (!is_failed && race_cancels < RACE_CANCELS && (is_soak || race_cancels < ENOUGH || now_ms() - begun_ms < RACE_MS)) {
        nap();
        for (int i = 0; i < RACERS + BYSTANDERS; i++) is_failed |= racers[i].why[0] != '\0';
    }
    is_race_over = true;
    int queries = 0, hits = 0;
    for (int i = 0; i < RACERS + BYSTANDERS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < RACERS + BYSTANDERS; i++) {
        cr_assert_str_empty(racers[i].why, "%s %d: %s", racers[i].is_cancelling ? "racer" : "bystander", i, racers[i].why);
        queries += racers[i].queries;
        hits += racers[i].hits;
    }
    cr_log_info("%d cancels against %d queries, %d hit", (int)race_cancels, queries, hits);
    cr_assert_geq(race_cancels, ENOUGH);
    cr_assert_gt(hits, 0, "no cancel ever hit");
    WAIT_FOR(backends_busy() == 0, LONG_MS);
    proxy_finish(&proxy);
}
