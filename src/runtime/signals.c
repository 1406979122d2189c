/* Signals between processes: infos, exits, monitors, links. All are messages, in order with the others of a sender.
 *
 * Both ends of a monitor or link note it in their bonds; the end of a process tells the other side, which drops what
 * it has meanwhile taken back. Processes of other nodes are not reachable from here: they are gone with :noconnection.
 */
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
    struct message_cache *cache = w != NULL ? &w->messages : NULL;
    struct message *m = message_get(&rt->messages, cache);
    if (m == NULL)
        return MESH_ENOMEM;
    m->kind = (uint8_t)signal->kind;
    m->from = signal->from;
    m->ref = signal->ref;
    m->by_link = signal->by_link;
    m->done_context = signal->context;
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

int signal_exit(struct runtime *rt, const mesh_pid *pid, mesh_term reason)
{
    struct signal signal = {.kind = MESSAGE_EXIT, .term = reason};
    if (is_atom(reason, "kill"))
        signal.ref = EXIT_KILL;
    return signal_send(rt, runtime_number(rt, pid), &signal);
}

/* Sends a signal to self about a process that is not there. */
static void answer_self(struct mesh_process *self, struct signal signal, bool local)
{
    signal.term.data = local ? noproc : noconnection;
    signal.term.len = local ? sizeof noproc : sizeof noconnection;
    signal_send(self->runtime, actor_number(self->actor), &signal);
}

int signal_monitor(struct mesh_process *self, const mesh_pid *pid, mesh_ref *ref)
{
    struct runtime *rt = self->runtime;
    uint64_t number = runtime_number(rt, pid);
    struct signal signal = {.kind = MESSAGE_MONITOR, .from = actor_number(self->actor), .ref = runtime_ref(rt)};
    bond_add(&bonds_of(self->actor)->watching, number, signal.ref);
    if (number == 0 || signal_send(rt, number, &signal) != MESH_OK)
        answer_self(self, (struct signal){.kind = MESSAGE_DOWN, .from = number, .ref = signal.ref},
                    number != 0 || strcmp(pid->node, rt->name) == 0);
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

int signal_link(struct mesh_process *self, const mesh_pid *pid)
{
    struct runtime *rt = self->runtime;
    uint64_t number = runtime_number(rt, pid), me = actor_number(self->actor);
    if (number == me)
        return MESH_OK;
    if (number != 0 && bond_has(&bonds_of(self->actor)->links, number, 0))
        return MESH_OK;
    struct signal signal = {.kind = MESSAGE_LINK, .from = me};
    if (number != 0)
        bond_add(&bonds_of(self->actor)->links, number, 0);
    if (number == 0 || signal_send(rt, number, &signal) != MESH_OK)
        answer_self(self, (struct signal){.kind = MESSAGE_EXIT, .from = number, .by_link = number != 0},
                    number != 0 || strcmp(pid->node, rt->name) == 0);
    return MESH_OK;
}

int signal_unlink(struct mesh_process *self, const mesh_pid *pid)
{
    uint64_t number = runtime_number(self->runtime, pid);
    struct bonds *bonds = self->actor->bonds;
    if (number == 0 || bonds == NULL || !bond_remove(&bonds->links, number, 0))
        return MESH_OK;
    struct signal signal = {.kind = MESSAGE_UNLINK, .from = actor_number(self->actor)};
    signal_send(self->runtime, number, &signal);
    return MESH_OK;
}
