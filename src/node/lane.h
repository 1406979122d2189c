/* The way to one peer: what is sent to it about requests, and the calls that wait for its answers.
 *
 * There is a lane for each slot that the cluster has given to a peer; its memory lives as long as the membership, so
 * whoever has found it needs nothing to keep it. While a link is up the lane has it. A call takes a pass: a number,
 * whose lower bits say where it will stand. Then it is written, then kept under that number, and then sent: from there
 * on it is whoever's who takes it out, by the number, or because it is late or the link has ended.
 *
 * Deadlines are not kept in order: most calls are answered long before, and who made them watches the time himself. The
 * lane knows a time before which none is late, and looks through all of them when it has come. */
#ifndef NODE_LANE_H
#define NODE_LANE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/lock.h"
#include "node/list.h"

struct membership_stats;
struct message;
struct node_link;
struct request;

enum {
    LANE_INDEX_BITS = 16, /* of a number: where the call stands */
    LANE_SLOT_SHIFT = 54, /* … the slot of the peer, so that no two lanes give the same number */
    LANE_CALLS_MAX = 1 << LANE_INDEX_BITS,
    LANE_SPARE_MAX = 1024,
    LANE_LOOK_NS = 10000000, /* between two looks for late ones */
};

/* Where a call stands. */
struct lane_place {
    uint64_t number;         /* 0: free */
    struct request *request; /* NULL: of one that is being written */
    uint32_t next_free;
};

struct lane {
    struct spin lock;       /* all but the two below; a leaf */
    uint16_t slot;          /* constant */
    struct node_link *link; /* counted; NULL: none that is up */
    struct lane_place *places;
    uint32_t place_count, count; /* made; taken */
    uint32_t free;               /* the first free place, or place_count */
    uint64_t serial;
    uint64_t due_ns;       /* no call is late before; UINT64_MAX: there is none */
    uint64_t sent;         /* requests */
    struct request *spare; /* memory of requests that began here and have been answered, by item.in.next */
    uint32_t spare_count;

    _Atomic uint64_t came, served; /* requests; written by the one who reads the link */
};

/* The right to send one request. */
struct lane_pass {
    struct lane *lane;
    struct node_link *link; /* counted: dropped by who has the pass */
    uint64_t number;        /* not 0, also of a cast */
    bool call;              /* has a place: lane_keep, or lane_leave */
    struct request *spare;  /* of a call: memory for it, with REQUEST_ROOM bytes; the holder's, or NULL */
};

struct lane *lane_create(uint16_t slot);
void lane_destroy(struct lane *lane); /* without a link */

/* A link of its peer is up: takes its count. */
void lane_open(struct lane *lane, struct node_link *link);

/* The link has ended, or the node closes: nothing is sent any more. Moves all calls to out, and returns the link with
 * its count; NULL: there was none. */
struct node_link *lane_close(struct lane *lane, struct list *out);

/* Gives a pass, for a call or a cast. MESH_EMOVED: no link is up; MESH_EBUSY: `most` calls wait; MESH_ENOMEM. */
int lane_enter(struct lane *lane, bool call, uint32_t most, struct lane_pass *pass);

/* Has a call wait under the number of its pass. False: the link has ended, and q is the caller's. *due_ns is set when
 * the calls of this lane have to be looked through earlier than was known. */
bool lane_keep(const struct lane_pass *pass, struct request *q, uint64_t *due_ns);

/* Gives the place of a call back that is not going to be kept. */
void lane_leave(const struct lane_pass *pass);

/* Takes the call of this number; NULL: there is none any more. */
struct request *lane_take(struct lane *lane, uint64_t number);

/* The same for one that has been answered. If it began here nothing is left of it but its message, in *message. */
struct request *lane_answered(struct lane *lane, uint64_t number, struct message **message);

/* Moves calls that are late to out. */
void lane_collect_late(struct lane *lane, uint64_t now_ns, struct list *out);

/* When lane_collect_late has something to do, at the earliest. */
uint64_t lane_due(struct lane *lane);

/* Adds its numbers. */
void lane_read(struct lane *lane, struct membership_stats *stats);

static inline void lane_count(_Atomic uint64_t *counter)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1, memory_order_relaxed);
}

#endif
