/*
 * From sql_tags to what the search for duplicates wants to know of a request. Texts are cut to what a report shows.
 */
#include "proxy/statement_tags.h"

#include <string.h>

#include "proxy/memory.h"

static uint64_t hash_unit(const struct sql_value_key *key, const char *text, size_t size)
{
    return sql_value_hash_text(key, 0, text, size) | 1; /* 0 stands for none */
}

static void copy_text(char *out, size_t out_size, const char *text, size_t size)
{
    size_t kept = size < out_size ? size : out_size - 1;
    memcpy(out, text, kept);
    out[kept] = '\0';
}

static void write_hex(char *out, const uint8_t *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    *out = '\0';
}

static void read_unit(struct statement_tags *out, const struct sql_tags *tags, const struct sql_value_key *key)
{
    uint8_t trace[16];
    size_t size;
    if (sql_tags_trace_id(tags, trace)) {
        write_hex(out->unit, trace, sizeof trace);
        out->tags.unit = hash_unit(key, out->unit, strlen(out->unit));
    } else {
        const char *request = sql_tags_request_id(tags, &size);
        if (!request) return;
        out->tags.unit = hash_unit(key, request, size);
        copy_text(out->unit, sizeof out->unit, request, size);
    }
    out->tags.unit_text_size = strlen(out->unit);
}

/* The texts lie in the struct: to be called where it has come to stay. */
static void link_texts(struct statement_tags *tags)
{
    tags->tags.unit_text = tags->tags.unit_text_size > 0 ? tags->unit : NULL;
    tags->tags.route = tags->tags.route_size > 0 ? tags->route : NULL;
    tags->tags.framework = tags->tags.framework_size > 0 ? tags->framework : NULL;
}

bool statement_tags_read(struct statement_tags *out, const char *text, size_t size, enum sql_strings strings,
                         const struct sql_value_key *key, struct sql_tags *scratch, struct sql_comments *comments_out)
{
    sql_comments_find(comments_out, text, size, strings);
    sql_tags_read(scratch, text, comments_out);
    if (scratch->count == 0) return false;
    out->tags = (struct execution_tags){0};
    out->unit[0] = out->framework[0] = '\0';
    read_unit(out, scratch, key);
    out->tags.route_size = sql_tags_route(scratch, out->route, sizeof out->route);
    size_t framework_size;
    const char *framework = sql_tags_get(scratch, "framework", &framework_size);
    if (framework) copy_text(out->framework, sizeof out->framework, framework, framework_size);
    out->tags.framework_size = strlen(out->framework);
    link_texts(out);
    return true;
}

void statement_tags_keep(struct statement_tags **kept, const struct statement_tags *tags)
{
    if (!*kept) *kept = memory_alloc(sizeof **kept);
    **kept = *tags;
    link_texts(*kept);
}

void statement_tags_trim(const struct sql_comments *comments, size_t size, size_t *start_out, size_t *end_out)
{
    enum { MARK_SIZE = 2 };
    *start_out = comments->has_first ? comments->first_end + MARK_SIZE : 0;
    *end_out = comments->has_last ? comments->last_start - MARK_SIZE : size;
    if (*end_out > *start_out) return;
    *start_out = 0; /* the two are one: nothing but a comment */
    *end_out = size;
}
