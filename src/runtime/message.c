/* Slabs and caches of messages: see message.h.
 *
 * A worker takes and returns at its own cache without a lock. A cache that runs empty takes a whole batch from the
 * pool, one that overflows returns a batch: so messages that are always made on one worker and ended on another
 * travel back in batches, and the lock is taken once in BATCH messages. */
#include "runtime/message.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/alloc.h"

enum { BATCH = 64, CACHE_MAX = 4 * BATCH };

struct message_slab {
    struct message_slab *next;
    struct message message[BATCH];
};

void message_pool_init(struct message_pool *pool, struct runtime *rt)
{
    *pool = (struct message_pool){.runtime = rt};
}

void message_pool_fini(struct message_pool *pool)
{
    while (pool->slabs != NULL) {
        struct message_slab *slab = pool->slabs;
        pool->slabs = slab->next;
        free(slab);
    }
    pool->batches = NULL;
    pool->loose = (struct message_cache){0};
}

/* A chain of BATCH messages, from those returned or fresh; NULL: no memory. Caller holds the lock. */
static struct message *take_batch(struct message_pool *pool)
{
    struct message *batch = pool->batches;
    if (batch != NULL) {
        pool->batches = batch->held_next;
        batch->held_next = NULL;
        return batch;
    }
    struct message_slab *slab = calloc(1, sizeof *slab);
    if (slab == NULL)
        return NULL;
    slab->next = pool->slabs;
    pool->slabs = slab;
    for (size_t i = 0; i < BATCH; i++) {
        slab->message[i].runtime = pool->runtime;
        slab->message[i].post.next = i + 1 < BATCH ? &slab->message[i + 1].post : NULL;
    }
    return &slab->message[0];
}

static struct message *pop(struct message_cache *cache)
{
    struct message *m = cache->free;
    cache->free = (struct message *)m->post.next;
    cache->count--;
    return m;
}

static bool refill(struct message_pool *pool, struct message_cache *cache)
{
    cache->free = take_batch(pool);
    cache->count = cache->free != NULL ? BATCH : 0;
    return cache->free != NULL;
}

static void push(struct message_pool *pool, struct message_cache *cache, struct message *m)
{
    m->post.next = (struct post *)cache->free;
    cache->free = m;
    if (++cache->count < CACHE_MAX)
        return;
    struct message *last = m;
    for (uint32_t i = 1; i < BATCH; i++)
        last = (struct message *)last->post.next;
    cache->free = (struct message *)last->post.next;
    cache->count -= BATCH;
    last->post.next = NULL;
    bool shared = cache == &pool->loose;
    if (!shared)
        spin_lock(&pool->lock);
    m->held_next = pool->batches;
    pool->batches = m;
    if (!shared)
        spin_unlock(&pool->lock);
}

/* Only what somebody reads without having written it. The blocks of the payloads were dropped by message_put; the
 * ticket goes on counting. */
static inline void reset(struct message *m)
{
    m->by_link = m->by_pid = m->local = m->handed = false;
    m->completing = m->expired = m->answered = m->finished = false;
    m->body.data = m->init_arg.data = m->reply.data = NULL;
    m->deadline_ns = m->from = m->ref = 0;
    m->error = 0;
    m->home = NULL;
    m->coroutine = NULL;
    atomic_store_explicit(&m->thread, 0, memory_order_relaxed);
    m->done_context = NULL;
    m->held_next = NULL;
    m->pid = 0;
    atomic_store_explicit(&m->refs, 1, memory_order_relaxed);
}

struct message *message_get(struct message_pool *pool, struct message_cache *cache)
{
    struct message *m = NULL;
    if (cache != NULL) {
        if (cache->free == NULL) {
            spin_lock(&pool->lock);
            bool filled = refill(pool, cache);
            spin_unlock(&pool->lock);
            if (!filled)
                return NULL;
        }
        m = pop(cache);
    } else {
        spin_lock(&pool->lock);
        if (pool->loose.free != NULL || refill(pool, &pool->loose))
            m = pop(&pool->loose);
        spin_unlock(&pool->lock);
        if (m == NULL)
            return NULL;
    }
    reset(m);
    return m;
}

static void drop_payloads(struct message *m)
{
    payload_drop(&m->body);
    payload_drop(&m->init_arg);
    payload_drop(&m->reply);
}

void message_put(struct message_pool *pool, struct message_cache *cache, struct message *m)
{
    if (m->body.block != NULL || m->init_arg.block != NULL || m->reply.block != NULL)
        drop_payloads(m);
    if (m->chain_count > 1)
        free(m->chain);
    m->chain_count = 0;
    if (cache != NULL) {
        push(pool, cache, m);
        return;
    }
    spin_lock(&pool->lock);
    push(pool, &pool->loose, m);
    spin_unlock(&pool->lock);
}

void message_cache_flush(struct message_pool *pool, struct message_cache *cache)
{
    spin_lock(&pool->lock);
    while (cache->free != NULL) {
        struct message *m = pop(cache);
        push(pool, &pool->loose, m);
    }
    spin_unlock(&pool->lock);
}

int payload_set_slow(struct payload *p, mesh_term term)
{
    *p = (struct payload){0};
    struct block *block = block_create(term.len);
    if (block == NULL)
        return MESH_ENOMEM;
    memcpy(block->bytes, term.data, term.len);
    *p = (struct payload){.data = block->bytes, .len = term.len, .block = block};
    return MESH_OK;
}
