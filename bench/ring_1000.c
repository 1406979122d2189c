/* ring_1000: the ring of 4,096 shards that a change among 1,000 nodes needs. */
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "placement/ring.h"

enum { NODES = 1000, SHARDS = 4096, RUNS = 21, NAME_SIZE = 32, STEP = 47 };

static struct ring *build(char (*names)[NAME_SIZE])
{
    static mesh_bytes nodes[NODES];
    struct ring *ring = NULL;
    for (size_t i = 0; i < NODES; i++)
        nodes[i] = mesh_str(names[i]);
    bench_must(ring_create(MESH_CAPPED, nodes, NULL, NODES, SHARDS, NULL, NULL, &ring), "building a ring");
    return ring;
}

static bool same_owner(const struct ring *a, const struct ring *b, uint32_t shard)
{
    mesh_bytes x = ring_name(a, ring_owner(a, shard)), y = ring_name(b, ring_owner(b, shard));
    return x.len == y.len && memcmp(x.data, y.data, x.len) == 0;
}

void bench_ring_1000(const struct bench_options *options)
{
    static char names[NODES][NAME_SIZE];
    uint64_t took_ns[RUNS];
    (void)options;
    for (uint32_t i = 0; i < NODES; i++)
        snprintf(names[i], NAME_SIZE, "node%u@10.0.%u.%u", i, i / 250, i % 250 + 1);
    struct ring *ring = build(names);
    for (size_t run = 0; run < RUNS; run++) {
        uint32_t moved = 0;
        snprintf(names[run * STEP], NAME_SIZE, "other%zu@10.0.9.1", run); /* one goes, another one comes */
        uint64_t from_ns = bench_now_ns();
        struct ring *next = build(names);
        took_ns[run] = bench_now_ns() - from_ns;
        for (uint32_t shard = 0; shard < SHARDS; shard++)
            moved += !same_owner(ring, next, shard);
        if (moved == 0 || moved > SHARDS / 10)
            bench_die("one change of %d nodes has moved %u of %d shards", NODES, moved, SHARDS);
        ring_release(ring);
        ring = next;
    }
    ring_release(ring);
    bench_report("ring_1000", (double)bench_percentile(took_ns, RUNS, 0.5) * 1e-6, "ms");
}
