/* Rings that are used again: the same question gives the same ring, the oldest makes room. */
#include "cluster/rings.h"

#include "unit/check.h"

static void rings_are_shared(void **state)
{
    (void)state;
    struct rings rings = {.questions = 0};
    const mesh_bytes nodes[] = {mesh_str("a@h"), mesh_str("b@h")};
    const uint32_t weights[] = {1, 1};
    struct ring *first = rings_get(&rings, 1, MESH_CAPPED, nodes, weights, 2, 64);
    struct ring *again = rings_get(&rings, 1, MESH_CAPPED, nodes, weights, 2, 64);
    struct ring *other = rings_get(&rings, 1, MESH_MODULO, nodes, weights, 2, 64);
    assert_ptr_equal(first, again);
    assert_ptr_not_equal(first, other);
    assert_int_equal(rings.built, 2);
    for (uint64_t view = 2; view < 2 + RINGS_MAX; view++)
        ring_release(rings_get(&rings, view, MESH_CAPPED, nodes, weights, 2, 64));
    struct ring *anew = rings_get(&rings, 1, MESH_CAPPED, nodes, weights, 2, 64);
    assert_int_equal(rings.built, 3 + RINGS_MAX);
    assert_int_equal(ring_nodes(first), 2); /* what is held stays */
    ring_release(first);
    ring_release(again);
    ring_release(other);
    ring_release(anew);
    rings_fini(&rings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rings_are_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
