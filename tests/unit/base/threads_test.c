/* The thread pool: reuse, the maximum, idle threads that end, names and signals, teardown. */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>

#include <mesh/error.h>

#include "base/threads.h"
#include "unit/check.h"

static void wait_for(struct threads *pool, size_t count, size_t idle)
{
    struct threads_stats stats;
    do {
        sched_yield();
        threads_stats(pool, &stats);
    } while (stats.count != count || stats.idle != idle);
}

struct gate {
    sem_t entered;
    sem_t leave;
    atomic_int runs;
};

static void pass(void *arg)
{
    struct gate *gate = arg;
    sem_post(&gate->entered);
    sem_wait(&gate->leave);
    atomic_fetch_add(&gate->runs, 1);
}

static void gate_init(struct gate *gate)
{
    sem_init(&gate->entered, 0, 0);
    sem_init(&gate->leave, 0, 0);
    atomic_init(&gate->runs, 0);
}

static void gate_fini(struct gate *gate)
{
    sem_destroy(&gate->entered);
    sem_destroy(&gate->leave);
}

static void an_idle_thread_is_used_again(void **state)
{
    (void)state;
    struct threads pool;
    struct threads_options options = {.max = 4, .keep = 4};
    assert_int_equal(threads_init(&pool, &options), MESH_OK);
    struct gate gate;
    gate_init(&gate);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(threads_run(&pool, pass, &gate), MESH_OK);
        sem_wait(&gate.entered);
        sem_post(&gate.leave);
        wait_for(&pool, 1, 1);
    }
    assert_int_equal(atomic_load(&gate.runs), 200);
    threads_fini(&pool);
    gate_fini(&gate);
}

static void no_more_than_max_at_a_time(void **state)
{
    (void)state;
    struct threads pool;
    struct threads_options options = {.max = 3, .keep = 3};
    assert_int_equal(threads_init(&pool, &options), MESH_OK);
    struct gate gate;
    gate_init(&gate);
    for (int i = 0; i < 3; i++)
        assert_int_equal(threads_run(&pool, pass, &gate), MESH_OK);
    for (int i = 0; i < 3; i++)
        sem_wait(&gate.entered); /* all three run at the same time */
    assert_int_equal(threads_run(&pool, pass, &gate), MESH_ESYSTEM);
    sem_post(&gate.leave);
    wait_for(&pool, 3, 1);
    assert_int_equal(threads_run(&pool, pass, &gate), MESH_OK);
    for (int i = 0; i < 3; i++)
        sem_post(&gate.leave);
    threads_fini(&pool); /* waits for the jobs */
    assert_int_equal(atomic_load(&gate.runs), 4);
    gate_fini(&gate);
}

static void idle_threads_end_down_to_keep(void **state)
{
    (void)state;
    struct threads pool;
    struct threads_options options = {.max = 8, .keep = 2, .idle_ms = 1};
    assert_int_equal(threads_init(&pool, &options), MESH_OK);
    struct gate gate;
    gate_init(&gate);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 8; i++)
            assert_int_equal(threads_run(&pool, pass, &gate), MESH_OK);
        for (int i = 0; i < 8; i++)
            sem_post(&gate.leave);
        wait_for(&pool, 2, 2);
    }
    assert_int_equal(atomic_load(&gate.runs), 40);
    threads_fini(&pool);
    gate_fini(&gate);
}

struct report {
    char name[THREADS_NAME_BYTES];
    sigset_t mask;
    size_t stack_bytes;
    sem_t done;
};

static void look(void *arg)
{
    struct report *report = arg;
    pthread_getname_np(pthread_self(), report->name, sizeof report->name);
    pthread_sigmask(SIG_SETMASK, NULL, &report->mask);
    pthread_attr_t attr;
    pthread_getattr_np(pthread_self(), &attr);
    pthread_attr_getstacksize(&attr, &report->stack_bytes);
    pthread_attr_destroy(&attr);
    sem_post(&report->done);
}

static void threads_have_a_name_a_stack_size_and_blocked_signals(void **state)
{
    (void)state;
    struct threads pool;
    struct threads_options options = {.name = "a-name-that-is-too-long", .max = 1, .stack_bytes = 1 << 20};
    assert_int_equal(threads_init(&pool, &options), MESH_OK);
    struct report report = {.name = ""};
    sem_init(&report.done, 0, 0);
    assert_int_equal(threads_run(&pool, look, &report), MESH_OK);
    sem_wait(&report.done);
    assert_string_equal(report.name, "a-name-that-is-");
    assert_true(sigismember(&report.mask, SIGINT) == 1 && sigismember(&report.mask, SIGTERM) == 1 &&
                sigismember(&report.mask, SIGPIPE) == 1);
    assert_true(sigismember(&report.mask, SIGSEGV) == 0 && sigismember(&report.mask, SIGABRT) == 0);
    assert_in_range(report.stack_bytes, 512 * 1024, 2 * 1024 * 1024);
    sigset_t own;
    pthread_sigmask(SIG_SETMASK, NULL, &own);
    assert_int_equal(sigismember(&own, SIGINT), 0); /* the caller's mask is as before */
    threads_fini(&pool);
    sem_destroy(&report.done);
}

struct nested {
    struct threads *pool;
    int result;
};

/* Tries until threads_fini has begun. */
static void run_late(void *arg)
{
    struct nested *nested = arg;
    do {
        nested->result = threads_run(nested->pool, look, NULL);
        sched_yield();
    } while (nested->result == MESH_ESYSTEM);
}

static void a_job_of_a_stopping_pool_gets_no_thread(void **state)
{
    (void)state;
    struct threads pool;
    struct threads_options options = {.max = 1};
    assert_int_equal(threads_init(&pool, &options), MESH_OK);
    struct nested nested = {.pool = &pool};
    assert_int_equal(threads_run(&pool, run_late, &nested), MESH_OK);
    threads_fini(&pool);
    assert_int_equal(nested.result, MESH_ESTOPPED);
}

static void bad_options_are_refused(void **state)
{
    (void)state;
    struct threads pool;
    struct threads_options none = {.max = 0};
    struct threads_options tiny = {.max = 1, .stack_bytes = 1};
    assert_int_equal(threads_init(&pool, &none), MESH_EINVAL);
    assert_int_equal(threads_init(&pool, &tiny), MESH_EINVAL);
    struct threads_options unused = {.max = 1};
    assert_int_equal(threads_init(&pool, &unused), MESH_OK);
    threads_fini(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_thread_is_used_again),
        cmocka_unit_test(no_more_than_max_at_a_time),
        cmocka_unit_test(idle_threads_end_down_to_keep),
        cmocka_unit_test(threads_have_a_name_a_stack_size_and_blocked_signals),
        cmocka_unit_test(a_job_of_a_stopping_pool_gets_no_thread),
        cmocka_unit_test(bad_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
