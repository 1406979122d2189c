/* Two programs: the one that measures, and a second that has the processes, or joins later.
 *
 * The second is this program again, started with a role (pair_serve, which main.c calls). The two are nodes of one
 * cluster and reach each other without epmd, at ports that the first has chosen; beside that they have a pair of
 * sockets, over which the first gives orders and the second tells what it has counted: what a row reports is so checked
 * where the work was done. A second program whose first has gone ends. */
#ifndef MESH_BENCH_PAIR_H
#define MESH_BENCH_PAIR_H

#include "bench.h"

/* What the second program knows. */
struct pair_report {
    uint64_t cpu_ns;                       /* of all its threads, since its start */
    uint64_t sum;                          /* of the counts of actor_0 to actor_<TARGETS - 1>, where it was asked */
    uint64_t calls, casts;                 /* handed to processes */
    uint64_t activations, processes, held; /* processes started, live; shards */
    bool settled;                          /* no shard is under way to or from it */
};

enum { PAIR_TARGETS = 1000 }; /* processes that are called */

struct pair {
    mesh_node *node; /* of this program: load@127.0.0.1 */
    uint16_t port;   /* that it listens at */
    int pid, fd;     /* of the second program, echo@127.0.0.1 */
};

/* Starts both nodes, the second with the capability and all shards, and connects them. This one has no capability. */
struct pair pair_start(void);

/* The same, but this node has the capability and all shards, and the second has not joined. */
struct pair pair_start_alone(void);

/* Has the second node join, with the capability; returns at once. */
void pair_join(struct pair *p);

/* Asks the second program; count: whether the counts are to be added up. */
struct pair_report pair_ask(struct pair *p, bool count);

/* Ends both. */
void pair_stop(struct pair *p);

/* What the second program does. */
int pair_serve(int argc, char **argv);

/* Of this program's threads. */
uint64_t bench_cpu_ns(void);

#endif
