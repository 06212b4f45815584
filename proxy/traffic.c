/* Averages of counters; counting itself is an increment where the thing happens. */
#include "proxy/traffic.h"

static uint64_t per_second(uint64_t difference, int64_t period_us)
{
    return period_us > 0 ? (uint64_t)((double)difference * 1e6 / (double)period_us) : 0;
}

static uint64_t share(uint64_t amount, uint64_t count)
{
    return count > 0 ? amount / count : 0;
}

void traffic_average(const struct traffic *before, const struct traffic *after, int64_t period_us, struct traffic *averages_out)
{
    struct traffic difference;
#define X(name, total, average, over, text) difference.name = after->name - before->name;
#include "proxy/traffic.def"
#undef X
#define AVERAGE_OVER_PER_SECOND(name)              per_second(difference.name, period_us)
#define AVERAGE_OVER_xact_count(name)              share(difference.name, difference.xact_count)
#define AVERAGE_OVER_query_count(name)             share(difference.name, difference.query_count)
#define AVERAGE_OVER_server_assignment_count(name) share(difference.name, difference.server_assignment_count)
#define X(name, total, average, over, text)        averages_out->name = AVERAGE_OVER_##over(name);
#include "proxy/traffic.def"
#undef X
}

void traffic_add(struct traffic *sum, const struct traffic *more)
{
#define X(name, total, average, over, text) sum->name += more->name;
#include "proxy/traffic.def"
#undef X
}
