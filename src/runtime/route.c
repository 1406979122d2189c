/* From an id or a pid to an actor: lookup, start, push, removal.
 *
 * The id table comes first; phash2, the row of the shard and the limits only when it has no such process. An actor is
 * pushed to, or its run right taken, under the lock of its stripe, and leaves the table under the same lock: that is
 * what keeps a found actor from being freed. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "placement/phash2.h"
#include "runtime/runtime.h"

struct wanted {
    const struct class *class;
    mesh_bytes id;
};

/* memcmp for ids, which are mostly short. */
static inline bool same_id(const char *a, const char *b, size_t len)
{
    if (len < 8 || len > 32)
        return memcmp(a, b, len) == 0;
    uint64_t x, y;
    for (size_t i = 0; i + 8 < len; i += 8) {
        memcpy(&x, a + i, 8);
        memcpy(&y, b + i, 8);
        if (x != y)
            return false;
    }
    memcpy(&x, a + len - 8, 8);
    memcpy(&y, b + len - 8, 8);
    return x == y;
}

static inline bool is_wanted(const struct table_entry *entry, const void *key)
{
    struct actor *a = (struct actor *)entry;
    const struct wanted *want = key;
    return a->class == want->class && a->id_len == want->id.len && same_id(actor_id(a), want->id.data, a->id_len);
}

static inline uint64_t hash_of(const struct runtime *rt, const struct class *class, mesh_bytes id)
{
    struct siphash_key key = rt->key;
    key.k0 ^= class->salt;
    return siphash13(key, id.data, id.len);
}

/* The receiver is suspended in a call that led to this one. Stripe lock. */
static bool is_cycle(struct runtime *rt, struct actor *a, const struct message *m)
{
    uint32_t waiting = atomic_load_explicit(&a->waiting, memory_order_acquire);
    if (waiting == 0)
        return false;
    uint64_t call = atomic_load_explicit(&rt->coroutines[waiting - 1]->call_number, memory_order_acquire);
    uint64_t number = actor_number(a);
    for (uint32_t i = 0; i < m->chain_count; i++)
        if (m->chain[i].pid == number && m->chain[i].call == call)
            return true;
    return false;
}

/* Stripe lock held. May the message be pushed? */
static int admit(struct runtime *rt, struct actor *a, const struct message *m)
{
    if (m->chain_count > 0 && is_cycle(rt, a, m))
        return MESH_ECYCLE;
    if (m->kind <= MESSAGE_INFO && atomic_load_explicit(&a->queued, memory_order_relaxed) >= a->class->max_mailbox)
        return MESH_EBUSY;
    return MESH_OK;
}

/* Hands the message to a found actor: takes its run right, or pushes. Stripe lock held; tells whether to queue it. */
static int hand_over(struct runtime *rt, struct actor *a, struct route *r, bool *queue)
{
    if (r->direct && actor_acquire(a)) {
        r->actor = a;
        return MESH_OK;
    }
    int rc = admit(rt, a, r->message);
    if (rc == MESH_OK && r->init_arg.data != NULL && r->message->init_arg.data == NULL)
        rc = payload_set_slow(&r->message->init_arg, r->init_arg);
    if (rc == MESH_OK)
        *queue = actor_push(a, r->message);
    return rc;
}

/* A new actor outside of all tables. NULL: no memory. */
static struct actor *create(const struct class *class, mesh_bytes id, uint32_t shard)
{
    size_t state_at = (sizeof(struct actor) + 15) & ~(size_t)15;
    struct actor *a = calloc(1, state_at + class->module->ops.state_size + id.len);
    if (a == NULL)
        return NULL;
    a->class = (struct class *)class;
    a->shard = (uint16_t)shard;
    a->id_len = (uint16_t)id.len;
    atomic_init(&a->flags, ACTOR_FRESH);
    memcpy(actor_id(a), id.data, id.len);
    return a;
}

/* Row lock inside. */
static int row_add(struct runtime *rt, struct actor *a)
{
    struct row *row = actor_row(a);
    int rc = MESH_OK;
    spin_lock(&row->lock);
    if (!row->held)
        rc = MESH_EMOVED;
    else if (row->count >= rt->options.max_shard)
        rc = MESH_ELIMIT;
    else if (row->count == row->capacity) {
        uint32_t capacity = row->capacity < 4 ? 4 : row->capacity + row->capacity / 2;
        struct actor **actors = realloc(row->actors, capacity * sizeof(struct actor *));
        if (actors == NULL) {
            rc = MESH_ENOMEM;
        } else {
            row->actors = actors;
            row->capacity = capacity;
        }
    }
    if (rc == MESH_OK) {
        a->place = row->count;
        row->actors[row->count++] = a;
    }
    spin_unlock(&row->lock);
    return rc;
}

static void row_remove(struct actor *a)
{
    struct row *row = actor_row(a);
    spin_lock(&row->lock);
    struct actor *last = row->actors[--row->count];
    row->actors[a->place] = last;
    last->place = a->place;
    if (row->count == 0) {
        free(row->actors);
        row->actors = NULL;
        row->capacity = 0;
    }
    spin_unlock(&row->lock);
}

/* Puts a new actor into the row, the table and its pid slot, with the message. Stripe lock held. */
static int enter(struct runtime *rt, struct table_stripe *stripe, uint64_t hash, struct actor *a, struct route *r)
{
    int rc = row_add(rt, a);
    if (rc != MESH_OK)
        return rc;
    rc = table_insert(stripe, hash, &a->entry);
    if (rc != MESH_OK) {
        row_remove(a);
        return rc;
    }
    struct pid_slot *slot = pids_slot(&rt->pids, a->slot);
    atomic_store_explicit(&a->serial, atomic_load_explicit(&slot->serial, memory_order_relaxed), memory_order_relaxed);
    atomic_store_explicit(&slot->actor, a, memory_order_relaxed);
    atomic_store_explicit(&slot->stripe, (uint32_t)(stripe - rt->table.stripes), memory_order_release);
    if (r->direct) {
        atomic_store_explicit(&a->inbox, INBOX_RUNNING, memory_order_relaxed);
        r->actor = a;
    } else {
        actor_push(a, r->message);
    }
    return MESH_OK;
}

/* Starts a process that the table does not have: everything that can be refused is, before anything is seen. */
static int activate(struct runtime *rt, struct worker *w, struct route *r, uint64_t hash)
{
    if (atomic_load_explicit(&rt->stopping, memory_order_relaxed))
        return MESH_ESTOPPING;
    if (backoff_refuses(&rt->backoff, r->class->index, r->id, w != NULL ? w->now_ns : clock_now_ns()))
        return MESH_EBACKOFF;
    uint64_t live = atomic_fetch_add_explicit(&rt->live, 1, memory_order_relaxed);
    int rc = rt->options.max_processes != 0 && live >= rt->options.max_processes ? MESH_ELIMIT : MESH_OK;
    if (rc == MESH_OK && r->init_arg.data != NULL)
        rc = payload_set_slow(&r->message->init_arg, r->init_arg);
    struct actor *a = NULL;
    if (rc == MESH_OK) {
        a = create(r->class, r->id, phash2_range(r->id, r->class->capability->shards));
        rc = a == NULL ? MESH_ENOMEM : pids_take(&rt->pids, w != NULL ? &w->slots : NULL, &a->slot);
    }
    if (rc != MESH_OK) {
        free(a);
        atomic_fetch_sub_explicit(&rt->live, 1, memory_order_relaxed);
        return rc;
    }
    bool queue = false, used = false;
    struct table_stripe *stripe = table_stripe(&rt->table, hash);
    table_lock(stripe);
    struct wanted want = {r->class, r->id};
    struct actor *other = (struct actor *)table_find(stripe, hash, is_wanted, &want);
    if (other != NULL) {
        rc = hand_over(rt, other, r, &queue);
    } else {
        rc = enter(rt, stripe, hash, a, r);
        used = rc == MESH_OK;
        queue = used && !r->direct;
    }
    struct actor *queued = other != NULL ? other : a;
    table_unlock(stripe);
    if (!used) {
        pids_give(&rt->pids, a->slot);
        free(a);
        atomic_fetch_sub_explicit(&rt->live, 1, memory_order_relaxed);
    }
    if (queue)
        worker_queue(rt, w, (struct work){.actor = queued});
    return rc;
}

void route_prepare(struct runtime *rt, struct worker *w, struct route *r)
{
    r->hash = hash_of(rt, r->class, r->id);
    /* The stripe and the actor are mostly in the cache of another core, or in none. They come while the message is
     * made. To prefetch an address that is no longer valid does nothing. */
    __builtin_prefetch(table_stripe(&rt->table, r->hash), 1);
    if (w != NULL) {
        uintptr_t hint = (uintptr_t)w->hints[r->hash % HINTS];
        __builtin_prefetch((const void *)hint, 1);
        __builtin_prefetch((const void *)(hint + 64), 1);
    }
}

int route_to_id(struct runtime *rt, struct worker *w, struct route *r)
{
    uint64_t hash = r->hash;
    struct table_stripe *stripe = table_stripe(&rt->table, hash);
    struct wanted want = {r->class, r->id};
    bool queue = false;
    r->actor = NULL;
    table_lock(stripe);
    struct actor *a = (struct actor *)table_find(stripe, hash, is_wanted, &want);
    int rc = a != NULL ? hand_over(rt, a, r, &queue) : MESH_OK;
    table_unlock(stripe);
    if (w != NULL)
        w->hints[hash % HINTS] = a;
    if (a == NULL)
        return activate(rt, w, r, hash);
    if (queue)
        worker_queue(rt, w, (struct work){.actor = a});
    return rc;
}

/* A signal that ends the receiver must not wait for its handler: marks it, and wakes it where it is suspended. Stripe
 * lock held. The flag is set before waiting is read, and a handler that suspends does it the other way round (both
 * sequentially consistent), so that one of the two sees the other. */
static void interrupt_if_ending(struct runtime *rt, struct actor *a, const struct message *m)
{
    if ((m->kind != MESSAGE_EXIT || m->ref == EXIT_NORMAL) && m->kind != MESSAGE_SHUTDOWN)
        return;
    if (m->kind == MESSAGE_EXIT && m->ref != EXIT_KILL &&
        (atomic_load_explicit(&a->flags, memory_order_relaxed) & ACTOR_TRAPS) != 0)
        return;
    atomic_fetch_or_explicit(&a->flags, ACTOR_ENDING, memory_order_seq_cst);
    uint32_t waiting = atomic_load_explicit(&a->waiting, memory_order_seq_cst);
    if (waiting != 0)
        coroutine_interrupt(rt, rt->coroutines[waiting - 1], actor_number(a));
}

int route_to_pid(struct runtime *rt, struct worker *w, uint64_t number, struct message *m)
{
    struct pid_slot *slot = pids_slot(&rt->pids, (uint32_t)number);
    uint32_t index = slot == NULL ? UINT32_MAX : atomic_load_explicit(&slot->stripe, memory_order_acquire);
    if (number == 0 || index >= rt->table.stripe_count)
        return MESH_ENOPROCESS;
    struct table_stripe *stripe = &rt->table.stripes[index];
    bool queue = false;
    int rc = MESH_ENOPROCESS;
    table_lock(stripe);
    struct actor *a = atomic_load_explicit(&slot->actor, memory_order_relaxed);
    if (atomic_load_explicit(&slot->stripe, memory_order_relaxed) == index && a != NULL &&
        atomic_load_explicit(&slot->serial, memory_order_relaxed) == (uint32_t)(number >> 32) &&
        /* A message to a process that was started but has not run yet is as good as any. */
        actor_number(a) == number) {
        m->by_pid = true;
        m->pid = number;
        rc = admit(rt, a, m);
        if (rc == MESH_OK) {
            interrupt_if_ending(rt, a, m);
            queue = actor_push(a, m);
        }
    }
    table_unlock(stripe);
    if (queue)
        worker_queue(rt, w, (struct work){.actor = a});
    return rc;
}

/* The life of an actor ends: its pid finds nobody any more. Stripe lock held. */
static void end_life(struct runtime *rt, struct actor *a)
{
    struct pid_slot *slot = pids_slot(&rt->pids, a->slot);
    uint32_t serial = atomic_load_explicit(&a->serial, memory_order_relaxed) + 1;
    atomic_store_explicit(&slot->serial, serial, memory_order_relaxed);
    atomic_store_explicit(&a->serial, serial, memory_order_relaxed);
}

bool route_remove(struct runtime *rt, struct actor *a)
{
    uint64_t hash = hash_of(rt, a->class, (mesh_bytes){actor_id(a), a->id_len});
    struct table_stripe *stripe = table_stripe(&rt->table, hash);
    table_lock(stripe);
    end_life(rt, a);
    if (a->pending != NULL || atomic_load_explicit(&a->inbox, memory_order_relaxed) != INBOX_RUNNING) {
        atomic_store_explicit(&a->flags, ACTOR_FRESH | ACTOR_REBORN, memory_order_relaxed);
        table_unlock(stripe);
        memset(actor_state(a), 0, a->class->module->ops.state_size);
        return false;
    }
    table_remove(stripe, hash, &a->entry);
    row_remove(a);
    struct pid_slot *slot = pids_slot(&rt->pids, a->slot);
    atomic_store_explicit(&slot->actor, NULL, memory_order_relaxed);
    table_unlock(stripe);
    pids_give(&rt->pids, a->slot);
    free(a);
    atomic_fetch_sub_explicit(&rt->live, 1, memory_order_release);
    return true;
}
