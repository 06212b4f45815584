/*
 * Several segments of the extended protocol, and query strings, in one write: what becomes of a name is known only when the answers come, and what follows must not
 * take it for granted. Not for pipelines whose segments do not meet in a name: test_prepared.c.
 */
#include "tests/e2e/support/stage.h"
#include "tests/e2e/support/turns.h"

#include <criterion/criterion.h>
#include <string.h>

const struct postgres_options e2e_postgres_options = {0};

static struct proxy *proxy;
static struct turns *turns;
static int port;

static void start(void)
{
    turns_open("", 2, &proxy, &port, &turns);
}

static void finish(void)
{
    turns_close(&turns, &proxy);
}

TestSuite(prepared_pipelines, .init = start, .fini = finish, .timeout = 300);

/* Statements s1 and s2 on server 0, s1 under another name for somebody else as well. */
static struct wire *session_with_two(void)
{
    struct wire *wire = wire_session(port);
    turns_give(turns, 0);
    stage_parse(wire, "s1", "select 'one'");
    stage_parse(wire, "s2", "select 'two'");
    stage_parse(wire, "also s1", "select 'one'");
    stage_sync(wire, "1 1 1 Z:I");
    return wire;
}

static void expect_both(struct wire *wire)
{
    stage_run(wire, "s1", NULL);
    stage_run(wire, "s2", NULL);
    stage_run(wire, "also s1", NULL);
    stage_sync(wire, "2 D:one C:SELECT_1 2 D:two C:SELECT_1 2 D:one C:SELECT_1 Z:I");
}

/* ---- what an error in an earlier segment takes along ---- */

Test(prepared_pipelines, a_name_whose_parse_was_skipped)
{
    for (int i = 0; i < 2; i++) {
        struct wire *wire = session_with_two();
        turns_give(turns, i);
        stage_parse(wire, "bad", "selekt");
        stage_parse(wire, "new", "select 'skipped'");
        frontend_write_sync(&wire->out);
        stage_parse(wire, "new", "select 'second'");
        frontend_write_sync(&wire->out);
        stage_run(wire, "new", NULL);
        frontend_write_sync(&wire->out);
        stage_run(wire, "bad", NULL);
        stage_sync(wire, "E:42601 Z:I 1 Z:I 2 D:second C:SELECT_1 Z:I E:26000_prepared_statement_\"bad\"_does_not_exist Z:I");
        stage_run(wire, "nosuch", NULL);
        stage_parse(wire, "newer", "select 'skipped'");
        stage_close(wire, "s1");
        frontend_write_sync(&wire->out);
        stage_run(wire, "newer", NULL);
        frontend_write_sync(&wire->out);
        frontend_write_describe(&wire->out, 'S', "newer");
        frontend_write_sync(&wire->out);
        stage_run(wire, "s1", NULL);
        stage_sync(wire, "E:26000 Z:I E:26000 Z:I E:26000 Z:I 2 D:one C:SELECT_1 Z:I");
        expect_both(wire);
        wire_close(&wire);
    }
}

Test(prepared_pipelines, an_unnamed_statement_whose_parse_failed)
{
    struct wire *wire = wire_session(port);
    turns_give(turns, 0);
    for (int i = 0; i < 2; i++) {
        stage_parse(wire, "", "select 'former'");
        stage_sync(wire, "1 Z:I");
        stage_parse(wire, "", "selekt");
        frontend_write_sync(&wire->out);
        stage_run(wire, "", NULL);
        frontend_write_sync(&wire->out);
        stage_parse(wire, "", "select 'next'");
        stage_run(wire, "", NULL);
        stage_sync(wire, "E:42601 Z:I E:26000 Z:I 1 2 D:next C:SELECT_1 Z:I");
        turns_give(turns, 1);
    }
    wire_close(&wire);
}

/* What the unnamed statement is behind errors in several segments. */
Test(prepared_pipelines, the_unnamed_statement_behind_errors)
{
    struct wire *wire = session_with_two();
    for (int i = 0; i < 4; i++) {
        turns_give(turns, i / 2);
        if (i % 2 == 1) stage_query(wire, "prepare pinned as select 1", "C:PREPARE Z:I");
        stage_query(wire, "begin", "C:BEGIN Z:T");
        stage_query(wire, "select 1/0", "E:22012 Z:E");
        stage_parse(wire, "", "select 'a'");
        stage_parse(wire, "", "select 'a'");
        frontend_write_sync(&wire->out);
        stage_parse(wire, "", "rollback");
        stage_run(wire, "", NULL);
        stage_close(wire, "");
        frontend_write_sync(&wire->out);
        stage_run(wire, "s1", NULL);
        stage_parse(wire, "", "selectt");
        stage_run(wire, "s1", NULL);
        frontend_write_sync(&wire->out);
        stage_parse(wire, "", "select 'kept'");
        stage_parse(wire, "s1", "select 'x'");
        stage_parse(wire, "", "select 'skipped'");
        frontend_write_sync(&wire->out);
        stage_run(wire, "s2", NULL);
        stage_run(wire, "", NULL);
        stage_sync(
            wire,
            "E:25P02 Z:E 1 2 C:ROLLBACK 3 Z:I 2 D:one C:SELECT_1 E:42601 Z:I 1 E:42P05 Z:I 2 D:two C:SELECT_1 2 D:kept C:SELECT_1 Z:I");
        if (i % 2 == 1) stage_query(wire, "deallocate pinned", "C:DEALLOCATE Z:I");
    }
    wire_close(&wire);
}

Test(prepared_pipelines, a_query_ends_the_unnamed_statement_whatever_was_before)
{
    struct wire *wire = session_with_two();
    stage_parse(wire, "", "select 'former'");
    stage_run(wire, "nosuch", NULL);
    stage_close(wire, "");
    frontend_write_sync(&wire->out);
    frontend_write_query(&wire->out, "select 'query'");
    wire_flush(wire);
    wire_expect(wire, "1 E:26000 Z:I T D:query C:SELECT_1 Z:I");
    stage_run(wire, "", NULL);
    stage_sync(wire, "E:26000 Z:I");
    wire_close(&wire);
}

/* Names that clash in each segment, in a pipeline longer than what is looked at, and with replies that fill the sockets. */
Test(prepared_pipelines, a_long_pipeline_of_one_name)
{
    enum { COUNT = 600 };
    struct wire *wire = wire_session(port);
    turns_give(turns, 0);
    for (int i = 0; i < COUNT; i++) {
        stage_parse(wire, "s", i % 3 == 0 ? "selekt" : "select repeat('x', 20000)");
        frontend_write_sync(&wire->out);
        stage_run(wire, "s", NULL);
        frontend_write_sync(&wire->out);
        stage_close(wire, "s");
        frontend_write_sync(&wire->out);
    }
    wire_flush(wire);
    for (int i = 0; i < COUNT; i++) wire_expect(wire, i % 3 == 0 ? "E:42601 Z:I E:26000 Z:I 3 Z:I" : "1 Z:I 2 D* C:SELECT_1 Z:I 3 Z:I");
    wire_close(&wire);
}

/* A client that is gone while some of what it sent was held back. */
Test(prepared_pipelines, a_client_that_leaves_meanwhile)
{
    for (int i = 0; i < 6; i++) {
        struct wire *wire = wire_session(port);
        turns_give(turns, i % 2);
        wire_send_query(wire, "begin; select pg_sleep(0.1)");
        stage_parse(wire, "s", "select 1");
        frontend_write_sync(&wire->out);
        stage_run(wire, "s", NULL);
        frontend_write_sync(&wire->out);
        if (i < 2) frontend_write_terminate(&wire->out);
        wire_flush(wire);
        if (i < 4)
            wire_close(&wire);
        else
            wire_abort(&wire);
    }
    struct wire *wire = session_with_two();
    expect_both(wire);
    wire_close(&wire);
}

/* ---- DEALLOCATE and DISCARD ALL ---- */

Test(prepared_pipelines, a_deallocation_that_does_not_take_place)
{
    static const char *const texts[] = {"deallocate s1", "deallocate all", "discard all", "select 1; deallocate s1; deallocate all"};
    for (size_t k = 0; k < 2 * sizeof texts / sizeof *texts; k++) {
        struct wire *wire = session_with_two();
        turns_give(turns, (int)(k % 2));
        /* The transaction has failed, which is known, */
        stage_query(wire, "begin", "C:BEGIN Z:T");
        stage_query(wire, "select 1/0", "E:22012 Z:E");
        stage_query(wire, texts[k / 2], "E:25P02 Z:E");
        stage_query(wire, "rollback", "C:ROLLBACK Z:I");
        expect_both(wire);
        /* or not yet, */
        frontend_write_query(&wire->out, "begin");
        frontend_write_query(&wire->out, "set missing = 1");
        frontend_write_query(&wire->out, texts[k / 2]);
        frontend_write_query(&wire->out, "rollback");
        stage_run(wire, "s1", NULL);
        stage_sync(wire, "C:BEGIN Z:T E:42704 Z:E E:25P02 Z:E C:ROLLBACK Z:I 2 D:one C:SELECT_1 Z:I");
        expect_both(wire);
        /* it is prepared only, */
        if (k / 2 < 3) {
            stage_parse(wire, "d", texts[k / 2]);
            frontend_write_describe(&wire->out, 'S', "d");
            stage_sync(wire, "1 t n Z:I");
            expect_both(wire);
            frontend_write_bind(&wire->out, "", "d", NULL, 0);
            stage_sync(wire, "2 Z:I");
            expect_both(wire);
            stage_close(wire, "d");
            /* skipped, */
            stage_parse(wire, "", texts[k / 2]);
            stage_run(wire, "nosuch", NULL);
            stage_run(wire, "", NULL);
            frontend_write_sync(&wire->out);
            stage_run(wire, "s1", NULL);
            stage_sync(wire, "3 1 E:26000 Z:I 2 D:one C:SELECT_1 Z:I");
            expect_both(wire);
        }
        wire_close(&wire);
    }
    struct wire *wire = session_with_two();
    stage_query(wire, "select 1/0; deallocate s1", "E:22012 Z:I");
    stage_query(wire, "deallocate s2; select 1/0; deallocate s1", "C:DEALLOCATE E:22012 Z:I");
    stage_run(wire, "s1", NULL);
    stage_run(wire, "s2", NULL);
    stage_sync(wire, "2 D:one C:SELECT_1 E:26000 Z:I");
    wire_close(&wire);
}

Test(prepared_pipelines, what_follows_a_deallocation)
{
    for (int i = 0; i < 2; i++) {
        struct wire *wire = session_with_two();
        turns_give(turns, i);
        frontend_write_query(&wire->out, "select 'x'; deallocate all");
        stage_parse(wire, "s1", "select 'new'");
        frontend_write_sync(&wire->out);
        stage_run(wire, "s1", NULL);
        stage_run(wire, "s2", NULL);
        stage_sync(wire,
                   "T D:x C:SELECT_1 C:DEALLOCATE_ALL Z:I 1 Z:I 2 D:new C:SELECT_1 E:26000_prepared_statement_\"s2\"_does_not_exist Z:I");
        stage_run(wire, "s1", NULL);
        stage_sync(wire, "2 D:new C:SELECT_1 Z:I");
        frontend_write_query(&wire->out, "begin");
        frontend_write_query(&wire->out, "deallocate s1");
        frontend_write_query(&wire->out, "select 'between'");
        frontend_write_query(&wire->out, "execute s1");
        frontend_write_query(&wire->out, "rollback");
        stage_parse(wire, "s1", "select 'newer'");
        stage_run(wire, "s1", NULL);
        stage_sync(wire, "C:BEGIN Z:T C:DEALLOCATE Z:T T D:between C:SELECT_1 Z:T E:26000_prepared_statement_\"s1\"_does_not_exist Z:E "
                         "C:ROLLBACK Z:I 1 2 D:newer C:SELECT_1 Z:I");
        /* In one segment, of which the Sync comes last. */
        stage_parse(wire, "", "deallocate s1");
        stage_run(wire, "", NULL);
        stage_parse(wire, "s1", "select 'newest'");
        stage_run(wire, "s1", NULL);
        stage_run(wire, "s1", NULL);
        stage_sync(wire, "1 2 C:DEALLOCATE 1 2 D:newest C:SELECT_1 2 D:newest C:SELECT_1 Z:I");
        wire_close(&wire);
    }
}

/* Each statement takes its name from the client, and nothing from the server, where others have it, too. */
Test(prepared_pipelines, several_deallocations_in_one_string)
{
    for (int i = 0; i < 2; i++) {
        struct wire *wire = session_with_two();
        turns_give(turns, i);
        stage_query(wire, "deallocate s1; execute \"also s1\"; execute s2; deallocate s2; select 'end'",
                    "C:DEALLOCATE T D:one C:SELECT_1 T D:two C:SELECT_1 C:DEALLOCATE T D:end C:SELECT_1 Z:I");
        stage_run(wire, "also s1", NULL);
        stage_sync(wire, "2 D:one C:SELECT_1 Z:I");
        stage_query(wire, "deallocate \"also s1\"; execute \"also s1\"",
                    "C:DEALLOCATE E:26000_prepared_statement_\"also_s1\"_does_not_exist Z:I");
        stage_query(wire, "deallocate s1", "E:26000_prepared_statement_\"s1\"_does_not_exist Z:I");
        wire_close(&wire);
        wire = session_with_two();
        turns_give(turns, i);
        stage_query(wire, "deallocate s1; deallocate s1", "C:DEALLOCATE E:26000_prepared_statement_\"s1\"_does_not_exist Z:I");
        stage_run(wire, "also s1", NULL);
        stage_sync(wire, "2 D:one C:SELECT_1 Z:I");
        wire_close(&wire);
    }
}

Test(prepared_pipelines, a_deallocation_behind_the_end_of_a_failed_transaction)
{
    for (int i = 0; i < 2; i++) {
        struct wire *wire = session_with_two();
        turns_give(turns, i);
        stage_query(wire, "begin; savepoint a", "C:BEGIN C:SAVEPOINT Z:T");
        stage_query(wire, "select 1/0", "E:22012 Z:E");
        stage_query(wire, "rollback to a; deallocate s2; select 'x'", "C:ROLLBACK C:DEALLOCATE T D:x C:SELECT_1 Z:T");
        stage_query(wire, "select 1/0", "E:22012 Z:E");
        stage_query(wire, "rollback; deallocate s1", "C:ROLLBACK C:DEALLOCATE Z:I");
        stage_run(wire, "also s1", NULL);
        stage_run(wire, "s1", NULL);
        stage_sync(wire, "2 D:one C:SELECT_1 E:26000 Z:I");
        stage_query(wire, "deallocate s2", "E:26000 Z:I");
        wire_close(&wire);
    }
}

/* Which statement it is, is decided when it runs. */
Test(prepared_pipelines, a_prepared_deallocation)
{
    struct wire *wire = session_with_two();
    stage_parse(wire, "d", "deallocate s1");
    stage_parse(wire, "e", "execute s2");
    stage_sync(wire, "1 1 Z:I");
    for (int i = 0; i < 2; i++) {
        turns_give(turns, i);
        stage_run(wire, "e", NULL);
        stage_run(wire, "d", NULL);
        stage_sync(wire, "2 D:two C:SELECT_1 2 C:DEALLOCATE Z:I");
        stage_run(wire, "d", NULL);
        stage_sync(wire, "2 E:26000_prepared_statement_\"s1\"_does_not_exist Z:I");
        stage_parse(wire, "s1", "select 'again'");
        stage_sync(wire, "1 Z:I");
    }
    /* Two portals, of which the other runs first. */
    stage_query(wire, "begin", "C:BEGIN Z:T");
    frontend_write_bind(&wire->out, "p", "d", NULL, 0);
    stage_run(wire, "s2", NULL);
    stage_run(wire, "s1", NULL);
    frontend_write_execute(&wire->out, "p", 0);
    stage_run(wire, "s2", NULL);
    stage_run(wire, "s1", NULL);
    stage_sync(wire, "2 2 D:two C:SELECT_1 2 D:again C:SELECT_1 C:DEALLOCATE 2 D:two C:SELECT_1 E:26000 Z:E");
    stage_query(wire, "rollback", "C:ROLLBACK Z:I");
    wire_close(&wire);
}

/* ---- names that PREPARE gives ---- */

Test(prepared_pipelines, names_of_sql_and_of_the_protocol_are_the_same)
{
    struct wire *wire = session_with_two();
    turns_give(turns, 1);
    stage_query(wire, "prepare s2 as select 'sql'", "E:42P05_prepared_statement_\"s2\"_already_exists Z:I");
    stage_query(wire, "prepare q as select 'sql'", "C:PREPARE Z:I");
    stage_parse(wire, "q", "select 'protocol'");
    stage_sync(wire, "E:42P05_prepared_statement_\"q\"_already_exists Z:I");
    stage_parse(wire, "r", "select 'protocol'");
    stage_run(wire, "r", NULL);
    stage_run(wire, "q", NULL);
    stage_sync(wire, "1 2 D:protocol C:SELECT_1 2 D:sql C:SELECT_1 Z:I");
    stage_query(wire, "deallocate q", "C:DEALLOCATE Z:I");
    stage_parse(wire, "q", "select 'protocol'");
    stage_run(wire, "q", NULL);
    stage_sync(wire, "1 2 D:protocol C:SELECT_1 Z:I");
    /* In one write. */
    frontend_write_query(&wire->out, "prepare t as select 'sql'");
    stage_parse(wire, "t", "select 'protocol'");
    stage_sync(wire, "C:PREPARE Z:I E:42P05 Z:I");
    frontend_write_query(&wire->out, "deallocate t");
    stage_parse(wire, "t", "select 'protocol'");
    stage_run(wire, "t", NULL);
    stage_sync(wire, "C:DEALLOCATE Z:I 1 2 D:protocol C:SELECT_1 Z:I");
    wire_close(&wire);
}
