/* Jenkins' hash: twelve bytes a turn into three words, the last turn padded with zeros, the length added to c.
 *
 * The low byte of c in the last turn belongs to the length, hence the tail's ninth to eleventh byte start one higher.
 */
#include "placement/phash2.h"

#include "base/load.h"

/* The hash of a binary starts from this constant (HCONST_13 of the original), and is it for an empty one. */
#define BINARY_START 0x08d12e65U
#define GOLDEN_RATIO 0x9e3779b9U

struct jenkins {
    uint32_t a, b, c;
};

static inline void mix(struct jenkins *s)
{
    uint32_t a = s->a, b = s->b, c = s->c;
    a = (a - b - c) ^ c >> 13;
    b = (b - c - a) ^ a << 8;
    c = (c - a - b) ^ b >> 13;
    a = (a - b - c) ^ c >> 12;
    b = (b - c - a) ^ a << 16;
    c = (c - a - b) ^ b >> 5;
    a = (a - b - c) ^ c >> 3;
    b = (b - c - a) ^ a << 10;
    c = (c - a - b) ^ b >> 15;
    s->a = a;
    s->b = b;
    s->c = c;
}

/* The n bytes at p, 0 to 11 of them, into the last turn. */
static inline void add_tail(struct jenkins *s, const unsigned char *p, size_t n)
{
    if (n >= 8) {
        s->c += (uint32_t)load_le_part(p + 8, n - 8) << 8;
        n = 8;
    }
    uint64_t low = n == 8 ? load_le64(p) : load_le_part(p, n);
    s->a += (uint32_t)low;
    s->b += (uint32_t)(low >> 32);
}

uint32_t phash2_binary(mesh_bytes binary)
{
    if (binary.len == 0)
        return BINARY_START;
    const unsigned char *p = binary.data;
    size_t left = binary.len;
    struct jenkins s = {GOLDEN_RATIO, GOLDEN_RATIO, BINARY_START};
    for (; left >= 12; left -= 12, p += 12) {
        s.a += load_le32(p);
        s.b += load_le32(p + 4);
        s.c += load_le32(p + 8);
        mix(&s);
    }
    s.c += (uint32_t)binary.len;
    add_tail(&s, p, left);
    mix(&s);
    return s.c;
}

uint32_t phash2_range(mesh_bytes binary, uint32_t range)
{
    uint32_t hash = phash2_binary(binary);
    return range == 0 ? hash : hash % range;
}
