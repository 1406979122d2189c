/* Maps in order, and lists as one sequence: what comparing, printing and matching share. */
#include <stdlib.h>

#include "term/order.h"
#include "term/wire.h"

/* Sorting by merging runs of 1, 2, 4 … entries: never worse than n log n, whatever the keys. */
struct sort {
    struct order *o;
    const uint8_t *base;
    const uint8_t *end;
};

static bool small_integer(const uint8_t *p, int64_t *value)
{
    if (p[0] == TAG_SMALL_INTEGER) {
        *value = p[1];
        return true;
    }
    if (p[0] == TAG_INTEGER) {
        *value = (int32_t)wire_u32(p + 1);
        return true;
    }
    if (p[0] != TAG_SMALL_BIG || p[1] > 7)
        return false;
    *value = 0;
    for (unsigned i = 0; i < p[1]; i++)
        *value |= (int64_t)p[3 + i] << (8 * i);
    if (p[2])
        *value = -*value;
    return true;
}

/* The order of two keys of the most frequent forms, found without the walk of order_compare; false for others. The
 * bytes are those of checked terms. */
static bool compare_frequent(struct order *o, const uint8_t *x, const uint8_t *y, int *c)
{
    size_t x_len, y_len, head;
    int64_t i, j;
    if (small_integer(x, &i) && small_integer(y, &j)) {
        *c = (i > j) - (i < j);
        return true;
    }
    if (x[0] == TAG_SMALL_ATOM_UTF8 && y[0] == TAG_SMALL_ATOM_UTF8) {
        head = 2;
        x_len = x[1];
        y_len = y[1];
    } else if (x[0] == TAG_BINARY && y[0] == TAG_BINARY) {
        head = 5;
        x_len = wire_u32(x + 1);
        y_len = wire_u32(y + 1);
    } else {
        return false;
    }
    size_t n = x_len < y_len ? x_len : y_len;
    if (!order_spend(o, n / 16))
        return false;
    *c = memcmp(x + head, y + head, n);
    if (*c == 0)
        *c = (x_len > y_len) - (x_len < y_len);
    return true;
}

static int compare_entries(const struct sort *s, struct entry a, struct entry b)
{
    const uint8_t *x = s->base + a.key;
    const uint8_t *y = s->base + b.key;
    int c;
    return compare_frequent(s->o, x, y, &c) ? c : order_compare(s->o, x, s->end, y, s->end);
}

/* Merges two sorted runs of `from`, [first, middle) and [middle, last), into `to`. False if a key is in both. */
static bool merge(const struct sort *s, const struct entry *from, struct entry *to, size_t first, size_t middle,
                  size_t last)
{
    size_t a = first, b = middle;
    for (size_t i = first; i < last; i++) {
        int c = a == middle ? 1 : b == last ? -1 : compare_entries(s, from[a], from[b]);
        if (c == 0 || s->o->error)
            return false;
        to[i] = c < 0 ? from[a++] : from[b++];
    }
    return true;
}

/* Sorts list with the help of spare, of the same size. False when a key is there twice. */
static bool merge_all(const struct sort *s, struct entry *list, struct entry *spare, size_t n)
{
    struct entry *from = list;
    struct entry *to = spare;
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t first = 0; first < n; first += 2 * width) {
            size_t middle = first + width < n ? first + width : n;
            size_t last = middle + width < n ? middle + width : n;
            if (!merge(s, from, to, first, middle, last))
                return false;
        }
        struct entry *sorted = to;
        to = from;
        from = sorted;
    }
    if (from != list)
        memcpy(list, from, n * sizeof *list);
    return true;
}

/* Maps from a BEAM mostly are in order already, or short. */
bool order_unique(struct order *o, const uint8_t *data, const uint8_t *end, struct entry *list, uint32_t n)
{
    const struct sort s = {o, data, end};
    struct entry local[32];
    uint32_t ordered = 1;
    while (ordered < n && !o->error && compare_entries(&s, list[ordered - 1], list[ordered]) < 0)
        ordered++;
    if (ordered >= n || o->error)
        return true;
    struct entry *spare = n <= 32 ? local : malloc(n * sizeof *spare);
    if (!spare) {
        o->error = MESH_ENOMEM;
        return true;
    }
    bool unique = merge_all(&s, list, spare, n);
    if (spare != local)
        free(spare);
    return unique;
}

int order_entries(struct order *o, const uint8_t *base, const uint8_t *first, const uint8_t *end, uint32_t pairs,
                  struct entries *e)
{
    const uint8_t *at = first;
    e->count = pairs;
    e->list = e->local;
    if (pairs > sizeof e->local / sizeof *e->local) {
        e->list = malloc(pairs * sizeof *e->list);
        if (!e->list) {
            e->list = e->local;
            return o->error = MESH_ENOMEM;
        }
    }
    for (uint32_t i = 0; i < pairs && !o->error; i++) {
        e->list[i].key = (uint32_t)(at - base);
        if (head_skip(&at, end) != MESH_OK)
            o->error = MESH_EBADTERM;
        e->list[i].value = (uint32_t)(at - base);
        if (head_skip(&at, end) != MESH_OK)
            o->error = MESH_EBADTERM;
    }
    e->end = at;
    if (!o->error && order_spend(o, 4 + (uint64_t)(at - first) / 8))
        order_unique(o, base, end, e->list, pairs);
    if (o->error)
        order_entries_free(e);
    return o->error;
}

void order_entries_free(struct entries *e)
{
    if (e->list != e->local)
        free(e->list);
    e->list = e->local;
}

void list_start(struct list_at *l, const struct head *h, const uint8_t *end)
{
    l->at = h->data;
    l->end = end;
    l->left = h->count;
    l->string = head_is_string(h);
}

enum list_step list_next(struct list_at *l, uint8_t *c)
{
    struct head h;
    for (;;) {
        if (l->left > 0) {
            l->left--;
            if (!l->string)
                return LIST_ELEMENT;
            *c = *l->at++;
            return LIST_CHAR;
        }
        if (l->string || head_read(l->at, l->end, &h) != MESH_OK)
            return LIST_END;
        if (h.type == MESH_TYPE_EMPTY) {
            l->at = h.next;
            return LIST_END;
        }
        if (h.type != MESH_TYPE_LIST)
            return LIST_TAIL;
        list_start(l, &h, l->end);
    }
}
