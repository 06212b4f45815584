#ifndef PROXY_POLLING_H
#define PROXY_POLLING_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A client that asks one question at even intervals and does nothing else in between. Each question is a unit of its own, so this is followed from unit to unit. A
 * zeroed struct has seen nothing.
 */
struct polling {
    uint64_t question; /* hash of its shape and parameters */
    int64_t first_us, last_us;
    uint32_t count;
    uint32_t least_us, most_us; /* of the intervals */
};
#define POLLING_INTERVAL_MAX_US INT64_C(3600000000) /* what is asked less often is no series */

/* A unit that was this one statement. True: it is the `least`th in a row, evenly spaced; then the count begins anew with the next. */
bool polling_note(struct polling *polling, uint64_t shape, uint64_t parameters, int64_t sent_us, uint32_t least);
/* A unit that was anything else. */
void polling_reset(struct polling *polling);

#endif
