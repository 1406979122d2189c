/* Faults by chance: a dice is thrown every few hundred milliseconds among those that the run allows. */
#include "sim/sim.h"

enum {
    CUT_MAX_MS = 1500,
    PAUSE_MAX_MS = 1500,
    DOWN_MAX_MS = 1200,
};

static void note_fault(struct sim *sim)
{
    sim->result.faults++;
    sim->last_fault_ms = sim->now_ms;
}

/* A node by chance that is up; SIM_NODES_MAX when there are fewer than `least` of them. */
static uint16_t some_up(struct sim *sim, uint32_t least)
{
    uint32_t up = 0;
    for (uint16_t i = 0; i < sim->node_count; i++)
        up += sim->nodes[i].state == NODE_UP && !sim->nodes[i].draining;
    if (up < least || up == 0)
        return SIM_NODES_MAX;
    uint32_t which = sim_below(sim, up);
    for (uint16_t i = 0; i < sim->node_count; i++)
        if (sim->nodes[i].state == NODE_UP && !sim->nodes[i].draining && which-- == 0)
            return i;
    return SIM_NODES_MAX;
}

static void blink(struct sim *sim)
{
    uint16_t a = some_up(sim, 2), b = some_up(sim, 2);
    if (a == b || a == SIM_NODES_MAX)
        return;
    trace(sim, "the link %s - %s blinks", sim->nodes[a].name, sim->nodes[b].name);
    net_break(sim, a, b, 1, 30);
    sim->forgetful = true;
    note_fault(sim);
}

/* Cuts a and b off from each other; ways: 1 what a sends, 2 what b sends. */
static void cut(struct sim *sim, uint16_t a, uint16_t b, uint32_t ways)
{
    if (ways & 1)
        net_cut(sim, a, b);
    if (ways & 2)
        net_cut(sim, b, a);
}

static void partition(struct sim *sim)
{
    uint16_t a = some_up(sim, 2), b = some_up(sim, 2);
    if (sim->partitioned > 0 || a == SIM_NODES_MAX || a == b)
        return;
    uint32_t kind = sim_below(sim, 4), ways = kind == 0 ? 1 + sim_below(sim, 2) : 3;
    trace(sim, "partition of kind %u around %s and %s", kind, sim->nodes[a].name, sim->nodes[b].name);
    for (uint16_t i = 0; i < sim->node_count; i++)
        for (uint16_t j = (uint16_t)(i + 1); j < sim->node_count; j++) {
            bool pair = (i == a && j == b) || (i == b && j == a);
            bool alone = i == a || j == a;
            bool halves = (i + a) % 2 != (j + a) % 2;
            if (kind <= 1 ? pair : kind == 2 ? alone : halves)
                cut(sim, i, j, ways);
        }
    sim->partitioned++;
    sim->forgetful = true;
    plan(sim, sim->now_ms + sim_between(sim, 200, CUT_MAX_MS), EVENT_HEAL, a);
    note_fault(sim);
}

void faults_heal(struct sim *sim, const struct event *e)
{
    (void)e;
    trace(sim, "the network heals");
    for (uint16_t i = 0; i < sim->node_count; i++)
        for (uint16_t j = 0; j < sim->node_count; j++)
            if (i != j && wire_of(sim, i, j)->cut[i > j])
                net_heal(sim, i, j);
    sim->partitioned = 0;
    sim->last_fault_ms = sim->now_ms;
}

static void crash(struct sim *sim)
{
    uint16_t a = some_up(sim, 2);
    if (a == SIM_NODES_MAX)
        return;
    node_crash(sim, a, sim_chance(sim, 30));
    plan(sim, sim->now_ms + sim_between(sim, 50, DOWN_MAX_MS), EVENT_RESTART, a);
    note_fault(sim);
}

void faults_pause(struct sim *sim, uint16_t number, uint32_t ms)
{
    trace(sim, "%s: stands still for %u ms", sim->nodes[number].name, ms);
    sim->nodes[number].state = NODE_PAUSED;
    sim->forgetful = true;
    plan(sim, sim->now_ms + ms, EVENT_RESUME, number);
    for (uint16_t other = 0; ms > 1000 && other < sim->node_count; other++)
        if (other != number)
            net_break(sim, number, other, 900, 1500);
    note_fault(sim);
}

void faults_resume(struct sim *sim, uint16_t number)
{
    struct node *n = &sim->nodes[number];
    if (n->state != NODE_PAUSED)
        return;
    trace(sim, "%s: goes on", n->name);
    n->state = NODE_UP;
    struct event *e = n->backlog;
    n->backlog = NULL;
    n->backlog_end = &n->backlog;
    while (e != NULL) {
        struct event *next = e->next;
        node_event(sim, e);
        e = next;
    }
    node_begin(sim, n);
    node_settle(sim, n);
    sim->last_fault_ms = sim->now_ms;
}

static uint32_t all_caps(const struct sim *sim)
{
    return (1U << sim->caps) - 1;
}

static void join(struct sim *sim)
{
    for (uint16_t i = 0; i < sim->node_count; i++)
        if (sim->nodes[i].state == NODE_ABSENT) {
            node_start(sim, i, all_caps(sim));
            note_fault(sim);
            return;
        }
}

static void drain(struct sim *sim)
{
    uint16_t a = some_up(sim, 3);
    if (a == SIM_NODES_MAX)
        return;
    node_begin(sim, &sim->nodes[a]);
    node_drain(sim, a);
    node_settle(sim, &sim->nodes[a]);
    note_fault(sim);
}

static void toggle(struct sim *sim)
{
    uint16_t a = some_up(sim, 2);
    uint32_t cap = sim_below(sim, sim->caps);
    if (a == SIM_NODES_MAX)
        return;
    node_begin(sim, &sim->nodes[a]);
    node_register(sim, a, cap, sim_chance(sim, 60));
    node_settle(sim, &sim->nodes[a]);
    note_fault(sim);
}

/* Throws the dice, and plans the next throw. */
void faults_step(struct sim *sim)
{
    static const struct {
        uint32_t fault;
        void (*act)(struct sim *sim);
    } kinds[] = {{SIM_BLINK, blink}, {SIM_PARTITION, partition}, {SIM_CRASH, crash},
                 {SIM_JOIN, join},   {SIM_DRAIN, drain},         {SIM_REGISTER, toggle}};
    plan(sim, sim->now_ms + sim_between(sim, 20, 400), EVENT_FAULT, 0);
    if (sim->now_ms >= sim->quiet_ms || sim->scripted)
        return;
    uint32_t which = sim_below(sim, 7);
    if (which < 6) {
        if (sim->options.faults & kinds[which].fault)
            kinds[which].act(sim);
        return;
    }
    uint16_t a = some_up(sim, 2);
    if (sim->options.faults & SIM_PAUSE && a != SIM_NODES_MAX)
        faults_pause(sim, a, sim_between(sim, 50, PAUSE_MAX_MS));
}
