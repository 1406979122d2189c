/* Why something that a peer sent was refused: one list for the whole folder, so that refusals are counted by kind and
 * logged in the same words wherever they arise. A refusal ends the connection that it came over, and nothing else. */
#ifndef DIST_REFUSAL_H
#define DIST_REFUSAL_H

#define REFUSALS(X)                                                                                                    \
    /* of any kind of message */                                                                                       \
    X(MEMORY, "memory was refused for what the peer sent")                                                             \
    X(TIMEOUT, "it took too long")                                                                                     \
    X(LENGTH, "a length out of range")                                                                                 \
    X(UNEXPECTED, "a message that does not belong here")                                                               \
    X(MALFORMED, "a message whose fields do not fit")                                                                  \
    /* of the handshake */                                                                                             \
    X(OLD_HANDSHAKE, "the handshake of OTP 22 and older")                                                              \
    X(NAME, "not a node name")                                                                                         \
    X(OTHER_NAME, "another node answered than was dialled")                                                            \
    X(FORBIDDEN, "the configuration does not allow this name")                                                         \
    X(FLAGS, "the peer lacks flags that are mandatory")                                                                \
    X(STATUS, "an unknown status")                                                                                     \
    X(PEER_NOK, "the peer's own attempt goes first")                                                                   \
    X(PEER_NOT_ALLOWED, "the peer does not allow this node")                                                           \
    X(PEER_GAVE_UP, "the peer has given this attempt up")                                                              \
    X(SUPERSEDED, "another connection to this peer goes first")                                                        \
    X(REFLECTED, "the peer asks what this node has asked itself")                                                      \
    X(DIGEST, "the cookies differ")                                                                                    \
    X(NO_MD5, "OpenSSL computes no MD5 here, which the handshake needs")                                               \
    /* of packets */                                                                                                   \
    X(HEADER, "an unknown packet header")                                                                              \
    X(ATOM_CACHE, "an atom cache that was not negotiated")                                                             \
    X(FRAGMENT, "a fragment out of order")                                                                             \
    X(TOO_BIG, "a message over max_message")                                                                           \
    X(UNFINISHED, "too many unfinished messages")                                                                      \
    /* of control messages */                                                                                          \
    X(TERM, "an undecodable term")                                                                                     \
    X(OPERATION, "an unknown operation")                                                                               \
    X(SHAPE, "an operation with wrong arguments")                                                                      \
    X(FOREIGN, "a process of another node than the peer")                                                              \
    X(NO_MESSAGE, "an operation without its message")                                                                  \
    X(EXTRA_MESSAGE, "a message behind an operation that has none")                                                    \
    /* of epmd */                                                                                                      \
    X(REMOTE, "a request that is allowed from this machine only")                                                      \
    X(FULL, "the table is full")

enum refusal {
    REFUSAL_NONE = 0,
#define REFUSAL_ENUM(name, text) REFUSAL_##name,
    REFUSALS(REFUSAL_ENUM)
#undef REFUSAL_ENUM
        REFUSAL_KINDS, /* how many there are, with REFUSAL_NONE: for arrays of counters */
};

/* The text of a refusal, without a full stop; "none" for REFUSAL_NONE. Any thread; the string is a constant. */
const char *refusal_text(enum refusal refusal);

#endif
