/* The watchdog: a thread that sees to it that a handler which keeps its thread delays nobody else.
 *
 * While workers run handlers it looks at their seats every few milliseconds. A handler that is still the same after
 * WATCHDOG_TAKE_NS loses its worker to another thread (worker.h tells how); one that runs for stuck_ms is reported,
 * once, with its module and id. Without membarrier, which taking needs (some emulators and sandboxes have none), it
 * only reports, and cannot tell module and id; a warning at start says so. It parks when no handler has run for a
 * while, and costs nothing then. */
#ifndef RUNTIME_WATCHDOG_H
#define RUNTIME_WATCHDOG_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct runtime;

#define WATCHDOG_TURN_NS UINT64_C(4000000)
#define WATCHDOG_TAKE_NS UINT64_C(5000000)
#define WATCHDOG_IDLE_TURNS 50

struct watchdog {
    struct runtime *runtime;
    pthread_t thread;
    pthread_mutex_t lock; /* stop; and parking */
    pthread_cond_t wake;
    bool started;
    bool only_reports; /* no membarrier; constant once started */
    bool stop;
    _Atomic bool parked;
};

int watchdog_start(struct watchdog *dog, struct runtime *rt);
void watchdog_stop(struct watchdog *dog);
void watchdog_wake(struct watchdog *dog);

/* A worker is about to run handlers. */
static inline void watchdog_notice(struct watchdog *dog)
{
    if (__builtin_expect(atomic_load_explicit(&dog->parked, memory_order_relaxed), 0))
        watchdog_wake(dog);
}

#endif
