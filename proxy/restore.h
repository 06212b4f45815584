#ifndef PROXY_RESTORE_H
#define PROXY_RESTORE_H

#include "proxy/outgoing.h"
#include "proxy/statement_effects.h"

/*
 * RESET and DISCARD ALL take a server to its own standard, where a connection of the client's own would have gone back to what the client came with. SQL that does the same goes
 * right behind them, before anything else of the client's and before the server reports what has changed: so the client hears and finds what it would on PostgreSQL.
 */

/* Effects of statements that may reset something. */
#define RESTORE_EFFECTS ((uint32_t)(EFFECT_SET | EFFECT_ROLE | EFFECT_DISCARD_ALL))

/* The text of a Query with what restores behind each statement that resets: malloc'ed, the caller's. NULL: as it is. What that answers is hidden (restore_hides). */
char *restore_query(struct outgoing *outgoing, const char *text, size_t size, uint32_t effects);
/*
 * DISCARD ALL can stand with no other statement: as a Query it goes in the messages of the extended protocol, with the same answers. False: nothing is to be restored, and nothing
 * was sent.
 */
bool restore_discard_all(struct outgoing *outgoing, const char *text, uint32_t effects);
/* The statement was bound to the portal; and (server->restore) a portal is executed: what restores goes behind. Only the last Bind is followed. */
void restore_bound(struct outgoing *outgoing, const struct statement *statement, const char *portal);
void restore_executed(struct outgoing *outgoing, const char *portal);
/* Whether a message of the answer belongs to what was put into a Query. RowDescriptions must be whole. */
bool restore_hides(struct server *server, uint8_t type, const uint8_t *body, size_t size);
#endif
