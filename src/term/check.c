/* Judging bytes from outside, without recursion: a stack of frames, one for each open container, and of limited depth.
 * A few frames and keys are on the thread's stack, which may be a handler's of 16 KiB; for more, which the bytes pay
 * for, it is the heap.
 *
 * The keys of open maps are remembered by place; when a map is complete its keys are sorted and compared, so that
 * finding a key twice costs n log n and not n². What all comparing together may cost is a budget that grows with the
 * length of the input: honest terms use a small part of it, and keys built to be slow to compare (maps inside the keys
 * of maps) run out of it. */
#include <stdlib.h>

#include "term/order.h"
#include "term/utf8.h"
#include "term/wire.h"

struct open {
    uint64_t left; /* children to come */
    const uint8_t *start;
    const uint8_t *fun_end; /* a fun: where its size said it ends */
    uint32_t first_key;     /* a map: its first in check.keys */
    bool map;
    uint8_t key_maps; /* maps around this, from the outermost that is in a key; 0 outside of keys */
    bool in_key;
};

struct check {
    const uint8_t *data;
    const uint8_t *end;
    const uint8_t *at;
    const uint8_t *fault;
    mesh_limits limits;
    struct order order;
    uint32_t elements;
    uint32_t depth;
    struct entry *keys; /* local_keys, or from the heap */
    uint32_t key_count, key_cap;
    struct open *open; /* local_open, or from the heap */
    uint32_t open_cap;
    struct entry local_keys[32];
    struct open local_open[16];
};

static bool good_atom(const struct head *h)
{
    size_t characters;
    if (h->tag == TAG_ATOM || h->tag == TAG_SMALL_ATOM)
        return h->count <= MESH_ATOM_MAX_CHARS;
    return h->count <= 4 * MESH_ATOM_MAX_CHARS && utf8_count(h->data, h->count, &characters) &&
           characters <= MESH_ATOM_MAX_CHARS;
}

/* The atom at p, inside something that head_read has found whole. */
static bool good_atom_at(const uint8_t *p, const uint8_t *end, const uint8_t **next)
{
    struct head atom;
    if (head_read(p, end, &atom) != MESH_OK || !good_atom(&atom))
        return false;
    *next = atom.next;
    return true;
}

static bool good_scalar(const struct head *h)
{
    const uint8_t *next;
    double value;
    switch (h->type) {
    case MESH_TYPE_INT:
        return (h->tag != TAG_SMALL_BIG && h->tag != TAG_LARGE_BIG) || h->data[-1] <= 1;
    case MESH_TYPE_FLOAT:
        return head_double(h, &value);
    case MESH_TYPE_ATOM:
        return good_atom(h);
    case MESH_TYPE_BINARY:
    case MESH_TYPE_BITS:
        return h->tag == TAG_BINARY || (h->bits >= 1 && h->bits <= 8 && h->count > 0);
    case MESH_TYPE_PID:
    case MESH_TYPE_REF:
    case MESH_TYPE_PORT:
        return good_atom_at(h->data, h->next, &next);
    case MESH_TYPE_FUN:
        return h->tag == TAG_NEW_FUN || (good_atom_at(h->data, h->next, &next) && good_atom_at(next, h->next, &next));
    default:
        return true;
    }
}

static int fail(struct check *c, const uint8_t *where, int error)
{
    c->fault = where;
    return error;
}

/* An array of size bytes, local or from the heap, at twice the size; NULL: no memory. */
static void *twice(void *array, const void *local, size_t size)
{
    if (array != local)
        return realloc(array, 2 * size);
    void *larger = malloc(2 * size);
    if (larger)
        memcpy(larger, local, size);
    return larger;
}

static int remember_key(struct check *c)
{
    if (c->key_count == c->key_cap) {
        struct entry *keys = twice(c->keys, c->local_keys, c->key_cap * sizeof *keys);
        if (!keys)
            return fail(c, c->at, MESH_ENOMEM);
        c->keys = keys;
        c->key_cap *= 2;
    }
    c->keys[c->key_count++].key = (uint32_t)(c->at - c->data);
    return MESH_OK;
}

/* Opens the container (or fun) whose head is at c->at. */
static int open_container(struct check *c, const struct head *h, uint64_t children, bool is_key)
{
    if (c->depth == c->limits.depth)
        return fail(c, c->at, MESH_ETOOBIG);
    if (c->depth == c->open_cap) {
        struct open *open = twice(c->open, c->local_open, c->open_cap * sizeof *open);
        if (!open)
            return fail(c, c->at, MESH_ENOMEM);
        c->open = open;
        c->open_cap *= 2;
    }
    const struct open *around = c->depth ? &c->open[c->depth - 1] : NULL;
    struct open *o = &c->open[c->depth];
    o->left = children;
    o->start = c->at;
    o->fun_end = h->tag == TAG_NEW_FUN ? h->next : NULL;
    o->map = h->type == MESH_TYPE_MAP;
    o->first_key = c->key_count;
    o->in_key = is_key || (around && around->in_key);
    o->key_maps = around ? around->key_maps : 0;
    if (o->in_key && o->map && ++o->key_maps > MESH_TERM_MAX_KEY_MAPS)
        return fail(c, c->at, MESH_ETOOBIG);
    c->depth++;
    return MESH_OK;
}

/* The container on top is complete. */
static int close_container(struct check *c)
{
    struct open *o = &c->open[--c->depth];
    if (o->fun_end && o->fun_end != c->at)
        return fail(c, o->start, MESH_EBADTERM);
    if (!o->map)
        return MESH_OK;
    bool unique = order_unique(&c->order, c->data, c->at, c->keys + o->first_key, c->key_count - o->first_key);
    c->key_count = o->first_key;
    if (c->order.error)
        return fail(c, o->start, c->order.error);
    return unique ? MESH_OK : fail(c, o->start, MESH_EBADTERM);
}

/* The types of the first terms inside a fun are fixed: module, index, uniq, pid. */
static bool fits_fun(const struct open *o, const struct head *h, uint64_t free_variables)
{
    switch (o->left - free_variables) {
    case 4:
        return h->type == MESH_TYPE_ATOM;
    case 3:
    case 2:
        return h->type == MESH_TYPE_INT;
    case 1:
        return h->type == MESH_TYPE_PID;
    default:
        return true;
    }
}

/* Where the number of free variables is, from the size on: after size, arity, 16 bytes and the index. */
#define FUN_FREE_AT 25

static int check_one(struct check *c)
{
    struct head h;
    struct open *top = c->depth ? &c->open[c->depth - 1] : NULL;
    bool is_key = top && top->map && top->left % 2 == 0;
    if (c->elements++ == c->limits.elements)
        return fail(c, c->at, MESH_ETOOBIG);
    if (head_read(c->at, c->end, &h) != MESH_OK || !good_scalar(&h))
        return fail(c, c->at, MESH_EBADTERM);
    if (top && top->fun_end) {
        uint64_t free_variables = wire_u32(top->start + 1 + FUN_FREE_AT);
        if (h.next > top->fun_end || !fits_fun(top, &h, free_variables))
            return fail(c, c->at, MESH_EBADTERM);
    }
    int error = is_key ? remember_key(c) : MESH_OK;
    if (error)
        return error;
    uint64_t children = head_children(&h);
    const uint8_t *next = h.next;
    if (h.tag == TAG_NEW_FUN) {
        children = 4 + (uint64_t)wire_u32(h.data + FUN_FREE_AT);
        next = h.data + FUN_FREE_AT + 4;
        if (children > (size_t)(h.next - next))
            return fail(c, c->at, MESH_EBADTERM);
    }
    if (top)
        top->left--;
    if (children > 0) {
        if (children > c->limits.elements - c->elements)
            return fail(c, c->at, MESH_ETOOBIG);
        error = open_container(c, &h, children, is_key);
    }
    c->at = error ? c->at : next;
    return error;
}

static int check_all(struct check *c)
{
    do {
        int error = check_one(c);
        while (!error && c->depth > 0 && c->open[c->depth - 1].left == 0)
            error = close_container(c);
        if (error)
            return error;
    } while (c->depth > 0);
    return c->at == c->end ? MESH_OK : fail(c, c->at, MESH_EBADTERM);
}

static uint32_t limit_or(uint32_t value, uint32_t otherwise, uint32_t most)
{
    value = value ? value : otherwise;
    return value < most ? value : most;
}

int mesh_term_check(const void *data, size_t len, const mesh_limits *limits, size_t *offset)
{
    static const mesh_limits defaults = {0, 0, 0};
    limits = limits ? limits : &defaults;
    size_t bytes = limits->bytes ? limits->bytes : MESH_TERM_MAX_BYTES;
    if (len > bytes || len > MESH_BUF_MAX_BYTES || len == 0) {
        if (offset)
            *offset = len ? bytes < MESH_BUF_MAX_BYTES ? bytes : MESH_BUF_MAX_BYTES : 0;
        return len ? MESH_ETOOBIG : MESH_EBADTERM;
    }
    struct check c;
    c.data = c.at = c.fault = data;
    c.end = c.data + len;
    c.limits.depth = limit_or(limits->depth, MESH_TERM_MAX_DEPTH, MESH_TERM_MAX_DEPTH);
    c.limits.elements = limit_or(limits->elements, MESH_TERM_MAX_ELEMENTS, UINT32_MAX);
    c.order = (struct order){(1u << 16) + 8 * (uint64_t)len, MESH_OK};
    c.elements = c.depth = c.key_count = 0;
    c.keys = c.local_keys;
    c.key_cap = sizeof c.local_keys / sizeof *c.local_keys;
    c.open = c.local_open;
    c.open_cap = sizeof c.local_open / sizeof *c.local_open;
    int error = check_all(&c);
    if (c.keys != c.local_keys)
        free(c.keys);
    if (c.open != c.local_open)
        free(c.open);
    if (error && offset)
        *offset = (size_t)(c.fault - c.data);
    return error;
}

int mesh_decode(mesh_bytes bytes, const mesh_limits *limits, mesh_term *out, size_t *offset)
{
    const uint8_t *data = bytes.data;
    if (bytes.len == 0 || data[0] != TAG_VERSION) {
        if (offset)
            *offset = 0;
        return MESH_EBADTERM;
    }
    size_t fault = 0;
    int error = mesh_term_check(data + 1, bytes.len - 1, limits, &fault);
    if (error && offset)
        *offset = fault + 1;
    if (!error)
        *out = (mesh_term){data + 1, bytes.len - 1, NULL};
    return error;
}
