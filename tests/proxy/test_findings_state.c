#include "proxy/findings_state.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/finding_views.h"
#include "proxy/findings_file.h"

#define SECOND INT64_C(1000000)
static const int64_t start_us = 1700000000 * SECOND;
static struct findings *findings, *other;
static struct error error;

static void start(void)
{
    findings = findings_new(600 * SECOND, 0);
    other = findings_new(600 * SECOND, 0);
}

static void end(void)
{
    findings_free(&findings);
    findings_free(&other);
}

TestSuite(findings_state, .init = start, .fini = end);

static void fill(void)
{
    for (uint32_t i = 0; i < 30; i++) {
        struct observation observation = {
            .database = i % 2 ? "shop" : "d\tb %41\n\"",
            .user = "",
            .route = "/route ü",
            .shape = "select \"a\tb\" from t where id = $1",
            .fingerprint = UINT64_MAX - i % 5,
            .verdict = (enum verdict)(i % VERDICT_COUNT),
            .confidence = (enum confidence)(i % 3),
            .severity = (enum severity)(i % 3),
            .unit_kind = UNIT_TRANSACTION,
            .framework = (enum framework)(i % FRAMEWORK_COUNT),
            .counts =
                {.n = 3 + i, .distinct = 2, .duplicates = 1 + i, .round_trips = 3 + i, .rows = 9, .db_us = 8, .first_us = 1, .last_us = 70},
            .lost_us = 12345,
            .unit_statements = 50,
            .varying_slot = (int)(i % 3) - 1,
            .address = "10.0.0.1:5",
            .unit_text = "0af7",
            .parent_shape = i % 3 ? "select p" : NULL,
            .feed = {.link = i % 3 ? LINK_TO_MANY : LINK_NONE,
                     .slot = 3,
                     .column = {.table_oid = 4000000000U, .attnum = -3, .label = "owner id"},
                     .rows = 44,
                     .cover = 0.9F,
                     .inorder = 1,
                     .used = 0.25F},
        };
        findings_observe(findings, &observation, start_us + (int64_t)i * 45 * SECOND);
        findings_count_unit(findings, observation.database, observation.user, observation.route, start_us + (int64_t)i * 45 * SECOND);
    }
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The order of rows is a table's; the lines are the same. */
static size_t sort_lines(char *text, char **lines)
{
    size_t count = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) lines[count++] = line;
    qsort(lines, count, sizeof *lines, compare_lines);
    return count;
}

Test(findings_state, survives_being_written_and_read)
{
    size_t size, again_size;
    static char *lines[10000], *again_lines[10000];
    fill();
    char *text = findings_encode(findings, &size);
    cr_assert_eq(findings_decode(other, text, size, &error), 0, "%s", error.text);
    char *again = findings_encode(other, &again_size);
    cr_assert_eq(findings_count(other), findings_count(findings));
    size_t count = sort_lines(text, lines);
    cr_assert_eq(sort_lines(again, again_lines), count);
    for (size_t i = 0; i < count; i++) cr_expect_str_eq(lines[i], again_lines[i]);
    free(text);
    free(again);
}

Test(findings_state, ids_views_and_parents_are_the_same_afterwards)
{
    size_t size;
    int64_t now_us = start_us + 1400 * SECOND;
    fill();
    char *text = findings_encode(findings, &size);
    cr_assert_eq(findings_decode(other, text, size, &error), 0, "%s", error.text);
    free(text);
    for (const struct finding *finding = findings_next(findings, NULL); finding; finding = findings_next(findings, finding)) {
        const struct finding *same = findings_find(other, finding->id);
        struct finding_view before, after;
        cr_assert_not_null(same);
        finding_view(findings, finding, now_us - 600 * SECOND, now_us, &before);
        finding_view(other, same, now_us - 600 * SECOND, now_us, &after);
        cr_expect_eq(before.trend, after.trend);
        cr_expect_eq(before.totals.n, after.totals.n);
        cr_expect_eq(before.n_p50, after.n_p50);
        cr_expect_eq(before.units_of_route, after.units_of_route);
        cr_expect_eq(finding->parent.shape == NULL, same->parent.shape == NULL);
        cr_expect_eq(finding->parent.table_oid, same->parent.table_oid);
        cr_expect_eq(finding->parent.attnum, same->parent.attnum);
        cr_expect_str_eq(finding->parent.label, same->parent.label);
    }
}

Test(findings_state, with_another_window_the_totals_stay)
{
    size_t size;
    fill();
    char *text = findings_encode(findings, &size);
    struct findings *third = findings_new(20 * SECOND, 0);
    cr_assert_eq(findings_decode(third, text, size, &error), 0, "%s", error.text);
    const struct finding *finding = findings_next(findings, NULL);
    cr_expect_eq(findings_find(third, finding->id)->totals.n, finding->totals.n);
    findings_free(&third);
    free(text);
}

Test(findings_state, no_part_of_it_is_taken)
{
    size_t size;
    fill();
    char *text = findings_encode(findings, &size);
    size_t whole = 0;
    for (size_t part = 0; part < size; part++) {
        char *copy = malloc(part + 1); /* so that AddressSanitizer sees what is read behind it */
        memcpy(copy, text, part);
        if (part > 0 && text[part - 1] == '\n') {
            /* Whole lines are a state of their own. */
            cr_expect_eq(findings_decode(other, copy, part, &error), 0, "%s", error.text);
            findings_clear(other);
            whole++;
        } else if (part < 400 || part % 97 == 0) {
            cr_expect_eq(findings_decode(other, copy, part, &error), -1, "%zu of %zu bytes", part, size);
            cr_expect_eq(findings_count(other), 0);
            cr_expect_neq(error.text[0], '\0');
        }
        free(copy);
    }
    cr_expect_gt(whole, 30);
    free(text);
}

Test(findings_state, refuses_what_it_does_not_know)
{
    static const char *const bad[] = {
        "pgturnstile-findings\t2\t60000000\n",
        "pgturnstile-findings\t1\n",
        "pgturnstile-findings\t1\t60000000\textra\n",
        "something else\n",
        "\n",
        "pgturnstile-findings\t1\t60000000\nX\t1\n",
        "pgturnstile-findings\t1\t60000000\nF\tdb\n",
        "pgturnstile-findings\t1\t60000000\nB\t1\t1\t1\t1\t1\t1\t1\t1\t1\t1\t1\t1\n",
        "pgturnstile-findings\t1\t60000000\nS\t1\t1\n",
        "pgturnstile-findings\t1\t60000000\nQ\t1\t1\n",
        "pgturnstile-findings\t1\t60000000\nR\tdb\tuser\troute\t-1\t0\n",
        "pgturnstile-findings\t1\t60000000\nR\tdb\tuser\troute\t1x\t0\n",
        "pgturnstile-findings\t1\t60000000\nR\tdb\tuser\troute\t 1\t0\n",
        "pgturnstile-findings\t1\t60000000\nR\tdb\tuser\troute\t99999999999999999999\t0\n",
        "pgturnstile-findings\t1\t60000000\nR\tdb\tuser\t%0\t1\t0\n",
        "pgturnstile-findings\t1\t60000000\nR\tdb\tuser\t%00\t1\t0\n",
        "pgturnstile-findings\t1\t60000000\nR\tdb\tuser\t%zz\t1\t0\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_expect_eq(findings_decode(other, bad[i], strlen(bad[i]), &error), -1, "%s", bad[i]);
        cr_expect_eq(findings_count(other), 0);
    }
    static const char good[] = "pgturnstile-findings\t1\t60000000\nR\tdb\tuser\t%25\t1\t0\nQ\t5\t7\n";
    cr_expect_eq(findings_decode(other, good, sizeof good - 1, &error), 0, "%s", error.text);
}

Test(findings_state, files)
{
    char path[] = "/tmp/pgturnstile-findings-XXXXXX";
    char new_path[64];
    int file = mkstemp(path);
    cr_assert_geq(file, 0);
    close(file);
    snprintf(new_path, sizeof new_path, "%s.new", path);
    fill();
    cr_assert_eq(findings_file_save(findings, path, &error), 0, "%s", error.text);
    cr_expect_neq(access(new_path, F_OK), 0);
    cr_assert_eq(findings_file_load(other, path, &error), 0, "%s", error.text);
    cr_expect_eq(findings_count(other), findings_count(findings));
    findings_clear(other);
    unlink(path);
    cr_expect_eq(findings_file_load(other, path, &error), 0, "no file is no error");
    cr_expect_eq(findings_count(other), 0);
    cr_expect_eq(findings_file_load(other, "/tmp", &error), -1);
    cr_expect_eq(findings_file_save(findings, "/nowhere/at/all", &error), -1);
    cr_expect_not_null(strstr(error.text, "/nowhere/at/all"));
}

Test(findings_state, values_are_never_in_the_file)
{
    struct value_samples values = {.count = 1};
    snprintf(values.lines[0], sizeof values.lines[0], "$1 = 'planted'");
    struct observation observation = {
        .database = "d", .user = "u", .route = "r", .shape = "select $1", .counts = {.n = 5}, .varying_slot = -1, .values = &values};
    findings_observe(findings, &observation, start_us);
    size_t size;
    char *text = findings_encode(findings, &size);
    cr_expect_not_null(findings_next(findings, NULL)->sample_values);
    cr_expect_null(strstr(text, "planted"));
    free(text);
}
