/* Sets of shards: see shards.h for the two forms on the wire. */
#include "cluster/shards.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <mesh/error.h>

#include "base/alloc.h"

enum { FORM_RANGES, FORM_BITMAP };

void shards_push(struct shards *s, uint32_t shard)
{
    assert(shard <= UINT16_MAX && (s->count == 0 || s->at[s->count - 1] < shard));
    if (s->count == s->room) {
        uint32_t room = s->room ? 2 * s->room : 16;
        uint16_t *at = must_calloc(room, sizeof *at);
        if (s->count > 0)
            memcpy(at, s->at, s->count * sizeof *at);
        free(s->at);
        s->at = at;
        s->room = room;
    }
    s->at[s->count++] = (uint16_t)shard;
}

void shards_fini(struct shards *s)
{
    free(s->at);
    *s = (struct shards){NULL, 0, 0};
}

int32_t shards_find(const struct shards *s, uint32_t shard)
{
    uint32_t low = 0, high = s->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (s->at[middle] == shard)
            return (int32_t)middle;
        if (s->at[middle] < shard)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

/* The end of the range that begins at place i: the place behind its last shard. */
static uint32_t range_end(const struct shards *s, uint32_t i)
{
    do
        i++;
    while (i < s->count && s->at[i] == s->at[i - 1] + 1);
    return i;
}

static void put_ranges(const struct shards *s, uint8_t *out)
{
    *out++ = FORM_RANGES;
    for (uint32_t i = 0, end; i < s->count; i = end) {
        end = range_end(s, i);
        uint16_t first = s->at[i], last = s->at[end - 1];
        *out++ = (uint8_t)(first >> 8);
        *out++ = (uint8_t)first;
        *out++ = (uint8_t)(last >> 8);
        *out++ = (uint8_t)last;
    }
}

int shards_put(const struct shards *s, uint32_t total, mesh_buf *buf)
{
    size_t ranges = 0, bitmap = 1 + (total + 7) / 8;
    for (uint32_t i = 0; i < s->count; i = range_end(s, i))
        ranges++;
    size_t len = 1 + 4 * ranges < bitmap ? 1 + 4 * ranges : bitmap;
    int error = mesh_buf_reserve(buf, len);
    if (error)
        return error;
    uint8_t *out = buf->data + buf->len;
    if (len < bitmap) {
        put_ranges(s, out);
    } else {
        memset(out, 0, len);
        out[0] = FORM_BITMAP;
        for (uint32_t i = 0; i < s->count; i++)
            out[1 + s->at[i] / 8] |= (uint8_t)(1U << s->at[i] % 8);
    }
    buf->len += len;
    return MESH_OK;
}

static int read_ranges(const uint8_t *in, size_t len, uint32_t total, struct shards *s)
{
    if (len % 4 != 0)
        return MESH_EBADTERM;
    uint32_t floor = 0; /* the lowest that the next range may begin with */
    for (size_t i = 0; i < len; i += 4) {
        uint32_t first = (uint32_t)in[i] << 8 | in[i + 1], last = (uint32_t)in[i + 2] << 8 | in[i + 3];
        if (first < floor || last < first || last >= total)
            return MESH_EBADTERM;
        for (uint32_t shard = first; shard <= last; shard++)
            shards_push(s, shard);
        floor = last + 2;
    }
    return MESH_OK;
}

static int read_bitmap(const uint8_t *in, size_t len, uint32_t total, struct shards *s)
{
    if (len != (total + 7) / 8)
        return MESH_EBADTERM;
    for (uint32_t byte = 0; byte < len; byte++)
        for (uint32_t bits = in[byte]; bits != 0; bits &= bits - 1) {
            uint32_t shard = 8 * byte + (uint32_t)__builtin_ctz(bits);
            if (shard >= total)
                return MESH_EBADTERM;
            shards_push(s, shard);
        }
    return MESH_OK;
}

int shards_read(mesh_bytes bytes, uint32_t total, struct shards *s)
{
    const uint8_t *in = bytes.data;
    shards_clear(s);
    if (bytes.len == 0 || in[0] > FORM_BITMAP)
        return MESH_EBADTERM;
    return (in[0] == FORM_RANGES ? read_ranges : read_bitmap)(in + 1, bytes.len - 1, total, s);
}
