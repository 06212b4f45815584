/*
 * Two sets of findings to one. Not for: how they come from one process to another (report_handover.c).
 *
 * Whether a finding is gone is told from how many units its route had when it was seen last (route_units_when_seen). Of the other side's units of that route, those
 * count as earlier that all were there by then; otherwise as later.
 */
#include "proxy/findings_merge.h"

#include <stdlib.h>
#include <string.h>

#include "proxy/memory.h"

/* ---- routes ---- */

static void merge_route(struct findings *into, const struct finding_route *from)
{
    struct finding_route *to = findings_restore_route(into, from->database, from->user, from->route);
    to->units += from->units;
    if (from->last_us > to->last_us) to->last_us = from->last_us;
    for (unsigned i = 0; i < FINDING_BUCKETS; i++) {
        const struct finding_route_bucket *other = &from->buckets[i];
        struct finding_route_bucket *mine = &to->buckets[i];
        if (other->number > mine->number)
            *mine = *other;
        else if (other->number == mine->number)
            mine->units += other->units;
    }
}

/* What route_units_when_seen grows by when the route of the other side is added to its own. */
static uint64_t earlier_units(const struct finding *finding, const struct finding_route *others)
{
    return others && others->last_us <= finding->last_seen_us ? others->units : 0;
}

/* ---- findings ---- */

static void merge_buckets(struct finding *to, const struct finding *from)
{
    for (unsigned i = 0; i < FINDING_BUCKETS; i++) {
        const struct finding_bucket *other = &from->buckets[i];
        struct finding_bucket *mine = &to->buckets[i];
        if (other->number > mine->number)
            *mine = *other;
        else if (other->number == mine->number)
            finding_totals_add(&mine->totals, &other->totals);
    }
    for (unsigned i = 0; i < FINDING_SAMPLES; i++)
        if (from->samples[i].n > 0) to->samples[to->next_sample++ % FINDING_SAMPLES] = from->samples[i];
}

/* The unit to look at, and the parent, are those of the better knowledge; of equals the later one's. */
static void merge_knowledge(struct finding *to, const struct finding *from, bool is_later)
{
    bool is_better = to->totals.units == 0 || from->confidence > to->confidence || (from->confidence == to->confidence && is_later);
    if (is_better) {
        to->confidence = from->confidence;
        to->unit_kind = from->unit_kind;
        to->sample = from->sample;
        to->sample_us = from->sample_us;
        memcpy(to->sample_address, from->sample_address, sizeof to->sample_address);
        memcpy(to->sample_unit, from->sample_unit, sizeof to->sample_unit);
        finding_forget_values(to); /* they are another unit's, and those of this one stay where they were seen */
    }
    if (from->severity > to->severity) to->severity = from->severity;
    if (to->framework == FRAMEWORK_UNKNOWN) to->framework = from->framework;
    if (from->varying_slot >= 0) to->varying_slot = from->varying_slot;
    if (!from->parent.shape || (to->parent.shape && !is_better)) return;
    free(to->parent.shape);
    to->parent = from->parent;
    to->parent.shape = memory_strdup(from->parent.shape);
}

/* The row of `findings` for the same texts, made when there is none. */
static struct finding *same_finding(struct findings *findings, const struct finding *finding)
{
    const struct observation observation = {.database = finding->database,
                                            .user = finding->user,
                                            .route = finding->route,
                                            .shape = finding->shape,
                                            .fingerprint = finding->fingerprint,
                                            .verdict = finding->verdict,
                                            .confidence = finding->confidence,
                                            .severity = finding->severity,
                                            .varying_slot = finding->varying_slot};
    return findings_restore(findings, &observation);
}

static void merge_finding(struct findings *into, const struct finding *from)
{
    struct finding *to = same_finding(into, from);
    bool is_later = from->last_seen_us >= to->last_seen_us;
    if (is_later) to->route_units_when_seen = from->route_units_when_seen + earlier_units(from, findings_route_of(into, from));
    merge_knowledge(to, from, is_later);
    if (to->first_seen_us == 0 || from->first_seen_us < to->first_seen_us) to->first_seen_us = from->first_seen_us;
    if (is_later) to->last_seen_us = from->last_seen_us;
    finding_totals_add(&to->totals, &from->totals);
    merge_buckets(to, from);
}

void findings_merge(struct findings *into, const struct findings *from)
{
    /* As long as the routes are each side's own. */
    for (const struct finding *mine = findings_next(into, NULL); mine; mine = findings_next(into, mine))
        same_finding(into, mine)->route_units_when_seen += earlier_units(mine, findings_route_of(from, mine));
    for (const struct finding *finding = findings_next(from, NULL); finding; finding = findings_next(from, finding))
        if (finding->totals.units > 0) merge_finding(into, finding);
    for (const struct finding_route *route = findings_next_route(from, NULL); route; route = findings_next_route(from, route))
        merge_route(into, route);
}
