/* Passivation: a clock hand that moves over the rows of all capabilities and asks idle processes to end.
 *
 * Worker 0 moves it, between handlers, a bounded number of rows a turn. It asks by a message, so that a process ends
 * only in its own turn, and only if nothing came meanwhile: the message carries the tick of last use that the hand
 * saw. When the node's limit of live processes is near, the hand takes whoever has been idle for a second. */
#include "runtime/runtime.h"

enum { ROWS_A_TURN = 512, ASKED_AT_ONCE = 64 };

#define TURN_NS UINT64_C(10000000)    /* between two turns of one round */
#define ROUND_NS UINT64_C(1000000000) /* between two rounds */
#define PRESSED_IDLE_NS UINT64_C(1000000000)

struct candidate {
    uint64_t number;
    uint32_t last_use;
};

/* Notes processes of a row that have been idle since before a tick, from place on. */
static uint32_t collect(struct row *row, uint32_t *place, uint32_t before, bool press, uint32_t now_tick,
                        struct candidate *found)
{
    uint32_t n = 0;
    spin_lock(&row->lock);
    for (; *place < row->count && n < ASKED_AT_ONCE; (*place)++) {
        struct actor *a = row->actors[*place];
        uint32_t used = atomic_load_explicit(&a->last_use, memory_order_relaxed);
        uint32_t idle = a->class->idle_timeout_ms;
        uint32_t limit = idle == MESH_NEVER ? before : now_tick - (uint32_t)((uint64_t)idle * 1000000 >> TICK_SHIFT);
        if (press)
            limit = before;
        else if (idle == MESH_NEVER)
            continue;
        if (atomic_load_explicit(&a->inbox, memory_order_relaxed) == INBOX_IDLE && (int32_t)(limit - used) > 0)
            found[n++] = (struct candidate){actor_number(a), used};
    }
    spin_unlock(&row->lock);
    return n;
}

static void sweep_row(struct runtime *rt, struct worker *w, struct row *row, uint32_t before, bool press,
                      uint32_t now_tick)
{
    struct candidate found[ASKED_AT_ONCE];
    uint32_t place = 0, n;
    do {
        n = collect(row, &place, before, press, now_tick, found);
        for (uint32_t i = 0; i < n; i++) {
            struct signal signal = {.kind = MESSAGE_PASSIVATE, .ref = found[i].last_use};
            signal_push(rt, w, found[i].number, &signal);
        }
    } while (n == ASKED_AT_ONCE);
}

static bool is_pressed(struct runtime *rt)
{
    uint64_t most = rt->options.max_processes;
    return most != 0 && atomic_load_explicit(&rt->limited, memory_order_relaxed) > most - most / 8;
}

/* The next capability in the list after one, or the first. */
static struct capability *next_capability(struct runtime *rt, struct capability *cap)
{
    pthread_mutex_lock(&rt->lock);
    struct capability *next = cap == NULL ? rt->capabilities : cap->next;
    pthread_mutex_unlock(&rt->lock);
    return next;
}

uint64_t sweep_turn(struct worker *w)
{
    struct runtime *rt = w->runtime;
    bool press = is_pressed(rt);
    if (!press && !atomic_load_explicit(&rt->passivates, memory_order_relaxed))
        return w->now_ns + ROUND_NS;
    uint32_t now_tick = (uint32_t)(w->now_ns >> TICK_SHIFT);
    uint32_t before = now_tick - (uint32_t)(PRESSED_IDLE_NS >> TICK_SHIFT);
    if (w->sweep_capability == NULL) {
        w->sweep_capability = next_capability(rt, NULL);
        w->sweep_shard = 0;
    }
    for (int rows = 0; rows < ROWS_A_TURN; rows++) {
        struct capability *cap = w->sweep_capability;
        if (cap == NULL)
            return w->now_ns + ROUND_NS;
        if (w->sweep_shard == cap->shards) {
            w->sweep_capability = next_capability(rt, cap);
            w->sweep_shard = 0;
            if (w->sweep_capability == NULL)
                return w->now_ns + (press ? TURN_NS : atomic_load_explicit(&rt->round_ns, memory_order_relaxed));
            continue;
        }
        sweep_row(rt, w, &cap->rows[w->sweep_shard++], before, press, now_tick);
    }
    return w->now_ns + TURN_NS;
}
