/* The services of a node among two others that send whatever they like, with time that passes and connections that go:
 * every message that is sent in answer has to be one that the other side would accept.
 *
 * Input: steps, each a byte and what it asks for. Its two lowest bits: 0, 1: a message of that peer, u16 length, body;
 * 2: time passes, half a second for each of the other bits' count; 3: the peer of the next bit comes or goes. */
#ifndef TESTS_FUZZ_DIST_SYSTEM_H
#define TESTS_FUZZ_DIST_SYSTEM_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dist/cursor.h"
#include "dist/flags.h"
#include "dist/system.h"

static const char self[] = "n@127.0.0.1";
static const char *const peers[] = {"va@127.0.0.1", "kb@127.0.0.1"};

struct state {
    struct system system;
    bool up[2];
    bool leaving[2];
    uint64_t later;
    uint64_t last_pid;
};

static int number(mesh_bytes peer)
{
    for (int i = 0; i < 2; i++)
        if (strlen(peers[i]) == peer.len && memcmp(peers[i], peer.data, peer.len) == 0)
            return i;
    return -1;
}

static void on_send(void *context, mesh_bytes peer, const struct control *c)
{
    const struct state *s = context;
    const mesh_limits limits = {.bytes = 1 << 22, .depth = MESH_TERM_MAX_DEPTH, .elements = 1 << 20};
    const int to = number(peer);
    struct control again;
    mesh_buf out;
    mesh_bytes message;
    if (to < 0 || !s->up[to])
        return;
    mesh_buf_init(&out);
    int error = control_put(&out, c, DIST_OFFERED, &message);
    if (!error)
        error = mesh_buf_append(&out, message.data, message.len);
    const enum refusal why =
        error ? REFUSAL_MEMORY : control_read(mesh_buf_bytes(&out), mesh_str(self), &limits, &again);
    if ((error && error != MESH_ENOMEM) || (why && why != REFUSAL_MEMORY))
        abort();
    mesh_buf_fini(&out);
}

static void on_connect(void *context, mesh_bytes peer)
{
    (void)context;
    if (!names_full(peer))
        abort();
}

static void on_disconnect(void *context, mesh_bytes peer)
{
    struct state *s = context;
    const int i = number(peer);
    if (i >= 0)
        s->leaving[i] = s->up[i];
}

static uint64_t on_next_pid(void *context)
{
    struct state *s = context;
    return ++s->last_pid;
}

static bool on_deliver(void *context, mesh_bytes peer, const struct control *message)
{
    (void)context;
    (void)peer;
    return message->kind == CONTROL_LINK;
}

static bool is_alive(void *context, uint64_t number)
{
    (void)context;
    return number % 2 == 0;
}

static void on_done(void *context, uint64_t token, bool yes)
{
    (void)context;
    (void)token;
    (void)yes;
}

static enum spawn_outcome run(void *context, const struct spawn_call *call, mesh_buf *result)
{
    struct state *s = context;
    if (call->token % 3 == 0) {
        s->later = call->token;
        return SPAWN_LATER;
    }
    return mesh_put_term(result, call->args) == MESH_OK ? SPAWN_RETURN + call->token % 3 : SPAWN_UNDEF;
}

static void toggle(struct state *s, int i, uint64_t now_ms)
{
    s->up[i] = !s->up[i];
    s->leaving[i] = false;
    if (s->up[i])
        system_peer_up(&s->system, mesh_str(peers[i]), true, now_ms);
    else
        system_peer_down(&s->system, mesh_str(peers[i]), now_ms);
}

/* A request of this node's own, so that there is something to answer. */
static void ask(struct state *s, uint64_t now_ms)
{
    static const uint8_t name[] = {119, 1, 'x'};
    const mesh_term term = {name, sizeof name, NULL};
    const mesh_pid user = service_pid(&s->system.service, 8);
    mesh_buf pid;
    mesh_buf_init(&pid);
    if (mesh_put_pid(&pid, &user) != MESH_OK)
        abort();
    global_register(s->system.global, term, mesh_buf_term(&pid), false, 1, now_ms);
    global_set_lock(s->system.global, term, term, 1, 2, now_ms);
    mesh_buf_fini(&pid);
}

static void step(struct state *s, struct cursor *in, uint64_t *now_ms)
{
    const mesh_limits limits = {.bytes = 1 << 16, .depth = 64, .elements = 1 << 12};
    const unsigned what = cursor_u8(in);
    const int peer = what % 4 < 2 ? (int)(what % 4) : (int)(what >> 2 & 1);
    struct control c;
    if (what % 4 == 2) {
        *now_ms += 500 * (uint64_t)(what >> 2);
        system_tick(&s->system, *now_ms);
        if (s->later)
            spawn_answer(&s->system.spawn, s->later, SPAWN_UNDEF, (mesh_term){NULL, 0, NULL});
        s->later = 0;
    } else if (what % 4 == 3) {
        toggle(s, peer, *now_ms);
    } else {
        const mesh_bytes body = cursor_bytes(in, cursor_u16(in));
        if (s->up[peer] && control_read(body, mesh_str(peers[peer]), &limits, &c) == REFUSAL_NONE)
            system_message(&s->system, mesh_str(peers[peer]), &c, *now_ms);
    }
    for (int i = 0; i < 2; i++)
        if (s->leaving[i])
            toggle(s, i, *now_ms);
}

static int dist_system_run(const uint8_t *data, size_t size)
{
    static const struct service_actions actions = {on_send, on_connect, on_disconnect};
    static struct state s;
    const struct spawn_function functions[] = {{"t", "f", 1, run, &s}};
    uint64_t now_ms = 1000;
    struct cursor in = cursor_of((mesh_bytes){data, size});
    memset(&s, 0, sizeof s);
    const struct system_config config = {.self = mesh_str(self),
                                         .creation = 0x6b05ed77,
                                         .first_pid = 16,
                                         .ref_word = 7,
                                         .seed = 1,
                                         .actions = &actions,
                                         .functions = functions,
                                         .function_count = 1,
                                         .next_pid = on_next_pid,
                                         .deliver = on_deliver,
                                         .alive = is_alive,
                                         .done = on_done,
                                         .context = &s};
    system_init(&s.system, &config);
    toggle(&s, 0, now_ms);
    toggle(&s, 1, now_ms);
    ask(&s, now_ms);
    for (int steps = 0; steps < 200 && cursor_left(&in) > 0; steps++)
        step(&s, &in, &now_ms);
    system_fini(&s.system);
    return 0;
}

#endif
