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
 * Read are the comments that sql_comments finds at the ends of a text. What cannot be read as a tag is passed over: no text is an error. Most of a comment
 * is about what nobody asks for, so there are only the tags with keys that were asked for before, and each key has a number by which its value is found.
 */
enum {
    SQL_TAG_KEYS_MAX = 64,
    SQL_TAGS_TEXT_MAX = 1024, /* bytes of a value; and of all that had to be decoded */
    SQL_TAG_KEY_SIZES = 32    /* keys of this size and longer are told apart by their bytes only */
};

/* What is asked for. Zeroed, it is nothing. */
struct sql_tag_keys {
    uint32_t count;
    struct {
        const char *text; /* borrowed */
        size_t size;
    } items[SQL_TAG_KEYS_MAX];
    uint64_t plain;                      /* a bit for each key that can stand in a comment as it is, without % */
    uint64_t by_size[SQL_TAG_KEY_SIZES]; /* a bit for each key of this size */
};
/* The key's number; the same text has the same one. SQL_TAG_KEYS_MAX: there is no room for it. */
unsigned sql_tag_keys_add(struct sql_tag_keys *keys, const char *key);

/* Control characters of values are blanks here. Valid as long as the text that was read. */
struct sql_tags {
    uint64_t found; /* a bit for each key that has a value */
    bool is_full;   /* there were values that did not fit */
    uint32_t text_size;
    size_t settled;         /* where there is one comment: so many of its bytes are tags that nothing behind them changes; a key is next */
    uint64_t settled_found; /* what was found in these */
    struct {
        const char *text; /* in the SQL, or in `text` below where that has another spelling */
        size_t size;
    } values[SQL_TAG_KEYS_MAX]; /* unset where nothing was found */
    char text[SQL_TAGS_TEXT_MAX];
};

/*
 * Read the tags in the comments that sql_comments_find() has found in `text`. The last comment's come first, then the first one's, which is not read when it
 * is longer than SQL_COMMENT_SIZE_MAX; of two tags with one key the first is kept. No allocation, never fails.
 */
void sql_tags_read(struct sql_tags *tags, const struct sql_tag_keys *keys, const char *text, const struct sql_comments *comments);
/* The two in one step. */
void sql_tags_parse(struct sql_tags *tags, const struct sql_tag_keys *keys, const char *text, size_t size, enum sql_strings strings);

/* The value of the key with this number, without a NUL; NULL when there is none, with `*size_out` 0. */
static inline const char *sql_tags_get(const struct sql_tags *tags, unsigned key, size_t *size_out)
{
    bool is_found = (tags->found >> key & 1) != 0;
    *size_out = is_found ? tags->values[key].size : 0;
    return is_found ? tags->values[key].text : NULL;
}

#endif
