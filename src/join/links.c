/* Links: what the net tells of them, and what the membership does with them. See join.h. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "join/join.h"

/* ---- peers ------------------------------------------------------------------------------------------------------- */

static void release(struct peer *p)
{
    /* Acquire-release: whoever frees it sees what the other has done. */
    if (atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) > 1)
        return;
    net_link_release(p->link);
    free(p);
}

/* A hidden node, on either side, only asks. */
static enum cluster_kind kind_of(const struct net_link *link)
{
    const uint64_t flags = net_link_flags(link);
    if (!(flags & DIST_PUBLISHED))
        return CLUSTER_HIDDEN;
    return flags & DIST_MESH ? CLUSTER_C : CLUSTER_BEAM;
}

static struct worker *running_worker(void)
{
    return seat_current()->worker;
}

static void tell_waiters(struct join *j, const char *name, bool up)
{
    for (struct waiter *w = j->waiters; w != NULL; w = w->next) {
        if (strcmp(w->name, name) != 0)
            continue;
        w->up |= up;
        w->failed |= !up;
    }
    pthread_cond_broadcast(&j->changed);
}

/* ---- what the net tells ------------------------------------------------------------------------------------------ */

static void on_up(void *context, struct net_link *link)
{
    struct join *j = context;
    struct peer *p = must_calloc(1, sizeof *p);
    *p = (struct peer){.join = j, .link = net_link_hold(link), .kind = kind_of(link)};
    p->visible = p->kind != CLUSTER_HIDDEN;
    atomic_init(&p->refs, 1);
    net_link_set_user(link, p);
    log_write(&j->node->runtime.log, MESH_LOG_INFO, "connected", log_name("peer", mesh_str(net_link_peer(link))));
    services_up(p);
    foreign_peer_up(j->node->foreign, running_worker(), mesh_str(net_link_peer(link)));
    if (p->visible && !j->hidden) {
        atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
        node_link_up(j->node, mesh_str(net_link_peer(link)), net_link_creation(link), p->kind, p, &p->member);
        if (p->kind == CLUSTER_C)
            (void)join_expect(link); /* without memory for that each message is read as a whole */
    }
    pthread_mutex_lock(&j->lock);
    p->next = j->peers;
    j->peers = p;
    tell_waiters(j, net_link_peer(link), true);
    pthread_mutex_unlock(&j->lock);
}

static bool is_to_mesh(const struct control *c)
{
    static const uint8_t mesh[] = {119, 4, 'm', 'e', 's', 'h'}; /* as we write it */
    if (c->kind != CONTROL_SEND_NAME)
        return false;
    if (c->to.len == sizeof mesh && memcmp(c->to.data, mesh, sizeof mesh) == 0)
        return true;
    return mesh_match(c->to, ":mesh") == MESH_OK;
}

static void on_message(void *context, struct net_link *link, const struct control *message, struct block *hold)
{
    struct peer *p = net_link_user(link);
    (void)context;
    (void)hold;
    if (p->kind != CLUSTER_C || p->member == NULL || !is_to_mesh(message)) {
        if (!processes_take(p->join, mesh_str(net_link_peer(link)), message))
            services_message(p, message);
        return;
    }
    const mesh_bytes bytes = {message->message.data, message->message.len};
    if (node_link_message(p->member, running_worker(), bytes) != MESH_OK)
        net_disconnect(link);
}

static bool on_expected(void *context, struct net_link *link, mesh_bytes message, struct block *hold)
{
    const struct peer *p = net_link_user(link);
    (void)context;
    (void)hold;
    return p->member == NULL || node_link_message(p->member, running_worker(), message) == MESH_OK;
}

static void on_down(void *context, struct net_link *link, const struct net_reason *reason)
{
    struct join *j = context;
    struct peer *p = net_link_user(link);
    log_write(&j->node->runtime.log, reason->why == NET_STOPPING ? MESH_LOG_DEBUG : MESH_LOG_INFO, "disconnected",
              log_name("peer", mesh_str(net_link_peer(link))), log_bytes("why", mesh_str(net_reason_text(reason))));
    pthread_mutex_lock(&j->lock);
    struct peer **at = &j->peers;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    pthread_cond_broadcast(&j->changed);
    pthread_mutex_unlock(&j->lock);
    if (p->member != NULL)
        node_link_down(p->member, running_worker());
    services_down(j, net_link_peer(link));
    foreign_peer_down(j->node->foreign, running_worker(), mesh_str(net_link_peer(link)));
    rpc_fail(j, net_link_peer(link), MESH_ELOST);
    release(p);
}

static void on_dial_failed(void *context, const char *name, const struct net_reason *reason)
{
    struct join *j = context;
    if (reason->why != NET_STOPPING)
        log_limited(&j->node->runtime.log, &j->log_dial, clock_now_ns(), MESH_LOG_WARN, "a node cannot be connected",
                    log_name("peer", mesh_str(name)), log_bytes("why", mesh_str(net_reason_text(reason))));
    services_down(j, name);
    foreign_peer_down(j->node->foreign, running_worker(), mesh_str(name));
    pthread_mutex_lock(&j->lock);
    tell_waiters(j, name, false);
    pthread_mutex_unlock(&j->lock);
}

const struct net_ops join_net_ops = {.created = join_created,
                                     .up = on_up,
                                     .message = on_message,
                                     .expected = on_expected,
                                     .down = on_down,
                                     .dial_failed = on_dial_failed};

/* ---- sending ----------------------------------------------------------------------------------------------------- */

/* The links of the membership are told by node_link_down, not by an error of this name. */
static int known(int error)
{
    return error == MESH_ESTOPPED ? MESH_ENOPROCESS : error;
}

int link_tell(struct net_link *link, const struct control *message, uint64_t sender, bool must, uint32_t wait_ms)
{
    mesh_buf control;
    mesh_bytes body;
    mesh_buf_init(&control);
    int rc = control_put(&control, message, net_link_flags(link), &body);
    if (rc == MESH_OK) {
        const struct outbox_message m = {
            .control = mesh_buf_bytes(&control), .message = body, .sender = sender, .must = must};
        rc = known(net_send(link, &m, wait_ms));
    }
    mesh_buf_fini(&control);
    return rc;
}

int link_owe(struct join *j, mesh_bytes peer, const struct control *message, uint64_t sender)
{
    struct net_link *link = net_find(j->net, peer);
    if (link == NULL)
        return MESH_ENOPROCESS;
    int rc = link_tell(link, message, sender, true, 0);
    if (rc != MESH_OK && rc != MESH_ENOPROCESS) {
        net_disconnect(link);
        rc = MESH_OK; /* its end tells whoever waits */
    }
    net_link_release(link);
    return rc;
}

void link_want(struct join *j, mesh_bytes peer)
{
    char name[NAME_MAX_BYTES + 1] = "";
    memcpy(name, peer.data, peer.len);
    (void)net_dial(j->net, name); /* refused only while the node stops */
}

static int transport_send(void *peer, mesh_bytes message, struct block *block, uint64_t order, bool must)
{
    const struct peer *p = peer;
    const struct outbox_message m = {.control = mesh_buf_bytes(&p->join->to_mesh),
                                     .message = message,
                                     .block = block,
                                     .sender = order != 0 ? SENDER_REQUESTS | order : SENDER_MEMBERSHIP,
                                     .must = must};
    return known(net_send(p->link, &m, 0));
}

static void transport_close(void *peer)
{
    net_disconnect(((struct peer *)peer)->link);
}

static void transport_release(void *peer)
{
    release(peer);
}

const struct transport_ops join_transport_ops = {.send = transport_send,
                                                 .close = transport_close,
                                                 .release = transport_release,
                                                 .stop = join_stop,
                                                 .destroy = join_destroy};

/* ---- who is there ------------------------------------------------------------------------------------------------ */

int join_connect(struct join *j, const char *name, uint32_t timeout_ms)
{
    struct waiter w = {.name = name};
    const uint64_t until_ns = clock_now_ns() + (uint64_t)timeout_ms * 1000000;
    struct net_link *link = net_find(j->net, mesh_str(name));
    if (link != NULL) {
        net_link_release(link);
        return MESH_OK;
    }
    pthread_mutex_lock(&j->lock);
    w.next = j->waiters;
    j->waiters = &w;
    pthread_mutex_unlock(&j->lock);
    int rc = net_dial(j->net, name) == MESH_OK ? MESH_OK : MESH_ESTOPPING;
    pthread_mutex_lock(&j->lock);
    while (rc == MESH_OK && timeout_ms > 0 && !w.up) {
        /* Up meanwhile, and told before the waiter was there: net_dial says nothing then. */
        for (const struct peer *p = j->peers; p != NULL && !w.up; p = p->next)
            w.up = strcmp(net_link_peer(p->link), name) == 0;
        if (w.up)
            break;
        if (w.failed || j->stopping)
            rc = j->stopping ? MESH_ESTOPPING : MESH_ELOST;
        else if (!join_wait(j, until_ns))
            rc = MESH_ETIMEOUT;
    }
    struct waiter **at = &j->waiters;
    while (*at != &w)
        at = &(*at)->next;
    *at = w.next;
    pthread_mutex_unlock(&j->lock);
    return rc;
}

int join_disconnect(struct join *j, const char *name)
{
    struct net_link *link = net_find(j->net, mesh_str(name));
    if (link == NULL)
        return MESH_ENOPROCESS;
    net_disconnect(link);
    net_link_release(link);
    return MESH_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int join_nodes(struct join *j, bool hidden, mesh_names **names)
{
    const char **list = NULL;
    size_t count = 0, room = 0;
    pthread_mutex_lock(&j->lock);
    for (const struct peer *p = j->peers; p != NULL; p = p->next)
        room += p->visible || hidden;
    list = must_calloc(room + 1, sizeof *list);
    for (const struct peer *p = j->peers; p != NULL; p = p->next)
        if (p->visible || hidden)
            list[count++] = net_link_peer(p->link);
    qsort(list, count, sizeof *list, compare_names);
    int rc = names_create(list, count, names);
    pthread_mutex_unlock(&j->lock);
    free(list);
    return rc;
}
