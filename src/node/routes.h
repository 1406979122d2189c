/* Where requests that begin here go, as long as nothing changes: so that most of them need no lock.
 *
 * While the runner has something to do the *view* is closed, and every request goes by the lock, behind what is to be
 * carried out. When there is nothing left, the runner opens a view under a new number. What cluster_route says then for
 * a shard, it says for every request to it until the view is closed: it depends on nothing else, but for processes that
 * are busy at a giver of their shard, and such shards are not noted. So an answer of the cluster is noted with the
 * number of the view, and counts as long as that is open: no entry is ever taken back (docs/wire.md, rules 1 to 8, say
 * what changes a route; all of it comes by the runner).
 *
 * Whoever has read a route may be overtaken by the next view before he sends. That is as if the request had been sent
 * before; the node that it comes to decides what becomes of it.
 *
 * An entry is one word, so it is read as it was written. A cell holds the entry of one shard of one class; others that
 * fall into it put it out. */
#ifndef NODE_ROUTES_H
#define NODE_ROUTES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/worker.h"

enum {
    ROUTES_SLOT_BITS = 10,  /* of an entry: the peer */
    ROUTES_TAG_BITS = 14,   /* … and which class and shard, beside the place of the cell */
    ROUTES_CELL_BITS = 14,  /* cells */
    ROUTES_SHARD_BITS = 16, /* of the other word: shards - 1 */
    ROUTES_CLASS_STEP = 4133,
};

struct routes {
    _Atomic uint64_t view; /* 0: closed; else its number times 2, and 1 if this node serves */
    uint64_t views;        /* numbers given; under the lock of the membership, as is closing and opening */
    _Atomic uint64_t cells[1 << ROUTES_CELL_BITS]; /* number of the view, tag, slot */
    _Atomic uint64_t shards[CLASSES_MAX];          /* by class: number of the view, shards - 1 */
};

/* Closes the view. Relaxed: whoever still sees it open came before. */
static inline void routes_close(struct routes *routes)
{
    atomic_store_explicit(&routes->view, 0, memory_order_relaxed);
}

/* Opens a view: a new one, or the last one again. Release: pairs with the acquire of routes_view, for the lanes. */
static inline void routes_open(struct routes *routes, bool anew, bool serves)
{
    routes->views += anew || routes->views == 0;
    atomic_store_explicit(&routes->view, routes->views << 1 | serves, memory_order_release);
}

static inline uint64_t routes_view(struct routes *routes)
{
    return atomic_load_explicit(&routes->view, memory_order_acquire);
}

/* Notes that what goes to a shard of so many goes to the peer in a slot; if a view is open. With the lock. */
void routes_note(struct routes *routes, const struct class *class, uint32_t shards, uint32_t shard, uint16_t slot);

/* The slot of the peer that has the shard of an id with this hash; 0: not known, or no view is open. Any thread. */
uint16_t routes_find(struct routes *routes, const struct class *class, uint32_t hash);

#endif
