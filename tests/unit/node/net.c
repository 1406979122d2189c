/* A transport in memory: see net.h. */
#include "unit/node/net.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"

enum { ENDS_MAX = 256 };

uint32_t net_drain_ms = PATIENCE_MS;

/* One side of a link. */
struct end {
    struct net_node *at;
    struct end *other;
    struct node_link *link; /* the thread's */
    char name[16];          /* of the other side */
    uint32_t creation;
    bool up, lossy; /* lossy: what is on its way here is lost */
    int errors;
};

struct net_node {
    struct net *net;
    mesh_node *node;
    int left; /* events for it that are not delivered */
};

struct packet {
    struct packet *next;
    struct end *to;
    struct block *block; /* NULL: the link is up, or down */
    bool down;
};

struct net {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    struct packet *first, **last;
    size_t count, most;
    bool ending, held;
    struct net_node nodes[NET_NODES];
    struct end *ends[ENDS_MAX];
    int end_count;
};

static void put(struct net *net, struct end *to, struct block *block, bool down)
{
    struct packet *p = must_calloc(1, sizeof *p);
    *p = (struct packet){.to = to, .block = block, .down = down};
    *net->last = p;
    net->last = &p->next;
    net->count++;
    to->at->left++;
    pthread_cond_broadcast(&net->changed);
}

static void deliver(struct packet *p, bool up)
{
    struct end *to = p->to;
    mesh_node *node = to->at->node;
    if (p->block != NULL && up)
        to->errors += node_link_message(to->link, NULL, (mesh_bytes){p->block->bytes, p->block->len}) != MESH_OK;
    if (p->block != NULL)
        block_release(p->block);
    else if (p->down)
        node_link_down(to->link, NULL);
    else
        node_link_up(node, mesh_str(to->name), to->creation, CLUSTER_C, to, &to->link);
}

static void *run(void *arg)
{
    struct net *net = arg;
    pthread_mutex_lock(&net->lock);
    while (!net->ending) {
        struct packet *p = net->held ? NULL : net->first;
        if (p == NULL) {
            pthread_cond_wait(&net->changed, &net->lock);
            continue;
        }
        net->first = p->next;
        if (net->first == NULL)
            net->last = &net->first;
        net->count--;
        bool up = !p->to->lossy;
        pthread_mutex_unlock(&net->lock);
        deliver(p, up);
        pthread_mutex_lock(&net->lock);
        p->to->at->left--;
        pthread_cond_broadcast(&net->changed);
        free(p);
    }
    pthread_mutex_unlock(&net->lock);
    return NULL;
}

/* ---- what the node calls ---- */

/* What the packet keeps. NULL: no memory. */
static struct block *keep(mesh_bytes message, struct block *block)
{
    if (block != NULL)
        return block_hold(block);
    struct block *copy = block_create(message.len);
    if (copy != NULL)
        memcpy(copy->bytes, message.data, message.len);
    return copy;
}

static int net_send(void *peer, mesh_bytes message, struct block *block, uint64_t order, bool must)
{
    (void)order; /* nothing passes here */
    struct end *e = peer;
    struct block *kept = keep(message, block);
    struct net *net = e->at->net;
    int rc = MESH_OK;
    pthread_mutex_lock(&net->lock);
    if (kept == NULL)
        rc = MESH_ENOMEM;
    else if (!e->up)
        rc = MESH_ENOPROCESS;
    else if (!must && net->count >= net->most)
        rc = MESH_EBUSY;
    else
        put(net, e->other, kept, false);
    pthread_mutex_unlock(&net->lock);
    if (rc != MESH_OK && kept != NULL)
        block_release(kept);
    return rc;
}

static void cut(struct net *net, struct end *e, bool lossy)
{
    if (!e->up)
        return;
    e->lossy = e->other->lossy = lossy;
    e->up = e->other->up = false;
    put(net, e, NULL, true);
    put(net, e->other, NULL, true);
}

static void net_close(void *peer)
{
    struct end *e = peer;
    pthread_mutex_lock(&e->at->net->lock);
    cut(e->at->net, e, false);
    pthread_mutex_unlock(&e->at->net->lock);
}

static void net_release(void *peer)
{
    ((struct end *)peer)->link = NULL;
}

static void net_stop(void *context)
{
    struct net_node *n = context;
    struct net *net = n->net;
    pthread_mutex_lock(&net->lock);
    for (int i = 0; i < net->end_count; i++)
        if (net->ends[i]->at == n)
            cut(net, net->ends[i], false);
    while (n->left > 0)
        pthread_cond_wait(&net->changed, &net->lock);
    n->node = NULL;
    pthread_mutex_unlock(&net->lock);
}

static const struct transport_ops ops = {
    .send = net_send, .close = net_close, .release = net_release, .stop = net_stop};

/* ---- what tests call ---- */

struct net *net_create(void)
{
    struct net *net = must_calloc(1, sizeof *net);
    pthread_mutex_init(&net->lock, NULL);
    pthread_cond_init(&net->changed, NULL);
    net->last = &net->first;
    net->most = SIZE_MAX;
    assert_int_equal(pthread_create(&net->thread, NULL, run, net), 0);
    return net;
}

void net_destroy(struct net *net)
{
    pthread_mutex_lock(&net->lock);
    net->ending = true;
    pthread_cond_broadcast(&net->changed);
    pthread_mutex_unlock(&net->lock);
    pthread_join(net->thread, NULL);
    assert_null(net->first);
    for (int i = 0; i < net->end_count; i++) {
        assert_null(net->ends[i]->link);
        free(net->ends[i]);
    }
    pthread_mutex_destroy(&net->lock);
    pthread_cond_destroy(&net->changed);
    free(net);
}

static void quiet(void *context, const mesh_log_event *event)
{
    (void)context;
    if (getenv("NET_LOG") != NULL)
        fprintf(stderr, "%s\n", event->message);
}

mesh_node *net_node(struct net *net, int number, const char *capability, uint32_t shards)
{
    char name[16];
    mesh_node *node;
    snprintf(name, sizeof name, "n%d@test", number);
    const mesh_node_options options = {
        .size = sizeof options, .name = name, .workers = 2, .log = quiet, .no_spin = true, .drain_ms = net_drain_ms};
    const struct membership_options membership = {.quiet_ms = NET_QUIET_MS, .suspect_ms = 60000, .claim_ms = 60000};
    const mesh_module module = agent_module(true);
    assert_int_equal(mesh_node_start(&options, &node), MESH_OK);
    struct net_node *n = &net->nodes[number];
    *n = (struct net_node){.net = net, .node = node};
    const struct transport transport = {&ops, n};
    assert_int_equal(node_join_cluster(node, &membership, &transport), MESH_OK);
    assert_int_equal(mesh_register_module(node, &module), MESH_OK);
    if (capability != NULL)
        net_register(node, capability, shards);
    return node;
}

void net_register(mesh_node *node, const char *capability, uint32_t shards)
{
    const mesh_capability_options placed = {.size = sizeof placed, .shards = shards};
    assert_int_equal(mesh_register_capability(node, capability, &placed), MESH_OK);
}

static struct net_node *find(struct net *net, mesh_node *node)
{
    for (int i = 0; i < NET_NODES; i++)
        if (net->nodes[i].node == node)
            return &net->nodes[i];
    fail();
    return NULL;
}

void net_link(struct net *net, mesh_node *a, mesh_node *b)
{
    struct end *x = must_calloc(1, sizeof *x), *y = must_calloc(1, sizeof *y);
    *x = (struct end){.at = find(net, a), .other = y, .up = true, .creation = b->runtime.creation};
    *y = (struct end){.at = find(net, b), .other = x, .up = true, .creation = a->runtime.creation};
    snprintf(x->name, sizeof x->name, "%s", mesh_node_name(b));
    snprintf(y->name, sizeof y->name, "%s", mesh_node_name(a));
    pthread_mutex_lock(&net->lock);
    assert_true(net->end_count + 2 <= ENDS_MAX);
    net->ends[net->end_count++] = x;
    net->ends[net->end_count++] = y;
    put(net, x, NULL, false);
    put(net, y, NULL, false);
    pthread_mutex_unlock(&net->lock);
}

static struct end *end_of(struct net *net, mesh_node *a, mesh_node *b)
{
    for (int i = 0; i < net->end_count; i++)
        if (net->ends[i]->up && net->ends[i]->at->node == a && net->ends[i]->other->at->node == b)
            return net->ends[i];
    return NULL;
}

void net_cut(struct net *net, mesh_node *a, mesh_node *b)
{
    pthread_mutex_lock(&net->lock);
    struct end *e = end_of(net, a, b);
    if (e != NULL)
        cut(net, e, true);
    pthread_mutex_unlock(&net->lock);
}

void net_limit(struct net *net, size_t most)
{
    pthread_mutex_lock(&net->lock);
    net->most = most;
    pthread_mutex_unlock(&net->lock);
}

void net_hold(struct net *net, bool held)
{
    pthread_mutex_lock(&net->lock);
    net->held = held;
    pthread_cond_broadcast(&net->changed);
    pthread_mutex_unlock(&net->lock);
}

int net_inject(struct net *net, mesh_node *a, mesh_node *b, mesh_bytes message)
{
    pthread_mutex_lock(&net->lock);
    struct end *e = end_of(net, a, b);
    assert_non_null(e);
    struct end *to = e->other;
    while (to->link == NULL || net->count > 0)
        pthread_cond_wait(&net->changed, &net->lock);
    pthread_mutex_unlock(&net->lock);
    return node_link_message(to->link, NULL, message);
}

/* ---- waiting ---- */

struct membership_stats net_stats(mesh_node *node)
{
    struct membership_stats stats;
    membership_read_stats(node->membership, &stats);
    return stats;
}

/* Until the runner has done something, or for a moment. */
static void wait_for_change(struct membership *m)
{
    uint64_t next = clock_now_ns() + 20000000;
    const struct timespec most = {.tv_sec = (time_t)(next / 1000000000), .tv_nsec = (long)(next % 1000000000)};
    pthread_mutex_lock(&m->lock);
    pthread_cond_timedwait(&m->changed, &m->lock, &most);
    pthread_mutex_unlock(&m->lock);
}

void net_await(mesh_node *node, bool (*is)(const struct membership_stats *stats, uint64_t n), uint64_t n)
{
    struct membership *m = node->membership;
    uint64_t until = clock_now_ns() + (uint64_t)PATIENCE_MS * 1000000;
    for (;;) {
        struct membership_stats stats = net_stats(node);
        if (is(&stats, n))
            return;
        if (clock_now_ns() > until)
            fail_msg("%s: held %u, claiming %u, releasing %u, linked %u, requests %d, parked %d, parcels %d",
                     mesh_node_name(node), stats.cluster.held, stats.cluster.claiming, stats.cluster.releasing,
                     stats.cluster.linked, (int)stats.requests, (int)stats.parked, (int)stats.cluster.parcels_waiting);
        wait_for_change(m);
    }
}

static bool settled(const struct membership_stats *s, uint64_t held)
{
    return s->cluster.held == held && s->cluster.claiming == 0 && s->cluster.releasing == 0 &&
           s->cluster.parcels_waiting == 0;
}

void net_await_held(mesh_node *node, uint32_t held)
{
    net_await(node, settled, held);
}

static bool is_linked(const struct membership_stats *s, uint64_t linked)
{
    return s->cluster.linked == linked && s->cluster.synced;
}

void net_await_linked(mesh_node *node, uint32_t linked)
{
    net_await(node, is_linked, linked);
}

void net_await_nodes(mesh_node *node, const char *capability, size_t count)
{
    uint64_t until = clock_now_ns() + (uint64_t)PATIENCE_MS * 1000000;
    for (;;) {
        mesh_names *names;
        assert_int_equal(mesh_nodes_for(node, capability, &names), MESH_OK);
        size_t now = names->count;
        mesh_names_free(names);
        if (now == count)
            return;
        if (clock_now_ns() > until)
            fail_msg("%s sees %zu nodes that have %s, not %zu", mesh_node_name(node), now, capability, count);
        wait_for_change(node->membership);
    }
}
