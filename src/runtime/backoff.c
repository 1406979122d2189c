/* The ids that crashed last: see backoff.h. */
#include "runtime/backoff.h"

#include <stdlib.h>

#include "base/alloc.h"

void backoff_init(struct backoff *b, struct siphash_key key)
{
    *b = (struct backoff){.key = key};
    b->entries = must_calloc(BACKOFF_ENTRIES, sizeof *b->entries);
}

void backoff_fini(struct backoff *b)
{
    free(b->entries);
}

static uint64_t hash_of(const struct backoff *b, uint32_t class_index, mesh_bytes id)
{
    struct siphash_key key = b->key;
    key.k1 ^= class_index;
    return siphash13(key, id.data, id.len) | 1; /* never 0 */
}

static struct backoff_entry *set_of(struct backoff *b, uint64_t hash)
{
    return &b->entries[(hash >> 1) % (BACKOFF_ENTRIES / BACKOFF_WAYS) * BACKOFF_WAYS];
}

void backoff_note(struct backoff *b, uint32_t class_index, mesh_bytes id, uint64_t now_ns)
{
    uint64_t hash = hash_of(b, class_index, id);
    spin_lock(&b->lock);
    struct backoff_entry *set = set_of(b, hash), *e = set;
    for (int i = 0; i < BACKOFF_WAYS; i++) {
        if (set[i].hash == hash) {
            e = &set[i];
            break;
        }
        if (set[i].last_ns < e->last_ns)
            e = &set[i];
    }
    if (e->hash != hash)
        *e = (struct backoff_entry){.hash = hash};
    /* A crash that comes long after the last delay was over begins a new row. The clocks of two workers differ by a
     * handler: the time does not go back. */
    uint64_t window = BACKOFF_WINDOW_NS + (e->crashes > BACKOFF_FREE ? BACKOFF_MOST_NS : 0);
    if (now_ns < e->last_ns)
        now_ns = e->last_ns;
    e->crashes = now_ns - e->last_ns > window ? 1 : e->crashes + 1;
    e->last_ns = now_ns;
    spin_unlock(&b->lock);
    atomic_fetch_add_explicit(&b->noted, 1, memory_order_relaxed);
}

static uint64_t delay_of(const struct backoff_entry *e)
{
    if (e->crashes <= BACKOFF_FREE)
        return 0;
    uint32_t doublings = e->crashes - BACKOFF_FREE - 1;
    return doublings > 8 ? BACKOFF_MOST_NS : BACKOFF_FIRST_NS << doublings;
}

bool backoff_refuses(struct backoff *b, uint32_t class_index, mesh_bytes id, uint64_t now_ns)
{
    if (atomic_load_explicit(&b->noted, memory_order_relaxed) == 0)
        return false;
    bool refuses = false;
    uint64_t hash = hash_of(b, class_index, id);
    spin_lock(&b->lock);
    struct backoff_entry *set = set_of(b, hash);
    for (int i = 0; i < BACKOFF_WAYS; i++)
        if (set[i].hash == hash)
            refuses = now_ns < set[i].last_ns + delay_of(&set[i]);
    spin_unlock(&b->lock);
    return refuses;
}
