/* A second ring, without one node of the first, and both compared shard by shard. */
#include "join/shares.h"

#include <stdlib.h>

#include "base/alloc.h"

/* The ring of all nodes but one; they keep their order. */
static int make_without(const struct ring *ring, const struct cluster_sight *sight, size_t leaver, struct ring **out)
{
    size_t count = ring_nodes(ring), n = 0;
    mesh_bytes *names = must_calloc(count, sizeof *names);
    uint32_t *weights = must_calloc(count, sizeof *weights);
    for (size_t i = 0; i < count; i++) {
        if (i == leaver)
            continue;
        names[n] = ring_name(ring, i);
        weights[n++] = ring_weight(ring, i);
    }
    int rc = ring_create(sight->strategy, names, weights, n, ring_shards(ring), sight->place, sight->context, out);
    free(weights);
    free(names);
    return rc;
}

int shares_without(const struct ring *ring, const struct cluster_sight *sight, size_t leaver, struct share *shares,
                   uint32_t *moved)
{
    struct ring *rest;
    if (leaver >= ring_nodes(ring) || ring_nodes(ring) < 2)
        return MESH_EINVAL;
    int rc = make_without(ring, sight, leaver, &rest);
    if (rc != MESH_OK)
        return rc;
    *moved = 0;
    for (size_t i = 0; i < ring_nodes(ring); i++)
        shares[i] = (struct share){.owned = ring_owned(ring, i),
                                   .after = i == leaver ? 0 : ring_owned(rest, i < leaver ? i : i - 1)};
    for (uint32_t s = 0; s < ring_shards(ring); s++) {
        size_t before = ring_owner(ring, s), after = ring_owner(rest, s);
        after += after >= leaver;
        if (after == before)
            continue;
        shares[after].gains++;
        ++*moved;
    }
    ring_release(rest);
    return MESH_OK;
}
