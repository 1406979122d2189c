/* One node: it drives the cluster logic as a real one does. Events go in, actions are carried out, until none is left;
 * requests that are to wait, wait until they are woken. A paused node keeps its events for later. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "placement/ring.h"
#include "sim/sim.h"

enum {
    EPOCH_2026_S = 1767225600,
    LINGER_MS = 60,
    NOWHERE = UINT16_MAX,
};

static uint64_t wall(const struct sim *sim, const struct node *n)
{
    return (uint64_t)EPOCH_2026_S * 1000 + sim->now_ms + (uint64_t)n->number * 37; /* clocks that differ a little */
}

void node_start(struct sim *sim, uint16_t number, uint32_t caps)
{
    struct node *n = &sim->nodes[number];
    n->state = NODE_UP;
    n->draining = false;
    n->creation = ++sim->creations;
    const struct cluster_config config = {.name = mesh_str(n->name),
                                          .creation = n->creation,
                                          .discovery = true,
                                          .join_ms = 800,
                                          .claim_ms = 700,
                                          .boot_ms = 600,
                                          .suspect_ms = 400,
                                          .quiet_ms = sim->options.changes ? 500 : 200,
                                          .majority_of = sim->options.majority_of,
                                          .rings = &sim->rings,
                                          .rules_off = sim->options.rules_off};
    n->cluster = cluster_create(&config, sim->now_ms, wall(sim, n));
    n->peer_of = must_calloc(sim->node_count, sizeof *n->peer_of);
    n->node_of = must_calloc(CLUSTER_MEMBERS_MAX, sizeof *n->node_of);
    n->processes = must_calloc((size_t)SIM_CAPS_MAX * SIM_IDS_MAX, sizeof *n->processes);
    n->store = must_calloc((size_t)SIM_CAPS_MAX * SIM_IDS_MAX, sizeof *n->store);
    for (uint32_t cap = 0; cap < sim->caps; cap++)
        n->held[cap] = must_calloc(sim->options.shards, sizeof(uint64_t));
    n->waiting_end = &n->waiting;
    n->backlog_end = &n->backlog;
    n->tick_ms = 0;
    n->started_ms = sim->now_ms;
    trace(sim, "%s: starts, creation %u", n->name, n->creation);
    for (uint32_t cap = 0; cap < sim->caps; cap++)
        if (caps >> cap & 1)
            node_register(sim, number, cap, true);
    for (uint16_t other = 0; !sim->at_once && other < sim->node_count; other++)
        if (other != number && sim->nodes[other].state != NODE_ABSENT)
            net_dial(sim, number, other, sim_between(sim, 1, 60));
    node_begin(sim, n);
    node_settle(sim, n);
}

void node_free(struct sim *sim, uint16_t number)
{
    struct node *n = &sim->nodes[number];
    cluster_destroy(n->cluster);
    n->cluster = NULL;
    while (n->waiting != NULL) {
        struct waiting *next = n->waiting->next;
        free(n->waiting);
        n->waiting = next;
    }
    while (n->backlog != NULL) {
        struct event *next = n->backlog->next;
        event_free(sim, n->backlog);
        n->backlog = next;
    }
    for (uint32_t cap = 0; cap < sim->caps; cap++) {
        free(n->held[cap]);
        n->held[cap] = NULL;
    }
    free(n->peer_of);
    free(n->node_of);
    free(n->processes);
    free(n->store);
    n->peer_of = n->node_of = NULL;
    n->processes = NULL;
    n->store = NULL;
}

/* slowly: nobody is told by a reset; the links are noticed to be dead. */
void node_crash(struct sim *sim, uint16_t number, bool slowly)
{
    struct node *n = &sim->nodes[number];
    trace(sim, "%s: dies", n->name);
    for (uint16_t other = 0; other < sim->node_count; other++) {
        if (other == number || sim->nodes[other].state == NODE_ABSENT)
            continue;
        struct wire *w = wire_of(sim, number, other);
        w->seen[number > other] = false;
        if (w->up && !w->breaking)
            net_break(sim, number, other, slowly ? 900 : 1, slowly ? 1500 : 30);
        w->up = false;
    }
    node_free(sim, number);
    n->state = NODE_DOWN;
    sim->forgetful = true;
}

void node_register(struct sim *sim, uint16_t number, uint32_t cap, bool on)
{
    struct node *n = &sim->nodes[number];
    trace(sim, "%s: capability %u %s", n->name, cap, on ? "on" : "off");
    const struct cluster_capability own = {
        .strategy = MESH_CAPPED, .shards = sim->options.shards, .weight = 1 + number % 3};
    if (on)
        (void)cluster_register(n->cluster, sim_capability(cap), &own);
    else
        (void)cluster_unregister(n->cluster, sim_capability(cap));
}

void node_drain(struct sim *sim, uint16_t number)
{
    trace(sim, "%s: drains", sim->nodes[number].name);
    sim->nodes[number].draining = true;
    cluster_drain(sim->nodes[number].cluster);
}

/* ---- requests ---- */

static void wait_here(struct node *n, const struct packet *request, uint16_t from)
{
    struct waiting *w = must_calloc(1, sizeof *w);
    w->request = *request;
    w->from = from;
    *n->waiting_end = w;
    n->waiting_end = &w->next;
}

/* A request that came to a process which has ended meanwhile. */
void node_wait(struct node *n, const struct packet *request)
{
    wait_here(n, request, n->number);
}

static void send_request(struct sim *sim, struct node *n, const struct packet *request, uint16_t to, bool followed)
{
    struct packet *p = packet_new(sim, PACKET_REQUEST);
    *p = *request;
    p->hops = (uint8_t)(request->hops + 1);
    if (p->hops > sim->result.most_hops)
        sim->result.most_hops = p->hops;
    p->followed = followed;
    p->clock = cluster_clock(n->cluster);
    net_send(sim, n->number, n->node_of[to], p);
}

/* A refusal, or a reply, on its way to where the call began. */
static void answer(struct sim *sim, struct node *n, const struct packet *request, enum packet_kind kind, int error,
                   uint16_t whom)
{
    const struct call *call = &sim->calls[request->call % SIM_CALLS_KEPT];
    if (call->origin == n->number) {
        if (kind == PACKET_REPLY)
            load_reply(sim, request->call, error, 0);
        return;
    }
    struct packet *p = packet_new(sim, kind);
    p->call = request->call;
    p->error = error;
    p->node = whom;
    p->hops = request->hops;
    p->clock = cluster_clock(n->cluster);
    net_send(sim, n->number, call->origin, p);
}

/* Where a request goes from here. from: the node that sent it, or this one. */
static void route(struct sim *sim, struct node *n, const struct packet *request, uint16_t from, uint16_t hint)
{
    const struct call *call = &sim->calls[request->call % SIM_CALLS_KEPT];
    char id[16];
    bool local = from == n->number;
    if (call->serial != request->call || call->done)
        return; /* nobody waits any more */
    struct cluster_request r = {.from = local             ? 0
                                        : from == NOWHERE ? NOWHERE
                                                          : n->peer_of[from],
                                .hint = hint,
                                .hops = request->hops,
                                .moved = !call->cast && !call->elsewhere,
                                .followed = request->followed};
    r.key = (struct cluster_key){sim_capability(call->cap), mesh_str("Counter"), sim_id(call->id, id),
                                 sim_shard(sim, call->id)};
    if (!local && r.from == 0)
        r.from = NOWHERE; /* its sender is gone */
    uint16_t peer = 0;
    int error = MESH_OK;
    enum cluster_route where = cluster_route(n->cluster, &r, &peer, &error);
    trace(sim, "%s: call %u to %u/%u, %u hops, from %s: route %d, %s", n->name, request->call, call->cap, call->id,
          request->hops, local ? "here" : "elsewhere", (int)where, sim->nodes[n->node_of[peer]].name);
    switch (where) {
    case CLUSTER_SERVE:
        process_deliver(sim, n, request);
        break;
    case CLUSTER_TO:
        send_request(sim, n, request, peer, false);
        break;
    case CLUSTER_FOLLOW:
        send_request(sim, n, request, peer, true);
        break;
    case CLUSTER_MOVED:
        answer(sim, n, request, PACKET_MOVED, 0, n->node_of[peer]);
        break;
    case CLUSTER_WAIT:
        wait_here(n, request, from);
        break;
    case CLUSTER_REFUSED:
        answer(sim, n, request, PACKET_REPLY, error, 0);
        break;
    }
}

void node_route(struct sim *sim, struct node *n, const struct packet *request, uint16_t from)
{
    route(sim, n, request, from, 0);
}

/* Something has changed where the request waits: it may go on, also back to where it came from. */
static void go_once_more(struct sim *sim, struct waiting *w)
{
    w->from = NOWHERE;
    if (w->request.hops >= CLUSTER_HOPS_MAX)
        w->request.hops = CLUSTER_HOPS_MAX - 1;
    sim->calls[w->request.call % SIM_CALLS_KEPT].indirect = true;
}

static void wake(struct sim *sim, struct node *n, mesh_bytes capability)
{
    struct waiting *list = n->waiting;
    n->waiting = NULL;
    n->waiting_end = &n->waiting;
    while (list != NULL) {
        struct waiting *w = list;
        list = w->next;
        mesh_bytes name = sim_capability(sim->calls[w->request.call % SIM_CALLS_KEPT].cap);
        if (memcmp(name.data, capability.data, name.len) != 0) {
            w->next = NULL;
            *n->waiting_end = w;
            n->waiting_end = &w->next;
            continue;
        }
        if (w->from == n->number)
            w->request.hops = 0;
        else
            go_once_more(sim, w);
        route(sim, n, &w->request, w->from, 0);
        free(w);
    }
}

static void moved(struct sim *sim, struct node *n, const struct packet *p)
{
    struct packet request = {.kind = PACKET_REQUEST, .call = p->call, .hops = p->hops};
    if (p->node == n->number || n->peer_of[p->node] == 0)
        route(sim, n, &request, n->number, 0);
    else
        route(sim, n, &request, n->number, n->peer_of[p->node]);
}

/* ---- actions ---- */

static uint32_t cap_number(mesh_bytes name)
{
    return (uint32_t)(((const char *)name.data)[0] - 'a');
}

static uint32_t id_number(mesh_bytes id)
{
    char text[16] = {0};
    memcpy(text, (const char *)id.data + 1, id.len - 1);
    return (uint32_t)strtoul(text, NULL, 10);
}

static void adopt(struct sim *sim, struct node *n, const struct cluster_action *a)
{
    struct snapshot *s = &n->store[cap_number(a->key.capability) * SIM_IDS_MAX + id_number(a->key.id)];
    mesh_term term = {a->snapshot.data, a->snapshot.len, NULL};
    int64_t value = 0;
    if (mesh_match(term, "~i", &value) != MESH_OK)
        check_broken(sim, &sim->result.protocol_errors, "%s adopts something else", n->name);
    sim->result.parcels++;
    if (!s->there || s->epoch <= a->epoch)
        *s = (struct snapshot){true, a->epoch, (uint64_t)value};
}

static void note(struct sim *sim, struct node *n, const struct cluster_action *a)
{
    trace(sim, "%s: note %d, peer %s, number %llu %.*s", n->name, (int)a->note,
          a->peer ? sim->nodes[n->node_of[a->peer]].name : "-", (unsigned long long)a->number, (int)a->text.len,
          (const char *)a->text.data);
    if (a->note == CLUSTER_NOTE_CONFLICT)
        n->conflict_ms = sim->conflict_ms = sim->now_ms;
    if (a->note == CLUSTER_NOTE_FORCED) {
        n->forced_ms = sim->now_ms;
        sim->result.forced += a->number;
        sim->forgetful = true;
    }
}

static void hold(struct sim *sim, struct node *n, const struct cluster_action *a)
{
    uint32_t cap = cap_number(a->capability);
    trace(sim, "%s: holds %.*s/%u, epoch %llx", n->name, (int)a->capability.len, (const char *)a->capability.data,
          a->shard, (unsigned long long)a->epoch);
    n->held[cap][a->shard] = a->epoch;
    sim->result.holds++;
    check_hold(sim, n, cap, a->shard);
}

static void send(struct sim *sim, struct node *n, const struct cluster_action *a)
{
    struct packet *p = packet_new(sim, PACKET_MESSAGE);
    p->bytes = block_hold(a->block);
    if (sim->options.trace) {
        char text[400];
        const mesh_term term = {a->message.data, a->message.len, NULL};
        trace(sim, "%s -> %s: %s", n->name, sim->nodes[n->node_of[a->peer]].name,
              mesh_inspect_text(term, text, sizeof text));
    }
    net_send(sim, n->number, n->node_of[a->peer], p);
}

static void act(struct sim *sim, struct node *n, const struct cluster_action *a)
{
    switch (a->kind) {
    case CLUSTER_SEND:
        send(sim, n, a);
        break;
    case CLUSTER_HOLD:
        hold(sim, n, a);
        break;
    case CLUSTER_RELEASE:
        trace(sim, "%s: releases %.*s/%u", n->name, (int)a->capability.len, (const char *)a->capability.data, a->shard);
        n->held[cap_number(a->capability)][a->shard] = 0;
        process_release(sim, n, cap_number(a->capability), a->shard);
        break;
    case CLUSTER_ADOPT:
        adopt(sim, n, a);
        break;
    case CLUSTER_CONFLICT:
        sim->result.conflicts++;
        break;
    case CLUSTER_WAKE:
        wake(sim, n, a->capability);
        break;
    case CLUSTER_CLOSE:
        net_break(sim, n->number, n->node_of[a->peer], 1, 30);
        break;
    case CLUSTER_LOG:
        note(sim, n, a);
        break;
    case CLUSTER_DRAINED:
        trace(sim, "%s: drained", n->name);
        /* it stays for what is still on its way to it */
        plan(sim, sim->now_ms + LINGER_MS, EVENT_RESTART, n->number)->generation = n->creation;
        break;
    }
}

void node_begin(struct sim *sim, struct node *n)
{
    cluster_begin(n->cluster, sim->now_ms, wall(sim, n));
}

void node_settle(struct sim *sim, struct node *n)
{
    struct cluster_action a;
    do {
        cluster_run(n->cluster);
        while (cluster_next(n->cluster, &a))
            act(sim, n, &a);
    } while (cluster_wake_ms(n->cluster) <= sim->now_ms);
    uint64_t ms = cluster_wake_ms(n->cluster);
    if (n->tick_ms <= sim->now_ms || ms < n->tick_ms) {
        n->tick_ms = ms;
        plan(sim, ms, EVENT_TICK, n->number)->generation = n->creation;
    }
}

/* ---- events ---- */

static void deliver(struct sim *sim, struct node *n, const struct event *e)
{
    struct packet *p = e->packet;
    const struct wire *w = wire_of(sim, e->node, e->other);
    bool received = w->up || e->a; /* a: before it broke, by a node that stood still */
    if (p->generation != w->generation || !net_up(sim, e->node, e->other) || !received)
        return;
    if (p->kind == PACKET_MESSAGE) {
        int error = cluster_receive(n->cluster, n->peer_of[e->other], (mesh_bytes){p->bytes->bytes, p->bytes->len});
        if (error)
            check_broken(sim, &sim->result.protocol_errors, "%s refuses a message of %s: %s", n->name,
                         sim->nodes[e->other].name, mesh_error_name(error));
        return;
    }
    cluster_clock_seen(n->cluster, p->clock);
    if (p->kind == PACKET_REQUEST)
        node_route(sim, n, p, e->other);
    else if (p->kind == PACKET_REPLY)
        load_reply(sim, p->call, p->error, p->value);
    else
        moved(sim, n, p);
}

static bool stale(const struct node *n, const struct event *e)
{
    bool own = e->kind == EVENT_TICK || e->kind == EVENT_HANDLED || e->kind == EVENT_RELEASED;
    return n->cluster == NULL || (own && e->generation != n->creation);
}

static void handle(struct sim *sim, struct node *n, struct event *e)
{
    if (stale(n, e))
        return;
    node_begin(sim, n);
    if (e->kind == EVENT_DELIVER)
        deliver(sim, n, e);
    else if (e->kind == EVENT_LINK_UP || e->kind == EVENT_LINK_DOWN)
        net_link_event(sim, e);
    else if (e->kind == EVENT_HANDLED)
        process_handled(sim, e);
    else if (e->kind == EVENT_RELEASED)
        cluster_released(n->cluster, sim_capability(e->a), e->b);
    if (!sim->at_once || e->kind == EVENT_TICK) {
        node_settle(sim, n);
    } else if (n->tick_ms != sim->now_ms + 1) { /* much is to come in this millisecond */
        n->tick_ms = sim->now_ms + 1;
        plan(sim, n->tick_ms, EVENT_TICK, n->number)->generation = n->creation;
    }
}

/* An event of a node; a paused one keeps it. Frees it in the end. */
void node_event(struct sim *sim, struct event *e)
{
    struct node *n = &sim->nodes[e->node];
    if (n->state == NODE_PAUSED) {
        if (e->kind == EVENT_DELIVER)
            e->a = wire_of(sim, e->node, e->other)->up;
        e->next = NULL;
        *n->backlog_end = e;
        n->backlog_end = &e->next;
        return;
    }
    handle(sim, n, e);
    event_free(sim, e);
}
