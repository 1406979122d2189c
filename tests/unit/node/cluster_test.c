/* Nodes of one program that are a cluster, over a transport in memory. */
#include "unit/node/net.h"

#include <stdio.h>

enum { SHARDS = 64, IDS = 40 };

static void stop(mesh_node *node)
{
    assert_int_equal(mesh_node_stop(node), MESH_OK);
}

/* Calls an agent by name in the capability "test". */
static int call(mesh_node *node, const char *id, act_fn fn, const void *arg, mesh_result *result, uint32_t timeout_ms)
{
    mesh_buf message;
    act_message(&message, fn, arg);
    mesh_request r = act_request(id, &message);
    r.timeout_ms = timeout_ms;
    int rc = mesh_call(node, &r, result);
    mesh_buf_fini(&message);
    return rc;
}

static int64_t add(mesh_node *node, const char *id)
{
    mesh_result result;
    int64_t n = -1;
    assert_int_equal(call(node, id, act_add, NULL, &result, PATIENCE_MS), MESH_OK);
    assert_int_equal(mesh_match(result.value, "~i", &n), MESH_OK);
    mesh_result_release(&result);
    return n;
}

static void test_a_node_alone_serves(void **state)
{
    (void)state;
    struct net *net = net_create();
    mesh_node *a = net_node(net, 0, "test", SHARDS);
    net_await_held(a, SHARDS);
    assert_int_equal(add(a, "x"), 1);
    assert_int_equal(add(a, "x"), 2);
    stop(a);
    net_destroy(net);
}

static void test_calls_go_to_the_node_that_has_it(void **state)
{
    (void)state;
    struct net *net = net_create();
    mesh_node *a = net_node(net, 0, "test", SHARDS), *b = net_node(net, 1, NULL, 0);
    mesh_result result;
    mesh_pid self;
    net_link(net, a, b);
    net_await_held(a, SHARDS);
    assert_int_equal(add(b, "x"), 1);
    assert_int_equal(add(a, "x"), 2);
    assert_int_equal(call(b, "x", act_self, &self, &result, PATIENCE_MS), MESH_OK);
    assert_string_equal(self.node, "n0@test");
    assert_true(mesh_pid_equal(&self, &result.pid));
    mesh_result_release(&result);
    stop(b);
    stop(a);
    net_destroy(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_node_alone_serves),
        cmocka_unit_test(test_calls_go_to_the_node_that_has_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
