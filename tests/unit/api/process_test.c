/* Processes: themselves, their ends, exit signals, monitors, links, infos and timers. */
#include "unit/api/fixture.h"

#include <stdio.h>

static const uint8_t boom[] = {119, 4, 'b', 'o', 'o', 'm'}, kill[] = {119, 4, 'k', 'i', 'l', 'l'},
                     normal[] = {119, 6, 'n', 'o', 'r', 'm', 'a', 'l'};

#define ATOM(name) ((mesh_term){.data = (name), .len = sizeof(name)})

static mesh_pid pid_of(const char *id)
{
    mesh_pid pid = {0};
    assert_int_equal(act_call(node, id, act_self, &pid, NULL), MESH_OK);
    return pid;
}

/* ---- Itself ---- */

struct self {
    mesh_pid pid;
    char id[16];
    size_t id_len;
    uint32_t shard;
    uint64_t epoch;
    mesh_node *node;
};

static int describe(struct scene *s)
{
    struct self *self = s->arg;
    mesh_bytes id = mesh_id(s->self);
    mesh_self(s->self, &self->pid);
    self->id_len = id.len;
    memcpy(self->id, id.data, id.len < sizeof self->id ? id.len : sizeof self->id);
    self->shard = mesh_shard(s->self);
    self->epoch = mesh_epoch(s->self);
    self->node = mesh_process_node(s->self);
    return act_ok(s);
}

static void test_self(void **state)
{
    (void)state;
    struct self a = {0}, again = a, b = a;
    assert_int_equal(act_call(node, "some id", describe, &a, NULL), MESH_OK);
    assert_int_equal(act_call(node, "some id", describe, &again, NULL), MESH_OK);
    assert_int_equal(act_call(node, "other", describe, &b, NULL), MESH_OK);
    assert_true(mesh_pid_equal(&a.pid, &again.pid));
    assert_false(mesh_pid_equal(&a.pid, &b.pid));
    assert_int_equal(a.id_len, 7);
    assert_memory_equal(a.id, "some id", 7);
    assert_int_equal(a.shard, mesh_shard_for(mesh_str("some id")));
    assert_true(a.epoch != 0);
    assert_int_equal(a.epoch, again.epoch);
    assert_ptr_equal(a.node, node);
    assert_int_equal(act_call(node, "other", act_stop, NULL, NULL), MESH_OK);
    assert_int_equal(act_call(node, "other", describe, &again, NULL), MESH_OK);
    assert_false(mesh_pid_equal(&b.pid, &again.pid)); /* another life, another pid */
}

/* ---- Ending ---- */

static int stop_with_reason(struct scene *s)
{
    int rc = act_ok(s);
    return rc == MESH_OK ? mesh_stop(s->self, ATOM(boom)) : rc;
}

static void test_stop_with_reason(void **state)
{
    (void)state;
    assert_int_equal(act_number(node, "x", act_add, NULL), 1);
    assert_int_equal(act_call(node, "x", stop_with_reason, NULL, NULL), MESH_OK);
    assert_int_equal(act_number(node, "x", act_add, NULL), 1);
    assert_int_equal(script_count(&script.terminates), 1);
    assert_string_equal(script.reason, ":boom");
    assert_int_equal(act_call(node, "x", act_stop, NULL, NULL), MESH_OK);
    script_await(&script.terminates, 2);
    assert_string_equal(script.reason, ":normal");
}

static int stop_badly(struct scene *s)
{
    int64_t good = mesh_stop(s->self, (mesh_term){.data = boom, .len = 3}) == MESH_EBADTERM &&
                   mesh_stop(NULL, ATOM(boom)) == MESH_EINVAL && mesh_checkpoint(s->self) == MESH_EINVAL &&
                   mesh_checkpoint(NULL) == MESH_EINVAL;
    return reply_number(s->from, good);
}

static void test_stop_with_a_bad_reason(void **state)
{
    (void)state;
    assert_int_equal(act_number(node, "x", stop_badly, NULL), 1);
    assert_int_equal(act_number(node, "x", act_add, NULL), 1);
    assert_int_equal(script_count(&script.terminates), 0);
}

/* A reason too large for a message, and a terminate that tries to change it. */
static int stop_with_large_reason(struct scene *s)
{
    static const uint8_t large[300] = {109, 0, 0, 1, 39};
    int rc = act_ok(s);
    return rc == MESH_OK ? mesh_stop(s->self, ATOM(large)) : rc;
}

static int stop_again(struct scene *s)
{
    mesh_bytes bytes;
    mesh_stop(s->self, ATOM(boom));
    mesh_crash(s->self, ATOM(boom));
    s->agent->memory = NULL;
    return mesh_match(s->term, "~b", &bytes) == MESH_OK && bytes.len == 295 ? MESH_OK : MESH_EINVAL;
}

static int watch(struct scene *s)
{
    mesh_ref ref;
    int rc = mesh_monitor(s->self, s->arg, &ref);
    return rc == MESH_OK ? act_ok(s) : rc;
}

static void test_terminate_cannot_change_the_reason(void **state)
{
    (void)state;
    mesh_bytes bytes = {0};
    mesh_pid x = pid_of("x");
    assert_int_equal(act_call(node, "watcher", watch, &x, NULL), MESH_OK);
    script.on_terminate = stop_again;
    assert_int_equal(act_call(node, "x", stop_with_large_reason, NULL, NULL), MESH_OK);
    script_await(&script.infos, 1);
    assert_int_equal(mesh_match(script.info[0], "{:DOWN, _, :process, _, ~b}", &bytes), MESH_OK);
    assert_int_equal(bytes.len, 295);
    script.on_terminate = NULL;
}

static void test_exit(void **state)
{
    (void)state;
    mesh_pid x = pid_of("x");
    assert_int_equal(mesh_exit(node, &x, ATOM(normal)), MESH_OK); /* ignored */
    assert_int_equal(act_number(node, "x", act_add, NULL), 1);
    assert_int_equal(mesh_exit(node, &x, ATOM(boom)), MESH_OK);
    script_await(&script.terminates, 1);
    assert_string_equal(script.reason, ":boom");
    int rc;
    while ((rc = mesh_exit(node, &x, ATOM(boom))) == MESH_OK)
        ; /* it may still be on its way out */
    assert_int_equal(rc, MESH_ENOPROCESS);
    x = pid_of("x");
    assert_int_equal(mesh_exit(node, &x, ATOM(kill)), MESH_OK);
    script_await(&script.terminates, 2);
    assert_string_equal(script.reason, ":killed");
    assert_int_equal(mesh_exit(NULL, &x, ATOM(boom)), MESH_EINVAL);
    assert_int_equal(mesh_exit(node, NULL, ATOM(boom)), MESH_EINVAL);
    assert_int_equal(mesh_exit(node, &x, (mesh_term){0}), MESH_EINVAL);
    assert_int_equal(mesh_exit(node, &x, (mesh_term){.data = boom, .len = 2}), MESH_EBADTERM);
    mesh_pid nobody = x;
    nobody.number = UINT64_C(77) << 32 | 999999;
    assert_int_equal(mesh_exit(node, &nobody, ATOM(boom)), MESH_ENOPROCESS);
    nobody.number = 0;
    assert_int_equal(mesh_exit(node, &nobody, ATOM(boom)), MESH_ENOPROCESS);
    nobody.number = UINT64_MAX;
    assert_int_equal(mesh_exit(node, &nobody, ATOM(boom)), MESH_ENOPROCESS);
}

static int trap(struct scene *s)
{
    mesh_trap_exits(s->self, s->arg != NULL);
    return act_ok(s);
}

static void test_trapped_exit(void **state)
{
    (void)state;
    mesh_pid x = pid_of("x");
    assert_int_equal(act_call(node, "x", trap, &x, NULL), MESH_OK);
    assert_int_equal(mesh_exit(node, &x, ATOM(boom)), MESH_OK);
    assert_int_equal(mesh_exit(node, &x, ATOM(normal)), MESH_OK);
    script_await(&script.infos, 2);
    assert_int_equal(mesh_match(script.info[0], "{:EXIT, _, :boom}"), MESH_OK);
    assert_int_equal(mesh_match(script.info[1], "{:EXIT, _, :normal}"), MESH_OK);
    assert_int_equal(script_count(&script.terminates), 0);
    assert_int_equal(act_call(node, "x", trap, NULL, NULL), MESH_OK);
    assert_int_equal(mesh_exit(node, &x, ATOM(boom)), MESH_OK);
    script_await(&script.terminates, 1);
}

/* Keeps its process busy until the gate opens: a wait that no signal cuts short. */
static void wait_for_gate(void *arg)
{
    gate_await(arg, 1);
}

struct hold {
    struct gate begun, open;
};

static int hold(struct scene *s)
{
    struct hold *h = s->arg;
    gate_add(&h->begun);
    int rc = mesh_blocking(s->node, wait_for_gate, &h->open);
    return rc == MESH_OK ? act_ok(s) : rc;
}

struct outcome {
    struct gate gate;
    int error;
    char value[REASON_MAX];
    uint64_t pid;
};

static void note_outcome(void *context, int error, const mesh_result *result)
{
    struct outcome *o = context;
    o->error = error;
    o->pid = result->pid.number;
    mesh_inspect_text(result->value, o->value, sizeof o->value);
    gate_add(&o->gate);
}

static void call_later(const char *id, act_fn fn, const void *arg, struct outcome *o)
{
    mesh_buf message;
    act_message(&message, fn, arg);
    mesh_request r = act_request(id, &message);
    assert_int_equal(mesh_call_async(node, &r, note_outcome, o), MESH_OK);
    mesh_buf_fini(&message);
}

static void check_outcome(struct outcome *o, int error, const char *value)
{
    gate_await(&o->gate, 1);
    assert_int_equal(o->error, error);
    assert_string_equal(o->value, value);
}

/* An exit signal has its place in the mailbox: what stands before it is handled, what stands behind it fails with its
 * reason, and nothing of it reaches the next life. */
static void check_calls_around_an_exit(const char *id, mesh_term reason, const char *seen)
{
    struct outcome busy = {.gate = GATE_INIT}, before = busy, behind = busy;
    struct hold held = {GATE_INIT, GATE_INIT};
    mesh_pid x = pid_of(id);
    int ended = script_count(&script.terminates);
    mesh_stats stats = {.size = sizeof stats};
    assert_int_equal(mesh_stats_read(node, NULL, NULL, &stats), MESH_OK);
    uint64_t dropped = stats.dropped;
    call_later(id, hold, &held, &busy);
    gate_await(&held.begun, 1);
    call_later(id, act_add, NULL, &before);
    assert_int_equal(mesh_exit(node, &x, reason), MESH_OK);
    call_later(id, act_add, NULL, &behind);
    assert_int_equal(act_cast(node, id, act_add, NULL), MESH_OK);
    gate_add(&held.open);
    check_outcome(&busy, MESH_OK, ":ok");
    check_outcome(&before, MESH_OK, "1");
    check_outcome(&behind, MESH_ECRASHED, seen);
    assert_int_equal(before.pid, x.number);
    assert_int_equal(behind.pid, 0);
    assert_int_equal(script_count(&script.terminates), ended + 1);
    assert_string_equal(script.reason, seen);
    assert_int_equal(act_number(node, id, act_add, NULL), 1); /* a fresh one, at once: it is no crash of the id's */
    assert_int_equal(mesh_stats_read(node, NULL, NULL, &stats), MESH_OK);
    assert_int_equal(stats.dropped, dropped + 1);
    assert_int_equal(mesh_exit(node, &x, reason), MESH_ENOPROCESS);
}

static void test_calls_around_an_exit(void **state)
{
    (void)state;
    check_calls_around_an_exit("x", ATOM(boom), ":boom");
    check_calls_around_an_exit("y", ATOM(kill), ":killed");
}

/* ---- Monitors ---- */

struct watched {
    mesh_pid pid;
    mesh_ref ref;
};

static int monitor(struct scene *s)
{
    struct watched *w = s->arg;
    int rc = mesh_monitor(s->self, &w->pid, &w->ref);
    return rc == MESH_OK ? act_ok(s) : rc;
}

static int demonitor(struct scene *s)
{
    struct watched *w = s->arg;
    int rc = mesh_demonitor(s->self, &w->ref);
    return rc == MESH_OK ? act_ok(s) : rc;
}

static void check_down(int index, const struct watched *w, const char *reason)
{
    mesh_ref ref;
    mesh_pid pid;
    mesh_term why;
    char text[REASON_MAX];
    script_await(&script.infos, index + 1);
    assert_int_equal(mesh_match(script.info[index], "{:DOWN, ~r, :process, ~p, ~t}", &ref, &pid, &why), MESH_OK);
    assert_true(mesh_ref_equal(&ref, &w->ref));
    assert_true(mesh_pid_equal(&pid, &w->pid));
    assert_string_equal(mesh_inspect_text(why, text, sizeof text), reason);
}

static void test_monitor(void **state)
{
    (void)state;
    struct watched w = {.pid = pid_of("x")};
    assert_int_equal(act_call(node, "watcher", monitor, &w, NULL), MESH_OK);
    assert_int_equal(act_call(node, "x", act_stop, NULL, NULL), MESH_OK);
    check_down(0, &w, ":normal");
    w.pid = pid_of("x");
    assert_int_equal(act_call(node, "watcher", monitor, &w, NULL), MESH_OK);
    assert_int_equal(act_call(node, "x", act_crash, NULL, NULL), MESH_ECRASHED);
    check_down(1, &w, ":MESH_EINVAL");
    w.pid = pid_of("x");
    assert_int_equal(act_call(node, "watcher", monitor, &w, NULL), MESH_OK);
    assert_int_equal(mesh_exit(node, &w.pid, ATOM(kill)), MESH_OK);
    check_down(2, &w, ":killed");
    assert_int_equal(act_call(node, "watcher", monitor, &w, NULL), MESH_OK); /* it is gone */
    check_down(3, &w, ":noproc");
    assert_int_equal(script_count(&script.infos), 4);
}

static void test_monitors_of_nobody(void **state)
{
    (void)state;
    struct watched w = {.pid = pid_of("x")};
    w.pid.number = UINT64_C(5) << 32 | 123456;
    assert_int_equal(act_call(node, "watcher", monitor, &w, NULL), MESH_OK);
    check_down(0, &w, ":noproc");
}

static void test_two_monitors_are_two_messages(void **state)
{
    (void)state;
    struct watched a = {.pid = pid_of("x")}, b = a;
    assert_int_equal(act_call(node, "watcher", monitor, &a, NULL), MESH_OK);
    assert_int_equal(act_call(node, "watcher", monitor, &b, NULL), MESH_OK);
    assert_false(mesh_ref_equal(&a.ref, &b.ref));
    assert_int_equal(act_call(node, "x", act_stop, NULL, NULL), MESH_OK);
    check_down(0, &a, ":normal");
    check_down(1, &b, ":normal");
}

static void test_demonitor(void **state)
{
    (void)state;
    struct watched a = {.pid = pid_of("x")}, b = a;
    assert_int_equal(act_call(node, "watcher", monitor, &a, NULL), MESH_OK);
    assert_int_equal(act_call(node, "watcher", monitor, &b, NULL), MESH_OK);
    assert_int_equal(act_call(node, "watcher", demonitor, &a, NULL), MESH_OK);
    assert_int_equal(act_call(node, "watcher", demonitor, &a, NULL), MESH_OK); /* no error */
    assert_int_equal(act_call(node, "x", act_stop, NULL, NULL), MESH_OK);
    check_down(0, &b, ":normal");
    assert_int_equal(act_number(node, "watcher", act_add, NULL), 1);
    assert_int_equal(script_count(&script.infos), 1);
}

/* Many watchers of one process, some of which end before it. */
static void test_many_watchers(void **state)
{
    (void)state;
    enum { WATCHERS = 40 };
    static struct watched w[WATCHERS];
    mesh_pid x = pid_of("x");
    char id[16];
    for (int i = 0; i < WATCHERS; i++) {
        w[i].pid = x;
        snprintf(id, sizeof id, "w%d", i);
        assert_int_equal(act_call(node, id, monitor, &w[i], NULL), MESH_OK);
    }
    for (int i = 0; i < WATCHERS; i += 2) {
        snprintf(id, sizeof id, "w%d", i);
        assert_int_equal(act_call(node, id, act_stop, NULL, NULL), MESH_OK);
    }
    script_await(&script.terminates, WATCHERS / 2);
    assert_int_equal(act_call(node, "x", act_stop, NULL, NULL), MESH_OK);
    script_await(&script.infos, WATCHERS / 2);
    for (int i = 0; i < WATCHERS; i++) {
        snprintf(id, sizeof id, "w%d", i);
        assert_int_equal(act_number(node, id, act_add, NULL), 1);
    }
    assert_int_equal(script_count(&script.infos), WATCHERS / 2);
}

/* ---- Links ---- */

static int join(struct scene *s)
{
    int rc = mesh_link(s->self, s->arg);
    return rc == MESH_OK ? act_ok(s) : rc;
}

static int part(struct scene *s)
{
    int rc = mesh_unlink(s->self, s->arg);
    return rc == MESH_OK ? act_ok(s) : rc;
}

static void test_link(void **state)
{
    (void)state;
    mesh_pid b = pid_of("b");
    assert_int_equal(act_call(node, "a", join, &b, NULL), MESH_OK);
    assert_int_equal(act_call(node, "a", join, &b, NULL), MESH_OK); /* once is enough */
    assert_int_equal(act_call(node, "b", act_crash, NULL, NULL), MESH_ECRASHED);
    script_await(&script.terminates, 2); /* b, and a with it */
    assert_string_equal(script.reason, ":MESH_EINVAL");
}

static void test_link_works_both_ways(void **state)
{
    (void)state;
    mesh_pid b = pid_of("b");
    assert_int_equal(act_call(node, "a", join, &b, NULL), MESH_OK);
    assert_int_equal(act_call(node, "a", act_crash, NULL, NULL), MESH_ECRASHED);
    script_await(&script.terminates, 2);
}

static void test_normal_end_of_a_link(void **state)
{
    (void)state;
    mesh_pid b = pid_of("b");
    assert_int_equal(act_number(node, "a", act_add, NULL), 1);
    assert_int_equal(act_call(node, "a", join, &b, NULL), MESH_OK);
    assert_int_equal(act_call(node, "b", act_stop, NULL, NULL), MESH_OK);
    script_await(&script.terminates, 1);
    assert_int_equal(act_number(node, "a", act_add, NULL), 2);
    assert_int_equal(script_count(&script.terminates), 1);
}

static void test_trapped_link(void **state)
{
    (void)state;
    mesh_pid b = pid_of("b"), from = {0};
    assert_int_equal(act_call(node, "a", trap, &b, NULL), MESH_OK);
    assert_int_equal(act_call(node, "a", join, &b, NULL), MESH_OK);
    assert_int_equal(act_call(node, "b", act_crash, NULL, NULL), MESH_ECRASHED);
    script_await(&script.infos, 1);
    assert_int_equal(mesh_match(script.info[0], "{:EXIT, ~p, :MESH_EINVAL}", &from), MESH_OK);
    assert_true(mesh_pid_equal(&from, &b));
}

static void test_unlink(void **state)
{
    (void)state;
    mesh_pid b = pid_of("b");
    assert_int_equal(act_call(node, "a", join, &b, NULL), MESH_OK);
    assert_int_equal(act_call(node, "a", part, &b, NULL), MESH_OK);
    assert_int_equal(act_call(node, "a", part, &b, NULL), MESH_OK);
    assert_int_equal(act_call(node, "b", act_crash, NULL, NULL), MESH_ECRASHED);
    assert_int_equal(act_number(node, "a", act_add, NULL), 1);
    assert_int_equal(script_count(&script.terminates), 1);
}

static void test_link_to_nobody(void **state)
{
    (void)state;
    mesh_pid nobody = pid_of("b");
    nobody.number = UINT64_C(9) << 32 | 5000;
    assert_int_equal(act_call(node, "a", join, &nobody, NULL), MESH_OK);
    script_await(&script.terminates, 1);
    assert_string_equal(script.reason, ":noproc");
}

/* ---- Infos and timers ---- */

static void test_send(void **state)
{
    (void)state;
    mesh_pid x = pid_of("x");
    for (int i = 0; i < 100; i++)
        assert_int_equal(act_send(node, &x, act_add, NULL), MESH_OK);
    assert_int_equal(act_number(node, "x", act_add, NULL), 101);
    assert_int_equal(mesh_send(node, &x, (mesh_term){0}), MESH_OK);
    script_await(&script.infos, 1);
    assert_int_equal(mesh_match(script.info[0], "nil"), MESH_OK);
    assert_int_equal(mesh_send(node, &x, (mesh_term){.data = boom, .len = 2}), MESH_EBADTERM);
    assert_int_equal(mesh_send(NULL, &x, ATOM(boom)), MESH_EINVAL);
    assert_int_equal(mesh_send(node, NULL, ATOM(boom)), MESH_EINVAL);
    assert_int_equal(act_call(node, "x", act_stop, NULL, NULL), MESH_OK);
    assert_int_equal(act_number(node, "x", act_add, NULL), 1);
    assert_int_equal(mesh_send(node, &x, ATOM(boom)), MESH_ENOPROCESS); /* not the new life */
}

static void test_timer(void **state)
{
    (void)state;
    mesh_pid x = pid_of("x");
    mesh_timer timer;
    uint64_t before = now_ms();
    assert_int_equal(mesh_send_after(node, 50, &x, ATOM(boom), &timer), MESH_OK);
    script_await(&script.infos, 1);
    uint64_t took = now_ms() - before;
    assert_true(took >= 49);
    assert_true(took < 3000);
    assert_int_equal(mesh_match(script.info[0], ":boom"), MESH_OK);
    assert_int_equal(mesh_cancel_timer(node, timer), MESH_ENOPROCESS);
    assert_int_equal(mesh_send_after(node, 0, &x, ATOM(boom), NULL), MESH_OK);
    script_await(&script.infos, 2);
}

static void test_cancelled_timer(void **state)
{
    (void)state;
    mesh_pid x = pid_of("x");
    mesh_timer timer, other;
    assert_int_equal(mesh_send_after(node, 60000, &x, ATOM(boom), &timer), MESH_OK);
    assert_int_equal(mesh_cancel_timer(node, timer), MESH_OK);
    assert_int_equal(mesh_cancel_timer(node, timer), MESH_ENOPROCESS);
    assert_int_equal(mesh_send_after(node, 60000, &x, ATOM(boom), &other), MESH_OK);
    assert_int_equal(mesh_cancel_timer(node, timer), MESH_ENOPROCESS); /* the old handle is not the new timer's */
    assert_int_equal(mesh_cancel_timer(node, other), MESH_OK);
    assert_int_equal(mesh_cancel_timer(node, (mesh_timer){0}), MESH_ENOPROCESS);
    assert_int_equal(mesh_cancel_timer(node, (mesh_timer){.timer = &x, .worker = 9999}), MESH_ENOPROCESS);
    assert_int_equal(script_count(&script.infos), 0);
    /* What is left when the node stops is no leak. */
    static uint8_t large[1000] = {109, 0, 0, 3, 227};
    for (int i = 0; i < 100; i++)
        assert_int_equal(mesh_send_after(node, 60000, &x, ATOM(large), NULL), MESH_OK);
}

static int set_timer(struct scene *s)
{
    mesh_pid self;
    mesh_timer timer;
    mesh_self(s->self, &self);
    int rc = mesh_send_after(s->node, 60000, &self, ATOM(boom), &timer);
    if (rc == MESH_OK)
        rc = mesh_cancel_timer(s->node, timer);
    if (rc == MESH_OK)
        rc = mesh_send_after(s->node, 5, &self, ATOM(boom), NULL);
    return rc == MESH_OK ? act_ok(s) : rc;
}

static void test_timers_in_handlers(void **state)
{
    (void)state;
    for (int i = 1; i <= 5; i++) {
        assert_int_equal(act_call(node, "x", set_timer, NULL, NULL), MESH_OK);
        script_await(&script.infos, i);
    }
}

static void test_timer_arguments(void **state)
{
    (void)state;
    mesh_pid x = pid_of("x");
    assert_int_equal(mesh_send_after(NULL, 1, &x, ATOM(boom), NULL), MESH_EINVAL);
    assert_int_equal(mesh_send_after(node, 1, NULL, ATOM(boom), NULL), MESH_EINVAL);
    assert_int_equal(mesh_send_after(node, 1, &x, (mesh_term){.data = boom, .len = 1}, NULL), MESH_EBADTERM);
    assert_int_equal(mesh_cancel_timer(NULL, (mesh_timer){0}), MESH_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_self, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stop_with_reason, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stop_with_a_bad_reason, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_terminate_cannot_change_the_reason, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_exit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_trapped_exit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_calls_around_an_exit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_monitor, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_monitors_of_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_two_monitors_are_two_messages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_demonitor, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_watchers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_link, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_link_works_both_ways, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_normal_end_of_a_link, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_trapped_link, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unlink, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_link_to_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_send, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_timer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancelled_timer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_timers_in_handlers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_timer_arguments, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
