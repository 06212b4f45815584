/*
 * The ring of what is owed. Its capacity is a power of two.
 */
#include "proxy/owed.h"

#include <stdlib.h>

#include "proxy/memory.h"

struct owed *owed_front(struct owed_list *list)
{
    return list->count > 0 ? &list->items[list->first] : NULL;
}

void owed_pop(struct owed_list *list)
{
    parsed_shape_unref(&list->items[list->first].shape);
    list->first = (uint16_t)((list->first + 1) & (list->capacity - 1));
    list->count--;
}

static void grow(struct owed_list *list)
{
    uint16_t capacity = list->capacity ? (uint16_t)(2 * list->capacity) : 8;
    struct owed *items = memory_alloc(capacity * sizeof *items);
    for (uint16_t i = 0; i < list->count; i++) items[i] = list->items[(list->first + i) & (list->capacity - 1)];
    free(list->items);
    list->items = items;
    list->capacity = capacity;
    list->first = 0;
}

bool owed_push(struct owed_list *list, struct owed owed)
{
    if (list->count == OWED_MAX) {
        parsed_shape_unref(&owed.shape);
        return false;
    }
    if (list->count == list->capacity) grow(list);
    list->items[(list->first + list->count++) & (list->capacity - 1)] = owed;
    return true;
}

void owed_clear(struct owed_list *list)
{
    while (list->count > 0) owed_pop(list);
}

void owed_fini(struct owed_list *list)
{
    owed_clear(list);
    free(list->items);
    list->items = NULL;
    list->capacity = 0;
}
