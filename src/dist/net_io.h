/* What the files of the driver share; see net.h for the whole idea. net_io.c starts, stops and answers questions;
 * net_dial_io.c and net_shake_io.c have dials and handshakes, on worker 0; net_link_io.c has links, each on its
 * worker. */
#ifndef DIST_NET_IO_H
#define DIST_NET_IO_H

#include <pthread.h>
#include <uv.h>

#include "base/clock.h"
#include "base/lock.h"
#include "dist/acceptor_io.h"
#include "dist/connect_io.h"
#include "dist/epmd_query_io.h"
#include "dist/epmd_register_io.h"
#include "dist/net.h"
#include "dist/peers.h"
#include "runtime/runtime.h"

enum { NET_READ_BYTES = 65536, NET_LOOK_MS = 50, NET_DIAL_MS = 15000, NET_WANTS_MAX = 512 };

/* A worker's part: its links, in a list that only it touches. */
struct net_shard {
    struct net *net;
    struct worker *worker;
    struct net_link *links;
    uv_timer_t tick;
    uint64_t looked_ms; /* when it was looked last who is silent */
    struct errand open, close;
    uint8_t *buffer; /* NET_READ_BYTES: what is read stands here while it is handled */
};

/* A name that somebody wants a link to. */
struct net_want {
    struct net_want *next;
    uint64_t deadline_ms;
    char name[NAME_MAX_BYTES + 1];
};

enum shake_stage {
    SHAKE_ASKS,       /* the peer's epmd */
    SHAKE_CONNECTS,   /* to the peer */
    SHAKE_TALKS,      /* reads and writes the handshake */
    SHAKE_AWAITS_OLD, /* done, but for the end of an older link to the same peer */
    SHAKE_OVER,
};

struct shake {
    struct net *net;
    struct shake *next;
    uint64_t conn;
    uint64_t deadline_ms;
    enum shake_stage stage;
    bool dialling;
    char name[NAME_MAX_BYTES + 1]; /* of the peer; empty: not told yet */
    uint32_t challenge;
    struct epmd_query *query;
    struct connecting *connecting;
    uv_poll_t poll;
    bool polls;
    int fd; /* -1: none */
    unsigned handles;
    struct handshake handshake;
    mesh_buf in; /* come, and not taken yet */
    mesh_buf out;
    size_t out_at;
};

struct net {
    /* Constant once it has started. */
    struct runtime *runtime;
    struct net_options options; /* defaults filled in; texts are copies */
    const struct net_ops *ops;
    void *context;
    struct net_shard *shards; /* one a worker */
    uint32_t shard_count;
    uint16_t port;
    struct handshake_config config;
    mesh_limits terms;

    pthread_mutex_t lock; /* a leaf: the next seven */
    pthread_cond_t changed;
    bool started, stopped;
    int start_error;        /* the negative errno of the registration; ECANCELED: refused says why */
    int refused;            /* what the op `created` returned */
    struct net_link *links; /* from the end of the handshake to that of the link; worker 0 adds and removes */
    _Atomic bool stopping;  /* written under the lock; read without it by net_is_stopping */

    /* Worker 0's. */
    struct errand start, stop;
    int listener; /* until the acceptor has it; -1 */
    struct acceptor acceptor;
    struct epmd_registration *registration;
    uv_timer_t look; /* deadlines of handshakes and wants */
    struct peers peers;
    struct shake *shakes;
    struct net_want *wants;
    uint32_t want_count;
    uint64_t last_conn; /* numbers of connections */
    unsigned parts;     /* acceptor, registration, look, handles of shakes: what has still to close */
    _Atomic uint32_t open_shards;

    struct log_limit log_refused, log_accept, log_epmd;

    /* Any thread adds: relaxed, each number stands for itself. */
    _Atomic uint64_t accepted, dialled, turned_away, ups, downs, bytes_in, bytes_out, messages_in;
    _Atomic uint64_t refusals[REFUSAL_KINDS];
};

struct net_link {
    /* Constant after link_create. */
    _Atomic uint32_t refs;
    struct net *net;
    struct net_shard *shard;
    uint64_t conn;
    uint64_t flags;
    uint32_t creation;
    uint32_t hash; /* of the name */
    char peer[NAME_MAX_BYTES + 1];
    struct net_link *next; /* in net->links, under its lock */

    /* Any thread. */
    struct spin lock; /* a leaf: the next three */
    struct outbox outbox;
    bool closed;
    bool flush_given; /* the errand has been given and will look at the outbox */

    pthread_mutex_t room_lock; /* before lock */
    pthread_cond_t room;       /* there may be, or it has ended */
    _Atomic uint32_t awaiting; /* who waits for room: counted before they look, read after something has changed */

    _Atomic bool up;        /* between `up` and `down`: written by its worker, release; read by net_find, acquire */
    _Atomic bool end_asked; /* whoever sets it gives the errand */
    enum net_why end_why;   /* for that errand */

    /* Its worker's. */
    void *user;
    struct net_link *shard_prev, *shard_next;
    uv_poll_t poll;
    int fd;
    int polled; /* events */
    bool ended;
    bool short_of_memory; /* since link_create */
    bool wrote;           /* since the last tick */
    uint64_t heard_ms;
    uint64_t leaving_ms; /* since when it ends as soon as all is written; 0: it does not */
    uint64_t ticked_ms;  /* when it was last seen to that something is written */
    struct frame_reader reader;
    struct outbox_batch batch;
    mesh_buf early;    /* packets that came with the end of the handshake */
    mesh_buf expected; /* see net_link_expect */

    struct errand start, flush, end, over;
};

static inline void net_count(_Atomic uint64_t *n, uint64_t by)
{
    atomic_fetch_add_explicit(n, by, memory_order_relaxed);
}

static inline uint64_t net_now_ms(void)
{
    return clock_now_ns() / 1000000;
}

uint32_t net_hash(mesh_bytes name);

/* Counts a refusal and logs it, at a limited rate. peer may be empty. */
void net_refused(struct net *net, mesh_bytes peer, enum refusal refusal);

/* ---- net_link_io.c ---- */

/* A link on fd, whose handshake is done: early are bytes that have come behind it, late such as are still to be
 * written. Held once, by the caller. On worker 0; link_start then hands it over to its worker. */
struct net_link *link_create(struct net *net, int fd, const struct handshake *h, uint64_t conn, mesh_bytes early,
                             mesh_bytes late);
void link_start(struct net_link *link);

/* Has the link's worker end it. Any thread. */
void link_ask_end(struct net_link *link, enum net_why why);

/* Sets a worker's part up, in memory; its errands open and close its handles. The last one that has closed wakes
 * net_stop. */
void shard_init(struct net_shard *shard, struct net *net, struct worker *w);

/* ---- net_shake_io.c, on worker 0 ---- */

/* An attempt with the number net->last_conn and this challenge, which is in the table of peers, or admitted. */
struct shake *shake_create(struct net *net, uint32_t challenge);

/* Ends an attempt: closes it, takes it out of the table, and has a want for its name reconsidered. May free it. */
void shake_end(struct shake *s, enum net_why why, enum refusal refusal);

/* Something that counted in s->handles has closed; the context is the shake. */
void shake_part_closed(void *context);

/* The connection to the peer stands: shakes hands on it. */
void shake_dialled(struct shake *s, int fd);

void shake_accept(struct net *net, int fd);

/* Ends what is late; ends everything. */
void shake_look(struct net *net, uint64_t now_ms);
void shake_stop(struct net *net);

/* The link conn to name has ended, its `down` has returned. */
void shake_link_over(struct net *net, const char *name, uint64_t conn);

/* ---- net_dial_io.c, on worker 0 ---- */

/* A link to name is wanted. */
void dial_want(struct net *net, const char *name);

/* A link to name is up. */
void dial_up(struct net *net, const char *name);

/* An attempt, or a link, to name is over: goes on with a want for it, if there is one. retry: what ended says nothing
 * about a dial of ours. */
void dial_reconsider(struct net *net, const char *name, bool retry, enum net_why why, enum refusal refusal);

/* Gives up what is late; gives up everything. */
void dial_look(struct net *net, uint64_t now_ms);
void dial_stop(struct net *net);

/* ---- net_io.c, on worker 0 ---- */

/* There is something that has a deadline: looks at it from now on. */
void net_look_on(struct net *net);

/* Something has closed: goes on with stopping when that was the last. */
void net_part_closed(struct net *net);
void net_link_over(struct worker *w, struct errand *e);

#endif
