/* A node from start to stop: see node.h. */
#include "node/node.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"

static void free_node(struct mesh_node *node)
{
    foreign_destroy(node->foreign);
    runtime_fini(&node->runtime);
    capabilities_fini(&node->capabilities);
    if (node->membership != NULL)
        membership_destroy(node->membership);
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

void node_use(struct mesh_node *node, const struct transport *transport)
{
    node->transport = *transport;
}

bool node_is_alone(struct mesh_node *node)
{
    pthread_mutex_lock(&node->capabilities.lock);
    bool alone = node->transport.ops == NULL && node->capabilities.entries == NULL;
    pthread_mutex_unlock(&node->capabilities.lock);
    return alone;
}

int node_join_cluster(struct mesh_node *node, const struct membership_options *options,
                      const struct transport *transport)
{
    if (!node_is_alone(node))
        return MESH_EINVAL;
    node_use(node, transport);
    node->capabilities.membership = membership_create(node, options, transport);
    return MESH_OK;
}

/* What is here is handed over before anything is refused. */
static void leave_cluster(struct mesh_node *node)
{
    uint32_t drain_ms = node->runtime.options.drain_ms;
    if (!membership_drain(node->membership, drain_ms))
        log_write(&node->runtime.log, MESH_LOG_WARN, "the node stops before all is handed over",
                  log_number("drain_ms", drain_ms));
    membership_close(node->membership);
}

int node_destroy(struct mesh_node *node)
{
    struct transport transport = node->transport;
    if (node->membership != NULL && !node->left) {
        leave_cluster(node);
        node->left = true;
    }
    int rc = runtime_stop(&node->runtime);
    if (rc != MESH_OK)
        return rc;
    /* What the last handlers had to say has been sent; the workers still run. */
    if (transport.ops != NULL)
        transport.ops->stop(transport.context);
    if (node->membership != NULL)
        membership_unlink(node->membership);
    free_node(node);
    if (transport.ops != NULL && transport.ops->destroy != NULL)
        transport.ops->destroy(transport.context);
    return MESH_OK;
}
