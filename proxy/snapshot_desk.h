#ifndef PROXY_SNAPSHOT_DESK_H
#define PROXY_SNAPSHOT_DESK_H

#include "proxy/mailbox.h"
#include "proxy/snapshot.h"

/*
 * Where another thread asks the worker for a snapshot: it posts a letter and waits; the worker takes the snapshot in its own time. One asks at once, and
 * a worker that does not answer in time is not asked twice: its late answer is the next one's, or nobody's.
 */
struct snapshot_desk {
    struct mailbox mailbox;
    struct mailbox_letter letter; /* in the mailbox while is_asked */
    struct snapshot *(*take)(void *context);
    void *context;
    pthread_mutex_t mutex; /* of the rest */
    pthread_cond_t changed;
    struct snapshot *answer;
    bool is_asked, is_closed;
};

/* `take` is called on the loop's thread. */
void snapshot_desk_init(struct snapshot_desk *desk, struct ev_loop *loop, struct snapshot *(*take)(void *context), void *context);
/* The caller's, to be freed. NULL: no answer within `timeout_us`, or the desk is closed. Any one thread but the loop's. */
struct snapshot *snapshot_desk_ask(struct snapshot_desk *desk, int64_t timeout_us);
/* Whoever waits gets NULL at once, and whoever asks from now on. */
void snapshot_desk_close(struct snapshot_desk *desk);
void snapshot_desk_fini(struct snapshot_desk *desk); /* closed, and nobody is asking */

#endif
