/*
 * pgbouncer_keys.def as a table. It only knows what PgBouncer has and we have not; our settings are in settings.c.
 */
#include "proxy/pgbouncer_keys.h"

#include <string.h>

#include "proxy/config_text.h"

#define PGBOUNCER_IGNORED(scope, name, neutral, reason) {scope, #name, neutral, CONFIG_WARNING, reason},
#define PGBOUNCER_REFUSED(scope, name, neutral, reason) {scope, #name, neutral, CONFIG_ERROR, reason},
static const struct pgbouncer_key table[] = {
#include "proxy/pgbouncer_keys.def"
};

const struct pgbouncer_key *pgbouncer_keys_find(enum pgbouncer_scope scope, const char *name)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (table[i].scope == scope && strcmp(table[i].name, name) == 0) return &table[i];
    }
    return NULL;
}

bool pgbouncer_keys_is_neutral(const struct pgbouncer_key *key, const char *value)
{
    if (strcmp(key->neutral, "*") == 0 || config_text_is_in_list(value, key->neutral, '|')) return true;
    /* "0" may be written "0.0" or "00". */
    int64_t us;
    return config_text_is_in_list("0", key->neutral, '|') && config_text_seconds(value, &us) && us == 0;
}
