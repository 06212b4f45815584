#ifndef PROXY_ADMIN_H
#define PROXY_ADMIN_H

#include "proxy/admin_commands.h"
#include "proxy/admin_show.h"

/*
 * The console: clients that talk to us instead of to PostgreSQL, in its protocol, simple and extended. They are in no pool and need no server. All of its work is done
 * once a turn of the loop and in slices, so that a long answer, or many sessions, hold nobody up.
 */
struct console;

struct admin {
    struct commons *commons;
    struct admin_view view;
    struct admin_commands commands;
    struct client_host client_host; /* of console sessions */
    struct console *sessions;       /* the one whose turn it is first */
    ev_timer rest;                  /* active: a slice was not enough, and the next one is not due yet */
    bool is_due;                    /* some session may have something to do */
};

void admin_init(struct admin *admin, struct pools *pools, const struct client_host *client_host, const struct admin_host *host);
/* A client that asked for the console and has proved who it is: welcomed, or told that it may not. */
void admin_begin(struct admin *admin, struct client *client);
/* Once a turn of the loop, before it waits, while commons->scratch is nobody's. */
void admin_run(struct admin *admin);
/* Tell all sessions to go. */
void admin_close(struct admin *admin);

#endif
