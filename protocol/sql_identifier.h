#ifndef PROTOCOL_SQL_IDENTIFIER_H
#define PROTOCOL_SQL_IDENTIFIER_H

#include <stdbool.h>
#include <stddef.h>

/* An identifier as it stands in SQL text: word, "quoted" or U&"quoted". */
struct sql_identifier {
    const char *text; /* borrowed; NULL: there is none */
    size_t size;      /* quotes and prefix included */
    char escape;      /* of U&"": the character of its UESCAPE clause, or a backslash */
};

enum { SQL_IDENTIFIER_SIZE_MAX = 63 }; /* PostgreSQL's NAMEDATALEN - 1 */

/*
 * The name that PostgreSQL takes the identifier for: without quotes and escapes, ASCII letters of an unquoted one in lower case, cut to
 * SQL_IDENTIFIER_SIZE_MAX bytes at a character's edge. Written with a NUL; returns its size. 0, and an empty string, for what PostgreSQL
 * refuses: an empty name, wrong escapes, missing quotes.
 *
 * Taken for granted: the database encoding is UTF-8. Under a single-byte encoding the server also lowers letters above ASCII, as its locale
 * says, and cuts long names elsewhere.
 */
size_t sql_identifier_text(const struct sql_identifier *identifier, char text_out[SQL_IDENTIFIER_SIZE_MAX + 1]);

#endif
