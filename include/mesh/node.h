/* A node: start, stop, what it can do, and where processes live.
 *
 * A program starts any number of nodes; nothing is global. Functions here may be called from any thread and, except
 * mesh_node_stop, from inside handlers. A node outlives everything that was made from it. */
#ifndef MESH_NODE_H
#define MESH_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include <mesh/bytes.h>
#include <mesh/error.h>
#include <mesh/export.h>
#include <mesh/log.h>
#include <mesh/module.h>
#include <mesh/placement.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mesh_node mesh_node;

enum {
    MESH_NAME_SIZE = 256,       /* bytes that hold any node or capability name and its NUL */
    MESH_ID_MAX = 4096,         /* bytes of an id, at most */
    MESH_DEFAULT_SHARDS = 4096, /* as Mesh 0.1.4 */
    MESH_NEVER = 0x7fffffff,    /* a time-out in ms that does not happen */
};

/* How a node is started. Set size to sizeof(mesh_node_options); a field left 0 or NULL takes the default beside it. */
typedef struct mesh_node_options {
    size_t size;
    const char *name;         /* full name, as in Erlang: "game@127.0.0.1"; default "nonode@nohost" */
    uint32_t workers;         /* default: one a usable core (affinity and cgroup quota counted); at most 256 */
    uint32_t stack_bytes;     /* of a running or suspended handler; default 64 KiB; at least 16 KiB */
    uint32_t max_suspended;   /* suspended handlers and tasks before MESH_ESUSPENDED; default 16,384 */
    uint32_t max_mailbox;     /* messages waiting for one process before MESH_EBUSY; default 4,096 */
    uint64_t max_processes;   /* live processes before MESH_ELIMIT; default: no limit */
    uint32_t max_shard;       /* live processes in one shard before MESH_ELIMIT; default 1,048,576 */
    uint32_t max_threads;     /* threads of this node, mesh_blocking included; default 512 */
    uint32_t max_message;     /* bytes of one term; default 16 MiB */
    uint32_t idle_timeout_ms; /* passivates processes idle for so long (a module can say otherwise); default: never */
    uint32_t drain_ms;        /* how long a stop waits for handlers before it reports them; default 5,000 */
    uint32_t spin_us;         /* how long an idle worker polls before it blocks; default 50, none on one core */
    bool no_spin;             /* never poll: block at once */
    uint32_t stuck_ms;        /* a handler that runs for so long is reported; default 1,000 */
    bool crash_reports;       /* install signal handlers: a report to stderr before a crash ends the program (stack
                                 overflow, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT), a drain in between when it was
                                 a handler of this node (docs/modules.md), and stacks in reports of stuck handlers,
                                 by SIGRTMIN + 7 with SA_RESTART, if the program leaves that signal alone; the last
                                 such node that stops puts back what was there */
    mesh_log_fn log;          /* receives the log; default: a line to stderr */
    void *log_context;        /* given to log */
    mesh_log_level log_level; /* the least severe level that is logged; default MESH_LOG_INFO */
    const mesh_store *store;  /* where snapshots are kept; default: in the node's memory */
} mesh_node_options;

/* Starts a node with its worker threads.
 * options: NULL for all defaults; copied, so that it may end after the call (what store points to may not).
 * node: set on success; the caller ends it with mesh_node_stop.
 * Errors: MESH_EINVAL (a size that is not that of any version, a value out of its range), MESH_EBADNAME (the name has
 * no '@', or is empty or too long), MESH_ESYSTEM (no thread, descriptor or memory). */
MESH_API int mesh_node_start(const mesh_node_options *options, mesh_node **node);

/* Stops a node: refuses new calls (MESH_ESTOPPING), lets handlers end, runs terminate of every process with the reason
 * :shutdown, answers what is left in mailboxes with MESH_ESTOPPING, ends its threads and frees it. Calls that handlers
 * wait in return MESH_ESTOPPING to them. Processes with a snapshot function are saved to the store first.
 * Not from a handler or callback of this node (MESH_ECONTEXT).
 * When a handler of the node has crashed with crash_reports it waits for the end of the program.
 * Errors: MESH_ESTUCK when handlers still run after drain_ms: they were logged with their names, the node is not
 * freed, and the function may be called again. NULL is allowed and does nothing. */
MESH_API int mesh_node_stop(mesh_node *node);

/* The node's full name; valid as long as the node. */
MESH_API const char *mesh_node_name(const mesh_node *node);

/* ---- Modules ---- */

/* Makes a module known to a node, so that requests can name it. The struct is copied; its functions must stay.
 * Errors: MESH_EINVAL (NULL, wrong size field, state_size over 16 MiB), MESH_EBADNAME, MESH_EEXISTS (the name is
 * taken by another definition; registering the same one again is MESH_OK). */
MESH_API int mesh_register_module(mesh_node *node, const mesh_module *module);

/* ---- Capabilities ---- */

/* How a capability places its processes; all nodes that have it must agree. Set size to its sizeof. */
typedef struct mesh_capability_options {
    size_t size;
    mesh_strategy strategy; /* default MESH_CAPPED */
    uint32_t shards;        /* default 4096; at most 65,536 */
    uint32_t weight;        /* this node's share, 1 to 100; default 1 */
    mesh_place_fn place;    /* for MESH_CUSTOM: shard to node; a pure function, called while the ring is built */
    void *place_context;    /* given to place */
} mesh_capability_options;

/* Adds one capability to this node. options: NULL for the defaults.
 * Errors: MESH_EINVAL, MESH_EBADNAME, MESH_EEXISTS (it is there with other options).
 * Source: Mesh.register_capabilities/1, which replaces the node's set; here it adds. */
MESH_API int mesh_register_capability(mesh_node *node, const char *name, const mesh_capability_options *options);

/* Adds count capabilities with default options: all of them or, on an error, none. Errors: as above. */
MESH_API int mesh_register_capabilities(mesh_node *node, const char *const *names, size_t count);

/* Takes capabilities away: their processes end (snapshots are saved, terminate runs with :shutdown), later calls get
 * MESH_ENOCAPABILITY. Returns when the idle ones have ended; busy ones end when their handler returns.
 * A name that is not registered is no error. Errors: MESH_EINVAL, MESH_EBADNAME. */
MESH_API int mesh_unregister_capabilities(mesh_node *node, const char *const *names, size_t count);

/* Makes the node's capabilities exactly these: adds what is missing with default options, keeps those that are there
 * with the options they have, and takes away the rest. Errors: as above, and MESH_EEXISTS (one that is missing was
 * taken away earlier and had another shard count). */
MESH_API int mesh_set_capabilities(mesh_node *node, const char *const *names, size_t count);

/* Names in one allocation; the caller frees it with mesh_names_free. */
typedef struct mesh_names {
    size_t count;
    const char **name; /* count of them, sorted bytewise */
} mesh_names;

/* Frees what mesh_nodes_for or mesh_all_capabilities gave; NULL is allowed. Any thread. */
MESH_API void mesh_names_free(mesh_names *names);

/* The nodes that have a capability: none is an empty list. Errors: MESH_EINVAL, MESH_EBADNAME.
 * Source: Mesh.nodes_for/1. */
MESH_API int mesh_nodes_for(mesh_node *node, const char *capability, mesh_names **names);

/* Every capability known in the cluster. Errors: MESH_EINVAL. Source: Mesh.all_capabilities/0. */
MESH_API int mesh_all_capabilities(mesh_node *node, mesh_names **names);

/* The shard of an id among 4096: erlang:phash2(Id, 4096). Source: Mesh.shard_for/1. */
MESH_API uint32_t mesh_shard_for(mesh_bytes id);

/* The shard of an id by the shard count of a capability that this node knows.
 * Errors: MESH_EINVAL, MESH_EBADID, MESH_EBADNAME, MESH_ENOCAPABILITY. */
MESH_API int mesh_shard_for_capability(mesh_node *node, const char *capability, mesh_bytes id, uint32_t *shard);

/* The name of the node that the ring names for a shard, written with its NUL into name of size bytes.
 * Errors: MESH_EINVAL (NULL, shard not below the capability's count), MESH_EBADNAME, MESH_ENOCAPABILITY,
 * MESH_ETOOBIG (size too small; MESH_NAME_SIZE always suffices). Source: Mesh.owner_node/2. */
MESH_API int mesh_owner_node(mesh_node *node, uint32_t shard, const char *capability, char *name, size_t size);

/* Passivates the processes of a capability that have been idle for idle_ms or longer, as an idle time-out would:
 * those whose module has a snapshot function are saved. Returns when they have ended; count (may be NULL) is how many.
 * Inside a handler it suspends that, and its own process stays. Errors: MESH_EINVAL, MESH_EBADNAME,
 * MESH_ENOCAPABILITY, MESH_ESYSTEM. */
MESH_API int mesh_passivate(mesh_node *node, const char *capability, uint32_t idle_ms, uint64_t *count);

#ifdef __cplusplus
}
#endif

#endif
