/* The query owns a timer, at most one connection, and at most one look-up of the host. `pending` counts what libuv
 * still has of it; when that is nothing, it frees itself. A failure found while starting something waits for the timer,
 * so that no caller is called back from inside its own call. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <mesh/term.h>

#include "base/alloc.h"
#include "discovery/epmd_query_io.h"
#include "discovery/epmd_reply.h"

enum { ADDRESSES_MAX = 4, READ_BYTES = 2048 };

struct epmd_query {
    const struct epmd_query_fns *fns;
    void *context;
    uv_loop_t *loop;
    uv_timer_t timer;
    uv_getaddrinfo_t resolve;
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } addresses[ADDRESSES_MAX];
    size_t count, tried;
    mesh_buf reply;
    unsigned pending;
    int error; /* what the timer will tell */
    uint16_t port;
    bool resolving, tcp_open, done; /* tcp_open: until its handle has closed */
};

static void try_next(struct epmd_query *q);

static void release(struct epmd_query *q)
{
    assert(q->pending > 0);
    if (--q->pending > 0)
        return;
    mesh_buf_fini(&q->reply);
    const struct epmd_query_fns *fns = q->fns;
    void *context = q->context;
    free(q);
    fns->closed(context);
}

static void on_timer_closed(uv_handle_t *handle)
{
    release(handle->data);
}

static void on_tcp_closed(uv_handle_t *handle)
{
    struct epmd_query *q = handle->data;
    q->tcp_open = false;
    if (!q->done)
        try_next(q);
    release(q);
}

static void close_tcp(struct epmd_query *q)
{
    if (q->tcp_open && !uv_is_closing((uv_handle_t *)&q->tcp))
        uv_close((uv_handle_t *)&q->tcp, on_tcp_closed);
}

/* Nothing more will be told: closes all that is open. */
static void shut(struct epmd_query *q)
{
    q->done = true;
    close_tcp(q);
    if (q->resolving)
        uv_cancel((uv_req_t *)&q->resolve); /* fails when it runs already: its callback comes in any case */
    uv_close((uv_handle_t *)&q->timer, on_timer_closed);
}

static void finish(struct epmd_query *q, int error)
{
    if (q->done)
        return;
    shut(q);
    q->fns->answered(q->context, error, mesh_buf_bytes(&q->reply));
}

static void on_timer(uv_timer_t *timer)
{
    struct epmd_query *q = timer->data;
    finish(q, q->error);
}

/* Tells an error in the loop's next turn. */
static void fail_soon(struct epmd_query *q, int error)
{
    q->error = error;
    uv_timer_start(&q->timer, on_timer, 0, 0);
}

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct epmd_query *q = handle->data;
    (void)suggested;
    bool room = mesh_buf_reserve(&q->reply, READ_BYTES) == MESH_OK; /* on_read ends what grows too long */
    *buf = uv_buf_init(room ? (char *)q->reply.data + q->reply.len : NULL, room ? READ_BYTES : 0);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct epmd_query *q = stream->data;
    (void)buf; /* it is behind the reply */
    if (n > 0)
        q->reply.len += (size_t)n;
    if (q->reply.len > EPMD_REPLY_MAX_BYTES)
        finish(q, UV_E2BIG);
    else if (n < 0)
        finish(q, n == UV_EOF ? 0 : (int)n);
}

static void on_written(uv_write_t *write, int error)
{
    struct epmd_query *q = write->data;
    if (error != 0)
        finish(q, error);
}

static void on_connected(uv_connect_t *connect, int error)
{
    struct epmd_query *q = connect->data;
    if (q->done)
        return;
    uv_buf_t question = uv_buf_init((char *)(uintptr_t)EPMD_NAMES_QUESTION, EPMD_NAMES_QUESTION_BYTES);
    if (error == 0)
        error = uv_read_start((uv_stream_t *)&q->tcp, give_buffer, on_read);
    if (error == 0)
        error = uv_write(&q->write, (uv_stream_t *)&q->tcp, &question, 1, on_written);
    if (error != 0) {
        q->error = error;
        close_tcp(q); /* and goes on with the next address */
    }
}

static void try_next(struct epmd_query *q)
{
    if (q->tried == q->count) {
        fail_soon(q, q->error);
        return;
    }
    const struct sockaddr *address = &q->addresses[q->tried++].any;
    uv_tcp_init(q->loop, &q->tcp); /* opens nothing yet, and so cannot fail */
    q->pending++;
    q->tcp_open = true;
    int error = uv_tcp_connect(&q->connect, &q->tcp, address, on_connected);
    if (error != 0) {
        q->error = error;
        close_tcp(q);
    }
}

static void add_address(struct epmd_query *q, const struct sockaddr *address)
{
    if (q->count == ADDRESSES_MAX)
        return;
    if (address->sa_family == AF_INET) {
        memcpy(&q->addresses[q->count].v4, address, sizeof(struct sockaddr_in));
        q->addresses[q->count++].v4.sin_port = htons(q->port);
    } else if (address->sa_family == AF_INET6) {
        memcpy(&q->addresses[q->count].v6, address, sizeof(struct sockaddr_in6));
        q->addresses[q->count++].v6.sin6_port = htons(q->port);
    }
}

static void on_resolved(uv_getaddrinfo_t *resolve, int error, struct addrinfo *found)
{
    struct epmd_query *q = resolve->data;
    q->resolving = false;
    for (const struct addrinfo *a = found; a != NULL; a = a->ai_next)
        add_address(q, a->ai_addr);
    uv_freeaddrinfo(found);
    if (!q->done) {
        q->error = error != 0 ? error : UV_EAI_NONAME;
        try_next(q);
    }
    release(q);
}

static int resolve(struct epmd_query *q, const char *host)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    int error = uv_getaddrinfo(q->loop, &q->resolve, on_resolved, host, NULL, &hints);
    q->resolving = error == 0;
    q->pending += error == 0;
    return error;
}

struct epmd_query *epmd_query_start(uv_loop_t *loop, const char *host, uint16_t port, const struct epmd_query_fns *fns,
                                    void *context)
{
    struct epmd_query *q = must_calloc(1, sizeof *q);
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    q->fns = fns;
    q->context = context;
    q->loop = loop;
    q->port = port;
    q->error = UV_ETIMEDOUT;
    mesh_buf_init(&q->reply);
    q->timer.data = q->resolve.data = q->tcp.data = q->connect.data = q->write.data = q;
    uv_timer_init(loop, &q->timer);
    uv_timer_start(&q->timer, on_timer, EPMD_QUERY_MS, 0);
    q->pending = 1;
    bool literal = true;
    if (uv_ip4_addr(host, port, &v4) == 0)
        add_address(q, (const struct sockaddr *)&v4);
    else if (uv_ip6_addr(host, port, &v6) == 0)
        add_address(q, (const struct sockaddr *)&v6);
    else
        literal = false;
    int error = literal ? 0 : resolve(q, host);
    if (error != 0)
        fail_soon(q, error);
    else if (literal)
        try_next(q);
    return q;
}

void epmd_query_cancel(struct epmd_query *q)
{
    if (!q->done)
        shut(q);
}
