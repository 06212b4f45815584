/*
 * Classes, by example and by measure: what reserves, limits, weights, keys and groups do on a fake clock. The random events are
 * test_turnstile_properties.c's; here are shares over time, which only show in the long run.
 */
#include "proxy/turnstile.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { POOLS = 4, ACTORS = 2000, CLASSES = 60, SECOND = 1000000, MILLISECOND = 1000 };

/* One client that leases, thinks, and leases again. */
struct actor {
    struct turnstile_waiter waiter;
    struct turnstile_lease lease;
    struct turnstile_key *key;
    int class, pool;
    int64_t lease_us, think_us; /* each time from half to one and a half of it */
    int64_t due_us;             /* the end of the lease or of the thought; INT64_MAX: waits */
    int64_t waited_us;          /* the longest */
    uint64_t leases;
};

static struct turnstile *turnstile;
static struct turnstile_pool pools[POOLS];
static struct actor actors[ACTORS];
static int actor_count;
static int64_t now_us;
static uint32_t evictions, openings;
static uint64_t random_state;

static void start(uint32_t budget, int pool_count)
{
    turnstile = turnstile_new(budget, budget);
    for (int i = 0; i < pool_count; i++) turnstile_add_pool(turnstile, &pools[i]);
    now_us = SECOND;
    random_state = 1;
}

static void let_go(struct actor *actor)
{
    turnstile_leave(turnstile, &actor->waiter);
    if (actor->lease.key) turnstile_release(turnstile, &pools[actor->pool], &actor->lease, now_us);
    turnstile_key_put(turnstile, &actor->key);
}

static void set_classes(struct turnstile_class_rules rules[], uint32_t count)
{
    static char names[CLASSES][2];
    for (uint32_t i = 0; i < count; i++) {
        names[i][0] = (char)('a' + i);
        if (!rules[i].name) rules[i].name = names[i];
    }
    turnstile_set_classes(turnstile, rules, count, now_us);
}

static int64_t about(int64_t time_us)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return time_us / 2 + (int64_t)((double)time_us * (double)(random_state >> 40) / (double)(1 << 24));
}

static struct actor *add(int class, int pool, const char *key, int64_t lease_us, int64_t think_us)
{
    cr_assert(actor_count < ACTORS);
    struct actor *actor = &actors[actor_count++];
    *actor = (struct actor){.class = class, .pool = pool, .lease_us = lease_us, .think_us = think_us, .due_us = now_us};
    actor->key = turnstile_key_get(turnstile, (uint32_t) class, key, strlen(key));
    return actor;
}

static void add_many(int count, int class, int pool, int64_t lease_us, int64_t think_us)
{
    for (int i = 0; i < count; i++) add(class, pool, "", lease_us, think_us);
}

static void begin(struct actor *actor, int64_t waited_us)
{
    actor->leases++;
    if (waited_us > actor->waited_us) actor->waited_us = waited_us;
    actor->due_us = now_us + about(actor->lease_us);
}

static void carry_out_orders(void)
{
    for (struct turnstile_order order; turnstile_next(turnstile, now_us, &order);) {
        switch (order.kind) {
        case TURNSTILE_GRANT: {
            struct actor *actor = (struct actor *)(void *)order.waiter;
            turnstile_accept(turnstile, &order, &actor->lease, now_us);
            begin(actor, now_us - actor->waiter.since_us);
            break;
        }
        case TURNSTILE_OPEN:
            openings++;
            turnstile_opened(turnstile, order.pool);
            break;
        case TURNSTILE_EVICT:
            evictions++;
            turnstile_closed(turnstile, order.pool);
            break;
        }
    }
}

static void ask(struct actor *actor)
{
    struct turnstile_pool *pool = &pools[actor->pool];
    if (turnstile_try(turnstile, pool, actor->key, now_us, &actor->lease)) {
        begin(actor, 0);
        return;
    }
    actor->due_us = turnstile_wait(turnstile, pool, actor->key, &actor->waiter, now_us) ? INT64_MAX : now_us + SECOND;
}

/* Each millisecond, whoever is due acts. */
static void run(int64_t time_us)
{
    for (int64_t end_us = now_us + time_us; now_us < end_us; now_us += MILLISECOND) {
        for (int i = 0; i < actor_count; i++) {
            struct actor *actor = &actors[i];
            if (actor->due_us > now_us) continue;
            if (!actor->lease.key) {
                ask(actor);
                continue;
            }
            struct turnstile_pool *pool = &pools[actor->pool];
            pool->idle_since_us = now_us;
            turnstile_release(turnstile, pool, &actor->lease, now_us);
            actor->due_us = now_us + about(actor->think_us);
        }
        carry_out_orders();
    }
}

static const struct turnstile_class *class_at(int index)
{
    return turnstile_class_at(turnstile, (uint32_t)index);
}

static double slot_seconds(int index)
{
    return (double)turnstile_class_slot_us(class_at(index), now_us) / SECOND;
}

/* The part of the slot-time of the next `time_us` that each class gets. */
static void measure(int64_t time_us, int count, double shares_out[])
{
    double sum = 0;
    for (int i = 0; i < count; i++) shares_out[i] = -slot_seconds(i);
    run(time_us);
    for (int i = 0; i < count; i++) sum += shares_out[i] += slot_seconds(i);
    for (int i = 0; i < count; i++) shares_out[i] /= sum;
}

static void expect_shares(int count, const double shares[], const uint32_t weights[], double most_off)
{
    double sum = 0;
    for (int i = 0; i < count; i++) sum += weights[i];
    for (int i = 0; i < count; i++) {
        double ideal = weights[i] / sum;
        cr_log_info("class %d: %.4f of %.4f", i, shares[i], ideal);
        cr_expect(shares[i] > ideal * (1 - most_off) && shares[i] < ideal * (1 + most_off), "class %d has %.4f instead of %.4f", i,
                  shares[i], ideal);
    }
}

/* ---- weights ---- */

/* All classes saturated for a minute, each by its own kind of lease. */
static void saturate(uint32_t budget, int pool_count, int count, const uint32_t weights[], const int64_t lease_us[], int64_t first_us,
                     double most_off)
{
    struct turnstile_class_rules rules[CLASSES] = {0};
    start(budget, pool_count);
    for (int i = 0; i < count; i++) rules[i].weight = weights[i];
    set_classes(rules, (uint32_t)count);
    for (int i = 0; i < count; i++) add_many((int)budget + 20, i, i % pool_count, lease_us[i], 0);
    run(first_us);
    double shares[CLASSES];
    uint32_t evictions_before = evictions;
    measure(60 * SECOND, count, shares);
    cr_log_info("%u servers moved", evictions - evictions_before);
    expect_shares(count, shares, weights, most_off);
}

Test(turnstile_shares, follow_the_weights)
{
    saturate(85, 1, 3, (uint32_t[]){5, 3, 2}, (int64_t[]){5000, 5000, 5000}, 0, 0.02);
}

Test(turnstile_shares, follow_the_weights_whatever_the_leases_last)
{
    saturate(85, 1, 3, (uint32_t[]){1, 3, 2}, (int64_t[]){5000, 300000, 2000000}, 0, 0.02);
}

Test(turnstile_shares, follow_the_weights_beside_leases_of_ten_seconds)
{
    saturate(85, 1, 2, (uint32_t[]){1, 1}, (int64_t[]){5000, 10 * SECOND}, 20 * SECOND, 0.02);
}

Test(turnstile_shares, follow_the_weights_where_slots_cannot_be_divided)
{
    saturate(4, 1, 2, (uint32_t[]){3, 2}, (int64_t[]){20000, 20000}, 0, 0.02);
}

Test(turnstile_shares, follow_weights_that_differ_much)
{
    saturate(10, 1, 3, (uint32_t[]){100, 10, 1}, (int64_t[]){5000, 5000, 5000}, 0, 0.02);
}

Test(turnstile_shares, follow_the_weights_between_pools)
{
    saturate(40, 2, 2, (uint32_t[]){3, 1}, (int64_t[]){5000, 20000}, 2 * SECOND, 0.02);
    cr_expect_leq(evictions, 60, "%u servers moved in a minute", evictions);
}

Test(turnstile_shares, of_pools_that_cannot_be_equal_take_turns)
{
    saturate(10, 3, 3, (uint32_t[]){1, 1, 1}, (int64_t[]){5000, 5000, 5000}, 2 * SECOND, 0.02);
    cr_expect_leq(evictions, 120, "%u servers moved in a minute", evictions);
}

Test(turnstile_shares, of_equal_classes_are_equal_whatever_their_names)
{
    static const char *const names[6][3] = {{"a", "b", "c"}, {"c", "b", "a"},  {"b", "a", "c"},
                                            {"z", "", "a"},  {"A", "a", "AA"}, {"1", "0", "b"}};
    for (int i = 0; i < 6; i++) {
        struct turnstile_class_rules rules[3] = {{.name = names[i][0]}, {.name = names[i][1]}, {.name = names[i][2]}};
        memset(pools, 0, sizeof pools);
        actor_count = 0;
        start(20, 1);
        set_classes(rules, 3);
        /* The one with most clients comes first, and asks for most. */
        add_many(300, 0, 0, 50000, 0);
        add_many(30, 1, 0, 5000, 0);
        add_many(100, 2, 0, 200000, 0);
        double shares[3];
        measure(60 * SECOND, 3, shares);
        expect_shares(3, shares, (uint32_t[]){1, 1, 1}, 0.05);
        for (int j = 0; j < actor_count; j++) let_go(&actors[j]);
        turnstile_free(&turnstile);
    }
}

/* ---- nobody starves, nobody saves up ---- */

Test(turnstile_shares, a_class_that_returns_has_no_claims_from_before)
{
    start(20, 1);
    set_classes((struct turnstile_class_rules[2]){{0}}, 2);
    add_many(60, 0, 0, 20000, 0);
    run(60 * SECOND);
    add_many(60, 1, 0, 20000, 0);
    double shares[2];
    measure(2 * SECOND, 2, shares);
    expect_shares(2, shares, (uint32_t[]){1, 1}, 0.05);
    cr_expect_leq(actors[0].waited_us, 400 * MILLISECOND);
}

Test(turnstile_shares, a_class_held_back_by_its_limit_has_no_claims_when_it_is_lifted)
{
    start(20, 1);
    set_classes((struct turnstile_class_rules[]){{.limit = 1}, {0}}, 2);
    add_many(60, 0, 0, 20000, 0);
    add_many(60, 1, 0, 20000, 0);
    double shares[2];
    measure(60 * SECOND, 2, shares);
    cr_expect(shares[0] > 0.045 && shares[0] < 0.051, "%.4f", shares[0]);
    set_classes((struct turnstile_class_rules[2]){{0}}, 2);
    measure(2 * SECOND, 2, shares);
    expect_shares(2, shares, (uint32_t[]){1, 1}, 0.05);
}

Test(turnstile_shares, short_leases_are_not_starved_by_long_ones)
{
    start(85, 1);
    set_classes((struct turnstile_class_rules[2]){{0}}, 2);
    add_many(500, 0, 0, 10 * SECOND, 0);
    run(SECOND);
    add_many(50, 1, 0, 5000, 50000);
    run(30 * SECOND); /* the long ones that hold every slot have to end first */
    for (int i = 500; i < actor_count; i++) actors[i].waited_us = 0;
    run(60 * SECOND);
    int64_t longest_us = 0;
    for (int i = 500; i < actor_count; i++)
        if (actors[i].waited_us > longest_us) longest_us = actors[i].waited_us;
    cr_log_info("longest wait of the short ones: %lld ms", (long long)longest_us / 1000);
    cr_expect_leq(longest_us, 2 * SECOND);
    cr_expect_gt(class_at(0)->granted, 500);
}

Test(turnstile_shares, long_leases_are_not_starved_by_short_ones)
{
    start(4, 1);
    set_classes((struct turnstile_class_rules[2]){{0}}, 2);
    add_many(200, 0, 0, 5000, 0);
    add_many(5, 1, 0, 10 * SECOND, 0);
    run(120 * SECOND);
    double shares[2];
    measure(120 * SECOND, 2, shares);
    expect_shares(2, shares, (uint32_t[]){1, 1}, 0.15);
}

/* ---- reserves ---- */

static int64_t longest_wait_us(int class)
{
    int64_t longest_us = 0;
    for (int i = 0; i < actor_count; i++)
        if (actors[i].class == class && actors[i].waited_us > longest_us) longest_us = actors[i].waited_us;
    return longest_us;
}

Test(turnstile_shares, a_reserve_is_kept_from_long_leases)
{
    start(85, 1);
    set_classes((struct turnstile_class_rules[]){{.reserve = 20, .lend_max_us = 50000}, {0}}, 2);
    add_many(500, 1, 0, 2 * SECOND, 0);
    run(10 * SECOND);
    cr_expect_eq(class_at(1)->leased, 65);
    add_many(50, 0, 0, 5000, 50000);
    run(20 * SECOND);
    cr_expect_leq(longest_wait_us(0), 20 * MILLISECOND, "%lld", (long long)longest_wait_us(0)); /* all 50 come at once */
    cr_expect_eq(class_at(1)->leased, 65);
}

Test(turnstile_shares, a_reserve_is_lent_to_short_leases_and_comes_back_within_one)
{
    start(85, 1);
    set_classes((struct turnstile_class_rules[]){{.reserve = 20, .lend_max_us = 50000}, {0}}, 2);
    add_many(500, 1, 0, 10000, 0);
    run(SECOND);
    cr_expect_eq(class_at(1)->leased, 85, "%u", class_at(1)->leased);
    add_many(20, 0, 0, 5000, 0);
    run(10 * SECOND);
    cr_expect_leq(longest_wait_us(0), 16 * MILLISECOND, "%lld", (long long)longest_wait_us(0));
}

Test(turnstile_shares, what_is_not_measured_is_not_lent_to)
{
    start(30, 1);
    set_classes((struct turnstile_class_rules[]){{.reserve = 20, .lend_max_us = 50000}, {0}}, 2);
    add_many(60, 1, 0, 30000, 0);
    while (histogram_recent_count(&class_at(1)->lease_us) < TURNSTILE_SAMPLES_MIN - 10) {
        run(MILLISECOND);
        cr_assert_leq(class_at(1)->leased, 10);
    }
    run(SECOND);
    cr_expect_eq(class_at(1)->leased, 30);
}

Test(turnstile_shares, leases_that_last_longer_than_the_lender_waits_end_the_loan)
{
    start(30, 1);
    set_classes((struct turnstile_class_rules[]){{.reserve = 20, .lend_max_us = 50000}, {0}, {.reserve = 5, .lend_max_us = 500000}}, 3);
    add_many(60, 1, 0, 10000, 0);
    run(SECOND);
    cr_expect_eq(class_at(1)->leased, 30);
    /* Longer than one lender lends for, not longer than the other does. */
    for (int i = 0; i < actor_count; i++) actors[i].lease_us = 200000;
    run(SECOND);
    cr_expect_eq(class_at(1)->leased, 10, "%u", class_at(1)->leased);
    for (int i = 0; i < actor_count; i++) actors[i].lease_us = 100 * SECOND;
    run(2 * SECOND);
    cr_expect_eq(class_at(1)->leased, 10);
}

Test(turnstile_shares, long_leases_among_many_short_ones_do_not_fill_what_was_lent)
{
    start(30, 1);
    set_classes((struct turnstile_class_rules[]){{.reserve = 20, .lend_max_us = 50000}, {0}}, 2);
    add_many(100, 1, 0, 1000, 0);
    run(SECOND);
    cr_expect_eq(class_at(1)->leased, 30);
    /* One in a thousand leases goes on for ever, which the percentile does not show. */
    for (int i = 0; i < 100; i++) {
        struct actor *actor = add(1, 0, "", 1000 * SECOND, 0);
        actor->due_us = now_us + i * 100 * MILLISECOND;
    }
    run(20 * SECOND);
    cr_expect_lt(histogram_recent_percentile(&class_at(1)->lease_us, 0.99), 50000);
    cr_expect(class_at(1)->leased >= 10 && class_at(1)->leased <= 12, "%u", class_at(1)->leased);
    add_many(18, 0, 0, 1000, 0);
    run(SECOND);
    for (int i = 200; i < actor_count; i++) cr_expect_leq(actors[i].waited_us, 2 * MILLISECOND);
}

Test(turnstile_shares, a_class_below_its_reserve_comes_first)
{
    start(10, 1);
    set_classes((struct turnstile_class_rules[]){{.weight = 1, .reserve = 6}, {.weight = 100}}, 2);
    add_many(30, 0, 0, 20000, 0);
    add_many(30, 1, 0, 20000, 0);
    double shares[2];
    run(SECOND);
    measure(10 * SECOND, 2, shares);
    cr_expect(shares[0] > 0.59 && shares[0] < 0.62, "%.4f", shares[0]);
}

Test(turnstile_shares, a_reserve_is_filled_from_the_idle_servers_of_another_pool_at_once)
{
    start(30, 2);
    set_classes((struct turnstile_class_rules[]){{.reserve = 20, .lend_max_us = 50000}, {0}}, 2);
    add_many(60, 1, 1, 10000, 0);
    run(SECOND);
    cr_expect_eq(pools[1].leased + pools[1].idle, 30);
    add_many(40, 0, 0, 10000, 0);
    run(40 * MILLISECOND);
    cr_expect_geq(class_at(0)->leased, 20, "%u", class_at(0)->leased);
}

/* ---- keys ---- */

Test(turnstile_shares, a_job_type_is_throttled_by_share_limit_and_the_others_go_on)
{
    start(10, 2);
    set_classes((struct turnstile_class_rules[]){{.share_limit = 2}}, 1);
    for (int i = 0; i < 50; i++) add(0, i % 2, "import", SECOND, 0);
    for (int i = 0; i < 4; i++) add(0, i % 2, "mail", 10000, 10000);
    for (int i = 0; i < 400; i++) {
        run(10 * MILLISECOND);
        cr_expect_leq(actors[0].key->leased, 2);
        cr_expect_leq(actors[50].key->leased, 2);
    }
    cr_expect_eq(actors[0].key->leased, 2);
    int64_t longest_us = 0;
    for (int i = 50; i < 54; i++) longest_us = actors[i].waited_us > longest_us ? actors[i].waited_us : longest_us;
    cr_expect_leq(longest_us, 100 * MILLISECOND, "%lld", (long long)longest_us);
    set_classes((struct turnstile_class_rules[]){{.share_limit = 5}}, 1);
    run(10 * MILLISECOND);
    cr_expect_eq(actors[0].key->leased, 5);
}

Test(turnstile_shares, keys_take_turns_however_many_wait)
{
    start(4, 2);
    for (int i = 0; i < 300; i++) add(0, i % 2, "loud", 10000, 0);
    for (int i = 0; i < 10; i++) add(0, i % 2, "quiet", 10000, 0);
    run(20 * SECOND);
    uint64_t loud = 0, quiet = 0;
    for (int i = 0; i < actor_count; i++) *(i < 300 ? &loud : &quiet) += actors[i].leases;
    cr_expect(quiet > loud * 9 / 10 && quiet < loud * 11 / 10, "%llu and %llu", (unsigned long long)loud, (unsigned long long)quiet);
}

Test(turnstile_shares, keys_live_as_long_as_somebody_has_them)
{
    start(1, 1);
    struct turnstile_key *first = turnstile_key_get(turnstile, 0, "import", 6), *second = turnstile_key_get(turnstile, 0, "import", 6);
    cr_expect_eq(first, second);
    struct turnstile_waiter waiter = {0};
    cr_assert(turnstile_wait(turnstile, &pools[0], first, &waiter, now_us));
    turnstile_key_put(turnstile, &first);
    turnstile_key_put(turnstile, &second);
    cr_expect_null(second);
    turnstile_key_put(turnstile, &second);
    cr_expect_str_eq(waiter.lane->key->text, "import");
    turnstile_leave(turnstile, &waiter);
    cr_expect_null(class_at(0)->keys);
    char text[TURNSTILE_KEY_MAX + 50];
    memset(text, 'x', sizeof text);
    first = turnstile_key_get(turnstile, 0, text, sizeof text);
    cr_expect_eq(first->size, TURNSTILE_KEY_MAX);
    turnstile_key_put(turnstile, &first);
    turnstile_remove_pool(turnstile, &pools[0]);
    turnstile_free(&turnstile);
}

/* ---- limits ---- */

Test(turnstile_shares, a_full_queue_refuses_at_once)
{
    start(1, 1);
    set_classes((struct turnstile_class_rules[]){{.queue_limit = 2}, {0}}, 2);
    struct turnstile_key *limited = turnstile_key_get(turnstile, 0, "", 0), *other = turnstile_key_get(turnstile, 1, "", 0);
    struct turnstile_waiter waiters[5] = {0};
    cr_expect(turnstile_wait(turnstile, &pools[0], limited, &waiters[0], now_us));
    cr_expect(turnstile_wait(turnstile, &pools[0], limited, &waiters[1], now_us));
    cr_expect_not(turnstile_wait(turnstile, &pools[0], limited, &waiters[2], now_us));
    cr_expect_null(waiters[2].pool);
    cr_expect_eq(class_at(0)->refused_queue_full, 1);
    cr_expect(turnstile_wait(turnstile, &pools[0], other, &waiters[3], now_us));
    cr_expect_eq(turnstile_position(&waiters[1]), 2);
    cr_expect_eq(turnstile_position(&waiters[3]), 1);
    turnstile_leave(turnstile, &waiters[0]);
    cr_expect(turnstile_wait(turnstile, &pools[0], limited, &waiters[2], now_us));
}

Test(turnstile_shares, a_limit_bounds_a_class_and_leaves_the_rest_to_others)
{
    start(20, 2);
    set_classes((struct turnstile_class_rules[]){{.limit = 3}, {0}}, 2);
    add_many(50, 0, 0, 10000, 0);
    add_many(50, 1, 1, 10000, 0);
    run(SECOND);
    cr_expect_eq(class_at(0)->leased, 3);
    cr_expect_eq(class_at(1)->leased, 17);
    cr_expect_leq(pools[0].idle + pools[0].leased, 3, "no more servers than its clients may use");
}

Test(turnstile_shares, a_group_bounds_its_pools_and_they_make_room_for_each_other)
{
    static struct turnstile_group database = {.limit = 5};
    start(20, 3);
    pools[0].groups[0] = pools[1].groups[0] = &database;
    add_many(10, 0, 0, 10000, 0);
    run(SECOND);
    cr_expect_eq(pools[0].leased, 5);
    cr_expect_eq(database.slots, 5);
    add_many(10, 0, 1, 10000, 0);
    add_many(10, 0, 2, 10000, 0);
    run(SECOND);
    cr_expect_eq(pools[0].leased + pools[1].leased, 5);
    cr_expect(pools[1].leased >= 2 && pools[1].leased <= 3, "%u", pools[1].leased);
    cr_expect_geq(pools[2].leased, 7);
    database.limit = 2;
    turnstile_set_budget(turnstile, 20, 20);
    uint32_t before = evictions;
    run(SECOND);
    cr_expect_eq(database.slots, 2);
    cr_expect_eq(evictions - before, 3);
}

Test(turnstile_shares, two_full_groups_give_up_one_server_each)
{
    static struct turnstile_group database = {.limit = 1}, user = {.limit = 1};
    start(20, 3);
    pools[0].groups[0] = pools[2].groups[0] = &database;
    pools[1].groups[1] = pools[2].groups[1] = &user;
    add(0, 0, "", 1000, SECOND);
    add(0, 1, "", 1000, SECOND);
    run(300 * MILLISECOND);
    cr_expect_eq(database.slots + user.slots, 2);
    struct actor *third = add(0, 2, "", 1000, SECOND);
    run(50 * MILLISECOND);
    cr_expect_eq(third->leases, 1);
    cr_expect_eq(evictions, 2);
    cr_expect_eq(pools[2].idle, 1);
    cr_expect_eq(database.slots, 1);
}

Test(turnstile_shares, a_pool_has_its_reserve_when_somebody_has_waited_for_long)
{
    start(20, 1);
    pools[0].limit = 3;
    pools[0].reserve = 2;
    pools[0].reserve_after_us = 500000;
    turnstile_set_budget(turnstile, 20, 20);
    add_many(10, 0, 0, 100 * SECOND, 0);
    run(499 * MILLISECOND);
    cr_expect_eq(pools[0].leased, 3);
    cr_expect_eq(turnstile_next_time(turnstile, now_us), 1500000);
    run(2 * MILLISECOND);
    cr_expect_eq(pools[0].leased, 5);
    run(10 * SECOND);
    cr_expect_eq(pools[0].leased, 5);
}

/* ---- reload ---- */

Test(turnstile_shares, a_reload_takes_effect_at_once)
{
    start(20, 1);
    add_many(40, 0, 0, 20000, 0);
    run(SECOND);
    cr_expect_eq(class_at(0)->leased, 20);
    set_classes((struct turnstile_class_rules[]){{.name = "new"}, {.name = "default", .limit = 4}}, 2);
    cr_expect_str_eq(class_at(1)->rules.name, "default");
    cr_expect_eq(class_at(1)->leased, 20);
    uint64_t granted = class_at(1)->granted;
    run(40 * MILLISECOND);
    cr_expect_eq(class_at(1)->leased, 4);
    cr_expect_lt(class_at(1)->granted, granted + 12);
    cr_expect_eq(evictions, 0);
    cr_expect_eq(pools[0].idle, 16, "limits of classes close no server");
    set_classes((struct turnstile_class_rules[]){{.name = "default"}, {.name = "new", .reserve = 12}}, 2);
    run(60 * MILLISECOND);
    cr_expect_eq(class_at(0)->leased, 8);
    turnstile_set_budget(turnstile, 15, 20);
    run(60 * MILLISECOND);
    cr_expect_eq(class_at(0)->leased, 3);
    cr_expect_eq(evictions, 5);
    cr_expect_eq(turnstile_slots(turnstile), 15);
}

Test(turnstile_shares, a_class_that_is_removed_goes_on_for_those_it_has)
{
    start(2, 1);
    set_classes((struct turnstile_class_rules[]){{.name = "default"}, {.name = "gone", .reserve = 1, .limit = 1}}, 2);
    add_many(3, 1, 0, 20000, 0);
    run(100 * MILLISECOND);
    set_classes((struct turnstile_class_rules[]){{.name = "default"}}, 1);
    cr_expect_eq(turnstile_class_count(turnstile), 2);
    cr_expect(class_at(1)->is_retired);
    cr_expect_eq(class_at(1)->rules.reserve, 0);
    uint64_t granted = class_at(1)->granted;
    run(100 * MILLISECOND);
    cr_expect_gt(class_at(1)->granted, granted);
    for (int i = 0; i < actor_count; i++) {
        actors[i].think_us = 1000 * SECOND;
        actors[i].lease_us = 1000;
    }
    run(SECOND);
    cr_expect_eq(turnstile_class_count(turnstile), 2, "the clients have its key");
    for (int i = 0; i < actor_count; i++) turnstile_key_put(turnstile, &actors[i].key);
    cr_expect_eq(turnstile_class_count(turnstile), 1);
    turnstile_close_idle(turnstile, &pools[0]);
    turnstile_closed(turnstile, &pools[0]);
    turnstile_remove_pool(turnstile, &pools[0]);
    turnstile_free(&turnstile);
}

Test(turnstile_shares, reserves_beyond_the_budget_do_no_harm)
{
    start(5, 1);
    set_classes((struct turnstile_class_rules[]){{.reserve = 10}, {.reserve = 10}, {0}}, 3);
    add_many(20, 0, 0, 10000, 0);
    add_many(20, 1, 0, 10000, 0);
    add_many(20, 2, 0, 10000, 0);
    run(10 * SECOND);
    cr_expect_eq(class_at(0)->leased + class_at(1)->leased, 5);
    cr_expect_eq(class_at(2)->granted, 0, "its part is zero until the reserves are put right");
    set_classes((struct turnstile_class_rules[]){{.reserve = 1}, {.reserve = 1}, {0}}, 3);
    run(SECOND);
    cr_expect_geq(class_at(2)->leased, 1);
}

/* ---- cost ---- */

static double nanoseconds_since(const struct timespec *start_time)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    return (double)(end.tv_sec - start_time->tv_sec) * 1e9 + (double)(end.tv_nsec - start_time->tv_nsec);
}

/* How long a lease takes that ends, is granted to the next and asks again, with so many waiters in 50 classes of 20 keys at 3 pools. */
static double lease_ns(int waiter_count)
{
    enum { COUNT = 50, KEYS = 20, LEASES = 85, ROUNDS = 20000 };
    struct turnstile_class_rules rules[COUNT] = {0};
    char names[COUNT][8];
    for (int i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "c%d", i);
        rules[i] = (struct turnstile_class_rules){
            .name = names[i], .weight = 1 + (uint32_t)i % 3, .share_limit = i % 2 ? 3 : 0, .reserve = i % 10 ? 0 : 1, .lend_max_us = 50000};
    }
    memset(pools, 0, sizeof pools);
    start(LEASES, 3);
    set_classes(rules, COUNT);
    struct actor *many = calloc((size_t)waiter_count, sizeof *many);
    struct actor *leasing[LEASES] = {0};
    int leases = 0;
    for (int i = 0; i < waiter_count; i++) {
        char text[16];
        int size = snprintf(text, sizeof text, "key %d", i / COUNT % KEYS);
        many[i].key = turnstile_key_get(turnstile, (uint32_t)(i % COUNT), text, (size_t)size);
        many[i].pool = i / 7 % 3;
        cr_assert(turnstile_wait(turnstile, &pools[many[i].pool], many[i].key, &many[i].waiter, now_us++));
    }
    struct timespec start_time;
    for (int i = -1000; i < ROUNDS; i++, now_us += 100) {
        if (i == 0) clock_gettime(CLOCK_MONOTONIC, &start_time);
        for (struct turnstile_order order; turnstile_next(turnstile, now_us, &order);) {
            if (order.kind == TURNSTILE_OPEN) turnstile_opened(turnstile, order.pool);
            if (order.kind == TURNSTILE_EVICT) turnstile_closed(turnstile, order.pool);
            if (order.kind != TURNSTILE_GRANT) continue;
            struct actor *actor = (struct actor *)(void *)order.waiter;
            turnstile_accept(turnstile, &order, &actor->lease, now_us);
            leasing[leases++] = actor;
        }
        cr_assert_gt(leases, 0);
        random_state = random_state * 6364136223846793005u + 1442695040888963407u;
        int at = (int)(random_state >> 33) % leases;
        struct actor *actor = leasing[at];
        leasing[at] = leasing[--leases];
        turnstile_release(turnstile, &pools[actor->pool], &actor->lease, now_us);
        cr_assert(turnstile_wait(turnstile, &pools[actor->pool], actor->key, &actor->waiter, now_us));
    }
    double each_ns = nanoseconds_since(&start_time) / ROUNDS;
    for (int i = 0; i < waiter_count; i++) let_go(&many[i]);
    turnstile_free(&turnstile);
    free(many);
    return each_ns;
}

Test(turnstile_shares, a_hundred_times_as_many_waiters_cost_hardly_more)
{
    double few_ns = lease_ns(1000), many_ns = lease_ns(100000);
    cr_log_info("a lease in 50 classes: %.0f ns with 1000 waiters, %.0f ns with 100000", few_ns, many_ns);
    /* It takes some microseconds; the bounds are for loaded machines and sanitizers. */
    cr_expect_lt(many_ns, 2e6);
    cr_expect_lt(many_ns, few_ns * 30 + 50000);
}
