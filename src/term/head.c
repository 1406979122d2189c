/* Decoding of one scalar or one container's header; see wire.h for the bytes.
 *
 * A `struct span` is what is left to read. take() is the only place where it shrinks, so nothing is read that was not
 * there. */
#include "term/head.h"

#include <math.h>

#include "term/number.h"
#include "term/wire.h"

struct span {
    const uint8_t *at;
    const uint8_t *end;
};

static const uint8_t *take(struct span *s, size_t n)
{
    if ((size_t)(s->end - s->at) < n)
        return NULL;
    const uint8_t *p = s->at;
    s->at += n;
    return p;
}

/* A length of 1, 2 or 4 bytes, then so many bytes more (`extra` between them is skipped). */
static bool counted(struct span *s, unsigned width, unsigned extra, struct head *h)
{
    const uint8_t *p = take(s, width + extra);
    if (!p)
        return false;
    h->count = width == 1 ? p[0] : width == 2 ? wire_u16(p) : wire_u32(p);
    h->data = take(s, h->count);
    return h->data != NULL;
}

static bool atom_inside(struct span *s)
{
    struct head h;
    const uint8_t *tag = take(s, 1);
    if (!tag)
        return false;
    switch (*tag) {
    case TAG_ATOM:
    case TAG_ATOM_UTF8:
        return counted(s, 2, 0, &h);
    case TAG_SMALL_ATOM:
    case TAG_SMALL_ATOM_UTF8:
        return counted(s, 1, 0, &h);
    default:
        return false;
    }
}

/* A node's atom and then `n` bytes. */
static bool node_and(struct span *s, size_t n, struct head *h)
{
    h->data = s->at;
    if (!atom_inside(s) || !take(s, n))
        return false;
    h->count = (uint32_t)(s->at - h->data);
    return true;
}

static bool reference(struct span *s, size_t creation, struct head *h)
{
    const uint8_t *words = take(s, 2);
    if (!words || wire_u16(words) < 1 || wire_u16(words) > 5)
        return false;
    return node_and(s, creation + (size_t)4 * wire_u16(words), h);
}

static bool fun(struct span *s, struct head *h)
{
    h->data = s->at;
    const uint8_t *size = take(s, 4);
    if (!size || wire_u32(size) < 4 + 1 + 16 + 4 + 4 || !take(s, wire_u32(size) - 4))
        return false;
    h->count = wire_u32(size);
    return true;
}

static bool export_fun(struct span *s, struct head *h)
{
    h->data = s->at;
    bool module = atom_inside(s);
    bool function = module && atom_inside(s);
    if (!function)
        return false;
    const uint8_t *arity = take(s, 2);
    if (!arity || arity[0] != TAG_SMALL_INTEGER)
        return false;
    h->count = (uint32_t)(s->at - h->data);
    return true;
}

/* A container: its count, which must be one that the bytes left can hold (at least one byte a term). */
static bool container(struct span *s, unsigned width, enum mesh_type type, struct head *h)
{
    const uint8_t *p = take(s, width);
    if (!p)
        return false;
    h->type = type;
    h->count = width == 1 ? p[0] : wire_u32(p);
    h->data = s->at;
    h->next = s->at;
    return head_children(h) <= (size_t)(s->end - s->at);
}

static bool scalar_of(struct head *h, enum mesh_type type, bool whole)
{
    h->type = type;
    return whole;
}

static bool fixed(struct span *s, size_t n, enum mesh_type type, struct head *h)
{
    h->type = type;
    h->count = (uint32_t)n;
    h->data = take(s, n);
    return h->data != NULL;
}

static bool bits(struct span *s, struct head *h)
{
    if (!counted(s, 4, 1, h))
        return false;
    h->bits = h->data[-1];
    h->type = h->bits == 8 ? MESH_TYPE_BINARY : MESH_TYPE_BITS;
    return true;
}

static bool binary(struct span *s, struct head *h)
{
    h->type = MESH_TYPE_BINARY;
    if (!counted(s, 4, 0, h))
        return false;
    h->bits = h->count ? 8 : 0;
    return true;
}

static bool old_string(struct span *s, struct head *h)
{
    if (!counted(s, 2, 0, h))
        return false;
    h->type = h->count ? MESH_TYPE_LIST : MESH_TYPE_EMPTY;
    return true;
}

static bool body(struct span *s, struct head *h)
{
    switch (h->tag) {
    case TAG_SMALL_INTEGER:
        return fixed(s, 1, MESH_TYPE_INT, h);
    case TAG_INTEGER:
        return fixed(s, 4, MESH_TYPE_INT, h);
    case TAG_SMALL_BIG:
        return scalar_of(h, MESH_TYPE_INT, counted(s, 1, 1, h));
    case TAG_LARGE_BIG:
        return scalar_of(h, MESH_TYPE_INT, counted(s, 4, 1, h));
    case TAG_NEW_FLOAT:
        return fixed(s, 8, MESH_TYPE_FLOAT, h);
    case TAG_FLOAT:
        return fixed(s, 31, MESH_TYPE_FLOAT, h);
    case TAG_SMALL_ATOM:
    case TAG_SMALL_ATOM_UTF8:
        return scalar_of(h, MESH_TYPE_ATOM, counted(s, 1, 0, h));
    case TAG_ATOM:
    case TAG_ATOM_UTF8:
        return scalar_of(h, MESH_TYPE_ATOM, counted(s, 2, 0, h));
    case TAG_BINARY:
        return binary(s, h);
    case TAG_BIT_BINARY:
        return bits(s, h);
    case TAG_STRING:
        return old_string(s, h);
    case TAG_NIL:
        return fixed(s, 0, MESH_TYPE_EMPTY, h);
    case TAG_SMALL_TUPLE:
        return container(s, 1, MESH_TYPE_TUPLE, h);
    case TAG_LARGE_TUPLE:
        return container(s, 4, MESH_TYPE_TUPLE, h);
    case TAG_LIST:
        return container(s, 4, MESH_TYPE_LIST, h) && h->count > 0;
    case TAG_MAP:
        return container(s, 4, MESH_TYPE_MAP, h);
    case TAG_NEW_PID:
        return scalar_of(h, MESH_TYPE_PID, node_and(s, 12, h));
    case TAG_PID:
        return scalar_of(h, MESH_TYPE_PID, node_and(s, 9, h));
    case TAG_NEWER_REFERENCE:
        return scalar_of(h, MESH_TYPE_REF, reference(s, 4, h));
    case TAG_NEW_REFERENCE:
        return scalar_of(h, MESH_TYPE_REF, reference(s, 1, h));
    case TAG_REFERENCE:
        return scalar_of(h, MESH_TYPE_REF, node_and(s, 5, h));
    case TAG_V4_PORT:
        return scalar_of(h, MESH_TYPE_PORT, node_and(s, 12, h));
    case TAG_NEW_PORT:
        return scalar_of(h, MESH_TYPE_PORT, node_and(s, 8, h));
    case TAG_PORT:
        return scalar_of(h, MESH_TYPE_PORT, node_and(s, 5, h));
    case TAG_NEW_FUN:
        return scalar_of(h, MESH_TYPE_FUN, fun(s, h));
    case TAG_EXPORT:
        return scalar_of(h, MESH_TYPE_FUN, export_fun(s, h));
    default:
        return false;
    }
}

int head_read(const uint8_t *at, const uint8_t *end, struct head *h)
{
    struct span s = {at, end};
    const uint8_t *tag = take(&s, 1);
    if (!tag)
        return MESH_EBADTERM;
    h->tag = *tag;
    if (!body(&s, h))
        return MESH_EBADTERM;
    h->next = s.at;
    return MESH_OK;
}

/* The length of the scalars that are most frequent; 0 for all else, which head_read judges. */
static size_t frequent_size(const uint8_t *p, size_t left)
{
    size_t n = 0;
    if (left < 5)
        return 0;
    switch (*p) {
    case TAG_SMALL_INTEGER:
        return 2;
    case TAG_INTEGER:
        return 5;
    case TAG_NIL:
        return 1;
    case TAG_SMALL_ATOM_UTF8:
        n = 2 + (size_t)p[1];
        break;
    case TAG_BINARY:
        n = 5 + (size_t)wire_u32(p + 1);
        break;
    default:
        break;
    }
    return n <= left ? n : 0;
}

int head_skip(const uint8_t **at, const uint8_t *end)
{
    const uint8_t *p = *at;
    for (uint64_t left = 1; left > 0; left--) {
        struct head h;
        size_t n = frequent_size(p, (size_t)(end - p));
        if (n > 0) {
            p += n;
            continue;
        }
        if (head_read(p, end, &h) != MESH_OK)
            return MESH_EBADTERM;
        p = h.next;
        left += head_children(&h);
    }
    *at = p;
    return MESH_OK;
}

void head_integer(const struct head *h, struct integer *out)
{
    if (h->tag == TAG_SMALL_BIG || h->tag == TAG_LARGE_BIG) {
        out->negative = h->data[-1] != 0;
        out->magnitude = h->data;
        out->len = h->count;
    } else {
        int64_t value = h->tag == TAG_INTEGER ? (int32_t)wire_u32(h->data) : h->data[0];
        uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
        out->negative = value < 0;
        for (unsigned i = 0; i < 4; i++)
            out->scratch[i] = (uint8_t)(magnitude >> (8 * i));
        out->magnitude = out->scratch;
        out->len = 4;
    }
    while (out->len > 0 && out->magnitude[out->len - 1] == 0)
        out->len--;
    if (out->len == 0)
        out->negative = false;
}

/* Sign and magnitude, if that has at most 64 bits. */
static bool small_magnitude(const struct head *h, bool *negative, uint64_t *magnitude)
{
    struct integer n;
    head_integer(h, &n);
    if (n.len > 8)
        return false;
    *magnitude = 0;
    for (unsigned i = 0; i < n.len; i++)
        *magnitude |= (uint64_t)n.magnitude[i] << (8 * i);
    *negative = n.negative;
    return true;
}

bool head_int64(const struct head *h, int64_t *out)
{
    if (h->tag == TAG_SMALL_INTEGER) {
        *out = h->data[0];
        return true;
    }
    if (h->tag == TAG_INTEGER) {
        *out = (int32_t)wire_u32(h->data);
        return true;
    }
    bool negative;
    uint64_t magnitude;
    if (!small_magnitude(h, &negative, &magnitude) || magnitude > (uint64_t)INT64_MAX + negative)
        return false;
    *out = negative ? -(int64_t)(magnitude - 1) - 1 : (int64_t)magnitude;
    return true;
}

bool head_uint64(const struct head *h, uint64_t *out)
{
    bool negative;
    return small_magnitude(h, &negative, out) && !negative;
}

bool head_double(const struct head *h, double *out)
{
    if (h->tag == TAG_FLOAT)
        return number_old_float((const char *)h->data, out);
    *out = wire_double(h->data);
    return isfinite(*out) != 0;
}

mesh_bytes head_atom(const struct head *h, char scratch[HEAD_ATOM_SCRATCH])
{
    mesh_bytes name = {h->data, h->count};
    bool latin1 = h->tag == TAG_ATOM || h->tag == TAG_SMALL_ATOM;
    bool ascii = true;
    for (uint32_t i = 0; latin1 && ascii && i < h->count; i++)
        ascii = h->data[i] < 0x80;
    if (!latin1 || ascii)
        return name;
    size_t n = 0;
    for (uint32_t i = 0; i < h->count && n + 2 <= HEAD_ATOM_SCRATCH; i++) {
        if (h->data[i] >= 0x80)
            scratch[n++] = (char)(0xC0 | h->data[i] >> 6);
        scratch[n++] = (char)(h->data[i] < 0x80 ? h->data[i] : (0x80 | (h->data[i] & 0x3F)));
    }
    name.data = scratch;
    name.len = n;
    return name;
}

/* Reads the node's atom at h->data into node, which changes only on success; gives what is behind it in *rest. */
static int node_name(const struct head *h, char node[256], const uint8_t **rest)
{
    struct head atom;
    char scratch[HEAD_ATOM_SCRATCH];
    if (head_read(h->data, h->next, &atom) != MESH_OK)
        return MESH_EBADTERM;
    mesh_bytes name = head_atom(&atom, scratch);
    if (name.len > 255)
        return MESH_ETOOBIG;
    if (name.len)
        memcpy(node, name.data, name.len);
    node[name.len] = '\0';
    *rest = atom.next;
    return MESH_OK;
}

int head_pid(const struct head *h, mesh_pid *out)
{
    const uint8_t *p;
    int error = node_name(h, out->node, &p);
    if (error)
        return error;
    if (h->tag == TAG_V4_PORT) {
        out->number = wire_u64(p);
        out->creation = wire_u32(p + 8);
        return MESH_OK;
    }
    out->number = wire_u32(p);
    p += 4;
    if (h->type == MESH_TYPE_PID) {
        out->number |= (uint64_t)wire_u32(p) << 32;
        p += 4;
    }
    out->creation = h->tag == TAG_NEW_PID || h->tag == TAG_NEW_PORT ? wire_u32(p) : p[0];
    return MESH_OK;
}

int head_ref(const struct head *h, mesh_ref *out)
{
    const uint8_t *p;
    int error = node_name(h, out->node, &p);
    if (error)
        return error;
    if (h->tag == TAG_REFERENCE) {
        out->count = 1;
        out->words[0] = wire_u32(p);
        out->creation = p[4];
        return MESH_OK;
    }
    bool newer = h->tag == TAG_NEWER_REFERENCE;
    out->count = wire_u16(h->data - 2);
    out->creation = newer ? wire_u32(p) : p[0];
    p += newer ? 4 : 1;
    for (size_t i = 0; i < out->count; i++)
        out->words[i] = wire_u32(p + 4 * i);
    return MESH_OK;
}
