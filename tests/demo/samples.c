/* Durations of the demonstration. Not a histogram: a run has a few ten thousand of them. */
#include "tests/demo/samples.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static void reserve(struct samples *samples, size_t count)
{
    if (count <= samples->capacity) return;
    size_t capacity = samples->capacity * 2 > count ? samples->capacity * 2 : count;
    int64_t *us = realloc(samples->us, capacity * sizeof *us);
    if (us == NULL) abort();
    samples->us = us;
    samples->capacity = capacity;
}

void samples_add(struct samples *samples, int64_t us)
{
    reserve(samples, samples->count + 1);
    samples->us[samples->count++] = us;
}

void samples_merge(struct samples *samples, const struct samples *from)
{
    if (from->count == 0) return;
    reserve(samples, samples->count + from->count);
    memcpy(samples->us + samples->count, from->us, from->count * sizeof *from->us);
    samples->count += from->count;
}

static int compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

void samples_sort(struct samples *samples)
{
    if (samples->count > 0) qsort(samples->us, samples->count, sizeof *samples->us, compare);
}

double samples_percentile_ms(const struct samples *samples, double share)
{
    if (samples->count == 0) return 0;
    size_t index = (size_t)(share * (double)(samples->count - 1));
    return (double)samples->us[index] / 1000.0;
}

void samples_fini(struct samples *samples)
{
    free(samples->us);
    *samples = (struct samples){0};
}

int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}
