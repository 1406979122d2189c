/* The capabilities of this node, and where their shards live.
 *
 * Each has a ring: an immutable snapshot of who owns which shard. Here the ring names this node for all of them: on a
 * node that is part of a cluster, the cluster is asked, and gives the shards to hold. One lock guards the list; calls
 * do not come by, since a process that is found needs no ring. */
#ifndef NODE_CAPABILITIES_H
#define NODE_CAPABILITIES_H

#include <pthread.h>

#include <mesh/node.h>

#include "placement/ring.h"
#include "runtime/runtime.h"

struct entry;
struct membership;

struct capabilities {
    struct runtime *runtime;
    struct membership *membership; /* decides who holds what and who has what; NULL: this node, all */
    pthread_mutex_t lock;          /* entries; before runtime->lock in the lock order */
    struct entry *entries;         /* every capability that this node has or had, sorted by name */
};

void capabilities_init(struct capabilities *caps, struct runtime *rt);
void capabilities_fini(struct capabilities *caps);

/* Adds capabilities with the same, complete options: all or, after MESH_EEXISTS and MESH_EINVAL (the strategy refuses),
 * none. MESH_ENOMEM: those before the one that found no memory.
 * keep: one that the node has already stays as it is; else it must have the same options. */
int capabilities_add(struct capabilities *caps, const char *const *names, size_t count,
                     const mesh_capability_options *options, bool keep);

/* Takes one away and waits until its idle processes have ended. Nothing happens if it is not there. */
int capabilities_remove(struct capabilities *caps, const char *name);

/* Whether the node has it now. */
bool capabilities_has(struct capabilities *caps, const char *name);

/* The names of those it has now, sorted. */
int capabilities_names(struct capabilities *caps, mesh_names **out);

/* The shard count of one. MESH_ENOCAPABILITY. */
int capabilities_shards(struct capabilities *caps, const char *name, uint32_t *shards);

/* The name of a shard's owner. MESH_ENOCAPABILITY, MESH_EINVAL (no such shard), MESH_ETOOBIG. */
int capabilities_owner(struct capabilities *caps, const char *name, uint32_t shard, char *owner, size_t size);

/* Passivates idle processes and waits for them. */
int capabilities_passivate(struct capabilities *caps, const char *name, uint32_t idle_ms, uint64_t *count);

/* One allocation with count sorted names. MESH_ENOMEM. */
int names_create(const char *const *names, size_t count, mesh_names **out);

#endif
