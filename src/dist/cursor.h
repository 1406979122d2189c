/* A bounded place in bytes from outside. A read beyond the end gives 0 or NULL and marks the cursor as failed, and so
 * does every read after it: a decoder reads all its fields, and asks once whether they were there. */
#ifndef DIST_CURSOR_H
#define DIST_CURSOR_H

#include <stdbool.h>

#include <mesh/bytes.h>

#include "term/wire.h"

struct cursor {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

static inline struct cursor cursor_of(mesh_bytes bytes)
{
    const uint8_t *data = bytes.data;
    struct cursor c = {data, bytes.len ? data + bytes.len : data, false};
    return c;
}

static inline size_t cursor_left(const struct cursor *c)
{
    return (size_t)(c->end - c->at);
}

/* The next n bytes, moved over; NULL when there are fewer. */
static inline const uint8_t *cursor_take(struct cursor *c, size_t n)
{
    if (c->failed || cursor_left(c) < n) {
        c->failed = true;
        return NULL;
    }
    const uint8_t *p = c->at;
    c->at += n;
    return p;
}

static inline uint8_t cursor_u8(struct cursor *c)
{
    const uint8_t *p = cursor_take(c, 1);
    return p ? *p : 0;
}

static inline uint16_t cursor_u16(struct cursor *c)
{
    const uint8_t *p = cursor_take(c, 2);
    return p ? wire_u16(p) : 0;
}

static inline uint32_t cursor_u32(struct cursor *c)
{
    const uint8_t *p = cursor_take(c, 4);
    return p ? wire_u32(p) : 0;
}

static inline uint64_t cursor_u64(struct cursor *c)
{
    const uint8_t *p = cursor_take(c, 8);
    return p ? wire_u64(p) : 0;
}

/* The next n bytes as a view; empty when there are fewer. */
static inline mesh_bytes cursor_bytes(struct cursor *c, size_t n)
{
    mesh_bytes b = {cursor_take(c, n), n};
    if (!b.data)
        b.len = 0;
    return b;
}

static inline mesh_bytes cursor_rest(const struct cursor *c)
{
    mesh_bytes b = {c->at, cursor_left(c)};
    return b;
}

#endif
