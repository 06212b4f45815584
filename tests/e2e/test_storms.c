/*
 * Storms: many that come, many that leave in mid-query, many that are refused and come again, databases that hang. Running clients keep their pace, servers are kept,
 * memory stays bounded. PGTURNSTILE_SOAK makes the crowds larger.
 */
#include "tests/e2e/support/fake_server.h"
#include "tests/e2e/support/files.h"
#include "tests/e2e/support/process.h"
#include "tests/e2e/support/proxy.h"
#include "tests/e2e/support/sql.h"
#include "tests/e2e/support/wait.h"
#include "tests/e2e/support/wire.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

const struct postgres_options e2e_postgres_options = {.max_connections = 60};

enum { CROWD_MAX = 4000, OTHER_DESCRIPTORS = 200 };

static struct wire *crowd[CROWD_MAX];

/* As many as the limit of descriptors lets the tests and the proxy have. */
static int crowd_size(void)
{
    int wanted = getenv("PGTURNSTILE_SOAK") != NULL ? CROWD_MAX : 1000, possible = process_allow_descriptors() - OTHER_DESCRIPTORS;
    return wanted < possible ? wanted : possible;
}

TestSuite(storms, .timeout = 300);

/* A client that notices when it is not served. */
struct runner {
    int port;
    const char *user;
    atomic_bool is_over;
    atomic_int served;
    int64_t slowest_ms;
    bool has_failed;
    pthread_t thread;
};

static void *run(void *argument)
{
    struct runner *runner = argument;
    struct wire *wire = wire_try_connect(runner->port);
    runner->has_failed = wire == NULL || !wire_try_login(wire, runner->user, "app");
    while (!runner->has_failed && !runner->is_over) {
        char why[256];
        int64_t begun_ms = now_ms();
        frontend_write_query(&wire->out, "select 'served'");
        wire_flush(wire);
        runner->has_failed = !wire_match(wire, "T D:served C:SELECT_1 Z:I", why, sizeof why);
        int64_t took_ms = now_ms() - begun_ms;
        if (took_ms > runner->slowest_ms) runner->slowest_ms = took_ms;
        runner->served++;
    }
    wire_close(&wire);
    return NULL;
}

static void runner_start(struct runner *runner, int port, const char *user)
{
    *runner = (struct runner){.port = port, .user = user};
    cr_assert_eq(pthread_create(&runner->thread, NULL, run, runner), 0);
    WAIT_FOR(runner->served > 0 || runner->has_failed, LONG_MS);
}

static void runner_stop(struct runner *runner)
{
    runner->is_over = true;
    pthread_join(runner->thread, NULL);
    cr_assert_not(runner->has_failed);
    cr_log_info("served %d, the slowest in %d ms", (int)runner->served, (int)runner->slowest_ms);
}

/* ---- leaving ---- */

/* As when a fleet of web servers is killed: some run, the others wait. All servers are free again at once, and the same as before. */
Test(storms, a_thousand_leave_in_mid_query)
{
    enum { BUDGET = 40 };
    int size = crowd_size();
    struct proxy *proxy = proxy_start("budget = %d\nlog_connections = 0\nlog_disconnections = 0\nabandon_timeout = 60\n"
                                      "cancel_wait_timeout = 60\n",
                                      BUDGET);
    for (int i = 0; i < size; i++) {
        crowd[i] = wire_session(proxy->port);
        wire_send_query(crowd[i], i % 2 ? "select pg_sleep(600)" : "begin; select pg_sleep(600)");
        if (i == 4 * BUDGET) WAIT_FOR(backends_busy() == BUDGET, LONG_MS);
    }
    wire_settle(proxy->port);
    cr_assert_eq(backends_busy(), BUDGET);
    char *pids = strdup(backends_pids());
    int logins = proxy_log_count(proxy, "server_login ");
    int64_t begun_ms = now_ms();
    for (int i = 0; i < size; i++) wire_abort(&crowd[i]);
    WAIT_FOR(backends_busy() == 0, LONG_MS);
    cr_log_info("free after %d ms", (int)(now_ms() - begun_ms));
    cr_assert_str_eq(backends_pids(), pids);
    cr_assert_eq(proxy_log_count(proxy, "server_login "), logins);
    free(pids);
    proxy_finish(&proxy);
}

/* ---- coming ---- */

Test(storms, thousands_connect_at_once)
{
    int size = crowd_size();
    struct proxy *proxy = proxy_start("budget = 5\nlog_connections = 0\nlog_disconnections = 0\n");
    struct runner runner;
    runner_start(&runner, proxy->port, "app2");
    static const char *const pairs[] = {"user", "app", "database", "app", NULL};
    long before_kib = proxy_rss_kib(proxy);
    for (int i = 0; i < size; i++) {
        crowd[i] = wire_connect(proxy->port);
        frontend_write_startup(&crowd[i]->out, 3, 0, pairs);
        frontend_write_query(&crowd[i]->out, "select 'in'");
        wire_flush(crowd[i]);
    }
    for (int i = 0; i < size; i++) wire_expect(crowd[i], "R S* K Z:I T D:in C:SELECT_1 Z:I");
    runner_stop(&runner);
    cr_assert_leq(backends_count(), 5);
    /* What each of them may cost, and not what a buffer for each would; a build with a sanitizer takes more. */
    long each_kib = (proxy_rss_kib(proxy) - before_kib) / size;
    cr_log_info("%ld KiB for each", each_kib);
    cr_assert_leq(each_kib, 40);
    for (int i = 0; i < size; i++) wire_close(&crowd[i]);
    proxy_finish(&proxy);
}

struct intruder {
    int port;
    atomic_bool *is_over;
    atomic_int refused;
    char why[200];
    pthread_t thread;
};

/* Come again as soon as one is refused. The first word must be the refusal: no password is asked for. */
static void *intrude(void *argument)
{
    struct intruder *intruder = argument;
    static const char *const pairs[] = {"user", "app", "database", "app", NULL};
    while (!*intruder->is_over && intruder->why[0] == '\0') {
        struct wire *wire = wire_try_connect(intruder->port);
        if (wire == NULL) continue;
        frontend_write_startup(&wire->out, 3, 0, pairs);
        wire_flush(wire);
        if (wire_match(wire, "E:53300 -", intruder->why, sizeof intruder->why)) intruder->refused++;
        wire_close(&wire);
    }
    return NULL;
}

static int refusals(const struct intruder intruders[], int count)
{
    int sum = 0;
    for (int i = 0; i < count; i++) sum += intruders[i].refused;
    return sum;
}

Test(storms, the_refused_come_again_and_again)
{
    enum { INTRUDERS = 4, TIMES = 100 };
    struct proxy *proxy = proxy_start("max_client_conn = 1\n");
    struct runner runner;
    runner_start(&runner, proxy->port, "app");
    struct intruder intruders[INTRUDERS] = {0};
    atomic_bool is_over = false;
    for (int i = 0; i < INTRUDERS; i++) {
        intruders[i].port = proxy->port;
        intruders[i].is_over = &is_over;
        cr_assert_eq(pthread_create(&intruders[i].thread, NULL, intrude, &intruders[i]), 0);
    }
    int before = runner.served;
    WAIT_FOR(runner.served - before > TIMES && refusals(intruders, INTRUDERS) > TIMES, LONG_MS);
    is_over = true;
    for (int i = 0; i < INTRUDERS; i++) {
        pthread_join(intruders[i].thread, NULL);
        cr_assert_str_empty(intruders[i].why, "%s", intruders[i].why);
    }
    cr_log_info("%d served beside %d refused", runner.served - before, refusals(intruders, INTRUDERS));
    runner_stop(&runner);
    proxy_finish(&proxy);
}

/* ---- databases that hang ---- */

static void never_welcome(struct fake_connection *connection)
{
    fake_stay_silent(connection);
}

/* Databases that accept and never answer: their clients wait, nobody else does, not even those that need new servers. */
Test(storms, slow_logins_harm_nobody)
{
    enum { SLOW = 5, CLIENTS = 10 };
    struct fake_server *slow = fake_server_start(never_welcome, NULL);
    struct wire *waiting[SLOW * CLIENTS];
    char *databases = text_format("app = host=%s port=%d\n* = host=127.0.0.1 port=%d\n", postgres_shared()->directory,
                                  postgres_shared()->port, fake_server_port(slow));
    struct proxy *proxy = proxy_start_with(&(struct proxy_options){.databases = databases, .settings = "budget = 12\n"});
    struct runner runner;
    runner_start(&runner, proxy->port, "app");
    for (int i = 0; i < SLOW * CLIENTS; i++) {
        char name[20];
        snprintf(name, sizeof name, "slow%d", i % SLOW);
        const char *const pairs[] = {"user", "app", "database", name, NULL};
        waiting[i] = wire_connect(proxy->port);
        frontend_write_startup(&waiting[i]->out, 3, 0, pairs);
        wire_flush(waiting[i]);
    }
    WAIT_FOR(fake_server_connections(slow) >= SLOW, LONG_MS);
    /* A pool that has no server yet gets one. */
    struct wire *other = wire_connect(proxy->port);
    wire_login(other, "app2", "app", NULL);
    cr_assert_str_eq(wire_query(other, "select 'other'"), "other");
    wire_close(&other);
    cr_assert_leq(fake_server_connections(slow), SLOW, "one login at a time for each");
    runner_stop(&runner);
    for (int i = 0; i < SLOW * CLIENTS; i++) wire_abort(&waiting[i]);
    fake_server_stop(&slow);
    free(databases);
    proxy_finish(&proxy);
}

/* Cancels for a PostgreSQL that takes none hang, one for each of its servers; those for another arrive. */
Test(storms, hanging_cancels_stop_no_others)
{
    enum { STUCK = 15 };
    struct postgres *frozen = postgres_start(&(struct postgres_options){0});
    struct wire *stuck[STUCK];
    char *databases = text_format("app = host=%s port=%d\nfrozen = host=127.0.0.1 port=%d dbname=app\n", postgres_shared()->directory,
                                  postgres_shared()->port, frozen->port);
    struct proxy *proxy = proxy_start_with(&(struct proxy_options){
        .databases = databases, .settings = "budget = 20\nabandon_timeout = 30\ncancel_wait_timeout = 5\nserver_close_timeout = 1\n"});
    for (int i = 0; i < STUCK; i++) {
        stuck[i] = wire_connect(proxy->port);
        wire_login(stuck[i], "app", "frozen", NULL);
        cr_assert_str_eq(wire_query(stuck[i], "begin; select 1"), "1");
        wire_send_query(stuck[i], "select pg_sleep(600)");
    }
    struct wire *wire = wire_session(proxy->port);
    wire_send_query(wire, "select pg_sleep(600), 'mine'");
    WAIT_FOR(backends_find("mine") != 0, LONG_MS);
    wire_settle(proxy->port);
    postgres_freeze(frozen);
    for (int i = 0; i < STUCK; i++) wire_abort(&stuck[i]);
    wire_settle(proxy->port);
    wire_cancel(proxy->port, wire->pid, wire->key, wire->key_size);
    wire_expect(wire, "T* E:57014 Z:I");
    /* Their servers are given up, and no longer count. */
    WAIT_FOR(proxy_log_count(proxy, "reason=cancel_wait_timeout") == STUCK, LONG_MS);
    postgres_thaw(frozen);
    wire_close(&wire);
    proxy_finish(&proxy);
    postgres_remove(&frozen);
    free(databases);
}
