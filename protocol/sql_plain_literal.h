#ifndef PROTOCOL_SQL_PLAIN_LITERAL_H
#define PROTOCOL_SQL_PLAIN_LITERAL_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/*
 * Literals whose end their bytes tell, without the scanner: plain digits, and '..' in one piece with its quotes doubled. For texts in which a backslash is
 * a byte like others (SQL_STRINGS_STANDARD). Nothing at or behind text[size] is read.
 */
static inline bool sql_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* White space, for sql_lex as well. */
static inline bool sql_is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Behind the digits at `at`, of which there may be none. */
static inline size_t sql_digits_end(const char *text, size_t size, size_t at)
{
    while (at < size && sql_is_digit(text[at])) at++;
    return at;
}

/* Behind the quote that ends the string whose first quote is at `start`; `start` when there is no string, or no end of it. */
static inline size_t sql_plain_string_end(const char *text, size_t size, size_t start)
{
    if (start == size || text[start] != '\'') return start;
    for (size_t at = start + 1; at < size; at += 2) {
        const char *quote = (const char *)memchr(text + at, '\'', size - at);
        if (quote == NULL) return start;
        at = (size_t)(quote - text);
        if (at + 1 == size || text[at + 1] != '\'') return at + 1;
    }
    return start;
}

#endif
