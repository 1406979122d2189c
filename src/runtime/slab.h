/* Memory that never becomes anything else: for actors, and for the arrays of the tables that find them.
 *
 * A worker remembers where it found an actor, and goes there again without a look at the table (route.c). For that the
 * memory of an actor that is gone must still be an actor's: a cell is only ever used for cells of its size, and the
 * word that says whether there is a living actor in it (its inbox) is 0 while the cell is free. Cells come from chunks
 * of one size each. A chunk whose cells are all free gives its pages back to the system but keeps its addresses: they
 * read as zero from then on, which says the same.
 *
 * A worker takes and gives cells at its own cache, which trades whole batches with the pool under its lock. Sizes are
 * multiples of 16 up to 512, then 768, 1,024, 1,536 and so on up to SLAB_MAX_BYTES. Cells need no header.
 *
 * Arrays that grow with the number of processes are here too because malloc, called from several workers, spends more
 * time on growing, trimming and sharing its arenas than an activation takes (docs/performance.md). */
#ifndef RUNTIME_SLAB_H
#define RUNTIME_SLAB_H

#include <stddef.h>
#include <stdint.h>

#include "base/lock.h"

enum {
    SLAB_GRAIN_BYTES = 16,
    SLAB_FINE_MAX_BYTES = 512, /* up to here a size for each multiple of the grain */
    SLAB_MAX_BYTES = 8192,
    SLAB_SIZES = SLAB_FINE_MAX_BYTES / SLAB_GRAIN_BYTES + 1 + 8,
    SLAB_CHUNK_BYTES = 1 << 16,
    SLAB_REGION_BYTES = 1 << 22, /* what is mapped at a time */
};

struct slab_chunk;
struct slab_region;

/* Cells of one kind of use. */
struct slab_pool {
    struct spin lock;                    /* everything below and in the chunks */
    size_t word;                         /* where in a cell the word is that is 0 while it is free */
    size_t link;                         /* where it keeps the next free one meanwhile */
    struct slab_chunk *open[SLAB_SIZES]; /* chunks with free cells */
    struct slab_region *regions;
    uint32_t carved; /* chunks of the newest region in use */
    uint32_t empty;  /* chunks that hold pages though all their cells are free */
};

/* Free cells of one worker. */
struct slab_cache {
    void *free[SLAB_SIZES];
    uint32_t count[SLAB_SIZES];
};

/* word, link: offsets of two different pointers in every cell. */
void slab_init(struct slab_pool *pool, size_t word, size_t link);
/* Unmaps everything; no cell may be in use. */
void slab_fini(struct slab_pool *pool);

/* A cell of at least bytes (1 to SLAB_MAX_BYTES), aligned to 16. Its word is 0, the rest has any content. cache: the
 * running worker's, or NULL in another thread. NULL: no memory. */
void *slab_get(struct slab_pool *pool, struct slab_cache *cache, size_t bytes);

/* Gives a cell back that was asked for with so many bytes. Sets its word to 0. Cache as above. */
void slab_put(struct slab_pool *pool, struct slab_cache *cache, void *cell, size_t bytes);

/* Gives all cells of a cache back to the pool. */
void slab_cache_flush(struct slab_pool *pool, struct slab_cache *cache);

/* An array of zeros, by malloc where it is larger than SLAB_MAX_BYTES, and its end; array NULL is allowed there. Any
 * thread. NULL: no memory. */
void *slab_array_get(struct slab_pool *pool, size_t bytes);
void slab_array_put(struct slab_pool *pool, void *array, size_t bytes);

/* What is mapped and in use by chunks, in bytes; for tests and numbers. Any thread. */
size_t slab_chunk_bytes(struct slab_pool *pool);

#endif
