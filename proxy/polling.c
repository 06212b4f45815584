/* Even means: no interval is more than half as long again as any other. People clicking, and requests as they come, are not even. */
#include "proxy/polling.h"

static bool is_even(const struct polling *polling)
{
    return polling->most_us <= polling->least_us + polling->least_us / 2;
}

bool polling_note(struct polling *polling, uint64_t shape, uint64_t parameters, int64_t sent_us, uint32_t least)
{
    uint64_t question = shape * 0x9e3779b97f4a7c15U ^ parameters;
    int64_t interval_us = sent_us - polling->last_us;
    bool is_same = polling->count > 0 && polling->question == question && interval_us <= POLLING_INTERVAL_MAX_US;
    if (is_same) {
        uint32_t interval = (uint32_t)interval_us;
        if (polling->count == 1 || interval < polling->least_us) polling->least_us = interval;
        if (polling->count == 1 || interval > polling->most_us) polling->most_us = interval;
        is_same = is_even(polling);
    }
    if (!is_same) *polling = (struct polling){.question = question, .first_us = sent_us};
    if (polling->count >= least) polling->count = 0;
    if (polling->count == 0) polling->first_us = sent_us;
    polling->count++;
    polling->last_us = sent_us;
    return polling->count == least;
}

void polling_reset(struct polling *polling)
{
    *polling = (struct polling){0};
}
