/* Who waits for whom: the suspended coroutines of all workers, asked of each worker. */
#ifndef RUNTIME_WAITING_H
#define RUNTIME_WAITING_H

#include <mesh/stats.h>

struct runtime;

/* How long a worker may take to answer. One whose handler is late gets another thread within some 10 ms, unless there
 * are as many threads as there may be. */
enum { WAITING_TIMEOUT_MS = 5000 };

/* Lists the suspended handlers and tasks of a node in one allocation, to be freed by free. Blocks the thread, so not on
 * a worker's: a handler asks through task_blocking. MESH_ENOMEM, MESH_ETIMEOUT. */
int waiting_list(struct runtime *rt, mesh_waits **waits);

#endif
