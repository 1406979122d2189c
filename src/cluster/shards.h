/* Sets of shards: ascending lists in memory, compact binaries on the wire.
 *
 * A message may speak of every shard of a capability, so a set travels in whichever form is shorter:
 *
 *   0, then ranges      u16 first, u16 last (big-endian), ascending, not touching
 *   1, then a bitmap    ceil(S / 8) bytes; shard s is bit s % 8 (lowest first) of byte s / 8; no bit beyond S
 *
 * where S is the capability's shard count, which the message carries beside the set. A set is therefore never longer
 * than 1 + S / 8 bytes, rounded up. Pure functions. */
#ifndef CLUSTER_SHARDS_H
#define CLUSTER_SHARDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mesh/bytes.h>
#include <mesh/term.h>

/* All zero is the empty list. */
struct shards {
    uint16_t *at; /* ascending, no two equal */
    uint32_t count, room;
};

/* Adds a shard above all that are there. */
void shards_push(struct shards *s, uint32_t shard);

static inline void shards_clear(struct shards *s)
{
    s->count = 0;
}

/* Frees the memory and leaves the empty list. */
void shards_fini(struct shards *s);

/* The place of a shard in the list, or -1. */
int32_t shards_find(const struct shards *s, uint32_t shard);

/* Appends the wire form of s, a set of shards below total (1 to 65536), to buf: raw bytes, not a term. MESH_ENOMEM. */
int shards_put(const struct shards *s, uint32_t total, mesh_buf *buf);

/* Replaces the content of s by the set that bytes hold. MESH_EBADTERM: not a set of shards below total. */
int shards_read(mesh_bytes bytes, uint32_t total, struct shards *s);

#endif
