/* Calls from other nodes, in every form, and every way they can end. */
#include "dist/spawn.h"

#include <stdio.h>
#include <string.h>

#include "unit/dist/fabric.h"

struct pair {
    struct fabric f;
    size_t us, script;
    struct fabric_node *him;
    uint32_t last_ref;
};

static void pair_start(struct pair *p)
{
    fabric_init(&p->f, 1);
    p->us = fabric_start(&p->f, "b@h", false);
    p->script = fabric_start(&p->f, "a@h", true);
    p->him = &p->f.nodes[p->script];
    p->last_ref = 0;
    fabric_link(&p->f, p->us, p->script);
    fabric_settle(&p->f);
    fabric_forget_all(p->him);
}

static struct spawn *spawn_of(struct pair *p)
{
    return &p->f.nodes[p->us].system.spawn;
}

static mesh_term parsed(mesh_buf *buf, const char *text)
{
    mesh_buf_init(buf);
    assert_int_equal(mesh_parse(text, strlen(text), buf, NULL), MESH_OK);
    return mesh_buf_term(buf);
}

static void spawn_mfa(struct pair *p, const char *module, const char *function, uint32_t arity, const char *options,
                      const char *args)
{
    mesh_buf ref, from, leader, opts, list;
    const struct control c = {.kind = CONTROL_SPAWN,
                              .ref = fabric_ref(p->him, ++p->last_ref, &ref),
                              .from = fabric_pid(p->him, 3, &from),
                              .leader = fabric_pid(p->him, 4, &leader),
                              .module = mesh_str(module),
                              .function = mesh_str(function),
                              .arity = arity,
                              .options = parsed(&opts, options),
                              .message = parsed(&list, args)};
    fabric_control(&p->f, p->script, p->us, &c);
    mesh_buf_fini(&ref);
    mesh_buf_fini(&from);
    mesh_buf_fini(&leader);
    mesh_buf_fini(&opts);
    mesh_buf_fini(&list);
}

static void erpc(struct pair *p, const char *args)
{
    spawn_mfa(p, "erpc", "execute_call", 4, "[:monitor]", args);
}

static void heard(struct pair *p, const char *text)
{
    const char *said = fabric_heard(p->him);
    if (strncmp(said, text, strlen(text)) != 0 || (text[0] == '\0' && said[0] != '\0'))
        fail_msg("heard %s, not %s", said, text);
    fabric_forget(p->him);
}

static void calls_end_as_erpc_expects(void **state)
{
    static const struct {
        const char *args, *down;
    } rows[] = {
        {"[:res, :t, :outcome, [:done]]", "down {:res, :return, :done}"},
        {"[:res, :t, :outcome, [:thrown]]", "down {:res, :throw, :thrown}"},
        {"[:res, :t, :outcome, [:xit]]", "down {:res, :exit, :xit}"},
        {"[:res, :t, :outcome, [:error]]", "down {:res, :error, :error, [{:t, :outcome, 1, []}]}"},
        {"[:res, :t, :outcome, [1]]", "down {:res, :error, :undef, [{:t, :outcome, [1], []}]}"},
        {"[:res, :t, :outcome, [:a, :b]]", "down {:res, :error, :undef, [{:t, :outcome, [:a, :b], []}]}"},
        {"[{1, 2}, :os, :cmd, [\"id\"]]", "down {{1, 2}, :error, :undef, [{:os, :cmd, [\"id\"], []}]}"},
        {"[:res, :t, :none, []]", "down {:res, :error, :undef, [{:t, :none, [], []}]}"},
    };
    struct pair p;
    (void)state;
    pair_start(&p);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        erpc(&p, rows[i].args);
        heard(&p, "spawn_reply #PID<b@h.");
        heard(&p, rows[i].down);
        heard(&p, "");
    }
    assert_int_equal(spawn_of(&p)->calls, 8);
    assert_int_equal(spawn_of(&p)->undefined, 4);
    fabric_fini(&p.f);
}

/* The stack of a call that names small integers shows them, in whatever form they came. */
static void arguments_may_be_an_old_string(void **state)
{
    static const uint8_t args[] = "\154\0\0\0\4\167\3res\167\1t\167\4none\153\0\2\1\2\152";
    struct pair p;
    mesh_buf ref, from, opts;
    (void)state;
    pair_start(&p);
    const struct control c = {.kind = CONTROL_SPAWN,
                              .ref = fabric_ref(p.him, 1, &ref),
                              .from = fabric_pid(p.him, 3, &from),
                              .leader = mesh_buf_term(&from),
                              .module = mesh_str("erpc"),
                              .function = mesh_str("execute_call"),
                              .arity = 4,
                              .options = parsed(&opts, "[:monitor]"),
                              .message = {args, sizeof args - 1, NULL}};
    fabric_control(&p.f, p.script, p.us, &c);
    heard(&p, "spawn_reply");
    heard(&p, "down {:res, :error, :undef, [{:t, :none, [1, 2], []}]}");
    mesh_buf_fini(&ref);
    mesh_buf_fini(&from);
    mesh_buf_fini(&opts);
    fabric_fini(&p.f);
}

static void bad_requests_are_refused(void **state)
{
    static const struct {
        const char *options, *args, *reply;
    } rows[] = {
        {"[:monitor, :other]", "[:r, :t, :outcome, [:a]]", "spawn_reply :badopt"},
        {"[{:monitor, []}]", "[:r, :t, :outcome, [:a]]", "spawn_reply :badopt"},
        {"[{:reply, :yes}]", "[:r, :t, :outcome, [:a]]", "spawn_reply :badopt"},
        {":monitor", "[:r, :t, :outcome, [:a]]", "spawn_reply :badopt"},
        {"[1 | :monitor]", "[:r, :t, :outcome, [:a]]", "spawn_reply :badopt"},
        {"[:link | :monitor]", "[:r, :t, :outcome, [:a]]", "spawn_reply :badopt"},
        {"[:monitor]", "[:r, :t, :outcome, :a]", "spawn_reply :badarg"},
        {"[:monitor]", "[:r, :t, :outcome, [:a | :b]]", "spawn_reply :badarg"},
        {"[:monitor]", "[:r, :t, 1, [:a]]", "spawn_reply :badarg"},
        {"[:monitor]", "[:r, :t, :outcome]", "spawn_reply :badarg"},
        {"[:monitor]", ":r", "spawn_reply :badarg"},
    };
    struct pair p;
    (void)state;
    pair_start(&p);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        spawn_mfa(&p, "erpc", "execute_call", 4, rows[i].options, rows[i].args);
        heard(&p, rows[i].reply);
        heard(&p, "");
    }
    assert_int_equal(spawn_of(&p)->refused, sizeof rows / sizeof *rows);
    assert_int_equal(spawn_of(&p)->calls, 0);
    spawn_mfa(&p, "t", "outcome", 2, "[]", "[:a]"); /* not as many as it says */
    heard(&p, "spawn_reply :badarg");
    spawn_mfa(&p, "t", "outcome", 1, "[{:priority, :high}, {:min_heap_size, 9}]", "[:a]"); /* as a BEAM takes them */
    heard(&p, "spawn_reply #PID<");
    fabric_fini(&p.f);
}

static void plain_processes_end_with_what_was_asked_for(void **state)
{
    static const struct {
        const char *options, *args, *first, *second;
    } rows[] = {
        {"[]", "[:done]", "", ""},
        {"[:monitor]", "[:done]", "down :normal", ""},
        {"[:link]", "[:done]", "exit :normal", ""},
        {"[:link, :monitor]", "[:xit]", "exit :xit", "down :xit"},
        {"[:monitor]", "[:error]", "down {:error, [{:t, :outcome, 1, []}]}", ""},
        {"[:monitor]", "[:thrown]", "down {{:nocatch, :thrown}, [{:t, :outcome, 1, []}]}", ""},
        {"[:monitor]", "[1]", "down {:undef, [{:t, :outcome, [1], []}]}", ""},
    };
    struct pair p;
    (void)state;
    pair_start(&p);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        spawn_mfa(&p, "t", "outcome", 1, rows[i].options, rows[i].args);
        heard(&p, "spawn_reply #PID<");
        heard(&p, rows[i].first);
        heard(&p, rows[i].second);
        assert_string_equal(fabric_heard(p.him), "");
    }
    spawn_mfa(&p, "erpc", "execute_cast", 3, "[]", "[:t, :outcome, [:done]]");
    heard(&p, "spawn_reply #PID<");
    assert_string_equal(fabric_heard(p.him), "");
    fabric_fini(&p.f);
}

static bool answer(struct pair *p, uint64_t token, enum spawn_outcome outcome, const char *text)
{
    mesh_buf value;
    parsed(&value, text);
    const bool answered = spawn_answer(spawn_of(p), token, outcome, mesh_buf_term(&value));
    mesh_buf_fini(&value);
    fabric_settle(&p->f);
    return answered;
}

static void answers_may_come_later(void **state)
{
    struct pair p;
    (void)state;
    pair_start(&p);
    erpc(&p, "[:one, :t, :later, []]");
    const uint64_t one = p.f.nodes[p.us].later;
    erpc(&p, "[:two, :t, :later, []]");
    const uint64_t two = p.f.nodes[p.us].later;
    erpc(&p, "[:three, :t, :later, []]");
    const uint64_t three = p.f.nodes[p.us].later;
    for (int i = 0; i < 3; i++)
        heard(&p, "spawn_reply");
    heard(&p, "");
    assert_true(answer(&p, two, SPAWN_RETURN, "{:ok, 2}"));
    heard(&p, "down {:two, :return, {:ok, 2}}");
    assert_true(answer(&p, one, SPAWN_ERROR, ":why"));
    heard(&p, "down {:one, :error, :why, [{:t, :later, 0, []}]}");
    assert_false(answer(&p, one, SPAWN_RETURN, "1")); /* only once */
    assert_true(spawn_answer(spawn_of(&p), three, SPAWN_UNDEF, (mesh_term){NULL, 0, NULL}));
    fabric_settle(&p.f);
    heard(&p, "down {:three, :error, :undef, [{:t, :later, 0, []}]}");
    assert_false(answer(&p, 0, SPAWN_RETURN, "1"));
    assert_false(answer(&p, UINT64_MAX, SPAWN_RETURN, "1"));
    fabric_fini(&p.f);
}

static void what_nobody_waits_for_is_dropped(void **state)
{
    struct pair p;
    mesh_buf from, to, ref;
    (void)state;
    pair_start(&p);
    erpc(&p, "[:one, :t, :later, []]");
    uint64_t token = p.f.nodes[p.us].later;
    heard(&p, "spawn_reply");
    struct control c = {.kind = CONTROL_DEMONITOR,
                        .from = fabric_pid(p.him, 3, &from),
                        .to = fabric_pid(&p.f.nodes[p.us], p.f.nodes[p.us].last_pid, &to),
                        .ref = fabric_ref(p.him, 99, &ref)};
    fabric_control(&p.f, p.script, p.us, &c); /* another one */
    assert_string_equal(fabric_heard(&p.f.nodes[p.us]), "demonitor");
    mesh_buf_fini(&ref);
    c.ref = fabric_ref(p.him, p.last_ref, &ref);
    fabric_control(&p.f, p.script, p.us, &c);
    assert_false(answer(&p, token, SPAWN_RETURN, "1"));
    heard(&p, "");

    erpc(&p, "[:two, :t, :later, []]");
    token = p.f.nodes[p.us].later;
    fabric_cut(&p.f, p.us, p.script);
    assert_false(answer(&p, token, SPAWN_RETURN, "1"));
    fabric_link(&p.f, p.us, p.script);
    fabric_settle(&p.f);
    fabric_forget_all(p.him);
    erpc(&p, "[:three, :t, :later, []]"); /* left over at the end */
    mesh_buf_fini(&from);
    mesh_buf_fini(&to);
    mesh_buf_fini(&ref);
    fabric_fini(&p.f);
}

static void waiting_calls_are_bounded(void **state)
{
    struct pair p;
    (void)state;
    pair_start(&p);
    for (int i = 0; i < SPAWN_PER_PEER_MAX; i++) {
        erpc(&p, "[:r, :t, :later, []]");
        heard(&p, "spawn_reply #PID<");
    }
    const uint64_t last = p.f.nodes[p.us].later;
    erpc(&p, "[:r, :t, :outcome, [:done]]");
    heard(&p, "spawn_reply :system_limit");
    assert_true(answer(&p, last, SPAWN_RETURN, "1"));
    heard(&p, "down");
    erpc(&p, "[:r, :t, :outcome, [:done]]");
    heard(&p, "spawn_reply #PID<");
    heard(&p, "down {:r, :return, :done}");
    fabric_fini(&p.f);
}

/* A gen_call to rex, with an alias for the answer or without. */
static void rex_call(struct pair *p, const char *request, bool alias)
{
    mesh_buf message, pid, ref, inner;
    mesh_buf_init(&message);
    const mesh_term what = parsed(&inner, request);
    const mesh_term from = fabric_pid(p->him, 3, &pid), tag = fabric_ref(p->him, 5, &ref);
    const int built = alias ? mesh_build(&message, "{:\"$gen_call\", {~t, [:alias | ~t]}, ~t}", from, tag, what)
                            : mesh_build(&message, "{:\"$gen_call\", {~t, ~t}, ~t}", from, tag, what);
    fabric_say(&p->f, p->script, p->us, "rex", built, &message);
    mesh_buf_fini(&pid);
    mesh_buf_fini(&ref);
    mesh_buf_fini(&inner);
}

static void ends_with(struct pair *p, const char *start, const char *end)
{
    const char *said = fabric_heard(p->him);
    const size_t len = strlen(said), n = strlen(end);
    if (strncmp(said, start, strlen(start)) != 0 || len < n || strcmp(said + len - n, end) != 0)
        fail_msg("heard %s, not %s...%s", said, start, end);
    fabric_forget(p->him);
}

static void rex_answers_with_the_value(void **state)
{
    static const struct {
        const char *request, *reply;
    } rows[] = {
        {"{:call, :t, :outcome, [:done], :user}", ", :done}"},
        {"{:block_call, :t, :outcome, [:thrown], :user}", ", :thrown}"},
        {"{:block_call, :t, :outcome, [:xit], :user}", ", {:badrpc, {:EXIT, :xit}}}"},
        {"{:call, :t, :outcome, [:error], 1}", ", {:badrpc, {:EXIT, {:error, [{:t, :outcome, 1, []}]}}}}"},
        {"{:call, :os, :cmd, [\"id\"], 1}", ", {:badrpc, {:EXIT, {:undef, [{:os, :cmd, [\"id\"], []}]}}}}"},
    };
    struct pair p;
    mesh_buf message, pid;
    (void)state;
    pair_start(&p);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rex_call(&p, rows[i].request, false);
        ends_with(&p, "send {#Reference<", rows[i].reply);
        rex_call(&p, rows[i].request, true);
        ends_with(&p, "send_alias {[:alias | #Reference<", rows[i].reply);
    }
    rex_call(&p, "{:call, :t, :later, [], :user}", true);
    heard(&p, "");
    assert_true(answer(&p, p.f.nodes[p.us].later, SPAWN_RETURN, ":late"));
    ends_with(&p, "send_alias {[:alias | #Reference<", ", :late}");

    mesh_buf_init(&message);
    fabric_say(&p.f, p.script, p.us, "rex",
               mesh_build(&message, "{~t, {:call, :t, :outcome, [:done], :user}}", fabric_pid(p.him, 3, &pid)),
               &message);
    heard(&p, "send {:rex, :done}");
    mesh_buf_init(&message);
    fabric_say(&p.f, p.script, p.us, "rex",
               mesh_build(&message, "{:\"$gen_cast\", {:cast, :t, :outcome, [:done], :user}}"), &message);
    heard(&p, "");
    assert_int_equal(spawn_of(&p)->calls, 13);
    rex_call(&p, "{:call, :t, :outcome, :no_list, :user}", false); /* not answered, as by a BEAM */
    rex_call(&p, ":stop", false);
    heard(&p, "");
    assert_int_equal(p.f.nodes[p.us].system.counts.dropped, 2);
    mesh_buf_fini(&pid);
    fabric_fini(&p.f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_end_as_erpc_expects), cmocka_unit_test(arguments_may_be_an_old_string),
        cmocka_unit_test(bad_requests_are_refused),  cmocka_unit_test(plain_processes_end_with_what_was_asked_for),
        cmocka_unit_test(answers_may_come_later),    cmocka_unit_test(what_nobody_waits_for_is_dropped),
        cmocka_unit_test(waiting_calls_are_bounded), cmocka_unit_test(rex_answers_with_the_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
