#ifndef PROXY_CONFIG_MATCH_H
#define PROXY_CONFIG_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/address.h"
#include "proxy/config_entries.h"

/* What is known of a client and of the statement that it waits with: what a class goes by. */
enum config_fact {
    CONFIG_FACT_NONE,
    CONFIG_FACT_USER,
    CONFIG_FACT_DATABASE,
    CONFIG_FACT_APPLICATION_NAME,
    CONFIG_FACT_ADDRESS,
    CONFIG_FACT_PORT, /* that the client connected to */
    CONFIG_FACT_TAG   /* of the SQL comment of a lease's first statement */
};
enum { CONFIG_PATTERN_SIZE_MAX = 255, CONFIG_CONDITIONS_MAX = 16 };

struct config_condition {
    enum config_fact fact;
    const char *tag;            /* TAG: its key; NULL otherwise */
    unsigned tag_number;        /* TAG: its key's number among those of the configuration */
    const char *pattern;        /* USER, DATABASE, APPLICATION_NAME, TAG: for glob_matches */
    struct address_range range; /* ADDRESS */
    uint16_t port;              /* PORT; 0 is the Unix socket */
};
/* One `match` line: all of its conditions hold. At least one; those on tags come last. */
struct config_match {
    const struct config_condition *conditions;
    size_t condition_count;
    size_t tag_condition_count; /* how many of them are on tags */
    uint64_t tags;              /* a bit for the number of each of these */
};

/*
 * Read the value of a `match` line:
 *     user=web* database=shop application_name='Puma *' address=10.0.0.0/8 port=6432 tag.job=Import*
 * False: it is a problem, and the origin's list says which.
 */
bool config_match_read(const struct config_origin *origin, const char *value, struct config_match *match_out)
    __attribute__((warn_unused_result));
/* Whether every client and statement that fits `inner` fits `outer` as well, as far as the texts tell. */
bool config_match_is_within(const struct config_match *inner, const struct config_match *outer);

/* The number of a tag's key; a problem is said when there are too many. */
unsigned config_match_number_tag(const struct config_origin *origin, const char *key);
/*
 * "user", "database", "application_name", "address", "port" or "listener", "tag.KEY" with `*tag_out` behind the dot (else NULL).
 * CONFIG_FACT_NONE: none of these.
 */
enum config_fact config_match_find_fact(const char *name, const char **tag_out);

#endif
