/* Requests without a process here: where they go, where they wait, how they end. See membership.h.
 *
 * A request is in one place at a time, or its holder's alone: the queue, while there is something to be carried out
 * first; parked, until something changes in its shard; in a lane, until another node answers. Whoever takes it out of
 * there ends it or sends it on, so that it ends once. What is in a list has a deadline in the wheel. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "node/membership.h"
#include "placement/phash2.h"
#include "placement/ring.h"
#include "runtime/stats.h"

/* How often a request is told that it may be served here and finds that it may not, before it waits for a change. */
enum { TRIES_MAX = 4 };

/* ---- making and freeing ---- */

static struct request *request_create(size_t room, struct request *spare)
{
    struct request *q = spare;
    if (q == NULL || q->room < room) {
        free(spare);
        room = room < REQUEST_ROOM ? REQUEST_ROOM : room;
        q = malloc(sizeof *q + room);
    } else {
        room = q->room;
    }
    if (q == NULL)
        return NULL;
    memset(q, 0, sizeof *q);
    q->room = (uint32_t)room;
    q->item.kind = ITEM_REQUEST;
    return q;
}

void request_free(struct request *q)
{
    link_drop(q->from);
    if (q->block != NULL)
        block_release(q->block);
    free(q);
}

struct request *request_of(const struct route *r, uint32_t hash, struct request *spare)
{
    struct message *message = r->message;
    struct request *q = request_create(r->id.len, spare);
    if (q == NULL)
        return NULL;
    q->message = message;
    q->class = r->class;
    q->cast = message->kind == MESSAGE_CAST;
    q->deadline_ns = q->cast ? clock_now_ns() + (uint64_t)CAST_WAIT_MS * 1000000 : message->deadline_ns;
    q->capability = mesh_str(r->class->capability->name);
    q->module = mesh_str(r->class->module->ops.name);
    memcpy(q->space, r->id.data, r->id.len);
    q->id = (mesh_bytes){q->space, r->id.len};
    q->payload = payload_term(&message->body);
    if (message->init_arg.data != NULL)
        q->init_arg = payload_term(&message->init_arg);
    q->hash = hash;
    q->chain_count = message->chain_count;
    q->chain = message->chain;
    return q;
}

/* The same bytes in a copy. */
static mesh_bytes in_copy(mesh_bytes view, mesh_bytes bytes, const struct block *copy)
{
    if (view.data != NULL)
        view.data = copy->bytes + ((const uint8_t *)view.data - (const uint8_t *)bytes.data);
    return view;
}

static mesh_term term_in_copy(mesh_term term, mesh_bytes bytes, const struct block *copy)
{
    term.data = in_copy((mesh_bytes){term.data, term.len}, bytes, copy).data;
    return term;
}

/* When one that has come is late; 0: never. */
static uint64_t deadline_of(const struct envelope *e, uint64_t now_ns)
{
    bool waits_less = e->op == ENVELOPE_CAST && (e->left_ms == 0 || e->left_ms > CAST_WAIT_MS);
    uint64_t left_ms = waits_less ? CAST_WAIT_MS : e->left_ms;
    return left_ms != 0 && left_ms <= ENVELOPE_LEFT_MAX_MS ? now_ns + left_ms * 1000000 : 0;
}

/* One that came. */
static struct request *request_from(struct node_link *from, mesh_bytes bytes, const struct envelope *e)
{
    struct block *copy = block_create(bytes.len);
    struct request *q = copy != NULL ? request_create(e->chain_count * sizeof *e->chain, NULL) : NULL;
    if (q == NULL) {
        if (copy != NULL)
            block_release(copy);
        return NULL;
    }
    memcpy(copy->bytes, bytes.data, bytes.len);
    q->block = copy;
    q->from = link_hold(from);
    q->from_number = e->number;
    q->cast = e->op == ENVELOPE_CAST;
    q->trace = e->trace;
    q->hops = (uint8_t)e->hops;
    q->followed = e->followed;
    q->deadline_ns = deadline_of(e, clock_now_ns());
    q->capability = in_copy(e->capability, bytes, copy);
    q->module = in_copy(e->module, bytes, copy);
    q->id = in_copy(e->id, bytes, copy);
    q->payload = term_in_copy(e->payload, bytes, copy);
    q->init_arg = term_in_copy(e->init_arg, bytes, copy);
    q->hash = phash2_binary(q->id);
    q->chain_count = e->chain_count;
    memcpy(q->space, e->chain, e->chain_count * sizeof *e->chain);
    q->chain = (const struct link_of_chain *)q->space;
    return q;
}

static void count_dropped(struct membership *m)
{
    pthread_mutex_lock(&m->lock);
    m->stats.dropped++;
    pthread_mutex_unlock(&m->lock);
}

void request_end(struct membership *m, struct worker *w, struct request *q, int error)
{
    if (q->cast) {
        count_dropped(m);
        if (q->message != NULL)
            stats_note(m->runtime, w, q->class->index, COUNT_DROPPED);
    } else if (q->from != NULL) {
        remote_refuse(m, q->from, q->from_number, q->trace, error);
    }
    if (q->message != NULL)
        call_end(m->runtime, w, q->message, error, (mesh_term){0}, 0, NULL);
    request_free(q);
}

/* ---- lists; with the lock ---- */

static struct list *parking_of(struct membership *m, mesh_bytes capability, uint32_t shard)
{
    uint32_t hash = phash2_binary(capability) + shard;
    return &m->parked[hash % PARKED_BUCKETS];
}

void request_enlist(struct membership *m, struct request *q, enum request_state state)
{
    struct list *list = &m->queue;
    if (state == REQUEST_PARKED)
        list = parking_of(m, q->capability, q->shard);
    q->state = state;
    list_append(list, &q->item.in);
    m->request_count++;
    m->parked_count += state == REQUEST_PARKED;
    if (q->deadline_ns != 0) {
        wheel_add(&m->wheel, &q->timer, q->deadline_ns);
        membership_arm(m, q->deadline_ns);
    }
}

void request_delist(struct membership *m, struct request *q)
{
    list_remove(&q->item.in);
    m->request_count--;
    m->parked_count -= q->state == REQUEST_PARKED;
    wheel_remove(&m->wheel, &q->timer);
    q->state = REQUEST_FREE;
}

static bool same_bytes(mesh_bytes a, mesh_bytes b)
{
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

/* Those of one bucket, to the end of woken, in their order. */
static void wake_bucket(struct membership *m, struct list *bucket, mesh_bytes capability, uint32_t shard,
                        struct list *woken)
{
    for (struct list *at = bucket->next, *next; at != bucket; at = next) {
        struct request *q = (struct request *)at;
        next = at->next;
        if ((shard != CLUSTER_ALL && q->shard != shard) || !same_bytes(q->capability, capability))
            continue;
        list_remove(at);
        list_append(woken, at);
        m->parked_count--;
        q->state = REQUEST_QUEUED;
        q->woken = true;
        q->hint = 0;
    }
}

void request_wake(struct membership *m, mesh_bytes capability, uint32_t shard)
{
    struct list woken;
    if (m->parked_count == 0)
        return;
    list_init(&woken);
    if (shard != CLUSTER_ALL)
        wake_bucket(m, parking_of(m, capability, shard), capability, shard, &woken);
    for (size_t i = 0; shard == CLUSTER_ALL && i < PARKED_BUCKETS; i++)
        wake_bucket(m, &m->parked[i], capability, shard, &woken);
    list_put_before(&m->queue, &woken);
}

static void collect_from(struct membership *m, struct list *list, struct list *out)
{
    for (struct list *at = list->next, *next; at != list; at = next) {
        struct request *q = (struct request *)at;
        next = at->next;
        if (q->item.kind != ITEM_REQUEST)
            continue;
        request_delist(m, q);
        list_append(out, at);
    }
}

static void collect_late(struct membership *m, uint64_t now_ns, struct list *out)
{
    wheel_advance(&m->wheel, now_ns);
    for (struct timer *t; (t = wheel_pop(&m->wheel)) != NULL;) {
        struct request *q = (struct request *)((char *)t - offsetof(struct request, timer));
        request_delist(m, q);
        list_append(out, &q->item.in);
    }
}

void request_collect(struct membership *m, uint64_t now_ns, struct list *out)
{
    for (uint16_t slot = 1; slot < m->lane_end; slot++) {
        struct lane *lane = atomic_load_explicit(&m->lanes[slot], memory_order_relaxed);
        if (lane != NULL && now_ns != 0)
            lane_collect_late(lane, now_ns, out);
        else if (lane != NULL)
            link_drop(lane_close(lane, out)); /* the table of links has a count, too */
    }
    if (now_ns != 0) {
        collect_late(m, now_ns, out);
        return;
    }
    for (size_t i = 0; i < PARKED_BUCKETS; i++)
        collect_from(m, &m->parked[i], out);
    collect_from(m, &m->queue, out);
}

bool request_again(struct membership *m, struct request *q)
{
    pthread_mutex_lock(&m->lock);
    bool open = !m->closed;
    if (open && ++q->tries > TRIES_MAX) {
        q->tries = 0;
        request_enlist(m, q, REQUEST_PARKED);
    } else if (open) {
        request_enlist(m, q, REQUEST_QUEUED);
        membership_poke(m);
    }
    pthread_mutex_unlock(&m->lock);
    return open;
}

/* ---- routing ---- */

/* One like any other that begins here. */
static bool is_plain(const struct request *q)
{
    return q->from == NULL && q->hint == 0 && q->hops == 0;
}

/* With the lock. */
static enum cluster_route where_to(struct membership *m, struct request *q, uint16_t *peer, int *error)
{
    membership_begin(m);
    const struct ring *ring = cluster_ring(m->cluster, q->capability);
    uint32_t shards = ring != NULL ? ring_shards(ring) : 1;
    if (ring == NULL && q->message != NULL && q->class->capability->shards != 0)
        shards = q->class->capability->shards;
    q->shard = q->hash % shards;
    struct cluster_request r = {
        .key = {q->capability, q->module, q->id, q->shard}, .hint = q->hint, .hops = q->hops, .followed = q->followed};
    if (q->from != NULL) {
        r.moved = !q->cast;
        r.from = q->woken || q->from->slot == 0 ? UINT16_MAX : q->from->slot;
        if (q->woken && r.hops >= CLUSTER_HOPS_MAX)
            r.hops = CLUSTER_HOPS_MAX - 1;
    } else if (q->woken) {
        r.hops = 0;
    }
    q->hops = r.hops;
    enum cluster_route where = cluster_route(m->cluster, &r, peer, error);
    if (where == CLUSTER_TO && is_plain(q) && cluster_routes_alike(m->cluster, q->capability, q->shard))
        routes_note(&m->routes, q->class, shards, q->shard, *peer);
    if (cluster_wake_ms(m->cluster) <= clock_boot_ms())
        membership_poke(m);
    return where;
}

static int serve_own(struct membership *m, struct worker *w, struct request *q, uint64_t permit)
{
    struct route r = {.class = q->class, .id = q->id, .init_arg = q->init_arg, .message = q->message, .permit = permit};
    if (r.class->foreign) { /* a module or capability may have come meanwhile */
        int rc = runtime_class_here(m->runtime, r.class->module->ops.name, r.class->capability->name, &r.class);
        if (rc != MESH_OK)
            return rc;
        q->class = r.class;
        r.message->class_index = r.class->index;
    }
    route_prepare(m->runtime, w, &r);
    return route_to_id(m->runtime, w, &r);
}

static int serve(struct membership *m, struct worker *w, struct request *q, uint64_t permit)
{
    int rc = q->message != NULL ? serve_own(m, w, q, permit) : remote_serve(m, w, q, permit);
    if (rc == MESH_EMOVED)
        return request_again(m, q) ? MESH_OK : MESH_ESTOPPING;
    if (rc == MESH_OK)
        request_free(q);
    return rc;
}

static int forward(struct membership *m, struct request *q, uint16_t peer, bool follow)
{
    struct node_link *link = m->links[peer];
    struct lane *lane = atomic_load_explicit(&m->lanes[peer], memory_order_relaxed);
    struct lane_pass pass;
    int rc = MESH_OK;
    if (link == NULL)
        request_enlist(m, q, REQUEST_PARKED);
    else if (link->kind != CLUSTER_C)
        rc = MESH_ENOCAPABILITY; /* what BEAM nodes understand is not spoken here yet */
    else
        rc = lane_enter(lane, !q->cast, m->max_requests, &pass);
    pthread_mutex_unlock(&m->lock);
    if (link == NULL || (rc != MESH_OK && rc != MESH_EMOVED))
        return rc;
    if (rc == MESH_EMOVED)
        return request_again(m, q) ? MESH_OK : MESH_ESTOPPING;
    return remote_forward(m, q, &pass, follow);
}

static int tell_moved(struct membership *m, struct request *q, uint16_t peer)
{
    char name[MESH_NAME_SIZE];
    mesh_bytes view = cluster_name(m->cluster, peer);
    size_t len = view.len < sizeof name ? view.len : 0;
    memcpy(name, view.data, len);
    m->stats.moved++;
    pthread_mutex_unlock(&m->lock);
    remote_moved(m, q->from, q->from_number, q->trace, (mesh_bytes){name, len});
    request_free(q);
    return MESH_OK;
}

int request_dispatch(struct membership *m, struct worker *w, struct request *q)
{
    uint16_t peer = 0;
    int error = MESH_OK;
    enum cluster_route where = where_to(m, q, &peer, &error);
    uint64_t permit;
    switch (where) {
    case CLUSTER_SERVE:
        permit = cluster_epoch(m->cluster, q->capability, q->shard);
        m->stats.served += q->from != NULL;
        pthread_mutex_unlock(&m->lock);
        return serve(m, w, q, permit != 0 ? permit : 1);
    case CLUSTER_TO:
    case CLUSTER_FOLLOW:
        return forward(m, q, peer, where == CLUSTER_FOLLOW);
    case CLUSTER_MOVED:
        return tell_moved(m, q, peer);
    case CLUSTER_WAIT:
        request_enlist(m, q, REQUEST_PARKED);
        break;
    case CLUSTER_REFUSED:
        break;
    }
    pthread_mutex_unlock(&m->lock);
    return where == CLUSTER_WAIT ? MESH_OK : error;
}

/* ---- coming in ---- */

/* With the lock, which is released. Routes it, or queues it behind what is to be carried out first. */
static int enter(struct membership *m, struct worker *w, struct request *q)
{
    int rc = m->closed ? MESH_ESTOPPING : m->request_count >= m->max_requests ? MESH_EBUSY : MESH_OK;
    if (rc == MESH_OK && !m->running)
        return request_dispatch(m, w, q);
    if (rc == MESH_OK)
        request_enlist(m, q, REQUEST_QUEUED);
    pthread_mutex_unlock(&m->lock);
    return rc;
}

int request_take(void *context, struct worker *w, const struct route *r)
{
    struct membership *m = context;
    uint32_t hash = phash2_binary(r->id);
    uint16_t peer = routes_find(&m->routes, r->class, hash);
    if (peer != 0) {
        /* Acquire: pairs with the release of lane_of. */
        int begun = remote_begin(m, w, r, hash, atomic_load_explicit(&m->lanes[peer], memory_order_acquire));
        if (begun != MESH_EMOVED)
            return begun;
    }
    struct request *q = request_of(r, hash, NULL);
    if (q == NULL)
        return MESH_ENOMEM;
    pthread_mutex_lock(&m->lock);
    q->trace = m->self_hash + ++m->last_number;
    int rc = enter(m, w, q);
    if (rc != MESH_OK)
        request_free(q); /* the message is the caller's again */
    return rc;
}

/* One for which there is nothing to be asked or waited for: by far the most. It stands behind all that came before it
 * on this link, or else the view would be closed. False: it is to be routed. */
static bool serve_at_once(struct node_link *from, struct worker *w, const struct envelope *e)
{
    struct membership *m = from->m;
    struct lane *lane = atomic_load_explicit(&from->lane, memory_order_acquire); /* pairs with apply_up */
    uint64_t now_ns = w != NULL ? worker_clock(w) : clock_now_ns();
    if ((routes_view(&m->routes) & 1) == 0 || lane == NULL ||
        now_ns >= atomic_load_explicit(&m->fresh_until_ns, memory_order_relaxed))
        return false;
    int rc = remote_serve_read(from, w, e, e->op == ENVELOPE_CAST ? 0 : deadline_of(e, now_ns));
    if (rc == MESH_EMOVED)
        return false;
    membership_clock_seen(m, e->clock);
    lane_count(&lane->came);
    if (rc == MESH_OK)
        lane_count(&lane->served);
    else if (e->op == ENVELOPE_CALL)
        remote_refuse(m, from, e->number, e->trace, rc);
    else
        count_dropped(m);
    return true;
}

int request_receive(struct node_link *from, struct worker *w, mesh_bytes bytes, const struct envelope *e)
{
    struct membership *m = from->m;
    if (serve_at_once(from, w, e))
        return MESH_OK;
    struct request *q = request_from(from, bytes, e);
    if (q == NULL) {
        if (e->op == ENVELOPE_CALL)
            remote_refuse(m, from, e->number, e->trace, MESH_ENOMEM);
        return MESH_OK;
    }
    pthread_mutex_lock(&m->lock);
    membership_clock_seen(m, e->clock);
    m->stats.came++;
    int rc = enter(m, w, q);
    if (rc != MESH_OK)
        request_end(m, w, q, rc);
    return MESH_OK; // NOLINT(clang-analyzer-unix.Malloc): q is in a list
}
