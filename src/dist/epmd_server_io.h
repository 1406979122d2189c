/* The epmd of epmd_server.h on sockets: its listeners and connections on a loop of the caller's, be that of a node
 * (epmd_register_io.h) or of a program that does nothing else (mesh/admin.h).
 *
 *   const struct epmd_io_options options = {.port = EPMD_PORT, .logger = &logger};
 *   int error = epmd_io_start(loop, &options, &io);
 *   ...
 *   epmd_io_stop(io, stopped, context);
 *
 * One thread: that of the loop. Its start, its end and registrations are logged at MESH_LOG_INFO, requests that were
 * refused at MESH_LOG_WARN, a few a second at most. */
#ifndef DIST_EPMD_SERVER_IO_H
#define DIST_EPMD_SERVER_IO_H

#include <uv.h>

#include "base/log.h"
#include "dist/epmd_server.h"

#define EPMD_ADDRESSES_MAX 8 /* that one epmd listens on */

struct epmd_io;

struct epmd_io_options {
    /* Where it listens, as ERL_EPMD_ADDRESS means it: at addresses of IPv4 and IPv6 in a text like "10.0.0.1,fd00::1",
     * and at 127.0.0.1 in any case, where the nodes of this machine register. NULL, or a text that names nothing: at
     * all addresses of the machine. */
    const char *addresses;
    uint16_t port;         /* 0: one that is free */
    struct logger *logger; /* outlives the server */

    /* A program on this machine has asked the server to end (`epmd -kill`); it goes on until epmd_io_stop, which this
     * may call. May be NULL. */
    void (*killed)(void *context);
    void *context;
};

/* Listens. *out is set on success and ended by epmd_io_stop; options need not live on. Returns 0 or libuv's error:
 * UV_EINVAL for a text with what is no address or with too many, UV_EADDRINUSE when another epmd runs there, or what
 * else keeps it from listening at one of them: nothing is open then. */
int epmd_io_start(uv_loop_t *loop, const struct epmd_io_options *options, struct epmd_io **out);

/* The port it listens on. */
uint16_t epmd_io_port(const struct epmd_io *io);

/* Closes all connections, and with them all registrations, and the listeners, at once. The memory goes when the loop
 * has closed the handles, in its next turn; then stopped(context) is called, last. stopped may be NULL. Once. */
void epmd_io_stop(struct epmd_io *io, void (*stopped)(void *context), void *context);

#endif
