/* Nodes that meet: from start to stop, by epmd and without, with the right and the wrong cookie, both at once, again
 * and again. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/perturb.h"
#include "system/dist/beam.h"
#include "system/dist/epmd_loop.h"
#include "system/dist/link.h"
#include "unit/check.h"
#include "unit/dist/party.h"

static struct net_options on_port(uint16_t epmd_port)
{
    return (struct net_options){.epmd_port = epmd_port, .listen = "127.0.0.1"};
}

static bool says(struct party *p, enum net_why why, enum refusal refusal)
{
    const struct net_reason reason = party_reason(p);
    return reason.why == why && reason.refusal == refusal;
}

/* Ups, messages and downs in turns, and nothing else. */
static void assert_ordered(const struct party *p)
{
    char before = 'd';
    for (const char *e = p->events; *e; e++) {
        if (*e == 'f')
            continue;
        assert_true(*e == 'u' ? before == 'd' : before != 'd');
        before = *e;
    }
}

static void two_nodes_meet_and_part(void **state)
{
    (void)state;
    struct party a, b;
    const int before = party_descriptors();
    const struct net_options o = on_port(party_port());
    party_start(&a, "a@127.0.0.1", &o); /* starts the epmd as well */
    party_start(&b, "b@127.0.0.1", &o);
    assert_int_not_equal(net_creation(a.net), net_creation(b.net));
    assert_null(net_find(a.net, mesh_str("b@127.0.0.1")));
    party_connect(&b, &a);
    assert_int_equal(party_peer_creation(&a), net_creation(b.net));
    assert_int_equal(party_peer_creation(&b), net_creation(a.net));
    struct net_link *to_b = party_link(&a, b.name), *to_a = party_link(&b, a.name);
    assert_string_equal(net_link_peer(to_b), b.name);
    assert_int_equal(party_send(&a, to_b, 1, 1, 0), MESH_OK);
    assert_int_equal(party_send(&b, to_a, 1, 1, 0), MESH_OK);
    party_await_messages(&a, 1);
    party_await_messages(&b, 1);
    assert_int_equal(net_dial(a.net, b.name), MESH_OK); /* is up already */
    net_disconnect(to_b);
    party_await(&a, &a.downs, 1);
    party_await(&b, &b.downs, 1);
    assert_true(says(&a, NET_DISCONNECTED, REFUSAL_NONE));
    assert_true(says(&b, NET_CLOSED, REFUSAL_NONE));
    assert_int_equal(party_send(&a, to_b, 1, 2, 0), MESH_ESTOPPED);
    net_link_release(to_b);
    net_link_release(to_a);
    assert_int_equal(net_dial(a.net, b.name), MESH_OK); /* the dial before may have come behind the end, and do it */
    party_await(&a, &a.ups, 2);
    party_await(&b, &b.ups, 2);
    party_stop(&a);
    party_await(&b, &b.downs, 2);
    assert_int_equal(party_count(&b, &b.failures), 0);
    party_stop(&b);
    assert_string_equal(b.events, "umdud");
    assert_int_equal(party_descriptors(), before);
}

static void both_dial_at_once(void **state)
{
    (void)state;
    enum { ROUNDS = 60 };
    struct party a, b;
    const struct net_options o = on_port(party_port());
    party_start(&a, "a@127.0.0.1", &o);
    party_start(&b, "b@127.0.0.1", &o);
    for (int i = 1; i <= ROUNDS; i++) {
        struct party *first = i % 2 ? &a : &b, *second = i % 2 ? &b : &a;
        assert_int_equal(net_dial(first->net, second->name), MESH_OK);
        assert_int_equal(net_dial(second->net, first->name), MESH_OK);
        party_await(&a, &a.ups, i);
        party_await(&b, &b.ups, i);
        struct net_link *link = party_link(i % 3 ? &a : &b, i % 3 ? b.name : a.name);
        net_disconnect(link);
        net_link_release(link);
        party_await(&a, &a.downs, i);
        party_await(&b, &b.downs, i);
    }
    assert_int_equal(party_count(&a, &a.ups), ROUNDS);
    assert_int_equal(party_count(&b, &b.ups), ROUNDS);
    assert_int_equal(party_count(&a, &a.failures) + party_count(&b, &b.failures), 0);
    party_stop(&a);
    party_stop(&b);
    assert_ordered(&a);
    assert_ordered(&b);
}

/* Three nodes, everybody dials everybody at the same moment, and all links end from some side or other. Threads stand
 * aside where they meet. */
static void three_nodes_storm(void **state)
{
    (void)state;
    enum { NODES = 3, ROUNDS = 30 };
    static const char *const names[NODES] = {"a@127.0.0.1", "b@127.0.0.1", "c@127.0.0.1"};
    static struct party p[NODES];
    const struct net_options o = on_port(party_port());
    perturb_seed(7);
    for (int i = 0; i < NODES; i++)
        party_start(&p[i], names[i], &o);
    for (int round = 1; round <= ROUNDS; round++) {
        for (int i = 0; i < NODES * NODES; i++)
            if (i / NODES != i % NODES)
                assert_int_equal(net_dial(p[i / NODES].net, names[i % NODES]), MESH_OK);
        for (int i = 0; i < NODES; i++)
            party_await(&p[i], &p[i].ups, 2 * round);
        for (int i = 0; i < NODES; i++) {
            struct net_link *link = party_link(&p[i], names[(i + 1 + round % 2) % NODES]);
            net_disconnect(link);
            net_link_release(link);
        }
        for (int i = 0; i < NODES; i++)
            party_await(&p[i], &p[i].downs, 2 * round);
    }
    for (int i = 0; i < NODES; i++) {
        assert_int_equal(party_count(&p[i], &p[i].ups), 2 * ROUNDS);
        assert_int_equal(party_count(&p[i], &p[i].failures), 0);
    }
    for (int i = 0; i < NODES; i++)
        party_stop(&p[i]);
    perturb_seed(0);
}

/* Dials from the old link's end on, without waiting for it: up again, once. */
static void a_dial_during_the_end_counts(void **state)
{
    (void)state;
    struct party a, b;
    const struct net_options o = on_port(party_port());
    party_start(&a, "a@127.0.0.1", &o);
    party_start(&b, "b@127.0.0.1", &o);
    party_connect(&a, &b);
    for (int i = 2; i < 20; i++) {
        struct net_link *link = party_link(&a, b.name);
        net_disconnect(link);
        net_link_release(link);
        assert_int_equal(net_dial(a.net, b.name), MESH_OK);
        party_await(&a, &a.ups, i);
    }
    party_await(&b, &b.ups, 19);
    party_stop(&a);
    party_stop(&b);
    assert_ordered(&a);
    assert_ordered(&b);
}

static void a_wrong_cookie_is_refused(void **state)
{
    (void)state;
    struct party a, b;
    struct net_stats stats;
    struct net_options o = on_port(party_port());
    party_start(&a, "a@127.0.0.1", &o);
    o.cookie = mesh_str("hsem");
    party_start(&b, "b@127.0.0.1", &o);
    assert_int_equal(net_dial(b.net, a.name), MESH_OK);
    party_await(&b, &b.failures, 1);
    assert_true(says(&b, NET_HANDSHAKE, REFUSAL_NONE)); /* nobody says why */
    assert_int_equal(net_dial(a.net, b.name), MESH_OK);
    party_await(&a, &a.failures, 1);
    net_stats(a.net, &stats);
    assert_int_equal(stats.refusals[REFUSAL_DIGEST], 1);
    net_stats(b.net, &stats);
    assert_int_equal(stats.refusals[REFUSAL_DIGEST], 1);
    assert_int_equal(party_count(&a, &a.ups) + party_count(&b, &b.ups), 0);
    party_stop(&a);
    party_stop(&b);
}

static bool only_c(void *context, mesh_bytes peer)
{
    (void)context;
    return peer.len > 0 && *(const char *)peer.data == 'c';
}

static void names_are_asked_for(void **state)
{
    (void)state;
    struct party a, b;
    struct net_options o = on_port(party_port());
    party_start(&b, "b@127.0.0.1", &o);
    o.allowed = only_c;
    party_start(&a, "a@127.0.0.1", &o);
    assert_int_equal(net_dial(a.net, b.name), MESH_OK);
    party_await(&a, &a.failures, 1);
    assert_true(says(&a, NET_NAME, REFUSAL_NONE));
    assert_int_equal(net_dial(b.net, a.name), MESH_OK);
    party_await(&b, &b.failures, 1);
    assert_true(says(&b, NET_HANDSHAKE, REFUSAL_PEER_NOT_ALLOWED));
    assert_int_equal(net_dial(b.net, "nobody@127.0.0.1"), MESH_OK);
    party_await(&b, &b.failures, 2);
    assert_true(says(&b, NET_UNKNOWN, REFUSAL_NONE));
    assert_int_equal(net_dial(b.net, b.name), MESH_OK);
    party_await(&b, &b.failures, 3);
    assert_true(says(&b, NET_NAME, REFUSAL_NONE));
    assert_int_equal(net_dial(b.net, "no name"), MESH_OK);
    party_await(&b, &b.failures, 4);
    assert_true(says(&b, NET_NAME, REFUSAL_NONE));
    party_stop(&a);
    party_stop(&b);
}

static void a_name_is_given_once(void **state)
{
    (void)state;
    struct party a, again;
    const struct net_options o = on_port(party_port());
    party_start(&a, "a@127.0.0.1", &o);
    assert_int_equal(party_try(&again, "a@127.0.0.1", &o), MESH_EEXISTS);
    party_stop(&a);
    party_start(&a, "a@127.0.0.1", &o);
    party_stop(&a);
}

static void what_cannot_start_says_so(void **state)
{
    (void)state;
    struct party a, b;
    const int before = party_descriptors();
    struct net_options o = on_port(party_port());
    assert_int_equal(party_try(&a, "a@127.0.0.1", &(struct net_options){.ticktime_ms = 10}), MESH_EINVAL);
    assert_int_equal(party_try(&a, "a@127.0.0.1", &(struct net_options){.listen = "here"}), MESH_EINVAL);
    setenv("ERL_EPMD_PORT", "4369x", 1);
    assert_int_equal(party_try(&a, "a@127.0.0.1", &(struct net_options){.listen = "127.0.0.1"}), MESH_EINVAL);
    unsetenv("ERL_EPMD_PORT");
    o.no_epmd_server = true;
    assert_int_equal(party_try(&a, "a@127.0.0.1", &o), MESH_ESYSTEM);
    o.no_epmd = true;
    party_start(&a, "a@127.0.0.1", &o);
    o.port = net_port(a.net);
    assert_int_equal(party_try(&b, "b@127.0.0.1", &o), MESH_ESYSTEM);
    party_stop(&a);
    assert_int_equal(party_descriptors(), before);
}

static void nodes_meet_without_epmd(void **state)
{
    (void)state;
    struct party a, b;
    struct net_options o = {.no_epmd = true}; /* listens everywhere: a is reached over IPv6 */
    party_start(&a, "a@::1", &o);
    o.dial_port = net_port(a.net);
    party_start(&b, "b@127.0.0.1", &o);
    assert_true(net_creation(a.net) >= 4 && net_creation(b.net) >= 4);
    party_connect(&b, &a);
    party_stop(&b);
    party_stop(&a);
}

static void a_node_comes_back_under_its_name(void **state)
{
    (void)state;
    struct party a, b;
    const struct net_options o = on_port(party_port());
    party_start(&a, "a@127.0.0.1", &o);
    uint32_t creation = 0;
    for (int i = 1; i <= 5; i++) {
        party_start(&b, "b@127.0.0.1", &o);
        assert_int_not_equal(net_creation(b.net), creation);
        creation = net_creation(b.net);
        assert_int_equal(net_dial(b.net, a.name), MESH_OK);
        party_await(&a, &a.ups, i);
        assert_int_equal(party_peer_creation(&a), creation);
        party_stop(&b);
    }
    party_await(&a, &a.downs, 5);
    party_stop(&a);
    assert_string_equal(a.events, "ududududud");
}

/* An epmd beside the nodes dies, and another one starts: nodes register there. */
static void epmd_dies_and_comes_back(void **state)
{
    (void)state;
    struct party a, b;
    struct net_options o = on_port(party_port());
    pid_t epmd = epmd_loop_start(o.epmd_port);
    o.no_epmd_server = true;
    party_start(&a, "a@127.0.0.1", &o);
    party_start(&b, "b@127.0.0.1", &o);
    const uint32_t creation = net_creation(a.net);
    beam_end(epmd);
    epmd = epmd_loop_start(o.epmd_port);
    party_await(&a, &a.registered_again, 1);
    party_await(&b, &b.registered_again, 1);
    assert_int_equal(net_creation(a.net), creation);
    party_connect(&a, &b);
    party_stop(&a);
    party_stop(&b);
    beam_end(epmd);
}

/* The node that has the epmd goes: another one takes that over, and all find each other as who they were. */
static void epmd_is_taken_over(void **state)
{
    (void)state;
    struct party a, b, c, d;
    const struct net_options o = on_port(party_port());
    party_start(&a, "a@127.0.0.1", &o);
    party_start(&b, "b@127.0.0.1", &o);
    party_start(&c, "c@127.0.0.1", &o);
    const uint32_t creation = net_creation(b.net);
    party_stop(&a);
    party_await(&b, &b.registered_again, 1);
    party_await(&c, &c.registered_again, 1);
    assert_int_equal(net_creation(b.net), creation);
    party_connect(&c, &b);
    assert_int_equal(party_peer_creation(&c), creation);
    party_start(&d, "d@127.0.0.1", &o);
    party_connect(&d, &b);
    party_stop(&b);
    party_stop(&c);
    party_stop(&d);
}

/* The peer accepts, and says nothing. */
static void dials_are_told_that_the_node_stops(void **state)
{
    (void)state;
    struct party b;
    uint16_t port;
    int listener = link_listen(&port);
    const struct net_options o = {.no_epmd = true, .dial_port = port, .listen = "127.0.0.1"};
    party_start(&b, "b@127.0.0.1", &o);
    for (int i = 0; i < 10; i++)
        assert_int_equal(net_dial(b.net, "x@127.0.0.1"), MESH_OK); /* one attempt for those that came by now */
    int fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    assert_int_equal(net_stop(b.net), MESH_OK);
    assert_true(net_is_stopping(b.net));
    assert_int_equal(net_dial(b.net, "x@127.0.0.1"), MESH_ESTOPPED);
    assert_in_range(party_count(&b, &b.failures), 1, 10); /* dials that come behind the stop are told each */
    assert_true(says(&b, NET_STOPPING, REFUSAL_NONE));
    net_destroy(b.net);
    assert_int_equal(mesh_node_stop(b.node), MESH_OK);
    close(fd);
    close(listener);
}

/* libuv keeps two descriptors for the rest of the program. */
static int warm_up(void **state)
{
    (void)state;
    struct party a;
    party_start(&a, "a@127.0.0.1", &(struct net_options){.no_epmd = true});
    party_stop(&a);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_nodes_meet_and_part),
        cmocka_unit_test(both_dial_at_once),
        cmocka_unit_test(three_nodes_storm),
        cmocka_unit_test(a_dial_during_the_end_counts),
        cmocka_unit_test(a_wrong_cookie_is_refused),
        cmocka_unit_test(names_are_asked_for),
        cmocka_unit_test(a_name_is_given_once),
        cmocka_unit_test(what_cannot_start_says_so),
        cmocka_unit_test(nodes_meet_without_epmd),
        cmocka_unit_test(a_node_comes_back_under_its_name),
        cmocka_unit_test(epmd_dies_and_comes_back),
        cmocka_unit_test(epmd_is_taken_over),
        cmocka_unit_test(dials_are_told_that_the_node_stops),
    };
    return cmocka_run_group_tests(tests, warm_up, NULL);
}
