/* How many calls and activations a second: call_spread, call_hot, activate. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

enum {
    POPULATION = 100000, /* processes in the table of call_spread */
    TARGETS = 1000,      /* of which so many are called */
    TARGET_STEP = 97,    /* which, as in bench/floor.c: every 97th */
    NEW_IDS = 1000000,   /* processes that activate starts */
    WARM_UP_CALLS = 400, /* of each caller, before the clock runs */
    RUN_MS = 1500,
};

struct round {
    char (*ids)[BENCH_ID_BYTES];
    uint32_t ids_count;
    uint32_t calls_each;
};

static void call_round(mesh_node *node, uint32_t index, void *arg)
{
    const struct round *round = arg;
    for (uint32_t i = 0; i < round->calls_each; i++) {
        const char *id = round->ids[(index * 7 + i) % round->ids_count];
        if (bench_increment(node, mesh_str(id)) < 1)
            bench_die("%s answered a count below 1", id);
    }
}

/* Every call has added one to one counter, and no other: their sum says whether all were handled exactly once. */
static void check_counts(mesh_node *node, const struct round *round, uint64_t expected)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < round->ids_count; i++)
        sum += (uint64_t)bench_read(node, mesh_str(round->ids[i]));
    if (sum != expected)
        bench_die("%llu calls were answered, but %llu counted", (unsigned long long)expected, (unsigned long long)sum);
}

/* Calls the given counters from all callers: a warm-up that also tells how many calls fill the time, then the run. */
static double calls_per_second(mesh_node *node, struct round *round, const struct bench_options *options)
{
    uint64_t already = bench_stats(node).calls;
    uint64_t counted = 0;
    for (uint32_t i = 0; i < round->ids_count; i++)
        counted += (uint64_t)bench_increment(node, mesh_str(round->ids[i]));

    round->calls_each = WARM_UP_CALLS;
    uint64_t warm_up_ns = bench_swarm(node, call_round, round);
    uint64_t run_ns = (options->quick ? RUN_MS / 5 : RUN_MS) * 1000000ull;
    uint64_t each = WARM_UP_CALLS * run_ns / (warm_up_ns + 1);
    round->calls_each = each < WARM_UP_CALLS ? WARM_UP_CALLS : each > 1000000 ? 1000000 : (uint32_t)each;
    uint64_t took_ns = bench_swarm(node, call_round, round);

    uint64_t calls = (uint64_t)BENCH_CALLERS * round->calls_each;
    check_counts(node, round, counted + (uint64_t)BENCH_CALLERS * WARM_UP_CALLS + calls);
    mesh_stats stats = bench_stats(node);
    if (stats.calls - already != 2ull * round->ids_count + (uint64_t)BENCH_CALLERS * WARM_UP_CALLS + calls)
        bench_die("the statistics missed calls: they have %llu", (unsigned long long)(stats.calls - already));
    if (options->verbose) {
        unsigned cores = bench_usable_cores();
        fprintf(stderr, "%llu calls in %.3f s: %.1f ns a call on each of %u workers; p50 %llu ns, p99 %llu ns\n",
                (unsigned long long)calls, (double)took_ns * 1e-9, (double)took_ns * cores / (double)calls, cores,
                (unsigned long long)stats.call_p50_ns, (unsigned long long)stats.call_p99_ns);
    }
    return (double)calls / ((double)took_ns * 1e-9);
}

void bench_call_spread(const struct bench_options *options)
{
    static char ids[TARGETS][BENCH_ID_BYTES];
    struct round round = {ids, TARGETS, 0};
    for (uint32_t i = 0; i < TARGETS; i++)
        bench_actor_id(i * TARGET_STEP, ids[i]);
    mesh_node *node = bench_start();
    bench_populate(node, POPULATION);
    bench_report("call_spread", calls_per_second(node, &round, options), "1/s");
    bench_stop(node);
}

void bench_call_hot(const struct bench_options *options)
{
    static char ids[1][BENCH_ID_BYTES];
    struct round round = {ids, 1, 0};
    bench_actor_id(0, ids[0]);
    mesh_node *node = bench_start();
    bench_report("call_hot", calls_per_second(node, &round, options), "1/s");
    bench_stop(node);
}

/* ---- activate ---- */

/* Calls each of this caller's ids for the first time. The ids were written before: a program has them from elsewhere,
 * and printing a number is not what is measured. */
static void call_new(mesh_node *node, uint32_t index, void *arg)
{
    const struct round *round = arg;
    for (uint32_t i = 0; i < round->calls_each; i++) {
        const char *id = round->ids[index * round->calls_each + i];
        if (bench_increment(node, mesh_str(id)) != 1)
            bench_die("the first call to %s did not answer 1", id);
    }
}

void bench_activate(const struct bench_options *options)
{
    uint32_t count = options->quick ? NEW_IDS / 5 : NEW_IDS;
    struct round round = {calloc(count, sizeof round.ids[0]), count, count / BENCH_CALLERS};
    if (round.ids == NULL)
        bench_die("no memory for %u ids", count);
    for (uint32_t i = 0; i < count; i++)
        bench_actor_id(i, round.ids[i]);
    mesh_node *node = bench_start();
    uint64_t took_ns = bench_swarm(node, call_new, &round);
    mesh_stats stats = bench_stats(node);
    if (stats.processes != count || stats.activations != count)
        bench_die("%u ids were called, but %llu processes started", count, (unsigned long long)stats.activations);
    if (options->verbose)
        fprintf(stderr, "%u activations in %.3f s: %.1f ns each on each of %u workers\n", count, (double)took_ns * 1e-9,
                (double)took_ns * bench_usable_cores() / count, bench_usable_cores());
    bench_report("activate", count / ((double)took_ns * 1e-9), "1/s");
    bench_stop(node);
    free(round.ids);
}
