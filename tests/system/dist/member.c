/* The node of the tests: what it has besides the services is a process `mesh`, a gen_server, and four functions. */
#include "system/dist/member.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dist/flags.h"
#include "unit/check.h"

/* ---- functions that others may call ------------------------------------------------------------------------------ */

static enum spawn_outcome run_add(void *context, const struct spawn_call *call, mesh_buf *result)
{
    int64_t a, b;
    (void)context;
    if (mesh_match(call->args, "[~i, ~i]", &a, &b) != MESH_OK) {
        mesh_put_atom(result, mesh_str("badarith"));
        return SPAWN_ERROR;
    }
    mesh_put_int(result, a + b);
    return SPAWN_RETURN;
}

static enum spawn_outcome run_raise(void *context, const struct spawn_call *call, mesh_buf *result)
{
    mesh_bytes how;
    (void)context;
    if (mesh_match(call->args, "[~a]", &how) != MESH_OK)
        return SPAWN_UNDEF;
    mesh_put_atom(result, mesh_str("why"));
    return how.len == 5 ? SPAWN_THROW : how.len == 4 ? SPAWN_EXIT : SPAWN_ERROR; /* throw, exit, other */
}

static enum spawn_outcome run_later(void *context, const struct spawn_call *call, mesh_buf *result)
{
    struct member *m = context;
    (void)result;
    if (mesh_match(call->args, "[~i]", &m->later_value) != MESH_OK)
        return SPAWN_UNDEF;
    m->later = call->token;
    return SPAWN_LATER;
}

static enum spawn_outcome run_note(void *context, const struct spawn_call *call, mesh_buf *result)
{
    struct member *m = context;
    (void)call;
    m->casts++;
    mesh_put_atom(result, mesh_str("ok"));
    return SPAWN_RETURN;
}

/* ---- actions ----------------------------------------------------------------------------------------------------- */

static struct member_link *find(struct member *m, mesh_bytes peer)
{
    for (size_t i = 0; i < MEMBER_LINKS_MAX; i++) {
        struct member_link *l = &m->links[i];
        if (l->up && strlen(l->link.handshake.peer) == peer.len &&
            memcmp(l->link.handshake.peer, peer.data, peer.len) == 0)
            return l;
    }
    return NULL;
}

static void on_send(void *context, mesh_bytes peer, const struct control *message)
{
    struct member_link *l = find(context, peer);
    if (l && !l->closing)
        link_send(&l->link, message);
}

static void on_connect(void *context, mesh_bytes peer)
{
    struct member *m = context;
    for (size_t i = 0; i < m->wanted_count; i++)
        if (strlen(m->wanted[i]) == peer.len && memcmp(m->wanted[i], peer.data, peer.len) == 0)
            return;
    assert_true(m->wanted_count < MEMBER_LINKS_MAX);
    snprintf(m->wanted[m->wanted_count++], NAME_MAX_BYTES + 1, "%.*s", (int)peer.len, (const char *)peer.data);
}

static void on_disconnect(void *context, mesh_bytes peer)
{
    struct member_link *l = find(context, peer);
    if (l)
        l->closing = true;
}

static uint64_t on_next_pid(void *context)
{
    struct member *m = context;
    return ++m->last_pid;
}

static bool is_alive(void *context, uint64_t number)
{
    (void)context;
    return number == MEMBER_USER_PID;
}

static void on_done(void *context, uint64_t token, bool yes)
{
    struct member *m = context;
    m->done_token = token;
    m->done_yes = yes;
}

/* The process `mesh`: answers {double, N}. */
static void answer(struct member *m, mesh_bytes peer, mesh_term message)
{
    struct service_call call;
    int64_t n;
    mesh_buf value;
    mesh_buf_init(&value);
    if (service_is_call(message, &call) && mesh_match(call.request, "{:double, ~i}", &n) == MESH_OK)
        service_reply(&m->system.service, peer, MEMBER_USER_PID, &call, mesh_put_int(&value, 2 * n), &value);
    else if (mesh_match(message, "{:\"$gen_cast\", :note}") == MESH_OK)
        m->casts++;
}

static bool on_deliver(void *context, mesh_bytes peer, const struct control *message)
{
    struct member *m = context;
    uint64_t number = 0;
    if (mesh_match(message->to, ":mesh") != MESH_OK &&
        !(service_is_own(&m->system.service, message->to, &number) && number == MEMBER_USER_PID))
        return false;
    if (message->kind == CONTROL_SEND || message->kind == CONTROL_SEND_NAME)
        answer(m, peer, message->message);
    m->killed += message->kind == CONTROL_EXIT2;
    return true;
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static bool anybody(void *context, mesh_bytes peer)
{
    (void)context;
    return names_full(peer);
}

static bool none_outstanding(void *context, uint32_t challenge)
{
    (void)context;
    (void)challenge;
    return false;
}

void member_start(struct member *m, const char *name, uint16_t epmd_port)
{
    static const struct service_actions actions = {on_send, on_connect, on_disconnect};
    const struct spawn_function functions[] = {
        {"mesh_test", "add", 2, run_add, m},
        {"mesh_test", "raise", 1, run_raise, m},
        {"mesh_test", "later", 1, run_later, m},
        {"mesh_test", "note", 1, run_note, m},
    };
    uint16_t port;
    uint32_t creation;
    memset(m, 0, sizeof *m);
    m->name = name;
    m->epmd_port = epmd_port;
    m->last_pid = 1000;
    m->listener = link_listen(&port);
    m->registration = link_register(epmd_port, name, port, &creation);
    m->config = (struct handshake_config){mesh_str(name), mesh_str("mesh"), DIST_OFFERED, creation,
                                          anybody,        none_outstanding, NULL};
    const struct system_config config = {.self = mesh_str(name),
                                         .creation = creation,
                                         .first_pid = MEMBER_FIRST_PID,
                                         .ref_word = 1,
                                         .seed = creation,
                                         .actions = &actions,
                                         .functions = functions,
                                         .function_count = sizeof functions / sizeof *functions,
                                         .next_pid = on_next_pid,
                                         .deliver = on_deliver,
                                         .alive = is_alive,
                                         .done = on_done,
                                         .context = m};
    system_init(&m->system, &config);
}

static void take_down(struct member *m, struct member_link *l)
{
    l->up = l->closing = false;
    link_close(&l->link);
    system_peer_down(&m->system, mesh_str(l->link.handshake.peer), beam_now_ms());
}

void member_stop(struct member *m)
{
    global_shutdown(m->system.global);
    for (size_t i = 0; i < MEMBER_LINKS_MAX; i++)
        if (m->links[i].up)
            take_down(m, &m->links[i]);
    system_fini(&m->system);
    close(m->listener);
    close(m->registration);
}

static struct member_link *unused(struct member *m)
{
    for (size_t i = 0; i < MEMBER_LINKS_MAX; i++)
        if (!m->links[i].up)
            return &m->links[i];
    fail_msg("too many links");
    return NULL;
}

/* After a handshake, in whichever role. */
static void established(struct member *m, struct member_link *l, enum handshake_event event)
{
    const mesh_bytes peer = mesh_str(l->link.handshake.peer);
    if (event != HANDSHAKE_DONE) {
        link_close(&l->link);
        return;
    }
    struct member_link *old = find(m, peer);
    if (old)
        take_down(m, old);
    l->up = true;
    system_peer_up(&m->system, peer, (l->link.handshake.peer_flags & DIST_PUBLISHED) != 0, beam_now_ms());
}

void member_dial(struct member *m, const char *peer)
{
    const uint16_t port = link_look_up(m->epmd_port, peer);
    if (port == 0) {
        system_peer_down(&m->system, mesh_str(peer), beam_now_ms());
        return;
    }
    struct member_link *l = unused(m);
    link_connect(&l->link, port);
    handshake_dial(&l->link.handshake, &m->config, mesh_str(peer), 0x51, beam_now_ms());
    const enum handshake_event event = link_shake(&l->link);
    established(m, l, event);
    if (event != HANDSHAKE_DONE && l->link.handshake.why != REFUSAL_PEER_NOK)
        system_peer_down(&m->system, mesh_str(peer), beam_now_ms());
}

void member_disconnect(struct member *m, const char *peer)
{
    on_disconnect(m, mesh_str(peer));
}

bool member_has(const struct member *m, const char *peer)
{
    return find((struct member *)m, mesh_str(peer)) != NULL;
}

static void accept_one(struct member *m)
{
    struct member_link *l = unused(m);
    link_accept(&l->link, m->listener);
    handshake_accept(&l->link.handshake, &m->config, 0x52, beam_now_ms());
    established(m, l, link_shake(&l->link));
}

/* What has come on a connection. */
static void pump(struct member *m, struct member_link *l)
{
    struct link *link = &l->link;
    enum refusal why = REFUSAL_NONE;
    struct control c;
    if (link->left.len == 0) {
        ssize_t n = recv(link->fd, link->bytes, sizeof link->bytes, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        link->left = (mesh_bytes){link->bytes, n > 0 ? (size_t)n : 0};
        if (n <= 0)
            l->closing = true;
    }
    while (!l->closing) {
        const enum frame_event event = frame_read(&link->reader, &link->left, &link->frame, &why);
        if (event == FRAME_MORE)
            return;
        if (event == FRAME_MESSAGE)
            why = control_read(link->frame.body, mesh_str(link->handshake.peer), NULL, &c);
        if (why)
            fail_msg("refused: %s", refusal_text(why));
        if (event == FRAME_MESSAGE)
            system_message(&m->system, mesh_str(link->handshake.peer), &c, beam_now_ms());
    }
}

static void answer_later(struct member *m)
{
    mesh_buf value;
    const uint64_t token = m->later;
    if (token == 0)
        return;
    m->later = 0;
    mesh_buf_init(&value);
    mesh_put_int(&value, m->later_value);
    spawn_answer(&m->system.spawn, token, SPAWN_RETURN, mesh_buf_term(&value));
    mesh_buf_fini(&value);
}

void member_serve(struct member *m, int wait_ms, int also)
{
    struct pollfd fds[MEMBER_LINKS_MAX + 2] = {{.fd = m->listener, .events = POLLIN}, {.fd = also, .events = POLLIN}};
    for (size_t i = 0; i < MEMBER_LINKS_MAX; i++) {
        struct member_link *l = &m->links[i];
        fds[i + 2] = (struct pollfd){.fd = l->up ? l->link.fd : -1, .events = POLLIN};
        if (l->up && l->link.left.len > 0)
            wait_ms = 0;
    }
    poll(fds, MEMBER_LINKS_MAX + 2, wait_ms);
    for (size_t i = 0; i < MEMBER_LINKS_MAX; i++)
        if (m->links[i].up && (fds[i + 2].revents != 0 || m->links[i].link.left.len > 0))
            pump(m, &m->links[i]);
    if (fds[0].revents != 0)
        accept_one(m);
    answer_later(m);
    system_tick(&m->system, beam_now_ms());
    for (size_t i = 0; i < MEMBER_LINKS_MAX; i++)
        if (m->links[i].up && m->links[i].closing)
            take_down(m, &m->links[i]);
    while (m->wanted_count > 0) {
        char peer[NAME_MAX_BYTES + 1];
        snprintf(peer, sizeof peer, "%s", m->wanted[--m->wanted_count]);
        if (!find(m, mesh_str(peer)))
            member_dial(m, peer);
    }
}

static bool has_line(const struct beam *beam)
{
    struct pollfd p = {.fd = beam->out, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

void member_expect(struct member **members, size_t count, struct beam *beam, const char *expressions,
                   const char *wanted)
{
    const uint64_t deadline = beam_now_ms() + BEAM_DEADLINE_MS;
    char line[512];
    beam_tell(beam, expressions);
    for (int lines = 0; lines < 100;) {
        for (size_t i = 0; i < count; i++)
            member_serve(members[i], count == 1 ? 20 : 2, beam->out);
        if (count == 0 || has_line(beam)) {
            beam_hear(beam, line, sizeof line);
            if (strcmp(line, wanted) == 0)
                return;
            print_message("the BEAM: %s\n", line);
            lines++;
        }
        if (beam_now_ms() > deadline)
            fail_msg("no answer to %s", expressions);
    }
    fail_msg("%s does not give %s", expressions, wanted);
}
