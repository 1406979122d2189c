/* global_name_server: names and locks that hold in the whole cluster, version 8 of the protocol, as OTP 25 and later
 * have it (lib/kernel/src/global.erl describes the algorithms). A visible node has to take part in it: the others ask
 * it for locks, wait for its answers without a timeout, and learn from it which nodes it knows.
 *
 *   two nodes connect              init_connect, init_connect_ack: each starts a session, with a tag of its own
 *                                  lock_set: the lock `global` is held by both in all that each of them knows
 *                                  exchange: the names of each; clashes are resolved by the node with the lower name
 *                                  resolved: what follows from it, and the nodes that each knows
 *                                  new_nodes to the nodes known before, in_sync to the nodes now known
 *   a session is out of step       cancel_connect: it starts again
 *   names, locks                   gen_calls register, unregister, set_lock, del_lock, from whoever holds the lock
 *   a connection is lost           lost_connection to all: they part with that node as well, so that no two halves of
 *                                  the cluster overlap; remove_connection asks for it
 *
 * This side has three processes, as a BEAM has: the server, which is registered; the locker, which holds the lock for
 * one session at a time; the registrar, in whose name the requests of this node run. A lock belongs to the pid that
 * asked for it, and ends with it.
 *
 * Nobody may wait for this node for ever: what does not go on in GLOBAL_STEP_MS is given up, and where the other side
 * waits for it, its connection is ended. All tables have a limit; what is beyond is refused and counted.
 *
 * A part of struct system (system.h), which feeds it. Threads and actions: service.h. */
#ifndef DIST_GLOBAL_H
#define DIST_GLOBAL_H

#include "dist/service.h"

#define GLOBAL_VERSION 8
#define GLOBAL_STEP_MS 15000
#define GLOBAL_CLASH_MS 5000 /* for a node that is asked to resolve a clash */
#define GLOBAL_NAMES_MAX 16384
#define GLOBAL_LOCKS_MAX 4096
#define GLOBAL_HOLDERS_MAX 64 /* of one lock */
#define GLOBAL_PEERS_MAX 4096
#define GLOBAL_REQUESTS_MAX 256 /* of this node, at a time */
#define GLOBAL_WHEREIS_MAX 256  /* questions that wait until the names are settled */
#define GLOBAL_LOST_MAX 1024    /* lost connections remembered */
#define GLOBAL_LOST_MS UINT64_C(3600000)
#define GLOBAL_FOR_EVER UINT32_MAX

struct global_config {
    const struct service *service;
    uint64_t server, locker, registrar; /* numbers of pids of this node that nobody else has */
    uint32_t ref_word;                  /* the third word of its references, which nobody else has */
    uint64_t seed;                      /* random: from the system's source, or fixed in a test */
    bool overlapping;                   /* a partition may overlap another: prevent_overlapping_partitions false */

    /* An exit signal (CONTROL_EXIT2) or a message (CONTROL_SEND) for a process of this node, which lost its name. */
    void (*signal)(void *context, const struct control *signal);

    /* Whether a process of this node has that number and lives: others may name processes that have ended. */
    bool (*alive)(void *context, uint64_t number);

    /* A request of this node has ended; yes: as asked for. */
    void (*done)(void *context, uint64_t token, bool yes);
    void *context;
};

struct global; /* global_state.h */

/* The config is copied, what it points to outlives the result, which is to be given to global_destroy. */
struct global *global_create(const struct global_config *config);
void global_destroy(struct global *g);

/* Events. Of visible nodes only. peer_down also answers a connect that failed. */
void global_peer_up(struct global *g, mesh_bytes peer, uint64_t now_ms);
void global_peer_down(struct global *g, mesh_bytes peer, uint64_t now_ms);

/* A message of that peer to the name global_name_server, or to one of the three pids. */
void global_message(struct global *g, mesh_bytes peer, mesh_term message, uint64_t now_ms);

/* CONTROL_DOWN of that peer, to the pid of the server. */
void global_monitor_down(struct global *g, mesh_bytes peer, const struct control *down, uint64_t now_ms);

/* Time has gone on: call it every 100 ms or so. */
void global_tick(struct global *g, uint64_t now_ms);

/* A process of this node has ended: its names end too. */
void global_process_gone(struct global *g, uint64_t number);

/* This node is about to close its connections: from here on it starts nothing, and does not tell anybody of
 * connections that are lost, which would make the others part with each other. Requests that have not ended do not. */
void global_shutdown(struct global *g);

/* Requests of this node. MESH_OK: `done` comes with the token (not 0), perhaps from inside the call. MESH_EBUSY: too
 * many. MESH_ENOMEM. Terms are copied.
 *
 * global_register: gives a name to a process, of whichever node, on all nodes; no: the name is taken, or the process
 * has another name. With `again` the name moves to the process from whatever had it. A clash of names when parts of
 * the cluster join ends the process on the greater node, as global:register_name/2 has it.
 *
 * Locks are held in the name of the registrar, by all who use them here. Each needs a requester of its own, since a
 * lock is free for its requester. It is on the nodes that were known when it was set.
 * retries: how often to try again (GLOBAL_FOR_EVER), after a random time that grows to 8 s. */
int global_register(struct global *g, mesh_term name, mesh_term pid, bool again, uint64_t token, uint64_t now_ms);
int global_unregister(struct global *g, mesh_term name, uint64_t token, uint64_t now_ms);
int global_set_lock(struct global *g, mesh_term resource, mesh_term requester, uint32_t retries, uint64_t token,
                    uint64_t now_ms);

/* Gives a lock up, or the attempt to get it, of which `done` then says nothing. MESH_ENOMATCH: there is none. */
int global_del_lock(struct global *g, mesh_term resource, mesh_term requester, uint64_t now_ms);

/* Whether a process has that name; *pid is a view, valid until the next event. */
bool global_whereis(const struct global *g, mesh_term name, mesh_term *pid);

/* global:resolve_it/4: two processes have a name, and the method that came with it decides. Appends the process that
 * keeps it, or the atom none. Knows the methods of OTP's global; with any other the name goes. a and b are pids. */
int global_resolve(struct global *g, mesh_term method, mesh_term name, mesh_term a, mesh_term b, mesh_buf *winner);

struct global_counts {
    uint32_t peers, known, synced, names, locks, requests;
    uint64_t sessions;  /* finished: names exchanged with a node */
    uint64_t restarted; /* begun again, out of step */
    uint64_t given_up;  /* by the watchdog */
    uint64_t refused;   /* beyond a limit */
    uint64_t dropped;   /* messages that are none of the protocol */
};
struct global_counts global_counts(const struct global *g);

#endif
