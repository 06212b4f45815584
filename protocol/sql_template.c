/*
 * Templates. What makes the comparison of bytes enough: the scanner goes from left to right, and what it does at a byte depends on this byte and on those
 * before and a few behind it, never on the value of a number or the inside of a string; and sql_shape looks at the kinds of literals only. So a literal may
 * be exchanged for one of its kind as long as it ends at the same following byte, and for the same reason: the byte behind a number must be one
 * that no spelling of a number goes on with.
 *
 * A list may be exchanged for another one that sql_plain_list() knows, since that says what sql_shape does, and both are long: one literal. What is in front is
 * the same, and with it whether literals mean something else there.
 *
 * Invariant: nothing at or behind text[size] is read; each byte is looked at three times at most.
 */
#include "protocol/sql_template.h"

#include "protocol/sql_canonical.h"
#include "protocol/sql_plain_list.h"
#include "protocol/sql_plain_literal.h"

#include <string.h>

/* "1.5" */
static inline size_t scan_decimal(const char *text, size_t size, size_t start)
{
    size_t dot = sql_digits_end(text, size, start);
    if (dot == start || dot == size || text[dot] != '.') return start;
    size_t end = sql_digits_end(text, size, dot + 1);
    return end > dot + 1 ? end : start;
}

/* The end of what is spelled as a hole of this kind must be; `start` when it is not so spelled. */
static inline size_t scan(enum sql_hole_kind kind, const char *text, size_t size, size_t start, uint32_t *length_out)
{
    static const enum sql_plain_list_kind lists[] = {
        [SQL_HOLE_LIST] = SQL_PLAIN_LIST, [SQL_HOLE_ARRAY] = SQL_PLAIN_ARRAY, [SQL_HOLE_ROWS] = SQL_PLAIN_ROWS};
    struct sql_plain_list list;
    *length_out = 0;
    switch (kind) {
    case SQL_HOLE_INTEGER: return sql_digits_end(text, size, start);
    case SQL_HOLE_DECIMAL: return scan_decimal(text, size, start);
    case SQL_HOLE_STRING: return sql_plain_string_end(text, size, start);
    case SQL_HOLE_LIST:
    case SQL_HOLE_ARRAY:
    case SQL_HOLE_ROWS: break;
    }
    if (!sql_plain_list(text, size, start, lists[kind], &list) || list.literal_count <= SQL_LITERALS_MAX) return start;
    *length_out = list.length;
    return list.end;
}

/* Whether no spelling of a number goes on with this byte. */
static bool ends_number(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || (c >= '(' && c <= '/' && c != '.') || (c >= ':' && c <= '?') || c == '[' || c == ']';
}

/* ---- making ---- */

/* False: nothing that may be a hole. */
static bool kind_of(const struct sql_literal *literal, enum sql_strings strings, enum sql_hole_kind *kind_out)
{
    bool is_plain_list = literal->kind == SQL_LITERAL_LIST && literal->is_plain;
    switch ((int)literal->token) {
    case SQL_INTEGER: *kind_out = SQL_HOLE_INTEGER; return true;
    case SQL_NUMBER: *kind_out = SQL_HOLE_DECIMAL; return true;
    case SQL_STRING: *kind_out = SQL_HOLE_STRING; return strings == SQL_STRINGS_STANDARD;
    default: *kind_out = literal->is_rows ? SQL_HOLE_ROWS : literal->is_array ? SQL_HOLE_ARRAY : SQL_HOLE_LIST; return is_plain_list;
    }
}

static bool is_hole(const char *text, size_t size, const struct sql_literal *literal, enum sql_hole_kind kind)
{
    uint32_t length;
    size_t end = (size_t)literal->start + literal->size;
    if (literal->kind == SQL_LITERAL_LIST) return true; /* by the same function */
    if (kind != SQL_HOLE_STRING && end < size && !ends_number(text[end])) return false;
    return scan(kind, text, end, literal->start, &length) == end;
}

uint32_t sql_template_holes(const char *text, size_t size, enum sql_strings strings, const struct sql_fingerprint *fingerprint,
                            struct sql_hole holes_out[SQL_LITERALS_MAX])
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < fingerprint->literal_count && i < SQL_LITERALS_MAX; i++) {
        const struct sql_literal *literal = &fingerprint->literals[i];
        enum sql_hole_kind kind;
        if (!kind_of(literal, strings, &kind) || !is_hole(text, size, literal, kind)) continue;
        holes_out[count++] = (struct sql_hole){literal->start, literal->start + literal->size, (uint16_t)i, (uint8_t)kind};
    }
    return count;
}

size_t sql_template_pack(const char *text, size_t size, struct sql_hole *holes, uint32_t hole_count, char *out)
{
    size_t from = 0;
    size_t packed = 0;
    for (uint32_t i = 0; i <= hole_count; i++) {
        size_t fixed = (i < hole_count ? holes[i].start : size) - from;
        memcpy(out + packed, text + from, fixed);
        packed += fixed;
        if (i == hole_count) break;
        from = holes[i].end;
        holes[i].start = holes[i].end = (uint32_t)packed;
    }
    return packed;
}

/* ---- matching ---- */

bool sql_template_match(const struct sql_template *template, const char *text, size_t size,
                        struct sql_filling fillings_out[SQL_LITERALS_MAX])
{
    size_t at = 0;
    size_t from = 0;
    size_t tail = template->size - (template->hole_count > 0 ? template->holes[template->hole_count - 1].end : 0);
    if (size < tail || memcmp(text + size - tail, template->text + template->size - tail, tail) != 0) return false;
    for (uint32_t i = 0; i < template->hole_count; i++) {
        const struct sql_hole *hole = &template->holes[i];
        size_t fixed = hole->start - from;
        uint32_t length;
        if (size - at < fixed || memcmp(text + at, template->text + from, fixed) != 0) return false;
        at += fixed;
        size_t end = scan((enum sql_hole_kind)hole->kind, text, size, at, &length);
        if (end == at) return false;
        fillings_out[i] = (struct sql_filling){(uint32_t)at, (uint32_t)(end - at), length};
        at = end;
        from = hole->end;
    }
    return size - at == tail;
}

/* ---- the hash ---- */

/* Whether a hole may begin among the eight bytes: a digit or a quote is there. */
static inline bool has_hole(uint64_t chunk)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t low_bits = 0x7f * ones;
    const uint64_t high = 0x80 * ones;
    uint64_t low = chunk & low_bits;
    uint64_t digits = (low + (0x80 - '0') * ones) & ~(low + (0x7f - '9') * ones);
    uint64_t no_quotes = (low ^ '\'' * ones) + low_bits;
    return ((digits | ~no_quotes) & ~chunk & high) != 0;
}

uint64_t sql_template_hash(const char *text, size_t size)
{
    enum { BYTES_MAX = 64 };
    uint64_t hash = 0;
    for (size_t at = 0; at < BYTES_MAX && size - at >= 8; at += 8) {
        uint64_t chunk = sql_load_chunk(text + at, 8, text + size);
        if (has_hole(chunk)) break;
        hash = sql_mix(hash, chunk, SQL_SALT_WORD);
    }
    return hash;
}
