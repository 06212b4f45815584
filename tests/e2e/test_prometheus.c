/*
 * A real Prometheus, with the configuration, rules and dashboard of etc/, scrapes the proxy. Times in these files are shortened, nothing else. Skipped
 * where prometheus is not installed.
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
#include <ctype.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

const struct postgres_options e2e_postgres_options = {0};

static struct proxy *proxy;
static pid_t prometheus;
static int http_port, prometheus_port;

static char *source_file(const char *path)
{
    const char *top = getenv("SOURCE_DIR");
    char *name = text_format("%s/%s", top ? top : ".", path), *text = file_read(name);
    cr_assert_neq(*text, '\0', "%s cannot be read; set SOURCE_DIR", name);
    free(name);
    return text;
}

/* All of them; takes the text and returns a new one. */
static char *replace(char *text, const char *from, const char *to)
{
    for (char *at = text, *next; (at = strstr(at, from)); text = next) {
        next = text_format("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
        at = next + (at - text) + strlen(to);
        free(text);
    }
    return text;
}

static char *write_rules(void)
{
    char *path = run_directory_file("rules.yml"), *rules = source_file("etc/prometheus/pgturnstile.rules.yml");
    static const char *const minutes[] = {"for: 1m", "for: 2m", "for: 3m", "for: 5m", "for: 10m"};
    for (size_t i = 0; i < sizeof minutes / sizeof *minutes; i++) rules = replace(rules, minutes[i], "for: 1s");
    rules = replace(rules, "[2m]", "[5s]");
    file_write(path, rules);
    free(rules);
    return path;
}

static void start_prometheus(void)
{
    char *rules = write_rules(), *config_path = run_directory_file("prometheus.yml"), *data = run_directory_file("data");
    char *address = text_format("127.0.0.1:%d", http_port), *log = run_directory_file("prometheus.log");
    char *config = replace(source_file("etc/prometheus/prometheus.yml"), "127.0.0.1:9630", address);
    config = replace(replace(config, "15s", "1s"), "pgturnstile.rules.yml", rules);
    file_write(config_path, config);
    prometheus_port = process_free_port();
    char *config_option = text_format("--config.file=%s", config_path), *data_option = text_format("--storage.tsdb.path=%s", data);
    char *web_option = text_format("--web.listen-address=127.0.0.1:%d", prometheus_port);
    const char *argv[] = {"prometheus", config_option, data_option, web_option, NULL};
    prometheus = process_start(argv, &(struct process_options){.output_path = log});
    char *const all[] = {rules, config_path, data, address, log, config, config_option, data_option, web_option};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

static void start(void)
{
    if (system("command -v prometheus >/dev/null") != 0) return; /* cr_skip_test leaks */
    http_port = process_free_port();
    proxy = proxy_start("budget = 1\nhttp_listen = 127.0.0.1:%d\n", http_port);
    start_prometheus();
}

static void end(void)
{
    int status;
    if (!proxy) return;
    kill(prometheus, SIGKILL);
    process_wait(prometheus, 10000, &status);
    proxy_finish(&proxy);
}

TestSuite(prometheus, .init = start, .fini = end, .timeout = 300);

/* ---- its answers ---- */

/* "" until it answers. */
static const char *ask(const char *path, const char *expression)
{
    char *answer;
    int status = http_get(prometheus_port, path, "*/*", &answer);
    const char *value = status == 200 ? json_value(answer, expression) : "";
    free(answer);
    return value;
}

static char *percent_encode(const char *text)
{
    char *encoded = malloc(3 * strlen(text) + 1), *out = encoded;
    for (; *text; text++) {
        if (isalnum((unsigned char)*text))
            *out++ = *text;
        else
            out += sprintf(out, "%%%02X", (unsigned char)*text);
    }
    *out = '\0';
    return encoded;
}

static const char *query(const char *promql, const char *expression)
{
    char *encoded = percent_encode(promql), *path = text_format("/api/v1/query?query=%s", encoded);
    const char *value = ask(path, expression);
    free(path);
    free(encoded);
    return value;
}

static const char *value_of(const char *promql)
{
    return query(promql, "j->'data'->'result'->0->'value'->>1");
}

/* "PgturnstileX:class PgturnstileY:class ", those that fire. */
static const char *firing(void)
{
    return ask("/api/v1/alerts",
               "(select coalesce(string_agg((a->'labels'->>'alertname') || ':' || coalesce(a->'labels'->>'class', '') || ' ', '' "
               "order by 1), '') from jsonb_array_elements(j->'data'->'alerts') a where a->>'state' = 'firing')");
}

static bool fires(const char *alert)
{
    return strstr(firing(), alert) != NULL;
}

static bool is_scraped(void)
{
    return strcmp(value_of("up{job=\"pgturnstile\"}"), "1") == 0;
}

/* ---- */

Test(prometheus, scrapes_without_an_error)
{
    if (!proxy) return;
    WAIT_FOR(is_scraped(), LONG_MS);
    cr_expect_str_eq(ask("/api/v1/targets", "j->'data'->'activeTargets'->0->>'lastError'"), "");
    cr_expect_str_eq(value_of("pgturnstile_budget"), "1");
    struct wire *wire = wire_session(proxy->port);
    for (int i = 0; i < 10; i++) cr_assert_str_eq(wire_query(wire, "select 'x'"), "x");
    WAIT_FOR(atof(value_of("pgturnstile_class_leases_total{class=\"default\"}")) >= 10, LONG_MS);
    cr_expect_str_eq(ask("/api/v1/metadata?metric=pgturnstile_wait_seconds", "j->'data'->'pgturnstile_wait_seconds'->0->>'unit'"),
                     "seconds", "it speaks OpenMetrics with us");
    cr_expect_str_eq(
        ask("/api/v1/rules",
            "(select string_agg(r->>'name', ' ') from jsonb_path_query(j, '$.data.groups[*].rules[*]') r where r->>'lastError' <> '')"),
        "");
    wire_close(&wire);
}

Test(prometheus, an_alert_fires_while_there_is_a_queue)
{
    if (!proxy) return;
    struct wire *holder = wire_session(proxy->port), *waiter = wire_session(proxy->port);
    WAIT_FOR(is_scraped(), LONG_MS);
    cr_expect_not(fires("QueueBuildsUp"));
    cr_assert_str_eq(wire_query(holder, "begin"), "");
    cr_assert_str_eq(wire_query(holder, "select 1"), "1");
    wire_send_query(waiter, "select 2");
    WAIT_FOR(fires("PgturnstileQueueBuildsUp:default "), LONG_MS);
    WAIT_FOR(fires("PgturnstileBudgetExhausted: "), LONG_MS);
    cr_expect_not(fires("PgturnstileNotReady"));
    cr_expect_not(fires("PgturnstileDown"));
    cr_assert_str_eq(wire_query(holder, "commit"), "");
    wire_expect(waiter, "N* T D:2 C:SELECT_1 Z:I");
    WAIT_FOR(!fires("PgturnstileQueueBuildsUp"), LONG_MS);
    WAIT_FOR(!fires("PgturnstileBudgetExhausted"), LONG_MS);
    wire_close(&waiter);
    wire_close(&holder);
}

/* Names of metrics in the file that /metrics does not have. */
static const char *unknown_names(const char *file)
{
    char *text = source_file(file), *metrics;
    cr_assert_eq(http_get(http_port, "/metrics", "*/*", &metrics), 200);
    char *text_literal = PQescapeLiteral(sql_direct(), text, strlen(text)),
         *metrics_literal = PQescapeLiteral(sql_direct(), metrics, strlen(metrics));
    const char *names =
        sql_value(sql_direct(),
                  "select string_agg(name, ' ') from (select distinct (regexp_matches(%s, 'pgturnstile_[a-z_]+', 'g'))[1]) as used(name) "
                  "where %s !~ ('\\n' || name || '[{ ]')",
                  text_literal, metrics_literal);
    PQfreemem(text_literal);
    PQfreemem(metrics_literal);
    free(text);
    free(metrics);
    return names;
}

/* So that there is a pool, and what is counted only once it has happened. */
static struct wire *session_with_errors(void)
{
    struct wire *wire = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(wire, "select 'x'"), "x");
    cr_assert_str_eq(wire_query(wire, "select 1/0"), "!22012");
    cr_assert_str_eq(wire_query(wire, "begin; set local statement_timeout = 10; select pg_sleep(60)"), "!57014");
    cr_assert_str_eq(wire_query(wire, "rollback"), "");
    return wire;
}

Test(prometheus, rules_and_dashboard_know_the_metrics)
{
    if (!proxy) return;
    struct wire *wire = session_with_errors();
    cr_expect_str_eq(unknown_names("etc/prometheus/pgturnstile.rules.yml"), "");
    cr_expect_str_eq(unknown_names("etc/grafana/pgturnstile.json"), "");
    wire_close(&wire);
}

Test(prometheus, each_panel_of_the_dashboard_has_data)
{
    if (!proxy) return;
    struct wire *wire = session_with_errors();
    WAIT_FOR(atof(value_of("count_over_time(pgturnstile_pool_slots{state=\"idle\"}[1m])")) >= 3, LONG_MS);
    char *dashboard = source_file("etc/grafana/pgturnstile.json");
    int count = atoi(json_value(dashboard, "(select count(*) from jsonb_path_query(j, '$.panels[*].targets[*].expr'))"));
    cr_assert_gt(count, 20);
    for (int i = 0; i < count; i++) {
        char *expression = text_format(
            "(select e #>> '{}' from jsonb_path_query(j, '$.panels[*].targets[*].expr') with ordinality as t(e, n) where n = %d)", i + 1);
        char *promql = strdup(json_value(dashboard, expression));
        promql = replace(replace(replace(promql, "$job", ".*"), "$instance", ".*"), "$class", ".*");
        promql = replace(promql, "$__rate_interval", "1m");
        bool may_be_empty = strstr(promql, ") > 0") != NULL;
        cr_expect_str_eq(query(promql, "j->>'status'"), "success", "%s", promql);
        cr_expect(may_be_empty || atoi(query(promql, "jsonb_array_length(j->'data'->'result')")) > 0, "no data: %s", promql);
        free(promql);
        free(expression);
    }
    free(dashboard);
    wire_close(&wire);
}
