/* Processes that stay inside a handler while their shard moves on.
 *
 * The grant of the shard names them. The claimer forwards requests for such an id to the one that named it, until its
 * parcel has come; so every hop waits for exactly one parcel of each from the hop before it. When the shard goes on to
 * a third node meanwhile, the second names the process in its own grant, and the parcel takes the way that the shard
 * took. If a hop in between goes down, the last one asks the node where the process is (fetch).
 *
 * A parcel without a snapshot and with epoch 0 says: it does not come this way. */
#include "cluster/busy.h"

#include <stdlib.h>
#include <string.h>

static bool busy_is(const struct busy *b, const struct cluster_key *key)
{
    return b->shard == key->shard && b->module_len == key->module.len && b->id_len == key->id.len &&
           memcmp(b->bytes, key->module.data, key->module.len) == 0 &&
           memcmp(b->bytes + b->module_len, key->id.data, key->id.len) == 0;
}

/* The link to this process in its chain, or to the chain's end; NULL: there are no chains. */
struct busy **busy_place(const struct capability *cap, const struct cluster_key *key)
{
    if (cap->busy == NULL)
        return NULL;
    struct busy **at = &cap->busy[key->shard % BUSY_BUCKETS];
    while (*at != NULL && !busy_is(*at, key))
        at = &(*at)->next;
    return at;
}

void busy_add(struct capability *cap, const struct cluster_key *key, uint16_t giver, uint16_t at_node, bool out)
{
    if (cap->busy == NULL)
        cap->busy = must_calloc(BUSY_BUCKETS, sizeof(struct busy *));
    struct busy **at = busy_place(cap, key);
    if (*at != NULL)
        return; /* here or there, it is known */
    struct busy *b = must_calloc(1, sizeof *b + key->module.len + key->id.len);
    *b = (struct busy){.shard = key->shard, .giver = giver, .to = NOBODY, .at = at_node, .then = NOBODY, .out = out};
    b->module_len = (uint32_t)key->module.len;
    b->id_len = (uint32_t)key->id.len;
    memcpy(b->bytes, key->module.data, key->module.len);
    memcpy(b->bytes + key->module.len, key->id.data, key->id.len);
    *at = b;
    *(out ? &cap->busy_out : &cap->busy_in) += 1;
}

void busy_remove(struct capability *cap, struct busy **at)
{
    struct busy *b = *at;
    *(b->out ? &cap->busy_out : &cap->busy_in) -= 1;
    *at = b->next;
    free(b);
}

void busy_clear(struct capability *cap)
{
    for (size_t i = 0; cap->busy != NULL && i < BUSY_BUCKETS; i++)
        while (cap->busy[i] != NULL)
            busy_remove(cap, &cap->busy[i]);
}

uint16_t busy_where(const struct capability *cap, const struct cluster_key *key)
{
    if (cap->busy_in + cap->busy_out == 0)
        return NOBODY;
    struct busy **at = busy_place(cap, key);
    return *at == NULL ? NOBODY : (*at)->out ? SELF : (*at)->giver;
}

static struct cluster_key key_of(const struct capability *cap, const struct busy *b)
{
    struct cluster_key key = {
        capability_name(cap), {b->bytes, b->module_len}, {b->bytes + b->module_len, b->id_len}, b->shard};
    return key;
}

/* The shard is granted to another: it will get what is still busy, unless that is on its way to a third already. */
void busy_redirect(struct cluster *c, struct capability *cap, uint32_t shard, uint16_t to)
{
    if (cap->busy_out + cap->busy_in == 0)
        return;
    for (struct busy *b = cap->busy[shard % BUSY_BUCKETS]; b != NULL; b = b->next)
        if (b->shard == shard && !(b->to != NOBODY && met(c, b->to)))
            b->to = to;
}

/* The parcel stays at this node, and the one that waits for it is told. */
static void stays(struct cluster *c, struct capability *cap, struct busy *b)
{
    struct cluster_key key = key_of(cap, b);
    if (b->to != NOBODY && met(c, b->to))
        handoff_add(c, cap, &key, 0, (mesh_bytes){NULL, 0}, b->to);
    b->to = NOBODY;
}

/* This node holds the shard, perhaps again: what is still busy here stays. Those that wait for it are told. */
void busy_held(struct cluster *c, struct capability *cap, uint32_t shard)
{
    if (cap->busy_out + cap->busy_in == 0)
        return;
    for (struct busy *b = cap->busy[shard % BUSY_BUCKETS]; b != NULL; b = b->next) {
        if (b->shard == shard)
            stays(c, cap, b);
    }
}

static void put_busy(struct cluster *c, struct writer *w, const struct busy *b)
{
    writer_must(mesh_put_tuple(&w->buf, 4));
    writer_must(mesh_put_uint(&w->buf, b->shard));
    writer_must(mesh_put_binary(&w->buf, (mesh_bytes){b->bytes, b->module_len}));
    writer_must(mesh_put_binary(&w->buf, (mesh_bytes){b->bytes + b->module_len, b->id_len}));
    writer_must(mesh_put_binary(&w->buf, b->at == NOBODY ? (mesh_bytes){NULL, 0} : member_name(c, b->at)));
}

uint32_t busy_put(struct cluster *c, struct writer *w, const struct capability *cap, const struct shards *set,
                  uint16_t to, bool count)
{
    uint32_t n = 0;
    for (size_t i = 0; i < BUSY_BUCKETS && cap->busy != NULL; i++)
        for (const struct busy *b = cap->busy[i]; b != NULL; b = b->next) {
            if (b->to != to || shards_find(set, b->shard) < 0)
                continue;
            n++;
            if (count)
                continue;
            put_busy(c, w, b);
        }
    return n;
}

/* Asks the node where the process is for its parcel: the one that should have passed it on is gone. */
void busy_fetch(struct cluster *c, struct capability *cap, struct busy *b)
{
    struct writer w;
    b->giver = b->at;
    writer_begin(&w, MESSAGE_VERSION, OP_FETCH);
    writer_bytes(&w, F_CAP, capability_name(cap));
    writer_number(&w, F_SHARDS, cap->row_count);
    writer_list(&w, F_BUSY, 1);
    put_busy(c, &w, b);
    writer_must(mesh_put_empty(&w.buf));
    action_send(c, b->at, &w);
}

/* The link to a peer has ended: what is busy there is lost, and what was to go there stays. Those that wait for it in
 * their turn are told. */
void busy_link_down(struct cluster *c, struct capability *cap, uint16_t peer)
{
    bool any = false;
    for (size_t i = 0; cap->busy != NULL && i < BUSY_BUCKETS; i++)
        for (struct busy **at = &cap->busy[i]; *at != NULL;) {
            struct busy *b = *at;
            if (b->to == peer)
                b->to = NOBODY;
            if (b->out || b->giver != peer) {
                at = &b->next;
                continue;
            }
            if (b->at != peer && b->at != NOBODY && met(c, b->at)) {
                busy_fetch(c, cap, b);
                at = &b->next;
                continue;
            }
            struct cluster_key key = key_of(cap, b);
            if (b->to != NOBODY && met(c, b->to))
                handoff_add(c, cap, &key, 0, (mesh_bytes){NULL, 0}, b->to);
            busy_remove(cap, at);
            any = true;
        }
    if (any)
        action_shard(c, CLUSTER_WAKE, cap, CLUSTER_ALL, 0);
}

struct cluster_key busy_read_key(struct items *it, const struct capability *cap, int *error)
{
    struct cluster_key key = {.capability = capability_name(cap)};
    key.shard = (uint32_t)items_number(it, cap->row_count - 1, error);
    key.module = items_bytes(it, error);
    key.id = items_bytes(it, error);
    if (*error == MESH_OK && (key.module.len > RING_NAME_MAX_BYTES || key.id.len == 0 || key.id.len > 4096))
        *error = MESH_EBADTERM;
    return key;
}

/* A grant names a process that is busy here as well: this very one, or a second, to be waited for after it. */
static void meet_own(struct cluster *c, struct capability *cap, struct busy *own, uint16_t slot, uint16_t at)
{
    stays(c, cap, own);
    own->then = at == SELF ? NOBODY : slot;
    own->then_at = at;
}

/* What is here has ended. Returns whether another of its id is waited for now. */
bool busy_second(struct cluster *c, struct capability *cap, struct busy *b)
{
    if (b->then == NOBODY || !met(c, b->then))
        return false;
    b->out = false;
    b->giver = b->then;
    b->at = b->then_at;
    b->to = b->then = NOBODY;
    cap->busy_out--;
    cap->busy_in++;
    return true;
}

/* The busy processes that a grant names, or (fetch) those that a peer asks this node for. */
static int read_busy(struct cluster *c, struct capability *cap, uint16_t slot, const struct message *m, bool asked)
{
    struct items it = message_items(m, F_BUSY);
    uint32_t arity;
    int error = MESH_OK;
    while (items_next(&it, 4, &arity, &error)) {
        struct cluster_key key = busy_read_key(&it, cap, &error);
        mesh_bytes at_node = items_bytes(&it, &error);
        items_close(&it, arity, 4, &error);
        if (!error && cap->busy_in >= BUSY_MAX)
            error = MESH_ETOOBIG;
        if (error)
            break;
        struct busy **at = busy_place(cap, &key);
        struct busy *own = at != NULL && *at != NULL && (*at)->out ? *at : NULL;
        if (asked && own != NULL)
            own->to = slot;
        else if (asked)
            handoff_add(c, cap, &key, 0, (mesh_bytes){NULL, 0}, slot);
        else if (own != NULL)
            meet_own(c, cap, own, slot, member_find(c, at_node));
        else if (at != NULL && *at != NULL)
            stays(c, cap, *at); /* it was to go on from here to the one that gives the shard back */
        else
            busy_add(cap, &key, slot, member_find(c, at_node), false);
    }
    return error;
}

int busy_granted(struct cluster *c, struct capability *cap, uint16_t slot, const struct message *m)
{
    return read_busy(c, cap, slot, m, false);
}

int busy_fetched(struct cluster *c, uint16_t slot, const struct message *m)
{
    struct capability *cap = capability_find(c, message_bytes(m, F_CAP));
    if (cap == NULL || cap->row_count == 0 || cap->row_count != message_number(m, F_SHARDS))
        return MESH_OK;
    return read_busy(c, cap, slot, m, true);
}
