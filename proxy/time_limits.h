#ifndef PROXY_TIME_LIMITS_H
#define PROXY_TIME_LIMITS_H

#include "proxy/config.h"

/* How long what a client does may take; 0: as long as it likes. */
struct time_limits {
    int64_t wait_us;             /* in the queue: query_wait_timeout */
    int64_t notify_us;           /* in the queue, before it is told: query_wait_notify */
    int64_t deadline_us;         /* a unit of work, the queue included */
    int64_t query_us;            /* a statement */
    int64_t transaction_us;      /* a transaction on a server */
    int64_t idle_transaction_us; /* a client that is silent in a transaction */
    int64_t client_idle_us;      /* one that is silent outside of any */
    bool are_any;                /* of the last five */
};

extern const struct time_limits time_limits_none;

/* Those that hold for a client of this class, database and user; the last may be NULL. */
struct time_limits time_limits_of(const struct config *config, const struct config_class *class, const struct config_database *database,
                                  const char *user);

#endif
