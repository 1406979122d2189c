/* An epmd on a libuv loop: the sockets around epmd_server.h. One thread: the loop's. */
#ifndef DIST_EPMD_SERVE_IO_H
#define DIST_EPMD_SERVE_IO_H

#include <uv.h>

#include "dist/epmd_server.h"

#define EPMD_ADDRESSES_MAX 8 /* that one epmd listens on */

struct epmd_serve;

/* Listens on port: on all addresses of the machine, or, as ERL_EPMD_ADDRESS means it, on the addresses in a text like
 * "10.0.0.1,fd00::1" and on loopback. NULL or empty: all. first_creation: see epmd_server_init.
 * 0 and *out; else the negative errno (-EADDRINUSE: another epmd was quicker), -EINVAL for a text that has no addresses
 * or too many: nothing is open then. closed is called once, last, when all handles have closed: after epmd_serve_stop,
 * or after somebody on this machine has asked the epmd to end. */
int epmd_serve_start(uv_loop_t *loop, const char *addresses, uint16_t port, uint32_t first_creation,
                     void (*closed)(void *context), void *context, struct epmd_serve **out);

/* Closes the listeners and all connections. Not after `closed`. */
void epmd_serve_stop(struct epmd_serve *serve);

#endif
