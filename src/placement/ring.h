/* A ring: the owner of every shard, for one set of nodes and one strategy.
 *
 * A ring is an immutable snapshot with a count of its holders. It is built in full by ring_create, a pure function of
 * its arguments, and never changes; so any number of threads read it without a lock. Nodes are known by their index
 * in the bytewise order of their names, whatever order they were given in. */
#ifndef PLACEMENT_RING_H
#define PLACEMENT_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mesh/bytes.h>
#include <mesh/placement.h>

#define RING_NODES_MAX 1024
#define RING_SHARDS_MAX 65536
#define RING_WEIGHT_MAX 100
#define RING_NAME_MAX_BYTES 1020 /* an atom: 255 characters of UTF-8 */

struct ring;

/* Builds a ring.
 *
 * nodes, count  1 to RING_NODES_MAX names of 1 to RING_NAME_MAX_BYTES bytes, in any order; copied
 * weights       one weight, 1 to RING_WEIGHT_MAX, for each of nodes; NULL: all 1. Only `capped` uses them.
 * shards        1 to RING_SHARDS_MAX
 * place         the function of MESH_CUSTOM, called with context before this returns; not used by other strategies
 *
 * MESH_OK: *out is a ring with one holder, the caller, who ends it by ring_release. On an error *out is unchanged:
 * MESH_EINVAL when an argument is out of its bounds, two names are equal, the strategy is unknown, place is missing
 * or has given an index out of range; MESH_ENOMEM. Any thread. Time is linear in shards times count for `capped`. */
int ring_create(enum mesh_strategy which, const mesh_bytes *nodes, const uint32_t *weights, size_t count,
                uint32_t shards, mesh_place_fn place, void *context, struct ring **out);

/* One holder more; returns ring. The caller must be a holder, or be kept from losing one meanwhile. Any thread. */
struct ring *ring_hold(struct ring *ring);

/* One holder less; the last frees the ring. NULL is allowed. Any thread. */
void ring_release(struct ring *ring);

/* How many nodes and shards there are. */
size_t ring_nodes(const struct ring *ring);
uint32_t ring_shards(const struct ring *ring);

/* The index of the node that owns shard, which must be below ring_shards. */
uint16_t ring_owner(const struct ring *ring, uint32_t shard);

/* The name of a node, its weight, the number of shards it owns, and the most that the strategy could have given it.
 * node must be below ring_nodes; the name lives as long as the ring. */
mesh_bytes ring_name(const struct ring *ring, size_t node);
uint32_t ring_weight(const struct ring *ring, size_t node);
uint32_t ring_owned(const struct ring *ring, size_t node);
uint32_t ring_cap(const struct ring *ring, size_t node);

/* Whether a node of this name is in the ring; if so, its index in *node, which else is unchanged. */
bool ring_find(const struct ring *ring, mesh_bytes name, size_t *node);

#endif
