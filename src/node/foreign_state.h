/* The inside of foreign.h, shared by its files:
 *
 *   foreign.c          life, control messages that came, links that come and go
 *   foreign_ties.c     the tables of ties, stand-ins and peers
 *   foreign_send.c     what the runtime has for processes abroad; what waits for connections
 *   foreign_call.c     requests of gen_servers, to processes and to the name `mesh`
 *
 * Everything here is under foreign->lock, but for what says otherwise. */
#ifndef NODE_FOREIGN_STATE_H
#define NODE_FOREIGN_STATE_H

#include "dist/service.h"
#include "node/foreign.h"
#include "node/list.h"

enum { PEER_BUCKETS = 256, TIE_STRIPES = 64 };

/* A message that waits for a connection; its terms are views of bytes. */
struct waiting {
    struct waiting *next;
    struct control control;
    uint64_t sender;
    size_t len;
    uint8_t bytes[];
};

/* A node that has stand-ins, or that is being connected to. */
struct foreign_peer {
    struct foreign_peer *next; /* of its bucket */
    struct list stand_ins;
    bool connecting;                 /* nothing is sent before foreign_peer_up */
    struct waiting *waiting, **tail; /* only while connecting */
    size_t name_len;
    char name[];
};

/* A process abroad. Lives as long as holds > 0. */
struct stand_in {
    struct table_entry entry; /* of foreign->stand_ins, by pid; first */
    uint64_t hash;
    uint64_t number;
    uint32_t holds;            /* ties, and signals by a link on their way to a process here */
    struct block *pid;         /* the term, as mesh_put_pid writes it */
    struct foreign_peer *peer; /* whose process it is */
    struct list in;            /* of peer->stand_ins */
    struct list ties;
};

enum tie_kind {
    TIE_WATCHED, /* `local` watches the process abroad, under the reference ref of this node */
    TIE_WATCHER, /* the process abroad watches `local`, under remote_ref; ref is what the runtime has instead */
    TIE_LINK,    /* as in the documentation of Erlang's link protocol: active, or an unlink is not acknowledged yet */
    TIE_WATCH,   /* foreign_watch: no process abroad */
};

struct tie {
    struct table_entry entry; /* of foreign->ties; first */
    uint64_t hash;
    enum tie_kind kind;
    bool active;               /* TIE_LINK */
    uint64_t local;            /* the process of this node */
    uint64_t ref;              /* TIE_LINK: the id of the unlink, unless active */
    mesh_term remote_ref;      /* TIE_WATCHER: as it came; in bytes */
    struct stand_in *stand_in; /* NULL: TIE_WATCH */
    struct list in;            /* of stand_in->ties */
    uint8_t bytes[];
};

/* Things by numbers that are not given twice: index (low 31 bits, from 1 on) and serial (high 32). */
struct numbered {
    struct numbered_slot {
        void *thing;
        uint32_t serial;
        uint32_t next; /* of a free one */
    } * slots;
    uint32_t count, free;
};

struct foreign {
    /* Constant. */
    struct runtime *runtime;
    struct foreign_ops ops;
    void *context; /* of ops */
    struct foreign_limits limits;
    struct service service; /* for service_reply */

    pthread_mutex_t lock;
    struct table stand_ins; /* by pid */
    struct table ties;
    struct numbered stand_in_numbers;
    struct numbered tie_numbers; /* TIE_WATCHER and TIE_WATCH */
    struct foreign_peer *peers[PEER_BUCKETS];
    uint32_t tie_count, stand_in_count;
    uint64_t unlink_id;
    size_t waiting_bytes;

    _Atomic uint32_t waiting; /* written under the lock; read without it, to send past the lock when it is 0 */
    _Atomic uint32_t calls;
    _Atomic uint64_t dropped;
};

/* ---- foreign_ties.c ---- */

void foreign_ties_init(struct foreign *f);
/* Frees all of them. */
void foreign_ties_fini(struct foreign *f);

/* The peer of that name, made if there is none; NULL: no memory. */
struct foreign_peer *foreign_peer_find(struct foreign *f, mesh_bytes name);
struct foreign_peer *foreign_peer_get(struct foreign *f, mesh_bytes name);
/* Frees it unless something needs it. */
void foreign_peer_let_go(struct foreign *f, struct foreign_peer *peer);

static inline mesh_bytes foreign_peer_name(const struct foreign_peer *peer)
{
    return (mesh_bytes){peer->name, peer->name_len};
}

/* The stand-in of a pid, or NULL. */
struct stand_in *stand_in_find(struct foreign *f, const mesh_pid *pid);
/* The same, made if there is none; one hold is the caller's. MESH_EINVAL: no pid; MESH_ENOMEM, MESH_ELIMIT. */
int stand_in_get(struct foreign *f, const mesh_pid *pid, struct stand_in **stand_in);
struct stand_in *stand_in_at(struct foreign *f, uint64_t number);
void stand_in_release(struct foreign *f, struct stand_in *s);

/* A new tie that is like `like`; it holds the stand-in, and copies the remote reference. A TIE_WATCHER or TIE_WATCH
 * gets its ref. MESH_ELIMIT, MESH_ENOMEM. */
int tie_add(struct foreign *f, const struct tie *like, struct tie **tie);
/* The tie that is like it in what tells such ties apart (TIE_WATCHED: ref; TIE_WATCHER: stand_in and remote_ref;
 * TIE_LINK: stand_in and local; TIE_WATCH: local), or NULL. */
struct tie *tie_find(struct foreign *f, const struct tie *like);
/* The TIE_WATCHER or TIE_WATCH with that ref, or NULL. */
struct tie *tie_by_ref(struct foreign *f, uint64_t ref);
void tie_remove(struct foreign *f, struct tie *tie);

/* A copy of a term. NULL: no memory. */
struct block *block_of_term(mesh_term term);

static inline mesh_term block_term(const struct block *block)
{
    return (mesh_term){block->bytes, block->len, MESH_TERM_SOUND};
}

/* ---- foreign_send.c ---- */

/* Takes its place in the runtime. */
void foreign_send_init(struct foreign *f);

/* Sends a reply; who cannot be reached has given up. With or without the lock. */
void foreign_send_answer(struct foreign *f, mesh_bytes peer, const struct control *message, uint64_t sender);

/* A process of this node has ended that one of the peer watches (CONTROL_DOWN) or is linked to (CONTROL_EXIT). */
struct ended {
    enum control_kind kind;
    uint64_t local;
    mesh_term to;
    mesh_term ref; /* of a DOWN */
    mesh_term reason;
};
void foreign_send_ended(struct foreign *f, mesh_bytes peer, const struct ended *e);

/* A connection is there, or has failed: what waits is sent, or dropped. */
void foreign_send_waiting(struct foreign *f, struct foreign_peer *peer);
void foreign_drop_waiting(struct foreign *f, struct foreign_peer *peer);

/* ---- foreign_call.c; without the lock ---- */

void foreign_call_init(struct foreign *f);

/* A message to a process of this node. False: there is no such process. */
bool foreign_call_process(struct foreign *f, struct worker *w, uint64_t number, mesh_term message);

/* A message to the name `mesh`. */
void foreign_call_mesh(struct foreign *f, struct worker *w, mesh_term message);

static inline void count_dropped(struct foreign *f)
{
    atomic_fetch_add_explicit(&f->dropped, 1, memory_order_relaxed);
}

#endif
