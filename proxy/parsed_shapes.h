#ifndef PROXY_PARSED_SHAPES_H
#define PROXY_PARSED_SHAPES_H

#include "proxy/result_columns.h"

/*
 * Shapes of prepared texts: a text that is parsed again and again is read once. Bounded: what was not asked for lately is let go, and lives on only
 * where somebody holds it. Belongs to one thread.
 */
struct parsed_shape {
    struct shape_description description; /* its text is the canonical one */
    enum sql_form form;
    struct result_columns *columns; /* NULL: never described */
    uint32_t *types;                /* of its parameters, as far as they are known */
    uint16_t type_count;
    unsigned references;
    struct statement_slots slots;
    struct statement_source sources[]; /* of the slots; the canonical text lies behind them */
};

struct parsed_shapes;
struct parsed_shapes *parsed_shapes_new(const struct sql_value_key *key, size_t capacity);
void parsed_shapes_free(struct parsed_shapes **shapes);
/*
 * The shape of the first statement in this text (a Parse has no second one); NULL: there is none. One reference is the caller's. Comments that differ each
 * time had better be cut off before: statement_tags_read.
 */
struct parsed_shape *parsed_shapes_get(struct parsed_shapes *shapes, const char *text, size_t size, enum sql_strings strings);
/* Of a statement that was read already. One reference is the caller's. */
struct parsed_shape *parsed_shape_new(const struct sql_fingerprint_scan *scan, const struct sql_fingerprint *fingerprint,
                                      const struct sql_value_key *key);
static inline struct parsed_shape *parsed_shape_ref(struct parsed_shape *shape)
{
    shape->references++;
    return shape;
}
void parsed_shape_free(struct parsed_shape *shape);                        /* without any reference */
static inline void parsed_shape_unref(struct parsed_shape **shape_pointer) /* NULL accepted */
{
    struct parsed_shape *shape = *shape_pointer;
    *shape_pointer = NULL;
    if (shape && --shape->references == 0) parsed_shape_free(shape);
}
/* Replace what is known of its parameters: `types` is as in Parse and ParameterDescription, 4 bytes each, big-endian. */
void parsed_shape_set_types(struct parsed_shape *shape, const uint8_t *types, uint16_t count);

#endif
