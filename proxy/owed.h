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
enum { OWED_MAX = 1024 };

struct owed *owed_front(struct owed_list *list); /* NULL: nothing is owed */
void owed_pop(struct owed_list *list);
/* Takes over the reference to owed.shape. False: the list is full; it stays as it was. */
bool owed_push(struct owed_list *list, struct owed owed);
void owed_clear(struct owed_list *list); /* frees nothing but what is in it */
void owed_fini(struct owed_list *list);

#endif
