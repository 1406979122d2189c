/* Where a request goes.
 *
 * To the holder, as far as this node knows it: the one that it has promised the shard to, unless that has announced
 * since that it has nothing left of the capability (it may be gone before its link is); before there is one, to the
 * node that the ring names, which will claim it. A node that is asked and does not hold the shard knows the next one,
 * because it granted. Rule 7: a call of a C node is answered MOVED and sent again by its sender's node; casts, and what
 * BEAM nodes send, are forwarded. After two hops a request waits where it is; it never goes back where it came from.
 *
 * One exception: a request that was forwarded to the giver of a busy process, which has ended meanwhile, goes back to
 * the forwarder. The parcel that says so runs ahead of it on the same stream, so it cannot come a second time. */
#include "cluster/state.h"

/* The peer to ask, SELF, or NOBODY. */
static uint16_t target_of(struct cluster *c, struct capability *cap, uint32_t shard)
{
    const struct row *row = cap->rows != NULL ? &cap->rows[shard] : NULL;
    if (row != NULL && row->state == ROW_CLAIMING)
        return SELF;
    if (row != NULL && row->promise != NOBODY && linked(c, row->promise) && views_listed(c, cap, row->promise))
        return row->promise;
    uint16_t owner = views_owner(c, cap, shard);
    if (owner == NOBODY && cap->node_count > 0) /* a strategy that this node lacks: any node that has it may know */
        owner = cap->nodes[0];
    return owner;
}

static enum cluster_route send_on(const struct cluster_request *r, uint16_t target, uint16_t *peer)
{
    bool tired = r->hops >= CLUSTER_HOPS_MAX && (r->from == SELF || !r->moved);
    bool back = r->from != SELF && target == r->from;
    if ((tired || back) && !r->followed)
        return CLUSTER_WAIT;
    *peer = target;
    return r->from != SELF && r->moved ? CLUSTER_MOVED : CLUSTER_TO;
}

static enum cluster_route refuse(int why, int *error)
{
    *error = why;
    return CLUSTER_REFUSED;
}

/* The process is inside a handler at a node that has given its shard up. */
static enum cluster_route follow_busy(struct cluster *c, const struct cluster_request *r, uint16_t giver,
                                      uint16_t *peer)
{
    if (giver == SELF)
        return CLUSTER_SERVE; /* here, until it ends */
    if (!met(c, giver) || r->hops > CLUSTER_HOPS_MAX || giver == r->from)
        return CLUSTER_WAIT;
    *peer = giver;
    return CLUSTER_FOLLOW;
}

enum cluster_route cluster_route(struct cluster *c, const struct cluster_request *r, uint16_t *peer, int *error)
{
    struct capability *cap = capability_find(c, r->key.capability);
    if (!c->quorum)
        return refuse(MESH_ENOQUORUM, error);
    if (cap != NULL)
        views_refresh(c, cap);
    if (cap == NULL || !cap->any || (cap->node_count == 0 && cap->held == 0))
        return c->open > 0 && r->from == SELF ? CLUSTER_WAIT : refuse(MESH_ENOCAPABILITY, error);
    if (r->key.shard >= cap->shards)
        return refuse(MESH_EINVAL, error);
    if (c->suspect)
        return CLUSTER_WAIT;
    const struct row *row = cap->rows != NULL ? &cap->rows[r->key.shard] : NULL;
    uint16_t giver = busy_where(cap, &r->key);
    if (giver != NOBODY)
        return follow_busy(c, r, giver, peer);
    if (row != NULL && row->state == ROW_HELD)
        return CLUSTER_SERVE;
    if (claims_stuck(cap, r->key.shard))
        return refuse(MESH_ENOQUORUM, error);
    uint16_t target = target_of(c, cap, r->key.shard);
    if (r->from == SELF && r->hint != SELF && linked(c, r->hint) && (row == NULL || row->state != ROW_CLAIMING))
        target = r->hint;
    if (target == SELF || target == NOBODY)
        return CLUSTER_WAIT;
    return send_on(r, target, peer);
}
