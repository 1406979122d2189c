/* Adding up what the workers counted, and counting where there is no worker.
 *
 * Each worker has numbers of its own for every class, with one writer. What happens in ordinary threads (a refused
 * cast, the end of a call that a thread waited in) and in the watchdog is counted in one more set of the node, by
 * atomic additions: that is off the path of calls between processes. A reader adds all of them up. */
#ifndef RUNTIME_STATS_H
#define RUNTIME_STATS_H

#include <stdint.h>

#include <mesh/stats.h>

#include "runtime/worker.h"

struct runtime;

void stats_note_shared(struct runtime *rt, uint32_t class_index, enum counter counter);

/* Counts an event of a class. w: the running worker, or NULL in any other thread. */
static inline void stats_note(struct runtime *rt, struct worker *w, uint32_t class_index, enum counter counter)
{
    if (w != NULL)
        stats_count(worker_stats(w, class_index), counter);
    else
        stats_note_shared(rt, class_index, counter);
}

/* Counts a call that an ordinary thread waited in for so long. */
void stats_note_call(struct runtime *rt, uint32_t class_index, uint64_t ns);

/* Reads the numbers of a capability and a module, NULL for all; stats->size is not touched. Takes the lock of every row
 * of the capabilities in question for a moment, and with a module looks at every process there (measured with 4,096
 * rows and 100,000 processes: 18 µs, and 0.3 ms). Any thread that holds no lock. MESH_ENOCAPABILITY, MESH_ENOMODULE. */
int stats_read(struct runtime *rt, const char *capability, const char *module, mesh_stats *stats);

/* Frees the node's own set. */
void stats_fini(struct runtime *rt);

#endif
