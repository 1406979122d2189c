/* Switching between stacks, announced to the sanitizers. The few instructions of each processor are in switch_*.h.
 *
 * A context is one side of a switch: a coroutine on a stack of its own, or the stack that a thread came with. Exactly
 * one thread uses a context at a time, but not always the same: a coroutine suspended on one thread may be resumed by
 * another, once `from` is suspended, that is, once the code that it switched to has said so (a queue, a lock, an
 * acquire/release pair).
 *
 * What a switch hides from the compiler. C has no notion of a function that returns on another thread, so gcc and clang
 * keep the address of errno and of any _Thread_local variable in a register across context_switch, even across a call
 * of a function that was inlined around it. Code that may be resumed elsewhere must therefore: read thread-locals only
 * through a noinline function; save and restore errno itself; hold no mutex and no lock across the switch. Signal
 * masks are not switched. The floating point control words (rounding mode, exception masks) are on x86-64, where they
 * belong to the context; on aarch64 FPCR is left alone and belongs to the thread, so that code which changes the
 * rounding mode there puts it back before it switches. SWITCH_CONTROLS_ROUNDING tells. */
#ifndef RUNTIME_CONTEXT_H
#define RUNTIME_CONTEXT_H

#include <stddef.h>

#include "runtime/stack.h"

#if defined(__x86_64__)
#include "runtime/switch_x86_64.h"
#elif defined(__aarch64__)
#include "runtime/switch_aarch64.h"
#else
#error "no switch between stacks for this processor: see switch_x86_64.h for what it takes"
#endif

/* The one place that asks which sanitizer is on. */
#if defined(__SANITIZE_ADDRESS__)
#define CONTEXT_ASAN 1
#elif defined(__SANITIZE_THREAD__)
#define CONTEXT_TSAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CONTEXT_ASAN 1
#elif __has_feature(thread_sanitizer)
#define CONTEXT_TSAN 1
#endif
#endif

#if defined(CONTEXT_ASAN)
#include <sanitizer/common_interface_defs.h>
#elif defined(CONTEXT_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

/* What a coroutine runs. data is what the first switch to it carried. It must not return: it leaves for the last time
 * by context_exit, or stays suspended for ever. */
typedef void context_entry(void *arg, void *data);

/* Fields are private to this module. While a context is suspended, point says where it goes on; it is written by the
 * context itself before it leaves. */
struct context {
    struct switch_point point; /* first; its pc is NULL while the context runs */
    struct context *peer;      /* who switched to it last */
    void *data;                /* what that switch carried */
    context_entry *entry;
    void *arg;
    struct stack *stack; /* NULL: a thread's own */
#if defined(CONTEXT_ASAN)
    void *fake_stack;
    const void *low;
    size_t size_bytes;
#elif defined(CONTEXT_TSAN)
    void *fiber;
#endif
};

/* Prepares ctx to run entry(arg, data) on stack at the first switch to it. stack stays the caller's and must be free;
 * ctx must not move until context_fini. Any thread. */
void context_init(struct context *ctx, struct stack *stack, context_entry *entry, void *arg);

/* Describes the running thread, so that it can switch to coroutines and be switched back to. ctx must not move. It
 * belongs to this thread for ever: only coroutines migrate. */
void context_init_thread(struct context *ctx);

/* Forgets a context that does not run. Nothing is unwound: what its frames own is lost, so a coroutine is ended when
 * it holds nothing. The stack may be put back or used for another context afterwards. Any thread. For a thread's own
 * context: on that thread. */
void context_fini(struct context *ctx);

/* Begins a switch. last: `from` will never be resumed. Always inlined: a function of its own would be entered on one
 * TSan fiber and left on another, which shifts the stacks that TSan keeps. */
__attribute__((always_inline)) static inline void context_leave(struct context *from, struct context *to, bool last)
{
#if defined(CONTEXT_ASAN)
    __sanitizer_start_switch_fiber(last ? NULL : &from->fake_stack, to->low, to->size_bytes);
#elif defined(CONTEXT_TSAN)
    __tsan_switch_to_fiber(to->fiber, 0);
#endif
    (void)from;
    (void)to;
    (void)last;
}

/* Ends a switch on the side that was switched to. */
static inline void *context_arrive(struct context *self)
{
    struct context *peer = self->peer;
    switch_arrive(&self->point, &peer->point);
#if defined(CONTEXT_ASAN)
    /* Tells the bounds of the stack that was left: the only source for those of a thread's own stack. */
    __sanitizer_finish_switch_fiber(self->fake_stack, &peer->low, &peer->size_bytes);
#endif
    return self->data;
}

/* Suspends from, which must be the running context, and resumes to, which must be suspended or fresh. Returns when
 * somebody switches to from again, with the data of that switch. Read the hazards at the top of this file. */
__attribute__((always_inline)) static inline void *context_switch(struct context *from, struct context *to, void *data)
{
    void *pc = to->point.pc;
    to->point.pc = NULL; /* a second resume would crash at once, not corrupt */
    to->peer = from;
    to->data = data;
    context_leave(from, to, false);
    switch_stack(&from->point, &to->point, pc);
    return context_arrive(from);
}

/* The last switch of a coroutine: like context_switch, but from is not resumed any more and waits for its
 * context_fini. */
_Noreturn void context_exit(struct context *from, struct context *to, void *data);

#endif
