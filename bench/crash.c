/* crash_survivors: processes fail by the thousands; the others must not notice.
 *
 * 20,000 counters live in the same capability and module as 60,000 that crash in their first call. The live ones are
 * called between the crashes. A survivor has been live all the time and has kept its count. */
#include <stdio.h>

#include "bench.h"

enum {
    LIVE = 20000,
    CRASHES = 60000,
    LIVE_EACH = LIVE / BENCH_CALLERS,
    CRASHES_EACH = CRASHES / BENCH_CALLERS,
    CRASHES_PER_LIVE = CRASHES / LIVE,
};

/* This caller's share of the crashes, and one call to each of its live processes among them. Ids of their own for the
 * crashes, so that none is refused for having crashed before. */
static void crash_share(mesh_node *node, uint32_t index, void *arg)
{
    (void)arg;
    char text[BENCH_ID_BYTES];
    for (uint32_t i = 0; i < CRASHES_EACH; i++) {
        bench_crash(node, bench_actor_id(LIVE + index * CRASHES_EACH + i, text));
        if (i % CRASHES_PER_LIVE == 0)
            bench_increment(node, bench_actor_id(index * LIVE_EACH + i / CRASHES_PER_LIVE, text));
    }
}

void bench_crash_survivors(const struct bench_options *options)
{
    mesh_node *node = bench_start();
    bench_populate(node, LIVE);
    uint64_t took_ns = bench_swarm(node, crash_share, NULL);
    uint64_t kept = 0;
    char text[BENCH_ID_BYTES];
    for (uint32_t i = 0; i < LIVE; i++)
        kept += bench_read(node, bench_actor_id(i, text)) == 2;
    mesh_stats stats = bench_stats(node);
    if (stats.crashes != CRASHES)
        bench_die("%u calls crashed, but %llu crashes were counted", (unsigned)CRASHES,
                  (unsigned long long)stats.crashes);
    if (options->verbose)
        fprintf(stderr, "%u crashes in %.3f s; %llu processes live\n", (unsigned)CRASHES, (double)took_ns * 1e-9,
                (unsigned long long)stats.processes);
    bench_report("crash_survivors", (double)kept, "processes");
    if (kept != LIVE || stats.processes != LIVE)
        bench_die("%llu of %u processes have kept their state, %llu are live", (unsigned long long)kept, (unsigned)LIVE,
                  (unsigned long long)stats.processes);
    bench_stop(node);
}
