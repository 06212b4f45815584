#ifndef PROXY_ENTRANCE_H
#define PROXY_ENTRANCE_H

#include "proxy/http_pages.h"
#include "proxy/pools.h"
#include "proxy/takeover_channel.h"

/*
 * The doors of a worker: where clients, the console's own socket and HTTP listen. Which of them there are follows from the settings at the start.
 */
struct entrance {
    struct pools *pools;
    struct client_host *client_host; /* of those who come in */
    /* NULL: there is none (any more). */
    struct listeners *clients, *admins;
    struct http_pages *pages;
};

/*
 * `sockets` that listen already take the places of new ones where they fit; those that do not are closed. `is_activated`: a service manager made them, and they are
 * all there is. `takes_over`: another process still listens for HTTP. -1 with `error`: entrance_leave or entrance_close follows.
 */
int entrance_open(struct entrance *entrance, struct takeover_sockets *sockets, bool is_activated, bool takes_over, struct error *error);
/* Clients wait in the kernel, until entrance_resume. */
void entrance_pause(struct entrance *entrance);
void entrance_resume(struct entrance *entrance);
/* No more clients come in; the console and HTTP go on. */
void entrance_close_to_clients(struct entrance *entrance);
/* All of it, as far as it is open. */
void entrance_close(struct entrance *entrance);

/* The listening sockets, for another process; they stay ours too. False: clients do not come in here any more. */
bool entrance_offer(const struct entrance *entrance, struct takeover_sockets *sockets_out);
/* Another process goes on with the sockets: ours are closed, and the files of Unix sockets stay. */
void entrance_leave(struct entrance *entrance);

#endif
