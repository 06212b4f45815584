/*
 * Mailbox: a linked queue under a mutex, and an ev_async that wakes the receiver. The whole queue is taken in one go, so delivery runs
 * without the lock.
 */
#include "proxy/mailbox.h"

static void collect(struct ev_loop *loop, ev_async *watcher, int events)
{
    (void)loop, (void)events;
    struct mailbox *mailbox = watcher->data;
    pthread_mutex_lock(&mailbox->mutex);
    struct mailbox_letter *letter = mailbox->first;
    mailbox->first = NULL;
    mailbox->last = &mailbox->first;
    pthread_mutex_unlock(&mailbox->mutex);
    while (letter) {
        struct mailbox_letter *next = letter->next;
        mailbox->deliver(letter);
        letter = next;
    }
}

void mailbox_init(struct mailbox *mailbox, struct ev_loop *loop, void (*deliver)(struct mailbox_letter *letter))
{
    mailbox->loop = loop;
    mailbox->deliver = deliver;
    mailbox->first = NULL;
    mailbox->last = &mailbox->first;
    pthread_mutex_init(&mailbox->mutex, NULL);
    ev_async_init(&mailbox->wake_up, collect);
    mailbox->wake_up.data = mailbox;
    ev_async_start(loop, &mailbox->wake_up);
    ev_unref(loop);
}

void mailbox_fini(struct mailbox *mailbox)
{
    ev_ref(mailbox->loop);
    ev_async_stop(mailbox->loop, &mailbox->wake_up);
    pthread_mutex_destroy(&mailbox->mutex);
}

void mailbox_post(struct mailbox *mailbox, struct mailbox_letter *letter)
{
    letter->next = NULL;
    pthread_mutex_lock(&mailbox->mutex);
    *mailbox->last = letter;
    mailbox->last = &letter->next;
    pthread_mutex_unlock(&mailbox->mutex);
    ev_async_send(mailbox->loop, &mailbox->wake_up);
}
