#ifndef PROXY_CLIENT_PROOF_H
#define PROXY_CLIENT_PROOF_H

#include "proxy/client_login.h"

/*
 * The proof of identity that auth_type asks for: SCRAM-SHA-256 (RFC 5802, RFC 7677), md5, cleartext, or none. At its end stands host->authenticated, or
 * a goodbye. An unknown user and a wrong password take the same steps and get the same answer.
 */

/* The client has said who it is, in client->user, and is AUTHENTICATING from here on. */
void client_proof_begin(struct client *client);
/* The body of a password message, in a step that expects one. */
void client_proof_message(struct client *client, const uint8_t *body, size_t size);
/* The client leaves: it no longer waits for the keys of its user. */
void client_proof_leave(struct client *client);

#endif
