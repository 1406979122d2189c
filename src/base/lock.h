/* A spin lock of four bytes, for critical sections of some tens of nanoseconds: a stripe of a table, a free list.
 *
 * Not for anything that may block, allocate a lot, call back or switch coroutines. It is not recursive and not fair.
 * All zero is unlocked. After some turns a waiter yields its core, so that an owner that the kernel has put aside gets
 * to run: without that, two threads on one core would spin for a whole time slice. */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/perturb.h"

enum { SPIN_TURNS = 100 };

struct spin {
    _Atomic uint32_t locked;
};

static inline void spin_init(struct spin *spin)
{
    atomic_init(&spin->locked, 0);
}

/* Tells the core that it waits: saves power and leaves the shared parts to the sibling thread. */
static inline void spin_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

/* Takes the lock if it is free. */
static inline bool spin_trylock(struct spin *spin)
{
    /* Acquire: pairs with the release in spin_unlock; the critical section sees what the last one wrote. */
    return atomic_exchange_explicit(&spin->locked, 1, memory_order_acquire) == 0;
}

static inline void spin_lock(struct spin *spin)
{
    perturb();
    while (!spin_trylock(spin)) {
        /* Waiting reads only: the line stays shared until the owner writes it. */
        for (unsigned turn = 0; atomic_load_explicit(&spin->locked, memory_order_relaxed) != 0; turn++) {
            if (turn < SPIN_TURNS)
                spin_pause();
            else
                sched_yield();
        }
    }
}

/* Only by the thread that took it. */
static inline void spin_unlock(struct spin *spin)
{
    atomic_store_explicit(&spin->locked, 0, memory_order_release);
    perturb();
}

#endif
