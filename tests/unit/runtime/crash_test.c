/* Crash reports: what a child that crashes writes before it ends, how it ends, and that nothing is installed unless a
 * node asks. Stacks in the reports of stuck handlers. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mesh.h>

#include "runtime/crash.h"
#include "unit/runtime/child.h"

/* ---- Handlers that crash ---- */

static volatile bool endless = true;
static volatile int *volatile nowhere;

__attribute__((noinline)) static int overflow(const volatile char *above)
{
    volatile char frame[512];
    frame[0] = (char)(above[0] + 1);
    return endless ? overflow(frame) + frame[0] : 0;
}

static int crash_call(mesh_process *self, void *state, mesh_from from, mesh_term message)
{
    volatile char start[1] = {0};
    (void)self;
    (void)state;
    (void)from;
    if (mesh_match(message, ":overflow") == MESH_OK)
        return overflow(start);
    if (mesh_match(message, ":null") == MESH_OK)
        *nowhere = 1;
    if (mesh_match(message, ":raise") == MESH_OK)
        raise(SIGFPE);
    abort();
}

static int crash_task(mesh_node *node, void *arg)
{
    (void)node;
    (void)arg;
    *nowhere = 1;
    return 0;
}

static mesh_node *start(bool crash_reports)
{
    mesh_node_options options = {.size = sizeof options,
                                 .name = "crash@here",
                                 .workers = 1,
                                 .log_level = MESH_LOG_ERROR,
                                 .crash_reports = crash_reports};
    mesh_node *node;
    assert_int_equal(mesh_node_start(&options, &node), MESH_OK);
    return node;
}

static void call(mesh_node *node, const char *text)
{
    mesh_module module = {.size = sizeof module, .name = "Crasher", .handle_call = crash_call};
    mesh_buf buf;
    mesh_result result;
    mesh_buf_init(&buf);
    mesh_register_module(node, &module);
    mesh_register_capability(node, "crashes", NULL);
    mesh_parse(text, strlen(text), &buf, NULL);
    mesh_request request = {.module = "Crasher",
                            .capability = "crashes",
                            .id = {"c\n1", 3},
                            .payload = mesh_buf_term(&buf),
                            .timeout_ms = 10000};
    mesh_call(node, &request, &result);
}

/* ---- Children ---- */

static void call_with_reports(const char *text)
{
    mesh_node *node = start(true);
    call(node, text);
    mesh_node_stop(node); /* waits for the end of the program */
}

static void call_without_reports(const char *text)
{
    call(start(false), text);
}

static void crash_in_task(const char *text)
{
    mesh_task *task;
    (void)text;
    mesh_node *node = start(true);
    mesh_spawn(node, crash_task, NULL, &task);
    mesh_await(task, 10000, NULL);
}

static void crash_in_own_thread(const char *text)
{
    (void)text;
    start(true);
    *nowhere = 1;
}

static void end_quietly(int number)
{
    _exit(number == SIGSEGV ? 42 : 43);
}

static void call_with_a_handler_before(const char *text)
{
    signal(SIGSEGV, end_quietly);
    call_with_reports(text);
}

static void an_overflow_names_the_process(void **state)
{
    static struct end end;
    (void)state;
    skip_under_sanitizers();
    in_child(call_with_reports, ":overflow", &end);
    assert_killed(&end, SIGSEGV);
    assert_says(&end, "mesh: crashed by SIGSEGV at 0x");
    assert_says(&end, "module=\"Crasher\" capability=\"crashes\" id=\"c\\x0a1\" node=\"crash@here\": stack overflow\n");
}

static void a_fault_tells_the_address_and_the_stack(void **state)
{
    static struct end end;
    (void)state;
    skip_under_sanitizers();
    in_child(call_with_reports, ":null", &end);
    assert_killed(&end, SIGSEGV);
    assert_says(&end, "mesh: crashed by SIGSEGV at 0x0 in process module=\"Crasher\"");
    assert_says(&end, "unit_runtime_crash(");
    assert_null(strstr(end.text, "overflow"));
}

static void aborts_and_sent_signals_end_the_program_too(void **state)
{
    static struct end end;
    (void)state;
    skip_under_sanitizers();
    in_child(call_with_reports, ":abort", &end);
    assert_killed(&end, SIGABRT);
    assert_says(&end, "mesh: crashed by SIGABRT in process module=\"Crasher\"");
    in_child(call_with_reports, ":raise", &end);
    assert_killed(&end, SIGFPE);
    assert_says(&end, "mesh: crashed by SIGFPE in process module=\"Crasher\"");
}

static void tasks_and_other_threads_are_told_apart(void **state)
{
    static struct end end;
    (void)state;
    skip_under_sanitizers();
    in_child(crash_in_task, NULL, &end);
    assert_killed(&end, SIGSEGV);
    assert_says(&end, "at 0x0 in a task node=\"crash@here\"");
    in_child(crash_in_own_thread, NULL, &end);
    assert_killed(&end, SIGSEGV);
    assert_says(&end, "in a thread that is not the node's");
}

static void the_handler_that_was_there_has_its_turn(void **state)
{
    static struct end end;
    (void)state;
    skip_under_sanitizers();
    in_child(call_with_a_handler_before, ":null", &end);
    assert_true(WIFEXITED(end.status));
    assert_int_equal(WEXITSTATUS(end.status), 42);
    assert_says(&end, "mesh: crashed by SIGSEGV");
}

static void without_the_option_there_is_no_report(void **state)
{
    static struct end end;
    (void)state;
    skip_under_sanitizers();
    in_child(call_without_reports, ":overflow", &end);
    assert_killed(&end, SIGSEGV);
    assert_null(strstr(end.text, "mesh: "));
    if (strncmp(end.text, "qemu: ", 6) != 0) /* qemu-user has its own say about a fatal signal */
        assert_string_equal(end.text, "");
}

/* ---- What is installed ---- */

static bool is_handled(int number, const struct sigaction *before)
{
    struct sigaction now;
    assert_int_equal(sigaction(number, NULL, &now), 0);
    return now.sa_sigaction != before->sa_sigaction;
}

static void handlers_come_with_the_first_node_and_go_with_the_last(void **state)
{
    struct sigaction before[CRASHES];
    (void)state;
    for (size_t i = 0; i < CRASHES; i++)
        assert_int_equal(sigaction(crash_signals[i], NULL, &before[i]), 0);
    struct sigaction plain = {.sa_handler = SIG_DFL};
    const int steps[] = {0, 1, 2, 1, 0}; /* nodes that ask */
    mesh_node *without = start(false), *node[2];
    for (int step = 0, nodes = 0; step < 5; step++) {
        while (nodes < steps[step])
            node[nodes++] = start(true);
        while (nodes > steps[step])
            assert_int_equal(mesh_node_stop(node[--nodes]), MESH_OK);
        for (size_t i = 0; i < CRASHES; i++)
            assert_int_equal(is_handled(crash_signals[i], &before[i]), nodes > 0);
        assert_int_equal(is_handled(CRASH_TRACE_SIGNAL, &plain), nodes > 0);
    }
    assert_int_equal(mesh_node_stop(without), MESH_OK);
}

static void on_own_signal(int number)
{
    (void)number;
}

static void a_signal_of_the_program_is_left_alone(void **state)
{
    struct sigaction now;
    (void)state;
    signal(CRASH_TRACE_SIGNAL, on_own_signal);
    mesh_node *node = start(true);
    assert_int_equal(sigaction(CRASH_TRACE_SIGNAL, NULL, &now), 0);
    assert_true(now.sa_handler == on_own_signal);
    assert_int_equal(mesh_node_stop(node), MESH_OK);
    assert_int_equal(sigaction(CRASH_TRACE_SIGNAL, NULL, &now), 0);
    assert_true(now.sa_handler == on_own_signal);
    signal(CRASH_TRACE_SIGNAL, SIG_DFL);
}

/* ---- Stuck handlers ---- */

static int wake[2];
static struct {
    char stack[2048];
    char module[64];
} seen;

static void copy_field(char *to, size_t size, const mesh_log_field *field)
{
    size_t len = field->bytes.len < size - 1 ? field->bytes.len : size - 1;
    memcpy(to, field->bytes.data, len);
    to[len] = '\0';
}

/* Keeps the report and lets the handler go on. */
static void on_log(void *context, const mesh_log_event *event)
{
    (void)context;
    if (strstr(event->message, "stuck") == NULL)
        return;
    for (size_t i = 0; i < event->count; i++) {
        if (strcmp(event->fields[i].key, "stack") == 0)
            copy_field(seen.stack, sizeof seen.stack, &event->fields[i]);
        if (strcmp(event->fields[i].key, "module") == 0)
            copy_field(seen.module, sizeof seen.module, &event->fields[i]);
    }
    assert_int_equal(write(wake[1], "x", 1), 1);
}

static int stuck_call(mesh_process *self, void *state, mesh_from from, mesh_term message)
{
    char byte = 0;
    (void)self;
    (void)state;
    ssize_t n = read(wake[0], &byte, 1); /* in the system until the report: must not see EINTR */
    return n == 1 && byte == 'x' ? mesh_reply(from, message) : MESH_EINVAL;
}

static void run_stuck(bool crash_reports)
{
    mesh_node_options options = {.size = sizeof options,
                                 .workers = 1,
                                 .stuck_ms = 20,
                                 .log = on_log,
                                 .log_level = MESH_LOG_WARN,
                                 .crash_reports = crash_reports};
    mesh_module module = {.size = sizeof module, .name = "Stuck", .handle_call = stuck_call};
    mesh_request request = {.module = "Stuck", .capability = "stuck", .id = {"s1", 2}, .timeout_ms = 30000};
    mesh_node *node;
    mesh_result result;
    memset(&seen, 0, sizeof seen);
    assert_int_equal(pipe(wake), 0);
    assert_int_equal(mesh_node_start(&options, &node), MESH_OK);
    assert_int_equal(mesh_register_module(node, &module), MESH_OK);
    assert_int_equal(mesh_register_capability(node, "stuck", NULL), MESH_OK);
    assert_int_equal(mesh_call(node, &request, &result), MESH_OK);
    mesh_result_release(&result);
    mesh_stats stats = {.size = sizeof stats};
    assert_int_equal(mesh_stats_read(node, "stuck", "Stuck", &stats), MESH_OK);
    assert_int_equal(stats.stuck, 1);
    assert_int_equal(mesh_node_stop(node), MESH_OK);
    close(wake[0]);
    close(wake[1]);
    assert_string_equal(seen.module, "Stuck");
}

static void a_stuck_handler_is_reported_with_its_stack(void **state)
{
    (void)state;
    skip_under_sanitizers();
    run_stuck(true);
    assert_non_null(strstr(seen.stack, "read+0x"));
    assert_non_null(strstr(seen.stack, " < unit_runtime_crash+0x"));
}

static void without_the_option_its_report_has_no_stack(void **state)
{
    (void)state;
    run_stuck(false);
    assert_string_equal(seen.stack, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_overflow_names_the_process),
        cmocka_unit_test(a_fault_tells_the_address_and_the_stack),
        cmocka_unit_test(aborts_and_sent_signals_end_the_program_too),
        cmocka_unit_test(tasks_and_other_threads_are_told_apart),
        cmocka_unit_test(the_handler_that_was_there_has_its_turn),
        cmocka_unit_test(without_the_option_there_is_no_report),
        cmocka_unit_test(handlers_come_with_the_first_node_and_go_with_the_last),
        cmocka_unit_test(a_signal_of_the_program_is_left_alone),
        cmocka_unit_test(a_stuck_handler_is_reported_with_its_stack),
        cmocka_unit_test(without_the_option_its_report_has_no_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
