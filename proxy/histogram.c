/*
 * Histograms of times. Invariants: count is the sum over the buckets, of everything and of each window; a value's bucket ends at or above it.
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

void histogram_add(struct histogram *histogram, uint64_t value, int64_t now_us)
{
    if (now_us - histogram->since_us >= HISTOGRAM_WINDOW_US) {
        histogram->current ^= 1;
        memset(&histogram->windows[histogram->current], 0, sizeof histogram->windows[0]);
        histogram->since_us = now_us;
    }
    uint32_t bucket = bucket_of(value);
    struct histogram_window *window = &histogram->windows[histogram->current];
    histogram->count++;
    histogram->sum += value;
    if (value > histogram->max) histogram->max = value;
    histogram->buckets[bucket]++;
    window->count++;
    window->buckets[bucket]++;
}

/* How many values are enough for this part of `count`. */
static uint64_t rank_of(uint64_t count, double part)
{
    double rank = (double)count * part;
    uint64_t whole = (uint64_t)rank;
    if ((double)whole < rank) whole++;
    return whole > 0 ? whole : 1;
}

static uint64_t end_within(const struct histogram *histogram, uint32_t bucket)
{
    uint64_t end = end_of(bucket);
    return end < histogram->max && bucket + 1 < HISTOGRAM_BUCKETS ? end : histogram->max;
}

uint64_t histogram_percentile(const struct histogram *histogram, double part)
{
    if (histogram->count == 0) return 0;
    uint64_t left = rank_of(histogram->count, part);
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (histogram->buckets[i] >= left) return end_within(histogram, i);
        left -= histogram->buckets[i];
    }
    return histogram->max;
}

uint64_t histogram_recent_percentile(const struct histogram *histogram, double part)
{
    uint32_t count = histogram_recent_count(histogram);
    if (count == 0) return 0;
    uint64_t left = rank_of(count, part);
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t here = (uint64_t)histogram->windows[0].buckets[i] + histogram->windows[1].buckets[i];
        if (here >= left) return end_within(histogram, i);
        left -= here;
    }
    return histogram->max;
}

uint32_t histogram_recent_count(const struct histogram *histogram)
{
    return histogram->windows[0].count + histogram->windows[1].count;
}

uint64_t histogram_count_up_to(const struct histogram *histogram, uint64_t value)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS && end_of(i) <= value; i++) count += histogram->buckets[i];
    return count;
}
