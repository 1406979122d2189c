/* capped: weighted rendezvous hashing with a cap on what one node may own. docs/placement.md is its definition.
 *
 * The function is wire format. All nodes of a cluster must compute the same, in all releases: under this name it is
 * never changed. The strategy itself is strategy_capped in strategy.h; here are its parts, for the tests that compare
 * them with the published numbers. Pure functions: any thread. */
#ifndef PLACEMENT_CAPPED_H
#define PLACEMENT_CAPPED_H

#include <stdint.h>

#include <mesh/bytes.h>

/* h: the hash of a node's full name. */
uint64_t capped_hash(mesh_bytes name);

/* The score of a node, given by its hash, for a shard: evenly spread over 64 bits. */
uint64_t capped_score(uint64_t hash, uint32_t shard);

/* 64 - log2(score) in units of 2^-32: from 2 to 2^38, and never longer for a higher score. A node's distance to a
 * shard is this divided by its weight. */
uint64_t capped_length(uint64_t score);

/* The most shards that a node of this weight may own, of shards among nodes whose weights add up to total. */
uint32_t capped_cap(uint32_t shards, uint32_t weight, uint32_t total);

#endif
