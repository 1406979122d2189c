/* The epmd of epmd_server.h on sockets: one listening socket and its connections on a loop of the caller's.
 *
 *   const struct epmd_io_options options = {.port = EPMD_PORT, .logger = &logger};
 *   int error = epmd_io_start(loop, &options, &io);
 *   ...
 *   epmd_io_stop(io, stopped, context);
 *
 * One thread: that of the loop. Registrations are logged at MESH_LOG_INFO, requests that were refused at
 * MESH_LOG_WARN, a few a second at most. */
#ifndef DIST_EPMD_SERVER_IO_H
#define DIST_EPMD_SERVER_IO_H

#include <uv.h>

#include "base/log.h"
#include "dist/epmd_server.h"

struct epmd_io;

struct epmd_io_options {
    const char *address;   /* IPv4 or IPv6; NULL: all of this machine's, of both kinds where it has IPv6 */
    uint16_t port;         /* 0: one that is free */
    struct logger *logger; /* outlives the server */

    /* A program on this machine has asked the server to end (`epmd -kill`); it goes on until epmd_io_stop. May be
     * NULL. */
    void (*killed)(void *context);
    void *context;
};

/* Listens. *out is set on success and ended by epmd_io_stop; options need not live on. Returns 0 or libuv's error:
 * UV_EINVAL for an address that is none, UV_EADDRINUSE when another epmd runs there. After an error nothing is left but
 * a handle that closes in the loop's next turn. */
int epmd_io_start(uv_loop_t *loop, const struct epmd_io_options *options, struct epmd_io **out);

/* The port it listens on. */
uint16_t epmd_io_port(const struct epmd_io *io);

/* Closes all connections, and with them all registrations, and the socket. The memory goes when the loop has closed the
 * handles, in its next turn; then stopped(context) is called, last. stopped may be NULL. */
void epmd_io_stop(struct epmd_io *io, void (*stopped)(void *context), void *context);

#endif
