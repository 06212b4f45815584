#include "proxy/statement_effects.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t effects_of(const char *text)
{
    return statement_effects_of_text(text, strlen(text), true, SQL_STRINGS_STANDARD);
}

struct effects_case {
    const char *text;
    uint32_t effects;
};

static void expect_effects(const struct effects_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t effects = effects_of(cases[i].text);
        cr_expect_eq(effects, cases[i].effects, "%s: %x instead of %x", cases[i].text, effects, cases[i].effects);
    }
}

#define EXPECT_EFFECTS(cases) expect_effects(cases, sizeof(cases) / sizeof(cases)[0])

/* What matters to a proxy; the rest of sql_effect.h's does not come through. */
Test(statement_effects, of_text)
{
    static const struct effects_case cases[] = {
        {"", 0},
        {"SELECT 1", 0},
        {"SET work_mem = '1MB'", EFFECT_SET},
        {"SET ROLE r", EFFECT_ROLE},
        {"LISTEN c", EFFECT_LISTEN},
        {"CREATE TEMP TABLE t (a int)", EFFECT_TEMP | EFFECT_CREATE},
        {"CREATE TABLE t (a int)", EFFECT_CREATE},
        {"DECLARE c CURSOR WITH HOLD FOR SELECT 1", EFFECT_CURSOR_HOLD},
        {"SELECT pg_advisory_lock(1)", EFFECT_ADVISORY_LOCK},
        {"PREPARE p AS SELECT 1", EFFECT_PREPARE},
        {"EXECUTE p", EFFECT_EXECUTE},
        {"DEALLOCATE p", EFFECT_DEALLOCATE},
        {"LOAD 'x'", EFFECT_LOAD},
        {"DO $$ BEGIN END $$", EFFECT_OPAQUE_CODE},
        {"SET LOCAL work_mem = '1MB'", 0},
        {"UNLISTEN c", 0},
        {"DROP TABLE t", 0},
        {"CLOSE c", 0},
        {"SELECT pg_advisory_unlock(1)", 0},
        {"BEGIN; SAVEPOINT s; ROLLBACK TO s; RELEASE s; COMMIT; ROLLBACK", 0},
        {"COPY t FROM STDIN", 0},
        {"SET a = 1; LISTEN c", EFFECT_SET | EFFECT_LISTEN},
    };
    EXPECT_EFFECTS(cases);
}

Test(statement_effects, text_that_cannot_be_read_may_do_anything)
{
    cr_expect_eq(statement_effects_of_text("SELECT 1", 8, false, SQL_STRINGS_STANDARD), EFFECT_OPAQUE_CODE);
    cr_expect_eq(statement_effects_of_text("", 0, false, SQL_STRINGS_STANDARD), EFFECT_OPAQUE_CODE);
}

/* With a backslash as an escape the string ends later. */
Test(statement_effects, strings_are_read_as_told)
{
    static const char text[] = "SELECT '\\'; LISTEN c --'";
    cr_expect_eq(statement_effects_of_text(text, sizeof text - 1, true, SQL_STRINGS_STANDARD), EFFECT_LISTEN);
    cr_expect_eq(statement_effects_of_text(text, sizeof text - 1, true, SQL_STRINGS_BACKSLASH), 0);
}

Test(statement_effects, a_table_that_ends_with_its_transaction)
{
    static const struct effects_case cases[] = {
        {"CREATE TEMP TABLE t (a int) ON COMMIT DROP", EFFECT_CREATE},
        {"create temporary table t (a int) on commit drop;", EFFECT_CREATE},
        {"CREATE TEMP TABLE t ON COMMIT DROP AS SELECT 1", EFFECT_CREATE},
        {"CREATE TEMP TABLE t (a int) ON /* x */ COMMIT -- y\n DROP", EFFECT_CREATE},
        {"CREATE TEMP TABLE t (a int) ON ON COMMIT COMMIT ON COMMIT DROP", EFFECT_CREATE},
        {"CREATE TEMP TABLE t (a int) ON COMMIT DELETE ROWS", EFFECT_TEMP | EFFECT_CREATE},
        {"CREATE TEMP TABLE t (a int) ON COMMIT PRESERVE ROWS", EFFECT_TEMP | EFFECT_CREATE},
        {"CREATE TEMP TABLE t AS SELECT 'ON COMMIT DROP'", EFFECT_TEMP | EFFECT_CREATE},
        {"CREATE TEMP TABLE t (a int) /* ON COMMIT DROP */", EFFECT_TEMP | EFFECT_CREATE},
        {"CREATE TEMP TABLE t (a int) -- ON COMMIT DROP", EFFECT_TEMP | EFFECT_CREATE},
        {"CREATE TEMP TABLE t AS SELECT 1 AS \"on commit drop\"", EFFECT_TEMP | EFFECT_CREATE},
        {"CREATE TEMP TABLE t AS SELECT 1 AS on_commit, 2 AS commit, 3 AS drop", EFFECT_TEMP | EFFECT_CREATE},
        /* Which of several tables it belongs to is not looked into. */
        {"CREATE TEMP TABLE t (a int) ON COMMIT DROP; CREATE TEMP TABLE u (a int)", EFFECT_TEMP | EFFECT_CREATE},
        {"BEGIN; CREATE TEMP TABLE t (a int) ON COMMIT DROP", EFFECT_TEMP | EFFECT_CREATE},
    };
    EXPECT_EFFECTS(cases);
}

/* PostgreSQL refuses it in a text of several statements. */
Test(statement_effects, discard_all_counts_alone_only)
{
    static const struct effects_case cases[] = {
        {"DISCARD ALL", EFFECT_DISCARD_ALL},
        {";DISCARD ALL;", EFFECT_DISCARD_ALL},
        {"DISCARD ALL; SELECT 1", 0},
        {"SET a = 1; DISCARD ALL", EFFECT_SET},
        {"DISCARD PLANS", 0},
    };
    EXPECT_EFFECTS(cases);
}

/* ---- kept with a statement ---- */

static struct statement *intern(struct statements *table, const char *text)
{
    uint8_t tail[128];
    size_t size = strlen(text) + 1;
    memcpy(tail, text, size);
    memset(tail + size, 0, 2);
    return statements_intern(table, tail, size + 2, &(struct statement_terms){.is_named = true, .is_scannable = true});
}

Test(statement_effects, are_looked_for_once)
{
    struct statements *table = statements_new();
    struct statement *listen = intern(table, "LISTEN c"), *select = intern(table, "SELECT 1"), *opaque = intern(table, "SELECT 2");
    cr_expect_not(listen->is_scanned);
    cr_expect_eq(statement_effects(listen, true, SQL_STRINGS_STANDARD), EFFECT_LISTEN);
    cr_expect(listen->is_scanned);
    cr_expect_eq(statement_effects(listen, false, SQL_STRINGS_STANDARD), EFFECT_LISTEN, "what is known stays");
    cr_expect_eq(statement_effects(select, true, SQL_STRINGS_STANDARD), 0);
    cr_expect_eq(statement_effects(select, false, SQL_STRINGS_STANDARD), 0, "nothing is known as well");
    cr_expect_eq(statement_effects(opaque, false, SQL_STRINGS_STANDARD), EFFECT_OPAQUE_CODE);
    statement_unref(&listen);
    statement_unref(&select);
    statement_unref(&opaque);
    statements_free(&table);
}

/* ---- names ---- */

struct asked {
    char text[256]; /* "name effect " of each call */
};

/* Knows names that begin with an 'a'. */
static const char *rename_a(void *context, const char *name, uint32_t effect)
{
    struct asked *asked = context;
    const char *what = effect == EFFECT_PREPARE      ? "prepare"
                       : effect == EFFECT_EXECUTE    ? "execute"
                       : effect == EFFECT_DEALLOCATE ? "deallocate"
                                                     : "?";
    size_t size = strlen(asked->text);
    snprintf(asked->text + size, sizeof asked->text - size, "%s %s,", what, name ? name : "(all)");
    return name && *name == 'a' ? "another_name" : NULL;
}

/* NULL: nothing is replaced. */
static void expect_rename(const char *text, const char *expected, const char *expected_calls)
{
    struct asked asked = {""};
    /* Without a NUL behind it, so that nothing may be read there. */
    size_t size = strlen(text);
    char *copy = malloc(size + !size);
    memcpy(copy, text, size);
    char *renamed = statement_rename(copy, size, SQL_STRINGS_STANDARD, rename_a, &asked);
    if (expected) {
        cr_assert_not_null(renamed, "%s", text);
        cr_expect_str_eq(renamed, expected);
    } else {
        cr_expect_null(renamed, "%s", text);
    }
    cr_expect_str_eq(asked.text, expected_calls, "%s: asked for %s", text, asked.text);
    free(renamed);
    free(copy);
}

Test(statement_effects, rename)
{
    expect_rename("EXECUTE a", "EXECUTE another_name", "execute a,");
    expect_rename("EXECUTE a(1, 'a')", "EXECUTE another_name(1, 'a')", "execute a,");
    expect_rename("/* a */ execute /* a */ A -- a", "/* a */ execute /* a */ another_name -- a", "execute a,");
    expect_rename("PREPARE a AS SELECT a FROM a", "PREPARE another_name AS SELECT a FROM a", "prepare a,");
    expect_rename("PREPARE a (int) AS SELECT $1;", "PREPARE another_name (int) AS SELECT $1;", "prepare a,");
    expect_rename("DEALLOCATE a", "DEALLOCATE another_name", "deallocate a,");
    expect_rename("DEALLOCATE PREPARE a", "DEALLOCATE PREPARE another_name", "deallocate a,");
    expect_rename("CREATE TABLE t AS EXECUTE a", "CREATE TABLE t AS EXECUTE another_name", "execute a,");
    expect_rename("EXPLAIN ANALYZE EXECUTE a", "EXPLAIN ANALYZE EXECUTE another_name", "execute a,");
}

/* As PostgreSQL folds them. */
Test(statement_effects, rename_knows_identifiers)
{
    expect_rename("EXECUTE \"a\"", "EXECUTE another_name", "execute a,");
    expect_rename("EXECUTE \"a\"\"B\"", "EXECUTE another_name", "execute a\"B,");
    expect_rename("EXECUTE \"A\"", NULL, "execute A,");
    expect_rename("EXECUTE aBc", "EXECUTE another_name", "execute abc,");
    expect_rename("EXECUTE U&\"\\0061b\"", "EXECUTE another_name", "execute ab,");
}

Test(statement_effects, rename_leaves_what_is_not_known)
{
    expect_rename("", NULL, "");
    expect_rename("SELECT 1", NULL, "");
    expect_rename("EXECUTE b", NULL, "execute b,");
    expect_rename("DEALLOCATE ALL", NULL, "deallocate (all),");
    expect_rename("deallocate /* x */ prepare all;", NULL, "deallocate (all),");
    expect_rename("SELECT 1; DEALLOCATE ALL; CLOSE ALL; UNLISTEN *", NULL, "deallocate (all),");
    expect_rename("DEALLOCATE \"all\"", "DEALLOCATE another_name", "deallocate all,");
    expect_rename("DECLARE a CURSOR FOR SELECT 1", NULL, "");
    expect_rename("LISTEN a; CLOSE a; SAVEPOINT a", NULL, "");
    expect_rename("SELECT 'EXECUTE a' -- EXECUTE a", NULL, "");
    expect_rename("EXECUTE", NULL, "");
    expect_rename("EXECUTE \"\"", NULL, "");
}

Test(statement_effects, rename_of_several_statements)
{
    expect_rename("EXECUTE a; SELECT a; EXECUTE b ;DEALLOCATE aa;EXECUTE ab(2);--",
                  "EXECUTE another_name; SELECT a; EXECUTE b ;DEALLOCATE another_name;EXECUTE another_name(2);--",
                  "execute a,execute b,deallocate aa,execute ab,");
    expect_rename("PREPARE b AS SELECT 1; EXECUTE a", "PREPARE b AS SELECT 1; EXECUTE another_name", "prepare b,execute a,");
}

Test(statement_effects, rename_reads_strings_as_told)
{
    static const char text[] = "SELECT '\\'; EXECUTE a --'";
    struct asked asked = {""};
    char *renamed = statement_rename(text, sizeof text - 1, SQL_STRINGS_BACKSLASH, rename_a, &asked);
    cr_expect_null(renamed);
    renamed = statement_rename(text, sizeof text - 1, SQL_STRINGS_STANDARD, rename_a, &asked);
    cr_expect_str_eq(renamed, "SELECT '\\'; EXECUTE another_name --'");
    free(renamed);
}
