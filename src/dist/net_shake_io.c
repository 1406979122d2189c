/* Attempts: connections until they are up. All of it is on worker 0, which alone touches the table of peers.
 *
 * A *shake* is a dial, from when its peer's epmd is asked (net_dial_io.c), or an accepted connection. It ends once, in
 * shake_end with a reason, or by becoming a link. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/random.h"
#include "dist/net_io.h"

enum { SHAKE_READ_BYTES = 2048 };

/* ---- life of an attempt ------------------------------------------------------------------------------------------ */

struct shake *shake_create(struct net *net, uint32_t challenge)
{
    struct shake *s = must_calloc(1, sizeof *s);
    s->net = net;
    s->conn = net->last_conn;
    s->challenge = challenge;
    s->deadline_ms = net_now_ms() + HANDSHAKE_TIMEOUT_MS;
    s->fd = -1;
    s->handles = 1;
    mesh_buf_init(&s->in);
    mesh_buf_init(&s->out);
    s->next = net->shakes;
    net->shakes = s;
    net->parts++;
    net_look_on(net);
    return s;
}

static void release(struct shake *s)
{
    struct net *net = s->net;
    assert(s->handles > 0);
    if (--s->handles > 0)
        return;
    mesh_buf_fini(&s->in);
    mesh_buf_fini(&s->out);
    free(s);
    net_part_closed(net);
}

static void on_poll_closed(uv_handle_t *handle)
{
    release(handle->data);
}

void shake_part_closed(void *context)
{
    release(context);
}

/* Takes it off the list and the loop. Its descriptor stays open. */
static void detach(struct shake *s)
{
    struct shake **at = &s->net->shakes;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    s->stage = SHAKE_OVER;
    if (s->query != NULL)
        epmd_query_cancel(s->query);
    if (s->connecting != NULL)
        connect_cancel(s->connecting);
    if (s->polls)
        uv_close((uv_handle_t *)&s->poll, on_poll_closed);
}

void shake_end(struct shake *s, enum net_why why, enum refusal refusal)
{
    struct net *net = s->net;
    if (s->stage == SHAKE_OVER)
        return;
    if (refusal != REFUSAL_NONE && refusal != REFUSAL_PEER_NOK && refusal != REFUSAL_SUPERSEDED)
        net_refused(net, mesh_str(s->name), refusal);
    detach(s);
    if (s->fd >= 0)
        close(s->fd);
    peers_closed(&net->peers, mesh_str(s->name), s->conn);
    if (s->name[0] != '\0')
        dial_reconsider(net, s->name, !s->dialling, why, refusal);
    release(s);
}

/* ---- the handshake ----------------------------------------------------------------------------------------------- */

static void on_ready(uv_poll_t *poll, int status, int events);

/* Writes what the handshake has put out. False: the connection broke. */
static bool write_out(struct shake *s)
{
    const mesh_bytes more = handshake_output(&s->handshake);
    if (mesh_buf_append(&s->out, more.data, more.len) != MESH_OK)
        return false;
    while (s->out_at < s->out.len) {
        const mesh_bytes rest = {s->out.data + s->out_at, s->out.len - s->out_at};
        ssize_t n = socket_write(s->fd, &rest, 1);
        if (n == -EAGAIN)
            return uv_poll_start(&s->poll, UV_READABLE | UV_WRITABLE, on_ready) == 0;
        if (n < 0)
            return false;
        s->out_at += (size_t)n;
    }
    mesh_buf_clear(&s->out);
    s->out_at = 0;
    return s->stage == SHAKE_AWAITS_OLD || uv_poll_start(&s->poll, UV_READABLE, on_ready) == 0;
}

static struct net_link *find_link(struct net *net, uint64_t conn)
{
    struct net_link *link = net->links; /* only this worker changes the list */
    while (link != NULL && link->conn != conn)
        link = link->next;
    return link;
}

/* The handshake is done: the connection becomes a link. */
static void become_link(struct shake *s)
{
    struct net *net = s->net;
    const mesh_bytes late = {s->out.data + s->out_at, s->out.len - s->out_at};
    detach(s);
    struct net_link *link = link_create(net, s->fd, &s->handshake, s->conn, mesh_buf_bytes(&s->in), late);
    pthread_mutex_lock(&net->lock);
    link->next = net->links;
    net->links = link;
    pthread_mutex_unlock(&net->lock);
    dial_up(net, s->name);
    link_start(link);
    release(s);
}

static void come_up(struct shake *s)
{
    struct net *net = s->net;
    peers_set_up(&net->peers, mesh_str(s->name), s->conn);
    enum handshake_event event = handshake_finish(&s->handshake);
    assert(event == HANDSHAKE_DONE);
    (void)event;
    write_out(s); /* an error shows again when the link reads */
    become_link(s);
}

/* The peer knows the cookie. An older link to it ends first, completely. */
static void proven(struct shake *s)
{
    struct net *net = s->net;
    uint64_t old;
    if (!peers_proven(&net->peers, mesh_str(s->name), s->conn, &old)) {
        shake_end(s, NET_HANDSHAKE, REFUSAL_SUPERSEDED);
    } else if (old != 0) {
        s->stage = SHAKE_AWAITS_OLD;
        uv_poll_stop(&s->poll);
        link_ask_end(find_link(net, old), NET_REPLACED);
    } else {
        come_up(s);
    }
}

/* What to answer to a peer that has said its name; an attempt that loses by that ends. */
static enum handshake_event named(struct shake *s)
{
    struct net *net = s->net;
    uint64_t abort;
    memcpy(s->name, s->handshake.peer, sizeof s->name);
    enum handshake_status status = peers_accept(&net->peers, mesh_str(s->name), s->conn, s->challenge, &abort);
    for (struct shake *other = abort != 0 ? net->shakes : NULL; other != NULL; other = other->next)
        if (other->conn == abort) {
            shake_end(other, NET_HANDSHAKE, REFUSAL_SUPERSEDED);
            break;
        }
    return handshake_answer(&s->handshake, status);
}

/* Goes on with what has come. */
static void talk(struct shake *s)
{
    struct net *net = s->net;
    mesh_bytes in = mesh_buf_bytes(&s->in);
    enum handshake_event event;
    do {
        event = handshake_feed(&s->handshake, &in, net_now_ms());
        if (event == HANDSHAKE_NAMED)
            event = named(s);
        else if (event == HANDSHAKE_ASKED)
            event = handshake_insist(&s->handshake, peers_wants(&net->peers, mesh_str(s->name), s->conn));
    } while (event == HANDSHAKE_MORE && in.len > 0);
    if (in.len > 0)
        memmove(s->in.data, in.data, in.len);
    s->in.len = in.len;
    bool written = write_out(s);
    if (event == HANDSHAKE_FAILED)
        shake_end(s, NET_HANDSHAKE, s->handshake.why);
    else if (!written)
        shake_end(s, NET_HANDSHAKE, REFUSAL_NONE);
    else if (event == HANDSHAKE_PROVEN)
        proven(s);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct shake *s = poll->data;
    (void)status; /* reading tells the error */
    if ((events & UV_WRITABLE) && !write_out(s)) {
        shake_end(s, NET_HANDSHAKE, REFUSAL_NONE);
        return;
    }
    if (mesh_buf_reserve(&s->in, SHAKE_READ_BYTES) != MESH_OK) {
        shake_end(s, NET_HANDSHAKE, REFUSAL_MEMORY);
        return;
    }
    ssize_t n = socket_read(s->fd, s->in.data + s->in.len, SHAKE_READ_BYTES);
    if (n == -EAGAIN)
        return;
    if (n <= 0) {
        shake_end(s, NET_HANDSHAKE, REFUSAL_NONE);
        return;
    }
    net_count(&s->net->bytes_in, (uint64_t)n);
    s->in.len += (size_t)n;
    talk(s);
}

/* Has the loop watch the connection; what it is closed by when that fails is the caller's. */
static bool watch(struct shake *s, int fd)
{
    struct net *net = s->net;
    if (uv_poll_init(net->look.loop, &s->poll, fd) != 0)
        return false;
    s->poll.data = s;
    s->polls = true;
    s->handles++;
    s->stage = SHAKE_TALKS;
    return uv_poll_start(&s->poll, UV_READABLE, on_ready) == 0;
}

/* ---- accepting --------------------------------------------------------------------------------------------------- */

void shake_accept(struct net *net, int fd)
{
    uint32_t challenge;
    net_count(&net->accepted, 1);
    if (!peers_admit(&net->peers)) {
        net_count(&net->turned_away, 1);
        log_limited(&net->runtime->log, &net->log_accept, clock_now_ns(), MESH_LOG_WARN,
                    "a connection was turned away: too many handshakes are under way",
                    log_number("under_way", net->peers.half_open));
        close(fd);
        return;
    }
    if (random_bytes(&challenge, sizeof challenge) != MESH_OK) {
        peers_closed(&net->peers, (mesh_bytes){NULL, 0}, 0);
        close(fd);
        return;
    }
    net->last_conn++;
    struct shake *s = shake_create(net, challenge);
    s->fd = fd;
    socket_tune(fd, net->options.ticktime_ms);
    handshake_accept(&s->handshake, &net->config, challenge, net_now_ms());
    if (!watch(s, fd))
        shake_end(s, NET_HANDSHAKE, REFUSAL_NONE);
}

/* ---- dialled --------------------------------------------------------------------------------------------------- */

void shake_dialled(struct shake *s, int fd)
{
    struct net *net = s->net;
    s->fd = fd;
    socket_tune(fd, net->options.ticktime_ms);
    enum handshake_event event =
        handshake_dial(&s->handshake, &net->config, mesh_str(s->name), s->challenge, net_now_ms());
    if (event == HANDSHAKE_FAILED)
        shake_end(s, NET_HANDSHAKE, s->handshake.why);
    else if (!watch(s, fd) || !write_out(s))
        shake_end(s, NET_UNREACHED, REFUSAL_NONE);
}

/* ---- what comes from others -------------------------------------------------------------------------------------- */

void shake_link_over(struct net *net, const char *name, uint64_t conn)
{
    peers_closed(&net->peers, mesh_str(name), conn);
    struct shake *s = net->shakes;
    while (s != NULL && (s->stage != SHAKE_AWAITS_OLD || strcmp(s->name, name) != 0))
        s = s->next;
    if (s != NULL)
        come_up(s);
    else
        dial_reconsider(net, name, true, NET_BROKEN, REFUSAL_NONE);
}

/* The first attempt whose time is over; ending one can end others, so each search begins anew. */
static struct shake *find_late(struct net *net, uint64_t now_ms)
{
    struct shake *s = net->shakes;
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what has ended is no longer in the list */
    while (s != NULL && s->deadline_ms > now_ms)
        s = s->next;
    return s;
}

void shake_look(struct net *net, uint64_t now_ms)
{
    for (struct shake *s; (s = find_late(net, now_ms)) != NULL;)
        shake_end(s, NET_TIMEOUT, s->dialling ? REFUSAL_NONE : REFUSAL_TIMEOUT);
}

void shake_stop(struct net *net)
{
    while (net->shakes != NULL)
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): likewise */
        shake_end(net->shakes, NET_STOPPING, REFUSAL_NONE);
}
