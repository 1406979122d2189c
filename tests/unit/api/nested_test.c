/* Calls inside handlers and tasks: answers, cycles, deadlines that are carried on, what stays valid while a handler is
 * suspended, and handlers whose process is to end meanwhile. */
#include "unit/api/fixture.h"

#include <errno.h>

/* An act that calls the first agent of a path, which calls the next, and so on; the last one runs fn(arg). Answers
 * with what it was answered, or with minus the error. */
struct path {
    const char *const *ids; /* NULL at the end */
    act_fn fn;
    void *arg;
    uint32_t timeout_ms;
};

static int follow(struct scene *s)
{
    const struct path *p = s->arg;
    struct path rest = *p;
    mesh_buf message;
    mesh_result result;
    int64_t value = 0;
    rest.ids++;
    if (rest.ids[0] == NULL)
        act_message(&message, p->fn, p->arg);
    else
        act_message(&message, follow, &rest);
    mesh_request r = act_request(p->ids[0], &message);
    r.timeout_ms = p->timeout_ms;
    int rc = mesh_call(s->node, &r, &result);
    if (rc != MESH_OK)
        value = -rc;
    else if (mesh_match(result.value, "~i", &value) != MESH_OK)
        value = 0;
    mesh_result_release(&result);
    mesh_buf_fini(&message);
    return reply_number(s->from, value);
}

#define IDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_chain_of_calls(void **state)
{
    (void)state;
    struct path p = {.ids = IDS("b", "c", "d", "e", "f"), .fn = act_add};
    for (int i = 1; i <= 100; i++)
        assert_int_equal(act_number(node, "a", follow, &p), i);
    assert_int_equal(script_count(&script.inits), 6);
}

static void test_self_call_is_a_cycle(void **state)
{
    (void)state;
    struct path p = {.ids = IDS("a"), .fn = act_add};
    assert_int_equal(act_number(node, "a", follow, &p), -MESH_ECYCLE);
    assert_int_equal(act_number(node, "a", act_add, NULL), 1); /* it had no effect */
}

static void test_cycle_of_two(void **state)
{
    (void)state;
    struct path p = {.ids = IDS("b", "a"), .fn = act_add};
    assert_int_equal(act_number(node, "a", follow, &p), -MESH_ECYCLE);
    assert_int_equal(act_number(node, "a", act_add, NULL), 1);
}

static void test_long_cycles(void **state)
{
    (void)state;
    struct path p = {.ids = IDS("b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "a"),
                     .fn = act_add};
    assert_int_equal(act_number(node, "a", follow, &p), -MESH_ECYCLE);
    struct path inner = {.ids = IDS("b", "c", "d", "b"), .fn = act_add};
    assert_int_equal(act_number(node, "a", follow, &inner), -MESH_ECYCLE);
}

/* More than the 16 calls that a message carries: such a cycle ends at the deadline. */
static void test_cycle_longer_than_the_chain(void **state)
{
    (void)state;
    struct path p = {
        .ids = IDS("b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t", "a"),
        .fn = act_add,
        .timeout_ms = 100};
    assert_int_equal(act_number(node, "a", follow, &p), -MESH_ETIMEOUT);
}

/* Two that call each other at the same time, each from a call of its own, wait for each other's deadline: no chain
 * leads from one to the other, so this is no cycle that anybody could see. */
static void test_crossing_calls_are_no_cycle(void **state)
{
    (void)state;
    static struct parked parked = PARKED_INIT;
    struct path park = {.ids = IDS("b"), .fn = act_park, .arg = &parked, .timeout_ms = 0};
    mesh_buf message;
    act_message(&message, follow, &park);
    mesh_request r = act_request("a", &message);
    assert_int_equal(mesh_cast(node, &r), MESH_OK); /* a waits for b, which has returned */
    gate_await(&parked.gate, 1);
    struct path back = {.ids = IDS("a"), .fn = act_add, .timeout_ms = 50};
    assert_int_equal(act_number(node, "b", follow, &back), -MESH_ETIMEOUT); /* not MESH_ECYCLE */
    assert_int_equal(reply_number(parked.from[0], 1), MESH_OK);
    assert_int_equal(act_number(node, "a", act_add, NULL), 1);
    mesh_buf_fini(&message);
}

/* A cast of the suspended handler's callee to it is no call, and waits in the mailbox. */
static int cast_back(struct scene *s)
{
    int rc = act_cast(s->node, s->arg, act_add, NULL);
    return reply_number(s->from, rc);
}

static void test_casts_start_an_empty_chain(void **state)
{
    (void)state;
    static char a[] = "a";
    struct path p = {.ids = IDS("b"), .fn = cast_back, .arg = a};
    assert_int_equal(act_number(node, "a", follow, &p), MESH_OK);
    assert_int_equal(act_number(node, "a", act_add, NULL), 2);
}

/* ---- Deadlines ---- */

static void test_nested_call_ends_by_the_outer_deadline(void **state)
{
    (void)state;
    static struct parked parked = PARKED_INIT;
    struct path p = {.ids = IDS("b", "c"), .fn = act_park, .arg = &parked, .timeout_ms = 10000};
    mesh_buf message;
    mesh_result result;
    act_message(&message, follow, &p);
    mesh_request r = act_request("a", &message);
    r.timeout_ms = 60;
    uint64_t before = now_ms();
    /* The nested calls end by the outer deadline, never before it. A thread that the system keeps from looking at its
     * deadline may then find a's answer, which says so. */
    int rc = mesh_call(node, &r, &result);
    int64_t answer = -MESH_ETIMEOUT;
    if (rc != MESH_ETIMEOUT) {
        assert_int_equal(rc, MESH_OK);
        assert_int_equal(mesh_match(result.value, "~i", &answer), MESH_OK);
    }
    assert_int_equal(answer, -MESH_ETIMEOUT);
    assert_true(now_ms() - before >= 60);
    mesh_result_release(&result);
    /* Both a and b must be free again now: their calls ended with the outer one. */
    assert_int_equal(act_number(node, "a", act_add, NULL), 1);
    assert_int_equal(act_number(node, "b", act_add, NULL), 1);
    assert_true(now_ms() - before < 3000);
    assert_int_equal(reply_number(parked.from[0], 1), MESH_OK);
    mesh_buf_fini(&message);
}

static void test_nested_call_ends_by_its_own_deadline(void **state)
{
    (void)state;
    static struct parked parked = PARKED_INIT;
    struct path p = {.ids = IDS("b"), .fn = act_park, .arg = &parked, .timeout_ms = 20};
    assert_int_equal(act_number(node, "a", follow, &p), -MESH_ETIMEOUT);
    assert_int_equal(reply_number(parked.from[0], 1), MESH_OK); /* late: harms nobody */
    for (int i = 1; i < 200; i++)
        assert_int_equal(act_number(node, "a", act_add, NULL), i);
}

/* A message whose caller has given up before it was handled is not handled. */
static void test_expired_calls_are_not_handled(void **state)
{
    (void)state;
    static struct parked parked = PARKED_INIT;
    struct path park = {.ids = IDS("b"), .fn = act_park, .arg = &parked};
    mesh_buf message;
    mesh_result result;
    assert_int_equal(act_cast(node, "a", follow, &park), MESH_OK);
    gate_await(&parked.gate, 1);
    act_message(&message, act_add, NULL);
    mesh_request r = act_request("a", &message);
    r.timeout_ms = 20;
    assert_int_equal(mesh_call(node, &r, &result), MESH_ETIMEOUT); /* a is suspended */
    assert_int_equal(reply_number(parked.from[0], 1), MESH_OK);
    assert_int_equal(act_number(node, "a", act_add, NULL), 1);
    mesh_buf_fini(&message);
}

/* ---- What stays valid ---- */

static int keep_across_calls(struct scene *s)
{
    mesh_buf message;
    mesh_result first, other;
    uint64_t sum = 0;
    act_message(&message, act_echo, NULL);
    mesh_request r = act_request("b", &message);
    errno = 17;
    mesh_bytes id = mesh_id(s->self);
    if (mesh_call(s->node, &r, &first) != MESH_OK)
        return MESH_EINVAL;
    for (int i = 0; i < 100; i++) { /* not released: the handler's end does that */
        if (mesh_call(s->node, &r, &other) != MESH_OK)
            return MESH_EINVAL;
        if (i % 3 == 0)
            mesh_result_release(&other);
    }
    bool same = mesh_term_equal(first.value, mesh_buf_term(&message)) && errno == 17 && id.len == 1 &&
                memcmp(id.data, "a", 1) == 0;
    for (size_t i = 0; i < s->term.len; i++)
        sum += s->term.data[i];
    mesh_buf_fini(&message);
    return reply_number(s->from, same ? (int64_t)sum : -1);
}

static void test_terms_live_until_the_handler_returns(void **state)
{
    (void)state;
    mesh_buf message;
    int64_t sum = 0;
    act_message(&message, keep_across_calls, NULL);
    for (size_t i = 0; i < message.len; i++)
        sum += message.data[i];
    assert_int_equal(act_number(node, "a", keep_across_calls, NULL), sum);
    mesh_buf_fini(&message);
}

/* Large replies, in handlers that release them and in such that do not. */
static int large(struct scene *s)
{
    static uint8_t space[100 << 10];
    mesh_buf buf;
    mesh_bytes bytes = {space, sizeof space};
    mesh_buf_init(&buf);
    int rc = mesh_build(&buf, "~b", bytes);
    if (rc == MESH_OK)
        rc = mesh_reply(s->from, mesh_buf_term(&buf));
    mesh_buf_fini(&buf);
    return rc;
}

static int ask_for_large(struct scene *s)
{
    mesh_result result;
    size_t bytes = 0;
    for (int i = 0; i < 20; i++) {
        int rc = act_call(s->node, "b", large, NULL, &result);
        if (rc != MESH_OK)
            return rc;
        bytes += result.value.len;
        if (i % 2 == 0)
            mesh_result_release(&result);
    }
    return reply_number(s->from, (int64_t)bytes);
}

static void test_large_replies_in_handlers(void **state)
{
    (void)state;
    assert_int_equal(act_number(node, "a", ask_for_large, NULL), 20 * ((100 << 10) + 5));
}

/* A node's handler calls another node of the same program. */
static mesh_node *other_node;

static int ask_other_node(struct scene *s)
{
    mesh_result result;
    int64_t n = 0;
    int rc = act_call(other_node, "b", large, NULL, &result); /* released at the handler's end */
    if (rc == MESH_OK)
        rc = act_call(other_node, "b", act_add, NULL, &result);
    if (rc == MESH_OK)
        rc = mesh_match(result.value, "~i", &n);
    mesh_result_release(&result);
    return rc == MESH_OK ? reply_number(s->from, n) : rc;
}

static void test_calls_between_nodes_of_a_program(void **state)
{
    (void)state;
    other_node = agent_node(NULL);
    for (int i = 1; i <= 10; i++)
        assert_int_equal(act_number(node, "a", ask_other_node, NULL), i);
    agent_stop(other_node);
}

/* ---- Processes that are to end ---- */

/* Calls "b", which parks the call; notes what it got, and then what a second call got. */
struct waits {
    struct parked parked;
    struct gate ended;
    int first, second;
    bool pass_on;
};

static int wait_for_answer(struct scene *s)
{
    struct waits *w = s->arg;
    w->first = act_call(s->node, "b", act_park, &w->parked, NULL);
    w->second = act_call(s->node, "c", act_add, NULL, NULL);
    gate_add(&w->ended);
    return w->pass_on ? w->first : MESH_OK;
}

static const uint8_t boom[] = {119, 4, 'b', 'o', 'o', 'm'}, kill[] = {119, 4, 'k', 'i', 'l', 'l'};

static void check_interrupted(bool pass_on)
{
    struct waits w = {.parked = PARKED_INIT, .ended = GATE_INIT, .pass_on = pass_on};
    mesh_pid pid = {0};
    script_reset();
    assert_int_equal(act_call(node, "a", act_self, &pid, NULL), MESH_OK);
    assert_int_equal(act_cast(node, "a", wait_for_answer, &w), MESH_OK);
    gate_await(&w.parked.gate, 1);
    assert_int_equal(mesh_exit(node, &pid, (mesh_term){.data = boom, .len = sizeof boom}), MESH_OK);
    gate_await(&w.ended, 1);
    assert_int_equal(w.first, MESH_ESTOPPING);
    assert_int_equal(w.second, MESH_ESTOPPING);
    script_await(&script.terminates, 1);
    assert_string_equal(script.reason, ":boom");
    assert_int_equal(reply_number(w.parked.from[0], 1), MESH_OK); /* late */
    int rc;
    while ((rc = act_call(node, "a", act_stop, NULL, NULL)) == MESH_ECRASHED)
        ; /* it reached the mailbox before the old life was over */
    assert_int_equal(rc, MESH_OK);
    script_await(&script.terminates, 2);
}

static void test_exit_interrupts_a_suspended_handler(void **state)
{
    (void)state;
    check_interrupted(false);
    check_interrupted(true); /* passing the error on is no crash */
}

static int trap(struct scene *s)
{
    mesh_trap_exits(s->self, true);
    return act_ok(s);
}

static void test_trapping_handler_is_not_interrupted(void **state)
{
    (void)state;
    struct waits w = {.parked = PARKED_INIT, .ended = GATE_INIT};
    mesh_pid pid = {0};
    assert_int_equal(act_call(node, "a", act_self, &pid, NULL), MESH_OK);
    assert_int_equal(act_call(node, "a", trap, NULL, NULL), MESH_OK);
    assert_int_equal(act_cast(node, "a", wait_for_answer, &w), MESH_OK);
    gate_await(&w.parked.gate, 1);
    assert_int_equal(mesh_exit(node, &pid, (mesh_term){.data = boom, .len = sizeof boom}), MESH_OK);
    assert_int_equal(reply_number(w.parked.from[0], 1), MESH_OK);
    gate_await(&w.ended, 1);
    assert_int_equal(w.first, MESH_OK);
    assert_int_equal(w.second, MESH_OK);
    script_await(&script.infos, 1);
    assert_int_equal(mesh_match(script.info[0], "{:EXIT, _, :boom}"), MESH_OK);
    /* :kill cannot be trapped. */
    assert_int_equal(act_cast(node, "a", wait_for_answer, &w), MESH_OK);
    gate_await(&w.parked.gate, 2);
    assert_int_equal(mesh_exit(node, &pid, (mesh_term){.data = kill, .len = sizeof kill}), MESH_OK);
    gate_await(&w.ended, 2);
    assert_int_equal(w.first, MESH_ESTOPPING);
    script_await(&script.terminates, 1);
    assert_string_equal(script.reason, ":killed");
    assert_int_equal(reply_number(w.parked.from[1], 1), MESH_OK);
}

/* Begins to trap with the exit signal already in the mailbox. */
static int exit_self_then_trap(struct scene *s)
{
    mesh_pid self;
    mesh_self(s->self, &self);
    int rc = mesh_exit(s->node, &self, (mesh_term){.data = boom, .len = sizeof boom});
    mesh_trap_exits(s->self, true);
    return rc == MESH_OK ? act_ok(s) : rc;
}

static void test_trap_after_the_signal(void **state)
{
    (void)state;
    struct path p = {.ids = IDS("b"), .fn = act_add};
    assert_int_equal(act_call(node, "a", exit_self_then_trap, NULL, NULL), MESH_OK);
    script_await(&script.infos, 1);
    assert_int_equal(act_number(node, "a", follow, &p), 1);
}

static void test_node_stop_interrupts_suspended_handlers(void **state)
{
    (void)state;
    static const char *const ids[] = {"a", "a2", "a3"};
    struct waits w[3];
    for (int i = 0; i < 3; i++) {
        w[i] = (struct waits){.parked = PARKED_INIT, .ended = GATE_INIT, .pass_on = i == 1};
        assert_int_equal(act_cast(node, ids[i], wait_for_answer, &w[i]), MESH_OK);
        gate_await(&w[i].parked.gate, 1);
    }
    assert_int_equal(mesh_node_stop(node), MESH_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(w[i].ended.count, 1);
        assert_true(w[i].first == MESH_ESTOPPING || w[i].first == MESH_ENOREPLY); /* "b" may have ended before */
        assert_int_equal(w[i].second, MESH_ESTOPPING);
    }
    assert_int_equal(script.terminates, 4);
    node = agent_node(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_chain_of_calls, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_self_call_is_a_cycle, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cycle_of_two, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_long_cycles, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cycle_longer_than_the_chain, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_crossing_calls_are_no_cycle, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_casts_start_an_empty_chain, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nested_call_ends_by_the_outer_deadline, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nested_call_ends_by_its_own_deadline, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_expired_calls_are_not_handled, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_terms_live_until_the_handler_returns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_large_replies_in_handlers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_calls_between_nodes_of_a_program, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_exit_interrupts_a_suspended_handler, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_trapping_handler_is_not_interrupted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_trap_after_the_signal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_node_stop_interrupts_suspended_handlers, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
