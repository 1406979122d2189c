/* Every error that a public function can return, from one list.
 *
 * Functions return MESH_OK (0) or one of these positive numbers; results go through out-parameters, which change
 * only on success. The numbers are part of the ABI: new errors are added at the end. */
#ifndef MESH_ERROR_H
#define MESH_ERROR_H

#include <mesh/export.h>

#define MESH_ERRORS(X)                                                                                                 \
    X(EINVAL, "invalid argument")                                                                                      \
    X(ENOMEM, "memory was refused for a size that came from outside")                                                  \
    X(EBADTERM, "malformed term")                                                                                      \
    X(ETOOBIG, "term or size over its limit")                                                                          \
    X(ENOMATCH, "the term does not match the pattern")                                                                 \
    X(EBADNAME, "a name must be 1 to 255 characters of UTF-8 (modules: 248)")                                          \
    X(EBADID, "an id must be 1 to 4096 bytes")                                                                         \
    X(ENOMODULE, "no module of this name is registered")                                                               \
    X(ENOCAPABILITY, "no node has this capability")                                                                    \
    X(EEXISTS, "already registered with another definition")                                                           \
    X(EINIT, "the module's init refused to start the process")                                                         \
    X(ECRASHED, "the process crashed, or an exit signal ended it, while the call waited")                              \
    X(ENOREPLY, "the call was dropped without a reply")                                                                \
    X(EREPLIED, "this call has already been answered")                                                                 \
    X(ETIMEOUT, "no answer before the deadline; the outcome is unknown")                                               \
    X(ECYCLE, "the call would wait for itself")                                                                        \
    X(EBUSY, "the mailbox is full")                                                                                    \
    X(ESUSPENDED, "too many handlers are suspended")                                                                   \
    X(ELIMIT, "the limit of live processes is reached")                                                                \
    X(EBACKOFF, "this id keeps crashing and may not start yet")                                                        \
    X(ESTOPPING, "the process or the node is stopping")                                                                \
    X(ESTOPPED, "the node has stopped")                                                                                \
    X(ENOPROCESS, "no such process")                                                                                   \
    X(ECONTEXT, "not allowed here: the function belongs inside a handler, or outside of one")                          \
    X(EMOVED, "the shard is not held by this node")                                                                    \
    X(ESTUCK, "handlers are still running; the node is not stopped yet")                                               \
    X(ESYSTEM, "the operating system refused")                                                                         \
    X(ENOQUORUM, "too few nodes are linked for this node to decide")                                                   \
    X(EPLUGIN, "the shared object has no modules for this program")                                                    \
    X(ELOST, "the link to the node of the process broke; the outcome is unknown")

enum mesh_error {
    MESH_OK = 0,
#define MESH_ERROR_ENUM(name, text) MESH_##name,
    MESH_ERRORS(MESH_ERROR_ENUM)
#undef MESH_ERROR_ENUM
};

/* Why something failed, as a sentence without a full stop; "" when it did not. */
typedef struct mesh_reason {
    char text[512];
} mesh_reason;

#ifdef __cplusplus
extern "C" {
#endif

/* The text of an error, a sentence without a full stop; "ok" for 0 and "unknown error" for a number not in the list.
 * Any thread; the string is a constant. */
MESH_API const char *mesh_strerror(int error);

/* The name of an error as it is written in C, such as "MESH_EBUSY"; "MESH_OK" for 0 and "MESH_EUNKNOWN" for a number
 * not in the list. Any thread; the string is a constant. */
MESH_API const char *mesh_error_name(int error);

#ifdef __cplusplus
}
#endif

#endif
