#ifndef PROXY_STATEMENT_TAGS_H
#define PROXY_STATEMENT_TAGS_H

#include "protocol/sql_tags_repeat.h"
#include "protocol/sql_value_hash.h"
#include "proxy/execution.h"

/* The tags of a text's comments, as executions carry them: the texts of `tags` lie in the struct, so it is copied with statement_tags_keep. */
enum { STATEMENT_UNIT_SIZE = 64, STATEMENT_ROUTE_SIZE = 128, STATEMENT_FRAMEWORK_SIZE = 32 };
struct statement_tags {
    struct execution_tags tags;
    char unit[STATEMENT_UNIT_SIZE], route[STATEMENT_ROUTE_SIZE], framework[STATEMENT_FRAMEWORK_SIZE];
};

/* What reads them; it holds nothing between two texts. */
struct statement_tags_reader {
    struct sql_value_key key;
    struct sql_tag_keys keys;
    struct sql_tags tags;
};
void statement_tags_init(struct statement_tags_reader *reader, const struct sql_value_key *key);

/* What one client said last: most often it says the same next time. */
struct statement_tags_memory {
    struct sql_tags_repeat repeat;
    bool has_tags;
    struct statement_tags tags;
};

/*
 * Read the tags of a text, and cut the comments off at its ends: they may be others each time. False: it has no tags that say something, and `out` is not written.
 *
 * The unit is the trace id of traceparent (W3C Trace Context: 32 hexadecimal digits, not all zero), in small letters, or else request_id or
 * correlation_id. The route, for people, is route, or endpoint_id, or controller#action, or job; it is cut at a character's edge. An empty value is none.
 *
 * `*memory` is the client's: NULL at first, made at its first comment, and the caller's to free.
 */
bool statement_tags_read(struct statement_tags_reader *reader, struct statement_tags_memory **memory, const char **text, size_t *size,
                         enum sql_strings strings, struct statement_tags *out);
/* A copy at *kept, which is made when it is NULL, and the caller's to free. */
void statement_tags_keep(struct statement_tags **kept, const struct statement_tags *tags);

#endif
