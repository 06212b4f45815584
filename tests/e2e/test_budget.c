/*
 * Two thousand clients that come and go over a budget, with aborts and with backends that are killed. PostgreSQL itself is the judge: it
 * has no connection to spare above the budget, and pg_stat_activity is sampled all the time. At the end nothing is leaked.
 */
#include "tests/e2e/support/process.h"
#include "tests/e2e/support/proxy.h"
#include "tests/e2e/support/sampler.h"
#include "tests/e2e/support/sql.h"
#include "tests/e2e/support/wait.h"
#include "tests/e2e/support/wire.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    ANSWERS_PER_KILL = 100,
    BUDGET = 12,
    RESERVED = 3,
    WITNESSES = 2,
    THREADS = 4,
    CLIENTS_PER_THREAD = 500,
    OTHER_DESCRIPTORS = 200,
    ROUNDS = 12,
    GROWTH_MAX_KIB = 4096
};

/* The tests' own connections, the sampler's and the direct one, take two; one more of the proxy's than the budget is refused. */
const struct postgres_options e2e_postgres_options = {
    .max_connections = BUDGET + WITNESSES + RESERVED, .reserved = RESERVED, .settings = "log_statement = none\n"};

TestSuite(budget, .timeout = 300);

struct crowd {
    int port;
    int size; /* how many clients */
    unsigned seed;
    bool is_killing; /* backends are killed meanwhile: 57P01 and ends of connections are no surprise */
    atomic_int *answers;
    int losses, departures;
    char why[1200];
    struct wire *wires[CLIENTS_PER_THREAD];
};

static const char *const users[] = {"app", "app2"};
static const char *const databases[] = {"app", "other"};

static bool join(struct crowd *crowd, int i)
{
    crowd->wires[i] = wire_try_connect(crowd->port);
    if (crowd->wires[i] != NULL && wire_try_login(crowd->wires[i], users[i % 2], databases[i / 2 % 2])) return true;
    snprintf(crowd->why, sizeof crowd->why, "client %d could not log in", i);
    return false;
}

/* Replace a client whose connection was lost or given up. */
static bool rejoin(struct crowd *crowd, int i, bool is_abort)
{
    if (is_abort)
        wire_abort(&crowd->wires[i]);
    else
        wire_close(&crowd->wires[i]);
    return join(crowd, i);
}

/* One query on every connection at once, some leaving before their answer; then every answer must be the client's own. */
static bool round_of_queries(struct crowd *crowd, int round)
{
    char text[100], why[1024];
    bool has_left[CLIENTS_PER_THREAD] = {false};
    for (int i = 0; i < crowd->size; i++) {
        int kind = rand_r(&crowd->seed) % 20;
        snprintf(text, sizeof text, kind < 5 ? "begin; select 'r%d.%d'; commit" : "select 'r%d.%d'", round, i);
        wire_send_query(crowd->wires[i], text);
        has_left[i] = kind >= 18;
        if (!has_left[i]) continue;
        crowd->departures++;
        if (!rejoin(crowd, i, kind == 18)) return false;
    }
    for (int i = 0; i < crowd->size; i++) {
        char pattern[80];
        if (has_left[i]) continue;
        snprintf(pattern, sizeof pattern, "C* T D:r%d.%d C* Z:I", round, i);
        if (wire_match(crowd->wires[i], pattern, why, sizeof why)) {
            ++*crowd->answers;
            continue;
        }
        bool is_loss = strstr(why, "57P01") != NULL || strstr(why, "08006") != NULL || strstr(why, "end of connection") != NULL;
        if (!crowd->is_killing || !is_loss) {
            snprintf(crowd->why, sizeof crowd->why, "client %d: %s", i, why);
            return false;
        }
        crowd->losses++;
        if (!rejoin(crowd, i, false)) return false;
    }
    return true;
}

static void *run_crowd(void *argument)
{
    struct crowd *crowd = argument;
    bool is_good = true;
    for (int i = 0; i < crowd->size && is_good; i++) is_good = join(crowd, i);
    for (int round = 0; round < ROUNDS && is_good; round++) is_good = round_of_queries(crowd, round);
    for (int i = 0; i < crowd->size; i++) {
        if (crowd->wires[i] == NULL) continue;
        if (i % 3 == 0)
            wire_abort(&crowd->wires[i]);
        else
            wire_close(&crowd->wires[i]);
    }
    return NULL;
}

/* How many clients each thread has: as many as the limit of descriptors lets the tests and the proxy have. */
static int crowd_size(void)
{
    int possible = (process_allow_descriptors() - OTHER_DESCRIPTORS) / THREADS;
    return possible < CLIENTS_PER_THREAD ? possible : CLIENTS_PER_THREAD;
}

static void run_crowds(const struct proxy *proxy, int size, bool is_killing)
{
    static struct crowd crowds[THREADS];
    pthread_t threads[THREADS];
    static atomic_int answers;
    int killed_at = 0, losses = 0, departures = 0;
    answers = 0;
    for (int i = 0; i < THREADS; i++) {
        crowds[i] =
            (struct crowd){.port = proxy->port, .size = size, .seed = (unsigned)i + 1, .is_killing = is_killing, .answers = &answers};
        cr_assert_eq(pthread_create(&threads[i], NULL, run_crowd, &crowds[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        /* The main thread kills until each of them has ended, and no faster than they get on. */
        while (is_killing && pthread_tryjoin_np(threads[i], NULL) != 0) {
            nap();
            if (answers - killed_at < ANSWERS_PER_KILL) continue;
            killed_at = answers;
            sql_run(sql_direct(), "select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'client backend' and "
                                  "usename <> 'postgres' order by random() limit 1");
        }
        if (!is_killing) pthread_join(threads[i], NULL);
    }
    for (int i = 0; i < THREADS; i++) {
        cr_assert_str_empty(crowds[i].why, "%s", crowds[i].why);
        losses += crowds[i].losses;
        departures += crowds[i].departures;
    }
    cr_log_info("%d answers, %d lost to kills, %d left before theirs", (int)answers, losses, departures);
}

/* Every server idle, at most the budget of them, every client's descriptor closed. */
static void expect_nothing_leaked(const struct proxy *proxy, int fds_before)
{
    WAIT_FOR(backends_busy() == 0, LONG_MS);
    WAIT_FOR(proxy_fd_count(proxy) <= fds_before + BUDGET, LONG_MS);
    cr_assert_leq(backends_count(), BUDGET);
    struct wire *wire = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(wire, "select 'served'"), "served");
    wire_close(&wire);
}

/* How many connections PostgreSQL has refused so far for want of a slot. */
static int refusals(void)
{
    return postgres_log_count(postgres_shared(), "remaining connection slots are reserved") +
           postgres_log_count(postgres_shared(), "too many clients already");
}

Test(budget, two_thousand_clients_that_come_and_go)
{
    int size = crowd_size();
    struct proxy *proxy = proxy_start("budget = %d\nlog_connections = 0\nlog_disconnections = 0\n", BUDGET);
    struct sampler *sampler = sampler_start(postgres_shared());
    int fds = proxy_fd_count(proxy), refused = refusals();
    run_crowds(proxy, size, false);
    expect_nothing_leaked(proxy, fds);
    long first_kib = proxy_rss_kib(proxy);
    run_crowds(proxy, size, false);
    expect_nothing_leaked(proxy, fds);
    long second_kib = proxy_rss_kib(proxy);
    cr_log_info("%d samples, peak %d, memory %ld and %ld KiB", sampler_count(sampler), sampler_peak(sampler), first_kib, second_kib);
    cr_assert_leq(second_kib - first_kib, GROWTH_MAX_KIB, "memory grew from %ld to %ld KiB", first_kib, second_kib);
    cr_assert_gt(sampler_count(sampler), 20);
    cr_assert_gt(sampler_peak(sampler), BUDGET / 2, "the budget is hardly used");
    cr_assert_leq(sampler_stop(&sampler), BUDGET);
    cr_assert_eq(refusals(), refused, "PostgreSQL refused %d connections above the budget", refusals() - refused);
    proxy_finish(&proxy);
}

Test(budget, two_thousand_clients_and_killed_backends)
{
    int size = crowd_size();
    struct proxy *proxy = proxy_start("budget = %d\nlog_connections = 0\nlog_disconnections = 0\n"
                                      "server_login_retry = 0.5\n",
                                      BUDGET);
    struct sampler *sampler = sampler_start(postgres_shared());
    int fds = proxy_fd_count(proxy), refused = refusals();
    run_crowds(proxy, size, true);
    expect_nothing_leaked(proxy, fds);
    cr_assert_gt(sampler_count(sampler), 20);
    cr_assert_leq(sampler_stop(&sampler), BUDGET);
    cr_assert_eq(refusals(), refused, "PostgreSQL refused %d connections above the budget", refusals() - refused);
    proxy_finish(&proxy);
}

/* Servers change hands between pools all the time: each change closes one connection before it opens another. */
Test(budget, pools_that_take_turns)
{
    enum { WIRES = 4, TURNS = 60, SMALL = 2 };
    struct proxy *proxy = proxy_start("budget = %d\n", SMALL);
    struct sampler *sampler = sampler_start(postgres_shared());
    struct wire *wires[WIRES];
    for (int i = 0; i < WIRES; i++) {
        wires[i] = wire_connect(proxy->port);
        wire_login(wires[i], users[i % 2], databases[i / 2], NULL);
    }
    for (int turn = 0; turn < TURNS; turn++) {
        for (int i = 0; i < WIRES; i++) wire_send_query(wires[i], "select current_user || ' ' || current_database()");
        for (int i = 0; i < WIRES; i++) {
            char pattern[80];
            snprintf(pattern, sizeof pattern, "T D:%s_%s C:SELECT_1 Z:I", users[i % 2], databases[i / 2]);
            wire_expect(wires[i], pattern);
        }
    }
    for (int i = 0; i < WIRES; i++) wire_close(&wires[i]);
    cr_assert_leq(sampler_stop(&sampler), SMALL);
    proxy_finish(&proxy);
}
