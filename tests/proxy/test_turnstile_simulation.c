/*
 * The turnstile under random events, beside a model that only counts. After each order and each time that orders run out, everything that
 * turnstile.h promises is checked. The seed is in the message of a failure; TURNSTILE_SEED runs that one alone, TURNSTILE_STEPS makes it longer.
 */
#include "proxy/turnstile.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { POOLS_MAX = 7, WAITERS_MAX = 200, SERVERS_MAX = 64 };

struct model_pool {
    struct turnstile_pool pool;
    bool is_there;
    struct turnstile_waiter *queue[WAITERS_MAX]; /* in order of arrival */
    uint32_t queued;
    struct turnstile_lease leases[SERVERS_MAX];
    int64_t idle_since_us[SERVERS_MAX]; /* the longest idle first */
    uint32_t opening, idle, leased, closing;
    uint32_t promised; /* before the order that is being checked */
};

struct world {
    struct turnstile *turnstile;
    struct turnstile_key *key;
    struct model_pool pools[POOLS_MAX];
    struct turnstile_waiter waiters[WAITERS_MAX];
    bool is_waiting[WAITERS_MAX];
    uint32_t budget, logins_max;
    uint32_t slots_before; /* what was in use before the last event or order */
    int64_t now_us;
    uint64_t seed, random;
    uint32_t step;
    bool is_ending; /* no more arrivals, no more failures: everybody must be served */
};

static struct world world;

#define CHECK(condition)                                                                                                    \
    do {                                                                                                                    \
        if (!(condition)) cr_assert_fail("seed %llu, step %u: %s", (unsigned long long)world.seed, world.step, #condition); \
    } while (0)

static uint32_t pick(uint32_t n)
{
    world.random += 0x9e3779b97f4a7c15u; /* splitmix64 */
    uint64_t z = world.random;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ (z >> 31)) >> 32) % n;
}

/* ---- sums and rules, said again in the plainest way ---- */

static uint32_t slots_of(const struct model_pool *model)
{
    return model->opening + model->idle + model->leased + model->closing;
}

static uint32_t live_of(const struct model_pool *model)
{
    return model->opening + model->idle + model->leased;
}

enum sum { SLOTS, LIVE, OPENING, IDLE, LEASED, PROMISED, QUEUED };

static uint32_t sum(enum sum what)
{
    uint32_t total = 0;
    for (int i = 0; i < POOLS_MAX; i++) {
        const struct model_pool *model = &world.pools[i];
        switch (what) {
        case SLOTS: total += slots_of(model); break;
        case LIVE: total += live_of(model); break;
        case OPENING: total += model->opening; break;
        case IDLE: total += model->idle; break;
        case LEASED: total += model->leased; break;
        case PROMISED: total += model->pool.promised; break;
        case QUEUED: total += model->queued; break;
        }
    }
    return total;
}

static uint32_t limit_of(const struct model_pool *model)
{
    return model->pool.limit ? model->pool.limit : world.budget;
}

/* The pool's own circumstances allow one login more, beyond `promised` ones. */
static bool may_open(const struct model_pool *model, uint32_t promised)
{
    bool is_proven = model->idle + model->leased > 0 && model->pool.retry_at_us == 0;
    return slots_of(model) + promised < limit_of(model) && world.now_us >= model->pool.retry_at_us &&
           (is_proven || model->opening + promised == 0);
}

static bool wants_slot(const struct model_pool *model, uint32_t promised)
{
    return model->queued > model->idle + model->opening + promised && may_open(model, promised);
}

static bool deserves_slot_of(const struct model_pool *model, const struct model_pool *other)
{
    uint32_t mine = live_of(model) + model->pool.promised, theirs = live_of(other) + other->pool.promised;
    return mine == 0 || mine + 1 <= theirs - 1;
}

static bool is_settled(const struct model_pool *model)
{
    return world.now_us - model->idle_since_us[0] >= TURNSTILE_SETTLE_US;
}

/* ---- the model's servers and queue ---- */

static void add_idle(struct model_pool *model)
{
    model->idle_since_us[model->idle++] = world.now_us;
    model->pool.idle_since_us = model->idle_since_us[0];
}

static void take_idle(struct model_pool *model, bool is_longest)
{
    CHECK(model->idle > 0);
    model->idle--;
    if (is_longest) memmove(model->idle_since_us, model->idle_since_us + 1, model->idle * sizeof model->idle_since_us[0]);
    model->pool.idle_since_us = model->idle_since_us[0];
}

static void unqueue(struct model_pool *model, uint32_t at)
{
    world.is_waiting[model->queue[at] - world.waiters] = false;
    model->queued--;
    memmove(&model->queue[at], &model->queue[at + 1], (model->queued - at) * sizeof model->queue[0]);
}

/* ---- checks ---- */

static void check_counts(void)
{
    for (int i = 0; i < POOLS_MAX; i++) {
        const struct model_pool *model = &world.pools[i];
        const struct turnstile_pool *pool = &model->pool;
        CHECK(pool->opening == model->opening && pool->idle == model->idle && pool->leased == model->leased &&
              pool->closing == model->closing && pool->waiting == model->queued);
        CHECK(pool->first == (model->queued ? model->queue[0] : NULL));
    }
    CHECK(turnstile_slots(world.turnstile) == sum(SLOTS));
    CHECK(turnstile_waiting(world.turnstile) == sum(QUEUED));
    CHECK(sum(SLOTS) <= world.budget || sum(SLOTS) <= world.slots_before);
    CHECK(sum(PROMISED) == 0 || sum(LIVE) + sum(PROMISED) <= world.budget);
    world.slots_before = sum(SLOTS);
}

static void check_grant(const struct turnstile_order *order, struct model_pool *model)
{
    CHECK(model->queued > 0 && order->waiter == model->queue[0]);
    CHECK(order->waiter->pool == NULL);
    CHECK(sum(LIVE) <= world.budget);
    /* Nobody older, elsewhere, should have had this server. */
    for (int i = 0; i < POOLS_MAX; i++) {
        const struct model_pool *other = &world.pools[i];
        if (other == model || other->queued == 0 || other->queue[0]->ticket > order->waiter->ticket) continue;
        CHECK(other->idle == 0);
        bool can_move = wants_slot(other, other->pool.promised) && sum(OPENING) + sum(PROMISED) < world.logins_max;
        CHECK(!can_move || !deserves_slot_of(other, model));
    }
}

static void check_open(const struct model_pool *model)
{
    CHECK(sum(SLOTS) < world.budget);
    CHECK(sum(OPENING) < world.logins_max);
    CHECK(may_open(model, 0));
    if (model->queued > model->idle + model->opening) return;
    /* For the minimum, then: no waiter could have used the slot. */
    CHECK(live_of(model) < model->pool.minimum);
    for (int i = 0; i < POOLS_MAX; i++) CHECK(!wants_slot(&world.pools[i], 0));
}

static void check_evict(const struct model_pool *victim)
{
    CHECK(victim->idle > 0);
    if (sum(LIVE) > world.budget || live_of(victim) > limit_of(victim)) return;
    CHECK(sum(LIVE) - 1 + sum(PROMISED) <= world.budget); /* the promise just made counts in place of the victim */
    const struct model_pool *beneficiary = NULL;
    for (int i = 0; i < POOLS_MAX; i++) {
        const struct model_pool *other = &world.pools[i];
        if (other->pool.promised <= other->promised) continue;
        CHECK(beneficiary == NULL && other != victim && other->pool.promised == other->promised + 1);
        beneficiary = other;
    }
    CHECK(beneficiary != NULL);
    CHECK(sum(OPENING) + sum(PROMISED) <= world.logins_max);
    uint32_t held = live_of(beneficiary) + beneficiary->promised;
    bool is_left_over = victim->idle > victim->queued;
    bool deserves = held == 0 || held + 2 <= live_of(victim) + victim->promised;
    if (!is_left_over) CHECK(deserves && beneficiary->queue[0]->ticket < victim->queue[0]->ticket);
    CHECK(deserves || is_settled(victim));
    /* The longest idle of those that are left over, and none that is not while there is such a one. */
    for (int i = 0; i < POOLS_MAX; i++) {
        const struct model_pool *other = &world.pools[i];
        if (other->idle <= other->queued) continue;
        bool is_eligible = is_settled(other) || held == 0 || held + 2 <= live_of(other) + other->promised;
        CHECK(!is_eligible || (is_left_over && other->idle_since_us[0] >= victim->idle_since_us[0]));
    }
}

/* Orders have run out: nobody waits for what there is. */
static void check_work_conserved(void)
{
    int64_t next_us = turnstile_next_time(world.turnstile, world.now_us);
    CHECK(next_us > world.now_us);
    bool has_free_slot = sum(SLOTS) + sum(PROMISED) < world.budget, has_free_login = sum(OPENING) < world.logins_max;
    if (sum(LIVE) > world.budget) CHECK(sum(IDLE) == 0);
    for (int i = 0; i < POOLS_MAX; i++) {
        const struct model_pool *model = &world.pools[i];
        if (live_of(model) > limit_of(model)) CHECK(model->idle == 0);
        CHECK(model->idle == 0 || model->queued == 0);
        if (model->pool.promised > 0) CHECK(model->queued >= model->opening + model->pool.promised);
        if (model->pool.promised > 0 && has_free_login) CHECK(!wants_slot(model, 0) || sum(SLOTS) >= world.budget);
        bool lacks_minimum = model->is_there && live_of(model) < model->pool.minimum && may_open(model, model->pool.promised);
        if (has_free_slot && has_free_login) CHECK(!lacks_minimum && !wants_slot(model, model->pool.promised));
        bool could_lease = model->queued > model->opening && sum(LEASED) < world.budget;
        if (could_lease && world.now_us < model->pool.retry_at_us && model->opening == 0 && slots_of(model) < limit_of(model))
            CHECK(next_us <= model->pool.retry_at_us);
        if (!wants_slot(model, model->pool.promised)) continue;
        for (int j = 0; j < POOLS_MAX; j++) {
            const struct model_pool *other = &world.pools[j];
            if (other->idle == 0) continue;
            if (sum(OPENING) + sum(PROMISED) < world.logins_max) CHECK(!is_settled(other) && !deserves_slot_of(model, other));
            if (!is_settled(other)) CHECK(next_us <= other->idle_since_us[0] + TURNSTILE_SETTLE_US);
        }
    }
}

static void note_promises(void)
{
    for (int i = 0; i < POOLS_MAX; i++) world.pools[i].promised = world.pools[i].pool.promised;
}

static void drain(void)
{
    check_counts();
    note_promises();
    uint32_t orders = 0;
    for (struct turnstile_order order; turnstile_next(world.turnstile, world.now_us, &order);) {
        CHECK(++orders < 1000);
        struct model_pool *model = order.pool->owner;
        CHECK(model->is_there);
        switch (order.kind) {
        case TURNSTILE_GRANT:
            check_grant(&order, model);
            unqueue(model, 0);
            take_idle(model, pick(2));
            turnstile_accept(world.turnstile, &order, &model->leases[model->leased++], world.now_us);
            break;
        case TURNSTILE_OPEN:
            check_open(model);
            model->opening++;
            break;
        case TURNSTILE_EVICT:
            check_evict(model);
            take_idle(model, true);
            model->closing++;
            break;
        }
        check_counts();
        note_promises();
    }
    check_work_conserved();
}

/* ---- events ---- */

static void arrive(struct model_pool *model)
{
    if (turnstile_try(world.turnstile, &model->pool, world.key, world.now_us, &model->leases[model->leased])) {
        CHECK(model->queued == 0);
        take_idle(model, false);
        model->leased++;
        return;
    }
    CHECK(model->idle == 0 || model->queued > 0 || sum(LIVE) > world.budget || live_of(model) > limit_of(model));
    for (uint32_t i = 0; i < WAITERS_MAX; i++) {
        if (world.is_waiting[i]) continue;
        world.is_waiting[i] = true;
        model->queue[model->queued++] = &world.waiters[i];
        CHECK(turnstile_wait(world.turnstile, &model->pool, world.key, &world.waiters[i], world.now_us));
        CHECK(turnstile_position(&world.waiters[i]) == model->queued);
        return;
    }
}

static void leave(struct model_pool *model)
{
    if (model->queued == 0) return;
    uint32_t at = pick(model->queued);
    struct turnstile_waiter *waiter = model->queue[at];
    CHECK(turnstile_position(waiter) == at + 1);
    unqueue(model, at);
    turnstile_leave(world.turnstile, waiter);
    CHECK(waiter->pool == NULL);
    turnstile_leave(world.turnstile, waiter);
}

static void end_lease(struct model_pool *model)
{
    if (model->leased == 0) return;
    model->leased--;
    if (pick(40) == 0 && !world.is_ending) {
        model->closing++;
        turnstile_close_leased(world.turnstile, &model->pool, &model->leases[model->leased], world.now_us);
        return;
    }
    add_idle(model);
    turnstile_release(world.turnstile, &model->pool, &model->leases[model->leased], world.now_us);
}

static void end_login(struct model_pool *model, uint32_t failures_percent)
{
    if (model->opening == 0) return;
    model->opening--;
    if (pick(100) < failures_percent && !world.is_ending) {
        model->closing++;
        turnstile_open_failed(world.turnstile, &model->pool, world.now_us + pick(300000));
        return;
    }
    add_idle(model);
    turnstile_opened(world.turnstile, &model->pool);
}

static void end_closing(struct model_pool *model)
{
    if (model->closing == 0) return;
    model->closing--;
    turnstile_closed(world.turnstile, &model->pool);
}

static void reload(struct model_pool *model)
{
    switch (pick(4)) {
    case 0: world.budget = 1 + pick(14); break;
    case 1: world.logins_max = 1 + pick(5); break;
    case 2: model->pool.limit = pick(2) ? 0 : 1 + pick(6); break;
    case 3: model->pool.minimum = pick(2) ? 0 : pick(4); break;
    }
    turnstile_set_budget(world.turnstile, world.budget, world.logins_max);
}

static void come_or_go(struct model_pool *model)
{
    if (!model->is_there) {
        model->pool = (struct turnstile_pool){.owner = model};
        turnstile_add_pool(world.turnstile, &model->pool);
        model->is_there = true;
    } else if (slots_of(model) == 0 && model->queued == 0) {
        turnstile_remove_pool(world.turnstile, &model->pool);
        model->is_there = false;
        model->pool = (struct turnstile_pool){0};
    }
}

static void random_event(uint32_t arrivals, uint32_t failures_percent)
{
    struct model_pool *model = &world.pools[pick(POOLS_MAX)];
    uint32_t kind = pick(100 + arrivals);
    if (kind == 0 && pick(8) == 0) come_or_go(model);
    if (!model->is_there) return;
    if (kind >= 100)
        arrive(model);
    else if (kind == 1)
        reload(model);
    else if (kind < 6)
        leave(model);
    else if (kind < 8 && model->idle > 0) {
        take_idle(model, pick(2));
        model->closing++;
        turnstile_close_idle(world.turnstile, &model->pool);
    } else if (kind < 50)
        end_lease(model);
    else if (kind < 75)
        end_login(model, failures_percent);
    else
        end_closing(model);
}

/* Whatever happened before: once leases, logins and closings end, everybody is served. */
static void finish(void)
{
    world.is_ending = true;
    uint32_t rounds = 0;
    while (sum(QUEUED) > 0) {
        CHECK(++rounds < 5000);
        for (int i = 0; i < POOLS_MAX; i++) {
            struct model_pool *model = &world.pools[i];
            while (model->closing > 0) end_closing(model);
            while (model->opening > 0) end_login(model, 0);
            while (model->leased > 0) end_lease(model);
        }
        drain();
        int64_t next_us = turnstile_next_time(world.turnstile, world.now_us);
        bool is_still = sum(LIVE) == sum(IDLE) && sum(SLOTS) == sum(LIVE);
        if (is_still && sum(QUEUED) > 0) {
            CHECK(next_us < INT64_MAX);
            world.now_us = next_us;
            drain();
        }
    }
}

static void run(uint64_t seed, uint32_t steps)
{
    memset(&world, 0, sizeof world);
    world.seed = seed;
    world.random = seed;
    world.budget = 1 + pick(12);
    world.logins_max = 1 + pick(5);
    world.now_us = 1000000;
    world.turnstile = turnstile_new(world.budget, world.logins_max);
    world.key = turnstile_key_get(world.turnstile, 0, "", 0);
    uint32_t pool_count = 1 + pick(POOLS_MAX), arrivals = 10 + pick(60), failures_percent = pick(3) ? 0 : pick(90),
             pace_us = 1 + pick(20000);
    for (uint32_t i = 0; i < pool_count; i++) come_or_go(&world.pools[i]);
    for (world.step = 0; world.step < steps; world.step++) {
        world.now_us += pick(pace_us);
        random_event(arrivals, failures_percent);
        if (pick(10) > 0) drain();
    }
    drain();
    finish();
    for (int i = 0; i < POOLS_MAX; i++)
        while (world.pools[i].leased > 0) end_lease(&world.pools[i]);
    turnstile_key_put(world.turnstile, &world.key);
    turnstile_free(&world.turnstile);
}

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

Test(turnstile_simulation, random_events_break_no_promise)
{
    uint32_t steps = (uint32_t)number_from("TURNSTILE_STEPS", 4000);
    uint64_t seed = number_from("TURNSTILE_SEED", 0);
    if (seed > 0)
        run(seed, steps);
    else
        for (seed = 1; seed <= 300; seed++) run(seed, steps);
}
