/*
 * What may follow a literal and says only how it is to be read. Every function takes the tokens one by one and goes back before the first that does not
 * fit, so that nothing else is ever swallowed.
 */
#include "protocol/sql_type_name.h"

#include "protocol/sql_plain_literal.h"

bool sql_next_token(struct sql_lex *lex, struct sql_token_span *token_out)
{
    bool has_token;
    do {
        has_token = sql_lex_next(lex, token_out);
    } while (has_token && (token_out->kind == SQL_LINE_COMMENT || token_out->kind == SQL_BLOCK_COMMENT));
    return has_token;
}

enum sql_keyword sql_token_keyword(const struct sql_lex *lex, const struct sql_token_span *token)
{
    size_t size = token->end - token->start;
    uint64_t chunks[3] = {0};
    if (token->kind != SQL_WORD || size > SQL_KEYWORD_SIZE_MAX) return KW_IDENTIFIER;
    for (size_t at = 0; at < size; at += 8)
        chunks[at / 8] = sql_fold_chunk(sql_load_chunk(lex->text + token->start + at, size - at, lex->text + lex->size));
    return sql_keyword_of(lex->text + token->start, size, chunks);
}

char sql_peek_byte(const struct sql_lex *lex)
{
    size_t at = lex->position;
    while (at < lex->size && sql_is_blank(lex->text[at])) at++;
    if (at == lex->size) return '\0';
    if (lex->text[at] != '-' && lex->text[at] != '/') return lex->text[at];
    struct sql_lex ahead = *lex;
    struct sql_token_span token;
    return sql_next_token(&ahead, &token) ? lex->text[token.start] : '\0';
}

static bool accept_character(struct sql_lex *lex, char character)
{
    struct sql_lex ahead = *lex;
    struct sql_token_span token;
    if (sql_peek_byte(lex) != character || !sql_next_token(&ahead, &token) || token.kind != SQL_CHARACTER) return false;
    *lex = ahead;
    return true;
}

static enum sql_keyword peek_keyword(const struct sql_lex *lex, struct sql_lex *behind_out)
{
    struct sql_token_span token;
    *behind_out = *lex;
    sql_next_token(behind_out, &token);
    return sql_token_keyword(lex, &token);
}

static bool accept_keyword(struct sql_lex *lex, enum sql_keyword keyword)
{
    struct sql_lex behind;
    if (((sql_peek_byte(lex) ^ sql_keywords[keyword].text[0]) & ~0x20) != 0 || peek_keyword(lex, &behind) != keyword) return false;
    *lex = behind;
    return true;
}

static bool accept_integer(struct sql_lex *lex)
{
    struct sql_lex ahead = *lex;
    struct sql_token_span token;
    if (!sql_next_token(&ahead, &token) || token.kind != SQL_INTEGER) return false;
    *lex = ahead;
    return true;
}

bool sql_skip_uescape(struct sql_lex *lex, struct sql_token_span *constant_out)
{
    struct sql_lex ahead = *lex;
    if (!accept_keyword(&ahead, KW_UESCAPE) || !sql_next_token(&ahead, constant_out) || constant_out->kind != SQL_STRING) return false;
    *lex = ahead;
    return true;
}

/* A name, with what may belong to it. */
static bool accept_name(struct sql_lex *lex, struct sql_token_span *name_out)
{
    struct sql_lex ahead = *lex;
    struct sql_token_span constant;
    if (!sql_next_token(&ahead, name_out)) return false;
    if (name_out->kind != SQL_WORD && name_out->kind != SQL_QUOTED && name_out->kind != SQL_UNICODE_QUOTED) return false;
    *lex = ahead;
    if (name_out->kind == SQL_UNICODE_QUOTED) sql_skip_uescape(lex, &constant);
    return true;
}

/* (n), (n, n) */
static void accept_modifiers(struct sql_lex *lex)
{
    struct sql_lex ahead = *lex;
    if (!accept_character(&ahead, '(') || !accept_integer(&ahead)) return;
    if (accept_character(&ahead, ',') && !accept_integer(&ahead)) return;
    if (accept_character(&ahead, ')')) *lex = ahead;
}

static void accept_time_zone(struct sql_lex *lex)
{
    struct sql_lex ahead = *lex;
    if (!accept_keyword(&ahead, KW_WITH) && !accept_keyword(&ahead, KW_WITHOUT)) return;
    if (accept_keyword(&ahead, KW_TIME) && accept_keyword(&ahead, KW_ZONE)) *lex = ahead;
}

static void accept_array_bounds(struct sql_lex *lex)
{
    struct sql_lex ahead = *lex;
    while (accept_character(&ahead, '[') && accept_character(&ahead, ']')) *lex = ahead;
}

/* Behind the name `keyword`, which has no schema. */
static void accept_second_word(struct sql_lex *lex, enum sql_keyword keyword)
{
    if (keyword == KW_NATIONAL && !accept_keyword(lex, KW_CHARACTER)) accept_keyword(lex, KW_CHAR);
    if (keyword == KW_DOUBLE) accept_keyword(lex, KW_PRECISION);
    if (keyword == KW_CHARACTER || keyword == KW_CHAR || keyword == KW_NCHAR || keyword == KW_BIT || keyword == KW_NATIONAL)
        accept_keyword(lex, KW_VARYING);
}

/* WHERE and the like cannot be one, and BEGIN may begin the body of a function. */
static bool is_type_keyword(enum sql_keyword keyword)
{
    return keyword != KW_BEGIN && (sql_keywords[keyword].flags & (SQL_KEYWORD_OPERAND | SQL_KEYWORD_SPACE | SQL_KEYWORD_CLAUSE)) == 0;
}

bool sql_skip_type_name(struct sql_lex *lex)
{
    struct sql_lex ahead = *lex;
    struct sql_token_span name;
    if (!accept_name(&ahead, &name)) return false;
    enum sql_keyword keyword = sql_token_keyword(lex, &name);
    if (!is_type_keyword(keyword)) return false;
    *lex = ahead;
    if (accept_character(&ahead, '.')) {
        if (!accept_name(&ahead, &name)) return true;
        keyword = KW_IDENTIFIER;
        *lex = ahead;
    }
    accept_second_word(lex, keyword);
    accept_modifiers(lex);
    if (keyword == KW_TIME || keyword == KW_TIMESTAMP) accept_time_zone(lex);
    accept_array_bounds(lex);
    return true;
}

void sql_skip_casts(struct sql_lex *lex)
{
    struct sql_token_span token;
    while (sql_peek_byte(lex) == ':') {
        struct sql_lex ahead = *lex;
        if (!sql_next_token(&ahead, &token) || token.kind != SQL_TYPECAST || !sql_skip_type_name(&ahead)) return;
        *lex = ahead;
    }
}

static bool accept_interval_field(struct sql_lex *lex)
{
    struct sql_lex behind;
    switch (peek_keyword(lex, &behind)) {
    case KW_YEAR:
    case KW_MONTH:
    case KW_DAY:
    case KW_HOUR:
    case KW_MINUTE:
    case KW_SECOND: *lex = behind; return true;
    default: return false;
    }
}

void sql_skip_interval_fields(struct sql_lex *lex)
{
    if (!accept_interval_field(lex)) return;
    struct sql_lex ahead = *lex;
    if (accept_keyword(&ahead, KW_TO) && accept_interval_field(&ahead)) *lex = ahead;
    accept_modifiers(lex);
}
