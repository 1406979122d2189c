/* mesh_bench_remote [--quick] [--verbose] [--workers N] NAME: calls, casts and first calls to processes of another
 * node, which is linked in memory (wire.h). So it shows what routing, writing, reading and serving a request costs,
 * without the sockets; the nodes share the cores as two programs would.
 *
 * One node calls and has no process; the other has all. Each has N workers, one if not said. Every answer is checked.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"
#include "wire.h"

enum {
    SHARDS = 4096,
    TARGETS = 1000,   /* processes that are called */
    CASTS = 32,       /* of one caller, before it waits for an answer behind them */
    WARM_UP = 200,    /* calls of each caller, before the clock runs */
    NEW_IDS = 500000, /* processes that remote_activate starts */
    RUN_MS = 2000,
};

static struct bench_options options;
static uint32_t workers = 1;
static char targets[TARGETS][BENCH_ID_BYTES];

struct world {
    mesh_node *caller, *server;
    struct wire *wire;
};

struct round {
    uint32_t each; /* calls, or rounds of casts, of a caller */
    char (*ids)[BENCH_ID_BYTES];
};

static void ignore_log(void *context, const mesh_log_event *event)
{
    (void)context;
    (void)event;
}

/* Of all threads of this program. */
static uint64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static mesh_node *start(const char *name)
{
    const mesh_node_options node_options = {
        .size = sizeof node_options, .name = name, .workers = workers, .log = ignore_log};
    mesh_node *node = NULL;
    bench_must(mesh_node_start(&node_options, &node), "starting a node");
    return node;
}

static struct world begin(void)
{
    struct world w = {start("caller@127.0.0.1"), start("server@127.0.0.1"), NULL};
    const mesh_capability_options capability = {.size = sizeof capability, .shards = SHARDS};
    const mesh_module module = bench_module();
    for (uint32_t i = 0; i < TARGETS; i++)
        bench_actor_id(i, targets[i]);
    w.wire = wire_create(w.caller, w.server);
    bench_must(mesh_register_module(w.server, &module), "registering the module");
    bench_must(mesh_register_capability(w.server, "bench", &capability), "registering the capability");
    wire_await(w.wire, SHARDS);
    return w;
}

static void end(struct world *w)
{
    bench_must(mesh_node_stop(w->caller), "stopping the caller");
    bench_must(mesh_node_stop(w->server), "stopping the server");
    wire_destroy(w->wire);
}

static uint64_t sum_of_counts(const struct world *w)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < TARGETS; i++)
        sum += (uint64_t)bench_read(w->server, mesh_str(targets[i]));
    return sum;
}

/* Runs fn once to warm up and to see how often it can be done in the time, then for that long. Dies unless so many
 * increments have been counted as were made. Returns increments a second. */
static double measure(struct world *w, bench_caller_fn fn, uint32_t increments)
{
    struct round round = {WARM_UP / increments + 1, NULL};
    uint64_t warm_up_ns = bench_swarm(w->caller, fn, &round);
    uint64_t before = sum_of_counts(w), run_ns = (options.quick ? RUN_MS / 5 : RUN_MS) * 1000000ull;
    round.each = (uint32_t)(round.each * run_ns / (warm_up_ns + 1)) + 1;
    uint64_t used_ns = cpu_ns(), took_ns = bench_swarm(w->caller, fn, &round);
    used_ns = cpu_ns() - used_ns;
    uint64_t made = (uint64_t)BENCH_CALLERS * round.each * increments;
    if (sum_of_counts(w) - before != made)
        bench_die("%llu were sent, but another number was counted", (unsigned long long)made);
    if (options.verbose)
        fprintf(stderr, "%llu in %.3f s: %.1f ns each, %.1f ns of processors, both sides\n", (unsigned long long)made,
                (double)took_ns * 1e-9, (double)took_ns / (double)made, (double)used_ns / (double)made);
    return (double)made / ((double)took_ns * 1e-9);
}

/* ---- remote_call ---- */

static void call_targets(mesh_node *node, uint32_t index, void *arg)
{
    const struct round *round = arg;
    for (uint32_t i = 0; i < round->each; i++)
        if (bench_increment(node, mesh_str(targets[(index * 7 + i) % TARGETS])) < 1)
            bench_die("a counter answered a count below 1");
}

static void remote_call(void)
{
    struct world w = begin();
    bench_report("remote_call", measure(&w, call_targets, 1), "1/s");
    end(&w);
}

/* ---- remote_cast ---- */

/* Casts to a process and then calls it: the answer says that all of them have come before it. */
static void cast_targets(mesh_node *node, uint32_t index, void *arg)
{
    const struct round *round = arg;
    for (uint32_t i = 0; i < round->each; i++) {
        mesh_bytes id = mesh_str(targets[(index * 7 + i) % TARGETS]);
        mesh_request request = bench_request(id);
        for (int k = 0; k < CASTS; k++) {
            mesh_buf payload;
            mesh_buf_init(&payload);
            bench_must(mesh_build(&payload, "%{action: :increment}"), "building a payload");
            request.payload = mesh_buf_term(&payload);
            bench_must(mesh_cast(node, &request), "casting");
            mesh_buf_fini(&payload);
        }
        if (bench_read(node, id) < CASTS)
            bench_die("casts did not come before the call behind them");
    }
}

static void remote_cast(void)
{
    struct world w = begin();
    bench_report("remote_cast", measure(&w, cast_targets, CASTS), "1/s");
    end(&w);
}

/* ---- remote_activate ---- */

static void call_new(mesh_node *node, uint32_t index, void *arg)
{
    const struct round *round = arg;
    for (uint32_t i = 0; i < round->each; i++)
        if (bench_increment(node, mesh_str(round->ids[index * round->each + i])) != 1)
            bench_die("the first call to a process did not answer 1");
}

static void remote_activate(void)
{
    uint32_t count = options.quick ? NEW_IDS / 5 : NEW_IDS;
    struct round round = {count / BENCH_CALLERS, calloc(count, BENCH_ID_BYTES)};
    if (round.ids == NULL)
        bench_die("no memory for %u ids", count);
    for (uint32_t i = 0; i < count; i++)
        bench_actor_id(i, round.ids[i]);
    struct world w = begin();
    uint64_t used_ns = cpu_ns(), took_ns = bench_swarm(w.caller, call_new, &round);
    used_ns = cpu_ns() - used_ns;
    if (options.verbose)
        fprintf(stderr, "%u in %.3f s: %.1f ns of processors each, both sides\n", count, (double)took_ns * 1e-9,
                (double)used_ns / count);
    if (bench_stats(w.server).activations != count)
        bench_die("%u ids were called, but another number of processes started", count);
    bench_report("remote_activate", count / ((double)took_ns * 1e-9), "1/s");
    end(&w);
    free(round.ids);
}

/* ---- the command line ---- */

static int usage(FILE *to)
{
    fputs("usage: mesh_bench_remote [--quick] [--verbose] [--workers N] remote_call|remote_cast|remote_activate\n", to);
    return to == stdout ? 0 : 2;
}

int main(int argc, char **argv)
{
    const char *name = "";
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0)
            return usage(stdout);
        if (strcmp(argv[i], "--quick") == 0)
            options.quick = true;
        else if (strcmp(argv[i], "--verbose") == 0)
            options.verbose = true;
        else if (strcmp(argv[i], "--workers") == 0 && i + 1 < argc)
            workers = (uint32_t)strtoul(argv[++i], NULL, 10);
        else
            name = argv[i];
    }
    if (strcmp(name, "remote_call") == 0)
        remote_call();
    else if (strcmp(name, "remote_cast") == 0)
        remote_cast();
    else if (strcmp(name, "remote_activate") == 0)
        remote_activate();
    else
        return usage(stderr);
    return 0;
}
