/* Links, the queue, the runner, and the way in and out: see membership.h. */
#include "node/membership.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/siphash.h"
#include "node/capabilities.h"
#include "node/node.h"
#include "placement/ring.h"

/* ---- links ---- */

struct node_link *link_hold(struct node_link *link)
{
    atomic_fetch_add_explicit(&link->refs, 1, memory_order_relaxed);
    return link;
}

void link_drop(struct node_link *link)
{
    /* Acquire and release: the last one frees what the others have used. */
    if (link == NULL || atomic_fetch_sub_explicit(&link->refs, 1, memory_order_acq_rel) > 1)
        return;
    link->m->transport.ops->release(link->peer);
    if (link->place != NULL)
        block_release(link->place);
    free(link);
}

static struct item *put_event(struct membership *m, enum item_kind kind, struct node_link *link, struct block *block)
{
    struct item *item = must_calloc(1, sizeof *item);
    item->kind = kind;
    item->link = link_hold(link);
    item->block = block;
    list_append(&m->queue, &item->in);
    membership_poke(m);
    return item;
}

static void free_event(struct item *item)
{
    if (item->block != NULL)
        block_release(item->block);
    link_drop(item->link); // NOLINT(clang-analyzer-unix.Malloc): it is counted, which the analyzer does not follow
    free(item);
}

void node_link_up(struct mesh_node *node, mesh_bytes name, uint32_t creation, enum cluster_kind kind, void *peer,
                  struct node_link **link)
{
    struct membership *m = node->membership;
    struct node_link *up = must_calloc(1, sizeof *up);
    up->m = m;
    up->peer = peer;
    up->kind = kind;
    up->place = call_place(name, creation);
    up->self.creation = creation;
    memcpy(up->self.node, name.data, name.len < MESH_NAME_SIZE ? name.len : MESH_NAME_SIZE - 1);
    atomic_init(&up->refs, 1);
    atomic_init(&up->lane, NULL);
    *link = up;
    pthread_mutex_lock(&m->lock);
    if (!m->closed)
        put_event(m, ITEM_UP, up, NULL);
    pthread_mutex_unlock(&m->lock);
}

/* With the lock. */
static void end_sync(struct membership *m, struct node_link *link)
{
    if (!link->syncing)
        return;
    link->syncing = false;
    m->syncs--;
    pthread_cond_broadcast(&m->changed);
}

void node_link_down(struct node_link *link, struct worker *w)
{
    struct membership *m = link->m;
    struct list lost;
    list_init(&lost);
    pthread_mutex_lock(&m->lock);
    link->told_down = true;
    struct lane *lane = atomic_load_explicit(&link->lane, memory_order_relaxed);
    struct node_link *left = lane != NULL ? lane_close(lane, &lost) : NULL;
    end_sync(m, link);
    if (!m->closed)
        put_event(m, ITEM_DOWN, link, NULL);
    pthread_mutex_unlock(&m->lock);
    link_drop(left);
    while (!list_is_empty(&lost)) {
        struct request *q = (struct request *)lost.next;
        list_remove(&q->item.in);
        request_end(m, w, q, MESH_ELOST);
    }
    link_drop(link);
}

static bool is_closed(struct membership *m)
{
    pthread_mutex_lock(&m->lock);
    bool closed = m->closed;
    pthread_mutex_unlock(&m->lock);
    return closed;
}

static int queue_message(struct node_link *link, mesh_bytes message)
{
    struct membership *m = link->m;
    struct block *block = block_create(message.len);
    if (block == NULL)
        return MESH_ENOMEM;
    memcpy(block->bytes, message.data, message.len);
    pthread_mutex_lock(&m->lock);
    if (m->closed)
        block_release(block);
    else
        put_event(m, ITEM_MESSAGE, link, block);
    pthread_mutex_unlock(&m->lock);
    return MESH_OK;
}

static void receive_sync(struct node_link *link, const struct envelope *e)
{
    struct membership *m = link->m;
    pthread_mutex_lock(&m->lock);
    membership_clock_seen(m, e->clock);
    if (e->op == ENVELOPE_SYNCED)
        end_sync(m, link);
    else if (!m->closed)
        put_event(m, ITEM_SYNC, link, NULL)->number = e->number;
    pthread_mutex_unlock(&m->lock);
}

int node_link_message(struct node_link *link, struct worker *w, mesh_bytes message)
{
    struct envelope e;
    struct membership *m = link->m;
    if (link->kind != CLUSTER_C)
        return MESH_OK;
    int rc = envelope_read(message, m->runtime->options.max_message, &e);
    if (rc == MESH_OK && e.op == ENVELOPE_OTHER)
        rc = queue_message(link, message);
    else if (rc == MESH_OK && e.op <= ENVELOPE_CAST)
        rc = request_receive(link, w, message, &e);
    else if (rc == MESH_OK && e.op >= ENVELOPE_SYNC)
        receive_sync(link, &e);
    else if (rc == MESH_OK)
        rc = remote_answered(link, w, &e);
    if (rc == MESH_EBADTERM || rc == MESH_ETOOBIG) {
        pthread_mutex_lock(&m->lock);
        m->stats.malformed++;
        pthread_mutex_unlock(&m->lock);
    }
    return rc;
}

int node_link_capabilities(struct node_link *link, const mesh_bytes *names, size_t count)
{
    struct membership *m = link->m;
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += names[i].len + 1;
    struct block *block = block_create(bytes);
    if (block == NULL)
        return MESH_ENOMEM;
    char *at = (char *)block->bytes;
    for (size_t i = 0; i < count; i++) {
        memcpy(at, names[i].data, names[i].len);
        at[names[i].len] = '\0';
        at += names[i].len + 1;
    }
    pthread_mutex_lock(&m->lock);
    if (m->closed)
        block_release(block);
    else
        put_event(m, ITEM_BEAM, link, block);
    pthread_mutex_unlock(&m->lock);
    return MESH_OK;
}

/* ---- events; runner, with the lock ---- */

static void log_refused_link(struct membership *m, const struct node_link *link, int error)
{
    log_write(&m->runtime->log, MESH_LOG_WARN, "a link is of no use", log_name("peer", mesh_str(link->self.node)),
              log_name("error", mesh_str(mesh_error_name(error))));
}

static struct lane *lane_of(struct membership *m, uint16_t slot)
{
    struct lane *lane = atomic_load_explicit(&m->lanes[slot], memory_order_relaxed);
    if (lane != NULL)
        return lane;
    lane = lane_create(slot);
    /* Release: pairs with those who read it without the lock, for what is in it. */
    atomic_store_explicit(&m->lanes[slot], lane, memory_order_release);
    m->lane_end = slot >= m->lane_end ? slot + 1 : m->lane_end;
    return lane;
}

/* Returns an error if the link is of no use. */
static int apply_up(struct membership *m, struct node_link *link)
{
    uint16_t slot = 0;
    if (link->told_down)
        return MESH_OK;
    int rc = cluster_link_up(m->cluster, mesh_str(link->self.node), link->self.creation, link->kind, &slot);
    if (rc != MESH_OK)
        return rc;
    link->slot = slot;
    m->links[slot] = link_hold(link);
    m->stats.links++;
    if (link->kind == CLUSTER_C) {
        struct lane *lane = lane_of(m, slot);
        lane_open(lane, link_hold(link));
        atomic_store_explicit(&link->lane, lane, memory_order_release); /* as above */
    }
    return MESH_OK;
}

/* Returns the count that the table had. */
static struct node_link *apply_down(struct membership *m, struct node_link *link)
{
    if (link->slot == 0)
        return NULL;
    cluster_link_down(m->cluster, link->slot);
    m->links[link->slot] = NULL;
    link->slot = 0;
    m->stats.links--;
    return link;
}

static void apply_beam(struct membership *m, struct node_link *link, const struct block *block)
{
    mesh_bytes *names = must_calloc(block->len + 1, sizeof *names);
    size_t count = 0;
    for (size_t at = 0; at < block->len; at += names[count++].len + 1)
        names[count] = mesh_str((const char *)block->bytes + at);
    if (link->slot != 0)
        cluster_beam_capabilities(m->cluster, link->slot, names, count);
    free(names);
}

/* Applies an event that is in no list. The lock is released meanwhile, when the transport has to be told. */
static void apply(struct membership *m, struct item *item)
{
    struct node_link *link = item->link, *gone = NULL;
    int rc = MESH_OK;
    m->renew = true;
    membership_begin(m);
    if (item->kind == ITEM_UP)
        rc = apply_up(m, link);
    else if (item->kind == ITEM_DOWN)
        gone = apply_down(m, link);
    else if (item->kind == ITEM_BEAM)
        apply_beam(m, link, item->block);
    else if (item->kind == ITEM_MESSAGE && link->slot != 0)
        rc = cluster_receive(m->cluster, link->slot, (mesh_bytes){item->block->bytes, item->block->len});
    m->stats.malformed += rc != MESH_OK && item->kind == ITEM_MESSAGE;
    m->dirty = true;
    pthread_mutex_unlock(&m->lock);
    if (rc != MESH_OK) {
        log_refused_link(m, link, rc);
        m->transport.ops->close(link->peer);
    }
    if (item->kind == ITEM_SYNC) /* what came before it has been carried out */
        remote_sync(m, link, item->number, true);
    link_drop(gone);
    free_event(item);
    pthread_mutex_lock(&m->lock);
}

/* ---- the runner ---- */

void membership_begin(struct membership *m)
{
    cluster_begin(m->cluster, clock_boot_ms(), clock_wall_ms());
    cluster_clock_seen(m->cluster, membership_clock(m));
    atomic_store_explicit(&m->fresh_until_ns, clock_now_ns() + m->fresh_ns, memory_order_relaxed);
}

static void carry_out(struct membership *m)
{
    struct cluster_action a;
    m->dirty = false;
    m->renew = true;
    membership_begin(m);
    cluster_run(m->cluster);
    membership_clock_seen(m, cluster_clock(m->cluster));
    while (cluster_next(m->cluster, &a)) {
        struct node_link *link = m->links[a.peer] != NULL ? link_hold(m->links[a.peer]) : NULL;
        if (a.kind == CLUSTER_WAKE || a.kind == CLUSTER_HOLD)
            request_wake(m, a.capability, a.shard);
        pthread_mutex_unlock(&m->lock);
        action_perform(m, &a, link);
        link_drop(link);
        pthread_mutex_lock(&m->lock);
    }
}

static void end_late(struct membership *m)
{
    struct list late;
    list_init(&late);
    request_collect(m, clock_now_ns(), &late);
    if (list_is_empty(&late))
        return;
    pthread_mutex_unlock(&m->lock);
    while (!list_is_empty(&late)) {
        struct request *q = (struct request *)late.next;
        list_remove(&q->item.in);
        request_end(m, NULL, q, MESH_ETIMEOUT);
    }
    pthread_mutex_lock(&m->lock);
}

static void handle_first(struct membership *m)
{
    struct item *item = (struct item *)m->queue.next;
    if (item->kind != ITEM_REQUEST) {
        list_remove(&item->in);
        apply(m, item);
        return;
    }
    struct request *q = (struct request *)item;
    request_delist(m, q);
    int rc = request_dispatch(m, NULL, q);
    if (rc != MESH_OK)
        request_end(m, NULL, q, rc);
    pthread_mutex_lock(&m->lock);
}

/* When to come again: for the cluster, or for requests. */
static void arm_next(struct membership *m)
{
    uint64_t next = wheel_next_ns(&m->wheel), wake_ms = cluster_wake_ms(m->cluster), now_ms = clock_boot_ms();
    if (wake_ms != UINT64_MAX) {
        uint64_t at = clock_now_ns() + (wake_ms > now_ms ? wake_ms - now_ms : 0) * 1000000;
        next = at < next ? at : next;
    }
    for (uint16_t slot = 1; slot < m->lane_end; slot++) {
        struct lane *lane = atomic_load_explicit(&m->lanes[slot], memory_order_relaxed);
        uint64_t due = lane != NULL ? lane_due(lane) : UINT64_MAX;
        next = due < next ? due : next;
    }
    membership_arm(m, next);
}

static int run(mesh_node *node, void *arg)
{
    struct membership *m = arg;
    (void)node;
    pthread_mutex_lock(&m->lock);
    for (;;) {
        if (m->closed)
            break;
        if (m->dirty || cluster_wake_ms(m->cluster) <= clock_boot_ms()) {
            carry_out(m);
            continue;
        }
        action_settle(m);
        if (list_is_empty(&m->queue))
            break;
        handle_first(m);
    }
    if (!m->closed)
        end_late(m);
    m->running = false;
    if (!m->closed && (m->dirty || !list_is_empty(&m->queue))) {
        membership_poke(m);
    } else if (!m->closed) {
        arm_next(m);
        routes_open(&m->routes, m->renew, cluster_serves(m->cluster));
        m->renew = false;
    }
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->lock);
    return MESH_OK;
}

void membership_poke(struct membership *m)
{
    if (m->running || m->closed)
        return;
    m->running = true;
    routes_close(&m->routes);
    task_start(m->runtime, run, m);
}

/* ---- the tick: a deadline on worker 0 ---- */

static void arm_delivered(struct worker *w, struct post *p)
{
    struct membership *m = (struct membership *)((char *)p - offsetof(struct membership, post));
    pthread_mutex_lock(&m->lock);
    m->arming = false;
    if (!m->closed)
        wheel_add(&w->deadlines, &m->tick.timer, m->armed_ns);
    pthread_mutex_unlock(&m->lock);
}

static void tick(struct worker *w, struct deadline *d)
{
    struct membership *m = (struct membership *)((char *)d - offsetof(struct membership, tick));
    (void)w;
    pthread_mutex_lock(&m->lock);
    m->armed_ns = UINT64_MAX;
    membership_poke(m);
    pthread_mutex_unlock(&m->lock);
}

void membership_arm(struct membership *m, uint64_t at_ns)
{
    if (at_ns >= m->armed_ns)
        return;
    m->armed_ns = at_ns;
    if (m->arming)
        return;
    m->arming = true;
    m->post.deliver = arm_delivered;
    worker_post(&m->runtime->workers[0], &m->post);
}

/* ---- in and out ---- */

static void init_lists(struct membership *m)
{
    list_init(&m->queue);
    for (size_t i = 0; i < PARKED_BUCKETS; i++)
        list_init(&m->parked[i]);
    wheel_init(&m->wheel, clock_now_ns());
}

static void init_lock(struct membership *m)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&m->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&m->lock, NULL);
}

/* The same on every node, for a name and a creation. */
static uint64_t hash_of_node(const char *name, uint32_t creation)
{
    const struct siphash_key no_key = {0, 0};
    const uint64_t both[2] = {siphash24(no_key, name, strlen(name)), creation};
    return siphash24(no_key, both, sizeof both);
}

struct membership *membership_create(struct mesh_node *node, const struct membership_options *options,
                                     const struct transport *transport)
{
    struct membership *m = must_calloc(1, sizeof *m);
    struct runtime *rt = &node->runtime;
    const struct cluster_config config = {.name = mesh_str(rt->name),
                                          .creation = rt->creation,
                                          .discovery = options->discovery,
                                          .join_ms = options->join_ms,
                                          .claim_ms = options->claim_ms,
                                          .boot_ms = options->boot_ms,
                                          .suspect_ms = options->suspect_ms,
                                          .quiet_ms = options->quiet_ms,
                                          .majority_of = options->majority_of};
    m->node = node;
    m->runtime = rt;
    m->transport = *transport;
    m->self_hash = hash_of_node(rt->name, rt->creation);
    m->max_requests = options->max_requests != 0 ? options->max_requests : REQUESTS_MAX;
    uint32_t suspect_ms = options->suspect_ms != 0 ? options->suspect_ms : CLUSTER_SUSPECT_MS;
    m->fresh_ns = (suspect_ms < 2 * FRESH_MS ? suspect_ms / 2 : FRESH_MS) * UINT64_C(1000000);
    m->conflict_limit = (struct log_limit)LOG_LIMIT(10);
    m->armed_ns = UINT64_MAX;
    m->tick.expired = tick;
    init_lock(m);
    init_lists(m);
    m->cluster = cluster_create(&config, clock_boot_ms(), clock_wall_ms());
    node->membership = m;
    rt->elsewhere = (struct elsewhere){.context = m, .take = request_take};
    pthread_mutex_lock(&m->lock);
    membership_poke(m);
    pthread_mutex_unlock(&m->lock);
    return m;
}

void membership_drained(struct membership *m)
{
    struct node_link **links = must_calloc(CLUSTER_MEMBERS_MAX, sizeof *links);
    size_t count = 0;
    pthread_mutex_lock(&m->lock);
    m->drained = true;
    for (size_t i = 0; i < CLUSTER_MEMBERS_MAX; i++) {
        struct node_link *link = m->links[i];
        if (link == NULL || link->kind != CLUSTER_C || link->told_down || link->syncing)
            continue;
        link->syncing = true;
        m->syncs++;
        links[count++] = link_hold(link);
    }
    uint64_t number = ++m->last_number;
    pthread_mutex_unlock(&m->lock);
    while (count > 0) {
        remote_sync(m, links[--count], number, false);
        link_drop(links[count]);
    }
    free(links);
}

static struct timespec deadline_after(uint32_t ms)
{
    uint64_t until = clock_now_ns() + (uint64_t)ms * 1000000;
    return (struct timespec){.tv_sec = (time_t)(until / 1000000000), .tv_nsec = (long)(until % 1000000000)};
}

/* With the lock. Requests of others, in lanes and without. */
static uint64_t count_came(struct membership *m)
{
    uint64_t came = m->stats.came;
    for (uint16_t slot = 1; slot < m->lane_end; slot++) {
        struct lane *lane = atomic_load_explicit(&m->lanes[slot], memory_order_relaxed);
        came += lane != NULL ? atomic_load_explicit(&lane->came, memory_order_relaxed) : 0;
    }
    return came;
}

/* With the lock. All others know that nothing is here any more. What they were about to send at that moment is still
 * answered with who has it. */
static void linger(struct membership *m)
{
    uint64_t before = UINT64_MAX, came = count_came(m);
    for (int turn = 0; turn < LINGER_MAX_MS / LINGER_MS && m->stats.links > 0 && came != before; turn++) {
        const struct timespec until = deadline_after(LINGER_MS);
        before = came;
        while (m->stats.links > 0 && pthread_cond_timedwait(&m->changed, &m->lock, &until) == 0)
            ;
        came = count_came(m);
    }
}

bool membership_drain(struct membership *m, uint32_t timeout_ms)
{
    const struct timespec until = deadline_after(timeout_ms);
    int rc = 0;
    pthread_mutex_lock(&m->lock);
    membership_begin(m);
    cluster_drain(m->cluster);
    m->draining = true;
    m->dirty = true;
    membership_poke(m);
    while ((!m->drained || m->syncs > 0) && rc == 0 && !m->closed)
        rc = pthread_cond_timedwait(&m->changed, &m->lock, &until);
    bool drained = m->drained && m->syncs == 0;
    if (drained)
        linger(m);
    pthread_mutex_unlock(&m->lock);
    return drained;
}

void membership_close(struct membership *m)
{
    struct list all, events;
    list_init(&all);
    list_init(&events);
    pthread_mutex_lock(&m->lock);
    m->closed = true;
    pthread_cond_broadcast(&m->changed);
    routes_close(&m->routes);
    request_collect(m, 0, &all);
    list_put_before(&events, &m->queue);
    pthread_mutex_unlock(&m->lock);
    while (!list_is_empty(&all)) {
        struct request *q = (struct request *)all.next;
        list_remove(&q->item.in);
        request_end(m, NULL, q, MESH_ESTOPPING);
    }
    while (!list_is_empty(&events)) {
        struct item *item = (struct item *)events.next;
        list_remove(&item->in);
        free_event(item);
    }
}

void membership_unlink(struct membership *m)
{
    assert(is_closed(m));
    for (size_t i = 0; i < CLUSTER_MEMBERS_MAX; i++) {
        link_drop(m->links[i]);
        m->links[i] = NULL;
    }
}

void membership_destroy(struct membership *m)
{
    cluster_destroy(m->cluster);
    for (uint16_t slot = 0; slot < m->lane_end; slot++)
        lane_destroy(atomic_load_explicit(&m->lanes[slot], memory_order_relaxed));
    free(m->asking);
    pthread_cond_destroy(&m->changed);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

/* ---- capabilities ---- */

int membership_register(struct membership *m, const char *name, const mesh_capability_options *o)
{
    const struct cluster_capability capability = {.strategy = o->strategy,
                                                  .shards = o->shards,
                                                  .weight = o->weight,
                                                  .place = o->place,
                                                  .context = o->place_context};
    pthread_mutex_lock(&m->lock);
    membership_begin(m);
    int rc = cluster_register(m->cluster, mesh_str(name), &capability);
    m->dirty = true;
    membership_poke(m);
    pthread_mutex_unlock(&m->lock);
    return rc;
}

/* With the lock. Whether something idle may still live in a capability. */
static bool any_held(struct membership *m, const char *name)
{
    struct capability *cap = runtime_capability(m->runtime, name);
    bool held = m->giving > 0;
    for (uint32_t s = 0; cap != NULL && s < cap->shards && !held; s++) {
        struct row *row = &cap->rows[s];
        spin_lock(&row->lock);
        held = row->held;
        spin_unlock(&row->lock);
    }
    return held;
}

void membership_unregister(struct membership *m, const char *name, uint32_t timeout_ms)
{
    const struct timespec until = deadline_after(timeout_ms);
    int rc = 0;
    pthread_mutex_lock(&m->lock);
    membership_begin(m);
    (void)cluster_unregister(m->cluster, mesh_str(name)); /* one that is not there is no error */
    m->dirty = true;
    membership_poke(m);
    while (!m->closed && rc == 0 && (m->running || any_held(m, name)))
        rc = pthread_cond_timedwait(&m->changed, &m->lock, &until);
    pthread_mutex_unlock(&m->lock);
}

/* ---- the view ---- */

int membership_nodes_for(struct membership *m, const char *capability, mesh_names **names)
{
    const char *list[CLUSTER_MEMBERS_MAX];
    char *copies = must_calloc(CLUSTER_MEMBERS_MAX, MESH_NAME_SIZE);
    size_t count = 0;
    pthread_mutex_lock(&m->lock);
    const struct ring *ring = cluster_ring(m->cluster, mesh_str(capability));
    for (; ring != NULL && count < ring_nodes(ring); count++) {
        mesh_bytes name = ring_name(ring, count);
        list[count] = copies + count * MESH_NAME_SIZE;
        memcpy(copies + count * MESH_NAME_SIZE, name.data, name.len < MESH_NAME_SIZE ? name.len : MESH_NAME_SIZE - 1);
    }
    pthread_mutex_unlock(&m->lock);
    int rc = names_create(list, count, names);
    free(copies);
    return rc;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int membership_names(struct membership *m, mesh_names **names)
{
    char **list = must_calloc(CLUSTER_CAPABILITIES_MAX, sizeof *list);
    size_t count = 0;
    bool exists = true;
    pthread_mutex_lock(&m->lock);
    for (uint32_t i = 0; exists && count < CLUSTER_CAPABILITIES_MAX; i++) {
        mesh_bytes name = cluster_capability_name(m->cluster, i, &exists);
        if (name.len > 0)
            list[count++] = must_copy(name.data, name.len);
    }
    pthread_mutex_unlock(&m->lock);
    qsort(list, count, sizeof *list, compare_names);
    int rc = names_create((const char *const *)list, count, names);
    while (count > 0)
        free(list[--count]);
    free(list);
    return rc;
}

int membership_shards(struct membership *m, const char *capability, uint32_t *shards)
{
    pthread_mutex_lock(&m->lock);
    const struct ring *ring = cluster_ring(m->cluster, mesh_str(capability));
    if (ring != NULL)
        *shards = ring_shards(ring);
    pthread_mutex_unlock(&m->lock);
    return ring != NULL ? MESH_OK : MESH_ENOCAPABILITY;
}

int membership_owner(struct membership *m, const char *capability, uint32_t shard, char *owner, size_t size)
{
    int rc = MESH_ENOCAPABILITY;
    pthread_mutex_lock(&m->lock);
    const struct ring *ring = cluster_ring(m->cluster, mesh_str(capability));
    if (ring != NULL)
        rc = shard < ring_shards(ring) ? MESH_OK : MESH_EINVAL;
    if (rc == MESH_OK) {
        mesh_bytes name = ring_name(ring, ring_owner(ring, shard));
        rc = name.len < size ? MESH_OK : MESH_ETOOBIG;
        if (rc == MESH_OK) {
            memcpy(owner, name.data, name.len);
            owner[name.len] = '\0';
        }
    }
    pthread_mutex_unlock(&m->lock);
    return rc;
}

static int compare_links(const void *a, const void *b)
{
    return strcmp(((const struct membership_link *)a)->node, ((const struct membership_link *)b)->node);
}

struct membership_link *membership_links(struct membership *m, size_t *count)
{
    struct membership_link *links = must_calloc(CLUSTER_MEMBERS_MAX, sizeof *links);
    size_t n = 0;
    pthread_mutex_lock(&m->lock);
    for (size_t slot = 0; slot < CLUSTER_MEMBERS_MAX; slot++) {
        const struct node_link *link = m->links[slot];
        if (link == NULL)
            continue;
        memcpy(links[n].node, link->self.node, MESH_NAME_SIZE);
        links[n].creation = link->self.creation;
        links[n++].kind = link->kind;
    }
    pthread_mutex_unlock(&m->lock);
    qsort(links, n, sizeof *links, compare_links);
    *count = n;
    return links;
}

bool membership_sight(struct membership *m, const char *capability, struct cluster_sight *sight, struct ring **ring)
{
    pthread_mutex_lock(&m->lock);
    bool any = cluster_sight(m->cluster, mesh_str(capability), sight);
    const struct ring *view = any && ring != NULL ? cluster_ring(m->cluster, mesh_str(capability)) : NULL;
    if (ring != NULL)
        *ring = view != NULL ? ring_hold((struct ring *)view) : NULL;
    pthread_mutex_unlock(&m->lock);
    return any;
}

void membership_read_stats(struct membership *m, struct membership_stats *stats)
{
    pthread_mutex_lock(&m->lock);
    *stats = m->stats;
    stats->draining = m->draining;
    stats->drained = m->drained;
    stats->requests = m->request_count;
    stats->parked = m->parked_count;
    for (uint16_t slot = 1; slot < m->lane_end; slot++) {
        struct lane *lane = atomic_load_explicit(&m->lanes[slot], memory_order_relaxed);
        if (lane != NULL)
            lane_read(lane, stats);
    }
    cluster_stats(m->cluster, &stats->cluster);
    pthread_mutex_unlock(&m->lock);
}

/* With the lock. */
static bool is_settled(struct membership *m)
{
    struct cluster_stats stats;
    cluster_stats(m->cluster, &stats);
    return !m->running && stats.synced && stats.claiming == 0 && stats.releasing == 0;
}

int membership_await(struct membership *m, uint64_t links, uint32_t timeout_ms)
{
    const struct timespec until = deadline_after(timeout_ms);
    int rc = 0;
    pthread_mutex_lock(&m->lock);
    while (rc == 0 && !m->closed && (m->stats.links < links || !is_settled(m)))
        rc = pthread_cond_timedwait(&m->changed, &m->lock, &until);
    bool closed = m->closed;
    pthread_mutex_unlock(&m->lock);
    return closed ? MESH_ESTOPPING : rc == 0 ? MESH_OK : MESH_ETIMEOUT;
}
