#ifndef PROTOCOL_SQL_RESET_H
#define PROTOCOL_SQL_RESET_H

#include "protocol/sql_lex.h"

/*
 * Which settings a statement takes back to what the session began with: RESET, and SET .. TO DEFAULT in its spellings (PostgreSQL manual, "SET", "RESET"). Not SET LOCAL, which
 * ends by itself, and not what functions do.
 */
enum sql_reset { SQL_RESET_NOTHING, SQL_RESET_ONE, SQL_RESET_ALL };

enum { SQL_RESET_NAME_MAX = 127 };

/*
 * Of one statement, as sql_effect_next() cuts them. ONE: the setting's name is written with a NUL, dots within a custom one. A statement that PostgreSQL
 * refuses for its syntax may get any answer.
 */
enum sql_reset sql_reset_of(const char *text, size_t size, enum sql_strings strings, char name_out[SQL_RESET_NAME_MAX + 1]);

#endif
