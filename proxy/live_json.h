#ifndef PROXY_LIVE_JSON_H
#define PROXY_LIVE_JSON_H

#include "proxy/snapshot.h"
#include "proxy/text_buffer.h"

/*
 * A snapshot as the live page (live_page.html) reads it: one JSON object. Times are milliseconds or seconds, as the names say; percentiles are of recent leases.
 * seats: [state, index of the class or -1, seconds or null, "database as user"], those that do most first. history: oldest first, a sample a second. errors: of those
 * that clients were told, the 20 that came last; totals since the start.
 */
void live_json_render(const struct snapshot *snapshot, int64_t uptime_us, struct text_buffer *out);

#endif
