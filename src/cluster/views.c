/* The merged view of one capability: which linked nodes have it, whether they agree on how it is placed, and its ring.
 *
 * A view is a function of the tables of the linked nodes, so nodes with the same links have the same views and rings.
 * Nodes that announce another strategy or shard count cannot share a ring. The larger party goes on (of two of the same
 * size, the one with the lowest name); the others are told what to set, and are left out. With a BEAM node that has it
 * too everyone places by modulo, and 4,096 shards is what to set.
 *
 * Views are looked at again when something they depend on has changed, and rings are built when they are first needed.
 * What follows from a new view is in plan.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/siphash.h"
#include "cluster/state.h"
#include "placement/strategy.h"

enum { PARTIES_MAX = 8 };

/* Nodes that agree about a capability. */
struct party {
    uint32_t shards, nodes;
    uint8_t strategy;
    uint16_t lowest; /* the node with the lowest name */
};

/* ---- rows ---- */

struct row *views_rows(struct capability *cap)
{
    if (cap->rows == NULL && cap->shards > 0) {
        cap->rows = must_calloc(cap->shards, sizeof *cap->rows);
        cap->row_count = cap->shards;
        for (uint32_t s = 0; s < cap->row_count; s++)
            cap->rows[s].promise = NOBODY;
    }
    return cap->rows;
}

/* Gives everything up: nobody has the capability any more, or shards are counted in another way. */
void views_reset_rows(struct cluster *c, struct capability *cap)
{
    claims_fini(cap);
    for (uint32_t s = 0; s < cap->row_count; s++)
        if (cap->rows[s].state == ROW_HELD || cap->rows[s].flags & ROW_PARCELS)
            action_shard(c, CLUSTER_RELEASE, cap, s, 0);
    free(cap->rows);
    busy_clear(cap);
    cap->rows = NULL;
    cap->row_count = cap->held = cap->claiming = cap->releasing = 0;
}

void views_unring(struct capability *cap)
{
    ring_release(cap->ring);
    cap->ring = NULL;
    cap->my_index = UINT32_MAX;
}

/* ---- agreement ---- */

static const struct entry *entry_of(const struct member *m, const struct capability *cap)
{
    for (uint32_t i = 0; i < m->entry_count; i++)
        if (m->entries[i].capability == cap)
            return &m->entries[i];
    return NULL;
}

static const struct entry *visible(const struct cluster *c, const struct capability *cap, uint16_t slot)
{
    return slot == SELF || c->members[slot].link == LINK_MET ? entry_of(&c->members[slot], cap) : NULL;
}

bool views_listed(const struct cluster *c, const struct capability *cap, uint16_t slot)
{
    return visible(c, cap, slot) != NULL;
}

static uint32_t add_to_party(const struct cluster *c, struct party *parties, uint32_t count, const struct entry *e,
                             uint16_t slot)
{
    for (uint32_t i = 0; i < count; i++) {
        struct party *p = &parties[i];
        if (p->shards != e->shards || p->strategy != e->strategy)
            continue;
        p->nodes++;
        if (compare_names(member_name(c, slot), member_name(c, p->lowest)) < 0)
            p->lowest = slot;
        return count;
    }
    if (count < PARTIES_MAX)
        parties[count++] = (struct party){e->shards, 1, e->strategy, slot};
    return count;
}

static const struct party *largest(const struct cluster *c, const struct party *parties, uint32_t count)
{
    const struct party *best = &parties[0];
    for (uint32_t i = 1; i < count; i++) {
        const struct party *p = &parties[i];
        if (p->nodes > best->nodes ||
            (p->nodes == best->nodes && compare_names(member_name(c, p->lowest), member_name(c, best->lowest)) < 0))
            best = p;
    }
    return best;
}

static void tell_agreement(struct cluster *c, struct capability *cap, bool disagree, bool excluded)
{
    char text[160];
    if (disagree) {
        const char *strategy = strategy_of(cap->strategy)->name;
        if (cap->beam)
            snprintf(text, sizeof text, "a BEAM node has it too: set shards to %d", BEAM_SHARDS);
        else
            snprintf(text, sizeof text, "%s: set shards to %u and strategy to %s",
                     excluded ? "this node differs from the others" : "a node differs from the others", cap->shards,
                     strategy);
        action_note(c, CLUSTER_NOTE_DISAGREE, 0, cap, cap->shards, text);
    } else if (cap->disagree) {
        action_note(c, CLUSTER_NOTE_AGREE, 0, cap, cap->shards, "");
    }
    cap->disagree = disagree;
    cap->excluded = excluded;
}

/* Decides how the capability is placed. False: nobody has it. */
static bool settle_placement(struct cluster *c, struct capability *cap)
{
    struct party parties[PARTIES_MAX];
    uint32_t count = 0;
    bool beam = false;
    for (uint16_t slot = 0; slot < c->member_count; slot++) {
        const struct entry *e = visible(c, cap, slot);
        if (e == NULL)
            continue;
        beam = beam || c->members[slot].kind == CLUSTER_BEAM;
        count = add_to_party(c, parties, count, e, slot);
    }
    if (count == 0)
        return false;
    const struct party *best = largest(c, parties, count);
    uint32_t shards = beam ? BEAM_SHARDS : best->shards;
    cap->strategy = beam ? MESH_MODULO : (enum mesh_strategy)best->strategy;
    cap->beam = beam;
    if (cap->row_count != 0 && cap->row_count != shards)
        views_reset_rows(c, cap);
    cap->shards = shards;
    bool disagree = false;
    for (uint32_t i = 0; i < count; i++)
        disagree = disagree || parties[i].shards != shards || (!beam && parties[i].strategy != cap->strategy);
    const struct entry *own = visible(c, cap, SELF);
    bool excluded = own != NULL && (own->shards != shards || (!beam && own->strategy != cap->strategy));
    if (disagree != cap->disagree || excluded != cap->excluded)
        tell_agreement(c, cap, disagree, excluded);
    return true;
}

/* ---- the view ---- */

static uint64_t weigh(const struct member *m, uint32_t weight)
{
    const struct siphash_key no_key = {0, 0};
    const uint64_t both[2] = {m->name_hash, weight};
    return siphash24(no_key, both, sizeof both);
}

/* Collects the active nodes; returns the hash of the view. A sum, so that their order does not matter. */
static uint64_t collect(struct cluster *c, struct capability *cap)
{
    uint64_t view = 0;
    if (cap->nodes == NULL)
        cap->nodes = must_calloc(CLUSTER_MEMBERS_MAX, sizeof *cap->nodes);
    memset(cap->active, 0, sizeof cap->active);
    cap->node_count = 0;
    cap->rest_ms = 0;
    for (uint16_t slot = 0; slot < c->member_count; slot++) {
        const struct entry *e = visible(c, cap, slot);
        if (e == NULL || e->leaving || e->shards != cap->shards || (!cap->beam && e->strategy != cap->strategy))
            continue;
        cap->nodes[cap->node_count++] = slot;
        bit_set(cap->active, slot);
        view += weigh(&c->members[slot], e->weight);
        if (c->members[slot].rest_ms > cap->rest_ms)
            cap->rest_ms = c->members[slot].rest_ms;
    }
    if (cap->node_count == 0)
        return 0;
    view += (uint64_t)cap->shards << 8 | cap->strategy;
    return view != 0 ? view : 1;
}

/* Nobody has the capability any more. */
static void vanish(struct cluster *c, struct capability *cap)
{
    if (!cap->any)
        return;
    cap->any = cap->disagree = cap->excluded = false;
    views_unring(cap);
    views_reset_rows(c, cap);
    cap->node_count = cap->shards = 0;
    cap->view = 0;
    memset(cap->active, 0, sizeof cap->active);
    action_shard(c, CLUSTER_WAKE, cap, CLUSTER_ALL, 0);
}

void views_refresh(struct cluster *c, struct capability *cap)
{
    if (!cap->stale)
        return;
    cap->stale = false;
    if (!settle_placement(c, cap)) {
        vanish(c, cap);
        return;
    }
    bool first = !cap->any;
    cap->any = true;
    cap->replan = true;
    uint64_t view = collect(c, cap);
    views_unring(cap); /* the nodes are in another order now: the ring of the same view is found again */
    if (view == cap->view && !first)
        return;
    cap->view = view;
    if (cap->changed_ms + c->config.quiet_ms <= c->now_ms)
        cap->unsettled_ms = c->now_ms;
    cap->changed_ms = c->now_ms;
    cap->notify = true;
    action_shard(c, CLUSTER_WAKE, cap, CLUSTER_ALL, 0);
    c->dirty = true;
}

/* ---- the ring ---- */

/* A node of the view, for sorting. */
struct named {
    mesh_bytes name;
    uint16_t slot;
};

static int compare_named(const void *a, const void *b)
{
    return compare_names(((const struct named *)a)->name, ((const struct named *)b)->name);
}

/* Sorts cap->nodes by name, as the ring numbers them, and gives names and weights in that order. */
static void sort_nodes(const struct cluster *c, struct capability *cap, mesh_bytes *names, uint32_t *weights)
{
    struct named *sorted = must_calloc(cap->node_count, sizeof *sorted);
    for (uint32_t i = 0; i < cap->node_count; i++)
        sorted[i] = (struct named){member_name(c, cap->nodes[i]), cap->nodes[i]};
    qsort(sorted, cap->node_count, sizeof *sorted, compare_named);
    for (uint32_t i = 0; i < cap->node_count; i++) {
        cap->nodes[i] = sorted[i].slot;
        names[i] = sorted[i].name;
        weights[i] = entry_of(&c->members[sorted[i].slot], cap)->weight;
        if (sorted[i].slot == SELF)
            cap->my_index = i;
    }
    free(sorted);
}

struct ring *views_ring(struct cluster *c, struct capability *cap)
{
    views_refresh(c, cap);
    if (cap->ring != NULL || cap->node_count == 0)
        return cap->ring;
    bool custom = cap->strategy == MESH_CUSTOM;
    if (custom && !(cap->registered && !cap->excluded && cap->own.place != NULL))
        return NULL;
    mesh_bytes *names = must_calloc(cap->node_count, sizeof *names);
    uint32_t *weights = must_calloc(cap->node_count, sizeof *weights);
    sort_nodes(c, cap, names, weights);
    if (!custom)
        cap->ring = rings_get(c->rings, cap->view, cap->strategy, names, weights, cap->node_count, cap->shards);
    else if (ring_create(MESH_CUSTOM, names, weights, cap->node_count, cap->shards, cap->own.place, cap->own.context,
                         &cap->ring) != MESH_OK)
        cap->ring = NULL;
    free(weights);
    free(names);
    return cap->ring;
}

uint16_t views_owner(struct cluster *c, struct capability *cap, uint32_t shard)
{
    struct ring *ring = views_ring(c, cap);
    return ring != NULL && shard < cap->shards ? cap->nodes[ring_owner(ring, shard)] : NOBODY;
}
