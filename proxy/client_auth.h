#ifndef PROXY_CLIENT_AUTH_H
#define PROXY_CLIENT_AUTH_H

#include "proxy/client.h"

/*
 * From the first byte to the proof of identity: startup packets, then the exchange that auth_type asks for (PostgreSQL manual, "Start-up").
 * Calls host->authenticated at the end, or says goodbye.
 */
/* For client_host.login_input. The client may be closed afterwards. */
size_t client_auth_input(struct client *client, const uint8_t *data, size_t size);
/* For client_host.forget_login, and for a client that has been welcomed. */
void client_auth_free(struct client *client);

#endif
