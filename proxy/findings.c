/*
 * Findings added up. Not for: what is found (detector.c), what it looks like over a stretch of time (finding_views.c), how it is kept over a restart (findings_state.c).
 *
 * Invariants: at most FINDINGS_MAX findings and FINDING_ROUTES_MAX routes; a finding's key, and so its id, depends on its five texts and nothing else, so it is the same after a restart;
 * a bucket whose number is not the one asked for is empty. Both tables are in the order in which their rows were last seen (uthash keeps the order of insertion).
 */
#include "proxy/findings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/memory.h"

enum { BUCKETS_PER_WINDOW = 10 };
static const int64_t bucket_us_min = 1000000;
struct findings {
    struct finding *by_key;
    struct finding_route *routes;
    int64_t window_us, bucket_us, cooldown_us;
    uint64_t evicted;
};

/* ---- keys ---- */

static uint64_t hash_text(uint64_t hash, const char *text)
{
    do hash = (hash ^ (uint8_t)*text) * 0x100000001b3U;
    while (*text++ != '\0');
    return hash;
}

static uint64_t route_key_of(const char *database, const char *user, const char *route)
{
    return hash_text(hash_text(hash_text(0xcbf29ce484222325U, database), user), route);
}

static uint64_t key_of(const struct observation *observation)
{
    uint64_t key =
        hash_text(route_key_of(observation->database, observation->user, observation->route), verdict_word(observation->verdict));
    key = (key ^ observation->fingerprint) * 0x9e3779b97f4a7c15U;
    key ^= key >> 32;
    return key != 0 ? key : 1;
}

/* ---- life ---- */

static void set_window(struct findings *findings, int64_t window_us, int64_t cooldown_us)
{
    findings->window_us = window_us;
    findings->cooldown_us = cooldown_us;
    findings->bucket_us = window_us / BUCKETS_PER_WINDOW;
    if (findings->bucket_us < bucket_us_min) findings->bucket_us = bucket_us_min;
}

struct findings *findings_new(int64_t window_us, int64_t cooldown_us)
{
    struct findings *findings = memory_zalloc(sizeof *findings);
    set_window(findings, window_us, cooldown_us);
    return findings;
}

struct findings *findings_new_alike(const struct findings *findings)
{
    return findings_new(findings->window_us, findings->cooldown_us);
}

void finding_forget_values(struct finding *finding)
{
    value_samples_wipe(finding->sample_values);
    free(finding->sample_values);
    finding->sample_values = NULL;
}

static void keep_values(struct finding *finding, const struct value_samples *values)
{
    if (values == NULL) {
        finding_forget_values(finding);
        return;
    }
    if (finding->sample_values == NULL) finding->sample_values = memory_alloc(sizeof *finding->sample_values);
    *finding->sample_values = *values;
}

static void free_finding(struct finding *finding)
{
    free(finding->database);
    free(finding->user);
    free(finding->route);
    free(finding->shape);
    free(finding->parent.shape);
    finding_forget_values(finding);
    free(finding->buckets);
    free(finding);
}

static void free_route(struct finding_route *route)
{
    free(route->database);
    free(route->user);
    free(route->route);
    free(route);
}

void findings_clear(struct findings *findings)
{
    struct finding *finding, *next;
    HASH_ITER(hh, findings->by_key, finding, next) {
        HASH_DEL(findings->by_key, finding);
        free_finding(finding);
    }
    struct finding_route *route, *next_route;
    HASH_ITER(hh, findings->routes, route, next_route) {
        HASH_DEL(findings->routes, route);
        free_route(route);
    }
}

void findings_free(struct findings **findings)
{
    struct findings *mine = *findings;
    *findings = NULL;
    if (mine == NULL) return;
    findings_clear(mine);
    free(mine);
}

void findings_configure(struct findings *findings, int64_t window_us, int64_t cooldown_us)
{
    int64_t bucket_us = findings->bucket_us;
    set_window(findings, window_us, cooldown_us);
    if (findings->bucket_us == bucket_us) return;
    for (struct finding *finding = findings->by_key; finding; finding = finding->hh.next) {
        memset(finding->buckets, 0, FINDING_BUCKETS * sizeof finding->buckets[0]);
        memset(finding->samples, 0, sizeof finding->samples);
    }
    for (struct finding_route *route = findings->routes; route; route = route->hh.next) memset(route->buckets, 0, sizeof route->buckets);
}

void findings_forget_values(struct findings *findings)
{
    for (struct finding *finding = findings->by_key; finding; finding = finding->hh.next) finding_forget_values(finding);
}

size_t findings_count(const struct findings *findings)
{
    return HASH_COUNT(findings->by_key);
}

uint64_t findings_evicted(const struct findings *findings)
{
    return findings->evicted;
}

int64_t findings_window_us(const struct findings *findings)
{
    return findings->window_us;
}

int64_t findings_bucket_us(const struct findings *findings)
{
    return findings->bucket_us;
}

/* ---- routes ---- */

static struct finding_route *route_by_key(const struct findings *findings, uint64_t key)
{
    struct finding_route *route;
    HASH_FIND(hh, findings->routes, &key, sizeof key, route);
    return route;
}

const struct finding_route *findings_route_of(const struct findings *findings, const struct finding *finding)
{
    return route_by_key(findings, finding->route_key);
}

static void make_room_for_route(struct findings *findings)
{
    if (HASH_COUNT(findings->routes) < FINDING_ROUTES_MAX) return;
    struct finding_route *oldest = findings->routes;
    HASH_DEL(findings->routes, oldest);
    free_route(oldest);
}

struct finding_route *findings_restore_route(struct findings *findings, const char *database, const char *user, const char *name)
{
    uint64_t key = route_key_of(database, user, name);
    struct finding_route *route = route_by_key(findings, key);
    if (route != NULL) return route;
    make_room_for_route(findings);
    route = memory_zalloc(sizeof *route);
    route->key = key;
    route->database = memory_strdup(database);
    route->user = memory_strdup(user);
    route->route = memory_strdup(name);
    HASH_ADD(hh, findings->routes, key, sizeof route->key, route);
    return route;
}

void findings_count_unit(struct findings *findings, const char *database, const char *user, const char *name, int64_t now_us)
{
    struct finding_route *route = findings_restore_route(findings, database, user, name);
    int64_t number = now_us / findings->bucket_us;
    struct finding_route_bucket *bucket = &route->buckets[number % FINDING_BUCKETS];
    if (bucket->number != number) *bucket = (struct finding_route_bucket){.number = number};
    bucket->units++;
    route->units++;
    route->last_us = now_us;
    if (route->hh.next != NULL) {
        HASH_DEL(findings->routes, route);
        HASH_ADD(hh, findings->routes, key, sizeof route->key, route);
    }
}

/* ---- adding up ---- */

static void make_room(struct findings *findings)
{
    if (HASH_COUNT(findings->by_key) < FINDINGS_MAX) return;
    struct finding *oldest = findings->by_key;
    HASH_DEL(findings->by_key, oldest);
    free_finding(oldest);
    findings->evicted++;
}

struct finding *findings_restore(struct findings *findings, const struct observation *observation)
{
    uint64_t key = key_of(observation);
    struct finding *finding;
    HASH_FIND(hh, findings->by_key, &key, sizeof key, finding);
    if (finding != NULL) return finding;
    make_room(findings);
    finding = memory_zalloc(sizeof *finding);
    finding->key = key;
    snprintf(finding->id, sizeof finding->id, "%016llx", (unsigned long long)key);
    finding->database = memory_strdup(observation->database);
    finding->user = memory_strdup(observation->user);
    finding->route = memory_strdup(observation->route);
    finding->shape = memory_strdup(observation->shape);
    finding->fingerprint = observation->fingerprint;
    finding->verdict = observation->verdict;
    finding->confidence = observation->confidence;
    finding->severity = observation->severity;
    finding->varying_slot = observation->varying_slot;
    finding->route_key = route_key_of(observation->database, observation->user, observation->route);
    finding->buckets = memory_zalloc(FINDING_BUCKETS * sizeof finding->buckets[0]);
    HASH_ADD(hh, findings->by_key, key, sizeof finding->key, finding);
    return finding;
}

/* The names of a column that were asked for another finding's sake. */
static void copy_names(const struct findings *findings, struct finding *finding)
{
    struct finding_parent *parent = &finding->parent;
    if (parent->table_oid == 0) return;
    for (const struct finding *other = findings->by_key; other; other = other->hh.next) {
        bool is_same = other->parent.table_oid == parent->table_oid && other->parent.attnum == parent->attnum;
        if (!is_same || other->parent.table[0] == '\0' || strcmp(other->database, finding->database) != 0) continue;
        snprintf(parent->table, sizeof parent->table, "%s", other->parent.table);
        snprintf(parent->column, sizeof parent->column, "%s", other->parent.column);
        return;
    }
}

static void note_parent(const struct findings *findings, struct finding *finding, const struct observation *observation)
{
    const struct verdict_feed *feed = &observation->feed;
    if (feed->link == LINK_NONE || observation->parent_shape == NULL) return;
    struct finding_parent *parent = &finding->parent;
    bool is_same_column = parent->shape != NULL && parent->table_oid == feed->column.table_oid && parent->attnum == feed->column.attnum;
    if (parent->shape == NULL || strcmp(parent->shape, observation->parent_shape) != 0) {
        free(parent->shape);
        parent->shape = memory_strdup(observation->parent_shape);
    }
    parent->table_oid = feed->column.table_oid;
    parent->attnum = feed->column.attnum;
    if (!is_same_column) {
        parent->table[0] = parent->column[0] = '\0';
        copy_names(findings, finding);
    }
    snprintf(parent->label, sizeof parent->label, "%s", feed->column.label ? feed->column.label : "");
    parent->slot = feed->slot;
    parent->rows = feed->rows;
    parent->cover = feed->cover;
    parent->inorder = feed->inorder;
    parent->used = feed->used;
    /* A child that returned several rows once is to-many, even when most parents have one. */
    if (!(is_same_column && parent->link == LINK_TO_MANY)) parent->link = feed->link;
}

void finding_totals_add(struct finding_totals *to, const struct finding_totals *from)
{
    to->units += from->units;
    to->n += from->n;
    to->distinct += from->distinct;
    to->duplicates += from->duplicates;
    to->round_trips += from->round_trips;
    to->rows += from->rows;
    to->statements += from->statements;
    to->lost_us += from->lost_us;
    to->db_us += from->db_us;
    to->wall_us += from->wall_us;
    if (from->n_max > to->n_max) to->n_max = from->n_max;
}

static struct finding_totals totals_of(const struct observation *observation)
{
    const struct verdict_counts *counts = &observation->counts;
    return (struct finding_totals){
        .units = 1,
        .n = counts->n,
        .distinct = counts->distinct,
        .duplicates = counts->duplicates + counts->rereads,
        .round_trips = counts->round_trips,
        .rows = counts->rows,
        .statements = observation->unit_statements,
        .lost_us = observation->lost_us,
        .db_us = counts->db_us,
        .wall_us = counts->last_us - counts->first_us,
        .n_max = counts->n,
    };
}

static void count_unit_of(struct findings *findings, struct finding *finding, const struct observation *observation, int64_t now_us)
{
    struct finding_totals totals = totals_of(observation);
    int64_t number = now_us / findings->bucket_us;
    struct finding_bucket *bucket = &finding->buckets[number % FINDING_BUCKETS];
    if (bucket->number != number) *bucket = (struct finding_bucket){.number = number};
    finding_totals_add(&bucket->totals, &totals);
    finding_totals_add(&finding->totals, &totals);
    finding->samples[finding->next_sample++ % FINDING_SAMPLES] = (struct finding_sample){.bucket = number, .n = totals.n_max};
    if (finding->first_seen_us == 0) finding->first_seen_us = now_us;
    finding->last_seen_us = now_us;
    const struct finding_route *route = route_by_key(findings, finding->route_key);
    finding->route_units_when_seen = (route ? route->units : 0) + 1; /* this one is counted next */
    /* The most certain unit is the best one to look at; of equals the latest. */
    if (observation->confidence >= finding->confidence) {
        finding->sample = totals;
        finding->sample_us = now_us;
        finding->unit_kind = observation->unit_kind;
        keep_values(finding, observation->values);
        snprintf(finding->sample_address, sizeof finding->sample_address, "%s", observation->address ? observation->address : "");
        snprintf(finding->sample_unit, sizeof finding->sample_unit, "%s", observation->unit_text ? observation->unit_text : "");
    }
}

/* `is_news`: the same was never known so well, which is told whatever was logged a moment ago. */
static struct finding_notice notice_of(const struct findings *findings, struct finding *finding, bool is_live, bool is_news, int64_t now_us)
{
    struct finding_notice notice = {.finding = finding};
    bool is_cool = is_news || finding->logged_us == 0 || now_us - finding->logged_us >= findings->cooldown_us;
    if (is_live) {
        notice.is_wanted = is_cool && (finding->logged_live_us == 0 || now_us - finding->logged_live_us >= findings->cooldown_us);
        if (notice.is_wanted) finding->logged_live_us = now_us;
    } else if (is_cool) {
        notice.is_wanted = true;
        notice.suppressed = finding->suppressed;
        finding->suppressed = 0;
        finding->logged_us = now_us;
    } else {
        finding->suppressed++;
    }
    return notice;
}

struct finding_notice findings_observe(struct findings *findings, const struct observation *observation, int64_t now_us)
{
    struct finding *finding = findings_restore(findings, observation);
    if (finding->hh.next != NULL) {
        HASH_DEL(findings->by_key, finding);
        HASH_ADD(hh, findings->by_key, key, sizeof finding->key, finding);
    }
    bool is_news = !observation->is_lower_bound && observation->confidence > finding->confidence;
    /* What was seen of a unit that goes on may not be true of the whole. */
    if (!observation->is_lower_bound) {
        if (finding->totals.units == 0 || observation->confidence > finding->confidence) finding->confidence = observation->confidence;
        if (finding->totals.units == 0 || observation->severity > finding->severity) finding->severity = observation->severity;
        if (observation->framework != FRAMEWORK_UNKNOWN) finding->framework = observation->framework;
        if (observation->varying_slot >= 0) finding->varying_slot = observation->varying_slot;
        note_parent(findings, finding, observation);
        count_unit_of(findings, finding, observation, now_us);
    } else if (finding->totals.units == 0) {
        finding->last_seen_us = now_us;
    }
    return notice_of(findings, finding, observation->is_lower_bound, is_news, now_us);
}

/* ---- one by one ---- */

const struct finding *findings_next(const struct findings *findings, const struct finding *finding)
{
    return finding ? finding->hh.next : findings->by_key;
}

const struct finding_route *findings_next_route(const struct findings *findings, const struct finding_route *route)
{
    return route ? route->hh.next : findings->routes;
}

const struct finding *findings_find(const struct findings *findings, const char *id)
{
    for (const struct finding *finding = findings->by_key; finding; finding = finding->hh.next) {
        if (strcmp(finding->id, id) == 0) return finding;
    }
    return NULL;
}

/* ---- names of parents' columns ---- */

static bool is_unresolved(const struct finding *finding)
{
    return finding->parent.shape != NULL && finding->parent.table_oid != 0 && finding->parent.attnum > 0 &&
           finding->parent.table[0] == '\0';
}

const struct finding *findings_next_unresolved(const struct findings *findings, size_t *rotation)
{
    size_t count = 0, at = 0;
    for (const struct finding *finding = findings->by_key; finding; finding = finding->hh.next) count += is_unresolved(finding);
    if (count == 0) return NULL;
    size_t wanted = (*rotation)++ % count;
    for (const struct finding *finding = findings->by_key; finding; finding = finding->hh.next) {
        if (is_unresolved(finding) && at++ == wanted) return finding;
    }
    return NULL;
}

void findings_resolve(struct findings *findings, const char *database, uint32_t table_oid, int16_t attnum, const char *table,
                      const char *column)
{
    for (struct finding *finding = findings->by_key; finding; finding = finding->hh.next) {
        struct finding_parent *parent = &finding->parent;
        if (parent->shape == NULL || parent->table_oid != table_oid || parent->attnum != attnum || strcmp(finding->database, database) != 0)
            continue;
        snprintf(parent->table, sizeof parent->table, "%s", table);
        snprintf(parent->column, sizeof parent->column, "%s", column);
    }
}
