/* Coroutines: where handlers and tasks run, wait and go on.
 *
 * A coroutine that ends its work looks for the next itself, so that most hand-overs are one switch. It never leaves
 * its worker: see "Threads" in docs/architecture.md for why. */
#include "runtime/runtime.h"

#include <errno.h>

#include "base/alloc.h"

static void coroutine_main(void *arg, void *data);
static void wait_expired(struct worker *w, struct deadline *d);

/* A struct for a coroutine, new or used before; its index is its own for ever. NULL at the limit. */
static struct coroutine *take_struct(struct runtime *rt)
{
    spin_lock(&rt->coroutines_lock);
    struct coroutine *c = rt->coroutines_free;
    if (c != NULL)
        rt->coroutines_free = c->next;
    bool make = c == NULL && rt->coroutine_count < rt->coroutine_max;
    uint32_t index = make ? rt->coroutine_count++ : 0;
    spin_unlock(&rt->coroutines_lock);
    if (make) {
        c = must_calloc(1, sizeof *c);
        c->index = index;
        rt->coroutines[index] = c; /* seen by others through actor->waiting, which is stored later */
    }
    return c;
}

static void give_struct(struct runtime *rt, struct coroutine *c)
{
    spin_lock(&rt->coroutines_lock);
    c->next = rt->coroutines_free;
    rt->coroutines_free = c;
    spin_unlock(&rt->coroutines_lock);
}

static struct coroutine *make(struct worker *w)
{
    struct runtime *rt = w->runtime;
    struct coroutine *c = take_struct(rt);
    if (c == NULL)
        return NULL;
    c->stack = stack_pool_get(&rt->stacks);
    if (c->stack == NULL) {
        give_struct(rt, c);
        return NULL;
    }
    c->worker = w;
    c->self.runtime = rt;
    c->self.coroutine = c;
    c->deadline.expired = wait_expired;
    context_init(&c->context, c->stack, coroutine_main, c);
    return c;
}

static void unmake(struct worker *w, struct coroutine *c)
{
    context_fini(&c->context);
    stack_pool_put(&w->runtime->stacks, c->stack);
    c->stack = NULL;
    give_struct(w->runtime, c);
}

struct coroutine *coroutine_get(struct worker *w)
{
    struct coroutine *c = w->cache;
    if (c == NULL)
        return make(w);
    w->cache = c->next;
    w->cached--;
    return c;
}

bool coroutine_reserve(struct worker *w)
{
    if (w->cache != NULL)
        return true;
    struct coroutine *c = make(w);
    if (c == NULL)
        return false;
    coroutine_put(w, c);
    return true;
}

void coroutine_put(struct worker *w, struct coroutine *c)
{
    c->next = w->cache;
    w->cache = c;
    w->cached++;
}

void coroutine_cache_trim(struct worker *w, uint32_t keep)
{
    while (w->cached > keep)
        unmake(w, coroutine_get(w));
}

/* ---- Switching ---- */

/* From the running coroutine to another, or (NULL) to the thread's own stack. */
__attribute__((always_inline)) static inline void go(struct worker *w, struct coroutine *from, struct coroutine *to)
{
    struct seat *seat = atomic_load_explicit(&w->seat, memory_order_relaxed);
    seat->running = to;
    context_switch(&from->context, to != NULL ? &to->context : &seat->base, NULL);
}

struct coroutine *coroutine_take_ready(struct worker *w)
{
    struct coroutine *c = w->ready;
    if (c == NULL)
        return NULL;
    w->ready = c->next;
    if (w->ready == NULL)
        w->ready_tail = &w->ready;
    return c;
}

/* After STREAK_MAX resumptions and hand-overs in a row the run queue has a turn. */
static bool others_wait(struct worker *w)
{
    return w->streak >= STREAK_MAX && atomic_load_explicit(&w->queue.count, memory_order_relaxed) > 0;
}

static void run_work(struct worker *w, struct coroutine *self, struct work work)
{
    w->streak = 0;
    if (work.actor != NULL)
        process_run(w, self, work.actor, NULL);
    else
        task_run(w, self, work.task);
}

static void coroutine_main(void *arg, void *data)
{
    struct coroutine *self = arg;
    (void)data;
    for (;;) {
        struct worker *w = self->worker;
        struct work work;
        struct coroutine *next;
        if (w->handover_actor != NULL) {
            struct actor *a = w->handover_actor;
            w->handover_actor = NULL;
            process_run(w, self, a, w->handover_message);
        } else if (w->turns >= POLL_TURNS) { // NOLINT(bugprone-branch-clone): the order of the branches matters
            coroutine_put(w, self);
            go(w, self, NULL);
        } else if (w->completions != NULL) {
            call_complete(w, self);
        } else if (!others_wait(w) && (next = coroutine_take_ready(w)) != NULL) {
            coroutine_put(w, self);
            go(w, self, next);
        } else if (atomic_load_explicit(&w->inbound, memory_order_relaxed) != NULL) {
            worker_deliver(w);
        } else if (worker_take(w, &work)) {
            run_work(w, self, work);
        } else if (w->ready == NULL) {
            coroutine_put(w, self);
            go(w, self, NULL);
        } else {
            w->streak = 0; /* the run queue was stolen empty */
        }
    }
}

/* ---- Waiting ---- */

/* One writer, so that a load and a store do. by: 1, or UINT32_MAX for -1. */
static void count_suspended(struct worker *w, uint32_t by)
{
    uint32_t now = atomic_load_explicit(&w->suspended, memory_order_relaxed);
    atomic_store_explicit(&w->suspended, now + by, memory_order_relaxed);
}

static void link_waiting(struct worker *w, struct coroutine *c)
{
    c->wait_prev = NULL;
    c->wait_next = w->waiting;
    if (w->waiting != NULL)
        w->waiting->wait_prev = c;
    w->waiting = c;
    count_suspended(w, 1);
}

static void unlink_waiting(struct worker *w, struct coroutine *c)
{
    if (c->wait_prev != NULL)
        c->wait_prev->wait_next = c->wait_next;
    else
        w->waiting = c->wait_next;
    if (c->wait_next != NULL)
        c->wait_next->wait_prev = c->wait_prev;
    count_suspended(w, UINT32_MAX);
}

/* errno of the thread that runs now. A worker goes on with another thread when its own is late, and compilers keep the
 * address of errno across a switch: hence neither is inlined. */
__attribute__((noinline)) static int load_errno(void)
{
    return errno;
}

__attribute__((noinline)) static void store_errno(int value)
{
    errno = value;
}

void coroutine_suspend(struct worker *w, struct coroutine *c, enum wait_kind wait)
{
    int saved = load_errno();
    c->wait = (uint8_t)wait;
    c->ready = false;
    c->armed = false;
    link_waiting(w, c);
    struct coroutine *next = NULL;
    if (w->handover_actor == NULL && w->turns < POLL_TURNS && !others_wait(w) &&
        (next = coroutine_take_ready(w)) != NULL)
        w->streak++;
    /* Without a coroutine (only a wait that could not reserve one) the thread's own stack goes on. */
    if (next == NULL && (w->handover_actor != NULL || w->turns < POLL_TURNS))
        next = coroutine_get(w);
    go(w, c, next);
    w = c->worker;
    unlink_waiting(w, c);
    c->wait = WAIT_NOT;
    store_errno(saved);
}

static bool make_ready(struct worker *w, struct coroutine *c, int outcome)
{
    if (c->ready)
        return false;
    c->ready = true;
    c->outcome = outcome;
    if (c->armed)
        wheel_remove(&w->deadlines, &c->deadline.timer);
    return true;
}

void coroutine_resume(struct worker *w, struct coroutine *c, int outcome)
{
    if (!make_ready(w, c, outcome))
        return;
    c->next = NULL;
    *w->ready_tail = c;
    w->ready_tail = &c->next;
}

void coroutine_resume_next(struct worker *w, struct coroutine *c)
{
    if (w->burst++ >= STREAK_MAX) {
        w->burst = 0;
        coroutine_resume(w, c, MESH_OK);
    } else if (make_ready(w, c, MESH_OK)) {
        c->next = w->ready;
        if (w->ready == NULL)
            w->ready_tail = &c->next;
        w->ready = c;
    }
}

void coroutine_arm_waits(struct worker *w)
{
    /* The newest are in front, so that everything behind one that is armed is armed too, or needs no timer. */
    for (struct coroutine *c = w->waiting; c != NULL && !c->armed; c = c->wait_next) {
        c->armed = true;
        if (!c->ready && c->wait_deadline_ns != 0)
            wheel_add(&w->deadlines, &c->deadline.timer, c->wait_deadline_ns);
    }
}

static void wait_expired(struct worker *w, struct deadline *d)
{
    struct coroutine *c = (struct coroutine *)((char *)d - offsetof(struct coroutine, deadline));
    if (c->call != NULL)
        c->call->coroutine = NULL;
    coroutine_resume(w, c, MESH_ETIMEOUT);
}

/* What a wait for a blocking function returns is its result: that is not cut short. */
static void stop_waiting(struct worker *w, struct coroutine *c)
{
    if (c->ready || (c->wait != WAIT_CALL && c->wait != WAIT_TASK))
        return;
    if (c->call != NULL)
        c->call->coroutine = NULL;
    coroutine_resume(w, c, MESH_ESTOPPING);
}

void coroutine_interrupt_all(struct worker *w)
{
    for (struct coroutine *c = w->waiting; c != NULL; c = c->wait_next)
        stop_waiting(w, c);
}

static void interrupt_delivered(struct worker *w, struct post *p)
{
    struct message *m = message_of_post(p);
    struct coroutine *c = w->waiting;
    while (c != NULL && c != m->coroutine) /* it may belong to another worker by now: then it is not found */
        c = c->wait_next;
    struct actor *a = c != NULL ? c->self.actor : NULL;
    /* It may wait for something else by now, and the process have begun to trap exits: then it is to go on. */
    if (a != NULL && actor_number(a) == m->pid &&
        (atomic_load_explicit(&a->flags, memory_order_relaxed) & ACTOR_ENDING) != 0)
        stop_waiting(w, c);
    message_put(&w->runtime->messages, &w->messages, m);
}

void coroutine_interrupt(struct runtime *rt, uint32_t waiting, uint64_t number)
{
    struct message *m = message_get(&rt->messages, NULL);
    if (m == NULL)
        return; /* the handler then learns of it when its call ends */
    m->coroutine = rt->coroutines[waiting_coroutine(waiting)];
    m->pid = number;
    m->post.deliver = interrupt_delivered;
    worker_post(&rt->workers[waiting >> WAITING_BITS], &m->post);
}

/* ---- Late handlers ---- */

struct worker *coroutine_return(struct coroutine *c)
{
    struct seat *seat = seat_current();
    int saved = load_errno();
    seat->returned = c;
    seat->running = NULL;
    context_switch(&c->context, &seat->base, NULL);
    store_errno(saved);
    return c->worker;
}

struct worker *user_end_slow(struct coroutine *c)
{
    struct seat *seat = seat_current();
    return seat_enter_slow(seat) ? seat->worker : coroutine_return(c);
}

struct worker *coroutine_enter(void)
{
    struct seat *seat = seat_current();
    if (seat == NULL || seat->running == NULL)
        return NULL;
    struct coroutine *c = seat->running;
    return user_end(c);
}
