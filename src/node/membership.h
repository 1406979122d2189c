/* A node's membership in a cluster: src/cluster tied to the runtime, over a transport.
 *
 * The cluster's logic takes one event at a time, and what follows from it is carried out before the next. So events
 * stand in one queue, together with requests that come while there is something to carry out: a request never
 * overtakes the parcel or the grant that came before it on the same link. Whoever puts the first event there starts a
 * task, the *runner*, which works until the queue is empty and nothing is due. It carries actions out without the lock:
 * nothing that it calls is called with it, and everything that it sends is sent in order. While there is no runner,
 * requests are routed by whoever has them, and so at once.
 *
 * Most of them without the lock. While there is no runner a *view* is open (routes.h): in it, a request that begins
 * here goes where the last one for its shard went, and one that has come is given to its process if that lives here, or
 * may start without asking. All others take the lock and ask the cluster. Calls that wait for another node are in the
 * lane of that node (lane.h), which has a lock of its own.
 *
 * What the processes of a shard tell while they end (busy, snapshot, idle) goes straight to the cluster, under the
 * lock: it is the answer to an action.
 *
 * The parts: membership.c has links, the queue and the runner; actions.c what the cluster wants done; requests.c where
 * requests go, wait and end; routes.c what is known of that without asking; lane.c the calls that wait for a peer;
 * remote.c what is said to other nodes about all of them. */
#ifndef NODE_MEMBERSHIP_H
#define NODE_MEMBERSHIP_H

#include <pthread.h>

#include <mesh/node.h>

#include "base/log.h"
#include "node/envelope.h"
#include "node/lane.h"
#include "node/list.h"
#include "node/routes.h"
#include "node/transport.h"
#include "runtime/runtime.h"
#include "runtime/wheel.h"

struct capabilities;
struct ring;

enum {
    PARKED_BUCKETS = 1024,
    REQUESTS_MAX = 65536, /* that wait here, and for the answers of each other node, before MESH_EBUSY */
    LINK_CLASSES = 16,
    REQUEST_ROOM = 64,
    FRESH_MS = 10,       /* so long after a look at the clock the node cannot have stood still for suspect_ms */
    CAST_WAIT_MS = 5000, /* how long a cast waits for somewhere to go */
    LINGER_MS = 50, /* a drained node passes on what is still on its way to it, until nothing has come for so long */
    LINGER_MAX_MS = 1000, /* … at most */
};

/* How a node takes part. 0 takes the cluster's default (cluster.h). */
struct membership_options {
    bool discovery; /* others may be found: nothing is claimed before the first link, or boot_ms */
    uint32_t join_ms, claim_ms, boot_ms, suspect_ms, quiet_ms;
    uint32_t majority_of;  /* 0: policy `available`; n: `majority`, of n nodes */
    uint32_t max_requests; /* 0: REQUESTS_MAX */
};

struct membership_stats {
    struct cluster_stats cluster;
    uint64_t requests;  /* now: that wait here or for an answer */
    uint64_t parked;    /* now: of these, for a change of the view */
    uint64_t links;     /* now */
    uint64_t sent;      /* requests, forwarded ones included */
    uint64_t served;    /* requests of other nodes that were for a process here */
    uint64_t moved;     /* answers that another node was to be asked */
    uint64_t lost;      /* calls whose link broke */
    uint64_t dropped;   /* casts that found nowhere to go in time, or no room */
    uint64_t conflicts; /* snapshots that came too late */
    uint64_t malformed; /* messages that broke the protocol */
    uint64_t came;      /* requests of other nodes */
    bool draining;      /* membership_drain was called … */
    bool drained;       /* … and nothing is left */
};

struct node_link {
    struct membership *m;
    void *peer;
    struct block *place; /* see call_place; NULL: there was no memory for it */
    mesh_pid self;       /* node and creation of the peer */
    enum cluster_kind kind;
    _Atomic uint32_t refs;             /* the transport's until node_link_down, requests' and answers' */
    _Atomic(struct lane *) lane;       /* of its slot; NULL: it has had none yet */
    uint16_t slot;                     /* its number in the cluster; 0: not there, or not any more. Under the lock */
    _Atomic bool told_down;            /* written under the lock */
    bool syncing;                      /* it has not answered the question of a drained node. Under the lock */
    struct class *usual[LINK_CLASSES]; /* that came from there, by a hash; the transport's thread */
};

enum item_kind { ITEM_REQUEST, ITEM_UP, ITEM_DOWN, ITEM_MESSAGE, ITEM_BEAM, ITEM_SYNC };

/* What waits for the runner. Or, a request, for something else. */
struct item {
    struct list in; /* first: the queue, a bucket of those that are parked or pending */
    enum item_kind kind;
    struct node_link *link; /* counted; of an event */
    struct block *block;    /* ITEM_MESSAGE: the bytes; ITEM_BEAM: names, each with its NUL */
    uint64_t number;        /* ITEM_SYNC */
};

enum request_state { REQUEST_FREE, REQUEST_QUEUED, REQUEST_PARKED };

/* A call or cast that has no process yet, or whose process is elsewhere. It begins on this node (message), or came from
 * a peer (from). In the list that its state says, in a lane (lane.h), else its holder's alone. */
struct request {
    struct item item; /* first */
    struct timer timer;
    struct message *message; /* begun here; else NULL */
    struct class *class;
    struct node_link *from; /* came from there, counted; else NULL */
    struct block *block;    /* came: the bytes that the views below point into */
    uint64_t number;        /* pending: its number here */
    uint64_t from_number;   /* came: its number there; 0: a cast */
    uint64_t deadline_ns;   /* 0: none */
    uint64_t trace;
    mesh_bytes capability, module, id;
    mesh_term payload, init_arg;
    uint32_t hash; /* phash2 of the id */
    uint32_t shard;
    enum request_state state;
    uint16_t hint; /* another node said that this one is to be asked */
    uint8_t hops, tries;
    bool cast, followed, woken;
    uint32_t room; /* bytes of space */
    uint32_t chain_count;
    const struct link_of_chain *chain; /* the message's; came: as in the envelope, in space */
    _Alignas(struct link_of_chain) uint8_t space[];
};

struct asking {
    struct capability *capability;
    uint32_t shard;
};

struct membership {
    /* Constant after membership_create. */
    struct mesh_node *node;
    struct runtime *runtime;
    struct transport transport;
    uint64_t self_hash; /* of name and creation */
    uint32_t max_requests;
    uint64_t fresh_ns;

    /* For those who have no lock. */
    struct routes routes;
    _Atomic uint64_t clock;          /* the cluster's, and what others have said since the runner came by */
    _Atomic uint64_t fresh_until_ns; /* see FRESH_MS; of clock_now_ns */
    _Atomic(struct lane *) lanes[CLUSTER_MEMBERS_MAX]; /* by slot; made under the lock */

    pthread_mutex_t lock; /* everything below */
    pthread_cond_t changed;
    struct cluster *cluster;
    struct node_link *links[CLUSTER_MEMBERS_MAX]; /* by slot; counted */
    bool running;                                 /* there is a runner */
    bool dirty;                                   /* the cluster has to run */
    bool renew;                                   /* something has changed since the last view was opened */
    bool closed;                                  /* the node stops: nothing is taken any more */
    uint32_t giving;   /* shards that are released, and of which not all that was idle has ended */
    bool draining;     /* the cluster was told to drain */
    bool drained;      /* the cluster has said so */
    uint32_t syncs;    /* links that are syncing */
    struct list queue; /* items */
    struct list parked[PARKED_BUCKETS];
    uint32_t request_count, parked_count; /* in lists */
    uint16_t lane_end;                    /* slots with a lane are below it */
    uint64_t last_number;
    struct wheel wheel; /* deadlines of requests that are in a list */
    struct asking *asking;
    uint32_t asking_count, asking_room;
    uint64_t armed_ns; /* when the tick comes; UINT64_MAX: not */
    bool arming;       /* post is on its way */
    struct post post;
    struct deadline tick;          /* of worker 0 */
    struct membership_stats stats; /* the counters of it */
    struct log_limit conflict_limit;
};

/* ---- membership.c ---- */

/* Makes a running node part of a cluster; transport may be used from here on. Before its first call and capability. */
struct membership *membership_create(struct mesh_node *node, const struct membership_options *options,
                                     const struct transport *transport);

/* Hands everything over and waits for that, at most timeout_ms or until membership_close. Whether it is done. More than
 * one may wait. */
bool membership_drain(struct membership *m, uint32_t timeout_ms);

/* Ends all requests with MESH_ESTOPPING, and takes none any more. More than once is allowed. */
void membership_close(struct membership *m);

/* Lets go of all links. After the transport and the runtime have stopped. */
void membership_unlink(struct membership *m);
void membership_destroy(struct membership *m); /* after runtime_fini */

/* Registers, and gives up: cluster.h has the errors. The latter waits until no shard of it is held and what
 * was idle there has ended, at most timeout_ms. */
int membership_register(struct membership *m, const char *name, const mesh_capability_options *options);
void membership_unregister(struct membership *m, const char *name, uint32_t timeout_ms);

/* The cluster's view: as the functions of mesh/node.h. */
int membership_nodes_for(struct membership *m, const char *capability, mesh_names **names);
int membership_names(struct membership *m, mesh_names **names);
int membership_shards(struct membership *m, const char *capability, uint32_t *shards);
int membership_owner(struct membership *m, const char *capability, uint32_t shard, char *owner, size_t size);

/* Waits until so many nodes are linked and nothing is under way. MESH_ETIMEOUT, MESH_ESTOPPING. */
int membership_await(struct membership *m, uint64_t links, uint32_t timeout_ms);

/* The node's links, sorted by name, *count of them; the caller frees them. */
struct membership_link {
    char node[MESH_NAME_SIZE];
    uint32_t creation;
    enum cluster_kind kind;
};
struct membership_link *membership_links(struct membership *m, size_t *count);

/* How a capability is placed; false: no node has it. ring: if not NULL, set to its ring, which the caller releases, or
 * to NULL, if it has none (cluster_ring). */
bool membership_sight(struct membership *m, const char *capability, struct cluster_sight *sight, struct ring **ring);

void membership_read_stats(struct membership *m, struct membership_stats *stats);

struct node_link *link_hold(struct node_link *link);
void link_drop(struct node_link *link); /* NULL is allowed */

/* With the lock: something has happened that the runner has to see to. */
void membership_poke(struct membership *m);

/* The node has nothing left. Asks each peer to tell when it knows. Runner only, without the lock. */
void membership_drained(struct membership *m);

/* With the lock: the clock of the cluster. Before anything is asked of it. */
void membership_begin(struct membership *m);

/* The hybrid clock of docs/wire.md, for what is said about requests: it does not grow by that. Any thread. */
static inline uint64_t membership_clock(struct membership *m)
{
    return atomic_load_explicit(&m->clock, memory_order_relaxed);
}

/* One that has been seen, or that the cluster has come to. Relaxed: the number is all there is to it. Any thread. */
static inline void membership_clock_seen(struct membership *m, uint64_t clock)
{
    uint64_t now = membership_clock(m);
    while (clock > now && clock < INT64_MAX &&
           !atomic_compare_exchange_weak_explicit(&m->clock, &now, clock, memory_order_relaxed, memory_order_relaxed))
        ;
}

/* With the lock: the runner has to come by at at_ns. */
void membership_arm(struct membership *m, uint64_t at_ns);

/* ---- actions.c ---- */

/* Carries an action out, without the lock; link: of the peer that it names, or NULL. Runner only. */
void action_perform(struct membership *m, const struct cluster_action *a, struct node_link *link);

/* With the lock, when nothing is left to be carried out: rows in which starts need not be asked for any more. */
void action_settle(struct membership *m);

/* ---- requests.c ---- */

/* runtime->elsewhere.take. */
int request_take(void *context, struct worker *w, const struct route *r);

/* A request that came from a peer. */
int request_receive(struct node_link *from, struct worker *w, mesh_bytes bytes, const struct envelope *e);

/* Routes one that is in no list. With the lock, which is released. MESH_OK: it is not the caller's any more; else it
 * ends with this error, by request_end. */
int request_dispatch(struct membership *m, struct worker *w, struct request *q);

/* Puts one that is in no list behind all that waits for the runner; false: the node stops. No lock. */
bool request_again(struct membership *m, struct request *q);

/* Ends one that is in no list: whoever waits for it is told. No lock. */
void request_end(struct membership *m, struct worker *w, struct request *q, int error);
void request_free(struct request *q);

/* One that begins here, of a message and where that is to go, with the hash of its id. spare: memory that may be used
 * for it, and is freed if it is not; NULL is allowed. NULL: no memory. */
struct request *request_of(const struct route *r, uint32_t hash, struct request *spare);

/* With the lock. In a list, and out of it. */
void request_enlist(struct membership *m, struct request *q, enum request_state state);
void request_delist(struct membership *m, struct request *q);

/* With the lock: those that wait in a shard (CLUSTER_ALL: any) are routed next. */
void request_wake(struct membership *m, mesh_bytes capability, uint32_t shard);

/* With the lock: takes out what is late, or everything (now_ns 0); in lanes, too. */
void request_collect(struct membership *m, uint64_t now_ns, struct list *out);

/* ---- remote.c ---- */

/* Sends a message that begins here to the peer of a lane. MESH_OK: it is not the caller's any more. MESH_EMOVED: the
 * link is down. No lock. */
int remote_begin(struct membership *m, struct worker *w, const struct route *r, uint32_t hash, struct lane *lane);

/* Sends one on by a pass; the lock is not held. As request_dispatch. */
int remote_forward(struct membership *m, struct request *q, const struct lane_pass *pass, bool follow);

/* Hands one that came from a peer to its process here. As request_dispatch; MESH_EMOVED: q is still the caller's, and
 * has not ended. */
int remote_serve(struct membership *m, struct worker *w, struct request *q, uint64_t permit);

/* The same for a message that has just been read, by a process that lives here or may start without asking.
 * deadline_ns: 0: none. MESH_EMOVED: neither. */
int remote_serve_read(struct node_link *from, struct worker *w, const struct envelope *e, uint64_t deadline_ns);

/* Tells a peer how its call ended, or whom to ask. No lock. */
void remote_refuse(struct membership *m, struct node_link *to, uint64_t number, uint64_t trace, int error);
void remote_sync(struct membership *m, struct node_link *to, uint64_t number, bool reply);
void remote_moved(struct membership *m, struct node_link *to, uint64_t number, uint64_t trace, mesh_bytes node);

/* An answer from a peer. */
int remote_answered(struct node_link *from, struct worker *w, const struct envelope *e);

#endif
