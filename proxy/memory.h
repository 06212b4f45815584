#ifndef PROXY_MEMORY_H
#define PROXY_MEMORY_H

#include <stddef.h>

/* Allocation that does not fail: the process stops with a message instead. Free with free(). */
void *memory_alloc(size_t size);
void *memory_zalloc(size_t size); /* zeroed */
void *memory_realloc(void *block, size_t size);
char *memory_strdup(const char *text);

#endif
