/* How many shards move when one node comes or goes, under `capped` with 4096 shards.
 *
 * Each draw takes some nodes of a pool with the names of real clusters, and lets one more join, or one of them leave.
 * A shard is moved when its owner before is not its owner after. The least possible is what the new node owns after
 * a join, or what the gone one owned before it left; the figure is moved / least. What must hold with equal weights:
 * - 1 to 16 nodes: mean at most 1.05, none over 1.1;
 * - 1 to 64 nodes: mean at most 1.12, none over 1.4;
 * - no node owns more than its cap.
 * With weights from 1 to 3 the means and the caps must hold as well. There the least possible may be a small number of
 * shards, so that a few more are a large figure: nothing is promised of the worst.
 * The tables have figures up to 200 nodes, where nothing is promised. Seeds are fixed, so a run always draws the same.
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
    uint32_t weights[POOL];
};

enum { KINDS = 4 };

/* One cluster's names, in the manner of its kind, in random order, with weights from 1 to heaviest. */
static void fill_pool(struct pool *pool, unsigned kind, uint32_t heaviest, uint64_t *random)
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
        pool->weights[i] = 1 + (uint32_t)random_below(random, heaviest);
    }
    for (size_t i = POOL - 1; i > 0; i--) {
        size_t j = random_below(random, i + 1);
        mesh_bytes swap = pool->nodes[i];
        pool->nodes[i] = pool->nodes[j];
        pool->nodes[j] = swap;
    }
}

static struct ring *create(const mesh_bytes *nodes, const uint32_t *weights, size_t count)
{
    struct ring *ring = NULL;
    assert_int_equal(ring_create(MESH_CAPPED, nodes, weights, count, SHARDS, NULL, NULL, &ring), MESH_OK);
    return ring;
}

/* The largest share of a ring in shares of fair; every share is checked against its cap. */
static double largest_share(const struct ring *ring)
{
    uint32_t total = 0;
    for (size_t i = 0; i < ring_nodes(ring); i++)
        total += ring_weight(ring, i);
    double largest = 0;
    for (size_t i = 0; i < ring_nodes(ring); i++) {
        assert_true(ring_owned(ring, i) <= ring_cap(ring, i));
        double share = (double)ring_owned(ring, i) * total / ((double)SHARDS * ring_weight(ring, i));
        largest = share > largest ? share : largest;
    }
    return largest;
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
static void draw(struct pool *pool, size_t count, uint64_t *random, struct tally *tally)
{
    mesh_bytes *nodes = pool->nodes;
    uint32_t *weights = pool->weights;
    struct ring *now = create(nodes, weights, count), *joined = create(nodes, weights, count + 1);
    double largest = largest_share(now);
    add(tally, figure(joined, now, nodes[count]), largest);
    if (count > 1) {
        /* The one that leaves changes places with the last; the order does not matter to a ring. */
        size_t gone = random_below(random, count);
        mesh_bytes name = nodes[gone];
        nodes[gone] = nodes[count - 1];
        weights[gone] = weights[count - 1];
        struct ring *left = create(nodes, weights, count - 1);
        add(tally, figure(now, left, name), largest);
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

static void draw_all(unsigned seeds, uint32_t heaviest, struct tally *tallies)
{
    static struct pool pool;
    for (unsigned seed = 0; seed < seeds * KINDS; seed++) {
        uint64_t random = seed;
        for (size_t b = 0; b < BANDS; b++) {
            /* Beyond 64 nodes nothing is promised: some numbers suffice. */
            size_t step = bands[b].to > 64 ? 17 : 1;
            for (size_t count = bands[b].from; count <= bands[b].to; count += step) {
                fill_pool(&pool, seed % KINDS, heaviest, &random);
                draw(&pool, count, &random, &tallies[b]);
            }
        }
    }
}

static void print_table(const char *which, const struct tally *tallies)
{
    printf("capped, 4096 shards, %s: moved / least possible when one node comes or goes\n"
           "    nodes    draws    mean   worst  over 1.1  over 1.4  largest share / fair\n",
           which);
    for (size_t b = 0; b < BANDS; b++)
        print_row(bands[b].from, bands[b].to, tallies[b]);
    print_row(1, 16, up_to(tallies, 16));
    print_row(1, 64, up_to(tallies, 64));
}

static void few_shards_move_when_a_node_comes_or_goes(void **state)
{
    (void)state;
    struct tally tallies[BANDS] = {{0}};
    draw_all(MOVES_SEEDS, 1, tallies);
    print_table("equal weights", tallies);
    const struct tally to16 = up_to(tallies, 16), to64 = up_to(tallies, 64);
    assert_true(to16.sum <= 1.05 * (double)to16.draws);
    assert_true(to16.worst <= 1.1);
    assert_true(to64.sum <= 1.12 * (double)to64.draws);
    assert_true(to64.worst <= 1.4);
}

static void weights_move_little_more(void **state)
{
    (void)state;
    struct tally tallies[BANDS] = {{0}};
    draw_all((MOVES_SEEDS + 3) / 4, 3, tallies);
    print_table("weights 1 to 3", tallies);
    const struct tally to16 = up_to(tallies, 16), to64 = up_to(tallies, 64);
    assert_true(to16.sum <= 1.05 * (double)to16.draws);
    assert_true(to64.sum <= 1.12 * (double)to64.draws);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_shards_move_when_a_node_comes_or_goes),
        cmocka_unit_test(weights_move_little_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
