/* Pid numbers: slot (low 32 bits) and serial (high 32 bits), to actors.
 *
 * A slot's serial counts its lives, so that an old pid finds nobody. A slot is written under the lock of the stripe
 * that its actor is in; the free list under a lock of its own. Slots are never given back to the system: a lookup may
 * touch any slot at any time.
 *
 * Two kinds of numbers lead to no actor. Those of the lowest slots are for what other nodes take for processes of this
 * one (enum pids_reserved). And one whose low word has its highest bit set, where slots do not reach, stands for a
 * process of another node: see struct abroad in runtime.h. */
#ifndef RUNTIME_PIDS_H
#define RUNTIME_PIDS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/lock.h"

struct actor;

enum { PIDS_SEGMENT = 1 << 14, PIDS_SEGMENTS = 1 << 16 };

/* Slots that no process gets. A number without a serial, but where one is said to count. */
enum pids_reserved {
    PIDS_CALLS = 8,     /* calls of functions that other nodes have started here; the serial counts them */
    PIDS_CALLERS = 9,   /* who waits for a call that this node has started elsewhere; likewise */
    PIDS_NOBODY = 10,   /* the sender of what no process has sent, where one has to be named */
    PIDS_MESH = 11,     /* the registered name `mesh` */
    PIDS_SERVICES = 16, /* to 31: the services of a visible node */
    PIDS_RESERVED = 64, /* the first slot of a process */
};

#define PIDS_ABROAD (UINT64_C(1) << 31)

static inline bool pids_is_abroad(uint64_t number)
{
    return (number & PIDS_ABROAD) != 0;
}

struct pid_slot {
    _Atomic(struct actor *) actor; /* NULL: free, or between two lives */
    _Atomic uint32_t serial;
    _Atomic uint32_t stripe; /* while free: index + 1 of the next free slot */
};

struct pids {
    struct spin lock; /* free, used, and making segments */
    uint32_t free;    /* index + 1 */
    uint32_t used;
    _Atomic(struct pid_slot *) *segments;
};

void pids_init(struct pids *pids);
void pids_fini(struct pids *pids);

/* Fresh slots that one worker took at once, so that workers meet rarely, neither at the lock nor in a cache line. */
struct pids_cache {
    uint32_t next, end;
};

/* A slot for a new actor, its serial already counted up. cache: the running worker's, or NULL. MESH_ENOMEM,
 * MESH_ELIMIT. */
int pids_take(struct pids *pids, struct pids_cache *cache, uint32_t *slot);

/* Gives a slot back; its actor and serial were ended by pids_end. */
void pids_give(struct pids *pids, uint32_t slot);

/* The slot of a number, or NULL when there never was such a number. */
struct pid_slot *pids_slot(const struct pids *pids, uint32_t slot);

#endif
