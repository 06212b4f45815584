#include "proxy/text_buffer.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static struct text_buffer buffer;

static void end(void)
{
    text_buffer_fini(&buffer);
    cr_expect_null(buffer.text);
}

TestSuite(text_buffer, .fini = end);

static const char *label(const char *text)
{
    buffer.size = 0;
    text_buffer_add_label(&buffer, text);
    cr_assert_eq(buffer.text[buffer.size], '\0');
    return buffer.text;
}

static const char *json(const char *text)
{
    buffer.size = 0;
    text_buffer_add_json(&buffer, text);
    return buffer.text;
}

Test(text_buffer, grows)
{
    for (int i = 0; i < 20000; i++) text_buffer_print(&buffer, "%d,", i % 10);
    cr_assert_eq(buffer.size, 40000);
    for (size_t i = 0; i < buffer.size; i++) cr_assert_eq(buffer.text[i], i % 2 ? ',' : "0123456789"[i / 2 % 10]);
    text_buffer_print(&buffer, "%s", "");
    cr_assert_eq(buffer.size, 40000);
    text_buffer_add(&buffer, "end");
    cr_assert_str_eq(buffer.text + 40000, "end");
}

Test(text_buffer, labels)
{
    cr_expect_str_eq(label(""), "\"\"");
    cr_expect_str_eq(label("app"), "\"app\"");
    cr_expect_str_eq(label("a\"b\\c\nd"), "\"a\\\"b\\\\c\\nd\"");
    cr_expect_str_eq(label("tab\there\r"), "\"tab\there\r\"");
    cr_expect_str_eq(label("caf\xc3\xa9 \xf0\x9f\x90\x98"), "\"caf\xc3\xa9 \xf0\x9f\x90\x98\"");
    cr_expect_str_eq(label("x} 1\n# EOF"), "\"x} 1\\n# EOF\"");
}

Test(text_buffer, labels_that_are_no_utf8)
{
#define NO "\xef\xbf\xbd"
    cr_expect_str_eq(label("\xff"), "\"" NO "ff\"");
    cr_expect_str_eq(label("a\x80z"), "\"a" NO "80z\"");
    cr_expect_str_eq(label("\xc3"), "\"" NO "c3\"", "cut short");
    cr_expect_str_eq(label("\xc0\xaf"), "\"" NO "c0" NO "af\"", "overlong");
    cr_expect_str_eq(label("\xed\xa0\x80"), "\"" NO "ed" NO "a0" NO "80\"", "a surrogate");
    cr_expect_str_eq(label("\xf4\x90\x80\x80"), "\"" NO "f4" NO "90" NO "80" NO "80\"", "beyond U+10FFFF");
    cr_expect_str_eq(label(NO "ff"),
                     "\"" NO "ef" NO "bf" NO "bd"
                     "ff\"",
                     "what could be taken for an escaped byte");
}

Test(text_buffer, json_strings)
{
    cr_expect_str_eq(json(""), "\"\"");
    cr_expect_str_eq(json("a\"b\\c\nd\x01"), "\"a\\\"b\\\\c\\u000ad\\u0001\"");
    cr_expect_str_eq(json("caf\xc3\xa9\xff"), "\"caf\xc3\xa9\\ufffd\"");
}

/* ---- any text: what was quoted can be read back, whole ---- */

static int hex(char digit)
{
    const char *digits = "0123456789abcdef", *at = digit ? strchr(digits, digit) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* The inverse of text_buffer_add_label, as a reader of the format would do it, and then the escaped bytes. */
static void read_label(const char *quoted, char *out)
{
    const char *at = quoted;
    cr_assert_eq(*at++, '"');
    while (*at != '"') {
        cr_assert_neq(*at, '\0');
        cr_assert_neq(*at, '\n');
        if (*at == '\\') {
            cr_assert_not_null(memchr("\"\\n", at[1], 3), "\\%c", at[1]);
            *out++ = at[1] == 'n' ? '\n' : at[1];
            at += 2;
        } else if (strncmp(at, NO, 3) == 0) {
            cr_assert(hex(at[3]) >= 0 && hex(at[4]) >= 0);
            *out++ = (char)(hex(at[3]) << 4 | hex(at[4]));
            at += 5;
        } else {
            *out++ = *at++;
        }
    }
    cr_assert_eq(at[1], '\0');
    *out = '\0';
}

/* Bytes that are likely to be part of something. */
static char any_byte(uint32_t *state)
{
    static const char likely[] = "\"\\\n\xef\xbf\xbd\xc3\xa9\xed\xa0\xf0\x9f\x80"
                                 "aF0{}=,";
    *state = *state * 1664525 + 1013904223;
    uint32_t dice = *state >> 8;
    char byte = dice & 1 ? likely[dice / 2 % (sizeof likely - 1)] : (char)(dice >> 3);
    return byte ? byte : 'x';
}

Test(text_buffer, whatever_is_quoted_as_a_label_can_be_read_back)
{
    uint32_t state = 1;
    for (int round = 0; round < 20000; round++) {
        char text[24], back[24 * 4];
        size_t size = (size_t)round % (sizeof text - 1);
        for (size_t i = 0; i < size; i++) text[i] = any_byte(&state);
        text[size] = '\0';
        read_label(label(text), back);
        cr_assert_str_eq(back, text);
    }
}
