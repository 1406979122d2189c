/* Listeners, connections, and one timer that looks for those that miss their deadline. */
#include "dist/epmd_serve_io.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "dist/acceptor_io.h"
#include "dist/socket_io.h"

enum { LOOK_MS = 500, TEXT_MAX_BYTES = 512 };

struct serve_conn {
    uv_poll_t poll;
    struct epmd_serve *serve;
    struct serve_conn *prev, *next;
    int fd;
    mesh_buf out;
    size_t out_at;
    bool last; /* closes when out is written */
    struct epmd_conn machine;
};

struct epmd_serve {
    struct epmd_server machine;
    void (*closed)(void *context);
    void *context;
    uv_loop_t *loop;
    uv_timer_t look;
    struct acceptor acceptors[EPMD_ADDRESSES_MAX];
    unsigned acceptor_count;
    struct serve_conn *conns;
    unsigned handles;
    bool stopping;
};

static void release(struct epmd_serve *s)
{
    if (--s->handles > 0)
        return;
    void (*closed)(void *) = s->closed;
    void *context = s->context;
    epmd_server_fini(&s->machine);
    free(s);
    closed(context);
}

static void on_closed(uv_handle_t *handle)
{
    release(handle->data);
}

static void on_conn_closed(uv_handle_t *handle)
{
    struct serve_conn *c = (struct serve_conn *)handle;
    struct epmd_serve *s = c->serve;
    free(c);
    release(s);
}

static void end(struct serve_conn *c)
{
    struct epmd_serve *s = c->serve;
    *(c->prev ? &c->prev->next : &s->conns) = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    epmd_conn_closed(&s->machine, &c->machine);
    uv_close((uv_handle_t *)&c->poll, on_conn_closed);
    close(c->fd);
    mesh_buf_fini(&c->out);
}

static void on_ready(uv_poll_t *poll, int status, int events);

/* Writes what there is; false when the connection has ended by that. */
static bool flush(struct serve_conn *c)
{
    while (c->out_at < c->out.len) {
        const mesh_bytes rest = {c->out.data + c->out_at, c->out.len - c->out_at};
        ssize_t n = socket_write(c->fd, &rest, 1);
        if (n == -EAGAIN) {
            uv_poll_start(&c->poll, UV_READABLE | UV_WRITABLE, on_ready);
            return true;
        }
        if (n < 0) {
            end(c);
            return false;
        }
        c->out_at += (size_t)n;
    }
    mesh_buf_clear(&c->out);
    c->out_at = 0;
    if (c->last) {
        end(c);
        return false;
    }
    uv_poll_start(&c->poll, UV_READABLE, on_ready);
    return true;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct serve_conn *c = (struct serve_conn *)poll;
    struct epmd_serve *s = c->serve;
    uint8_t bytes[1024];
    enum refusal why;
    (void)status; /* reading tells the error */
    if ((events & UV_WRITABLE) && !flush(c))
        return;
    ssize_t n = socket_read(c->fd, bytes, sizeof bytes);
    if (n == -EAGAIN)
        return;
    if (n <= 0 || c->last) { /* who has had his answer may not go on */
        end(c);
        return;
    }
    enum epmd_action action =
        epmd_conn_feed(&s->machine, &c->machine, (mesh_bytes){bytes, (size_t)n}, uv_now(s->loop), &c->out, &why);
    c->last = action == EPMD_CLOSE || action == EPMD_STOP;
    flush(c);
    if (action == EPMD_STOP)
        epmd_serve_stop(s);
}

/* Ends those whose time is over. Registrations have none. */
static void look(uv_timer_t *timer)
{
    struct epmd_serve *s = timer->data;
    struct serve_conn *next;
    for (struct serve_conn *c = s->conns; c != NULL; c = next) {
        next = c->next;
        if (epmd_conn_expired(&c->machine, uv_now(s->loop)))
            end(c);
    }
    if (s->machine.waiting == 0)
        uv_timer_stop(timer);
}

static void on_accepted(void *context, int fd)
{
    struct epmd_serve *s = context;
    struct serve_conn *c = must_calloc(1, sizeof *c);
    if (!epmd_conn_open(&s->machine, &c->machine, socket_is_local(fd), uv_now(s->loop))) {
        close(fd);
        free(c);
        return;
    }
    if (uv_poll_init(s->loop, &c->poll, fd) != 0) {
        epmd_conn_closed(&s->machine, &c->machine);
        close(fd);
        free(c);
        return;
    }
    mesh_buf_init(&c->out);
    c->serve = s;
    c->fd = fd;
    c->next = s->conns;
    if (s->conns != NULL)
        s->conns->prev = c;
    s->conns = c;
    s->handles++;
    uv_poll_start(&c->poll, UV_READABLE, on_ready);
    if (!uv_is_active((uv_handle_t *)&s->look))
        uv_timer_start(&s->look, look, LOOK_MS, LOOK_MS);
}

static void on_acceptor_closed(void *context)
{
    release(context);
}

static const struct acceptor_fns acceptor_fns = {.accepted = on_accepted, .closed = on_acceptor_closed};

void epmd_serve_stop(struct epmd_serve *s)
{
    if (s->stopping)
        return;
    s->stopping = true;
    while (s->conns != NULL)
        end(s->conns);
    for (unsigned i = 0; i < s->acceptor_count; i++)
        acceptor_close(&s->acceptors[i]);
    uv_close((uv_handle_t *)&s->look, on_closed);
}

/* ---- starting ---------------------------------------------------------------------------------------------------- */

static int add_listener(int *fds, unsigned *count, int fd)
{
    if (fd < 0)
        return fd;
    fds[(*count)++] = fd;
    return 0;
}

static bool is_loopback(const union socket_address *a)
{
    return a->any.sa_family == AF_INET ? ntohl(a->v4.sin_addr.s_addr) == INADDR_LOOPBACK
                                       : IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr);
}

/* Loopback first: whoever has that is the epmd of this machine. */
static int listen_on(const char *addresses, uint16_t port, int *fds, unsigned *count)
{
    char text[TEXT_MAX_BYTES], *rest = NULL;
    union socket_address a;
    if (addresses == NULL || addresses[0] == '\0')
        return add_listener(fds, count, socket_listen_all(port));
    if ((size_t)snprintf(text, sizeof text, "%s", addresses) >= sizeof text)
        return -EINVAL;
    socket_parse("127.0.0.1", port, &a);
    int error = add_listener(fds, count, socket_listen(&a));
    for (char *p = strtok_r(text, ", ", &rest); p != NULL && error == 0; p = strtok_r(NULL, ", ", &rest)) {
        if (!socket_parse(p, port, &a) || *count == EPMD_ADDRESSES_MAX)
            error = -EINVAL;
        else if (!(is_loopback(&a) && a.any.sa_family == AF_INET))
            error = add_listener(fds, count, socket_listen(&a));
    }
    return error;
}

int epmd_serve_start(uv_loop_t *loop, const char *addresses, uint16_t port, uint32_t first_creation,
                     void (*closed)(void *context), void *context, struct epmd_serve **out)
{
    int fds[EPMD_ADDRESSES_MAX];
    unsigned count = 0;
    int error = listen_on(addresses, port, fds, &count);
    if (error != 0) {
        while (count > 0)
            close(fds[--count]);
        return error;
    }
    struct epmd_serve *s = must_calloc(1, sizeof *s);
    epmd_server_init(&s->machine, port, first_creation);
    s->closed = closed;
    s->context = context;
    s->loop = loop;
    uv_timer_init(loop, &s->look);
    s->look.data = s;
    s->handles = 1;
    for (unsigned i = 0; i < count; i++) {
        struct acceptor *a = &s->acceptors[s->acceptor_count];
        if (acceptor_open(a, loop, fds[i], &acceptor_fns, s) != MESH_OK) {
            close(fds[i]); /* the others serve */
            continue;
        }
        s->acceptor_count++;
        s->handles++;
    }
    *out = s;
    return 0;
}
