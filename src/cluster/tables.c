/* What each node has: capability tables, and the hello that begins a link.
 *
 * A node's table is announced in full whenever it changes, under a counter that grows; the creation is that of the
 * link. So tables need no order between nodes, and an old one is recognised. The hello carries the table, the digest of
 * the links and the shards that its sender holds (rule 6): with it a peer is met.
 *
 * A capability is known while some table names it or this node has it; the place of one that nobody has is used again
 * when CLUSTER_CAPABILITIES_MAX are known. */
#include <stdlib.h>
#include <string.h>

#include "cluster/state.h"
#include "placement/strategy.h"
#include "term/utf8.h"

static bool valid_name(mesh_bytes name)
{
    size_t characters;
    return name.len > 0 && name.len <= (size_t)4 * MESH_ATOM_MAX_CHARS &&
           utf8_count(name.data, name.len, &characters) && characters <= MESH_ATOM_MAX_CHARS;
}

struct capability *capability_find(const struct cluster *c, mesh_bytes name)
{
    for (uint32_t i = 0; i < c->capability_count; i++) {
        struct capability *cap = c->capabilities[i];
        if (cap->len == name.len && memcmp(cap->name, name.data, name.len) == 0)
            return cap;
    }
    return NULL;
}

static void free_capability(struct capability *cap)
{
    claims_fini(cap);
    busy_clear(cap);
    views_unring(cap);
    free(cap->busy);
    free(cap->nodes);
    free(cap->rows);
    free(cap->name);
    free(cap);
}

static bool forgotten(const struct capability *cap)
{
    return cap->entries == 0 && !cap->registered && cap->held + cap->releasing + cap->claiming == 0 &&
           cap->claims == NULL && cap->busy_in + cap->busy_out + cap->parcels == 0;
}

/* A capability of this name; NULL: too many are known. */
static struct capability *capability_get(struct cluster *c, mesh_bytes name)
{
    struct capability *cap = capability_find(c, name);
    if (cap != NULL)
        return cap;
    uint32_t place = c->capability_count;
    if (place == CLUSTER_CAPABILITIES_MAX) {
        for (place = 0; place < c->capability_count && !forgotten(c->capabilities[place]); place++)
            ;
        if (place == c->capability_count)
            return NULL;
        free_capability(c->capabilities[place]);
    } else {
        if (c->capabilities == NULL)
            c->capabilities = must_calloc(CLUSTER_CAPABILITIES_MAX, sizeof(struct capability *));
        c->capability_count++;
    }
    cap = must_calloc(1, sizeof *cap);
    cap->name = must_copy(name.data, name.len);
    cap->len = (uint32_t)name.len;
    cap->move_ms = UINT64_MAX;
    cap->my_index = UINT32_MAX;
    c->capabilities[place] = cap;
    return cap;
}

void tables_fini(struct cluster *c)
{
    for (uint32_t i = 0; i < c->capability_count; i++)
        free_capability(c->capabilities[i]);
    free(c->capabilities);
}

static void touch(struct cluster *c, struct capability *cap)
{
    cap->stale = true;
    c->dirty = true;
}

static void set_entries(struct cluster *c, struct member *m, struct entry *entries, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        entries[i].capability->entries++;
        touch(c, entries[i].capability);
    }
    for (uint32_t i = 0; i < m->entry_count; i++) {
        m->entries[i].capability->entries--;
        touch(c, m->entries[i].capability);
    }
    free(m->entries);
    m->entries = entries;
    m->entry_count = count;
}

void tables_forget(struct cluster *c, uint16_t slot)
{
    set_entries(c, &c->members[slot], NULL, 0);
}

/* ---- this node's own table ---- */

/* Makes the entries of this node anew from what is registered. */
static void announce_own(struct cluster *c)
{
    uint32_t count = 0;
    struct entry *entries = must_calloc(CLUSTER_ENTRIES_MAX, sizeof *entries);
    for (uint32_t i = 0; i < c->capability_count; i++) {
        struct capability *cap = c->capabilities[i];
        if (cap->registered)
            entries[count++] = (struct entry){cap, cap->own.shards, (uint8_t)cap->own.strategy,
                                              (uint8_t)cap->own.weight, cap->leaving};
    }
    set_entries(c, &c->members[SELF], entries, count);
    c->members[SELF].counter++;
    c->table_changed = true;
    c->dirty = true;
}

static uint32_t registered_count(const struct cluster *c)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < c->capability_count; i++)
        count += c->capabilities[i]->registered;
    return count;
}

int cluster_register(struct cluster *c, mesh_bytes name, const struct cluster_capability *capability)
{
    const struct cluster_capability *own = capability;
    if (own->shards == 0 || own->shards > RING_SHARDS_MAX || own->weight == 0 || own->weight > RING_WEIGHT_MAX ||
        strategy_of(own->strategy) == NULL || (own->strategy == MESH_CUSTOM && own->place == NULL))
        return MESH_EINVAL;
    if (!valid_name(name))
        return MESH_EBADNAME;
    if (c->draining)
        return MESH_ESTOPPING;
    struct capability *cap = capability_get(c, name);
    if (cap == NULL || (!cap->registered && registered_count(c) == CLUSTER_ENTRIES_MAX))
        return MESH_ELIMIT;
    if (cap->registered && (cap->own.shards != own->shards || cap->own.strategy != own->strategy))
        return MESH_EEXISTS;
    if (cap->registered && !cap->leaving && cap->own.weight == own->weight)
        return MESH_OK;
    cap->own = *own;
    cap->registered = true;
    cap->leaving = false;
    announce_own(c);
    return MESH_OK;
}

int cluster_unregister(struct cluster *c, mesh_bytes name)
{
    struct capability *cap = capability_find(c, name);
    if (cap == NULL || !cap->registered)
        return MESH_ENOCAPABILITY;
    if (!cap->leaving) {
        cap->leaving = true;
        announce_own(c);
    }
    return MESH_OK;
}

void cluster_drain(struct cluster *c)
{
    if (c->draining)
        return;
    c->draining = true;
    for (uint32_t i = 0; i < c->capability_count; i++) {
        c->capabilities[i]->leaving = true;
        c->capabilities[i]->replan = true;
    }
    announce_own(c);
}

/* What leaves is gone when nothing of it lives here any more, or is kept here for others. */
static bool has_left(struct cluster *c, struct capability *cap)
{
    return cap->held + cap->releasing + cap->claiming + cap->busy_out + cap->busy_in + cap->parcels == 0 &&
           !handoff_keeps(c, cap);
}

static void end_leaving(struct cluster *c)
{
    bool ended = false, left = false;
    for (uint32_t i = 0; i < c->capability_count; i++) {
        struct capability *cap = c->capabilities[i];
        if (cap->registered && cap->leaving && has_left(c, cap)) {
            cap->registered = false;
            ended = true;
        }
        left = left || cap->registered || cap->releasing > 0;
    }
    if (ended)
        announce_own(c);
    if (c->draining && !left && !c->drained) {
        c->drained = true;
        action_plain(c, CLUSTER_DRAINED, 0);
    }
}

/* ---- on the wire ---- */

static void put_entries(struct cluster *c, struct writer *w)
{
    const struct member *self = &c->members[SELF];
    writer_number(w, F_COUNTER, self->counter);
    writer_list(w, F_ENTRIES, self->entry_count);
    for (uint32_t i = 0; i < self->entry_count; i++) {
        const struct entry *e = &self->entries[i];
        writer_must(mesh_put_tuple(&w->buf, 5));
        writer_must(mesh_put_binary(&w->buf, capability_name(e->capability)));
        writer_must(mesh_put_atom(&w->buf, mesh_str(strategy_of((enum mesh_strategy)e->strategy)->name)));
        writer_must(mesh_put_uint(&w->buf, e->shards));
        writer_must(mesh_put_uint(&w->buf, e->weight));
        writer_must(mesh_put_atom(&w->buf, mesh_str(e->leaving ? "leaving" : "active")));
    }
    if (self->entry_count > 0)
        writer_must(mesh_put_empty(&w->buf));
}

static bool is(mesh_bytes text, const char *word)
{
    return text.len == strlen(word) && memcmp(text.data, word, text.len) == 0;
}

/* A strategy by its name. One that this version does not know is the program's own, as far as it can tell. */
static enum mesh_strategy strategy_named(mesh_bytes name)
{
    for (int which = MESH_CAPPED; which < MESH_CUSTOM; which++)
        if (is(name, strategy_of((enum mesh_strategy)which)->name))
            return (enum mesh_strategy)which;
    return MESH_CUSTOM;
}

static int read_entry(struct cluster *c, struct items *it, uint32_t arity, struct entry *entry)
{
    int error = MESH_OK;
    mesh_bytes name = items_bytes(it, &error), strategy = items_atom(it, &error);
    uint32_t shards = (uint32_t)items_number(it, RING_SHARDS_MAX, &error);
    uint32_t weight = (uint32_t)items_number(it, RING_WEIGHT_MAX, &error);
    mesh_bytes state = items_atom(it, &error);
    items_close(it, arity, 5, &error);
    if (error || !valid_name(name) || shards == 0 || weight == 0)
        return MESH_EBADTERM;
    struct capability *cap = capability_get(c, name);
    if (cap == NULL)
        return MESH_ELIMIT;
    *entry = (struct entry){cap, shards, (uint8_t)strategy_named(strategy), (uint8_t)weight, !is(state, "active")};
    return MESH_OK;
}

static bool doubled(const struct entry *entries, uint32_t count)
{
    for (uint32_t i = 0; i + 1 < count; i++)
        if (entries[i].capability == entries[count - 1].capability)
            return true;
    return false;
}

/* Those that come while too many capabilities are known are left out: this node then knows nothing of them. */
static int read_entries(struct cluster *c, uint16_t slot, const struct message *m)
{
    struct items it = message_items(m, F_ENTRIES);
    uint32_t count = 0, arity;
    int error = MESH_OK;
    if (message_number(m, F_COUNTER) <= c->members[slot].counter)
        return MESH_OK;
    if (it.left > CLUSTER_ENTRIES_MAX)
        return MESH_EBADTERM;
    struct entry *entries = must_calloc(it.left + 1, sizeof *entries);
    while (items_next(&it, 5, &arity, &error)) {
        error = read_entry(c, &it, arity, &entries[count]);
        if (error == MESH_OK && doubled(entries, ++count))
            error = MESH_EBADTERM;
        if (error == MESH_ELIMIT)
            error = MESH_OK;
    }
    if (error) {
        free(entries);
        return error;
    }
    c->members[slot].counter = message_number(m, F_COUNTER);
    set_entries(c, &c->members[slot], entries, count);
    return MESH_OK;
}

int tables_receive_table(struct cluster *c, uint16_t slot, const struct message *m)
{
    return read_entries(c, slot, m);
}

void cluster_beam_capabilities(struct cluster *c, uint16_t peer, const mesh_bytes *names, size_t count)
{
    struct entry *entries = must_calloc(CLUSTER_ENTRIES_MAX, sizeof *entries);
    uint32_t kept = 0;
    for (size_t i = 0; i < count && kept < CLUSTER_ENTRIES_MAX; i++) {
        struct capability *cap = valid_name(names[i]) ? capability_get(c, names[i]) : NULL;
        if (cap == NULL)
            continue;
        entries[kept++] = (struct entry){cap, BEAM_SHARDS, MESH_MODULO, 1, false};
        kept -= doubled(entries, kept);
    }
    set_entries(c, &c->members[peer], entries, kept);
}

/* ---- the hello ---- */

static void held_shards(const struct capability *cap, struct shards *set)
{
    shards_clear(set);
    for (uint32_t s = 0; cap->held > 0 && s < cap->row_count; s++)
        if (cap->rows[s].state == ROW_HELD)
            shards_push(set, s);
}

static void put_set(mesh_buf *to, const struct shards *set, uint32_t total)
{
    mesh_buf bytes;
    mesh_buf_init(&bytes);
    writer_must(shards_put(set, total, &bytes));
    writer_must(mesh_put_binary(to, mesh_buf_bytes(&bytes)));
    mesh_buf_fini(&bytes);
}

static void put_holds(struct cluster *c, struct writer *w)
{
    struct shards set = {NULL, 0, 0};
    uint32_t count = 0;
    for (uint32_t i = 0; i < c->capability_count; i++)
        count += c->capabilities[i]->held > 0;
    writer_list(w, F_HOLDS, count);
    for (uint32_t i = 0; i < c->capability_count; i++) {
        const struct capability *cap = c->capabilities[i];
        if (cap->held == 0)
            continue;
        held_shards(cap, &set);
        writer_must(mesh_put_tuple(&w->buf, 3));
        writer_must(mesh_put_binary(&w->buf, capability_name(cap)));
        writer_must(mesh_put_uint(&w->buf, cap->row_count));
        put_set(&w->buf, &set, cap->row_count);
    }
    if (count > 0)
        writer_must(mesh_put_empty(&w->buf));
    shards_fini(&set);
}

void tables_hello(struct cluster *c, uint16_t slot)
{
    const struct member *m = &c->members[slot];
    struct writer w;
    bool lately = m->downs > 0 && c->now_ms - m->down_ms < 60000;
    writer_begin(&w, MESSAGE_HELLO_VERSION, OP_HELLO);
    writer_list(&w, F_VERSIONS, 1);
    writer_must(mesh_put_uint(&w.buf, MESSAGE_VERSION));
    writer_must(mesh_put_empty(&w.buf));
    writer_number(&w, F_CLOCK, clock_next(c));
    writer_number(&w, F_DIGEST, c->digest);
    writer_number(&w, F_DOWNS, lately ? m->downs : 0);
    put_entries(c, &w);
    put_holds(c, &w);
    action_send(c, slot, &w);
}

enum meeting {
    MEETING_NONE, /* this node does not hold it */
    MEETING_KEPT,
    MEETING_LOST,
};

/* Rule 6 for one shard that a peer holds. */
static enum meeting meet_hold(struct cluster *c, struct capability *cap, uint32_t shard, uint16_t slot, uint64_t clock)
{
    struct row *row = &cap->rows[shard];
    if (row->state == ROW_HELD) {
        if (rule_off(c, RULE_CONFLICT))
            return MEETING_NONE;
        uint16_t owner = views_owner(c, cap, shard);
        bool mine = owner == SELF || (owner != slot && compare_names(member_name(c, SELF), member_name(c, slot)) < 0);
        if (mine)
            row->flags |= ROW_CONTESTED;
        return mine ? MEETING_KEPT : MEETING_LOST;
    }
    grants_believe(c, row, slot, clock);
    return MEETING_NONE;
}

/* This node gives shards up that a peer holds as well. */
static void give_way(struct cluster *c, struct capability *cap, const struct shards *lost, uint16_t slot)
{
    if (lost->count == 0)
        return;
    c->conflicts += lost->count;
    action_note(c, CLUSTER_NOTE_CONFLICT, slot, cap, lost->count, "");
    grants_tell(c, cap, OP_YIELD, lost);
    for (uint32_t i = 0; i < lost->count; i++)
        grants_release(c, cap, lost->at[i], slot, 0);
}

static void tell_kept(struct cluster *c, struct capability *cap, const struct shards *kept, uint16_t slot)
{
    struct writer w;
    mesh_buf bytes;
    if (kept->count == 0)
        return;
    mesh_buf_init(&bytes);
    writer_must(shards_put(kept, cap->row_count, &bytes));
    writer_begin(&w, MESSAGE_VERSION, OP_KEEP);
    writer_bytes(&w, F_CAP, capability_name(cap));
    writer_number(&w, F_SHARDS, cap->row_count);
    writer_bytes(&w, F_SET, mesh_buf_bytes(&bytes));
    action_send(c, slot, &w);
    mesh_buf_fini(&bytes);
}

/* The peer holds these shards: told by its hello, or, when it came to hold them, by itself. */
void tables_meet(struct cluster *c, struct capability *cap, const struct shards *set, uint16_t slot, uint64_t clock)
{
    struct shards lost = {NULL, 0, 0}, kept = {NULL, 0, 0};
    views_rows(cap);
    for (uint32_t i = 0; i < set->count; i++) {
        enum meeting meeting = meet_hold(c, cap, set->at[i], slot, clock);
        if (meeting != MEETING_NONE)
            shards_push(meeting == MEETING_LOST ? &lost : &kept, set->at[i]);
    }
    give_way(c, cap, &lost, slot);
    tell_kept(c, cap, &kept, slot);
    shards_fini(&lost);
    shards_fini(&kept);
    handoff_offer(c, cap, slot);
    cap->replan = true;
    action_shard(c, CLUSTER_WAKE, cap, CLUSTER_ALL, 0);
}

/* Both have kept shards, each by its own view, since the views differ: the lower name has them. */
int tables_receive_keep(struct cluster *c, uint16_t slot, const struct message *m)
{
    struct capability *cap = capability_find(c, message_bytes(m, F_CAP));
    struct shards set = {NULL, 0, 0}, lost = {NULL, 0, 0}, kept = {NULL, 0, 0};
    if (cap == NULL || cap->row_count == 0 || cap->row_count != message_number(m, F_SHARDS))
        return MESH_OK;
    int error = shards_read(message_bytes(m, F_SET), cap->row_count, &set);
    bool lower = compare_names(member_name(c, slot), member_name(c, SELF)) < 0;
    for (uint32_t i = 0; !error && i < set.count; i++) {
        struct row *row = &cap->rows[set.at[i]];
        if (row->state != ROW_HELD) /* else since before: what the peer grants comes after this */
            continue;
        if (lower)
            shards_push(&lost, set.at[i]);
        else if (!(row->flags & ROW_CONTESTED))
            shards_push(&kept, set.at[i]); /* it does not know yet */
        row->flags |= ROW_CONTESTED;
    }
    give_way(c, cap, &lost, slot);
    tell_kept(c, cap, &kept, slot);
    shards_fini(&set);
    shards_fini(&lost);
    shards_fini(&kept);
    return error;
}

static int read_holds(struct cluster *c, uint16_t slot, const struct message *m)
{
    struct items it = message_items(m, F_HOLDS);
    struct shards set = {NULL, 0, 0};
    uint32_t arity;
    int error = MESH_OK;
    while (items_next(&it, 3, &arity, &error)) {
        mesh_bytes name = items_bytes(&it, &error);
        uint32_t total = (uint32_t)items_number(&it, RING_SHARDS_MAX, &error);
        mesh_bytes bytes = items_bytes(&it, &error);
        items_close(&it, arity, 3, &error);
        if (!error)
            error = total == 0 ? MESH_EBADTERM : shards_read(bytes, total, &set);
        struct capability *cap = error ? NULL : capability_find(c, name);
        if (cap == NULL)
            continue;
        views_refresh(c, cap);
        if (cap->shards == total)
            tables_meet(c, cap, &set, slot, message_number(m, F_CLOCK));
    }
    shards_fini(&set);
    return error;
}

/* The highest version that both know; 0: there is none. */
static uint32_t agree(const struct message *m)
{
    mesh_reader r = mesh_reader_of(m->field[F_VERSIONS].list);
    uint32_t count, best = 0;
    if (mesh_read_list(&r, &count) != MESH_OK)
        return 0;
    for (; count > 0; count--) {
        uint64_t version;
        if (mesh_read_uint(&r, &version) != MESH_OK)
            return 0;
        if (version >= 1 && version <= MESSAGE_VERSION && version > best)
            best = (uint32_t)version;
    }
    return best;
}

int tables_receive_hello(struct cluster *c, uint16_t slot, const struct message *m)
{
    uint32_t version = agree(m);
    if (c->members[slot].link != LINK_OPEN)
        return MESH_EBADTERM;
    if (version == 0) {
        action_note(c, CLUSTER_NOTE_VERSION, slot, NULL, 0, "it speaks no version of the protocol that is known here");
        action_plain(c, CLUSTER_CLOSE, slot);
        return MESH_OK;
    }
    int error = read_entries(c, slot, m);
    if (error)
        return error;
    members_met(c, slot, version, message_number(m, F_DIGEST), message_number(m, F_DOWNS));
    error = read_holds(c, slot, m);
    claims_met(c);
    return error;
}

void tables_run(struct cluster *c)
{
    end_leaving(c);
    if (!c->table_changed)
        return;
    c->table_changed = false;
    struct writer w;
    writer_begin(&w, MESSAGE_VERSION, OP_TABLE);
    writer_number(&w, F_CLOCK, clock_next(c));
    put_entries(c, &w);
    action_broadcast(c, &w);
}
