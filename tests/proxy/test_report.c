#include "proxy/report.h"

#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/report_baseline.h"
#include "proxy/report_html.h"
#include "proxy/report_json.h"
#include "proxy/report_text.h"

/* The report in all its forms, of two findings: an N+1 with its parent, and a duplicate whose texts are hostile. */

static const int64_t start_us = INT64_C(1795000000000000), second_us = 1000000;
static const char hostile[] = "select \"<script>alert('&')</script>\" \033[2J \xff \xe2\x80\xae end";
static struct findings *findings;
static struct text_table *table;
static struct error error;

static const struct value_samples values = {.count = 2, .lines = {"$1 = 7, $2 = '<b>'", "$1 = 8, $2 = 21"}};

static struct observation n_plus_one(void)
{
    return (struct observation){
        .database = "shop",
        .user = "web",
        .route = "/api/businesses",
        .shape = "select * from biz_user where id = $1 limit $2",
        .fingerprint = 77,
        .verdict = VERDICT_N_PLUS_ONE,
        .confidence = CONFIDENCE_PROVEN,
        .severity = SEVERITY_CRITICAL,
        .unit_kind = UNIT_TAG,
        .counts =
            {.n = 44, .distinct = 42, .duplicates = 2, .round_trips = 44, .rows = 44, .db_us = 22000, .first_us = 0, .last_us = 40000},
        .lost_us = 31000,
        .unit_statements = 176,
        .feed = {.link = LINK_TO_ONE,
                 .slot = 0,
                 .rows = 44,
                 .cover = 1,
                 .inorder = 1,
                 .column = {.table_oid = 16400, .attnum = 3, .label = "owner_id"}},
        .varying_slot = 0,
        .parent_shape = "select id, owner_id from biz_business",
        .address = "127.0.0.1:4711",
        .unit_text = "00000000000000000000000000000077",
        .values = &values};
}

static struct observation duplicate(void)
{
    struct observation observation = n_plus_one();
    observation.route = "<b>route</b>";
    observation.shape = hostile;
    observation.fingerprint = 78;
    observation.verdict = VERDICT_EXACT_DUPLICATE;
    observation.severity = SEVERITY_WARNING;
    observation.confidence = CONFIDENCE_LIKELY;
    observation.feed = (struct verdict_feed){.link = LINK_NONE};
    observation.parent_shape = NULL;
    observation.values = NULL;
    observation.lost_us = 14000;
    return observation;
}

static void observe(struct observation observation, int64_t now_us)
{
    findings_count_unit(findings, observation.database, observation.user, observation.route, now_us);
    (void)findings_observe(findings, &observation, now_us);
}

static void start(void)
{
    findings = findings_new(600 * second_us, 10 * second_us);
    for (int i = 0; i < 3; i++) observe(n_plus_one(), start_us + i * second_us);
    observe(duplicate(), start_us + 5 * second_us);
    table = report_table(findings, 0, start_us + 6 * second_us);
}

static void end(void)
{
    text_table_free(&table);
    findings_free(&findings);
}

TestSuite(report, .init = start, .fini = end, .timeout = 60);

static const char *cell(size_t row, const char *name)
{
    return text_table_cell(table, row, text_table_find(table, name));
}

Test(report, rows_the_worst_first)
{
    cr_assert_eq(text_table_rows(table), 2);
    cr_expect(report_is_complete(table));
    cr_expect_str_eq(cell(0, "route"), "/api/businesses");
    cr_expect_str_eq(cell(0, "verdict"), "n_plus_one");
    cr_expect_str_eq(cell(0, "confidence"), "proven");
    cr_expect_str_eq(cell(0, "units"), "3");
    cr_expect_str_eq(cell(0, "n_p50"), "44");
    cr_expect_str_eq(cell(0, "unit_statements"), "176");
    cr_expect_str_eq(cell(0, "lost_ms"), "93.000");
    cr_expect_str_eq(cell(0, "lost_ms_per_unit"), "31.000");
    cr_expect_str_eq(cell(0, "parent_column"), "owner_id");
    cr_expect_str_eq(cell(0, "parent_slot"), "$1");
    cr_expect_str_eq(cell(0, "parent_link"), "to_one");
    cr_expect_str_eq(cell(0, "first_seen"), "2026-11-18T11:06:40Z");
    cr_expect_str_eq(cell(0, "sample_request"), "00000000000000000000000000000077");
    cr_expect_eq(strlen(cell(0, "id")), 16);
    cr_expect_str_eq(cell(1, "parent_shape"), "");
    cr_expect_str_eq(cell(1, "parent_link"), "");
    cr_expect_gt(strlen(cell(0, "suggestion")), 10);
}

Test(report, json_has_the_documented_members)
{
    static const char *const members[] = {"id",       "database", "user",       "route",          "verdict",   "confidence",
                                          "severity", "shape",    "units",      "units_of_route", "n_p50",     "n_p95",
                                          "n_max",    "distinct", "dup",        "round_trips",    "lost_ms",   "db_ms",
                                          "wall_ms",  "parent",   "suggestion", "first_seen",     "last_seen", "trend"};
    static const char *const of_parent[] = {"shape", "table", "column", "slot", "rows", "cover", "inorder", "link"};
    char *text = report_json(table, 0, start_us);
    cJSON *report = cJSON_Parse(text);
    cr_assert_not_null(report, "%s", text);
    cr_expect_eq(cJSON_GetObjectItem(report, "version")->valueint, REPORT_JSON_VERSION);
    cJSON *list = cJSON_GetObjectItem(report, "findings"), *first = cJSON_GetArrayItem(list, 0), *second = cJSON_GetArrayItem(list, 1);
    cr_assert_eq(cJSON_GetArraySize(list), 2);
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) cr_expect(cJSON_HasObjectItem(first, members[i]), "%s", members[i]);
    for (size_t i = 0; i < sizeof of_parent / sizeof of_parent[0]; i++)
        cr_expect(cJSON_HasObjectItem(cJSON_GetObjectItem(first, "parent"), of_parent[i]), "%s", of_parent[i]);
    cJSON *shown = cJSON_GetObjectItem(first, "sample_values");
    cr_assert(cJSON_IsArray(shown));
    cr_assert_eq(cJSON_GetArraySize(shown), 2);
    cr_expect_str_eq(cJSON_GetArrayItem(shown, 0)->valuestring, "$1 = 7, $2 = '<b>'");
    cr_expect_str_eq(cJSON_GetArrayItem(shown, 1)->valuestring, "$1 = 8, $2 = 21");
    cr_expect(cJSON_IsNull(cJSON_GetObjectItem(second, "sample_values")));
    cr_expect_eq(cJSON_GetObjectItem(first, "n_p50")->valueint, 44);
    cr_expect_float_eq(cJSON_GetObjectItem(first, "lost_ms")->valuedouble, 93.0, 1e-9);
    cr_expect(cJSON_IsNull(cJSON_GetObjectItem(second, "parent")));
    cr_expect(cJSON_IsNull(cJSON_GetObjectItem(report, "since")));
    /* No byte that is not UTF-8, nothing that steers a terminal. */
    cr_expect_null(strchr(text, '\xff'));
    cr_expect_null(strchr(text, '\033'));
    cJSON_Delete(report);
    free(text);
}

/* Three units of 44 and one of 8: what stands side by side adds up, and so does what is left without the repeats. */
static void observe_a_small_unit(void)
{
    struct observation small = n_plus_one();
    small.counts.n = small.counts.round_trips = 8;
    small.counts.distinct = 6;
    small.unit_statements = 12;
    observe(small, start_us + 6 * second_us);
    text_table_free(&table);
    table = report_table(findings, 0, start_us + 7 * second_us);
    cr_expect_str_eq(cell(0, "n_p50"), "44");
}

Test(report, html_adds_up)
{
    observe_a_small_unit();
    char *text = report_html(table, 0, start_us);
    cr_expect_not_null(strstr(text, "35 times in a request</h3>"));
    cr_expect_not_null(strstr(text, "<dt>at most</dt><dd>44</dd>"));
    cr_expect_not_null(strstr(text, "135 now"));
    cr_expect_not_null(strstr(text, "101 without the repeats"));
    free(text);
}

/* 33 different parameters and 2 duplicates: 35 times, however many the median unit has. */
Test(report, text_adds_up)
{
    char *text;
    size_t size;
    observe_a_small_unit();
    FILE *out = open_memstream(&text, &size);
    report_text_print(table, 0, out);
    fclose(out);
    const char *head = strstr(text, "N/UNIT  DISTINCT  DUP  UNITS"), *row = head ? strchr(head, '\n') : NULL;
    cr_assert_not_null(row, "%s", text);
    unsigned times, distinct, duplicates, units;
    cr_assert_eq(sscanf(row + (head - text), "%u %u %u %u", &times, &distinct, &duplicates, &units), 4, "%s", text);
    cr_expect_eq(times, 35);
    cr_expect_eq(distinct, 33);
    cr_expect_eq(duplicates, 2);
    cr_expect_eq(units, 4);
    free(text);
}

Test(report, html_escapes_whatever_comes_from_outside)
{
    char *text = report_html(table, start_us, start_us);
    cr_expect_null(strstr(text, "<script"), "no scripts at all");
    cr_expect_null(strstr(text, "<b>route"));
    cr_expect_null(strstr(text, "http://"));
    cr_expect_null(strstr(text, "https://"));
    cr_expect_null(strchr(text, '\xff'));
    cr_expect_null(strchr(text, '\033'));
    cr_expect_null(strstr(text, "\xe2\x80\xae"));
    cr_expect_not_null(strstr(text, "&#60;b&#62;route"));
    cr_expect_not_null(strstr(text, "$1 = 7, $2 = &#39;&#60;b&#62;&#39;\n$1 = 8"));
    cr_expect_not_null(strstr(text, "176 now"));
    cr_expect_not_null(strstr(text, "133 without the repeats"));
    cr_expect_not_null(strstr(text, "biz_business"));
    cr_expect_not_null(strstr(text, "/api/businesses: N+1, 44 times in a request</h3>"));
    cr_expect_not_null(strstr(text, "<dd>3 of 3 requests</dd>"));
    free(text);
    struct text_table *empty = text_table_copy_head(table);
    text = report_html(empty, 0, start_us);
    cr_expect_not_null(strstr(text, "No repeated statements"));
    free(text);
    text_table_free(&empty);
}

Test(report, text_for_a_terminal)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    report_text_print(table, 0, out);
    fclose(out);
    cr_expect_not_null(strstr(text, "N+1 to one"), "%s", text);
    cr_expect_not_null(strstr(text, "parent: owner_id (44 rows, in order 1.000) -> $1"), "%s", text);
    cr_expect_null(strchr(text, '\033'));
    free(text);
}

/* On 80 columns route and query have lines of their own, and no figure is cut off. */
Test(report, text_for_a_narrow_terminal)
{
    struct observation wide = n_plus_one();
    wide.shape =
        "select biz_user.id, biz_user.name, biz_user.email, biz_user.created_at, (select now() from dual) from biz_user where id = $1";
    wide.fingerprint = 79;
    observe(wide, start_us + 6 * second_us);
    text_table_free(&table);
    table = report_table(findings, 0, start_us + 7 * second_us);
    char *text, *rest;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    report_text_print(table, 80, out);
    fclose(out);
    cr_expect_not_null(strstr(text, "LOST/UNIT\n"), "%s", text);
    cr_expect_not_null(strstr(text, "31.0 ms\n"), "%s", text);
    cr_expect_not_null(strstr(text, "\n    route: /api/businesses\n    query: select * from biz_user where id = $1 limit $2\n"), "%s",
                       text);
    cr_expect_not_null(strstr(text, "\n    query: select ... from biz_user where id = $1\n"), "%s", text);
    cr_expect_null(strstr(text, "created_at"), "%s", text);
    rest = text;
    for (char *line; (line = strsep(&rest, "\n"));) cr_expect_leq(strlen(line), 80, "%s", line);
    free(text);
}

static char *write_file(const char *content)
{
    static char path[64];
    strcpy(path, "/tmp/test_report_XXXXXX");
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, content, strlen(content)), (ssize_t)strlen(content));
    close(fd);
    return path;
}

static size_t uncovered_by(const char *content)
{
    char *path = write_file(content);
    struct report_baseline *baseline = report_baseline_read(path, &error);
    unlink(path);
    cr_assert_not_null(baseline, "%s", error.text);
    struct text_table *uncovered = report_baseline_uncovered(baseline, table);
    size_t count = text_table_rows(uncovered);
    text_table_free(&uncovered);
    report_baseline_free(&baseline);
    return count;
}

Test(report, a_baseline_covers_what_it_names)
{
    char list[256];
    cr_expect_eq(uncovered_by(""), 2);
    cr_expect_eq(uncovered_by("# nothing yet\n\n"), 2);
    snprintf(list, sizeof list, "# known\n%s  the slow list\n", cell(0, "id"));
    cr_expect_eq(uncovered_by(list), 1);
    snprintf(list, sizeof list, "%s#x\n%s", cell(0, "id"), cell(1, "id"));
    cr_expect_eq(uncovered_by(list), 0);
    char *json = report_json(table, 0, start_us);
    cr_expect_eq(uncovered_by(json), 0);
    free(json);
    cr_expect_eq(uncovered_by("{\"findings\": []}"), 2);
    cr_expect_eq(uncovered_by("[]"), 2);
}

/* What --ci prints may be put into the list as it is. */
Test(report, ids_to_accept)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    report_text_print_ids(table, out);
    fclose(out);
    cr_expect_not_null(strstr(text, "  # /api/businesses: N+1, select * from biz_user where id = $1 limit $2\n"), "%s", text);
    cr_expect_not_null(strstr(text, "  # <b>route</b>: exact duplicate, select "), "%s", text);
    cr_expect_null(strchr(text, '\033'));
    cr_expect_null(strchr(text, '\xff'));
    cr_expect_eq(uncovered_by(text), 0);
    free(text);
}

/* It has its own shape as the parent's; the link is one of the two there are. */
Test(report, what_feeds_itself)
{
    struct observation walk = n_plus_one();
    walk.verdict = VERDICT_RECURSIVE_WALK;
    walk.feed.link = LINK_SELF;
    walk.feed.rows = 1;
    walk.parent_shape = walk.shape;
    observe(walk, start_us + 6 * second_us);
    walk.verdict = VERDICT_PAGINATION;
    walk.feed.rows = 20;
    observe(walk, start_us + 6 * second_us);
    text_table_free(&table);
    table = report_table(findings, 0, start_us + 7 * second_us);
    for (size_t row = 0; row < text_table_rows(table); row++) {
        bool is_walk = strcmp(cell(row, "verdict"), "recursive_walk") == 0, is_paging = strcmp(cell(row, "verdict"), "pagination") == 0;
        if (!is_walk && !is_paging) continue;
        cr_expect_str_eq(cell(row, "parent_shape"), cell(row, "shape"));
        cr_expect_str_eq(cell(row, "parent_link"), is_walk ? "to_one" : "to_many");
    }
}

Test(report, bad_baselines)
{
    static const char *const bad[] = {"not an id\n", "0123456789abcde\n", "{", "{\"findings\": 5}", "{\"findings\": [{\"id\": \"x\"}]}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char *path = write_file(bad[i]);
        struct report_baseline *baseline = report_baseline_read(path, &error);
        cr_expect_null(baseline, "%s", bad[i]);
        cr_expect_eq(strncmp(error.text, path, strlen(path)), 0, "%s", error.text);
        unlink(path);
    }
    cr_expect_null(report_baseline_read("/nonexistent/baseline", &error));
}

Test(report, spans_of_time)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } good[] = {{"0", 0}, {"45", 45}, {"90s", 90}, {"10m", 600}, {"2h", 7200}, {"1d", 86400}};
    static const char *const bad[] = {"", "m", "-1", "10x", "10mm", "1.5h", " 5", "99999999999999999999"};
    int64_t us;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        cr_expect(report_read_span(good[i].text, &us));
        cr_expect_eq(us, good[i].seconds * second_us, "%s", good[i].text);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) cr_expect_not(report_read_span(bad[i], &us), "%s", bad[i]);
}
