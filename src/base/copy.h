/* memcpy for a few bytes, without a call: what travels in a message is mostly shorter than a cache line. */
#ifndef BASE_COPY_H
#define BASE_COPY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { COPY_FEW_MAX = 64 };

/* Copies len bytes, 0 to COPY_FEW_MAX, that do not overlap: the first and the last of a power of two, which may share
 * some in the middle. */
static inline void copy_few(void *to, const void *from, size_t len)
{
    uint8_t *t = to;
    const uint8_t *f = from;
    if (len >= 16) {
        if (len > 32) {
            memcpy(t + 16, f + 16, 16);
            memcpy(t + len - 32, f + len - 32, 16);
        }
        memcpy(t, f, 16);
        memcpy(t + len - 16, f + len - 16, 16);
    } else if (len >= 8) {
        memcpy(t, f, 8);
        memcpy(t + len - 8, f + len - 8, 8);
    } else if (len >= 4) {
        memcpy(t, f, 4);
        memcpy(t + len - 4, f + len - 4, 4);
    } else if (len > 0) {
        t[0] = f[0];
        t[len / 2] = f[len / 2];
        t[len - 1] = f[len - 1];
    }
}

#endif
