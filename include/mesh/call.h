/* Calls: messages to processes by id, and their answers.
 *
 * A request names a process by (capability, module, id); it is started if it is not running. Delivery is at most once.
 * A call ends in exactly one of: the reply, or an error, by its deadline + 100 ms. Messages of one sender to one
 * process arrive in order.
 *
 * Every term that is given is checked first. One that is malformed (MESH_EBADTERM) or over max_message of the node
 * (MESH_ETOOBIG) has no effect, whatever the function; the node logs it at MESH_LOG_DEBUG with the fields function,
 * term, error and offset. mesh_call also says where the fault is; other functions leave that to mesh_term_check. */
#ifndef MESH_CALL_H
#define MESH_CALL_H

#include <mesh/module.h>
#include <mesh/node.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { MESH_DEFAULT_TIMEOUT_MS = 5000 };

/* What to send where. Everything it points to is the caller's and may end after the function that takes it returns.
 * Source: %Mesh.Request{}. Zero what is not used, reserved included. */
typedef struct mesh_request {
    const char *module;     /* a registered module's name */
    mesh_bytes id;          /* 1 to 4096 bytes of any value */
    mesh_term payload;      /* the message; data NULL: nil */
    const char *capability; /* which nodes may run it */
    mesh_term init_arg;     /* for the module's init, if the process is not running; data NULL: nil */
    uint32_t timeout_ms;    /* until MESH_ETIMEOUT; 0: 5,000. Inside a handler the deadline of the message that is
                               handled ends it earlier if that comes first. */
    uint32_t reserved;      /* 0 */
} mesh_request;

/* The outcome of a call. */
typedef struct mesh_result {
    mesh_term value;        /* the reply; after MESH_ECRASHED and MESH_EINIT the reason; else nil */
    mesh_pid pid;           /* the process that answered; after an error its number is 0 */
    void *held;             /* the library's: what keeps value */
    size_t fault_at;        /* after MESH_EBADTERM and MESH_ETOOBIG from mesh_call: the byte of the refused term that is
                               at fault, as mesh_term_check tells it; else 0 */
    bool fault_in_init_arg; /* ... which is init_arg's, and not payload's */
} mesh_result;

/* Calls a process and waits for its answer.
 * From a thread it blocks the thread; from inside a handler or task it suspends that and not its thread.
 * result: set in every case but MESH_EINVAL; value is the caller's to release by mesh_result_release: in a thread
 * always, in a handler or task optionally (what is left is released when it returns; a long loop should release).
 * Errors, each without any effect on a process: MESH_EINVAL (NULL), MESH_EBADNAME, MESH_EBADID, MESH_EBADTERM and
 * MESH_ETOOBIG (payload or init_arg: result says which, and where), MESH_ENOMODULE, MESH_ENOCAPABILITY, MESH_EBUSY,
 * MESH_ESUSPENDED, MESH_ELIMIT, MESH_EBACKOFF, MESH_EINIT, MESH_ESTOPPING, MESH_ECYCLE (the callee is itself suspended
 * in a call that led here), MESH_ENOMEM. Errors after which the message may have been handled: MESH_ETIMEOUT,
 * MESH_ECRASHED, MESH_ENOREPLY. Inside a handler also MESH_ESTOPPING when its own process is to end: return then.
 * Source: Mesh.call/1. */
MESH_API int mesh_call(mesh_node *node, const mesh_request *request, mesh_result *result);

/* Releases a result's value; it is nil then. A second release does nothing. Same thread or handler as the call. */
MESH_API void mesh_result_release(mesh_result *result);

/* Sends a message that nobody waits for; returns at once, with what is known at once (the errors above that do not
 * depend on the process's handlers). A process that then refuses to start is counted and logged. Any thread.
 * Source: Mesh.cast/1. */
MESH_API int mesh_cast(mesh_node *node, const mesh_request *request);

/* Called once when an asynchronous call ends, on a worker thread: it may not block or suspend (mesh_call gives
 * MESH_ECONTEXT). result is valid until it returns. */
typedef void (*mesh_done_fn)(void *context, int error, const mesh_result *result);

/* Calls without waiting. If this returns MESH_OK, done is called exactly once with the outcome; else never.
 * Any thread and inside handlers. Errors at once: MESH_EINVAL, MESH_EBADNAME, MESH_EBADID, MESH_EBADTERM,
 * MESH_ETOOBIG, MESH_ENOMODULE, MESH_ENOCAPABILITY, MESH_ENOMEM, MESH_ESTOPPING. */
MESH_API int mesh_call_async(mesh_node *node, const mesh_request *request, mesh_done_fn done, void *context);

/* ---- Answering ---- */

/* Answers a call: value is copied (value.data NULL: nil). Any thread, also after the handler has returned; the
 * process that owes a reply is not passivated. value.owner is not touched.
 * Errors: MESH_EREPLIED (it was answered or dropped before, or its process has ended), MESH_EBADTERM (the value is not
 * a term; the call is still open), MESH_ETOOBIG, MESH_ENOMEM. When the caller has given up meanwhile: MESH_OK. */
MESH_API int mesh_reply(mesh_from from, mesh_term value);

/* Ends a call without an answer: the caller gets MESH_ENOREPLY at once. Any thread. Errors: MESH_EREPLIED. */
MESH_API int mesh_from_drop(mesh_from from);

/* ---- Completions for programs with an event loop of their own ---- */

/* Completions in order of arrival, with a descriptor that is readable while there are any. */
typedef struct mesh_queue mesh_queue;

typedef struct mesh_completion {
    void *tag;          /* what mesh_call_queued was given */
    int error;          /* MESH_OK or why not */
    mesh_result result; /* release it with mesh_result_release */
} mesh_completion;

/* Makes a queue; it ends before its node. Errors: MESH_EINVAL, MESH_ESYSTEM (no descriptor). */
MESH_API int mesh_queue_create(mesh_node *node, mesh_queue **queue);

/* Ends a queue and closes its descriptor: completions not taken, and those of calls still under way, are discarded.
 * Nobody may be using it. Results that were taken stay their holders'. NULL is allowed. */
MESH_API void mesh_queue_destroy(mesh_queue *queue);

/* The descriptor to poll for reading, level-triggered: readable exactly while there is a completion to take. Only for
 * polling, never read it. -1 for NULL. */
MESH_API int mesh_queue_fd(const mesh_queue *queue);

/* Takes the oldest completion; false when there is none. Its result may be released on any thread. Any thread. */
MESH_API bool mesh_queue_take(mesh_queue *queue, mesh_completion *completion);

/* Like mesh_call_async, with the completion on a queue of the same node (MESH_EINVAL). Any thread and inside handlers.
 * Errors: the same. */
MESH_API int mesh_call_queued(mesh_node *node, const mesh_request *request, mesh_queue *queue, void *tag);

#ifdef __cplusplus
}
#endif

#endif
