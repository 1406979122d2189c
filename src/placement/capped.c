/* capped: each shard, from 0 up, goes to the node with the highest score among those that are not full.
 *
 * Plain rendezvous hashing moves no shard that need not move, but some node of many owns nearly twice its share. Here
 * a node is full at cap = ceil(fair) + isqrt(fair) shards, fair being its share by weight: about one standard deviation
 * above. Only the shards that meet a full node are worse off, so few move in vain when a node comes or goes.
 *
 * The nodes are not sorted by score. The open ones, those that are not full, stand side by side in the order of their
 * names, so the maximum over them is what a walk down the sorted scores past the full nodes would find. A full node is
 * taken out, which happens once to each. A tie goes to the lower name, because only a higher score replaces the best.
 * 4096 shards among 64 nodes are 262,144 scores: well below a millisecond. */
#include <stdlib.h>
#include <string.h>

#include <mesh/error.h>

#include "base/siphash.h"
#include "placement/capped.h"
#include "placement/strategy.h"

/* A node that is not full. */
struct candidate {
    uint64_t hash;
    uint32_t room; /* shards that it may still take: at least 1 */
    uint16_t node;
};

/* One step of splitmix64: a bijection that spreads every bit over all. */
static inline uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15U;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
    x = (x ^ x >> 27) * 0x94d049bb133111ebU;
    return x ^ x >> 31;
}

/* The largest r with r * r <= n: bit by bit, in integers, so that no rounding differs between machines. */
static uint32_t isqrt(uint32_t n)
{
    uint32_t root = 0;
    for (uint32_t bit = 1U << 15; bit > 0; bit >>= 1) {
        uint32_t next = root | bit;
        if (next * next <= n)
            root = next;
    }
    return root;
}

uint64_t capped_hash(mesh_bytes name)
{
    const struct siphash_key zero = {0, 0};
    return siphash24(zero, name.data, name.len);
}

uint64_t capped_score(uint64_t hash, uint32_t shard)
{
    return mix(hash ^ mix(shard));
}

uint32_t capped_cap(uint32_t shards, uint32_t weight, uint32_t total)
{
    uint64_t product = (uint64_t)shards * weight;
    uint32_t floor = (uint32_t)(product / total);
    return floor + (product % total != 0) + isqrt(floor);
}

/* The place of the best candidate for a shard. There is always one: the caps add up to more than the shards. */
static size_t best_of(const struct candidate *open, size_t count, uint32_t shard)
{
    uint64_t key = mix(shard);
    uint64_t best_score = mix(open[0].hash ^ key);
    size_t best = 0;
    for (size_t i = 1; i < count; i++) {
        uint64_t score = mix(open[i].hash ^ key);
        if (score > best_score) {
            best_score = score;
            best = i;
        }
    }
    return best;
}

static int place_capped(const struct placing *p, uint32_t *caps, uint16_t *owners)
{
    struct candidate *open = malloc(p->count * sizeof *open);
    if (open == NULL)
        return MESH_ENOMEM;
    uint32_t total = 0;
    for (size_t i = 0; i < p->count; i++)
        total += p->weights[i];
    for (size_t i = 0; i < p->count; i++) {
        caps[i] = capped_cap(p->shards, p->weights[i], total);
        open[i] = (struct candidate){capped_hash(p->names[i]), caps[i], (uint16_t)i};
    }
    size_t count = p->count;
    for (uint32_t shard = 0; shard < p->shards; shard++) {
        size_t best = best_of(open, count, shard);
        owners[shard] = open[best].node;
        if (--open[best].room == 0) {
            count--;
            memmove(&open[best], &open[best + 1], (count - best) * sizeof *open);
        }
    }
    free(open);
    return MESH_OK;
}

const struct strategy strategy_capped = {"capped", place_capped};
