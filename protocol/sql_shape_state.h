#ifndef PROTOCOL_SQL_SHAPE_STATE_H
#define PROTOCOL_SQL_SHAPE_STATE_H

#include "protocol/sql_canonical.h"
#include "protocol/sql_fingerprint_result.h"
#include "protocol/sql_relations.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the reading of one statement holds, for sql_shape and its parts. Nobody else needs this. */

/* What has been put: a keyword, or one of these. */
enum item {
    ITEM_START = KW_COUNT,
    ITEM_NAME,
    ITEM_LITERAL,
    ITEM_DOT,
    ITEM_COMMA,
    ITEM_OPEN,
    ITEM_CLOSE,
    ITEM_BRACKET,
    ITEM_BRACKET_CLOSE,
    ITEM_CAST,
    ITEM_COMPARISON, /* = < > <= >= */
    ITEM_ELLIPSIS,   /* as in a canonical text */
    ITEM_SEMICOLON,  /* one that ends nothing */
    ITEM_OPERATOR,   /* anything else */
    ITEM_COUNT
};
_Static_assert(ITEM_COUNT <= UINT8_MAX + 1, "items are kept in bytes");

/* What is known of one level of parentheses or brackets. */
enum {
    IN_QUERY = 1,  /* a SELECT, UPDATE or DELETE has begun here: a FROM is its FROM */
    IN_FROM = 2,   /* its list of tables */
    IN_BY = 4,     /* ORDER BY, GROUP BY: integers are numbers of columns */
    IN_PAGING = 8, /* LIMIT, OFFSET, FETCH */
    IN_SET = 16,   /* UPDATE .. SET: '=' assigns */
    IN_TYPE = 32,  /* numeric(10, 2): integers belong to the type */
    IN_CAST = 64,  /* CAST(..): a type comes behind AS */
    IN_ROW = 128,  /* the right side of a comparison of rows */
    IN_BRACKET = 256,
    IN_LEAD = 512, /* operator(..), DISTINCT ON (..): an operand comes behind it */
};
enum { DEPTH_MAX = 64 }; /* deeper levels share one set of flags */

/* What was there when a list was opened, in case that it becomes one literal. */
struct sql_shape_before {
    uint32_t literal_count, parameter_count;
    uint64_t literal_rest;
    size_t start;  /* behind the parenthesis or bracket */
    bool is_plain; /* it was read at once */
};

/* IN (..) or ARRAY[..], as long as only literals and rows of them have been seen. */
struct sql_shape_list {
    bool is_open, is_array;
    bool expects_element;
    uint32_t nesting, count;
    struct sql_shape_before before;
    struct sql_canonical mark;
};

/* VALUES (..), (..) */
enum sql_shape_rows_state { ROWS_NONE, ROWS_INSIDE, ROWS_CLOSED, ROWS_COMMA };
struct sql_shape_rows {
    enum sql_shape_rows_state state;
    uint32_t depth, count;
    size_t end; /* of the last row: its parenthesis */
    struct sql_shape_before before;
    struct sql_canonical mark;
};

struct sql_shape {
    struct sql_lex lex;
    struct sql_token_span token; /* the one at hand; no comment */
    const char *end;             /* of the readable memory */
    struct sql_canonical canonical;
    struct sql_fingerprint *out;
    bool is_cut;  /* what is behind the last byte is not known */
    bool is_done; /* the rest of the statement does not belong to its shape */
    bool is_head; /* nothing but parentheses has been put */
    bool is_with; /* the main verb is still to come */
    bool has_from;
    bool expects_operand;
    bool is_in_type;        /* the name of a type is being put */
    uint8_t item, before;   /* enum item: the last one, and the one before it */
    uint8_t comparison;     /* which one ITEM_COMPARISON was: enum sql_comparison */
    uint8_t row_comparison; /* of IN_ROW */
    struct sql_relations relations;
    uint32_t depth, main_depth;
    uint32_t parameter_count;       /* among the literals */
    uint16_t levels[DEPTH_MAX + 1]; /* only the first `depth` + 1 are set, as nothing below in this struct is */
    struct sql_shape_list list;
    struct sql_shape_rows rows;
    struct sql_canonical before_semicolons;
};

/* The next token that is no comment. False at the end, and before a token that the limit may have cut. */
static inline bool sql_shape_advance(struct sql_shape *shape)
{
    do {
        if (!sql_lex_next(&shape->lex, &shape->token)) return false;
    } while (shape->token.kind == SQL_LINE_COMMENT || shape->token.kind == SQL_BLOCK_COMMENT);
    return !shape->is_cut || shape->token.end < shape->lex.size;
}

static inline const char *sql_shape_text(const struct sql_shape *shape)
{
    return shape->lex.text + shape->token.start;
}

static inline size_t sql_shape_size(const struct sql_shape *shape)
{
    return shape->token.end - shape->token.start;
}

static inline void sql_shape_note(struct sql_shape *shape, enum item item, bool expects_operand)
{
    shape->before = shape->item;
    shape->item = (uint8_t)item;
    shape->expects_operand = expects_operand;
}

/* The flags of the level at hand. */
static inline uint16_t *sql_shape_level(struct sql_shape *shape)
{
    return &shape->levels[shape->depth < DEPTH_MAX ? shape->depth : DEPTH_MAX];
}

#endif
