/* A TCP connection to a host by name or address, on a libuv loop: resolves it, and tries each of its addresses until
 * one answers. Not bounded in time: whoever has started it has a deadline of his own. One thread: the loop's. */
#ifndef DIST_CONNECT_IO_H
#define DIST_CONNECT_IO_H

#include <uv.h>

#include "dist/socket_io.h"

struct connecting;

struct connect_fns {
    /* The outcome, once, from inside uv_run: fd is connected, and the callee's to close; or the negative errno, or
     * libuv's error when the host is not known. address is whom it is connected to, valid during the call. Not called
     * after connect_cancel. */
    void (*connected)(void *context, int fd, const union socket_address *address);

    /* All handles have closed, and the memory is free. Always called, last. */
    void (*closed)(void *context);
};

/* Starts; fns is constant. Neither fails nor calls back before it returns. */
struct connecting *connect_start(uv_loop_t *loop, const char *host, uint16_t port, const struct connect_fns *fns,
                                 void *context);

/* The same for one address, whose port is set. */
struct connecting *connect_start_to(uv_loop_t *loop, const union socket_address *address, const struct connect_fns *fns,
                                    void *context);

/* Gives it up. Not after `connected`. */
void connect_cancel(struct connecting *c);

#endif
