/*
 * Memory with one common end. Not a general allocator: nothing is given back before the whole.
 *
 * Invariant: every byte ever handed out is on the list of blocks, so text_store_fini can overwrite it.
 */
#include "proxy/text_store.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/memory.h"

struct text_store_block {
    struct text_store_block *next;
    size_t size;
    alignas(max_align_t) char bytes[];
};

void *text_store_alloc(struct text_store *store, size_t size)
{
    struct text_store_block *block = memory_zalloc(sizeof *block + size);
    block->next = store->blocks;
    block->size = size;
    store->blocks = block;
    return block->bytes;
}

char *text_store_add_bytes(struct text_store *store, const char *text, size_t size)
{
    char *copy = text_store_alloc(store, size + 1);
    memcpy(copy, text, size);
    return copy;
}

char *text_store_add(struct text_store *store, const char *text)
{
    return text_store_add_bytes(store, text, strlen(text));
}

void text_store_fini(struct text_store *store)
{
    while (store->blocks != NULL) {
        struct text_store_block *block = store->blocks;
        store->blocks = block->next;
        explicit_bzero(block->bytes, block->size);
        free(block);
    }
}
