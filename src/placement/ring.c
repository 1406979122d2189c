/* Rings: arguments checked, nodes sorted, shards placed by a strategy, all in one block of memory.
 *
 * The block holds, in this order, struct ring, the names (struct mesh_bytes), three rows of 32-bit numbers (weights,
 * caps, owned), the owners (16 bits a shard), and the bytes of the names. Its size is bounded by the limits in ring.h
 * to about 1.2 MB; it comes from what other nodes announced, so it may fail. */
#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <mesh/error.h>

#include "placement/ring.h"
#include "placement/strategy.h"

struct ring {
    atomic_uint holders;
    uint32_t shards;
    size_t count;
    mesh_bytes *names; /* this and what follows point into the ring's own block; written by ring_create only */
    uint32_t *weights, *caps, *owned;
    uint16_t *owners;
    char *text;
};

/* A node as it was given, for sorting. */
struct entry {
    mesh_bytes name;
    uint32_t weight;
};

static int compare_bytes(mesh_bytes a, mesh_bytes b)
{
    int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_entries(const void *a, const void *b)
{
    return compare_bytes(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static bool valid(const mesh_bytes *nodes, const uint32_t *weights, size_t count, uint32_t shards)
{
    if (nodes == NULL || count == 0 || count > RING_NODES_MAX || shards == 0 || shards > RING_SHARDS_MAX)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (nodes[i].data == NULL || nodes[i].len == 0 || nodes[i].len > RING_NAME_MAX_BYTES)
            return false;
        if (weights != NULL && (weights[i] == 0 || weights[i] > RING_WEIGHT_MAX))
            return false;
    }
    return true;
}

/* A block with room for all, its pointers set, nobody's ring yet. The owned row is zero. */
static struct ring *allocate(const struct entry *entries, size_t count, uint32_t shards)
{
    size_t text_bytes = 0;
    for (size_t i = 0; i < count; i++)
        text_bytes += entries[i].name.len;
    struct ring *ring = calloc(1, sizeof *ring + count * (sizeof *ring->names + 3 * sizeof *ring->owned) +
                                      shards * sizeof *ring->owners + text_bytes);
    if (ring == NULL)
        return NULL;
    ring->shards = shards;
    ring->count = count;
    ring->names = (mesh_bytes *)(ring + 1);
    ring->weights = (uint32_t *)(ring->names + count);
    ring->caps = ring->weights + count;
    ring->owned = ring->caps + count;
    ring->owners = (uint16_t *)(ring->owned + count);
    ring->text = (char *)(ring->owners + shards);
    return ring;
}

static void copy_nodes(struct ring *ring, const struct entry *entries)
{
    char *text = ring->text;
    for (size_t i = 0; i < ring->count; i++) {
        memcpy(text, entries[i].name.data, entries[i].name.len);
        ring->names[i] = (mesh_bytes){text, entries[i].name.len};
        ring->weights[i] = entries[i].weight;
        text += entries[i].name.len;
    }
}

/* The nodes in order of their names, the caller's to free. */
static int sort_nodes(const mesh_bytes *nodes, const uint32_t *weights, size_t count, struct entry **out)
{
    struct entry *entries = malloc(count * sizeof *entries);
    if (entries == NULL)
        return MESH_ENOMEM;
    for (size_t i = 0; i < count; i++)
        entries[i] = (struct entry){nodes[i], weights != NULL ? weights[i] : 1};
    qsort(entries, count, sizeof *entries, compare_entries);
    for (size_t i = 1; i < count; i++) {
        if (compare_entries(&entries[i - 1], &entries[i]) == 0) {
            free(entries);
            return MESH_EINVAL;
        }
    }
    *out = entries;
    return MESH_OK;
}

int ring_create(enum mesh_strategy which, const mesh_bytes *nodes, const uint32_t *weights, size_t count,
                uint32_t shards, mesh_place_fn place, void *context, struct ring **out)
{
    const struct strategy *strategy = strategy_of(which);
    if (strategy == NULL || out == NULL || !valid(nodes, weights, count, shards))
        return MESH_EINVAL;
    struct entry *entries;
    int error = sort_nodes(nodes, weights, count, &entries);
    if (error)
        return error;
    struct ring *ring = allocate(entries, count, shards);
    if (ring != NULL)
        copy_nodes(ring, entries);
    free(entries);
    if (ring == NULL)
        return MESH_ENOMEM;

    const struct placing placing = {ring->names, ring->weights, count, shards, place, context};
    error = strategy->place(&placing, ring->caps, ring->owners);
    if (error) {
        free(ring);
        return error;
    }
    for (uint32_t shard = 0; shard < shards; shard++)
        ring->owned[ring->owners[shard]]++;
    atomic_init(&ring->holders, 1);
    *out = ring;
    return MESH_OK;
}

struct ring *ring_hold(struct ring *ring)
{
    /* Relaxed: the caller already sees the ring, and a count that only grows orders nothing. */
    unsigned before = atomic_fetch_add_explicit(&ring->holders, 1, memory_order_relaxed);
    assert(before > 0);
    (void)before;
    return ring;
}

void ring_release(struct ring *ring)
{
    if (ring == NULL)
        return;
    /* Acquire and release pair with each other in other holders: all their reads come before the free. */
    unsigned before = atomic_fetch_sub_explicit(&ring->holders, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1)
        free(ring);
}

size_t ring_nodes(const struct ring *ring)
{
    return ring->count;
}

uint32_t ring_shards(const struct ring *ring)
{
    return ring->shards;
}

uint16_t ring_owner(const struct ring *ring, uint32_t shard)
{
    assert(shard < ring->shards);
    return ring->owners[shard];
}

mesh_bytes ring_name(const struct ring *ring, size_t node)
{
    assert(node < ring->count);
    return ring->names[node];
}

uint32_t ring_weight(const struct ring *ring, size_t node)
{
    assert(node < ring->count);
    return ring->weights[node];
}

uint32_t ring_owned(const struct ring *ring, size_t node)
{
    assert(node < ring->count);
    return ring->owned[node];
}

uint32_t ring_cap(const struct ring *ring, size_t node)
{
    assert(node < ring->count);
    return ring->caps[node];
}

bool ring_find(const struct ring *ring, mesh_bytes name, size_t *node)
{
    size_t low = 0, high = ring->count;
    while (low < high && name.len > 0) {
        size_t middle = low + (high - low) / 2;
        int order = compare_bytes(name, ring->names[middle]);
        if (order == 0) {
            *node = middle;
            return true;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}
