/* One address at a time. `handles` counts what libuv still has; when that is nothing, it is freed. A failure found
 * while starting something waits for the timer, so that nobody is called back from inside his own call. */
#include "dist/connect_io.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"

enum { ADDRESSES_MAX = 4 };

/* A poll handle lives on a descriptor: each attempt has one of its own, freed when it has closed. */
struct attempt_poll {
    uv_poll_t poll;
    struct connecting *owner;
};

struct connecting {
    const struct connect_fns *fns;
    void *context;
    uv_loop_t *loop;
    uv_timer_t soon;
    uv_getaddrinfo_t resolve;
    struct attempt_poll *attempt; /* the present one, or NULL */
    int fd;                       /* of it */
    union socket_address addresses[ADDRESSES_MAX];
    unsigned count, tried, handles;
    uint16_t port;
    int error; /* of the last address */
    bool resolving, done;
};

static void try_next(struct connecting *c);

static void release(struct connecting *c)
{
    assert(c->handles > 0);
    if (--c->handles > 0)
        return;
    const struct connect_fns *fns = c->fns;
    void *context = c->context;
    free(c);
    fns->closed(context);
}

static void on_timer_closed(uv_handle_t *handle)
{
    release(handle->data);
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct attempt_poll *a = (struct attempt_poll *)handle;
    struct connecting *c = a->owner;
    free(a);
    release(c);
}

/* Takes the present attempt's descriptor off the loop; it stays open. */
static int detach(struct connecting *c)
{
    uv_close((uv_handle_t *)&c->attempt->poll, on_poll_closed);
    c->attempt = NULL;
    return c->fd;
}

static void shut(struct connecting *c)
{
    c->done = true;
    if (c->resolving)
        uv_cancel((uv_req_t *)&c->resolve); /* fails when it runs already: its callback comes in any case */
    uv_close((uv_handle_t *)&c->soon, on_timer_closed);
}

static void finish(struct connecting *c, int fd)
{
    shut(c);
    c->fns->connected(c->context, fd, c->tried > 0 ? &c->addresses[c->tried - 1] : NULL);
}

static void on_soon(uv_timer_t *timer)
{
    try_next(timer->data);
}

static void on_writable(uv_poll_t *poll, int status, int events)
{
    struct connecting *c = ((struct attempt_poll *)poll)->owner;
    (void)events;
    int error = socket_error(c->fd);
    if (error == 0 && status < 0)
        error = status;
    int fd = detach(c);
    if (error == 0) {
        finish(c, fd);
        return;
    }
    close(fd);
    c->error = error;
    try_next(c);
}

static void try_next(struct connecting *c)
{
    for (; c->tried < c->count; c->error = c->fd) {
        c->fd = socket_connect(&c->addresses[c->tried++]);
        if (c->fd < 0)
            continue;
        c->attempt = must_calloc(1, sizeof *c->attempt);
        c->attempt->owner = c;
        int error = uv_poll_init(c->loop, &c->attempt->poll, c->fd);
        if (error == 0) {
            c->handles++;
            uv_poll_start(&c->attempt->poll, UV_WRITABLE, on_writable);
            return;
        }
        free(c->attempt);
        c->attempt = NULL;
        close(c->fd);
        c->fd = error;
    }
    finish(c, c->error);
}

static void try_soon(struct connecting *c)
{
    uv_update_time(c->loop);
    uv_timer_start(&c->soon, on_soon, 0, 0);
}

static void on_resolved(uv_getaddrinfo_t *resolve, int error, struct addrinfo *found)
{
    struct connecting *c = resolve->data;
    c->resolving = false;
    for (const struct addrinfo *a = found; a != NULL && c->count < ADDRESSES_MAX; a = a->ai_next) {
        union socket_address *address = &c->addresses[c->count];
        if (a->ai_family != AF_INET && a->ai_family != AF_INET6)
            continue;
        memcpy(address, a->ai_addr, a->ai_addrlen < sizeof *address ? a->ai_addrlen : sizeof *address);
        socket_set_port(address, c->port);
        c->count++;
    }
    uv_freeaddrinfo(found);
    if (!c->done) {
        c->error = error != 0 ? error : UV_EAI_NONAME;
        try_next(c);
    }
    release(c);
}

static struct connecting *create(uv_loop_t *loop, const struct connect_fns *fns, void *context)
{
    struct connecting *c = must_calloc(1, sizeof *c);
    c->fns = fns;
    c->context = context;
    c->loop = loop;
    c->soon.data = c->resolve.data = c;
    uv_timer_init(loop, &c->soon);
    c->handles = 1;
    return c;
}

struct connecting *connect_start_to(uv_loop_t *loop, const union socket_address *address, const struct connect_fns *fns,
                                    void *context)
{
    struct connecting *c = create(loop, fns, context);
    c->addresses[0] = *address;
    c->count = 1;
    try_soon(c);
    return c;
}

struct connecting *connect_start(uv_loop_t *loop, const char *host, uint16_t port, const struct connect_fns *fns,
                                 void *context)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    union socket_address address;
    if (socket_parse(host, port, &address))
        return connect_start_to(loop, &address, fns, context);
    struct connecting *c = create(loop, fns, context);
    c->port = port;
    c->error = uv_getaddrinfo(loop, &c->resolve, on_resolved, host, NULL, &hints);
    if (c->error == 0) {
        c->resolving = true;
        c->handles++;
    } else {
        try_soon(c);
    }
    return c;
}

void connect_cancel(struct connecting *c)
{
    assert(!c->done);
    if (c->attempt != NULL)
        close(detach(c));
    shut(c);
}
