/* A node among other nodes: joining a cluster, who is in it, leaving, and calling functions of other nodes.
 *
 * Nodes speak the Erlang distribution protocol: BEAM nodes take part, and see this node as a visible one. Nothing else
 * of the API changes when a node has joined: mesh_call and mesh_cast go to wherever the process is.
 *
 * Functions may be called from any thread and inside handlers, where those that wait suspend, unless they say
 * otherwise. */
#ifndef MESH_CLUSTER_H
#define MESH_CLUSTER_H

#include <mesh/discovery.h>
#include <mesh/error.h>
#include <mesh/node.h>
#include <mesh/term.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How a node takes part. Set size to sizeof(mesh_cluster_options); a field left 0 or NULL takes the default beside it.
 * Nodes of one cluster agree on cookie, net_ticktime_ms, no_epmd and majority_of. */
typedef struct mesh_cluster_options {
    size_t size;
    const char *cookie; /* the secret that all nodes share; needed */
    bool hidden;        /* only asks others: holds no shard, is no member, and is not among nodes() of BEAM nodes */

    uint16_t port;      /* to listen on; default: any that is free */
    const char *listen; /* an IPv4 or IPv6 address to listen on; default: all of this machine's */
    bool no_epmd;       /* neither registers with epmd nor asks it: others are dialled at dial_port */
    uint16_t dial_port; /* with no_epmd, the port that others listen on; default: port */
    bool no_epmd_start; /* fail when no epmd runs on this machine, rather than start one in this program */
    uint16_t epmd_port; /* default: that of ERL_EPMD_PORT, else 4369 */

    uint32_t net_ticktime_ms; /* a node that was silent for so long is gone; default 60,000; at least 1,000 */

    const mesh_discovery *discovery; /* discovery_count strategies */
    size_t discovery_count;

    uint32_t majority_of; /* 0: a node that does not answer is done without after claim_ms (policy `available`);
                             n: shards are served only among a majority of n nodes */
    uint32_t join_ms;     /* a node that others are linked to counts as down when it stays unreachable for so long;
                             default 3,000 */
    uint32_t claim_ms;    /* how long a node that is linked may take to hand a shard over; default 2,000 */
    uint32_t boot_ms;     /* a node with discovery serves nothing before its first link, or this; default 3,000 */
    uint32_t quiet_ms;    /* shards move to better places when nothing has changed for so long; default 1,000 */
    uint32_t suspect_ms;  /* a node that stood still for so long asks its links before it serves; default 1,000 */
} mesh_cluster_options;

/* Makes a running node part of a cluster: listens, registers with epmd, starts discovery. Returns when others can
 * connect; whom it finds comes later: mesh_wait_for.
 * Before the node's first capability and first call, once. In a plain thread (else MESH_ECONTEXT). The options are
 * copied. reason: may be NULL; says what is wrong.
 * Errors: MESH_EINVAL (an option, or the node is part of a cluster, or has or had a capability), MESH_EBADNAME (the
 * node's name is not alive@host), MESH_EEXISTS (epmd knows another node of this name), MESH_ESYSTEM (the port, epmd, or
 * a socket of a strategy). The node is then still one of its own. */
MESH_API int mesh_cluster_join(mesh_node *node, const mesh_cluster_options *options, mesh_reason *reason);

/* Connects to a node, once, and waits until it is connected; timeout_ms 0: does not wait. For nodes that ought to stay
 * connected use discovery. Errors: MESH_EINVAL (not part of a cluster), MESH_EBADNAME, MESH_ETIMEOUT, MESH_ELOST (it
 * cannot be reached, or refuses: the log says why), MESH_ESTOPPING. Source: Node.connect/1. */
MESH_API int mesh_connect(mesh_node *node, const char *name, uint32_t timeout_ms);

/* Ends the connection to a node, soon. Discovery may connect it again. Errors: MESH_EINVAL, MESH_ENOPROCESS (it is not
 * connected). Source: Node.disconnect/1. */
MESH_API int mesh_disconnect(mesh_node *node, const char *name);

/* The nodes that are connected now, without this one; the caller frees them with mesh_names_free. hidden: also the
 * hidden ones. Errors: MESH_EINVAL. Source: Node.list/0. */
MESH_API int mesh_nodes(mesh_node *node, bool hidden, mesh_names **names);

/* Waits until count visible nodes, this one included, are connected, and no shard of theirs is under way to this one.
 * timeout_ms: MESH_NEVER: without end. Errors: MESH_EINVAL, MESH_ETIMEOUT, MESH_ESTOPPING. */
MESH_API int mesh_wait_for(mesh_node *node, uint32_t count, uint32_t timeout_ms);

/* Hands every shard of this node over to others, with what its processes leave, and waits for that. Calls go on
 * meanwhile, and nothing is claimed any more. A stop of the node begins with the same. Errors: MESH_EINVAL,
 * MESH_ETIMEOUT (it goes on). */
MESH_API int mesh_drain(mesh_node *node, uint32_t timeout_ms);

/* Calls a function of another node, as rpc:call/5 does, and waits for its value. args: a list.
 * value: set after MESH_OK, and after MESH_ECRASHED to the reason of {badrpc, Reason}; the caller frees it with
 * mesh_buf_fini, in every case but MESH_EINVAL.
 * Errors: MESH_EINVAL, MESH_EBADNAME, MESH_EBADTERM (args), MESH_ELOST (no connection, or it broke), MESH_ETIMEOUT,
 * MESH_ECRASHED (there is no such function, it may not be called, or it failed), MESH_EBUSY, MESH_ESTOPPING. */
MESH_API int mesh_rpc(mesh_node *node, const char *target, const char *module, const char *function, mesh_term args,
                      uint32_t timeout_ms, mesh_buf *value);

/* Numbers of a node's part in the cluster: counters since it joined, and what is there now. */
typedef struct mesh_cluster_stats {
    size_t size; /* sizeof(mesh_cluster_stats), set by the caller */

    /* Now */
    uint64_t nodes;    /* connected visible nodes */
    uint64_t held;     /* shards that this node holds */
    uint64_t claiming; /* shards that it has asked for */
    uint64_t leaving;  /* shards that it hands over */
    uint64_t waiting;  /* requests that wait for a shard, or for the answer of another node */

    /* Since it joined */
    uint64_t sent;        /* requests given to other nodes */
    uint64_t served;      /* requests of other nodes that processes of this one got */
    uint64_t moved;       /* answers that another node was to be asked */
    uint64_t lost;        /* calls whose connection broke */
    uint64_t dropped;     /* casts that found nowhere to go in time, or no room */
    uint64_t forced;      /* shards taken without the answer of a node that did not give one */
    uint64_t conflicts;   /* snapshots that came too late and were dropped */
    uint64_t bytes_in;    /* of all connections */
    uint64_t bytes_out;   /* likewise */
    uint64_t connections; /* made */
    uint64_t refused;     /* connections that were refused or ended for what came on them */
} mesh_cluster_stats;

/* Reads them. Errors: MESH_EINVAL (NULL, wrong size, not part of a cluster). */
MESH_API int mesh_cluster_stats_read(mesh_node *node, mesh_cluster_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
