#include <criterion/criterion.h>
#include <stdlib.h>

#include "proxy/budget_share.h"

TestSuite(budget_share);

static struct budget_share begun(uint32_t budget)
{
    struct budget_share share;
    budget_share_init(&share, budget);
    return share;
}

Test(budget_share, nothing_is_ours_before_the_older_has_spoken)
{
    struct budget_share share = begun(85);
    uint32_t allowed;
    cr_assert_eq(budget_share_own(&share), 0);
    cr_assert(budget_share_next(&share, 0, &allowed));
    cr_assert_eq(allowed, 85);
    cr_assert_eq(budget_share_own(&share), 0);
    budget_share_reported(&share, UINT32_MAX, 40); /* from before it heard */
    cr_assert_eq(budget_share_own(&share), 0);
    budget_share_reported(&share, 85, 40);
    cr_assert_eq(budget_share_own(&share), 0);
}

Test(budget_share, a_part_is_ours_when_the_older_has_given_it_up)
{
    struct budget_share share = begun(10);
    uint32_t allowed;
    cr_assert(budget_share_next(&share, 0, &allowed));
    budget_share_reported(&share, 10, 10);
    budget_share_decide(&share, &(struct budget_side){.clients = 20, .held = 10, .demand = 10},
                        &(struct budget_side){.clients = 20, .demand = 10});
    cr_assert(budget_share_next(&share, 0, &allowed));
    cr_assert_eq(allowed, 5);
    cr_assert_eq(budget_share_own(&share), 0);
    budget_share_reported(&share, 5, 8);
    cr_assert_eq(budget_share_own(&share), 2);
    budget_share_reported(&share, 5, 4);
    cr_assert_eq(budget_share_own(&share), 5);
    cr_assert_not(budget_share_next(&share, 5, &allowed));
}

Test(budget_share, the_older_gets_more_only_when_we_have_given_it_up)
{
    struct budget_share share = begun(10);
    uint32_t allowed;
    cr_assert(budget_share_next(&share, 0, &allowed));
    budget_share_reported(&share, 10, 0);
    budget_share_decide(&share, &(struct budget_side){.clients = 1}, &(struct budget_side){.clients = 9, .demand = 10});
    cr_assert(budget_share_next(&share, 0, &allowed));
    cr_assert_eq(allowed, 0);
    budget_share_reported(&share, 0, 0);
    cr_assert_eq(budget_share_own(&share), 10);
    budget_share_decide(&share, &(struct budget_side){.clients = 1, .demand = 5},
                        &(struct budget_side){.clients = 9, .held = 10, .demand = 5});
    cr_assert_eq(budget_share_own(&share), 5);
    cr_assert_not(budget_share_next(&share, 10, &allowed));
    cr_assert(budget_share_next(&share, 5, &allowed));
    cr_assert_eq(allowed, 5);
}

Test(budget_share, without_clients_the_older_gets_nothing)
{
    struct budget_share share = begun(10);
    budget_share_reported(&share, 10, 3);
    budget_share_decide(&share, &(struct budget_side){.held = 3}, &(struct budget_side){.clients = 1});
    cr_assert_eq(share.wanted, 0);
}

/* Each is left at least one when both want more than there is; of a budget of one they take turns. */
Test(budget_share, nobody_starves)
{
    struct budget_share share = begun(10);
    budget_share_decide(&share, &(struct budget_side){.clients = 1, .demand = 1}, &(struct budget_side){.clients = 999, .demand = 999});
    cr_assert_eq(share.wanted, 1);
    budget_share_decide(&share, &(struct budget_side){.clients = 999, .demand = 999}, &(struct budget_side){.clients = 1, .demand = 1});
    cr_assert_eq(share.wanted, 9);
    share = begun(1);
    struct budget_side side = {.clients = 3, .demand = 3};
    budget_share_decide(&share, &side, &side);
    uint32_t first = share.wanted;
    budget_share_decide(&share, &side, &side);
    cr_assert_eq(first + share.wanted, 1);
}

/* ---- the invariant, with messages that are late ---- */

enum { IN_FLIGHT = 16 };
struct pipe {
    struct {
        uint32_t allowed, held;
    } messages[IN_FLIGHT];
    unsigned first, end;
};

static bool is_full(const struct pipe *pipe)
{
    return pipe->end - pipe->first == IN_FLIGHT;
}

/* An older process that opens what it may and closes what it likes. */
static void move_older(uint32_t *held, uint32_t allowed)
{
    if (rand() % 2 == 0 && *held < allowed) *held += 1 + (uint32_t)rand() % (allowed - *held);
    if (rand() % 3 == 0 && *held > 0) *held -= 1 + (uint32_t)rand() % *held;
}

static void run_random(unsigned seed, uint32_t budget)
{
    struct budget_share share = begun(budget);
    struct pipe to_older = {.end = 0}, to_younger = {.end = 0};
    uint32_t older_allowed = budget, older_held = budget, younger_held = 0, allowed;
    srand(seed);
    for (int step = 0; step < 5000; step++) {
        struct budget_side older = {.clients = (uint32_t)rand() % 9, .demand = (uint32_t)rand() % (2 * budget)};
        struct budget_side younger = {.clients = (uint32_t)rand() % 9, .demand = (uint32_t)rand() % (2 * budget)};
        move_older(&older_held, older_allowed);
        move_older(&younger_held, budget_share_own(&share));
        if (rand() % 4 == 0) budget_share_decide(&share, &older, &younger);
        if (!is_full(&to_older) && budget_share_next(&share, younger_held, &allowed))
            to_older.messages[to_older.end++ % IN_FLIGHT].allowed = allowed;
        if (rand() % 3 == 0 && to_older.first != to_older.end) older_allowed = to_older.messages[to_older.first++ % IN_FLIGHT].allowed;
        if (rand() % 2 == 0 && !is_full(&to_younger)) {
            to_younger.messages[to_younger.end % IN_FLIGHT].allowed = older_allowed;
            to_younger.messages[to_younger.end++ % IN_FLIGHT].held = older_held;
        }
        if (rand() % 3 == 0 && to_younger.first != to_younger.end) {
            budget_share_reported(&share, to_younger.messages[to_younger.first % IN_FLIGHT].allowed,
                                  to_younger.messages[to_younger.first % IN_FLIGHT].held);
            to_younger.first++;
        }
        cr_assert_leq(older_held + younger_held, budget, "seed %u, step %d: %u and %u", seed, step, older_held, younger_held);
    }
    /* And it does not get stuck: with everything delivered, and no client left there, all of it is ours. */
    for (int round = 0; round < 4; round++) {
        budget_share_decide(&share, &(struct budget_side){.clients = 0}, &(struct budget_side){.clients = 1});
        if (budget_share_next(&share, 0, &allowed)) to_older.messages[to_older.end++ % IN_FLIGHT].allowed = allowed;
        while (to_older.first != to_older.end) older_allowed = to_older.messages[to_older.first++ % IN_FLIGHT].allowed;
        for (; to_younger.first != to_younger.end; to_younger.first++)
            budget_share_reported(&share, to_younger.messages[to_younger.first % IN_FLIGHT].allowed,
                                  to_younger.messages[to_younger.first % IN_FLIGHT].held);
        budget_share_reported(&share, older_allowed, 0);
    }
    cr_assert_eq(budget_share_own(&share), budget, "seed %u", seed);
}

Test(budget_share, both_together_never_exceed_the_budget)
{
    for (unsigned seed = 1; seed <= 200; seed++) run_random(seed, 1 + seed % 12);
}
