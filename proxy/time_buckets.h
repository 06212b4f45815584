#ifndef PROXY_TIME_BUCKETS_H
#define PROXY_TIME_BUCKETS_H

#include <stdint.h>

/*
 * How often which time was seen, as Prometheus reads it: fixed buckets and no percentiles, in a hundredth of the memory of a histogram (histogram.h). For what there may be many
 * of, as pools.
 */
enum {
#define X(text, us) TIME_BUCKET_##us,
#include "proxy/time_buckets.def"
#undef X
    TIME_BUCKETS
};

struct time_buckets {                  /* zero is empty */
    uint64_t counts[TIME_BUCKETS + 1]; /* not cumulative; the last is for what is beyond all bounds */
    uint64_t sum_us;
};

void time_buckets_add(struct time_buckets *buckets, uint64_t us);
/* What `from` has is added. */
void time_buckets_merge(struct time_buckets *buckets, const struct time_buckets *from);
/* Times up to this bound, which count for it; bucket TIME_BUCKETS is all of them. */
uint64_t time_buckets_up_to(const struct time_buckets *buckets, uint32_t bucket);
/* "0.25"; that of TIME_BUCKETS is "+Inf". */
const char *time_buckets_bound_text(uint32_t bucket);

#endif
