/*
 * What a session holds that cannot be moved, while clients take turns on servers: it keeps its server, nobody else sees it, and it ends with its client.
 * Not for settings and roles, which follow their client: test_session_state.c.
 */
#include "tests/e2e/support/files.h"
#include "tests/e2e/support/holdings.h"
#include "tests/e2e/support/sql.h"
#include "tests/e2e/support/stage.h"
#include "tests/e2e/support/turns.h"
#include "tests/e2e/support/wait.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

const struct postgres_options e2e_postgres_options = {0};

TestSuite(pins, .timeout = 300);

enum { STEPS_MAX = 7 };

static struct proxy *proxy;
static int port;

static void start(const char *settings)
{
    proxy = holdings_proxy(settings);
    port = turns_port(proxy);
}

static void finish(void)
{
    turns_close(NULL, &proxy);
}

static struct wire *session_of(const char *user, const char *const *pairs)
{
    return holdings_session(port, user, pairs);
}

/* ---- what cannot move ---- */

struct pinning {
    const char *name;
    const char *make[STEPS_MAX];
    const char *question;       /* answers "t" where the state is, "f" elsewhere */
    const char *end[STEPS_MAX]; /* each ends it on its own; the end of the client does so in any case */
    const char *user;
};

#define LOCK_QUESTION   "select count(*) > 0 from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"
#define TEMP_QUESTION   "select to_regclass('pg_temp.mine') is not null"
#define CURSOR_QUESTION "select count(*) > 0 from pg_cursors where name = 'mine'"
#define LISTEN_QUESTION "select count(*) > 0 from pg_listening_channels()"

static const struct pinning pinning[] = {
    {"temp table",
     {"create temp table mine (n int)"},
     TEMP_QUESTION,
     {"drop table mine", "discard temp", "discard all", "begin; drop table mine; commit"},
     NULL},
    {"temp table, extended", {"create temporary table mine as select 1 as n"}, TEMP_QUESTION, {"drop table pg_temp.mine"}, NULL},
    {"local temp table",
     {"create local temporary table if not exists mine (n int) on commit delete rows"},
     TEMP_QUESTION,
     {"drop table mine"},
     NULL},
    {"temp table by schema", {"create table pg_temp.mine (n int)"}, TEMP_QUESTION, {"drop table mine"}, NULL},
    {"temp table by select into", {"select 1 as n into temp mine"}, TEMP_QUESTION, {"drop table mine"}, NULL},
    {"temp table by search_path", {"set search_path = pg_temp", "create table mine (n int)"}, TEMP_QUESTION, {"drop table mine"}, NULL},
    {"temp table in a transaction", {"begin", "create temp table mine (n int)", "commit"}, TEMP_QUESTION, {"drop table mine"}, NULL},
    {"temp table in DO", {"do $$ begin create temp table mine (n int); end $$"}, TEMP_QUESTION, {"drop table mine"}, NULL},
    {"temp view", {"create or replace temp view mine as select 1 as n"}, TEMP_QUESTION, {"drop view mine"}, NULL},
    {"temp sequence", {"create temporary sequence mine"}, TEMP_QUESTION, {"drop sequence mine"}, NULL},
    {"temp function",
     {"create function pg_temp.mine() returns int language sql as 'select 1'"},
     "select to_regprocedure('pg_temp.mine()') is not null",
     {"drop function pg_temp.mine()"},
     NULL},
    {"cursor", {"declare mine cursor with hold for select 1"}, CURSOR_QUESTION, {"close mine", "close all", "discard all"}, NULL},
    {"cursor in a transaction",
     {"begin", "declare mine scroll cursor with hold for select 1", "fetch 1 from mine", "commit"},
     CURSOR_QUESTION,
     {"close mine"},
     NULL},
    {"lock",
     {"select pg_advisory_lock(7)"},
     LOCK_QUESTION,
     {"select pg_advisory_unlock(7)", "select pg_advisory_unlock_all()", "discard all"},
     NULL},
    {"lock, tried", {"select pg_try_advisory_lock(7, 8)"}, LOCK_QUESTION, {"select pg_advisory_unlock(7, 8)"}, NULL},
    {"lock, shared", {"select pg_catalog.pg_advisory_lock_shared(7)"}, LOCK_QUESTION, {"select pg_advisory_unlock_shared(7)"}, NULL},
    {"lock in a transaction that fails",
     {"begin", "select pg_advisory_lock(7)", "select 1/0", "rollback"},
     LOCK_QUESTION,
     {"select pg_advisory_unlock(7)"},
     NULL},
    {"locks, one unlocked",
     {"select pg_advisory_lock(7)", "select pg_advisory_lock(8)", "select pg_advisory_unlock(7)"},
     LOCK_QUESTION,
     {"select pg_advisory_unlock(8)"},
     NULL},
    {"lock in DO", {"do $$ begin perform pg_advisory_lock(7); end $$"}, LOCK_QUESTION, {"select pg_advisory_unlock(7)"}, NULL},
    {"listen", {"listen news"}, LISTEN_QUESTION, {"unlisten news", "unlisten *", "UNLISTEN \"news\"", "discard all"}, NULL},
    {"listen in a transaction", {"begin; listen news; commit"}, LISTEN_QUESTION, {"unlisten *"}, NULL},
    {"listen to two", {"listen news", "listen weather", "unlisten weather"}, LISTEN_QUESTION, {"unlisten news"}, NULL},
    {"load", {"load 'auto_explain'"}, "select current_setting('auto_explain.log_min_duration', true) is not null", {0}, "boss"},
};

/* What looks as if it pinned and does not. */
static const char *const passing[][STEPS_MAX] = {
    {"begin", "create temp table mine (n int) on commit drop", "commit"},
    {"begin", "create temp table mine (n int)", "rollback"},
    {"begin; create temp table mine (n int)", "drop table mine", "commit"},
    {"begin", "savepoint s", "create temp table mine (n int)", "rollback to s", "commit"},
    {"begin", "declare mine cursor for select 1", "fetch 1 from mine", "commit"},
    {"begin", "declare mine cursor with hold for select 1", "rollback"},
    {"begin", "select pg_advisory_xact_lock(7)", "commit"},
    {"begin", "select pg_try_advisory_xact_lock_shared(7)", "rollback"},
    {"select pg_advisory_lock(7), pg_advisory_unlock(7)"},
    {"begin", "listen news", "rollback"},
    {"begin", "listen news; unlisten news", "commit"},
    {"notify news, 'x'"},
    {"select 'create temp table mine (n int); listen news; pg_advisory_lock(7)'"},
    {"create table if not exists kept (listen int)", "drop table kept"},
};

/* All servers are to be had, and on none is there anything of the client that is gone. */
static bool is_clean(const struct pinning *sample, const char *pid, const char *how)
{
    char got[16];
    bool is_good = true, is_there = turns_is_reference();
    struct turns *turns = turns_start(port, sample->user != NULL ? sample->user : "app", 2);
    struct wire *other = session_of(sample->user, NULL);
    for (int i = 0; i < 2; i++) {
        is_there = is_there || strcmp(turns->pids[i], pid) == 0;
        turns_give(turns, i);
        is_good = holdings_are_right(sample->name, how, holdings_look(other, sample->question, got, sizeof got), "f") && is_good;
    }
    /* What can be ended by SQL leaves the server as it was; LOAD cannot. */
    if (sample->end[0] != NULL) cr_expect(is_there, "%s, %s: the server was closed", sample->name, how);
    turns_end(&turns);
    wire_close(&other);
    return is_good && (is_there || sample->end[0] == NULL);
}

static void make(struct wire *wire, const char *const *steps)
{
    for (int i = 0; i < STEPS_MAX && steps[i] != NULL; i++) {
        const char *answer = wire_query(wire, steps[i]);
        cr_assert(answer[0] != '!' || strstr(steps[i], "1/0") != NULL, "%s: %s", steps[i], answer);
    }
}

/* Whether the client goes on seeing what it made, on the server where it made it, and others, elsewhere, do not. */
static bool keeps(const struct pinning *sample, struct wire *mine, char *pid, size_t pid_size)
{
    char now[16];
    struct wire *theirs = session_of(sample->user, NULL);
    bool is_good = holdings_are_right(sample->name, "its client sees", holdings_look(mine, sample->question, pid, pid_size), "t");
    for (int round = 0; round < 3 && is_good; round++) {
        is_good = holdings_are_right(sample->name, "another client sees", holdings_look(theirs, sample->question, now, sizeof now), "f");
        cr_expect_str_neq(now, pid, "%s: another client has its server", sample->name);
        is_good =
            holdings_are_right(sample->name, "its client sees", holdings_look(mine, sample->question, now, sizeof now), "t") && is_good;
        is_good = holdings_are_right(sample->name, "its server is", now, pid) && is_good;
    }
    wire_close(&theirs);
    return is_good;
}

/* One sample that `end`, or when that is NULL the end of its client, ends. */
static bool pin(const struct pinning *sample, const char *end, bool is_extended)
{
    char pid[16], now[16], how[100];
    struct wire *mine = session_of(sample->user, NULL);
    if (is_extended) {
        stage_parse(mine, "", sample->make[0]);
        stage_run(mine, "", NULL);
        stage_sync(mine, "1 2 D* C Z:I");
    } else {
        make(mine, sample->make);
    }
    bool is_good = keeps(sample, mine, pid, sizeof pid);
    if (end == NULL)
        wire_close(&mine);
    else
        make(mine, (const char *const[STEPS_MAX]){end});
    snprintf(how, sizeof how, "after %s another client sees", end != NULL ? end : "the end of its client");
    is_good = is_good && is_clean(sample, pid, how);
    if (is_good && end != NULL)
        is_good = holdings_are_right(sample->name, end, holdings_look(mine, sample->question, now, sizeof now), "f");
    wire_close(&mine);
    return is_good;
}

/* The samples share a proxy and its two servers for as long as they leave nothing behind. */
static void pin_all(size_t from, size_t to)
{
    start("budget = 2\n");
    for (size_t i = from; i < to; i++) {
        bool is_good = true;
        for (int k = 0; k < STEPS_MAX && pinning[i].end[k] != NULL && is_good; k++) is_good = pin(&pinning[i], pinning[i].end[k], false);
        is_good = is_good && pin(&pinning[i], NULL, false);
        if (pinning[i].make[1] == NULL && strchr(pinning[i].make[0], ';') == NULL) is_good = is_good && pin(&pinning[i], NULL, true);
        if (is_good) continue;
        finish();
        start("budget = 2\n");
    }
    finish();
}

enum { PINNING_COUNT = sizeof pinning / sizeof *pinning };

Test(pins, what_cannot_move_keeps_its_server)
{
    pin_all(0, PINNING_COUNT / 2);
}

Test(pins, what_cannot_move_keeps_its_server_2)
{
    pin_all(PINNING_COUNT / 2, PINNING_COUNT);
}

Test(pins, what_ends_with_its_transaction_keeps_no_server)
{
    char pid[16];
    if (turns_is_reference()) return;
    start("budget = 1\n");
    struct wire *mine = session_of(NULL, NULL), *theirs = session_of(NULL, NULL);
    cr_assert_str_eq(holdings_look(mine, "select 1", pid, sizeof pid), "1");
    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++) {
        char now[16];
        make(mine, passing[i]);
        cr_assert_str_eq(holdings_look(theirs, "select 1", now, sizeof now), "1");
        cr_assert_str_eq(now, pid, "\"%s\" cost a server", passing[i][0]);
    }
    wire_close(&theirs);
    wire_close(&mine);
    finish();
}

/* Whatever ended it: nothing is left on any server, and nobody else's is harmed. */
Test(pins, a_client_that_dies_leaves_a_clean_server)
{
    start("budget = 1\n");
    for (int round = 0; round < 6; round++) {
        struct wire *wire = session_of(NULL, (const char *const[]){"application_name", "dead", NULL});
        make(wire, (const char *const[STEPS_MAX]){"set work_mem = '3MB'; set role app2; set app.x = 'dead'",
                                                  "create temp table mine (n int)", "select pg_advisory_lock(7); listen news",
                                                  "declare c cursor with hold for select 1", "prepare p as select 1"});
        if (round % 3 == 1) cr_assert_str_eq(wire_query(wire, "begin; insert into mine values (1); set local work_mem = '9MB'"), "");
        /* PostgreSQL itself would not notice. */
        if (round % 3 == 2 && !turns_is_reference()) wire_send_query(wire, "select pg_sleep(30)");
        wire_abort(&wire);
        wire = session_of(NULL, NULL);
        cr_assert_str_eq(
            wire_query(
                wire,
                "select concat_ws('|', current_setting('work_mem'), current_user, nullif(current_setting('app.x', true), ''), "
                "to_regclass('pg_temp.mine'), (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()), "
                "(select count(*) from pg_listening_channels()), (select count(*) from pg_cursors where name = 'c'), "
                "(select count(*) from pg_prepared_statements where name = 'p'), "
                "(select application_name from pg_stat_activity where pid = pg_backend_pid()))"),
            "4MB|app|0|0|0|0|");
        WAIT_FOR(sql_int(sql_direct(), "select count(*) from pg_locks where locktype = 'advisory'") == 0, LONG_MS);
        wire_close(&wire);
    }
    finish();
}

Test(pins, notifications_arrive_at_their_client_only)
{
    start("budget = 3\n");
    struct wire *listener = session_of(NULL, NULL), *speaker = session_of(NULL, NULL), *other = session_of(NULL, NULL);
    struct wire_message message;
    cr_assert_str_eq(wire_query(listener, "listen news"), "");
    for (int round = 0; round < 5; round++) {
        stage_query(speaker, "notify news, 'hello'", "C:NOTIFY Z:I");
        cr_assert_str_eq(wire_query(other, "select 'other'"), "other");
        /* Without asking for it. */
        message = wire_receive(listener);
        cr_assert_eq(message.type, 'A');
    }
    stage_query(listener, "unlisten news", "C:UNLISTEN Z:I");
    stage_query(speaker, "notify news, 'nobody hears'", "C:NOTIFY Z:I");
    stage_query(listener, "select 1", "T D:1 C:SELECT_1 Z:I");
    cr_assert_not(wire_try_receive(listener, 20, &message));
    cr_assert_not(wire_try_receive(other, 20, &message));
    wire_close(&other);
    wire_close(&speaker);
    wire_close(&listener);
    finish();
}

/* A pinned client's settings are its own as well, and leave with it. */
Test(pins, settings_of_a_pinned_client)
{
    char pid[16];
    start("budget = 2\n");
    struct wire *mine = session_of(NULL, NULL), *theirs = session_of(NULL, NULL);
    make(mine, (const char *const[STEPS_MAX]){"create temp table mine (n int)", "set work_mem = '3MB'", "set role app2"});
    cr_assert_str_eq(holdings_look(mine, "select current_setting('work_mem') || current_user", pid, sizeof pid), "3MBapp2");
    cr_assert_str_eq(holdings_look(theirs, "select current_setting('work_mem') || current_user", pid, sizeof pid), "4MBapp");
    make(mine, (const char *const[STEPS_MAX]){"reset role", "drop table mine"});
    struct turns *turns = turns_start(port, "app", 2);
    for (int i = 0; i < 4; i++) {
        turns_give(turns, i % 2);
        cr_assert_str_eq(holdings_look(theirs, "select current_setting('work_mem') || current_user", pid, sizeof pid), "4MBapp");
        cr_assert_str_eq(holdings_look(mine, "select current_setting('work_mem') || current_user", pid, sizeof pid), "3MBapp");
    }
    turns_end(&turns);
    wire_close(&theirs);
    wire_close(&mine);
    finish();
}

/* ---- limits ---- */

Test(pins, more_pins_than_max_pinned)
{
    char pid[16];
    if (turns_is_reference()) return;
    start("budget = 4\nmax_pinned = 1\n");
    struct wire *first = session_of(NULL, NULL), *second = session_of(NULL, NULL);
    cr_assert_str_eq(wire_query(first, "listen news"), "");
    /* Behind this it is counted. */
    cr_assert_str_eq(wire_query(first, "select 1"), "1");
    static const char *const texts[] = {"listen news", "create temp table mine (n int)", "select pg_advisory_lock(7)",
                                        "declare mine cursor with hold for select 1"};
    static const char *const questions[] = {LISTEN_QUESTION, TEMP_QUESTION, LOCK_QUESTION, CURSOR_QUESTION};
    for (int i = 0; i < 4; i++) {
        holdings_expect_refusal(second, texts[i], "max_pinned");
        /* The connection goes on, and what was refused has not happened. */
        cr_assert_str_eq(holdings_look(second, questions[i], pid, sizeof pid), "f", "%s", texts[i]);
        cr_assert_str_eq(wire_query(second, "set work_mem = '3MB'"), "");
        cr_assert_str_eq(wire_query(second, "show work_mem"), "3MB");
    }
    stage_parse(second, "", "listen news");
    stage_run(second, "", NULL);
    frontend_write_sync(&second->out);
    wire_flush(second);
    struct wire_message message;
    bool has_error = false;
    while ((message = wire_receive(second)).type != 'Z') has_error = has_error || message.type == 'E';
    cr_assert(has_error);
    /* The first one may hold more, and when it holds nothing the next may. */
    cr_assert_str_eq(wire_query(first, "create temp table mine (n int)"), "");
    cr_assert_str_eq(wire_query(first, "drop table mine; unlisten *"), "");
    WAIT_FOR(wire_query(second, "listen news")[0] != '!', LONG_MS);
    cr_assert_str_eq(wire_query(second, "select 1"), "1");
    holdings_expect_refusal(first, "listen news", "max_pinned");
    wire_close(&second);
    wire_settle(port);
    WAIT_FOR(wire_query(first, "listen news")[0] != '!', LONG_MS);
    wire_close(&first);
    finish();
}

/* The limit is one of each pool. */
Test(pins, max_pinned_counts_each_pool)
{
    if (turns_is_reference()) return;
    start("budget = 4\nmax_pinned = 1\n");
    struct wire *first = session_of("app", NULL), *second = session_of("app2", NULL), *third = session_of("app", NULL);
    cr_assert_str_eq(wire_query(first, "listen news"), "");
    cr_assert_str_eq(wire_query(first, "select 1"), "1");
    cr_assert_str_eq(wire_query(second, "listen news"), "");
    holdings_expect_refusal(third, "listen news", "max_pinned");
    wire_close(&third);
    wire_close(&second);
    wire_close(&first);
    finish();
}

/* What was held on a server that is lost is held no more. */
Test(pins, max_pinned_forgets_clients_whose_server_is_lost)
{
    char pid[16];
    if (turns_is_reference()) return;
    start("budget = 4\nmax_pinned = 1\n");
    struct wire *first, *second = session_of(NULL, NULL);
    for (int round = 0; round < 3; round++) {
        first = session_of(NULL, NULL);
        cr_assert_str_eq(wire_query(first, "listen news"), "");
        cr_assert_str_eq(holdings_look(first, "select 1", pid, sizeof pid), "1");
        holdings_expect_refusal(second, "listen news", "max_pinned");
        sql_run(sql_direct(), "select pg_terminate_backend(%s)", pid);
        wire_expect(first, "E:57P01 E* -");
        wire_close(&first);
    }
    cr_assert_str_eq(wire_query(second, "listen news"), "");
    wire_close(&second);
    finish();
}

Test(pins, state_that_cannot_move_is_refused_where_so_configured)
{
    char pid[16];
    if (turns_is_reference()) return;
    start("budget = 1\nsession_state = refuse\n");
    struct wire *first = session_of(NULL, NULL), *second = session_of(NULL, NULL);
    for (size_t i = 0; i < PINNING_COUNT; i++) {
        /* DO and search_path hide it until it has happened. */
        if (pinning[i].user != NULL || pinning[i].make[1] != NULL || strstr(pinning[i].name, "DO") != NULL) continue;
        holdings_expect_refusal(first, pinning[i].make[0], "session_state");
        cr_assert_str_eq(holdings_look(first, pinning[i].question, pid, sizeof pid), "f", "%s", pinning[i].name);
        cr_assert_str_eq(holdings_look(second, pinning[i].question, pid, sizeof pid), "f", "%s", pinning[i].name);
    }
    /* In a transaction it fails like any error, */
    cr_assert_str_eq(wire_query(first, "begin"), "");
    holdings_expect_refusal(first, "create temp table mine (n int)", "session_state");
    cr_assert_str_eq(wire_query(first, "select 1"), "!25P02");
    cr_assert_str_eq(wire_query(first, "rollback"), "");
    /* what does not outlive it is fine, */
    make(first,
         (const char *const[STEPS_MAX]){"begin", "create temp table mine (n int) on commit drop", "insert into mine values (1)", "commit"});
    make(first, (const char *const[STEPS_MAX]){"begin", "select pg_advisory_xact_lock(7)", "commit"});
    /* and settings and prepared statements move as ever. */
    cr_assert_str_eq(wire_query(first, "set work_mem = '3MB'"), "");
    cr_assert_str_eq(holdings_look(second, "show work_mem", pid, sizeof pid), "4MB");
    cr_assert_str_eq(holdings_look(first, "show work_mem", pid, sizeof pid), "3MB");
    stage_parse(first, "plan", "select 'plan'");
    stage_sync(first, "1 Z:I");
    cr_assert_str_eq(wire_query(second, "select 1"), "1");
    stage_run(first, "plan", NULL);
    stage_sync(first, "2 D:plan C:SELECT_1 Z:I");
    wire_close(&second);
    wire_close(&first);
    finish();
}
