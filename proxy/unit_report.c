/*
 * What a unit had to say. A shape that was forgotten while its unit went on cannot be shown, so nothing is said of it.
 */
#include "proxy/unit_report.h"

#include <string.h>

uint64_t unit_report_sampling_key(const struct unit *unit, uint64_t shape)
{
    uint64_t key = (shape ^ unit->route_hash) * 0x9e3779b97f4a7c15U;
    key ^= key >> 32;
    return key != 0 ? key : 1;
}

static struct verdict_unit unit_for_verdicts(const struct unit *unit, const struct unit_group *group, uint32_t transaction)
{
    enum unit_kind kind = UNIT_BURST;
    if (unit->tag != 0) {
        kind = UNIT_TAG;
    } else if (transaction != 0) {
        kind = UNIT_TRANSACTION;
    } else if (unit->has_sure_start && unit->has_sure_end) {
        kind = UNIT_SESSION;
    }
    return (struct verdict_unit){.kind = kind, .repeats = unit_repeats(unit, group), .is_alone = unit->group_count == 1};
}

/* The number of the only slot that varies, from 0; -1: none, several, or one that the text does not number. */
static int varying_slot(const struct unit_group *group)
{
    int found = -1;
    if (group->varies_elsewhere) return -1;
    for (unsigned i = 0; i < group->slot_count; i++) {
        if (!(group->varying >> i & 1)) continue;
        if (found >= 0) return -1;
        found = group->numbers[i] - 1;
    }
    return found;
}

static void observe(struct unit_reporter *reporter, const struct observation *observation, int64_t now_us)
{
    struct finding_notice notice = findings_observe(reporter->findings, observation, now_us + reporter->wall_offset_us);
    if (!observation->is_lower_bound) reporter->found_count[observation->verdict]++;
    if (notice.is_wanted && reporter->found) reporter->found(reporter->context, &notice, observation);
}

static bool describe(struct unit_reporter *reporter, const struct unit *unit, const struct unit_group *group,
                     struct observation *observation_out)
{
    const struct shape *shape = shapes_find(reporter->shapes, group->shape);
    if (shape == NULL) return false;
    *observation_out = (struct observation){
        .database = group->scope->database,
        .user = group->scope->user,
        .route = unit->route,
        .shape = shape->text,
        .fingerprint = group->fingerprint,
        .framework = (enum framework)unit->framework,
        .unit_statements = unit->statements,
        .varying_slot = varying_slot(group),
        .address = unit->address,
        .unit_text = unit->text,
        .values = group->samples,
    };
    return true;
}

static bool report_group(struct unit_reporter *reporter, const struct unit *unit, const struct unit_group *group, uint32_t transaction,
                         bool is_live, int64_t now_us)
{
    struct verdict_evidence evidence;
    struct verdict_finding found[VERDICTS_MAX];
    struct observation observation;
    uint32_t n = transaction != 0 ? group->in_transaction.n : group->counts.n;
    if (n < 2) return false;
    unit_evidence(unit, group, transaction, &evidence);
    struct verdict_unit verdict_unit = unit_for_verdicts(unit, group, transaction);
    size_t count = verdicts_of(&evidence, &verdict_unit, &reporter->thresholds, found);
    if (count == 0 || !describe(reporter, unit, group, &observation)) return false;
    observation.unit_kind = verdict_unit.kind;
    observation.counts = evidence.counts;
    observation.is_lower_bound = is_live;
    if (evidence.feed.link != LINK_NONE) {
        const struct shape *parent = shapes_find(reporter->shapes, evidence.feed.shape);
        sampling_confirm(reporter->sampling, unit_report_sampling_key(unit, evidence.feed.shape));
        observation.parent_shape = parent ? parent->text : NULL;
        observation.feed = evidence.feed;
        uint16_t number = group->numbers[evidence.feed.slot];
        observation.feed.slot = number > 0 && number <= UINT8_MAX ? (uint8_t)(number - 1) : UINT8_MAX;
    }
    for (size_t i = 0; i < count; i++) {
        observation.verdict = found[i].verdict;
        observation.confidence = found[i].confidence;
        observation.severity = found[i].severity;
        observation.lost_us = found[i].lost_us;
        observe(reporter, &observation, now_us);
    }
    return true;
}

static void count_unit(struct unit_reporter *reporter, const struct unit *unit, int64_t now_us)
{
    findings_count_unit(reporter->findings, unit->scope->database, unit->scope->user, unit->route, now_us + reporter->wall_offset_us);
}

void unit_report_end(struct unit_reporter *reporter, const struct unit *unit, int64_t now_us)
{
    if (unit->group_count == 0) return;
    bool is_any = false;
    for (uint32_t i = 0; i < unit->group_count; i++) is_any |= report_group(reporter, unit, unit->groups[i], 0, false, now_us);
    /* Its transactions were counted when they were reported. */
    if (is_any || unit->reported_transactions == 0) count_unit(reporter, unit, now_us);
}

bool unit_report_transaction(struct unit_reporter *reporter, struct unit *unit, uint32_t transaction, int64_t now_us)
{
    bool is_any = false;
    for (uint32_t i = 0; i < unit->group_count; i++) {
        struct unit_group *group = unit->groups[i];
        if (group->transaction != transaction || !report_group(reporter, unit, group, transaction, false, now_us)) continue;
        unit_take_out(group);
        is_any = true;
    }
    if (is_any) {
        unit->reported_transactions++;
        count_unit(reporter, unit, now_us);
    }
    return is_any;
}

void unit_report_live(struct unit_reporter *reporter, struct unit *unit, struct unit_group *group, uint32_t transaction, int64_t now_us)
{
    if (report_group(reporter, unit, group, transaction, true, now_us)) group->is_told = true;
}

void unit_report_polling(struct unit_reporter *reporter, const struct unit *unit, const struct unit_group *group,
                         const struct verdict_counts *counts, int64_t now_us)
{
    struct observation observation;
    if (!describe(reporter, unit, group, &observation)) return;
    observation.verdict = VERDICT_POLLING;
    observation.confidence = CONFIDENCE_LIKELY;
    observation.severity = SEVERITY_INFO;
    observation.unit_kind = UNIT_BURST;
    observation.counts = *counts;
    observation.unit_statements = counts->n;
    observe(reporter, &observation, now_us);
}
