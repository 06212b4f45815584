/*
 * Comments at the ends of SQL text, and the tags in them. It finds comments by bytes where these are certain and by sql_lex where they are not; what
 * the tags mean to the proxy is not known here, but for the few keys that name a request.
 *
 * Invariants: everything read is inside [text, text + size); each byte of a comment is read a bounded number of times; nothing is written behind
 * the tags' text.
 */
#include "protocol/sql_tags.h"

#include <string.h>

/* ---- where the comments are ---- */

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_pair(const char *text, size_t at, char first, char second)
{
    return text[at] == first && text[at + 1] == second;
}

/* Inside the marks; a hint is none of ours. */
static bool is_hint(const char *text, size_t start, size_t end)
{
    return start < end && text[start] == '+';
}

/* The first block comment of those that the lexer finds in front of the first other token. */
bool sql_tags_first_comment(const char *text, size_t size, enum sql_strings strings, size_t *start_out, size_t *end_out)
{
    struct sql_lex lex;
    struct sql_token_span token;
    size_t at = 0;
    while (at < size && is_blank(text[at])) at++;
    if (size - at < 4 || (text[at] != '/' && text[at] != '-')) return false;

    sql_lex_init(&lex, text, size < SQL_TAGS_EXACT_MAX ? size : SQL_TAGS_EXACT_MAX, strings);
    while (sql_lex_next(&lex, &token)) {
        if (token.kind == SQL_LINE_COMMENT) continue;
        if (token.kind != SQL_BLOCK_COMMENT || token.is_unterminated) return false;
        if (is_hint(text, token.start + 2, token.end - 2)) continue;
        *start_out = token.start + 2;
        *end_out = token.end - 2;
        return true;
    }
    return false;
}

enum answer { FOUND, MISSING, UNCERTAIN };

/* Whether a line comment may have begun in the last line before `at`: it may hold marks of block comments. */
static bool may_be_in_line_comment(const char *text, size_t at)
{
    const char *line = text;
    const char *newline = memrchr(text, '\n', at);
    if (newline != NULL) line = newline + 1;
    for (const char *end = text + at; line < end; line++) {
        line = memchr(line, '-', (size_t)(end - line));
        if (line == NULL) return false;
        if (line + 1 < end && line[1] == '-') return true;
    }
    return false;
}

/*
 * The comment that ends at `end`, where its closing mark has been seen: back to the opening mark that is level with it. Both marks have a slash, so only slashes
 * are looked at. Marks that overlap can be read in two ways from behind.
 */
static enum answer find_comment_backwards(const char *text, size_t end, size_t *start_out)
{
    size_t limit = end > SQL_TAGS_COMMENT_MAX ? end - SQL_TAGS_COMMENT_MAX : 0;
    size_t depth = 1;
    size_t at = end - 2; /* from here on, everything is level with what was seen */
    if (at > limit && text[at - 1] == '/') return UNCERTAIN;
    for (size_t left = at; left > limit;) {
        const char *found = memrchr(text + limit, '/', left - limit);
        if (found == NULL) break;
        size_t slash = (size_t)(found - text);
        left = slash;
        if (slash + 2 <= at && text[slash + 1] == '*') {
            at = slash;
            if (--depth == 0) {
                *start_out = at;
                return (at > 0 && text[at - 1] == '*') || may_be_in_line_comment(text, end) ? UNCERTAIN : FOUND;
            }
        } else if (slash > limit && slash < at && text[slash - 1] == '*') {
            at = slash - 1;
            depth++;
        } else {
            continue;
        }
        if (at > limit && text[at - 1] == text[at + 1]) return UNCERTAIN;
        left = at;
    }
    return limit > 0 ? MISSING : UNCERTAIN;
}

/* The last token of the text, if it is a comment. */
static bool find_last_token(const char *text, size_t size, enum sql_strings strings, size_t *start_out)
{
    struct sql_lex lex;
    struct sql_token_span token;
    bool is_comment = false;
    if (size > SQL_TAGS_EXACT_MAX) return false;
    sql_lex_init(&lex, text, size, strings);
    while (sql_lex_next(&lex, &token)) {
        *start_out = token.start;
        is_comment = token.kind == SQL_BLOCK_COMMENT && !token.is_unterminated;
    }
    return is_comment;
}

/* Hints at the end are stepped over, but not any number of them: each may cost a scan of the text. */
bool sql_tags_last_comment(const char *text, size_t size, enum sql_strings strings, size_t *start_out, size_t *end_out)
{
    for (int hints = 0; hints < 4; hints++) {
        size_t start = 0;
        while (size > 0 && (is_blank(text[size - 1]) || text[size - 1] == ';')) size--;
        if (size < 4 || !is_pair(text, size - 2, '*', '/')) return false;
        enum answer answer = find_comment_backwards(text, size, &start);
        if (answer == MISSING) return false;
        if (answer == UNCERTAIN && !find_last_token(text, size, strings, &start)) return false;
        if (size - start > SQL_TAGS_COMMENT_MAX) return false;
        if (!is_hint(text, start + 2, size - 2)) {
            *start_out = start + 2;
            *end_out = size - 2;
            return true;
        }
        size = start;
    }
    return false;
}

/* ---- keys and values ---- */

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

void sql_tags_find(struct sql_tags_comments *comments_out, const char *text, size_t size, enum sql_strings strings)
{
    comments_out->has_last = sql_tags_last_comment(text, size, strings, &comments_out->last_start, &comments_out->last_end);
    comments_out->has_first = sql_tags_first_comment(text, size, strings, &comments_out->first_start, &comments_out->first_end);
}

static void read_comments(struct sql_tags *tags, const struct sql_tag_keys *keys, const char *text,
                          const struct sql_tags_comments *comments)
{
    tags->count = 0;
    tags->text_size = 0;
    tags->is_full = false;
    if (comments->has_last) read_comment(tags, keys, text + comments->last_start, text + comments->last_end);
    bool is_same = comments->has_last && comments->first_start == comments->last_start;
    if (comments->has_first && !is_same && comments->first_end - comments->first_start <= SQL_TAGS_COMMENT_MAX)
        read_comment(tags, keys, text + comments->first_start, text + comments->first_end);
}

void sql_tags_read(struct sql_tags *tags, const char *text, const struct sql_tags_comments *comments)
{
    read_comments(tags, NULL, text, comments);
}

void sql_tags_parse(struct sql_tags *tags, const char *text, size_t size, enum sql_strings strings)
{
    struct sql_tags_comments comments;
    sql_tags_find(&comments, text, size, strings);
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
    struct sql_tags_comments comments;
    sql_tags_find(&comments, text, size, strings);
    read_comments(tags, keys->is_full ? NULL : keys, text, &comments);
}

bool sql_tags_may_be_in(const char *text, size_t size)
{
    while (size > 0 && is_blank(*text)) text++, size--;
    if (size < 4) return false;
    if (*text == '/' || *text == '-') return true;
    while (size > 0 && (is_blank(text[size - 1]) || text[size - 1] == ';')) size--;
    return size >= 4 && is_pair(text, size - 2, '*', '/');
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
