/* Setting one lock on several nodes. Each step asks all its nodes at once and waits for all of them; one that says no
 * ends it, and those that have said yes, or may still do so, are told to forget it. The answers to that are not waited
 * for: requests of one process are served in order, and the next question has another reference. */
#include "dist/global_state.h"

#include <stdlib.h>

#include "base/alloc.h"

/* The pid in whose name it is done, in buf. */
static mesh_term own_pid(const struct global *g, const struct grab *grab, mesh_buf *buf)
{
    mesh_buf_init(buf); /* a pid of 277 bytes at most */
    return service_put_pid(g->service, buf, grab->pid) == MESH_OK ? mesh_buf_term(buf) : (mesh_term){NULL, 0, NULL};
}

int grab_start(struct global *g, struct grab *grab, mesh_term resource, mesh_term requester)
{
    mesh_buf id;
    mesh_buf_init(&id);
    int error = mesh_build(&id, "{~t, ~t}", resource, requester);
    if (!error)
        error = mesh_term_keep(mesh_buf_term(&id), &grab->id);
    mesh_buf_fini(&id);
    grab->count = 0;
    grab->step = GRAB_IDLE;
    grab->since_ms = g->now_ms;
    return error;
}

void grab_add(struct grab *grab, mesh_bytes node, enum grab_step step)
{
    if (grab_has(grab, node))
        return;
    if (grab->count == grab->cap) {
        const size_t cap = grab->cap ? 2 * grab->cap : 8; /* at most GLOBAL_PEERS_MAX + 1 */
        struct grab_node *nodes = must_calloc(cap, sizeof *nodes);
        if (grab->count > 0)
            memcpy(nodes, grab->nodes, grab->count * sizeof *nodes);
        free(grab->nodes);
        grab->nodes = nodes;
        grab->cap = cap;
    }
    struct grab_node *n = &grab->nodes[grab->count++];
    *n = (struct grab_node){.step = step};
    memcpy(n->name, node.data, node.len);
}

static struct grab_node *grab_find(const struct grab *grab, mesh_bytes node)
{
    for (size_t i = 0; i < grab->count; i++) {
        struct grab_node *n = &grab->nodes[i];
        if (name_equals(n->name, node))
            return n;
    }
    return NULL;
}

bool grab_has(const struct grab *grab, mesh_bytes node)
{
    return grab_find(grab, node) != NULL;
}

static void unlock(struct global *g, struct grab *grab, struct grab_node *n, mesh_term pid)
{
    mesh_buf request;
    if (n->answer != GRAB_ASKED && n->answer != GRAB_YES)
        return;
    n->answer = GRAB_NEW;
    if (global_is_self(g, mesh_str(n->name))) {
        lock_del(g, grab->id, pid);
        return;
    }
    mesh_buf_init(&request);
    if (mesh_build(&request, "{:del_lock, ~t}", grab->id) == MESH_OK)
        global_ask(g, mesh_str(n->name), "global_name_server", grab->pid, ++g->last_ref, mesh_buf_term(&request));
    else
        g->service->actions->disconnect(g->service->context, mesh_str(n->name));
    mesh_buf_fini(&request);
}

/* The boss last: whoever gets the lock there finds the others free. */
void grab_release(struct global *g, struct grab *grab)
{
    mesh_buf buf;
    if (grab->step == GRAB_IDLE)
        return;
    const mesh_term pid = own_pid(g, grab, &buf);
    grab->step = GRAB_IDLE;
    grab->ref = 0;
    for (int boss = 0; boss <= 1; boss++)
        for (size_t i = 0; i < grab->count; i++)
            if ((grab->nodes[i].step == GRAB_BOSS) == boss)
                unlock(g, grab, &grab->nodes[i], pid);
    grab->count = 0;
    mesh_buf_fini(&buf);
    mesh_term_release(&grab->id);
}

void grab_fini(struct grab *grab)
{
    mesh_term_release(&grab->id);
    free(grab->nodes);
    *grab = (struct grab){0};
}

/* Asks all nodes of a step. */
static void ask(struct global *g, struct grab *grab, enum grab_step step)
{
    mesh_buf request, buf;
    const mesh_term pid = own_pid(g, grab, &buf);
    mesh_buf_init(&request);
    int built = mesh_build(&request, "{:set_lock, ~t}", grab->id);
    grab->ref = ++g->last_ref;
    for (size_t i = 0; i < grab->count; i++) {
        struct grab_node *n = &grab->nodes[i];
        if (n->step != step || n->answer != GRAB_NEW)
            continue;
        if (global_is_self(g, mesh_str(n->name))) {
            n->answer = pid.len > 0 && lock_set(g, grab->id, pid) ? GRAB_YES : GRAB_NO;
        } else if (built != MESH_OK) {
            n->answer = GRAB_NO;
        } else {
            n->answer = GRAB_ASKED;
            global_ask(g, mesh_str(n->name), "global_name_server", grab->pid, grab->ref, mesh_buf_term(&request));
        }
    }
    mesh_buf_fini(&request);
    mesh_buf_fini(&buf);
}

/* How the step stands: a no counts once all have answered. */
static enum grab_result state(const struct grab *grab, enum grab_step step)
{
    enum grab_result result = GRAB_DONE;
    for (size_t i = 0; i < grab->count; i++) {
        const struct grab_node *n = &grab->nodes[i];
        if (n->step != step && step != GRAB_ACT)
            continue;
        if (n->answer == GRAB_ASKED)
            return GRAB_WAITS;
        if (n->answer == GRAB_NO)
            result = GRAB_FAILED;
    }
    return result;
}

enum grab_result grab_run(struct global *g, struct grab *grab)
{
    if (grab->step == GRAB_IDLE) {
        grab->step = GRAB_BOSS;
        if (!lock_can_set(g, grab->id)) {
            grab_release(g, grab);
            return GRAB_FAILED;
        }
        ask(g, grab, GRAB_BOSS);
    }
    for (;;) {
        enum grab_result result = state(grab, grab->step);
        if (result == GRAB_FAILED)
            grab_release(g, grab);
        if (result != GRAB_DONE || grab->step == GRAB_ACT)
            return result;
        if (grab->step < GRAB_HELD)
            grab->step++;
        if (grab->step == GRAB_HELD) {
            grab->ref = 0;
            return GRAB_DONE;
        }
        grab->since_ms = g->now_ms;
        ask(g, grab, grab->step);
    }
}

/* With the lock held: puts a question to all other nodes on which it is. GRAB_DONE once all have answered. */
enum grab_result grab_act(struct global *g, struct grab *grab, mesh_term request)
{
    grab->step = GRAB_ACT;
    grab->since_ms = g->now_ms;
    grab->ref = ++g->last_ref;
    for (size_t i = 0; i < grab->count; i++) {
        struct grab_node *n = &grab->nodes[i];
        if (n->answer != GRAB_YES || global_is_self(g, mesh_str(n->name)))
            continue;
        n->answer = GRAB_ASKED;
        global_ask(g, mesh_str(n->name), "global_name_server", grab->pid, grab->ref, request);
    }
    return state(grab, GRAB_ACT);
}

enum grab_result grab_answered(struct global *g, struct grab *grab, mesh_bytes node, bool yes)
{
    struct grab_node *n = grab_find(grab, node);
    if (!n || n->answer != GRAB_ASKED)
        return GRAB_WAITS;
    n->answer = yes || grab->step == GRAB_ACT ? GRAB_YES : GRAB_NO;
    return grab_run(g, grab);
}

enum grab_result grab_node_down(struct global *g, struct grab *grab, mesh_bytes node)
{
    struct grab_node *n = grab->step != GRAB_IDLE ? grab_find(grab, node) : NULL;
    if (!n)
        return GRAB_WAITS;
    const bool asked = n->answer == GRAB_ASKED;
    n->answer = GRAB_GONE;
    return asked ? grab_run(g, grab) : GRAB_WAITS;
}
