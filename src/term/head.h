/* One step into a term: what stands at a place, and where it ends. Everything that walks terms does it through here,
 * so bounds are checked in one place. */
#ifndef TERM_HEAD_H
#define TERM_HEAD_H

#include <mesh/term.h>

#include "term/wire.h"

struct head {
    enum mesh_type type;
    uint8_t tag;
    uint8_t bits;        /* BITS and BINARY: how many of the last byte count (8; 0 when empty) */
    uint32_t count;      /* tuple: arity; map: pairs; list: elements without the tail; otherwise bytes of data */
    const uint8_t *data; /* scalars: what comes after tag and length; pids, references, ports: the node's atom */
    const uint8_t *next; /* behind the scalar; containers: the first element */
};

/* Reads what stands at `at`, never at or beyond `end`. MESH_EBADTERM when it is cut off, or not a term. Scalars are
 * whole within bounds afterwards, though their content is not judged (check.c does); a container's count has been
 * held against the bytes that are left. A list that was sent as a string is one scalar here: type LIST, tag STRING.
 * A fun is skipped as a whole. */
int head_read(const uint8_t *at, const uint8_t *end, struct head *h);

/* How many terms follow the head and belong to it: a list's tail, a map's keys and values. */
static inline uint64_t head_children(const struct head *h)
{
    switch (h->type) {
    case MESH_TYPE_TUPLE:
        return h->count;
    case MESH_TYPE_MAP:
        return 2 * (uint64_t)h->count;
    case MESH_TYPE_LIST:
        return h->next == h->data ? (uint64_t)h->count + 1 : 0;
    default:
        return 0;
    }
}

/* Whether the list at h came as a string. */
static inline bool head_is_string(const struct head *h)
{
    return h->type == MESH_TYPE_LIST && h->next != h->data;
}

/* Moves *at over one term. MESH_EBADTERM, *at then unchanged. */
int head_skip(const uint8_t **at, const uint8_t *end);

/* The same, quicker for what keys and small values mostly are. */
static inline int head_skip_short(const uint8_t **at, const uint8_t *end)
{
    const uint8_t *p = *at;
    size_t left = (size_t)(end - p);
    size_t n = left < 2 ? 0 : p[0] == TAG_SMALL_ATOM_UTF8 ? 2 + (size_t)p[1] : p[0] == TAG_SMALL_INTEGER ? 2 : 0;
    if (n == 0 || n > left)
        return head_skip(at, end);
    *at = p + n;
    return MESH_OK;
}

/* An integer as sign and magnitude (low byte first, no zero bytes at the high end); scratch holds that of small ones.
 */
struct integer {
    bool negative;
    const uint8_t *magnitude;
    uint32_t len;
    uint8_t scratch[4];
};
void head_integer(const struct head *h, struct integer *out);

/* The integer as a number; false when it does not fit. */
bool head_int64(const struct head *h, int64_t *out);
bool head_uint64(const struct head *h, uint64_t *out);

/* False when the bytes are no finite number. */
bool head_double(const struct head *h, double *out);

/* The name of an atom in UTF-8: a view of the term, or of scratch for a Latin-1 atom beyond ASCII. */
#define HEAD_ATOM_SCRATCH 512
mesh_bytes head_atom(const struct head *h, char scratch[HEAD_ATOM_SCRATCH]);

/* A pid, reference or port of any form. Ports fill `number`. MESH_ETOOBIG: a node name over 255 bytes. */
int head_pid(const struct head *h, mesh_pid *out);
int head_ref(const struct head *h, mesh_ref *out);

#endif
