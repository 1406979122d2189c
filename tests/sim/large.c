/* A cluster of up to a thousand nodes. To start one from nothing takes a million hellos; so it is set up without
 * delays, and only then the clock runs. After that one node changes every second: it dies or starts again, drains,
 * takes its capability away or has it again. Five seconds after the last change all must agree. */
#include "sim/sim.h"

enum {
    CHANGE_MS = 1000,
    SETTLE_MS = 5000,
    HAVE_IT = 4, /* every fourth node has the capability at first */
};

static void set_up(struct sim *sim)
{
    uint64_t begin_ms = sim->now_ms;
    sim->at_once = true;
    for (uint16_t i = 0; i < sim->options.nodes; i++)
        node_start(sim, i, i % HAVE_IT == 0);
    for (uint16_t i = 0; i < sim->options.nodes; i++)
        for (uint16_t j = 0; j < i; j++)
            net_connect_now(sim, i, j);
    for (uint16_t i = 0; i < sim->options.nodes; i++)
        node_settle(sim, &sim->nodes[i]);
    sim_run_until(sim, begin_ms + SETTLE_MS / 2);
    sim->at_once = false;
    sim->result.messages = sim->result.events = 0;
}

static void begin(struct sim *sim, uint16_t node)
{
    node_begin(sim, &sim->nodes[node]);
}

/* What happens to a node, by what it is and by the number of the change. */
static void change(struct sim *sim, uint32_t number)
{
    uint16_t i = (uint16_t)sim_below(sim, sim->node_count);
    struct node *n = &sim->nodes[i];
    sim->result.faults++;
    if (n->state == NODE_DOWN) {
        node_start(sim, i, 1);
        return;
    }
    begin(sim, i);
    switch (number % 10) {
    case 0: /* and starts again with the next change */
        node_crash(sim, i, false);
        plan(sim, sim->now_ms + CHANGE_MS, EVENT_RESTART, i);
        return;
    case 5:
        node_drain(sim, i);
        break;
    default:
        node_register(sim, i, 0, number % 3 == 0);
        break;
    }
    node_settle(sim, n);
}

void large_run(struct sim *sim)
{
    set_up(sim);
    check_large(sim);
    for (uint32_t i = 0; i < sim->options.changes; i++) {
        change(sim, i);
        sim_run_until(sim, sim->now_ms + CHANGE_MS);
    }
    sim_run_until(sim, sim->now_ms + SETTLE_MS);
    check_large(sim);
}
