#ifndef TESTS_E2E_SUPPORT_SAMPLER_H
#define TESTS_E2E_SUPPORT_SAMPLER_H

#include "tests/e2e/support/postgres.h"

/*
 * A thread that counts PostgreSQL's client connections as fast as it can, over a superuser's connection of its own, and keeps the
 * highest number. The tests' own direct connections (user postgres) do not count.
 */
struct sampler;

struct sampler *sampler_start(const struct postgres *postgres);
/* The highest number so far, and of how many samples. */
int sampler_peak(const struct sampler *sampler);
int sampler_count(const struct sampler *sampler);
/* Stop, free, return the highest number. */
int sampler_stop(struct sampler **sampler);

#endif
