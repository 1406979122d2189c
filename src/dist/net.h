/* The connections of a node to other nodes: listening, dialling, handshakes, and the bytes of those that are up.
 *
 * Worker 0 of the runtime does what concerns all connections: it accepts, dials, shakes hands, talks to epmd, and is
 * the only one that touches the table of peers (peers.h), which so needs no lock. A connection whose handshake is done
 * is a *link*, and belongs to the worker that the hash of the peer's name gives: that one reads, writes, ticks, and
 * ends it. So the worker that reads a message can run the process it is for.
 *
 * For one name, in this order and each on the link's worker, between handlers: `up`; `message` or `expected`, as often
 * as messages come; `down`, once. A new link of that name comes up after the old one's `down` has returned. These
 * functions and dial_failed may call everything here but net_create, net_stop, net_destroy, and net_send with a time to
 * wait; they must not block, and run no code of the user's. No function here calls an op from inside, so that a caller
 * may hold locks that the ops take, unless it waits.
 *
 * Sending is for any thread. Messages of one sender arrive in their order; others go past a large one (outbox.h). What
 * has not been written when a link ends is lost, and nobody is told of each message: `down` tells it for all. */
#ifndef DIST_NET_H
#define DIST_NET_H

#include <mesh/term.h>

#include "dist/control.h"
#include "dist/outbox.h"

struct net;
struct net_link;
struct runtime;

#define NET_TICKTIME_MS 60000u /* default of net_options.ticktime_ms */
#define NET_PROBE_MS 3000u     /* default of net_options.probe_ms */

/* Why a link ended, or could not be made. */
#define NET_REASONS(X)                                                                                                 \
    X(STOPPING, "this node stops")                                                                                     \
    /* of links */                                                                                                     \
    X(DISCONNECTED, "disconnected on request")                                                                         \
    X(CLOSED, "the peer has closed the connection")                                                                    \
    X(BROKEN, "the connection broke")                                                                                  \
    X(SILENT, "nothing has come from the peer for the time of ticks")                                                  \
    X(REPLACED, "the peer has connected anew")                                                                         \
    X(REFUSED, "the peer sent what is refused")                                                                        \
    /* of dialling */                                                                                                  \
    X(NAME, "not the name of another node, or not an allowed one")                                                     \
    X(FULL, "too many handshakes are under way")                                                                       \
    X(HOST, "its host is not known, or no epmd answers there")                                                         \
    X(UNKNOWN, "the epmd of its host does not know it")                                                                \
    X(UNREACHED, "nobody answers at its port")                                                                         \
    X(HANDSHAKE, "the peer has ended the handshake; maybe the cookies differ")                                         \
    X(TIMEOUT, "it took too long")

enum net_why {
#define NET_WHY_ENUM(name, text) NET_##name,
    NET_REASONS(NET_WHY_ENUM)
#undef NET_WHY_ENUM
};

struct net_reason {
    enum net_why why;
    enum refusal refusal; /* of REFUSED and HANDSHAKE; else REFUSAL_NONE */
};

/* The text of a reason: of its refusal, if it has one. A constant without a full stop. */
const char *net_reason_text(const struct net_reason *reason);

struct net_ops {
    /* The creation is known, and nobody has connected yet: the first op, once, on worker 0. Anything but MESH_OK: the
     * net does not start, and net_create returns this. NULL: nobody wants to know. */
    int (*created)(void *context, struct net *net, uint32_t creation);

    /* The link is up: from now on net_find gives it. Only afterwards anything is read from it. */
    void (*up)(void *context, struct net_link *link);

    /* A message has come. What *control points to is valid during the call; if hold is not NULL it is in that block,
     * and block_hold makes it last. */
    void (*message)(void *context, struct net_link *link, const struct control *control, struct block *hold);

    /* The same for one that begins as net_link_expect has said: bytes that nobody has checked. False: the peer breaks
     * the protocol, and the link is refused. NULL: nothing is expected. */
    bool (*expected)(void *context, struct net_link *link, mesh_bytes message, struct block *hold);

    /* The link has ended; net_find no longer gives it, sending on it is MESH_ESTOPPED. */
    void (*down)(void *context, struct net_link *link, const struct net_reason *reason);

    /* An accepted net_dial has led to nothing; name is valid during the call. On worker 0. */
    void (*dial_failed)(void *context, const char *name, const struct net_reason *reason);
};

struct net_options {
    const char *name;   /* of this node, alive@host; the host part is where others ask for it */
    mesh_bytes cookie;  /* 1 byte or more */
    bool hidden;        /* not among the nodes() of BEAM nodes */
    uint16_t port;      /* to listen on; 0: any */
    const char *listen; /* an address to listen on; NULL: all, IPv6 and IPv4 */

    bool no_epmd;             /* registers nowhere, and asks nobody for ports: peers are dialled at dial_port */
    uint16_t dial_port;       /* 0: the own port */
    bool no_epmd_server;      /* does not start an epmd where none runs: starting fails */
    uint16_t epmd_port;       /* 0: ERL_EPMD_PORT, else 4369 */
    const char *epmd_address; /* where an epmd of our own listens; NULL: ERL_EPMD_ADDRESS, else everywhere */

    uint32_t ticktime_ms;        /* the same on all nodes; 0: NET_TICKTIME_MS; at least 1000 */
    uint32_t probe_ms;           /* likewise, of links to nodes of this kind (DIST_MESH); 0: NET_PROBE_MS, at most
                                    ticktime_ms */
    uint32_t half_open_max;      /* handshakes at a time; 0: PEERS_HALF_OPEN_MAX */
    struct frame_limits receive; /* what a peer may cost */
    struct outbox_limits send;   /* what may wait for a peer */
    const mesh_limits *terms;    /* of what a peer sends; NULL: the defaults, with receive.max_message as length */

    /* Whether this node talks to that one; NULL: to all. Called on worker 0, with net_ops' context. */
    bool (*allowed)(void *context, mesh_bytes peer);
};

/* What is wrong, for people. */
struct net_trouble {
    char text[512];
};

/* Starts: listens, registers at epmd (or starts one, see epmd_register_io.h), and waits for that, some seconds at most.
 * The runtime has been started, and outlives the net; options and what they point to are copied, ops is constant. From
 * here on nodes may connect, and the ops be called, maybe before this returns; *out is set before.
 * MESH_EBADNAME: the name; MESH_EINVAL: an option; MESH_EEXISTS: epmd knows another node of this name; MESH_ESYSTEM:
 * the port or epmd. *trouble then says more. MESH_ECONTEXT: not in a plain thread. */
int net_create(struct runtime *rt, const struct net_options *options, const struct net_ops *ops, void *context,
               struct net **out, struct net_trouble *trouble);

/* Ends everything: new dials and sends are refused, attempts are given up (dial_failed), links are closed when
 * what waits has been written, after 2 s at most (down, NET_STOPPING). When it returns no op runs or will be called,
 * and every descriptor is closed; a look-up of a host that the system's resolver has begun is waited for. From a plain
 * thread (else MESH_ECONTEXT), once, before runtime_fini; threads that wait in net_send return. */
int net_stop(struct net *net);

/* Frees a stopped net. Links that are still held live on, but for net_send, which is MESH_ESTOPPED. */
void net_destroy(struct net *net);

/* Whether net_stop has begun: then links that go down say nothing about their peers. Any thread. */
bool net_is_stopping(const struct net *net);

/* Of this incarnation: from epmd, or a random number of at least 4. */
uint32_t net_creation(const struct net *net);
uint16_t net_port(const struct net *net);

/* Wants a link to a node. MESH_OK: it is up, or `up` or `dial_failed` will be called for it, in 15 s at most.
 * MESH_ESTOPPED. Any thread. */
int net_dial(struct net *net, const char *name);

/* The link to a node that is up, held; or NULL. Any thread. Meant to be asked once and kept: it searches. */
struct net_link *net_find(struct net *net, mesh_bytes name);

/* Has a link end, soon; nothing if it has ended. What waits is written as far as the socket takes it at once. Messages
 * that have come may still be told before `down`. Any thread. */
void net_disconnect(struct net_link *link);

/* What a peer's flags, creation and name are: constant. */
const char *net_link_peer(const struct net_link *link);
uint32_t net_link_creation(const struct net_link *link);
uint64_t net_link_flags(const struct net_link *link); /* negotiated: what control_put takes */

/* A place for the layer above; written by `up` at the earliest, read and written on the link's worker. */
void net_link_set_user(struct net_link *link, void *user);
void *net_link_user(const struct net_link *link);

/* Control messages that are exactly these bytes need not be read: most of what a peer sends may begin with the very
 * same. What follows them is told to `expected`, not to `message`. From `up`, once at most; copied. MESH_ENOMEM. */
int net_link_expect(struct net_link *link, mesh_bytes control);

struct net_link *net_link_hold(struct net_link *link);
void net_link_release(struct net_link *link);

/* Sends a message. control is what control_put made, and message the bytes that it gave; see struct outbox_message.
 * Nothing of *m is needed afterwards. MESH_EBUSY: as much waits for this peer as may, for wait_ms (0: do not wait);
 * MESH_ETOOBIG: over send.max_message; MESH_ENOMEM; MESH_ESTOPPED: the link has ended. Any thread; a handler that waits
 * suspends, a thread blocks. Where waiting is not possible (MESH_ECONTEXT, MESH_ESUSPENDED, MESH_ESYSTEM) nothing has
 * been sent either. */
int net_send(struct net_link *link, const struct outbox_message *m, uint32_t wait_ms);

struct net_stats {
    uint64_t accepted, dialled;
    uint64_t turned_away; /* more half-open connections than may be */
    uint64_t ups, downs;
    uint64_t bytes_in, bytes_out, messages_in;
    uint64_t refusals[REFUSAL_KINDS]; /* by kind: handshakes and links */
};

/* Any thread. Each number stands for itself. */
void net_stats(struct net *net, struct net_stats *out);

#endif
