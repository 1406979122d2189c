/* Calls, casts and first calls to processes of another program: remote_call, remote_cast, remote_activate,
 * remote_sequential. One node calls and has no process; the other has all of them, and counts what it got. */
#include <stdio.h>
#include <stdlib.h>

#include "pair.h"

enum {
    CASTS = 32,       /* of one caller, before it waits for an answer behind them */
    WARM_UP = 400,    /* calls of each caller, before the clock runs */
    NEW_IDS = 500000, /* processes that remote_activate starts */
    RUN_MS = 2000,
    SEQUENCE = 20000, /* calls of remote_sequential */
};

static char targets[PAIR_TARGETS][BENCH_ID_BYTES];

struct round {
    uint32_t each; /* calls, or rounds of casts, of a caller */
    char (*ids)[BENCH_ID_BYTES];
};

static mesh_bytes target(uint32_t index, uint32_t i)
{
    return mesh_str(targets[(index * 7 + i) % PAIR_TARGETS]);
}

static void name_targets(void)
{
    for (uint32_t i = 0; i < PAIR_TARGETS; i++)
        bench_actor_id(i, targets[i]);
}

/* Runs fn once to warm up and to see how often it can be done in the time, then for that long. The clock stops when the
 * other node has counted them all. Returns increments a second. */
static double measure(struct pair *p, const struct bench_options *options, bench_caller_fn fn, uint32_t increments)
{
    struct round round = {WARM_UP / increments, NULL};
    const uint64_t run_ns = (options->quick ? RUN_MS / 5 : RUN_MS) * 1000000ull;
    uint64_t warm_up_ns = bench_swarm(p->node, fn, &round);
    round.each = (uint32_t)(round.each * run_ns / (warm_up_ns + 1)) + 1;
    const struct pair_report before = pair_ask(p, true);
    uint64_t used_ns = bench_cpu_ns(), from_ns = bench_now_ns();
    bench_swarm(p->node, fn, &round);
    const struct pair_report after = pair_ask(p, true);
    uint64_t took_ns = bench_now_ns() - from_ns;
    used_ns = bench_cpu_ns() - used_ns;
    const uint64_t made = (uint64_t)BENCH_CALLERS * round.each * increments;
    if (after.sum - before.sum != made)
        bench_die("%llu were sent, but %llu counted", (unsigned long long)made,
                  (unsigned long long)(after.sum - before.sum));
    if (options->verbose)
        fprintf(stderr, "%llu in %.3f s: %.0f ns each; of processors %.0f ns here and %.0f ns there\n",
                (unsigned long long)made, (double)took_ns * 1e-9, (double)took_ns / (double)made,
                (double)used_ns / (double)made, (double)(after.cpu_ns - before.cpu_ns) / (double)made);
    return (double)made / ((double)took_ns * 1e-9);
}

/* ---- remote_call ---- */

static void call_targets(mesh_node *node, uint32_t index, void *arg)
{
    const struct round *round = arg;
    for (uint32_t i = 0; i < round->each; i++)
        if (bench_increment(node, target(index, i)) < 1)
            bench_die("a counter answered a count below 1");
}

void bench_remote_call(const struct bench_options *options)
{
    name_targets();
    struct pair p = pair_start();
    bench_report("remote_call", measure(&p, options, call_targets, 1), "1/s");
    pair_stop(&p);
}

/* ---- remote_cast ---- */

static void cast(mesh_node *node, mesh_bytes id)
{
    mesh_buf payload;
    mesh_request request = bench_request(id);
    mesh_buf_init(&payload);
    bench_must(mesh_build(&payload, "%{action: :increment}"), "building a payload");
    request.payload = mesh_buf_term(&payload);
    bench_must(mesh_cast(node, &request), "casting");
    mesh_buf_fini(&payload);
}

/* Casts to one process after the other and then calls the last: its answer says that all of these have arrived. */
static void cast_targets(mesh_node *node, uint32_t index, void *arg)
{
    const struct round *round = arg;
    for (uint32_t i = 0; i < round->each * CASTS; i++) {
        mesh_bytes id = target(index, i);
        cast(node, id);
        if (i % CASTS == CASTS - 1 && bench_read(node, id) < 1)
            bench_die("a call went past the cast before it");
    }
}

void bench_remote_cast(const struct bench_options *options)
{
    name_targets();
    struct pair p = pair_start();
    bench_report("remote_cast", measure(&p, options, cast_targets, CASTS), "1/s");
    pair_stop(&p);
}

/* ---- remote_activate ---- */

static void call_new(mesh_node *node, uint32_t index, void *arg)
{
    const struct round *round = arg;
    for (uint32_t i = 0; i < round->each; i++)
        if (bench_increment(node, mesh_str(round->ids[index * round->each + i])) != 1)
            bench_die("the first call to a process did not answer 1");
}

void bench_remote_activate(const struct bench_options *options)
{
    uint32_t count = options->quick ? NEW_IDS / 5 : NEW_IDS;
    struct round round = {count / BENCH_CALLERS, calloc(count, BENCH_ID_BYTES)};
    if (round.ids == NULL)
        bench_die("no memory for %u ids", count);
    for (uint32_t i = 0; i < count; i++)
        bench_actor_id(i, round.ids[i]);
    struct pair p = pair_start();
    uint64_t took_ns = bench_swarm(p.node, call_new, &round);
    const struct pair_report r = pair_ask(&p, false);
    if (r.activations != count || r.processes != count)
        bench_die("%u ids were called, but %llu processes started", count, (unsigned long long)r.activations);
    bench_report("remote_activate", count / ((double)took_ns * 1e-9), "1/s");
    pair_stop(&p);
    free(round.ids);
}

/* ---- remote_sequential ---- */

static uint64_t took_ns[SEQUENCE];

static int call_in_turn(mesh_node *node, void *arg)
{
    const uint32_t *count = arg;
    for (uint32_t i = 0; i < *count; i++) {
        uint64_t from_ns = bench_now_ns();
        if (bench_increment(node, target(0, i)) < 1)
            bench_die("a counter answered a count below 1");
        took_ns[i] = bench_now_ns() - from_ns;
    }
    return MESH_OK;
}

static void run_sequence(struct pair *p, uint32_t count)
{
    mesh_task *task;
    int value;
    bench_must(mesh_spawn(p->node, call_in_turn, &count, &task), "starting the caller");
    bench_must(mesh_await(task, 0, &value), "awaiting the caller");
}

void bench_remote_sequential(const struct bench_options *options)
{
    const uint32_t count = options->quick ? SEQUENCE / 5 : SEQUENCE;
    name_targets();
    struct pair p = pair_start();
    run_sequence(&p, PAIR_TARGETS); /* a first call to each */
    const struct pair_report before = pair_ask(&p, true);
    uint64_t used_ns = bench_cpu_ns();
    run_sequence(&p, count);
    used_ns = bench_cpu_ns() - used_ns;
    const struct pair_report after = pair_ask(&p, true);
    if (after.sum - before.sum != count)
        bench_die("%u calls were answered, but %llu counted", count, (unsigned long long)(after.sum - before.sum));
    used_ns += after.cpu_ns - before.cpu_ns;
    bench_report("remote_sequential_p50", (double)bench_percentile(took_ns, count, 0.5) * 1e-3, "us");
    bench_report("remote_sequential_cpu", (double)used_ns * 1e-3 / count, "us");
    pair_stop(&p);
}
