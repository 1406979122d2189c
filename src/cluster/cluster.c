/* One node's part in the cluster: set-up, time, the order of a run, and which file a message is for. See cluster.h. */
#include "cluster/cluster.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/state.h"

static uint32_t or_default(uint32_t ms, uint32_t otherwise)
{
    return ms != 0 ? ms : otherwise;
}

struct cluster *cluster_create(const struct cluster_config *config, uint64_t now_ms, uint64_t wall_ms)
{
    struct cluster *c = must_calloc(1, sizeof *c);
    c->config = *config;
    c->config.name = (mesh_bytes){NULL, 0};
    c->config.join_ms = or_default(config->join_ms, CLUSTER_JOIN_MS);
    c->config.claim_ms = or_default(config->claim_ms, CLUSTER_CLAIM_MS);
    c->config.boot_ms = or_default(config->boot_ms, CLUSTER_BOOT_MS);
    c->config.suspect_ms = or_default(config->suspect_ms, CLUSTER_SUSPECT_MS);
    c->config.quiet_ms = or_default(config->quiet_ms, CLUSTER_QUIET_MS);
    c->now_ms = c->begun_ms = c->ran_ms = now_ms;
    c->wall_ms = wall_ms;
    c->rings = config->rings != NULL ? config->rings : &c->own_rings;
    c->quorum = config->majority_of < 2;
    c->dirty = true;
    members_init(c, config->name, config->creation);
    return c;
}

void cluster_destroy(struct cluster *c)
{
    if (c == NULL)
        return;
    actions_fini(c);
    handoff_fini(c);
    tables_fini(c);
    members_fini(c);
    rings_fini(&c->own_rings);
    free(c);
}

/* ---- time ---- */

uint64_t clock_next(struct cluster *c)
{
    uint64_t wall = c->wall_ms << 16;
    c->clock = wall > c->clock ? wall : c->clock + 1;
    return c->clock;
}

/* A clock beyond what 63 bits hold is no clock. */
void clock_seen(struct cluster *c, uint64_t clock)
{
    if (clock > c->clock && clock < INT64_MAX)
        c->clock = clock;
}

void cluster_clock_seen(struct cluster *c, uint64_t clock)
{
    clock_seen(c, clock);
}

uint64_t cluster_clock(struct cluster *c)
{
    return clock_next(c);
}

void cluster_begin(struct cluster *c, uint64_t now_ms, uint64_t wall_ms)
{
    assert(now_ms >= c->now_ms);
    uint64_t gap = now_ms - c->now_ms;
    c->now_ms = now_ms;
    c->wall_ms = wall_ms;
    if (gap > c->config.suspect_ms)
        members_suspect(c, gap);
}

/* ---- a run ---- */

static void run_capability(struct cluster *c, struct capability *cap)
{
    views_refresh(c, cap);
    plan_run(c, cap);
    claims_run(c, cap);
    c->dirty |= plan_goes_on(cap);
    grants_notify(c, cap);
}

void cluster_run(struct cluster *c)
{
    if (!c->dirty && c->now_ms < c->wake_ms)
        return;
    /* What a run does may give it more to do; every round ends something, so few are needed. */
    for (int round = 0; round < 4 && (round == 0 || c->dirty); round++) {
        c->dirty = false;
        c->wake_ms = UINT64_MAX;
        members_run(c);
        tables_run(c); /* before the claims that follow from it */
        for (uint32_t i = 0; i < c->capability_count; i++)
            run_capability(c, c->capabilities[i]);
        for (uint16_t slot = 1; slot < c->member_count; slot++)
            if (c->members[slot].out.unsent != NULL)
                handoff_run(c, slot);
    }
    if (c->dirty)
        c->wake_ms = c->now_ms;
    /* A node that is asleep for longer than suspect_ms looks like one that was stopped. */
    wake_by(c, c->now_ms + c->config.suspect_ms / 2);
}

uint64_t cluster_wake_ms(const struct cluster *c)
{
    return c->dirty ? c->now_ms : c->wake_ms;
}

/* ---- messages ---- */

static int dispatch(struct cluster *c, uint16_t peer, const struct message *m)
{
    switch (m->op) {
    case OP_TABLE:
        return tables_receive_table(c, peer, m);
    case OP_LINKS:
        return members_links(c, peer, m);
    case OP_LIST:
        return members_list(c, peer, m);
    case OP_CLAIM:
        return grants_claim(c, peer, m);
    case OP_GRANT:
        return claims_granted(c, peer, m);
    case OP_AGAIN:
        claims_again(c, peer, m);
        return MESH_OK;
    case OP_HOLD:
        return grants_hold(c, peer, m);
    case OP_YIELD:
        return grants_yield(c, peer, m);
    case OP_KEEP:
        return tables_receive_keep(c, peer, m);
    case OP_PARCEL:
        return handoff_receive(c, peer, m);
    case OP_FETCH:
        return busy_fetched(c, peer, m);
    case OP_ACK:
        handoff_ack(c, peer, m);
        return MESH_OK;
    case OP_PROBE:
        members_probe(c, peer, m);
        return MESH_OK;
    case OP_HELLO:
    case OP_COUNT:
        break;
    }
    return MESH_EBADTERM;
}

int cluster_receive(struct cluster *c, uint16_t peer, mesh_bytes bytes)
{
    struct message m;
    if (!linked(c, peer) || c->members[peer].kind != CLUSTER_C)
        return MESH_EBADTERM;
    int error = message_read(bytes, &m);
    if (error)
        return error == MESH_ENOMATCH ? MESH_OK : error;
    if (message_has(&m, F_CLOCK))
        clock_seen(c, message_number(&m, F_CLOCK));
    if (m.op == OP_HELLO)
        return m.version == MESSAGE_HELLO_VERSION ? tables_receive_hello(c, peer, &m) : MESH_EBADTERM;
    /* A probe is answered before the hello as well: it is about the process at the other end, not about shards. */
    if (m.op == OP_PROBE)
        return dispatch(c, peer, &m);
    /* Lower versions too: its sender may not have had our hello yet. */
    if (c->members[peer].link != LINK_MET || m.version > c->members[peer].version)
        return MESH_EBADTERM;
    return dispatch(c, peer, &m);
}

/* ---- looking at it ---- */

bool cluster_serves(const struct cluster *c)
{
    return !c->suspect && c->quorum;
}

uint64_t cluster_epoch(const struct cluster *c, mesh_bytes capability, uint32_t shard)
{
    const struct capability *cap = capability_find(c, capability);
    bool held = cap != NULL && shard < cap->row_count && cap->rows[shard].state == ROW_HELD;
    return held ? cap->rows[shard].epoch : 0;
}

const struct ring *cluster_ring(struct cluster *c, mesh_bytes capability)
{
    struct capability *cap = capability_find(c, capability);
    return cap != NULL ? views_ring(c, cap) : NULL;
}

mesh_bytes cluster_holder(const struct cluster *c, mesh_bytes capability, uint32_t shard)
{
    const struct capability *cap = capability_find(c, capability);
    if (cap == NULL || shard >= cap->row_count || cap->rows[shard].promise == NOBODY)
        return (mesh_bytes){NULL, 0};
    return member_name(c, cap->rows[shard].promise);
}

bool cluster_peer(const struct cluster *c, mesh_bytes name, uint16_t *peer)
{
    uint16_t slot = member_find(c, name);
    if (slot == NOBODY || (slot != SELF && !linked(c, slot)))
        return false;
    *peer = slot;
    return true;
}

mesh_bytes cluster_name(const struct cluster *c, uint16_t peer)
{
    return peer == SELF || linked(c, peer) ? member_name(c, peer) : (mesh_bytes){NULL, 0};
}

bool cluster_met(const struct cluster *c, uint16_t peer)
{
    return met(c, peer);
}

void cluster_stats(const struct cluster *c, struct cluster_stats *stats)
{
    *stats = (struct cluster_stats){.linked = c->met,
                                    .synced = c->synced,
                                    .claims = c->claims,
                                    .claims_forced = c->claims_forced,
                                    .conflicts = c->conflicts};
    for (uint32_t i = 0; i < c->capability_count; i++) {
        const struct capability *cap = c->capabilities[i];
        stats->capabilities += cap->any;
        stats->held += cap->held;
        stats->claiming += cap->claiming;
        stats->releasing += cap->releasing;
    }
    for (uint16_t slot = 1; slot < c->member_count; slot++)
        stats->parcels_waiting += c->members[slot].out.count;
}
