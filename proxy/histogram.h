#ifndef PROXY_HISTOGRAM_H
#define PROXY_HISTOGRAM_H

#include <stdint.h>

/*
 * How often which value was seen, in fixed memory (10 KiB) and constant time: buckets that are one wide below 16, and above that a sixteenth of a
 * power of two, so that what is read back is at most 1/16 too high. Values are what the caller likes, here microseconds; from HISTOGRAM_VALUE_MAX on they share the last
 * bucket (sum and max keep the true ones).
 *
 * Everything since the start is kept for counters that must never fall; beside it, what is recent, in two windows that take turns: of the one in use and
 * the one before. A histogram that nothing is added to keeps its last windows: recent are the last values that there were.
 */
enum {
    HISTOGRAM_SUB_BITS = 4,
    HISTOGRAM_VALUE_BITS = 40,
    HISTOGRAM_BUCKETS = (HISTOGRAM_VALUE_BITS - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS
};
#define HISTOGRAM_VALUE_MAX ((UINT64_C(1) << HISTOGRAM_VALUE_BITS) - 1)
#define HISTOGRAM_WINDOW_US INT64_C(10000000)

struct histogram_window {
    uint32_t count;
    uint32_t buckets[HISTOGRAM_BUCKETS];
};

struct histogram { /* zero is empty */
    uint64_t count, sum, max;
    struct histogram_window *current; /* NULL: nothing was added yet */
    int64_t until_us;                 /* when the current window ends */
    struct histogram_window windows[2];
    uint64_t older[HISTOGRAM_BUCKETS]; /* of the windows before these */
};

void histogram_add(struct histogram *histogram, uint64_t value, int64_t now_us);

/*
 * A value that at least this part (0 to 1) of all are not above: the upper end of its bucket, or max when that is less. 0 when there are none.
 * The first is of everything, the second of what is recent.
 */
uint64_t histogram_percentile(const struct histogram *histogram, double part);
uint64_t histogram_recent_percentile(const struct histogram *histogram, double part);
uint32_t histogram_recent_count(const struct histogram *histogram);
/* How many of all values lie in the buckets that end at or below `value`: a cumulative bucket as Prometheus wants it. It never falls. */
uint64_t histogram_count_up_to(const struct histogram *histogram, uint64_t value);

#endif
