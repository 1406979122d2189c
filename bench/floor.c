/* The lower bound for a call to a process on the same node, as benchmarks are measured against it.
 *
 * One call = hash the id, find the actor in a table of 100,000, allocate a message, push it on the actor's
 * lock-free list, switch to a coroutine that takes it and answers in place, switch back, free the message.
 * There is no scheduler, no term, no bound, no timeout: a real runtime is slower; a third of this is very good.
 * Each thread calls 1,024 actors of its own, since nothing here makes one thread wait for another's handler.
 *
 * Build: cc -O2 floor.c -o floor -lboost_context -lpthread      Run: ./floor [threads]
 * Without a number it takes a thread for each usable core, as Mesh takes a worker.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

typedef void *context;
struct transfer {
    context from;
    void *data;
};
extern struct transfer jump_fcontext(context to, void *data);
extern context make_fcontext(void *stack_top, size_t size, void (*entry)(struct transfer));

enum { ACTORS = 100000, SLOTS = 1 << 18, IDS = 1024, WARM_UP_CALLS = 1000000, CALLS = 30000000, STACK = 65536 };

struct message {
    struct message *next;
    int64_t value;
    char payload[40];
};
struct actor {
    uint32_t hash;
    char id[24];
    _Atomic(struct message *) inbox;
    atomic_int scheduled;
    int64_t count;
};

static struct actor *table[SLOTS];
static pthread_barrier_t warm; /* passed by all threads and main when the clock starts */

static uint32_t hash_id(const char *id)
{
    uint32_t h = 2166136261u;
    for (; *id; id++)
        h = (h ^ (unsigned char)*id) * 16777619u;
    return h * 0x9E3779B1u;
}

static struct actor *find(const char *id)
{
    uint32_t h = hash_id(id);
    for (uint32_t i = h >> 14;; i++) {
        struct actor *a = table[i & (SLOTS - 1)];
        if (a == NULL || (a->hash == h && strcmp(a->id, id) == 0))
            return a;
    }
}

static void handler(struct transfer t)
{
    for (;;) {
        struct actor *a = t.data;
        struct message *m = atomic_exchange(&a->inbox, NULL);
        m->value = a->count += m->value;
        atomic_store(&a->scheduled, 0);
        t = jump_fcontext(t.from, m);
    }
}

static context call(context callee, const char *id)
{
    struct actor *a = find(id);
    struct message *m = malloc(sizeof *m);
    m->value = 1;
    m->next = atomic_load(&a->inbox);
    while (!atomic_compare_exchange_weak(&a->inbox, &m->next, m))
        ;
    if (atomic_exchange(&a->scheduled, 1) == 0)
        callee = jump_fcontext(callee, a).from;
    free(m);
    return callee;
}

static void *caller(void *arg)
{
    long number = (long)arg;
    char ids[IDS][24];
    char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    context callee = make_fcontext(stack + STACK, STACK, handler);
    for (int i = 0; i < IDS; i++)
        snprintf(ids[i], sizeof ids[i], "actor_%ld", i * 97L + number);
    for (long i = 0; i < WARM_UP_CALLS; i++)
        callee = call(callee, ids[i & (IDS - 1)]);
    pthread_barrier_wait(&warm);
    for (long i = 0; i < CALLS; i++)
        callee = call(callee, ids[i & (IDS - 1)]);
    munmap(stack, STACK);
    return NULL;
}

int main(int argc, char **argv)
{
    cpu_set_t cores;
    long threads = argc > 1 ? atol(argv[1]) : sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : 2;
    if (threads < 1 || threads > 64) {
        fprintf(stderr, "usage: floor [threads 1..64]\n");
        return 2;
    }
    for (int i = 0; i < ACTORS; i++) {
        struct actor *a = aligned_alloc(64, 128);
        memset(a, 0, 128);
        snprintf(a->id, sizeof a->id, "actor_%d", i);
        a->hash = hash_id(a->id);
        uint32_t slot = a->hash >> 14;
        while (table[slot & (SLOTS - 1)])
            slot++;
        table[slot & (SLOTS - 1)] = a;
    }
    pthread_t t[64];
    struct timespec from, to;
    pthread_barrier_init(&warm, NULL, (unsigned)threads + 1);
    for (long i = 0; i < threads; i++)
        pthread_create(&t[i], NULL, caller, (void *)i);
    pthread_barrier_wait(&warm);
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (long i = 0; i < threads; i++)
        pthread_join(t[i], NULL);
    clock_gettime(CLOCK_MONOTONIC, &to);
    double s = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) * 1e-9;
    printf("{\"bench\":\"call_spread\",\"who\":\"floor\",\"threads\":%ld,\"value\":%.0f,\"unit\":\"1/s\","
           "\"ns_per_call_per_thread\":%.1f}\n",
           threads, (double)threads * CALLS / s, s / CALLS * 1e9);
    return 0;
}
