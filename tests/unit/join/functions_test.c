/* The functions that other nodes may call, on nodes that are a cluster over a transport in memory. */
#include "unit/join/asked.h"
#include "unit/node/net.h"

enum { SHARDS = 64 };

/* Two nodes that have "test"; the functions are those of the first. */
struct pair {
    struct net *net;
    mesh_node *a, *b;
    struct asked asked;
};

static bool splits(const struct membership_stats *s, uint64_t linked)
{
    return s->cluster.linked == linked && s->cluster.claiming == 0 && s->cluster.releasing == 0 &&
           s->cluster.held > 0 && s->cluster.held < SHARDS && s->cluster.parcels_waiting == 0;
}

static void pair_init(struct pair *p)
{
    p->net = net_create();
    p->a = net_node(p->net, 0, "test", SHARDS);
    p->b = net_node(p->net, 1, NULL, 0);
    net_link(p->net, p->a, p->b);
    net_await_linked(p->b, 1);
    net_register(p->b, "test", SHARDS);
    net_await(p->a, splits, 1);
    net_await(p->b, splits, 1);
    asked_init(&p->asked, p->a);
}

static void pair_fini(struct pair *p)
{
    assert_int_equal(mesh_node_stop(p->b), MESH_OK);
    assert_int_equal(mesh_node_stop(p->a), MESH_OK);
    asked_fini(&p->asked);
    net_destroy(p->net);
}

/* ---- what a node tells of itself and of the cluster ---- */

static void info_tells_links_and_capabilities(void **state)
{
    struct pair p;
    mesh_bytes name, version, peer;
    mesh_term capabilities, links;
    uint32_t creation, workers, peer_creation;
    bool draining, drained;
    (void)state;
    pair_init(&p);
    mesh_term info = ask(&p.asked, "info", "[]");
    assert_int_equal(mesh_match(info,
                                "%{name: ~b, creation: ~u, version: ~b, uptime_ms: _, workers: ~u, processes: 0, "
                                "draining: ~o, drained: ~o, capabilities: ~t, links: ~t}",
                                &name, &creation, &version, &workers, &draining, &drained, &capabilities, &links),
                     MESH_OK);
    assert_int_equal(name.len, strlen("n0@test"));
    assert_memory_equal(name.data, "n0@test", name.len);
    assert_int_equal(creation, p.a->runtime.creation);
    assert_int_equal(workers, 2);
    assert_true(version.len >= strlen("0.0.0"));
    assert_false(draining);
    assert_false(drained);
    assert_int_equal(mesh_match(capabilities, "[\"test\"]"), MESH_OK);
    assert_int_equal(mesh_match(links, "[%{name: ~b, creation: ~u, kind: :c}]", &peer, &peer_creation), MESH_OK);
    assert_int_equal(peer_creation, p.b->runtime.creation);
    assert_memory_equal(peer.data, "n1@test", peer.len);
    pair_fini(&p);
}

static void capabilities_are_those_of_the_cluster(void **state)
{
    struct pair p;
    uint32_t held;
    (void)state;
    pair_init(&p);
    net_register(p.b, "only_b", 16);
    net_await_nodes(p.a, "only_b", 1);
    mesh_term list = ask(&p.asked, "capabilities", "[]");
    assert_int_equal(mesh_match(list,
                                "[%{name: \"only_b\", shards: 16, strategy: :capped, nodes: 1, held: 0, disagree: "
                                "false}, %{name: \"test\", shards: 64, strategy: :capped, nodes: 2, held: ~u, "
                                "disagree: false}]",
                                &held),
                     MESH_OK);
    assert_int_equal(held, net_stats(p.a).cluster.held);
    pair_fini(&p);
}

static void a_ring_is_told_with_the_owner_of_each_shard(void **state)
{
    struct pair p;
    mesh_bytes owners;
    uint32_t of_a, of_b;
    (void)state;
    pair_init(&p);
    mesh_term ring = ask(&p.asked, "ring", "[\"test\"]");
    assert_int_equal(mesh_match(ring,
                                "%{shards: 64, strategy: :capped, disagree: false, nodes: [%{name: \"n0@test\", "
                                "weight: 1, owned: ~u}, %{name: \"n1@test\", weight: 1, owned: ~u}], owners: ~b}",
                                &of_a, &of_b, &owners),
                     MESH_OK);
    assert_int_equal(of_a + of_b, SHARDS);
    assert_int_equal(owners.len, 2 * SHARDS);
    for (uint32_t s = 0; s < SHARDS; s++) {
        char owner[MESH_NAME_SIZE];
        const uint8_t *index = (const uint8_t *)owners.data + 2 * (size_t)s;
        assert_int_equal(mesh_owner_node(p.a, s, "test", owner, sizeof owner), MESH_OK);
        assert_int_equal(index[0], 0);
        assert_int_equal(index[1], strcmp(owner, "n1@test") == 0);
    }
    ask_refused(&p.asked, "ring", "[\"nowhere\"]", "MESH_ENOCAPABILITY");
    pair_fini(&p);
}

static void what_would_move_is_told(void **state)
{
    struct pair p;
    uint32_t moved, least, of_a, of_b;
    (void)state;
    pair_init(&p);
    mesh_term leave = ask(&p.asked, "leave", "[:test, \"n0@test\"]");
    assert_int_equal(mesh_match(leave,
                                "%{moved: ~u, least: ~u, nodes: [%{name: \"n0@test\", owned: ~u, after: 0, gains: 0}, "
                                "%{name: \"n1@test\", owned: ~u, after: 64, gains: _}]}",
                                &moved, &least, &of_a, &of_b),
                     MESH_OK);
    assert_int_equal(moved, of_a);
    assert_int_equal(least, of_a);
    assert_int_equal(of_a + of_b, SHARDS);
    ask_refused(&p.asked, "leave", "[\"test\", \"n7@test\"]", "MESH_EINVAL");
    ask_refused(&p.asked, "leave", "[\"nowhere\", \"n0@test\"]", "MESH_ENOCAPABILITY");
    net_register(p.a, "alone", 8);
    net_await_nodes(p.a, "alone", 1);
    ask_refused(&p.asked, "leave", "[\"alone\", \"n0@test\"]", "MESH_EINVAL");
    pair_fini(&p);
}

/* ---- calls ---- */

/* The arguments of a call to an agent, which runs an act: its message is a binary of pointers. */
static void act_args(mesh_buf *out, const char *id, act_fn fn, const void *arg, const char *rest)
{
    mesh_buf message, text;
    mesh_buf_init(&text);
    act_message(&message, fn, arg);
    assert_int_equal(mesh_inspect(mesh_buf_term(&message), &text), MESH_OK);
    mesh_buf_fini(&message);
    char start[64];
    snprintf(start, sizeof start, "[\"test\", :Agent, \"%s\", ", id);
    mesh_buf_init(out);
    assert_int_equal(mesh_buf_append(out, start, strlen(start)), MESH_OK);
    assert_int_equal(mesh_buf_append(out, text.data, text.len), MESH_OK);
    assert_int_equal(mesh_buf_append(out, rest, strlen(rest) + 1), MESH_OK);
    mesh_buf_fini(&text);
}

static void calls_are_made_wherever_the_process_is(void **state)
{
    struct pair p;
    (void)state;
    pair_init(&p);
    for (int i = 0; i < 20; i++) {
        char id[16], owner[MESH_NAME_SIZE], reply[MESH_NAME_SIZE + 64];
        mesh_buf args;
        snprintf(id, sizeof id, "id%d", i);
        assert_int_equal(mesh_owner_node(p.a, mesh_phash2(mesh_str(id), SHARDS), "test", owner, sizeof owner), MESH_OK);
        act_args(&args, id, act_add, NULL, ", nil, 15000]");
        snprintf(reply, sizeof reply, "{:ok, %%{node: \"%s\", value: 1}}", owner);
        ask_expect(&p.asked, "call", (const char *)args.data, reply);
        mesh_buf_fini(&args);
    }
    pair_fini(&p);
}

static int crash_later(struct scene *s)
{
    (void)s;
    mesh_buf reason;
    mesh_buf_init(&reason);
    mesh_build(&reason, ":told");
    int rc = mesh_crash(s->self, mesh_buf_term(&reason));
    mesh_buf_fini(&reason);
    return rc;
}

static void a_call_that_fails_says_how(void **state)
{
    struct pair p;
    mesh_buf args;
    static struct parked parked = PARKED_INIT;
    (void)state;
    pair_init(&p);
    ask_refused(&p.asked, "call", "[\"nowhere\", \"Agent\", \"x\", nil, nil, 100]", "MESH_ENOCAPABILITY");
    ask_refused(&p.asked, "call", "[\"test\", \"Nobody\", \"x\", nil, nil, 15000]", "MESH_ENOMODULE");
    act_args(&args, "x", crash_later, NULL, ", nil, 15000]");
    mesh_term reply = ask(&p.asked, "call", (const char *)args.data);
    assert_int_equal(mesh_match(reply, "{:error, %{error: :MESH_ECRASHED, text: _, reason: :told}}"), MESH_OK);
    mesh_buf_fini(&args);
    act_args(&args, "y", act_park, &parked, ", nil, 30]");
    ask_refused(&p.asked, "call", (const char *)args.data, "MESH_ETIMEOUT");
    gate_await(&parked.gate, 1);
    (void)mesh_from_drop(parked.from[0]);
    mesh_buf_fini(&args);
    pair_fini(&p);
}

static int count_cast(struct scene *s)
{
    gate_add(s->arg);
    return MESH_OK;
}

static void a_cast_is_sent(void **state)
{
    struct pair p;
    mesh_buf args;
    static struct gate came = GATE_INIT;
    (void)state;
    pair_init(&p);
    act_args(&args, "x", count_cast, &came, ", nil]");
    ask_expect(&p.asked, "cast", (const char *)args.data, ":ok");
    gate_await(&came, 1);
    mesh_buf_fini(&args);
    ask_refused(&p.asked, "cast", "[\"nowhere\", \"Agent\", \"x\", nil, nil]", "MESH_ENOCAPABILITY");
    pair_fini(&p);
}

/* ---- numbers ---- */

static void numbers_are_those_of_the_node(void **state)
{
    struct pair p;
    mesh_buf args;
    uint64_t calls, links, held;
    (void)state;
    pair_init(&p);
    const uint32_t here = net_stats(p.a).cluster.held;
    for (int i = 0; i < 4; i++) {
        char id[16];
        snprintf(id, sizeof id, "id%d", i);
        act_args(&args, id, act_add, NULL, ", nil, 15000]");
        ask(&p.asked, "call", (const char *)args.data);
        mesh_buf_fini(&args);
    }
    mesh_term stats = ask(&p.asked, "stats", "[]");
    assert_int_equal(mesh_match(stats, "%{calls: ~u, call_max_ns: _, crashes: 0, cluster: %{links: ~u, held: ~u}}",
                                &calls, &links, &held),
                     MESH_OK);
    mesh_stats read = {.size = sizeof read};
    assert_int_equal(mesh_stats_read(p.a, NULL, NULL, &read), MESH_OK);
    assert_int_equal(calls, read.calls);
    assert_int_equal(links, 1);
    assert_int_equal(held, here);
    stats = ask(&p.asked, "stats", "[\"test\"]");
    assert_int_equal(mesh_match(stats, "%{calls: ~u}", &calls), MESH_OK);
    assert_int_equal(calls, read.calls);
    ask_refused(&p.asked, "stats", "[\"nowhere\"]", "MESH_ENOCAPABILITY");
    pair_fini(&p);
}

/* A handler that waits in a call that is not answered. */
static int call_and_wait(struct scene *s)
{
    mesh_buf message;
    mesh_result result;
    act_message(&message, act_park, s->arg);
    mesh_request r = act_request("callee", &message);
    r.timeout_ms = PATIENCE_MS;
    int rc = mesh_call(s->node, &r, &result);
    mesh_buf_fini(&message);
    return rc == MESH_OK ? reply_number(s->from, 1) : rc;
}

static void *call_caller(void *arg)
{
    mesh_buf message;
    mesh_result result;
    struct scene *s = arg;
    act_message(&message, call_and_wait, s->arg);
    mesh_request r = act_request("caller", &message);
    r.timeout_ms = PATIENCE_MS;
    int rc = mesh_call(s->node, &r, &result);
    mesh_result_release(&result);
    mesh_buf_fini(&message);
    return (void *)(intptr_t)rc;
}

static void who_waits_for_whom_is_listed(void **state)
{
    struct net *net = net_create();
    mesh_node *node = net_node(net, 0, "test", SHARDS);
    static struct parked parked = PARKED_INIT;
    struct scene scene = {.node = node, .arg = &parked};
    struct asked asked;
    pthread_t caller;
    void *rc;
    (void)state;
    asked_init(&asked, node);
    net_await_held(node, SHARDS);
    assert_int_equal(pthread_create(&caller, NULL, call_caller, &scene), 0);
    gate_await(&parked.gate, 1);
    mesh_term waits = ask(&asked, "waits", "[]");
    assert_int_equal(mesh_match(waits, "%{count: 1, waits: [%{module: \"Agent\", id: \"caller\", on: :call, "
                                       "on_module: \"Agent\", on_id: \"callee\", since_ms: _}]}"),
                     MESH_OK);
    assert_int_equal(reply_number(parked.from[0], 0), MESH_OK);
    pthread_join(caller, &rc);
    assert_int_equal((intptr_t)rc, MESH_OK);
    assert_int_equal(mesh_node_stop(node), MESH_OK);
    asked_fini(&asked);
    net_destroy(net);
}

/* ---- drain ---- */

static void a_drain_answers_when_all_is_handed_over(void **state)
{
    struct pair p;
    (void)state;
    pair_init(&p);
    assert_int_equal(mesh_match(ask(&p.asked, "progress", "[]"), "%{draining: false, drained: false}"), MESH_OK);
    ask_expect(&p.asked, "drain", "[15000]", ":ok");
    ask_expect(&p.asked, "progress", "[]", "%{claiming: 0, drained: true, draining: true, held: 0, leaving: 0}");
    net_await_held(p.b, SHARDS);
    ask_expect(&p.asked, "drain", "[15000]", ":ok");
    pair_fini(&p);
}

static void a_drain_that_takes_too_long_goes_on(void **state)
{
    struct pair p;
    (void)state;
    pair_init(&p);
    net_hold(p.net, true);
    ask_refused(&p.asked, "drain", "[20]", "MESH_ETIMEOUT");
    assert_int_equal(mesh_match(ask(&p.asked, "progress", "[]"), "%{draining: true, drained: false}"), MESH_OK);
    net_hold(p.net, false);
    ask_expect(&p.asked, "drain", "[15000]", ":ok");
    pair_fini(&p);
}

/* ---- what does not fit ---- */

static void other_arguments_are_badarg(void **state)
{
    static const char *const bad[][2] = {
        {"ring", "[1]"},
        {"ring", "[\"\"]"},
        {"ring", "[[]]"},
        {"stats", "[%{}]"},
        {"leave", "[\"test\", 1]"},
        {"leave", "[\"te\\0st\", \"n0@test\"]"},
        {"drain", "[0]"},
        {"drain", "[-1]"},
        {"drain", "[3600001]"},
        {"drain", "[:infinity]"},
        {"cast", "[\"test\", \"Agent\", \"\", nil, nil]"},
        {"cast", "[\"test\", 1, \"x\", nil, nil]"},
        {"call", "[\"test\", \"Agent\", \"x\", nil, nil, 0]"},
        {"call", "[\"test\", \"Agent\", \"x\", nil, nil, nil]"},
    };
    struct net *net = net_create();
    struct asked asked;
    (void)state;
    mesh_node *node = net_node(net, 0, "test", SHARDS);
    asked_init(&asked, node);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ask_refused(&asked, bad[i][0], bad[i][1], "badarg");
    assert_int_equal(mesh_node_stop(node), MESH_OK);
    asked_fini(&asked);
    net_destroy(net);
}

static void as_many_at_a_time_as_may(void **state)
{
    struct net *net = net_create();
    struct asked asked;
    mesh_buf args;
    static struct parked parked = PARKED_INIT;
    (void)state;
    net_drain_ms = 50;
    mesh_node *node = net_node(net, 0, "test", SHARDS);
    net_drain_ms = PATIENCE_MS;
    asked_init(&asked, node);
    net_await_held(node, SHARDS);
    act_args(&args, "x", act_park, &parked, ", nil, 15000]");
    for (int i = 0; i < FUNCTIONS_JOBS_MAX; i++)
        assert_true(ask_begin(&asked, "call", (const char *)args.data));
    ask_refused(&asked, "call", (const char *)args.data, "system_limit");
    ask_refused(&asked, "waits", "[]", "system_limit");
    mesh_buf_fini(&args);
    /* A stop answers all of them. */
    assert_int_equal(mesh_node_stop(node), MESH_OK);
    gate_await(&asked.answers, FUNCTIONS_JOBS_MAX);
    asked_fini(&asked);
    net_destroy(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(info_tells_links_and_capabilities),
        cmocka_unit_test(capabilities_are_those_of_the_cluster),
        cmocka_unit_test(a_ring_is_told_with_the_owner_of_each_shard),
        cmocka_unit_test(what_would_move_is_told),
        cmocka_unit_test(calls_are_made_wherever_the_process_is),
        cmocka_unit_test(a_call_that_fails_says_how),
        cmocka_unit_test(a_cast_is_sent),
        cmocka_unit_test(numbers_are_those_of_the_node),
        cmocka_unit_test(who_waits_for_whom_is_listed),
        cmocka_unit_test(a_drain_answers_when_all_is_handed_over),
        cmocka_unit_test(a_drain_that_takes_too_long_goes_on),
        cmocka_unit_test(other_arguments_are_badarg),
        cmocka_unit_test(as_many_at_a_time_as_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
