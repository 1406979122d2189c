/* Rings that were built lately, to be used again: capabilities with the same nodes, weights, strategy and shard count
 * share one, and so may several clusters in one process.
 *
 * A ring of 4,096 shards among 1,000 nodes costs milliseconds, so it is built when it is first asked for, and found
 * again by a hash of what it was built from. Not for MESH_CUSTOM, whose function is the program's own. One thread at a
 * time, for all clusters that share it. */
#ifndef CLUSTER_RINGS_H
#define CLUSTER_RINGS_H

#include "placement/ring.h"

enum { RINGS_MAX = 8 };

struct rings {
    struct kept_ring {
        struct ring *ring; /* NULL: an empty place */
        uint64_t view;
        uint64_t used; /* when it was last asked for, in questions */
        enum mesh_strategy strategy;
    } kept[RINGS_MAX];
    uint64_t questions;
    uint64_t built;
};

/* All zero is an empty store. Gives up the store's hold on its rings. */
void rings_fini(struct rings *r);

/* A ring of these nodes, as ring_create makes it; the caller releases it. view is a hash of everything it depends on
 * (names, weights). NULL when memory is refused. */
struct ring *rings_get(struct rings *r, uint64_t view, enum mesh_strategy strategy, const mesh_bytes *nodes,
                       const uint32_t *weights, size_t count, uint32_t shards);

#endif
