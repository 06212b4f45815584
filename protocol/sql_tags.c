/*
 * The tags in comments. What they mean to the proxy is not known here, but for the few keys that name a request.
 *
 * Invariants: everything read is inside of the comments; each byte of them is read a bounded number of times; nothing is written behind the tags' text.
 */
#include "protocol/sql_tags.h"

#include <string.h>

/* ---- keys and values ---- */

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct slice {
    const char *text;
    size_t size;
};

/* Letters, digits and "_-.%", the first of them no digit: so that prose in a comment is rarely taken for tags. */
static bool is_key_byte(char c)
{
    char lower = (char)(c | 0x20);
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.' || c == '%';
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

/*
 * Decoded behind the text that `tags` has. "%%" is '%', which some libraries leave for the driver to halve: "%%2F" is '/'. False: no room.
 */
static bool append_decoded(struct sql_tags *tags, struct slice raw, uint16_t *offset_out, uint16_t *size_out)
{
    size_t start = tags->text_size;
    size_t end = start;
    for (size_t at = 0; at < raw.size;) {
        char c = raw.text[at];
        if (end == SQL_TAGS_TEXT_MAX) return false;
        if (is_plain(c)) {
            tags->text[end++] = c;
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
        tags->text[end++] = (unsigned char)c < 0x20 || c == 0x7f ? ' ' : c;
    }
    *offset_out = (uint16_t)start;
    *size_out = (uint16_t)(end - start);
    tags->text_size = (uint32_t)end;
    return true;
}

static const char *find_tag(const struct sql_tags *tags, const char *key, size_t key_size, size_t *size_out)
{
    for (uint32_t i = 0; i < tags->count; i++) {
        const struct sql_tag *tag = &tags->items[i];
        if (tag->key_size == key_size && memcmp(tags->text + tag->key, key, key_size) == 0) {
            *size_out = tag->value_size;
            return tags->text + tag->value;
        }
    }
    return NULL;
}

static void add_tag(struct sql_tags *tags, struct slice key, struct slice value)
{
    struct sql_tag tag;
    uint32_t text_size = tags->text_size;
    size_t found_size;
    if (tags->count == SQL_TAGS_MAX || !append_decoded(tags, key, &tag.key, &tag.key_size) ||
        !append_decoded(tags, value, &tag.value, &tag.value_size)) {
        tags->is_full = true;
    } else if (find_tag(tags, tags->text + tag.key, tag.key_size, &found_size) == NULL) {
        tags->items[tags->count++] = tag;
        return;
    }
    tags->text_size = text_size;
}

static struct slice trim(struct slice raw)
{
    while (raw.size > 0 && is_blank(raw.text[0])) raw = (struct slice){raw.text + 1, raw.size - 1};
    while (raw.size > 0 && is_blank(raw.text[raw.size - 1])) raw.size--;
    return raw;
}

static bool is_key(struct slice key)
{
    if (key.size == 0 || (key.text[0] >= '0' && key.text[0] <= '9')) return false;
    for (size_t i = 0; i < key.size; i++) {
        if (!is_key_byte(key.text[i])) return false;
    }
    return true;
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
    while (at > start && is_key_byte(at[-1])) at--;
    if (at == quote - 1 || at == start || at[-1] != ',') return NULL;
    return at - 1;
}

/*
 * A value behind its opening quote. It ends at the quote that a comma follows, or that a comma precedes, as in the malformed example of the
 * specification (controller='index,'framework='x'). Returns where to go on.
 */
static const char *read_quoted(const char *start, const char *end, struct slice *value_out)
{
    const char *quote = NULL;
    for (const char *at = start; at < end;) {
        if (quote == NULL || quote < at) quote = memchr(at, '\'', (size_t)(end - at));
        if (quote == NULL) break;
        const char *escape = memchr(at, '\\', (size_t)(quote - at));
        if (escape != NULL) {
            at = escape + 2;
            continue;
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
        at = quote + 1;
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

static inline bool ends_key(char c)
{
    static const bool ends[UINT8_MAX + 1] = {['='] = true, [':'] = true, [','] = true, ['\''] = true};
    return ends[(unsigned char)c];
}

/* Whether somebody asks for it; one that has yet to be decoded is taken along. `keys` NULL: for all. */
static bool is_asked_for(const struct sql_tag_keys *keys, struct slice key)
{
    if (keys == NULL || memchr(key.text, '%', key.size) != NULL) return true;
    for (uint32_t i = 0; i < keys->count; i++)
        if (keys->items[i].size == key.size && memcmp(keys->items[i].text, key.text, key.size) == 0) return true;
    return false;
}

static void read_comment(struct sql_tags *tags, const struct sql_tag_keys *keys, const char *at, const char *end)
{
    while (at < end) {
        const char *start = at;
        while (at < end && !ends_key(*at)) at++;
        if (at == end) return;
        struct slice key = trim((struct slice){start, (size_t)(at - start)});
        bool has_value = *at == '=' || *at == ':';
        at++;
        if (!has_value) continue;

        struct slice value;
        while (at < end && is_blank(*at)) at++;
        at = at < end && *at == '\'' ? read_quoted(at + 1, end, &value) : read_bare(at, end, &value);
        if (is_asked_for(keys, key) && is_key(key)) add_tag(tags, key, value);
    }
}

static void read_comments(struct sql_tags *tags, const struct sql_tag_keys *keys, const char *text, const struct sql_comments *comments)
{
    tags->count = 0;
    tags->text_size = 0;
    tags->is_full = false;
    if (comments->has_last) read_comment(tags, keys, text + comments->last_start, text + comments->last_end);
    bool is_same = comments->has_last && comments->first_start == comments->last_start;
    if (comments->has_first && !is_same && comments->first_end - comments->first_start <= SQL_COMMENT_SIZE_MAX)
        read_comment(tags, keys, text + comments->first_start, text + comments->first_end);
}

void sql_tags_read(struct sql_tags *tags, const char *text, const struct sql_comments *comments)
{
    read_comments(tags, NULL, text, comments);
}

void sql_tags_parse(struct sql_tags *tags, const char *text, size_t size, enum sql_strings strings)
{
    struct sql_comments comments;
    sql_comments_find(&comments, text, size, strings);
    read_comments(tags, NULL, text, &comments);
}

void sql_tag_keys_add(struct sql_tag_keys *keys, const char *key)
{
    size_t size = strlen(key);
    for (uint32_t i = 0; i < keys->count; i++)
        if (keys->items[i].size == size && memcmp(keys->items[i].text, key, size) == 0) return;
    if (keys->count == SQL_TAG_KEYS_MAX) {
        keys->is_full = true;
        return;
    }
    keys->items[keys->count].text = key;
    keys->items[keys->count++].size = size;
}

void sql_tags_parse_some(struct sql_tags *tags, const struct sql_tag_keys *keys, const char *text, size_t size, enum sql_strings strings)
{
    struct sql_comments comments;
    sql_comments_find(&comments, text, size, strings);
    read_comments(tags, keys->is_full ? NULL : keys, text, &comments);
}

/* ---- what the tags say ---- */

const char *sql_tags_get(const struct sql_tags *tags, const char *key, size_t *size_out)
{
    return find_tag(tags, key, strlen(key), size_out);
}

/* NULL for an empty one too. */
static const char *get_filled(const struct sql_tags *tags, const char *key, size_t *size_out)
{
    const char *value = sql_tags_get(tags, key, size_out);
    return value != NULL && *size_out > 0 ? value : NULL;
}

static size_t append(char *out, size_t out_size, size_t size, const char *text, size_t text_size)
{
    if (text_size > out_size - 1 - size) {
        text_size = out_size - 1 - size;
        while (text_size > 0 && ((unsigned char)text[text_size] & 0xc0) == 0x80) text_size--;
    }
    memcpy(out + size, text, text_size);
    out[size + text_size] = '\0';
    return size + text_size;
}

size_t sql_tags_route(const struct sql_tags *tags, char *out, size_t out_size)
{
    size_t size;
    size_t action_size;
    const char *value = get_filled(tags, "route", &size);
    out[0] = '\0';
    if (value == NULL) value = get_filled(tags, "endpoint_id", &size);
    if (value != NULL) return append(out, out_size, 0, value, size);

    value = get_filled(tags, "controller", &size);
    if (value != NULL) {
        const char *action = get_filled(tags, "action", &action_size);
        size = append(out, out_size, 0, value, size);
        if (action == NULL) return size;
        return append(out, out_size, append(out, out_size, size, "#", 1), action, action_size);
    }
    value = get_filled(tags, "job", &size);
    return value != NULL ? append(out, out_size, 0, value, size) : 0;
}

bool sql_tags_trace_id(const struct sql_tags *tags, uint8_t trace_id_out[16])
{
    enum { VERSION_SIZE = 3, TRACE_ID_SIZE = 32 };
    size_t size;
    const char *value = sql_tags_get(tags, "traceparent", &size);
    uint8_t any = 0;
    if (value == NULL || size <= VERSION_SIZE + TRACE_ID_SIZE || value[VERSION_SIZE - 1] != '-' ||
        value[VERSION_SIZE + TRACE_ID_SIZE] != '-')
        return false;
    for (size_t i = 0; i < 16; i++) {
        int high = hex_digit(value[VERSION_SIZE + 2 * i]);
        int low = hex_digit(value[VERSION_SIZE + 2 * i + 1]);
        if (high < 0 || low < 0) return false;
        trace_id_out[i] = (uint8_t)(high << 4 | low);
        any |= trace_id_out[i];
    }
    return any != 0;
}

const char *sql_tags_request_id(const struct sql_tags *tags, size_t *size_out)
{
    const char *value = get_filled(tags, "request_id", size_out);
    return value != NULL ? value : get_filled(tags, "correlation_id", size_out);
}
