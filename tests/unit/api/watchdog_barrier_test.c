/* A node on a system without membarrier (some emulators and sandboxes): it says so, a handler that keeps its thread
 * keeps its worker too, and is reported all the same, without its name.
 *
 * The linker turns the library's system calls to the function below, which refuses that one. */
#include "unit/api/fixture.h"

#include <errno.h>
#include <sys/syscall.h>

long __real_syscall(long number, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f);

static atomic_int asked; /* for membarrier */

long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    if (number != SYS_membarrier)
        return __real_syscall(number, a, b, c, d, e, f);
    atomic_fetch_add(&asked, 1);
    errno = ENOSYS;
    return -1;
}

static struct gate warned = GATE_INIT, reported = GATE_INIT;
static char module[32];
static size_t id_len;

static void note(void *context, const mesh_log_event *event)
{
    (void)context;
    if (strstr(event->message, "membarrier is missing") != NULL)
        gate_add(&warned);
    if (strstr(event->message, "a handler is stuck") == NULL)
        return;
    for (size_t i = 0; i < event->count; i++) {
        const mesh_log_field *f = &event->fields[i];
        if (strcmp(f->key, "module") == 0)
            memcpy(module, f->bytes.data, f->bytes.len < sizeof module ? f->bytes.len : sizeof module - 1);
        if (strcmp(f->key, "id") == 0)
            id_len = f->bytes.len;
    }
    gate_add(&reported);
}

struct late {
    struct gate in;
    atomic_bool go_on;
};

static int spin(struct scene *s)
{
    struct late *late = s->arg;
    gate_add(&late->in);
    for (uint64_t until = now_ms() + PATIENCE_MS; !atomic_load(&late->go_on) && now_ms() < until;)
        ;
    return act_ok(s);
}

static void done(void *context, int error, const mesh_result *result)
{
    (void)result;
    gate_add(&((struct gate *)context)[error != MESH_OK]);
}

static void call_later(const char *id, act_fn fn, const void *arg, struct gate *outcomes)
{
    mesh_buf message;
    act_message(&message, fn, arg);
    mesh_request r = act_request(id, &message);
    r.timeout_ms = 2 * PATIENCE_MS;
    assert_int_equal(mesh_call_async(node, &r, done, outcomes), MESH_OK);
    mesh_buf_fini(&message);
}

static void test_it_says_so(void **state)
{
    (void)state;
    assert_int_equal(gate_count(&warned), 1);
    assert_int_equal(atomic_load(&asked), 1); /* at the start */
    assert_int_equal(act_number(node, "x", act_add, NULL), 1);
}

/* Nobody else is served while a handler keeps the only worker; afterwards everybody is. */
static void test_a_late_handler_keeps_its_worker(void **state)
{
    (void)state;
    static struct late late = {.in = GATE_INIT};
    static struct gate first[2] = {GATE_INIT, GATE_INIT}, second[2] = {GATE_INIT, GATE_INIT};
    call_later("late", spin, &late, first);
    gate_await(&late.in, 1);
    call_later("other", act_add, NULL, second);
    gate_await(&reported, 1);
    assert_string_equal(module, "(unknown)");
    assert_int_equal(id_len, 0);
    assert_int_equal(gate_count(&second[0]) + gate_count(&second[1]), 0);
    atomic_store(&late.go_on, true);
    gate_await(&first[0], 1);
    gate_await(&second[0], 1);
    assert_int_equal(act_number(node, "late", act_add, NULL), 1);
    mesh_stats stats = {.size = sizeof stats};
    assert_int_equal(mesh_stats_read(node, NULL, NULL, &stats), MESH_OK);
    assert_int_equal(stats.stuck, 1);
    assert_int_equal(gate_count(&reported), 1); /* once for one stretch of code */
    assert_int_equal(atomic_load(&asked), 2);   /* by the two nodes of this file, at their start */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_it_says_so, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_late_handler_keeps_its_worker, set_up, tear_down),
    };
    node_options = (mesh_node_options){.workers = 1, .stuck_ms = 20, .log = note, .log_level = MESH_LOG_WARN};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
