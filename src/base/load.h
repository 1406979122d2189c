/* Little-endian numbers from and to unaligned bytes, the same on every machine.
 *
 * For code that has already checked its bounds and is fast because of it (the hashes); decoders of foreign bytes read
 * through a bounded cursor instead. */
#ifndef BASE_LOAD_H
#define BASE_LOAD_H

#include <stdint.h>
#include <string.h>

/* The bytes p[0..3] as a number, the lowest first. p is not NULL; any alignment. */
static inline uint32_t load_le32(const unsigned char *p)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
#else
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
#endif
}

/* The bytes p[0..7] as a number, the lowest first. p is not NULL; any alignment. */
static inline uint64_t load_le64(const unsigned char *p)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
#else
    return (uint64_t)load_le32(p) | (uint64_t)load_le32(p + 4) << 32;
#endif
}

/* The number as the bytes p[0..7], the lowest first. */
static inline void store_le64(unsigned char *p, uint64_t v)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    memcpy(p, &v, sizeof v);
#else
    for (unsigned i = 0; i < 8; i++)
        p[i] = (unsigned char)(v >> (8 * i));
#endif
}

/* The n bytes at p as a number, the lowest first; n is 0 to 7, and no byte outside p[0..n-1] is read.
 * Two loads that overlap instead of a loop: where they overlap they agree. */
static inline uint64_t load_le_part(const unsigned char *p, size_t n)
{
    if (n >= 4)
        return (uint64_t)load_le32(p) | (uint64_t)load_le32(p + n - 4) << (8 * (n - 4));
    if (n == 0)
        return 0;
    return (uint64_t)p[0] | (uint64_t)p[n / 2] << (8 * (n / 2)) | (uint64_t)p[n - 1] << (8 * (n - 1));
}

#endif
