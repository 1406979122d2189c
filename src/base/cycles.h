/* A clock for the path of every call: CLOCK_MONOTONIC, read through the processor's own counter.
 *
 * clock_now_ns takes 20 ns, most of it to be exact across all cores of the machine; a counter takes 8. So a thread
 * reads both now and then (cycles_sync), and in between adds what the counter says has passed. The rate is measured
 * all the time. Where there is no counter that runs at a constant rate in all states, both are clock_now_ns. */
#ifndef BASE_CYCLES_H
#define BASE_CYCLES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

/* Owned by one thread at a time. All zero is a clock that is not used yet. */
struct cycles {
    uint64_t ns, count;               /* at the last sync */
    uint64_t anchor_ns, anchor_count; /* since when the rate is measured */
    uint64_t rate;                    /* ns of a count, times 2^32; 0: not known yet */
    bool usable;
};

void cycles_init(struct cycles *c);

/* Reads the exact clock, corrects the rate; the time. At least once in a few seconds. */
uint64_t cycles_sync(struct cycles *c);

#if defined(__x86_64__)
static inline uint64_t cycles_count(void)
{
    return __builtin_ia32_rdtsc();
}
#else
static inline uint64_t cycles_count(void)
{
    return 0;
}
#endif

/* The time. May be a few ns before what another thread saw last. */
static inline uint64_t cycles_now(const struct cycles *c)
{
    if (__builtin_expect(c->rate == 0, 0))
        return clock_now_ns();
    uint64_t passed = cycles_count() - c->count;
    return c->ns + (passed >> 32) * c->rate + ((passed & 0xffffffff) * c->rate >> 32);
}

#endif
