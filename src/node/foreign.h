/* What processes of this node and processes of other nodes, BEAMs or C nodes, have to do with each other: they write to
 * each other, monitor and link each other, and are called as gen_servers.
 *
 *     from there   a control message (dist/control.h) becomes a message or a signal of the runtime
 *     to there     what the runtime has for a process abroad (struct abroad of runtime.h) becomes a control message
 *
 * Between the two stands a list of *ties*: who here watches whom there under which reference, who there watches whom
 * here, who is linked to whom. A process abroad has a *stand-in* as long as it has a tie: the number by which the
 * runtime knows it. So whatever ends, a process here, a process there or the link between the nodes, the other side
 * learns it, once.
 *
 * Messages. {'$gen_call', {Pid, Tag}, Request} to a process is a call, whose reply goes to Pid or to the alias in Tag;
 * {'$gen_cast', Request} is a cast; anything else an info. A call that fails is not answered: whoever called has a
 * monitor, or a time-out. The registered name `mesh` takes the requests of docs/from-elixir.md.
 *
 * Nodes without a link. What a program here begins (a message, a monitor, a link) asks for a connection and waits for
 * it, in order and bounded. If none comes, messages are dropped, as on a BEAM, and monitors and links are answered with
 * :noconnection. What only answers (replies, DOWN, EXIT) asks for nothing: the other node has lost its side as well.
 *
 * One lock guards the ties; messages that go to a node with a link take none. Functions may be called on any thread; w
 * is the running worker, entered, and NULL in any other place. */
#ifndef NODE_FOREIGN_H
#define NODE_FOREIGN_H

#include "dist/control.h"
#include "runtime/runtime.h"

/* How messages get to other nodes. Called on any thread, sometimes with the lock of the ties held: none of these
 * functions calls back, waits, or takes a lock that its owner holds while he calls a function below. */
struct foreign_ops {
    /* Sends a message after all that the same sender (0: none in particular) has sent to the peer. Its terms are views
     * that end with the call. It is not refused for want of room; a link without memory for it ends.
     * MESH_ENOPROCESS: there is no link to the peer; or there is a new one, before foreign_peer_down of the one before
     * it has returned. */
    int (*send)(void *context, mesh_bytes peer, const struct control *message, uint64_t sender);
    /* Somebody here wants to reach a node without a link: foreign_peer_up follows, or foreign_peer_down if it fails. */
    void (*connect)(void *context, mesh_bytes peer);
    /* A process that foreign_watch was given has ended. Without the lock. NULL, if that is never used. */
    void (*gone)(void *context, uint64_t number);
};

/* Zeros stand for the defaults. */
struct foreign_limits {
    uint32_t ties;    /* monitors and links, and processes watched by foreign_watch: 1,048,576; stand-ins: twice that */
    uint32_t calls;   /* of other nodes that have not been answered: 65,536 */
    uint32_t waiting; /* messages that wait for connections: 16,384 */
    size_t waiting_bytes; /* what they take: 64 MiB */
};

struct foreign_counts {
    uint32_t ties, stand_ins, calls, waiting;
    uint64_t dropped; /* messages to nodes that could not be reached, and those that a full mailbox or limit refused */
};

struct foreign;

/* Takes its place as the runtime's `abroad`: before the runtime's first process. ops and limits (NULL: the defaults)
 * are copied. Ends with the program where there is no memory. */
struct foreign *foreign_create(struct runtime *rt, const struct foreign_ops *ops, void *context,
                               const struct foreign_limits *limits);

/* After runtime_stop has returned MESH_OK and before runtime_fini; nobody else uses it any more. NULL is allowed. A
 * node does it for what is its `foreign` (node.h). */
void foreign_destroy(struct foreign *f);

/* A control message as control_read gave it, from a peer with a link: `deliver` of struct system_config. True: there is
 * such a process, and it has been told; or its answer has been sent. Unlinks are acknowledged by the caller.
 * A link or monitor over the limit is answered with the reason :system_limit. */
bool foreign_deliver(struct foreign *f, struct worker *w, mesh_bytes peer, const struct control *message);

/* A link is up, before anything that came over it is delivered; what waited for it is sent. */
void foreign_peer_up(struct foreign *f, struct worker *w, mesh_bytes peer);

/* A link is down, after all that came over it; or a connection has failed. Monitors give DOWN, links EXIT, both with
 * :noconnection. */
void foreign_peer_down(struct foreign *f, struct worker *w, mesh_bytes peer);

/* Whether a process of this node has that number and lives. */
bool foreign_alive(struct foreign *f, uint64_t number);

/* Has ops.gone called when the process ends: once, however often it is asked for. False: there is no such process, or
 * the limit is reached. */
bool foreign_watch(struct foreign *f, struct worker *w, uint64_t number);

void foreign_count(struct foreign *f, struct foreign_counts *counts);

#endif
