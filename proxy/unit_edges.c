/*
 * The edges of units. What is counted in a unit is units.c's, what it means verdicts.c's, which events there are detector.c's.
 *
 * Invariants: a unit with a tag belongs to no client, and its statements to no transaction; an owner's `unit` and a unit's `owner` are each other's, or NULL.
 */
#include "proxy/unit_edges.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/memory.h"

#define SESSION_AGE_MAX_US INT64_C(10000000)

/* ---- owners ---- */

void unit_owner_init(struct unit_owner *owner, const struct scope *scope, const char *address)
{
    owner->scope = scope;
    owner->edge = UNIT_EDGE_LOGIN;
    trips_begin(&owner->trips);
    owner->address = address;
}

void unit_owner_fini(struct unit_owner *owner)
{
    assert(owner->unit == NULL);
    free(owner->application_name);
}

void unit_owner_mark(struct unit_owner *owner)
{
    if (owner->edge == UNIT_EDGE_NONE) owner->edge = UNIT_EDGE_MARK;
}

/* What comes in front of a transaction's first statement may be BEGIN, and SET LOCAL. */
static bool is_amid_transaction(const struct unit_owner *owner)
{
    return owner->is_in_transaction && owner->transaction != 0;
}

void unit_owner_pause(struct unit_owner *owner)
{
    if (!is_amid_transaction(owner)) owner->has_paused = true;
}

void unit_owner_begin_transaction(struct unit_owner *owner)
{
    struct unit *unit = owner->unit;
    owner->is_in_transaction = true;
    if (unit != NULL) unit->is_in_transaction = true;
}

void unit_edges_end_transaction(struct unit_edges *edges, struct unit_owner *owner, int64_t now_us)
{
    struct unit *unit = owner->unit;
    if (unit != NULL) {
        unit->is_in_transaction = false;
        if (owner->transaction != 0) (void)unit_report_transaction(edges->reporter, unit, owner->transaction, now_us);
    }
    owner->is_in_transaction = false;
    owner->transaction = 0;
}

/* ---- the end ---- */

/* A unit of one execution may be one of a series. */
static void follow_polling(struct unit_edges *edges, struct unit_owner *owner, const struct unit *unit, int64_t now_us)
{
    const struct unit_group *group = unit->group_count == 1 ? unit->groups[0] : NULL;
    if (group == NULL || group->counts.n != 1 || group->counts.unknown > 0 || unit->statements != 1 || group->class != SHAPE_READ) {
        polling_reset(&owner->polling);
        return;
    }
    uint32_t least = edges->reporter->thresholds.loop_min;
    if (!polling_note(&owner->polling, group->shape, group->parameters.first_hash, group->last_sent_us, least)) return;
    struct verdict_counts counts = group->counts;
    counts.n = counts.round_trips = least;
    counts.duplicates = least - 1;
    counts.first_us = owner->polling.first_us;
    counts.min_gap_us = owner->polling.least_us;
    counts.max_gap_us = owner->polling.most_us;
    unit_report_polling(edges->reporter, unit, group, &counts, now_us);
}

static void take_off_tags(struct unit_edges *edges, struct unit *unit)
{
    struct unit **link = &edges->tagged[unit->tag % UNIT_EDGES_TAG_BUCKETS];
    while (*link != unit) link = &(*link)->next_tagged;
    *link = unit->next_tagged;
}

static void close_unit(struct unit_edges *edges, struct unit *unit, int64_t now_us)
{
    struct unit_owner *owner = unit->owner;
    if (unit->tag != 0) take_off_tags(edges, unit);
    unit_report_end(edges->reporter, unit, now_us);
    if (owner != NULL) {
        follow_polling(edges, owner, unit, now_us);
        owner->unit = NULL;
        owner->transaction = 0;
    }
    edges->ended++;
    edges->overflowed += unit->overflowed > 0;
    edges->groups_overflowed += unit->overflowed;
    if (edges->statements_per_unit > 0 && unit->statements > edges->statements_per_unit && edges->over_budget)
        edges->over_budget(edges->context, unit->scope->database, unit->scope->user, unit->route, unit->statements);
    units_close(&edges->units, unit);
}

static void close_with_sure_end(struct unit_edges *edges, struct unit *unit, int64_t now_us)
{
    unit->has_sure_end = now_us - unit->started_us <= SESSION_AGE_MAX_US;
    close_unit(edges, unit, now_us);
}

/* ---- the beginning ---- */

static uint64_t hash_bytes(const char *bytes, size_t size)
{
    uint64_t hash = 0xcbf29ce484222325U;
    for (size_t i = 0; i < size; i++) hash = (hash ^ (uint8_t)bytes[i]) * 0x100000001b3U;
    return hash;
}

static void set_route(struct unit *unit, const struct unit_owner *owner, const struct execution_tags *tags)
{
    if (tags != NULL && tags->route_size > 0) {
        snprintf(unit->route, sizeof unit->route, "%.*s", tags->route_size < UNIT_ROUTE_MAX ? (int)tags->route_size : UNIT_ROUTE_MAX - 1,
                 tags->route);
    } else if (owner->application_name != NULL) {
        snprintf(unit->route, sizeof unit->route, "%s", owner->application_name);
    } else {
        snprintf(unit->route, sizeof unit->route, "%s@%s", owner->scope->user, owner->scope->database);
    }
    unit->route_hash = hash_bytes(unit->route, strlen(unit->route));
}

static void set_tags(struct unit *unit, const struct execution_tags *tags)
{
    if (tags == NULL) return;
    if (tags->unit_text_size > 0)
        snprintf(unit->text, sizeof unit->text, "%.*s",
                 tags->unit_text_size < UNIT_TEXT_MAX ? (int)tags->unit_text_size : UNIT_TEXT_MAX - 1, tags->unit_text);
    if (tags->framework != NULL) unit->framework = (uint8_t)framework_of_tag(tags->framework, tags->framework_size);
}

/* NULL: there is no memory, even after the oldest unit made room. */
static struct unit *open_unit(struct unit_edges *edges, const struct unit_owner *owner, const struct execution_tags *tags, int64_t now_us)
{
    struct unit *unit = units_open(&edges->units, now_us);
    if (unit == NULL && edges->units.oldest != NULL) {
        close_unit(edges, edges->units.oldest, now_us);
        unit = units_open(&edges->units, now_us);
    }
    if (unit == NULL) return NULL;
    unit->scope = owner->scope;
    snprintf(unit->address, sizeof unit->address, "%s", owner->address);
    set_route(unit, owner, tags);
    set_tags(unit, tags);
    unit->is_ignored = ignore_list_has_route(edges->ignored, unit->route);
    return unit;
}

/* NULL: none is open. */
static struct unit *find_tagged(const struct unit_edges *edges, uint64_t tag)
{
    struct unit *unit = edges->tagged[tag % UNIT_EDGES_TAG_BUCKETS];
    while (unit != NULL && unit->tag != tag) unit = unit->next_tagged;
    return unit;
}

static struct unit *tagged_unit(struct unit_edges *edges, const struct unit_owner *owner, const struct execution_tags *tags, int64_t now_us)
{
    struct unit *unit = find_tagged(edges, tags->unit);
    if (unit != NULL && (now_us - unit->started_us >= UNIT_AGE_MAX_US || now_us - unit->last_us >= edges->silence_us ||
                         unit->statements >= UNIT_STATEMENTS_MAX)) {
        close_unit(edges, unit, now_us);
        unit = NULL;
    }
    if (unit != NULL) return unit;
    unit = open_unit(edges, owner, tags, now_us);
    if (unit == NULL) return NULL;
    struct unit **bucket = &edges->tagged[tags->unit % UNIT_EDGES_TAG_BUCKETS];
    unit->tag = tags->unit;
    unit->next_tagged = *bucket;
    *bucket = unit;
    return unit;
}

static bool has_another_route(const struct unit *unit, const struct execution_tags *tags)
{
    if (tags == NULL || tags->route_size == 0) return false;
    size_t size = tags->route_size < UNIT_ROUTE_MAX ? tags->route_size : UNIT_ROUTE_MAX - 1;
    return strncmp(unit->route, tags->route, size) != 0 || unit->route[size] != '\0';
}

/*
 * Whether the statement goes on with what came before the pause: the next value of a list that is being walked, or the first one of the list that was read just
 * now. The result that is worked on is the unit, however long the work on each of its rows takes.
 */
static bool is_continued(const struct unit *unit, const struct shape *shape, const struct execution *execution)
{
    uint64_t slots[EXECUTION_SLOTS_TESTED];
    if (unit->kept == NULL) return false;
    uint8_t count = unit_slots(execution, slots);
    for (uint32_t i = 0; i < unit->group_count; i++) {
        const struct unit_group *group = unit->groups[i];
        if (group->shape != shape->key) continue;
        if (group->proof != NULL) return row_proof_expects(group->proof, unit->kept, slots, count);
        return group->counts.n == 1 && group->slot_count == count && row_proof_begins(unit->kept, group->first_slots, slots, count);
    }
    return unit->has_latest_result && row_proof_begins(unit->kept, NULL, slots, count);
}

/* Ends the client's unit if this statement is not part of it any more. */
static void mind_edges(struct unit_edges *edges, struct unit_owner *owner, const struct shape *shape, const struct execution *execution,
                       int64_t now_us)
{
    struct unit *unit = owner->unit;
    bool is_paused = owner->has_paused;
    owner->has_paused = false;
    if (unit == NULL) return;
    if (has_another_route(unit, execution->tags)) {
        owner->edge = UNIT_EDGE_MARK;
        close_with_sure_end(edges, unit, now_us);
    } else if (now_us - unit->started_us >= UNIT_AGE_MAX_US || unit->statements >= UNIT_STATEMENTS_MAX) {
        owner->edge = UNIT_EDGE_NONE;
        close_unit(edges, unit, now_us);
    } else if (is_paused || (owner->edge == UNIT_EDGE_MARK && !is_amid_transaction(owner) && !trips_is_outstanding(&owner->trips))) {
        if (is_continued(unit, shape, execution)) {
            owner->edge = UNIT_EDGE_NONE;
        } else if (owner->edge == UNIT_EDGE_MARK) {
            close_with_sure_end(edges, unit, now_us);
        } else {
            close_unit(edges, unit, now_us);
        }
    }
}

static struct unit *own_unit(struct unit_edges *edges, struct unit_owner *owner, const struct shape *shape,
                             const struct execution *execution, int64_t now_us)
{
    mind_edges(edges, owner, shape, execution, now_us);
    struct unit *unit = owner->unit;
    if (unit != NULL) return unit;
    unit = open_unit(edges, owner, execution->tags, now_us);
    owner->unit = unit;
    if (unit == NULL) return NULL;
    owner->transaction = 0;
    unit->owner = owner;
    unit->has_sure_start = owner->edge != UNIT_EDGE_NONE;
    unit->is_in_transaction = owner->is_in_transaction;
    owner->edge = UNIT_EDGE_NONE;
    return unit;
}

static bool has_unit_tag(const struct execution *execution)
{
    return execution->tags != NULL && execution->tags->unit != 0;
}

struct unit *unit_edges_choose(struct unit_edges *edges, struct unit_owner *owner, const struct shape *shape,
                               const struct execution *execution, int64_t now_us)
{
    return has_unit_tag(execution) ? tagged_unit(edges, owner, execution->tags, now_us) : own_unit(edges, owner, shape, execution, now_us);
}

struct unit *unit_edges_pass(struct unit_edges *edges, struct unit_owner *owner, const struct shape *shape,
                             const struct execution *execution, int64_t now_us)
{
    if (has_unit_tag(execution)) return find_tagged(edges, execution->tags->unit);
    mind_edges(edges, owner, shape, execution, now_us);
    return owner->unit;
}

/* ---- clients ---- */

void unit_edges_application_name(struct unit_edges *edges, struct unit_owner *owner, const char *name, int64_t now_us)
{
    size_t size = strnlen(name, UNIT_TEXT_MAX - 1);
    const char *known = owner->application_name != NULL ? owner->application_name : "";
    if (strlen(known) == size && memcmp(known, name, size) == 0) return;
    free(owner->application_name);
    owner->application_name = NULL;
    if (size > 0) {
        owner->application_name = memory_zalloc(size + 1);
        memcpy(owner->application_name, name, size);
    }
    unit_edges_leave(edges, owner, now_us);
    unit_owner_mark(owner);
}

void unit_edges_leave(struct unit_edges *edges, struct unit_owner *owner, int64_t now_us)
{
    struct unit *unit = owner->unit;
    if (unit != NULL) close_with_sure_end(edges, unit, now_us);
}

void unit_edges_forget(struct unit_edges *edges, struct unit_owner *owner, int64_t now_us)
{
    struct unit *unit = owner->unit;
    if (unit != NULL) close_unit(edges, unit, now_us);
    owner->is_in_transaction = false;
    owner->edge = UNIT_EDGE_NONE;
    owner->has_paused = false;
    trips_begin(&owner->trips);
}

/* ---- time ---- */

/* When the unit ends if nothing more comes. */
static int64_t due_us(const struct unit_edges *edges, const struct unit *unit)
{
    int64_t age_us = unit->started_us + UNIT_AGE_MAX_US;
    int64_t silence_us = unit->last_us + edges->silence_us;
    return unit->is_in_transaction || age_us < silence_us ? age_us : silence_us;
}

void unit_edges_tick(struct unit_edges *edges, int64_t now_us)
{
    for (struct unit *unit = edges->units.oldest, *next; unit; unit = next) {
        next = unit->after;
        if (now_us - unit->last_us < edges->silence_us && now_us - unit->started_us < UNIT_AGE_MAX_US) {
            if (!unit->is_in_transaction) return;
            continue;
        }
        if (due_us(edges, unit) <= now_us) close_unit(edges, unit, now_us);
    }
}

int64_t unit_edges_next_due_us(const struct unit_edges *edges)
{
    for (const struct unit *unit = edges->units.oldest; unit; unit = unit->after) {
        if (!unit->is_in_transaction) return due_us(edges, unit);
    }
    return edges->units.oldest != NULL ? due_us(edges, edges->units.oldest) : INT64_MAX;
}

void unit_edges_flush(struct unit_edges *edges, int64_t now_us)
{
    while (edges->units.oldest != NULL) close_unit(edges, edges->units.oldest, now_us);
}
