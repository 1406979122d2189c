/* One node: the runtime, and what the node and its cluster can do. */
#ifndef NODE_NODE_H
#define NODE_NODE_H

#include <mesh/node.h>

#include "node/capabilities.h"
#include "runtime/runtime.h"

struct mesh_node {
    struct runtime runtime;
    struct capabilities capabilities;
};

/* Makes and starts a node; options are complete but for defaults, and checked. */
int node_create(const mesh_node_options *options, struct mesh_node **node);

/* Stops and frees it. MESH_ESTUCK: it is not freed. */
int node_destroy(struct mesh_node *node);

#endif
