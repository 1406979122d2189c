/* A module: the code of a process, as a table of functions.
 *
 * Handlers of one process never overlap; handlers of different processes run in parallel, on any worker thread. A
 * handler may call mesh_call and the other functions that suspend: it then continues, with its stack, when the answer
 * is there. Between such calls it keeps its thread. Across one it must not
 * - hold a mutex (whoever runs meanwhile may want it: use the process itself to serialise), or
 * - keep a pointer to a thread-local variable (errno is saved; the thread may be another one afterwards).
 * A handler that computes for over 5 ms delays nobody (its worker goes on with another thread), but uses a core; one
 * that blocks in the system belongs in mesh_blocking. */
#ifndef MESH_MODULE_H
#define MESH_MODULE_H

#include <stddef.h>
#include <stdint.h>

#include <mesh/bytes.h>
#include <mesh/term.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The process that a handler runs for; valid until that handler returns. */
typedef struct mesh_process mesh_process;

/* The right and duty to answer one call: an owned handle, passed by value. Exactly one mesh_reply or mesh_from_drop
 * ends it; see mesh/call.h. Copies are the same handle. */
typedef struct mesh_from {
    void *call;
    uint64_t ticket;
} mesh_from;

/* Set size to sizeof(mesh_module). Only name is needed; a missing handle_call drops the call (MESH_ENOREPLY), a
 * missing handle_cast or handle_info ignores the message.
 *
 * state points to state_size bytes, zeroed before init, aligned for any type of that size, the process's own until
 * terminate. Terms given to a handler are valid until it returns, also while it is suspended; mesh_term_keep copies
 * what must live longer. A handler returns MESH_OK; any other value (mesh_crash helps to give a reason) is a crash: the
 * process ends, its callers get MESH_ECRASHED, the next call starts a fresh one. No other process notices. */
typedef struct mesh_module {
    size_t size;
    const char *name;  /* 1 to 248 characters of UTF-8: "Counter", or "MyApp.Counter" to answer for that module in
                          Elixir */
    size_t state_size; /* bytes */

    /* The process starts: on the first message to its id, before that message. init_arg is the request's, nil when it
     * has none. Anything but MESH_OK refuses: the caller gets MESH_EINIT, and there is no process. */
    int (*init)(mesh_process *self, void *state, mesh_term init_arg);

    /* A call: answer with mesh_reply(from, term) now or later, from anywhere. */
    int (*handle_call)(mesh_process *self, void *state, mesh_from from, mesh_term message);

    /* A cast: nobody waits. */
    int (*handle_cast)(mesh_process *self, void *state, mesh_term message);

    /* Everything else: mesh_send, timers, {:DOWN, ref, :process, pid, reason}, {:EXIT, pid, reason}. */
    int (*handle_info)(mesh_process *self, void *state, mesh_term message);

    /* The process ends, for any reason but a failed init: :normal, :shutdown, :passivate, or the reason of the crash
     * or exit signal. The last chance to release what state holds. */
    void (*terminate)(mesh_process *self, void *state, mesh_term reason);

    /* Writes what must outlive a passivation or a move to another node as a term (mesh_build into out). Called
     * between handlers; may not suspend. NULL: the process has nothing to keep. */
    int (*snapshot)(mesh_process *self, const void *state, mesh_buf *out);

    /* Takes a snapshot back: called instead of init when there is one. Anything but MESH_OK refuses like init. */
    int (*restore)(mesh_process *self, void *state, mesh_term snapshot);

    /* Another node had a process of this id too, while the nodes were cut from each other (docs/wire.md, rule 6): this
     * is its snapshot, which came after this process had started. Takes over what ought not to be lost; the snapshot is
     * dropped afterwards. A crash as in handlers. NULL: it is dropped, logged and counted. */
    int (*conflict)(mesh_process *self, void *state, mesh_term snapshot);

    uint32_t idle_timeout_ms; /* passivates after so long without a message; 0: the node's; MESH_NEVER: never */
    uint32_t max_mailbox;     /* 0: the node's */
} mesh_module;

/* Where snapshots are kept. The functions run inside the process that starts or ends, on any worker; one that
 * blocks uses mesh_blocking. A newer epoch wins: a store refuses to overwrite a snapshot of a higher epoch. */
typedef struct mesh_store_key {
    const char *capability;
    const char *module;
    mesh_bytes id;
} mesh_store_key;

typedef struct mesh_store {
    size_t size;   /* sizeof(mesh_store) */
    void *context; /* given to each function */
    /* Keeps a snapshot, replacing the older one. Anything but MESH_OK is logged and counted; the process ends anyway.
     */
    int (*save)(void *context, const mesh_store_key *key, uint64_t epoch, mesh_term snapshot);
    /* Writes the snapshot of key into out: MESH_OK, or MESH_ENOPROCESS when there is none. Another error refuses the
     * start of the process with MESH_EINIT. */
    int (*load)(void *context, const mesh_store_key *key, mesh_buf *out);
    /* A process has started from the snapshot: it may be forgotten. A durable store may keep it. */
    void (*restored)(void *context, const mesh_store_key *key);
} mesh_store;

#ifdef __cplusplus
}
#endif

#endif
