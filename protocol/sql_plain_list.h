#ifndef PROTOCOL_SQL_PLAIN_LIST_H
#define PROTOCOL_SQL_PLAIN_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Lists and rows of plain literals, 64 bytes at once: integers, decimals, both with or without a minus, '..' in one piece, NULL, TRUE and FALSE, with
 * casts; in rows DEFAULT as well. Blanks stand behind commas only. Of a text in which a backslash is a byte like others (SQL_STRINGS_STANDARD).
 *
 * What is such a list here is one for sql_lex and sql_shape as well, where no token in front makes its literals mean something else. But behind the last row
 * there may be a comment, and then another row: who asks looks at what follows. Linear time; nothing at or behind text[size] is read.
 */
enum sql_plain_list_kind { SQL_PLAIN_LIST, SQL_PLAIN_ARRAY, SQL_PLAIN_ROWS };

struct sql_plain_list {
    size_t end;             /* the parenthesis or bracket that closes the list, or the last row */
    uint32_t length;        /* elements, or rows */
    uint32_t literal_count; /* without DEFAULT */
};

/* From `start` on, behind the opening parenthesis or bracket, of the first row for rows. False: something else, or no end of it. */
bool sql_plain_list(const char *text, size_t size, size_t start, enum sql_plain_list_kind kind, struct sql_plain_list *out);

/* The same without AVX2, for tests. */
bool sql_plain_list_by_lanes(const char *text, size_t size, size_t start, enum sql_plain_list_kind kind, struct sql_plain_list *out);

#endif
