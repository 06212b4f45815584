#ifndef PROXY_PARAMETER_SET_H
#define PROXY_PARAMETER_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/block_pool.h"

/*
 * The parameters that one shape was executed with in one unit, as hashes, and how often each: for the unit, and for its present transaction. A zeroed
 * struct is an empty set. It grows to a limit; after that what is not in it counts as new each time, so repeats are never overstated.
 */
enum { PARAMETER_SET_MAX = 768 };

struct parameter_uses {
    uint32_t same;        /* executions with no write since the one before, and the first: how long the series is */
    uint32_t after_write; /* executions with a write since the one before */
    uint32_t writes;      /* the unit's count of writes at the last execution */
    /* The same two in transaction number `transaction`. */
    uint32_t transaction, transaction_same, transaction_after_write;
};

struct parameter_set {
    uint64_t first_hash; /* 0: nothing is in the set */
    struct parameter_uses first;
    uint64_t *hashes;         /* 0 is free; the uses of each are behind all of them, so that looking for one touches little memory */
    uint32_t capacity, count; /* of that table; the first one is in it, then, as well */
};

/* What a use was. */
enum parameter_use { PARAMETER_NEW, PARAMETER_SAME, PARAMETER_AFTER_WRITE };

/* The entry of `hash`, with same == 0 && after_write == 0 when it is new. NULL: new, and there is no room for it. */
struct parameter_uses *parameter_set_find(struct parameter_set *set, uint64_t hash, struct block_pool *pool);
void parameter_set_clear(struct parameter_set *set, struct block_pool *pool);

#endif
