/* Maps in order, and lists as one sequence: what comparing, printing and matching share. */
#include <stdlib.h>

#include "term/order.h"
#include "term/wire.h"

/* Sorting by heap: in place, and never worse than n log n, whatever the keys. `list` holds n entries by key. */
struct heap {
    struct order *o;
    const uint8_t *base;
    const uint8_t *end;
    struct entry *list;
};

static int compare_entries(const struct heap *h, struct entry a, struct entry b)
{
    const uint8_t *x = h->base + a.key;
    const uint8_t *y = h->base + b.key;
    if (x[0] == TAG_SMALL_ATOM_UTF8 && y[0] == TAG_SMALL_ATOM_UTF8) {
        /* Nearly every key; at most 255 bytes, so the budget is not troubled with it. */
        int c = memcmp(x + 2, y + 2, x[1] < y[1] ? x[1] : y[1]);
        return c ? c : (int)x[1] - (int)y[1];
    }
    return order_compare(h->o, x, h->end, y, h->end);
}

static void sink(const struct heap *h, uint32_t root, uint32_t n)
{
    struct entry moved = h->list[root];
    for (uint32_t child; (child = 2 * root + 1) < n && !h->o->error; root = child) {
        if (child + 1 < n && compare_entries(h, h->list[child], h->list[child + 1]) < 0)
            child++;
        if (compare_entries(h, moved, h->list[child]) >= 0)
            break;
        h->list[root] = h->list[child];
    }
    h->list[root] = moved;
}

/* Sorts, unless it is in order already, as maps from a BEAM mostly are. Returns whether no two keys are equal. */
static bool sort_entries(const struct heap *h, uint32_t n)
{
    uint32_t ordered = 1;
    while (ordered < n && !h->o->error && compare_entries(h, h->list[ordered - 1], h->list[ordered]) < 0)
        ordered++;
    if (ordered >= n || h->o->error)
        return true;
    for (uint32_t i = n / 2; i-- > 0 && !h->o->error;)
        sink(h, i, n);
    for (uint32_t last = n - 1; last > 0 && !h->o->error; last--) {
        struct entry greatest = h->list[0];
        h->list[0] = h->list[last];
        h->list[last] = greatest;
        sink(h, 0, last);
    }
    for (uint32_t i = 1; i < n && !h->o->error; i++)
        if (compare_entries(h, h->list[i - 1], h->list[i]) == 0)
            return false;
    return true;
}

bool order_unique(struct order *o, const uint8_t *data, const uint8_t *end, struct entry *list, uint32_t n)
{
    struct heap h = {o, data, end, list};
    return sort_entries(&h, n);
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
    if (!o->error)
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
