/* Workers, the threads that run them, and the coroutines suspended on them.
 *
 * A worker is a run queue, a libuv loop, timers and the coroutines suspended on it. A thread runs it from a *seat*.
 * When a handler keeps the thread for too long the watchdog takes the worker from the seat and gives it to another
 * thread with a seat of its own: the late thread then is an ordinary thread until its handler ends or wants to
 * suspend, hands its coroutine back to the worker, and leaves. So everything that a worker's thread writes is written
 * by one thread at a time, and needs no lock.
 *
 * The hand-over must not cost the call path an atomic read-modify-write. A seat says whether its thread is inside the
 * runtime or inside a handler: seat->inside is written plainly by the thread, seat->taken by the watchdog, which then
 * runs a memory barrier on all threads (membarrier) before it looks at inside. So either the watchdog sees that the
 * thread is inside the runtime and gives up, or the thread, when it enters, sees that the seat was taken.
 *
 * Scheduling. Coroutines pick their next work themselves (coroutine_main): a call handed over directly, then
 * coroutines whose answer has come, then the run queue. The thread's own stack (seat->base) polls: inbound posts,
 * timers, the loop; it is switched to when nothing is left or POLL_TURNS handlers have run. */
#ifndef RUNTIME_WORKER_H
#define RUNTIME_WORKER_H

#include <uv.h>

#include "base/cycles.h"
#include "base/histogram.h"
#include "runtime/actor.h"
#include "runtime/context.h"
#include "runtime/crash.h"
#include "runtime/message.h"
#include "runtime/pids.h"
#include "runtime/slab.h"
#include "runtime/stack.h"
#include "runtime/wheel.h"

struct mesh_task;
struct runtime;

enum {
    POLL_TURNS = 64,  /* handlers between two polls */
    STREAK_MAX = 32,  /* hand-overs in a row while others wait in the run queue */
    ACTOR_BATCH = 64, /* messages of one actor before others get a turn, and … */
    ACTOR_BATCH_NS = 100000,
    FOLLOW_MIN = 8, /* messages that wait for an actor before it goes to the worker of its callers */
    CLASS_CACHE = 64,
    HINT_SETS = 2048, /* a power of two */
    HINT_WAYS = 2,
    CLASSES_MAX = 4096,
    TICK_SHIFT = 27, /* last use is kept in ticks of 2^27 ns, 134 ms */
};

/* The handle that handlers get; mesh_process in the API. One in each coroutine. */
struct mesh_process {
    struct actor *actor;
    bool stop;
    bool checkpoint;
    bool ending; /* its last callbacks run: reason is in use */
    struct runtime *runtime;
    struct coroutine *coroutine;
    struct payload reason; /* given by mesh_stop or mesh_crash */
    uint8_t reason_space[MESSAGE_INLINE];
};

enum wait_kind {
    WAIT_NOT,
    WAIT_CALL,
    WAIT_TASK,
    WAIT_BLOCKING,
};

/* A stack with the handler or task that runs on it. Coroutines are numbered and their memory lives as long as the
 * runtime. Written by the thread of its worker (or the late thread that still runs it), but for the atomics. What a
 * call touches stands together: hundreds of suspended coroutines share the cache. */
struct coroutine {
    struct context context;
    struct coroutine *next; /* in the worker's cache or ready list */
    struct worker *worker;
    struct message *current; /* the message that is handled */
    uint64_t deadline_ns;    /* of current; nested calls end by then. 0: none */
    struct message *held;    /* results the handler has not released */
    uint32_t index;
    int outcome; /* MESH_OK, MESH_ETIMEOUT or MESH_ESTOPPING: why it was resumed */

    /* While it waits. Written by its worker. */
    struct coroutine *wait_prev, *wait_next; /* in worker->waiting */
    struct message *call;                    /* WAIT_CALL */
    uint64_t since_ns;
    uint64_t wait_deadline_ns;    /* 0: none */
    const struct class *on_class; /* whom a call waits for */
    mesh_bytes on_id;             /* on the coroutine's own stack */
    uint8_t wait;                 /* enum wait_kind */
    bool ready;                   /* its answer has come; it is in the ready list */
    bool armed;                   /* deadline was considered for the wheel */
    bool callback;                /* runs something that may not suspend */
    bool told;                    /* mesh_await has said MESH_ESTOPPING to this handler */

    struct mesh_process self; /* self.actor NULL: a task, or nothing */
    struct stack *stack;
    struct deadline deadline;
    struct post back;             /* carries a late coroutine back to its worker */
    _Atomic uint64_t call_number; /* of the call it waits in; 0: none. Read by anyone, for cycles */
};

/* Something to be done by a worker between two stretches of handlers, on the thread's own stack: the place where
 * handles of its loop are opened, used and closed. The memory is the caller's, until run is called; a caller who gives
 * the same errand twice has to wait for that in between. */
struct errand {
    struct post post; /* first */
    void (*run)(struct worker *w, struct errand *e);
    struct errand *next;
};

/* Work that waits for a worker: an actor with messages or a task that has not begun. */
struct work {
    struct actor *actor;
    struct mesh_task *task;
};

/* A queue of work, first in first out: its worker pushes and pops, others push and steal. */
struct runq {
    struct spin lock;
    struct work *ring;
    uint32_t mask;
    uint32_t head, tail;
    _Atomic uint32_t count;
};

enum counter {
    COUNT_CALLS,
    COUNT_CASTS,
    COUNT_INFOS,
    COUNT_REPLIES,
    COUNT_ACTIVATIONS,
    COUNT_RESTORES,
    COUNT_PASSIVATIONS,
    COUNT_CRASHES,
    COUNT_STOPS,
    COUNT_TIMEOUTS,
    COUNT_BUSY,
    COUNT_REFUSED,
    COUNT_DROPPED,
    COUNT_SAVE_FAILURES,
    COUNT_STUCK,
    COUNTERS,
};

/* Numbers of one class on one worker: that worker's thread writes, anybody reads. */
struct class_stats {
    _Atomic uint64_t count[COUNTERS];
    struct histogram handler_ns;
    struct histogram call_ns;
};

struct class_cache_entry {
    const char *module;
    const char *capability;
    struct class *class;
};

/* A thread's place at a worker. Memory lives as long as the runtime. */
struct seat {
    struct worker *worker;      /* constant while it is occupied */
    struct context base;        /* the thread's own stack */
    _Atomic uint32_t inside;    /* SEAT_RUNTIME or SEAT_HANDLER; the thread writes */
    _Atomic uint32_t taken;     /* SEAT_MINE, SEAT_WANTED, SEAT_TAKEN; the watchdog writes */
    _Atomic uint32_t turn;      /* counts stretches of user code */
    struct coroutine *running;  /* whose handler it is in */
    struct coroutine *returned; /* a late coroutine that base must hand back */
    _Atomic long tid;
    uint32_t watched_turn; /* the watchdog's notes */
    uint64_t watched_since_ns;
    bool watched_reported;
    const char *stuck_module; /* of the handler that lost its worker; NULL: a task's */
    uint32_t stuck_class;
    char stuck_id[64];
    uint8_t stuck_id_len;
    struct seat *next; /* all seats of the runtime */
    struct crash_stack crash;
    struct crash_trace trace;
    _Atomic bool occupied;
};

/* A worker without descriptors sleeps on `sleeping` itself, which is quicker to wake than a loop. */
enum { WORKER_AWAKE, WORKER_ON_FUTEX, WORKER_IN_LOOP };
enum { SEAT_RUNTIME, SEAT_HANDLER };
enum { SEAT_MINE, SEAT_WANTED, SEAT_TAKEN };

struct worker {
    /* Written by its thread only. Aligned, so that two workers share no cache line. */
    _Alignas(64) struct runtime *runtime;
    uint32_t index;
    _Atomic uint32_t suspended; /* coroutines in waiting; read by others */
    _Atomic uint64_t started;   /* processes; read by others, like the next */
    _Atomic uint64_t ended;
    struct message_cache messages;
    struct slab_cache cells;
    struct pids_cache slots;
    struct coroutine *cache;
    uint32_t cached;
    struct coroutine *ready, **ready_tail;
    struct message *completions, **completions_tail;
    struct actor *handover_actor;
    struct message *handover_message;
    uint32_t streak;
    uint32_t burst; /* callers resumed before others that were ready */
    uint32_t turns;
    struct cycles clock;
    uint64_t now_ns;           /* the last clock read */
    struct wheel deadlines;    /* of suspended calls and asynchronous ones */
    struct coroutine *waiting; /* suspended, the newest first */
    uint64_t call_counter;
    struct class_cache_entry classes[CLASS_CACHE];
    uint64_t hints[HINT_SETS][HINT_WAYS]; /* where actors were found, the newest first: see route.c */
    _Atomic(struct class_stats *) *stats; /* CLASSES_MAX, by class index; entries appear and stay */
    struct capability *sweep_capability;  /* where the hand is */
    uint32_t sweep_shard;
    uint64_t sweep_ns;    /* worker 0: when to move the passivation hand */
    uint32_t descriptors; /* see worker_watch: without any, the loop is not polled */
    uint32_t streams;     /* see worker_read_on */
    bool polls;           /* it looks for work, and will run what it finds next */
    struct errand *errands, **errands_tail;
    bool ready_to_fini;

    /* Written by others too. */
    struct runq queue;
    _Atomic(struct post *) inbound;
    _Atomic uint32_t sleeping; /* WORKER_AWAKE, or where it sleeps */
    _Atomic(struct seat *) seat;

    struct spin timers_lock;      /* timers; taken alone */
    struct wheel timers;          /* of send_after */
    _Atomic uint32_t timer_count; /* written under the lock */

    uv_loop_t loop;
    uv_async_t async;
    uv_timer_t alarm;
};

/* ---- Who am I ---- */

/* The seat of the calling thread; NULL in a thread of the user's. Not inlined: a coroutine may move between threads. */
struct seat *seat_current(void);

/* The calling thread takes a seat at w, which nobody runs; leaves it. */
struct seat *seat_occupy(struct runtime *rt, struct worker *w);
void seat_leave(struct seat *seat);
void seats_fini(struct runtime *rt);

/* Whether the seat still has its worker, when taken was not SEAT_MINE. */
bool seat_enter_slow(struct seat *seat);

/* Enters the runtime from user code. Returns the worker, or NULL in an ordinary thread and in a handler whose worker
 * was given to another thread. Every enter that gave a worker is followed by worker_leave or by a switch away. */
static inline struct worker *worker_enter(void)
{
    struct seat *seat = seat_current();
    if (seat == NULL)
        return NULL;
    atomic_store_explicit(&seat->inside, SEAT_RUNTIME, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    perturb();
    if (__builtin_expect(atomic_load_explicit(&seat->taken, memory_order_acquire) != SEAT_MINE, 0) &&
        !seat_enter_slow(seat))
        return NULL;
    return seat->worker;
}

/* Goes back to user code. Release: what the runtime wrote is visible to the thread that may take the worker. */
static inline void worker_leave(struct worker *w)
{
    struct seat *seat = atomic_load_explicit(&w->seat, memory_order_relaxed);
    atomic_store_explicit(&seat->inside, SEAT_HANDLER, memory_order_release);
}

/* ---- worker.c ---- */

int worker_init(struct worker *w, struct runtime *rt, uint32_t index);
void worker_fini(struct worker *w);

/* Runs a worker on the calling thread until the runtime ends or the worker is taken. arg is a struct worker. */
void worker_run(void *arg);

/* Hands something to a worker. Any thread. */
void worker_post(struct worker *w, struct post *p);

/* Has an errand run at the worker's next poll, after those given before: within 64 handlers, or at once when it has
 * nothing to do. What is given while the runtime ends is run by worker_fini at the latest. Any thread. */
void worker_errand(struct worker *w, struct errand *e);

/* Has the worker poll its loop, and sleep in it, as long as there are such as need it: one for each active handle that
 * a layer above has opened on w->loop, until its close callback. Only by the worker, in errands and in callbacks of its
 * loop; so is everything that is done with handles, and times are w->loop's after uv_update_time. */
static inline void worker_watch(struct worker *w)
{
    w->descriptors++;
}

static inline void worker_unwatch(struct worker *w)
{
    w->descriptors--;
}

/* Of those handles one is a connection on which others answer: before the worker sleeps it polls for them, also beside
 * another one that polls. The same place. */
static inline void worker_read_on(struct worker *w)
{
    w->streams++;
}

static inline void worker_read_no_more(struct worker *w)
{
    w->streams--;
}

/* Queues work, and sees to it that a worker runs it. from: the calling worker or NULL. */
void worker_queue(struct runtime *rt, struct worker *from, struct work work);

/* The same for a given worker; others may steal it. Any thread. */
void worker_queue_at(struct worker *to, struct work work);

/* Wakes a worker if it sleeps. Any thread. */
void worker_wake(struct worker *w);

/* Takes the oldest work from the own queue, or steals. */
bool worker_take(struct worker *w, struct work *work);

/* Drains inbound: each post is delivered. */
void worker_deliver(struct worker *w);

/* Reads the clock into w->now_ns, which never goes back. */
static inline uint64_t worker_clock(struct worker *w)
{
    uint64_t now = cycles_now(&w->clock);
    if (now > w->now_ns)
        w->now_ns = now;
    return w->now_ns;
}

struct class_stats *worker_stats_slow(struct worker *w, uint32_t class_index);

static inline struct class_stats *worker_stats(struct worker *w, uint32_t class_index)
{
    struct class_stats *s = atomic_load_explicit(&w->stats[class_index], memory_order_relaxed);
    return __builtin_expect(s != NULL, 1) ? s : worker_stats_slow(w, class_index);
}

/* Counts: one writer, so that a load and a store do. */
static inline void stats_count(struct class_stats *s, enum counter c)
{
    atomic_store_explicit(&s->count[c], atomic_load_explicit(&s->count[c], memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

/* ---- coroutine.c ---- */

/* A coroutine ready to be switched to, from the worker's cache or new. NULL: too many are suspended. */
struct coroutine *coroutine_get(struct worker *w);

/* True if coroutine_get would give one. Makes one and keeps it in the cache if need be. */
bool coroutine_reserve(struct worker *w);

/* Keeps a coroutine that has nothing to do in the worker's cache. */
void coroutine_put(struct worker *w, struct coroutine *c);

/* Ends cached coroutines until keep are left. Base stack. */
void coroutine_cache_trim(struct worker *w, uint32_t keep);

/* Suspends the running coroutine c until coroutine_resume. The worker goes on with other work. c is in
 * worker->waiting meanwhile. A coroutine must be reserved. Returns on the same worker, maybe on another thread. */
void coroutine_suspend(struct worker *w, struct coroutine *c, enum wait_kind wait);

/* The next coroutine whose answer has come, or NULL. */
struct coroutine *coroutine_take_ready(struct worker *w);

/* Makes a waiting coroutine ready with an outcome. Its worker's thread. */
void coroutine_resume(struct worker *w, struct coroutine *c, int outcome);

/* The same for a caller whose call was handed over and has just been answered: it goes on before the others, while its
 * stack and message are still in the nearest cache; every STREAK_MAX times behind them. */
void coroutine_resume_next(struct worker *w, struct coroutine *c);

/* Puts the deadlines of waits into the wheel: those that did not end on the hand-over. Base stack. */
void coroutine_arm_waits(struct worker *w);

/* Where the handler of a process waits, as actor->waiting has it: worker and coroutine in one word. Whoever reads it
 * may find that the handler has gone on and the coroutine serves another worker, so that nothing plain is read of it.
 */
enum { WAITING_BITS = 24 }; /* of the coroutine's index + 1; the worker's is above */

static inline uint32_t waiting_at(const struct worker *w, const struct coroutine *c)
{
    return w->index << WAITING_BITS | (c->index + 1);
}

static inline uint32_t waiting_coroutine(uint32_t waiting)
{
    return (waiting & ((UINT32_C(1) << WAITING_BITS) - 1)) - 1;
}

/* Makes the handler of process number, if it still waits there, go on with MESH_ESTOPPING. Any thread, locks may be
 * held. */
void coroutine_interrupt(struct runtime *rt, uint32_t waiting, uint64_t number);

/* The same for everything that waits on a worker; its thread. */
void coroutine_interrupt_all(struct worker *w);

/* A handler whose worker was taken: hands itself back to its worker, and returns when that runs it again. */
struct worker *coroutine_return(struct coroutine *c);

/* Enters the runtime as a coroutine that may suspend: like worker_enter, but a late handler is handed back first.
 * NULL in an ordinary thread. */
struct worker *coroutine_enter(void);

/* What runs on the calling stack, of the worker entered; NULL on a base stack. */
static inline struct coroutine *worker_running(struct worker *w)
{
    return atomic_load_explicit(&w->seat, memory_order_relaxed)->running;
}

/* Begins and ends a stretch of user code on the running coroutine. */
static inline void user_begin(struct worker *w)
{
    struct seat *seat = atomic_load_explicit(&w->seat, memory_order_relaxed);
    atomic_store_explicit(&seat->turn, atomic_load_explicit(&seat->turn, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    atomic_store_explicit(&seat->inside, SEAT_HANDLER, memory_order_release);
}

struct worker *user_end_slow(struct coroutine *c);

/* Enters the runtime on a coroutine: a late handler is handed back to its worker first. */
static inline struct worker *user_end(struct coroutine *c)
{
    struct seat *seat = seat_current();
    atomic_store_explicit(&seat->inside, SEAT_RUNTIME, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    if (__builtin_expect(atomic_load_explicit(&seat->taken, memory_order_acquire) != SEAT_MINE, 0))
        return user_end_slow(c);
    return seat->worker;
}

#endif
