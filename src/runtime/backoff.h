/* Back-off: an id that keeps crashing may not start again at once. That id only.
 *
 * After BACKOFF_FREE crashes, each within BACKOFF_WINDOW_NS of the one before, the id is refused for a time that
 * doubles with every further crash. Kept for the ids that crashed last, at most BACKOFF_ENTRIES of them. */
#ifndef RUNTIME_BACKOFF_H
#define RUNTIME_BACKOFF_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <mesh/bytes.h>

#include "base/lock.h"
#include "base/siphash.h"

enum { BACKOFF_ENTRIES = 1 << 14, BACKOFF_WAYS = 4, BACKOFF_FREE = 3 };

#define BACKOFF_FIRST_NS UINT64_C(100000000)
#define BACKOFF_MOST_NS UINT64_C(30000000000)
#define BACKOFF_WINDOW_NS UINT64_C(5000000000)

struct backoff_entry {
    uint64_t hash;    /* of class and id; 0: unused */
    uint64_t last_ns; /* the last crash */
    uint32_t crashes; /* in a row */
};

/* Sets of BACKOFF_WAYS entries; the oldest of a set makes way. */
struct backoff {
    struct siphash_key key; /* constant */
    _Atomic uint64_t noted; /* crashes so far: while 0, nothing is refused */
    struct spin lock;
    struct backoff_entry *entries;
};

void backoff_init(struct backoff *b, struct siphash_key key);
void backoff_fini(struct backoff *b);

/* A process with this id crashed. Any thread. */
void backoff_note(struct backoff *b, uint32_t class_index, mesh_bytes id, uint64_t now_ns);

/* Whether the id may not start yet. Any thread. */
bool backoff_refuses(struct backoff *b, uint32_t class_index, mesh_bytes id, uint64_t now_ns);

#endif
