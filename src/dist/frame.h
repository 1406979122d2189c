/* Packets, as they follow the handshake: erl_dist_protocol(3), "Protocol between Connected Nodes", and erl_ext_dist(3),
 * "Distribution Header". All numbers big-endian.
 *
 *   u32 0                                                         a tick: the peer lives
 *   u32 n, 131, 68, 0, body                                       a whole message
 *   u32 n, 131, 69, u64 sequence, u64 count, 0, first piece       the first of count fragments
 *   u32 n, 131, 70, u64 sequence, u64 count, piece                the next, count one less each time, down to 1
 *
 * The body is a control term and perhaps a message term, both without 131. A body of more than FRAME_PIECE_BYTES is cut
 * into pieces of that size, without regard to terms. Fragments of different sequences, whole messages and ticks may
 * stand between each other, so nothing waits for a large message to end.
 *
 * The 0 before a body is its number of atom cache references. Any other is refused, since the cache is never negotiated
 * (flags.h); so are packets that begin with 112 (pass-through), which nodes that negotiate fragments do not send.
 *
 * The reader keeps what is incomplete. Its memory grows with the bytes that have come, never with a length that is only
 * announced. No I/O, no clock; one thread uses a reader or a writer at a time. */
#ifndef DIST_FRAME_H
#define DIST_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mesh/bytes.h>

#include "dist/refusal.h"
#include "term/block.h"

#define FRAME_PIECE_BYTES 65536u
#define FRAME_MAX_MESSAGE (16u << 20) /* default of frame_limits.max_message */
#define FRAME_MAX_UNFINISHED 1024u    /* default of frame_limits.unfinished: processes that send at the same time */
#define FRAME_UNFINISHED_MESSAGES 16u /* default of frame_limits.unfinished_bytes, in messages of max_message */
#define FRAME_OVERHEAD_BYTES 19u      /* the longest header, without the u32 */

/* What a peer may cost. Fields that are 0 stand for the defaults. */
struct frame_limits {
    size_t max_message;      /* of a body, in bytes; at most 1 GiB */
    uint32_t unfinished;     /* messages of which some fragments are still to come */
    size_t unfinished_bytes; /* all of them together */
};

/* ---- reading ----------------------------------------------------------------------------------------------------- */

enum frame_event {
    FRAME_MORE, /* bytes are needed */
    FRAME_TICK,
    FRAME_MESSAGE,
    FRAME_REFUSED, /* close the connection; the reason is in *why */
};

/* The body of a message: a view, valid until the next call for this reader, and only as long as the bytes that were fed
 * unless block is set. Then the body is in that block, and block_hold makes it last. */
struct frame {
    mesh_bytes body;
    struct block *block; /* or NULL */
};

struct frame_unfinished; /* a message of which fragments are still to come: frame.c */

struct frame_reader {
    struct frame_limits limits;
    uint8_t length[4]; /* of the packet that has begun */
    uint8_t length_len;
    size_t packet_len;
    size_t filled;           /* bytes of the packet in `packet` */
    struct block *packet;    /* one that has come in part; NULL until there is one */
    struct block *delivered; /* what the last frame was in; released by the next call */
    struct frame_unfinished *unfinished;
    uint32_t unfinished_count, unfinished_cap;
    size_t unfinished_bytes;
    enum refusal refused; /* once refused, always refused */
};

/* limits may be NULL: the defaults. Nothing is allocated. */
void frame_reader_init(struct frame_reader *reader, const struct frame_limits *limits);

/* Frees what is incomplete. */
void frame_reader_fini(struct frame_reader *reader);

/* Takes the next packet from *in and says what it is; FRAME_MORE leaves *in empty. *out is set by FRAME_MESSAGE, *why
 * by FRAME_REFUSED. Fragments that complete nothing are taken on the way. A body within *in is not copied. */
enum frame_event frame_read(struct frame_reader *reader, mesh_bytes *in, struct frame *out, enum refusal *why);

/* ---- writing ----------------------------------------------------------------------------------------------------- */

#define FRAME_TICK_BYTES "\0\0\0\0" /* what is sent as a tick, without the NUL that C adds */

/* A message on its way out, one packet at a time: whoever writes may send other packets between two of them. control
 * and message are views, which have to last until the last packet has been written. */
struct frame_writer {
    mesh_bytes control;
    mesh_bytes message;
    uint64_t sequence;
    uint64_t left; /* packets to come */
    size_t at;     /* bytes of control and message that are out */
    bool cut;      /* into fragments */
};

/* One packet, as three stretches of bytes for writev: the header (in this struct), and what it takes of control and
 * message, either of which may be empty. */
struct frame_packet {
    uint8_t header[4 + FRAME_OVERHEAD_BYTES];
    size_t header_len;
    mesh_bytes control;
    mesh_bytes message;
};

/* Starts a message; message may be empty. sequence tells it from the others that are being sent on the connection: a
 * counter. MESH_ETOOBIG beyond what a packet of the receiver can announce (1 GiB). */
int frame_writer_init(struct frame_writer *writer, mesh_bytes control, mesh_bytes message, uint64_t sequence);

/* The next packet. False when all have been given. */
bool frame_writer_next(struct frame_writer *writer, struct frame_packet *packet);

#endif
