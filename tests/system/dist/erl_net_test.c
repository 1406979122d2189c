/* A node of ours beside a real BEAM, both with a short net_ticktime, on the epmd that ours has started: links made by
 * either side, ticks that keep them up, messages, and the death of the BEAM. */
#include <poll.h>
#include <string.h>

#include "system/dist/beam.h"
#include "unit/check.h"
#include "unit/dist/party.h"

#define THEM "va@127.0.0.1"
#define US "n@127.0.0.1"

enum { TICKTIME_MS = 4000, TICK_BYTES = 4, TICKS = 6 };

static struct party us;
static struct beam them;

static void assert_hears(const char *wanted)
{
    char line[256] = "";
    for (int lines = 0; lines < 100; lines++) {
        beam_hear(&them, line, sizeof line);
        if (strcmp(line, wanted) == 0)
            return;
        print_message("the BEAM: %s\n", line);
    }
    fail_msg("it does not say %s", wanted);
}

static void tell(const char *expressions, const char *wanted)
{
    beam_tell(&them, expressions);
    assert_hears(wanted);
}

static uint64_t bytes_in(void)
{
    struct net_stats stats;
    net_stats(us.net, &stats);
    return stats.bytes_in;
}

/* Waits for more ticks than fit into the time after which silence ends a link. */
static void hear_ticks(void)
{
    const uint64_t enough = bytes_in() + (uint64_t)TICKS * TICK_BYTES, until = party_now_ms() + BEAM_DEADLINE_MS;
    while (bytes_in() < enough) {
        assert_true(party_now_ms() < until);
        poll(NULL, 0, 10);
    }
}

static void a_beam_comes_and_goes(void **state)
{
    (void)state;
    if (!beam_installed())
        skip();
    const struct net_options o = {.epmd_port = party_port(), .listen = "127.0.0.1", .ticktime_ms = TICKTIME_MS};
    party_start(&us, US, &o);
    beam_start(&them, "-name", THEM, "mesh", o.epmd_port);
    tell("net_kernel:set_net_ticktime(4, 0)", "change_initiated");

    /* We dial. It greets those who come with a message to rex. */
    assert_int_equal(net_dial(us.net, THEM), MESH_OK);
    party_await(&us, &us.ups, 1);
    party_await_messages(&us, 1);
    tell("nodes() =:= ['" US "']", "true");
    hear_ticks();
    assert_int_equal(party_count(&us, &us.downs), 0);
    tell("nodes() =:= ['" US "']", "true"); /* it has heard ours */

    /* It ends the link, and dials. */
    tell("erlang:disconnect_node('" US "')", "true");
    party_await(&us, &us.downs, 1);
    assert_int_equal(party_reason(&us).why, NET_CLOSED);
    tell("net_kernel:connect_node('" US "')", "true");
    party_await(&us, &us.ups, 2);
    hear_ticks();
    assert_int_equal(party_count(&us, &us.downs), 1);
    tell("[{x, '" US "'} ! {0, I} || I <- lists:seq(1, 1000)], ok", "ok");
    party_await_messages(&us, 1002);

    /* We end it, and both dial. */
    for (int i = 3; i < 13; i++) {
        struct net_link *link = party_link(&us, THEM);
        net_disconnect(link);
        net_link_release(link);
        party_await(&us, &us.downs, i - 1);
        beam_tell(&them, "net_kernel:connect_node('" US "')");
        assert_int_equal(net_dial(us.net, THEM), MESH_OK);
        party_await(&us, &us.ups, i);
        assert_hears("true");
        tell("nodes() =:= ['" US "']", "true");
    }
    assert_int_equal(party_count(&us, &us.ups), 12);

    const uint64_t killed = party_now_ms();
    beam_stop(&them); /* kill -9 */
    party_await(&us, &us.downs, 12);
    print_message("the end of the BEAM was seen after %u ms\n", (unsigned)(party_now_ms() - killed));
    assert_true(party_now_ms() - killed < TICKTIME_MS / 2); /* by the connection, not by silence */
    assert_int_equal(net_dial(us.net, THEM), MESH_OK);
    party_await(&us, &us.failures, 1);
    assert_int_equal(party_reason(&us).why, NET_UNKNOWN);
    party_stop(&us);
    assert_int_equal(us.disorder, 0);
}

static void a_beam_of_another_cookie_is_refused(void **state)
{
    (void)state;
    if (!beam_installed())
        skip();
    struct net_stats stats;
    const struct net_options o = {.epmd_port = party_port(), .listen = "127.0.0.1", .cookie = {"other", 5}};
    party_start(&us, US, &o);
    beam_start(&them, "-name", THEM, "mesh", o.epmd_port);
    tell("net_kernel:connect_node('" US "')", "false");
    assert_int_equal(net_dial(us.net, THEM), MESH_OK);
    party_await(&us, &us.failures, 1);
    assert_int_equal(party_reason(&us).why, NET_HANDSHAKE);
    net_stats(us.net, &stats);
    assert_true(stats.refusals[REFUSAL_DIGEST] >= 1);
    assert_int_equal(party_count(&us, &us.ups), 0);
    beam_stop(&them);
    party_stop(&us);
}

/* Registered at Erlang's own epmd, which dies and comes back. */
static void their_epmd_may_die(void **state)
{
    (void)state;
    if (!beam_installed())
        skip();
    const uint16_t port = party_port();
    const struct net_options o = {.epmd_port = port, .listen = "127.0.0.1", .no_epmd_server = true};
    pid_t epmd = beam_start_epmd(port);
    party_start(&us, US, &o);
    struct party again;
    assert_int_equal(party_try(&again, US, &o), MESH_EEXISTS);
    beam_end(epmd);
    epmd = beam_start_epmd(port);
    party_await(&us, &us.registered_again, 1);
    beam_start(&them, "-name", THEM, "mesh", port);
    tell("net_kernel:connect_node('" US "')", "true");
    party_await(&us, &us.ups, 1);
    beam_stop(&them);
    party_await(&us, &us.downs, 1);
    party_stop(&us);
    beam_end(epmd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_beam_comes_and_goes),
        cmocka_unit_test(their_epmd_may_die),
        cmocka_unit_test(a_beam_of_another_cookie_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
