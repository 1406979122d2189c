/* One question to one epmd, over one TCP connection: connect, ask, read until epmd closes. Bounded in time and in
 * bytes. One thread: the loop's. */
#ifndef DIST_EPMD_QUERY_IO_H
#define DIST_EPMD_QUERY_IO_H

#include <uv.h>

#include "dist/epmd.h"
#include "dist/socket_io.h"

/* A question that takes longer is given up; the whole of it, however many addresses the host has. */
#define EPMD_QUERY_MS 3000u

struct epmd_query;

struct epmd_query_fns {
    /* The outcome, once, from inside uv_run: error is 0 and reply what epmd sent until it closed (valid during the
     * call, like the address it was reached at), or error is the negative errno or libuv's. Not called after
     * epmd_query_cancel. */
    void (*answered)(void *context, int error, mesh_bytes reply, const union socket_address *address);

    /* The query has closed its handles and freed itself. Always called, last. */
    void (*closed)(void *context);
};

/* Asks the epmd at host (a name or an address) and port for the port of a node, alive, or, if that is empty, for all
 * names. fns is constant. Neither fails nor calls back before it returns: what cannot be done at once is answered with
 * an error from the loop. names_alive holds for alive, or it is empty. */
struct epmd_query *epmd_query_start(uv_loop_t *loop, const char *host, uint16_t port, mesh_bytes alive,
                                    const struct epmd_query_fns *fns, void *context);

/* Gives the question up; its connection is closed when this returns. Not after `answered`. */
void epmd_query_cancel(struct epmd_query *q);

#endif
