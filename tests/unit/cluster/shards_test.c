/* Sets of shards: both wire forms, whichever is shorter, and what is refused. */
#include "cluster/shards.h"

#include <mesh/error.h>

#include "unit/check.h"

static void check_round_trip(const struct shards *set, uint32_t total)
{
    struct shards read = {NULL, 0, 0};
    mesh_buf buf;
    mesh_buf_init(&buf);
    assert_int_equal(shards_put(set, total, &buf), MESH_OK);
    assert_in_range(buf.len, 1, 1 + (total + 7) / 8);
    assert_int_equal(shards_read(mesh_buf_bytes(&buf), total, &read), MESH_OK);
    assert_int_equal(read.count, set->count);
    if (set->count > 0)
        assert_memory_equal(read.at, set->at, set->count * sizeof *set->at);
    for (uint32_t i = 0; i < set->count; i++)
        assert_int_equal(shards_find(&read, set->at[i]), i);
    mesh_buf_fini(&buf);
    shards_fini(&read);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    static const uint32_t totals[] = {1, 7, 8, 9, 64, 4096, 65536};
    for (size_t t = 0; t < sizeof totals / sizeof *totals; t++)
        for (uint32_t step = 1; step < 70; step += 3) {
            struct shards set = {NULL, 0, 0};
            check_round_trip(&set, totals[t]);
            for (uint32_t s = step % 5; s < totals[t]; s += step)
                shards_push(&set, s);
            check_round_trip(&set, totals[t]);
            shards_fini(&set);
        }
}

static void the_shorter_form_is_chosen(void **state)
{
    (void)state;
    struct shards set = {NULL, 0, 0};
    mesh_buf buf;
    mesh_buf_init(&buf);
    for (uint32_t s = 0; s < 4096; s++)
        shards_push(&set, s);
    assert_int_equal(shards_put(&set, 4096, &buf), MESH_OK);
    assert_int_equal(buf.len, 5);
    shards_clear(&set);
    mesh_buf_clear(&buf);
    for (uint32_t s = 0; s < 4096; s += 2)
        shards_push(&set, s);
    assert_int_equal(shards_put(&set, 4096, &buf), MESH_OK);
    assert_int_equal(buf.len, 513);
    assert_int_equal(shards_find(&set, 1), -1);
    mesh_buf_fini(&buf);
    shards_fini(&set);
}

static void other_bytes_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[12];
        size_t len;
    } wrong[] = {
        {{0}, 0},
        {{2}, 1},                         /* no such form */
        {{0, 0, 1}, 3},                   /* half a range */
        {{0, 0, 2, 0, 1}, 5},             /* ends before it begins */
        {{0, 0, 1, 0, 16}, 5},            /* beyond the last shard */
        {{0, 0, 1, 0, 3, 0, 3, 0, 4}, 9}, /* overlap */
        {{0, 0, 1, 0, 3, 0, 4, 0, 4}, 9}, /* touch: one range in two pieces */
        {{1, 0xff}, 2},                   /* a bitmap that is too short, */
        {{1, 0xff, 0xff, 0}, 4},          /* too long */
    };
    struct shards set = {NULL, 0, 0};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(shards_read((mesh_bytes){wrong[i].bytes, wrong[i].len}, 16, &set), MESH_EBADTERM);
    static const uint8_t beyond[] = {1, 0xff, 0x20};
    assert_int_equal(shards_read((mesh_bytes){beyond, 3}, 13, &set), MESH_EBADTERM);
    assert_int_equal(shards_read((mesh_bytes){beyond, 3}, 14, &set), MESH_OK);
    assert_int_equal(set.count, 9);
    shards_fini(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(the_shorter_form_is_chosen),
        cmocka_unit_test(other_bytes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
