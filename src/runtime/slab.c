/* Cells, chunks and regions: see slab.h.
 *
 *     region   4 MiB, mapped at once, aligned to its size: 64 chunks
 *     chunk    64 KiB: struct slab_chunk, then cells of one size, up to the end
 *
 * The chunk of a cell is found by its address. Cells of a chunk that were never used are not in a list: `fresh` says
 * where they begin. Their words read as zero, like those of all free cells. */
#include "runtime/slab.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "runtime/context.h"

#if defined(CONTEXT_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#endif

enum { BATCH_MAX = 32, BATCH_BYTES = 8192, CHUNK_HEADER = 64, EMPTY_KEPT = 16 };

struct slab_chunk {
    struct slab_chunk *prev, *next; /* in pool->open; of a chunk without free cells undefined */
    void *free;
    uint32_t cell_bytes;
    uint32_t fresh; /* offset of the first cell that was never used, or of the end */
    uint32_t used;  /* cells that are not free; those in caches count as used */
    bool kept;      /* counted in pool->empty */
};

struct slab_region {
    struct slab_region *next;
    char *base;
};

_Static_assert(sizeof(struct slab_chunk) <= CHUNK_HEADER, "the header fits");

/* Above the fine sizes an index stands for 3/4 of a power of two, the next for the power itself. */
static uint32_t size_index(size_t bytes)
{
    enum { FINE = SLAB_FINE_MAX_BYTES / SLAB_GRAIN_BYTES, FINE_LOG = 9 };
    if (bytes <= SLAB_FINE_MAX_BYTES)
        return (uint32_t)((bytes + SLAB_GRAIN_BYTES - 1) / SLAB_GRAIN_BYTES);
    uint32_t log = 63 - (uint32_t)__builtin_clzll(bytes - 1), upper = (uint32_t)((bytes - 1) >> (log - 1)) & 1;
    return FINE + 1 + (log - FINE_LOG) * 2 + upper;
}

static uint32_t cell_bytes(size_t bytes)
{
    if (bytes <= SLAB_FINE_MAX_BYTES)
        return (uint32_t)((bytes + SLAB_GRAIN_BYTES - 1) / SLAB_GRAIN_BYTES * SLAB_GRAIN_BYTES);
    uint32_t log = 63 - (uint32_t)__builtin_clzll(bytes - 1), upper = (uint32_t)((bytes - 1) >> (log - 1)) & 1;
    return (3 + upper) << (log - 1);
}

static uint32_t batch_of(uint32_t cell)
{
    return cell * BATCH_MAX <= BATCH_BYTES ? BATCH_MAX : cell >= BATCH_BYTES / 2 ? 2 : BATCH_BYTES / cell;
}

static void **link_of(const struct slab_pool *pool, void *cell)
{
    return (void **)((char *)cell + pool->link);
}

/* ---- What the sanitizers are told: a free cell may be read where the pool says, and nowhere else ---- */

static void hide(const struct slab_pool *pool, void *cell, size_t bytes)
{
#if defined(CONTEXT_ASAN)
    size_t kept = (pool->word > pool->link ? pool->word : pool->link) + sizeof(void *);
    if (bytes > kept)
        ASAN_POISON_MEMORY_REGION((char *)cell + kept, bytes - kept);
#endif
    (void)pool;
    (void)cell;
    (void)bytes;
}

static void show(void *cell, size_t bytes)
{
#if defined(CONTEXT_ASAN)
    ASAN_UNPOISON_MEMORY_REGION(cell, bytes);
#endif
    (void)cell;
    (void)bytes;
}

/* ---- Regions and chunks; the pool's lock is held ---- */

void slab_init(struct slab_pool *pool, size_t word, size_t link)
{
    *pool = (struct slab_pool){.word = word, .link = link, .carved = SLAB_REGION_BYTES / SLAB_CHUNK_BYTES};
}

void slab_fini(struct slab_pool *pool)
{
    while (pool->regions != NULL) {
        struct slab_region *region = pool->regions;
        pool->regions = region->next;
        show(region->base, SLAB_REGION_BYTES);
#if defined(CONTEXT_ASAN)
        __lsan_unregister_root_region(region->base, SLAB_REGION_BYTES);
#endif
        munmap(region->base, SLAB_REGION_BYTES);
        free(region);
    }
}

/* Maps a region at a multiple of its size: twice the size, then the ends are cut off. */
static bool map_region(struct slab_pool *pool)
{
    size_t size = SLAB_REGION_BYTES;
    struct slab_region *region = malloc(sizeof *region);
    if (region == NULL)
        return false;
    char *mapped = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) {
        free(region);
        return false;
    }
    size_t before = (size - (uintptr_t)mapped % size) % size;
    if (before > 0)
        munmap(mapped, before);
    munmap(mapped + before + size, size - before);
    *region = (struct slab_region){pool->regions, mapped + before};
    /* Huge pages mean fewer faults and fewer misses of the TLB. A small node would rather have its memory. */
    if (region->next != NULL)
        (void)madvise(region->base, size, MADV_HUGEPAGE);
#if defined(CONTEXT_ASAN)
    __lsan_register_root_region(region->base, size); /* states of processes may point to what they own */
#endif
    pool->regions = region;
    pool->carved = 0;
    return true;
}

static void open_chunk(struct slab_pool *pool, struct slab_chunk *chunk)
{
    struct slab_chunk **first = &pool->open[size_index(chunk->cell_bytes)];
    chunk->prev = NULL;
    chunk->next = *first;
    if (*first != NULL)
        (*first)->prev = chunk;
    *first = chunk;
}

static void close_chunk(struct slab_pool *pool, struct slab_chunk *chunk)
{
    if (chunk->prev != NULL)
        chunk->prev->next = chunk->next;
    else
        pool->open[size_index(chunk->cell_bytes)] = chunk->next;
    if (chunk->next != NULL)
        chunk->next->prev = chunk->prev;
}

/* A new chunk, open. NULL: no memory. */
static struct slab_chunk *make_chunk(struct slab_pool *pool, uint32_t cell)
{
    if (pool->carved == SLAB_REGION_BYTES / SLAB_CHUNK_BYTES && !map_region(pool))
        return NULL;
    struct slab_chunk *chunk = (struct slab_chunk *)(pool->regions->base + (size_t)pool->carved++ * SLAB_CHUNK_BYTES);
    *chunk = (struct slab_chunk){.cell_bytes = cell, .fresh = CHUNK_HEADER};
    open_chunk(pool, chunk);
    return chunk;
}

static bool has_fresh(const struct slab_chunk *chunk)
{
    return chunk->fresh + chunk->cell_bytes <= SLAB_CHUNK_BYTES;
}

static void *take(struct slab_pool *pool, size_t bytes)
{
    struct slab_chunk *chunk = pool->open[size_index(bytes)];
    if (chunk == NULL && (chunk = make_chunk(pool, cell_bytes(bytes))) == NULL)
        return NULL;
    void *cell = chunk->free;
    if (cell != NULL) {
        chunk->free = *link_of(pool, cell);
    } else {
        cell = (char *)chunk + chunk->fresh;
        chunk->fresh += chunk->cell_bytes;
    }
    chunk->used++;
    pool->empty -= chunk->kept;
    chunk->kept = false;
    if (chunk->free == NULL && !has_fresh(chunk))
        close_chunk(pool, chunk);
    return cell;
}

/* All its cells are free: a few such chunks are kept as they are, others give their pages back but the first. */
static void empty_chunk(struct slab_pool *pool, struct slab_chunk *chunk)
{
    enum { PAGE = 4096 };
    chunk->kept = pool->empty < EMPTY_KEPT;
    pool->empty += chunk->kept;
    if (chunk->kept)
        return;
    show(chunk, SLAB_CHUNK_BYTES);
    /* The cells of the first page stay in place: their words are 0 as well. */
    if (madvise((char *)chunk + PAGE, SLAB_CHUNK_BYTES - PAGE, MADV_DONTNEED) != 0)
        return;
    chunk->free = NULL;
    chunk->fresh = CHUNK_HEADER;
}

static void give(struct slab_pool *pool, void *cell)
{
    struct slab_chunk *chunk = (struct slab_chunk *)((uintptr_t)cell & ~(uintptr_t)(SLAB_CHUNK_BYTES - 1));
    bool was_full = chunk->free == NULL && !has_fresh(chunk);
    *link_of(pool, cell) = chunk->free;
    chunk->free = cell;
    if (was_full)
        open_chunk(pool, chunk);
    if (--chunk->used == 0)
        empty_chunk(pool, chunk);
}

/* ---- Cells ---- */

static bool refill(struct slab_pool *pool, struct slab_cache *cache, uint32_t index, size_t bytes)
{
    uint32_t batch = batch_of(cell_bytes(bytes));
    spin_lock(&pool->lock);
    for (uint32_t i = 0; i < batch; i++) {
        void *cell = take(pool, bytes);
        if (cell == NULL)
            break;
        *link_of(pool, cell) = cache->free[index];
        cache->free[index] = cell;
        cache->count[index]++;
    }
    spin_unlock(&pool->lock);
    return cache->count[index] > 0;
}

void *slab_get(struct slab_pool *pool, struct slab_cache *cache, size_t bytes)
{
    uint32_t index = size_index(bytes);
    void *cell = NULL;
    if (cache == NULL) {
        spin_lock(&pool->lock);
        cell = take(pool, bytes);
        spin_unlock(&pool->lock);
    } else if (cache->count[index] > 0 || refill(pool, cache, index, bytes)) {
        cell = cache->free[index];
        cache->free[index] = *link_of(pool, cell);
        cache->count[index]--;
    }
    if (cell != NULL)
        show(cell, cell_bytes(bytes));
    return cell;
}

static void give_cached(struct slab_pool *pool, struct slab_cache *cache, uint32_t index, uint32_t count)
{
    spin_lock(&pool->lock);
    for (uint32_t i = 0; i < count; i++) {
        void *cell = cache->free[index];
        cache->free[index] = *link_of(pool, cell);
        give(pool, cell);
    }
    cache->count[index] -= count;
    spin_unlock(&pool->lock);
}

void slab_put(struct slab_pool *pool, struct slab_cache *cache, void *cell, size_t bytes)
{
    uint32_t index = size_index(bytes);
    /* Relaxed: whoever still comes here by a hint sees this, or the value from before, which lets it in no more. */
    atomic_store_explicit((_Atomic uintptr_t *)(void *)((char *)cell + pool->word), 0, memory_order_relaxed);
    hide(pool, cell, cell_bytes(bytes));
    if (cache == NULL) {
        spin_lock(&pool->lock);
        give(pool, cell);
        spin_unlock(&pool->lock);
        return;
    }
    *link_of(pool, cell) = cache->free[index];
    cache->free[index] = cell;
    uint32_t batch = batch_of(cell_bytes(bytes));
    if (++cache->count[index] > 2 * batch)
        give_cached(pool, cache, index, batch);
}

void slab_cache_flush(struct slab_pool *pool, struct slab_cache *cache)
{
    for (uint32_t index = 0; index < SLAB_SIZES; index++)
        give_cached(pool, cache, index, cache->count[index]);
}

void *slab_array_get(struct slab_pool *pool, size_t bytes)
{
    if (bytes > SLAB_MAX_BYTES)
        return calloc(1, bytes);
    void *array = slab_get(pool, NULL, bytes);
    if (array != NULL)
        memset(array, 0, bytes);
    return array;
}

void slab_array_put(struct slab_pool *pool, void *array, size_t bytes)
{
    if (bytes > SLAB_MAX_BYTES)
        free(array);
    else if (array != NULL)
        slab_put(pool, NULL, array, bytes);
}

size_t slab_chunk_bytes(struct slab_pool *pool)
{
    size_t bytes = 0;
    spin_lock(&pool->lock);
    for (struct slab_region *r = pool->regions; r != NULL; r = r->next)
        bytes += r == pool->regions ? (size_t)pool->carved * SLAB_CHUNK_BYTES : SLAB_REGION_BYTES;
    spin_unlock(&pool->lock);
    return bytes;
}
