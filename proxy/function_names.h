#ifndef PROXY_FUNCTION_NAMES_H
#define PROXY_FUNCTION_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "protocol/sql_lex.h"

/*
 * Names of functions of a database whose bodies may change the session: what they do shows in no statement that calls them. A zeroed struct is an empty set.
 * Belongs to one thread.
 */
struct function_names {
    struct function_name *by_name;
};

void function_names_add(struct function_names *names, const char *name); /* as PostgreSQL stores it; copied */
static inline bool function_names_is_empty(const struct function_names *names)
{
    return names->by_name == NULL;
}
/* Whether the text calls one of them: its name, quoted or not, in front of a parenthesis. */
bool function_names_are_called(const struct function_names *names, const char *text, size_t size, enum sql_strings strings);
/* The names of functions and procedures that the text creates come in as well: their bodies are not known yet. */
void function_names_add_created(struct function_names *names, const char *text, size_t size, enum sql_strings strings);
void function_names_fini(struct function_names *names);

#endif
