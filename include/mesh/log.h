/* What a node has to say: log lines with named fields, given to one function of the program.
 *
 * A node writes one line a message to standard error unless it is given a function of its own (mesh_log_fn). Messages
 * are constant texts; what varies is in the fields, so that lines can be counted and searched. */
#ifndef MESH_LOG_H
#define MESH_LOG_H

#include <stddef.h>
#include <stdint.h>

#include <mesh/bytes.h>

/* How much a message matters. A logger passes on those up to its own level. */
typedef enum mesh_log_level {
    MESH_LOG_ERROR = 1, /* something failed that somebody has to see to */
    MESH_LOG_WARN,      /* something failed that the node could cope with */
    MESH_LOG_INFO,      /* what an operator wants to know of a healthy node */
    MESH_LOG_DEBUG,     /* what helps to find a fault */
} mesh_log_level;

typedef enum mesh_log_kind {
    MESH_LOG_NAME,   /* a name: printed bare where it can be */
    MESH_LOG_BYTES,  /* any bytes, also a peer's: printed in quotes */
    MESH_LOG_NUMBER, /* an integer */
} mesh_log_kind;

/* One field of a message. The key names its unit, if it has one ("timeout_ms"). */
typedef struct mesh_log_field {
    const char *key;
    mesh_log_kind kind;
    mesh_bytes bytes; /* of a name and of bytes; counted, not checked: they may hold anything */
    int64_t number;
} mesh_log_field;

/* One message. All of it lives as long as the call that it is given to. */
typedef struct mesh_log_event {
    mesh_log_level level;
    uint64_t wall_ms;    /* when: since 1970, UTC */
    const char *message; /* a constant text */
    const mesh_log_field *fields;
    size_t count;
} mesh_log_event;

/* The program's own log function, with the context given with it. Called on any thread, also by several at once, with
 * no lock held. It may not block for long (a worker may be waiting for it), nor call the node. */
typedef void (*mesh_log_fn)(void *context, const mesh_log_event *event);

#endif
