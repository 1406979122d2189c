/* Ties, stand-ins and peers: the tables. See foreign_state.h.
 *
 * A tie holds its stand-in, a stand-in its peer; what nothing holds is freed at once. Hashes are keyed: pids and
 * references are chosen by other nodes. The tables are those of the runtime (runtime/table.h), which grow stripe by
 * stripe; their locks are never waited for, since all of this is under one lock already. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "node/foreign_state.h"

/* ---- numbers ---- */

/* A number for thing; 0: no memory. How many things there may be is the caller's to limit, far below 2^31. */
static uint64_t numbered_add(struct numbered *n, void *thing)
{
    if (n->free == 0) {
        uint32_t count = n->count == 0 ? 64 : n->count * 2;
        struct numbered_slot *slots = realloc(n->slots, count * sizeof *slots);
        if (slots == NULL)
            return 0;
        memset(slots + n->count, 0, (count - n->count) * sizeof *slots);
        for (uint32_t i = count - 1; i >= n->count && i > 0; i--) { /* slot 0 stays unused */
            slots[i].next = n->free;
            n->free = i;
        }
        n->slots = slots;
        n->count = count;
    }
    uint32_t index = n->free;
    struct numbered_slot *slot = &n->slots[index];
    n->free = slot->next;
    slot->thing = thing;
    return (uint64_t)++slot->serial << 32 | index;
}

static void *numbered_at(const struct numbered *n, uint64_t number)
{
    uint32_t index = (uint32_t)(number & (PIDS_ABROAD - 1));
    return index < n->count && n->slots[index].serial == number >> 32 ? n->slots[index].thing : NULL;
}

static void numbered_remove(struct numbered *n, uint64_t number)
{
    uint32_t index = (uint32_t)(number & (PIDS_ABROAD - 1));
    n->slots[index].thing = NULL;
    n->slots[index].next = n->free;
    n->free = index;
}

/* ---- tables ---- */

static int insert(struct table *table, uint64_t hash, struct table_entry *entry)
{
    struct table_stripe *stripe = table_stripe(table, hash);
    table_lock(stripe);
    int rc = table_insert(table, stripe, hash, entry);
    table_unlock(stripe);
    return rc;
}

static void take_out(struct table *table, uint64_t hash, struct table_entry *entry)
{
    struct table_stripe *stripe = table_stripe(table, hash);
    table_lock(stripe);
    table_remove(table, stripe, hash, entry);
    table_unlock(stripe);
}

static struct table_entry *find(struct table *table, uint64_t hash,
                                bool (*same)(const struct table_entry *, const void *), const void *key)
{
    struct table_stripe *stripe = table_stripe(table, hash);
    table_lock(stripe);
    struct table_entry *entry = table_find(stripe, hash, same, key);
    table_unlock(stripe);
    return entry;
}

static bool same_term(mesh_term a, mesh_term b)
{
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

struct block *block_of_term(mesh_term term)
{
    struct block *block = block_create(term.len);
    if (block != NULL)
        memcpy(block->bytes, term.data, term.len);
    return block;
}

/* ---- peers ---- */

static struct foreign_peer **bucket_of(struct foreign *f, mesh_bytes name)
{
    return &f->peers[siphash13(f->runtime->key, name.data, name.len) % PEER_BUCKETS];
}

struct foreign_peer *foreign_peer_find(struct foreign *f, mesh_bytes name)
{
    struct foreign_peer *peer = *bucket_of(f, name);
    while (peer != NULL && !service_same(foreign_peer_name(peer), name))
        peer = peer->next;
    return peer;
}

struct foreign_peer *foreign_peer_get(struct foreign *f, mesh_bytes name)
{
    struct foreign_peer *peer = foreign_peer_find(f, name), **bucket = bucket_of(f, name);
    if (peer != NULL)
        return peer;
    peer = calloc(1, sizeof *peer + name.len);
    if (peer == NULL)
        return NULL;
    list_init(&peer->stand_ins);
    peer->tail = &peer->waiting;
    peer->name_len = name.len;
    memcpy(peer->name, name.data, name.len);
    peer->next = *bucket;
    *bucket = peer;
    return peer;
}

void foreign_peer_let_go(struct foreign *f, struct foreign_peer *peer)
{
    if (peer->connecting || !list_is_empty(&peer->stand_ins))
        return;
    struct foreign_peer **at = bucket_of(f, foreign_peer_name(peer));
    while (*at != peer)
        at = &(*at)->next;
    *at = peer->next;
    free(peer);
}

/* ---- stand-ins ---- */

static bool is_stand_in_of(const struct table_entry *entry, const void *pid)
{
    return same_term(block_term(((const struct stand_in *)entry)->pid), *(const mesh_term *)pid);
}

static struct stand_in *find_by_term(struct foreign *f, mesh_term pid, uint64_t *hash)
{
    *hash = siphash13(f->runtime->key, pid.data, pid.len);
    return (struct stand_in *)find(&f->stand_ins, *hash, is_stand_in_of, &pid);
}

struct stand_in *stand_in_find(struct foreign *f, const mesh_pid *pid)
{
    mesh_buf term;
    uint64_t hash;
    mesh_buf_init(&term);
    struct stand_in *s = mesh_put_pid(&term, pid) == MESH_OK ? find_by_term(f, mesh_buf_term(&term), &hash) : NULL;
    mesh_buf_fini(&term);
    return s;
}

/* What a new one needs; what is there after a failure is freed by the caller. */
static int fill(struct foreign *f, struct stand_in *s, mesh_term pid, const char *node)
{
    s->pid = block_of_term(pid);
    s->peer = s->pid != NULL ? foreign_peer_get(f, mesh_str(node)) : NULL;
    s->number = s->peer != NULL ? numbered_add(&f->stand_in_numbers, s) : 0;
    return s->number != 0 ? insert(&f->stand_ins, s->hash, &s->entry) : MESH_ENOMEM;
}

static void free_stand_in(struct foreign *f, struct stand_in *s)
{
    if (s->number != 0)
        numbered_remove(&f->stand_in_numbers, s->number);
    if (s->pid != NULL)
        block_release(s->pid);
    list_remove(&s->in);
    if (s->peer != NULL)
        foreign_peer_let_go(f, s->peer);
    free(s);
}

static int make_stand_in(struct foreign *f, mesh_term pid, const char *node, uint64_t hash, struct stand_in **stand_in)
{
    /* More than there may be ties: some wait for their last signal to be handled. */
    if (f->stand_in_count / 2 >= f->limits.ties)
        return MESH_ELIMIT;
    struct stand_in *s = calloc(1, sizeof *s);
    if (s == NULL)
        return MESH_ENOMEM;
    s->hash = hash;
    s->holds = 1;
    list_init(&s->ties);
    int rc = fill(f, s, pid, node);
    if (rc != MESH_OK) {
        free_stand_in(f, s);
        return rc;
    }
    s->number |= PIDS_ABROAD;
    list_append(&s->peer->stand_ins, &s->in);
    f->stand_in_count++;
    *stand_in = s;
    return MESH_OK;
}

int stand_in_get(struct foreign *f, const mesh_pid *pid, struct stand_in **stand_in)
{
    mesh_buf term;
    uint64_t hash = 0;
    mesh_buf_init(&term);
    int rc = mesh_put_pid(&term, pid);
    struct stand_in *s = rc == MESH_OK ? find_by_term(f, mesh_buf_term(&term), &hash) : NULL;
    if (s != NULL) {
        s->holds++;
        *stand_in = s;
    } else if (rc == MESH_OK) {
        rc = make_stand_in(f, mesh_buf_term(&term), pid->node, hash, stand_in);
    }
    mesh_buf_fini(&term);
    return rc;
}

struct stand_in *stand_in_at(struct foreign *f, uint64_t number)
{
    return numbered_at(&f->stand_in_numbers, number);
}

void stand_in_release(struct foreign *f, struct stand_in *s)
{
    if (--s->holds > 0)
        return;
    take_out(&f->stand_ins, s->hash, &s->entry);
    f->stand_in_count--;
    free_stand_in(f, s);
}

/* ---- ties ---- */

static uint64_t hash_of(const struct foreign *f, const struct tie *like)
{
    uint64_t words[3] = {like->kind, 0, 0};
    switch (like->kind) {
    case TIE_WATCHED:
        words[1] = like->ref;
        break;
    case TIE_WATCHER:
        words[1] = like->stand_in->number;
        words[2] = siphash13(f->runtime->key, like->remote_ref.data, like->remote_ref.len);
        break;
    case TIE_LINK:
        words[1] = like->stand_in->number;
        words[2] = like->local;
        break;
    case TIE_WATCH:
        words[2] = like->local;
        break;
    }
    return siphash13(f->runtime->key, words, sizeof words);
}

static bool is_like(const struct table_entry *entry, const void *key)
{
    const struct tie *tie = (const struct tie *)entry, *like = key;
    if (tie->kind != like->kind)
        return false;
    switch (tie->kind) {
    case TIE_WATCHED:
        return tie->ref == like->ref;
    case TIE_WATCHER:
        return tie->stand_in == like->stand_in && same_term(tie->remote_ref, like->remote_ref);
    default:
        return tie->stand_in == like->stand_in && tie->local == like->local;
    }
}

struct tie *tie_find(struct foreign *f, const struct tie *like)
{
    return (struct tie *)find(&f->ties, hash_of(f, like), is_like, like);
}

struct tie *tie_by_ref(struct foreign *f, uint64_t ref)
{
    return numbered_at(&f->tie_numbers, ref);
}

static bool is_numbered(const struct tie *tie)
{
    return tie->kind == TIE_WATCHER || tie->kind == TIE_WATCH;
}

int tie_add(struct foreign *f, const struct tie *like, struct tie **tie)
{
    if (f->tie_count >= f->limits.ties)
        return MESH_ELIMIT;
    struct tie *t = malloc(sizeof *t + like->remote_ref.len);
    if (t == NULL)
        return MESH_ENOMEM;
    *t = *like;
    if (like->remote_ref.len > 0) {
        memcpy(t->bytes, like->remote_ref.data, like->remote_ref.len);
        t->remote_ref.data = t->bytes;
    }
    t->hash = hash_of(f, t);
    if (is_numbered(t))
        t->ref = numbered_add(&f->tie_numbers, t);
    int rc = is_numbered(t) && t->ref == 0 ? MESH_ENOMEM : insert(&f->ties, t->hash, &t->entry);
    if (rc != MESH_OK) {
        if (is_numbered(t) && t->ref != 0)
            numbered_remove(&f->tie_numbers, t->ref);
        free(t);
        return rc;
    }
    if (t->stand_in != NULL) {
        t->stand_in->holds++;
        list_append(&t->stand_in->ties, &t->in);
    }
    f->tie_count++;
    *tie = t;
    return MESH_OK;
}

void tie_remove(struct foreign *f, struct tie *tie)
{
    take_out(&f->ties, tie->hash, &tie->entry);
    if (is_numbered(tie))
        numbered_remove(&f->tie_numbers, tie->ref);
    if (tie->stand_in != NULL) {
        list_remove(&tie->in);
        stand_in_release(f, tie->stand_in);
    }
    f->tie_count--;
    free(tie);
}

/* ---- life ---- */

void foreign_ties_init(struct foreign *f)
{
    if (table_init(&f->stand_ins, TIE_STRIPES, &f->runtime->arrays) != MESH_OK ||
        table_init(&f->ties, TIE_STRIPES, &f->runtime->arrays) != MESH_OK)
        abort();
}

static void free_ties(struct foreign *f)
{
    for (size_t i = 0; i < f->ties.stripe_count; i++) {
        struct table_stripe *stripe = &f->ties.stripes[i];
        uint32_t cursor = 0;
        for (struct tie *t; (t = (struct tie *)table_next(stripe, &cursor)) != NULL; cursor = 0)
            tie_remove(f, t);
    }
}

void foreign_ties_fini(struct foreign *f)
{
    free_ties(f);
    for (size_t i = 0; i < f->stand_ins.stripe_count; i++) { /* those that only a signal that was lost had held */
        struct table_stripe *stripe = &f->stand_ins.stripes[i];
        uint32_t cursor = 0;
        for (struct stand_in *s; (s = (struct stand_in *)table_next(stripe, &cursor)) != NULL; cursor = 0) {
            s->holds = 1;
            stand_in_release(f, s);
        }
    }
    for (size_t i = 0; i < PEER_BUCKETS; i++)
        while (f->peers[i] != NULL) {
            struct foreign_peer *peer = f->peers[i];
            foreign_drop_waiting(f, peer);
            foreign_peer_let_go(f, peer);
        }
    table_fini(&f->ties);
    table_fini(&f->stand_ins);
    free(f->stand_in_numbers.slots);
    free(f->tie_numbers.slots);
}
