/* The writer: one function per kind of term, each in the form a BEAM would send. */
#include <math.h>

#include "term/utf8.h"
#include "term/wire.h"

#include <mesh/term.h>

/* A tag, a length of 1, 2 or 4 bytes, and so many bytes. */
static int put_counted(mesh_buf *buf, uint8_t tag, unsigned width, const void *data, size_t len)
{
    if (len > UINT32_MAX)
        return MESH_ETOOBIG;
    int error = mesh_buf_reserve(buf, 1 + width + len);
    if (error)
        return error;
    uint8_t *p = buf->data + buf->len;
    p[0] = tag;
    if (width == 1)
        p[1] = (uint8_t)len;
    else if (width == 2)
        wire_put_u16(p + 1, (uint16_t)len);
    else
        wire_put_u32(p + 1, (uint32_t)len);
    if (len)
        memcpy(p + 1 + width, data, len);
    buf->len += 1 + width + len;
    return MESH_OK;
}

static int put_header(mesh_buf *buf, uint8_t tag, uint32_t count)
{
    uint8_t bytes[5] = {tag};
    wire_put_u32(bytes + 1, count);
    return mesh_buf_append(buf, bytes, sizeof bytes);
}

int mesh_put_int(mesh_buf *buf, int64_t value)
{
    uint8_t bytes[WIRE_INT_MAX];
    return mesh_buf_append(buf, bytes, (size_t)(wire_put_int(bytes, value) - bytes));
}

int mesh_put_uint(mesh_buf *buf, uint64_t value)
{
    uint8_t bytes[WIRE_INT_MAX];
    return mesh_buf_append(buf, bytes, (size_t)(wire_put_uint(bytes, value) - bytes));
}

int mesh_put_bigint(mesh_buf *buf, bool negative, mesh_bytes magnitude)
{
    const uint8_t *bytes = magnitude.data;
    while (magnitude.len > 0 && bytes[magnitude.len - 1] == 0)
        magnitude.len--;
    if (magnitude.len <= 4) {
        int64_t value = 0;
        for (size_t i = 0; i < magnitude.len; i++)
            value |= (int64_t)bytes[i] << (8 * i);
        return mesh_put_int(buf, negative ? -value : value);
    }
    bool small = magnitude.len <= 255;
    if (magnitude.len > MESH_BUF_MAX_BYTES)
        return MESH_ETOOBIG;
    uint8_t head[6] = {small ? TAG_SMALL_BIG : TAG_LARGE_BIG, (uint8_t)magnitude.len, negative};
    if (!small) {
        wire_put_u32(head + 1, (uint32_t)magnitude.len);
        head[5] = negative;
    }
    size_t head_len = small ? 3 : 6;
    int error = mesh_buf_reserve(buf, head_len + magnitude.len);
    if (error)
        return error;
    memcpy(buf->data + buf->len, head, head_len);
    memcpy(buf->data + buf->len + head_len, bytes, magnitude.len);
    buf->len += head_len + magnitude.len;
    return MESH_OK;
}

int mesh_put_float(mesh_buf *buf, double value)
{
    uint8_t bytes[9] = {TAG_NEW_FLOAT};
    if (!isfinite(value))
        return MESH_EINVAL;
    wire_put_double(bytes + 1, value);
    return mesh_buf_append(buf, bytes, sizeof bytes);
}

int mesh_put_bool(mesh_buf *buf, bool value)
{
    return mesh_put_atom(buf, mesh_str(value ? "true" : "false"));
}

int mesh_put_nil(mesh_buf *buf)
{
    return mesh_put_atom(buf, mesh_str("nil"));
}

int mesh_put_empty(mesh_buf *buf)
{
    const uint8_t tag = TAG_NIL;
    return mesh_buf_append(buf, &tag, 1);
}

int mesh_put_atom(mesh_buf *buf, mesh_bytes name)
{
    size_t characters;
    if (name.len > (size_t)4 * MESH_ATOM_MAX_CHARS || !utf8_count(name.data, name.len, &characters) ||
        characters > MESH_ATOM_MAX_CHARS)
        return MESH_EINVAL;
    if (name.len > 255)
        return put_counted(buf, TAG_ATOM_UTF8, 2, name.data, name.len);
    return put_counted(buf, TAG_SMALL_ATOM_UTF8, 1, name.data, name.len);
}

int mesh_put_binary(mesh_buf *buf, mesh_bytes bytes)
{
    return put_counted(buf, TAG_BINARY, 4, bytes.data, bytes.len);
}

int mesh_put_bits(mesh_buf *buf, mesh_bytes bytes, unsigned last_bits)
{
    if (last_bits < 1 || last_bits > 8 || bytes.len == 0)
        return MESH_EINVAL;
    if (last_bits == 8)
        return mesh_put_binary(buf, bytes);
    if (bytes.len > UINT32_MAX)
        return MESH_ETOOBIG;
    int error = mesh_buf_reserve(buf, 6 + bytes.len);
    if (error)
        return error;
    uint8_t *p = buf->data + buf->len;
    p[0] = TAG_BIT_BINARY;
    wire_put_u32(p + 1, (uint32_t)bytes.len);
    p[5] = (uint8_t)last_bits;
    memcpy(p + 6, bytes.data, bytes.len);
    p[5 + bytes.len] &= (uint8_t)(0xFF00u >> last_bits);
    buf->len += 6 + bytes.len;
    return MESH_OK;
}

/* Undoes what was appended since `len` when something behind it failed. */
static int undo(mesh_buf *buf, size_t len, int error)
{
    if (error)
        buf->len = len;
    return error;
}

int mesh_put_pid(mesh_buf *buf, const mesh_pid *pid)
{
    size_t before = buf->len;
    uint8_t tail[12];
    const uint8_t tag = TAG_NEW_PID;
    wire_put_u32(tail, (uint32_t)pid->number);
    wire_put_u32(tail + 4, (uint32_t)(pid->number >> 32));
    wire_put_u32(tail + 8, pid->creation);
    int error = mesh_buf_append(buf, &tag, 1);
    if (!error)
        error = mesh_put_atom(buf, mesh_str(pid->node));
    if (!error)
        error = mesh_buf_append(buf, tail, sizeof tail);
    return undo(buf, before, error);
}

int mesh_put_ref(mesh_buf *buf, const mesh_ref *ref)
{
    size_t before = buf->len;
    uint8_t head[3] = {TAG_NEWER_REFERENCE};
    uint8_t tail[24];
    if (ref->count < 1 || ref->count > 5)
        return MESH_EINVAL;
    wire_put_u16(head + 1, (uint16_t)ref->count);
    wire_put_u32(tail, ref->creation);
    for (size_t i = 0; i < ref->count; i++)
        wire_put_u32(tail + 4 + 4 * i, ref->words[i]);
    int error = mesh_buf_append(buf, head, sizeof head);
    if (!error)
        error = mesh_put_atom(buf, mesh_str(ref->node));
    if (!error)
        error = mesh_buf_append(buf, tail, 4 + 4 * (size_t)ref->count);
    return undo(buf, before, error);
}

int mesh_put_term(mesh_buf *buf, mesh_term term)
{
    if (term.len == 0)
        return MESH_EINVAL;
    return mesh_buf_append(buf, term.data, term.len);
}

int mesh_put_tuple(mesh_buf *buf, uint32_t arity)
{
    const uint8_t small[2] = {TAG_SMALL_TUPLE, (uint8_t)arity};
    if (arity <= 255)
        return mesh_buf_append(buf, small, sizeof small);
    return put_header(buf, TAG_LARGE_TUPLE, arity);
}

int mesh_put_list(mesh_buf *buf, uint32_t count)
{
    return count ? put_header(buf, TAG_LIST, count) : MESH_OK;
}

int mesh_put_map(mesh_buf *buf, uint32_t pairs)
{
    return put_header(buf, TAG_MAP, pairs);
}
