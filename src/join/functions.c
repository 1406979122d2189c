/* The table, and the functions that answer at once. */
#include "join/functions.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "join/arguments.h"
#include "join/jobs.h"
#include "placement/strategy.h"
#include "runtime/stats.h"

/* ---- info -------------------------------------------------------------------------------------------------------- */

static int put_names(mesh_buf *out, const mesh_names *names)
{
    int rc = mesh_put_list(out, (uint32_t)names->count);
    for (size_t i = 0; i < names->count && rc == MESH_OK; i++)
        rc = mesh_put_binary(out, mesh_str(names->name[i]));
    return rc == MESH_OK ? mesh_put_empty(out) : rc;
}

static int put_own(mesh_buf *out, struct mesh_node *node)
{
    mesh_names *names;
    int rc = capabilities_names(&node->capabilities, &names);
    if (rc != MESH_OK)
        return rc;
    rc = put_names(out, names);
    free(names);
    return rc;
}

static int put_links(mesh_buf *out, struct mesh_node *node)
{
    size_t count;
    mesh_buf item;
    struct membership_link *links = membership_links(node->membership, &count);
    mesh_buf_init(&item);
    int rc = mesh_put_list(out, (uint32_t)count);
    for (size_t i = 0; i < count && rc == MESH_OK; i++) {
        rc = mesh_build(&item, "%{name: ~s, creation: ~u, kind: ~a}", (const char *)links[i].node, links[i].creation,
                        links[i].kind == CLUSTER_C ? "c" : "beam"); /* of hidden ones it does not know */
        rc = rc ? rc : mesh_put_term(out, mesh_buf_term(&item));
    }
    mesh_buf_fini(&item);
    free(links);
    return rc == MESH_OK ? mesh_put_empty(out) : rc;
}

static enum spawn_outcome info(void *context, const struct spawn_call *call, mesh_buf *result)
{
    const struct functions *f = context;
    struct runtime *rt = &f->node->runtime;
    struct membership_stats stats;
    mesh_buf own, links;
    (void)call;
    mesh_buf_init(&own);
    mesh_buf_init(&links);
    membership_read_stats(f->node->membership, &stats);
    int rc = put_own(&own, f->node);
    rc = rc ? rc : put_links(&links, f->node);
    rc = rc ? rc
            : mesh_build(result,
                         "%{name: ~s, creation: ~u, version: ~s, uptime_ms: ~u, workers: ~u, processes: ~u, "
                         "draining: ~o, drained: ~o, capabilities: ~t, links: ~t}",
                         (const char *)rt->name, rt->creation, MESH_VERSION,
                         (clock_now_ns() - rt->started_ns) / 1000000, rt->worker_count, runtime_live(rt),
                         stats.draining, stats.drained, mesh_buf_term(&own), mesh_buf_term(&links));
    mesh_buf_fini(&links);
    mesh_buf_fini(&own);
    return outcome_of(rc, result);
}

/* ---- capabilities ------------------------------------------------------------------------------------------------ */

static int put_capability(mesh_buf *item, const char *name, const struct cluster_sight *s)
{
    return mesh_build(item, "%{name: ~s, shards: ~u, strategy: ~a, nodes: ~u, held: ~u, disagree: ~o}", name, s->shards,
                      strategy_of(s->strategy)->name, s->nodes, s->held, s->disagree);
}

/* Those that are still somebody's, counted while they are written: the list is put behind its count. */
static int put_capabilities(mesh_buf *result, const mesh_names *names, struct membership *m)
{
    mesh_buf items, item;
    uint32_t count = 0;
    int rc = MESH_OK;
    mesh_buf_init(&items);
    mesh_buf_init(&item);
    for (size_t i = 0; i < names->count && rc == MESH_OK; i++) {
        struct cluster_sight sight;
        if (!membership_sight(m, names->name[i], &sight, NULL))
            continue;
        rc = put_capability(&item, names->name[i], &sight);
        rc = rc ? rc : mesh_buf_append(&items, item.data, item.len);
        count++;
    }
    rc = rc ? rc : mesh_put_list(result, count);
    rc = rc ? rc : mesh_buf_append(result, items.data, items.len);
    rc = rc ? rc : mesh_put_empty(result);
    mesh_buf_fini(&item);
    mesh_buf_fini(&items);
    return rc;
}

static enum spawn_outcome capabilities(void *context, const struct spawn_call *call, mesh_buf *result)
{
    const struct functions *f = context;
    mesh_names *names;
    (void)call;
    int rc = membership_names(f->node->membership, &names);
    if (rc == MESH_OK) {
        rc = put_capabilities(result, names, f->node->membership);
        free(names);
    }
    return outcome_of(rc, result);
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

#define STATS_FIELDS(X)                                                                                                \
    X(processes)                                                                                                       \
    X(shards)                                                                                                          \
    X(suspended)                                                                                                       \
    X(snapshots)                                                                                                       \
    X(calls)                                                                                                           \
    X(casts)                                                                                                           \
    X(infos)                                                                                                           \
    X(replies)                                                                                                         \
    X(activations)                                                                                                     \
    X(restores)                                                                                                        \
    X(passivations)                                                                                                    \
    X(crashes)                                                                                                         \
    X(stops)                                                                                                           \
    X(timeouts)                                                                                                        \
    X(busy)                                                                                                            \
    X(refused)                                                                                                         \
    X(dropped)                                                                                                         \
    X(save_failures)                                                                                                   \
    X(stuck)                                                                                                           \
    X(handler_p50_ns)                                                                                                  \
    X(handler_p90_ns)                                                                                                  \
    X(handler_p99_ns)                                                                                                  \
    X(handler_p999_ns)                                                                                                 \
    X(handler_max_ns)                                                                                                  \
    X(call_p50_ns)                                                                                                     \
    X(call_p90_ns)                                                                                                     \
    X(call_p99_ns)                                                                                                     \
    X(call_p999_ns)                                                                                                    \
    X(call_max_ns)

static const struct {
    const char *key;
    size_t at;
} fields[] = {
#define STATS_FIELD(name) {#name, offsetof(mesh_stats, name)},
    STATS_FIELDS(STATS_FIELD)
#undef STATS_FIELD
};

enum { FIELDS = sizeof fields / sizeof fields[0] };

static int put_cluster(mesh_buf *out, struct membership *m)
{
    struct membership_stats s;
    mesh_buf key, value;
    membership_read_stats(m, &s);
    mesh_buf_init(&key);
    mesh_buf_init(&value);
    int rc = mesh_put_atom(&key, mesh_str("cluster"));
    rc = rc ? rc
            : mesh_build(&value,
                         "%{links: ~u, held: ~u, claiming: ~u, leaving: ~u, requests: ~u, parked: ~u, sent: ~u, "
                         "served: ~u, moved: ~u, lost: ~u, dropped: ~u, conflicts: ~u, malformed: ~u, forced: ~u}",
                         s.links, s.cluster.held, s.cluster.claiming, s.cluster.releasing, s.requests, s.parked, s.sent,
                         s.served, s.moved, s.lost, s.dropped, s.conflicts, s.malformed, s.cluster.claims_forced);
    rc = rc ? rc : mesh_put_term(out, mesh_buf_term(&key));
    rc = rc ? rc : mesh_put_term(out, mesh_buf_term(&value));
    mesh_buf_fini(&value);
    mesh_buf_fini(&key);
    return rc;
}

/* m: NULL without the numbers of the cluster. */
static int put_stats(mesh_buf *result, const mesh_stats *stats, struct membership *m)
{
    int rc = mesh_put_map(result, FIELDS + (m != NULL));
    for (size_t i = 0; i < FIELDS && rc == MESH_OK; i++) {
        rc = mesh_put_atom(result, mesh_str(fields[i].key));
        rc = rc ? rc : mesh_put_uint(result, *(const uint64_t *)((const char *)stats + fields[i].at));
    }
    if (m != NULL)
        rc = rc ? rc : put_cluster(result, m);
    return rc;
}

static enum spawn_outcome stats_all(void *context, const struct spawn_call *call, mesh_buf *result)
{
    const struct functions *f = context;
    mesh_stats stats;
    (void)call;
    int rc = stats_read(&f->node->runtime, NULL, NULL, &stats);
    return outcome_of(rc ? rc : put_stats(result, &stats, f->node->membership), result);
}

static enum spawn_outcome stats_of(void *context, const struct spawn_call *call, mesh_buf *result)
{
    const struct functions *f = context;
    struct name_argument name;
    mesh_stats stats;
    if (!arguments_name(call->args, &name))
        return outcome_badarg(result);
    int rc = stats_read(&f->node->runtime, name.text, NULL, &stats);
    if (rc != MESH_OK)
        return outcome_failed(rc, NULL, (mesh_term){NULL, 0, NULL}, result);
    return outcome_of(put_stats(result, &stats, NULL), result);
}

static enum spawn_outcome progress(void *context, const struct spawn_call *call, mesh_buf *result)
{
    const struct functions *f = context;
    struct membership_stats s;
    (void)call;
    membership_read_stats(f->node->membership, &s);
    return outcome_of(mesh_build(result, "%{held: ~u, claiming: ~u, leaving: ~u, draining: ~o, drained: ~o}",
                                 s.cluster.held, s.cluster.claiming, s.cluster.releasing, s.draining, s.drained),
                      result);
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static const struct spawn_function all[] = {
    {.function = "info", .arity = 0, .run = info},
    {.function = "capabilities", .arity = 0, .run = capabilities},
    {.function = "ring", .arity = 1, .run = job_ring},
    {.function = "leave", .arity = 2, .run = job_leave},
    {.function = "call", .arity = 6, .run = job_call},
    {.function = "cast", .arity = 5, .run = job_cast},
    {.function = "stats", .arity = 0, .run = stats_all},
    {.function = "stats", .arity = 1, .run = stats_of},
    {.function = "waits", .arity = 0, .run = job_waits},
    {.function = "drain", .arity = 1, .run = job_drain},
    {.function = "progress", .arity = 0, .run = progress},
};

_Static_assert(sizeof all / sizeof all[0] == FUNCTIONS_COUNT, "the table of struct functions");

struct functions *functions_create(struct mesh_node *node,
                                   void (*answer)(void *context, uint64_t token, enum spawn_outcome outcome,
                                                  mesh_term result),
                                   void *context)
{
    struct functions *f = must_calloc(1, sizeof *f);
    f->node = node;
    f->answer = answer;
    f->context = context;
    for (size_t i = 0; i < FUNCTIONS_COUNT; i++) {
        f->table[i] = all[i];
        f->table[i].module = "mesh_admin";
        f->table[i].context = f;
    }
    return f;
}

const struct spawn_function *functions_table(const struct functions *f, size_t *count)
{
    *count = FUNCTIONS_COUNT;
    return f->table;
}

void functions_destroy(struct functions *f)
{
    free(f);
}
