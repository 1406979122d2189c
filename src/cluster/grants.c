/* Shards that others ask for: what this node answers to a claim.
 *
 * It grants a shard only if its own view names the claimer (rule 4), and a grant is a promise (rule 5): the shard is
 * granted to nobody else until the grantee has released it, which the next claimer tells, or its link is down. One
 * answer carries the verdict on every shard of a claim. What this node itself holds it first hands over; the grant of
 * such a shard follows its last parcel.
 *
 * Nodes that hold nothing promise as well: so a claimer that cannot see the holder cannot get the shard either, as long
 * as they share a third node. The promises are also what requests are routed by: they name the holder. */
#include <stdlib.h>
#include <string.h>

#include "cluster/state.h"

enum verdict {
    VERDICT_GRANTED,
    VERDICT_REFUSED,
    VERDICT_MOVING,
    VERDICT_PROMISED,
};

/* What the claimer says that another has given up. */
struct release {
    uint16_t slot;
    uint32_t seq;
    struct shards set;
};

struct releases {
    struct release *at;
    uint32_t count;
};

/* ---- releases ---- */

static void free_releases(struct releases *r)
{
    for (uint32_t i = 0; i < r->count; i++)
        shards_fini(&r->at[i].set);
    free(r->at);
}

static int read_releases(struct cluster *c, const struct capability *cap, const struct message *m, struct releases *r)
{
    struct items it = message_items(m, F_RELEASES);
    uint32_t arity;
    int error = MESH_OK;
    if (it.left > CLUSTER_MEMBERS_MAX)
        return MESH_EBADTERM;
    r->at = must_calloc(it.left + 1, sizeof *r->at);
    while (items_next(&it, 3, &arity, &error)) {
        struct release *release = &r->at[r->count++];
        mesh_bytes name = items_bytes(&it, &error);
        release->seq = (uint32_t)items_number(&it, UINT32_MAX, &error);
        mesh_bytes bytes = items_bytes(&it, &error);
        items_close(&it, arity, 3, &error);
        release->slot = error ? NOBODY : member_find(c, name);
        if (!error)
            error = shards_read(bytes, cap->row_count, &release->set);
    }
    return error;
}

static bool has_released(const struct releases *r, const struct row *row, uint32_t shard)
{
    for (uint32_t i = 0; i < r->count; i++)
        if (r->at[i].slot == row->promise && r->at[i].seq >= row->seq && shards_find(&r->at[i].set, shard) >= 0)
            return true;
    return false;
}

/* ---- the verdict on one shard ---- */

static bool view_names(struct cluster *c, struct capability *cap, uint32_t shard, uint16_t slot)
{
    uint16_t owner = views_owner(c, cap, shard);
    if (owner == NOBODY) /* a strategy of the program's own, which this node does not have */
        return cap->strategy == MESH_CUSTOM && bit_get(cap->active, slot);
    return owner == slot;
}

static bool promised_elsewhere(const struct cluster *c, const struct row *row, uint32_t shard, uint16_t slot,
                               const struct releases *r)
{
    return row->promise != NOBODY && row->promise != slot && linked(c, row->promise) && !has_released(r, row, shard) &&
           !rule_off(c, RULE_PROMISE);
}

void grants_release(struct cluster *c, struct capability *cap, uint32_t shard, uint16_t to, uint32_t seq)
{
    struct row *row = &cap->rows[shard];
    cap->held -= row->state == ROW_HELD;
    cap->releasing++;
    row->state = ROW_RELEASING;
    row->flags = 0;
    row->promise = to;
    row->seq = seq;
    busy_redirect(c, cap, shard, to);
    action_shard(c, CLUSTER_RELEASE, cap, shard, row->epoch);
    c->dirty = true;
}

static enum verdict judge(struct cluster *c, struct capability *cap, uint32_t shard, uint16_t slot, uint32_t seq,
                          const struct releases *r)
{
    struct row *row = &cap->rows[shard];
    if (!view_names(c, cap, shard, slot))
        return VERDICT_REFUSED;
    if (row->state == ROW_HELD) {
        grants_release(c, cap, shard, slot, seq);
        return VERDICT_MOVING;
    }
    if (row->state == ROW_RELEASING || row->flags & ROW_DEFERRED) {
        if (row->promise == NOBODY)
            row->promise = slot;
        if (row->promise != slot)
            return VERDICT_PROMISED;
        row->seq = seq;
        return VERDICT_MOVING;
    }
    if (promised_elsewhere(c, row, shard, slot, r))
        return VERDICT_PROMISED;
    row->promise = slot;
    row->seq = seq;
    row->epoch = clock_next(c);
    if (row->state == ROW_CLAIMING) {
        row->flags |= ROW_DEFERRED;
        return VERDICT_MOVING;
    }
    if (row->flags & ROW_PARCELS) {
        grants_release(c, cap, shard, slot, seq);
        return VERDICT_MOVING;
    }
    busy_redirect(c, cap, shard, slot);
    return VERDICT_GRANTED;
}

/* ---- the answer ---- */

static void put_verdict(struct writer *w, enum field f, const struct shards *set, uint32_t total)
{
    mesh_buf bytes;
    if (set->count == 0)
        return;
    mesh_buf_init(&bytes);
    writer_must(shards_put(set, total, &bytes));
    writer_bytes(w, f, mesh_buf_bytes(&bytes));
    mesh_buf_fini(&bytes);
}

/* The first shard from place i on whose grantee and claim are new in the list; its group in *group. */
static bool next_group(const struct capability *cap, const struct shards *promised, uint32_t i, struct shards *group)
{
    const struct row *first = &cap->rows[promised->at[i]];
    for (uint32_t j = 0; j < i; j++) {
        const struct row *row = &cap->rows[promised->at[j]];
        if (row->promise == first->promise && row->seq == first->seq)
            return false;
    }
    shards_clear(group);
    for (uint32_t j = i; j < promised->count; j++) {
        const struct row *row = &cap->rows[promised->at[j]];
        if (row->promise == first->promise && row->seq == first->seq)
            shards_push(group, promised->at[j]);
    }
    return true;
}

static void put_promised(struct cluster *c, const struct capability *cap, struct writer *w,
                         const struct shards *promised)
{
    struct shards group = {NULL, 0, 0};
    mesh_buf bytes;
    uint32_t count = 0;
    for (uint32_t i = 0; i < promised->count; i++)
        count += next_group(cap, promised, i, &group);
    if (count == 0)
        return;
    mesh_buf_init(&bytes);
    writer_list(w, F_PROMISED, count);
    for (uint32_t i = 0; i < promised->count; i++) {
        if (!next_group(cap, promised, i, &group))
            continue;
        const struct row *row = &cap->rows[promised->at[i]];
        mesh_buf_clear(&bytes);
        writer_must(shards_put(&group, cap->row_count, &bytes));
        writer_must(mesh_put_tuple(&w->buf, 3));
        writer_must(mesh_put_binary(&w->buf, member_name(c, row->promise)));
        writer_must(mesh_put_uint(&w->buf, row->seq));
        writer_must(mesh_put_binary(&w->buf, mesh_buf_bytes(&bytes)));
    }
    writer_must(mesh_put_empty(&w->buf));
    mesh_buf_fini(&bytes);
    shards_fini(&group);
}

/* Busy processes stay here; a grant names them. */
static void put_busy(struct cluster *c, struct writer *w, const struct capability *cap, const struct shards *granted,
                     uint16_t to)
{
    uint32_t count = busy_put(c, w, cap, granted, to, true);
    if (count == 0)
        return;
    writer_list(w, F_BUSY, count);
    busy_put(c, w, cap, granted, to, false);
    writer_must(mesh_put_empty(&w->buf));
}

static void answer(struct cluster *c, struct capability *cap, uint16_t slot, const struct message *m,
                   const struct shards *verdicts)
{
    struct writer w;
    writer_begin(&w, MESSAGE_VERSION, OP_GRANT);
    writer_number(&w, F_CLOCK, clock_next(c));
    writer_number(&w, F_DIGEST, c->digest);
    writer_bytes(&w, F_CAP, message_bytes(m, F_CAP));
    writer_number(&w, F_SHARDS, message_number(m, F_SHARDS));
    writer_number(&w, F_SEQ, message_number(m, F_SEQ));
    writer_number(&w, F_MINE, c->claim_seq);
    put_verdict(&w, F_SET, &verdicts[VERDICT_GRANTED], (uint32_t)message_number(m, F_SHARDS));
    put_verdict(&w, F_REFUSED, &verdicts[VERDICT_REFUSED], (uint32_t)message_number(m, F_SHARDS));
    put_verdict(&w, F_MOVING, &verdicts[VERDICT_MOVING], (uint32_t)message_number(m, F_SHARDS));
    if (cap != NULL) {
        put_promised(c, cap, &w, &verdicts[VERDICT_PROMISED]);
        put_busy(c, &w, cap, &verdicts[VERDICT_GRANTED], slot);
    }
    action_send(c, slot, &w);
}

int grants_claim(struct cluster *c, uint16_t slot, const struct message *m)
{
    uint64_t total = message_number(m, F_SHARDS);
    struct shards asked = {NULL, 0, 0}, verdicts[4] = {{NULL, 0, 0}};
    struct releases releases = {NULL, 0};
    if (total == 0 || total > RING_SHARDS_MAX || message_number(m, F_SEQ) > UINT32_MAX)
        return MESH_EBADTERM;
    int error = shards_read(message_bytes(m, F_SET), (uint32_t)total, &asked);
    struct capability *cap = capability_find(c, message_bytes(m, F_CAP));
    if (!error && cap != NULL) {
        views_refresh(c, cap);
        if (cap->shards != total)
            cap = NULL; /* not the capability that this node knows */
    }
    if (!error && cap != NULL) {
        views_rows(cap);
        error = read_releases(c, cap, m, &releases);
    }
    for (uint32_t i = 0; !error && i < asked.count; i++) {
        uint32_t shard = asked.at[i];
        enum verdict v = VERDICT_REFUSED;
        if (cap != NULL)
            v = judge(c, cap, shard, slot, (uint32_t)message_number(m, F_SEQ), &releases);
        shards_push(&verdicts[v], shard);
    }
    if (!error) {
        answer(c, cap, slot, m, verdicts);
        if (cap != NULL && verdicts[VERDICT_REFUSED].count + verdicts[VERDICT_PROMISED].count > 0)
            bit_set(cap->owed, slot);
        if (cap != NULL)
            action_shard(c, CLUSTER_WAKE, cap, CLUSTER_ALL, 0);
    }
    free_releases(&releases);
    for (size_t v = 0; v < 4; v++)
        shards_fini(&verdicts[v]);
    shards_fini(&asked);
    return error;
}

/* ---- what changes afterwards ---- */

/* Those that were refused something may ask again. */
void grants_notify(struct cluster *c, struct capability *cap)
{
    if (!cap->notify)
        return;
    cap->notify = false;
    for (uint16_t slot = 1; slot < c->member_count; slot++) {
        if (!bit_get(cap->owed, slot) || !met(c, slot))
            continue;
        struct writer w;
        writer_begin(&w, MESSAGE_VERSION, OP_AGAIN);
        writer_bytes(&w, F_CAP, capability_name(cap));
        action_send(c, slot, &w);
    }
    memset(cap->owed, 0, sizeof cap->owed);
}

void grants_deferred(struct cluster *c, struct capability *cap, uint32_t shard)
{
    struct row *row = &cap->rows[shard];
    if (!(row->flags & ROW_DEFERRED))
        return;
    row->flags &= (uint8_t)~ROW_DEFERRED;
    if (row->flags & ROW_PARCELS) {
        grants_release(c, cap, shard, row->promise, row->seq);
    } else if (met(c, row->promise)) {
        busy_redirect(c, cap, shard, row->promise);
        handoff_marker(c, cap, shard, row->promise, row->seq);
    }
}

static void end_promises(struct cluster *c, struct capability *cap, uint16_t slot)
{
    for (uint32_t s = 0; s < cap->row_count; s++) {
        struct row *row = &cap->rows[s];
        if (row->promise != slot)
            continue;
        row->promise = NOBODY;
        row->flags &= (uint8_t)~ROW_DEFERRED;
        cap->replan = cap->notify = true;
    }
    c->dirty = true;
}

void grants_link_down(struct cluster *c, uint16_t slot)
{
    for (uint32_t i = 0; i < c->capability_count; i++)
        if (c->capabilities[i]->rows != NULL)
            end_promises(c, c->capabilities[i], slot);
}

/* ---- yields ---- */

/* hold or yield: to all. */
void grants_tell(struct cluster *c, struct capability *cap, enum op op, const struct shards *set)
{
    struct writer w;
    writer_begin(&w, MESSAGE_VERSION, op);
    writer_number(&w, F_CLOCK, clock_next(c));
    writer_bytes(&w, F_CAP, capability_name(cap));
    writer_number(&w, F_SHARDS, cap->row_count);
    put_verdict(&w, F_SET, set, cap->row_count);
    action_broadcast(c, &w);
}

void grants_believe(struct cluster *c, struct row *row, uint16_t slot, uint64_t clock)
{
    bool mine = row->state == ROW_HELD || row->state == ROW_RELEASING || row->flags & ROW_DEFERRED;
    bool promised = row->promise != NOBODY && linked(c, row->promise);
    if (mine || (promised && clock < row->epoch))
        return;
    if (row->promise != slot)
        row->seq = 0;
    row->promise = slot;
    row->epoch = clock;
}

/* The capability of a hold or a yield, with the shards in *set; NULL: nothing to do, or *error. */
static struct capability *told(struct cluster *c, const struct message *m, struct shards *set, int *error)
{
    struct capability *cap = capability_find(c, message_bytes(m, F_CAP));
    *error = MESH_OK;
    if (cap == NULL)
        return NULL;
    views_refresh(c, cap);
    if (cap->shards == 0 || cap->shards != message_number(m, F_SHARDS))
        return NULL;
    views_rows(cap);
    *error = shards_read(message_bytes(m, F_SET), cap->row_count, set);
    return *error ? NULL : cap;
}

int grants_hold(struct cluster *c, uint16_t slot, const struct message *m)
{
    struct shards set = {NULL, 0, 0};
    int error;
    struct capability *cap = told(c, m, &set, &error);
    if (cap != NULL)
        tables_meet(c, cap, &set, slot, message_number(m, F_CLOCK)); /* held here as well, if its claim was forced */
    shards_fini(&set);
    return error;
}

int grants_yield(struct cluster *c, uint16_t slot, const struct message *m)
{
    struct shards set = {NULL, 0, 0}, kept = {NULL, 0, 0};
    int error;
    struct capability *cap = told(c, m, &set, &error);
    for (uint32_t i = 0; cap != NULL && i < set.count; i++) {
        struct row *row = &cap->rows[set.at[i]];
        if (row->flags & ROW_CONTESTED) {
            row->flags &= (uint8_t)~ROW_CONTESTED;
            shards_push(&kept, set.at[i]); /* others may have believed the peer */
        }
        if (row->promise != slot || row->state == ROW_RELEASING || row->flags & ROW_DEFERRED)
            continue;
        row->promise = NOBODY;
        cap->replan = cap->notify = true;
    }
    if (kept.count > 0)
        grants_tell(c, cap, OP_HOLD, &kept);
    if (cap != NULL)
        action_shard(c, CLUSTER_WAKE, cap, CLUSTER_ALL, 0);
    c->dirty = true;
    shards_fini(&set);
    shards_fini(&kept);
    return error;
}
