/* The arguments of functions that other nodes call, as they come: a list of terms that were checked to be terms, and
 * nothing else. Names and ids may be binaries (Elixir's strings) or atoms. Pure; results change only on success. */
#ifndef JOIN_ARGUMENTS_H
#define JOIN_ARGUMENTS_H

#include <mesh/call.h>

#define ARGUMENTS_TIMEOUT_MAX_MS 3600000u

/* A name as a C string. */
struct name_argument {
    char text[MESH_NAME_SIZE];
};

/* [Name]: 1 to 255 bytes without NUL. */
bool arguments_name(mesh_term args, struct name_argument *name);

/* [Name, Node]: likewise, and a node's name. */
bool arguments_name_node(mesh_term args, struct name_argument *name, struct name_argument *node);

/* [TimeoutMs]: 1 to ARGUMENTS_TIMEOUT_MAX_MS. */
bool arguments_timeout(mesh_term args, uint32_t *timeout_ms);

/* [Capability, Module, Id, Payload, InitArg], and TimeoutMs behind them when `timed` says so. The terms and the id are
 * views of args. */
struct request_arguments {
    struct name_argument capability, module;
    mesh_bytes id;
    mesh_term payload, init_arg;
    uint32_t timeout_ms; /* 0: not given */
};
bool arguments_request(mesh_term args, bool timed, struct request_arguments *out);

#endif
