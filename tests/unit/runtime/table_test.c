/* The table of processes: single cases, random use compared with a plain array, threads, and the limit of a stripe. */
#include <pthread.h>
#include <stdlib.h>

#include <mesh/error.h>

#include "runtime/table.h"
#include "unit/check.h"

struct item {
    struct table_entry entry;
    uint64_t hash;
    uint32_t key;
    bool present;
};

static struct slab_pool arrays;

static int set_up(void **state)
{
    (void)state;
    slab_init(&arrays, 0, sizeof(void *));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    slab_fini(&arrays);
    return 0;
}

static uint64_t mix(uint64_t z)
{
    z += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static const struct item *item_of(const struct table_entry *entry)
{
    return (const struct item *)entry;
}

static bool same_key(const struct table_entry *entry, const void *key)
{
    return item_of(entry)->key == *(const uint32_t *)key;
}

static const struct item *find(const struct table *table, const struct item *item)
{
    struct table_stripe *stripe = table_stripe(table, item->hash);
    table_lock(stripe);
    const struct table_entry *entry = table_find(stripe, item->hash, same_key, &item->key);
    table_unlock(stripe);
    return entry != NULL ? item_of(entry) : NULL;
}

static int insert(struct table *table, struct item *item)
{
    struct table_stripe *stripe = table_stripe(table, item->hash);
    table_lock(stripe);
    int error = table_insert(table, stripe, item->hash, &item->entry);
    table_unlock(stripe);
    return error;
}

static bool take_out(struct table *table, const struct item *item)
{
    struct table_stripe *stripe = table_stripe(table, item->hash);
    table_lock(stripe);
    bool removed = table_remove(table, stripe, item->hash, &item->entry);
    table_unlock(stripe);
    return removed;
}

static void an_empty_table_has_nothing(void **state)
{
    (void)state;
    struct table table;
    assert_int_equal(table_init(&table, 0, &arrays), MESH_OK);
    assert_int_equal(table.stripe_count, TABLE_DEFAULT_STRIPES);
    struct item item = {.hash = UINT64_MAX, .key = 1};
    assert_null(find(&table, &item));
    assert_false(take_out(&table, &item));
    assert_int_equal(table_count(&table), 0);
    for (size_t i = 0; i < table.stripe_count; i++)
        assert_null(table.stripes[i].slots); /* nothing allocated */
    uint32_t cursor = 0;
    assert_null(table_next(&table.stripes[0], &cursor));
    table_fini(&table);
}

static void stripe_counts_are_powers_of_two(void **state)
{
    (void)state;
    struct table table;
    assert_int_equal(table_init(&table, 3, &arrays), MESH_EINVAL);
    assert_int_equal(table_init(&table, (size_t)TABLE_MAX_STRIPES * 2, &arrays), MESH_EINVAL);
    for (size_t count = 1; count <= TABLE_MAX_STRIPES; count *= 4) {
        assert_int_equal(table_init(&table, count, &arrays), MESH_OK);
        assert_ptr_equal(table_stripe(&table, 0), &table.stripes[0]);
        assert_ptr_equal(table_stripe(&table, UINT64_MAX), &table.stripes[count - 1]);
        assert_int_equal((uintptr_t)table.stripes % 64, 0);
        table_fini(&table);
    }
}

/* Equal hashes, equal tags, and equal (tag, check) in the same stripe must all be told apart by the key. */
static void collisions_are_told_apart(void **state)
{
    (void)state;
    struct table table;
    assert_int_equal(table_init(&table, 1, &arrays), MESH_OK);
    struct item items[64];
    for (uint32_t i = 0; i < 64; i++) {
        items[i] = (struct item){.hash = UINT64_C(0xFFFF) | (uint64_t)(i % 4) << 20, .key = i};
        assert_null(find(&table, &items[i]));
        assert_int_equal(insert(&table, &items[i]), MESH_OK);
    }
    for (uint32_t i = 0; i < 64; i++)
        assert_ptr_equal(find(&table, &items[i]), &items[i]);
    for (uint32_t i = 0; i < 64; i += 2) {
        assert_true(take_out(&table, &items[i]));
        assert_false(take_out(&table, &items[i]));
    }
    for (uint32_t i = 0; i < 64; i++)
        assert_ptr_equal(find(&table, &items[i]), i % 2 == 0 ? NULL : &items[i]);
    assert_int_equal(table_count(&table), 32);
    table_fini(&table);
}

static void check_load(const struct table_stripe *stripe)
{
    uint32_t used = 0;
    for (uint32_t i = 0; i < stripe->capacity; i++)
        used += stripe->slots[i] != 0;
    assert_int_equal(used, atomic_load(&stripe->count));
    assert_true(stripe->capacity == 0 || used <= stripe->capacity / 4 * 3);
    assert_true(stripe->capacity <= 12 || used >= stripe->capacity / 4);
}

static void check_iteration(const struct table *table, struct item *items, size_t count)
{
    size_t seen = 0;
    for (size_t s = 0; s < table->stripe_count; s++) {
        struct table_stripe *stripe = &table->stripes[s];
        uint32_t cursor = 0;
        table_lock(stripe);
        for (const struct table_entry *entry; (entry = table_next(stripe, &cursor)) != NULL; seen++) {
            const struct item *item = item_of(entry);
            assert_true(item >= items && item < items + count && item->present);
            assert_ptr_equal(table_stripe(table, item->hash), stripe);
        }
        check_load(stripe);
        table_unlock(stripe);
    }
    assert_int_equal(seen, table_count(table));
}

/* One run: hash_mask thins the hash out, so that some runs have long runs of slots and many collisions. */
static void agree_with_array(uint64_t seed, size_t stripes, uint64_t hash_mask)
{
    enum { ITEMS = 1500, STEPS = 20000 };
    struct table table;
    assert_int_equal(table_init(&table, stripes, &arrays), MESH_OK);
    struct item *items = calloc(ITEMS, sizeof *items);
    assert_non_null(items);
    for (uint32_t i = 0; i < ITEMS; i++)
        items[i] = (struct item){.hash = mix(seed << 32 | i) & hash_mask, .key = i};
    size_t present = 0;
    for (uint64_t step = 0; step < STEPS; step++) {
        uint64_t r = mix(seed * 977 + step);
        struct item *item = &items[r % ITEMS];
        bool growing = step / 4000 % 2 == 0; /* fill, empty, fill … */
        assert_ptr_equal(find(&table, item), item->present ? item : NULL);
        if (!item->present && (growing || r >> 60 == 0)) {
            assert_int_equal(insert(&table, item), MESH_OK);
            item->present = true;
            present++;
        } else if (item->present && (!growing || r >> 60 == 0)) {
            assert_true(take_out(&table, item));
            item->present = false;
            present--;
        }
        if (step % 1000 == 0)
            check_iteration(&table, items, ITEMS);
    }
    assert_int_equal(table_count(&table), present);
    for (uint32_t i = 0; i < ITEMS; i++)
        assert_ptr_equal(find(&table, &items[i]), items[i].present ? &items[i] : NULL);
    table_fini(&table);
    free(items);
}

static void random_use_agrees_with_a_plain_array(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        agree_with_array(seed, 16, UINT64_MAX);
        agree_with_array(seed, 1, UINT64_MAX);
        agree_with_array(seed, 4, UINT64_C(0xC00000000000F801)); /* few tags, at both ends: runs that go round */
        agree_with_array(seed, 64, UINT64_C(0xFC0000000000FF00));
    }
}

static void a_stripe_has_a_limit(void **state)
{
    (void)state;
    enum { LIMIT = TABLE_MAX_SLOTS / 8 * 7 };
    struct table table;
    assert_int_equal(table_init(&table, 1, &arrays), MESH_OK);
    struct item *items = calloc(LIMIT + 1, sizeof *items);
    assert_non_null(items);
    for (uint32_t i = 0; i < LIMIT + 1; i++) {
        items[i] = (struct item){.hash = mix(i), .key = i};
        assert_int_equal(insert(&table, &items[i]), i < LIMIT ? MESH_OK : MESH_ELIMIT);
    }
    assert_null(find(&table, &items[LIMIT]));
    for (uint32_t i = 0; i < LIMIT; i += 97)
        assert_ptr_equal(find(&table, &items[i]), &items[i]);
    assert_true(take_out(&table, &items[5]));
    assert_int_equal(insert(&table, &items[LIMIT]), MESH_OK);
    for (uint32_t i = 0; i <= LIMIT; i++)
        assert_int_equal(take_out(&table, &items[i]), i != 5);
    assert_int_equal(table_count(&table), 0);
    assert_true(table.stripes[0].capacity <= 12); /* shrunk */
    table_fini(&table);
    free(items);
}

static void memory_is_about_13_bytes_an_entry(void **state)
{
    (void)state;
    enum { ITEMS = 100000 };
    struct table table;
    assert_int_equal(table_init(&table, 256, &arrays), MESH_OK);
    struct item *items = calloc(ITEMS, sizeof *items);
    assert_non_null(items);
    size_t slots = 0;
    for (uint32_t i = 0; i < ITEMS; i++) {
        items[i] = (struct item){.hash = mix(i), .key = i};
        assert_int_equal(insert(&table, &items[i]), MESH_OK);
    }
    for (size_t s = 0; s < table.stripe_count; s++)
        slots += table.stripes[s].capacity;
    assert_in_range(slots * 8, ITEMS * 8 * 4 / 3, ITEMS * 8 * 2);
    table_fini(&table);
    free(items);
}

struct worker {
    struct table *table;
    struct item *items; /* shared: each thread owns those with i % 4 == number, and finds all */
    uint32_t number;
    size_t found;
};

enum { SHARED_ITEMS = 2000 };

static void *work(void *arg)
{
    struct worker *w = arg;
    for (uint64_t step = 0; step < 20000; step++) {
        uint64_t r = mix((uint64_t)w->number << 40 | step);
        struct item *item = &w->items[r % SHARED_ITEMS];
        if (r % 4 != w->number) {
            w->found += find(w->table, item) != NULL;
        } else if (item->present) {
            item->present = !take_out(w->table, item);
        } else {
            item->present = insert(w->table, item) == MESH_OK;
        }
    }
    return NULL;
}

static void threads_share_a_table(void **state)
{
    (void)state;
    struct table table;
    assert_int_equal(table_init(&table, 8, &arrays), MESH_OK);
    struct item *items = calloc(SHARED_ITEMS, sizeof *items);
    assert_non_null(items);
    for (uint32_t i = 0; i < SHARED_ITEMS; i++)
        items[i] = (struct item){.hash = mix(i), .key = i};
    pthread_t threads[4];
    struct worker workers[4];
    for (uint32_t i = 0; i < 4; i++) {
        workers[i] = (struct worker){.table = &table, .items = items, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    size_t present = 0;
    for (uint32_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (uint32_t i = 0; i < SHARED_ITEMS; i++) {
        present += items[i].present;
        assert_ptr_equal(find(&table, &items[i]), items[i].present ? &items[i] : NULL);
    }
    assert_int_equal(table_count(&table), present);
    check_iteration(&table, items, SHARED_ITEMS);
    table_fini(&table);
    free(items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_table_has_nothing), cmocka_unit_test(stripe_counts_are_powers_of_two),
        cmocka_unit_test(collisions_are_told_apart),  cmocka_unit_test(random_use_agrees_with_a_plain_array),
        cmocka_unit_test(a_stripe_has_a_limit),       cmocka_unit_test(memory_is_about_13_bytes_an_entry),
        cmocka_unit_test(threads_share_a_table),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
