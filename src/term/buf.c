/* The growing buffer: the first bytes in the struct, then the heap, doubling. */
#include <stdlib.h>

#include <mesh/term.h>

#include "term/wire.h"

void mesh_buf_fini(mesh_buf *buf)
{
    if (buf->data != buf->local)
        free(buf->data);
    mesh_buf_init(buf);
}

int mesh_buf_reserve(mesh_buf *buf, size_t more)
{
    if (more <= buf->cap - buf->len)
        return MESH_OK;
    if (more > MESH_BUF_MAX_BYTES || buf->len > MESH_BUF_MAX_BYTES - more)
        return MESH_ETOOBIG;
    size_t cap = buf->cap;
    while (cap < buf->len + more)
        cap *= 2;
    uint8_t *data = buf->data == buf->local ? malloc(cap) : realloc(buf->data, cap);
    if (!data)
        return MESH_ENOMEM;
    if (buf->data == buf->local)
        memcpy(data, buf->local, buf->len);
    buf->data = data;
    buf->cap = cap;
    return MESH_OK;
}

int mesh_buf_append(mesh_buf *buf, const void *data, size_t len)
{
    int error = mesh_buf_reserve(buf, len);
    if (error)
        return error;
    if (len)
        memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    return MESH_OK;
}

int mesh_encode(mesh_term term, mesh_buf *buf)
{
    const uint8_t version = TAG_VERSION;
    if (term.len == 0)
        return MESH_EINVAL;
    mesh_buf_clear(buf);
    int error = mesh_buf_append(buf, &version, 1);
    if (!error)
        error = mesh_buf_append(buf, term.data, term.len);
    if (error)
        mesh_buf_clear(buf);
    return error;
}
