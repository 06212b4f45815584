/* Values to text. Binary ones of simple types are read as PostgreSQL sends them (int4send and the like), others are shown as \x and hexadecimal digits. */
#include "proxy/value_text.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "protocol/sql_lex.h"
#include "protocol/sql_string.h"
#include "protocol/sql_type_name.h"
#include "protocol/type_oids.h"
#include "proxy/utf8.h"

enum { ROOM_FOR_END = sizeof ")..." };
static const char cut_mark[] = "...";

/* ---- the line ---- */

static void put(struct value_text *line, const char *bytes, size_t size)
{
    if (line->is_full) return;
    if (size > sizeof line->text - ROOM_FOR_END - line->size) {
        line->is_full = true;
        return;
    }
    memcpy(line->text + line->size, bytes, size);
    line->size += size;
}

static void put_text(struct value_text *line, const char *text)
{
    put(line, text, strlen(text));
}

void value_text_begin(struct value_text *line)
{
    line->size = 0;
    line->is_in_list = line->is_full = false;
}

static void leave_list(struct value_text *line)
{
    if (line->is_in_list) put_text(line, ")");
    line->is_in_list = false;
}

static void next(struct value_text *line, uint16_t slot)
{
    char number[16];
    bool goes_on = line->is_in_list && slot == 0;
    if (!goes_on) leave_list(line);
    if (line->size > 0) put_text(line, ", ");
    if (slot > 0) {
        snprintf(number, sizeof number, "$%u = ", slot);
        put_text(line, number);
    } else if (!goes_on) {
        put_text(line, "(");
        line->is_in_list = true;
    }
}

void value_text_end(struct value_text *line)
{
    leave_list(line);
    if (line->is_full) {
        memcpy(line->text + line->size, cut_mark, sizeof cut_mark - 1);
        line->size += sizeof cut_mark - 1;
    }
    line->text[line->size] = '\0';
}

void value_text_wipe(struct value_text *line)
{
    explicit_bzero(line, sizeof *line);
}

/* ---- values ---- */

/* A number, a date, a uuid. */
static bool is_bare(const char *text, size_t size)
{
    if (size == 0 || (text[0] != '-' && !isdigit((unsigned char)text[0]))) return false;
    for (size_t i = 1; i < size; i++)
        if (!isalnum((unsigned char)text[i]) && text[i] != '.' && text[i] != ':' && text[i] != '-' && text[i] != '+') return false;
    return true;
}

static void put_escaped(struct value_text *line, const char *text, size_t size)
{
    char copy[VALUE_TEXT_SHOWN_MAX + 1], shown[UTF8_SHOWN_SIZE];
    memcpy(copy, text, size);
    copy[size] = '\0';
    for (size_t i = 0; i < size;) {
        if (copy[i] == '\0') {
            put_text(line, "\\x00");
            i++;
            continue;
        }
        if (copy[i] == '\'' || copy[i] == '\\') put(line, copy + i, 1);
        i += utf8_shown(copy + i, shown);
        put_text(line, shown);
    }
    explicit_bzero(copy, sizeof copy);
}

static void put_string(struct value_text *line, const char *text, size_t size)
{
    size_t shown = size;
    if (shown > VALUE_TEXT_SHOWN_MAX) {
        shown = VALUE_TEXT_SHOWN_MAX;
        while (shown > VALUE_TEXT_SHOWN_MAX - 4 && ((unsigned char)text[shown] & 0xc0) == 0x80) shown--;
    }
    if (is_bare(text, shown)) {
        put(line, text, shown);
    } else {
        put_text(line, "'");
        put_escaped(line, text, shown);
        put_text(line, "'");
    }
    if (shown < size) put_text(line, cut_mark);
}

static void put_hexadecimal(struct value_text *line, const uint8_t *bytes, size_t size)
{
    char digits[4];
    size_t shown = size < VALUE_TEXT_SHOWN_MAX / 2 ? size : VALUE_TEXT_SHOWN_MAX / 2;
    put_text(line, "\\x");
    for (size_t i = 0; i < shown; i++) {
        snprintf(digits, sizeof digits, "%02x", bytes[i]);
        put_text(line, digits);
    }
    if (shown < size) put_text(line, cut_mark);
}

static uint64_t big_endian(const uint8_t *bytes, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++) value = value << 8 | bytes[i];
    return value;
}

static void put_integer(struct value_text *line, const uint8_t *bytes, size_t size, bool is_signed)
{
    char text[24];
    uint64_t value = big_endian(bytes, size);
    if (is_signed && size < 8 && bytes[0] & 0x80) value |= UINT64_MAX << 8 * size;
    if (is_signed)
        snprintf(text, sizeof text, "%" PRId64, (int64_t)value);
    else
        snprintf(text, sizeof text, "%" PRIu64, value);
    put_text(line, text);
}

static void put_uuid(struct value_text *line, const uint8_t bytes[16])
{
    char digits[4];
    for (size_t i = 0; i < 16; i++) {
        snprintf(digits, sizeof digits, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", bytes[i]);
        put_text(line, digits);
    }
}

static void put_real(struct value_text *line, const uint8_t *bytes, size_t size)
{
    char text[32];
    uint64_t wide = big_endian(bytes, size);
    if (size == 4) {
        uint32_t narrow = (uint32_t)wide;
        float value;
        memcpy(&value, &narrow, sizeof value);
        snprintf(text, sizeof text, "%.9g", (double)value);
    } else {
        double value;
        memcpy(&value, &wide, sizeof value);
        snprintf(text, sizeof text, "%.17g", value);
    }
    put_text(line, text);
}

/* What can be shown as text without any escape. */
static bool is_text(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] < 0x20 || bytes[i] >= 0x7f) return false;
    return true;
}

/* Of an unknown type, 2, 4 and 8 bytes are an integer and 16 are a uuid, as for sql_value_hash_binary. */
static void put_binary(struct value_text *line, const struct value_bytes *value)
{
    const uint8_t *bytes = value->bytes;
    size_t size = value->size;
    bool is_integer = size == 2 || size == 4 || size == 8;
    switch (value->type) {
    case 0:
    case OID_UNKNOWN:
        if (is_integer)
            put_integer(line, bytes, size, true);
        else if (size == 16)
            put_uuid(line, bytes);
        else if (is_text(bytes, size))
            put_string(line, (const char *)bytes, size);
        else
            put_hexadecimal(line, bytes, size);
        return;
    case OID_INT2:
    case OID_INT4:
    case OID_INT8:
    case OID_OID:
        if (!is_integer) break;
        put_integer(line, bytes, size, value->type != OID_OID);
        return;
    case OID_UUID:
        if (size != 16) break;
        put_uuid(line, bytes);
        return;
    case OID_BOOL:
        if (size != 1) break;
        put_text(line, bytes[0] ? "true" : "false");
        return;
    case OID_FLOAT4:
    case OID_FLOAT8:
        if (size != (value->type == OID_FLOAT4 ? 4 : 8)) break;
        put_real(line, bytes, size);
        return;
    case OID_TEXT:
    case OID_VARCHAR:
    case OID_BPCHAR:
    case OID_NAME:
    case OID_JSON: put_string(line, (const char *)bytes, size); return;
    }
    put_hexadecimal(line, bytes, size);
}

void value_text_add(struct value_text *line, uint16_t slot, const struct value_bytes *value)
{
    next(line, slot);
    if (!value->bytes)
        put_text(line, "NULL");
    else if (value->is_binary)
        put_binary(line, value);
    else
        put_string(line, (const char *)value->bytes, value->size);
}

static void put_quoted_literal(struct value_text *line, const char *token, const struct sql_literal *literal)
{
    char scratch[512];
    size_t size;
    const char *bytes = sql_string_bytes((enum sql_token)literal->token, token, literal->size, scratch, sizeof scratch, &size);
    if (bytes)
        put_string(line, bytes, size);
    else
        put_string(line, token, literal->size);
    explicit_bzero(scratch, sizeof scratch);
}

static void put_literal(struct value_text *line, const char *token, const struct sql_literal *literal)
{
    switch ((enum sql_literal_kind)literal->kind) {
    case SQL_LITERAL_STRING:
    case SQL_LITERAL_INTERVAL: put_quoted_literal(line, token, literal); break;
    case SQL_LITERAL_INTEGER:
    case SQL_LITERAL_DECIMAL:
        if (literal->is_negative) put_text(line, "-");
        put_string(line, token, literal->size);
        break;
    case SQL_LITERAL_BITS: put_string(line, token, literal->size); break;
    case SQL_LITERAL_BOOLEAN: put_text(line, (token[0] | 0x20) == 't' ? "true" : "false"); break;
    case SQL_LITERAL_NULL: put_text(line, "NULL"); break;
    case SQL_LITERAL_LIST:
    case SQL_LITERAL_PARAMETER: break;
    }
}

/* The literal that a token is; its sign is a token of its own. False: it is none. */
static bool literal_of(const struct sql_lex *lex, const struct sql_token_span *token, struct sql_literal *literal_out)
{
    enum sql_keyword keyword = sql_token_keyword(lex, token);
    *literal_out =
        (struct sql_literal){.start = (uint32_t)token->start, .size = (uint32_t)(token->end - token->start), .token = (uint8_t)token->kind};
    switch ((int)token->kind) {
    case SQL_INTEGER: literal_out->kind = SQL_LITERAL_INTEGER; return true;
    case SQL_NUMBER: literal_out->kind = SQL_LITERAL_DECIMAL; return true;
    case SQL_BIT_STRING:
    case SQL_HEX_STRING: literal_out->kind = SQL_LITERAL_BITS; return true;
    case SQL_WORD:
        literal_out->kind = keyword == KW_NULL ? SQL_LITERAL_NULL : SQL_LITERAL_BOOLEAN;
        return keyword == KW_NULL || keyword == KW_TRUE || keyword == KW_FALSE;
    default: literal_out->kind = SQL_LITERAL_STRING; return token->kind >= SQL_STRING && token->kind <= SQL_DOLLAR_STRING;
    }
}

/* The first literal behind each comma, as far as there is room: what else there is, are types. */
static void add_list(struct value_text *line, const char *text, const struct sql_literal *list)
{
    struct sql_lex lex;
    struct sql_token_span token;
    struct sql_literal literal;
    bool is_expected = true, is_negative = false;
    unsigned depth = 0; /* of parentheses behind a literal */
    sql_lex_init(&lex, text, list->start + list->size, SQL_STRINGS_STANDARD);
    lex.position = list->start;
    while (!line->is_full && sql_lex_next(&lex, &token)) {
        char c = token.kind == SQL_CHARACTER ? text[token.start] : '\0';
        if (c == '(' && !is_expected) depth++;
        if (c == ')' && depth > 0) depth--;
        if (c == '-') is_negative = true;
        if (c == ',' && depth == 0) is_expected = true;
        if (!is_expected || !literal_of(&lex, &token, &literal)) continue;
        literal.is_negative = is_negative;
        next(line, 0);
        put_literal(line, text + literal.start, &literal);
        is_expected = is_negative = false;
    }
}

void value_text_add_literal(struct value_text *line, uint16_t slot, const char *text, const struct sql_literal *literal)
{
    assert(literal->kind != SQL_LITERAL_PARAMETER);
    if (literal->kind == SQL_LITERAL_LIST) {
        add_list(line, text, literal);
        return;
    }
    next(line, slot);
    put_literal(line, text + literal->start, literal);
}
