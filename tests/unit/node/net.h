/* Nodes of one program, linked in memory: one thread delivers everything, in order, and links can be cut. */
#ifndef TESTS_UNIT_NODE_NET_H
#define TESTS_UNIT_NODE_NET_H

#include "unit/api/agent.h"

#include "node/node.h"

enum { NET_NODES = 4, NET_QUIET_MS = 30 };

/* How long nodes that are started from here on have for handing over when they stop. */
extern uint32_t net_drain_ms;

struct net;

struct net *net_create(void);
/* Ends it; every node has stopped before. */
void net_destroy(struct net *net);

/* A quiet node n<number>@test that is part of the cluster, with the module Agent (snapshots) and, if it is not NULL, a
 * capability of so many shards. It has no link yet. */
mesh_node *net_node(struct net *net, int number, const char *capability, uint32_t shards);

/* Gives a node a capability. */
void net_register(mesh_node *node, const char *capability, uint32_t shards);

/* Links two nodes; cuts the link between them, with what is on its way. */
void net_link(struct net *net, mesh_node *a, mesh_node *b);
void net_cut(struct net *net, mesh_node *a, mesh_node *b);

/* How many messages may wait before one that need not be taken is refused. */
void net_limit(struct net *net, size_t most);

/* Nothing is delivered until it is let go again. */
void net_hold(struct net *net, bool held);

/* A message from a to b that no node would send; what b said to it. */
int net_inject(struct net *net, mesh_node *a, mesh_node *b, mesh_bytes message);

/* Waits until a node holds so many shards of whatever, and nothing is under way there. */
void net_await_held(mesh_node *node, uint32_t held);
/* … until it knows of so many others, and of what they have. */
void net_await_linked(mesh_node *node, uint32_t linked);
void net_await(mesh_node *node, bool (*is)(const struct membership_stats *stats, uint64_t n), uint64_t n);
/* … until it sees that so many nodes have a capability. */
void net_await_nodes(mesh_node *node, const char *capability, size_t count);
struct membership_stats net_stats(mesh_node *node);

#endif
