/* A run: set-up, the loop over events, the end. */
#include "sim/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "placement/phash2.h"
#include "property/random.h"

enum {
    BEGIN_MS = 100000,
    SETTLE_MS = 5000, /* after the last fault all has to be in order within this (I6) */
    FAULT_MS = 1500,  /* the longest fault, and a little */
};

uint32_t sim_below(struct sim *sim, uint32_t below)
{
    return (uint32_t)random_below(&sim->random, below);
}

uint32_t sim_between(struct sim *sim, uint32_t low, uint32_t high)
{
    return low + sim_below(sim, high - low + 1);
}

void trace(const struct sim *sim, const char *format, ...)
{
    if (!sim->options.trace)
        return;
    va_list args;
    va_start(args, format);
    printf("%7llu  ", (unsigned long long)(sim->now_ms - BEGIN_MS));
    vprintf(format, args);
    printf("\n");
    va_end(args);
}

mesh_bytes sim_capability(uint32_t cap)
{
    static const char *const names[SIM_CAPS_MAX] = {"a-game", "b-chat", "c-payment"};
    return mesh_str(names[cap]);
}

mesh_bytes sim_id(uint32_t id, char text[16])
{
    snprintf(text, 16, "i%u", id);
    return mesh_str(text);
}

uint32_t sim_shard(const struct sim *sim, uint32_t id)
{
    char text[16];
    return phash2_range(sim_id(id, text), sim->options.shards);
}

struct sim_options sim_defaults(uint64_t seed)
{
    return (struct sim_options){.seed = seed, .nodes = 5, .seconds = 60, .faults = SIM_ALL, .shards = 64};
}

struct sim_options sim_varied(uint64_t seed)
{
    uint64_t random = seed ^ 0x51a7;
    struct sim_options options = {.seed = seed, .seconds = 10};
    static const uint32_t kinds[] = {SIM_PEACEFUL,
                                     SIM_JOIN | SIM_DRAIN,
                                     SIM_ALL,
                                     SIM_ALL & ~(uint32_t)SIM_PARTITION,
                                     SIM_BLINK | SIM_JOIN,
                                     SIM_CRASH | SIM_JOIN | SIM_BUSY,
                                     SIM_PARTITION,
                                     SIM_PAUSE | SIM_CRASH};
    options.nodes = (uint16_t)(3 + random_below(&random, 3));
    options.shards = 8U << random_below(&random, 3);
    options.faults = kinds[random_below(&random, 8)];
    options.majority_of = random_below(&random, 8) == 0 ? options.nodes : 0;
    return options;
}

static void set_up(struct sim *sim)
{
    const struct sim_options *o = &sim->options;
    bool joins = o->faults & SIM_JOIN && o->changes == 0 && o->nodes + 2 <= SIM_NODES_MAX;
    sim->node_count = (uint16_t)(o->nodes + (joins ? 2 : 0));
    sim->caps = o->changes > 0 ? 1 : 2;
    sim->ids = SIM_IDS_MAX;
    sim->nodes = must_calloc(sim->node_count, sizeof *sim->nodes);
    sim->wires = must_calloc((size_t)sim->node_count * sim->node_count, sizeof *sim->wires);
    sim->calls = must_calloc(SIM_CALLS_KEPT, sizeof *sim->calls);
    for (uint32_t i = 0; i < sim->node_count; i++) {
        sim->nodes[i].number = (uint16_t)i;
        snprintf(sim->nodes[i].name, sizeof sim->nodes[i].name, "n%u@10.0.%u.%u", i, i / 250, i % 250);
    }
    for (uint32_t i = 0; i < SIM_CLIENTS_MAX && o->changes == 0; i++) {
        sim->clients[i].call = UINT32_MAX;
        plan(sim, sim->now_ms + 100 + i, EVENT_CLIENT, 0)->a = i;
    }
}

struct sim *sim_create(const struct sim_options *options)
{
    struct sim *sim = must_calloc(1, sizeof *sim);
    sim->options = *options;
    sim->random = options->seed * 2654435761U + 12345;
    sim->now_ms = sim->last_fault_ms = BEGIN_MS;
    sim->next_call = 1;
    sim->end_ms = BEGIN_MS + 1000ULL * options->seconds;
    uint64_t settle = SETTLE_MS + FAULT_MS;
    sim->quiet_ms = sim->end_ms > BEGIN_MS + settle ? sim->end_ms - settle : BEGIN_MS;
    calendar_init(&sim->calendar);
    set_up(sim);
    return sim;
}

static void restart(struct sim *sim, const struct event *e)
{
    struct node *n = &sim->nodes[e->node];
    if (n->state == NODE_DOWN) {
        node_start(sim, e->node, (1U << sim->caps) - 1);
        sim->last_fault_ms = sim->now_ms;
        return;
    }
    if (n->state != NODE_UP || e->generation != n->creation)
        return;
    bool forgetful = sim->forgetful; /* it has handed everything over: nothing may be lost */
    node_crash(sim, e->node, false);
    sim->forgetful = forgetful;
    sim->last_fault_ms = sim->now_ms;
    if (sim->now_ms < sim->quiet_ms)
        plan(sim, sim->now_ms + sim_between(sim, 100, 1000), EVENT_RESTART, e->node);
}

/* When both sides of a link have met, and when nobody has a capability: what the checks need to know of the past. */
static void watch(struct sim *sim, const struct event *e)
{
    if (e->kind == EVENT_DELIVER || e->kind == EVENT_LINK_UP) {
        struct wire *w = wire_of(sim, e->node, e->other);
        if (w->met_ms == 0 && sim->nodes[e->node].state == NODE_UP && sim->nodes[e->other].cluster != NULL &&
            net_met(sim, e->node, e->other))
            w->met_ms = sim->now_ms;
    }
    if (e->kind != EVENT_FAULT)
        return;
    for (uint32_t cap = 0; cap < sim->caps; cap++) {
        bool any = false;
        for (uint32_t i = 0; i < sim->node_count; i++)
            any = any ||
                  (sim->nodes[i].cluster != NULL && cluster_ring(sim->nodes[i].cluster, sim_capability(cap)) != NULL);
        if (!any)
            sim->vanished_ms[cap] = sim->now_ms;
    }
}

static void step(struct sim *sim, struct event *e)
{
    const struct event about = *e;
    sim->result.events++;
    switch (e->kind) {
    case EVENT_TICK:
    case EVENT_DELIVER:
    case EVENT_LINK_UP:
    case EVENT_LINK_DOWN:
    case EVENT_HANDLED:
    case EVENT_RELEASED:
        node_event(sim, e);
        watch(sim, &about);
        return;
    case EVENT_DIAL:
        net_dialled(sim, e);
        break;
    case EVENT_CLIENT:
        load_client(sim, e);
        break;
    case EVENT_DEADLINE:
        load_deadline(sim, e);
        break;
    case EVENT_FAULT:
        faults_step(sim);
        break;
    case EVENT_HEAL:
        faults_heal(sim, e);
        break;
    case EVENT_RESUME:
        faults_resume(sim, e->node);
        break;
    case EVENT_RESTART:
        restart(sim, e);
        break;
    }
    watch(sim, &about);
    event_free(sim, e);
}

void sim_run_until(struct sim *sim, uint64_t ms)
{
    uint64_t end_ms = sim->end_ms;
    struct event *e;
    sim->end_ms = ms;
    while ((e = calendar_next(sim)) != NULL)
        step(sim, e);
    sim->end_ms = end_ms;
}

void sim_run(struct sim *sim)
{
    if (sim->options.changes > 0) {
        large_run(sim);
        sim->result.rings_built = sim->rings.built;
        return;
    }
    for (uint16_t i = 0; i < sim->options.nodes; i++)
        node_start(sim, i, (1U << sim->caps) - 1);
    plan(sim, sim->now_ms + 500, EVENT_FAULT, 0);
    sim_run_until(sim, sim->end_ms);
    while (sim->now_ms < sim->last_fault_ms + SETTLE_MS)
        sim_run_until(sim, sim->last_fault_ms + SETTLE_MS);
    check_end(sim);
    sim->result.rings_built = sim->rings.built;
}

void sim_destroy(struct sim *sim)
{
    for (uint16_t i = 0; i < sim->node_count; i++)
        if (sim->nodes[i].cluster != NULL)
            node_free(sim, i);
    calendar_fini(sim);
    packets_fini(sim);
    rings_fini(&sim->rings);
    free(sim->nodes);
    free(sim->wires);
    free(sim->calls);
    free(sim);
}

bool sim_broken(const struct sim_result *r)
{
    return r->first[0] != 0;
}

void sim_print(const struct sim_options *options, const struct sim_result *r, bool json)
{
    uint64_t refused = 0;
    for (size_t i = 0; i < 64; i++)
        refused += r->refused[i];
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {{"seed", options->seed},
                {"nodes", options->nodes},
                {"events", r->events},
                {"messages", r->messages},
                {"faults", r->faults},
                {"calls", r->calls},
                {"replies", r->replies},
                {"refused", refused},
                {"timeouts", r->timeouts},
                {"casts", r->casts},
                {"activations", r->activations},
                {"holds", r->holds},
                {"forced", r->forced},
                {"snapshots", r->parcels},
                {"conflicts", r->conflicts},
                {"doubled_holds", r->doubled_holds},
                {"doubled_processes", r->doubled_processes},
                {"ran_twice", r->ran_twice},
                {"late", r->late},
                {"disordered", r->disordered},
                {"lost", r->lost},
                {"unsettled", r->unsettled},
                {"protocol_errors", r->protocol_errors},
                {"rings_built", r->rings_built}};
    printf(json ? "{" : "");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        printf(json ? "%s\"%s\":%llu" : "%s%-18s %llu",
               i == 0 ? ""
               : json ? ","
                      : "\n",
               rows[i].name, (unsigned long long)rows[i].value);
    if (json)
        printf(",\"broken\":%s}\n", sim_broken(r) ? "true" : "false");
    else
        printf("\n%s%s\n", sim_broken(r) ? "broken at " : "all promises kept", r->first);
}
