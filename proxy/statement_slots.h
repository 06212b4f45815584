#ifndef PROXY_STATEMENT_SLOTS_H
#define PROXY_STATEMENT_SLOTS_H

#include "protocol/sql_fingerprint.h"
#include "protocol/sql_value_hash.h"
#include "proxy/execution.h"

/*
 * From SQL to what the search for duplicates counts: the placeholders of a shape with the hashes of what stands in them, and what the shape is. Between
 * protocol/sql_fingerprint, which knows tokens, and execution.h, which knows none.
 *
 * The slots of an execution are those of the canonical text, $1 first; then one more, when the statement has lists, for all that stands in lists.
 */
enum { STATEMENT_SLOTS_MAX = SQL_LITERALS_MAX + 2 };

/* What a placeholder gets its value from. */
struct statement_source {
    uint16_t slot;      /* from 1; 0: in a list */
    uint16_t parameter; /* $n of Bind or EXECUTE, from 1; 0: a literal, whose hash this is */
    uint8_t role;       /* enum slot_role */
    uint64_t hash;
};
struct statement_slots {
    uint64_t fingerprint;
    uint32_t list_length;
    uint16_t slot_count;   /* of the canonical text */
    uint16_t source_count; /* at most SQL_LITERALS_MAX */
    bool has_list;
    bool opens_cursor;
    bool is_incomplete; /* the text was cut or has too many literals: nothing is said about equality */
    uint64_t rest;      /* of further literals; 0: none */
    const struct statement_source *sources;
};

/* The value of a parameter. */
struct statement_parameter {
    uint64_t hash;
    uint32_t list_length; /* of an array; 0: none */
};

/* The sources are written to `buffer`, which stays the caller's. */
void statement_slots_read(struct statement_slots *slots, struct statement_source buffer[SQL_LITERALS_MAX],
                          const struct sql_fingerprint *fingerprint, const char *text, const struct sql_value_key *key);
/* Fill in everything but the tags; `out_slots` has room for STATEMENT_SLOTS_MAX. */
void statement_slots_execute(const struct statement_slots *slots, const struct statement_parameter *parameters, size_t parameter_count,
                             const struct sql_value_key *key, struct execution *execution_out, struct execution_slot *out_slots);

/* What is told once about a shape. `canonical` is its text from sql_fingerprint_display; the description refers to it. */
void statement_slots_describe(const struct sql_fingerprint *fingerprint, const char *canonical, size_t canonical_size,
                              struct shape_description *description_out);
/* For a Query without any statement. Its fingerprint is 1. */
void statement_slots_describe_empty(struct shape_description *description_out);

#endif
