/*
 * protocol/sql_fingerprint.h beside libpg_query, for statements that are put together from pieces of others: what pg_query_normalize takes for a
 * constant must be a literal here. And, for texts that are no SQL as well: the canonical text has the same shape, other literals have the same shape.
 * 60,000 texts; with PGTURNSTILE_SOAK set five million. PGTURNSTILE_SEED makes it other ones.
 */
#include "protocol/sql_fingerprint.h"
#include "tests/random_numbers.h"

#include <criterion/criterion.h>
#include <pg_query.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const samples[] = {
#define X(text, canonical, class) text,
#include "tests/protocol/sql_fingerprint_cases.def"
#undef X
#define X(text) text,
#include "tests/protocol/sql_samples.def"
#undef X
};

enum {
    SAMPLE_COUNT = sizeof samples / sizeof samples[0],
    TEXT_SIZE_MAX = 2000,
    TOKENS_MAX = TEXT_SIZE_MAX + 1,
    DISPLAY_SIZE = 4 * TEXT_SIZE_MAX
};

struct tokens {
    struct sql_token_span items[TOKENS_MAX];
    size_t count;
};

static void read_tokens(const char *text, struct tokens *tokens)
{
    struct sql_lex lex;
    struct sql_token_span token;
    tokens->count = 0;
    sql_lex_init(&lex, text, strlen(text), SQL_STRINGS_STANDARD);
    while (sql_lex_next(&lex, &token) && tokens->count < TOKENS_MAX) {
        if (token.kind != SQL_LINE_COMMENT && token.kind != SQL_BLOCK_COMMENT) tokens->items[tokens->count++] = token;
    }
}

static bool is_number(const struct sql_token_span *token)
{
    return token->kind == SQL_INTEGER || token->kind == SQL_NUMBER;
}

static bool is_constant(const struct sql_token_span *token)
{
    return is_number(token) || (token->kind >= SQL_STRING && token->kind <= SQL_HEX_STRING);
}

static bool is_word(const char *text, const struct sql_token_span *token, const char *word)
{
    return token->kind == SQL_WORD && token->end - token->start == strlen(word) &&
           strncasecmp(text + token->start, word, strlen(word)) == 0;
}

static bool is_byte(const char *text, const struct sql_token_span *token, char byte)
{
    return token->kind == SQL_CHARACTER && text[token->start] == byte;
}

/* ---- texts ---- */

static uint64_t random_state;

static uint32_t random_below(uint32_t limit)
{
    return random_numbers_below(&random_state, limit);
}

static const char *random_piece(void)
{
    static const char *const pieces[] = {
        "(",     ")",      ",",      ".",   "=",      "-",        "+",        "5",       "-5",     "1.5",    "'x'",      "$1",
        "$$y$$", "null",   "true",   "a",   "\"B\"",  "t.a",      "::int",    "::text",  "in",     "(1, 2)", "((1, 2))", "any",
        "array", "[1, 2]", "values", "(1)", "select", "order by", "group by", "limit 1", "offset", "as",     "is",       "not",
        "from",  "where",  "and",    "or",  "date",   "interval", "'1' day",  "case",    "when",   "then",   "end",      "between",
        "like",  ";",      "[",      "]",   "*",      "now()",    "over",     "row(1)",  "with",   "set",    "b'1'",     "E'\\''"};
    return pieces[random_below(sizeof pieces / sizeof pieces[0])];
}

static void splice(char *text, size_t at, size_t removed, const char *piece, size_t piece_size)
{
    size_t size = strlen(text);
    if (size - removed + piece_size + 2 >= TEXT_SIZE_MAX) return;
    memmove(text + at + piece_size + 2, text + at + removed, size - at - removed + 1);
    text[at] = ' ';
    memcpy(text + at + 1, piece, piece_size);
    text[at + 1 + piece_size] = ' ';
}

static const char *random_operand(void)
{
    static const char *const operands[] = {"5",
                                           "- 5",
                                           "+1.5e3",
                                           "'x'",
                                           "$7",
                                           "null",
                                           "true",
                                           "(-5)",
                                           "a.b",
                                           "\"A b\".c",
                                           "f(5, 'x')",
                                           "count(*)",
                                           "a - 5",
                                           "a -5 * -6",
                                           "- a",
                                           "array[1, -2]",
                                           "array[a, 5]",
                                           "row(1, 2)",
                                           "date '2024-01-01'",
                                           "interval '1' day",
                                           "interval(3) '1 day'",
                                           "timestamp(3) with time zone 'x'",
                                           "'5'::numeric(10, 2)",
                                           "a::numeric(10, 2)",
                                           "5::int::text",
                                           "cast(-5 as varchar(7))",
                                           "(select 5)",
                                           "(select b from u where c in (1, 2) order by 1 limit 3)",
                                           "case a when 5 then 'x' else -1 end",
                                           "a in (1, 2)",
                                           "a in (1, b)",
                                           "(a, 5) in ((1, 2), (3, 4))",
                                           "a = any ('{1}'::int[])",
                                           "a is not null",
                                           "a is not distinct from 5",
                                           "a between -1 and 5",
                                           "not a = 5",
                                           "a like 'x' escape '!'",
                                           "a at time zone 'UTC'",
                                           "E'\\''",
                                           "U&'d\\0061'",
                                           "b'101'",
                                           "$q$'$q$",
                                           "x'1f'",
                                           "a[5]",
                                           "a[1:5]",
                                           "a -> 'x' ->> 5",
                                           "a::jsonb ? 'x'",
                                           "position('a' in b)",
                                           "substring(a from 2 for 3)",
                                           "(a collate \"C\")",
                                           "coalesce(null, 5)",
                                           "exists (values (1, 2), (3, 4))"};
    return operands[random_below(sizeof operands / sizeof operands[0])];
}

/* An expression in the place of a constant or a name: what comes out is often SQL. */
static void replace_operand(char *text)
{
    static struct tokens tokens;
    read_tokens(text, &tokens);
    for (int tries = 0; tries < 5 && tokens.count > 0; tries++) {
        size_t i = random_below((uint32_t)tokens.count);
        const struct sql_token_span *token = &tokens.items[i];
        if (!is_constant(token) && token->kind != SQL_QUOTED && token->kind != SQL_PARAMETER && token->end - token->start != 1) continue;
        if (token->kind == SQL_CHARACTER || token->kind == SQL_OPERATOR) continue;
        const char *operand = random_operand();
        splice(text, token->start, token->end - token->start, operand, strlen(operand));
        return;
    }
}

/* Tokens go, come, or change places with those of other statements. */
static void mutate(char *text)
{
    static struct tokens tokens;
    static struct tokens others;
    read_tokens(text, &tokens);
    if (tokens.count == 0) return;
    const struct sql_token_span *token = &tokens.items[random_below((uint32_t)tokens.count)];
    size_t removed = random_below(2) == 0 ? token->end - token->start : 0;
    if (random_below(2) == 0) {
        const char *piece = random_piece();
        splice(text, token->start, removed, piece, strlen(piece));
        return;
    }
    const char *other = samples[random_below(SAMPLE_COUNT)];
    read_tokens(other, &others);
    if (others.count == 0) return;
    size_t first = random_below((uint32_t)others.count);
    size_t last = first + random_below(6);
    if (last >= others.count) last = others.count - 1;
    splice(text, token->start, removed, other + others.items[first].start, others.items[last].end - others.items[first].start);
}

/* ---- what must hold ---- */

static bool has_literal_at(const struct sql_fingerprint *fingerprint, size_t start)
{
    for (uint32_t i = 0; i < fingerprint->literal_count && i < SQL_LITERALS_MAX; i++) {
        if (fingerprint->literals[i].start == start) return true;
    }
    return fingerprint->literal_count > SQL_LITERALS_MAX;
}

/* NOT NULL, which we take for a part of a definition. */
static bool is_not_null(const char *text, const struct tokens *tokens, size_t i)
{
    return i > 0 && is_word(text, &tokens->items[i], "null") && is_word(text, &tokens->items[i - 1], "not");
}

/* An integer in a list behind ORDER BY of a window or an aggregate: a constant for PostgreSQL, structure for us. */
static bool may_be_structure(const char *text, const struct tokens *tokens, size_t i)
{
    return tokens->items[i].kind == SQL_INTEGER && i > 0 &&
           (is_byte(text, &tokens->items[i - 1], ',') || is_word(text, &tokens->items[i - 1], "by"));
}

/* Each constant that libpg_query has replaced. False: the texts cannot be laid side by side. */
static bool check_constants(const char *text, const char *normalized, const struct sql_fingerprint *fingerprint)
{
    static struct tokens ours;
    static struct tokens theirs;
    size_t i = 0;
    read_tokens(text, &ours);
    read_tokens(normalized, &theirs);
    for (size_t j = 0; j < theirs.count; i++, j++) {
        if (i >= ours.count) return false;
        const struct sql_token_span *token = &ours.items[i];
        const struct sql_token_span *other = &theirs.items[j];
        bool is_replaced = other->kind == SQL_PARAMETER && token->kind != SQL_PARAMETER;
        if (!is_replaced) {
            bool is_same = token->kind == other->kind && token->end - token->start == other->end - other->start &&
                           memcmp(text + token->start, normalized + other->start, token->end - token->start) == 0;
            if (!is_same) return false;
            continue;
        }
        if (!is_constant(token) && i + 1 < ours.count && is_number(&ours.items[i + 1])) token = &ours.items[++i]; /* its sign */
        bool is_value = is_constant(token) || is_word(text, token, "true") || is_word(text, token, "false") || is_word(text, token, "null");
        if (!is_value || may_be_structure(text, &ours, i) || is_not_null(text, &ours, i)) continue;
        cr_assert(has_literal_at(fingerprint, token->start), "%s\n%s\nat %zu", text, normalized, token->start);
    }
    return true;
}

static bool is_one_statement(const char *text)
{
    size_t count;
    sql_effect_of(text, strlen(text), SQL_STRINGS_STANDARD, &count);
    return count == 1;
}

static uint64_t hash_of(const char *text, struct sql_fingerprint *fingerprint, char *display)
{
    char *copy = strdup(text);
    struct sql_fingerprint_scan scan;
    sql_fingerprint_init(&scan, copy, strlen(text), SQL_STRINGS_STANDARD, SQL_FINGERPRINT_SCAN_MAX);
    bool has_statement = sql_fingerprint_next(&scan, fingerprint);
    if (has_statement && display != NULL) sql_fingerprint_display(&scan, fingerprint, display, DISPLAY_SIZE);
    free(copy);
    return has_statement ? fingerprint->hash : 0;
}

/* Each literal as another one of its kind. */
static void replace_literals(const char *text, const struct sql_fingerprint *fingerprint, char *out)
{
    size_t at = 0;
    size_t size = 0;
    for (uint32_t i = 0; i < fingerprint->literal_count && i < SQL_LITERALS_MAX; i++) {
        const struct sql_literal *literal = &fingerprint->literals[i];
        const char *with = NULL;
        if (literal->kind == SQL_LITERAL_INTEGER) with = random_below(2) == 0 ? "77" : "0";
        if (literal->kind == SQL_LITERAL_DECIMAL) with = "0.25";
        if (literal->token == SQL_STRING || literal->token == SQL_DOLLAR_STRING) with = random_below(2) == 0 ? "$q$a'--$q$" : "E'\\''";
        if (literal->kind == SQL_LITERAL_PARAMETER) with = "$42";
        size += (size_t)sprintf(out + size, "%.*s", (int)(literal->start - at), text + at);
        if (with != NULL) {
            size += (size_t)sprintf(out + size, " %s ", with);
        } else {
            size += (size_t)sprintf(out + size, "%.*s", (int)literal->size, text + literal->start);
        }
        at = literal->start + literal->size;
    }
    strcpy(out + size, text + at);
}

/* Whether two strings stand side by side, which join or do not by what they are. */
static bool has_neighbours(const char *text)
{
    static struct tokens tokens;
    read_tokens(text, &tokens);
    for (size_t i = 1; i < tokens.count; i++) {
        bool is_string = tokens.items[i].kind >= SQL_STRING && tokens.items[i].kind <= SQL_HEX_STRING;
        bool was_string = tokens.items[i - 1].kind >= SQL_STRING && tokens.items[i - 1].kind <= SQL_HEX_STRING;
        if ((is_string && was_string) || tokens.items[i].is_unterminated || is_word(text, &tokens.items[i], "uescape")) return true;
    }
    return false;
}

struct tally {
    size_t parsed, aligned, shapes;
};

static void check(const char *text, struct tally *tally)
{
    static struct sql_fingerprint fingerprint;
    static struct sql_fingerprint again;
    static char display[DISPLAY_SIZE];
    static char other[DISPLAY_SIZE];
    if (!is_one_statement(text)) return;
    uint64_t hash = hash_of(text, &fingerprint, display);
    cr_assert_eq(hash_of(display, &again, other), hash, "%s\n%s\n%s", text, display, other);
    if (!has_neighbours(text)) {
        replace_literals(text, &fingerprint, other);
        cr_assert_eq(hash_of(other, &again, NULL), hash, "%s\n%s", text, other);
    }
    tally->shapes++;
    if (fingerprint.class > SQL_CLASS_WRITE || fingerprint.form != SQL_FORM_PLAIN) return;
    PgQueryNormalizeResult result = pg_query_normalize(text);
    if (result.error == NULL) {
        tally->parsed++;
        tally->aligned += check_constants(text, result.normalized_query, &fingerprint);
    }
    pg_query_free_normalize_result(result);
}

Test(sql_fingerprint_reference, what_libpg_query_takes_for_constants_are_literals, .timeout = 7000)
{
    const char *seed = getenv("PGTURNSTILE_SEED");
    size_t wanted = getenv("PGTURNSTILE_SOAK") != NULL ? 5000000 : 60000;
    struct tally tally = {0};
    random_state = seed != NULL ? strtoull(seed, NULL, 0) | 1 : 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < wanted; i++) {
        char text[TEXT_SIZE_MAX + 1];
        strcpy(text, samples[i % SAMPLE_COUNT]);
        if (i >= SAMPLE_COUNT) {
            bool is_gentle = random_below(2) == 0;
            for (uint32_t j = 1 + random_below(5); j > 0; j--) {
                if (is_gentle) {
                    replace_operand(text);
                } else {
                    mutate(text);
                }
            }
        }
        check(text, &tally);
    }
    printf("%zu shapes, %zu texts parsed, %zu compared\n", tally.shapes, tally.parsed, tally.aligned);
    cr_assert_gt(tally.parsed, wanted / 20);
    cr_assert_gt(tally.aligned, tally.parsed / 10 * 8);
    pg_query_exit();
}
