/* Shards that this node asks for: from the ring's word that it should, to the hold.
 *
 * A claim is a set of shards under a number, sent to every linked C node, also to those that link while it is open. It
 * keeps one byte for each pair of peer and shard: what that peer said last. A shard is held when each has granted it or
 * is down; then it takes its epoch and leaves the claim.
 *
 * A peer that has promised a shard to another says so. When that other has granted the shard to this node, the claim is
 * sent again to the first, with what the other has given up: under the number of its last claim then, so that a
 * promise it was given later is not broken by an old message. A peer that refused, since its view names another, tells
 * when its view has changed.
 *
 * A shard that the ring no longer gives to this node stays in the claim until no answer to it is open: a giver may
 * already be sending its processes here, and they must not arrive after the shard has gone on to the next. */
#include <stdlib.h>
#include <string.h>

#include "cluster/state.h"

enum answer {
    ANSWER_UNASKED,
    ANSWER_OPEN, /* none yet */
    ANSWER_REFUSED,
    ANSWER_PROMISED,
    ANSWER_MOVING,
    ANSWER_GRANTED,
};

enum fate {
    FATE_WANTED,
    FATE_DROPPED, /* no longer wanted; waits for the open answers */
    FATE_ENDED,
};

enum {
    AGAIN_MS = 5,   /* between two sendings to one peer */
    RETRY_MS = 500, /* what was refused or promised is asked for again, even if nobody told of a change */
};

/* One peer's part in a claim. */
struct ask {
    uint16_t peer;
    bool sent, again;
    bool named;         /* others have promised shards to this peer */
    uint64_t sent_ms;   /* the last time */
    uint64_t waited_ms; /* since when an answer is overdue: the last progress */
    uint8_t *answers;   /* an enum answer for each shard */
    uint32_t *mine;     /* for each shard the peer's last claim when it answered: it has no right from it any more */
};

struct claim {
    struct claim *next;
    uint32_t seq;
    struct shards set;
    uint16_t *missing; /* for each shard: peers that have not granted */
    uint8_t *fates;    /* an enum fate for each */
    uint32_t left;     /* shards that have not ended */
    bool changed;      /* some shard may have become complete */
    uint64_t due_ms;   /* when the asks are to be looked at: something is to be sent, or too late */
    bool stuck;        /* policy majority: a peer is silent */
    struct ask *asks;
    uint32_t count, room;
};

/* ---- one claim ---- */

static void free_ask(struct ask *ask)
{
    free(ask->answers);
    free(ask->mine);
}

static void free_claim(struct claim *claim)
{
    for (uint32_t i = 0; i < claim->count; i++)
        free_ask(&claim->asks[i]);
    shards_fini(&claim->set);
    free(claim->asks);
    free(claim->missing);
    free(claim->fates);
    free(claim);
}

void claims_fini(struct capability *cap)
{
    while (cap->claims != NULL) {
        struct claim *next = cap->claims->next;
        free_claim(cap->claims);
        cap->claims = next;
    }
}

static void send_again(struct claim *claim, struct ask *ask)
{
    ask->again = true;
    claim->due_ms = 0;
}

static struct ask *ask_of(struct claim *claim, uint16_t peer)
{
    for (uint32_t i = 0; i < claim->count; i++)
        if (claim->asks[i].peer == peer)
            return &claim->asks[i];
    return NULL;
}

static void add_ask(struct cluster *c, struct claim *claim, uint16_t peer)
{
    if (claim->count == claim->room) {
        uint32_t room = claim->room ? 2 * claim->room : 4;
        struct ask *asks = must_calloc(room, sizeof *asks);
        if (claim->count > 0)
            memcpy(asks, claim->asks, claim->count * sizeof *asks);
        free(claim->asks);
        claim->asks = asks;
        claim->room = room;
    }
    claim->asks[claim->count++] = (struct ask){.peer = peer,
                                               .waited_ms = c->now_ms,
                                               .answers = must_calloc(claim->set.count, sizeof(uint8_t)),
                                               .mine = must_calloc(claim->set.count, sizeof(uint32_t))};
    for (uint32_t i = 0; i < claim->set.count; i++)
        claim->missing[i]++;
    claim->due_ms = 0;
}

/* Opens a claim for set, which becomes its own. */
void claims_open(struct cluster *c, struct capability *cap, struct shards *set)
{
    struct claim *claim = must_calloc(1, sizeof *claim);
    claim->seq = ++c->claim_seq;
    claim->set = *set;
    claim->left = set->count;
    claim->missing = must_calloc(set->count, sizeof *claim->missing);
    claim->fates = must_calloc(set->count, sizeof *claim->fates);
    claim->changed = true;
    *set = (struct shards){NULL, 0, 0};
    for (uint32_t i = 0; i < claim->set.count; i++)
        cap->rows[claim->set.at[i]].state = ROW_CLAIMING;
    cap->claiming += claim->set.count;
    c->claims += claim->set.count;
    for (uint16_t slot = 1; slot < c->member_count; slot++)
        if (linked(c, slot) && c->members[slot].kind == CLUSTER_C)
            add_ask(c, claim, slot);
    claim->next = cap->claims;
    cap->claims = claim;
    c->dirty = true;
}

/* ---- sending ---- */

static bool wanted_from(const struct claim *claim, const struct ask *ask, uint32_t i)
{
    return claim->fates[i] == FATE_WANTED && ask->answers[i] != ANSWER_GRANTED && ask->answers[i] != ANSWER_MOVING;
}

static void put_set(struct writer *w, const struct shards *set, uint32_t total)
{
    mesh_buf bytes;
    mesh_buf_init(&bytes);
    writer_must(shards_put(set, total, &bytes));
    writer_must(mesh_put_binary(&w->buf, mesh_buf_bytes(&bytes)));
    mesh_buf_fini(&bytes);
}

/* The peer has no right to shard i, by its own word: it granted it, or it has promised it to yet another. */
static bool gave_up(const struct ask *ask, uint32_t i)
{
    return ask->answers[i] == ANSWER_GRANTED || ask->answers[i] == ANSWER_PROMISED;
}

/* What `other` has given up of what is asked for, as of the same claim of its own as at place `from`, if that is the
 * first such place. To be told to those who may have promised it to that one. */
static bool released_by(const struct claim *claim, const struct ask *ask, const struct ask *other, uint32_t from,
                        struct shards *set)
{
    shards_clear(set);
    for (uint32_t i = 0; i < claim->set.count; i++) {
        if (!wanted_from(claim, ask, i) || !gave_up(other, i) || other->mine[i] != other->mine[from])
            continue;
        if (i < from)
            return false;
        shards_push(set, claim->set.at[i]);
    }
    return true;
}

static uint32_t put_releases_of(struct cluster *c, const struct capability *cap, const struct claim *claim,
                                const struct ask *ask, const struct ask *other, struct writer *w)
{
    struct shards set = {NULL, 0, 0};
    uint32_t count = 0;
    for (uint32_t i = 0; i < claim->set.count; i++) {
        if (!wanted_from(claim, ask, i) || !gave_up(other, i) || !released_by(claim, ask, other, i, &set))
            continue;
        count++;
        if (w == NULL)
            continue;
        writer_must(mesh_put_tuple(&w->buf, 3));
        writer_must(mesh_put_binary(&w->buf, member_name(c, other->peer)));
        writer_must(mesh_put_uint(&w->buf, other->mine[i]));
        put_set(w, &set, cap->row_count);
    }
    shards_fini(&set);
    return count;
}

static void put_releases(struct cluster *c, const struct capability *cap, const struct claim *claim,
                         const struct ask *ask, struct writer *w)
{
    uint32_t count = 0;
    for (uint32_t j = 0; j < claim->count; j++)
        if (&claim->asks[j] != ask && claim->asks[j].named)
            count += put_releases_of(c, cap, claim, ask, &claim->asks[j], NULL);
    writer_list(w, F_RELEASES, count);
    for (uint32_t j = 0; j < claim->count; j++)
        if (&claim->asks[j] != ask && claim->asks[j].named)
            put_releases_of(c, cap, claim, ask, &claim->asks[j], w);
    if (count > 0)
        writer_must(mesh_put_empty(&w->buf));
}

static void send_claim(struct cluster *c, struct capability *cap, struct claim *claim, struct ask *ask)
{
    struct shards set = {NULL, 0, 0};
    for (uint32_t i = 0; i < claim->set.count; i++)
        if (wanted_from(claim, ask, i))
            shards_push(&set, claim->set.at[i]);
    ask->again = false;
    if (set.count > 0) {
        struct writer w;
        mesh_buf bytes;
        mesh_buf_init(&bytes);
        writer_must(shards_put(&set, cap->row_count, &bytes));
        writer_begin(&w, MESSAGE_VERSION, OP_CLAIM);
        writer_number(&w, F_CLOCK, clock_next(c));
        writer_bytes(&w, F_CAP, capability_name(cap));
        writer_number(&w, F_SHARDS, cap->row_count);
        writer_number(&w, F_SEQ, claim->seq);
        writer_bytes(&w, F_SET, mesh_buf_bytes(&bytes));
        put_releases(c, cap, claim, ask, &w);
        action_send(c, ask->peer, &w);
        mesh_buf_fini(&bytes);
        for (uint32_t i = 0; i < claim->set.count; i++)
            if (wanted_from(claim, ask, i))
                ask->answers[i] = ANSWER_OPEN;
        ask->sent_ms = ask->waited_ms = c->now_ms;
    }
    ask->sent = true;
    shards_fini(&set);
}

/* ---- answers ---- */

static struct claim *claim_of(struct capability *cap, uint64_t seq)
{
    struct claim *claim = cap->claims;
    while (claim != NULL && claim->seq != seq)
        claim = claim->next;
    return claim;
}

/* Peers that promised shard i to another may be asked again: that other has granted it. */
static void ask_promisers(struct claim *claim, const struct ask *by, uint32_t i)
{
    for (uint32_t j = 0; j < claim->count && by->named; j++)
        if (&claim->asks[j] != by && claim->asks[j].answers[i] == ANSWER_PROMISED)
            send_again(claim, &claim->asks[j]);
}

/* A peer that has granted a shard has given up its own right to it, and with that what it was promised here. */
static void grant(struct capability *cap, struct claim *claim, struct ask *ask, uint32_t i)
{
    if (ask->answers[i] == ANSWER_GRANTED || claim->fates[i] == FATE_ENDED)
        return;
    struct row *row = &cap->rows[claim->set.at[i]];
    if (row->promise == ask->peer && ask->mine[i] >= row->seq && !(row->flags & ROW_DEFERRED))
        row->promise = NOBODY;
    ask->answers[i] = ANSWER_GRANTED;
    claim->missing[i]--;
    claim->changed = true;
    ask_promisers(claim, ask, i);
}

static void answered(struct capability *cap, struct claim *claim, struct ask *ask, const struct shards *set,
                     enum answer answer, uint32_t mine)
{
    for (uint32_t k = 0; k < set->count; k++) {
        int32_t i = shards_find(&claim->set, set->at[k]);
        if (i < 0)
            continue;
        if (ask->answers[i] != ANSWER_GRANTED)
            ask->mine[i] = mine;
        if (answer == ANSWER_GRANTED)
            grant(cap, claim, ask, (uint32_t)i);
        else if (ask->answers[i] != ANSWER_GRANTED)
            ask->answers[i] = (uint8_t)answer;
        if (answer == ANSWER_REFUSED || answer == ANSWER_PROMISED)
            claim->due_ms = 0;
        if (answer == ANSWER_PROMISED)
            ask_promisers(claim, ask, (uint32_t)i);
        claim->changed = true; /* a dropped one may end now */
    }
}

/* The shards of set were promised to `other` for its claim seq. If that one has granted them here since, ask again; if
 * it has claimed anew after it granted, its grant is void, and it is asked again itself. */
static void promised_to(struct claim *claim, struct ask *ask, const struct shards *set, struct ask *other, uint64_t seq)
{
    if (other == NULL || other == ask)
        return;
    other->named = true;
    for (uint32_t k = 0; k < set->count; k++) {
        int32_t i = shards_find(&claim->set, set->at[k]);
        if (i < 0 || claim->fates[i] == FATE_ENDED || !gave_up(other, (uint32_t)i))
            continue;
        if (other->mine[i] >= seq) {
            send_again(claim, ask);
        } else if (other->answers[i] == ANSWER_GRANTED) {
            other->answers[i] = ANSWER_UNASKED;
            send_again(claim, other);
            claim->missing[i]++;
        }
    }
}

static int read_promised(struct cluster *c, struct capability *cap, struct claim *claim, struct ask *ask,
                         const struct message *m)
{
    struct items it = message_items(m, F_PROMISED);
    struct shards set = {NULL, 0, 0};
    uint32_t arity;
    int error = MESH_OK;
    while (items_next(&it, 3, &arity, &error)) {
        mesh_bytes name = items_bytes(&it, &error);
        uint64_t seq = items_number(&it, UINT32_MAX, &error);
        mesh_bytes bytes = items_bytes(&it, &error);
        items_close(&it, arity, 3, &error);
        if (!error)
            error = shards_read(bytes, cap->row_count, &set);
        if (error)
            break;
        answered(cap, claim, ask, &set, ANSWER_PROMISED, (uint32_t)message_number(m, F_MINE));
        uint16_t other = member_find(c, name);
        promised_to(claim, ask, &set, other == NOBODY ? NULL : ask_of(claim, other), seq);
    }
    shards_fini(&set);
    return error;
}

static int read_answer(struct capability *cap, struct claim *claim, struct ask *ask, const struct message *m,
                       enum field f, enum answer answer)
{
    struct shards set = {NULL, 0, 0};
    int error = MESH_OK;
    if (message_has(m, f))
        error = shards_read(message_bytes(m, f), cap->row_count, &set);
    if (!error)
        answered(cap, claim, ask, &set, answer, (uint32_t)message_number(m, F_MINE));
    shards_fini(&set);
    return error;
}

int claims_granted(struct cluster *c, uint16_t slot, const struct message *m)
{
    struct capability *cap = capability_find(c, message_bytes(m, F_CAP));
    if (cap == NULL || cap->row_count == 0 || cap->row_count != message_number(m, F_SHARDS))
        return MESH_OK;
    struct claim *claim = claim_of(cap, message_number(m, F_SEQ));
    struct ask *ask = claim != NULL ? ask_of(claim, slot) : NULL;
    if (ask == NULL)
        return MESH_OK; /* an answer to a claim that has ended */
    int error = busy_granted(c, cap, slot, m);
    if (message_has(m, F_DIGEST))
        members_digest(c, slot, message_number(m, F_DIGEST));
    ask->waited_ms = c->now_ms;
    if (!error)
        error = read_answer(cap, claim, ask, m, F_SET, ANSWER_GRANTED);
    if (!error)
        error = read_answer(cap, claim, ask, m, F_REFUSED, ANSWER_REFUSED);
    if (!error)
        error = read_answer(cap, claim, ask, m, F_MOVING, ANSWER_MOVING);
    if (!error)
        error = read_promised(c, cap, claim, ask, m);
    c->dirty = true;
    return error;
}

void claims_again(struct cluster *c, uint16_t slot, const struct message *m)
{
    struct capability *cap = capability_find(c, message_bytes(m, F_CAP));
    for (struct claim *claim = cap != NULL ? cap->claims : NULL; claim != NULL; claim = claim->next) {
        struct ask *ask = ask_of(claim, slot);
        if (ask != NULL)
            send_again(claim, ask);
    }
    c->dirty = true;
}

void claims_progress(struct cluster *c, struct capability *cap, uint16_t slot)
{
    for (struct claim *claim = cap->claims; claim != NULL; claim = claim->next) {
        struct ask *ask = ask_of(claim, slot);
        if (ask != NULL)
            ask->waited_ms = c->now_ms;
    }
}

/* ---- links ---- */

void claims_link_up(struct cluster *c, uint16_t slot)
{
    for (uint32_t n = 0; n < c->capability_count; n++)
        for (struct claim *claim = c->capabilities[n]->claims; claim != NULL; claim = claim->next)
            add_ask(c, claim, slot);
}

static void remove_ask(struct claim *claim, uint16_t slot)
{
    struct ask *ask = ask_of(claim, slot);
    if (ask == NULL)
        return;
    for (uint32_t i = 0; i < claim->set.count; i++) {
        if (ask->answers[i] != ANSWER_GRANTED && claim->fates[i] != FATE_ENDED)
            claim->missing[i]--;
        ask->answers[i] = ANSWER_REFUSED;
        if (claim->fates[i] != FATE_ENDED)
            ask_promisers(claim, ask, i);
    }
    free_ask(ask);
    *ask = claim->asks[--claim->count];
    claim->changed = true;
}

void claims_link_down(struct cluster *c, uint16_t slot)
{
    for (uint32_t n = 0; n < c->capability_count; n++)
        for (struct claim *claim = c->capabilities[n]->claims; claim != NULL; claim = claim->next)
            remove_ask(claim, slot);
}

/* Drops what the ring no longer gives to this node; all, if it may not hold any more. */
void claims_drop(struct cluster *c, struct capability *cap, bool may)
{
    for (struct claim *claim = cap->claims; claim != NULL; claim = claim->next)
        for (uint32_t i = 0; i < claim->set.count; i++)
            if (claim->fates[i] == FATE_WANTED && (!may || views_owner(c, cap, claim->set.at[i]) != SELF)) {
                claim->fates[i] = FATE_DROPPED;
                claim->changed = true;
            }
}

/* ---- ends ---- */

static void end_shard(struct capability *cap, struct claim *claim, uint32_t i)
{
    claim->fates[i] = FATE_ENDED;
    claim->left--;
    cap->claiming--;
}

static void hold(struct cluster *c, struct capability *cap, uint32_t shard)
{
    struct row *row = &cap->rows[shard];
    row->state = ROW_HELD;
    row->flags = 0;
    row->promise = SELF;
    row->seq = 0;
    row->epoch = clock_next(c);
    cap->held++;
    busy_held(c, cap, shard);
    action_shard(c, CLUSTER_HOLD, cap, shard, row->epoch);
    action_shard(c, CLUSTER_WAKE, cap, shard, 0);
}

static void give_up(struct cluster *c, struct capability *cap, uint32_t shard)
{
    cap->rows[shard].state = ROW_FREE;
    cap->replan = true;
    c->dirty = true;
    grants_deferred(c, cap, shard);
    action_shard(c, CLUSTER_WAKE, cap, shard, 0);
}

/* The peer owes an answer. */
static bool owed(const struct claim *claim, const struct ask *ask, uint32_t i)
{
    if (ask->answers[i] == ANSWER_UNASKED)
        return claim->fates[i] == FATE_WANTED;
    return ask->answers[i] == ANSWER_OPEN || ask->answers[i] == ANSWER_MOVING;
}

static bool still_open(const struct claim *claim, uint32_t i)
{
    for (uint32_t j = 0; j < claim->count; j++) {
        const struct ask *ask = &claim->asks[j];
        if (ask->answers[i] == ANSWER_OPEN || ask->answers[i] == ANSWER_MOVING)
            return true;
    }
    return false;
}

static void finish(struct cluster *c, struct capability *cap, struct claim *claim)
{
    struct shards held = {NULL, 0, 0}, dropped = {NULL, 0, 0};
    bool ready = c->synced && !c->suspect;
    claim->changed = false;
    for (uint32_t i = 0; i < claim->set.count; i++) {
        if (claim->fates[i] == FATE_WANTED && claim->missing[i] == 0 && !ready) {
            claim->changed = true; /* later */
        } else if (claim->fates[i] == FATE_WANTED && claim->missing[i] == 0) {
            end_shard(cap, claim, i);
            hold(c, cap, claim->set.at[i]);
            shards_push(&held, claim->set.at[i]);
        } else if (claim->fates[i] == FATE_DROPPED && !still_open(claim, i)) {
            end_shard(cap, claim, i);
            give_up(c, cap, claim->set.at[i]);
            shards_push(&dropped, claim->set.at[i]);
        }
    }
    if (held.count > 0)
        grants_tell(c, cap, OP_HOLD, &held);
    if (dropped.count > 0)
        grants_tell(c, cap, OP_YIELD, &dropped);
    shards_fini(&held);
    shards_fini(&dropped);
}

/* The peer has not answered for claim_ms. */
static void silent(struct cluster *c, struct capability *cap, struct claim *claim, struct ask *ask)
{
    uint32_t forced = 0;
    if (c->config.majority_of != 0) {
        claim->stuck = true;
        action_shard(c, CLUSTER_WAKE, cap, CLUSTER_ALL, 0);
        ask->waited_ms = c->now_ms;
        return;
    }
    for (uint32_t i = 0; i < claim->set.count; i++)
        if (claim->fates[i] != FATE_ENDED && owed(claim, ask, i)) {
            forced += claim->fates[i] == FATE_WANTED;
            ask->mine[i] = UINT32_MAX;
            grant(cap, claim, ask, i);
        }
    c->claims_forced += forced;
    action_note(c, CLUSTER_NOTE_FORCED, ask->peer, cap, forced, "");
}

/* Sends what is due to one peer. Returns when to look at it again. */
static uint64_t run_ask(struct cluster *c, struct capability *cap, struct claim *claim, struct ask *ask)
{
    bool open = false, refused = false;
    uint64_t due = UINT64_MAX;
    if (met(c, ask->peer) && !ask->sent)
        send_claim(c, cap, claim, ask);
    for (uint32_t i = 0; i < claim->set.count; i++) {
        if (claim->fates[i] == FATE_ENDED)
            continue;
        open = open || owed(claim, ask, i);
        refused = refused || ask->answers[i] == ANSWER_REFUSED || ask->answers[i] == ANSWER_PROMISED;
    }
    if (met(c, ask->peer) && (ask->again || refused)) {
        due = ask->sent_ms + (ask->again ? AGAIN_MS : RETRY_MS);
        if (c->now_ms >= due) {
            send_claim(c, cap, claim, ask);
            due = c->now_ms + RETRY_MS;
        }
    }
    if (open && c->now_ms >= ask->waited_ms + c->config.claim_ms)
        silent(c, cap, claim, ask);
    else if (open && ask->waited_ms + c->config.claim_ms < due)
        due = ask->waited_ms + c->config.claim_ms;
    return due;
}

static void run_asks(struct cluster *c, struct capability *cap, struct claim *claim)
{
    uint64_t due = UINT64_MAX;
    if (c->now_ms < claim->due_ms)
        return;
    claim->due_ms = UINT64_MAX;
    for (uint32_t i = 0; i < claim->count; i++) {
        uint64_t at = run_ask(c, cap, claim, &claim->asks[i]);
        due = at < due ? at : due;
    }
    /* What a forced answer lets ask again is due at once. */
    claim->due_ms = claim->due_ms == 0 ? c->now_ms + AGAIN_MS : due;
}

/* Sends what is due, decides about silent peers, and ends shards that are complete. */
void claims_run(struct cluster *c, struct capability *cap)
{
    for (struct claim **at = &cap->claims; *at != NULL;) {
        struct claim *claim = *at;
        run_asks(c, cap, claim);
        if (claim->changed)
            finish(c, cap, claim);
        if (claim->left == 0) {
            *at = claim->next;
            free_claim(claim);
        } else {
            wake_by(c, claim->due_ms);
            at = &claim->next;
        }
    }
}

/* A peer has been met: it is asked too. */
void claims_met(struct cluster *c)
{
    for (uint32_t i = 0; i < c->capability_count; i++)
        for (struct claim *claim = c->capabilities[i]->claims; claim != NULL; claim = claim->next)
            claim->due_ms = 0;
    c->dirty = true;
}

/* In that time this node has read no answer, and perhaps the peers, on the same machine, could give none. */
void claims_excuse(struct cluster *c, uint64_t gap_ms)
{
    for (uint32_t i = 0; i < c->capability_count; i++)
        for (struct claim *claim = c->capabilities[i]->claims; claim != NULL; claim = claim->next)
            for (uint32_t j = 0; j < claim->count; j++)
                claim->asks[j].waited_ms += gap_ms;
}

bool claims_stuck(const struct capability *cap, uint32_t shard)
{
    for (const struct claim *claim = cap->claims; claim != NULL; claim = claim->next)
        if (claim->stuck && shards_find(&claim->set, shard) >= 0)
            return true;
    return false;
}
