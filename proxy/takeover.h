#ifndef PROXY_TAKEOVER_H
#define PROXY_TAKEOVER_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "proxy/budget_share.h"
#include "proxy/error.h"
#include "proxy/takeover_channel.h"

/*
 * A restart without a refused connection: a younger process takes over the listening sockets of an older one, which goes on with the clients it
 * has until they leave. The budget is split between the two (budget_share.h), and cancel requests for clients of the older are passed on to it.
 * Until the younger says that it accepts, the older goes on as if nothing were: a younger one that fails harms nobody.
 */

/* What the older handed over. */
struct takeover_gift {
    struct takeover_sockets sockets; /* the receiver's */
    uint32_t uses[TAKEOVER_USES];    /* so many of them for each, in this order */
    bool is_activated;               /* the service manager made them */
    uint32_t pid;
    int channel; /* -1: none */
};
/* Ask the process behind `path`, for some seconds at most. -1 with `error`. */
int takeover_ask(const char *path, struct takeover_gift *gift_out, struct error *error);

struct takeover_host {
    void *context;
    /* In both. */
    void (*measure)(void *context, struct budget_side *side_out);
    void (*set_budget)(void *context, uint32_t budget); /* the most slots of this process, until told otherwise */
    /* In the older. */
    bool (*offer)(void *context, struct takeover_sockets *sockets_out, uint32_t uses_out[TAKEOVER_USES]); /* false: not now */
    void (*handed_over)(void *context, uint32_t to_pid);
    int (*give_state)(void *context); /* when the younger begins, and when this process ends; a descriptor to pass on and close, or -1 */
    void (*cancel)(void *context, uint32_t pid, uint32_t secret);
    void (*stop)(void *context); /* the younger was told to end, and so are we */
    /* In the younger. */
    void (*take_state)(void *context, int fd);                          /* the caller's from now on */
    void (*older_side)(void *context, const struct budget_side *older); /* what the older has now; all 0 and a last time when it is gone */
};

struct takeover;
struct takeover *takeover_new(struct ev_loop *loop, const struct takeover_host *host);
/* Be ready to hand over, once it is published. `is_activated` is passed on. -1 with `error`. */
int takeover_listen(struct takeover *takeover, const char *path, bool is_activated, struct error *error);
/* Whoever asks at that path from now on asks this process. Nothing without takeover_listen. */
void takeover_publish(struct takeover *takeover);
/* The younger accepts: from here on it has a part of `budget`. Takes the gift's channel. */
void takeover_begin(struct takeover *takeover, struct takeover_gift *gift, uint32_t budget, int64_t forget_after_us);
/* After a reload. True: the older is still there, and set_budget was called with our part of `budget`. */
bool takeover_set_budget(struct takeover *takeover, uint32_t budget);
/* Whether this process has handed over its sockets. */
bool takeover_is_over(const struct takeover *takeover);
/* A cancel request that may be for a client of the older. */
void takeover_pass_cancel(struct takeover *takeover, uint32_t pid, uint32_t secret);
/* As the older, which ends: the state once more. False: nobody is there to have it. */
bool takeover_give_state(struct takeover *takeover);
/* We end: so does the older. */
void takeover_stop(struct takeover *takeover);
/* The file of the socket is removed, unless a younger one has put its own there. */
void takeover_free(struct takeover **takeover);

#endif
