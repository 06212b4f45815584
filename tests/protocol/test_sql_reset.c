#include "protocol/sql_reset.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* "": nothing; "*": all. */
static const char *reset_of(const char *text, size_t size, char *name)
{
    /* Without a NUL behind it, so that nothing may be read there. */
    char *copy = malloc(size + !size);
    memcpy(copy, text, size);
    memset(name, '#', SQL_RESET_NAME_MAX + 1);
    enum sql_reset reset = sql_reset_of(copy, size, SQL_STRINGS_STANDARD, name);
    free(copy);
    return reset == SQL_RESET_ALL ? "*" : reset == SQL_RESET_ONE ? name : "";
}

static void expect(const char *text, const char *expected)
{
    char name[SQL_RESET_NAME_MAX + 1];
    const char *got = reset_of(text, strlen(text), name);
    cr_expect_str_eq(got, expected, "%s: \"%s\" instead of \"%s\"", text, got, expected);
    for (size_t size = 0; size < strlen(text); size++) reset_of(text, size, name);
}

Test(sql_reset, reset)
{
    expect("RESET work_mem", "work_mem");
    expect("reset /* this */ DateStyle -- and no other", "datestyle");
    expect("RESET \"DateStyle\"", "DateStyle");
    expect("RESET app.user_id", "app.user_id");
    expect("RESET app . \"User\"", "app.User");
    expect("RESET ALL", "*");
    expect("Reset/**/all", "*");
    expect("RESET TIME ZONE", "timezone");
    expect("RESET time", "time");
    expect("RESET SESSION AUTHORIZATION", "session_authorization");
    expect("RESET ROLE", "role");
    expect("RESET TRANSACTION ISOLATION LEVEL", "transaction_isolation");
}

Test(sql_reset, set_to_default)
{
    expect("SET work_mem TO DEFAULT", "work_mem");
    expect("set work_mem = default", "work_mem");
    expect("SET SESSION work_mem TO DEFAULT", "work_mem");
    expect("SET session.x TO DEFAULT", "session.x");
    expect("SET app.user_id TO DEFAULT", "app.user_id");
    expect("SET TIME ZONE DEFAULT", "timezone");
    expect("SET TIME ZONE LOCAL", "timezone");
    expect("SET SESSION TIME ZONE LOCAL", "timezone");
    expect("SET timezone TO local", "timezone");
    expect("SET SESSION AUTHORIZATION DEFAULT", "session_authorization");
    expect("SET SESSION SESSION AUTHORIZATION DEFAULT", "session_authorization");
    expect("SET NAMES", "client_encoding");
    expect("SET NAMES DEFAULT", "client_encoding");
}

Test(sql_reset, what_resets_nothing)
{
    expect("", "");
    expect("SELECT 1", "");
    expect("RESET", "");
    expect("SET", "");
    expect("SET work_mem = '1MB'", "");
    expect("SET work_mem = 'default'", "");
    expect("SET work_mem TO \"default\"", "");
    expect("SET LOCAL work_mem TO DEFAULT", "");
    expect("SET search_path TO local", "");
    expect("SET TIME ZONE 'UTC'", "");
    expect("SET NAMES 'UTF8'", "");
    expect("SET ROLE somebody", "");
    expect("SET SESSION AUTHORIZATION somebody", "");
    expect("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "");
    expect("DISCARD ALL", "");
}

Test(sql_reset, names_that_are_too_long)
{
    char text[400] = "RESET ";
    for (int i = 0; i < 6; i++) strcat(text, "a_name_of_quite_some_length_that_is_repeated.");
    strcat(text, "end");
    expect(text, "");
}
