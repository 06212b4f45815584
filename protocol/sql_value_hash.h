#ifndef PROTOCOL_SQL_VALUE_HASH_H
#define PROTOCOL_SQL_VALUE_HASH_H

#include "protocol/sql_fingerprint_result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Values to 64-bit hashes, so that values can be compared without being kept: SipHash-1-3 (the size is left out where it
 * is always the same) under a key that must be random and stays in the process. A value
 * has one hash however it is written: the literal 44, +044 or 0x2c, the text "44", the int2, int4 or int8 44 in binary; a uuid as text in either case and as
 * 16 bytes. Text is taken for an integer only as PostgreSQL writes it ("44", not "044").
 */
struct sql_value_key {
    uint64_t words[2];
};

/* A literal of `text`. NULL has a hash of its own. SQL_LITERAL_PARAMETER has no value here: do not ask. */
uint64_t sql_value_hash_literal(const struct sql_value_key *key, const char *text, const struct sql_literal *literal);

/*
 * A parameter or column in text format; `type_oid` 0: unknown. What integer types take ("+044") is an integer when the type says so.
 */
uint64_t sql_value_hash_text(const struct sql_value_key *key, uint32_t type_oid, const char *text, size_t size);

/* The same in binary format. Of an unknown type, 2, 4 and 8 bytes are an integer and 16 are a uuid. */
uint64_t sql_value_hash_binary(const struct sql_value_key *key, uint32_t type_oid, const void *bytes, size_t size);

uint64_t sql_value_hash_null(const struct sql_value_key *key);

/*
 * Many values at once, as they are written: only the same text has the same hash. Quick, for lists that are too long to be taken apart. Not SipHash: 16 bytes
 * go into one product of 64 by 64 bits, both factors masked by what comes of the key, and its halves are folded (as wyhash does it). That suffices here:
 * who does not know the key, and no hash ever leaves the process, cannot choose two texts that collide, and by chance they do so rarely; what could be
 * won is one list in a report that counts as the same as another.
 */
uint64_t sql_value_hash_run(const struct sql_value_key *key, const char *text, size_t size);

/* Many hashes to one, in order: start with 0. */
uint64_t sql_value_hash_combine(const struct sql_value_key *key, uint64_t so_far, uint64_t next);

/* Whether columns of this type are worth keeping for comparison: integers, uuid, text, varchar, bpchar, name. */
bool sql_value_is_comparable(uint32_t type_oid);

#endif
