#ifndef PROXY_RESTART_H
#define PROXY_RESTART_H

#include "proxy/ending.h"
#include "proxy/takeover.h"

/*
 * A worker's part in a restart: what the two processes ask of each other (takeover.h), done to its budget, its doors and its clients.
 */
struct restart {
    struct pools *pools;
    struct entrance *entrance;
    struct ending *ending;
    struct takeover *takeover;
    char *path;                      /* of the socket for the younger: restart_socket, or what stands beside the pidfile; NULL: none */
    uint32_t budget_limit;           /* what a restart leaves us of the budget; UINT32_MAX: all */
    struct report_file *report_file; /* NULL: none, or the worker does not run */
    bool has_ended;                  /* the worker has run */
};

void restart_init(struct restart *restart, struct pools *pools, struct entrance *entrance, struct ending *ending);
/* Ask the older process for its sockets; `gift` is replaced. -1 with `error`. */
int restart_ask(const struct restart *restart, struct takeover_gift *gift, struct error *error);
/* Be ready for a younger one, once restart_begin is called. -1 with `error`. */
int restart_listen(struct restart *restart, bool is_activated, struct error *error);
/* The worker runs: from now on a younger one may ask, and the older one, if there is any (`gift`, whose channel is taken), knows that it is over. */
void restart_begin(struct restart *restart, struct takeover_gift *gift);
/* The worker has run: what is left to be said to the other process. */
void restart_end(struct restart *restart);
/* A reload may have changed the budget. */
void restart_set_budget(struct restart *restart);
void restart_fini(struct restart *restart);

#endif
