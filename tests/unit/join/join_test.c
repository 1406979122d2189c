/* Nodes that join: who is there, calls across, refusals, and what is left when they go. */
#include "unit/join/nodes.h"

#include <stdio.h>

enum { IDS = 200 };

/* Adds 1 to each agent through a node; gives how many were answered by that node itself. */
static int count_all(mesh_node *node, int64_t expected)
{
    mesh_buf message;
    int here = 0;
    act_message(&message, act_add, NULL);
    for (int i = 0; i < IDS; i++) {
        char id[16];
        int64_t n;
        mesh_result result;
        snprintf(id, sizeof id, "a%d", i);
        const mesh_request request = act_request(id, &message);
        assert_int_equal(mesh_call(node, &request, &result), MESH_OK);
        assert_int_equal(mesh_match(result.value, "~i", &n), MESH_OK);
        assert_int_equal(n, expected);
        here += strcmp(result.pid.node, mesh_node_name(node)) == 0;
        mesh_result_release(&result);
    }
    mesh_buf_fini(&message);
    return here;
}

static void two_nodes_share(void **state)
{
    mesh_node *nodes[2];
    (void)state;
    nodes_begin();
    script_reset();
    nodes[0] = nodes_start("a@127.0.0.1", NULL, NULL);
    nodes[1] = nodes_start("b@127.0.0.1", NULL, NULL);
    nodes_connect(nodes[0], nodes[1]);
    nodes_give(nodes, 2);

    int here = count_all(nodes[0], 1);
    assert_true(here > IDS / 4 && here < IDS * 3 / 4);
    assert_int_equal(count_all(nodes[1], 2), IDS - here);
    assert_int_equal(script_count(&script.inits), IDS);

    mesh_names *names;
    assert_int_equal(mesh_nodes(nodes[0], false, &names), MESH_OK);
    assert_int_equal(names->count, 1);
    assert_string_equal(names->name[0], "b@127.0.0.1");
    mesh_names_free(names);
    assert_int_equal(mesh_nodes_for(nodes[1], "test", &names), MESH_OK);
    assert_int_equal(names->count, 2);
    mesh_names_free(names);

    mesh_cluster_stats stats = {.size = sizeof stats};
    assert_int_equal(mesh_cluster_stats_read(nodes[0], &stats), MESH_OK);
    assert_int_equal(stats.nodes, 1);
    assert_int_equal(stats.sent, IDS - here);
    assert_int_equal(stats.served, here);
    assert_int_equal(stats.connections, 1);
    assert_true(stats.bytes_in > 0 && stats.bytes_out > 0);

    /* One goes: what its processes knew is at the other. */
    agent_stop(nodes[1]);
    assert_int_equal(count_all(nodes[0], 3), IDS);
    agent_stop(nodes[0]);
}

/* Of a large call: whether its handler has begun, and whether it has ended. */
struct large {
    struct gate arrived, ended;
    int error;
};

static int act_arrive(struct scene *s)
{
    gate_add(&((struct large *)s->arg)->arrived);
    return act_ok(s);
}

static void large_ended(void *context, int error, const mesh_result *result)
{
    struct large *l = context;
    (void)result;
    l->error = error;
    gate_add(&l->ended);
}

/* An id whose process is on that node. */
static void id_on(mesh_node *asked, const char *node, const char *prefix, char id[16])
{
    char owner[MESH_NAME_SIZE] = "";
    for (int i = 0; strcmp(owner, node) != 0; i++) {
        snprintf(id, 16, "%s%d", prefix, i);
        assert_int_equal(mesh_owner_node(asked, mesh_shard_for(mesh_str(id)), "test", owner, sizeof owner), MESH_OK);
    }
}

static void small_calls_pass_a_large_one(void **state)
{
    enum { LARGE = 48 << 20 };
    static struct large large = {.arrived = GATE_INIT, .ended = GATE_INIT};
    mesh_node *nodes[2];
    mesh_buf act, message;
    mesh_bytes binary;
    char id[16];
    (void)state;
    nodes_begin();
    script_reset();
    nodes[0] = nodes_start("a@127.0.0.1", NULL, NULL);
    nodes[1] = nodes_start("b@127.0.0.1", NULL, NULL);
    nodes_connect(nodes[0], nodes[1]);
    nodes_give(nodes, 2);
    char *bytes = calloc(1, LARGE);
    assert_non_null(bytes);
    act_message(&act, act_arrive, &large);
    assert_int_equal(mesh_match(mesh_buf_term(&act), "~b", &binary), MESH_OK);
    memcpy(bytes, binary.data, binary.len);
    mesh_buf_init(&message);
    binary = (mesh_bytes){bytes, LARGE};
    assert_int_equal(mesh_build(&message, "~b", binary), MESH_OK);
    id_on(nodes[0], "b@127.0.0.1", "large", id);
    const mesh_request request = act_request(id, &message);
    assert_int_equal(mesh_call_async(nodes[0], &request, large_ended, &large), MESH_OK);
    id_on(nodes[0], "b@127.0.0.1", "small", id);
    int passed = 0;
    for (; gate_count(&large.arrived) == 0; passed++)
        assert_int_equal(act_call(nodes[0], id, act_ok, NULL, NULL), MESH_OK);
    assert_true(passed > 1); /* the last one may have come behind it */
    gate_await(&large.ended, 1);
    assert_int_equal(large.error, MESH_OK);
    mesh_buf_fini(&act);
    mesh_buf_fini(&message);
    free(bytes);
    agent_stop(nodes[0]);
    agent_stop(nodes[1]);
}

static void large_messages_cross(void **state)
{
    enum { LARGE = 3 << 20 };
    mesh_node *nodes[2];
    (void)state;
    nodes_begin();
    script_reset();
    nodes[0] = nodes_start("a@127.0.0.1", NULL, NULL);
    nodes[1] = nodes_start("b@127.0.0.1", NULL, NULL);
    nodes_connect(nodes[0], nodes[1]);
    nodes_give(nodes, 2);
    char *bytes = calloc(1, LARGE);
    assert_non_null(bytes);
    memset(bytes, 'x', LARGE);
    mesh_buf act, message;
    mesh_bytes binary;
    act_message(&act, act_echo, NULL);
    assert_int_equal(mesh_match(mesh_buf_term(&act), "~b", &binary), MESH_OK);
    memcpy(bytes, binary.data, binary.len);
    mesh_buf_init(&message);
    binary = (mesh_bytes){bytes, LARGE};
    assert_int_equal(mesh_build(&message, "~b", binary), MESH_OK);
    int crossed = 0;
    for (int i = 0; i < 8; i++) {
        char id[16];
        mesh_result result;
        snprintf(id, sizeof id, "l%d", i);
        const mesh_request request = act_request(id, &message);
        assert_int_equal(mesh_call(nodes[0], &request, &result), MESH_OK);
        assert_int_equal(result.value.len, message.len);
        assert_memory_equal(result.value.data, message.data, message.len);
        crossed += strcmp(result.pid.node, "b@127.0.0.1") == 0;
        mesh_result_release(&result);
    }
    assert_true(crossed > 0);
    mesh_buf_fini(&act);
    mesh_buf_fini(&message);
    free(bytes);
    agent_stop(nodes[0]);
    agent_stop(nodes[1]);
}

static void refusals_leave_the_node_as_it_was(void **state)
{
    int rc;
    mesh_reason reason;
    (void)state;
    nodes_begin();
    mesh_node *a = nodes_start("a@127.0.0.1", NULL, NULL);

    mesh_node *again = nodes_start("a@127.0.0.1", NULL, &rc);
    assert_int_equal(rc, MESH_EEXISTS);
    assert_int_equal(mesh_register_capability(again, "test", NULL), MESH_OK);
    assert_int_equal(act_number(again, "x", act_add, NULL), 1);
    const mesh_cluster_options late = {.size = sizeof late, .cookie = COOKIE};
    assert_int_equal(mesh_cluster_join(again, &late, &reason), MESH_EINVAL);
    agent_stop(again);

    const mesh_discovery nonsense = {"nonsense", NULL};
    mesh_node *b = nodes_start(
        "b@127.0.0.1", &(mesh_cluster_options){.size = sizeof late, .discovery = &nonsense, .discovery_count = 1}, &rc);
    assert_int_equal(rc, MESH_EINVAL);
    const mesh_gossip_options elsewhere = {.multicast_if = "192.0.2.1"}; /* no address of this machine */
    const mesh_discovery gossip = {"gossip", &elsewhere};
    const mesh_cluster_options fails = {.size = sizeof fails,
                                        .cookie = COOKIE,
                                        .no_epmd = true,
                                        .port = 0,
                                        .dial_port = 4,
                                        .discovery = &gossip,
                                        .discovery_count = 1};
    assert_int_equal(mesh_cluster_join(b, &fails, &reason), MESH_ESYSTEM);
    assert_non_null(strstr(reason.text, "gossip"));
    const mesh_cluster_options no_cookie = {.size = sizeof no_cookie};
    assert_int_equal(mesh_cluster_join(b, &no_cookie, &reason), MESH_EINVAL);
    assert_non_null(strstr(reason.text, "cookie"));
    assert_int_equal(mesh_wait_for(b, 1, 0), MESH_EINVAL);
    agent_stop(b);

    mesh_node *c = nodes_start("c@127.0.0.1", &(mesh_cluster_options){.size = sizeof late, .cookie = "other"}, NULL);
    assert_int_equal(mesh_connect(c, "a@127.0.0.1", PATIENCE_MS), MESH_ELOST);
    assert_int_equal(mesh_connect(c, "nobody@127.0.0.1", PATIENCE_MS), MESH_ELOST);
    assert_int_equal(mesh_connect(c, "nobody", PATIENCE_MS), MESH_EBADNAME);
    assert_int_equal(mesh_disconnect(c, "a@127.0.0.1"), MESH_ENOPROCESS);
    assert_int_equal(mesh_wait_for(c, 2, 1), MESH_ETIMEOUT);
    agent_stop(c);
    agent_stop(a);
}

static void functions_of_other_nodes(void **state)
{
    mesh_buf args, value;
    (void)state;
    nodes_begin();
    mesh_node *a = nodes_start("a@127.0.0.1", NULL, NULL);
    mesh_node *ask = nodes_start("ask@127.0.0.1",
                                 &(mesh_cluster_options){.size = sizeof(mesh_cluster_options), .hidden = true}, NULL);
    mesh_buf_init(&args);
    assert_int_equal(mesh_build(&args, "[1]"), MESH_OK);
    assert_int_equal(mesh_rpc(ask, "a@127.0.0.1", "lists", "nothing", mesh_buf_term(&args), PATIENCE_MS, &value),
                     MESH_ECRASHED);
    assert_int_equal(mesh_match(mesh_buf_term(&value), "{:EXIT, {:undef, _}}"), MESH_OK);
    mesh_buf_fini(&value);
    assert_int_equal(mesh_rpc(ask, "no@127.0.0.1", "lists", "nothing", mesh_buf_term(&args), PATIENCE_MS, &value),
                     MESH_ELOST);
    mesh_buf_fini(&value);
    mesh_names *names;
    assert_int_equal(mesh_nodes(a, false, &names), MESH_OK);
    assert_int_equal(names->count, 0);
    mesh_names_free(names);
    assert_int_equal(mesh_nodes(a, true, &names), MESH_OK);
    assert_int_equal(names->count, 1);
    mesh_names_free(names);
    mesh_buf_fini(&args);
    agent_stop(ask);
    agent_stop(a);
}

static void discovery_connects_and_connects_again(void **state)
{
    static const char *const hosts[] = {"a@127.0.0.1", "b@127.0.0.1", "c@127.0.0.1"};
    const mesh_epmd_list_options list = {.hosts = hosts, .count = 3, .timeout_ms = 50};
    const mesh_discovery epmd = {"epmd", &list};
    const mesh_cluster_options options = {.size = sizeof options, .discovery = &epmd, .discovery_count = 1};
    mesh_node *nodes[3];
    (void)state;
    nodes_begin();
    script_reset();
    for (int i = 0; i < 3; i++)
        nodes[i] = nodes_start(hosts[i], &options, NULL);
    for (int i = 0; i < 3; i++)
        nodes_await(nodes[i], 2);
    nodes_give(nodes, 3);
    int here = count_all(nodes[2], 1);
    assert_true(here > IDS / 6 && here < IDS / 2);

    assert_int_equal(mesh_disconnect(nodes[0], hosts[1]), MESH_OK);
    nodes_await(nodes[0], 2);
    agent_stop(nodes[2]);
    nodes_await(nodes[0], 1);
    nodes[2] = nodes_start(hosts[2], &options, NULL);
    nodes_await(nodes[0], 2);
    nodes_await(nodes[1], 2);
    for (int i = 0; i < 3; i++)
        agent_stop(nodes[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_nodes_share),
        cmocka_unit_test(large_messages_cross),
        cmocka_unit_test(small_calls_pass_a_large_one),
        cmocka_unit_test(refusals_leave_the_node_as_it_was),
        cmocka_unit_test(functions_of_other_nodes),
        cmocka_unit_test(discovery_connects_and_connects_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
