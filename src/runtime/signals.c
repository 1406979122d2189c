/* Signals between processes: infos, exits, monitors, links. All are messages, in order with the others of a sender.
 *
 * Both ends of a monitor or link note it in their bonds; the end of a process tells the other side, which drops what
 * it has meanwhile taken back. Processes of other nodes have numbers that stand for them; what is for them goes to the
 * layer above (struct abroad), and without one they are gone with :noconnection. */
#include <string.h>

#include "runtime/bonds.h"
#include "runtime/runtime.h"

static const uint8_t noproc[] = {119, 6, 'n', 'o', 'p', 'r', 'o', 'c'};
static const uint8_t noconnection[] = {119, 12, 'n', 'o', 'c', 'o', 'n', 'n', 'e', 'c', 't', 'i', 'o', 'n'};

static bool is_atom(mesh_term term, const char *name)
{
    mesh_reader r = mesh_reader_of(term);
    return term.data != NULL && mesh_read_atom_named(&r, name) == MESH_OK && r.at == r.end;
}

int signal_push(struct runtime *rt, struct worker *w, uint64_t to, const struct signal *signal)
{
    if (__builtin_expect(pids_is_abroad(to), 0))
        return rt->abroad.signal(rt->abroad.context, to, signal);
    struct message_cache *cache = w != NULL ? &w->messages : NULL;
    struct message *m = message_get(&rt->messages, cache);
    if (m == NULL)
        return MESH_ENOMEM;
    m->kind = (uint8_t)signal->kind;
    m->from = signal->from;
    m->ref = signal->ref;
    m->by_link = signal->by_link;
    m->done_context = signal->context;
    if (signal->who != NULL)
        m->init_arg =
            (struct payload){.data = signal->who->bytes, .len = signal->who->len, .block = block_hold(signal->who)};
    if (m->kind == MESSAGE_EXIT && m->ref == EXIT_PLAIN && is_atom(signal->term, "normal"))
        m->ref = EXIT_NORMAL;
    int rc = payload_set(&m->body, m->inline_body, signal->term);
    if (rc == MESH_OK)
        rc = route_to_pid(rt, w, to, m);
    if (rc != MESH_OK)
        message_put(&rt->messages, cache, m);
    return rc;
}

int signal_send(struct runtime *rt, uint64_t to, const struct signal *signal)
{
    struct worker *w = worker_enter();
    int rc = signal_push(rt, w != NULL && w->runtime == rt ? w : NULL, to, signal);
    if (w != NULL)
        worker_leave(w);
    return rc;
}

int signal_push_surely(struct runtime *rt, struct worker *w, uint64_t to, struct signal signal)
{
    int rc = signal_push(rt, w, to, &signal);
    if (rc != MESH_ENOMEM)
        return rc;
    signal.term = (mesh_term){0};
    return signal_push(rt, w, to, &signal);
}

void signal_settled(struct runtime *rt, const struct message *m)
{
    if (pids_is_abroad(m->from) && (m->kind == MESSAGE_UNLINK || (m->kind == MESSAGE_EXIT && m->by_link)))
        rt->abroad.settled(rt->abroad.context, m->from);
}

static bool is_of_other_node(const struct runtime *rt, const mesh_pid *pid)
{
    return strcmp(pid->node, rt->name) != 0;
}

/* The process whose handler runs on the calling thread, or 0. */
static uint64_t running_process(struct runtime *rt)
{
    const struct seat *seat = seat_current();
    const struct coroutine *c = seat != NULL ? seat->running : NULL;
    bool ours = c != NULL && c->self.actor != NULL && c->self.runtime == rt;
    return ours ? actor_number(c->self.actor) : 0;
}

/* A signal that nothing ties to its receiver. */
static int send_to_pid(struct runtime *rt, const mesh_pid *pid, struct signal *signal)
{
    if (!is_of_other_node(rt, pid))
        return signal_send(rt, runtime_number(rt, pid), signal);
    if (rt->abroad.send == NULL)
        return MESH_ENOPROCESS;
    signal->from = running_process(rt);
    return rt->abroad.send(rt->abroad.context, pid, signal);
}

int signal_info(struct runtime *rt, const mesh_pid *pid, mesh_term message)
{
    struct signal signal = {.kind = MESSAGE_INFO, .term = message};
    return send_to_pid(rt, pid, &signal);
}

int signal_exit(struct runtime *rt, const mesh_pid *pid, mesh_term reason)
{
    struct signal signal = {.kind = MESSAGE_EXIT, .term = reason};
    if (is_atom(reason, "kill"))
        signal.ref = EXIT_KILL;
    return send_to_pid(rt, pid, &signal);
}

/* Sends a signal to self about a process that is not there. */
static int answer_self(struct mesh_process *self, const mesh_pid *pid, struct signal signal)
{
    struct runtime *rt = self->runtime;
    bool abroad = is_of_other_node(rt, pid);
    signal.term.data = abroad ? noconnection : noproc;
    signal.term.len = abroad ? sizeof noconnection : sizeof noproc;
    mesh_buf who;
    mesh_buf_init(&who);
    int rc = mesh_put_pid(&who, pid);
    signal.who = rc == MESH_OK ? block_create(who.len) : NULL;
    if (signal.who != NULL) {
        memcpy(signal.who->bytes, who.data, who.len);
        rc = signal_send(rt, actor_number(self->actor), &signal);
        block_release(signal.who);
    } else if (rc == MESH_OK) {
        rc = MESH_ENOMEM;
    }
    mesh_buf_fini(&who);
    return rc;
}

/* Begins a monitor or a link. *number: of the other process, or 0. MESH_ENOPROCESS: it is not there. */
static int tie(struct runtime *rt, const mesh_pid *pid, const struct signal *signal, uint64_t *number)
{
    if (is_of_other_node(rt, pid))
        return rt->abroad.tie != NULL ? rt->abroad.tie(rt->abroad.context, pid, signal, number) : MESH_ENOPROCESS;
    *number = runtime_number(rt, pid);
    return *number != 0 ? signal_send(rt, *number, signal) : MESH_ENOPROCESS;
}

int signal_monitor(struct mesh_process *self, const mesh_pid *pid, mesh_ref *ref)
{
    struct runtime *rt = self->runtime;
    uint64_t number = 0;
    const struct signal signal = {.kind = MESSAGE_MONITOR, .from = actor_number(self->actor), .ref = runtime_ref(rt)};
    int rc = tie(rt, pid, &signal, &number);
    if (rc == MESH_ENOPROCESS)
        rc = answer_self(self, pid, (struct signal){.kind = MESSAGE_DOWN, .from = number, .ref = signal.ref});
    if (rc != MESH_OK)
        return rc;
    bond_add(&bonds_of(self->actor)->watching, number, signal.ref);
    runtime_make_ref(rt, signal.ref, ref);
    return MESH_OK;
}

int signal_demonitor(struct mesh_process *self, const mesh_ref *ref)
{
    struct bonds *bonds = self->actor->bonds;
    uint64_t number = runtime_ref_number(self->runtime, ref);
    for (uint32_t i = 0; bonds != NULL && i < bonds->watching.count; i++) {
        struct bond watched = bonds->watching.bond[i];
        if (watched.ref != number)
            continue;
        bond_remove(&bonds->watching, watched.pid, watched.ref);
        struct signal signal = {.kind = MESSAGE_DEMONITOR, .from = actor_number(self->actor), .ref = watched.ref};
        if (watched.pid != 0)
            signal_send(self->runtime, watched.pid, &signal);
        break;
    }
    return MESH_OK;
}

/* The number that a link to a process would have in the bonds, or 0. */
static uint64_t number_of(struct runtime *rt, const mesh_pid *pid)
{
    if (!is_of_other_node(rt, pid))
        return runtime_number(rt, pid);
    return rt->abroad.find != NULL ? rt->abroad.find(rt->abroad.context, pid) : 0;
}

int signal_link(struct mesh_process *self, const mesh_pid *pid)
{
    struct runtime *rt = self->runtime;
    uint64_t number = number_of(rt, pid), me = actor_number(self->actor);
    if (number == me)
        return MESH_OK;
    if (number != 0 && bond_has(&bonds_of(self->actor)->links, number, 0))
        return MESH_OK;
    const struct signal signal = {.kind = MESSAGE_LINK, .from = me};
    int rc = tie(rt, pid, &signal, &number);
    if (rc == MESH_ENOPROCESS)
        rc = answer_self(self, pid, (struct signal){.kind = MESSAGE_EXIT, .from = number, .by_link = number != 0});
    if (rc == MESH_OK && number != 0)
        bond_add(&bonds_of(self->actor)->links, number, 0);
    return rc;
}

int signal_unlink(struct mesh_process *self, const mesh_pid *pid)
{
    uint64_t number = number_of(self->runtime, pid);
    struct bonds *bonds = self->actor->bonds;
    if (number == 0 || bonds == NULL || !bond_remove(&bonds->links, number, 0))
        return MESH_OK;
    const struct signal signal = {.kind = MESSAGE_UNLINK, .from = actor_number(self->actor)};
    signal_send(self->runtime, number, &signal);
    return MESH_OK;
}
