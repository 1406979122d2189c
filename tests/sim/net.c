/* The network: between two nodes one link at a time, an ordered stream in each direction.
 *
 * A link delays, and it breaks: then what is on the way is lost, each side hears of it in its own time, and one of them
 * dials again. What is sent in a direction that is cut is lost, and so the link is bound to break, since a stream has
 * no holes. Order and uniqueness hold within one link; what was sent on an old one never arrives after the new one is
 * up, but a sender that repeats itself may be heard twice. */
#include <stdlib.h>

#include "base/alloc.h"
#include "sim/sim.h"

enum {
    DELAY_MAX_MS = 8,
    DETECT_LOW_MS = 900, /* how long a dead link takes to be noticed */
    DETECT_HIGH_MS = 1500,
};

struct packet *packet_new(struct sim *sim, enum packet_kind kind)
{
    struct packet *packet = sim->spare;
    if (packet != NULL)
        sim->spare = packet->next;
    else
        packet = must_calloc(1, sizeof *packet);
    *packet = (struct packet){.kind = kind};
    return packet;
}

void packet_free(struct sim *sim, struct packet *packet)
{
    if (packet->bytes != NULL)
        block_release(packet->bytes);
    packet->next = sim->spare;
    sim->spare = packet;
}

void packets_fini(struct sim *sim)
{
    while (sim->spare != NULL) {
        struct packet *next = sim->spare->next;
        free(sim->spare);
        sim->spare = next;
    }
}

struct wire *wire_of(struct sim *sim, uint16_t a, uint16_t b)
{
    return a < b ? &sim->wires[(size_t)a * sim->node_count + b] : &sim->wires[(size_t)b * sim->node_count + a];
}

/* The index of what belongs to this node's side of the wire to the other. */
static int side(uint16_t node, uint16_t other)
{
    return node > other;
}

/* Whether this node counts its link to the other as up. */
bool net_up(struct sim *sim, uint16_t node, uint16_t other)
{
    return wire_of(sim, node, other)->seen[side(node, other)];
}

void net_send(struct sim *sim, uint16_t from, uint16_t to, struct packet *packet)
{
    struct wire *w = wire_of(sim, from, to);
    sim->result.messages++;
    if (!w->up || !net_up(sim, from, to) || w->cut[side(from, to)]) {
        if (w->up && w->cut[side(from, to)] && !w->breaking)
            net_break(sim, from, to, DETECT_LOW_MS, DETECT_HIGH_MS);
        packet_free(sim, packet);
        return;
    }
    uint64_t *last = &w->last_ms[side(to, from)];
    uint64_t ms = sim->now_ms + (sim->at_once ? 0 : 1 + sim_below(sim, DELAY_MAX_MS));
    *last = ms > *last ? ms : *last;
    packet->generation = w->generation;
    struct event *e = plan(sim, *last, EVENT_DELIVER, to);
    e->other = from;
    e->generation = w->generation;
    e->packet = packet;
}

void net_dial(struct sim *sim, uint16_t a, uint16_t b, uint32_t in_ms)
{
    struct wire *w = wire_of(sim, a, b);
    if (w->dialling)
        return;
    w->dialling = true;
    plan(sim, sim->now_ms + in_ms, EVENT_DIAL, a)->other = b;
}

static void tell_up(struct sim *sim, struct wire *w, uint16_t node, uint16_t other)
{
    uint64_t *last = &w->last_ms[side(node, other)];
    uint64_t ms = sim->now_ms + 1 + sim_below(sim, DELAY_MAX_MS);
    *last = ms > *last ? ms : *last;
    struct event *e = plan(sim, *last, EVENT_LINK_UP, node);
    e->other = other;
    e->generation = w->generation;
}

void net_dialled(struct sim *sim, const struct event *e)
{
    struct wire *w = wire_of(sim, e->node, e->other);
    const struct node *a = &sim->nodes[e->node], *b = &sim->nodes[e->other];
    w->dialling = false;
    if ((w->up && !w->breaking) || a->state == NODE_ABSENT || a->state == NODE_DOWN || b->state == NODE_ABSENT ||
        b->state == NODE_DOWN)
        return;
    bool old = w->up || w->seen[0] || w->seen[1];
    if (a->state == NODE_PAUSED || b->state == NODE_PAUSED || w->cut[0] || w->cut[1] || old ||
        sim->now_ms < w->not_before_ms) {
        net_dial(sim, e->node, e->other, sim_between(sim, 20, 200));
        return;
    }
    w->up = true;
    w->breaking = false;
    w->met_ms = 0;
    w->generation++;
    tell_up(sim, w, e->node, e->other);
    tell_up(sim, w, e->other, e->node);
}

static void tell_down(struct sim *sim, struct wire *w, uint16_t node, uint16_t other, uint32_t in_ms)
{
    uint64_t *last = &w->last_ms[side(node, other)];
    uint64_t ms = sim->now_ms + in_ms;
    *last = ms > *last ? ms : *last;
    struct event *e = plan(sim, *last, EVENT_LINK_DOWN, node);
    e->other = other;
    e->generation = w->generation;
}

/* The link breaks; each side hears of it after low_ms to high_ms. */
void net_break(struct sim *sim, uint16_t a, uint16_t b, uint32_t low_ms, uint32_t high_ms)
{
    struct wire *w = wire_of(sim, a, b);
    if (!w->up || w->breaking)
        return;
    w->breaking = true;
    w->breaks++;
    sim->forgetful = true;
    if (high_ms < DETECT_LOW_MS)
        w->up = false; /* at once: what is on the way is lost */
    tell_down(sim, w, a, b, sim_between(sim, low_ms, high_ms));
    tell_down(sim, w, b, a, sim_between(sim, low_ms, high_ms));
    net_dial(sim, a, b, high_ms + sim_between(sim, 10, 300));
}

void net_cut(struct sim *sim, uint16_t from, uint16_t to)
{
    wire_of(sim, from, to)->cut[side(from, to)] = true;
    net_break(sim, from, to, DETECT_LOW_MS, DETECT_HIGH_MS);
}

void net_heal(struct sim *sim, uint16_t from, uint16_t to)
{
    wire_of(sim, from, to)->cut[side(from, to)] = false;
    net_dial(sim, from, to, sim_between(sim, 10, 200));
}

/* Whether both count each other as linked, each having had the other's hello. */
bool net_met(struct sim *sim, uint16_t a, uint16_t b)
{
    struct node *x = &sim->nodes[a], *y = &sim->nodes[b];
    const struct wire *w = wire_of(sim, a, b);
    return w->up && w->seen[0] && w->seen[1] && cluster_met(x->cluster, x->peer_of[b]) &&
           cluster_met(y->cluster, y->peer_of[a]);
}

static void link_now(struct sim *sim, struct wire *w, uint16_t node, uint16_t other)
{
    struct event e = {.kind = EVENT_LINK_UP, .node = node, .other = other, .generation = w->generation};
    node_begin(sim, &sim->nodes[node]);
    net_link_event(sim, &e);
}

/* Both sides of a link at once, without delay. */
void net_connect_now(struct sim *sim, uint16_t a, uint16_t b)
{
    struct wire *w = wire_of(sim, a, b);
    w->up = true;
    w->generation++;
    link_now(sim, w, a, b);
    link_now(sim, w, b, a);
}

/* A link event that has reached its node. */
void net_link_event(struct sim *sim, struct event *e)
{
    struct node *n = &sim->nodes[e->node], *other = &sim->nodes[e->other];
    struct wire *w = wire_of(sim, e->node, e->other);
    bool *seen = &w->seen[side(e->node, e->other)];
    if (e->generation != w->generation || *seen == (e->kind == EVENT_LINK_UP))
        return;
    if (e->kind == EVENT_LINK_UP && !w->up)
        return;
    *seen = e->kind == EVENT_LINK_UP;
    if (e->kind == EVENT_LINK_DOWN) {
        w->up = false;
        trace(sim, "%s: link to %s down", n->name, other->name);
        cluster_link_down(n->cluster, n->peer_of[e->other]);
        n->peer_of[e->other] = 0;
        return;
    }
    uint16_t peer = 0;
    trace(sim, "%s: link to %s up", n->name, other->name);
    int error = cluster_link_up(n->cluster, mesh_str(other->name), other->creation, CLUSTER_C, &peer);
    if (error)
        check_broken(sim, &sim->result.protocol_errors, "%s cannot link %s: %s", n->name, other->name,
                     mesh_error_name(error));
    n->peer_of[e->other] = peer;
    n->node_of[peer] = e->other;
}
