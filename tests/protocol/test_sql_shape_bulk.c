/*
 * protocol/sql_shape_bulk.h: a list read at once is what it is token by token. A comment behind the parenthesis keeps it from being read at once, and
 * means nothing.
 */
#include "protocol/sql_fingerprint.h"
#include "protocol/sql_value_hash.h"
#include "tests/random_numbers.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_SIZE_MAX = 40000 };

static uint64_t random_state = 0x9e3779b97f4a7c15u;

static uint32_t random_below(uint32_t limit)
{
    return random_numbers_below(&random_state, limit);
}

static void read_text(struct sql_fingerprint *out, const char *text, size_t scan_max, enum sql_strings strings)
{
    struct sql_fingerprint_scan scan;
    sql_fingerprint_init(&scan, text, strlen(text), strings, scan_max);
    cr_assert(sql_fingerprint_next(&scan, out), "%s", text);
}

/* `comment_at` is where the second one has more bytes. */
static void check_same(const struct sql_fingerprint *at_once, const struct sql_fingerprint *by_token, size_t comment_at, const char *text)
{
    enum { COMMENT_SIZE = 4 };
    cr_assert_eq(at_once->hash, by_token->hash, "%s", text);
    cr_assert_eq(at_once->class, by_token->class, "%s", text);
    cr_assert_eq(at_once->verb, by_token->verb, "%s", text);
    cr_assert_eq(at_once->slot_count, by_token->slot_count, "%s", text);
    cr_assert_eq(at_once->list_length, by_token->list_length, "%s", text);
    cr_assert_eq(at_once->row_count, by_token->row_count, "%s", text);
    cr_assert_eq(at_once->short_length, by_token->short_length, "%s", text);
    cr_assert_eq(at_once->has_limit, by_token->has_limit, "%s", text);
    cr_assert_eq(at_once->is_truncated, by_token->is_truncated, "%s", text);
    cr_assert_eq(at_once->is_ignored, by_token->is_ignored, "%s", text);
    cr_assert_eq(at_once->literal_count, by_token->literal_count, "%s", text);
    cr_assert_eq(at_once->literal_rest == 0, by_token->literal_rest == 0, "%s", text);
    for (uint32_t i = 0; i < at_once->literal_count && i < SQL_LITERALS_MAX; i++) {
        const struct sql_literal *one = &at_once->literals[i];
        const struct sql_literal *other = &by_token->literals[i];
        bool has_comment = one->kind == SQL_LITERAL_LIST && one->start == comment_at + 1; /* the list with the comment in it */
        cr_assert_eq(one->start, other->start - (other->start > comment_at && !has_comment ? COMMENT_SIZE : 0), "%s: %u", text, i);
        cr_assert_eq(one->size, other->size - (has_comment ? COMMENT_SIZE : 0), "%s: %u", text, i);
        cr_assert_eq(one->slot, other->slot, "%s: %u", text, i);
        cr_assert_eq(one->number, other->number, "%s: %u", text, i);
        cr_assert_eq(one->kind, other->kind, "%s: %u", text, i);
        cr_assert_eq(one->token, other->token, "%s: %u", text, i);
        cr_assert_eq(one->comparison, other->comparison, "%s: %u", text, i);
        cr_assert_eq(one->is_negative, other->is_negative, "%s: %u", text, i);
        cr_assert_eq(one->is_paging, other->is_paging, "%s: %u", text, i);
        cr_assert_eq(one->is_array, other->is_array, "%s: %u", text, i);
        cr_assert_eq(one->is_rows, other->is_rows, "%s: %u", text, i);
        cr_assert_not(other->is_plain && has_comment, "%s: %u", text, i);
    }
}

/* The list is where the '@' is. */
static void check(const char *before, const char *list, const char *behind, enum sql_strings strings)
{
    static char plain[TEXT_SIZE_MAX], commented[TEXT_SIZE_MAX];
    static struct sql_fingerprint at_once, by_token;
    cr_assert_lt(snprintf(plain, sizeof plain, "%s%s%s", before, list, behind), TEXT_SIZE_MAX);
    snprintf(commented, sizeof commented, "%s/**/%s%s", before, list, behind);
    read_text(&at_once, plain, SQL_FINGERPRINT_SCAN_MAX, strings);
    read_text(&by_token, commented, SQL_FINGERPRINT_SCAN_MAX, strings);
    check_same(&at_once, &by_token, strlen(before) - 1, plain);
}

struct frame {
    char before[80], behind[80];
    char closing;
    bool has_rows;
};
static const struct frame frames[] = {
    {"select a from t where id in (", ")", ')', false},
    {"select a from t where id not in (", ") and b = 5 limit 7", ')', false},
    {"select a from t where id = any (array[", "]) order by 2", ']', false},
    {"select a from t limit (select max(x) from u where y in (", "))", ')', false},
    {"select a from t where b in (1, 2) and (c, d) in (", ")", ')', false},
    {"with x as (select 1 where 2 in (", ")) select * from x", ')', false},
    {"select a from t join u on u.id in (", "), v where v.id = 3", ')', false},
    {"insert into t (a, b) values (", ") returning id", ')', true},
    {"insert into t values (", ")", ')', true},
    {"select * from (values (", ")) as v (a, b), t where t.c = 5", ')', true},
    {"select * from t where (a, b) in (values (", "))", ')', true},
};
enum { FRAME_COUNT = sizeof frames / sizeof frames[0] };

static const char *const plain_elements[] = {"1",
                                             "23",
                                             "456",
                                             "7890123",
                                             "0",
                                             "'x'",
                                             "'it''s'",
                                             "''",
                                             "-5",
                                             "1.5",
                                             "-0.25",
                                             "null",
                                             "NULL",
                                             "true",
                                             "False",
                                             "$1",
                                             "$12",
                                             "'2024-01-01'::date",
                                             "5::int",
                                             "'1'::numeric(10, 2)",
                                             "'x'::character varying"};
static const char *const odd_elements[] = {"default",    "DEFAULT",
                                           "now()",      "a",
                                           "- 5",        "+5",
                                           "1e5",        "0x1f",
                                           "1_0",        "E'\\''",
                                           "'a'\n'b'",   "'a' 'b'",
                                           "5 + 1",      "(1, 2)",
                                           "row(1, 2)",  "array[1]",
                                           "select 1",   "5::",
                                           "'x'::\"T\"", "$",
                                           "'",          "1a",
                                           "",           "date '2024-01-01'",
                                           "in (1, 2)",  "values (1)",
                                           "null5",      "b'1'",
                                           "--\n5",      "'\\'",
                                           "5.",         ".5",
                                           "1..2",       "99999999999999999999",
                                           "$99999",     "\xc3\xa4",
                                           ";",          "'x'::int[]",
                                           "null::text", "*"};

static const char *pick(bool is_odd)
{
    if (is_odd) return odd_elements[random_below(sizeof odd_elements / sizeof odd_elements[0])];
    return plain_elements[random_below(sizeof plain_elements / sizeof plain_elements[0])];
}

static void write_list(char *list, const struct frame *frame)
{
    static const char *const separators[] = {",", ", ", ", ", ",\n", " , ", ",  ", ",\t"};
    uint32_t count = random_below(4) == 0 ? 60 + random_below(400) : 1 + random_below(10);
    uint32_t oddness = random_below(3) == 0 ? 1 + random_below(count + 5) : 0; /* one of so many */
    bool are_integers = random_below(2) == 0;
    const char *separator = separators[random_below(sizeof separators / sizeof separators[0])];
    uint32_t columns = 1 + random_below(6);
    size_t size = 0;
    list[0] = '\0';
    for (uint32_t i = 0; i < count; i++) {
        bool is_odd = oddness > 0 && random_below(oddness) == 0;
        const char *between = i == 0 ? "" : separator;
        if (i > 0 && frame->has_rows && i % columns == 0) between = random_below(30) == 0 ? ") , (" : "), (";
        if (are_integers && !is_odd) {
            size += (size_t)sprintf(list + size, "%s%u", between, random_below(1u << random_below(31)));
        } else {
            size += (size_t)sprintf(list + size, "%s%s", between, pick(is_odd));
        }
    }
}

Test(sql_shape_bulk, at_once_and_by_token, .timeout = 7000)
{
    static char list[TEXT_SIZE_MAX];
    size_t wanted = getenv("PGTURNSTILE_SOAK") != NULL ? 2000000 : 20000;
    for (size_t i = 0; i < wanted; i++) {
        const struct frame *frame = &frames[i % FRAME_COUNT];
        write_list(list, frame);
        check(frame->before, list, random_below(50) == 0 ? "" : frame->behind, SQL_STRINGS_STANDARD);
    }
}

Test(sql_shape_bulk, backslashes_in_strings)
{
    check("select a from t where id in (", "'a', 'b\\', 'c', ')', 5", ")", SQL_STRINGS_BACKSLASH);
    check("select a from t where id in (", "'a\\'', 'b', 5", ")", SQL_STRINGS_BACKSLASH);
    check("insert into t values (", "1, 'a\\'), (', 5), (6, 'x', 7", ")", SQL_STRINGS_BACKSLASH);
}

/* Whatever the limit cuts, the comment counts as bytes too: here the cut is what is compared. */
Test(sql_shape_bulk, a_cut_list_has_one_shape)
{
    char text[TEXT_SIZE_MAX] = "select a from t where id in (1";
    static struct sql_fingerprint first, next;
    for (int i = 2; i < 300; i++) sprintf(text + strlen(text), ", %d", 100 + i);
    strcat(text, ")");
    read_text(&first, text, 100, SQL_STRINGS_STANDARD);
    cr_assert(first.is_truncated);
    for (size_t scan_max = 101; scan_max < strlen(text); scan_max++) {
        read_text(&next, text, scan_max, SQL_STRINGS_STANDARD);
        cr_assert(next.is_truncated);
        cr_assert_eq(next.hash, first.hash, "%zu", scan_max);
        cr_assert_eq(next.literal_count, 0);
    }
}

/* A long list is one literal, and what is behind it has its place. */
Test(sql_shape_bulk, a_long_list_is_one_literal)
{
    char text[TEXT_SIZE_MAX] = "select a from t where b = 5 and id in (1";
    static struct sql_fingerprint read;
    for (int i = 1; i < SQL_LITERALS_MAX; i++) sprintf(text + strlen(text), ", %d", 100 + i);
    size_t size = strlen(text);
    strcat(text, ") and c = 7");
    read_text(&read, text, SQL_FINGERPRINT_SCAN_MAX, SQL_STRINGS_STANDARD);
    cr_assert_eq(read.literal_count, SQL_LITERALS_MAX + 2);
    cr_assert_eq(read.short_length, SQL_LITERALS_MAX);
    strcpy(text + size, ", 1000) and c = 7");
    read_text(&read, text, SQL_FINGERPRINT_SCAN_MAX, SQL_STRINGS_STANDARD);
    cr_assert_eq(read.literal_count, 3);
    cr_assert_eq(read.literal_rest, 0);
    cr_assert_eq(read.list_length, SQL_LITERALS_MAX + 1);
    cr_assert_eq(read.short_length, 0);
    cr_assert_eq(read.slot_count, 2);
    cr_assert_eq(read.literals[1].kind, SQL_LITERAL_LIST);
    cr_assert(read.literals[1].is_plain);
    cr_assert_eq(read.literals[1].slot, 0);
    cr_assert_eq(read.literals[1].start, strchr(text, '(') + 1 - text);
    cr_assert_eq(read.literals[1].size, strchr(text, ')') - strchr(text, '(') - 1);
    cr_assert_eq(read.literals[2].slot, 2);
    cr_assert_eq(text[read.literals[2].start], '7');
}

/* Its values come with Bind. */
Test(sql_shape_bulk, a_long_list_with_a_parameter_is_not)
{
    char text[TEXT_SIZE_MAX] = "select a from t where id in (1";
    static struct sql_fingerprint read;
    for (int i = 1; i < 100; i++) sprintf(text + strlen(text), ", %d", i);
    strcat(text, ", $1)");
    read_text(&read, text, SQL_FINGERPRINT_SCAN_MAX, SQL_STRINGS_STANDARD);
    cr_assert_eq(read.literal_count, 101);
    cr_assert_neq(read.literal_rest, 0);
}

/* What looks like the end of the rows is not: a comment is behind it, and then they go on. */
Test(sql_shape_bulk, rows_that_go_on_behind_a_comment)
{
    static struct sql_fingerprint first, second;
    char text[TEXT_SIZE_MAX] = "insert into t values (0)";
    for (int i = 1; i < 100; i++) sprintf(text + strlen(text), ", (%d)", 100 + i);
    strcat(text, " /* */, ($1)");
    read_text(&first, text, SQL_FINGERPRINT_SCAN_MAX, SQL_STRINGS_STANDARD);
    cr_assert_eq(first.row_count, 101);
    cr_assert_eq(first.literal_count, 101);
    *strstr(text, "190") = '2';
    read_text(&second, text, SQL_FINGERPRINT_SCAN_MAX, SQL_STRINGS_STANDARD);
    cr_assert_eq(second.hash, first.hash);
    cr_assert_neq(second.literal_rest, first.literal_rest);
    strcpy(strchr(text, '$'), "1)");
    read_text(&first, text, SQL_FINGERPRINT_SCAN_MAX, SQL_STRINGS_STANDARD);
    cr_assert_eq(first.row_count, 101);
    cr_assert_eq(first.literal_count, 1);
    cr_assert_not(first.literals[0].is_plain);
    cr_assert_eq(first.literals[0].size, strlen(text) - 1 - strlen("insert into t values ("));
}

/* Where the literals have no places: a change anywhere shows. */
Test(sql_shape_bulk, each_byte_counts)
{
    static const struct sql_value_key key = {{1, 2}};
    char text[TEXT_SIZE_MAX] = "select a from t where id in (1";
    static struct sql_fingerprint first, next;
    for (int i = 2; i < 300; i++) sprintf(text + strlen(text), ", %d", 100 + i);
    strcat(text, ")");
    read_text(&first, text, SQL_FINGERPRINT_SCAN_MAX, SQL_STRINGS_STANDARD);
    uint64_t first_value = sql_value_hash_literal(&key, text, &first.literals[0]);
    cr_assert_eq(first.list_length, 299);
    for (size_t at = first.literals[0].start; at < strlen(text); at++) {
        if (text[at] < '0' || text[at] > '9') continue;
        char was = text[at];
        text[at] = was == '5' ? '6' : '5';
        read_text(&next, text, SQL_FINGERPRINT_SCAN_MAX, SQL_STRINGS_STANDARD);
        cr_assert_eq(next.hash, first.hash);
        cr_assert_neq(sql_value_hash_literal(&key, text, &next.literals[0]), first_value, "%zu", at);
        text[at] = was;
    }
}
