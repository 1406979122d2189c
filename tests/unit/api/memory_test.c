/* Memory that is refused while a node works: each allocation that a function makes for a size from outside fails once,
 * in the thread that calls it. The function says MESH_ENOMEM, nothing has begun or is lost, and the next one succeeds.
 */
#include "unit/api/agent.h"

#include "unit/refuse.h"

/* ---- From threads ---- */

enum { LARGE = 1000, STEPS_MAX = 40 };

static mesh_node *node;
static uint8_t large[LARGE] = {109, 0, 0, (LARGE - 5) >> 8, (LARGE - 5) & 255};
static const mesh_term large_term = {.data = large, .len = LARGE};
static mesh_pid x;
static mesh_queue *queue;
static struct gate done_gate = GATE_INIT;

static mesh_request large_request(const char *id)
{
    return (mesh_request){
        .module = "Agent", .capability = "test", .id = mesh_str(id), .payload = large_term, .init_arg = large_term};
}

static void done(void *context, int error, const mesh_result *result)
{
    (void)context, (void)result;
    if (error != MESH_OK)
        abort();
    gate_add(&done_gate);
}

static int do_call(void)
{
    mesh_request r = large_request("fresh");
    mesh_result result;
    int rc = mesh_call(node, &r, &result);
    bool echoed = rc == MESH_OK && mesh_term_equal(result.value, large_term);
    mesh_result_release(&result);
    return rc == MESH_OK && !echoed ? MESH_ENOMATCH : rc;
}

static int do_cast(void)
{
    mesh_request r = large_request("fresh");
    return mesh_cast(node, &r);
}

static int do_call_async(void)
{
    mesh_request r = large_request("fresh");
    return mesh_call_async(node, &r, done, NULL);
}

static int do_call_queued(void)
{
    mesh_request r = large_request("fresh");
    return mesh_call_queued(node, &r, queue, NULL);
}

/* To a process that is there, whose handler is busy or not: no init_arg is needed. */
static int do_call_again(void)
{
    mesh_request r = large_request("x");
    mesh_result result;
    int rc = mesh_call(node, &r, &result);
    mesh_result_release(&result);
    return rc;
}

static int do_send(void)
{
    return mesh_send(node, &x, large_term);
}

static int do_send_after(void)
{
    return mesh_send_after(node, 0, &x, large_term, NULL);
}

static int do_exit(void)
{
    return mesh_exit(node, &x, large_term);
}

/* What each does once, and what must have come of it when it has succeeded. */
static const struct operation {
    int (*run)(void);
    int inits, infos, ends, dones, completions;
    int least;  /* allocations */
    bool alone; /* on a node without any process or message before */
} operations[] = {
    {.run = do_call, .inits = 1, .least = 7, .alone = true},
    {.run = do_call, .inits = 1, .least = 5},
    {.run = do_cast, .inits = 1, .least = 7, .alone = true},
    {.run = do_call_async, .inits = 1, .dones = 1, .least = 7, .alone = true},
    {.run = do_call_queued, .inits = 1, .completions = 1, .least = 8, .alone = true},
    {.run = do_call_again, .least = 1},
    {.run = do_send, .infos = 1, .least = 1},
    {.run = do_send_after, .infos = 1, .least = 1},
    {.run = do_exit, .ends = 1, .least = 1},
};

static uint64_t processes(void)
{
    mesh_stats stats = {.size = sizeof stats};
    assert_int_equal(mesh_stats_read(node, NULL, NULL, &stats), MESH_OK);
    return stats.processes;
}

static void take_completion(void)
{
    mesh_completion completion;
    uint64_t until = now_ms() + PATIENCE_MS;
    while (!mesh_queue_take(queue, &completion))
        assert_true(now_ms() < until);
    assert_int_equal(completion.error, MESH_OK);
    assert_true(mesh_term_equal(completion.result.value, large_term));
    mesh_result_release(&completion.result);
}

/* The operation has succeeded once, whatever was refused before. */
static void check_effects(const struct operation *o)
{
    script_await(&script.inits, o->inits + !o->alone);
    script_await(&script.infos, o->infos);
    script_await(&script.terminates, o->ends);
    gate_await(&done_gate, o->dones);
    for (int i = 0; i < o->completions; i++)
        take_completion();
    mesh_completion none;
    assert_false(mesh_queue_take(queue, &none));
    assert_int_equal(script_count(&script.inits), o->inits + !o->alone);
    if (o->ends == 0)
        assert_int_equal(act_number(node, "x", act_add, NULL), 1); /* a neighbour that lost nothing */
    assert_int_equal(gate_count(&done_gate), o->dones);
}

/* On a fresh node, since what has grown once is there. True: nothing is left to be refused. */
static bool refuse_nth(const struct operation *o, int n)
{
    node = agent_node(NULL);
    done_gate.count = 0;
    if (!o->alone)
        assert_int_equal(act_call(node, "x", act_self, &x, NULL), MESH_OK);
    assert_int_equal(mesh_queue_create(node, &queue), MESH_OK);
    uint64_t before = processes();
    refuse_after(n);
    int rc = o->run();
    bool all = refuse_end();
    if (!all) {
        assert_int_equal(rc, MESH_ENOMEM);
        assert_int_equal(processes(), before);
        assert_int_equal(script_count(&script.inits), !o->alone);
        assert_int_equal(script_count(&script.infos) + script_count(&script.terminates), 0);
        rc = o->run(); /* the next one */
    }
    assert_int_equal(rc, MESH_OK);
    check_effects(o);
    mesh_queue_destroy(queue);
    agent_stop(node);
    return all;
}

static void test_from_threads(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        int n = 0;
        while (n < STEPS_MAX && !refuse_nth(&operations[i], n))
            n++;
        assert_in_range(n, operations[i].least, STEPS_MAX - 1);
    }
}

/* ---- From handlers ---- */

/* A reply that is refused leaves the call open. */
static int reply_large(struct scene *s)
{
    refuse_after(0);
    int rc = mesh_reply(s->from, large_term);
    bool all = refuse_end();
    return reply_number(s->from, rc == MESH_ENOMEM && !all);
}

/* So does a reason leave the process: it goes on, and may stop with another. */
static int stop_large(struct scene *s)
{
    refuse_after(0);
    int rc = mesh_stop(s->self, large_term);
    bool all = refuse_end();
    return reply_number(s->from, rc == MESH_ENOMEM && !all);
}

static void test_reply_and_stop(void **state)
{
    (void)state;
    node = agent_node(NULL);
    assert_int_equal(act_number(node, "x", reply_large, NULL), 1);
    assert_int_equal(act_number(node, "x", stop_large, NULL), 1);
    assert_int_equal(act_number(node, "x", act_add, NULL), 1);
    assert_int_equal(script_count(&script.terminates), 0);
    agent_stop(node);
}

static int calm_echo(struct scene *s)
{
    refuse_end();
    return act_add(s);
}

struct nested {
    int n;
    mesh_buf message;
    int rc, next;
    bool all;
};

/* A call from a handler, with an init_arg that needs memory; the callee runs in the same thread. */
static int call_out(struct scene *s)
{
    struct nested *t = s->arg;
    mesh_request r = act_request("callee", &t->message);
    mesh_result result;
    r.init_arg = large_term;
    refuse_after(t->n);
    t->rc = mesh_call(s->node, &r, &result);
    t->all = refuse_end() || t->rc == MESH_OK;
    mesh_result_release(&result);
    t->next = mesh_call(s->node, &r, &result);
    int64_t n = -1;
    mesh_match(result.value, "~i", &n);
    mesh_result_release(&result);
    return reply_number(s->from, n);
}

static void test_call_in_a_handler(void **state)
{
    (void)state;
    static struct nested t;
    mesh_node_options o = {.workers = 1};
    act_message(&t.message, calm_echo, NULL);
    for (t.n = 0, t.all = false; t.n < STEPS_MAX && !t.all; t.n++) {
        node = agent_node(&o);
        /* The stack for the callee is there: to have none is MESH_ESUSPENDED. */
        assert_int_equal(act_call(node, "y", act_add, NULL, NULL), MESH_OK);
        int64_t n = act_number(node, "x", call_out, &t);
        assert_int_equal(t.rc, t.all ? MESH_OK : t.rc == MESH_ESUSPENDED ? MESH_ESUSPENDED : MESH_ENOMEM);
        assert_int_equal(t.next, MESH_OK);
        assert_int_equal(n, t.rc == MESH_OK ? 2 : 1);
        agent_stop(node);
    }
    assert_true(t.all && t.n > 3);
    mesh_buf_fini(&t.message);
}

/* ---- Ends ---- */

struct crash {
    int n;
    mesh_pid pid;
    mesh_ref ref;
};

static int crash_large(struct scene *s)
{
    struct crash *crash = s->arg;
    refuse_after(crash->n);
    return mesh_crash(s->self, large_term);
}

static int watch(struct scene *s)
{
    struct crash *crash = s->arg;
    int rc = mesh_monitor(s->self, &crash->pid, &crash->ref);
    return rc == MESH_OK ? act_ok(s) : rc;
}

static int calm(struct scene *s)
{
    refuse_end();
    return act_ok(s);
}

static bool is_reason(mesh_term term)
{
    return mesh_term_equal(term, large_term) || mesh_match(term, ":MESH_ECRASHED") == MESH_OK ||
           mesh_match(term, "nil") == MESH_OK;
}

/* A crash is told to the caller and to who watches, in any case; only its reason may be lost. */
static void check_crash(int n)
{
    static struct crash crash;
    mesh_node_options o = {.workers = 1};
    mesh_result result;
    mesh_term reason;
    crash.n = n;
    node = agent_node(&o);
    assert_int_equal(act_call(node, "x", act_self, &crash.pid, NULL), MESH_OK);
    assert_int_equal(act_call(node, "watcher", watch, &crash, NULL), MESH_OK);
    assert_int_equal(act_call(node, "x", crash_large, &crash, &result), MESH_ECRASHED);
    assert_true(is_reason(result.value));
    mesh_result_release(&result);
    script_await(&script.infos, 1);
    assert_int_equal(mesh_match(script.info[0], "{:DOWN, _, :process, _, ~t}", &reason), MESH_OK);
    assert_true(is_reason(reason));
    assert_int_equal(act_call(node, "watcher", calm, NULL, NULL), MESH_OK);
    assert_int_equal(act_number(node, "x", act_add, NULL), 1);
    agent_stop(node);
}

static void test_crash_is_told(void **state)
{
    (void)state;
    for (int n = 0; n < 8; n++)
        check_crash(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_threads),
        cmocka_unit_test(test_reply_and_stop),
        cmocka_unit_test(test_call_in_a_handler),
        cmocka_unit_test(test_crash_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
