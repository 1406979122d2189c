/* The spin lock: exclusion under contention, and trylock. */
#include <pthread.h>

#include "base/lock.h"
#include "unit/check.h"

struct counter {
    struct spin lock;
    long value; /* under lock */
};

enum { THREADS = 4, TURNS = 20000 };

static void *count(void *arg)
{
    struct counter *c = arg;
    for (int i = 0; i < TURNS; i++) {
        spin_lock(&c->lock);
        c->value++;
        spin_unlock(&c->lock);
    }
    return NULL;
}

static void *try_count(void *arg)
{
    struct counter *c = arg;
    for (int done = 0; done < TURNS;) {
        if (!spin_trylock(&c->lock)) {
            sched_yield();
            continue;
        }
        c->value++;
        done++;
        spin_unlock(&c->lock);
    }
    return NULL;
}

static void check_exclusion(void *(*body)(void *))
{
    struct counter c = {.value = 0};
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, body, &c), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(c.value, THREADS * TURNS);
}

static void lock_excludes(void **state)
{
    (void)state;
    check_exclusion(count);
}

static void trylock_excludes(void **state)
{
    (void)state;
    check_exclusion(try_count);
}

static void trylock_tells_a_taken_lock(void **state)
{
    (void)state;
    struct spin lock;
    spin_init(&lock);
    assert_int_equal(sizeof lock, 4);
    assert_true(spin_trylock(&lock));
    assert_false(spin_trylock(&lock));
    spin_unlock(&lock);
    spin_lock(&lock);
    assert_false(spin_trylock(&lock));
    spin_unlock(&lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lock_excludes),
        cmocka_unit_test(trylock_excludes),
        cmocka_unit_test(trylock_tells_a_taken_lock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
