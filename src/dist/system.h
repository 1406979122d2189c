/* What a visible node answers to other nodes whether or not a user's process is meant: the dispatcher of control
 * messages, by pid and by registered name.
 *
 *   net_kernel          {is_auth, Node}: yes. A BEAM ends the connection, if its ping is not answered so
 *   rex                 features_request, and calls of functions (spawn.h)
 *   global_name_server  names and locks of the cluster (global.h)
 *   a group leader      a pid for whom this node starts something elsewhere: output is taken and dropped
 *   spawn requests      calls of functions (spawn.h)
 *
 * The rest is the user's, and goes to `deliver`; where that knows no such process, the sender gets what a BEAM would
 * answer: noproc for monitors and links, nothing for messages, which are counted.
 *
 * Events and actions, threads: service.h. */
#ifndef DIST_SYSTEM_H
#define DIST_SYSTEM_H

#include "dist/global.h"
#include "dist/service.h"
#include "dist/spawn.h"

/* The pids of the services, from a first number on. */
enum { SYSTEM_NET_KERNEL, SYSTEM_REX, SYSTEM_LEADER, SYSTEM_SERVER, SYSTEM_LOCKER, SYSTEM_REGISTRAR, SYSTEM_PIDS };

struct system_config {
    mesh_bytes self; /* the node's full name: names_full holds */
    uint32_t creation;
    uint64_t first_pid; /* SYSTEM_PIDS numbers from here on are the services' */
    uint32_t ref_word;  /* the third word of all references of the services, and of no other */
    uint64_t seed;      /* random */
    bool overlapping;   /* prevent_overlapping_partitions is false; the same on all nodes */

    const struct service_actions *actions;
    const struct spawn_function *functions; /* what other nodes may call */
    size_t function_count;

    /* The number for the pid of a call: of this node, and new each time. */
    uint64_t (*next_pid)(void *context);

    /* A control message for a process of the user: of any kind but CONTROL_SPAWN and CONTROL_GROUP_LEADER; peer is
     * this node's own name for signals that follow from a clash of names. Views. True if there is such a process (for
     * CONTROL_SEND_ALIAS such an alias), which is then answered for; of DEMONITOR, UNLINK, DOWN, EXIT and the like the
     * result does not matter. UNLINK is acknowledged by the dispatcher, after this. */
    bool (*deliver)(void *context, mesh_bytes peer, const struct control *message);

    /* Whether a process of the user has that number and lives. */
    bool (*alive)(void *context, uint64_t number);

    /* A request to global has ended: global.h. */
    void (*done)(void *context, uint64_t token, bool yes);
    void *context; /* of all of them, and of the actions */
};

struct system_counts {
    uint64_t dropped;   /* messages for nobody */
    uint64_t noproc;    /* monitors and links, likewise */
    uint64_t questions; /* is_auth and features_request */
    uint64_t output;    /* requests to the group leader */
};

struct system {
    struct service service;
    struct system_config config;
    struct spawn_function *functions; /* the caller's and those of the services */
    struct spawn spawn;
    struct global *global; /* for the requests of global.h */
    struct system_counts counts;
};

/* Copies the config and its table of functions; what else they point to outlives the system, which may not be moved
 * afterwards. global_process_gone(sys->global, ...) is to be called for each process of the user that ends. */
void system_init(struct system *sys, const struct system_config *config);
void system_fini(struct system *sys);

/* The connection to a peer is up, before anything that came over it; visible: it takes part in global, too. Down: also
 * when a connect of the services has failed. Up and down alternate, except for such a down. */
void system_peer_up(struct system *sys, mesh_bytes peer, bool visible, uint64_t now_ms);
void system_peer_down(struct system *sys, mesh_bytes peer, uint64_t now_ms);

/* A control message of a peer that is up, as control_read gave it. */
void system_message(struct system *sys, mesh_bytes peer, const struct control *c, uint64_t now_ms);

/* Time has gone on: every 100 ms or so. */
void system_tick(struct system *sys, uint64_t now_ms);

#endif
