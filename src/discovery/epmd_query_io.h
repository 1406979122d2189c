/* One question to one epmd, over one TCP connection: resolve the host, connect (to each of its addresses until one
 * answers), ask, read until epmd closes. Bounded in time and in bytes. One thread: the loop's. */
#ifndef DISCOVERY_EPMD_QUERY_IO_H
#define DISCOVERY_EPMD_QUERY_IO_H

#include <uv.h>

#include <mesh/bytes.h>

/* A question that takes longer is given up; the whole of it, however many addresses the host has. */
#define EPMD_QUERY_MS 3000u

struct epmd_query;

struct epmd_query_fns {
    /* The outcome, once, from inside uv_run: error is 0 and reply what epmd sent until it closed (valid during the
     * call), or error is libuv's. Not called after epmd_query_cancel. */
    void (*answered)(void *context, int error, mesh_bytes reply);

    /* The query has closed its handles and freed itself. Always called, last. */
    void (*closed)(void *context);
};

/* Asks for the names at host (a name or an address) and port. fns is constant. Neither fails nor calls back before it
 * returns: what cannot be done at once is answered with an error from the loop. */
struct epmd_query *epmd_query_start(uv_loop_t *loop, const char *host, uint16_t port, const struct epmd_query_fns *fns,
                                    void *context);

/* Gives the question up; its connection is closed when this returns. Not after `answered`. */
void epmd_query_cancel(struct epmd_query *q);

#endif
