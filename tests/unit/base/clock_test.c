/* The clocks: forward, in the right unit, and near what the C library says. */
#include <time.h>

#include "base/clock.h"
#include "unit/check.h"

static void now_never_goes_back_and_moves(void **state)
{
    (void)state;
    const uint64_t first = clock_now_ns();
    uint64_t before = first;
    for (int i = 0; i < 10000; i++) {
        uint64_t now = clock_now_ns();
        assert_true(now >= before);
        before = now;
    }
    assert_true(before > first);
}

static void the_wall_clock_counts_milliseconds_since_1970(void **state)
{
    (void)state;
    const uint64_t before = (uint64_t)time(NULL), wall_ms = clock_wall_ms(), after = (uint64_t)time(NULL);
    /* time() may lag behind by the kernel's tick. */
    assert_in_range(wall_ms / 1000, before, after + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(now_never_goes_back_and_moves),
        cmocka_unit_test(the_wall_clock_counts_milliseconds_since_1970),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
