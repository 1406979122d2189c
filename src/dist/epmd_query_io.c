/* `handles` counts what libuv still has of it; when that is nothing, it frees itself. */
#include "dist/epmd_query_io.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "dist/connect_io.h"

enum { READ_BYTES = 2048 };

struct epmd_query {
    const struct epmd_query_fns *fns;
    void *context;
    uv_timer_t timer;
    uv_poll_t poll;
    struct connecting *connecting; /* while it is */
    union socket_address address;
    mesh_buf request, reply;
    unsigned handles;
    int fd; /* -1: none */
    bool done;
};

static void release(struct epmd_query *q)
{
    assert(q->handles > 0);
    if (--q->handles > 0)
        return;
    mesh_buf_fini(&q->request);
    mesh_buf_fini(&q->reply);
    const struct epmd_query_fns *fns = q->fns;
    void *context = q->context;
    free(q);
    fns->closed(context);
}

static void on_closed(uv_handle_t *handle)
{
    release(handle->data);
}

static void on_connect_closed(void *context)
{
    release(context);
}

/* Nothing more will be told: closes all that is open. */
static void shut(struct epmd_query *q)
{
    q->done = true;
    if (q->connecting != NULL)
        connect_cancel(q->connecting);
    q->connecting = NULL;
    if (q->fd >= 0) {
        uv_close((uv_handle_t *)&q->poll, on_closed);
        close(q->fd);
    }
    uv_close((uv_handle_t *)&q->timer, on_closed);
}

static void finish(struct epmd_query *q, int error)
{
    shut(q);
    q->fns->answered(q->context, error, mesh_buf_bytes(&q->reply), &q->address);
}

static void on_timer(uv_timer_t *timer)
{
    finish(timer->data, -ETIMEDOUT);
}

/* Reads what there is; the end of the connection is the end of the reply. */
static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct epmd_query *q = poll->data;
    (void)status; /* reading tells the error */
    (void)events;
    for (;;) {
        if (mesh_buf_reserve(&q->reply, READ_BYTES) != MESH_OK) {
            finish(q, -ENOMEM);
            return;
        }
        ssize_t n = socket_read(q->fd, q->reply.data + q->reply.len, READ_BYTES);
        if (n == -EAGAIN)
            return;
        if (n <= 0) {
            finish(q, (int)n);
            return;
        }
        q->reply.len += (size_t)n;
        if (q->reply.len > EPMD_NAMES_MAX_BYTES) {
            finish(q, -EMSGSIZE);
            return;
        }
    }
}

/* A new connection takes a question of some bytes at once. */
static void on_connected(void *context, int fd, const union socket_address *address)
{
    struct epmd_query *q = context;
    const mesh_bytes request = mesh_buf_bytes(&q->request);
    q->connecting = NULL;
    if (fd < 0) {
        finish(q, fd);
        return;
    }
    q->address = *address;
    ssize_t n = socket_write(fd, &request, 1);
    int error = n < 0 ? (int)n : (size_t)n < request.len ? -EIO : uv_poll_init(q->timer.loop, &q->poll, fd);
    if (error != 0) {
        close(fd);
        finish(q, error);
        return;
    }
    q->fd = fd;
    q->handles++;
    uv_poll_start(&q->poll, UV_READABLE, on_readable);
}

static const struct connect_fns connect_fns = {.connected = on_connected, .closed = on_connect_closed};

struct epmd_query *epmd_query_start(uv_loop_t *loop, const char *host, uint16_t port, mesh_bytes alive,
                                    const struct epmd_query_fns *fns, void *context)
{
    struct epmd_query *q = must_calloc(1, sizeof *q);
    q->fns = fns;
    q->context = context;
    q->fd = -1;
    q->timer.data = q->poll.data = q;
    mesh_buf_init(&q->request);
    mesh_buf_init(&q->reply);
    int error = alive.len > 0 ? epmd_put_lookup(&q->request, alive) : epmd_put_names(&q->request);
    uv_timer_init(loop, &q->timer);
    uv_update_time(loop);
    /* A question that could not be put is like one that had no answer. */
    uv_timer_start(&q->timer, on_timer, error == MESH_OK ? EPMD_QUERY_MS : 0, 0);
    q->handles = 2;
    q->connecting = connect_start(loop, host, port, &connect_fns, q);
    return q;
}

void epmd_query_cancel(struct epmd_query *q)
{
    if (!q->done)
        shut(q);
}
