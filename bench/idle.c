/* What processes cost while nobody calls them: idle_bytes, idle_10m, idle_cpu. */
#include <stdio.h>
#include <time.h>

#include "bench.h"

enum {
    MILLION = 1000000,
    TEN_MILLION = 10000000,
    SAMPLES = 1000, /* idle processes that are called at the end, to see that they are there */
    IDLE_MS = 60000,
    CPU_MS = 10000,
    SETTLE_MS = 1000,
};

static uint64_t next_random(uint64_t *seed)
{
    uint64_t z = (*seed += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* Calls random processes of count: each must have kept the 1 it was made with. Returns how many have. */
static unsigned sample(mesh_node *node, uint32_t count)
{
    uint64_t seed = 20240229;
    char text[BENCH_ID_BYTES];
    unsigned kept = 0;
    for (unsigned i = 0; i < SAMPLES; i++)
        kept += bench_read(node, bench_actor_id((uint32_t)(next_random(&seed) % count), text)) == 1;
    return kept;
}

void bench_idle_bytes(const struct bench_options *options)
{
    uint64_t before = bench_resident_bytes();
    mesh_node *node = bench_start();
    bench_populate(node, MILLION);
    uint64_t busy = bench_resident_bytes();
    bench_sleep_ms(options->quick ? IDLE_MS / 20 : IDLE_MS);
    uint64_t after = bench_resident_bytes();
    if (bench_stats(node).processes != MILLION || sample(node, MILLION) != SAMPLES)
        bench_die("not all processes are there after the pause");
    if (options->verbose)
        fprintf(stderr, "resident: %.1f MB before, %.1f MB when all were made, %.1f MB after the pause\n",
                (double)before * 1e-6, (double)busy * 1e-6, (double)after * 1e-6);
    bench_report("idle_bytes", ((double)after - (double)before) / MILLION, "B");
    bench_stop(node);
}

void bench_idle_10m(const struct bench_options *options)
{
    uint32_t count = options->quick ? TEN_MILLION / 5 : TEN_MILLION;
    mesh_node *node = bench_start();
    uint64_t took_ns = bench_populate(node, count);
    unsigned answered = sample(node, count);
    uint64_t resident = bench_resident_bytes();
    if (answered != SAMPLES)
        bench_die("only %u of %u processes had kept their state", answered, (unsigned)SAMPLES);
    if (options->verbose)
        fprintf(stderr, "%u processes made in %.1f s\n", count, (double)took_ns * 1e-9);
    bench_report("idle_10m", (double)resident, "B");
    bench_report("idle_10m_answered", answered, "calls");
    bench_stop(node);
}

static uint64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void bench_idle_cpu(const struct bench_options *options)
{
    mesh_node *node = bench_start();
    bench_populate(node, 2 * BENCH_CALLERS);
    bench_sleep_ms(SETTLE_MS);
    uint64_t cpu_from = cpu_ns();
    uint64_t from = bench_now_ns();
    bench_sleep_ms(options->quick ? CPU_MS / 5 : CPU_MS);
    uint64_t took_ns = bench_now_ns() - from;
    bench_report("idle_cpu", (double)(cpu_ns() - cpu_from) * 100.0 / (double)took_ns, "%");
    if (sample(node, 2 * BENCH_CALLERS) != SAMPLES)
        bench_die("the idle processes have lost their state");
    bench_stop(node);
}
