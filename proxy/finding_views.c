/*
 * What findings come to over a stretch of time. A bucket whose number is outside of it does not count; what lies on its edge counts as a whole.
 */
#include "proxy/finding_views.h"

#include <stdlib.h>

#include "proxy/memory.h"

enum { GONE_UNITS_MIN = 3 };
/* A trend is told when the mean of n has moved by a quarter. */
static const double worse_ratio = 1.25, better_ratio = 0.75;
/* So many units with a finding would have been expected since the last one: chance leaves none with a probability of 1 in 100. */
static const double gone_expected = 4.6;

static const char *const trend_words[] = {"steady", "new", "worse", "better", "gone"};

const char *trend_word(enum trend trend)
{
    return trend_words[trend];
}

static struct finding_totals totals_between(const struct finding *finding, int64_t first, int64_t last)
{
    struct finding_totals totals = {0};
    for (unsigned i = 0; i < FINDING_BUCKETS; i++) {
        const struct finding_bucket *bucket = &finding->buckets[i];
        if (bucket->number >= first && bucket->number <= last) finding_totals_add(&totals, &bucket->totals);
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
    int64_t buckets = findings_window_us(findings) / findings_bucket_us(findings);
    if (buckets < 1) buckets = 1;
    int64_t last = now_us / findings_bucket_us(findings), first = last - buckets + 1;
    if (is_gone(finding, route, first)) return TREND_GONE;
    struct finding_totals now = totals_between(finding, first, last);
    struct finding_totals before = totals_between(finding, first - buckets, first - 1);
    if (now.units == 0) return TREND_STEADY;
    if (before.units == 0) return finding->first_seen_us / findings_bucket_us(findings) >= first ? TREND_NEW : TREND_STEADY;
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
    const struct finding_route *route = findings_route_of(findings, finding);
    bool is_ever = since_us <= finding->first_seen_us;
    int64_t first = is_ever ? 0 : since_us / findings_bucket_us(findings);
    *view_out = (struct finding_view){.finding = finding, .trend = trend_of(findings, finding, route, now_us)};
    view_out->totals = is_ever ? finding->totals : totals_between(finding, first, INT64_MAX);
    /* A route that is not known any more had at least the units in which something was found. */
    view_out->units_of_route =
        since_us == 0 && route ? route->units : route_units_between(route, since_us / findings_bucket_us(findings), INT64_MAX);
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

size_t finding_views_rank(const struct findings *findings, int64_t since_us, int64_t now_us, struct finding_view **views_out)
{
    struct finding_view *views = memory_alloc((findings_count(findings) + 1) * sizeof *views);
    size_t count = 0;
    for (const struct finding *finding = findings_next(findings, NULL); finding; finding = findings_next(findings, finding)) {
        if (finding->totals.units == 0) continue; /* its first unit goes on */
        finding_view(findings, finding, since_us, now_us, &views[count]);
        if (views[count].totals.units > 0 || views[count].trend == TREND_GONE) count++;
    }
    qsort(views, count, sizeof *views, compare_views);
    *views_out = views;
    return count;
}

void finding_suggestion(const struct finding *finding, char *text_out, size_t size)
{
    const struct finding_parent *parent = &finding->parent;
    struct suggestion_subject subject = {
        .verdict = finding->verdict,
        .link = parent->shape ? parent->link : LINK_NONE,
        .framework = finding->framework,
        .shape_text = finding->shape,
        .slot = !parent->shape              ? finding->varying_slot
                : parent->slot != UINT8_MAX ? parent->slot
                                            : -1,
        .varies_elsewhere = parent->shape && parent->slot != UINT8_MAX && finding->varying_slot < 0,
        .parent_table = parent->table,
        .parent_column = parent->column[0] != '\0' ? parent->column : parent->label,
    };
    if (subject.framework == FRAMEWORK_UNKNOWN) subject.framework = framework_of_text(finding->shape);
    suggestion_write(&subject, text_out, size);
}
