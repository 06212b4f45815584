/*
 * Onlookers: every SHOW and every page of HTTP, again and again, over a crowd of idle clients and beside some that run. Each value is of the type that its column declares, the
 * running clients keep their pace, memory stays bounded. PGTURNSTILE_SOAK makes it as many clients as descriptors allow, up to 20,000.
 */
#include "tests/e2e/support/files.h"
#include "tests/e2e/support/http_get.h"
#include "tests/e2e/support/process.h"
#include "tests/e2e/support/proxy.h"
#include "tests/e2e/support/sql.h"
#include "tests/e2e/support/wait.h"
#include "tests/e2e/support/wire.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <pthread.h>
#include <regex.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

const struct postgres_options e2e_postgres_options = {.max_connections = 60};

enum {
    CROWD_SOAK = 20000,
    CROWD_QUICK = 600,
    SPARE_DESCRIPTORS = 60,
    RUNNERS = 4,
    ROUNDS_SOAK = 10,
    ROUNDS_QUICK = 3,
    SAMPLES_MAX = 1 << 14
};
/*
 * The bounds say something where the crowd is large: a whole answer over 20,000 clients is 5 MB. Beside other tests, under a sanitizer, only that nothing stands still.
 */
enum { MEMORY_SOAK_KIB = 3072, MEMORY_QUICK_KIB = 16384, SLOWER_SOAK_MS = 5, SLOWER_QUICK_MS = 1000 };

static const char *const shows[] = {
#define SHOW(id, name, rows, role, text) name,
#define COLUMN(name, type, text)
#include "proxy/admin_shows.def"
#undef SHOW
#undef COLUMN
};
enum { SHOWS = sizeof shows / sizeof shows[0] };
static const char *const pages[] = {"/metrics", "/live.json", "/"};
enum { PAGES = sizeof pages / sizeof pages[0] };

static bool is_soak(void)
{
    return getenv("PGTURNSTILE_SOAK") != NULL;
}

static void start(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

TestSuite(onlookers, .init = start, .timeout = 600);

static int crowd_size(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    rlim_t wanted = is_soak() ? CROWD_SOAK : CROWD_QUICK;
    return (int)(wanted + SPARE_DESCRIPTORS < limit.rlim_cur ? wanted : limit.rlim_cur - SPARE_DESCRIPTORS);
}

/* ---- the crowd ---- */

static int *crowd;

/* From one of many addresses, whose ports are not used up by it. */
static int connect_one(int port, int i)
{
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (unsigned)i / 4000)};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    cr_assert_geq(fd, 0);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    cr_assert_eq(bind(fd, (struct sockaddr *)&from, sizeof from), 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    static const char startup[] = "\0\0\0\x36\0\x03\0\0user\0app\0database\0app\0application_name\0crowd\0";
    _Static_assert(sizeof startup == 0x36, "the length is what it says");
    cr_assert_eq(send(fd, startup, sizeof startup, 0), (ssize_t)sizeof startup);
    return fd;
}

/* The welcome ends in ReadyForQuery, with nothing behind it. */
static void await_welcome(int fd)
{
    static const char ready[] = {'Z', 0, 0, 0, 5, 'I'};
    char last[4096];
    size_t size = 0;
    while (size < sizeof ready || memcmp(last + size - sizeof ready, ready, sizeof ready) != 0) {
        ssize_t got = recv(fd, last + size, sizeof last - size, 0);
        cr_assert_gt(got, 0);
        size += (size_t)got;
    }
}

static void gather(int port, int size)
{
    enum { AT_ONCE = 50 };
    crowd = malloc((size_t)size * sizeof *crowd);
    for (int i = 0; i < size; i++) {
        crowd[i] = connect_one(port, i);
        if (i >= AT_ONCE) await_welcome(crowd[i - AT_ONCE]);
    }
    for (int i = size > AT_ONCE ? size - AT_ONCE : 0; i < size; i++) await_welcome(crowd[i]);
}

static void disperse(int size)
{
    for (int i = 0; i < size; i++) close(crowd[i]);
    free(crowd);
}

/* ---- those that run ---- */

enum phase { ALONE, LOOKED_AT, PHASES, OVER };
static _Atomic enum phase phase;

static struct runner {
    int port;
    pthread_t thread;
    bool has_failed;
    atomic_int counts[PHASES];
    int32_t *took_us[PHASES];
} runners[RUNNERS];

static void *run(void *argument)
{
    struct runner *runner = argument;
    struct wire *wire = wire_try_connect(runner->port);
    runner->has_failed = wire == NULL || !wire_try_login(wire, "app2", "app");
    while (!runner->has_failed && phase != OVER) {
        nap(); /* it is about waiting, and not about who gets the processor */
        char why[256];
        enum phase begun_in = phase;
        int64_t begun_us = now_us();
        frontend_write_query(&wire->out, "select 'served'");
        wire_flush(wire);
        runner->has_failed = !wire_match(wire, "T D:served C:SELECT_1 Z:I", why, sizeof why);
        if (begun_in != OVER && phase == begun_in && runner->counts[begun_in] < SAMPLES_MAX)
            runner->took_us[begun_in][runner->counts[begun_in]++] = (int32_t)(now_us() - begun_us);
    }
    wire_close(&wire);
    return NULL;
}

static void runners_start(int port)
{
    for (int i = 0; i < RUNNERS; i++) {
        runners[i] = (struct runner){.port = port};
        for (int p = 0; p < PHASES; p++) runners[i].took_us[p] = malloc(SAMPLES_MAX * sizeof(int32_t));
        cr_assert_eq(pthread_create(&runners[i].thread, NULL, run, &runners[i]), 0);
    }
}

static void runners_stop(void)
{
    phase = OVER;
    for (int i = 0; i < RUNNERS; i++) {
        pthread_join(runners[i].thread, NULL);
        cr_assert_not(runners[i].has_failed);
    }
}

static int compare(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* The 99th percentile of what all runners have seen in that phase since they were asked last, in milliseconds. */
static double take_p99_ms(enum phase which)
{
    int count = 0;
    int32_t *all = malloc((size_t)RUNNERS * SAMPLES_MAX * sizeof *all);
    for (int i = 0; i < RUNNERS; i++) {
        int of_one = atomic_exchange(&runners[i].counts[which], 0);
        memcpy(all + count, runners[i].took_us[which], (size_t)of_one * sizeof *all);
        count += of_one;
    }
    qsort(all, (size_t)count, sizeof *all, compare);
    double p99 = count > 0 ? all[(long)count * 99 / 100] / 1000.0 : 0;
    free(all);
    return p99;
}

/* ---- those that look ---- */

static bool fits(const char *pattern, const char *value)
{
    regex_t regex;
    cr_assert_eq(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
    bool is_match = regexec(&regex, value, 0, NULL, 0) == 0;
    regfree(&regex);
    return is_match;
}

/* As PostgreSQL writes a value of that type. */
static bool is_of_type(Oid type, const char *value)
{
    switch (type) {
    case 25: return true;
    case 23: return fits("^-?[0-9]{1,10}$", value) && labs(atol(value)) <= INT32_MAX;
    case 20: return fits("^-?[0-9]{1,19}$", value);
    case 1700: return fits("^-?[0-9]+(\\.[0-9]+)?$", value);
    case 701: return fits("^-?[0-9]+(\\.[0-9]+)?(e[+-][0-9]+)?$", value);
    case 1184: return fits("^20[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?\\+00$", value);
    default: return false;
    }
}

/* Returns the number of rows; of a great answer, some are looked at. */
static int look_at(PGconn *console, const char *show)
{
    enum { LOOKED_AT_MAX = 200 };
    char text[64];
    snprintf(text, sizeof text, "SHOW %s", show);
    PGresult *result = PQexec(console, text);
    cr_assert_eq(PQresultStatus(result), PGRES_TUPLES_OK, "%s: %s", text, PQerrorMessage(console));
    int rows = PQntuples(result);
    for (int row = 0; row<rows; row += rows> LOOKED_AT_MAX && row < rows - 60 ? 50 : 1)
        for (int column = 0; column < PQnfields(result); column++)
            cr_expect(PQgetisnull(result, row, column) || is_of_type(PQftype(result, column), PQgetvalue(result, row, column)),
                      "%s.%s is of type %u, and is \"%s\"", show, PQfname(result, column), PQftype(result, column),
                      PQgetvalue(result, row, column));
    PQclear(result);
    return rows;
}

static void look_at_all(PGconn *console, int http_port, int crowd_size)
{
    for (int i = 0; i < SHOWS; i++) {
        int rows = look_at(console, shows[i]);
        bool is_of_clients = strcmp(shows[i], "CLIENTS") == 0 || strcmp(shows[i], "SOCKETS") == 0 || strcmp(shows[i], "FDS") == 0;
        cr_assert(!is_of_clients || rows > crowd_size, "SHOW %s has %d rows", shows[i], rows);
    }
    for (int i = 0; i < PAGES; i++) cr_assert_eq(http_status(http_port, pages[i]), 200);
}

static void for_a_while(int ms)
{
    int64_t until_ms = now_ms() + ms;
    while (now_ms() < until_ms) nap();
}

static int compare_real(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Alone and looked at take turns, and the median of the differences counts, so that what else the machine does falls on both. */
Test(onlookers, do_not_stall_those_that_run)
{
    int size = crowd_size(), rounds = is_soak() ? ROUNDS_SOAK : ROUNDS_QUICK, http_port = process_free_port();
    struct proxy *proxy = proxy_start(
        "http_listen = 127.0.0.1:%d\nadmin_users = boss\nmax_client_conn = 30000\nlog_connections = 0\nlog_disconnections = 0\n",
        http_port);
    gather(proxy->port, size);
    PGconn *console = sql_connect("%s dbname=pgturnstile user=boss", proxy_conninfo(proxy, ""));
    phase = ALONE;
    runners_start(proxy->port);
    setpriority(PRIO_PROCESS, 0, 19);      /* this thread alone: elsewhere, those that look have a processor of their own */
    look_at_all(console, http_port, size); /* what is made once is there */
    long before_kib = proxy_rss_kib(proxy);
    proxy_reset_peak(proxy);
    double differences_ms[ROUNDS_SOAK];
    for (int i = 0; i < rounds; i++) {
        phase = LOOKED_AT;
        int64_t begun_ms = now_ms();
        look_at_all(console, http_port, size);
        int took_ms = (int)(now_ms() - begun_ms);
        phase = ALONE;
        for_a_while(took_ms < 200 ? 200 : took_ms < 2000 ? took_ms : 2000);
        double looked_at_ms = take_p99_ms(LOOKED_AT), alone_ms = take_p99_ms(ALONE);
        differences_ms[i] = looked_at_ms - alone_ms;
        cr_log_info("%d clients, all SHOWs and pages in %d ms: p99 is %.2f ms, and %.2f ms alone", size, took_ms, looked_at_ms, alone_ms);
    }
    runners_stop();
    long grown_kib = proxy_peak_rss_kib(proxy) - before_kib;
    qsort(differences_ms, (size_t)rounds, sizeof differences_ms[0], compare_real);
    cr_log_info("the median difference is %.2f ms; memory grew by %ld KiB", differences_ms[rounds / 2], grown_kib);
    cr_expect_leq(grown_kib, is_soak() ? MEMORY_SOAK_KIB : MEMORY_QUICK_KIB, "memory grew by %ld KiB", grown_kib);
    cr_expect_leq(differences_ms[rounds / 2], is_soak() ? SLOWER_SOAK_MS : SLOWER_QUICK_MS);
    PQfinish(console);
    disperse(size);
    proxy_finish(&proxy);
}
