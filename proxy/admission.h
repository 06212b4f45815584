#ifndef PROXY_ADMISSION_H
#define PROXY_ADMISSION_H

#include "protocol/backend.h"
#include "proxy/lease.h"
#include "proxy/pools.h"

/*
 * From the proof of identity to the first ReadyForQuery: which pool, which settings, and what the client is told of its server. The welcome holds the server's own values
 * in its own spelling: settings that a client brings are tried on a server once, and what that server reports is remembered for all clients that bring the same.
 */

/* For client_host.authenticated. `pools` is the client_host's owner's. */
void admission_begin(struct pools *pools, struct client *client);
/* The turnstile let a WELCOMING client in. */
void admission_granted(struct client *client, struct server *server);
/* While its settings are being tried: an error, and the end of it. */
void admission_error(struct client *client, const struct backend_error *error);
void admission_settled(struct client *client);
/* For pools_host.refused, and for a wait that took too long, of a WELCOMING client. */
void admission_refused(struct client *client);
void admission_wait_timed_out(struct deadline *deadline);

/* For pools_host.forget_welcomes. */
void admission_forget_welcomes(struct pool *pool);
/* The client leaves: it no longer counts, and nothing is in the making for it. */
void admission_forget(struct client *client);

#endif
