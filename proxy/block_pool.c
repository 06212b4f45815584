/*
 * Freelists by size. Memory goes back to the system only at the end: what was needed once will be needed again.
 *
 * Invariant: the header of a block is in front of what its owner sees, and the owner's bytes are not touched while the block is free.
 */
#include "proxy/block_pool.h"

#include <stdalign.h>
#include <stdlib.h>

#include "proxy/memory.h"

struct block_pool_block {
    struct block_pool_block *next_free;
    struct block_pool_block *next;
    alignas(max_align_t) char bytes[];
};

static unsigned class_of(size_t size)
{
    if (size <= (size_t)1 << BLOCK_POOL_LOG2_MIN) return 0;
    return 64 - (unsigned)__builtin_clzll((unsigned long long)size - 1) - BLOCK_POOL_LOG2_MIN;
}

void *block_pool_take(struct block_pool *pool, size_t size)
{
    if (size > (size_t)1 << BLOCK_POOL_LOG2_MAX) return NULL;
    unsigned class = class_of(size);
    size_t rounded = (size_t)1 << (class + BLOCK_POOL_LOG2_MIN);
    struct block_pool_block *block = pool->free[class];
    if (block != NULL) {
        pool->free[class] = block->next_free;
    } else {
        if (rounded > pool->bytes_max || pool->bytes > pool->bytes_max - rounded) {
            pool->refusals++;
            return NULL;
        }
        block = memory_zalloc(sizeof *block + rounded);
        block->next = pool->all[class];
        pool->all[class] = block;
        pool->bytes += rounded;
    }
    pool->bytes_used += rounded;
    return block->bytes;
}

void block_pool_give(struct block_pool *pool, void *bytes, size_t size)
{
    if (bytes == NULL) return;
    struct block_pool_block *block = (struct block_pool_block *)((char *)bytes - offsetof(struct block_pool_block, bytes));
    unsigned class = class_of(size);
    block->next_free = pool->free[class];
    pool->free[class] = block;
    pool->bytes_used -= (size_t)1 << (class + BLOCK_POOL_LOG2_MIN);
}

void block_pool_fini(struct block_pool *pool)
{
    for (unsigned class = 0; class < BLOCK_POOL_CLASSES; class ++) {
        for (struct block_pool_block *block = pool->all[class], *next; block; block = next) {
            next = block->next;
            free(block);
        }
    }
    *pool = (struct block_pool){.bytes_max = pool->bytes_max};
}
