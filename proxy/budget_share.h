#ifndef PROXY_BUDGET_SHARE_H
#define PROXY_BUDGET_SHARE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * How two processes share one budget while the older drains after a restart. The younger decides; the older reports what it holds, and never opens a
 * connection above what it was allowed last. Messages are in order and may be late: at any moment both together hold at most the budget.
 */
struct budget_share {
    uint32_t budget;  /* of both together; the caller's to change, followed by budget_share_own */
    uint32_t allowed; /* what the older was told last */
    uint32_t ceiling; /* the most that the older may hold, as far as is known here */
    uint32_t wanted;  /* what the older is to be allowed once there is room for it */
    bool is_awaiting; /* the older has not yet said that `allowed` is in force: it is told nothing new before */
};

/* One side: a count of its clients, the slots it holds, and those it could use: leased, being opened, waited for. */
struct budget_side {
    uint32_t clients, held, demand;
};

/* From here on: the older may hold everything until it says otherwise. */
void budget_share_init(struct budget_share *share, uint32_t budget);
/* The older says that `allowed` is in force there and that it holds `held`. */
void budget_share_reported(struct budget_share *share, uint32_t allowed, uint32_t held);
/* Choose what the older is to have. */
void budget_share_decide(struct budget_share *share, const struct budget_side *older, const struct budget_side *younger);
/* The budget of the younger, to be set before budget_share_next. */
uint32_t budget_share_own(const struct budget_share *share);
/* What to tell the older now, given that the younger holds `held`. False: nothing new. */
bool budget_share_next(struct budget_share *share, uint32_t held, uint32_t *allowed_out);

#endif
