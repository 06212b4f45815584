/*
 * String constants to the bytes that they stand for (manual, "String Constants"). Where a constant begins and ends is known from sql_lex; here it is only
 * undone what the quotes needed.
 */
#include "protocol/sql_string.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct output {
    char *bytes;
    size_t size, room;
    bool is_bad;
};

static void append(struct output *output, char byte)
{
    if (output->size == output->room) {
        output->is_bad = true;
        return;
    }
    output->bytes[output->size++] = byte;
}

static int digit_of(char c, int base)
{
    char lower = (char)(c | 0x20);
    int digit = c >= '0' && c <= '9' ? c - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 16;
    return digit < base ? digit : -1;
}

/* Up to `digits_max` digits at `at`; returns how many there are. */
static size_t read_number(const char *at, const char *end, size_t digits_max, int base, unsigned *value_out)
{
    size_t count = 0;
    *value_out = 0;
    for (; count < digits_max && at + count < end && digit_of(at[count], base) >= 0; count++)
        *value_out = *value_out * (unsigned)base + (unsigned)digit_of(at[count], base);
    return count;
}

/* Behind a backslash; returns where to go on. */
static const char *append_escape(struct output *output, const char *at, const char *end)
{
    unsigned value;
    size_t count;
    char c = *at++;
    switch (c) {
    case 'b': append(output, '\b'); return at;
    case 'f': append(output, '\f'); return at;
    case 'n': append(output, '\n'); return at;
    case 'r': append(output, '\r'); return at;
    case 't': append(output, '\t'); return at;
    case 'u':
    case 'U': output->is_bad = true; return at;
    case 'x':
        count = read_number(at, end, 2, 16, &value);
        append(output, count > 0 ? (char)value : c);
        return at + count;
    default: break;
    }
    count = read_number(at - 1, end, 3, 8, &value);
    append(output, count > 0 ? (char)value : c);
    return count > 0 ? at - 1 + count : at;
}

/* Between two quotes of one constant are white space and line comments. */
static const char *skip_to_quote(const char *at, const char *end)
{
    while (at < end && *at != '\'') {
        if (*at == '-') {
            while (at < end && *at != '\n' && *at != '\r') at++;
        } else {
            at++;
        }
    }
    return at;
}

/* From behind the first quote on. */
static void append_quoted(struct output *output, const char *at, const char *end, bool has_escapes)
{
    while (at < end && !output->is_bad) {
        if (*at == '\'') {
            at++;
            if (at == end) return;
            if (*at == '\'') {
                append(output, *at++);
            } else {
                at = skip_to_quote(at, end) + 1;
            }
        } else if (has_escapes && *at == '\\' && end - at > 1) {
            at = append_escape(output, at + 1, end);
        } else {
            append(output, *at++);
        }
    }
    output->is_bad = true; /* the closing quote is missing */
}

static const char *dollar_bytes(const char *text, size_t size, size_t *size_out)
{
    const char *tag_end = memchr(text + 1, '$', size - 1);
    size_t tag_size = tag_end != NULL ? (size_t)(tag_end - text) + 1 : 0;
    if (tag_end == NULL || size < 2 * tag_size || memcmp(text + size - tag_size, text, tag_size) != 0) return NULL;
    *size_out = size - 2 * tag_size;
    return text + tag_size;
}

const char *sql_string_bytes(enum sql_token kind, const char *text, size_t size, char *scratch, size_t scratch_size, size_t *size_out)
{
    if (kind == SQL_DOLLAR_STRING) return dollar_bytes(text, size, size_out);
    const char *quote = memchr(text, '\'', size);
    if (quote == NULL) return NULL;
    const char *inside = quote + 1;
    const char *end = text + size;
    size_t inside_size = (size_t)(end - inside);
    bool has_backslash = kind != SQL_STRING && memchr(inside, '\\', inside_size) != NULL;
    if (has_backslash && kind == SQL_UNICODE_STRING) return NULL;
    if (!has_backslash && inside_size > 0 && memchr(inside, '\'', inside_size) == end - 1) {
        *size_out = inside_size - 1;
        return inside;
    }
    struct output output = {.bytes = scratch, .room = scratch_size};
    append_quoted(&output, inside, end, has_backslash);
    if (output.is_bad) return NULL;
    *size_out = output.size;
    return scratch;
}
