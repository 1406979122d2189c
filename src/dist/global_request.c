/* Requests of this node, in the name of the registrar. Names are changed under the lock `global` on all known nodes,
 * one request after the other; locks of the user stand side by side. */
#include "dist/global_state.h"

#include <stdlib.h>

#include "base/alloc.h"

enum request_kind { REQUEST_REGISTER, REQUEST_MOVE, REQUEST_UNREGISTER, REQUEST_LOCK };

struct request {
    struct request *next;
    enum request_kind kind;
    uint64_t token;
    uint32_t tries, retries;
    uint64_t wake_ms; /* when it tries again; 0: it is on its way */
    bool ended, yes;
    mesh_term name, pid; /* kept; of a lock: the resource and the requester */
    struct grab grab;
    bool holds; /* REQUEST_LOCK: it has the lock, and stays until global_del_lock */
};

static bool changes_names(const struct request *r)
{
    return r->kind != REQUEST_LOCK;
}

static void request_free(struct request *r)
{
    mesh_term_release(&r->name);
    mesh_term_release(&r->pid);
    grab_fini(&r->grab);
    free(r);
}

/* At random, as OTP's lockers do: within 1/8 s at first, then twice that each time, to 8 s. */
static void retry(struct global *g, struct request *r)
{
    const uint64_t most = r->tries >= 6 ? 8000 : (UINT64_C(125) << r->tries);
    if (r->kind == REQUEST_LOCK && r->retries != GLOBAL_FOR_EVER && r->tries >= r->retries) {
        r->ended = true;
        return;
    }
    r->tries++;
    r->wake_ms = g->now_ms + 1 + global_random(g, most);
}

static bool known_is_up(const struct global *g)
{
    for (const struct peer_state *p = g->peers; p; p = p->next)
        if (p->known && !p->up)
            return false;
    return true;
}

/* Whether the lock is on all nodes that are known by now. */
static bool covers(const struct global *g, const struct grab *grab)
{
    for (const struct peer_state *p = g->peers; p; p = p->next)
        if (p->known && !grab_has(grab, mesh_str(p->name)))
            return false;
    return true;
}

static int prepare(struct global *g, struct request *r)
{
    const char *boss = g->service->self;
    mesh_buf global, pid;
    mesh_buf_init(&global);
    mesh_buf_init(&pid);
    int error = mesh_build(&global, ":global");
    if (!error)
        error = service_put_pid(g->service, &pid, g->config.registrar);
    if (!error)
        error = changes_names(r) ? grab_start(g, &r->grab, mesh_buf_term(&global), mesh_buf_term(&pid))
                                 : grab_start(g, &r->grab, r->name, r->pid);
    r->grab.pid = g->config.registrar;
    for (const struct peer_state *p = g->peers; p; p = p->next)
        if (p->known && strcmp(p->name, boss) > 0)
            boss = p->name;
    grab_add(&r->grab, mesh_str(boss), GRAB_BOSS);
    grab_add(&r->grab, service_self(g->service), GRAB_REST);
    for (const struct peer_state *p = g->peers; p; p = p->next)
        if (p->known)
            grab_add(&r->grab, mesh_str(p->name), GRAB_REST);
    mesh_buf_fini(&global);
    mesh_buf_fini(&pid);
    return error;
}

/* Whether the change may be made: a name has one process, and a process one name. */
static bool allowed(const struct global *g, const struct request *r)
{
    mesh_term pid;
    return r->kind != REQUEST_REGISTER || (!global_whereis(g, r->name, &pid) && !name_of_pid(g, r->pid));
}

static void end_change(struct global *g, struct request *r, bool yes)
{
    grab_release(g, &r->grab);
    r->ended = true;
    r->yes = yes;
}

/* The lock is held on all nodes: makes the change here, and has it made there. */
static void change(struct global *g, struct request *r)
{
    mesh_buf message;
    int built;
    if (!covers(g, &r->grab)) {
        grab_release(g, &r->grab);
        retry(g, r);
        return;
    }
    if (!allowed(g, r)) {
        end_change(g, r, false);
        return;
    }
    mesh_buf_init(&message);
    if (r->kind == REQUEST_UNREGISTER) {
        name_delete(g, r->name);
        built = mesh_build(&message, "{:unregister, ~t}", r->name);
    } else {
        name_insert(g, r->name, r->pid, names_default_method());
        built = mesh_build(&message, "{:register, ~t, ~t, ~t}", r->name, r->pid, names_default_method());
    }
    if (built != MESH_OK)
        end_change(g, r, false);
    else if (grab_act(g, &r->grab, mesh_buf_term(&message)) == GRAB_DONE)
        end_change(g, r, true);
    mesh_buf_fini(&message);
}

static void went_on(struct global *g, struct request *r, enum grab_result result)
{
    if (result == GRAB_WAITS)
        return;
    if (result == GRAB_FAILED)
        retry(g, r);
    else if (r->grab.step == GRAB_ACT)
        end_change(g, r, true);
    else if (changes_names(r))
        change(g, r);
    else
        r->holds = r->ended = r->yes = true;
}

static void begin(struct global *g, struct request *r)
{
    r->wake_ms = 0;
    if (!known_is_up(g) || prepare(g, r) != MESH_OK)
        retry(g, r);
    else
        went_on(g, r, grab_run(g, &r->grab));
}

/* The first request that has ended and has not been told, or NULL; on the way it starts what is due. */
static struct request **next_ended(struct global *g)
{
    bool changing = false;
    for (struct request **at = &g->requests; *at; at = &(*at)->next) {
        struct request *r = *at;
        const bool first = !changes_names(r) || !changing;
        changing = changing || changes_names(r);
        if (!r->ended && first && r->grab.step == GRAB_IDLE && r->wake_ms <= g->now_ms)
            begin(g, r);
        if (r->ended && r->token != 0)
            return at;
    }
    return NULL;
}

/* Starts what is due, and tells about what has ended. The list may change in `done`: it is looked at anew. A lock that
 * is held stays in it. */
static void run(struct global *g)
{
    for (struct request **at = next_ended(g); at; at = next_ended(g)) {
        struct request *r = *at;
        const uint64_t token = r->token;
        const bool yes = r->yes;
        r->token = 0;
        if (!r->holds) {
            *at = r->next;
            g->counts.requests--;
            request_free(r);
        }
        g->config.done(g->config.context, token, yes);
    }
}

static int add(struct global *g, enum request_kind kind, mesh_term name, mesh_term pid, uint32_t retries,
               uint64_t token, uint64_t now_ms)
{
    g->now_ms = now_ms;
    if (g->closing || g->counts.requests >= GLOBAL_REQUESTS_MAX)
        return MESH_EBUSY;
    struct request *r = must_calloc(1, sizeof *r);
    r->kind = kind;
    r->token = token;
    r->retries = retries;
    if (mesh_term_keep(name, &r->name) != MESH_OK || (pid.len > 0 && mesh_term_keep(pid, &r->pid) != MESH_OK)) {
        request_free(r);
        return MESH_ENOMEM;
    }
    struct request **at = &g->requests;
    while (*at)
        at = &(*at)->next;
    *at = r;
    g->counts.requests++;
    run(g);
    return MESH_OK;
}

int global_register(struct global *g, mesh_term name, mesh_term pid, bool again, uint64_t token, uint64_t now_ms)
{
    return add(g, again ? REQUEST_MOVE : REQUEST_REGISTER, name, pid, GLOBAL_FOR_EVER, token, now_ms);
}

int global_unregister(struct global *g, mesh_term name, uint64_t token, uint64_t now_ms)
{
    return add(g, REQUEST_UNREGISTER, name, (mesh_term){NULL, 0, NULL}, GLOBAL_FOR_EVER, token, now_ms);
}

int global_set_lock(struct global *g, mesh_term resource, mesh_term requester, uint32_t retries, uint64_t token,
                    uint64_t now_ms)
{
    return add(g, REQUEST_LOCK, resource, requester, retries, token, now_ms);
}

int global_del_lock(struct global *g, mesh_term resource, mesh_term requester, uint64_t now_ms)
{
    g->now_ms = now_ms;
    for (struct request **at = &g->requests; *at; at = &(*at)->next) {
        struct request *r = *at;
        if (r->kind != REQUEST_LOCK || !mesh_term_equal(r->name, resource) || !mesh_term_equal(r->pid, requester))
            continue;
        *at = r->next;
        g->counts.requests--;
        grab_release(g, &r->grab);
        request_free(r);
        return MESH_OK;
    }
    return MESH_ENOMATCH;
}

/* Whether an answer was for one of the requests. */
bool request_answered(struct global *g, mesh_bytes node, uint64_t ref, mesh_term value)
{
    bool yes = false;
    for (struct request *r = g->requests; r; r = r->next)
        if (ref != 0 && r->grab.ref == ref && r->grab.step != GRAB_IDLE) {
            mesh_match(value, "~o", &yes);
            went_on(g, r, grab_answered(g, &r->grab, node, yes));
            run(g);
            return true;
        }
    return false;
}

void request_node_down(struct global *g, mesh_bytes node)
{
    for (struct request *r = g->requests; r; r = r->next)
        went_on(g, r, grab_node_down(g, &r->grab, node));
    run(g);
}

void request_tick(struct global *g)
{
    for (struct request *r = g->requests; r; r = r->next) {
        const enum grab_step step = r->grab.step;
        if (step == GRAB_IDLE || step == GRAB_HELD || g->now_ms < r->grab.since_ms + GLOBAL_STEP_MS)
            continue;
        g->counts.given_up++;
        if (step == GRAB_ACT) { /* made wherever it could be */
            end_change(g, r, true);
        } else {
            grab_release(g, &r->grab);
            retry(g, r);
        }
    }
    run(g);
}

void requests_fini(struct global *g)
{
    while (g->requests) {
        struct request *r = g->requests;
        g->requests = r->next;
        request_free(r);
    }
}

struct global_counts global_counts(const struct global *g)
{
    struct global_counts c = g->counts;
    c.peers = g->peer_count;
    c.names = (uint32_t)g->name_count;
    c.locks = g->lock_count;
    for (const struct peer_state *p = g->peers; p; p = p->next) {
        c.known += p->known;
        c.synced += p->synced;
    }
    return c;
}
