#ifndef PROXY_METRICS_H
#define PROXY_METRICS_H

#include "proxy/snapshot.h"
#include "proxy/text_buffer.h"

/*
 * A snapshot as Prometheus reads it. Names begin with pgturnstile_; times are seconds, sizes bytes. The values of labels are as many as there are classes, at most
 * SNAPSHOT_POOLS_MAX pools and as many databases (the rest are one series with pool="other"), ERROR_COUNTS_MAX SQLSTATEs, and fixed words.
 */
enum metrics_format {
    METRICS_TEXT,        /* Prometheus text format 0.0.4 */
    METRICS_OPENMETRICS, /* OpenMetrics 1.0 */
};

/* What an Accept header asks for: OpenMetrics only when it is named. */
enum metrics_format metrics_choose(const char *accept);
const char *metrics_content_type(enum metrics_format format);
/* `started_s`: seconds since 1970. */
void metrics_render(const struct snapshot *snapshot, int64_t started_s, enum metrics_format format, struct text_buffer *out);

#endif
