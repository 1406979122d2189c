/* Drawing whether to go on: see perturb.h. */
#include "base/perturb.h"

#include <sched.h>
#include <stdatomic.h>

enum { ONE_IN = 16, LONG_ONE_IN = 1024, LONG_TURNS = 64 };

static _Atomic uint64_t current;    /* seed; 0: off */
static _Atomic uint64_t drawers;    /* threads that draw from it, and did from others before */
static _Thread_local uint64_t mine; /* the seed that this thread draws from */
static _Thread_local uint64_t state;

void perturb_seed(uint64_t seed)
{
    atomic_store_explicit(&current, seed, memory_order_relaxed);
}

/* Relaxed throughout: nothing may be ordered by this, or it would hide what it is to find. */
void perturb(void)
{
    uint64_t seed = atomic_load_explicit(&current, memory_order_relaxed);
    if (seed == 0)
        return;
    if (mine != seed) {
        mine = seed;
        state = seed + (atomic_fetch_add_explicit(&drawers, 1, memory_order_relaxed) << 32);
    }
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    uint32_t draw = (uint32_t)(state >> 40);
    int turns = draw % LONG_ONE_IN == 0 ? LONG_TURNS : draw % ONE_IN == 0;
    for (int i = 0; i < turns; i++)
        sched_yield();
}
