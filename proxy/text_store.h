#ifndef PROXY_TEXT_STORE_H
#define PROXY_TEXT_STORE_H

#include <stddef.h>

/*
 * Texts and tables that live exactly as long as their owner and are overwritten before they are freed, for some of them are secrets. Only
 * ever grows. A zeroed struct is an empty store.
 */
struct text_store {
    struct text_store_block *blocks;
};

/* Zeroed and aligned for anything. */
void *text_store_alloc(struct text_store *store, size_t size);
char *text_store_add(struct text_store *store, const char *text);
/* The first `size` bytes of `text`, and a NUL. */
char *text_store_add_bytes(struct text_store *store, const char *text, size_t size);
void text_store_fini(struct text_store *store);

#endif
