/*
 * Snapshots from the worker's thread to another. Invariant: the lock is held while a few words are changed, never while a snapshot is taken or a
 * letter posted.
 */
#include "proxy/snapshot_desk.h"

#include <stddef.h>
#include <time.h>

static void deliver(struct mailbox_letter *letter)
{
    struct snapshot_desk *desk = (struct snapshot_desk *)((char *)letter - offsetof(struct snapshot_desk, letter));
    struct snapshot *fresh = desk->take(desk->context);
    pthread_mutex_lock(&desk->mutex);
    struct snapshot *old = desk->answer;
    desk->answer = fresh;
    desk->is_asked = false;
    pthread_cond_signal(&desk->changed);
    pthread_mutex_unlock(&desk->mutex);
    snapshot_free(&old);
}

void snapshot_desk_init(struct snapshot_desk *desk, struct ev_loop *loop, struct snapshot *(*take)(void *context), void *context)
{
    *desk = (struct snapshot_desk){.take = take, .context = context};
    mailbox_init(&desk->mailbox, loop, deliver);
    pthread_mutex_init(&desk->mutex, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&desk->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

static struct timespec time_in(int64_t us)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    int64_t ns = time.tv_nsec + us % 1000000 * 1000;
    time.tv_sec += (time_t)(us / 1000000 + ns / 1000000000);
    time.tv_nsec = (long)(ns % 1000000000);
    return time;
}

struct snapshot *snapshot_desk_ask(struct snapshot_desk *desk, int64_t timeout_us)
{
    struct timespec until = time_in(timeout_us);
    pthread_mutex_lock(&desk->mutex);
    struct snapshot *stale = desk->answer;
    bool is_due = !desk->is_asked && !desk->is_closed;
    desk->answer = NULL;
    if (is_due) desk->is_asked = true;
    pthread_mutex_unlock(&desk->mutex);
    snapshot_free(&stale);
    if (is_due) mailbox_post(&desk->mailbox, &desk->letter);

    pthread_mutex_lock(&desk->mutex);
    while (!desk->answer && !desk->is_closed && pthread_cond_timedwait(&desk->changed, &desk->mutex, &until) == 0) continue;
    struct snapshot *answer = desk->answer;
    desk->answer = NULL;
    pthread_mutex_unlock(&desk->mutex);
    return answer;
}

void snapshot_desk_close(struct snapshot_desk *desk)
{
    pthread_mutex_lock(&desk->mutex);
    desk->is_closed = true;
    pthread_cond_signal(&desk->changed);
    pthread_mutex_unlock(&desk->mutex);
}

void snapshot_desk_fini(struct snapshot_desk *desk)
{
    mailbox_fini(&desk->mailbox);
    snapshot_free(&desk->answer);
    pthread_cond_destroy(&desk->changed);
    pthread_mutex_destroy(&desk->mutex);
}
