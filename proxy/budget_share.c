/*
 * The split of a budget over two processes. Invariant: ceiling is never less than what the older can hold, whatever messages are still on their way.
 */
#include "proxy/budget_share.h"

static uint32_t most(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

void budget_share_init(struct budget_share *share, uint32_t budget)
{
    *share = (struct budget_share){.budget = budget, .allowed = UINT32_MAX, .ceiling = UINT32_MAX, .wanted = budget};
}

void budget_share_reported(struct budget_share *share, uint32_t allowed, uint32_t held)
{
    if (allowed == share->allowed) share->is_awaiting = false;
    /* It is above what it was allowed only until leases end, and never opens anything meanwhile. */
    share->ceiling = most(most(share->allowed, allowed), held);
}

/* Both want more than there is: parts as the demands are, at least one for each. */
static uint32_t split_scarce(const struct budget_share *share, uint32_t older, uint32_t younger)
{
    if (share->budget == 1) return share->wanted == 0 ? 1 : 0; /* in turns */
    uint32_t part = (uint32_t)((uint64_t)share->budget * older / ((uint64_t)older + younger));
    return part == 0 ? 1 : part == share->budget ? share->budget - 1 : part;
}

/* There is enough: what is left over goes by the number of clients, so that those of the older who rest find a server open when they come back. */
static uint32_t split_plenty(const struct budget_share *share, const struct budget_side *older, const struct budget_side *younger)
{
    uint32_t spare = share->budget - older->demand - younger->demand;
    uint64_t clients = (uint64_t)older->clients + younger->clients;
    uint32_t part = clients > 0 ? (uint32_t)((uint64_t)spare * older->clients / clients) : 0;
    if (part == 0 && older->clients > 0 && older->demand == 0 && spare > 1) part = 1;
    return older->demand + part;
}

void budget_share_decide(struct budget_share *share, const struct budget_side *older, const struct budget_side *younger)
{
    uint32_t wanted;
    if (older->clients == 0)
        wanted = 0;
    else if ((uint64_t)older->demand + younger->demand > share->budget)
        wanted = older->demand == 0 ? 0 : younger->demand == 0 ? share->budget : split_scarce(share, older->demand, younger->demand);
    else
        wanted = split_plenty(share, older, younger);
    /* A small move is not worth the logins that it costs. */
    uint32_t distance = wanted > share->wanted ? wanted - share->wanted : share->wanted - wanted;
    bool is_end = wanted == 0 || share->wanted == 0 || share->wanted >= share->budget;
    if (is_end || distance > share->budget / 8) share->wanted = wanted;
}

uint32_t budget_share_own(const struct budget_share *share)
{
    uint32_t theirs = most(share->ceiling, share->wanted);
    return theirs < share->budget ? share->budget - theirs : 0;
}

bool budget_share_next(struct budget_share *share, uint32_t held, uint32_t *allowed_out)
{
    if (share->is_awaiting || share->wanted == share->allowed) return false;
    bool is_raised = share->wanted > share->ceiling;
    if (is_raised && (uint64_t)held + share->wanted > share->budget) return false;
    share->allowed = *allowed_out = share->wanted;
    share->is_awaiting = true;
    if (is_raised) share->ceiling = share->wanted;
    return true;
}
