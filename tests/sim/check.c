/* What is checked: the promises I2 to I6, as design and documents state them.
 *
 * I2 is looked at where it could break: when a node comes to hold a shard, and when it starts a process. Broken is it
 * only between nodes that are linked, each having had the other's hello; and not by what was there before they met
 * (a partition, or before two nodes first meet), by a claim that went on without an answer (policy `available`, counted
 * as forced), nor by a node that stands still. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "placement/ring.h"
#include "sim/sim.h"

enum {
    FORCED_MS = 5000,
    KNOWN_MS = 60, /* a node has told its peers of its links by then */
    JOIN_MS = 800, /* as in node.c */
    MEET_MS = 60,  /* two that held the same when they met have sorted it out after so long: a round trip */
};

void check_broken(struct sim *sim, uint64_t *counter, const char *format, ...)
{
    char text[200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (*counter)++;
    trace(sim, "BROKEN: %s", text);
    if (sim->result.first[0] == 0)
        snprintf(sim->result.first, sizeof sim->result.first, "%llu ms: %s", (unsigned long long)sim->now_ms, text);
}

static bool forced_lately(const struct sim *sim, const struct node *n)
{
    return n->forced_ms != 0 && sim->now_ms - n->forced_ms < FORCED_MS;
}

static bool comparable(struct sim *sim, const struct node *a, const struct node *b)
{
    return a != b && b->state == NODE_UP && net_met(sim, a->number, b->number) && !forced_lately(sim, a) &&
           !forced_lately(sim, b) && cluster_serves(b->cluster);
}

/* The two have never been linked and are about to be: a third node, linked to both, knows of both, and join_ms has not
 * passed. Rules 3 and 5 keep them from holding the same shard even so. */
static bool about_to_meet(struct sim *sim, const struct node *a, const struct node *b)
{
    const uint32_t cutting = SIM_BLINK | SIM_PARTITION | SIM_CRASH | SIM_PAUSE | SIM_DRAIN;
    if (sim->options.faults & cutting || wire_of(sim, a->number, b->number)->generation != 0)
        return false;
    for (uint16_t i = 0; i < sim->node_count; i++) {
        if (i == a->number || i == b->number || sim->nodes[i].state != NODE_UP)
            continue;
        uint64_t x = wire_of(sim, i, a->number)->met_ms, y = wire_of(sim, i, b->number)->met_ms;
        uint64_t first = x < y ? x : y, second = x < y ? y : x; /* the second was told of the first by the hello */
        if (first != 0 && second > first + KNOWN_MS && sim->now_ms < second + JOIN_MS)
            return true;
    }
    return false;
}

void check_hold(struct sim *sim, struct node *n, uint32_t cap, uint32_t shard)
{
    for (uint32_t i = 0; i < sim->node_count; i++) {
        const struct node *other = &sim->nodes[i];
        if (other == n || other->cluster == NULL || other->held[cap][shard] == 0)
            continue;
        if (!comparable(sim, n, other) && !about_to_meet(sim, n, other)) {
            sim->forgetful = true; /* of two copies one will be given up */
            continue;
        }
        check_broken(sim, &sim->result.doubled_holds, "%s holds %u/%u, and so does %s", n->name, cap, shard,
                     other->name);
    }
}

void check_start(struct sim *sim, struct node *n, uint32_t cap, uint32_t id)
{
    if (!cluster_serves(n->cluster))
        check_broken(sim, &sim->result.doubled_processes, "%s starts a process though it may not serve", n->name);
    for (uint32_t i = 0; i < sim->node_count; i++) {
        struct node *other = &sim->nodes[i];
        if (other->cluster == NULL || !comparable(sim, n, other))
            continue;
        const struct process *p = process_of(other, cap, id);
        uint64_t met_ms = wire_of(sim, n->number, other->number)->met_ms; /* 0: at this very moment */
        if (!p->live || p->excused || met_ms == 0 || p->started_ms <= met_ms + MEET_MS)
            continue;
        check_broken(sim, &sim->result.doubled_processes, "%s starts %u/%u, which is live on %s", n->name, cap, id,
                     other->name);
    }
}

/* ---- I6: at the end ---- */

/* Whether no node flapped so much that shards may still be waiting for it, or moving. */
static bool rested(const struct sim *sim)
{
    for (size_t i = 0; i < (size_t)sim->node_count * sim->node_count; i++)
        if (sim->wires[i].breaks >= 5)
            return false;
    return true;
}

static void check_members(struct sim *sim)
{
    for (uint16_t i = 0; i < sim->node_count; i++) {
        const struct node *a = &sim->nodes[i];
        if (a->cluster == NULL)
            continue;
        struct cluster_stats stats;
        uint32_t up = 0;
        for (uint16_t j = 0; j < sim->node_count; j++)
            up += i != j && sim->nodes[j].cluster != NULL && net_met(sim, i, j);
        cluster_stats(a->cluster, &stats);
        if (stats.linked != up || !stats.synced || !cluster_serves(a->cluster) || (stats.claiming > 0 && rested(sim)))
            check_broken(sim, &sim->result.unsettled, "%s is linked to %u of %u, synced %d, claiming %u", a->name,
                         stats.linked, up, stats.synced, stats.claiming);
    }
}

static const struct node *named(const struct sim *sim, mesh_bytes name)
{
    for (uint32_t i = 0; i < sim->node_count; i++)
        if (strlen(sim->nodes[i].name) == name.len && memcmp(sim->nodes[i].name, name.data, name.len) == 0)
            return &sim->nodes[i];
    return NULL;
}

/* The owner that the first node with a ring sees, which must be what all see; NULL: there is none. */
static const struct node *agreed_owner(struct sim *sim, uint32_t cap, uint32_t shard)
{
    const struct node *owner = NULL, *first = NULL;
    for (uint32_t i = 0; i < sim->node_count; i++) {
        const struct node *n = &sim->nodes[i];
        const struct ring *ring = n->cluster != NULL ? cluster_ring(n->cluster, sim_capability(cap)) : NULL;
        if (n->cluster == NULL)
            continue;
        const struct node *mine = ring != NULL ? named(sim, ring_name(ring, ring_owner(ring, shard))) : NULL;
        if (first != NULL && mine != owner)
            check_broken(sim, &sim->result.unsettled, "%s and %s disagree about the owner of %u/%u", n->name,
                         first->name, cap, shard);
        if (first == NULL)
            owner = mine;
        first = first == NULL ? n : first;
    }
    return owner;
}

static void check_shard(struct sim *sim, uint32_t cap, uint32_t shard)
{
    const struct node *owner = agreed_owner(sim, cap, shard), *holder = NULL;
    uint32_t holders = 0;
    for (uint32_t i = 0; i < sim->node_count; i++)
        if (sim->nodes[i].cluster != NULL && sim->nodes[i].held[cap][shard] != 0) {
            holder = &sim->nodes[i];
            holders++;
        }
    if (holders > 1 || (holders != (owner != NULL) && rested(sim)))
        check_broken(sim, &sim->result.unsettled, "%u nodes hold %u/%u", holders, cap, shard);
    else if (holders == 1 && holder != owner && rested(sim))
        check_broken(sim, &sim->result.unsettled, "%s holds %u/%u, not %s", holder->name, cap, shard, owner->name);
    for (uint32_t i = 0; i < sim->node_count && holders == 1; i++) {
        const struct node *n = &sim->nodes[i];
        if (n->cluster == NULL)
            continue;
        mesh_bytes name = cluster_holder(n->cluster, sim_capability(cap), shard);
        if (name.len > 0 && named(sim, name) != holder && sim->conflict_ms == 0)
            check_broken(sim, &sim->result.unsettled, "%s believes that %.*s holds %u/%u, not %s", n->name,
                         (int)name.len, (const char *)name.data, cap, shard, holder->name);
    }
}

static void check_processes(struct sim *sim)
{
    for (uint32_t cap = 0; cap < sim->caps; cap++)
        for (uint32_t id = 0; id < sim->ids; id++) {
            uint32_t live = 0;
            for (uint32_t i = 0; i < sim->node_count; i++)
                live += sim->nodes[i].cluster != NULL && process_of(&sim->nodes[i], cap, id)->live;
            if (live > 1)
                check_broken(sim, &sim->result.unsettled, "%u/%u is active %u times", cap, id, live);
        }
}

/* Under the policy `majority` too few nodes may be left: then none may serve. */
static bool none_serves(struct sim *sim)
{
    uint32_t up = 0;
    for (uint16_t i = 0; i < sim->node_count; i++)
        up += sim->nodes[i].cluster != NULL;
    if (2 * up > sim->options.majority_of)
        return false;
    for (uint16_t i = 0; i < sim->node_count; i++)
        if (sim->nodes[i].cluster != NULL && cluster_serves(sim->nodes[i].cluster))
            check_broken(sim, &sim->result.unsettled, "%s serves, one of %u", sim->nodes[i].name, up);
    return true;
}

void check_end(struct sim *sim)
{
    if (none_serves(sim))
        return;
    check_members(sim);
    for (uint32_t cap = 0; cap < sim->caps; cap++)
        for (uint32_t shard = 0; shard < sim->options.shards; shard++)
            check_shard(sim, cap, shard);
    check_processes(sim);
}

/* The same for a large cluster. Nodes that see the same share one ring here, so it is enough to compare their places;
 * what they believe about holders is looked at on every 50th node. */
void check_large(struct sim *sim)
{
    const struct ring *ring = NULL;
    check_members(sim);
    for (uint32_t i = 0; i < sim->node_count; i++) {
        struct cluster *c = sim->nodes[i].cluster;
        const struct ring *own = c != NULL ? cluster_ring(c, sim_capability(0)) : NULL;
        if (c == NULL)
            continue;
        if (ring != NULL && own != ring)
            check_broken(sim, &sim->result.unsettled, "%s sees another ring", sim->nodes[i].name);
        ring = own;
    }
    for (uint32_t shard = 0; ring != NULL && shard < sim->options.shards; shard++) {
        const struct node *owner = named(sim, ring_name(ring, ring_owner(ring, shard)));
        uint32_t holders = 0;
        for (uint32_t i = 0; i < sim->node_count; i++)
            holders += sim->nodes[i].cluster != NULL && sim->nodes[i].held[0][shard] != 0;
        if (holders != 1 || owner->held[0][shard] == 0)
            check_broken(sim, &sim->result.unsettled, "%u nodes hold 0/%u, %s %s", holders, shard, owner->name,
                         owner->held[0][shard] ? "too" : "not");
        for (uint32_t i = 0; i < sim->node_count; i += 50) {
            const struct cluster *c = sim->nodes[i].cluster;
            mesh_bytes name = c != NULL ? cluster_holder(c, sim_capability(0), shard) : (mesh_bytes){NULL, 0};
            if (name.len > 0 && named(sim, name) != owner)
                check_broken(sim, &sim->result.unsettled, "%s believes in another holder of 0/%u", sim->nodes[i].name,
                             shard);
        }
    }
}
