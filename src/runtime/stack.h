/* Coroutine stacks: memory with a guard page below it, reused.
 *
 * A pool belongs to one node. Workers keep small caches of ready coroutines of their own above it, so the pool is
 * asked rarely and a mutex is enough. Nothing here knows what runs on a stack. */
#ifndef RUNTIME_STACK_H
#define RUNTIME_STACK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    STACK_MIN_BYTES = 16 * 1024,
    STACK_DEFAULT_BYTES = 64 * 1024,
    STACK_MAX_BYTES = 64 * 1024 * 1024,
    STACK_DEFAULT_MAX = 16384,
    STACK_LIMIT_MAX = 1 << 20,
    STACK_DEFAULT_MAX_CACHED = 256,
};

/* One stack. It grows down from top to low; the guard page is right below low. All fields are constant while the pool
 * lives, except next, which is the pool's. */
struct stack {
    char *low;    /* first usable byte, page aligned */
    char *top;    /* one past the last usable byte, 64-byte aligned */
    size_t index; /* 0, 1, 2 … in the order of first use */
    struct stack *next;
};

struct stack_options {
    size_t size_bytes; /* of one stack, rounded up to pages; 0: STACK_DEFAULT_BYTES. Colouring takes < 2 KiB of it */
    size_t max;        /* stacks that may be out at the same time; 0: STACK_DEFAULT_MAX */
    size_t max_cached; /* free stacks that keep their memory; 0: STACK_DEFAULT_MAX_CACHED */
    bool no_advice;    /* guard by mprotect even where the kernel has MADV_GUARD_INSTALL (for tests) */
};

struct stack_stats {
    size_t live;   /* handed out */
    size_t cached; /* free, with the memory they last used */
    size_t carved; /* ever handed out: live + cached + those that gave their memory back */
};

struct stack_chunk;

struct stack_pool {
    /* Constant after init. */
    size_t size_bytes;
    size_t page_bytes;
    size_t max;
    size_t max_cached;
    bool guard_by_advice;

    /* Written under lock, read without it by stack_guard_owner: a chunk is filled, then stored (release). */
    _Atomic(struct stack_chunk *) *chunks;

    pthread_mutex_t lock; /* everything below; nothing is called and no other lock is taken under it */
    size_t carved;
    size_t live;
    size_t cached_count;
    struct stack *cached;
    struct stack *clean; /* free, memory given back */
};

/* Prepares a pool in the caller's memory; maps nothing yet. options may be NULL: all defaults.
 * MESH_EINVAL: a size outside STACK_MIN_BYTES … STACK_MAX_BYTES, or max over STACK_LIMIT_MAX. MESH_ENOMEM. */
int stack_pool_init(struct stack_pool *pool, const struct stack_options *options);

/* Unmaps all stacks; every one must have been put back. Nobody else may use the pool any more. */
void stack_pool_fini(struct stack_pool *pool);

/* A stack for the caller until it is put back, or NULL when max are out or the system gives no memory or no guard.
 * The contents are what its last user left, or zero. Any thread. */
struct stack *stack_pool_get(struct stack_pool *pool);

/* Takes a stack of this pool back; nothing may run on it. Any thread, not only the one that got it. */
void stack_pool_put(struct stack_pool *pool, struct stack *stack);

/* Any thread; the numbers belong together. */
void stack_pool_stats(struct stack_pool *pool, struct stack_stats *stats);

/* The stack whose guard page holds addr, or NULL. A SIGSEGV handler asks with si_addr: an answer means that this stack
 * overflowed. The handler itself needs sigaltstack: the stack it reports has no room. Async-signal-safe: takes no lock,
 * any thread, at any time between init and fini. Linear in the chunks of 64 stacks. */
const struct stack *stack_guard_owner(const struct stack_pool *pool, const void *addr);

#endif
