/*
 * What a session holds beyond a transaction, while clients take turns on servers. Settings and roles follow their client to every
 * server; no other client sees them.
 * Not for what cannot be moved: test_pins.c. Not for prepared statements of the protocol: test_prepared.c.
 */
#include "tests/e2e/support/fake_server.h"
#include "tests/e2e/support/files.h"
#include "tests/e2e/support/holdings.h"
#include "tests/e2e/support/sql.h"
#include "tests/e2e/support/stage.h"
#include "tests/e2e/support/turns.h"
#include "tests/e2e/support/wait.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

const struct postgres_options e2e_postgres_options = {0};

TestSuite(session_state, .timeout = 300);

enum { STEPS_MAX = 7, PAIRS_MAX = 7 };

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

/* ---- what moves ---- */

struct moving {
    const char *name;
    const char *make[STEPS_MAX]; /* each a simple query; an error is fine */
    const char *question;
    const char *mine, *theirs;          /* the answers of the client that did it, and of the others */
    const char *user;                   /* NULL: app */
    const char *startup[2 * PAIRS_MAX]; /* of that client only */
    const char *reported;               /* the ParameterStatus that must say `mine`, or NULL */
};

static const struct moving moving[] = {
    {.name = "set", {"set work_mem = '3MB'"}, "show work_mem", "3MB", "4MB"},
    {.name = "set session", {"SET SESSION work_mem TO 3072"}, "show work_mem", "3MB", "4MB"},
    {.name = "set quoted", {"set \"work_mem\" = '3MB'"}, "show work_mem", "3MB", "4MB"},
    {.name = "set behind a comment", {"/* x */ -- y\n set/* */work_mem = '3MB'"}, "show work_mem", "3MB", "4MB"},
    {.name = "set several",
     {"set work_mem = '3MB'; set random_page_cost = 2; select 1"},
     "select current_setting('work_mem') || current_setting('random_page_cost')",
     "3MB2",
     "4MB4"},
    {.name = "set reported", {"set DateStyle = 'German'"}, "show DateStyle", "German, DMY", "ISO, MDY", .reported = "DateStyle"},
    {.name = "set time zone", {"set time zone 'Asia/Tokyo'"}, "show TimeZone", "Asia/Tokyo", "UTC", .reported = "TimeZone"},
    {.name = "set time zone offset", {"set time zone -3.5"}, "show TimeZone", "<-03:30>+03:30", "UTC", .reported = "TimeZone"},
    {.name = "set names", {"set names 'LATIN1'"}, "show client_encoding", "LATIN1", "UTF8", .reported = "client_encoding"},
    {.name = "set interval style", {"set IntervalStyle = iso_8601"}, "select interval '1 day'", "P1D", "1 day"},
    {.name = "set strings", {"set standard_conforming_strings = off"}, "select length('a\\\\b')", "3", "4"},
    {.name = "set application_name",
     {"set application_name = 'mine'"},
     "select application_name from pg_stat_activity where pid = pg_backend_pid()",
     "mine",
     "",
     .reported = "application_name"},
    {.name = "set session characteristics",
     {"set session characteristics as transaction isolation level serializable, read only"},
     "select current_setting('default_transaction_isolation') || current_setting('transaction_read_only')",
     "serializableon",
     "read committedoff"},
    {.name = "set read only, then more",
     {"set default_transaction_read_only = on", "set work_mem = '3MB'"},
     "select current_setting('work_mem') || current_setting('transaction_read_only')",
     "3MBon",
     "4MBoff"},
    {.name = "set search_path",
     {"set search_path = \"a, b\", 'c''d', \"$user\", \"q\"\"q\""},
     "show search_path",
     "\"a, b\", \"c'd\", \"$user\", \"q\"\"q\"",
     "\"$user\", public"},
    {.name = "set schema", {"set schema 'pg_catalog'"}, "select current_schemas(false)::text", "{pg_catalog}", "{public}"},
    {.name = "set temp_tablespaces", {"set temp_tablespaces = ''"}, "show temp_tablespaces", "\"\"", ""},
    {.name = "set custom", {"set app.user_id = '42'"}, "select current_setting('app.user_id', true)", "42", ""},
    {.name = "set custom to odd text",
     {"set app.note = E'it''s \\\\ \"\\n\\t $1 %s \\u00fc'"},
     "select current_setting('app.note', true)",
     "it's \\ \"\n\t $1 %s \xc3\xbc",
     ""},
    {.name = "set custom to nothing", {"set app.note = 'x'", "set app.note = ''"}, "select current_setting('app.note', true)", "", ""},
    {.name = "set timeouts",
     {"set statement_timeout = '7s'; set lock_timeout = '6s'; set idle_in_transaction_session_timeout = '5s'"},
     "select concat_ws(',', current_setting('statement_timeout'), current_setting('lock_timeout'), "
     "current_setting('idle_in_transaction_session_timeout'))",
     "7s,6s,5s",
     "0,0,0"},
    {.name = "set to default", {"set work_mem = '3MB'", "set work_mem to default"}, "show work_mem", "4MB", "4MB"},
    {.name = "set from current", {"set local work_mem = '3MB'"}, "show work_mem", "4MB", "4MB"},
    {.name = "set twice", {"set work_mem = '3MB'", "set work_mem = '5MB'"}, "show work_mem", "5MB", "4MB"},
    {.name = "set wrongly", {"set work_mem = '3MB'", "set work_mem = 'much'"}, "show work_mem", "3MB", "4MB"},
    {.name = "set, then a failing statement in one query", {"set work_mem = '3MB'; select 1/0"}, "show work_mem", "4MB", "4MB"},
    {.name = "reset", {"set work_mem = '3MB'", "reset work_mem"}, "show work_mem", "4MB", "4MB"},
    {.name = "reset time zone", {"set time zone 'Asia/Tokyo'", "reset time zone"}, "show TimeZone", "UTC", "UTC", .reported = "TimeZone"},
    {.name = "reset all",
     {"set work_mem = '3MB'", "set DateStyle = 'German'", "reset all"},
     "select current_setting('work_mem') || current_setting('DateStyle')",
     "4MBISO, MDY",
     "4MBISO, MDY"},
    {.name = "discard all",
     {"set work_mem = '3MB'", "set DateStyle = 'German'", "set role app2", "discard all"},
     "select current_setting('work_mem') || current_setting('DateStyle') || current_user",
     "4MBISO, MDYapp",
     "4MBISO, MDYapp"},
    {.name = "set, reset, set another",
     {"set work_mem = '3MB'", "reset all", "set random_page_cost = 2"},
     "select current_setting('work_mem') || current_setting('random_page_cost')",
     "4MB2",
     "4MB4"},

    {.name = "set_config", {"select set_config('work_mem', '3MB', false)"}, "show work_mem", "3MB", "4MB"},
    {.name = "set_config of a role", {"select set_config('role', 'app2', false)"}, "select current_user", "app2", "app"},
    {.name = "set_config, qualified and odd",
     {"select pg_catalog . /* x */ \"set_config\" ('work_mem', '3MB', 1 > 2)"},
     "show work_mem",
     "3MB",
     "4MB"},
    {.name = "set_config for the transaction",
     {"begin", "select set_config('work_mem', '3MB', true)", "commit"},
     "show work_mem",
     "4MB",
     "4MB"},
    {.name = "set_config in a FROM",
     {"select * from set_config('app.user_id', '42', false) s where s <> ''"},
     "select current_setting('app.user_id', true)",
     "42",
     ""},
    {.name = "set_config of many",
     {"select set_config(n, v, false) from (values ('work_mem', '3MB'), ('app.x', '1')) s(n, v)"},
     "select current_setting('work_mem') || coalesce(current_setting('app.x', true), '')",
     "3MB1",
     "4MB"},
    {.name = "update of pg_settings", {"update pg_settings set setting = '3072' where name = 'work_mem'"}, "show work_mem", "3MB", "4MB"},
    {.name = "inside a function", {"select set_inside('work_mem', '3MB')"}, "show work_mem", "3MB", "4MB"},
    {.name = "inside a function, reported",
     {"select set_inside('DateStyle', 'German')"},
     "show DateStyle",
     "German, DMY",
     "ISO, MDY",
     .reported = "DateStyle"},
    {.name = "inside DO", {"do $$ begin perform set_config('work_mem', '3MB', false); end $$"}, "show work_mem", "3MB", "4MB"},
    {.name = "inside DO, by SET", {"do $$ begin set work_mem = '3MB'; end $$"}, "show work_mem", "3MB", "4MB"},
    {.name = "a function's own setting", {"select set_outside()"}, "show work_mem", "4MB", "4MB"},

    {.name = "committed", {"begin", "set work_mem = '3MB'", "commit"}, "show work_mem", "3MB", "4MB"},
    {.name = "committed in one query", {"begin; set work_mem = '3MB'; commit"}, "show work_mem", "3MB", "4MB"},
    {.name = "committed and chained",
     {"begin; set work_mem = '3MB'; commit and chain; set work_mem = '5MB'; rollback"},
     "show work_mem",
     "3MB",
     "4MB"},
    {.name = "rolled back", {"begin", "set work_mem = '3MB'", "rollback"}, "show work_mem", "4MB", "4MB"},
    {.name = "rolled back to what was",
     {"set work_mem = '3MB'", "begin", "set work_mem = '5MB'", "rollback"},
     "show work_mem",
     "3MB",
     "4MB"},
    {.name = "rolled back by an error", {"begin", "set work_mem = '3MB'", "select 1/0", "commit"}, "show work_mem", "4MB", "4MB"},
    {.name = "reset and rolled back", {"set work_mem = '3MB'", "begin", "reset all", "abort"}, "show work_mem", "3MB", "4MB"},
    {.name = "rolled back, reported",
     {"begin", "set DateStyle = 'German'", "rollback"},
     "show DateStyle",
     "ISO, MDY",
     "ISO, MDY",
     .reported = "DateStyle"},
    {.name = "rolled back to a savepoint",
     {"begin; set work_mem = '3MB'", "savepoint s; set work_mem = '5MB'", "rollback to s", "commit"},
     "show work_mem",
     "3MB",
     "4MB"},
    {.name = "rolled back to a savepoint by name",
     {"begin", "savepoint s", "set work_mem = '3MB'", "savepoint t", "set work_mem = '5MB'", "rollback to savepoint t; release s",
      "commit"},
     "show work_mem",
     "3MB",
     "4MB"},
    {.name = "released", {"begin", "savepoint s", "set work_mem = '3MB'", "release s", "commit"}, "show work_mem", "3MB", "4MB"},
    {.name = "released and rolled back",
     {"begin", "savepoint s", "set work_mem = '3MB'", "release s", "rollback"},
     "show work_mem",
     "4MB",
     "4MB"},
    {.name = "local", {"begin", "set local work_mem = '3MB'", "commit"}, "show work_mem", "4MB", "4MB"},
    {.name = "local over session",
     {"begin", "set work_mem = '3MB'", "set local work_mem = '5MB'", "commit"},
     "show work_mem",
     "3MB",
     "4MB"},
    {.name = "session over local",
     {"begin", "set local work_mem = '5MB'", "set work_mem = '3MB'", "commit"},
     "show work_mem",
     "3MB",
     "4MB"},
    {.name = "local outside of a transaction", {"set local work_mem = '3MB'"}, "show work_mem", "4MB", "4MB"},
    {.name = "transaction modes",
     {"begin isolation level serializable read only", "set local work_mem = '3MB'", "select 1", "commit"},
     "select current_setting('transaction_isolation') || current_setting('transaction_read_only')",
     "read committedoff",
     "read committedoff"},
    {.name = "set transaction",
     {"begin", "set transaction isolation level repeatable read", "set work_mem = '3MB'", "commit"},
     "select current_setting('transaction_isolation') || current_setting('work_mem')",
     "read committed3MB",
     "read committed4MB"},

    {.name = "role", {"set role app2"}, "select current_user || session_user", "app2app", "appapp"},
    {.name = "role that needs quotes", {"set role \"We\"\"ird 'role\""}, "select current_user", "We\"ird 'role", "app"},
    {.name = "role none", {"set role app2", "set role none"}, "select current_user", "app", "app"},
    {.name = "reset role", {"set role app2", "reset role"}, "select current_user", "app", "app"},
    {.name = "local role", {"begin", "set local role app2", "commit"}, "select current_user", "app", "app"},
    {.name = "role rolled back", {"begin", "set role app2", "rollback"}, "select current_user", "app", "app"},
    {.name = "role, then reset all", {"set role app2", "reset all"}, "select current_user", "app2", "app"},
    {.name = "role and settings",
     {"set role app2", "set work_mem = '3MB'"},
     "select current_user || current_setting('work_mem')",
     "app23MB",
     "app4MB"},
    {.name = "session authorization",
     {"set session authorization app"},
     "select current_user || ' ' || session_user",
     "app app",
     "boss boss",
     .user = "boss"},
    {.name = "session authorization and role",
     {"set session authorization app", "set role app2"},
     "select current_user || ' ' || session_user",
     "app2 app",
     "boss boss",
     .user = "boss"},
    {.name = "reset session authorization",
     {"set session authorization app", "reset session authorization"},
     "select current_user || ' ' || session_user",
     "boss boss",
     "boss boss",
     .user = "boss"},
    {.name = "local session authorization",
     {"begin; set local session authorization app; commit"},
     "select session_user",
     "boss",
     "boss",
     .user = "boss"},
    /* The role that sets it must not be the role that it is set beside. */
    {.name = "a superuser's setting, then a role",
     {"set session_replication_role = replica", "set role app"},
     "select current_setting('session_replication_role') || current_user",
     "replicaapp",
     "originboss",
     .user = "boss"},
    {.name = "a superuser's setting, then an authorization",
     {"set session_replication_role = replica", "set session authorization app"},
     "select current_setting('session_replication_role') || session_user",
     "replicaapp",
     "originboss",
     .user = "boss"},

    {.name = "startup",
     {0},
     "select concat_ws('|', current_setting('search_path'), current_setting('statement_timeout'), "
     "current_setting('idle_in_transaction_session_timeout'), current_setting('client_min_messages'), nullif(current_setting('app.tenant', "
     "true), ''))",
     "pg_catalog, public|7s|6s|error|t 1",
     "\"$user\", public|0|0|notice",
     NULL,
     {"search_path", "pg_catalog, public", "statement_timeout", "7s", "idle_in_transaction_session_timeout", "6000", "client_min_messages",
      "error", "app.tenant", "t 1"}},
    {.name = "startup options",
     {0},
     "select concat_ws('|', current_setting('search_path'), current_setting('statement_timeout'), "
     "current_setting('client_min_messages'), current_setting('geqo'), nullif(current_setting('app.tenant', true), ''))",
     "a, b|7s|error|off|t\\1",
     "\"$user\", public|0|notice|on",
     NULL,
     {"options", "-c search_path=a,\\ b -cstatement_timeout=7s --client-min-messages=error -c geqo=off -c app.tenant=t\\\\1"}},
    {.name = "startup role", {0}, "select current_user", "app2", "app", NULL, {"role", "app2"}},
    {.name = "startup reported", {0}, "show TimeZone", "Asia/Tokyo", "UTC", NULL, {"TimeZone", "Asia/Tokyo"}, "TimeZone"},
    {.name = "startup, then set", {"set work_mem = '3MB'"}, "show work_mem", "3MB", "4MB", NULL, {"work_mem", "5MB"}},
    {.name = "startup, then reset", {"set work_mem = '3MB'", "reset work_mem"}, "show work_mem", "5MB", "4MB", NULL, {"work_mem", "5MB"}},
    {.name = "startup, then set to default",
     {"set work_mem = '3MB'", "set work_mem = default"},
     "show work_mem",
     "5MB",
     "4MB",
     NULL,
     {"work_mem", "5MB"}},
    {.name = "startup, then reset all",
     {"set work_mem = '3MB'", "set app.x = 1", "reset all"},
     "select current_setting('work_mem') || current_setting('DateStyle')",
     "5MBGerman, DMY",
     "4MBISO, MDY",
     NULL,
     {"work_mem", "5MB", "options", "-c DateStyle=German"},
     NULL},
    {.name = "startup, then discard all",
     {"set work_mem = '3MB'", "discard all"},
     "show work_mem",
     "5MB",
     "4MB",
     NULL,
     {"work_mem", "5MB"}},
    {.name = "startup, then reset on another server", {"select 1", "reset all"}, "show work_mem", "5MB", "4MB", NULL, {"work_mem", "5MB"}},
};

/* The steps alternate between the servers, transaction by transaction. */
static void make_moving(struct turns *turns, const struct moving *sample, struct wire *wire)
{
    struct wire_message message = {0};
    int next = 0;
    bool is_idle = true;
    for (int i = 0; i < STEPS_MAX && sample->make[i] != NULL; i++) {
        if (is_idle) turns_give(turns, next++ % 2);
        wire_send_query(wire, sample->make[i]);
        while ((message = wire_receive(wire)).type != BACKEND_READY_FOR_QUERY) cr_assert_neq(message.type, 0, "%s", sample->name);
        is_idle = message.body[0] == 'I';
    }
    cr_assert(is_idle, "%s", sample->name);
}

/* One sample; false: something was wrong. */
static bool move(struct turns *turns, const struct moving *sample)
{
    char pid[16];
    bool is_good = true;
    turns_give(turns, 0);
    struct wire *mine = session_of(sample->user, sample->startup[0] != NULL ? sample->startup : NULL);
    struct wire *theirs = session_of(sample->user, NULL);
    make_moving(turns, sample, mine);
    /* The others first, and so both of them on each server behind the other. */
    for (int round = 0; round < 4 && is_good; round++) {
        turns_give(turns, round % 2);
        is_good = holdings_are_right(sample->name, "another client sees", holdings_look(theirs, sample->question, pid, sizeof pid),
                                     sample->theirs);
        if (!turns_is_reference()) is_good = holdings_are_right(sample->name, "its server is", pid, turns->pids[round % 2]) && is_good;
        if (round == 3) break;
        is_good =
            holdings_are_right(sample->name, "its client sees", holdings_look(mine, sample->question, pid, sizeof pid), sample->mine) &&
            is_good;
        if (!turns_is_reference()) is_good = holdings_are_right(sample->name, "its server is", pid, turns->pids[round % 2]) && is_good;
    }
    if (sample->reported != NULL) {
        is_good = holdings_are_right(sample->name, "its client was told", wire_parameter(mine, sample->reported), sample->mine) && is_good;
        is_good = holdings_are_right(sample->name, "another client was told", wire_parameter(theirs, sample->reported), sample->theirs) &&
                  is_good;
    }
    turns_take(turns);
    wire_close(&theirs);
    wire_close(&mine);
    return is_good;
}

/* Samples of one user share the proxy and its two servers, which nothing may make it close: their process ids stay. */
static void move_all(const char *user)
{
    start("budget = 2\n");
    struct turns *turns = turns_start(port, user != NULL ? user : "app", 2);
    for (size_t i = 0; i < sizeof moving / sizeof *moving; i++) {
        bool is_boss = moving[i].user != NULL && strcmp(moving[i].user, "boss") == 0;
        if (is_boss != (user != NULL) || move(turns, &moving[i])) continue;
        /* What one sample has left behind is not held against the next. */
        turns_end(&turns);
        finish();
        start("budget = 2\n");
        turns = turns_start(port, user != NULL ? user : "app", 2);
    }
    turns_end(&turns);
    finish();
}

Test(session_state, settings_follow_their_client)
{
    move_all(NULL);
}

Test(session_state, a_superusers_settings_follow_their_client)
{
    move_all("boss");
}

/* By the extended protocol, where what runs is known from an earlier transaction or stands in a parameter. */
Test(session_state, settings_by_the_extended_protocol)
{
    char pid[16];
    start("budget = 2\n");
    struct turns *turns = turns_start(port, "app", 2);
    struct wire *mine = session_of(NULL, NULL), *theirs = session_of(NULL, NULL);
    turns_give(turns, 0);
    stage_parse(mine, "set", "set work_mem = '3MB'");
    stage_parse(mine, "config", "select set_config('app.user_id', $1, false)");
    stage_sync(mine, "1 1 Z:I");
    cr_assert_str_eq(holdings_look(mine, "show work_mem", pid, sizeof pid), "4MB");
    for (int round = 0; round < 4; round++) {
        char value[20], pattern[80];
        snprintf(value, sizeof value, "%d", round);
        snprintf(pattern, sizeof pattern, "2 C:SET 2 D:%d C:SELECT_1 Z:I", round);
        turns_give(turns, round % 2);
        stage_run(mine, "set", NULL);
        stage_run(mine, "config", value);
        stage_sync(mine, pattern);
        for (int i = 0; i < 2; i++) {
            turns_give(turns, i);
            cr_assert_str_eq(holdings_look(theirs, "show work_mem", pid, sizeof pid), "4MB");
            cr_assert_str_eq(holdings_look(theirs, "select current_setting('app.user_id', true)", pid, sizeof pid), "");
            cr_assert_str_eq(holdings_look(mine, "show work_mem", pid, sizeof pid), "3MB");
            cr_assert_str_eq(holdings_look(mine, "show app.user_id", pid, sizeof pid), value);
        }
        stage_query(mine, "reset work_mem", "C:RESET Z:I");
    }
    /* An error behind a SET undoes it, unless a Sync stands between them. */
    stage_run(mine, "set", NULL);
    stage_run(mine, "nosuch", NULL);
    stage_sync(mine, "2 C:SET E:26000 Z:I");
    cr_assert_str_eq(holdings_look(mine, "show work_mem", pid, sizeof pid), "4MB");
    stage_run(mine, "set", NULL);
    frontend_write_sync(&mine->out);
    stage_run(mine, "nosuch", NULL);
    stage_sync(mine, "2 C:SET Z:I E:26000 Z:I");
    for (int i = 0; i < 2; i++) {
        turns_give(turns, i);
        cr_assert_str_eq(holdings_look(theirs, "show work_mem", pid, sizeof pid), "4MB");
        cr_assert_str_eq(holdings_look(mine, "show work_mem", pid, sizeof pid), "3MB");
    }
    wire_close(&theirs);
    wire_close(&mine);
    turns_end(&turns);
    finish();
}

/* What is sent ahead of the first statement must not mix with its answer, whatever comes first. */
Test(session_state, settings_move_in_front_of_any_message)
{
    start("budget = 2\n");
    struct turns *turns = turns_start(port, "app", 2);
    struct wire *mine = session_of(NULL, NULL), *theirs = session_of(NULL, NULL);
    turns_give(turns, 0);
    cr_assert_str_eq(wire_query(mine, "create temp table t (n int) on commit drop; set TimeZone = 'Asia/Tokyo'; set app.x = 'mine'"), "");
    cr_assert_str_eq(wire_query(theirs, "set TimeZone = 'Europe/Berlin'; set app.x = 'theirs'"), "");
    for (int i = 0; i < 8; i++) {
        turns_give(turns, i / 4);
        cr_assert_str_eq(wire_query(theirs, "show app.x"), "theirs");
        switch (i % 4) {
        case 0: stage_query(mine, "", "I Z:I"); break;
        case 1:
            stage_parse(mine, "", "select current_setting('app.x')");
            frontend_write_flush(&mine->out);
            wire_flush(mine);
            wire_expect(mine, "1");
            stage_run(mine, "", NULL);
            stage_sync(mine, "2 D:mine C:SELECT_1 Z:I");
            break;
        case 2: stage_query(mine, "selekt", "E:42601 Z:I"); break;
        default:
            stage_query(mine, "select 'a'; show app.x; begin", "T D:a C:SELECT_1 T D:mine C:SHOW C:BEGIN Z:T");
            stage_query(mine, "rollback", "C:ROLLBACK Z:I");
        }
        stage_sync(mine, "Z:I");
        stage_query(mine, "show app.x", "T D:mine C:SHOW Z:I");
        cr_assert_str_eq(wire_parameter(mine, "TimeZone"), "Asia/Tokyo");
        cr_assert_str_eq(wire_parameter(theirs, "TimeZone"), "Europe/Berlin");
    }
    wire_close(&theirs);
    wire_close(&mine);
    turns_end(&turns);
    finish();
}

/* A setting that one server accepts and another, later, does not (its value names what is gone). */
Test(session_state, a_setting_that_can_no_longer_be_made)
{
    start("budget = 1\n");
    sql_run(sql_direct(), "create role passing; grant passing to app");
    struct wire *mine = session_of(NULL, NULL), *theirs = session_of(NULL, NULL);
    cr_assert_str_eq(wire_query(mine, "set role passing"), "");
    cr_assert_str_eq(wire_query(theirs, "select current_user"), "app");
    sql_run(sql_direct(), "drop role passing");
    if (!turns_is_reference()) cr_assert_eq(wire_query(mine, "select current_user")[0], '!', "runs as another role than it asked for");
    cr_assert_str_eq(wire_query(theirs, "select current_user"), "app");
    wire_close(&theirs);
    wire_close(&mine);
    finish();
}

/* The fast path calls functions without any SQL. */
Test(session_state, settings_by_a_function_call)
{
    static const char *values[] = {"work_mem", "3MB", "\0"};
    const uint8_t *arguments[3];
    uint32_t sizes[3];
    for (int i = 0; i < 3; i++) {
        arguments[i] = (const uint8_t *)values[i];
        sizes[i] = i < 2 ? (uint32_t)strlen(values[i]) : 1;
    }
    start("budget = 1\n");
    uint32_t oid = (uint32_t)sql_int(sql_direct(), "select 'set_config'::regproc::oid");
    struct wire *mine = session_of(NULL, NULL), *theirs = session_of(NULL, NULL);
    frontend_write_function_call(&mine->out, oid, arguments, sizes, 3);
    wire_flush(mine);
    wire_expect(mine, "V Z:I");
    for (int round = 0; round < 2; round++) {
        cr_assert_str_eq(wire_query(theirs, "show work_mem"), "4MB");
        cr_assert_str_eq(wire_query(mine, "show work_mem"), "3MB");
    }
    values[0] = "app.by_call";
    arguments[0] = (const uint8_t *)values[0];
    sizes[0] = (uint32_t)strlen(values[0]);
    frontend_write_function_call(&mine->out, oid, arguments, sizes, 3);
    wire_flush(mine);
    wire_expect(mine, "V Z:I");
    for (int round = 0; round < 2; round++) {
        cr_assert_str_eq(wire_query(theirs, "select coalesce(current_setting('app.by_call', true), '')"), "");
        cr_assert_str_eq(wire_query(mine, "show app.by_call"), "3MB");
    }
    /* A custom setting, whose name stands in a statement of the protocol's only. */
    frontend_write_parse(&mine->out, "change", "select set_config('app.first_seen', $1, false)", NULL, 0);
    frontend_write_sync(&mine->out);
    wire_flush(mine);
    wire_expect(mine, "1 Z:I");
    cr_assert_str_eq(wire_query(mine, "execute change('mine')"), "mine");
    for (int round = 0; round < 2; round++) {
        cr_assert_str_eq(wire_query(theirs, "select coalesce(current_setting('app.first_seen', true), '')"), "");
        cr_assert_str_eq(wire_query(mine, "show app.first_seen"), "mine");
    }
    wire_close(&theirs);
    wire_close(&mine);
    finish();
}

/* The client's SET stands, its SET LOCAL back to the standard does not: our rollback brings the former back. */
Test(session_state, what_the_rollback_of_a_client_that_left_brings_back)
{
    start("budget = 1\n");
    struct wire *mine = session_of(NULL, NULL), *theirs = session_of(NULL, NULL);
    cr_assert_str_eq(wire_query(mine, "set datestyle = 'German, DMY'"), "");
    cr_assert_str_eq(wire_query(mine, "begin"), "");
    cr_assert_str_eq(wire_query(mine, "set local datestyle = 'ISO, MDY'"), "");
    wire_abort(&mine);
    cr_assert_str_eq(wire_query(theirs, "show datestyle"), "ISO, MDY");
    wire_close(&theirs);
    finish();
}

Test(session_state, settings_by_execute)
{
    start("budget = 1\n");
    struct wire *mine = session_of(NULL, NULL), *theirs = session_of(NULL, NULL);
    cr_assert_str_eq(wire_query(mine, "prepare change(text) as select set_config('work_mem', $1, false)"), "");
    cr_assert_str_eq(wire_query(mine, "execute change('3MB')"), "3MB");
    cr_assert_str_eq(wire_query(mine, "deallocate change"), "");
    for (int round = 0; round < 2; round++) {
        cr_assert_str_eq(wire_query(theirs, "show work_mem"), "4MB");
        cr_assert_str_eq(wire_query(mine, "show work_mem"), "3MB");
    }
    wire_close(&theirs);
    wire_close(&mine);
    finish();
}

Test(session_state, a_welcome_names_no_other_clients_application)
{
    start("budget = 1\n");
    struct wire *mine = session_of(NULL, (const char *const[]){"application_name", "mine", "TimeZone", "Asia/Tokyo", NULL});
    struct wire *theirs = session_of(NULL, (const char *const[]){"TimeZone", "Asia/Tokyo", NULL});
    cr_assert_str_eq(wire_parameter(mine, "application_name"), "mine");
    cr_assert_str_eq(wire_parameter(theirs, "application_name"), "");
    cr_assert_str_eq(wire_parameter(theirs, "TimeZone"), "Asia/Tokyo");
    wire_close(&theirs);
    wire_close(&mine);
    finish();
}

/* The one server does nothing until `thaw`; what is sent to it meanwhile it does then. */
static pid_t freeze(void)
{
    pid_t pid = (pid_t)atoi(backends_pids());
    cr_assert_gt(pid, 0);
    cr_assert_eq(kill(pid, SIGSTOP), 0);
    return pid;
}

/* Leave in the middle of what was sent, which takes place without anybody who asked for it. */
static void leave_and_thaw(struct wire **wire, pid_t pid)
{
    wire_settle(port);
    wire_abort(wire);
    wire_settle(port);
    cr_assert_eq(kill(pid, SIGCONT), 0);
}

/* Settings of a startup are tried on a server that is not known to have them yet. */
Test(session_state, a_client_that_dies_while_its_startup_settings_are_tried)
{
    if (turns_is_reference()) return;
    start("budget = 1\n");
    struct wire *theirs = session_of(NULL, NULL);
    static const char *const samples[][2] = {{"TimeZone", "Asia/Tokyo"}, {"TimeZone", "Mars/Olympus"}};
    cr_assert_str_eq(wire_query(theirs, "select 1"), "1");
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        pid_t pid = freeze();
        struct wire *wire = wire_connect(port);
        frontend_write_startup(
            &wire->out, 3, 0,
            (const char *const[]){"user", "app", "database", "app", "work_mem", "3MB", samples[i][0], samples[i][1], NULL});
        wire_flush(wire);
        leave_and_thaw(&wire, pid);
        cr_assert_str_eq(wire_query(theirs, "select current_setting('work_mem') || current_setting('TimeZone')"), "4MBUTC", "%s",
                         samples[i][1]);
    }
    wire_close(&theirs);
    finish();
}

/* Settings that could not be made are not taken for made when nobody is there to hear of it. */
Test(session_state, a_client_that_dies_while_its_settings_are_refused)
{
    static const char refused[] = "permission denied to set role \"lapsing\"";
    if (turns_is_reference()) return;
    start("budget = 1\n");
    sql_run(sql_direct(), "create role lapsing; grant lapsing to app");
    struct wire *dying = session_of(NULL, NULL), *mine = session_of(NULL, NULL), *theirs = session_of(NULL, NULL);
    cr_assert_str_eq(wire_query(dying, "set role lapsing"), "");
    cr_assert_str_eq(wire_query(mine, "set role lapsing"), "");
    cr_assert_str_eq(wire_query(theirs, "select current_user"), "app");
    sql_run(sql_direct(), "revoke lapsing from app");
    int refusals = postgres_log_count(postgres_shared(), refused);
    pid_t pid = freeze();
    wire_send_query(dying, "select 1");
    leave_and_thaw(&dying, pid);
    WAIT_FOR(postgres_log_count(postgres_shared(), refused) > refusals, LONG_MS);
    sql_run(sql_direct(), "grant lapsing to app");
    cr_assert_str_eq(wire_query(mine, "select current_user"), "lapsing");
    cr_assert_str_eq(wire_query(theirs, "select current_user"), "app");
    wire_close(&theirs);
    wire_close(&mine);
    finish();
    sql_run(sql_direct(), "drop role lapsing");
}

/* ---- application_name ---- */

Test(session_state, application_name_is_the_clients_at_every_moment)
{
    enum { ROUNDS = 25 };
    static const char *const names[] = {"alpha", "beta", "gamma"};
    struct wire *wires[3];
    char text[100], needle[100];
    start("budget = 2\n");
    for (int i = 0; i < 3; i++) wires[i] = session_of(NULL, (const char *const[]){"application_name", names[i], NULL});
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < 3; i++) {
            snprintf(text, sizeof text, "select application_name || ' by %s' from pg_stat_activity where pid = pg_backend_pid()", names[i]);
            snprintf(needle, sizeof needle, "%s by %s", names[i], names[i]);
            cr_assert_str_eq(wire_query(wires[i], text), needle);
        }
    /* The first statement of a transaction has it in PostgreSQL's log already. */
    WAIT_FOR(postgres_log_count(postgres_shared(), " by gamma'") >= ROUNDS, LONG_MS);
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++) {
            snprintf(needle, sizeof needle, "] %s LOG:  statement: select application_name || ' by %s'", names[k], names[i]);
            cr_assert_eq(postgres_log_count(postgres_shared(), needle), i == k ? ROUNDS : 0, "%s", needle);
        }
    /* Changed in a session, in a transaction, and undone. */
    cr_assert_str_eq(wire_query(wires[0], "set application_name = 'delta'"), "");
    cr_assert_str_eq(wire_query(wires[1], "begin; set application_name = 'epsilon'; rollback"), "");
    cr_assert_str_eq(wire_query(wires[2], "begin; set local application_name = 'zeta'; commit"), "");
    static const char *const after[] = {"delta", "beta", "gamma"};
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 3; i++) {
            cr_assert_str_eq(wire_query(wires[i], "select application_name from pg_stat_activity where pid = pg_backend_pid()"), after[i]);
            cr_assert_str_eq(wire_parameter(wires[i], "application_name"), after[i]);
        }
    for (int i = 0; i < 3; i++) wire_close(&wires[i]);
    finish();
}

/* ---- what an untouched transaction costs ---- */

/* Statements that PostgreSQL has logged so far. */
static int statements_logged(void)
{
    return postgres_log_count(postgres_shared(), " LOG:  statement: ") + postgres_log_count(postgres_shared(), " LOG:  execute ");
}

Test(session_state, an_untouched_transaction_costs_nothing)
{
    enum { ROUNDS = 50 };
    start("budget = 1\n");
    struct wire *first = session_of(NULL, NULL), *second = session_of(NULL, NULL);
    struct wire *tokyo = session_of(NULL, (const char *const[]){"TimeZone", "Asia/Tokyo", NULL});
    cr_assert_str_eq(wire_query(first, "select 1"), "1");
    cr_assert_str_eq(wire_query(second, "select 1"), "1");
    cr_assert_str_eq(wire_query(tokyo, "set work_mem = '3MB'"), "");
    cr_assert_str_eq(wire_query(first, "select 'settled'"), "settled");
    int before = statements_logged();
    for (int round = 0; round < ROUNDS; round++) {
        cr_assert_str_eq(wire_query(first, "select 'one'"), "one");
        stage_parse(second, "", "select 'two'");
        stage_run(second, "", NULL);
        stage_sync(second, "1 2 D:two C:SELECT_1 Z:I");
    }
    int after = statements_logged();
    cr_assert_eq(after - before, 2 * ROUNDS, "%d statements at PostgreSQL for %d", after - before, 2 * ROUNDS);
    /* Where the settings differ: one statement more for each change of clients, however many transactions each has. */
    before = after;
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < 3; i++) {
            cr_assert_str_eq(wire_query(first, "show work_mem"), "4MB");
            cr_assert_str_eq(wire_query(tokyo, "show work_mem"), "3MB");
            cr_assert_str_eq(wire_query(tokyo, "show TimeZone"), "Asia/Tokyo");
        }
    after = statements_logged();
    if (!turns_is_reference()) cr_assert_leq(after - before, 3 * ROUNDS * 5, "%d statements at PostgreSQL", after - before);
    wire_close(&tokyo);
    wire_close(&second);
    wire_close(&first);
    finish();
}

/* With servers for both, each client finds the one whose settings fit. */
Test(session_state, a_server_that_fits_is_preferred)
{
    enum { ROUNDS = 20 };
    if (turns_is_reference()) return;
    start("budget = 2\n");
    struct wire *wires[2] = {session_of(NULL, NULL), session_of(NULL, (const char *const[]){"work_mem", "3MB", NULL})};
    for (int i = 0; i < 2; i++) cr_assert_str_eq(wire_query(wires[i], "begin; select 1"), "1");
    for (int i = 0; i < 2; i++) cr_assert_str_eq(wire_query(wires[i], "commit"), "");
    int before = statements_logged();
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < 2; i++) cr_assert_str_eq(wire_query(wires[i], "show work_mem"), i == 0 ? "4MB" : "3MB");
    cr_assert_eq(statements_logged() - before, 2 * ROUNDS);
    for (int i = 0; i < 2; i++) wire_close(&wires[i]);
    finish();
}

/* What the fake server has received, by type. */
static atomic_int received[256];

static void count_and_answer(struct fake_connection *connection)
{
    struct wire_message message;
    fake_welcome(connection);
    while ((message = fake_read(connection)).type != 0) {
        struct bytes_writer *out = &connection->wire->out;
        atomic_fetch_add(&received[message.type], 1);
        switch (message.type) {
        case FRONTEND_QUERY: fake_answer(connection, "x"); break;
        case FRONTEND_PARSE: backend_write_bare(out, BACKEND_PARSE_COMPLETE); break;
        case FRONTEND_BIND: backend_write_bare(out, BACKEND_BIND_COMPLETE); break;
        case FRONTEND_EXECUTE: backend_write_command_complete(out, "SELECT 0"); break;
        case FRONTEND_SYNC:
            backend_write_ready_for_query(out, 'I');
            wire_flush(connection->wire);
            break;
        default: break;
        }
    }
}

/* On the wire: not a message more than the clients sent, and one Parse for a text that ten clients prepare. */
Test(session_state, an_untouched_transaction_costs_no_message)
{
    enum { CLIENTS = 10, ROUNDS = 20 };
    if (turns_is_reference()) return;
    struct fake_server *server = fake_server_start(count_and_answer, NULL);
    char *databases = text_format("app = host=127.0.0.1 port=%d", fake_server_port(server));
    proxy = proxy_start_with(&(struct proxy_options){.databases = databases, .settings = "budget = 1\n"});
    struct wire *wires[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        wires[i] = wire_session(proxy->port);
        stage_parse(wires[i], "plan", "select $1");
        stage_sync(wires[i], "1 Z:I");
    }
    int before[256];
    for (int i = 0; i < 256; i++) before[i] = atomic_load(&received[i]);
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < CLIENTS; i++) {
            stage_query(wires[i], "select x", "T D:x C:SELECT_1 Z:I");
            stage_run(wires[i], "plan", "1");
            stage_sync(wires[i], "2 C:SELECT_0 Z:I");
            stage_parse(wires[i], "", "select y");
            stage_run(wires[i], "", NULL);
            stage_sync(wires[i], "1 2 C:SELECT_0 Z:I");
        }
    for (int i = 0; i < 256; i++) {
        int wanted = 0;
        if (i == FRONTEND_QUERY || i == FRONTEND_PARSE) wanted = ROUNDS * CLIENTS;
        if (i == FRONTEND_BIND || i == FRONTEND_EXECUTE || i == FRONTEND_SYNC) wanted = 2 * ROUNDS * CLIENTS;
        int got = atomic_load(&received[i]) - before[i];
        cr_assert_eq(got, wanted, "%d messages of type %c instead of %d", got, i, wanted);
    }
    cr_assert_eq(before[FRONTEND_PARSE], 1);
    for (int i = 0; i < CLIENTS; i++) wire_close(&wires[i]);
    proxy_finish(&proxy);
    fake_server_stop(&server);
    free(databases);
}

/* ---- custom settings: PostgreSQL lists them nowhere ---- */

#define THEIRS "select coalesce(current_setting('%s', true), '')"

/* `mine` has set it: it stays with it whoever uses the server in between, and nobody else sees it, also when `mine` has gone. */
static void expect_followed(struct wire **mine, const char *name, const char *value)
{
    char sql[128];
    struct wire *theirs = session_of(NULL, NULL);
    snprintf(sql, sizeof sql, THEIRS, name);
    for (int round = 0; round < 2; round++) {
        cr_assert_str_eq(wire_query(theirs, sql), "", "%s, round %d", name, round);
        cr_assert_str_eq(wire_query(*mine, sql), value, "%s, round %d", name, round);
    }
    wire_close(mine);
    cr_assert_str_eq(wire_query(theirs, sql), "", "%s, behind its client", name);
    wire_close(&theirs);
}

/* More names than are kept, and values that look like names. */
Test(session_state, many_custom_settings)
{
    char sql[128];
    start("budget = 1\n");
    struct wire *noisy = session_of(NULL, NULL), *mine = session_of(NULL, NULL);
    for (int i = 0; i < 250; i++) {
        snprintf(sql, sizeof sql, "set noise.n%d = 'tenant%d.example.com'", i, i);
        cr_assert_str_eq(wire_query(noisy, sql), "");
    }
    cr_assert_str_eq(wire_query(mine, "set late.name = 'mine'"), "");
    expect_followed(&mine, "late.name", "mine");
    expect_followed(&noisy, "noise.n249", "tenant249.example.com");
    finish();
}

/* In a function that was there before us, the name stands in no statement. */
Test(session_state, a_custom_setting_in_a_function)
{
    start("budget = 1\n");
    char *direct = postgres_direct(postgres_shared(), "app");
    PGconn *database = sql_connect("%s", direct);
    sql_run(
        database,
        "create function enter(text) returns text language sql as $$ select set_config('fn.tenant', $1, false) $$;"
        "create function enter_too(text) returns void language plpgsql as $$ begin execute 'set fn.too = ' || quote_literal($1); end $$");
    PQfinish(database);
    free(direct);
    struct wire *mine = session_of(NULL, NULL);
    cr_assert_str_eq(wire_query(mine, "select enter('mine')"), "mine");
    expect_followed(&mine, "fn.tenant", "mine");
    mine = session_of(NULL, NULL);
    cr_assert_str_eq(wire_query(mine, "select enter_too('mine')"), "");
    expect_followed(&mine, "fn.too", "mine");
    finish();
}

/* With two servers, since the client keeps one to itself. */
Test(session_state, a_custom_setting_of_a_computed_name)
{
    static const char *const texts[] = {
        "select set_config('computed.' || 'name', 'mine', false)",
        "select set_config(E'computed\\x2ename', 'mine', false)",
        "do $$ begin perform set_config('computed.' || 'name', 'mine', false); end $$",
        "set U&\"computed.\\006eame\" = 'mine'",
    };
    start("budget = 2\n");
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct wire *mine = session_of(NULL, NULL);
        cr_assert_neq(*wire_query(mine, texts[i]), '!', "%s", texts[i]);
        expect_followed(&mine, "computed.name", "mine");
    }
    finish();
}
