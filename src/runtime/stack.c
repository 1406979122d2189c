/* Coroutine stacks, carved from mappings of 64.
 *
 * Why chunks: the kernel allows 65,530 mappings a process (vm.max_map_count). With MADV_GUARD_INSTALL (Linux 6.13) a
 * guard is a mark in the page table and a chunk stays one mapping, so that 400,000 stacks are possible. The fallback
 * mprotect splits the mapping at each guard: two mappings a stack, which ends near 32,000.
 *
 * Why colours: stacks lie a whole number of pages apart, and a suspended coroutine keeps its hot bytes at the top. With
 * equal offsets in the page the tops of all stacks would compete for the same few sets of the first-level cache (its
 * set is chosen by address bits 6–11); hundreds of suspended handlers would evict each other while most of the cache is
 * idle. So stack i starts (i % 16) * 128 bytes below the end of its memory.
 *
 * A free stack is either cached (it keeps the pages it touched) or clean (they went back to the system); address space
 * is kept until fini. Threads: any; system calls on used stacks are made outside the lock. */
#include "runtime/stack.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <mesh/error.h>

enum { CHUNK_STACKS = 64, COLOURS = 16, COLOUR_BYTES = 128 };

/* Since Linux 6.13; the C library's headers are older. */
enum { ADVICE_GUARD_INSTALL = 102 };

struct stack_chunk {
    char *base;
    struct stack stacks[CHUNK_STACKS];
};

static size_t stride(const struct stack_pool *pool)
{
    return pool->page_bytes + pool->size_bytes;
}

static size_t chunk_limit(const struct stack_pool *pool)
{
    return (pool->max + CHUNK_STACKS - 1) / CHUNK_STACKS;
}

/* Whether the kernel refuses to write at an address, asked without a fault of our own: a system call that writes there
 * gives EFAULT. It has to be one whose buffer tools such as valgrind do not touch themselves. */
static bool is_guarded(void *page)
{
    errno = 0;
    return syscall(SYS_getrandom, page, 1, 0) == -1 && errno == EFAULT;
}

/* Asks the kernel by trying it on a page that is thrown away, and looks at the result: emulators such as qemu-user
 * accept an advice that they do not know. */
static bool has_guard_advice(size_t page_bytes)
{
    void *page = mmap(NULL, page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return false;
    bool has = madvise(page, page_bytes, ADVICE_GUARD_INSTALL) == 0 && is_guarded(page);
    munmap(page, page_bytes);
    return has;
}

int stack_pool_init(struct stack_pool *pool, const struct stack_options *options)
{
    static const struct stack_options defaults;
    const struct stack_options *o = options != NULL ? options : &defaults;
    size_t size = o->size_bytes != 0 ? o->size_bytes : STACK_DEFAULT_BYTES;
    size_t max = o->max != 0 ? o->max : STACK_DEFAULT_MAX;
    if (size < STACK_MIN_BYTES || size > STACK_MAX_BYTES || max > STACK_LIMIT_MAX)
        return MESH_EINVAL;

    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    *pool = (struct stack_pool){
        .size_bytes = (size + page - 1) / page * page,
        .page_bytes = page,
        .max = max,
        .max_cached = o->max_cached != 0 ? o->max_cached : STACK_DEFAULT_MAX_CACHED,
        .guard_by_advice = !o->no_advice && has_guard_advice(page),
    };
    pool->chunks = calloc(chunk_limit(pool), sizeof *pool->chunks);
    if (pool->chunks == NULL)
        return MESH_ENOMEM;
    pthread_mutex_init(&pool->lock, NULL);
    return MESH_OK;
}

void stack_pool_fini(struct stack_pool *pool)
{
    assert(pool->live == 0);
    for (size_t i = 0; i < chunk_limit(pool); i++) {
        struct stack_chunk *chunk = atomic_load_explicit(&pool->chunks[i], memory_order_relaxed);
        if (chunk == NULL)
            break;
        munmap(chunk->base, CHUNK_STACKS * stride(pool));
        free(chunk);
    }
    free(pool->chunks);
    pthread_mutex_destroy(&pool->lock);
}

/* Maps the chunk that holds stack number first. Memory is not reserved: a stack costs the pages it touches. */
static struct stack_chunk *map_chunk(const struct stack_pool *pool, size_t first)
{
    struct stack_chunk *chunk = malloc(sizeof *chunk);
    if (chunk == NULL)
        return NULL;
    size_t len = CHUNK_STACKS * stride(pool);
    chunk->base = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (chunk->base == MAP_FAILED) {
        free(chunk);
        return NULL;
    }
    /* A huge page would spend 2 MiB on the first byte of a stack. Refused only by kernels that have none. */
    (void)madvise(chunk->base, len, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < CHUNK_STACKS; i++) {
        struct stack *s = &chunk->stacks[i];
        s->index = first + i;
        s->low = chunk->base + i * stride(pool) + pool->page_bytes;
        s->top = s->low + pool->size_bytes - s->index % COLOURS * COLOUR_BYTES;
        s->next = NULL;
    }
    return chunk;
}

static bool install_guard(const struct stack_pool *pool, const struct stack *stack)
{
    char *guard = stack->low - pool->page_bytes;
    if (pool->guard_by_advice)
        return madvise(guard, pool->page_bytes, ADVICE_GUARD_INSTALL) == 0;
    return mprotect(guard, pool->page_bytes, PROT_NONE) == 0;
}

/* A stack never used before. Under lock. */
static struct stack *carve(struct stack_pool *pool)
{
    size_t index = pool->carved;
    if (index == pool->max)
        return NULL;
    _Atomic(struct stack_chunk *) *slot = &pool->chunks[index / CHUNK_STACKS];
    struct stack_chunk *chunk = atomic_load_explicit(slot, memory_order_relaxed);
    if (chunk == NULL) {
        chunk = map_chunk(pool, index);
        if (chunk == NULL)
            return NULL;
        /* Release: pairs with the acquire in stack_guard_owner, which then sees a filled chunk. */
        atomic_store_explicit(slot, chunk, memory_order_release);
    }
    struct stack *stack = &chunk->stacks[index % CHUNK_STACKS];
    if (!install_guard(pool, stack))
        return NULL;
    pool->carved++;
    return stack;
}

static struct stack *pop(struct stack **list)
{
    struct stack *stack = *list;
    *list = stack->next;
    return stack;
}

static void push(struct stack **list, struct stack *stack)
{
    stack->next = *list;
    *list = stack;
}

struct stack *stack_pool_get(struct stack_pool *pool)
{
    struct stack *stack;
    pthread_mutex_lock(&pool->lock);
    if (pool->cached != NULL) {
        stack = pop(&pool->cached);
        pool->cached_count--;
    } else if (pool->clean != NULL) {
        stack = pop(&pool->clean);
    } else {
        stack = carve(pool);
    }
    if (stack != NULL)
        pool->live++;
    pthread_mutex_unlock(&pool->lock);
    return stack;
}

void stack_pool_put(struct stack_pool *pool, struct stack *stack)
{
    pthread_mutex_lock(&pool->lock);
    bool keep = pool->cached_count < pool->max_cached;
    if (keep) {
        push(&pool->cached, stack);
        pool->cached_count++;
        pool->live--;
    }
    pthread_mutex_unlock(&pool->lock);
    if (keep)
        return;

    /* Still counted as live, hence still ours: nobody can get it before it is pushed. The guard stays. */
    (void)madvise(stack->low, pool->size_bytes, MADV_DONTNEED);
    pthread_mutex_lock(&pool->lock);
    push(&pool->clean, stack);
    pool->live--;
    pthread_mutex_unlock(&pool->lock);
}

void stack_pool_stats(struct stack_pool *pool, struct stack_stats *stats)
{
    pthread_mutex_lock(&pool->lock);
    stats->live = pool->live;
    stats->cached = pool->cached_count;
    stats->carved = pool->carved;
    pthread_mutex_unlock(&pool->lock);
}

const struct stack *stack_guard_owner(const struct stack_pool *pool, const void *addr)
{
    uintptr_t at = (uintptr_t)addr;
    size_t limit = chunk_limit(pool);
    for (size_t i = 0; i < limit; i++) {
        /* Acquire: pairs with the release in carve. */
        const struct stack_chunk *chunk = atomic_load_explicit(&pool->chunks[i], memory_order_acquire);
        if (chunk == NULL)
            return NULL; /* chunks are mapped in order */
        uintptr_t base = (uintptr_t)chunk->base;
        if (at < base || at - base >= CHUNK_STACKS * stride(pool))
            continue;
        bool guard = (at - base) % stride(pool) < pool->page_bytes;
        return guard ? &chunk->stacks[(at - base) / stride(pool)] : NULL;
    }
    return NULL;
}
