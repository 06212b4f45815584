#include "proxy/mailbox.h"

#include <criterion/criterion.h>
#include <stddef.h>
#include <stdlib.h>

enum { SENDERS = 4, LETTERS = 5000 };

struct message {
    int sender, number;
    struct mailbox_letter letter;
};

static struct ev_loop *loop;
static struct mailbox mailbox;
static ev_timer too_late;
static pthread_t receiver;
static int delivered[SENDERS]; /* how many of each sender */
static void (*delivered_one)(struct message *message);

static void deliver(struct mailbox_letter *letter)
{
    struct message *message = (struct message *)((char *)letter - offsetof(struct message, letter));
    cr_assert(pthread_equal(pthread_self(), receiver));
    cr_assert_eq(message->number, delivered[message->sender], "in the order of posting");
    delivered[message->sender]++;
    if (delivered_one) delivered_one(message);
}

static void fail(struct ev_loop *at_loop, ev_timer *timer, int events)
{
    (void)at_loop, (void)timer, (void)events;
    cr_assert_fail("the letters do not come");
}

static void start(void)
{
    loop = ev_loop_new(EVFLAG_AUTO);
    receiver = pthread_self();
    mailbox_init(&mailbox, loop, deliver);
    /* It keeps the loop waiting, too. */
    ev_timer_init(&too_late, fail, 60., 0.);
    ev_timer_start(loop, &too_late);
}

static void end(void)
{
    mailbox_fini(&mailbox);
    ev_timer_stop(loop, &too_late);
    ev_loop_destroy(loop);
}

TestSuite(mailbox, .init = start, .fini = end);

Test(mailbox, letters_come_in_order_and_once)
{
    struct message messages[10];
    for (int i = 0; i < 10; i++) {
        messages[i] = (struct message){.number = i};
        mailbox_post(&mailbox, &messages[i].letter);
    }
    cr_expect_eq(delivered[0], 0, "not before the loop runs");
    while (delivered[0] < 10) ev_run(loop, EVRUN_ONCE);
    ev_run(loop, EVRUN_NOWAIT);
    cr_expect_eq(delivered[0], 10);
}

static struct message answer = {.number = 1};

static void post_answer(struct message *message)
{
    if (message->number == 0) mailbox_post(&mailbox, &answer.letter);
}

/* The lock is not held then. */
Test(mailbox, a_delivery_may_post)
{
    struct message question = {.number = 0};
    delivered_one = post_answer;
    mailbox_post(&mailbox, &question.letter);
    while (delivered[0] < 2) ev_run(loop, EVRUN_ONCE);
}

static void free_message(struct message *message)
{
    free(message);
}

/* Letters belong to the receiver once posted: each is freed as it comes, while others are being posted. */
static void *send_many(void *argument)
{
    const int *sender = argument;
    for (int i = 0; i < LETTERS; i++) {
        struct message *message = malloc(sizeof *message);
        *message = (struct message){.sender = *sender, .number = i};
        mailbox_post(&mailbox, &message->letter);
    }
    return NULL;
}

static int sum_of_delivered(void)
{
    int sum = 0;
    for (int i = 0; i < SENDERS; i++) sum += delivered[i];
    return sum;
}

Test(mailbox, many_threads_post)
{
    pthread_t threads[SENDERS];
    int numbers[SENDERS];
    delivered_one = free_message;
    for (int i = 0; i < SENDERS; i++) {
        numbers[i] = i;
        cr_assert_eq(pthread_create(&threads[i], NULL, send_many, &numbers[i]), 0);
    }
    while (sum_of_delivered() < SENDERS * LETTERS) ev_run(loop, EVRUN_ONCE);
    for (int i = 0; i < SENDERS; i++) {
        pthread_join(threads[i], NULL);
        cr_expect_eq(delivered[i], LETTERS);
    }
}

/* ---- two loops ---- */

static struct mailbox other_mailbox;

static void send_back(struct mailbox_letter *letter)
{
    mailbox_post(&mailbox, letter);
}

static void send_on(struct message *message)
{
    if (++message->number < LETTERS) mailbox_post(&other_mailbox, &message->letter);
}

static void stop_other_loop(struct ev_loop *at_loop, ev_async *watcher, int events)
{
    (void)watcher, (void)events;
    ev_break(at_loop, EVBREAK_ALL);
}

static void *run_other_loop(void *other_loop)
{
    ev_run(other_loop, 0);
    return NULL;
}

/* One letter at a time, so a lost wake-up would stop it. */
Test(mailbox, back_and_forth)
{
    struct ev_loop *other_loop = ev_loop_new(EVFLAG_AUTO);
    struct message message = {.number = 0};
    ev_async stop;
    pthread_t thread;
    delivered_one = send_on;
    mailbox_init(&other_mailbox, other_loop, send_back);
    ev_async_init(&stop, stop_other_loop);
    ev_async_start(other_loop, &stop);
    cr_assert_eq(pthread_create(&thread, NULL, run_other_loop, other_loop), 0);
    mailbox_post(&other_mailbox, &message.letter);
    while (delivered[0] < LETTERS) ev_run(loop, EVRUN_ONCE);
    ev_async_send(other_loop, &stop);
    pthread_join(thread, NULL);
    mailbox_fini(&other_mailbox);
    ev_async_stop(other_loop, &stop);
    ev_loop_destroy(other_loop);
}

Test(mailbox, does_not_keep_its_loop_alive)
{
    ev_timer_stop(loop, &too_late);
    cr_expect_not(ev_run(loop, 0));
}

Test(mailbox, undelivered_letters_are_dropped)
{
    struct message message = {.number = 0};
    struct mailbox short_lived;
    mailbox_init(&short_lived, loop, deliver);
    mailbox_post(&short_lived, &message.letter);
    mailbox_fini(&short_lived);
    ev_run(loop, EVRUN_NOWAIT);
    cr_expect_eq(delivered[0], 0);
}
