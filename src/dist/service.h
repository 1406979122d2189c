/* What the services of a node have in common: who the node is, where their actions go, and the messages that all of
 * them send. A service is a process as other nodes see it (a pid, perhaps a registered name) and a state machine here:
 * events and the time go in, actions come out.
 *
 *   events    the connection to a peer is up or down, a control message from a peer, a tick
 *   actions   send a control message to a peer, connect to a peer, disconnect it
 *
 * One thread, or one lock, for all services of a node. No I/O, no clock.
 *
 * What cannot be sent because memory is refused ends the connection to that peer: somebody there waits for it, in some
 * cases without a timeout, and learns it no other way. */
#ifndef DIST_SERVICE_H
#define DIST_SERVICE_H

#include "dist/control.h"
#include "dist/names.h"

/* Actions. They are called from inside the services, so they only note down what is to be done: none of them calls
 * back into a service. What they lead to is an event, later. */
struct service_actions {
    /* Sends the message, after all earlier ones to that peer. Its terms are views that end with the call. A peer
     * that is not up, or has been disconnected: nothing happens. */
    void (*send)(void *context, mesh_bytes peer, const struct control *message);

    /* Makes sure that there is a connection. The event that answers it is peer_up, or peer_down if it fails; none if
     * the peer is up. */
    void (*connect)(void *context, mesh_bytes peer);

    /* Ends the connection; peer_down follows. */
    void (*disconnect)(void *context, mesh_bytes peer);
};

struct service {
    const struct service_actions *actions;
    void *context; /* of the actions */
    uint32_t creation;
    char self[NAME_MAX_BYTES + 1];
};

static inline mesh_bytes service_self(const struct service *s)
{
    return mesh_str(s->self);
}

static inline bool service_same(mesh_bytes a, mesh_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* The pid of this node with that number, and appending it. */
mesh_pid service_pid(const struct service *s, uint64_t number);
int service_put_pid(const struct service *s, mesh_buf *buf, uint64_t number);

/* Whether term is a pid of this node, in its present incarnation; its number in *number. */
bool service_is_own(const struct service *s, mesh_term term, uint64_t *number);

/* The node of a pid or a reference, as a view; empty for other terms. */
mesh_bytes service_node(mesh_term term);

enum mesh_type service_type(mesh_term term);

/* The three below take what mesh_build returned with its buffer: a failure there is one of memory (above). They empty
 * the buffer and free its memory.
 *
 * A message from the process `from` to a process of the peer: its pid, or its registered name. */
void service_send(const struct service *s, mesh_bytes peer, uint64_t from, mesh_term to, int built, mesh_buf *message);
void service_send_name(const struct service *s, mesh_bytes peer, uint64_t from, const char *name, int built,
                       mesh_buf *message);

/* A request to a gen_server, and the sender of it as it has to be answered. */
struct service_call {
    mesh_term from; /* a pid */
    mesh_term tag;  /* any term; [alias | Ref] and [[alias | Ref] | _] are answered to the alias */
    mesh_term request;
};

/* Whether message is {'$gen_call', {Pid, Tag}, Request}. Views of message. */
bool service_is_call(mesh_term message, struct service_call *out);

/* Answers it with {Tag, Value}. */
void service_reply(const struct service *s, mesh_bytes peer, uint64_t from, const struct service_call *call, int built,
                   mesh_buf *value);

/* Answers a monitor, or a link, whose process is not there: DOWN or EXIT with the reason noproc. */
void service_noproc(const struct service *s, mesh_bytes peer, const struct control *asked);

#endif
