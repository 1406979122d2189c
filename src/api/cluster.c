/* mesh/cluster.h: checks of arguments in front of the join. */
#include <mesh/cluster.h>

#include <stdio.h>
#include <string.h>

#include "api/check.h"
#include "join/join.h"

enum { TICKTIME_MIN_MS = 1000 };

static int refuse(mesh_reason *reason, int error, const char *text)
{
    snprintf(reason->text, sizeof reason->text, "%s", text);
    return error;
}

static int check_discovery(const mesh_cluster_options *o, mesh_reason *reason)
{
    if (o->discovery_count > JOIN_STRATEGIES_MAX || (o->discovery == NULL && o->discovery_count > 0))
        return refuse(reason, MESH_EINVAL, "discovery: expected at most 16 strategies");
    for (size_t i = 0; i < o->discovery_count; i++)
        if (o->discovery[i].strategy == NULL)
            return refuse(reason, MESH_EINVAL, "discovery: expected the name of a strategy");
    return MESH_OK;
}

static int check_options(mesh_node *node, const mesh_cluster_options *o, mesh_reason *reason)
{
    if (o->cookie == NULL || o->cookie[0] == '\0')
        return refuse(reason, MESH_EINVAL, "cookie: expected the secret that all nodes share");
    if (o->net_ticktime_ms != 0 && o->net_ticktime_ms < TICKTIME_MIN_MS)
        return refuse(reason, MESH_EINVAL, "net_ticktime_ms: expected 1000 or more");
    if (o->no_epmd && o->dial_port == 0 && o->port == 0)
        return refuse(reason, MESH_EINVAL, "no_epmd: expected the port that nodes listen on, as port or dial_port");
    if (o->majority_of > CLUSTER_MEMBERS_MAX)
        return refuse(reason, MESH_EINVAL, "majority_of: expected at most 1024 nodes");
    if (!node_is_alone(node))
        return refuse(reason, MESH_EINVAL, "the node has joined already, or has had a capability: joining comes first");
    return check_discovery(o, reason);
}

int mesh_cluster_join(mesh_node *node, const mesh_cluster_options *options, mesh_reason *reason)
{
    mesh_reason ignored;
    mesh_reason *why = reason != NULL ? reason : &ignored;
    why->text[0] = '\0';
    if (node == NULL || options == NULL || options->size != sizeof *options)
        return refuse(why, MESH_EINVAL, "expected a node, and options of this version");
    if (seat_current() != NULL)
        return refuse(why, MESH_ECONTEXT, "a handler cannot join a cluster");
    int rc = check_options(node, options, why);
    return rc == MESH_OK ? join_begin(node, options, why) : rc;
}

/* ---- who is there ------------------------------------------------------------------------------------------------ */

/* What those functions that wait do: a handler does that on a helper thread. */
struct wait {
    mesh_node *node;
    const char *name;
    uint32_t count, timeout_ms;
    const char *module, *function;
    mesh_term args;
    mesh_buf *value;
    int rc;
};

static int blocking(struct wait *w, void (*fn)(void *arg))
{
    int rc = task_blocking(&w->node->runtime, fn, w);
    return rc == MESH_OK ? w->rc : rc;
}

static int check_peer(const mesh_node *node, const char *name)
{
    if (node == NULL || name == NULL || join_of(node) == NULL)
        return MESH_EINVAL;
    return names_full(mesh_str(name)) ? MESH_OK : MESH_EBADNAME;
}

static void run_connect(void *arg)
{
    struct wait *w = arg;
    w->rc = join_connect(join_of(w->node), w->name, w->timeout_ms);
}

int mesh_connect(mesh_node *node, const char *name, uint32_t timeout_ms)
{
    struct wait w = {.node = node, .name = name, .timeout_ms = timeout_ms};
    int rc = check_peer(node, name);
    if (rc != MESH_OK)
        return rc;
    return timeout_ms > 0 ? blocking(&w, run_connect) : join_connect(join_of(node), name, 0);
}

int mesh_disconnect(mesh_node *node, const char *name)
{
    int rc = check_peer(node, name);
    return rc == MESH_OK ? join_disconnect(join_of(node), name) : rc;
}

int mesh_nodes(mesh_node *node, bool hidden, mesh_names **names)
{
    if (node == NULL || names == NULL)
        return MESH_EINVAL;
    struct join *j = join_of(node);
    return j != NULL ? join_nodes(j, hidden, names) : names_create(NULL, 0, names);
}

static void run_wait_for(void *arg)
{
    struct wait *w = arg;
    w->rc = membership_await(w->node->membership, w->count, w->timeout_ms);
}

int mesh_wait_for(mesh_node *node, uint32_t count, uint32_t timeout_ms)
{
    struct wait w = {.node = node, .count = count > 0 ? count - 1 : 0, .timeout_ms = timeout_ms};
    return node == NULL || node->membership == NULL ? MESH_EINVAL : blocking(&w, run_wait_for);
}

static void run_drain(void *arg)
{
    struct wait *w = arg;
    w->rc = membership_drain(w->node->membership, w->timeout_ms) ? MESH_OK : MESH_ETIMEOUT;
}

int mesh_drain(mesh_node *node, uint32_t timeout_ms)
{
    struct wait w = {.node = node, .timeout_ms = timeout_ms};
    return node == NULL || node->membership == NULL ? MESH_EINVAL : blocking(&w, run_drain);
}

/* ---- functions of other nodes ------------------------------------------------------------------------------------ */

static void run_rpc(void *arg)
{
    struct wait *w = arg;
    w->rc = join_rpc(join_of(w->node), w->name, w->module, w->function, w->args, w->timeout_ms, w->value);
}

int mesh_rpc(mesh_node *node, const char *target, const char *module, const char *function, mesh_term args,
             uint32_t timeout_ms, mesh_buf *value)
{
    struct wait w = {.node = node,
                     .name = target,
                     .module = module,
                     .function = function,
                     .args = args,
                     .timeout_ms = timeout_ms,
                     .value = value};
    if (value == NULL)
        return MESH_EINVAL;
    mesh_buf_init(value);
    int rc = module == NULL || function == NULL ? MESH_EINVAL : check_peer(node, target);
    if (rc == MESH_OK)
        rc = check_given(&node->runtime, "mesh_rpc", "args", args);
    return rc == MESH_OK ? blocking(&w, run_rpc) : rc;
}

int mesh_cluster_stats_read(mesh_node *node, mesh_cluster_stats *stats)
{
    struct join *j = node != NULL ? join_of(node) : NULL;
    if (j == NULL || stats == NULL || stats->size != sizeof *stats)
        return MESH_EINVAL;
    join_stats(j, stats);
    return MESH_OK;
}
