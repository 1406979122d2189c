/* Handlers that keep their thread: others are served meanwhile, and whatever such a handler does afterwards works. */
#include "unit/api/fixture.h"

/* What a handler does after it kept its thread for so long that others were served. */
struct late {
    struct gate in, out;
    atomic_int served; /* by the test, while the handler spins */
    act_fn then;
    int rc;
};

enum { WANTED = 20, SPIN_MS = 5000 };

static int spin(struct scene *s)
{
    struct late *late = s->arg;
    gate_add(&late->in);
    uint64_t until = now_ms() + SPIN_MS;
    while (atomic_load(&late->served) < WANTED && now_ms() < until)
        ;
    late->rc = late->then(s);
    gate_add(&late->out);
    return late->rc;
}

static void done(void *context, int error, const mesh_result *result)
{
    (void)result;
    gate_add(&((struct gate *)context)[error != MESH_OK]);
}

/* Runs a handler that spins until other calls on the only worker have been answered, and then does `then`. */
static void check_late(act_fn then, bool answers)
{
    struct late late = {.in = GATE_INIT, .out = GATE_INIT, .then = then};
    struct gate outcomes[2] = {GATE_INIT, GATE_INIT};
    mesh_buf message;
    act_message(&message, spin, &late);
    mesh_request r = act_request("late", &message);
    r.timeout_ms = PATIENCE_MS;
    assert_int_equal(mesh_call_async(node, &r, done, outcomes), MESH_OK);
    gate_await(&late.in, 1);
    for (int i = 0; i < WANTED; i++) {
        assert_true(act_number(node, "other", act_add, NULL) > 0);
        atomic_fetch_add(&late.served, 1);
    }
    gate_await(&late.out, 1);
    assert_int_equal(late.rc, MESH_OK);
    gate_await(&outcomes[answers ? 0 : 1], 1);
    assert_true(act_number(node, "late", act_add, NULL) > 0);
    mesh_buf_fini(&message);
}

static void test_late_reply(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        check_late(act_ok, true);
}

static int call_other(struct scene *s)
{
    for (int i = 0; i < 3; i++) {
        int rc = act_call(s->node, "other", act_add, NULL, NULL);
        if (rc != MESH_OK)
            return rc;
    }
    return act_ok(s);
}

static void test_late_call(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        check_late(call_other, true);
}

static int cast_and_send(struct scene *s)
{
    mesh_pid self;
    mesh_timer timer;
    mesh_self(s->self, &self);
    int rc = act_cast(s->node, "other", act_add, NULL);
    if (rc == MESH_OK)
        rc = act_send(s->node, &self, act_add, NULL);
    if (rc == MESH_OK)
        rc = mesh_send_after(s->node, 60000, &self, (mesh_term){0}, &timer);
    if (rc == MESH_OK)
        rc = mesh_cancel_timer(s->node, timer);
    return rc == MESH_OK ? act_ok(s) : rc;
}

static void test_late_cast(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        check_late(cast_and_send, true);
}

static int return_only(struct scene *s)
{
    return mesh_from_drop(s->from);
}

static void test_late_return(void **state)
{
    (void)state;
    check_late(return_only, false);
}

static void nothing(void *arg)
{
    (void)arg;
}

static int task(mesh_node *n, void *arg)
{
    (void)n;
    (void)arg;
    return 0;
}

static int block_and_await(struct scene *s)
{
    mesh_task *t;
    int rc = mesh_blocking(s->node, nothing, NULL);
    if (rc == MESH_OK)
        rc = mesh_spawn(s->node, task, NULL, &t);
    if (rc == MESH_OK)
        rc = mesh_await(t, 0, NULL);
    return rc == MESH_OK ? act_ok(s) : rc;
}

static void test_late_blocking_and_await(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        check_late(block_and_await, true);
}

/* The delay that a spinning handler causes others is about the 5 ms after which it loses its worker, not its own time:
 * of several tries the best is compared, since the machine may be busy. */
static int spin_300_ms(struct scene *s)
{
    gate_add(s->arg);
    for (uint64_t until = now_ms() + 300; now_ms() < until;)
        ;
    return MESH_OK;
}

static void test_delay(void **state)
{
    (void)state;
    static struct gate in = GATE_INIT;
    uint64_t best = UINT64_MAX;
    for (int i = 1; i <= 4; i++) {
        assert_int_equal(act_cast(node, "late", spin_300_ms, &in), MESH_OK);
        gate_await(&in, i);
        uint64_t before = now_ms();
        assert_true(act_number(node, "other", act_add, NULL) > 0);
        uint64_t took = now_ms() - before;
        best = took < best ? took : best;
    }
    assert_true(best < 150);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_late_reply, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_late_call, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_late_cast, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_late_return, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_late_blocking_and_await, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_delay, set_up, tear_down),
    };
    node_options.workers = 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
