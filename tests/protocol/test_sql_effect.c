/* protocol/sql_effect.h. With PGTURNSTILE_BENCH set, `speed` says what a byte costs. */
#include "protocol/sql_effect.h"

#include "protocol/sql_suspects.h"
#include "tests/random_numbers.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const samples[] = {
#define X(text) text,
#include "tests/protocol/sql_samples.def"
#undef X
};

struct effect_case {
    const char *text;
    uint32_t effects;
};

#define SET            EFFECT_SET
#define ROLE           EFFECT_ROLE
#define TEMP           EFFECT_TEMP
#define CREATE         EFFECT_CREATE
#define LOCK           EFFECT_ADVISORY_LOCK
#define UNLOCK         EFFECT_ADVISORY_UNLOCK
#define OPAQUE         EFFECT_OPAQUE_CODE
#define OTHER          EFFECT_OTHER
#define CREATE_TEMP    (EFFECT_CREATE | EFFECT_TEMP)
#define CREATE_EXECUTE (EFFECT_CREATE | EFFECT_EXECUTE)

static const struct effect_case cases[] = {
#define X(text, effects) {text, effects},
#include "tests/protocol/sql_effect_cases.def"
#undef X
};

enum { SAMPLE_COUNT = sizeof samples / sizeof samples[0], CASE_COUNT = sizeof cases / sizeof cases[0], NAMES_SIZE = 512 };

static const char *names_of(uint32_t effects, char out[NAMES_SIZE])
{
    out[0] = '\0';
    for (int i = 0; i < SQL_EFFECT_COUNT; i++) {
        if ((effects >> i & 1) == 0) continue;
        strcat(strcat(out, sql_effect_name((enum sql_effect)(1 << i))), ", ");
    }
    return out;
}

static uint32_t effects_of(const char *text)
{
    size_t count;
    return sql_effect_of(text, strlen(text), SQL_STRINGS_STANDARD, &count);
}

static void check_effects(const char *text, uint32_t expected)
{
    char is[NAMES_SIZE];
    char should[NAMES_SIZE];
    uint32_t effects = effects_of(text);
    cr_assert_eq(effects, expected, "%s\nis: %s\nnot: %s", text, names_of(effects, is), names_of(expected, should));
}

Test(sql_effect, effects)
{
    for (size_t i = 0; i < CASE_COUNT; i++) check_effects(cases[i].text, cases[i].effects);
}

/* `text` with each single space that separates tokens replaced; quoted ones are left, and texts with what a comment would hide. */
static void replace_spaces(const char *text, const char *with, char out[2048])
{
    struct sql_lex lex;
    struct sql_token_span token;
    size_t end = 0;
    out[0] = '\0';
    sql_lex_init(&lex, text, strlen(text), SQL_STRINGS_STANDARD);
    while (sql_lex_next(&lex, &token)) {
        if (token.start > end) strcat(out, with);
        strncat(out, text + token.start, token.end - token.start);
        end = token.end;
    }
}

Test(sql_effect, spelling_does_not_matter)
{
    for (size_t i = 0; i < CASE_COUNT; i++) {
        char text[2048];
        const char *original = cases[i].text;
        if (strstr(original, "--") == NULL) {
            replace_spaces(original, "/*;*/", text);
            check_effects(text, cases[i].effects);
        }
        replace_spaces(original, "\n--'\"$$/*\r\n", text);
        check_effects(text, cases[i].effects);

        if (strpbrk(original, "\"'$") == NULL) {
            for (size_t at = 0; original[at] != '\0'; at++) text[at] = (char)toupper((unsigned char)original[at]);
            text[strlen(original)] = '\0';
            check_effects(text, cases[i].effects);
            for (size_t at = 0; original[at] != '\0'; at++) text[at] = (char)tolower((unsigned char)original[at]);
            check_effects(text, cases[i].effects);
        }
    }
}

Test(sql_effect, neighbours_do_not_hide_an_effect)
{
    static const char *const before[] = {"SELECT 1;",
                                         "BEGIN; ",
                                         ";;",
                                         "UPDATE t SET a = 'x;' ;",
                                         "/* /* */ */ -- \n",
                                         "CREATE VIEW v AS SELECT (1); ",
                                         "SELECT $a$ ' $a$, \"'\" ; "};
    static const char *const after[] = {"\n;", "\n; SELECT 1", "\n ; COMMIT ;", "\n /* x */ ;\n;", " -- SELECT"};
    for (size_t i = 0; i < CASE_COUNT; i++) {
        char text[2048];
        for (size_t j = 0; j < sizeof before / sizeof before[0]; j++) {
            for (size_t k = 0; k < sizeof after / sizeof after[0]; k++) {
                snprintf(text, sizeof text, "%s%s%s", before[j], cases[i].text, after[k]);
                uint32_t around = effects_of(before[j]) | (strstr(after[k], "COMMIT") != NULL ? EFFECT_COMMIT : 0);
                check_effects(text, cases[i].effects | around);
            }
        }
    }
}

/* ---- statements ---- */

struct statement_case {
    const char *text;
    const char *statements[5]; /* up to the first NULL */
};

Test(sql_effect, statements)
{
    static const struct statement_case splits[] = {
        {"", {NULL}},
        {" ; ;; -- x\n /* y */", {NULL}},
        {"SELECT 1", {"SELECT 1"}},
        {" /* a */ SELECT 1 /* b */ ; -- c", {"SELECT 1"}},
        {"SELECT 1; SELECT 2;", {"SELECT 1", "SELECT 2"}},
        {"SELECT ';' ; SELECT $$;$$", {"SELECT ';'", "SELECT $$;$$"}},
        {"a;(b;c);d", {"a", "(b;c)", "d"}},
        {"a);b", {"a)", "b"}},
        {"a(;b", {"a(;b"}},
        {"CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN a THEN 1 ELSE 2 END; SELECT 1 AS end, 2 AS case; END; SELECT 3",
         {"CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN a THEN 1 ELSE 2 END; SELECT 1 AS end, 2 AS case; END",
          "SELECT 3"}},
        {"CREATE FUNCTION begin() RETURNS int AS 'x'; SELECT CASE WHEN a THEN b END; END",
         {"CREATE FUNCTION begin() RETURNS int AS 'x'", "SELECT CASE WHEN a THEN b END", "END"}},
        {"BEGIN; SELECT 1; END; x", {"BEGIN", "SELECT 1", "END", "x"}},
        {"'a;b", {"'a;b"}},
    };
    for (size_t i = 0; i < sizeof splits / sizeof splits[0]; i++) {
        const char *text = splits[i].text;
        struct sql_effect_scan scan;
        struct sql_statement statement;
        size_t count = 0;
        sql_effect_init(&scan, text, strlen(text), SQL_STRINGS_STANDARD);
        while (sql_effect_next(&scan, &statement)) {
            const char *expected = splits[i].statements[count++];
            cr_assert_not_null(expected, "%s", text);
            cr_assert_eq(statement.end - statement.start, strlen(expected), "%s: %.*s", text, (int)(statement.end - statement.start),
                         text + statement.start);
            cr_assert_eq(strncmp(text + statement.start, expected, strlen(expected)), 0, "%s", text);
        }
        cr_assert_null(splits[i].statements[count], "%s", text);
        cr_assert_not(sql_effect_next(&scan, &statement));
        size_t counted;
        sql_effect_of(text, strlen(text), SQL_STRINGS_STANDARD, &counted);
        cr_assert_eq(counted, count, "%s", text);
    }
}

Test(sql_effect, names_and_bodies)
{
    static const struct {
        const char *text, *name, *body; /* name "*": is_all */
    } named[] = {
        {"PREPARE Q AS SELECT 1", "q", "SELECT 1"},
        {"PREPARE \"Q\" (int, numeric(1, 2)) AS /* x */ SELECT 1 AS x; SELECT 2", "Q", "SELECT 1 AS x"},
        {"PREPARE U&\"d!0061\" UESCAPE '!' (int) AS SELECT 1", "da", "SELECT 1"},
        {"PREPARE transaction (int) AS SELECT 1", "transaction", "SELECT 1"},
        {"PREPARE q AS", "q", ""},
        {"PREPARE TRANSACTION 'x'", "", ""},
        {"EXECUTE Q", "q", ""},
        {"EXECUTE \"Q\" ( 1, 'x;' ) ; y", "Q", "( 1, 'x;' )"},
        {"EXPLAIN (ANALYZE) EXECUTE q(1)", "q", "(1)"},
        {"CREATE TABLE t AS EXECUTE q (1) WITH NO DATA", "q", "(1) WITH NO DATA"},
        {"DEALLOCATE \"a b\"", "a b", ""},
        {"DEALLOCATE PREPARE Q", "q", ""},
        {"DEALLOCATE prepare", "prepare", ""},
        {"DEALLOCATE PREPARE prepare;", "prepare", ""},
        {"DEALLOCATE ALL", "*", ""},
        {"DEALLOCATE PREPARE ALL", "*", ""},
        {"DEALLOCATE \"all\"", "all", ""},
        {"LISTEN Chan", "chan", ""},
        {"LISTEN \"Chan\"", "Chan", ""},
        {"LISTEN U&\"\\0043han\"", "Chan", ""},
        {"UNLISTEN Chan", "chan", ""},
        {"UNLISTEN *", "*", ""},
        {"DECLARE \"C\" CURSOR WITH HOLD FOR SELECT 1", "C", ""},
        {"CLOSE C", "c", ""},
        {"CLOSE ALL", "*", ""},
        {"SAVEPOINT \"s1_x\"", "s1_x", ""},
        {"RELEASE SAVEPOINT s", "s", ""},
        {"RELEASE savepoint", "savepoint", ""},
        {"RELEASE s", "s", ""},
        {"ROLLBACK TO SAVEPOINT S", "s", ""},
        {"ROLLBACK WORK TO \"S\"", "S", ""},
        {"EXECUTE", "", ""},
        {"LISTEN 5", "", ""},
        {"SELECT 1", "", ""},
    };
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++) {
        const char *text = named[i].text;
        struct sql_effect_scan scan;
        struct sql_statement statement;
        char name[SQL_IDENTIFIER_SIZE_MAX + 1] = "";
        sql_effect_init(&scan, text, strlen(text), SQL_STRINGS_STANDARD);
        cr_assert(sql_effect_next(&scan, &statement));
        if (statement.name.text != NULL) sql_identifier_text(&statement.name, name);
        cr_assert_str_eq(statement.is_all ? "*" : name, named[i].name, "%s", text);
        cr_assert_eq(statement.end - statement.body, strlen(named[i].body), "%s: %.*s", text, (int)(statement.end - statement.body),
                     text + statement.body);
        cr_assert_eq(strncmp(text + statement.body, named[i].body, strlen(named[i].body)), 0, "%s", text);
    }
}

/* ---- any text ---- */

/* The scan stays within `size` bytes, and the short way of sql_effect_of says the same as the scan. */
static void check_any(const char *text, size_t size, enum sql_strings strings)
{
    char *copy = malloc(size > 0 ? size : 1);
    struct sql_effect_scan scan;
    struct sql_statement statement;
    size_t count = 0;
    size_t counted;
    size_t end = 0;
    uint32_t effects = 0;
    memcpy(copy, text, size);
    sql_effect_init(&scan, copy, size, strings);
    while (sql_effect_next(&scan, &statement)) {
        cr_assert(statement.start >= end && statement.end > statement.start && statement.end <= size);
        cr_assert(statement.body >= statement.start && statement.body <= statement.end);
        if (statement.name.text != NULL)
            cr_assert(statement.name.text >= copy + statement.start && statement.name.text + statement.name.size <= copy + statement.end);
        end = statement.end;
        effects |= statement.effects;
        count++;
    }
    cr_assert_eq(sql_effect_of(copy, size, strings, &counted), effects, "%.*s", (int)size, copy);
    cr_assert_eq(counted, count, "%.*s", (int)size, copy);
    free(copy);
}

static void check_truncations(const char *text)
{
    size_t size = strlen(text);
    for (size_t cut = 0; cut <= size; cut++) {
        check_any(text, cut, SQL_STRINGS_STANDARD);
        check_any(text + cut, size - cut, SQL_STRINGS_STANDARD);
        check_any(text, cut, SQL_STRINGS_BACKSLASH);
    }
}

Test(sql_effect, every_truncation)
{
    for (size_t i = 0; i < SAMPLE_COUNT; i++) check_truncations(samples[i]);
    for (size_t i = 0; i < CASE_COUNT; i++) check_truncations(cases[i].text);
}

static uint64_t random_state = 88172645463325252u;

static uint32_t random_below(uint32_t limit)
{
    return random_numbers_below(&random_state, limit);
}

Test(sql_effect, words_thrown_together)
{
    static const char *const words[] = {
#define X(name, text, first, before_last, last, role, effects) text,
#include "protocol/sql_words.def"
#undef X
        ";",
        "(",
        ")",
        ";",
        ",",
        "=",
        ".",
        "*",
        "'x'",
        "\"y\"",
        "U&\"z\"",
        "x",
        "1",
        "/**/",
        "--\n",
        "",
        "select",
        "from",
        "where",
        "id",
        "$1",
        "table"
    };
    for (int i = 0; i < 100000; i++) {
        char text[1024] = "";
        for (uint32_t count = random_below(12); count > 0; count--) {
            strcat(text, words[random_below(sizeof words / sizeof words[0])]);
            if (random_below(5) > 0) strcat(text, " ");
        }
        check_any(text, strlen(text), SQL_STRINGS_STANDARD);
    }
}

Test(sql_effect, long_runs_take_linear_time, .timeout = 60)
{
    static const char *const units[] = {
        "(", "a;", ";", "(;", "begin atomic ", "create ", "explain ", "explain(", "case ", "u&\"a\" uescape ", "set ", "into temp "};
    enum { SIZE = 1000000 };
    char *text = malloc(SIZE);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        size_t unit = strlen(units[i]);
        for (size_t at = 0; at < SIZE; at++) text[at] = units[i][at % unit];
        check_any(text, SIZE, SQL_STRINGS_STANDARD);
    }
    free(text);
}

/* ---- the tables ---- */

Test(sql_effect, words_are_where_their_letters_say)
{
    static const struct {
        const char *text;
        char first, before_last, last;
        bool is_name;
    } words[] = {
#define ROLE_VERB                                              false
#define ROLE_KEYWORD                                           false
#define ROLE_NAME                                              true
#define X(name, text, first, before_last, last, role, effects) {text, first, before_last, last, role},
#include "protocol/sql_words.def"
#undef X
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        const char *text = words[i].text;
        size_t size = strlen(text);
        cr_assert(size >= 2 && size <= 35, "%s", text); /* WORD_SIZE_MIN, WORD_SIZE_MAX */
        cr_assert(text[0] == words[i].first && text[size - 2] == words[i].before_last && text[size - 1] == words[i].last, "%s", text);
        for (const char *at = text; *at != '\0'; at++) cr_assert(islower((unsigned char)*at) || *at == '_', "%s", text);
        if (!words[i].is_name || strcmp(text, "session_authorization") == 0) continue; /* that one matters behind SET only */
        for (size_t before = 0; before < 40; before++) {
            char padded[128];
            memset(padded, 'x', before);
            for (size_t j = 0; j <= size; j++) padded[before + j] = (char)toupper((unsigned char)text[j]);
            cr_assert(sql_suspects_are_in(padded, before + size), "%s", text);
        }
    }
}

Test(sql_effect, suspects)
{
    static const char *const suspects[] = {";",       "&",    "into", "INTO", "pg_ad", "PG_Try", "pg_te", "pG_set",
                                           "pg_star", "set_", "setS", "to_x", "ts_s",  "Ts_R",   "dbli"};
    static const char *const innocents[] = {"int",   "o",   "pg",  "set",      "set x",          "to_",     "ts_",           "dbl",
                                            "tos_x", "pq_", "pg_", "pg_class", "PG_CATALOG.pg_", "pg_stat", "pg_constraint", "pg_trigger",
                                            "in to", "[;"};
    for (size_t before = 0; before < 50; before++) {
        for (size_t after = 0; after < 50; after += 7) {
            char text[128];
            memset(text, '.', sizeof text);
            for (size_t i = 0; i < sizeof suspects / sizeof suspects[0]; i++) {
                size_t size = strlen(suspects[i]);
                memset(text, '.', sizeof text);
                memcpy(text + before, suspects[i], size);
                cr_assert(sql_suspects_are_in(text, before + size + after), "%s at %zu", suspects[i], before);
                cr_assert_not(sql_suspects_are_in(text, before + size - 1), "%s at %zu", suspects[i], before);
            }
            for (size_t i = 0; i + 1 < sizeof innocents / sizeof innocents[0]; i++) {
                memset(text, '.', sizeof text);
                memcpy(text + before, innocents[i], strlen(innocents[i]));
                cr_assert_not(sql_suspects_are_in(text, before + strlen(innocents[i]) + after), "%s at %zu", innocents[i], before);
            }
        }
    }
    cr_assert_not(sql_suspects_are_in(NULL, 0));
}

/* Two scans of one text, of which one reads every token: they find the same statements. */
static void assert_nothing_is_missed(const char *text, size_t size, enum sql_strings strings)
{
    struct sql_effect_scan quick, thorough;
    struct sql_statement some, all;
    sql_effect_init(&quick, text, size, strings);
    sql_effect_init(&thorough, text, size, strings);
    thorough.is_thorough = true;
    for (;;) {
        bool is_more = sql_effect_next(&thorough, &all);
        cr_assert_eq(sql_effect_next(&quick, &some), is_more, "%.*s", (int)size, text);
        if (!is_more) return;
        cr_assert(some.effects == all.effects && some.start == all.start && some.end == all.end && some.is_all == all.is_all &&
                      some.name.text == all.name.text && some.name.size == all.name.size && some.body == all.body,
                  "at %zu of %.*s", all.start, (int)size, text);
    }
}

static const char *const thrown_in[] = {";",   "; ",    "(",  ")",   "'",  "''",  "\"", "\\",   "E'",  "U&'", "$1",
                                        "$$",  "$a$",   "--", "/*",  "*/", "\n",  "-",  "into", "set", "as",  "cut",
                                        "end", "begin", "a",  "q\"", "||", "- 1", "1;", " ",    ".",   "&",   "x'"};

/* Samples, one behind the other, with marks thrown in. */
Test(sql_effect, what_is_skipped_has_no_effect, .timeout = 60)
{
    enum { TEXTS = 60000, TEXT_MAX = 4096 };
    static char text[TEXT_MAX];
    uint64_t random = 1;
    for (int i = 0; i < TEXTS; i++) {
        size_t size = 0;
        for (int parts = 1 + (int)(random % 4); parts > 0; parts--) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
            const char *sample = samples[(random >> 33) % SAMPLE_COUNT];
            size_t sample_size = strlen(sample);
            if (sample_size + 2 > TEXT_MAX - size) break;
            memcpy(text + size, sample, sample_size);
            size += sample_size;
            text[size++] = ';';
        }
        for (int marks = (int)(random >> 60) % 4; marks > 0; marks--) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
            const char *mark = thrown_in[(random >> 33) % (sizeof thrown_in / sizeof thrown_in[0])];
            size_t at = (size_t)(random >> 40) % (size + 1), mark_size = strlen(mark);
            if (mark_size > TEXT_MAX - size) break;
            memmove(text + at + mark_size, text + at, size - at);
            memcpy(text + at, mark, mark_size);
            size += mark_size;
        }
        assert_nothing_is_missed(text, size, i % 2 ? SQL_STRINGS_STANDARD : SQL_STRINGS_BACKSLASH);
    }
}

Test(sql_effect, every_effect_has_a_name)
{
    for (int i = 0; i < SQL_EFFECT_COUNT; i++) cr_assert_str_neq(sql_effect_name((enum sql_effect)(1 << i)), "?");
    cr_assert_str_eq(sql_effect_name(EFFECT_ADVISORY_LOCK), "advisory lock");
    cr_assert_leq(SQL_EFFECT_COUNT, 31);
}

/* ---- speed ---- */

static double cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static size_t count_tokens(const char *text, size_t size)
{
    struct sql_lex lex;
    struct sql_token_span token;
    size_t count = 0;
    sql_lex_init(&lex, text, size, SQL_STRINGS_STANDARD);
    while (sql_lex_next(&lex, &token)) count++;
    return count;
}

/* The best of many short rounds: what other programs on the machine take does not count. */
Test(sql_effect, speed, .timeout = 600)
{
    if (getenv("PGTURNSTILE_BENCH") == NULL) return;
    enum { ROUNDS = 300, REPEATS = 100 };
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        const char *text = samples[i];
        size_t size = strlen(text);
        if (size < 100) continue;
        double scan_ns = 1e18;
        double effect_ns = 1e18;
        size_t tokens = 0;
        volatile uint32_t effects = 0;
        for (int round = 0; round < ROUNDS; round++) {
            double start = cpu_ns();
            for (int j = 0; j < REPEATS; j++) tokens = count_tokens(text, size);
            double middle = cpu_ns();
            size_t count;
            for (int j = 0; j < REPEATS; j++) effects = effects | sql_effect_of(text, size, SQL_STRINGS_STANDARD, &count);
            double end = cpu_ns();
            if (middle - start < scan_ns) scan_ns = middle - start;
            if (end - middle < effect_ns) effect_ns = end - middle;
        }
        double bytes = (double)size * REPEATS;
        fprintf(stderr, "%4zu bytes, %3zu tokens: sql_lex %.2f ns a byte, sql_effect %.2f ns a byte: %.50s\n", size, tokens,
                scan_ns / bytes, effect_ns / bytes, text);
    }
}
