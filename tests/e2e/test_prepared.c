/*
 * Prepared statements of the extended protocol while clients take turns on servers: names that are private, texts that are shared,
 * statements that a server lacks, has, or had to give up, in pipelines, behind errors and across COPY.
 * Not for PREPARE, EXECUTE, DEALLOCATE and what a statement's meaning depends on: test_prepared_sql.c.
 */
#include "tests/e2e/support/sql.h"
#include "tests/e2e/support/stage.h"
#include "tests/e2e/support/turns.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

const struct postgres_options e2e_postgres_options = {0};

TestSuite(prepared, .timeout = 300);

static struct proxy *proxy;
static struct turns *turns;
static int port;

/* Two servers, both held: turns_give says where the next transaction runs. */
static void start_in_turns(const char *settings)
{
    turns_open(settings, 2, &proxy, &port, &turns);
}

/* One server for everybody. */
static void start_on_one(const char *settings)
{
    char lines[200];
    snprintf(lines, sizeof lines, "budget = 1\n%s", settings);
    proxy = turns_proxy(lines);
    port = turns_port(proxy);
}

static void finish(void)
{
    turns_close(&turns, &proxy);
}

/* How many statements with `needle` in their text the client's next server has. */
static int prepared_with(struct wire *wire, const char *needle)
{
    char text[200];
    snprintf(text, sizeof text, "select count(*) from pg_prepared_statements where strpos(statement, '%s') > 0", needle);
    return atoi(wire_query(wire, text));
}

static void make_target(void)
{
    turns_give(turns, 0);
    struct wire *wire = wire_session(port);
    cr_assert_str_eq(wire_query(wire, "drop table if exists target; create table target (n int primary key, t text)"), "");
    wire_close(&wire);
}

/* ---- names and texts ---- */

Test(prepared, a_name_is_private_to_its_client)
{
    start_on_one("");
    struct wire *mine = wire_session(port), *theirs = wire_session(port);
    stage_parse(mine, "plan", "select 'mine ' || $1");
    stage_sync(mine, "1 Z:I");
    stage_run(theirs, "plan", "value");
    stage_sync(theirs, "E:26000_prepared_statement_\"plan\"_does_not_exist Z:I");
    stage_parse(theirs, "plan", "select 'theirs ' || $1");
    stage_sync(theirs, "1 Z:I");
    for (int round = 0; round < 5; round++) {
        stage_run(mine, "plan", "value");
        stage_sync(mine, "2 D:mine_value C:SELECT_1 Z:I");
        stage_run(theirs, "plan", "value");
        stage_sync(theirs, "2 D:theirs_value C:SELECT_1 Z:I");
    }
    stage_close(mine, "plan");
    stage_sync(mine, "3 Z:I");
    stage_run(theirs, "plan", "value");
    stage_sync(theirs, "2 D:theirs_value C:SELECT_1 Z:I");
    wire_close(&mine);
    mine = wire_session(port);
    stage_run(mine, "plan", "value");
    stage_sync(mine, "E:26000 Z:I");
    wire_close(&theirs);
    wire_close(&mine);
    finish();
}

Test(prepared, a_text_is_prepared_once)
{
    enum { CLIENTS = 10 };
    struct wire *clients[CLIENTS];
    start_on_one("");
    for (int i = 0; i < CLIENTS; i++) {
        char name[20], value[20], pattern[60];
        snprintf(name, sizeof name, "name %d", i);
        snprintf(value, sizeof value, "%d", i);
        snprintf(pattern, sizeof pattern, "1 2 D:shared_%d C:SELECT_1 Z:I", i);
        clients[i] = wire_session(port);
        stage_parse(clients[i], name, "select 'shared ' || $1");
        stage_run(clients[i], name, value);
        stage_sync(clients[i], pattern);
    }
    if (!turns_is_reference()) cr_assert_eq(prepared_with(clients[0], "''shared "), 1);
    for (int i = 0; i < CLIENTS; i++) wire_close(&clients[i]);
    finish();
}

Test(prepared, comments_do_not_defeat_reuse)
{
    enum { COUNT = 20 };
    static const char *const forms[] = {"/*traceparent='00-%08d'*/ select 'traced', $1", "select 'traced', $1 -- traceparent 00-%08d",
                                        "select 'traced', /* /* 00-%08d */ */ $1"};
    start_on_one("");
    struct wire *wire = wire_session(port);
    for (int form = 0; form < 3; form++)
        for (int i = 0; i < COUNT; i++) {
            char text[100], name[20];
            snprintf(text, sizeof text, forms[form], i);
            snprintf(name, sizeof name, "%d-%d", form, i);
            stage_parse(wire, name, text);
            stage_run(wire, name, "value");
            stage_sync(wire, "1 2 D:traced|value C:SELECT_1 Z:I");
        }
    /* The forms may count as different texts; a comment's contents may not. */
    if (!turns_is_reference()) cr_assert_leq(prepared_with(wire, "''traced''"), 3);
    wire_close(&wire);
    finish();
}

Test(prepared, hints_and_what_only_looks_like_a_comment_count)
{
    static const struct {
        const char *text, *pattern;
    } samples[] = {
        {"select 'counts', '/* one */'", "1 2 D:counts|/*_one_*/ C:SELECT_1 Z:I"},
        {"select 'counts', '/* two */'", "1 2 D:counts|/*_two_*/ C:SELECT_1 Z:I"},
        {"select 'counts', '-- one'", "1 2 D:counts|--_one C:SELECT_1 Z:I"},
        {"select 'counts', '-- two'", "1 2 D:counts|--_two C:SELECT_1 Z:I"},
        {"select 'counts', $$/* one */$$", "1 2 D:counts|/*_one_*/ C:SELECT_1 Z:I"},
        {"select 'counts', $x$ $$/* two */$$ $x$", "1 2 D:counts|_$$/*_two_*/$$_ C:SELECT_1 Z:I"},
        {"select 'counts', E'\\'/* one */'", "1 2 D:counts|'/*_one_*/ C:SELECT_1 Z:I"},
        {"select 'counts', E'\\'/* two */'", "1 2 D:counts|'/*_two_*/ C:SELECT_1 Z:I"},
        {"select 'counts', 1 as \"/* one */\"", "1 2 D:counts|1 C:SELECT_1 Z:I"},
        {"select 'counts', 1 as \"/* two */\"", "1 2 D:counts|1 C:SELECT_1 Z:I"},
        {"select 'counts', 'a' -- x\n'b'", "1 2 D:counts|ab C:SELECT_1 Z:I"},
        {"select 'counts', 8 -- x\n - -1", "1 2 D:counts|9 C:SELECT_1 Z:I"},
        {"select 'counts', 1 /* no * / end */ + 1", "1 2 D:counts|2 C:SELECT_1 Z:I"},
        {"/*+ SeqScan(a) */ select 'hinted'", "1 2 D:hinted C:SELECT_1 Z:I"},
        {"/*+ IndexScan(a) */ select 'hinted'", "1 2 D:hinted C:SELECT_1 Z:I"},
    };
    enum { COUNT = sizeof samples / sizeof *samples };
    char name[20];
    start_on_one("");
    struct wire *wire = wire_session(port);
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "s%d", i);
        stage_parse(wire, name, samples[i].text);
        stage_run(wire, name, NULL);
        stage_sync(wire, samples[i].pattern);
    }
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "s%d", i);
        stage_run(wire, name, NULL);
        stage_sync(wire, samples[i].pattern + 2);
    }
    cr_assert_eq(prepared_with(wire, "''hinted''"), 2);
    cr_assert_eq(prepared_with(wire, "''counts''"), COUNT - 2);
    wire_close(&wire);
    finish();
}

Test(prepared, parameter_types_count)
{
    start_on_one("");
    struct wire *wire = wire_session(port);
    frontend_write_parse(&wire->out, "number", "select pg_typeof($1)", (const uint32_t[]){23}, 1);
    frontend_write_parse(&wire->out, "text", "select pg_typeof($1)", (const uint32_t[]){25}, 1);
    stage_sync(wire, "1 1 Z:I");
    stage_run(wire, "number", "1");
    stage_run(wire, "text", "1");
    stage_sync(wire, "2 D:integer C:SELECT_1 2 D:text C:SELECT_1 Z:I");
    wire_close(&wire);
    finish();
}

Test(prepared, names_may_be_anything)
{
    static const char *const names[] = {"a b",
                                        "select",
                                        "\"quoted\"",
                                        "'; drop table target; --",
                                        "Größe",
                                        "pgt0123456789abcdef0123456789abcdef",
                                        "a name that is longer than the sixty-three bytes that PostgreSQL keeps of an identifier, by far"};
    start_in_turns("");
    struct wire *wire = wire_session(port);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char text[60], pattern[200];
        snprintf(text, sizeof text, "select 'name %zu'", i);
        snprintf(pattern, sizeof pattern, "2 D:name_%zu C:SELECT_1 Z:I", i);
        turns_give(turns, 0);
        stage_parse(wire, names[i], text);
        stage_sync(wire, "1 Z:I");
        turns_give(turns, 1);
        stage_run(wire, names[i], NULL);
        stage_sync(wire, pattern);
    }
    wire_close(&wire);
    finish();
}

Test(prepared, errors_name_the_statement_as_the_client_does)
{
    start_in_turns("");
    struct wire *wire = wire_session(port);
    turns_give(turns, 0);
    stage_parse(wire, "plan", "select 1");
    stage_sync(wire, "1 Z:I");
    for (int i = 0; i < 2; i++) {
        turns_give(turns, i);
        stage_parse(wire, "plan", "select 2");
        stage_run(wire, "plan", NULL);
        stage_sync(wire, "E:42P05_prepared_statement_\"plan\"_already_exists Z:I");
        stage_parse(wire, "plan", "select 1");
        stage_sync(wire, "E:42P05_prepared_statement_\"plan\"_already_exists Z:I");
        stage_run(wire, "nope", NULL);
        stage_sync(wire, "E:26000_prepared_statement_\"nope\"_does_not_exist Z:I");
        frontend_write_describe(&wire->out, 'S', "nope");
        stage_sync(wire, "E:26000_prepared_statement_\"nope\"_does_not_exist Z:I");
        stage_run(wire, "plan", NULL);
        stage_sync(wire, "2 D:1 C:SELECT_1 Z:I");
    }
    /* Behind an answer of the server's, in their order. */
    stage_run(wire, "plan", NULL);
    stage_parse(wire, "plan", "select 2");
    stage_run(wire, "plan", NULL);
    frontend_write_sync(&wire->out);
    stage_run(wire, "plan", NULL);
    stage_sync(wire, "2 D:1 C:SELECT_1 E:42P05 Z:I 2 D:1 C:SELECT_1 Z:I");
    wire_close(&wire);
    finish();
}

/* ---- from server to server ---- */

Test(prepared, a_statement_follows_its_client)
{
    start_in_turns("");
    struct wire *wire = wire_session(port), *other = wire_session(port);
    turns_give(turns, 0);
    stage_parse(wire, "plan", "select 'follows ' || $1");
    stage_sync(wire, "1 Z:I");
    for (int round = 0; round < 6; round++) {
        turns_give(turns, round % 2);
        cr_assert_str_eq(wire_query(other, "select 'between'"), "between");
        stage_run(wire, "plan", "me");
        stage_sync(wire, "2 D:follows_me C:SELECT_1 Z:I");
        frontend_write_describe(&wire->out, 'S', "plan");
        stage_sync(wire, "t T Z:I");
    }
    turns_give(turns, 1);
    stage_close(wire, "plan");
    stage_sync(wire, "3 Z:I");
    for (int i = 0; i < 2; i++) {
        turns_give(turns, i);
        stage_run(wire, "plan", "me");
        stage_sync(wire, "E:26000 Z:I");
    }
    /* The same name again. */
    stage_parse(wire, "plan", "select 'new ' || $1");
    stage_sync(wire, "1 Z:I");
    turns_give(turns, 0);
    stage_run(wire, "plan", "me");
    stage_sync(wire, "2 D:new_me C:SELECT_1 Z:I");
    wire_close(&other);
    wire_close(&wire);
    finish();
}

Test(prepared, describe_of_a_statement_that_the_server_lacks)
{
    start_in_turns("");
    struct wire *wire = wire_session(port);
    turns_give(turns, 0);
    stage_parse(wire, "rows", "select $1::int");
    stage_parse(wire, "none", "set local work_mem = '3MB'");
    stage_sync(wire, "1 1 Z:I");
    turns_give(turns, 1);
    frontend_write_describe(&wire->out, 'S', "rows");
    frontend_write_flush(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "t T");
    frontend_write_describe(&wire->out, 'S', "none");
    stage_sync(wire, "t n Z:I");
    wire_close(&wire);
    finish();
}

Test(prepared, answers_come_in_order_and_at_once)
{
    start_in_turns("");
    struct wire *wire = wire_session(port), *other = wire_session(port);
    /* Both texts are known to server 0, none to server 1. */
    turns_give(turns, 0);
    stage_parse(other, "a", "select 'a', $1");
    stage_parse(other, "b", "select 'b', $1");
    stage_sync(other, "1 1 Z:I");
    for (int i = 0; i < 2; i++) {
        turns_give(turns, i);
        stage_parse(wire, "", "select 'slow' from pg_sleep(0.02)");
        stage_run(wire, "", NULL);
        stage_parse(wire, "a", "select 'a', $1");
        stage_run(wire, "a", "1");
        stage_parse(wire, "b", "select 'b', $1");
        stage_run(wire, "b", "2");
        stage_run(wire, "a", "3");
        stage_close(wire, "a");
        stage_parse(wire, "a", "select 'c', $1");
        stage_run(wire, "a", "4");
        stage_sync(wire, "1 2 D:slow C:SELECT_1 1 2 D:a|1 C:SELECT_1 1 2 D:b|2 C:SELECT_1 2 D:a|3 C:SELECT_1 3 1 2 D:c|4 C:SELECT_1 Z:I");
        stage_close(wire, "a");
        stage_close(wire, "b");
        stage_sync(wire, "3 3 Z:I");
    }
    /* Flush, without a Sync, gets what is due. */
    for (int i = 0; i < 2; i++) {
        turns_give(turns, i);
        stage_parse(wire, "a", "select 'a', $1");
        frontend_write_flush(&wire->out);
        wire_flush(wire);
        wire_expect(wire, "1");
        stage_run(wire, "a", "1");
        frontend_write_flush(&wire->out);
        wire_flush(wire);
        wire_expect(wire, "2 D:a|1 C:SELECT_1");
        stage_close(wire, "a");
        frontend_write_flush(&wire->out);
        wire_flush(wire);
        wire_expect(wire, "3");
        stage_sync(wire, "Z:I");
    }
    wire_close(&other);
    wire_close(&wire);
    finish();
}

Test(prepared, many_transactions_in_one_write)
{
    enum { COUNT = 300 };
    start_in_turns("");
    struct wire *wire = wire_session(port);
    for (int i = 0; i < COUNT; i++) {
        char name[20], text[60], value[20];
        snprintf(name, sizeof name, "s%d", i % 7);
        snprintf(text, sizeof text, "select %d + $1::int", i % 7 * 1000);
        snprintf(value, sizeof value, "%d", i);
        if (i < 7) stage_parse(wire, name, text);
        stage_run(wire, name, i % 10 == 9 ? "no number" : value);
        frontend_write_sync(&wire->out);
    }
    turns_give(turns, 0);
    wire_flush(wire);
    for (int i = 0; i < COUNT; i++) {
        char pattern[60];
        snprintf(pattern, sizeof pattern, i % 10 == 9 ? "E:22P02 Z:I" : "%s2 D:%d C:SELECT_1 Z:I", i < 7 ? "1 " : "", i % 7 * 1000 + i);
        wire_expect(wire, pattern);
    }
    wire_close(&wire);
    finish();
}

Test(prepared, a_byte_at_a_time)
{
    start_in_turns("");
    struct wire *wire = wire_session(port);
    for (int i = 0; i < 2; i++) {
        turns_give(turns, i);
        if (i == 0) stage_parse(wire, "slow", "select 'slow ' || $1");
        stage_run(wire, "slow", "bytes");
        frontend_write_describe(&wire->out, 'S', "slow");
        frontend_write_sync(&wire->out);
        wire_flush_slowly(wire);
        wire_expect(wire, i == 0 ? "1 2 D:slow_bytes C:SELECT_1 t T Z:I" : "2 D:slow_bytes C:SELECT_1 t T Z:I");
    }
    wire_close(&wire);
    finish();
}

Test(prepared, statement_mode)
{
    start_on_one("pool_mode = statement\n");
    struct wire *mine = wire_session(port), *theirs = wire_session(port);
    stage_parse(mine, "plan", "select 'mine ' || $1");
    stage_sync(mine, "1 Z:I");
    stage_parse(theirs, "plan", "select 'theirs ' || $1");
    stage_sync(theirs, "1 Z:I");
    stage_run(mine, "plan", "value");
    stage_sync(mine, "2 D:mine_value C:SELECT_1 Z:I");
    stage_run(theirs, "plan", "value");
    stage_sync(theirs, "2 D:theirs_value C:SELECT_1 Z:I");
    wire_close(&theirs);
    wire_close(&mine);
    finish();
}

/* ---- the unnamed statement ---- */

Test(prepared, the_unnamed_statement_outlives_its_transaction)
{
    start_in_turns("");
    struct wire *mine = wire_session(port), *theirs = wire_session(port);
    turns_give(turns, 0);
    stage_parse(mine, "", "select 'mine ' || $1");
    stage_sync(mine, "1 Z:I");
    /* Nobody else may run it. */
    stage_run(theirs, "", "value");
    stage_sync(theirs, "E:26000_unnamed_prepared_statement_does_not_exist Z:I");
    stage_parse(theirs, "", "select 'theirs ' || $1");
    stage_sync(theirs, "1 Z:I");
    for (int round = 0; round < 4; round++) {
        turns_give(turns, round / 2);
        stage_run(mine, "", "value");
        stage_sync(mine, "2 D:mine_value C:SELECT_1 Z:I");
        frontend_write_describe(&theirs->out, 'S', "");
        stage_sync(theirs, "t T Z:I");
        stage_run(theirs, "", "value");
        stage_sync(theirs, "2 D:theirs_value C:SELECT_1 Z:I");
    }
    wire_close(&theirs);
    wire_close(&mine);
    finish();
}

Test(prepared, the_unnamed_statement_ends_as_on_postgresql)
{
    start_in_turns("");
    struct wire *wire = wire_session(port), *other = wire_session(port);
    for (int i = 0; i < 2; i++) {
        turns_give(turns, i);
        stage_parse(wire, "", "select 'unnamed'");
        stage_sync(wire, "1 Z:I");
        stage_parse(other, "", "select 'of another'");
        stage_sync(other, "1 Z:I");
        /* By a simple query, */
        stage_query(wire, "select 1", "T D:1 C:SELECT_1 Z:I");
        stage_run(wire, "", NULL);
        stage_sync(wire, "E:26000 Z:I");
        /* by a Close, */
        stage_parse(wire, "", "select 'unnamed'");
        stage_sync(wire, "1 Z:I");
        stage_close(wire, "");
        stage_sync(wire, "3 Z:I");
        stage_run(wire, "", NULL);
        stage_sync(wire, "E:26000 Z:I");
        /* by a Parse that fails, but not by one that an error before it skips. */
        stage_parse(wire, "", "select 'unnamed'");
        stage_sync(wire, "1 Z:I");
        stage_run(wire, "nosuch", NULL);
        stage_parse(wire, "", "select 'skipped'");
        stage_sync(wire, "E:26000 Z:I");
        stage_run(wire, "", NULL);
        stage_sync(wire, "2 D:unnamed C:SELECT_1 Z:I");
        stage_parse(wire, "", "selekt");
        stage_sync(wire, "E:42601 Z:I");
        stage_run(wire, "", NULL);
        stage_sync(wire, "E:26000 Z:I");
        stage_run(other, "", NULL);
        stage_sync(other, "2 D:of_another C:SELECT_1 Z:I");
    }
    wire_close(&other);
    wire_close(&wire);
    finish();
}

/* ---- behind errors ---- */

Test(prepared, what_an_error_skips_does_not_exist)
{
    start_in_turns("");
    struct wire *wire = wire_session(port), *other = wire_session(port);
    turns_give(turns, 0);
    stage_parse(other, "known", "select 'known'");
    stage_parse(wire, "kept", "select 'kept'");
    frontend_write_sync(&other->out);
    wire_flush(other);
    stage_sync(wire, "1 Z:I");
    wire_expect(other, "1 Z:I");
    for (int i = 0; i < 2; i++) {
        turns_give(turns, i);
        /* A Parse that fails, */
        stage_parse(wire, "bad", "selekt");
        stage_parse(wire, "behind", "select 'behind'");
        stage_parse(wire, "known", "select 'known'");
        stage_run(wire, "kept", NULL);
        stage_close(wire, "kept");
        stage_parse(wire, "kept", "select 'replaced'");
        stage_sync(wire, "E:42601 Z:I");
        /* a Bind of nothing, */
        stage_run(wire, "nosuch", NULL);
        stage_parse(wire, "behind", "select 'behind'");
        stage_parse(wire, "known", "select 'known'");
        stage_close(wire, "kept");
        stage_sync(wire, "E:26000 Z:I");
        /* and an error while it runs. */
        stage_parse(wire, "", "select 1 / n from generate_series(0, $1::int) n");
        stage_run(wire, "", "1");
        stage_parse(wire, "behind", "select 'behind'");
        stage_parse(wire, "known", "select 'known'");
        stage_close(wire, "kept");
        stage_sync(wire, "1 2 E:22012 Z:I");
        static const char *const skipped[] = {"bad", "behind", "known"};
        for (int k = 0; k < 3; k++) {
            stage_run(wire, skipped[k], NULL);
            stage_sync(wire, "E:26000 Z:I");
        }
        stage_run(wire, "kept", NULL);
        stage_sync(wire, "2 D:kept C:SELECT_1 Z:I");
    }
    /* The names are free. */
    for (int i = 0; i < 2; i++) {
        turns_give(turns, i);
        stage_parse(wire, "behind", "select 'another'");
        stage_parse(wire, "known", "select 'other text'");
        stage_run(wire, "behind", NULL);
        stage_run(wire, "known", NULL);
        stage_close(wire, "behind");
        stage_close(wire, "known");
        stage_sync(wire, "1 1 2 D:another C:SELECT_1 2 D:other_text C:SELECT_1 3 3 Z:I");
    }
    wire_close(&other);
    wire_close(&wire);
    finish();
}

/* What a client sends when it has read the error, and before its Sync, is skipped as well: simple queries, too. */
Test(prepared, what_is_sent_behind_an_error_that_was_told_does_not_happen)
{
    static const char *const skipped[] = {"deallocate all",           "discard all",  "deallocate kept",
                                          "prepare late as select 1", "execute kept", "select 1"};
    start_in_turns("");
    struct wire *wire = wire_session(port);
    turns_give(turns, 0);
    stage_parse(wire, "kept", "select 'kept'");
    stage_sync(wire, "1 Z:I");
    for (size_t i = 0; i < 2 * sizeof skipped / sizeof *skipped; i++) {
        turns_give(turns, (int)(i % 2));
        stage_parse(wire, "", "select 'first'");
        stage_sync(wire, "1 Z:I");
        stage_parse(wire, "bad", "selekt");
        frontend_write_flush(&wire->out);
        wire_flush(wire);
        wire_expect(wire, "E:42601");
        wire_send_query(wire, skipped[i / 2]);
        stage_parse(wire, "", "select 'second'");
        stage_parse(wire, "late", "select 'late'");
        stage_run(wire, "late", NULL);
        stage_close(wire, "kept");
        stage_sync(wire, "Z:I");
        stage_run(wire, "", NULL);
        stage_run(wire, "kept", NULL);
        stage_sync(wire, "2 D:first C:SELECT_1 2 D:kept C:SELECT_1 Z:I");
        stage_run(wire, "late", NULL);
        stage_sync(wire, "E:26000 Z:I");
    }
    wire_close(&wire);
    finish();
}

/* A Parse that the proxy itself puts in front of a Bind is skipped like any other. */
Test(prepared, what_an_error_skips_is_brought_later)
{
    start_in_turns("");
    struct wire *wire = wire_session(port);
    turns_give(turns, 0);
    stage_parse(wire, "one", "select 'one'");
    stage_parse(wire, "two", "select 'two'");
    stage_sync(wire, "1 1 Z:I");
    turns_give(turns, 1);
    stage_parse(wire, "", "selekt");
    stage_run(wire, "one", NULL);
    frontend_write_sync(&wire->out);
    stage_run(wire, "two", NULL);
    stage_run(wire, "one", NULL);
    stage_sync(wire, "E:42601 Z:I 2 D:two C:SELECT_1 2 D:one C:SELECT_1 Z:I");
    stage_run(wire, "one", NULL);
    stage_sync(wire, "2 D:one C:SELECT_1 Z:I");
    wire_close(&wire);
    finish();
}

Test(prepared, in_a_failed_transaction)
{
    start_in_turns("");
    struct wire *wire = wire_session(port), *other = wire_session(port);
    turns_give(turns, 0);
    stage_parse(other, "known", "select 'known'");
    stage_sync(other, "1 Z:I");
    stage_parse(wire, "plan", "select 'plan'");
    stage_parse(wire, "undo", "rollback");
    stage_sync(wire, "1 1 Z:I");
    for (int i = 0; i < 2; i++) {
        turns_give(turns, i);
        cr_assert_str_eq(wire_query(wire, "begin; select 1/0"), "!22012");
        stage_parse(wire, "known", "select 'known'");
        stage_sync(wire, "E:25P02 Z:E");
        stage_run(wire, "plan", NULL);
        stage_sync(wire, "E:25P02 Z:E");
        stage_parse(wire, "undo 2", "rollback");
        stage_run(wire, "undo 2", NULL);
        stage_sync(wire, "1 2 C:ROLLBACK Z:I");
        stage_close(wire, "undo 2");
        stage_sync(wire, "3 Z:I");
        stage_run(wire, "known", NULL);
        stage_sync(wire, "E:26000 Z:I");
        stage_run(wire, "plan", NULL);
        stage_sync(wire, "2 D:plan C:SELECT_1 Z:I");
    }
    wire_close(&other);
    wire_close(&wire);
    finish();
}

Test(prepared, a_statement_that_another_server_refuses)
{
    start_in_turns("");
    make_target();
    struct wire *wire = wire_session(port), *owner = wire_session(port);
    turns_give(turns, 0);
    stage_parse(wire, "plan", "select count(*) from target");
    stage_sync(wire, "1 Z:I");
    cr_assert_str_eq(wire_query(owner, "drop table target"), "");
    turns_give(turns, 1);
    stage_run(wire, "plan", NULL);
    stage_run(wire, "plan", NULL);
    stage_sync(wire, "E:42P01 Z:I");
    stage_parse(wire, "other", "select 'other'");
    stage_run(wire, "other", NULL);
    stage_sync(wire, "1 2 D:other C:SELECT_1 Z:I");
    cr_assert_str_eq(wire_query(owner, "create table target (n int primary key, t text)"), "");
    for (int i = 0; i < 2; i++) {
        turns_give(turns, i);
        stage_run(wire, "plan", NULL);
        stage_sync(wire, "2 D:0 C:SELECT_1 Z:I");
    }
    wire_close(&owner);
    wire_close(&wire);
    finish();
}

/* ---- transactions, portals, COPY ---- */

Test(prepared, a_statement_survives_the_rollback_of_its_transaction)
{
    start_in_turns("");
    struct wire *wire = wire_session(port);
    turns_give(turns, 0);
    cr_assert_str_eq(wire_query(wire, "begin"), "");
    stage_parse(wire, "plan", "select 'still here'");
    stage_sync(wire, "1 Z:T");
    cr_assert_str_eq(wire_query(wire, "rollback"), "");
    for (int i = 0; i < 2; i++) {
        turns_give(turns, i);
        stage_run(wire, "plan", NULL);
        stage_sync(wire, "2 D:still_here C:SELECT_1 Z:I");
    }
    wire_close(&wire);
    finish();
}

Test(prepared, a_client_that_dies_before_commit)
{
    start_on_one("");
    for (int round = 0; round < 4; round++) {
        struct wire *wire = wire_session(port);
        cr_assert_str_eq(wire_query(wire, "begin"), "");
        stage_parse(wire, "orphan", "select 'orphan'");
        if (round % 2 == 0) {
            stage_sync(wire, "1 Z:T");
            stage_query(wire, "prepare orphan_sql as select 'orphan'", "C:PREPARE Z:T");
        } else {
            frontend_write_flush(&wire->out);
            wire_flush(wire);
            if (round == 1) wire_expect(wire, "1");
        }
        wire_abort(&wire);
        wire = wire_session(port);
        stage_run(wire, "orphan", NULL);
        stage_sync(wire, "E:26000 Z:I");
        stage_query(wire, "execute orphan", "E:26000 Z:I");
        stage_query(wire, "execute orphan_sql", "E:26000 Z:I");
        stage_parse(wire, "orphan", "select 'adopted'");
        stage_run(wire, "orphan", NULL);
        stage_sync(wire, "1 2 D:adopted C:SELECT_1 Z:I");
        stage_query(wire, "prepare orphan_sql as select 'new'", "C:PREPARE Z:I");
        stage_query(wire, "deallocate orphan_sql", "C:DEALLOCATE Z:I");
        wire_close(&wire);
    }
    finish();
}

Test(prepared, copy_by_name)
{
    start_in_turns("");
    make_target();
    struct wire *wire = wire_session(port);
    turns_give(turns, 0);
    stage_parse(wire, "in", "copy target from stdin");
    stage_parse(wire, "out", "copy (select n, t from target order by n) to stdout");
    stage_parse(wire, "wipe", "delete from target");
    stage_sync(wire, "1 1 1 Z:I");
    for (int i = 0; i < 4; i++) {
        turns_give(turns, i % 2);
        /* With the Sync in front of the data, and everything in one write. */
        stage_run(wire, "in", NULL);
        frontend_write_sync(&wire->out);
        frontend_write_copy_data(&wire->out, "1\tone\n", 6);
        frontend_write_copy_done(&wire->out);
        frontend_write_sync(&wire->out);
        stage_run(wire, "out", NULL);
        stage_parse(wire, "late", "select count(*) from target");
        stage_run(wire, "late", NULL);
        stage_close(wire, "late");
        frontend_write_sync(&wire->out);
        /* A COPY that fails skips what comes before the Sync behind it. */
        stage_run(wire, "in", NULL);
        frontend_write_copy_data(&wire->out, "1\tone again\n", 12);
        frontend_write_copy_done(&wire->out);
        stage_close(wire, "out");
        stage_parse(wire, "never", "select 'never'");
        frontend_write_sync(&wire->out);
        stage_run(wire, "wipe", NULL);
        stage_sync(wire, "2 G C:COPY_1 Z:I 2 H d:1 c C:COPY_1 1 2 D:1 C:SELECT_1 3 Z:I 2 G E:23505 Z:I 2 C:DELETE_1 Z:I");
        stage_run(wire, "never", NULL);
        stage_sync(wire, "E:26000 Z:I");
    }
    wire_close(&wire);
    finish();
}

/* ---- eviction ---- */

Test(prepared, a_server_keeps_the_latest)
{
    enum { COUNT = 7 };
    char name[20], text[40], pattern[60];
    start_on_one("max_prepared_statements = 2\n");
    struct wire *wire = wire_session(port);
    for (int round = 0; round < 4; round++)
        for (int i = 0; i < COUNT; i++) {
            snprintf(name, sizeof name, "s%d", i);
            snprintf(text, sizeof text, "select 'evict %d'", i);
            snprintf(pattern, sizeof pattern, "%s2 D:evict_%d C:SELECT_1 Z:I", round == 0 ? "1 " : "", i);
            if (round == 0) stage_parse(wire, name, text);
            stage_run(wire, name, NULL);
            stage_sync(wire, pattern);
        }
    if (!turns_is_reference()) cr_assert_leq(prepared_with(wire, "''evict"), 2);
    /* More of them in one pipeline than may be kept, some of them twice. */
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "s%d", i * 3 % COUNT);
        stage_run(wire, name, NULL);
        stage_run(wire, "s0", NULL);
        frontend_write_describe(&wire->out, 'S', name);
    }
    frontend_write_sync(&wire->out);
    wire_flush(wire);
    struct wire_message message;
    for (int i = 0; i < COUNT; i++) {
        char row[20];
        for (int k = 0; k < 2; k++) {
            cr_assert_eq(wire_receive(wire).type, '2');
            message = wire_receive(wire);
            cr_assert_eq(message.type, 'D');
            snprintf(row, sizeof row, "evict %d", k == 0 ? i * 3 % COUNT : 0);
            cr_assert_eq(memcmp(message.body + 6, row, strlen(row)), 0, "round %d", i);
            cr_assert_eq(wire_receive(wire).type, 'C');
        }
        cr_assert_eq(wire_receive(wire).type, 't');
        cr_assert_eq(wire_receive(wire).type, 'T');
    }
    wire_expect(wire, "Z:I");
    if (!turns_is_reference()) cr_assert_leq(prepared_with(wire, "''evict"), 2);
    wire_close(&wire);
    finish();
}

Test(prepared, eviction_leaves_open_portals_alone)
{
    char name[20], text[60], pattern[60];
    start_in_turns("max_prepared_statements = 2\n");
    struct wire *wire = wire_session(port);
    turns_give(turns, 0);
    stage_parse(wire, "numbers", "select generate_series(1, $1::int)");
    stage_sync(wire, "1 Z:I");
    turns_give(turns, 1);
    cr_assert_str_eq(wire_query(wire, "begin"), "");
    frontend_write_bind(&wire->out, "open", "numbers", (const char *const[]){"5"}, 1);
    frontend_write_execute(&wire->out, "open", 1);
    stage_sync(wire, "2 D:1 s Z:T");
    for (int i = 2; i <= 4; i++) {
        snprintf(name, sizeof name, "s%d", i);
        snprintf(text, sizeof text, "select 'between %d'", i);
        snprintf(pattern, sizeof pattern, "1 2 D:between_%d C:SELECT_1 D:%d s Z:T", i, i);
        stage_parse(wire, name, text);
        stage_run(wire, name, NULL);
        frontend_write_execute(&wire->out, "open", 1);
        stage_sync(wire, pattern);
    }
    frontend_write_bind(&wire->out, "again", "numbers", (const char *const[]){"2"}, 1);
    frontend_write_execute(&wire->out, "again", 0);
    frontend_write_execute(&wire->out, "open", 0);
    stage_sync(wire, "2 D:1 D:2 C:SELECT_2 D:5 C:SELECT_1 Z:T");
    cr_assert_str_eq(wire_query(wire, "commit"), "");
    wire_close(&wire);
    finish();
}

/* Clients that push each other's statements out. */
static void push_out(const char *settings)
{
    start_on_one(settings);
    struct wire *clients[3];
    char text[60], pattern[60];
    for (int i = 0; i < 3; i++) {
        clients[i] = wire_session(port);
        snprintf(text, sizeof text, "select 'client %d'", i);
        stage_parse(clients[i], "mine", text);
        stage_sync(clients[i], "1 Z:I");
    }
    for (int round = 0; round < 5; round++)
        for (int i = 0; i < 3; i++) {
            snprintf(pattern, sizeof pattern, "2 D:client_%d C:SELECT_1 2 D:client_%d C:SELECT_1 Z:I", i, i);
            stage_run(clients[i], "mine", NULL);
            stage_run(clients[i], "mine", NULL);
            stage_sync(clients[i], pattern);
        }
    for (int i = 0; i < 3; i++) wire_close(&clients[i]);
    finish();
}

Test(prepared, eviction_by_others)
{
    push_out("max_prepared_statements = 1\n");
}

/* As files for PgBouncer have it that turn them off. */
Test(prepared, none_to_be_kept)
{
    push_out("max_prepared_statements = 0\n");
}

/* ---- many and large ---- */

Test(prepared, ten_thousand_statements)
{
    enum { COUNT = 10000, BATCH = 500, MEMORY_MAX_KIB = 24 * 1024 };
    char name[40], text[60], pattern[60];
    start_on_one("max_prepared_statements = 100\n");
    struct wire *wire = wire_session(port), *other = wire_session(port);
    cr_assert_str_eq(wire_query(wire, "select 1"), "1");
    long before_kib = proxy != NULL ? proxy_rss_kib(proxy) : 0;
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "statement %d", i);
        snprintf(text, sizeof text, "select %d, $1", i);
        stage_parse(wire, name, text);
        if (i % BATCH < BATCH - 1) continue;
        frontend_write_sync(&wire->out);
        wire_flush(wire);
        for (int k = 0; k < BATCH; k++) cr_assert_eq(wire_receive(wire).type, '1');
        wire_expect(wire, "Z:I");
    }
    if (!turns_is_reference()) cr_assert_leq(prepared_with(wire, "select "), 101);
    for (int i = 0; i < 300; i++) {
        int pick = i * 7919 % COUNT;
        snprintf(name, sizeof name, "statement %d", pick);
        snprintf(pattern, sizeof pattern, "2 D:%d|x C:SELECT_1 Z:I", pick);
        stage_run(wire, name, "x");
        stage_sync(wire, pattern);
    }
    /* Another client with the same texts costs its names only. */
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "%d", i);
        snprintf(text, sizeof text, "select %d, $1", i);
        stage_parse(other, name, text);
        if (i % BATCH < BATCH - 1) continue;
        frontend_write_sync(&other->out);
        wire_flush(other);
        for (int k = 0; k < BATCH; k++) cr_assert_eq(wire_receive(other).type, '1');
        wire_expect(other, "Z:I");
    }
    if (proxy != NULL) cr_assert_leq(proxy_rss_kib(proxy) - before_kib, MEMORY_MAX_KIB, "%ld KiB", proxy_rss_kib(proxy) - before_kib);
    wire_close(&wire);
    stage_run(other, "4711", "x");
    stage_sync(other, "2 D:4711|x C:SELECT_1 Z:I");
    wire_close(&other);
    finish();
}

/* A text too long to be kept may hold its server, but not longer than it is there. */
static void expect_no_pin(void)
{
    turns = turns_start(port, "app", 2);
}

Test(prepared, as_many_parameters_as_there_can_be)
{
    enum { COUNT = 65535 };
    char *text = malloc((size_t)COUNT * 8 + 100), *at = text;
    const char **values = malloc(COUNT * sizeof *values);
    char(*digits)[8] = malloc(COUNT * sizeof *digits);
    proxy = turns_proxy("budget = 2\n");
    port = turns_port(proxy);
    struct wire *wire = wire_session(port), *other = wire_session(port);
    at += sprintf(at, "select count(*), sum(n) from unnest(array[");
    for (int i = 0; i < COUNT; i++) {
        at += sprintf(at, "%s$%d", i > 0 ? "," : "", i + 1);
        snprintf(digits[i], sizeof digits[i], "%d", i);
        values[i] = digits[i];
    }
    sprintf(at, "]::int[]) n");
    static const char *const names[] = {"wide", ""};
    for (int k = 0; k < 2; k++) {
        stage_parse(wire, names[k], text);
        frontend_write_describe(&wire->out, 'S', names[k]);
        stage_sync(wire, "1 t T Z:I");
        for (int i = 0; i < 2; i++) {
            cr_assert_str_eq(wire_query(other, "select 'between'"), "between");
            frontend_write_bind(&wire->out, "", names[k], values, COUNT);
            frontend_write_execute(&wire->out, "", 0);
            stage_sync(wire, "2 D:65535|2147385345 C:SELECT_1 Z:I");
        }
    }
    stage_close(wire, "wide");
    stage_close(wire, "");
    stage_sync(wire, "3 3 Z:I");
    expect_no_pin();
    wire_close(&other);
    wire_close(&wire);
    finish();
    free(digits);
    free(values);
    free(text);
}

Test(prepared, a_long_text)
{
    /* PostgreSQL takes no Close of more than 10000 bytes. */
    enum { SIZE = 100 * 1000, NAME_SIZE = 9900 };
    char *text = malloc(SIZE + 100), *long_name = malloc(NAME_SIZE + 1);
    proxy = turns_proxy("budget = 2\n");
    port = turns_port(proxy);
    struct wire *wire = wire_session(port), *other = wire_session(port);
    memset(long_name, 'n', NAME_SIZE);
    long_name[NAME_SIZE] = '\0';
    size_t used = (size_t)sprintf(text, "select length('");
    memset(text + used, 'x', SIZE);
    sprintf(text + used + SIZE, "') + $1::int");
    for (int round = 0; round < 2; round++) {
        stage_parse(wire, "long", text);
        stage_parse(wire, long_name, "select 'long name'");
        stage_sync(wire, "1 1 Z:I");
        for (int i = 0; i < 2; i++) {
            cr_assert_str_eq(wire_query(other, "select 'between'"), "between");
            stage_run(wire, "long", "1");
            stage_run(wire, long_name, NULL);
            frontend_write_describe(&wire->out, 'S', "long");
            stage_sync(wire, "2 D:100001 C:SELECT_1 2 D:long_name C:SELECT_1 t T Z:I");
        }
        stage_parse(wire, "long", "select 1");
        stage_sync(wire, "E:42P05 Z:I");
        stage_run(other, "long", "1");
        stage_sync(other, "E:26000 Z:I");
        stage_close(wire, "long");
        stage_close(wire, long_name);
        stage_run(wire, "long", "1");
        stage_sync(wire, "3 3 E:26000 Z:I");
    }
    expect_no_pin();
    wire_close(&other);
    wire_close(&wire);
    finish();
    free(long_name);
    free(text);
}

/* A Bind with a value that does not fit into any buffer, for a statement that the server lacks. */
Test(prepared, a_large_value)
{
    enum { SIZE = 900 * 1000 };
    char *value = malloc(SIZE + 1);
    start_in_turns("");
    struct wire *wire = wire_session(port);
    memset(value, 'v', SIZE);
    value[SIZE] = '\0';
    turns_give(turns, 0);
    stage_parse(wire, "size", "select length($1)");
    stage_sync(wire, "1 Z:I");
    for (int i = 0; i < 2; i++) {
        turns_give(turns, i);
        stage_run(wire, "size", value);
        stage_run(wire, "size", "four");
        stage_sync(wire, "2 D:900000 C:SELECT_1 2 D:4 C:SELECT_1 Z:I");
    }
    wire_close(&wire);
    finish();
    free(value);
}
