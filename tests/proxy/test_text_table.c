#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/text_table.h"

TestSuite(text_table);

static struct text_table *sample(void)
{
    struct text_table *table = text_table_new(3);
    text_table_name(table, 0, "name", false);
    text_table_name(table, 1, "count", true);
    text_table_name(table, 2, "note", false);
    static const char *const cells[] = {"shop", "7", "two words", "m\xc3\xbcller", "12345", NULL, "\x1b[31mred", "-0.5", "say \"hi\""};
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) text_table_add(table, cells[i]);
    return table;
}

static char *printed(const struct text_table *table, const struct text_table_view *view)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (view != NULL)
        text_table_print(table, view, out);
    else
        text_table_print_json(table, out);
    fclose(out);
    return text;
}

static void expect_printed(const struct text_table_view *view, const char *expected)
{
    struct text_table *table = sample();
    char *text = printed(table, view);
    cr_assert_str_eq(text, expected);
    free(text);
    text_table_free(&table);
}

Test(text_table, columns_are_aligned_and_nothing_steers_the_terminal)
{
    expect_printed(&(struct text_table_view){.rows_max = SIZE_MAX}, "name         count  note\n"
                                                                    "shop             7  two words\n"
                                                                    "m\xc3\xbcller       12345  \n"
                                                                    "\\x1b[31mred   -0.5  say \"hi\"\n");
}

Test(text_table, some_columns_some_rows_and_a_narrow_screen)
{
    static const char *const names[] = {"count", "missing", "name", NULL};
    expect_printed(&(struct text_table_view){.names = names, .rows_max = 1}, "count  name\n    7  shop\n");
    expect_printed(&(struct text_table_view){.rows_max = 1, .width = 9}, "name  cou\nshop     \n");
}

static void expect_note(const char *note, size_t width, const char *expected)
{
    struct text_table *table = text_table_new(1);
    text_table_name(table, 0, "a", false);
    text_table_add(table, "b");
    text_table_note(table, note);
    char *text = printed(table, &(struct text_table_view){.rows_max = 1, .width = width});
    cr_expect_str_eq(text, expected);
    free(text);
    text_table_free(&table);
}

Test(text_table, notes_go_on_in_further_lines)
{
    expect_note("one two three four five six seven", 0, "a\nb\n    one two three four five six seven\n");
    expect_note("one two three four five six seven", 37, "a\nb\n    one two three four five six seven\n");
    expect_note("one two three four five six seven", 36, "a\nb\n    one two three four five six\n      seven\n");
    expect_note("abcdefghijklmnopqrstuvwxyz0123456789", 26, "a\nb\n    abcdefghijklmnopqrstuv\n      wxyz0123456789\n");
    /* Four lines, and what is left of the fourth. */
    expect_note("aaaaaaaaaaaaaaaaaaaaaa aaaaaaaaaaaaaaaaaaaa aaaaaaaaaaaaaaaaaaaa aaaaaaaaaaaaaaaa bbbbbbbbb", 26,
                "a\nb\n    aaaaaaaaaaaaaaaaaaaaaa\n      aaaaaaaaaaaaaaaaaaaa\n      aaaaaaaaaaaaaaaaaaaa\n      aaaaaaaaaaaaaaaa bbb\n");
    /* What takes more columns than bytes, and a terminal too narrow for this. */
    expect_note("\x1b\x1b\x1b\x1b\x1b\x1b x", 26, "a\nb\n    \\x1b\\x1b\\x1b\\x1b\\x1b\n      \\x1b x\n");
    expect_note("one two", 8, "a\nb\n    one \n");
}

Test(text_table, json)
{
    expect_printed(NULL, "[{\"name\": \"shop\", \"count\": 7, \"note\": \"two words\"},\n"
                         " {\"name\": \"m\xc3\xbcller\", \"count\": 12345, \"note\": null},\n"
                         " {\"name\": \"\\u001b[31mred\", \"count\": -0.5, \"note\": \"say \\\"hi\\\"\"}]\n");
}

Test(text_table, what_is_no_json_number_is_a_text)
{
    static const char *const cells[] = {"NaN", "007", "", "1e5", "-", "1.", "0", "-0"};
    struct text_table *table = text_table_new(1);
    text_table_name(table, 0, "n", true);
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) text_table_add(table, cells[i]);
    char *text = printed(table, NULL);
    cr_assert_str_eq(text,
                     "[{\"n\": \"NaN\"},\n {\"n\": \"007\"},\n {\"n\": \"\"},\n {\"n\": \"1e5\"},\n {\"n\": \"-\"},\n {\"n\": \"1.\"},\n"
                     " {\"n\": 0},\n {\"n\": -0}]\n");
    free(text);
    text_table_free(&table);
}

Test(text_table, numbers_and_what_is_not_there)
{
    struct text_table *table = sample();
    cr_assert_eq(text_table_sum(table, "count"), 12351.5);
    cr_assert_eq(text_table_sum(table, "missing"), 0);
    cr_assert_str_eq(text_table_cell(table, 99, 0), "");
    cr_assert_str_eq(text_table_cell(table, 0, SIZE_MAX), "");
    cr_assert_eq(text_table_rows(table), 3);
    text_table_free(&table);
}
