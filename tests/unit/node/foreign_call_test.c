/* Processes and the name `mesh`, called by other nodes as gen_servers. */
#include "unit/node/abroad.h"

#include <stdio.h>

/* A request as GenServer.call makes it. */
enum tag { TAG_PLAIN, TAG_ALIAS, TAG_ALIAS_AND_MORE };

static void put_call(mesh_buf *out, const mesh_pid *from, enum tag tag, uint32_t ref, mesh_term request)
{
    const mesh_ref r = beam_ref(ref), monitor = beam_ref(99);
    mesh_buf_init(out);
    if (tag == TAG_PLAIN)
        assert_int_equal(mesh_build(out, "{:\"$gen_call\", {~p, ~r}, ~t}", from, &r, request), MESH_OK);
    else if (tag == TAG_ALIAS)
        assert_int_equal(mesh_build(out, "{:\"$gen_call\", {~p, [:alias | ~r]}, ~t}", from, &r, request), MESH_OK);
    else
        assert_int_equal(
            mesh_build(out, "{:\"$gen_call\", {~p, [[:alias | ~r] | ~r]}, ~t}", from, &r, &monitor, request), MESH_OK);
}

static bool come_call(const mesh_pid *from, const mesh_pid *to, enum tag tag, uint32_t ref, mesh_term request)
{
    mesh_buf message;
    put_call(&message, from, tag, ref, request);
    bool there = to != NULL ? come_term(to, mesh_buf_term(&message)) : come_to_name("mesh", mesh_buf_term(&message));
    mesh_buf_fini(&message);
    return there;
}

static bool come_act_call(const mesh_pid *from, const mesh_pid *to, act_fn fn, const void *arg)
{
    mesh_buf act;
    act_message(&act, fn, arg);
    bool there = come_call(from, to, TAG_PLAIN, 1, mesh_buf_term(&act));
    mesh_buf_fini(&act);
    return there;
}

/* The text of a reply with a reference as tag. */
static const char *answer(const char *from, uint32_t ref, const char *value)
{
    static char line[300];
    const mesh_ref r = beam_ref(ref);
    char printed[100];
    mesh_buf term;
    mesh_buf_init(&term);
    assert_int_equal(mesh_build(&term, "~r", &r), MESH_OK);
    snprintf(line, sizeof line, "beam@host send %s b {%s, %s}", from,
             mesh_inspect_text(mesh_buf_term(&term), printed, sizeof printed), value);
    mesh_buf_fini(&term);
    return line;
}

static mesh_pid caller(void)
{
    mesh_pid b = beam(1);
    label(&b, "b");
    return b;
}

static uint32_t calls_open(void)
{
    struct foreign_counts counts;
    foreign_count(foreign, &counts);
    return counts.calls;
}

static uint64_t dropped(void)
{
    struct foreign_counts counts;
    foreign_count(foreign, &counts);
    return counts.dropped;
}

/* ---- To a process ---- */

static void test_call(void **state)
{
    (void)state;
    mesh_pid x = pid_of("x"), b = caller();
    static const uint8_t hi[] = {119, 2, 'h', 'i'};
    const mesh_term request = {.data = hi, .len = sizeof hi}; /* agents answer what they do not know with itself */
    assert_true(come_call(&b, &x, TAG_PLAIN, 7, request));
    expect(answer("x", 7, ":hi"));
    int more = 41;
    assert_true(come_act_call(&b, &x, act_add, &more));
    expect(answer("x", 1, "41"));
    expect_nothing();
}

static void expect_alias_reply(enum tag tag, const char *value)
{
    char line[400], tag_text[200], alias[100];
    const mesh_ref r = beam_ref(7), monitor = beam_ref(99);
    mesh_buf term;
    mesh_buf_init(&term);
    mesh_build(&term, "~r", &r);
    mesh_inspect_text(mesh_buf_term(&term), alias, sizeof alias);
    if (tag == TAG_ALIAS)
        mesh_build(&term, "[:alias | ~r]", &r);
    else
        mesh_build(&term, "[[:alias | ~r] | ~r]", &r, &monitor);
    mesh_inspect_text(mesh_buf_term(&term), tag_text, sizeof tag_text);
    mesh_buf_fini(&term);
    snprintf(line, sizeof line, "beam@host send_alias x %s {%s, %s}", alias, tag_text, value);
    expect(line);
}

static void test_aliases(void **state)
{
    (void)state;
    mesh_pid x = pid_of("x"), b = caller();
    static const uint8_t hi[] = {119, 2, 'h', 'i'};
    const mesh_term request = {.data = hi, .len = sizeof hi};
    assert_true(come_call(&b, &x, TAG_ALIAS, 7, request));
    expect_alias_reply(TAG_ALIAS, ":hi");
    assert_true(come_call(&b, &x, TAG_ALIAS_AND_MORE, 7, request));
    expect_alias_reply(TAG_ALIAS_AND_MORE, ":hi");
}

static void test_cast_and_info(void **state)
{
    (void)state;
    mesh_pid x = pid_of("x");
    mesh_buf act, message;
    int more = 5;
    act_message(&act, act_add, &more);
    mesh_buf_init(&message);
    assert_int_equal(mesh_build(&message, "{:\"$gen_cast\", ~t}", mesh_buf_term(&act)), MESH_OK);
    assert_true(come_term(&x, mesh_buf_term(&message)));
    assert_true(come_send(&x, "{:\"$gen_cast\", :stray}"));
    assert_true(come_term(&x, mesh_buf_term(&act)));
    assert_true(come_send(&x, "{:\"$gen_call\", {:no_pid, 1}, 2}"));
    assert_true(come_send(&x, "{:\"$gen_call\", 2}"));
    int none = 0;
    assert_int_equal(act_number(node, "x", act_add, &none), 10);
    assert_int_equal(script_count(&script.strays), 1); /* a cast that agents do not know */
    assert_int_equal(script_count(&script.infos), 2);
    mesh_buf_fini(&act);
    mesh_buf_fini(&message);
    expect_nothing();
}

static void test_crash_is_told_by_the_monitor(void **state)
{
    (void)state;
    mesh_pid x = pid_of("x"), b = caller();
    assert_true(come_monitor(&b, &x, 3));
    assert_true(come_act_call(&b, &x, act_crash_boom, NULL));
    expect("beam@host down x b ref3 :boom");
    pid_of("x"); /* once that answers, the life before it is over */
    assert_false(come_act_call(&b, &x, act_ok, NULL));
    expect_counts(0, 0);
    assert_int_equal(calls_open(), 0);
    expect_nothing();
}

static void test_answers_late(void **state)
{
    (void)state;
    struct parked parked = PARKED_INIT;
    mesh_pid x = pid_of("x"), b = caller();
    assert_true(come_act_call(&b, &x, act_park, &parked));
    assert_true(come_act_call(&b, &x, act_park, &parked));
    assert_true(come_act_call(&b, &x, act_park, &parked));
    gate_await(&parked.gate, 3);
    assert_int_equal(calls_open(), 3);
    assert_int_equal(reply_number(parked.from[1], 2), MESH_OK);
    expect(answer("x", 1, "2"));
    assert_int_equal(mesh_from_drop(parked.from[2]), MESH_OK); /* no answer */
    beam_down();
    assert_int_equal(reply_number(parked.from[0], 3), MESH_OK); /* nobody waits any more */
    assert_int_equal(reply_number(parked.from[0], 3), MESH_EREPLIED);
    uint64_t until = now_ms() + PATIENCE_MS;
    while (calls_open() > 0 && now_ms() < until)
        act_call(node, "x", act_ok, NULL, NULL);
    assert_int_equal(calls_open(), 0);
    assert_int_equal(dropped(), 1);
    assert_int_equal(connects(), 0);
    expect_nothing();
}

/* {:stop, :normal, reply, state}: the caller must not see the end before the reply. */
static void test_answers_before_it_ends(void **state)
{
    (void)state;
    mesh_pid b = caller();
    for (uint32_t i = 0; i < 8; i++) {
        char id[8], down[64];
        snprintf(id, sizeof id, "x%u", i);
        snprintf(down, sizeof down, "beam@host down %s b ref%u :normal", id, i);
        mesh_pid x = pid_of(id);
        assert_true(come_monitor(&b, &x, i));
        assert_true(come_act_call(&b, &x, act_stop, NULL));
        expect(answer(id, 1, ":ok"));
        expect(down);
    }
    expect_nothing();
}

/* A process that owes answers and ends pays them, without a word to callers abroad. */
static void test_ends_without_an_answer(void **state)
{
    (void)state;
    struct parked parked = PARKED_INIT;
    mesh_pid x = pid_of("x"), b = caller();
    assert_true(come_monitor(&b, &x, 3));
    assert_true(come_act_call(&b, &x, act_park, &parked));
    gate_await(&parked.gate, 1);
    assert_true(come_exit2(&b, &x, ":boom"));
    expect("beam@host down x b ref3 :boom");
    script_await(&script.terminates, 1);
    assert_int_equal(reply_number(parked.from[0], 1), MESH_EREPLIED);
    expect_nothing();
}

static void test_bounds(void **state)
{
    (void)state;
    abroad_restart(&(struct foreign_limits){.calls = 2});
    struct parked parked = PARKED_INIT;
    mesh_pid x = pid_of("x"), b = caller();
    for (int i = 0; i < 3; i++)
        assert_true(come_act_call(&b, &x, act_park, &parked));
    act_call(node, "x", act_ok, NULL, NULL);
    assert_int_equal(gate_count(&parked.gate), 2);
    assert_int_equal(dropped(), 1);
    static const uint8_t request[] = {119, 1, 'x'};
    assert_true(come_call(&b, NULL, TAG_PLAIN, 4, (mesh_term){.data = request, .len = sizeof request}));
    expect(answer("c@host/11", 4, "{:error, :nomatch}"));
    reply_number(parked.from[0], 0);
    reply_number(parked.from[1], 0);
    expect(answer("x", 1, "0"));
    expect(answer("x", 1, "0"));
}

static void test_full_mailbox(void **state)
{
    (void)state;
    mesh_module small = agent_module(false);
    small.name = "Small";
    small.max_mailbox = 1;
    assert_int_equal(mesh_register_module(node, &small), MESH_OK);
    mesh_pid b = caller(), x = {0};
    mesh_buf message;
    mesh_result result;
    act_message(&message, act_self, &x);
    mesh_request r = act_request("small", &message);
    r.module = "Small";
    assert_int_equal(mesh_call(node, &r, &result), MESH_OK);
    mesh_result_release(&result);
    mesh_buf_fini(&message);
    label(&x, "small");
    /* While its handler is held, one message may wait. */
    static struct gate inside = GATE_INIT, go = GATE_INIT;
    struct gate *gates[] = {&inside, &go};
    assert_true(come_act_call(&b, &x, act_hold, gates));
    gate_await(&inside, 1);
    assert_true(come_act_call(&b, &x, act_ok, NULL));
    assert_true(come_act_call(&b, &x, act_ok, NULL));
    assert_true(come_send(&x, ":info"));
    assert_int_equal(dropped(), 2);
    gate_add(&go);
    expect(answer("small", 1, ":ok"));
    expect(answer("small", 1, ":ok"));
    expect_nothing();
}

/* A caller of this very node, whose request another node has passed on. */
static void test_caller_of_this_node(void **state)
{
    (void)state;
    mesh_pid x = pid_of("x"), y = pid_of("y");
    static const uint8_t hi[] = {119, 2, 'h', 'i'};
    assert_true(come_call(&y, &x, TAG_PLAIN, 7, (mesh_term){.data = hi, .len = sizeof hi}));
    script_await(&script.infos, 1);
    assert_int_equal(mesh_match(script.info[0], "{_, :hi}"), MESH_OK);
    expect_nothing();
}

/* ---- To the name `mesh` ---- */

static mesh_term request_term(mesh_buf *out, const char *module, const char *id, const mesh_buf *payload)
{
    mesh_buf_init(out);
    assert_int_equal(mesh_build(out, "{:call, :test, ~a, ~s, ~t}", module, id, mesh_buf_term(payload)), MESH_OK);
    return mesh_buf_term(out);
}

static void call_by_name(const char *module, const char *id, act_fn fn, const void *arg)
{
    mesh_buf act, request;
    const mesh_pid b = beam(1);
    act_message(&act, fn, arg);
    assert_true(come_call(&b, NULL, TAG_PLAIN, 7, request_term(&request, module, id, &act)));
    mesh_buf_fini(&act);
    mesh_buf_fini(&request);
}

static void expect_ok(const mesh_pid *pid, const char *value)
{
    char text[200], printed[100];
    mesh_buf term;
    mesh_buf_init(&term);
    assert_int_equal(mesh_build(&term, "~p", pid), MESH_OK);
    snprintf(text, sizeof text, "{:ok, %s, %s}", mesh_inspect_text(mesh_buf_term(&term), printed, sizeof printed),
             value);
    mesh_buf_fini(&term);
    expect(answer("c@host/11", 7, text));
}

static void test_mesh_calls(void **state)
{
    (void)state;
    caller();
    mesh_pid x = pid_of("x");
    int more = 3;
    call_by_name("Agent", "x", act_add, &more);
    expect_ok(&x, "3");
    call_by_name("Elixir.Agent", "x", act_add, &more);
    expect_ok(&x, "6");
    call_by_name("Agent", "x", act_crash_boom, NULL);
    expect(answer("c@host/11", 7, "{:error, {:crashed, :boom}}"));
    call_by_name("Nobody", "x", act_ok, NULL);
    expect(answer("c@host/11", 7, "{:error, :nomodule}"));
    call_by_name("Agent", "", act_ok, NULL);
    expect(answer("c@host/11", 7, "{:error, :badid}"));
    struct parked parked = PARKED_INIT;
    call_by_name("Agent", "y", act_park, &parked);
    gate_await(&parked.gate, 1);
    mesh_from_drop(parked.from[0]);
    expect(answer("c@host/11", 7, "{:error, :noreply}"));
    expect_nothing();
}

static int refuse(struct scene *s)
{
    return mesh_crash(s->self, s->term);
}

static void come_start(const char *id, mesh_term init_arg)
{
    const mesh_pid b = beam(1);
    mesh_buf act, request;
    act_message(&act, act_ok, NULL);
    mesh_buf_init(&request);
    assert_int_equal(mesh_build(&request, "{:call, :test, :Agent, ~s, ~t, ~t}", id, mesh_buf_term(&act), init_arg),
                     MESH_OK);
    assert_true(come_call(&b, NULL, TAG_PLAIN, 7, mesh_buf_term(&request)));
    mesh_buf_fini(&request);
    mesh_buf_fini(&act);
}

static void test_mesh_starts(void **state)
{
    (void)state;
    static const uint8_t seventeen[] = {97, 17}, no[] = {119, 2, 'n', 'o'};
    caller();
    mesh_pid x = pid_of("x");
    come_start("x", (mesh_term){.data = no, .len = sizeof no}); /* it runs already */
    expect_ok(&x, ":ok");
    come_start("new", (mesh_term){.data = seventeen, .len = sizeof seventeen});
    script_await(&script.inits, 2);
    assert_int_equal(script.init_arg, 17);
    x = pid_of("new");
    expect_ok(&x, ":ok");
    script.on_init = refuse;
    come_start("other", (mesh_term){.data = no, .len = sizeof no});
    expect(answer("c@host/11", 7, "{:error, {:init, :no}}"));
    expect_nothing();
}

static void test_mesh_casts(void **state)
{
    (void)state;
    mesh_buf act, message;
    int more = 5, none = 0;
    act_message(&act, act_add, &more);
    mesh_buf_init(&message);
    assert_int_equal(
        mesh_build(&message, "{:\"$gen_cast\", {:cast, :test, :Agent, \"x\", ~t, 4}}", mesh_buf_term(&act)), MESH_OK);
    assert_true(come_to_name("mesh", mesh_buf_term(&message)));
    assert_int_equal(act_number(node, "x", act_add, &none), 5);
    assert_int_equal(script.init_arg, 4);
    assert_int_equal(dropped(), 0);
    assert_int_equal(mesh_build(&message, "{:\"$gen_cast\", {:cast, :none, :Agent, \"x\", ~t}}", mesh_buf_term(&act)),
                     MESH_OK);
    assert_true(come_to_name("mesh", mesh_buf_term(&message)));
    assert_true(come_to_name("mesh", mesh_buf_term(&act))); /* no request at all */
    assert_int_equal(dropped(), 2);
    assert_false(come_to_name("rex", mesh_buf_term(&message)));
    mesh_buf_fini(&act);
    mesh_buf_fini(&message);
    expect_nothing();
}

static void test_mesh_is_a_process(void **state)
{
    (void)state;
    mesh_pid b = caller(), mesh = pid_of("x");
    mesh.number = PIDS_MESH;
    assert_true(come_monitor(&b, &mesh, 1));
    assert_true(come_demonitor(&b, &mesh, 1));
    assert_true(come_link(&b, &mesh));
    assert_true(come_exit2(&b, &mesh, ":kill"));
    static const uint8_t request[] = {119, 1, 'x'};
    assert_true(come_call(&b, &mesh, TAG_PLAIN, 4, (mesh_term){.data = request, .len = sizeof request}));
    expect(answer("c@host/11", 4, "{:error, :nomatch}"));
    expect_counts(0, 0);
    expect_nothing();
}

/* ---- On a worker ---- */

struct on_worker {
    struct errand errand;
    mesh_pid to;
    struct gate done;
    bool there[3];
};

static void deliver_here(struct worker *w, struct errand *e)
{
    struct on_worker *o = (struct on_worker *)e;
    const mesh_pid b = beam(1);
    mesh_buf act, message, request, to;
    struct control c = {.kind = CONTROL_SEND};
    act_message(&act, act_ok, NULL);
    put_call(&message, &b, TAG_PLAIN, 1, mesh_buf_term(&act));
    mesh_buf_init(&to);
    mesh_put_pid(&to, &o->to);
    c.to = mesh_buf_term(&to);
    c.message = mesh_buf_term(&message);
    o->there[0] = foreign_deliver(foreign, w, mesh_str("beam@host"), &c);
    mesh_buf_fini(&message);
    put_call(&message, &b, TAG_PLAIN, 7, request_term(&request, "Agent", "x", &act));
    mesh_buf_clear(&to);
    mesh_put_atom(&to, mesh_str("mesh"));
    c = (struct control){.kind = CONTROL_SEND_NAME, .to = mesh_buf_term(&to), .message = mesh_buf_term(&message)};
    o->there[1] = foreign_deliver(foreign, w, mesh_str("beam@host"), &c);
    mesh_buf_fini(&message);
    mesh_buf_fini(&request);
    mesh_buf_fini(&act);
    mesh_buf_fini(&to);
    o->there[2] = foreign_watch(foreign, w, o->to.number);
    gate_add(&o->done);
}

static void test_on_a_worker(void **state)
{
    (void)state;
    caller();
    struct on_worker o = {.errand.run = deliver_here, .to = pid_of("x"), .done = GATE_INIT};
    worker_errand(&node->runtime.workers[0], &o.errand);
    gate_await(&o.done, 1);
    for (int i = 0; i < 3; i++)
        assert_true(o.there[i]);
    expect(answer("x", 1, ":ok"));
    expect_ok(&o.to, ":ok");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, abroad_set_up, abroad_tear_down)
        TEST(test_call),
        TEST(test_aliases),
        TEST(test_cast_and_info),
        TEST(test_crash_is_told_by_the_monitor),
        TEST(test_answers_late),
        TEST(test_answers_before_it_ends),
        TEST(test_ends_without_an_answer),
        TEST(test_bounds),
        TEST(test_full_mailbox),
        TEST(test_caller_of_this_node),
        TEST(test_mesh_calls),
        TEST(test_mesh_starts),
        TEST(test_mesh_casts),
        TEST(test_mesh_is_a_process),
        TEST(test_on_a_worker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
