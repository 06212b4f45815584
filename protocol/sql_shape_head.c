/* The heads of statements: which class, which form, and what of them does not belong to the shape. Their bodies are sql_shape.c's. */
#include "protocol/sql_shape_head.h"

#include "protocol/sql_shape.h"
#include "protocol/sql_type_name.h"

#include <string.h>

static bool is_string(enum sql_token kind)
{
    return kind >= SQL_STRING && kind <= SQL_DOLLAR_STRING;
}

/* The keyword at hand as it is, and nothing behind it. */
static void put_verb_only(struct sql_shape *shape, enum sql_keyword keyword)
{
    sql_shape_put_word(shape, sql_keywords[keyword].text);
    shape->is_done = true;
}

static enum sql_keyword keyword_at_hand(const struct sql_shape *shape)
{
    return sql_token_keyword(&shape->lex, &shape->token);
}

static bool is_name(const struct sql_shape *shape)
{
    return shape->token.kind == SQL_WORD || shape->token.kind == SQL_QUOTED || shape->token.kind == SQL_UNICODE_QUOTED;
}

/* A name at hand, into `out`. False: none is. */
static bool take_name(struct sql_shape *shape)
{
    if (!is_name(shape)) return false;
    shape->out->name = (struct sql_identifier){sql_shape_text(shape), sql_shape_size(shape), '\\'};
    return true;
}

/* To the keyword, outside of parentheses. What it passes is not put. False: it does not come, or behind a semicolon, which no head has. */
static bool skip_to(struct sql_shape *shape, enum sql_keyword keyword)
{
    uint32_t depth = 0;
    while (sql_shape_advance(shape)) {
        char c = shape->token.kind == SQL_CHARACTER ? *sql_shape_text(shape) : '\0';
        if (c == ';') return false;
        if (c == '(') depth++;
        if (c == ')' && depth > 0) depth--;
        if (depth == 0 && keyword_at_hand(shape) == keyword) return true;
    }
    return false;
}

/* The query inside is the shape; when there is none, the verb is, and all that goes by the name. */
static void inner_query(struct sql_shape *shape, enum sql_keyword verb, enum sql_form form, enum sql_keyword lead)
{
    struct sql_lex behind;
    if (sql_shape_advance(shape) && take_name(shape) && skip_to(shape, lead)) {
        behind = shape->lex;
        if (sql_shape_advance(shape)) {
            shape->lex = behind;
            shape->out->form = form;
            return;
        }
    }
    shape->is_head = false;
    shape->out->name.text = NULL;
    put_verb_only(shape, verb);
    shape->is_done = !shape->is_cut;
}

static void head_prepare(struct sql_shape *shape)
{
    struct sql_lex ahead = shape->lex;
    struct sql_token_span token;
    if (sql_next_token(&ahead, &token) && sql_token_keyword(&ahead, &token) == KW_TRANSACTION && sql_next_token(&ahead, &token) &&
        (is_string(token.kind) || token.kind == SQL_PARAMETER)) {
        sql_shape_put_word(shape, "prepare");
        put_verb_only(shape, KW_TRANSACTION);
        sql_canonical_put_placeholder(&shape->canonical);
        shape->is_head = false;
        shape->out->class = SQL_CLASS_TX;
    } else {
        inner_query(shape, KW_PREPARE, SQL_FORM_PREPARE, KW_AS);
    }
}

/* The literals since `first` are the argument of this number, if they are all that it is made of. */
static void number_argument(struct sql_fingerprint *out, uint32_t first, uint32_t argument, uint32_t item_count)
{
    for (uint32_t i = first; i < out->literal_count && i < SQL_LITERALS_MAX; i++) {
        out->literals[i].slot = 0;
        out->literals[i].number = (uint16_t)(item_count > 1 ? 0 : argument < UINT16_MAX ? argument : UINT16_MAX);
    }
}

/* The arguments that are literals, by their numbers. Nothing is put. */
static void execute_arguments(struct sql_shape *shape)
{
    struct sql_canonical mark = shape->canonical;
    uint32_t argument = 1;
    uint32_t item_count = 0;
    uint32_t first = 0;
    sql_shape_note(shape, ITEM_START, false);
    while (sql_shape_advance(shape)) {
        char c = shape->token.kind == SQL_CHARACTER ? *sql_shape_text(shape) : '\0';
        bool is_end = shape->depth == 1 && (c == ',' || c == ')');
        bool is_open = shape->depth == 0;
        sql_shape_step(shape);
        if (is_end) {
            number_argument(shape->out, first, argument++, item_count);
            first = shape->out->literal_count;
            item_count = 0;
        } else if (!is_open) {
            item_count++;
        }
    }
    number_argument(shape->out, first, 0, item_count); /* what no parenthesis closes */
    shape->canonical = mark;
    shape->list.is_open = false;
    shape->rows.state = ROWS_NONE;
    shape->is_done = true;
    sql_shape_note(shape, ITEM_START, false);
}

static void head_execute(struct sql_shape *shape)
{
    sql_shape_put_word(shape, "execute");
    shape->is_head = false;
    if (!sql_shape_advance(shape) || !take_name(shape)) {
        shape->is_done = !shape->is_cut;
        return;
    }
    shape->out->form = SQL_FORM_EXECUTE;
    sql_shape_note(shape, ITEM_DOT, false); /* no name of a statement is a keyword */
    sql_shape_step(shape);
    execute_arguments(shape);
}

static void head_rollback(struct sql_shape *shape, enum sql_keyword verb)
{
    struct sql_lex ahead = shape->lex;
    struct sql_token_span token;
    sql_shape_put_word(shape, sql_keywords[verb].text);
    sql_shape_note(shape, (enum item)verb, false);
    shape->is_head = false;
    sql_next_token(&ahead, &token);
    enum sql_keyword keyword = sql_token_keyword(&ahead, &token);
    if (keyword == KW_WORK || keyword == KW_TRANSACTION) {
        sql_next_token(&ahead, &token);
        keyword = sql_token_keyword(&ahead, &token);
    }
    if (keyword == KW_TO) put_verb_only(shape, KW_TO);
}

/* Whether the keyword at hand is not one but the name of a setting: SET session = .., SET local.x = .. */
static bool is_setting(const struct sql_shape *shape)
{
    struct sql_lex ahead = shape->lex;
    struct sql_token_span token;
    if (!sql_next_token(&ahead, &token)) return true;
    char c = ahead.text[token.start];
    return (token.kind == SQL_CHARACTER && (c == '=' || c == '.')) || sql_token_keyword(&ahead, &token) == KW_TO;
}

/* SET [LOCAL | SESSION] name {TO | =} ..: "set local name = $1". */
static void head_set(struct sql_shape *shape)
{
    sql_shape_put_word(shape, "set");
    shape->is_head = false;
    shape->is_done = !shape->is_cut;
    if (!sql_shape_advance(shape)) return;
    enum sql_keyword scope = keyword_at_hand(shape);
    if ((scope == KW_LOCAL || scope == KW_SESSION) && !is_setting(shape)) {
        sql_shape_put_word(shape, sql_keywords[scope].text);
        if (!sql_shape_advance(shape)) return;
    }
    for (bool is_after_dot = true; is_name(shape) && is_after_dot;) {
        enum sql_keyword keyword = keyword_at_hand(shape);
        sql_shape_note(shape, ITEM_DOT, false);
        sql_shape_step(shape);
        if (!sql_shape_advance(shape)) return;
        enum sql_keyword next = keyword_at_hand(shape);
        is_after_dot = (keyword == KW_TIME && next == KW_ZONE) || (keyword == KW_SESSION && next == KW_AUTHORIZATION);
        if (shape->token.kind == SQL_CHARACTER && *sql_shape_text(shape) == '.') {
            sql_shape_put_token(shape, ITEM_DOT, CANONICAL_DOT, false);
            if (!sql_shape_advance(shape)) return;
            is_after_dot = true;
        }
    }
    sql_shape_put_operator(shape, "=");
    sql_canonical_put_placeholder(&shape->canonical);
    shape->is_done = true;
}

/* The first token of a statement that is no parenthesis. */
void sql_shape_head(struct sql_shape *shape)
{
    enum sql_keyword keyword = keyword_at_hand(shape);
    shape->out->class = (enum sql_class)sql_keywords[keyword].class;
    switch ((int)keyword) {
    case KW_PREPARE: head_prepare(shape); return;
    case KW_EXECUTE: head_execute(shape); return;
    case KW_DECLARE: inner_query(shape, KW_DECLARE, SQL_FORM_DECLARE, KW_FOR); return;
    case KW_ROLLBACK:
    case KW_ABORT: head_rollback(shape, keyword); return;
    case KW_SET: head_set(shape); return;
    case KW_SAVEPOINT:
    case KW_RELEASE:
    case KW_LISTEN:
    case KW_UNLISTEN:
    case KW_DEALLOCATE: put_verb_only(shape, keyword); break;
    case KW_FETCH:
    case KW_MOVE:
    case KW_CLOSE:
        put_verb_only(shape, keyword);
        sql_shape_put_operator(shape, "<cursor>");
        break;
    default: sql_shape_begin(shape, keyword); return;
    }
    shape->is_head = false;
}
