/* Names of tables, for sql_shape: catalog or not. It knows nothing of tokens but their first bytes. */
#include "protocol/sql_relations.h"

#include <string.h>
#include <strings.h>

/* PostgreSQL's own tables as drivers and frameworks name them, without their schema. */
static bool is_catalog_name(const char *name, size_t size)
{
    static const char *const names[] = {
        "pg_am",       "pg_attrdef",     "pg_attribute", "pg_class",     "pg_collation", "pg_constraint", "pg_database",
        "pg_depend",   "pg_description", "pg_enum",      "pg_extension", "pg_index",     "pg_indexes",    "pg_inherits",
        "pg_language", "pg_locks",       "pg_matviews",  "pg_namespace", "pg_opclass",   "pg_operator",   "pg_policy",
        "pg_proc",     "pg_range",       "pg_roles",     "pg_sequence",  "pg_sequences", "pg_settings",   "pg_stat_activity",
        "pg_tables",   "pg_tablespace",  "pg_trigger",   "pg_type",      "pg_user",      "pg_views",      "pg_timezone_names"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strlen(names[i]) == size && strncasecmp(names[i], name, size) == 0) return true;
    }
    return false;
}

static bool is_catalog(const char *name, size_t size)
{
    if (size == 18 && strncasecmp(name, "information_schema", 18) == 0) return true;
    if (size < 5 || strncasecmp(name, "pg_", 3) != 0) return false;
    if (size == 10 && strncasecmp(name, "pg_catalog", 10) == 0) return true;
    return is_catalog_name(name, size);
}

void sql_relations_settle(struct sql_relations *relations)
{
    relations->has_table |= relations->state == RELATION_TABLE;
    relations->has_catalog |= relations->state == RELATION_CATALOG;
    relations->state = RELATION_NONE;
}

void sql_relations_name(struct sql_relations *relations, bool is_behind_dot, const char *name, size_t size)
{
    if (is_behind_dot) return; /* the schema has said it */
    if (relations->state == RELATION_EXPECTED)
        relations->state = is_catalog(name, size) ? RELATION_CATALOG : RELATION_TABLE;
    else
        sql_relations_settle(relations);
}

void sql_relations_other(struct sql_relations *relations, char character)
{
    if (character == '.') return;
    if (relations->state == RELATION_EXPECTED) {
        if (character != '(') relations->state = RELATION_NONE;
    } else if (character == '(') {
        relations->state = RELATION_NONE;
    } else {
        sql_relations_settle(relations);
    }
}
