/*
 * Tokens to the canonical stream: each as it is, folded, or as a placeholder. This is no parser; it knows where it stands by the last two things that it
 * has put, and by a few flags for each open parenthesis.
 *
 * Invariants: the canonical text, read again, gives the same canonical stream (the tests show it for mutated statements); looking ahead reads a
 * bounded number of tokens; a token that has no rule stays what it is.
 */
#include "protocol/sql_shape.h"

#include "protocol/sql_shape_bulk.h"
#include "protocol/sql_shape_keyword.h"
#include "protocol/sql_shape_list.h"
#include "protocol/sql_type_name.h"

#include <string.h>

static bool is_string(enum sql_token kind)
{
    return kind >= SQL_STRING && kind <= SQL_DOLLAR_STRING;
}

/* ---- putting ---- */

static inline void put_token(struct sql_shape *shape, enum item item, enum sql_canonical_kind kind)
{
    const char *text = sql_shape_text(shape);
    size_t size = sql_shape_size(shape);
    if (size == 1) {
        sql_canonical_put_byte(&shape->canonical, kind, *text);
    } else {
        sql_canonical_put(&shape->canonical, kind, text, size, shape->end);
    }
    if (shape->list.is_open) sql_shape_step_list(&shape->list, item);
}

/* A word in small letters. `chunks` are its first bytes, folded. */
static inline void put_folded(struct sql_shape *shape, enum sql_canonical_kind kind, const char *text, size_t size,
                              const uint64_t chunks[3])
{
    uint64_t salt = SQL_SALT_WORD + (uint64_t)size * 0x100;
    uint64_t hash = sql_mix(shape->canonical.hash, chunks[0], salt);
    if (size > 8) hash = sql_mix(hash, chunks[1], salt);
    if (size > 16) hash = sql_mix(hash, chunks[2], salt);
    for (size_t at = SQL_FOLDED_SIZE_MAX; at < size; at += 8)
        hash = sql_mix(hash, sql_fold_chunk(sql_load_chunk(text + at, size - at, shape->end)), salt);
    shape->canonical.hash = hash;
    if (shape->canonical.out != NULL) sql_canonical_write_folded(&shape->canonical, kind, text, size);
    shape->canonical.last = (uint8_t)kind;
}

/* ---- literals ---- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* An integer at hand that is no value: the number of a column, or a part of a type. The canonical text keeps it. */
static bool is_structural(struct sql_shape *shape)
{
    uint16_t flags = *sql_shape_level(shape);
    bool is_column = (flags & IN_BY) && (shape->item == KW_BY || shape->item == ITEM_COMMA);
    bool is_modifier = (flags & IN_TYPE) && (shape->item == ITEM_OPEN || shape->item == ITEM_COMMA);
    if (!is_column && !is_modifier) return false;
    struct sql_lex ahead = shape->lex;
    struct sql_token_span next;
    sql_next_token(&ahead, &next);
    char c = next.kind == SQL_CHARACTER ? ahead.text[next.start] : '\0';
    if (c == ',' || c == ')') return true;
    return is_column && (next.kind == SQL_END || next.kind == SQL_WORD || c == ';');
}

static enum sql_comparison comparison_of(struct sql_shape *shape)
{
    if (shape->item == ITEM_COMPARISON) {
        bool is_assignment = shape->comparison == SQL_COMPARISON_EQUAL && (*sql_shape_level(shape) & IN_SET);
        return is_assignment ? SQL_COMPARISON_ASSIGN : (enum sql_comparison)shape->comparison;
    }
    if ((*sql_shape_level(shape) & IN_ROW) && (shape->item == ITEM_OPEN || shape->item == ITEM_COMMA))
        return (enum sql_comparison)shape->row_comparison;
    return SQL_COMPARISON_OTHER;
}

static uint16_t parameter_number(const char *digits, size_t size)
{
    uint32_t number = 0;
    for (size_t i = 0; i < size && number < UINT16_MAX; i++) number = number * 10 + (uint32_t)(digits[i] - '0');
    return number < UINT16_MAX ? (uint16_t)number : UINT16_MAX;
}

static void record(struct sql_shape *shape, enum sql_literal_kind kind, bool is_negative, uint16_t number)
{
    struct sql_fingerprint *out = shape->out;
    shape->parameter_count += kind == SQL_LITERAL_PARAMETER;
    if (out->literal_count >= SQL_LITERALS_MAX) {
        out->literal_rest = sql_mix(out->literal_rest, kind + (is_negative ? 0x100u : 0u), SQL_SALT_WORD);
        out->literal_rest = sql_mix_bytes(out->literal_rest, sql_shape_text(shape), sql_shape_size(shape), shape->end);
    } else {
        struct sql_literal *literal = &out->literals[out->literal_count];
        literal->start = (uint32_t)shape->token.start;
        literal->size = (uint32_t)sql_shape_size(shape);
        literal->slot = shape->canonical.slot_count < UINT16_MAX ? (uint16_t)(shape->canonical.slot_count + 1) : UINT16_MAX;
        literal->number = number;
        literal->kind = (uint8_t)kind;
        literal->token = (uint8_t)shape->token.kind;
        literal->comparison = (uint8_t)comparison_of(shape);
        literal->is_negative = is_negative;
        literal->is_paging = (*sql_shape_level(shape) & IN_PAGING) != 0;
        literal->is_plain = literal->is_array = literal->is_rows = false;
    }
    out->literal_count++;
}

/* A short way past the search for casts. */
static inline bool is_before_separator(const struct sql_shape *shape)
{
    if (shape->lex.position == shape->lex.size) return true;
    char next = shape->lex.text[shape->lex.position];
    return next == ',' || next == ')';
}

/* The literal at hand, with the casts behind it. */
static void literal(struct sql_shape *shape, enum sql_literal_kind kind, bool is_negative)
{
    struct sql_token_span clause;
    uint16_t number = kind == SQL_LITERAL_PARAMETER ? parameter_number(sql_shape_text(shape) + 1, sql_shape_size(shape) - 1) : 0;
    record(shape, kind, is_negative, number);
    sql_canonical_put_placeholder(&shape->canonical);
    if (shape->list.is_open) sql_shape_step_list(&shape->list, ITEM_LITERAL);
    sql_shape_note(shape, ITEM_LITERAL, false);
    shape->is_in_type = false;

    if (shape->token.kind == SQL_UNICODE_STRING) sql_skip_uescape(&shape->lex, &clause);
    if (kind == SQL_LITERAL_INTERVAL) sql_skip_interval_fields(&shape->lex);
    if (!is_before_separator(shape)) sql_skip_casts(&shape->lex);
}

static void integer(struct sql_shape *shape)
{
    if (is_structural(shape)) {
        put_token(shape, ITEM_OPERATOR, CANONICAL_NAME);
        sql_shape_note(shape, ITEM_OPERATOR, false);
        shape->canonical.last = CANONICAL_NAME;
    } else {
        literal(shape, SQL_LITERAL_INTEGER, false);
    }
}

/* A sign where an operand is expected belongs to the number behind it. */
static bool signed_number(struct sql_shape *shape)
{
    char sign = *sql_shape_text(shape);
    struct sql_lex ahead = shape->lex;
    struct sql_token_span token;
    if (!shape->expects_operand || (sign != '-' && sign != '+')) return false;
    if (!sql_next_token(&ahead, &token) || (token.kind != SQL_INTEGER && token.kind != SQL_NUMBER)) return false;
    if (shape->is_cut && token.end == ahead.size) return false;
    shape->lex = ahead;
    shape->token = token;
    literal(shape, token.kind == SQL_INTEGER ? SQL_LITERAL_INTEGER : SQL_LITERAL_DECIMAL, sign == '-');
    return true;
}

/*
 * date '..', interval '1' day, timestamp(3) with time zone '..': a name where an operand is expected, and a string behind it. The string is then
 * the token at hand.
 */
static bool typed_string(struct sql_shape *shape, enum sql_keyword keyword)
{
    struct sql_lex ahead = shape->lex;
    struct sql_token_span token;
    char next = sql_peek_byte(&ahead);
    if (keyword != KW_IDENTIFIER && next != '\'') {
        if (is_letter(next) || next == '(') {
            ahead.position = shape->token.start;
            sql_skip_type_name(&ahead);
        }
    } else if (next != '\'' && next != '$' && memchr("eEuUnN", next, 6) == NULL) {
        return false;
    }
    if (!sql_next_token(&ahead, &token) || !is_string(token.kind)) return false;
    if (shape->is_cut && token.end == ahead.size) return false;
    shape->lex = ahead;
    shape->token = token;
    literal(shape, keyword == KW_INTERVAL ? SQL_LITERAL_INTERVAL : SQL_LITERAL_STRING, false);
    return true;
}

/* ---- characters and operators ---- */

void sql_shape_put_token(struct sql_shape *shape, enum item item, enum sql_canonical_kind kind, bool expects_operand)
{
    put_token(shape, item, kind);
    sql_shape_note(shape, item, expects_operand);
}

static uint16_t flags_inside(struct sql_shape *shape, bool is_bracket)
{
    uint16_t flags = (uint16_t)((*sql_shape_level(shape) & IN_PAGING) | (is_bracket ? IN_BRACKET : 0));
    if (shape->is_in_type) flags |= IN_TYPE;
    if (shape->item == KW_CAST) flags |= IN_CAST;
    if (shape->item == KW_OPERATOR || (shape->item == KW_ON && shape->before == KW_DISTINCT)) flags |= IN_LEAD;
    if (shape->item == ITEM_COMPARISON || (shape->item == KW_ANY && shape->before == ITEM_COMPARISON)) {
        shape->row_comparison = (uint8_t)comparison_of(shape);
        if (shape->item == KW_ANY)
            shape->row_comparison = shape->comparison == SQL_COMPARISON_EQUAL ? SQL_COMPARISON_ANY : SQL_COMPARISON_OTHER;
        flags |= IN_ROW;
    }
    return flags;
}

static void open_level(struct sql_shape *shape, bool is_bracket)
{
    uint16_t flags = flags_inside(shape, is_bracket);
    bool is_list = false;
    bool is_rows = false;
    if (is_bracket ? shape->item == KW_ARRAY : shape->item == KW_IN) {
        is_list = true;
        sql_shape_open_list(shape, is_bracket);
        sql_canonical_put_byte(&shape->canonical, is_bracket ? CANONICAL_BRACKET : CANONICAL_OPEN, *sql_shape_text(shape));
    } else {
        is_rows = !is_bracket && shape->item == KW_VALUES && shape->rows.state == ROWS_NONE;
        if (is_rows) sql_shape_open_rows(shape);
        put_token(shape, is_bracket ? ITEM_BRACKET : ITEM_OPEN, is_bracket ? CANONICAL_BRACKET : CANONICAL_OPEN);
    }
    sql_shape_note(shape, is_bracket ? ITEM_BRACKET : ITEM_OPEN, true);
    shape->depth++;
    *sql_shape_level(shape) = flags;
    if (is_list) sql_shape_take_list(shape);
    if (is_rows) sql_shape_take_rows(shape);
}

static void close_level(struct sql_shape *shape, enum item item)
{
    bool is_pair = shape->depth > 0 && ((*sql_shape_level(shape) & IN_BRACKET) != 0) == (item == ITEM_BRACKET_CLOSE);
    if (!is_pair) {
        shape->list.is_open = false;
        shape->rows.state = ROWS_NONE;
    }
    bool is_lead = *sql_shape_level(shape) & IN_LEAD;
    if (shape->depth > 0) shape->depth--;
    if (shape->list.is_open && sql_shape_step_list(&shape->list, item)) {
        sql_shape_close_list(shape);
    } else {
        sql_canonical_put_byte(&shape->canonical, CANONICAL_CLOSE, *sql_shape_text(shape));
    }
    sql_shape_note(shape, item, is_lead);
    if (shape->rows.state == ROWS_INSIDE && shape->depth <= shape->rows.depth && item == ITEM_CLOSE) {
        shape->rows.state = ROWS_CLOSED;
        shape->rows.end = shape->token.start;
    }
}

static void comma(struct sql_shape *shape)
{
    sql_shape_put_token(shape, ITEM_COMMA, CANONICAL_COMMA, true);
    if (*sql_shape_level(shape) & IN_FROM) shape->relations.state = RELATION_EXPECTED;
}

static void comparison(struct sql_shape *shape, enum sql_comparison comparison)
{
    sql_shape_put_token(shape, ITEM_COMPARISON, CANONICAL_OPERATOR, true);
    shape->comparison = (uint8_t)comparison;
}

/* In parentheses, or in the body of a function. Those at the end of the text are no part of the shape. */
static void semicolon(struct sql_shape *shape)
{
    if (shape->item != ITEM_SEMICOLON) shape->before_semicolons = shape->canonical;
    sql_shape_put_token(shape, ITEM_SEMICOLON, CANONICAL_OPERATOR, false);
}

static void character(struct sql_shape *shape)
{
    char c = *sql_shape_text(shape);
    bool is_behind_type = shape->item < KW_COUNT && (sql_keywords[shape->item].flags & SQL_KEYWORD_TYPE);
    if (c != '(' && (c != '.' || is_behind_type)) shape->is_in_type = false; /* "interval.x" is a name */
    switch (c) {
    case '(': open_level(shape, false); break;
    case '[': open_level(shape, true); break;
    case ')': close_level(shape, ITEM_CLOSE); break;
    case ']': close_level(shape, ITEM_BRACKET_CLOSE); break;
    case ',': comma(shape); break;
    case ';': semicolon(shape); break;
    case '.': sql_shape_put_token(shape, ITEM_DOT, CANONICAL_DOT, false); break;
    case '=': comparison(shape, SQL_COMPARISON_EQUAL); break;
    case '<': comparison(shape, SQL_COMPARISON_LESS); break;
    case '>': comparison(shape, SQL_COMPARISON_GREATER); break;
    default:
        if (!signed_number(shape)) sql_shape_put_token(shape, ITEM_OPERATOR, CANONICAL_OPERATOR, true);
        break;
    }
    if (c == '(') shape->is_in_type = false;
}

/* The list of a canonical text: "..." */
static void dots(struct sql_shape *shape)
{
    bool is_ellipsis = shape->list.is_open && shape->token.end < shape->lex.size && shape->lex.text[shape->token.end] == '.';
    if (is_ellipsis) shape->token.end = ++shape->lex.position;
    sql_shape_put_token(shape, is_ellipsis ? ITEM_ELLIPSIS : ITEM_OPERATOR, is_ellipsis ? CANONICAL_OPERATOR : CANONICAL_DOT, !is_ellipsis);
}

/* ---- words ---- */

/* TRUE, FALSE, NULL as values: not behind IS or AS, nor in NOT NULL and SET NULL of definitions. */
static bool is_value(const struct sql_shape *shape, enum sql_keyword keyword)
{
    if (shape->item == KW_IS || shape->item == KW_AS || (shape->item == KW_NOT && shape->before == KW_IS)) return false;
    if (keyword == KW_NULL && (shape->item == KW_NOT || shape->item == KW_SET)) return false;
    return shape->expects_operand || shape->item == KW_ZONE;
}

/* A name goes on with a type only as its first or behind a dot. */
static void settle_type(struct sql_shape *shape)
{
    shape->is_in_type = shape->item == ITEM_CAST || shape->item == ITEM_DOT || shape->item == KW_AS;
}

/* A plain name: a word, or the inside of a quoted identifier. */
static inline void put_name(struct sql_shape *shape, const char *text, size_t size, const uint64_t chunks[3])
{
    if (shape->relations.state != RELATION_NONE) sql_relations_name(&shape->relations, shape->item == ITEM_DOT, text, size);
    if (shape->is_in_type) settle_type(shape);
    put_folded(shape, CANONICAL_NAME, text, size, chunks);
    if (shape->list.is_open) shape->list.is_open = false;
    sql_shape_note(shape, ITEM_NAME, false);
}

static void put_keyword(struct sql_shape *shape, enum sql_keyword keyword, const uint64_t chunks[3])
{
    uint8_t flags = sql_keywords[keyword].flags;
    if (shape->relations.state != RELATION_NONE && keyword != KW_ONLY && keyword != KW_LATERAL)
        sql_relations_other(&shape->relations, '\0');
    sql_shape_keyword(shape, keyword);
    put_folded(shape, flags & SQL_KEYWORD_SPACE ? CANONICAL_KEYWORD : CANONICAL_NAME, sql_shape_text(shape), sql_shape_size(shape), chunks);
    if (shape->list.is_open) sql_shape_step_list(&shape->list, (enum item)keyword);
    bool is_fetch_first = shape->item == KW_FETCH && (keyword == KW_FIRST || keyword == KW_NEXT);
    sql_shape_note(shape, (enum item)keyword, (flags & SQL_KEYWORD_OPERAND) != 0 || is_fetch_first);
}

static inline void load_folded(const struct sql_shape *shape, const char *text, size_t size, uint64_t chunks_out[3])
{
    chunks_out[0] = sql_fold_chunk(sql_load_chunk(text, size, shape->end));
    chunks_out[1] = size > 8 ? sql_fold_chunk(sql_load_chunk(text + 8, size - 8, shape->end)) : 0;
    chunks_out[2] = size > 16 ? sql_fold_chunk(sql_load_chunk(text + 16, size - 16, shape->end)) : 0;
}

__attribute__((noinline)) static void word(struct sql_shape *shape)
{
    uint64_t chunks[3];
    size_t size = sql_shape_size(shape);
    load_folded(shape, sql_shape_text(shape), size, chunks);
    enum sql_keyword keyword = shape->item == ITEM_DOT ? KW_IDENTIFIER : sql_keyword_of(sql_shape_text(shape), size, chunks);
    uint8_t flags = sql_keywords[keyword].flags;
    if (shape->item == KW_AS && (flags & SQL_KEYWORD_CLAUSE)) keyword = KW_IDENTIFIER; /* a label */

    if (shape->expects_operand || shape->item == KW_ZONE) { /* AT TIME ZONE interval '..' */
        if ((keyword == KW_IDENTIFIER || (flags & SQL_KEYWORD_TYPE)) && !shape->is_in_type && typed_string(shape, keyword)) return;
        if ((keyword == KW_TRUE || keyword == KW_FALSE || keyword == KW_NULL) && is_value(shape, keyword)) {
            literal(shape, keyword == KW_NULL ? SQL_LITERAL_NULL : SQL_LITERAL_BOOLEAN, false);
            return;
        }
    }
    if (keyword == KW_IDENTIFIER) {
        put_name(shape, sql_shape_text(shape), size, chunks);
    } else {
        put_keyword(shape, keyword, chunks);
    }
}

/* Whether an identifier may mean the same without its quotes; then its first bytes are in `chunks_out`. */
static inline bool is_plain(const struct sql_shape *shape, const char *text, size_t size, uint64_t chunks_out[3])
{
    if (size == 0 || !((text[0] >= 'a' && text[0] <= 'z') || text[0] == '_')) return false;
    chunks_out[1] = chunks_out[2] = 0;
    for (size_t at = 0; at < size; at += 8) {
        uint64_t chunk = sql_load_chunk(text + at, size - at, shape->end);
        if (!sql_is_plain_chunk(chunk, size - at)) return false;
        if (at < SQL_FOLDED_SIZE_MAX) chunks_out[at / 8] = chunk;
    }
    return true;
}

static void quoted_name(struct sql_shape *shape, const char *text, size_t size)
{
    uint64_t chunks[3];
    size_t inside = size - 2;
    const char *end = shape->end;
    if (!shape->token.is_unterminated && is_plain(shape, text + 1, inside, chunks) &&
        sql_keyword_of(text + 1, inside, chunks) == KW_IDENTIFIER) {
        put_name(shape, text + 1, inside, chunks);
        return;
    }
    if (shape->relations.state != RELATION_NONE) sql_relations_name(&shape->relations, shape->item == ITEM_DOT, text, size);
    if (shape->is_in_type) settle_type(shape);
    sql_canonical_put(&shape->canonical, CANONICAL_NAME, text, size, end);
    shape->list.is_open = false;
    sql_shape_note(shape, ITEM_NAME, false);
}

/* U&"..": the name that it stands for, as if it were quoted plainly. */
static void unicode_name(struct sql_shape *shape)
{
    struct sql_identifier identifier = {sql_shape_text(shape), sql_shape_size(shape), '\\'};
    char name[SQL_IDENTIFIER_SIZE_MAX + 1];
    char quoted[2 * SQL_IDENTIFIER_SIZE_MAX + 2 + 8]; /* chunks are loaded from it */
    const char *end = shape->end;
    struct sql_token_span clause;
    if (sql_skip_uescape(&shape->lex, &clause) && clause.end - clause.start == 3) identifier.escape = shape->lex.text[clause.start + 1];
    size_t name_size = sql_identifier_text(&identifier, name);
    size_t size = 0;
    quoted[size++] = '"';
    for (size_t i = 0; i < name_size; i++) {
        if (name[i] == '"') quoted[size++] = '"';
        quoted[size++] = name[i];
    }
    quoted[size++] = '"';
    shape->token.is_unterminated = false;
    shape->end = quoted + size;
    quoted_name(shape, quoted, size);
    shape->end = end;
}

/* ---- any token ---- */

/* Behind a row of VALUES: does another one come? */
static void continue_rows(struct sql_shape *shape)
{
    char c = shape->token.kind == SQL_CHARACTER ? *sql_shape_text(shape) : '\0';
    if (shape->rows.state == ROWS_CLOSED && c == ',') {
        shape->rows.state = ROWS_COMMA;
        return;
    }
    bool has_comma = shape->rows.state == ROWS_COMMA;
    if (has_comma && c == '(') {
        shape->rows.state = ROWS_INSIDE;
        sql_shape_next_row(shape);
    } else {
        sql_shape_close_rows(shape);
    }
    if (has_comma) {
        sql_canonical_put_byte(&shape->canonical, CANONICAL_COMMA, ',');
        sql_shape_note(shape, ITEM_COMMA, true);
    }
    sql_shape_step(shape);
}

/* COPY .. {FROM | TO} {STDIN | STDOUT | 'file' | PROGRAM 'command'}: options are no part of the shape. */
static bool is_end_of_copy(const struct sql_shape *shape)
{
    if (shape->out->class != SQL_CLASS_COPY || shape->depth > 0) return false;
    bool is_target = shape->item == KW_STDIN || shape->item == KW_STDOUT || shape->item == ITEM_LITERAL;
    return is_target && (shape->before == KW_FROM || shape->before == KW_TO || shape->before == KW_PROGRAM);
}

void sql_shape_step(struct sql_shape *shape)
{
    enum sql_token kind = shape->token.kind;
    if (shape->rows.state >= ROWS_CLOSED) {
        continue_rows(shape);
        return;
    }
    if (shape->relations.state != RELATION_NONE && kind > SQL_UNICODE_QUOTED)
        sql_relations_other(&shape->relations, *sql_shape_text(shape));
    if (kind > SQL_UNICODE_QUOTED && kind != SQL_CHARACTER) shape->is_in_type = kind == SQL_TYPECAST;
    switch (kind) {
    case SQL_WORD: word(shape); break;
    case SQL_QUOTED: quoted_name(shape, sql_shape_text(shape), sql_shape_size(shape)); break;
    case SQL_UNICODE_QUOTED: unicode_name(shape); break;
    case SQL_STRING:
    case SQL_ESCAPE_STRING:
    case SQL_UNICODE_STRING:
    case SQL_DOLLAR_STRING: literal(shape, SQL_LITERAL_STRING, false); break;
    case SQL_BIT_STRING:
    case SQL_HEX_STRING: literal(shape, SQL_LITERAL_BITS, false); break;
    case SQL_INTEGER: integer(shape); break;
    case SQL_NUMBER: literal(shape, SQL_LITERAL_DECIMAL, false); break;
    case SQL_PARAMETER: literal(shape, SQL_LITERAL_PARAMETER, false); break;
    case SQL_CHARACTER: character(shape); break;
    case SQL_TYPECAST: sql_shape_put_token(shape, ITEM_CAST, CANONICAL_CAST, false); break;
    case SQL_DOT_DOT: dots(shape); break;
    case SQL_LESS_EQUALS: comparison(shape, SQL_COMPARISON_LESS); break;
    case SQL_GREATER_EQUALS: comparison(shape, SQL_COMPARISON_GREATER); break;
    case SQL_OPERATOR:
    case SQL_COLON_EQUALS:
    case SQL_EQUALS_GREATER:
    case SQL_NOT_EQUALS:
    case SQL_OTHER: sql_shape_put_token(shape, ITEM_OPERATOR, CANONICAL_OPERATOR, true); break;
    case SQL_LINE_COMMENT:
    case SQL_BLOCK_COMMENT:
    case SQL_END: break;
    }
    if (shape->out->class == SQL_CLASS_COPY && is_end_of_copy(shape)) shape->is_done = true;
}

void sql_shape_begin(struct sql_shape *shape, enum sql_keyword keyword)
{
    shape->out->class = (enum sql_class)sql_keywords[keyword].class;
    shape->is_head = false;
    if (keyword == KW_WITH) {
        shape->is_with = true;
        shape->main_depth = shape->depth;
    } else if (shape->out->class == SQL_CLASS_READ || shape->out->class == SQL_CLASS_WRITE) {
        sql_shape_main_verb(shape, keyword);
    }
    sql_shape_step(shape);
}

/* ---- the ends ---- */

void sql_shape_init(struct sql_shape *shape, const struct sql_shape_input *input, struct sql_fingerprint *out, char *display,
                    size_t display_size)
{
    memset(shape, 0, offsetof(struct sql_shape, levels) + sizeof shape->levels[0]);
    shape->list.is_open = false;
    shape->rows.state = ROWS_NONE;
    shape->out = out;
    shape->end = input->text + input->size;
    shape->is_cut = input->is_cut;
    shape->is_head = true;
    shape->item = shape->before = ITEM_START;
    sql_canonical_init(&shape->canonical, display, display_size);
    sql_lex_init(&shape->lex, input->text, input->end, input->strings);
    shape->lex.position = input->start;
}

/* The limit has cut the statement: what was begun counts as closed, so that the place of the cut does not show in a list. */
static void truncate(struct sql_shape *shape)
{
    shape->rows.end = shape->token.start = shape->lex.size;
    if (shape->rows.state != ROWS_NONE) {
        sql_shape_close_rows(shape);
    } else if (shape->list.is_open) {
        sql_shape_close_list(shape);
    }
    sql_shape_put_operator(shape, "<truncated>");
    sql_shape_note(shape, ITEM_OPERATOR, false);
    shape->out->is_truncated = true;
    shape->out->literal_count = 0;
    shape->out->literal_rest = 0;
}

static void judge(struct sql_shape *shape)
{
    struct sql_fingerprint *out = shape->out;
    bool is_read = out->class == SQL_CLASS_READ;
    sql_relations_settle(&shape->relations);
    out->is_from_less = is_read && !shape->has_from && !out->has_inner_write && !out->is_truncated;
    out->is_catalog = is_read && shape->relations.has_catalog && !shape->relations.has_table;
    out->is_ignored = out->is_from_less || out->is_catalog;
}

void sql_shape_finish(struct sql_shape *shape)
{
    if (shape->is_cut && !shape->is_done) truncate(shape);
    if (shape->rows.state >= ROWS_CLOSED) sql_shape_close_rows(shape);
    if (shape->item == ITEM_SEMICOLON) shape->canonical = shape->before_semicolons;
    judge(shape);
    shape->out->slot_count = shape->canonical.slot_count;
    shape->out->hash = sql_canonical_finish(&shape->canonical);
}

/* ---- what others put ---- */

void sql_shape_put_word(struct sql_shape *shape, const char *text)
{
    size_t size = strlen(text);
    uint64_t chunks[3];
    const char *end = shape->end;
    shape->end = text + size;
    load_folded(shape, text, size, chunks);
    put_folded(shape, CANONICAL_KEYWORD, text, size, chunks);
    shape->end = end;
}

void sql_shape_put_operator(struct sql_shape *shape, const char *text)
{
    size_t size = strlen(text);
    sql_canonical_put(&shape->canonical, CANONICAL_OPERATOR, text, size, text + size);
}
