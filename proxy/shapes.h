#ifndef PROXY_SHAPES_H
#define PROXY_SHAPES_H

#include "proxy/execution.h"

/* Whose statements: groups and findings never mix two of them. Both texts live as long as the shapes. */
struct scope {
    struct scope *next;
    uint64_t hash;
    char *database;
    char *user;
};

/*
 * The shapes seen lately: what they look like, and how much time they took. At most `capacity` of them and so many bytes of text; one that was not seen for
 * long makes room (second chance). Belongs to one thread.
 */
enum { SHAPES_CAPACITY = 10000, SHAPE_TEXT_MAX = 8192 };

struct shape {
    uint64_t key; /* of scope and fingerprint; never 0 */
    uint64_t fingerprint;
    const struct scope *scope;
    char *text; /* NUL behind it; cut at SHAPE_TEXT_MAX, then it ends in " ..." */
    uint64_t tables[EXECUTION_TABLES_MAX];
    uint64_t calls, rows, errors;
    int64_t total_us, max_us; /* from sent to completed */
    int64_t first_seen_us, last_seen_us;
    uint32_t text_size;
    uint8_t class; /* enum shape_class */
    uint8_t table_count;
    bool is_checkout_mark;
    bool is_housekeeping;
    bool is_fetch, is_close;
    bool is_recent;
    bool is_ignored; /* of analysis_ignore as it was at ignored_version: detector.c's */
    uint32_t ignored_version;
};

struct shapes;

struct shapes *shapes_new(size_t capacity, size_t text_bytes_max);
void shapes_free(struct shapes **shapes);
/* Interned; never NULL. */
const struct scope *shapes_scope(struct shapes *shapes, const char *database, const char *user);
static inline uint64_t shapes_key(const struct scope *scope, uint64_t fingerprint)
{
    uint64_t key = (fingerprint ^ scope->hash) * 0x9e3779b97f4a7c15U;
    key ^= key >> 29;
    return key != 0 ? key : 1;
}
/* NULL: not known (any more). Its place stays readable; it is another shape's, or none's, when its key has changed. */
struct shape *shapes_find(struct shapes *shapes, uint64_t key);
/* Known from now on; another one may be forgotten. If it is known already, that one. */
struct shape *shapes_learn(struct shapes *shapes, const struct scope *scope, uint64_t fingerprint,
                           const struct shape_description *description, int64_t now_us);
size_t shapes_count(const struct shapes *shapes);
uint64_t shapes_evicted(const struct shapes *shapes);
size_t shapes_text_bytes(const struct shapes *shapes);
/* All of them, in no order: start with *position 0, until NULL. No shapes_learn in between. */
const struct shape *shapes_next(const struct shapes *shapes, size_t *position);

#endif
