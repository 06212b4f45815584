#ifndef PROXY_POOLS_H
#define PROXY_POOLS_H

#include "proxy/pool.h"

/*
 * All pools of a worker: one for each (database, user) that has clients or servers.
 */
void pools_init(struct pools *pools, struct commons *commons, const struct pools_host *host);
/* Carry out what the turnstile orders; once a turn of the loop. */
void pools_run_orders(struct pools *pools);
/* Timeouts of idle servers, empty pools; about once a second. */
void pools_housekeeping(struct pools *pools);
/* A new configuration is in force: limits at once, connection settings for new servers (the others retire). */
void pools_reload(struct pools *pools);
/* End every idle server; the others as they come free. */
void pools_close_servers(struct pools *pools, const char *reason);
/* How many servers could be in use now: leased, being opened, waited for. O(pools). */
uint32_t pools_demand(const struct pools *pools);
bool pools_are_empty(const struct pools *pools); /* no server is left */
void pools_free_all(struct pools *pools);        /* asserts that they hold nobody */

/* The pool for these names, made when needed. NULL: no such database is configured. */
struct pool *pools_find(struct pools *pools, const char *database, const char *user);

#endif
