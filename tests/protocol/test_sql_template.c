/*
 * protocol/sql_template.h: what matches, what must not; and for mutated texts that whatever matches is what sql_fingerprint says of it.
 */
#include "protocol/sql_template.h"

#include "protocol/sql_fingerprint.h"
#include "tests/random_numbers.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
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
enum { SAMPLE_COUNT = sizeof samples / sizeof samples[0], TEXT_SIZE_MAX = 8000 };

/* A text, read, with its holes. */
struct made {
    struct sql_fingerprint fingerprint;
    struct sql_hole holes[SQL_LITERALS_MAX];
    struct sql_template template;
    bool is_made;
};

static bool is_usable(const struct sql_fingerprint *fingerprint)
{
    return !fingerprint->is_truncated && fingerprint->literal_count <= SQL_LITERALS_MAX && fingerprint->form == SQL_FORM_PLAIN &&
           fingerprint->name.text == NULL;
}

static void make(struct made *made, const char *text)
{
    struct sql_fingerprint_scan scan;
    size_t size = strlen(text);
    sql_fingerprint_init(&scan, text, size, SQL_STRINGS_STANDARD, SQL_FINGERPRINT_SCAN_MAX);
    made->is_made = scan.is_single && sql_fingerprint_next(&scan, &made->fingerprint) && is_usable(&made->fingerprint);
    if (!made->is_made) return;
    uint32_t count = sql_template_holes(text, size, SQL_STRINGS_STANDARD, &made->fingerprint, made->holes);
    made->template = (struct sql_template){.text = text, .size = size, .holes = made->holes, .hole_count = count};
}

static bool matches(const char *template_text, const char *text, struct sql_filling *fillings)
{
    struct made made;
    make(&made, template_text);
    cr_assert(made.is_made, "%s", template_text);
    return sql_template_match(&made.template, text, strlen(text), fillings);
}

struct pair {
    char first[120], second[120];
};

ParameterizedTestParameters(sql_template, other_literals_match)
{
    static struct pair pairs[] = {
        {"SELECT 1", "SELECT 1"},
        {"SELECT a FROM t WHERE id = 1", "SELECT a FROM t WHERE id = 987654321"},
        {"SELECT a FROM t WHERE id = 1;", "SELECT a FROM t WHERE id = 22;"},
        {"SELECT a FROM t WHERE id = 1 LIMIT 21", "SELECT a FROM t WHERE id = 0 LIMIT 1"},
        {"SELECT a FROM t WHERE s = 'x' AND k = 5", "SELECT a FROM t WHERE s = 'it''s, -- /* ' AND k = 6"},
        {"SELECT a FROM t WHERE s = 'it''s'", "SELECT a FROM t WHERE s = ''"},
        {"SELECT a FROM t WHERE s = ''", "SELECT a FROM t WHERE s = ''''"},
        {"INSERT INTO t (a, b) VALUES (1, 'x'), (2, NULL)", "INSERT INTO t (a, b) VALUES (100, ''), (2, NULL)"},
        {"UPDATE t SET a = 1.5 WHERE id = -3", "UPDATE t SET a = 22.75 WHERE id = -44"},
        {"SELECT * FROM t WHERE d > '2024-01-01'::date", "SELECT * FROM t WHERE d > '2025-12-31'::date"},
        {"SELECT * FROM t WHERE d > now() - interval '7 days'", "SELECT * FROM t WHERE d > now() - interval '8 days'"},
        {"SELECT a FROM t ORDER BY 2 LIMIT 5", "SELECT a FROM t ORDER BY 2 LIMIT 7"},
    };
    return cr_make_param_array(struct pair, pairs, sizeof pairs / sizeof pairs[0]);
}

ParameterizedTest(struct pair *pair, sql_template, other_literals_match)
{
    struct sql_filling fillings[SQL_LITERALS_MAX];
    cr_assert(matches(pair->first, pair->second, fillings), "%s", pair->second);
    cr_assert(matches(pair->second, pair->first, fillings), "%s", pair->first);
    cr_assert_eq(sql_template_hash(pair->first, strlen(pair->first)), sql_template_hash(pair->second, strlen(pair->second)));
}

ParameterizedTestParameters(sql_template, other_statements_do_not)
{
    static struct pair pairs[] = {
        {"SELECT a FROM t WHERE id = 1", "SELECT a FROM t WHERE id = 1 "},
        {"SELECT a FROM t WHERE id = 1", "SELECT a FROM t WHERE id = "},
        {"SELECT a FROM t WHERE id = 1", "SELECT a FROM t WHERE id = 1a"},
        {"SELECT a FROM t WHERE id = 1", "SELECT a FROM t WHERE id = 1.5"},
        {"SELECT a FROM t WHERE id = 1.5", "SELECT a FROM t WHERE id = 1"},
        {"SELECT a FROM t WHERE id = 1", "SELECT a FROM t WHERE id = 0x1f"},
        {"SELECT a FROM t WHERE id = 1", "SELECT a FROM t WHERE id = '1'"},
        {"SELECT a FROM t WHERE id = 1", "SELECT a FROM t WHERE id = 1 OR 2"},
        {"SELECT a FROM t WHERE id = 1", "SELECT b FROM t WHERE id = 1"},
        {"SELECT a FROM t WHERE s = 'x'", "SELECT a FROM t WHERE s = 'x"},
        {"SELECT a FROM t WHERE s = 'x'", "SELECT a FROM t WHERE s = 'x''"},
        {"SELECT a FROM t WHERE s = 'x'", "SELECT a FROM t WHERE s = 'x'\n'y'"},
        {"SELECT a FROM t WHERE s = E'x'", "SELECT a FROM t WHERE s = E'y'"},
        {"SELECT a FROM t WHERE id IN (1, 2)", "SELECT a FROM t WHERE id IN (1, 2, 3)"},
        {"SELECT a FROM t ORDER BY 2", "SELECT a FROM t ORDER BY 3"},
        {"SELECT a FROM t WHERE id = $1", "SELECT a FROM t WHERE id = $2"},
        {"SELECT 1x1f", "SELECT 0x1f"}, /* "1", "x1f" and one number */
        {"SELECT 1 e5", "SELECT 1e5"},
        {"SELECT a FROM t WHERE id = 1::numeric(10, 2)", "SELECT a FROM t WHERE id = 1::numeric(10, 3)"},
    };
    return cr_make_param_array(struct pair, pairs, sizeof pairs / sizeof pairs[0]);
}

ParameterizedTest(struct pair *pair, sql_template, other_statements_do_not)
{
    struct sql_filling fillings[SQL_LITERALS_MAX];
    cr_assert_not(matches(pair->first, pair->second, fillings), "%s", pair->second);
}

/* What would be read as two statements by somebody who looks at bytes only. */
Test(sql_template, a_semicolon_in_a_string_matches)
{
    struct sql_filling fillings[SQL_LITERALS_MAX];
    cr_assert(matches("SELECT a FROM t WHERE s = 'x' AND k = 5", "SELECT a FROM t WHERE s = '; DROP TABLE t; --' AND k = 6", fillings));
}

Test(sql_template, fillings_are_where_the_literals_are)
{
    static const char text[] = "SELECT a FROM t WHERE s = 'it''s' AND n IS NULL AND x = 1234 LIMIT 7";
    struct sql_filling fillings[SQL_LITERALS_MAX];
    cr_assert(matches("SELECT a FROM t WHERE s = 'x' AND n IS NULL AND x = 1 LIMIT 21", text, fillings));
    cr_assert_eq(fillings[0].size, 7);
    cr_assert_arr_eq(text + fillings[0].start, "'it''s'", 7);
    cr_assert_eq(fillings[1].size, 4);
    cr_assert_arr_eq(text + fillings[1].start, "1234", 4);
    cr_assert_eq(fillings[2].size, 1);
    cr_assert_arr_eq(text + fillings[2].start, "7", 1);
}

/* ---- whatever matches is the same statement ---- */

static uint64_t random_state = 0x9e3779b97f4a7c15u;

static uint32_t random_below(uint32_t limit)
{
    return random_numbers_below(&random_state, limit);
}

static void splice(char *text, size_t at, size_t removed, const char *piece)
{
    size_t size = strlen(text);
    size_t piece_size = strlen(piece);
    if (size - removed + piece_size >= TEXT_SIZE_MAX) return;
    memmove(text + at + piece_size, text + at + removed, size - at - removed + 1);
    memcpy(text + at, piece, piece_size);
}

/* A literal by another one, often of its kind. */
static void exchange(char *text, const struct sql_fingerprint *fingerprint)
{
    static const char *const numbers[] = {"7", "0", "00", "12345678901234567890", "1_0", "0x1f", "1e5", "1.5"};
    static const char *const strings[] = {"'y'", "''", "'a''b'", "''''", "'a;b'", "'/*'", "'--'", "'a'\n'b'", "E'\\''", "'a' 'b'", "'"};
    static const char *const decimals[] = {"1.5", "10.25", "0.0", "1.", ".5", "1.5e3", "1..5"};
    if (fingerprint->literal_count == 0) return;
    const struct sql_literal *literal = &fingerprint->literals[random_below(fingerprint->literal_count)];
    const char *piece = numbers[random_below(sizeof numbers / sizeof numbers[0])];
    if (literal->kind == SQL_LITERAL_STRING) piece = strings[random_below(sizeof strings / sizeof strings[0])];
    if (literal->kind == SQL_LITERAL_DECIMAL) piece = decimals[random_below(sizeof decimals / sizeof decimals[0])];
    splice(text, literal->start, literal->size, piece);
}

/* Literals and what could be glued to one, at a literal's place or anywhere. */
static void mutate(char *text, const struct sql_fingerprint *fingerprint)
{
    static const char *const pieces[] = {"7",       "0",        "12345678901234567890",
                                         "0x1f",    "1.5",      "1e5",
                                         "1_0",     "'y'",      "''",
                                         "'a''b'",  "'a'\n'b'", "-3",
                                         ".5",      "5.",       "'",
                                         "x",       "\n",       "--c\n",
                                         " ",       "/*c*/",    "''''",
                                         "E'\\''",  "null",     "$1",
                                         "'a;b'",   ";",        "(",
                                         ")",       "::int",    ",",
                                         "'/*'",    "'--'",     "00",
                                         "e",       "\"q\"",    "in (1)",
                                         "1 2",     "'a' 'b'",  "_",
                                         "\xc3\xa4"};
    const char *piece = pieces[random_below(sizeof pieces / sizeof pieces[0])];
    uint32_t count = fingerprint->literal_count;
    if (count > 0 && random_below(4) != 0) {
        const struct sql_literal *literal = &fingerprint->literals[random_below(count)];
        uint32_t how = random_below(4);
        size_t removed = how < 2 ? literal->size : 0;
        splice(text, literal->start + (how == 3 ? literal->size : 0), removed, piece);
    } else {
        size_t size = strlen(text);
        size_t at = random_below((uint32_t)size + 1);
        splice(text, at, at < size ? random_below(2) : 0, piece);
    }
}

static void check_literals(const struct made *made, const struct sql_fingerprint *read, const struct sql_filling *fillings,
                           const char *text)
{
    uint32_t hole = 0;
    cr_assert_eq(made->fingerprint.literal_count, read->literal_count, "%s", text);
    for (uint32_t i = 0; i < read->literal_count; i++) {
        const struct sql_literal *is = &read->literals[i];
        struct sql_literal expected = made->fingerprint.literals[i];
        expected.start = is->start;
        if (made->fingerprint.literals[i].kind == SQL_LITERAL_LIST) {
            cr_assert(is->is_plain && hole < made->template.hole_count && made->template.holes[hole].literal == i, "%s", text);
            cr_assert_eq(is->is_array, expected.is_array);
            cr_assert_eq(is->is_rows, expected.is_rows);
        }
        if (hole < made->template.hole_count && made->template.holes[hole].literal == i) {
            expected.start = fillings[hole].start;
            expected.size = fillings[hole].size;
            hole++;
        }
        cr_assert_eq(is->start, expected.start, "%s", text);
        cr_assert_eq(is->size, expected.size, "%s", text);
        cr_assert_eq(is->slot, expected.slot, "%s", text);
        cr_assert_eq(is->number, expected.number, "%s", text);
        cr_assert_eq(is->kind, expected.kind, "%s", text);
        cr_assert_eq(is->token, expected.token, "%s", text);
        cr_assert_eq(is->comparison, expected.comparison, "%s", text);
        cr_assert_eq(is->is_negative, expected.is_negative, "%s", text);
        cr_assert_eq(is->is_paging, expected.is_paging, "%s", text);
    }
}

static uint32_t longest(const struct made *made, const struct sql_filling *fillings)
{
    uint32_t length = made->fingerprint.short_length;
    for (uint32_t i = 0; i < made->template.hole_count; i++) {
        if (fillings[i].length > length) length = fillings[i].length;
    }
    return length;
}

/* One statement, and the same. What it is split by may be anywhere now. */
static void check(const struct made *made, const char *text, const struct sql_filling *fillings)
{
    struct sql_fingerprint_scan scan;
    static struct sql_fingerprint read, more;
    sql_fingerprint_init(&scan, text, strlen(text), SQL_STRINGS_STANDARD, SQL_FINGERPRINT_SCAN_MAX);
    cr_assert(sql_fingerprint_next(&scan, &read), "%s", text);
    cr_assert_not(sql_fingerprint_next(&scan, &more), "%s", text);
    cr_assert_eq(read.hash, made->fingerprint.hash, "%s\n%s", made->template.text, text);
    cr_assert_eq(read.class, made->fingerprint.class);
    cr_assert_eq(read.verb, made->fingerprint.verb);
    cr_assert_eq(read.form, made->fingerprint.form);
    cr_assert_eq(read.slot_count, made->fingerprint.slot_count);
    cr_assert_eq(read.short_length, made->fingerprint.short_length);
    cr_assert_eq(read.list_length > read.row_count ? read.list_length : read.row_count, longest(made, fillings), "%s", text);
    cr_assert_eq(read.is_ignored, made->fingerprint.is_ignored);
    cr_assert_eq(read.has_limit, made->fingerprint.has_limit);
    check_literals(made, &read, fillings, text);
}

static void check_hash(const struct made *made, const char *text)
{
    cr_assert_eq(sql_template_hash(text, strlen(text)), sql_template_hash(made->template.text, made->template.size), "%s", text);
}

Test(sql_template, whatever_matches_is_the_same_statement, .timeout = 7000)
{
    size_t wanted = getenv("PGTURNSTILE_SOAK") != NULL ? 5000000 : 100000;
    size_t matched = 0;
    static struct made made;
    struct sql_filling fillings[SQL_LITERALS_MAX];
    for (size_t i = 0; i < wanted; i++) {
        char first[TEXT_SIZE_MAX + 1];
        char second[TEXT_SIZE_MAX + 1];
        strcpy(first, samples[i % SAMPLE_COUNT]);
        make(&made, first);
        if (!made.is_made) continue;
        if (random_below(2) == 0) {
            mutate(first, &made.fingerprint);
            make(&made, first);
            if (!made.is_made) continue;
        }
        strcpy(second, first);
        if (random_below(2) == 0) {
            exchange(second, &made.fingerprint);
        } else {
            mutate(second, &made.fingerprint);
        }
        if (!sql_template_match(&made.template, second, strlen(second), fillings)) continue;
        matched++;
        check(&made, second, fillings);
        check_hash(&made, second);
    }
    printf("%zu of %zu matched\n", matched, wanted);
    cr_assert_gt(matched, wanted / 20);
}

/* ---- long lists ---- */

static const struct {
    const char *before, *separator, *behind;
} frames[] = {{"select a from t where s = 'x' and b in (", ", ", ") and c = 7"},
              {"select a from t where b in (", ",", ") order by 2 limit 5"},
              {"select a from t where b = any(array[", ", ", "]) and c in (1, 2, 3)"},
              {"insert into t (a, b) values (", "), (", ") returning id"},
              {"insert into t values (1.5, ", "), ('a', ", ")"},
              {"insert into t values (", "),(", ") on conflict do nothing; select 1"},
              {"with w as (values (", "), (", ")) select * from w where a = 5 or a in (1, 2)"}};

static void write_long(char *text, size_t frame)
{
    static const char *const elements[] = {"1",         "'x'",    "-5",          "2.5",  "null",  "true", "'a''b'",
                                           "'1'::date", "7::int", "12345678901", "E'x'", "now()", "$1"};
    uint32_t count = random_below(20) == 0 ? random_below(70) + 1 : 65 + random_below(30);
    uint32_t kinds = random_below(4) == 0 ? sizeof elements / sizeof elements[0] : random_below(10) + 1;
    size_t size = (size_t)sprintf(text, "%s", frames[frame].before);
    for (uint32_t i = 0; i < count; i++)
        size += (size_t)sprintf(text + size, "%s%s", i > 0 ? frames[frame].separator : "", elements[random_below(kinds)]);
    sprintf(text + size, "%s", frames[frame].behind);
}

/* Somewhere else than at a literal, too: a list has many places. */
static void mutate_anywhere(char *text)
{
    static const char *const pieces[] = {"1",    "'",     "''",   ",",    ", ",   "(", ")", " ",  "-", ".",
                                         "null", "::int", "), (", "/**/", "--\n", "]", "x", "\t", ";"};
    size_t size = strlen(text);
    size_t at = random_below((uint32_t)size);
    splice(text, at, random_below(2), pieces[random_below(sizeof pieces / sizeof pieces[0])]);
}

Test(sql_template, whatever_matches_is_the_same_statement_with_long_lists, .timeout = 7000)
{
    size_t wanted = getenv("PGTURNSTILE_SOAK") != NULL ? 2000000 : 20000;
    size_t matched = 0;
    static struct made made;
    static char first[TEXT_SIZE_MAX + 1], second[TEXT_SIZE_MAX + 1];
    struct sql_filling fillings[SQL_LITERALS_MAX];
    for (size_t i = 0; i < wanted; i++) {
        size_t frame = i % (sizeof frames / sizeof frames[0]);
        write_long(first, frame);
        if (random_below(2) == 0) mutate_anywhere(first);
        make(&made, first);
        if (!made.is_made) continue;
        write_long(second, frame);
        if (random_below(2) == 0) mutate_anywhere(second);
        if (!sql_template_match(&made.template, second, strlen(second), fillings)) continue;
        matched++;
        check(&made, second, fillings);

        static char packed[TEXT_SIZE_MAX + 1];
        struct made small = made;
        small.template.text = packed;
        small.template.holes = small.holes;
        small.template.size = sql_template_pack(first, strlen(first), small.holes, made.template.hole_count, packed);
        cr_assert(sql_template_match(&small.template, second, strlen(second), fillings), "%s", second);
    }
    printf("%zu of %zu matched\n", matched, wanted);
    cr_assert_gt(matched, wanted / 20);
}
