/* join_1m: a second node joins one with a million live processes and takes half of them, while calls go on.
 *
 * The calls are an open loop, as in latency.c: 1,000 a second, to processes chosen at random, leave at times fixed
 * beforehand, and a latency counts from the time a call should have left. When the second node has what it is to have
 * every process is called once more: all counts together are the calls that were made. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "pair.h"

enum {
    MILLION = 1000000,
    CALLS_MAX = 60000, /* of the open loop: a minute */
    BEFORE = 500,      /* of these, before the node joins */
    BEHIND = 500,      /* and when it has what it is to have */
    ASK_EVERY = 10,    /* calls, between two looks at how far it is */
};

struct shot {
    uint64_t intended_ns, latency_ns; /* the latter is written by its done */
    int error;
};

static struct shot shots[CALLS_MAX];
static atomic_uint answered;

static void shot_done(void *context, int error, const mesh_result *result)
{
    struct shot *shot = context;
    int64_t count = 0;
    shot->latency_ns = bench_now_ns() - shot->intended_ns;
    shot->error = error;
    if (error == MESH_OK && (mesh_match(result->value, "~i", &count) != MESH_OK || count < 2))
        bench_die("a process has lost its count");
    /* Release: pairs with the acquire of whoever waits for all. */
    atomic_fetch_add_explicit(&answered, 1, memory_order_release);
}

static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

static void fire(mesh_node *node, struct shot *shot, uint32_t number, mesh_term payload)
{
    char text[BENCH_ID_BYTES];
    mesh_request request = bench_request(bench_actor_id(number, text));
    request.payload = payload;
    bench_sleep_until_ns(shot->intended_ns);
    bench_must(mesh_call_async(node, &request, shot_done, shot), "calling");
}

static bool has_settled(struct pair *p)
{
    mesh_cluster_stats here = {.size = sizeof here};
    bench_must(mesh_cluster_stats_read(p->node, &here), "reading the numbers of the cluster");
    if (here.claiming + here.leaving > 0 || here.held > MESH_DEFAULT_SHARDS * 3 / 5)
        return false;
    const struct pair_report there = pair_ask(p, false);
    return there.settled && here.held + there.held == MESH_DEFAULT_SHARDS;
}

/* Calls until the shards are shared out, and a little longer. How many calls; *took_ns: from the join until then. */
static uint32_t call_meanwhile(struct pair *p, uint32_t population, uint64_t *took_ns)
{
    uint64_t seed = 20240229, joined_ns = 0;
    const uint64_t first_ns = bench_now_ns() + 1000000u;
    uint32_t end = CALLS_MAX, i;
    mesh_buf payload;
    mesh_buf_init(&payload);
    bench_must(mesh_build(&payload, "%{action: :increment}"), "building a payload");
    *took_ns = 0;
    for (i = 0; i < end; i++) {
        shots[i].intended_ns = first_ns + i * 1000000ull;
        fire(p->node, &shots[i], next_random(&seed) % population, mesh_buf_term(&payload));
        if (i == BEFORE) {
            joined_ns = bench_now_ns();
            pair_join(p);
        }
        if (*took_ns == 0 && i > BEFORE && i % ASK_EVERY == 0 && has_settled(p)) {
            *took_ns = bench_now_ns() - joined_ns;
            end = i + BEHIND;
        }
    }
    /* Acquire: pairs with the release in shot_done. */
    while (atomic_load_explicit(&answered, memory_order_acquire) < i)
        bench_sleep_ms(1);
    mesh_buf_fini(&payload);
    if (*took_ns == 0)
        bench_die("the shards are not shared out after %d s", CALLS_MAX / 1000);
    return i;
}

/* ---- what has become of the processes ---- */

struct tally {
    uint32_t each;
    atomic_ullong sum;
};

static void read_share(mesh_node *node, uint32_t index, void *arg)
{
    struct tally *tally = arg;
    char text[BENCH_ID_BYTES];
    uint64_t sum = 0;
    for (uint32_t i = 0; i < tally->each; i++)
        sum += (uint64_t)bench_read(node, bench_actor_id(index * tally->each + i, text));
    atomic_fetch_add(&tally->sum, sum);
}

static void check(struct pair *p, uint32_t population, uint32_t calls)
{
    struct tally tally = {.each = population / BENCH_CALLERS};
    bench_swarm(p->node, read_share, &tally);
    const uint64_t here = bench_stats(p->node).processes, there = pair_ask(p, false).processes;
    const uint64_t expected = (uint64_t)population + calls, sum = atomic_load(&tally.sum);
    if (sum != expected)
        bench_die("the counts are %llu, not %llu", (unsigned long long)sum, (unsigned long long)expected);
    if (here + there != population || there < population * 2ull / 5)
        bench_die("%llu processes are here and %llu there", (unsigned long long)here, (unsigned long long)there);
}

void bench_join_1m(const struct bench_options *options)
{
    const uint32_t population = options->quick ? MILLION / 5 : MILLION;
    static uint64_t latencies[CALLS_MAX];
    uint64_t took_ns;
    uint32_t failed = 0;
    struct pair p = pair_start_alone();
    bench_populate(p.node, population);
    prctl(PR_SET_TIMERSLACK, 1ul); /* else every intended time is missed by 50 us */
    const uint32_t calls = call_meanwhile(&p, population, &took_ns);
    for (uint32_t i = 0; i < calls; i++) {
        latencies[i] = shots[i].latency_ns;
        failed += shots[i].error != MESH_OK;
        if (shots[i].error != MESH_OK && options->verbose)
            fprintf(stderr, "call %u, after %.1f ms: %s\n", i, (double)latencies[i] * 1e-6,
                    mesh_strerror(shots[i].error));
    }
    check(&p, population, calls - failed);
    bench_report("join_1m", (double)took_ns * 1e-6, "ms");
    bench_report("join_1m_p99", (double)bench_percentile(latencies, calls, 0.99) * 1e-6, "ms");
    bench_report("join_1m_failed", failed, "calls");
    pair_stop(&p);
}
