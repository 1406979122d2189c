/* What every ring promises, over all strategies; then what each strategy promises beside that; then refusals. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <mesh/error.h>

#include "placement/ring.h"
#include "unit/check.h"

#define COUNT_MAX RING_NODES_MAX

struct names {
    char text[COUNT_MAX][64];
    mesh_bytes nodes[COUNT_MAX];
};
static struct names names;

/* Distinct names whose bytewise order is not that of i. */
static const mesh_bytes *name_nodes(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        snprintf(names.text[i], sizeof names.text[i], "node-%zu@10.0.%zu.%zu", (i * 389) % 1031, i / 256, i % 256);
        names.nodes[i] = mesh_str(names.text[i]);
    }
    return names.nodes;
}

/* A strategy of one's own: the nodes in turn, backwards. */
static size_t backwards(void *context, uint32_t shard, const mesh_bytes *nodes, size_t count)
{
    (void)nodes;
    unsigned *asked = context;
    (*asked)++;
    return count - 1 - shard % count;
}

static const enum mesh_strategy strategies[] = {MESH_CAPPED, MESH_MODULO, MESH_CUSTOM};

static struct ring *create(enum mesh_strategy which, const mesh_bytes *nodes, const uint32_t *weights, size_t count,
                           uint32_t shards)
{
    unsigned asked = 0;
    struct ring *ring = NULL;
    assert_int_equal(ring_create(which, nodes, weights, count, shards, backwards, &asked, &ring), MESH_OK);
    assert_int_equal(asked, which == MESH_CUSTOM ? shards : 0);
    return ring;
}

static int compare(mesh_bytes a, mesh_bytes b)
{
    int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static void check_ring(const struct ring *ring, size_t count, uint32_t shards)
{
    assert_int_equal(ring_nodes(ring), count);
    assert_int_equal(ring_shards(ring), shards);
    uint32_t owned[COUNT_MAX] = {0};
    for (uint32_t s = 0; s < shards; s++) {
        assert_true(ring_owner(ring, s) < count);
        owned[ring_owner(ring, s)]++;
    }
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(ring_owned(ring, i), owned[i]);
        assert_true(owned[i] <= ring_cap(ring, i));
        assert_true(i == 0 || compare(ring_name(ring, i - 1), ring_name(ring, i)) < 0);
        size_t found = SIZE_MAX;
        assert_true(ring_find(ring, ring_name(ring, i), &found));
        assert_int_equal(found, i);
    }
}

static void every_shard_has_an_owner_within_its_cap(void **state)
{
    (void)state;
    static const struct {
        size_t count;
        uint32_t shards;
    } sizes[] = {{1, 1}, {1, 4096}, {2, 4096}, {3, 1}, {7, 100}, {64, 4096}, {1024, 4096}, {1024, 1}, {100, 65536}};
    for (size_t k = 0; k < sizeof strategies / sizeof *strategies; k++) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            struct ring *ring =
                create(strategies[k], name_nodes(sizes[i].count), NULL, sizes[i].count, sizes[i].shards);
            check_ring(ring, sizes[i].count, sizes[i].shards);
            ring_release(ring);
        }
    }
}

static void the_order_of_the_names_given_does_not_matter(void **state)
{
    (void)state;
    enum { COUNT = 23 };
    mesh_bytes turned[COUNT];
    uint32_t weights[COUNT], turned_weights[COUNT];
    const mesh_bytes *nodes = name_nodes(COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        weights[i] = (uint32_t)(1 + i * 13 % 100);
        turned[(i + 9) % COUNT] = nodes[i];
        turned_weights[(i + 9) % COUNT] = weights[i];
    }
    for (size_t k = 0; k < sizeof strategies / sizeof *strategies; k++) {
        struct ring *a = create(strategies[k], nodes, weights, COUNT, 4096);
        struct ring *b = create(strategies[k], turned, turned_weights, COUNT, 4096);
        for (size_t i = 0; i < COUNT; i++) {
            assert_int_equal(compare(ring_name(a, i), ring_name(b, i)), 0);
            assert_int_equal(ring_weight(a, i), ring_weight(b, i));
        }
        for (uint32_t s = 0; s < 4096; s++)
            assert_int_equal(ring_owner(a, s), ring_owner(b, s));
        ring_release(a);
        ring_release(b);
    }
}

static void names_are_copied_and_counted(void **state)
{
    (void)state;
    char text[] = "b\0z@h b\0a@h b@h";
    const mesh_bytes nodes[] = {{text, 5}, {text + 6, 5}, {text + 12, 3}};
    for (size_t k = 0; k < sizeof strategies / sizeof *strategies; k++) {
        struct ring *ring = create(strategies[k], nodes, NULL, 3, 16);
        check_ring(ring, 3, 16);
        assert_true(ring_name(ring, 0).data != nodes[1].data);
        assert_memory_equal(ring_name(ring, 0).data, "b\0a@h", 5);
        assert_memory_equal(ring_name(ring, 1).data, "b\0z@h", 5);
        size_t node = 77;
        assert_false(ring_find(ring, mesh_str("b"), &node));
        assert_false(ring_find(ring, mesh_str("c@h"), &node));
        assert_false(ring_find(ring, mesh_str(NULL), &node));
        assert_int_equal(node, 77);
        ring_release(ring);
    }
}

static void modulo_is_round_robin(void **state)
{
    (void)state;
    struct ring *ring = create(MESH_MODULO, name_nodes(5), NULL, 5, 4096);
    for (uint32_t s = 0; s < 4096; s++)
        assert_int_equal(ring_owner(ring, s), s % 5);
    assert_int_equal(ring_owned(ring, 0), 820);
    assert_int_equal(ring_owned(ring, 4), 819);
    assert_int_equal(ring_cap(ring, 4), 819);
    ring_release(ring);
}

static void capped_honours_weights(void **state)
{
    (void)state;
    const mesh_bytes nodes[] = {mesh_str("small@h"), mesh_str("large@h")};
    const uint32_t weights[] = {10, 90};
    struct ring *ring = create(MESH_CAPPED, nodes, weights, 2, 4096);
    size_t large;
    assert_true(ring_find(ring, nodes[1], &large));
    assert_int_equal(ring_weight(ring, large), 90);
    assert_int_equal(ring_cap(ring, large), 3808);    /* 3686.4 + 121.4 */
    assert_int_equal(ring_cap(ring, 1 - large), 451); /* 409.6 + 40.5 */
    assert_in_range(ring_owned(ring, 1 - large), 410 - 60, 451);
    ring_release(ring);
}

/* Gives an index out of range for one shard. */
static size_t wrong_at(void *context, uint32_t shard, const mesh_bytes *nodes, size_t count)
{
    (void)nodes;
    return shard == *(uint32_t *)context ? count : 0;
}

static size_t by_first_byte(void *context, uint32_t shard, const mesh_bytes *nodes, size_t count)
{
    assert_null(context);
    assert_int_equal(count, 2);
    return *(const char *)nodes[shard % 2].data == 'a' ? 0 : 1;
}

static void a_callback_sees_sorted_names_and_its_word_is_checked(void **state)
{
    (void)state;
    const mesh_bytes nodes[] = {mesh_str("b@h"), mesh_str("a@h")};
    struct ring *ring = NULL;
    assert_int_equal(ring_create(MESH_CUSTOM, nodes, NULL, 2, 64, by_first_byte, NULL, &ring), MESH_OK);
    for (uint32_t s = 0; s < 64; s++)
        assert_int_equal(ring_owner(ring, s), s % 2);
    ring_release(ring);

    ring = NULL;
    for (uint32_t at = 0; at < 64; at += 63)
        assert_int_equal(ring_create(MESH_CUSTOM, nodes, NULL, 2, 64, wrong_at, &at, &ring), MESH_EINVAL);
    assert_int_equal(ring_create(MESH_CUSTOM, nodes, NULL, 2, 64, NULL, NULL, &ring), MESH_EINVAL);
    assert_null(ring);
}

static void arguments_out_of_bounds_are_refused(void **state)
{
    (void)state;
    static char long_name[RING_NAME_MAX_BYTES + 1];
    memset(long_name, 'x', sizeof long_name);
    const mesh_bytes good[] = {mesh_str("a@h"), mesh_str("b@h")}, twice[] = {good[0], good[1], good[0]};
    const mesh_bytes empty = {"", 0}, null = {NULL, 3}, longest = {long_name, RING_NAME_MAX_BYTES};
    const mesh_bytes too_long = {long_name, sizeof long_name};
    const uint32_t no_weight[] = {1, 0}, much[] = {101, 1}, huge[] = {1, UINT32_MAX};
    struct ring *out = NULL;
    for (size_t k = 0; k < sizeof strategies / sizeof *strategies; k++) {
        enum mesh_strategy s = strategies[k];
        unsigned asked = 0;
        assert_int_equal(ring_create(s, good, NULL, 0, 16, backwards, &asked, &out), MESH_EINVAL);
        assert_int_equal(ring_create(s, NULL, NULL, 2, 16, backwards, &asked, &out), MESH_EINVAL);
        assert_int_equal(ring_create(s, good, NULL, 2, 0, backwards, &asked, &out), MESH_EINVAL);
        assert_int_equal(ring_create(s, good, NULL, 2, RING_SHARDS_MAX + 1, backwards, &asked, &out), MESH_EINVAL);
        assert_int_equal(ring_create(s, name_nodes(2), NULL, RING_NODES_MAX + 1, 16, backwards, &asked, &out),
                         MESH_EINVAL);
        assert_int_equal(ring_create(s, twice, NULL, 3, 16, backwards, &asked, &out), MESH_EINVAL);
        assert_int_equal(ring_create(s, &empty, NULL, 1, 16, backwards, &asked, &out), MESH_EINVAL);
        assert_int_equal(ring_create(s, &null, NULL, 1, 16, backwards, &asked, &out), MESH_EINVAL);
        assert_int_equal(ring_create(s, &too_long, NULL, 1, 16, backwards, &asked, &out), MESH_EINVAL);
        assert_int_equal(ring_create(s, good, no_weight, 2, 16, backwards, &asked, &out), MESH_EINVAL);
        assert_int_equal(ring_create(s, good, much, 2, 16, backwards, &asked, &out), MESH_EINVAL);
        assert_int_equal(ring_create(s, good, huge, 2, 16, backwards, &asked, &out), MESH_EINVAL);
        assert_int_equal(asked, 0);
        assert_null(out);
        struct ring *ring = create(s, &longest, NULL, 1, 16);
        check_ring(ring, 1, 16);
        ring_release(ring);
    }
    assert_int_equal(ring_create((enum mesh_strategy)9, good, NULL, 2, 16, NULL, NULL, &out), MESH_EINVAL);
    assert_int_equal(ring_create(MESH_CAPPED, good, NULL, 2, 16, NULL, NULL, NULL), MESH_EINVAL);
}

static void *read_and_let_go(void *arg)
{
    struct ring *ring = arg;
    for (int i = 0; i < 1000; i++) {
        struct ring *mine = ring_hold(ring);
        if (ring_owner(mine, (uint32_t)i) >= ring_nodes(mine))
            return NULL;
        ring_release(mine);
    }
    ring_release(ring);
    return arg;
}

static void the_last_holder_frees_on_any_thread(void **state)
{
    (void)state;
    struct ring *ring = create(MESH_CAPPED, name_nodes(3), NULL, 3, 4096);
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_and_let_go, ring_hold(ring)), 0);
    ring_release(ring);
    for (size_t i = 0; i < 4; i++) {
        void *result;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_non_null(result);
    }
    ring_release(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shard_has_an_owner_within_its_cap),
        cmocka_unit_test(the_order_of_the_names_given_does_not_matter),
        cmocka_unit_test(names_are_copied_and_counted),
        cmocka_unit_test(modulo_is_round_robin),
        cmocka_unit_test(capped_honours_weights),
        cmocka_unit_test(a_callback_sees_sorted_names_and_its_word_is_checked),
        cmocka_unit_test(arguments_out_of_bounds_are_refused),
        cmocka_unit_test(the_last_holder_frees_on_any_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
