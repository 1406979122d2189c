/* One node: the runtime, and what the node and its cluster can do. */
#ifndef NODE_NODE_H
#define NODE_NODE_H

#include <mesh/node.h>

#include "node/capabilities.h"
#include "node/foreign.h"
#include "node/membership.h"
#include "node/transport.h"
#include "runtime/runtime.h"

struct mesh_node {
    struct runtime runtime;
    struct capabilities capabilities;
    struct transport transport;    /* stopped and destroyed with the node */
    struct membership *membership; /* NULL: a node of its own. Constant from the first call on */
    struct foreign *foreign;       /* NULL: nothing is known of other nodes' processes. Set by whoever made it, before
                                      the first process; the node destroys it, when nobody delivers to it any more */
    bool left;                     /* node_destroy has left the cluster */
};

/* Makes and starts a node; options are complete but for defaults, and checked. */
int node_create(const mesh_node_options *options, struct mesh_node **node);

/* Gives a node a transport, which node_destroy stops; without node_join_cluster the node is no member of a cluster. */
void node_use(struct mesh_node *node, const struct transport *transport);

/* Whether a node can still join a cluster: it has neither had a capability, nor a transport. */
bool node_is_alone(struct mesh_node *node);

/* Makes a node that is alone, and has made no call, part of a cluster. The transport is used from here on, as by
 * node_use. MESH_EINVAL: it is not alone. */
int node_join_cluster(struct mesh_node *node, const struct membership_options *options,
                      const struct transport *transport);

/* Stops and frees it. MESH_ESTUCK: it is not freed. */
int node_destroy(struct mesh_node *node);

#endif
