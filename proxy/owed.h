#ifndef PROXY_OWED_H
#define PROXY_OWED_H

#include "proxy/parsed_shapes.h"

/*
 * What a server has yet to answer, as far as the tap has to know: whose columns, rows and tags the next replies are. A ring; a zeroed struct is empty and has no
 * memory.
 */
enum owed_kind { OWED_SYNC, OWED_QUERY, OWED_EXECUTE, OWED_DESCRIBE };
struct owed {
    enum owed_kind kind;
    enum bind_format results;   /* EXECUTE */
    bool is_portal;             /* DESCRIBE */
    bool is_told;               /* QUERY, EXECUTE: the detector knows of it */
    struct parsed_shape *shape; /* EXECUTE, DESCRIBE; NULL: not known */
};

struct owed_list {
    struct owed *items;
    uint16_t first, count, capacity;
};
enum { OWED_FIRST = 8, OWED_MAX = 1024 };

static inline struct owed *owed_front(const struct owed_list *list) /* NULL: nothing is owed */
{
    return list->count > 0 ? &list->items[list->first] : NULL;
}

static inline void owed_pop(struct owed_list *list)
{
    parsed_shape_unref(&list->items[list->first].shape);
    list->first = (uint16_t)((list->first + 1) & (list->capacity - 1));
    list->count--;
}

bool owed_make_room(struct owed_list *list); /* for one more; false: it is as long as it may be */

/* Zeroed but for its kind; a reference that is put into it is the list's. NULL: the list is full. */
static inline struct owed *owed_push(struct owed_list *list, enum owed_kind kind)
{
    if (list->count == list->capacity && !owed_make_room(list)) return NULL;
    struct owed *owed = &list->items[(list->first + list->count++) & (list->capacity - 1)];
    *owed = (struct owed){.kind = kind};
    return owed;
}

void owed_clear(struct owed_list *list); /* frees nothing but what is in it */
void owed_fini(struct owed_list *list);

#endif
