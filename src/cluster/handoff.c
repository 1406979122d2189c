/* Processes on their way from one holder to the next.
 *
 * When a shard is given up, its idle processes end, and what they leave goes to the claimer as parcels; then comes the
 * grant, on the same ordered stream, so that no process can start there without its state. What is inside a handler
 * stays: the grant names it, the claimer forwards requests for it and serves every other id; when the handler has
 * ended, its parcel follows. If the shard has gone on to a third node by then, the second passes all that on: its own
 * grant names the process as well, and the parcel takes the way that the shard took, so that it is passed on once.
 *
 * A giver keeps each parcel until it is acknowledged, and has at most WINDOW_BYTES of them on the way to one peer. If
 * the link breaks it takes back what was not acknowledged, as snapshots of its own that the next claimer gets. The
 * other side may have stored them all the same: the one with the later epoch is the one that counts.
 *
 * A parcel for a shard that its receiver already holds, and that was not named as busy, has come too late (the claim
 * was forced, or the link broke): it overwrites nothing. */
#include <stdlib.h>
#include <string.h>

#include "cluster/busy.h"
#include "cluster/state.h"

enum {
    WINDOW_BYTES = 256 << 10,
    CHUNK_BYTES = 64 << 10, /* a message; one snapshot may be longer */
    CHUNK_ITEMS = 1024,
    PARCEL_COST = 64, /* what a parcel counts beside its bytes */
};

struct parcel {
    struct parcel *next;
    struct capability *cap;
    uint64_t epoch;
    uint32_t shard;
    uint32_t seq, mine; /* a marker: the claim that is granted here, and this node's last claim then */
    uint32_t run;       /* the message that it was sent in */
    uint32_t module_len, id_len, snapshot_len; /* snapshot_len 0: only to say that the process has ended */
    bool marker;
    uint8_t bytes[];
};

/* ---- the queue to one peer ---- */

static void append(struct cluster *c, uint16_t to, struct parcel *p)
{
    struct handoff *out = &c->members[to].out;
    if (out->last == NULL)
        out->first = p;
    else
        out->last->next = p;
    out->last = p;
    if (out->unsent == NULL)
        out->unsent = p;
    out->count++;
    p->cap->parcels++;
    c->dirty = true;
}

void handoff_marker(struct cluster *c, struct capability *cap, uint32_t shard, uint16_t to, uint32_t seq)
{
    struct parcel *p = must_calloc(1, sizeof *p);
    p->cap = cap;
    p->shard = shard;
    p->seq = seq;
    p->mine = c->claim_seq;
    p->marker = true;
    append(c, to, p);
}

void handoff_add(struct cluster *c, struct capability *cap, const struct cluster_key *key, uint64_t epoch,
                 mesh_bytes snapshot, uint16_t to)
{
    struct parcel *p = must_calloc(1, sizeof *p + key->module.len + key->id.len + snapshot.len);
    p->cap = cap;
    p->shard = key->shard;
    p->epoch = epoch;
    p->module_len = (uint32_t)key->module.len;
    p->id_len = (uint32_t)key->id.len;
    p->snapshot_len = (uint32_t)snapshot.len;
    memcpy(p->bytes, key->module.data, key->module.len);
    memcpy(p->bytes + p->module_len, key->id.data, key->id.len);
    if (snapshot.len > 0)
        memcpy(p->bytes + p->module_len + p->id_len, snapshot.data, snapshot.len);
    append(c, to, p);
}

static size_t cost(const struct parcel *p)
{
    return PARCEL_COST + (size_t)p->module_len + p->id_len + p->snapshot_len;
}

static void drop_first(struct handoff *out)
{
    struct parcel *p = out->first;
    out->first = p->next;
    if (out->first == NULL)
        out->last = NULL;
    out->count--;
    p->cap->parcels--;
    free(p);
}

/* ---- sending ---- */

static void put_parcel(struct writer *w, const struct parcel *p)
{
    writer_must(mesh_put_tuple(&w->buf, p->snapshot_len > 0 ? 5 : 4));
    writer_must(mesh_put_uint(&w->buf, p->shard));
    writer_must(mesh_put_binary(&w->buf, (mesh_bytes){p->bytes, p->module_len}));
    writer_must(mesh_put_binary(&w->buf, (mesh_bytes){p->bytes + p->module_len, p->id_len}));
    writer_must(mesh_put_uint(&w->buf, p->epoch));
    if (p->snapshot_len > 0)
        writer_must(mesh_put_binary(&w->buf, (mesh_bytes){p->bytes + p->module_len + p->id_len, p->snapshot_len}));
}

/* One message of parcels, from out->unsent on. */
static void send_parcels(struct cluster *c, uint16_t to, struct handoff *out)
{
    struct capability *cap = out->unsent->cap;
    const struct parcel *end = out->unsent;
    uint32_t count = 0;
    size_t bytes = 0;
    for (; end != NULL && !end->marker && end->cap == cap && count < CHUNK_ITEMS; end = end->next) {
        if (count > 0 && bytes + cost(end) > CHUNK_BYTES)
            break;
        bytes += cost(end);
        count++;
    }
    struct writer w;
    writer_begin(&w, MESSAGE_VERSION, OP_PARCEL);
    writer_number(&w, F_CLOCK, clock_next(c));
    writer_bytes(&w, F_CAP, capability_name(cap));
    writer_number(&w, F_SHARDS, cap->row_count);
    writer_number(&w, F_SEQ, ++out->run);
    writer_list(&w, F_ITEMS, count);
    for (; out->unsent != end; out->unsent = out->unsent->next) {
        put_parcel(&w, out->unsent);
        out->unsent->run = out->run;
    }
    writer_must(mesh_put_empty(&w.buf));
    out->flying_bytes += bytes;
    action_send(c, to, &w);
}

static int compare_shards(const void *a, const void *b)
{
    return *(const uint16_t *)a - *(const uint16_t *)b;
}

static void send_grant(struct cluster *c, uint16_t to, const struct parcel *first, struct shards *set)
{
    struct capability *cap = first->cap;
    struct writer w;
    mesh_buf bytes;
    if (cap->row_count == 0)
        return;
    mesh_buf_init(&bytes);
    writer_must(shards_put(set, cap->row_count, &bytes));
    writer_begin(&w, MESSAGE_VERSION, OP_GRANT);
    writer_number(&w, F_CLOCK, clock_next(c));
    writer_number(&w, F_DIGEST, c->digest);
    writer_bytes(&w, F_CAP, capability_name(cap));
    writer_number(&w, F_SHARDS, cap->row_count);
    writer_number(&w, F_SEQ, first->seq);
    writer_number(&w, F_MINE, first->mine);
    writer_bytes(&w, F_SET, mesh_buf_bytes(&bytes));
    uint32_t busy = busy_put(c, &w, cap, set, to, true);
    if (busy > 0) {
        writer_list(&w, F_BUSY, busy);
        busy_put(c, &w, cap, set, to, false);
        writer_must(mesh_put_empty(&w.buf));
    }
    action_send(c, to, &w);
    mesh_buf_fini(&bytes);
}

/* The shards of a run of markers in ascending order, each once. */
static void sort_markers(uint16_t *at, uint32_t count, uint32_t total, struct shards *set)
{
    qsort(at, count, sizeof *at, compare_shards);
    for (uint32_t i = 0; i < count; i++)
        if ((i == 0 || at[i] != at[i - 1]) && at[i] < total)
            shards_push(set, at[i]);
}

/* One grant for the markers of the same claim that stand next. They are done with once they are sent. */
static void send_markers(struct cluster *c, uint16_t to, struct handoff *out)
{
    const struct parcel first = *out->unsent;
    struct parcel **at = &out->first, *before = NULL;
    uint16_t shards[CHUNK_ITEMS];
    uint32_t count = 0;
    while (*at != out->unsent) {
        before = *at;
        at = &(*at)->next;
    }
    while (*at != NULL && (*at)->marker && (*at)->cap == first.cap && (*at)->seq == first.seq &&
           (*at)->mine == first.mine && count < CHUNK_ITEMS) {
        struct parcel *p = *at;
        shards[count++] = (uint16_t)p->shard;
        *at = p->next;
        out->count--;
        p->cap->parcels--;
        free(p);
    }
    out->unsent = *at;
    if (*at == NULL)
        out->last = before;
    c->dirty = c->dirty || first.cap->leaving; /* this may have been the last of it */
    struct shards set = {NULL, 0, 0};
    sort_markers(shards, count, first.cap->row_count, &set);
    send_grant(c, to, &first, &set);
    shards_fini(&set);
}

void handoff_run(struct cluster *c, uint16_t slot)
{
    struct handoff *out = &c->members[slot].out;
    while (out->unsent != NULL && met(c, slot)) {
        if (out->unsent->marker)
            send_markers(c, slot, out);
        else if (out->flying_bytes < WINDOW_BYTES)
            send_parcels(c, slot, out);
        else
            break;
    }
}

void handoff_ack(struct cluster *c, uint16_t slot, const struct message *m)
{
    struct handoff *out = &c->members[slot].out;
    while (out->first != NULL && out->first != out->unsent && out->first->run <= message_number(m, F_SEQ)) {
        out->flying_bytes -= cost(out->first);
        drop_first(out);
    }
    c->dirty = true;
}

/* ---- what the runtime tells ---- */

void cluster_busy(struct cluster *c, const struct cluster_key *key)
{
    struct capability *cap = capability_find(c, key->capability);
    if (cap == NULL || key->shard >= cap->row_count || cap->busy_out >= BUSY_MAX)
        return;
    busy_add(cap, key, SELF, SELF, true);
    busy_redirect(c, cap, key->shard, cap->rows[key->shard].promise);
}

/* Keeps a snapshot here, for whoever claims the shard next. */
static void keep(struct cluster *c, struct capability *cap, const struct cluster_key *key, uint64_t epoch,
                 mesh_bytes snapshot)
{
    if (snapshot.len == 0)
        return;
    action_snapshot(c, CLUSTER_ADOPT, key, epoch, snapshot);
    if (key->shard < cap->row_count && cap->rows[key->shard].state != ROW_HELD)
        cap->rows[key->shard].flags |= ROW_PARCELS;
}

void cluster_snapshot(struct cluster *c, const struct cluster_key *key, uint64_t epoch, mesh_bytes snapshot)
{
    struct capability *cap = capability_find(c, key->capability);
    if (cap == NULL)
        return;
    struct busy **at = busy_place(cap, key);
    bool was_busy = at != NULL && *at != NULL && (*at)->out;
    uint16_t to = NOBODY;
    if (was_busy) {
        to = (*at)->to;
        if (!busy_second(c, cap, *at))
            busy_remove(cap, at);
    } else if (key->shard < cap->row_count && cap->rows[key->shard].state == ROW_RELEASING) {
        to = cap->rows[key->shard].promise;
    }
    if (to == NOBODY || !met(c, to))
        keep(c, cap, key, epoch, snapshot);
    else if (was_busy || snapshot.len > 0)
        handoff_add(c, cap, key, epoch, snapshot, to);
    if (was_busy)
        action_shard(c, CLUSTER_WAKE, cap, key->shard, 0);
    c->dirty = true;
}

void cluster_released(struct cluster *c, mesh_bytes capability, uint32_t shard)
{
    struct capability *cap = capability_find(c, capability);
    if (cap == NULL || shard >= cap->row_count || cap->rows[shard].state != ROW_RELEASING)
        return;
    struct row *row = &cap->rows[shard];
    row->state = ROW_FREE;
    cap->releasing--;
    bool wanted = row->promise != NOBODY && met(c, row->promise);
    if (wanted && row->flags & ROW_PARCELS)
        grants_release(c, cap, shard, row->promise, row->seq); /* what came before anybody wanted it */
    else if (wanted)
        handoff_marker(c, cap, shard, row->promise, row->seq);
    cap->replan = true;
    c->dirty = true;
    action_shard(c, CLUSTER_WAKE, cap, shard, 0);
}

/* ---- receiving ---- */

/* epoch 0: the process does not come this way. A node that waits for it to serve it asks where it is. */
static void receive_item(struct cluster *c, struct capability *cap, uint16_t slot, const struct cluster_key *key,
                         uint64_t epoch, mesh_bytes snapshot)
{
    const struct row *row = &cap->rows[key->shard];
    struct busy **at = busy_place(cap, key);
    bool awaited = at != NULL && *at != NULL && !(*at)->out && (*at)->giver == slot;
    uint16_t to = awaited ? (*at)->to : NOBODY;
    bool passed = to != NOBODY && met(c, to);
    if (awaited && !passed && epoch == 0 && (*at)->at != slot && (*at)->at != NOBODY && met(c, (*at)->at) &&
        (row->state == ROW_HELD || row->state == ROW_CLAIMING)) {
        busy_fetch(c, cap, *at);
        return;
    }
    if (awaited)
        busy_remove(cap, at);
    if (passed)
        handoff_add(c, cap, key, epoch, snapshot, to);
    else if (snapshot.len > 0 && row->state == ROW_HELD && !awaited)
        action_snapshot(c, CLUSTER_CONFLICT, key, epoch, snapshot);
    else
        keep(c, cap, key, epoch, snapshot);
    if (awaited)
        action_shard(c, CLUSTER_WAKE, cap, key->shard, 0);
}

int handoff_receive(struct cluster *c, uint16_t slot, const struct message *m)
{
    struct capability *cap = capability_find(c, message_bytes(m, F_CAP));
    struct items it = message_items(m, F_ITEMS);
    uint32_t arity;
    int error = MESH_OK;
    if (cap != NULL) {
        views_refresh(c, cap);
        views_rows(cap);
    }
    bool known = cap != NULL && cap->row_count != 0 && cap->row_count == message_number(m, F_SHARDS);
    while (known && items_next(&it, 4, &arity, &error)) {
        struct cluster_key key = busy_read_key(&it, cap, &error);
        uint64_t epoch = items_number(&it, INT64_MAX, &error);
        mesh_bytes snapshot = arity > 4 ? items_bytes(&it, &error) : (mesh_bytes){NULL, 0};
        items_close(&it, arity, arity > 4 ? 5 : 4, &error);
        if (!error && snapshot.len > 0)
            error = mesh_term_check(snapshot.data, snapshot.len, NULL, NULL);
        if (!error)
            receive_item(c, cap, slot, &key, epoch, snapshot);
    }
    if (error)
        return error;
    if (cap != NULL)
        claims_progress(c, cap, slot);
    struct writer w;
    writer_begin(&w, MESSAGE_VERSION, OP_ACK);
    writer_number(&w, F_SEQ, message_number(m, F_SEQ));
    action_send(c, slot, &w);
    return MESH_OK;
}

/* ---- ends ---- */

void handoff_link_down(struct cluster *c, uint16_t slot)
{
    struct handoff *out = &c->members[slot].out;
    while (out->first != NULL) {
        struct parcel *p = out->first;
        if (!p->marker && p->snapshot_len > 0) {
            struct cluster_key key = {
                capability_name(p->cap), {p->bytes, p->module_len}, {p->bytes + p->module_len, p->id_len}, p->shard};
            keep(c, p->cap, &key, p->epoch, (mesh_bytes){p->bytes + p->module_len + p->id_len, p->snapshot_len});
        }
        drop_first(out);
    }
    *out = (struct handoff){.run = 0};
    for (uint32_t i = 0; i < c->capability_count; i++)
        busy_link_down(c, c->capabilities[i], slot);
}

/* The peer holds shards of which this node still keeps snapshots: it is to have them, late as they are. */
void handoff_offer(struct cluster *c, struct capability *cap, uint16_t slot)
{
    for (uint32_t s = 0; s < cap->row_count; s++) {
        const struct row *row = &cap->rows[s];
        if (row->state == ROW_FREE && row->flags & ROW_PARCELS && row->promise == slot)
            grants_release(c, cap, s, slot, 0);
    }
}

/* Whether snapshots are kept here that another node could have. Those of shards that somebody holds by now are sent. */
bool handoff_keeps(struct cluster *c, struct capability *cap)
{
    bool any = false;
    for (uint32_t s = 0; cap->node_count > 0 && s < cap->row_count; s++) {
        const struct row *row = &cap->rows[s];
        if (row->state != ROW_FREE || !(row->flags & ROW_PARCELS))
            continue;
        any = true;
        if (row->promise != NOBODY && met(c, row->promise))
            grants_release(c, cap, s, row->promise, 0);
    }
    return any;
}

void handoff_fini(struct cluster *c)
{
    for (uint16_t slot = 0; slot < c->member_count; slot++)
        while (c->members[slot].out.first != NULL)
            drop_first(&c->members[slot].out);
}
