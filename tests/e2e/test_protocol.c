/*
 * Queries as no driver would send them: pipelines, errors in the middle, several Syncs in flight, portals, function calls, large
 * objects, and what a server says unasked. Each test ends with a query, so that an answer too many or too few shows.
 * Not for COPY (test_copy.c), nor for large messages and full sockets (test_sizes.c), nor for clients that leave in the middle
 * (test_vanish.c).
 */
#include "tests/e2e/support/proxy.h"
#include "tests/e2e/support/session.h"
#include "tests/e2e/support/sql.h"
#include "tests/e2e/support/wait.h"
#include "tests/e2e/support/wire.h"

#include <criterion/criterion.h>
#include <libpq/libpq-fs.h>
#include <stdlib.h>
#include <string.h>

const struct postgres_options e2e_postgres_options = {0};

static struct proxy *proxy;
static struct wire *wire;

static void start(void)
{
    session_start(&proxy, &wire);
}

static void finish(void)
{
    session_finish(&proxy, &wire);
}

TestSuite(protocol, .init = start, .fini = finish, .timeout = 300);

static void stage_query(const char *statement, const char *text, const char *value)
{
    session_stage_extended(wire, statement, text, value);
}

/* ---- simple queries ---- */

Test(protocol, simple_queries)
{
    static const struct {
        const char *text, *answer;
    } samples[] = {
        {"select 1", "T D:1 C:SELECT_1 Z:I"},
        {"", "I Z:I"},
        {" ; ", "I Z:I"},
        {"select 1; select 2, 3", "T D:1 C:SELECT_1 T D:2|3 C:SELECT_1 Z:I"},
        {"select 1; select 1/0; select 3", "T D:1 C:SELECT_1 E:22012 Z:I"},
        {"select 1 / (2 - i) from generate_series(1, 3) i", "T D:1 E:22012 Z:I"},
        {"selekt", "E:42601 Z:I"},
        {"begin", "C:BEGIN Z:T"},
        {"select 1/0", "E:22012 Z:E"},
        {"select 1", "E:25P02 Z:E"},
        {"commit", "C:ROLLBACK Z:I"},
        {"begin; insert into target values (1, 'a'); commit", "C:BEGIN C:INSERT_0_1 C:COMMIT Z:I"},
        {"select n, t from target where n > 5", "T C:SELECT_0 Z:I"},
        {"begin; select 1; commit; begin", "C:BEGIN T D:1 C:SELECT_1 C:COMMIT C:BEGIN Z:T"},
        {"rollback; select 'x'", "C:ROLLBACK T D:x C:SELECT_1 Z:I"},
        {"select null, ''", "T D:null| C:SELECT_1 Z:I"},
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        wire_send_query(wire, samples[i].text);
        wire_expect(wire, samples[i].answer);
    }
}

Test(protocol, simple_queries_in_one_write)
{
    enum { COUNT = 500 };
    char pattern[60], text[60];
    for (int i = 0; i < COUNT; i++) {
        snprintf(text, sizeof text, i % 10 == 7 ? "select 1/0, %d" : "select %d", i);
        frontend_write_query(&wire->out, text);
    }
    wire_flush(wire);
    for (int i = 0; i < COUNT; i++) {
        snprintf(pattern, sizeof pattern, i % 10 == 7 ? "E:22012 Z:I" : "T D:%d C:SELECT_1 Z:I", i);
        wire_expect(wire, pattern);
    }
}

/* ---- extended queries ---- */

Test(protocol, extended_query)
{
    frontend_write_parse(&wire->out, "", "select $1::int + 1, $2", (const uint32_t[]){23, 25}, 2);
    frontend_write_describe(&wire->out, 'S', "");
    frontend_write_bind(&wire->out, "", "", (const char *const[]){"41", NULL}, 2);
    frontend_write_describe(&wire->out, 'P', "");
    frontend_write_execute(&wire->out, "", 0);
    frontend_write_sync(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "1 t T 2 T D:42|null C:SELECT_1 Z:I");
    frontend_write_parse(&wire->out, "", "insert into target values ($1, $2)", NULL, 0);
    frontend_write_describe(&wire->out, 'S', "");
    frontend_write_bind(&wire->out, "", "", (const char *const[]){"7", "seven"}, 2);
    frontend_write_describe(&wire->out, 'P', "");
    frontend_write_execute(&wire->out, "", 0);
    frontend_write_sync(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "1 t n 2 n C:INSERT_0_1 Z:I");
    stage_query("", "", NULL);
    frontend_write_sync(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "1 2 I Z:I");
}

Test(protocol, extended_query_a_byte_at_a_time)
{
    stage_query("", "select 'slow ' || $1", "bytes");
    frontend_write_sync(&wire->out);
    wire_flush_slowly(wire);
    wire_expect(wire, "1 2 D:slow_bytes C:SELECT_1 Z:I");
}

Test(protocol, each_message_answered_after_flush)
{
    frontend_write_parse(&wire->out, "", "select generate_series(1, 5)", NULL, 0);
    frontend_write_flush(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "1");
    frontend_write_bind(&wire->out, "", "", NULL, 0);
    frontend_write_flush(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "2");
    frontend_write_describe(&wire->out, 'P', "");
    frontend_write_flush(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "T");
    frontend_write_execute(&wire->out, "", 2);
    frontend_write_flush(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "D:1 D:2 s");
    frontend_write_execute(&wire->out, "", 2);
    frontend_write_flush(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "D:3 D:4 s");
    frontend_write_execute(&wire->out, "", 2);
    frontend_write_sync(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "D:5 C:SELECT_1 Z:I");
    frontend_write_flush(&wire->out);
    frontend_write_sync(&wire->out);
    frontend_write_sync(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "Z:I Z:I");
}

Test(protocol, portals_in_a_transaction)
{
    wire_send_query(wire, "begin");
    wire_expect(wire, "C:BEGIN Z:T");
    frontend_write_parse(&wire->out, "numbers", "select generate_series(1, $1::int)", NULL, 0);
    frontend_write_bind(&wire->out, "one", "numbers", (const char *const[]){"3"}, 1);
    frontend_write_bind(&wire->out, "two", "numbers", (const char *const[]){"2"}, 1);
    frontend_write_execute(&wire->out, "one", 1);
    frontend_write_execute(&wire->out, "two", 1);
    frontend_write_sync(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "1 2 2 D:1 s D:1 s Z:T");
    frontend_write_execute(&wire->out, "one", 1);
    frontend_write_execute(&wire->out, "two", 2);
    frontend_write_close(&wire->out, 'P', "one");
    frontend_write_sync(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "D:2 s D:2 C:SELECT_1 3 Z:T");
    frontend_write_execute(&wire->out, "one", 1);
    frontend_write_sync(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "E:34000 Z:E");
    wire_send_query(wire, "rollback");
    wire_expect(wire, "C:ROLLBACK Z:I");
    frontend_write_close(&wire->out, 'S', "numbers");
    frontend_write_sync(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "3 Z:I");
}

Test(protocol, statements_by_name)
{
    frontend_write_parse(&wire->out, "a", "select 'a'", NULL, 0);
    frontend_write_parse(&wire->out, "b", "select 'b'", NULL, 0);
    frontend_write_sync(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "1 1 Z:I");
    for (int round = 0; round < 3; round++) {
        frontend_write_bind(&wire->out, "", "b", NULL, 0);
        frontend_write_execute(&wire->out, "", 0);
        frontend_write_bind(&wire->out, "", "a", NULL, 0);
        frontend_write_execute(&wire->out, "", 0);
        frontend_write_sync(&wire->out);
        wire_flush(wire);
        wire_expect(wire, "2 D:b C:SELECT_1 2 D:a C:SELECT_1 Z:I");
    }
    frontend_write_parse(&wire->out, "a", "select 'again'", NULL, 0);
    frontend_write_sync(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "E:42P05 Z:I");
    frontend_write_close(&wire->out, 'S', "a");
    frontend_write_parse(&wire->out, "a", "select 'new'", NULL, 0);
    frontend_write_bind(&wire->out, "", "a", NULL, 0);
    frontend_write_execute(&wire->out, "", 0);
    frontend_write_sync(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "3 1 2 D:new C:SELECT_1 Z:I");
    frontend_write_close(&wire->out, 'S', "a");
    frontend_write_close(&wire->out, 'S', "b");
    frontend_write_close(&wire->out, 'S', "never was");
    frontend_write_sync(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "3 3 3 Z:I");
    frontend_write_bind(&wire->out, "", "a", NULL, 0);
    frontend_write_sync(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "E:26000 Z:I");
}

Test(protocol, close_of_a_statement_that_did_not_parse)
{
    frontend_write_parse(&wire->out, "bad", "selekt", NULL, 0);
    frontend_write_close(&wire->out, 'S', "bad");
    frontend_write_sync(&wire->out);
    frontend_write_close(&wire->out, 'S', "bad");
    frontend_write_sync(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "E:42601 Z:I 3 Z:I");
    /* The name is free. */
    frontend_write_parse(&wire->out, "bad", "select 'good'", NULL, 0);
    frontend_write_bind(&wire->out, "", "bad", NULL, 0);
    frontend_write_execute(&wire->out, "", 0);
    frontend_write_close(&wire->out, 'S', "bad");
    frontend_write_sync(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "1 2 D:good C:SELECT_1 3 Z:I");
}

/* ---- pipelines ---- */

Test(protocol, thousands_of_messages_before_the_first_sync)
{
    enum { COUNT = 4000 };
    char value[20], pattern[40];
    for (int i = 0; i < COUNT; i++) {
        snprintf(value, sizeof value, "%d", i);
        stage_query("", "select $1", value);
    }
    frontend_write_sync(&wire->out);
    wire_flush(wire);
    for (int i = 0; i < COUNT; i++) {
        snprintf(pattern, sizeof pattern, "1 2 D:%d C:SELECT_1", i);
        wire_expect(wire, pattern);
    }
    wire_expect(wire, "Z:I");
}

Test(protocol, many_syncs_in_flight)
{
    enum { COUNT = 1500 };
    char value[20], pattern[40];
    for (int i = 0; i < COUNT; i++) {
        snprintf(value, sizeof value, "%d", i);
        stage_query("", "select $1", value);
        frontend_write_sync(&wire->out);
        if (i % 3 == 0) frontend_write_query(&wire->out, "select 'between'");
    }
    wire_flush(wire);
    for (int i = 0; i < COUNT; i++) {
        snprintf(pattern, sizeof pattern, "1 2 D:%d C:SELECT_1 Z:I", i);
        wire_expect(wire, pattern);
        if (i % 3 == 0) wire_expect(wire, "T D:between C:SELECT_1 Z:I");
    }
}

/* After an error everything up to the next Sync goes unanswered, and only that. */
Test(protocol, errors_in_the_middle_of_a_pipeline)
{
    for (int position = 0; position < 8; position++) {
        for (int i = 0; i < 8; i++) {
            if (i == position)
                stage_query("", "select 1/$1::int", "0");
            else
                stage_query("", "select $1", "fine");
        }
        frontend_write_describe(&wire->out, 'P', "");
        frontend_write_close(&wire->out, 'S', "nobody");
        frontend_write_flush(&wire->out);
        frontend_write_sync(&wire->out);
        stage_query("", "select $1", "next");
        frontend_write_sync(&wire->out);
        frontend_write_query(&wire->out, "select 'last'");
        wire_flush(wire);
        for (int i = 0; i < position; i++) wire_expect(wire, "1 2 D:fine C:SELECT_1");
        wire_expect(wire, "1 E:22012 Z:I 1 2 D:next C:SELECT_1 Z:I T D:last C:SELECT_1 Z:I");
    }
}

Test(protocol, errors_in_many_pipelined_syncs)
{
    enum { COUNT = 600 };
    for (int i = 0; i < COUNT; i++) {
        if (i % 3 == 0)
            stage_query("", "selekt", NULL);
        else if (i % 3 == 1)
            stage_query("", "select 1 / (i - 1) from generate_series(1, 1) i", NULL);
        stage_query("", "select $1", "fine");
        frontend_write_sync(&wire->out);
    }
    wire_flush(wire);
    for (int i = 0; i < COUNT; i++) {
        static const char *const answers[] = {"E:42601 Z:I", "1 2 E:22012 Z:I", "1 2 D:fine C:SELECT_1 Z:I"};
        wire_expect(wire, answers[i % 3]);
    }
}

Test(protocol, transaction_in_a_pipeline)
{
    stage_query("", "begin", NULL);
    stage_query("", "insert into target values ($1)", "1");
    frontend_write_sync(&wire->out);
    stage_query("", "insert into target values ($1)", "1");
    frontend_write_sync(&wire->out);
    stage_query("", "select $1", "ignored");
    frontend_write_sync(&wire->out);
    stage_query("", "rollback", NULL);
    frontend_write_sync(&wire->out);
    frontend_write_query(&wire->out, "select count(*) from target");
    wire_flush(wire);
    wire_expect(wire, "1 2 C:BEGIN 1 2 C:INSERT_0_1 Z:T 1 2 E:23505 Z:E E:25P02 Z:E 1 2 C:ROLLBACK Z:I T D:0 C:SELECT_1 Z:I");
}

/* ---- function calls, large objects ---- */

Test(protocol, function_call)
{
    static const uint8_t forty[] = {0, 0, 0, 40}, two[] = {0, 0, 0, 2};
    uint32_t oid = (uint32_t)sql_int(sql_direct(), "select 'int4pl'::regproc::oid");
    frontend_write_function_call(&wire->out, oid, (const uint8_t *const[]){forty, two}, (const uint32_t[]){4, 4}, 2);
    wire_flush(wire);
    struct wire_message message = wire_receive(wire);
    cr_assert_eq(message.type, BACKEND_FUNCTION_RESULT);
    cr_assert_eq(message.size, 8);
    cr_assert_eq(message.body[7], 42);
    wire_expect(wire, "Z:I");
    frontend_write_function_call(&wire->out, 1, (const uint8_t *const[]){forty}, (const uint32_t[]){4}, 1);
    frontend_write_query(&wire->out, "select 'next'");
    wire_flush(wire);
    wire_expect(wire, "E Z:I T D:next C:SELECT_1 Z:I");
}

Test(protocol, large_objects)
{
    enum { SIZE = 300000 };
    char *data = malloc(SIZE), *back = malloc(SIZE);
    for (int i = 0; i < SIZE; i++) data[i] = (char)(i * 7);
    PGconn *connection = sql_connect("%s", proxy_conninfo(proxy, ""));
    sql_run(connection, "begin");
    Oid oid = lo_create(connection, 0);
    cr_assert_neq(oid, 0);
    int fd = lo_open(connection, oid, INV_READ | INV_WRITE);
    cr_assert_geq(fd, 0);
    cr_assert_eq(lo_write(connection, fd, data, SIZE), SIZE);
    cr_assert_eq(lo_lseek(connection, fd, 0, 0), 0);
    cr_assert_eq(lo_read(connection, fd, back, SIZE), SIZE);
    cr_assert_eq(memcmp(data, back, SIZE), 0);
    cr_assert_eq(lo_close(connection, fd), 0);
    sql_run(connection, "commit");
    cr_assert_eq(lo_unlink(connection, oid), 1);
    PQfinish(connection);
    free(back);
    free(data);
}

/* ---- what a server says unasked ---- */

Test(protocol, notices)
{
    wire_send_query(wire, "do $$ begin for i in 1..3 loop raise notice 'number %', i; end loop; end $$");
    wire_expect(wire, "N:00000_number_1 N:00000_number_2 N:00000_number_3 C:DO Z:I");
    stage_query("", "do $$ begin raise warning 'careful'; end $$", NULL);
    frontend_write_sync(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "1 2 N:01000_careful C:DO Z:I");
}

Test(protocol, parameter_status_in_the_middle)
{
    wire_send_query(wire, "set application_name = 'one'; select 1; set application_name = 'two'");
    wire_expect(wire, "C:SET T D:1 C:SELECT_1 C:SET S:application_name Z:I");
    cr_assert_str_eq(wire_parameter(wire, "application_name"), "two");
    wire_send_query(wire, "reset application_name");
    wire_expect(wire, "C:RESET S:application_name Z:I");
}

/* A reload of postgresql.conf makes idle servers say so at once. */
Test(protocol, parameter_status_while_idle)
{
    struct wire *other = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(other, "select 1"), "1");
    sql_run(sql_direct(), "alter system set TimeZone = 'America/New_York'");
    sql_run(sql_direct(), "select pg_reload_conf()");
    WAIT_FOR(strcmp(sql_value(sql_direct(), "show TimeZone"), "America/New_York") == 0, LONG_MS);
    for (int i = 0; i < 20; i++) {
        cr_assert_str_eq(wire_query(other, "select 'still'"), "still");
        cr_assert_str_eq(wire_query(wire, "select 'here'"), "here");
    }
    sql_run(sql_direct(), "alter system reset TimeZone");
    sql_run(sql_direct(), "select pg_reload_conf()");
    WAIT_FOR(strcmp(sql_value(sql_direct(), "show TimeZone"), "UTC") == 0, LONG_MS);
    cr_assert_str_eq(wire_query(wire, "select 'again'"), "again");
    wire_close(&other);
}
