/* What a node that runs the processes asks about the whole: see cluster.h. */
#include "cluster/busy.h"
#include "cluster/state.h"

mesh_bytes cluster_capability_name(const struct cluster *c, uint32_t index, bool *exists)
{
    *exists = index < c->capability_count;
    return *exists && c->capabilities[index]->any ? capability_name(c->capabilities[index]) : (mesh_bytes){NULL, 0};
}

bool cluster_asks(const struct cluster *c, mesh_bytes capability, uint32_t shard)
{
    const struct capability *cap = capability_find(c, capability);
    if (cap == NULL || cap->busy_in == 0)
        return false;
    const struct busy *b = cap->busy[shard % BUSY_BUCKETS];
    while (b != NULL && (b->shard != shard || b->out))
        b = b->next;
    return b != NULL;
}

bool cluster_routes_alike(const struct cluster *c, mesh_bytes capability, uint32_t shard)
{
    const struct capability *cap = capability_find(c, capability);
    if (cap == NULL || cap->busy_in + cap->busy_out == 0)
        return true;
    const struct busy *b = cap->busy[shard % BUSY_BUCKETS];
    while (b != NULL && b->shard != shard)
        b = b->next;
    return b == NULL;
}

bool cluster_sight(struct cluster *c, mesh_bytes capability, struct cluster_sight *sight)
{
    struct capability *cap = capability_find(c, capability);
    if (cap == NULL)
        return false;
    views_refresh(c, cap);
    if (!cap->any)
        return false;
    bool own = cap->registered && !cap->excluded;
    *sight = (struct cluster_sight){.strategy = cap->strategy,
                                    .place = own ? cap->own.place : NULL,
                                    .context = own ? cap->own.context : NULL,
                                    .shards = cap->shards,
                                    .nodes = cap->node_count,
                                    .held = cap->held,
                                    .disagree = cap->disagree};
    return true;
}
