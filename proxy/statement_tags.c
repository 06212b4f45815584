/*
 * From sql_tags to what the search for duplicates wants to know of a request. Texts are cut to what a report shows.
 */
#include "proxy/statement_tags.h"

#include <string.h>

#include "proxy/memory.h"

/* The tags that say something here: their numbers are their keys' in the reader. */
enum { ROUTE, ENDPOINT_ID, CONTROLLER, ACTION, JOB, FRAMEWORK, TRACEPARENT, REQUEST_ID, CORRELATION_ID, KEY_COUNT };
static const char *const keys[KEY_COUNT] = {"route",     "endpoint_id", "controller", "action",        "job",
                                            "framework", "traceparent", "request_id", "correlation_id"};

void statement_tags_init(struct statement_tags_reader *reader, const struct sql_value_key *key)
{
    reader->key = *key;
    reader->keys = (struct sql_tag_keys){.count = 0};
    for (size_t i = 0; i < KEY_COUNT; i++) (void)sql_tag_keys_add(&reader->keys, keys[i]);
}

/* NULL for an empty one too. */
static const char *get_filled(const struct sql_tags *tags, unsigned key, size_t *size_out)
{
    const char *value = sql_tags_get(tags, key, size_out);
    return *size_out > 0 ? value : NULL;
}

/* ---- the unit ---- */

enum { TRACE_ID_SIZE = 32 };

/* Eight bytes to small letters. False: they are not all hexadecimal digits. */
static bool fold_hex(const char *text, uint64_t *folded_out)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t high = 0x80 * ones;
    uint64_t chunk;
    memcpy(&chunk, text, sizeof chunk);
    uint64_t low = chunk & ~high;
    uint64_t lower = low | 0x20 * ones;
    uint64_t digits = (low + (0x80 - '0') * ones) & ~(low + (0x7f - '9') * ones);
    uint64_t letters = (lower + (0x80 - 'a') * ones) & ~(lower + (0x7f - 'f') * ones);
    *folded_out = lower;
    return ((digits | letters) & ~chunk & high) == high;
}

/* "00-5bd66ef5095369c7b0d1f8f4bd33716a-c532cb4098ac3dd2-01" */
static bool read_trace_id(const struct sql_tags *tags, char id_out[STATEMENT_UNIT_SIZE])
{
    enum { VERSION_SIZE = 3, CHUNK_SIZE = 8 };
    const uint64_t zeroes = '0' * UINT64_C(0x0101010101010101);
    size_t size;
    uint64_t others = 0;
    const char *value = sql_tags_get(tags, TRACEPARENT, &size);
    if (size <= VERSION_SIZE + TRACE_ID_SIZE || value[VERSION_SIZE - 1] != '-' || value[VERSION_SIZE + TRACE_ID_SIZE] != '-') return false;
    for (size_t at = 0; at < TRACE_ID_SIZE; at += CHUNK_SIZE) {
        uint64_t chunk;
        if (!fold_hex(value + VERSION_SIZE + at, &chunk)) return false;
        memcpy(id_out + at, &chunk, sizeof chunk);
        others |= chunk ^ zeroes;
    }
    id_out[TRACE_ID_SIZE] = '\0';
    return others != 0;
}

static uint64_t hash_unit(const struct statement_tags_reader *reader, const char *text, size_t size)
{
    return sql_value_hash_text(&reader->key, 0, text, size) | 1; /* 0 stands for none */
}

static size_t copy_text(char *out, size_t out_size, const char *text, size_t size)
{
    size_t kept = size < out_size ? size : out_size - 1;
    memcpy(out, text, kept);
    out[kept] = '\0';
    return kept;
}

/* The trace id that was read into the unit's text. */
static void set_trace_id(const struct statement_tags_reader *reader, struct statement_tags *out)
{
    out->tags.unit_text_size = TRACE_ID_SIZE;
    out->tags.unit = hash_unit(reader, out->unit, TRACE_ID_SIZE);
}

static void read_unit(const struct statement_tags_reader *reader, struct statement_tags *out)
{
    size_t size;
    if (read_trace_id(&reader->tags, out->unit)) {
        set_trace_id(reader, out);
        return;
    }
    const char *request = get_filled(&reader->tags, REQUEST_ID, &size);
    if (!request) request = get_filled(&reader->tags, CORRELATION_ID, &size);
    if (!request) return;
    out->tags.unit_text_size = copy_text(out->unit, sizeof out->unit, request, size);
    out->tags.unit = hash_unit(reader, request, size);
}

/* ---- the route ---- */

/* Behind the `size` bytes that are there. */
static size_t append(char out[STATEMENT_ROUTE_SIZE], size_t size, const char *text, size_t text_size)
{
    size_t room = STATEMENT_ROUTE_SIZE - 1 - size;
    if (text_size > room) {
        text_size = room;
        while (text_size > 0 && ((unsigned char)text[text_size] & 0xc0) == 0x80) text_size--;
    }
    memcpy(out + size, text, text_size);
    out[size + text_size] = '\0';
    return size + text_size;
}

static size_t read_route(const struct sql_tags *tags, char out[STATEMENT_ROUTE_SIZE])
{
    size_t size, action_size;
    const char *value = get_filled(tags, ROUTE, &size);
    if (!value) value = get_filled(tags, ENDPOINT_ID, &size);
    if (value) return append(out, 0, value, size);

    value = get_filled(tags, CONTROLLER, &size);
    if (value) {
        const char *action = get_filled(tags, ACTION, &action_size);
        size = append(out, 0, value, size);
        return action ? append(out, append(out, size, "#", 1), action, action_size) : size;
    }
    value = get_filled(tags, JOB, &size);
    return value ? append(out, 0, value, size) : 0;
}

/* ---- all of them ---- */

/* The texts lie in the struct: to be called where it has come to stay. */
static void link_texts(struct statement_tags *tags)
{
    tags->tags.unit_text = tags->tags.unit_text_size > 0 ? tags->unit : NULL;
    tags->tags.route = tags->tags.route_size > 0 ? tags->route : NULL;
    tags->tags.framework = tags->tags.framework_size > 0 ? tags->framework : NULL;
}

static void cut_off(const struct sql_comments *comments, const char **text, size_t *size)
{
    enum { MARK_SIZE = 2 };
    size_t start = comments->has_first ? comments->first_end + MARK_SIZE : 0;
    size_t end = comments->has_last ? comments->last_start - MARK_SIZE : *size;
    if (end <= start) return; /* the two are one: nothing but a comment */
    *text += start;
    *size = end - start;
}

static bool conclude(const struct statement_tags_reader *reader, struct statement_tags *out)
{
    if (reader->tags.found == 0) return false;
    out->tags = (struct execution_tags){0};
    out->unit[0] = out->route[0] = out->framework[0] = '\0';
    read_unit(reader, out);
    out->tags.route_size = read_route(&reader->tags, out->route);
    size_t framework_size;
    const char *framework = sql_tags_get(&reader->tags, FRAMEWORK, &framework_size);
    if (framework) out->tags.framework_size = copy_text(out->framework, sizeof out->framework, framework, framework_size);
    link_texts(out);
    return true;
}

/* What was concluded holds, perhaps with another trace id. */
static bool is_repeated(struct statement_tags_reader *reader, struct statement_tags_memory *memory, const char *text,
                        const struct sql_comments *comments)
{
    if (!memory || !sql_tags_repeat_holds(&memory->repeat, &reader->tags, &reader->keys, text, comments)) return false;
    if (reader->tags.found == 0) return true;
    if (reader->tags.found != UINT64_C(1) << TRACEPARENT || !read_trace_id(&reader->tags, memory->tags.unit)) return false;
    set_trace_id(reader, &memory->tags);
    return true;
}

bool statement_tags_read(struct statement_tags_reader *reader, struct statement_tags_memory **memory, const char **text, size_t *size,
                         enum sql_strings strings, struct statement_tags *out)
{
    struct sql_comments comments;
    if (!sql_comments_may_be_in(*text, *size)) return false;
    sql_comments_find(&comments, *text, *size, strings);
    if (!comments.has_first && !comments.has_last) return false;
    if (!is_repeated(reader, *memory, *text, &comments)) {
        if (!*memory) *memory = memory_alloc(sizeof **memory);
        sql_tags_read(&reader->tags, &reader->keys, *text, &comments);
        (*memory)->has_tags = conclude(reader, &(*memory)->tags);
        sql_tags_repeat_note(&(*memory)->repeat, &reader->tags, *text, &comments);
    }
    cut_off(&comments, text, size);
    if (!(*memory)->has_tags) return false;
    *out = (*memory)->tags;
    link_texts(out);
    return true;
}

void statement_tags_keep(struct statement_tags **kept, const struct statement_tags *tags)
{
    if (!*kept) *kept = memory_alloc(sizeof **kept);
    **kept = *tags;
    link_texts(*kept);
}
