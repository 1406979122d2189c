/* The rare parts of context.h: beginnings and ends. The switch itself is inline there. */
#include "runtime/context.h"

#include <assert.h>
#include <stdlib.h>

#if defined(CONTEXT_ASAN)
#include <sanitizer/asan_interface.h>
#endif

/* The first frame of every coroutine. */
static void begin(void *from, void *to)
{
    struct context *self = to;
    (void)from;
    void *data = context_arrive(self);
    self->entry(self->arg, data);
    abort(); /* entry has returned, and there is no frame to return to */
}

void context_init(struct context *ctx, struct stack *stack, context_entry *entry, void *arg)
{
    *ctx = (struct context){.entry = entry, .arg = arg, .stack = stack};
    switch_init(&ctx->point, stack->top, begin);
#if defined(CONTEXT_ASAN)
    ctx->low = stack->low;
    ctx->size_bytes = (size_t)(stack->top - stack->low);
#elif defined(CONTEXT_TSAN)
    ctx->fiber = __tsan_create_fiber(0);
#endif
}

void context_init_thread(struct context *ctx)
{
    *ctx = (struct context){0};
#if defined(CONTEXT_TSAN)
    ctx->fiber = __tsan_get_current_fiber();
#endif
}

void context_fini(struct context *ctx)
{
    if (ctx->stack == NULL)
        return;
    assert(ctx->point.pc != NULL);
#if defined(CONTEXT_ASAN)
    /* The frames that never returned have left red zones behind, which the next user of the stack would run into. */
    __asan_unpoison_memory_region(ctx->stack->low, (size_t)(ctx->stack->top - ctx->stack->low));
#elif defined(CONTEXT_TSAN)
    __tsan_destroy_fiber(ctx->fiber);
#endif
    ctx->point.pc = NULL;
}

_Noreturn void context_exit(struct context *from, struct context *to, void *data)
{
    void *pc = to->point.pc;
    to->point.pc = NULL;
    to->peer = from;
    to->data = data;
    context_leave(from, to, true);
    switch_stack(&from->point, &to->point, pc);
    abort(); /* resumed after its end */
}
