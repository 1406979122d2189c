/* Numbers: counters and latencies of a node, and who waits for whom. */
#ifndef MESH_STATS_H
#define MESH_STATS_H

#include <mesh/node.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Counters since the node started, and what is there now. Read without stopping anything, so that sums of one moment
 * may be off by what happened meanwhile. */
typedef struct mesh_stats {
    size_t size; /* sizeof(mesh_stats), set by the caller */

    /* Now */
    uint64_t processes; /* live */
    uint64_t shards;    /* shards with at least one live process; 0 when a module is given */
    uint64_t suspended; /* handlers and tasks waiting; for the whole node only */
    uint64_t snapshots; /* kept in the node's memory; for the whole node only */

    /* Since the start */
    uint64_t calls;         /* handed to a process */
    uint64_t casts;         /* handed to a process */
    uint64_t infos;         /* handed to a process */
    uint64_t replies;       /* given by mesh_reply */
    uint64_t activations;   /* started by init */
    uint64_t restores;      /* started from a snapshot */
    uint64_t passivations;  /* ended for being idle */
    uint64_t crashes;       /* ended by a failing handler, init included */
    uint64_t stops;         /* ended otherwise */
    uint64_t timeouts;      /* calls whose deadline passed */
    uint64_t busy;          /* refused by a full mailbox */
    uint64_t refused;       /* refused otherwise: limits, back-off, cycles */
    uint64_t dropped;       /* messages nobody could be told about: casts and infos to an ended process */
    uint64_t save_failures; /* snapshots that the store did not take */
    uint64_t stuck;         /* handlers reported as stuck */

    /* Time of a handler from start to end, suspensions included, in ns */
    uint64_t handler_p50_ns, handler_p90_ns, handler_p99_ns, handler_p999_ns, handler_max_ns;
    /* Time of a call from request to reply as callers on this node saw it, in ns */
    uint64_t call_p50_ns, call_p90_ns, call_p99_ns, call_p999_ns, call_max_ns;
} mesh_stats;

/* Reads the numbers of a node, of a capability, of a module in a capability, or of a module in all of them.
 * capability, module: NULL for all. Any thread and inside handlers.
 * Takes the lock of each shard in question for a moment, and with a module looks at each process there: for a read
 * every few seconds, not for one a call.
 * Errors: MESH_EINVAL (NULL, wrong size), MESH_ENOCAPABILITY, MESH_ENOMODULE (a name that was never registered). */
MESH_API int mesh_stats_read(mesh_node *node, const char *capability, const char *module, mesh_stats *stats);

/* One suspended process or task. */
typedef struct mesh_wait {
    mesh_pid pid;          /* its number is 0 for a task */
    const char *module;    /* the waiting one's module; NULL for a task */
    mesh_bytes id;         /* its id */
    const char *on;        /* what it waits for: "call", "await", "blocking" */
    const char *on_module; /* for a call: whom */
    mesh_bytes on_id;      /* for a call: the id, cut after 64 bytes */
    uint64_t since_ms;     /* for how long */
} mesh_wait;

/* Every suspended process of a node, in one allocation; each worker is asked between two handlers, so that those of
 * different workers are from slightly different moments. */
typedef struct mesh_waits {
    size_t count;
    mesh_wait *wait; /* count of them */
} mesh_waits;

/* Lists the suspended handlers and tasks. The caller frees it with mesh_waits_free. Any thread and inside handlers: a
 * handler is suspended meanwhile and lists itself, on "blocking".
 * Errors: MESH_EINVAL, MESH_ENOMEM, MESH_ETIMEOUT (a worker did not answer for 5 s); inside a handler also
 * MESH_ESUSPENDED, MESH_ESYSTEM; in a callback MESH_ECONTEXT. */
MESH_API int mesh_waiting(mesh_node *node, mesh_waits **waits);

/* Frees what mesh_waiting gave; NULL is allowed. */
MESH_API void mesh_waits_free(mesh_waits *waits);

#ifdef __cplusplus
}
#endif

#endif
