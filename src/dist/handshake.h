/* The handshake of two nodes, version 6, both roles: erl_dist_protocol(3), "Distribution Handshake".
 *
 * Each message is u16 length and then, all numbers big-endian:
 *
 *   A dials                                          B accepts
 *   'N' u64 flags, u32 creation, u16 n, name    →
 *                                               ←    's' status: ok, ok_simultaneous, nok, alive, not_allowed
 *   's' true or false, after alive only         →
 *                                               ←    'N' u64 flags, u32 challenge, u32 creation, u16 n, name
 *   'r' u32 challenge, 16 digest                →
 *                                               ←    'a' 16 digest
 *
 * A digest is the MD5 of the cookie and the other's challenge as decimal text. So both prove that they know the cookie;
 * nothing that follows is signed, and the network has to be trusted.
 *
 * The machine here moves no bytes and knows no clock and no other connection. It asks where the answer depends on them:
 * which status to give (peers.h decides that), and when the connection may come up. Nothing is allocated. One thread
 * uses a handshake at a time. */
#ifndef DIST_HANDSHAKE_H
#define DIST_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mesh/bytes.h>

#include "dist/names.h"
#include "dist/refusal.h"

#define HANDSHAKE_TIMEOUT_MS 7000        /* for the whole of it, from the start; a BEAM gives as much to each step */
#define HANDSHAKE_MESSAGE_MAX_BYTES 1024 /* of a message from a peer, without its length */
#define HANDSHAKE_OUTPUT_MAX_BYTES 512
#define HANDSHAKE_DIGEST_BYTES 16

/* What is the same for all handshakes of a node. Has to outlive them. */
struct handshake_config {
    mesh_bytes name; /* this node's, alive@host; names_full holds */
    mesh_bytes cookie;
    uint64_t flags;    /* what is offered: DIST_OFFERED, or without DIST_PUBLISHED */
    uint32_t creation; /* of this incarnation, never 0 */

    /* Whether the configuration lets this node talk to that one. */
    bool (*allowed)(void *context, mesh_bytes peer);

    /* Whether this number is a challenge that a handshake of this node has given out and that is still unanswered; the
     * answer to it would serve whoever passes it on. The challenge of the handshake itself may be among them. */
    bool (*outstanding)(void *context, uint32_t challenge);
    void *context;
};

enum handshake_status {
    HANDSHAKE_OK,
    HANDSHAKE_OK_SIMULTANEOUS, /* this node's own attempt has been given up for this one */
    HANDSHAKE_NOK,             /* this node's own attempt goes first */
    HANDSHAKE_ALIVE,           /* a connection is up: does the peer still want this one? */
    HANDSHAKE_NOT_ALLOWED,
};

enum handshake_event {
    HANDSHAKE_MORE,   /* bytes are needed */
    HANDSHAKE_NAMED,  /* accepting: the peer has said who it is; call handshake_answer */
    HANDSHAKE_ASKED,  /* dialling: the peer has a connection; call handshake_insist */
    HANDSHAKE_PROVEN, /* the peer knows the cookie: end the old connection, if any, then call handshake_finish */
    HANDSHAKE_DONE,   /* what comes from now on are packets: frame.h */
    HANDSHAKE_FAILED, /* write the output, if any, and close: h->why */
};

enum handshake_state {
    HANDSHAKE_AWAITS_NAME,
    HANDSHAKE_AWAITS_ANSWER, /* of the caller */
    HANDSHAKE_AWAITS_INSISTENCE,
    HANDSHAKE_AWAITS_REPLY,
    HANDSHAKE_AWAITS_STATUS,
    HANDSHAKE_AWAITS_DECISION, /* of the caller */
    HANDSHAKE_AWAITS_CHALLENGE,
    HANDSHAKE_AWAITS_ACK,
    HANDSHAKE_AWAITS_FINISH, /* of the caller */
    HANDSHAKE_ENDED,
    HANDSHAKE_BROKEN,
};

struct handshake {
    const struct handshake_config *config;
    enum handshake_state state;
    enum refusal why; /* after HANDSHAKE_FAILED */
    bool dialling;
    uint32_t challenge; /* of this side */
    uint64_t deadline_ms;

    /* The peer: the name from HANDSHAKE_NAMED on, or as dialled; the rest from HANDSHAKE_PROVEN on. */
    char peer[NAME_MAX_BYTES + 1]; /* a C string */
    uint64_t peer_flags;           /* as it sent them */
    uint64_t flags;                /* what both have */
    uint32_t peer_creation;

    uint8_t ack[HANDSHAKE_DIGEST_BYTES]; /* accepting: the answer to the peer's challenge */
    size_t in_len;
    size_t out_len;
    uint8_t in[2 + HANDSHAKE_MESSAGE_MAX_BYTES];
    uint8_t out[HANDSHAKE_OUTPUT_MAX_BYTES];
};

/* Starts a handshake on a connection that has been accepted, or that was dialled to reach `peer`. challenge comes from
 * the system's random source, and is counted as outstanding by the caller until the handshake has ended. Dialling gives
 * output at once, or, for a name that is none or is not allowed, HANDSHAKE_FAILED and no output. */
void handshake_accept(struct handshake *h, const struct handshake_config *config, uint32_t challenge, uint64_t now_ms);
enum handshake_event handshake_dial(struct handshake *h, const struct handshake_config *config, mesh_bytes peer,
                                    uint32_t challenge, uint64_t now_ms);

/* Bytes have come: takes what belongs to the next message from *in, and says what it means. Call again, while *in is
 * not empty, until it gives HANDSHAKE_MORE; while the caller owes an answer nothing is taken, and the event is
 * repeated. After HANDSHAKE_DONE what is left in *in are packets. */
enum handshake_event handshake_feed(struct handshake *h, mesh_bytes *in, uint64_t now_ms);

/* Answers HANDSHAKE_NAMED. HANDSHAKE_MORE, or HANDSHAKE_FAILED for a status that refuses. */
enum handshake_event handshake_answer(struct handshake *h, enum handshake_status status);

/* Answers HANDSHAKE_ASKED: whether this attempt is still the one that this node wants. HANDSHAKE_MORE or _FAILED. */
enum handshake_event handshake_insist(struct handshake *h, bool still);

/* Answers HANDSHAKE_PROVEN: the connection may come up. HANDSHAKE_DONE. */
enum handshake_event handshake_finish(struct handshake *h);

/* HANDSHAKE_FAILED, with REFUSAL_TIMEOUT, once the deadline is over and the handshake has not ended; else _MORE. */
enum handshake_event handshake_tick(struct handshake *h, uint64_t now_ms);

/* The bytes to be sent since the last time: a view, valid until the next call of another function. */
mesh_bytes handshake_output(struct handshake *h);

#endif
