#include "proxy/function_names.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct function_names names;

static void start(void)
{
    names = (struct function_names){0};
}

static void end(void)
{
    function_names_fini(&names);
    cr_expect(function_names_is_empty(&names));
}

TestSuite(function_names, .init = start, .fini = end);

/* Without a NUL behind the text, so that nothing may be read there. */
static bool is_called(const char *text, enum sql_strings strings)
{
    size_t size = strlen(text);
    char *copy = malloc(size + !size);
    memcpy(copy, text, size);
    bool result = function_names_are_called(&names, copy, size, strings);
    free(copy);
    return result;
}

static void expect_called(const char *text)
{
    cr_expect(is_called(text, SQL_STRINGS_STANDARD), "%s", text);
}

static void expect_not_called(const char *text)
{
    cr_expect_not(is_called(text, SQL_STRINGS_STANDARD), "%s", text);
}

static void add_created(const char *text)
{
    size_t size = strlen(text);
    char *copy = malloc(size + !size);
    memcpy(copy, text, size);
    function_names_add_created(&names, copy, size, SQL_STRINGS_STANDARD);
    free(copy);
}

Test(function_names, empty)
{
    cr_expect(function_names_is_empty(&names));
    expect_not_called("SELECT f(1)");
    function_names_add(&names, "f");
    cr_expect_not(function_names_is_empty(&names));
}

Test(function_names, names_are_copied_and_kept_once)
{
    char name[] = "set_user";
    function_names_add(&names, name);
    function_names_add(&names, name);
    name[0] = 'x';
    expect_called("SELECT set_user(1)");
    expect_not_called("SELECT xet_user(1)");
}

Test(function_names, calls)
{
    function_names_add(&names, "set_user");
    function_names_add(&names, "Set User");
    static const char *const calls[] = {
        "SELECT set_user(1)",
        "select SET_USER (1)",
        "SELECT \"set_user\"(1)",
        "SELECT U&\"\\0073et_user\"(1)",
        "SELECT \"Set User\"()",
        "SELECT app.set_user(1)",
        "SELECT \"app\" . set_user\n(1)",
        "SELECT set_user /* of the application */ (1)",
        "SELECT set_user -- of the application\n (1)",
        "SELECT a /* b */ , c FROM t WHERE x = (set_user(1))",
        "SELECT 1; SELECT set_user('x')",
        "SELECT * FROM set_user(1) AS u",
        "CALL set_user()",
        "SELECT set_user set_user(",
        "SELECT coalesce(set_user(1), 2)",
    };
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) expect_called(calls[i]);
}

Test(function_names, no_calls)
{
    function_names_add(&names, "set_user");
    static const char *const others[] = {
        "",
        "SELECT 1",
        "SELECT set_user",
        "SELECT set_user, (1)",
        "SELECT set_user.name (1)",
        "SELECT set_users(1)",
        "SELECT _set_user(1)",
        "SELECT \"Set_User\"(1)",
        "SELECT \"set_user(\"",
        "SELECT 'set_user(1)'",
        "SELECT $$set_user(1)$$",
        "SELECT 1 -- set_user(1)",
        "SELECT 1 /* set_user(1) */",
        "SELECT set_user[1], (2)",
        "SELECT 'set_user' (1)",
        "SELECT set_user",
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) expect_not_called(others[i]);
}

Test(function_names, strings_are_read_as_told)
{
    function_names_add(&names, "f");
    cr_expect(is_called("SELECT '\\', f(1) --'", SQL_STRINGS_STANDARD));
    cr_expect_not(is_called("SELECT '\\', f(1) --'", SQL_STRINGS_BACKSLASH));
}

Test(function_names, long_names_are_cut_as_postgresql_cuts_them)
{
    char name[64], text[128] = "SELECT ";
    memset(name, 'f', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    function_names_add(&names, name);
    strcat(text, name);
    strcat(text, "more(1)");
    expect_called(text);
    memset(strchr(text, 'm') - 1, 'x', 1);
    expect_not_called(text);
}

Test(function_names, created_ones_come_in)
{
    add_created("CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql AS 'SELECT 1'");
    add_created("create or replace function app.G () returns void language plpgsql as $$ begin end $$");
    add_created("CREATE PROCEDURE \"app\".\"My P\"(a int) LANGUAGE sql AS 'SELECT 1'");
    add_created("CREATE /* a */ FUNCTION /* b */ c.d /* e */ . h -- i\n () RETURNS int RETURN 1");
    add_created("CREATE OR REPLACE PROCEDURE p() BEGIN ATOMIC SELECT 1; END; CREATE FUNCTION q() RETURNS int RETURN 1");
    static const char *const calls[] = {"SELECT f(1)", "SELECT g()",     "SELECT app.g()", "CALL \"My P\"(1)",
                                        "SELECT h()",  "SELECT c.d.h()", "CALL p()",       "SELECT q()"};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) expect_called(calls[i]);
    static const char *const others[] = {"SELECT app(1)", "SELECT \"G\"()", "SELECT d()", "SELECT c()", "CALL \"my p\"(1)"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) expect_not_called(others[i]);
}

/* Names that are keywords elsewhere, or the very words that are looked for. */
Test(function_names, created_with_odd_names)
{
    add_created("CREATE FUNCTION function(int) RETURNS int RETURN 1");
    add_created("CREATE FUNCTION s.procedure() RETURNS int RETURN 1");
    add_created("CREATE FUNCTION replace(int) RETURNS int RETURN 1");
    expect_called("SELECT s.function(1)");
    expect_called("SELECT s.procedure()");
    expect_called("SELECT replace(1)");
    expect_not_called("SELECT s()");
}

Test(function_names, nothing_is_created)
{
    static const char *const texts[] = {
        "",
        "CREATE TABLE f (a int)",
        "CREATE VIEW g AS SELECT 1",
        "CREATE FUNCTION",
        "CREATE FUNCTION f",
        "CREATE FUNCTION (a int)",
        "CREATE FUNCTION f;",
        "CREATE TABLE t (a text DEFAULT 'FUNCTION f(')",
        "CREATE TABLE t (a text) -- FUNCTION f(",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        add_created(texts[i]);
        cr_expect(function_names_is_empty(&names), "%s", texts[i]);
    }
}
