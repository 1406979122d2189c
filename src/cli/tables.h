/* From the answers of nodes to tables. Pure: terms in, rows out.
 *
 * Terms are those of src/join/functions.h. NULL: one is not understood. Tables are the caller's to destroy. */
#ifndef CLI_TABLES_H
#define CLI_TABLES_H

#include "cli/columns.h"
#include "cli/view.h"

/* Of info: a row a node, also for those that have not answered. */
struct columns *table_nodes(const struct view *view);

/* Of capabilities. */
struct columns *table_capabilities(mesh_term capabilities);

/* Of ring. if_left: for each node how many shards would move if it left, -1: unknown; NULL: no such column. count: how
 * many there are, at most. */
struct columns *table_ring(mesh_term ring, const int64_t *if_left, size_t count);

/* The name of each node in the ring, a view of it. False at the end. */
struct ring_nodes {
    mesh_reader at;
    uint32_t left;
};
bool ring_nodes_begin(struct ring_nodes *nodes, mesh_term ring);
bool ring_nodes_next(struct ring_nodes *nodes, mesh_bytes *name);

/* Of leave. */
struct columns *table_leave(mesh_term leave);

/* Of stats, a row a node; those that lack the capability have none. full: every number there is, for programs. */
struct columns *table_stats(const struct view *view, bool full);

/* Of waits, of all nodes. *left_out: how many more there are. */
struct columns *table_waits(const struct view *view, uint64_t *left_out);

#endif
