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

/* Under lock, which it leaves and takes again to call finished. */
static void count_down(struct drain *d, bool ended)
{
    d->ended += ended;
    bool last = --d->pending == 0;
    if (last)
        pthread_cond_broadcast(&d->changed);
    if (last && d->finished != NULL) {
        pthread_mutex_unlock(&d->lock);
        d->finished(d->context);
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
    bool busy;
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

static void stop_starting(struct row *row)
{
    spin_lock(&row->lock);
    row->held = false;
    spin_unlock(&row->lock);
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

/* ---- Release and adopt ---- */

/* The key of a process found by its number, if it still lives; id is copied. */
static bool key_of_number(struct runtime *rt, struct capability *cap, uint32_t shard, uint64_t number,
                          mesh_store_key *key, char id[MESH_ID_MAX])
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
    (void)rt;
    return found;
}

void shard_release(struct runtime *rt, struct capability *cap, uint32_t shard, const struct release_ops *ops,
                   void *context)
{
    struct row *row = &cap->rows[shard];
    struct seen seen[CHUNK];
    struct drain *d = drain_create();
    char id[MESH_ID_MAX];
    d->snapshot = ops->snapshot;
    d->finished = ops->finished;
    d->context = context;
    add(d); /* so that finished is not called before all were asked */
    stop_starting(row);
    uint32_t place = UINT32_MAX, n;
    while ((n = look(row, &place, seen)) > 0)
        for (uint32_t i = 0; i < n; i++) {
            mesh_store_key key;
            if (seen[i].busy && key_of_number(rt, cap, shard, seen[i].number, &key, id))
                ops->busy(context, &key);
            ask(rt, seen[i].number, (struct signal){.kind = MESSAGE_RELEASE}, d);
        }
    take_back(d);
    drain_unref(d);
}

int shard_adopt(struct runtime *rt, const mesh_store_key *key, uint64_t epoch, mesh_term snapshot)
{
    return rt->store.save(rt->store.context, key, epoch, snapshot);
}
