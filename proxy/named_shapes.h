#ifndef PROXY_NAMED_SHAPES_H
#define PROXY_NAMED_SHAPES_H

#include "proxy/parsed_shapes.h"
#include "proxy/statement_tags.h"

/* What one client calls its statements, made by Parse or PREPARE: name -> shape, and the tags of its text. A zeroed struct is empty. */
struct named_shape {
    struct parsed_shape *shape; /* NULL: not known */
    bool has_tags;
    struct statement_tags *tags; /* made when first needed */
};
struct named_shapes {
    struct named_shapes_entry *by_name;
    struct named_shape unnamed;
};

struct named_shape *named_shapes_find(struct named_shapes *names, const char *name); /* NULL: none, or its shape is not known */
/* Set or replace; takes over the reference to `shape`, copies the tags (NULL: none). Beyond NAMED_SHAPES_MAX names all are forgotten: what is used again is parsed again, or left out. */
enum { NAMED_SHAPES_MAX = 10000 };
void named_shapes_set(struct named_shapes *names, const char *name, struct parsed_shape *shape, const struct statement_tags *tags);
void named_shapes_remove(struct named_shapes *names, const char *name);
void named_shapes_clear(struct named_shapes *names);

#endif
