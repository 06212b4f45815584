#include "proxy/verdicts.h"

#include <criterion/criterion.h>

static const struct verdict_thresholds thresholds = {
    .n_plus_one_min = 5, .n_plus_one_min_proven = 3, .duplicates_min = 3, .loop_min = 10, .critical_n = 10, .critical_lost_us = 50000};
static struct verdict_finding found[VERDICTS_MAX];

/* n executions with as many parameters, each its own round trip of 1.2 ms. */
static struct verdict_evidence lookups(uint32_t n)
{
    return (struct verdict_evidence){
        .class = SHAPE_READ,
        .counts = {.n = n, .distinct = n, .most = 1, .round_trips = n, .rows_max = 1, .rows = n, .min_cost_us = 1200, .min_gap_us = 1000},
        .varying = 1,
        .roles = {SLOT_EQUAL},
        .slot_count = 1,
    };
}

static size_t judge(const struct verdict_evidence *evidence, enum unit_kind kind)
{
    return verdicts_of(evidence, &(struct verdict_unit){.kind = kind, .repeats = 1}, &thresholds, found);
}

Test(verdicts, words_go_both_ways)
{
    for (int i = 0; i < VERDICT_COUNT; i++) {
        cr_expect_eq(verdict_find(verdict_word((enum verdict)i)), i);
        cr_expect_neq(verdict_text((enum verdict)i)[0], '\0');
    }
    cr_expect_eq(verdict_find("nonsense"), -1);
    cr_expect_eq(confidence_find("proven"), CONFIDENCE_PROVEN);
    cr_expect_eq(link_find("to_many"), LINK_TO_MANY);
    cr_expect_eq(link_find(""), LINK_NONE);
}

Test(verdicts, confidence_follows_the_edges_of_the_unit)
{
    static const enum confidence expected[] = {[UNIT_BURST] = CONFIDENCE_CANDIDATE,
                                               [UNIT_SESSION] = CONFIDENCE_LIKELY,
                                               [UNIT_TRANSACTION] = CONFIDENCE_LIKELY,
                                               [UNIT_TAG] = CONFIDENCE_LIKELY};
    struct verdict_evidence evidence = lookups(5);
    for (int kind = UNIT_BURST; kind <= UNIT_TAG; kind++) {
        cr_assert_eq(judge(&evidence, (enum unit_kind)kind), 1);
        cr_expect_eq(found[0].verdict, VERDICT_N_PLUS_ONE);
        cr_expect_eq(found[0].confidence, expected[kind]);
    }
    evidence.feed = (struct verdict_feed){.link = LINK_TO_ONE};
    cr_assert_eq(judge(&evidence, UNIT_BURST), 1);
    cr_expect_eq(found[0].confidence, CONFIDENCE_PROVEN);
}

Test(verdicts, thresholds_of_an_n_plus_one)
{
    struct verdict_evidence evidence = lookups(4);
    cr_expect_eq(judge(&evidence, UNIT_TAG), 0);
    evidence = lookups(2);
    evidence.feed.link = LINK_TO_ONE;
    cr_expect_eq(judge(&evidence, UNIT_TAG), 0);
    evidence = lookups(3);
    evidence.feed.link = LINK_TO_ONE;
    cr_expect_eq(judge(&evidence, UNIT_TAG), 1);
}

Test(verdicts, lost_time_is_round_trips_but_one_times_the_least_cost)
{
    struct verdict_evidence evidence = lookups(9);
    judge(&evidence, UNIT_TAG);
    cr_expect_eq(found[0].lost_us, 8 * 1200);
    cr_expect_eq(found[0].severity, SEVERITY_WARNING);
    evidence = lookups(10);
    judge(&evidence, UNIT_TAG);
    cr_expect_eq(found[0].severity, SEVERITY_CRITICAL);
    evidence = lookups(6);
    evidence.counts.min_cost_us = 10000;
    judge(&evidence, UNIT_TAG);
    cr_expect_eq(found[0].severity, SEVERITY_CRITICAL, "50 ms are lost");
    evidence.counts.min_cost_us = INT64_MAX;
    judge(&evidence, UNIT_TAG);
    cr_expect_eq(found[0].lost_us, 0);
}

Test(verdicts, duplicates_cost_only_themselves)
{
    struct verdict_evidence evidence = lookups(20);
    evidence.counts.distinct = 17;
    evidence.counts.duplicates = 3;
    evidence.counts.most = 4;
    cr_assert_eq(judge(&evidence, UNIT_TRANSACTION), 2);
    cr_expect_eq(found[0].verdict, VERDICT_EXACT_DUPLICATE);
    cr_expect_eq(found[0].confidence, CONFIDENCE_PROVEN);
    cr_expect_eq(found[0].lost_us, 3 * 1200);
    cr_expect_eq(found[1].verdict, VERDICT_N_PLUS_ONE);
}

Test(verdicts, a_burst_is_counted_by_request)
{
    struct verdict_evidence evidence = lookups(12);
    struct verdict_unit unit = {.kind = UNIT_BURST, .repeats = 3};
    cr_expect_eq(verdicts_of(&evidence, &unit, &thresholds, found), 0, "four a request");
    unit.repeats = 2;
    cr_expect_eq(verdicts_of(&evidence, &unit, &thresholds, found), 1, "six a request");
    unit = (struct verdict_unit){.kind = UNIT_SESSION, .repeats = 3};
    cr_expect_eq(verdicts_of(&evidence, &unit, &thresholds, found), 1);
    unit = (struct verdict_unit){.kind = UNIT_BURST, .repeats = 12, .is_alone = true};
    cr_expect_eq(verdicts_of(&evidence, &unit, &thresholds, found), 1);
}

Test(verdicts, paging_by_offset_and_by_key)
{
    struct verdict_evidence evidence = lookups(6);
    evidence.slot_count = 2;
    evidence.roles[0] = SLOT_OFFSET;
    evidence.roles[1] = SLOT_LIMIT;
    judge(&evidence, UNIT_SESSION);
    cr_expect_eq(found[0].verdict, VERDICT_PAGINATION);
    evidence.roles[0] = SLOT_RANGE;
    judge(&evidence, UNIT_SESSION);
    cr_expect_eq(found[0].verdict, VERDICT_PAGINATION);
    cr_expect_eq(found[0].confidence, CONFIDENCE_LIKELY);
    evidence.feed = (struct verdict_feed){.link = LINK_SELF, .is_last_row = true};
    judge(&evidence, UNIT_BURST);
    cr_expect_eq(found[0].verdict, VERDICT_PAGINATION);
    cr_expect_eq(found[0].confidence, CONFIDENCE_PROVEN);
    evidence.roles[0] = SLOT_EQUAL;
    judge(&evidence, UNIT_BURST);
    cr_expect_eq(found[0].verdict, VERDICT_RECURSIVE_WALK);
    evidence.feed.link = LINK_NONE;
    evidence.roles[0] = SLOT_RANGE;
    evidence.roles[1] = SLOT_EQUAL;
    judge(&evidence, UNIT_SESSION);
    cr_expect_eq(found[0].verdict, VERDICT_N_PLUS_ONE, "without LIMIT it pages nothing");
}

Test(verdicts, what_more_than_the_tested_slots_vary_is_no_paging)
{
    struct verdict_evidence evidence = lookups(6);
    evidence.roles[0] = SLOT_OFFSET;
    evidence.varies_elsewhere = true;
    judge(&evidence, UNIT_SESSION);
    cr_expect_eq(found[0].verdict, VERDICT_N_PLUS_ONE);
}

Test(verdicts, batches_and_portions)
{
    struct verdict_evidence evidence = lookups(20);
    evidence.counts.round_trips = 5;
    judge(&evidence, UNIT_TAG);
    cr_expect_eq(found[0].verdict, VERDICT_BATCHED);
    cr_expect_eq(found[0].severity, SEVERITY_INFO);
    cr_expect_eq(found[0].lost_us, 4 * 1200);
    evidence.counts.round_trips = 6;
    judge(&evidence, UNIT_TAG);
    cr_expect_eq(found[0].verdict, VERDICT_N_PLUS_ONE);
    evidence.counts.list_values = 100;
    cr_expect_eq(judge(&evidence, UNIT_TAG), 0);
    evidence.counts.list_values = 20;
    cr_expect_eq(judge(&evidence, UNIT_TAG), 1);
}

Test(verdicts, writes)
{
    struct verdict_evidence evidence = lookups(10);
    evidence.class = SHAPE_WRITE;
    cr_assert_eq(judge(&evidence, UNIT_SESSION), 1);
    cr_expect_eq(found[0].verdict, VERDICT_WRITE_LOOP);
    evidence.class = SHAPE_INSERT;
    judge(&evidence, UNIT_SESSION);
    cr_expect_eq(found[0].verdict, VERDICT_INSERT_LOOP);
    evidence.counts.n = 9;
    cr_expect_eq(judge(&evidence, UNIT_SESSION), 0);
    evidence.class = SHAPE_OTHER;
    evidence.counts.n = 100;
    cr_expect_eq(judge(&evidence, UNIT_SESSION), 0);
}

Test(verdicts, unknown_parameters_say_nothing_of_reads)
{
    struct verdict_evidence evidence = lookups(10);
    evidence.counts.unknown = 1;
    cr_expect_eq(judge(&evidence, UNIT_TAG), 0);
}
