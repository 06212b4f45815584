#ifndef TESTS_E2E_SUPPORT_TURNS_H
#define TESTS_E2E_SUPPORT_TURNS_H

#include "tests/e2e/support/proxy.h"
#include "tests/e2e/support/wire.h"

#include <stdbool.h>

/*
 * Which server a client's next transaction runs on is chosen here, not left to chance: as many holders as there are servers keep them
 * all in a transaction, and the one whose turn it is lets go.
 *
 *     struct turns *turns = turns_start(port, "app", 2);
 *     turns_give(turns, 1);
 *     wire_query(client, ...);          the transaction runs on turns->pids[1]
 *     turns_take(turns);                all are held again
 *
 * With PGTURNSTILE_E2E_REFERENCE set there is no proxy: clients talk to PostgreSQL itself, whose answers are what the tests expect of
 * the proxy. Each client has its own server then, and none is held.
 */
enum { TURNS_MAX = 4 };

struct turns {
    int count;
    struct wire *holders[TURNS_MAX];
    char pids[TURNS_MAX][16]; /* the servers, in the order of their holders; "" without a proxy */
    int given;                /* -1: none */
};

bool turns_is_reference(void);
/* proxy_start, or NULL in the reference run. */
struct proxy *turns_proxy(const char *settings);
/* Where clients connect to: the proxy, or PostgreSQL when that is NULL. */
int turns_port(const struct proxy *proxy);

/* Hold `count` servers of (user, database app). Waits until each is free. */
struct turns *turns_start(int port, const char *user, int count);
/* Let go of server `i`; what else was given is taken back first. */
void turns_give(struct turns *turns, int i);
/* Hold the one that was given again. */
void turns_take(struct turns *turns);
/* The number of the server with this process id; the test fails when there is none. Always 0 in the reference run. */
int turns_find(const struct turns *turns, const char *pid);
/* Let go of all and free. NULL is fine. */
void turns_end(struct turns **turns);

/* What tests start from: a proxy with a budget of `count` servers, all held, and these settings more. */
void turns_open(const char *settings, int count, struct proxy **proxy_out, int *port_out, struct turns **turns_out);
/* And what they end with: no server may be left busy. `turns` NULL: nobody held any. */
void turns_close(struct turns **turns, struct proxy **proxy);

#endif
