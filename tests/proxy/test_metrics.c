#include "proxy/metrics.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/live_json.h"

static struct text_buffer out;
static struct snapshot snapshot;
static struct snapshot_class classes[2];
static struct snapshot_pool pools[3];
static struct snapshot_seat seats[3];
static struct snapshot_holder holders[1];
static struct snapshot_database databases[2];
static struct snapshot_finding findings[1];
static struct error_count errors[3], lock_errors[2];

static void start(void)
{
    classes[0] = (struct snapshot_class){.name = "web",
                                         .reserve = 20,
                                         .weight = 4,
                                         .leased = 3,
                                         .waiting = 2,
                                         .granted = 5000000000,
                                         .longest_wait_us = 1500000,
                                         .refused_queue_full = 6,
                                         .timed_out = 8,
                                         .clients = 9,
                                         .workers = 10,
                                         .workers_useful = 12,
                                         .slot_us = 123456789};
    classes[1] = (struct snapshot_class){.name = "cron \"late\"", .limit = 5, .weight = 1};
    histogram_add(&classes[0].wait_us, 0, 1);
    histogram_add(&classes[0].wait_us, 90, 1);
    histogram_add(&classes[0].wait_us, 20000, 1);
    histogram_add(&classes[0].wait_us, 7200000000, 1);
    pools[0] = (struct snapshot_pool){
        .database = "app", .user = "web", .opening = 1, .idle = 2, .leased = 3, .closing = 4, .waiting = 5, .pinned = 6};
    pools[1] = (struct snapshot_pool){.database = "a\"} 1\n# EOF\n\xff", .user = "\\", .failing = 1};
    pools[2] = (struct snapshot_pool){.idle = 70, .failing = 8};
    seats[0] = (struct snapshot_seat){.state = SEAT_OPEN, .class = -1, .database = "app", .user = "web"};
    seats[1] = (struct snapshot_seat){.state = SEAT_PINNED, .class = 1, .since_us = 8000000, .database = "app", .user = "\xff\"\n"};
    seats[2] = (struct snapshot_seat){.state = SEAT_RUNNING, .class = 0, .since_us = 9500000, .database = "app", .user = "web"};
    databases[0] = (struct snapshot_database){.name = "app", .traffic = {.xact_count = 11, .received = 12, .query_time = 13000000}};
    databases[1] = (struct snapshot_database){.traffic = {.xact_count = 14}};
    findings[0] = (struct snapshot_finding){.database = "app",
                                            .user = "web",
                                            .route = "GET /\"",
                                            .shape = "select $1",
                                            .verdict = VERDICT_N_PLUS_ONE,
                                            .units = 4,
                                            .n = 10,
                                            .lost_us = 1500};
    time_buckets_add(&pools[0].times.query, 1000);
    time_buckets_add(&pools[0].times.query, 1001);
    time_buckets_add(&pools[0].times.query, 300000000);
    time_buckets_add(&pools[2].times.lease, 20000);
    histogram_add(&classes[0].query_us, 3000, 1);
    errors[0] = (struct error_count){.sqlstate = "23505", .class = "web", .of_servers = 7, .last_us = 8000000};
    errors[1] = (struct error_count){.sqlstate = "53300", .class = "cron \"late\"", .of_ours = 8, .of_servers = 1, .last_us = 9500000};
    errors[2] = (struct error_count){.sqlstate = "28P01", .of_ours = 9};
    lock_errors[0] = (struct error_count){.sqlstate = "40P01", .class = "web", .of_servers = 3};
    lock_errors[1] = (struct error_count){.sqlstate = "55P03", .class = "web", .of_servers = 4};
    holders[0] = (struct snapshot_holder){.state = SEAT_PINNED,
                                          .class = 1,
                                          .since_us = 8000000,
                                          .pid = 4711,
                                          .client = 9,
                                          .pin_text = "LISTEN",
                                          .database = "app",
                                          .user = "\xff\"\n",
                                          .application = "</script>"};
    snapshot = (struct snapshot){.now_us = 10000000,
                                 .state = "running",
                                 .databases = databases,
                                 .database_count = 1,
                                 .databases_left_out = 3,
                                 .findings = findings,
                                 .finding_count = 1,
                                 .errors = {.counts = errors, .size = 3},
                                 .lock_errors = {.counts = lock_errors, .size = 2},
                                 .budget = 85,
                                 .leased = 4,
                                 .waiting = 2,
                                 .clients = 1000,
                                 .opening = 1,
                                 .idle = 2,
                                 .closing = 4,
                                 .stats = {.leases = 5000000000, .wait_us = 61000001, .received_bytes = 17},
                                 .classes = classes,
                                 .class_count = 2,
                                 .pools = pools,
                                 .pool_count = 2,
                                 .pools_left_out = 9,
                                 .seats = seats,
                                 .seat_count = 3,
                                 .holders = holders,
                                 .holder_count = 1};
}

static void end(void)
{
    text_buffer_fini(&out);
}

TestSuite(metrics, .init = start, .fini = end);

static void render(enum metrics_format format)
{
    out.size = 0;
    metrics_render(&snapshot, 1700000000, format, &out);
}

/* Whether it is a whole line. */
static bool has_line(const char *line)
{
    size_t size = strlen(line);
    for (const char *at = out.text; at && *at; at = strchr(at, '\n'), at = at ? at + 1 : NULL)
        if (strncmp(at, line, size) == 0 && at[size] == '\n') return true;
    return false;
}

#define HAS(line)   cr_expect(has_line(line), "no line: %s", line)
#define LACKS(line) cr_expect_not(has_line(line), "there is: %s", line)

Test(metrics, what_accept_asks_for)
{
    cr_expect_eq(metrics_choose(""), METRICS_TEXT);
    cr_expect_eq(metrics_choose("*/*"), METRICS_TEXT);
    cr_expect_eq(metrics_choose("text/plain;version=0.0.4"), METRICS_TEXT);
    cr_expect_eq(metrics_choose("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"),
                 METRICS_OPENMETRICS);
    cr_expect_str_eq(metrics_content_type(METRICS_TEXT), "text/plain; version=0.0.4; charset=utf-8");
}

Test(metrics, text_format)
{
    render(METRICS_TEXT);
    HAS("# TYPE pgturnstile_budget gauge");
    HAS("pgturnstile_budget 85");
    HAS("pgturnstile_start_time_seconds 1700000000");
    HAS("pgturnstile_ready 1");
    HAS("pgturnstile_draining 0");
    HAS("pgturnstile_slots{state=\"leased\"} 4");
    HAS("# HELP pgturnstile_leases_total Times a client was given a server.");
    HAS("# TYPE pgturnstile_leases_total counter");
    HAS("pgturnstile_leases_total 5000000000");
    HAS("# TYPE pgturnstile_wait_seconds_total counter");
    HAS("pgturnstile_wait_seconds_total 61.000001");
    HAS("pgturnstile_received_bytes_total 17");
    HAS("pgturnstile_class_leased{class=\"web\"} 3");
    HAS("pgturnstile_class_limit{class=\"cron \\\"late\\\"\"} 5");
    HAS("pgturnstile_class_leases_total{class=\"web\"} 5000000000");
    HAS("pgturnstile_class_refused_total{class=\"web\"} 6");
    HAS("pgturnstile_class_timed_out_total{class=\"web\"} 8");
    HAS("pgturnstile_class_clients{class=\"web\"} 9");
    HAS("pgturnstile_class_workers{class=\"web\"} 10");
    HAS("pgturnstile_class_workers_useful{class=\"web\"} 12");
    HAS("pgturnstile_class_slot_seconds_total{class=\"web\"} 123.456789");
    HAS("pgturnstile_class_longest_wait_seconds{class=\"web\"} 1.500000");
    LACKS("# EOF");
    LACKS("# UNIT pgturnstile_wait_seconds seconds");
}

Test(metrics, openmetrics)
{
    render(METRICS_OPENMETRICS);
    HAS("# TYPE pgturnstile_leases counter");
    HAS("pgturnstile_leases_total 5000000000");
    HAS("# TYPE pgturnstile_wait_seconds counter");
    HAS("# UNIT pgturnstile_wait_seconds seconds");
    HAS("# UNIT pgturnstile_received_bytes bytes");
    HAS("# UNIT pgturnstile_class_lease_seconds seconds");
    const char *eof = strstr(out.text, "\n# EOF\n");
    cr_assert_not_null(eof);
    cr_expect_str_eq(eof, "\n# EOF\n", "nothing comes after it");
}

Test(metrics, histograms_add_up)
{
    render(METRICS_TEXT);
    HAS("# TYPE pgturnstile_class_wait_seconds histogram");
    HAS("pgturnstile_class_wait_seconds_bucket{class=\"web\",le=\"0.0001\"} 2");
    HAS("pgturnstile_class_wait_seconds_bucket{class=\"web\",le=\"0.01\"} 2");
    HAS("pgturnstile_class_wait_seconds_bucket{class=\"web\",le=\"0.025\"} 3");
    HAS("pgturnstile_class_wait_seconds_bucket{class=\"web\",le=\"600.0\"} 3");
    HAS("pgturnstile_class_wait_seconds_bucket{class=\"web\",le=\"+Inf\"} 4");
    HAS("pgturnstile_class_wait_seconds_sum{class=\"web\"} 7200.020090");
    HAS("pgturnstile_class_wait_seconds_count{class=\"web\"} 4");
    HAS("pgturnstile_class_lease_seconds_bucket{class=\"web\",le=\"+Inf\"} 0");
    HAS("pgturnstile_class_query_seconds_bucket{class=\"web\",le=\"0.0025\"} 0");
    HAS("pgturnstile_class_query_seconds_bucket{class=\"web\",le=\"0.005\"} 1");
    HAS("# TYPE pgturnstile_pool_query_seconds histogram");
    HAS("pgturnstile_pool_query_seconds_bucket{database=\"app\",user=\"web\",le=\"0.001\"} 1");
    HAS("pgturnstile_pool_query_seconds_bucket{database=\"app\",user=\"web\",le=\"0.0025\"} 2");
    HAS("pgturnstile_pool_query_seconds_bucket{database=\"app\",user=\"web\",le=\"120.0\"} 2");
    HAS("pgturnstile_pool_query_seconds_bucket{database=\"app\",user=\"web\",le=\"+Inf\"} 3");
    HAS("pgturnstile_pool_query_seconds_sum{database=\"app\",user=\"web\"} 300.002001");
    HAS("pgturnstile_pool_query_seconds_count{database=\"app\",user=\"web\"} 3");
    HAS("pgturnstile_pool_lease_seconds_bucket{pool=\"other\",le=\"0.025\"} 1");
    HAS("pgturnstile_pool_wait_seconds_count{pool=\"other\"} 0");
}

Test(metrics, pools_and_the_rest_of_them)
{
    render(METRICS_TEXT);
    HAS("pgturnstile_pool_slots{database=\"app\",user=\"web\",state=\"opening\"} 1");
    HAS("pgturnstile_pool_slots{database=\"app\",user=\"web\",state=\"closing\"} 4");
    HAS("pgturnstile_pool_waiting{database=\"app\",user=\"web\"} 5");
    HAS("pgturnstile_pool_pinned{database=\"app\",user=\"web\"} 6");
    HAS("pgturnstile_pool_failing{database=\"a\\\"} 1\\n# EOF\\n\xef\xbf\xbd"
        "ff\",user=\"\\\\\"} 1");
    HAS("pgturnstile_pool_slots{pool=\"other\",state=\"idle\"} 70");
    HAS("pgturnstile_pool_failing{pool=\"other\"} 8");
    snapshot.pools_left_out = 0;
    render(METRICS_TEXT);
    LACKS("pgturnstile_pool_failing{pool=\"other\"} 8");
}

Test(metrics, databases_and_errors)
{
    render(METRICS_TEXT);
    HAS("pgturnstile_database_transactions_total{database=\"app\"} 11");
    HAS("pgturnstile_database_transactions_total{pool=\"other\"} 14");
    HAS("pgturnstile_database_received_bytes_total{database=\"app\"} 12");
    HAS("pgturnstile_database_query_seconds_total{database=\"app\"} 13.000000");
    HAS("pgturnstile_errors_total{sqlstate=\"23505\",class=\"web\",source=\"server\"} 7");
    HAS("pgturnstile_errors_total{sqlstate=\"53300\",class=\"cron \\\"late\\\"\",source=\"pgturnstile\"} 8");
    HAS("pgturnstile_errors_total{sqlstate=\"28P01\",class=\"\",source=\"pgturnstile\"} 9");
    LACKS("pgturnstile_errors_total{sqlstate=\"23505\",class=\"web\",source=\"pgturnstile\"} 0");
    HAS("# TYPE pgturnstile_lock_errors_total counter");
    HAS("pgturnstile_lock_errors_total{sqlstate=\"40P01\",class=\"web\"} 3");
    HAS("pgturnstile_lock_errors_total{sqlstate=\"55P03\",class=\"web\"} 4");
    LACKS("pgturnstile_findings_total{verdict=\"n_plus_one\"} 0");
    snapshot.is_analysing = true;
    snapshot.analysis.found[VERDICT_N_PLUS_ONE] = 5;
    render(METRICS_TEXT);
    HAS("pgturnstile_findings_total{verdict=\"n_plus_one\"} 5");
}

Test(metrics, not_ready)
{
    snapshot.why_not_ready = "draining";
    snapshot.is_draining = true;
    render(METRICS_TEXT);
    HAS("pgturnstile_ready 0");
    HAS("pgturnstile_draining 1");
}

/* Each family is told once, and its samples follow it. */
static void expect_well_formed(enum metrics_format format)
{
    render(format);
    char family[128] = "", *next;
    char *text = strdup(out.text);
    for (char *line = text; *line; line = next) {
        next = strchr(line, '\n');
        cr_assert_not_null(next, "the last line has an end");
        *next++ = '\0';
        if (strncmp(line, "# HELP ", 7) == 0) {
            snprintf(family, sizeof family, "%.*s", (int)strcspn(line + 7, " "), line + 7);
            char again[160];
            snprintf(again, sizeof again, "# HELP %s ", family);
            cr_expect_null(strstr(strstr(out.text, again) + 1, again), "%s stands twice", family);
        } else if (*line != '#') {
            cr_expect_eq(strncmp(line, family, strlen(family)), 0, "%s under %s", line, family);
            cr_expect_null(strstr(next, line), "twice: %s", line);
        }
    }
    free(text);
}

Test(metrics, families_are_whole)
{
    expect_well_formed(METRICS_TEXT);
    expect_well_formed(METRICS_OPENMETRICS);
}

/* ---- the same for the live page ---- */

Test(metrics, live_json)
{
    struct history_reading reading = {.leases = 0};
    history_read(&snapshot.history, &reading, 1000000);
    for (int i = 1; i <= 3; i++) {
        reading = (struct history_reading){.leases = (uint64_t)i * 10, .waiting = 1, .in_use = 2, .longest_wait_ms = (uint32_t)i};
        history_read(&snapshot.history, &reading, 1000000 + i * 1000000);
    }
    live_json_render(&snapshot, 93784000000, &out);
#define HOLDS(part) cr_expect_not_null(strstr(out.text, part), "%s\nnot in %s", part, out.text)
    HOLDS("{\"version\":\"" PACKAGE_VERSION "\",\"state\":\"running\",\"uptime_s\":93784,\"budget\":85,\"leased\":4,\"open\":6,");
    HOLDS("\"seats\":[[\"running\",0,0.500,\"app as web\"],[\"pinned\",1,2.000,\"app as \\ufffd\\\"\\u000a\"],[\"open\",-1,null,\"app as "
          "web\"]]");
    HOLDS("\"holders\":[{\"class\":1,\"pid\":4711,\"seconds\":2.000,\"state\":\"pinned\",\"pinned\":\"LISTEN\",\"user\":"
          "\"\\ufffd\\\"\\u000a\"");
    HOLDS("\"history\":{\"leases\":[10,10,10],\"waiting\":[1,1,1],\"in_use\":[2,2,2],\"longest_wait_ms\":[1,2,3]},");
    HOLDS("\"errors\":[{\"sqlstate\":\"53300\",\"class\":\"cron \\\"late\\\"\",\"server\":1,\"pgturnstile\":8,\"last_s\":0.500},"
          "{\"sqlstate\":\"23505\",\"class\":\"web\",\"server\":7,\"pgturnstile\":0,\"last_s\":2.000},"
          "{\"sqlstate\":\"28P01\",\"class\":\"\",\"server\":0,\"pgturnstile\":9,\"last_s\":10.000}],\"errors_left_out\":0,"
          "\"duplicates\":null}\n");
    HOLDS("\"wait_ms\":{\"p50\":0.091,\"p90\":7200000.000,\"p99\":7200000.000,\"max\":7200000.000}");
    snapshot.state = "draining";
    snapshot.is_analysing = true;
    out.size = 0;
    live_json_render(&snapshot, 0, &out);
    HOLDS("\"state\":\"draining\"");
    HOLDS("\"duplicates\":[{\"route\":\"GET /\\\"\",\"database\":\"app\",\"user\":\"web\",\"shape\":\"select "
          "$1\",\"verdict\":\"n_plus_one\",");
    HOLDS("\"units\":4,\"n\":2.5,\"lost_ms\":1.500}]}\n");
}

/* A server may make up as many as it likes: the latest are shown. */
Test(metrics, live_json_of_many_errors)
{
    struct error_counts many = {0};
    for (int i = 0; i < 100; i++) {
        char sqlstate[6];
        snprintf(sqlstate, sizeof sqlstate, "X%04d", i);
        error_counts_add(&many, sqlstate, "web", ERROR_OF_SERVER, 1000000 + i);
    }
    snapshot.errors = many;
    live_json_render(&snapshot, 0, &out);
    HOLDS("\"errors\":[{\"sqlstate\":\"X0099\"");
    HOLDS("\"sqlstate\":\"X0080\"");
    cr_expect_null(strstr(out.text, "X0079"));
    HOLDS("\"errors_left_out\":80,");
    error_counts_fini(&many);
}
