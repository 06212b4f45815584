#ifndef TESTS_DEMO_SAMPLER_H
#define TESTS_DEMO_SAMPLER_H

#include <stdbool.h>

/*
 * Asks PostgreSQL itself, on a direct connection and all the time, how many connections there are besides its own. A thread of its own.
 */
struct sampler_result {
    int peak;
    int end; /* the last count */
    long samples;
    bool has_failed;
    char error[200];
};

struct sampler;
/* NULL when the database cannot be reached. */
struct sampler *sampler_start(const char *conninfo);
/* Stops the thread and frees the sampler. */
struct sampler_result sampler_stop(struct sampler **sampler);

#endif
