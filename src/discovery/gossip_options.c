/* libcluster's options, judged before anything is opened, so that a mistake is told in their words and not in those of
 * a system call. */
#include <stdio.h>
#include <string.h>

#include <mesh/error.h>

#include "discovery/gossip.h"

/* Four numbers of 0 to 255 without leading zeros, and dots. */
static bool parse_ipv4(const char *text, uint8_t out[4])
{
    for (int i = 0; i < 4; i++) {
        unsigned value = 0;
        int digits = 0;
        for (; *text >= '0' && *text <= '9' && digits < 3; digits++)
            value = 10 * value + (unsigned)(*text++ - '0');
        if (digits == 0 || value > 255 || (digits > 1 && text[-digits] == '0') || *text != (i < 3 ? '.' : 0))
            return false;
        out[i] = (uint8_t)value;
        text++;
    }
    return true;
}

static bool is_group(const uint8_t address[4])
{
    return address[0] >= 224 && address[0] <= 239;
}

static int refuse_address(const char *option, const char *text, const char *expected, struct discovery_reason *reason)
{
    reason_say(reason, "gossip: %s: expected %s, got \"%s\"", option, expected, text);
    return MESH_EINVAL;
}

static int check_interface(const mesh_gossip_options *o, struct gossip_addresses *a, struct discovery_reason *reason)
{
    const char *if_addr = o->if_addr != NULL ? o->if_addr : GOSSIP_IF_ADDR;
    uint8_t multicast_if[4];
    if (!parse_ipv4(if_addr, a->if_addr))
        return refuse_address("if_addr", if_addr, "an IPv4 address such as 0.0.0.0", reason);
    if (o->multicast_if != NULL && (!parse_ipv4(o->multicast_if, multicast_if) || is_group(multicast_if)))
        return refuse_address("multicast_if", o->multicast_if, "the IPv4 address of an interface", reason);
    static const uint8_t any[4] = {0, 0, 0, 0};
    if (!o->broadcast_only && memcmp(a->if_addr, any, 4) != 0 && memcmp(a->if_addr, a->multicast_addr, 4) != 0)
        return refuse_address("if_addr", if_addr,
                              "0.0.0.0 (a socket bound to one interface gets no multicast; multicast_if chooses the "
                              "interface)",
                              reason);
    return MESH_OK;
}

static int check_target(const mesh_gossip_options *o, struct gossip_addresses *a, struct discovery_reason *reason)
{
    const char *target = o->multicast_addr != NULL ? o->multicast_addr : GOSSIP_MULTICAST_ADDR;
    bool sound = parse_ipv4(target, a->multicast_addr);
    if (!o->broadcast_only && (!sound || !is_group(a->multicast_addr)))
        return refuse_address("multicast_addr", target, "a group, 224.0.0.0 to 239.255.255.255", reason);
    if (o->broadcast_only && (!sound || is_group(a->multicast_addr)))
        return refuse_address("multicast_addr", target,
                              "with broadcast_only a broadcast address such as 255.255.255.255", reason);
    return MESH_OK;
}

int gossip_options_check(const mesh_gossip_options *o, struct gossip_addresses *out, struct discovery_reason *reason)
{
    struct gossip_addresses a = {.port = (uint16_t)(o->port != 0 ? o->port : GOSSIP_PORT),
                                 .ttl = (uint8_t)(o->multicast_ttl != 0 ? o->multicast_ttl : 1)};
    int error = discovery_check_port("gossip", "port", o->port, reason);
    if (error == MESH_OK && o->multicast_ttl > 255) {
        reason_say(reason, "gossip: multicast_ttl: expected 1 to 255, got %u", o->multicast_ttl);
        error = MESH_EINVAL;
    }
    if (error == MESH_OK && o->secret != NULL && o->secret[0] == 0) {
        reason_say(reason, "gossip: secret: expected one character or more, got none (leave it out for plain packets)");
        error = MESH_EINVAL;
    }
    if (error == MESH_OK)
        error = check_target(o, &a, reason);
    if (error == MESH_OK)
        error = check_interface(o, &a, reason);
    if (error == MESH_OK)
        error = discovery_check_timing("gossip", 0, o->per_second, reason);
    if (error == MESH_OK && out != NULL)
        *out = a;
    return error;
}
