/* A node in a cluster of other programs: the net's links, the services that other nodes expect, discovery, and the
 * node's membership, tied to each other.
 *
 *   net (dist/net.h)         links that come up, say something, and go down, each on its worker
 *   membership (node/)       gets the links to members, and what they say to the name `mesh`
 *   processes (node/foreign.h) get what is for pids of processes, and the rest that is not for a service
 *   services (dist/system.h) get everything else, and who is up
 *   discovery                says whom to dial
 *
 * A link is a struct peer from `up` to `down`, and as long as the membership uses it. What comes for the membership
 * takes no lock here; the services have one lock for all of theirs, and call nothing under it that comes back.
 *
 * The parts: join.c begins and ends, links.c has the links, services.c the services, finding.c discovery, rpc.c calls
 * of functions of other nodes, and functions.c those that others may call. */
#ifndef JOIN_JOIN_H
#define JOIN_JOIN_H

#include <pthread.h>
#include <uv.h>

#include <mesh/cluster.h>

#include "base/log.h"
#include "discovery/strategy.h"
#include "dist/flags.h"
#include "dist/net.h"
#include "dist/system.h"
#include "node/node.h"

enum { JOIN_REF_SERVICES = 1 }; /* the third word of the services' references; those of processes have 0 */

enum { JOIN_TICK_MS = 100, JOIN_STRATEGIES_MAX = 16 };

struct join;
struct beginning;
struct functions;

/* A link that is up, or was. */
struct peer {
    struct peer *next; /* join->peers, under its lock */
    struct join *join;
    struct net_link *link; /* held */
    _Atomic uint32_t refs; /* the link's until `down`, and the membership's */

    /* Constant. */
    bool visible;           /* to the BEAM's nodes(), and to ours */
    enum cluster_kind kind; /* CLUSTER_HIDDEN: the membership does not know of it */

    struct node_link *member; /* the link's worker's */
};

/* Somebody who waits for a connection: see join_connect. In join->waiters, under its lock. */
struct waiter {
    struct waiter *next;
    const char *name;
    bool up, failed;
};

struct call; /* of a function of another node: rpc.c */

/* A strategy that runs. */
struct strategy {
    const struct discovery_strategy *ops;
    struct discovery *running;
};

struct join {
    /* Constant after join_begin. */
    struct mesh_node *node;
    struct net *net;
    bool hidden;
    struct beginning *beginning; /* only meanwhile: join.c */
    mesh_buf to_mesh;            /* the control message before all that the membership says */

    pthread_mutex_t lock; /* the next six; a leaf, but for the net's */
    pthread_cond_t changed;
    struct peer *peers;
    struct waiter *waiters;
    struct call *calls;
    uint32_t last_call;
    bool stopping;

    pthread_mutex_t services_lock; /* before lock, and before the node's: functions.c reads its numbers */
    struct system system;
    uint64_t last_called;
    struct functions *functions; /* that others may call; NULL: hidden, none. Constant from services_begin on */

    /* Worker 0's, but for begin and end. */
    struct strategy strategies[JOIN_STRATEGIES_MAX];
    size_t strategy_count;
    uv_timer_t tick;
    struct errand close;
    uint32_t parts; /* the tick and strategies that have not closed */
    bool closed;    /* under lock */

    struct log_limit log_dial;
};

/* What mesh_cluster_join does, with checked options but for those of net_create and of strategies. */
int join_begin(struct mesh_node *node, const mesh_cluster_options *options, mesh_reason *reason);

/* The join of a node; NULL: it is one of its own. */
struct join *join_of(const struct mesh_node *node);

/* As the functions of mesh/cluster.h. */
int join_connect(struct join *j, const char *name, uint32_t timeout_ms);
int join_disconnect(struct join *j, const char *name);
int join_nodes(struct join *j, bool hidden, mesh_names **names);
int join_rpc(struct join *j, const char *target, const char *module, const char *function, mesh_term args,
             uint32_t timeout_ms, mesh_buf *value);
void join_stats(struct join *j, mesh_cluster_stats *stats);

/* ---- between the parts ------------------------------------------------------------------------------------------- */

/* links.c: what the net is given, and what the membership is given. */
extern const struct net_ops join_net_ops;
extern const struct transport_ops join_transport_ops;

/* Whose order is kept, beside the processes, which are senders by their numbers, and the orders of requests. */
enum { SENDER_MEMBERSHIP, SENDER_SERVICES };
#define SENDER_REQUESTS (UINT64_C(1) << 63)

/* A message to a process of a peer. MESH_ENOPROCESS: the link is down; MESH_ENOMEM, MESH_ETOOBIG; MESH_EBUSY after
 * wait_ms, unless must. Any thread. */
int link_tell(struct net_link *link, const struct control *message, uint64_t sender, bool must, uint32_t wait_ms);

/* The same, of what somebody waits for without a time-out: a link that cannot take it ends. Nothing is refused for want
 * of room. MESH_ENOPROCESS: there is no link. */
int link_owe(struct join *j, mesh_bytes peer, const struct control *message, uint64_t sender);

/* Wants a connection. */
void link_want(struct join *j, mesh_bytes peer);

/* join.c. Of net_ops: the creation is known. Worker 0. */
int join_created(void *context, struct net *net, uint32_t creation);

/* Has a link to a member tell what that says to the membership without reading what stands before. In `up`;
 * MESH_ENOMEM. */
int join_expect(struct net_link *link);

/* Of transport_ops. */
void join_stop(void *context);
void join_destroy(void *context);

/* services.c */
void services_begin(struct join *j, uint32_t creation);
void services_end(struct join *j);
void services_shutdown(struct join *j); /* the links are about to go */
void services_up(struct peer *p);
void services_down(struct join *j, const char *name);
void services_message(struct peer *p, const struct control *message);
void services_tick(struct join *j);

/* processes.c */
void processes_begin(struct join *j);
/* A message for a process, or a registered name, of the user's. True: there is one. */
bool processes_deliver(struct join *j, mesh_bytes peer, const struct control *message);
/* The same for one that needs nobody else: it is then dealt with. False: the services are to be asked. */
bool processes_take(struct join *j, mesh_bytes peer, const struct control *message);

/* finding.c. Worker 0; strategies that exist. MESH_EINVAL, MESH_ESYSTEM: one of them cannot run; those before it do,
 * and are to be stopped. */
int finding_start(struct join *j, const mesh_discovery *discovery, size_t count, mesh_reason *reason);
const void *finding_options(const mesh_discovery *d); /* a struct of zeros for none */
void finding_stop(struct join *j);                    /* join_part_closed follows for each */
void join_part_closed(void *context);

/* rpc.c. A message to a pid of PIDS_CALLERS; what waits for a peer (NULL: for any) is told an error. */
void rpc_answered(struct join *j, uint64_t number, mesh_term message);
void rpc_fail(struct join *j, const char *name, int error);

/* With join->lock: waits for `changed`, until the time (clock_now_ns) is over. False: it is. */
bool join_wait(struct join *j, uint64_t until_ns);

#endif
