/* Crash reports and stacks, for nodes that ask for them (crash_reports): what a signal handler can say of a thread.
 *
 * Signal dispositions belong to the process, so this is the one place with state that is not a node's: how many nodes
 * want the handlers, and what was there before. The first node installs them, the last one that stops puts back what
 * it found, unless somebody has installed others meanwhile. Without a node that asks, nothing is installed.
 *
 * SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT: a report is written to standard error (the signal, the address, the
 * process whose handler ran, whether its stack overflowed, the stack), then the disposition that was there before is
 * put back and the signal happens again, so that the program ends as it would have.
 *
 * Where it was a handler's own code, the node is drained in between: see crash_drain.c.
 *
 * CRASH_TRACE_SIGNAL asks a late thread for its stack, for the report of a stuck handler. Its handler restarts system
 * calls (SA_RESTART), so that of the user's code only what never restarts (nanosleep, poll, …: signal(7)) sees EINTR,
 * once a report. If the program uses that signal for something of its own, stuck handlers are reported without. */
#ifndef RUNTIME_CRASH_H
#define RUNTIME_CRASH_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CRASH_TRACE_SIGNAL (SIGRTMIN + 7)

enum { CRASH_FRAMES = 32, CRASH_STACK_BYTES = 64 * 1024, CRASH_TRACE_MS = 100 };

/* Longer than this the end of the program does not wait for the node to drain, whatever drain_ms says. */
enum { CRASH_DRAIN_MS = 5000, CRASH_GRACE_MS = 250 };

struct runtime;
struct seat;

/* What a thread whose handler crashed leaves to others, and waits for. One a node; it is used once. */
struct crash_left {
    _Atomic(struct seat *) seat; /* set last, by the thread that crashed */
    const char *signal;          /* its name */
    _Atomic uint32_t drained;    /* the futex word of that thread */
    bool noticed;                /* the watchdog's */
};

/* A place for one stack, in each seat. */
struct crash_trace {
    _Atomic uint32_t state; /* TRACE_…, see crash.c; also the futex word of who asked */
    uint32_t turn;          /* the stretch of user code it was taken in */
    int count;
    void *frame[CRASH_FRAMES];
};

/* What a thread needs while it has a seat: a stack for the handlers. */
struct crash_stack {
    void *memory;    /* CRASH_STACK_BYTES, kept for the next thread of the seat; NULL: no reports */
    stack_t before;  /* what the thread had */
    sigset_t masked; /* … and its signal mask */
};

/* Installs the handlers, or counts one more who wants them. Any thread. */
void crash_install(void);
/* Undoes one crash_install. */
void crash_uninstall(void);

/* The calling thread takes its seat, or leaves it: only of nodes with crash_reports. Without memory for its stack it
 * goes without reports of overflows and without traces. */
void crash_enter(struct seat *seat);
void crash_leave(struct seat *seat);
/* Frees what a seat keeps. */
void crash_seat_fini(struct seat *seat);

/* Writes the stack of the handler that has run on a seat's thread since a turn, innermost function first, as
 * "name+0x12 < name+0x34"; its length, or 0 when the thread did not answer in CRASH_TRACE_MS or does something else by
 * now. One caller at a time: the watchdog. */
size_t crash_trace_text(struct seat *seat, uint32_t turn, char *text, size_t size);

/* ---- crash_drain.c ---- */

/* In the signal handler of a thread whose handler crashed: leaves the rest to others, and returns when they are done or
 * their time is over. */
void crash_leave_to_others(struct seat *seat, const char *signal);

/* Looks whether a handler has crashed, and if so sees to it that the node drains. The watchdog. */
void crash_notice(struct runtime *rt);

/* A node cannot be stopped any more when a handler of it has crashed: waits for the end of the program then. */
void crash_await_end(struct runtime *rt);

#endif
