#ifndef PROXY_RENAME_H
#define PROXY_RENAME_H

#include "protocol/frontend.h"
#include "proxy/outgoing.h"
#include "proxy/statement_effects.h"

/*
 * SQL that names statements which were made by a Parse (PREPARE, EXECUTE, DEALLOCATE): servers know them by other names. EXECUTE and PREPARE get the server's name; it
 * must be there, so that PREPARE fails as it should. DEALLOCATE is given an empty statement of ours instead, since what the server has may be others' as well: the
 * client's name is forgotten when the tag has come (deallocations.h).
 */

/* Effects of what rename_bound() wants to see. */
#define RENAME_EFFECTS (EFFECTS_ON_NAMES | EFFECT_DISCARD_ALL)
/* Whether SQL with these effects may name a statement of the protocol's. */
bool rename_is_due(const struct client *client, uint32_t effects);
/*
 * The text of a Query as the server is to get it, after what it needs was put in front: malloc'ed, the caller's. NULL: as it is. What it deallocates is in
 * server->deallocations.
 */
char *rename_query(struct outgoing *outgoing, const char *text, size_t size, uint32_t effects);
/* The statement of a Parse, interned, with the server's names in it. The caller's reference. */
struct statement *rename_parse(struct outgoing *outgoing, const struct frontend_parse_message *parsed, const uint8_t *body, size_t size);
/*
 * A statement that may name others is about to be bound: they are put in front; what it deallocates is in server->deallocations. The statement to bind in its place, which
 * the server has then (the caller's reference); NULL: itself.
 */
struct statement *rename_bound(struct outgoing *outgoing, const struct statement *statement, const char *portal);

#endif
