/* Two places for each key, and patience that runs out: a shape whose rows prove nothing costs as little as any other in the end. */
#include "proxy/sampling.h"

#include <stddef.h>

enum { PATIENCE = 64, FIRSTS_AT_ONCE = 1000, FIRST_US = 50000 };

static struct sampling_wish *find(struct sampling *sampling, uint64_t key)
{
    size_t at = (key ^ key >> 31) & (SAMPLING_PLACES - 2);
    if (sampling->wishes[at].key == key) return &sampling->wishes[at];
    if (sampling->wishes[at + 1].key == key) return &sampling->wishes[at + 1];
    return NULL;
}

void sampling_want(struct sampling *sampling, uint64_t key)
{
    if (find(sampling, key) != NULL) return;
    size_t at = (key ^ key >> 31) & (SAMPLING_PLACES - 2);
    /* The one with fewer tries is newer, or was confirmed. */
    if (sampling->wishes[at].key != 0 &&
        (sampling->wishes[at + 1].key == 0 || sampling->wishes[at + 1].tries >= sampling->wishes[at].tries))
        at++;
    sampling->wishes[at] = (struct sampling_wish){.key = key};
}

void sampling_confirm(struct sampling *sampling, uint64_t key)
{
    struct sampling_wish *wish = find(sampling, key);
    if (wish != NULL) wish->tries = 0;
}

bool sampling_take(struct sampling *sampling, uint64_t key, uint32_t every)
{
    struct sampling_wish *wish = find(sampling, key);
    if (wish != NULL) {
        uint32_t tries = wish->tries++;
        if (tries < PATIENCE || tries % PATIENCE == 0) return true;
        return false;
    }
    return every > 0 && sampling->counter++ % every == every - 1;
}

bool sampling_take_first(struct sampling *sampling, int64_t now_us)
{
    int64_t passed_us = now_us - sampling->firsts_at_us;
    sampling->firsts_us = passed_us < sampling->firsts_us ? sampling->firsts_us - passed_us : 0;
    sampling->firsts_at_us = now_us;
    if (sampling->firsts_us > (int64_t)(FIRSTS_AT_ONCE - 1) * FIRST_US) return false;
    sampling->firsts_us += FIRST_US;
    return true;
}
