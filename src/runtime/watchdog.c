/* Taking workers from stuck handlers, and reporting these: see watchdog.h. */
#include "runtime/watchdog.h"

#include <linux/membarrier.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "runtime/runtime.h"
#include "runtime/stats.h"

enum { STACK_TEXT = 1024 };

/* Every thread of the program runs a full memory barrier before this returns. */
static bool barrier_everywhere(void)
{
    return syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0;
}

/* What is reported later is copied now: the handler cannot end while its thread waits for our decision. */
static void note_handler(struct seat *seat)
{
    struct coroutine *c = seat->running;
    struct actor *a = c != NULL ? c->self.actor : NULL;
    seat->stuck_module = a != NULL ? a->class->module->ops.name : NULL;
    seat->stuck_class = a != NULL ? a->class->index : 0;
    seat->stuck_id_len = 0;
    if (a != NULL) {
        seat->stuck_id_len = (uint8_t)(a->id_len < sizeof seat->stuck_id ? a->id_len : sizeof seat->stuck_id);
        memcpy(seat->stuck_id, actor_id(a), seat->stuck_id_len);
    }
}

/* Gives the worker of a seat to another thread, if its thread is still in the same stretch of user code. */
static void take(struct runtime *rt, struct seat *seat)
{
    struct worker *w = seat->worker;
    atomic_store_explicit(&seat->taken, SEAT_WANTED, memory_order_seq_cst);
    perturb();
    bool sure = barrier_everywhere() &&
                /* Acquire: pairs with the release in user_begin; what the thread wrote before is ours to read. */
                atomic_load_explicit(&seat->inside, memory_order_acquire) == SEAT_HANDLER &&
                atomic_load_explicit(&seat->turn, memory_order_relaxed) == seat->watched_turn;
    if (sure)
        note_handler(seat);
    if (sure && threads_run(&rt->threads, worker_run, w) == MESH_OK)
        atomic_store_explicit(&seat->taken, SEAT_TAKEN, memory_order_release);
    else
        atomic_store_explicit(&seat->taken, SEAT_MINE, memory_order_release);
}

static void report(struct runtime *rt, struct seat *seat, uint64_t now_ns)
{
    seat->watched_reported = true;
    atomic_fetch_add_explicit(&rt->stuck, 1, memory_order_relaxed);
    if (seat->stuck_module != NULL)
        stats_note(rt, NULL, seat->stuck_class, COUNT_STUCK);
    const char *nameless = rt->watchdog.only_reports ? "(unknown)" : "(task)";
    char stack[STACK_TEXT];
    size_t len = rt->options.crash_reports ? crash_trace_text(seat, seat->watched_turn, stack, sizeof stack) : 0;
    const mesh_log_field fields[] = {
        log_name("module", mesh_str(seat->stuck_module != NULL ? seat->stuck_module : nameless)),
        log_bytes("id", (mesh_bytes){seat->stuck_id, seat->stuck_id_len}),
        log_number("running_ms", (int64_t)((now_ns - seat->watched_since_ns) / 1000000)),
        log_bytes("stack", (mesh_bytes){stack, len}),
    };
    size_t count = sizeof fields / sizeof fields[0];
    if (log_enabled(&rt->log, MESH_LOG_WARN))
        log_emit(&rt->log, MESH_LOG_WARN, "a handler is stuck: it neither returns nor suspends", fields,
                 len > 0 ? count : count - 1);
}

static void report_if_due(struct runtime *rt, struct seat *seat, uint64_t now_ns)
{
    if (!seat->watched_reported && now_ns - seat->watched_since_ns >= (uint64_t)rt->options.stuck_ms * 1000000)
        report(rt, seat, now_ns);
}

/* Looks at one seat. True: a handler runs there. */
static bool watch(struct runtime *rt, struct seat *seat, uint64_t now_ns)
{
    if (!atomic_load_explicit(&seat->occupied, memory_order_acquire))
        return false;
    uint32_t taken = atomic_load_explicit(&seat->taken, memory_order_acquire);
    if (taken == SEAT_TAKEN) {
        report_if_due(rt, seat, now_ns);
        return true;
    }
    if (atomic_load_explicit(&seat->inside, memory_order_relaxed) != SEAT_HANDLER)
        return false;
    uint32_t turn = atomic_load_explicit(&seat->turn, memory_order_relaxed);
    if (turn != seat->watched_turn || seat->watched_since_ns == 0) {
        seat->watched_turn = turn;
        seat->watched_since_ns = now_ns;
        seat->watched_reported = false;
    } else if (now_ns - seat->watched_since_ns >= WATCHDOG_TAKE_NS) {
        if (!rt->watchdog.only_reports)
            take(rt, seat);
        report_if_due(rt, seat, now_ns); /* also when there was no thread to give the worker to */
    }
    return true;
}

static bool watch_all(struct runtime *rt)
{
    uint64_t now_ns = clock_now_ns();
    bool busy = atomic_load_explicit(&rt->sleepers, memory_order_relaxed) < rt->worker_count;
    spin_lock(&rt->seats_lock);
    struct seat *seat = rt->seats;
    spin_unlock(&rt->seats_lock);
    for (; seat != NULL; seat = seat->next)
        busy = watch(rt, seat, now_ns) || busy;
    return busy;
}

static void wait_until(struct watchdog *dog, uint64_t at_ns)
{
    struct timespec until = {.tv_sec = (time_t)(at_ns / 1000000000), .tv_nsec = (long)(at_ns % 1000000000)};
    pthread_cond_timedwait(&dog->wake, &dog->lock, &until);
}

static void *run(void *arg)
{
    struct watchdog *dog = arg;
    int idle = 0;
    pthread_setname_np(pthread_self(), "mesh-watchdog");
    pthread_mutex_lock(&dog->lock);
    while (!dog->stop) {
        if (idle >= WATCHDOG_IDLE_TURNS) {
            atomic_store_explicit(&dog->parked, true, memory_order_seq_cst);
            while (!dog->stop && atomic_load_explicit(&dog->parked, memory_order_relaxed))
                pthread_cond_wait(&dog->wake, &dog->lock);
            idle = 0;
        }
        wait_until(dog, clock_now_ns() + WATCHDOG_TURN_NS);
        pthread_mutex_unlock(&dog->lock);
        crash_notice(dog->runtime);
        idle = watch_all(dog->runtime) ? 0 : idle + 1;
        pthread_mutex_lock(&dog->lock);
    }
    pthread_mutex_unlock(&dog->lock);
    return NULL;
}

int watchdog_start(struct watchdog *dog, struct runtime *rt)
{
    dog->runtime = rt;
    dog->only_reports = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) != 0;
    if (dog->only_reports)
        log_text(&rt->log, MESH_LOG_WARN, "membarrier is missing: stuck handlers are reported, but keep their workers");
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&dog->wake, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&dog->lock, NULL);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&dog->thread, NULL, run, dog);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    dog->started = rc == 0;
    return rc == 0 ? MESH_OK : MESH_ESYSTEM;
}

void watchdog_wake(struct watchdog *dog)
{
    pthread_mutex_lock(&dog->lock);
    atomic_store_explicit(&dog->parked, false, memory_order_relaxed);
    pthread_cond_signal(&dog->wake);
    pthread_mutex_unlock(&dog->lock);
}

void watchdog_stop(struct watchdog *dog)
{
    if (!dog->started)
        return;
    pthread_mutex_lock(&dog->lock);
    dog->stop = true;
    pthread_cond_signal(&dog->wake);
    pthread_mutex_unlock(&dog->lock);
    pthread_join(dog->thread, NULL);
    pthread_mutex_destroy(&dog->lock);
    pthread_cond_destroy(&dog->wake);
    dog->started = false;
}
