/* The tags of ETF, and big-endian numbers. The bytes of each form, after its tag (u8, u16 … are unsigned, big-endian):
 *
 *   97 u8   98 i32   110 u8 n, u8 sign, n bytes low first   111 u32 n, …   70 IEEE double   99 31 characters
 *   119 u8 n, UTF-8   118 u16 n, UTF-8   115 u8 n, Latin-1   100 u16 n, Latin-1
 *   109 u32 n, bytes   77 u32 n, u8 bits used of the last byte, bytes   107 u16 n, bytes: a list of n integers
 *   104 u8 n, terms   105 u32 n, terms   106 []   108 u32 n, n terms, tail   116 u32 n, n times key and value
 *   88 atom, u32 id, u32 serial, u32 creation   103 the same with u8 creation
 *   90 u16 n, atom, u32 creation, n u32   114 u16 n, atom, u8 creation, n u32   101 atom, u32, u8 creation
 *   120 atom, u64, u32 creation   89 atom, u32, u32 creation   102 atom, u32, u8 creation
 *   113 module, function, arity   112 u32 size with itself, u8 arity, 16 bytes, u32, u32 n, module, int, int, pid, n
 * terms
 */
#ifndef TERM_WIRE_H
#define TERM_WIRE_H

#include <stdint.h>
#include <string.h>

#include "base/load.h"

enum tag {
    TAG_NEW_FLOAT = 70,
    TAG_BIT_BINARY = 77,
    TAG_NEW_PID = 88,
    TAG_NEW_PORT = 89,
    TAG_NEWER_REFERENCE = 90,
    TAG_SMALL_INTEGER = 97,
    TAG_INTEGER = 98,
    TAG_FLOAT = 99,
    TAG_ATOM = 100,
    TAG_REFERENCE = 101,
    TAG_PORT = 102,
    TAG_PID = 103,
    TAG_SMALL_TUPLE = 104,
    TAG_LARGE_TUPLE = 105,
    TAG_NIL = 106,
    TAG_STRING = 107,
    TAG_LIST = 108,
    TAG_BINARY = 109,
    TAG_SMALL_BIG = 110,
    TAG_LARGE_BIG = 111,
    TAG_NEW_FUN = 112,
    TAG_EXPORT = 113,
    TAG_NEW_REFERENCE = 114,
    TAG_SMALL_ATOM = 115,
    TAG_MAP = 116,
    TAG_ATOM_UTF8 = 118,
    TAG_SMALL_ATOM_UTF8 = 119,
    TAG_V4_PORT = 120,
    TAG_VERSION = 131,
};

static inline uint16_t wire_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t wire_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t wire_u64(const uint8_t *p)
{
    return (uint64_t)wire_u32(p) << 32 | wire_u32(p + 4);
}

static inline void wire_put_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void wire_put_u32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

static inline void wire_put_u64(uint8_t *p, uint64_t v)
{
    wire_put_u32(p, (uint32_t)(v >> 32));
    wire_put_u32(p + 4, (uint32_t)v);
}

static inline double wire_double(const uint8_t *p)
{
    uint64_t bits = wire_u64(p);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline void wire_put_double(uint8_t *p, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    wire_put_u64(p, bits);
}

/* The most bytes wire_put_int and wire_put_uint write. They may write fewer, and then leave rubbish behind. */
#define WIRE_INT_MAX 11

/* Writes magnitude as an integer, in the shortest form; returns the place behind it. */
static inline uint8_t *wire_put_magnitude(uint8_t *p, uint64_t magnitude, uint8_t negative)
{
    unsigned n = magnitude == 0 ? 1 : 8 - (unsigned)__builtin_clzll(magnitude) / 8;
    p[0] = TAG_SMALL_BIG;
    p[1] = (uint8_t)n;
    p[2] = negative;
    store_le64(p + 3, magnitude);
    return p + 3 + n;
}

static inline uint8_t *wire_put_int(uint8_t *p, int64_t v)
{
    if (v >= 0 && v <= 255) {
        p[0] = TAG_SMALL_INTEGER;
        p[1] = (uint8_t)v;
        return p + 2;
    }
    if (v >= INT32_MIN && v <= INT32_MAX) {
        p[0] = TAG_INTEGER;
        wire_put_u32(p + 1, (uint32_t)v);
        return p + 5;
    }
    return v < 0 ? wire_put_magnitude(p, 0 - (uint64_t)v, 1) : wire_put_magnitude(p, (uint64_t)v, 0);
}

static inline uint8_t *wire_put_uint(uint8_t *p, uint64_t v)
{
    return v <= INT64_MAX ? wire_put_int(p, (int64_t)v) : wire_put_magnitude(p, v, 0);
}

#endif
