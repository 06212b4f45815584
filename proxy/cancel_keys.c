/*
 * The table of cancel keys: chained, grown by doubling, never shrunk. Not for: drawing the keys, or knowing whose they are.
 *
 * The bucket depends on the process id alone, and a look-up walks all of it whatever it finds: its timing says nothing about secrets.
 */
#include "proxy/cancel_keys.h"

#include <assert.h>
#include <stdlib.h>

#include "proxy/memory.h"

enum { FIRST_BUCKETS_LOG2 = 6 };

struct cancel_keys {
    struct cancel_key **buckets;
    uint32_t buckets_log2;
    size_t count;
};

static size_t bucket_count(const struct cancel_keys *keys)
{
    return (size_t)1 << keys->buckets_log2;
}

struct cancel_keys *cancel_keys_new(void)
{
    struct cancel_keys *keys = memory_zalloc(sizeof *keys);
    keys->buckets_log2 = FIRST_BUCKETS_LOG2;
    keys->buckets = memory_zalloc(bucket_count(keys) * sizeof keys->buckets[0]);
    return keys;
}

void cancel_keys_free(struct cancel_keys **keys)
{
    if (*keys == NULL) return;
    free((*keys)->buckets);
    free(*keys);
    *keys = NULL;
}

/* Multiplication by 2^32 divided by the golden ratio spreads process ids that follow each other (Knuth, volume 3, 6.4). */
static struct cancel_key **bucket_of(const struct cancel_keys *keys, uint32_t pid)
{
    return &keys->buckets[(pid * 2654435769u) >> (32 - keys->buckets_log2)];
}

static void grow(struct cancel_keys *keys)
{
    struct cancel_key **old = keys->buckets;
    size_t old_count = bucket_count(keys);
    keys->buckets_log2++;
    keys->buckets = memory_zalloc(bucket_count(keys) * sizeof keys->buckets[0]);
    for (size_t i = 0; i < old_count; i++) {
        for (struct cancel_key *key = old[i], *next; key; key = next) {
            next = key->next;
            struct cancel_key **bucket = bucket_of(keys, key->pid);
            key->next = *bucket;
            *bucket = key;
        }
    }
    free(old);
}

bool cancel_keys_add(struct cancel_keys *keys, struct cancel_key *key, uint32_t pid, uint32_t secret)
{
    if (pid == 0 || pid > INT32_MAX || cancel_keys_find(keys, pid, secret)) return false;
    assert(key->pid == 0);
    if (keys->count >= bucket_count(keys) && keys->buckets_log2 < 31) grow(keys);
    struct cancel_key **bucket = bucket_of(keys, pid);
    *key = (struct cancel_key){.next = *bucket, .pid = pid, .secret = secret};
    *bucket = key;
    keys->count++;
    return true;
}

void cancel_keys_remove(struct cancel_keys *keys, struct cancel_key *key)
{
    if (key->pid == 0) return;
    struct cancel_key **link = bucket_of(keys, key->pid);
    while (*link != key) {
        assert(*link != NULL);
        link = &(*link)->next;
    }
    *link = key->next;
    *key = (struct cancel_key){0};
    keys->count--;
}

struct cancel_key *cancel_keys_find(struct cancel_keys *keys, uint32_t pid, uint32_t secret)
{
    struct cancel_key *found = NULL;
    for (struct cancel_key *key = *bucket_of(keys, pid); key; key = key->next) {
        uint32_t difference = (key->pid ^ pid) | (key->secret ^ secret);
        uintptr_t mask = (uintptr_t)0 - (uintptr_t)(difference == 0);
        found = (struct cancel_key *)((uintptr_t)found | ((uintptr_t)key & mask));
    }
    return found;
}

size_t cancel_keys_count(const struct cancel_keys *keys)
{
    return keys->count;
}
