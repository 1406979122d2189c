/* Those who call: nodes of this program without a capability, members of the cluster like any other, and a thread that
 * starts calls when their time has come, whether earlier ones have been answered or not.
 *
 * Two kinds of calls: the round goes through all ids, in a fixed order, `rate` a second, so that each process is called
 * every few seconds; and some ids are watched: called again and again, each call after the answer of the one before, so
 * that a time without answers is seen to a few milliseconds. Every call is in the history. */
#ifndef CHAOS_LOAD_H
#define CHAOS_LOAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <mesh.h>

#include "fleet.h"
#include "history.h"

enum { LOAD_NODES_MAX = 2, LOAD_TIMEOUT_MS = 5000, LOAD_WATCHES_MAX = 256 };

struct load_id {
    char name[LIFE_ID_MAX + 1];
    const char *capability;
};

struct load_options {
    const char *const *capabilities; /* NULL ends them */
    uint32_t ids;                    /* for each of them; spread evenly over its 4096 shards */
    uint32_t rate;                   /* calls a second of the round */
    uint32_t watches;                /* ids that are watched, for each node */
    uint32_t pause_ms;               /* between two calls of a watch */
    size_t calls_max;                /* in the history; the load ends there */
};

/* One id, called by one node. The generator's; the last two also of whoever ends its calls. */
struct watch {
    uint32_t id;
    uint8_t from;
    _Atomic uint64_t due_ns;
    _Atomic bool busy;
};

struct load {
    struct load_options options;
    const struct fleet *fleet;
    struct history history; /* complete once load_end has returned */
    struct load_id *ids;
    uint32_t id_count;
    uint32_t *order; /* of the round */

    mesh_node *nodes[LOAD_NODES_MAX];
    size_t node_count;
    FILE *log; /* of the nodes */

    struct watch watches[LOAD_WATCHES_MAX];
    uint32_t watch_ids[LOAD_WATCHES_MAX];
    size_t watch_count;

    pthread_t thread;
    bool running;
    _Atomic bool ends;
    _Atomic uint64_t open, answered, failed; /* calls: without an outcome, and with one */
    uint64_t stall_ns;                       /* the longest time that the generator did not get to run */
};

/* fleet: outlives it; all its nodes are added. */
void load_init(struct load *l, const struct load_options *options, const struct fleet *fleet);

/* Starts the next node: fleet node `member`, which is one of this program. False: stderr says why. */
bool load_join(struct load *l, size_t member);

/* Waits until each id has answered every node in one go, outside of the history. False: not within timeout_ms. */
bool load_warm(struct load *l, uint32_t timeout_ms);

/* Starts calling. */
void load_begin(struct load *l);

/* Ends that, waits for the outcomes, and reads every value once more from every node. */
void load_end(struct load *l);

/* Stops the nodes and frees all. */
void load_fini(struct load *l);

#endif
