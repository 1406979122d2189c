/* The scenarios. See scenarios.h.
 *
 * Nodes of the fleet: first those that call, then n1, n2, ... A change is followed by time to settle: views are quiet
 * for a second before shards move to better places, and then each process has to be called once to be seen where it is.
 */
#include "scenarios.h"

#include "base/clock.h"

enum {
    SETTLE_MS = 4500,
    SETTLE_BRIEF_MS = 2500,
    DOWN_MS = 2000,   /* from a kill -9 to the restart */
    FAULT_MS = 10000, /* for how long a node is stopped, or a cluster is cut */
    FAULT_BRIEF_MS = 6000,
    HEALED_MS = 5000,  /* nothing is doubled from then on */
    WATCHED_MS = 7000, /* for so long that is looked at */
    WATCHED_BRIEF_MS = 3000,
    WARM_MS = 30000,
};

static void settle(struct run *r)
{
    run_pass(r, r->options->brief ? SETTLE_BRIEF_MS : SETTLE_MS);
}

/* The nodes behind those that call. */
static size_t first_node(const struct run *r)
{
    size_t i = 0;
    while (r->fleet.nodes[i].here)
        i++;
    return i;
}

/* ---- what is planned --------------------------------------------------------------------------------------------- */

static bool play_join(struct run *r)
{
    for (size_t i = first_node(r); i < r->fleet.count; i++) {
        if (r->fleet.nodes[i].pid != 0)
            continue;
        r->step++;
        run_change(r, CHANGE_JOIN, i);
        if (!fleet_start(&r->fleet, i))
            return false;
        settle(r);
        run_settled(r);
    }
    return true;
}

static bool play_drain(struct run *r)
{
    for (size_t i = r->fleet.count - 1; r->step < r->steps; i--) {
        r->step++;
        run_change(r, CHANGE_LEAVE, i);
        fleet_drain(&r->fleet, i);
        settle(r);
        run_settled(r);
    }
    return true;
}

static bool play_rolling(struct run *r)
{
    for (size_t i = first_node(r); i < r->fleet.count; i++) {
        r->step++;
        run_change(r, CHANGE_LEAVE, i);
        fleet_drain(&r->fleet, i);
        settle(r);
        run_change(r, CHANGE_JOIN, i);
        if (!fleet_start(&r->fleet, i))
            return false;
        settle(r);
        run_settled(r);
    }
    return true;
}

/* ---- what is not ------------------------------------------------------------------------------------------------- */

static bool play_kill(struct run *r)
{
    const size_t first = first_node(r), nodes = r->fleet.count - first;
    while (r->step < r->steps) {
        const size_t i = first + r->step++ % nodes;
        run_change_from(r, CHANGE_LOSS, i, fleet_kill(&r->fleet, i));
        run_pass(r, DOWN_MS);
        run_change(r, CHANGE_JOIN, i);
        if (!fleet_start(&r->fleet, i))
            return false;
        settle(r);
        run_settled(r);
    }
    return true;
}

static void endure(struct run *r)
{
    run_pass(r, r->options->brief ? FAULT_BRIEF_MS : FAULT_MS);
}

/* After a fault has ended: the time to get over it, and the time in which nothing may be doubled. */
static void recover(struct run *r)
{
    run_settled(r);
    run_calm_begins(r, HEALED_MS);
    run_pass(r, HEALED_MS + (r->options->brief ? WATCHED_BRIEF_MS : WATCHED_MS));
    run_calm_ends(r);
}

static bool play_stop(struct run *r)
{
    const size_t first = first_node(r), nodes = r->fleet.count - first;
    while (r->step < r->steps) {
        const size_t i = first + r->step++ % nodes;
        run_change(r, CHANGE_LOSS, i);
        fleet_pause(&r->fleet, i);
        endure(r);
        fleet_resume(&r->fleet, i);
        recover(r);
    }
    return true;
}

/* One side: the first caller and the first two nodes. */
static bool is_first_side(const struct run *r, size_t node)
{
    const size_t first = first_node(r);
    return node == 0 || (node >= first && node < first + 2);
}

static bool cut_sides(struct run *r, bool both_ways)
{
    bool done = true;
    for (size_t a = 0; a < r->fleet.count; a++) {
        for (size_t b = 0; b < r->fleet.count; b++) {
            if (!is_first_side(r, a) || is_first_side(r, b))
                continue;
            done &= stage_cut(&r->stage, r->fleet.nodes[b].machine, r->fleet.nodes[a].machine);
            if (both_ways)
                done &= stage_cut(&r->stage, r->fleet.nodes[a].machine, r->fleet.nodes[b].machine);
        }
    }
    return done;
}

static bool split(struct run *r, bool both_ways)
{
    while (r->step < r->steps) {
        r->step++;
        run_change(r, CHANGE_SPLIT, 0);
        if (!cut_sides(r, both_ways))
            return false;
        endure(r);
        if (!stage_heal(&r->stage))
            return false;
        recover(r);
    }
    return true;
}

static bool play_partition(struct run *r)
{
    return split(r, true);
}

static bool play_one_way(struct run *r)
{
    return split(r, false);
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

/* A change that is planned. */
#define PLANNED                                                                                                        \
    {                                                                                                                  \
        .none_failed = true, .never_doubled = true, .moved_ratio_max = 1.1                                             \
    }

const struct scenario scenarios[] = {
    {.name = "join",
     .about = "nodes join one after the other",
     .callers = 1,
     .whole = {16, 1, 15},
     .brief = {4, 2, 2},
     .promise = PLANNED,
     .play = play_join},
    {.name = "drain",
     .about = "nodes are drained (SIGTERM)",
     .callers = 1,
     .whole = {16, 16, 15},
     .brief = {4, 4, 2},
     .promise = PLANNED,
     .play = play_drain},
    {.name = "rolling",
     .about = "each node is drained and restarted",
     .callers = 1,
     .whole = {5, 5, 5},
     .brief = {3, 3, 3},
     .promise = PLANNED,
     .play = play_rolling},
    {.name = "kill",
     .about = "a node is killed (-9) and restarted",
     .callers = 1,
     .whole = {5, 5, 50},
     .brief = {3, 3, 2},
     .promise = {.never_doubled = true, .outage_ms_max = 250},
     .play = play_kill},
    {.name = "stop",
     .about = "a node is stopped for 10 s (SIGSTOP)",
     .callers = 1,
     .whole = {5, 5, 3},
     .brief = {3, 3, 1},
     .promise = {.outage_ms_max = 5000},
     .play = play_stop},
    {.name = "partition",
     .about = "two nodes and three are cut for 10 s",
     .apart = true,
     .callers = 2,
     .whole = {5, 5, 2},
     .brief = {5, 5, 1},
     .play = play_partition},
    {.name = "partition_one_way",
     .about = "two nodes do not hear three for 10 s",
     .apart = true,
     .callers = 2,
     .whole = {5, 5, 2},
     .brief = {5, 5, 1},
     .play = play_one_way},
};
const size_t scenario_count = sizeof scenarios / sizeof scenarios[0];

static void cast(struct run *r, const struct scenario *s, size_t nodes)
{
    static const char *const aliases[] = {"n1", "n2",  "n3",  "n4",  "n5",  "n6",  "n7",  "n8",
                                          "n9", "n10", "n11", "n12", "n13", "n14", "n15", "n16"};
    static const char *const callers[] = {"load", "load2"};
    static const char *const accounts[] = {"accounts", NULL};
    for (size_t i = 0; i < s->callers && i < LOAD_NODES_MAX; i++)
        fleet_add(&r->fleet, callers[i], i, NULL);
    for (size_t i = 0; i < nodes; i++)
        fleet_add(&r->fleet, aliases[i], s->callers + i, accounts);
}

/* All at once: they find each other. One of them comes to be the epmd of its machine. */
static bool start(struct run *r, size_t count)
{
    const size_t first = first_node(r);
    bool done = true;
    for (size_t i = 0; i < count; i++)
        done = done && fleet_launch(&r->fleet, first + i);
    for (size_t i = 0; i < count; i++)
        done = done && fleet_await(&r->fleet, first + i, WARM_MS);
    return done;
}

bool scenario_play(const struct scenario *s, const struct run_options *options, struct run *r)
{
    static const char *const capabilities[] = {"accounts", NULL};
    const bool brief = options->brief;
    const struct extent *extent = brief ? &s->brief : &s->whole;
    const struct load_options load = {.capabilities = capabilities,
                                      .ids = brief ? 1024 : MESH_DEFAULT_SHARDS,
                                      .rate = brief ? 1000 : 2800,
                                      .watches = (uint32_t)((brief ? 40 : 100) / s->callers),
                                      .pause_ms = 20,
                                      .calls_max = brief ? 500000 : 6000000};
    if (!run_init(r, options, s->name, s->apart, s->callers + extent->nodes))
        return false;
    r->steps = extent->steps;
    cast(r, s, extent->nodes);
    if (!run_folder(r) || !start(r, extent->started) || !run_load(r, &load))
        return false;
    if (!load_warm(&r->load, WARM_MS))
        return false;
    settle(r);
    if (s->promise.never_doubled)
        run_calm_begins(r, 0);
    load_begin(&r->load);
    run_pass(r, 1000);
    const bool played = s->play(r);
    load_end(&r->load);
    return played;
}
