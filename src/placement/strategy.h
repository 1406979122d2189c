/* What a strategy is: one pure function that gives every shard to a node.
 *
 * One file a strategy (capped.c, modulo.c, callback.c), one table of them in strategy.c; ring.c checks the arguments
 * before and counts afterwards, so that a strategy only places. */
#ifndef PLACEMENT_STRATEGY_H
#define PLACEMENT_STRATEGY_H

#include <stddef.h>
#include <stdint.h>

#include <mesh/bytes.h>
#include <mesh/placement.h>

/* What to place. Checked: see the bounds of ring_create. */
struct placing {
    const mesh_bytes *names; /* sorted bytewise, no two equal */
    const uint32_t *weights; /* 1 to RING_WEIGHT_MAX each, in the order of names */
    size_t count;
    uint32_t shards;
    mesh_place_fn place; /* MESH_CUSTOM only: else not looked at, may be NULL */
    void *context;
};

struct strategy {
    const char *name; /* as configuration and the cluster's tables write it */

    /* Writes the owner of each shard to owners[0..shards-1], and to caps[0..count-1] the most shards that this
     * strategy would have given each node. MESH_OK, MESH_EINVAL or MESH_ENOMEM; on an error both hold anything. */
    int (*place)(const struct placing *p, uint32_t *caps, uint16_t *owners);
};

extern const struct strategy strategy_capped, strategy_modulo, strategy_custom;

/* The strategy of this number; NULL when there is none. */
const struct strategy *strategy_of(enum mesh_strategy which);

#endif
