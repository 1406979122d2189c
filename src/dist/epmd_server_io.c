/* Moves bytes between sockets and epmd_server.c.
 *
 * Each connection is one block on a list: those that are no registration yet are held to their deadline by one timer,
 * which runs only while there are connections. `handles` counts what libuv still has of the server; when that is
 * nothing, it frees itself. A connection is given one reply, and is closed after it, or is a registration, which has
 * nothing more to say: more bytes end it. */
#include "dist/epmd_server_io.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"

enum { BACKLOG = 128, SWEEP_MS = 1000, REFUSALS_PER_SECOND = 5 };

struct link {
    struct link *next, *previous;
    struct epmd_io *io;
    struct epmd_conn conn;
    bool counted; /* epmd_conn_open took it */
    uv_tcp_t tcp;
    uv_write_t write;
    mesh_buf out;
    bool close_after;
};

struct epmd_io {
    uv_loop_t *loop;
    uv_tcp_t listener;
    uv_timer_t timer;
    struct epmd_server server;
    struct link *links;
    struct logger *logger;
    struct log_limit refusals;
    void (*killed)(void *context);
    void *context;
    void (*stopped)(void *context);
    void *stopped_context;
    unsigned handles;
    bool stopping;
    uint16_t port;
    char buffer[2 + EPMD_REQUEST_MAX_BYTES];
};

/* ---- Ending ------------------------------------------------------------------------------------------------------ */

static void release(struct epmd_io *io)
{
    assert(io->handles > 0);
    if (--io->handles > 0)
        return;
    epmd_server_fini(&io->server);
    void (*stopped)(void *context) = io->stopped;
    void *context = io->stopped_context;
    free(io);
    if (stopped)
        stopped(context);
}

static void on_closed(uv_handle_t *handle)
{
    release(handle->data);
}

static void on_link_closed(uv_handle_t *handle)
{
    struct link *link = handle->data;
    struct epmd_io *io = link->io;
    mesh_buf_fini(&link->out);
    free(link);
    release(io);
}

/* Takes the connection off the list and closes it; its name is free from here on. */
static void close_link(struct link *link)
{
    struct epmd_io *io = link->io;
    if (uv_is_closing((uv_handle_t *)&link->tcp))
        return;
    if (link->counted)
        epmd_conn_closed(&io->server, &link->conn);
    if (link->next)
        link->next->previous = link->previous;
    if (link->previous)
        link->previous->next = link->next;
    else
        io->links = link->next;
    if (!io->links && !io->stopping)
        uv_timer_stop(&io->timer);
    uv_close((uv_handle_t *)&link->tcp, on_link_closed);
}

void epmd_io_stop(struct epmd_io *io, void (*stopped)(void *context), void *context)
{
    assert(!io->stopping);
    io->stopping = true;
    io->stopped = stopped;
    io->stopped_context = context;
    while (io->links)
        close_link(io->links);
    uv_close((uv_handle_t *)&io->timer, on_closed);
    uv_close((uv_handle_t *)&io->listener, on_closed);
}

/* ---- One connection ---------------------------------------------------------------------------------------------- */

static void on_written(uv_write_t *write, int error)
{
    struct link *link = write->data;
    if (error || link->close_after)
        close_link(link);
}

/* Writes what there is to write, and closes after it if told to. */
static void answer(struct link *link, bool close_after)
{
    link->close_after = close_after;
    if (link->out.len == 0) {
        if (close_after)
            close_link(link);
        return;
    }
    uv_buf_t buf = uv_buf_init((char *)link->out.data, (unsigned)link->out.len);
    if (uv_write(&link->write, (uv_stream_t *)&link->tcp, &buf, 1, on_written) != 0)
        close_link(link);
}

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct link *link = handle->data;
    (void)suggested;
    *buf = uv_buf_init(link->io->buffer, sizeof link->io->buffer); /* on_read is done with it before the next */
}

static void tell_refusal(struct epmd_io *io, enum refusal why)
{
    log_limited(io->logger, &io->refusals, clock_now_ns(), MESH_LOG_WARN, "epmd refused a request",
                log_bytes("reason", mesh_str(refusal_text(why))));
}

/* The name of a registration stays the connection's until it is closed. */
static void tell_name(struct link *link, const char *message)
{
    mesh_bytes name;
    uint16_t port;
    if (epmd_conn_registered(&link->conn, &name, &port))
        log_write(link->io->logger, MESH_LOG_INFO, message, log_name("name", name), log_number("port", port));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct link *link = stream->data;
    struct epmd_io *io = link->io;
    enum refusal why = REFUSAL_NONE;
    if (n == 0)
        return;
    if (n < 0) {
        tell_name(link, "a node has gone from epmd");
        close_link(link);
        return;
    }
    enum epmd_action action = epmd_conn_feed(&io->server, &link->conn, (mesh_bytes){buf->base, (size_t)n},
                                             clock_now_ns() / 1000000, &link->out, &why);
    if (why != REFUSAL_NONE) { /* a reply may still be on its way: out is not to be touched */
        tell_refusal(io, why);
        tell_name(link, "a node has gone from epmd");
        close_link(link);
        return;
    }
    if (action == EPMD_WAIT)
        return;
    if (action == EPMD_KEEP)
        tell_name(link, "a node has registered with epmd");
    else
        uv_read_stop(stream);
    answer(link, action != EPMD_KEEP);
    if (action == EPMD_STOP && io->killed)
        io->killed(io->context);
}

/* ---- Accepting --------------------------------------------------------------------------------------------------- */

static void on_sweep(uv_timer_t *timer)
{
    struct epmd_io *io = timer->data;
    uint64_t now_ms = clock_now_ns() / 1000000;
    for (struct link *next, *link = io->links; link; link = next) {
        next = link->next;
        if (epmd_conn_expired(&link->conn, now_ms)) {
            tell_refusal(io, REFUSAL_TIMEOUT);
            close_link(link);
        }
    }
}

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_storage room;
};

/* An IPv4 address in the clothes of IPv6, as a socket for both kinds gives it, becomes what it is. */
static void unmap(union address *a)
{
    if (a->any.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr))
        return;
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    memcpy(&v4.sin_addr, a->v6.sin6_addr.s6_addr + 12, 4);
    a->v4 = v4;
}

/* Whether the connection's other end is on this machine: loopback, or the same address as our end, as epmd has it. */
static bool is_local(const uv_tcp_t *tcp)
{
    union address peer, own;
    int len = sizeof peer, own_len = sizeof own;
    if (uv_tcp_getpeername(tcp, &peer.any, &len) != 0 || uv_tcp_getsockname(tcp, &own.any, &own_len) != 0)
        return false;
    unmap(&peer);
    unmap(&own);
    if (peer.any.sa_family == AF_INET)
        return (ntohl(peer.v4.sin_addr.s_addr) >> 24) == 127 ||
               (own.any.sa_family == AF_INET && own.v4.sin_addr.s_addr == peer.v4.sin_addr.s_addr);
    return peer.any.sa_family == AF_INET6 &&
           (IN6_IS_ADDR_LOOPBACK(&peer.v6.sin6_addr) ||
            (own.any.sa_family == AF_INET6 && IN6_ARE_ADDR_EQUAL(&own.v6.sin6_addr, &peer.v6.sin6_addr)));
}

static void on_connection(uv_stream_t *listener, int error)
{
    struct epmd_io *io = listener->data;
    if (error)
        return;
    struct link *link = must_calloc(1, sizeof *link);
    link->io = io;
    mesh_buf_init(&link->out);
    uv_tcp_init(io->loop, &link->tcp); /* opens nothing yet, and so cannot fail */
    link->tcp.data = link->write.data = link;
    io->handles++;
    link->next = io->links;
    if (link->next)
        link->next->previous = link;
    io->links = link;
    if (uv_accept(listener, (uv_stream_t *)&link->tcp) == 0)
        link->counted = epmd_conn_open(&io->server, &link->conn, is_local(&link->tcp), clock_now_ns() / 1000000);
    if (!link->counted || uv_read_start((uv_stream_t *)&link->tcp, give_buffer, on_read) != 0) {
        if (!link->counted)
            tell_refusal(io, REFUSAL_FULL);
        close_link(link);
    } else if (!uv_is_active((uv_handle_t *)&io->timer)) {
        uv_timer_start(&io->timer, on_sweep, SWEEP_MS, SWEEP_MS);
    }
}

/* ---- Starting ---------------------------------------------------------------------------------------------------- */

static int bind_and_listen(struct epmd_io *io, const char *address, uint16_t port)
{
    union address at;
    int len = sizeof at;
    if (uv_ip4_addr(address, port, &at.v4) != 0 && uv_ip6_addr(address, port, &at.v6) != 0)
        return UV_EINVAL;
    int error = uv_tcp_bind(&io->listener, &at.any, 0);
    if (!error)
        error = uv_listen((uv_stream_t *)&io->listener, BACKLOG, on_connection);
    if (!error)
        error = uv_tcp_getsockname(&io->listener, &at.any, &len);
    if (!error)
        io->port = ntohs(at.any.sa_family == AF_INET ? at.v4.sin_port : at.v6.sin6_port);
    return error;
}

/* One socket serves both kinds of addresses; without IPv6 in the kernel there is only the other kind. */
static int listen_on(struct epmd_io *io, const char *address, uint16_t port)
{
    int error = bind_and_listen(io, address ? address : "::", port);
    if (!address && error == UV_EAFNOSUPPORT)
        error = bind_and_listen(io, "0.0.0.0", port);
    return error;
}

int epmd_io_start(uv_loop_t *loop, const struct epmd_io_options *options, struct epmd_io **out)
{
    struct epmd_io *io = must_calloc(1, sizeof *io);
    io->loop = loop;
    io->logger = options->logger;
    io->killed = options->killed;
    io->context = options->context;
    io->refusals.per_second = REFUSALS_PER_SECOND;
    uv_tcp_init(loop, &io->listener);
    uv_timer_init(loop, &io->timer);
    io->listener.data = io->timer.data = io;
    io->handles = 2;
    int error = listen_on(io, options->address, options->port);
    epmd_server_init(&io->server, io->port, (uint32_t)(clock_wall_ms() / 1000));
    if (error)
        epmd_io_stop(io, NULL, NULL);
    else
        *out = io;
    return error;
}

uint16_t epmd_io_port(const struct epmd_io *io)
{
    return io->port;
}
