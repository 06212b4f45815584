/*
 * The turnstile by example: one situation a test, on a fake clock. The random simulation is test_turnstile_properties.c.
 */
#include "proxy/turnstile.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { POOLS = 8, WAITERS = 64, LEASES = 128 };

static struct turnstile *turnstile;
static struct turnstile_pool pools[POOLS];
static struct turnstile_waiter waiters[WAITERS];
static struct turnstile_lease leases[POOLS][LEASES]; /* of each pool, as many as are leased */
static struct turnstile_key *key;
static int64_t now_us;

static void start(uint32_t budget, uint32_t logins_max, int pool_count)
{
    turnstile = turnstile_new(budget, logins_max);
    key = turnstile_key_get(turnstile, 0, "", 0);
    for (int i = 0; i < pool_count; i++) turnstile_add_pool(turnstile, &pools[i]);
    now_us = 1000000;
}

static void expect_nothing(void)
{
    struct turnstile_order order;
    cr_expect_not(turnstile_next(turnstile, now_us, &order));
}

static void expect(enum turnstile_order_kind kind, int pool, int waiter)
{
    struct turnstile_order order = {0};
    cr_assert(turnstile_next(turnstile, now_us, &order), "an order was expected");
    cr_expect_eq(order.kind, kind, "order %d instead of %d", order.kind, kind);
    cr_expect_eq(order.pool - pools, pool);
    if (kind != TURNSTILE_GRANT) return;
    cr_expect_eq(order.waiter - waiters, waiter);
    turnstile_accept(turnstile, &order, &leases[pool][pools[pool].leased - 1], now_us);
}

static bool try(int pool)
{
    return turnstile_try(turnstile, &pools[pool], key, now_us, &leases[pool][pools[pool].leased]);
}

static void queue_up(int pool, int waiter)
{
    cr_assert(turnstile_wait(turnstile, &pools[pool], key, &waiters[waiter], now_us++));
}

static void want(int pool, int waiter)
{
    cr_expect_not(try(pool));
    queue_up(pool, waiter);
}

/* `count` servers of the pool, all leased. */
static void lease(int pool, int count)
{
    for (int i = 0; i < count; i++) {
        want(pool, WAITERS - 1);
        expect(TURNSTILE_OPEN, pool, 0);
        turnstile_opened(turnstile, &pools[pool]);
        expect(TURNSTILE_GRANT, pool, WAITERS - 1);
    }
    expect_nothing();
}

static void release(int pool)
{
    if (pools[pool].idle == 0) pools[pool].idle_since_us = now_us;
    turnstile_release(turnstile, &pools[pool], &leases[pool][pools[pool].leased - 1], now_us);
}

Test(turnstile, serves_one_client)
{
    start(1, 1, 1);
    want(0, 0);
    cr_expect_eq(turnstile_waiting(turnstile), 1);
    expect(TURNSTILE_OPEN, 0, 0);
    expect_nothing();
    cr_expect_eq(turnstile_slots(turnstile), 1);
    turnstile_opened(turnstile, &pools[0]);
    expect(TURNSTILE_GRANT, 0, 0);
    cr_expect_null(waiters[0].pool);
    expect_nothing();
    release(0);
    cr_expect(try(0));
    cr_expect_not(try(0));
    turnstile_close_leased(turnstile, &pools[0], &leases[0][pools[0].leased - 1], now_us);
    cr_expect_eq(turnstile_slots(turnstile), 1);
    turnstile_closed(turnstile, &pools[0]);
    cr_expect_eq(turnstile_slots(turnstile), 0);
    turnstile_remove_pool(turnstile, &pools[0]);
    turnstile_key_put(turnstile, &key);
    cr_expect_null(key);
    turnstile_free(&turnstile);
    cr_expect_null(turnstile);
}

Test(turnstile, first_come_first_served_and_nobody_overtakes)
{
    start(1, 1, 1);
    lease(0, 1);
    for (int i = 0; i < 4; i++) want(0, i);
    cr_expect_eq(turnstile_position(&waiters[0]), 1);
    cr_expect_eq(turnstile_position(&waiters[3]), 4);
    turnstile_leave(turnstile, &waiters[1]);
    turnstile_leave(turnstile, &waiters[1]);
    cr_expect_eq(turnstile_position(&waiters[3]), 3);
    release(0);
    cr_expect_not(try(0), "a newcomer must not overtake");
    expect(TURNSTILE_GRANT, 0, 0);
    expect_nothing();
    release(0);
    expect(TURNSTILE_GRANT, 0, 2);
    release(0);
    expect(TURNSTILE_GRANT, 0, 3);
    release(0);
    expect_nothing();
}

/* As the console lists a long queue: in any order, and within the time. Counting each one anew would take 2e10 steps. */
Test(turnstile, positions_of_a_long_queue, .timeout = 60)
{
    enum { LONG = 200000, APART = 7919 };
    struct turnstile_waiter *queue = calloc(LONG, sizeof *queue);
    start(1, 1, 1);
    for (int i = 0; i < LONG; i++) cr_assert(turnstile_wait(turnstile, &pools[0], key, &queue[i], now_us));
    for (uint32_t i = 0, at = APART; i < LONG; i++, at = (at + APART) % LONG)
        cr_assert_eq(turnstile_position(&queue[at]), at + 1, "%u instead of %u", turnstile_position(&queue[at]), at + 1);
    turnstile_leave(turnstile, &queue[0]);
    turnstile_leave(turnstile, &queue[LONG / 2]);
    for (uint32_t i = LONG - 1; i > 0; i--)
        if (i != LONG / 2) cr_assert_eq(turnstile_position(&queue[i]), i - (i > LONG / 2));
    for (int i = 0; i < LONG; i++) turnstile_leave(turnstile, &queue[i]);
    free(queue);
}

Test(turnstile, opens_no_more_than_needed_or_allowed)
{
    start(10, 3, 1);
    lease(0, 1);
    for (int i = 0; i < 5; i++) want(0, i);
    expect(TURNSTILE_OPEN, 0, 0);
    expect(TURNSTILE_OPEN, 0, 0);
    expect(TURNSTILE_OPEN, 0, 0);
    expect_nothing(); /* logins_max */
    turnstile_opened(turnstile, &pools[0]);
    expect(TURNSTILE_GRANT, 0, 0);
    expect(TURNSTILE_OPEN, 0, 0);
    pools[0].limit = 5;
    turnstile_opened(turnstile, &pools[0]);
    expect(TURNSTILE_GRANT, 0, 1);
    expect_nothing(); /* limit */
    release(0);
    expect(TURNSTILE_GRANT, 0, 2);
    expect_nothing();
}

Test(turnstile, a_surplus_server_stays_idle)
{
    start(10, 3, 1);
    want(0, 0);
    expect(TURNSTILE_OPEN, 0, 0);
    turnstile_leave(turnstile, &waiters[0]);
    turnstile_opened(turnstile, &pools[0]);
    expect_nothing();
    cr_expect_eq(pools[0].idle, 1);
    cr_expect(try(0));
}

Test(turnstile, one_login_at_a_time_until_one_worked)
{
    start(10, 8, 1);
    for (int i = 0; i < 4; i++) want(0, i);
    expect(TURNSTILE_OPEN, 0, 0);
    expect_nothing();
    turnstile_opened(turnstile, &pools[0]);
    expect(TURNSTILE_GRANT, 0, 0);
    for (int i = 0; i < 3; i++) expect(TURNSTILE_OPEN, 0, 0);
    expect_nothing();
}

Test(turnstile, a_failed_login_is_tried_again_in_time)
{
    start(10, 8, 2);
    want(0, 0);
    expect(TURNSTILE_OPEN, 0, 0);
    turnstile_open_failed(turnstile, &pools[0], now_us + 500);
    expect_nothing();
    turnstile_closed(turnstile, &pools[0]);
    expect_nothing();
    cr_expect_eq(turnstile_next_time(turnstile, now_us), pools[0].retry_at_us);
    want(1, 1); /* others are not harmed */
    expect(TURNSTILE_OPEN, 1, 0);
    now_us = pools[0].retry_at_us;
    cr_expect_eq(turnstile_next_time(turnstile, now_us), INT64_MAX);
    expect(TURNSTILE_OPEN, 0, 0);
    turnstile_opened(turnstile, &pools[0]);
    expect(TURNSTILE_GRANT, 0, 0);
    cr_expect_eq(pools[0].retry_at_us, 0);
}

Test(turnstile, a_failing_pool_with_servers_probes_with_one_login)
{
    start(10, 8, 1);
    lease(0, 2);
    for (int i = 0; i < 4; i++) want(0, i);
    for (int i = 0; i < 4; i++) expect(TURNSTILE_OPEN, 0, 0);
    for (int i = 0; i < 4; i++) turnstile_open_failed(turnstile, &pools[0], now_us + 500);
    for (int i = 0; i < 4; i++) turnstile_closed(turnstile, &pools[0]);
    expect_nothing();
    release(0); /* the others go on serving */
    expect(TURNSTILE_GRANT, 0, 0);
    now_us += 1000;
    expect(TURNSTILE_OPEN, 0, 0);
    expect_nothing();
}

Test(turnstile, nothing_is_lost_when_a_leased_server_dies)
{
    start(1, 1, 1);
    lease(0, 1);
    want(0, 0);
    turnstile_close_leased(turnstile, &pools[0], &leases[0][pools[0].leased - 1], now_us);
    expect_nothing(); /* its slot is not free yet */
    turnstile_closed(turnstile, &pools[0]);
    expect(TURNSTILE_OPEN, 0, 0);
}

Test(turnstile, a_slot_moves_from_the_longest_idle)
{
    start(3, 3, 4);
    for (int i = 0; i < 3; i++) lease(i, 1);
    now_us = 5000000;
    release(1);
    now_us += 10;
    release(0);
    release(2);
    want(3, 0);
    expect(TURNSTILE_EVICT, 1, 0);
    expect_nothing();
    turnstile_closed(turnstile, &pools[1]);
    expect(TURNSTILE_OPEN, 3, 0);
    turnstile_opened(turnstile, &pools[3]);
    expect(TURNSTILE_GRANT, 3, 0);
    expect_nothing();
}

Test(turnstile, a_pool_with_servers_waits_until_the_idle_one_of_another_has_settled)
{
    start(2, 2, 2);
    lease(0, 1);
    lease(1, 1);
    release(1);
    want(0, 0);
    expect_nothing();
    int64_t time = turnstile_next_time(turnstile, now_us);
    cr_expect_eq(time, pools[1].idle_since_us + TURNSTILE_SETTLE_US);
    now_us = time;
    expect(TURNSTILE_EVICT, 1, 0);
    expect_nothing();
    cr_expect_eq(turnstile_next_time(turnstile, now_us), INT64_MAX);
}

Test(turnstile, a_promise_is_dropped_when_its_waiter_leaves)
{
    start(2, 2, 3);
    lease(0, 2);
    release(0);
    want(1, 0);
    expect(TURNSTILE_EVICT, 0, 0);
    want(2, 1);
    expect_nothing();
    turnstile_leave(turnstile, &waiters[0]);
    expect_nothing();
    turnstile_closed(turnstile, &pools[0]);
    expect(TURNSTILE_OPEN, 2, 0);
}

Test(turnstile, a_promised_slot_is_not_taken_by_another)
{
    start(2, 2, 3);
    lease(0, 2);
    release(0);
    want(1, 0);
    expect(TURNSTILE_EVICT, 0, 0);
    want(0, 1);
    turnstile_closed(turnstile, &pools[0]);
    expect(TURNSTILE_OPEN, 1, 0);
    expect_nothing();
    release(0);
    expect(TURNSTILE_GRANT, 0, 1);
    expect_nothing();
}

Test(turnstile, a_failing_pool_keeps_no_promise)
{
    start(4, 4, 2);
    lease(0, 1);
    lease(1, 3);
    for (int i = 0; i < 2; i++) want(0, i);
    turnstile_close_leased(turnstile, &pools[1], &leases[1][pools[1].leased - 1], now_us);
    turnstile_closed(turnstile, &pools[1]);
    expect(TURNSTILE_OPEN, 0, 0);
    turnstile_open_failed(turnstile, &pools[0], now_us + 500);
    turnstile_closed(turnstile, &pools[0]);
    want(1, 2);
    expect(TURNSTILE_OPEN, 1, 0);
    expect_nothing();
}

Test(turnstile, more_pools_than_budget_are_served_in_order_of_arrival)
{
    enum { ROUNDS = 5 };
    start(2, 2, 5);
    lease(0, 1);
    lease(1, 1);
    for (int i = 0; i < 5 * ROUNDS; i++) want(i % 5, i);
    int holders[2] = {0, 1};
    for (int served = 0; served < 5 * ROUNDS;) {
        int from = holders[served % 2], waiter = served, to = waiter % 5;
        release(from);
        if (from != to) {
            expect(TURNSTILE_EVICT, from, 0);
            expect_nothing();
            turnstile_closed(turnstile, &pools[from]);
            expect(TURNSTILE_OPEN, to, 0);
            turnstile_opened(turnstile, &pools[to]);
        }
        expect(TURNSTILE_GRANT, to, waiter);
        expect_nothing();
        holders[served % 2] = to;
        served++;
    }
}

Test(turnstile, minimum_is_filled_from_the_free_budget_only)
{
    start(3, 8, 2);
    pools[1].minimum = 2;
    expect(TURNSTILE_OPEN, 1, 0);
    expect_nothing();
    turnstile_opened(turnstile, &pools[1]);
    expect(TURNSTILE_OPEN, 1, 0);
    turnstile_opened(turnstile, &pools[1]);
    expect_nothing();
    lease(0, 1);
    now_us += 2 * TURNSTILE_SETTLE_US;
    want(0, 0);
    expect(TURNSTILE_EVICT, 1, 0);
    turnstile_closed(turnstile, &pools[1]);
    expect(TURNSTILE_OPEN, 0, 0);
    turnstile_opened(turnstile, &pools[0]);
    expect(TURNSTILE_GRANT, 0, 0);
    release(0);
    now_us += 2 * TURNSTILE_SETTLE_US;
    expect_nothing(); /* pool 1 is below its minimum, but nobody is evicted for that */
    turnstile_close_idle(turnstile, &pools[0]);
    turnstile_closed(turnstile, &pools[0]);
    expect(TURNSTILE_OPEN, 1, 0);
    expect_nothing();
    turnstile_open_failed(turnstile, &pools[1], now_us + 77);
    turnstile_closed(turnstile, &pools[1]);
    expect_nothing();
    cr_expect_eq(turnstile_next_time(turnstile, now_us), now_us + 77);
}

Test(turnstile, a_waiter_comes_before_a_minimum)
{
    start(2, 8, 2);
    lease(0, 1);
    pools[1].minimum = 1;
    want(0, 0);
    turnstile_set_budget(turnstile, 2, 8);
    expect(TURNSTILE_OPEN, 0, 0);
    expect_nothing();
}

Test(turnstile, a_smaller_budget_takes_idle_ones_first_and_released_ones_at_once)
{
    start(4, 4, 2);
    lease(0, 2);
    lease(1, 2);
    now_us = 9000000;
    release(1);
    want(0, 0);
    turnstile_set_budget(turnstile, 2, 4);
    expect(TURNSTILE_EVICT, 1, 0);
    expect_nothing();
    turnstile_closed(turnstile, &pools[1]);
    expect_nothing();
    release(0);
    expect(TURNSTILE_EVICT, 0, 0); /* whoever waits for it */
    expect_nothing();
    release(0);
    expect(TURNSTILE_GRANT, 0, 0);
    turnstile_closed(turnstile, &pools[0]);
    expect_nothing();
    cr_expect_eq(turnstile_slots(turnstile), 2);
    want(0, 1);
    turnstile_set_budget(turnstile, 3, 4);
    expect(TURNSTILE_OPEN, 0, 0);
}

Test(turnstile, a_smaller_budget_drops_promises_that_cannot_be_kept)
{
    start(2, 2, 2);
    lease(0, 2);
    release(0);
    want(1, 0);
    expect(TURNSTILE_EVICT, 0, 0);
    turnstile_set_budget(turnstile, 1, 2);
    turnstile_closed(turnstile, &pools[0]);
    expect_nothing();
    release(0);
    expect(TURNSTILE_EVICT, 0, 0);
    turnstile_closed(turnstile, &pools[0]);
    expect(TURNSTILE_OPEN, 1, 0);
}

Test(turnstile, a_smaller_limit_is_enforced)
{
    start(4, 4, 1);
    lease(0, 4);
    release(0);
    release(0);
    pools[0].limit = 1;
    turnstile_set_budget(turnstile, 4, 4);
    expect(TURNSTILE_EVICT, 0, 0);
    expect(TURNSTILE_EVICT, 0, 0);
    expect_nothing();
    release(0);
    cr_expect_not(try(0));
    expect(TURNSTILE_EVICT, 0, 0);
    expect_nothing();
    release(0);
    expect_nothing();
    cr_expect(try(0));
}

/*
 * Pools whose clients never stop asking: each lease takes a step, a login or a close three. Returns how many servers were closed.
 */
static uint32_t run_saturated(int pool_count, uint32_t steps, uint32_t served[])
{
    enum { DEPTH = 8 };
    struct step {
        struct turnstile_pool *opening[16], *closing[16];
        struct turnstile_waiter *leased[128];
        int openings, closings, leases;
    } ring[4] = {0};
    static struct turnstile_pool *pool_of[WAITERS];
    static struct turnstile_lease lease_of[WAITERS];
    for (int i = 0; i < pool_count * DEPTH; i++) {
        pool_of[i] = &pools[i % pool_count];
        queue_up(i % pool_count, i);
    }
    uint32_t closed = 0;
    for (uint32_t step = 0; step < steps; step++, now_us += 1000) {
        struct step *due = &ring[step % 4];
        for (int i = 0; i < due->openings; i++) turnstile_opened(turnstile, due->opening[i]);
        for (int i = 0; i < due->closings; i++) turnstile_closed(turnstile, due->closing[i]);
        for (int i = 0; i < due->leases; i++) {
            struct turnstile_pool *pool = pool_of[due->leased[i] - waiters];
            pool->idle_since_us = now_us;
            turnstile_release(turnstile, pool, &lease_of[due->leased[i] - waiters], now_us);
            cr_assert(turnstile_wait(turnstile, pool, key, due->leased[i], now_us));
        }
        memset(due, 0, sizeof *due);
        struct step *next = &ring[(step + 1) % 4], *later = &ring[(step + 3) % 4];
        for (struct turnstile_order order; turnstile_next(turnstile, now_us, &order);) {
            switch (order.kind) {
            case TURNSTILE_GRANT:
                turnstile_accept(turnstile, &order, &lease_of[order.waiter - waiters], now_us);
                next->leased[next->leases++] = order.waiter;
                served[order.pool - pools]++;
                break;
            case TURNSTILE_OPEN: later->opening[later->openings++] = order.pool; break;
            case TURNSTILE_EVICT:
                later->closing[later->closings++] = order.pool;
                closed++;
                break;
            }
        }
    }
    return closed;
}

Test(turnstile, competing_pools_settle_on_equal_parts)
{
    start(10, 4, 3);
    lease(0, 10);
    for (int i = 0; i < 10; i++) release(0);
    uint32_t served[POOLS] = {0};
    uint32_t first_moves = run_saturated(3, 200, served);
    cr_expect_leq(first_moves, 7);
    for (int i = 0; i < 3; i++) cr_expect(pools[i].leased == 3 || pools[i].leased == 4, "pool %d holds %u", i, pools[i].leased);
}

Test(turnstile, competing_pools_do_not_thrash)
{
    start(10, 4, 2);
    uint32_t served[POOLS] = {0};
    uint32_t moves = run_saturated(2, 10000, served);
    cr_log_info("%u moves, %u and %u served", moves, served[0], served[1]);
    cr_expect_leq(moves, 5);
    cr_expect(served[0] > 45000 && served[1] > 45000, "%u and %u", served[0], served[1]);
}

Test(turnstile, many_competing_pools_are_all_served)
{
    start(5, 4, 8);
    uint32_t served[POOLS] = {0};
    run_saturated(8, 10000, served);
    for (int i = 0; i < 8; i++) cr_expect_gt(served[i], served[0] * 9 / 10, "pool %d: %u, pool 0: %u", i, served[i], served[0]);
}

static double nanoseconds_since(const struct timespec *start_time)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    return (double)(end.tv_sec - start_time->tv_sec) * 1e9 + (double)(end.tv_nsec - start_time->tv_nsec);
}

/* Run with TURNSTILE_BENCHMARK=1 on a quiet machine. */
Test(turnstile, the_fast_path_is_fast)
{
    if (getenv("TURNSTILE_BENCHMARK") == NULL) cr_skip_test("TURNSTILE_BENCHMARK is not set");
    enum { ROUNDS = 10000000 };
    start(85, 8, 1);
    lease(0, 85);
    for (int i = 0; i < 85; i++) release(0);
    struct timespec start_time;
    clock_gettime(CLOCK_MONOTONIC, &start_time);
    struct turnstile_order order;
    for (int i = 0; i < ROUNDS; i++) {
        if (!try(0)) abort();
        release(0);
        if (turnstile_next(turnstile, now_us, &order)) abort();
    }
    double each_ns = nanoseconds_since(&start_time) / ROUNDS;
    cr_log_warn("try, release and next: %.1f ns", each_ns);
    cr_expect_lt(each_ns, 100.0);

    while (try(0)) continue;
    for (int i = 0; i < 32; i++) queue_up(0, i);
    clock_gettime(CLOCK_MONOTONIC, &start_time);
    for (int i = 0; i < ROUNDS; i++) {
        release(0);
        if (!turnstile_next(turnstile, now_us, &order) || order.kind != TURNSTILE_GRANT) abort();
        turnstile_accept(turnstile, &order, &leases[0][pools[0].leased - 1], now_us);
        queue_up(0, (int)(order.waiter - waiters));
    }
    cr_log_warn("release, grant and wait: %.1f ns", nanoseconds_since(&start_time) / ROUNDS);
}

/* PAUSE: waiters keep their places, what is idle stays the caller's to close, and nothing is opened, not for the minimum either. */
Test(turnstile, a_held_pool_gets_nothing)
{
    start(3, 3, 2);
    lease(0, 2);
    pools[0].minimum = 2;
    want(0, 0);
    expect(TURNSTILE_OPEN, 0, 0);
    turnstile_hold(turnstile, &pools[0], true);
    turnstile_opened(turnstile, &pools[0]);
    release(0);
    expect_nothing();
    cr_expect_not(try(0));
    cr_expect_eq(turnstile_position(&waiters[0]), 1);
    while (pools[0].idle > 0) {
        turnstile_close_idle(turnstile, &pools[0]);
        turnstile_closed(turnstile, &pools[0]);
    }
    turnstile_close_leased(turnstile, &pools[0], &leases[0][0], now_us);
    turnstile_closed(turnstile, &pools[0]);
    expect_nothing();
    cr_expect_eq(turnstile_slots(turnstile), 0);
    cr_expect_eq(turnstile_next_time(turnstile, now_us), INT64_MAX);
    want(0, 1);
    /* Another pool goes on. */
    lease(1, 1);
    turnstile_hold(turnstile, &pools[0], false);
    expect(TURNSTILE_OPEN, 0, 0);
    turnstile_opened(turnstile, &pools[0]);
    expect(TURNSTILE_GRANT, 0, 0);
    expect(TURNSTILE_OPEN, 0, 0);
    turnstile_opened(turnstile, &pools[0]);
    expect(TURNSTILE_GRANT, 0, 1);
    expect_nothing();
}
