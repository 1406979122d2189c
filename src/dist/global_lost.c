/* Lost connections. Whoever loses one tells all that he knows, they pass it on, once, and part with the node that was
 * lost: so that two parts of a cluster never overlap. Who is to be parted with is asked to close the connection, and
 * that is then no loss to be told. */
#include "dist/global_state.h"

#include <stdlib.h>

#include "base/alloc.h"

/* A lost connection that was told: node A has parted from B. */
struct lost {
    struct lost *next;
    int64_t incarnation, op; /* of A */
    uint64_t until_ms;
    char a[NAME_MAX_BYTES + 1], b[NAME_MAX_BYTES + 1];
};

bool lost_prevents(const struct global *g)
{
    return !g->config.overlapping && !g->closing;
}

/* To all that this node knows or is about to, but one. */
static void multicast(struct global *g, mesh_bytes but, mesh_term message)
{
    for (struct peer_state *p = g->peers; p; p = p->next) {
        mesh_buf copy;
        if (!p->up || !(p->known || p->pending) || name_equals(p->name, but))
            continue;
        mesh_buf_init(&copy);
        global_info(g, p, mesh_put_term(&copy, message), &copy);
    }
}

void lost_tell(struct global *g, mesh_bytes node)
{
    mesh_buf message;
    mesh_buf_init(&message);
    if (mesh_build(&message, "{:lost_connection, ~a, ~i, ~i, ~a}", service_self(g->service), g->incarnation,
                   ++g->last_op, node) == MESH_OK)
        multicast(g, node, mesh_buf_term(&message));
    mesh_buf_fini(&message);
}

void lost_forget(struct global *g)
{
    size_t count = 0;
    for (struct lost **at = &g->lost; *at;) {
        struct lost *l = *at;
        if (l->until_ms <= g->now_ms || ++count > GLOBAL_LOST_MAX) {
            *at = l->next;
            free(l);
        } else {
            at = &l->next;
        }
    }
}

/* Whether this is news; it is remembered then. */
static bool lost_is_new(struct global *g, mesh_bytes a, mesh_bytes b, int64_t incarnation, int64_t op)
{
    struct lost *l = g->lost;
    while (l && !(name_equals(l->a, a) && name_equals(l->b, b)))
        l = l->next;
    if (l && l->incarnation == incarnation && op <= l->op)
        return false;
    if (!l) {
        l = must_calloc(1, sizeof *l);
        memcpy(l->a, a.data, a.len);
        memcpy(l->b, b.data, b.len);
        l->next = g->lost;
        g->lost = l;
    }
    l->incarnation = incarnation;
    l->op = op;
    l->until_ms = g->now_ms + GLOBAL_LOST_MS;
    lost_forget(g);
    return true;
}

void lost_connection(struct global *g, mesh_term message)
{
    mesh_bytes a, b;
    int64_t incarnation, op;
    mesh_buf request;
    if (mesh_match(message, "{:lost_connection, ~a, ~i, ~i, ~a}", &a, &incarnation, &op, &b) != MESH_OK ||
        !names_full(a) || !names_full(b)) {
        g->counts.dropped++;
        return;
    }
    if (!lost_prevents(g) || !lost_is_new(g, a, b, incarnation, op))
        return;
    multicast(g, a, message);
    struct peer_state *p = peer_find(g, global_is_self(g, b) ? a : b);
    if (!p || !(p->known || p->pending))
        return;
    mesh_buf_init(&request);
    global_info(g, p, mesh_build(&request, "{:remove_connection, ~a}", service_self(g->service)), &request);
    global_node_down(g, p);
    p->removing = true;
}

void lost_remove(struct global *g, mesh_bytes node)
{
    struct peer_state *p = peer_find(g, node);
    if (!p || !(p->known || p->pending))
        return;
    g->service->actions->disconnect(g->service->context, node);
    global_node_down(g, p);
    p->removing = true;
}

void lost_fini(struct global *g)
{
    while (g->lost) {
        struct lost *l = g->lost;
        g->lost = l->next;
        free(l);
    }
}
