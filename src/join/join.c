/* Joining a cluster and leaving it. See join.h.
 *
 * A node is joined when its creation is known, which is on worker 0, before anybody can connect: discovery first, which
 * may fail, then what cannot. Leaving is the other way round: discovery, then the links, then what they told. */
#include "join/join.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"

enum { DIAL_LOGS_PER_SECOND = 2 };

/* What mesh_cluster_join gave, while it waits. */
struct beginning {
    struct join *join;
    const mesh_cluster_options *options;
    mesh_reason *reason;
    int error; /* of discovery */
};

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

bool join_wait(struct join *j, uint64_t until_ns)
{
    const struct timespec until = {(time_t)(until_ns / 1000000000), (long)(until_ns % 1000000000)};
    return pthread_cond_timedwait(&j->changed, &j->lock, &until) == 0;
}

static void init_lock(struct join *j)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&j->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&j->lock, NULL);
    pthread_mutex_init(&j->services_lock, NULL);
}

/* ---- worker 0's part: the tick and discovery --------------------------------------------------------------------- */

static void on_tick(uv_timer_t *timer)
{
    services_tick(timer->data);
}

void join_part_closed(void *context)
{
    struct join *j = context;
    worker_unwatch(&j->node->runtime.workers[0]);
    if (--j->parts > 0)
        return;
    pthread_mutex_lock(&j->lock);
    j->closed = true;
    pthread_cond_broadcast(&j->changed);
    pthread_mutex_unlock(&j->lock);
}

static void on_tick_closed(uv_handle_t *handle)
{
    join_part_closed(handle->data);
}

static void run_close(struct worker *w, struct errand *e)
{
    struct join *j = (struct join *)((char *)e - offsetof(struct join, close));
    (void)w;
    finding_stop(j);
    uv_close((uv_handle_t *)&j->tick, on_tick_closed);
}

static void open_parts(struct join *j)
{
    struct worker *w = &j->node->runtime.workers[0];
    uv_update_time(&w->loop);
    uv_timer_init(&w->loop, &j->tick);
    j->tick.data = j;
    uv_timer_start(&j->tick, on_tick, JOIN_TICK_MS, JOIN_TICK_MS);
    worker_watch(w);
    j->parts = 1;
}

/* In a plain thread, once parts were opened. */
static void close_parts(struct join *j)
{
    worker_errand(&j->node->runtime.workers[0], &j->close);
    pthread_mutex_lock(&j->lock);
    while (!j->closed)
        pthread_cond_wait(&j->changed, &j->lock);
    pthread_mutex_unlock(&j->lock);
}

/* ---- beginning --------------------------------------------------------------------------------------------------- */

/* {6, Pid, '', mesh}, which is the same before each message of a membership. The name has its NUL. */
static int put_to_mesh(mesh_buf *out, const char *name, size_t name_size, uint32_t creation)
{
    mesh_pid from = {.number = PIDS_MESH, .creation = creation};
    mesh_buf pid, mesh;
    mesh_bytes message;
    memcpy(from.node, name, name_size);
    mesh_buf_init(&pid);
    mesh_buf_init(&mesh);
    int rc = mesh_put_pid(&pid, &from);
    if (rc == MESH_OK)
        rc = mesh_put_atom(&mesh, mesh_str("mesh"));
    /* The message, which stands behind it, is any term here. */
    const struct control c = {.kind = CONTROL_SEND_NAME,
                              .from = mesh_buf_term(&pid),
                              .to = mesh_buf_term(&mesh),
                              .message = mesh_buf_term(&mesh)};
    if (rc == MESH_OK)
        rc = control_put(out, &c, DIST_OFFERED, &message);
    mesh_buf_fini(&pid);
    mesh_buf_fini(&mesh);
    return rc;
}

/* What its membership says stands behind what ours would have written in its place. */
int join_expect(struct net_link *link)
{
    const char *name = net_link_peer(link);
    mesh_buf control;
    mesh_buf_init(&control);
    int rc = put_to_mesh(&control, name, strlen(name) + 1, net_link_creation(link));
    if (rc == MESH_OK)
        rc = net_link_expect(link, mesh_buf_bytes(&control));
    mesh_buf_fini(&control);
    return rc;
}

static void become_member(struct join *j, const mesh_cluster_options *o)
{
    const struct transport transport = {&join_transport_ops, j};
    const struct membership_options membership = {.discovery = o->discovery_count > 0,
                                                  .join_ms = o->join_ms,
                                                  .claim_ms = o->claim_ms,
                                                  .boot_ms = o->boot_ms,
                                                  .suspect_ms = o->suspect_ms,
                                                  .quiet_ms = o->quiet_ms,
                                                  .majority_of = o->majority_of};
    if (j->hidden)
        node_use(j->node, &transport);
    else
        node_join_cluster(j->node, &membership, &transport); /* it is alone: join_begin has looked */
}

int join_created(void *context, struct net *net, uint32_t creation)
{
    struct join *j = context;
    struct beginning *b = j->beginning;
    j->net = net;
    open_parts(j);
    b->error = finding_start(j, b->options->discovery, b->options->discovery_count, b->reason);
    if (b->error != MESH_OK)
        return b->error;
    j->node->runtime.creation = creation; /* no pid has been made yet */
    if (put_to_mesh(&j->to_mesh, j->node->runtime.name, j->node->runtime.name_size, creation) != MESH_OK)
        abort(); /* as must_calloc */
    services_begin(j, creation);
    processes_begin(j);
    become_member(j, b->options);
    return MESH_OK;
}

static struct net_options net_options_of(const mesh_node *node, const mesh_cluster_options *o)
{
    const uint32_t max_message = node->runtime.options.max_message + ENVELOPE_ROOM_BYTES;
    return (struct net_options){.name = node->runtime.name,
                                .cookie = mesh_str(o->cookie),
                                .hidden = o->hidden,
                                .port = o->port,
                                .listen = o->listen,
                                .no_epmd = o->no_epmd,
                                .dial_port = o->dial_port,
                                .no_epmd_server = o->no_epmd_start,
                                .epmd_port = o->epmd_port,
                                .ticktime_ms = o->net_ticktime_ms,
                                .receive = {.max_message = max_message},
                                .send = {.max_message = max_message}};
}

static int check_strategies(const mesh_cluster_options *o, mesh_reason *reason)
{
    for (size_t i = 0; i < o->discovery_count; i++) {
        struct discovery_reason why = {""};
        const struct discovery_strategy *s = discovery_strategy(o->discovery[i].strategy);
        int rc = s == NULL ? MESH_EINVAL : MESH_OK;
        if (s == NULL)
            snprintf(why.text, sizeof why.text,
                     "discovery: expected gossip, epmd, local_epmd or erlang_hosts, got %.64s",
                     o->discovery[i].strategy);
        else
            rc = s->check(finding_options(&o->discovery[i]), &why);
        if (rc == MESH_OK)
            continue;
        snprintf(reason->text, sizeof reason->text, "%s", why.text);
        return rc;
    }
    return MESH_OK;
}

int join_begin(struct mesh_node *node, const mesh_cluster_options *options, mesh_reason *reason)
{
    struct net_trouble trouble = {""};
    int rc = check_strategies(options, reason);
    if (rc != MESH_OK)
        return rc;
    struct join *j = must_calloc(1, sizeof *j);
    struct beginning b = {.join = j, .options = options, .reason = reason};
    const struct net_options net = net_options_of(node, options);
    j->node = node;
    j->hidden = options->hidden;
    j->beginning = &b;
    j->close.run = run_close;
    j->log_dial = (struct log_limit)LOG_LIMIT(DIAL_LOGS_PER_SECOND);
    mesh_buf_init(&j->to_mesh);
    init_lock(j);
    rc = net_create(&node->runtime, &net, &join_net_ops, j, &j->net, &trouble);
    j->beginning = NULL;
    if (rc == MESH_OK)
        return MESH_OK;
    if (b.error == MESH_OK)
        snprintf(reason->text, sizeof reason->text, "%s", trouble.text);
    else
        rc = b.error;
    if (j->parts > 0)
        close_parts(j);
    assert(node_is_alone(node));
    j->net = NULL;
    join_destroy(j);
    return rc;
}

struct join *join_of(const struct mesh_node *node)
{
    return node->transport.ops == &join_transport_ops ? node->transport.context : NULL;
}

/* ---- ending ------------------------------------------------------------------------------------------------------ */

void join_stop(void *context)
{
    struct join *j = context;
    pthread_mutex_lock(&j->lock);
    j->stopping = true;
    pthread_cond_broadcast(&j->changed);
    pthread_mutex_unlock(&j->lock);
    rpc_fail(j, NULL, MESH_ESTOPPING);
    services_shutdown(j);
    close_parts(j);
    (void)net_stop(j->net); /* a plain thread: mesh_node_stop has looked */
}

void join_destroy(void *context)
{
    struct join *j = context;
    if (j->net != NULL) {
        services_end(j);
        net_destroy(j->net);
    }
    assert(j->peers == NULL && j->calls == NULL);
    mesh_buf_fini(&j->to_mesh);
    pthread_mutex_destroy(&j->lock);
    pthread_mutex_destroy(&j->services_lock);
    pthread_cond_destroy(&j->changed);
    free(j);
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

void join_stats(struct join *j, mesh_cluster_stats *stats)
{
    struct net_stats n;
    struct membership_stats m = {.links = 0};
    net_stats(j->net, &n);
    if (j->node->membership != NULL)
        membership_read_stats(j->node->membership, &m);
    *stats = (mesh_cluster_stats){.size = sizeof *stats,
                                  .nodes = m.links,
                                  .held = m.cluster.held,
                                  .claiming = m.cluster.claiming,
                                  .leaving = m.cluster.releasing,
                                  .waiting = m.requests,
                                  .sent = m.sent,
                                  .served = m.served,
                                  .moved = m.moved,
                                  .lost = m.lost,
                                  .dropped = m.dropped,
                                  .forced = m.cluster.claims_forced,
                                  .conflicts = m.conflicts,
                                  .bytes_in = n.bytes_in,
                                  .bytes_out = n.bytes_out,
                                  .connections = n.ups};
    for (size_t i = 0; i < REFUSAL_KINDS; i++)
        stats->refused += n.refusals[i];
}
