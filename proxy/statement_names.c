/*
 * A client's names for statements: a chained table that grows by doubling. Its own and not uthash, for there may be thousands of clients with
 * thousands of names each: an entry takes two pointers and the name.
 *
 * Invariants: count is the number of entries; there are buckets exactly while it is not 0. Clients choose the names, so the hash is keyed.
 */
#include "proxy/statement_names.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/memory.h"

enum { FIRST_BUCKETS_LOG2 = 2 };

struct statement_name {
    struct statement_name *next; /* in its bucket */
    struct statement *statement;
    char name[];
};

static size_t bucket_count(const struct statement_names *names)
{
    return names->buckets ? (size_t)1 << names->buckets_log2 : 0;
}

static struct statement_name **bucket_of(const struct statement_names *names, const char *name)
{
    return &names->buckets[statements_hash(names->table, name, strlen(name)) & (bucket_count(names) - 1)];
}

/* The link to the entry, or the NULL behind its bucket's last one. There are buckets. */
static struct statement_name **link_of(const struct statement_names *names, const char *name)
{
    struct statement_name **link = bucket_of(names, name);
    while (*link != NULL && strcmp((*link)->name, name) != 0) link = &(*link)->next;
    return link;
}

struct statement *statement_names_find(const struct statement_names *names, const char *name)
{
    if (names->count == 0) return NULL;
    const struct statement_name *entry = *link_of(names, name);
    return entry ? entry->statement : NULL;
}

static void start(struct statement_names *names, const struct statements *table)
{
    names->table = table;
    names->buckets_log2 = FIRST_BUCKETS_LOG2;
    names->buckets = memory_zalloc(((size_t)1 << FIRST_BUCKETS_LOG2) * sizeof names->buckets[0]);
}

static void stop(struct statement_names *names)
{
    free(names->buckets);
    *names = (struct statement_names){0};
}

static void grow(struct statement_names *names)
{
    struct statement_name **old = names->buckets;
    size_t old_count = bucket_count(names);
    names->buckets_log2++;
    names->buckets = memory_zalloc(old_count * 2 * sizeof names->buckets[0]);
    for (size_t i = 0; i < old_count; i++) {
        for (struct statement_name *entry = old[i], *next; entry; entry = next) {
            next = entry->next;
            struct statement_name **bucket = bucket_of(names, entry->name);
            entry->next = *bucket;
            *bucket = entry;
        }
    }
    free(old);
}

static void add(struct statement_names *names, const char *name, struct statement *statement)
{
    if (names->count == 0) start(names, statement->table);
    if (names->count >= bucket_count(names) && names->buckets_log2 < 31) grow(names);
    size_t size = strlen(name) + 1;
    struct statement_name *entry = memory_alloc(sizeof *entry + size);
    struct statement_name **bucket = bucket_of(names, name);
    entry->next = *bucket;
    entry->statement = statement_ref(statement);
    memcpy(entry->name, name, size);
    *bucket = entry;
    names->count++;
}

struct statement *statement_names_set(struct statement_names *names, const char *name, struct statement *statement)
{
    assert(statement == NULL || names->count == 0 || names->table == statement->table);
    struct statement_name **link = names->count > 0 ? link_of(names, name) : NULL;
    if (link == NULL || *link == NULL) {
        if (statement) add(names, name, statement);
        return NULL;
    }
    struct statement_name *entry = *link;
    struct statement *former = entry->statement;
    if (statement) {
        entry->statement = statement_ref(statement);
        return former;
    }
    *link = entry->next;
    free(entry);
    if (--names->count == 0) stop(names);
    return former;
}

const char *statement_names_of(const struct statement_names *names, const char *server_name)
{
    for (size_t i = 0; i < bucket_count(names); i++) {
        for (const struct statement_name *entry = names->buckets[i]; entry; entry = entry->next) {
            if (strcmp(entry->statement->name, server_name) == 0) return entry->name;
        }
    }
    return NULL;
}

size_t statement_names_count(const struct statement_names *names)
{
    return names->count;
}

void statement_names_clear(struct statement_names *names)
{
    for (size_t i = 0; i < bucket_count(names); i++) {
        for (struct statement_name *entry = names->buckets[i], *next; entry; entry = next) {
            next = entry->next;
            statement_unref(&entry->statement);
            free(entry);
        }
    }
    stop(names);
}
