/*
 * Prepared statements where SQL gets at them (PREPARE, EXECUTE, DEALLOCATE, DISCARD), where their tables change, and where the same
 * text means something else for another client: settings and encodings that PostgreSQL reads a statement with.
 * Not for the messages of the extended protocol as such: test_prepared.c.
 */
#include "tests/e2e/support/sql.h"
#include "tests/e2e/support/stage.h"
#include "tests/e2e/support/turns.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct postgres_options e2e_postgres_options = {0};

static struct proxy *proxy;
static struct turns *turns;
static int port;

/* Two servers; turns_give says where the next transaction runs. */
static void start(void)
{
    turns_open("", 2, &proxy, &port, &turns);
}

static void finish(void)
{
    turns_close(&turns, &proxy);
}

TestSuite(prepared_sql, .init = start, .fini = finish, .timeout = 300);

static struct wire *session_with(const char *name, const char *value)
{
    struct wire *wire = wire_connect(port);
    /* PostgreSQL is asked whether it takes the value. */
    turns_give(turns, 0);
    wire_login(wire, "app", "app", (const char *const[]){name, value, NULL});
    return wire;
}

/* ---- statements of the protocol, by SQL ---- */

static void prepare_three(struct wire *wire)
{
    stage_parse(wire, "plan", "select 'plan ' || $1");
    stage_parse(wire, "Plan", "select 'capital ' || $1");
    stage_parse(wire, "a b\"c", "select 'odd ' || $1");
    stage_sync(wire, "1 1 1 Z:I");
}

static void close_three(struct wire *wire)
{
    stage_close(wire, "plan");
    stage_close(wire, "Plan");
    stage_close(wire, "a b\"c");
    stage_sync(wire, "3 3 3 Z:I");
}

Test(prepared_sql, execute_of_a_protocol_statement)
{
    struct wire *wire = wire_session(port);
    turns_give(turns, 0);
    prepare_three(wire);
    for (int i = 0; i < 2; i++) {
        turns_give(turns, i);
        stage_query(wire, "execute plan('one')", "T D:plan_one C:SELECT_1 Z:I");
        stage_query(wire, "EXECUTE Plan ( 'two' ) ;", "T D:plan_two C:SELECT_1 Z:I");
        stage_query(wire, "/* by name */ execute \"Plan\" ('three') -- end", "T D:capital_three C:SELECT_1 Z:I");
        stage_query(wire, "execute \"a b\"\"c\"('four')", "T D:odd_four C:SELECT_1 Z:I");
        stage_query(wire, "select 1; execute plan('five'); execute \"Plan\"('six')",
                    "T D:1 C:SELECT_1 T D:plan_five C:SELECT_1 T D:capital_six C:SELECT_1 Z:I");
        stage_query(wire, "execute nosuch", "E:26000_prepared_statement_\"nosuch\"_does_not_exist Z:I");
        stage_query(wire, "begin; create temp table made on commit drop as execute plan('seven'); select * from made; commit",
                    "C:BEGIN C:SELECT_1 T D:plan_seven C:SELECT_1 C:COMMIT Z:I");
        stage_query(wire, "explain (costs off) execute plan('eight')", "T D:Result C:EXPLAIN Z:I");
        /* By the extended protocol, too. */
        stage_parse(wire, "", "execute plan('nine')");
        frontend_write_describe(&wire->out, 'S', "");
        stage_run(wire, "", NULL);
        stage_sync(wire, "1 t T 2 D:plan_nine C:SELECT_1 Z:I");
    }
    wire_close(&wire);
}

/* Where the error of a query points to, up to ReadyForQuery; "" for nowhere. */
static const char *place_of_error(struct wire *wire)
{
    static char place[24];
    *place = '\0';
    for (struct wire_message message; (message = wire_receive(wire)).type != BACKEND_READY_FOR_QUERY;) {
        cr_assert_neq(message.type, 0);
        if (message.type != BACKEND_ERROR) continue;
        for (const char *field = (const char *)message.body; *field; field += strlen(field) + 1)
            if (*field == 'P') snprintf(place, sizeof place, "%s", field + 1);
    }
    return place;
}

/* Of this word, counted in characters. */
static const char *place_of_word(const char *text, const char *word)
{
    static char place[24];
    int count = 1;
    for (const char *at = text; strncmp(at, word, strlen(word)) != 0; at++) count += ((unsigned char)*at & 0xc0) != 0x80;
    snprintf(place, sizeof place, "%d", count);
    return place;
}

/* An error points into the text that the client sent, whatever names were put into it. */
Test(prepared_sql, errors_behind_a_name_point_to_their_place)
{
    static const struct {
        const char *text, *word;
    } samples[] = {
        {"execute plan('one');\nselekt 1", "selekt"},
        {"selekt 1", "selekt"},
        {"selekt 1; execute plan('one')", "selekt"},
        {"execute plan(nosuch)", "nosuch"},
        {"execute \"a b\"\"c\"('\xc3\xa9\xc3\xa9');\n\nselect '\xc3\xa9';selekt 1", "selekt"},
        {"execute plan('one');\nexecute \"Plan\"('two'); select 1;\nselekt 1", "selekt"},
        {"execute a_name_that_is_nearly_as_long_as_the_names_of_statements_may_be('x'); selekt 1", "selekt"},
        {"select 'prepare plan'; selekt 2", "selekt"},
    };
    struct wire *wire = wire_session(port);
    turns_give(turns, 0);
    prepare_three(wire);
    stage_parse(wire, "a_name_that_is_nearly_as_long_as_the_names_of_statements_may_be", "select 'long ' || $1");
    stage_sync(wire, "1 Z:I");
    for (size_t k = 0; k < sizeof samples / sizeof *samples; k++) {
        turns_give(turns, (int)k % 2);
        wire_send_query(wire, samples[k].text);
        const char *place = place_of_error(wire), *expected = place_of_word(samples[k].text, samples[k].word);
        cr_expect_str_eq(place, expected, "%s: %s instead of %s", samples[k].text, place, expected);
    }
    /* One behind the other in one write: each has its own. */
    turns_give(turns, 0);
    frontend_write_query(&wire->out, samples[0].text);
    frontend_write_query(&wire->out, samples[1].text);
    wire_flush(wire);
    cr_expect_str_eq(place_of_error(wire), place_of_word(samples[0].text, "selekt"));
    cr_expect_str_eq(place_of_error(wire), "1");
    wire_close(&wire);
}

Test(prepared_sql, deallocate_of_a_protocol_statement)
{
    static const char *const texts[] = {
        "deallocate plan",           "DEALLOCATE PREPARE PLAN;",         "/* c */ deallocate/**/\"plan\" -- end",
        "select 1; deallocate plan", "begin; deallocate plan; rollback", "deallocate plan; select 1/0"};
    struct wire *wire = wire_session(port), *other = wire_session(port);
    turns_give(turns, 0);
    stage_parse(other, "plan", "select 'plan ' || $1");
    stage_sync(other, "1 Z:I");
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
        turns_give(turns, 0);
        prepare_three(wire);
        turns_give(turns, (int)k % 2);
        wire_query(wire, texts[k]);
        for (int i = 0; i < 2; i++) {
            turns_give(turns, i);
            stage_run(wire, "plan", "value");
            stage_sync(wire, "E:26000_prepared_statement_\"plan\"_does_not_exist Z:I");
            stage_run(wire, "Plan", "value");
            stage_run(wire, "a b\"c", "value");
            stage_sync(wire, "2 D:capital_value C:SELECT_1 2 D:odd_value C:SELECT_1 Z:I");
            stage_run(other, "plan", "value");
            stage_sync(other, "2 D:plan_value C:SELECT_1 Z:I");
        }
        stage_query(wire, "deallocate plan", "E:26000_prepared_statement_\"plan\"_does_not_exist Z:I");
        close_three(wire);
    }
    stage_parse(wire, "plan", "select 'new ' || $1");
    stage_parse(wire, "", "deallocate plan");
    stage_run(wire, "", NULL);
    stage_sync(wire, "1 1 2 C:DEALLOCATE Z:I");
    stage_run(wire, "plan", "value");
    stage_sync(wire, "E:26000 Z:I");
    wire_close(&other);
    wire_close(&wire);
}

Test(prepared_sql, everything_deallocated)
{
    static const struct {
        const char *text, *answer;
    } samples[] = {
        {"deallocate all", "C:DEALLOCATE_ALL Z:I"},
        {"DEALLOCATE PREPARE ALL", "C:DEALLOCATE_ALL Z:I"},
        {"discard all", "C:DISCARD_ALL Z:I"},
        {"DISCARD /* really */ ALL;", "C:DISCARD_ALL Z:I"},
        {"select 1; deallocate all", "T D:1 C:SELECT_1 C:DEALLOCATE_ALL Z:I"},
    };
    struct wire *wire = wire_session(port), *other = wire_session(port);
    turns_give(turns, 0);
    stage_parse(other, "plan", "select 'plan ' || $1");
    stage_sync(other, "1 Z:I");
    for (size_t k = 0; k < 2 * sizeof samples / sizeof *samples; k++) {
        turns_give(turns, 0);
        prepare_three(wire);
        /* On the server that has them, and on the other one. */
        if (k % 2 == 1) turns_give(turns, 1);
        stage_query(wire, samples[k / 2].text, samples[k / 2].answer);
        for (int i = 0; i < 2; i++) {
            turns_give(turns, i);
            stage_run(wire, "plan", "value");
            stage_sync(wire, "E:26000 Z:I");
            stage_run(wire, "a b\"c", "value");
            stage_sync(wire, "E:26000 Z:I");
            stage_run(other, "plan", "value");
            stage_sync(other, "2 D:plan_value C:SELECT_1 Z:I");
        }
    }
    /* Plans are no statements. */
    prepare_three(wire);
    stage_query(wire, "discard plans", "C:DISCARD_PLANS Z:I");
    stage_run(wire, "plan", "value");
    stage_sync(wire, "2 D:plan_value C:SELECT_1 Z:I");
    /* An ALL that fails, or is a name. */
    stage_query(wire, "begin", "C:BEGIN Z:T");
    stage_query(wire, "discard all", "E:25001 Z:E");
    stage_query(wire, "rollback", "C:ROLLBACK Z:I");
    stage_query(wire, "begin; discard all", "C:BEGIN E:25001 Z:E");
    stage_query(wire, "rollback", "C:ROLLBACK Z:I");
    stage_query(wire, "select 1; discard all", "T D:1 C:SELECT_1 E:25001 Z:I");
    stage_query(wire, "selekt; deallocate all", "E:42601 Z:I");
    stage_query(wire, "select 1/0; deallocate all", "E:22012 Z:I");
    stage_run(wire, "plan", "value");
    stage_sync(wire, "2 D:plan_value C:SELECT_1 Z:I");
    stage_parse(wire, "all", "select 'named all'");
    stage_sync(wire, "1 Z:I");
    stage_query(wire, "deallocate \"all\"", "C:DEALLOCATE Z:I");
    stage_run(wire, "plan", "value");
    stage_sync(wire, "2 D:plan_value C:SELECT_1 Z:I");
    wire_close(&other);
    wire_close(&wire);
}

Test(prepared_sql, everything_deallocated_inside_a_pipeline)
{
    static const char *const texts[] = {"discard all", "deallocate all"};
    static const char *const tags[] = {"C:DISCARD_ALL", "C:DEALLOCATE_ALL"};
    char pattern[200];
    struct wire *wire = wire_session(port);
    for (int k = 0; k < 4; k++) {
        turns_give(turns, k / 2);
        prepare_three(wire);
        /* Each with a Sync of its own, all in one write. */
        stage_run(wire, "plan", "first");
        frontend_write_sync(&wire->out);
        stage_parse(wire, "", texts[k % 2]);
        stage_run(wire, "", NULL);
        frontend_write_sync(&wire->out);
        stage_run(wire, "plan", "second");
        frontend_write_sync(&wire->out);
        stage_parse(wire, "plan", "select 'new ' || $1");
        stage_run(wire, "plan", "third");
        snprintf(pattern, sizeof pattern, "2 D:plan_first C:SELECT_1 Z:I 1 2 %s Z:I E:26000 Z:I 1 2 D:new_third C:SELECT_1 Z:I",
                 tags[k % 2]);
        stage_sync(wire, pattern);
        close_three(wire);
        /* Without a Sync in between: what follows is gone, and so is what an error skips. */
        prepare_three(wire);
        stage_parse(wire, "", texts[k % 2]);
        stage_run(wire, "", NULL);
        stage_run(wire, "plan", "second");
        stage_parse(wire, "plan", "select 'skipped ' || $1");
        snprintf(pattern, sizeof pattern, "1 2 %s E:26000 Z:I", tags[k % 2]);
        stage_sync(wire, pattern);
        stage_run(wire, "plan", "third");
        stage_sync(wire, "E:26000 Z:I");
        /* And what is prepared behind it is there. */
        prepare_three(wire);
        stage_parse(wire, "", texts[k % 2]);
        stage_run(wire, "", NULL);
        stage_parse(wire, "plan", "select 'behind ' || $1");
        stage_run(wire, "plan", "it");
        snprintf(pattern, sizeof pattern, "1 2 %s 1 2 D:behind_it C:SELECT_1 Z:I", tags[k % 2]);
        stage_sync(wire, pattern);
        stage_run(wire, "plan", "still");
        stage_sync(wire, "2 D:behind_still C:SELECT_1 Z:I");
        close_three(wire);
    }
    wire_close(&wire);
}

/* ---- statements of SQL, which may hold their server: nobody else does ---- */

Test(prepared_sql, prepare_and_execute)
{
    turns_end(&turns);
    struct wire *wire = wire_session(port), *other = wire_session(port);
    stage_query(wire, "prepare mine(text) as select 'mine ' || $1", "C:PREPARE Z:I");
    stage_query(other, "execute mine('x')", "E:26000 Z:I");
    stage_query(other, "prepare mine(text) as select 'of another ' || $1", "C:PREPARE Z:I");
    for (int round = 0; round < 3; round++) {
        stage_query(wire, "execute mine('x')", "T D:mine_x C:SELECT_1 Z:I");
        stage_query(other, "execute mine('x')", "T D:of_another_x C:SELECT_1 Z:I");
    }
    stage_query(wire, "prepare mine as select 1", "E:42P05_prepared_statement_\"mine\"_already_exists Z:I");
    stage_run(wire, "mine", "by Bind");
    frontend_write_describe(&wire->out, 'S', "mine");
    stage_sync(wire, "2 D:mine_by_Bind C:SELECT_1 t T Z:I");
    stage_close(wire, "mine");
    stage_sync(wire, "3 Z:I");
    stage_query(wire, "execute mine('x')", "E:26000 Z:I");
    stage_query(other, "deallocate mine", "C:DEALLOCATE Z:I");
    stage_query(other, "execute mine('x')", "E:26000 Z:I");
    wire_close(&other);
    wire_close(&wire);
}

Test(prepared_sql, prepare_in_a_transaction_that_is_undone)
{
    turns_end(&turns);
    struct wire *wire = wire_session(port), *other = wire_session(port);
    stage_query(wire, "begin; prepare mine as select 'mine'; rollback", "C:BEGIN C:PREPARE C:ROLLBACK Z:I");
    stage_query(wire, "execute mine", "T D:mine C:SELECT_1 Z:I");
    stage_query(wire, "begin; deallocate mine; prepare mine as select 'other'; rollback", "C:BEGIN C:DEALLOCATE C:PREPARE C:ROLLBACK Z:I");
    cr_assert_str_eq(wire_query(other, "execute mine"), "!26000");
    stage_query(wire, "execute mine", "T D:other C:SELECT_1 Z:I");
    stage_parse(wire, "plan", "select 'plan'");
    stage_sync(wire, "1 Z:I");
    stage_query(wire, "prepare plan as select 1", "E:42P05_prepared_statement_\"plan\"_already_exists Z:I");
    stage_query(wire, "deallocate all", "C:DEALLOCATE_ALL Z:I");
    stage_query(wire, "execute mine", "E:26000 Z:I");
    stage_query(wire, "prepare plan as select 'by sql'", "C:PREPARE Z:I");
    stage_run(wire, "plan", NULL);
    stage_sync(wire, "2 D:by_sql C:SELECT_1 Z:I");
    stage_query(wire, "discard all", "C:DISCARD_ALL Z:I");
    stage_query(wire, "execute plan", "E:26000 Z:I");
    stage_query(wire, "prepare bad as selekt", "E:42601 Z:I");
    stage_query(wire, "execute bad", "E:26000 Z:I");
    wire_close(&other);
    wire_close(&wire);
}

/* What PDO, ActiveRecord and psycopg send. */
Test(prepared_sql, drivers_sequences)
{
    struct wire *wire = wire_session(port);
    for (int round = 0; round < 6; round++) {
        turns_give(turns, round % 2);
        /* PDO */
        stage_parse(wire, "pdo_stmt_00000001", "select 'pdo ' || $1");
        stage_sync(wire, "1 Z:I");
        turns_give(turns, (round + 1) % 2);
        stage_run(wire, "pdo_stmt_00000001", "value");
        stage_sync(wire, "2 D:pdo_value C:SELECT_1 Z:I");
        stage_query(wire, "DEALLOCATE pdo_stmt_00000001", "C:DEALLOCATE Z:I");
        /* ActiveRecord */
        stage_parse(wire, "a1", "select 'active ' || $1");
        frontend_write_describe(&wire->out, 'S', "a1");
        stage_sync(wire, "1 t T Z:I");
        turns_give(turns, round % 2);
        stage_run(wire, "a1", "record");
        stage_sync(wire, "2 D:active_record C:SELECT_1 Z:I");
        stage_query(wire, "DEALLOCATE a1", "C:DEALLOCATE Z:I");
        /* psycopg 3: the statement, then all of them */
        stage_parse(wire, "_pg3_0", "select 'psycopg ' || $1");
        stage_run(wire, "_pg3_0", "three");
        stage_sync(wire, "1 2 D:psycopg_three C:SELECT_1 Z:I");
        turns_give(turns, (round + 1) % 2);
        stage_query(wire, "DEALLOCATE ALL", "C:DEALLOCATE_ALL Z:I");
        stage_run(wire, "_pg3_0", "three");
        stage_sync(wire, "E:26000 Z:I");
    }
    wire_close(&wire);
}

/* ---- tables that change ---- */

/* Until the text is new to a server, PostgreSQL itself would fail each time. */
Test(prepared_sql, a_plan_whose_result_type_changes_heals)
{
    int errors[2] = {0}, answers[2] = {0};
    struct wire *wire = wire_session(port), *owner = wire_session(port);
    turns_give(turns, 0);
    cr_assert_str_eq(wire_query(owner, "drop table if exists changing; create table changing as select 1 as n"), "");
    stage_parse(wire, "star", "select * from changing");
    stage_sync(wire, "1 Z:I");
    for (int i = 0; i < 2; i++) {
        turns_give(turns, i);
        stage_run(wire, "star", NULL);
        stage_sync(wire, "2 D:1 C:SELECT_1 Z:I");
    }
    cr_assert_str_eq(wire_query(owner, "alter table changing add column t text default 'two'"), "");
    if (turns_is_reference()) {
        stage_run(wire, "star", NULL);
        stage_sync(wire, "E:0A000_cached_plan_must_not_change_result_type Z:I");
    }
    for (int round = 0; round < 8 && !turns_is_reference(); round++) {
        struct wire_message message;
        turns_give(turns, round % 2);
        stage_run(wire, "star", NULL);
        frontend_write_sync(&wire->out);
        wire_flush(wire);
        bool is_error = false;
        while ((message = wire_receive(wire)).type != 'Z') is_error = is_error || message.type == 'E';
        errors[round % 2] += is_error;
        answers[round % 2] += !is_error;
    }
    for (int i = 0; i < 2 && !turns_is_reference(); i++) {
        cr_assert_leq(errors[i], 1, "%d errors on server %d", errors[i], i);
        cr_assert_geq(answers[i], 3);
        turns_give(turns, i);
        stage_run(wire, "star", NULL);
        stage_sync(wire, "2 D:1|two C:SELECT_1 Z:I");
    }
    cr_assert_str_eq(wire_query(owner, "drop table changing"), "");
    wire_close(&owner);
    wire_close(&wire);
}

/* In a transaction there is an error, and after its end there is none. */
Test(prepared_sql, a_plan_whose_result_type_changes_in_a_transaction)
{
    struct wire *wire = wire_session(port), *owner = wire_session(port);
    turns_give(turns, 0);
    cr_assert_str_eq(wire_query(owner, "drop table if exists changing; create table changing as select 1 as n"), "");
    stage_parse(wire, "star", "select * from changing");
    stage_run(wire, "star", NULL);
    stage_sync(wire, "1 2 D:1 C:SELECT_1 Z:I");
    cr_assert_str_eq(wire_query(owner, "alter table changing add column t text default 'two'"), "");
    cr_assert_str_eq(wire_query(wire, "begin"), "");
    stage_run(wire, "star", NULL);
    stage_parse(wire, "skipped", "select 1");
    stage_sync(wire, "E:0A000 Z:E");
    stage_run(wire, "star", NULL);
    stage_sync(wire, "E:25P02 Z:E");
    cr_assert_str_eq(wire_query(wire, "rollback"), "");
    stage_run(wire, "star", NULL);
    stage_sync(wire, turns_is_reference() ? "E:0A000 Z:I" : "2 D:1|two C:SELECT_1 Z:I");
    stage_run(wire, "skipped", NULL);
    stage_sync(wire, "E:26000 Z:I");
    cr_assert_str_eq(wire_query(owner, "drop table changing"), "");
    wire_close(&owner);
    wire_close(&wire);
}

/* ---- one text, another meaning ---- */

/* Two clients that differ in one setting prepare the same text under the same name; each must get its own answer, on either server. */
static void expect_two_meanings(const char *setting, const char *const values[2], const char *text, const char *const answers[2])
{
    struct wire *wires[2];
    char pattern[200];
    for (int k = 0; k < 2; k++) wires[k] = session_with(setting, values[k]);
    for (int k = 0; k < 2; k++) {
        turns_give(turns, 0);
        stage_parse(wires[k], "plan", text);
        stage_sync(wires[k], "1 Z:I");
    }
    for (int round = 0; round < 4; round++)
        for (int k = 0; k < 2; k++) {
            turns_give(turns, round / 2);
            stage_run(wires[k], "plan", NULL);
            snprintf(pattern, sizeof pattern, "2 D:%s C:SELECT_1 Z:I", answers[k]);
            stage_sync(wires[k], pattern);
        }
    for (int k = 0; k < 2; k++) wire_close(&wires[k]);
}

#define PAIR(first, second) ((const char *const[2]){first, second})

/* Without the warning, which comes with a Parse and not with one that is answered here. */
#define QUIETLY_ESCAPING "-c standard_conforming_strings=off -c escape_string_warning=off"

Test(prepared_sql, backslashes)
{
    expect_two_meanings("options", PAIR("-c standard_conforming_strings=on", QUIETLY_ESCAPING), "select 'a\\\\b'", PAIR("a\\\\b", "a\\b"));
}

Test(prepared_sql, order_of_dates)
{
    expect_two_meanings("DateStyle", PAIR("ISO, MDY", "ISO, DMY"), "select '01/02/2020'::date", PAIR("2020-01-02", "2020-02-01"));
}

Test(prepared_sql, time_zones)
{
    expect_two_meanings("TimeZone", PAIR("UTC", "Asia/Tokyo"), "select extract(epoch from '1970-01-02 00:00'::timestamptz)::int",
                        PAIR("86400", "54000"));
}

Test(prepared_sql, null_that_equals)
{
    expect_two_meanings("transform_null_equals", PAIR("off", "on"), "select coalesce((null::int = null)::text, 'unknown')",
                        PAIR("unknown", "true"));
}

/* The bytes of a text mean what client_encoding says. */
Test(prepared_sql, encodings)
{
    expect_two_meanings("client_encoding", PAIR("UTF8", "LATIN1"), "select length('\xc3\xa9')", PAIR("1", "2"));
}

Test(prepared_sql, search_paths)
{
    struct wire *owner = wire_session(port);
    turns_give(turns, 0);
    cr_assert_str_eq(wire_query(owner, "drop schema if exists one cascade; drop schema if exists two cascade; "
                                       "create schema one; create table one.tenant as select 'one' as name; "
                                       "create schema two; create table two.tenant as select 'two' as name"),
                     "");
    expect_two_meanings("search_path", PAIR("one", "two"), "select name from tenant", PAIR("one", "two"));
    expect_two_meanings("options", PAIR("-c search_path=one", "-csearch_path=two"), "select name from tenant", PAIR("one", "two"));
    /* Even where the types differ. */
    cr_assert_str_eq(wire_query(owner, "drop table two.tenant; create table two.tenant as select 2 as name, true as more"), "");
    expect_two_meanings("search_path", PAIR("one", "two"), "select * from tenant", PAIR("one", "2|t"));
    cr_assert_str_eq(wire_query(owner, "drop schema one cascade; drop schema two cascade"), "");
    wire_close(&owner);
}

Test(prepared_sql, comments_where_backslashes_escape)
{
    static const struct {
        const char *text, *answer;
    } samples[] = {
        {"select 'it\\'s /* one */'", "2 D:it's_/*_one_*/ C:SELECT_1 Z:I"},
        {"select 'it\\'s /* two */'", "2 D:it's_/*_two_*/ C:SELECT_1 Z:I"},
        {"select 'it\\'s -- one'", "2 D:it's_--_one C:SELECT_1 Z:I"},
        {"select 'it\\'s -- two'", "2 D:it's_--_two C:SELECT_1 Z:I"},
        {"select 'x\\\\', '/* one */'", "2 D:x\\|/*_one_*/ C:SELECT_1 Z:I"},
        {"select 'x\\\\', '/* two */'", "2 D:x\\|/*_two_*/ C:SELECT_1 Z:I"},
    };
    enum { COUNT = sizeof samples / sizeof *samples };
    struct wire *wire = session_with("options", QUIETLY_ESCAPING);
    char name[20];
    turns_give(turns, 0);
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "s%d", i);
        stage_parse(wire, name, samples[i].text);
        stage_sync(wire, "1 Z:I");
    }
    for (int i = 0; i < 2 * COUNT; i++) {
        turns_give(turns, i / COUNT);
        snprintf(name, sizeof name, "s%d", i % COUNT);
        stage_run(wire, name, NULL);
        stage_sync(wire, samples[i % COUNT].answer);
    }
    wire_close(&wire);
}

/* The second byte of a character may look like a backslash, a quote's neighbour that hides it, or a bar. */
Test(prepared_sql, encodings_whose_second_bytes_look_like_ascii)
{
    static const struct {
        const char *encoding, *character;
    } encodings[] = {{"SJIS", "\x95\x5c"}, {"GBK", "\xd5\x5c"}, {"BIG5", "\xa5\x5c"}, {"GB18030", "\x81\x5c"}, {"SJIS", "\x83\x7c"}};
    static const char *const forms[] = {"select '%s', '/* %d */'", "select E'%s', '/* %d */'", "select '%s' /* ' */, '-- %d'"};
    for (size_t e = 0; e < sizeof encodings / sizeof *encodings; e++) {
        struct wire *wire = session_with("client_encoding", encodings[e].encoding);
        const char *character = encodings[e].character;
        for (int form = 0; form < 3; form++) {
            for (int i = 0; i < 2; i++) {
                char text[100], name[20], pattern[100];
                snprintf(name, sizeof name, "%d-%d", form, i);
                snprintf(text, sizeof text, forms[form], character, i);
                snprintf(pattern, sizeof pattern, form == 2 ? "1 2 D:%s|--_%d C:SELECT_1 Z:I" : "1 2 D:%s|/*_%d_*/ C:SELECT_1 Z:I",
                         character, i);
                turns_give(turns, 0);
                stage_parse(wire, name, text);
                stage_run(wire, name, NULL);
                stage_sync(wire, pattern);
                turns_give(turns, 1);
                stage_run(wire, name, NULL);
                stage_sync(wire, pattern + 2);
            }
        }
        /* SET among such characters, and names of statements. */
        char text[100], pattern[100];
        snprintf(text, sizeof text, "set app.word = '%s'", character);
        turns_give(turns, 0);
        cr_assert_str_eq(wire_query(wire, text), "");
        turns_give(turns, 1);
        stage_parse(wire, character, "select current_setting('app.word')");
        snprintf(pattern, sizeof pattern, "1 2 D:%s C:SELECT_1 Z:I", character);
        stage_run(wire, character, NULL);
        stage_sync(wire, pattern);
        turns_give(turns, 0);
        stage_run(wire, character, NULL);
        stage_sync(wire, pattern + 2);
        wire_close(&wire);
    }
}
