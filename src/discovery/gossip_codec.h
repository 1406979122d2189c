/* The packets of libcluster's Gossip strategy: pure.
 *
 *   plain   "heartbeat::" 131 116 0,0,0,1 ATOM("node") ATOM(name)      term_to_binary(#{node => Name})
 *   secret  16 bytes IV, AES-256-CBC(key SHA-256(secret), PKCS#7 padding) of the plain packet
 *   ATOM    119 u8 n, UTF-8 | 118 u16 n, UTF-8 | 115 u8 n, Latin-1 | 100 u16 n, Latin-1
 *
 * OTP 25 and older send atoms with 100, later ones with 119; we send 119, which all of them read. libcluster gives
 * whatever stands behind "heartbeat::" to binary_to_term, and dies of a term that is none: what we send is one, always.
 *
 * Nothing proves who sent a packet: CBC without a MAC lets anyone change bits, and anyone can send again what was sent
 * before. A name out of a packet is a hint whom to dial, nothing more; the handshake decides who it is. */
#ifndef DISCOVERY_GOSSIP_CODEC_H
#define DISCOVERY_GOSSIP_CODEC_H

#include <stdint.h>

#include <mesh/bytes.h>

#include "discovery/node_name.h"

#define GOSSIP_IV_BYTES 16

/* The longest packet that may be good: a name of NODE_NAME_MAX_BYTES, both atoms in the longest form (Latin-1 takes one
 * byte where UTF-8 takes two), padded, behind an IV. */
#define GOSSIP_PLAIN_MAX_BYTES (11 + 6 + 7 + 3 + NODE_NAME_MAX_BYTES)
#define GOSSIP_PACKET_MAX_BYTES (GOSSIP_IV_BYTES + (GOSSIP_PLAIN_MAX_BYTES / 16 + 1) * 16)

/* What a received packet was. All but GOOD and OWN are ignored and counted. */
#define GOSSIP_VERDICTS(X)                                                                                             \
    X(GOOD, "packets_good")               /* a node's name */                                                          \
    X(OWN, "packets_own")                 /* our own: multicast comes back */                                          \
    X(LONG, "packets_too_long")           /* longer than any good one */                                               \
    X(FOREIGN, "packets_foreign")         /* without "heartbeat::": some other protocol, or another secret */          \
    X(UNDECIPHERED, "packets_unreadable") /* with a secret: no whole blocks, or their padding is wrong */              \
    X(BADTERM, "packets_bad_term")        /* not exactly a map with one key, node, and one atom */                     \
    X(BADNAME, "packets_bad_name")        /* an atom that is no node's name */

enum gossip_verdict {
#define GOSSIP_VERDICT_ENUM(name, text) GOSSIP_##name,
    GOSSIP_VERDICTS(GOSSIP_VERDICT_ENUM)
#undef GOSSIP_VERDICT_ENUM
        GOSSIP_VERDICT_COUNT
};

struct gossip_codec {
    void *seal, *open; /* OpenSSL's contexts, which hold the key; NULL without a secret */
};

/* Sets up for a secret; NULL: plain packets. MESH_ENOMEM or MESH_ESYSTEM (OpenSSL refuses): nothing is to be freed. */
int gossip_codec_init(struct gossip_codec *c, const char *secret);

/* Frees the contexts and wipes the key. */
void gossip_codec_fini(struct gossip_codec *c);

/* Writes the packet of a node to out and returns its length. name is valid; iv is 16 random bytes, not looked at
 * without a secret. 0 when OpenSSL refuses. */
size_t gossip_encode(struct gossip_codec *c, const char *name, const uint8_t iv[GOSSIP_IV_BYTES],
                     uint8_t out[GOSSIP_PACKET_MAX_BYTES]);

/* Reads a packet of any bytes. On GOOD, the name is in name, with a NUL, and has been checked by node_name_valid;
 * otherwise name holds anything. Never returns OWN. Allocates nothing. */
enum gossip_verdict gossip_decode(struct gossip_codec *c, mesh_bytes packet, char name[NODE_NAME_MAX_BYTES + 1]);

#endif
