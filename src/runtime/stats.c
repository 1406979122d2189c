/* Numbers of a node: see stats.h. */
#include "runtime/stats.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "runtime/runtime.h"

/* ---- Counting without a worker ---- */

/* The node's own numbers of a class, made by whoever comes first. */
static struct class_stats *shared_stats(struct runtime *rt, uint32_t class_index)
{
    struct class_stats *s = atomic_load_explicit(&rt->shared_stats[class_index], memory_order_acquire);
    if (s != NULL)
        return s;
    struct class_stats *fresh = must_calloc(1, sizeof *fresh);
    /* Release: the zeros are visible to whoever loads the pointer. */
    if (atomic_compare_exchange_strong_explicit(&rt->shared_stats[class_index], &s, fresh, memory_order_acq_rel,
                                                memory_order_acquire))
        return fresh;
    free(fresh);
    return s;
}

void stats_note_shared(struct runtime *rt, uint32_t class_index, enum counter counter)
{
    atomic_fetch_add_explicit(&shared_stats(rt, class_index)->count[counter], 1, memory_order_relaxed);
}

void stats_note_call(struct runtime *rt, uint32_t class_index, uint64_t ns)
{
    struct histogram *h = &shared_stats(rt, class_index)->call_ns;
    /* Unlike histogram_add this has many writers. */
    atomic_fetch_add_explicit(&h->counts[histogram_bucket(ns)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum_ns, ns, memory_order_relaxed);
    uint64_t max = atomic_load_explicit(&h->max_ns, memory_order_relaxed);
    while (ns > max &&
           !atomic_compare_exchange_weak_explicit(&h->max_ns, &max, ns, memory_order_relaxed, memory_order_relaxed))
        ;
}

void stats_fini(struct runtime *rt)
{
    for (uint32_t i = 0; i < CLASSES_MAX; i++)
        free(atomic_load_explicit(&rt->shared_stats[i], memory_order_relaxed));
    free(rt->shared_stats);
}

/* ---- Since the start ---- */

struct sums {
    uint64_t count[COUNTERS];
    struct histogram_snapshot handler_ns;
    struct histogram_snapshot call_ns;
};

static void add(struct sums *sums, struct class_stats *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < COUNTERS; i++)
        sums->count[i] += atomic_load_explicit(&s->count[i], memory_order_relaxed);
    histogram_merge(&sums->handler_ns, &s->handler_ns);
    histogram_merge(&sums->call_ns, &s->call_ns);
}

static void add_class(struct runtime *rt, struct sums *sums, uint32_t index)
{
    add(sums, atomic_load_explicit(&rt->shared_stats[index], memory_order_acquire));
    for (uint32_t i = 0; i < rt->worker_count; i++)
        add(sums, atomic_load_explicit(&rt->workers[i].stats[index], memory_order_acquire));
}

static void write_counts(const struct sums *sums, mesh_stats *out)
{
    uint64_t *const to[COUNTERS] = {
        [COUNT_CALLS] = &out->calls,
        [COUNT_CASTS] = &out->casts,
        [COUNT_INFOS] = &out->infos,
        [COUNT_REPLIES] = &out->replies,
        [COUNT_ACTIVATIONS] = &out->activations,
        [COUNT_RESTORES] = &out->restores,
        [COUNT_PASSIVATIONS] = &out->passivations,
        [COUNT_CRASHES] = &out->crashes,
        [COUNT_STOPS] = &out->stops,
        [COUNT_TIMEOUTS] = &out->timeouts,
        [COUNT_BUSY] = &out->busy,
        [COUNT_REFUSED] = &out->refused,
        [COUNT_DROPPED] = &out->dropped,
        [COUNT_SAVE_FAILURES] = &out->save_failures,
        [COUNT_STUCK] = &out->stuck,
    };
    for (size_t i = 0; i < COUNTERS; i++)
        *to[i] = sums->count[i];
}

static void write_latencies(const struct sums *sums, mesh_stats *out)
{
    const struct histogram_snapshot *handler = &sums->handler_ns, *call = &sums->call_ns;
    out->handler_p50_ns = histogram_percentile(handler, 50);
    out->handler_p90_ns = histogram_percentile(handler, 90);
    out->handler_p99_ns = histogram_percentile(handler, 99);
    out->handler_p999_ns = histogram_percentile(handler, 99.9);
    out->handler_max_ns = handler->max_ns;
    out->call_p50_ns = histogram_percentile(call, 50);
    out->call_p90_ns = histogram_percentile(call, 90);
    out->call_p99_ns = histogram_percentile(call, 99);
    out->call_p999_ns = histogram_percentile(call, 99.9);
    out->call_max_ns = call->max_ns;
}

/* ---- Now ---- */

static uint64_t count_of_module(const struct row *row, const struct module *module)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < row->count; i++)
        count += row->actors[i]->class->module == module;
    return count;
}

static void add_capability(struct capability *cap, const struct module *module, mesh_stats *out)
{
    for (uint32_t shard = 0; shard < cap->shards; shard++) {
        struct row *row = &cap->rows[shard];
        spin_lock(&row->lock);
        if (module != NULL)
            out->processes += count_of_module(row, module);
        else
            out->processes += row->count;
        out->shards += module == NULL && row->count > 0;
        spin_unlock(&row->lock);
    }
}

static void read_now(struct runtime *rt, struct capability *only, const struct module *module, mesh_stats *out)
{
    pthread_mutex_lock(&rt->lock);
    struct capability *cap = only != NULL ? only : rt->capabilities; /* capabilities are only added, in front */
    pthread_mutex_unlock(&rt->lock);
    for (; cap != NULL; cap = only != NULL ? NULL : cap->next)
        add_capability(cap, module, out);
    if (only != NULL || module != NULL)
        return;
    out->processes = runtime_live(rt);
    out->snapshots = atomic_load_explicit(&rt->snapshots.count, memory_order_relaxed);
    for (uint32_t i = 0; i < rt->worker_count; i++)
        out->suspended += atomic_load_explicit(&rt->workers[i].suspended, memory_order_relaxed);
}

int stats_read(struct runtime *rt, const char *capability, const char *module, mesh_stats *stats)
{
    struct capability *cap = capability != NULL ? runtime_capability(rt, capability) : NULL;
    const struct module *mod = module != NULL ? runtime_module(rt, module) : NULL;
    if (capability != NULL && cap == NULL)
        return MESH_ENOCAPABILITY;
    if (module != NULL && mod == NULL)
        return MESH_ENOMODULE;
    struct sums *sums = must_calloc(1, sizeof *sums); /* 4 KiB: too much for the stack of a handler */
    uint32_t classes = atomic_load_explicit(&rt->class_count, memory_order_acquire);
    for (uint32_t i = 0; i < classes; i++) {
        const struct class *c = rt->class_by_index[i];
        if ((cap == NULL || c->capability == cap) && (mod == NULL || c->module == mod))
            add_class(rt, sums, i);
    }
    mesh_stats out = {.size = stats->size};
    write_counts(sums, &out);
    write_latencies(sums, &out);
    free(sums);
    if (cap == NULL && mod == NULL)
        out.stuck = atomic_load_explicit(&rt->stuck, memory_order_relaxed); /* tasks belong to no class */
    read_now(rt, cap, mod, &out);
    *stats = out;
    return MESH_OK;
}
