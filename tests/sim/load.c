/* Clients: each has at most one call open, to a node by chance, and casts from a node of its own. What they saw is the
 * history that is checked. */
#include "sim/sim.h"

/* How long the links of a node that starts take at most, without faults. */
enum { WARM_UP_MS = 400 };

/* Nobody begins a call on a node that is not yet linked to those that may answer. */
static bool usable(const struct sim *sim, uint16_t number)
{
    const struct node *n = &sim->nodes[number];
    return n->state == NODE_UP && !n->draining && sim->now_ms >= n->started_ms + WARM_UP_MS;
}

static uint32_t new_call(struct sim *sim, uint32_t client, uint16_t origin, bool cast)
{
    uint32_t number = sim->next_call++;
    struct call *call = &sim->calls[number % SIM_CALLS_KEPT];
    *call = (struct call){.cap = (uint8_t)sim_below(sim, sim->caps),
                          .id = (uint8_t)sim_below(sim, sim->ids),
                          .client = (uint8_t)client,
                          .cast = cast,
                          .elsewhere = sim_chance(sim, 20),
                          .origin = origin,
                          .origin_creation = sim->nodes[origin].creation,
                          .serial = number,
                          .begun_ms = sim->now_ms};
    call->deadline_ms = sim->now_ms + (sim->options.faults & SIM_BUSY ? 6000 : sim_between(sim, 1500, 3000));
    call->least = sim->acknowledged[call->cap][call->id];
    return number;
}

static void send_call(struct sim *sim, uint32_t number)
{
    struct call *call = &sim->calls[number % SIM_CALLS_KEPT];
    struct node *n = &sim->nodes[call->origin];
    struct packet request = {.kind = PACKET_REQUEST, .call = number};
    struct event *deadline = plan(sim, call->deadline_ms, EVENT_DEADLINE, call->origin);
    deadline->a = number;
    node_begin(sim, n);
    node_route(sim, n, &request, call->origin);
    node_settle(sim, n);
}

void load_client(struct sim *sim, const struct event *e)
{
    struct client *client = &sim->clients[e->a];
    uint16_t home = (uint16_t)(e->a % sim->options.nodes);
    plan(sim, sim->now_ms + sim_between(sim, 4, 24), EVENT_CLIENT, 0)->a = e->a;
    if (sim_chance(sim, 30)) {
        if (!usable(sim, home))
            return;
        uint32_t number = new_call(sim, e->a, home, true);
        struct call *call = &sim->calls[number % SIM_CALLS_KEPT];
        call->order = ++client->casts[call->cap][call->id];
        sim->result.casts++;
        send_call(sim, number);
        return;
    }
    uint16_t origin = (uint16_t)sim_below(sim, sim->node_count);
    if (client->call != UINT32_MAX || !usable(sim, origin))
        return;
    client->call = new_call(sim, e->a, origin, false);
    sim->result.calls++;
    send_call(sim, client->call);
}

static void close_call(struct sim *sim, struct call *call)
{
    call->done = true;
    if (!call->cast && sim->clients[call->client].call == call->serial)
        sim->clients[call->client].call = UINT32_MAX;
}

void load_reply(struct sim *sim, uint32_t number, int error, uint64_t value)
{
    struct call *call = &sim->calls[number % SIM_CALLS_KEPT];
    if (call->serial != number || call->done)
        return;
    close_call(sim, call);
    if (sim->now_ms > call->deadline_ms + 100)
        check_broken(sim, &sim->result.late, "call %u ended late", number);
    if (error) {
        sim->result.refused[error < 64 ? error : 0]++;
        trace(sim, "call %u to %u/%u: %s", number, call->cap, call->id, mesh_error_name(error));
        return;
    }
    if (call->cast)
        return;
    sim->result.replies++;
    uint64_t *known = &sim->acknowledged[call->cap][call->id];
    if (value <= call->least && !sim->forgetful && sim->vanished_ms[call->cap] == 0)
        check_broken(sim, &sim->result.lost, "call %u to %u/%u: %llu after %llu", number, call->cap, call->id,
                     (unsigned long long)value, (unsigned long long)call->least);
    *known = value > *known ? value : *known;
}

void load_deadline(struct sim *sim, const struct event *e)
{
    struct call *call = &sim->calls[e->a % SIM_CALLS_KEPT];
    if (call->serial != e->a || call->done)
        return;
    close_call(sim, call);
    if (call->cast || sim->nodes[call->origin].creation != call->origin_creation)
        return;
    sim->result.timeouts++;
    trace(sim, "call %u to %u/%u from %s: timeout", e->a, call->cap, call->id, sim->nodes[call->origin].name);
}
