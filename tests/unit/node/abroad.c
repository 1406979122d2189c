/* See abroad.h. */
#include "unit/node/abroad.h"

#include <stdio.h>

#include "dist/service.h"

enum { LINES_MAX = 4096, LINE_MAX_BYTES = 400, LABELS_MAX = 64 };

mesh_node *node;
struct foreign *foreign;

static struct {
    mesh_pid pid;
    char name[32];
} labels[LABELS_MAX];
static int label_count;

/* What was sent. Under lock. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char line[LINES_MAX][LINE_MAX_BYTES];
    mesh_ref ref[LINES_MAX];
    uint64_t id[LINES_MAX];
    int count, expected;
    bool beam_up, far_up;
    int connects;
    int gone;
    uint64_t gone_last;
} wire = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* ---- Text ---- */

void label(const mesh_pid *pid, const char *name)
{
    pthread_mutex_lock(&wire.lock);
    assert_true(label_count < LABELS_MAX);
    labels[label_count].pid = *pid;
    snprintf(labels[label_count++].name, sizeof labels[0].name, "%s", name);
    pthread_mutex_unlock(&wire.lock);
}

static void put_who(char *line, mesh_term term)
{
    char text[LINE_MAX_BYTES] = "-";
    mesh_reader r = mesh_reader_of(term);
    mesh_pid pid;
    size_t at = strlen(line);
    if (term.len > 0 && mesh_read_pid(&r, &pid) == MESH_OK) {
        snprintf(text, sizeof text, "%s/%d", pid.node, (int)pid.number);
        for (int i = 0; i < label_count; i++)
            if (mesh_pid_equal(&labels[i].pid, &pid))
                snprintf(text, sizeof text, "%s", labels[i].name);
    } else if (term.len > 0) {
        mesh_inspect_text(term, text, sizeof text);
    }
    snprintf(line + at, LINE_MAX_BYTES - at, " %s", text);
}

static const char *const kinds[] = {
    [CONTROL_SEND] = "send",   [CONTROL_SEND_NAME] = "send_name", [CONTROL_SEND_ALIAS] = "send_alias",
    [CONTROL_LINK] = "link",   [CONTROL_UNLINK] = "unlink",       [CONTROL_EXIT] = "exit",
    [CONTROL_EXIT2] = "exit2", [CONTROL_MONITOR] = "monitor",     [CONTROL_DEMONITOR] = "demonitor",
    [CONTROL_DOWN] = "down",   [CONTROL_SPAWN_REPLY] = NULL,
};

static void put_line(char *line, mesh_bytes peer, const struct control *c, mesh_ref *ref)
{
    mesh_reader r = mesh_reader_of(c->ref);
    snprintf(line, LINE_MAX_BYTES, "%.*s %s", (int)peer.len, (const char *)peer.data, kinds[c->kind]);
    put_who(line, c->from);
    put_who(line, c->to);
    if (c->ref.len > 0 && mesh_read_ref(&r, ref) == MESH_OK) {
        size_t at = strlen(line);
        if (strcmp(ref->node, node->runtime.name) == 0)
            snprintf(line + at, LINE_MAX_BYTES - at, " own");
        else
            snprintf(line + at, LINE_MAX_BYTES - at, " ref%u", ref->words[0]);
    }
    if (c->message.len > 0)
        put_who(line, c->message);
}

/* ---- The other side of struct foreign_ops ---- */

static int on_send(void *context, mesh_bytes peer, const struct control *message, uint64_t sender)
{
    (void)context;
    (void)sender;
    pthread_mutex_lock(&wire.lock);
    bool up = service_same(peer, mesh_str("beam@host")) ? wire.beam_up
                                                        : service_same(peer, mesh_str("far@host")) && wire.far_up;
    if (up && wire.count < LINES_MAX) {
        put_line(wire.line[wire.count], peer, message, &wire.ref[wire.count]);
        wire.id[wire.count] = message->id;
        wire.count++;
        pthread_cond_broadcast(&wire.changed);
    }
    pthread_mutex_unlock(&wire.lock);
    return up ? MESH_OK : MESH_ENOPROCESS;
}

static void on_connect(void *context, mesh_bytes peer)
{
    (void)context;
    (void)peer;
    pthread_mutex_lock(&wire.lock);
    wire.connects++;
    pthread_mutex_unlock(&wire.lock);
}

static void on_gone(void *context, uint64_t number)
{
    (void)context;
    pthread_mutex_lock(&wire.lock);
    wire.gone++;
    wire.gone_last = number;
    pthread_cond_broadcast(&wire.changed);
    pthread_mutex_unlock(&wire.lock);
}

static int read_count(const int *count)
{
    pthread_mutex_lock(&wire.lock);
    int n = *count;
    pthread_mutex_unlock(&wire.lock);
    return n;
}

int connects(void)
{
    return read_count(&wire.connects);
}

int gone_count(void)
{
    return read_count(&wire.gone);
}

uint64_t gone_last(void)
{
    pthread_mutex_lock(&wire.lock);
    uint64_t number = wire.gone_last;
    pthread_mutex_unlock(&wire.lock);
    return number;
}

/* Whether count gets past n in time. */
static bool await_more(const int *count, int n)
{
    uint64_t until = now_ms() + PATIENCE_MS;
    struct timespec at;
    pthread_mutex_lock(&wire.lock);
    while (*count <= n && now_ms() < until) {
        clock_gettime(CLOCK_REALTIME, &at);
        at.tv_sec += 1;
        pthread_cond_timedwait(&wire.changed, &wire.lock, &at);
    }
    bool more = *count > n;
    pthread_mutex_unlock(&wire.lock);
    return more;
}

void expect(const char *line)
{
    if (!await_more(&wire.count, wire.expected))
        fail_msg("waited in vain for: %s", line);
    assert_string_equal(wire.line[wire.expected], line);
    wire.expected++;
}

void expect_nothing(void)
{
    if (read_count(&wire.count) != wire.expected)
        fail_msg("not expected: %s", wire.line[wire.expected]);
}

mesh_ref last_ref(void)
{
    return wire.ref[wire.expected - 1];
}

uint64_t last_id(void)
{
    return wire.id[wire.expected - 1];
}

/* ---- The node ---- */

static const struct foreign_ops ops = {.send = on_send, .connect = on_connect, .gone = on_gone};

static void start(const struct foreign_limits *limits)
{
    label_count = 0;
    wire.count = wire.expected = wire.connects = wire.gone = 0;
    wire.beam_up = true;
    wire.far_up = false;
    node = agent_node(&(mesh_node_options){.name = "c@host"});
    foreign = node->foreign = foreign_create(&node->runtime, &ops, NULL, limits);
}

/* Ties of processes that a test leaves behind end with them, and what answers that may still be on its way there. */
static void stop(void)
{
    struct foreign_counts counts;
    if (foreign == NULL) {
        agent_stop(node);
        return;
    }
    assert_int_equal(runtime_stop(&node->runtime), MESH_OK);
    foreign_peer_down(foreign, NULL, mesh_str("beam@host"));
    foreign_peer_down(foreign, NULL, mesh_str("far@host"));
    foreign_count(foreign, &counts);
    assert_int_equal(counts.ties, 0);
    assert_int_equal(counts.stand_ins, 0);
    assert_int_equal(counts.calls, 0);
    assert_int_equal(counts.waiting, 0);
    agent_stop(node);
}

int abroad_set_up(void **state)
{
    (void)state;
    start(NULL);
    return 0;
}

int abroad_tear_down(void **state)
{
    (void)state;
    stop();
    return 0;
}

void abroad_restart(const struct foreign_limits *limits)
{
    stop();
    start(limits);
}

static mesh_pid remote(const char *name, uint64_t number)
{
    mesh_pid pid = {.number = number, .creation = 77};
    snprintf(pid.node, sizeof pid.node, "%s", name);
    return pid;
}

mesh_pid beam(uint64_t number)
{
    return remote("beam@host", number);
}

mesh_pid far(uint64_t number)
{
    return remote("far@host", number);
}

static void set_up_flag(bool *flag, bool up)
{
    pthread_mutex_lock(&wire.lock);
    *flag = up;
    pthread_mutex_unlock(&wire.lock);
}

void far_up(void)
{
    set_up_flag(&wire.far_up, true);
    foreign_peer_up(foreign, NULL, mesh_str("far@host"));
}

void far_down(void)
{
    set_up_flag(&wire.far_up, false);
    foreign_peer_down(foreign, NULL, mesh_str("far@host"));
}

void beam_down(void)
{
    set_up_flag(&wire.beam_up, false);
    foreign_peer_down(foreign, NULL, mesh_str("beam@host"));
}

void beam_up(void)
{
    set_up_flag(&wire.beam_up, true);
    foreign_peer_up(foreign, NULL, mesh_str("beam@host"));
}

mesh_pid pid_of(const char *id)
{
    mesh_pid pid = {0};
    int rc;
    do
        rc = act_call(node, id, act_self, &pid, NULL);
    while (rc == MESH_ECRASHED); /* it came while an exit signal was ending the last life */
    assert_int_equal(rc, MESH_OK);
    label(&pid, id);
    return pid;
}

/* ---- What comes ---- */

struct terms {
    mesh_buf from, to, ref, message;
};

static void put_pid(mesh_buf *buf, const mesh_pid *pid)
{
    if (pid != NULL)
        assert_int_equal(mesh_put_pid(buf, pid), MESH_OK);
}

/* Delivers a message whose parts may be missing. */
static bool come(struct control c, const mesh_pid *from, const mesh_pid *to, const mesh_ref *ref, const char *message)
{
    struct terms t;
    mesh_buf_init(&t.from);
    mesh_buf_init(&t.to);
    mesh_buf_init(&t.ref);
    mesh_buf_init(&t.message);
    put_pid(&t.from, from);
    put_pid(&t.to, to);
    if (ref != NULL)
        assert_int_equal(mesh_put_ref(&t.ref, ref), MESH_OK);
    if (message != NULL) {
        assert_int_equal(mesh_parse(message, strlen(message), &t.message, NULL), MESH_OK);
        c.message = mesh_buf_term(&t.message);
    }
    c.from = mesh_buf_term(&t.from);
    if (to != NULL)
        c.to = mesh_buf_term(&t.to);
    c.ref = mesh_buf_term(&t.ref);
    bool there = foreign_deliver(foreign, NULL, mesh_str("beam@host"), &c);
    mesh_buf_fini(&t.from);
    mesh_buf_fini(&t.to);
    mesh_buf_fini(&t.ref);
    mesh_buf_fini(&t.message);
    return there;
}

mesh_ref beam_ref(uint32_t word)
{
    return (mesh_ref){.creation = 77, .count = 3, .words = {word, 2, 3}, .node = "beam@host"};
}

bool come_send(const mesh_pid *to, const char *message)
{
    return come((struct control){.kind = CONTROL_SEND}, NULL, to, NULL, message);
}

bool come_term(const mesh_pid *to, mesh_term message)
{
    return come((struct control){.kind = CONTROL_SEND, .message = message}, NULL, to, NULL, NULL);
}

bool come_to_name(const char *name, mesh_term message)
{
    mesh_buf atom;
    mesh_buf_init(&atom);
    assert_int_equal(mesh_put_atom(&atom, mesh_str(name)), MESH_OK);
    bool there = come((struct control){.kind = CONTROL_SEND_NAME, .to = mesh_buf_term(&atom), .message = message}, NULL,
                      NULL, NULL, NULL);
    mesh_buf_fini(&atom);
    return there;
}

bool come_monitor(const mesh_pid *from, const mesh_pid *to, uint32_t ref)
{
    const mesh_ref r = beam_ref(ref);
    return come((struct control){.kind = CONTROL_MONITOR}, from, to, &r, NULL);
}

bool come_demonitor(const mesh_pid *from, const mesh_pid *to, uint32_t ref)
{
    const mesh_ref r = beam_ref(ref);
    return come((struct control){.kind = CONTROL_DEMONITOR}, from, to, &r, NULL);
}

bool come_down(const mesh_pid *from, const mesh_pid *to, const mesh_ref *ref, const char *reason)
{
    return come((struct control){.kind = CONTROL_DOWN}, from, to, ref, reason);
}

bool come_link(const mesh_pid *from, const mesh_pid *to)
{
    return come((struct control){.kind = CONTROL_LINK}, from, to, NULL, NULL);
}

bool come_unlink(const mesh_pid *from, const mesh_pid *to, uint64_t id)
{
    return come((struct control){.kind = CONTROL_UNLINK, .id = id}, from, to, NULL, NULL);
}

bool come_unlink_ack(const mesh_pid *from, const mesh_pid *to, uint64_t id)
{
    return come((struct control){.kind = CONTROL_UNLINK_ACK, .id = id}, from, to, NULL, NULL);
}

bool come_exit(const mesh_pid *from, const mesh_pid *to, const char *reason)
{
    return come((struct control){.kind = CONTROL_EXIT}, from, to, NULL, reason);
}

bool come_exit2(const mesh_pid *from, const mesh_pid *to, const char *reason)
{
    return come((struct control){.kind = CONTROL_EXIT2}, from, to, NULL, reason);
}

/* ---- Acts ---- */

static const uint8_t hello[] = {119, 5, 'h', 'e', 'l', 'l', 'o'}, boom[] = {119, 4, 'b', 'o', 'o', 'm'};

void act_on(const char *id, act_fn fn, void *arg)
{
    assert_int_equal(act_call(node, id, fn, arg, NULL), MESH_OK);
}

int act_monitor(struct scene *s)
{
    struct tie_act *t = s->arg;
    t->rc = mesh_monitor(s->self, &t->pid, &t->ref);
    return act_ok(s);
}

int act_demonitor(struct scene *s)
{
    struct tie_act *t = s->arg;
    t->rc = mesh_demonitor(s->self, &t->ref);
    return act_ok(s);
}

int act_link(struct scene *s)
{
    struct tie_act *t = s->arg;
    t->rc = mesh_link(s->self, &t->pid);
    return act_ok(s);
}

int act_unlink(struct scene *s)
{
    struct tie_act *t = s->arg;
    t->rc = mesh_unlink(s->self, &t->pid);
    return act_ok(s);
}

int act_trap(struct scene *s)
{
    mesh_trap_exits(s->self, true);
    return act_ok(s);
}

int act_write(struct scene *s)
{
    struct tie_act *t = s->arg;
    t->rc = mesh_send(s->node, &t->pid, (mesh_term){.data = hello, .len = sizeof hello});
    return act_ok(s);
}

int act_exit_pid(struct scene *s)
{
    struct tie_act *t = s->arg;
    t->rc = mesh_exit(s->node, &t->pid, (mesh_term){.data = boom, .len = sizeof boom});
    return act_ok(s);
}

int act_crash_boom(struct scene *s)
{
    return mesh_crash(s->self, (mesh_term){.data = boom, .len = sizeof boom});
}

int act_hold(struct scene *s)
{
    struct gate **gates = s->arg;
    gate_add(gates[0]);
    pthread_mutex_lock(&gates[1]->lock);
    while (gates[1]->count == 0)
        pthread_cond_wait(&gates[1]->changed, &gates[1]->lock);
    pthread_mutex_unlock(&gates[1]->lock);
    return act_ok(s);
}

/* ---- Infos ---- */

static void expect_reason(const mesh_pid *pid, const mesh_pid *wanted, mesh_term reason, const char *text)
{
    char printed[LINE_MAX_BYTES];
    assert_true(mesh_pid_equal(pid, wanted));
    assert_string_equal(mesh_inspect_text(reason, printed, sizeof printed), text);
}

void expect_down(int i, const mesh_ref *ref, const mesh_pid *pid, const char *reason)
{
    mesh_ref got;
    mesh_pid from;
    mesh_term why;
    script_await(&script.infos, i + 1);
    assert_int_equal(mesh_match(script.info[i], "{:DOWN, ~r, :process, ~p, ~t}", &got, &from, &why), MESH_OK);
    assert_true(mesh_ref_equal(&got, ref));
    expect_reason(&from, pid, why, reason);
}

void expect_exit(int i, const mesh_pid *pid, const char *reason)
{
    mesh_pid from;
    mesh_term why;
    script_await(&script.infos, i + 1);
    assert_int_equal(mesh_match(script.info[i], "{:EXIT, ~p, ~t}", &from, &why), MESH_OK);
    expect_reason(&from, pid, why, reason);
}

void expect_counts(uint32_t ties, uint32_t stand_ins)
{
    struct foreign_counts counts;
    uint64_t until = now_ms() + PATIENCE_MS;
    do
        foreign_count(foreign, &counts);
    while ((counts.ties != ties || counts.stand_ins != stand_ins) && now_ms() < until);
    assert_int_equal(counts.ties, ties);
    assert_int_equal(counts.stand_ins, stand_ins);
}
