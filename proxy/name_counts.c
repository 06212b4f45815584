/*
 * Counting by name. Invariant: no name has a count of 0.
 */
#include "proxy/name_counts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "proxy/memory.h"

struct name_count {
    UT_hash_handle hh;
    uint32_t count;
    char name[];
};

static struct name_count *find(const struct name_counts *counts, const char *name)
{
    struct name_count *count;
    HASH_FIND_STR(counts->by_name, name, count);
    return count;
}

struct name_count *name_counts_add(struct name_counts *counts, const char *name, uint32_t limit)
{
    struct name_count *count = find(counts, name);
    if (limit > 0 && count != NULL && count->count >= limit) return NULL;
    if (count == NULL) {
        count = memory_zalloc(sizeof *count + strlen(name) + 1);
        strcpy(count->name, name);
        HASH_ADD_STR(counts->by_name, name, count);
    }
    count->count++;
    return count;
}

void name_counts_remove(struct name_counts *counts, struct name_count **count_)
{
    struct name_count *count = *count_;
    *count_ = NULL;
    if (count == NULL) return;
    assert(count->count > 0);
    if (--count->count > 0) return;
    HASH_DEL(counts->by_name, count);
    free(count);
}

uint32_t name_counts_of(const struct name_counts *counts, const char *name)
{
    const struct name_count *count = find(counts, name);
    return count != NULL ? count->count : 0;
}
