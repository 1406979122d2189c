/* Gossip through real sockets on loopback: two of ours find each other, and what is no packet changes nothing. */
#include <stdio.h>
#include <unistd.h>

#include <mesh/error.h>

#include "discovery/gossip.h"
#include "system/discovery/stage.h"

#define ONE "one@127.0.0.1"
#define TWO "two@127.0.0.1"

static uint32_t port_of_this_process(void)
{
    return 30000 + (uint32_t)getpid() % 10000;
}

static struct discovery *start(struct stage *s, struct world *w, const char *node, const mesh_gossip_options *options)
{
    struct discovery_env env = world_env(w, node);
    struct discovery_reason reason = {""};
    struct discovery *d = NULL;
    env.loop = &s->loop;
    if (discovery_gossip.start(&env, options, &d, &reason) != MESH_OK)
        fail_msg("%s", reason.text);
    return d;
}

static uint64_t count(const struct discovery *d, const char *name)
{
    return stage_count(&discovery_gossip, d, name);
}

/* Two nodes with these options report each other, and not themselves. */
static void find_each_other(const mesh_gossip_options *options)
{
    struct stage s;
    struct world two = {.random = 5};
    stage_open(&s);
    world_watch(&s.world, 0, TWO);
    world_watch(&two, 0, ONE);
    struct discovery *first = start(&s, &s.world, ONE, options), *second = start(&s, &two, TWO, options);
    while (s.world.seen[0] == 0 || two.seen[0] == 0 || count(first, "packets_own") == 0)
        stage_step(&s);
    assert_int_equal(s.world.all_seen, s.world.seen[0]);
    assert_int_equal(two.all_seen, two.seen[0]);
    discovery_gossip.stop(first, NULL, NULL);
    discovery_gossip.stop(second, NULL, NULL);
    stage_close(&s);
}

static void two_nodes_find_each_other_by_multicast(void **state)
{
    (void)state;
    find_each_other(&(mesh_gossip_options){.port = port_of_this_process(), .multicast_if = "127.0.0.1"});
}

static void two_nodes_find_each_other_with_a_secret(void **state)
{
    (void)state;
    find_each_other(
        &(mesh_gossip_options){.port = port_of_this_process(), .multicast_if = "127.0.0.1", .secret = "s3cret"});
}

static void two_nodes_find_each_other_bound_to_the_group(void **state)
{
    (void)state;
    find_each_other(&(mesh_gossip_options){.port = port_of_this_process(),
                                           .if_addr = "239.7.7.7",
                                           .multicast_addr = "239.7.7.7",
                                           .multicast_if = "127.0.0.1"});
}

static void two_nodes_find_each_other_by_broadcast(void **state)
{
    (void)state;
    find_each_other(&(mesh_gossip_options){
        .port = port_of_this_process(), .broadcast_only = true, .multicast_addr = "127.255.255.255"});
}

static void nodes_with_different_secrets_do_not_see_each_other(void **state)
{
    (void)state;
    struct stage s;
    mesh_gossip_options plain = {.port = port_of_this_process(), .multicast_if = "127.0.0.1"};
    mesh_gossip_options secret = plain, other = plain;
    secret.secret = "s3cret";
    other.secret = "another";
    stage_open(&s);
    struct discovery *a = start(&s, &s.world, "a@h", &plain), *b = start(&s, &s.world, "b@h", &secret),
                     *c = start(&s, &s.world, "c@h", &other);
    while (count(a, "packets_foreign") < 2 || count(b, "packets_unreadable") + count(b, "packets_foreign") < 2 ||
           count(c, "packets_unreadable") + count(c, "packets_foreign") < 2 || count(a, "packets_own") == 0)
        stage_step(&s);
    assert_int_equal(s.world.all_seen, 0);
    discovery_gossip.stop(a, NULL, NULL);
    discovery_gossip.stop(b, NULL, NULL);
    discovery_gossip.stop(c, NULL, NULL);
    stage_close(&s);
}

/* A plain socket that sends datagrams to the group. */
static int open_sender(struct sockaddr_in *group)
{
    const struct in_addr interface = {htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &interface, sizeof interface), 0);
    assert_int_equal(uv_ip4_addr(GOSSIP_MULTICAST_ADDR, (int)port_of_this_process(), group), 0);
    return fd;
}

static void send_one(int fd, const struct sockaddr_in *group, const void *data, size_t len)
{
    assert_int_equal(sendto(fd, data, len, 0, (const struct sockaddr *)group, sizeof *group), (ssize_t)len);
}

static void what_is_no_packet_is_counted_and_the_next_good_one_read(void **state)
{
    (void)state;
    static uint8_t largest[65507];
    static const char compressed[] = "heartbeat::\x83\x50\xFF\xFF\xFF\xFF\x78\x9C\x2B\x61";
    struct stage s;
    struct gossip_codec codec;
    uint8_t packet[GOSSIP_PACKET_MAX_BYTES];
    struct sockaddr_in group;
    stage_open(&s);
    world_watch(&s.world, 0, TWO);
    mesh_gossip_options options = {.port = port_of_this_process(), .multicast_if = "127.0.0.1"};
    struct discovery *d = start(&s, &s.world, ONE, &options);
    int fd = open_sender(&group);
    snprintf((char *)largest, sizeof largest, "heartbeat::");
    send_one(fd, &group, "", 0);
    send_one(fd, &group, "garbage", 7);
    send_one(fd, &group, largest, sizeof largest);
    send_one(fd, &group, compressed, sizeof compressed - 1);
    send_one(fd, &group, "heartbeat::\x83\x74\0\0\0\1\x77\4node\x77\6nohost", 31);
    assert_int_equal(gossip_codec_init(&codec, NULL), MESH_OK);
    size_t len = gossip_encode(&codec, TWO, NULL, packet);
    send_one(fd, &group, packet, len);
    gossip_codec_fini(&codec);
    while (s.world.seen[0] == 0)
        stage_step(&s);
    assert_int_equal(count(d, "packets_foreign"), 2);
    assert_int_equal(count(d, "packets_too_long"), 1);
    assert_int_equal(count(d, "packets_bad_term"), 1);
    assert_int_equal(count(d, "packets_bad_name"), 1);
    assert_int_equal(count(d, "packets_good"), 1);
    discovery_gossip.stop(d, NULL, NULL);
    close(fd);
    stage_close(&s);
}

static void a_start_that_fails_leaves_nothing_and_says_why(void **state)
{
    (void)state;
    struct stage s;
    struct discovery_reason reason = {""};
    struct discovery *d = NULL;
    stage_open(&s);
    struct discovery_env env = stage_env(&s, ONE);
    mesh_gossip_options options = {.port = port_of_this_process(), .multicast_if = "192.0.2.1"};
    assert_int_equal(discovery_gossip.start(&env, &options, &d, &reason), MESH_ESYSTEM);
    assert_string_equal(reason.text, "gossip: multicast_addr 233.252.1.32: no such device");
    options = (mesh_gossip_options){
        .port = port_of_this_process(), .if_addr = "192.0.2.1", .broadcast_only = true, .multicast_addr = "255.0.0.1"};
    assert_int_equal(discovery_gossip.start(&env, &options, &d, &reason), MESH_ESYSTEM);
    assert_non_null(strstr(reason.text, "gossip: port "));
    assert_non_null(strstr(reason.text, ": address not available"));
    assert_null(d);
    stage_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_nodes_find_each_other_by_multicast),
        cmocka_unit_test(two_nodes_find_each_other_with_a_secret),
        cmocka_unit_test(two_nodes_find_each_other_bound_to_the_group),
        cmocka_unit_test(two_nodes_find_each_other_by_broadcast),
        cmocka_unit_test(nodes_with_different_secrets_do_not_see_each_other),
        cmocka_unit_test(what_is_no_packet_is_counted_and_the_next_good_one_read),
        cmocka_unit_test(a_start_that_fails_leaves_nothing_and_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
