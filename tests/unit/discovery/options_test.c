/* Options: what is accepted, and that a refusal names the option and what was expected. */
#include <string.h>

#include <mesh/error.h>

#include "discovery/gossip.h"
#include "discovery/strategy.h"
#include "unit/check.h"

static void refused(const struct discovery_strategy *s, const void *options, const char *reason)
{
    struct discovery_reason got = {""};
    assert_int_equal(s->check(options, &got), MESH_EINVAL);
    assert_string_equal(got.text, reason);
    assert_int_equal(s->check(options, NULL), MESH_EINVAL);
}

static void accepted(const struct discovery_strategy *s, const void *options)
{
    struct discovery_reason got = {""};
    if (s->check(options, &got) != MESH_OK)
        fail_msg("%s", got.text);
}

static void strategies_are_found_by_name(void **state)
{
    (void)state;
    assert_ptr_equal(discovery_strategy("gossip"), &discovery_gossip);
    assert_ptr_equal(discovery_strategy("epmd"), &discovery_epmd);
    assert_ptr_equal(discovery_strategy("local_epmd"), &discovery_local_epmd);
    assert_ptr_equal(discovery_strategy("erlang_hosts"), &discovery_erlang_hosts);
    assert_null(discovery_strategy("kubernetes"));
    assert_null(discovery_strategy(""));
}

static void gossip_has_the_defaults_of_libcluster(void **state)
{
    (void)state;
    mesh_gossip_options zero = {0};
    struct gossip_addresses a;
    assert_int_equal(gossip_options_check(&zero, &a, NULL), MESH_OK);
    assert_int_equal(a.port, 45892);
    assert_int_equal(a.ttl, 1);
    assert_memory_equal(a.if_addr, "\0\0\0\0", 4);
    assert_memory_equal(a.multicast_addr, "\xE9\xFC\1\x20", 4);
}

#define GOSSIP(...) (&(mesh_gossip_options){__VA_ARGS__})

static void gossip_options_are_judged(void **state)
{
    (void)state;
    const struct discovery_strategy *s = &discovery_gossip;
    accepted(s, GOSSIP(.port = 65535, .multicast_ttl = 255, .secret = "x", .per_second = 10000));
    accepted(s, GOSSIP(.if_addr = "233.252.1.32"));
    accepted(s, GOSSIP(.multicast_if = "127.0.0.1", .multicast_addr = "239.0.0.1"));
    accepted(s, GOSSIP(.broadcast_only = true, .multicast_addr = "127.255.255.255", .if_addr = "127.0.0.1"));
    refused(s, GOSSIP(.port = 65536), "gossip: port: expected 1 to 65535, got 65536");
    refused(s, GOSSIP(.multicast_ttl = 256), "gossip: multicast_ttl: expected 1 to 255, got 256");
    refused(s, GOSSIP(.per_second = 10001), "gossip: per_second: expected 1 to 10000, got 10001");
    refused(s, GOSSIP(.secret = ""),
            "gossip: secret: expected one character or more, got none (leave it out for plain packets)");
    refused(s, GOSSIP(.multicast_addr = "10.0.0.1"),
            "gossip: multicast_addr: expected a group, 224.0.0.0 to 239.255.255.255, got \"10.0.0.1\"");
    refused(s, GOSSIP(.broadcast_only = true),
            "gossip: multicast_addr: expected with broadcast_only a broadcast address "
            "such as 255.255.255.255, got \"233.252.1.32\"");
    refused(s, GOSSIP(.multicast_if = "eth0"),
            "gossip: multicast_if: expected the IPv4 address of an interface, got \"eth0\"");
    refused(
        s, GOSSIP(.if_addr = "127.0.0.1"),
        "gossip: if_addr: expected 0.0.0.0 (a socket bound to one interface gets no multicast; multicast_if chooses "
        "the interface), got \"127.0.0.1\"");
}

static void addresses_are_four_numbers(void **state)
{
    (void)state;
    static const char *const bad[] = {"",          "0",         "0.0.0",      "0.0.0.0.0", "0.0.0.256", "0.0.0.-1",
                                      " 0.0.0.0",  "0.0.0.0 ",  "0..0.0",     "00.0.0.0",  "0.0.0.01",  "0.0.0.0000",
                                      "localhost", "999.0.0.0", "1234.0.0.0", ".0.0.0.0",  "0x0.0.0.0", "0.0.0.0."};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct discovery_reason reason = {""};
        assert_int_equal(discovery_gossip.check(GOSSIP(.if_addr = bad[i]), &reason), MESH_EINVAL);
        assert_non_null(strstr(reason.text, "if_addr: expected an IPv4 address such as 0.0.0.0, got"));
    }
}

static void epmd_options_are_judged(void **state)
{
    (void)state;
    const struct discovery_strategy *s = &discovery_epmd;
    static const char *const good[] = {"a@127.0.0.1", "b@127.0.0.1"}, *const bad[] = {"a@127.0.0.1", "127.0.0.1"};
    accepted(s, &(mesh_epmd_list_options){.hosts = good, .count = 2});
    refused(s, &(mesh_epmd_list_options){0}, "epmd: hosts: expected 1 to 1024 names of nodes, got 0");
    refused(s, &(mesh_epmd_list_options){.hosts = good, .count = 1025},
            "epmd: hosts: expected 1 to 1024 names of nodes, got 1025");
    refused(s, &(mesh_epmd_list_options){.hosts = bad, .count = 2},
            "epmd: hosts: expected names such as game@127.0.0.1, got \"127.0.0.1\" (number 2)");
    refused(s, &(mesh_epmd_list_options){.hosts = good, .count = 2, .timeout_ms = 9},
            "epmd: timeout: expected 10 to 3600000 ms, got 9");
    refused(s, &(mesh_epmd_list_options){.hosts = good, .count = 2, .per_second = 10001},
            "epmd: per_second: expected 1 to 10000, got 10001");
}

static void options_of_those_that_ask_epmd_are_judged(void **state)
{
    (void)state;
    accepted(&discovery_local_epmd, &(mesh_local_epmd_options){0});
    accepted(&discovery_erlang_hosts, &(mesh_erlang_hosts_options){0});
    refused(&discovery_local_epmd, &(mesh_local_epmd_options){.epmd_port = 65536},
            "local_epmd: epmd_port: expected 1 to 65535, got 65536");
    refused(&discovery_local_epmd, &(mesh_local_epmd_options){.timeout_ms = 3600001},
            "local_epmd: timeout: expected 10 to 3600000 ms, got 3600001");
    refused(&discovery_erlang_hosts, &(mesh_erlang_hosts_options){.timeout_ms = 1},
            "erlang_hosts: timeout: expected 10 to 3600000 ms, got 1");
    refused(&discovery_erlang_hosts, &(mesh_erlang_hosts_options){.epmd_port = 70000},
            "erlang_hosts: epmd_port: expected 1 to 65535, got 70000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strategies_are_found_by_name), cmocka_unit_test(gossip_has_the_defaults_of_libcluster),
        cmocka_unit_test(gossip_options_are_judged),    cmocka_unit_test(addresses_are_four_numbers),
        cmocka_unit_test(epmd_options_are_judged),      cmocka_unit_test(options_of_those_that_ask_epmd_are_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
