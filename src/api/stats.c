/* mesh/stats.h: checks of arguments in front of the runtime. */
#include <mesh/stats.h>

#include <stdlib.h>

#include "node/node.h"
#include "runtime/stats.h"
#include "runtime/waiting.h"

int mesh_stats_read(mesh_node *node, const char *capability, const char *module, mesh_stats *stats)
{
    if (node == NULL || stats == NULL || stats->size != sizeof *stats)
        return MESH_EINVAL;
    return stats_read(&node->runtime, capability, module, stats);
}

/* Asking the workers blocks: a handler does that on a helper thread. */
struct question {
    struct runtime *runtime;
    mesh_waits **waits;
    int rc;
};

static void ask(void *arg)
{
    struct question *q = arg;
    q->rc = waiting_list(q->runtime, q->waits);
}

int mesh_waiting(mesh_node *node, mesh_waits **waits)
{
    if (node == NULL || waits == NULL)
        return MESH_EINVAL;
    struct question q = {.runtime = &node->runtime, .waits = waits};
    int rc = task_blocking(&node->runtime, ask, &q);
    return rc == MESH_OK ? q.rc : rc;
}

void mesh_waits_free(mesh_waits *waits)
{
    free(waits);
}
