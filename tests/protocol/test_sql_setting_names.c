/* protocol/sql_setting_names.h. */
#include "protocol/sql_setting_names.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct names {
    char text[1024]; /* "name name name" */
};

static void note(void *context, const char *name, size_t size)
{
    struct names *names = context;
    size_t used = strlen(names->text);
    if (!name) {
        name = "?";
        size = 1;
    } else
        cr_assert(sql_is_setting_name(name, size), "%.*s", (int)size, name);
    snprintf(names->text + used, sizeof names->text - used, "%s%.*s", used ? " " : "", (int)size, name);
}

/* Without a NUL behind it, so that nothing may be read there. */
static char *copy_of(const char *text, size_t size)
{
    char *copy = malloc(size + !size);
    memcpy(copy, text, size);
    return copy;
}

static void expect_names_as(const char *text, enum sql_strings strings, const char *expected)
{
    struct names names = {""};
    char *copy = copy_of(text, strlen(text));
    sql_setting_names(copy, strlen(text), strings, note, &names);
    free(copy);
    cr_expect_str_eq(names.text, expected, "%s: \"%s\" instead of \"%s\"", text, names.text, expected);
}

static void expect_names(const char *text, const char *expected)
{
    expect_names_as(text, SQL_STRINGS_STANDARD, expected);
}

Test(sql_setting_names, what_may_be_a_name)
{
    static const char *const names[] = {"app.user_id", "a.b", "_._", "A.B", "a.b.c", "a1.b2", "a$.b$", "\xc3\xa9.\xc3\xa9"};
    static const char *const others[] = {"",      "a",     ".",     "a.",    ".a",   "a..b",   "1.a",   "a.1",     "$a.b",
                                         "a.$b",  "a .b",  "a. b",  "a.b ",  " a.b", "a-b.c",  "a.b-c", "\"a\".b", "a.b'",
                                         "a,b.c", "a.b\n", "a/b.c", "a.b=c", "a.b.", "a\\b.c", "a.b\\"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) cr_expect(sql_is_setting_name(names[i], strlen(names[i])), "%s", names[i]);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        cr_expect_not(sql_is_setting_name(others[i], strlen(others[i])), "%s", others[i]);
    cr_expect_not(sql_is_setting_name("a\0.b", 4));
    cr_expect(sql_is_setting_name("a.bc'", 4), "only these bytes count");
}

Test(sql_setting_names, long_names_are_none)
{
    char name[SQL_SETTING_NAME_MAX + 2];
    memset(name, 'x', sizeof name);
    name[3] = '.';
    cr_expect(sql_is_setting_name(name, SQL_SETTING_NAME_MAX));
    cr_expect_not(sql_is_setting_name(name, SQL_SETTING_NAME_MAX + 1));

    /* In a text, the name behind a too long one is found all the same. */
    char text[1024], *copy;
    for (size_t size = SQL_SETTING_NAME_MAX - 2; size < SQL_SETTING_NAME_MAX + 3; size++) {
        char expected[256] = "";
        struct names names = {""};
        size_t length = (size_t)sprintf(text, "SET app.%0*d = 1; SET a.b = 2", (int)size - 4, 0);
        memset(strchr(text, '0'), 'y', size - 4);
        if (size <= SQL_SETTING_NAME_MAX) snprintf(expected, sizeof expected, "%.*s ", (int)size, text + 4);
        strcat(expected, "a.b");
        copy = copy_of(text, length);
        sql_setting_names(copy, length, SQL_STRINGS_STANDARD, note, &names);
        free(copy);
        cr_expect_str_eq(names.text, expected, "%zu bytes: %s", size, names.text);
    }
}

Test(sql_setting_names, behind_set)
{
    expect_names("SET app.user_id = '42'", "app.user_id");
    expect_names("set App.User_Id to 42;", "App.User_Id");
    expect_names("SET SESSION app.x = 1", "app.x");
    expect_names("SET LOCAL app.x = 1", "app.x");
    expect_names("RESET app.x", "app.x");
    expect_names("SET app . x = 1", "app.x");
    expect_names("SET /* a */ app /* b */ . -- c\n x = 1", "app.x");
    expect_names("SET \"app\".\"X\" = 1", "app.X");
    expect_names("SET \"app.x\" = 1", "app.x");
    expect_names("SET app.b.c TO 1", "app.b.c");
    expect_names("SET app.x = app.y", "app.x");
    expect_names("SET app.x", "app.x");
    expect_names("SET app.x y.z", "app.x");
    expect_names("SET a.b = 1; RESET c.d; SET LOCAL e.f = 2", "a.b c.d e.f");
    expect_names("SET \xc3\xa9.x = 1", "\xc3\xa9.x");
}

/* Words that may also stand in front of a name. */
Test(sql_setting_names, names_of_keywords)
{
    expect_names("SET session.user_id = '42'", "session.user_id");
    expect_names("SET local.x = 1", "local.x");
    expect_names("SET SESSION session.x = 1", "session.x");
    expect_names("SET LOCAL local.session.x = 1", "local.session.x");
    expect_names("RESET session.x", "session.x");
    expect_names("SET reset.x = 1", "reset.x");
    expect_names("SET app.set TO 1", "app.set");
    expect_names("SET app.reset = 1; SET LOCAL app.session = 2", "app.reset app.session");
    expect_names("SET SESSION AUTHORIZATION x", "");
}

Test(sql_setting_names, nothing_of_the_kind)
{
    static const char *const texts[] = {
        "",
        "SELECT 1",
        "SELECT a.b FROM c.d WHERE e.f = 'g'",
        "SET search_path = a, b",
        "SET TIME ZONE 'UTC'",
        "RESET ALL",
        "SET",
        "SET .x = 1",
        "SET app. = 1",
        "SET app.",
        "SET 1.x = 1",
        "SET \"\".x = 1",
        "SET \"a-b\".x = 1",
        "SELECT 'app', '.x', 'app x', 'it''s'",
        "-- SET a.b = 1",
        "/* 'a.b' */",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) expect_names(texts[i], "");
}

Test(sql_setting_names, constants)
{
    expect_names("SELECT set_config('app.x', '1', false)", "app.x");
    expect_names("SELECT set_config(E'app.x', N'1', false)", "app.x");
    expect_names("SELECT set_config(U&'app.x', '1', false)", "app.x");
    expect_names("SELECT set_config($$app.x$$, $a$app.y$a$, false)", "app.x app.y");
    expect_names("SELECT set_config('app' || '.x', 'a@b.c', false)", "?");
    expect_names("SELECT 'app.x'", "app.x");
    expect_names("UPDATE pg_settings SET setting = 1 WHERE name IN ('a.b', 'c.d')", "a.b c.d");
    expect_names("SET app.x = 'app.y'", "app.x app.y");
    expect_names("SELECT b'a.b', x'a.b', ' a.b', 'a.b ', ''", "");
    expect_names("SELECT 'app.x", "app.x");
}

Test(sql_setting_names, names_that_cannot_be_read)
{
    expect_names("SELECT set_config(name, value, false) FROM t", "?");
    expect_names("SELECT SET_CONFIG ( /* it */ 'app.' || $1, $2, false)", "?");
    expect_names("SELECT \"set_config\"(f('a.b', true), 'x', false)", "? a.b");
    expect_names("SELECT set_config(E'app\\x2ey', 'x', false), set_config(U&'app.\\0079', 'x', is_local)", "? ?");
    expect_names("SELECT set_config('app.x', name, is_local), set_config(name, 'x', is_local)", "app.x ?");
    expect_names("SET U&\"app.\\0079\" = 1", "?");
    expect_names("DO $$ BEGIN PERFORM set_config(name, '1', false); END $$", "?");
    expect_names("SELECT set_config(set_config(a, b, true), set_config(c, d, false), true)", "?");
    expect_names("SELECT set_config(a, b, 'true')", "?");
    expect_names("SELECT set_config(a, b", "?");
    expect_names("SELECT set_config('a.' || n, v, false) FROM (VALUES ('x', '1')) s(n, v)", "?");
}

Test(sql_setting_names, names_that_need_not_be_read)
{
    expect_names("SELECT set_config($1, $2, false), set_config($1::text, 'x', false), set_config('work_mem'::text, '1MB', false)", "");
    expect_names("SELECT set_config(key, value, true) FROM json_each_text($1)", "");
    expect_names("SELECT set_config(key, coalesce(value, ''), /* so */ TRUE )", "");
    expect_names("SELECT set_config(n, v, false) FROM (VALUES ('work_mem', '3MB'), ('app.x', '1')) s(n, v)", "app.x");
    expect_names("SELECT set_config(s.n, v, false) FROM unnest(array['app.x'], array['1']) s(n, v)", "app.x");
    expect_names("SELECT set_config + 1, set_config.a, a.set_config FROM set_config", "");
    expect_names("SELECT set_config('search_path', 'a, b', false)", "");
    expect_names("SET \"U&\" = 1; SELECT U&\"a.b\"", "");
}

Test(sql_setting_names, strings_are_read_as_told)
{
    expect_names_as("SELECT 'a\\', 'a.b' --'", SQL_STRINGS_STANDARD, "a.b");
    expect_names_as("SELECT 'a\\', 'a.b' --'", SQL_STRINGS_BACKSLASH, "");
}

Test(sql_setting_names, code_in_constants)
{
    expect_names("DO $$ BEGIN SET app.x = 1; PERFORM set_config('app.y', '2', false); END $$", "app.x app.y");
    expect_names("DO $a$ BEGIN EXECUTE $b$ SET app.x = 1 $b$; END $a$", "app.x");
    expect_names("DO 'BEGIN SET LOCAL app.x = 1; END'", "app.x");
    expect_names("DO $$ BEGIN EXECUTE format('SET app.x = %L', 1); END $$", "app.x");
    expect_names("DO $$ BEGIN EXECUTE 'SELECT set_config(''app.user'', ''1'', false)'; END $$", "app.user");
    expect_names("DO 'BEGIN EXECUTE ''SELECT set_config(''''app.user'''', ''''1'''', false)''; END'", "app.user");
    expect_names("DO $a$ $b$ $c$ SET app.x = 1; SELECT 'app.y' $c$ $b$ $a$", "app.x app.y");
    expect_names("SELECT 'a b' $$ -- SET app.x = 1\n SELECT 1 $$", "");
}

/* As deep as it likes: the text is not read again and again without end. */
Test(sql_setting_names, code_in_code_in_code_ends)
{
    char text[4096] = "";
    for (int i = 0; i < 100; i++) sprintf(text + strlen(text), "$t%d$ ", i);
    for (int i = 99; i >= 0; i--) sprintf(text + strlen(text), " $t%d$", i);
    expect_names(text, "");
    memset(text, '\'', sizeof text - 1);
    expect_names(text, "");
}

/* ---- text that cannot be read ---- */

static void expect_anywhere(const char *text, const char *expected)
{
    struct names names = {""};
    char *copy = copy_of(text, strlen(text));
    sql_setting_names_anywhere(copy, strlen(text), note, &names);
    free(copy);
    cr_expect_str_eq(names.text, expected, "%s: \"%s\" instead of \"%s\"", text, names.text, expected);
}

Test(sql_setting_names, anywhere)
{
    expect_anywhere("", "");
    expect_anywhere("SELECT 1.5, a, b. c, .d, e.", "");
    expect_anywhere("a.b", "a.b");
    expect_anywhere("SET app.x = app.y", "app.x app.y");
    expect_anywhere("SELECT set_config('app.x', ''), \"c.d\" -- e.f", "app.x c.d e.f");
    expect_anywhere("DO 'SELECT set_config(''app.x'', ''1'', false)'", "app.x");
    /* SJIS: the second byte is a backslash. Bytes above ASCII are no part of a name here. */
    expect_anywhere("SELECT '\x83\x5c', 'app.x' = '\x83\x5c.y'", "app.x");
    expect_anywhere("\x83\x5c"
                    "a.b\x83\x5c",
                    "a.b");
}
