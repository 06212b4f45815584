#ifndef PROXY_STATS_H
#define PROXY_STATS_H

#include <stdint.h>

/* The counters of one worker; plain values of its thread. The list stands in stats.def. */
struct stats {
#define X(name, text) uint64_t name;
#include "proxy/stats.def"
#undef X
};

/* One log line with all of them. */
void stats_log(const struct stats *stats);

#endif
