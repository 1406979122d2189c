/* capped against its published numbers (docs/placement.md): hashes, scores, lengths, caps, and whole rings. */
#include <math.h>

#include <mesh/error.h>

#include "base/siphash.h"
#include "placement/capped.h"
#include "placement/ring.h"
#include "unit/check.h"
#include "vectors.h"

/* One `ring` of the file, as it is read. */
struct expected {
    char names[RING_NODES_MAX][64];
    mesh_bytes nodes[RING_NODES_MAX];
    uint32_t weights[RING_NODES_MAX], caps[RING_NODES_MAX], owned[RING_NODES_MAX];
    unsigned first[16], last[16];
    unsigned long long sum;
    size_t count;
};

static void read_owners(const char *text, unsigned owners[16])
{
    int used;
    for (size_t i = 0; i < 16; i++, text += used)
        assert_int_equal(sscanf(text, "%u%n", &owners[i], &used), 1);
}

static void read_ring(FILE *file, struct expected *e)
{
    char line[512];
    e->count = 0;
    while (vectors_line(file, line, sizeof line) && strcmp(line, "end") != 0) {
        size_t i = e->count;
        if (sscanf(line, "node %63s %u %u %u", e->names[i], &e->weights[i], &e->caps[i], &e->owned[i]) == 4) {
            e->nodes[i] = mesh_str(e->names[i]);
            e->count++;
        } else if (strncmp(line, "first", 5) == 0) {
            read_owners(line + 5, e->first);
        } else if (strncmp(line, "last", 4) == 0) {
            read_owners(line + 4, e->last);
        } else {
            assert_int_equal(sscanf(line, "sum %llx", &e->sum), 1);
        }
    }
}

static uint64_t sum_of(const struct ring *ring)
{
    static unsigned char bytes[2 * RING_SHARDS_MAX];
    for (uint32_t s = 0; s < ring_shards(ring); s++) {
        unsigned char *at = bytes + (size_t)2 * s;
        at[0] = (unsigned char)ring_owner(ring, s);
        at[1] = (unsigned char)(ring_owner(ring, s) >> 8);
    }
    return siphash24((struct siphash_key){0, 0}, bytes, 2 * (size_t)ring_shards(ring));
}

static void check_ring(const struct expected *e, uint32_t shards)
{
    struct ring *ring = NULL;
    assert_int_equal(ring_create(MESH_CAPPED, e->nodes, e->weights, e->count, shards, NULL, NULL, &ring), MESH_OK);
    for (size_t i = 0; i < e->count; i++) {
        assert_int_equal(ring_cap(ring, i), e->caps[i]);
        assert_int_equal(ring_owned(ring, i), e->owned[i]);
    }
    for (uint32_t i = 0; i < 16; i++) {
        assert_int_equal(ring_owner(ring, i), e->first[i]);
        assert_int_equal(ring_owner(ring, shards - 16 + i), e->last[i]);
    }
    assert_true(sum_of(ring) == e->sum);
    ring_release(ring);
}

static void the_published_numbers(void **state)
{
    (void)state;
    static struct expected e;
    FILE *file = vectors_open("capped.txt");
    char line[512], name[64];
    unsigned shard;
    unsigned long long score, want;
    int hashes = 0, scores = 0, lengths = 0, rings = 0;
    while (vectors_line(file, line, sizeof line)) {
        if (sscanf(line, "hash %63s %llx", name, &want) == 2) {
            assert_true(capped_hash(mesh_str(name)) == want);
            hashes++;
        } else if (sscanf(line, "score %63s %u %llx", name, &shard, &want) == 3) {
            assert_true(capped_score(capped_hash(mesh_str(name)), shard) == want);
            scores++;
        } else if (sscanf(line, "length %llx %llu", &score, &want) == 2) {
            assert_true(capped_length(score) == want);
            lengths++;
        } else {
            assert_int_equal(sscanf(line, "ring %u", &shard), 1);
            read_ring(file, &e);
            check_ring(&e, shard);
            rings++;
        }
    }
    fclose(file);
    assert_int_equal(hashes, 6);
    assert_int_equal(scores, 5);
    assert_int_equal(lengths, 11);
    assert_int_equal(rings, 7);
}

static void caps(void **state)
{
    (void)state;
    assert_int_equal(capped_cap(4096, 1, 1), 4096 + 128); /* a root that is whole */
    assert_int_equal(capped_cap(4096, 1, 3), 1440);       /* 1365.3 + 73.9: rounded up once */
    assert_int_equal(capped_cap(3, 1, 1), 3 + 4);         /* sqrt(12) is 3.5 */
    assert_int_equal(capped_cap(1, 1, 1024), 1);          /* 1/1024 + 0.06 */
    assert_int_equal(capped_cap(1, 1, 102400), 1);
    assert_int_equal(capped_cap(65536, 100, 100), 65536 + 512);
    assert_int_equal(capped_cap(65536, 100, 102400), 64 + 16); /* the largest product */
    assert_int_equal(capped_cap(65536, 1, 102400), 3);         /* 0.64 + 1.6 */
}

/* For caps of any size: no smaller number would do, in the words of the definition. */
static void caps_are_the_smallest_that_do(void **state)
{
    (void)state;
    static const uint32_t shards[] = {1, 2, 3, 100, 4096, 65535, 65536}, weights[] = {1, 2, 3, 10, 99, 100};
    for (size_t i = 0; i < sizeof shards / sizeof *shards; i++) {
        for (size_t j = 0; j < sizeof weights / sizeof *weights; j++) {
            for (uint32_t total = weights[j]; total <= 102400; total += 1 + total / 7) {
                const int64_t product = (int64_t)shards[i] * weights[j], least = 4 * product * total;
                int64_t over = (int64_t)capped_cap(shards[i], weights[j], total) * total - product;
                assert_true(over >= 0 && over * over >= least);
                over -= total;
                assert_true(over < 0 || over * over < least);
            }
        }
    }
}

static void lengths_are_logarithms_and_never_grow_with_the_score(void **state)
{
    (void)state;
    uint64_t score = 1, length = capped_length(score);
    while (score < UINT64_MAX) {
        /* Steps of about 1/4096 of the score, and single ones around each power of two. */
        bool edge = (score & (score + 1)) == 0 || (score & (score - 1)) == 0;
        uint64_t step = edge ? 1 : 1 + (score >> 12);
        score = UINT64_MAX - score < step ? UINT64_MAX : score + step;
        uint64_t next = capped_length(score);
        assert_true(next <= length && next >= 2);
        assert_true(fabs(ldexp((double)next, -32) - (64 - log2((double)(score | 1)))) < 1e-8);
        length = next;
    }
    assert_int_equal(length, 2);
}

/* Whether node a is nearer to a shard than b, a's name being the higher. */
static bool nearer(const struct ring *ring, size_t a, size_t b, uint32_t shard)
{
    uint64_t score_a = capped_score(capped_hash(ring_name(ring, a)), shard);
    uint64_t score_b = capped_score(capped_hash(ring_name(ring, b)), shard);
    uint64_t distance_a = capped_length(score_a) * ring_weight(ring, b);
    uint64_t distance_b = capped_length(score_b) * ring_weight(ring, a);
    return distance_a < distance_b || (distance_a == distance_b && score_a > score_b);
}

/* The definition word for word: for each shard all nodes by distance, the first that is not full taken. */
static void owners_by_definition(const struct ring *ring, uint16_t *owners)
{
    uint32_t owned[64] = {0};
    for (uint32_t s = 0; s < ring_shards(ring); s++) {
        bool tried[64] = {false};
        for (;;) {
            size_t best = SIZE_MAX;
            for (size_t i = 0; i < ring_nodes(ring); i++) {
                if (!tried[i] && (best == SIZE_MAX || nearer(ring, i, best, s)))
                    best = i;
            }
            assert_true(best != SIZE_MAX);
            tried[best] = true;
            if (owned[best] < ring_cap(ring, best)) {
                owned[best]++;
                owners[s] = (uint16_t)best;
                break;
            }
        }
    }
}

static void rings_are_those_of_the_definition(void **state)
{
    (void)state;
    static const uint32_t weights[] = {1, 100, 7, 7, 50, 2, 3};
    char names[20][32];
    mesh_bytes nodes[20];
    uint32_t w[20];
    uint16_t owners[512] = {0};
    for (size_t count = 1; count <= 20; count++) {
        for (size_t i = 0; i < count; i++) {
            snprintf(names[i], sizeof names[i], "n%zu@10.1.%zu.%zu", i * 7919 % 101, count, i);
            nodes[i] = mesh_str(names[i]);
            w[i] = count % 2 ? weights[i % 7] : 1;
        }
        struct ring *ring = NULL;
        assert_int_equal(ring_create(MESH_CAPPED, nodes, w, count, 512, NULL, NULL, &ring), MESH_OK);
        owners_by_definition(ring, owners);
        for (uint32_t s = 0; s < 512; s++)
            assert_int_equal(ring_owner(ring, s), owners[s]);
        ring_release(ring);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_numbers),
        cmocka_unit_test(caps),
        cmocka_unit_test(caps_are_the_smallest_that_do),
        cmocka_unit_test(lengths_are_logarithms_and_never_grow_with_the_score),
        cmocka_unit_test(rings_are_those_of_the_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
