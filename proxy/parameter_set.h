#ifndef PROXY_PARAMETER_SET_H
#define PROXY_PARAMETER_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/block_pool.h"

/*
 * The parameters that one shape was executed with in one unit, as hashes, and how often each: for the unit, and for its present transaction. A zeroed
 * struct is an empty set. It grows to a limit; after that what is not in it counts as new each time, so repeats are never overstated.
 */
enum { PARAMETER_SET_INLINE = 1, PARAMETER_SET_MAX = 1024 };

struct parameter_uses {
    uint64_t hash;        /* 0: free */
    uint32_t same;        /* executions with no write since the one before, and the first: how long the series is */
    uint32_t after_write; /* executions with a write since the one before */
    uint32_t writes;      /* the unit's count of writes at the last execution */
    /* The same two in transaction number `transaction`. */
    uint32_t transaction, transaction_same, transaction_after_write;
};

struct parameter_set {
    struct parameter_uses first;
    struct parameter_uses *table;
    uint32_t capacity, count; /* of the table; `first` is in it, then, as well */
};

/* What a use was. */
enum parameter_use { PARAMETER_NEW, PARAMETER_SAME, PARAMETER_AFTER_WRITE };

/* The entry of `hash`, with same == 0 && after_write == 0 when it is new. NULL: new, and there is no room for it. */
struct parameter_uses *parameter_set_find(struct parameter_set *set, uint64_t hash, struct block_pool *pool);
void parameter_set_clear(struct parameter_set *set, struct block_pool *pool);

#endif
