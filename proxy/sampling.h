#ifndef PROXY_SAMPLING_H
#define PROXY_SAMPLING_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Whose rows are worth a look: the shapes that ran just before a likely child, for as long as now and then something comes of it, and one in so many of the others.
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
};

/* Keys are hashes of shape, owner and route. */
void sampling_want(struct sampling *sampling, uint64_t key);
/* Its rows have proven something. */
void sampling_confirm(struct sampling *sampling, uint64_t key);
/* Whether to look at the rows of this execution. `every`: one in so many without a wish; 0: none. */
bool sampling_take(struct sampling *sampling, uint64_t key, uint32_t every);

#endif
