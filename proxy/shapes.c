/*
 * The table of shapes: fixed places, an open-addressed index into them, and a clock hand that looks for one to forget. Not for: what a shape is
 * (protocol/sql_fingerprint) or which ones are repeated.
 *
 * Invariants: a place is in the index exactly while its key is not 0; the texts in use never take more than text_bytes_max; scopes are never freed
 * before the table, for findings and units point to them.
 */
#include "proxy/shapes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/memory.h"

enum { NO_PLACE = UINT32_MAX };

struct shapes {
    struct shape *places;
    size_t capacity, count, hand;
    uint32_t *index; /* of places; NO_PLACE is free */
    size_t index_mask;
    size_t text_bytes, text_bytes_max;
    uint64_t evicted;
    struct scope *scopes;
};

static uint64_t mix(uint64_t a)
{
    a ^= a >> 32;
    a *= 0xd6e8feb86659fd93U;
    a ^= a >> 32;
    a *= 0xd6e8feb86659fd93U;
    return a ^ a >> 32;
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
    do hash = (hash ^ (uint8_t)*text) * 0x100000001b3U;
    while (*text++ != '\0');
    return hash;
}

struct shapes *shapes_new(size_t capacity, size_t text_bytes_max)
{
    assert(capacity > 0 && capacity < NO_PLACE / 4);
    struct shapes *shapes = memory_zalloc(sizeof *shapes);
    shapes->capacity = capacity;
    shapes->text_bytes_max = text_bytes_max;
    shapes->places = memory_zalloc(capacity * sizeof shapes->places[0]);
    size_t index_size = 16;
    while (index_size < 2 * capacity) index_size *= 2;
    shapes->index_mask = index_size - 1;
    shapes->index = memory_alloc(index_size * sizeof shapes->index[0]);
    memset(shapes->index, 0xff, index_size * sizeof shapes->index[0]);
    return shapes;
}

void shapes_free(struct shapes **shapes)
{
    struct shapes *mine = *shapes;
    *shapes = NULL;
    if (mine == NULL) return;
    for (size_t i = 0; i < mine->capacity; i++) free(mine->places[i].text);
    for (struct scope *scope = mine->scopes, *next; scope; scope = next) {
        next = scope->next;
        free(scope->database);
        free(scope->user);
        free(scope);
    }
    free(mine->places);
    free(mine->index);
    free(mine);
}

const struct scope *shapes_scope(struct shapes *shapes, const char *database, const char *user)
{
    uint64_t hash = mix(hash_text(hash_text(0xcbf29ce484222325U, database), user));
    struct scope *scope = shapes->scopes;
    while (scope && !(scope->hash == hash && strcmp(scope->database, database) == 0 && strcmp(scope->user, user) == 0)) scope = scope->next;
    if (scope == NULL) {
        scope = memory_alloc(sizeof *scope);
        *scope = (struct scope){.next = shapes->scopes, .hash = hash, .database = memory_strdup(database), .user = memory_strdup(user)};
        shapes->scopes = scope;
    }
    return scope;
}

/* ---- the index ---- */

/* The place in the index that holds `key`, or the free one where it would be. */
static size_t index_find(const struct shapes *shapes, uint64_t key)
{
    size_t at = key & shapes->index_mask;
    while (shapes->index[at] != NO_PLACE && shapes->places[shapes->index[at]].key != key) at = (at + 1) & shapes->index_mask;
    return at;
}

/* Entries behind the hole move up, so that no search stops early at it. */
static void index_remove(struct shapes *shapes, uint64_t key)
{
    size_t hole = index_find(shapes, key);
    assert(shapes->index[hole] != NO_PLACE);
    for (size_t at = (hole + 1) & shapes->index_mask; shapes->index[at] != NO_PLACE; at = (at + 1) & shapes->index_mask) {
        size_t home = shapes->places[shapes->index[at]].key & shapes->index_mask;
        if (((at - home) & shapes->index_mask) < ((at - hole) & shapes->index_mask)) continue;
        shapes->index[hole] = shapes->index[at];
        hole = at;
    }
    shapes->index[hole] = NO_PLACE;
}

struct shape *shapes_find(struct shapes *shapes, uint64_t key)
{
    uint32_t place = shapes->index[index_find(shapes, key)];
    if (place == NO_PLACE) return NULL;
    shapes->places[place].is_recent = true;
    return &shapes->places[place];
}

/* ---- coming and going ---- */

static void forget(struct shapes *shapes, struct shape *shape)
{
    index_remove(shapes, shape->key);
    shapes->text_bytes -= shape->text_size + 1;
    free(shape->text);
    *shape = (struct shape){0};
    shapes->count--;
    shapes->evicted++;
}

/* A shape that was not seen since the hand came by last. There is one. */
static struct shape *pick_victim(struct shapes *shapes)
{
    for (;;) {
        struct shape *shape = &shapes->places[shapes->hand];
        shapes->hand = (shapes->hand + 1) % shapes->capacity;
        if (shape->key == 0) continue;
        if (!shape->is_recent) return shape;
        shape->is_recent = false;
    }
}

static struct shape *free_place(struct shapes *shapes)
{
    if (shapes->count < shapes->capacity) {
        while (shapes->places[shapes->hand].key != 0) shapes->hand = (shapes->hand + 1) % shapes->capacity;
        return &shapes->places[shapes->hand];
    }
    struct shape *victim = pick_victim(shapes);
    forget(shapes, victim);
    return victim;
}

static const char cut_mark[] = " ...";

static void set_text(struct shapes *shapes, struct shape *shape, const struct shape_description *description)
{
    size_t size = description->text_size;
    bool is_cut = size > SHAPE_TEXT_MAX;
    if (is_cut) {
        size = SHAPE_TEXT_MAX - strlen(cut_mark);
        while (size > 0 && ((uint8_t)description->text[size] & 0xc0) == 0x80) size--; /* not inside of a character */
    }
    shape->text = memory_alloc(size + sizeof cut_mark);
    memcpy(shape->text, description->text, size);
    shape->text[size] = '\0';
    if (is_cut) memcpy(shape->text + size, cut_mark, sizeof cut_mark);
    shape->text_size = (uint32_t)(size + (is_cut ? strlen(cut_mark) : 0));
    shapes->text_bytes += shape->text_size + 1;
}

struct shape *shapes_learn(struct shapes *shapes, const struct scope *scope, uint64_t fingerprint,
                           const struct shape_description *description, int64_t now_us)
{
    assert(description->table_count <= EXECUTION_TABLES_MAX);
    uint64_t key = shapes_key(scope, fingerprint);
    struct shape *shape = shapes_find(shapes, key);
    if (shape != NULL) return shape;
    while (shapes->count > 0 && shapes->text_bytes + SHAPE_TEXT_MAX + 1 > shapes->text_bytes_max) forget(shapes, pick_victim(shapes));
    shape = free_place(shapes);
    *shape = (struct shape){
        .key = key,
        .fingerprint = fingerprint,
        .scope = scope,
        .class = (uint8_t)description->class,
        .table_count = description->table_count,
        .is_checkout_mark = description->is_checkout_mark,
        .is_housekeeping = description->is_housekeeping,
        .is_fetch = description->is_fetch,
        .is_close = description->is_close,
        .is_recent = true,
        .first_seen_us = now_us,
        .last_seen_us = now_us,
    };
    memcpy(shape->tables, description->tables, sizeof shape->tables);
    set_text(shapes, shape, description);
    shapes->index[index_find(shapes, key)] = (uint32_t)(shape - shapes->places);
    shapes->count++;
    return shape;
}

size_t shapes_count(const struct shapes *shapes)
{
    return shapes->count;
}

uint64_t shapes_evicted(const struct shapes *shapes)
{
    return shapes->evicted;
}

size_t shapes_text_bytes(const struct shapes *shapes)
{
    return shapes->text_bytes;
}

const struct shape *shapes_next(const struct shapes *shapes, size_t *position)
{
    while (*position < shapes->capacity) {
        const struct shape *shape = &shapes->places[(*position)++];
        if (shape->key != 0) return shape;
    }
    return NULL;
}
