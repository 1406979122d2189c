/* SipHash-2-4: the variant of placement, where nothing is in a hurry and the value is wire format. */
#include "base/siphash.h"

static void absorb(struct siphash_state *s, uint64_t word)
{
    s->v3 ^= word;
    siphash_round(s);
    siphash_round(s);
    s->v0 ^= word;
}

uint64_t siphash24(struct siphash_key key, const void *data, size_t len)
{
    const unsigned char *p = data;
    struct siphash_state s;
    siphash_start(&s, key);
    for (size_t words = len / 8; words > 0; words--, p += 8)
        absorb(&s, load_le64(p));
    absorb(&s, siphash_last(p, len));
    s.v2 ^= 0xff;
    for (int i = 0; i < 4; i++)
        siphash_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
