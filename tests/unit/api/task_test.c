/* Tasks, awaiting them, and functions that block. */
#include "unit/api/fixture.h"

static int forty_two(mesh_node *n, void *arg)
{
    (void)n;
    (void)arg;
    return 42;
}

static int call_in_task(mesh_node *n, void *arg)
{
    mesh_result result;
    int64_t value = -1;
    int rc = act_call(n, arg, act_add, NULL, &result); /* released when the task ends */
    return rc == MESH_OK && mesh_match(result.value, "~i", &value) == MESH_OK ? (int)value : -rc;
}

static void test_spawn_and_await(void **state)
{
    (void)state;
    static char id[] = "x";
    mesh_task *task;
    int value = 0;
    assert_int_equal(mesh_spawn(node, forty_two, NULL, &task), MESH_OK);
    assert_int_equal(mesh_await(task, 0, &value), MESH_OK);
    assert_int_equal(value, 42);
    assert_int_equal(mesh_spawn(node, forty_two, NULL, &task), MESH_OK);
    assert_int_equal(mesh_await(task, PATIENCE_MS, NULL), MESH_OK);
    for (int i = 1; i <= 100; i++) {
        assert_int_equal(mesh_spawn(node, call_in_task, id, &task), MESH_OK);
        assert_int_equal(mesh_await(task, PATIENCE_MS, &value), MESH_OK);
        assert_int_equal(value, i);
    }
    for (int i = 0; i < 100; i++)
        assert_int_equal(mesh_spawn(node, call_in_task, id, NULL), MESH_OK); /* nobody awaits them */
    assert_int_equal(mesh_spawn(NULL, forty_two, NULL, &task), MESH_EINVAL);
    assert_int_equal(mesh_spawn(node, NULL, NULL, &task), MESH_EINVAL);
    assert_int_equal(mesh_await(NULL, 0, &value), MESH_EINVAL);
}

static int wait_parked(mesh_node *n, void *arg)
{
    return act_call(n, "parking", act_park, arg, NULL);
}

static void test_await_times_out(void **state)
{
    (void)state;
    static struct parked parked = PARKED_INIT;
    mesh_task *task;
    int value = 7;
    assert_int_equal(mesh_spawn(node, wait_parked, &parked, &task), MESH_OK);
    gate_await(&parked.gate, 1);
    assert_int_equal(mesh_await(task, 10, &value), MESH_ETIMEOUT);
    assert_int_equal(mesh_await(task, 1, &value), MESH_ETIMEOUT);
    assert_int_equal(value, 7);
    assert_int_equal(reply_number(parked.from[0], 1), MESH_OK);
    assert_int_equal(mesh_await(task, PATIENCE_MS, &value), MESH_OK);
    assert_int_equal(value, MESH_OK);
}

/* ---- From handlers and tasks ---- */

static int spawn_and_await(struct scene *s)
{
    static char id[] = "y";
    mesh_task *tasks[10];
    int64_t sum = 0;
    for (int i = 0; i < 10; i++) {
        int rc = mesh_spawn(s->node, i % 2 == 0 ? forty_two : call_in_task, id, &tasks[i]);
        if (rc != MESH_OK)
            return rc;
    }
    for (int i = 0; i < 10; i++) {
        int value = 0;
        int rc = mesh_await(tasks[i], 0, &value);
        if (rc != MESH_OK)
            return rc;
        sum += value;
    }
    return reply_number(s->from, sum);
}

static void test_await_in_a_handler(void **state)
{
    (void)state;
    assert_int_equal(act_number(node, "x", spawn_and_await, NULL), 5 * 42 + 1 + 2 + 3 + 4 + 5);
}

static int await_with_timeouts(struct scene *s)
{
    struct parked *parked = s->arg;
    mesh_task *task;
    int value = -1, waits = 0;
    int rc = mesh_spawn(s->node, wait_parked, parked, &task);
    while (rc == MESH_OK && (rc = mesh_await(task, 5, &value)) == MESH_ETIMEOUT) {
        rc = MESH_OK;
        if (++waits == 3)
            rc = act_call(s->node, "release", act_ok, NULL, NULL) == MESH_OK ? reply_number(parked->from[0], 1) : -1;
    }
    return rc == MESH_OK ? reply_number(s->from, value) : rc;
}

static void test_await_in_a_handler_times_out(void **state)
{
    (void)state;
    static struct parked parked = PARKED_INIT;
    assert_int_equal(act_number(node, "x", await_with_timeouts, &parked), MESH_OK);
}

/* Tasks that end about when the wait for them does: each is awaited to its end. */
static int race_with_the_deadline(struct scene *s)
{
    for (int i = 0; i < 200; i++) {
        static char id[] = "y";
        mesh_task *task;
        int rc = mesh_spawn(s->node, call_in_task, id, &task);
        while (rc == MESH_OK && (rc = mesh_await(task, 1, NULL)) == MESH_ETIMEOUT)
            rc = MESH_OK;
        if (rc != MESH_OK)
            return rc;
    }
    return act_ok(s);
}

static void test_tasks_that_end_at_the_deadline(void **state)
{
    (void)state;
    assert_int_equal(act_call(node, "x", race_with_the_deadline, NULL, NULL), MESH_OK);
}

static int nest(mesh_node *n, void *arg)
{
    int depth = *(int *)arg - 1, value = 0;
    mesh_task *task;
    if (depth == 0)
        return 1;
    int rc = mesh_spawn(n, nest, &depth, &task);
    if (rc == MESH_OK)
        rc = mesh_await(task, 0, &value);
    return rc == MESH_OK ? value + 1 : -1000;
}

static void test_tasks_in_tasks(void **state)
{
    (void)state;
    int depth = 50, value = 0;
    mesh_task *task;
    assert_int_equal(mesh_spawn(node, nest, &depth, &task), MESH_OK);
    assert_int_equal(mesh_await(task, PATIENCE_MS, &value), MESH_OK);
    assert_int_equal(value, 50);
}

/* A handler whose process is to end does not wait for a task, whether the signal comes before or after. */
struct ending {
    struct parked parked;
    struct gate ended;
    mesh_task *task;
    int rc;
    bool signal_first;
};

static const uint8_t boom[] = {119, 4, 'b', 'o', 'o', 'm'};

static int await_and_end(struct scene *s)
{
    struct ending *e = s->arg;
    mesh_pid self;
    mesh_self(s->self, &self);
    if (e->signal_first)
        mesh_exit(s->node, &self, (mesh_term){.data = boom, .len = sizeof boom});
    e->rc = mesh_await(e->task, 0, NULL);
    gate_add(&e->ended);
    return MESH_OK;
}

static void check_interrupted(bool signal_first)
{
    struct ending e = {.parked = PARKED_INIT, .ended = GATE_INIT, .signal_first = signal_first};
    mesh_pid x = {0};
    int value = -1;
    script_reset();
    assert_int_equal(act_call(node, "x", act_self, &x, NULL), MESH_OK);
    assert_int_equal(mesh_spawn(node, wait_parked, &e.parked, &e.task), MESH_OK);
    gate_await(&e.parked.gate, 1);
    assert_int_equal(act_cast(node, "x", await_and_end, &e), MESH_OK);
    if (!signal_first)
        assert_int_equal(mesh_exit(node, &x, (mesh_term){.data = boom, .len = sizeof boom}), MESH_OK);
    gate_await(&e.ended, 1);
    assert_int_equal(e.rc, MESH_ESTOPPING);
    assert_int_equal(reply_number(e.parked.from[0], 1), MESH_OK);
    assert_int_equal(mesh_await(e.task, PATIENCE_MS, &value), MESH_OK); /* it must still be awaited */
    assert_int_equal(value, MESH_OK);
    script_await(&script.terminates, 1);
    assert_string_equal(script.reason, ":boom");
}

static void test_end_while_awaiting(void **state)
{
    (void)state;
    check_interrupted(false);
}

static void test_end_before_awaiting(void **state)
{
    (void)state;
    check_interrupted(true);
}

static void test_node_stops_with_tasks(void **state)
{
    (void)state;
    static struct parked parked = PARKED_INIT;
    mesh_task *task;
    int value = -1;
    assert_int_equal(mesh_spawn(node, wait_parked, &parked, &task), MESH_OK);
    gate_await(&parked.gate, 1);
    assert_int_equal(mesh_node_stop(node), MESH_OK);
    assert_int_equal(mesh_await(task, PATIENCE_MS, &value), MESH_OK); /* it has ended; its memory is its own */
    assert_true(value == MESH_ESTOPPING || value == MESH_ENOREPLY);
    node = agent_node(NULL);
}

/* ---- Blocking ---- */

struct work {
    struct gate begun, leave;
    int runs;
};

static void block(void *arg)
{
    struct work *w = arg;
    gate_add(&w->begun);
    gate_await(&w->leave, 1);
    w->runs++;
}

static int block_in_handler(struct scene *s)
{
    int rc = mesh_blocking(s->node, block, s->arg);
    return rc == MESH_OK ? act_add(&(struct scene){s->self, s->node, s->agent, s->from, s->term, NULL}) : rc;
}

static void ignore(void *context, int error, const mesh_result *result)
{
    (void)result;
    gate_add(&((struct gate *)context)[error != MESH_OK]);
}

static void test_blocking(void **state)
{
    (void)state;
    enum { BLOCKED = 8 };
    static struct work work[BLOCKED];
    static struct gate outcomes[2] = {GATE_INIT, GATE_INIT};
    static const char *const ids[BLOCKED] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    for (int i = 0; i < BLOCKED; i++) { /* more than there are workers */
        mesh_buf message;
        work[i] = (struct work){.begun = GATE_INIT, .leave = GATE_INIT};
        act_message(&message, block_in_handler, &work[i]);
        mesh_request r = act_request(ids[i], &message);
        assert_int_equal(mesh_call_async(node, &r, ignore, outcomes), MESH_OK);
        mesh_buf_fini(&message);
    }
    for (int i = 0; i < BLOCKED; i++)
        gate_await(&work[i].begun, 1);
    for (int i = 1; i <= 100; i++)
        assert_int_equal(act_number(node, "x", act_add, NULL), i); /* nobody else is delayed */
    for (int i = 0; i < BLOCKED; i++)
        gate_add(&work[i].leave);
    gate_await(&outcomes[0], BLOCKED);
    for (int i = 0; i < BLOCKED; i++)
        assert_int_equal(work[i].runs, 1);
}

static void test_blocking_in_a_thread(void **state)
{
    (void)state;
    struct work work = {.begun = GATE_INIT, .leave = GATE_INIT};
    gate_add(&work.leave);
    assert_int_equal(mesh_blocking(node, block, &work), MESH_OK);
    assert_int_equal(work.runs, 1);
    assert_int_equal(mesh_blocking(NULL, block, &work), MESH_EINVAL);
    assert_int_equal(mesh_blocking(node, NULL, &work), MESH_EINVAL);
}

static int block_and_report(struct scene *s)
{
    return reply_number(s->from, mesh_blocking(s->node, block, s->arg));
}

static void test_no_thread_left_to_block(void **state)
{
    (void)state;
    enum { MOST = 4 };
    mesh_node_options o = {.workers = 1, .max_threads = 1};
    static struct work work[MOST];
    static struct gate outcomes[2] = {GATE_INIT, GATE_INIT};
    static const char *const ids[MOST] = {"a", "b", "c", "d"};
    restart(&o);
    int blocked = 0;
    int64_t refused = MESH_OK;
    for (; blocked < MOST && refused == MESH_OK; blocked++) {
        struct work free_work = {.begun = GATE_INIT, .leave = GATE_INIT};
        mesh_buf message;
        work[blocked] = free_work;
        act_message(&message, block_in_handler, &work[blocked]);
        mesh_request r = act_request(ids[blocked], &message);
        assert_int_equal(mesh_call_async(node, &r, ignore, outcomes), MESH_OK);
        gate_await(&work[blocked].begun, 1);
        mesh_buf_fini(&message);
        gate_add(&free_work.leave);
        refused = act_number(node, "probe", block_and_report, &free_work);
    }
    assert_int_equal(refused, MESH_ESYSTEM);
    assert_int_equal(act_number(node, "x", act_add, NULL), 1);
    for (int i = 0; i < blocked; i++)
        gate_add(&work[i].leave);
    gate_await(&outcomes[0], blocked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_spawn_and_await, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_await_times_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_await_in_a_handler, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_await_in_a_handler_times_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tasks_that_end_at_the_deadline, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tasks_in_tasks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_end_while_awaiting, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_end_before_awaiting, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_node_stops_with_tasks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_blocking, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_blocking_in_a_thread, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_thread_left_to_block, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
