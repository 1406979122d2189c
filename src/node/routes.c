/* Cells and entries: see routes.h. */
#include "node/routes.h"

static _Atomic uint64_t *cell_of(struct routes *routes, const struct class *class, uint32_t shard)
{
    return &routes->cells[(shard + class->index * ROUTES_CLASS_STEP) % (1u << ROUTES_CELL_BITS)];
}

/* With the place of the cell, it tells the class and the shard. */
static uint64_t entry_of(uint64_t view, const struct class *class, uint32_t shard)
{
    uint64_t tag = (uint64_t) class->index << (ROUTES_SHARD_BITS - ROUTES_CELL_BITS) | shard >> ROUTES_CELL_BITS;
    return ((view >> 1) << ROUTES_TAG_BITS | tag) << ROUTES_SLOT_BITS;
}

_Static_assert(CLASSES_MAX << (ROUTES_SHARD_BITS - ROUTES_CELL_BITS) == 1 << ROUTES_TAG_BITS, "a tag has room");

void routes_note(struct routes *routes, const struct class *class, uint32_t shards, uint32_t shard, uint16_t slot)
{
    uint64_t view = routes_view(routes);
    if (view == 0)
        return;
    atomic_store_explicit(&routes->shards[class->index], (view >> 1) << ROUTES_SHARD_BITS | (shards - 1),
                          memory_order_relaxed);
    atomic_store_explicit(cell_of(routes, class, shard), entry_of(view, class, shard) | slot, memory_order_relaxed);
}

uint16_t routes_find(struct routes *routes, const struct class *class, uint32_t hash)
{
    uint64_t view = routes_view(routes);
    uint64_t shards = atomic_load_explicit(&routes->shards[class->index], memory_order_relaxed);
    if (view == 0 || shards >> ROUTES_SHARD_BITS != view >> 1)
        return 0;
    uint32_t shard = hash % ((uint32_t)(shards % (1u << ROUTES_SHARD_BITS)) + 1);
    uint64_t entry = atomic_load_explicit(cell_of(routes, class, shard), memory_order_relaxed);
    uint64_t slot = entry ^ entry_of(view, class, shard);
    return slot < 1u << ROUTES_SLOT_BITS ? (uint16_t)slot : 0;
}
