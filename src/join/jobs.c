/* Functions that take time. The arguments are copied, the work is done in a task, and the answer goes where the
 * services are. Nothing here is cancelled: a caller that has gone is found out when the answer is given. */
#include "join/jobs.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "join/arguments.h"
#include "join/shares.h"
#include "placement/ring.h"
#include "placement/strategy.h"
#include "runtime/waiting.h"

struct job {
    struct functions *f;
    uint64_t token;
    /* Puts the reply into the empty buffer. */
    enum spawn_outcome (*work)(struct functions *f, mesh_term args, mesh_buf *result);
    enum spawn_outcome outcome;
    mesh_buf result;
    size_t args_len;
    uint8_t args[];
};

/* ---- outcomes ---------------------------------------------------------------------------------------------------- */

/* The short atoms below fit into what a buffer has of its own: that cannot fail. */
static void put_only(mesh_buf *result, const char *atom)
{
    mesh_buf_clear(result);
    (void)mesh_put_atom(result, mesh_str(atom));
}

static enum spawn_outcome limit(mesh_buf *result)
{
    put_only(result, "system_limit");
    return SPAWN_ERROR;
}

enum spawn_outcome outcome_badarg(mesh_buf *result)
{
    put_only(result, "badarg");
    return SPAWN_ERROR;
}

enum spawn_outcome outcome_of(int built, mesh_buf *result)
{
    return built == MESH_OK ? SPAWN_RETURN : limit(result);
}

enum spawn_outcome outcome_failed(int error, const char *text, mesh_term reason, mesh_buf *result)
{
    static const uint8_t nil[] = {119, 3, 'n', 'i', 'l'};
    if (reason.len == 0)
        reason = (mesh_term){.data = nil, .len = sizeof nil};
    return outcome_of(mesh_build(result, "{:error, %{error: ~a, text: ~s, reason: ~t}}", mesh_error_name(error),
                                 text != NULL ? text : mesh_strerror(error), reason),
                      result);
}

static enum spawn_outcome failed(int error, mesh_buf *result)
{
    return outcome_failed(error, NULL, (mesh_term){NULL, 0, NULL}, result);
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

static void end(struct job *job)
{
    struct functions *f = job->f;
    f->answer(f->context, job->token, job->outcome, mesh_buf_term(&job->result));
    mesh_buf_fini(&job->result);
    free(job);
    atomic_fetch_sub_explicit(&f->jobs, 1, memory_order_relaxed);
}

static void work(struct job *job)
{
    job->outcome = job->work(job->f, (mesh_term){.data = job->args, .len = job->args_len}, &job->result);
    end(job);
}

static int run(mesh_node *node, void *arg)
{
    (void)node;
    work(arg);
    return MESH_OK;
}

static void run_blocking(void *arg)
{
    struct job *job = arg;
    struct runtime *rt = &job->f->node->runtime;
    work(job);
    /* Release: a stop that sees it sees that nothing of the job is left. */
    atomic_fetch_sub_explicit(&rt->blocking, 1, memory_order_release);
}

/* A thread that blocks counts as a mesh_blocking under way: a stop waits for it. */
static int run_on_thread(struct runtime *rt, struct job *job)
{
    atomic_fetch_add_explicit(&rt->blocking, 1, memory_order_relaxed);
    int rc = threads_run(&rt->threads, run_blocking, job);
    if (rc != MESH_OK)
        atomic_fetch_sub_explicit(&rt->blocking, 1, memory_order_release);
    return rc;
}

static struct job *make(struct functions *f, const struct spawn_call *call,
                        enum spawn_outcome (*work_fn)(struct functions *f, mesh_term args, mesh_buf *result))
{
    struct job *job = malloc(sizeof *job + call->args.len);
    if (job == NULL)
        return NULL;
    job->f = f;
    job->token = call->token;
    job->work = work_fn;
    mesh_buf_init(&job->result);
    job->args_len = call->args.len;
    memcpy(job->args, call->args.data, call->args.len);
    return job;
}

static enum spawn_outcome begin(struct functions *f, struct job *job, bool blocks, mesh_buf *result)
{
    struct runtime *rt = &f->node->runtime;
    /* Sequentially consistent with runtime_stop: either it sees a caller and waits, or this sees that it stops. */
    atomic_fetch_add_explicit(&rt->callers, 1, memory_order_seq_cst);
    int rc = atomic_load_explicit(&rt->stopping, memory_order_seq_cst) ? MESH_ESTOPPING : MESH_OK;
    if (rc == MESH_OK && blocks)
        rc = run_on_thread(rt, job);
    else if (rc == MESH_OK)
        task_start(rt, run, job);
    atomic_fetch_sub_explicit(&rt->callers, 1, memory_order_release);
    if (rc == MESH_OK)
        return SPAWN_LATER;
    free(job);
    return rc == MESH_ESTOPPING ? failed(rc, result) : limit(result);
}

static enum spawn_outcome start(struct functions *f, const struct spawn_call *call, bool blocks,
                                enum spawn_outcome (*work_fn)(struct functions *f, mesh_term args, mesh_buf *result),
                                mesh_buf *result)
{
    /* Relaxed: a count and nothing else. */
    uint32_t jobs = atomic_fetch_add_explicit(&f->jobs, 1, memory_order_relaxed);
    struct job *job = jobs < FUNCTIONS_JOBS_MAX ? make(f, call, work_fn) : NULL;
    enum spawn_outcome outcome = job != NULL ? begin(f, job, blocks, result) : limit(result);
    if (outcome != SPAWN_LATER)
        atomic_fetch_sub_explicit(&f->jobs, 1, memory_order_relaxed);
    return outcome;
}

/* ---- call and cast ----------------------------------------------------------------------------------------------- */

/* A pair of names that a node has never had costs it memory until it ends: so a capability has to be somewhere. */
static int make_request(struct functions *f, const struct request_arguments *a, mesh_request *request)
{
    uint32_t shards;
    *request = (mesh_request){.module = a->module.text,
                              .id = a->id,
                              .payload = a->payload,
                              .capability = a->capability.text,
                              .init_arg = a->init_arg,
                              .timeout_ms = a->timeout_ms};
    return membership_shards(f->node->membership, a->capability.text, &shards);
}

static enum spawn_outcome do_call(struct functions *f, mesh_term args, mesh_buf *result)
{
    struct request_arguments a;
    mesh_request request;
    mesh_result answer;
    if (!arguments_request(args, true, &a))
        return outcome_badarg(result);
    int rc = make_request(f, &a, &request);
    if (rc != MESH_OK)
        return failed(rc, result);
    rc = call_run(&f->node->runtime, &request, &answer);
    enum spawn_outcome outcome = rc == MESH_OK ? outcome_of(mesh_build(result, "{:ok, %{node: ~s, value: ~t}}",
                                                                       (const char *)answer.pid.node, answer.value),
                                                            result)
                                               : outcome_failed(rc, NULL, answer.value, result);
    call_release(&answer);
    return outcome;
}

static enum spawn_outcome do_cast(struct functions *f, mesh_term args, mesh_buf *result)
{
    struct request_arguments a;
    mesh_request request;
    if (!arguments_request(args, false, &a))
        return outcome_badarg(result);
    int rc = make_request(f, &a, &request);
    if (rc == MESH_OK)
        rc = call_cast(&f->node->runtime, &request);
    return rc == MESH_OK ? outcome_of(mesh_build(result, ":ok"), result) : failed(rc, result);
}

enum spawn_outcome job_call(void *context, const struct spawn_call *call, mesh_buf *result)
{
    return start(context, call, false, do_call, result);
}

enum spawn_outcome job_cast(void *context, const struct spawn_call *call, mesh_buf *result)
{
    return start(context, call, false, do_cast, result);
}

/* ---- rings ------------------------------------------------------------------------------------------------------- */

static int put_owners(mesh_buf *out, const struct ring *ring)
{
    uint32_t shards = ring_shards(ring);
    uint8_t *owners = must_calloc(shards, 2);
    uint8_t *at = owners;
    for (uint32_t s = 0; s < shards; s++) {
        *at++ = (uint8_t)(ring_owner(ring, s) >> 8);
        *at++ = (uint8_t)ring_owner(ring, s);
    }
    int rc = mesh_put_binary(out, (mesh_bytes){owners, 2 * (size_t)shards});
    free(owners);
    return rc;
}

/* Appends a term of its own to a list. */
#define APPEND(out, item, ...) append(out, item, mesh_build(item, __VA_ARGS__))

static int append(mesh_buf *out, mesh_buf *item, int built)
{
    return built == MESH_OK ? mesh_put_term(out, mesh_buf_term(item)) : built;
}

static int put_nodes(mesh_buf *out, const struct ring *ring, const struct share *shares)
{
    uint32_t count = (uint32_t)ring_nodes(ring);
    mesh_buf item;
    mesh_buf_init(&item);
    int rc = mesh_put_list(out, count);
    for (uint32_t i = 0; i < count && rc == MESH_OK; i++)
        rc = shares != NULL ? APPEND(out, &item, "%{name: ~b, owned: ~u, after: ~u, gains: ~u}", ring_name(ring, i),
                                     shares[i].owned, shares[i].after, shares[i].gains)
                            : APPEND(out, &item, "%{name: ~b, weight: ~u, owned: ~u}", ring_name(ring, i),
                                     ring_weight(ring, i), ring_owned(ring, i));
    mesh_buf_fini(&item);
    return rc == MESH_OK ? mesh_put_empty(out) : rc;
}

static enum spawn_outcome put_ring(const struct ring *ring, const struct cluster_sight *sight, mesh_buf *result)
{
    mesh_buf nodes, owners;
    mesh_buf_init(&nodes);
    mesh_buf_init(&owners);
    int rc = put_nodes(&nodes, ring, NULL);
    rc = rc ? rc : put_owners(&owners, ring);
    rc = rc ? rc
            : mesh_build(result, "%{shards: ~u, strategy: ~a, disagree: ~o, nodes: ~t, owners: ~t}", ring_shards(ring),
                         strategy_of(sight->strategy)->name, sight->disagree, mesh_buf_term(&nodes),
                         mesh_buf_term(&owners));
    mesh_buf_fini(&owners);
    mesh_buf_fini(&nodes);
    return outcome_of(rc, result);
}

static enum spawn_outcome put_leave(const struct ring *ring, const struct cluster_sight *sight, const char *node,
                                    mesh_buf *result)
{
    const mesh_term no_reason = {NULL, 0, NULL};
    size_t leaver;
    uint32_t moved;
    mesh_buf nodes;
    if (!ring_find(ring, mesh_str(node), &leaver))
        return outcome_failed(MESH_EINVAL, "this node has no shard of it", no_reason, result);
    if (ring_nodes(ring) == 1)
        return outcome_failed(MESH_EINVAL, "no other node has this capability", no_reason, result);
    struct share *shares = must_calloc(ring_nodes(ring), sizeof *shares);
    mesh_buf_init(&nodes);
    int rc = shares_without(ring, sight, leaver, shares, &moved);
    rc = rc ? rc : put_nodes(&nodes, ring, shares);
    rc = rc ? rc
            : mesh_build(result, "%{moved: ~u, least: ~u, nodes: ~t}", moved, shares[leaver].owned,
                         mesh_buf_term(&nodes));
    mesh_buf_fini(&nodes);
    free(shares);
    return rc == MESH_EINVAL ? failed(rc, result) : outcome_of(rc, result);
}

/* The ring that a capability has, to be released; NULL: it has none, and result says so. */
static struct ring *ring_of(struct functions *f, const char *capability, struct cluster_sight *sight, mesh_buf *result)
{
    struct ring *ring = NULL;
    if (!membership_sight(f->node->membership, capability, sight, &ring))
        failed(MESH_ENOCAPABILITY, result);
    else if (ring == NULL)
        outcome_failed(MESH_ENOCAPABILITY,
                       sight->nodes == 0 ? "all nodes are giving this capability up"
                                         : "this node cannot place it: the strategy is a program's own",
                       (mesh_term){NULL, 0, NULL}, result);
    return ring;
}

static enum spawn_outcome do_ring(struct functions *f, mesh_term args, mesh_buf *result)
{
    struct name_argument name;
    struct cluster_sight sight;
    if (!arguments_name(args, &name))
        return outcome_badarg(result);
    struct ring *ring = ring_of(f, name.text, &sight, result);
    if (ring == NULL)
        return SPAWN_RETURN;
    enum spawn_outcome outcome = put_ring(ring, &sight, result);
    ring_release(ring);
    return outcome;
}

static enum spawn_outcome do_leave(struct functions *f, mesh_term args, mesh_buf *result)
{
    struct name_argument name, node;
    struct cluster_sight sight;
    if (!arguments_name_node(args, &name, &node))
        return outcome_badarg(result);
    struct ring *ring = ring_of(f, name.text, &sight, result);
    if (ring == NULL)
        return SPAWN_RETURN;
    enum spawn_outcome outcome = put_leave(ring, &sight, node.text, result);
    ring_release(ring);
    return outcome;
}

enum spawn_outcome job_ring(void *context, const struct spawn_call *call, mesh_buf *result)
{
    return start(context, call, true, do_ring, result);
}

enum spawn_outcome job_leave(void *context, const struct spawn_call *call, mesh_buf *result)
{
    return start(context, call, true, do_leave, result);
}

/* ---- waits ------------------------------------------------------------------------------------------------------- */

static int compare_waits(const void *a, const void *b)
{
    uint64_t x = ((const mesh_wait *)a)->since_ms, y = ((const mesh_wait *)b)->since_ms;
    return (x < y) - (x > y);
}

/* A name as a binary; NULL: nil. */
static int put_name(mesh_buf *out, const char *name)
{
    return name != NULL ? mesh_put_binary(out, mesh_str(name)) : mesh_put_nil(out);
}

static int put_wait(mesh_buf *out, mesh_buf *item, const mesh_wait *w)
{
    mesh_buf module, on_module;
    mesh_buf_init(&module);
    mesh_buf_init(&on_module);
    int rc = put_name(&module, w->module);
    rc = rc ? rc : put_name(&on_module, w->on_module);
    rc = rc ? rc
            : APPEND(out, item, "%{module: ~t, id: ~b, on: ~a, on_module: ~t, on_id: ~b, since_ms: ~u}",
                     mesh_buf_term(&module), w->id, w->on, mesh_buf_term(&on_module), w->on_id, w->since_ms);
    mesh_buf_fini(&on_module);
    mesh_buf_fini(&module);
    return rc;
}

static int put_waits(mesh_buf *out, const mesh_waits *waits)
{
    uint32_t shown = waits->count < FUNCTIONS_WAITS_MAX ? (uint32_t)waits->count : FUNCTIONS_WAITS_MAX;
    mesh_buf list, item;
    mesh_buf_init(&list);
    mesh_buf_init(&item);
    int rc = mesh_put_list(&list, shown);
    for (uint32_t i = 0; i < shown && rc == MESH_OK; i++)
        rc = put_wait(&list, &item, &waits->wait[i]);
    rc = rc ? rc : mesh_put_empty(&list);
    rc = rc ? rc : mesh_build(out, "%{count: ~u, waits: ~t}", waits->count, mesh_buf_term(&list));
    mesh_buf_fini(&item);
    mesh_buf_fini(&list);
    return rc;
}

static enum spawn_outcome do_waits(struct functions *f, mesh_term args, mesh_buf *result)
{
    mesh_waits *waits;
    (void)args;
    int rc = waiting_list(&f->node->runtime, &waits);
    if (rc != MESH_OK)
        return failed(rc, result);
    if (waits->count > 1)
        qsort(waits->wait, waits->count, sizeof *waits->wait, compare_waits);
    rc = put_waits(result, waits);
    free(waits);
    return outcome_of(rc, result);
}

enum spawn_outcome job_waits(void *context, const struct spawn_call *call, mesh_buf *result)
{
    return start(context, call, true, do_waits, result);
}

/* ---- drain ------------------------------------------------------------------------------------------------------- */

static enum spawn_outcome do_drain(struct functions *f, mesh_term args, mesh_buf *result)
{
    uint32_t timeout_ms;
    if (!arguments_timeout(args, &timeout_ms))
        return outcome_badarg(result);
    if (membership_drain(f->node->membership, timeout_ms))
        return outcome_of(mesh_build(result, ":ok"), result);
    bool stops = atomic_load_explicit(&f->node->runtime.stopping, memory_order_acquire);
    if (stops)
        return failed(MESH_ESTOPPING, result);
    return outcome_failed(MESH_ETIMEOUT, "not all is handed over yet; it goes on", (mesh_term){NULL, 0, NULL}, result);
}

enum spawn_outcome job_drain(void *context, const struct spawn_call *call, mesh_buf *result)
{
    return start(context, call, true, do_drain, result);
}
