/*
 * Statements to shapes. One pass over the tokens: each is put into the canonical stream as it is, folded, or as a placeholder. This is no parser; it
 * knows where it stands by the last two things that it has put, and by a few flags for each open parenthesis.
 *
 * Lists are put token by token like everything else, behind a mark. When such a list closes and nothing but literals was in it, the stream goes back
 * to the mark and gets the list as one token. So nothing is read twice, and a list may be of any length.
 *
 * Invariants: the canonical text, read again, gives the same canonical stream (the tests show it for mutated statements); looking ahead reads a
 * bounded number of tokens; a token that has no rule stays what it is.
 */
#include "protocol/sql_fingerprint.h"

#include "protocol/sql_canonical.h"
#include "protocol/sql_type_name.h"

#include <string.h>
#include <strings.h>

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
};
enum { DEPTH_MAX = 64 }; /* deeper levels share one set of flags */

enum relation { RELATION_NONE, RELATION_EXPECTED, RELATION_TABLE, RELATION_CATALOG };

/* IN (..) or ARRAY[..], as long as only literals and rows of them have been seen. */
struct list {
    bool is_open, is_array;
    bool expects_element;
    uint32_t nesting, count, first_literal;
    struct sql_canonical mark;
};

/* VALUES (..), (..) */
struct rows {
    enum { ROWS_NONE, ROWS_INSIDE, ROWS_CLOSED, ROWS_COMMA } state;
    uint32_t depth, count, first_literal;
    struct sql_canonical mark;
};

struct scan {
    struct sql_lex lex;
    struct sql_token_span token;
    const char *end; /* of the readable memory */
    struct sql_canonical canonical;
    struct sql_fingerprint *out;
    bool is_cut;  /* what is behind the last byte is not known */
    bool is_done; /* the rest of the statement does not belong to its shape */
    bool is_head; /* nothing but parentheses has been put */
    bool is_with; /* the main verb is still to come */
    bool expects_operand;
    bool is_in_type;        /* the name of a type is being put */
    uint8_t item, before;   /* enum item: the last one, and the one before it */
    uint8_t comparison;     /* which one ITEM_COMPARISON was: enum sql_comparison */
    uint8_t row_comparison; /* of IN_ROW */
    uint8_t relation;       /* enum relation */
    bool has_table, has_catalog, has_from;
    uint32_t depth, main_depth;
    uint8_t levels[DEPTH_MAX + 1];
    struct list list;
    struct rows rows;
};

/* ---- fetching ---- */

/* The next token that is no comment. False at the end, and before a token that the limit may have cut. */
static inline bool advance(struct scan *scan)
{
    do {
        if (!sql_lex_next(&scan->lex, &scan->token)) return false;
        scan->out->token_count++;
    } while (scan->token.kind == SQL_LINE_COMMENT || scan->token.kind == SQL_BLOCK_COMMENT);
    return !scan->is_cut || scan->token.end < scan->lex.size;
}

static inline const char *token_text(const struct scan *scan)
{
    return scan->lex.text + scan->token.start;
}

static inline size_t token_size(const struct scan *scan)
{
    return scan->token.end - scan->token.start;
}

static bool is_string(enum sql_token kind)
{
    return kind >= SQL_STRING && kind <= SQL_DOLLAR_STRING;
}

static inline uint8_t *level(struct scan *scan)
{
    return &scan->levels[scan->depth < DEPTH_MAX ? scan->depth : DEPTH_MAX];
}

/* ---- lists that become one token ---- */

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* The literals since have no numbers of their own. */
static void forget_slots(struct scan *scan, uint32_t first)
{
    uint32_t count = scan->out->literal_count;
    if (count > SQL_LITERALS_MAX) count = SQL_LITERALS_MAX;
    for (uint32_t i = first; i < count; i++) scan->out->literals[i].slot = 0;
}

static void close_list(struct scan *scan)
{
    struct list *list = &scan->list;
    scan->canonical = list->mark;
    sql_canonical_put_list(&scan->canonical, list->is_array ? CANONICAL_ARRAY : CANONICAL_ROWS);
    forget_slots(scan, list->first_literal);
    scan->out->list_length = larger(scan->out->list_length, list->count);
    list->is_open = false;
}

static void close_rows(struct scan *scan)
{
    struct rows *rows = &scan->rows;
    scan->canonical = rows->mark;
    sql_canonical_put_list(&scan->canonical, CANONICAL_ROWS);
    forget_slots(scan, rows->first_literal);
    scan->out->row_count = larger(scan->out->row_count, rows->count);
    scan->list.is_open = false;
    rows->state = ROWS_NONE;
}

/* Whether the item at hand closes the list. One that cannot be in it ends the attempt. */
static bool step_list(struct list *list, enum item item)
{
    switch ((int)item) {
    case ITEM_LITERAL:
    case ITEM_ELLIPSIS:
        if (!list->expects_element) break;
        list->expects_element = false;
        if (list->nesting == 0) list->count++;
        return false;
    case ITEM_COMMA:
        if (list->expects_element) break;
        list->expects_element = true;
        return false;
    case KW_ROW:
        if (!list->expects_element) break;
        return false;
    case ITEM_OPEN:
    case ITEM_BRACKET:
        if (!list->expects_element || list->is_array != (item == ITEM_BRACKET)) break;
        list->nesting++;
        return false;
    case ITEM_CLOSE:
    case ITEM_BRACKET_CLOSE: {
        bool is_empty_array = list->is_array && list->nesting == 0 && list->count == 0;
        if (list->is_array != (item == ITEM_BRACKET_CLOSE) || (list->expects_element && !is_empty_array)) break;
        if (list->nesting == 0) return true;
        list->expects_element = false;
        if (--list->nesting == 0) list->count++;
        return false;
    }
    default: break;
    }
    list->is_open = false;
    return false;
}

static void open_list(struct scan *scan, bool is_array)
{
    scan->list.is_open = true;
    scan->list.is_array = is_array;
    scan->list.expects_element = true;
    scan->list.nesting = 0;
    scan->list.count = 0;
    scan->list.first_literal = scan->out->literal_count;
    scan->list.mark = scan->canonical;
}

static void open_rows(struct scan *scan)
{
    scan->rows.state = ROWS_INSIDE;
    scan->rows.depth = scan->depth;
    scan->rows.count = 1;
    scan->rows.first_literal = scan->out->literal_count;
    scan->rows.mark = scan->canonical;
}

/* ---- putting ---- */

static inline void note(struct scan *scan, enum item item, bool expects_operand)
{
    scan->before = scan->item;
    scan->item = (uint8_t)item;
    scan->expects_operand = expects_operand;
}

static inline void put(struct scan *scan, enum item item, enum sql_canonical_kind kind, const char *text, size_t size)
{
    sql_canonical_put(&scan->canonical, kind, text, size, scan->end);
    if (scan->list.is_open) step_list(&scan->list, item);
}

static inline void put_token(struct scan *scan, enum item item, enum sql_canonical_kind kind)
{
    put(scan, item, kind, token_text(scan), token_size(scan));
}

/* A word in small letters. `chunks` are its first bytes, folded. */
static inline void put_folded(struct scan *scan, enum sql_canonical_kind kind, const char *text, size_t size, const uint64_t chunks[3])
{
    uint64_t salt = SQL_SALT_WORD + (uint64_t)size * 0x100;
    uint64_t hash = sql_mix(scan->canonical.hash, chunks[0], salt);
    if (size > 8) hash = sql_mix(hash, chunks[1], salt);
    if (size > 16) hash = sql_mix(hash, chunks[2], salt);
    for (size_t at = SQL_FOLDED_SIZE_MAX; at < size; at += 8)
        hash = sql_mix(hash, sql_fold_chunk(sql_load_chunk(text + at, size - at, scan->end)), salt);
    scan->canonical.hash = hash;
    if (scan->canonical.out != NULL) sql_canonical_write_folded(&scan->canonical, kind, text, size);
    scan->canonical.last = (uint8_t)kind;
}

/* ---- literals ---- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* An integer at hand that is no value: the number of a column, or a part of a type. The canonical text keeps it. */
static bool is_structural(struct scan *scan)
{
    uint8_t flags = *level(scan);
    if (scan->item == ITEM_COMMA || (flags & IN_BY ? scan->item == KW_BY : scan->item == ITEM_OPEN)) {
        char next;
        if ((flags & (IN_BY | IN_TYPE)) == 0) return false;
        next = sql_peek_byte(&scan->lex);
        return next == ',' || next == ')' || ((flags & IN_BY) && (next == '\0' || next == ';' || is_letter(next)));
    }
    return false;
}

static enum sql_comparison comparison_of(struct scan *scan)
{
    if (scan->item == ITEM_COMPARISON) {
        bool is_assignment = scan->comparison == SQL_COMPARISON_EQUAL && (*level(scan) & IN_SET);
        return is_assignment ? SQL_COMPARISON_ASSIGN : (enum sql_comparison)scan->comparison;
    }
    if ((*level(scan) & IN_ROW) && (scan->item == ITEM_OPEN || scan->item == ITEM_COMMA)) return (enum sql_comparison)scan->row_comparison;
    return SQL_COMPARISON_OTHER;
}

static uint16_t parameter_number(const char *digits, size_t size)
{
    uint32_t number = 0;
    for (size_t i = 0; i < size && number < UINT16_MAX; i++) number = number * 10 + (uint32_t)(digits[i] - '0');
    return number < UINT16_MAX ? (uint16_t)number : UINT16_MAX;
}

static void record(struct scan *scan, enum sql_literal_kind kind, bool is_negative, uint16_t number)
{
    struct sql_fingerprint *out = scan->out;
    if (out->literal_count >= SQL_LITERALS_MAX) {
        out->literal_rest = sql_mix(out->literal_rest, kind + (is_negative ? 0x100u : 0u), SQL_SALT_WORD);
        out->literal_rest = sql_mix_bytes(out->literal_rest, token_text(scan), token_size(scan), scan->end);
    } else {
        struct sql_literal *literal = &out->literals[out->literal_count];
        literal->start = (uint32_t)scan->token.start;
        literal->size = (uint32_t)token_size(scan);
        literal->slot = scan->canonical.slot_count < UINT16_MAX ? (uint16_t)(scan->canonical.slot_count + 1) : UINT16_MAX;
        literal->number = number;
        literal->kind = (uint8_t)kind;
        literal->token = (uint8_t)scan->token.kind;
        literal->comparison = (uint8_t)comparison_of(scan);
        literal->is_negative = is_negative;
        literal->is_paging = (*level(scan) & IN_PAGING) != 0;
    }
    out->literal_count++;
}

/* U&'..' UESCAPE '!' */
static void skip_escape_clause(struct scan *scan)
{
    struct sql_lex ahead = scan->lex;
    struct sql_token_span token;
    if (!sql_next_token(&ahead, &token) || sql_token_keyword(&ahead, &token) != KW_UESCAPE) return;
    if (sql_next_token(&ahead, &token) && token.kind == SQL_STRING) scan->lex = ahead;
}

/* The literal at hand, with the casts behind it. */
static void literal(struct scan *scan, enum sql_literal_kind kind, bool is_negative)
{
    uint16_t number = kind == SQL_LITERAL_PARAMETER ? parameter_number(token_text(scan) + 1, token_size(scan) - 1) : 0;
    record(scan, kind, is_negative, number);
    sql_canonical_put_placeholder(&scan->canonical);
    if (scan->list.is_open) step_list(&scan->list, ITEM_LITERAL);
    note(scan, ITEM_LITERAL, false);

    if (scan->token.kind == SQL_UNICODE_STRING) skip_escape_clause(scan);
    if (kind == SQL_LITERAL_INTERVAL) sql_skip_interval_fields(&scan->lex);
    sql_skip_casts(&scan->lex);
}

static void integer(struct scan *scan)
{
    if (is_structural(scan)) {
        put_token(scan, ITEM_OPERATOR, CANONICAL_NAME);
        note(scan, ITEM_OPERATOR, false);
        scan->canonical.last = CANONICAL_NAME;
    } else {
        literal(scan, SQL_LITERAL_INTEGER, false);
    }
}

/* A sign where an operand is expected belongs to the number behind it. */
static bool signed_number(struct scan *scan)
{
    char sign = *token_text(scan);
    struct sql_lex ahead = scan->lex;
    struct sql_token_span token;
    if (!scan->expects_operand || (sign != '-' && sign != '+')) return false;
    if (!sql_next_token(&ahead, &token) || (token.kind != SQL_INTEGER && token.kind != SQL_NUMBER)) return false;
    if (scan->is_cut && token.end == ahead.size) return false;
    scan->lex = ahead;
    scan->token = token;
    scan->out->token_count++;
    literal(scan, token.kind == SQL_INTEGER ? SQL_LITERAL_INTEGER : SQL_LITERAL_DECIMAL, sign == '-');
    return true;
}

/*
 * date '..', interval '1' day, timestamp(3) with time zone '..': a name where an operand is expected, and a string behind it. The string is then
 * the token at hand.
 */
static bool typed_string(struct scan *scan, enum sql_keyword keyword)
{
    struct sql_lex ahead = scan->lex;
    struct sql_token_span token;
    char next = sql_peek_byte(&ahead);
    if (keyword != KW_IDENTIFIER && next != '\'') {
        if (is_letter(next) || next == '(') {
            ahead.position = scan->token.start;
            sql_skip_type_name(&ahead);
        }
    } else if (next != '\'' && next != '$' && memchr("eEuUnN", next, 6) == NULL) {
        return false;
    }
    if (!sql_next_token(&ahead, &token) || !is_string(token.kind)) return false;
    if (scan->is_cut && token.end == ahead.size) return false;
    scan->lex = ahead;
    scan->token = token;
    scan->out->token_count++;
    literal(scan, keyword == KW_INTERVAL ? SQL_LITERAL_INTERVAL : SQL_LITERAL_STRING, false);
    return true;
}

/* ---- tables ---- */

/* PostgreSQL's own tables as drivers and frameworks name them, without their schema. */
static bool is_catalog_name(const char *name, size_t size)
{
    static const char *const names[] = {
        "pg_am",       "pg_attrdef",     "pg_attribute", "pg_class",     "pg_collation", "pg_constraint", "pg_database",
        "pg_depend",   "pg_description", "pg_enum",      "pg_extension", "pg_index",     "pg_indexes",    "pg_inherits",
        "pg_language", "pg_locks",       "pg_matviews",  "pg_namespace", "pg_opclass",   "pg_operator",   "pg_policy",
        "pg_proc",     "pg_range",       "pg_roles",     "pg_sequence",  "pg_sequences", "pg_settings",   "pg_stat_activity",
        "pg_tables",   "pg_tablespace",  "pg_trigger",   "pg_type",      "pg_user",      "pg_views",      "pg_timezone_names"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strlen(names[i]) == size && strncasecmp(names[i], name, size) == 0) return true;
    }
    return false;
}

static bool is_catalog(const char *name, size_t size)
{
    if (size < 5 || (name[0] != 'p' && name[0] != 'P' && name[0] != 'i' && name[0] != 'I')) return false;
    if (size == 10 && strncasecmp(name, "pg_catalog", 10) == 0) return true;
    if (size == 18 && strncasecmp(name, "information_schema", 18) == 0) return true;
    return is_catalog_name(name, size);
}

static void settle_relation(struct scan *scan)
{
    scan->has_table |= scan->relation == RELATION_TABLE;
    scan->has_catalog |= scan->relation == RELATION_CATALOG;
    scan->relation = RELATION_NONE;
}

/* A name where a table may be. */
static void relation_name(struct scan *scan, const char *name, size_t size)
{
    if (scan->item == ITEM_DOT) return; /* the schema has said it */
    if (scan->relation == RELATION_EXPECTED)
        scan->relation = is_catalog(name, size) ? RELATION_CATALOG : RELATION_TABLE;
    else
        settle_relation(scan);
}

/* Any other token. A parenthesis behind the name makes it a function. */
static void relation_other(struct scan *scan, char character)
{
    if (character == '.') return;
    if (scan->relation == RELATION_EXPECTED) {
        if (character != '(') scan->relation = RELATION_NONE;
    } else if (character == '(') {
        scan->relation = RELATION_NONE;
    } else {
        settle_relation(scan);
    }
}

/* ---- characters and operators ---- */

static void put_simple(struct scan *scan, enum item item, enum sql_canonical_kind kind, bool expects_operand)
{
    put_token(scan, item, kind);
    note(scan, item, expects_operand);
}

static uint8_t flags_inside(struct scan *scan)
{
    uint8_t flags = *level(scan) & IN_PAGING;
    if (scan->is_in_type) flags |= IN_TYPE;
    if (scan->item == KW_CAST) flags |= IN_CAST;
    if (scan->item == ITEM_COMPARISON || (scan->item == KW_ANY && scan->before == ITEM_COMPARISON)) {
        scan->row_comparison = (uint8_t)comparison_of(scan);
        if (scan->item == KW_ANY)
            scan->row_comparison = scan->comparison == SQL_COMPARISON_EQUAL ? SQL_COMPARISON_ANY : SQL_COMPARISON_OTHER;
        flags |= IN_ROW;
    }
    return flags;
}

static void open_level(struct scan *scan, bool is_bracket)
{
    uint8_t flags = flags_inside(scan);
    if (is_bracket ? scan->item == KW_ARRAY : scan->item == KW_IN) {
        open_list(scan, is_bracket);
        sql_canonical_put(&scan->canonical, is_bracket ? CANONICAL_BRACKET : CANONICAL_OPEN, token_text(scan), 1, scan->end);
    } else {
        if (!is_bracket && scan->item == KW_VALUES && scan->rows.state == ROWS_NONE) open_rows(scan);
        put_token(scan, is_bracket ? ITEM_BRACKET : ITEM_OPEN, is_bracket ? CANONICAL_BRACKET : CANONICAL_OPEN);
    }
    note(scan, is_bracket ? ITEM_BRACKET : ITEM_OPEN, true);
    scan->depth++;
    *level(scan) = flags;
}

static void close_level(struct scan *scan, enum item item)
{
    if (scan->depth > 0) scan->depth--;
    if (scan->list.is_open && step_list(&scan->list, item)) {
        close_list(scan);
    } else {
        sql_canonical_put(&scan->canonical, CANONICAL_CLOSE, token_text(scan), 1, scan->end);
    }
    note(scan, item, false);
    if (scan->rows.state == ROWS_INSIDE && scan->depth <= scan->rows.depth && item == ITEM_CLOSE) scan->rows.state = ROWS_CLOSED;
}

static void comma(struct scan *scan)
{
    put_simple(scan, ITEM_COMMA, CANONICAL_COMMA, true);
    if (*level(scan) & IN_FROM) scan->relation = RELATION_EXPECTED;
}

static void comparison(struct scan *scan, enum sql_comparison comparison)
{
    put_simple(scan, ITEM_COMPARISON, CANONICAL_OPERATOR, true);
    scan->comparison = (uint8_t)comparison;
}

static void character(struct scan *scan)
{
    char c = *token_text(scan);
    if (c != '(' && c != '.') scan->is_in_type = false;
    switch (c) {
    case '(': open_level(scan, false); break;
    case '[': open_level(scan, true); break;
    case ')': close_level(scan, ITEM_CLOSE); break;
    case ']': close_level(scan, ITEM_BRACKET_CLOSE); break;
    case ',': comma(scan); break;
    case '.': put_simple(scan, ITEM_DOT, CANONICAL_DOT, false); break;
    case '=': comparison(scan, SQL_COMPARISON_EQUAL); break;
    case '<': comparison(scan, SQL_COMPARISON_LESS); break;
    case '>': comparison(scan, SQL_COMPARISON_GREATER); break;
    default:
        if (!signed_number(scan)) put_simple(scan, ITEM_OPERATOR, CANONICAL_OPERATOR, true);
        break;
    }
    if (c == '(') scan->is_in_type = false;
}

/* The list of a canonical text: "..." */
static void dots(struct scan *scan)
{
    bool is_ellipsis = scan->list.is_open && scan->token.end < scan->lex.size && scan->lex.text[scan->token.end] == '.';
    if (is_ellipsis) scan->token.end = ++scan->lex.position;
    put_simple(scan, is_ellipsis ? ITEM_ELLIPSIS : ITEM_OPERATOR, CANONICAL_OPERATOR, !is_ellipsis);
}

/* ---- words ---- */

/* TRUE, FALSE, NULL as values: not behind IS or AS, nor in NOT NULL and SET NULL of definitions. */
static bool is_value(const struct scan *scan, enum sql_keyword keyword)
{
    if (scan->item == KW_IS || scan->item == KW_AS || (scan->item == KW_NOT && scan->before == KW_IS)) return false;
    if (keyword == KW_NULL && (scan->item == KW_NOT || scan->item == KW_SET)) return false;
    return scan->expects_operand;
}

static void main_verb(struct scan *scan, enum sql_keyword keyword)
{
    enum sql_class class = (enum sql_class)sql_keywords[keyword].class;
    scan->out->class = class;
    scan->is_with = false;
    scan->main_depth = scan->depth;
    switch ((int)keyword) {
    case KW_SELECT: scan->out->verb = SQL_VERB_SELECT; break;
    case KW_VALUES: scan->out->verb = SQL_VERB_SELECT; break;
    case KW_TABLE:
        scan->out->verb = SQL_VERB_SELECT;
        scan->has_from = true;
        break;
    case KW_INSERT: scan->out->verb = SQL_VERB_INSERT; break;
    case KW_UPDATE: scan->out->verb = SQL_VERB_UPDATE; break;
    case KW_DELETE: scan->out->verb = SQL_VERB_DELETE; break;
    case KW_MERGE: scan->out->verb = SQL_VERB_MERGE; break;
    default: break;
    }
}

/* A verb behind WITH: of the statement itself, or of one of its queries. */
static void verb_in_with(struct scan *scan, enum sql_keyword keyword)
{
    uint8_t class = sql_keywords[keyword].class;
    if (class != SQL_CLASS_READ && class != SQL_CLASS_WRITE) return;
    if (scan->depth > scan->main_depth) {
        scan->out->has_inner_write |= class == SQL_CLASS_WRITE && scan->item == ITEM_OPEN;
    } else if (scan->item == ITEM_CLOSE || scan->item == ITEM_NAME) {
        main_verb(scan, keyword);
    }
}

/* "extract(year from x)" and "is distinct from" are no lists of tables. */
static void from(struct scan *scan)
{
    bool is_distinct = scan->item == KW_DISTINCT && (scan->before == KW_IS || scan->before == KW_NOT);
    if ((*level(scan) & IN_QUERY) == 0 || is_distinct) return;
    scan->has_from = true;
    *level(scan) = (uint8_t)((*level(scan) & ~(IN_BY | IN_SET | IN_PAGING)) | IN_FROM);
    scan->relation = RELATION_EXPECTED;
}

/* What a keyword says about where we are. It has not been put yet. */
static void keyword_meaning(struct scan *scan, enum sql_keyword keyword)
{
    uint8_t *flags = level(scan);
    uint8_t of_keyword = sql_keywords[keyword].flags;
    if (of_keyword & SQL_KEYWORD_CLAUSE) *flags &= (uint8_t) ~(IN_FROM | IN_BY | IN_PAGING | IN_SET);
    switch ((int)keyword) {
    case KW_SELECT:
        *flags = IN_QUERY;
        scan->rows.state = ROWS_NONE;
        break;
    case KW_UPDATE:
    case KW_DELETE: *flags |= IN_QUERY; break;
    case KW_FROM: from(scan); break;
    case KW_JOIN: scan->relation = RELATION_EXPECTED; break;
    case KW_BY:
        if (scan->item == KW_ORDER || scan->item == KW_GROUP) *flags |= IN_BY;
        break;
    case KW_LIMIT:
    case KW_FETCH:
        scan->out->has_limit |= scan->depth <= scan->main_depth;
        *flags |= IN_PAGING;
        break;
    case KW_OFFSET: *flags |= IN_PAGING; break;
    case KW_SET: *flags |= IN_SET; break;
    default: break;
    }
    if (scan->is_with) verb_in_with(scan, keyword);
    bool is_type = (of_keyword & SQL_KEYWORD_TYPE) || (keyword == KW_AS && (*flags & IN_CAST));
    scan->is_in_type |= is_type;
}

/* A plain name: a word, or the inside of a quoted identifier. */
static inline void put_name(struct scan *scan, const char *text, size_t size, const uint64_t chunks[3])
{
    if (scan->relation != RELATION_NONE) relation_name(scan, text, size);
    put_folded(scan, CANONICAL_NAME, text, size, chunks);
    if (scan->list.is_open) scan->list.is_open = false;
    note(scan, ITEM_NAME, false);
}

static void put_keyword(struct scan *scan, enum sql_keyword keyword, const uint64_t chunks[3])
{
    uint8_t flags = sql_keywords[keyword].flags;
    if (scan->relation != RELATION_NONE && keyword != KW_ONLY && keyword != KW_LATERAL) relation_other(scan, '\0');
    keyword_meaning(scan, keyword);
    put_folded(scan, flags & SQL_KEYWORD_SPACE ? CANONICAL_KEYWORD : CANONICAL_NAME, token_text(scan), token_size(scan), chunks);
    if (scan->list.is_open) step_list(&scan->list, (enum item)keyword);
    note(scan, (enum item)keyword, (flags & SQL_KEYWORD_OPERAND) != 0);
}

static inline void load_folded(const struct scan *scan, const char *text, size_t size, uint64_t chunks_out[3])
{
    chunks_out[0] = sql_fold_chunk(sql_load_chunk(text, size, scan->end));
    chunks_out[1] = size > 8 ? sql_fold_chunk(sql_load_chunk(text + 8, size - 8, scan->end)) : 0;
    chunks_out[2] = size > 16 ? sql_fold_chunk(sql_load_chunk(text + 16, size - 16, scan->end)) : 0;
}

static inline void word(struct scan *scan)
{
    uint64_t chunks[3];
    size_t size = token_size(scan);
    load_folded(scan, token_text(scan), size, chunks);
    enum sql_keyword keyword = scan->item == ITEM_DOT ? KW_IDENTIFIER : sql_keyword_of(chunks, size);
    uint8_t flags = sql_keywords[keyword].flags;
    if (scan->item == KW_AS && (flags & SQL_KEYWORD_CLAUSE)) keyword = KW_IDENTIFIER; /* a label */

    if (scan->expects_operand) {
        if ((keyword == KW_IDENTIFIER || (flags & SQL_KEYWORD_TYPE)) && !scan->is_in_type && typed_string(scan, keyword)) return;
        if ((keyword == KW_TRUE || keyword == KW_FALSE || keyword == KW_NULL) && is_value(scan, keyword)) {
            literal(scan, keyword == KW_NULL ? SQL_LITERAL_NULL : SQL_LITERAL_BOOLEAN, false);
            return;
        }
    }
    if (keyword == KW_IDENTIFIER) {
        put_name(scan, token_text(scan), size, chunks);
    } else {
        put_keyword(scan, keyword, chunks);
    }
}

/* Whether an identifier means the same without its quotes. */
static bool is_plain(const char *text, size_t size)
{
    if (size == 0 || (text[0] >= '0' && text[0] <= '9') || text[0] == '$') return false;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (!(c >= 'a' && c <= 'z') && c != '_' && !(c >= '0' && c <= '9') && c != '$') return false;
    }
    return true;
}

static void quoted_name(struct scan *scan, const char *text, size_t size)
{
    uint64_t chunks[3];
    size_t inside = size - 2;
    const char *end = scan->end;
    if (!scan->token.is_unterminated && is_plain(text + 1, inside)) {
        load_folded(scan, text + 1, inside, chunks);
        if (sql_keyword_of(chunks, inside) == KW_IDENTIFIER) {
            put_name(scan, text + 1, inside, chunks);
            return;
        }
    }
    if (scan->relation != RELATION_NONE) relation_name(scan, text, size);
    sql_canonical_put(&scan->canonical, CANONICAL_NAME, text, size, end);
    scan->list.is_open = false;
    note(scan, ITEM_NAME, false);
}

/* U&"..": the name that it stands for, as if it were quoted plainly. */
static void unicode_name(struct scan *scan)
{
    struct sql_identifier identifier = {token_text(scan), token_size(scan), '\\'};
    char name[SQL_IDENTIFIER_SIZE_MAX + 1];
    char quoted[2 * SQL_IDENTIFIER_SIZE_MAX + 2 + 8]; /* chunks are loaded from it */
    const char *end = scan->end;
    struct sql_lex ahead = scan->lex;
    struct sql_token_span token;
    if (sql_next_token(&ahead, &token) && sql_token_keyword(&ahead, &token) == KW_UESCAPE && sql_next_token(&ahead, &token) &&
        token.kind == SQL_STRING && token.end - token.start == 3) {
        identifier.escape = ahead.text[token.start + 1];
        scan->lex = ahead;
    }
    size_t name_size = sql_identifier_text(&identifier, name);
    size_t size = 0;
    quoted[size++] = '"';
    for (size_t i = 0; i < name_size; i++) {
        if (name[i] == '"') quoted[size++] = '"';
        quoted[size++] = name[i];
    }
    quoted[size++] = '"';
    scan->token.is_unterminated = false;
    scan->end = quoted + size;
    quoted_name(scan, quoted, size);
    scan->end = end;
}

/* ---- heads of statements ---- */

static void put_word_text(struct scan *scan, const char *text)
{
    size_t size = strlen(text);
    uint64_t chunks[3];
    const char *end = scan->end;
    scan->end = text + size;
    load_folded(scan, text, size, chunks);
    put_folded(scan, CANONICAL_KEYWORD, text, size, chunks);
    scan->end = end;
}

static void put_operator_text(struct scan *scan, const char *text)
{
    size_t size = strlen(text);
    sql_canonical_put(&scan->canonical, CANONICAL_OPERATOR, text, size, text + size);
}

/* The keyword at hand as it is, and nothing behind it. */
static void put_verb_only(struct scan *scan, enum sql_keyword keyword)
{
    put_word_text(scan, sql_keywords[keyword].text);
    scan->is_done = true;
}

static enum sql_keyword keyword_at_hand(const struct scan *scan)
{
    return sql_token_keyword(&scan->lex, &scan->token);
}

static bool is_name(const struct scan *scan)
{
    return scan->token.kind == SQL_WORD || scan->token.kind == SQL_QUOTED || scan->token.kind == SQL_UNICODE_QUOTED;
}

static void step(struct scan *scan);

/* A name at hand, into `out`. False: none is. */
static bool take_name(struct scan *scan)
{
    if (!is_name(scan)) return false;
    scan->out->name = (struct sql_identifier){token_text(scan), token_size(scan), '\\'};
    return true;
}

/* To the keyword, outside of parentheses. What it passes is not put. */
static bool skip_to(struct scan *scan, enum sql_keyword keyword)
{
    uint32_t depth = 0;
    while (advance(scan)) {
        char c = scan->token.kind == SQL_CHARACTER ? *token_text(scan) : '\0';
        if (c == '(') depth++;
        if (c == ')' && depth > 0) depth--;
        if (depth == 0 && keyword_at_hand(scan) == keyword) return true;
    }
    return false;
}

/* The query inside is the shape; when there is none, the verb is, and all that goes by the name. */
static void inner_query(struct scan *scan, enum sql_keyword verb, enum sql_form form, enum sql_keyword lead)
{
    struct sql_lex behind;
    if (advance(scan) && take_name(scan) && skip_to(scan, lead)) {
        behind = scan->lex;
        if (advance(scan)) {
            scan->lex = behind;
            scan->out->form = form;
            return;
        }
    }
    scan->is_head = false;
    scan->out->name.text = NULL;
    put_verb_only(scan, verb);
}

static void head_prepare(struct scan *scan)
{
    struct sql_lex ahead = scan->lex;
    struct sql_token_span token;
    if (sql_next_token(&ahead, &token) && sql_token_keyword(&ahead, &token) == KW_TRANSACTION && sql_next_token(&ahead, &token) &&
        is_string(token.kind)) {
        put_word_text(scan, "prepare");
        put_verb_only(scan, KW_TRANSACTION);
        scan->is_head = false;
        scan->out->class = SQL_CLASS_TX;
    } else {
        inner_query(scan, KW_PREPARE, SQL_FORM_PREPARE, KW_AS);
    }
}

/* The arguments that are literals, by their numbers. Nothing is put. */
static void execute_arguments(struct scan *scan)
{
    struct sql_canonical mark = scan->canonical;
    uint32_t argument = 1;
    note(scan, ITEM_START, false);
    while (!scan->is_done && advance(scan)) {
        bool is_comma = scan->depth == 1 && scan->token.kind == SQL_CHARACTER && *token_text(scan) == ',';
        uint32_t first = scan->out->literal_count;
        step(scan);
        for (uint32_t i = first; i < scan->out->literal_count && i < SQL_LITERALS_MAX; i++) {
            scan->out->literals[i].slot = 0;
            scan->out->literals[i].number = (uint16_t)(argument < UINT16_MAX ? argument : UINT16_MAX);
        }
        argument += is_comma;
    }
    scan->canonical = mark;
    scan->list.is_open = false;
    scan->rows.state = ROWS_NONE;
    scan->is_done = true;
}

static void head_execute(struct scan *scan)
{
    put_word_text(scan, "execute");
    scan->is_head = false;
    if (!advance(scan) || !take_name(scan)) {
        scan->is_done = true;
        return;
    }
    scan->out->form = SQL_FORM_EXECUTE;
    note(scan, ITEM_DOT, false); /* no name of a statement is a keyword */
    step(scan);
    execute_arguments(scan);
}

static void head_rollback(struct scan *scan, enum sql_keyword verb)
{
    struct sql_lex ahead = scan->lex;
    struct sql_token_span token;
    put_word_text(scan, sql_keywords[verb].text);
    note(scan, (enum item)verb, false);
    scan->is_head = false;
    sql_next_token(&ahead, &token);
    enum sql_keyword keyword = sql_token_keyword(&ahead, &token);
    if (keyword == KW_WORK || keyword == KW_TRANSACTION) {
        sql_next_token(&ahead, &token);
        keyword = sql_token_keyword(&ahead, &token);
    }
    if (keyword == KW_TO) put_verb_only(scan, KW_TO);
    if (keyword == KW_PREPARED) put_verb_only(scan, KW_PREPARED);
}

/* Whether the keyword at hand is not one but the name of a setting: SET session = .., SET local.x = .. */
static bool is_setting(const struct scan *scan)
{
    struct sql_lex ahead = scan->lex;
    struct sql_token_span token;
    if (!sql_next_token(&ahead, &token)) return true;
    char c = ahead.text[token.start];
    return (token.kind == SQL_CHARACTER && (c == '=' || c == '.')) || sql_token_keyword(&ahead, &token) == KW_TO;
}

/* SET [LOCAL | SESSION] name {TO | =} ..: "set local name = $1". */
static void head_set(struct scan *scan)
{
    put_word_text(scan, "set");
    scan->is_head = false;
    scan->is_done = true;
    if (!advance(scan)) return;
    enum sql_keyword scope = keyword_at_hand(scan);
    if ((scope == KW_LOCAL || scope == KW_SESSION) && !is_setting(scan)) {
        put_word_text(scan, sql_keywords[scope].text);
        if (!advance(scan)) return;
    }
    for (bool is_after_dot = true; is_name(scan) && is_after_dot;) {
        enum sql_keyword keyword = keyword_at_hand(scan);
        note(scan, ITEM_DOT, false);
        step(scan);
        if (!advance(scan)) return;
        is_after_dot = keyword == KW_TIME && keyword_at_hand(scan) == KW_ZONE;
        if (scan->token.kind == SQL_CHARACTER && *token_text(scan) == '.') {
            put_simple(scan, ITEM_DOT, CANONICAL_DOT, false);
            if (!advance(scan)) return;
            is_after_dot = true;
        }
    }
    put_operator_text(scan, "=");
    sql_canonical_put_placeholder(&scan->canonical);
}

static void begin_body(struct scan *scan, enum sql_keyword keyword)
{
    scan->out->class = (enum sql_class)sql_keywords[keyword].class;
    scan->is_head = false;
    if (keyword == KW_WITH) {
        scan->is_with = true;
        scan->main_depth = scan->depth;
    } else if (scan->out->class == SQL_CLASS_READ || scan->out->class == SQL_CLASS_WRITE) {
        main_verb(scan, keyword);
    }
    step(scan);
}

/* The first token of a statement that is no parenthesis. */
static void head(struct scan *scan)
{
    enum sql_keyword keyword = keyword_at_hand(scan);
    scan->out->class = (enum sql_class)sql_keywords[keyword].class;
    switch ((int)keyword) {
    case KW_PREPARE: head_prepare(scan); return;
    case KW_EXECUTE: head_execute(scan); return;
    case KW_DECLARE: inner_query(scan, KW_DECLARE, SQL_FORM_DECLARE, KW_FOR); return;
    case KW_ROLLBACK:
    case KW_ABORT: head_rollback(scan, keyword); return;
    case KW_SET: head_set(scan); return;
    case KW_SAVEPOINT:
    case KW_RELEASE:
    case KW_LISTEN:
    case KW_UNLISTEN:
    case KW_DEALLOCATE: put_verb_only(scan, keyword); break;
    case KW_FETCH:
    case KW_MOVE:
    case KW_CLOSE:
        put_verb_only(scan, keyword);
        put_operator_text(scan, "<cursor>");
        break;
    default: begin_body(scan, keyword); return;
    }
    scan->is_head = false;
}

/* ---- a statement ---- */

/* Behind a row of VALUES: does another one come? */
static void continue_rows(struct scan *scan)
{
    char c = scan->token.kind == SQL_CHARACTER ? *token_text(scan) : '\0';
    if (scan->rows.state == ROWS_CLOSED && c == ',') {
        scan->rows.state = ROWS_COMMA;
        return;
    }
    bool has_comma = scan->rows.state == ROWS_COMMA;
    if (has_comma && c == '(') {
        scan->rows.state = ROWS_INSIDE;
        scan->rows.count++;
    } else {
        close_rows(scan);
    }
    if (has_comma) {
        sql_canonical_put(&scan->canonical, CANONICAL_COMMA, ",", 1, "," + 1);
        note(scan, ITEM_COMMA, true);
    }
    step(scan);
}

/* COPY .. {FROM | TO} {STDIN | STDOUT | 'file' | PROGRAM 'command'}: options are no part of the shape. */
static bool is_end_of_copy(const struct scan *scan)
{
    if (scan->out->class != SQL_CLASS_COPY || scan->depth > 0) return false;
    bool is_target = scan->item == KW_STDIN || scan->item == KW_STDOUT || scan->item == ITEM_LITERAL;
    return is_target && (scan->before == KW_FROM || scan->before == KW_TO || scan->before == KW_PROGRAM);
}

/* The token at hand. */
static void step(struct scan *scan)
{
    enum sql_token kind = scan->token.kind;
    if (scan->rows.state >= ROWS_CLOSED) {
        continue_rows(scan);
        return;
    }
    if (scan->is_head && !(kind == SQL_CHARACTER && *token_text(scan) == '(')) {
        head(scan);
        return;
    }
    if (scan->relation != RELATION_NONE && kind > SQL_UNICODE_QUOTED) relation_other(scan, *token_text(scan));
    if (kind > SQL_UNICODE_QUOTED && kind != SQL_CHARACTER) scan->is_in_type = kind == SQL_TYPECAST;
    switch (kind) {
    case SQL_WORD: word(scan); break;
    case SQL_QUOTED: quoted_name(scan, token_text(scan), token_size(scan)); break;
    case SQL_UNICODE_QUOTED: unicode_name(scan); break;
    case SQL_STRING:
    case SQL_ESCAPE_STRING:
    case SQL_UNICODE_STRING:
    case SQL_DOLLAR_STRING: literal(scan, SQL_LITERAL_STRING, false); break;
    case SQL_BIT_STRING:
    case SQL_HEX_STRING: literal(scan, SQL_LITERAL_BITS, false); break;
    case SQL_INTEGER: integer(scan); break;
    case SQL_NUMBER: literal(scan, SQL_LITERAL_DECIMAL, false); break;
    case SQL_PARAMETER: literal(scan, SQL_LITERAL_PARAMETER, false); break;
    case SQL_CHARACTER: character(scan); break;
    case SQL_TYPECAST: put_simple(scan, ITEM_CAST, CANONICAL_CAST, false); break;
    case SQL_DOT_DOT: dots(scan); break;
    case SQL_LESS_EQUALS: comparison(scan, SQL_COMPARISON_LESS); break;
    case SQL_GREATER_EQUALS: comparison(scan, SQL_COMPARISON_GREATER); break;
    case SQL_OPERATOR:
    case SQL_COLON_EQUALS:
    case SQL_EQUALS_GREATER:
    case SQL_NOT_EQUALS:
    case SQL_OTHER: put_simple(scan, ITEM_OPERATOR, CANONICAL_OPERATOR, true); break;
    case SQL_LINE_COMMENT:
    case SQL_BLOCK_COMMENT:
    case SQL_END: break;
    }
    if (scan->out->class == SQL_CLASS_COPY && is_end_of_copy(scan)) scan->is_done = true;
}

/* The limit has cut the statement: what was begun counts as closed, so that the place of the cut does not show in a list. */
static void truncate(struct scan *scan)
{
    if (scan->rows.state != ROWS_NONE) {
        close_rows(scan);
    } else if (scan->list.is_open) {
        close_list(scan);
    }
    put_operator_text(scan, "<truncated>");
    scan->out->is_truncated = true;
    scan->out->literal_count = 0;
    scan->out->literal_rest = 0;
}

static void judge(struct scan *scan)
{
    struct sql_fingerprint *out = scan->out;
    bool is_read = out->class == SQL_CLASS_READ && out->form != SQL_FORM_EXECUTE;
    settle_relation(scan);
    out->is_from_less = is_read && !scan->has_from && !out->has_inner_write && !out->is_truncated;
    out->is_catalog = is_read && scan->has_catalog && !scan->has_table;
    out->is_ignored = out->is_from_less || out->is_catalog;
}

struct input {
    const char *text;
    size_t start, end, size;
    enum sql_strings strings;
    bool is_cut;
};

/* The statement in [start, end). False: there are only comments. */
static bool fingerprint(const struct input *input, struct sql_fingerprint *out, char *display, size_t display_size,
                        size_t *display_size_out)
{
    struct scan scan;
    memset(&scan, 0, offsetof(struct scan, levels) + 1);
    scan.list.is_open = false;
    scan.rows.state = ROWS_NONE;
    scan.out = out;
    scan.end = input->text + input->size;
    scan.is_cut = input->is_cut;
    scan.is_head = true;
    scan.item = scan.before = ITEM_START;
    memset(out, 0, offsetof(struct sql_fingerprint, literals));
    out->class = SQL_CLASS_OTHER;
    sql_canonical_init(&scan.canonical, display, display_size);
    sql_lex_init(&scan.lex, input->text, input->end, input->strings);
    scan.lex.position = input->start;

    bool has_token = advance(&scan);
    if (!has_token && scan.token.kind == SQL_END && !input->is_cut) return false;
    out->start = scan.token.start;
    while (has_token) {
        step(&scan);
        has_token = !scan.is_done && advance(&scan);
    }
    out->end = input->end;
    if (input->is_cut && !scan.is_done) truncate(&scan);
    if (scan.rows.state >= ROWS_CLOSED) close_rows(&scan);
    judge(&scan);
    out->slot_count = scan.canonical.slot_count;
    out->hash = sql_canonical_finish(&scan.canonical);
    if (display != NULL) {
        display[scan.canonical.size] = '\0'; /* what a mark took back may stand behind it */
        *display_size_out = scan.canonical.size;
    }
    return true;
}

/* ---- the outside ---- */

/* Semicolons and white space at the end cut nothing. */
static size_t size_without_tail(const char *text, size_t size)
{
    while (size > 0 && (text[size - 1] == ';' || text[size - 1] == ' ' || text[size - 1] == '\n')) size--;
    return size;
}

void sql_fingerprint_init(struct sql_fingerprint_scan *scan, const char *text, size_t size, enum sql_strings strings, size_t scan_max)
{
    bool is_cut = size > scan_max;
    size_t used = is_cut ? scan_max : size_without_tail(text, size);
    scan->text = text;
    scan->size = used;
    scan->strings = strings;
    scan->is_cut = is_cut;
    scan->is_done = false;
    scan->is_single = used == 0 || memchr(text, ';', used) == NULL;
    if (!scan->is_single) sql_effect_init(&scan->statements, text, used, strings);
}

bool sql_fingerprint_next(struct sql_fingerprint_scan *scan, struct sql_fingerprint *out)
{
    struct input input = {scan->text, 0, scan->size, scan->size, scan->strings, scan->is_cut};
    struct sql_statement statement;
    if (scan->is_done) return false;
    if (scan->is_single) {
        scan->is_done = true;
        return fingerprint(&input, out, NULL, 0, NULL);
    }
    if (sql_effect_next(&scan->statements, &statement)) {
        bool is_last = scan->statements.token.kind == SQL_END;
        input.start = statement.start;
        input.is_cut = scan->is_cut && is_last;
        if (!input.is_cut) input.end = statement.end;
        scan->is_done = is_last;
    } else {
        scan->is_done = true;
        if (!scan->is_cut) return false;
        input.start = scan->size;
    }
    return fingerprint(&input, out, NULL, 0, NULL);
}

size_t sql_fingerprint_display(const struct sql_fingerprint_scan *scan, const struct sql_fingerprint *fingerprinted, char *out,
                               size_t out_size)
{
    struct input input = {scan->text, fingerprinted->start, fingerprinted->end, scan->size, scan->strings, fingerprinted->is_truncated};
    struct sql_fingerprint again;
    size_t size = 0;
    out[0] = '\0';
    fingerprint(&input, &again, out, out_size, &size);
    return size;
}
