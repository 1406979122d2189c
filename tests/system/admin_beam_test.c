/* The functions of mesh_admin, as a BEAM program calls them. */
#include "unit/join/nodes.h"

#include <stdio.h>

#include "system/dist/beam.h"

static void expect(const struct beam *beam, const char *expressions, const char *wanted)
{
    char line[1024] = "";
    beam_tell(beam, expressions);
    beam_hear(beam, line, sizeof line);
    assert_string_equal(line, wanted);
}

#define CALL(kind, function, args) kind ":call('a@127.0.0.1', mesh_admin, " function ", " args ")"

static void beam_programs_call_them(void **state)
{
    struct beam beam;
    (void)state;
    if (!beam_installed())
        skip();
    const uint16_t port = beam_free_port();
    const pid_t epmd = beam_start_epmd(port);
    nodes_use_epmd(port);
    mesh_node *a = nodes_start("a@127.0.0.1", NULL, NULL);
    nodes_give(&a, 1);
    beam_start(&beam, "-name", "beam@127.0.0.1", COOKIE, port);

    expect(&beam, "net_adm:ping('a@127.0.0.1')", "pong");
    assert_int_equal(mesh_wait_for(a, 2, PATIENCE_MS), MESH_OK);
    expect(&beam,
           "#{name := N, links := L} = " CALL("rpc", "info",
                                              "[]") ", {N =:= <<\"a@127.0.0.1\">>, [K || #{kind := K} <- L]}",
           "{true,[beam]}");
    expect(&beam, "[#{name := C}] = " CALL("erpc", "capabilities", "[]") ", C =:= <<\"test\">>", "true");
    expect(&beam, "#{owners := O, shards := S} = " CALL("erpc", "ring", "[test]") ", {byte_size(O), S}", "{8192,4096}");
    expect(&beam, "{error, #{error := E}} = " CALL("rpc", "leave", "[test, 'a@127.0.0.1']") ", E", "'MESH_EINVAL'");
    expect(&beam, "#{calls := N, cluster := #{held := H}} = " CALL("rpc", "stats", "[]") ", {N, H}", "{0,4096}");
    expect(&beam, CALL("rpc", "waits", "[]"), "#{count => 0,waits => []}");
    expect(&beam,
           "{error, #{error := E}} = " CALL("rpc", "call", "[test, <<\"Nobody\">>, <<\"x\">>, hello, nil, 1000]") ", E",
           "'MESH_ENOMODULE'");
    expect(&beam, "{badrpc, {'EXIT', {R, _}}} = " CALL("rpc", "ring", "[1]") ", R", "badarg");
    expect(&beam, "catch " CALL("erpc", "drain", "[0]") ", done", "done");
    expect(&beam, CALL("rpc", "drain", "[5000]"), "ok");
    expect(&beam, "#{drained := D} = " CALL("rpc", "progress", "[]") ", D", "true");

    beam_stop(&beam);
    assert_int_equal(mesh_node_stop(a), MESH_OK);
    beam_end(epmd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(beam_programs_call_them)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
