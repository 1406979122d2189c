/* Two BEAM nodes and three C nodes, that join and leave in any order. After each change everybody sees everybody, and
 * what BEAM nodes do with each other still works among all of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "system/dist/beam.h"
#include "unit/join/nodes.h"

enum { BEAMS = 2, ALL = 5, ROUNDS = 40 };

static const char *const names[ALL] = {"kb@127.0.0.1", "va@127.0.0.1", "a@127.0.0.1", "m@127.0.0.1", "z@127.0.0.1"};

struct cluster {
    pid_t epmd;
    uint16_t epmd_port;
    struct beam beam[BEAMS];
    mesh_node *node[ALL];
    bool up[ALL];
    uint32_t random;
};

static uint32_t draw(struct cluster *c, uint32_t below)
{
    c->random = c->random * 1664525u + 1013904223u;
    return (c->random >> 16) % below;
}

static void expect(struct cluster *c, int beam, const char *expressions, const char *wanted)
{
    char line[1024];
    beam_tell(&c->beam[beam], expressions);
    do {
        beam_hear(&c->beam[beam], line, sizeof line); /* fails when nothing comes */
        if (strcmp(line, wanted) != 0)
            print_message("%s: %s\n", names[beam], line);
    } while (strcmp(line, wanted) != 0);
}

static void start(struct cluster *c, int i)
{
    if (i < BEAMS)
        beam_start(&c->beam[i], "-name", names[i], COOKIE, c->epmd_port);
    else
        c->node[i] = nodes_start(names[i], NULL, NULL);
    c->up[i] = true;
}

static void stop(struct cluster *c, int i)
{
    if (i < BEAMS)
        beam_stop(&c->beam[i]);
    else
        agent_stop(c->node[i]);
    c->up[i] = false;
}

/* Connects one to another, from either side. */
static void meet(struct cluster *c, int i, int to)
{
    char text[128];
    if (i < BEAMS) {
        snprintf(text, sizeof text, "net_adm:ping('%s')", names[to]);
        expect(c, i, text, "pong");
    } else {
        assert_int_equal(mesh_connect(c->node[i], names[to], PATIENCE_MS), MESH_OK);
    }
}

static int others_of(const struct cluster *c, int i, char *text, size_t size)
{
    /* As lists:sort gives them. */
    static const int order[ALL] = {2, 0, 3, 1, 4};
    int count = 0;
    size_t len = (size_t)snprintf(text, size, "[");
    for (int k = 0; k < ALL; k++) {
        int other = order[k];
        if (other == i || !c->up[other])
            continue;
        len += (size_t)snprintf(text + len, size - len, "%s'%s'", count++ > 0 ? "," : "", names[other]);
    }
    snprintf(text + len, size - len, "]");
    return count;
}

static void all_see_all(struct cluster *c)
{
    char others[256], text[512];
    for (int i = 0; i < ALL; i++) {
        if (!c->up[i])
            continue;
        int count = others_of(c, i, others, sizeof others);
        snprintf(text, sizeof text,
                 "(fun F() -> case lists:sort(nodes()) of %s -> all; _ -> timer:sleep(5), F() end end)()", others);
        if (i < BEAMS)
            expect(c, i, text, "all");
        else
            nodes_await(c->node[i], (size_t)count);
    }
}

/* On every BEAM node: names and locks of all, and calls of functions of a C node. */
static void all_works(struct cluster *c, int round)
{
    char text[512];
    for (int i = 0; i < BEAMS; i++) {
        if (!c->up[i])
            continue;
        expect(c, i, "global:sync()", "ok");
        snprintf(text, sizeof text, "global:register_name({n, %d, %d}, spawn(fun() -> receive x -> x end end))", round,
                 i);
        expect(c, i, text, "yes");
        expect(c, i, "global:trans({lock, self()}, fun() -> done end)", "done");
        int other = 1 - i;
        if (c->up[other]) {
            snprintf(text, sizeof text, "node(global:whereis_name({n, %d, %d}))", round, i);
            char wanted[64];
            snprintf(wanted, sizeof wanted, "'%s'", names[i]);
            expect(c, other, text, wanted);
        }
        for (int k = BEAMS; k < ALL; k++) {
            if (!c->up[k])
                continue;
            snprintf(text, sizeof text, "rpc:call('%s', nothing, here, [])", names[k]);
            expect(c, i, text, "{badrpc,{'EXIT',{undef,[{nothing,here,[],[]}]}}}");
            snprintf(text, sizeof text, "net_adm:ping('%s')", names[k]);
            expect(c, i, text, "pong");
        }
    }
}

static void leave_and_come_back(struct cluster *c)
{
    int i = (int)draw(c, 8); /* C nodes more often: they start in no time */
    i = i < ALL ? i : BEAMS + i % (ALL - BEAMS);
    stop(c, i);
    all_see_all(c);
    start(c, i);
    int to = (i + 1 + (int)draw(c, ALL - 1)) % ALL;
    if (draw(c, 2) == 0)
        meet(c, i, to);
    else
        meet(c, to, i);
    all_see_all(c);
}

static void in_any_order(void **state)
{
    static struct cluster c;
    (void)state;
    if (!beam_installed())
        skip();
    c.random = 7;
    c.epmd_port = beam_free_port();
    c.epmd = beam_start_epmd(c.epmd_port);
    nodes_use_epmd(c.epmd_port);
    for (int i = 0; i < ALL; i++)
        start(&c, i);
    for (int i = 1; i < ALL; i++)
        meet(&c, i, i - 1);
    all_see_all(&c);
    expect(&c, 0, "net_kernel:monitor_nodes(true)", "ok");
    stop(&c, 3);
    expect(&c, 0, "receive {nodedown, N} -> N end", "'m@127.0.0.1'");
    start(&c, 3);
    meet(&c, 3, 1);
    expect(&c, 0, "receive {nodeup, N2} -> N2 end", "'m@127.0.0.1'");
    expect(&c, 0, "erpc:call('m@127.0.0.1', nothing, here, [])", "{error,{exception,undef,[{nothing,here,[],[]}]}}");
    for (int round = 0; round < ROUNDS; round++) {
        all_works(&c, round);
        leave_and_come_back(&c);
    }
    all_works(&c, ROUNDS);
    for (int i = 0; i < ALL; i++)
        stop(&c, i);
    beam_end(c.epmd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(in_any_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
