/* What a node does between the crash of a handler and the end of the program, seen from outside: children write what
 * callers were told and which processes ended. */
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <mesh.h>

#include "base/clock.h"
#include "unit/runtime/child.h"

static volatile int *volatile nowhere;
static volatile bool endless = true;
static atomic_int parked;
static mesh_from owed;
static mesh_node *node;

static void say(const char *what, mesh_bytes id)
{
    dprintf(STDERR_FILENO, "%s %.*s\n", what, (int)id.len, (const char *)id.data);
}

/* ---- A module that does what it is told ---- */

static mesh_request request_to(const char *id, const char *text, mesh_buf *buf)
{
    mesh_buf_init(buf);
    assert_int_equal(mesh_parse(text, strlen(text), buf, NULL), MESH_OK);
    return (mesh_request){.module = "Worker",
                          .capability = "work",
                          .id = mesh_str(id),
                          .payload = mesh_buf_term(buf),
                          .timeout_ms = 60000};
}

static int call(const char *id, const char *text, mesh_result *result)
{
    mesh_buf buf;
    mesh_request r = request_to(id, text, &buf);
    int rc = mesh_call(node, &r, result);
    mesh_buf_fini(&buf);
    return rc;
}

static void yield_until_two(void *arg)
{
    (void)arg;
    while (atomic_load(&parked) < 2)
        sched_yield();
}

static int handle_call(mesh_process *self, void *state, mesh_from from, mesh_term message)
{
    mesh_result result;
    (void)state;
    if (mesh_match(message, ":crash") == MESH_OK) {
        *nowhere = 1;
    } else if (mesh_match(message, ":crash_when_two_wait") == MESH_OK) {
        mesh_blocking(node, yield_until_two, NULL);
        *nowhere = 1;
    } else if (mesh_match(message, ":abort") == MESH_OK) {
        abort();
    } else if (mesh_match(message, ":owe") == MESH_OK) {
        owed = from;
        atomic_fetch_add(&parked, 1);
        return MESH_OK;
    } else if (mesh_match(message, ":wait") == MESH_OK) {
        atomic_fetch_add(&parked, 1);
        int rc = call("silent", ":owe", &result);
        say(mesh_error_name(rc), mesh_id(self));
        return MESH_OK; /* and no answer: it is to end */
    } else if (mesh_match(message, ":spin") == MESH_OK) {
        atomic_fetch_add(&parked, 1);
        while (endless)
            sched_yield();
    }
    return mesh_reply(from, message);
}

static void terminate(mesh_process *self, void *state, mesh_term reason)
{
    char text[64];
    mesh_bytes id = mesh_id(self);
    (void)state;
    say(mesh_inspect_text(reason, text, sizeof text), id);
    if (id.len == 6 && memcmp(id.data, "second", 6) == 0)
        *nowhere = 2;
}

static void start(uint32_t drain_ms)
{
    const mesh_node_options options = {
        .size = sizeof options, .workers = 2, .drain_ms = drain_ms, .log_level = MESH_LOG_ERROR, .crash_reports = true};
    const mesh_module module = {
        .size = sizeof module, .name = "Worker", .handle_call = handle_call, .terminate = terminate};
    assert_int_equal(mesh_node_start(&options, &node), MESH_OK);
    assert_int_equal(mesh_register_module(node, &module), MESH_OK);
    assert_int_equal(mesh_register_capability(node, "work", NULL), MESH_OK);
}

static void told(void *context, int error, const mesh_result *result)
{
    char text[64], line[128];
    mesh_inspect_text(result->value, text, sizeof text);
    snprintf(line, sizeof line, "%s was told %s", (const char *)context, mesh_error_name(error));
    say(line, mesh_str(text));
}

static void call_async(const char *id, const char *text, const char *who)
{
    mesh_buf buf;
    mesh_request r = request_to(id, text, &buf);
    assert_int_equal(mesh_call_async(node, &r, told, (void *)who), MESH_OK);
    mesh_buf_fini(&buf);
}

static void await_parked(int n)
{
    while (atomic_load(&parked) < n)
        sched_yield();
}

/* Crashes a process by a call from this thread, and says what came of the call. */
static void crash(const char *text)
{
    mesh_result result;
    told("the caller", call("crasher", text, &result), &result);
    mesh_result_release(&result);
    say("later calls:", mesh_str(mesh_error_name(call("other", ":echo", &result))));
    mesh_node_stop(node); /* does not come back */
}

/* ---- What the children do ---- */

static void crash_among_others(const char *text)
{
    mesh_result result;
    start(0);
    assert_int_equal(call("idle", ":echo", &result), MESH_OK);
    mesh_result_release(&result);
    call_async("crasher", ":owe", "who is owed");
    call_async("waiter", ":wait", "who called the waiter");
    await_parked(2);
    crash(text);
}

/* One call stands behind that which crashes. */
static void crash_with_a_mailbox(const char *text)
{
    (void)text;
    start(0);
    call_async("crasher", ":crash_when_two_wait", "the first");
    call_async("crasher", ":echo", "the second");
    atomic_store(&parked, 2);
    mesh_node_stop(node);
}

static void crash_beside_a_spinner(const char *text)
{
    (void)text;
    start(200);
    call_async("spinner", ":spin", "nobody");
    await_parked(1);
    crash(":crash");
}

/* The drain would take its whole time; its terminate that crashes ends it. */
static void crash_twice(const char *text)
{
    mesh_result result;
    (void)text;
    start(60000);
    call_async("spinner", ":spin", "nobody");
    await_parked(1);
    assert_int_equal(call("second", ":echo", &result), MESH_OK);
    mesh_result_release(&result);
    crash(":crash");
}

static int crash_here(mesh_node *n, void *arg)
{
    (void)n;
    (void)arg;
    *nowhere = 1;
    return 0;
}

static void crash_in_a_task(const char *text)
{
    mesh_result result;
    mesh_task *task;
    (void)text;
    start(0);
    assert_int_equal(call("idle", ":echo", &result), MESH_OK);
    mesh_result_release(&result);
    assert_int_equal(mesh_spawn(node, crash_here, NULL, &task), MESH_OK);
    mesh_await(task, 60000, NULL);
}

/* ---- What must have happened ---- */

static struct end end;

static void run(void (*fn)(const char *), const char *text, int signal, uint64_t most_ms)
{
    uint64_t before = clock_now_ns();
    in_child(fn, text, &end);
    assert_killed(&end, signal);
    uint64_t took_ms = (clock_now_ns() - before) / 1000000;
    if (took_ms > most_ms)
        fail_msg("took %d ms", (int)took_ms);
}

static void callers_are_told_and_the_others_end(void **state)
{
    (void)state;
    skip_under_sanitizers();
    static const char *const texts[] = {":crash", ":abort"}, *const names[] = {"SIGSEGV", "SIGABRT"};
    static const int signals[] = {SIGSEGV, SIGABRT};
    for (int i = 0; i < 2; i++) {
        char line[64];
        run(crash_among_others, texts[i], signals[i], 4000); /* it does not use up its time */
        snprintf(line, sizeof line, "mesh: crashed by %s", names[i]);
        assert_says(&end, line);
        snprintf(line, sizeof line, "the caller was told MESH_ECRASHED :%s\n", names[i]);
        assert_says(&end, line);
        assert_says(&end, "later calls: MESH_ESTOPPING\n");
        assert_says(&end, "who is owed was told MESH_ENOREPLY");
        /* Its pending call: whichever of the two processes was asked to end first. */
        assert_true(strstr(end.text, "MESH_ESTOPPING waiter\n") != NULL ||
                    strstr(end.text, "MESH_ENOREPLY waiter\n") != NULL);
        assert_says(&end, "who called the waiter was told MESH_E");
        assert_says(&end, ":shutdown idle\n");
        assert_says(&end, ":shutdown waiter\n");
        assert_says(&end, "a handler crashed: the node drains");
        assert_null(strstr(end.text, ":shutdown crasher")); /* its state may be anything */
    }
}

static void calls_in_the_mailbox_are_told(void **state)
{
    (void)state;
    skip_under_sanitizers();
    run(crash_with_a_mailbox, "", SIGSEGV, 4000);
    assert_says(&end, "the first was told MESH_ECRASHED :SIGSEGV\n");
    assert_says(&end, "the second was told MESH_ECRASHED :SIGSEGV\n");
}

static void the_drain_is_bounded(void **state)
{
    (void)state;
    skip_under_sanitizers();
    run(crash_beside_a_spinner, "", SIGSEGV, 4000);
    assert_says(&end, "the caller was told MESH_ECRASHED");
}

static void a_second_crash_ends_it_at_once(void **state)
{
    (void)state;
    skip_under_sanitizers();
    run(crash_twice, "", SIGSEGV, 4000);
    assert_says(&end, ":shutdown second\n");
    assert_non_null(strstr(strstr(end.text, "mesh: crashed by") + 1, "mesh: crashed by SIGSEGV at 0x0"));
}

static void a_task_that_crashes_drains_the_node_too(void **state)
{
    (void)state;
    skip_under_sanitizers();
    run(crash_in_a_task, "", SIGSEGV, 8000);
    assert_says(&end, "in a task");
    assert_says(&end, ":shutdown idle\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(callers_are_told_and_the_others_end),
        cmocka_unit_test(calls_in_the_mailbox_are_told),
        cmocka_unit_test(the_drain_is_bounded),
        cmocka_unit_test(a_second_crash_ends_it_at_once),
        cmocka_unit_test(a_task_that_crashes_drains_the_node_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
