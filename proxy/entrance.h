#ifndef PROXY_ENTRANCE_H
#define PROXY_ENTRANCE_H

#include "proxy/http_pages.h"
#include "proxy/pools.h"
#include "proxy/takeover.h"

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
 * Sockets of `gift` that listen already take the places of new ones where they fit; those that do not are closed. Without a channel they are a service manager's, who does not
 * say what they are for: then what fits is taken, and the rest is for clients. HTTP answers nobody before http_pages_run. -1 with `error`: entrance_leave or
 * entrance_close follows.
 */
int entrance_open(struct entrance *entrance, struct takeover_gift *gift, struct error *error);
/* Clients wait in the kernel, until entrance_resume. */
void entrance_pause(struct entrance *entrance);
void entrance_resume(struct entrance *entrance);
/* No more clients come in; the console and HTTP go on. */
void entrance_close_to_clients(struct entrance *entrance);
/* All of it, as far as it is open. */
void entrance_close(struct entrance *entrance);

/* The listening sockets, and how many are for what, for another process; they stay ours too. False: clients do not come in here any more. */
bool entrance_offer(const struct entrance *entrance, struct takeover_sockets *sockets_out, uint32_t uses_out[TAKEOVER_USES]);
/* Another process goes on with the sockets: nobody comes in here, and the files of Unix sockets stay. HTTP ends when it has answered who is there. */
void entrance_leave(struct entrance *entrance);

#endif
