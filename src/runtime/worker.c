/* The loop of a worker: see worker.h for the whole idea.
 *
 * Before it blocks, a worker polls for spin_us, yielding the core on every turn: one of a node at a time, and beside it
 * those that read connections, since an answer that comes to a thread that sleeps takes twice as long. Then it says
 * that it sleeps (sequentially consistent), looks once more, and blocks: on a futex, or in its libuv loop if that has
 * descriptors. Whoever brings work does it the other way round: first the work, then a look at `sleeping`; a system
 * call is made only if it is set. */
#include <assert.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "runtime/runtime.h"

enum { CACHE_KEPT = 32, QUEUE_START = 64 };

/* ---- The run queue ---- */

static void runq_push(struct runq *q, struct work work)
{
    spin_lock(&q->lock);
    if (q->tail - q->head > q->mask || q->ring == NULL) {
        uint32_t size = q->ring == NULL ? QUEUE_START : 2 * (q->mask + 1);
        struct work *ring = must_calloc(size, sizeof *ring);
        uint32_t count = q->tail - q->head;
        assert(q->ring != NULL || count == 0);
        for (uint32_t i = 0; i < count; i++)
            ring[i] = q->ring[(q->head + i) & q->mask];
        free(q->ring);
        q->ring = ring;
        q->mask = size - 1;
        q->head = 0;
        q->tail = count;
    }
    q->ring[q->tail++ & q->mask] = work;
    /* Sequentially consistent with `sleeping`: see the top of this file. */
    atomic_store_explicit(&q->count, q->tail - q->head, memory_order_seq_cst);
    spin_unlock(&q->lock);
}

/* Moves up to max of the oldest from a queue to work; how many. */
static uint32_t runq_take(struct runq *q, struct work *work, uint32_t max)
{
    uint32_t n = 0;
    spin_lock(&q->lock);
    while (n < max && q->head != q->tail)
        work[n++] = q->ring[q->head++ & q->mask];
    atomic_store_explicit(&q->count, q->tail - q->head, memory_order_relaxed);
    spin_unlock(&q->lock);
    return n;
}

static uint32_t runq_count(struct runq *q)
{
    return atomic_load_explicit(&q->count, memory_order_seq_cst);
}

/* ---- Waking ---- */

void worker_wake(struct worker *w)
{
    if (atomic_load_explicit(&w->sleeping, memory_order_seq_cst) == WORKER_AWAKE)
        return;
    perturb();
    uint32_t where = atomic_exchange_explicit(&w->sleeping, WORKER_AWAKE, memory_order_seq_cst);
    if (where == WORKER_ON_FUTEX)
        syscall(SYS_futex, &w->sleeping, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    else if (where == WORKER_IN_LOOP)
        uv_async_send(&w->async);
}

static void wake_one(struct runtime *rt, struct worker *but)
{
    if (atomic_load_explicit(&rt->sleepers, memory_order_seq_cst) == 0 ||
        atomic_load_explicit(&rt->polling, memory_order_seq_cst) != 0)
        return;
    for (uint32_t i = 0; i < rt->worker_count; i++) {
        struct worker *w = &rt->workers[i];
        if (w != but && atomic_load_explicit(&w->sleeping, memory_order_seq_cst)) {
            worker_wake(w);
            return;
        }
    }
}

void worker_post(struct worker *w, struct post *p)
{
    struct post *head = atomic_load_explicit(&w->inbound, memory_order_relaxed);
    do {
        p->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&w->inbound, &head, p, memory_order_seq_cst, memory_order_relaxed));
    perturb();
    worker_wake(w);
}

/* Runs wherever posts are delivered, maybe on a coroutine: the errand itself waits for the poll. */
static void queue_errand(struct worker *w, struct post *p)
{
    struct errand *e = (struct errand *)p;
    e->next = NULL;
    *w->errands_tail = e;
    w->errands_tail = &e->next;
}

void worker_errand(struct worker *w, struct errand *e)
{
    e->post.deliver = queue_errand;
    worker_post(w, &e->post);
}

static void run_errands(struct worker *w)
{
    struct errand *e = w->errands;
    w->errands = NULL;
    w->errands_tail = &w->errands;
    while (e != NULL) {
        struct errand *next = e->next;
        e->run(w, e);
        e = next;
    }
}

void worker_deliver(struct worker *w)
{
    /* Acquire: pairs with the release in worker_post. */
    struct post *p = atomic_exchange_explicit(&w->inbound, NULL, memory_order_acquire);
    struct post *list = NULL;
    while (p != NULL) {
        struct post *older = p->next;
        p->next = list;
        list = p;
        p = older;
    }
    while (list != NULL) {
        struct post *next = list->next;
        list->deliver(w, list);
        list = next;
    }
}

/* Work from an ordinary thread. An actor goes to the worker that polls, which runs it at once; else to the first that
 * sleeps, so that a single caller always finds the same, warm one; else to each in turn. Tasks go to each in turn,
 * since they stay where they first suspend. */
static struct worker *choose(struct runtime *rt, struct work work)
{
    uint32_t polling = atomic_load_explicit(&rt->polling, memory_order_relaxed);
    if (work.actor != NULL && polling != 0)
        return &rt->workers[polling - 1];
    if (work.actor != NULL && atomic_load_explicit(&rt->sleepers, memory_order_relaxed) > 0)
        for (uint32_t i = 0; i < rt->worker_count; i++)
            if (atomic_load_explicit(&rt->workers[i].sleeping, memory_order_relaxed))
                return &rt->workers[i];
    uint32_t next = atomic_fetch_add_explicit(&rt->next, 1, memory_order_relaxed);
    return &rt->workers[next % rt->worker_count];
}

void worker_queue_at(struct worker *to, struct work work)
{
    runq_push(&to->queue, work);
    worker_wake(to);
}

void worker_queue(struct runtime *rt, struct worker *from, struct work work)
{
    if (from == NULL) {
        worker_queue_at(choose(rt, work), work);
        return;
    }
    runq_push(&from->queue, work);
    if (!from->polls || atomic_load_explicit(&from->queue.count, memory_order_relaxed) > 1)
        wake_one(rt, from); /* else this worker runs it at once */
}

/* ---- Taking work ---- */

static bool steal(struct worker *w, struct work *work)
{
    struct runtime *rt = w->runtime;
    enum { MOST = 32 };
    for (uint32_t i = 1; i < rt->worker_count; i++) {
        struct worker *from = &rt->workers[(w->index + i) % rt->worker_count];
        uint32_t count = runq_count(&from->queue);
        if (count == 0)
            continue;
        struct work taken[MOST];
        uint32_t n = runq_take(&from->queue, taken, count / 2 + 1 < MOST ? count / 2 + 1 : MOST);
        if (n == 0)
            continue;
        for (uint32_t k = 1; k < n; k++)
            runq_push(&w->queue, taken[k]);
        *work = taken[0];
        wake_one(rt, w);
        return true;
    }
    return false;
}

bool worker_take(struct worker *w, struct work *work)
{
    if (atomic_load_explicit(&w->queue.count, memory_order_relaxed) > 0 && runq_take(&w->queue, work, 1) == 1)
        return true;
    return w->ready == NULL && steal(w, work);
}

static bool work_anywhere(struct worker *w)
{
    struct runtime *rt = w->runtime;
    for (uint32_t i = 0; i < rt->worker_count; i++)
        if (runq_count(&rt->workers[i].queue) > 0)
            return true;
    return false;
}

static bool something_to_do(struct worker *w)
{
    return w->ready != NULL || w->completions != NULL || w->errands != NULL ||
           atomic_load_explicit(&w->inbound, memory_order_seq_cst) != NULL || work_anywhere(w) ||
           atomic_load_explicit(&w->runtime->ending, memory_order_seq_cst);
}

/* ---- Polling and sleeping ---- */

static void fire_deadlines(struct worker *w)
{
    if (w->deadlines.count == 0)
        return;
    wheel_advance(&w->deadlines, w->now_ns);
    for (struct timer *t; (t = wheel_pop(&w->deadlines)) != NULL;) {
        struct deadline *d = (struct deadline *)t;
        d->expired(w, d);
    }
}

static void poll_once(struct worker *w)
{
    cycles_sync(&w->clock);
    worker_clock(w);
    w->turns = 0;
    w->polls = true;
    if (atomic_load_explicit(&w->inbound, memory_order_relaxed) != NULL)
        worker_deliver(w);
    coroutine_arm_waits(w);
    fire_deadlines(w);
    if (atomic_load_explicit(&w->timer_count, memory_order_relaxed) > 0)
        timers_fire(w);
    if (w->index == 0 && w->now_ns >= w->sweep_ns)
        w->sweep_ns = sweep_turn(w);
    run_errands(w);
    if (w->descriptors > 0)
        uv_run(&w->loop, UV_RUN_NOWAIT);
    w->polls = false;
}

/* Looks for work for a while without blocking. */
static void spin_for_work(struct worker *w)
{
    struct runtime *rt = w->runtime;
    uint32_t nobody = 0;
    if (rt->options.spin_us == 0)
        return;
    bool alone = atomic_compare_exchange_strong_explicit(&rt->polling, &nobody, w->index + 1, memory_order_seq_cst,
                                                         memory_order_relaxed);
    if (!alone && w->streams == 0)
        return;
    uint64_t until = worker_clock(w) + (uint64_t)rt->options.spin_us * 1000;
    w->polls = true;
    while (!something_to_do(w) && worker_clock(w) < until) {
        sched_yield();
        if (w->descriptors > 0)
            uv_run(&w->loop, UV_RUN_NOWAIT);
    }
    w->polls = false;
    if (alone)
        atomic_store_explicit(&rt->polling, 0, memory_order_seq_cst);
}

static uint64_t next_event_ns(struct worker *w)
{
    uint64_t next = wheel_next_ns(&w->deadlines);
    spin_lock(&w->timers_lock);
    uint64_t timer = wheel_next_ns(&w->timers);
    spin_unlock(&w->timers_lock);
    if (timer < next)
        next = timer;
    if (w->index == 0 && w->sweep_ns < next)
        next = w->sweep_ns;
    return next;
}

static void alarm_rings(uv_timer_t *alarm)
{
    (void)alarm;
}

static void sleep_on_futex(struct worker *w, uint64_t until_ns)
{
    struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000), .tv_nsec = (long)(until_ns % 1000000000)};
    syscall(SYS_futex, &w->sleeping, FUTEX_WAIT_BITSET_PRIVATE, WORKER_ON_FUTEX, until_ns != UINT64_MAX ? &until : NULL,
            NULL, FUTEX_BITSET_MATCH_ANY);
}

static void sleep_in_loop(struct worker *w, uint64_t until_ns)
{
    uv_timer_stop(&w->alarm);
    if (until_ns != UINT64_MAX) {
        uint64_t now = worker_clock(w);
        uv_update_time(&w->loop);
        uv_timer_start(&w->alarm, alarm_rings, until_ns <= now ? 0 : (until_ns - now + 999999) / 1000000, 0);
    }
    uv_run(&w->loop, UV_RUN_ONCE);
}

static void block(struct worker *w)
{
    struct runtime *rt = w->runtime;
    coroutine_cache_trim(w, CACHE_KEPT);
    coroutine_arm_waits(w);
    atomic_fetch_add_explicit(&rt->sleepers, 1, memory_order_seq_cst);
    atomic_store_explicit(&w->sleeping, w->descriptors == 0 ? WORKER_ON_FUTEX : WORKER_IN_LOOP, memory_order_seq_cst);
    perturb();
    if (!something_to_do(w)) {
        uint64_t next = next_event_ns(w);
        if (w->descriptors == 0)
            sleep_on_futex(w, next);
        else
            sleep_in_loop(w, next);
    }
    atomic_store_explicit(&w->sleeping, WORKER_AWAKE, memory_order_seq_cst);
    atomic_fetch_sub_explicit(&rt->sleepers, 1, memory_order_seq_cst);
}

/* ---- The loop ---- */

static void hand_back(struct worker *w, struct post *p)
{
    struct coroutine *c = (struct coroutine *)((char *)p - offsetof(struct coroutine, back));
    c->next = NULL;
    *w->ready_tail = c;
    w->ready_tail = &c->next;
}

/* Runs coroutines until they have nothing left or it is time to poll. False: the worker was taken from this thread. */
static bool run_coroutines(struct worker *w, struct seat *seat)
{
    struct coroutine *c = coroutine_take_ready(w);
    if (c == NULL)
        c = coroutine_get(w);
    if (c == NULL) { /* as many as there may be are suspended; work waits for one of them */
        sched_yield();
        return true;
    }
    watchdog_notice(&w->runtime->watchdog);
    seat->running = c;
    context_switch(&seat->base, &c->context, NULL);
    struct coroutine *late = seat->returned;
    if (late == NULL)
        return true;
    seat->returned = NULL;
    late->back.deliver = hand_back;
    worker_post(w, &late->back);
    return false;
}

void worker_run(void *arg)
{
    struct worker *w = arg;
    struct runtime *rt = w->runtime;
    struct seat *seat = seat_occupy(rt, w);
    bool mine = true;
    while (mine && !atomic_load_explicit(&rt->ending, memory_order_acquire)) {
        poll_once(w);
        if (!something_to_do(w)) {
            spin_for_work(w);
            if (!something_to_do(w))
                block(w);
        } else {
            mine = run_coroutines(w, seat);
        }
    }
    seat_leave(seat);
}

int worker_init(struct worker *w, struct runtime *rt, uint32_t index)
{
    w->runtime = rt;
    w->index = index;
    w->ready_tail = &w->ready;
    w->completions_tail = &w->completions;
    w->errands_tail = &w->errands;
    w->stats = must_calloc(CLASSES_MAX, sizeof *w->stats);
    cycles_init(&w->clock);
    worker_clock(w);
    wheel_init(&w->deadlines, w->now_ns);
    wheel_init(&w->timers, w->now_ns);
    if (uv_loop_init(&w->loop) != 0)
        return MESH_ESYSTEM;
    if (uv_async_init(&w->loop, &w->async, NULL) != 0) {
        uv_loop_close(&w->loop);
        return MESH_ESYSTEM;
    }
    uv_timer_init(&w->loop, &w->alarm);
    w->ready_to_fini = true;
    return coroutine_reserve(w) ? MESH_OK : MESH_ESYSTEM;
}

static void free_stats(struct worker *w)
{
    for (uint32_t i = 0; i < CLASSES_MAX; i++)
        free(atomic_load_explicit(&w->stats[i], memory_order_relaxed));
    free(w->stats);
}

void worker_fini(struct worker *w)
{
    if (!w->ready_to_fini) {
        free(w->stats);
        return;
    }
    worker_deliver(w); /* late answers: nobody waits for them, but they hold memory */
    run_errands(w);
    coroutine_cache_trim(w, 0);
    message_cache_flush(&w->runtime->messages, &w->messages);
    slab_cache_flush(&w->runtime->cells, &w->cells);
    uv_close((uv_handle_t *)&w->async, NULL);
    uv_close((uv_handle_t *)&w->alarm, NULL);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    uv_loop_close(&w->loop);
    free(w->queue.ring);
    free_stats(w);
}

struct class_stats *worker_stats_slow(struct worker *w, uint32_t class_index)
{
    struct class_stats *s = must_calloc(1, sizeof *s);
    atomic_store_explicit(&w->stats[class_index], s, memory_order_release);
    return s;
}
