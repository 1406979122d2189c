/* The table of pid slots: see pids.h. */
#include "runtime/pids.h"

#include <stdlib.h>

#include <mesh/error.h>

#include "base/alloc.h"

void pids_init(struct pids *pids)
{
    *pids = (struct pids){0};
    pids->segments = must_calloc(PIDS_SEGMENTS, sizeof *pids->segments);
    pids->used = PIDS_RESERVED; /* so that no pid number is 0, too */
}

void pids_fini(struct pids *pids)
{
    for (uint32_t i = 0; i < PIDS_SEGMENTS && pids->segments[i] != NULL; i++)
        free(pids->segments[i]);
    free(pids->segments);
    *pids = (struct pids){0};
}

struct pid_slot *pids_slot(const struct pids *pids, uint32_t slot)
{
    uint32_t segment = slot / PIDS_SEGMENT;
    if (segment >= PIDS_SEGMENTS)
        return NULL;
    /* Acquire: pairs with the release in pids_take; the segment is zeroed before it is seen. */
    struct pid_slot *slots = atomic_load_explicit(&pids->segments[segment], memory_order_acquire);
    return slots == NULL ? NULL : &slots[slot % PIDS_SEGMENT];
}

/* Caller holds the lock. */
static int extend(struct pids *pids)
{
    uint32_t segment = pids->used / PIDS_SEGMENT;
    if (segment >= PIDS_SEGMENTS)
        return MESH_ELIMIT;
    if (pids->segments[segment] != NULL)
        return MESH_OK;
    struct pid_slot *slots = calloc(PIDS_SEGMENT, sizeof *slots);
    if (slots == NULL)
        return MESH_ENOMEM;
    atomic_store_explicit(&pids->segments[segment], slots, memory_order_release);
    return MESH_OK;
}

/* Up to count fresh slots, of one segment. Caller holds the lock. */
static int carve(struct pids *pids, uint32_t count, struct pids_cache *fresh)
{
    int rc = extend(pids);
    if (rc != MESH_OK)
        return rc;
    uint32_t left = PIDS_SEGMENT - pids->used % PIDS_SEGMENT;
    fresh->next = pids->used;
    pids->used += count < left ? count : left;
    fresh->end = pids->used;
    return MESH_OK;
}

int pids_take(struct pids *pids, struct pids_cache *cache, uint32_t *slot)
{
    enum { BATCH = 64 };
    struct pids_cache one = {0, 0}, *fresh = cache != NULL ? cache : &one;
    int rc = MESH_OK;
    if (fresh->next == fresh->end) {
        spin_lock(&pids->lock);
        if (pids->free != 0) {
            *slot = pids->free - 1;
            pids->free = atomic_load_explicit(&pids_slot(pids, *slot)->stripe, memory_order_relaxed);
            spin_unlock(&pids->lock);
            return MESH_OK;
        }
        rc = carve(pids, cache != NULL ? BATCH : 1, fresh);
        spin_unlock(&pids->lock);
    }
    if (rc == MESH_OK) {
        *slot = fresh->next++;
        /* Written before it is read: a page that is read first is mapped twice, the second time with an interrupt to
         * the other cores. */
        atomic_store_explicit(&pids_slot(pids, *slot)->actor, NULL, memory_order_relaxed);
    }
    return rc;
}

void pids_give(struct pids *pids, uint32_t slot)
{
    struct pid_slot *s = pids_slot(pids, slot);
    spin_lock(&pids->lock);
    atomic_store_explicit(&s->stripe, pids->free, memory_order_relaxed);
    pids->free = slot + 1;
    spin_unlock(&pids->lock);
}
