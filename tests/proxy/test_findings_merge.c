#include "proxy/findings_merge.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "proxy/finding_views.h"

#define SECOND INT64_C(1000000)
static const int64_t start_us = 1700000000 * SECOND;
static struct findings *whole, *first, *second;

static void start(void)
{
    whole = findings_new(600 * SECOND, 0);
    first = findings_new_alike(whole);
    second = findings_new_alike(whole);
}

static void end(void)
{
    findings_free(&whole);
    findings_free(&first);
    findings_free(&second);
}

TestSuite(findings_merge, .init = start, .fini = end);

/* A unit of work on this route, with (n > 0) or without something found in it. */
static void unit(struct findings *findings, const char *route, uint32_t n, enum confidence confidence, int64_t at_s)
{
    struct observation observation = {
        .database = "shop",
        .user = "app",
        .route = route,
        .shape = "select from child",
        .fingerprint = 7,
        .verdict = VERDICT_N_PLUS_ONE,
        .confidence = confidence,
        .severity = n > 20 ? SEVERITY_CRITICAL : SEVERITY_INFO,
        .unit_kind = UNIT_TRANSACTION,
        .framework = FRAMEWORK_UNKNOWN,
        .counts = {.n = n, .distinct = n, .round_trips = n, .rows = n, .db_us = 8, .first_us = 1, .last_us = 70},
        .lost_us = 1000 * n,
        .unit_statements = n + 1,
        .varying_slot = -1,
        .parent_shape = confidence == CONFIDENCE_PROVEN ? "select from parent" : NULL,
        .feed = {.link = confidence == CONFIDENCE_PROVEN ? LINK_TO_MANY : LINK_NONE, .column = {.label = "owner"}},
    };
    if (n > 0) findings_observe(findings, &observation, start_us + at_s * SECOND);
    findings_count_unit(findings, "shop", "app", route, start_us + at_s * SECOND);
}

static void in_turn(const char *route, uint32_t n, enum confidence confidence, int64_t at_s, struct findings *part)
{
    unit(part, route, n, confidence, at_s);
    unit(whole, route, n, confidence, at_s);
}

/* Both sides as one, whoever is added to whom. */
static void expect_same(int64_t now_s)
{
    for (const struct finding *finding = findings_next(whole, NULL); finding; finding = findings_next(whole, finding)) {
        const struct finding *merged = findings_find(first, finding->id);
        struct finding_view wanted, view;
        cr_assert_not_null(merged);
        cr_expect_eq(merged->first_seen_us, finding->first_seen_us);
        cr_expect_eq(merged->last_seen_us, finding->last_seen_us);
        cr_expect_eq(merged->route_units_when_seen, finding->route_units_when_seen);
        cr_expect_eq(merged->confidence, finding->confidence);
        cr_expect_eq(merged->severity, finding->severity);
        cr_expect_eq(merged->sample_us, finding->sample_us);
        cr_expect_eq(merged->parent.shape != NULL, finding->parent.shape != NULL);
        for (int64_t since_s = 0; since_s <= now_s; since_s += 60) {
            finding_view(whole, finding, since_s == 0 ? 0 : start_us + since_s * SECOND, start_us + now_s * SECOND, &wanted);
            finding_view(first, merged, since_s == 0 ? 0 : start_us + since_s * SECOND, start_us + now_s * SECOND, &view);
            cr_expect_eq(view.totals.units, wanted.totals.units);
            cr_expect_eq(view.totals.n, wanted.totals.n);
            cr_expect_eq(view.totals.lost_us, wanted.totals.lost_us);
            cr_expect_eq(view.units_of_route, wanted.units_of_route);
            cr_expect_eq(view.n_p50, wanted.n_p50);
            cr_expect_eq(view.n_max, wanted.n_max);
            cr_expect_eq(view.trend, wanted.trend, "%s: %s, not %s", finding->route, trend_word(view.trend), trend_word(wanted.trend));
        }
    }
    cr_expect_eq(findings_count(first), findings_count(whole));
}

static void two_processes(void)
{
    for (int i = 0; i < 20; i++) {
        in_turn("/both", 10, CONFIDENCE_LIKELY, 10 * i, first);
        in_turn("/gone", 12, CONFIDENCE_PROVEN, 10 * i, first);
        in_turn("/quiet", i == 0 ? 5 : 0, CONFIDENCE_LIKELY, 10 * i, first);
    }
    for (int i = 20; i < 40; i++) {
        in_turn("/both", 30, i == 30 ? CONFIDENCE_PROVEN : CONFIDENCE_LIKELY, 10 * i, second);
        in_turn("/gone", 0, CONFIDENCE_LIKELY, 10 * i, second);
        in_turn("/new", 40, CONFIDENCE_LIKELY, 10 * i, second);
    }
}

Test(findings_merge, the_later_into_the_earlier)
{
    two_processes();
    findings_merge(first, second);
    expect_same(400);
}

Test(findings_merge, the_earlier_into_the_later)
{
    two_processes();
    findings_merge(second, first);
    struct findings *merged = second;
    second = first;
    first = merged;
    expect_same(400);
}

Test(findings_merge, into_nothing_and_of_nothing)
{
    two_processes();
    findings_merge(whole, second);
    findings_clear(whole);
    findings_merge(whole, first);
    findings_clear(second);
    findings_merge(first, second);
    expect_same(400);
}

/* The older drains beside the younger: what only one of them sees is not gone because the other goes on. */
Test(findings_merge, at_the_same_time)
{
    for (int i = 0; i < 30; i++) {
        unit(first, "/route", 0, CONFIDENCE_LIKELY, 10 * i);
        unit(second, "/route", 8, CONFIDENCE_LIKELY, 10 * i + 1);
    }
    findings_merge(first, second);
    const struct finding *finding = findings_next(first, NULL);
    struct finding_view view;
    finding_view(first, finding, 0, start_us + 300 * SECOND, &view);
    cr_expect_eq(view.totals.units, 30);
    cr_expect_eq(view.units_of_route, 60);
    cr_expect_neq(view.trend, TREND_GONE);
}

Test(findings_merge, stays_within_its_bounds)
{
    static char route[32];
    for (int i = 0; i < FINDINGS_MAX; i++) {
        snprintf(route, sizeof route, "/first/%d", i);
        unit(first, route, 5, CONFIDENCE_LIKELY, i);
        snprintf(route, sizeof route, "/second/%d", i);
        unit(second, route, 5, CONFIDENCE_LIKELY, i);
    }
    findings_merge(first, second);
    cr_expect_eq(findings_count(first), FINDINGS_MAX);
}
