/* Messages: what travels to a mailbox, and, for a call, what brings its answer back.
 *
 * One struct serves both, so that a call costs one allocation. Messages come from slabs that live as long as the
 * runtime: a mesh_from may be used when its call is long over, and must then find a ticket that does not match.
 *
 * Who owns what. A message belongs to the mailbox once pushed, to the handler while it runs. The part of a call that
 * the caller waits for belongs to the caller's home worker. refs counts those two sides (a third while an arming post
 * is under way); whoever gives up the last one returns the message to a cache. */
#ifndef RUNTIME_MESSAGE_H
#define RUNTIME_MESSAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <mesh/call.h>

#include "base/copy.h"
#include "base/lock.h"
#include "runtime/wheel.h"
#include "term/block.h"

struct actor;
struct coroutine;
struct message;
struct runtime;
struct worker;

/* Something that another thread hands to a worker; deliver runs on that worker, between handlers. */
struct post {
    struct post *next;
    void (*deliver)(struct worker *w, struct post *p);
};

/* A timer in the wheel of a worker's deadlines, and what to do when it expires. */
struct deadline {
    struct timer timer; /* first */
    void (*expired)(struct worker *w, struct deadline *d);
};

enum message_kind {
    MESSAGE_CALL,
    MESSAGE_CAST,
    MESSAGE_INFO,
    MESSAGE_EXIT,      /* an exit signal: payload is the reason, from the sender (its pid in init_arg, if abroad) */
    MESSAGE_DOWN,      /* a watched process ended: ref, payload is the reason, from as above */
    MESSAGE_MONITOR,   /* from watches this process under ref */
    MESSAGE_DEMONITOR, /* … no longer */
    MESSAGE_LINK,
    MESSAGE_UNLINK,
    MESSAGE_PASSIVATE, /* end if nothing else is waiting */
    MESSAGE_RELEASE,   /* end, snapshot to the shard's release */
    MESSAGE_SHUTDOWN,  /* end with :shutdown: the node stops or the capability goes */
    MESSAGE_ANSWERED,  /* was a call, which another node has answered: init_arg.block notes that node (call_place) */
};

/* How the answer of a call reaches its caller. */
enum message_waiter {
    WAITER_COROUTINE, /* a suspended handler or task, on its home worker */
    WAITER_THREAD,    /* an ordinary thread, on a futex */
    WAITER_DONE,      /* a function, run by the home worker */
    WAITER_PEER,      /* another node: a function of the layer above, run by whoever answers, at once */
    WAITER_NOW,       /* a function of the layer above, run by whoever answers, in the runtime; no home worker */
};

/* Passes the outcome of a call on to the node that it came from; context and tags are those of its struct served. Runs
 * on any thread, inside the runtime or not, without a lock, maybe in the midst of a handler; it must not block. result
 * is valid during the call. */
typedef void (*peer_done_fn)(void *context, const uint64_t tags[2], int error, const mesh_result *result);

enum { MESSAGE_INLINE = COPY_FEW_MAX, MESSAGE_CHAIN_MAX = 16 };

/* ref of a MESSAGE_EXIT. */
enum {
    EXIT_PLAIN,
    EXIT_KILL,   /* cannot be trapped */
    EXIT_NORMAL, /* the reason is :normal: ignored unless trapped */
};

/* One suspended call that led to this one. */
struct link_of_chain {
    uint64_t pid;
    uint64_t call;
};

/* Bytes of a term: inside the message when they are few, else in a counted block. */
struct payload {
    const uint8_t *data; /* NULL: nil */
    size_t len;
    struct block *block; /* NULL: data is in the message, or constant */
};

struct message {
    struct post post; /* first. next links mailboxes, inbound lists, caches */

    struct runtime *runtime; /* constant: a late answer looks at it, whatever the message is used for by then */

    /* Written by the sender before the push, read by the receiver. */
    uint8_t kind;
    uint8_t waiter; /* of a call */
    uint8_t chain_count;
    uint8_t debt_lock;    /* of a debt, see below */
    uint32_t class_index; /* for statistics */

    /* All false at first: together, so that one store does it. */
    bool by_link;    /* MESSAGE_EXIT: from a link, void when that is gone */
    bool conflict;   /* MESSAGE_CAST: a snapshot, for the module's conflict */
    bool by_pid;     /* sent to a pid: dies with the process, while one sent to an id finds the next */
    bool local;      /* both sides run on one worker: refs need no atomic read-modify-write */
    bool handed;     /* WAITER_COROUTINE: the process runs next, without a queue; home worker only */
    bool completing; /* WAITER_DONE: on the home worker's list, or past it */
    bool expired;    /* … because its deadline passed */
    bool answered;   /* … and the answer came before the list was worked through */
    bool finished;   /* … or will come after it: its delivery releases the caller's share */

    struct payload body;
    struct payload init_arg;
    uint64_t deadline_ns; /* 0: none */
    union {
        struct {
            uint64_t from; /* pid number of the sending process; 0: none */
            uint64_t ref;  /* of a monitor */
        };
        uint64_t tags[2]; /* WAITER_PEER */
    };
    struct link_of_chain *chain; /* chain_count of them: &first, or allocated */
    struct link_of_chain first;

    /* The answer: written by whoever closes the ticket, read by the home worker or waiting thread afterwards. */
    _Atomic uint64_t ticket; /* odd while the call is open; a mesh_from carries the odd value */
    struct payload reply;
    int32_t error;

    /* The waiting side. */
    struct worker *home;         /* NULL: a thread waits */
    struct coroutine *coroutine; /* WAITER_COROUTINE; NULL once it gave up (home worker only) */
    _Atomic uint32_t thread;     /* WAITER_THREAD: the futex word, see call.c */
    union {
        mesh_done_fn done;      /* WAITER_DONE, WAITER_NOW */
        peer_done_fn peer_done; /* WAITER_PEER */
    };
    void *done_context;
    struct deadline deadline;  /* WAITER_DONE: on the home worker. Of a timer: in its worker's timers */
    struct post arm;           /* carries the arming of timer to the home worker */
    uint64_t since_ns;         /* when the call was made */
    struct message *held_next; /* results that a handler has not released */
    uint64_t pid;              /* number of the process that took the call, 0: none did; or that it was sent to */

    /* A debt: the handler returned without answering. Under runtime->debts[debt_lock]. */
    struct actor *debtor; /* NULL once the process has ended */
    struct message *debt_prev, *debt_next;

    _Atomic uint32_t refs;

    uint8_t inline_body[MESSAGE_INLINE];
    uint8_t inline_reply[MESSAGE_INLINE];
};

/* Free messages of one thread at a time: a worker's, or the pool's own under its lock. */
struct message_cache {
    struct message *free;
    uint32_t count;
};

struct message_slab;

/* Every message of a runtime. */
struct message_pool {
    struct runtime *runtime; /* constant */
    struct spin lock;        /* everything below */
    struct message_slab *slabs;
    struct message *batches;    /* full batches, linked by held_next */
    struct message_cache loose; /* for threads that are no workers */
};

void message_pool_init(struct message_pool *pool, struct runtime *rt);
/* Frees all slabs; no message may be in use, no mesh_from used afterwards. */
void message_pool_fini(struct message_pool *pool);

/* A message with every field zero but runtime and the ticket, refs 1. cache: the running worker's, or NULL in any other
 * thread. NULL: no memory. */
struct message *message_get(struct message_pool *pool, struct message_cache *cache);

/* Returns a message, releasing what its payloads hold. Cache as above. */
void message_put(struct message_pool *pool, struct message_cache *cache, struct message *m);

/* Gives all of a cache back to the pool. */
void message_cache_flush(struct message_pool *pool, struct message_cache *cache);

/* Copies a term: up to MESSAGE_INLINE bytes into space, more into a block. MESH_ENOMEM; p is then nil. */
int payload_set_slow(struct payload *p, mesh_term term);

static inline int payload_set(struct payload *p, uint8_t *space, mesh_term term)
{
    if (term.len > MESSAGE_INLINE)
        return payload_set_slow(p, term);
    p->block = NULL;
    p->len = term.len;
    p->data = term.data == NULL ? NULL : space;
    copy_few(space, term.data, term.data == NULL ? 0 : term.len);
    return MESH_OK;
}

/* The term of a payload, a view that lives as long as the message. Nil is 'nil'. */
static inline mesh_term payload_term(const struct payload *p)
{
    static const uint8_t nil[] = {119, 3, 'n', 'i', 'l'};
    if (p->data == NULL)
        return (mesh_term){.data = nil, .len = sizeof nil, .owner = MESH_TERM_SOUND};
    return (mesh_term){.data = p->data, .len = p->len, .owner = MESH_TERM_SOUND};
}

static inline void payload_drop(struct payload *p)
{
    if (p->block != NULL)
        block_release(p->block);
    *p = (struct payload){0};
}

static inline struct message *message_of_post(struct post *p)
{
    return (struct message *)p;
}

#endif
