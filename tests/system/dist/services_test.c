/* A visible node among real BEAMs: what they ask of it, calls, global names and locks, joins and leaves. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "system/dist/member.h"
#include "unit/check.h"

#define US "n@127.0.0.1"
#define LOWER "kb@127.0.0.1"
#define GREATER "va@127.0.0.1"

struct cluster {
    pid_t epmd;
    uint16_t epmd_port;
    struct beam lower, greater;
    struct member us;
    struct member *members[1];
};

static struct cluster *start(bool both)
{
    static struct cluster c;
    memset(&c, 0, sizeof c);
    c.members[0] = &c.us;
    c.epmd_port = beam_free_port();
    c.epmd = beam_start_epmd(c.epmd_port);
    beam_start(&c.greater, "-name", GREATER, "mesh", c.epmd_port);
    if (both)
        beam_start(&c.lower, "-name", LOWER, "mesh", c.epmd_port);
    member_start(&c.us, US, c.epmd_port);
    return &c;
}

static void stop(struct cluster *c, bool both)
{
    member_stop(&c->us);
    beam_stop(&c->greater);
    if (both)
        beam_stop(&c->lower);
    beam_end(c->epmd);
}

static void expect(struct cluster *c, struct beam *beam, const char *expressions, const char *wanted)
{
    member_expect(c->members, 1, beam, expressions, wanted);
}

/* Serves until the condition holds. */
#define AWAIT(c, condition)                                                                                            \
    do {                                                                                                               \
        const uint64_t await_deadline = beam_now_ms() + BEAM_DEADLINE_MS;                                              \
        while (!(condition)) {                                                                                         \
            member_serve(&(c)->us, 20, -1);                                                                            \
            if (beam_now_ms() > await_deadline)                                                                        \
                fail_msg("it does not come to %s", #condition);                                                        \
        }                                                                                                              \
    } while (0)

static mesh_term parsed(mesh_buf *buf, const char *text)
{
    mesh_buf_init(buf);
    assert_int_equal(mesh_parse(text, strlen(text), buf, NULL), MESH_OK);
    return mesh_buf_term(buf);
}

static void is_a_visible_node(struct cluster *c)
{
    struct beam *b = &c->greater;
    expect(c, b, "net_kernel:monitor_nodes(true, #{node_type => visible})", "ok");
    expect(c, b, "net_adm:ping('" US "')", "pong");
    expect(c, b, "receive {nodeup, '" US "', _} -> nodes() end", "['" US "']");
    expect(c, b, "net_adm:ping('" US "'), nodes(hidden)", "[]");
    expect(c, b, "M = erlang:monitor(process, {nobody, '" US "'}), receive {'DOWN', M, _, _, R} -> R end", "noproc");
    expect(c, b, "catch gen_server:call({nobody, '" US "'}, x) =:= x",
           "{'EXIT',{noproc,{gen_server,call,[{nobody,'" US "'},x]}}}");
    expect(c, b, "gen_server:call({mesh, '" US "'}, {double, 21})", "42");
    expect(c, b, "gen_server:cast({mesh, '" US "'}, note), gen_server:call({mesh, '" US "'}, {double, 4})", "8");
    assert_int_equal(c->us.casts, 1);
    expect(c, b, "gen_server:multi_call(['" US "'], mesh, {double, 5})", "{[{'" US "',10}],[]}");
}

static void answers_calls(struct cluster *c)
{
    struct beam *b = &c->greater;
    expect(c, b, "rpc:call('" US "', mesh_test, add, [1, 2])", "3");
    expect(c, b, "erpc:call('" US "', mesh_test, add, [1, 2])", "3");
    expect(c, b, "erpc:call('" US "', mesh_test, later, [7])", "7");
    expect(c, b, "rpc:block_call('" US "', mesh_test, add, [3, 4])", "7");
    expect(c, b, "erpc:multicall(['" US "', node()], erlang, whereis, [nobody])",
           "[{error,{exception,undef,[{erlang,whereis,[nobody],[]}]}},{ok,undefined}]");
    expect(c, b, "rpc:call('" US "', mesh_test, nothing, [a])",
           "{badrpc,{'EXIT',{undef,[{mesh_test,nothing,[a],[]}]}}}");
    expect(c, b, "rpc:block_call('" US "', mesh_test, nothing, [a])",
           "{badrpc,{'EXIT',{undef,[{mesh_test,nothing,[a],[]}]}}}");
    expect(c, b, "erpc:call('" US "', mesh_test, nothing, [])",
           "{error,{exception,undef,[{mesh_test,nothing,[],[]}]}}");
    expect(c, b, "erpc:call('" US "', mesh_test, raise, [throw])", "{throw,why}");
    expect(c, b, "erpc:call('" US "', mesh_test, raise, [exit])", "{exit,{exception,why}}");
    expect(c, b, "erpc:call('" US "', mesh_test, raise, [no])", "{error,{exception,why,[{mesh_test,raise,1,[]}]}}");
    expect(c, b, "erpc:call('" US "', mesh_test, add, [x, y])", "{error,{exception,badarith,[{mesh_test,add,2,[]}]}}");
    expect(c, b, "rpc:call('" US "', mesh_test, raise, [throw])", "why");
    expect(c, b,
           "erpc:cast('" US "', mesh_test, note, [x]), rpc:cast('" US "', mesh_test, note, [x]),"
           " erpc:call('" US "', mesh_test, note, [x])",
           "ok");
    assert_int_equal(c->us.casts, 4);
    expect(c, b,
           "R = spawn_request('" US "', mesh_test, note, [x], [monitor]),"
           " receive {spawn_reply, R, ok, P} -> receive {'DOWN', R, process, P, Why} -> Why end end",
           "normal");
    expect(c, b,
           "P = spawn_link('" US "', mesh_test, nothing, []), process_flag(trap_exit, true),"
           " receive {'EXIT', P, Why} -> process_flag(trap_exit, false), Why end",
           "{undef,[{mesh_test,nothing,[],[]}]}");
    expect(c, b,
           "R = spawn_request('" US "', mesh_test, note, [x], [{reply, yes}, unheard_of]),"
           " receive {spawn_reply, R, error, Why} -> Why end",
           "badopt");
    expect(c, b,
           "process_flag(trap_exit, true), P = erpc:call('" US "', mesh_test, note, [x]), link("
           "list_to_pid(\"<0.0.0>\")), process_flag(trap_exit, false), P",
           "ok");
}

static void has_global_names(struct cluster *c)
{
    struct beam *b = &c->greater;
    mesh_buf name, pid;
    mesh_term found;
    expect(c, b, "global:sync()", "ok");
    expect(c, b, "global:trans({x, self()}, fun() -> done end)", "done");
    expect(c, b, "global:register_name(shell, self())", "yes");
    AWAIT(c, global_whereis(c->us.system.global, parsed(&name, ":shell"), &found));
    mesh_buf_fini(&name);

    mesh_buf_init(&pid);
    assert_int_equal(service_put_pid(&c->us.system.service, &pid, MEMBER_USER_PID), MESH_OK);
    assert_int_equal(global_register(c->us.system.global, parsed(&name, "{:ours, 1}"), mesh_buf_term(&pid), false, 11,
                                     beam_now_ms()),
                     MESH_OK);
    AWAIT(c, c->us.done_token == 11);
    assert_true(c->us.done_yes);
    expect(c, b, "gen_server:call({global, {ours, 1}}, {double, 8})", "16");
    expect(c, b, "global:register_name({ours, 1}, self())", "no");
    expect(c, b, "global:re_register_name({ours, 1}, spawn(fun() -> receive x -> x end end))", "yes");
    expect(c, b, "exit(global:whereis_name({ours, 1}), kill), global:sync()", "ok");
    AWAIT(c, !global_whereis(c->us.system.global, mesh_buf_term(&name), &found));
    assert_int_equal(global_unregister(c->us.system.global, mesh_buf_term(&name), 12, beam_now_ms()), MESH_OK);
    AWAIT(c, c->us.done_token == 12);
    mesh_buf_fini(&name);
    mesh_buf_fini(&pid);
    expect(c, b, "global:unregister_name(shell), global:registered_names()", "[]");
    AWAIT(c, global_counts(c->us.system.global).names == 0);
}

static void has_global_locks(struct cluster *c)
{
    struct beam *b = &c->greater;
    mesh_buf resource, requester;
    struct global *g = c->us.system.global;
    const mesh_term what = parsed(&resource, ":res"), who = parsed(&requester, ":me");
    assert_int_equal(global_set_lock(g, what, who, GLOBAL_FOR_EVER, 21, beam_now_ms()), MESH_OK);
    AWAIT(c, c->us.done_token == 21);
    assert_true(c->us.done_yes);
    expect(c, b, "global:set_lock({res, self()}, [node() | nodes()], 0)", "false");
    assert_int_equal(global_del_lock(g, what, who, beam_now_ms()), MESH_OK);
    expect(c, b, "global:set_lock({res, self()}, [node() | nodes()], 5)", "true");
    assert_int_equal(global_set_lock(g, what, who, 0, 22, beam_now_ms()), MESH_OK);
    AWAIT(c, c->us.done_token == 22);
    assert_false(c->us.done_yes);
    expect(c, b, "global:del_lock({res, self()})", "true");
    assert_int_equal(global_counts(g).locks, 0);
    mesh_buf_fini(&resource);
    mesh_buf_fini(&requester);
}

static void beside_one(void **state)
{
    (void)state;
    if (!beam_installed())
        skip();
    struct cluster *c = start(false);
    is_a_visible_node(c);
    answers_calls(c);
    has_global_names(c);
    has_global_locks(c);
    stop(c, false);
}

static void all_see_all(struct cluster *c)
{
    expect(c, &c->greater,
           "(fun F() -> case lists:sort(nodes()) of ['" LOWER "', '" US "'] -> ok;"
           " _ -> timer:sleep(10), F() end end)()",
           "ok");
    expect(c, &c->lower,
           "(fun F() -> case lists:sort(nodes()) of ['" US "', '" GREATER "'] -> ok;"
           " _ -> timer:sleep(10), F() end end)()",
           "ok");
    expect(c, &c->greater, "global:sync()", "ok");
    expect(c, &c->lower, "global:sync()", "ok");
    AWAIT(c, global_counts(c->us.system.global).known == 2 && global_counts(c->us.system.global).synced == 2);
}

/* One join makes a full mesh, whoever is joined. */
static void beside_two(void **state)
{
    (void)state;
    if (!beam_installed())
        skip();
    struct cluster *c = start(true);
    member_expect(NULL, 0, &c->greater, "net_adm:ping('" LOWER "')", "pong");
    member_dial(&c->us, LOWER);
    all_see_all(c);
    expect(c, &c->lower, "global:register_name(low, self())", "yes");
    expect(c, &c->greater, "global:trans({x, self()}, fun() -> node(global:whereis_name(low)) end)", "'" LOWER "'");
    assert_int_equal(global_counts(c->us.system.global).names, 1);
    stop(c, true);
}

static void leave_and_come_back(struct cluster *c, int round)
{
    static const char gone[] = "(fun F() -> case lists:member('" US "', nodes()) of false -> sys:get_state("
                               "global_name_server), ok; true -> timer:sleep(10), F() end end)()";
    member_stop(&c->us);
    member_expect(NULL, 0, &c->lower, gone, "ok");
    member_expect(NULL, 0, &c->greater, gone, "ok");
    member_expect(NULL, 0, &c->lower, gone, "ok");
    member_start(&c->us, US, c->epmd_port);
    if (round % 3 == 0)
        member_dial(&c->us, round % 2 ? LOWER : GREATER);
    else
        expect(c, round % 2 ? &c->lower : &c->greater, "net_adm:ping('" US "')", "pong");
}

static void joins_and_leaves(void **state)
{
    (void)state;
    if (!beam_installed())
        skip();
    struct cluster *c = start(true);
    member_expect(NULL, 0, &c->greater, "net_adm:ping('" LOWER "')", "pong");
    for (int round = 0; round < 8; round++) {
        char text[128];
        leave_and_come_back(c, round);
        all_see_all(c);
        snprintf(text, sizeof text, "global:register_name({name, %d}, spawn(fun() -> receive x -> x end end))", round);
        expect(c, round % 2 ? &c->lower : &c->greater, text, "yes");
        AWAIT(c, global_counts(c->us.system.global).names == (uint32_t)round + 1);
        AWAIT(c, global_counts(c->us.system.global).locks == 0);
    }
    assert_int_equal(global_counts(c->us.system.global).given_up, 0);
    stop(c, true);
}

/* The same name on both sides of a join: one process stays, here or there. */
static void names_clash(void **state)
{
    mesh_buf name, pid;
    mesh_term found;
    (void)state;
    if (!beam_installed())
        skip();
    struct cluster *c = start(true);
    mesh_buf_init(&pid);
    assert_int_equal(service_put_pid(&c->us.system.service, &pid, MEMBER_USER_PID), MESH_OK);
    assert_int_equal(
        global_register(c->us.system.global, parsed(&name, ":both"), mesh_buf_term(&pid), false, 1, beam_now_ms()),
        MESH_OK);
    AWAIT(c, c->us.done_token == 1);
    member_expect(NULL, 0, &c->greater, "global:register_name(both, spawn(fun() -> receive x -> x end end))", "yes");
    member_dial(&c->us, GREATER); /* the process of the lower node stays: ours */
    expect(c, &c->greater, "global:sync(), node(global:whereis_name(both))", "'" US "'");
    assert_int_equal(c->us.killed, 0);

    member_expect(NULL, 0, &c->lower, "global:register_name(both, spawn(fun() -> receive x -> x end end))", "yes");
    member_dial(&c->us, LOWER); /* now it is theirs */
    expect(c, &c->lower, "global:sync(), node(global:whereis_name(both))", "'" LOWER "'");
    AWAIT(c, c->us.killed == 1);
    AWAIT(c, global_whereis(c->us.system.global, mesh_buf_term(&name), &found) && service_node(found).len == 12 &&
                 memcmp(service_node(found).data, LOWER, 12) == 0);
    mesh_buf_fini(&name);
    mesh_buf_fini(&pid);
    stop(c, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beside_one),
        cmocka_unit_test(beside_two),
        cmocka_unit_test(joins_and_leaves),
        cmocka_unit_test(names_clash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
