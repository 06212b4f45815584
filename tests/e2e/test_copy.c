/*
 * COPY in and out, in the simple and the extended protocol, and every way in which it fails: ended by the client, refused, broken off
 * while data keeps arriving.
 */
#include "tests/e2e/support/proxy.h"
#include "tests/e2e/support/session.h"
#include "tests/e2e/support/sql.h"
#include "tests/e2e/support/wait.h"
#include "tests/e2e/support/wire.h"

#include <criterion/criterion.h>
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

TestSuite(copy, .init = start, .fini = finish, .timeout = 300);

static void stage_query(const char *text)
{
    session_stage_extended(wire, "", text, NULL);
}

static void stage_data(const char *text)
{
    frontend_write_copy_data(&wire->out, text, strlen(text));
}

Test(copy, in_simple)
{
    frontend_write_query(&wire->out, "copy target from stdin");
    wire_flush(wire);
    wire_expect(wire, "G");
    stage_data("1\tone\n2\tt");
    stage_data("wo\n");
    stage_data("");
    frontend_write_copy_done(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "C:COPY_2 Z:I");
    /* All of it in one write, and a query behind. */
    frontend_write_query(&wire->out, "copy target from stdin; select 'between'");
    stage_data("3\tthree\n");
    frontend_write_copy_done(&wire->out);
    frontend_write_query(&wire->out, "select count(*) from target");
    wire_flush(wire);
    wire_expect(wire, "G C:COPY_1 T D:between C:SELECT_1 Z:I T D:3 C:SELECT_1 Z:I");
    /* A byte at a time. */
    frontend_write_query(&wire->out, "copy target from stdin");
    stage_data("4\tfour\n");
    frontend_write_copy_done(&wire->out);
    wire_flush_slowly(wire);
    wire_expect(wire, "G C:COPY_1 Z:I");
}

Test(copy, in_that_the_client_ends)
{
    frontend_write_query(&wire->out, "copy target from stdin");
    stage_data("1\tone\n");
    frontend_write_copy_fail(&wire->out, "changed my mind");
    frontend_write_query(&wire->out, "select count(*) from target");
    wire_flush(wire);
    wire_expect(wire, "G E:57014 Z:I T D:0 C:SELECT_1 Z:I");
}

/* PostgreSQL gives up a connection that says something else than COPY data; the client hears its words. */
Test(copy, in_with_a_message_out_of_place)
{
    struct wire *other = wire_session(proxy->port);
    frontend_write_query(&other->out, "copy target from stdin");
    frontend_write_copy_data(&other->out, "1\tone\n", 6);
    frontend_write_query(&other->out, "select 'out of place'");
    wire_flush(other);
    wire_expect(other, "G E:08P01 E* -");
    wire_close(&other);
}

Test(copy, in_that_fails_while_data_keeps_arriving)
{
    static const char filler[] = "filler that the server has to throw away\n";
    frontend_write_query(&wire->out, "copy target from stdin");
    stage_data("1\tone\nnot a number\tx\n");
    wire_flush(wire);
    for (int i = 0; i < 5000; i++) stage_data(filler);
    frontend_write_copy_done(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "G E:22P02 Z:I");
    wire_send_query(wire, "select count(*) from target");
    wire_expect(wire, "T D:0 C:SELECT_1 Z:I");
    /* The same when the COPY never began, and when a CopyFail ends it. */
    frontend_write_query(&wire->out, "copy nosuch from stdin");
    for (int i = 0; i < 5000; i++) stage_data(filler);
    frontend_write_copy_fail(&wire->out, "enough");
    frontend_write_query(&wire->out, "select 'after'");
    wire_flush(wire);
    wire_expect(wire, "E:42P01 Z:I T D:after C:SELECT_1 Z:I");
}

/* The client hears of the error, rests, and only then sends the remainder: it must not reach another transaction. */
Test(copy, data_long_after_the_error)
{
    struct wire *other = wire_session(proxy->port);
    frontend_write_query(&wire->out, "copy target from stdin");
    stage_data("not a number\tx\n");
    stage_data("2\ttwo\n");
    wire_flush(wire);
    wire_expect(wire, "G E:22P02 Z:I");
    wire_send_query(other, "copy target from stdin");
    wire_expect(other, "G");
    stage_data("3\tthree\n");
    frontend_write_copy_done(&wire->out);
    wire_flush(wire);
    wire_settle(proxy->port);
    frontend_write_copy_data(&other->out, "4\tfour\n", 7);
    frontend_write_copy_done(&other->out);
    wire_flush(other);
    wire_expect(other, "C:COPY_1 Z:I");
    cr_assert_str_eq(wire_query(other, "select string_agg(n::text, ',') from target"), "4");
    wire_close(&other);
}

/* libpq sends the Sync of the extended protocol only after CopyDone, others send it at once. */
Test(copy, in_extended)
{
    stage_query("copy target from stdin");
    frontend_write_sync(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "1 2 G");
    stage_data("1\tone\n");
    frontend_write_copy_done(&wire->out);
    frontend_write_sync(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "C:COPY_1 Z:I");
    /* Everything in one write. */
    stage_query("copy target from stdin");
    frontend_write_sync(&wire->out);
    stage_data("2\ttwo\n");
    frontend_write_flush(&wire->out);
    stage_data("3\tthree\n");
    frontend_write_copy_done(&wire->out);
    frontend_write_sync(&wire->out);
    stage_query("select 'behind'");
    frontend_write_sync(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "1 2 G C:COPY_2 Z:I 1 2 D:behind C:SELECT_1 Z:I");
    /* Without a Sync in front. */
    stage_query("copy target from stdin");
    frontend_write_flush(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "1 2 G");
    stage_data("4\tfour\n");
    frontend_write_copy_done(&wire->out);
    frontend_write_flush(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "C:COPY_1");
    frontend_write_sync(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "Z:I");
}

Test(copy, in_extended_that_fails)
{
    stage_query("copy target from stdin");
    frontend_write_sync(&wire->out);
    stage_data("not a number\tx\n");
    for (int i = 0; i < 3000; i++) stage_data("filler\n");
    frontend_write_copy_done(&wire->out);
    frontend_write_sync(&wire->out);
    stage_query("select 'behind'");
    frontend_write_sync(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "1 2 G E:22P02 Z:I 1 2 D:behind C:SELECT_1 Z:I");
    stage_query("copy target from stdin");
    frontend_write_sync(&wire->out);
    stage_data("1\tone\n");
    frontend_write_copy_fail(&wire->out, "no");
    frontend_write_sync(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "1 2 G E:57014 Z:I");
    /* The statement itself is refused: the first Sync counts, the data is dropped, the second Sync counts too. */
    stage_query("copy nosuch from stdin");
    frontend_write_sync(&wire->out);
    stage_data("1\tone\n");
    frontend_write_copy_done(&wire->out);
    frontend_write_sync(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "1 2 E:42P01 Z:I Z:I");
}

Test(copy, out)
{
    wire_send_query(wire, "copy (select generate_series(1, 3)) to stdout");
    wire_expect(wire, "H d:1 d:2 d:3 c C:COPY_3 Z:I");
    wire_send_query(wire, "copy (select 1 / (3 - i) from generate_series(1, 5) i) to stdout");
    wire_expect(wire, "H d* E:22012 Z:I");
    stage_query("copy (select 'x' where $1 = 'x') to stdout");
    frontend_write_sync(&wire->out);
    stage_query("copy (select generate_series(1, 2000)) to stdout");
    frontend_write_sync(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "1 2* E Z:I 1 2 H d* c C:COPY_2000 Z:I");
}
