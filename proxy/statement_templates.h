#ifndef PROXY_STATEMENT_TEMPLATES_H
#define PROXY_STATEMENT_TEMPLATES_H

#include "proxy/statement_slots.h"

/*
 * Statements that were read lately, as templates: an application says the same texts with other literals, and then comparing bytes tells what reading all
 * tokens would. Bounded in number and bytes. Belongs to one thread.
 */
enum { STATEMENT_TEMPLATES_MAX = 1024, STATEMENT_TEMPLATE_SIZE_MAX = 8192 };

struct statement_templates;

struct statement_templates *statement_templates_new(const struct sql_value_key *key, size_t bytes_max);
void statement_templates_free(struct statement_templates **templates);
/*
 * As sql_fingerprint and statement_slots_read() for the only statement of this text, if one like it was added. False: not known. The slots refer to `buffer`.
 * `hint` says where to look first; it is the caller's, 0 in the beginning, and best the same one for texts that follow each other.
 */
bool statement_templates_find(struct statement_templates *templates, const char *text, size_t size, enum sql_strings strings,
                              uint64_t *hint, struct statement_slots *slots_out, struct statement_source buffer[SQL_LITERALS_MAX]);
/* A text that was just read and not found. It is kept if it can be and is a read or a write, in the place of one not used for longer. */
void statement_templates_add(struct statement_templates *templates, const char *text, size_t size, enum sql_strings strings,
                             const struct sql_fingerprint *fingerprint, const struct statement_slots *slots);
size_t statement_templates_bytes(const struct statement_templates *templates);

#endif
