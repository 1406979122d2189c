/* modulo: the sorted nodes in turn, as Mesh 0.1.4 places (Mesh.Cluster.HashRing there: Enum.at(nodes, rem(shard, n))).
 *
 * As even as can be, and the only strategy that BEAM nodes know. Nearly every shard moves when a node comes or goes.
 * Weights have no meaning here. */
#include <assert.h>

#include <mesh/error.h>

#include "placement/strategy.h"

static int place_in_turn(const struct placing *p, uint32_t *caps, uint16_t *owners)
{
    uint32_t count = (uint32_t)p->count;
    assert(count > 0);
    for (uint32_t i = 0; i < count; i++)
        caps[i] = p->shards / count + (i < p->shards % count);
    for (uint32_t shard = 0; shard < p->shards; shard++)
        owners[shard] = (uint16_t)(shard % count);
    return MESH_OK;
}

const struct strategy strategy_modulo = {"modulo", place_in_turn};
