#ifndef TESTS_SIM_PICTURE_H
#define TESTS_SIM_PICTURE_H

#include "tests/sim/engine.h"

/*
 * Writes one SVG file: for each result a column, with the slots by kind of client over time above, and how many wait below. All columns have the
 * same scales. Returns 0, or -1 when the file could not be written.
 */
int picture_write(const char *path, const char *title, const struct sim_load *load, const struct sim_result *results,
                  uint32_t result_count);

#endif
