/* Adding, removing and asking for capabilities: see capabilities.h. */
#include "node/capabilities.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "node/membership.h"

struct entry {
    struct entry *next;
    struct capability *capability;
    mesh_capability_options options;
    struct ring *ring; /* NULL: the node does not have it any more */
};

void capabilities_init(struct capabilities *caps, struct runtime *rt)
{
    *caps = (struct capabilities){.runtime = rt};
    pthread_mutex_init(&caps->lock, NULL);
}

void capabilities_fini(struct capabilities *caps)
{
    while (caps->entries != NULL) {
        struct entry *e = caps->entries;
        caps->entries = e->next;
        ring_release(e->ring);
        free(e);
    }
    pthread_mutex_destroy(&caps->lock);
}

/* Lock held. Where the pointer to the entry of a name is, or where it belongs. */
static struct entry **find(struct capabilities *caps, const char *name, bool *found)
{
    struct entry **at = &caps->entries;
    int order = 1;
    while (*at != NULL && (order = strcmp((*at)->capability->name, name)) < 0)
        at = &(*at)->next;
    *found = *at != NULL && order == 0;
    return at;
}

/* Lock held. The entry of a capability that the node has, or NULL. */
static struct entry *find_live(struct capabilities *caps, const char *name)
{
    bool found;
    struct entry **at = find(caps, name, &found);
    return found && (*at)->ring != NULL ? *at : NULL;
}

static bool same_options(const mesh_capability_options *a, const mesh_capability_options *b)
{
    return a->strategy == b->strategy && a->shards == b->shards && a->weight == b->weight && a->place == b->place &&
           a->place_context == b->place_context;
}

static int make_ring(struct capabilities *caps, const mesh_capability_options *o, struct ring **ring)
{
    mesh_bytes self = mesh_str(caps->runtime->name);
    return ring_create(o->strategy, &self, &o->weight, 1, o->shards, o->place, o->place_context, ring);
}

/* Lock held. */
static int insert(struct capabilities *caps, struct entry **at, const char *name,
                  const mesh_capability_options *options, struct entry **entry)
{
    struct capability *capability;
    int rc = runtime_add_capability(caps->runtime, name, options->shards, &capability);
    if (rc != MESH_OK)
        return rc;
    struct entry *e = must_calloc(1, sizeof *e);
    e->capability = capability;
    e->next = *at;
    *at = e;
    *entry = e;
    return MESH_OK;
}

static void hold_all(struct capabilities *caps, struct capability *capability)
{
    uint64_t epoch = runtime_epoch(caps->runtime);
    for (uint32_t shard = 0; shard < capability->shards; shard++)
        shard_hold(capability, shard, epoch);
}

/* Lock held; may_add has said yes. */
static int add(struct capabilities *caps, const char *name, const mesh_capability_options *options, struct ring *ring)
{
    bool found;
    struct entry **at = find(caps, name, &found), *e = found ? *at : NULL;
    if (e != NULL && e->ring != NULL)
        return MESH_OK;
    int rc = e == NULL ? insert(caps, at, name, options, &e) : MESH_OK;
    if (rc != MESH_OK)
        return rc;
    if (caps->membership != NULL)
        rc = membership_register(caps->membership, name, options);
    else
        hold_all(caps, e->capability);
    if (rc != MESH_OK)
        return rc;
    e->options = *options;
    e->ring = ring_hold(ring);
    return MESH_OK;
}

/* Lock held. Whether add will take the name, but for memory. */
static int may_add(struct capabilities *caps, const char *name, const mesh_capability_options *options, bool keep)
{
    bool found;
    struct entry **at = find(caps, name, &found);
    if (!found)
        return MESH_OK;
    bool fits = (*at)->ring == NULL ? (*at)->capability->shards == options->shards /* rows stay while the node lives */
                                    : keep || same_options(&(*at)->options, options);
    return fits ? MESH_OK : MESH_EEXISTS;
}

int capabilities_add(struct capabilities *caps, const char *const *names, size_t count,
                     const mesh_capability_options *options, bool keep)
{
    /* One ring for all of them, since their nodes are the same; built without the lock: it calls the user's function.
     */
    struct ring *ring = NULL;
    int rc = make_ring(caps, options, &ring);
    pthread_mutex_lock(&caps->lock);
    for (size_t i = 0; i < count && rc == MESH_OK; i++)
        rc = may_add(caps, names[i], options, keep);
    for (size_t i = 0; i < count && rc == MESH_OK; i++)
        rc = add(caps, names[i], options, ring);
    pthread_mutex_unlock(&caps->lock);
    ring_release(ring);
    return rc;
}

int capabilities_remove(struct capabilities *caps, const char *name)
{
    struct capability *capability = NULL;
    pthread_mutex_lock(&caps->lock);
    struct entry *e = find_live(caps, name);
    if (e != NULL) {
        capability = e->capability;
        ring_release(e->ring);
        e->ring = NULL;
    }
    pthread_mutex_unlock(&caps->lock);
    if (capability == NULL)
        return MESH_OK;
    if (caps->membership != NULL) {
        membership_unregister(caps->membership, name, caps->runtime->options.drain_ms);
        return MESH_OK;
    }
    struct drain *idle = drain_create();
    for (uint32_t shard = 0; shard < capability->shards; shard++)
        shard_close(caps->runtime, capability, shard, idle);
    drain_wait(idle, caps->runtime->options.drain_ms);
    drain_unref(idle);
    return MESH_OK;
}

bool capabilities_has(struct capabilities *caps, const char *name)
{
    pthread_mutex_lock(&caps->lock);
    bool has = find_live(caps, name) != NULL;
    pthread_mutex_unlock(&caps->lock);
    return has;
}

int names_create(const char *const *names, size_t count, mesh_names **out)
{
    size_t bytes = sizeof(mesh_names) + count * sizeof(char *);
    for (size_t i = 0; i < count; i++)
        bytes += strlen(names[i]) + 1;
    mesh_names *n = malloc(bytes);
    if (n == NULL)
        return MESH_ENOMEM;
    n->count = count;
    n->name = (const char **)(n + 1);
    char *text = (char *)(n->name + count);
    for (size_t i = 0; i < count; i++) {
        n->name[i] = text;
        text = stpcpy(text, names[i]) + 1;
    }
    *out = n;
    return MESH_OK;
}

int capabilities_names(struct capabilities *caps, mesh_names **out)
{
    pthread_mutex_lock(&caps->lock);
    size_t count = 0, at = 0;
    for (struct entry *e = caps->entries; e != NULL; e = e->next)
        count += e->ring != NULL;
    const char **names = must_calloc(count + 1, sizeof *names);
    for (struct entry *e = caps->entries; e != NULL; e = e->next)
        if (e->ring != NULL)
            names[at++] = e->capability->name;
    int rc = names_create(names, count, out);
    free(names);
    pthread_mutex_unlock(&caps->lock);
    return rc;
}

int capabilities_shards(struct capabilities *caps, const char *name, uint32_t *shards)
{
    pthread_mutex_lock(&caps->lock);
    struct entry *e = find_live(caps, name);
    if (e != NULL)
        *shards = e->capability->shards;
    pthread_mutex_unlock(&caps->lock);
    return e != NULL ? MESH_OK : MESH_ENOCAPABILITY;
}

int capabilities_owner(struct capabilities *caps, const char *name, uint32_t shard, char *owner, size_t size)
{
    pthread_mutex_lock(&caps->lock);
    struct entry *e = find_live(caps, name);
    struct ring *ring = e != NULL ? ring_hold(e->ring) : NULL;
    pthread_mutex_unlock(&caps->lock);
    if (ring == NULL)
        return MESH_ENOCAPABILITY;
    int rc = MESH_EINVAL;
    if (shard < ring_shards(ring)) {
        mesh_bytes found = ring_name(ring, ring_owner(ring, shard));
        rc = found.len < size ? MESH_OK : MESH_ETOOBIG;
        if (rc == MESH_OK) {
            memcpy(owner, found.data, found.len);
            owner[found.len] = '\0';
        }
    }
    ring_release(ring);
    return rc;
}

int capabilities_passivate(struct capabilities *caps, const char *name, uint32_t idle_ms, uint64_t *count)
{
    pthread_mutex_lock(&caps->lock);
    struct entry *e = find_live(caps, name);
    pthread_mutex_unlock(&caps->lock);
    if (e == NULL)
        return MESH_ENOCAPABILITY;
    struct drain *d = drain_create();
    for (uint32_t shard = 0; shard < e->capability->shards; shard++)
        shard_passivate(caps->runtime, e->capability, shard, idle_ms, d);
    drain_wait(d, caps->runtime->options.drain_ms);
    *count = d->ended;
    drain_unref(d);
    return MESH_OK;
}
