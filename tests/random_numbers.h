#ifndef TESTS_RANDOM_NUMBERS_H
#define TESTS_RANDOM_NUMBERS_H

#include <stdint.h>

/* Random numbers that are the same in every run: xorshift64 (Marsaglia). `*state` begins as any number but 0. */
static inline uint64_t random_numbers_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

/* The lower bits are the weaker ones. */
static inline uint32_t random_numbers_below(uint64_t *state, uint32_t limit)
{
    return (uint32_t)(random_numbers_next(state) >> 32) % limit;
}

#endif
