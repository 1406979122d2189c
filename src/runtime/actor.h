/* One running process, its class and its shard.
 *
 * The inbox is one word that is also the schedule: INBOX_IDLE, INBOX_RUNNING when somebody has the run right and
 * nothing waits, else the newest of a chain of messages (and somebody has the run right, or the actor is queued to be
 * run). Whoever turns INBOX_IDLE into something else has the run right, or queues the actor; only the holder of the run
 * right handles messages, and only it turns the word back to INBOX_IDLE. So handlers of one actor never overlap, and a
 * call to an idle actor takes the run right without queueing anything.
 *
 * Messages are pushed under the lock of the actor's stripe in the id table, and an actor leaves the table under the
 * same lock, when its inbox is INBOX_RUNNING: nobody pushes to an actor that is gone. The run right of an idle actor
 * may be taken without the lock (route.c): the memory of a small actor stays an actor's, with an inbox that is 0 while
 * none lives there (slab.h), and whoever has the run right of an actor keeps it from leaving. */
#ifndef RUNTIME_ACTOR_H
#define RUNTIME_ACTOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <mesh/module.h>

#include "base/lock.h"
#include "runtime/message.h"
#include "runtime/table.h"

struct runtime;
/* A registered module: a copy of what the user gave. */
struct module {
    mesh_module ops; /* name is our copy */
    uint32_t index;
    struct module *next;
};

/* One shard of a capability on this node. */
struct row {
    struct spin lock; /* everything below; taken inside a stripe's lock */
    bool held;        /* processes may be started */
    bool asks;        /* … each after the layer above was asked: some may still be inside a handler elsewhere */
    uint32_t count;   /* live processes */
    uint32_t capacity;
    struct actor **actors; /* in no order; actor->place says where */
    uint64_t epoch;        /* of the hold */
};

/* A capability that this node has or had. */
struct capability {
    char *name;
    uint32_t index;
    uint32_t shards;
    struct row *rows; /* shards of them */
    struct capability *next;
};

/* A module in a capability: what all its processes share. */
struct class
{
    struct capability *capability;
    const struct module *module;
    uint64_t salt;     /* enters the hash of an id */
    uint32_t state_at; /* where in an actor the state begins, and behind it the id */
    uint32_t id_at;
    uint32_t index;
    uint32_t max_mailbox;
    uint32_t idle_timeout_ms; /* MESH_NEVER: never */
    bool foreign;             /* this node lacks the module or the capability: other nodes may have both */
    _Atomic uint32_t known;   /* … as of runtime->known */
    struct class *next;
};

enum actor_flags {
    ACTOR_FRESH = 1,  /* init has not run in this life */
    ACTOR_ENDING = 2, /* an exit signal that is not trapped is in the inbox: calls return MESH_ESTOPPING */
    ACTOR_TRAPS = 4,  /* exit signals become infos */
    ACTOR_REBORN = 8, /* fresh, but not by a new entry: whether it may start is asked again */
};

struct bonds;

struct actor {
    struct table_entry entry; /* hash; first */
    uint16_t shard;
    _Atomic uint16_t flags;
    struct class *class;
    _Atomic(struct message *) inbox;
    struct message *pending;   /* taken from the inbox, oldest first; run right */
    _Atomic uint32_t queued;   /* messages in inbox and pending */
    uint32_t slot;             /* where the pid table has it */
    _Atomic uint32_t serial;   /* of this life; the pid's number is serial << 32 | slot */
    uint32_t place;            /* in its row's vector; row lock */
    _Atomic uint32_t last_use; /* in runtime ticks */
    _Atomic uint32_t waiting;  /* where its handler is suspended, as waiting_at says (worker.h); 0: it is not */
    _Atomic uint32_t owed;     /* calls it returned from without an answer */
    uint16_t id_len;
    uint16_t crashes;    /* in a row, for the back-off; unused bits of the layout */
    struct bonds *bonds; /* monitors and links; NULL for most. run right */
};

#define INBOX_RUNNING ((struct message *)1)
#define INBOX_IDLE ((struct message *)2)

static inline bool inbox_is_empty(const struct message *inbox)
{
    return (uintptr_t)inbox <= (uintptr_t)INBOX_IDLE;
}

/* State follows the struct, the id the state. A type that has to be aligned to 16 has a size that is a multiple of it:
 * only such states need the padding. */
static inline void class_lay_out(struct class *class)
{
    size_t size = class->module->ops.state_size;
    class->state_at =
        (uint32_t)(size % 16 != 0 || size == 0 ? sizeof(struct actor) : (sizeof(struct actor) + 15) / 16 * 16);
    class->id_at = class->state_at + (uint32_t)size;
}

static inline void *actor_state(struct actor *a)
{
    return (char *)a + a->class->state_at;
}

static inline size_t actor_bytes(const struct class *class, size_t id_len)
{
    return class->id_at + id_len;
}

static inline char *actor_id(struct actor *a)
{
    return (char *)a + a->class->id_at;
}

static inline uint64_t actor_number(const struct actor *a)
{
    return (uint64_t)atomic_load_explicit(&a->serial, memory_order_relaxed) << 32 | a->slot;
}

static inline struct row *actor_row(const struct actor *a)
{
    return &a->class->capability->rows[a->shard];
}

/* Takes the run right of an idle actor. Acquire: pairs with the release in actor_rest, so that what the last handler
 * wrote is visible. */
static inline bool actor_acquire(struct actor *a)
{
    struct message *idle = INBOX_IDLE;
    return atomic_compare_exchange_strong_explicit(&a->inbox, &idle, INBOX_RUNNING, memory_order_acquire,
                                                   memory_order_relaxed);
}

/* Adds m to the inbox; the actor owns it from here on. Caller holds the stripe lock. Returns true when the actor was
 * idle: then, and only then, the caller queues it. Release: pairs with the exchange in actor_take. Acquire as above. */
static inline bool actor_push(struct actor *a, struct message *m)
{
    struct message *head = atomic_load_explicit(&a->inbox, memory_order_relaxed);
    do {
        m->post.next = inbox_is_empty(head) ? NULL : (struct post *)head;
    } while (!atomic_compare_exchange_weak_explicit(&a->inbox, &head, m, memory_order_acq_rel, memory_order_relaxed));
    perturb();
    atomic_fetch_add_explicit(&a->queued, 1, memory_order_relaxed);
    return head == INBOX_IDLE;
}

/* Moves the inbox to pending, oldest first; pending must be empty. Run right. */
static inline bool actor_take(struct actor *a)
{
    if (atomic_load_explicit(&a->inbox, memory_order_relaxed) == INBOX_RUNNING)
        return false;
    perturb();
    struct message *m = atomic_exchange_explicit(&a->inbox, INBOX_RUNNING, memory_order_acq_rel);
    struct message *list = NULL;
    while (m != NULL) {
        struct message *older = (struct message *)m->post.next;
        m->post.next = (struct post *)list;
        list = m;
        m = older;
    }
    a->pending = list;
    return list != NULL;
}

/* The oldest waiting message, or NULL. Run right. */
static inline struct message *actor_next(struct actor *a)
{
    if (a->pending == NULL && !actor_take(a))
        return NULL;
    struct message *m = a->pending;
    a->pending = (struct message *)m->post.next;
    atomic_fetch_sub_explicit(&a->queued, 1, memory_order_relaxed);
    return m;
}

/* Gives the run right up; false when a message came meanwhile: then it is kept. pending must be empty. */
static inline bool actor_rest(struct actor *a)
{
    struct message *running = INBOX_RUNNING;
    perturb();
    return atomic_compare_exchange_strong_explicit(&a->inbox, &running, INBOX_IDLE, memory_order_release,
                                                   memory_order_relaxed);
}

#endif
