/* A runtime from start to stop: see runtime.h. */
#include "runtime/runtime.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/cpus.h"
#include "base/random.h"
#include "runtime/stats.h"

/* ---- Numbers ---- */

uint64_t runtime_ref(struct runtime *rt)
{
    return atomic_fetch_add_explicit(&rt->refs, 1, memory_order_relaxed) + 1;
}

/* A hybrid clock: milliseconds since 1970 in the upper 48 bits, a counter below, never the same and never back. */
uint64_t runtime_epoch(struct runtime *rt)
{
    uint64_t last = atomic_load_explicit(&rt->epoch, memory_order_relaxed), next;
    do {
        uint64_t wall = clock_wall_ms() << 16;
        next = wall > last ? wall : last + 1;
    } while (
        !atomic_compare_exchange_weak_explicit(&rt->epoch, &last, next, memory_order_relaxed, memory_order_relaxed));
    return next;
}

/* What most names fit in: so many bytes are copied without a look at how many there are. */
enum { PID_NAME_AT_ONCE = 32 };

void runtime_pid(const struct runtime *rt, uint64_t number, mesh_pid *pid)
{
    pid->number = number;
    pid->creation = rt->creation;
    memcpy(pid->node, rt->name, PID_NAME_AT_ONCE);
    if (__builtin_expect(rt->name_size > PID_NAME_AT_ONCE, 0))
        memcpy(pid->node, rt->name, rt->name_size);
}

uint64_t runtime_number(const struct runtime *rt, const mesh_pid *pid)
{
    return pid->creation == rt->creation && !pids_is_abroad(pid->number) && strcmp(pid->node, rt->name) == 0
               ? pid->number
               : 0;
}

void runtime_make_ref(const struct runtime *rt, uint64_t number, mesh_ref *ref)
{
    *ref = (mesh_ref){.creation = rt->creation, .count = 3};
    ref->words[0] = (uint32_t)number & 0x3ffff; /* as the BEAM: 18 bits in the first word */
    ref->words[1] = (uint32_t)(number >> 18);
    ref->words[2] = (uint32_t)(number >> 50);
    memcpy(ref->node, rt->name, rt->name_size);
}

uint64_t runtime_ref_number(const struct runtime *rt, const mesh_ref *ref)
{
    if (ref->creation != rt->creation || ref->count != 3 || strcmp(ref->node, rt->name) != 0)
        return 0;
    return (uint64_t)ref->words[0] | (uint64_t)ref->words[1] << 18 | (uint64_t)ref->words[2] << 50;
}

/* ---- Start ---- */

static void set_default(uint32_t *value, uint32_t fallback)
{
    if (*value == 0)
        *value = fallback;
}

static void set_defaults(mesh_node_options *o)
{
    set_default(&o->workers, cpus_usable());
    set_default(&o->stack_bytes, STACK_DEFAULT_BYTES);
    set_default(&o->max_suspended, STACK_DEFAULT_MAX);
    set_default(&o->max_mailbox, 4096);
    set_default(&o->max_shard, 1 << 20);
    set_default(&o->max_threads, 512);
    set_default(&o->max_message, MESH_TERM_MAX_BYTES);
    set_default(&o->drain_ms, 5000);
    set_default(&o->stuck_ms, 1000);
    set_default(&o->spin_us, cpus_usable() > 1 ? 50 : 0);
    if (o->log_level == 0)
        o->log_level = MESH_LOG_INFO;
    if (o->no_spin)
        o->spin_us = 0;
    if (o->workers > 256)
        o->workers = 256;
}

static int init_workers(struct runtime *rt)
{
    rt->worker_count = rt->options.workers;
    rt->workers = aligned_alloc(64, rt->worker_count * sizeof *rt->workers);
    if (rt->workers == NULL)
        return MESH_ENOMEM;
    memset(rt->workers, 0, rt->worker_count * sizeof *rt->workers);
    for (uint32_t i = 0; i < rt->worker_count; i++) {
        int rc = worker_init(&rt->workers[i], rt, i);
        if (rc != MESH_OK)
            return rc;
    }
    return MESH_OK;
}

static int init_threads(struct runtime *rt)
{
    struct threads_options options = {
        .name = "mesh", .max = rt->options.max_threads + rt->options.workers, .keep = rt->options.workers};
    return threads_init(&rt->threads, &options);
}

/* Every coroutine that may be suspended, and one that runs for each worker and thread. */
static int init_coroutines(struct runtime *rt)
{
    rt->coroutine_max = rt->options.max_suspended + 2 * rt->options.workers + rt->options.max_threads;
    assert(rt->coroutine_max < UINT32_C(1) << WAITING_BITS && rt->options.workers <= 256); /* waiting_at packs both */
    rt->coroutines = must_calloc(rt->coroutine_max, sizeof *rt->coroutines);
    struct stack_options options = {.size_bytes = rt->options.stack_bytes, .max = rt->coroutine_max};
    return stack_pool_init(&rt->stacks, &options);
}

int runtime_init(struct runtime *rt, const mesh_node_options *options)
{
    memset(rt, 0, sizeof *rt);
    rt->options = *options;
    set_defaults(&rt->options);
    if (rt->options.crash_reports)
        crash_install();
    snprintf(rt->name, sizeof rt->name, "%s", options->name);
    rt->name_size = strlen(rt->name) + 1;
    rt->started_ns = clock_now_ns();
    atomic_init(&rt->round_ns, 1000000000);
    log_init(&rt->log, rt->options.log_level, rt->options.log, rt->options.log_context);
    pthread_mutex_init(&rt->lock, NULL);
    unsigned char key[SIPHASH_KEY_BYTES];
    int rc = random_bytes(key, sizeof key);
    if (rc == MESH_OK)
        rc = random_bytes(&rt->creation, sizeof rt->creation);
    rt->creation |= 4; /* creations below 4 are of old nodes; 0 would mean "any" */
    rt->key = siphash_key(key);
    rt->class_by_index = must_calloc(CLASSES_MAX, sizeof *rt->class_by_index);
    rt->shared_stats = must_calloc(CLASSES_MAX, sizeof *rt->shared_stats);
    pids_init(&rt->pids);
    slab_init(&rt->cells, offsetof(struct actor, inbox), offsetof(struct actor, pending));
    slab_init(&rt->arrays, 0, sizeof(void *));
    message_pool_init(&rt->messages, rt);
    backoff_init(&rt->backoff, rt->key);
    snapshots_init(&rt->snapshots, rt->key);
    rt->store = (mesh_store){.size = sizeof(mesh_store),
                             .context = &rt->snapshots,
                             .save = snapshots_save,
                             .load = snapshots_load,
                             .restored = snapshots_restored};
    if (options->store != NULL)
        rt->store = *options->store;
    if (rc == MESH_OK)
        rc = table_init(&rt->table, 0, &rt->arrays);
    if (rc == MESH_OK)
        rc = init_coroutines(rt);
    if (rc == MESH_OK)
        rc = init_threads(rt);
    if (rc == MESH_OK)
        rc = init_workers(rt);
    return rc;
}

int runtime_start(struct runtime *rt)
{
    int rc = watchdog_start(&rt->watchdog, rt);
    for (uint32_t i = 0; i < rt->worker_count && rc == MESH_OK; i++)
        rc = threads_run(&rt->threads, worker_run, &rt->workers[i]);
    return rc;
}

/* ---- Stop ---- */

static void interrupt_delivered(struct worker *w, struct post *p)
{
    coroutine_interrupt_all(w);
    message_unref(w->runtime, w, message_of_post(p));
}

static void interrupt_everything(struct runtime *rt)
{
    for (uint32_t i = 0; i < rt->worker_count; i++) {
        struct message *m = message_get(&rt->messages, NULL);
        if (m == NULL)
            return;
        m->post.deliver = interrupt_delivered;
        worker_post(&rt->workers[i], &m->post);
    }
}

static void close_everything(struct runtime *rt)
{
    pthread_mutex_lock(&rt->lock);
    struct capability *cap = rt->capabilities;
    pthread_mutex_unlock(&rt->lock);
    for (; cap != NULL; cap = cap->next)
        for (uint32_t shard = 0; shard < cap->shards; shard++)
            shard_close(rt, cap, shard, NULL);
}

/* What may be left of each, when something crashed. */
struct rest {
    uint64_t live, tasks, async;
};

static bool is_quiet(struct runtime *rt, const struct rest *rest)
{
    return runtime_live(rt) <= rest->live && atomic_load_explicit(&rt->tasks, memory_order_acquire) <= rest->tasks &&
           atomic_load_explicit(&rt->blocking, memory_order_acquire) == 0 &&
           atomic_load_explicit(&rt->callers, memory_order_seq_cst) == 0 &&
           atomic_load_explicit(&rt->async, memory_order_acquire) <= rest->async;
}

/* Waits until nothing runs. Processes that were being started while the first round went by, and handlers that began
 * to wait after it, are asked again. */
static bool drain(struct runtime *rt, uint32_t timeout_ms, const struct rest *rest)
{
    uint64_t until = clock_now_ns() + (uint64_t)timeout_ms * 1000000;
    const struct timespec pause = {.tv_nsec = 500000};
    for (uint64_t turn = 0; !is_quiet(rt, rest); turn++) {
        if (clock_now_ns() >= until)
            return false;
        if (turn % 64 == 0)
            interrupt_everything(rt);
        nanosleep(&pause, NULL);
    }
    return true;
}

static void report_stuck(struct runtime *rt)
{
    log_write(&rt->log, MESH_LOG_ERROR, "the node does not stop: handlers or tasks still run",
              log_number("processes", (int64_t)runtime_live(rt)),
              log_number("tasks", (int64_t)atomic_load_explicit(&rt->tasks, memory_order_relaxed)),
              log_number("drain_ms", rt->options.drain_ms));
}

int runtime_stop(struct runtime *rt)
{
    atomic_store_explicit(&rt->stopping, true, memory_order_seq_cst);
    close_everything(rt);
    if (!drain(rt, rt->options.drain_ms, &(struct rest){0, 0, 0})) {
        crash_await_end(rt);
        report_stuck(rt);
        return MESH_ESTUCK;
    }
    return MESH_OK;
}

void runtime_drain_but(struct runtime *rt, const struct coroutine *c, uint32_t timeout_ms)
{
    struct rest rest = {.live = c->self.actor != NULL, .async = c->callback};
    rest.tasks = c->self.actor == NULL && !c->callback;
    close_everything(rt);
    drain(rt, timeout_ms, &rest);
}

static void free_coroutines(struct runtime *rt)
{
    for (uint32_t i = 0; i < rt->coroutine_count; i++)
        free(rt->coroutines[i]);
    free(rt->coroutines);
}

void runtime_fini(struct runtime *rt)
{
    atomic_store_explicit(&rt->ending, true, memory_order_seq_cst);
    for (uint32_t i = 0; rt->workers != NULL && i < rt->worker_count; i++)
        worker_wake(&rt->workers[i]);
    watchdog_stop(&rt->watchdog);
    if (rt->threads.max != 0)
        threads_fini(&rt->threads);
    for (uint32_t i = 0; rt->workers != NULL && i < rt->worker_count; i++) {
        if (rt->workers[i].ready_to_fini)
            timers_drop_all(&rt->workers[i]);
        worker_fini(&rt->workers[i]);
    }
    free(rt->workers);
    seats_fini(rt);
    free_coroutines(rt);
    if (rt->stacks.chunks != NULL)
        stack_pool_fini(&rt->stacks);
    message_pool_fini(&rt->messages);
    snapshots_fini(&rt->snapshots);
    backoff_fini(&rt->backoff);
    if (rt->table.stripes != NULL)
        table_fini(&rt->table);
    pids_fini(&rt->pids);
    stats_fini(rt);
    classes_fini(rt);
    slab_fini(&rt->cells);
    slab_fini(&rt->arrays);
    free(rt->class_by_index);
    pthread_mutex_destroy(&rt->lock);
    if (rt->options.crash_reports)
        crash_uninstall();
}
