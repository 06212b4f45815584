/* Fields to text and back. Not for: what they mean. */
#include "proxy/field_lines.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- writing ---- */

void field_line_begin(struct text_buffer *text, const char *word)
{
    text_buffer_add(text, word);
}

void field_line_add_text(struct text_buffer *text, const char *field)
{
    text_buffer_add_bytes(text, "\t", 1);
    for (; *field != '\0'; field++) {
        char escaped[4];
        if ((unsigned char)*field < 0x20 || *field == '%' || *field == 0x7f) {
            snprintf(escaped, sizeof escaped, "%%%02X", (unsigned)(unsigned char)*field);
            text_buffer_add_bytes(text, escaped, 3);
        } else {
            text_buffer_add_bytes(text, field, 1);
        }
    }
}

void field_line_add_number(struct text_buffer *text, int64_t number)
{
    char digits[24];
    int size = snprintf(digits, sizeof digits, "\t%" PRId64, number);
    text_buffer_add_bytes(text, digits, (size_t)size);
}

void field_line_end(struct text_buffer *text)
{
    text_buffer_add_bytes(text, "\n", 1);
}

/* ---- reading ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static bool unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; from++) {
        if (*from != '%') {
            *to++ = *from;
            continue;
        }
        int high = hex_digit(from[1]), low = high < 0 ? -1 : hex_digit(from[2]);
        if (low < 0 || (high == 0 && low == 0)) return false;
        *to++ = (char)(high * 16 + low);
        from += 2;
    }
    *to = '\0';
    return true;
}

void field_line_read(struct field_line *fields, char *line)
{
    *fields = (struct field_line){0};
    for (char *field = line; field != NULL;) {
        char *tab = strchr(field, '\t');
        if (tab) *tab = '\0';
        if (fields->count == FIELD_LINE_FIELDS_MAX || !unescape(field)) {
            fields->is_bad = true;
            return;
        }
        fields->fields[fields->count++] = field;
        field = tab ? tab + 1 : NULL;
    }
}

const char *field_line_text(struct field_line *fields)
{
    if (fields->next == fields->count) fields->is_bad = true;
    return fields->is_bad ? "" : fields->fields[fields->next++];
}

int64_t field_line_number(struct field_line *fields)
{
    const char *text = field_line_text(fields);
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (*text == '\0' || *end != '\0' || errno != 0 || *text == ' ' || *text == '+') fields->is_bad = true;
    return fields->is_bad ? 0 : number;
}

int64_t field_line_number_between(struct field_line *fields, int64_t low, int64_t high)
{
    int64_t number = field_line_number(fields);
    if (number < low || number > high) {
        fields->is_bad = true;
        return low;
    }
    return number;
}

bool field_line_is_whole(const struct field_line *fields)
{
    return !fields->is_bad && fields->next == fields->count;
}
