/* Shards as a whole: who may start processes in them, and asking all their processes to end.
 *
 * release and adopt are what a shard's move between nodes is made of. release never waits for a handler: it says at
 * once which ids are inside one, and the snapshots come as the processes end. */
#ifndef RUNTIME_SHARD_H
#define RUNTIME_SHARD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <mesh/module.h>

#include "runtime/actor.h"

struct runtime;

/* A request to many processes to end, and who of them has. Counted: by the waiter and by each process asked. */
struct drain {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t pending; /* processes asked that have not ended or refused yet */
    uint64_t ended;
    uint32_t refs;

    /* Of a release. */
    const struct release_ops *ops; /* NULL: not of a release */
    void *context;
    uint64_t epoch;
    bool of_idle;         /* of those processes alone that were idle */
    struct drain *parent; /* … a share in the whole */
    struct runtime *runtime;
    struct capability *capability;
    uint32_t shard;
};

struct drain *drain_create(void);
void drain_unref(struct drain *d);
/* A process that was asked has ended, or (ended false) will not. Drops its share. NULL is allowed. */
void drain_done(struct drain *d, bool ended);
/* Waits until nothing is pending; false: the time is over. timeout_ms from now. */
bool drain_wait(struct drain *d, uint32_t timeout_ms);

/* Processes may start in a shard from here on. */
void shard_hold(struct capability *cap, uint32_t shard, uint64_t epoch);

/* No process may start in it any more, and all that live there are asked to end with :shutdown. idle: counts those
 * that were in no handler, or NULL. */
void shard_close(struct runtime *rt, struct capability *cap, uint32_t shard, struct drain *idle);

/* Asks the processes of a shard that are idle to passivate. */
void shard_passivate(struct runtime *rt, struct capability *cap, uint32_t shard, uint32_t idle_ms, struct drain *d);

/* What a release tells. All may be called before shard_release returns, and from workers, entered, that hold no lock;
 * they may not block. */
struct release_ops {
    /* A process has ended, and ran last under epoch; its snapshot is valid during the call, and empty (data NULL) if it
     * leaves none. Also of a process that had ended before, when the node's memory has its snapshot. */
    void (*snapshot)(void *context, const mesh_store_key *key, uint64_t epoch, mesh_term snapshot);
    /* This id is inside a handler, has messages to handle first, or owes answers: its snapshot comes later. */
    void (*busy)(void *context, const mesh_store_key *key);
    /* All that is not busy has been told. NULL is allowed. */
    void (*idle)(void *context);
    /* Nothing lives in the shard any more. The last that is called. */
    void (*finished)(void *context);
};

/* Gives a shard up: no process starts in it any more (MESH_EMOVED), those that live there end after what is in their
 * mailboxes, with their snapshots given to ops. What comes to them later is passed on (runtime->elsewhere), if there is
 * anybody to pass it to. Returns at once. */
void shard_release(struct runtime *rt, struct capability *cap, uint32_t shard, const struct release_ops *ops,
                   void *context);

/* For process.c: a process has ended that was asked by d. snapshot: empty if it has none; the one that the node's
 * memory may have from a checkpoint then counts. */
void release_tell(struct runtime *rt, const struct drain *d, const mesh_store_key *key, mesh_term snapshot);

/* Processes of a held shard start only after runtime->elsewhere.take was asked, or again without asking. */
void shard_ask(struct capability *cap, uint32_t shard, bool asks);

/* A snapshot that came with a shard: the process starts from it. Before shard_hold. Errors of the store. */
int shard_adopt(struct runtime *rt, const mesh_store_key *key, uint64_t epoch, mesh_term snapshot);

#endif
