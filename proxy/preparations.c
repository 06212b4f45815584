/* The queue of Parse and Close messages under way. What follows from an outcome is rewrite.c's. */
#include "proxy/preparations.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/memory.h"

enum { FIRST_CAPACITY = 16, LOOKED_AT_MAX = 256 };

static struct preparation *at(const struct preparations *preparations, uint32_t i)
{
    return &preparations->items[(preparations->first + i) & (preparations->capacity - 1)];
}

static void grow(struct preparations *preparations)
{
    uint32_t capacity = preparations->capacity ? preparations->capacity * 2 : FIRST_CAPACITY;
    struct preparation *items = memory_alloc(capacity * sizeof *items);
    for (uint32_t i = 0; i < preparations->count; i++) items[i] = *at(preparations, i);
    free(preparations->items);
    preparations->items = items;
    preparations->capacity = capacity;
    preparations->first = 0;
}

void preparations_push(struct preparations *preparations, enum preparation_kind kind, struct statement *statement, struct statement *former,
                       const char *name)
{
    if (preparations->count == preparations->capacity) grow(preparations);
    *at(preparations, preparations->count++) = (struct preparation){.kind = kind,
                                                                    .statement = statement,
                                                                    .former = former,
                                                                    .name = name ? memory_strdup(name) : NULL,
                                                                    .segment = preparations->segment};
    if (kind == PREPARATION_DEALLOCATION) preparations->uncertain = preparations->count;
}

struct preparation preparations_pop(struct preparations *preparations)
{
    assert(preparations->count > 0);
    struct preparation preparation = *at(preparations, 0);
    preparations->first = (preparations->first + 1) & (preparations->capacity - 1);
    preparations->count--;
    if (preparations->uncertain > 0) preparations->uncertain--;
    if (preparations->ended > 0) preparations->ended--;
    return preparation;
}

bool preparation_is_of_client(enum preparation_kind kind)
{
    return kind == PREPARATION_NAMED || kind == PREPARATION_ANSWERED || kind == PREPARATION_CLOSED || kind == PREPARATION_UNNAMED ||
           kind == PREPARATION_UNNAMED_CLOSED;
}

static bool has_same_name(const struct preparation *a, const struct preparation *b)
{
    return a->name && b->name ? strcmp(a->name, b->name) == 0 : a->name == b->name;
}

bool preparations_undo_former(struct preparations *preparations, const struct preparation *undone)
{
    for (uint32_t i = 0; i < preparations->count; i++) {
        struct preparation *later = at(preparations, i);
        if (!preparation_is_of_client(later->kind) || !has_same_name(later, undone)) continue;
        /* A Query in between ends the unnamed statement. And under other settings a name may have come to stand for the same text in other terms. */
        if (!statement_is_alike(later->former, undone->statement)) return true;
        statement_unref(&later->former);
        later->former = undone->former ? statement_ref(undone->former) : NULL;
        return true;
    }
    return false;
}

void preparations_end_unnamed(struct preparations *preparations)
{
    for (uint32_t i = preparations->ended; i < preparations->count; i++) {
        struct preparation *item = at(preparations, i);
        if (item->kind == PREPARATION_UNNAMED || item->kind == PREPARATION_UNNAMED_CLOSED) statement_unref(&item->former);
    }
    preparations->ended = preparations->count;
}

/* The latest word on the unnamed statement is what counts: each Parse of it replaces whatever was there. */
static bool awaits_unnamed(const struct preparations *preparations)
{
    for (uint32_t i = preparations->count, looked_at = 0; i-- > 0;) {
        const struct preparation *item = at(preparations, i);
        if (item->segment != preparations->segment && ++looked_at > LOOKED_AT_MAX) return true;
        if (item->kind == PREPARATION_UNNAMED || item->kind == PREPARATION_UNNAMED_CLOSED) return item->segment != preparations->segment;
    }
    return false;
}

/* `name` NULL: any. */
static bool awaits_named(const struct preparations *preparations, const char *name)
{
    for (uint32_t i = 0; i < preparations->count; i++) {
        const struct preparation *item = at(preparations, i);
        if (item->segment == preparations->segment) return false; /* and so is what follows */
        if (i == LOOKED_AT_MAX) return true;
        if (item->name && (!name || strcmp(item->name, name) == 0)) return true;
    }
    return false;
}

bool preparations_await_name(const struct preparations *preparations, const char *name)
{
    return *name ? awaits_named(preparations, name) : awaits_unnamed(preparations);
}

bool preparations_await_names(const struct preparations *preparations)
{
    return awaits_named(preparations, NULL);
}

bool preparations_evict(const struct preparations *preparations, const struct statement *statement)
{
    for (uint32_t i = 0; i < preparations->uncertain; i++) {
        const struct preparation *item = at(preparations, i);
        if (i == LOOKED_AT_MAX || (item->kind == PREPARATION_EVICTED && item->statement == statement)) return true;
    }
    return false;
}

void preparation_fini(struct preparation *preparation)
{
    statement_unref(&preparation->statement);
    statement_unref(&preparation->former);
    free(preparation->name);
}

void preparations_fini(struct preparations *preparations)
{
    while (preparations->count > 0) {
        struct preparation preparation = preparations_pop(preparations);
        preparation_fini(&preparation);
    }
    free(preparations->items);
    *preparations = (struct preparations){0};
}
