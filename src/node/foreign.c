/* Processes of other nodes: life, and what comes from there. See foreign.h and foreign_state.h. */
#include "node/foreign.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "node/foreign_state.h"

enum { TIES_MAX = 1 << 20, CALLS_MAX = 1 << 16, WAITING_MAX = 1 << 14, WAITING_BYTES_MAX = 64 << 20 };

static const uint8_t noconnection[] = {119, 12, 'n', 'o', 'c', 'o', 'n', 'n', 'e', 'c', 't', 'i', 'o', 'n'};
static const uint8_t system_limit[] = {119, 12, 's', 'y', 's', 't', 'e', 'm', '_', 'l', 'i', 'm', 'i', 't'};

static const mesh_term no_connection = {noconnection, sizeof noconnection, MESH_TERM_SOUND};
static const mesh_term limit_reached = {system_limit, sizeof system_limit, MESH_TERM_SOUND};

/* ---- life ---- */

struct foreign *foreign_create(struct runtime *rt, const struct foreign_ops *ops, void *context,
                               const struct foreign_limits *limits)
{
    struct foreign *f = must_calloc(1, sizeof *f);
    f->runtime = rt;
    f->ops = *ops;
    f->context = context;
    if (limits != NULL)
        f->limits = *limits;
    if (f->limits.ties == 0)
        f->limits.ties = TIES_MAX;
    if (f->limits.calls == 0)
        f->limits.calls = CALLS_MAX;
    if (f->limits.waiting == 0)
        f->limits.waiting = WAITING_MAX;
    if (f->limits.waiting_bytes == 0)
        f->limits.waiting_bytes = WAITING_BYTES_MAX;
    pthread_mutex_init(&f->lock, NULL);
    foreign_ties_init(f);
    foreign_call_init(f);
    foreign_send_init(f);
    return f;
}

void foreign_destroy(struct foreign *f)
{
    if (f == NULL)
        return;
    f->runtime->abroad = (struct abroad){0};
    foreign_ties_fini(f);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

void foreign_count(struct foreign *f, struct foreign_counts *counts)
{
    pthread_mutex_lock(&f->lock);
    *counts = (struct foreign_counts){.ties = f->tie_count,
                                      .stand_ins = f->stand_in_count,
                                      .calls = atomic_load_explicit(&f->calls, memory_order_relaxed),
                                      .waiting = atomic_load_explicit(&f->waiting, memory_order_relaxed),
                                      .dropped = atomic_load_explicit(&f->dropped, memory_order_relaxed)};
    pthread_mutex_unlock(&f->lock);
}

/* ---- who is meant ---- */

/* The number of a process of this node, or 0. */
static uint64_t own_number(const struct foreign *f, mesh_term term)
{
    mesh_reader r = mesh_reader_of(term);
    mesh_pid pid;
    return mesh_read_pid(&r, &pid) == MESH_OK ? runtime_number(f->runtime, &pid) : 0;
}

static bool is_mesh(mesh_term name)
{
    mesh_reader r = mesh_reader_of(name);
    return mesh_read_atom_named(&r, "mesh") == MESH_OK;
}

/* The stand-in of a process of the peer, if it has one. */
static struct stand_in *stand_in_of(struct foreign *f, mesh_bytes peer, mesh_term term)
{
    mesh_reader r = mesh_reader_of(term);
    mesh_pid pid;
    if (mesh_read_pid(&r, &pid) != MESH_OK || !service_same(mesh_str(pid.node), peer))
        return NULL;
    return stand_in_find(f, &pid);
}

/* ---- signals by a link; with the lock ----
 *
 * The stand-in stays until the signal has been handled: as long as the receiver has not heard, it may unlink. */

static void push_by_link(struct foreign *f, struct worker *w, const struct tie *tie, enum message_kind kind,
                         mesh_term reason)
{
    struct stand_in *s = tie->stand_in;
    const struct signal signal = {
        .kind = kind, .from = s->number, .by_link = kind == MESSAGE_EXIT, .who = s->pid, .term = reason};
    s->holds++;
    if (signal_push_surely(f->runtime, w, tie->local, signal) != MESH_OK)
        stand_in_release(f, s); /* not the last hold: the tie has one */
}

static void push_down(struct foreign *f, struct worker *w, const struct tie *tie, mesh_term reason)
{
    const struct signal signal = {.kind = MESSAGE_DOWN,
                                  .from = tie->stand_in->number,
                                  .ref = tie->ref,
                                  .who = tie->stand_in->pid,
                                  .term = reason};
    signal_push_surely(f->runtime, w, tie->local, signal);
}

/* ---- monitors; with the lock ---- */

static int add_watcher(struct foreign *f, struct worker *w, struct stand_in *s, uint64_t local, mesh_term ref)
{
    const struct tie like = {.kind = TIE_WATCHER, .local = local, .remote_ref = ref, .stand_in = s};
    if (tie_find(f, &like) != NULL)
        return MESH_OK;
    struct tie *tie;
    int rc = tie_add(f, &like, &tie);
    if (rc != MESH_OK)
        return rc;
    const struct signal signal = {.kind = MESSAGE_MONITOR, .from = s->number, .ref = tie->ref};
    rc = signal_push(f->runtime, w, local, &signal);
    if (rc != MESH_OK)
        tie_remove(f, tie);
    return rc;
}

/* If a link is there already, both have linked at once, or an unlink of ours is on its way there. */
static int add_link(struct foreign *f, struct worker *w, struct stand_in *s, uint64_t local)
{
    const struct tie like = {.kind = TIE_LINK, .active = true, .local = local, .stand_in = s};
    if (tie_find(f, &like) != NULL)
        return MESH_OK;
    struct tie *tie;
    int rc = tie_add(f, &like, &tie);
    if (rc != MESH_OK)
        return rc;
    const struct signal signal = {.kind = MESSAGE_LINK, .from = s->number};
    rc = signal_push(f->runtime, w, local, &signal);
    if (rc != MESH_OK)
        tie_remove(f, tie);
    return rc;
}

/* A monitor or a link of a process there. */
static bool on_tie(struct foreign *f, struct worker *w, mesh_bytes peer, const struct control *c)
{
    mesh_reader r = mesh_reader_of(c->from);
    mesh_pid pid;
    uint64_t local = own_number(f, c->to);
    if (local == PIDS_MESH || (c->kind == CONTROL_MONITOR && is_mesh(c->to)))
        return true; /* it lives as long as the node, whose end the other one sees by its link */
    if (local == 0 || mesh_read_pid(&r, &pid) != MESH_OK || !service_same(mesh_str(pid.node), peer))
        return false;
    bool monitor = c->kind == CONTROL_MONITOR;
    struct stand_in *s;
    pthread_mutex_lock(&f->lock);
    int rc = stand_in_get(f, &pid, &s);
    if (rc == MESH_OK) {
        rc = monitor ? add_watcher(f, w, s, local, c->ref) : add_link(f, w, s, local);
        stand_in_release(f, s);
    }
    if (rc != MESH_OK && rc != MESH_ENOPROCESS)
        foreign_send_ended(
            f, peer, &(struct ended){monitor ? CONTROL_DOWN : CONTROL_EXIT, local, c->from, c->ref, limit_reached});
    pthread_mutex_unlock(&f->lock);
    return rc != MESH_ENOPROCESS;
}

static void on_demonitor(struct foreign *f, struct worker *w, mesh_bytes peer, const struct control *c)
{
    struct stand_in *s = stand_in_of(f, peer, c->from);
    struct tie *tie =
        s != NULL ? tie_find(f, &(struct tie){.kind = TIE_WATCHER, .remote_ref = c->ref, .stand_in = s}) : NULL;
    if (tie == NULL)
        return;
    const struct signal signal = {.kind = MESSAGE_DEMONITOR, .from = s->number, .ref = tie->ref};
    signal_push(f->runtime, w, tie->local, &signal);
    tie_remove(f, tie);
}

static void on_down(struct foreign *f, struct worker *w, mesh_bytes peer, const struct control *c)
{
    mesh_reader r = mesh_reader_of(c->ref);
    mesh_ref ref;
    uint64_t number = mesh_read_ref(&r, &ref) == MESH_OK ? runtime_ref_number(f->runtime, &ref) : 0;
    struct tie *tie = tie_find(f, &(struct tie){.kind = TIE_WATCHED, .ref = number});
    if (tie == NULL || !service_same(foreign_peer_name(tie->stand_in->peer), peer))
        return;
    push_down(f, w, tie, c->message);
    tie_remove(f, tie);
}

/* ---- links; with the lock ---- */

static struct tie *find_link(struct foreign *f, mesh_bytes peer, const struct control *c)
{
    struct stand_in *s = stand_in_of(f, peer, c->from);
    if (s == NULL)
        return NULL;
    return tie_find(f, &(struct tie){.kind = TIE_LINK, .local = own_number(f, c->to), .stand_in = s});
}

/* The other side has ended, or has taken the link back. While an unlink of ours is on its way, neither means anything.
 */
static void on_link_gone(struct foreign *f, struct worker *w, mesh_bytes peer, const struct control *c)
{
    struct tie *tie = find_link(f, peer, c);
    if (tie == NULL || !tie->active)
        return;
    if (c->kind == CONTROL_EXIT)
        push_by_link(f, w, tie, MESSAGE_EXIT, c->message);
    else
        push_by_link(f, w, tie, MESSAGE_UNLINK, (mesh_term){0});
    tie_remove(f, tie);
}

static void on_unlink_ack(struct foreign *f, mesh_bytes peer, const struct control *c)
{
    struct tie *tie = find_link(f, peer, c);
    if (tie != NULL && !tie->active && tie->ref == c->id)
        tie_remove(f, tie);
}

/* ---- messages and exit signals; without the lock ---- */

static bool on_message(struct foreign *f, struct worker *w, const struct control *c)
{
    uint64_t number = c->kind == CONTROL_SEND ? own_number(f, c->to) : 0;
    if (number == PIDS_MESH || (c->kind == CONTROL_SEND_NAME && is_mesh(c->to))) {
        foreign_call_mesh(f, w, c->message);
        return true;
    }
    return number != 0 && foreign_call_process(f, w, number, c->message);
}

static bool on_exit_signal(struct foreign *f, struct worker *w, const struct control *c)
{
    uint64_t number = own_number(f, c->to);
    struct signal signal = {.kind = MESSAGE_EXIT, .term = c->message};
    mesh_reader r = mesh_reader_of(c->message);
    if (number == 0)
        return false;
    if (mesh_read_atom_named(&r, "kill") == MESH_OK)
        signal.ref = EXIT_KILL;
    if (c->from.len > 0)
        signal.who = block_of_term(c->from);
    int rc = signal_push_surely(f->runtime, w, number, signal);
    if (signal.who != NULL)
        block_release(signal.who);
    return rc == MESH_OK || number == PIDS_MESH;
}

/* ---- everything that comes ---- */

static void on_signal(struct foreign *f, struct worker *w, mesh_bytes peer, const struct control *c)
{
    pthread_mutex_lock(&f->lock);
    switch (c->kind) {
    case CONTROL_DEMONITOR:
        on_demonitor(f, w, peer, c);
        break;
    case CONTROL_DOWN:
        on_down(f, w, peer, c);
        break;
    case CONTROL_EXIT:
    case CONTROL_UNLINK:
    case CONTROL_UNLINK_OLD:
        on_link_gone(f, w, peer, c);
        break;
    case CONTROL_UNLINK_ACK:
        on_unlink_ack(f, peer, c);
        break;
    default:
        break;
    }
    pthread_mutex_unlock(&f->lock);
}

bool foreign_deliver(struct foreign *f, struct worker *w, mesh_bytes peer, const struct control *message)
{
    switch (message->kind) {
    case CONTROL_SEND:
    case CONTROL_SEND_NAME:
        return on_message(f, w, message);
    case CONTROL_EXIT2:
        return on_exit_signal(f, w, message);
    case CONTROL_MONITOR:
    case CONTROL_LINK:
        return on_tie(f, w, peer, message);
    case CONTROL_DEMONITOR:
    case CONTROL_DOWN:
    case CONTROL_EXIT:
    case CONTROL_UNLINK:
    case CONTROL_UNLINK_OLD:
    case CONTROL_UNLINK_ACK:
        on_signal(f, w, peer, message);
        return true;
    default:
        return false; /* this node has no aliases, and has started nothing elsewhere */
    }
}

/* ---- links between nodes ---- */

void foreign_peer_up(struct foreign *f, struct worker *w, mesh_bytes peer)
{
    (void)w;
    pthread_mutex_lock(&f->lock);
    struct foreign_peer *p = foreign_peer_find(f, peer);
    if (p != NULL) {
        foreign_send_waiting(f, p);
        foreign_peer_let_go(f, p);
    }
    pthread_mutex_unlock(&f->lock);
}

/* One side of a tie is out of reach: the other is told as if it had ended. */
static void cut(struct foreign *f, struct worker *w, struct tie *tie)
{
    switch (tie->kind) {
    case TIE_WATCHED:
        push_down(f, w, tie, no_connection);
        break;
    case TIE_WATCHER:
        signal_push(f->runtime, w, tie->local,
                    &(struct signal){.kind = MESSAGE_DEMONITOR, .from = tie->stand_in->number, .ref = tie->ref});
        break;
    case TIE_LINK:
        if (tie->active)
            push_by_link(f, w, tie, MESSAGE_EXIT, no_connection);
        break;
    case TIE_WATCH:
        break;
    }
    tie_remove(f, tie);
}

void foreign_peer_down(struct foreign *f, struct worker *w, mesh_bytes peer)
{
    pthread_mutex_lock(&f->lock);
    struct foreign_peer *p = foreign_peer_find(f, peer);
    if (p != NULL) {
        p->connecting = true; /* keeps it until all is done */
        for (struct list *at = p->stand_ins.next, *next; at != &p->stand_ins; at = next) {
            struct stand_in *s = (struct stand_in *)((char *)at - offsetof(struct stand_in, in));
            s->holds++;
            while (!list_is_empty(&s->ties))
                cut(f, w, (struct tie *)((char *)s->ties.next - offsetof(struct tie, in)));
            next = at->next;
            stand_in_release(f, s);
        }
        foreign_drop_waiting(f, p);
        foreign_peer_let_go(f, p);
    }
    pthread_mutex_unlock(&f->lock);
}

/* ---- processes of this node ---- */

bool foreign_alive(struct foreign *f, uint64_t number)
{
    return route_lives(f->runtime, number);
}

bool foreign_watch(struct foreign *f, struct worker *w, uint64_t number)
{
    const struct tie like = {.kind = TIE_WATCH, .local = number};
    struct tie *tie;
    pthread_mutex_lock(&f->lock);
    bool watched = tie_find(f, &like) != NULL;
    if (!watched && tie_add(f, &like, &tie) == MESH_OK) {
        const struct signal signal = {.kind = MESSAGE_MONITOR, .from = PIDS_ABROAD, .ref = tie->ref};
        watched = !pids_is_abroad(number) && signal_push(f->runtime, w, number, &signal) == MESH_OK;
        if (!watched)
            tie_remove(f, tie);
    }
    pthread_mutex_unlock(&f->lock);
    return watched;
}
