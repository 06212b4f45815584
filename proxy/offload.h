#ifndef PROXY_OFFLOAD_H
#define PROXY_OFFLOAD_H

#include "proxy/mailbox.h"

/*
 * A few helper threads for what blocks: server logins, cancels, password derivation. A job's `run` is called on one of them, its `done` afterwards
 * on the loop's thread. Jobs start in the order of submission; at most `threads` run at once; threads are made when first needed.
 */
struct offload_job {
    struct mailbox_letter letter; /* private */
    struct offload_job *next;     /* private */
    void (*run)(struct offload_job *job);
    void (*done)(struct offload_job *job); /* may free the job */
};

struct offload;
struct offload *offload_new(struct ev_loop *loop, unsigned threads);
/*
 * Waits until the threads have ended, which they do after the job they are at. Jobs that have not begun are forgotten, as are the `done` calls that are
 * still to come: for the end of the process only.
 */
void offload_free(struct offload **offload);
/* The job belongs to the offload until `done`. */
void offload_submit(struct offload *offload, struct offload_job *job);
/* Jobs submitted whose `done` was not called yet. */
unsigned offload_pending(const struct offload *offload);

#endif
