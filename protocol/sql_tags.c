/*
 * The tags in comments: their grammar, and the decoding of their values. What they mean is not known here.
 *
 * Invariants: everything read is inside of the comments; each byte of them is read a bounded number of times; nothing is written behind the tags' text.
 */
#include "protocol/sql_tags.h"

#include <string.h>

/* ---- bytes ---- */

struct slice {
    const char *text;
    size_t size;
};

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct slice trim(struct slice raw)
{
    while (raw.size > 0 && is_blank(raw.text[0])) raw = (struct slice){raw.text + 1, raw.size - 1};
    while (raw.size > 0 && is_blank(raw.text[raw.size - 1])) raw.size--;
    return raw;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* "%2F" at `at`, or -1. */
static int escaped_byte(struct slice raw, size_t at)
{
    if (raw.size - at < 3 || raw.text[at] != '%') return -1;
    int high = hex_digit(raw.text[at + 1]);
    int low = hex_digit(raw.text[at + 2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* It stands for itself. */
static inline bool is_plain(char c)
{
    return (unsigned char)c >= 0x20 && c != 0x7f && c != '%' && c != '\\';
}

/* Whether all eight bytes are plain. A byte is zero after the ^ where it is what is looked for; the borrow of a subtraction can only make up more of those behind it. */
static inline bool are_plain(const char *text)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t chunk;
    memcpy(&chunk, text, sizeof chunk);
    uint64_t percent = chunk ^ '%' * ones;
    uint64_t backslash = chunk ^ '\\' * ones;
    uint64_t delete = chunk ^ 0x7f * ones;
    uint64_t found =
        ((percent - ones) & ~percent) | ((backslash - ones) & ~backslash) | ((delete - ones) & ~delete) | ((chunk - 0x20 * ones) & ~chunk);
    return (found & 0x80 * ones) == 0;
}

static bool is_plain_text(struct slice raw)
{
    size_t at = 0;
    for (; raw.size - at >= 8; at += 8)
        if (!are_plain(raw.text + at)) return false;
    while (at < raw.size && is_plain(raw.text[at])) at++;
    return at == raw.size;
}

/*
 * Decoded behind the text that `tags` has, which does not count as taken yet. "%%" is '%', which some libraries leave for the driver to halve: "%%2F"
 * is '/'. False: no room.
 */
static bool decode(struct sql_tags *tags, struct slice raw, struct slice *decoded_out)
{
    char *out = tags->text + tags->text_size;
    size_t size = 0;
    for (size_t at = 0; at < raw.size;) {
        char c = raw.text[at];
        if (size == SQL_TAGS_TEXT_MAX - tags->text_size) return false;
        if (is_plain(c)) {
            out[size++] = c;
            at++;
            continue;
        }
        if (c == '%' && at + 1 < raw.size && raw.text[at + 1] == '%') at++;
        int byte = escaped_byte(raw, at);
        if (byte >= 0) {
            c = (char)byte;
            at += 3;
        } else if (c == '\\' && at + 1 < raw.size && (raw.text[at + 1] == '\'' || raw.text[at + 1] == '\\')) {
            c = raw.text[at + 1];
            at += 2;
        } else {
            at++;
        }
        out[size++] = (unsigned char)c < 0x20 || c == 0x7f ? ' ' : c;
    }
    *decoded_out = (struct slice){out, size};
    return true;
}

/* ---- keys ---- */

/* What a byte is for a key: a byte of it, a sign that may need decoding, or the end. */
enum { KEY_BYTE = 1, KEY_PERCENT = 2, KEY_END = 4 };

/* clang-format off */
static const uint8_t key_bytes[UINT8_MAX + 1] = {
#define X KEY_BYTE
    ['a'] = X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
    ['A'] = X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
    ['0'] = X, X, X, X, X, X, X, X, X, X, ['_'] = X, ['-'] = X, ['.'] = X, ['%'] = X | KEY_PERCENT,
#undef X
    ['='] = KEY_END, [':'] = KEY_END, [','] = KEY_END, ['\''] = KEY_END};
/* clang-format on */

static inline unsigned key_byte(char c)
{
    return key_bytes[(unsigned char)c];
}

/* Letters, digits and "_-.%", the first of them no digit: so that prose in a comment is rarely taken for tags. */
static bool is_key(struct slice key)
{
    if (key.size == 0 || (key.text[0] >= '0' && key.text[0] <= '9')) return false;
    for (size_t i = 0; i < key.size; i++)
        if (!(key_byte(key.text[i]) & KEY_BYTE)) return false;
    return true;
}

static unsigned index_of_size(size_t size)
{
    return size < SQL_TAG_KEY_SIZES ? (unsigned)size : SQL_TAG_KEY_SIZES - 1;
}

/* The number of a key that is spelled as asked for, or SQL_TAG_KEYS_MAX. */
static unsigned find_key(const struct sql_tag_keys *keys, struct slice key)
{
    for (uint64_t left = keys->by_size[index_of_size(key.size)]; left != 0; left &= left - 1) {
        unsigned number = (unsigned)__builtin_ctzll(left);
        if (keys->items[number].size == key.size && memcmp(keys->items[number].text, key.text, key.size) == 0) return number;
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
    if (is_key(key)) keys->plain |= bit;
    return number;
}

/* As it stands in a comment. */
static unsigned find_written_key(struct sql_tags *tags, const struct sql_tag_keys *keys, struct slice key, bool has_percent)
{
    struct slice decoded;
    if (has_percent) return is_key(key) && decode(tags, key, &decoded) ? find_key(keys, decoded) : SQL_TAG_KEYS_MAX;
    unsigned number = find_key(keys, key);
    return number < SQL_TAG_KEYS_MAX && (keys->plain >> number & 1) != 0 ? number : SQL_TAG_KEYS_MAX;
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
    while (at < end && is_blank(*at)) at++;
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
    while (at > start && (key_byte(at[-1]) & KEY_BYTE)) at--;
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

/*
 * A value behind its opening quote. It ends at the quote that a comma follows, or that a comma precedes, as in the malformed example of the
 * specification (controller='index,'framework='x'). Returns where to go on.
 */
static const char *read_quoted(const char *start, const char *end, bool has_backslashes, struct slice *value_out)
{
    const char *quote;
    for (const char *at = start; (quote = find_quote(at, end, has_backslashes)) != NULL; at = quote + 1) {
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

static void read_comment(struct sql_tags *tags, const struct sql_tag_keys *keys, const char *at, const char *end)
{
    bool has_backslashes = memchr(at, '\\', (size_t)(end - at)) != NULL;
    while (at < end) {
        const char *start = at;
        unsigned seen = 0;
        while (at < end && !(key_byte(*at) & KEY_END)) seen |= key_byte(*at++);
        if (at == end) return;
        struct slice key = trim((struct slice){start, (size_t)(at - start)});
        bool has_value = *at == '=' || *at == ':';
        at++;
        if (!has_value) continue;

        struct slice value;
        while (at < end && is_blank(*at)) at++;
        at = at < end && *at == '\'' ? read_quoted(at + 1, end, has_backslashes, &value) : read_bare(at, end, &value);
        unsigned number = find_written_key(tags, keys, key, (seen & KEY_PERCENT) != 0);
        if (number < SQL_TAG_KEYS_MAX) set_value(tags, number, value);
    }
}

void sql_tags_read(struct sql_tags *tags, const struct sql_tag_keys *keys, const char *text, const struct sql_comments *comments)
{
    tags->found = 0;
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
