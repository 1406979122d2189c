/* Snapshots in memory: see snapshots.h. */
#include "runtime/snapshots.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

struct snapshot {
    struct snapshot *next;
    uint64_t hash;
    uint64_t epoch;
    size_t key_len, len;
    char bytes[]; /* the key, then the term */
};

/* Capability, module and id as one string of bytes: names hold no NUL. */
struct flat_key {
    char bytes[2 * 256 + 4096];
    size_t len;
    uint64_t hash;
};

static void flatten(const struct snapshots *s, const mesh_store_key *key, struct flat_key *flat)
{
    size_t capability = strlen(key->capability) + 1, module = strlen(key->module) + 1;
    memcpy(flat->bytes, key->capability, capability);
    memcpy(flat->bytes + capability, key->module, module);
    memcpy(flat->bytes + capability + module, key->id.data, key->id.len);
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
    free(old);
    atomic_fetch_sub_explicit(&s->count, 1, memory_order_release);
}

int snapshots_save(void *context, const mesh_store_key *key, uint64_t epoch, mesh_term term)
{
    struct snapshots *s = context;
    struct flat_key flat;
    flatten(s, key, &flat);
    struct snapshot *fresh = malloc(sizeof *fresh + flat.len + term.len);
    if (fresh == NULL)
        return MESH_ENOMEM;
    *fresh = (struct snapshot){.hash = flat.hash, .epoch = epoch, .key_len = flat.len, .len = term.len};
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
