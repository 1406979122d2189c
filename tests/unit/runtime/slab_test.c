/* Cells for actors: sizes, reuse, caches, and the word of a free cell, which is 0 whatever happens to its chunk. */
#include <stdlib.h>
#include <string.h>

#include "runtime/slab.h"
#include "unit/check.h"

/* What a cell looks like here: the word, and behind it the link. */
struct cell {
    uint64_t number;
    uintptr_t word;
    void *link;
};

enum { CELLS = 20000, BYTES = 96 };

static struct slab_pool pool;

static int set_up(void **state)
{
    (void)state;
    slab_init(&pool, offsetof(struct cell, word), offsetof(struct cell, link));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    slab_fini(&pool);
    return 0;
}

/* Takes a cell, checks that it says that it is free, and fills it to the last byte. */
static struct cell *take(struct slab_cache *cache, size_t bytes, uint64_t number)
{
    struct cell *cell = slab_get(&pool, cache, bytes);
    assert_non_null(cell);
    assert_int_equal((uintptr_t)cell % SLAB_GRAIN_BYTES, 0);
    assert_int_equal(cell->word, 0);
    memset(cell, 0xff, bytes);
    cell->number = number;
    return cell;
}

static void cells_do_not_overlap(void **state)
{
    (void)state;
    struct slab_cache cache = {0};
    for (size_t bytes = sizeof(struct cell); bytes <= SLAB_MAX_BYTES; bytes += 37) {
        struct cell *cells[200];
        for (uint64_t i = 0; i < 200; i++)
            cells[i] = take(i % 3 == 0 ? NULL : &cache, bytes, i);
        for (uint64_t i = 0; i < 200; i++) {
            assert_int_equal(cells[i]->number, i);
            slab_put(&pool, i % 2 == 0 ? NULL : &cache, cells[i], bytes);
        }
    }
    slab_cache_flush(&pool, &cache);
}

static void cells_are_used_again(void **state)
{
    (void)state;
    struct slab_cache cache = {0};
    static struct cell *cells[CELLS];
    size_t after_first = 0;
    for (int round = 0; round < 5; round++) {
        for (uint64_t i = 0; i < CELLS; i++)
            cells[i] = take(&cache, BYTES, i);
        if (round == 0)
            after_first = slab_chunk_bytes(&pool);
        for (uint64_t i = 0; i < CELLS; i++)
            slab_put(&pool, &cache, cells[i], BYTES);
    }
    assert_in_range(slab_chunk_bytes(&pool), 1, after_first + SLAB_CHUNK_BYTES);
    slab_cache_flush(&pool, &cache);
}

/* A hint may lead to any cell at any time: its word must be there, and 0 while the cell is free. */
static void the_word_of_a_free_cell_is_0_for_ever(void **state)
{
    (void)state;
    struct slab_cache cache = {0};
    static struct cell *cells[CELLS];
    for (uint64_t i = 0; i < CELLS; i++)
        cells[i] = take(&cache, BYTES, i);
    for (uint64_t i = 0; i < CELLS; i++)
        slab_put(&pool, &cache, cells[i], BYTES);
    slab_cache_flush(&pool, &cache); /* by now most chunks have given their pages back */
    for (uint64_t i = 0; i < CELLS; i++)
        assert_int_equal(cells[i]->word, 0);
    for (uint64_t i = 0; i < CELLS / 2; i++)
        take(&cache, BYTES, i);
    size_t used = 0;
    for (uint64_t i = 0; i < CELLS; i++)
        used += cells[i]->word != 0;
    assert_int_equal(used, CELLS / 2); /* the very cells of before, and no others */
    slab_cache_flush(&pool, &cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(cells_do_not_overlap, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cells_are_used_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_word_of_a_free_cell_is_0_for_ever, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
