/* A link between two nodes of one program, without sockets: what is said is copied into a buffer, and read from there
 * by a worker of the other node, many messages at a time, as a socket's reader would have them. */
#ifndef MESH_BENCH_WIRE_H
#define MESH_BENCH_WIRE_H

#include "node/node.h"

struct wire;

/* Joins two nodes, which have no capability yet, to a cluster of their own, and links them. */
struct wire *wire_create(mesh_node *a, mesh_node *b);

/* Returns when each of the nodes knows the other and all shards that are there are held: so many. Dies after 10 s. */
void wire_await(struct wire *wire, uint32_t shards);

/* After both nodes have stopped. */
void wire_destroy(struct wire *wire);

#endif
