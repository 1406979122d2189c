/* One node's part in the cluster: who is linked, who has which capability, and which shards this node holds.
 *
 * Hold, then serve: a node starts processes only in a shard that it holds, and it holds a shard when every linked C
 * node has granted its claim. docs/wire.md has the rules, the messages and the states. This is the logic alone. Events
 * and the time go in, actions come out; sockets and the runtime drive it in a node, the simulator in tests. The order:
 *
 *     cluster_begin(c, now_ms, wall_ms);
 *     ... any number of events ...
 *     cluster_run(c);
 *     while (cluster_next(c, &action)) ... carry it out ...
 *
 * An action may be answered by events (RELEASE by what the shard's processes do); then cluster_run again. By
 * cluster_wake_ms at the latest the whole is repeated, without events if there are none.
 *
 * One thread at a time. Names and other bytes passed in are copied. No function fails for lack of memory of its own;
 * sizes that peers choose are bounded. Pointers may not be NULL unless a function says so. */
#ifndef CLUSTER_CLUSTER_H
#define CLUSTER_CLUSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mesh/bytes.h>
#include <mesh/error.h>
#include <mesh/placement.h>

#include "cluster/rings.h"
#include "term/block.h"

#define CLUSTER_MEMBERS_MAX RING_NODES_MAX /* this node, and those that are linked */
#define CLUSTER_CAPABILITIES_MAX 1024u     /* known at a time */
#define CLUSTER_ENTRIES_MAX 256u           /* capabilities of one node */

/* Where a time is 0, the default stands. */
#define CLUSTER_JOIN_MS 3000
#define CLUSTER_CLAIM_MS 2000
#define CLUSTER_BOOT_MS 3000
#define CLUSTER_SUSPECT_MS 1000
#define CLUSTER_QUIET_MS 1000

struct cluster;

struct cluster_config {
    mesh_bytes name; /* the full node name */
    uint32_t creation;
    bool discovery;       /* others may be found: claim nothing before the first link, or boot_ms */
    uint32_t join_ms;     /* a node that others are linked to counts as down when it stays unreachable for so long */
    uint32_t claim_ms;    /* a claim is answered within this, or its policy decides */
    uint32_t boot_ms;     /* see discovery */
    uint32_t suspect_ms;  /* a longer gap between two cluster_begin: serve nothing before all links have answered */
    uint32_t quiet_ms;    /* shards move between live nodes when nothing has changed for so long */
    uint32_t majority_of; /* 0: policy `available`; n: `majority`, of n nodes */
    struct rings *rings;  /* shared with others of this process; NULL: its own */
    uint32_t rules_off;   /* bit n: rule n is not kept. For tests of the tests; 0 in every node */
};

struct cluster *cluster_create(const struct cluster_config *config, uint64_t now_ms, uint64_t wall_ms);
void cluster_destroy(struct cluster *c); /* NULL is allowed */

/* ---- events ----------------------------------------------------------------------------------------------------- */

/* now_ms never decreases and goes on while the machine sleeps; wall_ms is the time since 1970, and may step. */
void cluster_begin(struct cluster *c, uint64_t now_ms, uint64_t wall_ms);
void cluster_run(struct cluster *c);

/* When to call again, at the latest; UINT64_MAX: when there is an event. */
uint64_t cluster_wake_ms(const struct cluster *c);

enum cluster_kind {
    CLUSTER_C,      /* speaks the messages of docs/wire.md */
    CLUSTER_BEAM,   /* a BEAM node with Mesh 0.1.4: see cluster_beam_capabilities */
    CLUSTER_HIDDEN, /* any other: no part in all this */
};

/* A link is up; the other side is told by its own. *peer is its number until cluster_link_down. An older link of this
 * name must be down before. MESH_EEXISTS: it is not; MESH_EBADNAME; MESH_ELIMIT: CLUSTER_MEMBERS_MAX are linked. */
int cluster_link_up(struct cluster *c, mesh_bytes name, uint32_t creation, enum cluster_kind kind, uint16_t *peer);
void cluster_link_down(struct cluster *c, uint16_t peer);

/* A message for the registered name `mesh`: a term without its version byte. MESH_OK also for one that a later version
 * may send. MESH_EBADTERM, MESH_ETOOBIG: the peer breaks the protocol, and its link ought to be closed. */
int cluster_receive(struct cluster *c, uint16_t peer, mesh_bytes bytes);

/* What a node says that it has: this node, or a BEAM node. */
struct cluster_capability {
    enum mesh_strategy strategy;
    uint32_t shards; /* 1 to RING_SHARDS_MAX */
    uint32_t weight; /* 1 to RING_WEIGHT_MAX */
    mesh_place_fn place;
    void *context;
};

/* Registers a capability, or takes it back into use while it leaves. MESH_EINVAL, MESH_EBADNAME, MESH_ELIMIT;
 * MESH_EEXISTS: it is there with other options; MESH_ESTOPPING: the node drains. */
int cluster_register(struct cluster *c, mesh_bytes name, const struct cluster_capability *capability);

/* The node gives it up. It is announced as leaving until its last process has moved or stopped. MESH_ENOCAPABILITY. */
int cluster_unregister(struct cluster *c, mesh_bytes name);

/* All capabilities of a BEAM node, as it announced them; replaces what was known. */
void cluster_beam_capabilities(struct cluster *c, uint16_t peer, const mesh_bytes *names, size_t count);

/* Everything leaves, nothing is claimed any more; when all is handed over, CLUSTER_DRAINED. */
void cluster_drain(struct cluster *c);

/* A process, by what identifies it. */
struct cluster_key {
    mesh_bytes capability, module, id;
    uint32_t shard;
};

/* Of a shard that is being released (after CLUSTER_RELEASE): a process is inside a handler and stays for now. */
void cluster_busy(struct cluster *c, const struct cluster_key *key);

/* Of such a shard: a process has ended, or a snapshot of one was kept in this node's memory. epoch is that under which
 * it ran last. snapshot: a term, or no bytes when there is none. Those that were named busy come later, after
 * cluster_released. */
void cluster_snapshot(struct cluster *c, const struct cluster_key *key, uint64_t epoch, mesh_bytes snapshot);

/* Everything that was idle in this shard has been told by cluster_snapshot, everything else by cluster_busy. */
void cluster_released(struct cluster *c, mesh_bytes capability, uint32_t shard);

/* ---- actions ---------------------------------------------------------------------------------------------------- */

enum cluster_action_kind {
    CLUSTER_SEND,     /* message to peer, in this order */
    CLUSTER_HOLD,     /* shard: processes may start in it, under epoch */
    CLUSTER_RELEASE,  /* shard: nothing starts in it any more; answered by cluster_busy, _snapshot, then _released */
    CLUSTER_ADOPT,    /* a snapshot for key, to start from: kept unless there is one of a later epoch */
    CLUSTER_CONFLICT, /* a snapshot for key came too late: the module's `conflict` gets it; it overwrites nothing */
    CLUSTER_WAKE,     /* requests that wait in this shard (CLUSTER_ALL: of this capability) are to be routed again */
    CLUSTER_CLOSE,    /* the link to peer: it is of no use */
    CLUSTER_LOG,      /* note: something to tell an operator, about peer or capability or both */
    CLUSTER_DRAINED,  /* nothing is left here; what is on its way here can still be sent on for a moment */
};

#define CLUSTER_ALL UINT32_MAX

enum cluster_note {
    CLUSTER_NOTE_FORCED,      /* number shards were taken without the answer of peer */
    CLUSTER_NOTE_UNREACHABLE, /* others are linked to `name`, this node is not, for join_ms */
    CLUSTER_NOTE_DISAGREE,    /* peer (or this node) has other options: number is the shard count to set, text all */
    CLUSTER_NOTE_AGREE,       /* they are equal again */
    CLUSTER_NOTE_CONFLICT,    /* number shards were held twice when the link to peer came up; this node gave way */
    CLUSTER_NOTE_VERSION,     /* peer speaks no version that this node knows */
    CLUSTER_NOTE_QUORUM_LOST,
    CLUSTER_NOTE_QUORUM,
    CLUSTER_NOTE_SUSPECT, /* this node did not run for number ms, and asks its links */
    CLUSTER_NOTE_SERVING, /* it has their answers */
};

/* Views of it are valid until the next call of cluster_next. */
struct cluster_action {
    enum cluster_action_kind kind;
    uint16_t peer;         /* SEND, CLOSE, LOG (0: none) */
    mesh_bytes message;    /* SEND: a term without its version byte */
    struct block *block;   /* SEND: what message is a view of; to be held by who keeps it longer */
    mesh_bytes capability; /* HOLD, RELEASE, WAKE, LOG */
    uint32_t shard;        /* HOLD, RELEASE, WAKE */
    uint64_t epoch;        /* HOLD, ADOPT, CONFLICT */
    struct cluster_key key;
    mesh_bytes snapshot; /* ADOPT, CONFLICT: a checked term */
    enum cluster_note note;
    uint64_t number;
    mesh_bytes text; /* LOG: a sentence for people, or none */
};

/* The next action, in *action; false: there is none. */
bool cluster_next(struct cluster *c, struct cluster_action *action);

/* ---- where a request goes ---------------------------------------------------------------------------------------- */

struct cluster_request {
    struct cluster_key key;
    uint16_t from; /* the peer that sent it; 0: it began on this node; UINT16_MAX: no peer that is linked, or it has
                      waited here and was woken, and so may go back */
    uint16_t hint; /* it began here, and was answered MOVED with the name of this peer; 0: not so */
    uint8_t hops;  /* how often it has been sent already. One that has waited and is woken begins anew where it began
                      (0),  and may go once more elsewhere (CLUSTER_HOPS_MAX - 1) */
    bool moved;    /* its sender understands MOVED: a call of a C node */
    bool followed; /* it was sent here by CLUSTER_FOLLOW */
};

enum cluster_route {
    CLUSTER_SERVE,   /* here */
    CLUSTER_TO,      /* send it to *peer, with one hop more */
    CLUSTER_FOLLOW,  /* the same, marked: *peer has given the shard up, but still has the process */
    CLUSTER_MOVED,   /* answer the node where it began that *peer is to be asked */
    CLUSTER_WAIT,    /* until CLUSTER_WAKE of its shard, or its deadline */
    CLUSTER_REFUSED, /* with the error in *error */
};

enum { CLUSTER_HOPS_MAX = 2 };

enum cluster_route cluster_route(struct cluster *c, const struct cluster_request *request, uint16_t *peer, int *error);

/* ---- looking at it ----------------------------------------------------------------------------------------------- */

/* Whether this node may start and run processes at all now: it is not suspect, and it has its quorum. */
bool cluster_serves(const struct cluster *c);

/* The epoch of a shard that this node holds, else 0. */
uint64_t cluster_epoch(const struct cluster *c, mesh_bytes capability, uint32_t shard);

/* Merges a clock seen in a request, and gives this node's own for one that it sends. */
void cluster_clock_seen(struct cluster *c, uint64_t clock);
uint64_t cluster_clock(struct cluster *c);

/* The ring of a capability as this node sees it, valid until the next event; NULL: no node has it, or it has a strategy
 * of the program's own that this node lacks. */
const struct ring *cluster_ring(struct cluster *c, mesh_bytes capability);

/* The holder of a shard as far as this node knows: a name, valid until the next event; empty: unknown. */
mesh_bytes cluster_holder(const struct cluster *c, mesh_bytes capability, uint32_t shard);

/* The number of a linked peer, and its name. False, and no bytes, for one that is not linked; 0 is this node itself. */
bool cluster_peer(const struct cluster *c, mesh_bytes name, uint16_t *peer);
mesh_bytes cluster_name(const struct cluster *c, uint16_t peer);

/* Whether a process of this shard may still be inside a handler at another node: then each start in it has to be asked
 * for by cluster_route. Else CLUSTER_HOLD is enough. */
bool cluster_asks(const struct cluster *c, mesh_bytes capability, uint32_t shard);

/* Whether cluster_route says the same for all processes of a shard: none of it may still be inside a handler at a node
 * that has given the shard up. */
bool cluster_routes_alike(const struct cluster *c, mesh_bytes capability, uint32_t shard);

/* The capabilities that some node has, one by one, in no order: index from 0 on until *exists is false. No bytes: this
 * one is nobody's any more. */
mesh_bytes cluster_capability_name(const struct cluster *c, uint32_t index, bool *exists);

/* Whether the peer's hello has come: from here on both count each other as linked. */
bool cluster_met(const struct cluster *c, uint16_t peer);

/* How a capability is placed, as this node sees it. */
struct cluster_sight {
    enum mesh_strategy strategy;
    mesh_place_fn place; /* of MESH_CUSTOM; NULL: this node lacks it */
    void *context;
    uint32_t shards;
    uint32_t nodes; /* that have it and do not leave it */
    uint32_t held;  /* shards that this node holds */
    bool disagree;  /* nodes differ in strategy or shard count, and those in the minority are left out */
};

/* False: no node has it, not even as leaving. */
bool cluster_sight(struct cluster *c, mesh_bytes capability, struct cluster_sight *sight);

struct cluster_stats {
    uint32_t linked; /* C nodes that this node has met */
    uint32_t capabilities;
    uint32_t held, claiming, releasing; /* shards */
    bool synced;                        /* rule 3 */
    uint64_t claims, claims_forced;     /* shards, since the start */
    uint64_t conflicts;                 /* shards that were held twice and given up here */
    uint64_t parcels_waiting;           /* not yet acknowledged */
};

void cluster_stats(const struct cluster *c, struct cluster_stats *stats);

#endif
