/* Rings that were built lately: see rings.h. The place least recently used makes room. */
#include "cluster/rings.h"

#include <mesh/error.h>

void rings_fini(struct rings *r)
{
    for (size_t i = 0; i < RINGS_MAX; i++)
        ring_release(r->kept[i].ring);
    *r = (struct rings){.questions = 0};
}

static bool same(const struct kept_ring *k, uint64_t view, enum mesh_strategy strategy, size_t count, uint32_t shards)
{
    return k->ring != NULL && k->view == view && k->strategy == strategy && ring_nodes(k->ring) == count &&
           ring_shards(k->ring) == shards;
}

struct ring *rings_get(struct rings *r, uint64_t view, enum mesh_strategy strategy, const mesh_bytes *nodes,
                       const uint32_t *weights, size_t count, uint32_t shards)
{
    struct kept_ring *oldest = &r->kept[0];
    r->questions++;
    for (size_t i = 0; i < RINGS_MAX; i++) {
        struct kept_ring *k = &r->kept[i];
        if (same(k, view, strategy, count, shards)) {
            k->used = r->questions;
            return ring_hold(k->ring);
        }
        if (k->used < oldest->used)
            oldest = k;
    }
    struct ring *ring = NULL;
    if (ring_create(strategy, nodes, weights, count, shards, NULL, NULL, &ring) != MESH_OK)
        return NULL;
    ring_release(oldest->ring);
    *oldest = (struct kept_ring){ring, view, r->questions, strategy};
    r->built++;
    return ring_hold(ring);
}
