#ifndef PROXY_CANCEL_H
#define PROXY_CANCEL_H

#include "proxy/server.h"

/*
 * Cancel requests to PostgreSQL, by PQcancel on offload threads (PostgreSQL manual, "Canceling Requests in Progress"). At most one a server is on its way at any
 * time, so a flood of them costs a bounded number of sockets. A server with one on its way must not be handed on: see server->cancels_in_flight.
 */

/* Cancel what the server runs. Nothing happens when it runs nothing or one is on its way. `arrived` is called on the loop's thread afterwards. */
void cancel_send(struct server *server, void (*arrived)(struct server *server));
void cancel_timed_out(struct deadline *deadline); /* for the worker */

#endif
