#ifndef PROXY_STATEMENT_IDENTITY_H
#define PROXY_STATEMENT_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The part of a statement's text that tells it from others: comments are left out (PostgreSQL manual, "Lexical Structure"), and white space around them
 * becomes one space, or nothing at either end of the text. Hints, "/" "*+ ... *" "/", stay, and so does white space that touches no comment. Two texts of one
 * identity mean the same to PostgreSQL, whatever standard_conforming_strings says. A text that cannot be read for certain is its own identity.
 *
 * Only for texts in a client encoding that sql_lex_can_read().
 */

/* False: no byte of the text begins a comment, so the text is its identity. True decides nothing. Cheap. */
bool statement_identity_may_differ(const char *text, size_t size);
/* Write the identity of the text to `identity_out`, which has room for `size` bytes, and return its size. No NUL is read or written. */
size_t statement_identity_write(const char *text, size_t size, char *identity_out);

#endif
