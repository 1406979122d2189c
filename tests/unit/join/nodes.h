/* Nodes of one program that meet as those of several do: sockets on loopback, and an epmd port of their own. */
#ifndef TESTS_UNIT_JOIN_NODES_H
#define TESTS_UNIT_JOIN_NODES_H

#include "unit/api/agent.h"

#define COOKIE "mesh"

/* Chooses an epmd port for the nodes that are started from here on; one of them will serve it. */
void nodes_begin(void);

/* The same, with an epmd that runs already. */
void nodes_use_epmd(uint16_t port);

/* Starts a quiet node and joins. options: NULL, or with what differs; cookie, epmd_port and listen are filled in.
 * What mesh_cluster_join says is in *rc if that is not NULL; else it must succeed. */
mesh_node *nodes_start(const char *name, const mesh_cluster_options *options, int *rc);

/* Connects a to b, and waits until both say that they are connected and that nothing is under way. */
void nodes_connect(mesh_node *a, mesh_node *b);

/* Gives nodes the capability "test", and waits until each sees that all have it and nothing is under way. */
void nodes_give(mesh_node **nodes, size_t count);

/* Waits until so many visible nodes are connected to it. */
void nodes_await(mesh_node *node, size_t count);

#endif
