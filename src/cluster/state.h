/* What the files of src/cluster/ share: the tables of one node, and who changes which part of them.
 *
 *   cluster.c   set-up, time, the order of a run, dispatch of messages
 *   actions.c   the queue of what is to be done outside
 *   members.c   nodes and their links; rule 3 (synced), damping, probes
 *   tables.c    what each node has; hello and table messages; rule 6
 *   views.c     the merged view of a capability, and its ring
 *   plan.c      what to claim, and when; rule 8
 *   claims.c    shards that this node asks for; rule 1, epochs, policies
 *   grants.c    shards that others ask for; rules 4 and 5
 *   handoff.c   processes on their way from one holder to the next
 *   busy.c      those that are inside a handler meanwhile
 *   route.c     where a request goes; rule 7 */
#ifndef CLUSTER_STATE_H
#define CLUSTER_STATE_H

#include "base/alloc.h"
#include "cluster/cluster.h"
#include "cluster/message.h"
#include "cluster/shards.h"
#include "term/block.h"

enum {
    SELF = 0, /* the slot of this node among the members */
    NOBODY = UINT16_MAX,
    RULE_SYNCED = 3,
    RULE_PROMISE = 5,
    RULE_CONFLICT = 6,
    BEAM_SHARDS = 4096,
    WORDS = CLUSTER_MEMBERS_MAX / 64,
};

/* ---- members ---- */

enum link {
    LINK_DOWN,
    LINK_OPEN, /* up, but its hello has not come */
    LINK_MET,
};

/* A capability that a node says it has. */
struct entry {
    struct capability *capability;
    uint32_t shards;
    uint8_t strategy, weight;
    bool leaving;
};

struct parcel;

/* Parcels to one peer, in order: sent ones until they are acknowledged, then those that wait. */
struct handoff {
    struct parcel *first, *last;
    struct parcel *unsent; /* the first that was not sent; NULL: all were */
    size_t flying_bytes;   /* sent, not acknowledged */
    uint32_t count;
    uint32_t run; /* the number of the last message */
};

struct member {
    char *name; /* NULL: an empty slot */
    uint32_t len;
    uint32_t creation;
    enum link link;
    enum cluster_kind kind;
    uint32_t version;   /* of the messages to it */
    uint64_t name_hash; /* SipHash-2-4 of the name */
    uint64_t identity;  /* of name and creation */

    uint64_t counter; /* of its table: greater ones replace it */
    struct entry *entries;
    uint32_t entry_count;

    uint64_t digest;   /* of its links, as it announced them last */
    uint64_t listed;   /* the digest that `missing` belongs to; 0: none */
    uint64_t *missing; /* identities of nodes that it is linked to, and this node was not when the list came */
    uint32_t missing_count;
    uint64_t differs_ms; /* since when its digest is not ours */
    uint64_t asked_ms;   /* when its list was asked for last */

    uint32_t downs; /* how often its link went down, lately */
    uint64_t down_ms;
    uint64_t rest_ms; /* until then it is left to calm down: no shard moves because of it */
    bool probed;      /* its answer to our probe has not come */

    struct handoff out;
};

/* A node that others are linked to and this one is not. */
struct stranger {
    uint64_t identity;
    char *name;
    uint64_t since_ms;
    bool told;
};

/* ---- capabilities ---- */

enum row_state {
    ROW_FREE,      /* not this node's affair */
    ROW_CLAIMING,  /* in an open claim */
    ROW_HELD,      /* processes may start */
    ROW_RELEASING, /* they end, for `promise` (NOBODY: for nobody) */
};

enum row_flags {
    ROW_PARCELS = 1,   /* snapshots are kept here though the shard is not held */
    ROW_DEFERRED = 2,  /* a claim on it was given up, and `promise` waits for its end */
    ROW_CONTESTED = 4, /* held, and also by another when its link came up */
};

/* One shard. promise is whom this node has promised it to (rule 5), and the holder as far as it knows: SELF while held,
 * otherwise the grantee with the number of its claim. A promise ends with the link to its grantee. */
struct row {
    uint64_t epoch; /* of the hold; while it is not held: the clock when the promise was made */
    uint32_t seq;
    uint16_t promise;
    uint8_t state;
    uint8_t flags;
};

struct busy;
struct claim;

enum { BUSY_BUCKETS = 64 };

struct capability {
    char *name;
    uint32_t len;
    uint32_t entries; /* of all members, that refer to it */

    /* As this node registered it. */
    bool registered, leaving;
    struct cluster_capability own;

    /* The view: set by views_refresh. */
    bool stale;    /* to be refreshed before it is used */
    bool any;      /* some node has it, if only as leaving */
    bool disagree; /* nodes differ in strategy or shard count, and those in the minority are left out */
    bool excluded; /* this node is among them */
    bool beam;     /* a BEAM node has it too */
    enum mesh_strategy strategy;
    uint32_t shards; /* 0: nobody has it */
    uint64_t view;   /* a hash of all that the ring depends on; 0: no ring */
    uint16_t *nodes; /* active members, sorted by name once the ring is there */
    uint32_t node_count;
    uint64_t active[WORDS];            /* the same as bits */
    uint64_t rest_ms;                  /* the last rest_ms of them */
    uint64_t changed_ms, unsettled_ms; /* the last change; the first since all was quiet */
    struct ring *ring;                 /* NULL: not built yet */
    uint32_t my_index;                 /* in the ring; UINT32_MAX: not in it */

    struct row *rows; /* row_count of them, or NULL */
    uint32_t row_count;
    uint32_t held, claiming, releasing;
    bool replan;          /* something to claim, or to drop */
    uint64_t move_ms;     /* when waiting moves are due; UINT64_MAX: none */
    bool moves_on;        /* moves wait for those that are under way */
    uint64_t owed[WORDS]; /* peers that were refused something */
    bool notify;          /* and may ask again */
    struct claim *claims;
    struct busy **busy; /* BUSY_BUCKETS chains, or NULL */
    uint32_t busy_in, busy_out;
    uint32_t parcels; /* in the queues to peers */
};

/* ---- the whole ---- */

struct action; /* actions.c */

struct cluster {
    struct cluster_config config; /* name: not used; see members[SELF] */
    uint64_t now_ms, wall_ms, begun_ms, ran_ms;
    uint64_t wake_ms;
    bool dirty;     /* a run has something to do before wake_ms */
    uint64_t clock; /* hybrid: ms since 1970 << 16 | counter */

    struct member *members; /* CLUSTER_MEMBERS_MAX slots */
    uint16_t member_count;  /* slots in use are below it */
    uint16_t *index;        /* by the hash of the name: a slot, or NOBODY */
    uint32_t open, met;     /* C nodes: link up without hello; with */
    bool recount;           /* differing is out of date */
    uint32_t differing;     /* of those met: their digest is not ours */
    uint64_t digest, announced;
    uint64_t announce_ms; /* UINT64_MAX: nothing to announce */
    uint64_t check_ms;    /* when rule 3 is looked at again; UINT64_MAX: no need */
    bool synced;
    bool ever_linked;
    struct stranger *strangers;
    uint32_t stranger_count;

    bool suspect;
    uint32_t probes; /* answers that are missing */
    uint64_t nonce;
    uint64_t alone_ms; /* suspect without a link: until then */
    bool quorum;

    bool table_changed; /* to be announced */
    bool draining, drained;
    struct capability **capabilities;
    uint32_t capability_count;
    uint32_t claim_seq;
    struct rings *rings, own_rings;

    struct action *first, *last, *current, *spare;
    uint32_t spare_count;
    uint64_t claims, claims_forced, conflicts;
};

static inline bool bit_get(const uint64_t *bits, uint32_t i)
{
    return bits[i / 64] >> i % 64 & 1;
}

static inline void bit_set(uint64_t *bits, uint32_t i)
{
    bits[i / 64] |= (uint64_t)1 << i % 64;
}

static inline bool rule_off(const struct cluster *c, unsigned rule)
{
    return c->config.rules_off >> rule & 1;
}

/* A peer that claims and grants: a C node whose hello has come. */
static inline bool met(const struct cluster *c, uint16_t slot)
{
    return slot != SELF && slot < c->member_count && c->members[slot].link == LINK_MET &&
           c->members[slot].kind == CLUSTER_C;
}

static inline bool linked(const struct cluster *c, uint16_t slot)
{
    return slot != SELF && slot < c->member_count && c->members[slot].link != LINK_DOWN;
}

static inline mesh_bytes member_name(const struct cluster *c, uint16_t slot)
{
    return (mesh_bytes){c->members[slot].name, c->members[slot].len};
}

static inline mesh_bytes capability_name(const struct capability *cap)
{
    return (mesh_bytes){cap->name, cap->len};
}

static inline void wake_by(struct cluster *c, uint64_t ms)
{
    if (ms < c->wake_ms)
        c->wake_ms = ms;
}

int compare_names(mesh_bytes a, mesh_bytes b);

/* cluster.c */
uint64_t clock_next(struct cluster *c); /* greater than every clock seen or given before */
void clock_seen(struct cluster *c, uint64_t clock);

/* actions.c: each adds one to the queue and copies what it is given */
void action_send(struct cluster *c, uint16_t peer, struct writer *w); /* ends the writer and frees it */
void action_broadcast(struct cluster *c, struct writer *w); /* to all C nodes that are linked: what follows the hello */
void action_shard(struct cluster *c, enum cluster_action_kind kind, const struct capability *cap, uint32_t shard,
                  uint64_t epoch);
void action_snapshot(struct cluster *c, enum cluster_action_kind kind, const struct cluster_key *key, uint64_t epoch,
                     mesh_bytes snapshot);
void action_note(struct cluster *c, enum cluster_note note, uint16_t peer, const struct capability *cap,
                 uint64_t number, const char *text);
void action_plain(struct cluster *c, enum cluster_action_kind kind, uint16_t peer);
void actions_fini(struct cluster *c);

/* members.c */
uint16_t member_find(const struct cluster *c, mesh_bytes name); /* NOBODY: there is none */
void members_run(struct cluster *c);
void members_met(struct cluster *c, uint16_t slot, uint32_t version, uint64_t digest, uint64_t downs);
void members_digest(struct cluster *c, uint16_t slot, uint64_t digest);
int members_links(struct cluster *c, uint16_t slot, const struct message *m);
int members_list(struct cluster *c, uint16_t slot, const struct message *m);
void members_probe(struct cluster *c, uint16_t slot, const struct message *m);
void members_suspect(struct cluster *c, uint64_t gap_ms);
bool members_may_claim(const struct cluster *c); /* rules 3 and 8, quorum, not suspect, not draining */
void members_init(struct cluster *c, mesh_bytes name, uint32_t creation);
void members_fini(struct cluster *c);

/* tables.c */
struct capability *capability_find(const struct cluster *c, mesh_bytes name);
void tables_hello(struct cluster *c, uint16_t slot);
int tables_receive_hello(struct cluster *c, uint16_t slot, const struct message *m);
int tables_receive_table(struct cluster *c, uint16_t slot, const struct message *m);
void tables_meet(struct cluster *c, struct capability *cap, const struct shards *set, uint16_t slot, uint64_t clock);
int tables_receive_keep(struct cluster *c, uint16_t slot, const struct message *m);
void tables_forget(struct cluster *c, uint16_t slot); /* its entries, when its link is down */
void tables_run(struct cluster *c);
void tables_fini(struct cluster *c);

/* views.c */
void views_refresh(struct cluster *c, struct capability *cap);
struct ring *views_ring(struct cluster *c, struct capability *cap); /* built if need be; NULL: there is none */
bool views_listed(const struct cluster *c, const struct capability *cap, uint16_t slot); /* it has it, or it leaves */
uint16_t views_owner(struct cluster *c, struct capability *cap, uint32_t shard);         /* NOBODY: unknown */
struct row *views_rows(struct capability *cap);                                          /* for cap->shards shards */
void views_reset_rows(struct cluster *c, struct capability *cap);
void views_unring(struct capability *cap);

/* plan.c */
void plan_run(struct cluster *c, struct capability *cap);
bool plan_goes_on(const struct capability *cap); /* shards have moved, and others waited for that */

/* claims.c */
void claims_open(struct cluster *c, struct capability *cap, struct shards *set); /* takes the content of set */
void claims_drop(struct cluster *c, struct capability *cap, bool may);
void claims_run(struct cluster *c, struct capability *cap);
int claims_granted(struct cluster *c, uint16_t slot, const struct message *m);
void claims_again(struct cluster *c, uint16_t slot, const struct message *m);
void claims_link_up(struct cluster *c, uint16_t slot);
void claims_met(struct cluster *c);
void claims_link_down(struct cluster *c, uint16_t slot);
bool claims_stuck(const struct capability *cap, uint32_t shard);
void claims_excuse(struct cluster *c, uint64_t gap_ms); /* this node has not run for so long */
void claims_progress(struct cluster *c, struct capability *cap, uint16_t slot);
void claims_fini(struct capability *cap);

/* grants.c */
int grants_claim(struct cluster *c, uint16_t slot, const struct message *m);
int grants_hold(struct cluster *c, uint16_t slot, const struct message *m);
int grants_yield(struct cluster *c, uint16_t slot, const struct message *m);
void grants_notify(struct cluster *c, struct capability *cap);
void grants_link_down(struct cluster *c, uint16_t slot);
void grants_deferred(struct cluster *c, struct capability *cap, uint32_t shard); /* a dropped claim has ended */
void grants_release(struct cluster *c, struct capability *cap, uint32_t shard, uint16_t to, uint32_t seq);
/* The peer says, at this clock, that it holds the shard: believed unless something later is known. */
void grants_believe(struct cluster *c, struct row *row, uint16_t slot, uint64_t clock);
void grants_tell(struct cluster *c, struct capability *cap, enum op op, const struct shards *set);

/* handoff.c */
void handoff_add(struct cluster *c, struct capability *cap, const struct cluster_key *key, uint64_t epoch,
                 mesh_bytes snapshot, uint16_t to);
void handoff_marker(struct cluster *c, struct capability *cap, uint32_t shard, uint16_t to, uint32_t seq);
void handoff_run(struct cluster *c, uint16_t slot);
void handoff_ack(struct cluster *c, uint16_t slot, const struct message *m);
int handoff_receive(struct cluster *c, uint16_t slot, const struct message *m);
void handoff_link_down(struct cluster *c, uint16_t slot);
void handoff_offer(struct cluster *c, struct capability *cap, uint16_t slot);
bool handoff_keeps(struct cluster *c, struct capability *cap);
void handoff_fini(struct cluster *c);

/* busy.c: more in busy.h */
int busy_fetched(struct cluster *c, uint16_t slot, const struct message *m);
int busy_granted(struct cluster *c, struct capability *cap, uint16_t slot, const struct message *m);
/* The giver that still has this process, SELF if it is this node; NOBODY: it is not on the move. */
uint16_t busy_where(const struct capability *cap, const struct cluster_key *key);
uint32_t busy_put(struct cluster *c, struct writer *w, const struct capability *cap, const struct shards *set,
                  uint16_t to, bool count);
void busy_redirect(struct cluster *c, struct capability *cap, uint32_t shard, uint16_t to);
void busy_held(struct cluster *c, struct capability *cap, uint32_t shard);
void busy_clear(struct capability *cap);

#endif
