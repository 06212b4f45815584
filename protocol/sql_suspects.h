#ifndef PROTOCOL_SQL_SUSPECTS_H
#define PROTOCOL_SQL_SUSPECTS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Whether the bytes hold anything that may give effects to a statement whose first word is none of sql_effect's verbs: a semicolon, an '&' (of U&""),
 * INTO, or a piece of one of the names that sql_effect looks for, in any case, be it in a string or a comment. False is certain; true
 * asks for tokens.
 */
bool sql_suspects_are_in(const char *text, size_t size);

#endif
