/* Queues in memory between services. */
#include "unit/dist/fabric.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t index_of(const struct fabric *f, mesh_bytes name)
{
    for (size_t i = 0; i < f->count; i++)
        if (strlen(f->nodes[i].name) == name.len && memcmp(f->nodes[i].name, name.data, name.len) == 0)
            return i;
    return FABRIC_NODES_MAX;
}

static uint64_t random_below(struct fabric *f, uint64_t below)
{
    f->random = f->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (f->random >> 33) % below;
}

/* ---- what is heard ----------------------------------------------------------------------------------------------- */

static const char *kind_text(enum control_kind kind)
{
    static const char *const texts[] = {"send",    "send_name",  "send_alias", "link",  "unlink_old",
                                        "unlink",  "unlink_ack", "exit",       "exit2", "group_leader",
                                        "monitor", "demonitor",  "down",       "spawn", "spawn_reply"};
    return texts[kind];
}

static void hear(struct fabric_node *node, const struct control *c)
{
    char text[1024], message[900] = "";
    const mesh_term what = c->kind == CONTROL_SPAWN_REPLY ? c->result : c->message;
    if (node->heard_count == FABRIC_HEARD_MAX)
        fabric_forget(node);
    if (what.len > 0)
        mesh_inspect_text(what, message, sizeof message);
    snprintf(text, sizeof text, "%s%s%s", kind_text(c->kind), message[0] ? " " : "", message);
    node->heard[node->heard_count] = strdup(text);
    assert_non_null(node->heard[node->heard_count++]);
}

const char *fabric_heard(struct fabric_node *node)
{
    return node->heard_count > 0 ? node->heard[0] : "";
}

void fabric_forget(struct fabric_node *node)
{
    if (node->heard_count == 0)
        return;
    free(node->heard[0]);
    node->heard_count--;
    memmove(&node->heard[0], &node->heard[1], node->heard_count * sizeof node->heard[0]);
}

void fabric_forget_all(struct fabric_node *node)
{
    while (node->heard_count > 0)
        fabric_forget(node);
}

/* ---- actions ----------------------------------------------------------------------------------------------------- */

static void enqueue(struct fabric *f, size_t from, size_t to, const struct control *c)
{
    mesh_bytes message;
    struct packet *packet = calloc(1, sizeof *packet);
    assert_non_null(packet);
    mesh_buf_init(&packet->bytes);
    assert_int_equal(control_put(&packet->bytes, c, DIST_OFFERED, &message), MESH_OK);
    assert_int_equal(mesh_buf_append(&packet->bytes, message.data, message.len), MESH_OK);
    struct packet **at = &f->nodes[to].queue[from];
    while (*at)
        at = &(*at)->next;
    *at = packet;
}

static void on_send(void *context, mesh_bytes peer, const struct control *c)
{
    struct fabric_node *node = context;
    const size_t to = index_of(node->fabric, peer);
    const size_t self = (size_t)(node - node->fabric->nodes);
    if (to < FABRIC_NODES_MAX && node->linked[to] && !node->parts[to])
        enqueue(node->fabric, self, to, c);
}

static void on_connect(void *context, mesh_bytes peer)
{
    struct fabric_node *node = context;
    const size_t to = index_of(node->fabric, peer);
    assert_true(to < FABRIC_NODES_MAX);
    node->wants[to] = true;
}

static void on_disconnect(void *context, mesh_bytes peer)
{
    struct fabric_node *node = context;
    const size_t to = index_of(node->fabric, peer);
    if (to < FABRIC_NODES_MAX)
        node->parts[to] = node->linked[to];
}

static uint64_t on_next_pid(void *context)
{
    struct fabric_node *node = context;
    return ++node->last_pid;
}

static bool on_deliver(void *context, mesh_bytes peer, const struct control *c)
{
    struct fabric_node *node = context;
    uint64_t number = 0;
    (void)peer;
    hear(node, c);
    node->killed += c->kind == CONTROL_EXIT2;
    return mesh_match(c->to, ":mesh") == MESH_OK ||
           (service_is_own(&node->system.service, c->to, &number) && number == FABRIC_USER_PID);
}

static bool is_alive(void *context, uint64_t number)
{
    const struct fabric_node *node = context;
    return number == FABRIC_USER_PID && node->alive;
}

static void on_done(void *context, uint64_t token, bool yes)
{
    struct fabric_node *node = context;
    (void)token;
    node->done++;
    node->done_yes += yes;
}

static enum spawn_outcome run_outcome(void *context, const struct spawn_call *call, mesh_buf *result)
{
    mesh_bytes how;
    (void)context;
    if (mesh_match(call->args, "[~a]", &how) != MESH_OK)
        return SPAWN_UNDEF;
    mesh_put_atom(result, how);
    switch (((const char *)how.data)[0]) {
    case 't':
        return SPAWN_THROW;
    case 'x':
        return SPAWN_EXIT;
    case 'e':
        return SPAWN_ERROR;
    default:
        return SPAWN_RETURN;
    }
}

static enum spawn_outcome run_later(void *context, const struct spawn_call *call, mesh_buf *result)
{
    struct fabric_node *node = context;
    (void)result;
    node->later = call->token;
    return SPAWN_LATER;
}

/* ---- nodes ------------------------------------------------------------------------------------------------------- */

void fabric_init(struct fabric *f, uint64_t seed)
{
    memset(f, 0, sizeof *f);
    f->random = seed;
    f->now_ms = 1000;
}

size_t fabric_start(struct fabric *f, const char *name, bool scripted)
{
    static const struct service_actions actions = {on_send, on_connect, on_disconnect};
    size_t i = index_of(f, mesh_str(name));
    if (i == FABRIC_NODES_MAX)
        i = f->count++;
    assert_true(i < FABRIC_NODES_MAX);
    struct fabric_node *node = &f->nodes[i];
    assert_false(node->alive);
    *node = (struct fabric_node){
        .fabric = f, .name = name, .alive = true, .scripted = scripted, .creation = node->creation + 5};
    node->last_pid = 100;
    if (scripted)
        return i;
    const struct spawn_function functions[] = {{"t", "outcome", 1, run_outcome, node},
                                               {"t", "later", 0, run_later, node}};
    const struct system_config config = {.self = mesh_str(name),
                                         .creation = node->creation,
                                         .first_pid = FABRIC_FIRST_PID,
                                         .ref_word = 7,
                                         .seed = random_below(f, UINT32_MAX),
                                         .actions = &actions,
                                         .functions = functions,
                                         .function_count = 2,
                                         .next_pid = on_next_pid,
                                         .deliver = on_deliver,
                                         .alive = is_alive,
                                         .done = on_done,
                                         .context = node};
    system_init(&node->system, &config);
    return i;
}

static void drop_queue(struct fabric *f, size_t from, size_t to)
{
    struct packet **queue = &f->nodes[to].queue[from];
    while (*queue) {
        struct packet *packet = *queue;
        *queue = packet->next;
        mesh_buf_fini(&packet->bytes);
        free(packet);
    }
}

static void down(struct fabric *f, size_t node, size_t peer)
{
    struct fabric_node *n = &f->nodes[node];
    n->linked[peer] = n->parts[peer] = false;
    drop_queue(f, peer, node);
    if (n->alive && !n->scripted)
        system_peer_down(&n->system, mesh_str(f->nodes[peer].name), f->now_ms);
}

void fabric_cut(struct fabric *f, size_t a, size_t b)
{
    if (!f->nodes[a].linked[b])
        return;
    f->nodes[a].linked[b] = f->nodes[b].linked[a] = false; /* neither sends any more */
    down(f, a, b);
    down(f, b, a);
}

static void up(struct fabric *f, size_t node, size_t peer)
{
    struct fabric_node *n = &f->nodes[node];
    if (!n->scripted)
        system_peer_up(&n->system, mesh_str(f->nodes[peer].name), true, f->now_ms);
}

void fabric_link(struct fabric *f, size_t a, size_t b)
{
    if (f->nodes[a].linked[b])
        return;
    f->nodes[a].linked[b] = f->nodes[b].linked[a] = true;
    up(f, a, b);
    up(f, b, a);
}

void fabric_stop(struct fabric *f, size_t node, bool crash)
{
    struct fabric_node *n = &f->nodes[node];
    assert_true(n->alive);
    if (!crash && !n->scripted)
        global_shutdown(n->system.global);
    for (size_t i = 0; i < f->count; i++) {
        drop_queue(f, i, node);
        fabric_cut(f, node, i);
        if (!crash)
            fabric_settle(f); /* one connection after the other, as sockets are closed */
    }
    if (!n->scripted)
        system_fini(&n->system);
    n->alive = false;
    fabric_forget_all(n);
}

void fabric_fini(struct fabric *f)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->nodes[i].alive)
            fabric_stop(f, i, false);
}

/* ---- time -------------------------------------------------------------------------------------------------------- */

static void deliver(struct fabric *f, size_t from, size_t to)
{
    struct fabric_node *n = &f->nodes[to];
    struct packet *packet = n->queue[from];
    struct control c;
    n->queue[from] = packet->next;
    assert_int_equal(control_read(mesh_buf_bytes(&packet->bytes), mesh_str(f->nodes[from].name), NULL, &c),
                     REFUSAL_NONE);
    if (n->scripted)
        hear(n, &c);
    else
        system_message(&n->system, mesh_str(f->nodes[from].name), &c, f->now_ms);
    mesh_buf_fini(&packet->bytes);
    free(packet);
}

/* What the nodes asked for: one connection at a time. True if there was something. */
static bool connections(struct fabric *f)
{
    for (size_t i = 0; i < f->count; i++)
        for (size_t j = 0; j < f->count; j++) {
            struct fabric_node *n = &f->nodes[i];
            const bool wants = n->alive && n->wants[j];
            n->wants[j] = false;
            if (n->alive && n->parts[j]) {
                fabric_cut(f, i, j);
                return true;
            }
            if (wants && !n->linked[j]) {
                if (f->nodes[j].alive && !f->nodes[j].refuses)
                    fabric_link(f, i, j);
                else
                    down(f, i, j);
                return true;
            }
        }
    return false;
}

static bool one_packet(struct fabric *f)
{
    size_t seen = 0, from = 0, to = 0;
    for (size_t i = 0; i < f->count; i++)
        for (size_t j = 0; j < f->count; j++)
            if (f->nodes[j].alive && f->nodes[j].queue[i] && random_below(f, ++seen) == 0) {
                from = i;
                to = j;
            }
    if (seen == 0)
        return false;
    deliver(f, from, to);
    return true;
}

void fabric_settle(struct fabric *f)
{
    for (int turns = 0; turns < 100000; turns++) {
        const bool connected = random_below(f, 4) == 0 && connections(f);
        if (!connected && !one_packet(f) && !connections(f))
            return;
    }
    fail_msg("it does not come to rest");
}

void fabric_pass(struct fabric *f, uint64_t ms)
{
    fabric_settle(f);
    for (uint64_t end = f->now_ms + ms; f->now_ms < end;) {
        f->now_ms += 100;
        for (size_t i = 0; i < f->count; i++)
            if (f->nodes[i].alive && !f->nodes[i].scripted)
                system_tick(&f->nodes[i].system, f->now_ms);
        fabric_settle(f);
    }
}

/* ---- scripts ----------------------------------------------------------------------------------------------------- */

mesh_term fabric_pid(const struct fabric_node *node, uint64_t number, mesh_buf *buf)
{
    mesh_pid pid = {.number = number, .creation = node->creation};
    snprintf(pid.node, sizeof pid.node, "%s", node->name);
    mesh_buf_init(buf);
    assert_int_equal(mesh_put_pid(buf, &pid), MESH_OK);
    return mesh_buf_term(buf);
}

mesh_term fabric_ref(const struct fabric_node *node, uint32_t number, mesh_buf *buf)
{
    mesh_ref ref = {.creation = node->creation, .count = 3, .words = {number, 2, 3}};
    snprintf(ref.node, sizeof ref.node, "%s", node->name);
    mesh_buf_init(buf);
    assert_int_equal(mesh_put_ref(buf, &ref), MESH_OK);
    return mesh_buf_term(buf);
}

void fabric_control(struct fabric *f, size_t script, size_t to, const struct control *c)
{
    assert_true(f->nodes[script].linked[to]);
    enqueue(f, script, to, c);
    fabric_settle(f);
}

void fabric_say(struct fabric *f, size_t script, size_t to, const char *name, int built, mesh_buf *message)
{
    mesh_buf atom, pid;
    mesh_buf_init(&atom);
    assert_int_equal(built, MESH_OK);
    assert_int_equal(mesh_put_atom(&atom, mesh_str(name)), MESH_OK);
    const struct control c = {.kind = CONTROL_SEND_NAME,
                              .from = fabric_pid(&f->nodes[script], 3, &pid),
                              .to = mesh_buf_term(&atom),
                              .message = mesh_buf_term(message)};
    fabric_control(f, script, to, &c);
    mesh_buf_fini(&atom);
    mesh_buf_fini(&pid);
    mesh_buf_fini(message);
}
