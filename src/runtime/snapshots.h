/* The default store: snapshots in the node's memory, gone with the node.
 *
 * A hash table with a mutex: activations and passivations come by, calls do not. A snapshot is forgotten when its
 * process has started from it. */
#ifndef RUNTIME_SNAPSHOTS_H
#define RUNTIME_SNAPSHOTS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <mesh/module.h>

#include "base/siphash.h"

struct snapshot;

struct snapshots {
    struct siphash_key key; /* constant */
    _Atomic size_t count;   /* written under lock */
    pthread_mutex_t lock;   /* everything below */
    struct snapshot **buckets;
    size_t bucket_count;
};

void snapshots_init(struct snapshots *s, struct siphash_key key);
void snapshots_fini(struct snapshots *s);

/* The functions of a mesh_store whose context is a struct snapshots. */
int snapshots_save(void *context, const mesh_store_key *key, uint64_t epoch, mesh_term term);
int snapshots_load(void *context, const mesh_store_key *key, mesh_buf *out);
void snapshots_restored(void *context, const mesh_store_key *key);

static inline bool snapshots_empty(const struct snapshots *s)
{
    return atomic_load_explicit(&s->count, memory_order_acquire) == 0;
}

#endif
