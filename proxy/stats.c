/* The counters as a log line; counting itself is an increment where the thing happens. */
#include "proxy/stats.h"

#include "proxy/log.h"

void stats_log(const struct stats *stats)
{
    struct log_line line;
    log_begin(&line, LOG_LEVEL_INFO, "stats");
#define X(name, text) log_number(&line, #name, (int64_t)stats->name);
#include "proxy/stats.def"
#undef X
    log_end(&line);
}
