#ifndef PROXY_CANCEL_KEYS_H
#define PROXY_CANCEL_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Who may be cancelled by which (process id, secret) pair. The pairs are our own: a client never learns PostgreSQL's.
 * Entries are embedded in their owner; the table never allocates per entry but grows its buckets.
 */
struct cancel_key {
    struct cancel_key *next; /* in its bucket */
    uint32_t pid;            /* 0: not in the table */
    uint32_t secret;
};

struct cancel_keys;
struct cancel_keys *cancel_keys_new(void);
void cancel_keys_free(struct cancel_keys **keys);
/* Enter `key` under (pid, secret). False, and nothing entered, when that pair is taken or pid is 0. pid is at most INT32_MAX. */
bool cancel_keys_add(struct cancel_keys *keys, struct cancel_key *key, uint32_t pid, uint32_t secret);
void cancel_keys_remove(struct cancel_keys *keys, struct cancel_key *key); /* harmless when not entered */
/* Both must match; compared without telling by its timing how much of the secret was right. NULL: none. */
struct cancel_key *cancel_keys_find(struct cancel_keys *keys, uint32_t pid, uint32_t secret);
size_t cancel_keys_count(const struct cancel_keys *keys);

#endif
