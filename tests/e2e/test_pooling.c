/*
 * Who gets a server when, and what travels with it: pool modes, the budget over several pools, first come first served, deadlines of
 * waiting, settings that must not cross from client to client.
 * Not for thousands of clients: test_budget.c.
 */
#include "tests/e2e/support/files.h"
#include "tests/e2e/support/proxy.h"
#include "tests/e2e/support/sampler.h"
#include "tests/e2e/support/sql.h"
#include "tests/e2e/support/wait.h"
#include "tests/e2e/support/wire.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

const struct postgres_options e2e_postgres_options = {0};

TestSuite(pooling, .timeout = 300);

static struct wire *session_of(const struct proxy *proxy, const char *user, const char *database)
{
    struct wire *wire = wire_connect(proxy->port);
    wire_login(wire, user, database, NULL);
    return wire;
}

/* ---- transaction mode ---- */

Test(pooling, transactions_of_many_clients_share_a_server)
{
    struct proxy *proxy = proxy_start("budget = 1\n");
    struct wire *first = wire_session(proxy->port), *second = wire_session(proxy->port);
    char *pid = strdup(wire_query(first, "select pg_backend_pid()"));
    for (int round = 0; round < 5; round++) {
        cr_assert_str_eq(wire_query(second, "select pg_backend_pid()"), pid);
        cr_assert_str_eq(wire_query(first, "begin"), "");
        cr_assert_str_eq(wire_query(first, "select pg_backend_pid()"), pid);
        cr_assert_str_eq(wire_query(first, "commit"), "");
    }
    cr_assert_eq(backends_count(), 1);
    free(pid);
    wire_close(&second);
    wire_close(&first);
    proxy_finish(&proxy);
}

Test(pooling, a_transaction_keeps_its_server)
{
    struct proxy *proxy = proxy_start("budget = 2\n");
    struct wire *holder = wire_session(proxy->port), *other = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(holder, "begin"), "");
    char *pid = strdup(wire_query(holder, "select pg_backend_pid()"));
    for (int round = 0; round < 10; round++) {
        cr_assert_str_neq(wire_query(other, "select pg_backend_pid()"), pid);
        cr_assert_str_eq(wire_query(holder, "select pg_backend_pid()"), pid);
    }
    cr_assert_str_eq(wire_query(holder, "select 1/0"), "!22012");
    for (int round = 0; round < 3; round++) {
        cr_assert_str_neq(wire_query(other, "select pg_backend_pid()"), pid);
        cr_assert_str_eq(wire_query(holder, "select 1"), "!25P02");
    }
    cr_assert_str_eq(wire_query(holder, "rollback"), "");
    free(pid);
    wire_close(&other);
    wire_close(&holder);
    proxy_finish(&proxy);
}

Test(pooling, idle_clients_hold_no_server)
{
    enum { CLIENTS = 60 };
    struct wire *clients[CLIENTS];
    struct proxy *proxy = proxy_start("budget = 2\n");
    for (int i = 0; i < CLIENTS; i++) clients[i] = wire_session(proxy->port);
    for (int i = 0; i < CLIENTS; i++) {
        char question[40], answer[20];
        snprintf(answer, sizeof answer, "%d", i);
        snprintf(question, sizeof question, "select %d", i);
        cr_assert_str_eq(wire_query(clients[i], question), answer);
    }
    cr_assert_leq(backends_count(), 2);
    for (int i = 0; i < CLIENTS; i++) wire_close(&clients[i]);
    proxy_finish(&proxy);
}

/* Half a message is no reason to hold a server. */
Test(pooling, an_incomplete_message_takes_no_lease)
{
    struct proxy *proxy = proxy_start("budget = 1\n");
    struct wire *slow = wire_session(proxy->port), *other = wire_session(proxy->port);
    static const char text[] = "select 'whole'";
    uint8_t message[64];
    struct bytes_writer writer;
    bytes_writer_init(&writer, message, sizeof message);
    frontend_write_query(&writer, text);
    for (size_t size = 1; size < writer.size; size++) {
        wire_send(slow, message + size - 1, 1);
        wire_settle(proxy->port);
        cr_assert_str_eq(wire_query(other, "select 'other'"), "other");
    }
    wire_send(slow, message + writer.size - 1, 1);
    wire_expect(slow, "T D:whole C:SELECT_1 Z:I");
    wire_close(&other);
    wire_close(&slow);
    proxy_finish(&proxy);
}

/* ---- session mode ---- */

Test(pooling, session_mode_tells_the_real_process_id)
{
    struct proxy *proxy = proxy_start("pool_mode = session\nbudget = 3\n");
    for (int i = 0; i < 3; i++) {
        char pid[20];
        struct wire *wire = wire_session(proxy->port);
        snprintf(pid, sizeof pid, "%u", wire->pid);
        cr_assert_str_eq(wire_query(wire, "select pg_backend_pid()"), pid);
        cr_assert_str_eq(wire_query(wire, "select pg_backend_pid()"), pid);
        wire_close(&wire);
    }
    proxy_finish(&proxy);
}

Test(pooling, session_mode_keeps_the_session)
{
    struct proxy *proxy = proxy_start("pool_mode = session\nbudget = 1\n");
    struct wire *wire = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(wire, "set work_mem = '3MB'"), "");
    cr_assert_str_eq(wire_query(wire, "create temp table kept as select 42 as n"), "");
    cr_assert_str_eq(wire_query(wire, "show work_mem"), "3MB");
    cr_assert_str_eq(wire_query(wire, "select n from kept"), "42");
    wire_close(&wire);
    /* The next one starts afresh, on the same server. */
    wire = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(wire, "show work_mem"), "4MB");
    cr_assert_str_eq(wire_query(wire, "select n from kept"), "!42P01");
    wire_close(&wire);
    proxy_finish(&proxy);
}

Test(pooling, session_mode_waits_for_the_session_to_end)
{
    struct proxy *proxy = proxy_start("pool_mode = session\nbudget = 1\n");
    struct wire *first = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(first, "select 1"), "1");
    struct wire *second = wire_connect(proxy->port);
    frontend_write_startup(&second->out, 3, 0, (const char *const[]){"user", "app", "database", "app", NULL});
    wire_flush(second);
    wire_settle(proxy->port);
    cr_assert_str_eq(wire_query(first, "select 2"), "2");
    wire_close(&first);
    wire_expect(second, "R S* K Z:I");
    cr_assert_str_eq(wire_query(second, "select 3"), "3");
    cr_assert_eq(backends_count(), 1);
    wire_close(&second);
    proxy_finish(&proxy);
}

/* ---- statement mode ---- */

Test(pooling, statement_mode_refuses_transactions)
{
    struct proxy *proxy = proxy_start("pool_mode = statement\nbudget = 1\n");
    struct wire *wire = wire_session(proxy->port), *other = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(wire, "select 1"), "1");
    /* The refusal may come with the answer or right behind it; no further statement runs. */
    if (wire_query(wire, "begin")[0] != '!') cr_assert_eq(wire_query(wire, "select 'in a transaction'")[0], '!');
    wire_expect(wire, "-");
    cr_assert_str_eq(wire_query(other, "select 2"), "2");
    WAIT_FOR(backends_busy() == 0, LONG_MS);
    wire_close(&other);
    wire_close(&wire);
    proxy_finish(&proxy);
}

/* ---- modes and limits by database and user ---- */

Test(pooling, mode_by_database)
{
    const struct postgres *postgres = postgres_shared();
    char *databases = text_format("app = host=%s port=%d pool_mode=session\nother = host=%s port=%d", postgres->directory, postgres->port,
                                  postgres->directory, postgres->port);
    struct proxy *proxy = proxy_start_with(&(struct proxy_options){.databases = databases});
    char pid[20];
    struct wire *session = wire_session(proxy->port);
    snprintf(pid, sizeof pid, "%u", session->pid);
    cr_assert_str_eq(wire_query(session, "select pg_backend_pid()"), pid);
    struct wire *first = session_of(proxy, "app", "other"), *second = session_of(proxy, "app", "other");
    char *shared = strdup(wire_query(first, "select pg_backend_pid()"));
    cr_assert_str_eq(wire_query(second, "select pg_backend_pid()"), shared);
    free(shared);
    wire_close(&second);
    wire_close(&first);
    wire_close(&session);
    proxy_finish(&proxy);
    free(databases);
}

/* A server whose session nobody has watched is not used where sessions are shared. */
Test(pooling, mode_changed_by_reload)
{
    struct proxy *proxy = proxy_start("pool_mode = session\nbudget = 1\n");
    struct wire *first = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(first, "set work_mem = '3MB'"), "");
    cr_assert_str_eq(wire_query(first, "create temp table kept as select 42 as n"), "");
    proxy_reload(proxy, "pool_mode = transaction\nbudget = 1\n");
    wire_settle(proxy->port);
    cr_assert_str_eq(wire_query(first, "select 1"), "1");
    struct wire *second = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(second, "show work_mem"), "4MB");
    cr_assert_str_eq(wire_query(second, "select n from kept"), "!42P01");
    /* The other way round. Behind the second query the server is nobody's. */
    cr_assert_str_eq(wire_query(second, "set work_mem = '5MB'"), "");
    cr_assert_str_eq(wire_query(second, "select 1"), "1");
    proxy_reload(proxy, "pool_mode = session\nbudget = 1\n");
    wire_settle(proxy->port);
    struct wire *third = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(third, "show work_mem"), "4MB");
    wire_close(&third);
    cr_assert_str_eq(wire_query(second, "show work_mem"), "5MB");
    wire_close(&second);
    wire_close(&first);
    proxy_finish(&proxy);
}

Test(pooling, mode_by_user)
{
    struct proxy *proxy = proxy_start_with(&(struct proxy_options){.users = "app2 = pool_mode=session"});
    char pid[20];
    struct wire *session = session_of(proxy, "app2", "app");
    snprintf(pid, sizeof pid, "%u", session->pid);
    cr_assert_str_eq(wire_query(session, "select pg_backend_pid()"), pid);
    cr_assert_str_eq(wire_query(session, "set work_mem = '3MB'"), "");
    cr_assert_str_eq(wire_query(session, "show work_mem"), "3MB");
    wire_close(&session);
    proxy_finish(&proxy);
}

Test(pooling, database_entries_rename_and_pick_the_user)
{
    const struct postgres *postgres = postgres_shared();
    char *databases = text_format("alias = host=%s port=%d dbname=other user=app2", postgres->directory, postgres->port);
    struct proxy *proxy = proxy_start_with(&(struct proxy_options){.databases = databases});
    struct wire *wire = session_of(proxy, "app", "alias");
    cr_assert_str_eq(wire_query(wire, "select current_database()"), "other");
    cr_assert_str_eq(wire_query(wire, "select current_user"), "app2");
    wire_close(&wire);
    /* Without a '*' entry no other name exists. */
    const char *message = sql_refused("%s", proxy_conninfo(proxy, "dbname=app"));
    cr_assert_not_null(strstr(message, "app"), "%s", message);
    proxy_finish(&proxy);
    free(databases);
}

Test(pooling, pool_size_limits_one_pool)
{
    struct proxy *proxy = proxy_start("budget = 5\ndefault_pool_size = 1\n");
    struct wire *holder = wire_session(proxy->port), *waiter = wire_session(proxy->port);
    struct wire *elsewhere = session_of(proxy, "app", "other");
    cr_assert_str_eq(wire_query(holder, "begin"), "");
    cr_assert_str_eq(wire_query(holder, "select 1"), "1");
    wire_send_query(waiter, "select 'waited'");
    wire_settle(proxy->port);
    cr_assert_str_eq(wire_query(elsewhere, "select 'free'"), "free");
    struct wire_message message;
    cr_assert_not(wire_try_receive(waiter, 50, &message), "answered although its pool is full");
    cr_assert_eq(backends_count(), 2);
    cr_assert_str_eq(wire_query(holder, "commit"), "");
    wire_expect(waiter, "T D:waited C:SELECT_1 Z:I");
    wire_close(&elsewhere);
    wire_close(&waiter);
    wire_close(&holder);
    proxy_finish(&proxy);
}

/* ---- the budget over several pools ---- */

Test(pooling, an_idle_server_makes_room_for_another_pool)
{
    struct proxy *proxy = proxy_start("budget = 1\n");
    struct sampler *sampler = sampler_start(postgres_shared());
    struct wire *app = session_of(proxy, "app", "app"), *other = session_of(proxy, "app2", "other");
    for (int round = 0; round < 10; round++) {
        cr_assert_str_eq(wire_query(app, "select current_user || current_database()"), "appapp");
        cr_assert_str_eq(wire_query(other, "select current_user || current_database()"), "app2other");
    }
    wire_close(&other);
    wire_close(&app);
    cr_assert_leq(sampler_stop(&sampler), 1);
    proxy_finish(&proxy);
}

enum { MIXED_CLIENTS = 16, MIXED_ROUNDS = 15 };

struct mixed {
    int port;
    int number;
    bool is_good;
    char got[200];
};

static void *mixed_run(void *argument)
{
    static const char *const users[] = {"app", "app2"};
    static const char *const databases[] = {"app", "other", "postgres"};
    struct mixed *mixed = argument;
    const char *user = users[mixed->number % 2], *database = databases[mixed->number % 3];
    char expected[100];
    struct wire *wire = wire_try_connect(mixed->port);
    mixed->is_good = wire != NULL && wire_try_login(wire, user, database);
    for (int round = 0; round < MIXED_ROUNDS && mixed->is_good; round++) {
        char question[200];
        snprintf(expected, sizeof expected, "%s %s %d", user, database, mixed->number * 1000 + round);
        snprintf(question, sizeof question, "select concat_ws(' ', current_user, current_database(), %d) from pg_sleep(0.002)",
                 mixed->number * 1000 + round);
        snprintf(mixed->got, sizeof mixed->got, "%.190s", wire_query(wire, question));
        mixed->is_good = strcmp(mixed->got, expected) == 0;
    }
    wire_close(&wire);
    return NULL;
}

Test(pooling, budget_over_databases_and_users)
{
    struct proxy *proxy = proxy_start("budget = 3\n");
    struct sampler *sampler = sampler_start(postgres_shared());
    struct mixed mixed[MIXED_CLIENTS];
    pthread_t threads[MIXED_CLIENTS];
    for (int i = 0; i < MIXED_CLIENTS; i++) {
        mixed[i] = (struct mixed){.port = proxy->port, .number = i};
        cr_assert_eq(pthread_create(&threads[i], NULL, mixed_run, &mixed[i]), 0);
    }
    for (int i = 0; i < MIXED_CLIENTS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < MIXED_CLIENTS; i++) cr_assert(mixed[i].is_good, "client %d: \"%s\"", i, mixed[i].got);
    cr_assert_gt(sampler_count(sampler), 10);
    cr_assert_leq(sampler_stop(&sampler), 3);
    proxy_finish(&proxy);
}

/* ---- the order of waiting ---- */

Test(pooling, first_come_first_served)
{
    enum { WAITERS = 12 };
    struct wire *waiters[WAITERS];
    struct proxy *proxy = proxy_start("budget = 1\n");
    struct wire *holder = session_of(proxy, "app", "postgres");
    sql_run(sql_direct(), "drop sequence if exists turn; create sequence turn; grant all on sequence turn to public");
    cr_assert_str_eq(wire_query(holder, "begin"), "");
    cr_assert_str_eq(wire_query(holder, "select 1"), "1");
    /* Logged in from the last to the first, so that the order of arrival differs from the order of connections. */
    for (int i = WAITERS - 1; i >= 0; i--) waiters[i] = session_of(proxy, "app", "postgres");
    for (int i = 0; i < WAITERS; i++) {
        wire_send_query(waiters[i], "select nextval('turn')");
        wire_settle(proxy->port);
    }
    /* The holder comes back at once: it must go behind all of them. */
    cr_assert_str_eq(wire_query(holder, "commit"), "");
    wire_send_query(holder, "select nextval('turn')");
    for (int i = 0; i < WAITERS; i++) {
        char pattern[60];
        snprintf(pattern, sizeof pattern, "T D:%d C:SELECT_1 Z:I", i + 1);
        wire_expect(waiters[i], pattern);
    }
    char pattern[60];
    snprintf(pattern, sizeof pattern, "T D:%d C:SELECT_1 Z:I", WAITERS + 1);
    wire_expect(holder, pattern);
    for (int i = 0; i < WAITERS; i++) wire_close(&waiters[i]);
    wire_close(&holder);
    proxy_finish(&proxy);
}

/* One that waits for another pool is not passed over for ever by a pool whose servers stay in use. */
Test(pooling, another_pool_is_not_starved)
{
    enum { BUSY = 4 };
    struct proxy *proxy = proxy_start("budget = 1\n");
    struct wire *busy[BUSY], *rare = session_of(proxy, "app2", "other");
    for (int i = 0; i < BUSY; i++) {
        busy[i] = wire_session(proxy->port);
        wire_send_query(busy[i], "select pg_sleep(0.005)");
    }
    wire_send_query(rare, "select 'served'");
    int answers = 0;
    struct wire_message message;
    int64_t deadline_ms = now_ms() + LONG_MS;
    bool is_served = false;
    while (!is_served && now_ms() < deadline_ms) {
        for (int i = 0; i < BUSY; i++) {
            if (!wire_try_receive(busy[i], 1, &message) || message.type != BACKEND_READY_FOR_QUERY) continue;
            answers++;
            wire_send_query(busy[i], "select pg_sleep(0.005)");
        }
        is_served = wire_try_receive(rare, 1, &message);
    }
    cr_assert(is_served, "starved while others got %d answers", answers);
    cr_assert_leq(answers, 40);
    for (int i = 0; i < BUSY; i++) wire_close(&busy[i]);
    wire_close(&rare);
    proxy_finish(&proxy);
}

Test(pooling, query_wait_timeout)
{
    struct proxy *proxy = proxy_start("budget = 1\n");
    struct wire *holder = wire_session(proxy->port), *waiter = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(holder, "begin"), "");
    cr_assert_str_eq(wire_query(holder, "select 1"), "1");
    proxy_reconfigure(proxy, "budget = 1\nquery_wait_timeout = 0.5\n");
    int64_t begun_ms = now_ms();
    const char *answer = wire_query(waiter, "select 'too late'");
    int64_t waited_ms = now_ms() - begun_ms;
    cr_assert_eq(strncmp(answer, "!53", 3), 0, "answered \"%s\"", answer);
    cr_assert_geq(waited_ms, 450);
    cr_assert_str_eq(wire_query(holder, "select 'unharmed'"), "unharmed");
    cr_assert_str_eq(wire_query(holder, "commit"), "");
    wire_close(&waiter);
    waiter = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(waiter, "select 'now'"), "now");
    wire_close(&waiter);
    wire_close(&holder);
    proxy_finish(&proxy);
}

/* Settings that nobody came with before are tried on a server, so this login waits for one. */
Test(pooling, a_login_that_waits_is_told_which_limit_ended_it)
{
    struct proxy *proxy = proxy_start("budget = 1\n");
    struct wire *holder = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(holder, "begin"), "");
    cr_assert_str_eq(wire_query(holder, "select 1"), "1");
    proxy_reconfigure(proxy, "budget = 1\nquery_wait_timeout = 0.3\n");
    const char *words = sql_refused("%s", proxy_conninfo(proxy, "options='-c TimeZone=Asia/Tokyo'"));
    cr_expect_not_null(strstr(words, "query_wait_timeout"), "%s", words);
    cr_expect_null(strstr(words, "client_login_timeout"), "%s", words);
    proxy_reconfigure(proxy, "budget = 1\nclient_login_timeout = 2\n");
    words = sql_refused("%s", proxy_conninfo(proxy, "options='-c TimeZone=Asia/Tokyo'"));
    cr_expect_not_null(strstr(words, "Raise client_login_timeout"), "%s", words);
    cr_expect_null(strstr(words, "query_wait_timeout"), "%s", words);
    cr_assert_str_eq(wire_query(holder, "commit"), "");
    wire_close(&holder);
    proxy_finish(&proxy);
}

/* ---- settings stay with their client ---- */

Test(pooling, reported_settings_do_not_cross)
{
    static const struct {
        const char *name, *set, *mine, *theirs;
    } samples[] = {
        {"TimeZone", "set TimeZone = 'Asia/Tokyo'", "Asia/Tokyo", "UTC"},
        {"DateStyle", "set datestyle = german", "German, DMY", "ISO, MDY"},
        {"client_encoding", "set client_encoding = latin1", "LATIN1", "UTF8"},
        {"application_name", "set application_name = 'mine'", "mine", ""},
        {"IntervalStyle", "set intervalstyle = iso_8601", "iso_8601", "postgres"},
        {"standard_conforming_strings", "set standard_conforming_strings = off", "off", "on"},
    };
    struct proxy *proxy = proxy_start("budget = 1\n");
    struct wire *mine = wire_session(proxy->port), *theirs = wire_session(proxy->port);
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        char show[80];
        snprintf(show, sizeof show, "show %s", samples[i].name);
        cr_assert_str_eq(wire_query(mine, samples[i].set), "");
        cr_assert_str_eq(wire_parameter(mine, samples[i].name), samples[i].mine);
        cr_assert_str_eq(wire_query(theirs, show), samples[i].theirs, "%s crossed: %s", samples[i].name, theirs->text);
        cr_assert_str_eq(wire_parameter(theirs, samples[i].name), samples[i].theirs, "%s crossed", samples[i].name);
        cr_assert_str_eq(wire_query(mine, show), samples[i].mine, "%s was lost: %s", samples[i].name, mine->text);
        struct wire *newcomer = wire_session(proxy->port);
        cr_assert_str_eq(wire_parameter(newcomer, samples[i].name), samples[i].theirs, "%s was told a newcomer", samples[i].name);
        cr_assert_str_eq(wire_query(newcomer, show), samples[i].theirs, "%s came to a newcomer", samples[i].name);
        wire_close(&newcomer);
    }
    wire_close(&theirs);
    wire_close(&mine);
    proxy_finish(&proxy);
}

Test(pooling, settings_that_were_rolled_back_or_local)
{
    struct proxy *proxy = proxy_start("budget = 1\n");
    struct wire *mine = wire_session(proxy->port), *theirs = wire_session(proxy->port);
    static const char *const samples[] = {
        "begin; set TimeZone = 'Asia/Tokyo'; rollback",
        "begin; set local TimeZone = 'Asia/Tokyo'; commit",
        "begin; savepoint s; set TimeZone = 'Asia/Tokyo'; rollback to s; commit",
        "set TimeZone = 'Asia/Tokyo'; reset TimeZone",
        "begin; set TimeZone = 'Asia/Tokyo'; select 1/0",
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        wire_query(mine, samples[i]);
        if (strstr(samples[i], "1/0") != NULL) cr_assert_str_eq(wire_query(mine, "rollback"), "");
        cr_assert_str_eq(wire_query(theirs, "show TimeZone"), "UTC", "%s", samples[i]);
        cr_assert_str_eq(wire_query(mine, "show TimeZone"), "UTC", "%s", samples[i]);
        cr_assert_str_eq(wire_parameter(mine, "TimeZone"), "UTC", "%s", samples[i]);
    }
    wire_close(&theirs);
    wire_close(&mine);
    proxy_finish(&proxy);
}

Test(pooling, settings_of_the_startup_survive_others)
{
    struct proxy *proxy = proxy_start("budget = 1\n");
    struct wire *mine = wire_connect(proxy->port), *theirs = wire_session(proxy->port);
    wire_login(mine, "app", "app", (const char *const[]){"TimeZone", "Asia/Tokyo", "application_name", "mine", NULL});
    for (int round = 0; round < 3; round++) {
        cr_assert_str_eq(wire_query(theirs, "set TimeZone = 'Europe/Berlin'"), "");
        cr_assert_str_eq(wire_query(mine, "show TimeZone"), "Asia/Tokyo");
        cr_assert_str_eq(wire_query(theirs, "show TimeZone"), "Europe/Berlin");
        cr_assert_str_eq(wire_query(mine, "select application_name from pg_stat_activity where pid = pg_backend_pid()"), "mine");
    }
    wire_close(&theirs);
    wire_close(&mine);
    proxy_finish(&proxy);
}

/* ---- prepared statements with names hold their server ---- */

Test(pooling, named_statements_find_their_server)
{
    struct proxy *proxy = proxy_start("budget = 2\n");
    struct wire *mine = wire_session(proxy->port), *theirs = wire_session(proxy->port);
    frontend_write_parse(&mine->out, "plan", "select 'mine ' || $1", NULL, 0);
    frontend_write_sync(&mine->out);
    wire_flush(mine);
    wire_expect(mine, "1 Z:I");
    for (int round = 0; round < 5; round++) {
        cr_assert_str_eq(wire_query(theirs, "select 'theirs'"), "theirs");
        frontend_write_bind(&mine->out, "", "plan", (const char *const[]){"value"}, 1);
        frontend_write_execute(&mine->out, "", 0);
        frontend_write_sync(&mine->out);
        wire_flush(mine);
        wire_expect(mine, "2 D:mine_value C:SELECT_1 Z:I");
    }
    /* The same name of another client is another statement. */
    frontend_write_parse(&theirs->out, "plan", "select 'theirs ' || $1", NULL, 0);
    frontend_write_bind(&theirs->out, "", "plan", (const char *const[]){"value"}, 1);
    frontend_write_execute(&theirs->out, "", 0);
    frontend_write_sync(&theirs->out);
    wire_flush(theirs);
    wire_expect(theirs, "1 2 D:theirs_value C:SELECT_1 Z:I");
    wire_close(&theirs);
    wire_close(&mine);
    /* Nobody inherits them. */
    mine = wire_session(proxy->port);
    frontend_write_parse(&mine->out, "plan", "select 'again'", NULL, 0);
    frontend_write_sync(&mine->out);
    wire_flush(mine);
    wire_expect(mine, "1 Z:I");
    wire_close(&mine);
    proxy_finish(&proxy);
}
