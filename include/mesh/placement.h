/* Placement: which shard an id belongs to, and how shards are given to nodes.
 *
 *   id --phash2--> shard --strategy--> node
 *
 * The owner of a shard is a pure function of the nodes that have the capability, the shard count and the strategy:
 * nodes that see the same set agree, without asking each other. docs/placement.md has the functions in full. */
#ifndef MESH_PLACEMENT_H
#define MESH_PLACEMENT_H

#include <stddef.h>
#include <stdint.h>

#include <mesh/bytes.h>
#include <mesh/export.h>

/* The strategies. Strategy and shard count belong to a capability; its nodes must agree on both. */
typedef enum mesh_strategy {
    MESH_CAPPED, /* capped rendezvous: few shards move when a node comes or goes, and weights are honoured */
    MESH_MODULO, /* sorted nodes in turn, as Mesh 0.1.4 does: even, but most shards move */
    MESH_CUSTOM, /* a mesh_place_fn of the program */
} mesh_strategy;

/* A strategy of the program's own: the owner of one shard, as an index into nodes.
 *
 * context  what was registered with the function
 * shard    0 to the capability's shard count - 1; asked in ascending order, each once, when a ring is built
 * nodes    the full names of the nodes that have the capability, sorted bytewise; valid during the call
 * count    how many they are: 1 to 1024
 *
 * A result of count or more refuses the ring with MESH_EINVAL. The function must be pure: the same arguments must give
 * the same result on every node, or the nodes disagree about who owns a shard. Called on any thread, also by several
 * at once, with no lock held; it may not block. */
typedef size_t (*mesh_place_fn)(void *context, uint32_t shard, const mesh_bytes *nodes, size_t count);

#ifdef __cplusplus
extern "C" {
#endif

/* erlang:phash2(Id, Range) of a binary, bit for bit: the shard of an id when range is the shard count.
 *
 * id     any bytes, also none; not kept
 * range  1 to 2^32 - 1; 0 stands for 2^32
 *
 * Any thread. Never fails. The hash is not keyed: ids of one shard are easily found. */
MESH_API uint32_t mesh_phash2(mesh_bytes id, uint32_t range);

#ifdef __cplusplus
}
#endif

#endif
