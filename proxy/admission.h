#ifndef PROXY_ADMISSION_H
#define PROXY_ADMISSION_H

#include "protocol/backend.h"
#include "proxy/lease.h"
#include "proxy/pools.h"

/*
 * From the proof of identity to the first ReadyForQuery: whether the client may come in, into which pool, and whether a server is needed to say what it is told
 * (welcome.h).
 */

/* For client_host.authenticated. `pools` is the client_host's owner's. */
void admission_begin(struct pools *pools, struct client *client);
/* The turnstile let a WELCOMING client in. */
void admission_granted(struct client *client, struct server *server);
/* While its settings are being tried: an error, and the end of it. */
void admission_error(struct client *client, const struct backend_error *error);
void admission_settled(struct client *client);
/* For pools_host.refused, of a WELCOMING client. */
void admission_refused(struct client *client);
/* Its wait for a server took too long. */
void admission_wait_timed_out(struct deadline *deadline);
/* Any client's login did, be it that it waits for a server. */
void admission_login_timed_out(struct deadline *deadline);
/* The client leaves: it no longer counts, and nothing is in the making for it. */
void admission_forget(struct client *client);

#endif
