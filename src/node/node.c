/* A node from start to stop: see node.h. */
#include "node/node.h"

#include <stdlib.h>

#include "base/alloc.h"

static void free_node(struct mesh_node *node)
{
    runtime_fini(&node->runtime);
    capabilities_fini(&node->capabilities);
    free(node);
}

int node_create(const mesh_node_options *options, struct mesh_node **node)
{
    /* Workers are kept on cache lines of their own. */
    struct mesh_node *n = must_calloc(1, sizeof *n);
    int rc = runtime_init(&n->runtime, options);
    n->runtime.owner = n;
    capabilities_init(&n->capabilities, &n->runtime);
    if (rc == MESH_OK)
        rc = runtime_start(&n->runtime);
    if (rc != MESH_OK) {
        free_node(n);
        return rc == MESH_ENOMEM ? MESH_ESYSTEM : rc;
    }
    *node = n;
    return MESH_OK;
}

int node_destroy(struct mesh_node *node)
{
    int rc = runtime_stop(&node->runtime);
    if (rc == MESH_OK)
        free_node(node);
    return rc;
}
