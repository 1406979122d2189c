/* Threads that take one job after the other and end when there is none for long.
 *
 * Each idle thread waits on a condition variable of its own, so a job wakes exactly the thread it is given to. Ended
 * threads are joined in a chain: one that ends joins the one that ended before it, and threads_fini joins the last.
 * Hence no thread is detached (it could outlive the pool), and at most one is ended and not joined. */
#include "base/threads.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mesh/error.h>

struct thread {
    struct threads *pool;
    pthread_t id;
    pthread_cond_t wake;
    void (*fn)(void *arg); /* the job; NULL while idle */
    void *arg;
    struct thread *next; /* in the list of idle threads */
};

int threads_init(struct threads *pool, const struct threads_options *options)
{
    if (options->max == 0)
        return MESH_EINVAL;
    *pool = (struct threads){
        .max = options->max,
        .keep = options->keep,
        .idle_ms = options->idle_ms != 0 ? options->idle_ms : THREADS_DEFAULT_IDLE_MS,
    };
    pthread_attr_init(&pool->attr);
    if (options->stack_bytes != 0 && pthread_attr_setstacksize(&pool->attr, options->stack_bytes) != 0) {
        pthread_attr_destroy(&pool->attr);
        return MESH_EINVAL;
    }
    if (options->name != NULL)
        memcpy(pool->name, options->name, strnlen(options->name, sizeof pool->name - 1));
    pthread_condattr_init(&pool->monotonic);
    pthread_condattr_setclock(&pool->monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&pool->none, &pool->monotonic);
    pthread_mutex_init(&pool->lock, NULL);
    return MESH_OK;
}

/* Waits for the end of a thread and frees it; NULL is allowed. */
static void join(struct thread *thread)
{
    if (thread == NULL)
        return;
    pthread_join(thread->id, NULL);
    pthread_cond_destroy(&thread->wake);
    free(thread);
}

void threads_fini(struct threads *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    for (struct thread *t = pool->idle; t != NULL; t = t->next)
        pthread_cond_signal(&t->wake);
    while (pool->count > 0)
        pthread_cond_wait(&pool->none, &pool->lock);
    struct thread *last = pool->ended;
    pthread_mutex_unlock(&pool->lock);

    join(last);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->none);
    pthread_condattr_destroy(&pool->monotonic);
    pthread_attr_destroy(&pool->attr);
}

static struct timespec deadline_after(unsigned ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += (time_t)(ms / 1000);
    at.tv_nsec += (long)(ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

static void remove_idle(struct threads *pool, const struct thread *thread)
{
    struct thread **at = &pool->idle;
    while (*at != thread)
        at = &(*at)->next;
    *at = thread->next;
    pool->idle_count--;
}

/* Waits for a job; false when the thread is to end. Under lock. */
static bool park(struct threads *pool, struct thread *self)
{
    self->next = pool->idle;
    pool->idle = self;
    pool->idle_count++;
    struct timespec until = deadline_after(pool->idle_ms);
    while (self->fn == NULL && !pool->stopping) {
        if (pthread_cond_timedwait(&self->wake, &pool->lock, &until) != ETIMEDOUT)
            continue;
        if (self->fn == NULL && pool->count > pool->keep)
            break;
        until = deadline_after(pool->idle_ms);
    }
    if (self->fn != NULL)
        return true; /* whoever gave the job has taken self off the list */
    remove_idle(pool, self);
    return false;
}

static void *run(void *arg)
{
    struct thread *self = arg;
    struct threads *pool = self->pool;
    self->id = pthread_self();
    if (pool->name[0] != '\0')
        pthread_setname_np(self->id, pool->name);

    pthread_mutex_lock(&pool->lock);
    do {
        pthread_mutex_unlock(&pool->lock);
        self->fn(self->arg);
        self->fn = NULL;
        pthread_mutex_lock(&pool->lock);
    } while (park(pool, self));

    struct thread *before = pool->ended;
    pool->ended = self;
    pool->count--;
    if (pool->count == 0)
        pthread_cond_signal(&pool->none);
    pthread_mutex_unlock(&pool->lock);
    join(before);
    return NULL;
}

/* Starts the thread with its signals blocked from its first instruction on. */
static bool start(struct threads *pool, struct thread *thread)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    sigset_t blocked, before;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&blocked, faults[i]);
    pthread_t id; /* thread->id is the new thread's: it may be joined before pthread_create has returned here */
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    int error = pthread_create(&id, &pool->attr, run, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error == 0;
}

/* Makes a thread for a job; its place is counted already. */
static int run_on_new(struct threads *pool, void (*fn)(void *arg), void *arg)
{
    struct thread *thread = malloc(sizeof *thread);
    if (thread != NULL) {
        *thread = (struct thread){.pool = pool, .fn = fn, .arg = arg};
        pthread_cond_init(&thread->wake, &pool->monotonic);
        if (start(pool, thread))
            return MESH_OK;
        pthread_cond_destroy(&thread->wake);
        free(thread);
    }
    pthread_mutex_lock(&pool->lock);
    pool->count--;
    if (pool->count == 0)
        pthread_cond_signal(&pool->none);
    pthread_mutex_unlock(&pool->lock);
    return MESH_ESYSTEM;
}

int threads_run(struct threads *pool, void (*fn)(void *arg), void *arg)
{
    int result = MESH_OK;
    bool make = false;
    pthread_mutex_lock(&pool->lock);
    if (pool->stopping) {
        result = MESH_ESTOPPED;
    } else if (pool->idle != NULL) {
        struct thread *thread = pool->idle;
        remove_idle(pool, thread);
        thread->arg = arg;
        thread->fn = fn;
        pthread_cond_signal(&thread->wake);
    } else if (pool->count < pool->max) {
        pool->count++;
        make = true;
    } else {
        result = MESH_ESYSTEM;
    }
    pthread_mutex_unlock(&pool->lock);
    return make ? run_on_new(pool, fn, arg) : result;
}

void threads_stats(struct threads *pool, struct threads_stats *stats)
{
    pthread_mutex_lock(&pool->lock);
    stats->count = pool->count;
    stats->idle = pool->idle_count;
    pthread_mutex_unlock(&pool->lock);
}
