/* Release and adopt: a shard's processes, idle and busy, leave one node with their snapshots and go on in another. */
#include "unit/api/agent.h"

#include <stdio.h>

#include "node/node.h"

enum { IDS = 20, KEPT_MAX = 64 };

/* What a release told. */
struct told {
    struct gate finished;
    pthread_mutex_t lock;
    int snapshots, busy, empty, idle;
    char busy_id[16];
    struct {
        char id[16];
        mesh_term term;
    } kept[KEPT_MAX];
};

static void on_snapshot(void *context, const mesh_store_key *key, uint64_t epoch, mesh_term snapshot)
{
    struct told *t = context;
    assert_true(epoch > 0);
    pthread_mutex_lock(&t->lock);
    if (snapshot.data == NULL) {
        t->empty++;
        pthread_mutex_unlock(&t->lock);
        return;
    }
    snprintf(t->kept[t->snapshots].id, 16, "%.*s", (int)key->id.len, (const char *)key->id.data);
    mesh_term_keep((mesh_term){.data = snapshot.data, .len = snapshot.len}, &t->kept[t->snapshots].term);
    t->snapshots++;
    pthread_mutex_unlock(&t->lock);
}

static void on_busy(void *context, const mesh_store_key *key)
{
    struct told *t = context;
    pthread_mutex_lock(&t->lock);
    snprintf(t->busy_id, sizeof t->busy_id, "%.*s", (int)key->id.len, (const char *)key->id.data);
    t->busy++;
    pthread_mutex_unlock(&t->lock);
}

static void on_finished(void *context)
{
    gate_add(&((struct told *)context)->finished);
}

static void on_idle(void *context)
{
    struct told *t = context;
    pthread_mutex_lock(&t->lock);
    t->idle++;
    pthread_mutex_unlock(&t->lock);
}

static const struct release_ops ops = {
    .snapshot = on_snapshot, .busy = on_busy, .idle = on_idle, .finished = on_finished};

static mesh_node *start(void)
{
    mesh_capability_options one = {.size = sizeof one, .shards = 1};
    mesh_node *node = agent_node(NULL);
    mesh_module keeper = agent_module(true);
    keeper.name = "Keeper";
    assert_int_equal(mesh_register_module(node, &keeper), MESH_OK);
    assert_int_equal(mesh_register_capability(node, "one", &one), MESH_OK);
    return node;
}

/* Adds one. */
static int keeper_add(mesh_node *node, const char *id, int64_t *n)
{
    mesh_buf message;
    mesh_result result;
    act_message(&message, act_add, NULL);
    mesh_request r = act_request(id, &message);
    r.module = "Keeper";
    r.capability = "one";
    int rc = mesh_call(node, &r, &result);
    if (rc == MESH_OK && n != NULL)
        assert_int_equal(mesh_match(result.value, "~i", n), MESH_OK);
    mesh_result_release(&result);
    mesh_buf_fini(&message);
    return rc;
}

static void release(mesh_node *node, struct told *t)
{
    struct capability *cap = runtime_capability(&node->runtime, "one");
    assert_non_null(cap);
    shard_release(&node->runtime, cap, 0, &ops, t);
}

static void forget(struct told *t)
{
    for (int i = 0; i < t->snapshots; i++)
        mesh_term_release(&t->kept[i].term);
}

static void test_release_of_nothing(void **state)
{
    (void)state;
    struct told t = {.finished = GATE_INIT, .lock = PTHREAD_MUTEX_INITIALIZER};
    mesh_node *node = start();
    release(node, &t);
    gate_await(&t.finished, 1);
    assert_int_equal(t.snapshots + t.busy, 0);
    assert_int_equal(keeper_add(node, "x", NULL), MESH_ENOCAPABILITY);
    assert_int_equal(script_count(&script.inits), 0);
    agent_stop(node);
}

static void test_move(void **state)
{
    (void)state;
    struct told t = {.finished = GATE_INIT, .lock = PTHREAD_MUTEX_INITIALIZER};
    mesh_node *from = start(), *to = start();
    char id[16];
    int64_t n = 0;
    for (int i = 0; i < IDS; i++) {
        snprintf(id, sizeof id, "id%d", i);
        for (int k = 0; k <= i; k++)
            assert_int_equal(keeper_add(from, id, &n), MESH_OK);
        assert_int_equal(n, i + 1);
    }
    release(from, &t);
    gate_await(&t.finished, 1);
    assert_int_equal(t.snapshots, IDS);
    assert_int_equal(keeper_add(from, "id3", NULL), MESH_ENOCAPABILITY);
    for (int i = 0; i < t.snapshots; i++) {
        mesh_store_key key = {.capability = "one", .module = "Keeper", .id = mesh_str(t.kept[i].id)};
        assert_int_equal(shard_adopt(&to->runtime, &key, runtime_epoch(&to->runtime), t.kept[i].term), MESH_OK);
    }
    for (int i = 0; i < IDS; i++) {
        snprintf(id, sizeof id, "id%d", i);
        assert_int_equal(keeper_add(to, id, &n), MESH_OK);
        assert_int_equal(n, i + 2);
    }
    assert_int_equal(script_count(&script.restores), IDS);
    forget(&t);
    agent_stop(from);
    agent_stop(to);
}

static int add_after_waiting(struct scene *s)
{
    int rc = act_call(s->node, "parking", act_park, s->arg, NULL);
    return rc == MESH_OK ? act_add(&(struct scene){s->self, s->node, s->agent, s->from, s->term, NULL}) : rc;
}

static void note(void *context, int error, const mesh_result *result)
{
    (void)result;
    gate_add(&((struct gate *)context)[error != MESH_OK]);
}

/* A handler that is suspended is not disturbed: release returns at once, and the snapshot comes when it has ended. */
static void test_release_of_a_suspended_handler(void **state)
{
    (void)state;
    struct told t = {.finished = GATE_INIT, .lock = PTHREAD_MUTEX_INITIALIZER};
    static struct parked parked = PARKED_INIT;
    static struct gate outcomes[2] = {GATE_INIT, GATE_INIT};
    mesh_node *node = start();
    mesh_buf message;
    int64_t n = 0;
    act_message(&message, add_after_waiting, &parked);
    mesh_request r = act_request("busy", &message);
    r.module = "Keeper";
    r.capability = "one";
    assert_int_equal(mesh_call_async(node, &r, note, outcomes), MESH_OK);
    gate_await(&parked.gate, 1);
    release(node, &t);
    assert_int_equal(t.busy, 1);
    assert_string_equal(t.busy_id, "busy");
    assert_int_equal(gate_count(&t.finished), 0);
    assert_int_equal(t.idle, 1);
    assert_int_equal(reply_number(parked.from[0], 0), MESH_OK);
    gate_await(&t.finished, 1);
    gate_await(&outcomes[0], 1); /* its call was answered by the handler */
    assert_int_equal(t.snapshots, 1);
    assert_int_equal(mesh_match(t.kept[0].term, "%{n: ~i}", &n), MESH_OK);
    assert_int_equal(n, 1);
    forget(&t);
    mesh_buf_fini(&message);
    agent_stop(node);
}

/* What was passivated before is told of as well, and a checkpoint gives way to what the process leaves. */
static int checkpoint(struct scene *s)
{
    s->agent->n = 1;
    int rc = mesh_checkpoint(s->self);
    return rc == MESH_OK ? reply_number(s->from, 0) : rc;
}

static int act_in(mesh_node *node, const char *module, const char *id, act_fn fn, const void *arg)
{
    mesh_buf message;
    mesh_result result;
    act_message(&message, fn, arg);
    mesh_request r = act_request(id, &message);
    r.module = module;
    r.capability = "one";
    int rc = mesh_call(node, &r, &result);
    mesh_result_release(&result);
    mesh_buf_fini(&message);
    return rc;
}

static void test_release_of_what_is_kept(void **state)
{
    (void)state;
    struct told t = {.finished = GATE_INIT, .lock = PTHREAD_MUTEX_INITIALIZER};
    mesh_node *node = start();
    int64_t n = 0;
    assert_int_equal(keeper_add(node, "asleep", NULL), MESH_OK);
    uint64_t ended = 0;
    while (ended == 0)
        assert_int_equal(mesh_passivate(node, "one", 0, &ended), MESH_OK);
    assert_int_equal(act_in(node, "Keeper", "awake", checkpoint, NULL), MESH_OK);
    assert_int_equal(keeper_add(node, "awake", NULL), MESH_OK);
    release(node, &t);
    gate_await(&t.finished, 1);
    assert_int_equal(t.idle, 1);
    assert_int_equal(t.snapshots, 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(mesh_match(t.kept[i].term, "%{n: ~i}", &n), MESH_OK);
        assert_int_equal(n, strcmp(t.kept[i].id, "awake") == 0 ? 2 : 1);
    }
    assert_true(snapshots_empty(&node->runtime.snapshots));
    forget(&t);
    agent_stop(node);
}

/* Every end is told: of one without a snapshot, and of one that was busy and crashed. */
static int crash_after_waiting(struct scene *s)
{
    (void)act_call(s->node, "parking", act_park, s->arg, NULL);
    return mesh_crash(s->self, (mesh_term){0});
}

static void test_release_tells_every_end(void **state)
{
    (void)state;
    struct told t = {.finished = GATE_INIT, .lock = PTHREAD_MUTEX_INITIALIZER};
    static struct parked parked = PARKED_INIT;
    static struct gate outcomes[2] = {GATE_INIT, GATE_INIT};
    mesh_node *node = start();
    mesh_buf message;
    mesh_module plain = agent_module(false);
    plain.name = "Plain";
    assert_int_equal(mesh_register_module(node, &plain), MESH_OK);
    act_message(&message, crash_after_waiting, &parked);
    mesh_request r = act_request("doomed", &message);
    r.module = "Plain";
    r.capability = "one";
    assert_int_equal(mesh_call_async(node, &r, note, outcomes), MESH_OK);
    gate_await(&parked.gate, 1);
    release(node, &t);
    assert_int_equal(t.busy, 1);
    assert_int_equal(t.idle, 1);
    assert_int_equal(t.empty, 0);
    assert_int_equal(reply_number(parked.from[0], 0), MESH_OK);
    gate_await(&t.finished, 1);
    assert_int_equal(t.empty, 1);
    assert_int_equal(t.snapshots, 0);
    gate_await(&outcomes[1], 1);
    mesh_buf_fini(&message);
    agent_stop(node);
}

/* A process that owes an answer is busy until it has given it. */
static void test_release_of_a_debtor(void **state)
{
    (void)state;
    struct told t = {.finished = GATE_INIT, .lock = PTHREAD_MUTEX_INITIALIZER};
    static struct parked parked = PARKED_INIT;
    static struct gate outcomes[2] = {GATE_INIT, GATE_INIT};
    mesh_node *node = start();
    mesh_buf message;
    act_message(&message, act_park, &parked);
    mesh_request r = act_request("debtor", &message);
    r.module = "Keeper";
    r.capability = "one";
    assert_int_equal(mesh_call_async(node, &r, note, outcomes), MESH_OK);
    gate_await(&parked.gate, 1);
    assert_int_equal(keeper_add(node, "debtor", NULL), MESH_OK); /* the handler has returned by now */
    release(node, &t);
    assert_int_equal(t.busy, 1);
    assert_int_equal(keeper_add(node, "debtor", NULL), MESH_OK); /* it goes on meanwhile */
    assert_int_equal(gate_count(&t.finished), 0);
    assert_int_equal(reply_number(parked.from[0], 0), MESH_OK);
    gate_await(&outcomes[0], 1);
    gate_await(&t.finished, 1);
    assert_int_equal(t.snapshots, 1);
    forget(&t);
    mesh_buf_fini(&message);
    agent_stop(node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_release_of_nothing),
        cmocka_unit_test(test_move),
        cmocka_unit_test(test_release_of_a_suspended_handler),
        cmocka_unit_test(test_release_of_what_is_kept),
        cmocka_unit_test(test_release_tells_every_end),
        cmocka_unit_test(test_release_of_a_debtor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
