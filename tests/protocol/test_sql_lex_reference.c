/*
 * protocol/sql_lex.h beside libpg_query, which is PostgreSQL 15's own scanner in a library: the same tokens for mutated statements. 300,000 of
 * them; with PGTURNSTILE_SOAK set twenty million. PGTURNSTILE_SEED makes it other ones. One in four is read with standard_conforming_strings off.
 *
 * Where libpg_query is not as the server, the text is left out, and counted: it does not go on with a string behind a line comment, since
 * comments are tokens to it.
 */
#include "protocol/sql_lex.h"
#include "tests/random_numbers.h"

#include <criterion/criterion.h>
#include <pg_query.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* libpg_query's copy of the server's setting. Its headers do not tell of it, but the library exports it. */
extern _Thread_local bool standard_conforming_strings;

static const char *const samples[] = {
#define X(text) text,
#include "tests/protocol/sql_samples.def"
#undef X
};

enum { SAMPLE_COUNT = sizeof samples / sizeof samples[0], TEXT_SIZE_MAX = 1000, TOKENS_MAX = TEXT_SIZE_MAX + 1 };

/* Token numbers of libpg_query 15 (enum Token in its pg_query.proto). */
enum {
    REFERENCE_IDENT = 258,
    REFERENCE_UIDENT,
    REFERENCE_FCONST,
    REFERENCE_SCONST,
    REFERENCE_USCONST,
    REFERENCE_BCONST,
    REFERENCE_XCONST,
    REFERENCE_OP,
    REFERENCE_ICONST,
    REFERENCE_PARAM,
    REFERENCE_TYPECAST,
    REFERENCE_DOT_DOT,
    REFERENCE_COLON_EQUALS,
    REFERENCE_EQUALS_GREATER,
    REFERENCE_LESS_EQUALS,
    REFERENCE_GREATER_EQUALS,
    REFERENCE_NOT_EQUALS,
    REFERENCE_SQL_COMMENT,
    REFERENCE_C_COMMENT,
    REFERENCE_NCHAR = 517
};

struct token {
    enum sql_token kind;
    size_t start, end;
};

struct tokens {
    struct token items[TOKENS_MAX];
    size_t count;
    bool is_unterminated;
};

/* ---- what libpg_query says ---- */

struct wire { /* protobuf: varints, and blocks that a varint measures */
    const uint8_t *at, *end;
};

static uint64_t read_varint(struct wire *wire)
{
    uint64_t value = 0;
    for (unsigned shift = 0; wire->at < wire->end; shift += 7) {
        uint8_t byte = *wire->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) break;
    }
    return value;
}

static enum sql_token plain_kind(void)
{
    return standard_conforming_strings ? SQL_STRING : SQL_ESCAPE_STRING;
}

static enum sql_token kind_of(uint64_t number, const char *text, size_t size)
{
    switch (number) {
    case REFERENCE_IDENT: return text[0] == '"' ? SQL_QUOTED : SQL_WORD;
    case REFERENCE_UIDENT: return SQL_UNICODE_QUOTED;
    case REFERENCE_FCONST: return strspn(text, "0123456789") >= size ? SQL_INTEGER : SQL_NUMBER;
    case REFERENCE_SCONST: return text[0] == '$' ? SQL_DOLLAR_STRING : text[0] == '\'' ? plain_kind() : SQL_ESCAPE_STRING;
    case REFERENCE_USCONST: return SQL_UNICODE_STRING;
    case REFERENCE_BCONST: return SQL_BIT_STRING;
    case REFERENCE_XCONST: return SQL_HEX_STRING;
    case REFERENCE_OP: return SQL_OPERATOR;
    case REFERENCE_ICONST: return SQL_INTEGER;
    case REFERENCE_PARAM: return SQL_PARAMETER;
    case REFERENCE_TYPECAST: return SQL_TYPECAST;
    case REFERENCE_DOT_DOT: return SQL_DOT_DOT;
    case REFERENCE_COLON_EQUALS: return SQL_COLON_EQUALS;
    case REFERENCE_EQUALS_GREATER: return SQL_EQUALS_GREATER;
    case REFERENCE_LESS_EQUALS: return SQL_LESS_EQUALS;
    case REFERENCE_GREATER_EQUALS: return SQL_GREATER_EQUALS;
    case REFERENCE_NOT_EQUALS: return SQL_NOT_EQUALS;
    case REFERENCE_SQL_COMMENT: return SQL_LINE_COMMENT;
    case REFERENCE_C_COMMENT: return SQL_BLOCK_COMMENT;
    default: break;
    }
    if (number >= 256) return SQL_WORD; /* a keyword */
    return strchr(",()[].;:+-*/%^<>=", (int)number) != NULL ? SQL_CHARACTER : SQL_OTHER;
}

/* One ScanToken; a national string is two of them there. */
static void add_reference_token(struct tokens *tokens, const char *text, const uint64_t fields[8])
{
    size_t start = fields[1];
    size_t end = fields[2];
    struct token *last = tokens->count > 0 ? &tokens->items[tokens->count - 1] : NULL;
    if (fields[4] == REFERENCE_SCONST && last != NULL && last->end == start && last->end - last->start == 1 &&
        (text[last->start] | 0x20) == 'n' && text[start] == '\'') {
        *last = (struct token){plain_kind(), last->start, end};
        return;
    }
    tokens->items[tokens->count++] = (struct token){kind_of(fields[4], text + start, end - start), start, end};
}

static void read_reference(const PgQueryProtobuf *message, const char *text, struct tokens *tokens)
{
    struct wire wire = {(const uint8_t *)message->data, (const uint8_t *)message->data + message->len};
    tokens->count = 0;
    while (wire.at < wire.end) {
        if ((read_varint(&wire) & 7) != 2) {
            read_varint(&wire); /* the version */
            continue;
        }
        size_t size = read_varint(&wire);
        struct wire block = {wire.at, wire.at + size};
        uint64_t fields[8] = {0};
        while (block.at < block.end) {
            uint64_t tag = read_varint(&block);
            fields[tag >> 3 & 7] = read_varint(&block);
        }
        add_reference_token(tokens, text, fields);
        wire.at += size;
    }
}

/* ---- what sql_lex says ---- */

static void read_ours(const char *text, size_t size, struct tokens *tokens)
{
    /* Without the NUL behind it, so that a sanitizer sees a read past the end. */
    char *copy = malloc(size + (size == 0));
    memcpy(copy, text, size);
    struct sql_lex lex;
    struct sql_token_span span;
    *tokens = (struct tokens){.count = 0};
    sql_lex_init(&lex, copy, size, standard_conforming_strings ? SQL_STRINGS_STANDARD : SQL_STRINGS_BACKSLASH);
    while (sql_lex_next(&lex, &span)) {
        tokens->items[tokens->count++] = (struct token){span.kind, span.start, span.end};
        tokens->is_unterminated |= span.is_unterminated;
    }
    free(copy);
}

/* Whether a string goes on behind a line comment. */
static bool has_commented_continuation(const char *text, size_t size, const struct tokens *ours)
{
    for (size_t i = 0; i < ours->count; i++) {
        const struct token *token = &ours->items[i];
        if (token->kind < SQL_STRING || token->kind > SQL_HEX_STRING || token->kind == SQL_DOLLAR_STRING) continue;
        for (size_t at = token->start; at + 1 < token->end && at + 1 < size; at++) {
            if (text[at] == '-' && text[at + 1] == '-') return true;
        }
    }
    return false;
}

/* ---- the comparison ---- */

struct tally {
    size_t compared, refused, left_out;
};

static void print_tokens(const char *name, const struct tokens *tokens)
{
    fprintf(stdout, "%s:", name);
    for (size_t i = 0; i < tokens->count; i++)
        fprintf(stdout, " [%zu-%zu %s]", tokens->items[i].start, tokens->items[i].end, sql_token_name(tokens->items[i].kind));
    fprintf(stdout, "\n");
}

static bool is_same(const struct tokens *ours, const struct tokens *reference)
{
    if (ours->count != reference->count) return false;
    for (size_t i = 0; i < ours->count; i++) {
        const struct token *a = &ours->items[i];
        const struct token *b = &reference->items[i];
        bool has_end = a->kind != SQL_UNICODE_STRING && a->kind != SQL_UNICODE_QUOTED; /* libpg_query gives none for U& */
        if (a->kind != b->kind || a->start != b->start || (has_end && a->end != b->end)) return false;
    }
    return true;
}

static bool is_ascii(const char *text)
{
    while (*text > 0) text++;
    return *text == '\0';
}

/*
 * Compare `text`. Where libpg_query refuses it, only what it calls unterminated must be so for us; then what stands before the error is
 * compared, which is a text that may end anywhere.
 */
static void compare(char *text, struct tally *tally)
{
    static struct tokens ours;
    static struct tokens reference;
    for (;;) {
        size_t size = strlen(text);
        read_ours(text, size, &ours);
        if (has_commented_continuation(text, size, &ours)) {
            tally->left_out++;
            return;
        }
        PgQueryScanResult result = pg_query_scan(text);
        if (result.error == NULL) {
            read_reference(&result.pbuf, text, &reference);
            pg_query_free_scan_result(result);
            if (ours.is_unterminated || !is_same(&ours, &reference)) {
                print_tokens("ours", &ours);
                print_tokens("reference", &reference);
                cr_assert_fail("differs (standard_conforming_strings %d): %s", standard_conforming_strings, text);
            }
            tally->compared++;
            return;
        }
        tally->refused++;
        bool is_unterminated = strncmp(result.error->message, "unterminated", 12) == 0;
        int position = result.error->cursorpos;
        if (is_unterminated) cr_assert(ours.is_unterminated, "%s: %s", result.error->message, text);
        pg_query_free_scan_result(result);
        if (position < 1 || !is_ascii(text)) return; /* the position counts characters */
        text[position - 1] = '\0';
    }
}

/* ---- mutations ---- */

static uint64_t random_state;

static uint32_t random_below(uint32_t limit)
{
    return random_numbers_below(&random_state, limit);
}

/* What the lexical rules turn on. No vertical tab: PostgreSQL 15 does not take it for white space. */
static const char *random_piece(void)
{
    static const char *const pieces[] = {"'",  "'",        "''",   "\"",   "\"\"", "\\",  "\\'", "$",   "$$",     "$a$",  "$1", "E'",
                                         "e'", "B'",       "x'",   "N'",   "U&'",  "U&",  "/*",  "*/",  "/*",     "--",   "\n", "\n",
                                         "\r", "\t",       "\f",   " ",    " ",    "-",   "+",   "*",   "/",      "<",    ">",  "=",
                                         "~",  "!",        "@",    "#",    "^",    "&",   "|",   "`",   "?",      "%",    ".",  "..",
                                         ":",  "::",       ":=",   ";",    ",",    "(",   ")",   "[",   "]",      "{",    "1",  "0",
                                         "9",  "e",        "E",    "a",    "u",    "_",   "n'",  "\n'", "'\n",    "U&\"", "1e", "1.",
                                         ".5", "\xc3\xa9", "\xff", "\x01", "$a",   "set", "=-",  "@-",  "'--x\n'"};
    return pieces[random_below(sizeof pieces / sizeof pieces[0])];
}

/* Put `piece` in place of `removed` bytes at `at`, if it fits. */
static void splice(char *text, size_t at, size_t removed, const char *piece, size_t piece_size)
{
    size_t size = strlen(text);
    if (removed > size - at) removed = size - at;
    if (size - removed + piece_size >= TEXT_SIZE_MAX) return;
    memmove(text + at + piece_size, text + at + removed, size - at - removed + 1);
    memcpy(text + at, piece, piece_size);
}

static void mutate(char *text)
{
    size_t size = strlen(text);
    size_t at = random_below((uint32_t)size + 1);
    switch (random_below(8)) {
    case 0: splice(text, at, 1 + random_below(3), "", 0); return;
    case 1: text[at] = '\0'; return;
    case 2: {
        const char *other = samples[random_below(SAMPLE_COUNT)];
        size_t from = random_below((uint32_t)strlen(other) + 1);
        splice(text, at, random_below(40), other + from, strlen(other + from) / (1 + random_below(8)));
        return;
    }
    case 3: {
        char copy[16];
        size_t length = random_below(sizeof copy);
        if (length > size - at) length = size - at;
        memcpy(copy, text + at, length);
        splice(text, random_below((uint32_t)size + 1), 0, copy, length);
        return;
    }
    case 4: splice(text, at, 1, random_piece(), 1); return;
    default: {
        const char *piece = random_piece();
        splice(text, at, 0, piece, strlen(piece));
        return;
    }
    }
}

Test(sql_lex_reference, mutated_statements_have_the_same_tokens, .timeout = 7000)
{
    const char *seed = getenv("PGTURNSTILE_SEED");
    size_t wanted = getenv("PGTURNSTILE_SOAK") != NULL ? 20000000 : 300000;
    struct tally tally = {0};
    random_state = seed != NULL ? strtoull(seed, NULL, 0) | 1 : 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < wanted; i++) {
        char text[TEXT_SIZE_MAX + 1];
        strcpy(text, samples[i % SAMPLE_COUNT]);
        if (i >= SAMPLE_COUNT) {
            if (strlen(text) > 60 && random_below(2) == 0) splice(text, 0, random_below((uint32_t)strlen(text) - 40), "", 0);
            for (uint32_t j = random_below(6); j != UINT32_MAX; j--) mutate(text);
        }
        standard_conforming_strings = random_below(4) > 0;
        compare(text, &tally);
    }
    printf("%zu texts compared, %zu refused by libpg_query on the way, %zu left out\n", tally.compared, tally.refused, tally.left_out);
    cr_assert_gt(tally.compared, wanted / 10 * 7);
    pg_query_exit();
}
