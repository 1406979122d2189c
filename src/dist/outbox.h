/* What waits to be written to a peer: one ordered stream of packets for each sender, all of them on one connection.
 *
 * A message that fits into one packet (64 KiB) is framed and copied into a chunk at once, behind what is there already:
 * many small messages become a few stretches of memory, and one writev. A larger one is *cut*: it stays where it is,
 * and gives a fragment for every batch of the others, so that nothing waits for it to end. At most OUTBOX_CUTTING are
 * on their way at a time, each in its turn; the receiver keeps what is unfinished, and limits it.
 *
 * Order. Nobody overtakes himself: what a sender puts while a message of his is being cut waits behind that one, and a
 * message that is cut begins only after every packet that was ready before it. Others go past it.
 *
 * Bounds. Small messages and cut ones are bounded apart, or else one large message would shut out all small ones. A
 * bound is on what is there before: one more message always fits into what is not full.
 *
 * No I/O and no locks: whoever owns an outbox guards it. A batch that has been filled can be written without the guard:
 * what it points to is no longer touched by those who put. */
#ifndef DIST_OUTBOX_H
#define DIST_OUTBOX_H

#include "dist/frame.h"

#define OUTBOX_BYTES (4u << 20)      /* default of outbox_limits.bytes */
#define OUTBOX_CUT_BYTES (64u << 20) /* default of outbox_limits.cut_bytes */
#define OUTBOX_CUT_MAX 64u           /* messages that are cut, at a time */
#define OUTBOX_CUTTING 8u            /* of these, with fragments under way: half of what frame.h lets a peer have */
#define OUTBOX_STRETCHES 32u         /* of a batch */
#define OUTBOX_BATCH_BYTES 262144u   /* of small messages in a batch; one chunk more at most */

struct outbox_limits {
    size_t bytes;       /* of packets that wait; 0: OUTBOX_BYTES */
    size_t cut_bytes;   /* of messages that are cut; 0: OUTBOX_CUT_BYTES */
    size_t max_message; /* control and message of one; 0: FRAME_MAX_MESSAGE */
};

struct outbox_item; /* a chunk of packets, or a message that is cut: outbox.c */

struct outbox_list {
    struct outbox_item *first;
    struct outbox_item **tail;
};

struct outbox {
    struct outbox_limits limits;
    struct outbox_list ready;   /* chunks */
    struct outbox_list cutting; /* whose turn it is first */
    struct outbox_list uncut;   /* wait until one of those has ended */
    uint32_t cutting_count, cut_count;
    uint64_t put, taken;      /* bytes that have come into ready, and that have left it */
    size_t bytes, cut_bytes;  /* what the limits are about, batches included */
    uint64_t sequence;        /* of the last message */
    struct outbox_item *over; /* messages of which the last piece is in the batch */
};

struct outbox_message {
    mesh_bytes control;  /* the tuple of control_put */
    mesh_bytes message;  /* may be empty */
    struct block *block; /* which message is in, or NULL: a message that is cut is copied then */
    uint64_t sender;     /* whose order is kept: any number; 0 is a sender like others */
    bool must;           /* taken however much waits: its sender bounds it otherwise */
};

/* What is written next: stretches at..count-1, of which the first may be written in part. All zero: empty. */
struct outbox_batch {
    mesh_bytes stretches[OUTBOX_STRETCHES];
    uint32_t at, count;
    struct outbox_item *chunks; /* which the stretches are in */
    size_t chunk_bytes;
    struct frame_packet packet; /* of a fragment */
};

/* An empty outbox; limits may be NULL. */
void outbox_init(struct outbox *o, const struct outbox_limits *limits);

/* Frees what is in it. A batch is ended by outbox_finish before. */
void outbox_fini(struct outbox *o);

/* Puts a message in. Nothing of *m is needed afterwards: the block is held as long as it takes. MESH_EBUSY: as much
 * waits as may; MESH_ETOOBIG: over max_message; MESH_ENOMEM. Nothing has changed then. */
int outbox_put(struct outbox *o, const struct outbox_message *m);

/* Puts bytes in that are packets, or what stands before the first packet, as they are; they are not limited. */
void outbox_put_raw(struct outbox *o, mesh_bytes bytes);

/* Fills an empty batch; false when there is nothing to be written. */
bool outbox_fill(struct outbox *o, struct outbox_batch *batch);

/* n bytes of a batch have been written. True: that was all, call outbox_finish. */
bool outbox_wrote(struct outbox_batch *batch, size_t n);

/* Ends a batch, written or not, and makes room for what it had. */
void outbox_finish(struct outbox *o, struct outbox_batch *batch);

/* Whether nothing waits; what is in a batch does not count. */
static inline bool outbox_is_empty(const struct outbox *o)
{
    return o->ready.first == NULL && o->cutting.first == NULL && o->uncut.first == NULL;
}

/* Whether a message with a body of so many bytes would find room. */
bool outbox_has_room(const struct outbox *o, size_t body_bytes);

#endif
