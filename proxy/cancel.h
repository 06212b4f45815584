#ifndef PROXY_CANCEL_H
#define PROXY_CANCEL_H

#include "proxy/server.h"

/*
 * Cancel requests to PostgreSQL, by PQcancel on offload threads (PostgreSQL manual, "Canceling Requests in Progress"). At most one a server is on its way at any
 * time, so a flood of them costs a bounded number of sockets. A server with one on its way must not be handed on: see server->cancels_in_flight.
 */

/*
 * Cancel what the server runs. Nothing happens when it runs nothing or one is on its way. `arrived` is called on the loop's thread afterwards, and
 * before that when a leased server waits for it no longer (cancel_wait_timeout).
 */
void cancel_send(struct server *server, void (*arrived)(struct server *server));
void cancel_timed_out(struct deadline *deadline); /* for the worker */

/* One is, and is still waited for: whatever the server is given next may be hit by it. */
static inline bool cancel_is_on_its_way(const struct server *server)
{
    return server->cancels_in_flight > 0 && !server->is_cancel_given_up;
}

#endif
