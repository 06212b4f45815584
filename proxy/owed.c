/*
 * The ring of what is owed. Its capacity is a power of two.
 */
#include "proxy/owed.h"

#include <stdlib.h>

#include "proxy/memory.h"

bool owed_make_room(struct owed_list *list)
{
    if (list->capacity == OWED_MAX) return false;
    uint16_t capacity = list->capacity ? (uint16_t)(2 * list->capacity) : OWED_FIRST;
    struct owed *items = memory_alloc(capacity * sizeof *items);
    for (uint16_t i = 0; i < list->count; i++) items[i] = list->items[(list->first + i) & (list->capacity - 1)];
    free(list->items);
    list->items = items;
    list->capacity = capacity;
    list->first = 0;
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
