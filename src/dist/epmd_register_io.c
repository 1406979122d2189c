/* Connect, register, and then read: nothing should come but the end. One timer bounds the attempt, or waits for the
 * next one. */
#include "dist/epmd_register_io.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "dist/connect_io.h"
#include "dist/epmd_query_io.h"
#include "dist/epmd_server_io.h"

/* A node that was ended a moment ago may still be in epmd's list, and another one may be starting an epmd right now:
 * both pass. */
enum { FIRST_TRIES = 4 };

struct reg_conn {
    uv_poll_t poll;
    struct epmd_registration *owner;
    int fd;
    uint8_t reply[16];
    size_t len;
};

struct epmd_registration {
    const struct epmd_register_fns *fns;
    void *context;
    uv_loop_t *loop;
    uv_timer_t timer;
    struct connecting *connecting; /* while it is */
    struct reg_conn *conn;         /* once it is */
    struct epmd_io *server;        /* ours, or NULL */
    mesh_buf request;
    char *addresses;
    struct logger *logger;
    unsigned handles, tries;
    uint32_t pause_ms;
    uint16_t epmd_port;
    bool may_serve;
    bool ever;       /* it has been registered once */
    bool registered; /* it is now */
    bool over;       /* stopped, or failed for good */
};

static void attempt(struct epmd_registration *r);

static void release(struct epmd_registration *r)
{
    if (--r->handles > 0)
        return;
    const struct epmd_register_fns *fns = r->fns;
    void *context = r->context;
    mesh_buf_fini(&r->request);
    free(r->addresses);
    free(r);
    fns->closed(context);
}

static void on_timer_closed(uv_handle_t *handle)
{
    release(handle->data);
}

static void on_connect_closed(void *context)
{
    release(context);
}

static void on_server_stopped(void *context)
{
    release(context);
}

static void stop_server(struct epmd_registration *r)
{
    if (r->server != NULL)
        epmd_io_stop(r->server, on_server_stopped, r);
    r->server = NULL;
}

static void on_conn_closed(uv_handle_t *handle)
{
    struct reg_conn *c = (struct reg_conn *)handle;
    struct epmd_registration *r = c->owner;
    free(c);
    release(r);
}

static void disconnect(struct epmd_registration *r)
{
    if (r->connecting != NULL)
        connect_cancel(r->connecting);
    r->connecting = NULL;
    if (r->conn != NULL) {
        uv_close((uv_handle_t *)&r->conn->poll, on_conn_closed);
        close(r->conn->fd);
    }
    r->conn = NULL;
    uv_timer_stop(&r->timer);
}

static void on_again(uv_timer_t *timer)
{
    attempt(timer->data);
}

static void try_later(struct epmd_registration *r, uint32_t after_ms)
{
    uv_update_time(r->loop);
    uv_timer_start(&r->timer, on_again, after_ms, 0);
}

/* This attempt, or the registration, is over. */
static void miss(struct epmd_registration *r, int error)
{
    bool hopeless = error == -ECONNREFUSED || (error != -EEXIST && error != -EADDRINUSE && r->tries > 1);
    disconnect(r);
    r->registered = false;
    r->tries++;
    if (!r->ever && (hopeless || r->tries >= FIRST_TRIES)) {
        r->over = true;
        r->fns->failed(r->context, error);
        return;
    }
    if (r->ever)
        r->fns->lost(r->context, error);
    if (r->over)
        return;
    try_later(r, r->pause_ms);
    r->pause_ms = 2 * r->pause_ms < EPMD_AGAIN_MAX_MS ? 2 * r->pause_ms : EPMD_AGAIN_MAX_MS;
}

static void on_late(uv_timer_t *timer)
{
    miss(timer->data, -ETIMEDOUT);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct reg_conn *c = (struct reg_conn *)poll;
    struct epmd_registration *r = c->owner;
    uint32_t creation = 0;
    enum refusal why;
    (void)status; /* reading tells the error */
    (void)events;
    ssize_t n = socket_read(c->fd, c->reply + c->len, sizeof c->reply - c->len);
    if (n == -EAGAIN)
        return;
    if (n <= 0 || r->registered) {
        miss(r, n < 0 ? (int)n : n == 0 ? -ECONNRESET : -EPROTO);
        return;
    }
    c->len += (size_t)n;
    switch (epmd_read_register((mesh_bytes){c->reply, c->len}, &creation, &why)) {
    case EPMD_MORE:
        return;
    case EPMD_COMPLETE:
        uv_timer_stop(&r->timer);
        r->registered = r->ever = true;
        r->tries = 0;
        r->pause_ms = EPMD_AGAIN_MIN_MS;
        r->fns->registered(r->context, creation);
        return;
    case EPMD_DENIED:
        miss(r, -EEXIST);
        return;
    default:
        miss(r, -EPROTO);
    }
}

/* It has been asked to end, and this node was not registered there: whether one is wanted the next attempt shows. */
static void on_killed(void *context)
{
    stop_server(context);
}

/* Nobody listens on epmd's port: then we do. 0 when it makes sense to connect again. */
static int serve(struct epmd_registration *r)
{
    const struct epmd_io_options options = {r->addresses, r->epmd_port, r->logger, on_killed, r};
    if (!r->may_serve || r->server != NULL)
        return -ECONNREFUSED;
    int error = epmd_io_start(r->loop, &options, &r->server);
    if (error == 0)
        r->handles++;
    return error;
}

static void on_connected(void *context, int fd, const union socket_address *address)
{
    struct epmd_registration *r = context;
    const mesh_bytes request = mesh_buf_bytes(&r->request);
    (void)address;
    r->connecting = NULL;
    if (fd == -ECONNREFUSED) {
        fd = serve(r);
        if (fd == 0) {
            attempt(r);
            return;
        }
    }
    if (fd < 0) {
        miss(r, fd);
        return;
    }
    struct reg_conn *c = must_calloc(1, sizeof *c);
    ssize_t n = socket_write(fd, &request, 1); /* a new connection takes so much at once */
    int error = n < 0 ? (int)n : (size_t)n < request.len ? -EIO : uv_poll_init(r->loop, &c->poll, fd);
    if (error != 0) {
        free(c);
        close(fd);
        miss(r, error);
        return;
    }
    c->owner = r;
    c->fd = fd;
    r->conn = c;
    r->handles++;
    uv_poll_start(&c->poll, UV_READABLE, on_readable);
}

static const struct connect_fns connect_fns = {.connected = on_connected, .closed = on_connect_closed};

static void attempt(struct epmd_registration *r)
{
    uv_update_time(r->loop);
    uv_timer_start(&r->timer, on_late, EPMD_QUERY_MS, 0);
    r->handles++;
    r->connecting = connect_start(r->loop, "127.0.0.1", r->epmd_port, &connect_fns, r);
}

struct epmd_registration *epmd_register_start(uv_loop_t *loop, const struct epmd_register_options *options,
                                              const struct epmd_register_fns *fns, void *context)
{
    struct epmd_registration *r = must_calloc(1, sizeof *r);
    const struct epmd_node node = {
        options->alive, {NULL, 0}, options->port, options->hidden ? EPMD_HIDDEN : EPMD_VISIBLE, 0, 6, 6};
    r->fns = fns;
    r->context = context;
    r->loop = loop;
    r->pause_ms = EPMD_AGAIN_MIN_MS;
    r->epmd_port = options->epmd_port;
    r->may_serve = options->serve;
    r->logger = options->logger;
    if (options->addresses != NULL)
        r->addresses = must_copy(options->addresses, strlen(options->addresses));
    mesh_buf_init(&r->request);
    int error = epmd_put_register(&r->request, &node);
    uv_timer_init(loop, &r->timer);
    r->timer.data = r;
    r->handles = 1;
    if (error != MESH_OK)
        r->tries = FIRST_TRIES; /* memory was refused: fails when it is asked to connect */
    attempt(r);
    return r;
}

void epmd_register_stop(struct epmd_registration *r)
{
    r->over = true;
    disconnect(r);
    stop_server(r);
    uv_close((uv_handle_t *)&r->timer, on_timer_closed);
}
