/*
 * Comments at the ends of SQL text: by bytes where these are certain, by sql_lex where they are not.
 *
 * Invariants: everything read is inside [text, text + size); each byte of a comment is read a bounded number of times.
 */
#include "protocol/sql_comments.h"

#include "protocol/sql_plain_literal.h"

#include <string.h>

static bool is_pair(const char *text, size_t at, char first, char second)
{
    return text[at] == first && text[at + 1] == second;
}

/* Inside the marks; a hint is none of ours. */
static bool is_hint(const char *text, size_t start, size_t end)
{
    return start < end && text[start] == '+';
}

/* The first block comment of those that the lexer finds in front of the first other token. */
bool sql_comments_first(const char *text, size_t size, enum sql_strings strings, size_t *start_out, size_t *end_out)
{
    struct sql_lex lex;
    struct sql_token_span token;
    size_t at = 0;
    while (at < size && sql_is_blank(text[at])) at++;
    if (size - at < 4 || (text[at] != '/' && text[at] != '-')) return false;

    sql_lex_init(&lex, text, size < SQL_COMMENTS_EXACT_MAX ? size : SQL_COMMENTS_EXACT_MAX, strings);
    while (sql_lex_next(&lex, &token)) {
        if (token.kind == SQL_LINE_COMMENT) continue;
        if (token.kind != SQL_BLOCK_COMMENT || token.is_unterminated) return false;
        if (is_hint(text, token.start + 2, token.end - 2)) continue;
        *start_out = token.start + 2;
        *end_out = token.end - 2;
        return true;
    }
    return false;
}

enum answer { FOUND, MISSING, UNCERTAIN };

/* Whether a line comment may have begun in the last line before `at`: it may hold marks of block comments. */
static bool may_be_in_line_comment(const char *text, size_t at)
{
    const char *line = text;
    const char *newline = memrchr(text, '\n', at);
    if (newline != NULL) line = newline + 1;
    for (const char *end = text + at; line < end; line++) {
        line = memchr(line, '-', (size_t)(end - line));
        if (line == NULL) return false;
        if (line + 1 < end && line[1] == '-') return true;
    }
    return false;
}

/*
 * The comment that ends at `end`, where its closing mark has been seen: back to the opening mark that is level with it. Both marks have a slash, so only slashes
 * are looked at. Marks that overlap can be read in two ways from behind.
 */
static enum answer find_comment_backwards(const char *text, size_t end, size_t *start_out)
{
    size_t limit = end > SQL_COMMENT_SIZE_MAX ? end - SQL_COMMENT_SIZE_MAX : 0;
    size_t depth = 1;
    size_t at = end - 2; /* from here on, everything is level with what was seen */
    if (at > limit && text[at - 1] == '/') return UNCERTAIN;
    for (size_t left = at; left > limit;) {
        const char *found = memrchr(text + limit, '/', left - limit);
        if (found == NULL) break;
        size_t slash = (size_t)(found - text);
        left = slash;
        if (slash + 2 <= at && text[slash + 1] == '*') {
            at = slash;
            if (--depth == 0) {
                *start_out = at;
                return (at > 0 && text[at - 1] == '*') || may_be_in_line_comment(text, end) ? UNCERTAIN : FOUND;
            }
        } else if (slash > limit && slash < at && text[slash - 1] == '*') {
            at = slash - 1;
            depth++;
        } else {
            continue;
        }
        if (at > limit && text[at - 1] == text[at + 1]) return UNCERTAIN;
        left = at;
    }
    return limit > 0 ? MISSING : UNCERTAIN;
}

/* The last token of the text, if it is a comment. */
static bool find_last_token(const char *text, size_t size, enum sql_strings strings, size_t *start_out)
{
    struct sql_lex lex;
    struct sql_token_span token;
    bool is_comment = false;
    if (size > SQL_COMMENTS_EXACT_MAX) return false;
    sql_lex_init(&lex, text, size, strings);
    while (sql_lex_next(&lex, &token)) {
        *start_out = token.start;
        is_comment = token.kind == SQL_BLOCK_COMMENT && !token.is_unterminated;
    }
    return is_comment;
}

/* Hints at the end are stepped over, but not any number of them: each may cost a scan of the text. */
bool sql_comments_last(const char *text, size_t size, enum sql_strings strings, size_t *start_out, size_t *end_out)
{
    for (int hints = 0; hints < 4; hints++) {
        size_t start = 0;
        while (size > 0 && (sql_is_blank(text[size - 1]) || text[size - 1] == ';')) size--;
        if (size < 4 || !is_pair(text, size - 2, '*', '/')) return false;
        enum answer answer = find_comment_backwards(text, size, &start);
        if (answer == MISSING) return false;
        if (answer == UNCERTAIN && !find_last_token(text, size, strings, &start)) return false;
        if (size - start > SQL_COMMENT_SIZE_MAX) return false;
        if (!is_hint(text, start + 2, size - 2)) {
            *start_out = start + 2;
            *end_out = size - 2;
            return true;
        }
        size = start;
    }
    return false;
}

void sql_comments_find(struct sql_comments *comments_out, const char *text, size_t size, enum sql_strings strings)
{
    comments_out->has_last = sql_comments_last(text, size, strings, &comments_out->last_start, &comments_out->last_end);
    comments_out->has_first = sql_comments_first(text, size, strings, &comments_out->first_start, &comments_out->first_end);
}

bool sql_comments_may_be_in(const char *text, size_t size)
{
    while (size > 0 && sql_is_blank(*text)) text++, size--;
    if (size < 4) return false;
    if (*text == '/' || *text == '-') return true;
    while (size > 0 && (sql_is_blank(text[size - 1]) || text[size - 1] == ';')) size--;
    return size >= 4 && is_pair(text, size - 2, '*', '/');
}
