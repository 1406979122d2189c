/* One set of tests over every strategy as its users have it: on a loop, with real sockets on loopback. What needs time
 * to show is in tests/unit/discovery/sources_test.c. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <mesh/error.h>

#include "discovery/options.h"
#include "system/discovery/fake_epmd.h"
#include "system/discovery/stage.h"

#define OWN "own@127.0.0.1"
#define PEER "peer@127.0.0.1"

struct subject {
    const struct discovery_strategy *strategy;
    const void *options;
};

/* The source of each strategy, where PEER can be found: an epmd, a list, a hosts file, and a node that gossips. */
struct sources {
    struct fake_epmd epmd;
    char hosts_path[64];
    const char *list[3];
    mesh_gossip_options gossip;
    mesh_epmd_list_options epmd_list;
    mesh_local_epmd_options local;
    mesh_erlang_hosts_options hosts;
    struct discovery *speaker;
    struct subject subjects[4];
};

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* Gossip on a port that no other test has at the same time: each program has a range of its own. */
static mesh_gossip_options loopback_gossip(void)
{
    return (mesh_gossip_options){.port = 10000 + (uint32_t)getpid() % 10000, .multicast_if = "127.0.0.1"};
}

static void never_seen(void *context, const char *node)
{
    (void)context;
    (void)node;
}

static void open_sources(struct stage *s, struct sources *c)
{
    memset(c, 0, sizeof *c);
    fake_epmd_open(&c->epmd, &s->loop, FAKE_ANSWERS,
                   "name own at port 4000\nname peer at port 4001\nname third at port 4002\n");
    snprintf(c->hosts_path, sizeof c->hosts_path, "/tmp/mesh-hosts-%d", (int)getpid());
    write_file(c->hosts_path, "'127.0.0.1'.\n");
    c->list[0] = OWN;
    c->list[1] = PEER;
    c->list[2] = "third@127.0.0.1";
    c->gossip = loopback_gossip();
    c->epmd_list = (mesh_epmd_list_options){.hosts = c->list, .count = 3, .timeout_ms = 20};
    c->local = (mesh_local_epmd_options){.timeout_ms = 20, .epmd_port = c->epmd.port};
    c->hosts = (mesh_erlang_hosts_options){.file = c->hosts_path, .timeout_ms = 20, .epmd_port = c->epmd.port};
    c->subjects[0] = (struct subject){&discovery_gossip, &c->gossip};
    c->subjects[1] = (struct subject){&discovery_epmd, &c->epmd_list};
    c->subjects[2] = (struct subject){&discovery_local_epmd, &c->local};
    c->subjects[3] = (struct subject){&discovery_erlang_hosts, &c->hosts};
    struct discovery_env speaker = stage_env(s, PEER);
    speaker.seen = never_seen;
    assert_int_equal(discovery_gossip.start(&speaker, &c->gossip, &c->speaker, NULL), MESH_OK);
}

static void close_sources(struct sources *c)
{
    fake_epmd_close(&c->epmd);
    discovery_gossip.stop(c->speaker, NULL, NULL);
    unlink(c->hosts_path);
}

static struct discovery *start(struct stage *s, const struct subject *subject)
{
    struct discovery_env env = stage_env(s, OWN);
    struct discovery_reason reason = {""};
    struct discovery *d = NULL;
    if (subject->strategy->start(&env, subject->options, &d, &reason) != MESH_OK)
        fail_msg("%s", reason.text);
    return d;
}

static void watch(struct stage *s)
{
    world_watch(&s->world, 0, PEER);
    world_watch(&s->world, 1, OWN);
}

static void reports_a_node_until_it_is_connected(struct stage *s, const struct subject *subject)
{
    watch(s);
    struct discovery *d = start(s, subject);
    assert_int_equal(s->world.all_seen, 0); /* nothing before the loop runs */
    while (s->world.seen[0] < 3)
        stage_step(s);
    world_connect(&s->world, PEER);
    unsigned before = s->world.seen[0];
    s->world.asked = 0;
    while (s->world.asked < 2) /* it goes on asking whether it is */
        stage_step(s);
    assert_int_equal(s->world.seen[0], before);
    world_connect(&s->world, NULL);
    while (s->world.seen[0] == before)
        stage_step(s);
    assert_int_equal(s->world.seen[1], 0);
    assert_int_equal(stage_count(subject->strategy, d, "nodes_seen"), s->world.all_seen);
    subject->strategy->stop(d, stage_on_stopped, s);
    while (s->stopped == 0)
        stage_step(s);
}

static void stops_before_it_has_begun(struct stage *s, const struct subject *subject)
{
    struct discovery *d = start(s, subject);
    subject->strategy->stop(d, stage_on_stopped, s);
    while (s->stopped == 0)
        stage_step(s);
    assert_int_equal(s->world.all_seen + s->world.all_gone + s->world.asked, 0);
}

/* Nothing is called after stop, although there is something to report every few milliseconds. */
static void is_silent_once_stopped(struct stage *s, const struct subject *subject)
{
    struct discovery *d = start(s, subject);
    while (s->world.all_seen == 0)
        stage_step(s);
    subject->strategy->stop(d, NULL, NULL);
    unsigned before = s->world.all_seen + s->world.asked;
    for (int i = 0; i < 3; i++)
        uv_run(&s->loop, UV_RUN_NOWAIT);
    assert_int_equal(s->world.all_seen + s->world.asked, before);
}

struct stopper {
    struct stage *stage;
    const struct discovery_strategy *strategy;
    struct discovery *running;
    unsigned calls;
};

static void stop_at_once(void *context, const char *node)
{
    struct stopper *stopper = context;
    (void)node;
    stopper->calls++;
    stopper->strategy->stop(stopper->running, stage_on_stopped, stopper->stage);
}

static bool nobody(void *context, const char *node)
{
    (void)context;
    (void)node;
    return false;
}

/* Most sources have a second node to report by then. */
static void may_be_stopped_from_its_own_report(struct stage *s, const struct subject *subject)
{
    struct stopper stopper = {.stage = s, .strategy = subject->strategy};
    struct discovery_env env = {
        .loop = &s->loop, .node = OWN, .context = &stopper, .connected = nobody, .seen = stop_at_once};
    assert_int_equal(subject->strategy->start(&env, subject->options, &stopper.running, NULL), MESH_OK);
    while (s->stopped == 0)
        stage_step(s);
    assert_int_equal(stopper.calls, 1);
}

static void refuses_a_bad_name_of_our_own(struct stage *s, const struct subject *subject)
{
    struct discovery_env env = stage_env(s, "nohost");
    struct discovery_reason reason = {""};
    struct discovery *d = NULL;
    char expected[128];
    snprintf(expected, sizeof expected, "%s: node: expected a name such as game@127.0.0.1, got \"nohost\"",
             subject->strategy->name);
    assert_int_equal(subject->strategy->start(&env, subject->options, &d, &reason), MESH_EBADNAME);
    assert_string_equal(reason.text, expected);
    assert_null(d);
}

static void over_all(void (*test)(struct stage *s, const struct subject *subject))
{
    for (size_t i = 0; i < 4; i++) {
        struct stage s;
        struct sources c;
        stage_open(&s);
        open_sources(&s, &c);
        print_message("  %s\n", c.subjects[i].strategy->name);
        test(&s, &c.subjects[i]);
        assert_true(s.stopped <= 1);
        close_sources(&c);
        stage_close(&s);
    }
}

#define OVER_ALL(test)                                                                                                 \
    static void test##_all(void **state)                                                                               \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        over_all(test);                                                                                                \
    }

OVER_ALL(reports_a_node_until_it_is_connected)
OVER_ALL(stops_before_it_has_begun)
OVER_ALL(is_silent_once_stopped)
OVER_ALL(may_be_stopped_from_its_own_report)
OVER_ALL(refuses_a_bad_name_of_our_own)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reports_a_node_until_it_is_connected_all),
        cmocka_unit_test(stops_before_it_has_begun_all),
        cmocka_unit_test(is_silent_once_stopped_all),
        cmocka_unit_test(may_be_stopped_from_its_own_report_all),
        cmocka_unit_test(refuses_a_bad_name_of_our_own_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
