/* Holding, closing, releasing and adopting shards: see shard.h. */
#include "runtime/shard.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "runtime/runtime.h"

enum { CHUNK = 64 };

struct drain *drain_create(void)
{
    struct drain *d = must_calloc(1, sizeof *d);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&d->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&d->lock, NULL);
    d->refs = 1;
    return d;
}

static void unref_locked(struct drain *d)
{
    bool last = --d->refs == 0;
    pthread_mutex_unlock(&d->lock);
    if (!last)
        return;
    pthread_mutex_destroy(&d->lock);
    pthread_cond_destroy(&d->changed);
    free(d);
}

void drain_unref(struct drain *d)
{
    pthread_mutex_lock(&d->lock);
    unref_locked(d);
}

static void add(struct drain *d)
{
    pthread_mutex_lock(&d->lock);
    d->pending++;
    d->refs++;
    pthread_mutex_unlock(&d->lock);
}

static void end_release(struct drain *d);

/* Under lock, which it leaves and takes again to tell that a release has ended. */
static void count_down(struct drain *d, bool ended)
{
    d->ended += ended;
    bool last = --d->pending == 0;
    if (last)
        pthread_cond_broadcast(&d->changed);
    if (last && d->ops != NULL) {
        pthread_mutex_unlock(&d->lock);
        end_release(d);
        pthread_mutex_lock(&d->lock);
    }
}

void drain_done(struct drain *d, bool ended)
{
    if (d == NULL)
        return;
    pthread_mutex_lock(&d->lock);
    count_down(d, ended);
    unref_locked(d);
}

/* drain_done for a caller of add that holds a reference of its own, so that this is never the last. */
static void take_back(struct drain *d)
{
    pthread_mutex_lock(&d->lock);
    count_down(d, false);
    assert(d->refs > 1);
    d->refs--;
    pthread_mutex_unlock(&d->lock);
}

bool drain_wait(struct drain *d, uint32_t timeout_ms)
{
    uint64_t until_ns = clock_now_ns() + (uint64_t)timeout_ms * 1000000;
    struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000), .tv_nsec = (long)(until_ns % 1000000000)};
    pthread_mutex_lock(&d->lock);
    int rc = 0;
    while (d->pending > 0 && rc == 0)
        rc = pthread_cond_timedwait(&d->changed, &d->lock, &until);
    bool empty = d->pending == 0;
    pthread_mutex_unlock(&d->lock);
    return empty;
}

/* ---- Going through a shard ---- */

/* One process as a row showed it. */
struct seen {
    uint64_t number;
    uint32_t last_use;
    bool busy, owes;
};

/* Up to CHUNK processes of a row from place on. The row may change between two chunks: a process that ends moves the
 * last one to its place, so that whoever needs all of them goes from the end to the beginning. */
static uint32_t look(struct row *row, uint32_t *place, struct seen *seen)
{
    uint32_t n = 0;
    spin_lock(&row->lock);
    if (*place > row->count)
        *place = row->count;
    for (; *place > 0 && n < CHUNK; n++) {
        struct actor *a = row->actors[--*place];
        seen[n].number = actor_number(a);
        seen[n].last_use = atomic_load_explicit(&a->last_use, memory_order_relaxed);
        seen[n].busy = atomic_load_explicit(&a->inbox, memory_order_relaxed) != INBOX_IDLE;
        seen[n].owes = atomic_load_explicit(&a->owed, memory_order_relaxed) > 0;
    }
    spin_unlock(&row->lock);
    return n;
}

void shard_hold(struct capability *cap, uint32_t shard, uint64_t epoch)
{
    struct row *row = &cap->rows[shard];
    spin_lock(&row->lock);
    row->held = true;
    row->epoch = epoch;
    spin_unlock(&row->lock);
}

void shard_ask(struct capability *cap, uint32_t shard, bool asks)
{
    struct row *row = &cap->rows[shard];
    spin_lock(&row->lock);
    row->asks = asks;
    spin_unlock(&row->lock);
}

/* Returns the epoch of the hold that ends. */
static uint64_t stop_starting(struct row *row)
{
    spin_lock(&row->lock);
    row->held = false;
    uint64_t epoch = row->epoch;
    spin_unlock(&row->lock);
    return epoch;
}

static void ask(struct runtime *rt, uint64_t number, struct signal signal, struct drain *d)
{
    signal.context = d;
    if (d != NULL)
        add(d);
    if (signal_send(rt, number, &signal) != MESH_OK && d != NULL)
        take_back(d);
}

void shard_close(struct runtime *rt, struct capability *cap, uint32_t shard, struct drain *idle)
{
    struct row *row = &cap->rows[shard];
    struct seen seen[CHUNK];
    stop_starting(row);
    uint32_t place = UINT32_MAX, n;
    while ((n = look(row, &place, seen)) > 0)
        for (uint32_t i = 0; i < n; i++)
            ask(rt, seen[i].number, (struct signal){.kind = MESSAGE_SHUTDOWN}, seen[i].busy ? NULL : idle);
}

void shard_passivate(struct runtime *rt, struct capability *cap, uint32_t shard, uint32_t idle_ms, struct drain *d)
{
    struct row *row = &cap->rows[shard];
    struct seen seen[CHUNK];
    uint32_t now_tick = (uint32_t)(clock_now_ns() >> TICK_SHIFT);
    uint32_t idle_ticks = (uint32_t)((uint64_t)idle_ms * 1000000 >> TICK_SHIFT);
    uint32_t place = UINT32_MAX, n;
    while ((n = look(row, &place, seen)) > 0)
        for (uint32_t i = 0; i < n; i++)
            if (!seen[i].busy && now_tick - seen[i].last_use >= idle_ticks)
                ask(rt, seen[i].number, (struct signal){.kind = MESSAGE_PASSIVATE, .ref = seen[i].last_use}, d);
}

/* ---- Release and adopt ----
 *
 * Two drains: one of the processes that were idle, whose end is told apart, and one of all, in which the first has a
 * share. A request to end carries the id, so that an end is told also where the process itself is gone. */

/* The key of a process found by its number, if it still lives; id is copied. */
static bool key_of_number(struct capability *cap, uint32_t shard, uint64_t number, mesh_store_key *key,
                          char id[MESH_ID_MAX])
{
    struct row *row = &cap->rows[shard];
    bool found = false;
    spin_lock(&row->lock);
    for (uint32_t i = 0; i < row->count && !found; i++) {
        struct actor *a = row->actors[i];
        if (actor_number(a) != number)
            continue;
        memcpy(id, actor_id(a), a->id_len);
        *key = (mesh_store_key){.capability = cap->name, .module = a->class->module->ops.name, .id = {id, a->id_len}};
        found = true;
    }
    spin_unlock(&row->lock);
    return found;
}

static bool lives(struct capability *cap, uint32_t shard, const mesh_store_key *key)
{
    struct row *row = &cap->rows[shard];
    bool found = false;
    spin_lock(&row->lock);
    for (uint32_t i = 0; i < row->count && !found; i++) {
        struct actor *a = row->actors[i];
        found = a->id_len == key->id.len && memcmp(actor_id(a), key->id.data, a->id_len) == 0 &&
                strcmp(a->class->module->ops.name, key->module) == 0;
    }
    spin_unlock(&row->lock);
    return found;
}

/* Of the snapshots in the node's memory: one of a process that still lives is a checkpoint, and stays for its end. */
static bool tell_kept(void *context, const mesh_store_key *key, uint64_t epoch, mesh_term snapshot)
{
    const struct drain *d = context;
    if (lives(d->capability, d->shard, key))
        return false;
    d->ops->snapshot(d->context, key, epoch, snapshot);
    return true;
}

static void end_release(struct drain *d)
{
    if (!d->of_idle) {
        d->ops->finished(d->context);
        return;
    }
    snapshots_take_shard(&d->runtime->snapshots, d->capability->name, d->shard, d->capability->shards, tell_kept, d);
    if (d->ops->idle != NULL)
        d->ops->idle(d->context);
    drain_done(d->parent, false);
}

void release_tell(struct runtime *rt, const struct drain *d, const mesh_store_key *key, mesh_term snapshot)
{
    if (snapshot.data != NULL) {
        snapshots_restored(&rt->snapshots, key); /* a checkpoint, which is older */
        d->ops->snapshot(d->context, key, d->epoch, snapshot);
        return;
    }
    mesh_buf kept;
    uint64_t epoch = d->epoch;
    mesh_buf_init(&kept);
    bool found = snapshots_take(&rt->snapshots, key, &epoch, &kept);
    d->ops->snapshot(d->context, key, epoch, found ? mesh_buf_term(&kept) : (mesh_term){0});
    mesh_buf_fini(&kept);
}

static struct drain *drain_of_release(struct runtime *rt, struct capability *cap, uint32_t shard, uint64_t epoch,
                                      const struct release_ops *ops, void *context)
{
    struct drain *d = drain_create();
    d->ops = ops;
    d->context = context;
    d->epoch = epoch;
    d->runtime = rt;
    d->capability = cap;
    d->shard = shard;
    add(d); /* so that its end is not told before all were asked */
    return d;
}

/* Asks one process to end. A busy one is named first; if it is gone by now, that is told. */
static void release_one(struct runtime *rt, const struct seen *seen, struct drain *all, struct drain *idle)
{
    char id[MESH_ID_MAX];
    mesh_store_key key;
    if (!key_of_number(all->capability, all->shard, seen->number, &key, id))
        return;
    bool stays = seen->busy || seen->owes;
    struct drain *d = stays ? all : idle;
    if (stays)
        all->ops->busy(all->context, &key);
    const struct signal signal = {
        .kind = MESSAGE_RELEASE, .context = d, .term = {.data = (const uint8_t *)id, .len = key.id.len}};
    add(d);
    if (signal_send(rt, seen->number, &signal) == MESH_OK)
        return;
    if (stays)
        release_tell(rt, all, &key, (mesh_term){0});
    take_back(d);
}

void shard_release(struct runtime *rt, struct capability *cap, uint32_t shard, const struct release_ops *ops,
                   void *context)
{
    struct row *row = &cap->rows[shard];
    struct seen seen[CHUNK];
    uint64_t epoch = stop_starting(row);
    struct drain *all = drain_of_release(rt, cap, shard, epoch, ops, context);
    struct drain *idle = drain_of_release(rt, cap, shard, epoch, ops, context);
    idle->of_idle = true;
    idle->parent = all;
    add(all);
    uint32_t place = UINT32_MAX, n;
    while ((n = look(row, &place, seen)) > 0)
        for (uint32_t i = 0; i < n; i++)
            release_one(rt, &seen[i], all, idle);
    take_back(idle);
    drain_unref(idle);
    take_back(all);
    drain_unref(all);
}

int shard_adopt(struct runtime *rt, const mesh_store_key *key, uint64_t epoch, mesh_term snapshot)
{
    return rt->store.save(rt->store.context, key, epoch, snapshot);
}
