/* The processes of a node, as the runtime would run them: one handler at a time each, a mailbox, a counter as state.
 *
 * A process starts with the first request that comes to it in a shard that its node holds, from a snapshot if there is
 * one. When its shard is released it ends, at once if it is idle; else after what is in its mailbox by then, and what
 * came later is routed again. */
#include <string.h>

#include "sim/sim.h"

static struct cluster_key key_of(const struct sim *sim, uint32_t cap, uint32_t id, char text[16])
{
    struct cluster_key key = {sim_capability(cap), mesh_str("Counter"), sim_id(id, text), sim_shard(sim, id)};
    return key;
}

static void tell_snapshot(struct sim *sim, struct node *n, uint32_t cap, uint32_t id, uint64_t epoch, uint64_t value)
{
    char text[16];
    mesh_buf buf;
    struct cluster_key key = key_of(sim, cap, id, text);
    mesh_buf_init(&buf);
    (void)mesh_put_uint(&buf, value);
    cluster_snapshot(n->cluster, &key, epoch, mesh_buf_bytes(&buf));
    mesh_buf_fini(&buf);
}

static void begin_handling(struct sim *sim, struct node *n, struct process *p, uint32_t cap, uint32_t id)
{
    uint32_t ms = sim_between(sim, 1, 10);
    if (sim->options.faults & SIM_BUSY && sim_chance(sim, 3))
        ms = sim_between(sim, 200, 2000);
    p->handling = true;
    struct event *e = plan(sim, sim->now_ms + ms, EVENT_HANDLED, n->number);
    e->generation = n->creation;
    e->a = cap * SIM_IDS_MAX + id;
    e->b = p->serial;
}

static void start(struct sim *sim, struct node *n, uint32_t cap, uint32_t id)
{
    struct process *p = process_of(n, cap, id);
    struct snapshot *s = &n->store[cap * SIM_IDS_MAX + id];
    uint32_t serial = p->serial + 1;
    *p = (struct process){.live = true,
                          .serial = serial,
                          .epoch = n->held[cap][sim_shard(sim, id)],
                          .started_ms = sim->now_ms,
                          .value = s->there ? s->value : 0};
    s->there = false;
    sim->result.activations++;
    trace(sim, "%s: starts %u/%u with %llu", n->name, cap, id, (unsigned long long)p->value);
    check_start(sim, n, cap, id);
}

static void wait_for_wake(struct sim *sim, struct node *n, uint32_t call)
{
    struct packet request = {.kind = PACKET_REQUEST, .call = call};
    struct call *c = &sim->calls[call % SIM_CALLS_KEPT];
    c->indirect = true; /* its order was that of a process which has moved on */
    if (c->serial == call && !c->done)
        node_wait(n, &request);
}

void process_deliver(struct sim *sim, struct node *n, const struct packet *request)
{
    struct call *call = &sim->calls[request->call % SIM_CALLS_KEPT];
    struct process *p = process_of(n, call->cap, call->id);
    call->indirect = call->indirect || request->hops > 1 || p->ending;
    if (!p->live && n->held[call->cap][sim_shard(sim, call->id)] == 0) {
        wait_for_wake(sim, n, request->call);
        return;
    }
    if (!p->live)
        start(sim, n, call->cap, call->id);
    if (p->count == MAILBOX)
        return; /* refused: its caller sees a timeout here, for simplicity */
    if (call->cast && !call->indirect) {
        if (call->order <= p->cast_seen[call->client])
            check_broken(sim, &sim->result.disordered, "%s: cast %llu of client %u to %u/%u came after %llu", n->name,
                         (unsigned long long)call->order, call->client, call->cap, call->id,
                         (unsigned long long)p->cast_seen[call->client]);
        p->cast_seen[call->client] = call->order;
    }
    if (call->cast)
        trace(sim, "%s: cast %llu of client %u to %u/%u, %u hops%s", n->name, (unsigned long long)call->order,
              call->client, call->cap, call->id, request->hops, p->ending ? ", ends" : "");
    p->mail[p->count++] = request->call;
    if (!p->handling)
        begin_handling(sim, n, p, call->cap, call->id);
}

static void run(struct sim *sim, struct node *n, struct process *p, uint32_t number)
{
    struct call *call = &sim->calls[number % SIM_CALLS_KEPT];
    if (call->serial != number)
        return;
    if (++call->ran > 1)
        check_broken(sim, &sim->result.ran_twice, "%s: call %u ran again", n->name, number);
    p->value++;
    if (call->cast)
        return;
    if (call->origin == n->number) {
        load_reply(sim, number, MESH_OK, p->value);
        return;
    }
    struct packet *reply = packet_new(sim, PACKET_REPLY);
    reply->call = number;
    reply->value = p->value;
    reply->epoch = p->epoch;
    reply->clock = cluster_clock(n->cluster);
    net_send(sim, n->number, call->origin, reply);
}

static void end(struct sim *sim, struct node *n, uint32_t cap, uint32_t id)
{
    struct process *p = process_of(n, cap, id);
    p->live = p->ending = p->handling = false;
    tell_snapshot(sim, n, cap, id, p->epoch, p->value);
    for (uint32_t i = 0; i < p->count; i++)
        wait_for_wake(sim, n, p->mail[i]);
    p->count = 0;
}

void process_handled(struct sim *sim, const struct event *e)
{
    struct node *n = &sim->nodes[e->node];
    uint32_t cap = e->a / SIM_IDS_MAX, id = e->a % SIM_IDS_MAX;
    struct process *p = process_of(n, cap, id);
    if (!p->live || p->serial != e->b)
        return;
    uint32_t call = p->mail[0];
    memmove(p->mail, p->mail + 1, --p->count * sizeof *p->mail);
    p->handling = false;
    run(sim, n, p, call);
    if (p->ending && --p->to_handle == 0)
        end(sim, n, cap, id);
    else if (p->count > 0)
        begin_handling(sim, n, p, cap, id);
}

static bool held_elsewhere(const struct sim *sim, const struct node *n, uint32_t cap, uint32_t shard)
{
    for (uint32_t i = 0; i < sim->node_count; i++)
        if (&sim->nodes[i] != n && sim->nodes[i].cluster != NULL && sim->nodes[i].held[cap][shard] != 0)
            return true;
    return false;
}

/* Answers CLUSTER_RELEASE. */
void process_release(struct sim *sim, struct node *n, uint32_t cap, uint32_t shard)
{
    char text[16];
    bool twice = n->conflict_ms == sim->now_ms || held_elsewhere(sim, n, cap, shard);
    for (uint32_t id = 0; id < sim->ids; id++) {
        struct process *p = process_of(n, cap, id);
        struct snapshot *s = &n->store[cap * SIM_IDS_MAX + id];
        if (sim_shard(sim, id) != shard)
            continue;
        if (p->live && p->handling) {
            struct cluster_key key = key_of(sim, cap, id, text);
            if (!p->ending)
                p->to_handle = p->count;
            p->ending = true;
            p->excused = p->excused || twice;
            cluster_busy(n->cluster, &key);
        } else if (p->live) {
            end(sim, n, cap, id);
        }
        if (s->there) {
            s->there = false;
            tell_snapshot(sim, n, cap, id, s->epoch, s->value);
        }
    }
    struct event *e = plan(sim, sim->now_ms + sim_below(sim, 12), EVENT_RELEASED, n->number);
    e->generation = n->creation;
    e->a = cap;
    e->b = shard;
}
