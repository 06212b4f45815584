/*
 * Findings added up. Not for: what is found (detector.c), how it looks (the outlets), how it is kept over a restart (findings_state.c).
 *
 * Invariants: at most FINDINGS_MAX findings and FINDING_ROUTES_MAX routes; a finding's key, and so its id, depends on its five texts and nothing else, so it is the same after a restart;
 * a bucket whose number is not the one asked for is empty. Both tables are in the order in which their rows were last seen (uthash keeps the order of insertion).
 */
#include "proxy/findings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/memory.h"

enum { BUCKETS_PER_WINDOW = 10, GONE_UNITS_MIN = 3 };
static const int64_t bucket_us_min = 1000000;
/* A trend is told when the mean of n has moved by a quarter. */
static const double worse_ratio = 1.25, better_ratio = 0.75;
/* So many units with a finding would have been expected since the last one: chance leaves none with a probability of 1 in 100. */
static const double gone_expected = 4.6;

struct findings {
    struct finding *by_key;
    struct finding_route *routes;
    int64_t window_us, bucket_us, cooldown_us;
    uint64_t evicted;
};

static const char *const trend_words[] = {"steady", "new", "worse", "better", "gone"};

const char *trend_word(enum trend trend)
{
    return trend_words[trend];
}

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

static void forget_values(struct finding *finding)
{
    value_samples_wipe(finding->sample_values);
    free(finding->sample_values);
    finding->sample_values = NULL;
}

static void keep_values(struct finding *finding, const struct value_samples *values)
{
    if (values == NULL) {
        forget_values(finding);
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
    forget_values(finding);
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
    for (struct finding *finding = findings->by_key; finding; finding = finding->hh.next) forget_values(finding);
}

size_t findings_count(const struct findings *findings)
{
    return HASH_COUNT(findings->by_key);
}

uint64_t findings_evicted(const struct findings *findings)
{
    return findings->evicted;
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

static void add_totals(struct finding_totals *to, const struct finding_totals *from)
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
    add_totals(&bucket->totals, &totals);
    add_totals(&finding->totals, &totals);
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

/* ---- looking at them ---- */

static struct finding_totals totals_between(const struct finding *finding, int64_t first, int64_t last)
{
    struct finding_totals totals = {0};
    for (unsigned i = 0; i < FINDING_BUCKETS; i++) {
        const struct finding_bucket *bucket = &finding->buckets[i];
        if (bucket->number >= first && bucket->number <= last) add_totals(&totals, &bucket->totals);
    }
    return totals;
}

static uint64_t route_units_between(const struct finding_route *route, int64_t first, int64_t last)
{
    uint64_t units = 0;
    for (unsigned i = 0; route && i < FINDING_BUCKETS; i++) {
        if (route->buckets[i].number >= first && route->buckets[i].number <= last) units += route->buckets[i].units;
    }
    return units;
}

static int compare_numbers(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void set_quantiles(const struct finding *finding, int64_t first, struct finding_view *view)
{
    uint32_t numbers[FINDING_SAMPLES];
    size_t count = 0;
    for (unsigned i = 0; i < FINDING_SAMPLES; i++) {
        const struct finding_sample *sample = &finding->samples[i];
        if (sample->n > 0 && sample->bucket >= first) numbers[count++] = sample->n;
    }
    if (count == 0) return;
    qsort(numbers, count, sizeof numbers[0], compare_numbers);
    view->n_p50 = numbers[(count - 1) / 2];
    view->n_p95 = numbers[(count * 95 + 99) / 100 - 1];
}

/* Nothing was seen for so long, while its route went on, that it would have been. */
static bool is_gone(const struct finding *finding, const struct finding_route *route, int64_t window_first)
{
    if (route == NULL || route->units <= finding->route_units_when_seen) return false;
    double since = (double)(route->units - finding->route_units_when_seen);
    double share = finding->route_units_when_seen > 0 ? (double)finding->totals.units / (double)finding->route_units_when_seen : 1;
    if (share > 1) share = 1;
    if (since >= GONE_UNITS_MIN && (share > 0.8 || since * share >= gone_expected)) return true;
    return totals_between(finding, window_first, INT64_MAX).units == 0 && since * share >= 1;
}

static enum trend trend_of(const struct findings *findings, const struct finding *finding, const struct finding_route *route,
                           int64_t now_us)
{
    int64_t buckets = findings->window_us / findings->bucket_us;
    if (buckets < 1) buckets = 1;
    int64_t last = now_us / findings->bucket_us, first = last - buckets + 1;
    if (is_gone(finding, route, first)) return TREND_GONE;
    struct finding_totals now = totals_between(finding, first, last);
    struct finding_totals before = totals_between(finding, first - buckets, first - 1);
    if (now.units == 0) return TREND_STEADY;
    if (before.units == 0) return finding->first_seen_us / findings->bucket_us >= first ? TREND_NEW : TREND_STEADY;
    double ratio = ((double)now.n / (double)now.units) / ((double)before.n / (double)before.units);
    return ratio >= worse_ratio ? TREND_WORSE : (ratio <= better_ratio ? TREND_BETTER : TREND_STEADY);
}

static uint32_t mean(uint64_t sum, uint64_t count)
{
    return count == 0 ? 0 : (uint32_t)((sum + count / 2) / count);
}

void finding_view(const struct findings *findings, const struct finding *finding, int64_t since_us, int64_t now_us,
                  struct finding_view *view_out)
{
    const struct finding_route *route = route_by_key(findings, finding->route_key);
    bool is_ever = since_us <= finding->first_seen_us;
    int64_t first = is_ever ? 0 : since_us / findings->bucket_us;
    *view_out = (struct finding_view){.finding = finding, .trend = trend_of(findings, finding, route, now_us)};
    view_out->totals = is_ever ? finding->totals : totals_between(finding, first, INT64_MAX);
    /* A route that is not known any more had at least the units in which something was found. */
    view_out->units_of_route =
        since_us == 0 && route ? route->units : route_units_between(route, since_us / findings->bucket_us, INT64_MAX);
    if (view_out->units_of_route < view_out->totals.units) view_out->units_of_route = view_out->totals.units;
    set_quantiles(finding, first, view_out);
    view_out->n_max = view_out->totals.n_max;
    view_out->distinct = mean(view_out->totals.distinct, view_out->totals.units);
    view_out->duplicates = mean(view_out->totals.duplicates, view_out->totals.units);
    view_out->round_trips = mean(view_out->totals.round_trips, view_out->totals.units);
    if (view_out->totals.units > 0) view_out->lost_us_per_unit = view_out->totals.lost_us / (int64_t)view_out->totals.units;
}

static int compare_views(const void *a, const void *b)
{
    const struct finding_view *x = a, *y = b;
    bool x_is_empty = x->totals.units == 0, y_is_empty = y->totals.units == 0;
    if (x_is_empty != y_is_empty) return x_is_empty - y_is_empty;
    if (x->totals.lost_us != y->totals.lost_us) return x->totals.lost_us < y->totals.lost_us ? 1 : -1;
    if (x->totals.n != y->totals.n) return x->totals.n < y->totals.n ? 1 : -1;
    return x->finding->key < y->finding->key ? -1 : x->finding->key > y->finding->key;
}

size_t findings_rank(const struct findings *findings, int64_t since_us, int64_t now_us, struct finding_view **views_out)
{
    struct finding_view *views = memory_alloc((findings_count(findings) + 1) * sizeof *views);
    size_t count = 0;
    for (const struct finding *finding = findings->by_key; finding; finding = finding->hh.next) {
        if (finding->totals.units == 0) continue; /* its first unit goes on */
        finding_view(findings, finding, since_us, now_us, &views[count]);
        if (views[count].totals.units > 0 || views[count].trend == TREND_GONE) count++;
    }
    qsort(views, count, sizeof *views, compare_views);
    *views_out = views;
    return count;
}

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

void finding_suggestion(const struct finding *finding, char *text_out, size_t size)
{
    const struct finding_parent *parent = &finding->parent;
    struct suggestion_subject subject = {
        .verdict = finding->verdict,
        .link = parent->shape ? parent->link : LINK_NONE,
        .framework = finding->framework,
        .shape_text = finding->shape,
        .slot = parent->shape ? parent->slot : finding->varying_slot,
        .parent_table = parent->table,
        .parent_column = parent->column[0] != '\0' ? parent->column : parent->label,
    };
    if (subject.framework == FRAMEWORK_UNKNOWN) subject.framework = framework_of_text(finding->shape);
    suggestion_write(&subject, text_out, size);
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
