#ifndef PROTOCOL_SQL_SETTING_NAMES_H
#define PROTOCOL_SQL_SETTING_NAMES_H

#include "protocol/sql_lex.h"

/*
 * The custom settings (PostgreSQL manual, "Customized Options": names with a dot, such as app.user_id) that SQL text may set. PostgreSQL does not list them
 * anywhere, so whoever wants to know what is set must know the names.
 */
enum { SQL_SETTING_NAME_MAX = 127 };

/* Whether these bytes could be the name of a custom setting: identifiers of letters, digits, '_' and '$', joined by dots. */
bool sql_is_setting_name(const char *text, size_t size);
/*
 * Call `found` with each name that may be meant: dotted names behind SET, and string constants that look like one, also inside constants that hold
 * code (DO). More than are really set may come, and the same one more than once. Once or more with a name of NULL: the text sets one, for longer than
 * the transaction, whose name cannot be read from it: set_config('app.' || x, ..), set_config(E'app\\x2ey', ..), SET U&"app.\\0079". A parameter ($1) in
 * this place can be read by whoever has its value.
 */
void sql_setting_names(const char *text, size_t size, enum sql_strings strings, void (*found)(void *context, const char *name, size_t size),
                       void *context);

/* The same for text that cannot be read as SQL (its encoding hides ASCII bytes inside other characters): whatever looks like a name, wherever it stands. */
void sql_setting_names_anywhere(const char *text, size_t size, void (*found)(void *context, const char *name, size_t size), void *context);

#endif
