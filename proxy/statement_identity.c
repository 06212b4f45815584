/*
 * Which comments go, and what is left in their place. Where tokens begin and end is sql_lex's business.
 *
 * Invariants: the tokens that are left are those of the text, in order; whether two of them touch, or a newline joins two strings to one, is as it
 * was. The identity is never longer than the text. Linear time.
 */
#include "proxy/statement_identity.h"

#include <string.h>

#include "protocol/sql_lex.h"

/* Whether `first` stands anywhere in the text with `second` behind it. */
static bool has_pair(const char *text, size_t size, char first, char second)
{
    const char *end = text + size;
    for (const char *at = text; (at = memchr(at, first, (size_t)(end - at))) != NULL; at++) {
        if (end - at > 1 && at[1] == second) return true;
    }
    return false;
}

bool statement_identity_may_differ(const char *text, size_t size)
{
    return has_pair(text, size, '-', '-') || has_pair(text, size, '/', '*');
}

static bool is_comment(const char *text, const struct sql_token_span *token)
{
    if (token->kind == SQL_LINE_COMMENT) return true;
    return token->kind == SQL_BLOCK_COMMENT && text[token->start + 2] != '+';
}

/* Where this ends, or that nothing is missing behind it, depends on a setting of the session, or the server will call it an error. */
static bool is_uncertain(const char *text, const struct sql_token_span *token)
{
    if (token->is_unterminated) return true;
    return token->kind == SQL_STRING && has_pair(text + token->start, token->end - token->start, '\\', '\'');
}

/* As statement_identity_write; false: the text cannot be read for certain. */
static bool leave_comments_out(const char *text, size_t size, char *out, size_t *written_out)
{
    struct sql_lex lex;
    struct sql_token_span token;
    size_t kept = 0; /* where the bytes begin that are to be copied next */
    size_t end = 0;  /* behind the last token that is not left out */
    size_t written = 0;
    bool is_behind_comment = false;

    /* White space from PostgreSQL 16 on, an error before. */
    if (memchr(text, '\v', size) != NULL) return false;

    sql_lex_init(&lex, text, size, SQL_STRINGS_STANDARD);
    while (sql_lex_next(&lex, &token)) {
        if (is_uncertain(text, &token)) return false;
        if (is_comment(text, &token)) {
            is_behind_comment = true;
            continue;
        }
        if (is_behind_comment) {
            memcpy(out + written, text + kept, end - kept);
            written += end - kept;
            if (written > 0) out[written++] = ' ';
            kept = token.start;
            is_behind_comment = false;
        }
        end = token.end;
    }
    if (!is_behind_comment) end = size;
    memcpy(out + written, text + kept, end - kept);
    *written_out = written + (end - kept);
    return true;
}

size_t statement_identity_write(const char *text, size_t size, char *identity_out)
{
    size_t written;
    if (leave_comments_out(text, size, identity_out, &written)) return written;
    memcpy(identity_out, text, size);
    return size;
}
