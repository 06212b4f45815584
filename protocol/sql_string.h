#ifndef PROTOCOL_SQL_STRING_H
#define PROTOCOL_SQL_STRING_H

#include "protocol/sql_lex.h"

#include <stddef.h>

/*
 * The bytes that a string constant stands for: `kind` is SQL_STRING, SQL_ESCAPE_STRING, SQL_UNICODE_STRING or SQL_DOLLAR_STRING, `text` the token as
 * sql_lex_next() gives it. Returned is a slice, of `text` itself where nothing has to be decoded, else of `scratch`. NULL: they do not fit into
 * `scratch_size`, or the constant has Unicode escapes (which depend on clauses and encodings), or it lacks its end.
 */
const char *sql_string_bytes(enum sql_token kind, const char *text, size_t size, char *scratch, size_t scratch_size, size_t *size_out);

#endif
