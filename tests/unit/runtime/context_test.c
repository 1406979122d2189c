/* The switch between stacks: data both ways, many coroutines, deep stacks, migration between threads, reuse. */
#include <fenv.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <mesh/error.h>

#include "runtime/context.h"
#include "unit/check.h"

static struct stack_pool pool;

static int set_up(void **state)
{
    (void)state;
    return stack_pool_init(&pool, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    struct stack_stats stats;
    stack_pool_stats(&pool, &stats);
    stack_pool_fini(&pool);
    return stats.live == 0 ? 0 : -1;
}

/* A coroutine that adds what it is sent, until it is sent 0. */
struct adder {
    struct context context;
    struct stack *stack;
    struct context *caller; /* the thread that resumes it now */
    long sum;
    bool ended;
};

static void add(void *arg, void *data)
{
    struct adder *self = arg;
    for (long n = (long)(intptr_t)data; n != 0;) {
        self->sum += n;
        n = (long)(intptr_t)context_switch(&self->context, self->caller, (void *)(intptr_t)self->sum);
    }
    self->ended = true;
    context_exit(&self->context, self->caller, NULL);
}

static void adder_init(struct adder *a, struct context *caller)
{
    *a = (struct adder){.caller = caller, .stack = stack_pool_get(&pool)};
    assert_non_null(a->stack);
    context_init(&a->context, a->stack, add, a);
}

static long adder_send(struct adder *a, long n)
{
    return (long)(intptr_t)context_switch(a->caller, &a->context, (void *)(intptr_t)n);
}

static void adder_fini(struct adder *a)
{
    context_fini(&a->context);
    stack_pool_put(&pool, a->stack);
}

static void data_goes_both_ways(void **state)
{
    (void)state;
    struct context thread;
    context_init_thread(&thread);
    struct adder a;
    adder_init(&a, &thread);
    long expected = 0;
    for (long n = 1; n <= 10000; n++) {
        expected += n;
        assert_int_equal(adder_send(&a, n), expected);
    }
    assert_int_equal(adder_send(&a, 0), 0);
    assert_true(a.ended);
    adder_fini(&a);
    context_fini(&thread);
}

static void many_coroutines_interleave(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    struct context thread;
    context_init_thread(&thread);
    struct adder *a = calloc(COUNT, sizeof *a);
    assert_non_null(a);
    for (int i = 0; i < COUNT; i++)
        adder_init(&a[i], &thread);
    for (int round = 1; round <= 20; round++)
        for (int i = 0; i < COUNT; i++)
            assert_int_equal(adder_send(&a[i], i + 1), round * (i + 1));
    for (int i = 0; i < COUNT; i++) {
        if (i % 2 == 0) /* the others are forgotten while suspended */
            assert_int_equal(adder_send(&a[i], 0), 0);
        adder_fini(&a[i]);
    }
    free(a);
    context_fini(&thread);
}

static void a_context_may_never_run(void **state)
{
    (void)state;
    struct context thread;
    context_init_thread(&thread);
    struct adder a;
    adder_init(&a, &thread);
    adder_fini(&a);
    assert_false(a.ended);
    context_fini(&thread);
}

/* Uses about 100 bytes and more a level, and checks them on the way back. */
static long descend(struct adder *self, int depth)
{
    volatile char frame[64];
    memset((char *)frame, depth & 0x7f, sizeof frame);
    if (depth == 0)
        return (long)(intptr_t)context_switch(&self->context, self->caller, (void *)(intptr_t)1);
    long below = descend(self, depth - 1);
    for (size_t i = 0; i < sizeof frame; i++)
        if (frame[i] != (depth & 0x7f))
            return -1;
    return below + 1;
}

static void dive(void *arg, void *data)
{
    struct adder *self = arg;
    (void)data;
    self->sum = descend(self, 100);
    self->ended = true;
    context_exit(&self->context, self->caller, NULL);
}

static void a_deep_stack_survives_a_switch(void **state)
{
    (void)state;
    struct context thread;
    context_init_thread(&thread);
    struct adder a[8];
    for (int i = 0; i < 8; i++) {
        adder_init(&a[i], &thread);
        context_fini(&a[i].context);
        context_init(&a[i].context, a[i].stack, dive, &a[i]);
        assert_int_equal(adder_send(&a[i], 1), 1);
    }
    for (int i = 0; i < 8; i++) {
        assert_int_equal(adder_send(&a[i], 1000), 0);
        assert_true(a[i].ended);
        assert_int_equal(a[i].sum, 1100);
        adder_fini(&a[i]);
    }
    context_fini(&thread);
}

/* Leaves dirty frames behind: a forgotten coroutine never returns from them. */
static void a_stack_is_used_again(void **state)
{
    (void)state;
    struct context thread;
    context_init_thread(&thread);
    struct adder a;
    for (int i = 0; i < 1000; i++) {
        adder_init(&a, &thread);
        context_fini(&a.context);
        context_init(&a.context, a.stack, i % 2 == 0 ? dive : add, &a);
        assert_int_equal(adder_send(&a, 1), 1);
        adder_fini(&a);
    }
    context_fini(&thread);
}

/* One coroutine resumes another, which resumes the thread: switches need not be nested. */
struct relay {
    struct context context;
    struct context *next;
    int turns;
};

static void relay(void *arg, void *data)
{
    struct relay *self = arg;
    for (;;) {
        self->turns++;
        data = context_switch(&self->context, self->next, data);
    }
}

static void coroutines_switch_to_each_other(void **state)
{
    (void)state;
    struct context thread;
    context_init_thread(&thread);
    struct relay ring[5] = {{.turns = 0}};
    struct stack *stacks[5];
    for (int i = 0; i < 5; i++) {
        assert_non_null(stacks[i] = stack_pool_get(&pool));
        context_init(&ring[i].context, stacks[i], relay, &ring[i]);
        ring[i].next = i < 4 ? &ring[i + 1].context : &thread;
    }
    for (int round = 1; round <= 1000; round++) {
        assert_ptr_equal(context_switch(&thread, &ring[0].context, &ring[round % 5]), &ring[round % 5]);
        for (int i = 0; i < 5; i++)
            assert_int_equal(ring[i].turns, round);
    }
    for (int i = 0; i < 5; i++) {
        context_fini(&ring[i].context);
        stack_pool_put(&pool, stacks[i]);
    }
    context_fini(&thread);
}

/* Two threads resume the same coroutines in turn; a mutex hands them over. */
struct shared {
    pthread_mutex_t lock;
    struct adder adders[16];
    int left;
};

static void *resume_shared(void *arg)
{
    struct shared *shared = arg;
    struct context thread;
    context_init_thread(&thread);
    for (bool more = true; more;) {
        pthread_mutex_lock(&shared->lock);
        more = shared->left > 0;
        if (more) {
            struct adder *a = &shared->adders[shared->left-- % 16];
            a->caller = &thread;
            adder_send(a, 3);
        }
        pthread_mutex_unlock(&shared->lock);
    }
    context_fini(&thread);
    return NULL;
}

static void coroutines_migrate_between_threads(void **state)
{
    (void)state;
    enum { TURNS = 16 * 500 };
    struct context thread;
    context_init_thread(&thread);
    struct shared shared = {.lock = PTHREAD_MUTEX_INITIALIZER, .left = TURNS};
    for (int i = 0; i < 16; i++) {
        adder_init(&shared.adders[i], &thread);
        assert_int_equal(adder_send(&shared.adders[i], 1), 1);
    }
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, resume_shared, &shared), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 16; i++) {
        struct adder *a = &shared.adders[i];
        a->caller = &thread;
        assert_int_equal(a->sum, 1 + 3 * TURNS / 16);
        assert_int_equal(adder_send(a, 0), 0);
        adder_fini(a);
    }
    context_fini(&thread);
}

static void round_down(void *arg, void *data)
{
    struct adder *self = arg;
    (void)data;
    fesetround(FE_DOWNWARD);
    self->sum = (long)(intptr_t)context_switch(&self->context, self->caller, NULL);
    self->ended = fegetround() == FE_DOWNWARD;
    context_exit(&self->context, self->caller, NULL);
}

static void the_rounding_mode_belongs_to_the_context_or_the_thread(void **state)
{
    (void)state;
    struct context thread;
    context_init_thread(&thread);
    struct adder a = {.caller = &thread, .stack = stack_pool_get(&pool)};
    assert_non_null(a.stack);
    context_init(&a.context, a.stack, round_down, &a);
    adder_send(&a, 1);
    assert_int_equal(fegetround(), SWITCH_CONTROLS_ROUNDING ? FE_TONEAREST : FE_DOWNWARD);
    if (!SWITCH_CONTROLS_ROUNDING)
        fesetround(FE_TONEAREST);
    adder_send(&a, 1);
    assert_int_equal(a.ended, SWITCH_CONTROLS_ROUNDING);
    assert_int_equal(fegetround(), FE_TONEAREST);
    adder_fini(&a);
    context_fini(&thread);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_goes_both_ways),
        cmocka_unit_test(many_coroutines_interleave),
        cmocka_unit_test(a_context_may_never_run),
        cmocka_unit_test(a_deep_stack_survives_a_switch),
        cmocka_unit_test(a_stack_is_used_again),
        cmocka_unit_test(coroutines_switch_to_each_other),
        cmocka_unit_test(coroutines_migrate_between_threads),
        cmocka_unit_test(the_rounding_mode_belongs_to_the_context_or_the_thread),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
