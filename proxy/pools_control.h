#ifndef PROXY_POOLS_CONTROL_H
#define PROXY_POOLS_CONTROL_H

#include "proxy/pools.h"

/*
 * What the console and signals may do to pools. `home` is one database, or NULL for all of them. A database that is paused by name and by "all" is
 * resumed by either.
 */

/*
 * PAUSE: no client is given a server, queries wait; each server is closed as soon as its lease ends. RESUME: on with it. Neither waits;
 * pools_are_paused_out says when no server is left.
 */
void pools_pause(struct pools *pools, struct database *home);
void pools_resume(struct pools *pools, struct database *home);
bool pools_are_paused_out(const struct pools *pools, const struct database *home);
bool pools_are_held(const struct pools *pools, const struct database *home);

/* RECONNECT: every server that exists now is closed when its lease ends; new ones take their places. */
void pools_reconnect(struct pools *pools, const struct database *home);
/* WAIT_CLOSE: no server that is to be closed, or is being closed, is left. */
bool pools_have_closed(const struct pools *pools, const struct database *home);

/* KILL: paused, and all clients are told to go; what their servers run is canceled. */
void pools_kill(struct pools *pools, struct database *home);

/* SUSPEND: nothing is read from any server, or client but console sessions, until pools_unsuspend. True: nothing is left to be sent either. */
void pools_suspend(struct pools *pools);
void pools_unsuspend(struct pools *pools);
bool pools_are_flushed(const struct pools *pools);
/* Close what could not be flushed. */
void pools_close_unflushed(struct pools *pools);

#endif
