/* The timer wheel: single cases, and random use compared with a plain array. */
#include <stdlib.h>
#include <string.h>

#include "runtime/wheel.h"
#include "unit/check.h"

#define SLOT WHEEL_SLOT_NS
#define ROUND (SLOT * WHEEL_SLOTS)

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static void an_empty_wheel_has_nothing(void **state)
{
    (void)state;
    struct wheel w;
    wheel_init(&w, 12345);
    assert_null(wheel_pop(&w));
    assert_true(wheel_next_ns(&w) == UINT64_MAX);
    wheel_advance(&w, UINT64_MAX);
    assert_null(wheel_pop(&w));
    wheel_advance(&w, 0); /* back: ignored */
    assert_true(wheel_next_ns(&w) == UINT64_MAX);
}

static void a_timer_is_never_early_and_at_most_a_slot_late(void **state)
{
    (void)state;
    const uint64_t deadlines[] = {1, SLOT - 1, SLOT, SLOT + 1, 5 * SLOT, ROUND - 1, ROUND, ROUND + 1, 7 * ROUND + 3};
    for (size_t i = 0; i < sizeof deadlines / sizeof *deadlines; i++) {
        struct wheel w;
        struct timer t = {.deadline_ns = 0};
        wheel_init(&w, 0);
        wheel_add(&w, &t, deadlines[i]);
        assert_true(timer_pending(&t));
        wheel_advance(&w, deadlines[i] - 1);
        assert_null(wheel_pop(&w));
        uint64_t next = wheel_next_ns(&w);
        assert_true(next >= deadlines[i] && next < deadlines[i] + SLOT);
        wheel_advance(&w, next - 1);
        assert_null(wheel_pop(&w));
        wheel_advance(&w, next);
        assert_true(wheel_next_ns(&w) == 0);
        assert_ptr_equal(wheel_pop(&w), &t);
        assert_false(timer_pending(&t));
        assert_null(wheel_pop(&w));
        assert_true(wheel_next_ns(&w) == UINT64_MAX);
    }
}

static void removing_is_idempotent(void **state)
{
    (void)state;
    struct wheel w;
    struct timer a = {.deadline_ns = 0}, b = {.deadline_ns = 0};
    wheel_init(&w, 0);
    assert_false(wheel_remove(&w, &a));
    wheel_add(&w, &a, SLOT);
    wheel_add(&w, &b, SLOT);
    assert_true(wheel_remove(&w, &a));
    assert_false(wheel_remove(&w, &a));
    wheel_advance(&w, SLOT);
    assert_true(wheel_remove(&w, &b)); /* due, not yet taken */
    assert_false(wheel_remove(&w, &b));
    assert_null(wheel_pop(&w));
    assert_int_equal(w.count, 0);
    assert_true(wheel_next_ns(&w) == UINT64_MAX);
}

static void adding_again_moves_a_timer(void **state)
{
    (void)state;
    struct wheel w;
    struct timer t = {.deadline_ns = 0};
    wheel_init(&w, 0);
    wheel_add(&w, &t, SLOT);
    wheel_add(&w, &t, 9 * SLOT);
    assert_int_equal(w.count, 1);
    wheel_advance(&w, 8 * SLOT);
    assert_null(wheel_pop(&w));
    wheel_advance(&w, 9 * SLOT);
    wheel_add(&w, &t, 10 * SLOT); /* while it is due */
    assert_null(wheel_pop(&w));
    wheel_advance(&w, 10 * SLOT);
    assert_ptr_equal(wheel_pop(&w), &t);
}

static void a_past_deadline_waits_for_the_next_tick(void **state)
{
    (void)state;
    struct wheel w;
    struct timer t = {.deadline_ns = 0};
    wheel_init(&w, 100 * SLOT);
    unsigned fired = 0;
    wheel_add(&w, &t, 0);
    for (uint64_t now = 100 * SLOT; now <= 110 * SLOT; now += SLOT) {
        wheel_advance(&w, now);
        for (struct timer *due; (due = wheel_pop(&w)) != NULL; fired++)
            wheel_add(&w, due, 0); /* would spin for ever if it were due at once */
    }
    assert_int_equal(fired, 10);
}

static void a_far_timer_does_not_wake_each_round(void **state)
{
    (void)state;
    struct wheel w;
    struct timer t = {.deadline_ns = 0};
    wheel_init(&w, 0);
    wheel_add(&w, &t, 100 * ROUND);
    assert_true(wheel_next_ns(&w) == 100 * ROUND);
    wheel_add(&w, &t, UINT64_MAX); /* for ever */
    assert_true(wheel_next_ns(&w) == UINT64_MAX);
    wheel_advance(&w, UINT64_MAX - SLOT);
    assert_null(wheel_pop(&w));
    assert_true(wheel_remove(&w, &t));
}

static void a_crowded_slot_comes_in_order(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    struct wheel w;
    struct timer *t = calloc(COUNT, sizeof *t);
    assert_non_null(t);
    wheel_init(&w, 0);
    uint64_t seed = 7;
    for (int i = 0; i < COUNT; i++)
        wheel_add(&w, &t[i], 1 + next_random(&seed) % 2000); /* one tick, many equal deadlines */
    wheel_advance(&w, SLOT);
    int count = 0;
    for (struct timer *due, *last = NULL; (due = wheel_pop(&w)) != NULL; last = due, count++)
        if (last != NULL)
            assert_true(last->deadline_ns < due->deadline_ns || (last->deadline_ns == due->deadline_ns && last < due));
    assert_int_equal(count, COUNT);
    free(t);
}

static void timers_are_added_and_removed_during_expiry(void **state)
{
    (void)state;
    struct wheel w;
    struct timer t[4] = {{.deadline_ns = 0}};
    wheel_init(&w, 0);
    for (int i = 0; i < 3; i++)
        wheel_add(&w, &t[i], SLOT + (uint64_t)i);
    wheel_advance(&w, 2 * SLOT);
    assert_ptr_equal(wheel_pop(&w), &t[0]);
    assert_true(wheel_remove(&w, &t[1]));
    wheel_add(&w, &t[3], 3 * SLOT);
    wheel_add(&w, &t[0], 2 * SLOT);
    assert_ptr_equal(wheel_pop(&w), &t[2]);
    assert_null(wheel_pop(&w));
    wheel_advance(&w, 3 * SLOT);
    assert_ptr_equal(wheel_pop(&w), &t[0]);
    assert_ptr_equal(wheel_pop(&w), &t[3]);
    assert_null(wheel_pop(&w));
}

/* The model: a deadline, and the time from which on the wheel must give it. */
enum { TIMERS = 300 };

struct model {
    struct wheel wheel;
    struct timer timers[TIMERS];
    bool pending[TIMERS];
    uint64_t latest_ns[TIMERS];
    uint64_t now_ns;
};

static uint64_t some_delay(uint64_t *seed)
{
    uint64_t r = next_random(seed);
    switch (r % 5) {
    case 0:
        return (r >> 8) % (3 * SLOT);
    case 1:
        return (r >> 8) % (ROUND * 3);
    case 2:
        return (r >> 8) % 20 * SLOT;
    case 3:
        return ROUND - SLOT + (r >> 8) % (2 * SLOT);
    default:
        return (r >> 8) % (200 * SLOT);
    }
}

static void model_add(struct model *m, size_t i, uint64_t *seed)
{
    uint64_t delay = some_delay(seed);
    uint64_t deadline = next_random(seed) % 8 == 0 ? m->now_ns - m->now_ns % (delay + 1) : m->now_ns + delay;
    wheel_add(&m->wheel, &m->timers[i], deadline);
    m->pending[i] = true;
    m->latest_ns[i] = (deadline > m->now_ns ? deadline : m->now_ns) + SLOT;
}

static void model_advance(struct model *m, uint64_t *seed)
{
    uint64_t next = wheel_next_ns(&m->wheel);
    if (next_random(seed) % 2 == 0 && next != UINT64_MAX && next > m->now_ns)
        m->now_ns = next;
    else
        m->now_ns += some_delay(seed);
    wheel_advance(&m->wheel, m->now_ns);
    uint64_t last = 0;
    for (struct timer *due; (due = wheel_pop(&m->wheel)) != NULL;) {
        size_t i = (size_t)(due - m->timers);
        assert_true(m->pending[i]);
        assert_true(due->deadline_ns <= m->now_ns);
        assert_true(due->deadline_ns >= last);
        assert_true(m->now_ns >= next); /* wheel_next_ns promised that nothing comes before */
        last = due->deadline_ns;
        m->pending[i] = false;
    }
    for (size_t i = 0; i < TIMERS; i++) {
        assert_true(timer_pending(&m->timers[i]) == m->pending[i]);
        assert_true(!m->pending[i] || m->latest_ns[i] > m->now_ns);
    }
    assert_true(wheel_next_ns(&m->wheel) > m->now_ns);
}

static void random_use_agrees_with_a_plain_array(void **state)
{
    (void)state;
    struct model *m = malloc(sizeof *m);
    assert_non_null(m);
    for (uint64_t round = 1; round <= 40; round++) {
        uint64_t seed = round;
        memset(m, 0, sizeof *m);
        m->now_ns = next_random(&seed) % (5 * ROUND);
        wheel_init(&m->wheel, m->now_ns);
        for (int step = 0; step < 1500; step++) {
            size_t i = next_random(&seed) % TIMERS;
            switch (next_random(&seed) % 4) {
            case 0:
                assert_true(wheel_remove(&m->wheel, &m->timers[i]) == m->pending[i]);
                m->pending[i] = false;
                break;
            case 1:
                model_advance(m, &seed);
                break;
            default:
                model_add(m, i, &seed);
                break;
            }
        }
        size_t pending = 0;
        for (size_t i = 0; i < TIMERS; i++)
            pending += m->pending[i];
        assert_int_equal(m->wheel.count, pending);
    }
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_wheel_has_nothing),
        cmocka_unit_test(a_timer_is_never_early_and_at_most_a_slot_late),
        cmocka_unit_test(removing_is_idempotent),
        cmocka_unit_test(adding_again_moves_a_timer),
        cmocka_unit_test(a_past_deadline_waits_for_the_next_tick),
        cmocka_unit_test(a_far_timer_does_not_wake_each_round),
        cmocka_unit_test(a_crowded_slot_comes_in_order),
        cmocka_unit_test(timers_are_added_and_removed_during_expiry),
        cmocka_unit_test(random_use_agrees_with_a_plain_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
