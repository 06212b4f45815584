#ifndef PROXY_NAME_COUNTS_H
#define PROXY_NAME_COUNTS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * How many there are of each name: the clients of a database, of a user. A name of which there are none takes no memory. A zeroed struct is
 * empty.
 */
struct name_count; /* of one name, as long as there is one */
struct name_counts {
    struct name_count *by_name;
};

/* One more of this name. NULL, and nothing is counted, when that would be more than `limit`; 0 is no limit. */
struct name_count *name_counts_add(struct name_counts *counts, const char *name, uint32_t limit) __attribute__((warn_unused_result));
/* One less; clears the caller's pointer. Harmless with NULL. */
void name_counts_remove(struct name_counts *counts, struct name_count **count);
uint32_t name_counts_of(const struct name_counts *counts, const char *name);

#endif
