/* mesh/node.h: checks of arguments in front of the node. */
#include <mesh/node.h>

#include <stdlib.h>
#include <string.h>

#include "api/check.h"
#include "node/node.h"

enum { STATE_MAX = 16 << 20, SHARDS_MAX = 65536, WEIGHT_MAX = 100 };

static int check_node_name(const char *name)
{
    int rc = check_name(name);
    const char *at = rc == MESH_OK ? strchr(name, '@') : NULL;
    if (rc == MESH_OK && (at == NULL || at == name || at[1] == '\0' || strchr(at + 1, '@') != NULL))
        rc = MESH_EBADNAME;
    return rc;
}

static int check_options(const mesh_node_options *o)
{
    if (o->size != sizeof *o || o->workers > 256 || (o->stack_bytes != 0 && o->stack_bytes < STACK_MIN_BYTES) ||
        o->stack_bytes > STACK_MAX_BYTES || o->max_suspended > (1 << 19) || o->max_threads > (1 << 15) ||
        o->log_level > MESH_LOG_DEBUG || o->max_message > MESH_BUF_MAX_BYTES)
        return MESH_EINVAL;
    if (o->store != NULL && (o->store->size != sizeof *o->store || o->store->save == NULL || o->store->load == NULL))
        return MESH_EINVAL;
    return check_node_name(o->name);
}

int mesh_node_start(const mesh_node_options *options, mesh_node **node)
{
    mesh_node_options o = {.size = sizeof o};
    if (node == NULL)
        return MESH_EINVAL;
    if (options != NULL && options->size != sizeof o)
        return MESH_EINVAL;
    if (options != NULL)
        o = *options;
    if (o.name == NULL)
        o.name = "nonode@nohost";
    int rc = check_options(&o);
    return rc == MESH_OK ? node_create(&o, node) : rc;
}

int mesh_node_stop(mesh_node *node)
{
    if (node == NULL)
        return MESH_OK;
    struct seat *seat = seat_current();
    if (seat != NULL && seat->worker->runtime == &node->runtime)
        return MESH_ECONTEXT;
    return node_destroy(node);
}

const char *mesh_node_name(const mesh_node *node)
{
    return node != NULL ? node->runtime.name : NULL;
}

int check_module(const mesh_module *module)
{
    if (module == NULL || module->size != sizeof *module || module->state_size > STATE_MAX)
        return MESH_EINVAL;
    return check_module_name(module->name);
}

int mesh_register_module(mesh_node *node, const mesh_module *module)
{
    if (node == NULL)
        return MESH_EINVAL;
    int rc = check_module(module);
    return rc == MESH_OK ? runtime_add_modules(&node->runtime, &module, 1, NULL) : rc;
}

/* ---- Capabilities ---- */

static int complete(const mesh_capability_options *given, mesh_capability_options *o)
{
    *o = (mesh_capability_options){.size = sizeof *o};
    if (given != NULL && given->size != sizeof *o)
        return MESH_EINVAL;
    if (given != NULL)
        *o = *given;
    if (o->shards == 0)
        o->shards = MESH_DEFAULT_SHARDS;
    if (o->weight == 0)
        o->weight = 1;
    bool custom = o->strategy == MESH_CUSTOM;
    if (o->strategy > MESH_CUSTOM || o->shards > SHARDS_MAX || o->weight > WEIGHT_MAX || custom != (o->place != NULL))
        return MESH_EINVAL;
    return MESH_OK;
}

int mesh_register_capability(mesh_node *node, const char *name, const mesh_capability_options *options)
{
    mesh_capability_options o;
    if (node == NULL)
        return MESH_EINVAL;
    int rc = check_name(name);
    if (rc == MESH_OK)
        rc = complete(options, &o);
    return rc == MESH_OK ? capabilities_add(&node->capabilities, &name, 1, &o, false) : rc;
}

static int check_names(const mesh_node *node, const char *const *names, size_t count)
{
    if (node == NULL || (names == NULL && count > 0))
        return MESH_EINVAL;
    int rc = MESH_OK;
    for (size_t i = 0; i < count && rc == MESH_OK; i++)
        rc = check_name(names[i]);
    return rc;
}

int mesh_register_capabilities(mesh_node *node, const char *const *names, size_t count)
{
    mesh_capability_options o;
    int rc = check_names(node, names, count);
    if (rc == MESH_OK)
        rc = complete(NULL, &o);
    return rc == MESH_OK ? capabilities_add(&node->capabilities, names, count, &o, false) : rc;
}

/* Taking capabilities away waits for processes: a handler does that on a helper thread. */
struct change {
    struct mesh_node *node;
    const char *const *names;
    size_t count;
    uint32_t idle_ms;
    uint64_t passivated;
    int rc;
};

static void unregister(void *arg)
{
    struct change *c = arg;
    for (size_t i = 0; i < c->count; i++)
        capabilities_remove(&c->node->capabilities, c->names[i]);
    c->rc = MESH_OK;
}

static bool is_among(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static void set(void *arg)
{
    struct change *c = arg;
    mesh_names *had = NULL;
    mesh_capability_options o;
    complete(NULL, &o);
    c->rc = capabilities_add(&c->node->capabilities, c->names, c->count, &o, true);
    if (c->rc == MESH_OK)
        c->rc = capabilities_names(&c->node->capabilities, &had);
    for (size_t i = 0; c->rc == MESH_OK && i < had->count; i++)
        if (!is_among(had->name[i], c->names, c->count))
            capabilities_remove(&c->node->capabilities, had->name[i]);
    free(had);
}

int mesh_unregister_capabilities(mesh_node *node, const char *const *names, size_t count)
{
    struct change c = {.node = node, .names = names, .count = count};
    int rc = check_names(node, names, count);
    if (rc == MESH_OK)
        rc = task_blocking(&node->runtime, unregister, &c);
    return rc == MESH_OK ? c.rc : rc;
}

int mesh_set_capabilities(mesh_node *node, const char *const *names, size_t count)
{
    struct change c = {.node = node, .names = names, .count = count};
    int rc = check_names(node, names, count);
    if (rc == MESH_OK)
        rc = task_blocking(&node->runtime, set, &c);
    return rc == MESH_OK ? c.rc : rc;
}

static void passivate(void *arg)
{
    struct change *c = arg;
    c->rc = capabilities_passivate(&c->node->capabilities, c->names[0], c->idle_ms, &c->passivated);
}

int mesh_passivate(mesh_node *node, const char *capability, uint32_t idle_ms, uint64_t *count)
{
    struct change c = {.node = node, .names = &capability, .count = 1, .idle_ms = idle_ms};
    int rc = check_names(node, &capability, 1);
    if (rc == MESH_OK)
        rc = task_blocking(&node->runtime, passivate, &c);
    if (rc == MESH_OK)
        rc = c.rc;
    if (rc == MESH_OK && count != NULL)
        *count = c.passivated;
    return rc;
}

/* ---- Asking ---- */

void mesh_names_free(mesh_names *names)
{
    free(names);
}

int mesh_nodes_for(mesh_node *node, const char *capability, mesh_names **names)
{
    if (node == NULL || names == NULL)
        return MESH_EINVAL;
    int rc = check_name(capability);
    if (rc != MESH_OK)
        return rc;
    if (node->membership != NULL)
        return membership_nodes_for(node->membership, capability, names);
    const char *self = node->runtime.name;
    return names_create(&self, capabilities_has(&node->capabilities, capability), names);
}

int mesh_all_capabilities(mesh_node *node, mesh_names **names)
{
    if (node == NULL || names == NULL)
        return MESH_EINVAL;
    return node->membership != NULL ? membership_names(node->membership, names)
                                    : capabilities_names(&node->capabilities, names);
}

uint32_t mesh_shard_for(mesh_bytes id)
{
    return mesh_phash2(id, MESH_DEFAULT_SHARDS);
}

int mesh_shard_for_capability(mesh_node *node, const char *capability, mesh_bytes id, uint32_t *shard)
{
    if (node == NULL || shard == NULL || (id.data == NULL && id.len > 0))
        return MESH_EINVAL;
    uint32_t shards;
    int rc = check_name(capability);
    if (rc == MESH_OK && (id.len == 0 || id.len > MESH_ID_MAX))
        rc = MESH_EBADID;
    if (rc == MESH_OK)
        rc = node->membership != NULL ? membership_shards(node->membership, capability, &shards)
                                      : capabilities_shards(&node->capabilities, capability, &shards);
    if (rc == MESH_OK)
        *shard = mesh_phash2(id, shards);
    return rc;
}

int mesh_owner_node(mesh_node *node, uint32_t shard, const char *capability, char *name, size_t size)
{
    if (node == NULL || name == NULL)
        return MESH_EINVAL;
    int rc = check_name(capability);
    if (rc != MESH_OK)
        return rc;
    return node->membership != NULL ? membership_owner(node->membership, capability, shard, name, size)
                                    : capabilities_owner(&node->capabilities, capability, shard, name, size);
}
