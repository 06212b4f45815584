#include "proxy/snapshot_desk.h"

#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "proxy/memory.h"

static struct ev_loop *loop;
static struct snapshot_desk desk;
static int taken;

/* Snapshots that are told apart by their budget. */
static struct snapshot *take(void *context)
{
    cr_assert_eq(context, &desk);
    struct snapshot *snapshot = memory_zalloc(sizeof *snapshot);
    snapshot->budget = (uint32_t)++taken;
    return snapshot;
}

static void start(void)
{
    alarm(60);
    loop = ev_loop_new(0);
    snapshot_desk_init(&desk, loop, take, &desk);
}

static void end(void)
{
    snapshot_desk_close(&desk);
    snapshot_desk_fini(&desk);
    ev_loop_destroy(loop);
}

TestSuite(snapshot_desk, .init = start, .fini = end);

struct asker {
    pthread_t thread;
    int times;
    int64_t timeout_us;
    uint32_t last;
    int none;
    atomic_bool is_done;
};

static void *ask(void *argument)
{
    struct asker *asker = argument;
    for (int i = 0; i < asker->times; i++) {
        struct snapshot *snapshot = snapshot_desk_ask(&desk, asker->timeout_us);
        if (snapshot)
            asker->last = snapshot->budget;
        else
            asker->none++;
        snapshot_free(&snapshot);
    }
    asker->is_done = true;
    return NULL;
}

static void start_asker(struct asker *asker)
{
    cr_assert_eq(pthread_create(&asker->thread, NULL, ask, asker), 0);
}

Test(snapshot_desk, each_asks_and_is_answered)
{
    struct asker asker = {.times = 300, .timeout_us = 60000000};
    start_asker(&asker);
    while (!asker.is_done) ev_run(loop, EVRUN_NOWAIT);
    pthread_join(asker.thread, NULL);
    cr_expect_eq(asker.none, 0);
    cr_expect_eq(asker.last, 300);
    cr_expect_eq(taken, 300);
}

Test(snapshot_desk, a_worker_that_does_not_answer_is_asked_once)
{
    struct asker late = {.times = 3, .timeout_us = 1000}, next = {.times = 1, .timeout_us = 60000000};
    start_asker(&late);
    pthread_join(late.thread, NULL);
    cr_expect_eq(late.none, 3);
    ev_run(loop, EVRUN_NOWAIT);
    cr_expect_eq(taken, 1, "%d", taken);
    start_asker(&next);
    while (!next.is_done) ev_run(loop, EVRUN_NOWAIT);
    pthread_join(next.thread, NULL);
    cr_expect_eq(next.last, 2, "the answer that came too late is not shown to the next");
}

Test(snapshot_desk, closing_ends_the_wait)
{
    struct asker asker = {.times = 2, .timeout_us = 60000000};
    start_asker(&asker);
    snapshot_desk_close(&desk);
    pthread_join(asker.thread, NULL);
    cr_expect_eq(asker.none, 2);
    cr_expect_eq(taken, 0);
}
