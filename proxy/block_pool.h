#ifndef PROXY_BLOCK_POOL_H
#define PROXY_BLOCK_POOL_H

#include <stddef.h>
#include <stdint.h>

/*
 * Blocks of memory that are used again and again: sizes are rounded up to powers of two, and a block that was given back serves the next request of its size
 * without malloc. No more than `bytes_max` in all: then there is nothing. A zeroed struct with bytes_max set is an empty pool.
 *
 * A block given back stays readable until block_pool_fini: whoever kept a pointer to it may still look at what he wrote there to see that it is stale.
 */
enum { BLOCK_POOL_LOG2_MIN = 6, BLOCK_POOL_LOG2_MAX = 17, BLOCK_POOL_CLASSES = BLOCK_POOL_LOG2_MAX - BLOCK_POOL_LOG2_MIN + 1 };

struct block_pool {
    size_t bytes_max;
    size_t bytes;      /* taken from malloc */
    size_t bytes_used; /* of them, in use */
    uint64_t refusals;
    struct block_pool_block *free[BLOCK_POOL_CLASSES];
    struct block_pool_block *all[BLOCK_POOL_CLASSES];
};

/* Not zeroed, but for its first time. NULL: the pool is at its limit, or the size is above 2^BLOCK_POOL_LOG2_MAX. */
void *block_pool_take(struct block_pool *pool, size_t size);
/* With the size it was taken with. NULL is accepted. */
void block_pool_give(struct block_pool *pool, void *block, size_t size);
void block_pool_fini(struct block_pool *pool);

#endif
