/* Patterns are compiled once per place, whichever thread comes first, and many may come at once. */
#include <pthread.h>
#include <stdatomic.h>

#include "unit/term/help.h"

enum { THREADS = 4, TURNS = 2000 };

static atomic_int wrong;
static pthread_barrier_t together;

static void turn(mesh_buf *b, int i)
{
    int n = 0;
    mesh_bytes name = {NULL, 0};
    if (mesh_build(b, "{:hello, %{number: ~i, name: ~s}}", i, "somebody") != MESH_OK ||
        mesh_match(mesh_buf_term(b), "{:hello, %{number: ~i, name: ~b}}", &n, &name) != MESH_OK || n != i ||
        name.len != 8 || mesh_match(mesh_buf_term(b), "{:hello, %{name: ~b}}", &name) != MESH_OK ||
        mesh_build(b, "{~i", i) != MESH_EINVAL)
        atomic_fetch_add(&wrong, 1);
}

static void *many_turns(void *arg)
{
    mesh_buf b;
    mesh_buf_init(&b);
    pthread_barrier_wait(&together);
    for (int i = 0; i < TURNS; i++)
        turn(&b, i);
    mesh_buf_fini(&b);
    return arg;
}

static void threads_share_a_place(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    pthread_barrier_init(&together, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, many_turns, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&together);
    assert_int_equal(atomic_load(&wrong), 0);
}

/* One place with two literals, as inlining makes it. */
static inline __attribute__((always_inline)) int build_inlined(mesh_buf *b, const char *pattern)
{
    return mesh_build(b, pattern);
}

static void a_place_may_see_several_literals(void **state)
{
    (void)state;
    mesh_buf b;
    mesh_buf_init(&b);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(build_inlined(&b, "{:one}"), MESH_OK);
        assert_inspects(mesh_buf_term(&b), "{:one}");
        assert_int_equal(build_inlined(&b, "{:two}"), MESH_OK);
        assert_inspects(mesh_buf_term(&b), "{:two}");
    }
    mesh_buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_share_a_place),
        cmocka_unit_test(a_place_may_see_several_literals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
