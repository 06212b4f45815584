#include "proxy/findings.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/finding_views.h"

#define SECOND INT64_C(1000000)
#define WINDOW (600 * SECOND)
static const int64_t start_us = 1700000000 * SECOND;

static struct findings *findings;

static void start(void)
{
    findings = findings_new(WINDOW, 10 * SECOND);
}

static void end(void)
{
    findings_free(&findings);
    cr_expect_null(findings);
    findings_free(&findings);
}

TestSuite(findings, .init = start, .fini = end);

static struct observation an_observation(const char *route, uint32_t n)
{
    return (struct observation){
        .database = "shop",
        .user = "web",
        .route = route,
        .shape = "select * from t where id = $1",
        .fingerprint = 4711,
        .verdict = VERDICT_N_PLUS_ONE,
        .confidence = CONFIDENCE_LIKELY,
        .severity = SEVERITY_WARNING,
        .counts = {.n = n,
                   .distinct = n - 1,
                   .duplicates = 1,
                   .round_trips = n,
                   .rows = n,
                   .db_us = 100 * n,
                   .first_us = 10,
                   .last_us = 10 + 1000 * n},
        .lost_us = 1000 * n,
        .unit_statements = n + 5,
        .varying_slot = 0,
        .address = "10.0.0.7:1234",
        .unit_text = "",
    };
}

static struct finding_notice observe(const struct observation *observation, int64_t now_us)
{
    struct finding_notice notice = findings_observe(findings, observation, now_us);
    findings_count_unit(findings, observation->database, observation->user, observation->route, now_us);
    return notice;
}

static struct finding_view view(const struct finding *finding, int64_t since_us, int64_t now_us)
{
    struct finding_view view;
    finding_view(findings, finding, since_us, now_us, &view);
    return view;
}

Test(findings, units_of_one_row_add_up)
{
    struct observation observation = an_observation("/a", 20);
    const struct finding *finding = observe(&observation, start_us).finding;
    observation = an_observation("/a", 40);
    cr_assert_eq(observe(&observation, start_us + SECOND).finding, finding);
    findings_count_unit(findings, "shop", "web", "/a", start_us + SECOND);
    findings_count_unit(findings, "shop", "web", "/a", start_us + SECOND);

    struct finding_view seen = view(finding, 0, start_us + SECOND);
    cr_expect_eq(seen.totals.units, 2);
    cr_expect_eq(seen.units_of_route, 4);
    cr_expect_eq(seen.totals.n, 60);
    cr_expect_eq(seen.n_max, 40);
    cr_expect_eq(seen.n_p50, 20);
    cr_expect_eq(seen.n_p95, 40);
    cr_expect_eq(seen.distinct, 29);
    cr_expect_eq(seen.duplicates, 1);
    cr_expect_eq(seen.totals.lost_us, 60000);
    cr_expect_eq(seen.lost_us_per_unit, 30000);
    cr_expect_eq(seen.totals.wall_us, 60000);
    cr_expect_eq(finding->first_seen_us, start_us);
    cr_expect_eq(finding->last_seen_us, start_us + SECOND);
    cr_expect_str_eq(finding->sample_address, "10.0.0.7:1234");
}

Test(findings, each_text_and_the_verdict_make_another_row)
{
    struct observation all[6];
    for (int i = 0; i < 6; i++) all[i] = an_observation("/a", 20);
    all[1].database = "other";
    all[2].user = "other";
    all[3].route = "other";
    all[4].fingerprint = 1;
    all[5].verdict = VERDICT_EXACT_DUPLICATE;
    for (int i = 0; i < 6; i++) observe(&all[i], start_us);
    cr_expect_eq(findings_count(findings), 6);
}

Test(findings, ids_are_stable_and_of_16_digits)
{
    struct observation observation = an_observation("/a", 20);
    char id[17];
    const struct finding *finding = observe(&observation, start_us).finding;
    cr_expect_eq(strspn(finding->id, "0123456789abcdef"), 16);
    cr_expect_eq(findings_find(findings, finding->id), finding);
    cr_expect_null(findings_find(findings, "0000000000000000"));
    memcpy(id, finding->id, sizeof id);
    findings_clear(findings);
    cr_expect_eq(findings_count(findings), 0);
    cr_expect_str_eq(observe(&observation, start_us + WINDOW).finding->id, id);
    /* Written down, so that a change of the key, which would make all baselines void, does not go unnoticed. */
    cr_expect_str_eq(id, "372c6d18565d0fd2");
}

Test(findings, the_best_confidence_and_the_worst_severity_stay)
{
    struct observation observation = an_observation("/a", 20);
    const struct finding *finding = observe(&observation, start_us).finding;
    observation.confidence = CONFIDENCE_PROVEN;
    observation.severity = SEVERITY_CRITICAL;
    observation.parent_shape = "select id from p";
    observation.feed = (struct verdict_feed){.link = LINK_TO_ONE,
                                             .slot = 0,
                                             .column = {.table_oid = 99, .attnum = 2, .label = "owner_id"},
                                             .rows = 44,
                                             .cover = 1,
                                             .inorder = 1};
    observe(&observation, start_us + 1);
    observation = an_observation("/a", 20);
    observe(&observation, start_us + 2);
    cr_expect_eq(finding->confidence, CONFIDENCE_PROVEN);
    cr_expect_eq(finding->severity, SEVERITY_CRITICAL);
    cr_expect_str_eq(finding->parent.shape, "select id from p");
    cr_expect_str_eq(finding->parent.label, "owner_id");
    cr_expect_eq(finding->parent.rows, 44);
}

Test(findings, names_of_parents_are_asked_for_once_and_kept)
{
    struct observation observation = an_observation("/a", 20);
    size_t rotation = 0;
    observe(&observation, start_us);
    cr_expect_null(findings_next_unresolved(findings, &rotation));
    observation.parent_shape = "select id from p";
    observation.feed = (struct verdict_feed){.link = LINK_TO_ONE, .column = {.table_oid = 99, .attnum = 2, .label = "x"}};
    const struct finding *finding = observe(&observation, start_us).finding;
    cr_expect_eq(findings_next_unresolved(findings, &rotation), finding);
    findings_resolve(findings, "another", 99, 2, "wrong", "wrong");
    cr_expect_eq(findings_next_unresolved(findings, &rotation), finding);
    findings_resolve(findings, "shop", 99, 2, "business", "owner_id");
    cr_expect_null(findings_next_unresolved(findings, &rotation));
    observe(&observation, start_us + 1);
    cr_expect_str_eq(finding->parent.table, "business");
    cr_expect_str_eq(finding->parent.column, "owner_id");
    observation.route = "/b";
    const struct finding *other = observe(&observation, start_us + 1).finding;
    cr_expect_str_eq(other->parent.table, "business", "known from the first one");
    cr_expect_str_eq(other->parent.column, "owner_id");
    observation.database = "another";
    other = observe(&observation, start_us + 1).finding;
    cr_expect_str_eq(other->parent.table, "", "not in another database");
    observation.database = "shop";
    observation.route = "/a";
    observation.feed.column.attnum = 3;
    observe(&observation, start_us + 2);
    cr_expect_str_eq(finding->parent.table, "");
}

Test(findings, a_lower_bound_is_told_but_not_counted)
{
    struct observation live = an_observation("/a", 5), whole = an_observation("/a", 20);
    live.is_lower_bound = true;
    live.confidence = CONFIDENCE_PROVEN;
    struct finding_notice notice = findings_observe(findings, &live, start_us);
    struct finding_view *views;
    cr_expect(notice.is_wanted);
    cr_expect_eq(finding_views_rank(findings, 0, start_us, &views), 0);
    free(views);
    notice = observe(&whole, start_us + SECOND);
    cr_expect(notice.is_wanted, "the whole is told, too");
    cr_expect_eq(notice.finding->totals.units, 1);
    cr_expect_eq(notice.finding->confidence, CONFIDENCE_LIKELY);
    cr_expect_not(findings_observe(findings, &live, start_us + 2 * SECOND).is_wanted);
    cr_expect(findings_observe(findings, &live, start_us + 20 * SECOND).is_wanted);
}

Test(findings, the_log_cools_down_and_counts_what_it_did_not_say)
{
    struct observation observation = an_observation("/a", 20);
    cr_expect(observe(&observation, start_us).is_wanted);
    for (int i = 1; i <= 7; i++) cr_expect_not(observe(&observation, start_us + i * SECOND).is_wanted);
    struct finding_notice notice = observe(&observation, start_us + 10 * SECOND);
    cr_expect(notice.is_wanted);
    cr_expect_eq(notice.suppressed, 7);
    notice = observe(&observation, start_us + 20 * SECOND);
    cr_expect(notice.is_wanted);
    cr_expect_eq(notice.suppressed, 0);
    struct observation other = an_observation("/b", 20);
    cr_expect(observe(&other, start_us + 20 * SECOND).is_wanted, "another finding is not silenced");
}

Test(findings, the_log_does_not_wait_with_a_proof)
{
    struct observation observation = an_observation("/a", 20);
    cr_expect(observe(&observation, start_us).is_wanted);
    cr_expect_not(observe(&observation, start_us + SECOND).is_wanted);
    observation.confidence = CONFIDENCE_PROVEN;
    struct finding_notice notice = observe(&observation, start_us + 2 * SECOND);
    cr_expect(notice.is_wanted);
    cr_expect_eq(notice.suppressed, 1);
    cr_expect_not(observe(&observation, start_us + 3 * SECOND).is_wanted, "once is enough");
    observation.confidence = CONFIDENCE_LIKELY;
    cr_expect_not(observe(&observation, start_us + 4 * SECOND).is_wanted);
}

Test(findings, since_takes_only_the_units_of_that_time)
{
    struct observation observation = an_observation("/a", 20);
    const struct finding *finding = observe(&observation, start_us).finding;
    observation = an_observation("/a", 50);
    observe(&observation, start_us + WINDOW);
    struct finding_view seen = view(finding, start_us + WINDOW - 60 * SECOND, start_us + WINDOW);
    cr_expect_eq(seen.totals.units, 1);
    cr_expect_eq(seen.totals.n, 50);
    cr_expect_eq(seen.units_of_route, 1);
    cr_expect_eq(seen.n_p50, 50);
    seen = view(finding, 0, start_us + WINDOW);
    cr_expect_eq(seen.totals.units, 2);
    struct finding_view *views;
    cr_expect_eq(finding_views_rank(findings, start_us + WINDOW + 120 * SECOND, start_us + WINDOW + 240 * SECOND, &views), 0);
    free(views);
}

Test(findings, new_in_its_first_window_then_steady)
{
    struct observation observation = an_observation("/a", 20);
    const struct finding *finding = observe(&observation, start_us).finding;
    cr_expect_eq(view(finding, 0, start_us + SECOND).trend, TREND_NEW);
    observe(&observation, start_us + WINDOW);
    cr_expect_eq(view(finding, 0, start_us + WINDOW).trend, TREND_STEADY);
}

Test(findings, worse_and_better_by_the_mean_of_n)
{
    struct observation observation = an_observation("/a", 20), more = an_observation("/a", 30), less = an_observation("/b", 10);
    const struct finding *finding = observe(&observation, start_us).finding;
    observe(&more, start_us + WINDOW);
    cr_expect_eq(view(finding, 0, start_us + WINDOW).trend, TREND_WORSE);
    observation = an_observation("/b", 20);
    finding = observe(&observation, start_us).finding;
    observe(&less, start_us + WINDOW);
    cr_expect_eq(view(finding, 0, start_us + WINDOW).trend, TREND_BETTER);
}

Test(findings, gone_when_the_route_goes_on_without_it)
{
    struct observation observation = an_observation("/a", 20);
    const struct finding *finding = NULL;
    for (int i = 0; i < 10; i++) finding = observe(&observation, start_us + i * SECOND).finding;
    int64_t now_us = start_us + 10 * SECOND;
    for (int i = 0; i < 2; i++) findings_count_unit(findings, "shop", "web", "/a", now_us);
    cr_expect_neq(view(finding, 0, now_us).trend, TREND_GONE, "two requests without it may be chance");
    findings_count_unit(findings, "shop", "web", "/a", now_us);
    cr_expect_eq(view(finding, 0, now_us).trend, TREND_GONE);
    observe(&observation, now_us + SECOND);
    cr_expect_neq(view(finding, 0, now_us + SECOND).trend, TREND_GONE, "it is back");
}

Test(findings, what_is_rare_is_not_gone_so_soon)
{
    struct observation observation = an_observation("/a", 20);
    const struct finding *finding = NULL;
    for (int i = 0; i < 100; i++) {
        if (i % 10 == 0) finding = observe(&observation, start_us).finding;
        findings_count_unit(findings, "shop", "web", "/a", start_us);
    }
    for (int i = 0; i < 20; i++) findings_count_unit(findings, "shop", "web", "/a", start_us);
    cr_expect_neq(view(finding, 0, start_us).trend, TREND_GONE);
    for (int i = 0; i < 60; i++) findings_count_unit(findings, "shop", "web", "/a", start_us);
    cr_expect_eq(view(finding, 0, start_us).trend, TREND_GONE);
}

Test(findings, silence_is_no_improvement)
{
    struct observation observation = an_observation("/a", 20);
    const struct finding *finding = observe(&observation, start_us).finding;
    cr_expect_eq(view(finding, 0, start_us + 5 * WINDOW).trend, TREND_STEADY);
}

Test(findings, ranked_by_the_time_that_was_lost)
{
    static const char *const routes[] = {"/some", "/most", "/least"};
    static const int64_t lost_us[] = {500, 9000, 1};
    for (int i = 0; i < 3; i++) {
        struct observation observation = an_observation(routes[i], 20);
        observation.lost_us = lost_us[i];
        observe(&observation, start_us);
    }
    struct finding_view *views;
    cr_assert_eq(finding_views_rank(findings, 0, start_us, &views), 3);
    cr_expect_str_eq(views[0].finding->route, "/most");
    cr_expect_str_eq(views[1].finding->route, "/some");
    cr_expect_str_eq(views[2].finding->route, "/least");
    free(views);
}

Test(findings, bounded_and_the_oldest_makes_room)
{
    for (int i = 0; i < FINDINGS_MAX + 10; i++) {
        struct observation observation = an_observation("/a", 20);
        observation.fingerprint = (uint64_t)i;
        observe(&observation, start_us + i);
    }
    cr_expect_eq(findings_count(findings), FINDINGS_MAX);
    cr_expect_eq(findings_evicted(findings), 10);
    for (const struct finding *finding = findings_next(findings, NULL); finding; finding = findings_next(findings, finding))
        cr_expect_geq(finding->fingerprint, 10);
}

Test(findings, another_window_begins_its_buckets_anew)
{
    struct observation observation = an_observation("/a", 20);
    const struct finding *finding = observe(&observation, start_us).finding;
    findings_configure(findings, 20 * SECOND, SECOND);
    cr_expect_eq(findings_bucket_us(findings), 2 * SECOND);
    cr_expect_eq(view(finding, 0, start_us + SECOND).totals.units, 1, "the totals stay");
    observe(&observation, start_us + 20 * SECOND);
    cr_expect_eq(view(finding, start_us + 10 * SECOND, start_us + 20 * SECOND).totals.units, 1);
}
