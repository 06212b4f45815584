#ifndef PROTOCOL_SQL_TYPE_NAME_H
#define PROTOCOL_SQL_TYPE_NAME_H

#include "protocol/sql_keyword.h"
#include "protocol/sql_lex.h"

#include <stdbool.h>
#include <stddef.h>

/* Looking ahead: names of types, and other things that belong to a literal. Each function reads a bounded number of tokens. */

/* The next token that is no comment. */
bool sql_next_token(struct sql_lex *lex, struct sql_token_span *token_out);
/* The keyword that a token is, or KW_IDENTIFIER. */
enum sql_keyword sql_token_keyword(const struct sql_lex *lex, const struct sql_token_span *token);

/*
 * The first byte of the next token but comments, without reading that token; 0 at the end.
 */
char sql_peek_byte(const struct sql_lex *lex);

/* Past UESCAPE 'c', behind U&. True: there was one, and `constant_out` is its string. */
bool sql_skip_uescape(struct sql_lex *lex, struct sql_token_span *constant_out);

/*
 * Past the name of a type, by a closed grammar: [schema.]name [second word] [(n[, n])] [with|without time zone] []..; what does not fit ends it and is
 * left. False, and nothing read: no name is next.
 */
bool sql_skip_type_name(struct sql_lex *lex);

/* Past "::type", all of them that follow each other. */
void sql_skip_casts(struct sql_lex *lex);

/* Past the fields behind interval '..': day, day to second(3). */
void sql_skip_interval_fields(struct sql_lex *lex);

#endif
