/* Histograms: bucket borders, percentiles near the true ones, merging while another thread writes. */
#include <pthread.h>
#include <stdlib.h>

#include "base/histogram.h"
#include "unit/check.h"

static void buckets_join_without_gaps(void **state)
{
    (void)state;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t low = histogram_floor_ns(i), next = histogram_floor_ns(i + 1);
        assert_true(next > low);
        assert_true(i < 8 || (next - low) * 8 <= low);
        assert_int_equal(histogram_bucket(low), i);
        assert_int_equal(histogram_bucket(next - 1), i);
    }
    assert_true(histogram_floor_ns(HISTOGRAM_BUCKETS) == (uint64_t)1 << 37);
    assert_int_equal(histogram_bucket((uint64_t)1 << 37), HISTOGRAM_BUCKETS - 1);
    assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Values from 100 ns to 100 s, as many in each doubling, against their sorted list. */
static void percentiles_are_near_the_true_ones(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    static struct histogram h;
    static uint64_t values[COUNT];
    struct histogram_snapshot s = {0};
    uint64_t random = 7, sum = 0;
    for (size_t i = 0; i < COUNT; i++) {
        random = random * 6364136223846793005U + 1442695040888963407U;
        uint64_t top = (uint64_t)100 << (i % 30);
        values[i] = top + (random >> 20) % top;
        histogram_add(&h, values[i]);
        sum += values[i];
    }
    histogram_merge(&s, &h);
    qsort(values, COUNT, sizeof *values, compare);
    assert_int_equal(s.count, COUNT);
    assert_true(s.sum_ns == sum);
    assert_true(s.max_ns == values[COUNT - 1]);
    for (unsigned p = 1; p < 100; p++) {
        size_t rank = COUNT * p / 100;
        double truth = (double)values[rank - 1], found = (double)histogram_percentile(&s, p);
        assert_true(found >= truth * 15 / 16 && found <= truth * 17 / 16);
    }
    assert_true(histogram_percentile(&s, 100) == values[COUNT - 1]);
}

static void edges_of_percentiles(void **state)
{
    (void)state;
    struct histogram_snapshot s = {0};
    assert_int_equal(histogram_percentile(&s, 50), 0);
    static struct histogram h;
    histogram_add(&h, 1000);
    histogram_merge(&s, &h);
    for (int p = -50; p <= 150; p += 50)
        assert_in_range(histogram_percentile(&s, p), 960, 1000);
    volatile double zero = 0;
    assert_in_range(histogram_percentile(&s, zero / zero), 960, 1000);

    histogram_add(&h, UINT64_MAX / 2);
    s = (struct histogram_snapshot){0};
    histogram_merge(&s, &h);
    assert_true(histogram_percentile(&s, 100) == UINT64_MAX / 2);
    assert_in_range(histogram_percentile(&s, 50), 960, 1024);
    assert_true(histogram_percentile(&s, 99) >= (uint64_t)15 << 33);
}

static void merging_adds_up(void **state)
{
    (void)state;
    static struct histogram a, b;
    struct histogram_snapshot s = {0};
    for (int i = 0; i < 10; i++) {
        histogram_add(&a, 100);
        histogram_add(&b, 10000);
    }
    histogram_merge(&s, &a);
    histogram_merge(&s, &b);
    assert_int_equal(s.count, 20);
    assert_int_equal(s.sum_ns, 101000);
    assert_int_equal(s.max_ns, 10000);
    assert_in_range(histogram_percentile(&s, 50), 96, 104);
    assert_in_range(histogram_percentile(&s, 51), 9216, 10240);
}

enum { ADDED = 100000 };

static void *add_many(void *arg)
{
    for (uint64_t i = 0; i < ADDED; i++)
        histogram_add(arg, i);
    return NULL;
}

static void a_reader_beside_the_writer_sees_counts_grow(void **state)
{
    (void)state;
    static struct histogram h;
    pthread_t writer;
    assert_int_equal(pthread_create(&writer, NULL, add_many, &h), 0);
    uint64_t before = 0;
    for (int turn = 0; turn < 200; turn++) {
        struct histogram_snapshot s = {0};
        histogram_merge(&s, &h);
        assert_true(s.count >= before && s.count <= ADDED);
        before = s.count;
    }
    assert_int_equal(pthread_join(writer, NULL), 0);
    struct histogram_snapshot s = {0};
    histogram_merge(&s, &h);
    assert_int_equal(s.count, ADDED);
    assert_int_equal(s.max_ns, ADDED - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_join_without_gaps),
        cmocka_unit_test(percentiles_are_near_the_true_ones),
        cmocka_unit_test(edges_of_percentiles),
        cmocka_unit_test(merging_adds_up),
        cmocka_unit_test(a_reader_beside_the_writer_sees_counts_grow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
