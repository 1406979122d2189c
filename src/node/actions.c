/* What the cluster wants done, carried out by the runner: see membership.h. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "node/membership.h"

/* ---- releasing ---- */

/* A shard that is being given up. */
struct giving {
    struct membership *m;
    struct capability *capability;
    uint32_t shard;
};

static struct cluster_key key_of(const struct giving *g, const mesh_store_key *key)
{
    return (struct cluster_key){mesh_str(key->capability), mesh_str(key->module), key->id, g->shard};
}

static void tell_busy(void *context, const mesh_store_key *key)
{
    const struct giving *g = context;
    const struct cluster_key k = key_of(g, key);
    pthread_mutex_lock(&g->m->lock);
    cluster_busy(g->m->cluster, &k);
    pthread_mutex_unlock(&g->m->lock);
}

static void tell_snapshot(void *context, const mesh_store_key *key, uint64_t epoch, mesh_term snapshot)
{
    const struct giving *g = context;
    const struct cluster_key k = key_of(g, key);
    pthread_mutex_lock(&g->m->lock);
    cluster_snapshot(g->m->cluster, &k, epoch, (mesh_bytes){snapshot.data, snapshot.len});
    g->m->dirty = true;
    membership_poke(g->m);
    pthread_mutex_unlock(&g->m->lock);
}

static void tell_released(void *context)
{
    const struct giving *g = context;
    pthread_mutex_lock(&g->m->lock);
    cluster_released(g->m->cluster, mesh_str(g->capability->name), g->shard);
    g->m->giving--;
    g->m->dirty = true;
    membership_poke(g->m);
    pthread_mutex_unlock(&g->m->lock);
}

static const struct release_ops giving_ops = {
    .snapshot = tell_snapshot, .busy = tell_busy, .idle = tell_released, .finished = free};

static struct capability *capability_of(struct membership *m, mesh_bytes name)
{
    char text[MESH_NAME_SIZE];
    if (name.len >= sizeof text)
        return NULL;
    memcpy(text, name.data, name.len);
    text[name.len] = '\0';
    return runtime_capability(m->runtime, text);
}

static void release(struct membership *m, const struct cluster_action *a)
{
    struct capability *cap = capability_of(m, a->capability);
    if (cap == NULL || a->shard >= cap->shards) { /* nothing can live in it */
        pthread_mutex_lock(&m->lock);
        cluster_released(m->cluster, a->capability, a->shard);
        m->dirty = true;
        pthread_mutex_unlock(&m->lock);
        return;
    }
    struct giving *g = must_calloc(1, sizeof *g);
    *g = (struct giving){m, cap, a->shard};
    pthread_mutex_lock(&m->lock);
    m->giving++;
    pthread_mutex_unlock(&m->lock);
    shard_release(m->runtime, cap, a->shard, &giving_ops, g);
}

/* ---- holding ---- */

static void note_asking(struct membership *m, struct capability *cap, uint32_t shard)
{
    pthread_mutex_lock(&m->lock);
    if (m->asking_count == m->asking_room) {
        uint32_t room = m->asking_room == 0 ? 64 : 2 * m->asking_room;
        struct asking *larger = must_calloc(room, sizeof *larger);
        if (m->asking_count > 0)
            memcpy(larger, m->asking, m->asking_count * sizeof *larger);
        free(m->asking);
        m->asking = larger;
        m->asking_room = room;
    }
    m->asking[m->asking_count++] = (struct asking){cap, shard};
    pthread_mutex_unlock(&m->lock);
}

/* Whether there are processes of it elsewhere is known when everything else has been carried out: until then each start
 * is asked for. */
static void hold(struct membership *m, const struct cluster_action *a)
{
    struct capability *cap = capability_of(m, a->capability);
    if (cap == NULL || a->shard >= cap->shards)
        return; /* the others count other shards; the log has said so */
    shard_ask(cap, a->shard, true);
    shard_hold(cap, a->shard, a->epoch);
    note_asking(m, cap, a->shard);
}

void action_settle(struct membership *m)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < m->asking_count; i++) {
        struct asking *at = &m->asking[i];
        if (cluster_asks(m->cluster, mesh_str(at->capability->name), at->shard))
            m->asking[left++] = *at;
        else
            shard_ask(at->capability, at->shard, false);
    }
    m->asking_count = left;
    atomic_store_explicit(&m->runtime->asks, !cluster_serves(m->cluster), memory_order_relaxed);
}

/* ---- snapshots ---- */

struct names {
    char capability[MESH_NAME_SIZE], module[MESH_NAME_SIZE];
};

static bool store_key(const struct cluster_key *key, struct names *names, mesh_store_key *out)
{
    if (key->capability.len >= MESH_NAME_SIZE || key->module.len >= MESH_NAME_SIZE)
        return false;
    memset(names, 0, sizeof *names);
    memcpy(names->capability, key->capability.data, key->capability.len);
    memcpy(names->module, key->module.data, key->module.len);
    *out = (mesh_store_key){.capability = names->capability, .module = names->module, .id = key->id};
    return true;
}

static void log_snapshot(struct membership *m, const char *text, const struct cluster_action *a, int error)
{
    log_limited(&m->runtime->log, &m->conflict_limit, clock_now_ns(), MESH_LOG_WARN, text,
                log_name("capability", a->key.capability), log_bytes("module", a->key.module),
                log_bytes("id", a->key.id), log_name("error", mesh_str(mesh_error_name(error))));
}

static void adopt(struct membership *m, const struct cluster_action *a)
{
    struct names names;
    mesh_store_key key;
    if (!store_key(&a->key, &names, &key))
        return;
    const mesh_term snapshot = {.data = a->snapshot.data, .len = a->snapshot.len};
    int rc = shard_adopt(m->runtime, &key, a->epoch, snapshot);
    if (rc != MESH_OK && rc != MESH_EMOVED) /* EMOVED: a later one is there */
        log_snapshot(m, "a snapshot that came from another node was not stored", a, rc);
}

/* Gives a late snapshot to the process that goes on, if its module wants to know. */
static bool tell_conflict(struct membership *m, const struct cluster_action *a)
{
    struct names names;
    mesh_store_key key;
    struct served s = {
        .id = a->key.id, .payload = {.data = a->snapshot.data, .len = a->snapshot.len}, .conflict = true};
    if (!store_key(&a->key, &names, &key) || s.payload.data == NULL ||
        runtime_class_here(m->runtime, key.module, key.capability, &s.class) != MESH_OK ||
        s.class->module->ops.conflict == NULL || mesh_term_check(s.payload.data, s.payload.len, NULL, NULL) != MESH_OK)
        return false;
    return call_serve(m->runtime, NULL, &s) == MESH_OK;
}

static void conflict(struct membership *m, const struct cluster_action *a)
{
    pthread_mutex_lock(&m->lock);
    m->stats.conflicts++;
    pthread_mutex_unlock(&m->lock);
    if (!tell_conflict(m, a))
        log_snapshot(m, "a snapshot came too late and was dropped", a, MESH_EMOVED);
}

/* ---- the log ---- */

static const struct {
    mesh_log_level level;
    const char *text;
} notes[] = {
    [CLUSTER_NOTE_FORCED] = {MESH_LOG_WARN, "shards were taken without the answer of a node"},
    [CLUSTER_NOTE_UNREACHABLE] = {MESH_LOG_WARN, "a node is linked to others and not to this one"},
    [CLUSTER_NOTE_DISAGREE] = {MESH_LOG_ERROR, "nodes disagree about a capability"},
    [CLUSTER_NOTE_AGREE] = {MESH_LOG_INFO, "nodes agree about a capability again"},
    [CLUSTER_NOTE_CONFLICT] = {MESH_LOG_WARN, "shards were held by two nodes; this one gives way"},
    [CLUSTER_NOTE_VERSION] = {MESH_LOG_ERROR, "a node speaks no version that this one knows"},
    [CLUSTER_NOTE_QUORUM_LOST] = {MESH_LOG_ERROR, "too few nodes are linked: nothing is served"},
    [CLUSTER_NOTE_QUORUM] = {MESH_LOG_INFO, "enough nodes are linked again"},
    [CLUSTER_NOTE_SUSPECT] = {MESH_LOG_WARN, "this node stood still; it asks its links before it serves"},
    [CLUSTER_NOTE_SERVING] = {MESH_LOG_INFO, "this node serves again"},
};

static void log_note(struct membership *m, const struct cluster_action *a, const struct node_link *link)
{
    log_write(&m->runtime->log, notes[a->note].level, notes[a->note].text,
              log_name("peer", link != NULL ? mesh_str(link->self.node) : a->text),
              log_name("capability", a->capability), log_number("number", (int64_t)a->number),
              log_bytes("text", a->text));
}

/* ---- all of them ---- */

void action_perform(struct membership *m, const struct cluster_action *a, struct node_link *link)
{
    switch (a->kind) {
    case CLUSTER_SEND:
        if (link != NULL && m->transport.ops->send(link->peer, a->message, a->block, 0, true) != MESH_OK)
            m->transport.ops->close(link->peer);
        break;
    case CLUSTER_HOLD:
        hold(m, a);
        break;
    case CLUSTER_RELEASE:
        release(m, a);
        break;
    case CLUSTER_ADOPT:
        adopt(m, a);
        break;
    case CLUSTER_CONFLICT:
        conflict(m, a);
        break;
    case CLUSTER_CLOSE:
        if (link != NULL)
            m->transport.ops->close(link->peer);
        break;
    case CLUSTER_LOG:
        log_note(m, a, link);
        break;
    case CLUSTER_DRAINED:
        membership_drained(m);
        break;
    case CLUSTER_WAKE:
        break; /* the runner has seen to it */
    }
}
