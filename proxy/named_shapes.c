/*
 * A client's names for shapes. Statements that the server refused may be in it: nothing executes them.
 */
/* Before uthash.h is read. Its own function takes several times as long for a short name. */
#include <xxhash.h>
#define HASH_FUNCTION(key, size, hash) ((hash) = (unsigned)XXH3_64bits(key, size))

#include "proxy/named_shapes.h"

#include <stdlib.h>
#include <string.h>

#include "proxy/memory.h"

static void clear_one(struct named_shape *named)
{
    parsed_shape_unref(&named->shape);
    named->has_tags = false;
}

static void remove_one(struct named_shapes *names, struct named_shape *named)
{
    HASH_DEL(names->by_name, named);
    clear_one(named);
    free(named->tags);
    free(named->name);
    free(named);
}

static struct named_shape *find_any(struct named_shapes *names, const char *name)
{
    if (*name == '\0') return &names->unnamed;
    struct named_shape *named;
    HASH_FIND_STR(names->by_name, name, named);
    return named;
}

struct named_shape *named_shapes_find(struct named_shapes *names, const char *name)
{
    struct named_shape *named = find_any(names, name);
    return named && named->shape ? named : NULL;
}

void named_shapes_clear(struct named_shapes *names)
{
    struct named_shape *named, *next;
    HASH_ITER(hh, names->by_name, named, next) {
        remove_one(names, named);
    }
    clear_one(&names->unnamed);
    free(names->unnamed.tags);
    names->unnamed.tags = NULL;
}

void named_shapes_set(struct named_shapes *names, const char *name, struct parsed_shape *shape, const struct statement_tags *tags)
{
    struct named_shape *named = find_any(names, name);
    if (!named) {
        if (HASH_COUNT(names->by_name) >= NAMED_SHAPES_MAX) named_shapes_clear(names);
        named = memory_zalloc(sizeof *named);
        named->name = memory_strdup(name);
        HASH_ADD_KEYPTR(hh, names->by_name, named->name, strlen(named->name), named);
    }
    clear_one(named);
    named->shape = shape;
    named->has_tags = tags != NULL;
    if (tags) statement_tags_keep(&named->tags, tags);
}

void named_shapes_remove(struct named_shapes *names, const char *name)
{
    struct named_shape *named = find_any(names, name);
    if (named == &names->unnamed)
        clear_one(named);
    else if (named)
        remove_one(names, named);
}
