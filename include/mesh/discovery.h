/* How nodes find each other: the strategies, and their options.
 *
 * A strategy says which nodes ought to be connected, and goes on saying so: a node that went away and came back is
 * connected again without help. Names of strategies and options are libcluster's, times have their unit behind them. A
 * struct of zeros is the default, but for the list of epmd. docs/discovery.md says more. */
#ifndef MESH_DISCOVERY_H
#define MESH_DISCOVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* "gossip": a packet by UDP every few seconds, as libcluster's Cluster.Strategy.Gossip sends it. */
typedef struct mesh_gossip_options {
    uint32_t port;              /* 1 to 65535; 0: 45892 */
    const char *if_addr;        /* IPv4 address to bind; NULL: 0.0.0.0 */
    const char *multicast_if;   /* IPv4 address of the interface for multicast; NULL: the system chooses */
    const char *multicast_addr; /* the group, or with broadcast_only the broadcast address; NULL: 233.252.1.32 */
    uint32_t multicast_ttl;     /* 1 to 255; 0: 1 */
    bool broadcast_only;        /* no multicast: packets go to multicast_addr, which then is a broadcast address */
    const char *secret;         /* NULL: packets are plain; else 1 byte or more, the same on all nodes */
    uint32_t per_second;        /* new names a second, 1 to 10,000; 0: 32 */
} mesh_gossip_options;

/* "epmd": a fixed list of nodes. */
typedef struct mesh_epmd_list_options {
    const char *const *hosts; /* full names of nodes (the word is libcluster's), not of machines */
    size_t count;             /* 1 to 1024 */
    uint32_t timeout_ms;      /* between two attempts at a node, at most; 0: 5000 */
    uint32_t per_second;      /* as above, like the next ones */
} mesh_epmd_list_options;

/* "local_epmd": every node that the epmd of this machine knows. */
typedef struct mesh_local_epmd_options {
    uint32_t timeout_ms; /* between two questions to epmd; 0: 5000 */
    uint32_t epmd_port;  /* 1 to 65535; 0: that of ERL_EPMD_PORT, else 4369 */
    uint32_t per_second;
} mesh_local_epmd_options;

/* "erlang_hosts": every node that the epmds of the hosts in a file know, as net_adm:world/0 reads it. */
typedef struct mesh_erlang_hosts_options {
    const char *file;    /* NULL: .hosts.erlang in the working directory, else in $HOME */
    uint32_t timeout_ms; /* as above */
    uint32_t epmd_port;
    uint32_t per_second;
} mesh_erlang_hosts_options;

/* One strategy to be run. */
typedef struct mesh_discovery {
    const char *strategy; /* "gossip", "epmd", "local_epmd" or "erlang_hosts" */
    const void *options;  /* its struct above; NULL: one of zeros */
} mesh_discovery;

#ifdef __cplusplus
}
#endif

#endif
