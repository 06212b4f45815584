/* Histograms against the sorted values themselves. */
#include "proxy/histogram.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { VALUES = 5000 };

static struct histogram histogram;
static uint64_t random_state = 7;

/* All magnitudes are as likely. */
static uint64_t draw(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    uint64_t bits = random_state >> 59;
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (random_state >> 20) & ((UINT64_C(1) << bits) - 1);
}

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

Test(histogram, nothing_is_zero)
{
    cr_expect_eq(histogram_percentile(&histogram, 0.99), 0);
    cr_expect_eq(histogram_recent_percentile(&histogram, 0.99), 0);
    cr_expect_eq(histogram_recent_count(&histogram), 0);
    cr_expect_eq(histogram_count_up_to(&histogram, UINT64_MAX), 0);
}

Test(histogram, percentiles_are_at_most_a_sixteenth_too_high)
{
    static uint64_t values[VALUES];
    uint64_t sum = 0;
    for (int i = 0; i < VALUES; i++) {
        sum += values[i] = draw();
        histogram_add(&histogram, values[i], i * (HISTOGRAM_WINDOW_US / 1000));
    }
    qsort(values, VALUES, sizeof values[0], compare);
    cr_expect_eq(histogram.count, VALUES);
    cr_expect_eq(histogram.sum, sum);
    cr_expect_eq(histogram.max, values[VALUES - 1]);
    for (int i = 1; i <= 1000; i++) {
        uint64_t exact = values[(VALUES * i + 999) / 1000 - 1], told = histogram_percentile(&histogram, i / 1000.0);
        cr_expect(told >= exact && told <= exact + exact / 16, "%d: %llu instead of %llu", i, (unsigned long long)told,
                  (unsigned long long)exact);
    }
    for (int i = 0; i < 40; i++) {
        uint64_t bound = (UINT64_C(1) << i) - 1, count = 0; /* ends of buckets: exact */
        for (int j = 0; j < VALUES; j++) count += values[j] <= bound;
        cr_expect_eq(histogram_count_up_to(&histogram, bound), count, "up to 2^%d - 1", i);
    }
}

Test(histogram, the_largest_values_share_a_bucket)
{
    histogram_add(&histogram, UINT64_MAX / 2, 0);
    histogram_add(&histogram, HISTOGRAM_VALUE_MAX, 0);
    histogram_add(&histogram, 1, 0);
    cr_expect_eq(histogram_percentile(&histogram, 1), UINT64_MAX / 2);
    cr_expect_eq(histogram_percentile(&histogram, 0.3), 1);
    cr_expect_eq(histogram_count_up_to(&histogram, 1), 1);
    cr_expect_eq(histogram_count_up_to(&histogram, UINT64_MAX), 3);
}

Test(histogram, what_is_recent_is_of_this_window_and_the_one_before)
{
    for (int i = 0; i < 100; i++) histogram_add(&histogram, 100000, 5);
    cr_expect_eq(histogram_recent_count(&histogram), 100);
    histogram_add(&histogram, 10, 5 + HISTOGRAM_WINDOW_US);
    cr_expect_eq(histogram_recent_count(&histogram), 101);
    cr_expect_geq(histogram_recent_percentile(&histogram, 0.5), 100000);
    histogram_add(&histogram, 10, 5 + 2 * HISTOGRAM_WINDOW_US);
    cr_expect_eq(histogram_recent_count(&histogram), 2);
    cr_expect_eq(histogram_recent_percentile(&histogram, 0.99), 10);
    cr_expect_geq(histogram_percentile(&histogram, 0.5), 100000);
    cr_expect_eq(histogram.count, 102);
    cr_expect_eq(histogram_count_up_to(&histogram, UINT64_MAX), 102);
    /* After a long rest the last ones still count. */
    histogram_add(&histogram, 20, 100 * HISTOGRAM_WINDOW_US);
    cr_expect_eq(histogram_recent_count(&histogram), 2);
}
