#ifndef PROXY_FIELD_LINES_H
#define PROXY_FIELD_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/text_buffer.h"

/*
 * Lines of a state file: a word that says what it is, then fields, each behind a tab. % and control bytes are written as %XX, so any text but one with a NUL survives.
 * Numbers are decimal.
 */
enum { FIELD_LINE_FIELDS_MAX = 64 };

void field_line_begin(struct text_buffer *text, const char *word);
void field_line_add_text(struct text_buffer *text, const char *field);
void field_line_add_number(struct text_buffer *text, int64_t number);
void field_line_end(struct text_buffer *text);

/* One line being read. Failure sticks: what is asked for then is "" and 0. */
struct field_line {
    char *fields[FIELD_LINE_FIELDS_MAX];
    size_t count, next;
    bool is_bad;
};
/* `line`, without its line feed, is taken apart and unescaped in place; the word is its first field. */
void field_line_read(struct field_line *fields, char *line);
const char *field_line_text(struct field_line *fields);
int64_t field_line_number(struct field_line *fields);
/* Bad outside of these limits; returns `low` then. */
int64_t field_line_number_between(struct field_line *fields, int64_t low, int64_t high);
/* Nothing was bad, and nothing is left over. */
bool field_line_is_whole(const struct field_line *fields);

#endif
