/* Control messages: what two connected nodes say to each other. erl_dist_protocol(3), "Protocol between Connected
 * Nodes". The body of a packet (frame.h) is a control tuple, whose first element is the operation, and for some
 * operations a message:
 *
 *   1 {From, To}             link                     21 {ProcOrName, To, Ref, Reason}   monitored process is down
 *   2 {_, To} m              send                     22 {From, To} m                    send, with the sender
 *   3 {From, To, Reason}     exit by a link           24 {From, To} m                    3, the reason as message
 *   4 {From, To}             unlink, before OTP 26    26 {From, To} m                    8, likewise
 *   6 {From, _, Name} m      send to a name           28 {ProcOrName, To, Ref} m         21, likewise
 *   7 {From, To}             group leader             29 {Ref, From, Leader, {M,F,A}, Options} m   spawn
 *   8 {From, To, Reason}     exit/2                   31 {Ref, To, Flags, PidOrReason}   spawned, or why not
 *   19 {From, To, Ref}       monitor                  33 {From, Alias} m                 send to an alias
 *   20 {From, To, Ref}       demonitor                35 {Id, From, To}                  unlink; 36 is the answer
 *                                                     37 {Flags, From, To} m             send or exit/2, by flags
 *
 * 12, 13, 16, 18, 23, 25, 27, 30, 32 and 34 are 2, 3, 6, 8, 22, 24, 26, 29, 31 and 33 with a trace token, which stands
 * before the reason in 13 and 18, and last in the others; it is ignored.
 *
 * One struct serves both directions, and has no more cases than there are things to do: what a receiver need not tell
 * apart (with or without a token, reason inside or outside) is one kind. Terms are views of the packet, and are sent on
 * as they came. Pure functions: any thread, nothing is kept. */
#ifndef DIST_CONTROL_H
#define DIST_CONTROL_H

#include <mesh/term.h>

#include "dist/refusal.h"

enum control_kind {
    CONTROL_SEND,         /* to, message; from if known */
    CONTROL_SEND_NAME,    /* from, to (an atom), message */
    CONTROL_SEND_ALIAS,   /* from, to (a reference), message */
    CONTROL_LINK,         /* from, to */
    CONTROL_UNLINK_OLD,   /* from, to: not sent by OTP 26 and later, never by us */
    CONTROL_UNLINK,       /* id, from, to: to be answered with an ack before anything else for that process */
    CONTROL_UNLINK_ACK,   /* id, from, to */
    CONTROL_EXIT,         /* from, to, message (the reason): a link broke */
    CONTROL_EXIT2,        /* from, to (a pid; by 37 also an atom or a reference), message (the reason) */
    CONTROL_GROUP_LEADER, /* from (the leader), to: harmless, and never sent by us */
    CONTROL_MONITOR,      /* from, to (a pid or an atom), ref */
    CONTROL_DEMONITOR,    /* from, to (a pid or an atom), ref */
    CONTROL_DOWN,         /* from (a pid, or an atom if that was monitored), to, ref, message (the reason) */
    CONTROL_SPAWN,        /* ref, from, leader, module, function, arity, options, message (the arguments) */
    CONTROL_SPAWN_REPLY,  /* ref, to, flags, result (a pid, or an atom: the reason) */
};

#define CONTROL_SPAWN_LINKED 1u /* flags of CONTROL_SPAWN_REPLY */
#define CONTROL_SPAWN_MONITORED 2u

struct control {
    enum control_kind kind;
    bool priority;     /* 37: asked for; may be ignored */
    mesh_term from;    /* a pid; empty: not told */
    mesh_term to;      /* a pid, an atom or a reference */
    mesh_term ref;     /* a reference */
    mesh_term message; /* any term */
    uint64_t id;       /* not 0 */

    mesh_term leader;  /* a pid */
    mesh_bytes module; /* names of atoms */
    mesh_bytes function;
    uint32_t arity;    /* at most 255 */
    mesh_term options; /* any term: a BEAM answers options it does not know with badopt */
    uint32_t flags;
    mesh_term result;
};

/* Reads the body of a packet from the node `peer`. REFUSAL_NONE and *out, or why the connection has to be closed;
 * every term in *out has been checked within limits (NULL: the defaults of mesh/term.h).
 *
 * Refused as well: link, unlink, monitor, demonitor and spawn in the name of a process that is not of `peer`. Not
 * refused is what can come too late: processes and references that are gone are the caller's to find out. */
enum refusal control_read(mesh_bytes body, mesh_bytes peer, const mesh_limits *limits, struct control *out);

/* Appends the control tuple of c to out, in the form that the negotiated flags ask for, and gives in *message what the
 * packet carries behind it (a view of c's message, or empty). The reader's conditions on the terms are the caller's to
 * meet: they are copied as they are. message, from, to and result may not be views of out.
 * MESH_EINVAL: a kind that is never sent, an alias for a peer that knows none, an exit/2 to anything but a pid (only 37
 * could carry it, which is not negotiated), or a missing term; errors of
 * mesh_buf_reserve. out is then unchanged. */
int control_put(mesh_buf *out, const struct control *c, uint64_t flags, mesh_bytes *message);

#endif
