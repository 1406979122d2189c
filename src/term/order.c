/* Comparing terms without recursion over their depth.
 *
 * Both terms are walked in step; a stack of frames remembers the containers that are open in both. Where a map is
 * open, its entries are sorted by key first, its keys compared, and then the values. Keys are compared by a nested
 * call: keys hold at most MESH_TERM_MAX_KEY_MAPS maps inside each other (check.c), and that bounds the nesting. */
#include "term/order.h"

#include <stdlib.h>

#include "term/wire.h"

enum frame_kind { FRAME_TUPLE, FRAME_LIST, FRAME_MAP };

struct frame {
    enum frame_kind kind;
    uint32_t left; /* tuple, map: elements or values to come */
    struct list_at list_a, list_b;
    struct entries *maps; /* of a and b */
};

struct walk {
    struct order *o;
    const uint8_t *base_a, *base_b;
    const uint8_t *a, *b; /* what is compared next */
    const uint8_t *a_end, *b_end;
    struct frame *frames;
    size_t depth, cap;
    struct frame local[6];
};

static int sign(bool greater, bool less)
{
    return (int)greater - (int)less;
}

static int compare_bytes(struct order *o, const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    size_t n = a_len < b_len ? a_len : b_len;
    order_spend(o, n / 16);
    int c = n ? memcmp(a, b, n) : 0;
    return c ? sign(c > 0, c < 0) : sign(a_len > b_len, a_len < b_len);
}

static int compare_integers(struct order *o, const struct head *a, const struct head *b)
{
    struct integer x, y;
    head_integer(a, &x);
    head_integer(b, &y);
    if (x.negative != y.negative)
        return x.negative ? -1 : 1;
    int c = sign(x.len > y.len, x.len < y.len);
    uint32_t i = x.len;
    for (; c == 0 && i > 0; i--)
        c = sign(x.magnitude[i - 1] > y.magnitude[i - 1], x.magnitude[i - 1] < y.magnitude[i - 1]);
    order_spend(o, (x.len - i) / 16);
    return x.negative ? -c : c;
}

/* Total, with -0.0 before 0.0. */
static int compare_floats(const struct head *a, const struct head *b)
{
    double x = 0, y = 0;
    head_double(a, &x);
    head_double(b, &y);
    if (x < y || x > y)
        return sign(x > y, x < y);
    int64_t i, j;
    memcpy(&i, &x, sizeof i);
    memcpy(&j, &y, sizeof j);
    return sign(i >= 0 && j < 0, i < 0 && j >= 0);
}

static int compare_atoms(struct order *o, const struct head *a, const struct head *b)
{
    char x[HEAD_ATOM_SCRATCH], y[HEAD_ATOM_SCRATCH];
    mesh_bytes p = head_atom(a, x);
    mesh_bytes q = head_atom(b, y);
    return compare_bytes(o, p.data, p.len, q.data, q.len);
}

/* Bit strings compare bit by bit, then by length; bits that do not count are zero for this. */
static int compare_bits(struct order *o, const struct head *a, const struct head *b)
{
    if ((a->bits == 8 || a->count == 0) && (b->bits == 8 || b->count == 0))
        return compare_bytes(o, a->data, a->count, b->data, b->count);
    size_t whole_a = a->count - (a->bits < 8 && a->count > 0);
    size_t whole_b = b->count - (b->bits < 8 && b->count > 0);
    size_t n = whole_a < whole_b ? whole_a : whole_b;
    int c = compare_bytes(o, a->data, n, b->data, n);
    if (c)
        return c;
    uint64_t bits_a = a->count ? 8 * (uint64_t)(a->count - 1) + a->bits : 0;
    uint64_t bits_b = b->count ? 8 * (uint64_t)(b->count - 1) + b->bits : 0;
    uint64_t left = (bits_a < bits_b ? bits_a : bits_b) - 8 * (uint64_t)n;
    if (left > 0) {
        unsigned mask = left >= 8 ? 0xFF : 0xFF & (0xFF00u >> left);
        unsigned x = a->data[n] & mask;
        unsigned y = b->data[n] & mask;
        if (x != y)
            return sign(x > y, x < y);
    }
    return sign(bits_a > bits_b, bits_a < bits_b);
}

static int compare_nodes(const char *a, uint32_t a_creation, const char *b, uint32_t b_creation)
{
    int c = strcmp(a, b);
    return c ? sign(c > 0, c < 0) : sign(a_creation > b_creation, a_creation < b_creation);
}

/* Numbers first, then node, then creation. Node names that are too long for a mesh_pid compare as bytes. */
static int compare_pids(struct order *o, const struct head *a, const struct head *b)
{
    mesh_pid x, y;
    if (head_pid(a, &x) != MESH_OK || head_pid(b, &y) != MESH_OK)
        return compare_bytes(o, a->data, a->count, b->data, b->count);
    if (x.number != y.number)
        return sign(x.number > y.number, x.number < y.number);
    return compare_nodes(x.node, x.creation, y.node, y.creation);
}

/* Node and creation first; then the last word is the highest, and words that are not there count as 0. */
static int compare_refs(struct order *o, const struct head *a, const struct head *b)
{
    mesh_ref x, y;
    if (head_ref(a, &x) != MESH_OK || head_ref(b, &y) != MESH_OK)
        return compare_bytes(o, a->data, a->count, b->data, b->count);
    int c = compare_nodes(x.node, x.creation, y.node, y.creation);
    for (uint32_t i = 5; c == 0 && i > 0; i--) {
        uint32_t p = i > x.count ? 0 : x.words[i - 1];
        uint32_t q = i > y.count ? 0 : y.words[i - 1];
        c = sign(p > q, p < q);
    }
    return c ? c : sign(x.count > y.count, x.count < y.count);
}

static int compare_exports(struct order *o, const struct head *a, const struct head *b)
{
    struct head x = *a, y = *b;
    x.next = a->data;
    y.next = b->data;
    for (int i = 0; i < 2; i++) { /* module and function */
        if (head_read(x.next, a->next, &x) != MESH_OK || head_read(y.next, b->next, &y) != MESH_OK)
            return 0;
        int c = compare_atoms(o, &x, &y);
        if (c)
            return c;
    }
    return sign(a->next[-1] > b->next[-1], a->next[-1] < b->next[-1]);
}

/* The place of a type in the order. BINARY and BITS are one. */
static int rank(enum mesh_type type)
{
    return type == MESH_TYPE_BITS ? MESH_TYPE_BINARY : (int)type;
}

static int compare_scalars(struct order *o, const struct head *a, const struct head *b)
{
    switch (a->type) {
    case MESH_TYPE_INT:
        return compare_integers(o, a, b);
    case MESH_TYPE_FLOAT:
        return compare_floats(a, b);
    case MESH_TYPE_ATOM:
        return compare_atoms(o, a, b);
    case MESH_TYPE_REF:
        return compare_refs(o, a, b);
    case MESH_TYPE_FUN:
        return compare_exports(o, a, b);
    case MESH_TYPE_PORT:
    case MESH_TYPE_PID:
        return compare_pids(o, a, b);
    case MESH_TYPE_BINARY:
    case MESH_TYPE_BITS:
        return compare_bits(o, a, b);
    default:
        return 0;
    }
}

static struct frame *push(struct walk *w, enum frame_kind kind)
{
    if (w->depth == w->cap) {
        size_t cap = 2 * w->cap;
        struct frame *frames = malloc(cap * sizeof *frames);
        if (!frames) {
            w->o->error = MESH_ENOMEM;
            return NULL;
        }
        memcpy(frames, w->frames, w->depth * sizeof *frames);
        if (w->frames != w->local)
            free(w->frames);
        w->frames = frames;
        w->cap = cap;
    }
    struct frame *f = &w->frames[w->depth++];
    f->kind = kind;
    f->maps = NULL;
    return f;
}

static void pop(struct walk *w)
{
    struct frame *f = &w->frames[--w->depth];
    if (f->maps) {
        order_entries_free(&f->maps[0]);
        order_entries_free(&f->maps[1]);
        free(f->maps);
    }
}

/* Opens two maps of the same size: compares their keys, and leaves the values to come. */
static int open_maps(struct walk *w, const struct head *a, const struct head *b)
{
    struct frame *f = push(w, FRAME_MAP);
    if (!f)
        return 0;
    f->left = a->count;
    struct entries *maps = calloc(2, sizeof *maps);
    if (!maps) {
        w->o->error = MESH_ENOMEM;
        w->depth--;
        return 0;
    }
    maps[0].list = maps[0].local;
    maps[1].list = maps[1].local;
    f->maps = maps;
    if (order_entries(w->o, w->base_a, a->next, w->a_end, a->count, &maps[0]) != MESH_OK ||
        order_entries(w->o, w->base_b, b->next, w->b_end, b->count, &maps[1]) != MESH_OK)
        return 0;
    int c = 0;
    for (uint32_t i = 0; c == 0 && i < a->count && !w->o->error; i++)
        c = order_compare(w->o, w->base_a + maps[0].list[i].key, w->a_end, w->base_b + maps[1].list[i].key, w->b_end);
    return c;
}

/* Exports come after funs. A fun is what stands between its size and its first term, and then the terms. */
static int open_funs(struct walk *w, const struct head *a, const struct head *b)
{
    const size_t fixed = 1 + 16 + 4 + 4;
    if (a->tag != b->tag)
        return sign(a->tag > b->tag, a->tag < b->tag);
    int c = compare_bytes(w->o, a->data + 4, fixed, b->data + 4, fixed);
    struct frame *f = c ? NULL : push(w, FRAME_TUPLE);
    if (f) {
        f->left = 4 + wire_u32(a->data + fixed);
        w->a = a->data + 4 + fixed;
        w->b = b->data + 4 + fixed;
    }
    return c;
}

/* Compares what is at a and b: scalars wholly, containers as far as their heads decide it; the rest gets a frame. */
static int compare_here(struct walk *w)
{
    struct head a, b;
    if (head_read(w->a, w->a_end, &a) != MESH_OK || head_read(w->b, w->b_end, &b) != MESH_OK) {
        w->o->error = MESH_EBADTERM;
        return 0;
    }
    if (!order_spend(w->o, 1))
        return 0;
    w->a = a.next;
    w->b = b.next;
    if (rank(a.type) != rank(b.type))
        return sign(rank(a.type) > rank(b.type), rank(a.type) < rank(b.type));
    if (a.type == MESH_TYPE_TUPLE || a.type == MESH_TYPE_MAP) {
        if (a.count != b.count)
            return sign(a.count > b.count, a.count < b.count);
        if (a.type == MESH_TYPE_MAP)
            return open_maps(w, &a, &b);
        struct frame *f = push(w, FRAME_TUPLE);
        if (f)
            f->left = a.count;
        return 0;
    }
    if (a.type == MESH_TYPE_LIST) {
        struct frame *f = push(w, FRAME_LIST);
        if (f) {
            list_start(&f->list_a, &a, w->a_end);
            list_start(&f->list_b, &b, w->b_end);
            w->a = f->list_a.at;
            w->b = f->list_b.at;
        }
        return 0;
    }
    if (a.type == MESH_TYPE_FUN && (a.tag != TAG_EXPORT || b.tag != TAG_EXPORT))
        return open_funs(w, &a, &b);
    return compare_scalars(w->o, &a, &b);
}

/* One side of a list has a character, the other side an element at w->a or w->b: compares them. */
static int compare_char(struct walk *w, uint8_t c, const uint8_t **other, const uint8_t *end)
{
    const uint8_t bytes[2] = {TAG_SMALL_INTEGER, c};
    int result = order_compare(w->o, bytes, bytes + 2, *other, end);
    if (result == 0 && !w->o->error)
        head_skip(other, end);
    return result;
}

/* What a list's tail counts as against something else: [] at the end, or the type that stands there. */
static int tail_rank(enum list_step step, const uint8_t *at, const uint8_t *end)
{
    struct head h;
    if (step == LIST_END)
        return MESH_TYPE_EMPTY;
    if (step != LIST_TAIL)
        return MESH_TYPE_LIST;
    return head_read(at, end, &h) == MESH_OK ? rank(h.type) : MESH_TYPE_END;
}

/* The next step of two lists that are equal so far. */
static int compare_lists(struct walk *w, struct frame *f)
{
    uint8_t x = 0, y = 0;
    f->list_a.at = w->a;
    f->list_b.at = w->b;
    enum list_step sa = list_next(&f->list_a, &x);
    enum list_step sb = list_next(&f->list_b, &y);
    w->a = f->list_a.at;
    w->b = f->list_b.at;
    int ra = tail_rank(sa, w->a, w->a_end);
    int rb = tail_rank(sb, w->b, w->b_end);
    if (ra != rb)
        return sign(ra > rb, ra < rb);
    if (sa == LIST_CHAR && sb == LIST_CHAR)
        return sign(x > y, x < y);
    if (sa == LIST_CHAR)
        return compare_char(w, x, &w->b, w->b_end);
    if (sb == LIST_CHAR)
        return -compare_char(w, y, &w->a, w->a_end);
    if (sa == LIST_ELEMENT)
        return compare_here(w);
    pop(w);
    return sa == LIST_END ? 0 : compare_here(w);
}

/* Moves to the next value of two maps with the same keys. */
static int compare_values(struct walk *w, struct frame *f)
{
    struct entries *maps = f->maps;
    if (f->left == 0) {
        w->a = maps[0].end;
        w->b = maps[1].end;
        pop(w);
        return 0;
    }
    uint32_t i = maps[0].count - f->left--;
    w->a = w->base_a + maps[0].list[i].value;
    w->b = w->base_b + maps[1].list[i].value;
    return compare_here(w);
}

static int step(struct walk *w)
{
    struct frame *f = &w->frames[w->depth - 1];
    switch (f->kind) {
    case FRAME_LIST:
        return compare_lists(w, f);
    case FRAME_MAP:
        return compare_values(w, f);
    default:
        if (f->left == 0) {
            pop(w);
            return 0;
        }
        f->left--;
        return compare_here(w);
    }
}

int order_compare(struct order *o, const uint8_t *a, const uint8_t *a_end, const uint8_t *b, const uint8_t *b_end)
{
    struct walk w; /* not initialised as a whole: most terms need no frame */
    w.o = o;
    w.base_a = w.a = a;
    w.base_b = w.b = b;
    w.a_end = a_end;
    w.b_end = b_end;
    w.frames = w.local;
    w.depth = 0;
    w.cap = sizeof w.local / sizeof *w.local;
    int c = compare_here(&w);
    while (c == 0 && w.depth > 0 && !o->error)
        c = step(&w);
    while (w.depth > 0)
        pop(&w);
    if (w.frames != w.local)
        free(w.frames);
    return c;
}

int mesh_term_compare(mesh_term a, mesh_term b)
{
    struct order o = {UINT64_MAX, MESH_OK};
    if (a.len == 0 || b.len == 0)
        return sign(a.len > 0, b.len > 0);
    return order_compare(&o, a.data, a.data + a.len, b.data, b.data + b.len);
}

bool mesh_term_equal(mesh_term a, mesh_term b)
{
    if (a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0))
        return true;
    if (a.len == 0 || b.len == 0)
        return false;
    struct order o = {UINT64_MAX, MESH_OK};
    return order_compare(&o, a.data, a.data + a.len, b.data, b.data + b.len) == 0 && o.error == MESH_OK;
}
