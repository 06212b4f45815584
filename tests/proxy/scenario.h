#ifndef TESTS_PROXY_SCENARIO_H
#define TESTS_PROXY_SCENARIO_H

#include <stddef.h>
#include <stdint.h>

/*
 * Plays the scripts of detector_scenarios.txt, whose beginning explains their language, against a detector on a clock of its own.
 */
struct scenario_result {
    char name[160];
    size_t expected, found; /* findings */
    size_t proven_expected, proven_found, proven_right;
    size_t problems;
    char report[4096]; /* what is wrong, a line each */
};

/* Plays all of the file, calling `done` after each. `sample_every`: where a scenario does not set it; 0: as configured without a setting. How many there were; aborts with a message when the file cannot be read or understood. */
size_t scenarios_play(const char *path, uint32_t sample_every, void (*done)(void *context, const struct scenario_result *result),
                      void *context);

#endif
