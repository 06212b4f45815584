#include "proxy/detector.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/finding_views.h"
#include "proxy/units.h"

#define SECOND INT64_C(1000000)

static struct detector *detector;
static struct detector_settings settings;
static struct detector_client *client;
static int64_t now_us;
static unsigned told, told_live, over_budget;
static struct observation last_told;
static char last_route[FINDING_ROUTE_MAX];

static void on_found(void *context, const struct finding_notice *notice, const struct observation *observation)
{
    cr_expect_eq(context, &told);
    cr_expect_not_null(notice->finding);
    if (observation->is_lower_bound)
        told_live++;
    else
        told++;
    last_told = *observation;
    strncpy(last_route, observation->route, sizeof last_route - 1);
}

static void on_over_budget(void *context, const char *database, const char *user, const char *route, uint32_t statements)
{
    (void)context;
    cr_expect_str_eq(database, "shop");
    cr_expect_str_eq(user, "web");
    cr_expect_neq(route[0], '\0');
    over_budget = statements;
}

static void start(void)
{
    struct settings standard;
    settings_init(&standard);
    detector_settings_from(&standard, &settings);
    settings.sample_every = 1;
    detector = detector_new(&settings, &(struct detector_host){.context = &told, .found = on_found, .over_budget = on_over_budget},
                            1700000000 * SECOND);
    now_us = SECOND;
    client = detector_client_new(detector, "shop", "web", "10.0.0.7:1", now_us);
}

static void end(void)
{
    detector_client_free(&client, now_us);
    detector_free(&detector);
}

TestSuite(detector, .init = start, .fini = end);

static void send_as(uint64_t shape, enum shape_class class, uint64_t parameter, const struct execution_tags *tags)
{
    struct execution_slot slot = {.hash = parameter * 0x9e3779b97f4a7c15U | 1, .number = 1, .role = SLOT_EQUAL};
    struct execution execution = {.shape = shape, .slots = &slot, .slot_count = 1, .tags = tags};
    if (!detector_statement(client, &execution, now_us)) {
        detector_learn(client, shape, &(struct shape_description){.text = "select x from t where id = $1", .text_size = 29, .class = class},
                       now_us);
        cr_assert(detector_statement(client, &execution, now_us));
    }
}

static void sync_and_answer(unsigned completions, char status)
{
    detector_sync(client);
    now_us += 1000;
    for (unsigned i = 0; i < completions; i++) detector_done(client, 1, false, now_us);
    detector_ready(client, status, now_us);
    now_us += 100;
}

static void run(uint64_t shape, uint64_t parameter)
{
    send_as(shape, SHAPE_READ, parameter, NULL);
    sync_and_answer(1, 'I');
}

static struct finding_view the_only_finding(void)
{
    struct finding_view *views, view;
    detector_flush(detector, now_us);
    cr_assert_eq(finding_views_rank(detector_findings(detector), 0, now_us + 1700000000 * SECOND, &views), 1);
    view = views[0];
    free(views);
    return view;
}

Test(detector, evidence_of_a_unit)
{
    for (uint64_t i = 0; i < 6; i++) run(1, i);
    struct finding_view view = the_only_finding();
    cr_expect_eq(view.totals.n, 6);
    cr_expect_eq(view.totals.round_trips, 6);
    cr_expect_eq(view.totals.db_us, 6000);
    cr_expect_eq(view.totals.wall_us, 5 * 1100 + 1000);
    cr_expect_eq(view.totals.lost_us, 5 * 1100, "the first one's pause is not known, and not needed");
    cr_expect_eq(view.totals.rows, 6);
    cr_expect_str_eq(view.finding->route, "web@shop");
    cr_expect_str_eq(view.finding->sample_address, "10.0.0.7:1");
    cr_expect_eq(view.finding->first_seen_us, now_us + 1700000000 * SECOND);
}

Test(detector, the_route_is_the_tag_then_the_application_then_the_user)
{
    detector_application_name(client, "reports", now_us);
    for (uint64_t i = 0; i < 6; i++) run(1, i);
    cr_expect_str_eq(the_only_finding().finding->route, "reports");
    struct execution_tags tags = {.route = "/a/b", .route_size = 4, .framework = "django:4", .framework_size = 8};
    for (uint64_t i = 0; i < 6; i++) {
        send_as(1, SHAPE_READ, i, &tags);
        sync_and_answer(1, 'I');
    }
    detector_flush(detector, now_us);
    cr_expect_str_eq(last_route, "/a/b");
    cr_expect_eq(last_told.framework, FRAMEWORK_DJANGO);
}

static void ignore(const char *patterns)
{
    char copy[64];
    snprintf(copy, sizeof copy, "%s", patterns);
    settings.ignore = copy;
    detector_configure(detector, &settings);
    memset(copy, 'x', sizeof copy);
    settings.ignore = "";
}

static size_t findings_now(void)
{
    struct finding_view *views;
    detector_flush(detector, now_us);
    size_t count = finding_views_rank(detector_findings(detector), 0, now_us + 1700000000 * SECOND, &views);
    free(views);
    return count;
}

Test(detector, statements_are_ignored_from_now_on)
{
    for (uint64_t i = 0; i < 4; i++) run(1, i);
    detector_flush(detector, now_us);
    ignore("*from u*, select x from ? where id*");
    for (uint64_t i = 0; i < 40; i++) run(1, i);
    cr_expect_eq(findings_now(), 0);
    cr_expect(told == 0 && told_live == 0);
    ignore("");
    for (uint64_t i = 0; i < 40; i++) run(1, i);
    cr_expect_eq(the_only_finding().totals.n, 40);
}

Test(detector, ignored_statements_do_not_stand_between_others)
{
    detector_learn(client, 7, &(struct shape_description){.text = "select heartbeat", .text_size = 16, .class = SHAPE_READ}, now_us);
    ignore("select heartbeat");
    for (uint64_t i = 0; i < 6; i++) {
        run(1, i);
        run(7, 1);
    }
    struct finding_view view = the_only_finding();
    cr_expect_eq(view.totals.n, 6);
    cr_expect_str_eq(view.finding->shape, "select x from t where id = $1");
    /* A pause ends a unit, whatever comes behind it. */
    for (uint64_t i = 0; i < 4; i++) run(1, 100 + i);
    now_us += settings.unit_gap_us + SECOND / 2;
    run(7, 1);
    for (uint64_t i = 0; i < 4; i++) run(1, 200 + i);
    cr_expect_eq(the_only_finding().totals.n, 6);
}

Test(detector, what_ignored_statements_write_is_read_again_for_a_reason)
{
    detector_learn(client, 7, &(struct shape_description){.text = "update t", .text_size = 8, .class = SHAPE_WRITE}, now_us);
    ignore("update*");
    for (uint64_t i = 0; i < 6; i++) {
        run(1, 1);
        run(7, i);
    }
    struct finding_view view = the_only_finding();
    cr_expect_eq(view.finding->verdict, VERDICT_REREAD_AFTER_WRITE);
}

Test(detector, routes_are_ignored)
{
    ignore("route:/health*, route:cron");
    struct execution_tags tags = {.route = "/health/all", .route_size = 11};
    for (uint64_t i = 0; i < 6; i++) {
        send_as(1, SHAPE_READ, i, &tags);
        sync_and_answer(1, 'I');
    }
    tags.unit = 4711;
    for (uint64_t i = 0; i < 6; i++) {
        send_as(1, SHAPE_READ, i, &tags);
        sync_and_answer(1, 'I');
    }
    detector_application_name(client, "cron", now_us);
    send_as(9, SHAPE_BEGIN, 0, NULL);
    sync_and_answer(1, 'T');
    for (uint64_t i = 0; i < 6; i++) run(1, i);
    cr_expect_eq(findings_now(), 0);
    cr_expect(told == 0 && told_live == 0);
    detector_application_name(client, "web", now_us);
    for (uint64_t i = 0; i < 6; i++) run(1, i);
    cr_expect_str_eq(the_only_finding().finding->route, "web");
}

Test(detector, a_line_at_the_threshold_and_one_at_the_end)
{
    for (uint64_t i = 0; i < 4; i++) run(1, i);
    cr_expect_eq(told_live, 0);
    run(1, 5);
    cr_expect_eq(told_live, 1);
    cr_expect_eq(last_told.counts.n, 5);
    for (uint64_t i = 10; i < 30; i++) run(1, i);
    cr_expect_eq(told_live, 1);
    cr_expect_eq(told, 0);
    detector_client_free(&client, now_us);
    cr_expect_eq(told, 1);
    cr_expect_eq(last_told.counts.n, 25);
}

Test(detector, silence_ends_a_unit)
{
    for (uint64_t i = 0; i < 6; i++) run(1, i);
    int64_t due_us = detector_next_due_us(detector);
    cr_expect_eq(due_us, now_us - 100 + settings.unit_silence_us);
    detector_tick(detector, due_us - 1);
    cr_expect_eq(told, 0);
    detector_tick(detector, due_us);
    cr_expect_eq(told, 1);
    cr_expect_eq(detector_next_due_us(detector), INT64_MAX);
}

Test(detector, silence_does_not_end_a_transaction)
{
    send_as(9, SHAPE_BEGIN, 0, NULL);
    sync_and_answer(1, 'T');
    for (uint64_t i = 0; i < 6; i++) {
        send_as(1, SHAPE_READ, i, NULL);
        sync_and_answer(1, 'T');
        now_us += 5 * SECOND;
        detector_tick(detector, now_us);
    }
    cr_expect_eq(told, 0);
    send_as(8, SHAPE_OTHER, 0, NULL);
    sync_and_answer(1, 'I');
    cr_expect_eq(told, 1, "at its end, not at that of the unit");
    cr_expect_eq(last_told.unit_kind, UNIT_TRANSACTION);
    cr_expect_eq(last_told.counts.n, 6);
}

Test(detector, a_unit_rolls_after_a_minute_and_after_so_many_statements)
{
    for (uint64_t i = 0; i < UNIT_STATEMENTS_MAX + 10; i++) run(1, i);
    cr_expect_eq(told, 1);
    cr_expect_eq(last_told.counts.n, UNIT_STATEMENTS_MAX);
    for (int i = 0; i < 700; i++) {
        run(1, 5);
        now_us += 98000;
    }
    struct detector_counters counters;
    detector_counters(detector, &counters);
    cr_expect_geq(counters.units, 2);
}

Test(detector, executions_that_the_server_skipped_are_forgotten)
{
    /* Three executions before one Sync; the second fails, the third is skipped. */
    for (uint64_t i = 0; i < 3; i++) send_as(1, SHAPE_READ, i, NULL);
    detector_sync(client);
    now_us += 500;
    detector_done(client, 1, false, now_us);
    detector_done(client, 0, true, now_us);
    detector_ready(client, 'I', now_us);
    /* The next completion is the next round's. */
    for (uint64_t i = 3; i < 9; i++) run(1, i);
    const struct shape *shape =
        shapes_find(detector_shapes(detector), shapes_key(shapes_scope(detector_shapes(detector), "shop", "web"), 1));
    cr_expect_eq(shape->calls, 9);
    cr_expect_eq(shape->rows, 7);
    cr_expect_eq(shape->errors, 1);
}

Test(detector, rounds_that_overlap_keep_their_order)
{
    for (int i = 0; i < 10; i++) {
        send_as(1, SHAPE_READ, (uint64_t)i, NULL);
        detector_sync(client);
    }
    for (int i = 0; i < 10; i++) {
        now_us += 100;
        detector_done(client, 1, false, now_us);
        detector_ready(client, 'I', now_us);
    }
    struct finding_view view = the_only_finding();
    cr_expect_eq(view.finding->verdict, VERDICT_BATCHED);
    cr_expect_eq(view.totals.round_trips, 1, "nobody waited in between");
    cr_expect_eq(view.totals.db_us, 1000);
}

Test(detector, more_in_flight_than_is_kept)
{
    for (uint64_t i = 0; i < 3000; i++) send_as(1, SHAPE_READ, i, NULL);
    sync_and_answer(3000, 'I');
    struct detector_counters counters;
    detector_counters(detector, &counters);
    cr_expect_eq(counters.flights_overflowed, 3000 - 1024);
    for (uint64_t i = 0; i < 5; i++) run(2, i);
    const struct shape *shape =
        shapes_find(detector_shapes(detector), shapes_key(shapes_scope(detector_shapes(detector), "shop", "web"), 2));
    cr_expect_eq(shape->rows, 5, "completions go to the right executions again");
}

Test(detector, rows_go_to_the_execution_they_are_of)
{
    static const struct result_column column = {.table_oid = 5, .attnum = 1, .label = "id"};
    cr_expect_not(detector_wants_rows(client));
    send_as(1, SHAPE_READ, 1, NULL);
    cr_assert(detector_wants_rows(client));
    uint64_t hash = 1;
    cr_expect_not(detector_row(client, &hash), "no columns were told");
    detector_columns(client, &column, 1);
    for (uint64_t i = 0; i < 8; i++) {
        hash = (100 + i) * 0x9e3779b97f4a7c15U | 1;
        cr_expect(detector_row(client, &hash));
    }
    sync_and_answer(1, 'I');
    cr_expect_not(detector_row(client, &hash));
    for (uint64_t i = 0; i < 8; i++) run(2, 100 + i);
    struct finding_view view = the_only_finding();
    cr_expect_eq(view.finding->confidence, CONFIDENCE_PROVEN);
    cr_expect_eq(view.finding->parent.slot, 0);
    cr_expect_eq(view.finding->parent.table_oid, 5);
    struct detector_counters counters;
    detector_counters(detector, &counters);
    cr_expect_eq(counters.rows_sampled, 8);
    cr_expect_eq(counters.found[VERDICT_N_PLUS_ONE], 1);
}

Test(detector, rows_are_wished_for_where_a_loop_was_seen)
{
    settings.sample_every = 0;
    detector_configure(detector, &settings);
    send_as(1, SHAPE_READ, 1, NULL);
    cr_expect_not(detector_wants_rows(client));
    sync_and_answer(1, 'I');
    for (uint64_t i = 0; i < 4; i++) run(2, 100 + i);
    detector_flush(detector, now_us);
    send_as(1, SHAPE_READ, 1, NULL);
    cr_expect(detector_wants_rows(client));
    sync_and_answer(1, 'I');
    settings.analysis = ANALYSIS_FINGERPRINT;
    detector_configure(detector, &settings);
    send_as(1, SHAPE_READ, 1, NULL);
    cr_expect_not(detector_wants_rows(client));
    sync_and_answer(1, 'I');
}

Test(detector, the_first_results_of_a_shape_are_looked_at)
{
    settings.sample_every = 1000000;
    detector_configure(detector, &settings);
    for (uint64_t i = 0; i < 5; i++) {
        send_as(1, SHAPE_READ, 7, NULL);
        cr_expect_eq(detector_wants_rows(client), i < 3);
        sync_and_answer(1, 'I');
    }
}

/* Texts that no rule makes one shape: each is new. */
Test(detector, new_shapes_without_end_are_not_all_looked_at)
{
    unsigned wanted = 0;
    settings.sample_every = 1000000;
    detector_configure(detector, &settings);
    int64_t began_us = now_us;
    for (uint64_t i = 0; i < 20000; i++) {
        if (i % 50 == 0) detector_flush(detector, now_us); /* a unit has no more groups than that */
        send_as(1 + i, SHAPE_READ, 1, NULL);
        wanted += detector_wants_rows(client);
        sync_and_answer(1, 'I');
    }
    cr_expect_geq(wanted, 1000);
    cr_expect_leq((int64_t)wanted, 1001 + (now_us - began_us) / 50000, "%u in %lld us", wanted, (long long)(now_us - began_us));
}

Test(detector, a_budget_of_statements)
{
    settings.statements_per_unit = 10;
    detector_configure(detector, &settings);
    for (uint64_t i = 0; i < 10; i++) run(i + 1, 1);
    detector_flush(detector, now_us);
    cr_expect_eq(over_budget, 0);
    for (uint64_t i = 0; i < 11; i++) run(i + 1, 1);
    detector_flush(detector, now_us);
    cr_expect_eq(over_budget, 11);
}

Test(detector, may_be_switched_off_and_on_at_any_moment)
{
    send_as(1, SHAPE_READ, 1, NULL);
    settings.analysis = ANALYSIS_OFF;
    detector_configure(detector, &settings);
    cr_expect_not(detector_is_on(detector));
    sync_and_answer(1, 'I');
    for (uint64_t i = 0; i < 20; i++) run(1, i);
    send_as(1, SHAPE_READ, 1, NULL);
    settings.analysis = ANALYSIS_FULL;
    detector_configure(detector, &settings);
    cr_expect(detector_is_on(detector));
    /* Its answer comes, but it was never told. */
    detector_done(client, 1, false, now_us);
    detector_ready(client, 'I', now_us);
    for (uint64_t i = 0; i < 6; i++) run(1, 100 + i);
    struct finding_view view = the_only_finding();
    cr_expect_leq(view.totals.n, 7);
}

Test(detector, nothing_need_be_told_while_it_is_off)
{
    send_as(1, SHAPE_READ, 1, NULL);
    detector_sync(client);
    settings.analysis = ANALYSIS_OFF;
    detector_configure(detector, &settings);
    /* Its answer comes now and is not told; nor is what follows. */
    now_us += 20 * SECOND;
    settings.analysis = ANALYSIS_FULL;
    detector_configure(detector, &settings);
    for (uint64_t i = 0; i < 6; i++) run(1, 100 + i);
    struct finding_view view = the_only_finding();
    cr_expect_eq(view.totals.n, 6);
    cr_expect_eq(view.totals.round_trips, 6);
}

Test(detector, clients_that_leave_in_the_middle)
{
    for (uint64_t i = 0; i < 50; i++) {
        send_as(1, SHAPE_READ, i, NULL);
        if (i % 2) detector_sync(client);
        if (i % 3) detector_done(client, 1, false, now_us);
        detector_client_free(&client, now_us);
        client = detector_client_new(detector, "shop", "web", "", now_us);
    }
    cr_expect_eq(findings_count(detector_findings(detector)), 0);
    cr_expect_eq(detector_next_due_us(detector), INT64_MAX);
    detector_client_free(&client, now_us);
    detector_client_free(&client, now_us);
}

Test(detector, a_client_that_leaves_while_its_tagged_unit_goes_on)
{
    struct execution_tags tags = {.unit = 77, .unit_text = "t", .unit_text_size = 1};
    send_as(1, SHAPE_READ, 1, &tags);
    detector_client_free(&client, now_us);
    client = detector_client_new(detector, "shop", "web", "", now_us);
    for (uint64_t i = 0; i < 3; i++) {
        send_as(1, SHAPE_READ, 1, &tags);
        sync_and_answer(1, 'I');
    }
    struct finding_view view = the_only_finding();
    cr_expect_eq(view.totals.n, 4);
    cr_expect_eq(view.finding->confidence, CONFIDENCE_PROVEN);
    cr_expect_str_eq(view.finding->sample_unit, "t");
}
