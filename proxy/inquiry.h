#ifndef PROXY_INQUIRY_H
#define PROXY_INQUIRY_H

#include "proxy/pool.h"

/*
 * After a lease whose statements may have changed the session, the server is asked once what is set in it now, and what it holds that cannot be moved. The
 * answer is right whatever was rolled back, or was done inside a function.
 */
struct inquiry;

/*
 * A statement that may set settings is about to run: custom ones (app.user_id) can be asked for by name only. From SQL text, and from a text that may be the name
 * itself (a parameter of set_config). A client that sets one whose name cannot be told, or too many, is pinned: it has the server to itself, which is reset
 * behind it.
 */
void inquiry_note_names(struct client *client, const char *text, size_t size, bool can_scan, enum sql_strings strings);
void inquiry_note_name(struct client *client, const char *name, size_t size);

/* The client's server is at rest, and there is reason to ask: something was touched, or a pin may have ended. */
bool inquiry_is_due(const struct client *client);
/* Ask; what was touched so far is settled with the answer. The exchange is idle. */
void inquiry_send(struct client *client);
/* A DataRow of the answer. */
void inquiry_row(struct server *server, const uint8_t *body, size_t size);
/* The answer is complete: the client's settings and pins are what the server said. */
void inquiry_end(struct server *server);
/* It failed (a statement_timeout of the client's, say): the client stays with its server until one succeeds. */
void inquiry_fail(struct server *server);
void inquiry_forget(struct server *server); /* harmless when there is none */

/* Pins, with their count per pool. */
void inquiry_set_pins(struct client *client, uint32_t pins);
/* Statements with these effects would pin the client, and it may not be pinned: session_state = refuse, or max_pinned others are. */
bool inquiry_refuses_pin(const struct client *client, uint32_t effects);

#endif
