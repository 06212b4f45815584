#ifndef PROXY_MAILBOX_H
#define PROXY_MAILBOX_H

#include <ev.h>
#include <pthread.h>

/*
 * Letters from other threads to the one thread that runs an ev_loop. Posting never blocks for long and never allocates: the letter is embedded in
 * what is sent, and belongs to the receiver once posted.
 */
struct mailbox_letter {
    struct mailbox_letter *next;
};

struct mailbox {
    struct ev_loop *loop;
    ev_async wake_up;
    pthread_mutex_t mutex;
    struct mailbox_letter *first, **last; /* guarded by mutex */
    void (*deliver)(struct mailbox_letter *letter);
};

/* `deliver` is called on the loop's thread, once a letter, in the order of posting. The watcher does not keep the loop alive. */
void mailbox_init(struct mailbox *mailbox, struct ev_loop *loop, void (*deliver)(struct mailbox_letter *letter));
void mailbox_fini(struct mailbox *mailbox);                                /* letters not delivered yet are dropped */
void mailbox_post(struct mailbox *mailbox, struct mailbox_letter *letter); /* any thread */

#endif
