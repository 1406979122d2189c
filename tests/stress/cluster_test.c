/* Nodes come and go under load, and no call fails.
 *
 * Three nodes have the capability at most, a fourth calls without end: counters, and counters that call another counter
 * before they add. By a fixed seed nodes are drained and started anew, give the capability up and take it back. Every
 * answer counts up by one, so that nothing is lost, and nothing runs twice. */
#include "unit/node/net.h"

#include <sched.h>
#include <stdio.h>

#include "base/perturb.h"

#ifndef CLUSTER_SEEDS
#define CLUSTER_SEEDS 2
#define CLUSTER_ROUNDS 12
#endif

enum { SHARDS = 64, IDS = 30, CALLERS = 3, SERVERS = 3 };

struct load {
    mesh_node *node;
    int first;
    _Atomic bool ends;
    _Atomic int calls;
    int expected[IDS];
    int failed, wrong, first_failed, first_wrong;
};

static int call(mesh_node *node, const char *id, act_fn fn, mesh_result *result)
{
    mesh_buf message;
    act_message(&message, fn, NULL);
    mesh_request r = act_request(id, &message);
    r.timeout_ms = PATIENCE_MS;
    int rc = mesh_call(node, &r, result);
    mesh_buf_fini(&message);
    return rc;
}

/* Has another one add before it does so itself; its own answer is that of both. */
static int act_add_both(struct scene *s)
{
    char other[20];
    mesh_result result;
    int64_t n = -1;
    mesh_bytes id = mesh_id(s->self);
    snprintf(other, sizeof other, "x%.*s", (int)id.len, (const char *)id.data);
    int rc = call(s->node, other, act_add, &result);
    if (rc == MESH_OK)
        rc = mesh_match(result.value, "~i", &n);
    mesh_result_release(&result);
    if (rc != MESH_OK)
        return reply_number(s->from, -rc);
    s->agent->n++;
    return reply_number(s->from, n == s->agent->n ? n : -1000);
}

static void *run_load(void *arg)
{
    struct load *l = arg;
    while (!atomic_load(&l->ends))
        for (int i = l->first; i < IDS; i += CALLERS) {
            char id[16];
            mesh_result result;
            int64_t n = -1;
            snprintf(id, sizeof id, "id%d", i);
            int rc = call(l->node, id, i % 2 == 0 ? act_add : act_add_both, &result);
            l->expected[i]++;
            if (rc != MESH_OK && l->failed++ == 0)
                l->first_failed = rc;
            else if (rc == MESH_OK && (mesh_match(result.value, "~i", &n) != MESH_OK || n != l->expected[i]) &&
                     l->wrong++ == 0)
                l->first_wrong = (int)n - l->expected[i];
            mesh_result_release(&result);
            atomic_fetch_add(&l->calls, 1);
        }
    return NULL;
}

static void await_calls(struct load *l, int more)
{
    int until = atomic_load(&l->calls) + more;
    uint64_t late = now_ms() + UINT64_C(2) * PATIENCE_MS;
    while (atomic_load(&l->calls) < until)
        assert_true(now_ms() < late && sched_yield() == 0);
}

struct world {
    struct net *net;
    mesh_node *client, *servers[SERVERS];
    bool has[SERVERS];
    uint64_t random;
};

static uint32_t below(struct world *w, uint32_t n)
{
    w->random = w->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(w->random >> 33) % n;
}

static uint32_t count_nodes(const struct world *w)
{
    uint32_t n = 0;
    for (int i = 0; i < SERVERS; i++)
        n += w->servers[i] != NULL;
    return n;
}

static int count_having(const struct world *w)
{
    int n = 0;
    for (int i = 0; i < SERVERS; i++)
        n += w->has[i];
    return n;
}

/* All see who has the capability: a node that stopped before would not know whom to give its shards to. */
static void await_view(const struct world *w)
{
    for (int i = 0; i < SERVERS; i++)
        if (w->servers[i] != NULL)
            net_await_nodes(w->servers[i], "test", (size_t)count_having(w));
    net_await_nodes(w->client, "test", (size_t)count_having(w));
}

/* A node joins: it knows all others before it says what it has. */
static void join(struct world *w, int number)
{
    mesh_node *node = net_node(w->net, number, NULL, 0);
    net_link(w->net, node, w->client);
    for (int i = 0; i < SERVERS; i++)
        if (w->servers[i] != NULL)
            net_link(w->net, node, w->servers[i]);
    w->servers[number] = node;
    net_await_linked(node, count_nodes(w));
    net_register(node, "test", SHARDS);
    w->has[number] = true;
}

static void leave(struct world *w, int number)
{
    mesh_node *node = w->servers[number];
    w->servers[number] = NULL;
    w->has[number] = false;
    assert_int_equal(mesh_node_stop(node), MESH_OK);
}

static void change(struct world *w)
{
    int number = (int)below(w, SERVERS);
    const char *name = "test";
    if (w->servers[number] == NULL) {
        join(w, number);
    } else if (!w->has[number]) {
        net_register(w->servers[number], name, SHARDS);
        w->has[number] = true;
    } else if (count_having(w) > 1 && below(w, 2) == 0) {
        leave(w, number);
    } else if (count_having(w) > 1) {
        assert_int_equal(mesh_unregister_capabilities(w->servers[number], &name, 1), MESH_OK);
        w->has[number] = false;
    }
}

static void run_seed(uint64_t seed)
{
    struct world w = {.net = net_create(), .random = seed};
    static struct load loads[CALLERS];
    pthread_t threads[CALLERS];
    perturb_seed(seed);
    w.client = net_node(w.net, SERVERS, NULL, 0);
    join(&w, 0);
    net_await_held(w.servers[0], SHARDS);
    net_await_linked(w.client, 1);
    for (int i = 0; i < CALLERS; i++) {
        loads[i] = (struct load){.node = w.client, .first = i};
        assert_int_equal(pthread_create(&threads[i], NULL, run_load, &loads[i]), 0);
    }
    for (int round = 0; round < CLUSTER_ROUNDS; round++) {
        await_calls(&loads[round % CALLERS], 20);
        change(&w);
        await_view(&w);
    }
    for (int i = 0; i < CALLERS; i++) {
        await_calls(&loads[i], IDS);
        atomic_store(&loads[i].ends, true);
        pthread_join(threads[i], NULL);
        if (loads[i].failed + loads[i].wrong > 0)
            fail_msg("seed %d: of %d calls %d failed (the first with %s), %d had a wrong answer (the first off by %d)",
                     (int)seed, atomic_load(&loads[i].calls), loads[i].failed, mesh_error_name(loads[i].first_failed),
                     loads[i].wrong, loads[i].first_wrong);
    }
    for (int i = 0; i < SERVERS; i++)
        if (w.servers[i] != NULL) {
            assert_int_equal(net_stats(w.servers[i]).conflicts, 0);
            assert_int_equal(net_stats(w.servers[i]).malformed, 0);
            leave(&w, i);
        }
    assert_int_equal(net_stats(w.client).requests, 0);
    assert_int_equal(mesh_node_stop(w.client), MESH_OK);
    net_destroy(w.net);
}

static void test_nodes_come_and_go(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= CLUSTER_SEEDS; seed++)
        run_seed(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nodes_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
