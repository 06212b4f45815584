#ifndef PROTOCOL_SQL_SHAPE_H
#define PROTOCOL_SQL_SHAPE_H

#include "protocol/sql_shape_state.h"

/* The reading of one statement, for sql_fingerprint: its tokens go into the canonical stream one by one. */

struct sql_shape_input {
    const char *text;
    size_t start, end, size; /* the statement is in [start, end) of `size` bytes that may be read */
    enum sql_strings strings;
    bool is_cut; /* it goes on behind `end` */
};

/* Before the statement. Its canonical text goes to `display`, if that is not NULL. */
void sql_shape_init(struct sql_shape *shape, const struct sql_shape_input *input, struct sql_fingerprint *out, char *display,
                    size_t display_size);

/* Put the token at hand, and those that belong to it. */
void sql_shape_step(struct sql_shape *shape);
/* The same for the first token of a statement or of a query inside; `keyword` is what it is. */
void sql_shape_begin(struct sql_shape *shape, enum sql_keyword keyword);

/* A token at hand that has no rule. */
void sql_shape_put_token(struct sql_shape *shape, enum item item, enum sql_canonical_kind kind, bool expects_operand);
/* Words and others that do not stand in the text so. */
void sql_shape_put_word(struct sql_shape *shape, const char *text);
void sql_shape_put_operator(struct sql_shape *shape, const char *text);

/* At the end of the statement: what is open is closed. */
void sql_shape_finish(struct sql_shape *shape);

#endif
