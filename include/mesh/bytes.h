/* Counted bytes that somebody else owns: ids, texts, binaries. */
#ifndef MESH_BYTES_H
#define MESH_BYTES_H

#include <stddef.h>
#include <string.h>

typedef struct mesh_bytes {
    const void *data; /* any bytes, NUL included; may be NULL when len is 0 */
    size_t len;       /* in bytes */
} mesh_bytes;

/* The bytes of a C string, without its NUL; NULL gives no bytes. The result points into text. */
static inline mesh_bytes mesh_str(const char *text)
{
    mesh_bytes b = {text, text ? strlen(text) : 0};
    return b;
}

#endif
