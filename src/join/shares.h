/* What each node of a ring has, and what would move if one of them left. Pure. */
#ifndef JOIN_SHARES_H
#define JOIN_SHARES_H

#include "cluster/cluster.h"

struct share {
    uint32_t owned; /* shards */
    uint32_t after; /* … without the node that leaves; 0 for itself */
    uint32_t gains; /* shards that move here: after - owned, and what this node gives up to others */
};

/* Fills shares, one for each node of the ring in its order, for the case that the node with this index leaves; moved is
 * how many shards get another owner. sight: how the ring was made. MESH_EINVAL: the ring has no other node, or the
 * program's own function is not here, or gives what it may not; MESH_ENOMEM. After an error nothing is changed.
 * Builds a ring, which costs some 10 ms with 1,000 nodes. */
int shares_without(const struct ring *ring, const struct cluster_sight *sight, size_t leaver, struct share *shares,
                   uint32_t *moved);

#endif
