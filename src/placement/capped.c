/* capped: each shard, from 0 up, goes to the node that is nearest to it among those that are not full.
 *
 * Near is weighted rendezvous hashing: a node's distance to a shard is the logarithm of a random number, over its
 * weight, so that the shortest of all belongs to each node with a chance proportional to its weight, and a node that
 * comes or goes moves no shard between two others. With equal weights the nearest node is that of the highest score.
 *
 * Alone it would let some node of many own twice its share. So a node is full at ceil(fair + 2 * sqrt(fair)) shards,
 * fair being its share by weight: about two standard deviations above. Only shards that meet a full node can move in
 * vain, and how many do depends on how many nodes are full, hardly on where the surplus goes (docs/placement.md has
 * the comparison). Measured with 4096 shards, moved against the least possible when one node comes or goes: up to 16
 * nodes 1.002 on average and 1.077 at worst, largest share 1.125 of fair; up to 64 nodes 1.009, 1.213 and 1.261; up to
 * 200 the mean is 1.06 and the largest share 1.45. tests/property/moves_test.c holds the worst to 1.1 and 1.4.
 *
 * The nodes are not sorted by distance. The open ones, those that are not full, stand side by side, the heaviest
 * first, those of one weight in the order of their names. Within a weight the nearest has the highest score, and a tie
 * goes to the lower name, because only a higher score replaces the best. Between weights logarithms decide, and they
 * are few: a lighter node with a lower score is never nearer. The nearest of all is what a walk down the sorted
 * distances past the full nodes would find. A full node is taken out, which happens once to each. 4096 shards among 64
 * nodes are 262,144 scores: half a millisecond. */
#include <stdlib.h>
#include <string.h>

#include <mesh/error.h>

#include "base/siphash.h"
#include "placement/capped.h"
#include "placement/ring.h"
#include "placement/strategy.h"

/* A node that is not full. */
struct candidate {
    uint64_t hash;
    uint32_t room; /* shards that it may still take: at least 1 */
    uint16_t node, weight;
};

/* One step of splitmix64: a bijection that spreads every bit over all. */
static inline uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15U;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
    x = (x ^ x >> 27) * 0x94d049bb133111ebU;
    return x ^ x >> 31;
}

/* The smallest r with r * r >= n, for n from 1 to 2^42: bit by bit, in integers, so that no rounding differs between
 * machines. */
static uint64_t root_up(uint64_t n)
{
    uint64_t below = 0;
    for (uint64_t bit = 1U << 20; bit > 0; bit >>= 1) {
        uint64_t next = below | bit;
        if (next * next < n)
            below = next;
    }
    return below + 1;
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

/* The logarithm digit by digit: squaring a number doubles its logarithm, so whether the square reaches 2 is the next
 * binary digit behind the point. */
uint64_t capped_length(uint64_t score)
{
    const uint64_t two = (uint64_t)1 << 32;
    const uint64_t x = score | 1;
    const unsigned zeros = (unsigned)__builtin_clzll(x);
    uint64_t y = x << zeros >> 32; /* x = 2^(63 - zeros) * y / 2^31, and y / 2^31 is from 1 to below 2 */
    uint64_t digits = 0;
    for (int i = 0; i < 32; i++) {
        y = y * y >> 31;
        const uint64_t digit = y >= two;
        y >>= digit;
        digits = digits << 1 | digit;
    }
    return ((uint64_t)zeros + 1) * two - digits;
}

uint32_t capped_cap(uint32_t shards, uint32_t weight, uint32_t total)
{
    uint64_t product = (uint64_t)shards * weight;
    return (uint32_t)((product + root_up(4 * product * total) + total - 1) / total);
}

/* The place of the highest score for a shard among the candidates of one weight, from open[from] on; *score is that
 * score, and *end the place after them. */
static inline size_t highest(const struct candidate *open, size_t count, size_t from, uint64_t key, uint64_t *score,
                             size_t *end)
{
    const uint16_t weight = open[from].weight;
    uint64_t best_score = mix(open[from].hash ^ key);
    size_t best = from, i = from + 1;
    for (; i < count && open[i].weight == weight; i++) {
        uint64_t other = mix(open[i].hash ^ key);
        if (other > best_score) {
            best_score = other;
            best = i;
        }
    }
    *score = best_score;
    *end = i;
    return best;
}

/* The place of the nearest candidate to a shard. There is always one: the caps add up to more than the shards. */
static size_t nearest(const struct candidate *open, size_t count, uint32_t shard)
{
    const uint64_t key = mix(shard);
    uint64_t best_score;
    size_t next;
    size_t best = highest(open, count, 0, key, &best_score, &next);
    while (next < count) {
        uint64_t score;
        size_t other = highest(open, count, next, key, &score, &next);
        /* The other is lighter, so it cannot be nearer unless its score is higher; then it wins a tie as well. */
        if (score > best_score &&
            capped_length(score) * open[best].weight <= capped_length(best_score) * open[other].weight) {
            best = other;
            best_score = score;
        }
    }
    return best;
}

/* All nodes as candidates, the heaviest first, then by name; the caps must be there. Returns how many they are. */
static size_t open_all(const struct placing *p, const uint32_t *caps, struct candidate *open)
{
    size_t count = 0;
    for (uint16_t weight = RING_WEIGHT_MAX; count < p->count; weight--) {
        for (size_t i = 0; i < p->count; i++) {
            if (p->weights[i] == weight)
                open[count++] = (struct candidate){capped_hash(p->names[i]), caps[i], (uint16_t)i, weight};
        }
    }
    return count;
}

static int place_capped(const struct placing *p, uint32_t *caps, uint16_t *owners)
{
    struct candidate *open = malloc(p->count * sizeof *open);
    if (open == NULL)
        return MESH_ENOMEM;
    uint32_t total = 0;
    for (size_t i = 0; i < p->count; i++)
        total += p->weights[i];
    for (size_t i = 0; i < p->count; i++)
        caps[i] = capped_cap(p->shards, p->weights[i], total);
    size_t count = open_all(p, caps, open);
    for (uint32_t shard = 0; shard < p->shards; shard++) {
        size_t best = nearest(open, count, shard);
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
