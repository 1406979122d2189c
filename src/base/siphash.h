/* SipHash, a keyed hash of bytes (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012).
 *
 * Whoever does not know the key cannot choose inputs that collide. Two variants, named by their rounds per word and
 * at the end:
 * - siphash13, for the tables of one node, keyed at random when the node starts. It lies on the path of every call,
 *   hence inline: about 9 ns for an id of 12 bytes.
 * - siphash24, for placement: its value is wire format, so every node must compute the same (docs/placement.md).
 * The values do not depend on the machine's byte order. Pure functions: any thread. */
#ifndef BASE_SIPHASH_H
#define BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/load.h"

#define SIPHASH_KEY_BYTES 16

/* A key as the two numbers that the algorithm works with; 16 zero bytes are {0, 0}. */
struct siphash_key {
    uint64_t k0, k1;
};

static inline struct siphash_key siphash_key(const unsigned char bytes[SIPHASH_KEY_BYTES])
{
    struct siphash_key key = {load_le64(bytes), load_le64(bytes + 8)};
    return key;
}

struct siphash_state {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t siphash_rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void siphash_round(struct siphash_state *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = siphash_rotate(s->v1, 13) ^ s->v0;
    s->v3 = siphash_rotate(s->v3, 16) ^ s->v2;
    s->v0 = siphash_rotate(s->v0, 32) + s->v3;
    s->v2 += s->v1;
    s->v3 = siphash_rotate(s->v3, 21) ^ s->v0;
    s->v1 = siphash_rotate(s->v1, 17) ^ s->v2;
    s->v2 = siphash_rotate(s->v2, 32);
}

static inline void siphash_start(struct siphash_state *s, struct siphash_key key)
{
    s->v0 = key.k0 ^ 0x736f6d6570736575U;
    s->v1 = key.k1 ^ 0x646f72616e646f6dU;
    s->v2 = key.k0 ^ 0x6c7967656e657261U;
    s->v3 = key.k1 ^ 0x7465646279746573U;
}

/* The last word: what is left of the input below, its length modulo 256 in the top byte. */
static inline uint64_t siphash_last(const unsigned char *rest, size_t len)
{
    return load_le_part(rest, len % 8) | (uint64_t)len << 56;
}

/* SipHash-1-3 of data[0..len-1]; data may be NULL when len is 0. */
static inline uint64_t siphash13(struct siphash_key key, const void *data, size_t len)
{
    const unsigned char *p = (const unsigned char *)data;
    struct siphash_state s;
    siphash_start(&s, key);
    for (size_t words = len / 8; words > 0; words--, p += 8) {
        uint64_t word = load_le64(p);
        s.v3 ^= word;
        siphash_round(&s);
        s.v0 ^= word;
    }
    uint64_t last = siphash_last(p, len);
    s.v3 ^= last;
    siphash_round(&s);
    s.v0 ^= last;
    s.v2 ^= 0xff;
    siphash_round(&s);
    siphash_round(&s);
    siphash_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

/* SipHash-2-4 of data[0..len-1]; data may be NULL when len is 0. */
uint64_t siphash24(struct siphash_key key, const void *data, size_t len);

#endif
