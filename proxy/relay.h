#ifndef PROXY_RELAY_H
#define PROXY_RELAY_H

#include "proxy/admission.h"

/*
 * The bytes between a client and the server it leases, in both directions: walking the messages, taking a lease at the first, ending it with the
 * transaction. All callbacks of client_host, server_host and pools_host end up here.
 */

/* client_host */
void relay_client_readable(struct client *client);
void relay_client_resume(struct client *client);
void relay_client_drained(struct client *client);
void relay_client_leaving(struct client *client, enum client_state was);
void relay_cancel_requested(struct commons *commons, uint32_t pid, const uint8_t *key, size_t key_size);

/* server_host */
void relay_server_readable(struct server *server);
void relay_server_drained(struct server *server);
void relay_server_lost(struct server *server, const char *why);

/* pools_host */
void relay_granted(struct client *client, struct server *server);
void relay_refused(struct client *client);

/* Between relay.c and relay_server.c: a LEASING client's server may be at rest, and the lease at its end. */
void relay_rest(struct client *client);

/* For the worker: a client waited longer than query_wait_timeout. */
void relay_wait_timed_out(struct deadline *deadline);
/* A client whose reading is paused may be gone without our having noticed. About once a second, for each client. */
void relay_check_paused(struct client *client);
/* pgturnstile stops: the client ends now when nothing of its own is under way (`at_once`: in any case). */
void relay_shut_down(struct client *client, bool at_once);

#endif
