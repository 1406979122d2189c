/* What becomes of a node when a handler of it crashes, between the report (crash.c) and the end of the program.
 *
 * Memory can no longer be trusted, so the program must end, by the signal and soon. Until then it does what is most
 * likely to work and most missed otherwise: callers are told, and the other processes end in order. The thread that
 * crashed stays in its signal handler, on a stack of its own, and is treated like that of a stuck handler: its worker
 * goes to another thread. It has no lock of the runtime, since it was in the user's code, but may well have the
 * allocator's, or another of the program. So whatever is done here may hang, and it is the thread that crashed that
 * sees to the end: it waits for a limited time, by nothing but a futex, and then lets the signal happen again.
 *
 * In this order: the caller is told, new calls are refused, the worker goes on; then what else the process owed; then
 * the node drains as when it is stopped. A second crash ends the program at once, wherever it is. */
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "runtime/runtime.h"

static uint32_t drain_ms(const struct runtime *rt)
{
    return rt->options.drain_ms < CRASH_DRAIN_MS ? rt->options.drain_ms : CRASH_DRAIN_MS;
}

void crash_leave_to_others(struct seat *seat, const char *signal)
{
    struct runtime *rt = seat->worker->runtime;
    struct crash_left *left = &rt->crash;
    uint64_t until = clock_now_ns() + (uint64_t)(drain_ms(rt) + CRASH_GRACE_MS) * 1000000;
    left->signal = signal;
    /* Release: pairs with crash_notice; all that this thread wrote is the others' to read. */
    atomic_store_explicit(&left->seat, seat, memory_order_release);
    for (uint64_t now; (now = clock_now_ns()) < until;) {
        if (atomic_load_explicit(&left->drained, memory_order_acquire) != 0)
            return;
        uint64_t wait = until - now;
        const struct timespec most = {.tv_sec = (time_t)(wait / 1000000000), .tv_nsec = (long)(wait % 1000000000)};
        syscall(SYS_futex, &left->drained, FUTEX_WAIT_PRIVATE, 0, &most, NULL, 0);
    }
}

static mesh_term reason_of(const struct crash_left *left, uint8_t space[MESSAGE_INLINE])
{
    mesh_bytes name = mesh_str(left->signal);
    space[0] = 119; /* SMALL_ATOM_UTF8_EXT */
    space[1] = (uint8_t)name.len;
    memcpy(space + 2, name.data, name.len);
    return (mesh_term){.data = space, .len = name.len + 2};
}

/* The worker goes on without the thread that crashed. No barrier is needed, as when a worker is taken from a thread
 * that runs: this one does not look any more. */
static void replace_thread(struct runtime *rt, struct seat *seat)
{
    seat->watched_reported = true; /* as stuck it is not of interest */
    if (atomic_load_explicit(&seat->taken, memory_order_acquire) == SEAT_TAKEN)
        return; /* it was late already */
    atomic_store_explicit(&seat->taken, SEAT_TAKEN, memory_order_release);
    if (threads_run(&rt->threads, worker_run, seat->worker) != MESH_OK)
        log_text(&rt->log, MESH_LOG_ERROR, "no thread for the worker of a handler that crashed");
}

static void log_crash(struct runtime *rt, const struct crash_left *left, struct actor *a)
{
    log_write(&rt->log, MESH_LOG_ERROR, "a handler crashed: the node drains, and the program ends",
              log_name("signal", mesh_str(left->signal)),
              log_name("module", mesh_str(a != NULL ? a->class->module->ops.name : "(task)")),
              log_bytes("id", a != NULL ? (mesh_bytes){actor_id(a), a->id_len} : (mesh_bytes){NULL, 0}));
}

/* On a thread of the pool, for as long as it takes. */
static void drain(void *arg)
{
    struct runtime *rt = arg;
    struct crash_left *left = &rt->crash;
    struct coroutine *c = atomic_load_explicit(&left->seat, memory_order_acquire)->running;
    uint8_t space[MESSAGE_INLINE];
    process_lost(rt, c, reason_of(left, space));
    log_crash(rt, left, c->self.actor);
    runtime_drain_but(rt, c, drain_ms(rt));
    atomic_store_explicit(&left->drained, 1, memory_order_release);
    syscall(SYS_futex, &left->drained, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void crash_notice(struct runtime *rt)
{
    struct crash_left *left = &rt->crash;
    struct seat *seat = atomic_load_explicit(&left->seat, memory_order_acquire);
    if (seat == NULL || left->noticed)
        return;
    uint8_t space[MESSAGE_INLINE];
    struct message *m = seat->running->current;
    left->noticed = true;
    atomic_store_explicit(&rt->stopping, true, memory_order_seq_cst);
    if (m != NULL)
        call_fail(rt, NULL, m, MESH_ECRASHED, reason_of(left, space));
    replace_thread(rt, seat);
    if (threads_run(&rt->threads, drain, rt) != MESH_OK)
        drain(rt);
}

void crash_await_end(struct runtime *rt)
{
    while (atomic_load_explicit(&rt->crash.seat, memory_order_acquire) != NULL)
        pause();
}
