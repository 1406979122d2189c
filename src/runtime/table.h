/* The table of live processes: finds an entry by a 64-bit hash of its id, under a short lock.
 *
 * The table is cut into stripes, each with a lock and an open-addressing array of its own, so that threads meet rarely
 * and a stripe grows alone, in about a microsecond. Entries belong to the caller and carry a struct table_entry; a
 * slot is their address with 16 bits of the hash above it, so that a search follows hardly a pointer in vain, and a
 * stripe that grows touches no entry.
 *
 *     hash   63 … stripe … 48 | 47 … check (in the entry) … 16 | 15 … tag (in the slot) … 0
 *
 * The hash must be keyed (SipHash with a secret): whoever can choose the hashes can fill one stripe. Usage:
 *
 *     struct table_stripe *stripe = table_stripe(table, hash);
 *     table_lock(stripe);
 *     struct table_entry *entry = table_find(stripe, hash, same_id, &key);
 *     … pin the entry, or table_insert a new one …
 *     table_unlock(stripe);
 *
 * Lock order: no two stripes are held together; what may be taken inside one is in runtime.h. LeakSanitizer does not
 * see through the tags: entries that only the table knows at exit are reported as leaks. */
#ifndef RUNTIME_TABLE_H
#define RUNTIME_TABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lock.h"
#include "runtime/slab.h"

enum {
    TABLE_DEFAULT_STRIPES = 4096,
    TABLE_MAX_STRIPES = 1 << 16,
    TABLE_MAX_SLOTS = 1 << 16, /* of one stripe: as many as there are tags */
    TABLE_TAG_BITS = 16,
    TABLE_POINTER_BITS = 48,
};

/* Embedded in each entry. Written by table_insert, constant until table_remove. */
struct table_entry {
    uint32_t check;
};

/* Half a cache line. Everything under lock; count may also be read without it. */
struct table_stripe {
    _Alignas(32) struct spin lock;
    _Atomic uint32_t count; /* written under lock, all relaxed: a number, it orders nothing */
    uint32_t capacity;      /* slots; 0 before the first entry. Written atomically, for table_prefetch */
    uint64_t *slots;        /* tag << 48 | address; 0: free. At least one is free. Likewise */
};

struct table {
    struct slab_pool *arrays;     /* of the stripes' slots */
    struct table_stripe *stripes; /* constant after init */
    size_t stripe_count;
    unsigned shift;
};

/* Prepares an empty table in the caller's memory. stripe_count: a power of two up to TABLE_MAX_STRIPES, or 0 for
 * TABLE_DEFAULT_STRIPES (128 KiB). arrays: where it gets memory for slots; ends after the table. MESH_EINVAL,
 * MESH_ENOMEM. */
int table_init(struct table *table, size_t stripe_count, struct slab_pool *arrays);

/* Frees the table. Entries that are still in it stay the caller's. Nobody may use the table any more. */
void table_fini(struct table *table);

/* How many entries there are; while other threads add and remove, a number from about now. Any thread, no lock. */
size_t table_count(const struct table *table);

/* Adds an entry under its hash. The caller holds the stripe's lock and has found no equal one. The entry must stay
 * where it is until table_remove. May allocate. MESH_ELIMIT: the stripe has TABLE_MAX_SLOTS slots and 7/8 of them are
 * in use. MESH_ENOMEM. After an error the stripe is as before. */
int table_insert(struct table *table, struct table_stripe *stripe, uint64_t hash, struct table_entry *entry);

/* Takes an entry out; says whether it was there. The caller holds the stripe's lock, and hash is the one it was
 * inserted with. */
bool table_remove(struct table *table, struct table_stripe *stripe, uint64_t hash, const struct table_entry *entry);

/* The entries of a stripe one after the other, in no order; NULL at the end. *cursor is 0 at first. The caller holds
 * the stripe's lock from the first call to the last and neither inserts nor removes in between. */
struct table_entry *table_next(const struct table_stripe *stripe, uint32_t *cursor);

/* The stripe of a hash. Any thread. */
static inline struct table_stripe *table_stripe(const struct table *table, uint64_t hash)
{
    return &table->stripes[(hash >> 1) >> table->shift]; /* in two steps: one stripe would be a shift by 64 */
}

static inline void table_lock(struct table_stripe *stripe)
{
    spin_lock(&stripe->lock);
}

static inline void table_unlock(struct table_stripe *stripe)
{
    spin_unlock(&stripe->lock);
}

static inline uint32_t table_check(uint64_t hash)
{
    return (uint32_t)(hash >> TABLE_TAG_BITS);
}

/* Where a search for a tag begins. Rising with the tag, for any capacity, not only powers of two. */
static inline uint32_t table_home(uint64_t tag, uint32_t capacity)
{
    return (uint32_t)(tag * capacity >> TABLE_TAG_BITS);
}

/* Fetches the slot where a search for this hash begins. Without the lock: at worst it fetches the wrong one. */
static inline void table_prefetch(const struct table_stripe *stripe, uint64_t hash)
{
    const uint64_t *slots = __atomic_load_n(&stripe->slots, __ATOMIC_RELAXED);
    uint32_t capacity = __atomic_load_n(&stripe->capacity, __ATOMIC_RELAXED);
    uintptr_t slot = (uintptr_t)slots + sizeof *slots * table_home(hash & ((1 << TABLE_TAG_BITS) - 1), capacity);
    __builtin_prefetch((const void *)slot, 1);
}

/* The entry with this hash for which same(entry, key) is true, or NULL. The caller holds the stripe's lock. Always
 * inlined, and so is `same` when it is a static function: then a search calls nothing. It is asked for hardly any
 * entry but the right one. */
__attribute__((always_inline)) static inline struct table_entry *
table_find(const struct table_stripe *stripe, uint64_t hash, bool (*same)(const struct table_entry *, const void *key),
           const void *key)
{
    uint32_t capacity = stripe->capacity;
    uint64_t tag = hash & ((1 << TABLE_TAG_BITS) - 1);
    if (capacity == 0)
        return NULL;
    for (uint32_t i = table_home(tag, capacity);;) {
        uint64_t slot = stripe->slots[i];
        if (slot == 0)
            return NULL;
        if (slot >> TABLE_POINTER_BITS == tag) {
            uint64_t address = slot & ((UINT64_C(1) << TABLE_POINTER_BITS) - 1);
            struct table_entry *entry = (struct table_entry *)(uintptr_t)address;
            if (entry->check == table_check(hash) && same(entry, key))
                return entry;
        }
        if (++i == capacity)
            i = 0;
    }
}

#endif
