/* capped against its published numbers (docs/placement.md): hashes, scores, caps, and whole rings. */
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
    unsigned long long want;
    int hashes = 0, scores = 0, rings = 0;
    while (vectors_line(file, line, sizeof line)) {
        if (sscanf(line, "hash %63s %llx", name, &want) == 2) {
            assert_true(capped_hash(mesh_str(name)) == want);
            hashes++;
        } else if (sscanf(line, "score %63s %u %llx", name, &shard, &want) == 3) {
            assert_true(capped_score(capped_hash(mesh_str(name)), shard) == want);
            scores++;
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
    assert_int_equal(rings, 7);
}

static void caps(void **state)
{
    (void)state;
    assert_int_equal(capped_cap(4096, 1, 1), 4096 + 64);
    assert_int_equal(capped_cap(4096, 1, 3), 1366 + 36);        /* fair 1365.3: ceil, and the root of its floor */
    assert_int_equal(capped_cap(1, 1, 1024), 1);                /* floor 0 */
    assert_int_equal(capped_cap(65536, 100, 100), 65536 + 256); /* the largest product */
    assert_int_equal(capped_cap(65536, 100, 102400), 64 + 8);
    assert_int_equal(capped_cap(65535, 1, 1), 65535 + 255); /* just below a square */
}

/* The definition word for word: all nodes sorted by score for each shard, the first that is not full taken. */
static void owners_by_definition(const struct ring *ring, uint16_t *owners)
{
    uint32_t owned[64] = {0};
    for (uint32_t s = 0; s < ring_shards(ring); s++) {
        bool tried[64] = {false};
        for (;;) {
            size_t best = SIZE_MAX;
            uint64_t best_score = 0;
            for (size_t i = 0; i < ring_nodes(ring); i++) {
                uint64_t score = capped_score(capped_hash(ring_name(ring, i)), s);
                if (!tried[i] && (best == SIZE_MAX || score > best_score)) {
                    best = i;
                    best_score = score;
                }
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
        cmocka_unit_test(rings_are_those_of_the_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
