/* Places where threads meet: in builds with a sanitizer a test can have them interleave otherwise than they mostly do.
 *
 * perturb() stands where another thread could come in between: before and after a lock, between the two halves of a
 * hand-shake. Once a test has given a seed, each thread there draws from a sequence of its own whether to go on, to
 * yield, or to stand aside for longer. What follows from a seed is which draws the n-th thread makes; which thread runs
 * when stays the kernel's choice, so that a failing seed fails again often, not always.
 *
 * In all other builds it is nothing, and costs nothing. The seed belongs to the program and not to a node: there is one
 * such test in a program, and it is not part of what ships. */
#ifndef BASE_PERTURB_H
#define BASE_PERTURB_H

#include <stdint.h>

#ifdef MESH_PERTURB

/* Begins a sequence; 0 ends it. Any thread. */
void perturb_seed(uint64_t seed);

void perturb(void);

#else

static inline void perturb_seed(uint64_t seed)
{
    (void)seed;
}

static inline void perturb(void)
{
}

#endif

#endif
