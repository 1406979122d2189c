/* What C nodes say to each other about shards: {mesh, Version, Op, #{Key => Value}}. docs/wire.md is its definition.
 *
 * Here are the outer shape and the fields, for both directions; what the fields mean is in the files that send and
 * receive them. Every field has one key and one kind for all messages, so that there is one decoder. Unknown keys are
 * skipped, unknown operations are told apart from malformed ones: that is how a later version may say more.
 * No thread, no clock; a decoded message is a view of the bytes it came from. */
#ifndef CLUSTER_MESSAGE_H
#define CLUSTER_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include <mesh/term.h>

#define MESSAGE_VERSION 1        /* the highest that this code speaks */
#define MESSAGE_HELLO_VERSION 1  /* the form of the hello, for ever */
#define MESSAGE_ITEMS_MAX 65536u /* elements of a list in a message */

#define MESSAGE_OPS(X)                                                                                                 \
    X(HELLO, "hello")   /* on link-up: versions, table, links, holds */                                                \
    X(TABLE, "table")   /* the sender's capabilities have changed */                                                   \
    X(LINKS, "links")   /* the sum of the sender's links has changed; or a request for the list */                     \
    X(LIST, "list")     /* the nodes that the sender is linked to */                                                   \
    X(CLAIM, "claim")   /* asks for shards */                                                                          \
    X(GRANT, "grant")   /* the answer, shard by shard */                                                               \
    X(AGAIN, "again")   /* what was refused may be asked for again */                                                  \
    X(HOLD, "hold")     /* the sender has come to hold shards */                                                       \
    X(YIELD, "yield")   /* the sender has given shards up without having been asked */                                 \
    X(KEEP, "keep")     /* the sender goes on holding shards that both hold */                                         \
    X(PARCEL, "parcel") /* snapshots of a shard that moves */                                                          \
    X(FETCH, "fetch")   /* whom the parcels of busy processes were to come by is gone: they are to come directly */    \
    X(ACK, "ack")       /* parcels have been stored */                                                                 \
    X(PROBE, "probe")   /* are you there; or: I am */

#define MESSAGE_FIELDS(X)                                                                                              \
    X(CLOCK, "clock", NUMBER)     /* the sender's hybrid clock */                                                      \
    X(VERSIONS, "versions", LIST) /* [Version] */                                                                      \
    X(COUNTER, "counter", NUMBER) /* of the capability table */                                                        \
    X(ENTRIES, "entries", LIST)   /* [{Capability, Strategy, Shards, Weight, State}] */                                \
    X(DIGEST, "digest", NUMBER)   /* of the nodes that the sender is linked to */                                      \
    X(NODES, "nodes", LIST)       /* [{Name, Creation}] */                                                             \
    X(HOLDS, "holds", LIST)       /* [{Capability, Shards, Set}] */                                                    \
    X(DOWNS, "downs", NUMBER)     /* how often the receiver went down lately */                                        \
    X(CAP, "capability", BYTES)                                                                                        \
    X(SHARDS, "shards", NUMBER) /* the shard count that sets are counted in */                                         \
    X(SEQ, "seq", NUMBER)       /* of a claim; of a run of parcels */                                                  \
    X(SET, "set", BYTES)                                                                                               \
    X(RELEASES, "releases", LIST) /* [{Node, Seq, Set}]: who has given up what to the claimer */                       \
    X(REFUSED, "refused", BYTES)  /* a set: the answering node's view names another */                                 \
    X(MOVING, "moving", BYTES)    /* a set: granted as soon as it is handed over */                                    \
    X(PROMISED, "promised", LIST) /* [{Node, Seq, Set}]: promised to another */                                        \
    X(MINE, "mine", NUMBER)       /* the answering node's last claim: it has given up all up to this one */            \
    X(BUSY, "busy", LIST)         /* [{Shard, Module, Id, Node}]: still inside a handler at Node */                    \
    X(ITEMS, "items", LIST)       /* [{Shard, Module, Id, Epoch} or {Shard, Module, Id, Epoch, Snapshot}] */           \
    X(ASK, "ask", NUMBER)         /* 1: a question; 0: an answer */                                                    \
    X(NONCE, "nonce", NUMBER)

enum op {
#define MESSAGE_OP_ENUM(name, text) OP_##name,
    MESSAGE_OPS(MESSAGE_OP_ENUM)
#undef MESSAGE_OP_ENUM
        OP_COUNT
};

enum field {
#define MESSAGE_FIELD_ENUM(name, text, kind) F_##name,
    MESSAGE_FIELDS(MESSAGE_FIELD_ENUM)
#undef MESSAGE_FIELD_ENUM
        F_COUNT
};

/* A decoded message. A number that is not there is 0, bytes and lists are empty. */
struct message {
    enum op op;
    uint32_t version;
    uint32_t have; /* bit f: field f was there */
    union {
        uint64_t number;
        mesh_bytes bytes;
        mesh_term list; /* a proper list */
    } field[F_COUNT];
};

static inline bool message_has(const struct message *m, enum field f)
{
    return m->have >> f & 1;
}

static inline uint64_t message_number(const struct message *m, enum field f)
{
    return m->field[f].number;
}

static inline mesh_bytes message_bytes(const struct message *m, enum field f)
{
    return m->field[f].bytes;
}

/* Decodes bytes, a term without its version byte, into *m, a view of them. MESH_EBADTERM: not a message, a known field
 * of another kind, or one missing that its operation needs; MESH_ETOOBIG; MESH_ENOMATCH: a well-formed message of an
 * operation that this version does not know. *m is changed only on success. */
int message_read(mesh_bytes bytes, struct message *m);

/* The elements of a list in a message: tuples of which later versions may have longer ones. */
struct items {
    mesh_reader reader;
    uint32_t left;
    uint32_t extra; /* elements of the open tuple that this version does not know */
};

struct items message_items(const struct message *m, enum field f);

/* Opens the next tuple, which must have at least `least` elements; its whole arity in *arity if that is not NULL. False
 * at the end of the list, or with *error set if it is MESH_OK and the element is not such a tuple. */
bool items_next(struct items *it, uint32_t least, uint32_t *arity, int *error);

/* Closes it again, past the elements beyond `read`. */
void items_close(struct items *it, uint32_t arity, uint32_t read, int *error);

/* One element of the open tuple. On failure *error is set and the result empty. A set *error makes both no-ops. */
mesh_bytes items_bytes(struct items *it, int *error);
uint64_t items_number(struct items *it, uint64_t most, int *error);
mesh_bytes items_atom(struct items *it, int *error);

/* ---- writing ---------------------------------------------------------------------------------------------------- */

/* A message being written: begin, fields in any order, end. Memory for it is ours: without any the program ends. */
struct writer {
    mesh_buf buf;
    size_t map_at; /* where the map's header is */
    uint32_t pairs;
};

void writer_begin(struct writer *w, uint32_t version, enum op op);
void writer_number(struct writer *w, enum field f, uint64_t number);
void writer_bytes(struct writer *w, enum field f, mesh_bytes bytes);

/* A list of count elements: the caller then appends them, and, if count is not 0, mesh_put_empty, by `must`. */
void writer_list(struct writer *w, enum field f, uint32_t count);

/* Ends the message: its bytes, a view of w, which the caller frees by mesh_buf_fini(&w->buf). */
mesh_bytes writer_end(struct writer *w);

/* Ends the program when memory was refused while something was written. */
void writer_must(int error);

#endif
