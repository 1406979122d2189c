/* Nodes and their links.
 *
 * Rule 3: a node claims only when it is linked to every node that its peers are linked to. Lists of links would be
 * compared at every change by every pair of nodes; so a node announces a digest, the sum of the identities (a hash of
 * name and creation) of itself and its C peers. Equal digests are equal lists. Only where a digest stays different is
 * the list asked for, and what is on it and not linked here is a stranger: waited for, join_ms, and then counted as
 * down.
 *
 * Damping: a member whose link went down twice or more within a minute rests after it has come back, twice as long
 * each time; shards that have a living holder do not move because of it meanwhile. It hears of its own falls from its
 * peers, since it may have been restarted.
 *
 * A node that did not run for suspect_ms does not count that time as anybody's silence, and asks all its links; their
 * answers stand behind everything they sent before, such as claims on its shards, so that it has read all that before
 * it serves again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/siphash.h"
#include "cluster/state.h"
#include "term/utf8.h"

enum {
    ANNOUNCE_MS = 20,  /* changes of links are collected for so long */
    CHECK_MS = 50,     /* how often rule 3 is looked at while digests differ */
    PATIENCE_MS = 100, /* digests may differ for so long before a list is asked for */
    ASK_MS = 500,      /* between two questions for one list */
    FLAP_MS = 60000,   /* falls longer ago are forgotten */
    REST_MAX_MS = 30000,
    INDEX_SIZE = 4096,
};

static const struct siphash_key no_key = {0, 0};

int compare_names(mesh_bytes a, mesh_bytes b)
{
    int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static uint64_t identity_of(uint64_t name_hash, uint32_t creation)
{
    const uint64_t both[2] = {name_hash, creation};
    uint64_t identity = siphash24(no_key, both, sizeof both);
    return identity != 0 ? identity : 1;
}

/* ---- slots ---- */

static uint16_t *index_place(const struct cluster *c, mesh_bytes name, uint64_t hash)
{
    for (uint32_t i = (uint32_t)hash % INDEX_SIZE;; i = (i + 1) % INDEX_SIZE) {
        uint16_t slot = c->index[i];
        if (slot == NOBODY || (c->members[slot].name_hash == hash && compare_names(member_name(c, slot), name) == 0))
            return &c->index[i];
    }
}

uint16_t member_find(const struct cluster *c, mesh_bytes name)
{
    return name.len == 0 ? NOBODY : *index_place(c, name, siphash24(no_key, name.data, name.len));
}

/* The index anew: when a slot has changed its name, which takes more nodes than can be linked. */
static void reindex(struct cluster *c)
{
    memset(c->index, 0xff, INDEX_SIZE * sizeof *c->index);
    for (uint16_t slot = 0; slot < c->member_count; slot++)
        *index_place(c, member_name(c, slot), c->members[slot].name_hash) = slot;
}

/* A slot that is not linked, of the one that went down first; NOBODY: all are linked. */
static uint16_t reuse_slot(struct cluster *c)
{
    uint16_t oldest = NOBODY;
    for (uint16_t slot = 1; slot < c->member_count; slot++)
        if (c->members[slot].link == LINK_DOWN &&
            (oldest == NOBODY || c->members[slot].down_ms < c->members[oldest].down_ms))
            oldest = slot;
    if (oldest != NOBODY) {
        free(c->members[oldest].name);
        c->members[oldest] = (struct member){.name = NULL};
    }
    return oldest;
}

static uint16_t add_slot(struct cluster *c, mesh_bytes name)
{
    bool reused = c->member_count == CLUSTER_MEMBERS_MAX;
    uint16_t slot = reused ? reuse_slot(c) : c->member_count;
    if (slot == NOBODY)
        return NOBODY;
    struct member *m = &c->members[slot];
    m->name = must_copy(name.data, name.len);
    m->len = (uint32_t)name.len;
    m->name_hash = siphash24(no_key, name.data, name.len);
    if (reused) {
        reindex(c);
    } else {
        *index_place(c, name, m->name_hash) = slot;
        c->member_count++;
    }
    return slot;
}

void members_init(struct cluster *c, mesh_bytes name, uint32_t creation)
{
    c->members = must_calloc(CLUSTER_MEMBERS_MAX, sizeof *c->members);
    c->index = must_calloc(INDEX_SIZE, sizeof *c->index);
    memset(c->index, 0xff, INDEX_SIZE * sizeof *c->index);
    add_slot(c, name);
    struct member *self = &c->members[SELF];
    self->creation = creation;
    self->identity = identity_of(self->name_hash, creation);
    c->digest = c->announced = self->identity;
    c->announce_ms = c->check_ms = UINT64_MAX;
    c->synced = true;
}

void members_fini(struct cluster *c)
{
    for (uint16_t slot = 0; slot < c->member_count; slot++) {
        free(c->members[slot].name);
        free(c->members[slot].entries);
        free(c->members[slot].missing);
    }
    for (uint32_t i = 0; i < c->stranger_count; i++)
        free(c->strangers[i].name);
    free(c->strangers);
    free(c->members);
    free(c->index);
}

/* ---- digests ---- */

/* Counts anew, in the next run, whose digest is not ours: our own has changed, or a peer has come or gone. */
static void recount(struct cluster *c)
{
    c->recount = true;
    c->check_ms = c->now_ms;
    c->dirty = true;
}

static void count_differing(struct cluster *c)
{
    c->recount = false;
    c->differing = 0;
    for (uint16_t slot = 1; slot < c->member_count; slot++) {
        struct member *m = &c->members[slot];
        if (!met(c, slot))
            continue;
        bool differs = m->digest != c->digest;
        if (!differs)
            m->differs_ms = 0;
        else if (m->differs_ms == 0)
            m->differs_ms = c->now_ms;
        c->differing += differs;
    }
}

static void links_changed(struct cluster *c, uint64_t by)
{
    c->digest += by;
    if (c->announce_ms == UINT64_MAX)
        c->announce_ms = c->now_ms + ANNOUNCE_MS;
    recount(c);
}

static void set_digest(struct cluster *c, struct member *m, uint64_t digest)
{
    bool differed = m->digest != c->digest, differs = digest != c->digest;
    m->digest = digest;
    if (c->recount)
        return;
    c->differing += (uint32_t)differs - (uint32_t)differed;
    m->differs_ms = differs ? c->now_ms : 0;
    if (differed != differs) {
        if (c->differing == 0 || (differs && c->check_ms == UINT64_MAX))
            c->check_ms = c->now_ms;
        c->dirty = c->dirty || c->check_ms <= c->now_ms;
    }
}

void members_digest(struct cluster *c, uint16_t slot, uint64_t digest)
{
    set_digest(c, &c->members[slot], digest);
}

static void send_digest(struct cluster *c, uint16_t slot, bool ask)
{
    struct writer w;
    writer_begin(&w, MESSAGE_VERSION, OP_LINKS);
    writer_number(&w, F_DIGEST, c->digest);
    if (ask)
        writer_number(&w, F_ASK, 1);
    if (slot == NOBODY)
        action_broadcast(c, &w);
    else
        action_send(c, slot, &w);
}

static void send_list(struct cluster *c, uint16_t to)
{
    struct writer w;
    uint32_t count = 0;
    for (uint16_t slot = 1; slot < c->member_count; slot++)
        count += linked(c, slot) && c->members[slot].kind == CLUSTER_C;
    writer_begin(&w, MESSAGE_VERSION, OP_LIST);
    writer_number(&w, F_DIGEST, c->digest);
    writer_list(&w, F_NODES, count);
    for (uint16_t slot = 1; slot < c->member_count; slot++) {
        if (!linked(c, slot) || c->members[slot].kind != CLUSTER_C)
            continue;
        writer_must(mesh_put_tuple(&w.buf, 2));
        writer_must(mesh_put_binary(&w.buf, member_name(c, slot)));
        writer_must(mesh_put_uint(&w.buf, c->members[slot].creation));
    }
    if (count > 0)
        writer_must(mesh_put_empty(&w.buf));
    action_send(c, to, &w);
}

int members_links(struct cluster *c, uint16_t slot, const struct message *m)
{
    set_digest(c, &c->members[slot], message_number(m, F_DIGEST));
    if (message_number(m, F_ASK) == 1)
        send_list(c, slot);
    return MESH_OK;
}

/* ---- strangers ---- */

static bool identity_linked(const struct cluster *c, uint64_t identity)
{
    for (uint16_t slot = 0; slot < c->member_count; slot++)
        if (c->members[slot].identity == identity && (slot == SELF || c->members[slot].link != LINK_DOWN))
            return true;
    return false;
}

static struct stranger *stranger_of(struct cluster *c, uint64_t identity)
{
    for (uint32_t i = 0; i < c->stranger_count; i++)
        if (c->strangers[i].identity == identity)
            return &c->strangers[i];
    return NULL;
}

static void meet_stranger(struct cluster *c, uint64_t identity, mesh_bytes name)
{
    if (stranger_of(c, identity) != NULL || c->stranger_count == CLUSTER_MEMBERS_MAX)
        return;
    if (c->strangers == NULL)
        c->strangers = must_calloc(CLUSTER_MEMBERS_MAX, sizeof *c->strangers);
    c->strangers[c->stranger_count++] = (struct stranger){identity, must_copy(name.data, name.len), c->now_ms, false};
}

/* Forgets those that no list names any more, or that are linked by now. */
static void forget_strangers(struct cluster *c)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < c->stranger_count; i++) {
        bool named = false;
        for (uint16_t slot = 1; slot < c->member_count && !named; slot++) {
            const struct member *m = &c->members[slot];
            for (uint32_t j = 0; met(c, slot) && m->listed == m->digest && j < m->missing_count; j++)
                named = named || m->missing[j] == c->strangers[i].identity;
        }
        if (named && !identity_linked(c, c->strangers[i].identity))
            c->strangers[kept++] = c->strangers[i];
        else
            free(c->strangers[i].name);
    }
    c->stranger_count = kept;
}

int members_list(struct cluster *c, uint16_t slot, const struct message *msg)
{
    struct member *m = &c->members[slot];
    struct items it = message_items(msg, F_NODES);
    uint32_t count = 0, arity;
    int error = MESH_OK;
    if (it.left > CLUSTER_MEMBERS_MAX)
        return MESH_EBADTERM;
    uint64_t *missing = must_calloc(it.left + 1, sizeof *missing);
    while (items_next(&it, 2, &arity, &error)) {
        mesh_bytes name = items_bytes(&it, &error);
        uint32_t creation = (uint32_t)items_number(&it, UINT32_MAX, &error);
        items_close(&it, arity, 2, &error);
        if (error || name.len == 0 || name.len > RING_NAME_MAX_BYTES) {
            free(missing);
            return MESH_EBADTERM;
        }
        uint64_t identity = identity_of(siphash24(no_key, name.data, name.len), creation);
        if (!identity_linked(c, identity)) {
            missing[count++] = identity;
            meet_stranger(c, identity, name);
        }
    }
    free(m->missing);
    m->missing = missing;
    m->missing_count = count;
    m->listed = message_number(msg, F_DIGEST);
    set_digest(c, m, m->listed);
    c->check_ms = c->now_ms;
    c->dirty = true;
    return error;
}

/* ---- rule 3 ---- */

/* The list of another peer with the same digest serves as well: one of a thousand is asked. */
static bool copy_list(struct cluster *c, struct member *m)
{
    for (uint16_t slot = 1; slot < c->member_count; slot++) {
        const struct member *other = &c->members[slot];
        if (other == m || !met(c, slot) || other->listed != m->digest || other->digest != m->digest)
            continue;
        free(m->missing);
        m->missing = must_calloc(other->missing_count + 1, sizeof *m->missing);
        memcpy(m->missing, other->missing, other->missing_count * sizeof *m->missing);
        m->missing_count = other->missing_count;
        m->listed = m->digest;
        return true;
    }
    return false;
}

/* Whether this node is linked to all that m is linked to, or has waited long enough for them. */
static bool satisfied(struct cluster *c, struct member *m, uint16_t slot)
{
    if (m->digest == c->digest)
        return true;
    if (m->listed != m->digest && c->now_ms < m->differs_ms + PATIENCE_MS)
        return false; /* most differences are about to end */
    if (m->listed != m->digest && !copy_list(c, m)) {
        if (m->asked_ms == 0 || c->now_ms >= m->asked_ms + ASK_MS) {
            m->asked_ms = c->now_ms;
            send_digest(c, slot, true);
        }
        return false;
    }
    for (uint32_t i = 0; i < m->missing_count; i++) {
        const struct stranger *s = stranger_of(c, m->missing[i]);
        if (s != NULL && c->now_ms < s->since_ms + c->config.join_ms && !identity_linked(c, s->identity))
            return false;
    }
    return true;
}

static void tell_strangers(struct cluster *c)
{
    for (uint32_t i = 0; i < c->stranger_count; i++) {
        struct stranger *s = &c->strangers[i];
        if (s->told || c->now_ms < s->since_ms + c->config.join_ms)
            continue;
        s->told = true;
        action_note(c, CLUSTER_NOTE_UNREACHABLE, 0, NULL, 0, s->name);
    }
}

static void check_synced(struct cluster *c)
{
    bool synced = c->open == 0;
    if (c->recount)
        count_differing(c);
    if (c->differing > 0 || c->stranger_count > 0)
        forget_strangers(c);
    for (uint16_t slot = 1; c->differing > 0 && slot < c->member_count; slot++)
        if (met(c, slot) && !satisfied(c, &c->members[slot], slot))
            synced = false;
    tell_strangers(c);
    synced = synced || rule_off(c, RULE_SYNCED);
    if (synced && !c->synced)
        for (uint32_t i = 0; i < c->capability_count; i++)
            c->capabilities[i]->replan = true;
    c->dirty = c->dirty || synced != c->synced;
    c->synced = synced;
    c->check_ms = c->differing > 0 ? c->now_ms + CHECK_MS : UINT64_MAX;
}

/* ---- links ---- */

static uint64_t rest(const struct cluster *c, uint64_t downs)
{
    if (downs < 2)
        return 0;
    uint64_t ms = (uint64_t)c->config.quiet_ms << (downs < 8 ? downs - 1 : 7);
    return c->now_ms + (ms < REST_MAX_MS ? ms : REST_MAX_MS);
}

static void check_quorum(struct cluster *c)
{
    bool quorum = c->config.majority_of == 0 || 2 * (c->met + 1) > c->config.majority_of;
    if (quorum == c->quorum)
        return;
    c->quorum = quorum;
    action_note(c, quorum ? CLUSTER_NOTE_QUORUM : CLUSTER_NOTE_QUORUM_LOST, 0, NULL, c->config.majority_of, "");
    for (uint32_t i = 0; i < c->capability_count; i++)
        c->capabilities[i]->replan = true;
}

int cluster_link_up(struct cluster *c, mesh_bytes name, uint32_t creation, enum cluster_kind kind, uint16_t *peer)
{
    size_t characters;
    if (name.len == 0 || name.len > RING_NAME_MAX_BYTES || !utf8_count(name.data, name.len, &characters))
        return MESH_EBADNAME;
    uint16_t slot = member_find(c, name);
    if (slot == SELF || (slot != NOBODY && c->members[slot].link != LINK_DOWN))
        return MESH_EEXISTS;
    if (slot == NOBODY)
        slot = add_slot(c, name);
    if (slot == NOBODY)
        return MESH_ELIMIT;
    struct member *m = &c->members[slot];
    m->creation = creation;
    m->identity = identity_of(m->name_hash, creation);
    m->kind = kind;
    m->link = kind == CLUSTER_C ? LINK_OPEN : LINK_MET;
    m->counter = m->digest = m->listed = m->asked_ms = 0;
    m->rest_ms = c->now_ms - m->down_ms < FLAP_MS ? rest(c, m->downs) : 0;
    m->probed = false;
    if (kind == CLUSTER_C) {
        c->ever_linked = true;
        c->open++;
        links_changed(c, m->identity);
        tables_hello(c, slot);
        claims_link_up(c, slot);
    }
    c->dirty = true;
    *peer = slot;
    return MESH_OK;
}

/* The end of a link: what depends on it, then its own state. */
void cluster_link_down(struct cluster *c, uint16_t peer)
{
    struct member *m = &c->members[peer];
    if (!linked(c, peer))
        return;
    if (m->kind == CLUSTER_C)
        *(m->link == LINK_OPEN ? &c->open : &c->met) -= 1;
    m->link = LINK_DOWN;
    m->downs = c->now_ms - m->down_ms < FLAP_MS && m->downs > 0 ? m->downs + 1 : 1;
    m->down_ms = c->now_ms;
    m->missing_count = 0;
    if (m->probed) {
        m->probed = false;
        c->probes--;
    }
    tables_forget(c, peer);
    if (m->kind == CLUSTER_C) {
        handoff_link_down(c, peer);
        grants_link_down(c, peer);
        claims_link_down(c, peer);
        links_changed(c, 0 - m->identity);
        check_quorum(c);
    } else if (m->kind == CLUSTER_BEAM) {
        grants_link_down(c, peer);
    }
    c->dirty = true;
}

/* Its hello has come. */
void members_met(struct cluster *c, uint16_t slot, uint32_t version, uint64_t digest, uint64_t downs)
{
    struct member *m = &c->members[slot];
    m->link = LINK_MET;
    m->version = version;
    c->open--;
    c->met++;
    m->digest = digest;
    recount(c);
    struct member *self = &c->members[SELF];
    if (downs < FLAP_MS && rest(c, downs) > self->rest_ms)
        self->rest_ms = rest(c, downs);
    check_quorum(c);
}

/* ---- probes ---- */

static void send_probe(struct cluster *c, uint16_t slot, uint64_t ask, uint64_t nonce)
{
    struct writer w;
    writer_begin(&w, MESSAGE_VERSION, OP_PROBE);
    writer_number(&w, F_ASK, ask);
    writer_number(&w, F_NONCE, nonce);
    action_send(c, slot, &w);
}

void members_suspect(struct cluster *c, uint64_t gap_ms)
{
    c->suspect = true;
    c->nonce++;
    c->probes = 0;
    c->alone_ms = c->now_ms + c->config.boot_ms;
    for (uint16_t slot = 1; slot < c->member_count; slot++) {
        struct member *m = &c->members[slot];
        m->probed = linked(c, slot) && m->kind == CLUSTER_C;
        c->probes += m->probed;
        if (m->probed)
            send_probe(c, slot, 1, c->nonce);
    }
    for (uint32_t i = 0; i < c->stranger_count; i++)
        c->strangers[i].since_ms += gap_ms;
    claims_excuse(c, gap_ms);
    c->dirty = true;
    if (c->probes > 0 || c->config.discovery)
        action_note(c, CLUSTER_NOTE_SUSPECT, 0, NULL, gap_ms, "");
}

void members_probe(struct cluster *c, uint16_t slot, const struct message *msg)
{
    struct member *m = &c->members[slot];
    if (message_number(msg, F_ASK) == 1) {
        send_probe(c, slot, 0, message_number(msg, F_NONCE));
    } else if (m->probed && message_number(msg, F_NONCE) == c->nonce) {
        m->probed = false;
        c->probes--;
        c->dirty = true;
    }
}

/* Suspicion ends when every link has answered or is gone. If none is left, others may have taken its shards: then it
 * waits for a link, as a node that starts does. */
static void check_suspect(struct cluster *c)
{
    if (!c->suspect || c->probes > 0)
        return;
    if (c->met == 0 && c->config.discovery && c->ever_linked && c->now_ms < c->alone_ms) {
        wake_by(c, c->alone_ms);
        return;
    }
    if (c->open > 0 && c->now_ms < c->alone_ms) {
        wake_by(c, c->alone_ms);
        return;
    }
    c->suspect = false;
    action_note(c, CLUSTER_NOTE_SERVING, 0, NULL, 0, "");
    for (uint32_t i = 0; i < c->capability_count; i++) {
        c->capabilities[i]->replan = true;
        action_shard(c, CLUSTER_WAKE, c->capabilities[i], CLUSTER_ALL, 0);
    }
}

/* ---- all together ---- */

static bool booted(const struct cluster *c)
{
    return !c->config.discovery || c->ever_linked || c->now_ms >= c->begun_ms + c->config.boot_ms;
}

bool members_may_claim(const struct cluster *c)
{
    return c->synced && booted(c) && c->quorum && !c->suspect && !c->draining;
}

void members_run(struct cluster *c)
{
    check_suspect(c);
    if (c->announce_ms <= c->now_ms) {
        c->announce_ms = UINT64_MAX;
        if (c->announced != c->digest) {
            c->announced = c->digest;
            send_digest(c, NOBODY, false);
        }
    }
    if (c->check_ms <= c->now_ms)
        check_synced(c);
    wake_by(c, c->announce_ms);
    wake_by(c, c->check_ms);
    if (!booted(c))
        wake_by(c, c->begun_ms + c->config.boot_ms);
}
