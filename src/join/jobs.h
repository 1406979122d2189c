/* Functions that take time: each runs in a task of the node, or, if it blocks, on a helper thread. */
#ifndef JOIN_JOBS_H
#define JOIN_JOBS_H

#include <stdatomic.h>

#include "join/functions.h"
#include "node/node.h"

enum { FUNCTIONS_COUNT = 11 };

struct functions {
    struct mesh_node *node;
    void (*answer)(void *context, uint64_t token, enum spawn_outcome outcome, mesh_term result);
    void *context;
    _Atomic uint32_t jobs; /* under way; of whoever starts and ends one */
    struct spawn_function table[FUNCTIONS_COUNT];
};

/* As the run of a struct spawn_function, whose context is the struct functions. */
enum spawn_outcome job_call(void *context, const struct spawn_call *call, mesh_buf *result);
enum spawn_outcome job_cast(void *context, const struct spawn_call *call, mesh_buf *result);
enum spawn_outcome job_ring(void *context, const struct spawn_call *call, mesh_buf *result);
enum spawn_outcome job_leave(void *context, const struct spawn_call *call, mesh_buf *result);
enum spawn_outcome job_waits(void *context, const struct spawn_call *call, mesh_buf *result);
enum spawn_outcome job_drain(void *context, const struct spawn_call *call, mesh_buf *result);

/* ---- outcomes; each replaces the content of result ---- */

/* The outcome of a function whose reply was built with this error: where memory is refused, system_limit. */
enum spawn_outcome outcome_of(int built, mesh_buf *result);
enum spawn_outcome outcome_badarg(mesh_buf *result);

/* {:error, %{error, text, reason}}. text NULL: the error's own; reason empty: nil. */
enum spawn_outcome outcome_failed(int error, const char *text, mesh_term reason, mesh_buf *result);

#endif
