#ifndef PROXY_WELCOME_H
#define PROXY_WELCOME_H

#include "proxy/pool.h"

/*
 * What a client is told of its server when it has logged in: ParameterStatus, BackendKeyData, ReadyForQuery. The values are the server's own, in its own spelling:
 * settings that a client brings are tried on a server once, and what that server reports is remembered in the pool for all clients that bring the same.
 */
struct welcome;

/* The settings of the client whose effect is not known beforehand, for welcome_new and welcome_is_known. The caller's reference. */
struct session_state *welcome_settings(const struct client *client);
/* What the pool remembers of these. NULL: nothing. */
const struct welcome *welcome_find(const struct pool *pool, const struct session_state *settings);
/* Whether no server needs to be asked for a client with these. */
bool welcome_is_known(const struct pool *pool, const struct session_state *settings);

/* What is to be found out about these settings; takes the caller's reference. */
struct welcome *welcome_new(struct session_state *settings);
void welcome_free(struct welcome **welcome);
/* The settings were made, and this is what a server reports since then: the pool's from here on, which forgets the oldest. Clears the caller's pointer. */
const struct welcome *welcome_learn(struct pool *pool, struct welcome **welcome, const struct parameters *reported);
/* For pools_host.forget_welcomes. */
void welcome_forget_all(struct pool *pool);

/* `welcome` NULL: it has nothing of its own. `pid` of its cancel key, 0: any. The client may be closing afterwards. */
void welcome_tell(struct client *client, const struct welcome *welcome, uint32_t pid);

#endif
