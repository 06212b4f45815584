#ifndef PROXY_LOCK_ERRORS_H
#define PROXY_LOCK_ERRORS_H

#include "proxy/client.h"

/* Deadlocks, lock timeouts and cancelled statements: counted by class and shape, and logged without the words of the server, which may hold values. */

/* An error with this SQLSTATE is passed on to a client that leases a server; observe_received has not been told yet. NULL: it has none. */
void lock_errors_note(struct client *client, const char *sqlstate);

#endif
