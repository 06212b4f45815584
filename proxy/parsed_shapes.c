/*
 * A cache from prepared text to shape, in two generations: what is asked for moves to the young one; when that is full it becomes the old one, and what nobody asked for
 * since goes.
 */
#include "proxy/parsed_shapes.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <xxhash.h>

#include "protocol/bytes.h"
#include "proxy/memory.h"
#include "proxy/shapes.h"

struct entry {
    uint64_t key;
    struct parsed_shape *shape;
    UT_hash_handle hh;
};

struct parsed_shapes {
    struct sql_value_key key;
    size_t capacity; /* of a generation */
    struct entry *young, *old;
    struct sql_fingerprint fingerprint; /* scratch */
};

struct parsed_shapes *parsed_shapes_new(const struct sql_value_key *key, size_t capacity)
{
    struct parsed_shapes *shapes = memory_zalloc(sizeof *shapes);
    shapes->key = *key;
    shapes->capacity = capacity > 1 ? capacity / 2 : 1;
    return shapes;
}

static void drop_generation(struct entry **generation)
{
    struct entry *entry, *next;
    HASH_ITER(hh, *generation, entry, next) {
        HASH_DEL(*generation, entry);
        parsed_shape_unref(&entry->shape);
        free(entry);
    }
}

void parsed_shapes_free(struct parsed_shapes **shapes)
{
    if (!*shapes) return;
    drop_generation(&(*shapes)->young);
    drop_generation(&(*shapes)->old);
    free(*shapes);
    *shapes = NULL;
}

/* Keyed, so that nobody can make two texts of one hash; and of both ways to read it. */
static uint64_t key_of(const struct parsed_shapes *shapes, const char *text, size_t size, enum sql_strings strings)
{
    return XXH3_64bits_withSeed(text, size, shapes->key.words[0] + (uint64_t)strings);
}

static struct entry *find(struct parsed_shapes *shapes, uint64_t key)
{
    struct entry *entry;
    HASH_FIND(hh, shapes->young, &key, sizeof key, entry);
    if (entry) return entry;
    HASH_FIND(hh, shapes->old, &key, sizeof key, entry);
    if (!entry) return NULL;
    HASH_DEL(shapes->old, entry);
    HASH_ADD(hh, shapes->young, key, sizeof entry->key, entry);
    return entry;
}

static void add(struct parsed_shapes *shapes, uint64_t key, struct parsed_shape *shape)
{
    if (HASH_COUNT(shapes->young) >= shapes->capacity) {
        drop_generation(&shapes->old);
        shapes->old = shapes->young;
        shapes->young = NULL;
    }
    struct entry *entry = memory_zalloc(sizeof *entry);
    entry->key = key;
    entry->shape = parsed_shape_ref(shape);
    HASH_ADD(hh, shapes->young, key, sizeof entry->key, entry);
}

struct parsed_shape *parsed_shape_new(const struct sql_fingerprint_scan *scan, const struct sql_fingerprint *fingerprint,
                                      const struct sql_value_key *key)
{
    struct statement_source sources[SQL_LITERALS_MAX];
    struct statement_slots slots;
    char canonical[SHAPE_TEXT_MAX];
    statement_slots_read(&slots, sources, fingerprint, scan->text, key);
    size_t size = sql_fingerprint_display(scan, fingerprint, canonical, sizeof canonical),
           sources_size = slots.source_count * sizeof *sources;
    struct parsed_shape *shape = memory_zalloc(sizeof *shape + sources_size + size + 1);
    memcpy(shape->sources, sources, sources_size);
    char *kept = (char *)shape->sources + sources_size;
    memcpy(kept, canonical, size);
    shape->slots = slots;
    shape->slots.sources = shape->sources;
    statement_slots_describe(fingerprint, kept, size, &shape->description);
    shape->form = fingerprint->form;
    shape->references = 1;
    return shape;
}

struct parsed_shape *parsed_shapes_get(struct parsed_shapes *shapes, const char *text, size_t size, enum sql_strings strings)
{
    uint64_t key = key_of(shapes, text, size, strings);
    struct entry *known = find(shapes, key);
    if (known) return parsed_shape_ref(known->shape);
    struct sql_fingerprint_scan scan;
    sql_fingerprint_init(&scan, text, size, strings, SQL_FINGERPRINT_SCAN_MAX);
    if (!sql_fingerprint_next(&scan, &shapes->fingerprint)) return NULL;
    struct parsed_shape *shape = parsed_shape_new(&scan, &shapes->fingerprint, &shapes->key);
    add(shapes, key, shape);
    return shape;
}

void parsed_shape_free(struct parsed_shape *shape)
{
    free(shape->columns);
    free(shape->types);
    free(shape);
}

void parsed_shape_set_types(struct parsed_shape *shape, const uint8_t *types, uint16_t count)
{
    if (count > BIND_VALUES_MAX) count = BIND_VALUES_MAX;
    if (count == 0) return;
    struct bytes_reader reader;
    bytes_reader_init(&reader, types, 4 * (size_t)count);
    if (shape->type_count < count) {
        shape->types = memory_realloc(shape->types, count * sizeof *shape->types);
        shape->type_count = count;
    }
    for (uint16_t i = 0; i < count; i++) shape->types[i] = bytes_read_u32(&reader);
}
