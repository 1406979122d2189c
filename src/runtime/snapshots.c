/* Snapshots in memory: see snapshots.h. */
#include "runtime/snapshots.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "placement/phash2.h"

struct snapshot {
    struct snapshot *next;
    struct snapshot *mate, **mated_by; /* in its group */
    uint32_t phash2;                   /* of the id, all 32 bits */
    uint64_t hash;
    uint64_t epoch;
    size_t key_len, len;
    size_t module_at, id_at; /* in the key: capability, module (both with their NUL), id */
    char bytes[];            /* the key, then the term */
};

/* Capability, module and id as one string of bytes: names hold no NUL. */
struct flat_key {
    char bytes[2 * 256 + 4096];
    size_t len, module_at, id_at;
    uint64_t hash;
};

static void flatten(const struct snapshots *s, const mesh_store_key *key, struct flat_key *flat)
{
    size_t capability = strlen(key->capability) + 1, module = strlen(key->module) + 1;
    memcpy(flat->bytes, key->capability, capability);
    memcpy(flat->bytes + capability, key->module, module);
    memcpy(flat->bytes + capability + module, key->id.data, key->id.len);
    flat->module_at = capability;
    flat->id_at = capability + module;
    flat->len = capability + module + key->id.len;
    flat->hash = siphash13(s->key, flat->bytes, flat->len);
}

void snapshots_init(struct snapshots *s, struct siphash_key key)
{
    *s = (struct snapshots){.key = key, .bucket_count = 64};
    s->buckets = must_calloc(s->bucket_count, sizeof(struct snapshot *));
    pthread_mutex_init(&s->lock, NULL);
}

void snapshots_fini(struct snapshots *s)
{
    for (size_t i = 0; i < s->bucket_count; i++)
        while (s->buckets[i] != NULL) {
            struct snapshot *next = s->buckets[i]->next;
            free(s->buckets[i]);
            s->buckets[i] = next;
        }
    free(s->buckets);
    free(s->groups);
    pthread_mutex_destroy(&s->lock);
}

/* Where the pointer to the snapshot of a key is, or would be. Lock held. */
static struct snapshot **find(struct snapshots *s, const struct flat_key *flat)
{
    struct snapshot **at = &s->buckets[flat->hash & (s->bucket_count - 1)];
    while (*at != NULL && ((*at)->hash != flat->hash || (*at)->key_len != flat->len ||
                           memcmp((*at)->bytes, flat->bytes, flat->len) != 0))
        at = &(*at)->next;
    return at;
}

static void grow(struct snapshots *s)
{
    size_t count = s->bucket_count * 2;
    struct snapshot **buckets = must_calloc(count, sizeof(struct snapshot *));
    for (size_t i = 0; i < s->bucket_count; i++)
        while (s->buckets[i] != NULL) {
            struct snapshot *moved = s->buckets[i];
            s->buckets[i] = moved->next;
            moved->next = buckets[moved->hash & (count - 1)];
            buckets[moved->hash & (count - 1)] = moved;
        }
    free(s->buckets);
    s->buckets = buckets;
    s->bucket_count = count;
}

static void forget(struct snapshots *s, struct snapshot **at)
{
    struct snapshot *old = *at;
    *at = old->next;
    *old->mated_by = old->mate;
    if (old->mate != NULL)
        old->mate->mated_by = old->mated_by;
    free(old);
    atomic_fetch_sub_explicit(&s->count, 1, memory_order_release);
}

/* Lock held. */
static void join_group(struct snapshots *s, struct snapshot *fresh)
{
    if (s->groups == NULL)
        s->groups = must_calloc(SNAPSHOT_GROUPS, sizeof(struct snapshot *));
    struct snapshot **group = &s->groups[fresh->phash2 % SNAPSHOT_GROUPS];
    fresh->mate = *group;
    fresh->mated_by = group;
    if (fresh->mate != NULL)
        fresh->mate->mated_by = &fresh->mate;
    *group = fresh;
}

int snapshots_save(void *context, const mesh_store_key *key, uint64_t epoch, mesh_term term)
{
    struct snapshots *s = context;
    struct flat_key flat;
    flatten(s, key, &flat);
    struct snapshot *fresh = malloc(sizeof *fresh + flat.len + term.len);
    if (fresh == NULL)
        return MESH_ENOMEM;
    *fresh = (struct snapshot){.hash = flat.hash,
                               .epoch = epoch,
                               .key_len = flat.len,
                               .len = term.len,
                               .module_at = flat.module_at,
                               .id_at = flat.id_at,
                               .phash2 = phash2_binary(key->id)};
    memcpy(fresh->bytes, flat.bytes, flat.len);
    memcpy(fresh->bytes + flat.len, term.data, term.len);
    pthread_mutex_lock(&s->lock);
    struct snapshot **at = find(s, &flat);
    bool older = *at != NULL && (*at)->epoch > epoch;
    if (!older) {
        if (*at != NULL)
            forget(s, at);
        if (atomic_load_explicit(&s->count, memory_order_relaxed) >= s->bucket_count)
            grow(s);
        at = &s->buckets[flat.hash & (s->bucket_count - 1)];
        fresh->next = *at;
        *at = fresh;
        join_group(s, fresh);
        atomic_fetch_add_explicit(&s->count, 1, memory_order_release);
    }
    pthread_mutex_unlock(&s->lock);
    if (older)
        free(fresh);
    return older ? MESH_EMOVED : MESH_OK;
}

int snapshots_load(void *context, const mesh_store_key *key, mesh_buf *out)
{
    struct snapshots *s = context;
    struct flat_key flat;
    flatten(s, key, &flat);
    int rc = MESH_ENOPROCESS;
    pthread_mutex_lock(&s->lock);
    struct snapshot *found = *find(s, &flat);
    if (found != NULL) {
        mesh_buf_clear(out);
        rc = mesh_buf_append(out, found->bytes + found->key_len, found->len);
    }
    pthread_mutex_unlock(&s->lock);
    return rc;
}

void snapshots_restored(void *context, const mesh_store_key *key)
{
    struct snapshots *s = context;
    struct flat_key flat;
    flatten(s, key, &flat);
    pthread_mutex_lock(&s->lock);
    struct snapshot **at = find(s, &flat);
    if (*at != NULL)
        forget(s, at);
    pthread_mutex_unlock(&s->lock);
}

bool snapshots_take(struct snapshots *s, const mesh_store_key *key, uint64_t *epoch, mesh_buf *out)
{
    struct flat_key flat;
    if (snapshots_empty(s))
        return false;
    flatten(s, key, &flat);
    pthread_mutex_lock(&s->lock);
    struct snapshot **at = find(s, &flat);
    bool found = *at != NULL && mesh_buf_append(out, (*at)->bytes + (*at)->key_len, (*at)->len) == MESH_OK;
    if (found) {
        *epoch = (*at)->epoch;
        forget(s, at);
    }
    pthread_mutex_unlock(&s->lock);
    return found;
}

static struct snapshot *copy_of(const struct snapshot *from)
{
    size_t bytes = sizeof *from + from->key_len + from->len;
    struct snapshot *copy = malloc(bytes);
    if (copy != NULL)
        memcpy(copy, from, bytes);
    return copy;
}

/* Lock held. Copies of what a group has of a shard, as a list. */
static struct snapshot *copy_group(struct snapshots *s, uint32_t group, const char *capability, uint32_t shard,
                                   uint32_t shards)
{
    struct snapshot *list = NULL;
    for (const struct snapshot *at = s->groups[group]; at != NULL; at = at->mate) {
        if (at->phash2 % shards != shard || strcmp(at->bytes, capability) != 0)
            continue;
        struct snapshot *copy = copy_of(at);
        if (copy == NULL)
            break; /* what is not shown stays */
        copy->next = list;
        list = copy;
    }
    return list;
}

static void forget_same(struct snapshots *s, const struct snapshot *shown)
{
    pthread_mutex_lock(&s->lock);
    struct snapshot **at = &s->groups[shown->phash2 % SNAPSHOT_GROUPS];
    while (*at != NULL && ((*at)->hash != shown->hash || (*at)->epoch != shown->epoch ||
                           (*at)->key_len != shown->key_len || memcmp((*at)->bytes, shown->bytes, shown->key_len) != 0))
        at = &(*at)->mate;
    if (*at != NULL) {
        struct snapshot **in_bucket = &s->buckets[shown->hash & (s->bucket_count - 1)];
        while (*in_bucket != *at)
            in_bucket = &(*in_bucket)->next;
        forget(s, in_bucket);
    }
    pthread_mutex_unlock(&s->lock);
}

static uint32_t common_divisor(uint32_t a, uint32_t b)
{
    while (b != 0) {
        uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

void snapshots_take_shard(struct snapshots *s, const char *capability, uint32_t shard, uint32_t shards,
                          bool (*fn)(void *context, const mesh_store_key *key, uint64_t epoch, mesh_term snapshot),
                          void *context)
{
    if (snapshots_empty(s))
        return;
    uint32_t step = common_divisor(shards, SNAPSHOT_GROUPS);
    for (uint32_t group = shard % step; group < SNAPSHOT_GROUPS; group += step) {
        pthread_mutex_lock(&s->lock);
        struct snapshot *list = s->groups != NULL ? copy_group(s, group, capability, shard, shards) : NULL;
        pthread_mutex_unlock(&s->lock);
        while (list != NULL) {
            struct snapshot *copy = list;
            list = copy->next;
            const mesh_store_key key = {.capability = copy->bytes,
                                        .module = copy->bytes + copy->module_at,
                                        .id = {copy->bytes + copy->id_at, copy->key_len - copy->id_at}};
            const mesh_term term = {.data = (const uint8_t *)copy->bytes + copy->key_len, .len = copy->len};
            if (fn(context, &key, copy->epoch, term))
                forget_same(s, copy);
            free(copy);
        }
    }
}
