/* The random numbers of property tests: splitmix64, so that a seed gives the same run everywhere. */
#ifndef TESTS_PROPERTY_RANDOM_H
#define TESTS_PROPERTY_RANDOM_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t random_next(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15U;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
    x = (x ^ x >> 27) * 0x94d049bb133111ebU;
    return x ^ x >> 31;
}

/* A number from 0 to below - 1; the bias is far below what a test could see. */
static inline size_t random_below(uint64_t *state, size_t below)
{
    return (size_t)(random_next(state) % below);
}

#endif
