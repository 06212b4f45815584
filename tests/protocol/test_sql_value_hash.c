/* protocol/sql_value_hash.h */
#include "protocol/sql_value_hash.h"

#include "protocol/sql_fingerprint.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct sql_value_key key = {{UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)}};

/* Of the first literal in "SELECT <sql>". */
static uint64_t literal(const char *sql)
{
    char text[2000];
    struct sql_fingerprint_scan scan;
    struct sql_fingerprint fingerprint;
    int size = snprintf(text, sizeof text, "SELECT %s", sql);
    char *copy = malloc((size_t)size);
    memcpy(copy, text, (size_t)size);
    sql_fingerprint_init(&scan, copy, (size_t)size, SQL_STRINGS_STANDARD, SQL_FINGERPRINT_SCAN_MAX);
    cr_assert(sql_fingerprint_next(&scan, &fingerprint));
    cr_assert_eq(fingerprint.literal_count, 1, "%s", sql);
    uint64_t hash = sql_value_hash_literal(&key, copy, &fingerprint.literals[0]);
    free(copy);
    return hash;
}

static uint64_t text(uint32_t oid, const char *value)
{
    return sql_value_hash_text(&key, oid, value, strlen(value));
}

static uint64_t binary(uint32_t oid, const char *bytes, size_t size)
{
    char *copy = malloc(size + (size == 0));
    memcpy(copy, bytes, size);
    uint64_t hash = sql_value_hash_binary(&key, oid, copy, size);
    free(copy);
    return hash;
}

Test(sql_value_hash, an_integer_however_it_is_written)
{
    uint64_t expected = text(0, "44");
    cr_assert_eq(literal("44"), expected);
    cr_assert_eq(literal("'44'"), expected);
    cr_assert_eq(literal("'44'::int"), expected);
    cr_assert_eq(literal("+044"), expected);
    cr_assert_eq(literal("0x2c"), expected);
    cr_assert_eq(literal("0o54"), expected);
    cr_assert_eq(literal("0b101100"), expected);
    cr_assert_eq(literal("4_4"), expected);
    cr_assert_eq(literal("E'4\\x34'"), expected);
    cr_assert_eq(literal("$$44$$"), expected);
    cr_assert_eq(text(23, "44"), expected);
    cr_assert_eq(text(23, " +044 "), expected);
    cr_assert_eq(text(25, "44"), expected);
    cr_assert_eq(binary(21, "\0\x2c", 2), expected);
    cr_assert_eq(binary(23, "\0\0\0\x2c", 4), expected);
    cr_assert_eq(binary(20, "\0\0\0\0\0\0\0\x2c", 8), expected);
    cr_assert_eq(binary(0, "\0\x2c", 2), expected);
    cr_assert_eq(binary(0, "\0\0\0\x2c", 4), expected);
    cr_assert_eq(binary(0, "\0\0\0\0\0\0\0\x2c", 8), expected);
    cr_assert_eq(binary(25, "44", 2), expected);
}

Test(sql_value_hash, negative_integers_and_the_ends_of_the_range)
{
    cr_assert_eq(literal("-5"), text(0, "-5"));
    cr_assert_eq(literal("- 5"), text(0, "-5"));
    cr_assert_eq(binary(21, "\xff\xfb", 2), text(0, "-5"));
    cr_assert_eq(binary(23, "\xff\xff\xff\xfb", 4), text(0, "-5"));
    cr_assert_eq(literal("9223372036854775807"), binary(20, "\x7f\xff\xff\xff\xff\xff\xff\xff", 8));
    cr_assert_eq(literal("-9223372036854775808"), binary(20, "\x80\0\0\0\0\0\0\0", 8));
    cr_assert_eq(text(0, "-9223372036854775808"), binary(20, "\x80\0\0\0\0\0\0\0", 8));
    cr_assert_eq(literal("9223372036854775808"), text(0, "9223372036854775808"));
    cr_assert_eq(literal("-9223372036854775809"), text(0, "-9223372036854775809"));
    cr_assert_neq(literal("9223372036854775808"), literal("-9223372036854775808"));
    cr_assert_eq(binary(26, "\xff\xff\xff\xff", 4), text(0, "4294967295"));
    cr_assert_eq(literal("0"), text(0, "0"));
}

Test(sql_value_hash, text_that_is_no_written_integer)
{
    static const char *const others[] = {"044", "+44", "-0", "00", " 44", "44 ", "4 4", "44.0", "4e1", "0x2c", "", "-", "+", "4_4"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        cr_assert_neq(text(0, others[i]), text(0, "44"), "%s", others[i]);
        for (size_t j = 0; j < i; j++) cr_assert_neq(text(0, others[i]), text(0, others[j]), "%s %s", others[i], others[j]);
    }
}

Test(sql_value_hash, uuid)
{
    const char *bytes = "\x55\x0e\x84\x00\xe2\x9b\x41\xd4\xa7\x16\x44\x66\x55\x44\x00\x00";
    uint64_t expected = binary(2950, bytes, 16);
    cr_assert_eq(binary(0, bytes, 16), expected);
    cr_assert_eq(text(2950, "550e8400-e29b-41d4-a716-446655440000"), expected);
    cr_assert_eq(text(0, "550E8400-E29B-41D4-A716-446655440000"), expected);
    cr_assert_eq(literal("'550e8400-e29b-41d4-a716-446655440000'::uuid"), expected);
    cr_assert_neq(text(0, "550e8400-e29b-41d4-a716-446655440001"), expected);
    cr_assert_neq(text(0, "550e8400-e29b-41d4-a716_446655440000"), expected);
    cr_assert_neq(text(0, "550e8400-e29b-41d4-a716-44665544000x"), expected);
    cr_assert_neq(text(0, "550e8400-e29b-41d4-a716-44665544_000"), expected);
}

Test(sql_value_hash, strings)
{
    char longer[600];
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    cr_assert_eq(literal("'it''s'"), text(25, "it's"));
    cr_assert_eq(literal("E'it\\'s'"), text(0, "it's"));
    cr_assert_eq(literal("E'it''s'"), text(0, "it's"));
    cr_assert_eq(literal("N'it''s'"), text(0, "it's"));
    cr_assert_eq(literal("$q$it's$q$"), text(0, "it's"));
    cr_assert_eq(literal("'it'\n -- comment'\n '''s'"), text(0, "it's"));
    cr_assert_eq(literal("U&'its'"), text(0, "its"));
    cr_assert_eq(literal("E'\\a\\b\\n\\101\\x41\\\\'"), text(0, "a\b\nAA\\"));
    cr_assert_eq(literal("''"), text(0, ""));
    cr_assert_eq(binary(25, "it's", 4), text(0, "it's"));
    cr_assert_eq(binary(0, "its", 3), text(0, "its"));
    cr_assert_neq(literal("'a'"), literal("'A'"));
    cr_assert_neq(literal("'a'"), literal("'a '"));
    cr_assert_eq(literal("U&'\\0061'"), literal("U&'\\0061'"));
    char quoted[700];
    sprintf(quoted, "'%s'", longer);
    cr_assert_eq(literal(quoted), text(0, longer));
    sprintf(quoted, "'%s'''", longer);
    cr_assert_eq(literal(quoted), literal(quoted));
    cr_assert_neq(literal(quoted), text(0, longer));
}

Test(sql_value_hash, other_values)
{
    cr_assert_eq(literal("true"), text(16, "t"));
    cr_assert_eq(literal("TRUE"), text(16, "true"));
    cr_assert_eq(literal("false"), text(16, "off"));
    cr_assert_eq(binary(16, "\x01", 1), literal("true"));
    cr_assert_eq(binary(16, "\0", 1), literal("false"));
    cr_assert_eq(literal("null"), sql_value_hash_null(&key));
    cr_assert_neq(literal("null"), text(0, ""));
    cr_assert_neq(literal("null"), text(0, "null"));
    cr_assert_eq(literal("4.50"), text(1700, "4.50"));
    cr_assert_eq(literal("-4.50"), text(1700, "-4.50"));
    cr_assert_neq(literal("4.50"), literal("-4.50"));
    cr_assert_neq(literal("b'1'"), text(0, "1"));
    cr_assert_neq(binary(701, "\0\0\0\0\0\0\0\x2c", 8), text(0, "44")); /* float8 */
    cr_assert_eq(literal("interval '1 day'"), text(1186, "1 day"));
}

Test(sql_value_hash, combining_depends_on_the_order)
{
    uint64_t ab = sql_value_hash_combine(&key, sql_value_hash_combine(&key, 0, 1), 2);
    uint64_t ba = sql_value_hash_combine(&key, sql_value_hash_combine(&key, 0, 2), 1);
    cr_assert_neq(ab, ba);
}

Test(sql_value_hash, another_key_gives_other_hashes)
{
    struct sql_value_key other = key;
    other.words[1] ^= 1;
    cr_assert_neq(sql_value_hash_text(&other, 0, "44", 2), text(0, "44"));
    cr_assert_neq(sql_value_hash_null(&other), sql_value_hash_null(&key));
}

Test(sql_value_hash, no_two_small_values_share_a_hash)
{
    enum { COUNT = 3000 };
    static uint64_t hashes[2 * COUNT];
    for (int i = 0; i < COUNT; i++) {
        char value[20];
        sprintf(value, "%d", i);
        hashes[2 * i] = text(0, value);
        sprintf(value, "v%d", i);
        hashes[2 * i + 1] = text(0, value);
    }
    for (size_t i = 0; i < 2 * COUNT; i++) {
        for (size_t j = 0; j < i; j++) cr_assert_neq(hashes[i], hashes[j]);
    }
}

Test(sql_value_hash, comparable_types)
{
    static const uint32_t comparable[] = {19, 20, 21, 23, 25, 26, 1042, 1043, 2950};
    static const uint32_t others[] = {0, 16, 17, 114, 700, 701, 1114, 1184, 1700, 3802};
    for (size_t i = 0; i < sizeof comparable / sizeof comparable[0]; i++) cr_assert(sql_value_is_comparable(comparable[i]));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) cr_assert_not(sql_value_is_comparable(others[i]));
}
