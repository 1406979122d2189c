/* Links: the bytes of connections that are up, each on the loop of its worker.
 *
 * Those who send put messages into the outbox under the link's lock, and give the link's worker one errand if it has
 * none yet. The worker flushes at its next poll, so that all that its handlers have sent until then leaves in one
 * writev; a worker that has nothing else to do polls at once. What the socket does not take waits for the loop to say
 * that it is writable. Reading never waits for writing: two nodes that send each other more than fits would stop.
 *
 * A link ends in link_end, on its worker, once, whatever the reason; worker 0 is told last. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "dist/flags.h"
#include "dist/net_io.h"

enum {
    READS_AT_ONCE = 4,         /* of NET_READ_BYTES, before others on the worker have a turn */
    FLUSH_BYTES = 1024 * 1024, /* the same for writing */
    LEAVE_MS = 2000
};

/* ---- life -------------------------------------------------------------------------------------------------------- */

static void start(struct worker *w, struct errand *e);
static void flush_errand(struct worker *w, struct errand *e);
static void end_errand(struct worker *w, struct errand *e);

struct net_link *link_create(struct net *net, int fd, const struct handshake *h, uint64_t conn, mesh_bytes early,
                             mesh_bytes late)
{
    struct net_link *link = must_calloc(1, sizeof *link);
    pthread_condattr_t monotonic;
    const mesh_bytes name = mesh_str(h->peer);
    atomic_init(&link->refs, 1);
    link->net = net;
    link->conn = conn;
    link->flags = h->flags;
    link->creation = h->peer_creation;
    link->hash = net_hash(name);
    link->shard = &net->shards[link->hash % net->shard_count];
    memcpy(link->peer, name.data, name.len);
    pthread_mutex_init(&link->room_lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&link->room, &monotonic);
    pthread_condattr_destroy(&monotonic);
    outbox_init(&link->outbox, &net->options.send);
    if (late.len > 0)
        outbox_put_raw(&link->outbox, late);
    link->fd = fd;
    frame_reader_init(&link->reader, &net->options.receive);
    mesh_buf_init(&link->early);
    mesh_buf_init(&link->expected);
    if (mesh_buf_append(&link->early, early.data, early.len) != MESH_OK)
        link->short_of_memory = true; /* start ends it */
    link->start.run = start;
    link->flush.run = flush_errand;
    link->end.run = end_errand;
    link->over.run = net_link_over;
    return link;
}

void link_start(struct net_link *link)
{
    worker_errand(link->shard->worker, &link->start);
}

struct net_link *net_link_hold(struct net_link *link)
{
    atomic_fetch_add_explicit(&link->refs, 1, memory_order_relaxed);
    return link;
}

void net_link_release(struct net_link *link)
{
    /* Acquire-release: whoever frees it sees what all others did before they let go. */
    if (atomic_fetch_sub_explicit(&link->refs, 1, memory_order_acq_rel) > 1)
        return;
    outbox_fini(&link->outbox);
    mesh_buf_fini(&link->early);
    mesh_buf_fini(&link->expected);
    pthread_mutex_destroy(&link->room_lock);
    pthread_cond_destroy(&link->room);
    free(link);
}

const char *net_link_peer(const struct net_link *link)
{
    return link->peer;
}

uint32_t net_link_creation(const struct net_link *link)
{
    return link->creation;
}

uint64_t net_link_flags(const struct net_link *link)
{
    return link->flags;
}

void net_link_set_user(struct net_link *link, void *user)
{
    link->user = user;
}

void *net_link_user(const struct net_link *link)
{
    return link->user;
}

int net_link_expect(struct net_link *link, mesh_bytes control)
{
    return mesh_buf_append(&link->expected, control.data, control.len);
}

/* ---- ending ------------------------------------------------------------------------------------------------------ */

static void on_poll_closed(uv_handle_t *handle)
{
    struct net_link *link = handle->data;
    worker_read_no_more(link->shard->worker);
    worker_unwatch(link->shard->worker);
    net_link_release(link);
}

static void leave_shard(struct net_link *link)
{
    struct net_shard *shard = link->shard;
    *(link->shard_prev ? &link->shard_prev->shard_next : &shard->links) = link->shard_next;
    if (link->shard_next != NULL)
        link->shard_next->shard_prev = link->shard_prev;
    if (shard->links == NULL)
        uv_timer_stop(&shard->tick);
}

/* After what those who wait look at has changed. Whoever looked before that had the spin lock before this thread, which
 * so sees that he is counted, and gets room_lock when he sleeps. */
static void tell_of_room(struct net_link *link)
{
    if (atomic_load_explicit(&link->awaiting, memory_order_relaxed) == 0)
        return;
    pthread_mutex_lock(&link->room_lock);
    pthread_cond_broadcast(&link->room);
    pthread_mutex_unlock(&link->room_lock);
}

static void link_end(struct net_link *link, enum net_why why, enum refusal refusal)
{
    struct net *net = link->net;
    const struct net_reason reason = {why, refusal};
    if (link->ended)
        return;
    link->ended = true;
    atomic_store_explicit(&link->end_asked, true, memory_order_relaxed); /* no need to ask any more */
    atomic_store_explicit(&link->up, false, memory_order_release);
    spin_lock(&link->lock);
    link->closed = true;
    outbox_finish(&link->outbox, &link->batch);
    outbox_fini(&link->outbox);
    spin_unlock(&link->lock);
    tell_of_room(link);
    leave_shard(link);
    if (link->poll.data != NULL)
        uv_close((uv_handle_t *)&link->poll, on_poll_closed);
    if (why ==
        NET_SILENT) /* it may hear us all the same, but what it gets late or cannot acknowledge holds an end up */
        socket_abort(link->fd);
    close(link->fd);
    frame_reader_fini(&link->reader);
    net_count(&net->downs, 1);
    net->ops->down(net->context, link, &reason);
    worker_errand(&net->runtime->workers[0], &link->over);
}

void link_ask_end(struct net_link *link, enum net_why why)
{
    if (atomic_exchange_explicit(&link->end_asked, true, memory_order_relaxed))
        return;
    link->end_why = why; /* only whoever asked first; the errand carries it over */
    net_link_hold(link);
    worker_errand(link->shard->worker, &link->end);
}

void net_disconnect(struct net_link *link)
{
    link_ask_end(link, NET_DISCONNECTED);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void on_ready(uv_poll_t *poll, int status, int events);

static void set_polled(struct net_link *link, int events)
{
    if (link->polled == events)
        return;
    link->polled = events;
    uv_poll_start(&link->poll, events, on_ready);
}

/* The next batch, in place of one that is written; false when nothing waits. */
static bool next_batch(struct net_link *link)
{
    spin_lock(&link->lock);
    bool had = link->batch.count > 0;
    outbox_finish(&link->outbox, &link->batch);
    bool more = outbox_fill(&link->outbox, &link->batch);
    spin_unlock(&link->lock);
    if (had)
        tell_of_room(link);
    return more;
}

static void flush(struct net_link *link)
{
    struct outbox_batch *batch = &link->batch;
    for (size_t written = 0; written < FLUSH_BYTES;) {
        if (batch->at == batch->count && !next_batch(link)) {
            if (link->leaving_ms != 0)
                link_end(link, link->end_why, REFUSAL_NONE);
            else
                set_polled(link, UV_READABLE);
            return;
        }
        ssize_t n = socket_write(link->fd, batch->stretches + batch->at, batch->count - batch->at);
        if (n == -EAGAIN)
            break;
        if (n < 0) {
            link_end(link, NET_BROKEN, REFUSAL_NONE);
            return;
        }
        outbox_wrote(batch, (size_t)n);
        written += (size_t)n;
        link->wrote = true;
        net_count(&link->net->bytes_out, (uint64_t)n);
    }
    set_polled(link, UV_READABLE | UV_WRITABLE);
}

static struct net_link *link_of(struct errand *e, size_t offset)
{
    return (struct net_link *)((char *)e - offset);
}

static void flush_errand(struct worker *w, struct errand *e)
{
    struct net_link *link = link_of(e, offsetof(struct net_link, flush));
    (void)w;
    spin_lock(&link->lock);
    link->flush_given = false;
    spin_unlock(&link->lock);
    if (!link->ended)
        flush(link);
    net_link_release(link);
}

static bool waits(struct net_link *link)
{
    spin_lock(&link->lock);
    bool any = link->batch.at < link->batch.count || !outbox_is_empty(&link->outbox);
    spin_unlock(&link->lock);
    return any;
}

/* The node stops, and has still something to say, such as a large answer: nothing is added, and the end follows when
 * all is written, or after LEAVE_MS. */
static void leave(struct net_link *link)
{
    spin_lock(&link->lock);
    link->closed = true;
    spin_unlock(&link->lock);
    tell_of_room(link);
    uv_update_time(&link->shard->worker->loop);
    link->leaving_ms = uv_now(&link->shard->worker->loop);
}

static void end_errand(struct worker *w, struct errand *e)
{
    struct net_link *link = link_of(e, offsetof(struct net_link, end));
    (void)w;
    if (!link->ended && link->end_why != NET_REPLACED)
        flush(link);
    if (!link->ended && link->end_why == NET_STOPPING && waits(link))
        leave(link);
    else
        link_end(link, link->end_why, REFUSAL_NONE);
    net_link_release(link);
}

/* ---- sending ----------------------------------------------------------------------------------------------------- */

static int put(struct net_link *link, const struct outbox_message *m)
{
    spin_lock(&link->lock);
    int error = link->closed ? MESH_ESTOPPED : outbox_put(&link->outbox, m);
    bool give = error == MESH_OK && !link->flush_given;
    if (give)
        link->flush_given = true;
    spin_unlock(&link->lock);
    if (give) {
        net_link_hold(link);
        worker_errand(link->shard->worker, &link->flush);
    }
    return error;
}

struct await_room {
    struct net_link *link;
    size_t body_bytes;
    struct timespec until;
};

static bool is_worth_trying(struct net_link *link, size_t body_bytes)
{
    spin_lock(&link->lock);
    bool worth = link->closed || outbox_has_room(&link->outbox, body_bytes);
    spin_unlock(&link->lock);
    return worth;
}

/* In a thread that may block. */
static void await_room(void *arg)
{
    struct await_room *a = arg;
    struct net_link *link = a->link;
    int error = 0;
    pthread_mutex_lock(&link->room_lock);
    atomic_fetch_add_explicit(&link->awaiting, 1, memory_order_relaxed); /* the spin lock makes it visible */
    while (error == 0 && !is_worth_trying(link, a->body_bytes))
        error = pthread_cond_timedwait(&link->room, &link->room_lock, &a->until);
    atomic_fetch_sub_explicit(&link->awaiting, 1, memory_order_relaxed);
    pthread_mutex_unlock(&link->room_lock);
}

int net_send(struct net_link *link, const struct outbox_message *m, uint32_t wait_ms)
{
    int error = put(link, m);
    if (error != MESH_EBUSY || wait_ms == 0)
        return error;
    const uint64_t until_ns = clock_now_ns() + (uint64_t)wait_ms * 1000000;
    struct await_room a = {.link = link,
                           .body_bytes = m->control.len + m->message.len,
                           .until = {(time_t)(until_ns / 1000000000), (long)(until_ns % 1000000000)}};
    do { /* whoever is woken may find that another one was quicker */
        error = task_blocking(link->net->runtime, await_room, &a);
        if (error == MESH_OK)
            error = put(link, m);
    } while (error == MESH_EBUSY && clock_now_ns() < until_ns);
    return error;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static void refuse(struct net_link *link, enum refusal refusal)
{
    net_refused(link->net, mesh_str(link->peer), refusal);
    link_end(link, NET_REFUSED, refusal);
}

static bool is_expected(const struct net_link *link, mesh_bytes body)
{
    const mesh_buf *e = &link->expected;
    return e->len > 0 && body.len > e->len && memcmp(body.data, e->data, e->len) == 0;
}

static enum refusal tell(struct net_link *link, const struct frame *frame)
{
    struct net *net = link->net;
    struct control control;
    if (is_expected(link, frame->body)) {
        const size_t at = link->expected.len;
        const mesh_bytes message = {(const uint8_t *)frame->body.data + at, frame->body.len - at};
        return net->ops->expected(net->context, link, message, frame->block) ? REFUSAL_NONE : REFUSAL_TERM;
    }
    enum refusal why = control_read(frame->body, mesh_str(link->peer), &net->terms, &control);
    if (why == REFUSAL_NONE)
        net->ops->message(net->context, link, &control, frame->block);
    return why;
}

static void feed(struct net_link *link, mesh_bytes in)
{
    struct frame frame;
    enum refusal why = REFUSAL_NONE;
    uint64_t messages = 0;
    for (enum frame_event event; why == REFUSAL_NONE;) {
        event = frame_read(&link->reader, &in, &frame, &why);
        if (event == FRAME_MORE)
            break;
        if (event != FRAME_MESSAGE)
            continue; /* a tick; or refused, which ends the loop */
        why = tell(link, &frame);
        messages += why == REFUSAL_NONE;
    }
    if (messages > 0)
        net_count(&link->net->messages_in, messages);
    if (why != REFUSAL_NONE)
        refuse(link, why);
}

/* Whether anything had come. */
static bool read_some(struct net_link *link)
{
    uint8_t *buffer = link->shard->buffer;
    bool any = false;
    for (int i = 0; i < READS_AT_ONCE && !link->ended; i++) {
        ssize_t n = socket_read(link->fd, buffer, NET_READ_BYTES);
        if (n == -EAGAIN)
            break;
        if (n <= 0) {
            link_end(link, n == 0 ? NET_CLOSED : NET_BROKEN, REFUSAL_NONE);
            break;
        }
        any = true;
        link->heard_ms = uv_now(&link->shard->worker->loop);
        net_count(&link->net->bytes_in, (uint64_t)n);
        feed(link, (mesh_bytes){buffer, (size_t)n});
        if (n < NET_READ_BYTES)
            break;
    }
    return any;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct net_link *link = poll->data;
    if (status < 0) { /* libuv polls no longer: what has come before the error is read, and then the error */
        while (!link->ended && read_some(link))
            ;
        link_end(link, NET_BROKEN, REFUSAL_NONE); /* unless that has ended it */
        return;
    }
    if (events & UV_READABLE)
        read_some(link);
    if ((events & UV_WRITABLE) && !link->ended)
        flush(link);
}

/* ---- ticks ------------------------------------------------------------------------------------------------------- */

/* How long a peer may be silent. A node of this kind ticks more often, since its shards wait for others to serve. */
static uint32_t silence_ms(const struct net_link *link)
{
    const struct net_options *o = &link->net->options;
    return link->flags & DIST_MESH ? o->probe_ms : o->ticktime_ms;
}

/* A tick, if nothing has been written since the last look and nothing waits to be: four times in the time of silence.
 */
static void tick(struct net_link *link, uint64_t now_ms)
{
    if (now_ms - link->ticked_ms < silence_ms(link) / 4)
        return;
    bool idle = !link->wrote && link->batch.at == link->batch.count;
    link->wrote = false;
    link->ticked_ms = now_ms;
    if (!idle)
        return;
    spin_lock(&link->lock);
    if (outbox_is_empty(&link->outbox))
        outbox_put_raw(&link->outbox, (mesh_bytes){FRAME_TICK_BYTES, 4});
    spin_unlock(&link->lock);
    flush(link);
}

/* After a time in which this process did not run, what has come meanwhile is still in the socket. */
static bool is_silent(struct net_link *link, uint64_t now_ms)
{
    if (now_ms - link->heard_ms < silence_ms(link))
        return false;
    if (read_some(link))
        return false;
    return !link->ended;
}

static uint32_t interval_ms(const struct net_shard *shard)
{
    return shard->net->options.probe_ms / 4; /* the shorter of the two times */
}

/* A look that comes late: this process did not run, and perhaps the whole machine did not, so that nobody on it could
 * say anything. That time is no silence of the peers. */
static void excuse(struct net_shard *shard, uint64_t now_ms)
{
    const uint64_t late_ms = now_ms - shard->looked_ms;
    shard->looked_ms = now_ms;
    if (late_ms < 2 * (uint64_t)interval_ms(shard))
        return;
    for (struct net_link *link = shard->links; link != NULL; link = link->shard_next) {
        const uint64_t heard_ms = link->heard_ms + late_ms - interval_ms(shard);
        link->heard_ms = heard_ms < now_ms ? heard_ms : now_ms;
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct net_shard *shard = timer->data;
    struct net_link *next;
    const uint64_t now_ms = uv_now(&shard->worker->loop);
    excuse(shard, now_ms);
    for (struct net_link *link = shard->links; link != NULL; link = next) {
        next = link->shard_next;
        if (is_silent(link, now_ms))
            link_end(link, NET_SILENT, REFUSAL_NONE);
        else if (link->leaving_ms != 0 && now_ms - link->leaving_ms >= LEAVE_MS)
            link_end(link, link->end_why, REFUSAL_NONE);
        else if (!link->ended)
            tick(link, now_ms);
    }
}

/* ---- the worker's part ------------------------------------------------------------------------------------------- */

static void enter_shard(struct net_link *link)
{
    struct net_shard *shard = link->shard;
    link->shard_next = shard->links;
    if (shard->links != NULL) {
        shard->links->shard_prev = link;
    } else {
        shard->looked_ms = uv_now(&shard->worker->loop);
        uv_timer_start(&shard->tick, on_tick, interval_ms(shard), interval_ms(shard));
    }
    shard->links = link;
}

/* The link comes up: that is told first, then reading starts, with what has come behind the handshake. */
static void start(struct worker *w, struct errand *e)
{
    struct net_link *link = link_of(e, offsetof(struct net_link, start));
    struct net *net = link->net;
    uv_update_time(&w->loop);
    link->heard_ms = link->ticked_ms = uv_now(&w->loop);
    enter_shard(link);
    net_count(&net->ups, 1);
    atomic_store_explicit(&link->up, true, memory_order_release);
    net->ops->up(net->context, link);
    if (link->short_of_memory || uv_poll_init(&w->loop, &link->poll, link->fd) != 0) {
        link_end(link, NET_BROKEN, REFUSAL_NONE);
        return;
    }
    link->poll.data = net_link_hold(link);
    worker_watch(w);
    worker_read_on(w);
    flush(link);
    if (!link->ended)
        feed(link, mesh_buf_bytes(&link->early));
    mesh_buf_fini(&link->early);
    mesh_buf_init(&link->early);
}

static void open_shard(struct worker *w, struct errand *e)
{
    struct net_shard *shard = (struct net_shard *)((char *)e - offsetof(struct net_shard, open));
    uv_timer_init(&w->loop, &shard->tick);
    shard->tick.data = shard;
}

static void on_shard_closed(uv_handle_t *handle)
{
    struct net_shard *shard = handle->data;
    struct net *net = shard->net;
    worker_unwatch(shard->worker);
    /* Acquire-release: what each worker did with its part is over when the last one says so. */
    if (atomic_fetch_sub_explicit(&net->open_shards, 1, memory_order_acq_rel) > 1)
        return;
    pthread_mutex_lock(&net->lock);
    net->stopped = true;
    pthread_cond_broadcast(&net->changed);
    pthread_mutex_unlock(&net->lock);
}

static void close_shard(struct worker *w, struct errand *e)
{
    struct net_shard *shard = (struct net_shard *)((char *)e - offsetof(struct net_shard, close));
    assert(shard->links == NULL);
    worker_watch(w);
    uv_close((uv_handle_t *)&shard->tick, on_shard_closed);
}

void shard_init(struct net_shard *shard, struct net *net, struct worker *w)
{
    shard->net = net;
    shard->worker = w;
    shard->buffer = must_calloc(1, NET_READ_BYTES);
    shard->open.run = open_shard;
    shard->close.run = close_shard;
}
