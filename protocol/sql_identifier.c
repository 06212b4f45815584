/*
 * The text of an identifier: unquoting, folding, Unicode escapes, truncation. It does not find identifiers: sql_lex does.
 *
 * Invariant: no more than SQL_IDENTIFIER_SIZE_MAX bytes are kept of a name of any length, and they are whole characters.
 */
#include "protocol/sql_identifier.h"

#include <stdint.h>
#include <string.h>

/* The name so far. A character that does not fit ends it: what comes later is read for errors only. */
struct name {
    char *text;
    size_t size;
    bool is_full;
};

static void append(struct name *name, const char *character, size_t size)
{
    if (name->is_full || size > SQL_IDENTIFIER_SIZE_MAX - name->size) {
        name->is_full = true;
        return;
    }
    memcpy(name->text + name->size, character, size);
    name->size += size;
}

/* The size of the UTF-8 character at `at`; a broken one is as long as the text allows. */
static size_t character_size(const char *text, size_t size, size_t at)
{
    uint8_t lead = (uint8_t)text[at];
    size_t wanted = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    return wanted < size - at ? wanted : size - at;
}

static void append_code_point(struct name *name, uint32_t code)
{
    char out[4];
    size_t size;
    if (code < 0x80) {
        out[0] = (char)code;
        size = 1;
    } else if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        size = 2;
    } else if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        size = 3;
    } else {
        out[0] = (char)(0xf0 | code >> 18);
        size = 4;
    }
    for (size_t i = 1; i < size; i++) out[i] = (char)(0x80 | (code >> 6 * (size - 1 - i) & 0x3f));
    append(name, out, size);
}

static bool read_hex(const char *text, size_t size, size_t at, size_t digits, uint32_t *code_out)
{
    uint32_t code = 0;
    if (digits > size - at) return false;
    for (size_t i = at; i < at + digits; i++) {
        char digit = text[i];
        char lower = (char)(digit | 0x20);
        if (digit >= '0' && digit <= '9') {
            code = code << 4 | (uint32_t)(digit - '0');
        } else if (lower >= 'a' && lower <= 'f') {
            code = code << 4 | (uint32_t)(lower - 'a' + 10);
        } else {
            return false;
        }
    }
    *code_out = code;
    return true;
}

/* \XXXX or \+XXXXXX behind the escape character at `at`; advances `*at` past it. */
static bool read_escape(const char *text, size_t size, size_t *at, uint32_t *code_out)
{
    size_t first = *at + 1;
    size_t digits = 4;
    if (first < size && text[first] == '+') {
        first++;
        digits = 6;
    }
    if (first > size || !read_hex(text, size, first, digits, code_out)) return false;
    *at = first + digits;
    return *code_out > 0 && *code_out <= 0x10ffff;
}

static bool is_high_surrogate(uint32_t code)
{
    return code >= 0xd800 && code < 0xdc00;
}

static bool is_low_surrogate(uint32_t code)
{
    return code >= 0xdc00 && code < 0xe000;
}

/* An escape, or two that are the halves of a surrogate pair. False: no character. */
static bool append_escape(struct name *name, const char *text, size_t size, size_t *at)
{
    char escape = text[*at];
    uint32_t code;
    uint32_t low;
    if (!read_escape(text, size, at, &code) || is_low_surrogate(code)) return false;
    if (is_high_surrogate(code)) {
        if (*at >= size || text[*at] != escape || !read_escape(text, size, at, &low) || !is_low_surrogate(low)) return false;
        code = 0x10000 + ((code & 0x3ff) << 10 | (low & 0x3ff));
    }
    append_code_point(name, code);
    return true;
}

/* What is between the quotes. False: PostgreSQL refuses it. */
static bool append_quoted(struct name *name, const char *text, size_t size, bool has_escapes, char escape)
{
    size_t at = 0;
    while (at < size) {
        if (text[at] == '"') {
            if (at + 1 == size || text[at + 1] != '"') return false;
            append(name, "\"", 1);
            at += 2;
        } else if (!has_escapes || text[at] != escape) {
            size_t wide = character_size(text, size, at);
            append(name, text + at, wide);
            at += wide;
        } else if (at + 1 < size && text[at + 1] == escape) {
            append(name, &escape, 1);
            at += 2;
        } else if (!append_escape(name, text, size, &at)) {
            return false;
        }
    }
    return true;
}

static void append_folded(struct name *name, const char *text, size_t size)
{
    size_t wide;
    for (size_t at = 0; at < size && !name->is_full; at += wide) {
        wide = character_size(text, size, at);
        char lower = (char)(text[at] + ('a' - 'A'));
        append(name, text[at] >= 'A' && text[at] <= 'Z' ? &lower : text + at, wide);
    }
}

size_t sql_identifier_text(const struct sql_identifier *identifier, char text_out[SQL_IDENTIFIER_SIZE_MAX + 1])
{
    const char *text = identifier->text;
    size_t size = identifier->size;
    struct name name = {.text = text_out};
    bool has_escapes = size >= 2 && (text[0] == 'u' || text[0] == 'U') && text[1] == '&';
    size_t open = has_escapes ? 2 : 0; /* where the quote stands, if there is one */

    if (size > open && text[open] == '"') {
        size_t inside = size - open;
        if (inside < 2 || text[size - 1] != '"' || !append_quoted(&name, text + open + 1, inside - 2, has_escapes, identifier->escape))
            name.size = 0;
    } else {
        append_folded(&name, text, size);
    }
    text_out[name.size] = '\0';
    return name.size;
}
