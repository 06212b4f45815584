/*
 * The tags in comments: their grammar, and the decoding of their values. What they mean is not known here.
 *
 * Invariants: everything read is inside of the comments; each byte of them is read a bounded number of times; nothing is written behind the tags' text.
 */
#include "protocol/sql_tags.h"

#include "protocol/sql_plain_literal.h"

#include <string.h>

/* ---- bytes ---- */

struct slice {
    const char *text;
    size_t size;
};

static inline struct slice trim(struct slice raw)
{
    while (raw.size > 0 && sql_is_blank(raw.text[0])) raw = (struct slice){raw.text + 1, raw.size - 1};
    while (raw.size > 0 && sql_is_blank(raw.text[raw.size - 1])) raw.size--;
    return raw;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* clang-format off */
#define X 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1
/* The bytes that stand for themselves: no control characters, no '%', no backslash. */
static const bool plain_bytes[UINT8_MAX + 1] = {
    [0x20] = 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, X, X, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, X,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, X, X, X, X, X, X, X, X};
#undef X
/* clang-format on */

static inline bool is_plain(char c)
{
    return plain_bytes[(unsigned char)c];
}

/* Sixteen bytes at once, by the compiler's vectors; a byte of a comparison's outcome is 0 or -1. */
enum { BLOCK_SIZE = 16 };
struct block {
    uint8_t bytes __attribute__((vector_size(BLOCK_SIZE)));
};

static inline struct block load_block(const char *at)
{
    struct block block;
    memcpy(&block.bytes, at, BLOCK_SIZE);
    return block;
}

static inline bool are_plain(const char *at)
{
    struct block block = load_block(at);
    uint64_t found[2];
    __typeof__(block.bytes < 0x20) others = (block.bytes < 0x20) | (block.bytes == 0x7f) | (block.bytes == '%') | (block.bytes == '\\');
    memcpy(found, &others, sizeof found);
    return (found[0] | found[1]) == 0;
}

/* The first of the signs that a key ends at; `end` when there is none. */
static const char *find_sign(const char *at, const char *end)
{
    for (; end - at >= BLOCK_SIZE; at += BLOCK_SIZE) {
        struct block block = load_block(at);
        uint64_t found[2];
        __typeof__(block.bytes == 0) signs = (block.bytes == '=') | (block.bytes == ':') | (block.bytes == ',') | (block.bytes == '\'');
        memcpy(found, &signs, sizeof found);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        found[0] = __builtin_bswap64(found[0]);
        found[1] = __builtin_bswap64(found[1]);
#endif
        if (found[0] != 0) return at + __builtin_ctzll(found[0]) / 8;
        if (found[1] != 0) return at + 8 + __builtin_ctzll(found[1]) / 8;
    }
    while (at < end && *at != '=' && *at != ':' && *at != ',' && *at != '\'') at++;
    return at;
}

/* From its end on, the last block may overlap the one before. */
static bool is_plain_text(struct slice raw)
{
    size_t at = 0;
    if (raw.size < BLOCK_SIZE) {
        while (at < raw.size && is_plain(raw.text[at])) at++;
        return at == raw.size;
    }
    for (; raw.size - at > BLOCK_SIZE; at += BLOCK_SIZE)
        if (!are_plain(raw.text + at)) return false;
    return are_plain(raw.text + raw.size - BLOCK_SIZE);
}

/* What the escape at `*at`, which is before `end`, stands for, or else this byte. Behind it then. */
static char decode_one(const char **at, const char *end)
{
    const char *sign = *at;
    char c = *sign;
    if (c == '%' && end - sign > 1 && sign[1] == '%') sign++;
    *at = sign + 1;
    if (c == '%' && end - sign > 2) {
        int high = hex_digit(sign[1]);
        int low = hex_digit(sign[2]);
        if (high >= 0 && low >= 0) {
            *at = sign + 3;
            c = (char)(high << 4 | low);
        }
    } else if (c == '\\' && end - sign > 1 && (sign[1] == '\'' || sign[1] == '\\')) {
        *at = sign + 2;
        c = sign[1];
    }
    return (unsigned char)c < 0x20 || c == 0x7f ? ' ' : c;
}

/*
 * Decoded behind the text that `tags` has, which does not count as taken yet. "%%" is '%', which some libraries leave for the driver to halve: "%%2F"
 * is '/'. False: no room.
 */
static bool decode(struct sql_tags *tags, struct slice raw, struct slice *decoded_out)
{
    const char *end = raw.text + raw.size;
    const char *out_end = tags->text + SQL_TAGS_TEXT_MAX;
    char *start = tags->text + tags->text_size;
    char *out = start;
    for (const char *at = raw.text; at < end;) {
        if (out == out_end) return false;
        if (is_plain(*at)) {
            *out++ = *at++;
        } else {
            *out++ = decode_one(&at, end);
        }
    }
    *decoded_out = (struct slice){start, (size_t)(out - start)};
    return true;
}

/* ---- keys ---- */

/* Letters, digits and "_-.%", the first of them no digit: so that prose in a comment is rarely taken for tags. */
static bool is_key_byte(char c)
{
    char lower = (char)(c | 0x20);
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.' || c == '%';
}

static bool is_key(struct slice key)
{
    if (key.size == 0 || (key.text[0] >= '0' && key.text[0] <= '9')) return false;
    for (size_t i = 0; i < key.size; i++)
        if (!is_key_byte(key.text[i])) return false;
    return true;
}

static unsigned index_of_size(size_t size)
{
    return size < SQL_TAG_KEY_SIZES ? (unsigned)size : SQL_TAG_KEY_SIZES - 1;
}

/* The number of a key that is spelled as asked for, or SQL_TAG_KEYS_MAX. */
static inline unsigned find_key(const struct sql_tag_keys *keys, struct slice key)
{
    for (uint64_t left = keys->by_size[index_of_size(key.size)]; left != 0; left &= left - 1) {
        unsigned number = (unsigned)__builtin_ctzll(left);
        const char *text = keys->items[number].text;
        if (keys->items[number].size == key.size && text[0] == key.text[0] && memcmp(text, key.text, key.size) == 0) return number;
    }
    return SQL_TAG_KEYS_MAX;
}

unsigned sql_tag_keys_add(struct sql_tag_keys *keys, const char *text)
{
    struct slice key = {text, strlen(text)};
    unsigned number = find_key(keys, key);
    if (number < SQL_TAG_KEYS_MAX || keys->count == SQL_TAG_KEYS_MAX) return number;
    number = keys->count++;
    uint64_t bit = UINT64_C(1) << number;
    keys->items[number].text = text;
    keys->items[number].size = key.size;
    keys->by_size[index_of_size(key.size)] |= bit;
    if (is_key(key) && strchr(text, '%') == NULL) keys->plain |= bit;
    return number;
}

/* As it stands in a comment. */
static unsigned find_written_key(struct sql_tags *tags, const struct sql_tag_keys *keys, struct slice key)
{
    struct slice decoded;
    unsigned number = find_key(keys, key);
    if (number < SQL_TAG_KEYS_MAX && (keys->plain >> number & 1) != 0) return number;
    if (memchr(key.text, '%', key.size) == NULL) return SQL_TAG_KEYS_MAX;
    return is_key(key) && decode(tags, key, &decoded) ? find_key(keys, decoded) : SQL_TAG_KEYS_MAX;
}

static void set_value(struct sql_tags *tags, unsigned key, struct slice value)
{
    uint64_t bit = UINT64_C(1) << key;
    if ((tags->found & bit) != 0) return;
    if (!is_plain_text(value)) {
        if (!decode(tags, value, &value)) {
            tags->is_full = true;
            return;
        }
        tags->text_size += (uint32_t)value.size;
    } else if (value.size > SQL_TAGS_TEXT_MAX) {
        tags->is_full = true;
        return;
    }
    tags->found |= bit;
    tags->values[key].text = value.text;
    tags->values[key].size = value.size;
}

/* ---- a comment ---- */

/* Whether a comma, or the end of the comment, is next but for blanks. */
static bool is_before_comma(const char *at, const char *end)
{
    while (at < end && sql_is_blank(*at)) at++;
    return at == end || *at == ',';
}

/*
 * The comma in "..,key=" when `quote` opens the next value: this one's quote is missing. NULL: it does not. Goes back over the key only, so that each
 * byte is seen once more at most.
 */
static const char *find_missed_comma(const char *start, const char *quote)
{
    const char *at = quote - 1;
    if (at <= start || *at != '=') return NULL;
    while (at > start && is_key_byte(at[-1])) at--;
    if (at == quote - 1 || at == start || at[-1] != ',') return NULL;
    return at - 1;
}

/* The first quote that no backslash is before, from `start` on; NULL: there is none. */
static const char *find_quote(const char *start, const char *end, bool has_backslashes)
{
    if (!has_backslashes) return memchr(start, '\'', (size_t)(end - start));
    for (const char *at = start; at < end; at++) {
        if (*at == '\'') return at;
        if (*at == '\\') at++;
    }
    return NULL;
}

/* Whether it is as most are: a comma behind it, and nothing before it that makes one look twice. */
static inline bool is_closing(const char *start, const char *quote, const char *end)
{
    return quote > start && end - quote > 1 && quote[1] == ',' && quote[-1] != '=' && quote[-1] != ',';
}

/*
 * A value behind its opening quote. It ends at the quote that a comma follows, or that a comma precedes, as in the malformed example of the
 * specification (controller='index,'framework='x'). Returns where to go on.
 */
static const char *read_quoted(const char *start, const char *end, bool has_backslashes, struct slice *value_out)
{
    const char *quote;
    for (const char *at = start; (quote = find_quote(at, end, has_backslashes)) != NULL; at = quote + 1) {
        if (is_closing(start, quote, end)) {
            *value_out = (struct slice){start, (size_t)(quote - start)};
            return quote + 2;
        }
        const char *comma = find_missed_comma(start, quote);
        if (comma != NULL) {
            *value_out = (struct slice){start, (size_t)(comma - start)};
            return comma;
        }
        bool has_comma_inside = quote > start && quote[-1] == ',';
        if (has_comma_inside || is_before_comma(quote + 1, end)) {
            *value_out = (struct slice){start, (size_t)(quote - start) - has_comma_inside};
            return quote + 1;
        }
    }
    *value_out = trim((struct slice){start, (size_t)(end - start)});
    return end;
}

/* A value without quotes, or with the closing one only. */
static const char *read_bare(const char *start, const char *end, struct slice *value_out)
{
    const char *comma = memchr(start, ',', (size_t)(end - start));
    if (comma == NULL) comma = end;
    *value_out = trim((struct slice){start, (size_t)(comma - start)});
    if (value_out->size > 0 && value_out->text[value_out->size - 1] == '\'') value_out->size--;
    return comma;
}

/*
 * A value that a quote and a comma have ended (is_closing) is settled, and so is all before it: to get there, nothing behind that comma was looked at.
 */
static void read_comment(struct sql_tags *tags, const struct sql_tag_keys *keys, const char *begin, const char *end)
{
    const char *at = begin;
    bool has_backslashes = memchr(at, '\\', (size_t)(end - at)) != NULL;
    while (at < end) {
        const char *start = at;
        at = find_sign(start, end);
        if (at == end) return;
        struct slice key = {start, (size_t)(at - start)};
        if (key.size > 0 && (start[0] <= ' ' || at[-1] <= ' ')) key = trim(key);
        bool has_value = *at == '=' || *at == ':';
        at++;
        if (!has_value) continue;

        struct slice value;
        while (at < end && sql_is_blank(*at)) at++;
        at = at < end && *at == '\'' ? read_quoted(at + 1, end, has_backslashes, &value) : read_bare(at, end, &value);
        unsigned number = find_written_key(tags, keys, key);
        if (number < SQL_TAG_KEYS_MAX) set_value(tags, number, value);
        if (at == value.text + value.size + 2 && at[-1] == ',') {
            tags->settled = (size_t)(at - begin);
            tags->settled_found = tags->found;
        }
    }
}

void sql_tags_read(struct sql_tags *tags, const struct sql_tag_keys *keys, const char *text, const struct sql_comments *comments)
{
    tags->found = tags->settled_found = 0;
    tags->settled = 0;
    tags->text_size = 0;
    tags->is_full = false;
    if (comments->has_last) read_comment(tags, keys, text + comments->last_start, text + comments->last_end);
    bool is_same = comments->has_last && comments->first_start == comments->last_start;
    if (comments->has_first && !is_same && comments->first_end - comments->first_start <= SQL_COMMENT_SIZE_MAX)
        read_comment(tags, keys, text + comments->first_start, text + comments->first_end);
}

void sql_tags_parse(struct sql_tags *tags, const struct sql_tag_keys *keys, const char *text, size_t size, enum sql_strings strings)
{
    struct sql_comments comments;
    sql_comments_find(&comments, text, size, strings);
    sql_tags_read(tags, keys, text, &comments);
}
