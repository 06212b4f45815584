#ifndef PROXY_WORKER_H
#define PROXY_WORKER_H

#include "proxy/config.h"

/*
 * A worker: one thread's event loop with its listeners, clients, pools and timers. All state hangs off it.
 */
struct worker;

/* Listens already. NULL with `error`. Takes over the caller's reference to `config`, also on failure. */
struct worker *worker_new(struct config *config, struct error *error);
/* Returns when it has been shut down and nobody is left, or the deadline has passed. */
void worker_run(struct worker *worker);
/* After worker_run. False: helper threads are still busy, nothing was freed, and the process should simply end. */
bool worker_free(struct worker **worker);

#endif
