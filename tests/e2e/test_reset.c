/*
 * RESET and DISCARD ALL of clients that came with settings: they go back to those at once, and the client hears what it would from PostgreSQL. Not for settings that
 * follow their client: test_session_state.c.
 */
#include "tests/e2e/support/stage.h"
#include "tests/e2e/support/turns.h"

#include <criterion/criterion.h>
#include <stdio.h>
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

TestSuite(reset, .init = start, .fini = finish, .timeout = 300);

static struct wire *session_with_settings(void)
{
    static const char *const pairs[] = {"IntervalStyle",
                                        "sql_standard",
                                        "statement_timeout",
                                        "54321",
                                        "options",
                                        "-c search_path=mine,public -c app.user_id=it\\'s\\ me",
                                        "application_name",
                                        "the client",
                                        NULL};
    turns_give(turns, 0);
    struct wire *wire = wire_connect(port);
    wire_login(wire, "app", "app", pairs);
    return wire;
}

#define ALL                                                                                                           \
    "select current_setting('intervalstyle'), current_setting('statement_timeout'), current_setting('search_path'), " \
    "current_setting('app.user_id'), current_setting('application_name'), current_setting('work_mem')"
#define CHANGE                                                                                                 \
    "set intervalstyle = iso_8601; set statement_timeout = 12345; set search_path = other; set app.user_id = " \
    "'x'; "                                                                                                    \
    "set application_name = 'y'; set work_mem = '1MB'"

static void expect_all(struct wire *wire, const char *row)
{
    char pattern[300];
    snprintf(pattern, sizeof pattern, "T D:%s C:SELECT_1 Z:I", row);
    stage_query(wire, ALL, pattern);
}

static const char startup[] = "sql_standard|54321ms|mine,public|it's_me|the_client|4MB";

Test(reset, goes_back_to_what_the_client_came_with)
{
    struct wire *wire = session_with_settings();
    for (int i = 0; i < 4; i++) {
        turns_give(turns, i % 2);
        expect_all(wire, startup);
        stage_query(wire, CHANGE, "C:SET C:SET C:SET C:SET C:SET C:SET S S Z:I");
        turns_give(turns, (i + i / 2) % 2);
        stage_query(wire, "reset intervalstyle", "C:RESET S:IntervalStyle Z:I");
        cr_expect_str_eq(wire_parameter(wire, "IntervalStyle"), "sql_standard");
        expect_all(wire, "sql_standard|12345ms|other|x|y|1MB");
        stage_query(wire, "set statement_timeout to default; show statement_timeout; reset app.user_id -- end",
                    "C:SET T D:54321ms C:SHOW C:RESET Z:I");
        stage_query(wire, "begin; reset search_path; rollback; show search_path", "C:BEGIN C:RESET C:ROLLBACK T D:other C:SHOW Z:I");
        expect_all(wire, "sql_standard|54321ms|other|it's_me|y|1MB");
        stage_query(wire, "reset all; show application_name", "C:RESET T D:the_client C:SHOW S:application_name Z:I");
        expect_all(wire, startup);
    }
    wire_close(&wire);
}

Test(reset, discard_all)
{
    static const char *const texts[] = {"discard all", "DISCARD /* it */ ALL;"};
    struct wire *wire = session_with_settings();
    for (int i = 0; i < 4; i++) {
        turns_give(turns, i % 2);
        stage_query(wire, texts[i % 2], "C:DISCARD_ALL Z:I");
        stage_query(wire, CHANGE, "C:SET C:SET C:SET C:SET C:SET C:SET S S Z:I");
        turns_give(turns, i / 2);
        stage_query(wire, texts[i % 2], "C:DISCARD_ALL S S Z:I");
        expect_all(wire, startup);
        stage_query(wire, "begin", "C:BEGIN Z:T");
        stage_query(wire, texts[i % 2], "E:25001 Z:E");
        stage_query(wire, "rollback", "C:ROLLBACK Z:I");
        frontend_write_query(&wire->out, texts[i % 2]);
        frontend_write_query(&wire->out, "show search_path");
        wire_flush(wire);
        wire_expect(wire, "C:DISCARD_ALL Z:I T D:mine,public C:SHOW Z:I");
        expect_all(wire, startup);
    }
    wire_close(&wire);
}

Test(reset, by_the_extended_protocol)
{
    struct wire *wire = session_with_settings();
    turns_give(turns, 0);
    stage_parse(wire, "r", "reset intervalstyle");
    stage_parse(wire, "s", "show intervalstyle");
    stage_sync(wire, "1 1 Z:I");
    for (int i = 0; i < 4; i++) {
        turns_give(turns, i % 2);
        stage_query(wire, CHANGE, "C:SET C:SET C:SET C:SET C:SET C:SET S S Z:I");
        turns_give(turns, i / 2);
        stage_run(wire, "s", NULL);
        stage_run(wire, "r", NULL);
        stage_run(wire, "s", NULL);
        stage_sync(wire, "2 D:iso_8601 C:SHOW 2 C:RESET 2 D:sql_standard C:SHOW S:IntervalStyle Z:I");
        expect_all(wire, "sql_standard|12345ms|other|x|y|1MB");
        stage_parse(wire, "", i < 2 ? "reset all" : "discard all");
        frontend_write_bind(&wire->out, "", "", NULL, 0);
        frontend_write_describe(&wire->out, 'P', "");
        frontend_write_execute(&wire->out, "", 0);
        stage_sync(wire, i < 2 ? "1 2 n C:RESET S:application_name Z:I" : "1 2 n C:DISCARD_ALL S:application_name Z:I");
        expect_all(wire, startup);
        if (i >= 2) stage_parse(wire, "r", "reset intervalstyle");
        if (i >= 2) stage_parse(wire, "s", "show intervalstyle");
        stage_sync(wire, i >= 2 ? "1 1 Z:I" : "Z:I");
        /* Bound and not executed. */
        stage_query(wire, "set intervalstyle = iso_8601", "C:SET S:IntervalStyle Z:I");
        frontend_write_bind(&wire->out, "", "r", NULL, 0);
        stage_run(wire, "s", NULL);
        stage_sync(wire, "2 2 D:iso_8601 C:SHOW Z:I");
        stage_query(wire, "reset intervalstyle", "C:RESET S:IntervalStyle Z:I");
    }
    wire_close(&wire);
}

Test(reset, of_a_client_that_brought_nothing)
{
    struct wire *wire = wire_session(port);
    for (int i = 0; i < 2; i++) {
        turns_give(turns, i);
        stage_query(wire, "set intervalstyle = iso_8601", "C:SET S:IntervalStyle Z:I");
        stage_query(wire, "reset intervalstyle", "C:RESET S:IntervalStyle Z:I");
        stage_query(wire, "set work_mem = '1MB'; reset all; show work_mem", "C:SET C:RESET T D:4MB C:SHOW Z:I");
        stage_query(wire, "discard all", "C:DISCARD_ALL Z:I");
    }
    wire_close(&wire);
}
