#ifndef PROXY_CLIENT_TEXT_H
#define PROXY_CLIENT_TEXT_H

#include "protocol/sql_lex.h"
#include "proxy/pool.h"

/* How the SQL of a client that is in a pool is to be read: by its settings, and where it has none, by what the pool's servers began with. */

/* Its client_encoding is one that sql_lex can read. */
bool client_text_is_scannable(const struct client *client);
/* Its standard_conforming_strings. */
enum sql_strings client_text_strings(const struct client *client);
/* For statement_terms: what PostgreSQL reads from the session while it parses. */
uint64_t client_text_context(const struct client *client);

#endif
