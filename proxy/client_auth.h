#ifndef PROXY_CLIENT_AUTH_H
#define PROXY_CLIENT_AUTH_H

#include "protocol/frontend.h"
#include "proxy/client.h"

/*
 * From the first byte to the proof of identity: startup packets, then the exchange that auth_type asks for (PostgreSQL manual, "Start-up").
 * Calls host->authenticated at the end, or says goodbye.
 */
/* The startup packet's parameters, for frontend_next_parameter. Alive until the login is freed. */
struct bytes_reader client_login_parameters(const struct client_login *login);

/* For client_host.login_input. The client may be closed afterwards. */
size_t client_auth_input(struct client *client, const uint8_t *data, size_t size);
/* For client_host.forget_login, and for a client that has been welcomed. */
void client_auth_free(struct client *client);

#endif
