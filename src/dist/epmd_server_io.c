/* Moves bytes between sockets and epmd_server.c.
 *
 * Each connection is one block on a list: those that are no registration yet are held to their deadline by one timer,
 * which runs only while there are such. `handles` counts what libuv still has of the server; when that is nothing, it
 * frees itself. A connection is read only while nothing waits to be written to it. It is given one reply, and is closed
 * after it, or is a registration, which has nothing more to say: more bytes end it. */
#include "dist/epmd_server_io.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/random.h"
#include "dist/acceptor_io.h"
#include "dist/socket_io.h"

enum { SWEEP_MS = 500, WARNINGS_PER_SECOND = 5, TEXT_MAX_BYTES = 512 };

struct link {
    uv_poll_t poll;
    struct link *next, *previous;
    struct epmd_io *io;
    int fd;
    mesh_buf out;
    size_t written; /* of out */
    bool last;      /* closes when out is written */
    struct epmd_conn conn;
};

struct epmd_io {
    uv_loop_t *loop;
    uv_timer_t timer;
    struct acceptor acceptors[EPMD_ADDRESSES_MAX];
    unsigned acceptor_count;
    struct epmd_server server;
    struct link *links;
    struct logger *logger;
    struct log_limit refusals, pauses;
    void (*killed)(void *context);
    void *context;
    void (*stopped)(void *context);
    void *stopped_context;
    unsigned handles;
    uint16_t port;
};

static uint64_t now_ms(void)
{
    return clock_now_ns() / 1000000;
}

/* ---- Ending ------------------------------------------------------------------------------------------------------ */

static void release(void *context)
{
    struct epmd_io *io = context;
    assert(io->handles > 0);
    if (--io->handles > 0)
        return;
    epmd_server_fini(&io->server);
    void (*stopped)(void *context) = io->stopped;
    void *stopped_context = io->stopped_context;
    free(io);
    if (stopped != NULL)
        stopped(stopped_context);
}

static void on_timer_closed(uv_handle_t *handle)
{
    release(handle->data);
}

static void on_link_closed(uv_handle_t *handle)
{
    struct link *link = handle->data;
    struct epmd_io *io = link->io;
    free(link);
    release(io);
}

/* Takes the connection off the list and closes it; its name is free from here on. */
static void close_link(struct link *link)
{
    struct epmd_io *io = link->io;
    epmd_conn_closed(&io->server, &link->conn);
    if (link->next != NULL)
        link->next->previous = link->previous;
    *(link->previous != NULL ? &link->previous->next : &io->links) = link->next;
    mesh_buf_fini(&link->out);
    uv_close((uv_handle_t *)&link->poll, on_link_closed);
    close(link->fd);
}

static void shut(struct epmd_io *io)
{
    while (io->links != NULL)
        close_link(io->links);
    for (unsigned i = 0; i < io->acceptor_count; i++)
        acceptor_close(&io->acceptors[i]);
    uv_close((uv_handle_t *)&io->timer, on_timer_closed);
}

void epmd_io_stop(struct epmd_io *io, void (*stopped)(void *context), void *context)
{
    assert(!uv_is_closing((uv_handle_t *)&io->timer));
    io->stopped = stopped;
    io->stopped_context = context;
    log_text(io->logger, MESH_LOG_INFO, "epmd stops");
    shut(io);
}

/* ---- One connection ---------------------------------------------------------------------------------------------- */

static void tell_refusal(struct epmd_io *io, enum refusal why)
{
    log_limited(io->logger, &io->refusals, clock_now_ns(), MESH_LOG_WARN, "epmd refused a request",
                log_bytes("reason", mesh_str(refusal_text(why))));
}

/* The name of a registration stays the connection's until it is closed. */
static void tell_name(const struct link *link, const char *message)
{
    mesh_bytes name;
    uint16_t port;
    if (epmd_conn_registered(&link->conn, &name, &port))
        log_write(link->io->logger, MESH_LOG_INFO, message, log_name("name", name), log_number("port", port));
}

static void leave(struct link *link)
{
    tell_name(link, "a node has gone from epmd");
    close_link(link);
}

static void on_ready(uv_poll_t *poll, int status, int events);

/* Writes what there is, as far as the socket takes it; after the last of it the connection is closed. */
static void write_out(struct link *link)
{
    while (link->written < link->out.len) {
        const mesh_bytes rest = {link->out.data + link->written, link->out.len - link->written};
        ssize_t n = socket_write(link->fd, &rest, 1);
        if (n == -EAGAIN) {
            uv_poll_start(&link->poll, UV_WRITABLE, on_ready);
            return;
        }
        if (n < 0) {
            leave(link);
            return;
        }
        link->written += (size_t)n;
    }
    if (link->last) {
        close_link(link);
        return;
    }
    mesh_buf_clear(&link->out);
    link->written = 0;
    uv_poll_start(&link->poll, UV_READABLE, on_ready);
}

static void read_in(struct link *link)
{
    struct epmd_io *io = link->io;
    uint8_t bytes[2 + EPMD_REQUEST_MAX_BYTES];
    enum refusal why = REFUSAL_NONE;
    ssize_t n = socket_read(link->fd, bytes, sizeof bytes);
    if (n == -EAGAIN)
        return;
    if (n <= 0) {
        leave(link);
        return;
    }
    enum epmd_action action =
        epmd_conn_feed(&io->server, &link->conn, (mesh_bytes){bytes, (size_t)n}, now_ms(), &link->out, &why);
    if (why != REFUSAL_NONE) {
        tell_refusal(io, why);
        leave(link);
        return;
    }
    if (action == EPMD_WAIT)
        return;
    if (action == EPMD_KEEP)
        tell_name(link, "a node has registered with epmd");
    link->last = action != EPMD_KEEP;
    write_out(link);
    if (action == EPMD_STOP && io->killed != NULL)
        io->killed(io->context);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct link *link = poll->data;
    (void)events;
    if (status < 0)
        leave(link);
    else if (link->out.len > 0)
        write_out(link);
    else
        read_in(link);
}

/* ---- Accepting --------------------------------------------------------------------------------------------------- */

/* Ends those whose time is over. Registrations have none. */
static void on_sweep(uv_timer_t *timer)
{
    struct epmd_io *io = timer->data;
    for (struct link *next, *link = io->links; link != NULL; link = next) {
        next = link->next;
        if (epmd_conn_expired(&link->conn, now_ms())) {
            tell_refusal(io, REFUSAL_TIMEOUT);
            close_link(link);
        }
    }
    if (io->server.waiting == 0)
        uv_timer_stop(timer);
}

static void on_accepted(void *context, int fd)
{
    struct epmd_io *io = context;
    struct link *link = must_calloc(1, sizeof *link);
    bool open = epmd_conn_open(&io->server, &link->conn, socket_is_local(fd), now_ms());
    if (!open || uv_poll_init(io->loop, &link->poll, fd) != 0) {
        if (open)
            epmd_conn_closed(&io->server, &link->conn);
        else
            tell_refusal(io, REFUSAL_FULL);
        free(link);
        close(fd);
        return;
    }
    mesh_buf_init(&link->out);
    link->poll.data = link;
    link->io = io;
    link->fd = fd;
    link->next = io->links;
    if (link->next != NULL)
        link->next->previous = link;
    io->links = link;
    io->handles++;
    uv_poll_start(&link->poll, UV_READABLE, on_ready);
    if (!uv_is_active((uv_handle_t *)&io->timer)) {
        uv_update_time(io->loop);
        uv_timer_start(&io->timer, on_sweep, SWEEP_MS, SWEEP_MS);
    }
}

static void on_paused(void *context, int error)
{
    struct epmd_io *io = context;
    log_limited(io->logger, &io->pauses, clock_now_ns(), MESH_LOG_WARN, "epmd accepts no connections for a moment",
                log_bytes("why", mesh_str(uv_strerror(-error))));
}

static const struct acceptor_fns acceptor_fns = {.accepted = on_accepted, .paused = on_paused, .closed = release};

/* ---- Starting ---------------------------------------------------------------------------------------------------- */

/* The addresses of a text, 127.0.0.1 or all of IPv4's first: whoever has that is the epmd of this machine. */
static int parse(const char *text, union socket_address *at, unsigned *count)
{
    char copy[TEXT_MAX_BYTES], *rest = NULL;
    union socket_address a;
    if ((size_t)snprintf(copy, sizeof copy, "%s", text) >= sizeof copy)
        return UV_EINVAL;
    socket_parse("127.0.0.1", 0, &at[0]);
    *count = 1;
    for (const char *word = strtok_r(copy, ", ", &rest); word != NULL; word = strtok_r(NULL, ", ", &rest)) {
        if (!socket_parse(word, 0, &a))
            return UV_EINVAL;
        if (a.any.sa_family == AF_INET && a.v4.sin_addr.s_addr == htonl(INADDR_ANY))
            at[0] = a;
        else if (a.any.sa_family == AF_INET && a.v4.sin_addr.s_addr == htonl(INADDR_LOOPBACK))
            continue;
        else if (*count == EPMD_ADDRESSES_MAX)
            return UV_EINVAL;
        else
            at[(*count)++] = a;
    }
    return 0;
}

struct sockets {
    int fds[EPMD_ADDRESSES_MAX];
    unsigned count;
};

static int add(struct sockets *s, int fd)
{
    if (fd < 0)
        return fd;
    s->fds[s->count++] = fd;
    return 0;
}

/* Opens the sockets, all with the port of the first. After an error there are those that were opened before it. */
static int listen_on(const char *addresses, uint16_t port, struct sockets *s)
{
    union socket_address at[EPMD_ADDRESSES_MAX];
    unsigned count = 0;
    if (addresses == NULL || addresses[strspn(addresses, ", ")] == '\0')
        return add(s, socket_listen_all(port));
    int error = parse(addresses, at, &count);
    for (unsigned i = 0; i < count && error == 0; i++) {
        socket_set_port(&at[i], i == 0 ? port : socket_port(s->fds[0]));
        error = add(s, socket_listen(&at[i]));
    }
    return error;
}

static void close_from(const struct sockets *s, unsigned first)
{
    for (unsigned i = first; i < s->count; i++)
        close(s->fds[i]);
}

static struct epmd_io *create(uv_loop_t *loop, const struct epmd_io_options *options, uint16_t port,
                              uint32_t first_creation)
{
    struct epmd_io *io = must_calloc(1, sizeof *io);
    io->loop = loop;
    io->logger = options->logger;
    io->killed = options->killed;
    io->context = options->context;
    io->port = port;
    io->refusals.per_second = io->pauses.per_second = WARNINGS_PER_SECOND;
    uv_timer_init(loop, &io->timer);
    io->timer.data = io;
    io->handles = 1;
    epmd_server_init(&io->server, port, first_creation);
    return io;
}

int epmd_io_start(uv_loop_t *loop, const struct epmd_io_options *options, struct epmd_io **out)
{
    struct sockets s = {.count = 0};
    uint32_t first_creation;
    if (random_bytes(&first_creation, sizeof first_creation) != MESH_OK)
        return UV_EIO;
    int error = listen_on(options->addresses, options->port, &s);
    if (error != 0) {
        close_from(&s, 0);
        return error;
    }
    struct epmd_io *io = create(loop, options, socket_port(s.fds[0]), first_creation);
    for (unsigned i = 0; i < s.count; i++, io->acceptor_count++, io->handles++) {
        if (acceptor_open(&io->acceptors[i], loop, s.fds[i], &acceptor_fns, io) != MESH_OK) {
            close_from(&s, i);
            shut(io);
            return UV_EIO;
        }
    }
    log_write(io->logger, MESH_LOG_INFO, "epmd listens", log_number("port", io->port));
    *out = io;
    return 0;
}

uint16_t epmd_io_port(const struct epmd_io *io)
{
    return io->port;
}
