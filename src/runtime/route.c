/* From an id or a pid to an actor: lookup, start, push, removal.
 *
 * The id table comes first; phash2, the row of the shard and the limits only when it has no such process. An actor is
 * pushed to under the lock of its stripe, and leaves the table under the same lock: that is what keeps a found actor
 * from being freed.
 *
 * A call that hands over to an idle actor needs neither the table nor its lock if the worker has been there before.
 * Each worker keeps hints, where it found an actor under a cheap hash of class and id. An actor that a hint leads to
 * may be gone, and another live in its memory: so its run right is taken first, which only an idle, living actor gives
 * (slab.h), and then it is asked who it is. If it is another, the run right is given back. The hash of the hints is not
 * keyed: who can choose ids that collide makes hints useless to himself, and nothing else. */
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
    uint64_t x = 0, y = 0;
    if (len > 32)
        return memcmp(a, b, len) == 0;
    if (len < 8) {
        copy_few(&x, a, len);
        copy_few(&y, b, len);
        return x == y;
    }
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

/* ---- Hints ---- */

static inline uint64_t hint_hash(const struct class *class, mesh_bytes id)
{
    uint64_t x = 0, y = 0;
    const uint8_t *data = id.data;
    if (id.len >= 8) {
        memcpy(&x, data, 8);
        memcpy(&y, data + id.len - 8, 8);
    } else if (id.len >= 4) {
        memcpy(&x, data, 4);
        memcpy(&y, data + id.len - 4, 4);
    } else {
        x = (uint64_t)data[0] | (uint64_t)data[id.len / 2] << 8 | (uint64_t)data[id.len - 1] << 16;
    }
    x = (x ^ class->salt) * 0x9e3779b97f4a7c15U;
    y = (y ^ id.len) * 0xd1b54a32d192ed03U;
    x ^= y << 32 | y >> 32;
    x ^= x >> 29;
    return x * 0xbf58476d1ce4e5b9U;
}

static inline uint64_t *hint_set(struct worker *w, uint64_t hash)
{
    return w->hints[(hash >> 32) % HINT_SETS];
}

static inline uint64_t hint_tag(uint64_t hash)
{
    return hash >> TABLE_POINTER_BITS << TABLE_POINTER_BITS;
}

static inline struct actor *hint_find(struct worker *w, uint64_t hash)
{
    const uint64_t *set = hint_set(w, hash);
    uint64_t tag = hint_tag(hash);
    for (int way = 0; way < HINT_WAYS; way++)
        if ((set[way] ^ tag) >> TABLE_POINTER_BITS == 0 && set[way] != tag)
            return (struct actor *)(uintptr_t)(set[way] ^ tag);
    return NULL;
}

/* Only of small actors: the memory of others may become something else. */
static inline void hint_note(struct worker *w, uint64_t hash, struct actor *a)
{
    uint64_t *set = hint_set(w, hash), hint = hint_tag(hash) | (uint64_t)(uintptr_t)a;
    if (set[0] == hint || actor_bytes(a->class, a->id_len) > SLAB_MAX_BYTES)
        return;
    set[1] = set[0];
    set[0] = hint;
}

/* The run right of the actor that a hint led to, if it is idle and the right one. */
static inline bool acquire_known(struct runtime *rt, struct worker *w, struct route *r)
{
    struct actor *a = r->known;
    const struct wanted want = {r->class, r->id};
    if (!actor_acquire(a))
        return false;
    if (is_wanted(&a->entry, &want)) {
        r->actor = a;
        return true;
    }
    if (!actor_rest(a))
        worker_queue(rt, w, (struct work){.actor = a});
    return false;
}

/* The receiver is suspended in a call that led to this one. Stripe lock. */
static bool is_cycle(struct runtime *rt, struct actor *a, const struct message *m)
{
    uint32_t waiting = atomic_load_explicit(&a->waiting, memory_order_acquire);
    if (waiting == 0)
        return false;
    uint64_t call =
        atomic_load_explicit(&rt->coroutines[waiting_coroutine(waiting)]->call_number, memory_order_acquire);
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

static struct slab_cache *cells_of(struct worker *w)
{
    return w != NULL ? &w->cells : NULL;
}

/* A new actor outside of all tables. NULL: no memory. The inbox is 0, and others may look at it while this is made. */
static struct actor *create(struct runtime *rt, struct worker *w, const struct class *class, mesh_bytes id,
                            uint32_t shard)
{
    size_t bytes = actor_bytes(class, id.len);
    struct actor *a = bytes <= SLAB_MAX_BYTES ? slab_get(&rt->cells, cells_of(w), bytes) : calloc(1, bytes);
    if (a == NULL)
        return NULL;
    size_t after = offsetof(struct actor, inbox) + sizeof a->inbox;
    memset((char *)a + after, 0, class->id_at - after);
    a->class = (struct class *)class;
    a->shard = (uint16_t)shard;
    a->id_len = (uint16_t)id.len;
    atomic_store_explicit(&a->flags, ACTOR_FRESH, memory_order_relaxed);
    memcpy(actor_id(a), id.data, id.len);
    return a;
}

static void discard(struct runtime *rt, struct worker *w, struct actor *a)
{
    size_t bytes = actor_bytes(a->class, a->id_len);
    if (bytes <= SLAB_MAX_BYTES)
        slab_put(&rt->cells, cells_of(w), a, bytes);
    else
        free(a);
}

/* The capacities are those of cells: 4, 6, 8, 12 … Row lock held. */
static int row_grow(struct runtime *rt, struct row *row)
{
    uint32_t now = row->capacity, capacity = now == 0 ? 4 : (now & (now - 1)) == 0 ? now / 2 * 3 : now / 3 * 4;
    struct actor **actors = slab_array_get(&rt->arrays, capacity * sizeof *actors);
    if (actors == NULL)
        return MESH_ENOMEM;
    if (now > 0)
        memcpy(actors, row->actors, now * sizeof *actors);
    slab_array_put(&rt->arrays, row->actors, now * sizeof *actors);
    row->actors = actors;
    row->capacity = capacity;
    return MESH_OK;
}

/* Row lock inside. */
static int row_add(struct runtime *rt, struct actor *a, uint64_t permit)
{
    struct row *row = actor_row(a);
    int rc = MESH_OK;
    spin_lock(&row->lock);
    if (!row->held || (row->asks && row->epoch != permit))
        rc = MESH_EMOVED;
    else if (row->count >= rt->options.max_shard)
        rc = MESH_ELIMIT;
    else if (row->count == row->capacity) {
        rc = row_grow(rt, row);
    }
    if (rc == MESH_OK) {
        a->place = row->count;
        row->actors[row->count++] = a;
    }
    spin_unlock(&row->lock);
    return rc;
}

static void row_remove(struct runtime *rt, struct actor *a)
{
    struct row *row = actor_row(a);
    spin_lock(&row->lock);
    struct actor *last = row->actors[--row->count];
    row->actors[a->place] = last;
    last->place = a->place;
    if (row->count == 0) {
        slab_array_put(&rt->arrays, row->actors, row->capacity * sizeof *row->actors);
        row->actors = NULL;
        row->capacity = 0;
    }
    spin_unlock(&row->lock);
}

/* Whether one more process may live; then it is counted, if there is a limit. Under the lock of its stripe, when the
 * process is known not to be there: the limit then counts processes, and not attempts to start one. */
static bool may_live(struct runtime *rt)
{
    uint64_t most = rt->options.max_processes, now = atomic_load_explicit(&rt->limited, memory_order_relaxed);
    if (most == 0)
        return true;
    while (now < most)
        if (atomic_compare_exchange_weak_explicit(&rt->limited, &now, now + 1, memory_order_relaxed,
                                                  memory_order_relaxed))
            return true;
    return false;
}

static void lives_no_more(struct runtime *rt)
{
    if (rt->options.max_processes != 0)
        atomic_fetch_sub_explicit(&rt->limited, 1, memory_order_relaxed);
}

/* A worker counts on its own: one number that all of them write would be on the way of every activation. */
static void count_started(struct runtime *rt, struct worker *w)
{
    if (w == NULL)
        atomic_fetch_add_explicit(&rt->started, 1, memory_order_relaxed);
    else
        atomic_store_explicit(&w->started, atomic_load_explicit(&w->started, memory_order_relaxed) + 1,
                              memory_order_relaxed);
}

/* Release: pairs with the acquire in runtime_live, whose reader goes on to free what the process used. */
static void count_ended(struct worker *w)
{
    atomic_store_explicit(&w->ended, atomic_load_explicit(&w->ended, memory_order_relaxed) + 1, memory_order_release);
}

uint64_t runtime_live(struct runtime *rt)
{
    /* What ended is read first. So the result is never too low: if it is 0, nothing lived when that was read. */
    uint64_t started = 0, ended = 0;
    for (uint32_t i = 0; i < rt->worker_count; i++)
        ended += atomic_load_explicit(&rt->workers[i].ended, memory_order_acquire);
    for (uint32_t i = 0; i < rt->worker_count; i++)
        started += atomic_load_explicit(&rt->workers[i].started, memory_order_relaxed);
    return started + atomic_load_explicit(&rt->started, memory_order_relaxed) - ended;
}

/* Puts a new actor into the row, the table and its pid slot, with the message. Stripe lock held. */
static int enter(struct runtime *rt, struct worker *w, struct table_stripe *stripe, struct actor *a, struct route *r)
{
    if (!may_live(rt))
        return MESH_ELIMIT;
    int rc = row_add(rt, a, r->permit);
    if (rc == MESH_OK) {
        rc = table_insert(&rt->table, stripe, r->hash, &a->entry);
        if (rc != MESH_OK)
            row_remove(rt, a);
    }
    if (rc != MESH_OK) {
        lives_no_more(rt);
        return rc;
    }
    count_started(rt, w);
    struct pid_slot *slot = pids_slot(&rt->pids, a->slot);
    atomic_store_explicit(&a->serial, atomic_load_explicit(&slot->serial, memory_order_relaxed), memory_order_relaxed);
    atomic_store_explicit(&slot->actor, a, memory_order_relaxed);
    atomic_store_explicit(&slot->stripe, (uint32_t)(stripe - rt->table.stripes), memory_order_release);
    if (r->direct) {
        atomic_store_explicit(&a->inbox, INBOX_RUNNING, memory_order_release);
        r->actor = a;
    } else {
        r->message->post.next = NULL;
        atomic_store_explicit(&a->queued, 1, memory_order_relaxed);
        atomic_store_explicit(&a->inbox, r->message, memory_order_release);
    }
    return MESH_OK;
}

/* Whether a process may start here without asking, as far as one can see; row_add decides. Without this look every
 * message for another node would make a process first. */
static bool may_start_here(struct runtime *rt, const struct route *r)
{
    if (rt->elsewhere.take == NULL)
        return true;
    if (r->class->foreign || (r->permit == 0 && atomic_load_explicit(&rt->asks, memory_order_relaxed)))
        return false;
    struct row *row = &r->class->capability->rows[phash2_range(r->id, r->class->capability->shards)];
    spin_lock(&row->lock);
    bool may = row->held && (!row->asks || row->epoch == r->permit);
    spin_unlock(&row->lock);
    return may;
}

/* Starts a process that the table does not have: everything that can be refused is, before anything is seen. */
static int activate(struct runtime *rt, struct worker *w, struct route *r)
{
    if (atomic_load_explicit(&rt->stopping, memory_order_relaxed))
        return MESH_ESTOPPING;
    if (!may_start_here(rt, r))
        return MESH_EMOVED;
    if (backoff_refuses(&rt->backoff, r->class->index, r->id, w != NULL ? w->now_ns : clock_now_ns()))
        return MESH_EBACKOFF;
    int rc = MESH_OK;
    if (r->init_arg.data != NULL)
        rc = payload_set_slow(&r->message->init_arg, r->init_arg);
    struct actor *a = NULL;
    if (rc == MESH_OK) {
        uint32_t shard = phash2_range(r->id, r->class->capability->shards);
        __builtin_prefetch(&r->class->capability->rows[shard], 1);
        a = create(rt, w, r->class, r->id, shard);
        rc = a == NULL ? MESH_ENOMEM : pids_take(&rt->pids, w != NULL ? &w->slots : NULL, &a->slot);
    }
    if (rc != MESH_OK) {
        if (a != NULL)
            discard(rt, w, a);
        return rc;
    }
    bool queue = false, used = false;
    struct table_stripe *stripe = table_stripe(&rt->table, r->hash);
    table_lock(stripe);
    struct wanted want = {r->class, r->id};
    struct actor *other = (struct actor *)table_find(stripe, r->hash, is_wanted, &want);
    if (other != NULL) {
        rc = hand_over(rt, other, r, &queue);
    } else {
        rc = enter(rt, w, stripe, a, r);
        used = rc == MESH_OK;
        queue = used && !r->direct;
    }
    struct actor *queued = other != NULL ? other : a;
    table_unlock(stripe);
    if (r->actor != NULL)
        hint_note(w, r->hint, r->actor);
    if (!used) {
        pids_give(&rt->pids, a->slot);
        discard(rt, w, a);
    }
    if (queue)
        worker_queue(rt, w, (struct work){.actor = queued});
    return rc;
}

static void prepare_lookup(struct runtime *rt, struct route *r)
{
    r->hash = hash_of(rt, r->class, r->id);
    /* Mostly in the cache of another core, or in none. It comes while the message is made. */
    __builtin_prefetch(table_stripe(&rt->table, r->hash), 1);
}

void route_prepare(struct runtime *rt, struct worker *w, struct route *r)
{
    r->actor = r->known = NULL;
    if (w != NULL && r->direct) {
        r->hint = hint_hash(r->class, r->id);
        r->known = hint_find(w, r->hint);
    }
    if (r->known != NULL) {
        __builtin_prefetch(r->known, 1);
        __builtin_prefetch((const char *)r->known + r->class->state_at, 1);
        __builtin_prefetch((const char *)r->known + r->class->id_at + r->id.len - 1);
    } else {
        prepare_lookup(rt, r);
    }
}

void route_fetch(struct runtime *rt, struct route *r)
{
    if (r->known == NULL)
        table_prefetch(table_stripe(&rt->table, r->hash), r->hash);
}

/* Whoever knows other nodes takes the message, or says why not. */
static int send_elsewhere(struct runtime *rt, struct worker *w, struct route *r)
{
    int rc = MESH_OK;
    if (rt->elsewhere.take == NULL || r->permit != 0)
        return MESH_EMOVED;
    if (r->init_arg.data != NULL && r->message->init_arg.data == NULL)
        rc = payload_set_slow(&r->message->init_arg, r->init_arg);
    return rc == MESH_OK ? rt->elsewhere.take(rt->elsewhere.context, w, r) : rc;
}

int route_to_id(struct runtime *rt, struct worker *w, struct route *r)
{
    if (r->known != NULL) {
        if (r->direct && acquire_known(rt, w, r))
            return MESH_OK;
        prepare_lookup(rt, r);
    }
    struct table_stripe *stripe = table_stripe(&rt->table, r->hash);
    struct wanted want = {r->class, r->id};
    bool queue = false;
    table_lock(stripe);
    struct actor *a = (struct actor *)table_find(stripe, r->hash, is_wanted, &want);
    int rc = a != NULL ? hand_over(rt, a, r, &queue) : MESH_OK;
    table_unlock(stripe);
    if (a == NULL) {
        rc = activate(rt, w, r);
        return rc == MESH_EMOVED ? send_elsewhere(rt, w, r) : rc;
    }
    if (r->actor != NULL) /* the run right keeps it from leaving */
        hint_note(w, r->hint, a);
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
    perturb();
    uint32_t waiting = atomic_load_explicit(&a->waiting, memory_order_seq_cst);
    if (waiting != 0)
        coroutine_interrupt(rt, waiting, actor_number(a));
}

/* The stripe that the process of a number is in, locked, and the process; NULL, with nothing locked: there is none. A
 * process that was started but has not run yet is as good as any. */
static inline struct actor *lock_actor(struct runtime *rt, uint64_t number, struct table_stripe **stripe)
{
    struct pid_slot *slot = pids_slot(&rt->pids, (uint32_t)number);
    uint32_t index = slot == NULL ? UINT32_MAX : atomic_load_explicit(&slot->stripe, memory_order_acquire);
    if (number == 0 || index >= rt->table.stripe_count)
        return NULL;
    *stripe = &rt->table.stripes[index];
    table_lock(*stripe);
    struct actor *a = atomic_load_explicit(&slot->actor, memory_order_relaxed);
    if (atomic_load_explicit(&slot->stripe, memory_order_relaxed) == index && a != NULL &&
        atomic_load_explicit(&slot->serial, memory_order_relaxed) == (uint32_t)(number >> 32) &&
        actor_number(a) == number)
        return a;
    table_unlock(*stripe);
    return NULL;
}

bool route_lives(struct runtime *rt, uint64_t number)
{
    struct table_stripe *stripe;
    bool lives = lock_actor(rt, number, &stripe) != NULL;
    if (lives)
        table_unlock(stripe);
    return lives;
}

int route_to_pid(struct runtime *rt, struct worker *w, uint64_t number, struct message *m)
{
    struct table_stripe *stripe;
    struct actor *a = lock_actor(rt, number, &stripe);
    if (a == NULL)
        return MESH_ENOPROCESS;
    bool queue = false;
    m->by_pid = true;
    m->pid = number;
    m->class_index = a->class->index;
    int rc = admit(rt, a, m);
    if (rc == MESH_OK) {
        interrupt_if_ending(rt, a, m);
        queue = actor_push(a, m);
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

bool route_remove(struct runtime *rt, struct worker *w, struct actor *a)
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
    table_remove(&rt->table, stripe, hash, &a->entry);
    row_remove(rt, a);
    struct pid_slot *slot = pids_slot(&rt->pids, a->slot);
    atomic_store_explicit(&slot->actor, NULL, memory_order_relaxed);
    table_unlock(stripe);
    pids_give(&rt->pids, a->slot);
    discard(rt, w, a);
    lives_no_more(rt);
    count_ended(w);
    return true;
}
