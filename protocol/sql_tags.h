#ifndef PROTOCOL_SQL_TAGS_H
#define PROTOCOL_SQL_TAGS_H

#include "protocol/sql_comments.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The tags that applications write into comments of their SQL, to say which request a statement belongs to: sqlcommenter's
 * key='url%20encoded', key=value, Marginalia's key:value, Datadog's prepended comment.
 *
 * Read are the comments that sql_comments finds at the ends of a text. What cannot be read as a tag is passed over: no text is an error.
 */
enum {
    SQL_TAGS_MAX = 16,       /* tags */
    SQL_TAGS_TEXT_MAX = 1024 /* bytes of keys and values, decoded */
};

struct sql_tag {
    uint16_t key, key_size, value, value_size; /* offsets in the tags' text, and sizes in bytes */
};

struct sql_tags {
    uint32_t count;
    uint32_t text_size;
    bool is_full; /* there were tags that did not fit */
    struct sql_tag items[SQL_TAGS_MAX];
    char text[SQL_TAGS_TEXT_MAX]; /* control characters are blanks here */
};

/*
 * Read the tags of `text`, which must be in an encoding that sql_lex_can_read(). The last comment's come first, then the first one's; of two tags with
 * one key the first is kept. No allocation, never fails.
 */
void sql_tags_parse(struct sql_tags *tags, const char *text, size_t size, enum sql_strings strings);

/* The keys that somebody asks for. With more than there is room for, is_full, and all tags are read. */
enum { SQL_TAG_KEYS_MAX = 8 };
struct sql_tag_keys {
    uint32_t count;
    bool is_full;
    struct {
        const char *text; /* borrowed */
        size_t size;
    } items[SQL_TAG_KEYS_MAX];
};

void sql_tag_keys_add(struct sql_tag_keys *keys, const char *key);
/* As sql_tags_parse, but tags with other keys are passed over: most of a comment is about what few ask for. */
void sql_tags_parse_some(struct sql_tags *tags, const struct sql_tag_keys *keys, const char *text, size_t size, enum sql_strings strings);

/* In two steps, for who needs the comments' places as well. A first comment of more than SQL_COMMENT_SIZE_MAX bytes is not read. */
void sql_tags_read(struct sql_tags *tags, const char *text, const struct sql_comments *comments);

/* The value of a key, without a NUL; NULL when the key is missing. Lives as long as `tags`. */
const char *sql_tags_get(const struct sql_tags *tags, const char *key, size_t *size_out);

/*
 * The name of the route for people: route, or endpoint_id, or controller#action, or job. Written with a NUL into `out`, cut to `out_size` - 1
 * bytes at a character's edge; returns its size, 0 when no tag tells it.
 */
size_t sql_tags_route(const struct sql_tags *tags, char *out, size_t out_size);

/* What is the same for all statements of a request. The trace id of traceparent (W3C Trace Context: 32 hexadecimal digits, not all zero). */
bool sql_tags_trace_id(const struct sql_tags *tags, uint8_t trace_id_out[16]);
/* request_id, or correlation_id; NULL when both are missing or empty. */
const char *sql_tags_request_id(const struct sql_tags *tags, size_t *size_out);

#endif
