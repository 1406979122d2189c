/* accept until there is nothing, but not for ever: others on the loop want their turn. */
#include "dist/acceptor_io.h"

#include <errno.h>
#include <unistd.h>

#include <mesh/error.h>

#include "dist/socket_io.h"

enum { AT_ONCE = 64 };

static void on_readable(uv_poll_t *poll, int status, int events);

static void resume(uv_timer_t *timer)
{
    struct acceptor *a = timer->data;
    uv_poll_start(&a->poll, UV_READABLE, on_readable);
}

static void pause_for(struct acceptor *a, int error)
{
    uv_poll_stop(&a->poll);
    uv_update_time(a->again.loop);
    uv_timer_start(&a->again, resume, ACCEPTOR_PAUSE_MS, 0);
    if (a->fns->paused != NULL)
        a->fns->paused(a->context, error);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct acceptor *a = poll->data;
    (void)events;
    if (status < 0) {
        pause_for(a, -status);
        return;
    }
    for (int i = 0; i < AT_ONCE && !a->closing; i++) {
        int fd = socket_accept(a->fd);
        if (fd >= 0) {
            a->fns->accepted(a->context, fd);
        } else if (fd == -EMFILE || fd == -ENFILE || fd == -ENOBUFS || fd == -ENOMEM) {
            pause_for(a, -fd);
            return;
        } else if (fd == -EAGAIN || fd == -EWOULDBLOCK) {
            return;
        } /* else it is the error of one connection: on to the next */
    }
}

int acceptor_open(struct acceptor *a, uv_loop_t *loop, int fd, const struct acceptor_fns *fns, void *context)
{
    *a = (struct acceptor){.fns = fns, .context = context, .fd = fd};
    if (uv_poll_init(loop, &a->poll, fd) != 0)
        return MESH_ESYSTEM;
    uv_timer_init(loop, &a->again);
    a->poll.data = a->again.data = a;
    a->handles = 2;
    uv_poll_start(&a->poll, UV_READABLE, on_readable);
    return MESH_OK;
}

static void on_closed(uv_handle_t *handle)
{
    struct acceptor *a = handle->data;
    if (--a->handles == 0)
        a->fns->closed(a->context);
}

void acceptor_close(struct acceptor *a)
{
    a->closing = true;
    uv_close((uv_handle_t *)&a->poll, on_closed);
    uv_close((uv_handle_t *)&a->again, on_closed);
    close(a->fd);
}
