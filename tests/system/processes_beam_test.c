/* Processes in C and processes on a real BEAM: calls by pid and by the name `mesh`, messages, monitors and links. */
#include <stdio.h>
#include <string.h>

#include "system/dist/beam.h"
#include "unit/join/nodes.h"

#define C_NODE "c@127.0.0.1"

/* ---- The process ---- */

struct thing {
    int64_t n;
    mesh_from owed;
    mesh_pid reports; /* who is told of the end of another */
};

static int answer(mesh_from from, int64_t n)
{
    mesh_buf buf;
    mesh_buf_init(&buf);
    int rc = mesh_build(&buf, "~i", n);
    rc = rc == MESH_OK ? mesh_reply(from, mesh_buf_term(&buf)) : rc;
    mesh_buf_fini(&buf);
    return rc;
}

static int end_with(mesh_process *self, const char *reason, bool crash)
{
    mesh_buf buf;
    mesh_buf_init(&buf);
    int rc = mesh_put_atom(&buf, mesh_str(reason));
    if (rc == MESH_OK)
        rc = crash ? mesh_crash(self, mesh_buf_term(&buf)) : mesh_stop(self, mesh_buf_term(&buf));
    mesh_buf_fini(&buf);
    return rc;
}

static int handle_call(mesh_process *self, void *state, mesh_from from, mesh_term message)
{
    struct thing *t = state;
    if (mesh_match(message, ":inc") == MESH_OK)
        return answer(from, ++t->n);
    if (mesh_match(message, ":later") == MESH_OK) {
        t->owed = from;
        return MESH_OK;
    }
    return end_with(self, "strange", true);
}

static int handle_cast(mesh_process *self, void *state, mesh_term message)
{
    struct thing *t = state;
    if (mesh_match(message, ":inc") == MESH_OK)
        t->n++;
    else if (mesh_match(message, ":pay") == MESH_OK)
        return answer(t->owed, -1);
    else if (mesh_match(message, ":stop") == MESH_OK)
        return end_with(self, "done", false);
    else
        return end_with(self, "boom", true);
    return MESH_OK;
}

static int handle_info(mesh_process *self, void *state, mesh_term message)
{
    struct thing *t = state;
    int64_t by;
    mesh_pid pid;
    mesh_ref ref;
    mesh_term reason;
    if (mesh_match(message, "{:add, ~i}", &by) == MESH_OK) {
        t->n += by;
    } else if (mesh_match(message, "{:watch, ~p, ~p}", &pid, &t->reports) == MESH_OK) {
        return mesh_monitor(self, &pid, &ref);
    } else if (mesh_match(message, "{:link, ~p}", &pid) == MESH_OK) {
        return mesh_link(self, &pid);
    } else if (mesh_match(message, "{:DOWN, _, :process, _, ~t}", &reason) == MESH_OK) {
        mesh_buf buf;
        mesh_buf_init(&buf);
        int rc = mesh_build(&buf, "{:down, ~t}", reason);
        rc = rc == MESH_OK ? mesh_send(mesh_process_node(self), &t->reports, mesh_buf_term(&buf)) : rc;
        mesh_buf_fini(&buf);
        return rc;
    }
    return MESH_OK;
}

static const mesh_module thing_module = {.size = sizeof thing_module,
                                         .name = "Thing",
                                         .state_size = sizeof(struct thing),
                                         .handle_call = handle_call,
                                         .handle_cast = handle_cast,
                                         .handle_info = handle_info};

/* ---- The BEAM ---- */

struct pair {
    pid_t epmd;
    struct beam beam;
    mesh_node *node;
};

static void expect(struct pair *p, const char *expressions, const char *wanted)
{
    char line[1024];
    beam_tell(&p->beam, expressions);
    beam_hear(&p->beam, line, sizeof line);
    if (strcmp(line, wanted) != 0)
        fail_msg("%s\ngives    %s\ninstead of %s", expressions, line, wanted);
}

static int start(void **state)
{
    static struct pair p;
    *state = NULL;
    if (!beam_installed())
        return 0;
    const uint16_t port = beam_free_port();
    p.epmd = beam_start_epmd(port);
    beam_start(&p.beam, "-name", "va@127.0.0.1", COOKIE, port);
    nodes_use_epmd(port);
    p.node = nodes_start(C_NODE, NULL, NULL);
    assert_int_equal(mesh_register_module(p.node, &thing_module), MESH_OK);
    assert_int_equal(mesh_register_capability(p.node, "test", NULL), MESH_OK);
    expect(&p, "net_adm:ping('" C_NODE "')", "pong");
    *state = &p;
    return 0;
}

static int stop(void **state)
{
    struct pair *p = *state;
    if (p == NULL)
        return 0;
    agent_stop(p->node);
    beam_stop(&p->beam);
    beam_end(p->epmd);
    return 0;
}

/* A process of that id, in an expression. */
#define THING(id) "(element(2, gen_server:call({mesh, '" C_NODE "'}, {call, test, 'Thing', <<\"" id "\">>, inc})))"

static struct pair *pair_of(void **state)
{
    if (*state == NULL)
        skip();
    return *state;
}

static void calls(void **state)
{
    struct pair *p = pair_of(state);
    expect(p, "element(3, gen_server:call({mesh, '" C_NODE "'}, {call, test, 'Thing', <<\"a\">>, inc}))", "1");
    expect(p, "gen_server:call(" THING("a") ", inc)", "3");
    expect(p, "node(" THING("a") ")", "'" C_NODE "'");
    expect(p,
           "gen_server:cast({mesh, '" C_NODE "'}, {cast, test, 'Thing', <<\"a\">>, inc}), P = " THING(
               "a") ", gen_server:cast(P, inc), P ! {add, 10}, gen_server:call(P, inc)",
           "18");
    expect(p, "gen_server:call({mesh, '" C_NODE "'}, {call, nothing, 'Thing', <<\"a\">>, inc})",
           "{error,nocapability}");
    expect(p, "gen_server:call({mesh, '" C_NODE "'}, {call, test, 'Nothing', <<\"a\">>, inc})", "{error,nomodule}");
    expect(p, "{'EXIT', {Why, _}} = (catch gen_server:call(" THING("b") ", what)), Why", "strange");
}

/* The caller gives up; the answer that comes then finds nobody, since it goes to an alias. */
static void time_outs(void **state)
{
    struct pair *p = pair_of(state);
    expect(p,
           "T = " THING("late") ", {'EXIT', {timeout, _}} = (catch gen_server:call(T, later, 20)), "
                                "gen_server:cast(T, pay), N = gen_server:call(T, inc), receive X -> X after 0 -> N end",
           "2");
    expect(p,
           "R = gen_server:send_request(" THING("late") ", later), gen_server:cast(" THING(
               "late") ", pay), gen_server:receive_response(R, 5000)",
           "{reply,-1}");
}

static void monitors_and_links(void **state)
{
    struct pair *p = pair_of(state);
    expect(p,
           "A = " THING("m") ", M = monitor(process, A), gen_server:cast(A, stop), "
                             "receive {'DOWN', M, process, A, W} -> W end, M2 = monitor(process, A), "
                             "receive {'DOWN', M2, process, A, W2} -> {W, W2} end",
           "{done,noproc}");
    expect(p,
           "process_flag(trap_exit, true), B = " THING("l") ", link(B), gen_server:cast(B, boom), "
                                                            "receive {'EXIT', B, W3} -> W3 end",
           "boom");
    expect(
        p,
        "C = " THING("u") ", link(C), unlink(C), gen_server:cast(C, boom), MC = monitor(process, C), "
                          "receive {'DOWN', MC, _, _, _} -> ok end, receive {'EXIT', C, W4} -> W4 after 0 -> none end",
        "none");
    expect(p, "D = " THING("k") ", MD = monitor(process, D), exit(D, kill), receive {'DOWN', MD, _, _, W5} -> W5 end",
           "killed");
    /* The other way round: a process in C watches, and is linked to, one of the BEAM's. */
    expect(p,
           "S = self(), E = " THING(
               "w") ", Q = spawn(fun() -> receive go -> exit(bang) end end), "
                    "E ! {watch, Q, S}, gen_server:call(E, inc), Q ! go, receive {down, W6} -> W6 end",
           "bang");
    expect(
        p,
        "F = " THING("x") ", MF = monitor(process, F), Q2 = spawn(fun() -> receive go -> exit(crash) end end), "
                          "F ! {link, Q2}, gen_server:call(F, inc), Q2 ! go, receive {'DOWN', MF, _, _, W7} -> W7 end",
        "crash");
    expect(p,
           "G = " THING("y") ", Q3 = spawn(fun() -> receive after 60000 -> ok end end), G ! {link, Q3}, "
                             "gen_server:call(G, inc), MQ = monitor(process, Q3), gen_server:cast(G, boom), "
                             "receive {'DOWN', MQ, _, _, W8} -> W8 end",
           "boom");
}

/* Who watched goes on, and so does who was watched; who was linked ends, here as there. */
static void the_end_of_a_link(void **state)
{
    struct pair *p = pair_of(state);
    expect(p,
           "H = " THING("v") ", I = " THING("z") ", MH = monitor(process, H), link(I), "
                                                 "erlang:disconnect_node('" C_NODE "'), "
                                                 "receive {'DOWN', MH, _, _, W9} -> receive {'EXIT', I, W10} -> "
                                                 "MI = monitor(process, I), receive {'DOWN', MI, _, _, W11} -> "
                                                 "{W9, W10, W11, gen_server:call(H, inc)} end end end",
           "{noconnection,noconnection,noproc,2}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(calls), cmocka_unit_test(time_outs),
                                       cmocka_unit_test(monitors_and_links), cmocka_unit_test(the_end_of_a_link)};
    return cmocka_run_group_tests(tests, start, stop);
}
