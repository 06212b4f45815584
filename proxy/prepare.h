#ifndef PROXY_PREPARE_H
#define PROXY_PREPARE_H

#include "proxy/outgoing.h"
#include "proxy/pool.h"

/*
 * Statements on servers: what is put in front of a client's message so that its server has what the message needs, what is assumed of it, and what is
 * taken back when the server refuses or skips it.
 */

/* The statement that the client calls by this name, in the terms of its settings now: a server must not get it from a session that reads it otherwise. NULL: none. */
struct statement *prepare_find(struct client *client, const char *name);
/* Whether the server has it, as far as can be said before the outcomes of what was sent; it counts as used just now. */
enum prepared_state prepare_state(struct server *server, struct statement *statement);
/* Put a Parse in front when the server lacks the statement. An error in it is the client's to see when `owner` is EXCHANGE_INJECTED. True: it was put. */
bool prepare_statement(struct outgoing *outgoing, struct statement *statement, enum exchange_owner owner);
/* An empty statement is put in front, under a name that no client knows: something for DEALLOCATE to take. */
void prepare_throw_away(struct outgoing *outgoing, const char *name);
/* The server's unnamed statement is made the client's, or closed when the client has none. */
void prepare_unnamed(struct outgoing *outgoing);
/* The server is about to be given the statement, of which it was in this state: whatever may be there under its name goes, and the least recently used make room. */
void prepare_place(struct outgoing *outgoing, struct statement *statement, enum prepared_state state);
/* The Parse message itself, under the name that servers know the statement by; the exchange was told. */
void prepare_send_parse(struct outgoing *outgoing, const struct statement *statement);

/* The unnamed statement of a client or server is this one from now on (NULL: none). */
void prepare_set_unnamed(struct statement **place, struct statement *statement);
/* A Query ends it, of the client's and of its server, whatever becomes of what was sent before. */
void prepare_end_unnamed(struct client *client);
/* The server's, by a Parse that was sent; or none that is known. */
void prepare_put_unnamed(struct server *server, struct statement *statement);
void prepare_forget_unnamed(struct server *server);

/* For server->exchange.ended. */
void prepare_ended(void *server, enum exchange_outcome outcome);
/* A Sync was sent. */
static inline void prepare_next_segment(struct server *server)
{
    prepared_set_next_segment(&server->prepared);
    preparations_next_segment(&server->preparations);
}
/* The Query or Execute that was just sent deallocates what server->deallocations say. */
void prepare_deallocation_sent(struct server *server);
/* Another portal is bound: server->restore is none. */
void prepare_forget_restore(struct server *server);
/* A tag came for it. */
void prepare_look_at_tag(struct server *server, const char *tag);
/* The server's statements may be out of date ("cached plan must not change result type"). */
void prepare_plan_is_stale(struct server *server);
/* The server ends. */
void prepare_forget_server(struct server *server);

enum { PREPARE_SMALL_MESSAGE = 5 + STATEMENT_NAME_SIZE + 16 }; /* one that holds little more than a statement's name */

#endif
