/* The names of the cluster, as this node knows them, sorted; and what happens when two parts of the cluster that meet
 * have given the same name to two processes. */
#include "dist/global_state.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "term/wire.h"

struct name {
    mesh_term name, pid, method; /* kept */
    uint64_t monitor;            /* 0: a process of this node, or of one that is not up yet */
};

/* ---- the table --------------------------------------------------------------------------------------------------- */

/* Where name is, or would be. */
static bool search(const struct global *g, mesh_term name, size_t *at)
{
    size_t low = 0, high = g->name_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = mesh_term_compare(name, g->names[middle]->name);
        if (order == 0) {
            *at = middle;
            return true;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    *at = low;
    return false;
}

static void release(struct name *n)
{
    mesh_term_release(&n->name);
    mesh_term_release(&n->pid);
    mesh_term_release(&n->method);
    free(n);
}

static void take(struct global *g, size_t at, bool demonitor)
{
    struct name *n = g->names[at];
    if (demonitor)
        monitor_drop(g, n->pid, n->monitor);
    release(n);
    g->name_count--;
    memmove(&g->names[at], &g->names[at + 1], (g->name_count - at) * sizeof *g->names);
}

/* NULL: memory is refused. */
static struct name *name_make(mesh_term name, mesh_term pid, mesh_term method)
{
    struct name *n = must_calloc(1, sizeof *n);
    if (mesh_term_keep(name, &n->name) == MESH_OK && mesh_term_keep(pid, &n->pid) == MESH_OK &&
        mesh_term_keep(method, &n->method) == MESH_OK)
        return n;
    release(n);
    return NULL;
}

static void name_room(struct global *g)
{
    if (g->name_count < g->name_cap)
        return;
    const size_t cap = g->name_cap ? 2 * g->name_cap : 16; /* at most GLOBAL_NAMES_MAX */
    struct name **names = must_calloc(cap, sizeof *names);
    if (g->name_count > 0)
        memcpy(names, g->names, g->name_count * sizeof *names);
    free(g->names);
    g->names = names;
    g->name_cap = cap;
}

/* Monitors the process, or asks for a connection to its node first. */
static void watch(struct global *g, struct name *n)
{
    const mesh_bytes node = service_node(n->pid);
    const struct peer_state *p = peer_find(g, node);
    if (p && p->up)
        n->monitor = monitor_put(g, n->pid);
    else if (!global_is_self(g, node) && !g->closing)
        g->service->actions->connect(g->service->context, node);
}

void name_insert(struct global *g, mesh_term name, mesh_term pid, mesh_term method)
{
    uint64_t number;
    size_t at;
    const mesh_bytes node = service_node(pid);
    if (service_type(pid) != MESH_TYPE_PID || !names_full(node)) {
        g->counts.dropped++;
        return;
    }
    name_delete(g, name);
    if (service_is_own(g->service, pid, &number) ? !g->config.alive(g->config.context, number)
                                                 : global_is_self(g, node))
        return; /* it has ended, or is of an earlier incarnation */
    search(g, name, &at);
    struct name *n = g->name_count < GLOBAL_NAMES_MAX ? name_make(name, pid, method) : NULL;
    if (!n) {
        g->counts.refused++;
        return;
    }
    watch(g, n);
    name_room(g);
    memmove(&g->names[at + 1], &g->names[at], (g->name_count - at) * sizeof *g->names);
    g->names[at] = n;
    g->name_count++;
}

void name_delete(struct global *g, mesh_term name)
{
    size_t at;
    if (search(g, name, &at))
        take(g, at, true);
}

bool global_whereis(const struct global *g, mesh_term name, mesh_term *pid)
{
    size_t at;
    if (!search(g, name, &at))
        return false;
    *pid = g->names[at]->pid;
    return true;
}

bool name_of_pid(const struct global *g, mesh_term pid)
{
    for (size_t i = 0; i < g->name_count; i++)
        if (mesh_term_equal(g->names[i]->pid, pid))
            return true;
    return false;
}

bool name_monitor_down(struct global *g, uint64_t ref)
{
    for (size_t i = 0; i < g->name_count; i++)
        if (ref != 0 && g->names[i]->monitor == ref) {
            take(g, i, false);
            return true;
        }
    return false;
}

static bool is_of_node(const struct name *n, mesh_bytes node)
{
    return service_same(service_node(n->pid), node);
}

void name_node_down(struct global *g, mesh_bytes node)
{
    size_t left = 0;
    for (size_t i = 0; i < g->name_count; i++) {
        if (is_of_node(g->names[i], node))
            release(g->names[i]);
        else
            g->names[left++] = g->names[i];
    }
    g->name_count = left;
}

void global_process_gone(struct global *g, uint64_t number)
{
    uint64_t own;
    size_t left = 0;
    for (size_t i = 0; i < g->name_count; i++) {
        if (service_is_own(g->service, g->names[i]->pid, &own) && own == number)
            release(g->names[i]);
        else
            g->names[left++] = g->names[i];
    }
    g->name_count = left;
}

/* [{insert, {Name, Pid, Method}}, {delete, Name}, ...], which came under the lock of `requester`. */
void names_apply(struct global *g, mesh_term ops, mesh_term requester)
{
    const mesh_term nobody = {NULL, 0, NULL};
    mesh_term op, name, pid, method;
    mesh_reader r = terms_open(ops);
    while (terms_next(&r, &op)) {
        if (mesh_match(op, "{:insert, {~t, ~t, ~t}}", &name, &pid, &method) == MESH_OK) {
            if (lock_still_set(g, nobody, requester))
                name_insert(g, name, pid, method);
            else
                name_delete(g, name);
        } else if (mesh_match(op, "{:delete, ~t}", &name) == MESH_OK) {
            name_delete(g, name);
        } else {
            g->counts.dropped++;
        }
    }
}

/* [{Name, Pid, Method}, ...]. */
int names_put(const struct global *g, mesh_buf *out)
{
    int error = mesh_put_list(out, (uint32_t)g->name_count);
    for (size_t i = 0; i < g->name_count && !error; i++) {
        const struct name *n = g->names[i];
        error = mesh_put_tuple(out, 3);
        if (!error)
            error = mesh_put_term(out, n->name);
        if (!error)
            error = mesh_put_term(out, n->pid);
        if (!error)
            error = mesh_put_term(out, n->method);
    }
    return error ? error : mesh_put_empty(out);
}

void names_fini(struct global *g)
{
    for (size_t i = 0; i < g->name_count; i++)
        release(g->names[i]);
    free(g->names);
}

/* ---- methods ----------------------------------------------------------------------------------------------------- */

/* How a clash is resolved is a function that came with the name. Those of OTP itself are known by their name, here as
 * an external fun; another cannot be called here. */
static const uint8_t method_exit[] = "\161\167\6global\167\20random_exit_name\141\3";
static const uint8_t method_notify[] = "\161\167\6global\167\22random_notify_name\141\3";
static const uint8_t method_all[] = "\161\167\6global\167\17notify_all_name\141\3";

static bool is_method(mesh_term method, const uint8_t *bytes, size_t size)
{
    return method.len == size - 1 && memcmp(method.data, bytes, size - 1) == 0;
}

mesh_term names_default_method(void)
{
    return (mesh_term){method_exit, sizeof method_exit - 1, NULL};
}

/* A signal to a process of a node that is not up: it goes out when it is. */
struct owed {
    struct owed *next;
    enum control_kind kind;
    mesh_term pid, message; /* kept */
};

enum { OWED_MAX = 64 }; /* for one node */

static void owed_free(struct owed *owed)
{
    mesh_term_release(&owed->pid);
    mesh_term_release(&owed->message);
    free(owed);
}

void names_forget_owed(struct peer_state *p)
{
    while (p->owed) {
        struct owed *owed = p->owed;
        p->owed = owed->next;
        owed_free(owed);
    }
}

static void owe(struct global *g, enum control_kind kind, mesh_term pid, mesh_term message)
{
    struct peer_state *p = peer_get(g, service_node(pid));
    size_t count = 0;
    for (const struct owed *owed = p ? p->owed : NULL; owed; owed = owed->next)
        count++;
    if (!p || count >= OWED_MAX || g->closing) {
        g->counts.refused++;
        return;
    }
    struct owed *owed = must_calloc(1, sizeof *owed);
    owed->kind = kind;
    if (mesh_term_keep(pid, &owed->pid) != MESH_OK || mesh_term_keep(message, &owed->message) != MESH_OK) {
        owed_free(owed);
        return;
    }
    owed->next = p->owed;
    p->owed = owed;
    g->service->actions->connect(g->service->context, mesh_str(p->name));
}

/* A signal to a process of any node. */
static void send_signal(struct global *g, enum control_kind kind, mesh_term pid, mesh_term message)
{
    const struct service *s = g->service;
    const mesh_bytes node = service_node(pid);
    const struct peer_state *p = peer_find(g, node);
    mesh_buf from;
    if (!global_is_self(g, node) && !(p && p->up)) {
        owe(g, kind, pid, message);
        return;
    }
    mesh_buf_init(&from);
    const int built = service_put_pid(s, &from, g->config.server);
    const struct control c = {.kind = kind, .from = mesh_buf_term(&from), .to = pid, .message = message};
    if (built == MESH_OK && p)
        s->actions->send(s->context, node, &c);
    else if (built == MESH_OK)
        g->config.signal(g->config.context, &c);
    mesh_buf_fini(&from);
}

static void tell_process(struct global *g, enum control_kind kind, mesh_term pid, int built, mesh_buf *message)
{
    if (built == MESH_OK)
        send_signal(g, kind, pid, mesh_buf_term(message));
    mesh_buf_fini(message);
}

/* A node is up: its named processes are monitored, and get what they are owed. */
void name_node_up(struct global *g, struct peer_state *p)
{
    for (size_t i = 0; i < g->name_count; i++)
        if (g->names[i]->monitor == 0 && is_of_node(g->names[i], mesh_str(p->name)))
            g->names[i]->monitor = monitor_put(g, g->names[i]->pid);
    for (const struct owed *owed = p->owed; owed; owed = owed->next)
        send_signal(g, owed->kind, owed->pid, owed->message);
    names_forget_owed(p);
}

static int compare_bytes(mesh_bytes a, mesh_bytes b)
{
    const size_t len = a.len < b.len ? a.len : b.len;
    const int order = len > 0 ? memcmp(a.data, b.data, len) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

int global_resolve(struct global *g, mesh_term method, mesh_term name, mesh_term a, mesh_term b, mesh_buf *winner)
{
    const bool a_is_lower = compare_bytes(service_node(a), service_node(b)) < 0;
    const mesh_term lower = a_is_lower ? a : b, greater = a_is_lower ? b : a;
    mesh_buf message;
    mesh_buf_init(&message);
    if (is_method(method, method_exit, sizeof method_exit)) {
        tell_process(g, CONTROL_EXIT2, greater, mesh_build(&message, ":kill"), &message);
        return mesh_put_term(winner, lower);
    }
    if (is_method(method, method_notify, sizeof method_notify)) {
        tell_process(g, CONTROL_SEND, greater, mesh_build(&message, "{:global_name_conflict, ~t}", name), &message);
        return mesh_put_term(winner, lower);
    }
    if (is_method(method, method_all, sizeof method_all)) {
        tell_process(g, CONTROL_SEND, a, mesh_build(&message, "{:global_name_conflict, ~t, ~t}", name, b), &message);
        tell_process(g, CONTROL_SEND, b, mesh_build(&message, "{:global_name_conflict, ~t, ~t}", name, a), &message);
    }
    return mesh_put_atom(winner, mesh_str("none"));
}

/* ---- two lists of names ------------------------------------------------------------------------------------------ */

static void op_insert(struct terms *list, mesh_term name, mesh_term pid, mesh_term method)
{
    mesh_buf op;
    mesh_buf_init(&op);
    terms_add(list, mesh_build(&op, "{:insert, {~t, ~t, ~t}}", name, pid, method), &op);
}

static void op_delete(struct terms *list, mesh_term name)
{
    mesh_buf op;
    mesh_buf_init(&op);
    terms_add(list, mesh_build(&op, "{:delete, ~t}", name), &op);
}

/* What follows from the answer to a clash of his {name, pid, method} with ours. */
static void settle(struct peer_state *p, mesh_term name, mesh_term pid, mesh_term method, const struct name *ours,
                   mesh_term winner)
{
    if (mesh_term_equal(winner, pid) || mesh_match(winner, "{:badrpc, _}") == MESH_OK) {
        op_insert(&p->ops, name, pid, method);
    } else if (mesh_term_equal(winner, ours->pid)) {
        op_insert(&p->res, name, ours->pid, ours->method);
    } else {
        op_delete(&p->ops, name);
        op_delete(&p->res, name);
    }
}

/* Asks the node of our process to resolve it. False: there is no such node, and nothing was sent. */
static bool ask_clash(struct global *g, struct peer_state *p, mesh_term name, mesh_term pid, const struct name *ours)
{
    const mesh_bytes node = service_node(ours->pid);
    const struct peer_state *owner = peer_find(g, node);
    mesh_buf request;
    if (!owner || !owner->up)
        return false;
    mesh_buf_init(&request);
    bool built = mesh_build(&request, "{:call, :global, :resolve_it, [~t, ~t, ~t, ~t], :user}", ours->method, name, pid,
                            ours->pid) == MESH_OK;
    if (built) {
        p->clash_ref = ++g->last_ref;
        p->clash_ms = g->now_ms;
        memcpy(p->clash_node, owner->name, sizeof owner->name);
        global_ask(g, node, "rex", g->config.server, p->clash_ref, mesh_buf_term(&request));
    }
    mesh_buf_fini(&request);
    return built;
}

/* Looks at one of his names. False: the answer of another node has to come first. */
static bool compare_one(struct global *g, struct peer_state *p, mesh_term name, mesh_term pid, mesh_term method)
{
    static const uint8_t badrpc[] = "\150\2\167\6badrpc\167\10nodedown";
    size_t at;
    if (!search(g, name, &at)) {
        op_insert(&p->ops, name, pid, method);
        return true;
    }
    const struct name *ours = g->names[at];
    if (mesh_term_equal(ours->pid, pid) || compare_bytes(service_self(g->service), mesh_str(p->name)) > 0)
        return true; /* the same, or his to resolve */
    if (!global_is_self(g, service_node(ours->pid))) {
        if (ask_clash(g, p, name, pid, ours))
            return false;
        settle(p, name, pid, method, ours, (mesh_term){badrpc, sizeof badrpc - 1, NULL});
        return true;
    }
    mesh_buf winner;
    mesh_buf_init(&winner);
    if (global_resolve(g, ours->method, name, pid, ours->pid, &winner) == MESH_OK)
        settle(p, name, pid, method, ours, mesh_buf_term(&winner));
    mesh_buf_fini(&winner);
    return true;
}

/* The element of his names at which the comparison is, and its end. */
static bool current(const struct peer_state *p, mesh_reader *r, mesh_term *name, mesh_term *pid, mesh_term *method)
{
    mesh_term element;
    r->at = p->names.data + p->names_at;
    r->end = p->names.data + p->names.len;
    r->chars = 0;
    return terms_next(r, &element) && mesh_match(element, "{~t, ~t, ~t}", name, pid, method) == MESH_OK;
}

/* Compares his names with ours, from where it stood. True: done, p->ops and p->res are complete. */
bool names_compare(struct global *g, struct peer_state *p)
{
    mesh_term name, pid, method;
    mesh_reader r;
    if (!p->comparing) {
        r = terms_open(p->names);
        p->names_at = (size_t)(r.at - p->names.data);
        p->comparing = true;
    }
    while (current(p, &r, &name, &pid, &method)) {
        if (!compare_one(g, p, name, pid, method))
            return false;
        p->names_at = (size_t)(r.at - p->names.data);
    }
    return true;
}

/* The answer has come, and the comparison goes on; as names_compare. */
bool names_clash_answered(struct global *g, struct peer_state *p, mesh_term winner)
{
    mesh_term name, pid, method;
    mesh_reader r;
    size_t at;
    p->clash_ref = 0;
    if (current(p, &r, &name, &pid, &method)) {
        p->names_at = (size_t)(r.at - p->names.data);
        if (search(g, name, &at))
            settle(p, name, pid, method, g->names[at], winner);
        else
            op_insert(&p->ops, name, pid, method); /* ours has died meanwhile */
    }
    return names_compare(g, p);
}
