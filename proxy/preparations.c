/* The queue of Parse and Close messages under way. What follows from an outcome is rewrite.c's. */
#include "proxy/preparations.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/memory.h"

enum { FIRST_CAPACITY = 16 };

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
    *at(preparations, preparations->count++) =
        (struct preparation){.kind = kind, .statement = statement, .former = former, .name = name ? memory_strdup(name) : NULL};
}

struct preparation preparations_pop(struct preparations *preparations)
{
    assert(preparations->count > 0);
    struct preparation preparation = *at(preparations, 0);
    preparations->first = (preparations->first + 1) & (preparations->capacity - 1);
    preparations->count--;
    return preparation;
}

static bool has_same_name(const struct preparation *a, const struct preparation *b)
{
    return a->name && b->name ? strcmp(a->name, b->name) == 0 : a->name == b->name;
}

void preparations_undo_former(struct preparations *preparations, const struct preparation *undone)
{
    for (uint32_t i = 0; i < preparations->count; i++) {
        struct preparation *later = at(preparations, i);
        /* Under other settings the client's name may have come to stand for the same text in other terms. */
        if (!statement_is_alike(later->former, undone->statement) || !has_same_name(later, undone)) continue;
        statement_unref(&later->former);
        later->former = undone->former ? statement_ref(undone->former) : NULL;
    }
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
