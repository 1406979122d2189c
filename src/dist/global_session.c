/* Two nodes connect: a session for each pair, from init_connect to resolved. global_locker.c holds the lock meanwhile.
 */
#include "dist/global_state.h"

static mesh_term none(void)
{
    return (mesh_term){NULL, 0, NULL};
}

static mesh_bytes self(const struct global *g)
{
    return service_self(g->service);
}

/* ---- the beginning and the end of a session ---------------------------------------------------------------------- */

/* Forgets what belongs to a session. */
void session_clear(struct peer_state *p)
{
    mesh_term_release(&p->his_locker);
    mesh_term_release(&p->names);
    mesh_term_release(&p->his_ops);
    mesh_term_release(&p->his_known);
    terms_clear(&p->ops);
    terms_clear(&p->res);
    p->my_tag = p->his_tag = 0;
    p->pending = p->locked = p->comparing = p->ops_ready = false;
    p->lock_set = SAID_NOTHING;
    p->names_at = 0;
    p->clash_ref = 0;
}

void session_start(struct global *g, struct peer_state *p)
{
    mesh_buf pid, message;
    if (g->closing || p->known || p->my_tag != 0 || !p->up)
        return;
    p->my_tag = ++g->last_tag;
    mesh_buf_init(&pid);
    mesh_buf_init(&message);
    int built = service_put_pid(g->service, &pid, g->config.locker);
    if (!built)
        built = mesh_build(&message, "{:init_connect, {8, ~i}, ~a, {:locker, :no_longer_a_pid, %{}, ~t}}", p->my_tag,
                           self(g), mesh_buf_term(&pid));
    global_cast(g, p, built, &message);
    mesh_buf_fini(&pid);
}

static void send_cancel(struct global *g, const struct peer_state *p, int64_t tag)
{
    mesh_buf message;
    mesh_buf_init(&message);
    global_info(g, p, mesh_build(&message, "{:cancel_connect, ~a, ~i}", self(g), tag), &message);
}

/* Ends a session, whatever stage it is in: he is told, if he has one, the lock goes. */
void session_end(struct global *g, struct peer_state *p)
{
    if (p->pending && p->my_tag != 0 && p->up)
        send_cancel(g, p, p->his_tag);
    session_clear(p);
    if (g->locking == p)
        locker_idle(g, false);
}

static void restart(struct global *g, struct peer_state *p)
{
    const bool had_one = p->my_tag != 0;
    p->pending = p->pending && had_one;
    session_end(g, p);
    g->counts.restarted++;
    if (had_one)
        session_start(g, p);
}

static void init_connect(struct global *g, struct peer_state *p, uint32_t version, int64_t tag, mesh_term locker)
{
    mesh_buf message;
    if (version < GLOBAL_VERSION) { /* it does not know init_connect_ack, and would wait for locks out of step */
        g->counts.refused++;
        g->service->actions->disconnect(g->service->context, mesh_str(p->name));
        return;
    }
    if (p->pending) {
        send_cancel(g, p, tag);
        p->pending = false;
        restart(g, p);
    }
    if (p->my_tag == 0)
        return; /* it is known here already; in_sync tells it so */
    p->his_tag = tag;
    p->version = version;
    mesh_term_release(&p->his_locker);
    if (mesh_term_keep(locker, &p->his_locker) != MESH_OK) {
        g->service->actions->disconnect(g->service->context, mesh_str(p->name));
        return;
    }
    p->pending = true;
    mesh_buf_init(&message);
    global_info(g, p, mesh_build(&message, "{:init_connect_ack, ~a, ~i, ~i}", self(g), tag, p->my_tag), &message);
    if (g->locker == LOCKER_IDLE)
        locker_rest(g, false);
}

static void init_connect_ack(struct global *g, struct peer_state *p, int64_t my_tag, int64_t his_tag)
{
    if (p->my_tag != 0 && p->my_tag == my_tag && p->his_tag == his_tag)
        return;
    send_cancel(g, p, his_tag);
    p->pending = false; /* told already */
    restart(g, p);
}

/* ---- the names --------------------------------------------------------------------------------------------------- */

/* Ends the sessions with nodes that become known by way of another. */
static void end_those(struct global *g, mesh_term known)
{
    mesh_term element;
    mesh_bytes node;
    mesh_reader r = terms_open(known);
    while (terms_next(&r, &element)) {
        const bool named =
            mesh_match(element, "{~a, _}", &node) == MESH_OK || mesh_match(element, "~a", &node) == MESH_OK;
        struct peer_state *q = named ? peer_find(g, node) : NULL;
        if (!q || q->my_tag == 0 || q == g->locking)
            continue;
        q->pending = false;
        session_end(g, q);
    }
}

/* Everything is settled: apply it here, tell those that were known before, and know each other. */
static void finish(struct global *g, struct peer_state *p)
{
    struct global_counts *counts = &g->counts;
    mesh_buf ops, nodes, message, one;
    mesh_term element, resource, requester = none(), his_known = none();
    mesh_reader r;
    struct terms all, added;
    terms_init(&all);
    terms_init(&added);
    mesh_buf_init(&ops);
    mesh_buf_init(&nodes);
    mesh_buf_init(&message);
    mesh_buf_init(&one);
    if (mesh_match(g->locker_grab.id, "{~t, ~t}", &resource, &requester) != MESH_OK)
        requester = none();

    mesh_buf_append(&all.buf, p->ops.buf.data, p->ops.buf.len);
    all.count = p->ops.count;
    all.error = p->ops.error;
    for (r = terms_open(p->his_ops); terms_next(&r, &element);)
        terms_add(&all, mesh_put_term(&one, element), &one);
    terms_add(&added, mesh_build(&one, "{~a, ~u}", p->name, p->version), &one);
    for (r = terms_open(p->his_known); terms_next(&r, &element);)
        terms_add(&added, mesh_put_term(&one, element), &one);
    int error = terms_put(&all, &ops);
    if (!error)
        error = terms_put(&added, &nodes);
    if (!error)
        error = mesh_build(&message, "{:new_nodes, ~a, ~t, [], ~t, [{:vsn, 8}, {:lock, ~t}]}", self(g),
                           mesh_buf_term(&ops), mesh_buf_term(&nodes), g->locker_grab.id);
    if (error) { /* no memory: part with it, so that it does not wait */
        g->service->actions->disconnect(g->service->context, mesh_str(p->name));
    } else {
        names_apply(g, mesh_buf_term(&ops), requester);
        for (struct peer_state *q = g->peers; q; q = q->next)
            if (q->known && q->up)
                global_cast(g, q, mesh_put_term(&one, mesh_buf_term(&message)), &one);
        end_those(g, p->his_known);
        mesh_term_keep(p->his_known, &his_known);
        p->pending = false;
        session_end(g, p);
        p->known = p->synced = true;
        global_add_known(g, his_known, true);
        counts->sessions++;
        locker_rest(g, true);
    }
    terms_fini(&all);
    terms_fini(&added);
    mesh_buf_fini(&ops);
    mesh_buf_fini(&nodes);
    mesh_buf_fini(&message);
    mesh_buf_fini(&one);
    mesh_term_release(&his_known);
}

/* The comparison of the names is complete: tell him, and see whether he has done so too. */
static void compared(struct global *g, struct peer_state *p)
{
    mesh_buf res, known, message;
    mesh_buf_init(&res);
    mesh_buf_init(&known);
    mesh_buf_init(&message);
    int built = p->ops.error ? p->ops.error : terms_put(&p->res, &res);
    if (!built)
        built = global_put_known(g, &known, true);
    if (!built)
        built = mesh_build(&message, "{:resolved, ~a, ~t, ~t, :unused, [], ~i}", self(g), mesh_buf_term(&res),
                           mesh_buf_term(&known), p->his_tag);
    global_cast(g, p, built, &message);
    mesh_buf_fini(&res);
    mesh_buf_fini(&known);
    p->ops_ready = true;
    if (p->his_ops.len > 0)
        finish(g, p);
}

void session_locked(struct global *g, struct peer_state *p)
{
    mesh_buf names, message;
    mesh_buf_init(&names);
    mesh_buf_init(&message);
    int built = names_put(g, &names);
    if (!built)
        built = mesh_build(&message, "{:exchange, ~a, ~t, [], ~i}", self(g), mesh_buf_term(&names), p->his_tag);
    global_cast(g, p, built, &message);
    mesh_buf_fini(&names);
    p->locked = true;
    g->locker = LOCKER_WAITS_END;
    g->locker_since_ms = g->now_ms;
    if (p->names.len > 0 && names_compare(g, p))
        compared(g, p);
}

/* Keeps what he sent until it is its turn; false if it came before, or memory is refused. */
static bool keep_once(struct global *g, struct peer_state *p, mesh_term term, mesh_term *where)
{
    if (where->len > 0) {
        g->counts.dropped++;
        return false;
    }
    if (mesh_term_keep(term, where) == MESH_OK)
        return true;
    g->service->actions->disconnect(g->service->context, mesh_str(p->name));
    return false;
}

static void exchange(struct global *g, struct peer_state *p, mesh_term names)
{
    if (keep_once(g, p, names, &p->names) && p->locked && names_compare(g, p))
        compared(g, p);
}

static void resolved(struct global *g, struct peer_state *p, mesh_term ops, mesh_term known)
{
    if (keep_once(g, p, ops, &p->his_ops) && keep_once(g, p, known, &p->his_known) && p->ops_ready)
        finish(g, p);
}

static void new_nodes(struct global *g, mesh_term ops, mesh_term nodes, mesh_term extra)
{
    mesh_term element, requester = none();
    mesh_reader r = terms_open(extra);
    while (terms_next(&r, &element))
        if (mesh_match(element, "{:lock, {:global, ~t}}", &requester) == MESH_OK)
            break;
    global_add_known(g, nodes, true);
    names_apply(g, ops, requester);
}

static void in_sync(struct global *g, struct peer_state *p)
{
    p->synced = true;
    p->pending = false;
    session_end(g, p);
}

/* ---- what comes in ----------------------------------------------------------------------------------------------- */

void session_cast(struct global *g, struct peer_state *p, mesh_term message)
{
    mesh_term a, b, c;
    mesh_bytes node;
    int64_t tag;
    uint32_t version;
    bool set;
    if (mesh_match(message, "{:init_connect, {~u, ~i}, ~a, {:locker, _, _, ~t}}", &version, &tag, &node, &a) ==
        MESH_OK) {
        if (service_type(a) == MESH_TYPE_PID && tag != 0)
            init_connect(g, p, version, tag, a);
    } else if (mesh_match(message, "{:lock_set, ~t, ~o, _, ~i}", &a, &set, &tag) == MESH_OK) {
        locker_told(g, p, set, tag);
    } else if (mesh_match(message, "{:exchange, ~a, ~t, _, ~i}", &node, &a, &tag) == MESH_OK) {
        if (tag == p->my_tag && tag != 0)
            exchange(g, p, a);
    } else if (mesh_match(message, "{:resolved, ~a, ~t, ~t, _, _, ~i}", &node, &a, &b, &tag) == MESH_OK) {
        if (tag == p->my_tag && tag != 0)
            resolved(g, p, a, b);
    } else if (mesh_match(message, "{:new_nodes, ~a, ~t, _, ~t, ~t}", &node, &a, &b, &c) == MESH_OK) {
        new_nodes(g, a, b, c);
    } else if (mesh_match(message, "{:in_sync, ~a, _}", &node) == MESH_OK) {
        in_sync(g, p);
    } else if (mesh_match(message, "{:async_del_name, _, _}") != MESH_OK &&
               mesh_match(message, "{:async_del_lock, _, _}") != MESH_OK) { /* of old nodes: monitors do that now */
        g->counts.dropped++;
    }
    locker_look(g);
}

bool session_info(struct global *g, struct peer_state *p, mesh_term message)
{
    mesh_bytes node;
    int64_t my_tag, his_tag;
    if (mesh_match(message, "{:init_connect_ack, ~a, ~i, ~i}", &node, &my_tag, &his_tag) == MESH_OK) {
        init_connect_ack(g, p, my_tag, his_tag);
    } else if (mesh_match(message, "{:cancel_connect, ~a, ~i}", &node, &my_tag) == MESH_OK) {
        if (my_tag == p->my_tag && my_tag != 0) {
            p->pending = false; /* he knows */
            restart(g, p);
        }
    } else {
        return false;
    }
    locker_look(g);
    return true;
}

/* Whether an answer was for the locker or for a comparison of names. */
bool session_answered(struct global *g, struct peer_state *p, uint64_t ref, mesh_term value)
{
    const mesh_bytes node = mesh_str(p->name);
    if (ref == 0)
        return false;
    if (locker_answered(g, node, ref, value))
        return true;
    for (struct peer_state *q = g->peers; q; q = q->next)
        if (q->clash_ref == ref && name_equals(q->clash_node, node)) {
            if (names_clash_answered(g, q, value))
                compared(g, q);
            locker_look(g);
            return true;
        }
    return false;
}

static void clash_unanswered(struct global *g, struct peer_state *p)
{
    mesh_buf badrpc;
    mesh_buf_init(&badrpc);
    if (mesh_build(&badrpc, "{:badrpc, :nodedown}") != MESH_OK)
        session_end(g, p);
    else if (names_clash_answered(g, p, mesh_buf_term(&badrpc)))
        compared(g, p);
    mesh_buf_fini(&badrpc);
}

void session_node_down(struct global *g, mesh_bytes node)
{
    for (struct peer_state *p = g->peers; p; p = p->next)
        if (p->clash_ref != 0 && name_equals(p->clash_node, node))
            clash_unanswered(g, p);
    locker_node_down(g, node);
}

void session_tick(struct global *g)
{
    for (struct peer_state *p = g->peers; p; p = p->next)
        if (p->clash_ref != 0 && g->now_ms >= p->clash_ms + GLOBAL_CLASH_MS)
            clash_unanswered(g, p);
    locker_tick(g);
}
