/* Completions on a descriptor: when it is readable, what is taken, and ends with calls under way. */
#include <poll.h>
#include <pthread.h>

#include "unit/api/probe.h"

static int tags[64];

static bool readable(const mesh_queue *queue, int timeout_ms)
{
    struct pollfd p = {.fd = mesh_queue_fd(queue), .events = POLLIN};
    return poll(&p, 1, timeout_ms) == 1;
}

static int call_queued(mesh_queue *queue, const char *id, const char *text, uint32_t timeout_ms, void *tag)
{
    mesh_buf buf;
    mesh_buf_init(&buf);
    assert_int_equal(mesh_parse(text, strlen(text), &buf, NULL), MESH_OK);
    mesh_request request = probe_request(id);
    request.payload = mesh_buf_term(&buf);
    request.timeout_ms = timeout_ms;
    int rc = mesh_call_queued(probe.node, &request, queue, tag);
    mesh_buf_fini(&buf);
    return rc;
}

static mesh_queue *new_queue(void)
{
    mesh_queue *queue = NULL;
    assert_int_equal(mesh_queue_create(probe.node, &queue), MESH_OK);
    assert_true(mesh_queue_fd(queue) >= 0);
    return queue;
}

static mesh_completion take(mesh_queue *queue)
{
    mesh_completion c;
    assert_true(readable(queue, 20000));
    assert_true(mesh_queue_take(queue, &c));
    return c;
}

static void wrong_arguments_are_refused(void **state)
{
    mesh_completion c;
    (void)state;
    mesh_queue *queue = new_queue();
    assert_int_equal(mesh_queue_create(NULL, &queue), MESH_EINVAL);
    assert_int_equal(mesh_queue_create(probe.node, NULL), MESH_EINVAL);
    assert_false(mesh_queue_take(queue, &c));
    assert_false(mesh_queue_take(NULL, &c));
    assert_int_equal(mesh_queue_fd(NULL), -1);
    assert_int_equal(call_queued(NULL, "a", "1", 0, NULL), MESH_EINVAL);
    mesh_request request = probe_request("a");
    request.module = "Nothing";
    assert_int_equal(mesh_call_queued(probe.node, &request, queue, NULL), MESH_ENOMODULE);
    assert_false(readable(queue, 0));
    mesh_queue_destroy(queue);
    mesh_queue_destroy(NULL);
}

static void another_nodes_queue_is_refused(void **state)
{
    (void)state;
    mesh_node *mine = probe.node, *other;
    mesh_queue *queue = new_queue();
    assert_int_equal(mesh_node_start(NULL, &other), MESH_OK);
    probe.node = other;
    assert_int_equal(call_queued(queue, "a", "1", 0, NULL), MESH_EINVAL);
    probe.node = mine;
    assert_int_equal(mesh_node_stop(other), MESH_OK);
    mesh_queue_destroy(queue);
}

static void it_is_readable_exactly_while_completions_wait(void **state)
{
    (void)state;
    mesh_queue *queue = new_queue();
    assert_false(readable(queue, 0));
    for (int i = 0; i < 3; i++)
        assert_int_equal(call_queued(queue, "a", "{:add, 42}", 0, &tags[i]), MESH_OK);
    int seen = 0; /* completions of different workers arrive in any order */
    for (int i = 0; i < 3; i++) {
        mesh_completion c = take(queue);
        int64_t n;
        seen |= 1 << ((int *)c.tag - tags);
        assert_int_equal(c.error, MESH_OK);
        assert_int_equal(mesh_match(c.result.value, "~i", &n), MESH_OK);
        assert_int_equal(n, 42);
        assert_true(c.result.pid.number != 0);
        assert_string_equal(c.result.pid.node, mesh_node_name(probe.node));
        mesh_result_release(&c.result);
        assert_null(c.result.held);
        mesh_result_release(&c.result);
    }
    assert_int_equal(seen, 7);
    assert_false(readable(queue, 0));
    mesh_completion none;
    assert_false(mesh_queue_take(queue, &none));
    mesh_queue_destroy(queue);
}

static void large_replies_outlive_the_queue(void **state)
{
    (void)state;
    mesh_queue *queue = new_queue();
    assert_int_equal(call_queued(queue, "a", "{:text, 100000}", 0, NULL), MESH_OK);
    mesh_completion c = take(queue);
    mesh_queue_destroy(queue);
    mesh_bytes text;
    assert_int_equal(mesh_match(c.result.value, "~b", &text), MESH_OK);
    assert_int_equal(text.len, 100000);
    assert_int_equal(((const char *)text.data)[99999], 0);
    mesh_result_release(&c.result);
}

static void errors_are_completions_too(void **state)
{
    (void)state;
    mesh_queue *queue = new_queue();
    assert_int_equal(call_queued(queue, "a", ":crash", 0, &tags[0]), MESH_OK);
    mesh_completion c = take(queue);
    assert_int_equal(c.error, MESH_ECRASHED);
    assert_int_equal(mesh_match(c.result.value, ":crash"), MESH_OK);
    mesh_result_release(&c.result);
    assert_int_equal(call_queued(queue, "b", ":hold", 1, &tags[1]), MESH_OK);
    c = take(queue);
    assert_int_equal(c.error, MESH_ETIMEOUT);
    assert_ptr_equal(c.tag, &tags[1]);
    assert_int_equal(c.result.pid.number, 0);
    assert_int_equal(mesh_match(c.result.value, "nil"), MESH_OK);
    mesh_result_release(&c.result);
    mesh_queue_destroy(queue);
}

static void a_queue_may_end_with_calls_under_way(void **state)
{
    (void)state;
    mesh_queue *queue = new_queue();
    for (int i = 0; i < 4; i++) {
        char id[8];
        snprintf(id, sizeof id, "h%d", i);
        assert_int_equal(call_queued(queue, id, ":hold", 0, NULL), MESH_OK);
    }
    for (int i = 0; i < 4; i++) /* some have completed, and are not taken */
        assert_int_equal(call_queued(queue, "a", "{:text, 1000}", 0, NULL), MESH_OK);
    eventually(atomic_load(&probe.held) == 4 && readable(queue, 0));
    mesh_queue_destroy(queue);
    while (atomic_load(&probe.held) > 0)
        probe_answer(1);
}

/* Takes and releases on another thread, until all have come. */
static void *drain(void *arg)
{
    mesh_queue *queue = arg;
    uintptr_t sum = 0;
    for (int taken = 0; taken < 64;) {
        mesh_completion c;
        if (!readable(queue, 20000))
            break;
        if (!mesh_queue_take(queue, &c))
            continue; /* another thread was quicker */
        sum += (uintptr_t)((int *)c.tag - tags);
        mesh_result_release(&c.result);
        taken++;
    }
    return (void *)sum;
}

static void completions_are_taken_on_any_thread(void **state)
{
    (void)state;
    mesh_queue *queue = new_queue();
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, drain, queue), 0);
    for (int i = 0; i < 64; i++) {
        char id[8];
        snprintf(id, sizeof id, "p%d", i);
        assert_int_equal(call_queued(queue, id, i % 2 == 0 ? "{:add, 1}" : "{:text, 200}", 0, &tags[i]), MESH_OK);
    }
    void *sum;
    assert_int_equal(pthread_join(thread, &sum), 0);
    assert_int_equal((uintptr_t)sum, 64 * 63 / 2);
    assert_false(readable(queue, 0));
    mesh_queue_destroy(queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(wrong_arguments_are_refused, probe_start, probe_stop),
        cmocka_unit_test_setup_teardown(another_nodes_queue_is_refused, probe_start, probe_stop),
        cmocka_unit_test_setup_teardown(it_is_readable_exactly_while_completions_wait, probe_start, probe_stop),
        cmocka_unit_test_setup_teardown(large_replies_outlive_the_queue, probe_start, probe_stop),
        cmocka_unit_test_setup_teardown(errors_are_completions_too, probe_start, probe_stop),
        cmocka_unit_test_setup_teardown(a_queue_may_end_with_calls_under_way, probe_start, probe_stop),
        cmocka_unit_test_setup_teardown(completions_are_taken_on_any_thread, probe_start, probe_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
