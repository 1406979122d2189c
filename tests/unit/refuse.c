/* See refuse.h. */
#include "unit/refuse.h"

#include <stddef.h>

#include "runtime/slab.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_must_calloc(size_t n, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_must_calloc(size_t n, size_t size);
void *__real_slab_get(struct slab_pool *pool, struct slab_cache *cache, size_t bytes);
void *__real_slab_array_get(struct slab_pool *pool, size_t bytes);
void *__wrap_slab_get(struct slab_pool *pool, struct slab_cache *cache, size_t bytes);
void *__wrap_slab_array_get(struct slab_pool *pool, size_t bytes);

static _Thread_local int left = -1; /* allocations until one fails; -1: all succeed */
static _Thread_local bool own;      /* inside must_calloc */

/* These are in a file of their own so that they are not inlined: a handler may go on in another thread, and the address
 * of its variables must not be kept across a call. */
void refuse_after(int n)
{
    left = n;
}

bool refuse_end(void)
{
    bool untouched = left >= 0;
    left = -1;
    return untouched;
}

int refuse_left(void)
{
    return left;
}

static bool refused(void)
{
    return left >= 0 && !own && left-- == 0;
}

void *__wrap_malloc(size_t size)
{
    return refused() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return refused() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return refused() ? NULL : __real_realloc(old, size);
}

void *__wrap_slab_get(struct slab_pool *pool, struct slab_cache *cache, size_t bytes)
{
    return refused() ? NULL : __real_slab_get(pool, cache, bytes);
}

void *__wrap_slab_array_get(struct slab_pool *pool, size_t bytes)
{
    return refused() ? NULL : __real_slab_array_get(pool, bytes);
}

void *__wrap_must_calloc(size_t n, size_t size)
{
    own = true;
    void *p = __real_must_calloc(n, size);
    own = false;
    return p;
}
