#ifndef PROXY_CONSOLE_ACCESS_H
#define PROXY_CONSOLE_ACCESS_H

#include <stdbool.h>

#include "proxy/settings.h"

/* Which databases are the console's, and who may do what there. */
enum console_role { CONSOLE_NOBODY, CONSOLE_STATS, CONSOLE_ADMIN };
#define CONSOLE_DATABASE "pgturnstile"

/* "pgturnstile", or "pgbouncer" for tools that know no other. */
bool console_is_database(const char *name);
/* admin_users may do everything, stats_users look. Names are compared to the letter, as PostgreSQL's are. */
enum console_role console_role_of(const struct settings *settings, const char *user);
/* Over the Unix socket, with our own uid, this user needs no password. */
bool console_is_owner_name(const char *user);

#endif
