/*
 * Allocation for the whole program. There is nothing sensible to do without memory in the middle of a connection, and a path that is never
 * tested would be taken just then: the process stops. Sizes that a peer can choose are bounded before they come here.
 */
#include "proxy/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *or_stop(void *block, size_t size)
{
    if (block == NULL && size > 0) {
        fprintf(stderr, "pgturnstile: out of memory (%zu bytes wanted)\n", size);
        abort();
    }
    return block;
}

void *memory_alloc(size_t size)
{
    return or_stop(malloc(size), size);
}

void *memory_zalloc(size_t size)
{
    return or_stop(calloc(1, size), size);
}

void *memory_realloc(void *block, size_t size)
{
    return or_stop(realloc(block, size), size);
}

char *memory_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(memory_alloc(size), text, size);
}
