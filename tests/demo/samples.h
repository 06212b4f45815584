#ifndef TESTS_DEMO_SAMPLES_H
#define TESTS_DEMO_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

/* Durations, kept whole so that any percentile can be told. Not shared between threads: each has its own, merged at the end. */
struct samples {
    int64_t *us;
    size_t count;
    size_t capacity;
};

void samples_add(struct samples *samples, int64_t us);
/* Append all of `from`. */
void samples_merge(struct samples *samples, const struct samples *from);
void samples_sort(struct samples *samples);
/* In milliseconds, of sorted samples; `share` 0.5 is the median, 1.0 the maximum. 0 when there are none. */
double samples_percentile_ms(const struct samples *samples, double share);
void samples_fini(struct samples *samples);

int64_t now_us(void);

#endif
