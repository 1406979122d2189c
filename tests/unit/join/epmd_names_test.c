/* Asking an epmd which nodes it knows. */
#include "unit/join/nodes.h"

#include <stdlib.h>

#include <mesh/admin.h>

#include "system/dist/beam.h"

static void names_are_what_has_registered(void **state)
{
    mesh_names *names = NULL;
    mesh_reason reason;
    const uint16_t port = beam_free_port();
    (void)state;
    /* Nobody is there. */
    assert_int_equal(mesh_epmd_names(NULL, port, &names, &reason), MESH_ESYSTEM);
    assert_string_not_equal(reason.text, "");
    assert_null(names);

    nodes_use_epmd(port);
    mesh_node *b = nodes_start("b@127.0.0.1", NULL, NULL), *a = nodes_start("a@127.0.0.1", NULL, NULL);
    assert_int_equal(mesh_epmd_names(NULL, port, &names, NULL), MESH_OK);
    assert_int_equal(names->count, 2);
    assert_string_equal(names->name[0], "a");
    assert_string_equal(names->name[1], "b");
    mesh_names_free(names);
    assert_int_equal(mesh_node_stop(a), MESH_OK);
    assert_int_equal(mesh_node_stop(b), MESH_OK);
}

static void a_port_that_is_none_is_refused(void **state)
{
    mesh_names *names;
    mesh_reason reason;
    (void)state;
    assert_int_equal(mesh_epmd_names(NULL, 1, NULL, NULL), MESH_EINVAL);
    assert_int_equal(setenv("ERL_EPMD_PORT", "x", 1), 0);
    assert_int_equal(mesh_epmd_names(NULL, 0, &names, &reason), MESH_EINVAL);
    assert_string_equal(reason.text, "ERL_EPMD_PORT: expected 1 to 65535");
    assert_int_equal(unsetenv("ERL_EPMD_PORT"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_what_has_registered),
        cmocka_unit_test(a_port_that_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
