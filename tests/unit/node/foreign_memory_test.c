/* Memory that is refused to processes abroad: each allocation fails once, in what comes from other nodes and in what
 * processes do with them. Somebody may not be told, but nothing stays behind when the link is down, and nothing leaks
 * (the leak sanitizer looks). See unit/refuse.h. */
#include "unit/node/abroad.h"

#include "unit/refuse.h"

enum { TRIES_MAX = 1000, STEPS_MAX = 16 };

/* ---- From there ---- */

/* Control messages, made while there is memory. */
struct coming {
    struct control control[STEPS_MAX];
    int count;
    mesh_buf from, to, name, ref, call, mesh_call, large;
};

static void add(struct coming *c, enum control_kind kind, const mesh_buf *message)
{
    struct control *k = &c->control[c->count++];
    *k = (struct control){.kind = kind,
                          .from = mesh_buf_term(&c->from),
                          .to = mesh_buf_term(kind == CONTROL_SEND_NAME ? &c->name : &c->to),
                          .ref = mesh_buf_term(&c->ref),
                          .id = 1};
    if (message != NULL)
        k->message = mesh_buf_term(message);
}

static void make(struct coming *c, const mesh_pid *to)
{
    const mesh_pid b = beam(1);
    const mesh_ref ref = beam_ref(1);
    mesh_buf act;
    char text[200] = {0};
    c->count = 0;
    mesh_buf *const all[] = {&c->from, &c->to, &c->name, &c->ref, &c->call, &c->mesh_call, &c->large};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        mesh_buf_init(all[i]);
    act_message(&act, act_ok, NULL);
    memset(text, 'x', sizeof text - 1);
    mesh_put_pid(&c->from, &b);
    mesh_put_pid(&c->to, to);
    mesh_put_atom(&c->name, mesh_str("mesh"));
    mesh_put_ref(&c->ref, &ref);
    assert_int_equal(mesh_build(&c->large, "~s", text), MESH_OK);
    assert_int_equal(mesh_build(&c->call, "{:\"$gen_call\", {~p, ~r}, ~s}", &b, &ref, text), MESH_OK);
    assert_int_equal(mesh_build(&c->mesh_call, "{:\"$gen_call\", {~p, ~r}, {:call, :test, :Agent, \"y\", ~t, ~s}}", &b,
                                &ref, mesh_buf_term(&act), text),
                     MESH_OK);
    mesh_buf_fini(&act);
    add(c, CONTROL_MONITOR, NULL);
    add(c, CONTROL_LINK, NULL);
    add(c, CONTROL_SEND, &c->call);
    add(c, CONTROL_SEND_NAME, &c->mesh_call);
    add(c, CONTROL_SEND, &c->large);
    add(c, CONTROL_EXIT2, &c->large);
    add(c, CONTROL_DEMONITOR, NULL);
    add(c, CONTROL_MONITOR, NULL);
    add(c, CONTROL_UNLINK, NULL);
    add(c, CONTROL_LINK, NULL);
    add(c, CONTROL_EXIT, &c->large);
}

static void unmake(struct coming *c)
{
    mesh_buf *const all[] = {&c->from, &c->to, &c->name, &c->ref, &c->call, &c->mesh_call, &c->large};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        mesh_buf_fini(all[i]);
}

static void await_nothing(void)
{
    struct foreign_counts counts;
    uint64_t until = now_ms() + PATIENCE_MS;
    expect_counts(0, 0);
    do
        foreign_count(foreign, &counts);
    while (counts.calls > 0 && now_ms() < until);
    assert_int_equal(counts.calls, 0);
}

static mesh_pid trapping(const char *id)
{
    mesh_pid pid = {0};
    act_on(id, act_trap, NULL);
    act_on(id, act_self, &pid);
    return pid;
}

static void test_what_comes(void **state)
{
    (void)state;
    int n = 0;
    for (bool refused = true; refused; n++) {
        struct coming c;
        mesh_pid x = trapping("x");
        assert_true(n < TRIES_MAX);
        make(&c, &x);
        refuse_after(n);
        for (int i = 0; i < c.count; i++)
            foreign_deliver(foreign, NULL, mesh_str("beam@host"), &c.control[i]);
        refused = !refuse_end();
        beam_down();
        beam_up();
        await_nothing();
        unmake(&c);
    }
    assert_true(n > 15);
}

/* ---- From here ---- */

struct going {
    int n;
    bool refused;
    mesh_pid pid;
};

static int act_all(struct scene *s)
{
    struct going *g = s->arg;
    static const uint8_t large[300] = {109, 0, 0, 1, 39};
    mesh_ref ref = {.count = 1};
    refuse_after(g->n);
    mesh_monitor(s->self, &g->pid, &ref);
    mesh_link(s->self, &g->pid);
    mesh_send(s->node, &g->pid, (mesh_term){.data = large, .len = sizeof large});
    mesh_exit(s->node, &g->pid, (mesh_term){.data = large, .len = sizeof large});
    mesh_unlink(s->self, &g->pid);
    mesh_demonitor(s->self, &ref);
    mesh_link(s->self, &g->pid);
    mesh_monitor(s->self, &g->pid, &ref);
    g->refused = !refuse_end();
    return act_ok(s);
}

static void test_what_goes(void **state)
{
    (void)state;
    const mesh_pid pids[] = {beam(1), far(1)};
    for (int i = 0; i < 2; i++) {
        struct going g = {.refused = true, .pid = pids[i]};
        for (; g.refused; g.n++) {
            assert_true(g.n < TRIES_MAX);
            trapping("x");
            act_on("x", act_all, &g);
            beam_down();
            beam_up();
            far_down();
            await_nothing();
        }
        assert_true(g.n > 5);
    }
}

/* Without anything that knows of other nodes, the runtime makes the answer. */
static void test_alone(void **state)
{
    (void)state;
    struct going g = {.refused = true, .pid = beam(1)};
    foreign_destroy(foreign);
    foreign = node->foreign = NULL;
    for (; g.refused; g.n++) {
        assert_true(g.n < TRIES_MAX);
        trapping("x");
        act_on("x", act_all, &g);
    }
    assert_true(g.n > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, abroad_set_up, abroad_tear_down)
        TEST(test_what_comes),
        TEST(test_what_goes),
        TEST(test_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
