/* mesh_stats_read: what is counted where, filters, and events of ordinary threads. */
#include "unit/api/probe.h"

static mesh_stats read_stats(const char *capability, const char *module)
{
    mesh_stats stats = {.size = sizeof stats};
    assert_int_equal(mesh_stats_read(probe.node, capability, module, &stats), MESH_OK);
    return stats;
}

static void wrong_arguments_are_refused(void **state)
{
    (void)state;
    mesh_stats stats = {.size = sizeof stats - 1, .calls = 77};
    assert_int_equal(mesh_stats_read(probe.node, NULL, NULL, &stats), MESH_EINVAL);
    stats.size = sizeof stats;
    assert_int_equal(mesh_stats_read(NULL, NULL, NULL, &stats), MESH_EINVAL);
    assert_int_equal(mesh_stats_read(probe.node, NULL, NULL, NULL), MESH_EINVAL);
    assert_int_equal(mesh_stats_read(probe.node, "nothing", NULL, &stats), MESH_ENOCAPABILITY);
    assert_int_equal(mesh_stats_read(probe.node, NULL, "Nothing", &stats), MESH_ENOMODULE);
    assert_int_equal(stats.calls, 77);
}

static void a_fresh_node_has_nothing(void **state)
{
    (void)state;
    mesh_stats stats = read_stats(NULL, NULL), zero = {.size = sizeof zero};
    assert_memory_equal(&stats, &zero, sizeof zero);
}

static void calls_processes_and_latencies_are_counted(void **state)
{
    (void)state;
    int64_t n;
    for (int i = 0; i < 20; i++)
        assert_int_equal(probe_run(i % 2 == 0 ? "a" : "b", "{:add, 5}", &n), MESH_OK);
    /* The answer arrives before the handler has ended and counted itself. */
    eventually(read_stats(NULL, NULL).handler_max_ns > 0);
    mesh_stats stats = read_stats("probes", "Probe");
    assert_int_equal(stats.processes, 2);
    assert_int_equal(stats.shards, 0);
    assert_int_equal(stats.calls, 20);
    assert_int_equal(stats.replies, 20);
    assert_int_equal(stats.activations, 2);
    assert_true(stats.call_p50_ns > 0 && stats.call_p50_ns <= stats.call_p99_ns);
    assert_true(stats.call_p999_ns <= stats.call_max_ns);
    assert_int_equal(read_stats("probes", NULL).shards, 2);
    assert_int_equal(read_stats(NULL, NULL).shards, 2);
    assert_int_equal(read_stats(NULL, NULL).processes, 2);
    assert_int_equal(read_stats(NULL, "Probe").processes, 2);
}

static void filters_keep_capabilities_and_modules_apart(void **state)
{
    (void)state;
    mesh_module other = {.size = sizeof other, .name = "Other", .handle_call = probe_call};
    assert_int_equal(mesh_register_module(probe.node, &other), MESH_OK);
    assert_int_equal(mesh_register_capability(probe.node, "others", NULL), MESH_OK);
    assert_int_equal(probe_run("a", "{:add, 1}", NULL), MESH_OK);
    mesh_buf buf;
    mesh_buf_init(&buf);
    assert_int_equal(mesh_build(&buf, "{:add, 1}"), MESH_OK);
    const char *const modules[] = {"Probe", "Other", "Other"};
    const char *const ids[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++) {
        mesh_request r = probe_request(ids[i]);
        mesh_result result;
        r.module = modules[i];
        r.capability = "others";
        r.payload = mesh_buf_term(&buf);
        assert_int_equal(mesh_call(probe.node, &r, &result), MESH_OK);
        mesh_result_release(&result);
    }
    mesh_buf_fini(&buf);
    assert_int_equal(read_stats("others", NULL).calls, 3);
    assert_int_equal(read_stats("others", NULL).processes, 3);
    assert_int_equal(read_stats("others", "Other").calls, 2);
    assert_int_equal(read_stats("others", "Other").processes, 2);
    assert_int_equal(read_stats("probes", "Other").calls, 0);
    assert_int_equal(read_stats("probes", "Other").processes, 0);
    assert_int_equal(read_stats(NULL, "Probe").calls, 2);
    assert_int_equal(read_stats(NULL, "Probe").processes, 2);
    assert_int_equal(read_stats(NULL, NULL).calls, 4);
}

static void ordinary_threads_count_timeouts_and_replies(void **state)
{
    (void)state;
    mesh_request request = probe_request("c");
    mesh_result result;
    mesh_buf hold;
    mesh_buf_init(&hold);
    assert_int_equal(mesh_build(&hold, ":hold"), MESH_OK);
    request.payload = mesh_buf_term(&hold);
    request.timeout_ms = 10;
    uint64_t calls = 0, replies = 0;
    do { /* one that comes to the process too late is not handled */
        assert_int_equal(mesh_call(probe.node, &request, &result), MESH_ETIMEOUT);
        assert_int_equal(read_stats("probes", NULL).timeouts, ++calls);
        assert_true(calls < 1000);
    } while (atomic_load(&probe.held) == 0);
    mesh_buf_fini(&hold);
    for (; atomic_load(&probe.held) > 0; replies++)
        probe_answer(1); /* from this thread; nobody waits any more */
    assert_int_equal(read_stats("probes", NULL).replies, replies);
}

static _Atomic bool block_done;

static void on_done(void *context, int error, const mesh_result *result)
{
    (void)context;
    (void)result;
    atomic_store(&block_done, error == MESH_OK);
}

static void ordinary_threads_count_refusals(void **state)
{
    (void)state;
    mesh_request request = probe_request("c");
    mesh_buf block;
    mesh_buf_init(&block);
    atomic_store(&block_done, false);
    assert_int_equal(mesh_build(&block, ":block"), MESH_OK);
    request.payload = mesh_buf_term(&block);
    assert_int_equal(mesh_call_async(probe.node, &request, on_done, NULL), MESH_OK);
    mesh_buf_fini(&block);
    eventually(read_stats(NULL, NULL).suspended == 1);
    assert_int_equal(read_stats("probes", NULL).suspended, 0);

    /* A process inside a handler, with four messages in its mailbox, refuses the next. */
    request.payload = (mesh_term){0};
    uint64_t sent = 0;
    int rc;
    while ((rc = mesh_cast(probe.node, &request)) == MESH_OK)
        assert_true(++sent <= 8);
    assert_int_equal(rc, MESH_EBUSY);
    assert_int_equal(read_stats("probes", "Probe").busy, 1);
    assert_int_equal(read_stats(NULL, NULL).busy, 1);
    atomic_store(&probe.open, true);
    eventually(read_stats(NULL, NULL).suspended == 0);
    eventually(read_stats(NULL, NULL).casts == sent);
    eventually(atomic_load(&block_done));
}

static void crashes_are_counted(void **state)
{
    (void)state;
    assert_int_equal(probe_run("d", ":crash", NULL), MESH_ECRASHED);
    eventually(read_stats(NULL, NULL).processes == 0);
    mesh_stats stats = read_stats("probes", "Probe");
    assert_int_equal(stats.crashes, 1);
    assert_int_equal(stats.processes, 0);
    assert_int_equal(read_stats("probes", NULL).shards, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(wrong_arguments_are_refused, probe_start, probe_stop),
        cmocka_unit_test_setup_teardown(a_fresh_node_has_nothing, probe_start, probe_stop),
        cmocka_unit_test_setup_teardown(calls_processes_and_latencies_are_counted, probe_start, probe_stop),
        cmocka_unit_test_setup_teardown(filters_keep_capabilities_and_modules_apart, probe_start, probe_stop),
        cmocka_unit_test_setup_teardown(ordinary_threads_count_timeouts_and_replies, probe_start, probe_stop),
        cmocka_unit_test_setup_teardown(ordinary_threads_count_refusals, probe_start, probe_stop),
        cmocka_unit_test_setup_teardown(crashes_are_counted, probe_start, probe_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
