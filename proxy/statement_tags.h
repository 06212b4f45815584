#ifndef PROXY_STATEMENT_TAGS_H
#define PROXY_STATEMENT_TAGS_H

#include "protocol/sql_tags.h"
#include "protocol/sql_value_hash.h"
#include "proxy/execution.h"

/* The tags of a text's comments, as executions carry them: the texts of `tags` lie in the struct, so it is copied with statement_tags_copy. */
enum { STATEMENT_UNIT_SIZE = 64, STATEMENT_ROUTE_SIZE = 128, STATEMENT_FRAMEWORK_SIZE = 32 };
struct statement_tags {
    struct execution_tags tags;
    char unit[STATEMENT_UNIT_SIZE], route[STATEMENT_ROUTE_SIZE], framework[STATEMENT_FRAMEWORK_SIZE];
};

/* False: the text has none, and `out` is not written. `scratch` holds nothing afterwards; `comments_out` is where the text's comments are, in either case. */
bool statement_tags_read(struct statement_tags *out, const char *text, size_t size, enum sql_strings strings,
                         const struct sql_value_key *key, struct sql_tags *scratch, struct sql_comments *comments_out);
/* A copy at *kept, which is made when it is NULL, and the caller's to free. */
void statement_tags_keep(struct statement_tags **kept, const struct statement_tags *tags);
/* Where the text begins and ends without the comments at its ends. */
void statement_tags_trim(const struct sql_comments *comments, size_t size, size_t *start_out, size_t *end_out);

#endif
