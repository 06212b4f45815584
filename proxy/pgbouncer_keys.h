#ifndef PROXY_PGBOUNCER_KEYS_H
#define PROXY_PGBOUNCER_KEYS_H

#include <stdbool.h>

#include "proxy/config_problems.h"

/* Keys of PgBouncer that are no settings here, one for each line of pgbouncer_keys.def. */
enum pgbouncer_scope { SCOPE_GLOBAL, SCOPE_DATABASE };
struct pgbouncer_key {
    enum pgbouncer_scope scope;
    const char *name;
    const char *neutral;           /* the values that change nothing, separated by '|'; "*" is any */
    enum config_severity severity; /* of any other value */
    const char *reason;
};

/* NULL: PgBouncer has no such key either, or it is a setting here. */
const struct pgbouncer_key *pgbouncer_keys_find(enum pgbouncer_scope scope, const char *name);
/* Whether `value` changes nothing, so that there is nothing to say about it. */
bool pgbouncer_keys_is_neutral(const struct pgbouncer_key *key, const char *value);

#endif
