/* Back-off of ids that keep crashing, on a clock of the test's own. */
#include "runtime/backoff.h"

#include <pthread.h>
#include <stdio.h>

#include "unit/check.h"

#define SECOND UINT64_C(1000000000)

static struct backoff backoff;

static int set_up(void **state)
{
    (void)state;
    const unsigned char key[SIPHASH_KEY_BYTES] = {1, 2, 3};
    backoff_init(&backoff, siphash_key(key));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    backoff_fini(&backoff);
    return 0;
}

static mesh_bytes id_of(const char *text)
{
    return mesh_str(text);
}

/* Crashes count times at now, in no time at all. */
static void crash(const char *id, int count, uint64_t now_ns)
{
    for (int i = 0; i < count; i++)
        backoff_note(&backoff, 0, id_of(id), now_ns);
}

static bool refuses(const char *id, uint64_t now_ns)
{
    return backoff_refuses(&backoff, 0, id_of(id), now_ns);
}

/* Refused from now on for exactly so long. */
static void check_delay(const char *id, uint64_t now_ns, uint64_t delay_ns)
{
    assert_true(refuses(id, now_ns));
    assert_true(refuses(id, now_ns + delay_ns - 1));
    assert_false(refuses(id, now_ns + delay_ns));
}

static void nothing_is_refused_before_a_crash(void **state)
{
    (void)state;
    assert_false(refuses("a", 0));
    assert_false(refuses("a", SECOND));
}

static void three_crashes_are_free(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= BACKOFF_FREE; i++) {
        crash("a", 1, i * SECOND);
        assert_false(refuses("a", i * SECOND));
    }
    crash("a", 1, 4 * SECOND);
    check_delay("a", 4 * SECOND, BACKOFF_FIRST_NS);
}

static void the_delay_doubles_up_to_its_most(void **state)
{
    (void)state;
    uint64_t now = SECOND, delay = BACKOFF_FIRST_NS;
    crash("a", BACKOFF_FREE, now);
    for (int i = 0; i < 50; i++) {
        crash("a", 1, now);
        check_delay("a", now, delay);
        now += delay; /* it starts as soon as it may, and crashes again */
        delay = delay * 2 < BACKOFF_MOST_NS ? delay * 2 : BACKOFF_MOST_NS;
    }
    assert_true(delay == BACKOFF_MOST_NS);
}

static void crashes_far_apart_are_no_row(void **state)
{
    (void)state;
    uint64_t now = SECOND;
    for (int i = 0; i < 20; i++, now += BACKOFF_WINDOW_NS + 1) {
        crash("a", 1, now);
        assert_false(refuses("a", now));
    }
    now = 1000 * SECOND;
    for (int i = 0; i < BACKOFF_FREE; i++, now += BACKOFF_WINDOW_NS) /* just near enough */
        crash("b", 1, now);
    crash("b", 1, now);
    assert_true(refuses("b", now));
}

/* An id in a row is forgiven when it has been well for longer than the longest delay. */
static void a_row_ends(void **state)
{
    (void)state;
    crash("a", 20, SECOND);
    crash("b", 20, SECOND);
    uint64_t last = SECOND + BACKOFF_WINDOW_NS + BACKOFF_MOST_NS;
    crash("a", 1, last);
    check_delay("a", last, BACKOFF_MOST_NS);
    crash("b", 1, last + 1);
    assert_false(refuses("b", last + 1));
}

static void only_that_id_is_refused(void **state)
{
    (void)state;
    const char zero[] = {'a', '\0'};
    crash("a", 10, SECOND);
    assert_true(refuses("a", SECOND));
    assert_false(refuses("b", SECOND));
    assert_false(refuses("aa", SECOND));
    assert_false(backoff_refuses(&backoff, 0, (mesh_bytes){zero, sizeof zero}, SECOND));
    assert_false(backoff_refuses(&backoff, 1, id_of("a"), SECOND)); /* of another module */
}

/* Workers read their clocks when they please: an older time is taken for the newest that is known. */
static void time_does_not_go_back(void **state)
{
    (void)state;
    for (int i = 0; i < BACKOFF_FREE; i++)
        crash("a", 1, 10 * SECOND - (uint64_t)i);
    crash("a", 1, 9 * SECOND);
    check_delay("a", 10 * SECOND, BACKOFF_FIRST_NS);
}

/* Any number of ids may crash: those that crashed longest ago are forgotten, and no memory is added. */
static void old_crashes_make_way(void **state)
{
    (void)state;
    char id[32];
    crash("a", 10, SECOND);
    for (int i = 0; i < 100; i++) {
        snprintf(id, sizeof id, "few %d", i);
        crash(id, 1, SECOND + 1);
    }
    assert_true(refuses("a", SECOND + 2));
    for (int i = 0; i < 20 * BACKOFF_ENTRIES; i++) {
        snprintf(id, sizeof id, "many %d", i);
        crash(id, 1, SECOND + 2);
    }
    assert_false(refuses("a", SECOND + 2));
    crash("a", 10, SECOND + 3); /* and the newest is always known */
    assert_true(refuses("a", SECOND + 3));
}

static void *crash_often(void *arg)
{
    (void)arg;
    for (int i = 0; i < 1000; i++) {
        crash("a", 1, SECOND);
        refuses("a", SECOND);
    }
    return NULL;
}

static void any_thread_may_note(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, crash_often, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load(&backoff.noted), THREADS * 1000);
    check_delay("a", SECOND, BACKOFF_MOST_NS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_refused_before_a_crash, set_up, tear_down),
        cmocka_unit_test_setup_teardown(three_crashes_are_free, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_delay_doubles_up_to_its_most, set_up, tear_down),
        cmocka_unit_test_setup_teardown(crashes_far_apart_are_no_row, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_row_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_that_id_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(time_does_not_go_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(old_crashes_make_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(any_thread_may_note, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
