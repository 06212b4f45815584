#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/proxy/scenario.h"

enum { SCENARIOS_MIN = 60 };

struct tally {
    size_t failed, expected, found, proven_expected, proven_found, proven_right;
};

static void add(void *context, const struct scenario_result *result)
{
    struct tally *tally = context;
    tally->expected += result->expected;
    tally->found += result->found;
    tally->proven_expected += result->proven_expected;
    tally->proven_found += result->proven_found;
    tally->proven_right += result->proven_right;
    if (result->problems == 0) return;
    tally->failed++;
    fprintf(stderr, "%s\n%s", result->name, result->report);
}

static void play(uint32_t sample_every)
{
    struct tally tally = {0};
    const char *top = getenv("SOURCE_DIR");
    char path[512];
    snprintf(path, sizeof path, "%s/tests/proxy/detector_scenarios.txt", top != NULL ? top : ".");
    size_t count = scenarios_play(path, sample_every, add, &tally);
    fprintf(stderr, "%zu scenarios, %zu findings expected, %zu found; proven: %zu expected, %zu found, %zu of them right\n", count,
            tally.expected, tally.found, tally.proven_expected, tally.proven_found, tally.proven_right);
    cr_expect_geq(count, SCENARIOS_MIN);
    cr_expect_eq(tally.failed, 0, "%zu scenarios failed", tally.failed);
    cr_expect_eq(tally.proven_found, tally.proven_right, "a false proven");
    cr_expect_eq(tally.proven_expected, tally.proven_right, "a missed proven");
}

Test(detector_scenarios, each_finds_what_it_should_and_nothing_else)
{
    play(1);
}

/* Each begins with nothing known, as after a start: the first results of each shape are enough. */
Test(detector_scenarios, as_configured_the_first_visit_is_enough)
{
    play(0);
}
