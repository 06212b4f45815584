/*
 * Clients that disappear: at each message boundary, in the middle of a message, in a transaction, in COPY, while queued, while their
 * query runs. What they leave behind is cancelled and rolled back, their server is kept, and whoever comes next reads
 * nothing but the own answers.
 */
#include "tests/e2e/support/proxy.h"
#include "tests/e2e/support/sql.h"
#include "tests/e2e/support/wait.h"
#include "tests/e2e/support/wire.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

const struct postgres_options e2e_postgres_options = {0};

static struct proxy *proxy;
static char *pids; /* of the one server that all of it goes through */

/* A budget of one: whoever comes next gets the server that the one before has left. */
static void start(void)
{
    proxy = proxy_start("budget = 1\nabandon_timeout = 20\n");
    struct wire *wire = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(wire, "drop table if exists target; create table target (n int)"), "");
    wire_close(&wire);
    pids = strdup(backends_pids());
}

static void finish(void)
{
    free(pids);
    proxy_finish(&proxy);
}

TestSuite(vanish, .init = start, .fini = finish, .timeout = 300);

/* The ways to leave: close, and close with RST, which also throws away what was not read yet. */
enum { LEAVING_COUNT = 2 };

static void leave(struct wire **wire, size_t way)
{
    if (way % LEAVING_COUNT == 0)
        wire_close(wire);
    else
        wire_abort(wire);
}

/* The next client is served by the same server, in step and outside a transaction, and nothing of the one before took effect. */
static void expect_clean(const char *what)
{
    struct wire *wire = wire_session(proxy->port);
    char why[1024];
    wire_send_query(wire, "select 'clean', count(*), now() = statement_timestamp() from target");
    cr_assert(wire_match(wire, "T D:clean|0|t C:SELECT_1 Z:I", why, sizeof why), "%s: %s", what, why);
    wire_close(&wire);
    cr_assert_str_eq(backends_pids(), pids, "%s: the server was %s and is %s", what, pids, backends_pids());
    cr_assert_eq(backends_busy(), 0, "%s: busy", what);
}

Test(vanish, outside_a_transaction)
{
    for (size_t how = 0; how < LEAVING_COUNT; how++) {
        struct wire *wire = wire_session(proxy->port);
        leave(&wire, how);
        expect_clean("after login");
        wire = wire_session(proxy->port);
        cr_assert_str_eq(wire_query(wire, "select 1"), "1");
        leave(&wire, how);
        expect_clean("after a query");
    }
}

Test(vanish, in_a_transaction)
{
    static const char *const samples[] = {
        "begin",
        "begin; insert into target values (1)",
        "begin; insert into target values (1); savepoint s",
        "begin; select 1/0",
        "begin; declare c cursor for select generate_series(1, 1000); fetch 5 from c",
        "begin; lock table target",
        "begin; set local TimeZone = 'Asia/Tokyo'",
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        for (size_t how = 0; how < LEAVING_COUNT; how++) {
            struct wire *wire = wire_session(proxy->port);
            wire_query(wire, samples[i]);
            leave(&wire, how);
            expect_clean(samples[i]);
        }
        struct wire *wire = wire_session(proxy->port);
        wire_query(wire, samples[i]);
        frontend_write_terminate(&wire->out);
        wire_flush(wire);
        wire_close(&wire);
        expect_clean(samples[i]);
    }
}

Test(vanish, while_a_query_runs)
{
    static const char *const samples[] = {
        "select pg_sleep(60), 'running'",
        "begin; insert into target values (1); select pg_sleep(60), 'running'",
        "do $$ begin insert into target values (1); perform pg_sleep(60); /* running */ end $$",
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        for (size_t how = 0; how < LEAVING_COUNT; how++) {
            struct wire *wire = wire_session(proxy->port);
            wire_send_query(wire, samples[i]);
            WAIT_FOR(backends_find("running") != 0, LONG_MS);
            leave(&wire, how);
            expect_clean(samples[i]);
        }
    }
}

/* The cancel may come before, during or after the query. */
Test(vanish, at_random_moments_of_short_queries)
{
    enum { COUNT = 300 };
    unsigned seed = 7;
    for (int i = 0; i < COUNT; i++) {
        struct wire *wire = wire_session(proxy->port);
        wire_send_query(wire, i % 2 == 0 ? "select pg_sleep(0.0005)" : "begin; insert into target values (1); select pg_sleep(0.0002)");
        int64_t until_us = now_us() + rand_r(&seed) % 1500;
        while (now_us() < until_us) {
        }
        leave(&wire, (size_t)i);
    }
    expect_clean("short queries");
}

Test(vanish, answers_unread)
{
    static const char *const samples[] = {
        "select generate_series(1, 300000)",
        "select repeat('x', 20000000)",
        "copy (select generate_series(1, 300000)) to stdout",
        "begin; insert into target values (1); select generate_series(1, 300000)",
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        for (size_t how = 0; how < LEAVING_COUNT; how++) {
            struct wire *wire = wire_session(proxy->port);
            wire_send_query(wire, samples[i]);
            cr_assert_neq(wire_receive(wire).type, 0);
            leave(&wire, how);
            expect_clean(samples[i]);
        }
    }
}

/* The next client waits already when the one before leaves in the middle of a row. */
Test(vanish, in_the_middle_of_a_row)
{
    static uint8_t part[100000];
    for (size_t how = 0; how < LEAVING_COUNT; how++) {
        struct wire *wire = wire_session(proxy->port), *next = wire_session(proxy->port);
        wire_send_query(wire, "select repeat('x', 20000000)");
        wire_expect(wire, "T");
        for (size_t got = 0; got < sizeof part;) {
            size_t more = wire_receive_raw(wire, part, sizeof part - got);
            cr_assert_gt(more, 0);
            got += more;
        }
        wire_send_query(next, "select 'next'");
        wire_settle(proxy->port);
        leave(&wire, how);
        wire_expect(next, "T D:next C:SELECT_1 Z:I");
        wire_close(&next);
        expect_clean("a row");
    }
}

/* ---- at each message boundary, and in the middle of a message ---- */

/* A run of messages with an effect that shows (a row in target) unless it is undone. */
static void stage_run(struct wire *wire, size_t *boundaries, size_t *count_out)
{
    size_t count = 0;
    frontend_write_query(&wire->out, "begin");
    boundaries[count++] = wire->out.size;
    frontend_write_parse(&wire->out, "", "insert into target values ($1::int)", NULL, 0);
    boundaries[count++] = wire->out.size;
    frontend_write_bind(&wire->out, "", "", (const char *const[]){"1"}, 1);
    boundaries[count++] = wire->out.size;
    frontend_write_describe(&wire->out, 'P', "");
    boundaries[count++] = wire->out.size;
    frontend_write_execute(&wire->out, "", 0);
    boundaries[count++] = wire->out.size;
    frontend_write_flush(&wire->out);
    boundaries[count++] = wire->out.size;
    frontend_write_close(&wire->out, 'S', "");
    boundaries[count++] = wire->out.size;
    frontend_write_sync(&wire->out);
    boundaries[count++] = wire->out.size;
    frontend_write_query(&wire->out, "copy target from stdin");
    boundaries[count++] = wire->out.size;
    frontend_write_copy_data(&wire->out, "2\n3", 3);
    boundaries[count++] = wire->out.size;
    frontend_write_copy_data(&wire->out, "3\n", 2);
    boundaries[count++] = wire->out.size;
    frontend_write_copy_done(&wire->out);
    boundaries[count++] = wire->out.size;
    *count_out = count;
}

Test(vanish, at_each_message_boundary)
{
    size_t boundaries[20], count = 1;
    for (size_t how = 0; how < LEAVING_COUNT; how++) {
        for (size_t i = 0; i < count; i++) {
            char what[40];
            struct wire *wire = wire_session(proxy->port);
            stage_run(wire, boundaries, &count);
            wire_flush_part(wire, boundaries[i]);
            /* Seen by the proxy before the connection ends: an RST throws away what was not read. */
            wire_settle(proxy->port);
            leave(&wire, how);
            snprintf(what, sizeof what, "boundary %zu", i);
            expect_clean(what);
        }
    }
}

Test(vanish, at_each_byte)
{
    size_t boundaries[20], count, size = 2;
    for (size_t i = 1; i < size; i++) {
        struct wire *wire = wire_session(proxy->port);
        stage_run(wire, boundaries, &count);
        size = wire->out.size;
        wire_flush_part(wire, i);
        if (i % 3 != 0) wire_settle(proxy->port);
        leave(&wire, (size_t)i);
        if (i % 8 != 0 && i + 1 < size) continue;
        char what[40];
        snprintf(what, sizeof what, "byte %zu", i);
        expect_clean(what);
    }
}

/* Without "begin": what was sent whole may count, and nothing that was sent in part may. */
Test(vanish, half_a_message_is_not_executed)
{
    for (size_t cut = 1; cut < 30; cut += 4) {
        struct wire *wire = wire_session(proxy->port);
        frontend_write_query(&wire->out, "insert into target values (99999999)");
        wire_flush_part(wire, wire->out.size - cut);
        wire_settle(proxy->port);
        leave(&wire, cut / 4);
        expect_clean("half a query");
    }
}

/* A message larger than any buffer has begun to stream to PostgreSQL: there is no way back but the end of that server's connection. */
Test(vanish, in_the_middle_of_a_large_message)
{
    static char filler[1 << 20];
    memset(filler, 'x', sizeof filler);
    for (size_t how = 0; how < LEAVING_COUNT; how++) {
        struct wire *wire = wire_session(proxy->port);
        static const uint8_t header[] = {'Q', 0x04, 0, 0, 0};
        wire_send(wire, header, sizeof header);
        wire_send(wire, "insert into target select 1 /*", 30);
        for (int i = 0; i < 8; i++) wire_send(wire, filler, sizeof filler);
        leave(&wire, how);
        wire = wire_session(proxy->port);
        cr_assert_str_eq(wire_query(wire, "select count(*) from target"), "0");
        wire_close(&wire);
        cr_assert_leq(backends_count(), 1);
    }
}

Test(vanish, in_copy_in)
{
    for (int part = 0; part < 4; part++) {
        for (size_t how = 0; how < LEAVING_COUNT; how++) {
            struct wire *wire = wire_session(proxy->port);
            wire_send_query(wire, "copy target from stdin");
            wire_expect(wire, "G");
            for (int i = 0; i < part * 500; i++) frontend_write_copy_data(&wire->out, "1\n", 2);
            wire_flush(wire);
            if (part == 3)
                wire_send(wire,
                          "d\0\0\0\10"
                          "1\n",
                          7);
            wire_settle(proxy->port);
            leave(&wire, how);
            expect_clean("COPY in");
        }
    }
}

Test(vanish, in_a_long_pipeline)
{
    for (size_t how = 0; how < LEAVING_COUNT; how++) {
        struct wire *wire = wire_session(proxy->port);
        frontend_write_query(&wire->out, "begin");
        for (int i = 0; i < 2000; i++) {
            frontend_write_parse(&wire->out, "", "insert into target values ($1::int)", NULL, 0);
            frontend_write_bind(&wire->out, "", "", (const char *const[]){"1"}, 1);
            frontend_write_execute(&wire->out, "", 0);
            if (i % 50 == 49) frontend_write_sync(&wire->out);
        }
        wire_flush(wire);
        leave(&wire, how);
        expect_clean("pipeline");
    }
}

/* ---- while queued ---- */

Test(vanish, while_queued)
{
    enum { WAITERS = 20 };
    struct wire *holder = wire_session(proxy->port), *waiters[WAITERS];
    cr_assert_str_eq(wire_query(holder, "begin"), "");
    cr_assert_str_eq(wire_query(holder, "select 1"), "1");
    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = wire_session(proxy->port);
        wire_send_query(waiters[i], "insert into target values (424242)");
    }
    wire_settle(proxy->port);
    for (int i = 0; i < WAITERS; i++) leave(&waiters[i], (size_t)i);
    wire_settle(proxy->port);
    cr_assert_str_eq(wire_query(holder, "commit"), "");
    expect_clean("queued");
    wire_close(&holder);
    cr_assert_eq(postgres_log_count(postgres_shared(), "424242"), 0, "a query of a client that had gone was run");
}

Test(vanish, behind_others_in_the_queue)
{
    struct wire *holder = wire_session(proxy->port), *gone = wire_session(proxy->port), *patient = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(holder, "begin"), "");
    cr_assert_str_eq(wire_query(holder, "select 1"), "1");
    wire_send_query(gone, "select 'gone'");
    wire_settle(proxy->port);
    wire_send_query(patient, "select 'patient'");
    wire_settle(proxy->port);
    wire_abort(&gone);
    wire_abort(&holder);
    wire_expect(patient, "T D:patient C:SELECT_1 Z:I");
    wire_close(&patient);
    expect_clean("queue");
}

/* ---- many ---- */

Test(vanish, many_in_the_middle_of_a_query_cost_no_login)
{
    enum { COUNT = 200 };
    int logins = postgres_log_count(postgres_shared(), "connection authorized: user=app");
    for (int i = 0; i < COUNT; i++) {
        struct wire *wire = wire_session(proxy->port);
        wire_send_query(wire, "begin; select pg_sleep(60)");
        wire_settle(proxy->port);
        leave(&wire, (size_t)i);
    }
    expect_clean("many");
    cr_assert_eq(postgres_log_count(postgres_shared(), "connection authorized: user=app"), logins);
}

/* ---- what cannot be cancelled ---- */

Test(vanish, abandon_timeout_ends_what_resists)
{
    struct proxy *strict = proxy_start_with(&(struct proxy_options){
        .postgres = postgres_shared(), .settings = "budget = 1\nabandon_timeout = 0.3\nserver_close_timeout = 0.5\n"});
    struct wire *wire = wire_session(strict->port);
    wire_send_query(
        wire, "do $$ begin loop begin perform pg_sleep(60) /* resists */; exception when query_canceled then null; end; end loop; end $$");
    WAIT_FOR(backends_find("resists") != 0, LONG_MS);
    wire_abort(&wire);
    wire = wire_session(strict->port);
    cr_assert_str_eq(wire_query(wire, "select 'served'"), "served");
    wire_close(&wire);
    sql_run(sql_direct(),
            "select pg_terminate_backend(pid) from pg_stat_activity where query like '%%resists%%' and pid <> pg_backend_pid()");
    proxy_finish(&strict);
}
