/* The table of locks of this node, and setting one lock on several nodes. A lock is {Resource, Requester}: one
 * requester at a time has the resource, through one process or several. */
#include "dist/global_state.h"

#include <stdlib.h>

#include "base/alloc.h"

struct holder {
    struct holder *next;
    mesh_term pid;    /* kept */
    uint64_t monitor; /* 0: a process of this node */
};

struct lock {
    struct lock *next;
    mesh_term resource, requester; /* kept */
    struct holder *holders;
};

/* A question for a name that came while the lock `global` was held: the names may be about to change. */
struct whereis {
    struct whereis *next;
    char peer[NAME_MAX_BYTES + 1];
    mesh_term name, from, tag; /* kept */
};

/* ---- monitors ---------------------------------------------------------------------------------------------------- */

static void send_monitor(struct global *g, enum control_kind kind, mesh_term pid, uint64_t ref)
{
    const struct service *s = g->service;
    mesh_buf own, reference;
    mesh_buf_init(&own);
    mesh_buf_init(&reference);
    int error = service_put_pid(s, &own, g->config.server);
    if (!error)
        error = global_put_ref(g, &reference, ref);
    const struct control c = {.kind = kind, .from = mesh_buf_term(&own), .to = pid, .ref = mesh_buf_term(&reference)};
    if (error)
        s->actions->disconnect(s->context, service_node(pid));
    else
        s->actions->send(s->context, service_node(pid), &c);
    mesh_buf_fini(&own);
    mesh_buf_fini(&reference);
}

/* Monitors a process of another node; the number of the reference, or 0 for one of this node. */
uint64_t monitor_put(struct global *g, mesh_term pid)
{
    uint64_t number;
    if (service_is_own(g->service, pid, &number))
        return 0;
    send_monitor(g, CONTROL_MONITOR, pid, ++g->last_ref);
    return g->last_ref;
}

void monitor_drop(struct global *g, mesh_term pid, uint64_t ref)
{
    if (ref)
        send_monitor(g, CONTROL_DEMONITOR, pid, ref);
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static bool read_id(mesh_term id, mesh_term *resource, mesh_term *requester)
{
    return mesh_match(id, "{~t, ~t}", resource, requester) == MESH_OK;
}

static struct lock **find(const struct global *g, mesh_term resource)
{
    struct lock **at = (struct lock **)&g->locks;
    while (*at && !mesh_term_equal((*at)->resource, resource))
        at = &(*at)->next;
    return at;
}

static bool is_global(mesh_term resource)
{
    return mesh_match(resource, ":global") == MESH_OK;
}

bool lock_can_set(const struct global *g, mesh_term id)
{
    mesh_term resource, requester;
    if (!read_id(id, &resource, &requester))
        return false;
    const struct lock *lock = *find(g, resource);
    return !lock || mesh_term_equal(lock->requester, requester);
}

static struct lock *lock_make(struct global *g, mesh_term resource, mesh_term requester)
{
    struct lock *lock = g->lock_count < GLOBAL_LOCKS_MAX ? must_calloc(1, sizeof *lock) : NULL;
    if (!lock)
        return NULL;
    if (mesh_term_keep(resource, &lock->resource) != MESH_OK ||
        mesh_term_keep(requester, &lock->requester) != MESH_OK) {
        mesh_term_release(&lock->resource);
        free(lock);
        return NULL;
    }
    lock->next = g->locks;
    g->locks = lock;
    g->lock_count++;
    return lock;
}

static struct holder **find_holder(struct lock *lock, mesh_term pid)
{
    struct holder **at = &lock->holders;
    while (*at && !mesh_term_equal((*at)->pid, pid))
        at = &(*at)->next;
    return at;
}

static void answer_whereis(struct global *g);

/* Takes a holder from a lock, and the lock away with the last: false then. */
static bool holder_take(struct global *g, struct lock **lock_at, struct holder **at, bool down)
{
    struct lock *lock = *lock_at;
    struct holder *holder = *at;
    *at = holder->next;
    mesh_term_release(&holder->pid);
    free(holder);
    if (lock->holders)
        return true;
    bool global = is_global(lock->resource);
    *lock_at = lock->next;
    mesh_term_release(&lock->resource);
    mesh_term_release(&lock->requester);
    free(lock);
    g->lock_count--;
    if (global) {
        g->lock_down = down;
        answer_whereis(g);
    }
    return false;
}

static bool holder_add(struct global *g, struct lock *lock, mesh_term pid)
{
    size_t count = 0;
    struct holder **at = &lock->holders;
    for (; *at; at = &(*at)->next, count++)
        if (mesh_term_equal((*at)->pid, pid))
            return true;
    mesh_term kept;
    if (count >= GLOBAL_HOLDERS_MAX || mesh_term_keep(pid, &kept) != MESH_OK) {
        g->counts.refused++;
        return false;
    }
    struct holder *holder = must_calloc(1, sizeof *holder);
    holder->pid = kept;
    holder->monitor = monitor_put(g, pid);
    *at = holder;
    return true;
}

bool lock_set(struct global *g, mesh_term id, mesh_term pid)
{
    mesh_term resource, requester;
    if (!read_id(id, &resource, &requester))
        return false;
    struct lock *lock = *find(g, resource);
    if (lock)
        return mesh_term_equal(lock->requester, requester) && holder_add(g, lock, pid);
    lock = lock_make(g, resource, requester);
    if (!lock) {
        g->counts.refused++;
        return false;
    }
    if (holder_add(g, lock, pid))
        return true;
    g->locks = lock->next; /* it was put first */
    g->lock_count--;
    mesh_term_release(&lock->resource);
    mesh_term_release(&lock->requester);
    free(lock);
    return false;
}

void lock_del(struct global *g, mesh_term id, mesh_term pid)
{
    mesh_term resource, requester;
    if (!read_id(id, &resource, &requester))
        return;
    struct lock **at = find(g, resource);
    if (!*at || !mesh_term_equal((*at)->requester, requester))
        return;
    struct holder **holder = find_holder(*at, pid);
    if (*holder) {
        monitor_drop(g, (*holder)->pid, (*holder)->monitor);
        holder_take(g, at, holder, false);
    }
}

/* Takes away the holders for which `gone` holds. Returns how many. */
static size_t take_if(struct global *g, bool (*gone)(const struct holder *holder, const void *what), const void *what)
{
    size_t taken = 0;
    for (struct lock **at = &g->locks; *at;) {
        struct holder **holder = &(*at)->holders;
        bool stays = true;
        while (stays && *holder) {
            if (gone(*holder, what)) {
                stays = holder_take(g, at, holder, true);
                taken++;
            } else {
                holder = &(*holder)->next;
            }
        }
        if (stays)
            at = &(*at)->next;
    }
    return taken;
}

static bool has_monitor(const struct holder *holder, const void *ref)
{
    return holder->monitor == *(const uint64_t *)ref;
}

static bool is_of_node(const struct holder *holder, const void *node)
{
    return service_same(service_node(holder->pid), *(const mesh_bytes *)node);
}

bool lock_monitor_down(struct global *g, uint64_t ref)
{
    return ref != 0 && take_if(g, has_monitor, &ref) > 0;
}

void lock_node_down(struct global *g, mesh_bytes node)
{
    take_if(g, is_of_node, &node);
}

static const struct lock *global_lock(const struct global *g)
{
    const struct lock *lock = g->locks;
    while (lock && !is_global(lock->resource))
        lock = lock->next;
    return lock;
}

bool lock_global_is_set(const struct global *g)
{
    return global_lock(g) != NULL;
}

/* Whether a change of names that came from the process `holder`, or (with an empty one) under the lock of `requester`,
 * still has its lock: it may have come after the nodedown of the node that set it. */
bool lock_still_set(const struct global *g, mesh_term holder, mesh_term requester)
{
    const struct lock *lock = global_lock(g);
    if (!lock)
        return !g->lock_down;
    if (holder.len > 0)
        return *find_holder((struct lock *)lock, holder) != NULL;
    return mesh_term_equal(lock->requester, requester);
}

/* ---- whereis ----------------------------------------------------------------------------------------------------- */

static void whereis_reply(struct global *g, mesh_bytes peer, mesh_term name, mesh_term from, mesh_term tag)
{
    const struct service_call call = {.from = from, .tag = tag};
    mesh_term pid;
    mesh_buf value;
    mesh_buf_init(&value);
    int built = global_whereis(g, name, &pid) ? mesh_put_term(&value, pid) : mesh_build(&value, ":undefined");
    service_reply(g->service, peer, g->config.server, &call, built, &value);
}

static void whereis_free(struct whereis *w)
{
    mesh_term_release(&w->name);
    mesh_term_release(&w->from);
    mesh_term_release(&w->tag);
    free(w);
}

static void answer_whereis(struct global *g)
{
    while (g->whereis) {
        struct whereis *w = g->whereis;
        g->whereis = w->next;
        g->whereis_count--;
        whereis_reply(g, mesh_str(w->peer), w->name, w->from, w->tag);
        whereis_free(w);
    }
}

void lock_whereis(struct global *g, mesh_bytes peer, mesh_term name, mesh_term from, mesh_term tag)
{
    if (!lock_global_is_set(g) || g->whereis_count >= GLOBAL_WHEREIS_MAX) {
        whereis_reply(g, peer, name, from, tag);
        return;
    }
    struct whereis *w = must_calloc(1, sizeof *w);
    memcpy(w->peer, peer.data, peer.len);
    if (mesh_term_keep(name, &w->name) != MESH_OK || mesh_term_keep(from, &w->from) != MESH_OK ||
        mesh_term_keep(tag, &w->tag) != MESH_OK) {
        whereis_free(w);
        whereis_reply(g, peer, name, from, tag);
        return;
    }
    w->next = g->whereis;
    g->whereis = w;
    g->whereis_count++;
}

void locks_fini(struct global *g)
{
    while (g->whereis) {
        struct whereis *w = g->whereis;
        g->whereis = w->next;
        whereis_free(w);
    }
    while (g->locks) {
        struct lock *lock = g->locks;
        g->locks = lock->next;
        while (lock->holders) {
            struct holder *holder = lock->holders;
            lock->holders = holder->next;
            mesh_term_release(&holder->pid);
            free(holder);
        }
        mesh_term_release(&lock->resource);
        mesh_term_release(&lock->requester);
        free(lock);
    }
}
