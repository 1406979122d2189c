/* The default store: snapshots in the node's memory, gone with the node.
 *
 * A hash table with a mutex: activations and passivations come by, calls do not. A snapshot is forgotten when its
 * process has started from it. A second set of chains finds those of a shard, when it moves: with 4,096 shards, each
 * has a chain of its own. */
#ifndef RUNTIME_SNAPSHOTS_H
#define RUNTIME_SNAPSHOTS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <mesh/module.h>

#include "base/siphash.h"

struct snapshot;

enum { SNAPSHOT_GROUPS = 4096 };

struct snapshots {
    struct siphash_key key; /* constant */
    _Atomic size_t count;   /* written under lock */
    pthread_mutex_t lock;   /* everything below */
    struct snapshot **buckets;
    size_t bucket_count;
    struct snapshot **groups; /* SNAPSHOT_GROUPS chains by the phash2 of the id; made with the first snapshot */
};

void snapshots_init(struct snapshots *s, struct siphash_key key);
void snapshots_fini(struct snapshots *s);

/* The functions of a mesh_store whose context is a struct snapshots. */
int snapshots_save(void *context, const mesh_store_key *key, uint64_t epoch, mesh_term term);
int snapshots_load(void *context, const mesh_store_key *key, mesh_buf *out);
void snapshots_restored(void *context, const mesh_store_key *key);

/* Takes the snapshot of a key out: its epoch in *epoch, the term in out. False: there is none (or no memory). */
bool snapshots_take(struct snapshots *s, const mesh_store_key *key, uint64_t *epoch, mesh_buf *out);

/* Shows fn every snapshot of one shard of a capability that counts `shards` of them, and drops those for which it
 * returns true. fn is called without the lock; what is saved meanwhile may be shown or not. */
void snapshots_take_shard(struct snapshots *s, const char *capability, uint32_t shard, uint32_t shards,
                          bool (*fn)(void *context, const mesh_store_key *key, uint64_t epoch, mesh_term snapshot),
                          void *context);

static inline bool snapshots_empty(const struct snapshots *s)
{
    return atomic_load_explicit(&s->count, memory_order_acquire) == 0;
}

#endif
