/* A listening socket on a libuv loop. When descriptors run out it leaves connections where they are, in the kernel's
 * backlog, and tries again a little later, instead of being told of them without end. One thread: the loop's. */
#ifndef DIST_ACCEPTOR_IO_H
#define DIST_ACCEPTOR_IO_H

#include <stdbool.h>
#include <uv.h>

#define ACCEPTOR_PAUSE_MS 100u

struct acceptor_fns {
    /* A connection, which is the callee's to close. */
    void (*accepted)(void *context, int fd);

    /* Descriptors or memory have run out: it pauses. May be NULL. */
    void (*paused)(void *context, int error);

    /* All handles have closed. */
    void (*closed)(void *context);
};

struct acceptor {
    const struct acceptor_fns *fns;
    void *context;
    uv_poll_t poll;
    uv_timer_t again;
    int fd;
    unsigned handles;
    bool closing;
};

/* Starts on fd, a non-blocking socket that listens, which belongs to the acceptor from here on. MESH_ESYSTEM: the loop
 * does not take it; fd is then still the caller's, and closed is not called. */
int acceptor_open(struct acceptor *a, uv_loop_t *loop, int fd, const struct acceptor_fns *fns, void *context);

/* Closes the socket at once; the handles have closed when `closed` is called. Once. */
void acceptor_close(struct acceptor *a);

#endif
