#include "proxy/session_state.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct session_states *states;

static void start(void)
{
    states = session_states_new();
}

static void end(void)
{
    cr_expect_eq(session_states_count(states), 0);
    session_states_free(&states);
    cr_expect(states == NULL);
    session_states_free(&states);
}

TestSuite(session_state, .init = start, .fini = end);

/* name, value, name, value ..., NULL */
static struct session_state *state_of(const char *const *pairs)
{
    struct session_state *state = session_state_empty(states);
    for (; *pairs; pairs += 2) state = session_state_with(state, pairs[0], pairs[1]);
    return state;
}

#define STATE(...) state_of((const char *const[]){__VA_ARGS__, NULL})

Test(session_state, equal_maps_are_the_same)
{
    struct session_state *a = STATE("search_path", "x", "Application_Name", "y");
    struct session_state *b = STATE("application_name", "z", "SEARCH_PATH", "x", "APPLICATION_NAME", "y");
    struct session_state *c = STATE("application_name", "y", "search_path", "x", "timezone", "UTC");
    cr_expect(a == b);
    cr_expect(a != c);
    cr_expect_eq(session_states_count(states), 2);
    c = session_state_with(c, "TimeZone", NULL);
    cr_expect(a == c);
    cr_expect_eq(session_states_count(states), 1);
    cr_expect_eq(session_state_size(a), 2);
    const char *name, *value;
    session_state_pair(a, 0, &name, &value);
    cr_expect_str_eq(name, "application_name");
    cr_expect_str_eq(value, "y");
    session_state_pair(a, 1, &name, &value);
    cr_expect_str_eq(name, "search_path");
    cr_expect_str_eq(session_state_get(a, "Search_Path"), "x");
    cr_expect(session_state_get(a, "search_pat") == NULL);
    cr_expect(session_state_get(a, "search_paths") == NULL);
    session_state_unref(&a);
    cr_expect(a == NULL);
    session_state_unref(&a);
    session_state_unref(&b);
    session_state_unref(&c);
}

Test(session_state, the_empty_map_is_one)
{
    struct session_state *a = session_state_empty(states), *b = STATE("x", "1");
    b = session_state_with(b, "x", NULL);
    cr_expect(a == b);
    b = session_state_with(b, "x", NULL);
    cr_expect(a == b);
    cr_expect_eq(session_state_size(a), 0);
    struct session_state *c = session_state_ref(a);
    session_state_unref(&a);
    session_state_unref(&b);
    cr_expect_eq(session_states_count(states), 1);
    session_state_unref(&c);
}

Test(session_state, names_and_values_do_not_run_into_each_other)
{
    struct session_state *a = STATE("a", "b"), *b = STATE("ab", ""), *c = STATE("a", "");
    cr_expect(a != b && b != c && a != c);
    cr_expect_str_eq(session_state_get(c, "a"), "");
    session_state_unref(&a);
    session_state_unref(&b);
    session_state_unref(&c);
}

Test(session_state, a_value_may_be_the_maps_own)
{
    struct session_state *a = STATE("a", "one", "b", "two");
    a = session_state_with(a, "c", session_state_get(a, "a"));
    const char *name, *value;
    session_state_pair(a, 1, &name, &value);
    a = session_state_with(a, name, session_state_get(a, "c"));
    cr_expect_str_eq(session_state_get(a, "b"), "one");
    cr_expect_str_eq(session_state_get(a, "c"), "one");
    session_state_unref(&a);
}

Test(session_state, random_changes_agree_with_a_plain_array)
{
    enum { NAMES = 6, STEPS = 20000 };
    static const char *const names[NAMES] = {"a", "B", "aa", "app.x", "app_y", "Zz"};
    char model[NAMES][8] = {0};
    srand(7);
    struct session_state *state = session_state_empty(states);
    for (int step = 0; step < STEPS; step++) {
        int i = rand() % NAMES, value = rand() % 4;
        if (value == 0)
            model[i][0] = '\0';
        else
            snprintf(model[i], sizeof model[i], "%d", value);
        state = session_state_with(state, names[i], value == 0 ? NULL : model[i]);
        size_t size = 0;
        struct session_state *again = session_state_empty(states);
        for (int j = NAMES - 1; j >= 0; j--) {
            const char *found = session_state_get(state, names[j]);
            cr_assert(model[j][0] ? found && strcmp(found, model[j]) == 0 : found == NULL);
            if (model[j][0] == '\0') continue;
            size++;
            again = session_state_with(again, names[j], model[j]);
        }
        cr_assert(session_state_size(state) == size);
        cr_assert(again == state, "the same pairs in another order are another map");
        session_state_unref(&again);
    }
    session_state_unref(&state);
}

/* Takes the references. */
static void expect_difference(struct session_state *from, struct session_state *to, const char *expected)
{
    char sql[1024];
    memset(sql, '#', sizeof sql);
    size_t size = session_state_difference(from, to, sql, sizeof sql);
    cr_expect_str_eq(sql, expected);
    cr_expect_eq(size, strlen(expected));
    char small[1024];
    memset(small, '#', sizeof small);
    cr_expect_eq(session_state_difference(from, to, small, size), size);
    cr_expect(small[0] == '#', "written although there was no room for the NUL");
    cr_expect_eq(session_state_difference(from, to, small, size + 1), size);
    cr_expect_str_eq(small, sql);
    cr_expect(small[size + 1] == '#');
    cr_expect_eq(session_state_difference(from, to, NULL, 0), size);
    session_state_unref(&from);
    session_state_unref(&to);
}

#define SET(name, value) "pg_catalog.set_config(" name "," value ",false)"

Test(session_state, difference)
{
    expect_difference(STATE("a", "1"), STATE("a", "1"), "");
    expect_difference(session_state_empty(states), session_state_empty(states), "");
    expect_difference(session_state_empty(states), STATE("a", "1"), "SELECT " SET("E'a'", "E'1'"));
    expect_difference(STATE("a", "1"), session_state_empty(states), "SELECT " SET("E'a'", "NULL"));
    expect_difference(STATE("a", "1", "b", "2", "d", "4"), STATE("b", "2", "c", "3", "d", "5"),
                      "SELECT " SET("E'a'", "NULL") "," SET("E'c'", "E'3'") "," SET("E'd'", "E'5'"));
    expect_difference(STATE("a", "1"), STATE("a", ""), "SELECT " SET("E'a'", "E''"));
}

Test(session_state, difference_quotes)
{
    expect_difference(session_state_empty(states), STATE("App.\"o'x\\", "it's \\ \"x\" \\'"),
                      "SELECT " SET("E'app.\"o''x\\\\'", "E'it''s \\\\ \"x\" \\\\'''"));
}

/* The last byte of the SJIS character is a backslash. */
Test(session_state, difference_is_plain_ascii)
{
    expect_difference(session_state_empty(states), STATE("a", "\x83\x5c'"),
                      "SELECT " SET("E'a'", "pg_catalog.convert_from(pg_catalog.decode('835c27','hex'),pg_catalog.pg_client_encoding())"));
    expect_difference(session_state_empty(states), STATE("a", "\x83\x5c'", "client_encoding", "SJIS"),
                      "SELECT " SET("E'a'", "pg_catalog.convert_from(pg_catalog.decode('835c27','hex'),E'SJIS')") "," SET(
                          "E'client_encoding'", "E'SJIS'"));
    expect_difference(STATE("client_encoding", "SJIS"), STATE("z", "\xc3\xa9"),
                      "SELECT " SET("E'z'", "pg_catalog.convert_from(pg_catalog.decode('c3a9','hex'),(SELECT reset_val FROM "
                                            "pg_catalog.pg_settings WHERE name='client_encoding'))") "," SET("E'client_encoding'", "NULL"));
}

Test(session_state, difference_sets_client_encoding_last)
{
    expect_difference(session_state_empty(states), STATE("client_encoding", "LATIN1", "timezone", "UTC", "a", "1"),
                      "SELECT " SET("E'a'", "E'1'") "," SET("E'timezone'", "E'UTC'") "," SET("E'client_encoding'", "E'LATIN1'"));
}

/* Other settings are made as the user who logged in: identities go first and come back last, the outer one around the inner one. */
Test(session_state, difference_makes_settings_without_identities)
{
    expect_difference(
        session_state_empty(states), STATE("role", "r", "zone", "1", "session_authorization", "u", "a", "2"),
        "SELECT " SET("E'a'", "E'2'") "," SET("E'zone'", "E'1'") "," SET("E'session_authorization'", "E'u'") "," SET("E'role'", "E'r'"));
    expect_difference(
        STATE("role", "r", "zone", "1", "session_authorization", "u", "a", "2"), session_state_empty(states),
        "SELECT " SET("E'role'", "NULL") "," SET("E'session_authorization'", "NULL") "," SET("E'a'", "NULL") "," SET("E'zone'", "NULL"));
    expect_difference(session_state_empty(states), STATE("role", "r"), "SELECT " SET("E'role'", "E'r'"));
    expect_difference(STATE("session_authorization", "u"), session_state_empty(states), "SELECT " SET("E'session_authorization'", "NULL"));
}

/* Also when the identity is the same on both sides: in between nobody has it. */
Test(session_state, difference_takes_equal_identities_off_and_on)
{
    expect_difference(STATE("role", "r", "a", "1"), STATE("role", "r", "a", "2"),
                      "SELECT " SET("E'role'", "NULL") "," SET("E'a'", "E'2'") "," SET("E'role'", "E'r'"));
    expect_difference(
        STATE("session_authorization", "u"), STATE("session_authorization", "u", "b", "1"),
        "SELECT " SET("E'session_authorization'", "NULL") "," SET("E'b'", "E'1'") "," SET("E'session_authorization'", "E'u'"));
    expect_difference(STATE("role", "r", "session_authorization", "u"), STATE("role", "s", "session_authorization", "v"),
                      "SELECT " SET("E'role'", "NULL") "," SET("E'session_authorization'", "NULL") "," SET(
                          "E'session_authorization'", "E'v'") "," SET("E'role'", "E's'"));
    expect_difference(STATE("role", "r"), STATE("role", "r"), "");
}

Test(session_state, difference_sets_client_encoding_before_identities)
{
    expect_difference(session_state_empty(states), STATE("client_encoding", "LATIN1", "role", "r", "timezone", "UTC"),
                      "SELECT " SET("E'timezone'", "E'UTC'") "," SET("E'client_encoding'", "E'LATIN1'") "," SET("E'role'", "E'r'"));
    expect_difference(STATE("client_encoding", "LATIN1", "role", "r"), session_state_empty(states),
                      "SELECT " SET("E'role'", "NULL") "," SET("E'client_encoding'", "NULL"));
}

/* Written after the encoding, in ASCII all the same. */
Test(session_state, difference_writes_identities_in_ascii)
{
    expect_difference(
        session_state_empty(states), STATE("role", "\xc3\xa9'"),
        "SELECT " SET("E'role'", "pg_catalog.convert_from(pg_catalog.decode('c3a927','hex'),pg_catalog.pg_client_encoding())"));
}

Test(session_state, a_note_stays_with_its_map)
{
    uint64_t note = 5;
    struct session_state *a = STATE("a", "1"), *b = STATE("a", "2");
    cr_expect_not(session_state_note(a, &note));
    cr_expect_eq(note, 5);
    session_state_set_note(a, 0);
    cr_expect(session_state_note(a, &note));
    cr_expect_eq(note, 0);
    cr_expect_not(session_state_note(b, &note));
    b = session_state_with(b, "a", "1");
    session_state_set_note(a, UINT64_MAX);
    cr_expect(session_state_note(b, &note));
    cr_expect_eq(note, UINT64_MAX);
    session_state_unref(&a);
    session_state_unref(&b);
    a = STATE("a", "1");
    cr_expect_not(session_state_note(a, &note), "it lasts as long as the map");
    session_state_unref(&a);
}
