#ifndef PROXY_LEASE_H
#define PROXY_LEASE_H

#include "proxy/pool.h"

/*
 * A lease: one client holds one server, from its first statement to the end of its transaction (or session). Beginning, ending, and what is done with
 * a server whose client is gone. The bytes that pass meanwhile are relay.c's.
 */

/* Link a LEASED server to a client that is READY, WAITING or WELCOMING (which becomes LEASING, unless WELCOMING). */
void lease_begin(struct client *client, struct server *server);
/*
 * The SQL that gives the server the client's settings: "" when they fit already. Once it is sent (as a Query of ours, before anything of the client's), call
 * lease_settings_sent.
 */
size_t lease_settings_sql(const struct client *client, char *sql_out, size_t capacity);
void lease_settings_sent(struct client *client);

/* Whether the lease may end here: nothing is owed, no transaction is open, no message is half way, and the pool mode and the client's state allow it. */
bool lease_may_end(const struct client *client);
/* End it; the client becomes READY (when it was LEASING). The server goes back to its pool, after a reset where one is due. */
void lease_end(struct client *client);
/*
 * The client leaves. Its server is cancelled, read off, rolled back and kept; it is closed only when that cannot be done or takes longer than
 * abandon_timeout. `is_polite`: it said Terminate, so what it sent before is carried out to the end first, as PostgreSQL would.
 */
void lease_abandon(struct client *client, bool is_polite);

/*
 * A spare server of the pool for one question of ours (server_query), CLEANING: it goes back when that is answered; a question that takes long is cancelled. NULL:
 * there is none.
 */
struct server *lease_without_client(struct pool *pool);

/* A CLEANING server has read a reply: the next step, if it is time for it. */
void lease_clean(struct server *server);
void lease_cleaning_timed_out(struct deadline *deadline); /* for the worker */
/*
 * Cancel what the server runs for its client. While it is taking the client's settings that waits: the statement behind them would run without them, as
 * another role or on another search_path.
 */
void lease_cancel(struct server *server);
/* The same for a client that leases one and asked for it. What it was held back with is cancelled once it has been sent; what we ask for ourselves is not its to cancel. */
void lease_cancel_for(struct client *client);
/* What waited to be sent has been: so is a cancel that was for it. */
void lease_cancel_due(struct server *server);
/* It has taken them, or refused to. The caller sends what was held back, if anything was, and then calls lease_cancel_due. */
void lease_settings_taken(struct server *server);

/* The server reported a new value for a setting that its client changed: it follows the client from now on. */
void lease_parameter_changed(struct server *server, const char *name, const char *value);

#endif
