/*
 * HTTP: what metrics and the live page say fits what was run and what PostgreSQL sees, also while the program ends.
 */
#include "tests/e2e/support/files.h"
#include "tests/e2e/support/http_get.h"
#include "tests/e2e/support/json.h"
#include "tests/e2e/support/process.h"
#include "tests/e2e/support/proxy.h"
#include "tests/e2e/support/run_directory.h"
#include "tests/e2e/support/sql.h"
#include "tests/e2e/support/wait.h"
#include "tests/e2e/support/wire.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

const struct postgres_options e2e_postgres_options = {0};

TestSuite(http, .timeout = 300);

static int port;
static char *body; /* of the last answer */

static struct proxy *start(const char *settings)
{
    port = process_free_port();
    return proxy_start("http_listen = 127.0.0.1:%d\n%s", port, settings);
}

static int get(const char *path)
{
    free(body);
    return http_get(port, path, "*/*", &body);
}

/* The value of the one series with this name and these labels, as they stand in the text. */
static double metric(const char *series)
{
    cr_assert_eq(get("/metrics"), 200);
    char *line = text_format("\n%s ", series);
    const char *at = strstr(body, line);
    cr_assert_not_null(at, "no %s in %s", series, body);
    double value = atof(at + strlen(line));
    free(line);
    return value;
}

static const char *live(const char *expression)
{
    cr_assert_eq(get("/live.json"), 200);
    return json_value(body, expression);
}

/* ---- numbers ---- */

Test(http, metrics_count_what_was_run)
{
    enum { TRANSACTIONS = 50 };
    struct proxy *proxy = start("budget = 3\n");
    struct wire *wire = wire_session(proxy->port);
    double before = metric("pgturnstile_class_leases_total{class=\"default\"}");
    double received = metric("pgturnstile_received_bytes_total");
    for (int i = 0; i < TRANSACTIONS; i++) cr_assert_str_eq(wire_query(wire, "select 'x'"), "x");
    cr_expect_eq(metric("pgturnstile_class_leases_total{class=\"default\"}") - before, TRANSACTIONS);
    cr_expect_eq(metric("pgturnstile_leases_total"), metric("pgturnstile_class_leases_total{class=\"default\"}"));
    cr_expect_eq(metric("pgturnstile_class_lease_seconds_count{class=\"default\"}"), metric("pgturnstile_leases_total"));
    cr_expect_eq(metric("pgturnstile_class_wait_seconds_bucket{class=\"default\",le=\"+Inf\"}"), metric("pgturnstile_leases_total"));
    cr_expect_geq(metric("pgturnstile_received_bytes_total") - received, TRANSACTIONS * strlen("select 'x'"));
    cr_expect_eq(metric("pgturnstile_clients"), 1);
    cr_expect_eq(metric("pgturnstile_budget"), 3);
    cr_expect_eq(metric("pgturnstile_slots{state=\"idle\"}"), backends_count());
    cr_expect_eq(metric("pgturnstile_pool_slots{database=\"app\",user=\"app\",state=\"idle\"}"), backends_count());
    wire_close(&wire);
    WAIT_FOR(metric("pgturnstile_clients") == 0, LONG_MS);
    proxy_finish(&proxy);
}

Test(http, errors_and_databases)
{
    struct proxy *proxy = start("analysis = off\n");
    struct wire *wire = wire_session(proxy->port);
    for (int i = 0; i < 3; i++) cr_assert_str_eq(wire_query(wire, "select 1/0"), "!22012");
    cr_assert_str_eq(wire_query(wire, "select 'x'"), "x");
    cr_expect_eq(metric("pgturnstile_errors_total{sqlstate=\"22012\",class=\"default\",source=\"server\"}"), 3);
    cr_expect_eq(metric("pgturnstile_database_transactions_total{database=\"app\"}"), 4);
    cr_expect_eq(metric("pgturnstile_database_logins_total{database=\"app\"}"), 1);
    cr_expect_str_eq(live("jsonb_typeof(j->'duplicates')"), "null", "the search for duplicates is off");
    wire_close(&wire);
    proxy_finish(&proxy);
}

/* The time of a query counts for the class that its client was in, and for its pool; so do its errors. */
Test(http, query_times_and_errors_by_class_and_pool)
{
    port = process_free_port();
    char *settings = text_format("http_listen = 127.0.0.1:%d\nadmin_users = boss\n", port);
    struct proxy *proxy = proxy_start_with(&(struct proxy_options){.settings = settings, .classes = "[class slow]\nmatch = tag.job=*\n"});
    free(settings);
    struct wire *wire = wire_session(proxy->port);
    for (int i = 0; i < 5; i++) cr_assert_str_eq(wire_query(wire, "select 'x'"), "x");
    cr_assert_str_eq(wire_query(wire, "select 1/0"), "!22012");
    cr_assert_str_eq(wire_query(wire, "begin"), "");
    cr_assert_str_eq(wire_query(wire, "rollback"), "");
    cr_assert_str_eq(wire_query(wire, "select pg_sleep(0.06) /*job='nightly'*/"), "");
    cr_assert_str_eq(wire_query(wire, "select 1/0 /*job='nightly'*/"), "!22012");
    cr_expect_eq(metric("pgturnstile_class_query_seconds_count{class=\"default\"}"), 6, "what was answered here is not among them");
    cr_expect_eq(metric("pgturnstile_class_query_seconds_count{class=\"slow\"}"), 2);
    cr_expect_geq(metric("pgturnstile_class_query_seconds_sum{class=\"slow\"}"), 0.05);
    cr_expect_eq(metric("pgturnstile_class_query_seconds_bucket{class=\"slow\",le=\"120.0\"}"), 2);
    cr_expect_leq(metric("pgturnstile_class_query_seconds_bucket{class=\"slow\",le=\"0.05\"}"), 1);
    const char *pool = "{database=\"app\",user=\"app\"}";
    char *series = text_format("pgturnstile_pool_query_seconds_count%s", pool);
    cr_expect_eq(metric(series), 8);
    free(series);
    series = text_format("pgturnstile_pool_lease_seconds_count%s", pool);
    cr_expect_eq(metric(series), metric("pgturnstile_leases_total"));
    free(series);
    series = text_format("pgturnstile_pool_wait_seconds_count%s", pool);
    cr_expect_eq(metric(series), metric("pgturnstile_leases_total"));
    free(series);
    cr_expect_eq(metric("pgturnstile_errors_total{sqlstate=\"22012\",class=\"default\",source=\"server\"}"), 1);
    cr_expect_eq(metric("pgturnstile_errors_total{sqlstate=\"22012\",class=\"slow\",source=\"server\"}"), 1);
    cr_expect_str_eq(live("(j->'classes'->0->'query_ms'->>'max')::float >= 50"), "t");
    wire_close(&wire);

    wire = wire_connect(proxy->port);
    cr_expect_not(wire_try_login(wire, "app", "pgturnstile"));
    wire_close(&wire);
    cr_expect_eq(metric("pgturnstile_errors_total{sqlstate=\"42501\",class=\"\",source=\"pgturnstile\"}"), 1);
    PGconn *console = sql_connect("%s dbname=pgturnstile user=boss", proxy_conninfo(proxy, ""));
    PGresult *result = PQexec(console, "show errors");
    cr_assert_eq(PQntuples(result), 3);
    cr_expect_str_eq(PQfname(result, 1), "class");
    cr_expect_str_eq(PQgetvalue(result, 1, 1), "slow");
    cr_expect_str_eq(PQgetvalue(result, 1, 2), "1");
    cr_expect(PQgetisnull(result, 2, 1), "the console is in no class");
    PQclear(result);
    result = PQexec(console, "show classes");
    cr_assert_eq(PQntuples(result), 2);
    cr_expect_geq(atoll(PQgetvalue(result, 0, PQfnumber(result, "query_max_us"))), 50000);
    cr_expect_geq(atoll(PQgetvalue(result, 0, PQfnumber(result, "query_p99_us"))), 50000);
    PQclear(result);
    PQfinish(console);
    proxy_finish(&proxy);
}

Test(http, what_the_search_for_duplicates_finds)
{
    struct proxy *proxy = start("analysis = full\n");
    struct wire *wire = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(wire, "create table asked (n int)"), "");
    cr_assert_str_eq(wire_query(wire, "insert into asked values (7)"), "");
    for (int i = 0; i < 60; i++) cr_assert_str_eq(wire_query(wire, "select n from asked where n = 7"), "7");
    wire_close(&wire);
    WAIT_FOR(strcmp(live("jsonb_array_length(j->'duplicates')"), "1") == 0, LONG_MS);
    cr_expect_str_eq(live("j->'duplicates'->0->>'verdict'"), "exact_duplicate");
    cr_expect_str_eq(live("j->'duplicates'->0->>'database'"), "app");
    cr_expect_eq(metric("pgturnstile_findings_total{verdict=\"exact_duplicate\"}"), 1);
    cr_expect_eq(get("/report.json"), 200);
    cr_expect_not_null(strstr(body, "\"exact_duplicate\""), "%s", body);
    cr_expect_not_null(strstr(body, "select n from asked where n = $1"), "%s", body);
    cr_expect_eq(get("/report.json?since=1h"), 200);
    cr_expect_not_null(strstr(body, "\"exact_duplicate\""), "%s", body);
    cr_expect_eq(get("/report?since=2h"), 200);
    cr_expect_not_null(strstr(body, "<h1>Repeated queries</h1>"), "%s", body);
    cr_expect_eq(get("/report?since=yesterday"), 400);
    proxy_finish(&proxy);
}

Test(http, a_queue_is_seen)
{
    struct proxy *proxy = start("budget = 1\n");
    struct wire *holder = wire_session(proxy->port), *waiter = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(holder, "begin"), "");
    cr_assert_str_eq(wire_query(holder, "select 1"), "1");
    wire_send_query(waiter, "select 2");
    WAIT_FOR(metric("pgturnstile_waiting") == 1, LONG_MS);
    cr_expect_eq(metric("pgturnstile_class_waiting{class=\"default\"}"), 1);
    cr_expect_eq(metric("pgturnstile_pool_waiting{database=\"app\",user=\"app\"}"), 1);
    WAIT_FOR(metric("pgturnstile_class_longest_wait_seconds{class=\"default\"}") > 0.2, LONG_MS);
    cr_expect_str_eq(live("j->'classes'->0->>'waiting'"), "1");
    cr_expect_str_eq(live("(j->'classes'->0->>'longest_wait_ms')::float > 200"), "t");
    WAIT_FOR(strcmp(live("j->'history'->'waiting'->>-1 = '1' and j->'history'->'in_use'->>-1 = '1'"), "t") == 0, LONG_MS);
    cr_assert_str_eq(wire_query(holder, "commit"), "");
    wire_expect(waiter, "N* T D:2 C:SELECT_1 Z:I");
    cr_expect_eq(metric("pgturnstile_waiting"), 0);
    cr_expect_eq(metric("pgturnstile_class_longest_wait_seconds{class=\"default\"}"), 0);
    cr_expect_geq(metric("pgturnstile_class_wait_seconds_sum{class=\"default\"}"), 0.2);
    wire_close(&waiter);
    wire_close(&holder);
    proxy_finish(&proxy);
}

Test(http, seats_are_what_postgresql_sees)
{
    struct proxy *proxy = start("budget = 4\n");
    struct wire *running = wire_session(proxy->port), *idle = wire_session(proxy->port), *pinned = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(idle, "begin"), "");
    cr_assert_str_eq(wire_query(idle, "select 1"), "1");
    cr_assert_str_eq(wire_query(pinned, "listen x"), "");
    wire_send_query(running, "select pg_sleep(60)");
    WAIT_FOR(backends_find("pg_sleep(60)") != 0, LONG_MS);
    WAIT_FOR(metric("pgturnstile_pool_pinned{database=\"app\",user=\"app\"}") == 1, LONG_MS); /* its server has been asked what is set */
    cr_expect_str_eq(
        live("(select string_agg(seat->>0, ' ' order by seat->>0) from jsonb_array_elements(j->'seats') seat where seat->>0 <> 'open')"),
        "idle-in-transaction pinned running");
    cr_expect_str_eq(
        live("(select count(*) from jsonb_array_elements(j->'holders') holder join pg_stat_activity on pid = (holder->>'pid')::int "
             "where holder->>'state' = replace(case state when 'active' then 'running' when 'idle' then 'pinned' else state end, ' ', '-') "
             "and (holder->>'seconds')::float between 0 and 60 and holder->>'user' = usename and holder->>'database' = datname)"),
        "3");
    cr_expect_str_eq(live("(select holder->>'pinned' from jsonb_array_elements(j->'holders') holder where holder->>'state' = 'pinned')"),
                     "LISTEN");
    cr_expect_str_eq(live("j->>'leased'"), "3");
    wire_close(&running);
    wire_close(&idle);
    wire_close(&pinned);
    WAIT_FOR(strcmp(live("j->>'leased'"), "0") == 0, LONG_MS);
    proxy_finish(&proxy);
}

/* ---- names ---- */

Test(http, hostile_names)
{
    static const char name[] = "q\"u\\o\nte </script> \xc3\xa9";
    struct proxy *proxy = start("");
    char *identifier = PQescapeIdentifier(sql_direct(), name, strlen(name)), *literal = PQescapeLiteral(sql_direct(), name, strlen(name));
    sql_run(sql_direct(), "create database %s", identifier);
    struct wire *wire = wire_connect(proxy->port);
    const char *const pairs[] = {"application_name", "\"\\\t}", NULL};
    wire_login(wire, "app", name, pairs);
    cr_assert_str_eq(wire_query(wire, "begin"), "");
    cr_assert_str_eq(wire_query(wire, "select 1"), "1");
    cr_expect_eq(metric("pgturnstile_pool_slots{database=\"q\\\"u\\\\o\\nte </script> \xc3\xa9\",user=\"app\",state=\"leased\"}"), 1);
    char *same = text_format("j->'holders'->0->>'database' = %s", literal);
    cr_expect_str_eq(live(same), "t");
    cr_expect_str_eq(live("j->'holders'->0->>'application'"), "\"\\\t}");
    wire_close(&wire);
    proxy_finish(&proxy);
    sql_run(sql_direct(), "drop database %s with (force)", identifier);
    free(same);
    PQfreemem(identifier);
    PQfreemem(literal);
}

/* ---- pages ---- */

Test(http, pages)
{
    struct proxy *proxy = start("");
    cr_expect_eq(get("/"), 200);
    cr_expect_not_null(strstr(body, "<title>pgturnstile</title>"));
    cr_expect_eq(get("/healthz"), 200);
    cr_expect_eq(get("/readyz"), 200);
    cr_expect_str_eq(body, "ready\n");
    cr_expect_eq(get("/etc/passwd"), 404);
    free(body);
    cr_expect_eq(http_get(port, "/metrics", "application/openmetrics-text;version=1.0.0,*/*;q=0.1", &body), 200);
    cr_expect_not_null(strstr(body, "\n# EOF\n"));
    proxy_finish(&proxy);
}

/* ---- what no browser sends ---- */

static void expect_answer(const char *request, size_t size, const char *beginning)
{
    char *answer = http_exchange(port, request, size);
    cr_expect(strncmp(answer, beginning, strlen(beginning)) == 0, "%.60s: %.60s instead of %s", request, answer, beginning);
    cr_expect(*beginning || !*answer, "%.60s: %.60s", request, answer);
    free(answer);
}

static void expect_status(const char *request, const char *status)
{
    char *beginning = text_format("HTTP/1.1 %s ", status);
    expect_answer(request, strlen(request), beginning);
    free(beginning);
}

#define LAST "Host: 127.0.0.1\r\nConnection: close\r\n"

Test(http, odd_requests)
{
    static const char *const samples[][2] = {
        {"TRACE /healthz HTTP/1.1\r\n" LAST "\r\n", "405"},
        {"PUT /healthz HTTP/1.1\r\n" LAST "\r\n", "405"},
        {"OPTIONS * HTTP/1.1\r\n" LAST "\r\n", "405"},
        {"CONNECT 127.0.0.1:5432 HTTP/1.1\r\n" LAST "\r\n", "405"},
        {"BREW /healthz HTTP/1.1\r\n" LAST "\r\n", "405"},
        {"get /healthz HTTP/1.1\r\n" LAST "\r\n", "405"},
        {"GET /../etc/passwd HTTP/1.1\r\n" LAST "\r\n", "404"},
        {"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n" LAST "\r\n", "404"},
        {"GET /metrics/../healthz HTTP/1.1\r\n" LAST "\r\n", "404"},
        {"GET //healthz HTTP/1.1\r\n" LAST "\r\n", "404"},
        {"GET /healthz%00 HTTP/1.1\r\n" LAST "\r\n", "404"},
        {"GET /healthz%00.html HTTP/1.1\r\n" LAST "\r\n", "404"},
        {"GET /% HTTP/1.1\r\n" LAST "\r\n", "404"},
        {"GET healthz HTTP/1.1\r\n" LAST "\r\n", "404"},
        {"GET http://127.0.0.1/healthz HTTP/1.1\r\n" LAST "\r\n", "404"},
        {"GET /\x01\xff\xfe HTTP/1.1\r\n" LAST "\r\n", "404"},
        {"GET /report?since=%ff%00 HTTP/1.1\r\n" LAST "\r\n", "400"},
        {"GET /report?since=99999999999999999999d HTTP/1.1\r\n" LAST "\r\n", "400"},
        {"GET /healthz?=&%&a=b=c&&since HTTP/1.1\r\n" LAST "\r\n", "200"},
        {"GET /healthz\r\n\r\n", "400"},
        {"GET /healthz HTTP/2.0\r\n" LAST "\r\n", "505"},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"},
        {"GET /healthz JUNK/1.1\r\n" LAST "\r\n", "400"},
        {"GET /healthz HTTP/1.1\r\nHost: attacker.example\r\n\r\n", "403"},
        {"GET /healthz HTTP/1.1\r\n" LAST "nonsense\r\n\r\n", "400"},
        /* Bodies that are not what they are said to be, and some that never come. */
        {"GET /healthz HTTP/1.1\r\n" LAST "Content-Length: 1000000000000\r\n\r\nhello", "200"},
        {"POST /healthz HTTP/1.1\r\n" LAST "Content-Length: 1000000000000\r\n\r\nhello", "405"},
        {"POST /healthz HTTP/1.1\r\n" LAST "Content-Length: 2\r\n\r\nhello", "405"},
        {"GET /healthz HTTP/1.1\r\n" LAST "Content-Length: -1\r\n\r\nhello", "400"},
        {"GET /healthz HTTP/1.1\r\n" LAST "Content-Length: five\r\n\r\nhello", "400"},
        {"GET /healthz HTTP/1.1\r\n" LAST "Content-Length: 99999999999999999999999\r\n\r\nhello", "413"},
        {"POST /healthz HTTP/1.1\r\n" LAST "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", "405"},
        {"GET /healthz HTTP/1.1\r\n" LAST "Transfer-Encoding: gzip\r\n\r\nhello", "200"},
        {"PUT /healthz HTTP/1.1\r\n" LAST "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n", "405"},
    };
    struct proxy *proxy = start("");
    cr_expect_eq(get("/healthz"), 200);
    int before = proxy_fd_count(proxy);
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) expect_status(samples[i][0], samples[i][1]);
    static const char binary[] = "\0\0\0\010\004\322\026/", no_request[] = "\0\0\0\0";
    expect_answer(binary, sizeof binary, "");
    expect_answer(no_request, sizeof no_request, "");
    cr_expect_eq(get("/healthz"), 200);
    WAIT_FOR(proxy_fd_count(proxy) <= before, LONG_MS);
    proxy_finish(&proxy);
}

/* `count` times `unit` between two ends. */
static char *long_request(const char *beginning, const char *unit, size_t count, const char *end)
{
    size_t unit_size = strlen(unit), size = strlen(beginning) + unit_size * count + strlen(end);
    char *text = malloc(size + 1), *at = stpcpy(text, beginning);
    for (size_t i = 0; i < count; i++) at = stpcpy(at, unit);
    strcpy(at, end);
    return text;
}

Test(http, long_requests)
{
    static const struct {
        const char *beginning, *unit;
        size_t count;
        const char *end, *status;
    } samples[] = {
        {"GET /", "a", 8000, " HTTP/1.1\r\n" LAST "\r\n", "404"},
        {"GET /", "a", 1000000, " HTTP/1.1\r\n" LAST "\r\n", "414"},
        {"GET /metrics?", "a", 8000, " HTTP/1.1\r\n" LAST "\r\n", "200"},
        {"GET /healthz HTTP/1.1\r\n" LAST "X: ", "a", 8000, "\r\n\r\n", "200"},
        {"GET /healthz HTTP/1.1\r\n" LAST "X: ", "a", 1000000, "\r\n\r\n", "431"},
        {"GET /healthz HTTP/1.1\r\n" LAST, "X: a\r\n", 20000, "\r\n", "431"},
        {"", "BREW", 1000, " / HTTP/1.1\r\n" LAST "\r\n", "405"},
    };
    struct proxy *proxy = start("");
    cr_expect_eq(get("/healthz"), 200);
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        char *request = long_request(samples[i].beginning, samples[i].unit, samples[i].count, samples[i].end);
        expect_status(request, samples[i].status);
        free(request);
    }
    cr_expect_eq(get("/healthz"), 200);
    proxy_finish(&proxy);
}

static int count_of(const char *text, const char *needle)
{
    int count = 0;
    for (const char *at = text; (at = strstr(at, needle)) != NULL; at++) count++;
    return count;
}

/* A connection serves one request after the other; what is said to be a body is none. HEAD has what GET would have, but for the body. */
Test(http, several_requests_on_a_connection)
{
    static const char two[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /healthz HTTP/1.1\r\n" LAST "\r\n",
                      hidden[] =
                          "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60\r\n\r\nGET /healthz HTTP/1.1\r\n" LAST "\r\n",
                      head[] = "HEAD /healthz HTTP/1.1\r\n" LAST "\r\n";
    struct proxy *proxy = start("");
    char *answer = http_exchange(port, two, strlen(two));
    cr_expect_eq(count_of(answer, "HTTP/1.1 200 "), 2, "%s", answer);
    free(answer);
    answer = http_exchange(port, hidden, strlen(hidden));
    cr_expect_eq(count_of(answer, "HTTP/1.1 200 "), 1, "%s", answer);
    free(answer);
    answer = http_exchange(port, head, strlen(head));
    cr_expect_not_null(strstr(answer, "\r\nContent-Length: 3\r\n"), "%s", answer);
    cr_expect_str_eq(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
    free(answer);
    proxy_finish(&proxy);
}

Test(http, a_unix_socket_with_a_mode)
{
    char *path = run_directory_short();
    struct proxy *proxy = proxy_start("http_listen = %s.http\nhttp_socket_mode = 0750\n", path);
    char *file = text_format("%s.http", path);
    struct stat status;
    cr_assert_eq(stat(file, &status), 0);
    cr_expect(S_ISSOCK(status.st_mode));
    cr_expect_eq(status.st_mode & 0777, 0750);
    proxy_finish(&proxy);
    cr_expect_neq(stat(file, &status), 0, "the file is left");
    free(file);
    free(path);
}

Test(http, an_address_that_others_reach_is_refused)
{
    char *output;
    char *config = text_format(
        "[databases]\n* = host=localhost\n[pgturnstile]\nauth_type = trust\nlisten_port = %d\nuser = nobody\nhttp_listen = 0.0.0.0:%d\n",
        process_free_port(), process_free_port());
    int status = proxy_run_refused(config, &output);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 1, "wait status 0x%x", status);
    cr_expect_not_null(strstr(output, "http_allow_remote"), "%s", output);
    free(config);
    free(output);
}

Test(http, a_taken_port_is_refused)
{
    struct proxy *proxy = start("");
    char *output;
    char *config = text_format(
        "[databases]\n* = host=localhost\n[pgturnstile]\nauth_type = trust\nlisten_port = %d\nuser = nobody\nhttp_listen = 127.0.0.1:%d\n",
        process_free_port(), port);
    int status = proxy_run_refused(config, &output);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 1, "wait status 0x%x", status);
    cr_expect_not_null(strstr(output, "check http_listen"), "%s", output);
    free(config);
    free(output);
    proxy_finish(&proxy);
}

/* ---- readiness and the end ---- */

Test(http, not_ready_without_a_database)
{
    port = process_free_port();
    char *settings = text_format("http_listen = 127.0.0.1:%d\nserver_login_retry = 0.1\n", port);
    char *databases = text_format("app = host=127.0.0.1 port=%d\n", process_free_port());
    struct proxy_options options = {.settings = settings, .databases = databases};
    struct proxy *proxy = proxy_start_with(&options);
    cr_expect_eq(http_status(port, "/readyz"), 200, "nothing was tried yet");
    struct wire *wire = wire_connect(proxy->port);
    frontend_write_startup(&wire->out, 3, 0, (const char *const[]){"user", "app", "database", "app", NULL});
    wire_flush(wire);
    WAIT_FOR(http_status(port, "/readyz") == 503, LONG_MS);
    cr_expect_eq(get("/readyz"), 503);
    cr_expect_str_eq(body, "no database can be logged in to\n");
    cr_expect_eq(http_status(port, "/healthz"), 200);
    cr_expect_eq(metric("pgturnstile_ready"), 0);
    cr_expect_eq(metric("pgturnstile_pool_failing{database=\"app\",user=\"app\"}"), 1);
    wire_close(&wire);
    proxy_finish(&proxy);
    free(settings);
    free(databases);
}

static void expect_ended(struct proxy *proxy)
{
    int status = 0;
    cr_assert(process_wait(proxy->pid, LONG_MS, &status), "still runs");
    proxy->pid = 0;
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "wait status 0x%x", status);
}

Test(http, metrics_go_on_while_draining)
{
    struct proxy *proxy = start("");
    struct wire *wire = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(wire, "begin"), "");
    cr_assert_str_eq(wire_query(wire, "select 1"), "1");
    cr_expect_eq(metric("pgturnstile_draining"), 0);
    kill(proxy->pid, SIGTERM);
    WAIT_FOR(http_status(port, "/readyz") == 503, LONG_MS);
    cr_expect_eq(get("/readyz"), 503);
    cr_expect_str_eq(body, "draining\n");
    cr_expect_eq(http_status(port, "/healthz"), 200);
    cr_expect_eq(metric("pgturnstile_draining"), 1);
    cr_expect_eq(metric("pgturnstile_slots{state=\"leased\"}"), 1);
    cr_expect_str_eq(live("j->>'state'"), "draining");
    wire_send_query(wire, "commit");
    wire_expect(wire, "C:COMMIT Z:I E:57P01 -");
    expect_ended(proxy);
    cr_expect_eq(http_status(port, "/healthz"), 0);
    wire_close(&wire);
    proxy_finish(&proxy);
}

enum { ASKERS = 3 };
static atomic_bool is_over;
static atomic_int answers;

static void *keep_asking(void *unused)
{
    while (!is_over)
        if (http_status(port, "/metrics") == 200) answers++;
    return unused;
}

/* A request may be waiting for the worker at the very moment in which that ends. */
Test(http, the_end_waits_for_no_request)
{
    pthread_t askers[ASKERS];
    struct proxy *proxy = start("");
    for (int i = 0; i < ASKERS; i++) cr_assert_eq(pthread_create(&askers[i], NULL, keep_asking, NULL), 0);
    WAIT_FOR(answers > 20, LONG_MS);
    kill(proxy->pid, SIGINT);
    expect_ended(proxy);
    is_over = true;
    for (int i = 0; i < ASKERS; i++) pthread_join(askers[i], NULL);
    proxy_finish(&proxy);
}

static atomic_int refusals;

static void *keep_asking_for_health(void *unused)
{
    while (!is_over) {
        if (http_status(port, "/healthz") == 200)
            answers++;
        else
            refusals++;
    }
    return unused;
}

Test(http, answers_all_through_a_restart)
{
    pthread_t asker;
    port = process_free_port();
    char *pid_file = run_directory_short();
    struct proxy *older = proxy_start("pidfile = %s.pid\nhttp_listen = 127.0.0.1:%d\n", pid_file, port);
    struct wire *wire = wire_session(older->port);
    cr_assert_str_eq(wire_query(wire, "begin"), "");
    cr_assert_str_eq(wire_query(wire, "select 1"), "1");
    cr_expect_eq(metric("pgturnstile_clients"), 1);
    cr_assert_eq(pthread_create(&asker, NULL, keep_asking_for_health, NULL), 0);
    WAIT_FOR(answers > 10, LONG_MS);
    struct proxy *younger = proxy_take_over(older);
    WAIT_FOR(metric("pgturnstile_clients") == 0, LONG_MS);
    WAIT_FOR(metric("pgturnstile_older_clients") == 1, LONG_MS);
    WAIT_FOR(metric("pgturnstile_older_slots") == 1, LONG_MS);
    cr_assert_str_eq(wire_query(wire, "commit"), "");
    wire_close(&wire);
    expect_ended(older);
    WAIT_FOR(metric("pgturnstile_older_clients") == 0, LONG_MS);
    proxy_finish(&older);
    cr_expect_eq(http_status(port, "/readyz"), 200);
    is_over = true;
    pthread_join(asker, NULL);
    cr_expect_eq(refusals, 0);
    proxy_finish(&younger);
    free(pid_file);
}
