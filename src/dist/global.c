/* Events of global: peers come and go, messages are taken apart. */
#include "dist/global_state.h"

#include <stdlib.h>

#include "base/alloc.h"

/* ---- lists of terms ---------------------------------------------------------------------------------------------- */

void terms_init(struct terms *list)
{
    mesh_buf_init(&list->buf);
    list->count = 0;
    list->error = MESH_OK;
}

void terms_fini(struct terms *list)
{
    mesh_buf_fini(&list->buf);
}

void terms_clear(struct terms *list)
{
    mesh_buf_fini(&list->buf);
    terms_init(list);
}

void terms_add(struct terms *list, int built, mesh_buf *element)
{
    if (built == MESH_OK)
        built = mesh_put_term(&list->buf, mesh_buf_term(element));
    if (built == MESH_OK)
        list->count++;
    else
        list->error = built;
    mesh_buf_fini(element);
}

int terms_put(const struct terms *list, mesh_buf *out)
{
    int error = list->error ? list->error : mesh_put_list(out, list->count);
    if (!error)
        error = mesh_buf_append(out, list->buf.data, list->buf.len);
    return error ? error : mesh_put_empty(out);
}

mesh_reader terms_open(mesh_term list)
{
    mesh_reader r = mesh_reader_of(list);
    uint32_t count;
    if (mesh_read_list(&r, &count) != MESH_OK)
        r.at = r.end;
    return r;
}

/* The tail of the list is read as an element too, which does no harm: [] is none of what lists here are made of. */
bool terms_next(mesh_reader *r, mesh_term *out)
{
    return r->at < r->end && mesh_read_empty(r) != MESH_OK && mesh_read_term(r, out) == MESH_OK;
}

/* ---- small things ------------------------------------------------------------------------------------------------ */

/* splitmix64. */
uint64_t global_random(struct global *g, uint64_t below)
{
    uint64_t z = g->random += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return (z ^ z >> 31) % below;
}

bool global_is_self(const struct global *g, mesh_bytes name)
{
    return service_same(service_self(g->service), name);
}

int global_put_ref(struct global *g, mesh_buf *buf, uint64_t ref)
{
    mesh_ref r = {.creation = g->service->creation,
                  .count = 3,
                  .words = {(uint32_t)ref, (uint32_t)(ref >> 32), g->config.ref_word}};
    memcpy(r.node, g->service->self, sizeof g->service->self);
    return mesh_put_ref(buf, &r);
}

static const char server_name[] = "global_name_server";

void global_info(struct global *g, const struct peer_state *p, int built, mesh_buf *message)
{
    service_send_name(g->service, mesh_str(p->name), g->config.server, server_name, built, message);
}

/* A gen_cast; empties message. */
void global_cast(struct global *g, const struct peer_state *p, int built, mesh_buf *message)
{
    mesh_buf cast;
    mesh_buf_init(&cast);
    if (built == MESH_OK)
        built = mesh_build(&cast, "{:\"$gen_cast\", ~t}", mesh_buf_term(message));
    global_info(g, p, built, &cast);
    mesh_buf_fini(message);
}

/* A gen_call: the answer is {Ref, Value}, to the process `from`. */
void global_ask(struct global *g, mesh_bytes node, const char *name, uint64_t from, uint64_t ref, mesh_term request)
{
    mesh_buf message, pid, tag;
    mesh_buf_init(&message);
    mesh_buf_init(&pid);
    mesh_buf_init(&tag);
    int error = service_put_pid(g->service, &pid, from);
    if (!error)
        error = global_put_ref(g, &tag, ref);
    if (!error)
        error =
            mesh_build(&message, "{:\"$gen_call\", {~t, ~t}, ~t}", mesh_buf_term(&pid), mesh_buf_term(&tag), request);
    service_send_name(g->service, node, from, name, error, &message);
    mesh_buf_fini(&pid);
    mesh_buf_fini(&tag);
}

/* ---- peers ------------------------------------------------------------------------------------------------------- */

struct peer_state *peer_find(const struct global *g, mesh_bytes name)
{
    for (struct peer_state *p = g->peers; p; p = p->next)
        if (name_equals(p->name, name))
            return p;
    return NULL;
}

struct peer_state *peer_get(struct global *g, mesh_bytes name)
{
    struct peer_state *p = peer_find(g, name);
    if (p || !names_full(name) || global_is_self(g, name))
        return p;
    if (g->peer_count >= GLOBAL_PEERS_MAX) {
        g->counts.refused++;
        return NULL;
    }
    p = must_calloc(1, sizeof *p);
    memcpy(p->name, name.data, name.len);
    terms_init(&p->ops);
    terms_init(&p->res);
    p->next = g->peers;
    g->peers = p;
    g->peer_count++;
    return p;
}

static void peer_free(struct peer_state *p)
{
    session_clear(p);
    names_forget_owed(p);
    terms_fini(&p->ops);
    terms_fini(&p->res);
    free(p);
}

static void peer_remove(struct global *g, struct peer_state *p)
{
    struct peer_state **at = &g->peers;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    g->peer_count--;
    peer_free(p);
}

/* Tells the node that this one has its names; connects first where there is no connection. */
void global_sync_with(struct global *g, mesh_bytes node)
{
    struct peer_state *p = peer_get(g, node);
    mesh_buf message;
    if (!p)
        return;
    if (!p->up) {
        p->owes_sync = true;
        if (!g->closing)
            g->service->actions->connect(g->service->context, node);
        return;
    }
    mesh_buf_init(&message);
    global_cast(g, p, mesh_build(&message, "{:in_sync, ~a, true}", service_self(g->service)), &message);
}

/* A node that is known elsewhere: Node, or {Node, Version}. */
static bool read_known(mesh_term element, mesh_bytes *node, uint32_t *version)
{
    *version = 0;
    return mesh_match(element, "{~a, ~u}", node, version) == MESH_OK || mesh_match(element, "~a", node) == MESH_OK;
}

/* Adds a list of them to those known here; and_sync: also tells those that were not known before. */
void global_add_known(struct global *g, mesh_term nodes, bool and_sync)
{
    mesh_term element;
    mesh_bytes node;
    uint32_t version;
    mesh_reader r = terms_open(nodes);
    while (terms_next(&r, &element)) {
        struct peer_state *p = read_known(element, &node, &version) ? peer_get(g, node) : NULL;
        if (!p)
            continue;
        const bool added = !p->known;
        p->known = true;
        if (version > 0 || added)
            p->version = version;
        if (added && and_sync)
            global_sync_with(g, node);
    }
}

/* [{Node, Version}, ...], or the nodes alone. */
int global_put_known(const struct global *g, mesh_buf *out, bool versions)
{
    struct terms list;
    terms_init(&list);
    for (const struct peer_state *p = g->peers; p; p = p->next) {
        mesh_buf element;
        if (!p->known)
            continue;
        mesh_buf_init(&element);
        int built = versions ? mesh_build(&element, "{~a, ~u}", p->name, p->version)
                             : mesh_put_atom(&element, mesh_str(p->name));
        terms_add(&list, built, &element);
    }
    int error = terms_put(&list, out);
    terms_fini(&list);
    return error;
}

void global_node_down(struct global *g, struct peer_state *p)
{
    session_end(g, p);
    p->known = p->synced = p->owes_sync = false;
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

void global_peer_up(struct global *g, mesh_bytes peer, uint64_t now_ms)
{
    struct peer_state *p = peer_get(g, peer);
    g->now_ms = now_ms;
    if (!p || p->up)
        return;
    p->up = true;
    p->removing = false;
    name_node_up(g, p);
    if (p->owes_sync) {
        p->owes_sync = false;
        global_sync_with(g, peer);
    }
    session_start(g, p);
}

void global_peer_down(struct global *g, mesh_bytes peer, uint64_t now_ms)
{
    struct peer_state *p = peer_find(g, peer);
    g->now_ms = now_ms;
    lock_node_down(g, peer);
    name_node_down(g, peer);
    if (!p)
        return;
    const bool lost = !p->removing && (p->up || p->known);
    p->up = false;
    session_node_down(g, peer);
    request_node_down(g, peer);
    if (lost && lost_prevents(g))
        lost_tell(g, peer);
    global_node_down(g, p);
    peer_remove(g, p);
}

static int put_synced(const struct global *g, mesh_buf *out)
{
    struct terms list;
    terms_init(&list);
    for (const struct peer_state *p = g->peers; p; p = p->next) {
        mesh_buf atom;
        mesh_buf_init(&atom);
        if (p->synced)
            terms_add(&list, mesh_put_atom(&atom, mesh_str(p->name)), &atom);
    }
    const int error = terms_put(&list, out);
    terms_fini(&list);
    return error;
}

/* A request about the names, from whoever holds the lock. */
static bool change_names(struct global *g, const struct service_call *call, mesh_buf *value, int *built)
{
    mesh_term name, pid, method;
    if (mesh_match(call->request, "{:unregister, ~t}", &name) == MESH_OK) {
        name_delete(g, name);
        *built = mesh_build(value, ":ok");
        return true;
    }
    if (mesh_match(call->request, "{:register, ~t, ~t, ~t}", &name, &pid, &method) != MESH_OK &&
        mesh_match(call->request, "{:register_ext, ~t, ~t, ~t, _}", &name, &pid, &method) != MESH_OK)
        return false;
    if (lock_still_set(g, call->from, (mesh_term){NULL, 0, NULL}))
        name_insert(g, name, pid, method);
    else
        name_delete(g, name);
    *built = mesh_build(value, ":yes");
    return true;
}

/* Puts the answer; false: there is none to such a request. */
static bool on_request(struct global *g, const struct service_call *call, mesh_buf *value, int *built)
{
    mesh_term id;
    if (mesh_match(call->request, "{:set_lock, ~t}", &id) == MESH_OK) {
        *built = mesh_put_bool(value, lock_set(g, id, call->from));
    } else if (mesh_match(call->request, "{:del_lock, ~t}", &id) == MESH_OK) {
        lock_del(g, id, call->from);
        *built = mesh_put_bool(value, true);
    } else if (mesh_match(call->request, ":get_known") == MESH_OK) {
        *built = global_put_known(g, value, false);
    } else if (mesh_match(call->request, ":get_synced") == MESH_OK) {
        *built = put_synced(g, value);
    } else if (mesh_match(call->request, ":get_protocol_version") == MESH_OK) {
        *built = mesh_put_int(value, GLOBAL_VERSION);
    } else if (mesh_match(call->request, ":get_names_ext") == MESH_OK) {
        *built = mesh_put_empty(value);
    } else {
        return change_names(g, call, value, built);
    }
    return true;
}

static void on_call(struct global *g, struct peer_state *p, const struct service_call *call)
{
    mesh_buf value;
    int built = MESH_OK;
    mesh_buf_init(&value);
    /* A lock of another node's process would not end with this connection. */
    if (name_equals(p->name, service_node(call->from)) && on_request(g, call, &value, &built))
        service_reply(g->service, mesh_str(p->name), g->config.server, call, built, &value);
    else
        g->counts.dropped++;
}

/* {Ref, Value}: an answer to something that was asked in here. */
static bool on_answer(struct global *g, struct peer_state *p, mesh_term message)
{
    mesh_ref ref;
    mesh_term value;
    if (mesh_match(message, "{~r, ~t}", &ref, &value) != MESH_OK)
        return false;
    if (ref.count != 3 || ref.words[2] != g->config.ref_word || strcmp(ref.node, g->service->self) != 0)
        return false;
    const uint64_t number = (uint64_t)ref.words[1] << 32 | ref.words[0];
    if (!session_answered(g, p, number, value))
        request_answered(g, mesh_str(p->name), number, value); /* else: to del_lock, or too late */
    return true;
}

void global_message(struct global *g, mesh_bytes peer, mesh_term message, uint64_t now_ms)
{
    struct peer_state *p = peer_find(g, peer);
    struct service_call call;
    mesh_term request, name, from, tag;
    mesh_bytes node;
    g->now_ms = now_ms;
    if (!p || !p->up || g->closing) {
        g->counts.dropped++;
        return;
    }
    if (service_is_call(message, &call))
        on_call(g, p, &call);
    else if (mesh_match(message, "{:\"$gen_cast\", ~t}", &request) == MESH_OK)
        session_cast(g, p, request);
    else if (mesh_match(message, "{:whereis, ~t, {~t, ~t}}", &name, &from, &tag) == MESH_OK &&
             service_type(from) == MESH_TYPE_PID)
        lock_whereis(g, peer, name, from, tag);
    else if (mesh_match(message, "{:remove_connection, ~a}", &node) == MESH_OK)
        lost_remove(g, node);
    else if (mesh_match(message, "{:lost_connection, _, _, _, _}") == MESH_OK)
        lost_connection(g, message);
    else if (!session_info(g, p, message) && !on_answer(g, p, message))
        g->counts.dropped++;
}

void global_monitor_down(struct global *g, mesh_bytes peer, const struct control *down, uint64_t now_ms)
{
    mesh_reader r = mesh_reader_of(down->ref);
    mesh_ref ref;
    (void)peer;
    g->now_ms = now_ms;
    if (mesh_read_ref(&r, &ref) != MESH_OK || ref.count != 3 || ref.words[2] != g->config.ref_word)
        return;
    const uint64_t number = (uint64_t)ref.words[1] << 32 | ref.words[0];
    if (!lock_monitor_down(g, number))
        name_monitor_down(g, number);
}

void global_tick(struct global *g, uint64_t now_ms)
{
    g->now_ms = now_ms;
    lost_forget(g);
    if (g->closing)
        return;
    session_tick(g);
    request_tick(g);
}

void global_shutdown(struct global *g)
{
    g->closing = true;
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

struct global *global_create(const struct global_config *config)
{
    struct global *g = must_calloc(1, sizeof *g);
    g->config = *config;
    g->service = config->service;
    g->random = config->seed;
    /* Never the same in two incarnations: random above, the creation below. */
    g->incarnation = (int64_t)(global_random(g, UINT64_C(1) << 28) << 32 | config->service->creation);
    return g;
}

void global_destroy(struct global *g)
{
    requests_fini(g);
    grab_fini(&g->locker_grab);
    locks_fini(g);
    names_fini(g);
    while (g->peers) {
        struct peer_state *p = g->peers;
        g->peers = p->next;
        peer_free(p);
    }
    lost_fini(g);
    free(g);
}
