#ifndef PROTOCOL_SQL_COMMENTS_H
#define PROTOCOL_SQL_COMMENTS_H

#include "protocol/sql_lex.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Comments at the ends of a text: the block comment that it begins with and the one that it ends with. Blanks, semicolons and hints may stand
 * outside of them, line comments in front of the first. The text must be in an encoding that sql_lex_can_read(). No allocation, never fails.
 *
 * A text without comments at its ends costs a look at its first and last bytes. A comment at the end is looked for backwards from the end. This finds what
 * sql_lex_next() says is the last token, for every text that PostgreSQL takes: a string constant ends in its quote, so the two bytes that close a
 * comment cannot be the last ones and inside of a string; and no operator is spelled so. Where the bytes alone do not tell where the comment begins (a "--" in the last line; "/" and "*" that
 * overlap), the whole text is scanned, up to SQL_COMMENTS_EXACT_MAX; a longer one then has no comment at its end.
 */
enum {
    SQL_COMMENT_SIZE_MAX = 8192,       /* bytes of a comment at the end; a longer one is none */
    SQL_COMMENTS_EXACT_MAX = 64 * 1024 /* bytes of a text that is read whole when its end can be taken for two things */
};

struct sql_comments {
    bool has_first, has_last;
    size_t first_start, first_end, last_start, last_end; /* without their marks; the two may be one */
};
void sql_comments_find(struct sql_comments *comments_out, const char *text, size_t size, enum sql_strings strings);

/* One of the two: offsets of what is inside its marks. False: there is none. */
bool sql_comments_first(const char *text, size_t size, enum sql_strings strings, size_t *start_out, size_t *end_out);
bool sql_comments_last(const char *text, size_t size, enum sql_strings strings, size_t *start_out, size_t *end_out);

/* False: the text neither begins nor ends with a comment. */
bool sql_comments_may_be_in(const char *text, size_t size);

#endif
