#include "proxy/scaling.h"

#include <criterion/criterion.h>
#include <string.h>

/* A worker class of limit 10 beside a web class that reserves 4 of 20. */

enum { BUDGET = 20, SECOND_US = 1000000, WORKER = 0, WEB = 1 };

static struct turnstile *turnstile;
static struct turnstile_pool pool;
static struct turnstile_key *key;
static struct scaling scaling;
static int64_t now_us;

static void start(void)
{
    static const struct turnstile_class_rules rules[] = {{.name = "worker", .limit = 10, .weight = 1},
                                                         {.name = "web", .reserve = 4, .weight = 1}};
    memset(&scaling, 0, sizeof scaling);
    memset(&pool, 0, sizeof pool);
    now_us = SECOND_US;
    turnstile = turnstile_new(BUDGET, BUDGET);
    turnstile_set_classes(turnstile, rules, 2, now_us);
    turnstile_add_pool(turnstile, &pool);
    key = turnstile_key_get(turnstile, WORKER, "", 0);
}

static void end(void)
{
    while (pool.idle > 0) {
        turnstile_close_idle(turnstile, &pool);
        turnstile_closed(turnstile, &pool);
    }
    turnstile_key_put(turnstile, &key);
    turnstile_remove_pool(turnstile, &pool);
    turnstile_free(&turnstile);
}

TestSuite(scaling, .init = start, .fini = end, .timeout = 60);

static struct scaling_view view(uint32_t index, uint32_t clients, struct scaling_rules rules)
{
    struct scaling_view out;
    scaling_view(&scaling, turnstile, index, BUDGET, clients, &rules, &out);
    return out;
}

/* One server, so many leases a second of this length, for so many seconds. */
static void work(int leases_a_second, int64_t lease_us, int seconds)
{
    struct turnstile_waiter waiter = {0};
    struct turnstile_order order;
    if (pool.idle == 0) {
        cr_assert(turnstile_wait(turnstile, &pool, key, &waiter, now_us));
        while (turnstile_next(turnstile, now_us, &order)) cr_assert_eq(order.kind, TURNSTILE_OPEN);
        turnstile_leave(turnstile, &waiter);
        turnstile_opened(turnstile, &pool);
    }
    for (int second = 0; second < seconds; second++) {
        for (int i = 0; i < leases_a_second; i++) {
            struct turnstile_lease lease = {0};
            cr_assert(turnstile_try(turnstile, &pool, key, now_us, &lease));
            now_us += lease_us;
            turnstile_release(turnstile, &pool, &lease, now_us);
        }
        scaling_read(&scaling, turnstile);
    }
}

Test(scaling, nothing_is_known_at_first)
{
    struct scaling_view worker = view(WORKER, 0, (struct scaling_rules){0});
    cr_expect_eq(worker.arrivals, 0);
    cr_expect_eq(worker.workers_useful, 0);
    cr_expect_eq(worker.workers, 0);
    cr_expect_eq(view(WORKER, 0, (struct scaling_rules){.workers_min = 2}).workers, 2);
}

Test(scaling, slots_that_a_class_may_use)
{
    cr_expect_eq(view(WORKER, 0, (struct scaling_rules){0}).slots_usable, 10, "its limit is less than what web leaves");
    cr_expect_eq(view(WEB, 0, (struct scaling_rules){0}).slots_usable, 20, "nobody else reserves");
}

Test(scaling, littles_law)
{
    work(20, 100000, 61);
    /* 20 a second of 100 ms keep two slots busy; four workers are connected, each busy half of the time: ten slots are enough for twenty. */
    struct scaling_view worker = view(WORKER, 4, (struct scaling_rules){0});
    cr_expect_float_eq(worker.arrivals, 20, 0.5, "%f", worker.arrivals);
    cr_expect_eq(worker.mean_lease_us, 100000);
    cr_expect_float_eq(worker.slots_needed, 2, 0.05, "%f", worker.slots_needed);
    cr_expect_leq(worker.workers_useful, 20);
    cr_expect_geq(worker.workers_useful, 19);
    cr_expect_eq(worker.workers, 4, "they manage");
    cr_expect_eq(view(WORKER, 4, (struct scaling_rules){.events_per_worker = 5}).workers, 4);
    cr_expect_eq(view(WORKER, 4, (struct scaling_rules){.events_per_worker = 2}).workers, 10);
    cr_expect_eq(view(WORKER, 4, (struct scaling_rules){.events_per_worker = 1, .workers_max = 6}).workers, 6);
    cr_expect_leq(view(WORKER, 4, (struct scaling_rules){.events_per_worker = 1}).workers, worker.workers_useful, "more would only wait");
}

Test(scaling, rates_fade_and_a_new_class_begins_anew)
{
    work(20, 1000, 61);
    for (int i = 0; i < SCALING_WINDOW_S; i++) scaling_read(&scaling, turnstile);
    cr_expect_eq(view(WORKER, 4, (struct scaling_rules){0}).arrivals, 0);
    work(20, 1000, 5);
    cr_expect_gt(view(WORKER, 4, (struct scaling_rules){0}).arrivals, 1);
    strcpy(scaling.classes[WORKER].name, "other");
    scaling_read(&scaling, turnstile);
    cr_expect_eq(view(WORKER, 4, (struct scaling_rules){0}).arrivals, 0);
}
