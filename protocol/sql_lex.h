#ifndef PROTOCOL_SQL_LEX_H
#define PROTOCOL_SQL_LEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * SQL text to tokens, as PostgreSQL's scanner cuts them (manual, "Lexical Structure"): the same boundaries for every text that the server
 * accepts. Where versions differ, the union is read: 0x2a, 0o17, 0b11, 1_000 and the vertical tab as white space are from 16 on; "1a" and
 * "$1a" are two tokens, as up to 14, and syntax errors later.
 *
 * One pass, no allocation, linear time, for any bytes whatever. The text must be in a client encoding that sql_lex_can_read().
 */

/* From sql_tokens.def. */
enum sql_token {
#define X(name, text) name,
#include "protocol/sql_tokens.def"
#undef X
};
/* "quoted identifier" */
const char *sql_token_name(enum sql_token kind);

/* What the setting standard_conforming_strings says about '..': on, or off (backslash is an escape there as in E'..'). */
enum sql_strings { SQL_STRINGS_STANDARD, SQL_STRINGS_BACKSLASH };

struct sql_lex {
    const char *text; /* borrowed, not NUL-terminated */
    size_t size;
    size_t position;  /* where the next token is looked for */
    size_t signs_end; /* before this offset each '+' and '-' is known to be a token of its own */
    enum sql_strings strings;
};

struct sql_token_span {
    enum sql_token kind;
    bool is_unterminated; /* a string, quoted identifier or comment that lacks its end; it reaches to the end of the text */
    size_t start, end;    /* offsets in the text; end is exclusive */
};

void sql_lex_init(struct sql_lex *lex, const char *text, size_t size, enum sql_strings strings);
/*
 * The next token; comments are tokens, white space is not. False at the end: the token is then SQL_END, and stays it.
 * String constants that a newline separates are one token, as SQL wants it, from the first quote to the last.
 */
bool sql_lex_next(struct sql_lex *lex, struct sql_token_span *token_out);

/*
 * Whether text in the client encoding of this name (any alias, spelling as PostgreSQL takes it) may be given to sql_lex. False for the encodings
 * that hold ASCII bytes inside other characters, and for names that are not known: such text is opaque.
 */
bool sql_lex_can_read(const char *client_encoding);

#endif
