/* Tasks, awaiting them, and functions that block.
 *
 * A task is freed by the last of the two who know it: itself when it ends, and whoever awaits it. */
#include <linux/futex.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "runtime/runtime.h"

enum { TASK_RUNS, TASK_HAS_SLEEPER, TASK_DONE };

struct mesh_task {
    mesh_task_fn fn;
    void *arg;
    struct runtime *runtime;
    int value;
    _Atomic uint32_t state; /* the futex word of a thread that awaits */
    _Atomic uint32_t refs;
    struct spin lock;         /* waiter, and setting state to TASK_DONE */
    struct coroutine *waiter; /* a handler or task that awaits */
    struct post post;         /* tells waiter's worker; sent only if waiter is set when the task ends */
};

static void unref(struct mesh_task *task)
{
    if (atomic_fetch_sub_explicit(&task->refs, 1, memory_order_acq_rel) == 1)
        free(task);
}

int task_spawn(struct runtime *rt, mesh_task_fn fn, void *arg, struct mesh_task **task)
{
    if (atomic_load_explicit(&rt->stopping, memory_order_acquire))
        return MESH_ESTOPPING;
    if (atomic_fetch_add_explicit(&rt->tasks, 1, memory_order_relaxed) >= rt->options.max_suspended) {
        atomic_fetch_sub_explicit(&rt->tasks, 1, memory_order_relaxed);
        return MESH_ESUSPENDED;
    }
    struct mesh_task *t = must_calloc(1, sizeof *t);
    t->fn = fn;
    t->arg = arg;
    t->runtime = rt;
    atomic_init(&t->refs, task != NULL ? 2 : 1);
    if (task != NULL)
        *task = t;
    struct worker *w = worker_enter();
    worker_queue(rt, w != NULL && w->runtime == rt ? w : NULL, (struct work){.task = t});
    if (w != NULL)
        worker_leave(w);
    return MESH_OK;
}

void task_start(struct runtime *rt, mesh_task_fn fn, void *arg)
{
    struct mesh_task *t = must_calloc(1, sizeof *t);
    atomic_fetch_add_explicit(&rt->tasks, 1, memory_order_relaxed);
    t->fn = fn;
    t->arg = arg;
    t->runtime = rt;
    atomic_init(&t->refs, 1);
    worker_queue(rt, NULL, (struct work){.task = t});
}

static void awaited(struct worker *w, struct post *p)
{
    struct mesh_task *task = (struct mesh_task *)((char *)p - offsetof(struct mesh_task, post));
    coroutine_resume(w, task->waiter, MESH_OK);
}

void task_run(struct worker *w, struct coroutine *c, struct mesh_task *task)
{
    struct runtime *rt = w->runtime;
    c->current = NULL;
    c->told = false;
    c->deadline_ns = 0;
    user_begin(w);
    task->value = task->fn(rt->owner, task->arg);
    w = user_end(c);
    call_release_held(w, c);
    w->turns++;
    worker_clock(w);
    spin_lock(&task->lock);
    struct worker *home = task->waiter != NULL ? task->waiter->worker : NULL;
    uint32_t before = atomic_exchange_explicit(&task->state, TASK_DONE, memory_order_acq_rel);
    spin_unlock(&task->lock);
    if (home != NULL) {
        task->post.deliver = awaited;
        worker_post(home, &task->post); /* the waiter cannot go on, and the task not end, before this is delivered */
    } else if (before == TASK_HAS_SLEEPER) {
        syscall(SYS_futex, &task->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    }
    unref(task);
    atomic_fetch_sub_explicit(&rt->tasks, 1, memory_order_release);
}

/* ---- Awaiting ---- */

static int await_in_thread(struct mesh_task *task, uint64_t deadline_ns)
{
    struct timespec until = {.tv_sec = (time_t)(deadline_ns / 1000000000), .tv_nsec = (long)(deadline_ns % 1000000000)};
    for (;;) {
        uint32_t state = TASK_RUNS;
        atomic_compare_exchange_strong_explicit(&task->state, &state, TASK_HAS_SLEEPER, memory_order_acq_rel,
                                                memory_order_acquire);
        if (state == TASK_DONE)
            return MESH_OK;
        if (deadline_ns != 0 && clock_now_ns() >= deadline_ns)
            return MESH_ETIMEOUT;
        syscall(SYS_futex, &task->state, FUTEX_WAIT_BITSET_PRIVATE, TASK_HAS_SLEEPER, deadline_ns != 0 ? &until : NULL,
                NULL, FUTEX_BITSET_MATCH_ANY);
    }
}

/* True: the task is done. Else c is set as the one to tell (or, with NULL, nobody). */
static bool set_waiter(struct mesh_task *task, struct coroutine *c)
{
    spin_lock(&task->lock);
    bool done = atomic_load_explicit(&task->state, memory_order_acquire) == TASK_DONE;
    if (!done)
        task->waiter = c;
    spin_unlock(&task->lock);
    return done;
}

/* Says that the handler's process waits. True: it is to end, and whoever said so has not seen it wait. Sequentially
 * consistent with interrupt_if_ending in route.c. */
static bool announce_wait(struct worker *w, struct coroutine *c)
{
    struct actor *a = c->self.actor;
    if (a == NULL)
        return false;
    atomic_store_explicit(&a->waiting, waiting_at(w, c), memory_order_seq_cst);
    perturb();
    return (atomic_load_explicit(&a->flags, memory_order_seq_cst) & ACTOR_ENDING) != 0;
}

static int await_in_coroutine(struct worker *w, struct coroutine *c, struct mesh_task *task, uint64_t deadline_ns)
{
    struct actor *a = c->self.actor;
    if (c->callback)
        return MESH_ECONTEXT;
    if (!coroutine_reserve(w))
        return MESH_ESUSPENDED;
    if (set_waiter(task, c))
        return MESH_OK;
    c->wait_deadline_ns = deadline_ns;
    c->since_ns = worker_clock(w);
    c->on_class = NULL;
    int rc = MESH_ESTOPPING;
    if (!announce_wait(w, c) || c->told) {
        /* A handler that was told that it is to end and awaits again does so because it must. */
        coroutine_suspend(w, c, c->told ? WAIT_BLOCKING : WAIT_TASK);
        rc = c->outcome;
    }
    c->told = c->told || rc == MESH_ESTOPPING;
    if (rc != MESH_OK && set_waiter(task, NULL)) {
        /* It ended just now: its post is under way and must arrive before the task can be freed. */
        c->wait_deadline_ns = 0;
        coroutine_reserve(w); /* if there is none, the thread's own stack goes on */
        coroutine_suspend(w, c, WAIT_BLOCKING);
        rc = MESH_OK;
    }
    if (a != NULL)
        atomic_store_explicit(&a->waiting, 0, memory_order_seq_cst);
    return rc;
}

int task_await(struct mesh_task *task, uint32_t timeout_ms, int *value)
{
    uint64_t deadline_ns =
        timeout_ms == 0 || timeout_ms == MESH_NEVER ? 0 : clock_now_ns() + (uint64_t)timeout_ms * 1000000;
    struct worker *w = coroutine_enter();
    int rc;
    if (w != NULL && w->runtime == task->runtime) {
        rc = await_in_coroutine(w, worker_running(w), task, deadline_ns);
        user_begin(w);
    } else {
        if (w != NULL)
            user_begin(w);
        rc = await_in_thread(task, deadline_ns);
    }
    if (rc != MESH_OK)
        return rc;
    if (value != NULL)
        *value = task->value;
    unref(task);
    return MESH_OK;
}

/* ---- Functions that block ---- */

struct job {
    struct post post;
    struct coroutine *coroutine;
    struct worker *worker;
    void (*fn)(void *arg);
    void *arg;
};

static void job_done(struct worker *w, struct post *p)
{
    struct job *job = (struct job *)p;
    atomic_fetch_sub_explicit(&w->runtime->blocking, 1, memory_order_release);
    coroutine_resume(w, job->coroutine, MESH_OK);
}

static void job_run(void *arg)
{
    struct job *job = arg;
    job->fn(job->arg);
    worker_post(job->worker, &job->post); /* job is gone after this */
}

int task_block(struct worker *w, struct coroutine *c, void (*fn)(void *arg), void *arg)
{
    struct runtime *rt = w->runtime;
    struct actor *a = c->self.actor;
    if (c->callback)
        return MESH_ECONTEXT;
    if (!coroutine_reserve(w))
        return MESH_ESUSPENDED;
    struct job job = {.post.deliver = job_done, .coroutine = c, .worker = w, .fn = fn, .arg = arg};
    c->wait_deadline_ns = 0;
    c->since_ns = worker_clock(w);
    c->on_class = NULL;
    atomic_fetch_add_explicit(&rt->blocking, 1, memory_order_relaxed);
    int rc = threads_run(&rt->threads, job_run, &job);
    if (rc != MESH_OK) {
        atomic_fetch_sub_explicit(&rt->blocking, 1, memory_order_relaxed);
        return MESH_ESYSTEM;
    }
    if (a != NULL)
        atomic_store_explicit(&a->waiting, waiting_at(w, c), memory_order_seq_cst);
    coroutine_suspend(w, c, WAIT_BLOCKING);
    if (a != NULL)
        atomic_store_explicit(&a->waiting, 0, memory_order_seq_cst);
    return MESH_OK;
}

int task_blocking(struct runtime *rt, void (*fn)(void *arg), void *arg)
{
    (void)rt;
    struct worker *w = coroutine_enter();
    if (w == NULL) {
        fn(arg);
        return MESH_OK;
    }
    int rc = task_block(w, worker_running(w), fn, arg);
    user_begin(w);
    return rc;
}
