/*
 * Templates. What makes the comparison of bytes enough: the scanner goes from left to right, and what it does at a byte depends on this byte and on those
 * before and a few behind it, never on the value of a number or the inside of a string; and sql_shape looks at the kinds of literals only. So a literal may
 * be exchanged for one of its kind as long as it ends at the same following byte, and for the same reason: the byte behind a number must be one
 * that no spelling of a number goes on with.
 *
 * Invariant: nothing at or behind text[size] is read; each byte is looked at twice at most.
 */
#include "protocol/sql_template.h"

#include "protocol/sql_canonical.h"
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
static inline size_t scan(enum sql_token kind, const char *text, size_t size, size_t start)
{
    if (kind == SQL_INTEGER) return sql_digits_end(text, size, start);
    return kind == SQL_STRING ? sql_plain_string_end(text, size, start) : scan_decimal(text, size, start);
}

/* Whether no spelling of a number goes on with this byte. */
static bool ends_number(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || (c >= '(' && c <= '/' && c != '.') || (c >= ':' && c <= '?') || c == '[' || c == ']';
}

static bool is_hole(const char *text, size_t size, const struct sql_literal *literal)
{
    size_t end = (size_t)literal->start + literal->size;
    switch ((int)literal->token) {
    case SQL_INTEGER:
    case SQL_NUMBER:
        return scan((enum sql_token)literal->token, text, end, literal->start) == end && (end == size || ends_number(text[end]));
    case SQL_STRING: return sql_plain_string_end(text, end, literal->start) == end;
    default: return false;
    }
}

uint32_t sql_template_holes(const char *text, size_t size, const struct sql_fingerprint *fingerprint,
                            struct sql_hole holes_out[SQL_LITERALS_MAX])
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < fingerprint->literal_count && i < SQL_LITERALS_MAX; i++) {
        const struct sql_literal *literal = &fingerprint->literals[i];
        if (!is_hole(text, size, literal)) continue;
        holes_out[count++] = (struct sql_hole){literal->start, literal->start + literal->size, (uint16_t)i, literal->token};
    }
    return count;
}

bool sql_template_match(const struct sql_template *template, const char *text, size_t size,
                        struct sql_filling fillings_out[SQL_LITERALS_MAX])
{
    size_t at = 0;
    size_t from = 0;
    for (uint32_t i = 0; i < template->hole_count; i++) {
        const struct sql_hole *hole = &template->holes[i];
        size_t fixed = hole->start - from;
        if (size - at < fixed || memcmp(text + at, template->text + from, fixed) != 0) return false;
        at += fixed;
        size_t end = scan((enum sql_token)hole->token, text, size, at);
        if (end == at) return false;
        fillings_out[i] = (struct sql_filling){(uint32_t)at, (uint32_t)(end - at)};
        at = end;
        from = hole->end;
    }
    return size - at == template->size - from && memcmp(text + at, template->text + from, size - at) == 0;
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
