#ifndef PROXY_STATEMENT_NAMES_H
#define PROXY_STATEMENT_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "proxy/statements.h"

/*
 * What one client calls its statements: name -> statement, with a reference to each. A zeroed struct is an empty map; it has no memory while it is
 * empty. All statements in it are of one table: asserted.
 */
struct statement_names {
    struct statement_name **buckets;
    const struct statements *table; /* of the statements in it */
    uint32_t buckets_log2;
    uint32_t count;
};

struct statement *statement_names_find(const struct statement_names *names, const char *name); /* borrowed; NULL: none */
/*
 * Set, replace or (statement NULL) remove. The former statement, whose reference passes to the caller; NULL: there was none. Takes its own reference to
 * `statement`, and copies `name`.
 */
struct statement *statement_names_set(struct statement_names *names, const char *name, struct statement *statement);
/* The client's name for the statement that servers call `server_name`, valid until the next change; NULL: none. O(n): for error messages. */
const char *statement_names_of(const struct statement_names *names, const char *server_name);
size_t statement_names_count(const struct statement_names *names);
void statement_names_clear(struct statement_names *names);

#endif
