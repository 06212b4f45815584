/*
 * A client's names for shapes. Statements that the server refused may be in it: nothing executes them.
 */
/* Before uthash.h is read. Its own function takes several times as long for a short name. */
#include <xxhash.h>
#define HASH_FUNCTION(key, size, hash) ((hash) = (unsigned)XXH3_64bits(key, size))

#include "proxy/named_shapes.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "proxy/memory.h"

struct named_shapes_entry {
    char *name;
    struct named_shape named;
    UT_hash_handle hh;
};

static void clear_one(struct named_shape *named)
{
    parsed_shape_unref(&named->shape);
    named->has_tags = false;
}

static void remove_one(struct named_shapes *names, struct named_shapes_entry *entry)
{
    HASH_DEL(names->by_name, entry);
    clear_one(&entry->named);
    free(entry->named.tags);
    free(entry->name);
    free(entry);
}

static struct named_shapes_entry *find_entry(const struct named_shapes *names, const char *name)
{
    struct named_shapes_entry *entry;
    HASH_FIND_STR(names->by_name, name, entry);
    return entry;
}

struct named_shape *named_shapes_find(struct named_shapes *names, const char *name)
{
    if (*name == '\0') return names->unnamed.shape ? &names->unnamed : NULL;
    struct named_shapes_entry *entry = find_entry(names, name);
    return entry && entry->named.shape ? &entry->named : NULL;
}

void named_shapes_clear(struct named_shapes *names)
{
    struct named_shapes_entry *entry, *next;
    HASH_ITER(hh, names->by_name, entry, next) {
        remove_one(names, entry);
    }
    clear_one(&names->unnamed);
    free(names->unnamed.tags);
    names->unnamed.tags = NULL;
}

static struct named_shape *find_or_make(struct named_shapes *names, const char *name)
{
    if (*name == '\0') return &names->unnamed;
    struct named_shapes_entry *entry = find_entry(names, name);
    if (!entry) {
        if (HASH_COUNT(names->by_name) >= NAMED_SHAPES_MAX) named_shapes_clear(names);
        entry = memory_zalloc(sizeof *entry);
        entry->name = memory_strdup(name);
        HASH_ADD_KEYPTR(hh, names->by_name, entry->name, strlen(entry->name), entry);
    }
    return &entry->named;
}

void named_shapes_set(struct named_shapes *names, const char *name, struct parsed_shape *shape, const struct statement_tags *tags)
{
    struct named_shape *named = find_or_make(names, name);
    clear_one(named);
    named->shape = shape;
    named->has_tags = tags != NULL;
    if (tags) statement_tags_keep(&named->tags, tags);
}

void named_shapes_remove(struct named_shapes *names, const char *name)
{
    if (*name == '\0') {
        clear_one(&names->unnamed);
        return;
    }
    struct named_shapes_entry *entry = find_entry(names, name);
    if (entry) remove_one(names, entry);
}
