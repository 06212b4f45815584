#ifndef PROXY_POOL_LOGIN_H
#define PROXY_POOL_LOGIN_H

#include "proxy/pool.h"

/*
 * Servers of a pool come about: as the configuration says, on a helper thread. A login that failed is remembered in the pool until one works, and each that fails
 * puts the next one off for longer, up to server_login_retry.
 */

/* The turnstile's order OPEN: it is counted as opening already. */
void pool_login_start(struct pool *pool);
/* A login failed, it was a refusal, it is not time to try again yet, and no server of the pool works. */
bool pool_login_is_refused(const struct pool *pool);

#endif
