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
    net_await_linked(b, 1);
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

/* ---- Errors ---- */

static void test_errors_come_back(void **state)
{
    (void)state;
    struct net *net = net_create();
    mesh_node *a = net_node(net, 0, "test", SHARDS), *b = net_node(net, 1, NULL, 0);
    mesh_result result;
    static struct parked parked = PARKED_INIT;
    net_link(net, a, b);
    net_await_held(a, SHARDS);
    net_await_linked(b, 1);
    assert_int_equal(add(b, "x"), 1);

    assert_int_equal(call(b, "x", act_crash, NULL, &result, PATIENCE_MS), MESH_ECRASHED);
    assert_true(result.value.len > 0);
    assert_int_equal(result.pid.number, 0);
    mesh_result_release(&result);

    mesh_request r = {.module = "Nobody", .id = mesh_str("x"), .capability = "test"};
    assert_int_equal(mesh_call(b, &r, &result), MESH_ENOMODULE);
    mesh_result_release(&result);
    r = (mesh_request){.module = "Agent", .id = mesh_str("x"), .capability = "nowhere"};
    assert_int_equal(mesh_call(b, &r, &result), MESH_ENOCAPABILITY);
    int rc = mesh_cast(b, &r); /* it is told if it is known at once */
    assert_true(rc == MESH_ENOCAPABILITY || rc == MESH_OK);

    /* The caller's own time, and the process that still has the call. */
    assert_int_equal(call(b, "x", act_park, &parked, &result, 20), MESH_ETIMEOUT);
    gate_await(&parked.gate, 1);
    (void)mesh_from_drop(parked.from[0]); /* it may be over there, too */
    assert_int_equal(add(b, "x"), 1);
    stop(b);
    stop(a);
    net_destroy(net);
}

static void test_a_full_queue_is_busy(void **state)
{
    (void)state;
    struct net *net = net_create();
    mesh_node *a = net_node(net, 0, "test", SHARDS), *b = net_node(net, 1, NULL, 0);
    mesh_result result;
    net_link(net, a, b);
    net_await_held(a, SHARDS);
    net_await_linked(b, 1);
    assert_int_equal(add(b, "x"), 1);
    net_limit(net, 0);
    assert_int_equal(call(b, "x", act_add, NULL, &result, PATIENCE_MS), MESH_EBUSY);
    net_limit(net, SIZE_MAX);
    assert_int_equal(add(b, "x"), 2);
    assert_int_equal(net_stats(b).requests, 0);
    stop(b);
    stop(a);
    net_destroy(net);
}

/* A link that breaks ends the calls that wait for it. */
static void *call_parked(void *arg)
{
    mesh_result result;
    struct scene *s = arg;
    int rc = call(s->node, "x", act_park, s->arg, &result, PATIENCE_MS);
    mesh_result_release(&result);
    return (void *)(intptr_t)rc;
}

static bool has_links(const struct membership_stats *stats, uint64_t n)
{
    return stats->links == n;
}

static void test_requests_are_limited(void **state)
{
    (void)state;
    struct net *net = net_create();
    mesh_node *a = net_node(net, 0, "test", SHARDS), *b = net_node(net, 1, NULL, 0);
    static struct parked parked = PARKED_INIT;
    struct scene scene = {.node = b, .arg = &parked};
    pthread_t caller;
    void *rc;
    mesh_result result;
    b->membership->max_requests = 1;
    net_link(net, a, b);
    net_await_held(a, SHARDS);
    net_await_linked(b, 1);
    assert_int_equal(pthread_create(&caller, NULL, call_parked, &scene), 0);
    gate_await(&parked.gate, 1);
    assert_int_equal(call(b, "y", act_add, NULL, &result, PATIENCE_MS), MESH_EBUSY);
    assert_int_equal(reply_number(parked.from[0], 0), MESH_OK);
    pthread_join(caller, &rc);
    assert_int_equal((intptr_t)rc, MESH_OK);
    assert_int_equal(add(b, "y"), 1);
    stop(b);
    stop(a);
    net_destroy(net);
}

static bool has_no_requests(const struct membership_stats *stats, uint64_t n)
{
    (void)n;
    return stats->requests == 0;
}

/* What nobody waits for any more is forgotten, whether or not it is answered. */
static void test_late_calls_are_forgotten(void **state)
{
    (void)state;
    struct net *net = net_create();
    mesh_node *a = net_node(net, 0, "test", SHARDS), *b = net_node(net, 1, NULL, 0);
    static struct parked parked = PARKED_INIT;
    mesh_result result;
    net_link(net, a, b);
    net_await_held(a, SHARDS);
    net_await_linked(b, 1);
    assert_int_equal(add(b, "x"), 1);
    assert_int_equal(call(b, "x", act_park, &parked, &result, 20), MESH_ETIMEOUT);
    assert_int_equal(call(b, "x", act_park, &parked, &result, 5), MESH_ETIMEOUT);
    net_await(b, has_no_requests, 0);
    gate_await(&parked.gate, 1);
    assert_int_equal(add(b, "x"), 2);
    assert_int_equal(net_stats(b).requests, 0);
    stop(b);
    stop(a);
    net_destroy(net);
}

static void test_a_cut_ends_calls(void **state)
{
    (void)state;
    struct net *net = net_create();
    mesh_node *a = net_node(net, 0, "test", SHARDS), *b = net_node(net, 1, NULL, 0);
    static struct parked parked = PARKED_INIT;
    struct scene scene = {.node = b, .arg = &parked};
    pthread_t caller;
    void *rc;
    mesh_result result;
    net_link(net, a, b);
    net_await_held(a, SHARDS);
    net_await_linked(b, 1);
    assert_int_equal(pthread_create(&caller, NULL, call_parked, &scene), 0);
    gate_await(&parked.gate, 1);
    net_cut(net, a, b);
    pthread_join(caller, &rc);
    assert_int_equal((intptr_t)rc, MESH_ELOST);
    assert_int_equal(reply_number(parked.from[0], 0), MESH_OK);

    net_await(b, has_links, 0);
    mesh_request r = {.module = "Agent", .id = mesh_str("x"), .capability = "test", .timeout_ms = PATIENCE_MS};
    assert_int_equal(mesh_call(b, &r, &result), MESH_ENOCAPABILITY);
    net_link(net, a, b);
    net_await_linked(b, 1);
    assert_int_equal(add(b, "x"), 1);
    stop(b);
    stop(a);
    net_destroy(net);
}

/* ---- Two that have it ---- */

static void name_id(char id[16], int i)
{
    snprintf(id, 16, "id%d", i);
}

static void two(struct net *net, mesh_node *nodes[2])
{
    nodes[0] = net_node(net, 0, "test", SHARDS);
    nodes[1] = net_node(net, 1, NULL, 0);
    net_link(net, nodes[0], nodes[1]);
    net_await_linked(nodes[1], 1); /* else it would take all shards, since nobody has them */
    net_register(nodes[1], "test", SHARDS);
}

static bool splits(const struct membership_stats *s, uint64_t n)
{
    return s->cluster.linked == n && s->cluster.claiming == 0 && s->cluster.releasing == 0 && s->cluster.held > 0 &&
           s->cluster.held < SHARDS && s->cluster.parcels_waiting == 0;
}

/* Both know of each other, and hold what the ring says. */
static void await_split(mesh_node *nodes[2])
{
    net_await(nodes[0], splits, 1);
    net_await(nodes[1], splits, 1);
    assert_int_equal(net_stats(nodes[0]).cluster.held + net_stats(nodes[1]).cluster.held, SHARDS);
}

static void test_ids_are_spread(void **state)
{
    (void)state;
    struct net *net = net_create();
    mesh_node *nodes[2];
    mesh_result result;
    two(net, nodes);
    await_split(nodes);
    int at[2] = {0, 0};
    for (int i = 0; i < IDS; i++) {
        char id[16], owner[MESH_NAME_SIZE];
        uint32_t shard;
        mesh_pid self;
        name_id(id, i);
        assert_int_equal(mesh_shard_for_capability(nodes[0], "test", mesh_str(id), &shard), MESH_OK);
        assert_int_equal(mesh_owner_node(nodes[0], shard, "test", owner, sizeof owner), MESH_OK);
        assert_int_equal(call(nodes[i % 2], id, act_self, &self, &result, PATIENCE_MS), MESH_OK);
        mesh_result_release(&result);
        assert_string_equal(self.node, owner);
        at[strcmp(owner, "n1@test") == 0]++;
        assert_int_equal(add(nodes[0], id), 1);
        assert_int_equal(add(nodes[1], id), 2);
    }
    assert_true(at[0] > 0 && at[1] > 0);
    mesh_names *names;
    assert_int_equal(mesh_nodes_for(nodes[1], "test", &names), MESH_OK);
    assert_int_equal(names->count, 2);
    mesh_names_free(names);
    assert_int_equal(mesh_all_capabilities(nodes[1], &names), MESH_OK);
    assert_int_equal(names->count, 1);
    assert_string_equal(names->name[0], "test");
    mesh_names_free(names);
    stop(nodes[1]);
    stop(nodes[0]);
    net_destroy(net);
}

/* What a node has called elsewhere it can have itself later. */
static void test_a_caller_becomes_a_holder(void **state)
{
    (void)state;
    struct net *net = net_create();
    mesh_node *nodes[2] = {net_node(net, 0, "test", SHARDS), net_node(net, 1, NULL, 0)};
    net_link(net, nodes[0], nodes[1]);
    net_await_held(nodes[0], SHARDS);
    net_await_linked(nodes[1], 1);
    for (int i = 0; i < IDS; i++) {
        char id[16];
        name_id(id, i);
        assert_int_equal(add(nodes[1], id), 1);
    }
    net_register(nodes[1], "test", SHARDS);
    await_split(nodes);
    for (int i = 0; i < IDS; i++) {
        char id[16];
        name_id(id, i);
        assert_int_equal(add(nodes[1], id), 2);
    }
    mesh_stats stats = {.size = sizeof stats};
    assert_int_equal(mesh_stats_read(nodes[1], "test", "Agent", &stats), MESH_OK);
    assert_true(stats.processes > 0 && stats.restores == stats.processes);
    stop(nodes[1]);
    stop(nodes[0]);
    net_destroy(net);
}

/* ---- Moving ---- */

/* Calls counters without end, from several threads; every id belongs to one of them, and its answers count up by one.
 */
struct load {
    mesh_node *node;
    int first, step;
    _Atomic bool ends;
    _Atomic int calls;
    int expected[IDS];
    int failed, wrong, last_error;
};

static void *run_load(void *arg)
{
    struct load *l = arg;
    while (!atomic_load(&l->ends))
        for (int i = l->first; i < IDS; i += l->step) {
            char id[16];
            mesh_result result;
            int64_t n = -1;
            name_id(id, i);
            int rc = call(l->node, id, act_add, NULL, &result, PATIENCE_MS);
            if (rc != MESH_OK) {
                l->failed++;
                l->last_error = rc;
            } else if (mesh_match(result.value, "~i", &n) != MESH_OK || n != ++l->expected[i]) {
                l->wrong++;
            }
            mesh_result_release(&result);
            atomic_fetch_add(&l->calls, 1);
        }
    return NULL;
}

enum { CALLERS = 2 };

static void begin_load(struct load loads[CALLERS], pthread_t threads[CALLERS], mesh_node *nodes[CALLERS])
{
    for (int i = 0; i < CALLERS; i++) {
        loads[i] = (struct load){.node = nodes[i], .first = i, .step = CALLERS};
        assert_int_equal(pthread_create(&threads[i], NULL, run_load, &loads[i]), 0);
    }
}

static void await_calls(struct load *l, int more)
{
    int until = atomic_load(&l->calls) + more;
    uint64_t late = now_ms() + PATIENCE_MS;
    while (atomic_load(&l->calls) < until)
        assert_true(now_ms() < late && sched_yield() == 0);
}

static void end_load(struct load loads[CALLERS], pthread_t threads[CALLERS])
{
    for (int i = 0; i < CALLERS; i++) {
        await_calls(&loads[i], IDS);
        atomic_store(&loads[i].ends, true);
        pthread_join(threads[i], NULL);
        assert_int_equal(loads[i].last_error, MESH_OK);
        assert_int_equal(loads[i].failed, 0);
        assert_int_equal(loads[i].wrong, 0);
    }
}

static void check_counts(mesh_node *node, struct load loads[CALLERS])
{
    for (int i = 0; i < IDS; i++) {
        char id[16];
        name_id(id, i);
        assert_int_equal(add(node, id), loads[i % CALLERS].expected[i] + 1);
    }
}

static void test_a_join_under_load(void **state)
{
    (void)state;
    struct net *net = net_create();
    struct load loads[CALLERS];
    pthread_t threads[CALLERS];
    mesh_node *client = net_node(net, 2, NULL, 0);
    mesh_node *nodes[2] = {net_node(net, 0, "test", SHARDS), NULL};
    net_link(net, nodes[0], client);
    net_await_held(nodes[0], SHARDS);
    net_await_linked(client, 1);
    begin_load(loads, threads, (mesh_node *[]){nodes[0], client});
    await_calls(&loads[1], 100);
    nodes[1] = net_node(net, 1, NULL, 0);
    net_link(net, nodes[1], client);
    net_link(net, nodes[1], nodes[0]);
    net_await_linked(nodes[1], 2);
    net_register(nodes[1], "test", SHARDS);
    net_await(nodes[0], splits, 2);
    net_await(nodes[1], splits, 2);
    await_calls(&loads[0], 100);
    end_load(loads, threads);
    check_counts(client, loads);
    assert_int_equal(net_stats(nodes[0]).conflicts + net_stats(nodes[1]).conflicts, 0);
    assert_int_equal(net_stats(nodes[0]).dropped + net_stats(nodes[1]).dropped, 0);
    stop(client);
    stop(nodes[1]);
    stop(nodes[0]);
    net_destroy(net);
}

static void test_a_drain_under_load(void **state)
{
    (void)state;
    struct net *net = net_create();
    struct load loads[CALLERS];
    pthread_t threads[CALLERS];
    mesh_node *client = net_node(net, 2, NULL, 0), *nodes[2];
    two(net, nodes);
    net_link(net, nodes[0], client);
    net_link(net, nodes[1], client);
    net_await(nodes[0], splits, 2);
    net_await(nodes[1], splits, 2);
    net_await_linked(client, 2);
    begin_load(loads, threads, (mesh_node *[]){nodes[0], client});
    await_calls(&loads[0], 100);
    await_calls(&loads[1], 100);
    stop(nodes[1]);
    net_await_held(nodes[0], SHARDS);
    await_calls(&loads[0], 100);
    end_load(loads, threads);
    check_counts(client, loads);
    stop(client);
    stop(nodes[0]);
    net_destroy(net);
}

/* What was passivated moves as well. */
static void test_passivated_ones_move(void **state)
{
    (void)state;
    struct net *net = net_create();
    mesh_node *nodes[2] = {net_node(net, 0, "test", SHARDS), NULL};
    net_await_held(nodes[0], SHARDS);
    for (int i = 0; i < IDS; i++) {
        char id[16];
        name_id(id, i);
        assert_int_equal(add(nodes[0], id), 1);
    }
    uint64_t ended = 0, more;
    for (int turn = 0; ended < IDS && turn < 10000; turn++, ended += more)
        assert_int_equal(mesh_passivate(nodes[0], "test", 0, &more), MESH_OK);
    assert_int_equal(ended, IDS);
    nodes[1] = net_node(net, 1, NULL, 0);
    net_link(net, nodes[0], nodes[1]);
    net_await_linked(nodes[1], 1);
    net_register(nodes[1], "test", SHARDS);
    await_split(nodes);
    mesh_stats stats = {.size = sizeof stats};
    assert_int_equal(mesh_stats_read(nodes[1], NULL, NULL, &stats), MESH_OK);
    assert_true(stats.snapshots > 0);
    for (int i = 0; i < IDS; i++) {
        char id[16];
        name_id(id, i);
        assert_int_equal(add(nodes[i % 2], id), 2);
    }
    stop(nodes[1]);
    stop(nodes[0]);
    net_destroy(net);
}

/* A process that is inside a handler stays where it is; what is sent to it meanwhile reaches it there, or where it goes
 * on, with its state. */
static int add_after_parking(struct scene *s)
{
    mesh_buf message;
    mesh_result result;
    act_message(&message, act_park, s->arg);
    mesh_request r = act_request("parking", &message);
    r.capability = "other";
    r.timeout_ms = MESH_NEVER;
    int rc = mesh_call(s->node, &r, &result);
    mesh_buf_fini(&message);
    return rc == MESH_OK ? act_add(&(struct scene){s->self, s->node, s->agent, s->from, s->term, NULL}) : rc;
}

struct outcome {
    struct gate gate;
    int error;
    int64_t n;
};

static void note_outcome(void *context, int error, const mesh_result *result)
{
    struct outcome *o = context;
    o->error = error;
    (void)mesh_match(result->value, "~i", &o->n);
    gate_add(&o->gate);
}

static void start_call(mesh_node *node, const char *id, act_fn fn, const void *arg, struct outcome *o)
{
    mesh_buf message;
    act_message(&message, fn, arg);
    mesh_request r = act_request(id, &message);
    r.timeout_ms = PATIENCE_MS;
    assert_int_equal(mesh_call_async(node, &r, note_outcome, o), MESH_OK);
    mesh_buf_fini(&message);
}

static bool releases_nothing(const struct membership_stats *s, uint64_t linked)
{
    return s->cluster.linked == linked && s->cluster.claiming == 0 && s->cluster.releasing == 0;
}

static void test_busy_ones_move_later(void **state)
{
    (void)state;
    enum { BUSY = 8 };
    struct net *net = net_create();
    struct parked *parked = calloc(1, sizeof *parked);
    struct outcome first[BUSY], second[BUSY];
    char ids[BUSY][16];
    *parked = (struct parked)PARKED_INIT;
    mesh_node *nodes[2] = {net_node(net, 0, "test", SHARDS), NULL};
    const mesh_capability_options one = {.size = sizeof one, .shards = 1};
    assert_int_equal(mesh_register_capability(nodes[0], "other", &one), MESH_OK);
    net_await_held(nodes[0], SHARDS + 1);
    for (int i = 0; i < BUSY; i++) {
        name_id(ids[i], i);
        first[i] = second[i] = (struct outcome){.gate = GATE_INIT};
        start_call(nodes[0], ids[i], add_after_parking, parked, &first[i]);
    }
    gate_await(&parked->gate, BUSY);
    nodes[1] = net_node(net, 1, NULL, 0);
    net_link(net, nodes[0], nodes[1]);
    net_await_linked(nodes[1], 1);
    net_register(nodes[1], "test", SHARDS);
    net_await(nodes[1], splits, 1);
    net_await(nodes[0], releases_nothing, 1);
    for (int i = 0; i < BUSY; i++)
        start_call(nodes[1], ids[i], act_add, NULL, &second[i]);
    assert_int_equal(add(nodes[1], "another"), 1);
    for (int i = 0; i < BUSY; i++)
        assert_int_equal(reply_number(parked->from[i], 0), MESH_OK);
    for (int i = 0; i < BUSY; i++) {
        gate_await(&first[i].gate, 1);
        gate_await(&second[i].gate, 1);
        assert_int_equal(first[i].error, MESH_OK);
        assert_int_equal(first[i].n, 1);
        assert_int_equal(second[i].error, MESH_OK);
        assert_int_equal(second[i].n, 2);
        assert_int_equal(add(nodes[1], ids[i]), 3);
    }
    assert_int_equal(net_stats(nodes[0]).conflicts + net_stats(nodes[1]).conflicts, 0);
    stop(nodes[1]);
    stop(nodes[0]);
    net_destroy(net);
    free(parked);
}

/* A process that owes an answer goes when it has given it: a move fails no call. */
static void test_debtors_move_later(void **state)
{
    (void)state;
    enum { DEBTORS = 8 };
    struct net *net = net_create();
    struct parked *parked = calloc(1, sizeof *parked);
    struct outcome outcomes[DEBTORS];
    *parked = (struct parked)PARKED_INIT;
    mesh_node *nodes[2] = {net_node(net, 0, "test", SHARDS), NULL};
    net_await_held(nodes[0], SHARDS);
    for (int i = 0; i < DEBTORS; i++) {
        char id[16];
        name_id(id, i);
        outcomes[i] = (struct outcome){.gate = GATE_INIT};
        assert_int_equal(add(nodes[0], id), 1);
        start_call(nodes[0], id, act_park, parked, &outcomes[i]);
    }
    gate_await(&parked->gate, DEBTORS);
    nodes[1] = net_node(net, 1, NULL, 0);
    net_link(net, nodes[0], nodes[1]);
    net_await_linked(nodes[1], 1);
    net_register(nodes[1], "test", SHARDS);
    net_await(nodes[1], splits, 1);
    net_await(nodes[0], releases_nothing, 1);
    for (int i = 0; i < DEBTORS; i++) {
        char id[16];
        name_id(id, i);
        assert_int_equal(add(nodes[1], id), 2); /* still there */
    }
    for (int i = 0; i < DEBTORS; i++)
        assert_int_equal(reply_number(parked->from[i], 0), MESH_OK);
    for (int i = 0; i < DEBTORS; i++) {
        char id[16], owner[MESH_NAME_SIZE];
        uint32_t shard;
        mesh_pid self;
        mesh_result result;
        name_id(id, i);
        gate_await(&outcomes[i].gate, 1);
        assert_int_equal(outcomes[i].error, MESH_OK);
        assert_int_equal(mesh_shard_for_capability(nodes[0], "test", mesh_str(id), &shard), MESH_OK);
        assert_int_equal(mesh_owner_node(nodes[0], shard, "test", owner, sizeof owner), MESH_OK);
        assert_int_equal(add(nodes[1], id), 3);
        assert_int_equal(call(nodes[0], id, act_self, &self, &result, PATIENCE_MS), MESH_OK);
        mesh_result_release(&result);
        assert_string_equal(self.node, owner); /* and now it has moved */
    }
    stop(nodes[1]);
    stop(nodes[0]);
    net_destroy(net);
    free(parked);
}

static void test_unregister_moves_all(void **state)
{
    (void)state;
    struct net *net = net_create();
    mesh_node *nodes[2];
    two(net, nodes);
    await_split(nodes);
    for (int i = 0; i < IDS; i++) {
        char id[16];
        name_id(id, i);
        assert_int_equal(add(nodes[0], id), 1);
    }
    const char *name = "test";
    assert_int_equal(mesh_unregister_capabilities(nodes[0], &name, 1), MESH_OK);
    net_await_held(nodes[1], SHARDS);
    net_await_held(nodes[0], 0);
    for (int i = 0; i < IDS; i++) {
        char id[16];
        name_id(id, i);
        assert_int_equal(add(nodes[0], id), 2);
    }
    assert_int_equal(mesh_unregister_capabilities(nodes[1], &name, 1), MESH_OK);
    mesh_stats stats = {.size = sizeof stats};
    assert_int_equal(mesh_stats_read(nodes[1], NULL, NULL, &stats), MESH_OK);
    assert_int_equal(stats.processes, 0);
    assert_int_equal(stats.snapshots, IDS); /* for the next that has it */
    mesh_result result;
    assert_int_equal(call(nodes[1], "id1", act_add, NULL, &result, PATIENCE_MS), MESH_ENOCAPABILITY);
    assert_int_equal(call(nodes[0], "id1", act_add, NULL, &result, PATIENCE_MS), MESH_ENOCAPABILITY);
    stop(nodes[1]);
    stop(nodes[0]);
    net_destroy(net);
}

static void test_a_cut_that_heals(void **state)
{
    (void)state;
    struct net *net = net_create();
    mesh_node *nodes[2];
    two(net, nodes);
    await_split(nodes);
    net_cut(net, nodes[0], nodes[1]);
    net_await_held(nodes[0], SHARDS); /* each goes on alone */
    net_await_held(nodes[1], SHARDS);
    assert_int_equal(add(nodes[0], "x"), 1);
    assert_int_equal(add(nodes[1], "y"), 1);
    net_link(net, nodes[0], nodes[1]);
    await_split(nodes);
    const char *ids[] = {"x", "y"};
    for (int i = 0; i < 2; i++) { /* one of two is left: the one that was there, or, where that gave way, a new one */
        int64_t n = add(nodes[0], ids[i]);
        assert_true(n == 1 || n == 2);
        assert_int_equal(add(nodes[1], ids[i]), n + 1);
    }
    stop(nodes[1]);
    stop(nodes[0]);
    net_destroy(net);
}

/* Both sides of a cut have counted; where the module wants to know, nothing of that is lost. */
static void test_what_was_cut_off_is_merged(void **state)
{
    (void)state;
    struct net *net = net_create();
    mesh_node *nodes[2];
    two(net, nodes);
    script.merges = true;
    await_split(nodes);
    net_cut(net, nodes[0], nodes[1]);
    net_await_held(nodes[0], SHARDS);
    net_await_held(nodes[1], SHARDS);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(add(nodes[0], "x"), i + 1);
        assert_int_equal(add(nodes[1], "x"), i + 1);
    }
    net_link(net, nodes[0], nodes[1]);
    await_split(nodes);
    const uint64_t until_ms = now_ms() + PATIENCE_MS;
    int64_t n = 0;
    static int none = 0;
    while (n != 6 && now_ms() < until_ms) /* nobody is told when it has come */
        n = act_number(nodes[0], "x", act_add, &none);
    assert_int_equal(n, 6);
    assert_int_equal(add(nodes[0], "x"), 7);
    assert_int_equal(add(nodes[1], "x"), 8);
    stop(nodes[1]);
    stop(nodes[0]);
    net_destroy(net);
    script_reset();
}

/* ---- Chains and order ---- */

struct chain {
    const char *capability[3]; /* who is called next */
    int error;
};

/* Calls on, round in a circle. */
static int act_around(struct scene *s)
{
    struct chain *chain = s->arg;
    mesh_buf message;
    mesh_result result;
    const char *mine = (const char *)mesh_id(s->self).data;
    int next = (mine[0] - '0' + 1) % 3;
    char id[2] = {(char)('0' + next), 0};
    act_message(&message, act_around, chain);
    mesh_request r = act_request(id, &message);
    r.capability = chain->capability[next];
    r.timeout_ms = PATIENCE_MS;
    int rc = mesh_call(s->node, &r, &result);
    mesh_buf_fini(&message);
    if (rc != MESH_OK)
        chain->error = rc;
    return reply_number(s->from, rc);
}

static void test_a_cycle_across_nodes(void **state)
{
    (void)state;
    struct net *net = net_create();
    static struct chain chain = {.capability = {"zero", "one", "two"}};
    mesh_node *nodes[3];
    for (int i = 0; i < 3; i++)
        nodes[i] = net_node(net, i, chain.capability[i], SHARDS);
    for (int i = 0; i < 3; i++)
        net_link(net, nodes[i], nodes[(i + 1) % 3]);
    for (int i = 0; i < 3; i++) {
        net_await_held(nodes[i], SHARDS);
        net_await_linked(nodes[i], 2);
    }
    mesh_buf message;
    mesh_result result;
    act_message(&message, act_around, &chain);
    mesh_request r = act_request("0", &message);
    r.capability = "zero";
    r.timeout_ms = PATIENCE_MS;
    assert_int_equal(mesh_call(nodes[1], &r, &result), MESH_OK);
    assert_int_equal(chain.error, MESH_ECYCLE);
    mesh_result_release(&result);
    mesh_buf_fini(&message);
    for (int i = 0; i < 3; i++)
        stop(nodes[i]);
    net_destroy(net);
}

enum { CASTS = 2000 };

struct order {
    struct gate gate;
    int seen, wrong;
};
static struct order order = {.gate = GATE_INIT};

static int act_in_order(struct scene *s)
{
    order.wrong += (intptr_t)s->arg != ++order.seen;
    gate_add(&order.gate);
    return MESH_OK;
}

static void test_casts_keep_their_order(void **state)
{
    (void)state;
    struct net *net = net_create();
    mesh_node *a = net_node(net, 0, "test", SHARDS), *b = net_node(net, 1, NULL, 0);
    net_link(net, a, b);
    net_await_held(a, SHARDS);
    net_await_linked(b, 1);
    assert_int_equal(add(b, "x"), 1);
    for (intptr_t i = 1; i <= CASTS; i++) {
        mesh_buf message;
        act_message(&message, act_in_order, (const void *)i);
        mesh_request r = act_request("x", &message);
        assert_int_equal(mesh_cast(b, &r), MESH_OK);
        mesh_buf_fini(&message);
    }
    gate_await(&order.gate, CASTS);
    assert_int_equal(order.wrong, 0);
    stop(b);
    stop(a);
    net_destroy(net);
}

/* ---- Stopping ---- */

static void test_stop_with_calls_in_flight(void **state)
{
    (void)state;
    struct net *net = net_create();
    mesh_node *a = net_node(net, 0, "test", SHARDS), *b = net_node(net, 1, NULL, 0);
    static struct parked parked = PARKED_INIT;
    static struct outcome outcome[2] = {{.gate = GATE_INIT}, {.gate = GATE_INIT}};
    net_link(net, a, b);
    net_await_held(a, SHARDS);
    net_await_linked(b, 1);
    start_call(b, "x", act_park, &parked, &outcome[0]);
    start_call(b, "y", act_park, &parked, &outcome[1]);
    gate_await(&parked.gate, 2);
    stop(b); /* the caller goes */
    gate_await(&outcome[0].gate, 1);
    gate_await(&outcome[1].gate, 1);
    assert_int_equal(outcome[0].error, MESH_ESTOPPING);
    assert_int_equal(outcome[1].error, MESH_ESTOPPING);
    for (int i = 0; i < 2; i++)
        assert_int_equal(reply_number(parked.from[i], 0), MESH_OK); /* to nobody */
    stop(a);
    net_destroy(net);
}

static void test_stop_of_the_server(void **state)
{
    (void)state;
    struct net *net = net_create();
    net_drain_ms = 100; /* nobody pays the debt */
    mesh_node *a = net_node(net, 0, "test", SHARDS), *b = net_node(net, 1, NULL, 0);
    net_drain_ms = PATIENCE_MS;
    static struct parked parked = PARKED_INIT;
    static struct outcome outcome = {.gate = GATE_INIT};
    net_link(net, a, b);
    net_await_held(a, SHARDS);
    net_await_linked(b, 1);
    start_call(b, "x", act_park, &parked, &outcome);
    gate_await(&parked.gate, 1);
    stop(a);
    gate_await(&outcome.gate, 1);
    assert_int_equal(outcome.error, MESH_ENOREPLY);
    stop(b);
    net_destroy(net);
}

/* ---- Peers that break the protocol ---- */

static void test_malformed_messages(void **state)
{
    (void)state;
    struct net *net = net_create();
    mesh_node *a = net_node(net, 0, "test", SHARDS), *b = net_node(net, 1, NULL, 0);
    mesh_buf message;
    net_link(net, a, b);
    net_await_held(a, SHARDS);
    net_await_linked(b, 1);
    mesh_buf_init(&message);
    assert_int_equal(mesh_build(&message, "{:mesh, 1, :call, %{number: 1}}"), MESH_OK);
    assert_int_equal(net_inject(net, b, a, mesh_buf_bytes(&message)), MESH_EBADTERM);
    assert_int_equal(mesh_build(&message, "{:mesh, 1, :reply, %{number: 77, clock: 1, value: :late}}"), MESH_OK);
    assert_int_equal(net_inject(net, b, a, mesh_buf_bytes(&message)), MESH_OK);
    assert_int_equal(mesh_build(&message, "{:mesh, 1, :sometime, %{}}"), MESH_OK);
    assert_int_equal(net_inject(net, b, a, mesh_buf_bytes(&message)), MESH_OK);
    assert_int_equal(net_stats(a).malformed, 1);
    assert_int_equal(add(b, "x"), 1);
    mesh_buf_fini(&message);
    stop(b);
    stop(a);
    net_destroy(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_node_alone_serves),
        cmocka_unit_test(test_calls_go_to_the_node_that_has_it),
        cmocka_unit_test(test_errors_come_back),
        cmocka_unit_test(test_a_full_queue_is_busy),
        cmocka_unit_test(test_requests_are_limited),
        cmocka_unit_test(test_late_calls_are_forgotten),
        cmocka_unit_test(test_a_cut_ends_calls),
        cmocka_unit_test(test_a_caller_becomes_a_holder),
        cmocka_unit_test(test_ids_are_spread),
        cmocka_unit_test(test_a_join_under_load),
        cmocka_unit_test(test_a_drain_under_load),
        cmocka_unit_test(test_passivated_ones_move),
        cmocka_unit_test(test_busy_ones_move_later),
        cmocka_unit_test(test_debtors_move_later),
        cmocka_unit_test(test_unregister_moves_all),
        cmocka_unit_test(test_a_cut_that_heals),
        cmocka_unit_test(test_what_was_cut_off_is_merged),
        cmocka_unit_test(test_a_cycle_across_nodes),
        cmocka_unit_test(test_casts_keep_their_order),
        cmocka_unit_test(test_stop_with_calls_in_flight),
        cmocka_unit_test(test_stop_of_the_server),
        cmocka_unit_test(test_malformed_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
