#ifndef PROTOCOL_SQL_TAGS_H
#define PROTOCOL_SQL_TAGS_H

#include "protocol/sql_lex.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The tags that applications write into comments of their SQL, to say which request a statement belongs to: sqlcommenter's
 * key='url%20encoded', key=value, Marginalia's key:value, Datadog's prepended comment.
 *
 * Read are the block comment that the text begins with and the one that it ends with; blanks, semicolons and hints may stand outside of them. What
 * cannot be read as a tag is passed over: no text is an error.
 */
enum {
    SQL_TAGS_MAX = 16,             /* tags */
    SQL_TAGS_TEXT_MAX = 1024,      /* bytes of keys and values, decoded */
    SQL_TAGS_COMMENT_MAX = 8192,   /* bytes of a comment; a longer one is not read */
    SQL_TAGS_EXACT_MAX = 64 * 1024 /* bytes of a text that is read whole when its end can be taken for two things */
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
 *
 * A text without comments at its ends costs a look at its first and last bytes. A comment at the end is looked for backwards from the end. This finds what
 * sql_lex_next() says is the last token, for every text that PostgreSQL takes: a string constant ends in its quote, so the two bytes that close a
 * comment cannot be the last ones and inside of a string; and no operator is spelled so. Where the bytes alone do not tell where the comment begins (a "--" in the last line; "/" and "*" that
 * overlap), the whole text is scanned, up to SQL_TAGS_EXACT_MAX; a longer one then has no comment at its end.
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

/* False: the text neither begins nor ends with a comment, and has no tags. */
bool sql_tags_may_be_in(const char *text, size_t size);

/* In two steps, for who needs the comments' places as well. */
struct sql_tags_comments {
    bool has_first, has_last;
    size_t first_start, first_end, last_start, last_end; /* without their marks; the two may be one */
};
void sql_tags_find(struct sql_tags_comments *comments_out, const char *text, size_t size, enum sql_strings strings);
void sql_tags_read(struct sql_tags *tags, const char *text, const struct sql_tags_comments *comments);

/* The comments that sql_tags_parse reads, without their marks: offsets of what is inside. False: there is none. */
bool sql_tags_first_comment(const char *text, size_t size, enum sql_strings strings, size_t *start_out, size_t *end_out);
bool sql_tags_last_comment(const char *text, size_t size, enum sql_strings strings, size_t *start_out, size_t *end_out);

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
