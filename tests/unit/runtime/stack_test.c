/* Coroutine stacks: layout, guards, reuse and the limits of a pool, with both kinds of guard. */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mesh/error.h>

#include "runtime/stack.h"
#include "unit/check.h"

enum { PAGE_MAX = 65536 };

static void check_layout(struct stack_pool *pool, size_t count)
{
    struct stack **stacks = calloc(count, sizeof *stacks);
    assert_non_null(stacks);
    for (size_t i = 0; i < count; i++) {
        struct stack *s = stacks[i] = stack_pool_get(pool);
        assert_non_null(s);
        assert_int_equal(s->index, i);
        assert_int_equal((uintptr_t)s->top % 64, 0);
        assert_int_equal((uintptr_t)s->low % pool->page_bytes, 0);
        assert_in_range(s->top - s->low, pool->size_bytes - 2048 + 1, pool->size_bytes);
        s->low[0] = (char)i; /* first and last byte are usable */
        s->top[-1] = (char)i;
    }
    for (size_t i = 0; i < count; i++) {
        struct stack *s = stacks[i];
        assert_int_equal(s->low[0], (char)i);
        assert_int_equal(s->top[-1], (char)i);
        assert_ptr_equal(stack_guard_owner(pool, s->low - 1), s);
        assert_ptr_equal(stack_guard_owner(pool, s->low - pool->page_bytes), s);
        assert_null(stack_guard_owner(pool, s->low));
        assert_null(stack_guard_owner(pool, s->top - 1));
    }
    for (size_t i = 0; i < count; i++)
        stack_pool_put(pool, stacks[i]);
    free(stacks);
}

static void stacks_are_apart_and_guarded_by_advice(void **state)
{
    (void)state;
    struct stack_pool pool;
    assert_int_equal(stack_pool_init(&pool, NULL), MESH_OK);
    check_layout(&pool, 200);
    assert_null(stack_guard_owner(&pool, NULL));
    assert_null(stack_guard_owner(&pool, &pool));
    stack_pool_fini(&pool);
}

static void stacks_are_apart_and_guarded_by_mprotect(void **state)
{
    (void)state;
    struct stack_pool pool;
    struct stack_options options = {.size_bytes = STACK_MIN_BYTES + 1, .max = 130, .no_advice = true};
    assert_int_equal(stack_pool_init(&pool, &options), MESH_OK);
    assert_true(pool.size_bytes > STACK_MIN_BYTES && pool.size_bytes <= STACK_MIN_BYTES + PAGE_MAX);
    check_layout(&pool, 130);
    stack_pool_fini(&pool);
}

static void neighbours_have_different_colours(void **state)
{
    (void)state;
    struct stack_pool pool;
    assert_int_equal(stack_pool_init(&pool, NULL), MESH_OK);
    struct stack *stacks[16];
    for (size_t i = 0; i < 16; i++) {
        stacks[i] = stack_pool_get(&pool);
        assert_non_null(stacks[i]);
        for (size_t j = 0; j < i; j++)
            assert_int_not_equal((uintptr_t)stacks[i]->top % 4096, (uintptr_t)stacks[j]->top % 4096);
    }
    for (size_t i = 0; i < 16; i++)
        stack_pool_put(&pool, stacks[i]);
    stack_pool_fini(&pool);
}

static void sizes_out_of_range_are_refused(void **state)
{
    (void)state;
    struct stack_pool pool;
    struct stack_options small = {.size_bytes = STACK_MIN_BYTES - 1};
    struct stack_options large = {.size_bytes = (size_t)STACK_MAX_BYTES + 1};
    struct stack_options many = {.max = (size_t)STACK_LIMIT_MAX + 1};
    assert_int_equal(stack_pool_init(&pool, &small), MESH_EINVAL);
    assert_int_equal(stack_pool_init(&pool, &large), MESH_EINVAL);
    assert_int_equal(stack_pool_init(&pool, &many), MESH_EINVAL);
}

static void the_maximum_holds_and_stacks_come_back(void **state)
{
    (void)state;
    struct stack_pool pool;
    struct stack_options options = {.max = 70, .max_cached = 10};
    assert_int_equal(stack_pool_init(&pool, &options), MESH_OK);
    struct stack *stacks[70];
    for (size_t i = 0; i < 70; i++)
        assert_non_null(stacks[i] = stack_pool_get(&pool));
    assert_null(stack_pool_get(&pool));
    for (size_t i = 0; i < 70; i++)
        stacks[i]->top[-1] = 7;
    for (size_t i = 0; i < 70; i++)
        stack_pool_put(&pool, stacks[i]);

    struct stack_stats stats;
    stack_pool_stats(&pool, &stats);
    assert_int_equal(stats.live, 0);
    assert_int_equal(stats.cached, 10);
    assert_int_equal(stats.carved, 70);

    /* The 10 cached come first and keep their contents; the others gave their pages back and read as zero. */
    for (size_t i = 0; i < 70; i++) {
        assert_non_null(stacks[i] = stack_pool_get(&pool));
        assert_int_equal(stacks[i]->top[-1], i < 10 ? 7 : 0);
    }
    assert_null(stack_pool_get(&pool));
    stack_pool_stats(&pool, &stats);
    assert_int_equal(stats.live, 70);
    assert_int_equal(stats.carved, 70);
    for (size_t i = 0; i < 70; i++) {
        /* A guard outlives the return of the pages. */
        assert_ptr_equal(stack_guard_owner(&pool, stacks[i]->low - 1), stacks[i]);
        stack_pool_put(&pool, stacks[i]);
    }
    stack_pool_fini(&pool);
}

static struct stack_pool crash_pool; /* a signal handler has no other way to find it */

static void on_crash(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)context;
    const struct stack *owner = stack_guard_owner(&crash_pool, info->si_addr);
    _exit(owner != NULL ? (int)owner->index : 200);
}

/* Writes below stack number 5 in a child and returns how the child's handler explained the crash. */
static int crash_in_guard(bool no_advice)
{
    struct stack_options options = {.no_advice = no_advice, .max_cached = 1};
    assert_int_equal(stack_pool_init(&crash_pool, &options), MESH_OK);
    struct stack *stacks[6];
    for (int i = 0; i < 6; i++)
        assert_non_null(stacks[i] = stack_pool_get(&crash_pool));
    for (int i = 0; i < 6; i++) /* the guard must survive reuse */
        stack_pool_put(&crash_pool, stacks[i]);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct sigaction action = {.sa_sigaction = on_crash, .sa_flags = SA_SIGINFO};
        sigaction(SIGSEGV, &action, NULL);
        ((volatile char *)stacks[5]->low)[-8] = 1;
        _exit(201);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    stack_pool_fini(&crash_pool);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void an_overflow_is_told_from_a_crash(void **state)
{
    (void)state;
    assert_int_equal(crash_in_guard(false), 5);
    assert_int_equal(crash_in_guard(true), 5);
}

static void *churn(void *arg)
{
    struct stack_pool *pool = arg;
    struct stack *held[8] = {NULL};
    for (unsigned i = 0; i < 4000; i++) {
        struct stack **slot = &held[i * 7 % 8];
        if (*slot != NULL) {
            stack_pool_put(pool, *slot);
            *slot = NULL;
        } else {
            *slot = stack_pool_get(pool);
            if (*slot != NULL)
                (*slot)->top[-1] = (char)i; /* a race, if two threads were given the same stack */
        }
    }
    for (unsigned i = 0; i < 8; i++)
        if (held[i] != NULL)
            stack_pool_put(pool, held[i]);
    return NULL;
}

static void threads_share_a_pool(void **state)
{
    (void)state;
    struct stack_pool pool;
    struct stack_options options = {.max = 20, .max_cached = 4};
    assert_int_equal(stack_pool_init(&pool, &options), MESH_OK);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, churn, &pool), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    struct stack_stats stats;
    stack_pool_stats(&pool, &stats);
    assert_int_equal(stats.live, 0);
    assert_true(stats.carved <= 20 && stats.cached <= 4);
    stack_pool_fini(&pool);
}

static void many_stacks_fit(void **state)
{
    (void)state;
    enum { MANY = STACK_DEFAULT_MAX };
    struct stack_pool pool;
    struct stack_options options = {.no_advice = true};
    assert_int_equal(stack_pool_init(&pool, &options), MESH_OK);
    struct stack **stacks = calloc(MANY, sizeof *stacks);
    assert_non_null(stacks);
    for (size_t i = 0; i < MANY; i++)
        assert_non_null(stacks[i] = stack_pool_get(&pool));
    assert_ptr_equal(stack_guard_owner(&pool, stacks[MANY - 1]->low - 1), stacks[MANY - 1]);
    for (size_t i = 0; i < MANY; i++)
        stack_pool_put(&pool, stacks[i]);
    free(stacks);
    stack_pool_fini(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stacks_are_apart_and_guarded_by_advice),
        cmocka_unit_test(stacks_are_apart_and_guarded_by_mprotect),
        cmocka_unit_test(neighbours_have_different_colours),
        cmocka_unit_test(sizes_out_of_range_are_refused),
        cmocka_unit_test(the_maximum_holds_and_stacks_come_back),
        cmocka_unit_test(an_overflow_is_told_from_a_crash),
        cmocka_unit_test(threads_share_a_pool),
        cmocka_unit_test(many_stacks_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
