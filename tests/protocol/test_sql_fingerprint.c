/* protocol/sql_fingerprint.h. With PGTURNSTILE_BENCH set, `speed` says what a byte costs. */
#include "protocol/sql_fingerprint.h"

#include "protocol/sql_type_name.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct shape_case {
    const char *text;
    const char *canonical;
    enum sql_class class;
};

static const struct shape_case cases[] = {
#define X(text, canonical, class) {text, canonical, class},
#include "tests/protocol/sql_fingerprint_cases.def"
#undef X
};

static const char *const samples[] = {
#define X(text) text,
#include "tests/protocol/sql_samples.def"
#undef X
};

enum { CASE_COUNT = sizeof cases / sizeof cases[0], SAMPLE_COUNT = sizeof samples / sizeof samples[0], DISPLAY_SIZE = 8192 };

struct shape {
    struct sql_fingerprint is;
    char display[DISPLAY_SIZE];
};

/* The first statement, from memory that ends where the text does. False: there is none. */
static bool read_shape(const char *text, size_t size, size_t scan_max, struct shape *shape)
{
    char *copy = malloc(size + (size == 0));
    memcpy(copy, text, size);
    struct sql_fingerprint_scan scan;
    sql_fingerprint_init(&scan, copy, size, SQL_STRINGS_STANDARD, scan_max);
    bool has_statement = sql_fingerprint_next(&scan, &shape->is);
    shape->display[0] = '\0';
    if (has_statement) {
        size_t display_size = sql_fingerprint_display(&scan, &shape->is, shape->display, sizeof shape->display);
        cr_assert_eq(display_size, strlen(shape->display));
    }
    shape->is.name.text = shape->is.name.text != NULL ? "" : NULL;
    free(copy);
    return has_statement;
}

static const struct shape *shape_of(const char *text)
{
    static struct shape shape;
    cr_assert(read_shape(text, strlen(text), SQL_FINGERPRINT_SCAN_MAX, &shape), "no statement: %s", text);
    return &shape;
}

static uint64_t hash_of(const char *text)
{
    return shape_of(text)->is.hash;
}

Test(sql_fingerprint, canonical_texts_and_classes)
{
    for (size_t i = 0; i < CASE_COUNT; i++) {
        const struct shape *shape = shape_of(cases[i].text);
        cr_assert_str_eq(shape->display, cases[i].canonical, "%s\nis:  %s\nnot: %s", cases[i].text, shape->display, cases[i].canonical);
        cr_assert_eq(shape->is.class, cases[i].class, "%s: %s", cases[i].text, sql_class_name(shape->is.class));
    }
}

Test(sql_fingerprint, a_canonical_text_has_the_same_shape)
{
    for (size_t i = 0; i < CASE_COUNT; i++) {
        struct shape shape = *shape_of(cases[i].text);
        const struct shape *again = shape_of(shape.display);
        cr_assert_eq(again->is.hash, shape.is.hash, "%s\n%s\n%s", cases[i].text, shape.display, again->display);
        cr_assert_str_eq(again->display, shape.display);
    }
}

Test(sql_fingerprint, hashes_are_equal_where_canonical_texts_are)
{
    static uint64_t hashes[CASE_COUNT];
    for (size_t i = 0; i < CASE_COUNT; i++) hashes[i] = hash_of(cases[i].text);
    for (size_t i = 0; i < CASE_COUNT; i++) {
        for (size_t j = 0; j < i; j++)
            cr_assert_eq(hashes[i] == hashes[j], strcmp(cases[i].canonical, cases[j].canonical) == 0, "%s\n%s", cases[i].text,
                         cases[j].text);
    }
}

/* ---- what does not change the shape ---- */

struct rewriting {
    const char *separator; /* instead of white space, and between tokens that touch */
    bool is_upper;         /* words in capitals */
    const char *integer, *decimal, *string, *parameter;
};

static const struct rewriting rewritings[] = {
    {.separator = " "},
    {.separator = "\n\t\f\r "},
    {.separator = "/**/"},
    {.separator = " /* a /* nested */ comment ' \" $$ */ "},
    {.separator = " -- line ' \" $$ /* \n"},
    {.separator = " ", .is_upper = true},
    {.separator = " ", .integer = "0", .decimal = "0.5e10", .string = "''", .parameter = "$7"},
    {.separator = " ", .integer = "1234567890123456789012345", .decimal = ".5", .string = "$q$it's; -- x$q$", .parameter = "$65536"},
    {.separator = "/**/", .is_upper = true, .integer = "0x1f", .string = "E'a\\'b'", .parameter = "$1"},
};

static bool is_kept_integer(const struct shape *shape, const struct sql_token_span *token)
{
    for (uint32_t i = 0; i < shape->is.literal_count && i < SQL_LITERALS_MAX; i++) {
        if (shape->is.literals[i].start == token->start) return false;
    }
    return true;
}

/* False: the text cannot be rewritten so. Two strings in a row may join or not; a U& constant has a clause. */
static bool rewrite(const char *text, const struct shape *shape, const struct rewriting *rewriting, char *out)
{
    struct sql_lex lex;
    struct sql_token_span token;
    bool was_string = false;
    out[0] = '\0';
    sql_lex_init(&lex, text, strlen(text), SQL_STRINGS_STANDARD);
    while (sql_lex_next(&lex, &token)) {
        const char *with = NULL;
        size_t size = token.end - token.start;
        bool is_string = token.kind >= SQL_STRING && token.kind <= SQL_HEX_STRING;
        if (is_string && was_string) return false;
        was_string = is_string;
        if (token.kind == SQL_LINE_COMMENT || token.kind == SQL_BLOCK_COMMENT || token.kind == SQL_UNICODE_STRING ||
            token.kind == SQL_UNICODE_QUOTED)
            return false;
        if (token.kind == SQL_INTEGER && !is_kept_integer(shape, &token)) with = rewriting->integer;
        if (token.kind == SQL_NUMBER) with = rewriting->decimal;
        if (is_string && token.kind != SQL_BIT_STRING && token.kind != SQL_HEX_STRING) with = rewriting->string;
        if (token.kind == SQL_PARAMETER) with = rewriting->parameter;
        strcat(out, rewriting->separator);
        if (with != NULL) {
            strcat(out, with);
            continue;
        }
        size_t end = strlen(out);
        for (size_t i = 0; i < size; i++) {
            char c = text[token.start + i];
            bool is_letter = c >= 'a' && c <= 'z';
            out[end + i] = rewriting->is_upper && token.kind == SQL_WORD && is_letter ? (char)(c - 0x20) : c;
        }
        out[end + size] = '\0';
    }
    return true;
}

Test(sql_fingerprint, spaces_comments_case_and_literals_are_no_part_of_the_shape)
{
    static char text[65536];
    size_t count = 0;
    for (size_t i = 0; i < CASE_COUNT; i++) {
        struct shape shape = *shape_of(cases[i].text);
        for (size_t j = 0; j < sizeof rewritings / sizeof rewritings[0]; j++) {
            if (!rewrite(cases[i].text, &shape, &rewritings[j], text)) continue;
            const struct shape *other = shape_of(text);
            cr_assert_eq(other->is.hash, shape.is.hash, "%s\n%s\n%s\n%s", cases[i].text, text, shape.display, other->display);
            cr_assert_eq(other->is.class, shape.is.class);
            cr_assert_eq(other->is.literal_count, shape.is.literal_count);
            count++;
        }
    }
    cr_assert_gt(count, 2500);
}

static const char *const same[][2] = {
    {"select \"a\" from \"t\"", "SELECT a FROM t"},
    {"select * from t where id in (1)", "select * from t where id in (1, 2, 3, 4, 5, 6, 7, 8, 9)"},
    {"select * from t where id in (1, 2)", "select * from t where id in ($1::int, 'x'::text, null)"},
    {"select * from t where (a, b) in ((1, 2))", "select * from t where (a, b) in ((1, 2), ('x', $5), (row(1, 2)))"},
    {"insert into t values (1)", "insert into t values (2), (3), (now())"},
    {"select array[1]", "select array[1, 2, 3]"},
    {"select * from t where a = '1'::int", "select * from t where a = 1"},
    {"select * from t where a = date '2024-01-01'", "select * from t where a = $1"},
    {"select * from t where a = '1'::timestamp(3) with time zone", "select * from t where a = '1'"},
    {"select * from t where a = -5", "select * from t where a = + 5"},
    {"select * from t where a = 'x'", "select * from t where a = true"},
    {"declare a cursor for select 1", "declare b no scroll cursor with hold for select 2"},
    {"prepare a as select 1", "select 2"},
    {"savepoint a", "savepoint b"},
    {"fetch 5 from a", "fetch all in b"},
    {"set a = 5", "set a to default"},
    {"copy t from stdin", "copy t from stdin with (format csv)"},
    {"select 1 /*+ SeqScan(t) */", "select 2 /* a='b' */"},
};

static const char *const different[][2] = {
    {"select * from t where id = 5", "select * from t where id in (5)"},
    {"select * from t where id = any($1)", "select * from t where id in ($1)"},
    {"select * from t where id = any($1)", "select * from t where id = $1"},
    {"select * from t where id = any(array[1])", "select * from t where id = any($1)"},
    {"select * from t where a = 5", "select * from t where b = 5"},
    {"select * from t where a = 5", "select * from t where a > 5"},
    {"select * from t where a = b - 5", "select * from t where a = b + 5"},
    {"select * from t where a is null", "select * from t where a = null"},
    {"select * from t where a is true", "select * from t where a is false"},
    {"select * from t order by 1", "select * from t order by 2"},
    {"select * from t limit 1", "select * from t limit 1 offset 1"},
    {"select \"A\" from t", "select a from t"},
    {"select \"select\" from t", "select select from t"},
    {"select 'a' from t", "select \"a\" from t"},
    {"select a::int from t", "select a::text from t"},
    {"select a::numeric(10, 2) from t", "select a::numeric(10, 3) from t"},
    {"select ab from t", "select a b from t"},
    {"insert into t values (1)", "insert into t values ((select 1))"},
    {"insert into t (a) values (1)", "insert into t (b) values (1)"},
    {"execute a(1)", "execute b(1)"},
    {"set a = 5", "set b = 5"},
    {"set a = 5", "set local a = 5"},
    {"rollback", "rollback to a"},
    {"select a from t", "select a, a from t"},
    {"select aaaaaaaab from t", "select aaaaaaaac from t"},
    {"select aaaaaaaaaaaaaaaaab from t", "select aaaaaaaaaaaaaaaaac from t"},
    {"select aaaaaaaaaaaaaaaaaaaaaaaaaaaaab from t", "select aaaaaaaaaaaaaaaaaaaaaaaaaaaaac from t"},
};

Test(sql_fingerprint, pairs)
{
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
        cr_assert_eq(hash_of(same[i][0]), hash_of(same[i][1]), "%s\n%s", same[i][0], same[i][1]);
    for (size_t i = 0; i < sizeof different / sizeof different[0]; i++)
        cr_assert_neq(hash_of(different[i][0]), hash_of(different[i][1]), "%s\n%s", different[i][0], different[i][1]);
}

/* They are the keys of reports and of baselines in files. */
Test(sql_fingerprint, hashes_never_change)
{
    cr_assert_eq(hash_of("select id from t where user_id = 5 limit 1"), UINT64_C(0x51da58319b5d60ad));
    cr_assert_eq(hash_of("insert into \"Order Lines\" values (1), (2)"), UINT64_C(0x618be9113ea9d57d));
    cr_assert_eq(hash_of("select a_name_of_more_than_twenty_four_bytes from t where b in (1) and c = any(array[2])"),
                 UINT64_C(0xe4e7bc98b09d8437));
}

Test(sql_fingerprint, keywords_keep_their_quotes)
{
    static const char *const keywords[] = {
#define X(name, text, first, middle, before_last, last, flags, class) text,
#include "protocol/sql_keywords.def"
#undef X
    };
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++) {
        char text[64];
        char upper[32] = "";
        sprintf(text, "select \"%s\" from t", keywords[i]);
        cr_assert_str_eq(shape_of(text)->display, text);
        sprintf(text, "select \"%s_\" from t", keywords[i]);
        cr_assert_null(strchr(shape_of(text)->display, '"'), "%s", text);
        for (size_t j = 0; keywords[i][j] != '\0'; j++) upper[j] = keywords[i][j] == '_' ? '_' : (char)(keywords[i][j] & ~0x20);
        struct sql_lex lex;
        struct sql_token_span token;
        sql_lex_init(&lex, upper, strlen(upper), SQL_STRINGS_STANDARD);
        sql_lex_next(&lex, &token);
        cr_assert_str_eq(sql_keywords[sql_token_keyword(&lex, &token)].text, keywords[i]);
    }
}

/* ---- texts of several statements ---- */

struct statements {
    size_t count;
    struct {
        char display[256];
        enum sql_class class;
        uint64_t hash;
        bool is_truncated;
    } items[16];
};

static void read_statements(const char *text, size_t scan_max, struct statements *statements)
{
    struct sql_fingerprint_scan scan;
    struct sql_fingerprint fingerprint;
    struct sql_effect_scan effects;
    struct sql_statement statement;
    sql_fingerprint_init(&scan, text, strlen(text), SQL_STRINGS_STANDARD, scan_max);
    sql_effect_init(&effects, text, strlen(text), SQL_STRINGS_STANDARD);
    for (statements->count = 0; sql_fingerprint_next(&scan, &fingerprint); statements->count++) {
        cr_assert_lt(statements->count, 16);
        size_t i = statements->count;
        sql_fingerprint_display(&scan, &fingerprint, statements->items[i].display, sizeof statements->items[i].display);
        statements->items[i].class = fingerprint.class;
        statements->items[i].hash = fingerprint.hash;
        statements->items[i].is_truncated = fingerprint.is_truncated;
        if (scan_max > strlen(text)) {
            cr_assert(sql_effect_next(&effects, &statement), "%s", text);
            cr_assert_eq(fingerprint.start, statement.start, "%s", text);
            cr_assert_geq(fingerprint.end, statement.end, "%s", text);
        }
    }
    if (scan_max > strlen(text)) cr_assert_not(sql_effect_next(&effects, &statement), "%s", text);
}

static void check_statements(const char *text, const char *const expected[], size_t count)
{
    struct statements statements;
    read_statements(text, SQL_FINGERPRINT_SCAN_MAX, &statements);
    cr_assert_eq(statements.count, count, "%s: %zu", text, statements.count);
    for (size_t i = 0; i < count; i++) cr_assert_str_eq(statements.items[i].display, expected[i]);
}

Test(sql_fingerprint, statements_of_one_text)
{
    static const char *const row_35[] = {"begin", "select $1", "select $1", "commit"};
    static const char *const row_36[] = {"select $1", "select $1"};
    static const char *const function[] = {"create function f() returns int begin atomic select $1 ; select $2 ; end", "select $1"};
    static const char *const nested[] = {"create rule r as on insert to t do (select $1 ; select $2)", "table t"};
    check_statements("BEGIN; SELECT 1; SELECT 2; COMMIT", row_35, 4);
    check_statements("SELECT ';' ; SELECT $$;$$", row_36, 2);
    check_statements("; ;SELECT 1;; -- ;\n/* ; */ SELECT 2 ; ;", row_36, 2);
    check_statements("create function f() returns int begin atomic select 1; select 2; end; select 3", function, 2);
    check_statements("create rule r as on insert to t do (select 1; select 2); table t;", nested, 2);
    check_statements("", NULL, 0);
    check_statements(" ;; \n /* select 1 */ ; -- select 2", NULL, 0);
}

Test(sql_fingerprint, statements_are_cut_as_by_sql_effect)
{
    struct statements statements;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) read_statements(samples[i], SQL_FINGERPRINT_SCAN_MAX, &statements);
}

/* ---- literals ---- */

static const struct sql_literal *literal_of(const char *text, size_t index)
{
    const struct shape *shape = shape_of(text);
    cr_assert_lt(index, shape->is.literal_count, "%s", text);
    return &shape->is.literals[index];
}

static void check_literal(const char *text, size_t index, const char *bytes, enum sql_literal_kind kind, unsigned slot)
{
    const struct sql_literal *literal = literal_of(text, index);
    cr_assert_eq(literal->size, strlen(bytes), "%s: %.*s", text, (int)literal->size, text + literal->start);
    cr_assert_eq(memcmp(text + literal->start, bytes, literal->size), 0, "%s: %.*s", text, (int)literal->size, text + literal->start);
    cr_assert_eq(literal->kind, kind, "%s: %u", text, literal->kind);
    cr_assert_eq(literal->slot, slot, "%s: %u", text, literal->slot);
}

Test(sql_fingerprint, where_literals_are)
{
    const char *text = "select 1, 'b''c', -  2.5, b'1', interval '1' day, TRUE, null, $12, date '2024-01-01'::date, E'x' from t";
    check_literal(text, 0, "1", SQL_LITERAL_INTEGER, 1);
    check_literal(text, 1, "'b''c'", SQL_LITERAL_STRING, 2);
    check_literal(text, 2, "2.5", SQL_LITERAL_DECIMAL, 3);
    cr_assert(literal_of(text, 2)->is_negative);
    check_literal(text, 3, "b'1'", SQL_LITERAL_BITS, 4);
    check_literal(text, 4, "'1'", SQL_LITERAL_INTERVAL, 5);
    check_literal(text, 5, "TRUE", SQL_LITERAL_BOOLEAN, 6);
    check_literal(text, 6, "null", SQL_LITERAL_NULL, 7);
    check_literal(text, 7, "$12", SQL_LITERAL_PARAMETER, 8);
    cr_assert_eq(literal_of(text, 7)->number, 12);
    check_literal(text, 8, "'2024-01-01'", SQL_LITERAL_STRING, 9);
    check_literal(text, 9, "E'x'", SQL_LITERAL_STRING, 10);
    cr_assert_eq(literal_of(text, 9)->token, SQL_ESCAPE_STRING);
    cr_assert_eq(shape_of(text)->is.literal_count, 10);
    cr_assert_eq(shape_of(text)->is.slot_count, 10);
    cr_assert_eq(literal_of("select $99999999999", 0)->number, UINT16_MAX);
}

Test(sql_fingerprint, literals_in_lists_have_no_slot)
{
    const char *text = "select * from t where a = 1 and b in (2, 3) and c = 4";
    check_literal(text, 0, "1", SQL_LITERAL_INTEGER, 1);
    check_literal(text, 1, "2", SQL_LITERAL_INTEGER, 0);
    check_literal(text, 2, "3", SQL_LITERAL_INTEGER, 0);
    check_literal(text, 3, "4", SQL_LITERAL_INTEGER, 2);
    cr_assert_eq(shape_of(text)->is.list_length, 2);
    cr_assert_eq(shape_of(text)->is.slot_count, 2);

    text = "insert into t values (1, 'x'), (2, 'y') on conflict do update set a = 3";
    check_literal(text, 0, "1", SQL_LITERAL_INTEGER, 0);
    check_literal(text, 3, "'y'", SQL_LITERAL_STRING, 0);
    check_literal(text, 4, "3", SQL_LITERAL_INTEGER, 1);
    cr_assert_eq(shape_of(text)->is.row_count, 2);
}

static void check_comparison(const char *text, size_t index, enum sql_comparison comparison, bool is_paging)
{
    const struct sql_literal *literal = literal_of(text, index);
    cr_assert_eq(literal->comparison, comparison, "%s: %zu: %u", text, index, literal->comparison);
    cr_assert_eq(literal->is_paging, is_paging, "%s: %zu", text, index);
}

Test(sql_fingerprint, what_literals_are_compared_with)
{
    const char *text =
        "select * from t where a = 1 and b > 2 and c >= -3 and d < 4 and e <= 5 and f like 'x' and g = any ($1) limit 6 offset 7";
    check_comparison(text, 0, SQL_COMPARISON_EQUAL, false);
    check_comparison(text, 1, SQL_COMPARISON_GREATER, false);
    check_comparison(text, 2, SQL_COMPARISON_GREATER, false);
    check_comparison(text, 3, SQL_COMPARISON_LESS, false);
    check_comparison(text, 4, SQL_COMPARISON_LESS, false);
    check_comparison(text, 5, SQL_COMPARISON_OTHER, false);
    check_comparison(text, 6, SQL_COMPARISON_ANY, false);
    check_comparison(text, 7, SQL_COMPARISON_OTHER, true);
    check_comparison(text, 8, SQL_COMPARISON_OTHER, true);

    text = "select * from t where (a, b) > (1, 2) and c = 3 + 4 order by d fetch first 5 rows only";
    check_comparison(text, 0, SQL_COMPARISON_GREATER, false);
    check_comparison(text, 1, SQL_COMPARISON_GREATER, false);
    check_comparison(text, 2, SQL_COMPARISON_EQUAL, false);
    check_comparison(text, 3, SQL_COMPARISON_OTHER, false);
    check_comparison(text, 4, SQL_COMPARISON_OTHER, true);

    text = "update t set a = 1, (b, c) = (2, 3) from u where d = 4";
    check_comparison(text, 0, SQL_COMPARISON_ASSIGN, false);
    check_comparison(text, 1, SQL_COMPARISON_ASSIGN, false);
    check_comparison(text, 2, SQL_COMPARISON_ASSIGN, false);
    check_comparison(text, 3, SQL_COMPARISON_EQUAL, false);

    text = "select * from t where a <> all ($1) and b <> any ($2) and c = (select d from u where e > 1 limit 2)";
    check_comparison(text, 0, SQL_COMPARISON_OTHER, false);
    check_comparison(text, 1, SQL_COMPARISON_OTHER, false);
    check_comparison(text, 2, SQL_COMPARISON_GREATER, false);
    check_comparison(text, 3, SQL_COMPARISON_OTHER, true);
}

Test(sql_fingerprint, more_literals_than_fit)
{
    char text[4096] = "insert into t values (0";
    for (int i = 1; i < 200; i++) sprintf(text + strlen(text), ", %d", i);
    strcat(text, ")");
    struct shape shape = *shape_of(text);
    cr_assert_eq(shape.is.literal_count, 1);
    cr_assert_eq(shape.is.literals[0].kind, SQL_LITERAL_LIST);
    cr_assert_eq(shape.is.literal_rest, 0);

    char many[4096] = "select a from t where b = 0";
    for (int i = 1; i < 200; i++) sprintf(many + strlen(many), " or b = %d", i);
    shape = *shape_of(many);
    cr_assert_eq(shape.is.literal_count, 200);
    cr_assert_neq(shape.is.literal_rest, 0);
    cr_assert_eq(shape_of(many)->is.literal_rest, shape.is.literal_rest);
    strstr(many, " 150")[1] = '2';
    cr_assert_eq(hash_of(many), shape.is.hash);
    cr_assert_neq(shape_of(many)->is.literal_rest, shape.is.literal_rest);
}

/* ---- what a statement is ---- */

Test(sql_fingerprint, verbs_and_forms)
{
    cr_assert_eq(shape_of("select 1")->is.verb, SQL_VERB_SELECT);
    cr_assert_eq(shape_of("with a as (select 1) insert into t select 2")->is.verb, SQL_VERB_INSERT);
    cr_assert_eq(shape_of("with a as (select 1) update t set b = 2")->is.verb, SQL_VERB_UPDATE);
    cr_assert_eq(shape_of("with a as (select 1), b as (select 2) delete from t")->is.verb, SQL_VERB_DELETE);
    cr_assert_eq(shape_of("merge into t using u on true when matched then delete")->is.verb, SQL_VERB_MERGE);
    cr_assert_eq(shape_of("begin")->is.verb, SQL_VERB_OTHER);
    cr_assert(shape_of("with a as (delete from t returning *) select * from a")->is.has_inner_write);
    cr_assert_not(shape_of("with a as (select 1) select * from a for update")->is.has_inner_write);

    cr_assert_eq(shape_of("select 1")->is.form, SQL_FORM_PLAIN);
    cr_assert_eq(shape_of("prepare a as select 1")->is.form, SQL_FORM_PREPARE);
    cr_assert_eq(shape_of("prepare a (int, numeric(10, 2)) as select $1")->is.verb, SQL_VERB_SELECT);
    cr_assert_eq(shape_of("declare a cursor for select 1")->is.form, SQL_FORM_DECLARE);
    cr_assert_eq(shape_of("execute a(1)")->is.form, SQL_FORM_EXECUTE);
    cr_assert_eq(shape_of("prepare transaction 'a'")->is.form, SQL_FORM_PLAIN);
}

static void check_name(const char *text, const char *name)
{
    struct sql_fingerprint_scan scan;
    struct sql_fingerprint fingerprint;
    char is[SQL_IDENTIFIER_SIZE_MAX + 1];
    sql_fingerprint_init(&scan, text, strlen(text), SQL_STRINGS_STANDARD, SQL_FINGERPRINT_SCAN_MAX);
    cr_assert(sql_fingerprint_next(&scan, &fingerprint));
    cr_assert_not_null(fingerprint.name.text, "%s", text);
    sql_identifier_text(&fingerprint.name, is);
    cr_assert_str_eq(is, name);
}

Test(sql_fingerprint, names_of_statements_and_cursors)
{
    check_name("prepare GET_u as select 1", "get_u");
    check_name("execute \"Get u\"(1)", "Get u");
    check_name("declare \"c 1\" cursor for select 1", "c 1");
    check_name("prepare transaction as select 1", "transaction");
    cr_assert_null(shape_of("select 1")->is.name.text);
    cr_assert_null(shape_of("fetch c")->is.name.text);
}

Test(sql_fingerprint, arguments_of_execute)
{
    const char *text = "execute a(1, -'x', b + 2, null, f(3), '4'::int)";
    cr_assert_eq(literal_of(text, 0)->number, 1);
    cr_assert_eq(literal_of(text, 2)->number, 0); /* the 2 of an expression */
    cr_assert_eq(literal_of(text, 3)->number, 4);
    cr_assert_eq(literal_of(text, 3)->kind, SQL_LITERAL_NULL);
    cr_assert_eq(literal_of(text, 4)->number, 0);
    cr_assert_eq(literal_of(text, 5)->number, 6);
    cr_assert_eq(shape_of(text)->is.literal_count, 6);
    cr_assert_eq(hash_of(text), hash_of("execute a"));
}

static void check_ignored(const char *text, bool is_from_less, bool is_catalog)
{
    const struct shape *shape = shape_of(text);
    cr_assert_eq(shape->is.is_from_less, is_from_less, "%s", text);
    cr_assert_eq(shape->is.is_catalog, is_catalog, "%s", text);
    cr_assert_eq(shape->is.is_ignored, is_from_less || is_catalog, "%s", text);
}

Test(sql_fingerprint, what_says_nothing_about_the_application)
{
    check_ignored("select 1", true, false);
    check_ignored("select version()", true, false);
    check_ignored("select set_config('a', 'b', false)", true, false);
    check_ignored("select pg_is_in_recovery()", true, false);
    check_ignored("select extract(year from now())", true, false);
    check_ignored("select 1 is distinct from 2", true, false);
    check_ignored("(select 1)", true, false);
    check_ignored("select a from t", false, false);
    check_ignored("select (select a from t)", false, false);
    check_ignored("select exists (select 1 from t)", false, false);
    check_ignored("table t", false, false);
    check_ignored("insert into t values (1)", false, false);
    check_ignored("with a as (delete from t returning 1) select 1", false, false);
    check_ignored("set a = 5", false, false);
    check_ignored("select * from pg_catalog.pg_class", false, true);
    check_ignored("select * from \"pg_catalog\".pg_class c join pg_namespace n on true, information_schema.tables", false, true);
    check_ignored("select * from pg_class c, generate_series(1, 5)", false, true);
    check_ignored("select * from pg_class join t on true", false, false);
    check_ignored("select * from t, pg_class", false, false);
    check_ignored("select * from (select * from t) x, pg_class", false, false);
    check_ignored("select * from pg_search_documents", false, false);
    check_ignored("select pg_catalog.f(a) from t", false, false);
    check_ignored("select * from generate_series(1, 5)", false, false);
}

Test(sql_fingerprint, limits)
{
    cr_assert(shape_of("select a from t limit 1")->is.has_limit);
    cr_assert(shape_of("select a from t fetch first row only")->is.has_limit);
    cr_assert(shape_of("((select a from t limit 1))")->is.has_limit);
    cr_assert(shape_of("with x as (select 1) select a from t limit 1")->is.has_limit);
    cr_assert_not(shape_of("select a from t where b in (select c from u limit 1)")->is.has_limit);
    cr_assert_not(shape_of("select \"limit\", t.limit from t")->is.has_limit);
}

/* ---- long texts ---- */

Test(sql_fingerprint, the_limit_cuts_between_tokens)
{
    struct shape shape;
    const char *text = "select abc from t where a = 'xyz' and b in (1, 2, 3) and c = 5";
    uint64_t whole = hash_of(text);
    for (size_t limit = 0; limit < strlen(text); limit++) {
        cr_assert(read_shape(text, strlen(text), limit, &shape));
        cr_assert(shape.is.is_truncated, "%zu", limit);
        cr_assert_eq(shape.is.literal_count, 0);
        cr_assert_neq(shape.is.hash, whole);
        cr_assert_str_eq(shape.display + strlen(shape.display) - 11, "<truncated>");
    }
    cr_assert(read_shape(text, strlen(text), strlen(text), &shape));
    cr_assert_not(shape.is.is_truncated);
    cr_assert_eq(shape.is.hash, whole);

    cr_assert(read_shape(text, strlen(text), strlen("select ab"), &shape));
    cr_assert_str_eq(shape.display, "select <truncated>");
    cr_assert(read_shape(text, strlen(text), strlen("select abc "), &shape));
    cr_assert_str_eq(shape.display, "select abc <truncated>");
    cr_assert(read_shape(text, strlen(text), strlen("select abc from t where a = 'xy"), &shape));
    cr_assert_str_eq(shape.display, "select abc from t where a = <truncated>");
}

Test(sql_fingerprint, lists_of_any_length_are_cut_alike)
{
    static const char *const heads[] = {"select * from t where a in (", "insert into t values (1), (2), (", "select array["};
    struct shape first;
    struct shape second;
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        char text[2000];
        strcpy(text, heads[i]);
        while (strlen(text) < 1900) strcat(text, "1, ");
        cr_assert(read_shape(text, strlen(text), 100, &first));
        cr_assert(read_shape(text, strlen(text), 1234, &second));
        cr_assert_eq(first.is.hash, second.is.hash, "%s", first.display);
    }
}

Test(sql_fingerprint, the_limit_holds_for_several_statements)
{
    struct statements statements;
    read_statements("select 1; select 2; select 3", strlen("select 1; select 2"), &statements);
    cr_assert_eq(statements.count, 2);
    cr_assert_str_eq(statements.items[0].display, "select $1");
    cr_assert_str_eq(statements.items[1].display, "select <truncated>");
    cr_assert_not(statements.items[0].is_truncated);
    read_statements("select 1; select 2; select 3", strlen("select 1; "), &statements);
    cr_assert_eq(statements.count, 2);
    cr_assert_str_eq(statements.items[1].display, "<truncated>");
}

Test(sql_fingerprint, a_display_is_cut_at_a_token)
{
    const char *text = "select abc, def from t where a in (1, 2, 3, 4, 5) and b = 5 and c in (1)";
    const struct shape whole = *shape_of(text);
    struct sql_fingerprint_scan scan;
    struct sql_fingerprint fingerprint;
    sql_fingerprint_init(&scan, text, strlen(text), SQL_STRINGS_STANDARD, SQL_FINGERPRINT_SCAN_MAX);
    cr_assert(sql_fingerprint_next(&scan, &fingerprint));
    for (size_t room = 1; room < 100; room++) {
        char *out = malloc(room);
        size_t size = sql_fingerprint_display(&scan, &fingerprint, out, room);
        cr_assert_eq(size, strlen(out));
        cr_assert_lt(size, room);
        cr_assert_eq(strncmp(out, whole.display, size), 0, "%s", out);
        if (room > strlen(whole.display)) cr_assert_str_eq(out, whole.display);
        free(out);
    }
}

/* Every text of bytes that matter, cut anywhere: no read past the end (the sanitizer sees it), no end but the text's. */
Test(sql_fingerprint, prefixes_of_samples)
{
    struct shape shape;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        for (size_t size = 0; size <= strlen(samples[i]); size++) read_shape(samples[i], size, SQL_FINGERPRINT_SCAN_MAX, &shape);
    }
    for (size_t i = 0; i < CASE_COUNT; i++) {
        for (size_t size = 0; size <= strlen(cases[i].text); size++) {
            if (!read_shape(cases[i].text, size, SQL_FINGERPRINT_SCAN_MAX, &shape)) continue;
            cr_assert_eq(hash_of(shape.display), shape.is.hash, "%.*s\n%s", (int)size, cases[i].text, shape.display);
        }
    }
}

/* ---- linear time, counted in tokens ---- */

/* The linker puts this in front of the function (Makefile.am), so that all calls are seen. */
static size_t calls, bytes;
bool __real_sql_lex_next(struct sql_lex *lex, struct sql_token_span *token_out);
bool __wrap_sql_lex_next(struct sql_lex *lex, struct sql_token_span *token_out);
bool __wrap_sql_lex_next(struct sql_lex *lex, struct sql_token_span *token_out)
{
    size_t start = lex->position;
    bool has_token = __real_sql_lex_next(lex, token_out);
    calls++;
    bytes += lex->position - start;
    return has_token;
}

Test(sql_fingerprint, no_text_takes_more_than_linear_time, .timeout = 300)
{
    static const char *const pieces[] = {"(",
                                         ")",
                                         "[",
                                         "((1),",
                                         "in (",
                                         "in (1,",
                                         "array[",
                                         "values (",
                                         "values (1),(",
                                         "- ",
                                         "+-",
                                         "1::",
                                         "1::a.",
                                         "1::a(1,",
                                         "'x'::",
                                         "date ",
                                         "date '1' ",
                                         "interval '1' ",
                                         "/*",
                                         "/**/",
                                         "- /**/",
                                         "$1",
                                         "$a$",
                                         "'",
                                         "\"",
                                         "U&\"a\" ",
                                         "U&'a' ",
                                         "uescape '!' ",
                                         "select ",
                                         "from a, ",
                                         "with a ",
                                         "order by ",
                                         "limit 1 ",
                                         "1::timestamp with ",
                                         "a.",
                                         "order by 1,",
                                         "timestamp ",
                                         "timestamp with time ",
                                         "(select ",
                                         ";",
                                         "begin atomic ",
                                         "create function ",
                                         "..",
                                         "...",
                                         ":",
                                         "is not null ",
                                         "row(",
                                         "cast(a as ",
                                         "declare a cursor for ",
                                         "prepare a as "};
    enum { SIZE = 60000 };
    char *text = malloc(SIZE + 64);
    struct shape *shape = malloc(sizeof *shape);
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        for (int has_head = 0; has_head < 2; has_head++) {
            size_t size = 0;
            if (has_head) size = (size_t)sprintf(text, "select * from t where a ");
            while (size < SIZE) size += (size_t)sprintf(text + size, "%s", pieces[i]);
            struct sql_lex lex;
            struct sql_token_span token;
            calls = bytes = 0;
            sql_lex_init(&lex, text, size, SQL_STRINGS_STANDARD);
            while (sql_lex_next(&lex, &token)) continue;
            size_t plain_calls = calls;
            calls = bytes = 0;
            read_shape(text, size, SIZE * 2, shape);
            cr_assert_leq(calls, 20 * plain_calls + 20, "%s: %zu calls for %zu tokens", pieces[i], calls, plain_calls);
            cr_assert_leq(bytes, 20 * size, "%s: %zu bytes", pieces[i], bytes);
        }
    }
    free(shape);
    free(text);
}

/* ---- speed ---- */

static double cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static uint64_t sum;

static void fingerprint_once(const char *text, size_t size)
{
    struct sql_fingerprint_scan scan;
    struct sql_fingerprint fingerprint;
    sql_fingerprint_init(&scan, text, size, SQL_STRINGS_STANDARD, SQL_FINGERPRINT_SCAN_MAX);
    sql_fingerprint_next(&scan, &fingerprint);
    sum += fingerprint.hash;
}

static void lex_once(const char *text, size_t size)
{
    struct sql_lex lex;
    struct sql_token_span token;
    sql_lex_init(&lex, text, size, SQL_STRINGS_STANDARD);
    while (__real_sql_lex_next(&lex, &token)) sum += token.end;
}

/* The best of many short runs, since others use the machine too. */
static double best_ns(void (*once)(const char *text, size_t size), const char *text)
{
    enum { RUNS = 200, ROUNDS = 500 };
    double best = 1e9;
    for (int run = 0; run < RUNS; run++) {
        double start = cpu_ns();
        for (int round = 0; round < ROUNDS; round++) once(text, strlen(text));
        double took = (cpu_ns() - start) / ROUNDS;
        if (took < best) best = took;
    }
    return best;
}

Test(sql_fingerprint, speed)
{
    static const char *const texts[] = {
        ("SELECT \"businesses_address\".\"id\", \"businesses_address\".\"street\", \"businesses_address\".\"city\" FROM "
         "\"businesses_address\" WHERE "
         "(\"businesses_address\".\"user_id\" = 4711 AND \"businesses_address\".\"active\" = true) ORDER BY \"businesses_address\".\"id\" "
         "ASC LIMIT 1"),
        "SELECT  \"users\".* FROM \"users\" WHERE \"users\".\"id\" = $1 LIMIT $2",
        "INSERT INTO \"orders\" (\"user_id\", \"total\", \"created_at\") VALUES ($1, $2, $3) RETURNING \"id\"",
        "select u1_0.id,u1_0.created_at,u1_0.email,u1_0.first_name,u1_0.last_name from users u1_0 where u1_0.id=?",
        "SELECT abalance FROM pgbench_accounts WHERE aid = 123456",
        ("UPDATE \"django_session\" SET \"session_data\" = 'gAJ9cQEoVQJ', \"expire_date\" = '2024-01-01T00:00:00+00:00'::timestamptz WHERE "
         "\"django_session\".\"session_key\" = 'abcdefgh'"),
        "SELECT \"t\".\"id\" FROM \"t\" WHERE \"t\".\"id\" IN (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20)",
    };
    if (getenv("PGTURNSTILE_BENCH") == NULL) return;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        double shape_ns = best_ns(fingerprint_once, texts[i]);
        size_t size = strlen(texts[i]);
        printf("%4zu bytes: %6.1f ns, %.2f ns a byte; the tokens alone %6.1f ns\n", size, shape_ns, shape_ns / (double)size,
               best_ns(lex_once, texts[i]));
    }
}
