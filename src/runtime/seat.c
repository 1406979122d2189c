/* Seats: which thread runs which worker. See worker.h. */
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "runtime/runtime.h"

static _Thread_local struct seat *current_seat;

__attribute__((noinline)) struct seat *seat_current(void)
{
    return current_seat;
}

__attribute__((noinline)) static void set_current(struct seat *seat)
{
    current_seat = seat;
}

bool seat_enter_slow(struct seat *seat)
{
    for (;;) {
        uint32_t taken = atomic_load_explicit(&seat->taken, memory_order_acquire);
        if (taken != SEAT_WANTED)
            return taken == SEAT_MINE;
        sched_yield(); /* the watchdog is deciding: a few instructions */
    }
}

/* An unoccupied seat, or a new one. */
static struct seat *find(struct runtime *rt)
{
    spin_lock(&rt->seats_lock);
    struct seat *seat = rt->seats;
    /* Acquire: pairs with the release in seat_leave, so that what its last thread wrote is over. */
    while (seat != NULL && atomic_load_explicit(&seat->occupied, memory_order_acquire))
        seat = seat->next;
    if (seat == NULL) {
        seat = must_calloc(1, sizeof *seat);
        seat->next = rt->seats;
        rt->seats = seat;
    }
    atomic_store_explicit(&seat->occupied, true, memory_order_relaxed);
    spin_unlock(&rt->seats_lock);
    return seat;
}

struct seat *seat_occupy(struct runtime *rt, struct worker *w)
{
    struct seat *seat = find(rt);
    seat->worker = w;
    seat->running = NULL;
    seat->returned = NULL;
    atomic_store_explicit(&seat->inside, SEAT_RUNTIME, memory_order_relaxed);
    atomic_store_explicit(&seat->tid, syscall(SYS_gettid), memory_order_relaxed);
    context_init_thread(&seat->base);
    set_current(seat);
    if (rt->options.crash_reports)
        crash_enter(seat);
    atomic_store_explicit(&seat->taken, SEAT_MINE, memory_order_release);
    atomic_store_explicit(&w->seat, seat, memory_order_release);
    return seat;
}

void seat_leave(struct seat *seat)
{
    if (seat->worker->runtime->options.crash_reports)
        crash_leave(seat);
    set_current(NULL);
    context_fini(&seat->base);
    atomic_store_explicit(&seat->tid, 0, memory_order_relaxed);
    atomic_store_explicit(&seat->occupied, false, memory_order_release);
}

void seats_fini(struct runtime *rt)
{
    while (rt->seats != NULL) {
        struct seat *seat = rt->seats;
        rt->seats = seat->next;
        crash_seat_fini(seat);
        free(seat);
    }
}
