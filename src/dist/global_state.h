/* The state of global, and what its files do for each other:
 *
 *   global.c          events, peers, messages taken apart
 *   global_lost.c     lost connections
 *   global_locks.c    the table of locks
 *   global_grab.c     setting a lock on several nodes
 *   global_names.c    the table of names, changes to it, clashes
 *   global_session.c  two nodes connect
 *   global_locker.c   and hold a lock meanwhile
 *   global_request.c  requests of this node: the registrar */
#ifndef DIST_GLOBAL_STATE_H
#define DIST_GLOBAL_STATE_H

#include "dist/global.h"

/* Elements of a list that is being made. */
struct terms {
    mesh_buf buf;
    uint32_t count;
    int error;
};

void terms_init(struct terms *list);
void terms_fini(struct terms *list);
void terms_clear(struct terms *list);
void terms_add(struct terms *list, int built, mesh_buf *element); /* empties element */
int terms_put(const struct terms *list, mesh_buf *out);           /* as a list */

/* Walks over a list: true and *out while there is an element that is no integer of an old-style string. */
mesh_reader terms_open(mesh_term list);
bool terms_next(mesh_reader *r, mesh_term *out);

/* ---- peers ------------------------------------------------------------------------------------------------------- */

struct owed; /* global_names.c */

enum saying { SAID_NOTHING, SAID_TRUE, SAID_FALSE };

struct peer_state {
    struct peer_state *next;
    bool up;
    bool known;        /* one of the nodes whose names this node has */
    bool synced;       /* it has said so */
    bool removing;     /* parted with: its nodedown is no loss */
    bool owes_sync;    /* in_sync goes out when it is up */
    struct owed *owed; /* and so do these, the newest first */
    uint32_t version;

    /* The session; the tags are 0 without one. */
    int64_t my_tag, his_tag;
    bool pending;         /* both have said init_connect */
    mesh_term his_locker; /* kept */
    enum saying lock_set; /* of his locker, and not looked at yet */
    bool locked;          /* both lockers hold the lock */
    mesh_term names;      /* kept: his */
    size_t names_at;      /* how far they have been compared */
    bool comparing;
    uint64_t clash_ref; /* of a question to another node; 0: none */
    uint64_t clash_ms;
    char clash_node[NAME_MAX_BYTES + 1];
    struct terms ops; /* what is to be done here */
    struct terms res; /* and there */
    bool ops_ready;
    mesh_term his_ops, his_known; /* kept */

    char name[NAME_MAX_BYTES + 1];
};

/* ---- a lock on several nodes ------------------------------------------------------------------------------------- */

enum grab_step { GRAB_IDLE, GRAB_BOSS, GRAB_PAIR, GRAB_REST, GRAB_HELD, GRAB_ACT };
enum grab_answer { GRAB_NEW, GRAB_ASKED, GRAB_YES, GRAB_NO, GRAB_GONE };

struct grab_node {
    enum grab_step step; /* in which it is asked */
    enum grab_answer answer;
    char name[NAME_MAX_BYTES + 1];
};

/* One process of this node sets a lock on several nodes: first on the boss, the greatest, on which all who want it
 * meet; then on the rest. Nothing is held when it fails. */
struct grab {
    uint64_t pid;
    enum grab_step step;
    mesh_term id; /* kept: {Resource, Requester} */
    uint64_t ref; /* of the question that is out */
    uint64_t since_ms;
    struct grab_node *nodes;
    size_t count, cap;
};

enum grab_result { GRAB_WAITS, GRAB_DONE, GRAB_FAILED };

enum locker_step { LOCKER_IDLE, LOCKER_ACTIVE, LOCKER_PASSIVE, LOCKER_WAITS_HIM, LOCKER_WAITS_END };

struct lock;    /* global_locks.c */
struct name;    /* global_names.c */
struct request; /* global_request.c */
struct whereis;
struct lost;

struct global {
    struct global_config config;
    const struct service *service;
    struct peer_state *peers;
    uint32_t peer_count;
    uint64_t now_ms;
    uint64_t random;
    uint64_t last_ref;
    int64_t last_tag;
    int64_t last_op; /* of lost_connection */
    int64_t incarnation;
    bool closing;

    struct lock *locks;
    uint32_t lock_count;
    bool lock_down; /* the lock `global` went last because its holder did */
    struct whereis *whereis;
    uint32_t whereis_count;

    struct name **names; /* sorted */
    size_t name_count, name_cap;

    struct peer_state *locking; /* whom the locker is busy with; NULL when idle */
    enum locker_step locker;
    struct grab locker_grab;
    uint64_t locker_since_ms;
    uint64_t locker_due_ms; /* when it looks for somebody to lock with */

    struct request *requests; /* a list, the oldest first */
    struct lost *lost;        /* a list, the newest first */

    struct global_counts counts;
};

static inline bool name_equals(const char *name, mesh_bytes bytes)
{
    return service_same(mesh_str(name), bytes);
}

/* global.c */
struct peer_state *peer_find(const struct global *g, mesh_bytes name);
struct peer_state *peer_get(struct global *g, mesh_bytes name); /* NULL: too many */
bool global_is_self(const struct global *g, mesh_bytes name);
uint64_t global_random(struct global *g, uint64_t below);
int global_put_ref(struct global *g, mesh_buf *buf, uint64_t ref);
void global_cast(struct global *g, const struct peer_state *p, int built, mesh_buf *message);
void global_info(struct global *g, const struct peer_state *p, int built, mesh_buf *message);
void global_ask(struct global *g, mesh_bytes node, const char *name, uint64_t from, uint64_t ref, mesh_term request);
void global_sync_with(struct global *g, mesh_bytes node);
void global_add_known(struct global *g, mesh_term nodes, bool and_sync);
int global_put_known(const struct global *g, mesh_buf *out, bool versions);

void global_node_down(struct global *g, struct peer_state *p);

/* global_lost.c */
bool lost_prevents(const struct global *g);
void lost_tell(struct global *g, mesh_bytes node);
void lost_forget(struct global *g);
void lost_connection(struct global *g, mesh_term message);
void lost_remove(struct global *g, mesh_bytes node);
void lost_fini(struct global *g);

/* global_locks.c */
bool lock_set(struct global *g, mesh_term id, mesh_term pid);
bool lock_can_set(const struct global *g, mesh_term id);
void lock_del(struct global *g, mesh_term id, mesh_term pid);
bool lock_monitor_down(struct global *g, uint64_t ref);
void lock_node_down(struct global *g, mesh_bytes node);
bool lock_global_is_set(const struct global *g);
bool lock_still_set(const struct global *g, mesh_term holder, mesh_term requester);
void lock_whereis(struct global *g, mesh_bytes peer, mesh_term name, mesh_term from, mesh_term tag);
void locks_fini(struct global *g);
uint64_t monitor_put(struct global *g, mesh_term pid);
void monitor_drop(struct global *g, mesh_term pid, uint64_t ref);

/* global_grab.c */
int grab_start(struct global *g, struct grab *grab, mesh_term resource, mesh_term requester);
void grab_add(struct grab *grab, mesh_bytes node, enum grab_step step);
enum grab_result grab_run(struct global *g, struct grab *grab);
enum grab_result grab_act(struct global *g, struct grab *grab, mesh_term request);
enum grab_result grab_answered(struct global *g, struct grab *grab, mesh_bytes node, bool yes);
enum grab_result grab_node_down(struct global *g, struct grab *grab, mesh_bytes node);
bool grab_has(const struct grab *grab, mesh_bytes node);
void grab_release(struct global *g, struct grab *grab);
void grab_fini(struct grab *grab);

/* global_names.c */
void name_insert(struct global *g, mesh_term name, mesh_term pid, mesh_term method);
void name_delete(struct global *g, mesh_term name);
bool name_of_pid(const struct global *g, mesh_term pid);
bool name_monitor_down(struct global *g, uint64_t ref);
void name_node_up(struct global *g, struct peer_state *p);
void name_node_down(struct global *g, mesh_bytes node);
void names_apply(struct global *g, mesh_term ops, mesh_term requester);
int names_put(const struct global *g, mesh_buf *out);
void names_fini(struct global *g);
void names_forget_owed(struct peer_state *p);
bool names_compare(struct global *g, struct peer_state *p);
bool names_clash_answered(struct global *g, struct peer_state *p, mesh_term winner);
mesh_term names_default_method(void);

/* global_session.c */
void session_start(struct global *g, struct peer_state *p);
void session_end(struct global *g, struct peer_state *p);
void session_clear(struct peer_state *p);
void session_cast(struct global *g, struct peer_state *p, mesh_term message);
bool session_info(struct global *g, struct peer_state *p, mesh_term message);
bool session_answered(struct global *g, struct peer_state *p, uint64_t ref, mesh_term value);
void session_node_down(struct global *g, mesh_bytes node);
void session_locked(struct global *g, struct peer_state *p);
void session_tick(struct global *g);

/* global_locker.c */
void locker_rest(struct global *g, bool just_synced);
void locker_idle(struct global *g, bool just_synced);
void locker_look(struct global *g);
void locker_told(struct global *g, struct peer_state *p, bool set, int64_t tag);
bool locker_answered(struct global *g, mesh_bytes node, uint64_t ref, mesh_term value);
void locker_node_down(struct global *g, mesh_bytes node);
void locker_tick(struct global *g);

/* global_request.c */
bool request_answered(struct global *g, mesh_bytes node, uint64_t ref, mesh_term value);
void request_node_down(struct global *g, mesh_bytes node);
void request_tick(struct global *g);
void requests_fini(struct global *g);

#endif
