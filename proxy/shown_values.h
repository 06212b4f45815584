#ifndef PROXY_SHOWN_VALUES_H
#define PROXY_SHOWN_VALUES_H

#include "proxy/statement_slots.h"
#include "proxy/value_text.h"

/*
 * An execution's parameters as a line, in the order of the statement: literals of a Query, parameters of Bind, arguments of EXECUTE. What is written into a prepared text itself
 * is the same each time and not shown.
 */

/* A statement of its own. */
void shown_values_of_query(struct value_text *line, const struct sql_fingerprint *fingerprint, const char *text);
/* A prepared statement's `slots`, executed by EXECUTE with the arguments that are this fingerprint's literals. */
void shown_values_of_execute(struct value_text *line, const struct statement_slots *slots, const struct sql_fingerprint *arguments,
                             const char *text);
/* The same with a Bind; data and types as for bind_values_read. What cannot be read is not shown. */
void shown_values_of_bind(struct value_text *line, const struct statement_slots *slots, const uint8_t *data, size_t size,
                          const uint32_t *types, size_t type_count);

#endif
