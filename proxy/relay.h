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
void relay_cancel_requested(struct commons *commons, uint32_t pid, uint32_t secret);

/* server_host */
void relay_server_readable(struct server *server);
void relay_server_drained(struct server *server);
void relay_server_lost(struct server *server, const char *why);

/* pools_host */
void relay_granted(struct client *client, struct server *server);
void relay_refused(struct client *client);

/* Between relay.c and relay_server.c: read a client that was paused again, and work on what it has sent already. */
void relay_go_on(struct client *client);
/* The same: a LEASING client's server may be at rest, and the lease at its end. */
void relay_rest(struct client *client);

/* relay_queue.c: a client that waits for a server. */
void relay_queue_wait(struct client *client);
/* The statement at the head of what a WAITING client sent is answered with an error instead of being carried out. The connection goes on. */
void relay_queue_refuse(struct client *client, const char *sqlstate, const char *message, const char *detail, const char *hint);
void relay_queue_timed_out(struct client *client);
/* The same for one that waits, says its state, but for whom the queue had no room. The caller goes on with what it sent besides. */
void relay_queue_turn_away(struct client *client);
/* It is told that it waits. */
void relay_queue_notify(struct client *client);

/* relay_clocks.c: a clock of a client's has struck. For the worker, when commons->clocks may be due. */
void relay_clocks_run(struct commons *commons);
/* What it interrupts may have come to rest. True: the client may go on. */
bool relay_clocks_settled(struct client *client);
/* The error that comes of the interruption: ours in its place, at most `capacity` bytes. 0: it is none of ours. */
size_t relay_clocks_write_error(struct client *client, const struct backend_error *error, uint8_t *message_out, size_t capacity);

/* A client whose reading is paused may be gone without our having noticed. About once a second, for each client. */
void relay_check_paused(struct client *client);
/* pgturnstile stops: the client ends now when nothing of its own is under way (`at_once`: in any case). */
void relay_shut_down(struct client *client, bool at_once);

#endif
