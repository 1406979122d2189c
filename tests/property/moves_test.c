/* How many shards move when one node comes or goes, under `capped` with 4096 shards.
 *
 * Each draw takes some nodes of a pool with the names of real clusters, and lets one more join, or one of them leave.
 * A shard is moved when its owner before is not its owner after. The least possible is what the new node owns after
 * a join, or what the gone one owned before it left; the figure is moved / least. What must hold:
 * - 1 to 16 nodes: mean at most 1.05, 1.1 as good as never exceeded;
 * - 1 to 64 nodes: mean at most 1.12, 1.4 as good as never exceeded;
 * - no node owns more than its cap.
 * "As good as never" is less than one draw in 500, and no figure over 1.2 or 1.6: the tail is thin but it is there.
 * Of 12,400 draws up to 16 nodes 11 were over 1.1 (the worst 1.123), from 12 nodes on; of 50,800 up to 64 nodes 12 were
 * over 1.4 (the worst 1.509), all of them between 40 and 41, or 63 and 64 nodes, where rounding lets the
 * cap fall by more than its average step, so that every node must shed shards at once (MOVES_SEEDS=100). The table has
 * the counts of this run, and figures up to 200 nodes, where nothing is promised. Seeds are fixed, so a run always
 * draws the same.
 *
 * MOVES_SEEDS is how often each number of nodes is drawn with each kind of names. tests/property/CMakeLists.txt sets
 * it: fewer when MESH_SANITIZE is set, where a ring takes longer. */
#include <stdio.h>
#include <string.h>

#include <mesh/error.h>

#include "placement/ring.h"
#include "property/random.h"
#include "unit/check.h"

#ifndef MOVES_SEEDS
#error "set by tests/property/CMakeLists.txt"
#endif

enum { SHARDS = 4096, POOL = 256, NODES_MAX = 201 };

static const struct band {
    size_t from, to;
} bands[] = {{1, 2}, {3, 4}, {5, 8}, {9, 16}, {17, 32}, {33, 64}, {65, 128}, {129, 200}};

enum { BANDS = sizeof bands / sizeof *bands };

struct tally {
    size_t draws, over_1_1, over_1_4;
    double sum, worst, largest; /* of moved / least; largest: the largest share in shares of fair */
};

struct pool {
    char text[POOL][64];
    mesh_bytes nodes[POOL];
};

enum { KINDS = 4 };

/* One cluster's names, in the manner of its kind, in random order. */
static void fill_pool(struct pool *pool, unsigned kind, uint64_t *random)
{
    const unsigned net = (unsigned)random_below(random, 256);
    for (unsigned i = 0; i < POOL; i++) {
        char *text = pool->text[i];
        const size_t size = sizeof pool->text[i];
        if (kind == 0)
            snprintf(text, size, "node-%u@10.0.%u.%u", i, net, i);
        else if (kind == 1)
            snprintf(text, size, "game@host-%u", i + net);
        else if (kind == 2)
            snprintf(text, size, "mesh-%u@mesh-%u.mesh.prod-%u.svc.cluster.local", i, i, net);
        else
            snprintf(text, size, "n%u_%08x@127.0.0.1", i, (unsigned)random_next(random));
        pool->nodes[i] = mesh_str(text);
    }
    for (size_t i = POOL - 1; i > 0; i--) {
        size_t j = random_below(random, i + 1);
        mesh_bytes swap = pool->nodes[i];
        pool->nodes[i] = pool->nodes[j];
        pool->nodes[j] = swap;
    }
}

static struct ring *create(const mesh_bytes *nodes, size_t count)
{
    struct ring *ring = NULL;
    assert_int_equal(ring_create(MESH_CAPPED, nodes, NULL, count, SHARDS, NULL, NULL, &ring), MESH_OK);
    return ring;
}

/* The largest share of a ring in shares of fair; every share is checked against its cap. */
static double largest_share(const struct ring *ring)
{
    uint32_t most = 0;
    for (size_t i = 0; i < ring_nodes(ring); i++) {
        assert_true(ring_owned(ring, i) <= ring_cap(ring, i));
        most = ring_owned(ring, i) > most ? ring_owned(ring, i) : most;
    }
    return (double)most * (double)ring_nodes(ring) / SHARDS;
}

/* moved / least between a ring and the same with one node more. It is the figure of that node's coming, and as well
 * that of its going. */
static double figure(const struct ring *with, const struct ring *without, mesh_bytes node)
{
    size_t extra = SIZE_MAX, index[NODES_MAX];
    assert_true(ring_find(with, node, &extra));
    for (size_t i = 0; i < ring_nodes(without); i++)
        assert_true(ring_find(with, ring_name(without, i), &index[i]));
    uint32_t moved = 0;
    for (uint32_t s = 0; s < SHARDS; s++)
        moved += index[ring_owner(without, s)] != ring_owner(with, s);
    assert_true(ring_owned(with, extra) > 0 && moved >= ring_owned(with, extra));
    return (double)moved / ring_owned(with, extra);
}

static void add(struct tally *tally, double moved_by_least, double largest)
{
    tally->draws++;
    tally->over_1_1 += moved_by_least > 1.1;
    tally->over_1_4 += moved_by_least > 1.4;
    tally->sum += moved_by_least;
    tally->worst = moved_by_least > tally->worst ? moved_by_least : tally->worst;
    tally->largest = largest > tally->largest ? largest : tally->largest;
}

/* From count nodes: one joins, and one of them, any, leaves. */
static void draw(const struct pool *pool, size_t count, uint64_t *random, struct tally *tally)
{
    mesh_bytes rest[NODES_MAX];
    struct ring *now = create(pool->nodes, count), *joined = create(pool->nodes, count + 1);
    double largest = largest_share(now);
    add(tally, figure(joined, now, pool->nodes[count]), largest);
    if (count > 1) {
        size_t gone = random_below(random, count);
        memcpy(rest, pool->nodes, gone * sizeof *rest);
        memcpy(rest + gone, pool->nodes + gone + 1, (count - 1 - gone) * sizeof *rest);
        struct ring *left = create(rest, count - 1);
        add(tally, figure(now, left, pool->nodes[gone]), largest);
        ring_release(left);
    }
    ring_release(now);
    ring_release(joined);
}

/* The bands from 1 to so many nodes together. */
static struct tally up_to(const struct tally *tallies, size_t nodes)
{
    struct tally all = {0};
    for (size_t b = 0; b < BANDS && bands[b].to <= nodes; b++) {
        all.draws += tallies[b].draws;
        all.over_1_1 += tallies[b].over_1_1;
        all.over_1_4 += tallies[b].over_1_4;
        all.sum += tallies[b].sum;
        all.worst = tallies[b].worst > all.worst ? tallies[b].worst : all.worst;
        all.largest = tallies[b].largest > all.largest ? tallies[b].largest : all.largest;
    }
    return all;
}

static void print_row(size_t from, size_t to, struct tally t)
{
    printf("  %3zu-%-3zu  %7zu  %6.3f  %6.3f  %8zu  %8zu  %6.3f\n", from, to, t.draws, t.sum / (double)t.draws, t.worst,
           t.over_1_1, t.over_1_4, t.largest);
}

static void few_shards_move_when_a_node_comes_or_goes(void **state)
{
    (void)state;
    static struct pool pool;
    struct tally tallies[BANDS] = {{0}};
    for (unsigned seed = 0; seed < MOVES_SEEDS * KINDS; seed++) {
        uint64_t random = seed;
        for (size_t b = 0; b < BANDS; b++) {
            /* Beyond 64 nodes nothing is promised: some numbers suffice. */
            size_t step = bands[b].to > 64 ? 9 : 1;
            for (size_t count = bands[b].from; count <= bands[b].to; count += step) {
                fill_pool(&pool, seed % KINDS, &random);
                draw(&pool, count, &random, &tallies[b]);
            }
        }
    }
    printf("capped, 4096 shards: moved / least possible when one node comes or goes\n"
           "    nodes    draws    mean   worst  over 1.1  over 1.4  largest share / fair\n");
    for (size_t b = 0; b < BANDS; b++)
        print_row(bands[b].from, bands[b].to, tallies[b]);
    struct tally to16 = up_to(tallies, 16), to64 = up_to(tallies, 64);
    print_row(1, 16, to16);
    print_row(1, 64, to64);

    assert_true(to16.sum <= 1.05 * (double)to16.draws);
    assert_true(to16.over_1_1 * 500 < to16.draws && to16.worst <= 1.2);
    assert_true(to64.sum <= 1.12 * (double)to64.draws);
    assert_true(to64.over_1_4 * 500 < to64.draws && to64.worst <= 1.6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(few_shards_move_when_a_node_comes_or_goes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
