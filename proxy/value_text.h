#ifndef PROXY_VALUE_TEXT_H
#define PROXY_VALUE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/sql_fingerprint_result.h"

/*
 * The parameters of one execution as a line for people: "$1 = 4711, $2 = 'Anna', (1, 2, 3)". Only for sample_values: nothing else shows values. Strings stand in quotes, but for
 * those that look like numbers or dates; of a long value the first VALUE_TEXT_SHOWN_MAX bytes, then "...". Control characters and those that steer a terminal, and bytes
 * that are no UTF-8, are written as \xHH, a quote is doubled, a backslash too. The line has no line feed. Bounded; what finds no room is "...".
 */
enum { VALUE_TEXT_SHOWN_MAX = 40, VALUE_TEXT_SIZE = 256 };

struct value_text {
    char text[VALUE_TEXT_SIZE]; /* NUL-terminated */
    size_t size;
    bool is_in_list, is_full;
};

/* A parameter of Bind. */
struct value_bytes {
    const uint8_t *bytes; /* NULL: NULL */
    size_t size;
    bool is_binary;
    uint32_t type; /* its oid; 0: not known */
};

void value_text_begin(struct value_text *line);
/* The next value. `slot` as in struct statement_source: 0 is one of a list. */
void value_text_add(struct value_text *line, uint16_t slot, const struct value_bytes *value);
/* The same, a literal of `text`; no SQL_LITERAL_PARAMETER. */
void value_text_add_literal(struct value_text *line, uint16_t slot, const char *text, const struct sql_literal *literal);
void value_text_end(struct value_text *line);
/* No byte of it stays. */
void value_text_wipe(struct value_text *line);

#endif
