/* Functions that other nodes may call. A BEAM calls a function of another node (rpc, erpc) by starting a process there:
 *
 *   peer    29 {ReqId, From, Leader, {erpc, execute_call, 4}, [monitor]}   [Res, M, F, Args]
 *   here    31 {ReqId, From, Flags, Pid}                                   always first, and at once
 *           28 {Pid, From, ReqId}                                          {Res, return, Value}: the reason it ended
 *
 * with {Res, throw | exit, Term}, {Res, error, Reason, Stack} and {Res, error, {erpc, Reason}} for what went wrong. A
 * cast is {erpc, execute_cast, 3} without a monitor. The older way is a request to the process rex, {call, M, F, Args,
 * Leader} or {block_call, ...}, whose reply is the value itself or {badrpc, {'EXIT', Reason}}. Any other function may
 * be spawned as well (Node.spawn): its process runs the function, and ends with the reason normal, or with the error.
 *
 * What can be called is what the table names, nothing else: the rest is undef, in the words of a BEAM. There are no
 * processes behind the pids, only calls; one whose function answers later is kept until then, until the caller gives it
 * up (its monitor is withdrawn) or its node is gone.
 *
 * A part of struct system (system.h), which feeds it. Threads and actions: service.h. */
#ifndef DIST_SPAWN_H
#define DIST_SPAWN_H

#include "dist/service.h"

#define SPAWN_PER_PEER_MAX 4096 /* calls of one peer that are answered later: more are system_limit */

enum spawn_outcome {
    SPAWN_RETURN, /* result: the value */
    SPAWN_THROW,  /* result: the term */
    SPAWN_EXIT,   /* result: the reason */
    SPAWN_ERROR,  /* result: the reason; the stack is the function itself */
    SPAWN_UNDEF,  /* no result: there is no such function, after all */
    SPAWN_LATER,  /* no result: spawn_answer brings it */
};

/* A call, as a function sees it: views that end when it returns. */
struct spawn_call {
    mesh_bytes peer;
    mesh_bytes module; /* names of atoms */
    mesh_bytes function;
    mesh_term args; /* a proper list; small integers may stand in it as an old-style string */
    uint32_t arity;
    uint64_t token; /* for spawn_answer; never 0 */
};

struct spawn_function {
    const char *module;
    const char *function;
    uint32_t arity;
    /* Puts its result, one term, into the empty buffer. May not call back into the services. */
    enum spawn_outcome (*run)(void *context, const struct spawn_call *call, mesh_buf *result);
    void *context;
};

struct spawn_job;  /* a call that is answered later: spawn.c */
struct spawn_peer; /* a peer that waits for some */

struct spawn {
    const struct service *service;
    const struct spawn_function *functions;
    size_t count;
    uint64_t (*next_pid)(void *context); /* the number of a pid of this node that none had before */
    void *context;
    struct spawn_peer *peers; /* a list */
    struct spawn_job **jobs;  /* by the lower half of their token; unused ones are NULL */
    uint32_t cap;
    uint32_t free;                      /* where to look first for an unused one */
    uint32_t last;                      /* the upper half of the last token */
    uint64_t calls, undefined, refused; /* counters: all; undef; badopt, badarg or system_limit */
};

/* The table, and what else is pointed to, is the caller's and outlives spawn. */
void spawn_init(struct spawn *spawn, const struct service *service, const struct spawn_function *functions,
                size_t count, uint64_t (*next_pid)(void *context), void *context);
void spawn_fini(struct spawn *spawn);

/* A CONTROL_SPAWN of the peer. */
void spawn_request(struct spawn *spawn, mesh_bytes peer, const struct control *request);

/* The request is {call | block_call, M, F, Args, _} to rex, whose pid is `rex`: true, and it is answered or will be.
 * False: it is something else. */
bool spawn_rex_call(struct spawn *spawn, mesh_bytes peer, uint64_t rex, const struct service_call *call);

/* Likewise for what comes without a gen_call: {cast, M, F, Args, _}, and {From, {call, M, F, Args, _}} of nodes that
 * are not BEAMs, which is answered with {rex, Reply}. */
bool spawn_rex_cast(struct spawn *spawn, mesh_bytes peer, mesh_term request);
bool spawn_rex_info(struct spawn *spawn, mesh_bytes peer, uint64_t rex, mesh_term message);

/* The outcome of a call that was SPAWN_LATER, and its result (empty for SPAWN_UNDEF; not SPAWN_LATER). False: nobody
 * waits for it any more, or it has been answered. */
bool spawn_answer(struct spawn *spawn, uint64_t token, enum spawn_outcome outcome, mesh_term result);

/* The peer's monitor with that reference, of a pid with that number, is withdrawn: true if it was that of a call, which
 * is dropped then. */
bool spawn_abandon(struct spawn *spawn, mesh_bytes peer, uint64_t pid, mesh_term ref);

/* The peer is gone, and with it all that it waits for. */
void spawn_peer_down(struct spawn *spawn, mesh_bytes peer);

#endif
