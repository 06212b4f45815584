/*
 * Histograms of times. Invariants: a window's count is the sum over its buckets; a value's bucket ends at or above it.
 */
#include "proxy/histogram.h"

#include <string.h>

enum { SUBS = 1 << HISTOGRAM_SUB_BITS };

static uint32_t bucket_of(uint64_t value)
{
    if (value > HISTOGRAM_VALUE_MAX) value = HISTOGRAM_VALUE_MAX;
    if (value < SUBS) return (uint32_t)value;
    uint32_t shift = 63 - (uint32_t)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
    return (shift << HISTOGRAM_SUB_BITS) + (uint32_t)(value >> shift);
}

/* The largest value that falls into it. */
static uint64_t end_of(uint32_t bucket)
{
    if (bucket < SUBS) return bucket;
    uint32_t shift = (bucket >> HISTOGRAM_SUB_BITS) - 1;
    return ((uint64_t)(SUBS + bucket % SUBS + 1) << shift) - 1;
}

/* What the older window holds is not recent any more. */
static void turn_windows(struct histogram *histogram, int64_t now_us)
{
    histogram->current = &histogram->windows[histogram->current == &histogram->windows[0]];
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) histogram->older[i] += histogram->current->buckets[i];
    memset(histogram->current, 0, sizeof *histogram->current);
    histogram->until_us = now_us + HISTOGRAM_WINDOW_US;
}

void histogram_add(struct histogram *histogram, uint64_t value, int64_t now_us)
{
    if (!histogram->current || now_us >= histogram->until_us) turn_windows(histogram, now_us);
    histogram->count++;
    histogram->sum += value;
    if (value > histogram->max) histogram->max = value;
    histogram->current->count++;
    histogram->current->buckets[bucket_of(value)]++;
}

static uint64_t recent_in(const struct histogram *histogram, uint32_t bucket)
{
    return (uint64_t)histogram->windows[0].buckets[bucket] + histogram->windows[1].buckets[bucket];
}

static uint64_t all_in(const struct histogram *histogram, uint32_t bucket)
{
    return histogram->older[bucket] + recent_in(histogram, bucket);
}

/* How many values are enough for this part of `count`. */
static uint64_t rank_of(uint64_t count, double part)
{
    double rank = (double)count * part;
    uint64_t whole = (uint64_t)rank;
    if (rank - (double)whole > 1e-6) whole++; /* 0.139 of 5000 is 695 */
    return whole > 0 ? whole : 1;
}

static uint64_t end_within(const struct histogram *histogram, uint32_t bucket)
{
    uint64_t end = end_of(bucket);
    return end < histogram->max && bucket + 1 < HISTOGRAM_BUCKETS ? end : histogram->max;
}

static uint64_t percentile(const struct histogram *histogram, uint64_t count, double part,
                           uint64_t (*in)(const struct histogram *histogram, uint32_t bucket))
{
    if (count == 0) return 0;
    uint64_t left = rank_of(count, part);
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t here = in(histogram, i);
        if (here >= left) return end_within(histogram, i);
        left -= here;
    }
    return histogram->max;
}

uint64_t histogram_percentile(const struct histogram *histogram, double part)
{
    return percentile(histogram, histogram->count, part, all_in);
}

uint64_t histogram_recent_percentile(const struct histogram *histogram, double part)
{
    return percentile(histogram, histogram_recent_count(histogram), part, recent_in);
}

uint32_t histogram_recent_count(const struct histogram *histogram)
{
    return histogram->windows[0].count + histogram->windows[1].count;
}

uint64_t histogram_count_up_to(const struct histogram *histogram, uint64_t value)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS && end_of(i) <= value; i++) count += all_in(histogram, i);
    return count;
}
