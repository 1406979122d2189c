/* To other nodes: what the runtime has for processes abroad, and what waits for connections. See foreign_state.h.
 *
 * A message to a node that has a link takes no lock. It may do so only while nothing waits anywhere: else it could
 * overtake what its own sender has waiting. Whoever reads 0 in foreign->waiting finds what has waited sent before. */
#include <stdlib.h>
#include <string.h>

#include "node/foreign_state.h"

static mesh_term term_or_nil(mesh_term term)
{
    return payload_term(&(struct payload){.data = term.data, .len = term.len});
}

static int put_own(const struct foreign *f, mesh_buf *out, uint64_t number)
{
    mesh_pid pid;
    runtime_pid(f->runtime, number, &pid);
    return mesh_put_pid(out, &pid);
}

static int put_own_ref(const struct foreign *f, mesh_buf *out, uint64_t number)
{
    mesh_ref ref;
    runtime_make_ref(f->runtime, number, &ref);
    return mesh_put_ref(out, &ref);
}

/* ---- waiting ---- */

static mesh_term keep(struct waiting *w, mesh_term term)
{
    if (term.len == 0)
        return (mesh_term){0};
    uint8_t *at = w->bytes + w->len;
    memcpy(at, term.data, term.len);
    w->len += term.len;
    return (mesh_term){at, term.len, NULL};
}

/* must: it follows on something that waits already, so that it is bounded by that. */
static int wait_for(struct foreign *f, struct foreign_peer *peer, const struct control *c, uint64_t sender, bool must)
{
    size_t len = c->from.len + c->to.len + c->ref.len + c->message.len;
    uint32_t waiting = atomic_load_explicit(&f->waiting, memory_order_relaxed);
    if (!must && (waiting >= f->limits.waiting || len > f->limits.waiting_bytes ||
                  f->waiting_bytes > f->limits.waiting_bytes - len))
        return MESH_EBUSY;
    struct waiting *w = malloc(sizeof *w + len);
    if (w == NULL)
        return MESH_ENOMEM;
    *w = (struct waiting){.control = {.kind = c->kind, .id = c->id}, .sender = sender};
    w->control.from = keep(w, c->from);
    w->control.to = keep(w, c->to);
    w->control.ref = keep(w, c->ref);
    w->control.message = keep(w, c->message);
    *peer->tail = w;
    peer->tail = &w->next;
    f->waiting_bytes += len;
    atomic_store_explicit(&f->waiting, waiting + 1, memory_order_relaxed);
    return MESH_OK;
}

static bool is_message(enum control_kind kind)
{
    return kind == CONTROL_SEND || kind == CONTROL_EXIT2;
}

/* The connection was awaited; what waits is sent, or not. */
static void end_waiting(struct foreign *f, struct foreign_peer *peer, bool send)
{
    uint32_t waiting = atomic_load_explicit(&f->waiting, memory_order_relaxed);
    for (struct waiting *next, *w = peer->waiting; w != NULL; w = next) {
        next = w->next;
        if (send)
            send = f->ops.send(f->context, foreign_peer_name(peer), &w->control, w->sender) != MESH_ENOPROCESS;
        if (!send && is_message(w->control.kind))
            count_dropped(f);
        waiting--;
        f->waiting_bytes -= w->len;
        free(w);
    }
    peer->waiting = NULL;
    peer->tail = &peer->waiting;
    peer->connecting = false;
    /* Release: pairs with the acquire in abroad_send. */
    atomic_store_explicit(&f->waiting, waiting, memory_order_release);
}

void foreign_send_waiting(struct foreign *f, struct foreign_peer *peer)
{
    end_waiting(f, peer, true);
}

void foreign_drop_waiting(struct foreign *f, struct foreign_peer *peer)
{
    end_waiting(f, peer, false);
}

/* Sends what begins something; asks for a connection if there is none, and lets it wait for that. */
static int send_or_connect(struct foreign *f, mesh_bytes name, const struct control *c, uint64_t sender)
{
    struct foreign_peer *peer = foreign_peer_find(f, name);
    if (peer != NULL && peer->connecting)
        return wait_for(f, peer, c, sender, false);
    if (f->ops.send(f->context, name, c, sender) != MESH_ENOPROCESS)
        return MESH_OK; /* if anything was wrong, the link ends, and that will be told */
    peer = foreign_peer_get(f, name);
    if (peer == NULL)
        return MESH_ENOMEM;
    int rc = wait_for(f, peer, c, sender, false);
    peer->connecting = rc == MESH_OK;
    if (rc == MESH_OK)
        f->ops.connect(f->context, foreign_peer_name(peer));
    else
        foreign_peer_let_go(f, peer);
    return rc;
}

/* Sends what follows on something that may wait. Where there is no memory to let it wait, the other side will have a
 * tie that is none here any more, until it ends. */
static void send_behind(struct foreign *f, mesh_bytes name, const struct control *c, uint64_t sender)
{
    struct foreign_peer *peer = foreign_peer_find(f, name);
    if (peer != NULL && peer->connecting)
        wait_for(f, peer, c, sender, true);
    else
        f->ops.send(f->context, name, c, sender);
}

/* ---- answers ---- */

void foreign_send_answer(struct foreign *f, mesh_bytes peer, const struct control *message, uint64_t sender)
{
    if (f->ops.send(f->context, peer, message, sender) != MESH_OK)
        count_dropped(f);
}

void foreign_send_ended(struct foreign *f, mesh_bytes peer, const struct ended *e)
{
    mesh_buf from;
    mesh_buf_init(&from);
    put_own(f, &from, e->local);
    const struct control c = {
        .kind = e->kind, .from = mesh_buf_term(&from), .to = e->to, .ref = e->ref, .message = term_or_nil(e->reason)};
    send_behind(f, peer, &c, e->local);
    mesh_buf_fini(&from);
}

/* ---- struct abroad: messages ---- */

/* The lock is taken only if something waits, or has to. */
static int send_message(struct foreign *f, mesh_bytes name, const struct control *c, uint64_t sender)
{
    int rc = MESH_ENOPROCESS;
    /* Acquire: pairs with the release in end_waiting. What this sender has let wait was counted before, by himself. */
    if (atomic_load_explicit(&f->waiting, memory_order_acquire) == 0)
        rc = f->ops.send(f->context, name, c, sender);
    if (rc != MESH_ENOPROCESS)
        return MESH_OK;
    pthread_mutex_lock(&f->lock);
    rc = send_or_connect(f, name, c, sender);
    pthread_mutex_unlock(&f->lock);
    if (rc != MESH_OK)
        count_dropped(f);
    return rc;
}

static int abroad_send(void *context, const mesh_pid *pid, const struct signal *signal)
{
    struct foreign *f = context;
    struct control c = {.kind = signal->kind == MESSAGE_INFO ? CONTROL_SEND : CONTROL_EXIT2};
    uint64_t from_number = signal->from;
    mesh_buf to, from;
    mesh_buf_init(&to);
    mesh_buf_init(&from);
    if (from_number == 0 && c.kind == CONTROL_EXIT2)
        from_number = PIDS_NOBODY;
    int rc = mesh_put_pid(&to, pid);
    if (rc == MESH_OK && from_number != 0)
        rc = put_own(f, &from, from_number);
    c.to = mesh_buf_term(&to);
    c.from = mesh_buf_term(&from);
    c.message = term_or_nil(signal->term);
    if (rc == MESH_OK)
        rc = send_message(f, mesh_str(pid->node), &c, signal->from);
    mesh_buf_fini(&to);
    mesh_buf_fini(&from);
    return rc;
}

/* ---- struct abroad: ties ---- */

static uint64_t abroad_find(void *context, const mesh_pid *pid)
{
    struct foreign *f = context;
    pthread_mutex_lock(&f->lock);
    struct stand_in *s = stand_in_find(f, pid);
    uint64_t number = s != NULL ? s->number : 0;
    pthread_mutex_unlock(&f->lock);
    return number;
}

/* Says what concerns a tie to the other node. begin: it may ask for a connection, and fail. */
static int say(struct foreign *f, enum control_kind kind, const struct tie *tie, bool begin)
{
    mesh_buf from, ref;
    mesh_buf_init(&from);
    mesh_buf_init(&ref);
    int rc = put_own(f, &from, tie->local);
    if (rc == MESH_OK && tie->kind == TIE_WATCHED)
        rc = put_own_ref(f, &ref, tie->ref);
    struct control c = {
        .kind = kind, .from = mesh_buf_term(&from), .to = block_term(tie->stand_in->pid), .ref = mesh_buf_term(&ref)};
    if (kind == CONTROL_UNLINK)
        c.id = tie->ref;
    if (rc == MESH_OK && begin)
        rc = send_or_connect(f, foreign_peer_name(tie->stand_in->peer), &c, tie->local);
    else if (rc == MESH_OK)
        send_behind(f, foreign_peer_name(tie->stand_in->peer), &c, tie->local);
    mesh_buf_fini(&from);
    mesh_buf_fini(&ref);
    return rc;
}

static int begin_monitor(struct foreign *f, struct stand_in *s, const struct signal *signal)
{
    const struct tie like = {.kind = TIE_WATCHED, .local = signal->from, .ref = signal->ref, .stand_in = s};
    struct tie *tie;
    int rc = tie_add(f, &like, &tie);
    if (rc != MESH_OK)
        return rc;
    rc = say(f, CONTROL_MONITOR, tie, true);
    if (rc != MESH_OK)
        tie_remove(f, tie);
    return rc;
}

/* One that is there and not active: an unlink of ours is not acknowledged yet. The link holds all the same. One that
 * is active came from the other side, and has not been handled here. */
static int begin_link(struct foreign *f, struct stand_in *s, const struct signal *signal)
{
    const struct tie like = {.kind = TIE_LINK, .active = true, .local = signal->from, .stand_in = s};
    struct tie *tie = tie_find(f, &like);
    bool made = tie == NULL;
    if (!made && tie->active)
        return MESH_OK;
    int rc = made ? tie_add(f, &like, &tie) : MESH_OK;
    if (rc != MESH_OK)
        return rc;
    rc = say(f, CONTROL_LINK, tie, true);
    if (rc == MESH_OK)
        tie->active = true;
    else if (made)
        tie_remove(f, tie);
    return rc;
}

static int abroad_tie(void *context, const mesh_pid *pid, const struct signal *signal, uint64_t *number)
{
    struct foreign *f = context;
    struct stand_in *s;
    pthread_mutex_lock(&f->lock);
    int rc = stand_in_get(f, pid, &s);
    if (rc == MESH_OK) {
        rc = signal->kind == MESSAGE_LINK ? begin_link(f, s, signal) : begin_monitor(f, s, signal);
        if (rc == MESH_OK)
            *number = s->number;
        stand_in_release(f, s);
    }
    pthread_mutex_unlock(&f->lock);
    return rc;
}

static void on_demonitor(struct foreign *f, struct stand_in *s, const struct signal *signal)
{
    struct tie *tie = tie_find(f, &(struct tie){.kind = TIE_WATCHED, .ref = signal->ref});
    if (tie == NULL || tie->stand_in != s)
        return;
    say(f, CONTROL_DEMONITOR, tie, false);
    tie_remove(f, tie);
}

static void on_unlink(struct foreign *f, struct stand_in *s, const struct signal *signal)
{
    struct tie *tie = tie_find(f, &(struct tie){.kind = TIE_LINK, .local = signal->from, .stand_in = s});
    if (tie == NULL || !tie->active)
        return;
    tie->active = false;
    tie->ref = ++f->unlink_id;
    say(f, CONTROL_UNLINK, tie, false);
}

/* A process of this node has ended that somebody there watches. */
static void on_down(struct foreign *f, struct stand_in *s, const struct signal *signal)
{
    struct tie *tie = tie_by_ref(f, signal->ref);
    if (tie == NULL || tie->stand_in != s)
        return;
    foreign_send_ended(f, foreign_peer_name(s->peer),
                       &(struct ended){CONTROL_DOWN, tie->local, block_term(s->pid), tie->remote_ref, signal->term});
    tie_remove(f, tie);
}

/* … that is linked to somebody there. */
static void on_exit_of(struct foreign *f, struct stand_in *s, const struct signal *signal)
{
    struct tie *tie = tie_find(f, &(struct tie){.kind = TIE_LINK, .local = signal->from, .stand_in = s});
    if (tie == NULL || !tie->active)
        return;
    foreign_send_ended(
        f, foreign_peer_name(s->peer),
        &(struct ended){.kind = CONTROL_EXIT, .local = tie->local, .to = block_term(s->pid), .reason = signal->term});
    tie_remove(f, tie);
}

static void to_stand_in(struct foreign *f, struct stand_in *s, const struct signal *signal)
{
    switch (signal->kind) {
    case MESSAGE_DEMONITOR:
        on_demonitor(f, s, signal);
        break;
    case MESSAGE_UNLINK:
        on_unlink(f, s, signal);
        break;
    case MESSAGE_DOWN:
        on_down(f, s, signal);
        break;
    case MESSAGE_EXIT:
        on_exit_of(f, s, signal);
        break;
    default:
        break;
    }
}

/* The number that no stand-in has is this node's own: a process that foreign_watch was given has ended. */
static void tell_gone(struct foreign *f, const struct signal *signal)
{
    pthread_mutex_lock(&f->lock);
    struct tie *tie = tie_by_ref(f, signal->ref);
    bool gone = tie != NULL && tie->kind == TIE_WATCH && signal->kind == MESSAGE_DOWN;
    uint64_t number = gone ? tie->local : 0;
    if (gone)
        tie_remove(f, tie);
    pthread_mutex_unlock(&f->lock);
    if (gone)
        f->ops.gone(f->context, number);
}

static int abroad_signal(void *context, uint64_t number, const struct signal *signal)
{
    struct foreign *f = context;
    if (number == PIDS_ABROAD) {
        tell_gone(f, signal);
        return MESH_OK;
    }
    pthread_mutex_lock(&f->lock);
    struct stand_in *s = stand_in_at(f, number);
    if (s != NULL)
        to_stand_in(f, s, signal);
    pthread_mutex_unlock(&f->lock);
    return MESH_OK;
}

static void abroad_settled(void *context, uint64_t number)
{
    struct foreign *f = context;
    pthread_mutex_lock(&f->lock);
    struct stand_in *s = stand_in_at(f, number);
    if (s != NULL)
        stand_in_release(f, s);
    pthread_mutex_unlock(&f->lock);
}

void foreign_send_init(struct foreign *f)
{
    f->runtime->abroad = (struct abroad){.context = f,
                                         .send = abroad_send,
                                         .find = abroad_find,
                                         .tie = abroad_tie,
                                         .signal = abroad_signal,
                                         .settled = abroad_settled};
}
