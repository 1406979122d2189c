/* mesh_waiting: each kind of wait, with who waits and for whom, asked from threads and from handlers. */
#include "unit/api/probe.h"

static _Atomic int done_count;
static _Atomic int done_error;

static void done(void *context, int error, const mesh_result *result)
{
    (void)context;
    (void)result;
    if (error != MESH_OK)
        atomic_store(&done_error, error);
    atomic_fetch_add(&done_count, 1);
}

static void start_call(mesh_bytes id, const char *text)
{
    mesh_buf buf;
    mesh_buf_init(&buf);
    assert_int_equal(mesh_parse(text, strlen(text), &buf, NULL), MESH_OK);
    mesh_request request = probe_request("");
    request.id = id;
    request.payload = mesh_buf_term(&buf);
    assert_int_equal(mesh_call_async(probe.node, &request, done, NULL), MESH_OK);
    mesh_buf_fini(&buf);
}

static mesh_waits *list(void)
{
    mesh_waits *waits = NULL;
    assert_int_equal(mesh_waiting(probe.node, &waits), MESH_OK);
    assert_non_null(waits);
    return waits;
}

static size_t count_waits(void)
{
    mesh_waits *waits = list();
    size_t count = waits->count;
    mesh_waits_free(waits);
    return count;
}

static bool same(mesh_bytes a, const char *text)
{
    return a.len == strlen(text) && memcmp(a.data, text, a.len) == 0;
}

static const mesh_wait *find(const mesh_waits *waits, const char *id, const char *on)
{
    for (size_t i = 0; i < waits->count; i++)
        if (same(waits->wait[i].id, id) && strcmp(waits->wait[i].on, on) == 0)
            return &waits->wait[i];
    fail_msg("no wait of \"%s\" on %s", id, on);
    return NULL;
}

static void wrong_arguments_are_refused(void **state)
{
    mesh_waits *waits = NULL;
    (void)state;
    assert_int_equal(mesh_waiting(NULL, &waits), MESH_EINVAL);
    assert_int_equal(mesh_waiting(probe.node, NULL), MESH_EINVAL);
    mesh_waits_free(NULL);
}

static void an_idle_node_lists_nobody(void **state)
{
    (void)state;
    assert_int_equal(probe_run("a", "{:add, 1}", NULL), MESH_OK);
    assert_int_equal(count_waits(), 0);
}

static void calls_awaits_and_blocking_are_told_apart(void **state)
{
    (void)state;
    atomic_store(&done_count, 0);
    atomic_store(&done_error, 0);
    start_call(mesh_str("caller"), "{:ask, \"callee\"}");
    start_call(mesh_str("awaiter"), ":await");
    start_call(mesh_str("blocker"), ":block");
    eventually(count_waits() == 4 && atomic_load(&probe.held) == 1);
    mesh_waits *waits = list();

    const mesh_wait *call = find(waits, "caller", "call");
    assert_string_equal(call->module, "Probe");
    assert_string_equal(call->on_module, "Probe");
    assert_true(same(call->on_id, "callee"));
    assert_string_equal(call->pid.node, mesh_node_name(probe.node));
    assert_true(call->pid.number != 0);
    assert_true(call->since_ms < 20000);

    const mesh_wait *await = find(waits, "awaiter", "await");
    assert_null(await->on_module);
    assert_int_equal(await->on_id.len, 0);
    assert_string_equal(find(waits, "blocker", "blocking")->module, "Probe");

    const mesh_wait *task = find(waits, "", "blocking");
    assert_null(task->module);
    assert_int_equal(task->pid.number, 0);
    mesh_waits_free(waits);

    probe_answer(3);
    atomic_store(&probe.open, true);
    eventually(atomic_load(&done_count) == 3);
    assert_int_equal(atomic_load(&done_error), MESH_OK);
    eventually(count_waits() == 0);
}

static void long_ids_are_cut_only_in_whom_one_waits_for(void **state)
{
    char id[101] = {0}, text[128];
    (void)state;
    atomic_store(&done_count, 0);
    memset(id, 'x', 100);
    snprintf(text, sizeof text, "{:ask, \"%s\"}", id);
    id[0] = '\0'; /* any byte */
    start_call((mesh_bytes){id, 100}, text);
    eventually(count_waits() == 1);
    mesh_waits *waits = list();
    assert_int_equal(waits->wait[0].id.len, 100);
    assert_memory_equal(waits->wait[0].id.data, id, 100);
    assert_int_equal(waits->wait[0].on_id.len, 64);
    assert_memory_equal(waits->wait[0].on_id.data, id + 1, 64);
    mesh_waits_free(waits);
    eventually(atomic_load(&probe.held) == 1);
    probe_answer(1);
    eventually(atomic_load(&done_count) == 1);
}

static int ask_inside(mesh_node *node, void *arg)
{
    mesh_waits **waits = arg;
    return mesh_waiting(node, waits);
}

static void who_asks_inside_lists_itself(void **state)
{
    mesh_task *task;
    mesh_waits *waits = NULL;
    int rc = -1;
    (void)state;
    assert_int_equal(mesh_spawn(probe.node, ask_inside, &waits, &task), MESH_OK);
    assert_int_equal(mesh_await(task, 20000, &rc), MESH_OK);
    assert_int_equal(rc, MESH_OK);
    assert_int_equal(waits->count, 1);
    assert_string_equal(waits->wait[0].on, "blocking");
    assert_null(waits->wait[0].module);
    mesh_waits_free(waits);
}

static int keep_thread(mesh_node *node, void *arg)
{
    (void)node;
    atomic_fetch_add(&done_count, 1);
    probe_block(arg);
    return 0;
}

static void late_handlers_do_not_delay_the_list(void **state)
{
    mesh_task *tasks[3];
    (void)state;
    atomic_store(&done_count, 0);
    for (int i = 0; i < 3; i++) /* one more than workers */
        assert_int_equal(mesh_spawn(probe.node, keep_thread, NULL, &tasks[i]), MESH_OK);
    eventually(atomic_load(&done_count) == 3);
    assert_int_equal(count_waits(), 0); /* they run; nobody waits */
    atomic_store(&probe.open, true);
    for (int i = 0; i < 3; i++)
        assert_int_equal(mesh_await(tasks[i], 20000, NULL), MESH_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(wrong_arguments_are_refused, probe_start, probe_stop),
        cmocka_unit_test_setup_teardown(an_idle_node_lists_nobody, probe_start, probe_stop),
        cmocka_unit_test_setup_teardown(calls_awaits_and_blocking_are_told_apart, probe_start, probe_stop),
        cmocka_unit_test_setup_teardown(long_ids_are_cut_only_in_whom_one_waits_for, probe_start, probe_stop),
        cmocka_unit_test_setup_teardown(who_asks_inside_lists_itself, probe_start, probe_stop),
        cmocka_unit_test_setup_teardown(late_handlers_do_not_delay_the_list, probe_start, probe_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
