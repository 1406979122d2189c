/* Completions of asynchronous calls on a descriptor: what mesh/call.h declares under the same names.
 *
 * A queue is counted: by its user and by every call under way, so that it may be destroyed at any time. */
#ifndef RUNTIME_QUEUE_H
#define RUNTIME_QUEUE_H

#include <stdbool.h>

#include <mesh/call.h>

struct runtime;

/* MESH_ESYSTEM: no descriptor. */
int queue_create(struct runtime *rt, struct mesh_queue **queue);

/* Discards what was not taken, and what will still come; closes the descriptor. */
void queue_destroy(struct mesh_queue *queue);

int queue_fd(const struct mesh_queue *queue);

/* The oldest completion, whose result is the caller's to release; false: there is none. Any thread. */
bool queue_take(struct mesh_queue *queue, mesh_completion *completion);

/* Calls with the completion on the queue. MESH_EINVAL: a queue of another node. Else the errors of call_async. A reply
 * of more than 64 bytes for which there is no memory completes with MESH_ENOMEM. */
int queue_call(struct runtime *rt, const mesh_request *request, struct mesh_queue *queue, void *tag);

#endif
