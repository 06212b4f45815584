/*
 * Offload: a job queue under a mutex, threads that take from it, a mailbox that brings finished jobs home. It knows nothing of what jobs do.
 * Signals are left to the main thread.
 */
#include "proxy/offload.h"

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/log.h"
#include "proxy/memory.h"

struct offload {
    struct mailbox finished;
    pthread_mutex_t mutex;
    pthread_cond_t has_work;
    struct offload_job *first, **last; /* guarded by mutex, as are the next three */
    unsigned idle;
    bool is_ending;
    unsigned queued;
    unsigned pending; /* the loop's thread only */
    unsigned started, threads;
    pthread_t thread[];
};

/* A job on its way home carries its offload in `next`'s place. */
static struct offload_job *job_of_letter(struct mailbox_letter *letter)
{
    return (struct offload_job *)((char *)letter - offsetof(struct offload_job, letter));
}

static struct offload *offload_of_letter(struct mailbox_letter *letter)
{
    return (struct offload *)(void *)job_of_letter(letter)->next;
}

static void deliver(struct mailbox_letter *letter)
{
    struct offload *offload = offload_of_letter(letter);
    struct offload_job *job = job_of_letter(letter);
    offload->pending--;
    job->done(job);
}

static struct offload_job *take(struct offload *offload)
{
    pthread_mutex_lock(&offload->mutex);
    offload->idle++;
    while (!offload->first && !offload->is_ending) pthread_cond_wait(&offload->has_work, &offload->mutex);
    offload->idle--;
    struct offload_job *job = offload->is_ending ? NULL : offload->first;
    if (job) {
        offload->queued--;
        offload->first = job->next;
        if (!offload->first) offload->last = &offload->first;
    }
    pthread_mutex_unlock(&offload->mutex);
    return job;
}

static void *work(void *argument)
{
    struct offload *offload = argument;
    for (struct offload_job *job; (job = take(offload));) {
        job->run(job);
        job->next = (struct offload_job *)(void *)offload;
        mailbox_post(&offload->finished, &job->letter);
    }
    return NULL;
}

static void start_thread(struct offload *offload)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&offload->thread[offload->started], NULL, work, offload);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!failed) {
        offload->started++;
        return;
    }
    struct log_line line;
    log_begin(&line, LOG_LEVEL_ERROR, "thread_failed");
    log_text(&line, "error", strerror(failed));
    log_end(&line);
    if (offload->started == 0) abort(); /* nothing would ever be answered */
}

struct offload *offload_new(struct ev_loop *loop, unsigned threads)
{
    struct offload *offload = memory_zalloc(sizeof *offload + threads * sizeof offload->thread[0]);
    offload->threads = threads;
    offload->last = &offload->first;
    pthread_mutex_init(&offload->mutex, NULL);
    pthread_cond_init(&offload->has_work, NULL);
    mailbox_init(&offload->finished, loop, deliver);
    return offload;
}

void offload_free(struct offload **offload_pointer)
{
    struct offload *offload = *offload_pointer;
    if (!offload) return;
    *offload_pointer = NULL;
    pthread_mutex_lock(&offload->mutex);
    offload->is_ending = true;
    pthread_cond_broadcast(&offload->has_work);
    pthread_mutex_unlock(&offload->mutex);
    for (unsigned i = 0; i < offload->started; i++) pthread_join(offload->thread[i], NULL);
    mailbox_fini(&offload->finished);
    pthread_cond_destroy(&offload->has_work);
    pthread_mutex_destroy(&offload->mutex);
    free(offload);
}

void offload_submit(struct offload *offload, struct offload_job *job)
{
    job->next = NULL;
    offload->pending++;
    pthread_mutex_lock(&offload->mutex);
    *offload->last = job;
    offload->last = &job->next;
    bool needs_thread = ++offload->queued > offload->idle;
    pthread_cond_signal(&offload->has_work);
    pthread_mutex_unlock(&offload->mutex);
    if (needs_thread && offload->started < offload->threads) start_thread(offload);
}

unsigned offload_pending(const struct offload *offload)
{
    return offload->pending;
}
