#ifndef PROXY_TRAFFIC_H
#define PROXY_TRAFFIC_H

#include <stdint.h>

/* What passed for one database: totals since the start, and averages over the last whole stats_period. The list stands in traffic.def. */
struct traffic {
#define X(name, total, average, over, text) uint64_t name;
#include "proxy/traffic.def"
#undef X
};

/*
 * The averages of the period in which the totals went from `before` to `after`: counts and bytes a second, times for each thing they were spent on;
 * rounded down, 0 where nothing happened.
 */
void traffic_average(const struct traffic *before, const struct traffic *after, int64_t period_us, struct traffic *averages_out);
void traffic_add(struct traffic *sum, const struct traffic *more);

#endif
