/* Keeps a node registered at the epmd of its machine: a connection that lasts as long as the node, made again, after a
 * pause that grows, whenever it ends. Where none runs it starts one in this process (epmd_server_io.h), where `erl`
 * starts one beside it; when that node goes, another one notices and takes the place. One thread: the loop's. */
#ifndef DIST_EPMD_REGISTER_IO_H
#define DIST_EPMD_REGISTER_IO_H

#include <uv.h>

#include "base/log.h"
#include "dist/epmd.h"

#define EPMD_AGAIN_MIN_MS 50u
#define EPMD_AGAIN_MAX_MS 5000u

struct epmd_registration;

struct epmd_register_options {
    mesh_bytes alive; /* the part of the name before the @: names_alive holds */
    uint16_t port;    /* where the node listens */
    bool hidden;
    uint16_t epmd_port;
    bool serve;            /* start an epmd if none runs */
    const char *addresses; /* where that listens: epmd_io_options */
    struct logger *logger; /* of that; outlives the registration */
};

struct epmd_register_fns {
    /* The node is registered, for the first time or again. */
    void (*registered)(void *context, uint32_t creation);

    /* It has never been registered, and that is given up: error is the negative errno, -EEXIST when epmd has another
     * node of this name. epmd_register_stop has still to be called. */
    void (*failed)(void *context, int error);

    /* A registration has been lost, or could not be made again; it is tried again. error as above. */
    void (*lost)(void *context, int error);

    /* All handles have closed, and the memory is free. */
    void (*closed)(void *context);
};

/* Starts; the options are copied, fns is constant. Neither fails nor calls back before it returns. */
struct epmd_registration *epmd_register_start(uv_loop_t *loop, const struct epmd_register_options *options,
                                              const struct epmd_register_fns *fns, void *context);

/* Ends the registration, and the epmd that was started for it. Once. */
void epmd_register_stop(struct epmd_registration *r);

#endif
