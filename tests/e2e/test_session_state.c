/*
 * What a session holds beyond a transaction, while clients take turns on servers. Settings and roles follow their client to every
 * server; what cannot be moved keeps its server; no other client sees either.
 * Not for prepared statements of the protocol: test_prepared.c.
 */
#include "tests/e2e/support/fake_server.h"
#include "tests/e2e/support/files.h"
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

TestSuite(session_state, .timeout = 60);

enum { STEPS_MAX = 7, PAIRS_MAX = 7 };

static struct proxy *proxy;
static int port;

static void start(const char *settings)
{
    static const char *const contents[] = {
        "set client_min_messages = warning",
        "do $$ begin create role boss login superuser; exception when duplicate_object then null; end $$",
        "do $$ begin create role \"We\"\"ird 'role\"; exception when duplicate_object then null; end $$",
        "grant app2, \"We\"\"ird 'role\" to app",
    };
    for (size_t i = 0; i < sizeof contents / sizeof *contents; i++) sql_run(sql_direct(), "%s", contents[i]);
    char *direct = postgres_direct(postgres_shared(), "app");
    PGconn *super = sql_connect("%s", direct);
    sql_run(super, "create or replace function set_inside(name text, value text) returns text language plpgsql as "
                   "$$ begin perform set_config(name, value, false); return value; end $$");
    sql_run(super, "create or replace function set_outside() returns text language sql set work_mem = '9MB' as "
                   "$$ select current_setting('work_mem') $$");
    PQfinish(super);
    free(direct);
    proxy = turns_proxy(settings);
    port = turns_port(proxy);
}

static void finish(void)
{
    if (!turns_is_reference()) WAIT_FOR(backends_busy() == 0, 10000);
    proxy_finish(&proxy);
}

static struct wire *session_of(const char *user, const char *const *pairs)
{
    struct wire *wire = wire_connect(port);
    wire_login(wire, user != NULL ? user : "app", "app", pairs);
    return wire;
}

/* A query in a transaction of its own that says on which server it ran. */
static const char *look(struct wire *wire, const char *question, char *pid_out, size_t pid_size)
{
    static char answer[1024];
    snprintf(answer, sizeof answer, "%s", wire_query(wire, "begin"));
    snprintf(pid_out, pid_size, "%s", wire_query(wire, "select pg_backend_pid()"));
    if (answer[0] == '!') return answer;
    snprintf(answer, sizeof answer, "%s", wire_query(wire, question));
    cr_assert_str_eq(wire_query(wire, answer[0] == '!' ? "rollback" : "commit"), "");
    return answer;
}

/* A statement that must be refused with a text that has `needle`. The connection stays in step. */
static void expect_refusal(struct wire *wire, const char *text, const char *needle)
{
    char words[2000] = "";
    struct wire_message message;
    wire_send_query(wire, text);
    while ((message = wire_receive(wire)).type != BACKEND_READY_FOR_QUERY) {
        struct backend_error error;
        cr_assert_neq(message.type, 0, "the connection ended: %s", text);
        if (message.type != BACKEND_ERROR) continue;
        cr_assert_eq(backend_parse_error(message.body, message.size, &error), CODEC_OK);
        snprintf(words, sizeof words, "%s %s %s %s", error.sqlstate, error.message, error.detail != NULL ? error.detail : "",
                 error.hint != NULL ? error.hint : "");
    }
    cr_assert_not_null(strstr(words, needle), "\"%s\" is answered with \"%s\", which does not name %s", text, words, needle);
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

/* An answer as it should be; otherwise the test has failed, but goes on with the next sample. */
static bool is_right(const char *sample, const char *whose, const char *got, const char *wanted)
{
    if (got == NULL) got = "(nothing)";
    cr_expect_str_eq(got, wanted, "%s: %s \"%s\" instead of \"%s\"", sample, whose, got, wanted);
    return strcmp(got, wanted) == 0;
}

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
        is_good = is_right(sample->name, "another client sees", look(theirs, sample->question, pid, sizeof pid), sample->theirs);
        if (!turns_is_reference()) is_good = is_right(sample->name, "its server is", pid, turns->pids[round % 2]) && is_good;
        if (round == 3) break;
        is_good = is_right(sample->name, "its client sees", look(mine, sample->question, pid, sizeof pid), sample->mine) && is_good;
        if (!turns_is_reference()) is_good = is_right(sample->name, "its server is", pid, turns->pids[round % 2]) && is_good;
    }
    if (sample->reported != NULL) {
        is_good = is_right(sample->name, "its client was told", wire_parameter(mine, sample->reported), sample->mine) && is_good;
        is_good = is_right(sample->name, "another client was told", wire_parameter(theirs, sample->reported), sample->theirs) && is_good;
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
    cr_assert_str_eq(look(mine, "show work_mem", pid, sizeof pid), "4MB");
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
            cr_assert_str_eq(look(theirs, "show work_mem", pid, sizeof pid), "4MB");
            cr_assert_str_eq(look(theirs, "select current_setting('app.user_id', true)", pid, sizeof pid), "");
            cr_assert_str_eq(look(mine, "show work_mem", pid, sizeof pid), "3MB");
            cr_assert_str_eq(look(mine, "show app.user_id", pid, sizeof pid), value);
        }
        stage_query(mine, "reset work_mem", "C:RESET Z:I");
    }
    /* An error behind a SET undoes it, unless a Sync stands between them. */
    stage_run(mine, "set", NULL);
    stage_run(mine, "nosuch", NULL);
    stage_sync(mine, "2 C:SET E:26000 Z:I");
    cr_assert_str_eq(look(mine, "show work_mem", pid, sizeof pid), "4MB");
    stage_run(mine, "set", NULL);
    frontend_write_sync(&mine->out);
    stage_run(mine, "nosuch", NULL);
    stage_sync(mine, "2 C:SET Z:I E:26000 Z:I");
    for (int i = 0; i < 2; i++) {
        turns_give(turns, i);
        cr_assert_str_eq(look(theirs, "show work_mem", pid, sizeof pid), "4MB");
        cr_assert_str_eq(look(mine, "show work_mem", pid, sizeof pid), "3MB");
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
    static const char *const values[] = {"work_mem", "3MB", "\0"};
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
    WAIT_FOR(postgres_log_count(postgres_shared(), refused) > refusals, 10000);
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
    WAIT_FOR(postgres_log_count(postgres_shared(), " by gamma'") >= ROUNDS, 5000);
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
        is_good = is_right(sample->name, how, look(other, sample->question, got, sizeof got), "f") && is_good;
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
    bool is_good = is_right(sample->name, "its client sees", look(mine, sample->question, pid, pid_size), "t");
    for (int round = 0; round < 3 && is_good; round++) {
        is_good = is_right(sample->name, "another client sees", look(theirs, sample->question, now, sizeof now), "f");
        cr_expect_str_neq(now, pid, "%s: another client has its server", sample->name);
        is_good = is_right(sample->name, "its client sees", look(mine, sample->question, now, sizeof now), "t") && is_good;
        is_good = is_right(sample->name, "its server is", now, pid) && is_good;
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
    if (is_good && end != NULL) is_good = is_right(sample->name, end, look(mine, sample->question, now, sizeof now), "f");
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

Test(session_state, what_cannot_move_keeps_its_server)
{
    pin_all(0, PINNING_COUNT / 2);
}

Test(session_state, what_cannot_move_keeps_its_server_2)
{
    pin_all(PINNING_COUNT / 2, PINNING_COUNT);
}

Test(session_state, what_ends_with_its_transaction_keeps_no_server)
{
    char pid[16];
    if (turns_is_reference()) return;
    start("budget = 1\n");
    struct wire *mine = session_of(NULL, NULL), *theirs = session_of(NULL, NULL);
    cr_assert_str_eq(look(mine, "select 1", pid, sizeof pid), "1");
    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++) {
        char now[16];
        make(mine, passing[i]);
        cr_assert_str_eq(look(theirs, "select 1", now, sizeof now), "1");
        cr_assert_str_eq(now, pid, "\"%s\" cost a server", passing[i][0]);
    }
    wire_close(&theirs);
    wire_close(&mine);
    finish();
}

/* Whatever ended it: nothing is left on any server, and nobody else's is harmed. */
Test(session_state, a_client_that_dies_leaves_a_clean_server)
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
        WAIT_FOR(sql_int(sql_direct(), "select count(*) from pg_locks where locktype = 'advisory'") == 0, 10000);
        wire_close(&wire);
    }
    finish();
}

Test(session_state, notifications_arrive_at_their_client_only)
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
Test(session_state, settings_of_a_pinned_client)
{
    char pid[16];
    start("budget = 2\n");
    struct wire *mine = session_of(NULL, NULL), *theirs = session_of(NULL, NULL);
    make(mine, (const char *const[STEPS_MAX]){"create temp table mine (n int)", "set work_mem = '3MB'", "set role app2"});
    cr_assert_str_eq(look(mine, "select current_setting('work_mem') || current_user", pid, sizeof pid), "3MBapp2");
    cr_assert_str_eq(look(theirs, "select current_setting('work_mem') || current_user", pid, sizeof pid), "4MBapp");
    make(mine, (const char *const[STEPS_MAX]){"reset role", "drop table mine"});
    struct turns *turns = turns_start(port, "app", 2);
    for (int i = 0; i < 4; i++) {
        turns_give(turns, i % 2);
        cr_assert_str_eq(look(theirs, "select current_setting('work_mem') || current_user", pid, sizeof pid), "4MBapp");
        cr_assert_str_eq(look(mine, "select current_setting('work_mem') || current_user", pid, sizeof pid), "3MBapp");
    }
    turns_end(&turns);
    wire_close(&theirs);
    wire_close(&mine);
    finish();
}

/* ---- limits ---- */

Test(session_state, more_pins_than_max_pinned)
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
        expect_refusal(second, texts[i], "max_pinned");
        /* The connection goes on, and what was refused has not happened. */
        cr_assert_str_eq(look(second, questions[i], pid, sizeof pid), "f", "%s", texts[i]);
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
    WAIT_FOR(wire_query(second, "listen news")[0] != '!', 5000);
    cr_assert_str_eq(wire_query(second, "select 1"), "1");
    expect_refusal(first, "listen news", "max_pinned");
    wire_close(&second);
    wire_settle(port);
    WAIT_FOR(wire_query(first, "listen news")[0] != '!', 5000);
    wire_close(&first);
    finish();
}

/* The limit is one of each pool. */
Test(session_state, max_pinned_counts_each_pool)
{
    if (turns_is_reference()) return;
    start("budget = 4\nmax_pinned = 1\n");
    struct wire *first = session_of("app", NULL), *second = session_of("app2", NULL), *third = session_of("app", NULL);
    cr_assert_str_eq(wire_query(first, "listen news"), "");
    cr_assert_str_eq(wire_query(first, "select 1"), "1");
    cr_assert_str_eq(wire_query(second, "listen news"), "");
    expect_refusal(third, "listen news", "max_pinned");
    wire_close(&third);
    wire_close(&second);
    wire_close(&first);
    finish();
}

/* What was held on a server that is lost is held no more. */
Test(session_state, max_pinned_forgets_clients_whose_server_is_lost)
{
    char pid[16];
    if (turns_is_reference()) return;
    start("budget = 4\nmax_pinned = 1\n");
    struct wire *first, *second = session_of(NULL, NULL);
    for (int round = 0; round < 3; round++) {
        first = session_of(NULL, NULL);
        cr_assert_str_eq(wire_query(first, "listen news"), "");
        cr_assert_str_eq(look(first, "select 1", pid, sizeof pid), "1");
        expect_refusal(second, "listen news", "max_pinned");
        sql_run(sql_direct(), "select pg_terminate_backend(%s)", pid);
        wire_expect(first, "E:57P01 E* -");
        wire_close(&first);
    }
    cr_assert_str_eq(wire_query(second, "listen news"), "");
    wire_close(&second);
    finish();
}

Test(session_state, state_that_cannot_move_is_refused_where_so_configured)
{
    char pid[16];
    if (turns_is_reference()) return;
    start("budget = 1\nsession_state = refuse\n");
    struct wire *first = session_of(NULL, NULL), *second = session_of(NULL, NULL);
    for (size_t i = 0; i < PINNING_COUNT; i++) {
        /* DO and search_path hide it until it has happened. */
        if (pinning[i].user != NULL || pinning[i].make[1] != NULL || strstr(pinning[i].name, "DO") != NULL) continue;
        expect_refusal(first, pinning[i].make[0], "session_state");
        cr_assert_str_eq(look(first, pinning[i].question, pid, sizeof pid), "f", "%s", pinning[i].name);
        cr_assert_str_eq(look(second, pinning[i].question, pid, sizeof pid), "f", "%s", pinning[i].name);
    }
    /* In a transaction it fails like any error, */
    cr_assert_str_eq(wire_query(first, "begin"), "");
    expect_refusal(first, "create temp table mine (n int)", "session_state");
    cr_assert_str_eq(wire_query(first, "select 1"), "!25P02");
    cr_assert_str_eq(wire_query(first, "rollback"), "");
    /* what does not outlive it is fine, */
    make(first,
         (const char *const[STEPS_MAX]){"begin", "create temp table mine (n int) on commit drop", "insert into mine values (1)", "commit"});
    make(first, (const char *const[STEPS_MAX]){"begin", "select pg_advisory_xact_lock(7)", "commit"});
    /* and settings and prepared statements move as ever. */
    cr_assert_str_eq(wire_query(first, "set work_mem = '3MB'"), "");
    cr_assert_str_eq(look(second, "show work_mem", pid, sizeof pid), "4MB");
    cr_assert_str_eq(look(first, "show work_mem", pid, sizeof pid), "3MB");
    stage_parse(first, "plan", "select 'plan'");
    stage_sync(first, "1 Z:I");
    cr_assert_str_eq(wire_query(second, "select 1"), "1");
    stage_run(first, "plan", NULL);
    stage_sync(first, "2 D:plan C:SELECT_1 Z:I");
    wire_close(&second);
    wire_close(&first);
    finish();
}
