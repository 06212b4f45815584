/*
 * protocol/sql_effect.h beside libpg_query, which is PostgreSQL 15's own parser in a library: of a statement that parses, every effect that its
 * tree shows must have been reported, and there are as many statements as the parser finds. 200,000 mutated statements; with
 * PGTURNSTILE_SOAK set ten million. PGTURNSTILE_SEED makes it other ones.
 */
#include "protocol/sql_effect.h"
#include "tests/random_numbers.h"

#include <criterion/criterion.h>
#include <pg_query.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const samples[] = {
#define X(text, effects) text,
#include "tests/protocol/sql_effect_cases.def"
#undef X
#define X(text) text,
#include "tests/protocol/sql_samples.def"
#undef X
};

enum { SAMPLE_COUNT = sizeof samples / sizeof samples[0], TEXT_SIZE_MAX = 2000 };

/* ---- what the tree shows ---- */

/* What a piece of the tree stands for. A literal's quotes are escaped there, so none of these is ever part of one. */
static const struct {
    const char *piece;
    uint32_t effects;
} shown[] = {
    {"\"ListenStmt\":{", EFFECT_LISTEN},
    {"\"UnlistenStmt\":{", EFFECT_UNLISTEN},
    {"\"relpersistence\":\"t\"", EFFECT_TEMP},
    {"\"schemaname\":\"pg_temp\"", EFFECT_TEMP},
    {"\"CreateStmt\":{", EFFECT_CREATE},
    {"\"CreateTableAsStmt\":{", EFFECT_CREATE},
    {"\"ViewStmt\":{", EFFECT_CREATE},
    {"\"intoClause\":{", EFFECT_CREATE},
    {"\"DropStmt\":{", EFFECT_DROP},
    {"\"ClosePortalStmt\":{", EFFECT_CLOSE},
    {"\"PrepareStmt\":{", EFFECT_PREPARE},
    {"\"ExecuteStmt\":{", EFFECT_EXECUTE},
    {"\"DeallocateStmt\":{", EFFECT_DEALLOCATE},
    {"\"LoadStmt\":{", EFFECT_LOAD},
    {"\"target\":\"DISCARD_ALL\"", EFFECT_DISCARD_ALL},
    {"\"target\":\"DISCARD_PLANS\"", EFFECT_DISCARD_OTHER},
    {"\"target\":\"DISCARD_SEQUENCES\"", EFFECT_DISCARD_OTHER},
    {"\"target\":\"DISCARD_TEMP\"", EFFECT_DISCARD_OTHER},
    {"\"DoStmt\":{", EFFECT_OPAQUE_CODE},
    {"\"CallStmt\":{", EFFECT_OPAQUE_CODE},
    {"\"CreateExtensionStmt\":{", EFFECT_OPAQUE_CODE},
    {"\"AlterExtensionStmt\":{", EFFECT_OPAQUE_CODE},
    {"\"TRANS_STMT_BEGIN\"", EFFECT_BEGIN},
    {"\"TRANS_STMT_START\"", EFFECT_BEGIN},
    {"\"TRANS_STMT_COMMIT\"", EFFECT_COMMIT},
    {"\"TRANS_STMT_PREPARE\"", EFFECT_COMMIT},
    {"\"TRANS_STMT_ROLLBACK\"", EFFECT_ROLLBACK},
    {"\"TRANS_STMT_SAVEPOINT\"", EFFECT_SAVEPOINT},
    {"\"TRANS_STMT_RELEASE\"", EFFECT_RELEASE},
    {"\"TRANS_STMT_ROLLBACK_TO\"", EFFECT_ROLLBACK_TO},
    {"\"CopyStmt\":{", EFFECT_COPY},
};

/* Names of functions; with a UESCAPE clause they are reported as opaque. */
static const struct {
    const char *piece;
    uint32_t effects;
} functions[] = {
    {"{\"String\":{\"sval\":\"set_config\"}}]", EFFECT_SET | EFFECT_OPAQUE_CODE},
    {"{\"String\":{\"sval\":\"pg_advisory_lock\"}}]", EFFECT_ADVISORY_LOCK | EFFECT_OPAQUE_CODE},
    {"{\"String\":{\"sval\":\"pg_try_advisory_lock_shared\"}}]", EFFECT_ADVISORY_LOCK | EFFECT_OPAQUE_CODE},
    {"{\"String\":{\"sval\":\"pg_advisory_unlock_all\"}}]", EFFECT_ADVISORY_UNLOCK | EFFECT_OPAQUE_CODE},
    {"{\"String\":{\"sval\":\"setseed\"}}]", EFFECT_OTHER | EFFECT_OPAQUE_CODE},
};

/* The object that begins at `open`, a brace: copied, so that it can be searched by itself. */
static void copy_object(const char *open, char *out, size_t capacity)
{
    size_t depth = 0;
    size_t size = 0;
    bool is_quoted = false;
    do {
        char byte = open[size];
        cr_assert(byte != '\0' && size + 2 < capacity);
        if (byte == '\\') {
            out[size] = byte;
            size++;
        } else if (byte == '"') {
            is_quoted = !is_quoted;
        } else if (!is_quoted) {
            if (byte == '{') depth++;
            if (byte == '}') depth--;
        }
        out[size] = open[size];
        size++;
    } while (depth > 0);
    out[size] = '\0';
}

static uint32_t effect_of_set(const char *object)
{
    bool is_role = strstr(object, "\"name\":\"role\"") != NULL || strstr(object, "\"name\":\"session_authorization\"") != NULL;
    if (strstr(object, "\"kind\":\"VAR_SET_MULTI\",\"name\":\"TRANSACTION") != NULL) return 0;
    if (strstr(object, "\"is_local\":true") != NULL) return EFFECT_SET_LOCAL;
    return is_role ? EFFECT_ROLE : EFFECT_SET;
}

/* The statements within the definition of a function are not run. Names the effects that are missing in `reported`. */
static uint32_t missing_effects(const char *tree, uint32_t reported)
{
    static char object[65536];
    uint32_t missing = 0;
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
        if (strstr(tree, shown[i].piece) != NULL) missing |= shown[i].effects & ~reported;
    }
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        if (strstr(tree, functions[i].piece) != NULL && (reported & functions[i].effects) == 0) missing |= functions[i].effects;
    }
    static const char set[] = "\"stmt\":{\"VariableSetStmt\":";
    for (const char *at = strstr(tree, set); at != NULL; at = strstr(at + 1, set)) {
        copy_object(at + sizeof set - 1, object, sizeof object);
        missing |= effect_of_set(object) & ~reported;
    }
    static const char declare[] = "\"DeclareCursorStmt\":";
    for (const char *at = strstr(tree, declare); at != NULL; at = strstr(at + 1, declare)) {
        const char *options = strstr(at, "\"options\":");
        if (options != NULL && (atoi(options + 10) & 0x20) != 0) missing |= EFFECT_CURSOR_HOLD & ~reported; /* CURSOR_OPT_HOLD */
    }
    static const char update[] = "\"UpdateStmt\":{\"relation\":";
    for (const char *at = strstr(tree, update); at != NULL; at = strstr(at + 1, update)) {
        copy_object(at + sizeof update - 1, object, sizeof object);
        if (strstr(object, "\"relname\":\"pg_settings\"") != NULL && (reported & (EFFECT_SET | EFFECT_OPAQUE_CODE)) == 0)
            missing |= EFFECT_SET;
    }
    return missing;
}

static size_t count_statements(const char *tree)
{
    size_t count = 0;
    for (const char *at = strstr(tree, "{\"stmt\":{"); at != NULL; at = strstr(at + 1, "{\"stmt\":{")) count++;
    return count;
}

struct tally {
    size_t compared, refused;
};

static void compare(const char *text, struct tally *tally)
{
    PgQueryParseResult result = pg_query_parse(text);
    if (result.error != NULL) {
        tally->refused++;
        pg_query_free_parse_result(result);
        return;
    }
    size_t count;
    uint32_t reported = sql_effect_of(text, strlen(text), SQL_STRINGS_STANDARD, &count);
    uint32_t missing = missing_effects(result.parse_tree, reported);
    for (int i = 0; i < SQL_EFFECT_COUNT; i++) {
        if ((missing >> i & 1) != 0) printf("missing: %s\n", sql_effect_name((enum sql_effect)(1 << i)));
    }
    cr_assert_eq(missing, 0, "%s", text);
    /* CASE and END as labels without AS are taken for what they seem. */
    if (strstr(result.parse_tree, "CreateFunctionStmt") == NULL)
        cr_assert_eq(count, count_statements(result.parse_tree), "%zu statements, not %zu: %s", count, count_statements(result.parse_tree),
                     text);
    pg_query_free_parse_result(result);
    tally->compared++;
}

/* ---- mutations ---- */

static uint64_t random_state;

static uint32_t random_below(uint32_t limit)
{
    return random_numbers_below(&random_state, limit);
}

static const char *random_sample(void)
{
    return samples[random_below(SAMPLE_COUNT)];
}

static const char *random_word(void)
{
    static const char *const words[] = {
#define X(name, text, first, before_last, last, role, effects) text,
#include "protocol/sql_words.def"
#undef X
        "x",
        "\"y\"",
        "1",
        "'z'",
        "(",
        ")",
        ";",
        ",",
        ".",
        "=",
        "*",
        "to",
        "U&\"\\0073et_config\"(1)",
        "as",
        "table",
        "from",
        "on",
        "commit",
        "set_config(1,2,3)",
        "pg_temp.t",
        "\"set\"",
        "/* ; */",
        "--\n",
        "view",
        "cursor",
        "for",
        "values",
        "merge",
        "$1",
        "$$;$$"
    };
    return words[random_below(sizeof words / sizeof words[0])];
}

static void append(char *text, const char *piece, size_t size)
{
    size_t used = strlen(text);
    if (size >= TEXT_SIZE_MAX - used) return;
    memcpy(text + used, piece, size);
    text[used + size] = '\0';
}

/* The tokens of `source`: some left out, doubled or replaced, with other things between them. */
static void append_mutated(char *text, const char *source, uint32_t rarity)
{
    static const char *const gaps[] = {" ", "\n", "/**/", " -- ;'\n", "\t/* \" */ "};
    struct sql_lex lex;
    struct sql_token_span token;
    sql_lex_init(&lex, source, strlen(source), SQL_STRINGS_STANDARD);
    while (sql_lex_next(&lex, &token)) {
        uint32_t what = random_below(rarity);
        const char *other = random_word();
        if (what != 0 && what != 1) append(text, source + token.start, token.end - token.start);
        if (what == 1 || what == 2) append(strcat(text, " "), other, strlen(other));
        const char *gap = gaps[random_below(8) == 0 ? random_below(5) : 0];
        append(text, gap, strlen(gap));
    }
}

static void append_wrapped(char *text, const char *statement)
{
    static const char *const wraps[][2] = {
        {"", ""},
        {"", ""},
        {"", ""},
        {"EXPLAIN ANALYZE ", ""},
        {"EXPLAIN (ANALYZE, COSTS off) ", ""},
        {"EXPLAIN VERBOSE (", ")"},
        {"PREPARE p (int) AS ", ""},
        {"CREATE TABLE made AS ", ""},
        {"CREATE TEMP VIEW made AS ", ""},
        {"WITH cte AS (", ") SELECT 1"},
        {"WITH cte AS (SELECT 1) ", ""},
        {"SELECT (", ")"},
        {"(", ")"},
        {"COPY (", ") TO STDOUT"},
        {"DECLARE c CURSOR WITH HOLD FOR ", ""},
        {"CREATE RULE r AS ON INSERT TO t DO ALSO (SELECT 1; ", "; SELECT 2)"},
        {"CREATE FUNCTION f() RETURNS int BEGIN ATOMIC ", "; END"},
        {"CREATE SCHEMA s ", ""},
        {"SELECT 1 AS insert, 2 AS begin, 3 as case, 4 AS end; ", ""},
    };
    uint32_t wrap = random_below(sizeof wraps / sizeof wraps[0]);
    append(text, wraps[wrap][0], strlen(wraps[wrap][0]));
    append_mutated(text, statement, random_below(4) == 0 ? 12 : 300);
    append(text, wraps[wrap][1], strlen(wraps[wrap][1]));
}

Test(sql_effect_reference, no_effect_goes_unreported, .timeout = 7000)
{
    const char *seed = getenv("PGTURNSTILE_SEED");
    size_t wanted = getenv("PGTURNSTILE_SOAK") != NULL ? 10000000 : 200000;
    struct tally tally = {0};
    random_state = seed != NULL ? strtoull(seed, NULL, 0) | 1 : 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) compare(samples[i], &tally);
    for (size_t i = 0; i < wanted; i++) {
        char text[TEXT_SIZE_MAX + 16] = "";
        append_wrapped(text, random_sample());
        while (random_below(4) == 0) {
            append(text, ";", 1);
            append_wrapped(text, random_sample());
        }
        compare(text, &tally);
    }
    printf("%zu texts that parse compared, %zu refused by libpg_query\n", tally.compared, tally.refused);
    cr_assert_gt(tally.compared, wanted / 4);
    pg_query_exit();
}
