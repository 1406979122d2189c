/* The order of terms, and maps in that order. For checked terms. */
#ifndef TERM_ORDER_H
#define TERM_ORDER_H

#include "term/head.h"

/* What comparing may cost (units of a scalar or 16 bytes), and what went wrong. */
struct order {
    uint64_t budget;
    int error; /* MESH_ETOOBIG when the budget ran out, MESH_ENOMEM; the results are then worthless */
};

/* Takes cost from the budget; false, with an error, when it is used up. */
static inline bool order_spend(struct order *o, uint64_t cost)
{
    if (o->budget < cost) {
        o->budget = 0;
        o->error = MESH_ETOOBIG;
        return false;
    }
    o->budget -= cost;
    return true;
}

/* Compares the terms at a and b. */
int order_compare(struct order *o, const uint8_t *a, const uint8_t *a_end, const uint8_t *b, const uint8_t *b_end);

/* A map's entries sorted by key: offsets into the term they were found in. */
struct entry {
    uint32_t key;
    uint32_t value;
};

/* Sorts n entries of a map in the term at data, and returns whether no two keys are equal. */
bool order_unique(struct order *o, const uint8_t *data, const uint8_t *end, struct entry *list, uint32_t n);

struct entries {
    struct entry *list; /* local, or from the heap */
    uint32_t count;
    const uint8_t *end; /* behind the map */
    struct entry local[8];
};

/* Fills e (by-reference use only: it may point into itself) for the map whose first key is at first; offsets count
 * from base. An error of head_skip or o->error. On failure there is nothing to free. */
int order_entries(struct order *o, const uint8_t *base, const uint8_t *first, const uint8_t *end, uint32_t pairs,
                  struct entries *e);
void order_entries_free(struct entries *e);

/* Lists, however they were sent: as one list, as a string, or as pieces whose tail is a list again. */
struct list_at {
    const uint8_t *at; /* next element, or the tail */
    const uint8_t *end;
    uint32_t left;
    bool string;
};

enum list_step { LIST_ELEMENT, LIST_CHAR, LIST_TAIL, LIST_END };

void list_start(struct list_at *l, const struct head *h, const uint8_t *end);

/* What comes next: an element at l->at, a character (moved over, in *c), an improper tail at l->at, or the end (moved
 * over). The caller moves l->at over elements and tails. Bytes that are no term read as LIST_END. */
enum list_step list_next(struct list_at *l, uint8_t *c);

#endif
