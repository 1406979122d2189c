/* The functions of mesh_admin as they are called: by another node, over sockets. */
#include "unit/join/nodes.h"

/* Calls mesh_admin:function at a node with arguments as text, and gives the reply as text. */
static int ask(mesh_node *from, const char *to, const char *function, const char *args, char *reply, size_t size)
{
    mesh_buf list, value;
    mesh_buf_init(&list);
    mesh_buf_init(&value);
    assert_int_equal(mesh_parse(args, strlen(args), &list, NULL), MESH_OK);
    int rc = mesh_rpc(from, to, "mesh_admin", function, mesh_buf_term(&list), PATIENCE_MS, &value);
    mesh_inspect_text(mesh_buf_term(&value), reply, size);
    mesh_buf_fini(&value);
    mesh_buf_fini(&list);
    return rc;
}

/* An operator's node: it asks, and is no member. */
static mesh_node *start_asker(void)
{
    const mesh_cluster_options hidden = {.size = sizeof hidden, .hidden = true};
    return nodes_start("asker@127.0.0.1", &hidden, NULL);
}

static void a_hidden_node_asks(void **state)
{
    mesh_node *nodes[2];
    char reply[1024];
    (void)state;
    nodes_begin();
    nodes[0] = nodes_start("a@127.0.0.1", NULL, NULL);
    nodes[1] = nodes_start("b@127.0.0.1", NULL, NULL);
    nodes_connect(nodes[0], nodes[1]);
    nodes_give(nodes, 2);
    mesh_node *asker = start_asker();

    assert_int_equal(ask(asker, "a@127.0.0.1", "info", "[]", reply, sizeof reply), MESH_OK);
    assert_non_null(strstr(reply, "name: \"a@127.0.0.1\""));
    assert_non_null(strstr(reply, "kind: :c, name: \"b@127.0.0.1\"}]")); /* the asker is no member */
    assert_int_equal(ask(asker, "b@127.0.0.1", "capabilities", "[]", reply, sizeof reply), MESH_OK);
    assert_non_null(strstr(reply, "name: \"test\", nodes: 2"));

    /* An answer that comes later, and one that is a failure. */
    assert_int_equal(ask(asker, "a@127.0.0.1", "ring", "[\"nowhere\"]", reply, sizeof reply), MESH_OK);
    assert_non_null(strstr(reply, "{:error, %{error: :MESH_ENOCAPABILITY"));
    assert_int_equal(ask(asker, "a@127.0.0.1", "ring", "[1]", reply, sizeof reply), MESH_ECRASHED);
    assert_non_null(strstr(reply, "badarg"));
    assert_int_equal(ask(asker, "a@127.0.0.1", "halt", "[]", reply, sizeof reply), MESH_ECRASHED);
    assert_non_null(strstr(reply, "undef"));

    assert_int_equal(ask(asker, "a@127.0.0.1", "drain", "[15000]", reply, sizeof reply), MESH_OK);
    assert_string_equal(reply, ":ok");
    assert_int_equal(ask(asker, "a@127.0.0.1", "progress", "[]", reply, sizeof reply), MESH_OK);
    assert_string_equal(reply, "%{claiming: 0, drained: true, draining: true, held: 0, leaving: 0}");

    assert_int_equal(mesh_node_stop(asker), MESH_OK);
    assert_int_equal(mesh_node_stop(nodes[1]), MESH_OK);
    assert_int_equal(mesh_node_stop(nodes[0]), MESH_OK);
}

static void a_hidden_node_has_no_functions(void **state)
{
    char reply[256];
    (void)state;
    nodes_begin();
    mesh_node *a = nodes_start("a@127.0.0.1", NULL, NULL), *asker = start_asker();
    assert_int_equal(ask(a, "asker@127.0.0.1", "info", "[]", reply, sizeof reply), MESH_ECRASHED);
    assert_non_null(strstr(reply, "undef"));
    assert_int_equal(mesh_node_stop(asker), MESH_OK);
    assert_int_equal(mesh_node_stop(a), MESH_OK);
}

/* Answers that are on their way when the asker, or the asked, goes. */
static void nodes_go_while_somebody_waits(void **state)
{
    const mesh_term none = {(const uint8_t *)"j", 1, NULL};
    mesh_buf value;
    (void)state;
    nodes_begin();
    mesh_node *a = nodes_start("a@127.0.0.1", NULL, NULL), *asker = start_asker();
    mesh_buf_init(&value);
    assert_int_equal(mesh_connect(asker, "a@127.0.0.1", PATIENCE_MS), MESH_OK);
    for (int i = 0; i < 20; i++) {
        mesh_buf_clear(&value);
        int rc = mesh_rpc(asker, "a@127.0.0.1", "mesh_admin", "waits", none, 1, &value);
        assert_true(rc == MESH_OK || rc == MESH_ETIMEOUT);
    }
    mesh_buf_fini(&value);
    assert_int_equal(mesh_node_stop(asker), MESH_OK);
    assert_int_equal(mesh_node_stop(a), MESH_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hidden_node_asks),
        cmocka_unit_test(a_hidden_node_has_no_functions),
        cmocka_unit_test(nodes_go_while_somebody_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
