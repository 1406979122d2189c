/* The life of a process: start, handlers, end. Runs on a coroutine that has the run right of the actor.
 *
 * A process that ends while messages wait for its id is not taken out of the table: the same entry begins a new life,
 * with a new pid, at the next message. So the order of one sender's messages holds across a stop, and no message to
 * an id is lost because it came a moment too late. What was sent to the old pid dies with it. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "runtime/bonds.h"
#include "runtime/runtime.h"
#include "runtime/stats.h"

/* How a process ends. */
struct ending {
    int error;              /* what waiting calls get; MESH_OK: they wait for the next life */
    enum counter counter;   /* where it is counted */
    mesh_term reason;       /* for terminate, monitors, links */
    bool started;           /* terminate runs only then */
    bool save;              /* take a snapshot */
    mesh_buf *kept;         /* gets the snapshot in the store's place, and stays empty if there is none; or NULL */
    struct message *failed; /* the message that did not succeed, to be refused too, or NULL */
};

static mesh_term atom_term(const char *text, uint8_t space[MESSAGE_INLINE])
{
    mesh_bytes name = mesh_str(text);
    space[0] = 119; /* SMALL_ATOM_UTF8_EXT */
    space[1] = (uint8_t)name.len;
    memcpy(space + 2, name.data, name.len);
    return (mesh_term){.data = space, .len = name.len + 2};
}

/* ---- Running user code ---- */

static struct worker *after_user(struct coroutine *c)
{
    struct worker *w = user_end(c);
    if (c->held != NULL)
        call_release_held(w, c);
    return w;
}

/* A callback that may not suspend. */
static int take_snapshot(struct worker *w, struct coroutine *c, struct actor *a, mesh_buf *out)
{
    c->callback = true;
    user_begin(w);
    int rc = a->class->module->ops.snapshot(&c->self, actor_state(a), out);
    after_user(c);
    c->callback = false;
    return rc;
}

static void log_process(struct runtime *rt, mesh_log_level level, const char *text, struct actor *a, mesh_term reason)
{
    if (!log_enabled(&rt->log, level))
        return;
    char printed[512];
    mesh_inspect_text(reason, printed, sizeof printed);
    log_write(&rt->log, level, text, log_name("module", mesh_str(a->class->module->ops.name)),
              log_name("capability", mesh_str(a->class->capability->name)),
              log_bytes("id", (mesh_bytes){actor_id(a), a->id_len}), log_bytes("reason", mesh_str(printed)));
}

/* ---- Starting ---- */

/* A new life of an old entry asks again what the entry was asked when it was made. */
static int may_start(struct runtime *rt, struct worker *w, struct actor *a)
{
    if ((atomic_load_explicit(&a->flags, memory_order_relaxed) & ACTOR_REBORN) == 0)
        return MESH_OK;
    if (atomic_load_explicit(&rt->stopping, memory_order_relaxed))
        return MESH_ESTOPPING;
    struct row *row = actor_row(a);
    spin_lock(&row->lock);
    bool held = row->held;
    spin_unlock(&row->lock);
    if (!held)
        return MESH_EMOVED;
    return backoff_refuses(&rt->backoff, a->class->index, (mesh_bytes){actor_id(a), a->id_len}, w->now_ns)
               ? MESH_EBACKOFF
               : MESH_OK;
}

static mesh_store_key key_of(struct actor *a)
{
    return (mesh_store_key){
        .capability = a->class->capability->name, .module = a->class->module->ops.name, .id = {actor_id(a), a->id_len}};
}

/* Starts from the store: MESH_ENOPROCESS when there is no snapshot. */
static int restore(struct runtime *rt, struct worker *w, struct coroutine *c, struct actor *a)
{
    const mesh_module *ops = &a->class->module->ops;
    if (ops->restore == NULL || (rt->store.context == &rt->snapshots && snapshots_empty(&rt->snapshots)))
        return MESH_ENOPROCESS;
    mesh_store_key key = key_of(a);
    mesh_buf saved;
    mesh_buf_init(&saved);
    user_begin(w);
    int rc = rt->store.load(rt->store.context, &key, &saved);
    if (rc == MESH_OK)
        rc = ops->restore(&c->self, actor_state(a), mesh_buf_term(&saved));
    else if (rc != MESH_ENOPROCESS)
        rc = MESH_EINIT;
    if (rc == MESH_OK && rt->store.restored != NULL)
        rt->store.restored(rt->store.context, &key);
    w = after_user(c);
    mesh_buf_fini(&saved);
    if (rc == MESH_OK)
        stats_count(worker_stats(w, a->class->index), COUNT_RESTORES);
    return rc;
}

/* Runs init or restore for the first message of a life. Out of line, like the other beginnings and ends below: their
 * buffers would make the frame of every call larger. */
__attribute__((noinline)) static int start(struct runtime *rt, struct worker *w, struct coroutine *c, struct actor *a,
                                           struct message *m)
{
    int rc = may_start(rt, w, a);
    if (rc != MESH_OK)
        return rc;
    atomic_fetch_and_explicit(&a->flags, (uint16_t) ~(ACTOR_FRESH | ACTOR_REBORN), memory_order_relaxed);
    c->current = m;
    c->deadline_ns = m->kind == MESSAGE_CALL ? m->deadline_ns : 0;
    rc = restore(rt, w, c, a);
    if (rc == MESH_ENOPROCESS) {
        rc = MESH_OK;
        if (a->class->module->ops.init != NULL) {
            user_begin(w);
            rc = a->class->module->ops.init(&c->self, actor_state(a), payload_term(&m->init_arg));
            after_user(c);
        }
        if (rc == MESH_OK)
            stats_count(worker_stats(c->worker, a->class->index), COUNT_ACTIVATIONS);
    }
    c->current = NULL;
    return rc == MESH_OK ? MESH_OK : MESH_EINIT;
}

/* ---- Ending ---- */

/* A process that was asked to end for a release has: m is the request, which names its id. */
static void tell_of_end(struct runtime *rt, const struct class *class, const struct message *m, mesh_term snapshot)
{
    mesh_store_key key = {
        .capability = class->capability->name, .module = class->module->ops.name, .id = {m->body.data, m->body.len}};
    release_tell(rt, m->done_context, &key, snapshot);
}

void process_refuse_release(struct runtime *rt, struct worker *w, const struct class *class, struct message *m)
{
    tell_of_end(rt, class, m, (mesh_term){0});
    drain_done(m->done_context, false);
    message_unref(rt, w, m);
}

/* A message that will not be handled: whoever can be told is. */
__attribute__((noinline)) static void refuse(struct runtime *rt, struct worker *w, const struct class *class,
                                             struct message *m, int error, mesh_term reason)
{
    switch (m->kind) {
    case MESSAGE_CALL:
        call_fail(rt, w, m, error, reason);
        break;
    case MESSAGE_MONITOR:
        signal_push_surely(rt, w, m->from,
                           (struct signal){.kind = MESSAGE_DOWN, .from = m->pid, .ref = m->ref, .term = reason});
        break;
    case MESSAGE_LINK:
        signal_push_surely(rt, w, m->from,
                           (struct signal){.kind = MESSAGE_EXIT, .from = m->pid, .by_link = true, .term = reason});
        break;
    case MESSAGE_CAST:
    case MESSAGE_INFO:
        stats_note(rt, w, class->index, COUNT_DROPPED);
        break;
    case MESSAGE_RELEASE:
        process_refuse_release(rt, w, class, m);
        return;
    case MESSAGE_PASSIVATE:
    case MESSAGE_SHUTDOWN:
        drain_done(m->done_context, false);
        break;
    default:
        signal_settled(rt, m);
        break;
    }
    message_unref(rt, w, m);
}

/* The same for one whose shard is not held here any more: it is to find its process where that goes on. */
__attribute__((noinline)) static void refuse_or_pass_on(struct runtime *rt, struct worker *w, const struct class *class,
                                                        struct message *m, const struct ending *e, mesh_bytes id)
{
    int error = e->error;
    if (id.data != NULL && (m->kind == MESSAGE_CALL || m->kind == MESSAGE_CAST) && !m->by_pid && !m->conflict) {
        const struct route r = {.class = (struct class *)class, .id = id, .message = m};
        error = rt->elsewhere.take(rt->elsewhere.context, w, &r);
        if (error == MESH_OK)
            return;
    }
    refuse(rt, w, class, m, error, e->reason);
}

__attribute__((noinline)) static void save(struct runtime *rt, struct worker *w, struct coroutine *c, struct actor *a,
                                           mesh_buf *kept)
{
    if (a->class->module->ops.snapshot == NULL)
        return;
    mesh_buf own, *out = kept != NULL ? kept : &own;
    mesh_buf_init(&own);
    int rc = take_snapshot(w, c, a, out);
    if (rc == MESH_OK)
        rc = mesh_term_check(out->data, out->len, NULL, NULL);
    if (rc == MESH_OK && kept == NULL) {
        mesh_store_key key = key_of(a);
        struct row *row = actor_row(a);
        spin_lock(&row->lock);
        uint64_t epoch = row->epoch;
        spin_unlock(&row->lock);
        user_begin(c->worker);
        rc = rt->store.save(rt->store.context, &key, epoch, mesh_buf_term(out));
        after_user(c);
    }
    if (rc != MESH_OK) {
        mesh_buf_clear(out);
        stats_count(worker_stats(c->worker, a->class->index), COUNT_SAVE_FAILURES);
        uint8_t space[MESSAGE_INLINE];
        log_process(rt, MESH_LOG_ERROR, "the snapshot of a process was not saved", a,
                    atom_term(mesh_error_name(rc), space));
    }
    mesh_buf_fini(&own);
}

/* Tells everyone who is bound to a process that it ended. */
static void tell(struct runtime *rt, struct worker *w, struct actor *a, mesh_term reason)
{
    struct bonds *bonds = a->bonds;
    if (bonds == NULL)
        return;
    struct signal signal = {.kind = MESSAGE_DOWN, .from = actor_number(a), .term = reason};
    for (uint32_t i = 0; i < bonds->watchers.count; i++) {
        signal.ref = bonds->watchers.bond[i].ref;
        signal_push_surely(rt, w, bonds->watchers.bond[i].pid, signal);
    }
    signal.kind = MESSAGE_DEMONITOR;
    for (uint32_t i = 0; i < bonds->watching.count; i++) {
        signal.ref = bonds->watching.bond[i].ref;
        signal_push_surely(rt, w, bonds->watching.bond[i].pid, signal);
    }
    signal.kind = MESSAGE_EXIT;
    signal.ref = EXIT_PLAIN;
    signal.by_link = true;
    for (uint32_t i = 0; i < bonds->links.count; i++)
        signal_push_surely(rt, w, bonds->links.bond[i].pid, signal);
    a->bonds = NULL;
    bonds_free(bonds);
}

/* The mailbox of a life that ends, as a list. */
static struct message *take_mailbox(struct actor *a)
{
    struct message *list = NULL, **tail = &list;
    for (struct message *m; (m = actor_next(a)) != NULL;) {
        *tail = m;
        tail = (struct message **)&m->post.next;
    }
    *tail = NULL;
    return list;
}

void process_lost(struct runtime *rt, struct coroutine *c, mesh_term reason)
{
    struct actor *a = c->self.actor;
    if (a == NULL)
        return;
    call_pay_debts(rt, NULL, a);
    for (struct message *next, *m = take_mailbox(a); m != NULL; m = next) {
        next = (struct message *)m->post.next;
        refuse(rt, NULL, a->class, m, MESH_ECRASHED, reason);
    }
    tell(rt, NULL, a, reason);
}

/* Ends the life. True: the actor is gone; false: a new life waits to begin.
 *
 * Callers are told after the life has ended: what they send next must find the next one. */
__attribute__((noinline)) static bool end(struct runtime *rt, struct worker *w, struct coroutine *c, struct actor *a,
                                          const struct ending *e)
{
    const struct class *class = a->class;
    const mesh_module *ops = &class->module->ops;
    c->self.ending = true;
    if (e->save)
        save(rt, w, c, a, e->kept);
    w = c->worker;
    if (e->started && ops->terminate != NULL) {
        c->current = NULL;
        c->deadline_ns = 0;
        user_begin(w);
        ops->terminate(&c->self, actor_state(a), e->reason);
        w = after_user(c);
    }
    struct message *refused = e->error != MESH_OK ? take_mailbox(a) : NULL;
    call_pay_debts(rt, w, a);
    tell(rt, w, a, e->reason);
    stats_count(worker_stats(w, class->index), e->counter);
    mesh_bytes id = {NULL, a->id_len};
    if (e->error == MESH_EMOVED && rt->elsewhere.take != NULL)
        id.data = must_copy(actor_id(a), a->id_len); /* a is gone when it is needed */
    bool gone = route_remove(rt, w, a);
    if (e->failed != NULL)
        refuse_or_pass_on(rt, w, class, e->failed, e, id);
    while (refused != NULL) {
        struct message *m = refused;
        refused = (struct message *)m->post.next;
        refuse_or_pass_on(rt, w, class, m, e, id);
    }
    free((void *)id.data);
    payload_drop(&c->self.reason);
    c->self.stop = c->self.checkpoint = c->self.ending = false;
    return gone;
}

/* The reason that the handler gave, or one made from the error it returned. */
static mesh_term reason_of(struct coroutine *c, int rc, uint8_t space[MESSAGE_INLINE])
{
    if (c->self.reason.data != NULL)
        return payload_term(&c->self.reason);
    return atom_term(rc == MESH_OK ? "normal" : mesh_error_name(rc), space);
}

__attribute__((noinline, cold)) static bool crash(struct runtime *rt, struct worker *w, struct coroutine *c,
                                                  struct actor *a, struct message *m, int rc)
{
    uint8_t space[MESSAGE_INLINE];
    struct ending e = {.error = MESH_ECRASHED, .counter = COUNT_CRASHES, .started = true};
    if (m->kind == MESSAGE_CALL)
        e.failed = m;
    else
        message_unref(rt, w, m);
    e.reason = reason_of(c, rc, space);
    backoff_note(&rt->backoff, a->class->index, (mesh_bytes){actor_id(a), a->id_len}, w->now_ns);
    log_process(rt, MESH_LOG_WARN, "a process crashed", a, e.reason);
    return end(rt, w, c, a, &e);
}

/* The process did not start: m and what waits behind it learn why. */
__attribute__((noinline, cold)) static bool fail_start(struct runtime *rt, struct worker *w, struct coroutine *c,
                                                       struct actor *a, struct message *m, int rc)
{
    uint8_t space[MESSAGE_INLINE];
    struct ending e = {.error = rc, .counter = COUNT_REFUSED};
    e.reason = rc == MESH_EINIT ? reason_of(c, rc, space) : payload_term(&(struct payload){0});
    if (rc == MESH_EINIT) {
        e.counter = COUNT_CRASHES;
        backoff_note(&rt->backoff, a->class->index, (mesh_bytes){actor_id(a), a->id_len}, w->now_ns);
        log_process(rt, MESH_LOG_WARN, "a process did not start", a, e.reason);
    }
    e.failed = m;
    return end(rt, w, c, a, &e);
}

/* ---- Handling one message ---- */

static bool is_waiting(const struct actor *a)
{
    return a->pending != NULL || atomic_load_explicit(&a->inbox, memory_order_relaxed) != INBOX_RUNNING;
}

static bool passivate(struct runtime *rt, struct worker *w, struct coroutine *c, struct actor *a, struct message *m)
{
    struct drain *d = m->done_context;
    bool used = atomic_load_explicit(&a->last_use, memory_order_relaxed) != (uint32_t)m->ref;
    message_unref(rt, w, m);
    if (used || is_waiting(a) || atomic_load_explicit(&a->owed, memory_order_acquire) > 0) {
        drain_done(d, false);
        return true;
    }
    uint8_t space[MESSAGE_INLINE];
    struct ending e = {.counter = COUNT_PASSIVATIONS, .started = true, .save = true};
    e.reason = atom_term("passivate", space);
    bool gone = end(rt, w, c, a, &e);
    drain_done(d, true);
    return !gone;
}

__attribute__((noinline)) static bool release(struct runtime *rt, struct worker *w, struct coroutine *c,
                                              struct actor *a, struct message *m)
{
    uint8_t space[MESSAGE_INLINE];
    mesh_buf kept;
    mesh_buf_init(&kept);
    const struct class *class = a->class;
    bool shutdown = m->kind == MESSAGE_SHUTDOWN;
    if (!shutdown && call_await_debts(rt, a, m))
        return true; /* a move fails no call: it goes when it has answered */
    struct ending e = {.error = shutdown ? MESH_ESTOPPING : MESH_EMOVED, .counter = COUNT_STOPS, .started = true};
    e.reason = atom_term("shutdown", space);
    e.save = true;
    e.kept = shutdown ? NULL : &kept;
    bool gone = end(rt, w, c, a, &e);
    if (!shutdown) /* only now: the next holder may start it */
        tell_of_end(rt, class, m, kept.len > 0 ? mesh_buf_term(&kept) : (mesh_term){0});
    mesh_buf_fini(&kept);
    drain_done(m->done_context, true);
    message_unref(rt, c->worker, m);
    return !gone;
}

/* An exit signal: ends the process, or becomes an info. */
static bool exit_signal(struct runtime *rt, struct worker *w, struct coroutine *c, struct actor *a, struct message *m,
                        bool *info)
{
    uint16_t flags = atomic_load_explicit(&a->flags, memory_order_relaxed);
    bool linked = !m->by_link || (a->bonds != NULL && bond_remove(&a->bonds->links, m->from, 0));
    *info = linked && m->ref != EXIT_KILL && (flags & ACTOR_TRAPS) != 0;
    bool ends = linked && !*info && m->ref != EXIT_NORMAL;
    if (!ends) /* it began to trap, or took the link back, after the signal was sent */
        atomic_fetch_and_explicit(&a->flags, (uint16_t)~ACTOR_ENDING, memory_order_relaxed);
    if (*info)
        return true;
    if (!ends) {
        message_unref(rt, w, m);
        return true;
    }
    uint8_t space[MESSAGE_INLINE];
    struct ending e = {.error = MESH_ECRASHED, .counter = COUNT_STOPS, .started = true};
    e.reason = m->ref == EXIT_KILL ? atom_term("killed", space) : payload_term(&m->body);
    bool gone = end(rt, w, c, a, &e);
    message_unref(rt, c->worker, m);
    return !gone;
}

/* Runs the handler of a call, a cast or an info. */
static int run_handler(struct worker *w, struct coroutine *c, struct actor *a, struct message *m, mesh_term term)
{
    const mesh_module *ops = &a->class->module->ops;
    void *state = actor_state(a);
    struct class_stats *stats = worker_stats(w, a->class->index);
    uint64_t began = w->now_ns;
    int rc = MESH_OK;
    c->told = false;
    c->current = m;
    c->deadline_ns = m->kind == MESSAGE_CALL ? m->deadline_ns : 0;
    user_begin(w);
    if (m->kind == MESSAGE_CALL) {
        stats_count(stats, COUNT_CALLS);
        mesh_from from = {m, atomic_load_explicit(&m->ticket, memory_order_relaxed)};
        if (ops->handle_call != NULL)
            rc = ops->handle_call(&c->self, state, from, term);
        else
            call_drop(from);
    } else if (__builtin_expect(m->conflict, 0)) {
        rc = ops->conflict(&c->self, state, term);
    } else if (m->kind == MESSAGE_CAST) {
        stats_count(stats, COUNT_CASTS);
        rc = ops->handle_cast != NULL ? ops->handle_cast(&c->self, state, term) : MESH_OK;
    } else {
        stats_count(stats, COUNT_INFOS);
        rc = ops->handle_info != NULL ? ops->handle_info(&c->self, state, term) : MESH_OK;
    }
    w = after_user(c);
    c->current = NULL;
    w->turns++;
    uint64_t now = worker_clock(w);
    histogram_add(&worker_stats(w, a->class->index)->handler_ns, now - began);
    atomic_store_explicit(&a->last_use, (uint32_t)(now >> TICK_SHIFT), memory_order_relaxed);
    return rc;
}

/* The process that a DOWN or EXIT is about. */
static void read_who(struct runtime *rt, const struct message *m, mesh_pid *pid)
{
    mesh_reader r = mesh_reader_of(payload_term(&m->init_arg));
    if (m->init_arg.data == NULL || mesh_read_pid(&r, pid) != MESH_OK)
        runtime_pid(rt, m->from, pid);
}

/* The infos that the runtime itself sends. */
static int build_info(struct runtime *rt, const struct message *m, mesh_term reason, mesh_buf *out)
{
    mesh_pid from;
    mesh_ref ref;
    read_who(rt, m, &from);
    if (m->kind == MESSAGE_EXIT)
        return mesh_build(out, "{:EXIT, ~p, ~t}", &from, reason);
    runtime_make_ref(rt, m->ref, &ref);
    return mesh_build(out, "{:DOWN, ~r, :process, ~p, ~t}", &ref, &from, reason);
}

static int run_info(struct worker *w, struct coroutine *c, struct actor *a, struct message *m)
{
    if (m->kind == MESSAGE_DOWN && (a->bonds == NULL || !bond_remove(&a->bonds->watching, 0, m->ref)))
        return MESH_OK; /* the monitor was taken back */
    mesh_buf info;
    mesh_buf_init(&info);
    int rc = build_info(w->runtime, m, payload_term(&m->body), &info);
    if (rc == MESH_ENOMEM)
        rc = build_info(w->runtime, m, payload_term(&(struct payload){0}), &info);
    if (rc == MESH_OK)
        rc = run_handler(w, c, a, m, mesh_buf_term(&info));
    mesh_buf_fini(&info);
    return rc; /* a process that cannot be told of an end crashes: it would wait for ever */
}

static void note_bond(struct actor *a, const struct message *m)
{
    struct bonds *bonds = bonds_of(a);
    switch (m->kind) {
    case MESSAGE_MONITOR:
        bond_add(&bonds->watchers, m->from, m->ref);
        break;
    case MESSAGE_DEMONITOR:
        bond_remove(&bonds->watchers, m->from, m->ref);
        break;
    case MESSAGE_LINK:
        if (!bond_has(&bonds->links, m->from, 0))
            bond_add(&bonds->links, m->from, 0);
        break;
    default:
        bond_remove(&bonds->links, m->from, 0);
        break;
    }
}

/* A handler that passes on the MESH_ESTOPPING it was given has not crashed: the signal that is in the mailbox ends the
 * process, with its own reason. */
static bool is_told_to_end(const struct actor *a, int rc)
{
    return rc == MESH_ESTOPPING && (atomic_load_explicit(&a->flags, memory_order_relaxed) & ACTOR_ENDING) != 0;
}

/* The handler asked for a snapshot, or for the end. False: the actor is gone. */
__attribute__((noinline)) static bool checkpoint_or_stop(struct runtime *rt, struct coroutine *c, struct actor *a)
{
    if (c->self.checkpoint) {
        c->self.checkpoint = false;
        save(rt, c->worker, c, a, NULL);
    }
    if (!c->self.stop)
        return true;
    uint8_t space[MESSAGE_INLINE];
    struct ending e = {.counter = COUNT_STOPS, .started = true, .reason = reason_of(c, MESH_OK, space)};
    return !end(rt, c->worker, c, a, &e);
}

/* What the handler asked for. False: the actor is gone. */
static inline bool after_handler(struct runtime *rt, struct coroutine *c, struct actor *a, struct message *m, int rc)
{
    struct worker *w = c->worker;
    if (__builtin_expect(rc != MESH_OK, 0) && !is_told_to_end(a, rc))
        return !crash(rt, w, c, a, m, rc);
    call_handled(rt, w, a, m);
    return __builtin_expect(!c->self.checkpoint && !c->self.stop, 1) || checkpoint_or_stop(rt, c, a);
}

__attribute__((noinline)) static bool handle_signal(struct runtime *rt, struct worker *w, struct coroutine *c,
                                                    struct actor *a, struct message *m)
{
    bool info = false;
    signal_settled(rt, m);
    switch (m->kind) {
    case MESSAGE_PASSIVATE:
        return passivate(rt, w, c, a, m);
    case MESSAGE_RELEASE:
    case MESSAGE_SHUTDOWN:
        return release(rt, w, c, a, m);
    case MESSAGE_EXIT:
        if (!exit_signal(rt, w, c, a, m, &info))
            return false;
        return !info || after_handler(rt, c, a, m, run_info(w, c, a, m));
    case MESSAGE_DOWN:
        return after_handler(rt, c, a, m, run_info(w, c, a, m));
    default:
        note_bond(a, m);
        message_unref(rt, w, m);
        return true;
    }
}

/* A message was dropped. An entry that has not begun a life, and was kept for that message, goes. */
__attribute__((noinline)) static bool stays(struct runtime *rt, struct worker *w, struct actor *a)
{
    return (atomic_load_explicit(&a->flags, memory_order_relaxed) & ACTOR_FRESH) == 0 || is_waiting(a) ||
           !route_remove(rt, w, a);
}

/* The message was sent to a life that has ended. */
__attribute__((noinline)) static bool too_late_for_life(struct runtime *rt, struct worker *w, struct actor *a,
                                                        struct message *m)
{
    uint8_t space[MESSAGE_INLINE];
    refuse(rt, w, a->class, m, MESH_ENOPROCESS, atom_term("noproc", space));
    return stays(rt, w, a);
}

/* The caller has gone: do not start what nobody awaits. */
__attribute__((noinline)) static bool too_late_for_caller(struct runtime *rt, struct worker *w, struct actor *a,
                                                          struct message *m)
{
    call_fail(rt, w, m, MESH_ETIMEOUT, (mesh_term){0});
    message_unref(rt, w, m);
    return stays(rt, w, a);
}

/* Handles a message. False: the actor is gone. */
static bool handle(struct worker *w, struct coroutine *c, struct actor *a, struct message *m)
{
    struct runtime *rt = w->runtime;
    if (__builtin_expect(m->by_pid && m->pid != actor_number(a), 0))
        return too_late_for_life(rt, w, a, m);
    if (__builtin_expect(m->kind == MESSAGE_CALL && m->deadline_ns != 0 && w->now_ns > m->deadline_ns, 0))
        return too_late_for_caller(rt, w, a, m);
    if (__builtin_expect((atomic_load_explicit(&a->flags, memory_order_relaxed) & ACTOR_FRESH) != 0, 0)) {
        int rc = start(rt, w, c, a, m);
        w = c->worker;
        if (rc != MESH_OK)
            return !fail_start(rt, w, c, a, m, rc);
    }
    if (__builtin_expect(m->kind > MESSAGE_INFO, 0))
        return handle_signal(rt, w, c, a, m);
    if (m->kind == MESSAGE_CALL) {
        m->pid = actor_number(a);
        if (m->waiter == WAITER_COROUTINE) /* else another thread may be reading it */
            m->local = m->home == w;
    }
    return after_handler(rt, c, a, m, run_handler(w, c, a, m, payload_term(&m->body)));
}

/* Where a process that many wait for goes on: at the worker of those who called last. Their calls are made and their
 * answers read there, so that in between they need not leave that core's cache; and while it works through the calls of
 * one worker, the callers of the others make their next. pending is empty. Run right: it keeps the message. */
static struct worker *where_callers_are(struct worker *w, struct actor *a)
{
    /* Acquire: pairs with the release in actor_push. */
    const struct message *newest = atomic_load_explicit(&a->inbox, memory_order_acquire);
    if (inbox_is_empty(newest) || newest->kind != MESSAGE_CALL || newest->waiter != WAITER_COROUTINE ||
        atomic_load_explicit(&a->queued, memory_order_relaxed) < FOLLOW_MIN)
        return w;
    return newest->home;
}

void process_run(struct worker *w, struct coroutine *c, struct actor *a, struct message *first)
{
    bool alive = true;
    uint64_t began = w->now_ns;
    c->self.actor = a;
    if (first != NULL)
        alive = handle(w, c, a, first);
    for (uint32_t n = first != NULL; alive; n++) {
        w = c->worker;
        if (n >= ACTOR_BATCH && w->now_ns - began >= ACTOR_BATCH_NS && is_waiting(a)) {
            worker_queue(w->runtime, w, (struct work){.actor = a});
            break;
        }
        /* Only after a message: whoever stole it from a busy worker does not give it straight back. */
        struct worker *to = n > 0 && a->pending == NULL ? where_callers_are(w, a) : w;
        if (to != w) {
            worker_queue_at(to, (struct work){.actor = a});
            break;
        }
        struct message *m = actor_next(a);
        if (m != NULL)
            alive = handle(w, c, a, m);
        else if (actor_rest(a))
            break;
    }
    c->self.actor = NULL;
}
