/* A pool of operating system threads for jobs that run long or block: workers, spare threads, mesh_blocking.
 *
 * A job gets a thread at once or is refused; nothing queues. So a job may wait for another one without a deadlock as
 * long as max is not reached. Threads block all signals but those that a fault raises in the thread itself (SIGSEGV,
 * SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT): blocked, these would kill the process past its crash handler. */
#ifndef BASE_THREADS_H
#define BASE_THREADS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum { THREADS_NAME_BYTES = 16, THREADS_DEFAULT_IDLE_MS = 10000 };

struct threads_options {
    const char *name;   /* of the threads, as ps -L and gdb show it; cut to 15 bytes, copied. NULL: the program's */
    size_t max;         /* threads at the same time; at least 1 */
    size_t keep;        /* this many stay when idle */
    unsigned idle_ms;   /* the others end after being idle so long; 0: THREADS_DEFAULT_IDLE_MS */
    size_t stack_bytes; /* 0: the system's default, usually 8 MiB of address space */
};

struct threads_stats {
    size_t count; /* threads that exist */
    size_t idle;  /* of these, without a job */
};

struct thread;

struct threads {
    /* Constant after init. */
    char name[THREADS_NAME_BYTES];
    size_t max;
    size_t keep;
    unsigned idle_ms;
    pthread_attr_t attr;
    pthread_condattr_t monotonic;

    pthread_mutex_t lock; /* everything below; a leaf: jobs run and threads are made without it */
    pthread_cond_t none;  /* count has become 0 */
    size_t count;
    size_t idle_count;
    struct thread *idle;  /* the latest first: its caches are warm, and the others get to end */
    struct thread *ended; /* the one that ended last and is not joined yet, or NULL */
    bool stopping;
};

/* Prepares a pool in the caller's memory, without a thread. MESH_EINVAL: max is 0, or stack_bytes is less than the
 * system allows. */
int threads_init(struct threads *pool, const struct threads_options *options);

/* Refuses new jobs, waits until all accepted ones have returned, and joins every thread. Never from a job. */
void threads_fini(struct threads *pool);

/* Runs fn(arg) on a thread of the pool, soon. fn and arg are the job's until it returns; what the caller wrote before
 * is visible to it. Any thread, jobs included. MESH_ESYSTEM: max threads are at work, or the system gives no more.
 * MESH_ESTOPPED: threads_fini has begun (only a job can see it). */
int threads_run(struct threads *pool, void (*fn)(void *arg), void *arg);

/* Any thread; the numbers belong together. */
void threads_stats(struct threads *pool, struct threads_stats *stats);

#endif
