#ifndef PROTOCOL_SQL_RELATIONS_H
#define PROTOCOL_SQL_RELATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which tables a statement reads: PostgreSQL's own, or others? And which it names? Told from the names behind FROM, JOIN and the commas there. */

enum sql_relation_state { RELATION_NONE, RELATION_EXPECTED, RELATION_TABLE, RELATION_CATALOG };

struct sql_relations {
    uint8_t state; /* enum sql_relation_state: of the name that is being read */
    bool has_table, has_catalog;
};

/* A name comes by, quoted or not. It is only of interest in a state other than RELATION_NONE. */
void sql_relations_name(struct sql_relations *relations, bool is_behind_dot, const char *name, size_t size);
/* Any other token, by its first byte. A parenthesis behind a name makes it a function. */
void sql_relations_other(struct sql_relations *relations, char character);
/* No more of the name comes. */
void sql_relations_settle(struct sql_relations *relations);

/*
 * Hashes of the tables that a canonical text (sql_fingerprint_display) names, each once; a schema in front makes no difference. 0: none, or more than `most`, which is as if none
 * were known.
 */
uint8_t sql_relations_list(const char *canonical, size_t size, uint8_t most, uint64_t *hashes_out);
/* The one that an INSERT, UPDATE or DELETE writes. 0: not known; else 1. */
uint8_t sql_relations_target(const char *canonical, size_t size, uint64_t *hash_out);

#endif
