#ifndef PROTOCOL_SQL_FINGERPRINT_H
#define PROTOCOL_SQL_FINGERPRINT_H

#include "protocol/sql_effect.h"
#include "protocol/sql_fingerprint_result.h"
#include "protocol/sql_lex.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The shape of a statement: its tokens without what varies from one execution to the next. Two statements have one shape when they differ in
 * literals, parameter numbers, white space, comments, letter case, quotes around plain names, casts of literals, and the lengths of IN lists, ARRAY[..]
 * and VALUES. "id = 5", "id IN (5)" and "id = ANY($1)" are three shapes.
 *
 * One pass over the tokens, no allocation, linear time, any bytes. The text must be in an encoding that sql_lex_can_read().
 */
enum { SQL_FINGERPRINT_SCAN_MAX = 64 * 1024 }; /* the usual limit for `scan_max` below */

/*
 * The statements of a text, one by one, cut as sql_effect_next() cuts them; one simple Query is one round trip, however many there are. At most
 * the first `scan_max` bytes are looked at.
 */
struct sql_fingerprint_scan {
    const char *text;
    size_t size; /* not past scan_max */
    enum sql_strings strings;
    bool is_cut, is_single, is_done;
    struct sql_effect_scan statements; /* when it is not a single one */
};

void sql_fingerprint_init(struct sql_fingerprint_scan *scan, const char *text, size_t size, enum sql_strings strings, size_t scan_max);
/* The next statement that is not empty. False at the end of the text. */
bool sql_fingerprint_next(struct sql_fingerprint_scan *scan, struct sql_fingerprint *out);

/*
 * The shape as text, with $1, $2 .. for the placeholders and (...) for lists: of the statement that sql_fingerprint_next() has just given, from
 * the same text. Written with a NUL into `out`, cut to `out_size` - 1 bytes at a token's edge; returns its size. Only names and keywords of
 * the statement are in it, no values.
 */
size_t sql_fingerprint_display(const struct sql_fingerprint_scan *scan, const struct sql_fingerprint *fingerprint, char *out,
                               size_t out_size);

#endif
