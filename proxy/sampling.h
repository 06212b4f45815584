#ifndef PROXY_SAMPLING_H
#define PROXY_SAMPLING_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Whose rows are worth a look: the shapes that ran just before a likely child, for as long as now and then something comes of it; the first results of each shape, so that a
 * page can be told for what it is when it is visited for the first time; and one in so many of the others.
 * Bounded; a new wish takes the place of an older one. A zeroed struct wants nothing.
 */
enum { SAMPLING_PLACES = 4096 };

struct sampling_wish {
    uint64_t key; /* 0: free */
    uint32_t tries;
};

struct sampling {
    struct sampling_wish wishes[SAMPLING_PLACES];
    uint32_t counter;
    int64_t firsts_us, firsts_at_us; /* what first results have used up of their allowance, and when that was so */
};

/* Keys are hashes of shape, owner and route. */
void sampling_want(struct sampling *sampling, uint64_t key);
/* Its rows have proven something. */
void sampling_confirm(struct sampling *sampling, uint64_t key);
/* Whether to look at the rows of this execution. `every`: one in so many without a wish; 0: none. */
bool sampling_take(struct sampling *sampling, uint64_t key, uint32_t every);
/*
 * Whether to look at the rows of one of the first SAMPLING_FIRSTS executions of a shape. Yes, but for a stream of new shapes that does not end (texts that no rule makes
 * one shape): a thousand at once, then twenty a second.
 */
enum { SAMPLING_FIRSTS = 3 };
bool sampling_take_first(struct sampling *sampling, int64_t now_us);

#endif
