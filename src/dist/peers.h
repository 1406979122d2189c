/* Which connection to a peer is the one: a table keyed by the peer's name, and the decisions that keep it at one.
 *
 * Two nodes that learn of each other at the same moment both dial. So a peer may have, at a time, an attempt of this
 * node (out), an attempt of its own (in), and a connection (up); never out beside another, since an attempt in takes
 * the place of one out, and nobody dials who has any of them. Whoever owns the connections asks here at each step, and
 * does what the answer says:
 *
 *   out      in       up       this node dials   the peer says its name
 *   -        -        -        go                ok
 *   yes      -        -        pending           own name is the greater: nok; else ok_simultaneous, and out ends
 *   -        yes      -        pending           ok, and the earlier attempt ends: its sender has given it up
 *   -        -        yes      up                alive
 *   -        yes      yes      up                alive, and the earlier attempt ends
 *
 * The nok and the ok_simultaneous that two nodes give each other are about the same attempt, since names are compared
 * on both sides: exactly one stays. All this is decided before anybody has proven anything: a stranger who claims a
 * name can make an attempt fail, for as long as he keeps at it. A connection that is up he cannot touch: it ends for a
 * new one only after the peer has proven that it knows the cookie (peers_proven).
 *
 * An attempt out that ends with REFUSAL_PEER_NOK has lost to one of the peer's, which is on its way: who waits for the
 * peer goes on waiting, and need not dial again before HANDSHAKE_TIMEOUT_MS.
 *
 * Connections are numbers that the caller chooses; 0 is none. Names are full ones: names_full has to hold. Nothing here
 * is thread-safe: one thread, or one lock, for all of a node's connections. No I/O, no clock. */
#ifndef DIST_PEERS_H
#define DIST_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dist/handshake.h"

#define PEERS_HALF_OPEN_MAX 512 /* default: connections at a time whose handshake has not ended */

/* An attempt, and the challenge that was given out on it. */
struct attempt {
    uint64_t conn;
    uint32_t challenge;
};

struct peer {
    char name[NAME_MAX_BYTES + 1];
    struct attempt out;
    struct attempt in;
    uint64_t up;
};

struct peers {
    char self[NAME_MAX_BYTES + 1];
    struct peer *list;
    size_t count, cap;
    uint32_t half_open, half_open_max;
};

/* An empty table for the node `self` (names_full holds). half_open_max 0 stands for the default. */
void peers_init(struct peers *peers, mesh_bytes self, uint32_t half_open_max);
void peers_fini(struct peers *peers);

/* The entry of a name, or NULL: a view, valid until the table changes. */
const struct peer *peers_find(const struct peers *peers, mesh_bytes name);

/* Whether a handshake that has not ended gave this challenge out: handshake_config.outstanding. */
bool peers_outstanding(const struct peers *peers, uint32_t challenge);

enum peers_dial {
    PEERS_GO,
    PEERS_IS_SELF,
    PEERS_IS_UP,
    PEERS_IS_PENDING, /* an attempt is on its way, in or out: wait for it */
    PEERS_FULL,       /* too many half-open connections */
};

/* This node wants to dial. After PEERS_GO conn is the attempt out, until peers_closed. */
enum peers_dial peers_dial(struct peers *peers, mesh_bytes name, uint64_t conn, uint32_t challenge);

/* A connection has been accepted, its peer is not known yet: whether there is room for it. After true it is counted,
 * until peers_closed. */
bool peers_admit(struct peers *peers);

/* What to answer to the peer of an admitted connection that has said its name (HANDSHAKE_NAMED). *abort becomes the
 * attempt to be closed now, or 0; it is out of the table already, peers_closed has still to be called for it. */
enum handshake_status peers_accept(struct peers *peers, mesh_bytes name, uint64_t conn, uint32_t challenge,
                                   uint64_t *abort);

/* Whether conn is still this node's attempt (HANDSHAKE_ASKED). */
bool peers_wants(const struct peers *peers, mesh_bytes name, uint64_t conn);

/* The peer on conn knows the cookie (HANDSHAKE_PROVEN). False: close conn, it is no longer an attempt. True: first end
 * *old, if it is not 0, completely (all that hangs on it has been told, peers_closed has been called); then
 * peers_set_up, then handshake_finish. */
bool peers_proven(const struct peers *peers, mesh_bytes name, uint64_t conn, uint64_t *old);
void peers_set_up(struct peers *peers, mesh_bytes name, uint64_t conn);

/* A connection is closed, whatever it was and whoever closed it; an empty name if its peer was not known. Once for
 * each PEERS_GO and each peers_admit that returned true. Returns whether it was up: the peer is down now. */
bool peers_closed(struct peers *peers, mesh_bytes name, uint64_t conn);

#endif
