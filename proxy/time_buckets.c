/* Times in fixed buckets. */
#include "proxy/time_buckets.h"

static const uint64_t bounds_us[TIME_BUCKETS] = {
#define X(text, us) us,
#include "proxy/time_buckets.def"
#undef X
};

void time_buckets_add(struct time_buckets *buckets, uint64_t us)
{
    uint32_t bucket = 0;
    while (bucket < TIME_BUCKETS && us > bounds_us[bucket]) bucket++;
    buckets->counts[bucket]++;
    buckets->sum_us += us;
}

void time_buckets_merge(struct time_buckets *buckets, const struct time_buckets *from)
{
    for (uint32_t i = 0; i <= TIME_BUCKETS; i++) buckets->counts[i] += from->counts[i];
    buckets->sum_us += from->sum_us;
}

uint64_t time_buckets_up_to(const struct time_buckets *buckets, uint32_t bucket)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i <= bucket; i++) count += buckets->counts[i];
    return count;
}

const char *time_buckets_bound_text(uint32_t bucket)
{
    static const char *const texts[TIME_BUCKETS + 1] = {
#define X(text, us) text,
#include "proxy/time_buckets.def"
#undef X
        "+Inf"
    };
    return texts[bucket];
}
