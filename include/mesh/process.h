/* What a process can do besides calling: know itself, stop, watch others, set timers, run tasks.
 *
 * Functions that take a mesh_process are for its own handlers, in the thread that runs them; the others may be called
 * from any thread and inside handlers. Pids and references are plain values. */
#ifndef MESH_PROCESS_H
#define MESH_PROCESS_H

#include <mesh/module.h>
#include <mesh/node.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Itself ---- */

/* The node that the process runs on. */
MESH_API mesh_node *mesh_process_node(const mesh_process *self);

/* The process's pid. Source: self/0. */
MESH_API void mesh_self(const mesh_process *self, mesh_pid *pid);

/* The process's id; valid until the handler returns. */
MESH_API mesh_bytes mesh_id(const mesh_process *self);

/* The process's shard in its capability. */
MESH_API uint32_t mesh_shard(const mesh_process *self);

/* The epoch of the hold under which the process runs: never decreasing for its shard, so that a store can refuse what
 * an older copy writes. */
MESH_API uint64_t mesh_epoch(const mesh_process *self);

/* ---- Ending ---- */

/* Ends the process after the running handler, with a reason (data NULL: :normal). Calls and casts that wait in its
 * mailbox start the next process of this id, in order; what was sent to its pid is dropped. In terminate it does
 * nothing. Errors: MESH_EINVAL, MESH_EBADTERM. Source: {:stop, reason, state}. */
MESH_API int mesh_stop(mesh_process *self, mesh_term reason);

/* Gives the reason of a crash; a handler returns its value: return mesh_crash(self, reason). Returns MESH_ECRASHED. */
MESH_API int mesh_crash(mesh_process *self, mesh_term reason);

/* Saves a snapshot to the store after the running handler; the module must have a snapshot function, else MESH_EINVAL.
 */
MESH_API int mesh_checkpoint(mesh_process *self);

/* Sends an exit signal: the process ends with the reason unless it traps exits, in which case it gets the info
 * {:EXIT, from, reason}; the reason :kill cannot be trapped. A handler that is suspended gets MESH_ESTOPPING from the
 * call it waits in. The signal has its place among the messages: what stands before it in the mailbox is handled; of
 * what stands behind it, calls get MESH_ECRASHED with the reason (as callers in OTP do), casts and infos are dropped
 * and counted, monitors and links learn the reason. Unlike after mesh_stop nothing of that goes to the next process of
 * the id: an exit is a failure. Errors: MESH_EINVAL, MESH_EBADTERM, MESH_ENOPROCESS. Source: Process.exit/2. */
MESH_API int mesh_exit(mesh_node *node, const mesh_pid *pid, mesh_term reason);

/* ---- Others ----
 *
 * Processes of other nodes are watched, linked and written to like those of this one. If there is no link to their
 * node, the functions here (and mesh_exit) ask for one, and what they begin waits for it, in order, up to a limit:
 * MESH_EBUSY. When none comes, messages are dropped and counted; monitors and links end with the reason :noconnection,
 * as they do when a link breaks. MESH_OK from mesh_send and mesh_exit says that it is on its way, no more. A node that
 * is not connected to others gives MESH_ENOPROCESS for messages, and :noconnection at once for the rest. */

/* Sends an info: handle_info of the process gets it. Errors: MESH_EINVAL, MESH_EBADTERM, MESH_ETOOBIG,
 * MESH_ENOPROCESS, MESH_EBUSY, MESH_ENOMEM, MESH_ESTOPPING. Source: send/2. */
MESH_API int mesh_send(mesh_node *node, const mesh_pid *pid, mesh_term message);

/* Watches a process: when it ends, self gets the info {:DOWN, ref, :process, pid, reason}, once; at once with the
 * reason :noproc if there is no such process. Errors: MESH_EINVAL, MESH_ENOMEM; of processes of other nodes also
 * MESH_EBUSY, and MESH_ELIMIT (a million monitors and links to and from there). Source: Process.monitor/1. */
MESH_API int mesh_monitor(mesh_process *self, const mesh_pid *pid, mesh_ref *ref);

/* Stops watching; a DOWN that is already in the mailbox is dropped. A ref that is not watched is no error. */
MESH_API int mesh_demonitor(mesh_process *self, const mesh_ref *ref);

/* Links two processes: when one ends with a reason other than :normal, the other gets an exit signal with it.
 * A pid that is no process gives self an exit signal with :noproc. Errors as of mesh_monitor. Source: Process.link/1.
 */
MESH_API int mesh_link(mesh_process *self, const mesh_pid *pid);
MESH_API int mesh_unlink(mesh_process *self, const mesh_pid *pid);

/* Turns exit signals into infos {:EXIT, pid, reason}. Source: Process.flag(:trap_exit, bool). */
MESH_API void mesh_trap_exits(mesh_process *self, bool trap);

/* ---- Time ---- */

/* A timer, passed by value. The fields are the library's. */
typedef struct mesh_timer {
    void *timer;
    uint64_t ticket;
    uint32_t worker;
} mesh_timer;

/* Sends an info to a process after delay_ms (at most 16 ms late while its worker is not blocked).
 * timer: may be NULL. Errors: MESH_EINVAL, MESH_EBADTERM, MESH_ETOOBIG, MESH_ENOMEM, MESH_ESTOPPING.
 * Source: Process.send_after/3. */
MESH_API int mesh_send_after(mesh_node *node, uint32_t delay_ms, const mesh_pid *pid, mesh_term message,
                             mesh_timer *timer);

/* Cancels a timer: MESH_OK if it will not fire, MESH_ENOPROCESS if it has fired or was cancelled before. */
MESH_API int mesh_cancel_timer(mesh_node *node, mesh_timer timer);

/* ---- Tasks ---- */

/* A lightweight thread of the node: a function on a stack of its own that may suspend like a handler. */
typedef struct mesh_task mesh_task;
typedef int (*mesh_task_fn)(mesh_node *node, void *arg);

/* Starts a task. task: NULL if nobody will await it; else exactly one mesh_await must end it.
 * Errors: MESH_EINVAL, MESH_ENOMEM, MESH_ESUSPENDED, MESH_ESTOPPING. */
MESH_API int mesh_spawn(mesh_node *node, mesh_task_fn fn, void *arg, mesh_task **task);

/* Waits for a task to return and frees it; value (may be NULL) gets what fn returned. Blocks a thread, suspends a
 * handler or task. timeout_ms: 0 waits without end. Errors: MESH_EINVAL; MESH_ETIMEOUT, and MESH_ESTOPPING inside a
 * handler that is to end: the task goes on and must still be awaited. MESH_ESTOPPING comes once: the handler that
 * awaits again waits until the task returns. Also MESH_ESUSPENDED and MESH_ECONTEXT as mesh_call. */
MESH_API int mesh_await(mesh_task *task, uint32_t timeout_ms, int *value);

/* Runs fn(arg), which may block in the system, on a thread outside the workers, and waits for it: the handler is
 * suspended meanwhile, its process handles nothing else, and nobody else is delayed. fn may not call functions of a
 * mesh_process. In a plain thread it runs fn directly. Errors: MESH_EINVAL, MESH_ESYSTEM (no thread left). */
MESH_API int mesh_blocking(mesh_node *node, void (*fn)(void *arg), void *arg);

#ifdef __cplusplus
}
#endif

#endif
