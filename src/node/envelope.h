/* Calls, casts and their answers between C nodes: {mesh, Version, Op, #{Key => Value}}, as docs/wire.md has it.
 *
 * Reading and writing only, without a thread or a clock. What is read is a view of the bytes it came from, whose terms
 * are checked. Unknown keys are skipped; a known key of the wrong kind is malformed.
 *
 * Nearly all messages come from nodes of this version: what is in the very form that envelope_write gives it is read at
 * a glance (envelope.c), everything else as any term (envelope_any.c). */
#ifndef NODE_ENVELOPE_H
#define NODE_ENVELOPE_H

#include <stdbool.h>
#include <stdint.h>

#include <mesh/term.h>

#include "runtime/message.h"
#include "term/block.h"

#define ENVELOPE_VERSION 1u
#define ENVELOPE_LEFT_MAX_MS UINT64_C(0x7ffffffe) /* more is without end */
#define ENVELOPE_ROOM_BYTES 16384u                /* what an envelope adds to its terms, at most */

enum envelope_op {
    ENVELOPE_CALL,
    ENVELOPE_CAST,
    ENVELOPE_REPLY,
    ENVELOPE_MOVED,
    ENVELOPE_SYNC,   /* a question without a content, to be answered when all before it has taken effect */
    ENVELOPE_SYNCED, /* ... its answer */
    ENVELOPE_OTHER,  /* not one of these: cluster_receive's, or a later version's */
};

struct envelope {
    enum envelope_op op;
    uint64_t number; /* of the call, by its sender; 0 for a cast */
    uint64_t clock;
    uint64_t trace; /* the same on the whole way of a request */

    /* call, cast */
    uint64_t left_ms; /* of its time; 0: without end */
    uint32_t hops;
    bool followed;
    mesh_bytes capability, module, id;
    mesh_term payload, init_arg; /* data NULL: nil */
    uint32_t chain_count;
    struct link_of_chain chain[MESSAGE_CHAIN_MAX]; /* call: exclusive-or the hash of its node */

    /* reply */
    int error;       /* of mesh/error.h; 0: value is the reply */
    mesh_term value; /* the reply or the reason; data NULL: nil */
    mesh_pid pid;    /* who answered; number 0: nobody */

    /* moved */
    mesh_bytes node;
};

/* An empty one: but for the elements of the chain and the name in the pid, which are many bytes, and are not looked at
 * while there are none. */
static inline void envelope_clear(struct envelope *e, enum envelope_op op)
{
    e->op = op;
    e->number = e->clock = e->trace = e->left_ms = 0;
    e->hops = e->chain_count = 0;
    e->followed = false;
    e->capability = e->module = e->id = e->node = (mesh_bytes){NULL, 0};
    e->payload = e->init_arg = e->value = (mesh_term){0};
    e->error = MESH_OK;
    e->pid.number = 0;
    e->pid.creation = 0;
    e->pid.node[0] = '\0';
}

/* Reads bytes from a peer; max_bytes is the limit of a term. ENVELOPE_OTHER: nothing else of *e is set, and nothing
 * beyond the operation has been checked. MESH_EBADTERM, MESH_ETOOBIG, MESH_ENOMEM. */
int envelope_read(mesh_bytes bytes, size_t max_bytes, struct envelope *e);

enum { LETTER_FEW_BYTES = 768 };

/* A message that has been written. Not to be copied. */
struct letter {
    mesh_bytes bytes;
    struct block *block; /* which they are in; NULL: in few */
    uint8_t few[LETTER_FEW_BYTES];
};

/* Writes a message, to be ended by letter_fini. MESH_ENOMEM, MESH_ETOOBIG: then not. */
int envelope_write(const struct envelope *e, struct letter *letter);

static inline void letter_fini(struct letter *letter)
{
    if (letter->block != NULL)
        block_release(letter->block);
}

#endif
