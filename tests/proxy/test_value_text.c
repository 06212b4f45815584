#include "proxy/value_text.h"

#include <criterion/criterion.h>
#include <string.h>

#include "protocol/sql_fingerprint.h"
#include "protocol/type_oids.h"
#include "proxy/shown_values.h"

static struct value_text line;

static void expect_bytes(const void *bytes, size_t size, bool is_binary, uint32_t type, const char *wanted)
{
    value_text_begin(&line);
    value_text_add(&line, 1, &(struct value_bytes){.bytes = bytes, .size = size, .is_binary = is_binary, .type = type});
    value_text_end(&line);
    cr_expect_eq(strncmp(line.text, "$1 = ", 5), 0);
    cr_expect_str_eq(line.text + 5, wanted);
}

static void expect_text(const char *text, const char *wanted)
{
    expect_bytes(text, strlen(text), false, 0, wanted);
}

Test(value_text, texts)
{
    expect_text("4711", "4711");
    expect_text("-3.5e+7", "-3.5e+7");
    expect_text("2024-01-01", "2024-01-01");
    expect_text("Anna", "'Anna'");
    expect_text("NULL", "'NULL'");
    expect_text("", "''");
    expect_text("it's a \\", "'it''s a \\\\'");
    expect_text("M\xc3\xbcller", "'M\xc3\xbcller'");
    expect_bytes(NULL, 0, false, 0, "NULL");
}

Test(value_text, nothing_steers_a_terminal)
{
    expect_text("a\x1b[2J\n\t\x7f", "'a\\x1b[2J\\x0a\\x09\\x7f'");
    expect_text("bad \xff utf8 \xc3", "'bad \\xff utf8 \\xc3'");
    expect_text("\xe2\x80\xae", "'\\xe2\\x80\\xae'"); /* right to left from here */
    expect_bytes("a\0b", 3, false, 0, "'a\\x00b'");
    expect_bytes("1\0b", 3, false, 0, "'1\\x00b'");
}

Test(value_text, long_ones_are_cut_at_a_character)
{
    expect_text("1234567890123456789012345678901234567890", "1234567890123456789012345678901234567890");
    expect_text("12345678901234567890123456789012345678901", "1234567890123456789012345678901234567890...");
    expect_text("123456789012345678901234567890123456789\xc3\xbc...", "123456789012345678901234567890123456789...");
    expect_text("x23456789012345678901234567890123456789\xf0\x9f\x98\x80", "'x23456789012345678901234567890123456789'...");
}

Test(value_text, binary)
{
    expect_bytes("\x00\x00\x00\x2c", 4, true, OID_INT4, "44");
    expect_bytes("\xff\xfe", 2, true, OID_INT2, "-2");
    expect_bytes("\xff\xff\xff\xff\xff\xff\xff\xff", 8, true, OID_INT8, "-1");
    expect_bytes("\xff\xff\xff\xff", 4, true, OID_OID, "4294967295");
    expect_bytes("\x00\x00\x00\x2c", 4, true, 0, "44");
    expect_bytes("\x01", 1, true, OID_BOOL, "true");
    expect_bytes("\x3f\xc0\x00\x00", 4, true, OID_FLOAT4, "1.5");
    expect_bytes("\xbf\xf8\x00\x00\x00\x00\x00\x00", 8, true, OID_FLOAT8, "-1.5");
    expect_bytes("Anna", 4, true, OID_TEXT, "'Anna'");
    expect_bytes("Annas", 5, true, 0, "'Annas'");
    expect_bytes("\x01\x02\x03", 3, true, 0, "\\x010203");
    expect_bytes("Anna", 4, true, 17, "\\x416e6e61"); /* bytea */
    expect_bytes("012345678901234567890123456789", 30, true, 17, "\\x3031323334353637383930313233343536373839...");
    expect_bytes("\x12\x3e\x45\x67\xe8\x9b\x12\xd3\xa4\x56\x42\x66\x14\x17\x40\x00", 16, true, OID_UUID,
                 "123e4567-e89b-12d3-a456-426614174000");
    expect_bytes("abc", 3, true, OID_INT4, "\\x616263"); /* not what the type says */
    expect_bytes("", 0, true, OID_INT4, "\\x");
}

static const char *line_of(const char *sql)
{
    static struct sql_fingerprint fingerprint;
    struct sql_fingerprint_scan scan;
    sql_fingerprint_init(&scan, sql, strlen(sql), SQL_STRINGS_STANDARD, SQL_FINGERPRINT_SCAN_MAX);
    cr_assert(sql_fingerprint_next(&scan, &fingerprint));
    shown_values_of_query(&line, &fingerprint, sql);
    return line.text;
}

Test(value_text, literals)
{
    cr_expect_str_eq(line_of("select * from t where a = 5 and b = 'it''s' and c = TRUE and d = -3 limit 21"),
                     "$1 = 5, $2 = 'it''s', $3 = true, $4 = -3, $5 = 21");
    cr_expect_str_eq(line_of("select * from t where a = e'x\\ty' and b = $$\na$$ and c = date '2024-01-01'"),
                     "$1 = 'x\\x09y', $2 = '\\x0aa', $3 = 2024-01-01");
    cr_expect_str_eq(line_of("select * from t where id in (1, 2, 'x') and b = 7"), "(1, 2, 'x'), $1 = 7");
    cr_expect_str_eq(line_of("insert into t (a, b) values (1, null), (2, 'y')"), "(1, NULL, 2, 'y')");
    cr_expect_str_eq(line_of("select * from t where id = $1"), "", "what is no literal is not here");
    cr_expect_str_eq(line_of("select * from t"), "");
}

Test(value_text, a_line_is_bounded)
{
    char sql[4096] = "select * from t where id in (1";
    for (int i = 0; i < 60; i++) strcat(sql, ", 'abcdefghijklmnopqrstuvwxyz'");
    strcat(sql, ")");
    const char *text = line_of(sql);
    cr_expect_lt(strlen(text), VALUE_TEXT_SIZE);
    cr_expect_str_eq(text + strlen(text) - 3, "...");
    value_text_wipe(&line);
    for (size_t i = 0; i < sizeof line; i++) cr_expect_eq(((char *)&line)[i], 0);
}

/* Each size of what comes before the end. */
Test(value_text, the_end_has_room)
{
    for (int size = 1; size < 40; size++) {
        value_text_begin(&line);
        for (int i = 0; i < 40; i++)
            value_text_add(
                &line, 0,
                &(struct value_bytes){.bytes = (const uint8_t *)"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", .size = (size_t)size});
        value_text_end(&line);
        cr_expect_lt(strlen(line.text), VALUE_TEXT_SIZE);
        cr_expect_eq(line.size, strlen(line.text));
    }
}

Test(value_text, bind)
{
    static const uint8_t body[] = {0, 2, 0, 1, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 44, 0, 0, 0, 4, 'A', 'n', 'n', 'a', 0, 0};
    static const uint32_t types[] = {OID_INT4};
    struct statement_source sources[] = {
        {.slot = 1, .parameter = 2}, {.slot = 2}, {.slot = 3, .parameter = 1}, {.slot = 4, .parameter = 3}};
    struct statement_slots slots = {.slot_count = 4, .source_count = 4, .sources = sources};
    shown_values_of_bind(&line, &slots, body, sizeof body, types, 1);
    cr_expect_str_eq(line.text, "$1 = 'Anna', $3 = 44");
    for (size_t size = 0; size < sizeof body - 2; size++) {
        shown_values_of_bind(&line, &slots, body, size, types, 1);
        cr_expect(strstr(line.text, "Anna") == NULL);
    }
}

/* A long list is one literal; what is shown of it are its first values. */
Test(value_text, long_lists)
{
    char text[4096] = "insert into t values (-5, 'it''s', null, '7'::numeric(10, 2))";
    static struct sql_fingerprint fingerprint;
    struct sql_fingerprint_scan scan;
    for (int i = 0; i < 100; i++) strcat(text, ", (true, 2, 3, 4)");
    sql_fingerprint_init(&scan, text, strlen(text), SQL_STRINGS_STANDARD, SQL_FINGERPRINT_SCAN_MAX);
    cr_assert(sql_fingerprint_next(&scan, &fingerprint));
    cr_assert_eq(fingerprint.literal_count, 1);
    shown_values_of_query(&line, &fingerprint, text);
    static const char start[] = "(-5, 'it''s', NULL, 7, true, 2, 3, 4, true, 2";
    cr_expect_eq(strncmp(line.text, start, strlen(start)), 0, "%s", line.text);
    cr_expect_str_eq(line.text + line.size - 3, "...");
}
