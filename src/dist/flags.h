/* The distribution flags: what a node can do, exchanged in the handshake. erl_dist_protocol(3), "Distribution Flags";
 * OTP's own list is lib/kernel/include/dist.hrl.
 *
 * The atom cache is never offered: every packet then has a header without references (frame.h), and a term that came
 * can be kept or sent on as it is. Fragments are offered and asked for, so there is one form of packets and not two;
 * every BEAM from OTP 22 on has them. */
#ifndef DIST_FLAGS_H
#define DIST_FLAGS_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#define DIST_PUBLISHED (UINT64_C(1) << 0) /* visible; what nodes(connected) shows without it is hidden */
#define DIST_EXTENDED_REFERENCES (UINT64_C(1) << 2)
#define DIST_MONITOR (UINT64_C(1) << 3)
#define DIST_FUN_TAGS (UINT64_C(1) << 4)
#define DIST_MONITOR_NAME (UINT64_C(1) << 5)
#define DIST_NEW_FUN_TAGS (UINT64_C(1) << 7)
#define DIST_EXTENDED_PIDS_PORTS (UINT64_C(1) << 8)
#define DIST_EXPORT_PTR_TAG (UINT64_C(1) << 9)
#define DIST_BIT_BINARIES (UINT64_C(1) << 10)
#define DIST_NEW_FLOATS (UINT64_C(1) << 11)
#define DIST_UNICODE_IO (UINT64_C(1) << 12)
#define DIST_HDR_ATOM_CACHE (UINT64_C(1) << 13)
#define DIST_SMALL_ATOM_TAGS (UINT64_C(1) << 14)
#define DIST_UTF8_ATOMS (UINT64_C(1) << 16)
#define DIST_MAP_TAG (UINT64_C(1) << 17)
#define DIST_BIG_CREATION (UINT64_C(1) << 18)
#define DIST_SEND_SENDER (UINT64_C(1) << 19)
#define DIST_BIG_SEQTRACE_LABELS (UINT64_C(1) << 20)
#define DIST_EXIT_PAYLOAD (UINT64_C(1) << 22) /* the reason of an exit is a message of its own */
#define DIST_FRAGMENTS (UINT64_C(1) << 23)
#define DIST_HANDSHAKE_23 (UINT64_C(1) << 24)
#define DIST_UNLINK_ID (UINT64_C(1) << 25)
#define DIST_MANDATORY_25_DIGEST (UINT64_C(1) << 26) /* stands for all of DIST_MANDATORY_25 */
#define DIST_SPAWN (UINT64_C(1) << 32)               /* without it rpc:call from OTP 25 on gives notsup */
#define DIST_NAME_ME (UINT64_C(1) << 33)
#define DIST_V4_NC (UINT64_C(1) << 34) /* 32 bits of id and serial in pids */
#define DIST_ALIAS (UINT64_C(1) << 35)
#define DIST_ALTACT_SIG (UINT64_C(1) << 37)

/* Not of OTP, which ignores it: nodes of this kind know each other by it. The highest but the sign. */
#define DIST_MESH (UINT64_C(1) << 62)

/* What OTP 25 takes for granted in its peers, and what OTP 26 does besides. */
#define DIST_MANDATORY_25                                                                                              \
    (DIST_EXTENDED_REFERENCES | DIST_FUN_TAGS | DIST_NEW_FUN_TAGS | DIST_EXTENDED_PIDS_PORTS | DIST_EXPORT_PTR_TAG |   \
     DIST_BIT_BINARIES | DIST_NEW_FLOATS | DIST_UTF8_ATOMS | DIST_MAP_TAG | DIST_BIG_CREATION | DIST_HANDSHAKE_23)
#define DIST_MANDATORY_26 (DIST_UNLINK_ID | DIST_V4_NC)

/* What this node asks of its peers. */
#define DIST_REQUIRED (DIST_MANDATORY_25 | DIST_MANDATORY_26 | DIST_FRAGMENTS)

/* What a visible node offers; a hidden one, such as a command that only asks, leaves DIST_PUBLISHED out. */
#define DIST_OFFERED                                                                                                   \
    (DIST_REQUIRED | DIST_PUBLISHED | DIST_MONITOR | DIST_MONITOR_NAME | DIST_UNICODE_IO | DIST_SMALL_ATOM_TAGS |      \
     DIST_SEND_SENDER | DIST_BIG_SEQTRACE_LABELS | DIST_EXIT_PAYLOAD | DIST_MANDATORY_25_DIGEST | DIST_SPAWN |         \
     DIST_ALIAS)
static_assert(DIST_OFFERED == UINT64_C(0xD07DF5FBD), "accepted by OTP 25 and later as a visible node");

/* A peer's flags with what its digest stands for. */
static inline uint64_t flags_expand(uint64_t theirs)
{
    return theirs & DIST_MANDATORY_25_DIGEST ? theirs | DIST_MANDATORY_25 : theirs;
}

/* Whether a peer has all that this node asks for. Flags that nobody here knows are ignored. */
static inline bool flags_suffice(uint64_t theirs)
{
    return (flags_expand(theirs) & DIST_REQUIRED) == DIST_REQUIRED;
}

/* What may be used between two nodes. */
static inline uint64_t flags_negotiate(uint64_t ours, uint64_t theirs)
{
    return ours & flags_expand(theirs);
}

#endif
