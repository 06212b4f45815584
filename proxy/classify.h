#ifndef PROXY_CLASSIFY_H
#define PROXY_CLASSIFY_H

#include "proxy/pool.h"

/*
 * Which class a client is in (classes.h), and what it is to the turnstile there (client->key). By its connection and application_name when it comes and
 * whenever these may have changed; by the tags of a lease's first statement, where the configuration has rules about tags.
 */

/* It has joined a pool, or another configuration is in force. Puts it into a class by what is known without tags. */
void classify_client(struct client *client);
/*
 * It is about to ask for a lease. `message` is the first one of that; `available` bytes of it are here. A Bind has the tags of its statement as it was first
 * seen.
 */
void classify_lease(struct client *client, const uint8_t *message, size_t available);
/* It leaves its pool: it is in no class any more. Harmless twice. */
void classify_forget(struct client *client);
/* The classes of a configuration, for the turnstile. */
void classify_configure(struct commons *commons);

#endif
