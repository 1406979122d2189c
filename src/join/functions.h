/* The functions of the module mesh_admin, which other nodes may call: what the `mesh` program asks, and BEAM programs
 * by rpc:call(Node, mesh_admin, info, []).
 *
 *   info()                     %{name, creation, version, uptime_ms, workers, processes, draining, drained,
 *                                capabilities: [Name], links: [%{name, creation, kind: :c | :beam}]}
 *   capabilities()             [%{name, shards, strategy, nodes, held, disagree}]     of the whole cluster
 *   ring(Capability)           %{shards, strategy, disagree, nodes: [%{name, weight, owned}], owners}
 *                                owners: 16 bits for each shard, an index into nodes, from 0
 *   leave(Capability, Node)    %{moved, least, nodes: [%{name, owned, after, gains}]}: if Node had it no more
 *   call(Capability, Module, Id, Payload, InitArg, TimeoutMs)    {:ok, %{node, value}}
 *   cast(Capability, Module, Id, Payload, InitArg)               :ok
 *   stats(), stats(Capability) %{...}: the fields of mesh_stats, and without a capability those of cluster: %{...}
 *   waits()                    %{count, waits: [%{module, id, on, on_module, on_id, since_ms}]}, the longest first
 *   drain(TimeoutMs)           :ok, once all is handed over; it goes on after a timeout
 *   progress()                 %{held, claiming, leaving, draining, drained}
 *
 * Names and ids are binaries in replies, and binaries or atoms in arguments. What could not be done is
 * {:error, %{error: :MESH_E..., text, reason}}; arguments of another form are badarg. No atom of a reply comes from a
 * peer, but those inside of values. Lists are bounded: WAITS_MAX, and what the cluster bounds.
 *
 * They run under the lock of the services (dist/spawn.h). What takes longer runs elsewhere, FUNCTIONS_JOBS_MAX
 * at a time: more are system_limit. Keys are added in later versions; askers ignore those that they do not know. */
#ifndef JOIN_FUNCTIONS_H
#define JOIN_FUNCTIONS_H

#include "dist/spawn.h"

struct mesh_node;
struct functions;

enum { FUNCTIONS_JOBS_MAX = 256, FUNCTIONS_WAITS_MAX = 1000 };

/* The functions of a node that is, or will be before the first call, a member of a cluster (a hidden node has none).
 * answer brings the outcome of a
 * call that was SPAWN_LATER, once, from any thread and with no lock held; result ends with it. */
struct functions *functions_create(struct mesh_node *node,
                                   void (*answer)(void *context, uint64_t token, enum spawn_outcome outcome,
                                                  mesh_term result),
                                   void *context);

/* The table, valid as long as the functions. */
const struct spawn_function *functions_table(const struct functions *f, size_t *count);

/* When the runtime has stopped, or nothing was ever called. NULL is allowed. */
void functions_destroy(struct functions *f);

#endif
