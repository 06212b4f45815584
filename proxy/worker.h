#ifndef PROXY_WORKER_H
#define PROXY_WORKER_H

#include "proxy/config.h"
#include "proxy/error.h"

/*
 * A worker: one thread's event loop with its listeners, clients, pools and timers. All state hangs off it.
 */
struct worker;

struct worker_options {
    const int *sockets; /* that the service manager has opened for us: the worker's from worker_new on */
    size_t socket_count;
    bool takes_over; /* from the pgturnstile that runs with this configuration */
    bool is_verbose; /* whatever the configuration says */
};

/* Listens already. NULL with `error`. Takes over the caller's reference to `config`, also on failure. */
struct worker *worker_new(struct config *config, const struct worker_options *options, struct error *error);
/*
 * Says to the service manager, and to the process that is taken over from, that it serves now. Returns when it has been shut down and nobody is
 * left, or the deadline has passed.
 */
void worker_run(struct worker *worker);
/* After worker_run, or instead of it. False: helper threads are still busy, nothing was freed, and the process should simply end. */
bool worker_free(struct worker **worker);

#endif
