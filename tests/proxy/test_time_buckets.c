/* Times in fixed buckets: a bound counts for its own bucket, and nothing is lost. */
#include "proxy/time_buckets.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

static const uint64_t bounds[] = {
#define X(text, us) us,
#include "proxy/time_buckets.def"
#undef X
};

Test(time_buckets, texts_and_bounds_say_the_same_and_rise)
{
    for (uint32_t i = 0; i < TIME_BUCKETS; i++) {
        cr_expect(fabs(strtod(time_buckets_bound_text(i), NULL) * 1e6 - (double)bounds[i]) < 0.5, "%s", time_buckets_bound_text(i));
        cr_expect(i == 0 || bounds[i] > bounds[i - 1]);
    }
    cr_expect_str_eq(time_buckets_bound_text(TIME_BUCKETS), "+Inf");
}

Test(time_buckets, a_time_at_its_bound_and_beside_it)
{
    for (uint32_t i = 0; i < TIME_BUCKETS; i++) {
        struct time_buckets buckets = {0};
        time_buckets_add(&buckets, bounds[i]);
        time_buckets_add(&buckets, bounds[i] + 1);
        cr_expect_eq(time_buckets_up_to(&buckets, i), 1);
        cr_expect_eq(time_buckets_up_to(&buckets, i + 1), 2);
        cr_expect(i == 0 || time_buckets_up_to(&buckets, i - 1) == 0);
        cr_expect_eq(buckets.sum_us, 2 * bounds[i] + 1);
    }
}

Test(time_buckets, beyond_all_bounds_and_zero)
{
    struct time_buckets buckets = {0}, sum = {0};
    time_buckets_add(&buckets, 0);
    time_buckets_add(&buckets, UINT64_C(1) << 50);
    cr_expect_eq(time_buckets_up_to(&buckets, 0), 1);
    cr_expect_eq(time_buckets_up_to(&buckets, TIME_BUCKETS - 1), 1);
    cr_expect_eq(time_buckets_up_to(&buckets, TIME_BUCKETS), 2);
    time_buckets_merge(&sum, &buckets);
    time_buckets_merge(&sum, &buckets);
    cr_expect_eq(time_buckets_up_to(&sum, TIME_BUCKETS), 4);
    cr_expect_eq(sum.sum_us, UINT64_C(2) << 50);
}
