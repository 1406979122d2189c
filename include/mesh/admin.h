/* What the `mesh` program needs beside mesh.h: functions for those who run nodes rather than write them. */
#ifndef MESH_ADMIN_H
#define MESH_ADMIN_H

#include <stddef.h>
#include <stdint.h>

#include <mesh/error.h>
#include <mesh/export.h>
#include <mesh/log.h>
#include <mesh/node.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How an epmd is run. Set size to sizeof(mesh_epmd_options); a field left 0 or NULL takes the default beside it. */
typedef struct mesh_epmd_options {
    size_t size;
    const char *address;      /* of IPv4 or IPv6 to listen on, or several with commas between, and in any case
                                 127.0.0.1, where nodes register; default: all of this machine's */
    uint16_t port;            /* default 4369 */
    mesh_log_fn log;          /* receives the log; default: a line to stderr */
    void *log_context;        /* given to log */
    mesh_log_level log_level; /* default MESH_LOG_INFO */
} mesh_epmd_options;

/* Runs an Erlang port mapper, which tells on which port each node of this machine listens, in the calling thread, until
 * the program gets SIGTERM or SIGINT (handlers are installed for so long) or is asked to end by `epmd -kill`. Names can
 * be registered from this machine only, and be asked for from anywhere.
 * options: NULL for the defaults. reason: may be NULL; set after MESH_ESYSTEM.
 * Errors: MESH_EINVAL (a size that is not that of any version, an address that is none), MESH_ESYSTEM (it cannot listen
 * there: most likely another epmd does).
 * Source: erl_dist_protocol(3), "EPMD Protocol". */
MESH_API int mesh_epmd_run(const mesh_epmd_options *options, mesh_reason *reason);

/* The nodes that run on a machine, as its epmd knows them: what stands before the @ of their names. Those that are no
 * names of nodes are left out. Waits for some seconds at most.
 * host: a name or an address; NULL: this machine. port: 0: that of ERL_EPMD_PORT, else 4369.
 * names: the caller frees them with mesh_names_free. reason: may be NULL; set after MESH_ESYSTEM and MESH_EINVAL.
 * Errors: MESH_EINVAL (ERL_EPMD_PORT is no port), MESH_ESYSTEM (no epmd answers there as one does).
 * Source: net_adm:names/1. */
MESH_API int mesh_epmd_names(const char *host, uint16_t port, mesh_names **names, mesh_reason *reason);

#ifdef __cplusplus
}
#endif

#endif
