/* protocol/sql_identifier.h. */
#include "protocol/sql_identifier.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void check(const char *text, char escape, const char *expected)
{
    struct sql_identifier identifier = {text, strlen(text), escape};
    char name[SQL_IDENTIFIER_SIZE_MAX + 1];
    memset(name, 'x', sizeof name);
    size_t size = sql_identifier_text(&identifier, name);
    cr_assert_eq(size, strlen(expected), "%s", text);
    cr_assert_str_eq(name, expected, "%s", text);
}

Test(sql_identifier, names)
{
    static const struct {
        const char *text, *name;
    } cases[] = {
        {"abc", "abc"},
        {"aBC_1$", "abc_1$"},
        {"\"aBC\"", "aBC"},
        {"\"a\"\"b\"\"\"", "a\"b\""},
        {"\"\"\"\"", "\""},
        {"\xc3\x89T\xc3\x89", "\xc3\x89t\xc3\x89"}, /* letters above ASCII stay as they are */
        {"\"\xc3\x89\"", "\xc3\x89"},
        {"[@`{", "[@`{"}, /* next to the letters */
        {"U&\"d\\0061T\\+000061\"", "daTa"},
        {"u&\"\\\\\"\"\"", "\\\""},
        {"U&\"\\00e9\\20ac\\+01f600\"", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"U&\"\\d83d\\de00\"", "\xf0\x9f\x98\x80"},
        {"U&\"\\D83D\\+00DE00x\"", "\xf0\x9f\x98\x80x"},
        {"u", "u"},
        /* refused */
        {"", ""},
        {"\"\"", ""},
        {"\"a", ""},
        {"\"", ""},
        {"\"a\"\"", ""},
        {"U&\"", ""},
        {"U&\"\"", ""},
        {"U&\"a", ""},
        {"U&\"\\006\"", ""},
        {"U&\"\\", ""},
        {"U&\"\\\"", ""},
        {"U&\"\\+00006\"", ""},
        {"U&\"\\+110000\"", ""},
        {"U&\"\\0000\"", ""},
        {"U&\"\\006g\"", ""},
        {"U&\"\\d83d\"", ""},
        {"U&\"\\d83dx\"", ""},
        {"U&\"\\d83d\\0061\"", ""},
        {"U&\"\\de00\"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) check(cases[i].text, '\\', cases[i].name);
    check("U&\"d!0061\\0061!!\"", '!', "da\\0061!");
}

Test(sql_identifier, long_names_are_cut_at_a_character)
{
    char text[200];
    char expected[SQL_IDENTIFIER_SIZE_MAX + 1];
    for (size_t size = 60; size < 70; size++) {
        memset(text, 'A', size);
        text[size] = '\0';
        size_t kept = size < SQL_IDENTIFIER_SIZE_MAX ? size : SQL_IDENTIFIER_SIZE_MAX;
        memset(expected, 'a', kept);
        expected[kept] = '\0';
        check(text, '\\', expected);
    }
    /* Two, three and four bytes that begin at each offset about the edge. */
    static const char *const characters[] = {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    for (size_t i = 0; i < 3; i++) {
        size_t wide = strlen(characters[i]);
        for (size_t before = 55; before < 64; before++) {
            memset(text, 'a', before);
            strcpy(text + before, characters[i]);
            strcat(text, "z");
            strcpy(expected, "");
            strncat(expected, text, before + wide <= SQL_IDENTIFIER_SIZE_MAX ? before + wide : before);
            if (before + wide < SQL_IDENTIFIER_SIZE_MAX) strcat(expected, "z");
            check(text, '\\', expected);
        }
    }
}

Test(sql_identifier, any_bytes)
{
    static const char *const samples[] = {"U&\"d\\0061T\\+000061\\d83d\\de00\"", "\"a\"\"b\"", "Ab\xc3", "\"\xf0\x9f\"", "\xf0\x9f"};
    char name[SQL_IDENTIFIER_SIZE_MAX + 1];
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        for (size_t size = 0; size <= strlen(samples[i]); size++) {
            for (unsigned byte = 0; byte < 256; byte++) {
                char *text = malloc(size + 1);
                memcpy(text, samples[i], size);
                text[size] = (char)byte;
                struct sql_identifier identifier = {text, size + 1, (char)byte};
                size_t written = sql_identifier_text(&identifier, name);
                cr_assert(written <= SQL_IDENTIFIER_SIZE_MAX && name[written] == '\0');
                free(text);
            }
        }
    }
}
