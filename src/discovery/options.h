/* The options of each strategy. A struct of zeros is the default, except that epmd needs hosts. Names are libcluster's,
 * times have their unit behind them. Strings are the caller's, and need to live until start returns. */
#ifndef DISCOVERY_OPTIONS_H
#define DISCOVERY_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "discovery/env.h"
#include "discovery/reason.h"

struct gossip_options {
    uint32_t port;              /* 1 to 65535; 0: 45892 */
    const char *if_addr;        /* IPv4 address to bind; NULL: 0.0.0.0 */
    const char *multicast_if;   /* IPv4 address of the interface for multicast; NULL: the system chooses */
    const char *multicast_addr; /* the group, or with broadcast_only the broadcast address; NULL: 233.252.1.32 */
    uint32_t multicast_ttl;     /* 1 to 255; 0: 1 */
    bool broadcast_only;        /* no multicast: packets go to multicast_addr, which then is a broadcast address */
    const char *secret;         /* NULL: packets are plain; else 1 byte or more, the same on all nodes */
    uint32_t per_second;        /* 1 to DISCOVERY_PER_SECOND_MAX; 0: DISCOVERY_PER_SECOND */
};

#define EPMD_HOSTS_MAX 1024u

struct epmd_options {
    const char *const *hosts; /* names of nodes (libcluster's word), not of machines */
    size_t count;             /* 1 to EPMD_HOSTS_MAX */
    uint32_t timeout_ms;      /* between two attempts at a node, at most; 0: DISCOVERY_INTERVAL_MS */
    uint32_t per_second;
};

struct local_epmd_options {
    uint32_t timeout_ms; /* between two questions to epmd; 0: DISCOVERY_INTERVAL_MS */
    uint32_t epmd_port;  /* 1 to 65535; 0: that of ERL_EPMD_PORT, else 4369 */
    uint32_t per_second;
};

struct erlang_hosts_options {
    const char *file;    /* NULL: .hosts.erlang in the working directory, else in $HOME */
    uint32_t timeout_ms; /* as above */
    uint32_t epmd_port;
    uint32_t per_second;
};

/* Times and numbers that several strategies have. MESH_EINVAL names the option; strategy is the strategy's name. */
int discovery_check_timing(const char *strategy, uint32_t timeout_ms, uint32_t per_second,
                           struct discovery_reason *reason);

/* Whether a port is 0 to 65535. Likewise. */
int discovery_check_port(const char *strategy, const char *option, uint32_t port, struct discovery_reason *reason);

#endif
