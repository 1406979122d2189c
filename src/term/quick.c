/* The quick look: see quick.h.
 *
 * Walks the bytes once with one counter of elements still to come, so it needs no stack: containers only add their
 * elements. A map is accepted if its keys are ASCII atoms that differ, in flat maps of at most KEYS_MAX pairs: their
 * values must be scalars, so that the keys are found on the same walk. */
#include "term/quick.h"

#include <string.h>

enum {
    KEYS_MAX = 8,
    TAG_NEW_FLOAT = 70,
    TAG_SMALL_INT = 97,
    TAG_INT = 98,
    TAG_SMALL_TUPLE = 104,
    TAG_NIL = 106,
    TAG_LIST = 108,
    TAG_BINARY = 109,
    TAG_MAP = 116,
    TAG_SMALL_ATOM = 119,
};

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* An atom whose bytes are ASCII: then it is UTF-8 and no longer in characters than in bytes. Its length with the
 * header, or 0. */
static size_t ascii_atom(const uint8_t *p, size_t left)
{
    if (left < 2 || p[0] != TAG_SMALL_ATOM || left - 2 < p[1])
        return 0;
    uint8_t high = 0;
    for (size_t i = 0; i < p[1]; i++)
        high |= p[2 + i];
    return high < 0x80 ? 2u + p[1] : 0;
}

/* The length of a scalar, or 0. */
static size_t scalar(const uint8_t *p, size_t left)
{
    switch (p[0]) {
    case TAG_SMALL_INT:
        return left >= 2 ? 2 : 0;
    case TAG_INT:
        return left >= 5 ? 5 : 0;
    case TAG_NEW_FLOAT: /* not NaN, not infinite */
        return left >= 9 && ((p[1] & 0x7f) != 0x7f || (p[2] & 0xf0) != 0xf0) ? 9 : 0;
    case TAG_NIL:
        return 1;
    case TAG_BINARY:
        return left >= 5 && left - 5 >= be32(p + 1) ? 5 + (size_t)be32(p + 1) : 0;
    default:
        return ascii_atom(p, left);
    }
}

/* The length of a flat map behind its header, or 0. */
static size_t flat_pairs(const uint8_t *p, size_t left, uint32_t pairs)
{
    const uint8_t *key[KEYS_MAX];
    size_t at = 0;
    for (uint32_t i = 0; i < pairs; i++) {
        size_t len = at < left ? ascii_atom(p + at, left - at) : 0;
        if (len == 0)
            return 0;
        key[i] = p + at;
        for (uint32_t k = 0; k < i; k++)
            if (memcmp(key[k], key[i], len) == 0) /* both hold their length: no prefix is taken for the whole */
                return 0;
        at += len;
        len = at < left ? scalar(p + at, left - at) : 0;
        if (len == 0)
            return 0;
        at += len;
    }
    return at;
}

size_t quick_length(const uint8_t *data, size_t len)
{
    size_t at = 0;
    uint32_t wanted = 1;
    for (int elements = 0; wanted > 0; elements++) {
        if (at >= len || elements == QUICK_ELEMENTS_MAX)
            return 0;
        const uint8_t *p = data + at;
        size_t left = len - at, step = scalar(p, left);
        wanted--;
        if (step == 0 && p[0] == TAG_MAP && left >= 5 && be32(p + 1) <= KEYS_MAX) {
            uint32_t pairs = be32(p + 1);
            step = pairs == 0 ? 5 : flat_pairs(p + 5, left - 5, pairs);
            if (step != 0 && pairs != 0)
                step += 5;
        } else if (step == 0 && p[0] == TAG_SMALL_TUPLE && left >= 2) {
            step = 2;
            wanted += p[1];
        } else if (step == 0 && p[0] == TAG_LIST && left >= 5 && be32(p + 1) - 1 < QUICK_ELEMENTS_MAX) {
            step = 5;
            wanted += be32(p + 1) + 1;
        }
        if (step == 0)
            return 0;
        at += step;
    }
    return at;
}
