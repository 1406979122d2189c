/* A striped hash table of tagged slots: linear probing, growth, and removal without tombstones.
 *
 * Capacities are 8, 12, 16, 24, 32, 48 … 65,536: steps of a half and a third keep a stripe between one half and three
 * quarters full, about 13 bytes an entry. Doubling would leave it as low as 3/8. At the last capacity up to 7/8 may be
 * in use. A stripe that is less than a quarter full shrinks by half.
 *
 * The home slot of an entry follows from its tag alone, so growing and removing read slots only: no entry comes into
 * the cache. Removal moves later slots of the same run back into the gap, hence searches never walk over leftovers. */
#include "runtime/table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <mesh/error.h>

enum { MIN_SLOTS = 8, ALIGNMENT = 64 };

static size_t array_bytes(uint32_t capacity)
{
    return capacity * sizeof(uint64_t);
}

int table_init(struct table *table, size_t stripe_count, struct slab_pool *arrays)
{
    size_t count = stripe_count != 0 ? stripe_count : TABLE_DEFAULT_STRIPES;
    if (count > TABLE_MAX_STRIPES || (count & (count - 1)) != 0)
        return MESH_EINVAL;
    size_t size = count * sizeof *table->stripes;
    struct table_stripe *stripes = aligned_alloc(ALIGNMENT, (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    if (stripes == NULL)
        return MESH_ENOMEM;
    memset(stripes, 0, size);
    *table = (struct table){.arrays = arrays, .stripes = stripes, .stripe_count = count, .shift = 63};
    for (; count > 1; count /= 2)
        table->shift--;
    return MESH_OK;
}

void table_fini(struct table *table)
{
    for (size_t i = 0; i < table->stripe_count; i++)
        slab_array_put(table->arrays, table->stripes[i].slots, array_bytes(table->stripes[i].capacity));
    free(table->stripes);
}

size_t table_count(const struct table *table)
{
    size_t count = 0;
    for (size_t i = 0; i < table->stripe_count; i++)
        count += atomic_load_explicit(&table->stripes[i].count, memory_order_relaxed);
    return count;
}

static uint32_t count_of(const struct table_stripe *stripe)
{
    return atomic_load_explicit(&stripe->count, memory_order_relaxed);
}

static void set_count(struct table_stripe *stripe, uint32_t count)
{
    atomic_store_explicit(&stripe->count, count, memory_order_relaxed);
}

static uint32_t home_of(uint64_t slot, uint32_t capacity)
{
    return table_home(slot >> TABLE_POINTER_BITS, capacity);
}

static uint32_t after(uint32_t i, uint32_t capacity)
{
    return i + 1 < capacity ? i + 1 : 0;
}

/* How far it is from one slot forward to another, going round. */
static uint32_t distance(uint32_t from, uint32_t to, uint32_t capacity)
{
    return to >= from ? to - from : to + capacity - from;
}

static bool is_power_of_two(uint32_t n)
{
    return (n & (n - 1)) == 0;
}

static uint32_t larger(uint32_t capacity)
{
    if (capacity == 0)
        return MIN_SLOTS;
    return is_power_of_two(capacity) ? capacity / 2 * 3 : capacity / 3 * 4;
}

/* Puts a slot into the first free place for its tag; there is one. */
static void place(uint64_t *slots, uint32_t capacity, uint64_t slot)
{
    uint32_t i = home_of(slot, capacity);
    while (slots[i] != 0)
        i = after(i, capacity);
    slots[i] = slot;
}

/* Moves the slots into an array of another capacity; false when there is no memory for it. */
static bool resize(struct table *table, struct table_stripe *stripe, uint32_t capacity)
{
    uint64_t *slots = slab_array_get(table->arrays, array_bytes(capacity));
    if (slots == NULL)
        return false;
    for (uint32_t i = 0; i < stripe->capacity; i++)
        if (stripe->slots[i] != 0)
            place(slots, capacity, stripe->slots[i]);
    slab_array_put(table->arrays, stripe->slots, array_bytes(stripe->capacity));
    __atomic_store_n(&stripe->slots, slots, __ATOMIC_RELAXED);
    __atomic_store_n(&stripe->capacity, capacity, __ATOMIC_RELAXED);
    return true;
}

int table_insert(struct table *table, struct table_stripe *stripe, uint64_t hash, struct table_entry *entry)
{
    uint64_t address = (uint64_t)(uintptr_t)entry;
    assert(address != 0 && address >> TABLE_POINTER_BITS == 0);
    uint32_t count = count_of(stripe);
    if (stripe->capacity == TABLE_MAX_SLOTS) {
        if (count >= TABLE_MAX_SLOTS / 8 * 7)
            return MESH_ELIMIT;
    } else if (count >= stripe->capacity / 4 * 3) {
        if (!resize(table, stripe, larger(stripe->capacity)))
            return MESH_ENOMEM;
    }
    entry->check = table_check(hash);
    place(stripe->slots, stripe->capacity, hash << TABLE_POINTER_BITS | address);
    set_count(stripe, count + 1);
    return MESH_OK;
}

/* Frees slot `gap`. A later slot of the run may move into the gap unless its home lies behind the gap: then a search
 * for it would begin behind its new place. */
static void close_gap(struct table_stripe *stripe, uint32_t gap)
{
    uint32_t capacity = stripe->capacity;
    uint64_t *slots = stripe->slots;
    for (uint32_t i = after(gap, capacity); slots[i] != 0; i = after(i, capacity)) {
        if (distance(home_of(slots[i], capacity), i, capacity) >= distance(gap, i, capacity)) {
            slots[gap] = slots[i];
            gap = i;
        }
    }
    slots[gap] = 0;
}

bool table_remove(struct table *table, struct table_stripe *stripe, uint64_t hash, const struct table_entry *entry)
{
    if (stripe->capacity == 0)
        return false;
    uint64_t slot = hash << TABLE_POINTER_BITS | (uint64_t)(uintptr_t)entry;
    uint32_t i = home_of(slot, stripe->capacity);
    while (stripe->slots[i] != slot) {
        if (stripe->slots[i] == 0)
            return false;
        i = after(i, stripe->capacity);
    }
    close_gap(stripe, i);
    uint32_t count = count_of(stripe) - 1;
    set_count(stripe, count);
    if (count < stripe->capacity / 4 && stripe->capacity / 2 >= MIN_SLOTS)
        (void)resize(table, stripe, stripe->capacity / 2); /* without memory for it, it stays as it is */
    return true;
}

struct table_entry *table_next(const struct table_stripe *stripe, uint32_t *cursor)
{
    while (*cursor < stripe->capacity) {
        uint64_t slot = stripe->slots[(*cursor)++];
        if (slot != 0)
            return (struct table_entry *)(uintptr_t)(slot & ((UINT64_C(1) << TABLE_POINTER_BITS) - 1));
    }
    return NULL;
}
