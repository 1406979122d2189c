/* What carries messages between the nodes of a cluster, as the node sees it: links that are up or down, and on each an
 * ordered stream of terms to the registered name `mesh` of the other side.
 *
 * The transport finds peers, connects, authenticates, sees to it that of two nodes there is one link at a time, and
 * notices dead ones. The node decides what is said. Below are the functions that the node calls, then those that the
 * transport calls.
 *
 * A worker that is in the runtime (a callback of its loop, an errand, a post) passes itself as `w`; every other place,
 * user code on a worker included, passes NULL. Nobody holds a lock of his own while he calls the other side. */
#ifndef NODE_TRANSPORT_H
#define NODE_TRANSPORT_H

#include <stdbool.h>
#include <stdint.h>

#include <mesh/bytes.h>

#include "cluster/cluster.h"
#include "term/block.h"

struct mesh_node;
struct worker;

/* A link, from node_link_up to node_link_down. The node's. */
struct node_link;

/* Called on any thread, also several at once, in the runtime as well as outside of it. None may block but stop. */
struct transport_ops {
    /* Sends a term without its version byte to the name `mesh` at the peer, behind what was sent to it before in the
     * same order; one that is large may be passed by those of other orders. 0 is the cluster's. block: what message is
     * in, to be held by whoever keeps it longer than the call; NULL: then it has to be copied, and is short
     * (LETTER_FEW_BYTES). must: however much waits, this is taken; what is sent so is bounded by the node.
     * MESH_EBUSY: as much waits as may (never with must); MESH_ETOOBIG; MESH_ENOMEM; MESH_ENOPROCESS: the link is down,
     * which node_link_down tells or has told. */
    int (*send)(void *peer, mesh_bytes message, struct block *block, uint64_t order, bool must);
    /* Ends the link, after what was sent before if that goes out soon; node_link_down follows. More than once is
     * allowed. */
    void (*close)(void *peer);
    /* The node will not use peer any more. Once, after node_link_down. */
    void (*release)(void *peer);
    /* Ends every link likewise, and returns when no upcall runs and none will come. On an ordinary thread, while the
     * workers still run. */
    void (*stop)(void *context);
    /* Frees the context: nothing of the node will call any more. NULL: whoever made it does, after the node. */
    void (*destroy)(void *context);
};

struct transport {
    const struct transport_ops *ops; /* NULL: there is none */
    void *context;                   /* given to stop and destroy */
};

/* A link is up. An earlier one to the same name was told down before. peer: given to the functions above. *link is set
 * before this returns; from then on it is the transport's until node_link_down. A peer that this node cannot have (two
 * of a name, or too many) is closed soon. Upcalls of one link come one after the other. */
void node_link_up(struct mesh_node *node, mesh_bytes name, uint32_t creation, enum cluster_kind kind, void *peer,
                  struct node_link **link);

/* The link is down, whoever ended it. link is not the transport's any more. */
void node_link_down(struct node_link *link, struct worker *w);

/* A term that the peer sent to the name `mesh`, without its version byte; valid during the call, not checked before.
 * MESH_OK; else the peer breaks the protocol, and its link ought to be closed. */
int node_link_message(struct node_link *link, struct worker *w, mesh_bytes message);

/* Everything that a BEAM node says it has; replaces what it said before. Names without a NUL. MESH_ENOMEM. */
int node_link_capabilities(struct node_link *link, const mesh_bytes *names, size_t count);

#endif
