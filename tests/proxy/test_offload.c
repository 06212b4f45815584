#include "proxy/offload.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

enum { JOBS = 2000, THREADS = 3 };

static struct ev_loop *loop;
static pthread_t home;
static ev_timer too_late;

static void fail(struct ev_loop *at_loop, ev_timer *timer, int events)
{
    (void)at_loop, (void)timer, (void)events;
    cr_assert_fail("the jobs do not come home");
}

static void start(void)
{
    loop = ev_loop_new(EVFLAG_AUTO);
    home = pthread_self();
    /* It keeps the loop waiting, too. */
    ev_timer_init(&too_late, fail, 60., 0.);
    ev_timer_start(loop, &too_late);
}

static void end(void)
{
    ev_timer_stop(loop, &too_late);
    ev_loop_destroy(loop);
}

TestSuite(offload, .init = start, .fini = end);

/* What a job does; `job` is the first member, so that one pointer is the other. */
struct work {
    struct offload_job job;
    int number;
    int runs, dones;
    struct offload *offload; /* to submit another one to */
};

static atomic_int running, most_running, begun;
static int done_count;

static struct work *work_of(struct offload_job *job)
{
    return (struct work *)(void *)job;
}

static void run(struct offload_job *job)
{
    cr_assert_not(pthread_equal(pthread_self(), home));
    int now = atomic_fetch_add(&running, 1) + 1;
    for (int most = atomic_load(&most_running); now > most && !atomic_compare_exchange_weak(&most_running, &most, now);) continue;
    atomic_fetch_add(&begun, 1);
    work_of(job)->runs++;
    atomic_fetch_sub(&running, 1);
}

static void count_done(struct offload_job *job)
{
    cr_assert(pthread_equal(pthread_self(), home));
    cr_assert_eq(work_of(job)->runs, 1);
    work_of(job)->dones++;
    done_count++;
}

static void submit(struct offload *offload, struct work *work, void (*run_one)(struct offload_job *), void (*done)(struct offload_job *))
{
    work->job.run = run_one;
    work->job.done = done;
    offload_submit(offload, &work->job);
}

static void wait_for(int count)
{
    while (done_count < count) ev_run(loop, EVRUN_ONCE);
}

static void run_in_order(struct offload_job *job)
{
    cr_assert_eq(atomic_load(&begun), work_of(job)->number);
    run(job);
}

static void come_home_in_order(struct offload_job *job)
{
    cr_assert_eq(done_count, work_of(job)->number);
    count_done(job);
}

Test(offload, one_thread_keeps_the_order)
{
    static struct work works[JOBS];
    struct offload *offload = offload_new(loop, 1);
    for (int i = 0; i < JOBS; i++) {
        works[i].number = i;
        submit(offload, &works[i], run_in_order, come_home_in_order);
    }
    cr_expect_eq(offload_pending(offload), JOBS);
    cr_expect_eq(done_count, 0, "not before the loop runs");
    wait_for(JOBS);
    cr_expect_eq(offload_pending(offload), 0);
    cr_expect_eq(atomic_load(&most_running), 1);
    offload_free(&offload);
    cr_expect_null(offload);
}

Test(offload, many_jobs_over_few_threads)
{
    static struct work works[JOBS];
    struct offload *offload = offload_new(loop, THREADS);
    for (int i = 0; i < JOBS; i++) {
        submit(offload, &works[i], run, count_done);
        if (i % 7 == 0) ev_run(loop, EVRUN_NOWAIT);
    }
    wait_for(JOBS);
    for (int i = 0; i < JOBS; i++) cr_assert(works[i].runs == 1 && works[i].dones == 1);
    cr_expect_eq(offload_pending(offload), 0);
    cr_expect_leq(atomic_load(&most_running), THREADS);
    offload_free(&offload);
}

/* ---- jobs that wait for each other ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int present; /* guarded by mutex, as is is_open */
static bool is_open;

/* Only together do they go on. */
static void meet_others(struct offload_job *job)
{
    pthread_mutex_lock(&mutex);
    present++;
    pthread_cond_broadcast(&changed);
    while (present < THREADS) pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
    run(job);
}

Test(offload, all_threads_work_at_once)
{
    struct work works[THREADS] = {0};
    struct offload *offload = offload_new(loop, THREADS);
    for (int i = 0; i < THREADS; i++) submit(offload, &works[i], meet_others, count_done);
    wait_for(THREADS);
    /* Again, with threads that exist already. */
    present = 0;
    for (int i = 0; i < THREADS; i++) works[i].runs = 0;
    for (int i = 0; i < THREADS; i++) submit(offload, &works[i], meet_others, count_done);
    wait_for(2 * THREADS);
    offload_free(&offload);
}

static void wait_until_open(struct offload_job *job)
{
    pthread_mutex_lock(&mutex);
    present++;
    pthread_cond_broadcast(&changed);
    while (!is_open) pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
    run(job);
}

static void wait_until_present(int count)
{
    pthread_mutex_lock(&mutex);
    while (present < count) pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
}

static void open_gate(void)
{
    pthread_mutex_lock(&mutex);
    is_open = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
}

Test(offload, no_more_run_than_there_are_threads)
{
    struct work works[THREADS + 2] = {0};
    struct offload *offload = offload_new(loop, THREADS);
    for (int i = 0; i < THREADS + 2; i++) submit(offload, &works[i], wait_until_open, count_done);
    wait_until_present(THREADS);
    ev_run(loop, EVRUN_NOWAIT);
    cr_expect_eq(done_count, 0);
    cr_expect_eq(offload_pending(offload), THREADS + 2);
    pthread_mutex_lock(&mutex);
    cr_expect_eq(present, THREADS);
    pthread_mutex_unlock(&mutex);
    open_gate();
    wait_for(THREADS + 2);
    offload_free(&offload);
}

static void *open_gate_from_outside(void *argument)
{
    (void)argument;
    open_gate();
    return NULL;
}

/* The one at work ends its run; those that have not begun are forgotten, and nobody is told. */
Test(offload, free_waits_for_the_job_at_hand)
{
    struct work works[4] = {0};
    struct offload *offload = offload_new(loop, 1);
    pthread_t thread;
    for (int i = 0; i < 4; i++) submit(offload, &works[i], wait_until_open, count_done);
    wait_until_present(1);
    cr_assert_eq(pthread_create(&thread, NULL, open_gate_from_outside, NULL), 0);
    offload_free(&offload);
    cr_expect_null(offload);
    pthread_join(thread, NULL);
    cr_expect_eq(atomic_load(&running), 0);
    cr_expect_geq(atomic_load(&begun), 1);
    cr_expect_eq(works[0].runs, 1);
    ev_run(loop, EVRUN_NOWAIT);
    cr_expect_eq(done_count, 0);
}

Test(offload, free_without_jobs)
{
    struct offload *offload = offload_new(loop, THREADS);
    cr_expect_eq(offload_pending(offload), 0);
    offload_free(&offload);
    offload_free(&offload);
}

/* ---- what done may do ---- */

static void submit_another(struct offload_job *job)
{
    struct work *work = work_of(job);
    cr_assert_eq(work->runs, 1);
    if (++done_count == JOBS) return;
    work->runs = 0;
    offload_submit(work->offload, job);
}

Test(offload, done_may_submit_the_same_job)
{
    struct offload *offload = offload_new(loop, THREADS);
    struct work work = {.offload = offload};
    submit(offload, &work, run, submit_another);
    wait_for(JOBS);
    cr_expect_eq(offload_pending(offload), 0);
    offload_free(&offload);
}

static void free_work(struct offload_job *job)
{
    done_count++;
    free(work_of(job));
}

Test(offload, done_may_free_the_job)
{
    struct offload *offload = offload_new(loop, THREADS);
    for (int i = 0; i < JOBS; i++) submit(offload, calloc(1, sizeof(struct work)), run, free_work);
    wait_for(JOBS);
    offload_free(&offload);
}

/* ---- signals ---- */

static sigset_t blocked;

static void read_signal_mask(struct offload_job *job)
{
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    run(job);
}

Test(offload, signals_are_left_to_the_thread_at_home)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGUSR1};
    struct work work = {0};
    sigset_t mine;
    struct offload *offload = offload_new(loop, 1);
    submit(offload, &work, read_signal_mask, count_done);
    wait_for(1);
    pthread_sigmask(SIG_SETMASK, NULL, &mine);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        cr_expect(sigismember(&blocked, signals[i]));
        cr_expect_not(sigismember(&mine, signals[i]));
    }
    offload_free(&offload);
}
